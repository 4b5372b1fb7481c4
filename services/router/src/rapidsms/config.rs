//! `[router.rapidsms.NAME]`: one RapidSMS project, or one backend of it.

use std::fmt;
use std::time::Duration;

use chassis::network::Network;
use protocol::{Address, BackendName};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use crate::http::way::Reach;

/// One backend of a RapidSMS project.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How it is given the texts.
    pub format: Format,
    /// The view of the project that takes them.
    pub url: Url,
    /// The backend whose texts it gets, and through which it sends; the one of the project's name where left out.
    #[serde(default)]
    pub backend: Option<BackendName>,
    /// The name that it shows when it sends; its own where left out.
    #[serde(default)]
    pub user: Option<String>,
    /// The password that it shows. Without one it cannot send.
    #[serde(default)]
    pub password: Option<SecretString>,
    /// How people's numbers are written for it.
    #[serde(default)]
    pub identity: Identity,
    /// The field of a person's number, for [`Format::Http`].
    #[serde(default = "identity_name")]
    pub identity_name: String,
    /// The field of a text, for [`Format::Http`].
    #[serde(default = "text_name")]
    pub text_name: String,
    /// The longest wait for the answer to a text; the project sends its replies meanwhile.
    #[serde(default = "timeout", with = "chassis::config::duration")]
    pub timeout: Duration,
    /// How long a text waits for a project that is away.
    #[serde(default = "give_up_after", with = "chassis::config::duration")]
    pub give_up_after: Duration,
    /// The longest wait for a connection.
    #[serde(default = "connect_timeout", with = "chassis::config::duration")]
    pub connect_timeout: Duration,
    /// How many texts it is given at once, at most, by each router.
    #[serde(default = "concurrency")]
    pub concurrency: u16,
    /// Whether its address may be one of the inside, and without https then.
    #[serde(default)]
    pub allow_private: bool,
    /// The networks in which it may be, wherever they are, and without https.
    #[serde(default)]
    pub allow: Vec<Network>,
}

impl fmt::Debug for Config {
    /// Shows no address: there may be a secret in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Config")
            .field("format", &self.format)
            .field("backend", &self.backend)
            .field("timeout", &self.timeout)
            .field("give_up_after", &self.give_up_after)
            .finish_non_exhaustive()
    }
}

/// The backend of RapidSMS whose view takes the texts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Format {
    /// `rapidsms.backends.vumi`: JSON, and replies say which text they answer.
    Vumi,
    /// `rapidsms.backends.kannel`: a query.
    Kannel,
    /// `rapidsms.backends.http`: a form, whose fields have names of the project's choice. It only receives.
    Http,
}

/// How people's numbers are written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Identity {
    /// Digits alone, as Tropo wrote them: people whom the project knows from its days with Tropo stay who they are.
    #[default]
    Digits,
    /// With a `+` before them.
    Plus,
}

/// As RapidSMS itself has it.
fn identity_name() -> String {
    "identity".to_owned()
}

/// As RapidSMS itself has it.
fn text_name() -> String {
    "text".to_owned()
}

fn timeout() -> Duration {
    Duration::from_secs(30)
}

fn connect_timeout() -> Duration {
    Duration::from_secs(2)
}

fn give_up_after() -> Duration {
    Duration::from_mins(15)
}

fn concurrency() -> u16 {
    16
}

/// The shortest password: a shorter one could be found by trying.
const PASSWORD_MIN: usize = 16;

impl Config {
    /// Finds what no single key shows to be wrong.
    ///
    /// # Errors
    /// The key, and what to do.
    pub(super) fn check(&self) -> Result<(), (&'static str, String)> {
        self.reach().check()?;
        let wrong = |key, told: &str| Err((key, told.to_owned()));
        if self.password.as_ref().is_some_and(|password| password.expose_secret().len() < PASSWORD_MIN) {
            return wrong("password", "must be at least 16 characters: openssl rand -hex 16");
        }
        if self.identity_name == self.text_name {
            return wrong("text_name", "is the same as identity_name: each field needs a name of its own");
        }
        Ok(())
    }

    /// How the project is reached.
    pub(super) fn reach(&self) -> Reach<'_> {
        Reach {
            url: &self.url,
            timeout: self.timeout,
            connect_timeout: self.connect_timeout,
            concurrency: self.concurrency,
            give_up_after: self.give_up_after,
            allow_private: self.allow_private,
            allow: &self.allow,
            // Its server may close an idle one at any moment, and what is written then may have been read.
            idle_connections: 0,
        }
    }

    /// The backend that it is about, of the project of that name.
    #[must_use]
    pub fn backend<'a>(&'a self, name: &'a BackendName) -> &'a BackendName {
        self.backend.as_ref().unwrap_or(name)
    }

    /// How the project knows a person.
    pub(super) fn identity<'a>(&self, person: &'a Address) -> &'a str {
        match (self.identity, person) {
            (Identity::Digits, Address::Phone(number)) => number.digits(),
            (Identity::Plus, Address::Phone(_)) | (_, Address::ShortCode(_) | Address::Name(_) | Address::Withheld) => {
                person.as_str()
            }
        }
    }
}
