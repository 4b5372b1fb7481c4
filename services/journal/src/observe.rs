//! What the journal tells: the only file of this service that names a metric.

use std::collections::BTreeMap;
use std::sync::{LazyLock, Mutex, PoisonError};

use messaging::headers::QUEUE;
use messaging::{Delivery, Depth, DepthError};
use opentelemetry::metrics::{Counter, Gauge, Histogram};
use opentelemetry::{KeyValue, global};
use protocol::topology::QueueName;
use protocol::{BackendName, EventId, Timestamp, chain};
use store::{Account, BackendAccount, Begun, JournalEntry, JournalSize, LedgerError, Standings};
use tracing::{debug, warn};

use crate::backlog::place;
use crate::pace::Step;
use crate::words;

struct Metrics {
    texts: Gauge<u64>,
    messages: Gauge<u64>,
    sessions: Gauge<u64>,
    unreadable: Counter<u64>,
    lag: Gauge<f64>,
    events: Gauge<u64>,
    bytes: Gauge<u64>,
    reach: Gauge<f64>,
    forgotten: Counter<u64>,
    dead: Counter<u64>,
    conversation: Histogram<f64>,
    message: Histogram<f64>,
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
        lag: meter
            .f64_gauge("tropomq.journal.lag")
            .with_unit("s")
            .with_description("How long ago what is being kept, or was last, happened")
            .build(),
        events: meter.u64_gauge("tropomq.journal.events").with_description("Events that are kept").build(),
        bytes: meter
            .u64_gauge("tropomq.journal.size")
            .with_unit("By")
            .with_description("How many bytes they have")
            .build(),
        reach: meter
            .f64_gauge("tropomq.journal.reach")
            .with_unit("s")
            .with_description("How long ago the oldest of them happened")
            .build(),
        forgotten: meter
            .u64_counter("tropomq.journal.forgotten.events")
            .with_description("Events that were old, or too many, and are forgotten")
            .build(),
        dead: meter
            .u64_counter("tropomq.dead_letters")
            .with_description("Dead letters, by the queue that they come from")
            .build(),
        conversation: meter
            .f64_histogram("tropomq.conversation.duration")
            .with_unit("s")
            .with_description("Time from a text to each stage of the message that answers it")
            .build(),
        message: meter
            .f64_histogram("tropomq.message.duration")
            .with_unit("s")
            .with_description("Time from the command of a message to each of its later stages")
            .build(),
    }
});

/// What waits on the queues, as it was counted last.
static BACKLOG: Mutex<Vec<Waiting>> = Mutex::new(Vec::new());

/// Its instruments. Apart from it: making one waits for whoever reads the metrics, who looks there.
static SHOWN: LazyLock<()> = LazyLock::new(|| {
    let meter = global::meter("tropomq");
    meter
        .u64_observable_gauge("tropomq.queue.messages")
        .with_description("Messages on a queue: ready, in_hand, delayed")
        .with_callback(|gauge| {
            for Waiting { labels: [system, queue], depth } in &*BACKLOG.lock().unwrap_or_else(PoisonError::into_inner) {
                let states = [("ready", Some(depth.ready)), ("in_hand", depth.in_hand), ("delayed", depth.delayed)];
                for (state, count) in states {
                    if let Some(count) = count {
                        let state = KeyValue::new("tropomq.state", state);
                        gauge.observe(count, &[system.clone(), queue.clone(), state]);
                    }
                }
            }
        })
        .build();
    meter
        .u64_observable_gauge("tropomq.queue.consumers")
        .with_description("Who consumes a queue")
        .with_callback(|gauge| {
            for Waiting { labels, depth } in &*BACKLOG.lock().unwrap_or_else(PoisonError::into_inner) {
                gauge.observe(depth.consumers, labels);
            }
        })
        .build();
});

/// What waits on one queue.
struct Waiting {
    labels: [KeyValue; 2],
    depth: Depth,
}

/// The queues were counted.
pub(crate) fn backlog(system: &'static str, depths: BTreeMap<String, Depth>) {
    let waiting = depths.into_iter().map(|(queue, depth)| {
        let labels = [KeyValue::new("messaging.system", system), KeyValue::new("messaging.destination.name", queue)];
        Waiting { labels, depth }
    });
    LazyLock::force(&SHOWN);
    *BACKLOG.lock().unwrap_or_else(PoisonError::into_inner) = waiting.collect();
}

/// The queues could not be counted: nobody knows what waits there now.
pub(crate) fn not_counted(error: &DepthError) {
    BACKLOG.lock().unwrap_or_else(PoisonError::into_inner).clear();
    debug!("what waits on the queues is not known: {error}");
}

/// Something may go wrong with the messages of a queue: that is counted from 0, so that the first is an increase.
pub(crate) fn serves(queue: &QueueName) {
    if [QueueName::journal(), QueueName::journal_dead()].contains(queue) {
        METRICS.unreadable.add(0, &[KeyValue::new("messaging.destination.name", queue.to_string())]);
    }
    if ["router.", "egress."].iter().any(|service| queue.as_str().starts_with(service)) {
        METRICS.dead.add(0, &[KeyValue::new("messaging.destination.name", place(queue))]);
    }
}

/// A dead letter came. Its headers may say anything.
pub(crate) fn dead_letter(delivery: &Delivery) {
    let from = delivery.properties.headers.get(QUEUE).map(|queue| QueueName::from(queue.as_str()));
    let is_ours = |queue: &QueueName| {
        let lane = queue.as_str().strip_prefix("egress.message.send.").map(str::parse::<BackendName>);
        lane.is_some_and(|backend| backend.is_ok())
            || [QueueName::results(), QueueName::reports()].contains(queue)
            || QueueName::texts().any(|texts| texts == *queue)
    };
    let from = from.filter(is_ours).map_or_else(|| "other".to_owned(), |queue| place(&queue));
    METRICS.dead.add(1, &[KeyValue::new("messaging.destination.name", from)]);
}

/// A message came a step further.
pub(crate) fn step(step: &Step, begun: &Begun) {
    let backend = KeyValue::new("tropomq.backend", step.backend.as_str().to_owned());
    let labels = [backend, KeyValue::new("tropomq.stage", step.stage.as_str())];
    let (texted, commanded) = step.took(begun);
    if let Some(seconds) = texted {
        METRICS.conversation.record(seconds, &labels);
    }
    if let Some(seconds) = commanded {
        METRICS.message.record(seconds, &labels);
    }
}

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

/// How much is kept.
pub(crate) fn size(size: &JournalSize, now: Timestamp) {
    METRICS.events.record(size.events, &[]);
    METRICS.bytes.record(size.bytes, &[]);
    METRICS.reach.record(size.oldest.map_or(0.0, |oldest| seconds_since(oldest, now)), &[]);
}

/// Events are about to be kept.
pub(crate) fn lag(entries: &[JournalEntry], now: Timestamp) {
    if let Some(oldest) = entries.iter().map(|entry| entry.event.at).min() {
        METRICS.lag.record(seconds_since(oldest, now), &[]);
    }
}

/// Events are forgotten.
pub(crate) fn forgotten(count: u64) {
    METRICS.forgotten.add(count, &[]);
}

fn seconds_since(at: Timestamp, now: Timestamp) -> f64 {
    now.duration_since(at).as_secs_f64().max(0.0)
}

/// Something that is neither an event nor tells by its properties which it is.
pub(crate) fn unreadable(delivery: &Delivery) {
    METRICS.unreadable.add(1, &[KeyValue::new("messaging.destination.name", delivery.queue.to_string())]);
    let id = delivery.properties.message_id.as_deref().unwrap_or("without id");
    warn!(queue = %delivery.queue, event.id = id, "event {id} is not accounted for: nothing tells what it is about");
}

/// The database refuses what an event says of the account. What it says of whom is in no log.
pub(crate) fn refused_by_account(id: Option<EventId>) {
    let queue = QueueName::journal();
    METRICS.unreadable.add(1, &[KeyValue::new("messaging.destination.name", queue.to_string())]);
    let id = id.map_or_else(|| "without id".to_owned(), |id| id.to_string());
    warn!(event.id = id, "event {id} is not accounted for: the database refuses what it says");
}

/// The database refuses what an event says; it is kept without that, or not at all.
pub(crate) fn refused_by_journal(id: Option<EventId>, is_kept: bool) {
    let id = id.map_or_else(|| "without id".to_owned(), |id| id.to_string());
    let how = if is_kept { "kept without what it says" } else { "not kept" };
    warn!(event.id = id, "event {id} is {how}: the database refuses it, or what is on record of the same message");
}

/// The database did not take what was noted.
pub(crate) fn not_recorded(error: &LedgerError) {
    warn!("the journal waits: {}; trying again", chain(error));
}

/// The account could not be drawn, nor what is kept be counted, or the old not be forgotten.
pub(crate) fn not_drawn(error: &LedgerError) {
    warn!("the journal's metrics are late: {}", chain(error));
}
