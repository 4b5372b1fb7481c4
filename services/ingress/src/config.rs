//! The configuration of ingress.

use std::net::SocketAddr;
use std::time::Duration;

use chassis::http::Limits;
use serde::Deserialize;
use url::Url;

use crate::Network;

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
    /// The limits of the listener.
    pub limits: Limits,
}
