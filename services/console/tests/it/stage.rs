//! What the tests of the console stand on: an embedded bus, a database, and the console on a listener between them.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use chassis::http::Limits;
use chassis::shutdown::Shutdown;
use chassis::tasks::Crowd;
use console::{Application, Backend, Config, Console, Database, Finding, House, Scope, Token};
use messaging::{BoxFuture, Bus, BusUrl, Environment};
use protocol::topology::{Lane, QueueName, Topology};
use protocol::{
    Address, BackendName, Envelope, EventId, Kind, MessageReceived, MessageSend, MessageSent, Network, SessionId,
    Timestamp,
};
use reqwest::{Method, Response, StatusCode, header};
use serde_json::{Value, json};
use store::{Content, JournalEntry, JournalEvent, Mark, Opened, Settings, Subject};
use tempfile::TempDir;
use tokio_util::sync::CancellationToken;

/// The longest wait for what must come.
pub(crate) const DEADLINE: Duration = Duration::from_secs(20);

/// The number of the one backend, `b`.
pub(crate) const NUMBER: &str = "+15555550100";

/// The number of the flow probe's backend, `p`.
pub(crate) const PROBED: &str = "+15555550199";

/// Somebody who texts it.
pub(crate) const PERSON: &str = "+15555550177";

/// Who asks: each has a token that is its name over and over.
pub(crate) const READER: &str = "reader";
pub(crate) const CLERK: &str = "clerk";
pub(crate) const SENDER: &str = "sender";
pub(crate) const OPERATOR: &str = "operator";

pub(crate) struct Stage {
    pub(crate) bus: Arc<dyn Bus>,
    pub(crate) opened: Opened,
    database: Database,
    address: SocketAddr,
    http: reqwest::Client,
    shutdown: CancellationToken,
    _folder: TempDir,
    _crowd: Crowd,
}

/// A process that has little to say.
struct Here;

impl House for Here {
    fn version(&self) -> &'static str {
        "1.2.3"
    }

    fn readiness(&self) -> (String, Value) {
        ("this process".to_owned(), json!({ "ready": true, "components": { "bus": { "ready": true } } }))
    }

    fn applications(&self) -> Vec<Application> {
        vec![Application { name: "echo".to_owned(), kind: "built in" }]
    }

    fn configuration(&self) -> Vec<Finding> {
        let told = "anybody can pose as Tropo: set webhook_secret".to_owned();
        vec![Finding { key: Some("backends.b".to_owned()), is_error: false, told }]
    }

    fn balance<'a>(
        &'a self,
        backend: Option<&'a BackendName>,
        settle: Duration,
    ) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async move { Ok(json!({ "backend": backend, "settle_ms": settle.as_millis() })) })
    }
}

pub(crate) fn backend() -> BackendName {
    "b".parse().unwrap()
}

pub(crate) fn probed() -> BackendName {
    "p".parse().unwrap()
}

fn token(name: &str) -> String {
    name.repeat(32)
}

/// Tokens of every kind, and nobody who signs in.
pub(crate) fn config() -> Config {
    let tokens = [
        (READER, vec![Scope::Read]),
        (CLERK, vec![Scope::Read, Scope::People]),
        (SENDER, vec![Scope::Send]),
        (OPERATOR, vec![Scope::Read, Scope::People, Scope::Send, Scope::Operate]),
    ];
    let tokens = tokens.map(|(name, scopes)| (name.to_owned(), Token { token: token(name).into(), scopes }));
    Config {
        listen: "127.0.0.1:0".parse().unwrap(),
        hosts: Vec::new(),
        trusted_proxies: Vec::new(),
        session_max: Duration::from_hours(1),
        retention: Duration::from_hours(1),
        simulator: None,
        probe: console::ProbeConfig { interval: Duration::from_secs(10), timeout: Duration::from_secs(5) },
        watch: BTreeMap::new(),
        users: BTreeMap::new(),
        tokens: BTreeMap::from(tokens),
        limits: Limits::default(),
    }
}

impl Stage {
    pub(crate) async fn set() -> Self {
        Self::with(config()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        let stage = Self::without_database(config).await;
        stage.give(stage.opened.clone());
        stage
    }

    /// Hands the console its database.
    pub(crate) fn give(&self, opened: Opened) {
        assert!(self.database.set(opened).is_ok());
    }

    /// The console does not have its database yet.
    pub(crate) async fn without_database(config: Config) -> Self {
        chassis::tls::install_provider();
        let folder = tempfile::tempdir().unwrap();
        let url = BusUrl::Embedded(folder.path().join("bus"));
        let lane = Lane { backend: backend(), single_active_consumer: false };
        let messaging::Opened { bus, driver } = messaging::open(&url, Topology::new(&[lane])).unwrap();
        let crowd = Crowd::default();
        crowd.spawn(driver);
        let url = format!("sqlite:{}", folder.path().join("tropomq.db").display());
        let opened = store::open_all(&url, Settings::default()).await.unwrap();
        let database = Database::default();
        let known = Backend {
            number: NUMBER.parse().unwrap(),
            rate: Some(1.0),
            on_unconfirmed: "hold",
            is_guarded: true,
            webhook: "/tropo/b".to_owned(),
            is_probe: false,
        };
        let of_the_probe = Backend {
            number: PROBED.parse().unwrap(),
            rate: None,
            webhook: "/tropo/p".to_owned(),
            is_probe: true,
            ..known.clone()
        };
        let backends = BTreeMap::from([(backend(), known), (probed(), of_the_probe)]);
        let (limits, environment) = (config.limits.clone(), Environment::system());
        let console =
            Console::new(config, backends, Arc::clone(&bus), Arc::clone(&database), Arc::new(Here), environment)
                .unwrap();
        let shutdown = CancellationToken::new();
        crowd.spawn(Arc::clone(&console).run(shutdown.clone()));
        crowd.spawn(Arc::clone(&console).probe(shutdown.clone(), |_| {}));
        let listener = chassis::http::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = chassis::http::serve(listener, console.routes(), limits, Shutdown::new());
        crowd.spawn(async move { serving.await.unwrap() });
        let http = reqwest::Client::builder().no_proxy().redirect(reqwest::redirect::Policy::none()).build().unwrap();
        Self { bus, opened, database, address, http, shutdown, _folder: folder, _crowd: crowd }
    }

    /// The address of a page.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// What is asked by whoever has that token.
    pub(crate) fn ask(&self, who: &str, method: Method, path: &str) -> reqwest::RequestBuilder {
        self.http
            .request(method, self.url(path))
            .header(header::AUTHORIZATION, format!("Bearer {}", token(who)))
            .timeout(DEADLINE)
    }

    /// Gets JSON.
    pub(crate) async fn get(&self, who: &str, path: &str) -> (StatusCode, Value) {
        answer(self.ask(who, Method::GET, path).send().await.unwrap()).await
    }

    /// Posts JSON.
    pub(crate) async fn post(&self, who: &str, path: &str, body: &Value) -> (StatusCode, Value) {
        answer(self.ask(who, Method::POST, path).json(body).send().await.unwrap()).await
    }

    /// Puts events into the journal, as the service of that name does.
    pub(crate) async fn keep(&self, entries: &[JournalEntry]) {
        self.opened.journal.keep_events(entries).await.unwrap();
    }

    /// How many messages a queue has.
    pub(crate) async fn depth(&self, queue: QueueName) -> u64 {
        self.bus.depths(std::slice::from_ref(&queue)).await.unwrap()[&queue].ready
    }

    /// Asks the console to stop.
    pub(crate) fn stop(&self) {
        self.shutdown.cancel();
    }
}

/// The status, and the JSON of an answer; of what is no JSON, its words.
pub(crate) async fn answer(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let body = response.text().await.unwrap();
    (status, serde_json::from_str(&body).unwrap_or(Value::String(body)))
}

/// A conversation: a text of a person, the reply, and that it was sent.
pub(crate) struct Conversation {
    pub(crate) text: EventId,
    pub(crate) reply: EventId,
    pub(crate) entries: Vec<JournalEntry>,
}

/// The `number`th conversation, begun so many seconds after midnight.
pub(crate) fn conversation(number: u32, person: &str, text: &str) -> Conversation {
    let at = |second: u32| {
        let midnight: Timestamp = "2026-11-23T00:00:00Z".parse().unwrap();
        midnight + Duration::from_secs((number * 60 + second).into())
    };
    let session: SessionId = format!("session-a-{number}").parse().unwrap();
    let second: SessionId = format!("session-b-{number}").parse().unwrap();
    let person: Address = person.parse().unwrap();
    let received = MessageReceived {
        session_id: session.clone(),
        from: person.clone(),
        to: Some(NUMBER.parse().unwrap()),
        text: text.parse().unwrap(),
        network: Network::sms(),
    };
    let id = EventId::of_webhook(&backend(), &session, Kind::MessageReceived, "");
    let received = Envelope::of_webhook(id, backend(), session.clone(), at(0), received);
    let send = MessageSend {
        to: person.clone(),
        text: format!("You said: {text}").parse().unwrap(),
        from: None,
        network: Network::sms(),
        application: Some("echo".to_owned()),
        expires_at: None,
    };
    let send = Envelope::caused_by(&received.head, 0, at(1), send);
    let sent = MessageSent { message_id: send.head.id, session_id: second.clone() };
    let sent = Envelope::caused_by(&send.head, 0, at(2), sent);
    let content = |text: &str, application: Option<&str>, cause| Content {
        person: person.clone(),
        number: Some(NUMBER.parse().unwrap()),
        text: text.parse().unwrap(),
        network: Network::sms(),
        application: application.map(str::to_owned),
        cause,
    };
    let (text_id, reply_id) = (received.head.id, send.head.id);
    let event = |head: &protocol::Head, session_id: Option<&SessionId>, of, body: Value| JournalEvent {
        id: head.id,
        kind: head.event_type.kind.as_str().to_owned(),
        at: head.time,
        backend: head.backend.clone(),
        correlation_id: head.correlation_id.clone(),
        session_id: session_id.cloned(),
        of: Some(of),
        body: body.to_string(),
    };
    let (of_text, of_reply) = ((Subject::Text, text_id), (Subject::Message, reply_id));
    let entries = vec![
        JournalEntry {
            event: event(&received.head, Some(&session), of_text, json!(received.data)),
            marks: vec![(Subject::Text, text_id, Mark::Begun)],
            content: Some(content(text, None, None)),
        },
        JournalEntry {
            event: event(&send.head, None, of_reply, json!(send.data)),
            marks: vec![(Subject::Text, text_id, Mark::Answered), (Subject::Message, reply_id, Mark::Begun)],
            content: Some(content(&format!("You said: {text}"), Some("echo"), Some(text_id))),
        },
        JournalEntry {
            event: event(&sent.head, Some(&second), of_reply, json!(sent.data)),
            marks: vec![(Subject::Message, reply_id, Mark::Sent)],
            content: None,
        },
    ];
    Conversation { text: text_id, reply: reply_id, entries }
}
