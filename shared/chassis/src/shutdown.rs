//! Being asked to stop: one signal for the whole process, heard by everything in it.

use std::io;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit;
use crate::tasks;

/// Whether the process, or a part of it, was asked to stop. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub struct Shutdown(CancellationToken);

impl Shutdown {
    /// One that nothing but [`Shutdown::request`] asks to stop.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Asks to stop. Asking again changes nothing.
    pub fn request(&self) {
        self.0.cancel();
    }

    /// Whether it was asked to stop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.0.is_cancelled()
    }

    /// Waits until it is asked to stop; at once when it was.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost by dropping the future.
    pub async fn requested(&self) {
        self.0.cancelled().await;
    }

    /// The token, for what takes one.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.0
    }
}

/// Asks to stop at SIGTERM or SIGINT. A second signal ends the process at once with [`exit::FAILURE`], for whoever
/// has no time to wait.
///
/// # Errors
/// The operating system refuses to hand over the signals.
///
/// # Panics
/// Outside a tokio runtime.
pub fn on_signal() -> io::Result<Shutdown> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = Shutdown::new();
    let asked = shutdown.clone();
    tasks::detach("signals", async move {
        let name = next(&mut terminate, &mut interrupt).await;
        tracing::info!(signal.name = name, "stopping on {name}; a second signal ends at once");
        asked.request();
        let name = next(&mut terminate, &mut interrupt).await;
        tracing::warn!(signal.name = name, "ended at once by a second signal, {name}");
        std::process::exit(exit::FAILURE.into());
    });
    Ok(shutdown)
}

async fn next(terminate: &mut Signal, interrupt: &mut Signal) -> &'static str {
    tokio::select! {
        _ = terminate.recv() => "SIGTERM",
        _ = interrupt.recv() => "SIGINT",
    }
}

#[cfg(test)]
mod tests;
