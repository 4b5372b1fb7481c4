//! The tasks of a process: each has a name, and a policy for its end. The only place that spawns.

use std::borrow::Cow;
use std::future::Future;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, anyhow};
use tokio::task::{JoinError, JoinHandle};
use tokio_util::sync::CancellationToken;
use tokio_util::task::TaskTracker;
use tracing::{Instrument, Span, error, info_span, warn};

use crate::shutdown::Shutdown;

/// What the end of a task means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum OnEnd {
    /// The process cannot do its work without it. If it ends, fails or panics before shutdown was requested, shutdown
    /// is requested, and [`Tasks::join`] gives its failure. So it does when the task fails or panics while stopping,
    /// or has not stopped by the deadline.
    Essential,
    /// The process goes on without it. Its failure is logged.
    Helper,
}

/// The tasks of one process. Clones are the same one, so a task can spawn others.
#[derive(Clone, Debug)]
pub struct Tasks {
    inner: Arc<Inner>,
}

#[derive(Debug)]
struct Inner {
    shutdown: Shutdown,
    abort: CancellationToken,
    tracker: TaskTracker,
    first_failure: Mutex<Option<anyhow::Error>>,
}

impl Tasks {
    /// No tasks yet. They hear of the end from `shutdown`, and an essential one that ends requests it.
    #[must_use]
    pub fn new(shutdown: Shutdown) -> Self {
        let (abort, tracker) = (CancellationToken::new(), TaskTracker::new());
        Self { inner: Arc::new(Inner { shutdown, abort, tracker, first_failure: Mutex::new(None) }) }
    }

    /// The shutdown that these tasks stop with.
    #[must_use]
    pub fn shutdown(&self) -> &Shutdown {
        &self.inner.shutdown
    }

    /// Starts a task. Its name is the field `task.name` of the span that it runs in.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn<F>(&self, name: impl Into<Cow<'static, str>>, on_end: OnEnd, future: F)
    where
        F: Future<Output = anyhow::Result<()>> + Send + 'static,
    {
        let name = name.into();
        let span = info_span!(parent: None, "task", task.name = %name);
        let task = spawn(future.instrument(span));
        let inner = Arc::clone(&self.inner);
        self.inner.tracker.spawn(async move {
            let ended = inner.supervise(task).await;
            inner.judge(&name, on_end, ended);
        });
    }

    /// Waits until shutdown is requested, then for all tasks until the deadline, aborts the rest, and gives the first
    /// failure of an essential task, which its message names.
    ///
    /// # Errors
    /// See [`OnEnd::Essential`].
    ///
    /// # Cancel safety
    /// Safe: the tasks run on, and it can be called again.
    pub async fn join(&self, deadline: Duration) -> anyhow::Result<()> {
        self.inner.shutdown.requested().await;
        self.inner.tracker.close();
        if tokio::time::timeout(deadline, self.inner.tracker.wait()).await.is_err() {
            self.inner.abort.cancel();
            self.inner.tracker.wait().await;
        }
        self.inner.first_failure.lock().unwrap_or_else(PoisonError::into_inner).take().map_or(Ok(()), Err)
    }
}

/// How a task ended.
enum Ended {
    Returned(anyhow::Result<()>),
    Panicked(JoinError),
    /// It had not stopped by the deadline.
    Aborted,
}

impl Inner {
    async fn supervise(&self, mut task: JoinHandle<anyhow::Result<()>>) -> Ended {
        let joined = tokio::select! {
            biased;
            joined = &mut task => joined,
            () = self.abort.cancelled() => {
                task.abort();
                task.await
            }
        };
        match joined {
            Ok(returned) => Ended::Returned(returned),
            Err(error) if error.is_panic() => Ended::Panicked(error),
            Err(_) => Ended::Aborted,
        }
    }

    fn judge(&self, name: &str, on_end: OnEnd, ended: Ended) {
        let stopping = self.shutdown.is_requested();
        let failure = match ended {
            Ended::Returned(Ok(())) if stopping || on_end == OnEnd::Helper => return,
            Ended::Returned(Ok(())) => anyhow!("ended before it was asked to"),
            Ended::Returned(Err(error)) => error,
            Ended::Panicked(error) => anyhow!("panicked: {}", panic_text(error)),
            Ended::Aborted => anyhow!("did not stop in time"),
        };
        match on_end {
            OnEnd::Essential => {
                // The failure itself is told at the end, by whoever joins; this says why everything stops now.
                error!(task.name = name, "stopping: essential task {name} failed");
                let failure = Err::<(), _>(failure).with_context(|| format!("task {name}")).err();
                let mut first = self.first_failure.lock().unwrap_or_else(PoisonError::into_inner);
                *first = first.take().or(failure);
                self.shutdown.request();
            }
            OnEnd::Helper => {
                warn!(task.name = name, error = format!("{failure:#}"), "task {name} failed; the process goes on");
            }
        }
    }
}

/// What a panic said, where it said it in words.
fn panic_text(error: JoinError) -> String {
    let said = error.into_panic();
    match (said.downcast_ref::<&str>(), said.downcast_ref::<String>()) {
        (Some(text), _) => (*text).to_owned(),
        (None, Some(text)) => text.clone(),
        (None, None) => "without words".to_owned(),
    }
}

/// Many short tasks of one kind that end alone, such as the connections of a listener.
#[derive(Debug, Default)]
pub struct Crowd {
    tracker: TaskTracker,
    abort: CancellationToken,
}

impl Crowd {
    /// Starts one more, in the span of the caller. What becomes of it is its own affair.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn spawn(&self, future: impl Future<Output = ()> + Send + 'static) {
        let abort = self.abort.clone();
        let bounded = async move {
            abort.run_until_cancelled(future).await;
        };
        self.tracker.spawn(bounded.instrument(Span::current()));
    }

    /// Waits for all of them until the deadline, then drops the rest where they stand, and says how many those were.
    pub async fn drain(self, deadline: Duration) -> usize {
        self.tracker.close();
        if tokio::time::timeout(deadline, self.tracker.wait()).await.is_ok() {
            return 0;
        }
        let dropped = self.tracker.len();
        self.abort.cancel();
        self.tracker.wait().await;
        dropped
    }
}

/// What is left without an owner is ended too.
impl Drop for Crowd {
    fn drop(&mut self) {
        self.abort.cancel();
    }
}

/// Starts what lives as long as the process and that nobody waits for.
pub(crate) fn detach(name: &'static str, future: impl Future<Output = ()> + Send + 'static) {
    drop(spawn(future.instrument(info_span!(parent: None, "task", task.name = name))));
}

#[expect(clippy::disallowed_methods, reason = "the one place that spawns; every caller gave it a name and a policy")]
fn spawn<T: Send + 'static>(future: impl Future<Output = T> + Send + 'static) -> JoinHandle<T> {
    tokio::spawn(future)
}

#[cfg(test)]
mod tests;
