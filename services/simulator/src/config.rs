//! The configuration of the simulator.

use std::collections::BTreeMap;
use std::fmt;
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

use chassis::http::Limits;
use protocol::{Address, Network};
use secrecy::SecretString;
use serde::{Deserialize, Serialize};
use url::Url;

use crate::knobs::Knobs;

/// The `[simulator]` table. Every key may be left out.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the session API, the phones and the debugger are.
    pub listen: SocketAddr,
    /// The names that browsers may use for it, beside `localhost` and IP addresses; without a port.
    pub hosts: Vec<String>,
    /// The longest wait for an application to answer a webhook.
    #[serde(with = "chassis::config::duration")]
    pub webhook_timeout: Duration,
    /// The longest life of a session; then the platform hangs up.
    #[serde(with = "chassis::config::duration")]
    pub session_max: Duration,
    /// How many sessions may be under way at once; further ones are refused.
    pub sessions_max: usize,
    /// How many ended sessions are remembered; the oldest are forgotten first.
    pub sessions_kept: usize,
    /// How many lines the debugger keeps; the oldest are forgotten first.
    pub debugger_lines: usize,
    /// How many messages all phones together keep of those that they received, and of those that they sent; the oldest
    /// are forgotten first.
    pub phone_messages: usize,
    /// The file in which applications, webhooks and phones outlive the process; without it they are in memory alone.
    pub state: Option<PathBuf>,
    /// `[simulator.provisioning]`: who may change applications over Tropo's REST API; anybody where left out.
    pub provisioning: Option<Credentials>,
    /// `[simulator.applications.NAME]`: the applications that are there from the start.
    pub applications: BTreeMap<String, ApplicationConfig>,
    /// `[simulator.knobs]`: how it misbehaves from the start.
    pub knobs: Knobs,
    /// The limits of the listener.
    pub limits: Limits,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8089)),
            hosts: Vec::new(),
            webhook_timeout: Duration::from_secs(10),
            session_max: Duration::from_secs(4 * 60 * 60),
            sessions_max: 10_000,
            sessions_kept: 100_000,
            debugger_lines: 100_000,
            phone_messages: 100_000,
            state: None,
            provisioning: None,
            applications: BTreeMap::new(),
            knobs: Knobs::default(),
            // Launches by GET carry whole programs in their first line, and each virtual phone may hold a connection.
            limits: Limits {
                connections_max: 4096,
                header_bytes_max: 64 * 1024,
                body_bytes_max: 1024 * 1024,
                ..Limits::default()
            },
        }
    }
}

/// The name and password of an account.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Credentials {
    /// The account's name.
    pub name: String,
    /// Its password.
    pub password: SecretString,
}

/// A Tropo application: where its webhooks go, what launches it, and which numbers it owns.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ApplicationConfig {
    /// Where text sessions, and sessions launched with the messaging token, are posted.
    pub messaging_url: Url,
    /// The outbound token for messaging; without it nothing can be launched.
    #[serde(default)]
    pub messaging_token: Option<Token>,
    /// The numbers it owns. Messages come from the first where they do not say.
    #[serde(default)]
    pub numbers: Vec<Address>,
    /// Where sessions launched with the voice token are posted; the messaging URL where left out.
    #[serde(default)]
    pub voice_url: Option<Url>,
    /// The outbound token for voice.
    #[serde(default)]
    pub voice_token: Option<Token>,
    /// The account; applications of one account may send from each other's numbers.
    #[serde(default = "account")]
    pub account_id: String,
    /// Who it is on other networks than the telephone's.
    #[serde(default)]
    pub im: Vec<ImUser>,
    /// What Tropo billed it as. Nothing depends on it.
    #[serde(default)]
    pub partition: Partition,
}

/// A user of an instant messaging network.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ImUser {
    /// The network.
    pub network: Network,
    /// The name there.
    pub name: Address,
}

/// Shows the network: the name may be a person's.
impl fmt::Debug for ImUser {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("ImUser").field("network", &self.network).finish_non_exhaustive()
    }
}

/// What Tropo billed an application as.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Partition {
    /// In development: free.
    #[default]
    Staging,
    /// At work.
    Production,
}

fn account() -> String {
    "70001".to_owned()
}

impl ApplicationConfig {
    /// An application with a messaging URL, its token and its numbers, in the default account.
    #[must_use]
    pub fn new(messaging_url: Url, messaging_token: Token, numbers: Vec<Address>) -> Self {
        Self { messaging_token: Some(messaging_token), numbers, ..Self::at(messaging_url) }
    }

    /// An application that has a messaging URL and nothing else, in the default account.
    pub(crate) fn at(messaging_url: Url) -> Self {
        Self {
            messaging_url,
            messaging_token: None,
            numbers: Vec::new(),
            voice_url: None,
            voice_token: None,
            account_id: account(),
            im: Vec::new(),
            partition: Partition::default(),
        }
    }

    /// All addresses that reach it.
    pub(crate) fn addresses(&self) -> impl Iterator<Item = &Address> {
        self.numbers.iter().chain(self.im.iter().map(|user| &user.name))
    }

    /// Who it is where a message does not say who it comes from.
    pub(crate) fn sender_on(&self, network: &Network) -> Option<&Address> {
        let user = self.im.iter().find(|user| user.network == *network).map(|user| &user.name);
        // An application may own names as well as numbers.
        let on_telephone = matches!(network.as_str(), "SMS" | "MMS");
        let fitting = || self.numbers.iter().find(|number| number.is_dialable() == on_telephone);
        user.or_else(fitting).or_else(|| self.numbers.first())
    }
}

/// Shows what is no secret: the URLs may hold one, too.
impl fmt::Debug for ApplicationConfig {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { numbers, account_id, .. } = self;
        let mut shown = f.debug_struct("ApplicationConfig");
        shown.field("numbers", numbers).field("account_id", account_id).finish_non_exhaustive()
    }
}

/// An outbound token: whoever has it can launch sessions. A secret, opaque, never empty.
#[derive(Clone, PartialEq, Eq, Hash, Deserialize)]
#[serde(try_from = "String")]
pub struct Token(String);

/// A token cannot be empty.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("token is empty")]
pub struct EmptyToken;

impl Token {
    /// The token itself.
    #[must_use]
    pub fn expose(&self) -> &str {
        &self.0
    }
}

impl TryFrom<String> for Token {
    type Error = EmptyToken;

    fn try_from(written: String) -> Result<Self, EmptyToken> {
        if written.trim().is_empty() { Err(EmptyToken) } else { Ok(Self(written)) }
    }
}

/// Shows nothing of it.
impl fmt::Debug for Token {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Token(..)")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const WRITTEN: &str = r#"{
        "webhook_timeout": "250ms",
        "state": "/var/lib/tropo.json",
        "provisioning": {"name": "me", "password": "PASSWORD"},
        "applications": {"demo": {"messaging_url": "http://127.0.0.1:9/s3cret", "messaging_token": "TESTTOKEN",
                                  "numbers": ["+1-555-555-0100"]}},
        "knobs": {"bad_token": "403", "create_errors": 0.5}
    }"#;

    #[test]
    fn every_key_may_be_left_out_and_none_misspelt() {
        let config: Config = serde_json::from_str(WRITTEN).unwrap();
        assert_eq!(config.webhook_timeout, Duration::from_millis(250));
        assert_eq!(config.applications["demo"].numbers[0].as_str(), "+15555550100");
        assert_eq!(config.applications["demo"].account_id, "70001");
        for wrong in [
            r#"{"webhook_timout": "1s"}"#,
            r#"{"applications": {"demo": {"messaging_url": "http://h", "messaging_token": ""}}}"#,
            r#"{"applications": {"demo": {"messaging_token": "T"}}}"#,
            r#"{"applications": {"demo": {"messaging_url": "http://h", "messaging_tokn": "T"}}}"#,
            r#"{"provisioning": {"name": "n"}}"#,
        ] {
            assert!(serde_json::from_str::<Config>(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn debug_shows_no_secret_and_nobody() {
        let shown = format!("{:?}", serde_json::from_str::<Config>(WRITTEN).unwrap());
        for hidden in ["s3cret", "TESTTOKEN", "555555", "PASSWORD"] {
            assert!(!shown.contains(hidden), "{shown}");
        }
    }
}
