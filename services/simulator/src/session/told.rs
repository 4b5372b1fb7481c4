//! Tells of the texts of a session whoever wants to know: reports go out beside the session, which waits for none.

use protocol::Network;
use tropo::document::{Call, Message};

use super::{Leg, Run, opening};
use crate::application::is_http;
use crate::debugger::wording;
use crate::phones::Delivery;
use crate::reports::{Asked, Direction, Outcome, TextReport};

/// How many bytes of what a document says are told in a report: of a label, or of an address that was refused.
const TOLD_BYTES_MAX: usize = 500;

/// Both ends of a text, as far as they are known.
#[derive(Clone, Copy)]
struct Ends<'a> {
    from: Option<&'a str>,
    to: Option<&'a str>,
    network: &'a Network,
    asked: Option<&'a Asked>,
    parts: usize,
}

impl Run {
    /// A text that the session has.
    pub(super) fn tell_received(&mut self, delivery: &Delivery) {
        let Delivery { from, to, network, .. } = delivery;
        let parts = delivery.counted().map_or(1, |(_, parts)| parts);
        let ends = Ends { from: Some(from.as_str()), to: Some(to.as_str()), network, asked: None, parts };
        self.tell(Direction::In, ends, Outcome::Done);
    }

    /// A text that went out in so many parts.
    pub(super) fn tell_sent(&mut self, leg: &Leg, parts: usize) {
        let Leg { us, them, network, asked } = leg;
        let ends = Ends { from: Some(us.as_str()), to: Some(them.as_str()), network, asked: Some(asked), parts };
        self.tell(Direction::Out, ends, Outcome::Done);
    }

    /// A message that was not sent.
    pub(super) fn tell_refused(&mut self, message: &Message, reason: &str) {
        let network = message.network.as_deref().and_then(|network| network.trim().parse().ok());
        let network = network.unwrap_or_else(Network::sms);
        let ends = Ends {
            from: message.from.as_deref().map(cut),
            to: message.to.first().map(|to| cut(to)),
            network: &network,
            asked: None,
            parts: 0,
        };
        self.tell(Direction::Out, ends, Outcome::Refused(reason));
    }

    /// Words that were not sent in a call.
    pub(super) fn tell_unsaid(&mut self, leg: &Leg, reason: &str) {
        let Leg { us, them, network, asked } = leg;
        let ends = Ends { from: Some(us.as_str()), to: Some(them.as_str()), network, asked: Some(asked), parts: 0 };
        self.tell(Direction::Out, ends, Outcome::Refused(reason));
    }

    /// What a call asks for in its record.
    pub(super) fn asked_by(&self, call: &Call) -> Asked {
        let written = call.callback_url.as_deref().map(str::trim).filter(|written| !written.is_empty());
        let callback_url = written.and_then(|written| self.url.join(written).ok()).filter(is_http);
        if written.is_some() && callback_url.is_none() {
            self.log(wording::ours("The callbackUrl of action call is no http address: its record is not posted"));
        }
        Asked { callback_url, label: call.label.as_deref().map(|label| cut(label).to_owned()) }
    }

    fn tell(&mut self, direction: Direction, ends: Ends<'_>, outcome: Outcome<'_>) {
        let call_id = self.call_id.get_or_insert_with(opening::hex);
        let Ends { from, to, network, asked, parts } = ends;
        self.simulator.report(&TextReport {
            application: &self.application,
            start_url: &self.start_url,
            session_id: &self.id,
            call_id,
            direction,
            from,
            to,
            network,
            outcome,
            asked,
            parts,
        });
    }
}

/// The beginning of what a document says.
fn cut(written: &str) -> &str {
    written.get(..written.floor_char_boundary(TOLD_BYTES_MAX)).unwrap_or(written)
}
