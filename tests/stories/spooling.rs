//! The broker goes away for a while under a steady load, and ingress is killed meanwhile.

use std::collections::{BTreeMap, BTreeSet};
use std::net::{SocketAddr, SocketAddrV4};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use futures::stream::{self, StreamExt};
use messaging::{BusUrl, Delivery, Opened};
use protocol::topology::{QueueName, Topology};
use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use testkit::{Proxy, Vhost};
use tokio::task::JoinSet;

use crate::stage::{DEADLINE, SECRET, Service, client, tropomq, until};

/// How many texts come in a second, in all, unless the environment variable SPOOL_RATE says so.
const RATE: u32 = 150;

/// Each person texts so often in a second, but not before the last text was answered.
const RATE_EACH: u32 = 10;

/// A number in the environment.
fn variable(name: &str) -> Option<u32> {
    std::env::var(name).ok().map(|value| value.parse().expect(name))
}

/// The one service of this story, and the way to its broker.
struct Ingress {
    service: Service,
    url: String,
    proxy: Proxy,
    broker: SocketAddr,
    vhost: Arc<Vhost>,
    home: TempDir,
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
        Self { service, url, proxy, broker, vhost, home }
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
    let rate = variable("SPOOL_RATE").unwrap_or(RATE);
    for person in 0..usize::try_from(rate.div_ceil(RATE_EACH)).unwrap() {
        people.spawn(text_until(Arc::clone(&ended), ingress.url.clone(), person));
    }
    let spooled = "tropomq_spooled_messages_total";
    ingress.wait_for("tropomq_kept_events_total", "texts go to the bus", |kept| 40 < kept).await;

    // It may be away for longer than it takes to see what there is to be seen.
    let away_for = Duration::from_secs(variable("SPOOL_SECONDS").unwrap_or(0).into());
    let away_since = Instant::now();
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
    tokio::time::sleep((away_for / 2).saturating_sub(away_since.elapsed())).await;
    ingress.service.kill();
    ingress.service.start();
    ingress.service.ready().await;
    ingress.wait_for(spooled, "texts are kept by the next process", |count| 40 < count).await;
    tokio::time::sleep(away_for.saturating_sub(away_since.elapsed())).await;
    let waiting = ingress.count("tropomq_spool_messages").await;

    ingress.proxy.direct_to(ingress.broker);
    let (back_at, was_away) = (Instant::now(), away_since.elapsed());
    ingress.wait_for("tropomq_spool_messages", "the spool gets empty under the load", |waiting| waiting == 0).await;
    println!("away for {was_away:?}; {waiting} texts in the spool then, and none {:?} later", back_at.elapsed());
    let kept = ingress.count("tropomq_kept_events_total").await;
    ingress.wait_for("tropomq_kept_events_total", "texts go on", |count| kept + 40 < count).await;
    ended.store(true, Ordering::Relaxed);
    let (mut answered, mut unanswered) = (BTreeMap::new(), 0);
    for (person, texted) in people.join_all().await {
        unanswered += texted.unanswered;
        answered.insert(person, texted.kept);
    }
    assert_eq!(ingress.service.terminate().await.code(), Some(0));
    assert!(ingress.service.log_text().contains("the spool is closed, and empty"), "the stop does not say so");
    let again = check(&ingress.vhost, &answered).await;
    let kept: usize = answered.values().map(Vec::len).sum();
    println!(
        "{kept} texts accepted, none refused, {unanswered} unanswered, none of the accepted lost, {again} copies; the \
         order of each of {} people kept",
        answered.len()
    );
}

#[tokio::test]
async fn what_a_spool_holds_that_is_wanted_no_more_is_not_forgotten() {
    let mut ingress = Ingress::start().await;
    until("the bus is there", async || ingress.report().await.1["components"]["bus"]["reason"].is_null().then_some(()))
        .await;
    ingress.proxy.direct_to(SocketAddr::from(([127, 0, 0, 1], testkit::free_port().unwrap())));
    ingress.proxy.reset_all();
    let reason = async || ingress.report().await.1["components"]["bus"]["reason"].is_string().then_some(());
    until("the broker is away", reason).await;
    for number in 0..5 {
        let answer = client().post(&ingress.url).json(&text(0, number)).send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
    }
    assert_eq!(ingress.service.terminate().await.code(), Some(0));
    assert!(ingress.service.log_text().contains("5 messages stay in it for the next start"));

    // Another bus gets nothing of it.
    let config = ingress.service.config();
    let settings = std::fs::read_to_string(&config).unwrap();
    let (_, others) = settings.split_once('\n').unwrap();
    let embedded = config.with_file_name("embedded.toml");
    let listen =
        ["router", "egress", "simulator", "console"].map(|each| format!("{each}.listen = \"127.0.0.1:0\"\n")).concat();
    std::fs::write(&embedded, format!("{listen}{others}")).unwrap();
    let output = tropomq(ingress.home.path(), &["up", "--config", &embedded.to_string_lossy()]).await;
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && told.contains("holds 5 events"), "{told}");

    std::fs::write(&config, format!("{settings}[ingress.spool]\nbytes_max = \"0B\"\n")).unwrap();
    ingress.proxy.direct_to(ingress.broker);
    ingress.service.start();
    ingress.service.ready().await;
    check(&ingress.vhost, &BTreeMap::from([(0, (0..5).collect())])).await;
    assert_eq!(ingress.service.terminate().await.code(), Some(0));
    assert!(ingress.service.log_text().contains("the spool is closed, and empty"));
}

/// What became of a person's texts.
#[derive(Default)]
struct Texted {
    /// The numbers of those that were answered 200.
    kept: Vec<u64>,
    /// How many met no process, or one that was killed.
    unanswered: u64,
}

/// A text of a person, as Tropo posts it.
fn text(person: usize, number: u64) -> Value {
    let from = json!({ "id": format!("1555556{person:04}"), "channel": "TEXT", "network": "SMS" });
    let to = json!({ "id": "15555550100", "channel": "TEXT", "network": "SMS" });
    json!({ "session": {
        "id": format!("{person}-{number}"), "userType": "HUMAN", "initialText": number.to_string(),
        "from": from, "to": to,
    } })
}

/// Texts one text after the other, [`RATE_EACH`] a second as long as they are answered in time. None is refused.
async fn text_until(ended: Arc<AtomicBool>, url: String, person: usize) -> (usize, Texted) {
    let (http, mut texted) = (client(), Texted::default());
    let mut ticks = tokio::time::interval(Duration::from_secs(1) / RATE_EACH);
    for number in 0.. {
        ticks.tick().await;
        if ended.load(Ordering::Relaxed) {
            break;
        }
        let Ok(answer) = http.post(&url).json(&text(person, number)).send().await else {
            texted.unanswered += 1;
            continue;
        };
        let (status, words) = (answer.status(), answer.text().await.unwrap_or_default());
        assert_eq!(status, StatusCode::OK, "{words}");
        texted.kept.push(number);
    }
    (person, texted)
}

/// Everything that was answered is on the queue, and the first that comes of each in the order of the answers. Returns how
/// many came again before the last of them.
async fn check(vhost: &Vhost, answered: &BTreeMap<usize, Vec<u64>>) -> u64 {
    let url: BusUrl = vhost.url().parse().unwrap();
    let Opened { bus, driver } = messaging::open(&url, Topology::new(&[])).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(driver);
    let mut queues = Vec::new();
    for queue in QueueName::texts() {
        let queue = until("a subscription", async || bus.subscribe(&queue, 1000).await.ok()).await;
        let deliveries = stream::unfold(queue, async |mut queue| Some((queue.next().await?, queue)));
        queues.push(Box::pin(deliveries));
    }
    let mut deliveries = stream::select_all(queues);
    let mut came: BTreeMap<usize, Vec<u64>> = BTreeMap::new();
    let all = answered.iter().flat_map(|(person, numbers)| numbers.iter().map(move |number| (*person, *number)));
    let (mut missing, mut again): (BTreeSet<(usize, u64)>, u64) = (all.collect(), 0);
    while !missing.is_empty() {
        let delivery: Delivery = match tokio::time::timeout(DEADLINE, deliveries.next()).await {
            Ok(delivery) => delivery.expect("a subscription that goes on"),
            Err(_) => panic!("these texts are lost, by person and number: {missing:?}"),
        };
        let session = delivery.properties.correlation_id.clone().expect("the session");
        let (person, number) = session.split_once('-').expect("a session of this story");
        let (person, number) = (person.parse().unwrap(), number.parse().unwrap());
        missing.remove(&(person, number));
        let of_person = came.entry(person).or_default();
        if of_person.contains(&number) {
            again += 1;
        } else {
            of_person.push(number);
        }
        delivery.settler.ack().await;
    }
    for (person, numbers) in answered {
        let came: Vec<u64> = came[person].iter().copied().filter(|number| numbers.contains(number)).collect();
        assert_eq!(&came, numbers, "the texts of person {person} changed their order");
    }
    bus.close().await;
    again
}
