//! `[backends.NAME]`: one Tropo application.

use std::collections::BTreeMap;

use chassis::config::ConfigError;
use ingress::Network;
use protocol::{Address, BackendName, PhoneNumber};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;

/// The backends by name.
pub(crate) type Backends = BTreeMap<BackendName, Backend>;

/// The shortest webhook secret: a shorter one could be found by trying.
const WEBHOOK_SECRET_MIN: usize = 16;

/// One Tropo application.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Backend {
    pub(crate) messaging_token: SecretString,
    /// A telephone number in any spelling, or a short code.
    pub(crate) number: Address,
    #[serde(default)]
    pub(crate) webhook_secret: Option<SecretString>,
    #[serde(default)]
    pub(crate) allow_from: Vec<Network>,
    #[serde(default)]
    pub(crate) rate: Option<f64>,
}

impl Backend {
    pub(super) fn check(&self, name: &BackendName) -> Result<(), ConfigError> {
        let wrong = |key: &str, told: String| Err(ConfigError::of_key(format!("backends.{name}.{key}"), told));
        if self.messaging_token.expose_secret().trim().is_empty() {
            return wrong("messaging_token", "is empty: copy it from the application's page in Tropo".to_owned());
        }
        if !self.number.is_dialable() {
            let told = PhoneNumber::parse(self.number.as_str()).err().map(|error| error.to_string());
            return wrong("number", told.unwrap_or_default());
        }
        if self.rate.is_some_and(|rate| !rate.is_finite() || rate <= 0.0) {
            return wrong("rate", "must be more than 0 messages a second; leave it out for no limit".to_owned());
        }
        match &self.webhook_secret {
            Some(secret) if secret.expose_secret().len() < WEBHOOK_SECRET_MIN => wrong(
                "webhook_secret",
                format!("must be at least {WEBHOOK_SECRET_MIN} characters: openssl rand -hex 16"),
            ),
            Some(_) | None => Ok(()),
        }
    }

    /// What ingress needs to know.
    pub(crate) fn for_ingress(&self) -> ingress::Backend {
        ingress::Backend { webhook_secret: self.webhook_secret.clone(), allow_from: self.allow_from.clone() }
    }

    /// What egress needs to know.
    pub(crate) fn for_egress(&self) -> egress::Backend {
        egress::Backend { messaging_token: self.messaging_token.clone(), number: self.number.clone(), rate: self.rate }
    }
}

/// Two backends that one environment variable would name.
pub(super) fn same_variable(backends: &Backends) -> Option<(&BackendName, &BackendName)> {
    let mut known = BTreeMap::new();
    backends.keys().find_map(|name| {
        known.insert(name.as_str().to_ascii_lowercase().replace('-', "_"), name).map(|other| (name, other))
    })
}
