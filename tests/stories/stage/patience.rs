//! How long a test waits, and for what.

use std::time::{Duration, Instant};

/// The longest wait for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(45);

/// How long between two looks.
const PAUSE: Duration = Duration::from_millis(15);

/// What `look` finds, as soon as it finds something.
pub(crate) async fn until<T>(what: &str, mut look: impl AsyncFnMut() -> Option<T>) -> T {
    let started = Instant::now();
    loop {
        if let Some(found) = look().await {
            return found;
        }
        assert!(started.elapsed() < DEADLINE, "waited {DEADLINE:?} in vain: {what}");
        tokio::time::sleep(PAUSE).await;
    }
}

/// A client for the addresses of a stage.
pub(crate) fn client() -> reqwest::Client {
    chassis::tls::install_provider();
    // Longer than the simulator lets a request for messages wait.
    let client = reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy();
    // A test that looks at a browser does not see meanwhile that a service closed a connection.
    client.pool_idle_timeout(Duration::from_secs(5)).build().unwrap()
}
