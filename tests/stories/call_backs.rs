//! Call-backs that come early, and webhooks that come twice.

use reqwest::StatusCode;
use serde_json::{Value, json};
use tokio::task::JoinSet;

use crate::crowd::{assert_answered, text_all};
use crate::stage::{Bus, NUMBER, Setup, Stage, until};

on_both_buses! {
    a_call_back_may_come_before_the_create_reply
    a_webhook_that_comes_twice_is_answered_once
    of_many_equal_webhooks_at_once_one_counts
}

async fn a_call_back_may_come_before_the_create_reply(bus: Bus) {
    let stage = Setup::new(bus).start().await;
    stage.tropo.turn(json!({ "callback_first": true, "id_line_end": true })).await;
    forty_texts_are_answered(&stage).await;
    let metrics = stage.metrics().await;
    assert_eq!(metrics.settled("egress.message.send.", "handled"), 40);
    assert_eq!(metrics.settled("", "retried"), 0, "an early call-back is no failure");
}

async fn a_webhook_that_comes_twice_is_answered_once(bus: Bus) {
    let stage = Setup::new(bus).start().await;
    stage.tropo.turn(json!({ "duplicate_webhooks": 1.0 })).await;
    forty_texts_are_answered(&stage).await;
    until("each call-back has come twice", async || {
        (stage.metrics().await.sum("tropomq_forwarded_callbacks_total", &[]) == 80).then_some(())
    })
    .await;
    let metrics = stage.metrics().await;
    assert_eq!(metrics.published("message.received"), 40);
    assert_eq!(metrics.published("message.send"), 40);
    assert_eq!(metrics.sum("tropomq_ledger_claims_total", &[("tropomq_claim", "granted")]), 40);
    assert_eq!(metrics.sum("tropomq_ledger_claims_total", &[("tropomq_claim", "again")]), 40);
}

async fn of_many_equal_webhooks_at_once_one_counts(bus: Bus) {
    let stage = std::sync::Arc::new(Setup::new(bus).start().await);
    let phone = stage.phone(0);
    let (url, body) = (stage.webhook_url("story"), text_of(&phone.number, "echo once"));
    let mut posting = JoinSet::new();
    for _ in 0..16 {
        let (stage, url, body) = (stage.clone(), url.clone(), body.clone());
        posting.spawn(async move { stage.post(&url, &body).await });
    }
    for (status, answer) in posting.join_all().await {
        assert_eq!((status, answer.as_str()), (StatusCode::OK, r#"{"tropo":[{"hangup":{}}]}"#));
    }
    let reply = phone.reply().await;
    // Later, too, and in the middle of a conversation that is over.
    assert_eq!(stage.post(&url, &body).await.0, StatusCode::OK);
    let call_back = &stage.tropo.posts(&reply.session_id).await[0];
    let (status, first) = stage.post(&call_back.url, &call_back.body).await;
    let (_, second) = stage.post(&call_back.url, &call_back.body).await;
    assert_eq!(status, StatusCode::OK);
    assert!(first.contains("once"), "the session that has the message may ask for it again");
    let says = |document: &str| serde_json::from_str::<Value>(document).unwrap()["tropo"][0]["message"].clone();
    assert_eq!(says(&first), says(&second));
    stage.settle().await;
    phone.assert_has(&["once"]).await;
    assert_eq!(stage.metrics().await.published("message.received"), 1);
}

/// A text as Tropo posts it.
fn text_of(number: &str, words: &str) -> Value {
    let party =
        |id: &str| json!({ "id": id.trim_start_matches('+'), "name": null, "channel": "TEXT", "network": "SMS" });
    json!({ "session": {
        "id": "9f0c4be1a27d4d7f8a53e6b1c0d92e44",
        "accountId": "70001",
        "timestamp": "2013-06-02T09:30:15.204Z",
        "userType": "HUMAN",
        "initialText": words,
        "callId": "51f0aa07b3c94e2d9d1b7d0c6e8f2a10",
        "to": party(NUMBER),
        "from": party(number),
        "headers": { "Max-Forwards": "70", "CSeq": "1 INVITE" },
    }})
}

/// Twenty phones text twice each, and every text is answered once.
async fn forty_texts_are_answered(stage: &Stage) {
    let phones = stage.phones(20);
    let texts = text_all(&phones, 2, |_| NUMBER).await;
    for phone in &phones {
        phone.received(2).await;
    }
    stage.settle().await;
    assert_answered(&phones, &texts).await;
}
