//! What messaging tells: the only file of this crate that names a metric.

use std::sync::LazyLock;
use std::time::Duration;

use opentelemetry::metrics::{Counter, Histogram};
use opentelemetry::{KeyValue, global};
use protocol::topology::QueueName;
use tokio::sync::watch;
use tracing::{debug, error, info, warn};

use crate::dead::{Filter, Summary};
use crate::{BusState, PublishError, Seat, SeatError, SubscribeError};

struct Metrics {
    sent: Counter<u64>,
    consumed: Counter<u64>,
    operation: Histogram<f64>,
    process: Histogram<f64>,
    wait: Histogram<f64>,
    settled: Counter<u64>,
    replayed: Counter<u64>,
}

static METRICS: LazyLock<Metrics> = LazyLock::new(|| {
    let meter = global::meter("tropomq");
    Metrics {
        sent: meter.u64_counter("messaging.client.sent.messages").with_description("Messages published").build(),
        consumed: meter
            .u64_counter("messaging.client.consumed.messages")
            .with_description("Messages delivered")
            .build(),
        operation: meter
            .f64_histogram("messaging.client.operation.duration")
            .with_unit("s")
            .with_description("Time from publishing to the confirm")
            .build(),
        process: meter
            .f64_histogram("messaging.process.duration")
            .with_unit("s")
            .with_description("Time from a delivery to its settlement")
            .build(),
        wait: meter
            .f64_histogram("tropomq.queue.wait.duration")
            .with_unit("s")
            .with_description("Time from an event to its first delivery")
            .build(),
        settled: meter
            .u64_counter("tropomq.settled.messages")
            .with_description("Messages settled, by outcome: handled, retried, dead, dropped, returned")
            .build(),
        replayed: meter
            .u64_counter("tropomq.replayed.messages")
            .with_description("Dead letters put back, by the queue that they went to")
            .build(),
    }
});

/// How a delivery was settled.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Settled {
    Handled,
    Retried,
    Dead,
    Dropped,
    Returned,
}

impl Settled {
    const ALL: [Self; 5] = [Self::Handled, Self::Retried, Self::Dead, Self::Dropped, Self::Returned];

    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Handled => "handled",
            Self::Retried => "retried",
            Self::Dead => "dead",
            Self::Dropped => "dropped",
            Self::Returned => "returned",
        }
    }
}

/// A publication ended, well or not. `destination` is of low cardinality: a kind, never a backend or an id.
pub(crate) fn published(
    system: &'static str,
    destination: &'static str,
    took: Duration,
    result: &Result<(), PublishError>,
) {
    let [system, operation, destination] = [
        KeyValue::new("messaging.system", system),
        KeyValue::new("messaging.operation.name", "send"),
        KeyValue::new("messaging.destination.name", destination),
    ];
    let record = |labels: &[KeyValue]| {
        METRICS.operation.record(took.as_secs_f64(), labels);
        METRICS.sent.add(1, labels);
    };
    match result {
        Ok(()) => record(&[system, operation, destination]),
        Err(error) => record(&[system, operation, destination, KeyValue::new("error.type", error_type(error))]),
    }
}

/// The word for why a publication failed.
pub(crate) fn error_type(error: &PublishError) -> &'static str {
    match error {
        PublishError::Unavailable(_) => "unavailable",
        PublishError::Refused => "refused",
        PublishError::NoRoom(_) => "no_room",
        PublishError::Unknown(_) => "unknown",
    }
}

/// A bus was opened. Its state is looked at whenever somebody reads the metrics.
pub(crate) fn opened(system: &'static str, state: watch::Receiver<BusState>) {
    let states = ["ready", "away", "blocked", "closed"];
    let labels =
        states.map(|word| (word, [KeyValue::new("messaging.system", system), KeyValue::new("tropomq.state", word)]));
    global::meter("tropomq")
        .u64_observable_gauge("tropomq.bus.state")
        .with_description("1 for the state that the bus is in, else 0: ready, away, blocked, closed")
        .with_callback(move |gauge| {
            let now = match &*state.borrow() {
                BusState::Ready => "ready",
                BusState::Away(_) => "away",
                BusState::Blocked(_) => "blocked",
                BusState::Closed => "closed",
            };
            labels.iter().for_each(|(word, labels)| gauge.observe((*word == now).into(), labels));
        })
        .build();
}

/// A queue is going to be consumed: what may become of its deliveries is counted from 0, so that the first is an increase.
pub(crate) fn consumes(system: &'static str, queue: &QueueName) {
    METRICS.consumed.add(0, &labels(system, queue));
    for outcome in Settled::ALL {
        METRICS.settled.add(0, &with_outcome(labels(system, queue), outcome));
    }
}

/// What an event says is handled for the first time. Clocks of two machines may differ a little.
pub(crate) fn waited(system: &'static str, queue: &QueueName, seconds: f64) {
    METRICS.wait.record(seconds.max(0.0), &labels(system, queue));
}

/// A delivery came.
pub(crate) fn delivered(system: &'static str, queue: &QueueName) {
    METRICS.consumed.add(1, &labels(system, queue));
}

/// A delivery was settled.
pub(crate) fn settled(system: &'static str, queue: &QueueName, took: Duration, settled: Settled) {
    let labels = labels(system, queue);
    METRICS.process.record(took.as_secs_f64(), &labels);
    METRICS.settled.add(1, &with_outcome(labels, settled));
}

fn with_outcome([system, queue]: [KeyValue; 2], settled: Settled) -> [KeyValue; 3] {
    [system, queue, KeyValue::new("tropomq.outcome", settled.as_str())]
}

fn labels(system: &'static str, queue: &QueueName) -> [KeyValue; 2] {
    [KeyValue::new("messaging.system", system), KeyValue::new("messaging.destination.name", queue.as_str().to_owned())]
}

pub(crate) fn subscribed(queue: &QueueName, prefetch: u16) {
    info!(queue = %queue, prefetch, "consuming from {queue}");
}

/// `known`: it was the reason the last time as well, and is said once.
pub(crate) fn not_subscribed(error: &SubscribeError, again_in: Duration, known: bool) {
    if known {
        debug!(queue = %error.queue, again_in_ms = ms(again_in), "still: {error}");
    } else {
        warn!(queue = %error.queue, again_in_ms = ms(again_in), "{error}; trying again until it can be had");
    }
}

pub(crate) fn subscription_ended(queue: &QueueName) {
    warn!(queue = %queue, "the bus ended the subscription to {queue}; subscribing again");
}

pub(crate) fn retrying(queue: &QueueName, id: &str, attempt: u32, delay: Duration, error: &str) {
    warn!(queue = %queue, event.id = id, attempt, delay_ms = ms(delay), "event {id} failed, to be tried again: {error}");
}

pub(crate) fn dead(queue: &QueueName, id: &str, attempt: u32, error: &str) {
    error!(queue = %queue, event.id = id, attempt, "event {id} goes to the dead letters: {error}");
}

pub(crate) fn dropped(queue: &QueueName, id: &str, error: &str) {
    info!(queue = %queue, event.id = id, "event {id} is dropped: {error}");
}

/// A letter is back on its queue.
pub(crate) fn put_back(system: &'static str, queue: &QueueName) {
    METRICS.replayed.add(1, &labels(system, queue));
}

pub(crate) fn replayed(queue: &QueueName, filter: &Filter, summary: &Summary) {
    let Summary { seen, replayed, failed, kept, .. } = summary;
    info!(queue = %queue, filter = %filter, seen, replayed, failed, kept, "replayed {replayed} letters of {queue}");
}

pub(crate) fn edited(queue: &QueueName, filter: &Filter, summary: &Summary) {
    let Summary { seen, replayed, failed, .. } = summary;
    info!(queue = %queue, filter = %filter, seen, replayed, failed, "edited and replayed {replayed} letters of {queue}");
}

pub(crate) fn removed(queue: &QueueName, filter: &Filter, summary: &Summary) {
    let Summary { seen, dropped, kept, .. } = summary;
    info!(queue = %queue, filter = %filter, seen, dropped, kept, "removed {dropped} letters of {queue} for good");
}

pub(crate) fn not_published(queue: &QueueName, id: &str, error: &PublishError) {
    warn!(queue = %queue, event.id = id, "what event {id} caused is not published yet: {error}");
}

pub(crate) fn progress_lost(error: &PublishError) {
    debug!("progress was not published: {error}");
}

fn ms(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}

/// Which of several processes this is.
pub(crate) fn seated(among: &QueueName, seat: Option<Seat>) {
    if let Some(Seat { number, of }) = seat {
        info!(number, of, "{of} share the queues of {among} and its like, and this is number {number} from 0");
    }
}

/// It keeps the last that it had.
pub(crate) fn no_seat(among: &QueueName, error: &SeatError) {
    debug!("cannot tell who else consumes {among}: {error}");
}

/// What comes next goes to another process.
pub(crate) fn left(queue: &QueueName) {
    info!("leaving {queue} to the process whose share it is");
}
