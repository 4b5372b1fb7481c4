//! `probe`: answers the texts of the flow probe with their own words, while they are worth an answer.

use protocol::probe::{LIFE, Nonce};
use protocol::{Phase, Timestamp};

use crate::application::{Application, Known, Reply, Said, Text};

#[derive(Debug)]
pub(super) struct Probe;

impl Application for Probe {
    fn name(&self) -> &'static str {
        "probe"
    }

    fn phases(&self) -> &[Phase] {
        &[Phase::Handle]
    }

    fn handle(&self, text: &Text, _known: &Known) -> Said {
        if Nonce::read(&text.words).is_none() {
            return Said::pass().because("it is no text of the flow probe, and its backend is for that alone");
        }
        let expires_at = text.received_at.saturating_add(LIFE).unwrap_or(Timestamp::MAX);
        if expires_at <= text.now {
            return Said::pass().because("the flow probe does not wait for it any more");
        }
        let reply = Reply { expires_at: Some(expires_at), ..Reply::to_sender(text.words.clone()) };
        Said { replies: vec![reply], ..Said::take() }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applications::text;

    #[test]
    fn only_a_probe_is_answered_and_only_while_somebody_waits_for_it() {
        let words = Nonce::of(17).words();
        let probe = text(words.as_str());
        let said = Probe.handle(&probe, &Known::default());
        let expires_at = Some(probe.received_at + LIFE);
        assert_eq!(said.replies, [Reply { expires_at, ..Reply::to_sender(words) }]);
        let late = Text { now: probe.received_at + LIFE, ..probe };
        for text in [late, text("hello"), text("STOP")] {
            let said = Probe.handle(&text, &Known::default());
            assert!(said.is_pass() && said.because.is_some(), "{said:?}");
        }
    }
}
