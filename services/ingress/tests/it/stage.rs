//! What the tests of ingress stand on.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use chassis::http::Limits;
use chassis::shutdown::Shutdown;
use chassis::tasks::Crowd;
use ingress::{Backend, Backends, Config, Ingress};
use messaging::{BoxFuture, Bus, BusUrl, Delivery, Environment, Publisher};
use protocol::topology::{self, QueueName, Topology};
use protocol::{Envelope, EventId, Timestamp};
use reqwest::Response;
use tempfile::TempDir;
use tropo::ticket::{Key, Keyring, Ticket};

pub(crate) const SECRET: &str = "a-webhook-secret-of-some-length";

/// A server in the place of egress: keeps what it was sent, and answers with its own document.
#[derive(Clone, Default)]
pub(crate) struct Egress {
    pub(crate) forwarded: Arc<Mutex<Vec<(HeaderMap, Bytes)>>>,
}

pub(crate) const DOCUMENT: &str = r#"{"tropo":[{"message":{}}]}"#;

pub(crate) struct Stage {
    pub(crate) address: SocketAddr,
    pub(crate) egress: Egress,
    pub(crate) keyring: Keyring,
    pub(crate) bus: Arc<dyn Bus>,
    http: reqwest::Client,
    _directory: TempDir,
    _crowd: Crowd,
}

async fn forwarded(State(egress): State<Egress>, headers: HeaderMap, body: Bytes) -> (StatusCode, &'static str) {
    egress.forwarded.lock().unwrap().push((headers, body));
    (StatusCode::OK, DOCUMENT)
}

impl Stage {
    /// Ingress on an embedded bus, with a backend `open` and a backend `guarded` by [`SECRET`].
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let url = BusUrl::Embedded(directory.path().join("bus"));
        Self::on(&url, directory).await
    }

    /// Ingress on a RabbitMQ that is not there.
    pub(crate) async fn away() -> Self {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        Self::on(&format!("amqp://127.0.0.1:{port}/%2f").parse().unwrap(), tempfile::tempdir().unwrap()).await
    }

    async fn on(url: &BusUrl, directory: TempDir) -> Self {
        let opened = messaging::open(url, Topology::new(&[])).unwrap();
        Self::with_driver(opened.bus, opened.driver, directory).await
    }

    /// Ingress on a bus that does as its test wants.
    pub(crate) async fn on_bus(bus: Arc<dyn Bus>) -> Self {
        Self::with(bus, Crowd::default(), tempfile::tempdir().unwrap()).await
    }

    /// Ingress on a bus whose driver is to be run, and that is kept in a directory.
    pub(crate) async fn with_driver(bus: Arc<dyn Bus>, driver: BoxFuture<'static, ()>, directory: TempDir) -> Self {
        let crowd = Crowd::default();
        crowd.spawn(driver);
        Self::with(bus, crowd, directory).await
    }

    async fn with(bus: Arc<dyn Bus>, crowd: Crowd, directory: TempDir) -> Self {
        chassis::tls::install_provider();
        let egress = Egress::default();
        let egress_listener = chassis::http::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let egress_address = egress_listener.local_addr().unwrap();
        let routes = Router::new().fallback(forwarded).with_state(egress.clone());
        crowd.spawn(async move { axum::serve(egress_listener, routes).await.unwrap() });

        let limits = Limits { body_bytes_max: 8 * 1024, ..Limits::default() };
        let config = Config {
            listen: "127.0.0.1:0".parse().unwrap(),
            egress: format!("http://{egress_address}/").parse().unwrap(),
            forward_timeout: Duration::from_secs(5),
            confirm_timeout: Duration::from_secs(5),
            trusted_proxies: Vec::new(),
            // What a spool does with these is seen to where the bus is put together.
            spool: ingress::Spool {
                path: directory.path().join("spool"),
                bytes_max: 0,
                age_max: Duration::ZERO,
                confirm_timeout: Duration::ZERO,
            },
            limits: limits.clone(),
        };
        let guarded = Backend { webhook_secret: Some(SECRET.into()), ..Backend::default() };
        let elsewhere = Backend { allow_from: vec!["192.0.2.0/24".parse().unwrap()], ..Backend::default() };
        let backends = Backends::from([
            ("open".parse().unwrap(), Backend::default()),
            ("guarded".parse().unwrap(), guarded),
            ("elsewhere".parse().unwrap(), elsewhere),
        ]);
        let keyring = Keyring::new(vec![Key::new("k", b"a secret of thirty-two bytes, ok").unwrap()]).unwrap();
        let publisher = Publisher::new(Arc::clone(&bus), "ingress");
        let call_backs = Arc::new(ingress::Forwarder::new(&config).unwrap());
        let ingress = Ingress::new(config, backends, publisher, keyring.clone(), call_backs, Environment::system());
        let listener = chassis::http::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let address = listener.local_addr().unwrap();
        let serving = chassis::http::serve(listener, ingress.routes(), limits, Shutdown::new());
        crowd.spawn(async move { serving.await.unwrap() });
        let http = reqwest::Client::builder().no_proxy().build().unwrap();
        Self { address, egress, keyring, bus, http, _directory: directory, _crowd: crowd }
    }

    pub(crate) async fn post(&self, path: &str, body: impl Into<reqwest::Body>) -> Response {
        self.http.post(format!("http://{}{path}", self.address)).body(body).send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.http.get(format!("http://{}{path}", self.address)).send().await.unwrap()
    }

    /// Everything on a queue, in order: all that was confirmed before this call.
    pub(crate) async fn events(&self, queue: &QueueName) -> Vec<(Envelope<serde_json::Value>, Delivery)> {
        let mut subscription = self.bus.subscribe(queue, 1000).await.unwrap();
        let mut events = Vec::new();
        // What was confirmed is dispatched to a new subscription at once; silence is its end.
        while let Ok(Some(delivery)) = tokio::time::timeout(Duration::from_millis(300), subscription.next()).await {
            events.push((Envelope::any_from_body(&delivery.body).unwrap(), delivery));
        }
        events
    }

    /// The texts of the person of [`text`] on this backend.
    pub(crate) async fn texts(&self, backend: &str) -> Vec<(Envelope<serde_json::Value>, Delivery)> {
        let shard = topology::shard(&backend.parse().unwrap(), &"+15555550177".parse().unwrap());
        self.events(&QueueName::shard(&shard)).await
    }

    /// A ticket as egress would seal it for the backend `open`.
    pub(crate) fn ticket(&self, expires_at: Timestamp) -> Ticket {
        Ticket {
            message_id: EventId::from(uuid::Uuid::nil()),
            backend: "open".parse().unwrap(),
            attempt: 1,
            correlation_id: Some("session-a".parse().unwrap()),
            to: "+15555550177".parse().unwrap(),
            from: None,
            text: "hi".parse().unwrap(),
            network: protocol::Network::sms(),
            trace: None,
            worth_until: None,
            expires_at,
        }
    }
}

/// An hour from now.
pub(crate) fn later() -> Timestamp {
    Timestamp::now().saturating_add(Duration::from_hours(1)).unwrap()
}

/// A text, as Tropo posted them in 2013.
pub(crate) fn text(session: &str) -> String {
    format!(
        r#"{{"session":{{"id":"{session}","accountId":"70001","timestamp":"2013-06-02T09:30:15.204Z","userType":"HUMAN",
        "initialText":"BAL 4711 ✓","callId":"51f0aa07b3c94e2d9d1b7d0c6e8f2a10",
        "to":{{"id":"15555550100","name":null,"channel":"TEXT","network":"SMS"}},
        "from":{{"id":"15555550177","name":null,"channel":"TEXT","network":"SMS"}},
        "headers":{{"Max-Forwards":"70"}}}}}}"#
    )
}
