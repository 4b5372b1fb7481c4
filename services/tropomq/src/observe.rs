//! What the process as a whole tells: the only file of this package that names a metric.

use std::sync::LazyLock;

use opentelemetry::metrics::Counter;
use opentelemetry::{KeyValue, global};

use crate::allocator;

static CONFIGURATIONS: LazyLock<Counter<u64>> = LazyLock::new(|| {
    global::meter("tropomq")
        .u64_counter("tropomq.configuration.changes")
        .with_description("Changes of the configuration while the process ran, by what became of them")
        .build()
});

/// What is asked of the allocator is told from now on, in a build that counts it.
pub(crate) fn allocations() {
    if allocator::allocations().is_some() {
        global::meter("tropomq")
            .u64_observable_counter("process.allocations")
            .with_description("How often memory was asked for")
            .with_callback(|counter| counter.observe(allocator::allocations().unwrap_or_default(), &[]))
            .build();
    }
}

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
