//! A message that an application wants sent, as it asks for it.

use std::num::NonZeroU64;
use std::time::Duration;

use axum::http::StatusCode;
use protocol::{
    Address, BackendName, Envelope, Event, EventId, EventType, Head, MessageSend, MessageText, Network, SessionId,
    Timestamp,
};
use serde::Deserialize;

use super::problem::Problem;

/// The body of a request.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Wanted {
    /// The application's own id of the message, a UUID.
    id: Option<EventId>,
    pub(super) backend: BackendName,
    to: Address,
    text: MessageText,
    from: Option<Address>,
    #[serde(default = "Network::sms")]
    network: Network,
    /// The text that it answers: its cause.
    in_reply_to: Option<EventId>,
    /// The conversation that it belongs to.
    correlation_id: Option<SessionId>,
    expires_in_s: Option<NonZeroU64>,
}

impl Wanted {
    /// Reads a body.
    ///
    /// # Errors
    /// 400: it is not of the form.
    pub(super) fn read(body: &[u8]) -> Result<Self, Problem> {
        serde_json::from_slice(body)
            .map_err(|error| Problem::new(StatusCode::BAD_REQUEST, format!("the body does not fit: {error}")))
    }

    /// What makes it the same message when it is asked for again: the same id, or that of the request, for the same
    /// person of the same backend. `None`: nothing does.
    pub(super) fn key(&self, request: Option<&str>) -> Option<String> {
        let id = self.id.map(|id| id.to_string()).or_else(|| request.map(str::to_owned))?;
        // A line break stands in no name, in no address and in no header.
        Some(format!("{}\n{}\n{id}", self.backend, self.to.as_str()))
    }

    /// The command to send it, under that id.
    pub(super) fn into_message(self, id: EventId, application: &BackendName, now: Timestamp) -> Envelope<MessageSend> {
        let Self { backend, to, text, from, network, in_reply_to, correlation_id, expires_in_s, .. } = self;
        let event_type = EventType { kind: MessageSend::KIND, version: MessageSend::VERSION };
        let expires_at = expires_in_s.and_then(|seconds| now.checked_add(Duration::from_secs(seconds.get())).ok());
        let head = Head { id, event_type, backend, correlation_id, causation_id: in_reply_to, time: now };
        let application = Some(application.as_str().to_owned());
        Envelope { head, data: MessageSend { to, text, from, network, application, expires_at } }
    }
}
