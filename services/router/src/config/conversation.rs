//! `[router.conversation]`.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::MessageText;
use serde::Deserialize;

use super::Recipient;

/// `[router.conversation.NAME]`: questions, one after the other, and what becomes of the answers.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Dialogue {
    /// The words that a text begins with that begins it; its name where this, `exact` and `pattern` are left out.
    #[serde(default)]
    pub words: Vec<String>,
    /// The words that are all of a text that begins it.
    #[serde(default)]
    pub exact: Vec<String>,
    /// A regular expression that matches all of a text that begins it.
    pub pattern: Option<String>,
    /// The questions; the first is where it begins.
    pub steps: Vec<DialogueStep>,
    /// What is said at the end, where no step says it.
    pub reply: MessageText,
    /// How long an answer is waited for.
    #[serde(default = "timeout", with = "chassis::config::duration")]
    pub timeout: Duration,
    /// What a text that comes later is answered with, if no application takes it; left out: nothing of its own.
    pub timed_out: Option<MessageText>,
    /// The words that end it. CANCEL and its like mean more: they are for `subscription`.
    #[serde(default = "cancel")]
    pub cancel: Vec<String>,
    /// What they are answered with.
    #[serde(default = "cancelled")]
    pub cancelled: MessageText,
    /// What is said after too many answers that cannot be taken.
    #[serde(default = "gave_up")]
    pub gave_up: MessageText,
    /// What is said when the question that was answered is not in the configuration any more.
    #[serde(default = "changed")]
    pub changed: MessageText,
    /// What the words that begin it do while it is under way. Each time counts as an answer that cannot be taken.
    #[serde(default)]
    pub again: Again,
    /// Who is told of the answers.
    pub to: Option<Recipient>,
    /// With these words.
    pub message: Option<MessageText>,
}

/// `[[router.conversation.NAME.steps]]`: a question, or an end.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct DialogueStep {
    /// Its name, by which others lead to it and its answer is filled in.
    pub name: String,
    /// The question.
    pub ask: Option<MessageText>,
    /// The answers that can be taken; left out with `pattern` and `number`: any.
    pub one_of: Option<Options>,
    /// A regular expression that matches the answers that can be taken.
    pub pattern: Option<String>,
    /// A whole number is asked for.
    pub number: Option<AnswerRange>,
    /// What is said to an answer that cannot be taken; left out: the question again.
    pub invalid: Option<MessageText>,
    /// How many answers that cannot be taken end the dialogue; left out: 3.
    pub tries_max: Option<u32>,
    /// Which step comes next; left out: the one that is written next.
    pub next: Option<NextStep>,
    /// What is said here, instead of a question: then the dialogue is at its end.
    pub end: Option<MessageText>,
}

/// Answers that can be chosen from.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "a list of answers, or a table with a list of other words for each answer")]
pub enum Options {
    /// Each by itself.
    Plain(Vec<String>),
    /// Each with other words that mean the same.
    WithSynonyms(BTreeMap<String, Vec<String>>),
}

/// The whole numbers that can be taken.
#[derive(Clone, Copy, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct AnswerRange {
    /// The least.
    pub min: Option<i64>,
    /// The greatest.
    pub max: Option<i64>,
}

/// Which step comes next.
#[derive(Clone, Debug, Deserialize)]
#[serde(untagged, expecting = "the name of a step, or a table with the name of a step for each answer")]
pub enum NextStep {
    /// This one.
    Always(String),
    /// It depends on the answer; for those that are left out, the one that is written next.
    ByAnswer(BTreeMap<String, String>),
}

/// What the words that begin a dialogue do while it is under way.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Again {
    /// The question that is open is asked again.
    #[default]
    Resume,
    /// It begins anew.
    Restart,
}

impl Options {
    /// The answers, and the other words for them.
    pub(super) fn words(&self) -> Vec<&str> {
        match self {
            Self::Plain(words) => words.iter().map(String::as_str).collect(),
            Self::WithSynonyms(options) => options
                .iter()
                .flat_map(|(name, others)| std::iter::once(name).chain(others))
                .map(String::as_str)
                .collect(),
        }
    }
}

fn timeout() -> Duration {
    Duration::from_secs(60 * 60)
}

fn cancel() -> Vec<String> {
    vec!["leave".to_owned()]
}

fn cancelled() -> MessageText {
    words("Cancelled.")
}

fn gave_up() -> MessageText {
    words("Sorry, we could not understand your answers. Please begin again.")
}

fn changed() -> MessageText {
    words("Sorry, this was changed meanwhile. Please begin again.")
}

fn words(words: &str) -> MessageText {
    // A text of our own is neither too long nor with a NUL.
    words.parse().unwrap_or_default()
}
