//! What the tests of egress stand on: a ledger, a Tropo that answers as it is told, and egress between them.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::{HeaderName, Request, StatusCode};
use egress::{Backend, Config, Egress, OnUnconfirmed};
use messaging::{Context, Environment, Handler, Outgoing};
use protocol::topology::QueueName;
use protocol::{
    BackendName, Envelope, Event, EventId, EventType, Head, Kind, MessageSend, Network, SessionId, Timestamp, forward,
};
use store::{Consents, Ledger, Opened};
use tempfile::TempDir;
use tower::ServiceExt;
use tropo::launch::LaunchRequest;
use tropo::session::{Session, UserType};
use tropo::ticket::{Key, Keyring, Ticket};

/// How Tropo answers a create request.
#[derive(Clone, Debug)]
pub(crate) enum Reply {
    /// With this status, these headers and this body.
    With(u16, Vec<(&'static str, &'static str)>, &'static str),
    /// Not at all.
    Never,
}

impl Reply {
    /// The usual one.
    pub(crate) fn created() -> Self {
        Self::With(200, Vec::new(), r#"{"success":true,"token":"t","id":"session-b\r\n"}"#)
    }
}

/// A server in Tropo's place: counts the create requests, keeps their tickets.
#[derive(Clone)]
pub(crate) struct Tropo {
    reply: Reply,
    pub(crate) tickets: Arc<Mutex<Vec<String>>>,
    /// Called with each ticket, before the request is answered.
    before_reply: Arc<Mutex<Option<Act>>>,
}

/// What a ticket sets off.
type Act = Arc<dyn Fn(String) + Send + Sync>;

pub(crate) struct Stage {
    pub(crate) egress: Arc<Egress>,
    pub(crate) ledger: Arc<dyn Ledger>,
    pub(crate) consents: Arc<dyn Consents>,
    pub(crate) keyring: Keyring,
    pub(crate) tropo: Tropo,
    pub(crate) session_api: Arc<dyn egress::SessionApi>,
    pub(crate) environment: Environment,
    _directory: TempDir,
    _server: chassis::tasks::Crowd,
}

pub(crate) const SECRET: &[u8] = b"a secret of thirty-two bytes, ok";

pub(crate) fn backend() -> BackendName {
    "my-backend".parse().unwrap()
}

pub(crate) fn session(id: &str) -> SessionId {
    id.parse().unwrap()
}

async fn create(State(tropo): State<Tropo>, body: Bytes) -> (StatusCode, [(HeaderName, String); 1], &'static str) {
    let (request, _) = LaunchRequest::read("POST", None, Some("application/json"), &body).unwrap();
    assert_eq!(request.token, "the-messaging-token");
    let ticket = request.parameters[Ticket::PARAMETER].clone();
    tropo.tickets.lock().unwrap().push(ticket.clone());
    let before_reply = tropo.before_reply.lock().unwrap().clone();
    if let Some(act) = before_reply {
        tokio::task::spawn_blocking(move || act(ticket)).await.unwrap();
    }
    match tropo.reply {
        Reply::With(status, headers, body) => {
            let (name, value) = headers.first().copied().unwrap_or(("x-none", ""));
            (StatusCode::from_u16(status).unwrap(), [(HeaderName::from_static(name), value.to_owned())], body)
        }
        Reply::Never => std::future::pending().await,
    }
}

impl Stage {
    /// A stage whose waits are long enough never to end a test that works.
    pub(crate) async fn new(reply: Reply) -> Self {
        Self::waiting(reply, Duration::from_secs(20)).await
    }

    /// A stage that waits so long for the create reply, and for the call-back.
    pub(crate) async fn waiting(reply: Reply, timeout: Duration) -> Self {
        Self::built(reply, timeout, |_| {}, Environment::system()).await
    }

    /// A stage whose backend is changed so.
    pub(crate) async fn built(
        reply: Reply,
        timeout: Duration,
        change: impl FnOnce(&mut Backend),
        environment: Environment,
    ) -> Self {
        chassis::tls::install_provider();
        let tropo = Tropo { reply, tickets: Arc::default(), before_reply: Arc::default() };
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let routes = Router::new().fallback(create).with_state(tropo.clone());
        let crowd = chassis::tasks::Crowd::default();
        crowd.spawn(async move { axum::serve(listener, routes).await.unwrap() });

        let directory = tempfile::tempdir().unwrap();
        let url = format!("sqlite:{}", directory.path().join("l.db").display());
        let Opened { ledger, consents, .. } = store::open_all(&url, store::Settings::default()).await.unwrap();
        let keyring = Keyring::new(vec![Key::new("k", SECRET).unwrap()]).unwrap();
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            session_api: format!("http://{address}/1.0/sessions").parse().unwrap(),
            connect_timeout: Duration::from_secs(5),
            request_timeout: timeout,
            callback_timeout: timeout,
            result_timeout: Duration::from_millis(1),
            time_to_live: Duration::from_hours(1),
            retention: Duration::from_hours(24),
            reconcile_interval: Duration::from_millis(10),
            prefetch: 8,
            limits: chassis::http::Limits::default(),
            retry: egress::Retry { first: Duration::from_secs(1), longest: Duration::from_secs(1) },
        };
        let mut plain = Backend {
            messaging_token: "the-messaging-token".into(),
            number: "+1-555-555-0100".parse().unwrap(),
            rate: None,
            on_unconfirmed: OnUnconfirmed::Hold,
            session_api: None,
            is_probe: false,
        };
        change(&mut plain);
        let backends = BTreeMap::from([(backend(), plain)]);
        let session_api: Arc<dyn egress::SessionApi> = Arc::new(egress::Client::new(&config).unwrap());
        let egress = Egress::new(
            config,
            backends,
            Arc::clone(&session_api),
            Arc::clone(&ledger),
            Arc::clone(&consents),
            keyring.clone(),
            environment.clone(),
        );
        Self {
            egress,
            ledger,
            consents,
            keyring,
            tropo,
            session_api,
            environment,
            _directory: directory,
            _server: crowd,
        }
    }

    /// Has something happen with each ticket before its create request is answered.
    pub(crate) fn before_reply(&self, act: impl Fn(String) + Send + Sync + 'static) {
        *self.tropo.before_reply.lock().unwrap() = Some(Arc::new(act));
    }

    /// A command to send, of the conversation `session-a`.
    pub(crate) fn command(&self) -> Envelope<MessageSend> {
        let head = Head {
            id: EventId::of_webhook(&backend(), &session("session-a"), Kind::MessageSend, "0"),
            event_type: EventType { kind: Kind::MessageSend, version: 1 },
            backend: backend(),
            correlation_id: Some(session("session-a")),
            causation_id: None,
            time: self.environment.now(),
        };
        let data = MessageSend {
            to: "+15555550177".parse().unwrap(),
            text: "Balance is 12 ✓".parse().unwrap(),
            from: None,
            network: Network::sms(),
            application: None,
            expires_at: None,
        };
        Envelope { head, data }
    }

    /// The sealed ticket for a command.
    pub(crate) fn ticket(&self, command: &Envelope<MessageSend>) -> Ticket {
        Ticket {
            message_id: command.head.id,
            backend: command.head.backend.clone(),
            attempt: 1,
            correlation_id: command.head.correlation_id.clone(),
            to: command.data.to.clone(),
            from: None,
            text: command.data.text.clone(),
            network: Network::sms(),
            trace: None,
            worth_until: None,
            expires_at: self.environment.now().saturating_add(Duration::from_mins(5)).unwrap(),
        }
    }

    /// Handles an event with a handler; what it returns, and what it reported as progress.
    pub(crate) async fn handle<H: Handler>(
        &self,
        handler: &H,
        envelope: Envelope<H::Event>,
    ) -> (Result<Vec<Outgoing>, H::Error>, Vec<Outgoing>) {
        self.handle_replayed(handler, envelope, None).await
    }

    /// The same, of what an operator replayed then.
    pub(crate) async fn handle_replayed<H: Handler>(
        &self,
        handler: &H,
        envelope: Envelope<H::Event>,
        replayed_at: Option<Timestamp>,
    ) -> (Result<Vec<Outgoing>, H::Error>, Vec<Outgoing>) {
        let (mut context, mut reported) = Context::new(1, QueueName::lane(&backend()), self.environment.clone());
        context.replayed_at = replayed_at;
        let result = handler.handle(envelope, &context).await;
        drop(context);
        let mut progress = Vec::new();
        while let Some(made) = reported.recv().await {
            progress.push(made.outgoing);
        }
        (result, progress)
    }

    pub(crate) fn lane(&self) -> egress::Lane {
        self.egress.lanes().next().unwrap().1
    }
}

/// The only event, read.
#[track_caller]
pub(crate) fn only<T: Event>(outgoing: &[Outgoing]) -> Envelope<T> {
    let [event] = outgoing else { panic!("expected one event: {outgoing:?}") };
    Envelope::from_body(event.body()).unwrap()
}

/// Posts a call-back to egress, as ingress forwards it; the status, and the document.
pub(crate) async fn post(stage: &Stage, backend: &str, body: Vec<u8>) -> (StatusCode, String) {
    post_to(stage.egress.callbacks(), backend, body).await
}

pub(crate) async fn post_to(routes: Router, backend: &str, body: Vec<u8>) -> (StatusCode, String) {
    post_within(60_000, routes, backend, body).await
}

/// The same, by an ingress that waits for so many milliseconds.
pub(crate) async fn post_within(wait: u64, routes: Router, backend: &str, body: Vec<u8>) -> (StatusCode, String) {
    let request = Request::post(format!("/callback/{backend}"))
        .header(forward::REPLY_TO, "my-backend?secret=s")
        .header(forward::WAIT, wait)
        .body(Body::from(body))
        .unwrap();
    let response = routes.oneshot(request).await.unwrap();
    let status = response.status();
    let body = axum::body::to_bytes(response.into_body(), usize::MAX).await.unwrap();
    (status, String::from_utf8(body.to_vec()).unwrap())
}

/// What a session is answered that does not get the message.
pub(crate) const HANGUP: &str = r#"{"tropo":[{"hangup":{}}]}"#;

/// The body of a call-back.
pub(crate) fn call_back(id: &str, ticket: &str) -> Vec<u8> {
    let mut call_back = Session::new(session(id), UserType::None);
    call_back.parameters.insert(Ticket::PARAMETER.to_owned(), ticket.to_owned());
    call_back.to_body()
}
