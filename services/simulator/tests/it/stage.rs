//! A simulator and an application, each on a port of its own.

use std::net::SocketAddr;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::Router;
use axum::body::Bytes;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode, Uri, header};
use axum::response::{AppendHeaders, IntoResponse, Response};
use chassis::http::Limits;
use chassis::shutdown::Shutdown;
use chassis::tasks::{OnEnd, Tasks};
use serde_json::{Value, json};
use simulator::{ApplicationConfig, Config, Simulator, Token};

/// The number of the application, as the simulator's owner writes it.
pub(crate) const NUMBER: &str = "+1-555-555-0100";
pub(crate) const PHONE: &str = "+15555550177";
pub(crate) const TOKEN: &str = "TESTTOKEN";

/// No test waits longer for anything.
const DEADLINE: Duration = Duration::from_secs(20);

/// A webhook that the application was posted.
#[derive(Clone)]
pub(crate) struct Posted {
    pub(crate) target: String,
    pub(crate) content_type: String,
    pub(crate) cookie: Option<String>,
    pub(crate) raw: String,
    pub(crate) body: Value,
}

/// What the application answers.
pub(crate) struct Reply {
    status: u16,
    content_type: &'static str,
    cookie: Option<&'static str>,
    body: Vec<u8>,
}

impl Reply {
    pub(crate) fn document(body: &Value) -> Self {
        Self::raw(200, "application/json; charset=utf-8", body.to_string())
    }

    pub(crate) fn raw(status: u16, content_type: &'static str, body: impl Into<Vec<u8>>) -> Self {
        Self { status, content_type, cookie: None, body: body.into() }
    }

    /// Sets a cookie, too.
    pub(crate) fn cookie(self, cookie: &'static str) -> Self {
        Self { cookie: Some(cookie), ..self }
    }

    pub(crate) fn hangup() -> Self {
        Self::document(&json!({"tropo": [{"hangup": {}}]}))
    }
}

type Answering = Pin<Box<dyn Future<Output = Reply> + Send>>;
type Script = Arc<dyn Fn(Posted) -> Answering + Send + Sync>;

#[derive(Clone)]
struct Application {
    posted: Arc<Mutex<Vec<Posted>>>,
    script: Script,
}

pub(crate) struct Stage {
    pub(crate) simulator: Arc<Simulator>,
    pub(crate) http: reqwest::Client,
    address: SocketAddr,
    application: SocketAddr,
    posted: Arc<Mutex<Vec<Posted>>>,
    shutdown: Shutdown,
}

impl Stage {
    /// An application that answers at once.
    pub(crate) async fn new(script: impl Fn(&Posted) -> Reply + Send + Sync + 'static) -> Self {
        Self::set(Config::default(), move |posted| Box::pin(std::future::ready(script(&posted)))).await
    }

    /// An application that takes its time.
    pub(crate) async fn set(config: Config, script: impl Fn(Posted) -> Answering + Send + Sync + 'static) -> Self {
        chassis::tls::install_provider();
        let shutdown = Shutdown::new();
        let posted = Arc::new(Mutex::new(Vec::new()));
        let application = Application { posted: Arc::clone(&posted), script: Arc::new(script) };
        let application = serve(Router::new().fallback(answer).with_state(application), &shutdown).await;

        let simulator = Simulator::new(config, shutdown.clone()).unwrap();
        let url = format!("http://{application}/tropo/hook?auth=s3cret").parse().unwrap();
        let token = Token::try_from(TOKEN.to_owned()).unwrap();
        let settings = ApplicationConfig::new(url, token, vec![NUMBER.parse().unwrap()]);
        simulator.add_application("demo".to_owned(), settings).unwrap();
        let address = serve(Arc::clone(&simulator).routes(), &shutdown).await;
        let http = reqwest::Client::builder().no_proxy().timeout(DEADLINE).build().unwrap();
        Self { simulator, http, address, application, posted, shutdown }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// The address of the application, for absolute URLs.
    pub(crate) fn application(&self) -> SocketAddr {
        self.application
    }

    pub(crate) async fn get(&self, path: &str) -> (u16, Value) {
        read(self.http.get(self.url(path)).send().await.unwrap()).await
    }

    pub(crate) async fn post(&self, path: &str, body: &Value) -> (u16, Value) {
        read(self.http.post(self.url(path)).json(body).send().await.unwrap()).await
    }

    pub(crate) async fn set_knobs(&self, knobs: Value) {
        let answer = self.http.put(self.url("/knobs")).json(&knobs).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{}", answer.text().await.unwrap());
    }

    /// A phone texts the application; the session's id.
    pub(crate) async fn text(&self, phone: &str, text: &str) -> String {
        let texting = json!({"to": "15555550100", "text": text});
        let (status, answer) = self.post(&format!("/phones/{phone}/texts"), &texting).await;
        assert_eq!(status, 202, "{answer}");
        answer["session_id"].as_str().unwrap().to_owned()
    }

    /// A document of these actions for the first webhook of each session, and nothing to do for the others.
    pub(crate) async fn with(actions: Value) -> Self {
        Self::with_config(Config::default(), actions).await
    }

    /// The same, configured.
    pub(crate) async fn with_config(config: Config, actions: Value) -> Self {
        Self::set(config, move |posted| {
            let is_first = !posted.body["session"].is_null();
            let actions = if is_first { actions.clone() } else { json!([]) };
            Box::pin(std::future::ready(Reply::document(&json!({"tropo": actions}))))
        })
        .await
    }

    /// The body of the result that was posted to an address, as soon as it was.
    pub(crate) async fn result(&self, target: &str) -> Value {
        let posted = until(async || self.posted().into_iter().find(|posted| posted.target == target)).await;
        posted.body["result"].clone()
    }

    /// Launches a session by JSON; the answer.
    pub(crate) async fn launch(&self) -> reqwest::Response {
        let body = json!({"token": TOKEN, "program": "p&q=1+é"});
        self.http.post(self.url("/1.0/sessions")).json(&body).send().await.unwrap()
    }

    /// Launches a session that must be created; its id.
    pub(crate) async fn launched(&self) -> String {
        let answer: Value = self.launch().await.json().await.unwrap();
        assert_eq!(answer["success"], true, "{answer}");
        answer["id"].as_str().unwrap().to_owned()
    }

    /// The first `count` messages of a phone, as soon as it has them.
    pub(crate) async fn messages(&self, phone: &str, count: usize) -> Vec<Value> {
        let mut messages: Vec<Value> = Vec::new();
        let deadline = tokio::time::Instant::now() + DEADLINE;
        while messages.len() < count {
            assert!(tokio::time::Instant::now() < deadline, "{} of {count} messages came", messages.len());
            let after = messages.last().map_or(0, |last| last["index"].as_u64().unwrap());
            let (status, more) = self.get(&format!("/phones/{phone}/messages?after={after}&wait=5s")).await;
            assert_eq!(status, 200, "{more}");
            messages.extend(more.as_array().unwrap().iter().cloned());
        }
        messages
    }

    /// The texts of a phone's first `count` messages.
    pub(crate) async fn texts(&self, phone: &str, count: usize) -> Vec<String> {
        let messages = self.messages(phone, count).await;
        messages.iter().map(|message| message["text"].as_str().unwrap().to_owned()).collect()
    }

    /// How a session ended, as soon as it has.
    pub(crate) async fn ended(&self, session: &str) -> Value {
        let path = format!("/sessions/{session}");
        until(async || {
            let (status, view) = self.get(&path).await;
            assert_eq!(status, 200, "{view}");
            (!view["ended_at"].is_null()).then_some(view)
        })
        .await
    }

    /// The lines of a session.
    pub(crate) async fn lines(&self, session: &str) -> Vec<String> {
        let (status, lines) = self.get(&format!("/debugger/sessions/{session}")).await;
        assert_eq!(status, 200, "{lines}");
        lines.as_array().unwrap().iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    }

    /// What the application was posted so far.
    pub(crate) fn posted(&self) -> Vec<Posted> {
        self.posted.lock().unwrap().clone()
    }

    /// The first `count` webhooks, as soon as they came.
    pub(crate) async fn webhooks(&self, count: usize) -> Vec<Posted> {
        until(async || Some(self.posted()).filter(|posted| count <= posted.len())).await
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        self.shutdown.request();
    }
}

/// What `condition` gives, as soon as it does.
pub(crate) async fn until<T>(condition: impl AsyncFn() -> Option<T>) -> T {
    let wait = async {
        loop {
            if let Some(met) = condition().await {
                return met;
            }
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    };
    tokio::time::timeout(DEADLINE, wait).await.expect("the condition is met in time")
}

pub(crate) async fn read(answer: reqwest::Response) -> (u16, Value) {
    let status = answer.status().as_u16();
    let text = answer.text().await.unwrap();
    (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
}

async fn serve(router: Router, shutdown: &Shutdown) -> SocketAddr {
    let listener = chassis::http::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let address = listener.local_addr().unwrap();
    let serving = chassis::http::serve(listener, router, Limits::default(), shutdown.clone());
    Tasks::new(shutdown.clone()).spawn("listener", OnEnd::Helper, serving);
    address
}

async fn answer(State(application): State<Application>, uri: Uri, headers: HeaderMap, body: Bytes) -> Response {
    let raw = String::from_utf8(body.to_vec()).unwrap();
    let posted = Posted {
        target: uri.to_string(),
        content_type: headers[header::CONTENT_TYPE].to_str().unwrap().to_owned(),
        cookie: headers.get(header::COOKIE).map(|cookie| cookie.to_str().unwrap().to_owned()),
        body: serde_json::from_str(&raw).unwrap(),
        raw,
    };
    application.posted.lock().unwrap().push(posted.clone());
    let Reply { status, content_type, cookie, body } = (application.script)(posted).await;
    let headers = [(header::CONTENT_TYPE, content_type), (header::LOCATION, "/elsewhere")];
    let cookie = cookie.map(|cookie| (header::SET_COOKIE, cookie));
    (StatusCode::from_u16(status).unwrap(), headers, AppendHeaders(cookie), body).into_response()
}

/// Asserts that a line holds this.
#[track_caller]
pub(crate) fn assert_line(lines: &[String], part: &str) {
    assert!(lines.iter().any(|line| line.contains(part)), "no {part:?} in {lines:#?}");
}

/// Asserts that these stand in a text, one after the other.
#[track_caller]
pub(crate) fn assert_in_order(text: &str, parts: &[&str]) {
    let mut rest = text;
    for part in parts {
        let at = rest.find(part).unwrap_or_else(|| panic!("{part:?} is not in {rest:?}"));
        rest = &rest[at + part.len()..];
    }
}
