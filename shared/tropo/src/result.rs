//! The result webhook: what a session reports to the handler of a document.

mod written;

use std::fmt;

use protocol::SessionId;
use serde_json::Value;

use crate::member::{Fields, Member, Wrong, members, open_words, tolerant};
use crate::session::UserType;
use crate::shape::{Extra, Headers};

/// What a session reports when a handler with `next` fires (Tropo WebAPI: `result`).
///
/// Every member may be missing: transcriptions come under the same key and have none of them. One that cannot be read
/// is kept in `extra`.
#[derive(Clone, PartialEq, Default)]
pub struct SessionReport {
    /// The session that reports.
    pub session_id: Option<SessionId>,
    /// The call.
    pub call_id: Option<String>,
    /// The state of the session. Early 2010 named the member `callState`.
    pub state: Option<SessionState>,
    /// Seconds since the session began.
    pub session_duration: Option<u64>,
    /// How many documents the session has been given so far: 1 in the first report.
    pub sequence: Option<u64>,
    /// Whether all required members of the document were completed.
    pub complete: Option<bool>,
    /// What went wrong; usually null.
    pub error: Option<String>,
    /// The number that answered, or that was dialled; in payloads of 2017 alone, where it is `calledid`.
    pub called_id: Option<String>,
    /// Who answered, where the platform looked for machines.
    pub user_type: Option<UserType>,
    /// Pairs that payloads of early 2010 hold.
    pub properties: Headers,
    /// What the document's actions collected. One by itself, several and none are written differently on the wire.
    pub actions: Vec<Action>,
    /// Members that are not known here, or were not readable, as they came.
    pub extra: Extra,
}

open_words! {
    /// The state of a session when it reports.
    pub enum SessionState {
        /// The other end is there.
        Answered = "ANSWERED",
        /// One end has gone.
        Disconnected = "DISCONNECTED",
        /// It could not be reached.
        Failed = "FAILED",
    }
}

open_words! {
    /// How an action ended.
    pub enum Disposition {
        /// It succeeded.
        Success = "SUCCESS",
        /// It failed.
        Failed = "FAILED",
        /// A signal interrupted it.
        ExternalEvent = "EXTERNAL_EVENT",
        /// Its time ran out.
        Timeout = "TIMEOUT",
        /// The line was busy.
        Busy = "BUSY",
        /// The other end declined.
        Rejected = "REJECTED",
        /// The other end hung up.
        Hangup = "HANGUP",
        /// The answer fitted none of the choices.
        NoMatch = "NOMATCH",
    }
}

members! {
    /// What one action of the document collected (Tropo WebAPI: `result.actions`). Several may share a name.
    pub struct Action {
        /// The name given to the action.
        pub name: Option<String> = "name",
        /// How often the question was put.
        pub attempts: Option<u64> = "attempts",
        /// Seconds that a transfer or conference lasted.
        pub duration: Option<u64> = "duration",
        /// Seconds since the second leg of a transfer answered.
        pub connected_duration: Option<u64> = "connectedDuration",
        /// How it ended.
        pub disposition: Option<Disposition> = "disposition",
        /// How sure the platform is of what was said, 0 to 100; 100 for keys and texts.
        pub confidence: Option<u64> = "confidence",
        /// The tag of the choice that was made.
        pub interpretation: Option<String> = "interpretation",
        /// What was typed or said. Early payloads put blanks between digits.
        pub utterance: Option<String> = "utterance",
        /// The value of the choice that was made; since about 2011.
        pub value: Option<String> = "value",
        /// The choice left of its brackets, in some eras.
        pub concept: Option<String> = "concept",
        /// The recogniser's own result, as NLSML.
        pub xml: Option<String> = "xml",
        /// When a transfer began.
        pub timestamp: Option<String> = "timestamp",
        /// The party that a transfer reached.
        pub called_id: Option<String> = "calledid",
        /// Who answered a transfer.
        pub user_type: Option<UserType> = "userType",
        /// Where a recording is.
        pub url: Option<String> = "url",
        /// What became of a recording: `success`, `failed` or `unavailable`.
        pub upload_status: Option<String> = "uploadStatus",
        /// The words of a recording.
        pub transcription: Option<String> = "transcription",
    }
}

impl SessionReport {
    /// Reads the value of the member `result`.
    pub(crate) fn gather(object: &Extra) -> Self {
        let mut fields = Fields::of(object);
        let text = |fields: &mut Fields, key| fields.take::<Option<String>>(key).flatten();
        let mut report = Self {
            session_id: fields.take("sessionId").flatten(),
            call_id: text(&mut fields, "callId"),
            state: fields.take("state").flatten().or_else(|| fields.take("callState").flatten()),
            session_duration: fields.take("sessionDuration").flatten(),
            sequence: fields.take("sequence").flatten(),
            complete: fields.take("complete").flatten(),
            error: text(&mut fields, "error"),
            called_id: ["calledid", "calledId", "calledID"].into_iter().find_map(|key| text(&mut fields, key)),
            user_type: fields.take("userType").flatten(),
            properties: fields.take("properties").unwrap_or_default(),
            actions: fields.take("actions").unwrap_or_default(),
            extra: fields.finish().0,
        };
        // Read under its other name, it is not kept under this one as well.
        for (key, read) in [("state", report.state.is_some()), ("calledid", report.called_id.is_some())] {
            if read {
                report.extra.remove(key);
            }
        }
        report
    }
}

impl Member for SessionId {
    fn read(value: &Value) -> Result<Self, Wrong> {
        String::read(value)?.parse().map_err(|_| Wrong::expected("a session id"))
    }
}

/// One object, an array of them, `{}`, null or nothing. What is empty or no object is skipped.
impl Member for Vec<Action> {
    fn absent() -> Option<Self> {
        Some(Self::new())
    }

    fn read(value: &Value) -> Result<Self, Wrong> {
        match value {
            Value::Array(items) => {
                Ok(items.iter().filter_map(tolerant).filter(|action| *action != Action::default()).collect())
            }
            Value::Object(_) => Self::read(&Value::Array(vec![value.clone()])),
            _ => Err(Wrong::expected("an object or an array")),
        }
    }

    fn is_absent(&self) -> bool {
        self.is_empty()
    }
}

/// Shows what tells reports apart, and nothing of a person.
impl fmt::Debug for SessionReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session_id, state, sequence, .. } = self;
        f.debug_struct("SessionReport")
            .field("session_id", session_id)
            .field("state", state)
            .field("sequence", sequence)
            .finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests;
