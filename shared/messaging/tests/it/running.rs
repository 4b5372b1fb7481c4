//! A bus that runs, as the contracts use it.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use messaging::{
    Bus, BusState, BusUrl, Delivery, Destination, Message, Opened, Properties, PublishError, Subscription,
};
use protocol::topology::{Pattern, Queue, QueueName, Topology};
use tokio::task::JoinSet;
use tokio::time::timeout;

/// The longest wait for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(30);
/// How long to look out for what must not come.
const LOOKOUT: Duration = Duration::from_millis(300);

/// Where a bus is kept, on its own: it goes when this is dropped.
pub(crate) trait Place {
    /// A place with nothing on it.
    fn fresh() -> Self;

    /// Its URL.
    fn url(&self) -> BusUrl;

    /// Has the bus refuse, from some message on, what is published with this routing key. `None` where a bus refuses
    /// nothing; else the name of the queue that is full then.
    async fn refuse(&self, routing_key: &str) -> Option<QueueName>;
}

/// What `future` gives.
#[track_caller]
pub(crate) fn within<T>(what: &str, future: impl Future<Output = T>) -> impl Future<Output = T> {
    let caller = std::panic::Location::caller();
    async move { timeout(DEADLINE, future).await.unwrap_or_else(|_| panic!("waited in vain at {caller}: {what}")) }
}

/// A bus with its driver.
pub(crate) struct Running {
    pub(crate) bus: Arc<dyn Bus>,
    driver: JoinSet<()>,
}

impl Running {
    /// Opens a bus, and waits until it is ready.
    pub(crate) async fn open(url: &BusUrl, queues: &[Queue]) -> Self {
        let topology = Topology { queues: queues.to_vec() };
        // A directory is in use until what crashed before has let go of it, and nothing tells when that is.
        let opened = within("the bus opens", async {
            loop {
                match messaging::open(url, topology.clone()) {
                    Ok(opened) => return opened,
                    Err(_) => tokio::time::sleep(Duration::from_millis(10)).await,
                }
            }
        });
        let running = Self::drive(opened.await);
        running.reaches(|state| *state == BusState::Ready).await;
        running
    }

    /// Opens a bus, wherever its broker is.
    pub(crate) fn start(url: &BusUrl, topology: &Topology) -> Self {
        Self::drive(messaging::open(url, topology.clone()).unwrap())
    }

    /// Drives a bus that was opened.
    pub(crate) fn drive(opened: Opened) -> Self {
        let mut driver = JoinSet::new();
        driver.spawn(opened.driver);
        Self { bus: opened.bus, driver }
    }

    /// Waits for a state.
    pub(crate) async fn reaches(&self, wanted: impl Fn(&BusState) -> bool) -> BusState {
        let mut state = self.bus.state();
        match timeout(DEADLINE, state.wait_for(|state| wanted(state))).await {
            Ok(reached) => reached.unwrap().clone(),
            Err(_) => panic!("waited in vain for another state than {:?}", self.bus.state().borrow()),
        }
    }

    pub(crate) async fn publish(&self, message: Message) {
        let id = message.properties.message_id.clone();
        within("a confirm", self.bus.publish(message)).await.unwrap_or_else(|error| panic!("{id:?}: {error}"));
    }

    /// Publishes them in this order, without a pause for confirms, and returns what came of each.
    pub(crate) async fn publish_all(&self, messages: Vec<Message>) -> Vec<Result<(), PublishError>> {
        let publishing = messages.into_iter().map(|message| self.bus.publish(message));
        within("all confirms", futures::future::join_all(publishing)).await
    }

    /// Subscribes, trying again as the consume loop would.
    pub(crate) async fn subscribe(&self, queue: &str, prefetch: u16) -> Box<dyn Subscription> {
        let queue = QueueName::from(queue);
        within("a subscription", async {
            loop {
                if let Ok(subscription) = self.bus.subscribe(&queue, prefetch).await {
                    return subscription;
                }
                tokio::time::sleep(Duration::from_millis(50)).await;
            }
        })
        .await
    }

    /// The next `count` deliveries of a queue, acknowledged.
    pub(crate) async fn take(&self, queue: &str, count: usize) -> Vec<Taken> {
        let mut subscription = self.subscribe(queue, 100).await;
        let mut taken = Vec::new();
        while taken.len() < count {
            let delivery = next(&mut *subscription).await;
            taken.push(Taken::from(&delivery));
            delivery.settler.ack().await;
        }
        taken
    }

    /// The ids of the next `count` deliveries of a queue, acknowledged.
    pub(crate) async fn take_ids(&self, queue: &str, count: usize) -> Vec<String> {
        self.take(queue, count).await.into_iter().map(|taken| taken.id()).collect()
    }

    /// Everything that is on a queue, acknowledged, up to a message that is published now with `routing_key`.
    pub(crate) async fn take_up_to(&self, queue: &str, routing_key: &str) -> Vec<Taken> {
        self.publish(message(routing_key, "the last")).await;
        let mut subscription = self.subscribe(queue, 100).await;
        let mut all = Vec::new();
        loop {
            let delivery = next(&mut *subscription).await;
            let taken = Taken::from(&delivery);
            delivery.settler.ack().await;
            if taken.id() == "the last" {
                return all;
            }
            all.push(taken);
        }
    }

    /// The bus closes, and its driver ends by itself.
    pub(crate) async fn close(mut self) {
        within("the bus closes", self.bus.close()).await;
        within("the driver ends", self.driver.join_next()).await.unwrap().unwrap();
    }

    /// Nothing is closed: the driver is dropped wherever it stands.
    pub(crate) async fn crash(mut self) {
        self.driver.shutdown().await;
    }
}

/// The next delivery.
pub(crate) async fn next(subscription: &mut dyn Subscription) -> Delivery {
    within("a delivery", subscription.next()).await.unwrap()
}

/// Nothing is delivered for a while.
pub(crate) async fn assert_silent(subscription: &mut dyn Subscription) {
    if let Ok(delivery) = timeout(LOOKOUT, subscription.next()).await {
        panic!("unexpected: {delivery:?}");
    }
}

/// What was delivered, without the means to settle it.
#[derive(Clone, PartialEq, Debug)]
pub(crate) struct Taken {
    pub(crate) queue: String,
    pub(crate) routing_key: String,
    pub(crate) properties: Properties,
    pub(crate) body: Bytes,
    pub(crate) redelivered: bool,
}

impl Taken {
    pub(crate) fn id(&self) -> String {
        self.properties.message_id.clone().unwrap()
    }

    pub(crate) fn header(&self, name: &str) -> &str {
        self.properties.headers.get(name).map_or("", String::as_str)
    }
}

impl From<&Delivery> for Taken {
    fn from(delivery: &Delivery) -> Self {
        Self {
            queue: delivery.queue.to_string(),
            routing_key: delivery.routing_key.clone(),
            properties: delivery.properties.clone(),
            body: delivery.body.clone(),
            redelivered: delivery.redelivered,
        }
    }
}

/// A queue for work.
pub(crate) fn work(name: &str, pattern: &str) -> Queue {
    Queue {
        name: name.into(),
        bindings: vec![Pattern::from(pattern)],
        dead_letters: false,
        single_active_consumer: false,
        bound: None,
    }
}

/// A message with nothing but an id and a body.
pub(crate) fn message(routing_key: &str, id: &str) -> Message {
    message_to(Destination::Topic { routing_key: routing_key.to_owned() }, id)
}

pub(crate) fn message_to(destination: Destination, id: &str) -> Message {
    let properties = Properties { message_id: Some(id.to_owned()), ..Properties::default() };
    Message { destination, properties, body: Bytes::from_static(b"{}") }
}

/// Every property that there is, and headers.
pub(crate) fn full_properties(id: &str) -> Properties {
    let headers =
        [("traceparent", "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"), ("ключ", "😀"), ("", "")];
    Properties {
        message_id: Some(id.to_owned()),
        correlation_id: Some("9f0c4be1a27d4d7f8a53e6b1c0d92e44".to_owned()),
        message_type: Some("message.received.v1".to_owned()),
        app_id: Some("ingress".to_owned()),
        timestamp: Some(1_786_000_000),
        headers: headers.into_iter().map(|(k, v)| (k.to_owned(), v.to_owned())).collect::<BTreeMap<_, _>>(),
    }
}
