//! The embedded bus keeps every contract.

use messaging::BusUrl;
use protocol::topology::QueueName;
use tempfile::TempDir;

use crate::running::Place;

/// A directory that goes when it is dropped.
struct Directory(TempDir);

impl Place for Directory {
    fn fresh() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn url(&self) -> BusUrl {
        BusUrl::Embedded(self.0.path().join("bus"))
    }

    /// It refuses nothing: its queues have no bound but the disk.
    async fn refuse(&self, _routing_key: &str) -> Option<QueueName> {
        None
    }
}

mod contracts {
    use super::Directory;

    crate::contracts::keeps_every_contract!(Directory);
}
