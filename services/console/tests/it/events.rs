//! Events are told as they happen.

use std::collections::VecDeque;

use reqwest::{Method, Response, StatusCode};
use serde_json::Value;

use crate::stage::{CLERK, DEADLINE, PERSON, READER, Stage, conversation};

/// A stream that is read.
struct Stream {
    response: Response,
    read: Vec<u8>,
    events: VecDeque<Told>,
}

/// An event of the stream.
#[derive(Debug)]
struct Told {
    id: String,
    name: String,
    data: Value,
}

impl Stream {
    async fn open(stage: &Stage, who: &str, query: &str, last: Option<&str>) -> Self {
        let request = stage.ask(who, Method::GET, &format!("/v1/events?{query}"));
        let request = last.map_or(request.try_clone().unwrap(), |last| request.header("Last-Event-ID", last));
        let response = request.send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        Self { response, read: Vec::new(), events: VecDeque::new() }
    }

    /// The next event; `None` at the end.
    async fn next(&mut self) -> Option<Told> {
        loop {
            if let Some(event) = self.events.pop_front() {
                return Some(event);
            }
            let chunk = tokio::time::timeout(DEADLINE, self.response.chunk()).await.unwrap().unwrap()?;
            self.read.extend_from_slice(&chunk);
            while let Some(end) = self.read.windows(2).position(|window| window == b"\n\n") {
                let block: Vec<u8> = self.read.drain(..end + 2).collect();
                let block = String::from_utf8(block).unwrap();
                let field = |name: &str| {
                    let found = block.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(": "));
                    found.unwrap_or_default().to_owned()
                };
                let (id, name, data) = (field("id"), field("event"), field("data"));
                if !data.is_empty() {
                    self.events.push_back(Told { id, name, data: serde_json::from_str(&data).unwrap() });
                }
            }
        }
    }

    /// So many events.
    async fn take(&mut self, count: usize) -> Vec<Told> {
        let mut taken = Vec::new();
        while taken.len() < count {
            taken.push(self.next().await.unwrap());
        }
        taken
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn what_happens_is_told_and_who_comes_again_misses_nothing() {
    let stage = Stage::set().await;
    stage.keep(&conversation(1, PERSON, "before").entries).await;
    let mut watching = Stream::open(&stage, CLERK, "", None).await;
    stage.keep(&conversation(2, PERSON, "hello").entries).await;
    let seen = watching.take(3).await;
    assert!(seen.iter().all(|told| told.name == "event"), "{seen:?}");
    assert_eq!(seen[0].data["kind"], "message.received");
    assert_eq!(seen[0].data["data"]["text"], "hello");
    drop(watching);
    stage.keep(&conversation(3, PERSON, "away").entries).await;
    let mut again = Stream::open(&stage, CLERK, "", Some(&seen[1].id)).await;
    let rest = again.take(4).await;
    assert_eq!(rest[0].data["id"], seen[2].data["id"]);
    assert_eq!(rest[1].data["data"]["text"], "away");
    stage.keep(&conversation(4, PERSON, "back").entries).await;
    assert_eq!(again.take(3).await[0].data["data"]["text"], "back");
    let mut all = Stream::open(&stage, READER, "after=0&kind=message.received&session=session-a-3", None).await;
    let only = all.next().await.unwrap();
    assert_eq!(only.data["correlation_id"], "session-a-3");
    assert!(!only.data.to_string().contains("away"), "{only:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn many_at_once_are_told_once_each_and_in_order() {
    let stage = Stage::set().await;
    let mut watching = Stream::open(&stage, READER, "kind=message.sent", None).await;
    for number in 0..700 {
        stage.keep(&conversation(number, PERSON, "hello").entries).await;
    }
    let seen = watching.take(700).await;
    let sessions: Vec<_> = seen.iter().map(|told| told.data["correlation_id"].as_str().unwrap().to_owned()).collect();
    let expected: Vec<_> = (0..700).map(|number| format!("session-a-{number}")).collect();
    assert_eq!(sessions, expected);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_was_away_for_long_is_told_that_some_are_missing() {
    let stage = Stage::set().await;
    let mut entries = Vec::new();
    for number in 0..3500 {
        entries.extend(conversation(number, PERSON, "hello").entries);
    }
    for entries in entries.chunks(256) {
        stage.keep(entries).await;
    }
    let mut watching = Stream::open(&stage, READER, "after=0", None).await;
    let missed = watching.next().await.unwrap();
    assert_eq!(missed.name, "missed");
    assert!(0 < missed.data["up_to"].as_i64().unwrap(), "{missed:?}");
    let told = watching.take(10_000).await;
    assert_eq!(told.last().unwrap().data["correlation_id"], "session-a-3499");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_stream_ends_when_the_console_stops_and_there_are_only_so_many() {
    let stage = Stage::set().await;
    let mut open = Vec::new();
    // Nobody has all places.
    for who in [READER, CLERK] {
        for _ in 0..32 {
            open.push(Stream::open(&stage, who, "", None).await);
        }
        let (status, _) = stage.get(who, "/v1/events").await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE);
    }
    stage.stop();
    for mut stream in open {
        assert!(stream.next().await.is_none());
    }
}
