//! What is logged, and how that is changed while the process runs.

use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};

use tracing::{Subscriber, info};
use tracing_subscriber::{EnvFilter, reload};

use super::settings::LogFilter;

/// What is logged by this process, target by target. Clones are the same one.
#[derive(Clone)]
pub struct LogLevels {
    configured: LogFilter,
    state: Arc<State>,
}

struct State {
    /// What is logged now.
    current: Mutex<LogFilter>,
    change: Box<dyn Fn(EnvFilter) -> Result<(), reload::Error> + Send + Sync>,
}

/// What is logged could not be changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the log of this process is not tropomq's own: what is logged cannot be changed")]
pub struct LogLevelsError;

impl fmt::Debug for LogLevels {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("LogLevels").field("current", &self.current()).finish_non_exhaustive()
    }
}

impl LogLevels {
    /// What is logged as it is configured, and the filter that keeps to it.
    pub(super) fn start<S: Subscriber>(configured: &LogFilter) -> (Self, reload::Layer<EnvFilter, S>) {
        let (filter, handle) = reload::Layer::new(configured.filter());
        let change = Box::new(move |filter| handle.reload(filter));
        let state = Arc::new(State { current: Mutex::new(configured.clone()), change });
        (Self { configured: configured.clone(), state }, filter)
    }

    /// What is logged now.
    #[must_use]
    pub fn current(&self) -> LogFilter {
        self.state.current.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Logs something else from now on.
    ///
    /// # Errors
    /// [`LogLevelsError`].
    pub fn change(&self, to: LogFilter) -> Result<(), LogLevelsError> {
        let mut current = self.state.current.lock().unwrap_or_else(PoisonError::into_inner);
        (self.state.change)(to.filter()).map_err(|_| LogLevelsError)?;
        *current = to;
        drop(current);
        let log = self.current();
        info!(log = log.as_str(), "what is logged is {} from now on", log.as_str());
        Ok(())
    }

    /// Logs what is configured.
    ///
    /// # Errors
    /// [`LogLevelsError`].
    pub fn reset(&self) -> Result<(), LogLevelsError> {
        self.change(self.configured.clone())
    }
}
