//! What ingress tells: the only file of this service that names a metric.

use std::sync::LazyLock;

use axum::http::StatusCode;
use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};
use protocol::{Head, SessionId, chain};
use tracing::{debug, warn};

use crate::webhook::Refused;

struct Metrics {
    kept: Counter<u64>,
    called_back: Counter<u64>,
    answered: Counter<u64>,
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
    }
});

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
pub(crate) fn answered(status: StatusCode) {
    METRICS.answered.add(1, &[KeyValue::new("http.response.status_code", i64::from(status.as_u16()))]);
}
