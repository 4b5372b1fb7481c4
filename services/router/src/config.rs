//! The configuration of router.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::MessageText;
use serde::Deserialize;

/// The `[router]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// The applications, in the order in which they are asked.
    pub applications: Vec<String>,
    /// How many texts are handled at once, at most.
    pub prefetch: u16,
    /// How long is remembered what was not changed.
    #[serde(with = "chassis::config::duration")]
    pub retention: Duration,
    /// `[router.keyword]`: the answers of the application `keyword`.
    #[serde(default)]
    pub keyword: BTreeMap<String, KeywordRule>,
    /// `[router.default]`: the answer of the application `default`.
    pub default: DefaultAnswer,
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
    #[error("router.applications: there is no application {name:?}; there are echo, keyword and default")]
    UnknownApplication {
        /// The name.
        name: String,
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
    /// Two rules claim one keyword.
    #[error("router.keyword.{rule}: its keyword is that of router.keyword.{other} as well")]
    SameKeyword {
        /// The rule.
        rule: String,
        /// The other.
        other: String,
    },
}
