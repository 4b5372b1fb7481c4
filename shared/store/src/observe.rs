//! What the databases tell: the only file of this crate that names a metric.

use std::sync::LazyLock;
use std::time::Instant;

use deadpool_postgres::{Pool, Status};
use opentelemetry::metrics::{Histogram, Meter};
use opentelemetry::{KeyValue, global};

use crate::LedgerError;

static OPERATION: LazyLock<Histogram<f64>> = LazyLock::new(|| {
    meter()
        .f64_histogram("db.client.operation.duration")
        .with_unit("s")
        .with_description("Time until the database answered an operation, a second attempt included")
        .build()
});

fn meter() -> Meter {
    global::meter("tropomq")
}

/// Waits for the answer to an operation, and tells how long that took and what it was. What nobody waits for any more is
/// not counted.
pub(crate) async fn timed<T>(
    system: &'static str,
    operation: &'static str,
    asked: impl Future<Output = Result<T, LedgerError>>,
) -> Result<T, LedgerError> {
    let began = Instant::now();
    let answer = asked.await;
    let mut labels = vec![KeyValue::new("db.system.name", system), KeyValue::new("db.operation.name", operation)];
    labels.extend(answer.as_ref().err().map(|error| KeyValue::new("error.type", word(error))));
    OPERATION.record(began.elapsed().as_secs_f64(), &labels);
    answer
}

fn word(error: &LedgerError) -> &'static str {
    match error {
        LedgerError::Unavailable(_) => "unavailable",
        LedgerError::Denied(_) => "denied",
        LedgerError::Corrupt(_) => "corrupt",
        LedgerError::Unreadable(_) => "unreadable",
    }
}

/// A pool of connections is there. It is looked at whenever somebody reads the metrics.
pub(crate) fn opened(pool: &Pool) {
    let name = || KeyValue::new("db.client.connection.pool.name", "store");
    let states = ["idle", "used"].map(|state| [name(), KeyValue::new("db.client.connection.state", state)]);
    let seen = pool.weak();
    meter()
        .u64_observable_gauge("db.client.connection.count")
        .with_description("Connections to the database, by whether they are in use")
        .with_callback(move |gauge| {
            if let Some(Status { size, available, .. }) = seen.upgrade().map(|pool| pool.status()) {
                let [idle, used] = &states;
                gauge.observe(available as u64, idle);
                gauge.observe(size.saturating_sub(available) as u64, used);
            }
        })
        .build();
    let seen = pool.weak();
    meter()
        .u64_observable_gauge("db.client.connection.max")
        .with_description("How many connections there may be")
        .with_callback(move |gauge| {
            if let Some(Status { max_size, .. }) = seen.upgrade().map(|pool| pool.status()) {
                gauge.observe(max_size as u64, &[name()]);
            }
        })
        .build();
    let seen = pool.weak();
    meter()
        .u64_observable_gauge("db.client.connection.pending_requests")
        .with_description("Operations that wait for a connection")
        .with_callback(move |gauge| {
            if let Some(Status { waiting, .. }) = seen.upgrade().map(|pool| pool.status()) {
                gauge.observe(waiting as u64, &[name()]);
            }
        })
        .build();
}
