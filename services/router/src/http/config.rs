//! `[router.http.NAME]`: an application behind HTTP.

use std::fmt;
use std::time::Duration;

use chassis::network::Network;
use protocol::Phase;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use super::way::Reach;

/// `[router.http.NAME]`.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct HttpConfig {
    /// Where texts are posted to.
    pub url: Url,
    /// What both sides sign with; two, with a blank between, while one takes the place of the other.
    pub secret: SecretString,
    /// The phases in which it takes part.
    #[serde(default = "handle_alone")]
    pub phases: Vec<Phase>,
    /// It is asked about texts that begin with these words alone; about all where neither this nor the next is set.
    #[serde(default)]
    pub words: Vec<String>,
    /// And about those that match this regular expression as a whole.
    pub pattern: Option<String>,
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

impl fmt::Debug for HttpConfig {
    /// Shows no address: there may be a secret in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpConfig")
            .field("phases", &self.phases)
            .field("words", &self.words)
            .field("pattern", &self.pattern)
            .field("timeout", &self.timeout)
            .field("give_up_after", &self.give_up_after)
            .field("on_error", &self.on_error)
            .finish_non_exhaustive()
    }
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
        self.reach().check()?;
        if !self.url.username().is_empty() || self.url.password().is_some() {
            return wrong("url", "must not hold a name or password: questions are signed with secret");
        }
        let asked = [Phase::Filter, Phase::Parse, Phase::Handle, Phase::Default];
        if self.phases.is_empty() || !self.phases.iter().all(|phase| asked.contains(phase)) {
            return wrong("phases", "must be some of filter, parse, handle and default: in the others nobody is asked");
        }
        Ok(())
    }

    /// How it is reached.
    pub(super) fn reach(&self) -> Reach<'_> {
        Reach {
            url: &self.url,
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            concurrency: self.concurrency,
            give_up_after: self.give_up_after,
            allow_private: self.allow_private,
            allow: &self.allow,
            idle_connections: self.concurrency.into(),
        }
    }
}
