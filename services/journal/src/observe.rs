//! What the journal tells: the only file of this service that names a metric.

use std::sync::LazyLock;

use messaging::Delivery;
use opentelemetry::metrics::{Counter, Gauge};
use opentelemetry::{KeyValue, global};
use protocol::{BackendName, chain};
use store::{Account, BackendAccount, LedgerError, Standings};
use tracing::warn;

use crate::words;

struct Metrics {
    texts: Gauge<u64>,
    messages: Gauge<u64>,
    sessions: Gauge<u64>,
    unreadable: Counter<u64>,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let meter = global::meter("tropomq");
    Metrics {
        texts: meter
            .u64_gauge("tropomq.account.texts")
            .with_description("Texts by what became of them; accepted is the sum of the others")
            .build(),
        messages: meter
            .u64_gauge("tropomq.account.messages")
            .with_description("Messages by what became of them; commanded is the sum of the others")
            .build(),
        sessions: meter
            .u64_gauge("tropomq.account.sessions")
            .with_description("Sessions that were no texts, and ignored")
            .build(),
        unreadable: meter
            .u64_counter("tropomq.unaccounted.events")
            .with_description(
                "Events and dead letters that cannot be accounted for, because nothing tells what they are",
            )
            .build(),
    }
});

/// The account as it is now.
pub(crate) fn account(account: &Account) {
    for (backend, BackendAccount { texts, messages, sessions_ignored }) in account {
        standings(&METRICS.texts, backend, texts, "accepted", &words::TEXTS);
        standings(&METRICS.messages, backend, messages, "commanded", &words::MESSAGES);
        METRICS.sessions.record(*sessions_ignored, &labels(backend, "ignored"));
    }
}

fn standings(
    gauge: &Gauge<u64>,
    backend: &BackendName,
    standings: &Standings,
    begun: &'static str,
    words: &[(store::Standing, &'static str)],
) {
    gauge.record(standings.begun, &labels(backend, begun));
    for (standing, word) in words {
        gauge.record(standings.count(*standing), &labels(backend, word));
    }
}

fn labels(backend: &BackendName, state: &'static str) -> [KeyValue; 2] {
    [KeyValue::new("tropomq.backend", backend.as_str().to_owned()), KeyValue::new("tropomq.state", state)]
}

/// Something that is neither an event nor tells by its properties which it is.
pub(crate) fn unreadable(delivery: &Delivery) {
    METRICS.unreadable.add(1, &[KeyValue::new("messaging.destination.name", delivery.queue.to_string())]);
    let id = delivery.properties.message_id.as_deref().unwrap_or("without id");
    warn!(queue = %delivery.queue, event.id = id, "event {id} is not accounted for: nothing tells what it is about");
}

/// The database did not take what was noted.
pub(crate) fn not_recorded(error: &LedgerError) {
    warn!("the account waits: {}; trying again", chain(error));
}

/// The account could not be drawn, or the old not be forgotten.
pub(crate) fn not_drawn(error: &LedgerError) {
    warn!("the account's metrics are late: {}", chain(error));
}
