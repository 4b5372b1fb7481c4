//! The allocator of the executable.

pub(crate) use chosen::allocations;

#[cfg(not(feature = "allocations"))]
mod chosen {
    use mimalloc::MiMalloc;

    /// Takes less of the processor for a conversation than the allocator of glibc (docs/benchmark.md).
    #[global_allocator]
    static ALLOCATOR: MiMalloc = MiMalloc;

    /// How often memory was asked for since the process started. This build does not count.
    pub(crate) fn allocations() -> Option<u64> {
        None
    }
}

#[cfg(feature = "allocations")]
mod chosen {
    use std::alloc::System;

    use stats_alloc::{INSTRUMENTED_SYSTEM, StatsAlloc};

    /// Counts, which takes time: a build for benchmarks alone.
    #[global_allocator]
    static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

    /// How often memory was asked for since the process started.
    pub(crate) fn allocations() -> Option<u64> {
        let stats = ALLOCATOR.stats();
        u64::try_from(stats.allocations + stats.reallocations).ok()
    }
}
