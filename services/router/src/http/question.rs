//! What an application behind HTTP is asked: the body of the request, and its id.

use std::collections::BTreeMap;

use protocol::{Address, BackendName, EventId, MessageText, Network, Phase, SessionId, Timestamp};
use serde::Serialize;

use crate::participant::Asked;

/// A question as JSON: the form of Standard Webhooks.
#[derive(Serialize)]
struct Question<'a> {
    /// What happened.
    #[serde(rename = "type")]
    kind: &'static str,
    /// When it happened.
    timestamp: Timestamp,
    data: Data<'a>,
}

#[derive(Serialize)]
struct Data<'a> {
    id: EventId,
    application: &'a str,
    phase: Phase,
    backend: &'a BackendName,
    session_id: &'a SessionId,
    #[serde(skip_serializing_if = "Option::is_none")]
    correlation_id: Option<&'a SessionId>,
    from: &'a Address,
    #[serde(skip_serializing_if = "Option::is_none")]
    to: Option<&'a Address>,
    network: &'a Network,
    text: &'a MessageText,
    words: &'a MessageText,
    notes: &'a BTreeMap<String, String>,
}

/// The id of a question. The same text in the same phase is the same question, however often it is asked.
pub(super) fn id(asked: &Asked<'_>) -> String {
    // No dot: it stands between the parts of what is signed.
    format!("{}_{}", asked.text.id, asked.phase.as_str())
}

/// The body of a question to that application.
///
/// # Errors
/// None, in fact: what is written is our own.
pub(super) fn body(application: &str, asked: &Asked<'_>) -> Result<Vec<u8>, serde_json::Error> {
    let text = asked.text;
    let received = &text.received;
    let data = Data {
        id: text.id,
        application,
        phase: asked.phase,
        backend: &text.backend,
        session_id: &received.session_id,
        correlation_id: text.correlation_id.as_ref(),
        from: &received.from,
        to: received.to.as_ref(),
        network: &received.network,
        text: &received.text,
        words: &text.words,
        notes: &text.notes,
    };
    serde_json::to_vec(&Question { kind: "message.received", timestamp: text.received_at, data })
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;
    use crate::application::Known;
    use crate::applications::text;

    #[test]
    fn a_question_says_who_what_and_when() {
        let mut text = text("Join  Maria");
        text.words = "join maria".parse().unwrap();
        text.notes.insert("language".to_owned(), "en".to_owned());
        let known = Known::default();
        let asked = Asked { phase: Phase::Handle, text: &text, known: &known, taken_by: None };
        let id = text.id.to_string();
        assert_eq!(super::id(&asked), format!("{id}_handle"));
        let body: Value = serde_json::from_slice(&body("survey", &asked).unwrap()).unwrap();
        assert_eq!(
            body,
            json!({
                "type": "message.received",
                "timestamp": "2026-03-01T09:30:15Z",
                "data": {
                    "id": id,
                    "application": "survey",
                    "phase": "handle",
                    "backend": "story",
                    "session_id": "9f0c4be1a27d4d7f8a53e6b1c0d92e44",
                    "correlation_id": "9f0c4be1a27d4d7f8a53e6b1c0d92e44",
                    "from": "+15555550177",
                    "to": "+15555550100",
                    "network": "SMS",
                    "text": "Join  Maria",
                    "words": "join maria",
                    "notes": { "language": "en" },
                },
            })
        );
    }
}
