//! The message document: what a session is handed when the ledger has granted it the message.

use protocol::{Address, ResultHandler, TraceContext};
use tropo::document::{Action, Document, Message, On};
use tropo::shape::OneOrMany;
use tropo::ticket::{Keyring, Receipt, Ticket};

/// The document for a ticket: the message, and a handler for each way in which it can end.
///
/// `reply_to` is the last part of the URL that Tropo called, path segment and query; each `next` is relative to it,
/// so that the result comes back the way the call-back came, whatever stands in front of ingress (Tropo WebAPI: a
/// relative `next` is resolved against the current URL).
pub(crate) fn message(
    ticket: &Ticket,
    number: &Address,
    reply_to: &str,
    trace: Option<&TraceContext>,
    keyring: &Keyring,
) -> Document {
    let from = ticket.from.as_ref().unwrap_or(number);
    let mut actions =
        vec![Action::Message(Box::new(Message::text(&ticket.to, Some(from), &ticket.network, &ticket.text)))];
    for handler in ResultHandler::ALL {
        let receipt = Receipt {
            message_id: ticket.message_id,
            backend: ticket.backend.clone(),
            correlation_id: ticket.correlation_id.clone(),
            handler,
            trace: trace.cloned(),
            expires_at: ticket.expires_at.saturating_add(RESULT_GRACE).unwrap_or(ticket.expires_at),
        };
        let next = next(reply_to, &keyring.seal(&receipt));
        actions.push(Action::On(OneOrMany::One(On::next(handler.as_str(), next))));
    }
    Document { actions }
}

/// How long after the ticket expired a result may still come.
const RESULT_GRACE: std::time::Duration = std::time::Duration::from_hours(6);

/// The relative URL of a handler. A receipt needs no escapes: it is made of base64url and dots.
fn next(reply_to: &str, receipt: &str) -> String {
    let separator = if reply_to.contains('?') { '&' } else { '?' };
    format!("{reply_to}{separator}{}={receipt}", Receipt::PARAMETER)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_comes_back_the_way_the_call_back_came() {
        assert_eq!(next("my-backend", "a.b.c"), "my-backend?receipt=a.b.c");
        assert_eq!(next("my-backend?secret=x", "a.b.c"), "my-backend?secret=x&receipt=a.b.c");
    }
}
