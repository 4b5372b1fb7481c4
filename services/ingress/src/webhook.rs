//! The one route that Tropo calls: tells its webhooks apart, and keeps or forwards each.

mod answer;
mod event;

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::Router;
use axum::extract::{ConnectInfo, FromRequest, Path, Request, State};
use axum::http::{HeaderMap, StatusCode, Uri};
use axum::response::Response;
use axum::routing::post;
use bytes::Bytes;
use messaging::{BusState, Outgoing, PublishError, trace};
use protocol::{BackendName, Envelope, Event, EventId, IgnoredReason, SessionId, TraceContext};
use tracing::{Instrument, Span, field, info_span};
use tropo::document::Document;
use tropo::result::SessionReport;
use tropo::session::Session;
use tropo::ticket::{Receipt, Ticket, TicketError};
use tropo::webhook::{DeliveryReport, Webhook, WebhookError};

use crate::caller::{self, Caller, CallerError};
use crate::forward::{CallBack, ForwardError, forward};
use crate::{Ingress, observe};

/// How long a bus that is away is waited for. It comes back from a lost connection within this; whatever takes longer is
/// answered at once.
const ABSENCE_MAX: Duration = Duration::from_secs(1);

/// The pause before an event is published again.
const PUBLISH_PAUSE: Duration = Duration::from_millis(50);

/// Why a webhook is refused.
#[derive(Debug, Clone, thiserror::Error)]
pub(crate) enum Refused {
    #[error("no such backend")]
    UnknownBackend,
    #[error("the caller is not believed")]
    Caller(#[source] CallerError),
    #[error("the body is not a webhook of Tropo's")]
    Unreadable(#[source] WebhookError),
    #[error("the webhook holds a value that cannot be kept: {0}")]
    Unusable(&'static str),
    #[error("the ticket is not valid")]
    Ticket(#[source] TicketError),
    #[error("the event could not be kept")]
    NotKept(#[source] PublishError),
    #[error("the bus did not confirm the event in time")]
    NotConfirmed,
    #[error("egress is not available")]
    EgressAway(#[source] Arc<ForwardError>),
}

/// What a webhook is answered with.
pub(crate) enum Answered {
    /// There is nothing more to do in this session.
    Kept,
    /// What egress said to a call-back.
    Forwarded(crate::forward::Answer),
}

/// A webhook that was understood; with the proof, where it is about a message of ours.
enum Understood {
    CallBack { session: Session, ticket: Box<Ticket> },
    Result { report: SessionReport, receipt: Box<Receipt> },
    Text(Session),
    Ignored(Session, IgnoredReason),
    DeliveryReport(DeliveryReport),
}

pub(crate) fn router(ingress: Arc<Ingress>) -> Router {
    let webhook = post(receive).fallback(answer::method_not_allowed);
    Router::new()
        .route("/tropo/{backend}", webhook.clone())
        .route("/tropo/{backend}/{secret}", webhook)
        .fallback(answer::not_found)
        .with_state(ingress)
}

async fn receive(
    State(ingress): State<Arc<Ingress>>,
    ConnectInfo(peer): ConnectInfo<SocketAddr>,
    Path(path): Path<Vec<String>>,
    uri: Uri,
    headers: HeaderMap,
    request: Request,
) -> Response {
    let began = Instant::now();
    let span = info_span!(
        "webhook",
        otel.name = "POST /tropo/{backend}",
        otel.kind = "server",
        http.request.method = "POST",
        http.route = "/tropo/{backend}",
        http.response.status_code = field::Empty,
        messaging.message.conversation_id = field::Empty,
    );
    let mut path = path.iter().map(String::as_str);
    let (backend, path_secret) = (path.next().unwrap_or_default(), path.next());
    let caller = Caller { peer, path_secret, uri: &uri, headers: &headers };
    let response = match ingress.known(backend, &caller) {
        // Who is not believed is not listened to: the body is read only now.
        Ok(backend) => match chassis::http::Body::from_request(request, &()).await {
            Ok(chassis::http::Body(body)) => {
                let understood = ingress.understand(&backend, &uri, &body);
                // Before the span is entered: one that has begun keeps its trace.
                if let Some(context) = understood.as_ref().ok().and_then(Understood::trace) {
                    trace::adopt(&span, context);
                }
                let taking = async { ingress.take(backend.clone(), understood?, &uri, body).await };
                let answered = taking.instrument(span.clone()).await;
                span.in_scope(|| answer::response(&backend, answered))
            }
            Err(rejection) => answer::rejected(rejection),
        },
        Err(refused) => answer::refused(backend, &refused),
    };
    span.record("http.response.status_code", response.status().as_u16());
    observe::answered(response.status(), began.elapsed());
    response
}

impl Ingress {
    /// The backend, if there is one of that name and it believes the caller.
    fn known(&self, backend: &str, caller: &Caller<'_>) -> Result<BackendName, Refused> {
        let name: BackendName = backend.parse().map_err(|_| Refused::UnknownBackend)?;
        let backend = self.backends.get(&name).ok_or(Refused::UnknownBackend)?;
        caller::check(backend, caller, &self.config.trusted_proxies).map_err(Refused::Caller)?;
        Ok(name)
    }

    /// What a webhook is. What says that it is about a message of ours is believed by its ticket or receipt alone.
    fn understand(&self, backend: &BackendName, uri: &Uri, body: &[u8]) -> Result<Understood, Refused> {
        Ok(match Webhook::read(body, Ticket::PARAMETER).map_err(Refused::Unreadable)? {
            Webhook::CallBack { session, ticket } => {
                Understood::CallBack { session, ticket: Box::new(self.ticket(backend, &ticket)?) }
            }
            Webhook::Result(report) => Understood::Result { report, receipt: Box::new(self.receipt(backend, uri)?) },
            Webhook::Inbound(session) if session.is_text() => Understood::Text(session),
            Webhook::Inbound(session) => Understood::Ignored(session, IgnoredReason::NotText),
            Webhook::ForeignLaunch(session) => Understood::Ignored(session, IgnoredReason::ForeignLaunch),
            Webhook::DeliveryReport(report) => Understood::DeliveryReport(report),
        })
    }

    async fn take(
        &self,
        backend: BackendName,
        understood: Understood,
        uri: &Uri,
        body: Bytes,
    ) -> Result<Answered, Refused> {
        match understood {
            Understood::CallBack { session, ticket } => {
                if let Some(conversation) = &ticket.correlation_id {
                    Span::current().record("messaging.message.conversation_id", field::display(conversation));
                }
                self.call_back(&backend, &session, uri, &body).await
            }
            Understood::Result { report, receipt } => {
                let (id, correlation_id, data) = event::result(&backend, &report, &receipt)?;
                self.keep(id, backend, correlation_id, data).await
            }
            Understood::Text(session) => {
                let (id, data) = event::received(&backend, &session)?;
                self.keep(id, backend, session.id, data).await
            }
            Understood::Ignored(session, reason) => {
                let (id, data) = event::ignored(&backend, &session, reason);
                self.keep(id, backend, session.id, data).await
            }
            Understood::DeliveryReport(report) => {
                let (id, correlation_id, data) = event::reported(&backend, report)?;
                self.keep(id, backend, correlation_id, data).await
            }
        }
    }

    /// Publishes an event, once, and waits for its confirm.
    async fn keep<T: Event>(
        &self,
        id: EventId,
        backend: BackendName,
        correlation_id: SessionId,
        data: T,
    ) -> Result<Answered, Refused> {
        Span::current().record("messaging.message.conversation_id", field::display(&correlation_id));
        let envelope = Envelope::of_webhook(id, backend, correlation_id, self.environment.now(), data);
        let publish = async {
            let outgoing = Outgoing::new(&envelope);
            tokio::select! {
                biased;
                published = self.insist(&outgoing) => published,
                () = self.environment.clock.sleep(self.config.confirm_timeout) => Err(Refused::NotConfirmed),
            }
        };
        self.seen.once(id, publish).await?;
        observe::kept(&envelope.head);
        Ok(Answered::Kept)
    }

    /// Publishes, over a short absence of the bus: Tropo does not repeat a webhook. Publishing again is safe, for the
    /// event has the same id.
    async fn insist(&self, outgoing: &Outgoing) -> Result<(), Refused> {
        let mut state = self.publisher.bus().state();
        let mut uncertain = false;
        loop {
            match self.publisher.publish(outgoing).await {
                Ok(()) => return Ok(()),
                Err(PublishError::Unknown(_)) => uncertain = true,
                // What is full does not get room soon.
                Err(error @ PublishError::NoRoom(_)) => return Err(not_kept(error, uncertain)),
                Err(error @ (PublishError::Unavailable(_) | PublishError::Refused)) => {
                    tokio::select! {
                        biased;
                        // An error says that the bus is gone for good; then it stays silent here.
                        Ok(_) = state.wait_for(|state| *state == BusState::Ready) => {}
                        () = self.environment.clock.sleep(ABSENCE_MAX) => return Err(not_kept(error, uncertain)),
                    }
                }
            }
            self.environment.clock.sleep(PUBLISH_PAUSE).await;
        }
    }

    /// The receipt that a result's URL carries: proof that it is about a document of ours, and which.
    fn receipt(&self, backend: &BackendName, uri: &Uri) -> Result<Receipt, Refused> {
        let query = uri.query().unwrap_or_default();
        let sealed = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == Receipt::PARAMETER);
        let sealed = sealed.map(|(_, value)| value).unwrap_or_default();
        let receipt: Receipt = self.keyring.open(&sealed, self.environment.now()).map_err(Refused::Ticket)?;
        if receipt.backend == *backend { Ok(receipt) } else { Err(Refused::Ticket(TicketError::Forged)) }
    }

    /// The ticket of a call-back. Egress checks it as well; here, a forged one ends at the door.
    fn ticket(&self, backend: &BackendName, sealed: &str) -> Result<Ticket, Refused> {
        let ticket: Ticket = self.keyring.open(sealed, self.environment.now()).map_err(Refused::Ticket)?;
        if ticket.backend == *backend { Ok(ticket) } else { Err(Refused::Ticket(TicketError::Forged)) }
    }

    /// Egress decides about a call-back.
    async fn call_back(
        &self,
        backend: &BackendName,
        session: &Session,
        uri: &Uri,
        body: &Bytes,
    ) -> Result<Answered, Refused> {
        observe::called_back(&session.id);
        let call_back = CallBack { backend, reply_to: reply_to(uri), body };
        let answer = forward(&*self.call_backs, call_back, self.config.forward_timeout, &self.environment).await;
        answer.map(Answered::Forwarded).map_err(|error| Refused::EgressAway(Arc::new(error)))
    }
}

impl Understood {
    /// The conversation's trace, where one is known.
    fn trace(&self) -> Option<&TraceContext> {
        match self {
            Self::CallBack { ticket, .. } => ticket.trace.as_ref(),
            Self::Result { receipt, .. } => receipt.trace.as_ref(),
            Self::Text(_) | Self::Ignored(..) | Self::DeliveryReport(_) => None,
        }
    }
}

/// The bus did not take an event; what an earlier try left unanswered may be on it all the same.
fn not_kept(error: PublishError, uncertain: bool) -> Refused {
    if uncertain { Refused::NotConfirmed } else { Refused::NotKept(error) }
}

/// The last part of the URL that Tropo called: what a relative `next` begins with.
fn reply_to(uri: &Uri) -> &str {
    let path = uri.path_and_query().map_or("", |path| path.as_str());
    let end_of_path = path.find('?').unwrap_or(path.len());
    let start = path.get(..end_of_path).and_then(|path| path.rfind('/')).map_or(0, |slash| slash + 1);
    path.get(start..).unwrap_or_default()
}

impl Refused {
    /// The status that tells Tropo, and a sensible word for whoever reads its log.
    fn answer(&self) -> (StatusCode, String) {
        match self {
            Self::UnknownBackend => (StatusCode::NOT_FOUND, "no such backend".to_owned()),
            Self::Caller(CallerError::NoSecret) => (StatusCode::UNAUTHORIZED, CallerError::NoSecret.to_string()),
            Self::Caller(error @ (CallerError::Address | CallerError::WrongSecret)) => {
                (StatusCode::FORBIDDEN, error.to_string())
            }
            Self::Unreadable(error) => (StatusCode::BAD_REQUEST, error.to_string()),
            Self::Unusable(what) => (StatusCode::BAD_REQUEST, (*what).to_owned()),
            // Nothing is disclosed about why.
            Self::Ticket(_) => (StatusCode::FORBIDDEN, "ticket refused".to_owned()),
            Self::NotKept(_) | Self::EgressAway(_) => {
                (StatusCode::SERVICE_UNAVAILABLE, "not available at present: nothing was kept".to_owned())
            }
            Self::NotConfirmed => {
                let words = "not available at present: it may or may not have been kept";
                (StatusCode::SERVICE_UNAVAILABLE, words.to_owned())
            }
        }
    }
}

/// The document that ends a session politely.
fn hangup() -> Vec<u8> {
    Document::hangup().to_body()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_relative_next_begins_with_the_last_part_of_the_url() {
        for (uri, expected) in [
            ("/tropo/my-backend", "my-backend"),
            ("/tropo/my-backend/s3cret", "s3cret"),
            ("/tropo/my-backend?secret=a/b", "my-backend?secret=a/b"),
        ] {
            assert_eq!(reply_to(&Uri::from_static(uri)), expected);
        }
    }
}
