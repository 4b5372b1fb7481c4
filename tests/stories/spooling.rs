//! The broker goes away for a while under a steady load, and ingress is killed meanwhile.

use std::collections::BTreeMap;
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use messaging::{BusUrl, Delivery, Opened};
use protocol::topology::{QueueName, Topology};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Proxy, Vhost};
use tokio::task::JoinSet;

use crate::stage::{DEADLINE, SECRET, Service, client, until};

/// How many people text, each the next text once the last was answered.
const PEOPLE: usize = 4;
const PAUSE: Duration = Duration::from_millis(20);

/// The one service of this story, and the way to its broker.
struct Ingress {
    service: Service,
    url: String,
    proxy: Proxy,
    broker: SocketAddr,
    vhost: Arc<Vhost>,
    _home: TempDir,
}

impl Ingress {
    async fn start() -> Self {
        let vhost = Arc::new(tokio::task::spawn_blocking(|| testkit::vhost().unwrap()).await.unwrap());
        let mut bus: url::Url = vhost.url().parse().unwrap();
        let broker = SocketAddr::new(bus.host_str().unwrap().parse().unwrap(), bus.port().unwrap());
        let proxy = Proxy::start(broker).unwrap();
        bus.set_ip_host(proxy.address().ip()).unwrap();
        bus.set_port(Some(proxy.address().port())).unwrap();
        let (home, address) = (TempDir::new().unwrap(), testkit::own_address());
        let (listen, admin) = (SocketAddrV4::new(address, 31_100), SocketAddrV4::new(address, 31_400));
        let settings = format!(
            "bus.url = \"{bus}\"\nadmin.listen = \"{admin}\"\n[ingress]\nlisten = \"{listen}\"\n\
             [ticket.keys]\nstory = \"a key for the stories, of no other use\"\n[backends.story]\n\
             messaging_token = \"t\"\nnumber = \"+1-555-555-0100\"\nwebhook_secret = \"{SECRET}\"\n"
        );
        std::fs::write(home.path().join("ingress.toml"), settings).unwrap();
        let mut service = Service::new("ingress".to_owned(), "ingress", home.path(), admin, Vec::new());
        service.start();
        service.ready().await;
        let url = format!("http://{listen}/tropo/story/{SECRET}");
        Self { service, url, proxy, broker, vhost, _home: home }
    }

    /// What `/readyz` says.
    async fn report(&self) -> (StatusCode, Value) {
        let answer = client().get(format!("{}/readyz", self.service.admin_url())).send().await.unwrap();
        (answer.status(), answer.json().await.unwrap())
    }

    async fn count(&self, metric: &str) -> u64 {
        self.service.metrics(&client()).await.sum(metric, &[])
    }

    async fn wait_for(&self, metric: &str, what: &str, holds: impl Fn(u64) -> bool) {
        until(what, async || holds(self.count(metric).await).then_some(())).await;
    }
}

impl Drop for Ingress {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.service.print_log();
        }
    }
}

#[tokio::test]
async fn every_text_that_was_answered_while_the_broker_was_away_comes_and_in_order() {
    let mut ingress = Ingress::start().await;
    // The broker has its queues: what is published is not lost on their way.
    until("the bus is there", async || ingress.report().await.1["components"]["bus"]["reason"].is_null().then_some(()))
        .await;
    let ended = Arc::new(AtomicBool::new(false));
    let mut people = JoinSet::new();
    for person in 0..PEOPLE {
        people.spawn(text_until(Arc::clone(&ended), ingress.url.clone(), person));
    }
    let spooled = "tropomq_spooled_messages_total";
    ingress.wait_for("tropomq_kept_events_total", "texts go to the bus", |kept| 40 < kept).await;

    ingress.proxy.black_hole();
    ingress.wait_for(spooled, "texts are kept while the broker is silent", |count| 40 < count).await;
    ingress.proxy.direct_to(SocketAddr::from(([127, 0, 0, 1], testkit::free_port().unwrap())));
    ingress.proxy.heal();
    ingress.proxy.reset_all();
    ingress.wait_for(spooled, "texts are kept while the broker is away", |count| 120 < count).await;
    until("readiness tells that it spools", async || {
        let (status, report) = ingress.report().await;
        let told = report["components"]["spool"]["reason"].as_str().unwrap_or_default().to_owned();
        (status.is_success() && told.contains("events wait for the bus")).then_some(())
    })
    .await;
    ingress.service.kill();
    ingress.service.start();
    ingress.service.ready().await;
    ingress.wait_for(spooled, "texts are kept by the next process", |count| 40 < count).await;

    ingress.proxy.direct_to(ingress.broker);
    ingress.wait_for("tropomq_spool_messages", "the spool gets empty under the load", |waiting| waiting == 0).await;
    let kept = ingress.count("tropomq_kept_events_total").await;
    ingress.wait_for("tropomq_kept_events_total", "texts go on", |count| kept + 40 < count).await;
    ended.store(true, Ordering::Relaxed);
    let answered: BTreeMap<usize, Vec<u64>> = people.join_all().await.into_iter().collect();
    assert_eq!(ingress.service.terminate().await.code(), Some(0));
    check(&ingress.vhost, &answered).await;
}

/// Texts one text after the other; the numbers of those that were answered 200. The others met no process.
async fn text_until(ended: Arc<AtomicBool>, url: String, person: usize) -> (usize, Vec<u64>) {
    let http = client();
    let mut answered = Vec::new();
    for number in 0.. {
        if ended.load(Ordering::Relaxed) {
            break;
        }
        let from = json!({ "id": format!("1555556{person:04}"), "channel": "TEXT", "network": "SMS" });
        let to = json!({ "id": "15555550100", "channel": "TEXT", "network": "SMS" });
        let session = json!({
            "id": format!("{person}-{number}"), "userType": "HUMAN", "initialText": number.to_string(),
            "from": from, "to": to,
        });
        if let Ok(answer) = http.post(&url).json(&json!({ "session": session })).send().await {
            let (status, words) = (answer.status(), answer.text().await.unwrap_or_default());
            assert_eq!(status, StatusCode::OK, "{words}");
            answered.push(number);
        }
        tokio::time::sleep(PAUSE).await;
    }
    (person, answered)
}

/// Everything that was answered is on the queue, and the first that comes of each in the order of the answers.
async fn check(vhost: &Vhost, answered: &BTreeMap<usize, Vec<u64>>) {
    let url: BusUrl = vhost.url().parse().unwrap();
    let Opened { bus, driver } = messaging::open(&url, Topology::new(&[])).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(driver);
    let mut queue = until("a subscription", async || bus.subscribe(&QueueName::received(), 1000).await.ok()).await;
    let mut came: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    let missing = |came: &BTreeMap<usize, Vec<u64>>| {
        let all = answered.iter().flat_map(|(person, numbers)| numbers.iter().map(move |number| (*person, *number)));
        all.filter(|(person, number)| !came.get(person).is_some_and(|came| came.contains(number))).collect::<Vec<_>>()
    };
    while !missing(&came).is_empty() {
        let delivery: Delivery = match tokio::time::timeout(DEADLINE, queue.next()).await {
            Ok(delivery) => delivery.expect("a subscription that goes on"),
            Err(_) => panic!("these texts are lost, by person and number: {:?}", missing(&came)),
        };
        let session = delivery.properties.correlation_id.clone().expect("the session");
        let (person, number) = session.split_once('-').expect("a session of this story");
        let of_person = came.entry(person.parse().unwrap()).or_default();
        let number = number.parse().unwrap();
        if !of_person.contains(&number) {
            of_person.push(number);
        }
        delivery.settler.ack().await;
    }
    for (person, numbers) in answered {
        let came: Vec<u64> = came[person].iter().copied().filter(|number| numbers.contains(number)).collect();
        assert_eq!(&came, numbers, "the texts of person {person} changed their order");
    }
    bus.close().await;
}
