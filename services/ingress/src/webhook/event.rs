//! What each webhook says, in our own words.

use protocol::{
    Address, BackendName, DeliveryReported, EventId, IgnoredReason, Kind, MessageReceived, MessageText, Network,
    SessionId, SessionIgnored, SessionResult,
};
use tropo::result::SessionReport;
use tropo::session::{Party, Session};
use tropo::ticket::Receipt;
use tropo::webhook::DeliveryReport;

use super::Refused;

/// A text that came in.
pub(super) fn received(backend: &BackendName, session: &Session) -> Result<(EventId, MessageReceived), Refused> {
    let id = EventId::of_webhook(backend, &session.id, Kind::MessageReceived, "");
    let from = session.from.as_ref().ok_or(Refused::Unusable("the session has no sender"))?;
    let text = session.initial_text.as_deref().unwrap_or_default();
    let text: MessageText = text.parse().map_err(|_| Refused::Unusable("the text is too long or holds a NUL"))?;
    let data = MessageReceived {
        session_id: session.id.clone(),
        from: address(from).ok_or(Refused::Unusable("the sender is not an address"))?,
        to: session.to.as_ref().and_then(address),
        text,
        network: from.network.parse().unwrap_or_else(|_| Network::sms()),
    };
    Ok((id, data))
}

/// A party in its canonical form. Tropo writes a text's numbers in international form, with or without `e164Id`.
fn address(party: &Party) -> Option<Address> {
    let written = party.e164_id.as_deref().filter(|id| !id.trim().is_empty()).unwrap_or(&party.id);
    Address::parse(written).ok()
}

/// A session that is not answered with a message.
pub(super) fn ignored(backend: &BackendName, session: &Session, reason: IgnoredReason) -> (EventId, SessionIgnored) {
    let id = EventId::of_webhook(backend, &session.id, Kind::SessionIgnored, "");
    (id, SessionIgnored { session_id: session.id.clone(), reason })
}

/// What a session reported to a handler of our document, and the conversation that it is part of.
pub(super) fn result(
    backend: &BackendName,
    report: &SessionReport,
    receipt: &Receipt,
) -> Result<(EventId, SessionId, SessionResult), Refused> {
    let session_id = report.session_id.clone().ok_or(Refused::Unusable("the result has no valid sessionId"))?;
    let id = EventId::of_webhook(backend, &session_id, Kind::SessionResult, receipt.handler.as_str());
    let correlation_id = receipt.correlation_id.clone().unwrap_or_else(|| session_id.clone());
    let data = SessionResult {
        message_id: receipt.message_id,
        session_id,
        handler: receipt.handler,
        state: report.state.as_ref().map(|state| state.as_str().to_owned()),
        error: report.error.clone(),
    };
    Ok((id, correlation_id, data))
}

/// A delivery report. It names the session that sent the text, and no other.
pub(super) fn reported(
    backend: &BackendName,
    report: DeliveryReport,
) -> Result<(EventId, SessionId, DeliveryReported), Refused> {
    let DeliveryReport { session_id, status, .. } = report;
    let id = EventId::of_webhook(backend, &session_id, Kind::DeliveryReported, &status);
    Ok((id, session_id.clone(), DeliveryReported { session_id, status }))
}
