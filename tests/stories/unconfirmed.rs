//! A document that is lost on its way to Tropo: the message is released, and nobody can know whether it was sent.

use crate::stage::{Bus, Setup, Stage, until};

on_both_buses! {
    what_is_held_stays_unconfirmed
    what_is_resent_comes_later_and_once
}

/// Soon unconfirmed.
fn setup(bus: Bus) -> Setup {
    Setup::new(bus).behind_a_proxy().with("egress.result_timeout", "1s")
}

/// A phone texts, and the document with its reply is lost.
async fn lose_a_reply(stage: &Stage, words: &str) {
    stage.proxy().lose_next_document();
    stage.phone(0).text(&format!("echo {words}")).await;
    until("the document is lost", async || stage.proxy().has_lost_all().then_some(())).await;
    let session = stage.tropo.launched().await.remove(0);
    until("Tropo gives the session up", async || (stage.tropo.session(&session).await.state == "failed").then_some(()))
        .await;
}

async fn what_is_held_stays_unconfirmed(bus: Bus) {
    let stage = setup(bus).start().await;
    lose_a_reply(&stage, "in vain").await;
    until("it is said to be unconfirmed", async || {
        (stage.metrics().await.published("message.unconfirmed") == 1).then_some(())
    })
    .await;
    // The sweep has been here; a text that comes after it is answered, and the lost one is not.
    let other = stage.phone(1);
    other.text("echo as ever").await;
    other.reply().await;
    stage.settle().await;
    stage.phone(0).assert_has(&[]).await;
    let metrics = stage.metrics().await;
    assert_eq!(metrics.published("message.send"), 2);
    assert_eq!(metrics.published("message.unconfirmed"), 1);
    assert_eq!(metrics.sum("tropomq_outcomes_messages_total", &[("tropomq_outcome", "unconfirmed")]), 1);
    assert_eq!(stage.tropo.launched().await.len(), 2, "no second session for what may have been sent");
}

async fn what_is_resent_comes_later_and_once(bus: Bus) {
    let stage = setup(bus).with("backends.story.on_unconfirmed", "resend").start().await;
    lose_a_reply(&stage, "after all").await;
    let phone = stage.phone(0);
    phone.assert_has(&[]).await;
    let reply = phone.reply().await;
    assert_eq!(stage.tropo.launched().await.last(), Some(&reply.session_id), "from the second session");
    until("Tropo's result is recorded", async || (stage.metrics().await.published("message.sent") == 1).then_some(()))
        .await;
    stage.settle().await;
    phone.assert_has(&["after all"]).await;
    let metrics = stage.metrics().await;
    assert_eq!(metrics.published("message.unconfirmed"), 1);
    assert_eq!(metrics.published("message.send"), 2);
    assert_eq!(metrics.sum("tropomq_resent_messages_total", &[]), 1);
    assert_eq!(stage.tropo.launched().await.len(), 2);
}
