//! What the bus never takes: it stays, and the others go on.

use futures::FutureExt;

use super::*;

/// A clock whose time to wait is short.
#[derive(Debug)]
struct Hurried;

impl Clock for Hurried {
    fn now(&self) -> Timestamp {
        Timestamp::now()
    }

    fn sleep(&self, duration: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(duration / 100))
    }
}

/// A spool whose pauses are short, before a bus that is away. It waits as long as any other for a confirm.
fn hurried(directory: &TempDir) -> Running {
    let environment = Environment { clock: Arc::new(Hurried), ..Environment::system() };
    Running::with(&Settings { wait: 100 * WAIT, ..settings(directory) }, Broker::away(), environment)
}

/// Everything else is on the bus, and so much is set aside.
async fn only_aside(running: &Running, aside: u64) {
    until(|| {
        let status = running.spool.status();
        (status.messages, status.aside) == (0, aside)
    })
    .await;
}

#[tokio::test]
async fn one_message_that_the_bus_never_takes_holds_up_no_other_and_is_not_lost() {
    let directory = TempDir::new().unwrap();
    let running = Running::open(&directory, Broker::away());
    running.broker.never_takes([5]);
    for body in 0..20 {
        running.publish(body).await.unwrap();
    }
    running.broker.come_back();
    only_aside(&running, 1).await;
    running.publish(20).await.unwrap();
    let expected: Vec<_> = (0..5).chain(6..21).collect();
    assert_eq!(running.broker.first_occurrences(), expected);
    assert_eq!(running.spool.status().messages, 0, "what comes after it goes to the bus directly");
    assert!(running.spool.status().is_ready);
    running.stop().await;
    assert_eq!(left_in(directory.path()).unwrap(), 1);
    let running = Running::open(&directory, Broker::ready());
    running.empty().await;
    assert_eq!(running.broker.bodies(), [5]);
    running.stop().await;
    assert_eq!(left_in(directory.path()).unwrap(), 0);
}

#[tokio::test]
async fn what_was_set_aside_is_passed_on_once_the_bus_takes_it() {
    let directory = TempDir::new().unwrap();
    let running = hurried(&directory);
    running.broker.never_takes([0, 3]);
    for body in 0..6 {
        running.publish(body).await.unwrap();
    }
    running.broker.come_back();
    only_aside(&running, 2).await;
    running.broker.never_takes([]);
    only_aside(&running, 0).await;
    assert_eq!(running.broker.first_occurrences(), [1, 2, 4, 5, 0, 3]);
    running.stop().await;
    assert_eq!(left_in(directory.path()).unwrap(), 0);
}

#[tokio::test]
async fn where_the_bus_takes_nothing_of_one_kind_the_other_kinds_go_on() {
    let directory = TempDir::new().unwrap();
    let running = hurried(&directory);
    running.broker.never_takes(0..600);
    for body in 0..600 {
        running.spool.publish(message_to("stuck", body)).await.unwrap();
    }
    for body in 600..700 {
        running.publish(body).await.unwrap();
    }
    running.broker.come_back();
    until(|| running.broker.first_occurrences() == (600..700).collect::<Vec<_>>()).await;
    let status = running.spool.status();
    assert_eq!(status.messages + status.aside, 600);
    running.broker.never_takes([]);
    only_aside(&running, 0).await;
    let mut came = running.broker.first_occurrences();
    came.sort_unstable();
    assert_eq!(came, (0..700).collect::<Vec<_>>());
    running.stop().await;
}

#[tokio::test]
async fn a_disk_that_hangs_refuses_once_many_wait_for_it() {
    let directory = TempDir::new().unwrap();
    let (broker, shutdown) = (Arc::new(Broker::away()), CancellationToken::new());
    let bus: Arc<dyn Bus> = broker;
    // A bus that answers nothing, in the place of the file.
    let journal: Arc<dyn Bus> = Arc::new(Broker::silent());
    let held = embedded::Totals::default();
    let Opened { spool, driver } =
        with_journal(&settings(&directory), bus, journal, held, Environment::system(), shutdown);
    let _driver = run(driver);
    for _ in 0..account::UNWRITTEN_MAX {
        assert_eq!(spool.publish(message(1)).now_or_never(), None);
    }
    let refused = spool.publish(message(1)).now_or_never().unwrap().unwrap_err();
    assert!(matches!(&refused, PublishError::NoRoom(why) if why.contains("too slow")), "{refused}");
    assert!(!spool.status().is_ready);
}

#[test]
fn where_there_is_no_spool_nothing_is_left_and_none_is_made() {
    let directory = TempDir::new().unwrap();
    let none = directory.path().join("none");
    assert_eq!(left_in(&none).unwrap(), 0);
    assert!(!none.exists());
}
