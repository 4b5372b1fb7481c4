//! Egress ends while a call-back is on its way.

use serde_json::json;

use crate::stage::{Bus, Setup, Stage, until};

on_both_buses! {
    egress_is_killed_and_is_back_for_the_call_back
    egress_is_killed_and_misses_the_call_back
    egress_is_stopped_and_is_back_for_the_call_back
    egress_is_stopped_and_misses_the_call_back
}

/// How many messages wait for their call-back.
const PHONES: usize = 10;

/// How egress ends.
#[derive(Clone, Copy)]
enum End {
    Killed,
    Stopped,
}

/// When it is back.
#[derive(Clone, Copy, PartialEq)]
enum Back {
    /// Before the call-backs come.
    Before,
    /// After they came, and found nobody.
    After,
}

async fn egress_is_killed_and_is_back_for_the_call_back(bus: Bus) {
    check(bus, End::Killed, Back::Before).await;
}

async fn egress_is_killed_and_misses_the_call_back(bus: Bus) {
    check(bus, End::Killed, Back::After).await;
}

async fn egress_is_stopped_and_is_back_for_the_call_back(bus: Bus) {
    check(bus, End::Stopped, Back::Before).await;
}

async fn egress_is_stopped_and_misses_the_call_back(bus: Bus) {
    check(bus, End::Stopped, Back::After).await;
}

async fn check(bus: Bus, end: End, back: Back) {
    let setup = Setup::new(bus).simulator_apart().with("bus.drain", "500ms");
    let mut stage = setup.start().await;
    let delay = if back == Back::Before { "5s" } else { "2s" };
    stage.tropo.turn(json!({ "callback_delay": delay })).await;
    let phones = stage.phones(PHONES);
    for phone in &phones {
        phone.text("echo after all").await;
    }
    let launched = until("every message has a session", async || {
        Some(stage.tropo.launched().await).filter(|launched| launched.len() == PHONES)
    })
    .await;
    let sender = stage.sender();
    match end {
        End::Killed => sender.kill(),
        End::Stopped => {
            let status = sender.terminate().await;
            assert_eq!(status.code(), Some(0), "a stop with messages in hand is a clean stop");
        }
    }
    if back == Back::After {
        until("every call-back came", async || all_ended(&stage, &launched).await.then_some(())).await;
        for id in &launched {
            assert_eq!(stage.tropo.session(id).await.state, "failed", "nobody was there to answer");
        }
    }
    stage.tropo.behave().await;
    let sender = stage.sender();
    sender.start();
    sender.ready().await;
    if back == Back::Before {
        assert!(!all_ended(&stage, &launched).await, "egress is back too late for this story");
    }
    for phone in &phones {
        phone.reply().await;
    }
    stage.settle().await;
    for phone in &phones {
        phone.assert_has(&["after all"]).await;
    }
}

async fn all_ended(stage: &Stage, sessions: &[String]) -> bool {
    for id in sessions {
        if !stage.tropo.session(id).await.has_ended() {
            return false;
        }
    }
    true
}
