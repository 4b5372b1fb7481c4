//! The configuration of the console.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use chassis::http::Limits;
use secrecy::SecretString;
use serde::Deserialize;
use url::Url;

use crate::guard::Scope;

/// The `[console]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Where pages and API are served.
    pub listen: SocketAddr,
    /// The names, without a port, under which browsers are served, beside localhost and IP addresses.
    #[serde(default)]
    pub hosts: Vec<String>,
    /// How long somebody stays signed in.
    #[serde(with = "chassis::config::duration")]
    pub session_max: Duration,
    /// How long requests with an idempotency key, and who did what, are remembered.
    #[serde(with = "chassis::config::duration")]
    pub retention: Duration,
    /// The simulator that stands in for Tropo, where there is one: for phones and Tropo's log.
    #[serde(default)]
    pub simulator: Option<Url>,
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

/// What of the configuration cannot be.
#[derive(Debug, thiserror::Error)]
#[error("{key}: {told}")]
pub struct ConfigError {
    /// The key below `console`.
    pub key: String,
    /// What is wrong, and how to mend it.
    pub told: String,
}
