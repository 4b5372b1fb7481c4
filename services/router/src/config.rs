//! The configuration of router.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::{BackendName, MessageText};
use serde::Deserialize;

use crate::http::HttpConfig;
use crate::rapidsms;

/// The `[router]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The applications, in the order in which they are asked.
    pub applications: Vec<String>,
    /// How many texts of a shard of people are in hand at once, at most.
    pub prefetch: u16,
    /// How long is remembered what was not changed.
    #[serde(with = "chassis::config::duration")]
    pub retention: Duration,
    /// `[router.keyword]`: the answers of the application `keyword`.
    #[serde(default)]
    pub keyword: BTreeMap<String, KeywordRule>,
    /// `[router.default]`: the answer of the application `default`.
    pub default: DefaultAnswer,
    /// `[router.rapidsms.NAME]`: RapidSMS projects.
    #[serde(default)]
    pub rapidsms: BTreeMap<BackendName, rapidsms::Config>,
    /// `[router.http.NAME]`: the applications behind HTTP.
    #[serde(default)]
    pub http: BTreeMap<BackendName, HttpConfig>,
}

impl Config {
    /// The key whose change cannot be taken by a router that runs.
    #[must_use]
    pub fn needs_restart(&self, newer: &Self) -> Option<&'static str> {
        (self.prefetch != newer.prefetch).then_some("prefetch")
    }
}

/// `[router.keyword.NAME]`: one keyword and its answer.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeywordRule {
    /// The words that a text must begin with; the rule's name where they are left out.
    #[serde(default)]
    pub words: Vec<String>,
    /// What it is answered with.
    pub reply: MessageText,
}

/// `[router.default]`.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DefaultAnswer {
    /// What a text that no other application answered is answered with.
    pub reply: MessageText,
}

/// What is wrong with the `[router]` table.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No application of that name.
    #[error(
        "router.applications: there is no application {name:?}; there are echo, keyword, default, and those that have a table: router.http.NAME or router.rapidsms.NAME"
    )]
    UnknownApplication {
        /// The name.
        name: String,
    },
    /// A table of an application that is not asked.
    #[error("router.{table}.{name} is not among router.applications: add it there, in its place, or remove the table")]
    NotListed {
        /// The kind of application.
        table: &'static str,
        /// The name.
        name: BackendName,
    },
    /// A table of a name that stands for something else.
    #[error("router.{table}.{name}: the name stands for another application as well; give it one of its own")]
    NameTaken {
        /// The kind of application.
        table: &'static str,
        /// The name.
        name: BackendName,
    },
    /// A key of an application behind HTTP.
    #[error("router.http.{name}.{key} {told}")]
    Http {
        /// The application.
        name: BackendName,
        /// The key.
        key: &'static str,
        /// What is wrong with it, and what to do.
        told: String,
    },
    /// An application is named twice.
    #[error("router.applications: {name:?} stands twice; an application is asked once")]
    Repeated {
        /// The name.
        name: String,
    },
    /// An answer without words.
    #[error("{key}: the reply is empty; write what people shall get")]
    EmptyReply {
        /// The key.
        key: String,
    },
    /// A keyword without letters.
    #[error("router.keyword.{rule}.words: an empty keyword would match every text; use the application default")]
    EmptyKeyword {
        /// The rule.
        rule: String,
    },
    /// A RapidSMS project that cannot be reached, or could not be believed.
    #[error("router.rapidsms.{name}.{key} {told}")]
    RapidSms {
        /// The project.
        name: BackendName,
        /// The key.
        key: &'static str,
        /// What is wrong with it, and what to do.
        told: String,
    },
    /// Two rules claim one keyword.
    #[error("router.keyword.{rule}: its keyword is that of router.keyword.{other} as well")]
    SameKeyword {
        /// The rule.
        rule: String,
        /// The other.
        other: String,
    },
}
