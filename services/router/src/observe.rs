//! What router tells: the only file of this service that names a metric.

use std::sync::LazyLock;

use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use protocol::{Head, IgnoredReason};
use store::LedgerError;
use tracing::debug;

use crate::pipeline::Stopped;
use crate::routed::Routed;

static ROUTED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("tropomq")
        .u64_counter("tropomq.routed.messages")
        .with_description("Texts routed, by the application that answered, or the reason that none did")
        .build()
});

/// It came to an end.
pub(crate) fn routed(received: &Head, routed: &Routed) {
    let id = received.id;
    let Routed { outcome, application, messages, .. } = routed;
    let replies = messages.len();
    match (application, outcome) {
        (Some(application), _) => {
            ROUTED.add(1, &[KeyValue::new("tropomq.application", application.clone())]);
            debug!(event.id = %id, application, replies, "application {application} took text {id}");
        }
        (None, _) => ignored(received, IgnoredReason::NoAnswer),
    }
}

/// It waits, or is given up: an application, or the database, has no answer.
pub(crate) fn stopped(received: &Head, attempt: u32, stopped: &Stopped) {
    let id = received.id;
    let error = protocol::chain(stopped);
    // Whoever is away says so itself, once; each text need not.
    debug!(event.id = %id, attempt, error, "text {id} is not answered yet: {error}");
}

/// What is too old stays a while longer.
pub(crate) fn not_forgotten(error: &LedgerError) {
    let error = protocol::chain(error);
    debug!(error, "what is too old is not forgotten yet: {error}");
}

/// Nobody answers.
pub(crate) fn ignored(received: &Head, reason: IgnoredReason) {
    let reason = match reason {
        IgnoredReason::NotText => "not_text",
        IgnoredReason::ForeignLaunch => "foreign_launch",
        IgnoredReason::WithheldSender => "withheld_sender",
        IgnoredReason::OwnNumber => "own_number",
        IgnoredReason::NoAnswer => "no_answer",
        IgnoredReason::Filtered => "filtered",
        IgnoredReason::NoReply => "no_reply",
    };
    ROUTED.add(1, &[KeyValue::new("tropomq.ignored", reason)]);
    let id = received.id;
    debug!(event.id = %id, reason, "text {id} is not answered: {reason}");
}
