//! Load balancers before the replicas: new connections go to one that says it is ready.

use std::net::SocketAddr;
use std::time::Duration;

use testkit::Proxy;
use tokio::task::JoinSet;

use super::client;

/// How often a balancer asks who is ready.
const EVERY: Duration = Duration::from_millis(50);

/// One replica behind a balancer.
pub(super) struct Backend {
    /// Where it serves.
    pub(super) address: SocketAddr,
    /// Where it says whether it is ready.
    pub(super) ready_url: String,
}

/// Balancers, until this is dropped.
#[derive(Default)]
pub(super) struct Balancers(JoinSet<()>);

impl Balancers {
    /// Adds one that listens at an address.
    pub(super) fn add(&mut self, address: SocketAddr, replicas: Vec<Backend>) {
        let proxy = Proxy::start_at(address, replicas.first().expect("a replica").address).unwrap();
        self.0.spawn(balance(proxy, replicas));
    }
}

/// Takes turns among those that are ready. Connections that stand are theirs to end.
async fn balance(proxy: Proxy, replicas: Vec<Backend>) {
    let http = client();
    loop {
        for Backend { address, ready_url } in &replicas {
            let answer = http.get(ready_url).send().await;
            if answer.is_ok_and(|answer| answer.status().is_success()) {
                proxy.direct_to(*address);
            }
            tokio::time::sleep(EVERY).await;
        }
    }
}
