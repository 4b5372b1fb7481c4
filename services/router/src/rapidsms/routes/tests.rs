use std::collections::{BTreeMap, BTreeSet};

use axum::body::{Body, to_bytes};
use chassis::tasks::Crowd;
use messaging::{Bus, BusUrl};
use protocol::topology::{Lane, QueueName, Topology};
use protocol::{BackendName, Envelope, MessageSend};
use tempfile::TempDir;
use tower::ServiceExt;

use super::super::config::{Config, Format};
use super::super::in_hand::{Heard, InHand};
use super::super::tests::config;
use super::*;
use crate::applications::text;
use crate::fake::InMemory;

const PASSWORD: &str = "a-password-of-some-length";

fn name(name: &str) -> BackendName {
    name.parse().unwrap()
}

/// The routes of a project `clinic` and of one that cannot send, on an embedded bus.
struct Stage {
    router: Arc<Router>,
    bus: Arc<dyn Bus>,
    _crowd: Crowd,
    _directory: TempDir,
}

impl Stage {
    fn set() -> Self {
        chassis::tls::install_provider();
        let directory = tempfile::tempdir().unwrap();
        let url = BusUrl::Embedded(directory.path().join("bus"));
        let lane = Lane { backend: "clinic".parse().unwrap(), single_active_consumer: false };
        let opened = messaging::open(&url, Topology::new(&[lane])).unwrap();
        let crowd = Crowd::default();
        crowd.spawn(opened.driver);
        let silent = Config { password: None, ..config(Format::Http) };
        let rapidsms = BTreeMap::from([(name("clinic"), config(Format::Vumi)), (name("silent"), silent)]);
        let config = crate::Config { rapidsms, ..crate::tests::config(&["clinic", "silent"]) };
        let router = Arc::new(Router::new(&config, BTreeSet::new(), Arc::new(InMemory::default())).unwrap());
        Self { router, bus: opened.bus, _crowd: crowd, _directory: directory }
    }

    fn in_hand(&self) -> &InHand {
        &self.router.projects.in_hand
    }

    async fn ask(&self, request: axum::http::request::Builder, body: &str) -> (StatusCode, String) {
        let request = request.body(Body::from(body.to_owned())).unwrap();
        let publisher = Publisher::new(Arc::clone(&self.bus), "router");
        let routes = routes(Arc::clone(&self.router), publisher, Environment::system());
        let response = routes.oneshot(request).await.unwrap();
        let status = response.status();
        let body = to_bytes(response.into_body(), 4096).await.unwrap();
        (status, String::from_utf8(body.to_vec()).unwrap())
    }

    async fn vumi(&self, project: &str, password: &str, body: &str) -> (StatusCode, String) {
        let credentials = STANDARD.encode(format!("{project}:{password}"));
        let request = Request::post(format!("/rapidsms/{project}/vumi"));
        self.ask(request.header(header::AUTHORIZATION, format!("Basic {credentials}")), body).await
    }

    async fn kannel(&self, query: &str) -> (StatusCode, String) {
        self.ask(Request::get(format!("/rapidsms/clinic/kannel?{query}")), "").await
    }

    /// So many messages on the lane.
    async fn messages(&self, count: usize) -> Vec<Envelope<MessageSend>> {
        let lane = QueueName::lane(&"clinic".parse().unwrap());
        let mut subscription = self.bus.subscribe(&lane, 1_000).await.unwrap();
        let mut messages = Vec::new();
        while messages.len() < count {
            let delivery = subscription.next().await.unwrap();
            messages.push(Envelope::from_body(&delivery.body).unwrap());
        }
        messages
    }
}

#[tokio::test]
async fn a_reply_of_the_vumi_backend_is_on_the_bus_before_it_is_accepted() {
    let (stage, text) = (Stage::set(), text("ping"));
    let asking = stage.in_hand().ask(&name("clinic"), &text);
    let body = format!(r#"{{"content": "pong", "to_addr": ["15555550177"], "in_reply_to": "{}"}}"#, text.id);
    let expected = (StatusCode::OK, r#"{"messages":1}"#.to_owned());
    assert_eq!(stage.vumi("clinic", PASSWORD, &body).await, expected);
    assert_eq!(stage.vumi("clinic", PASSWORD, &body).await, expected);
    assert_eq!(asking.heard().await, Heard { kept: 2, unkept: 0 });
    let sent = stage.messages(2).await;
    assert_eq!(sent[0].head.id, sent[1].head.id);
    let head = &sent[0].head;
    assert_eq!((head.causation_id, &head.correlation_id), (Some(text.id), &text.correlation_id));
    assert_eq!(sent[0].data.text.as_str(), "pong");
}

#[tokio::test]
async fn a_request_of_the_kannel_backend_is_accepted_in_the_words_of_kannel() {
    let stage = Stage::set();
    let query = format!("username=clinic&password={PASSWORD}&to=15555550177+15555550188&text=n%C3%A9&charset=UTF-8");
    assert_eq!(stage.kannel(&query).await, (StatusCode::ACCEPTED, "0: Accepted for delivery".to_owned()));
    let numbers: Vec<_> = stage.messages(2).await.into_iter().map(|sent| sent.data.to.as_str().to_owned()).collect();
    assert_eq!(numbers.len(), 2);
    assert!(numbers.contains(&"+15555550188".to_owned()));
    let (status, words) = stage.kannel(&format!("username=clinic&password={PASSWORD}&to=1555&coding=1")).await;
    assert_eq!((status, words.as_str()), (StatusCode::BAD_REQUEST, "binary messages cannot be sent"));
}

#[tokio::test]
async fn many_recipients_get_a_message_each() {
    let stage = Stage::set();
    let numbers: Vec<_> = (0..2 * AT_ONCE + 1).map(|at| (15_555_550_000 + at).to_string()).collect();
    let body = serde_json::json!({ "content": "news", "to_addr": numbers.iter().chain(&numbers).collect::<Vec<_>>() });
    let expected = (StatusCode::OK, format!(r#"{{"messages":{}}}"#, numbers.len()));
    assert_eq!(stage.vumi("clinic", PASSWORD, &body.to_string()).await, expected);
    let sent = stage.messages(numbers.len()).await;
    let reached: BTreeSet<_> = sent.iter().map(|message| message.data.to.as_str().trim_start_matches('+')).collect();
    assert_eq!(reached, numbers.iter().map(String::as_str).collect());
}

#[tokio::test]
async fn an_sms_for_a_name_is_refused_with_what_to_write() {
    let stage = Stage::set();
    let (status, words) = stage.vumi("clinic", PASSWORD, r#"{"content": "x", "to_addr": ["bob"]}"#).await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert!(words.contains("write each number with its country code"), "{words}");
}

#[tokio::test]
async fn who_shows_no_password_or_a_wrong_one_is_refused() {
    let stage = Stage::set();
    let body = r#"{"content": "x", "to_addr": ["15555550177"]}"#;
    for (project, password, expected) in [
        ("clinic", "wrong", StatusCode::UNAUTHORIZED),
        ("silent", "", StatusCode::UNAUTHORIZED),
        ("other", PASSWORD, StatusCode::NOT_FOUND),
    ] {
        assert_eq!(stage.vumi(project, password, body).await.0, expected, "{project}");
    }
    assert_eq!(stage.ask(Request::post("/rapidsms/clinic/vumi"), body).await.0, StatusCode::UNAUTHORIZED);
    for query in ["", "username=clinic&password=wrong&to=15555550177&text=x", "username=clinic&password="] {
        assert_eq!(stage.kannel(query).await.0, StatusCode::FORBIDDEN, "{query}");
    }
    assert_eq!(stage.vumi("clinic", PASSWORD, "{bad json, , lala}").await.0, StatusCode::BAD_REQUEST);
}

#[tokio::test]
async fn what_the_bus_does_not_take_is_refused_and_its_text_is_known_as_not_answered() {
    let (stage, text) = (Stage::set(), text("ping"));
    let asking = stage.in_hand().ask(&name("clinic"), &text);
    stage.bus.close().await;
    tokio::time::pause();
    let body = r#"{"content": "pong", "to_addr": ["15555550177"]}"#;
    assert_eq!(stage.vumi("clinic", PASSWORD, body).await.0, StatusCode::SERVICE_UNAVAILABLE);
    assert_eq!(asking.heard().await, Heard { kept: 0, unkept: 1 });
}
