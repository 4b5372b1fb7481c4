//! Events about a Tropo session.

use serde::{Deserialize, Serialize};

use super::{Event, Kind};
use crate::{EventId, SessionId};

/// What a session reported to a handler of the document it was given (Tropo WebAPI: `result`).
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SessionResult {
    /// The message that the document held.
    pub message_id: EventId,
    /// The session that reports.
    pub session_id: SessionId,
    /// The handler that was reached.
    pub handler: ResultHandler,
    /// The state of the session, in Tropo's word: `ANSWERED`, `DISCONNECTED` and others.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub state: Option<String>,
    /// Tropo's error text.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub error: Option<String>,
}

/// The event of an `on` handler that brings a result back.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum ResultHandler {
    /// The document finished normally.
    Continue,
    /// A required action failed or timed out.
    Incomplete,
    /// The platform failed.
    Error,
}

impl ResultHandler {
    /// Every handler that our documents carry.
    pub const ALL: [Self; 3] = [Self::Continue, Self::Incomplete, Self::Error];

    /// The name of the event, as `on` has it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Continue => "continue",
            Self::Incomplete => "incomplete",
            Self::Error => "error",
        }
    }
}

/// A session that nothing answers with a message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct SessionIgnored {
    /// The session.
    pub session_id: SessionId,
    /// Why.
    pub reason: IgnoredReason,
}

/// Why a session is not answered with a message.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum IgnoredReason {
    /// It is a call, not a text.
    NotText,
    /// Somebody else launched it: it carries no ticket of ours.
    ForeignLaunch,
    /// The sender withheld the number.
    WithheldSender,
    /// The sender is a number of our own: two of our backends would answer each other for ever.
    OwnNumber,
    /// No application had an answer.
    NoAnswer,
    /// An application ended it before it was handled.
    Filtered,
    /// An application took it, and has nothing to say to it now.
    NoReply,
}

/// A delivery report. Its correlation id is the id of the session that sent the message: Tropo names no other.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct DeliveryReported {
    /// The session that sent the message.
    pub session_id: SessionId,
    /// The carrier's word, as reported.
    pub status: String,
}

impl Event for SessionResult {
    const KIND: Kind = Kind::SessionResult;
}

impl Event for SessionIgnored {
    const KIND: Kind = Kind::SessionIgnored;
}

impl Event for DeliveryReported {
    const KIND: Kind = Kind::DeliveryReported;
}
