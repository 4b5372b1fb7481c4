//! The figures of a benchmark: as they are measured, and as they are written.

use std::collections::BTreeMap;

use hdrhistogram::Histogram;
use serde::{Deserialize, Serialize};

use super::growth::Backlog;

/// Quantiles of a latency, in milliseconds. All 0 where nothing was measured.
#[derive(Clone, Copy, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Latency {
    pub(super) p50_ms: f64,
    pub(super) p95_ms: f64,
    pub(super) p99_ms: f64,
    pub(super) p999_ms: f64,
    pub(super) max_ms: f64,
}

impl Latency {
    /// Of a histogram of microseconds.
    pub(super) fn of(histogram: &Histogram<u64>) -> Self {
        #[expect(clippy::cast_precision_loss, reason = "a latency is far below what an f64 can count")]
        let ms = |micros: u64| micros as f64 / 1000.0;
        let quantile = |quantile| ms(histogram.value_at_quantile(quantile));
        Self {
            p50_ms: quantile(0.5),
            p95_ms: quantile(0.95),
            p99_ms: quantile(0.99),
            p999_ms: quantile(0.999),
            max_ms: ms(histogram.max()),
        }
    }
}

/// Milliseconds of processor time for one conversation, by who spent them.
#[derive(Clone, PartialEq, Debug, Default, Serialize, Deserialize)]
pub(super) struct Cpu {
    /// All processes that are measured.
    pub(super) services_cpu_ms_per_conversation: f64,
    /// RabbitMQ. 0 on the embedded bus.
    pub(super) broker_cpu_ms_per_conversation: f64,
    /// PostgreSQL. 0 with SQLite.
    pub(super) database_cpu_ms_per_conversation: f64,
    /// The load: the simulated Tropo and its phones.
    pub(super) load_cpu_ms_per_conversation: f64,
    /// Each process that is measured, by its name.
    pub(super) cpu_ms_per_conversation: BTreeMap<String, f64>,
}

/// A load that texts at a steady rate.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct OpenLoop {
    /// Texts a second, as asked.
    pub(super) rate_per_s: f64,
    /// How far the load was behind its schedule at worst. The latencies hold it.
    pub(super) longest_lag_ms: f64,
    pub(super) conversations: u64,
    #[serde(flatten)]
    pub(super) latency: Latency,
    #[serde(flatten)]
    pub(super) cpu: Cpu,
}

/// A load that texts as soon as a reply came.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct ClosedLoop {
    /// How many conversations were under way.
    pub(super) at_once: usize,
    pub(super) conversations: u64,
    pub(super) conversations_per_s: f64,
    #[serde(flatten)]
    pub(super) latency: Latency,
    #[serde(flatten)]
    pub(super) cpu: Cpu,
    /// Messages that were published to the broker. None on the embedded bus.
    pub(super) broker_messages_per_conversation: Option<f64>,
    /// Messages that it handed out.
    pub(super) broker_deliveries_per_conversation: Option<f64>,
    /// Bytes of AMQP, both ways.
    pub(super) broker_bytes_per_conversation: Option<f64>,
    /// How often each process asked the allocator for memory. Empty where the build does not count that.
    #[serde(default)]
    pub(super) allocations_per_conversation: BTreeMap<String, f64>,
    /// Memory of each process when it had warmed up.
    #[serde(default)]
    pub(super) warm_resident_mib: BTreeMap<String, f64>,
    /// And at the end of the loop.
    pub(super) resident_mib: BTreeMap<String, f64>,
}

/// What is measured of tropomq, and of the ceiling program.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
pub(super) struct Measured {
    pub(super) closed_loop: ClosedLoop,
    pub(super) open_loop: Vec<OpenLoop>,
    /// Webhooks a second that are answered once their event is confirmed, with nothing behind the queue. None on the
    /// embedded bus.
    pub(super) webhooks_per_s: Option<f64>,
    /// From the start of a process until it was ready, when what it needs was there already.
    pub(super) ready_after_ms: BTreeMap<String, f64>,
    /// Memory of each process before there was any load.
    pub(super) idle_resident_mib: BTreeMap<String, f64>,
    /// How texts that waited were answered, where any were made to.
    pub(super) backlog: Option<Backlog>,
    /// Texts without a reply.
    pub(super) lost: u64,
    /// Replies too many.
    pub(super) repeated: u64,
}
