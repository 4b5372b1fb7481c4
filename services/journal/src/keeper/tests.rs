use std::fmt;
use std::sync::Mutex;

use futures::future::join_all;
use messaging::{Chance, Clock};
use protocol::{EventId, Timestamp};
use store::{Mark, Subject};

use super::*;

/// What the record refuses that an event says.
const REFUSED: &str = r#""refused""#;

/// A record that fails so many times, and notes how many facts and entries each group has.
struct Diary {
    failures: Mutex<usize>,
    written: Mutex<Vec<[usize; 2]>>,
}

impl Record for Diary {
    fn write<'a>(&'a self, group: &'a Group) -> BoxFuture<'a, Result<(), LedgerError>> {
        Box::pin(async {
            let mut failures = self.failures.lock().unwrap();
            if let Some(left) = failures.checked_sub(1) {
                *failures = left;
                return Err(LedgerError::Unavailable(Arc::new(fmt::Error)));
            }
            if group.entries.iter().any(|entry| entry.event.body == REFUSED) {
                return Err(LedgerError::Unreadable(Arc::new(fmt::Error)));
            }
            let counts = [group.facts.len(), group.entries.len()];
            self.written.lock().unwrap().push(counts);
            Ok(())
        })
    }

    fn begun<'a>(&'a self, _messages: &'a [EventId]) -> BoxFuture<'a, Result<Vec<Begun>, LedgerError>> {
        Box::pin(async { Ok(Vec::new()) })
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
    let fact = Fact {
        subject: Subject::Text,
        id: uuid::Uuid::from_u128(1).into(),
        backend: "b".parse().unwrap(),
        correlation_id: None,
        mark: Mark::Begun,
        at: Timestamp::UNIX_EPOCH,
    };
    note_of(Noted { facts: Some(vec![fact]), ..Noted::default() })
}

fn note_of(noted: Noted) -> (Note, oneshot::Receiver<()>) {
    let (kept, on_record) = oneshot::channel();
    (Note { noted, kept }, on_record)
}

fn entry(body: &str) -> JournalEntry {
    let event = store::JournalEvent {
        id: EventId::from(uuid::Uuid::from_u128(2)),
        kind: "message.routed".to_owned(),
        at: Timestamp::UNIX_EPOCH,
        backend: "b".parse().unwrap(),
        correlation_id: None,
        session_id: None,
        of: None,
        body: body.to_owned(),
    };
    JournalEntry { event, marks: Vec::new(), content: None }
}

/// A keeper on a record that fails so many times; the way to it, and what is written.
fn keeper(failures: usize) -> (Keeper, mpsc::Sender<Note>, Arc<Diary>) {
    let diary = Arc::new(Diary { failures: Mutex::new(failures), written: Mutex::default() });
    let (notes, noted) = mpsc::channel(GROUP_MAX * 4);
    let environment = Environment { clock: Arc::new(Hasty), chance: Arc::new(Hasty) };
    (Keeper::new(noted, diary.clone(), environment), notes, diary)
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
    let written = diary.written.lock().unwrap();
    assert_eq!(written.iter().map(|[facts, ..]| facts).sum::<usize>(), GROUP_MAX + 10);
    assert!(written.iter().all(|[facts, ..]| *facts <= GROUP_MAX) && written.len() < 10, "{written:?}");
}

#[tokio::test]
async fn nothing_is_answered_before_it_is_on_record_however_long_the_database_is_away() {
    let (keeper, notes, diary) = keeper(7);
    let (note, on_record) = note();
    notes.send(note).await.unwrap();
    let answered = async {
        on_record.await.unwrap();
        assert_eq!(*diary.written.lock().unwrap(), [[1, 0]]);
        drop(notes);
    };
    tokio::join!(keeper.run(), answered);
    assert_eq!(*diary.failures.lock().unwrap(), 0);
}

#[tokio::test]
async fn all_that_a_note_says_is_on_record_before_it_is_answered() {
    let (keeper, notes, diary) = keeper(3);
    let (note, on_record) = note_of(Noted { facts: Some(Vec::new()), entry: Some(entry("{}")) });
    notes.send(note).await.unwrap();
    let answered = async {
        on_record.await.unwrap();
        assert_eq!(*diary.written.lock().unwrap(), [[0, 1]]);
        drop(notes);
    };
    tokio::join!(keeper.run(), answered);
}

#[tokio::test]
async fn what_the_database_refuses_holds_up_no_other_and_is_kept_without_what_it_says() {
    let (keeper, notes, diary) = keeper(0);
    let mut answers = Vec::new();
    for body in ["{}", REFUSED, "{}"] {
        let (note, on_record) = note_of(Noted { facts: Some(Vec::new()), entry: Some(entry(body)) });
        notes.send(note).await.unwrap();
        answers.push(on_record);
    }
    drop(notes);
    keeper.run().await;
    assert!(join_all(answers).await.into_iter().all(|answer| answer.is_ok()));
    // The first; what the account is told of the second, and that alone; the third.
    assert_eq!(*diary.written.lock().unwrap(), [[0, 1], [0, 0], [0, 1], [0, 1]]);
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
    assert_eq!(diary.written.lock().unwrap().len(), 0);
}
