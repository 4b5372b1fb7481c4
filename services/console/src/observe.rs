//! What the console tells: the only file of this service that names a metric.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Gauge, Histogram};
use opentelemetry::{KeyValue, global};
use protocol::chain;
use serde_json::Value;
use store::LedgerError;
use tracing::{debug, info, warn};

use crate::ProbeOutcome;

struct Metrics {
    duration: Histogram<f64>,
    attempts: Counter<u64>,
    up: Gauge<u64>,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let meter = global::meter("tropomq");
    Metrics {
        duration: meter
            .f64_histogram("tropomq.probe.duration")
            .with_unit("s")
            .with_description("Time that a text of the flow probe took to come round")
            .build(),
        attempts: meter
            .u64_counter("tropomq.probe.attempts")
            .with_description("Texts of the flow probe that ended: ok, late, lost, refused")
            .build(),
        up: meter
            .u64_gauge("tropomq.probe.up")
            .with_description("1 while the texts of the flow probe come round in time, else 0")
            .build(),
    }
});

/// Texts are going to be sent round: what may become of them is counted from 0, so that the first is an increase.
pub(crate) fn probes() {
    for outcome in ProbeOutcome::ALL {
        METRICS.attempts.add(0, &[KeyValue::new("tropomq.outcome", outcome.as_str())]);
    }
}

/// A text of the flow probe ended.
pub(crate) fn probed(outcome: ProbeOutcome, took: Option<Duration>) {
    let outcome = [KeyValue::new("tropomq.outcome", outcome.as_str())];
    METRICS.attempts.add(1, &outcome);
    if let Some(took) = took {
        METRICS.duration.record(took.as_secs_f64(), &[]);
    }
}

/// A text of the flow probe came round in time.
pub(crate) fn flows() {
    METRICS.up.record(1, &[]);
}

/// One does not.
pub(crate) fn fails() {
    METRICS.up.record(0, &[]);
}

/// Texts came round until now, and do not any more.
pub(crate) fn stands_still(told: &str) {
    warn!("the flow probe's texts do not come round in time: {told}");
}

/// Texts come round again.
pub(crate) fn flows_again() {
    info!("the flow probe's texts come round again");
}

/// The database did not answer.
pub(crate) fn database_away(error: &LedgerError) {
    warn!("the console has no answer from the database: {}", chain(error));
}

/// The journal could not be followed.
pub(crate) fn not_followed(error: &LedgerError) {
    warn!("those who watch wait: {}", chain(error));
}

/// The journal can be followed again.
pub(crate) fn followed_again() {
    info!("the journal is followed again");
}

/// Somebody did not know the password.
pub(crate) fn not_signed_in() {
    warn!("somebody could not sign in: the name or the password is wrong");
}

/// Somebody had tried too often: whoever goes on fills no log.
pub(crate) fn not_tried() {
    debug!("somebody could not sign in: there were too many attempts");
}

/// What somebody does is not on record, because the database is away.
pub(crate) fn not_on_record(who: &str, action: &str, detail: &Value) {
    warn!(user.name = who, action, detail = %detail, "{who} does {action}, which is on record here alone: {detail}");
}

/// What is old could not be forgotten.
pub(crate) fn not_forgotten(error: &LedgerError) {
    warn!("what is old is kept for now: {}", chain(error));
}
