//! What the services of a run are configured with: the product's own defaults, and shorter times.

use std::collections::BTreeMap;
use std::time::Duration;

use egress::OnUnconfirmed;
use protocol::BackendName;
use protocol::topology::{Lane, Topology};
use secrecy::SecretString;
use serde::de::DeserializeOwned;
use toml::{Table, Value};
use tropo::ticket::{Key, Keyring};

/// The backend that sends again what stays unconfirmed.
pub(crate) const RESENDING: &str = "resending";

const DEFAULTS: &str = include_str!("../../services/tropomq/src/default.toml");

/// What is tuned, so that a run is short.
const TUNED: &str = r#"
[router]
applications = ["echo"]
[egress]
callback_timeout = "5s"
result_timeout = "15s"
reconcile_interval = "500ms"
prefetch = 8
[egress.retry]
longest = "10s"
"#;

pub(crate) struct Settings {
    pub(crate) ingress: ingress::Config,
    pub(crate) router: router::Config,
    pub(crate) egress: egress::Config,
    pub(crate) backends: BTreeMap<BackendName, egress::Backend>,
    pub(crate) keyring: Keyring,
    pub(crate) drain: Duration,
}

impl Settings {
    /// Three backends: one sends as fast as it goes, one at a rate and in order, one again what stays unconfirmed.
    pub(crate) fn new() -> Self {
        let (mut settings, tuned): (Table, Table) = (DEFAULTS.parse().unwrap(), TUNED.parse().unwrap());
        lay_over(&mut settings, tuned);
        let backend = |name: &str, rate, on_unconfirmed| {
            let messaging_token = SecretString::from(format!("token of {name}"));
            let number = "15555550100".parse().unwrap();
            let (session_api, is_probe) = (None, false);
            let backend = egress::Backend { messaging_token, number, rate, on_unconfirmed, session_api, is_probe };
            (name.parse().unwrap(), backend)
        };
        let key = Key::new("sim", b"a key for the simulation, of no other use").unwrap();
        Self {
            ingress: table(&settings, "ingress"),
            router: table(&settings, "router"),
            egress: table(&settings, "egress"),
            backends: BTreeMap::from([
                backend("plain", None, OnUnconfirmed::Hold),
                backend("paced", Some(2.0), OnUnconfirmed::Hold),
                backend(RESENDING, None, OnUnconfirmed::Resend),
            ]),
            keyring: Keyring::new(vec![key]).unwrap(),
            drain: Duration::from_secs(3),
        }
    }

    pub(crate) fn topology(&self) -> Topology {
        let lane = |(name, backend): (&BackendName, &egress::Backend)| Lane {
            backend: name.clone(),
            single_active_consumer: backend.rate.is_some(),
        };
        Topology::new(&self.backends.iter().map(lane).collect::<Vec<_>>())
    }
}

fn lay_over(table: &mut Table, over: Table) {
    for (key, value) in over {
        match (table.get_mut(&key), value) {
            (Some(Value::Table(under)), Value::Table(value)) => lay_over(under, value),
            (_, value) => drop(table.insert(key, value)),
        }
    }
}

fn table<T: DeserializeOwned>(settings: &Table, name: &str) -> T {
    settings.get(name).unwrap().clone().try_into().unwrap()
}
