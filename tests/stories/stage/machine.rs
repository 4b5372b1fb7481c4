//! What a container gets for free, on one machine: names of other containers, an address of its own, and its mounts.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::PathBuf;

use toml::{Table, Value};

/// Who a container means by itself.
const ITSELF: [&str; 2] = ["0.0.0.0", "127.0.0.1"];

/// Where names lead to on this machine.
#[derive(Default)]
pub(crate) struct Machine {
    /// The names of containers.
    pub(crate) names: BTreeMap<String, Ipv4Addr>,
    /// URLs of what is no container here, and what takes the place of each.
    pub(crate) servers: BTreeMap<String, String>,
}

/// A container, on this machine.
pub(crate) struct Place<'a> {
    pub(crate) machine: &'a Machine,
    pub(crate) address: Ipv4Addr,
    /// What is mounted in it, and where that is here.
    pub(crate) mounts: BTreeMap<String, PathBuf>,
    /// What was translated: the variable or key, and what in its value.
    pub(crate) translated: BTreeSet<(String, String)>,
}

impl Place<'_> {
    /// A value of the container, on this machine. `key`: the variable or key that has it.
    ///
    /// # Errors
    /// It names something that is not known here.
    pub(crate) fn translate(&mut self, key: &str, value: &str) -> Result<String, String> {
        let unknown = |what: &str| Err(format!("{key}: nobody knows what takes the place of {what} on this machine"));
        if value.starts_with('/') {
            let Some(here) = self.mounts.get(value) else { return unknown(value) };
            let here = here.display().to_string();
            self.note(key, value);
            return Ok(here);
        }
        let (is_url, rest) = value.split_once("://").map_or((false, value), |(_, rest)| (true, rest));
        let authority = rest.split('/').next().unwrap_or_default();
        let place = authority.rsplit_once('@').map_or(authority, |(_, place)| place);
        let address = place.rsplit_once(':').filter(|(_, port)| port.parse::<u16>().is_ok());
        let translated = match (self.machine.servers.get(value), address) {
            (Some(url), _) => url.clone(),
            (None, Some((host, port))) => {
                let here = if ITSELF.contains(&host) { Some(&self.address) } else { self.machine.names.get(host) };
                let Some(here) = here else { return unknown(place) };
                value.replacen(place, &format!("{here}:{port}"), 1)
            }
            // All of ours listen at ports that are no scheme's.
            (None, None) if is_url => return unknown(place),
            (None, None) => return Ok(value.to_owned()),
        };
        self.note(key, place);
        Ok(translated)
    }

    /// The arguments of a command of the container, which is one of ours.
    ///
    /// # Errors
    /// As [`Place::translate`], or it is another program.
    pub(crate) fn translate_command(&mut self, key: &str, command: &[String]) -> Result<Vec<String>, String> {
        match command {
            [program, arguments @ ..] if program == "tropomq" => {
                arguments.iter().map(|argument| self.translate(key, argument)).collect()
            }
            _ => Err(format!("{key}: {command:?} is no command of tropomq")),
        }
    }

    /// A configuration file of the container.
    ///
    /// # Errors
    /// As [`Place::translate`].
    pub(crate) fn translate_file(&mut self, written: &str) -> Result<String, String> {
        let mut settings: Table = written.parse().map_err(|error| format!("{error}"))?;
        for (key, value) in &mut settings {
            self.translate_setting(key, value)?;
        }
        Ok(settings.to_string())
    }

    fn translate_setting(&mut self, key: &str, value: &mut Value) -> Result<(), String> {
        match value {
            Value::String(text) => *text = self.translate(key, text)?,
            Value::Array(values) => values.iter_mut().try_for_each(|value| self.translate_setting(key, value))?,
            Value::Table(table) => {
                for (inner, value) in table {
                    self.translate_setting(&format!("{key}.{inner}"), value)?;
                }
            }
            Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Datetime(_) => {}
        }
        Ok(())
    }

    fn note(&mut self, key: &str, what: &str) {
        self.translated.insert((key.to_owned(), what.to_owned()));
    }
}
