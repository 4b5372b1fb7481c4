//! The knobs that shape payloads, launches, webhooks and documents; `misbehaviour` has those that make things fail.

use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use serde_json::{Map, Value, json};
use simulator::{Config, Knobs};

use crate::stage::{PHONE, Posted, Reply, Stage};

fn silent(_: &Posted) -> Reply {
    Reply::hangup()
}

#[tokio::test]
async fn knobs_are_put_patched_and_put_back_as_they_were_got() {
    let stage = Stage::new(silent).await;
    let (_, good_day) = stage.get("/knobs").await;
    stage.set_knobs(good_day.clone()).await;
    assert_eq!(stage.get("/knobs").await.1, good_day);

    let patch = async |changes: Value| {
        let request = stage.http.patch(stage.url("/knobs")).json(&changes);
        crate::stage::read(request.send().await.unwrap()).await
    };
    let (status, patched) = patch(json!({"era": "2017", "webhook_latency": {"min": "1ms", "max": "2ms"}})).await;
    assert_eq!((status, &patched["era"], &patched["webhook_latency"]["max"]), (200, &json!(2017), &json!("2ms")));
    let (_, patched) = patch(json!({"webhook_latency": null, "strict": true})).await;
    assert_eq!(
        (&patched["era"], &patched["webhook_latency"], &patched["strict"]),
        (&json!(2017), &json!("0s"), &json!(true))
    );
    for (wrong, word) in [
        (json!({"era": 1999}), "2010, 2011, 2013 and 2017"),
        (json!({"callback_delay": {"min": "2s", "max": "1s"}}), "longer than max"),
        (json!({"sms_per_second_per_number": 0}), "1 to 1000"),
        (json!({"no_such": 1}), "no_such"),
        (json!([]), "does not fit"),
    ] {
        let (status, answer) = patch(wrong.clone()).await;
        assert_eq!(status, 400, "{wrong}");
        assert!(answer["error"].as_str().unwrap().contains(word), "{wrong}: {answer}");
    }
    assert_eq!(stage.get("/knobs").await.1, patched);
}

/// The documentation has one table of the knobs: each has a line there, with its default.
#[test]
fn every_knob_is_documented_with_its_default() {
    let document = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/simulator.md");
    let document = std::fs::read_to_string(document).unwrap();
    let (_, section) = document.split_once("## Knobs").unwrap();
    let documented: Map<String, Value> = section
        .lines()
        .filter_map(|line| line.strip_prefix("| `")?.split_once("` | `"))
        .map(|(name, rest)| {
            let default = rest.split_once("` |").unwrap().0;
            (name.to_owned(), serde_json::from_str(default).unwrap_or_else(|error| panic!("{name}: {error}")))
        })
        .collect();
    assert_eq!(Value::Object(documented), serde_json::to_value(Knobs::default()).unwrap());
}

#[tokio::test]
async fn latencies_are_spread_as_the_knobs_say() {
    let stage = Stage::new(silent).await;
    stage.set_knobs(json!({"create_hang": {"min": "10ms", "max": "60ms"}})).await;
    for _ in 0..6 {
        let began = Instant::now();
        assert_eq!(stage.launch().await.status(), 200);
        assert!(Duration::from_millis(10) <= began.elapsed());
    }
    for (knob, least) in [("webhook_latency", 30), ("callback_delay", 30)] {
        stage.set_knobs(json!({knob: {"median": "30ms", "p99": "30ms"}})).await;
        let began = Instant::now();
        let session = stage.launched().await;
        stage.ended(&session).await;
        assert!(Duration::from_millis(least) <= began.elapsed(), "{knob}");
    }
}

#[tokio::test]
async fn a_share_of_the_call_backs_is_dropped_by_the_same_seed_the_same() {
    let stage = Stage::new(silent).await;
    let ends = async || {
        stage.set_knobs(json!({"seed": 11, "dropped_callbacks": 0.5})).await;
        let mut states = Vec::new();
        for _ in 0..12 {
            let session = stage.launched().await;
            states.push(stage.ended(&session).await["state"].clone());
        }
        states
    };
    let first = ends().await;
    assert!(first.contains(&json!("dropped")) && first.contains(&json!("hung_up")), "{first:?}");
    assert_eq!(ends().await, first);
    let dropped = first.iter().filter(|state| **state == "dropped").count();
    assert_eq!(stage.posted().len(), 2 * (12 - dropped));
}

#[tokio::test]
async fn the_wait_for_an_answer_is_set_at_run_time() {
    let stage = Stage::set(Config::default(), |_| Box::pin(std::future::pending())).await;
    stage.set_knobs(json!({"webhook_timeout": "60ms"})).await;
    let session = stage.text(PHONE, "hi").await;
    assert_eq!(stage.ended(&session).await["first_webhook"], "unanswered");
    let lines = stage.lines(&session).await;
    assert!(lines.iter().any(|line| line.contains("no answer within 60ms")), "{lines:#?}");
}

#[tokio::test]
async fn a_webhook_lets_another_go_first_or_goes_when_its_time_is_over() {
    let stage = Stage::new(silent).await;
    stage.set_knobs(json!({"reorder_webhooks": 1, "reorder_within": "60s"})).await;
    let first = stage.text(PHONE, "first").await;
    // It waits: only then are the others as on a good day.
    crate::stage::until(async || {
        let lines = stage.lines(&first).await;
        lines.iter().any(|line| line.ends_with("lets another one go first: reorder_webhooks")).then_some(())
    })
    .await;
    stage.set_knobs(json!({})).await;
    stage.text(PHONE, "second").await;
    let texts: Vec<_> =
        stage.webhooks(2).await.iter().map(|posted| posted.body["session"]["initialText"].clone()).collect();
    assert_eq!(texts, ["second", "first"]);

    stage.set_knobs(json!({"reorder_webhooks": 1, "reorder_within": "30ms"})).await;
    let began = Instant::now();
    let alone = stage.text(PHONE, "alone").await;
    stage.ended(&alone).await;
    assert!(Duration::from_millis(30) <= began.elapsed());
}

/// What a strict platform refuses goes to the handler of errors, and nothing of it is done.
#[tokio::test]
async fn a_strict_platform_refuses_what_tropo_made_the_best_of() {
    const GARBLED: &str =
        "{\"tropo\": [{\"say\": {\"value\": \"é\"}}, {\"on\": {\"event\": \"error\", \"next\": \"/e\"}}]}";
    let on = json!({"on": {"event": "error", "next": "/e"}});
    let unknown = json!({"tropo": [{"say": {"value": "x"}}, {"dance": {}}, on]}).to_string();
    for (content_type, document, word) in [
        ("application/json", GARBLED.to_owned(), "names no charset"),
        ("application/json; charset=utf-8", unknown, "an action that Tropo does not know"),
    ] {
        for is_strict in [false, true] {
            let (count, answer) = (AtomicUsize::new(0), document.clone());
            let stage = Stage::new(move |_| match count.fetch_add(1, Ordering::SeqCst) {
                0 => Reply::raw(200, content_type, answer.clone()),
                _ => Reply::document(&json!({"tropo": []})),
            })
            .await;
            stage.set_knobs(json!({"strict": is_strict})).await;
            let session = stage.text(PHONE, "hi").await;
            stage.ended(&session).await;
            let posted = stage.posted();
            let lines = stage.lines(&session).await;
            if is_strict {
                assert_eq!((posted.len(), posted[1].target.as_str()), (2, "/e"), "{lines:#?}");
                assert!(posted[1].body["result"]["error"].as_str().unwrap().contains(word));
                assert!(lines.iter().any(|line| line.contains("The document is refused, ") && line.contains(word)));
            } else {
                assert_eq!(posted.len(), 1, "{lines:#?}");
            }
            let said = stage.get(&format!("/phones/{PHONE}/messages")).await.1.as_array().unwrap().len();
            assert_eq!(said, usize::from(!is_strict), "{lines:#?}");
        }
    }
}
