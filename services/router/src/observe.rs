//! What router tells: the only file of this service that names a metric.

use std::sync::LazyLock;
use std::time::Duration;

use axum::http::StatusCode;
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use opentelemetry::{KeyValue, global};
use protocol::{BackendName, EventId, Head, IgnoredReason, chain};
use store::LedgerError;
use tracing::{debug, info, warn};

use crate::application::Said;
use crate::participant::Unanswered;
use crate::pipeline::Stopped;
use crate::rapidsms::Refused;
use crate::routed::Routed;

static ROUTED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("tropomq")
        .u64_counter("tropomq.routed.messages")
        .with_description("Texts routed, by the application that answered, or the reason that none did")
        .build()
});

struct Asking {
    duration: Histogram<f64>,
    left_alone: Gauge<u64>,
}

static ASKING: LazyLock<Asking> = LazyLock::new(|| {
    let meter = global::meter("tropomq");
    Asking {
        duration: meter
            .f64_histogram("tropomq.application.duration")
            .with_unit("s")
            .with_description(
                "Time until an application elsewhere answered, by outcome: answered, away, failed, left_alone",
            )
            .build(),
        left_alone: meter
            .u64_gauge("tropomq.application.left_alone")
            .with_description("Whether an application elsewhere is left alone because it fails: 1, or 0")
            .build(),
    }
});

static WANTED: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("tropomq")
        .u64_counter("tropomq.application.requests")
        .with_description("Messages that applications asked for over HTTP, by the status of the answer")
        .build()
});

/// It came to an end.
pub(crate) fn routed(received: &Head, routed: &Routed) {
    let id = received.id;
    let Routed { outcome, application, messages, sent, .. } = routed;
    let replies = u64::from(*sent) + messages.len() as u64;
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
    let error = chain(stopped);
    // Whoever is away says so itself, once; each text need not.
    debug!(event.id = %id, attempt, error, "text {id} is not answered yet: {error}");
}

/// What is too old stays a while longer.
pub(crate) fn not_forgotten(error: &LedgerError) {
    let error = chain(error);
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

/// An application elsewhere was asked.
pub(crate) fn asked(application: &str, answered: &Result<Said, Unanswered>, took: Duration) {
    let outcome = match answered {
        Ok(_) => "answered",
        Err(Unanswered::Away { .. }) => "away",
        Err(Unanswered::Failed { .. }) => "failed",
    };
    record(application, outcome, took);
    if let Err(unanswered) = answered {
        debug!(application, outcome, "application {application} has no answer: {unanswered}");
    }
}

/// An application elsewhere was not asked, because it is left alone, or too many wait for it.
pub(crate) fn not_asked(application: &str) {
    record(application, "left_alone", Duration::ZERO);
}

fn record(application: &str, outcome: &'static str, took: Duration) {
    let attributes =
        [KeyValue::new("tropomq.application", application.to_owned()), KeyValue::new("tropomq.outcome", outcome)];
    ASKING.duration.record(took.as_secs_f64(), &attributes);
}

/// Whether an application elsewhere is left alone now.
pub(crate) fn whether_left_alone(application: &str, is_left_alone: bool) {
    ASKING.left_alone.record(is_left_alone.into(), &[KeyValue::new("tropomq.application", application.to_owned())]);
}

/// An application elsewhere is left alone for a while.
pub(crate) fn left_alone(application: &str, because: &str, wait: Duration) {
    let wait_ms = u64::try_from(wait.as_millis()).unwrap_or(u64::MAX);
    warn!(application, wait_ms, "application {application} is left alone, its texts wait: {because}");
}

/// An application elsewhere answers again.
pub(crate) fn asked_again(application: &str) {
    info!(application, "application {application} answers again");
}

/// An application elsewhere asked for a message.
pub(crate) fn wanted(application: &BackendName, status: StatusCode) {
    let status = status.as_u16();
    let attributes = [
        KeyValue::new("tropomq.application", application.as_str().to_owned()),
        KeyValue::new("http.response.status_code", i64::from(status)),
    ];
    WANTED.add(1, &attributes);
    debug!(%application, status, "application {application} asked for a message: {status}");
}

/// A request of a RapidSMS project was refused. `project` is the caller's word for it, and may be anything.
pub(crate) fn wanted_refused(project: &str, refused: &Refused) {
    let project = project.escape_debug().take(64).collect::<String>();
    warn!(project, "a request of a RapidSMS project was refused: {}", chain(refused));
}

/// An application of phase `outgoing` cancelled a message that one elsewhere had sent.
pub(crate) fn cancelled(message: EventId, application: &str, because: &str) {
    debug!(event.id = %message, application, because, "application {application} cancelled message {message}: {because}");
}
