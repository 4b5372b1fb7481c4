//! Waiting for what comes from outside, and for how long.

use std::time::Duration;

use protocol::MessageText;
use tokio::time::Instant;
use tropo::document::Wait;
use tropo::result::Disposition;
use tropo::shape::{Number, OneOrMany};

use super::inbox::{Origin, Waiting};
use super::perform::{Ending, Step};
use super::{Leg, Run};
use crate::debugger::wording;

/// The longest wait that is counted; a session's life is over before.
const WAIT_MAX: Duration = Duration::from_secs(365 * 24 * 60 * 60);

/// What came, or that nothing did.
pub(super) enum Heard {
    /// A text.
    Text(MessageText),
    /// What ends the action.
    Interruption(Interruption),
    /// The time is over.
    Nothing,
}

/// What ends an action before it is done.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Interruption {
    /// A signal that the action allows.
    Signal(String),
    /// The phone hung up.
    HungUp,
    /// The session's longest life is over.
    TimeUp,
    /// The simulator stops, and the action would wait.
    Stopping,
}

impl Interruption {
    /// How the action has ended.
    pub(super) fn disposition(&self) -> Disposition {
        match self {
            Self::Signal(_) => Disposition::ExternalEvent,
            Self::HungUp | Self::TimeUp | Self::Stopping => Disposition::Hangup,
        }
    }
}

impl Run {
    /// Waits for a text of the conversation, if one is listened to, or for an interruption.
    pub(super) async fn listen(
        &mut self,
        allowed: Option<&OneOrMany<String>>,
        leg: Option<&Leg>,
        wait: Duration,
    ) -> Heard {
        let until = after(Instant::now(), wait);
        loop {
            if let Some(interruption) = self.interruption(allowed) {
                return Heard::Interruption(interruption);
            }
            if let Some(waiting) = leg.and_then(|leg| self.simulator.inboxes.take_text(&self.id, leg)) {
                self.has_heard = true;
                let Waiting { delivery, origin } = waiting;
                if origin != Origin::First {
                    self.tell_received(&delivery);
                }
                return Heard::Text(delivery.text);
            }
            if self.simulator.stopping.is_cancelled() {
                return Heard::Interruption(Interruption::Stopping);
            }
            tokio::select! {
                biased;
                () = self.bell.notified() => {}
                () = self.simulator.stopping.cancelled() => {}
                () = tokio::time::sleep_until(until.min(self.deadline)) => {
                    if until < self.deadline {
                        return Heard::Nothing;
                    }
                }
            }
        }
    }

    /// What ends an action that allows these signals, if anything does. Signals that it does not allow are dropped.
    pub(super) fn interruption(&mut self, allowed: Option<&OneOrMany<String>>) -> Option<Interruption> {
        if let Some(gone) = self.gone() {
            return Some(gone);
        }
        let signal = self.simulator.inboxes.take_signal(&self.id, |signal| is_allowed(allowed, signal))?;
        self.has_heard = true;
        self.log(wording::ours(format_args!("Signal {signal:?} interrupts the session")));
        Some(Interruption::Signal(signal))
    }

    /// What ends the whole document, if anything does.
    pub(super) fn gone(&self) -> Option<Interruption> {
        if self.simulator.inboxes.has_hung_up(&self.id) {
            return Some(Interruption::HungUp);
        }
        (self.deadline <= Instant::now()).then_some(Interruption::TimeUp)
    }

    /// Where an interruption leads.
    pub(super) fn interrupted(&self, interruption: Interruption) -> Step {
        let line = match interruption {
            Interruption::Signal(signal) => return Step::End(Ending::Signal(signal)),
            Interruption::Stopping => {
                self.log(wording::ours("The session ends: the simulator is stopping"));
                return Step::End(Ending::Stopped);
            }
            Interruption::HungUp => "The phone hung up",
            Interruption::TimeUp => "The session is hung up: it has lasted as long as any may (simulator.session_max)",
        };
        self.log(wording::ours(line));
        Step::End(Ending::Disconnected)
    }

    /// Does nothing for a while (Tropo WebAPI: `wait`).
    pub(super) async fn wait(&mut self, wait: &Wait) -> Step {
        let length = seconds(wait.milliseconds) / 1000;
        match self.listen(wait.allow_signals.as_ref(), None, length).await {
            Heard::Interruption(interruption) => {
                self.collect("wait", None, &interruption);
                self.interrupted(interruption)
            }
            Heard::Text(_) | Heard::Nothing => Step::Next,
        }
    }
}

/// Whether an action allows a signal (Tropo WebAPI: `allowSignals`): any where it does not say, or says `*`.
fn is_allowed(allowed: Option<&OneOrMany<String>>, signal: &str) -> bool {
    let is_it = |name: &String| name.trim() == "*" || name.trim().eq_ignore_ascii_case(signal.trim());
    allowed.is_none_or(|names| names.iter().any(is_it))
}

/// So many seconds; none where they are fewer, and never more than can be counted.
pub(super) fn seconds(number: Number) -> Duration {
    Duration::try_from_secs_f64(number.as_f64().max(0.0)).unwrap_or(Duration::MAX)
}

/// A while after an instant.
pub(super) fn after(instant: Instant, wait: Duration) -> Instant {
    instant.checked_add(wait.min(WAIT_MAX)).unwrap_or(instant)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_signal_is_allowed_unless_the_action_says_otherwise() {
        let many = |names: &[&str]| Some(OneOrMany::Many(names.iter().map(|&name| name.to_owned()).collect()));
        for (allowed, expected) in [
            (None, true),
            (many(&["*"]), true),
            (many(&["exit", "Stop"]), true),
            (many(&["exit"]), false),
            (many(&[""]), false),
            (many(&[]), false),
        ] {
            assert_eq!(is_allowed(allowed.as_ref(), "stop"), expected, "{allowed:?}");
        }
    }

    #[test]
    fn a_length_of_time_is_never_negative_and_never_too_long_to_count() {
        assert_eq!(seconds(Number::from(30)), Duration::from_secs(30));
        let number = |text: &str| {
            tropo::document::Document::read(
                format!(r#"{{"tropo":[{{"wait":{{"milliseconds":{text}}}}}]}}"#).as_bytes(),
                None,
            )
        };
        for (text, expected) in [("0.25", Duration::from_millis(250)), ("-1", Duration::ZERO), ("1e300", Duration::MAX)]
        {
            let document = number(text).unwrap();
            let [tropo::document::Action::Wait(wait)] = document.actions.as_slice() else { panic!("{text}") };
            assert_eq!(seconds(wait.milliseconds), expected);
        }
        let now = Instant::now();
        assert_eq!(after(now, Duration::MAX), now + WAIT_MAX);
    }
}
