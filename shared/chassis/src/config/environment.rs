//! From the name of an environment variable to the key that it sets.

use std::ffi::OsString;
use std::path::Path;

use toml::Table;

use super::merged::Merged;
use super::{ConfigError, Origin};

/// How the name of every variable of ours begins.
pub const PREFIX: &str = "TROPOMQ__";

/// The last name of a variable whose value stands in a file.
const FILE: &str = "FILE";

/// Our variables in the environment of this process.
pub(super) fn of_process() -> Result<Vec<(String, String)>, ConfigError> {
    let ours = std::env::vars_os().filter_map(|(name, value)| Some((name.into_string().ok()?, value)));
    ours.filter(|(name, _)| without_prefix(name).is_some())
        .map(|(name, value)| match OsString::into_string(value) {
            Ok(value) => Ok((name, value)),
            Err(_) => Err(ConfigError::new(None, Some(&Origin::Environment(name)), "the value is not UTF-8")),
        })
        .collect()
}

/// Lays the variables over what is merged so far, in the order of their names.
pub(super) fn apply(merged: &mut Merged, mut variables: Vec<(String, String)>) -> Result<(), ConfigError> {
    variables.sort();
    for (name, value) in variables {
        let Some(key) = without_prefix(&name) else { continue };
        let names: Vec<&str> = key.split("__").collect();
        let origin = Origin::Environment(name.clone());
        if names.iter().any(|name| name.is_empty()) {
            let problem = "the name has nothing between two `__`, or after the last";
            return Err(ConfigError::new(None, Some(&origin), problem));
        }
        let (path, value) = match names.as_slice() {
            [place @ .., last] if last.eq_ignore_ascii_case(FILE) && !place.is_empty() => {
                let own_key = resolve(merged.table(), &names, &origin)?;
                if merged.has(&own_key) {
                    (own_key, value)
                } else {
                    let path = resolve(merged.table(), place, &origin)?;
                    // A default of the environment, which a secret's file is then laid over.
                    merged.give_way(&path, &name);
                    (path, read(&value, &origin)?)
                }
            }
            _ => (resolve(merged.table(), &names, &origin)?, value),
        };
        merged.set(&path, value, &origin)?;
    }
    Ok(())
}

/// The variable that sets a key, for a message that tells how to mend it.
pub(super) fn variable_of(path: &[String]) -> String {
    let names: Vec<String> = path.iter().map(|key| key.replace('-', "_").to_ascii_uppercase()).collect();
    format!("{PREFIX}{}", names.join("__"))
}

fn without_prefix(name: &str) -> Option<&str> {
    let (prefix, key) = name.split_at_checked(PREFIX.len())?;
    prefix.eq_ignore_ascii_case(PREFIX).then_some(key)
}

/// The path of the key: names that are there as they are there, others as the rule of this module has them.
fn resolve(table: &Table, names: &[&str], origin: &Origin) -> Result<Vec<String>, ConfigError> {
    let mut here = Some(table);
    let mut path = Vec::with_capacity(names.len());
    for (index, name) in names.iter().enumerate() {
        let mut existing = here.into_iter().flat_map(Table::keys).filter(|key| snake(key) == snake(name));
        let key = match (existing.next(), existing.next()) {
            (Some(key), None) => key.clone(),
            (Some(key), Some(other)) => {
                let problem = format!("the name fits both `{key}` and `{other}`: set it in the file");
                return Err(ConfigError::new(None, Some(origin), problem));
            }
            (None, _) if index == 0 || index + 1 == names.len() => snake(name),
            (None, _) => snake(name).replace('_', "-"),
        };
        here = here.and_then(|table| table.get(&key)).and_then(toml::Value::as_table);
        path.push(key);
    }
    Ok(path)
}

fn snake(name: &str) -> String {
    name.replace('-', "_").to_ascii_lowercase()
}

/// The value in a file, without the line end that closes it.
fn read(path: &str, origin: &Origin) -> Result<String, ConfigError> {
    let text = std::fs::read_to_string(Path::new(path))
        .map_err(|error| ConfigError::new(None, Some(origin), format!("cannot read the file {path}: {error}")))?;
    let value = text.strip_suffix('\n').unwrap_or(&text);
    Ok(value.strip_suffix('\r').unwrap_or(value).to_owned())
}
