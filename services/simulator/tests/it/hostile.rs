//! Documents that no application should answer with: each is a line of the debugger and the end of its session alone.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};
use simulator::Config;

use crate::stage::{PHONE, Reply, Stage};

/// Longer than any test waits, and shorter than anybody would.
const LONG: Duration = Duration::from_secs(600);
const SHORT: Duration = Duration::from_millis(100);

/// An application that answers each text with the body in hand, and `good` with a document that is.
struct Hostile {
    stage: Stage,
    body: Arc<Mutex<Vec<u8>>>,
}

impl Hostile {
    /// Sessions that live no longer than that: what waits for ever is cut short.
    async fn new(session_max: Duration) -> Self {
        let config = Config { session_max, ..Config::default() };
        let body = Arc::new(Mutex::new(Vec::new()));
        let answered = Arc::clone(&body);
        let stage = Stage::set(config, move |posted| {
            let reply = match posted.body["session"]["initialText"].as_str() {
                Some("good") => Reply::document(&json!({"tropo": [{"say": {"value": "good"}}]})),
                _ => Reply::raw(200, "application/json; charset=utf-8", answered.lock().unwrap().clone()),
            };
            Box::pin(std::future::ready(reply))
        })
        .await;
        Self { stage, body }
    }

    /// The session ends, and the phone can text as before; the lines of the session.
    async fn check(&self, body: &[u8]) -> Vec<String> {
        *self.body.lock().unwrap() = body.to_vec();
        let shown = String::from_utf8_lossy(&body[..body.len().min(300)]).into_owned();
        let session = self.stage.text(PHONE, "bad").await;
        self.stage.ended(&session).await;
        let lines = self.stage.lines(&session).await;
        assert!(lines.iter().any(|line| line.contains("Received new TropoML document")), "{shown}");
        let good = self.stage.text(PHONE, "good").await;
        assert_ne!(good, session, "{shown}");
        assert_eq!(self.stage.ended(&good).await["first_webhook"], json!({"answered": 200}), "{shown}");
        lines
    }
}

#[tokio::test]
async fn nothing_that_an_application_answers_breaks_more_than_its_session() {
    let ask = |more: &str| format!(r#"{{"ask":{{"choices":{{"value":"[9 DIGITS]"}},"say":{{"value":"?"}},{more}}}}}"#);
    let document = |actions: &str| format!(r#"{{"tropo":[{actions}]}}"#).into_bytes();
    let deep = |open: &str, close: &str, count| format!("{}1{}", open.repeat(count), close.repeat(count));
    let bodies: Vec<(Vec<u8>, &str)> = vec![
        // What is no JSON, or no document.
        (Vec::new(), "the answer is empty"),
        (vec![0xff, 0xfe, 0x00], "the answer is not JSON"),
        (b"\xef\xbb\xbf".to_vec(), "the answer is empty"),
        (br#"{"tropo":[{"say":{"value":"\ud800"}}]}"#.to_vec(), "the answer is not JSON"),
        (br#"{"tropo":[{"wait":{"milliseconds":NaN}}]}"#.to_vec(), "the answer is not JSON"),
        (br#"{"tropo":[{"wait":{"milliseconds":1e999}}]}"#.to_vec(), "the answer is not JSON"),
        (br#"{"tropo":[{"say":{"value":"x"}}]} trailing"#.to_vec(), "the answer is not JSON"),
        (deep("[", "]", 200_000).into_bytes(), "the answer is not JSON"),
        (deep("{\"tropo\":", "}", 100_000).into_bytes(), "the answer is not JSON"),
        (br#"{"tropo":{"say":{"value":"x"}}}"#.to_vec(), "the answer has no array `tropo`"),
        (br#"{"tropo":[],"tropo":7}"#.to_vec(), "the answer has no array `tropo`"),
        (br#"{"TROPO":[]}"#.to_vec(), "the answer has no array `tropo`"),
        (br#"[{"tropo":[]}]"#.to_vec(), "the answer has no array `tropo`"),
        // What is one, and whose actions are none.
        (document("null"), "The document ends at action"),
        (document("[[]]"), "The document ends at action"),
        (document(r#"{"":{}}"#), "Action \"\" is skipped"),
        (document(r#"{"say":{"value":{"a":1}}}"#), "say"),
        (document(r#"{"ask":{"choices":7}}"#), "choices"),
        (document(r#"{"ask":{"choices":{"value":["a"]},"say":{"value":"?"}}}"#), "choices.value"),
        (document(&ask(r#""timeout":"soon""#)), "timeout must be a number"),
        (document(&ask(r#""attempts":true"#)), "attempts must be a number"),
        (document(&ask(r#""allowSignals":[{}]"#)), "allowSignals must be a text"),
        (document(r#"{"wait":{"milliseconds":"NaN"}}"#), "milliseconds must be a number"),
        (document(r#"{"wait":{"milliseconds":"inf"}}"#), "milliseconds must be a number"),
        (document(r#"{"generalLogSecurity":{"a":1}}"#), "must be a text"),
        (document("{},".repeat(5_000).trim_end_matches(',')), "The document ends at action"),
        // What is all right, and far too much.
        (document(r#"{"wait":{"milliseconds":-1e308}}"#), " returned engine "),
        (document(&ask(r#""timeout":-5,"attempts":-5"#)), "it has no answer that fits"),
        (document(&ask(r#""timeout":-5,"attempts":2"#)), "The question has no answer within 0s"),
        (document(&ask(r#""timeout":0,"attempts":99999999999999999999"#)), "The question has no answer within 0s"),
        (document(&ask(r#""timeout":0.0000000001"#)), "returned engine"),
        (document(r#"{"on":{"event":"continue","next":"again"}}"#), "documents in haste"),
        (
            document(&format!(r#"{},{{"on":[{{"event":"incomplete","next":"?"}}]}}"#, ask(r#""timeout":0"#))),
            "documents in haste",
        ),
        (document(r#"{"on":{"event":"continue","next":"http://[::1"}}"#), "is no http address"),
        (document(r#"{"on":{"event":"continue","next":"javascript:alert(1)"}}"#), "is no http address"),
        (document(r#"{"x":0},"#.repeat(10_001).trim_end_matches(',')), "more than 10000 actions"),
        (
            document(&format!(r#"{{"say":[{}]}}"#, r#"{"value":""},"#.repeat(10_001).trim_end_matches(','))),
            "more than 10000 actions",
        ),
        (document(&format!(r#"{{"{}":1}}"#, "n".repeat(500_000))), "bytes more)"),
        (document(&format!(r#"{{"say":{{"value":"{}"}}}}"#, "x".repeat(500_000))), "text is longer than"),
        (document(r#"{"say":{"value":"a\u0000b"}}"#), "NUL"),
        (
            document(&format!(r#"{{"ask":{{"choices":{{"value":"{}"}},"timeout":0}}}}"#, "(,".repeat(200_000))),
            "returned engine",
        ),
        (
            document(&deep(r#"{"on":{"event":"continue","ask":{"choices":{"value":"[ANY]"},"on":"#, "}}}", 30)),
            "returned engine",
        ),
    ];
    check_all(LONG, bodies).await;
    let endless = vec![
        (document(r#"{"wait":{"milliseconds":1e308}}"#), "as long as any may"),
        (document(&ask(r#""timeout":1e308,"attempts":1e308"#)), "as long as any may"),
        (document(&ask(r#""timeout":"99999999999","attempts":2"#)), "as long as any may"),
    ];
    check_all(SHORT, endless).await;
}

/// Each of them leaves a line that holds these words.
async fn check_all(session_max: Duration, bodies: Vec<(Vec<u8>, &str)>) {
    let hostile = Hostile::new(session_max).await;
    for (body, line) in bodies {
        let lines = hostile.check(&body).await;
        let shown = String::from_utf8_lossy(&body[..body.len().min(100)]).into_owned();
        assert!(lines.iter().any(|text| text.contains(line)), "{shown}: no {line:?}");
    }
}

/// The bytes of JSON, cut and changed anywhere.
#[tokio::test]
async fn a_document_that_is_cut_anywhere_ends_its_session_alone() {
    let whole = json!({"tropo": [
        {"ask": {"choices": {"value": "[4 DIGITS]"}, "say": [{"value": "é", "event": "timeout"}, {"value": "?"}], "timeout": 0}},
        {"on": {"event": "incomplete", "say": {"value": "x"}}},
    ]})
    .to_string()
    .into_bytes();
    let hostile = Hostile::new(LONG).await;
    for at in 0..whole.len() {
        hostile.check(&whole[..at]).await;
    }
}

const KEYS: [&str; 24] = [
    "to",
    "from",
    "say",
    "value",
    "channel",
    "network",
    "name",
    "required",
    "timeout",
    "attempts",
    "choices",
    "mode",
    "terminator",
    "on",
    "event",
    "next",
    "ask",
    "allowSignals",
    "milliseconds",
    "bargein",
    "promptLogSecurity",
    "asrLogSecurity",
    "maskTemplate",
    "media",
];

const ACTIONS: [&str; 16] = [
    "answer",
    "ask",
    "call",
    "conference",
    "hangup",
    "message",
    "on",
    "record",
    "redirect",
    "reject",
    "say",
    "stopRecording",
    "transfer",
    "wait",
    "generalLogSecurity",
    "dance",
];

fn any_value() -> impl Strategy<Value = Value> {
    let words = proptest::sample::select(vec![
        "",
        "SMS",
        "TEXT",
        "[ANY]",
        "[4 DIGITS]",
        "[4 digits]",
        "a(b, c), d",
        "+15555550177",
        "unknown",
        "continue",
        "incomplete",
        "error",
        "hangup",
        "timeout",
        "nomatch:1",
        "/next",
        "#",
        "true",
        "1e400",
        "suppress",
        "none",
        "*",
        "\u{0}",
        "\u{feff}é🐘",
    ]);
    let leaf = prop_oneof![
        1 => Just(Value::Null),
        1 => any::<bool>().prop_map(Value::from),
        1 => any::<i64>().prop_map(Value::from),
        1 => any::<f64>().prop_map(Value::from),
        1 => (0..3_u8).prop_map(Value::from),
        8 => words.prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 5, |inner| {
        prop_oneof![
            1 => proptest::collection::vec(inner.clone(), 0..3).prop_map(Value::from),
            2 => proptest::collection::btree_map(proptest::sample::select(KEYS.to_vec()), inner, 0..7)
                .prop_map(|members| members.into_iter().map(|(key, value)| (key.to_owned(), value)).collect()),
        ]
    })
}

#[test]
fn no_document_keeps_its_session_or_breaks_another() {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let hostile = runtime.block_on(Hostile::new(SHORT));
    let action = (proptest::sample::select(ACTIONS.to_vec()), any_value());
    let actions = proptest::collection::vec(action, 0..5);
    let config = ProptestConfig { cases: 150, failure_persistence: None, ..ProptestConfig::default() };
    proptest!(config, |(actions in actions)| {
        let actions: Vec<Value> = actions.into_iter().map(|(name, value)| json!({name: value})).collect();
        runtime.block_on(hostile.check(json!({"tropo": actions}).to_string().as_bytes()));
    });
}
