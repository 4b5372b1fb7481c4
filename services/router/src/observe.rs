//! What router tells: the only file of this service that names a metric.

use std::sync::LazyLock;

use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use protocol::{Head, IgnoredReason};
use tracing::debug;

static ROUTED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("tropomq")
        .u64_counter("tropomq.routed.messages")
        .with_description("Texts routed, by the application that answered, or the reason that none did")
        .build()
});

/// An application answered.
pub(crate) fn answered(received: &Head, application: &'static str, replies: usize) {
    ROUTED.add(1, &[KeyValue::new("tropomq.application", application)]);
    let id = received.id;
    debug!(event.id = %id, application, replies, "application {application} answered text {id}");
}

/// Nobody answers.
pub(crate) fn ignored(received: &Head, reason: IgnoredReason) {
    let reason = match reason {
        IgnoredReason::NotText => "not_text",
        IgnoredReason::ForeignLaunch => "foreign_launch",
        IgnoredReason::WithheldSender => "withheld_sender",
        IgnoredReason::OwnNumber => "own_number",
        IgnoredReason::NoAnswer => "no_answer",
    };
    ROUTED.add(1, &[KeyValue::new("tropomq.ignored", reason)]);
    let id = received.id;
    debug!(event.id = %id, reason, "text {id} is not answered: {reason}");
}
