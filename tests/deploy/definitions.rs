//! `deploy/rabbitmq/definitions.json` is what the services declare, and its user can do what they do.

use std::sync::Arc;
use std::time::Duration;

use messaging::amqp::definitions;
use messaging::{Bus, BusState, BusUrl, Destination, Message, Properties};
use protocol::topology::{Lane, Queue, QueueName, Topology};
use serde_json::Value;
use testkit::Vhost;
use tokio::task::JoinSet;
use tokio::time::timeout;

use crate::tree;

/// The longest wait for what must come.
const DEADLINE: Duration = Duration::from_secs(60);

/// That of the stack in `docker-compose.yml`.
fn topology() -> Topology {
    let settings: toml::Table = toml::from_str(&tree::read("deploy/docker/tropomq.toml")).unwrap();
    let backends = settings["backends"].as_table().unwrap();
    let lanes: Vec<Lane> = backends
        .iter()
        .map(|(name, backend)| Lane {
            backend: name.parse().unwrap(),
            single_active_consumer: backend.get("rate").is_some(),
        })
        .collect();
    let on_the_bus = settings["router"].get("amqp").and_then(toml::Value::as_table);
    let applications: Vec<_> = on_the_bus.into_iter().flatten().map(|(name, _)| name.parse().unwrap()).collect();
    Topology::new(&lanes).with_applications(&applications)
}

/// With all that there can be.
fn large_topology() -> Topology {
    let lane = |name: &str, paced| Lane { backend: name.parse().unwrap(), single_active_consumer: paced };
    Topology::new(&[lane("one", false), lane("paced", true)]).with_applications(&["weather".parse().unwrap()])
}

/// A bus that declared everything, with what drives it.
struct Opened {
    bus: Arc<dyn Bus>,
    driver: JoinSet<()>,
}

impl Opened {
    async fn reach(url: &str, topology: Topology, wanted: impl Fn(&BusState) -> bool) -> Self {
        let opened = messaging::open(&url.parse::<BusUrl>().unwrap(), topology).unwrap();
        let mut driver = JoinSet::new();
        driver.spawn(opened.driver);
        let mut state = opened.bus.state();
        let reached = timeout(DEADLINE, state.wait_for(wanted)).await.map(|reached| reached.unwrap().clone());
        assert!(reached.is_ok(), "the bus is {:?}", *opened.bus.state().borrow());
        Self { bus: opened.bus, driver }
    }

    async fn ready(url: &str, topology: Topology) -> Self {
        Self::reach(url, topology, |state| *state == BusState::Ready).await
    }

    async fn close(self) {
        timeout(DEADLINE, self.bus.close()).await.unwrap();
        timeout(DEADLINE, self.driver.join_all()).await.unwrap();
    }
}

/// A virtual host into which the definitions of a topology were imported, and the URL of it for their user.
fn imported(topology: &Topology) -> (Vhost, String) {
    let vhost = testkit::vhost().unwrap();
    let (management, user) = (vhost.management(), vhost.name());
    management.import(&definitions(topology, vhost.name(), user).to_string()).unwrap();
    management.set_password(user, "secret").unwrap();
    let url = vhost.url().replacen("guest:guest", &format!("{user}:secret"), 1);
    (vhost, url)
}

fn delete_users(vhost: &Vhost) {
    for user in [vhost.name().to_owned(), format!("{}-balance", vhost.name())] {
        vhost.management().delete_user(&user).unwrap();
    }
}

/// The exchanges, queues or bindings of a virtual host, in an order of their own.
fn existing(vhost: &Vhost, what: &str) -> Vec<Value> {
    let definitions: Value = serde_json::from_str(&vhost.management().definitions(vhost.name()).unwrap()).unwrap();
    let mut all = definitions[what].as_array().unwrap().clone();
    all.sort_by_key(ToString::to_string);
    all
}

#[test]
fn the_definitions_are_those_of_the_topology() {
    let made = serde_json::to_string_pretty(&definitions(&topology(), "tropomq", "tropomq")).unwrap();
    tree::is_as_made("deploy/rabbitmq/definitions.json", &format!("{made}\n"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_imported_is_what_the_services_declare() {
    let (vhost, _) = imported(&large_topology());
    let other = testkit::vhost().unwrap();
    Opened::ready(other.url(), large_topology()).await.close().await;
    for what in ["exchanges", "queues", "bindings"] {
        let (imported, declared) = (existing(&vhost, what), existing(&other, what));
        assert!(20 <= declared.len() || what == "exchanges", "{what}: {declared:?}");
        assert_eq!(imported, declared, "{what}");
    }
    delete_users(&vhost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_user_declares_publishes_and_consumes_everything() {
    let (vhost, url) = imported(&large_topology());
    let before = ["exchanges", "queues", "bindings"].map(|what| existing(&vhost, what));
    let opened = Opened::ready(&url, large_topology()).await;
    let mut queues: Vec<QueueName> = large_topology().queues.into_iter().map(|queue| queue.name).collect();
    queues.extend([QueueName::dead(), QueueName::unrouted()]);
    for queue in &queues {
        // Through a level of waiting, and the exchange by which it returns.
        let to = if [QueueName::dead(), QueueName::unrouted()].contains(queue) {
            Destination::Topic { routing_key: "nobody's".to_owned() }
        } else {
            Destination::Delayed { queue: queue.clone(), delay: Duration::from_millis(10) }
        };
        let to = if *queue == QueueName::dead() { Destination::Dead } else { to };
        let message = Message { destination: to, properties: Properties::default(), body: "{}".into() };
        timeout(DEADLINE, opened.bus.publish(message))
            .await
            .unwrap()
            .unwrap_or_else(|error| panic!("{queue}: {error}"));
        let subscribed = timeout(DEADLINE, opened.bus.subscribe(queue, 10)).await.unwrap();
        let mut subscription = subscribed.unwrap_or_else(|error| panic!("{queue}: {error}"));
        let delivery = timeout(DEADLINE, subscription.next()).await;
        delivery.unwrap_or_else(|_| panic!("nothing came on {queue}")).unwrap().settler.ack().await;
    }
    opened.close().await;
    let after = ["exchanges", "queues", "bindings"].map(|what| existing(&vhost, what));
    assert_eq!(before, after);
    delete_users(&vhost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_user_does_what_there_is_to_do_on_a_virtual_host_that_is_empty() {
    let (vhost, url) = imported(&Topology::default());
    let opened = Opened::ready(&url, large_topology()).await;
    let queue = QueueName::shard("00");
    let subscription = timeout(DEADLINE, opened.bus.subscribe(&queue, 1)).await.unwrap().unwrap();
    timeout(DEADLINE, opened.bus.seat(&queue)).await.unwrap().unwrap();
    drop(subscription);
    opened.close().await;
    delete_users(&vhost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_user_cannot_sign_in_before_it_has_a_password() {
    let topology = Topology::new(&[]);
    let (vhost, url) = imported(&topology);
    let again = definitions(&topology, vhost.name(), vhost.name()).to_string();
    vhost.management().import(&again).unwrap();
    let refused = |state: &BusState| matches!(state, BusState::Away(why) if why.contains("ACCESS_REFUSED"));
    for url in [url.clone(), url.replacen(":secret@", ":@", 1)] {
        Opened::reach(&url, topology.clone(), refused).await.close().await;
    }
    delete_users(&vhost);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn its_user_has_no_right_to_anything_else() {
    let (vhost, url) = imported(&Topology::default());
    let strange = |name: &str| Queue {
        name: name.into(),
        bindings: Vec::new(),
        dead_letters: false,
        single_active_consumer: false,
        bound: None,
    };
    for name in ["other", "tropomq-other", "not.router.message.received", "amq.mine"] {
        let refused = |state: &BusState| matches!(state, BusState::Away(why) if why.contains("ACCESS_REFUSED"));
        let topology = Topology { queues: vec![strange(name)] };
        Opened::reach(&url, topology, refused).await.close().await;
    }
    delete_users(&vhost);
}
