//! Being asked to stop: one signal for the whole process, heard by everything in it.

use std::io;
use std::time::Duration;

use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio_util::sync::CancellationToken;

use crate::exit;
use crate::tasks;

/// Whether the process, or a part of it, was asked to stop. Clones are the same one.
///
/// A stop has two steps. It is announced: the process is not ready any more, and works on, so that whoever sends it work
/// has time to notice. Then it is requested: the process takes nothing new, and ends.
#[derive(Clone, Debug, Default)]
pub struct Shutdown {
    announced: CancellationToken,
    requested: CancellationToken,
}

impl Shutdown {
    /// One that nothing but [`Shutdown::request`] asks to stop.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// One that is announced together with this one, and requested by itself: for what stops later.
    #[must_use]
    pub fn later(&self) -> Self {
        Self { announced: self.announced.clone(), requested: CancellationToken::new() }
    }

    /// Announces that a stop will be requested.
    pub fn announce(&self) {
        self.announced.cancel();
    }

    /// Asks to stop. Asking again changes nothing.
    pub fn request(&self) {
        self.announced.cancel();
        self.requested.cancel();
    }

    /// Whether a stop was announced, or requested.
    #[must_use]
    pub fn is_announced(&self) -> bool {
        self.announced.is_cancelled()
    }

    /// Whether it was asked to stop.
    #[must_use]
    pub fn is_requested(&self) -> bool {
        self.requested.is_cancelled()
    }

    /// Waits until it is asked to stop; at once when it was.
    ///
    /// # Cancel safety
    /// Safe: nothing is lost by dropping the future.
    pub async fn requested(&self) {
        self.requested.cancelled().await;
    }

    /// The token of the request, for what takes one.
    #[must_use]
    pub fn token(&self) -> &CancellationToken {
        &self.requested
    }
}

/// Announces a stop at SIGTERM or SIGINT, and asks to stop `delay` later. A second signal ends the process at once with
/// [`exit::FAILURE`], for whoever has no time to wait.
///
/// # Errors
/// The operating system refuses to hand over the signals.
///
/// # Panics
/// Outside a tokio runtime.
pub fn on_signal(delay: Duration) -> io::Result<Shutdown> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let shutdown = Shutdown::new();
    let asked = shutdown.clone();
    tasks::detach("signals", async move {
        let name = next(&mut terminate, &mut interrupt).await;
        tracing::info!(signal.name = name, "stopping on {name}; a second signal ends at once");
        asked.announce();
        let second = async {
            let name = next(&mut terminate, &mut interrupt).await;
            tracing::warn!(signal.name = name, "ended at once by a second signal, {name}");
            std::process::exit(exit::FAILURE.into());
        };
        let request = async {
            tokio::time::sleep(delay).await;
            asked.request();
        };
        tokio::join!(request, second);
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
