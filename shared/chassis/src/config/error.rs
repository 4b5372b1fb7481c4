//! What is wrong with a configuration, said once and so that it can be mended.

use std::fmt;
use std::path::PathBuf;

/// Which layer a key came from.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Origin {
    /// The embedded defaults.
    Default,
    /// This file.
    File(PathBuf),
    /// The environment variable of this name.
    Environment(String),
}

/// What is wrong with a configuration: which key, from which layer, and why. It never holds a value, because a value
/// may be a secret.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct ConfigError {
    key: Option<String>,
    origin: Option<Origin>,
    problem: String,
}

impl ConfigError {
    pub(super) fn new(key: Option<String>, origin: Option<&Origin>, problem: impl Into<String>) -> Self {
        Self { key, origin: origin.cloned(), problem: problem.into() }
    }

    /// An error that only a check across keys can find, such as two listeners on one port.
    #[must_use]
    pub fn of_key(key: impl Into<String>, problem: impl Into<String>) -> Self {
        Self::new(Some(key.into()), None, problem)
    }

    /// The key in dotted form, where the error is about one.
    #[must_use]
    pub fn key(&self) -> Option<&str> {
        self.key.as_deref()
    }

    /// The layer that the key came from; `None` when it is set nowhere.
    #[must_use]
    pub fn origin(&self) -> Option<&Origin> {
        self.origin.as_ref()
    }
}

impl fmt::Display for ConfigError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.key, &self.origin) {
            (Some(key), Some(origin)) => write!(f, "configuration key `{key}` ({origin}): {}", self.problem),
            (Some(key), None) => write!(f, "configuration key `{key}`: {}", self.problem),
            (None, Some(origin)) => write!(f, "configuration ({origin}): {}", self.problem),
            (None, None) => write!(f, "configuration: {}", self.problem),
        }
    }
}

impl std::error::Error for ConfigError {}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Default => f.write_str("default"),
            Self::File(path) => write!(f, "file {}", path.display()),
            Self::Environment(name) => write!(f, "environment variable {name}"),
        }
    }
}
