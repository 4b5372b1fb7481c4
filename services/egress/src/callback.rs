//! Where ingress forwards call-backs to: claim the message for the session, and only then hand out the document.

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{Path, State};
use axum::http::{HeaderMap, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::post;
use messaging::trace;
use protocol::{BackendName, MessageSend, forward};
use store::{Claim, Claimed, LedgerError, Release};
use tracing::{Instrument, info_span};
use tropo::document::{self, Document};
use tropo::session::Session;
use tropo::ticket::{Ticket, TicketError};
use tropo::webhook::{Webhook, WebhookError};

use crate::pending::Ended;
use crate::{Backend, Egress, OnUnconfirmed, document as message_document, observe};

/// The route of call-backs.
pub(crate) fn router(egress: Arc<Egress>) -> Router {
    Router::new().route(forward::ROUTE, post(call_back)).with_state(egress)
}

/// Why a call-back gets no document.
#[derive(Debug, thiserror::Error)]
pub(crate) enum CallBackError {
    #[error("no such backend")]
    UnknownBackend,
    #[error("not a readable session")]
    Unreadable(#[source] WebhookError),
    #[error("not a call-back")]
    NotACallBack,
    #[error("the ticket is not valid")]
    Ticket(#[source] TicketError),
    #[error("the ticket is another backend's")]
    OtherBackend,
    #[error("the release ledger is not available")]
    Ledger(#[source] LedgerError),
}

impl CallBackError {
    /// What the caller is told. A forger learns nothing but that it did not work.
    fn answer(&self) -> (StatusCode, &'static str) {
        match self {
            Self::UnknownBackend => (StatusCode::NOT_FOUND, "no such backend"),
            Self::Unreadable(_) | Self::NotACallBack => (StatusCode::BAD_REQUEST, "not a call-back"),
            Self::Ticket(_) | Self::OtherBackend => (StatusCode::FORBIDDEN, "ticket refused"),
            Self::Ledger(_) => (StatusCode::SERVICE_UNAVAILABLE, "not available, try again"),
        }
    }
}

async fn call_back(
    State(egress): State<Arc<Egress>>,
    Path(backend): Path<String>,
    headers: HeaderMap,
    chassis::http::Body(body): chassis::http::Body,
) -> Response {
    let text = |name| headers.get(name).and_then(|value: &HeaderValue| value.to_str().ok());
    let wait = text(forward::WAIT).and_then(|millis| millis.parse().ok()).map(Duration::from_millis);
    // A wait without an end is none.
    let asked =
        Asked { until: wait.and_then(|wait| Instant::now().checked_add(wait)), reply_to: text(forward::REPLY_TO) };
    let began = Instant::now();
    let answered = egress.answer_call_back(&backend, asked, &body).await;
    observe::call_back_answered(began.elapsed(), answered.is_err());
    match answered {
        Ok(document) => ([(header::CONTENT_TYPE, document::CONTENT_TYPE)], document.to_body()).into_response(),
        Err(error) => {
            observe::call_back_refused(&error);
            let (status, words) = error.answer();
            (status, axum::Json(serde_json::json!({ "error": words }))).into_response()
        }
    }
}

/// What ingress says beside the call-back itself.
struct Asked<'a> {
    /// Until when it waits for the answer.
    until: Option<Instant>,
    /// What the document's addresses are relative to.
    reply_to: Option<&'a str>,
}

impl Egress {
    async fn answer_call_back(
        &self,
        backend: &str,
        Asked { until, reply_to }: Asked<'_>,
        body: &[u8],
    ) -> Result<Document, CallBackError> {
        let backend: BackendName = backend.parse().map_err(|_| CallBackError::UnknownBackend)?;
        let settings = self.backends.get(&backend).ok_or(CallBackError::UnknownBackend)?;
        let webhook = Webhook::read(body, Ticket::PARAMETER).map_err(CallBackError::Unreadable)?;
        let Webhook::CallBack { session, ticket } = webhook else { return Err(CallBackError::NotACallBack) };
        let now = self.environment.now();
        let ticket: Ticket = self.keyring.open(&ticket, now).map_err(CallBackError::Ticket)?;
        if ticket.backend != backend {
            return Err(CallBackError::OtherBackend);
        }
        let span = info_span!(
            "release",
            otel.kind = "internal",
            messaging.message.id = %ticket.message_id,
            messaging.message.conversation_id = ticket.correlation_id.as_ref().map(tracing::field::display),
            tropo.session.id = %session.id,
        );
        if let Some(context) = &ticket.trace {
            trace::adopt(&span, context);
        }
        async {
            if !self.claim(&ticket, &session, settings, until).await? {
                return Ok(Document::hangup());
            }
            let reply_to = reply_to.unwrap_or(backend.as_str());
            Ok(message_document::message(&ticket, &settings.number, reply_to, trace::current().as_ref(), &self.keyring))
        }
        .instrument(span)
        .await
    }

    /// Claims the message for the session; whether it may have the document.
    async fn claim(
        &self,
        ticket: &Ticket,
        session: &Session,
        settings: &Backend,
        until: Option<Instant>,
    ) -> Result<bool, CallBackError> {
        let claim = Claim {
            message_id: ticket.message_id,
            session_id: session.id.clone(),
            backend: ticket.backend.clone(),
            to: ticket.to.clone(),
            correlation_id: ticket.correlation_id.clone(),
            attempt: ticket.attempt,
            command: match settings.on_unconfirmed {
                OnUnconfirmed::Hold => None,
                OnUnconfirmed::Resend => Some(Box::new(command(ticket))),
            },
            at: self.environment.now(),
            until,
        };
        let claimed = self.ledger.claim(claim.clone()).await.map_err(CallBackError::Ledger)?;
        observe::claimed(&claim, &claimed);
        let (released_at, life) = match claimed {
            Claimed::Granted { at, life } | Claimed::Again { at, life } => (at, life),
            Claimed::Refused { .. } | Claimed::GivenUp => return Ok(false),
            Claimed::Suppressed(given_up) => {
                self.pending.ended(&Ended::GivenUp(given_up));
                return Ok(false);
            }
        };
        let Claim { message_id, session_id, backend, correlation_id, attempt, .. } = claim;
        self.pending.ended(&Ended::Released(Release {
            message_id,
            session_id,
            backend,
            correlation_id,
            attempt,
            life,
            released_at,
            outcome: None,
            outcome_at: None,
        }));
        Ok(true)
    }
}

/// The command that a ticket was made of, as far as a session needs it.
fn command(ticket: &Ticket) -> MessageSend {
    MessageSend {
        to: ticket.to.clone(),
        text: ticket.text.clone(),
        from: ticket.from.clone(),
        network: ticket.network.clone(),
        application: None,
        expires_at: Some(ticket.worth_until.unwrap_or(ticket.expires_at)),
    }
}
