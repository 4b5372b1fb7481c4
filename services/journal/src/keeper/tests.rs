use std::collections::BTreeMap;
use std::fmt;
use std::sync::Mutex;

use futures::future::join_all;
use messaging::{BoxFuture, Chance, Clock};
use protocol::{BackendName, EventId, Timestamp};
use store::{Account, Entry, LedgerError, Mark, Open, Sought, Subject};

use super::*;

/// A database that fails so many times, and notes what is recorded.
struct Diary {
    failures: Mutex<usize>,
    recorded: Mutex<Vec<usize>>,
    explained: Mutex<Vec<EventId>>,
}

impl Diary {
    /// Fails while it is to.
    fn write(&self, write: impl FnOnce()) -> Result<(), LedgerError> {
        let mut failures = self.failures.lock().unwrap();
        if let Some(left) = failures.checked_sub(1) {
            *failures = left;
            return Err(LedgerError::Unavailable(Arc::new(fmt::Error)));
        }
        write();
        Ok(())
    }
}

impl Explanations for Diary {
    fn keep<'a>(&'a self, explanations: &'a [Explanation]) -> BoxFuture<'a, Result<(), LedgerError>> {
        let ids = explanations.iter().map(|explanation| explanation.id);
        Box::pin(async { self.write(|| self.explained.lock().unwrap().extend(ids)) })
    }

    fn find<'a>(&'a self, _sought: &'a Sought) -> BoxFuture<'a, Result<Vec<Explanation>, LedgerError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn forget(&self, _told_before: Timestamp, _limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(async { Ok(0) })
    }
}

impl Accounts for Diary {
    fn record<'a>(&'a self, facts: &'a [Fact]) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(async { self.write(|| self.recorded.lock().unwrap().push(facts.len())) })
    }

    fn account(&self, _settled_before: Timestamp) -> BoxFuture<'_, Result<Account, LedgerError>> {
        Box::pin(async { Ok(Account::new()) })
    }

    fn open_entries(
        &self,
        _open: Open,
        _settled_before: Timestamp,
        _limit: u32,
    ) -> BoxFuture<'_, Result<Vec<Entry>, LedgerError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn strays(
        &self,
        _awaited_since: Timestamp,
        _settled_before: Timestamp,
    ) -> BoxFuture<'_, Result<BTreeMap<BackendName, u64>, LedgerError>> {
        Box::pin(async { Ok(BTreeMap::new()) })
    }

    fn unbegun(&self, _settled_before: Timestamp, _limit: u32) -> BoxFuture<'_, Result<Vec<Entry>, LedgerError>> {
        Box::pin(async { Ok(Vec::new()) })
    }

    fn forget(
        &self,
        _touched_before: Timestamp,
        _replayable_before: Timestamp,
        _limit: u32,
    ) -> BoxFuture<'_, Result<u64, LedgerError>> {
        Box::pin(async { Ok(0) })
    }
}

/// A clock that never waits, and lets others go on instead.
#[derive(Debug)]
struct Hasty;

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        Timestamp::UNIX_EPOCH
    }

    fn sleep(&self, _duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::task::yield_now())
    }
}

impl Chance for Hasty {
    fn bits(&self) -> u128 {
        0
    }
}

fn note() -> (Note, oneshot::Receiver<()>) {
    let (kept, on_record) = oneshot::channel();
    let fact = Fact {
        subject: Subject::Text,
        id: uuid::Uuid::from_u128(1).into(),
        backend: "b".parse().unwrap(),
        correlation_id: None,
        mark: Mark::Begun,
        at: Timestamp::UNIX_EPOCH,
    };
    (Note { noted: vec![fact].into(), kept }, on_record)
}

/// A keeper on a database that fails so many times; the way to it, and what is recorded.
fn keeper(failures: usize) -> (Keeper, mpsc::Sender<Note>, Arc<Diary>) {
    let diary =
        Arc::new(Diary { failures: Mutex::new(failures), recorded: Mutex::default(), explained: Mutex::default() });
    let (notes, noted) = mpsc::channel(GROUP_MAX * 4);
    let environment = Environment { clock: Arc::new(Hasty), chance: Arc::new(Hasty) };
    let (accounts, explanations): (Arc<dyn Accounts>, Arc<dyn Explanations>) = (diary.clone(), diary.clone());
    (Keeper::new(noted, accounts, explanations, environment), notes, diary)
}

#[tokio::test]
async fn many_notes_share_a_transaction_and_each_is_answered() {
    let (keeper, notes, diary) = keeper(0);
    let mut answers = Vec::new();
    for _ in 0..GROUP_MAX + 10 {
        let (note, on_record) = note();
        notes.send(note).await.unwrap();
        answers.push(on_record);
    }
    drop(notes);
    keeper.run().await;
    assert!(join_all(answers).await.into_iter().all(|answer| answer.is_ok()));
    let recorded = diary.recorded.lock().unwrap();
    assert_eq!(recorded.iter().sum::<usize>(), GROUP_MAX + 10);
    assert!(recorded.iter().all(|facts| *facts <= GROUP_MAX) && recorded.len() < 10, "{recorded:?}");
}

#[tokio::test]
async fn nothing_is_answered_before_it_is_on_record_however_long_the_database_is_away() {
    let (keeper, notes, diary) = keeper(7);
    let (note, on_record) = note();
    notes.send(note).await.unwrap();
    let answered = async {
        on_record.await.unwrap();
        assert_eq!(*diary.recorded.lock().unwrap(), [1]);
        drop(notes);
    };
    tokio::join!(keeper.run(), answered);
    assert_eq!(*diary.failures.lock().unwrap(), 0);
}

#[tokio::test]
async fn an_explanation_is_answered_once_it_is_on_record() {
    let (keeper, notes, diary) = keeper(3);
    let (kept, on_record) = oneshot::channel();
    let id = EventId::from(uuid::Uuid::from_u128(2));
    let explanation = Explanation {
        id,
        text: uuid::Uuid::from_u128(1).into(),
        session_id: "s1".parse().unwrap(),
        backend: "b".parse().unwrap(),
        at: Timestamp::UNIX_EPOCH,
        body: "{}".to_owned(),
    };
    notes.send(Note { noted: explanation.into(), kept }).await.unwrap();
    let answered = async {
        on_record.await.unwrap();
        assert_eq!(*diary.explained.lock().unwrap(), [id]);
        drop(notes);
    };
    tokio::join!(keeper.run(), answered);
}

/// As at a stop: deliveries that take too long are given back, and come again.
#[tokio::test]
async fn what_nobody_waits_for_any_more_is_given_up() {
    let (keeper, notes, diary) = keeper(usize::MAX);
    let (note, on_record) = note();
    notes.send(note).await.unwrap();
    let given_back = async {
        for _ in 0..20 {
            tokio::task::yield_now().await;
        }
        drop((on_record, notes));
    };
    tokio::join!(keeper.run(), given_back);
    assert_eq!(diary.recorded.lock().unwrap().len(), 0);
}
