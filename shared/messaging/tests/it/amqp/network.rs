//! What a failing network does to connections: a proxy stands between the bus and the broker.

use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

use messaging::{BusState, BusUrl};
use testkit::{Proxy, Vhost};

use crate::running::{Place, Running, message, next, within, work};

/// A proxy before the broker of a virtual host, and the URL through it.
fn through_proxy(vhost: &Vhost, query: &str) -> (Proxy, BusUrl) {
    let url = Vhost::url(vhost);
    let (before, after) = url.split_once("@127.0.0.1:").unwrap();
    let (port, name) = after.split_once('/').unwrap();
    let proxy = Proxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, port.parse().unwrap()))).unwrap();
    let url = format!("{before}@{}/{name}{query}", proxy.address()).parse().unwrap();
    (proxy, url)
}

/// How many threads serve connections to brokers, in this process.
fn connection_threads() -> usize {
    let names = std::fs::read_dir("/proc/self/task").unwrap().filter_map(|task| {
        // A thread may end meanwhile.
        std::fs::read_to_string(task.ok()?.path().join("comm")).ok()
    });
    names.filter(|name| name.starts_with("lapin")).count()
}

/// Everything works, for what was there before as well.
async fn assert_works(running: &Running) {
    running.reaches(|state| *state == BusState::Ready).await;
    running.publish(message("x", "after")).await;
    assert!(running.take_up_to("one", "x").await.iter().any(|taken| taken.id() == "after"));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn closed_and_reset_connections_are_made_again() {
    let vhost = Vhost::fresh();
    let (proxy, url) = through_proxy(&vhost, "");
    let running = Running::open(&url, &[work("one", "#")]).await;
    for cut in [Proxy::close_all, Proxy::reset_all] {
        let mut subscription = running.subscribe("one", 10).await;
        running.publish(message("x", "before")).await;
        let unsettled = next(&mut *subscription).await;
        cut(&proxy);
        assert!(within("the end of the subscription", subscription.next()).await.is_none());
        unsettled.settler.ack().await;
        running.reaches(|state| *state == BusState::Ready).await;
        assert_eq!(running.take_ids("one", 1).await, ["before"]);
        assert_works(&running).await;
    }
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_black_hole_is_noticed_and_costs_no_threads() {
    let vhost = Vhost::fresh();
    let (proxy, url) = through_proxy(&vhost, "?heartbeat=1&connection_timeout=250");
    let running = Running::open(&url, &[work("one", "#")]).await;
    let mut subscription = running.subscribe("one", 10).await;
    proxy.black_hole();
    running.reaches(|state| matches!(state, BusState::Away(_))).await;
    assert!(within("the end of the subscription", subscription.next()).await.is_none());
    drop(subscription);
    // Each attempt is taken, and heard no more of.
    let mut state = running.bus.state();
    for _ in 0..6 {
        within("another attempt", state.changed()).await.unwrap();
        assert!(running.bus.subscribe(&"one".into(), 1).await.is_err());
    }
    let ended = || connection_threads() <= 2;
    assert!(testkit::holds_within(Duration::from_secs(10), ended), "{} threads", connection_threads());
    proxy.heal();
    assert_works(&running).await;
    running.close().await;
    assert!(testkit::holds_within(Duration::from_secs(10), || connection_threads() == 0));
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_black_hole_from_the_start_is_no_reason_to_give_up() {
    let vhost = Vhost::fresh();
    let (proxy, url) = through_proxy(&vhost, "?connection_timeout=250");
    proxy.black_hole();
    let topology = protocol::topology::Topology { queues: vec![work("one", "#")] };
    let running = Running::start(&url, &topology);
    running.reaches(|state| matches!(state, BusState::Away(reason) if reason.contains("no answer within"))).await;
    proxy.heal();
    assert_works(&running).await;
    running.close().await;
}
