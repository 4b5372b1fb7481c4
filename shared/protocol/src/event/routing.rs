//! Events about a text's way through the applications.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

use super::{Event, Kind};
use crate::{Address, Head, MessageText, Network, SessionId};

/// A text is handed to an application that consumes from the bus. The cause is the `message.received`.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageOffered {
    /// The application that it is for; the third word of the routing key.
    pub application: String,
    /// The session that carried the text.
    pub session_id: SessionId,
    /// Who texted.
    pub from: Address,
    /// The number that was texted, where Tropo said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Address>,
    /// The words, as the applications of phase `parse` left them.
    pub text: MessageText,
    /// The network it came on.
    pub network: Network,
    /// What the applications of phase `parse` found out about it.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub notes: BTreeMap<String, String>,
}

/// Shows the names of the notes alone: what is noted may be a person's words.
impl fmt::Debug for MessageOffered {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { application, session_id, from, to, text, network, notes } = self;
        f.debug_struct("MessageOffered")
            .field("application", application)
            .field("session_id", session_id)
            .field("from", from)
            .field("to", to)
            .field("text", text)
            .field("network", network)
            .field("notes", &notes.keys())
            .finish()
    }
}

/// What the applications said to a text, and what came of it: the reason for every reply.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageRouted {
    /// The session that carried the text.
    pub session_id: SessionId,
    /// What came of it.
    pub outcome: RoutedOutcome,
    /// The application that took it, if one did.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// How many messages it is answered with.
    pub replies: u32,
    /// Who was asked, in order.
    pub asked: Vec<AskedApplication>,
    /// How often the applications were asked from the beginning: more than once where one was away.
    pub attempts: u32,
}

/// What came of a text.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum RoutedOutcome {
    /// It is answered with messages.
    Answered,
    /// It was handed to an application on the bus, which answers when it likes.
    Offered,
    /// An application took it, and has nothing to say now.
    Taken,
    /// An application ended it in phase `filter`, without a word.
    Filtered,
    /// No application had an answer.
    Unanswered,
    /// Nobody was asked: nobody can be answered, or the sender is a number of our own.
    NotAsked,
    /// An application failed for good, or for too long: the text is among the dead letters.
    GivenUp,
}

/// One application that was asked about a text.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct AskedApplication {
    /// Its name.
    pub application: String,
    /// In which phase.
    pub phase: Phase,
    /// What it said.
    pub said: SaidWord,
    /// How long it took, in microseconds.
    pub took_us: u64,
    /// Why, in its words. Never a person's number or words.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub because: Option<String>,
}

/// The phases in which applications take part, in the order of a text: RapidSMS's own.
#[derive(Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum Phase {
    /// May end the text before anybody else sees it.
    Filter,
    /// May change its words, and note what others want to know.
    Parse,
    /// May take it: then no further application is asked to.
    Handle,
    /// May take it, where none did in `handle`.
    Default,
    /// Is told how it went, whatever came of it.
    Cleanup,
    /// May change or cancel a message that is about to be sent. Asked in reverse order.
    Outgoing,
}

impl Phase {
    /// The name, as configuration and events have it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Filter => "filter",
            Self::Parse => "parse",
            Self::Handle => "handle",
            Self::Default => "default",
            Self::Cleanup => "cleanup",
            Self::Outgoing => "outgoing",
        }
    }
}

/// What an application said, in a word.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SaidWord {
    /// Nothing: the next one is asked.
    Passed,
    /// It changed the words, noted something, or changed an outgoing message.
    Changed,
    /// It took the text.
    Took,
    /// It cancelled an outgoing message.
    Cancelled,
    /// It was away: the text waits and everything begins anew.
    Away,
    /// It failed.
    Failed,
}

impl Event for MessageOffered {
    const KIND: Kind = Kind::MessageOffered;

    fn detail(&self, _head: &Head) -> Option<String> {
        Some(self.application.clone())
    }
}

impl Event for MessageRouted {
    const KIND: Kind = Kind::MessageRouted;
}
