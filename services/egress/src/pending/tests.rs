use std::fmt;
use std::sync::Arc;

use protocol::{BackendName, SessionId, Timestamp};
use store::{AllOverdue, BoxFuture, Claim, Claimed, GaveUp, GiveUp, Outcome, Record, Settled};

use super::*;

/// A ledger in which every message is released, and one cannot be read. It is asked for nothing but that.
struct Damaged {
    unreadable: EventId,
    asked: Mutex<usize>,
}

fn unasked<'a, T: 'a>() -> BoxFuture<'a, Result<T, LedgerError>> {
    Box::pin(async { Err(LedgerError::Corrupt(Arc::new(fmt::Error))) })
}

fn release(message_id: EventId) -> Release {
    Release {
        message_id,
        session_id: "s".parse().unwrap(),
        backend: "b".parse().unwrap(),
        correlation_id: None,
        attempt: 1,
        life: 0,
        released_at: Timestamp::UNIX_EPOCH,
        outcome: None,
        outcome_at: None,
    }
}

impl Ledger for Damaged {
    fn find<'a>(&'a self, message_ids: &'a [EventId]) -> BoxFuture<'a, Result<Vec<Release>, LedgerError>> {
        *self.asked.lock().unwrap() += 1;
        Box::pin(async {
            if message_ids.contains(&self.unreadable) {
                return Err(LedgerError::Unreadable(Arc::new(fmt::Error)));
            }
            Ok(message_ids.iter().copied().map(release).collect())
        })
    }

    fn claim(&self, _: Claim) -> BoxFuture<'_, Result<Claimed, LedgerError>> {
        unasked()
    }

    fn look_up(&self, _: EventId) -> BoxFuture<'_, Result<Option<Record>, LedgerError>> {
        unasked()
    }

    fn find_by_session<'a>(
        &'a self,
        _: &'a BackendName,
        _: &'a SessionId,
    ) -> BoxFuture<'a, Result<Vec<Release>, LedgerError>> {
        unasked()
    }

    fn settle<'a>(
        &'a self,
        _: EventId,
        _: &'a SessionId,
        _: Outcome,
        _: Timestamp,
    ) -> BoxFuture<'a, Result<Settled, LedgerError>> {
        unasked()
    }

    fn give_up(&self, _: GiveUp) -> BoxFuture<'_, Result<GaveUp, LedgerError>> {
        unasked()
    }

    fn replay(&self, _: EventId, _: Timestamp, _: Timestamp) -> BoxFuture<'_, Result<bool, LedgerError>> {
        unasked()
    }

    fn reopen<'a>(&'a self, _: &'a Release, _: Timestamp) -> BoxFuture<'a, Result<bool, LedgerError>> {
        unasked()
    }

    fn commanded(&self, _: EventId, _: Timestamp) -> BoxFuture<'_, Result<(), LedgerError>> {
        unasked()
    }

    fn overdue<'a>(
        &'a self,
        _: &'a BackendName,
        _: Timestamp,
        _: u32,
    ) -> BoxFuture<'a, Result<AllOverdue, LedgerError>> {
        unasked()
    }

    fn count(&self) -> BoxFuture<'_, Result<u64, LedgerError>> {
        unasked()
    }

    fn prune(&self, _: Timestamp, _: u32) -> BoxFuture<'_, Result<u64, LedgerError>> {
        unasked()
    }

    fn ping(&self) -> BoxFuture<'_, Result<(), LedgerError>> {
        unasked()
    }
}

fn message(number: u128) -> EventId {
    format!("{number:032x}").parse().unwrap()
}

#[tokio::test]
async fn a_release_that_cannot_be_read_hides_no_other() {
    let pending = Pending::default();
    let damaged = message(321);
    let ledger = Damaged { unreadable: damaged, asked: Mutex::default() };
    let mut waits: Vec<_> = (0..700).map(|number| pending.wait_for(message(number))).collect();
    let mut unreadable = BTreeSet::new();
    pending.reconcile(&ledger, &mut unreadable).await.unwrap();
    for wait in &mut waits {
        assert_eq!(wait.now(), (wait.message_id != damaged).then(|| Ended::Released(release(wait.message_id))));
    }
    assert_eq!(unreadable, BTreeSet::from([damaged]));

    // It is not asked for again, until somebody waits anew.
    let asked = *ledger.asked.lock().unwrap();
    pending.reconcile(&ledger, &mut unreadable).await.unwrap();
    assert_eq!(*ledger.asked.lock().unwrap(), asked);
    drop(waits);
    pending.reconcile(&ledger, &mut unreadable).await.unwrap();
    assert_eq!(unreadable, BTreeSet::new());
}
