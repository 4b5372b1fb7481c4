//! Texts on the telephone network: parts, alphabets, and the rate of a number.

use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::stage::{PHONE, Posted, Reply, Stage};

/// Says what the text asks for: `repeat what times`.
fn says(posted: &Posted) -> Reply {
    let text = posted.body["session"]["initialText"].as_str().unwrap();
    let (what, times) = text.split_once(' ').unwrap();
    Reply::document(&json!({"tropo": [{"say": {"value": what.repeat(times.parse().unwrap())}}]}))
}

/// Says as many texts as the text asks for, from whom it was sent to.
fn counts(posted: &Posted) -> Reply {
    let count: usize = posted.body["session"]["initialText"].as_str().unwrap().parse().unwrap();
    let says: Vec<_> = (1..=count).map(|number| json!({"say": {"value": number.to_string()}})).collect();
    Reply::document(&json!({"tropo": says}))
}

/// Encoding, parts and length of each of a phone's first messages.
async fn shown(stage: &Stage, count: usize) -> Vec<(Value, Value, usize)> {
    let messages = stage.messages(PHONE, count).await;
    let shown = |message: &Value| {
        (message["encoding"].clone(), message["parts"].clone(), message["text"].as_str().unwrap().chars().count())
    };
    messages.iter().map(shown).collect()
}

#[tokio::test]
async fn a_message_tells_its_alphabet_and_its_parts_and_the_debugger_that_they_are_billed() {
    let stage = Stage::new(says).await;
    let session = stage.text(PHONE, "a 161").await;
    stage.text(PHONE, "ж 70").await;
    let mut found = shown(&stage, 2).await;
    found.sort_by_key(|(.., length)| *length);
    assert_eq!(found, [(json!("UCS-2"), json!(1), 70), (json!("GSM-7"), json!(2), 161)]);
    stage.ended(&session).await;
    let lines = stage.lines(&session).await;
    assert!(lines.iter().any(|line| line.contains("The text has 2 parts, in GSM-7")), "{lines:#?}");
}

#[tokio::test]
async fn long_texts_come_separately_where_the_knob_says_so_and_other_networks_do_not_split() {
    let stage = Stage::new(says).await;
    stage.set_knobs(json!({"long_texts": "separate"})).await;
    stage.text(PHONE, "€ 81").await;
    assert_eq!(shown(&stage, 2).await, [(json!("GSM-7"), json!(1), 80), (json!("GSM-7"), json!(1), 1)]);

    let texting = json!({"to": "+15555550100", "text": "ж 500", "network": "JABBER"});
    assert_eq!(stage.post("/phones/alice@example.net/texts", &texting).await.0, 202);
    let message = stage.messages("alice@example.net", 1).await.remove(0);
    assert_eq!((&message["parts"], message.get("encoding")), (&json!(1), None));
    assert_eq!(message["text"].as_str().unwrap().chars().count(), 500);
}

#[tokio::test]
async fn texts_of_one_number_leave_in_order_at_its_rate_and_the_session_does_not_wait() {
    let stage = Stage::new(counts).await;
    stage.set_knobs(json!({"sms_per_second_per_number": 20})).await;
    let began = Instant::now();
    stage.text("+15555550178", "12").await;
    let expected: Vec<_> = (1..=12).map(|number| number.to_string()).collect();
    assert_eq!(stage.texts("+15555550178", 12).await, expected);
    // Eleven turns of 50 ms, or more where nothing is in time.
    assert!(Duration::from_millis(550) <= began.elapsed());

    // Its texts take a quarter of an hour: whenever the session ends, most of them wait.
    stage.set_knobs(json!({"sms_per_second_per_number": 1})).await;
    let session = stage.text(PHONE, "1000").await;
    assert_eq!(stage.ended(&session).await["state"], "finished");
    let left = stage.simulator.messages(&PHONE.parse().unwrap(), 0, Duration::ZERO).await.len();
    assert!(left < 1000, "{left}");
    let lines = stage.lines(&session).await;
    assert!(
        lines.iter().any(|line| line.contains(" texts of its number are before it: sms_per_second_per_number")),
        "{lines:#?}"
    );
    let announced = lines.iter().filter(|line| line.starts_with("#MRCP#: (o)ANNOUNCE")).count();
    assert_eq!(announced, 1000);
    stage.set_knobs(json!({})).await;
    let expected: Vec<_> = (1..=1000).map(|number| number.to_string()).collect();
    assert_eq!(stage.texts(PHONE, 1000).await, expected);
}

#[tokio::test]
async fn a_rate_that_is_lifted_lets_the_line_go_and_short_codes_have_none() {
    let stage = Stage::new(counts).await;
    let url = format!("http://{}/other", stage.application());
    let added = json!({"name": "short", "messaging_url": url, "messaging_token": "T2", "numbers": ["12345"]});
    assert_eq!(stage.post("/applications", &added).await.0, 201);
    // One an hour would not do: one a second, and the line is let go long before it would be through.
    stage.set_knobs(json!({"sms_per_second_per_number": 1})).await;
    let texting = json!({"to": "12345", "text": "30"});
    assert_eq!(stage.post("/phones/+15555550178/texts", &texting).await.0, 202);
    let began = Instant::now();
    assert_eq!(stage.texts("+15555550178", 30).await.len(), 30);
    stage.text(PHONE, "30").await;
    assert_eq!(stage.texts(PHONE, 1).await, ["1"]);
    let patched = stage.http.patch(stage.url("/knobs")).json(&json!({"sms_per_second_per_number": null}));
    assert_eq!(patched.send().await.unwrap().status(), 200);
    let expected: Vec<_> = (1..=30).map(|number| number.to_string()).collect();
    assert_eq!(stage.texts(PHONE, 30).await, expected);
    assert!(began.elapsed() < Duration::from_secs(15), "30 texts at one a second take longer");
}

#[tokio::test]
async fn a_line_that_is_full_takes_no_more_and_loses_none() {
    let stage = Stage::new(counts).await;
    stage.set_knobs(json!({"sms_per_second_per_number": 1})).await;
    // One leaves at once, ten thousand wait, and one is too many. A turn or two may pass meanwhile.
    let session = stage.text(PHONE, "10100").await;
    assert_eq!(stage.ended(&session).await["state"], "failed");
    let lines = stage.simulator.lines(Some(&session.parse().unwrap()), 0, usize::MAX);
    let has = |words: &str| lines.iter().any(|line| line.text.contains(words));
    assert!(has("too many texts wait for their turn already") && has("it was required, so the document is incomplete"));
    let announced = lines.iter().filter(|line| line.text.starts_with("#MRCP#: (o)ANNOUNCE")).count();
    assert!((10_001..10_100).contains(&announced), "{announced}");
    // What was taken arrives, all of it and in order, once the rate is lifted.
    stage.set_knobs(json!({})).await;
    let texts = stage.texts(PHONE, announced).await;
    let expected: Vec<_> = (1..=announced).map(|number| number.to_string()).collect();
    assert_eq!(texts, expected);
}
