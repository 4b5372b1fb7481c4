//! The configuration that the container of a service has: the defaults, over them the file, over that its environment.

use std::collections::BTreeMap;
use std::time::Duration;

use chassis::config::duration;
use serde_json::Value;

use super::rendering::{Rendering, each};

/// The defaults, as the binary has them.
const DEFAULTS: &str = include_str!("../../../services/tropomq/src/default.toml");

/// What a container is configured by.
pub(super) struct Effective {
    /// Its environment, without what it gets from secrets.
    pub(super) environment: BTreeMap<String, String>,
    /// The configuration file.
    pub(super) file: String,
}

impl Effective {
    /// That of a container of tropomq.
    ///
    /// # Errors
    /// What it refers to and is not there.
    pub(super) fn of(rendering: &Rendering, container: &Value) -> Result<Self, String> {
        let mut environment = BTreeMap::new();
        for from in each(&container["envFrom"]) {
            let name = from["configMapRef"]["name"].as_str().unwrap_or_default();
            let map = rendering.find("ConfigMap", name).ok_or_else(|| format!("there is no ConfigMap {name:?}"))?;
            for (variable, value) in map.at("/data").as_object().into_iter().flatten() {
                environment.insert(variable.clone(), value.as_str().unwrap_or_default().to_owned());
            }
        }
        for variable in each(&container["env"]) {
            if let (Some(name), Some(value)) = (variable["name"].as_str(), variable["value"].as_str()) {
                environment.insert(name.to_owned(), value.to_owned());
            }
        }
        let map = rendering.find("ConfigMap", "tropomq-config").ok_or("there is no ConfigMap tropomq-config")?;
        Ok(Self { environment, file: map.text("/data/tropomq.toml").to_owned() })
    }

    /// The value of a key, as in `admin.listen`.
    pub(super) fn get(&self, key: &str) -> Option<String> {
        let variable = format!("TROPOMQ__{}", key.to_uppercase().replace('.', "__"));
        let in_toml = |words: &str| {
            let table = toml::Value::Table(words.parse().unwrap());
            let found = key.split('.').try_fold(&table, |table, part| table.get(part))?;
            found.as_str().map(str::to_owned)
        };
        self.environment.get(&variable).cloned().or_else(|| in_toml(&self.file)).or_else(|| in_toml(DEFAULTS))
    }

    pub(super) fn duration(&self, key: &str) -> Duration {
        duration::parse(&self.get(key).unwrap_or_default()).unwrap_or_else(|| panic!("{key} is no duration"))
    }

    /// The port of a listener.
    pub(super) fn port(&self, service: &str) -> Option<u64> {
        port(&self.get(&format!("{service}.listen"))?)
    }
}

/// The port of a listener by default.
pub(super) fn default_port(service: &str) -> Option<u64> {
    let none = Effective { environment: BTreeMap::new(), file: String::new() };
    none.port(service)
}

/// The backends of a configuration file, and whether each has a rate.
pub(super) fn backends(file: &str) -> Vec<(String, bool)> {
    let table: toml::Table = file.parse().unwrap();
    let backends = table.get("backends").and_then(toml::Value::as_table).into_iter().flatten();
    backends.map(|(name, backend)| (name.clone(), backend.get("rate").is_some())).collect()
}

fn port(address: &str) -> Option<u64> {
    address.rsplit_once(':')?.1.parse().ok()
}
