//! `[backends.NAME]`: one Tropo application.

use std::collections::BTreeMap;
use std::sync::Arc;

use chassis::config::ConfigError;
use chassis::network::Network;
use egress::{Client, ClientError, SessionApi};
use protocol::{Address, BackendName, PhoneNumber};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use url::Url;

use super::is_http;

/// The backends by name.
pub(crate) type Backends = BTreeMap<BackendName, Backend>;

/// The lowest rate, in messages a second: one in a quarter of an hour.
const RATE_MIN: f64 = 0.001;

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
    #[serde(default)]
    pub(crate) on_unconfirmed: egress::OnUnconfirmed,
    #[serde(default)]
    pub(crate) trust_anyone: bool,
    /// Left out: `egress.session_api`.
    #[serde(default)]
    pub(crate) session_api: Option<Url>,
    /// Whether it is the flow probe's, and nobody else's.
    #[serde(default)]
    pub(crate) probe: bool,
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
        if self.rate.is_some_and(|rate| !rate.is_finite() || rate < RATE_MIN) {
            return wrong("rate", format!("must be at least {RATE_MIN} messages a second; leave it out for no limit"));
        }
        if self.session_api.as_ref().is_some_and(|url| !is_http(url)) {
            return wrong(
                "session_api",
                "must be an http or https address; leave it out for egress.session_api".to_owned(),
            );
        }
        let Some(secret) = &self.webhook_secret else { return Ok(()) };
        let secret = secret.expose_secret();
        if secret.len() < WEBHOOK_SECRET_MIN {
            let told = format!("must be at least {WEBHOOK_SECRET_MIN} characters: openssl rand -hex 16");
            return wrong("webhook_secret", told);
        }
        // It is a segment of a path, and results come back to a path relative to it.
        if !secret.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._~".contains(&byte)) {
            let told = "may hold letters, digits, '-', '.', '_' and '~' alone, for it stands in a URL".to_owned();
            return wrong("webhook_secret", told);
        }
        Ok(())
    }

    /// Whether nothing about a webhook tells that it is Tropo's.
    pub(crate) fn is_open(&self) -> bool {
        self.webhook_secret.is_none() && self.allow_from.is_empty()
    }

    /// What ingress needs to know.
    pub(crate) fn for_ingress(&self) -> ingress::Backend {
        ingress::Backend { webhook_secret: self.webhook_secret.clone(), allow_from: self.allow_from.clone() }
    }

    /// What egress needs to know.
    ///
    /// # Errors
    /// No client can be made for its own session API.
    pub(crate) fn for_egress(&self, config: &egress::Config) -> Result<egress::Backend, ClientError> {
        let session_api = match &self.session_api {
            Some(url) => {
                let client = Client::new(&egress::Config { session_api: url.clone(), ..config.clone() })?;
                Some(Arc::new(client) as Arc<dyn SessionApi>)
            }
            None => None,
        };
        Ok(egress::Backend {
            messaging_token: self.messaging_token.clone(),
            number: self.number.clone(),
            rate: self.rate,
            on_unconfirmed: self.on_unconfirmed,
            session_api,
            is_probe: self.probe,
        })
    }
}

/// Two backends for the flow probe, which sends its texts through one.
pub(super) fn both_for_the_probe(backends: &Backends) -> Option<(&BackendName, &BackendName)> {
    let mut probed = backends.iter().filter(|(_, backend)| backend.probe).map(|(name, _)| name);
    probed.next().zip(probed.next())
}

/// Two backends that one environment variable would name.
pub(super) fn same_variable(backends: &Backends) -> Option<(&BackendName, &BackendName)> {
    let mut known = BTreeMap::new();
    backends.keys().find_map(|name| {
        known.insert(name.as_str().to_ascii_lowercase().replace('-', "_"), name).map(|other| (name, other))
    })
}
