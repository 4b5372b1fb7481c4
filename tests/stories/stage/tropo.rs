//! The simulated Tropo, over its HTTP API.

use std::net::SocketAddrV4;

use serde::Deserialize;
use serde_json::{Value, json};

/// The most that one answer of the simulator holds.
const LINES_MAX: usize = 10_000;

/// The simulated Tropo.
#[derive(Clone)]
pub(crate) struct Tropo {
    pub(super) http: reqwest::Client,
    pub(super) url: String,
}

/// A line of the Application Debugger.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Line {
    pub(crate) line: u64,
    pub(crate) session_id: Option<String>,
    pub(crate) text: String,
}

/// A session as Tropo has it.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Session {
    pub(crate) state: String,
}

impl Session {
    pub(crate) fn has_ended(&self) -> bool {
        !matches!(self.state.as_str(), "waiting" | "running")
    }
}

/// What Tropo posted.
#[derive(Clone, Debug)]
pub(crate) struct Post {
    pub(crate) url: String,
    pub(crate) body: Value,
}

impl Tropo {
    pub(super) fn new(http: reqwest::Client, address: SocketAddrV4) -> Self {
        Self { http, url: format!("http://{address}") }
    }

    /// Sets all knobs; what is left out is as on a good day.
    pub(crate) async fn turn(&self, knobs: Value) {
        let answer = self.http.put(format!("{}/knobs", self.url)).json(&knobs).send().await.unwrap();
        assert!(answer.status().is_success(), "{knobs}: {}", answer.text().await.unwrap());
    }

    /// Has what becomes of each text reported to an address.
    pub(crate) async fn report_to(&self, url: &str) {
        let webhook = json!({"event": "smsdlr", "resource": "sms", "targetUrl": url});
        let answer = self.http.post(format!("{}/v1/webhooks", self.url)).json(&webhook).send().await.unwrap();
        assert!(answer.status().is_success(), "{}", answer.text().await.unwrap());
    }

    /// A good day again.
    pub(crate) async fn behave(&self) {
        self.turn(json!({})).await;
    }

    /// The debugger's lines after a number.
    pub(crate) async fn lines_after(&self, mut last: u64) -> Vec<Line> {
        let mut all = Vec::new();
        loop {
            let query = format!("after={last}&limit={LINES_MAX}");
            let lines: Vec<Line> = self.get(&format!("/debugger?{query}")).await;
            let count = lines.len();
            last = lines.last().map_or(last, |line| line.line);
            all.extend(lines);
            if count < LINES_MAX {
                return all;
            }
        }
    }

    /// The sessions that were created with a token, in the order of their creation.
    pub(crate) async fn launched(&self) -> Vec<String> {
        let lines = self.lines_after(0).await;
        let created = lines.into_iter().filter(|line| line.text.contains("action = create"));
        created.filter_map(|line| line.session_id).collect()
    }

    /// What a session posted, in order: the call-back first.
    pub(crate) async fn posts(&self, session: &str) -> Vec<Post> {
        let lines: Vec<Line> = self.get(&format!("/debugger/sessions/{session}")).await;
        let posts = lines.iter().filter(|line| line.text.contains("Sending TropoML Payload")).map(|line| {
            let (_, sent) = line.text.split_once("[url=").unwrap();
            let (url, body) = sent.split_once("]: ").unwrap();
            Post { url: url.to_owned(), body: serde_json::from_str(body).unwrap() }
        });
        posts.collect()
    }

    /// A session.
    pub(crate) async fn session(&self, id: &str) -> Session {
        self.get(&format!("/sessions/{id}")).await
    }

    pub(super) async fn get<T: serde::de::DeserializeOwned>(&self, path: &str) -> T {
        let answer = self.http.get(format!("{}{path}", self.url)).send().await.unwrap();
        let (status, body) = (answer.status(), answer.text().await.unwrap());
        serde_json::from_str(&body).unwrap_or_else(|error| panic!("{path}: {status}, {error}: {body}"))
    }
}
