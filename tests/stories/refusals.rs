//! A Tropo that refuses, fails, hangs or forgets.

use std::time::{Duration, Instant};

use serde_json::json;

use crate::crowd::patient;
use crate::stage::{Bus, NUMBER, OTHER_NUMBER, Setup, Stage, until};

on_both_buses! {
    a_refused_token_ends_among_the_dead_letters
    every_form_of_the_create_reply_is_coped_with
    a_tropo_that_fails_for_a_time_delays_the_reply
    a_tropo_that_asks_to_wait_is_given_the_time
    a_tropo_that_hangs_delays_the_reply
    a_session_that_never_calls_back_is_created_again
    a_session_that_calls_back_after_its_message_failed_gets_nothing
}

async fn a_refused_token_ends_among_the_dead_letters(bus: Bus) {
    // The other backend's token is right: what is wrong with one concerns no other.
    let stage = Setup::new(bus).with("backends.story.messaging_token", "another-token").start().await;
    let forms = ["false", "empty", "401", "403"];
    for (index, form) in forms.into_iter().enumerate() {
        stage.tropo.turn(json!({ "bad_token": form })).await;
        stage.phone(index).text("echo in vain").await;
        let dead = index as u64 + 1;
        until(&format!("a dead letter, for form {form}"), async || {
            (stage.metrics().await.settled("egress.message.send.story", "dead") == dead).then_some(())
        })
        .await;
    }
    let phone = stage.phone(4);
    phone.text_to(OTHER_NUMBER, "echo not in vain").await;
    phone.reply().await;
    stage.settle_with_dead(4).await;
    for index in 0..forms.len() {
        stage.phone(index).assert_has(&[]).await;
    }
    phone.assert_has(&["not in vain"]).await;
    let metrics = stage.metrics().await;
    assert_eq!(metrics.published("message.failed"), 4, "whoever watches is told");
    assert_eq!(metrics.settled("", "retried"), 0, "a refused token is refused again");
}

async fn every_form_of_the_create_reply_is_coped_with(bus: Bus) {
    let stage = patient(Setup::new(bus)).start().await;
    let mut count = 0;
    // Whatever is answered, a session that has called back has the message.
    for form in ["as_asked", "json", "xml", "form", "html", "garbage", "empty"] {
        for callback_first in [true, false] {
            if form == "empty" && !callback_first {
                // As Tropo answers an unknown token: the message is taken for refused.
                continue;
            }
            stage.tropo.turn(json!({ "create_reply": form, "callback_first": callback_first })).await;
            let phone = stage.phone(count);
            phone.text(&format!("echo {form}")).await;
            phone.reply().await;
            stage.settle().await;
            phone.assert_has(&[form]).await;
            count += 1;
        }
    }
    assert_eq!(stage.metrics().await.published("message.sent"), count as u64);
}

async fn a_tropo_that_fails_for_a_time_delays_the_reply(bus: Bus) {
    let stage = Setup::new(bus).start().await;
    stage.tropo.turn(json!({ "fail_next_creates": 3 })).await;
    assert_comes_once(&stage, 0).await;
    assert_eq!(stage.metrics().await.settled("egress.message.send.story", "retried"), 3);
    stage.tropo.turn(json!({ "create_status": 503 })).await;
    let phone = stage.phone(1);
    phone.text("echo patience").await;
    until("some attempts fail", async || {
        (5 <= stage.metrics().await.settled("egress.message.send.story", "retried")).then_some(())
    })
    .await;
    phone.assert_has(&[]).await;
    stage.tropo.behave().await;
    phone.reply().await;
    stage.settle().await;
    phone.assert_has(&["patience"]).await;
}

async fn a_tropo_that_asks_to_wait_is_given_the_time(bus: Bus) {
    let stage = Setup::new(bus).start().await;
    let knobs = json!({ "fail_next_creates": 1, "create_error_status": 429, "retry_after": "2s" });
    stage.tropo.turn(knobs).await;
    let started = Instant::now();
    assert_comes_once(&stage, 0).await;
    let waited = started.elapsed();
    assert!(Duration::from_secs(2) <= waited, "Tropo asked for 2 s, and was asked again sooner: {waited:?}");
    assert_eq!(stage.metrics().await.settled("egress.message.send.story", "retried"), 1);
}

async fn a_tropo_that_hangs_delays_the_reply(bus: Bus) {
    let stage = Setup::new(bus).with("egress.request_timeout", "400ms").start().await;
    // No session calls back meanwhile: only a create request that succeeds can bring the reply.
    stage.tropo.turn(json!({ "create_hang": "20s", "create_status": 500 })).await;
    let phone = stage.phone(0);
    phone.text("echo at last").await;
    until("two attempts fail", async || {
        (2 <= stage.metrics().await.settled("egress.message.send.story", "retried")).then_some(())
    })
    .await;
    phone.assert_has(&[]).await;
    stage.tropo.behave().await;
    phone.reply().await;
    stage.settle().await;
    phone.assert_has(&["at last"]).await;
    // A session that was created all the same: its create reply never came, and it calls back later.
    stage.tropo.turn(json!({ "create_hang": "20s", "callback_delay": "2s" })).await;
    let phone = stage.phone(1);
    phone.text("echo one of many").await;
    until("two sessions are created", async || (3 <= stage.tropo.launched().await.len()).then_some(())).await;
    stage.tropo.behave().await;
    phone.reply().await;
    stage.settle().await;
    phone.assert_has(&["one of many"]).await;
}

async fn a_session_that_never_calls_back_is_created_again(bus: Bus) {
    let stage = Setup::new(bus).with("egress.callback_timeout", "400ms").start().await;
    stage.tropo.turn(json!({ "drop_next_callbacks": 2 })).await;
    assert_comes_once(&stage, 0).await;
    assert_eq!(stage.tropo.launched().await.len(), 3);
    // Later than it is waited for: several sessions ask for the message, and one gets it.
    stage.tropo.turn(json!({ "callback_delay": "1500ms" })).await;
    assert_comes_once(&stage, 1).await;
    let refused = stage.metrics().await.sum("tropomq_ledger_claims_total", &[("tropomq_claim", "refused")]);
    assert!(1 <= refused, "the session that was given up for lost and the one after it both called back");
}

async fn a_session_that_calls_back_after_its_message_failed_gets_nothing(bus: Bus) {
    let stage = Setup::new(bus).with("egress.callback_timeout", "200ms").start().await;
    // The first session is long in coming, and then Tropo refuses every other.
    stage.tropo.turn(json!({ "callback_delay": "6s" })).await;
    stage.phone(0).text("echo too late").await;
    until("a session is created", async || (!stage.tropo.launched().await.is_empty()).then_some(())).await;
    stage.tropo.turn(json!({ "create_status": 403 })).await;
    until("the message has failed", async || (stage.metrics().await.published("message.failed") == 1).then_some(()))
        .await;
    until("the session has asked for it all the same", async || {
        let claims = [("tropomq_claim", "given_up")];
        (1 <= stage.metrics().await.sum("tropomq_ledger_claims_total", &claims)).then_some(())
    })
    .await;
    stage.settle_with_dead(1).await;
    stage.phone(0).assert_has(&[]).await;
    assert_eq!(stage.metrics().await.published("message.released"), 0);
}

/// The phone texts, and is answered once.
async fn assert_comes_once(stage: &Stage, index: usize) {
    let phone = stage.phone(index);
    phone.text_to(NUMBER, "echo once").await;
    phone.reply().await;
    stage.settle().await;
    phone.assert_has(&["once"]).await;
}
