//! What ingress tells: the only file of this service that names a metric.

use std::sync::LazyLock;
use std::time::Duration;

use axum::http::StatusCode;
use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};
use protocol::{Head, Kind, SessionId, chain};
use tracing::{debug, warn};

use crate::webhook::Refused;

struct Metrics {
    kept: Counter<u64>,
    called_back: Counter<u64>,
    answered: Counter<u64>,
    took: Histogram<f64>,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let meter = global::meter("tropomq");
    Metrics {
        kept: meter.u64_counter("tropomq.kept.events").with_description("Webhooks kept, by kind of event").build(),
        called_back: meter
            .u64_counter("tropomq.forwarded.callbacks")
            .with_description("Call-backs forwarded to egress")
            .build(),
        answered: meter
            .u64_counter("tropomq.answered.webhooks")
            .with_description("Webhooks answered, by status")
            .build(),
        took: meter
            .f64_histogram("tropomq.webhook.duration")
            .with_unit("s")
            .with_description("Time from a webhook to its answer, by status")
            .build(),
    }
});

/// Webhooks are going to come: what may become of them is counted from 0, so that the first is an increase.
pub(crate) fn serves() {
    for kind in [Kind::MessageReceived, Kind::SessionResult, Kind::SessionIgnored, Kind::DeliveryReported] {
        METRICS.kept.add(0, &[KeyValue::new("tropomq.kind", kind.as_str())]);
    }
    METRICS.called_back.add(0, &[]);
    for status in [StatusCode::OK, StatusCode::FORBIDDEN, StatusCode::SERVICE_UNAVAILABLE] {
        METRICS.answered.add(0, &[of(status)]);
    }
}

fn of(status: StatusCode) -> KeyValue {
    KeyValue::new("http.response.status_code", i64::from(status.as_u16()))
}

/// A webhook's event is on the bus.
pub(crate) fn kept(head: &Head) {
    let kind = head.event_type.kind.as_str();
    METRICS.kept.add(1, &[KeyValue::new("tropomq.kind", kind)]);
    debug!(event.id = %head.id, kind, backend = %head.backend, "kept {kind} {}", head.id);
}

/// A session called back, and egress is asked.
pub(crate) fn called_back(session: &SessionId) {
    METRICS.called_back.add(1, &[]);
    debug!(session.id = %session, "session {session} calls back");
}

/// A webhook was refused. `backend` is the caller's word for it, and may be anything.
pub(crate) fn refused(backend: &str, refused: &Refused) {
    warn!(backend = backend.escape_debug().take(64).collect::<String>(), "a webhook was refused: {}", chain(refused));
}

/// A webhook was answered.
pub(crate) fn answered(status: StatusCode, took: Duration) {
    METRICS.answered.add(1, &[of(status)]);
    METRICS.took.record(took.as_secs_f64(), &[of(status)]);
}
