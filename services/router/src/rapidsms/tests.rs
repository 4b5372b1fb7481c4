//! What the tests of the formats share: a project, and a text.

use protocol::{Envelope, EventId, Kind, MessageReceived};

use super::config::{Config, Format, Identity};
use crate::applications::received;

/// A project that takes texts in this format.
pub(super) fn config(format: Format) -> Config {
    Config {
        format,
        url: "http://127.0.0.1:8000/backend/?key=1".parse().unwrap(),
        backend: None,
        user: None,
        password: Some("a-password-of-some-length".into()),
        identity: Identity::Digits,
        identity_name: "identity".to_owned(),
        text_name: "text".to_owned(),
    }
}

/// A text to it.
pub(super) fn text(words: &str) -> Envelope<MessageReceived> {
    let (backend, data) = ("clinic".parse().unwrap(), received(words));
    let id = EventId::of_webhook(&backend, &data.session_id, Kind::MessageReceived, "");
    Envelope::of_webhook(id, backend, data.session_id.clone(), "2026-03-01T09:30:15.204Z".parse().unwrap(), data)
}
