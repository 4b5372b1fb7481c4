//! An application behind HTTP that does what it is texted, and the one of the documentation.

use std::net::SocketAddrV4;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Json, State};
use axum::http::{HeaderMap, StatusCode, header};
use axum::response::{IntoResponse, Response};
use axum::routing::{get, post};
use serde_json::{Value, json};
use tokio::process::{Child, Command};
use tokio::sync::watch;
use tokio::task::JoinSet;

use crate::stage::until;

/// What it shares with the router.
pub(super) const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";

const PORT: u16 = 31_800;

/// The page with the example.
const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/http-applications.md");

/// An application; nobody listens at its address before it is started.
pub(super) struct Application {
    address: SocketAddrV4,
    shared: Arc<Shared>,
    serving: JoinSet<()>,
}

struct Shared {
    /// Where a redirect leads: another address of the inside, at which somebody listens.
    inside: SocketAddrV4,
    led_inside: AtomicUsize,
    asked: Mutex<Vec<Asked>>,
    held: watch::Sender<bool>,
}

/// One question, as it came.
struct Asked {
    id: String,
    from: String,
    text: String,
    is_answered: bool,
}

impl Application {
    pub(super) fn new() -> Self {
        let address = SocketAddrV4::new(testkit::own_address(), PORT);
        let shared = Shared {
            inside: SocketAddrV4::new(testkit::own_address(), PORT),
            led_inside: AtomicUsize::new(0),
            asked: Mutex::default(),
            held: watch::Sender::new(true),
        };
        Self { address, shared: Arc::new(shared), serving: JoinSet::new() }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }

    pub(super) async fn start(&mut self) {
        let routes = axum::Router::new().route("/", post(answer)).with_state(Arc::clone(&self.shared));
        let inside = async |State(shared): State<Arc<Shared>>| {
            shared.led_inside.fetch_add(1, Ordering::SeqCst);
        };
        let inside =
            axum::Router::new().route("/inside", get(inside).post(inside)).with_state(Arc::clone(&self.shared));
        for (at, routes) in [(self.address, routes), (self.shared.inside, inside)] {
            let listener = tokio::net::TcpListener::bind(at).await.unwrap();
            self.serving.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        }
    }

    /// Answers what is held, now and from now on.
    pub(super) fn let_go(&self) {
        self.shared.held.send_replace(false);
    }

    /// The ids of the questions about somebody's texts.
    pub(super) fn ids(&self, from: &str) -> Vec<String> {
        self.questions(from, |asked| Some(asked.id.clone()))
    }

    /// Somebody's texts that it answered, in the order in which it did.
    pub(super) fn answered(&self, from: &str) -> Vec<String> {
        self.questions(from, |asked| asked.is_answered.then(|| asked.text.clone()))
    }

    pub(super) fn led_inside(&self) -> usize {
        self.shared.led_inside.load(Ordering::SeqCst)
    }

    fn questions(&self, from: &str, read: impl Fn(&Asked) -> Option<String>) -> Vec<String> {
        let asked = self.shared.asked.lock().unwrap();
        asked.iter().filter(|asked| asked.from == from).filter_map(read).collect()
    }
}

async fn answer(State(shared): State<Arc<Shared>>, headers: HeaderMap, Json(question): Json<Value>) -> Response {
    let of = |key: &str| question["data"][key].as_str().unwrap().to_owned();
    let (from, text) = (of("from"), of("text"));
    let id = headers["webhook-id"].to_str().unwrap().to_owned();
    let (at, is_first) = {
        let mut asked = shared.asked.lock().unwrap();
        let is_first = asked.iter().all(|asked| asked.id != id);
        asked.push(Asked { id, from, text: text.clone(), is_answered: false });
        (asked.len() - 1, is_first)
    };
    let reply = |words: &str| {
        shared.asked.lock().unwrap()[at].is_answered = true;
        Json(json!({ "replies": [{ "text": words }] })).into_response()
    };
    match text.split_once(' ').map_or((&*text, ""), |(word, rest)| (word, rest)) {
        ("say", words) => reply(words),
        ("slow", _) if is_first => {
            tokio::time::sleep(Duration::from_secs(3)).await;
            reply("too late")
        }
        ("busy", _) if is_first => (StatusCode::TOO_MANY_REQUESTS, [(header::RETRY_AFTER, "1")]).into_response(),
        ("broken", _) if is_first => StatusCode::BAD_GATEWAY.into_response(),
        ("slow" | "busy" | "broken", _) => reply(&text),
        ("hold", _) => {
            // Until it is let go; the sender outlives every question.
            let _ = shared.held.subscribe().wait_for(|is_held| !is_held).await;
            reply(&text)
        }
        ("later", _) => Json(json!({ "take": true })).into_response(),
        ("nonsense", _) => "<html>It works!</html>".into_response(),
        ("leave", _) => {
            let inside = format!("http://{}/inside", shared.inside);
            (StatusCode::TEMPORARY_REDIRECT, [(header::LOCATION, inside)]).into_response()
        }
        ("poison", _) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
        ("refuse", _) => StatusCode::FORBIDDEN.into_response(),
        _ => StatusCode::NO_CONTENT.into_response(),
    }
}

/// The example of the documentation, as it stands there.
pub(super) struct Example {
    address: SocketAddrV4,
    _child: Child,
}

impl Example {
    pub(super) async fn start() -> Self {
        let page = std::fs::read_to_string(PAGE).unwrap();
        let (_, code) = page.split_once("```python\n").expect("an example in Python");
        let (code, _) = code.split_once("```").unwrap();
        let address = SocketAddrV4::new(testkit::own_address(), PORT);
        let mut python = Command::new("python3");
        python.args(["-c", &code.replace("127.0.0.1", &address.ip().to_string())]).env("PORT", PORT.to_string());
        let child = python.env("SECRET", SECRET).stdin(Stdio::null()).kill_on_drop(true).spawn().unwrap();
        until("the example listens", async || tokio::net::TcpStream::connect(address).await.ok().map(drop)).await;
        Self { address, _child: child }
    }

    pub(super) fn url(&self) -> String {
        format!("http://{}/", self.address)
    }
}
