//! Events about a message.

use serde::{Deserialize, Serialize};

use super::{Event, Head, Kind};
use crate::{Address, AddressError, EventId, MessageText, Network, SessionId, Timestamp, topology};

/// A person texted us.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageReceived {
    /// The session that carried the text.
    pub session_id: SessionId,
    /// Who texted.
    pub from: Address,
    /// The number that was texted, where Tropo said so.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub to: Option<Address>,
    /// The words.
    pub text: MessageText,
    /// The network it came on.
    pub network: Network,
}

/// Send this. The id of the event is the id of the message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageSend {
    /// Who shall get it.
    pub to: Address,
    /// The words.
    pub text: MessageText,
    /// The number to send from; the backend's own where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Address>,
    /// The network to send it on.
    #[serde(default = "Network::sms")]
    pub network: Network,
    /// The application that wants it sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub application: Option<String>,
    /// When it is no longer worth sending; the backend's time to live after [`super::Head::time`] where left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub expires_at: Option<Timestamp>,
}

/// Why a message cannot be sent as it is.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Unsendable {
    /// On the telephone network it goes to a number.
    #[error("to: {0}")]
    To(#[source] AddressError),
    /// Nobody has that address.
    #[error("to: a withheld number cannot be reached")]
    Withheld,
    /// On the telephone network it comes from a number.
    #[error("from: not a telephone number or short code; leave it out for the backend's own")]
    From,
    /// It says nothing.
    #[error("text: there is nothing in it")]
    Blank,
}

impl MessageSend {
    /// Whether somebody who asks for it may be told that it will be sent.
    ///
    /// # Errors
    /// [`Unsendable`] says what to mend.
    pub fn sendable(&self) -> Result<(), Unsendable> {
        let is_telephone = self.network.is_telephone();
        if is_telephone && !self.to.is_dialable() {
            return Err(Unsendable::To(AddressError::NotAPhoneNumber));
        }
        if !self.to.is_reachable() {
            return Err(Unsendable::Withheld);
        }
        if is_telephone && self.from.as_ref().is_some_and(|from| !from.is_dialable()) {
            return Err(Unsendable::From);
        }
        if self.text.as_str().trim().is_empty() {
            return Err(Unsendable::Blank);
        }
        Ok(())
    }
}

/// Tropo has a session for it. Published as it happens, for those who watch; correctness never rests on it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageLaunched {
    /// The message.
    pub message_id: EventId,
    /// The session that Tropo created for it.
    pub session_id: SessionId,
    /// Which launch of the message this was, from 1.
    pub attempt: u32,
    /// How long Tropo took to create it, in microseconds.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub took_us: Option<u64>,
}

/// An attempt to send it came to nothing, and another will be made. Published as it happens, for those who watch;
/// correctness never rests on it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageDelayed {
    /// The message.
    pub message_id: EventId,
    /// Which attempt this was, from 1.
    pub attempt: u32,
    /// What it came to.
    pub reason: DelayedReason,
    /// The HTTP status of Tropo's answer, where there was one and it was no session.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub status: Option<u16>,
    /// The reason in words, for people: nobody's number, nobody's words, and no secret.
    pub detail: String,
    /// When the next attempt is made at the earliest, where more is known than that it is soon.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub retry_at: Option<Timestamp>,
    /// The session that did not call back, where Tropo named it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
}

/// What an attempt to send a message came to.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum DelayedReason {
    /// Tropo did not answer: there may or may not be a session.
    Unreachable,
    /// Tropo asked to wait.
    Throttled,
    /// Tropo, or something before it, is not working.
    Unavailable,
    /// Tropo refuses one message after the other: so it is not about this one, and this one waits.
    Refused,
    /// Tropo created a session, and it did not call back in time.
    NoCallBack,
    /// Tropo's answer was not understood: there may or may not be a session.
    Unreadable,
    /// Our own record of releases does not say whether it was released already.
    Ledger,
}

/// The document was handed to a session: from now on the phone may ring.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageReleased {
    /// The message.
    pub message_id: EventId,
    /// The session that has it.
    pub session_id: SessionId,
    /// When the release ledger granted it.
    pub released_at: Timestamp,
}

/// Tropo reported that it took the message.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageSent {
    /// The message.
    pub message_id: EventId,
    /// The session that sent it.
    pub session_id: SessionId,
}

/// The carrier reported a delivery.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageDelivered {
    /// The message.
    pub message_id: EventId,
    /// The session that sent it.
    pub session_id: SessionId,
    /// The carrier's word, as reported.
    pub status: String,
}

/// It was not sent, and will not be unless somebody replays it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageFailed {
    /// The message.
    pub message_id: EventId,
    /// The session that failed, where there was one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub session_id: Option<SessionId>,
    /// Why.
    pub reason: FailureReason,
    /// The reason in words, for people.
    pub detail: String,
}

/// Why a message was not sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum FailureReason {
    /// Tropo refused to create a session: a wrong token, say.
    Refused,
    /// The session reported that the message could not be handed over (`incomplete`).
    Incomplete,
    /// The session reported an error of the platform (`error`).
    SessionError,
    /// The carrier reported that it could not deliver.
    Undelivered,
    /// It cannot be sent as it is: nobody to send it to, or an empty text.
    Unsendable,
}

/// Released, and no result came in its time: it may or may not have been sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageUnconfirmed {
    /// The message.
    pub message_id: EventId,
    /// The session that has it.
    pub session_id: SessionId,
    /// When it was released.
    pub released_at: Timestamp,
}

/// Its time to live ran out before any session took it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageExpired {
    /// The message.
    pub message_id: EventId,
    /// How often it was launched.
    pub attempts: u32,
    /// When it expired.
    pub expired_at: Timestamp,
}

/// It may not be sent.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
pub struct MessageSuppressed {
    /// The message.
    pub message_id: EventId,
    /// Why.
    pub reason: SuppressedReason,
}

/// Why a message may not be sent.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug, Serialize, Deserialize)]
#[cfg_attr(test, derive(schemars::JsonSchema))]
#[serde(rename_all = "snake_case")]
pub enum SuppressedReason {
    /// The person opted out.
    OptedOut,
}

macro_rules! events {
    ($($data:ident)*) => {
        $(impl Event for $data {
            const KIND: Kind = Kind::$data;
        })*
    };
}

impl Event for MessageReceived {
    const KIND: Kind = Kind::MessageReceived;

    /// The shard of the person.
    fn detail(&self, head: &Head) -> Option<String> {
        Some(topology::shard(&head.backend, &self.from))
    }
}

events! {
    MessageSend MessageLaunched MessageDelayed MessageReleased MessageSent MessageDelivered MessageFailed
    MessageUnconfirmed MessageExpired MessageSuppressed
}
