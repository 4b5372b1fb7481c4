//! The session webhook: what Tropo posts when a text or a call comes in, or when a launched session calls back.

mod party;
mod written;

use std::collections::BTreeMap;
use std::fmt;

use protocol::SessionId;

pub use self::party::{Channel, Party, is_text_network};
use crate::member::{Fields, Member, Wrong, members, open_words, tolerant};
use crate::shape::{Extra, Headers};

/// A session as its webhook describes it (Tropo WebAPI: `session`).
///
/// Every member but the id may be missing or null; one that cannot be read is kept in `extra`, so that no era's
/// payload is refused for a detail.
#[derive(Clone, PartialEq)]
pub struct Session {
    /// The session's id, which the session API's reply and the debugger log name too.
    pub id: SessionId,
    /// The account; digits, as a string. Empty where it is missing.
    pub account_id: String,
    /// The application; in payloads of 2017 alone.
    pub application_id: Option<String>,
    /// When it began: `YYYY-MM-DDTHH:MM:SS.mmmZ`.
    pub timestamp: Option<String>,
    /// Who is at the other end: a person, or nobody yet when a token launched it.
    pub user_type: UserType,
    /// The text that opened the session. Only text sessions have one.
    pub initial_text: Option<String>,
    /// The subject of an MMS.
    pub subject: Option<String>,
    /// What came with an MMS.
    pub initial_media: Vec<InitialMedia>,
    /// The call's id; usually null in a launched session.
    pub call_id: Option<String>,
    /// The application's address. Inbound sessions alone have it.
    pub to: Option<Party>,
    /// The person's address. Inbound sessions alone have it.
    pub from: Option<Party>,
    /// SIP headers of the platform's own INVITE. Those of an SMS hold its text and both numbers.
    pub headers: Headers,
    /// What the session was launched with. Launched sessions alone have it.
    pub parameters: BTreeMap<String, String>,
    /// Members that are not known here, or were not readable, as they came.
    pub extra: Extra,
}

open_words! {
    /// Who is at the other end.
    pub enum UserType {
        /// A person: every inbound session.
        Human = "HUMAN",
        /// Nobody yet: a session launched with a token.
        None = "NONE",
        /// An answering machine.
        Machine = "MACHINE",
        /// A fax.
        Fax = "FAX",
    }
}

members! {
    /// One part of an inbound MMS.
    pub struct InitialMedia {
        /// `success` or `failure`.
        pub status: Option<String> = "status",
        /// Why it could not be kept.
        pub disposition: Option<String> = "disposition",
        /// Where the file is; its name alone when it could not be kept.
        pub media: Option<String> = "media",
        /// Words that came as a part.
        pub text: Option<String> = "text",
    }
}

impl Session {
    /// A session with an id and nothing else known.
    #[must_use]
    pub fn new(id: SessionId, user_type: UserType) -> Self {
        Self {
            id,
            account_id: String::new(),
            application_id: None,
            timestamp: None,
            user_type,
            initial_text: None,
            subject: None,
            initial_media: Vec::new(),
            call_id: None,
            to: None,
            from: None,
            headers: Headers::default(),
            parameters: BTreeMap::new(),
            extra: Extra::new(),
        }
    }

    /// Whether it is a text, in or out of a phone, rather than a call: the person's channel is `TEXT`, or the network
    /// carries texts alone. Where neither is named, an opening text shows it.
    #[must_use]
    pub fn is_text(&self) -> bool {
        let Some(party) = self.from.as_ref().or(self.to.as_ref()) else {
            return self.initial_text.is_some();
        };
        if party.channel.as_str().is_empty() && party.network.is_empty() {
            return self.initial_text.is_some();
        }
        party.is_text()
    }

    /// Reads the value of the member `session`. `None` without a valid id.
    pub(crate) fn gather(object: &Extra) -> Option<Self> {
        let mut fields = Fields::of(object);
        let id = fields.take::<String>("id")?.parse().ok()?;
        let mut session = Self::new(id, fields.take("userType").unwrap_or_else(|| UserType::from("")));
        session.account_id = fields.take("accountId").unwrap_or_default();
        session.application_id = fields.take("applicationId").flatten();
        session.timestamp = fields.take("timestamp").flatten();
        session.initial_text = fields.take("initialText").flatten();
        session.subject = fields.take("subject").flatten();
        session.initial_media = fields.take("initialMedia").unwrap_or_default();
        session.call_id = fields.take("callId").flatten();
        session.to = fields.take("to").flatten();
        session.from = fields.take("from").flatten();
        session.headers = fields.take("headers").unwrap_or_default();
        session.parameters = fields.take("parameters").unwrap_or_default();
        (session.extra, _) = fields.finish();
        Some(session)
    }
}

/// MMS parts: an array, or one by itself. What is no object is skipped.
impl Member for Vec<InitialMedia> {
    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn read(value: &serde_json::Value) -> Result<Self, Wrong> {
        match value {
            serde_json::Value::Array(items) => Ok(items.iter().filter_map(tolerant).collect()),
            one => tolerant(one).map(|one| vec![one]).ok_or(Wrong::expected("an array")),
        }
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

/// Shows what tells sessions apart, and nothing of a person.
impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, user_type, .. } = self;
        f.debug_struct("Session").field("id", id).field("user_type", user_type).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
