//! `[ticket]`: the keys that sign tickets.

use std::collections::BTreeMap;
use std::fs;
use std::io::{ErrorKind, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::PathBuf;

use chassis::config::ConfigError;
use messaging::Environment;
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use tropo::ticket::{Key, Keyring};

/// The id of the key in the key file.
const FILE_KEY: &str = "file";

/// `[ticket]`
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Ticket {
    pub(crate) key_file: PathBuf,
    #[serde(default)]
    pub(crate) signing_key: Option<String>,
    #[serde(default)]
    pub(crate) keys: BTreeMap<String, SecretString>,
}

impl Ticket {
    /// The configured keys, or else the one in the key file.
    ///
    /// # Errors
    /// [`ConfigError`] when there are none, or one is not usable.
    pub(crate) fn keyring(&self) -> Result<Keyring, ConfigError> {
        if self.keys.is_empty() {
            return self.file_keyring();
        }
        let signing = match &self.signing_key {
            Some(id) if self.keys.contains_key(id) => id,
            Some(id) => {
                let told = format!("names {id:?}, which is not under ticket.keys; there are: {}", self.ids());
                return Err(ConfigError::of_key("ticket.signing_key", told));
            }
            None => match self.keys.keys().next() {
                Some(only) if self.keys.len() == 1 => only,
                Some(_) | None => {
                    let told = "must say which of the ticket.keys signs, now that there are several";
                    return Err(ConfigError::of_key("ticket.signing_key", told));
                }
            },
        };
        let mut keys: Vec<_> = self.keys.iter().collect();
        keys.sort_by_key(|(id, _)| *id != signing);
        let key = |(id, secret): (&String, &SecretString)| {
            Key::new(id.clone(), secret.expose_secret().as_bytes())
                .map_err(|error| ConfigError::of_key(format!("ticket.keys.{id}"), error.to_string()))
        };
        let keys = keys.into_iter().map(key).collect::<Result<Vec<_>, _>>()?;
        Keyring::new(keys).map_err(|error| ConfigError::of_key("ticket.keys", error.to_string()))
    }

    fn ids(&self) -> String {
        self.keys.keys().map(String::as_str).collect::<Vec<_>>().join(", ")
    }

    fn file_keyring(&self) -> Result<Keyring, ConfigError> {
        let file = self.key_file.display();
        let secret = fs::read(&self.key_file).map_err(|error| match error.kind() {
            ErrorKind::NotFound => ConfigError::of_key(
                "ticket.keys",
                format!("holds no key, and {file} does not exist: set ticket.keys.NAME to a secret shared by all replicas (openssl rand -hex 32)"),
            ),
            _ => ConfigError::of_key("ticket.key_file", format!("cannot be read: {file}: {error}")),
        })?;
        let key = Key::new(FILE_KEY, secret.trim_ascii());
        let keyring = key.and_then(|key| Keyring::new(vec![key]));
        keyring.map_err(|error| ConfigError::of_key("ticket.key_file", format!("{file}: {error}")))
    }

    /// Makes the key file, unless keys are configured or it exists.
    ///
    /// # Errors
    /// [`ConfigError`] when it cannot be written.
    pub(crate) fn make_key_file(&self, environment: &Environment) -> Result<(), ConfigError> {
        if !self.keys.is_empty() || self.key_file.exists() {
            return Ok(());
        }
        let write = || -> std::io::Result<()> {
            if let Some(folder) = self.key_file.parent() {
                // For its owner alone: bus and ledger are made beside the key.
                fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
            }
            let mut options = fs::OpenOptions::new();
            let mut file = options.write(true).create_new(true).mode(0o600).open(&self.key_file)?;
            writeln!(file, "{:032x}{:032x}", environment.chance.bits(), environment.chance.bits())?;
            file.sync_all()
        };
        write().map_err(|error| {
            let file = self.key_file.display();
            ConfigError::of_key("ticket.key_file", format!("cannot be made: {file}: {error}"))
        })
    }
}
