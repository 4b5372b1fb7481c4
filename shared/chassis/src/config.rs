//! Layered configuration: embedded defaults, over them a TOML file, over that the environment.
//!
//! The later layer wins. Tables merge key by key; arrays and plain values are replaced whole.
//!
//! # The environment
//! A variable whose name begins with `TROPOMQ__` sets one key; `__` stands between the names of tables. Upper and
//! lower case are the same, and so are `_` and `-`, when a key of that name is there already. Of what is not there:
//! the first name and the last are written in lower case with `_`, because they are ours; a name between them is
//! written in lower case with `-`, because it is an entry of a map that the user names. So, with nothing about it in
//! any file, `TROPOMQ__BACKENDS__MY_TROPO_BACKEND__MESSAGING_TOKEN` sets `backends.my-tropo-backend.messaging_token`.
//!
//! With `__FILE` at its end a variable names a file that holds the value, without the line end that closes it:
//! `TROPOMQ__BUS__URL__FILE=/run/secrets/bus-url`. (Unless there is a key `file` at that place.) It wins over the
//! variable without `__FILE`.
//!
//! A value from the environment is a string. Where a number, a boolean or an array is wanted it is read as TOML.

use std::path::PathBuf;

use serde::de::DeserializeOwned;

use self::merged::Merged;

pub mod duration;
mod edition;
mod environment;
mod error;
mod explain;
mod merged;
pub mod size;

pub use edition::Edition;
pub use environment::PREFIX;
pub use error::{ConfigError, Origin};

/// What a configuration is read from, the weakest first.
#[derive(Clone)]
pub struct Layers {
    /// The embedded TOML that is both the default and the reference.
    pub defaults: &'static str,
    /// The user's file, where one was named.
    pub file: Option<PathBuf>,
    /// Environment variables; those without the prefix are passed over.
    pub environment: Vec<(String, String)>,
}

impl Layers {
    /// These defaults, that file, and the environment of this process.
    ///
    /// # Errors
    /// A variable of ours that is not UTF-8.
    pub fn of_process(defaults: &'static str, file: Option<PathBuf>) -> Result<Self, ConfigError> {
        Ok(Self { defaults, file, environment: environment::of_process()? })
    }
}

/// Reads the layers into one value.
///
/// # Errors
/// The first thing that is wrong, as one message that names the key and the layer it came from, and never shows a
/// value: a file that cannot be read, text that is not TOML, a variable that fits no key, a key that does not exist,
/// a required one that is set nowhere, a value of the wrong kind.
pub fn load<T: DeserializeOwned>(layers: Layers) -> Result<T, ConfigError> {
    merge(layers)?.deserialize()
}

/// As [`load`], with the edition of what was read: for whoever reads again later, and wants to know what changed.
///
/// # Errors
/// As [`load`].
pub fn load_edition<T: DeserializeOwned>(layers: Layers) -> Result<(T, Edition), ConfigError> {
    let merged = merge(layers)?;
    let edition = Edition::of(merged.table());
    Ok((merged.deserialize()?, edition))
}

fn merge(layers: Layers) -> Result<Merged, ConfigError> {
    let Layers { defaults, file, environment } = layers;
    let mut merged = Merged::default();
    merged.overlay(parse(defaults, &Origin::Default)?, &Origin::Default);
    if let Some(path) = file {
        let text = std::fs::read_to_string(&path);
        let origin = Origin::File(path);
        let text = text.map_err(|error| ConfigError::new(None, Some(&origin), format!("cannot read it: {error}")))?;
        merged.overlay(parse(&text, &origin)?, &origin);
    }
    environment::apply(&mut merged, environment)?;
    Ok(merged)
}

fn parse(text: &str, origin: &Origin) -> Result<toml::Table, ConfigError> {
    toml::from_str(text).map_err(|error| {
        let start = error.span().map_or(0, |span| span.start);
        let line = text.get(..start).unwrap_or_default().matches('\n').count() + 1;
        let reason = error.message().lines().next().unwrap_or_default();
        ConfigError::new(None, Some(origin), format!("line {line} is not TOML: {reason}"))
    })
}

#[cfg(test)]
mod tests;
