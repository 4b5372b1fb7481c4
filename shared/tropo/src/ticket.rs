//! Signed parameters: the ticket that a call-back brings home, and the receipt that a result brings.

mod keyring;

use protocol::{
    Address, BackendName, EventId, MessageText, Network, ResultHandler, SessionId, Timestamp, TraceContext,
};
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

pub use self::keyring::{Key, Keyring, KeyringError, TicketError};

/// Something that travels outside under our signature.
pub trait Sealed: Serialize + DeserializeOwned {
    /// What the signature is for: one kind never passes as another.
    const PURPOSE: &'static str;

    /// When it is void.
    fn expires_at(&self) -> Timestamp;
}

/// What a session is launched with, and brings back: proof that the call-back is ours, and the message itself.
///
/// The short names on the wire are part of the format: tickets outlive an upgrade.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Ticket {
    /// The message.
    #[serde(rename = "m")]
    pub message_id: EventId,
    /// The backend that it goes through.
    #[serde(rename = "b")]
    pub backend: BackendName,
    /// Which launch of the message this is, from 1.
    #[serde(rename = "a")]
    pub attempt: u32,
    /// The conversation.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<SessionId>,
    /// Who gets it.
    #[serde(rename = "t")]
    pub to: Address,
    /// The number that it is sent from.
    #[serde(rename = "f", default, skip_serializing_if = "Option::is_none")]
    pub from: Option<Address>,
    /// The words.
    #[serde(rename = "w")]
    pub text: MessageText,
    /// The network.
    #[serde(rename = "n")]
    pub network: Network,
    /// Where in a trace it was sent.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
    /// Until when the message is worth sending, where it may be sent again: the ticket is void long before.
    #[serde(rename = "u", default, skip_serializing_if = "Option::is_none")]
    pub worth_until: Option<Timestamp>,
    /// When it is void: a captured one is worth nothing afterwards.
    #[serde(rename = "e")]
    pub expires_at: Timestamp,
}

impl Ticket {
    /// The session parameter that it travels in.
    pub const PARAMETER: &'static str = "ticket";
}

impl Sealed for Ticket {
    const PURPOSE: &'static str = "tropomq ticket v1";

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

/// What the `next` of a handler carries: proof that a result is about a message of ours, and which.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Receipt {
    /// The message.
    #[serde(rename = "m")]
    pub message_id: EventId,
    /// The backend that it went through.
    #[serde(rename = "b")]
    pub backend: BackendName,
    /// The conversation.
    #[serde(rename = "c", default, skip_serializing_if = "Option::is_none")]
    pub correlation_id: Option<SessionId>,
    /// The handler that the result comes to.
    #[serde(rename = "h")]
    pub handler: ResultHandler,
    /// Where in a trace the document was handed out.
    #[serde(rename = "r", default, skip_serializing_if = "Option::is_none")]
    pub trace: Option<TraceContext>,
    /// When it is void.
    #[serde(rename = "e")]
    pub expires_at: Timestamp,
}

impl Receipt {
    /// The query parameter that it travels in.
    pub const PARAMETER: &'static str = "receipt";
}

impl Sealed for Receipt {
    const PURPOSE: &'static str = "tropomq receipt v1";

    fn expires_at(&self) -> Timestamp {
        self.expires_at
    }
}

#[cfg(test)]
mod tests;
