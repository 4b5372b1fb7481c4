//! What the journal keeps: every kind of event, whatever comes of it, and every dead letter.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};
use std::{fs, io};

use journal::Retention;
use messaging::headers::{ATTEMPT, CAUSATION_ID, DEAD_AT, ERROR, QUEUE, REASON, ROUTING_KEY};
use messaging::{Clock, Destination, Environment, Message, Properties};
use protocol::{EventId, Kind, SessionId, Timestamp};
use serde_json::Value;
use store::{
    Begun, BoxFuture, DEAD_LETTER, EventsOf, Journal, JournalEntry, JournalEvent, JournalSize, Latency, LedgerError,
    LogFilter, LogPage, Logged, Mark, Numbered, PAGE_MAX, Standing, Subject, Tally,
};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::stage::{DEADLINE, Running, Stage, backend};

/// The text and the message of the events' fixtures, and the session that has the message.
const TEXT: &str = "5d2a61c0-7f43-5b4e-8a11-2c9e7a5f0d22";
const MESSAGE: &str = "f3b1c1de-0a5b-5a7c-bb0e-3f9d4c2e1a33";
const SESSION: &str = "c2d0aa07b3c94e2d9d1b7d0c6e8f2a10";

fn id(written: &str) -> EventId {
    written.parse().unwrap()
}

/// The fixture of a kind, in one conversation with the others and with an id of its own; its properties alone where it
/// has no body.
fn event(kind: Kind) -> Message {
    let path = format!("{}/../../shared/protocol/src/event/fixtures/{kind}.v1.json", env!("CARGO_MANIFEST_DIR"));
    let mut event: Value = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
    let id = match kind {
        Kind::MessageReceived => id(TEXT),
        Kind::MessageSend => id(MESSAGE),
        other => id(MESSAGE).derive(other, 0),
    };
    event["id"] = id.to_string().into();
    if kind == Kind::MessageReceived {
        event.as_object_mut().unwrap().remove("causation_id");
    }
    let detail = if kind == Kind::MessageOffered { ".stock" } else { "" };
    message(&format!("{kind}.{}{detail}", backend()), id, event.to_string())
}

fn message(routing_key: &str, id: EventId, body: String) -> Message {
    let properties = Properties { message_id: Some(id.to_string()), ..Properties::default() };
    let destination = Destination::Topic { routing_key: routing_key.to_owned() };
    Message { destination, properties, body: body.into() }
}

async fn publish(stage: &Stage, messages: impl IntoIterator<Item = Message>) {
    for message in messages {
        stage.bus.publish(message).await.unwrap();
    }
}

/// Everything that is kept, by kind.
async fn kept(stage: &Stage) -> BTreeMap<String, JournalEvent> {
    let all = stage.database.journal.events_after(0, PAGE_MAX).await.unwrap();
    let count = all.len();
    let by_kind: BTreeMap<_, _> = all.into_iter().map(|Numbered { event, .. }| (event.kind.clone(), event)).collect();
    assert_eq!(by_kind.len(), count, "something is kept twice");
    by_kind
}

async fn lines(stage: &Stage) -> Vec<Logged> {
    let page = LogPage { before: None, limit: PAGE_MAX };
    stage.database.journal.log(&LogFilter::default(), page).await.unwrap()
}

/// Twice each, the last first, with a stop in between.
#[tokio::test(flavor = "multi_thread")]
async fn every_kind_is_kept_once_in_whatever_order_it_comes() {
    let stage = Stage::new().await;
    let running = Running::start(&stage);
    publish(&stage, Kind::ALL.into_iter().rev().map(event)).await;
    running.stop().await;
    let running = Running::start(&stage);
    publish(&stage, Kind::ALL.into_iter().map(event)).await;
    stage.kept_up().await;

    let kept = kept(&stage).await;
    assert_eq!(kept.keys().collect::<Vec<_>>().len(), Kind::ALL.len());
    for kind in Kind::ALL {
        let published: Value = serde_json::from_slice(&event(kind).body).unwrap();
        let kept = &kept[kind.as_str()];
        assert_eq!(serde_json::from_str::<Value>(&kept.body).unwrap(), published["data"], "{kind}");
        assert_eq!(kept.at.to_string(), published["time"].as_str().unwrap(), "{kind}");
        assert_eq!(kept.correlation_id.as_ref().unwrap().as_str(), published["correlation_id"], "{kind}");
    }
    let about = EventsOf::Subject(Subject::Message, id(MESSAGE));
    let about: Vec<String> =
        stage.database.journal.events(&about).await.unwrap().into_iter().map(|event| event.kind).collect();
    for kind in ["message.send", "message.launched", "message.delayed", "session.result", "message.delivered"] {
        assert!(about.iter().any(|other| other == kind), "{kind} is not among {about:?}");
    }
    let [one, other] = &*lines(&stage).await else { panic!("a text, and a message") };
    let (text, message) = if one.subject == Subject::Text { (one, other) } else { (other, one) };
    assert_eq!((text.id, message.id), (id(TEXT), id(MESSAGE)));
    assert!(text.marks.has(Mark::Begun) && text.marks.has(Mark::Ignored));
    assert_eq!(message.standing(), Some(Standing::Delivered));
    let content = message.content.as_ref().unwrap();
    assert_eq!((content.text.as_str(), content.cause), ("Balance is 12", Some(text.id)));
    assert_eq!(text.content.as_ref().unwrap().text.as_str(), "BAL 4711 ✓");
    let session: SessionId = SESSION.parse().unwrap();
    assert!(!stage.database.journal.look_for(&session).await.unwrap().is_empty());
    running.stop().await;
}

/// A command as it came to the dead letters: whole, and with the headers that tell why.
fn dead(event: Message, dead_at: &str) -> Message {
    let Destination::Topic { routing_key } = event.destination else { panic!("it was published to all") };
    let headers = [
        (QUEUE, "egress.message.send.my-tropo-backend".to_owned()),
        (REASON, "failed".to_owned()),
        (ATTEMPT, "3".to_owned()),
        (ERROR, "Tropo rejected the message for good: Tropo refused: unknown token".to_owned()),
        (DEAD_AT, dead_at.to_owned()),
        (ROUTING_KEY, routing_key),
        (CAUSATION_ID, TEXT.to_owned()),
    ];
    let headers = headers.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
    Message { destination: Destination::Dead, properties: Properties { headers, ..event.properties }, ..event }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_letter_is_kept_once_for_each_death_and_without_its_words() {
    let stage = Stage::new().await;
    let running = Running::start(&stage);
    let (first, second) = ("2026-03-01T09:31:00Z", "2026-03-01T10:31:00Z");
    let mut unreadable = event(Kind::MessageSend);
    unreadable.body = "{\"to\":\"+15555550177\"".into();
    let letters = [event(Kind::MessageSend), unreadable].map(|event| dead(event, first));
    publish(&stage, letters.into_iter().chain([dead(event(Kind::MessageSend), second)])).await;
    stage.kept_up().await;
    let about = EventsOf::Subject(Subject::Message, id(MESSAGE));
    let kept = stage.database.journal.events(&about).await.unwrap();
    let deaths: Vec<String> = kept.iter().map(|event| event.at.to_string()).collect();
    assert_eq!(deaths, [first, second], "the body does not make another death");
    for event in &kept {
        assert_eq!(event.kind, DEAD_LETTER);
        let body: Value = serde_json::from_str(&event.body).unwrap();
        assert_eq!((&body["reason"], &body["attempts"]), (&Value::from("failed"), &Value::from(3)));
        assert!(!event.body.contains("5555") && !event.body.contains("Balance"), "{}", event.body);
    }
    let [message] = &*lines(&stage).await else { panic!("one message") };
    assert_eq!((message.standing(), &message.content), (Some(Standing::Dead), &None));
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_read_is_kept_as_far_as_it_tells_and_holds_nothing_up() {
    let stage = Stage::new().await;
    let running = Running::start(&stage);
    let unreadable = message("message.sent.my-tropo-backend", id(MESSAGE).derive(Kind::MessageSent, 0), "{".to_owned());
    let newer = event(Kind::MessageDelivered);
    let body = String::from_utf8(newer.body.to_vec()).unwrap().replace("message.delivered.v1", "message.seen.v2");
    let newer = message("message.seen.my-tropo-backend", id(MESSAGE).derive(Kind::MessageDelivered, 0), body);
    // Neither its id nor its backend is known.
    let mut strange = message("greeting", id(TEXT), "+15555550177 says hello".to_owned());
    strange.properties.message_id = None;
    publish(&stage, [strange, unreadable, newer, event(Kind::MessageReceived)]).await;
    stage.kept_up().await;
    let kept = kept(&stage).await;
    assert_eq!(kept.keys().collect::<Vec<_>>(), ["message.received", "message.seen", "message.sent"]);
    assert_eq!(kept["message.sent"].body, "null");
    assert_eq!(kept["message.seen"].of, Some((Subject::Message, id(MESSAGE))));
    assert!(kept["message.seen"].body.contains("accepted"), "{}", kept["message.seen"].body);
    running.stop().await;
}

/// A journal that is away, and counts how often it is asked.
struct Away {
    journal: Arc<dyn Journal>,
    asked: AtomicUsize,
}

impl Journal for Away {
    fn keep_events<'a>(&'a self, _entries: &'a [JournalEntry]) -> BoxFuture<'a, Result<(), LedgerError>> {
        self.asked.fetch_add(1, Ordering::Relaxed);
        Box::pin(async { Err(LedgerError::Unavailable(Arc::new(io::Error::other("away")))) })
    }

    fn log<'a>(&'a self, filter: &'a LogFilter, page: LogPage) -> BoxFuture<'a, Result<Vec<Logged>, LedgerError>> {
        self.journal.log(filter, page)
    }

    fn look_for<'a>(&'a self, id: &'a SessionId) -> BoxFuture<'a, Result<Vec<Logged>, LedgerError>> {
        self.journal.look_for(id)
    }

    fn events<'a>(&'a self, of: &'a EventsOf) -> BoxFuture<'a, Result<Vec<JournalEvent>, LedgerError>> {
        self.journal.events(of)
    }

    fn events_after(&self, number: i64, limit: u32) -> BoxFuture<'_, Result<Vec<Numbered>, LedgerError>> {
        self.journal.events_after(number, limit)
    }

    fn last_number(&self) -> BoxFuture<'_, Result<i64, LedgerError>> {
        self.journal.last_number()
    }

    fn tallies(&self, since: Timestamp) -> BoxFuture<'_, Result<Vec<Tally>, LedgerError>> {
        self.journal.tallies(since)
    }

    fn latencies(&self, since: Timestamp, limit: u32) -> BoxFuture<'_, Result<Vec<Latency>, LedgerError>> {
        self.journal.latencies(since, limit)
    }

    fn begun<'a>(&'a self, messages: &'a [EventId]) -> BoxFuture<'a, Result<Vec<Begun>, LedgerError>> {
        self.journal.begun(messages)
    }

    fn size(&self) -> BoxFuture<'_, Result<JournalSize, LedgerError>> {
        self.journal.size()
    }

    fn forget_events(&self, before: Timestamp, bytes_max: u64, limit: u32) -> BoxFuture<'_, Result<u64, LedgerError>> {
        self.journal.forget_events(before, bytes_max, limit)
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn while_the_journal_is_away_nothing_is_acknowledged_and_all_is_kept_once_it_is_back() {
    let stage = Stage::new().await;
    let away = Arc::new(Away { journal: Arc::clone(&stage.database.journal), asked: AtomicUsize::new(0) });
    let database = store::Opened { journal: away.clone(), ..stage.database.clone() };
    let running = Running::start_on(&stage, &database, Duration::from_millis(100));
    let dead_letter = || dead(event(Kind::MessageSend), "2026-03-01T09:31:00Z");
    publish(&stage, Kind::ALL.into_iter().map(event).chain([dead_letter()])).await;
    let started = Instant::now();
    while away.asked.load(Ordering::Relaxed) < 2 {
        assert!(started.elapsed() < DEADLINE, "nobody asked again");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    let waiting = stage.depths().await.map(|depth| depth.ready + depth.in_hand.unwrap());
    assert_eq!(waiting, [Kind::ALL.len() as u64, 1], "something was acknowledged");
    // It is given back, though the account has it already.
    running.stop().await;
    assert_eq!(stage.database.journal.size().await.unwrap(), JournalSize::default());

    let running = Running::start(&stage);
    stage.kept_up().await;
    assert_eq!(kept(&stage).await.len(), Kind::ALL.len() + 1);
    running.stop().await;
}

/// A clock that stands still, and for which no wait is long.
#[derive(Debug)]
struct Still(Timestamp);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        self.0
    }

    fn sleep(&self, _duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::task::yield_now())
    }
}

/// Forgets what is older than this ten days after it happened, and what is more than that, until so many events are left.
async fn forget(stage: &Stage, usual: Duration, bytes_max: u64, left: u64) {
    let clock = Arc::new(Still("2026-03-11T09:30:15Z".parse().unwrap()));
    let environment = Environment { clock, ..Environment::system() };
    let (shutdown, database) = (CancellationToken::new(), stage.database.clone());
    let retention = Retention { usual, replayable: usual, bytes_max };
    let mut tasks = JoinSet::new();
    tasks.spawn(journal::forget(database, retention, environment, shutdown.clone()));
    let started = Instant::now();
    while stage.database.journal.size().await.unwrap().events != left {
        assert!(started.elapsed() < DEADLINE, "{:?}", stage.database.journal.size().await);
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    shutdown.cancel();
    tasks.join_all().await;
    assert_eq!(stage.database.journal.size().await.unwrap().events, left);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_too_much_and_what_is_old_is_forgotten() {
    let (stage, all) = (Stage::new().await, Kind::ALL.len() as u64);
    let running = Running::start(&stage);
    publish(&stage, Kind::ALL.into_iter().map(event)).await;
    stage.kept_up().await;
    running.stop().await;
    let (week, month) = (Duration::from_hours(7 * 24), Duration::from_hours(30 * 24));
    let bytes = stage.database.journal.size().await.unwrap().bytes;
    forget(&stage, month, bytes, all).await;
    forget(&stage, month, bytes - 1, all - 1).await;
    assert!(!kept(&stage).await.contains_key("message.received"), "the first is the oldest");
    forget(&stage, week, bytes, 0).await;
    assert_eq!(lines(&stage).await, []);
}
