//! The configuration of router.

mod audience;
mod awaited;
mod conversation;
mod keyword;
mod recipient;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::time::Duration;

use chassis::http::Limits;
use protocol::{Address, BackendName, MessageText};
use serde::Deserialize;

pub use audience::{Group, Poll};
pub use conversation::{Again, AnswerRange, Dialogue, DialogueStep, NextStep, Options};
pub use keyword::{KeywordHelp, KeywordRule, Phrases};
pub use recipient::{Recipient, RecipientError};

use crate::amqp::AmqpConfig;
use crate::applications::built_in;
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
    /// Where applications elsewhere ask for messages.
    pub listen: SocketAddr,
    /// The limits of that listener.
    pub limits: Limits,
    /// `[router.keyword]`: the answers of the application `keyword`.
    #[serde(default)]
    pub keyword: BTreeMap<String, KeywordRule>,
    /// `[router.keyword_help]`: the list of what can be texted, by the application `keyword`.
    pub keyword_help: Option<KeywordHelp>,
    /// `[router.conversation]`: the dialogues of the application `conversation`.
    #[serde(default)]
    pub conversation: BTreeMap<String, Dialogue>,
    /// `[router.poll]`: the polls, each an application called `poll.NAME`.
    #[serde(default)]
    pub poll: BTreeMap<String, Poll>,
    /// `[router.group]`: the lists of the application `group`.
    #[serde(default)]
    pub group: BTreeMap<String, Group>,
    /// `[router.subscription]`: the words of the application `subscription`.
    #[serde(default)]
    pub subscription: SubscriptionWords,
    /// `[router.default]`: the answer of the application `default`.
    pub default: DefaultAnswer,
    /// `[router.rapidsms.NAME]`: RapidSMS projects.
    #[serde(default)]
    pub rapidsms: BTreeMap<BackendName, rapidsms::Config>,
    /// `[router.http.NAME]`: the applications behind HTTP.
    #[serde(default)]
    pub http: BTreeMap<BackendName, HttpConfig>,
    /// `[router.amqp.NAME]`: the applications on the bus.
    #[serde(default)]
    pub amqp: BTreeMap<BackendName, AmqpConfig>,
}

impl Config {
    /// Whom applications text beside those who text them, with the key that says so. None may be a number of ours.
    pub fn recipients(&self) -> impl Iterator<Item = (String, &Address)> {
        let members = self.group.iter().flat_map(|(name, group)| {
            group.members.iter().map(move |member| (format!("router.group.{name}.members"), member.address()))
        });
        let told = self.conversation.iter().filter_map(|(name, dialogue)| {
            Some((format!("router.conversation.{name}.to"), dialogue.to.as_ref()?.address()))
        });
        members.chain(told)
    }

    /// The key whose change cannot be taken by a router that runs.
    #[must_use]
    pub fn needs_restart(&self, newer: &Self) -> Option<&'static str> {
        // Port 0 is any: the one that was had stays.
        let is_moved = self.listen.ip() != newer.listen.ip() || ![0, self.listen.port()].contains(&newer.listen.port());
        let changed = [
            ("prefetch", self.prefetch != newer.prefetch),
            ("listen", is_moved),
            ("limits", self.limits != newer.limits),
            ("retention", self.retention != newer.retention),
            // Each has a queue, which is declared at the start.
            ("amqp", !self.amqp.keys().eq(newer.amqp.keys())),
        ];
        changed.into_iter().find(|(_, is_changed)| *is_changed).map(|(key, _)| key)
    }
}

/// `[router.subscription]`: the words by which people choose whether they are texted, and the replies.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionWords {
    /// For texts that are to stop.
    #[serde(default)]
    pub stop: Chosen,
    /// For texts that are to begin again.
    #[serde(default)]
    pub start: Chosen,
    /// For who wants to know.
    #[serde(default)]
    pub help: Chosen,
    /// `[router.subscription.languages.NAME]`: the same in other languages.
    #[serde(default)]
    pub languages: BTreeMap<String, SubscriptionLanguage>,
}

/// `[router.subscription.languages.NAME]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SubscriptionLanguage {
    /// As [`SubscriptionWords::stop`].
    #[serde(default)]
    pub stop: Chosen,
    /// As [`SubscriptionWords::start`].
    #[serde(default)]
    pub start: Chosen,
    /// As [`SubscriptionWords::help`].
    #[serde(default)]
    pub help: Chosen,
}

/// Words that mean the same, each a whole text, and what they are answered with.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Chosen {
    /// The words; without any, nothing means this.
    #[serde(default)]
    pub words: Vec<String>,
    /// What is answered; left out or empty: nothing.
    #[serde(default)]
    pub reply: Option<MessageText>,
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
        "router.applications: there is no application {name:?}; there are {}, and those that have a table: router.http.NAME, \
         router.amqp.NAME or router.rapidsms.NAME",
        built_in().collect::<Vec<_>>().join(", ")
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
    /// A key is not as it must be.
    #[error("{key}: {told}")]
    Key {
        /// The key.
        key: String,
        /// What is wrong, and how to mend it.
        told: String,
    },
    /// Others would see what people text who want to be left alone.
    #[error("router.applications: \"subscription\" must stand first, before anything else sees a text")]
    SubscriptionNotFirst,
    /// A word without letters or digits.
    #[error("router.subscription: {word:?} has neither a letter nor a digit")]
    EmptyWord {
        /// The word.
        word: String,
    },
    /// A word means two things.
    #[error(
        "router.subscription: {word:?} stands twice; letters alone count, without their accents, and whether they are great does not"
    )]
    SameWord {
        /// The word.
        word: String,
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
}

impl ConfigError {
    /// That this key is wrong, and how to mend it.
    pub(crate) fn of_key(key: impl Into<String>, told: impl Into<String>) -> Self {
        Self::Key { key: key.into(), told: told.into() }
    }
}
