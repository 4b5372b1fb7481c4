//! An application on the bus, in a process of its own: the example in Python, as its page says to start it.

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::Arc;

use messaging::{Destination, Message, Opened};
use protocol::topology::{QueueName, Topology};
use tokio::task::JoinSet;

use crate::stage::{Bus, Setup, Stage, until};

#[tokio::test]
async fn a_text_waits_for_its_application_and_is_answered_once_however_often_it_comes() {
    let setup = Setup::new(Bus::RabbitMq).with("router.applications", vec!["weather", "default"]);
    let stage = setup.with("router.amqp.weather.phase", "handle").start().await;
    let phone = stage.phone(0);
    {
        let _application = Application::start(&stage);
        phone.text("sunny?").await;
        assert_eq!(phone.reply().await.text, "You texted: sunny?");
    }
    phone.text("Größe 大?").await;
    offer_again(&stage, 3).await;
    let _application = Application::start(&stage);
    phone.received(2).await;
    stage.settle().await;
    phone.assert_has(&["You texted: sunny?", "You texted: Größe 大?"]).await;
}

#[tokio::test]
async fn what_it_cannot_read_is_a_dead_letter_and_holds_nothing_up() {
    let setup = Setup::new(Bus::RabbitMq).with("router.applications", vec!["weather"]);
    let stage = setup.with("router.amqp.weather.phase", "default").start().await;
    let _application = Application::start(&stage);
    let opened = open(&stage);
    let destination = Destination::Topic { routing_key: "message.offered.story.weather".to_owned() };
    let unreadable = Message { destination, properties: messaging::Properties::default(), body: r#"{"id": 7}"#.into() };
    until("it is published", async || opened.bus.publish(unreadable.clone()).await.ok()).await;
    stage.phone(0).text("sunny?").await;
    stage.phone(0).reply().await;
    stage.settle_with_dead(1).await;
}

/// A bus of the test's own.
struct Own {
    bus: Arc<dyn messaging::Bus>,
    _driver: JoinSet<()>,
}

fn open(stage: &Stage) -> Own {
    let topology = Topology::new(&[]).with_applications(&["weather".parse().unwrap()]);
    let Opened { bus, driver } = messaging::open(&stage.vhost().url().parse().unwrap(), topology).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(driver);
    Own { bus, _driver: tasks }
}

/// Puts the next text of the application on its queue so many times more.
async fn offer_again(stage: &Stage, times: usize) {
    let own = open(stage);
    let queue = QueueName::application(&"weather".parse().unwrap());
    let mut texts = until("a subscription", async || own.bus.subscribe(&queue, 1).await.ok()).await;
    let text = texts.next().await.unwrap();
    let destination = Destination::Topic { routing_key: text.routing_key.clone() };
    let copy = Message { destination, properties: text.properties.clone(), body: text.body.clone() };
    for _ in 0..times {
        until("a copy is published", async || own.bus.publish(copy.clone()).await.ok()).await;
    }
    text.settler.requeue().await;
    drop(texts);
    own.bus.close().await;
}

/// The example, running.
struct Application(Child);

impl Application {
    fn start(stage: &Stage) -> Self {
        let target = Path::new(env!("CARGO_TARGET_TMPDIR")).parent().unwrap();
        let python: PathBuf = target.join("interop/python/bin/python");
        let example = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../examples/python/application.py");
        let mut command = Command::new(&python);
        command.arg(example).arg("weather").env("AMQP_URL", stage.vhost().url()).stdin(Stdio::null());
        let spawned = command.spawn();
        Self(
            spawned
                .unwrap_or_else(|error| panic!("{}: {error}; run `make clients`, which installs it", python.display())),
        )
    }
}

impl Drop for Application {
    fn drop(&mut self) {
        // It fails where it has ended by itself, and then the story tells.
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}
