//! Tears the end off the file's log, or garbles it, wherever that may be, and opens it.

use std::path::PathBuf;

use super::*;

const MESSAGES: u32 = 20;

/// So many bytes lie between the places that are tried: each of them syncs the disk a dozen times, and others use it too.
const STEP: usize = 7919;

/// The files of a spool as a crash left them, and how long its log was once each message was kept.
struct Left {
    database: Vec<u8>,
    log: Vec<u8>,
    lengths: Vec<usize>,
}

impl Left {
    async fn make() -> Self {
        let directory = TempDir::new().unwrap();
        let running = Running::open(&directory, Broker::away());
        let (database, log) = (directory.path().join("spool.db"), directory.path().join("spool.db-wal"));
        let mut lengths = Vec::new();
        for body in 0..MESSAGES {
            running.publish(body).await.unwrap();
            lengths.push(usize::try_from(fs::metadata(&log).unwrap().len()).unwrap());
        }
        let left = Self { database: fs::read(database).unwrap(), log: fs::read(log).unwrap(), lengths };
        running.stop().await;
        left
    }

    /// Opens it with this log: what was kept before `intact` bytes of it is there, in order.
    async fn check(&self, log: &[u8], intact: usize, what: &str) {
        let directory = TempDir::new().unwrap();
        let file = |name: &str| -> PathBuf { directory.path().join(name) };
        fs::write(file("spool.db"), &self.database).unwrap();
        fs::write(file("spool.db-wal"), log).unwrap();
        let running = Running::open(&directory, Broker::ready());
        running.empty().await;
        let came = running.broker.bodies();
        let kept = self.lengths.iter().filter(|length| **length <= intact).count();
        assert!(kept <= came.len(), "{what}: {} of {kept}", came.len());
        assert_eq!(came, (0..).take(came.len()).collect::<Vec<u32>>(), "{what}");
        // It works on.
        running.publish(MESSAGES).await.unwrap();
        running.stop().await;
    }
}

#[tokio::test]
async fn a_torn_end_costs_nothing_that_was_kept_before_it() {
    let left = Left::make().await;
    assert!(left.lengths.is_sorted() && left.lengths.first() < left.lengths.last(), "{:?}", left.lengths);
    for torn in (0..left.log.len()).step_by(STEP) {
        left.check(&left.log[..torn], torn, &format!("cut off at {torn}")).await;
        let mut garbled = left.log.clone();
        garbled[torn] ^= 0xff;
        left.check(&garbled, torn, &format!("garbled at {torn}")).await;
        garbled[torn..].fill(0);
        left.check(&garbled, torn, &format!("zeroes from {torn}")).await;
    }
}
