//! The configuration of ingress.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use chassis::http::Limits;
use chassis::network::Network;
use messaging::spool;
use serde::Deserialize;
use url::Url;

/// The `[ingress]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where Tropo's webhooks come in.
    pub listen: SocketAddr,
    /// The address of egress, to which call-backs are forwarded.
    pub egress: Url,
    /// The longest wait for egress to answer a call-back, over all tries.
    #[serde(with = "chassis::config::duration")]
    pub forward_timeout: Duration,
    /// The longest wait for the bus to confirm an event, over all tries, before the webhook is refused.
    #[serde(with = "chassis::config::duration")]
    pub confirm_timeout: Duration,
    /// The proxies whose `X-Forwarded-For` is believed when a backend allows certain addresses alone.
    #[serde(default)]
    pub trusted_proxies: Vec<Network>,
    /// What keeps events while the bus is away.
    pub spool: Spool,
    /// The limits of the listener.
    pub limits: Limits,
}

/// The `[ingress.spool]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Spool {
    /// Its directory, of this process alone.
    pub path: PathBuf,
    /// How many bytes it may hold; with none there is no spool, but for what is in it from before.
    #[serde(with = "chassis::config::size")]
    pub bytes_max: usize,
    /// How long its oldest event may have waited; then no more are taken.
    #[serde(with = "chassis::config::duration")]
    pub age_max: Duration,
    /// The longest wait for the bus to confirm an event, before it goes to the spool.
    #[serde(with = "chassis::config::duration")]
    pub confirm_timeout: Duration,
}

impl Spool {
    /// How it is kept.
    #[must_use]
    pub fn settings(&self) -> spool::Settings {
        spool::Settings {
            path: self.path.clone(),
            bytes_max: u64::try_from(self.bytes_max).unwrap_or(u64::MAX),
            age_max: self.age_max,
            wait: self.confirm_timeout,
        }
    }
}
