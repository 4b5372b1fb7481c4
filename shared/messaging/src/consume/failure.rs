//! What becomes of a delivery whose handling failed.

use std::error::Error;

use protocol::EnvelopeError;

use crate::consume::id;
use crate::headers::{ATTEMPT, DEAD_AT, ERROR, QUEUE, REASON, ROUTING_KEY};
use crate::observe::{self, Settled};
use crate::{Context, Delivery, Destination, Disposition, Message, Outgoing, RetryPolicy, Settle};

/// A handler that panics this often on one message would do so for ever.
const PANICS_MAX: u32 = 3;

/// The longest chain of causes that a header carries, in bytes.
const ERROR_BYTES_MAX: usize = 2048;

/// Why a delivery was not handled.
pub(super) struct Failure {
    disposition: Disposition,
    reason: &'static str,
    error: String,
    pub(super) outgoing: Vec<Outgoing>,
}

/// What to do about it.
pub(super) enum Decision {
    /// Nothing but settle it.
    Drop,
    /// Publish this copy of it, then settle it.
    Move { message: Box<Message>, settled: Settled },
}

impl Failure {
    pub(super) fn of(error: &impl Settle) -> Self {
        let disposition = error.disposition();
        Self { disposition, reason: "failed", error: told(error), outgoing: error.outgoing() }
    }

    pub(super) fn unreadable(error: &EnvelopeError) -> Self {
        let disposition = Disposition::DeadLetter;
        Self { disposition, reason: "unreadable", error: told(error), outgoing: Vec::new() }
    }

    /// What a panic says may quote the message; the panic itself is on standard error.
    pub(super) fn panicked() -> Self {
        let disposition = Disposition::Retry { after: None };
        Self { disposition, reason: "panicked", error: "the handler panicked".to_owned(), outgoing: Vec::new() }
    }

    pub(super) fn decide(&self, delivery: &Delivery, context: &Context, policy: &RetryPolicy) -> Decision {
        let attempt = context.attempt;
        match self.disposition {
            Disposition::Drop => {
                observe::dropped(&delivery.queue, id(delivery), &self.error);
                Decision::Drop
            }
            Disposition::DeadLetter => self.dead(self.reason, delivery, context),
            Disposition::Retry { .. } if self.reason == "panicked" && PANICS_MAX <= attempt => {
                self.dead(self.reason, delivery, context)
            }
            Disposition::Retry { after } => match policy.delay(attempt, after, &*context.environment.chance) {
                None => self.dead("attempts_exhausted", delivery, context),
                Some(delay) => {
                    observe::retrying(&delivery.queue, id(delivery), attempt, delay, &self.error);
                    let destination = Destination::Delayed { queue: delivery.queue.clone(), delay };
                    let message = copy(delivery, destination, attempt.saturating_add(1));
                    Decision::Move { message: Box::new(message), settled: Settled::Retried }
                }
            },
        }
    }

    fn dead(&self, reason: &str, delivery: &Delivery, context: &Context) -> Decision {
        observe::dead(&delivery.queue, id(delivery), context.attempt, &self.error);
        let mut message = copy(delivery, Destination::Dead, context.attempt);
        let headers = &mut message.properties.headers;
        headers.insert(REASON.to_owned(), reason.to_owned());
        headers.insert(ERROR.to_owned(), self.error.clone());
        headers.insert(DEAD_AT.to_owned(), context.environment.now().to_string());
        Decision::Move { message: Box::new(message), settled: Settled::Dead }
    }
}

/// The same message for another destination, telling where it came from.
fn copy(delivery: &Delivery, destination: Destination, attempt: u32) -> Message {
    let mut properties = delivery.properties.clone();
    let headers = &mut properties.headers;
    headers.insert(ATTEMPT.to_owned(), attempt.to_string());
    headers.insert(QUEUE.to_owned(), delivery.queue.to_string());
    headers.entry(ROUTING_KEY.to_owned()).or_insert_with(|| delivery.routing_key.clone());
    Message { destination, properties, body: delivery.body.clone() }
}

/// The error and its causes, short enough for a header.
fn told(error: &dyn Error) -> String {
    let mut chain = protocol::chain(error);
    chain.truncate(chain.floor_char_boundary(ERROR_BYTES_MAX));
    chain
}
