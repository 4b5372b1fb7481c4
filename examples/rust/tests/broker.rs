//! The example on a real RabbitMQ: what it takes, and what it has sent.

#![expect(clippy::unwrap_used, clippy::panic, reason = "in a test a panic is the report")]

use std::collections::BTreeMap;
use std::process::{Child, Command};
use std::time::Duration;

use messaging::{BusState, Destination, Message, Opened, Outgoing, Properties, Publisher, Subscription};
use protocol::topology::{Lane, QueueName, Topology};
use protocol::{BackendName, Envelope, EventId, Kind, MessageOffered, MessageSend, Network};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The longest wait for what must come.
const DEADLINE: Duration = Duration::from_secs(30);

/// The example, running.
struct Application(Child);

impl Application {
    fn start(url: &str) -> Self {
        let mut command = Command::new(env!("CARGO_BIN_EXE_amqp-application"));
        Self(command.arg("weather").env("AMQP_URL", url).spawn().unwrap())
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        // It fails where it has ended by itself, and then the test tells.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

fn offered(backend: &BackendName) -> Envelope<MessageOffered> {
    let session_id: protocol::SessionId = "9f0c4be1a27d4d7f8a53e6b1c0d92e44".parse().unwrap();
    let text = EventId::of_webhook(backend, &session_id, Kind::MessageReceived, "");
    let data = MessageOffered {
        application: "weather".to_owned(),
        session_id: session_id.clone(),
        from: "+15555550177".parse().unwrap(),
        to: None,
        text: "Größe 大?".parse().unwrap(),
        network: Network::sms(),
        notes: BTreeMap::new(),
    };
    let at = protocol::Timestamp::UNIX_EPOCH;
    let mut offered = Envelope::of_webhook(text.derive(Kind::MessageOffered, 0), backend.clone(), session_id, at, data);
    offered.head.causation_id = Some(text);
    offered
}

async fn next(commands: &mut dyn Subscription) -> Envelope<MessageSend> {
    let delivery = timeout(DEADLINE, commands.next()).await.unwrap_or_else(|_| panic!("no command came")).unwrap();
    let command = Envelope::from_body(&delivery.body).unwrap();
    delivery.settler.ack().await;
    command
}

#[tokio::test]
async fn each_text_is_answered_with_the_command_that_it_always_causes() {
    let vhost = testkit::vhost().unwrap();
    let backend: BackendName = "b".parse().unwrap();
    let lanes = [Lane { backend: backend.clone(), single_active_consumer: false }];
    let topology = Topology::new(&lanes).with_applications(&["weather".parse().unwrap()]);
    let Opened { bus, driver } = messaging::open(&vhost.url().parse().unwrap(), topology).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(driver);
    timeout(DEADLINE, bus.state().wait_for(|state| *state == BusState::Ready)).await.unwrap().unwrap();
    let text = offered(&backend);
    let outgoing = Outgoing::new(&text);
    let publisher = Publisher::new(bus.clone(), "router");
    let destination = Destination::Topic { routing_key: text.routing_key() };
    bus.publish(Message { destination, properties: Properties::default(), body: "{".into() }).await.unwrap();
    publisher.publish(&outgoing).await.unwrap();

    let mut commands = bus.subscribe(&QueueName::lane(&backend), 10).await.unwrap();
    let once = {
        let _application = Application::start(vhost.url());
        next(&mut *commands).await
    };
    assert_eq!(once.head.id, text.head.id.derive(Kind::MessageSend, 0));
    assert_eq!((&once.head.backend, &once.head.correlation_id), (&backend, &text.head.correlation_id));
    assert_eq!(once.head.causation_id, text.head.causation_id);
    assert_eq!((&once.data.to, once.data.text.as_str()), (&text.data.from, "You texted: Größe 大?"));

    publisher.publish(&outgoing).await.unwrap();
    let _application = Application::start(vhost.url());
    let again = next(&mut *commands).await;
    assert_eq!((again.head.id, again.data), (once.head.id, once.data));
    // What it could not read is kept, with the reason of the broker.
    let mut dead = bus.subscribe(&QueueName::dead(), 1).await.unwrap();
    timeout(DEADLINE, dead.next()).await.unwrap().unwrap().settler.ack().await;
    // Before the virtual host goes.
    drop((commands, dead));
    bus.close().await;
}
