//! The configuration of the console.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use chassis::http::Limits;
use chassis::network::Network;
use protocol::probe::LIFE;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::guard::{self, Scope};

/// The `[console]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where pages and API are served.
    pub listen: SocketAddr,
    /// The names, without a port, under which browsers are served, beside localhost and IP addresses.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// Proxies before the console: whom they saw is read from the right of `X-Forwarded-For`.
    #[serde(default)]
    pub trusted_proxies: Vec<Network>,
    /// How long somebody stays signed in.
    #[serde(with = "chassis::config::duration")]
    pub session_max: Duration,
    /// How long requests with an idempotency key, and who did what, are remembered.
    #[serde(with = "chassis::config::duration")]
    pub retention: Duration,
    /// The simulator that stands in for Tropo, where there is one: for phones and Tropo's log.
    #[serde(default)]
    pub simulator: Option<Url>,
    /// `[console.probe]`: the text that goes round.
    pub probe: ProbeConfig,
    /// The admin addresses of the stack's processes, by a name for each: their state is shown.
    #[serde(default)]
    pub watch: BTreeMap<String, Url>,
    /// `[console.users.NAME]`: who may sign in.
    #[serde(default)]
    pub users: BTreeMap<String, User>,
    /// `[console.tokens.NAME]`: which programs may ask.
    #[serde(default)]
    pub tokens: BTreeMap<String, Token>,
    /// The limits of the listener.
    pub limits: Limits,
}

/// `[console.probe]`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct ProbeConfig {
    /// How long between two texts.
    #[serde(with = "chassis::config::duration")]
    pub interval: Duration,
    /// What takes longer to come round is late.
    #[serde(with = "chassis::config::duration")]
    pub timeout: Duration,
}

/// `[console.users.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct User {
    /// The Argon2id hash of the password, as `tropomq password` prints it.
    pub password_hash: SecretString,
    /// What the user may do.
    pub scopes: Vec<Scope>,
}

/// `[console.tokens.NAME]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Token {
    /// The secret that the program shows, at least 32 characters.
    pub token: SecretString,
    /// What the program may do.
    pub scopes: Vec<Scope>,
}

/// The shortest time between two texts of the flow probe.
const PROBE_INTERVAL_MIN: Duration = Duration::from_millis(100);

/// The shortest token: as many characters as 128 bits have in hexadecimal.
const TOKEN_CHARS_MIN: usize = 32;

impl Config {
    /// Finds what cannot be.
    ///
    /// # Errors
    /// [`ConfigError`] names the key, and says how to mend it.
    pub fn check(&self) -> Result<(), ConfigError> {
        let refused = |key: String, told: &str| Err(ConfigError { key, told: told.to_owned() });
        for (name, user) in &self.users {
            if !guard::is_hash(&user.password_hash) {
                let told = "is no Argon2id hash: give what `tropomq password` prints, in single quotes";
                return refused(format!("users.{name}.password_hash"), told);
            }
        }
        for (name, token) in &self.tokens {
            if token.token.expose_secret().chars().count() < TOKEN_CHARS_MIN {
                let told = "is shorter than 32 characters: openssl rand -hex 32 makes one";
                return refused(format!("tokens.{name}.token"), told);
            }
            if self.users.contains_key(name) {
                let told = "is the name of a user, too: it would not be known which of them did something";
                return refused(format!("tokens.{name}"), told);
            }
        }
        let users = self.users.iter().map(|(name, user)| (format!("users.{name}.scopes"), &user.scopes));
        let tokens = self.tokens.iter().map(|(name, token)| (format!("tokens.{name}.scopes"), &token.scopes));
        if let Some((key, _)) = users.chain(tokens).find(|(_, scopes)| scopes.is_empty()) {
            return refused(key, "is empty: name one at least, of read, people, send and operate");
        }
        if self.probe.interval < PROBE_INTERVAL_MIN {
            return refused("probe.interval".to_owned(), "must be at least 100ms: there would be little else to do");
        }
        if self.probe.timeout.is_zero() || LIFE < self.probe.timeout {
            let told = "must be more than 0s, and at most 30s: an older text of the probe is not answered any more";
            return refused("probe.timeout".to_owned(), told);
        }
        if !self.listen.ip().is_loopback() && self.users.is_empty() && self.tokens.is_empty() {
            let told = "is beyond this machine, and there are neither console.users nor console.tokens: anybody could \
                        read and send messages. Configure a user (tropomq password), or listen on 127.0.0.1";
            return refused("listen".to_owned(), told);
        }
        Ok(())
    }
}

/// What of the configuration cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {told}")]
pub struct ConfigError {
    /// The key below `console`.
    pub key: String,
    /// What is wrong, and how to mend it.
    pub told: String,
}
