//! The threads of the load: few, and its own. What one of them hands to another wakes it, which costs more than the work.

use std::future::Future;
use std::panic;
use std::thread;

use anyhow::Context;
use tokio::runtime::{Builder, Runtime};

/// One processor in so many is the load's.
const SHARE: usize = 4;

/// The threads. Dropped, they end, and what runs on them.
#[derive(Debug)]
pub(super) struct Threads(Option<Runtime>);

impl Threads {
    /// # Errors
    /// The system starts no further thread.
    pub(super) fn start() -> anyhow::Result<Self> {
        let count = thread::available_parallelism().map_or(1, |processors| (processors.get() / SHARE).max(1));
        let runtime = Builder::new_multi_thread().worker_threads(count).thread_name("load").enable_all().build();
        runtime.context("start the threads of the load").map(|runtime| Self(Some(runtime)))
    }

    /// Runs something there, with all that it spawns, and waits for it.
    ///
    /// # Cancel safety
    /// It runs on.
    pub(super) async fn run<T: Send + 'static>(&self, work: impl Future<Output = T> + Send + 'static) -> T {
        let done = match &self.0 {
            Some(runtime) => runtime.spawn(work).await,
            None => return work.await,
        };
        match done {
            Ok(done) => done,
            Err(error) => match error.try_into_panic() {
                Ok(panic) => panic::resume_unwind(panic),
                // Its threads are about to end, and this task with them.
                Err(_) => std::future::pending().await,
            },
        }
    }
}

impl Drop for Threads {
    fn drop(&mut self) {
        // The last may be dropped by a task, which cannot wait for the end of its own thread.
        if let Some(runtime) = self.0.take() {
            runtime.shutdown_background();
        }
    }
}
