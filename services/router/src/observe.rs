//! What router tells: the only file of this service that names a metric.

use std::sync::LazyLock;

use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use protocol::{Head, IgnoredReason, chain};
use tracing::{debug, warn};

use crate::rapidsms::Refused;

static ROUTED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("tropomq")
        .u64_counter("tropomq.routed.messages")
        .with_description("Texts routed, by the application that answered, or the reason that none did")
        .build()
});

static WANTED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("tropomq")
        .u64_counter("tropomq.rapidsms.requests")
        .with_description("Requests by which RapidSMS projects had messages sent, by what became of them")
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

/// A RapidSMS project had messages sent, or would have.
pub(crate) fn wanted(project: &str, messages: usize, kept: bool) {
    let kept = if kept { "kept" } else { "not kept" };
    WANTED.add(1, &[KeyValue::new("tropomq.outcome", kept)]);
    debug!(project, messages, "project {project} had {messages} messages sent: {kept}");
}

/// A request of a RapidSMS project was refused. `project` is the caller's word for it, and may be anything.
pub(crate) fn wanted_refused(project: &str, refused: &Refused) {
    let project = project.escape_debug().take(64).collect::<String>();
    warn!(project, "a request of a RapidSMS project was refused: {}", chain(refused));
}
