//! The SMS delivery report: the only webhook that is about a text rather than a session.

use std::fmt;

use protocol::SessionId;
use serde_json::Value;

use crate::member::Member;
use crate::shape::Extra;

/// What became of a text (Tropo WebAPI: SMS delivery report, a beta; its members were never listed in full).
///
/// Posted once, up to a day later, and up to three times within seconds when it is not answered.
#[derive(Clone, PartialEq)]
pub struct DeliveryReport {
    /// The session that sent the text.
    pub session_id: SessionId,
    /// The call.
    pub call_id: Option<String>,
    /// The carrier's word.
    pub status: String,
    /// Everything else that stood beside it.
    pub extra: Extra,
}

impl DeliveryReport {
    /// Finds a report in an object, or one level down under any of its members (`data`, `payload`).
    pub(crate) fn gather(body: &Extra) -> Option<Self> {
        Self::of(body).or_else(|| body.values().filter_map(Value::as_object).find_map(Self::of))
    }

    fn of(object: &Extra) -> Option<Self> {
        let mut extra = object.clone();
        let session_id = take(&mut extra, &["sessionid"])?.parse().ok()?;
        let status = take(&mut extra, &["status", "deliverystatus", "state"])?;
        let call_id = take(&mut extra, &["callid"]);
        Some(Self { session_id, call_id, status, extra })
    }
}

/// Takes the first member of one of these names that holds a word, in any spelling: `sessionId`, `session_id`,
/// `SessionID`.
fn take(object: &mut Extra, names: &[&str]) -> Option<String> {
    let plain = |key: &str| -> String {
        key.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
    };
    let (key, word) = names.iter().find_map(|name| {
        object.iter().filter(|(key, _)| plain(key) == *name).find_map(|(key, value)| {
            let word = String::read(value).ok().filter(|word| !word.trim().is_empty())?;
            Some((key.clone(), word))
        })
    })?;
    object.remove(&key);
    Some(word)
}

/// Shows what was reported; numbers and texts are among the extra.
impl fmt::Debug for DeliveryReport {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { session_id, status, .. } = self;
        f.debug_struct("DeliveryReport").field("session_id", session_id).field("status", status).finish_non_exhaustive()
    }
}
