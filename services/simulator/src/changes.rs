//! Word of what changed, from whatever outlives the process to whoever keeps it.

use std::sync::Arc;

use tokio::sync::Notify;

/// Says that something changed that outlives the process. Clones are the same one.
#[derive(Clone, Debug, Default)]
pub(crate) struct Changes(Arc<Notify>);

impl Changes {
    pub(crate) fn made(&self) {
        self.0.notify_one();
    }

    /// Waits for the next change; at once if there was one since.
    pub(crate) async fn next(&self) {
        self.0.notified().await;
    }
}
