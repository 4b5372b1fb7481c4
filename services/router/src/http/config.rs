//! `[router.http.NAME]`: an application behind HTTP.

use std::time::Duration;

use chassis::network::Network;
use protocol::Phase;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

/// The longest that a text may wait for an application: RabbitMQ takes back what is in hand for half an hour.
const GIVE_UP_AFTER_MAX: Duration = Duration::from_mins(25);

/// The longest wait for one answer: a few of them fit into the time in which a stop is done, or a turn is waited for.
const TIMEOUT_MAX: Duration = Duration::from_mins(1);

/// `[router.http.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where texts are posted to.
    pub url: Url,
    /// What both sides sign with; two, with a blank between, while one takes the place of the other.
    pub secret: SecretString,
    /// The phases in which it takes part.
    #[serde(default = "handle_alone")]
    pub phases: Vec<Phase>,
    /// The longest wait for an answer, from the beginning to the last byte.
    #[serde(default = "timeout", with = "chassis::config::duration")]
    pub timeout: Duration,
    /// The longest wait for a connection.
    #[serde(default = "connect_timeout", with = "chassis::config::duration")]
    pub connect_timeout: Duration,
    /// How many questions are under way at once, at most, from each router.
    #[serde(default = "concurrency")]
    pub concurrency: u16,
    /// How long a text waits for it while it is away.
    #[serde(default = "give_up_after", with = "chassis::config::duration")]
    pub give_up_after: Duration,
    /// What becomes of a text to which it says no, or nonsense.
    #[serde(default)]
    pub on_error: OnError,
    /// Whether its address may be one of the inside, and without https then.
    #[serde(default)]
    pub allow_private: bool,
    /// The networks in which it may be, wherever they are, and without https.
    #[serde(default)]
    pub allow: Vec<Network>,
}

/// What becomes of a text to which an application says no, or nonsense.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum OnError {
    /// It goes to the dead letters.
    #[default]
    DeadLetter,
    /// The next application is asked, as if this one had passed.
    Pass,
}

fn handle_alone() -> Vec<Phase> {
    vec![Phase::Handle]
}

fn timeout() -> Duration {
    Duration::from_secs(10)
}

fn connect_timeout() -> Duration {
    Duration::from_secs(2)
}

fn concurrency() -> u16 {
    16
}

fn give_up_after() -> Duration {
    Duration::from_mins(15)
}

impl HttpConfig {
    /// Finds what no single key shows to be wrong.
    ///
    /// # Errors
    /// The key, and what to do.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        let wrong = |key, told: &str| Err((key, told.to_owned()));
        if !matches!(self.url.scheme(), "http" | "https") || !self.url.has_host() {
            return wrong("url", "must be an http or https address, as in https://app.example.com/sms");
        }
        if !self.url.username().is_empty() || self.url.password().is_some() {
            return wrong("url", "must not hold a name or password: questions are signed with secret");
        }
        if self.is_plain() && !self.allow_private && self.allow.is_empty() {
            let told = "is http, so texts would go over the network unencrypted: use https; for an application on this \
                        machine or in a network of your own, set allow_private = true or allow = [\"10.0.3.0/24\"]";
            return wrong("url", told);
        }
        let asked = [Phase::Filter, Phase::Parse, Phase::Handle, Phase::Default];
        if self.phases.is_empty() || !self.phases.iter().all(|phase| asked.contains(phase)) {
            return wrong("phases", "must be some of filter, parse, handle and default: in the others nobody is asked");
        }
        if self.timeout.is_zero() || TIMEOUT_MAX < self.timeout {
            return wrong("timeout", "must be more than 0s, and at most 1m: a slow answer is given later instead");
        }
        if self.connect_timeout.is_zero() {
            return wrong("connect_timeout", "must be more than 0s");
        }
        if self.concurrency == 0 {
            return wrong("concurrency", "must be at least 1: it would never be asked");
        }
        if GIVE_UP_AFTER_MAX < self.give_up_after {
            let told = "must be at most 25m: RabbitMQ takes back what is in hand for longer";
            return wrong("give_up_after", told);
        }
        Ok(())
    }

    /// Whether nothing is encrypted on the way.
    pub(super) fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }
}
