//! Server-sent events of phones and of the debugger.

use std::time::Duration;

use futures::StreamExt;
use serde_json::{Value, json};

use crate::stage::{PHONE, Posted, Reply, Stage};

/// No test waits longer for an event.
const DEADLINE: Duration = Duration::from_secs(20);

fn echo(posted: &Posted) -> Reply {
    let text = posted.body["session"]["initialText"].as_str().unwrap();
    Reply::document(&json!({"tropo": [{"say": {"value": format!("you said {text}")}}]}))
}

/// One event: the number in its id, its name, and its data.
type Event = (u64, String, Value);

/// A stream as a browser has it open.
struct Listening {
    answer: futures::stream::BoxStream<'static, reqwest::Result<axum::body::Bytes>>,
    unread: String,
    /// Its first block.
    opening: String,
    /// The run of the simulator that it began with.
    run: String,
}

impl Listening {
    async fn to(stage: &Stage, path: &str, last_event_id: Option<&str>) -> Self {
        let mut request = stage.http.get(stage.url(path));
        if let Some(id) = last_event_id {
            request = request.header("Last-Event-ID", id);
        }
        let answer = request.send().await.unwrap();
        assert_eq!(answer.status(), 200);
        assert_eq!(answer.headers()["content-type"], "text/event-stream");
        let chunks = futures::stream::unfold(answer, async |mut answer| match answer.chunk().await {
            Ok(Some(chunk)) => Some((Ok(chunk), answer)),
            Ok(None) => None,
            Err(error) => Some((Err(error), answer)),
        });
        let mut listening =
            Self { answer: chunks.boxed(), unread: String::new(), opening: String::new(), run: String::new() };
        listening.opening = listening.block().await.unwrap();
        let run = listening.opening.lines().find_map(|line| line.strip_prefix("data: "));
        listening.run = run.unwrap().to_owned();
        listening
    }

    /// The id of an item.
    fn id(&self, index: u64) -> String {
        format!("{}-{index}", self.run)
    }

    /// The next block of the stream, which ends with an empty line; none at the end.
    async fn block(&mut self) -> Option<String> {
        loop {
            if let Some((block, rest)) = self.unread.split_once("\n\n") {
                let (block, rest) = (block.to_owned(), rest.to_owned());
                self.unread = rest;
                return Some(block);
            }
            let chunk = tokio::time::timeout(DEADLINE, self.answer.next()).await.expect("the stream goes on in time");
            self.unread.push_str(std::str::from_utf8(&chunk?.unwrap()).unwrap());
        }
    }

    /// The next event; comments are passed over.
    async fn event(&mut self) -> Event {
        loop {
            let block = self.block().await.expect("the stream is open");
            let field = |name: &str| block.lines().find_map(|line| line.strip_prefix(name)).map(str::to_owned);
            if let (Some(id), Some(name), Some(data)) = (field("id: "), field("event: "), field("data: ")) {
                let index = id.strip_prefix(&self.run).unwrap().strip_prefix('-').unwrap();
                return (index.parse().unwrap(), name, serde_json::from_str(&data).unwrap());
            }
        }
    }

    async fn texts(&mut self, count: usize) -> Vec<String> {
        let mut texts = Vec::new();
        for _ in 0..count {
            let (_, name, data) = self.event().await;
            assert_eq!(name, "message");
            texts.push(format!("{} {}", data["direction"].as_str().unwrap(), data["text"].as_str().unwrap()));
        }
        texts
    }
}

#[tokio::test]
async fn a_phones_stream_tells_what_it_sends_and_receives_and_goes_on_where_it_was_left() {
    let stage = Stage::new(echo).await;
    let path = format!("/phones/{PHONE}/stream");
    let mut listening = Listening::to(&stage, &path, None).await;
    stage.text(PHONE, "one").await;
    assert_eq!(listening.texts(2).await, ["sent one", "received you said one"]);
    stage.text(PHONE, "two").await;
    let (sent, ..) = listening.event().await;
    let (received, _, data) = listening.event().await;
    assert_eq!((data["index"].as_u64().unwrap(), &data["text"]), (received, &json!("you said two")));

    // A browser says what it had last, and the address says where it began.
    let last = listening.id(sent);
    for (path, header) in
        [(format!("{path}?after=0"), Some(last.as_str())), (format!("{path}?last_event_id={last}"), None)]
    {
        let mut again = Listening::to(&stage, &path, header).await;
        assert!(again.opening.contains(&format!("id: {last}\n")), "{}", again.opening);
        assert_eq!(again.texts(1).await, ["received you said two"]);
    }
    let mut late = Listening::to(&stage, &format!("{path}?after={sent}"), None).await;
    assert_eq!(late.texts(1).await, ["received you said two"]);
    // Ids of a simulator that was started anew since, and has come farther or less far meanwhile.
    for id in ["00c0ffee-1", "00c0ffee-1000000", "1", "é"] {
        let mut stranger = Listening::to(&stage, &path, Some(id)).await;
        assert_eq!(stranger.texts(1).await, ["sent one"], "{id}");
    }
    let mut stranger = Listening::to(&stage, &format!("{path}?last_event_id=00c0ffee-{sent}"), None).await;
    assert_eq!(stranger.texts(1).await, ["sent one"]);
}

#[tokio::test]
async fn the_debuggers_stream_has_the_lines_of_all_sessions_or_of_one() {
    let stage = Stage::new(echo).await;
    let mut all = Listening::to(&stage, "/debugger/stream", None).await;
    let first = stage.text(PHONE, "one").await;
    stage.ended(&first).await;
    let lines = stage.lines(&first).await;
    for (number, line) in (1..).zip(&lines) {
        let (id, name, data) = all.event().await;
        assert_eq!((id, name.as_str()), (number, "line"));
        assert_eq!((&data["text"], &data["session_id"]), (&json!(line), &json!(first)));
    }
    let second = stage.text(PHONE, "two").await;
    let mut of_one = Listening::to(&stage, &format!("/debugger/stream?session={second}"), None).await;
    let (id, _, data) = of_one.event().await;
    assert!(u64::try_from(lines.len()).unwrap() < id);
    assert_eq!(data["session_id"], second.as_str());
}

#[tokio::test]
async fn a_silent_stream_ends_when_the_simulator_stops() {
    let stage = Stage::new(echo).await;
    let mut phone = Listening::to(&stage, &format!("/phones/{PHONE}/stream"), None).await;
    let mut debugger = Listening::to(&stage, "/debugger/stream", None).await;
    for Listening { opening, .. } in [&phone, &debugger] {
        assert!(opening.contains("retry: 1000") && opening.contains(": the stream is open"), "{opening:?}");
    }
    drop(stage);
    assert_eq!((phone.block().await, debugger.block().await), (None, None));
}

/// A client that reads nothing holds no more than its socket and one batch: the others are not held up by it.
#[tokio::test]
async fn who_does_not_read_holds_up_nobody() {
    let stage = Stage::new(echo).await;
    let _asleep = Listening::to(&stage, "/debugger/stream", None).await;
    let text = "x".repeat(30_000);
    for _ in 0..60 {
        stage.text(PHONE, &text).await;
    }
    assert_eq!(stage.texts(PHONE, 60).await.len(), 60);
    let mut awake = Listening::to(&stage, "/debugger/stream", None).await;
    assert_eq!(awake.event().await.0, 1);
}
