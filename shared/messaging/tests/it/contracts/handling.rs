//! The consume loop on a real bus.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use messaging::headers::{ATTEMPT, CAUSATION_ID, DEAD_AT, ERROR, QUEUE, REASON, ROUTING_KEY};
use messaging::{
    Consumer, Context, Disposition, Environment, Handler, Message, Outgoing, Publisher, RetryPolicy, Settle, consume,
};
use protocol::{Envelope, Event, EventId, Kind};
use serde::{Deserialize, Serialize};
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use crate::running::{Place, Running, Taken, message, within, work};

/// What the handlers of these tests are told to do.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
enum Order {
    /// Answer with another event.
    Answer,
    /// Fail until this attempt, then answer.
    FailUntil(u32),
    /// Panic.
    Panic,
    /// Wait until the test gives leave.
    Wait,
}

impl Event for Order {
    const KIND: Kind = Kind::MessageReceived;
}

/// The answer.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
struct Answered;

impl Event for Answered {
    const KIND: Kind = Kind::MessageSent;
}

#[derive(Debug, thiserror::Error)]
#[error("told to fail")]
struct ToldToFail(#[source] std::io::Error);

impl Settle for ToldToFail {
    fn disposition(&self) -> Disposition {
        Disposition::Retry { after: None }
    }
}

struct Obedient {
    /// Told which attempt begins.
    begun: mpsc::UnboundedSender<u32>,
    leave: Semaphore,
}

impl Handler for Obedient {
    type Event = Order;
    type Error = ToldToFail;

    async fn handle(&self, envelope: Envelope<Order>, context: &Context) -> Result<Vec<Outgoing>, ToldToFail> {
        self.begun.send(context.attempt).unwrap();
        match envelope.data {
            Order::Answer => {}
            Order::FailUntil(attempt) if context.attempt < attempt => {
                return Err(ToldToFail(std::io::Error::other("because")));
            }
            Order::FailUntil(_) => {}
            Order::Panic => panic!("told to panic"),
            Order::Wait => self.leave.acquire().await.unwrap().forget(),
        }
        let answer = Envelope::caused_by(&envelope.head, 0, context.environment.now(), Answered);
        Ok(vec![Outgoing::new(&answer)])
    }
}

/// A consume loop on a bus, with queues for orders and for answers.
struct Consuming {
    running: Running,
    handler: Arc<Obedient>,
    begun: mpsc::UnboundedReceiver<u32>,
    shutdown: CancellationToken,
    consuming: JoinSet<()>,
}

impl Consuming {
    async fn start(place: &impl Place, prefetch: u16, drain: Duration) -> Self {
        let queues = [work("orders", "message.received.*"), work("answers", "message.sent.*")];
        let running = Running::open(&place.url(), &queues).await;
        let (begin, begun) = mpsc::unbounded_channel();
        let handler = Arc::new(Obedient { begun: begin, leave: Semaphore::new(0) });
        let retry = RetryPolicy {
            first: Duration::from_millis(60),
            longest: Duration::from_millis(120),
            attempts_max: Some(4),
        };
        let consumer = Consumer { queue: "orders".into(), prefetch, retry, ordered: false, share: None, drain };
        let shutdown = CancellationToken::new();
        let mut consuming = JoinSet::new();
        let publisher = Publisher::new(Arc::clone(&running.bus), "test");
        let environment = Environment::system();
        consuming.spawn(consume(publisher, consumer, Arc::clone(&handler), environment, shutdown.clone(), |_| {}));
        Self { running, handler, begun, shutdown, consuming }
    }

    async fn order(&self, order: Order, index: u32) -> EventId {
        let cause = EventId::from(uuid::Uuid::nil()).derive(Kind::SessionResult, index);
        let session = "session".parse().unwrap();
        let envelope = Envelope::of_webhook(cause, "a".parse().unwrap(), session, Environment::system().now(), order);
        let publisher = Publisher::new(Arc::clone(&self.running.bus), "test");
        within("the order", publisher.publish(&Outgoing::new(&envelope))).await.unwrap();
        cause
    }

    async fn begun(&mut self) -> u32 {
        within("an attempt", self.begun.recv()).await.unwrap()
    }

    /// Waits for the loop to end after shutdown was requested, and returns the bus.
    async fn ended(mut self) -> Running {
        within("the loop ends", self.consuming.join_next()).await.unwrap().unwrap();
        self.running
    }

    async fn stop(self) -> Running {
        self.shutdown.cancel();
        self.ended().await
    }
}

/// The orders that were left, or given back.
async fn assert_left(running: &Running, ids: &[EventId]) {
    let mut left: Vec<String> =
        running.take_up_to("orders", "message.received.a").await.iter().map(Taken::id).collect();
    left.sort();
    let mut expected: Vec<String> = ids.iter().map(ToString::to_string).collect();
    expected.sort();
    assert_eq!(left, expected);
}

const DRAIN: Duration = Duration::from_secs(20);

pub(crate) async fn what_a_handler_returns_is_published_and_the_event_settled(place: &impl Place) {
    let mut consuming = Consuming::start(place, 10, DRAIN).await;
    let cause = consuming.order(Order::Answer, 0).await;
    let answer = consuming.running.take("answers", 1).await.remove(0);
    assert_eq!(answer.id(), cause.derive(Kind::MessageSent, 0).to_string());
    assert_eq!(answer.header(CAUSATION_ID), cause.to_string());
    assert_eq!(answer.properties.correlation_id.as_deref(), Some("session"));
    assert_eq!(answer.properties.message_type.as_deref(), Some("message.sent.v1"));
    assert_eq!(answer.properties.app_id.as_deref(), Some("test"));
    assert!(answer.properties.timestamp.is_some());
    assert_eq!(consuming.begun().await, 1);
    let running = consuming.stop().await;
    assert_left(&running, &[]).await;
    running.close().await;
}

async fn check_dead(place: &impl Place, order: Order, attempts: u32, reason: &str, error: &str) {
    let mut consuming = Consuming::start(place, 10, DRAIN).await;
    let id = consuming.order(order.clone(), 0).await;
    for attempt in 1..=attempts {
        assert_eq!(consuming.begun().await, attempt);
    }
    let dead = consuming.running.take("tropomq.dead", 1).await.remove(0);
    assert_eq!(dead.id(), id.to_string());
    assert_eq!((dead.header(REASON), dead.header(ERROR)), (reason, error));
    assert_eq!((dead.header(QUEUE), dead.header(ROUTING_KEY)), ("orders", "message.received.a"));
    assert_eq!(dead.header(ATTEMPT), attempts.to_string());
    assert!(dead.header(DEAD_AT).parse::<protocol::Timestamp>().is_ok());
    assert_eq!(Envelope::<Order>::from_body(&dead.body).unwrap().data, order);
    let running = consuming.stop().await;
    assert_left(&running, &[]).await;
    running.close().await;
}

pub(crate) async fn a_failure_is_tried_again_and_dead_when_the_attempts_are_used_up(place: &impl Place) {
    check_dead(place, Order::FailUntil(u32::MAX), 4, "attempts_exhausted", "told to fail: because").await;
}

pub(crate) async fn a_handler_that_panics_is_tried_again_and_then_dead(place: &impl Place) {
    check_dead(place, Order::Panic, 3, "panicked", "the handler panicked").await;
}

pub(crate) async fn a_failure_that_passes_is_handled_in_the_end(place: &impl Place) {
    let mut consuming = Consuming::start(place, 10, DRAIN).await;
    let cause = consuming.order(Order::FailUntil(3), 0).await;
    for attempt in 1..=3 {
        assert_eq!(consuming.begun().await, attempt);
    }
    let answer = consuming.running.take("answers", 1).await.remove(0);
    assert_eq!(answer.id(), cause.derive(Kind::MessageSent, 0).to_string());
    let running = consuming.stop().await;
    assert_left(&running, &[]).await;
    running.close().await;
}

pub(crate) async fn an_unreadable_body_is_dead_at_once(place: &impl Place) {
    let consuming = Consuming::start(place, 10, DRAIN).await;
    let body = Bytes::from_static(b"\xff{");
    let broken = Message { body: body.clone(), ..message("message.received.a", "broken") };
    consuming.running.publish(broken).await;
    let dead = consuming.running.take("tropomq.dead", 1).await.remove(0);
    assert_eq!((dead.id().as_str(), dead.header(REASON), dead.body.clone()), ("broken", "unreadable", body));
    assert!(!dead.header(ERROR).is_empty());
    assert_eq!((dead.header(QUEUE), dead.header(ROUTING_KEY)), ("orders", "message.received.a"));
    let running = consuming.stop().await;
    assert_left(&running, &[]).await;
    running.close().await;
}

pub(crate) async fn shutdown_finishes_what_is_in_hand_and_gives_back_the_rest(place: &impl Place) {
    let mut consuming = Consuming::start(place, 2, DRAIN).await;
    let mut ids = Vec::new();
    for index in 0..5 {
        ids.push(consuming.order(Order::Wait, index).await);
    }
    consuming.begun().await;
    consuming.begun().await;
    consuming.shutdown.cancel();
    consuming.handler.leave.add_permits(5);
    let running = consuming.ended().await;
    let answered = running.take_ids("answers", 2).await;
    let handled: Vec<bool> =
        ids.iter().map(|id| answered.contains(&id.derive(Kind::MessageSent, 0).to_string())).collect();
    let rest: Vec<EventId> = ids.into_iter().zip(&handled).filter(|(_, done)| !**done).map(|(id, _)| id).collect();
    assert_eq!(rest.len(), 3, "{handled:?}");
    assert_left(&running, &rest).await;
    running.close().await;
}

pub(crate) async fn what_is_not_finished_in_time_is_given_back(place: &impl Place) {
    let mut consuming = Consuming::start(place, 2, Duration::from_millis(100)).await;
    let id = consuming.order(Order::Wait, 0).await;
    consuming.begun().await;
    let running = consuming.stop().await;
    assert_left(&running, &[id]).await;
    running.close().await;
}
