//! RabbitMQ and PostgreSQL fail under load, and come back.

use std::time::{Duration, Instant};

use protocol::topology::{self, QueueName};

use crate::stage::{Bus, Setup, Stage, tropomq, until};
use crate::steady::{Load, assert_unconfirmed, release};

/// What needs the broker, whatever else it can do without.
const NEED_BROKER: [&str; 2] = ["router-0", "egress-0"];

/// How many connections to the database egress has, as long as nobody configures another number.
const CONNECTIONS: usize = 8;

async fn assert_not_ready(stage: &mut Stage, because_of: &str) {
    for name in NEED_BROKER {
        let told = stage.service(name).not_ready().await;
        assert!(told.contains(because_of), "{name} does not say why: {told}");
    }
}

async fn assert_ready(stage: &mut Stage, since: Instant) {
    for name in ["ingress-0", "router-0", "egress-0"] {
        stage.service(name).ready().await;
        eprintln!("{name} is ready again after {:?}", since.elapsed());
    }
}

/// Long enough for texts to be under way.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(500)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_broker_loses_and_repeats_nothing() {
    // A frozen broker is noticed after twice the heartbeat.
    let mut stage = Setup::new(Bus::RabbitMq).own_servers("?heartbeat=2").start().await;
    let vhost = stage.vhost().name().to_owned();
    stage.rabbitmq().wait_queues_kept(&vhost).unwrap();
    let load = Load::begin(&stage);
    a_while().await;

    stage.rabbitmq().kill().unwrap();
    assert_not_ready(&mut stage, "bus").await;
    stage.rabbitmq().restart().unwrap();
    assert_ready(&mut stage, Instant::now()).await;
    a_while().await;

    stage.rabbitmq().pause().unwrap();
    assert_not_ready(&mut stage, "bus").await;
    stage.rabbitmq().resume().unwrap();
    assert_ready(&mut stage, Instant::now()).await;
    a_while().await;

    stage.rabbitmq().close_all_connections().unwrap();
    a_while().await;
    assert_ready(&mut stage, Instant::now()).await;

    let told = load.end(&stage).await;
    assert_eq!(told.unanswered, []);
    assert!(20 < told.accepted, "too few texts to tell anything");
}

/// What was on the queue goes with it; what comes after is handled, by a queue of the same name. What comes before that
/// is there again is work for nobody, and kept as that.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_queue_deleted_under_its_consumer_is_back_with_its_consumer() {
    let mut stage = Setup::new(Bus::RabbitMq).with_console().start().await;
    let phone = stage.phone(0);
    phone.text("echo before").await;
    phone.received(1).await;
    stage.settle().await;
    let texts = QueueName::shard(&topology::shard(&"story".parse().unwrap(), &phone.number.parse().unwrap()));
    stage.vhost().management().delete_queue(stage.vhost().name(), texts.as_str()).unwrap();
    phone.text("echo after").await;
    stage.service("router-0").ready().await;
    let (home, config) = (stage.home().to_owned(), stage.sender_config().display().to_string());
    until("it is answered, or replayed", async || {
        tropomq(&home, &["dead", "--config", &config, "replay", "--unrouted", "--all"]).await;
        (phone.inbox().await.len() == 2).then_some(())
    })
    .await;
    stage.settle().await;
    phone.assert_has(&["before", "after"]).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_failing_database_loses_and_repeats_nothing() {
    let setup = Setup::new(Bus::RabbitMq).own_servers("").with("egress.callback_timeout", "2s");
    let mut stage = setup.with("egress.result_timeout", "3s").start().await;
    let load = Load::begin(&stage);
    a_while().await;

    stage.postgres().kill().unwrap();
    assert!(stage.service("egress-0").not_ready().await.contains("ledger"));
    a_while().await;
    stage.postgres().restart().unwrap();
    assert_ready(&mut stage, Instant::now()).await;
    a_while().await;

    stage.postgres().pause().unwrap();
    assert!(stage.service("egress-0").not_ready().await.contains("ledger"));
    a_while().await;
    stage.postgres().resume().unwrap();
    assert_ready(&mut stage, Instant::now()).await;

    let told = load.end(&stage).await;
    assert_eq!(told.refused, 0, "ingress has no need of the database");
    // A claim that the server was about to commit when it was frozen may be answered when its session has given up.
    assert!(
        told.unanswered.len() <= CONNECTIONS,
        "more than can have been about to be committed: {:?}",
        told.unanswered
    );
    let ledger = store::open(&stage.ledger_url()).await.unwrap();
    for (words, session) in &told.unanswered {
        assert_unconfirmed(&stage, &release(&*ledger, session).await, words).await;
    }
    assert!(20 < told.accepted, "too few texts to tell anything");
}

/// Messages wait for the ledger in their lane, and none has to wait longer because it was tried in vain.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_message_uses_up_no_attempt_while_the_database_is_away() {
    let setup =
        Setup::new(Bus::RabbitMq).own_servers("").with("egress.retry.first", "1h").with("egress.retry.longest", "1h");
    let mut stage = setup.start().await;
    stage.postgres().pause().unwrap();
    stage.service("egress-0").not_ready().await;
    let phones = stage.phones(20);
    for phone in &phones {
        phone.text("echo after all").await;
    }
    // Longer than the ledger is waited for.
    tokio::time::sleep(Duration::from_secs(4)).await;
    assert_eq!(stage.tropo.launched().await, Vec::<String>::new());
    stage.postgres().resume().unwrap();
    for phone in &phones {
        phone.reply().await;
    }
    stage.settle().await;
    for phone in &phones {
        phone.assert_has(&["after all"]).await;
    }
    assert_eq!(stage.metrics().await.settled("egress.message.send.", "retried"), 0);
}
