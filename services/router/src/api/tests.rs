use std::collections::BTreeMap;
use std::sync::Mutex;

use axum::body::{Body as RequestBody, to_bytes};
use axum::http::Request;
use messaging::{BoxFuture, Bus, BusState, DepthError, Depths, Destination, Message, SubscribeError, Subscription};
use protocol::topology::QueueName;
use protocol::{MessageSend, Phase};
use serde_json::{Value, json};
use tokio::sync::watch;
use tower::ServiceExt;

use super::*;
use crate::application::{Application, Sending};
use crate::fake::InMemory;
use crate::http::HttpApplication;
use crate::participant::InProcess;

const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
const PATH: &str = "/v1/applications/survey/messages";

/// Keeps what is published, or fails as it is told to.
#[derive(Debug, Default)]
struct Kept {
    messages: Mutex<Vec<Message>>,
    fails: Mutex<Option<PublishError>>,
}

impl Bus for Kept {
    fn publish(&self, message: Message) -> BoxFuture<'_, Result<(), PublishError>> {
        self.messages.lock().unwrap().push(message);
        let failed = self.fails.lock().unwrap().clone();
        Box::pin(async { failed.map_or(Ok(()), Err) })
    }
    fn subscribe<'a>(
        &'a self,
        queue: &'a QueueName,
        _: u16,
    ) -> BoxFuture<'a, Result<Box<dyn Subscription>, SubscribeError>> {
        Box::pin(async { Err(SubscribeError { queue: queue.clone(), reason: "not here".to_owned() }) })
    }
    fn depths<'a>(&'a self, _: &'a [QueueName]) -> BoxFuture<'a, Result<Depths, DepthError>> {
        Box::pin(async { Ok(BTreeMap::new()) })
    }
    fn state(&self) -> watch::Receiver<BusState> {
        watch::channel(BusState::Ready).1
    }
    fn system(&self) -> &'static str {
        "test"
    }
    fn close(&self) -> BoxFuture<'_, ()> {
        Box::pin(async {})
    }
}

/// Has a word changed, and another not sent.
#[derive(Debug)]
struct Censor;

impl Application for Censor {
    fn name(&self) -> &'static str {
        "censor"
    }
    fn phases(&self) -> &[Phase] {
        &[Phase::Outgoing]
    }
    fn outgoing(&self, message: &MessageSend) -> Sending {
        match message.text.as_str() {
            "rude" => Sending::Words("polite".parse().unwrap()),
            "never" => Sending::Cancel("it is never said".to_owned()),
            _ => Sending::Pass,
        }
    }
}

/// The listener's routes, and the bus behind them.
struct Stage {
    routes: axum::Router,
    bus: Arc<Kept>,
}

impl Stage {
    fn new() -> Self {
        chassis::tls::install_provider();
        let config = "applications = ['echo']\nprefetch = 1\nretention = '1h'\nlisten = '127.0.0.1:0'\n\
                      [default]\nreply = 'what?'\n[limits]";
        let config = toml::from_str(config).unwrap();
        let router = Router::new(&config, BTreeSet::new(), Arc::new(InMemory::default())).unwrap();
        let survey = toml::from_str(&format!("url = 'https://app.example.com/'\nsecret = '{SECRET}'")).unwrap();
        let survey = HttpApplication::new("survey".parse().unwrap(), &survey).unwrap();
        let pipeline = Pipeline::new(vec![Arc::new(survey), Arc::new(InProcess(Box::new(Censor)))]);
        *router.pipeline.write().unwrap() = Arc::new(pipeline);
        let bus = Arc::<Kept>::default();
        let publisher = Publisher::new(bus.clone(), "router");
        let backends = ["story", "other-story"].map(|name| name.parse().unwrap()).into();
        Self { routes: routes(Arc::new(router), backends, publisher, Environment::system()), bus }
    }

    async fn post(&self, path: &str, headers: &[(&str, &str)], body: &Value) -> (StatusCode, Value) {
        let mut request = Request::post(path);
        for (name, value) in headers {
            request = request.header(*name, *value);
        }
        let request = request.body(RequestBody::from(body.to_string())).unwrap();
        let answer = self.routes.clone().oneshot(request).await.unwrap();
        let status = answer.status();
        let is_problem = answer.headers()[header::CONTENT_TYPE] == "application/problem+json";
        assert_eq!(is_problem, !status.is_success());
        let body: Value = serde_json::from_slice(&to_bytes(answer.into_body(), 9999).await.unwrap()).unwrap();
        if is_problem {
            assert_eq!((&body["type"], &body["status"]), (&json!("about:blank"), &json!(status.as_u16())));
        }
        (status, body)
    }

    /// With the secret shown.
    async fn ask(&self, body: &Value) -> (StatusCode, Value) {
        self.post(PATH, &[("authorization", &format!("Bearer {SECRET}"))], body).await
    }

    async fn signed(&self, id: &str, at: Timestamp, body: &Value) -> (StatusCode, Value) {
        let signatures = Secrets::parse(SECRET).unwrap().sign(id, at, body.to_string().as_bytes());
        let at = at.as_second().to_string();
        let headers = [(signature::ID, id), (signature::TIMESTAMP, &at), (signature::SIGNATURE, &signatures)];
        self.post(PATH, &headers, body).await
    }

    /// The messages that were published.
    fn sent(&self) -> Vec<Envelope<MessageSend>> {
        let messages = self.bus.messages.lock().unwrap();
        let read = |message: &Message| Envelope::from_body(&message.body).unwrap();
        messages.iter().map(read).collect()
    }
}

fn wanted() -> Value {
    json!({ "backend": "story", "to": "+1-555-555-0177", "text": "Your results are in." })
}

fn with(key: &str, value: impl Into<Value>) -> Value {
    let mut wanted = wanted();
    wanted[key] = value.into();
    wanted
}

#[tokio::test]
async fn a_signed_message_is_published_before_it_is_accepted() {
    let stage = Stage::new();
    let text = "6f08c07b-eb3b-5be3-9044-89bbde80e4f3";
    let mut body = with("in_reply_to", text);
    body["correlation_id"] = "9f0c4be1a27d4d7f8a53e6b1c0d92e44".into();
    body["expires_in_s"] = 60.into();
    let (status, answer) = stage.signed("msg_1", Environment::system().now(), &body).await;
    assert_eq!(status, StatusCode::ACCEPTED);
    let [Envelope { head, data }] = &*stage.sent() else { panic!("one message") };
    assert_eq!(answer, json!({ "id": head.id }));
    assert_eq!((&*head.backend.to_string(), head.causation_id), ("story", Some(text.parse().unwrap())));
    assert_eq!(head.correlation_id.as_ref().unwrap().as_str(), "9f0c4be1a27d4d7f8a53e6b1c0d92e44");
    assert_eq!((data.to.as_str(), data.text.as_str()), ("+15555550177", "Your results are in."));
    assert_eq!((data.application.as_deref(), &data.from), (Some("survey"), &None));
    assert_eq!(data.expires_at.unwrap().duration_since(head.time).as_secs(), 60);
    let key = match &stage.bus.messages.lock().unwrap()[0].destination {
        Destination::Topic { routing_key } => routing_key.clone(),
        other => panic!("{other:?}"),
    };
    assert_eq!(key, "message.send.story");
}

#[tokio::test]
async fn the_same_id_is_the_same_message_and_never_one_of_the_caller_s_choosing() {
    let stage = Stage::new();
    let now = Environment::system().now();
    let mine = "3f0c4be1-a27d-4d7f-8a53-e6b1c0d92e44";
    stage.signed("msg_1", now, &wanted()).await;
    stage.signed("msg_1", now, &wanted()).await;
    stage.signed("msg_2", now, &wanted()).await;
    stage.signed("msg_3", now, &with("id", mine)).await;
    stage.ask(&with("id", mine)).await;
    stage.ask(&wanted()).await;
    stage.ask(&wanted()).await;
    let ids: Vec<_> = stage.sent().iter().map(|message| message.head.id.to_string()).collect();
    let [a, again, b, c, c_again, fresh, other] = &*ids else { panic!("{ids:?}") };
    assert_eq!((a, c), (again, c_again));
    let distinct = BTreeSet::from([a, b, c, fresh, other]);
    assert_eq!((distinct.len(), ids.contains(&mine.to_owned())), (5, false));
}

#[tokio::test]
async fn one_id_for_several_people_or_backends_is_a_message_for_each() {
    let stage = Stage::new();
    let now = Environment::system().now();
    let elsewhere = [with("to", "+15555550178"), with("backend", "other-story")];
    for body in [&wanted(), &elsewhere[0], &elsewhere[1], &with("to", "1 (555) 555-0177"), &with("text", "Later.")] {
        let (status, _) = stage.signed("msg_1", now, body).await;
        assert_eq!(status, StatusCode::ACCEPTED);
    }
    let ids: Vec<_> = stage.sent().iter().map(|message| message.head.id).collect();
    let [first, other_person, other_backend, written_otherwise, other_words] = *ids else { panic!("{ids:?}") };
    assert_eq!(BTreeSet::from([first, other_person, other_backend]).len(), 3);
    assert_eq!((written_otherwise, other_words), (first, first));
}

#[tokio::test]
async fn who_is_not_the_application_is_refused() {
    let stage = Stage::new();
    let now = Environment::system().now();
    let long_ago = now - Duration::from_secs(301);
    let refused = [
        stage.post(PATH, &[], &wanted()).await,
        stage.post(PATH, &[("authorization", "Bearer whsec_wrong")], &wanted()).await,
        stage.post(PATH, &[("authorization", &format!("Basic {SECRET}"))], &wanted()).await,
        stage.signed("msg_1", long_ago, &wanted()).await,
        stage
            .post(PATH, &[(signature::ID, "a"), (signature::TIMESTAMP, "1"), (signature::SIGNATURE, "v1,")], &wanted())
            .await,
    ];
    for (status, problem) in &refused {
        assert_eq!(*status, StatusCode::UNAUTHORIZED, "{problem}");
    }
    let bearer = format!("Bearer {SECRET}");
    for name in ["censor", "nobody", "a%20b"] {
        let path = format!("/v1/applications/{name}/messages");
        assert_eq!(
            stage.post(&path, &[("authorization", &bearer)], &wanted()).await.0,
            StatusCode::NOT_FOUND,
            "{name}"
        );
    }
    assert!(stage.sent().is_empty());
}

#[tokio::test]
async fn what_cannot_be_sent_is_refused_with_what_to_do() {
    let stage = Stage::new();
    for (body, status, told) in [
        (json!("x"), 400, "does not fit"),
        (with("more", 1), 400, "unknown field"),
        (with("backend", "other"), 422, "there is no backend other"),
        (with("to", "nobody"), 422, "to: not a telephone number"),
        (with("to", "unknown"), 422, "to: not a telephone number"),
        (with("from", "nobody"), 422, "from: not a telephone number"),
        (with("text", " "), 422, "text: there is nothing in it"),
        (with("expires_in_s", 0), 400, "does not fit"),
        (
            json!({ "backend": "story", "to": "nobody", "network": "MMS", "text": "x" }),
            422,
            "to: not a telephone number",
        ),
    ] {
        let (answered, problem) = stage.ask(&body).await;
        let detail = problem["detail"].as_str().unwrap();
        assert!(answered.as_u16() == status && detail.contains(told), "{answered} {detail}");
    }
    assert!(stage.sent().is_empty());
    let name = json!({ "backend": "story", "to": "bot@example.net", "network": "JABBER", "text": "x" });
    assert_eq!(stage.ask(&name).await.0, StatusCode::ACCEPTED);
}

#[tokio::test]
async fn other_applications_see_what_is_about_to_be_sent() {
    let stage = Stage::new();
    assert_eq!(stage.ask(&with("text", "rude")).await.0, StatusCode::ACCEPTED);
    assert_eq!(stage.sent()[0].data.text.as_str(), "polite");
    let (status, problem) = stage.ask(&with("text", "never")).await;
    assert_eq!(
        (status, &problem["detail"]),
        (StatusCode::CONFLICT, &json!("application censor cancelled it: it is never said"))
    );
    assert_eq!(stage.sent().len(), 1);
}

#[tokio::test]
async fn while_the_bus_does_not_confirm_it_is_said_whether_it_may_be_sent() {
    let stage = Stage::new();
    let lost = "the connection was lost".to_owned();
    for (error, may_be_sent) in [
        (PublishError::Unavailable(lost.clone()), false),
        (PublishError::Refused, false),
        (PublishError::NoRoom(lost.clone()), false),
        (PublishError::Unknown(lost), true),
    ] {
        *stage.bus.fails.lock().unwrap() = Some(error);
        let (status, problem) = stage.ask(&wanted()).await;
        assert_eq!((status, &problem["may_be_sent"]), (StatusCode::SERVICE_UNAVAILABLE, &json!(may_be_sent)));
    }
}
