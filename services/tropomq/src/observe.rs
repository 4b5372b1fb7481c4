//! What the process as a whole tells: the only file of this package that names a metric.

use std::sync::LazyLock;

use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};

static CONFIGURATIONS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("tropomq")
        .u64_counter("tropomq.configuration.changes")
        .with_description("Changes of the configuration while the process ran, by what became of them")
        .build()
});

/// The configuration is going to be watched: what becomes of its changes is counted from 0, so that the first is an
/// increase.
pub(crate) fn configuration_watched() {
    for outcome in ["applied", "refused"] {
        CONFIGURATIONS.add(0, &[KeyValue::new("tropomq.outcome", outcome)]);
    }
}

/// A changed configuration is taken.
pub(crate) fn configuration_applied() {
    CONFIGURATIONS.add(1, &[KeyValue::new("tropomq.outcome", "applied")]);
}

/// A changed configuration is refused.
pub(crate) fn configuration_refused() {
    CONFIGURATIONS.add(1, &[KeyValue::new("tropomq.outcome", "refused")]);
}
