//! The layers as one table that remembers where each key came from.

use std::collections::HashMap;

use serde::de::DeserializeOwned;
use toml::{Table, Value};

use super::explain::explain;
use super::{ConfigError, Origin};

#[derive(Default)]
pub(super) struct Merged {
    table: Table,
    origins: HashMap<Vec<String>, Origin>,
}

impl Merged {
    pub(super) fn table(&self) -> &Table {
        &self.table
    }

    /// Lays a whole layer over what is there.
    pub(super) fn overlay(&mut self, layer: Table, origin: &Origin) {
        overlay(&mut self.table, layer, &mut Vec::new(), &mut |path| {
            self.origins.insert(path.to_vec(), origin.clone());
        });
    }

    /// Sets one key to a string from the environment.
    pub(super) fn set(&mut self, path: &[String], value: String, origin: &Origin) -> Result<(), ConfigError> {
        let fail = |problem| Err(ConfigError::new(Some(path.join(".")), Some(origin), problem));
        if let Some(Origin::Environment(other)) = self.origins.get(path) {
            return fail(format!("is set twice, by {other} also"));
        }
        let Some((last, parents)) = path.split_last() else { return Ok(()) };
        let mut here = &mut self.table;
        for parent in parents {
            let Value::Table(table) = here.entry(parent.clone()).or_insert_with(|| Value::Table(Table::new())) else {
                return fail(format!("`{parent}` is a value and not a table"));
            };
            here = table;
        }
        here.insert(last.clone(), Value::String(value));
        self.origins.insert(path.to_vec(), origin.clone());
        Ok(())
    }

    /// Lets the variable whose name is this one's without `__FILE` be set over.
    pub(super) fn give_way(&mut self, path: &[String], variable: &str) {
        let plain = variable.get(..variable.len().saturating_sub("__FILE".len())).unwrap_or_default();
        if let Some(Origin::Environment(other)) = self.origins.get(path)
            && other.eq_ignore_ascii_case(plain)
        {
            self.origins.remove(path);
        }
    }

    pub(super) fn has(&self, path: &[String]) -> bool {
        self.value(path).is_some()
    }

    /// What stands at a path.
    pub(super) fn value(&self, path: &[String]) -> Option<&Value> {
        let (first, rest) = path.split_first()?;
        rest.iter().try_fold(self.table.get(first)?, |value, key| value.get(key))
    }

    /// Where the key at a path came from, or the table that it stands in.
    pub(super) fn origin(&self, path: &[String]) -> Option<&Origin> {
        (1..=path.len()).rev().find_map(|length| self.origins.get(path.get(..length)?))
    }

    /// Reads the target. Where no string is wanted, one from the environment is tried again as the TOML value
    /// that it spells.
    pub(super) fn deserialize<T: DeserializeOwned>(mut self) -> Result<T, ConfigError> {
        loop {
            let error = match serde_path_to_error::deserialize(Value::Table(self.table.clone())) {
                Ok(target) => return Ok(target),
                Err(error) => error,
            };
            // A string that was refused for what it says, and not for being one, stays what it is.
            let wants_no_string = error.inner().message().starts_with("invalid type: string");
            if !(wants_no_string && self.convert(&keys(error.path()))) {
                return Err(explain(&self, &error));
            }
        }
    }

    /// Replaces a string from the environment by the number, boolean or array that it spells. `false` when it is
    /// none, or was replaced before: so each key is tried twice at most.
    fn convert(&mut self, path: &[String]) -> bool {
        if !matches!(self.origins.get(path), Some(Origin::Environment(_))) {
            return false;
        }
        let Some((first, rest)) = path.split_first() else { return false };
        let value = rest.iter().try_fold(self.table.get_mut(first), |value, key| Some(value?.get_mut(key)));
        let Some(Some(value)) = value else { return false };
        let Some(spelled) = value.as_str().and_then(plain_value) else { return false };
        *value = spelled;
        true
    }
}

/// The keys that lead to a place, as far as it is reached by keys alone.
pub(super) fn keys(path: &serde_path_to_error::Path) -> Vec<String> {
    path.iter()
        .map_while(|segment| match segment {
            serde_path_to_error::Segment::Map { key } => Some(key.clone()),
            serde_path_to_error::Segment::Seq { .. }
            | serde_path_to_error::Segment::Enum { .. }
            | serde_path_to_error::Segment::Unknown => None,
        })
        .collect()
}

/// Reads `5`, `0.5`, `true` or `["a", "b"]`.
fn plain_value(written: &str) -> Option<Value> {
    let mut line: Table = toml::from_str(&format!("value = {written}")).ok()?;
    // A line end in the value could smuggle in a second key.
    if line.len() != 1 {
        return None;
    }
    line.remove("value")
        .filter(|value| matches!(value, Value::Integer(_) | Value::Float(_) | Value::Boolean(_) | Value::Array(_)))
}

fn overlay(under: &mut Table, over: Table, path: &mut Vec<String>, record: &mut impl FnMut(&[String])) {
    for (key, value) in over {
        path.push(key.clone());
        record(path);
        let value = match (under.remove(&key), value) {
            (there, Value::Table(table)) => {
                let mut merged = if let Some(Value::Table(there)) = there { there } else { Table::new() };
                overlay(&mut merged, table, path, record);
                Value::Table(merged)
            }
            (_, value) => value,
        };
        under.insert(key, value);
        path.pop();
    }
}
