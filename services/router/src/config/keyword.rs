//! `[router.keyword]` and `[router.keyword_help]`.

use std::collections::BTreeMap;

use protocol::MessageText;
use serde::Deserialize;

/// `[router.keyword.NAME]`: which texts, and what they are answered with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct KeywordRule {
    /// The words that a text begins with; the rule's name where this, `exact` and `pattern` are left out.
    pub words: Phrases,
    /// The words that are all of a text.
    pub exact: Phrases,
    /// A regular expression that matches all of a text.
    pub pattern: Option<String>,
    /// What it is answered with, in a language without a reply of its own.
    pub reply: Option<MessageText>,
    /// What it is answered with, by the language of the words.
    pub replies: BTreeMap<String, MessageText>,
    /// How it is used: for the list of `[router.keyword_help]`, and where the reply needs words that are missing.
    pub help: Option<MessageText>,
}

/// Words that mean the same.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a list of words, or a table of such lists by language")]
pub enum Phrases {
    /// Of no language.
    Any(Vec<String>),
    /// By their language, however that is called.
    ByLanguage(BTreeMap<String, Vec<String>>),
}

/// `[router.keyword_help]`: the list of what can be texted.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct KeywordHelp {
    /// The words that ask for it.
    pub words: Vec<String>,
    /// What they are answered with; `{list}` is the help of each rule.
    pub reply: MessageText,
}

impl Phrases {
    /// Those of a language, or of none.
    pub(crate) fn of(&self, language: Option<&str>) -> &[String] {
        match (self, language) {
            (Self::Any(words), None) => words,
            (Self::ByLanguage(words), Some(language)) => words.get(language).map_or(&[], Vec::as_slice),
            (Self::Any(_), Some(_)) | (Self::ByLanguage(_), None) => &[],
        }
    }

    /// Those of all languages.
    pub(crate) fn all(&self) -> Vec<&String> {
        match self {
            Self::Any(words) => words.iter().collect(),
            Self::ByLanguage(words) => words.values().flatten().collect(),
        }
    }

    /// The languages that there are words of.
    pub(crate) fn languages(&self) -> Vec<Option<&str>> {
        match self {
            Self::Any(words) if words.is_empty() => Vec::new(),
            Self::Any(_) => vec![None],
            Self::ByLanguage(words) => words.keys().map(|language| Some(language.as_str())).collect(),
        }
    }
}

impl Default for Phrases {
    fn default() -> Self {
        Self::Any(Vec::new())
    }
}
