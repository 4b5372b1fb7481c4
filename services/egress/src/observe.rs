//! What egress tells: the only file of this service that names a metric.

use std::sync::LazyLock;
use std::time::Duration;

use messaging::PublishError;
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};
use protocol::{BackendName, EventId, Head, chain};
use store::{Claim, Claimed, GivenUp, LedgerError, Outcome, Release, Why};
use tracing::{debug, info, warn};
use tropo::launch::{Launched, Refusal};

use crate::ClientError;
use crate::callback::CallBackError;
use crate::overdue::SweepError;

struct Metrics {
    launched: Counter<u64>,
    claims: Counter<u64>,
    refused: Counter<u64>,
    outcomes: Counter<u64>,
    given_up: Counter<u64>,
    resent: Counter<u64>,
    release: Histogram<f64>,
    launch: Histogram<f64>,
    call_back: Histogram<f64>,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let meter = global::meter("tropomq");
    Metrics {
        launched: meter
            .u64_counter("tropomq.launched.sessions")
            .with_description("Sessions that Tropo created")
            .build(),
        claims: meter
            .u64_counter("tropomq.ledger.claims")
            .with_description("Claims in the release ledger: granted, again, refused, given_up, suppressed")
            .build(),
        refused: meter
            .u64_counter("tropomq.refused.callbacks")
            .with_description("Call-backs that got no document")
            .build(),
        outcomes: meter
            .u64_counter("tropomq.outcomes.messages")
            .with_description("How released messages ended")
            .build(),
        given_up: meter
            .u64_counter("tropomq.given_up.messages")
            .with_description("Messages that no session gets any more: expired, refused, opted_out before a launch")
            .build(),
        resent: meter
            .u64_counter("tropomq.resent.messages")
            .with_description("Unconfirmed messages that were commanded again")
            .build(),
        release: meter
            .f64_histogram("tropomq.release.duration")
            .with_unit("s")
            .with_description("Time from the command to the release of its message")
            .build(),
        launch: meter
            .f64_histogram("tropomq.launch.duration")
            .with_unit("s")
            .with_description("Time from asking Tropo for a session to its answer, by what that was")
            .build(),
        call_back: meter
            .f64_histogram("tropomq.callback.duration")
            .with_unit("s")
            .with_description("Time from a call-back to its answer: answered, refused")
            .build(),
    }
});

fn of(backend: &BackendName) -> KeyValue {
    KeyValue::new("tropomq.backend", backend.as_str().to_owned())
}

/// Messages of a backend are going to be sent: what may become of them is counted from 0, so that the first is an
/// increase.
pub(crate) fn serves(backend: &BackendName) {
    METRICS.launched.add(0, &[of(backend)]);
    METRICS.resent.add(0, &[of(backend)]);
    for claim in ["granted", "again", "refused", "given_up", "suppressed"] {
        METRICS.claims.add(0, &[of(backend), KeyValue::new("tropomq.claim", claim)]);
    }
    for outcome in Outcome::ALL {
        METRICS.outcomes.add(0, &[of(backend), KeyValue::new("tropomq.outcome", outcome.as_str())]);
    }
    for why in ["expired", "refused", "opted_out"] {
        METRICS.given_up.add(0, &[of(backend), KeyValue::new("error.type", why)]);
    }
    for error in ["unknown_backend", "unreadable", "ticket", "ledger"] {
        METRICS.refused.add(0, &[KeyValue::new("error.type", error)]);
    }
}

/// Tropo was asked for a session.
pub(crate) fn asked(backend: &BackendName, created: &Result<Launched, ClientError>, took: Duration) {
    let outcome = match created {
        Ok(_) => "launched",
        Err(ClientError::Build(_) | ClientError::Unreachable(_)) => "unreachable",
        Err(ClientError::Refused { refusal, .. }) => match refusal {
            Refusal::Throttled { .. } => "throttled",
            Refusal::Unavailable { .. } => "unavailable",
            Refusal::Rejected { .. } => "rejected",
            Refusal::Unreadable => "unreadable",
        },
    };
    METRICS.launch.record(took.as_secs_f64(), &[of(backend), KeyValue::new("tropomq.outcome", outcome)]);
}

/// A call-back was answered.
pub(crate) fn call_back_answered(took: Duration, is_refused: bool) {
    let outcome = if is_refused { "refused" } else { "answered" };
    METRICS.call_back.record(took.as_secs_f64(), &[KeyValue::new("tropomq.outcome", outcome)]);
}

/// Tropo has a session for a message.
pub(crate) fn launched(head: &Head, attempt: u32) {
    METRICS.launched.add(1, &[of(&head.backend)]);
    debug!(message.id = %head.id, attempt, "launched message {}", head.id);
}

/// A lane heard of the release of its message.
pub(crate) fn released(head: &Head, release: &Release) {
    let took = release.released_at.duration_since(head.time).as_secs_f64();
    METRICS.release.record(took.max(0.0), &[of(&head.backend)]);
    debug!(message.id = %head.id, session.id = %release.session_id, "message {} is released", head.id);
}

/// A session asked for a message.
pub(crate) fn claimed(claim: &Claim, claimed: &Claimed) {
    let (word, holder) = match claimed {
        Claimed::Granted { .. } => ("granted", Some(&claim.session_id)),
        Claimed::Again { .. } => ("again", Some(&claim.session_id)),
        Claimed::Refused { holder } => ("refused", Some(holder)),
        Claimed::GivenUp => ("given_up", None),
        Claimed::Suppressed(_) => ("suppressed", None),
    };
    let holder = holder.map(tracing::field::display);
    METRICS.claims.add(1, &[of(&claim.backend), KeyValue::new("tropomq.claim", word)]);
    let (message, session) = (claim.message_id, &claim.session_id);
    debug!(message.id = %message, session.id = %session, holder.id = holder, "claim of {message} is {word}");
}

/// A call-back got no document.
pub(crate) fn call_back_refused(error: &CallBackError) {
    let word = match error {
        CallBackError::UnknownBackend => "unknown_backend",
        CallBackError::Unreadable(_) | CallBackError::NotACallBack => "unreadable",
        CallBackError::Ticket(_) | CallBackError::OtherBackend => "ticket",
        CallBackError::Ledger(_) => "ledger",
    };
    METRICS.refused.add(1, &[KeyValue::new("error.type", word)]);
    warn!("a call-back was refused: {}", chain(error));
}

/// A message ended, as far as is known.
pub(crate) fn settled(head: &Head, outcome: Outcome) {
    METRICS.outcomes.add(1, &[of(&head.backend), KeyValue::new("tropomq.outcome", outcome.as_str())]);
    debug!(event.id = %head.id, outcome = outcome.as_str(), "a message is {}", outcome.as_str());
}

/// A message is given up.
pub(crate) fn given_up(backend: &BackendName, given_up: &GivenUp) {
    let word = match given_up.why {
        Why::Expired => "expired",
        Why::Refused { .. } => "refused",
        Why::OptedOut => "opted_out",
    };
    METRICS.given_up.add(1, &[of(backend), KeyValue::new("error.type", word)]);
    debug!(message.id = %given_up.message_id, life = given_up.life, "message {} is {word}", given_up.message_id);
}

/// An unconfirmed message was commanded again.
pub(crate) fn resent(release: &Release) {
    METRICS.resent.add(1, &[of(&release.backend)]);
    info!(
        message.id = %release.message_id,
        session.id = %release.session_id,
        "message {} is sent again: its session reported no result",
        release.message_id
    );
}

/// A report is about nothing that we released, or says nothing new.
pub(crate) fn stray_result(head: &Head) {
    info!(event.id = %head.id, "report {} changes nothing", head.id);
}

/// The ledger does not answer.
pub(crate) fn ledger_away(error: &LedgerError) {
    // Whoever watches the ledger tells that it is away, once.
    if error.is_away() {
        debug!("{}; trying again", chain(error));
    } else {
        warn!("{}; trying again", chain(error));
    }
}

/// What the ledger has on record of a message cannot be understood.
pub(crate) fn unreadable(message_id: EventId, error: &LedgerError) {
    warn!(message.id = %message_id, "the release of message {message_id}: {}", chain(error));
}

/// Overdue results could not all be told.
pub(crate) fn sweep_failed(backend: &BackendName, error: &SweepError) {
    match error {
        // Both are told by whoever watches them, once.
        SweepError::Ledger(cause) if cause.is_away() => debug!("overdue results of {backend} wait: {}", chain(error)),
        SweepError::Publish(PublishError::Unavailable(_)) => {
            debug!("overdue results of {backend} wait: {}", chain(error));
        }
        SweepError::Ledger(_) | SweepError::Publish(_) => {
            warn!(backend = %backend, "overdue results of {backend} wait: {}", chain(error));
        }
    }
}
