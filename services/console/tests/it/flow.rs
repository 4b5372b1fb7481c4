//! A text of our own goes round, and what it causes is in nobody's way.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use axum::extract::{Path, State};
use axum::routing::{get, post};
use axum::{Json, Router};
use chassis::tasks::Crowd;
use console::ProbeConfig;
use reqwest::{Method, StatusCode, header};
use serde_json::{Value, json};

use crate::pages::markup;
use crate::stage::{CLERK, DEADLINE, NUMBER, OPERATOR, PERSON, PROBED, READER, Stage, config, conversation, probed};

/// A simulator whose application says what it is told, or nothing.
#[derive(Clone, Default)]
struct Simulator(Arc<Mutex<Phones>>);

#[derive(Default)]
struct Phones {
    is_silent: bool,
    texted: BTreeMap<String, Vec<Value>>,
}

impl Simulator {
    async fn start(&self, crowd: &Crowd) -> String {
        let routes = Router::new()
            .route("/phones/{number}/texts", post(text))
            .route("/phones/{number}/messages", get(messages))
            .with_state(self.clone());
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        crowd.spawn(async move { axum::serve(listener, routes).await.unwrap() });
        format!("http://{address}")
    }

    fn is_silent(&self, is_silent: bool) {
        self.0.lock().unwrap().is_silent = is_silent;
    }
}

async fn text(
    State(Simulator(phones)): State<Simulator>,
    Path(number): Path<String>,
    Json(texted): Json<Value>,
) -> (StatusCode, Json<Value>) {
    assert_eq!(texted["to"], PROBED);
    let mut phones = phones.lock().unwrap();
    let of_phone = phones.texted.entry(number.clone()).or_default();
    of_phone.push(json!({
        "index": of_phone.len() + 1,
        "from": PROBED,
        "to": number,
        "text": texted["text"],
        "network": "SMS",
        "parts": 1,
        "session_id": null,
        "at": "2026-11-23T00:00:00Z",
    }));
    (StatusCode::ACCEPTED, Json(json!({ "session_id": "session-of-the-probe", "parts": 1 })))
}

async fn messages(State(Simulator(phones)): State<Simulator>, Path(number): Path<String>) -> Json<Vec<Value>> {
    let phones = phones.lock().unwrap();
    let texted = phones.texted.get(&number).filter(|_| !phones.is_silent);
    Json(texted.cloned().unwrap_or_default())
}

/// The status, once the flow stands so.
async fn once(stage: &Stage, state: &str) -> Value {
    let looking = async {
        loop {
            let (status, told) = stage.get(READER, "/v1/status").await;
            assert_eq!(status, StatusCode::OK, "{told}");
            if told["flow"]["state"] == state {
                return told;
            }
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    tokio::time::timeout(DEADLINE, looking).await.unwrap()
}

async fn page(stage: &Stage, path: &str) -> String {
    let response = stage.ask(OPERATOR, Method::GET, path).header(header::ACCEPT, "text/html").send().await.unwrap();
    let page = response.text().await.unwrap();
    markup::check(path, &page);
    page
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_shown_whether_a_text_comes_round_and_since_when_not() {
    let (simulator, crowd, mut config) = (Simulator::default(), Crowd::default(), config());
    config.simulator = Some(simulator.start(&crowd).await.parse().unwrap());
    config.probe = ProbeConfig { interval: Duration::from_millis(100), timeout: Duration::from_millis(500) };
    let stage = Stage::with(config).await;
    let told = once(&stage, "flows").await;
    assert_eq!(told["flow"]["last_ok"]["outcome"], "ok");
    assert!(told["flow"]["last_ok"]["took_ms"].as_u64().unwrap() < 500, "{told}");
    let first = page(&stage, "/").await;
    assert!(first.contains("texts flow") && first.contains("The last took"), "{first}");

    simulator.is_silent(true);
    let told = once(&stage, "fails").await;
    assert_eq!(
        (&told["is_well"], &told["flow"]["stuck"]["session_id"]),
        (&json!(false), &json!("session-of-the-probe"))
    );
    assert!(told["flow"]["last_ok"]["at"].as_str().unwrap() < told["flow"]["since"].as_str().unwrap(), "{told}");
    // The page is drawn anew every three seconds.
    let failing = async {
        loop {
            let first = page(&stage, "/").await;
            if first.contains("texts do not flow") {
                return first;
            }
            tokio::time::sleep(Duration::from_millis(100)).await;
        }
    };
    let first = tokio::time::timeout(DEADLINE, failing).await.unwrap();
    assert!(first.contains("href=\"/messages/session-of-the-probe\"") && first.contains("href=\"/#flow\""), "{first}");

    simulator.is_silent(false);
    let told = once(&stage, "flows").await;
    let late = |probed: &Value| probed["outcome"] == "late";
    assert!(told["flow"]["latest"].as_array().unwrap().iter().any(late), "{told}");
    assert_eq!(told["flow"]["stuck"], Value::Null);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_a_simulator_nothing_is_probed() {
    let stage = Stage::set().await;
    let (_, told) = stage.get(READER, "/v1/status").await;
    assert_eq!(told["flow"]["state"], "not_configured");
    assert!(page(&stage, "/").await.contains("not probed"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_the_probe_causes_is_shown_to_who_asks_for_its_backend() {
    let stage = Stage::set().await;
    let of_people = conversation(1, PERSON, "probe of people");
    let mut ours = conversation(2, "+12005550100", "probe of ours");
    ours.entries.iter_mut().for_each(|entry| entry.event.backend = probed());
    stage.keep(&of_people.entries).await;
    stage.keep(&ours.entries).await;
    let listed = async |query: &str| {
        let (status, found) = stage.get(CLERK, &format!("/v1/messages?{query}")).await;
        assert_eq!(status, StatusCode::OK, "{found}");
        let messages = found["messages"].as_array().unwrap().clone();
        messages.into_iter().map(|message| message["backend"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    for query in ["", "q=probe", "direction=in", "state=sent"] {
        assert!(listed(query).await.iter().all(|backend| backend == "b"), "{query}");
    }
    assert_eq!(listed("").await.len(), 2);
    assert_eq!(listed("backend=p").await, ["p", "p"]);
    assert_eq!(listed("backend=p&q=probe").await, ["p", "p"]);
    assert_eq!(listed("session=session-a-2").await, ["p", "p"]);
    assert_eq!(listed(&format!("q={}", ours.text)).await, ["p"], "an id is asked for by name");
    let (_, export) = stage.get(CLERK, "/v1/messages/export?format=jsonl").await;
    assert!(!export.to_string().contains(&ours.text.to_string()), "{export}");
    for (path, shows) in
        [("/messages", false), ("/messages?backend=p", true), ("/live", false), ("/live?backend=p", true)]
    {
        assert_eq!(page(&stage, path).await.contains("probe of ours"), shows, "{path}");
    }
    let mut events = stage.ask(CLERK, Method::GET, "/v1/events?after=0").send().await.unwrap();
    stage.keep(&conversation(3, PERSON, "the last of people").entries).await;
    let mut read = String::new();
    while !read.contains("the last of people") {
        let chunk = tokio::time::timeout(DEADLINE, events.chunk()).await.unwrap().unwrap().unwrap();
        read.push_str(std::str::from_utf8(&chunk).unwrap());
    }
    assert!(read.contains("probe of people") && !read.contains("probe of ours"), "{read}");
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_else_texts_or_sends_through_its_backend() {
    let stage = Stage::set().await;
    for (path, body) in [
        ("/v1/messages", json!({ "backend": "p", "to": PERSON, "text": "hello" })),
        ("/v1/texts", json!({ "backend": "p", "from": PERSON, "text": "hello", "way": "bus" })),
    ] {
        let (status, told) = stage.post(OPERATOR, path, &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{path}: {told}");
        assert!(told["detail"].as_str().unwrap().contains("for the flow probe alone"), "{told}");
    }
    let tester = page(&stage, "/tester").await;
    assert!(tester.contains("<option value=\"b\"") && !tester.contains("<option value=\"p\""), "{NUMBER}: {tester}");
}
