//! The configuration of egress.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use protocol::Address;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::SessionApi;

/// The `[egress]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where ingress forwards call-backs to.
    pub listen: SocketAddr,
    /// Tropo's session API.
    pub session_api: Url,
    /// The longest wait for a connection to it.
    #[serde(with = "chassis::config::duration")]
    pub connect_timeout: Duration,
    /// The longest wait for its answer.
    #[serde(with = "chassis::config::duration")]
    pub request_timeout: Duration,
    /// How long after its create reply a session is waited for to call back, before another is created.
    #[serde(with = "chassis::config::duration")]
    pub callback_timeout: Duration,
    /// How long after the release a result is waited for, before the message is unconfirmed.
    #[serde(with = "chassis::config::duration")]
    pub result_timeout: Duration,
    /// How long a message is worth sending, where it does not say.
    #[serde(with = "chassis::config::duration")]
    pub time_to_live: Duration,
    /// How long a release is remembered after its message ended. No message is sent later than this after it was
    /// commanded, whatever it says itself: nobody would know any more whether it was released.
    #[serde(with = "chassis::config::duration")]
    pub retention: Duration,
    /// How often other replicas' releases are looked up for what is waited for here.
    #[serde(with = "chassis::config::duration")]
    pub reconcile_interval: Duration,
    /// How many messages of a backend are under way at once, at most.
    pub prefetch: u16,
    /// The limits of the listener.
    pub limits: chassis::http::Limits,
    /// `[egress.retry]`: when what failed for a time is tried again.
    pub retry: Retry,
}

/// `[egress.retry]`.
#[derive(Clone, Copy, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Retry {
    /// The first wait; it doubles with each attempt.
    #[serde(with = "chassis::config::duration")]
    pub first: Duration,
    /// The longest wait.
    #[serde(with = "chassis::config::duration")]
    pub longest: Duration,
}

/// What egress needs to know of a backend.
#[derive(Clone, Debug)]
pub struct Backend {
    /// The token of the application's messaging URL.
    pub messaging_token: SecretString,
    /// The number that messages come from, where they do not say.
    pub number: Address,
    /// At most so many messages a second, over all replicas; their order is kept then.
    pub rate: Option<f64>,
    /// What is done with a message that was released and got no result in its time.
    pub on_unconfirmed: OnUnconfirmed,
    /// Its own session API, where that is another than that of the rest.
    pub session_api: Option<Arc<dyn SessionApi>>,
    /// Whether it is the flow probe's. What of it comes to no end in time is no dead letter: nobody wants it later.
    pub is_probe: bool,
}

/// What is done with a message that was released and got no result in its time. Whether Tropo read the document, and
/// texted, cannot be known then.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OnUnconfirmed {
    /// It is left alone: nobody is texted twice, and somebody perhaps not at all.
    #[default]
    Hold,
    /// It is sent again, a few times at most and while it is worth sending: somebody is perhaps texted twice.
    Resend,
}
