//! A bus that goes away, and a spool before it.

use std::sync::Arc;
use std::time::Duration;

use messaging::{
    BoxFuture, Bus, BusState, BusUrl, DepthError, Depths, Environment, Message, PublishError, SubscribeError,
    Subscription, spool,
};
use protocol::topology::{QueueName, Topology};
use protocol::{Kind, ResultHandler};
use reqwest::StatusCode;
use tempfile::TempDir;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use tropo::ticket::Receipt;

use crate::stage::{Stage, later, text};

const DEADLINE: Duration = Duration::from_secs(20);

/// A real bus that is away until it is let back.
#[derive(Debug)]
struct Gate {
    bus: Arc<dyn Bus>,
    state: watch::Sender<BusState>,
}

impl Bus for Gate {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>> {
        if *self.state.borrow() == BusState::Ready {
            return self.bus.publish(message);
        }
        Box::pin(async { Err(PublishError::Unavailable("away".to_owned())) })
    }

    fn subscribe<'a>(
        &'a self,
        queue: &'a QueueName,
        prefetch: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, SubscribeError>> {
        self.bus.subscribe(queue, prefetch)
    }

    fn depths<'a>(&'a self, queues: &'a [QueueName]) -> BoxFuture<'a, Result<Depths, DepthError>> {
        self.bus.depths(queues)
    }

    fn state(&self) -> watch::Receiver<BusState> {
        self.state.subscribe()
    }

    fn system(&self) -> &'static str {
        self.bus.system()
    }

    fn close(&self) -> BoxFuture<'_, ()> {
        self.bus.close()
    }
}

/// Ingress before a bus that is away, with a spool of so many bytes.
async fn stage(bytes_max: usize) -> (Stage, Arc<Gate>) {
    let directory = TempDir::new().unwrap();
    let url = BusUrl::Embedded(directory.path().join("bus"));
    let opened = messaging::open(&url, Topology::new(&[])).unwrap();
    let gate = Arc::new(Gate { bus: opened.bus, state: watch::Sender::new(BusState::Away("away".to_owned())) });
    let config = ingress::Spool {
        path: directory.path().join("spool"),
        bytes_max,
        age_max: Duration::from_secs(3600),
        confirm_timeout: Duration::from_millis(500),
    };
    let bus: Arc<dyn Bus> = Arc::clone(&gate) as Arc<dyn Bus>;
    let opened = spool::open(&config.settings(), bus, Environment::system(), CancellationToken::new()).unwrap();
    (Stage::with_driver(opened.spool, opened.driver, directory).await, gate)
}

#[tokio::test]
async fn while_the_bus_is_away_webhooks_of_every_kind_are_kept_for_it() {
    let (stage, gate) = stage(1 << 20).await;
    for n in 0..20 {
        assert_eq!(stage.post("/tropo/open", text(&format!("s{n}"))).await.status(), StatusCode::OK);
    }
    let ticket = stage.ticket(later());
    let receipt = Receipt {
        message_id: ticket.message_id,
        backend: ticket.backend,
        correlation_id: ticket.correlation_id,
        handler: ResultHandler::Continue,
        trace: None,
        expires_at: ticket.expires_at,
    };
    let result = format!("/tropo/open?receipt={}", stage.keyring.seal(&receipt));
    let foreign = r#"{"session":{"id":"foreign","userType":"NONE","parameters":{"program":"x"}}}"#;
    let others = [
        (result.as_str(), r#"{"result":{"sessionId":"session-b","state":"ANSWERED"}}"#),
        ("/tropo/open", r#"{"sessionId":"session-b","status":"accepted"}"#),
        ("/tropo/open", foreign),
    ];
    for (path, body) in others {
        assert_eq!(stage.post(path, body).await.status(), StatusCode::OK, "{body}");
    }
    assert_eq!(stage.events(&QueueName::journal()).await.len(), 0);

    gate.state.send_replace(BusState::Ready);
    assert_eq!(stage.post("/tropo/open", text("after")).await.status(), StatusCode::OK);
    let expected: Vec<_> = (0..20).map(|n| format!("s{n}")).chain(["after".to_owned()]).collect();
    check_received(&stage, &expected).await;
    let (event, delivery) = &stage.texts("open").await[0];
    assert_eq!(delivery.properties.message_id, Some(event.head.id.to_string()));
    assert_eq!(delivery.properties.message_type.as_deref(), Some("message.received.v1"));
    assert_eq!(delivery.properties.app_id.as_deref(), Some("ingress"));
    assert_eq!(delivery.routing_key, "message.received.open.02");
    let (result, _) = stage.events(&QueueName::results()).await.pop().unwrap();
    assert_eq!(result.head.event_type.kind, Kind::SessionResult);
    assert_eq!(stage.events(&QueueName::reports()).await.len(), 1);
}

#[tokio::test]
async fn a_full_spool_is_a_refusal_that_says_so_until_the_bus_is_back() {
    let (stage, gate) = stage(2048).await;
    let mut kept = 0;
    let words = loop {
        let answer = stage.post("/tropo/open", text(&format!("s{kept}"))).await;
        match answer.status() {
            StatusCode::OK => kept += 1,
            StatusCode::SERVICE_UNAVAILABLE => break answer.text().await.unwrap(),
            other => panic!("{other}"),
        }
    };
    assert!(words.contains("nothing was kept"), "{words}");
    assert!(0 < kept);
    gate.state.send_replace(BusState::Ready);
    let mut expected: Vec<_> = (0..kept).map(|n| format!("s{n}")).collect();
    check_received(&stage, &expected).await;
    assert_eq!(stage.post("/tropo/open", text("after")).await.status(), StatusCode::OK);
    expected.push("after".to_owned());
    check_received(&stage, &expected).await;
}

/// Waits for so many texts on the bus; they are those of these sessions, in this order.
async fn check_received(stage: &Stage, expected: &[String]) {
    let sessions = tokio::time::timeout(DEADLINE, async {
        loop {
            let received = stage.texts("open").await;
            if expected.len() <= received.len() {
                let session = |delivery: messaging::Delivery| delivery.properties.correlation_id.unwrap();
                let mut sessions: Vec<_> = received.into_iter().map(|(_, delivery)| session(delivery)).collect();
                // What was not confirmed in time came by the spool as well.
                sessions.dedup();
                return sessions;
            }
        }
    });
    assert_eq!(sessions.await.unwrap(), expected);
}
