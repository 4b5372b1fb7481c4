use std::collections::VecDeque;
use std::sync::Mutex;

use bytes::Bytes;
use protocol::{Envelope, Event, EventId, Kind, MessageReceived, MessageSend, Network, Timestamp};
use tokio::sync::{Semaphore, watch};

use super::*;
use crate::headers::{DEAD_AT, ERROR, QUEUE, REASON, ROUTING_KEY};
use crate::{
    BoxFuture, Bus, BusState, Chance, Clock, DepthError, Depths, Destination, Disposition, Properties, Settle, Settler,
    SubscribeError,
};

/// A bus that does as it is told, and keeps a diary.
#[derive(Debug)]
struct Model {
    /// What is delivered, in order; afterwards a subscription stays silent.
    deliveries: Mutex<VecDeque<Delivery>>,
    /// How publications end, in order; afterwards all are confirmed.
    results: Mutex<VecDeque<PublishError>>,
    diary: Arc<Diary>,
    state: watch::Sender<BusState>,
}

#[derive(Debug, Default)]
struct Diary {
    lines: Mutex<Vec<String>>,
    published: Mutex<Vec<Message>>,
    settled: watch::Sender<u32>,
}

impl Diary {
    fn note(&self, line: impl Into<String>) {
        self.lines.lock().unwrap().push(line.into());
    }
}

impl Bus for Model {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>> {
        Box::pin(async move {
            let what = match &message.destination {
                Destination::Topic { routing_key } => routing_key.clone(),
                Destination::Delayed { .. } => "delayed".to_owned(),
                Destination::Dead => "dead".to_owned(),
            };
            self.diary.note(format!("publish {what}"));
            tokio::task::yield_now().await;
            let result = self.results.lock().unwrap().pop_front().map_or(Ok(()), Err);
            if result.is_ok() {
                self.diary.note(format!("confirm {what}"));
                self.diary.published.lock().unwrap().push(message);
            }
            result
        })
    }

    fn subscribe<'a>(
        &'a self,
        _queue: &'a QueueName,
        _prefetch: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, SubscribeError>> {
        let deliveries = std::mem::take(&mut *self.deliveries.lock().unwrap());
        let subscription: Box<dyn Subscription> = Box::new(Scripted(deliveries));
        Box::pin(async { Ok(subscription) })
    }

    fn depths<'a>(&'a self, _queues: &'a [QueueName]) -> BoxFuture<'a, Result<Depths, DepthError>> {
        Box::pin(async { Ok(Depths::new()) })
    }

    fn state(&self) -> watch::Receiver<BusState> {
        self.state.subscribe()
    }

    fn system(&self) -> &'static str {
        "model"
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

struct Scripted(VecDeque<Delivery>);

impl Subscription for Scripted {
    fn next(&mut self) -> BoxFuture<'_, Option<Delivery>> {
        Box::pin(async {
            match self.0.pop_front() {
                Some(delivery) => Some(delivery),
                None => std::future::pending().await,
            }
        })
    }

    fn cancel(&mut self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

struct Noted(Arc<Diary>);

impl Settler for Noted {
    fn ack(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.0.note("ack");
            self.0.settled.send_modify(|settled| *settled += 1);
        })
    }

    fn requeue(self: Box<Self>) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            self.0.note("requeue");
            self.0.settled.send_modify(|settled| *settled += 1);
        })
    }
}

/// A clock that does not wait but for the drain, and a chance that is always the same.
#[derive(Debug)]
struct Still;

const DRAIN: Duration = Duration::from_secs(3600);

impl Clock for Still {
    fn now(&self) -> Timestamp {
        "2026-03-01T09:30:15Z".parse().unwrap()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(async move {
            if duration == DRAIN {
                std::future::pending::<()>().await;
            }
        })
    }
}

impl Chance for Still {
    fn bits(&self) -> u128 {
        0
    }
}

#[derive(Debug, Clone, thiserror::Error)]
#[error("outer")]
struct Failed(Disposition, #[source] std::fmt::Error);

impl Settle for Failed {
    fn disposition(&self) -> Disposition {
        self.0
    }

    fn outgoing(&self) -> Vec<Outgoing> {
        vec![Outgoing::new(&reply(&received()))]
    }
}

type Answer = Box<dyn Fn() -> Result<Vec<Outgoing>, Failed> + Send + Sync>;

struct Answers {
    answer: Answer,
    /// Permits to answer; closed, everything is answered at once.
    gate: Semaphore,
}

impl Handler for Answers {
    type Event = MessageReceived;
    type Error = Failed;

    async fn handle(&self, envelope: Envelope<MessageReceived>, context: &Context) -> Result<Vec<Outgoing>, Failed> {
        if let Ok(permit) = self.gate.acquire().await {
            permit.forget();
            context.progress(Outgoing::new(&reply(&envelope)));
        }
        (self.answer)()
    }
}

fn received() -> Envelope<MessageReceived> {
    let session_id: protocol::SessionId = "s1".parse().unwrap();
    let backend: protocol::BackendName = "b".parse().unwrap();
    let id = EventId::of_webhook(&backend, &session_id, Kind::MessageReceived, "");
    let data = MessageReceived {
        session_id: session_id.clone(),
        from: "15555550177".parse().unwrap(),
        to: None,
        text: "hi".parse().unwrap(),
        network: Network::sms(),
    };
    Envelope::of_webhook(id, backend, session_id, Still.now(), data)
}

fn reply(cause: &Envelope<MessageReceived>) -> Envelope<MessageSend> {
    let data = MessageSend {
        to: cause.data.from.clone(),
        text: "ho".parse().unwrap(),
        from: None,
        network: Network::sms(),
        application: None,
        expires_at: None,
    };
    Envelope::caused_by(&cause.head, 0, Still.now(), data)
}

struct Case {
    body: Bytes,
    attempt: Option<&'static str>,
    results: Vec<PublishError>,
    answer: Answer,
}

impl Case {
    fn answering(answer: impl Fn() -> Result<Vec<Outgoing>, Failed> + Send + Sync + 'static) -> Self {
        Self { body: received().to_body().into(), attempt: None, results: Vec::new(), answer: Box::new(answer) }
    }

    fn failing(disposition: Disposition) -> Self {
        Self::answering(move || Err(Failed(disposition, std::fmt::Error)))
    }

    fn delivery(&self, diary: &Arc<Diary>) -> Delivery {
        let attempt = self.attempt.map(|attempt| (ATTEMPT.to_owned(), attempt.to_owned()));
        Delivery {
            queue: QueueName::received(),
            routing_key: format!("{}.b", MessageReceived::KIND),
            properties: Properties { headers: attempt.into_iter().collect(), ..Properties::default() },
            body: self.body.clone(),
            redelivered: false,
            settler: Box::new(Noted(Arc::clone(diary))),
        }
    }

    /// Consumes the one delivery, and returns the diary and what was published.
    async fn run(self) -> (Vec<String>, Vec<Message>) {
        let diary = Arc::new(Diary::default());
        let delivery = self.delivery(&diary);
        let bus = Arc::new(Model {
            deliveries: Mutex::new([delivery].into()),
            results: Mutex::new(self.results.into()),
            diary: Arc::clone(&diary),
            state: watch::Sender::new(BusState::Ready),
        });
        let gate = Semaphore::new(0);
        gate.close();
        let handler = Arc::new(Answers { answer: self.answer, gate });
        let mut settled = diary.settled.subscribe();
        run_until(bus, handler, false, async move {
            settled.wait_for(|settled| *settled == 1).await.unwrap();
        })
        .await;
        let published = diary.published.lock().unwrap().clone();
        (diary.lines.lock().unwrap().clone(), published)
    }
}

async fn run_until(bus: Arc<dyn Bus>, handler: Arc<Answers>, ordered: bool, until: impl Future<Output = ()>) {
    let retry = RetryPolicy { first: Duration::from_secs(4), longest: Duration::from_mins(1), attempts_max: Some(3) };
    let consumer = Consumer { queue: QueueName::received(), prefetch: 8, retry, ordered, share: None, drain: DRAIN };
    let environment = Environment { clock: Arc::new(Still), chance: Arc::new(Still) };
    let shutdown = CancellationToken::new();
    let consuming = consume(Publisher::new(bus, "test"), consumer, handler, environment, shutdown.clone(), |_| {});
    let stop = async {
        until.await;
        shutdown.cancel();
    };
    tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(consuming, stop) }).await.unwrap();
}

#[tokio::test]
async fn a_delivery_is_acknowledged_after_its_consequences_are_confirmed() {
    let (diary, published) = Case::answering(|| Ok(vec![Outgoing::new(&reply(&received()))])).run().await;
    assert_eq!(diary, ["publish message.send.b", "confirm message.send.b", "ack"]);
    let properties = &published[0].properties;
    let event = reply(&received()).head;
    assert_eq!(properties.message_id, Some(event.id.to_string()));
    assert_eq!(properties.correlation_id.as_deref(), Some("s1"));
    assert_eq!(properties.message_type.as_deref(), Some("message.send.v1"));
    assert_eq!(properties.app_id.as_deref(), Some("test"));
    assert_eq!(properties.headers["causation-id"], received().head.id.to_string());
}

#[tokio::test]
async fn what_is_not_confirmed_is_published_again_and_then_given_back() {
    let unknown = PublishError::Unknown("lost".to_owned());
    let answer = || Ok(vec![Outgoing::new(&reply(&received()))]);
    let (diary, _) =
        Case { results: vec![unknown.clone(), PublishError::Refused], ..Case::answering(answer) }.run().await;
    assert_eq!(diary.last().unwrap(), "ack");
    assert_eq!(diary.iter().filter(|line| line.starts_with("publish")).count(), 3);
    let (diary, published) = Case { results: vec![unknown; 5], ..Case::answering(answer) }.run().await;
    assert_eq!(diary.last().unwrap(), "requeue");
    assert_eq!(published.len(), 0);
}

#[tokio::test]
async fn what_is_given_back_where_order_counts_takes_all_in_hand_with_it() {
    for (ordered, expected) in [(false, 2), (true, 1)] {
        let diary = Arc::new(Diary::default());
        let case = Case::answering(|| Ok(vec![Outgoing::new(&reply(&received()))]));
        let bus = Arc::new(Model {
            deliveries: Mutex::new([case.delivery(&diary), case.delivery(&diary)].into()),
            results: Mutex::new(vec![PublishError::Refused; 10].into()),
            diary: Arc::clone(&diary),
            state: watch::Sender::new(BusState::Ready),
        });
        let gate = Semaphore::new(0);
        gate.close();
        let mut settled = diary.settled.subscribe();
        run_until(bus, Arc::new(Answers { answer: case.answer, gate }), ordered, async move {
            settled.wait_for(|settled| *settled == expected).await.unwrap();
            // Whatever else would be given back is so by now.
            for _ in 0..100 {
                tokio::task::yield_now().await;
            }
        })
        .await;
        let lines = diary.lines.lock().unwrap().clone();
        assert_eq!(lines.iter().filter(|line| *line == "requeue").count(), expected as usize, "{lines:?}");
    }
}

#[tokio::test]
async fn while_the_bus_is_away_the_delivery_stays_in_hand() {
    let away = PublishError::Unavailable("away".to_owned());
    let answer = || Ok(vec![Outgoing::new(&reply(&received()))]);
    let (diary, _) = Case { results: vec![away; 60], ..Case::answering(answer) }.run().await;
    assert_eq!(diary.last().unwrap(), "ack");
    assert!(!diary.contains(&"requeue".to_owned()));
}

#[tokio::test]
async fn what_may_pass_waits_longer_each_time_and_then_is_dead() {
    let retry = || Case::failing(Disposition::Retry { after: None });
    let (diary, published) = retry().run().await;
    assert_eq!(diary[2..], ["publish delayed", "confirm delayed", "ack"]);
    let Destination::Delayed { queue, delay } = &published[1].destination else { panic!("{published:?}") };
    assert_eq!((queue, *delay), (&QueueName::received(), Duration::from_secs(3)));
    let headers = &published[1].properties.headers;
    assert_eq!((headers[ATTEMPT].as_str(), headers[ROUTING_KEY].as_str()), ("2", "message.received.b"));

    let (_, published) = Case { attempt: Some("2"), ..retry() }.run().await;
    assert!(matches!(published[1].destination, Destination::Delayed { delay, .. } if delay == Duration::from_secs(6)));

    let (_, published) = Case { attempt: Some("3"), ..retry() }.run().await;
    assert_eq!(published[1].destination, Destination::Dead);
    assert_eq!(published[1].properties.headers[REASON], "attempts_exhausted");
}

#[tokio::test]
async fn a_dead_letter_tells_where_it_came_from_and_why() {
    let (diary, published) = Case::failing(Disposition::DeadLetter).run().await;
    let told = ["publish message.send.b", "confirm message.send.b", "publish dead", "confirm dead", "ack"];
    assert_eq!(diary, told, "what the failure tells the others goes first");
    let headers = &published[1].properties.headers;
    assert_eq!(headers[QUEUE], "router.message.received");
    assert_eq!(headers[ROUTING_KEY], "message.received.b");
    assert_eq!(headers[REASON], "failed");
    assert_eq!(headers[ERROR], format!("outer: {}", std::fmt::Error));
    assert_eq!(headers[ATTEMPT], "1");
    assert_eq!(headers[DEAD_AT], "2026-03-01T09:30:15Z");
    assert_eq!(published[1].body, received().to_body());
}

#[tokio::test]
async fn what_nobody_needs_is_settled_and_told() {
    let (diary, _) = Case::failing(Disposition::Drop).run().await;
    assert_eq!(diary, ["publish message.send.b", "confirm message.send.b", "ack"]);
}

#[tokio::test]
async fn an_unreadable_body_is_dead_at_once() {
    let case = Case { body: Bytes::from_static(b"{"), ..Case::answering(|| Ok(Vec::new())) };
    let (_, published) = case.run().await;
    assert_eq!(published[0].properties.headers[REASON], "unreadable");
}

#[tokio::test]
async fn a_panic_is_tried_again_and_then_dead() {
    let panicking = || Case::answering(|| panic!("boom"));
    let (_, published) = panicking().run().await;
    assert!(matches!(published[0].destination, Destination::Delayed { .. }));
    let (_, published) = Case { attempt: Some("3"), ..panicking() }.run().await;
    assert_eq!(published[0].properties.headers[REASON], "panicked");
    assert_eq!(published[0].properties.headers[ERROR], "the handler panicked");
}

#[tokio::test]
async fn a_stop_finishes_what_is_in_hand_and_publishes_its_progress() {
    let diary = Arc::new(Diary::default());
    let case = Case::answering(|| Ok(Vec::new()));
    let bus = Arc::new(Model {
        deliveries: Mutex::new([case.delivery(&diary)].into()),
        results: Mutex::default(),
        diary: Arc::clone(&diary),
        state: watch::Sender::new(BusState::Ready),
    });
    let handler = Arc::new(Answers { answer: case.answer, gate: Semaphore::new(0) });
    let late = Arc::clone(&handler);
    let stop_before_the_answer = async move {
        // The delivery is in hand by now; it is answered only after the stop.
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
        late.gate.add_permits(1);
    };
    run_until(bus, handler, false, stop_before_the_answer).await;
    let lines = diary.lines.lock().unwrap().clone();
    assert!(lines.contains(&"ack".to_owned()) && lines.contains(&"confirm message.send.b".to_owned()), "{lines:?}");
}

struct Seen(Arc<Diary>);

impl Witness for Seen {
    async fn note(&self, delivery: &Delivery, context: &Context) {
        self.0.note(format!("note {} from {}", delivery.routing_key, context.queue));
    }
}

#[tokio::test]
async fn a_witness_sees_whatever_it_is_before_it_is_acknowledged() {
    let diary = Arc::new(Diary::default());
    let case = Case { body: Bytes::from_static(b"{"), ..Case::answering(|| Ok(Vec::new())) };
    let bus = Arc::new(Model {
        deliveries: Mutex::new([case.delivery(&diary)].into()),
        results: Mutex::default(),
        diary: Arc::clone(&diary),
        state: watch::Sender::new(BusState::Ready),
    });
    let retry = RetryPolicy { first: Duration::from_secs(4), longest: Duration::from_mins(1), attempts_max: None };
    let consumer =
        Consumer { queue: QueueName::received(), prefetch: 8, retry, ordered: false, share: None, drain: DRAIN };
    let environment = Environment { clock: Arc::new(Still), chance: Arc::new(Still) };
    let shutdown = CancellationToken::new();
    let (publisher, seen) = (Publisher::new(bus, "test"), Seen(Arc::clone(&diary)));
    let witnessing = witness(publisher, consumer, seen, environment, shutdown.clone(), |_| {});
    let mut settled = diary.settled.subscribe();
    let stop = async {
        settled.wait_for(|settled| *settled == 1).await.unwrap();
        shutdown.cancel();
    };
    tokio::time::timeout(Duration::from_secs(10), async { tokio::join!(witnessing, stop) }).await.unwrap();
    let lines = diary.lines.lock().unwrap().clone();
    assert_eq!(lines, ["note message.received.b from router.message.received", "ack"]);
}
