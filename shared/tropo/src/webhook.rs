//! Everything that Tropo posts to an application, told apart.

mod delivery;

use std::fmt;

use serde_json::Value;

pub use self::delivery::DeliveryReport;
use crate::charset;
use crate::result::SessionReport;
use crate::session::{Session, UserType};

/// What Tropo posted.
#[derive(Clone, PartialEq)]
pub enum Webhook {
    /// A document's handler was reached.
    Result(SessionReport),
    /// A session that carries our own parameter: Tropo calls back for the message that the parameter names.
    CallBack {
        /// The session that asks for a document.
        session: Session,
        /// The parameter, as it came back. Nothing is known of it until it has been opened.
        ticket: String,
    },
    /// A person texted or called.
    Inbound(Session),
    /// Somebody launched a session with our token and another program.
    ForeignLaunch(Session),
    /// What became of a text.
    DeliveryReport(DeliveryReport),
}

/// Why a body is no webhook of Tropo's. Tells what is missing and quotes nothing, so it may be sent to the caller.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum WebhookError {
    /// It cannot be parsed.
    #[error("body is not JSON")]
    NotJson,
    /// It is JSON, but not an object.
    #[error("body is not a JSON object")]
    NotAnObject,
    /// It has no member that any webhook has.
    #[error("body has neither `session` nor `result`, and is no delivery report")]
    Unknown,
    /// What stands there is not an object.
    #[error("`result` is not an object")]
    ResultNotAnObject,
    /// What stands there is not an object.
    #[error("`session` is not an object")]
    SessionNotAnObject,
    /// Without an id nothing can be correlated.
    #[error("`session` has no valid `id`")]
    SessionWithoutId,
    /// Nobody texted, and nobody launched it.
    #[error("`session` has neither `from` with an `id`, nor parameters of ours, nor `userType` NONE")]
    SessionOfNobody,
}

impl Webhook {
    /// Reads the body of a webhook: UTF-8, or else ISO-8859-1.
    ///
    /// `ticket_parameter` is the session parameter by which a call-back of ours is known. It is looked for before
    /// `from`; neither `callId` nor `userType` alone is relied on, because the eras differ in them.
    ///
    /// # Errors
    /// [`WebhookError`] says what was missing.
    pub fn read(body: &[u8], ticket_parameter: &str) -> Result<Self, WebhookError> {
        let body: Value = serde_json::from_str(&charset::utf8_or_latin1(body)).map_err(|_| WebhookError::NotJson)?;
        let Value::Object(body) = body else {
            return Err(WebhookError::NotAnObject);
        };
        if let Some(result) = body.get("result") {
            let result = result.as_object().ok_or(WebhookError::ResultNotAnObject)?;
            return Ok(Self::Result(SessionReport::gather(result)));
        }
        let Some(session) = body.get("session") else {
            return DeliveryReport::gather(&body).map(Self::DeliveryReport).ok_or(WebhookError::Unknown);
        };
        let session = session.as_object().ok_or(WebhookError::SessionNotAnObject)?;
        let session = Session::gather(session).ok_or(WebhookError::SessionWithoutId)?;
        if let Some(ticket) = session.parameters.get(ticket_parameter).cloned() {
            return Ok(Self::CallBack { session, ticket });
        }
        if session.from.as_ref().is_some_and(|from| !from.id.trim().is_empty()) {
            return Ok(Self::Inbound(session));
        }
        if session.user_type == UserType::None {
            return Ok(Self::ForeignLaunch(session));
        }
        Err(WebhookError::SessionOfNobody)
    }
}

/// Shows what it is about; the ticket holds a number and a text.
impl fmt::Debug for Webhook {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Result(report) => f.debug_tuple("Result").field(report).finish(),
            Self::CallBack { session, .. } => f.debug_tuple("CallBack").field(session).finish(),
            Self::Inbound(session) => f.debug_tuple("Inbound").field(session).finish(),
            Self::ForeignLaunch(session) => f.debug_tuple("ForeignLaunch").field(session).finish(),
            Self::DeliveryReport(report) => f.debug_tuple("DeliveryReport").field(report).finish(),
        }
    }
}

#[cfg(test)]
mod tests;
