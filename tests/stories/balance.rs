//! The account: it adds up after everything that tropomq does, and not when something is taken away.

use std::process::Output;

use messaging::{BusState, Environment, Opened, Outgoing, Publisher};
use protocol::topology::{self, Lane, QueueName, Topology};
use protocol::{BackendName, Envelope, EventId, Kind, MessageReceived, Network, SessionId};
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::stage::{Bus, NUMBER, OTHER_NUMBER, Setup, Stage, tropomq, until};

on_both_buses! {
    it_adds_up_after_conversations_and_restarts
    what_waits_is_not_lost
    a_stolen_text_is_found_and_named
    a_stolen_message_is_found_and_named
}

/// The service that keeps the account.
fn keeper(bus: Bus) -> &'static str {
    if bus == Bus::Embedded { "up" } else { "journal-0" }
}

async fn balance(stage: &mut Stage, bus: Bus, arguments: &[&str]) -> Output {
    let config = stage.service(keeper(bus)).config();
    tropomq(stage.home(), &[&["balance", "--config", config.to_str().unwrap()], arguments].concat()).await
}

/// The account comes to be as expected, and the command says that it adds up.
async fn assert_adds_up(stage: &mut Stage, bus: Bus, backend: &str, expected: &Value) {
    until(&format!("the account of {backend} is {expected}"), async || {
        let output = balance(stage, bus, &["--json", "--settle", "1s"]).await;
        let told: Value = serde_json::from_slice(&output.stdout).unwrap_or_default();
        let account = &told["account"][backend];
        let fits = |side: &str| {
            let mut counts = expected[side].as_object().unwrap().iter();
            counts.all(|(word, count)| account[side][word] == *count)
        };
        let is_well = fits("texts") && fits("messages") && output.status.code() == Some(0);
        if !is_well {
            eprintln!("{:?} {told} {}", output.status.code(), String::from_utf8_lossy(&output.stderr));
        }
        (is_well && told["verdict"] == "balanced").then_some(())
    })
    .await;
}

async fn it_adds_up_after_conversations_and_restarts(bus: Bus) {
    let setup = Setup::new(bus).with_console().with("backends.other.messaging_token", "another-token");
    let mut stage = setup.start().await;
    stage.tropo.turn(json!({ "bad_token": "401" })).await;
    for index in 0..3 {
        stage.phone(index).text("echo all is well").await;
        stage.phone(index).reply().await;
    }
    stage.phone(3).text_to(OTHER_NUMBER, "echo in vain").await;
    stage.settle_with_dead(1).await;
    let answered = json!({
        "texts": { "accepted": 3, "answered": 3, "ignored": 0, "dead": 0, "waiting": 0 },
        "messages": { "commanded": 3, "sent": 3, "failed": 0, "dead": 0, "waiting": 0, "released": 0 },
    });
    // Refused, and among the dead letters: that is one message, and it failed.
    let refused = json!({
        "texts": { "accepted": 1, "answered": 1, "waiting": 0 },
        "messages": { "commanded": 1, "sent": 0, "failed": 1, "dead": 0, "waiting": 0 },
    });
    assert_adds_up(&mut stage, bus, "story", &answered).await;
    assert_adds_up(&mut stage, bus, "other", &refused).await;

    stage.service(keeper(bus)).kill();
    stage.service(keeper(bus)).start();
    stage.service(keeper(bus)).ready().await;
    assert_adds_up(&mut stage, bus, "story", &answered).await;
    assert_adds_up(&mut stage, bus, "other", &refused).await;
    let words = balance(&mut stage, bus, &["--wait", "30s", "--settle", "1s", "--backend", "other"]).await;
    let told = String::from_utf8(words.stdout).unwrap();
    assert_eq!(words.status.code(), Some(0), "{told}");
    assert!(told.contains("1 accepted = 1 answered") && told.contains("1 failed"), "{told}");
    assert!(told.contains("It adds up.") && !told.contains("story"), "{told}");

    until("the account is told as metrics", async || {
        let metrics = stage.metrics_of(keeper(bus)).await;
        let labels = [("tropomq_backend", "story"), ("tropomq_state", "sent")];
        (metrics.sum("tropomq_account_messages", &labels) == 3).then_some(())
    })
    .await;
    let unknown = balance(&mut stage, bus, &["--backend", "never"]).await;
    assert_eq!(unknown.status.code(), Some(1), "{unknown:?}");
    stage.service(if bus == Bus::Embedded { "up" } else { "console-0" }).kill();
    let away = balance(&mut stage, bus, &["--wait", "1s"]).await;
    assert_eq!(away.status.code(), Some(69), "{away:?}");
}

async fn what_waits_is_not_lost(bus: Bus) {
    let mut stage = Setup::new(bus).with_console().start().await;
    stage.tropo.turn(json!({ "create_status": 503 })).await;
    stage.phone(0).text("echo patience").await;
    until("some attempts fail", async || {
        (3 <= stage.metrics().await.settled("egress.message.send.story", "retried")).then_some(())
    })
    .await;
    let waiting = json!({ "texts": { "answered": 1 }, "messages": { "commanded": 1, "waiting": 1 } });
    assert_adds_up(&mut stage, bus, "story", &waiting).await;
    stage.tropo.behave().await;
    stage.phone(0).reply().await;
    let sent = json!({ "texts": { "answered": 1 }, "messages": { "commanded": 1, "sent": 1, "waiting": 0 } });
    assert_adds_up(&mut stage, bus, "story", &sent).await;
}

/// The bus of a stage, for somebody who is none of its services.
struct Thief {
    bus: std::sync::Arc<dyn messaging::Bus>,
    driver: JoinSet<()>,
}

impl Thief {
    async fn enter(stage: &Stage, bus: Bus) -> Self {
        let url = match bus {
            Bus::Embedded => format!("embedded:{}", stage.home().join("bus").display()),
            Bus::RabbitMq => stage.vhost().url().to_owned(),
        };
        let lanes =
            ["story", "other"].map(|name| Lane { backend: name.parse().unwrap(), single_active_consumer: false });
        let Opened { bus, driver } = messaging::open(&url.parse().unwrap(), Topology::new(&lanes)).unwrap();
        let mut tasks = JoinSet::new();
        tasks.spawn(driver);
        bus.state().wait_for(|state| *state == BusState::Ready).await.unwrap();
        Self { bus, driver: tasks }
    }

    /// Takes the next message of a queue away, and returns its id.
    async fn steal(&self, queue: &QueueName) -> EventId {
        let mut subscription = until("the thief is subscribed", async || self.bus.subscribe(queue, 1).await.ok()).await;
        let stolen = subscription.next().await.unwrap();
        let id = stolen.properties.message_id.clone().unwrap().parse().unwrap();
        stolen.settler.ack().await;
        // It is answered behind the acknowledgement: without that, a connection that ends now may give the message back.
        subscription.cancel().await;
        id
    }

    async fn leave(mut self) {
        self.bus.close().await;
        while self.driver.join_next().await.is_some() {}
    }
}

/// The command ends 1 and names what was stolen, and its conversation.
async fn assert_found(stage: &mut Stage, bus: Bus, stolen: EventId, session: &str) {
    until("the theft is found", async || {
        let output = balance(stage, bus, &["--settle", "1s"]).await;
        let told = String::from_utf8(output.stdout).unwrap();
        eprintln!("{told}{}", String::from_utf8_lossy(&output.stderr));
        let is_named = told.contains(&stolen.to_string()) && told.contains(session);
        // Until the journal has seen it, and it is old enough to be missed, there is nothing to find.
        (output.status.code() == Some(1) && is_named && told.contains("It does not add up.")).then_some(())
    })
    .await;
}

async fn a_stolen_text_is_found_and_named(bus: Bus) {
    let mut stage = Setup::new(bus).with_console().start().await;
    stage.phone(0).text("echo undisturbed").await;
    stage.phone(0).reply().await;
    stage.settle().await;
    // Whoever would handle the text is away while it is stolen.
    let handler = if bus == Bus::Embedded { "up" } else { "router-0" };
    assert!(stage.service(handler).terminate().await.success());
    let thief = Thief::enter(&stage, bus).await;
    let (backend, session): (BackendName, SessionId) = ("story".parse().unwrap(), "stolen-session".parse().unwrap());
    let data = MessageReceived {
        session_id: session.clone(),
        from: "+15555569999".parse().unwrap(),
        to: Some(NUMBER.parse().unwrap()),
        text: "echo stolen".parse().unwrap(),
        network: Network::sms(),
    };
    let id = EventId::of_webhook(&backend, &session, Kind::MessageReceived, "");
    let queue = QueueName::shard(&topology::shard(&backend, &data.from));
    let text = Envelope::of_webhook(id, backend, session, Environment::system().now(), data);
    Publisher::new(thief.bus.clone(), "ingress").publish(&Outgoing::new(&text)).await.unwrap();
    assert_eq!(thief.steal(&queue).await, id);
    thief.leave().await;
    stage.service(handler).start();
    stage.service(handler).ready().await;
    assert_found(&mut stage, bus, id, "stolen-session").await;
    let other = balance(&mut stage, bus, &["--settle", "1s", "--backend", "other"]).await;
    assert_eq!(other.status.code(), Some(0), "nothing of the other backend's is missing: {other:?}");
}

async fn a_stolen_message_is_found_and_named(bus: Bus) {
    let mut stage = Setup::new(bus).with_console().simulator_apart().start().await;
    stage.tropo.turn(json!({ "create_status": 503 })).await;
    let session = stage.phone(0).text("echo never to be").await;
    until("an attempt fails", async || {
        (1 <= stage.metrics().await.settled("egress.message.send.story", "retried")).then_some(())
    })
    .await;
    let handler = if bus == Bus::Embedded { "up" } else { "egress-0" };
    assert!(stage.service(handler).terminate().await.success());
    let thief = Thief::enter(&stage, bus).await;
    let stolen = thief.steal(&QueueName::lane(&"story".parse().unwrap())).await;
    thief.leave().await;
    stage.tropo.behave().await;
    stage.service(handler).start();
    stage.service(handler).ready().await;
    assert_found(&mut stage, bus, stolen, &session).await;
}
