//! The journal on a real bus and a real database, both embedded.
#![expect(clippy::unwrap_used, reason = "in a test a panic is the report")]

use std::sync::Arc;
use std::time::{Duration, Instant};

use journal::balance::{Look, Prefetch, Queues, Since, judge, queues};
use messaging::{Bus, BusUrl, Consumer, Environment, Opened, Outgoing, Publisher, RetryPolicy, witness};
use protocol::topology::{Lane, QueueName, Topology};
use protocol::{
    BackendName, Envelope, EventId, Kind, MessageReceived, MessageRouted, MessageSend, MessageSent, Network,
    RoutedOutcome, SessionId, Timestamp,
};
use store::{Accounts, Settings, Sought, Standing};
use tempfile::TempDir;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

/// How many conversations there are, of four events each.
const CONVERSATIONS: usize = 1500;

/// The longest wait for what must come.
const DEADLINE: Duration = Duration::from_secs(60);

fn backend() -> BackendName {
    "b".parse().unwrap()
}

/// A text, its answer with the reason, and the word that it was sent.
fn conversation(number: usize) -> [Outgoing; 4] {
    let session_id: SessionId = format!("s{number}").parse().unwrap();
    let now = Timestamp::now();
    let text = MessageReceived {
        session_id: session_id.clone(),
        from: "+15555550177".parse().unwrap(),
        to: None,
        text: "hello".parse().unwrap(),
        network: Network::sms(),
    };
    let id = EventId::of_webhook(&backend(), &session_id, Kind::MessageReceived, "");
    let received = Envelope::of_webhook(id, backend(), session_id.clone(), now, text);
    let answer = MessageSend {
        to: "+15555550177".parse().unwrap(),
        text: "hello".parse().unwrap(),
        from: None,
        network: Network::sms(),
        application: None,
        expires_at: None,
    };
    let send = Envelope::caused_by(&received.head, 0, now, answer);
    let routed = MessageRouted {
        session_id: session_id.clone(),
        outcome: RoutedOutcome::Answered,
        application: Some("echo".to_owned()),
        replies: 1,
        asked: Vec::new(),
        attempts: 1,
    };
    let routed = Envelope::caused_by(&received.head, 0, now, routed);
    let data = MessageSent { message_id: send.head.id, session_id };
    let sent = Envelope::caused_by(&send.head, 0, now, data);
    [Outgoing::new(&received), Outgoing::new(&send), Outgoing::new(&routed), Outgoing::new(&sent)]
}

/// Runs the journal until it is asked to stop, and waits for its end.
struct Running {
    tasks: JoinSet<()>,
    shutdown: CancellationToken,
}

impl Running {
    fn start(bus: &Arc<dyn Bus>, database: &store::Opened) -> Self {
        let (events, dead, keeper) = journal::witnesses(database, Environment::system());
        let shutdown = CancellationToken::new();
        let mut tasks = JoinSet::new();
        tasks.spawn(keeper.run());
        let consumer = |queue| {
            let pause = Duration::from_secs(1);
            let retry = RetryPolicy { first: pause, longest: pause, attempts_max: None };
            Consumer { queue, prefetch: 512, retry, ordered: false, share: None, drain: DEADLINE }
        };
        let publisher = || Publisher::new(Arc::clone(bus), "journal");
        let environment = Environment::system;
        let records = [QueueName::journal(), QueueName::journal_dead()].map(consumer);
        let [of_events, of_dead] = records;
        tasks.spawn(witness(publisher(), of_events, events, environment(), shutdown.clone(), |_| {}));
        tasks.spawn(witness(publisher(), of_dead, dead, environment(), shutdown.clone(), |_| {}));
        Self { tasks, shutdown }
    }

    async fn stop(mut self) {
        self.shutdown.cancel();
        while let Some(ended) = self.tasks.join_next().await {
            ended.unwrap();
        }
    }
}

async fn look(bus: &Arc<dyn Bus>, accounts: &dyn Accounts) -> Look {
    let backends = [backend()];
    let counted = bus.depths(&queues(&backends)).await.unwrap();
    let counted = Queues::of(&backends, &counted);
    let since = Since { settled_before: Timestamp::now(), awaited_since: Timestamp::UNIX_EPOCH };
    Look::take(accounts, counted, since).await.unwrap()
}

/// Every event counts once, though each is published twice, in no order, and the journal is stopped in between. Nothing
/// takes texts and commands off their queues here, so what did not end waits there.
#[tokio::test(flavor = "multi_thread")]
async fn every_event_counts_once() {
    let folder = TempDir::new().unwrap();
    let url = BusUrl::Embedded(folder.path().join("bus"));
    let lane = Lane { backend: backend(), single_active_consumer: false };
    let Opened { bus, driver } = messaging::open(&url, Topology::new(&[lane])).unwrap();
    let mut driving = JoinSet::new();
    driving.spawn(driver);
    let database = format!("sqlite:{}", folder.path().join("ledger.db").display());
    let database = store::open_all(&database, Settings::default()).await.unwrap();
    let publisher = Publisher::new(Arc::clone(&bus), "test");

    let mut events: Vec<Outgoing> = (0..CONVERSATIONS).flat_map(conversation).collect();
    // One text has no answer, and one message no end.
    events.pop();
    events.extend_from_slice(&conversation(CONVERSATIONS)[..1]);
    let (first, second) = events.split_at(events.len() / 2);
    let running = Running::start(&bus, &database);
    publisher.publish_all(second).await.unwrap();
    running.stop().await;
    publisher.publish_all(first).await.unwrap();
    publisher.publish_all(second).await.unwrap();
    publisher.publish_all(first).await.unwrap();

    let running = Running::start(&bus, &database);
    let started = Instant::now();
    let last = loop {
        let look = look(&bus, &*database.accounts).await;
        if look.queues.behind() == 0 {
            break look;
        }
        assert!(started.elapsed() < DEADLINE, "the journal does not keep up: {:?}", look.queues.journal);
        tokio::time::sleep(Duration::from_millis(10)).await;
    };
    let count = CONVERSATIONS as u64;
    let account = last.account.get(&backend()).unwrap();
    assert_eq!((account.texts.begun, account.texts.count(Standing::Waiting)), (count + 1, 1));
    assert_eq!(account.texts.count(Standing::Answered), count);
    assert_eq!((account.messages.begun, account.messages.count(Standing::Sent)), (count, count - 1));
    assert_eq!(account.messages.count(Standing::Waiting), 1);
    for number in 0..CONVERSATIONS {
        let session = Sought::Session(format!("s{number}").parse().unwrap());
        let found = database.explanations.find(&session).await.unwrap();
        assert_eq!(found.len(), 1, "{session:?}: {found:?}");
    }
    assert_eq!(judge(&last, None, Prefetch { texts: 1, messages: 1, events: 1 }), []);
    running.stop().await;
    bus.close().await;
}
