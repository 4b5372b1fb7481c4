//! What becomes of a release whose result does not come.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use axum::http::StatusCode;
use egress::OnUnconfirmed::{self, Hold, Resend};
use messaging::{
    BoxFuture, Bus, BusState, Clock, DepthError, Depths, Destination, Environment, Message, PublishError, Publisher,
    SubscribeError, Subscription,
};
use protocol::topology::QueueName;
use protocol::{
    Envelope, Event, EventId, Kind, MessageReleased, MessageSend, MessageSent, MessageUnconfirmed, ResultHandler,
    SessionResult, Timestamp,
};
use store::{Outcome, Record};
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::stage::{HANGUP, Reply, Stage, backend, call_back, only, post, session};

/// A clock that goes as the machine's, and waits for nothing: it counts the waits instead.
#[derive(Debug, Default)]
struct Hasty {
    waits: AtomicU64,
}

impl Clock for Hasty {
    fn now(&self) -> Timestamp {
        Environment::system().now()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        self.waits.fetch_add(1, Ordering::Relaxed);
        Box::pin(tokio::time::sleep(Duration::from_millis(2)))
    }
}

/// A bus that keeps what is published, and fails as it is told.
#[derive(Debug)]
struct Kept {
    messages: Mutex<Vec<Message>>,
    /// How the next publications end; well, where there is nothing.
    faults: Mutex<Vec<Option<Fault>>>,
    state: watch::Sender<BusState>,
}

/// How a publication fails.
#[derive(Clone, Copy, Debug)]
enum Fault {
    /// It is not on the bus.
    Absent,
    /// It is on the bus, and nobody learns it.
    Unknown,
}

impl Bus for Kept {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>> {
        let fault = self.faults.lock().unwrap().pop().flatten();
        let result = match fault {
            Some(Fault::Absent) => return Box::pin(async { Err(PublishError::Unavailable("a test".to_owned())) }),
            Some(Fault::Unknown) => Err(PublishError::Unknown("a test".to_owned())),
            None => Ok(()),
        };
        self.messages.lock().unwrap().push(message);
        Box::pin(async { result })
    }

    fn subscribe<'a>(
        &'a self,
        queue: &'a QueueName,
        _: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, SubscribeError>> {
        Box::pin(async { Err(SubscribeError { queue: queue.clone(), reason: "a test".to_owned() }) })
    }

    fn depths<'a>(&'a self, _: &'a [QueueName]) -> BoxFuture<'a, Result<Depths, DepthError>> {
        Box::pin(async { Ok(Depths::new()) })
    }

    fn state(&self) -> watch::Receiver<BusState> {
        self.state.subscribe()
    }

    fn system(&self) -> &'static str {
        "test"
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// Egress with its sweep.
struct Swept {
    stage: Stage,
    clock: Arc<Hasty>,
    bus: Arc<Kept>,
}

impl Swept {
    async fn new(on_unconfirmed: OnUnconfirmed) -> Self {
        let clock = Arc::new(Hasty::default());
        let environment = Environment { clock: clock.clone(), ..Environment::system() };
        let change = |backend: &mut egress::Backend| backend.on_unconfirmed = on_unconfirmed;
        let stage = Stage::built(Reply::created(), Duration::from_secs(20), change, environment).await;
        let (state, _) = watch::channel(BusState::Ready);
        let bus = Arc::new(Kept { messages: Mutex::default(), faults: Mutex::default(), state });
        Self { stage, clock, bus }
    }

    /// Has a session call back for the command; what it is answered.
    async fn ask(&self, session: &str, command: &Envelope<MessageSend>) -> String {
        let mut ticket = self.stage.ticket(command);
        ticket.worth_until = command.data.expires_at;
        let body = call_back(session, &self.stage.keyring.seal(&ticket));
        let (status, document) = post(&self.stage, "my-backend", body).await;
        assert_eq!(status, StatusCode::OK);
        document
    }

    /// Runs the sweeps of so many replicas, until each has looked often enough to have done all that it would do.
    async fn sweep_with(&self, replicas: usize) {
        let before = self.clock.waits.load(Ordering::Relaxed);
        let shutdown = CancellationToken::new();
        let sweeps = (0..replicas).map(|_| {
            let publisher = Publisher::new(self.bus.clone(), "egress");
            self.stage.egress.clone().sweep(publisher, shutdown.clone())
        });
        let watch = async {
            let started = Instant::now();
            let enough = before + 10 * u64::try_from(replicas).unwrap();
            while self.clock.waits.load(Ordering::Relaxed) < enough {
                assert!(started.elapsed() < Duration::from_secs(30), "the sweep does not come round");
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            shutdown.cancel();
        };
        tokio::join!(futures::future::join_all(sweeps), watch);
    }

    async fn sweep(&self) {
        self.sweep_with(1).await;
    }

    /// What was published of a kind.
    fn published<T: Event>(&self) -> Vec<Envelope<T>> {
        let messages = self.bus.messages.lock().unwrap();
        let prefix = format!("{}.", T::KIND);
        let of_kind = messages.iter().filter(
            |message| matches!(&message.destination, Destination::Topic { routing_key } if routing_key.starts_with(&prefix)),
        );
        of_kind.map(|message| Envelope::from_body(&message.body).unwrap()).collect()
    }

    async fn record(&self, command: &Envelope<MessageSend>) -> Option<Record> {
        self.stage.ledger.look_up(command.head.id).await.unwrap()
    }

    async fn result_of(&self, holder: &str) -> Vec<messaging::Outgoing> {
        let data = SessionResult {
            message_id: self.stage.command().head.id,
            session_id: session(holder),
            handler: ResultHandler::Continue,
            state: None,
            error: None,
        };
        let id = EventId::of_webhook(&backend(), &session(holder), Kind::SessionResult, "continue");
        let event = Envelope::of_webhook(id, backend(), session("session-a"), self.stage.environment.now(), data);
        self.stage.handle(&self.stage.egress.results(), event).await.0.unwrap()
    }
}

/// The command as it is while it is worth sending.
fn command(swept: &Swept) -> Envelope<MessageSend> {
    let mut command = swept.stage.command();
    command.data.expires_at = Some(swept.stage.environment.now().saturating_add(Duration::from_hours(1)).unwrap());
    command
}

#[tokio::test]
async fn what_is_held_is_told_once_and_goes_to_no_other_session() {
    let swept = Swept::new(Hold).await;
    let command = command(&swept);
    assert!(swept.ask("session-b", &command).await.contains("Balance"));
    swept.sweep().await;
    let told = swept.published::<MessageUnconfirmed>();
    assert_eq!(told.len(), 1);
    assert_eq!(told[0].data.session_id, session("session-b"));
    assert_eq!(swept.published::<MessageSend>().len(), 0);
    let Some(Record::Released(held)) = swept.record(&command).await else { panic!("not held") };
    assert_eq!(held.outcome, Some(Outcome::Unconfirmed));
    assert_eq!(swept.ask("session-c", &command).await, HANGUP);
    // The result may still come.
    assert_eq!(only::<MessageSent>(&swept.result_of("session-b").await).data.session_id, session("session-b"));
}

#[tokio::test]
async fn what_is_resent_goes_to_the_next_session_with_events_of_its_own() {
    let swept = Swept::new(Resend).await;
    let mut first = command(&swept);
    first.head.correlation_id = None;
    assert!(swept.ask("session-b", &first).await.contains("Balance"));
    swept.sweep().await;
    let resent = swept.published::<MessageSend>();
    assert_eq!(resent.len(), 1, "once: it is on the bus, however long it waits there");
    let again = &resent[0];
    assert_eq!((again.head.id, &again.data), (first.head.id, &first.data), "the same message");
    assert_eq!(again.head.correlation_id, Some(session("session-b")), "in the conversation of its first session");

    // The second life, through the lane.
    let (routes, runtime) = (swept.stage.egress.callbacks(), tokio::runtime::Handle::current());
    swept.stage.before_reply(move |ticket| {
        let posted = crate::stage::post_to(routes.clone(), "my-backend", call_back("session-c", &ticket));
        assert!(runtime.block_on(posted).1.contains("Balance"));
    });
    let (released, _) = swept.stage.handle(&swept.stage.lane(), again.clone()).await;
    let released = only::<MessageReleased>(&released.unwrap());
    assert_eq!(released.data.session_id, session("session-c"));
    assert_ne!(released.head.id, first.head.id.derive(Kind::MessageReleased, 0), "another release, another event");
    assert_eq!(swept.ask("session-b", &first).await, HANGUP, "the first session has it no more");
    assert_eq!(swept.result_of("session-b").await.len(), 0, "nor has it a say");

    swept.sweep().await;
    let told = swept.published::<MessageUnconfirmed>();
    assert_eq!(told.len(), 2);
    assert_ne!(told[0].head.id, told[1].head.id);
    assert_eq!(told[1].data.session_id, session("session-c"));
    assert_eq!(told[1].head.correlation_id, Some(session("session-b")));
}

#[tokio::test]
async fn a_message_is_resent_a_few_times_and_then_held() {
    let swept = Swept::new(Resend).await;
    let command = command(&swept);
    for holder in ["session-1", "session-2", "session-3", "session-4"] {
        assert!(swept.ask(holder, &command).await.contains("Balance"), "{holder}");
        swept.sweep().await;
    }
    assert_eq!(swept.published::<MessageUnconfirmed>().len(), 4);
    assert_eq!(swept.published::<MessageSend>().len(), 3);
    assert_eq!(swept.ask("session-5", &command).await, HANGUP);
    let Some(Record::Released(held)) = swept.record(&command).await else { panic!("not held") };
    assert_eq!((held.session_id, held.outcome), (session("session-4"), Some(Outcome::Unconfirmed)));
}

#[tokio::test]
async fn what_is_not_worth_sending_any_more_is_not_resent() {
    let swept = Swept::new(Resend).await;
    let mut command = command(&swept);
    command.data.expires_at = Some(swept.stage.environment.now());
    swept.ask("session-b", &command).await;
    swept.sweep().await;
    assert_eq!(swept.published::<MessageUnconfirmed>().len(), 1);
    assert_eq!(swept.published::<MessageSend>().len(), 0);
    assert_eq!(swept.ask("session-c", &command).await, HANGUP);
}

#[tokio::test]
async fn a_late_result_of_the_first_session_closes_what_was_opened() {
    let swept = Swept::new(Resend).await;
    let command = command(&swept);
    swept.ask("session-b", &command).await;
    swept.sweep().await;
    assert_eq!(swept.record(&command).await, Some(Record::Open));
    assert_eq!(only::<MessageSent>(&swept.result_of("session-b").await).data.session_id, session("session-b"));
    assert_eq!(swept.ask("session-c", &command).await, HANGUP, "the phone has it");
    // The copy on the bus finds it released.
    let again = swept.published::<MessageSend>().remove(0);
    let (released, _) = swept.stage.handle(&swept.stage.lane(), again).await;
    assert_eq!(only::<MessageReleased>(&released.unwrap()).data.session_id, session("session-b"));
    assert_eq!(swept.stage.tropo.tickets.lock().unwrap().len(), 0, "no session was created for it");
}

/// However a publication fails, the sweep comes to the same end, and what it published twice has the same id.
#[tokio::test]
async fn a_sweep_that_was_broken_off_is_finished_by_the_next() {
    for (on_unconfirmed, publications) in [(Hold, 1), (Resend, 2)] {
        for fault in [Fault::Absent, Fault::Unknown] {
            for broken in 0..publications {
                let swept = Swept::new(on_unconfirmed).await;
                let command = command(&swept);
                swept.ask("session-b", &command).await;
                let mut faults = vec![Some(fault)];
                faults.extend(std::iter::repeat_n(None, broken));
                *swept.bus.faults.lock().unwrap() = faults;
                swept.sweep().await;
                let case = format!("{on_unconfirmed:?}, publication {broken} was {fault:?}");
                let mut told: Vec<_> =
                    swept.published::<MessageUnconfirmed>().iter().map(|told| told.head.id).collect();
                told.dedup();
                assert_eq!(told.len(), 1, "{case}");
                let mut resent: Vec<_> = swept.published::<MessageSend>().iter().map(|again| again.head.id).collect();
                resent.dedup();
                let expected = if on_unconfirmed == Resend { vec![command.head.id] } else { vec![] };
                assert_eq!(resent, expected, "{case}");
                let is_open = swept.record(&command).await == Some(Record::Open);
                assert_eq!(is_open, on_unconfirmed == Resend, "{case}");
                let count = swept.published::<MessageSend>().len();
                swept.sweep().await;
                assert_eq!(swept.published::<MessageSend>().len(), count, "{case}: nothing is left to do");
            }
        }
    }
}

#[tokio::test]
async fn what_was_opened_before_a_crash_is_commanded_by_the_next_sweep() {
    let swept = Swept::new(Resend).await;
    let command = command(&swept);
    swept.ask("session-b", &command).await;
    let held = swept.stage.ledger.find(&[command.head.id]).await.unwrap().remove(0);
    assert!(swept.stage.ledger.reopen(&held, swept.stage.environment.now()).await.unwrap());
    swept.sweep().await;
    assert_eq!(swept.published::<MessageSend>().len(), 1);
    assert_eq!(swept.published::<MessageUnconfirmed>().len(), 0, "it was told before it was opened");
    assert!(swept.ask("session-c", &command).await.contains("Balance"));
}

#[tokio::test]
async fn replicas_that_sweep_at_once_publish_nothing_but_duplicates() {
    for _ in 0..10 {
        let swept = Swept::new(Resend).await;
        let command = command(&swept);
        swept.ask("session-b", &command).await;
        swept.sweep_with(3).await;
        let told = swept.published::<MessageUnconfirmed>();
        assert!(told.iter().all(|event| event.head.id == told[0].head.id), "{told:?}");
        let resent = swept.published::<MessageSend>();
        assert!(!resent.is_empty());
        assert!(resent.iter().all(|event| event.head.id == command.head.id), "{resent:?}");
        let (first, second) = tokio::join!(swept.ask("session-c", &command), swept.ask("session-d", &command));
        assert_eq!([first, second].iter().filter(|document| *document == HANGUP).count(), 1);
    }
}
