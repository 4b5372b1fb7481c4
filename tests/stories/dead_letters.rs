//! An operator finds out why messages are dead, mends the cause, and replays or drops them.

use std::path::PathBuf;
use std::process::Output;

use serde_json::Value;

use crate::command_line::{check, out};
use crate::stage::{Bus, OTHER_NUMBER, Setup, Stage, tropomq, tropomq_as, tropomq_stopped, until};

on_both_buses! {
    what_was_refused_is_replayed_and_arrives_once
    what_is_not_wanted_any_more_is_dropped
    a_replay_that_is_stopped_is_told_and_goes_on
    a_token_for_reading_changes_nothing_and_sees_nobody
}

/// The command line, asking the console of a stage.
struct Operator {
    home: PathBuf,
    console: String,
}

impl Operator {
    fn of(stage: &Stage) -> Self {
        Self { home: stage.home().to_owned(), console: stage.console_url() }
    }

    fn line<'a>(&'a self, arguments: &[&'a str]) -> Vec<&'a str> {
        [&["dead", "--console", &self.console], arguments].concat()
    }

    async fn dead(&self, arguments: &[&str]) -> Output {
        tropomq(&self.home, &self.line(arguments)).await
    }

    /// The letters that fit.
    async fn letters(&self, filter: &[&str]) -> Vec<Value> {
        let listed = self.dead(&[&["list", "--json"], filter].concat()).await;
        check(&listed, 0, &[]);
        out(&listed).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// The embedded bus counts what has ever died, RabbitMQ what is there.
fn died(bus: Bus, ever: u64) -> u64 {
    if bus == Bus::Embedded { ever } else { 0 }
}

async fn what_was_refused_is_replayed_and_arrives_once(bus: Bus) {
    let stage = Setup::new(bus).with_console().start().await;
    let operator = Operator::of(&stage);
    check(&operator.dead(&["list"]).await, 0, &["there are no dead letters"]);
    check(&operator.dead(&["replay", "--all"]).await, 0, &["there are no dead letters"]);
    let phones = stage.phones(3);
    stage.refuse(&phones, "after all").await;
    stage.phone(7).text_to(OTHER_NUMBER, "echo of another lane").await;
    until("the other is dead", async || {
        (stage.metrics().await.settled("egress.message.send.other", "dead") == 1).then_some(())
    })
    .await;

    let listed = operator.dead(&["list"]).await;
    check(&listed, 0, &["message.send", "story", "failed", "Tropo rejected the message for good", "4 dead letters"]);
    let letters = operator.letters(&["--backend", "story", "--error", "rejected", "--younger", "1h"]).await;
    assert_eq!(letters.len(), 3);
    assert!(operator.letters(&["--older", "1h"]).await.is_empty());
    let id = letters[0]["id"].as_str().unwrap();
    let shown = operator.dead(&["show", id]).await;
    check(&shown, 0, &[id, "egress.message.send.story", "tropomq-reason: failed", "because", "\"text\": \"***\""]);
    for told in [out(&listed), out(&shown), format!("{letters:?}")] {
        for personal in ["after all", "5555560"] {
            assert!(!told.contains(personal), "{personal} is in: {told}");
        }
    }
    check(&operator.dead(&["show", id, "--payload"]).await, 0, &["after all", "555556000"]);
    check(&operator.dead(&["replay"]).await, 1, &["--all"]);
    check(&operator.dead(&["replay", id, "--dry-run"]).await, 0, &["1 can be replayed"]);

    stage.tropo.behave().await;
    check(&operator.dead(&["replay", id]).await, 0, &["1 replayed", "3 kept"]);
    until("somebody has the reply", async || {
        for phone in &phones {
            if !phone.inbox().await.is_empty() {
                return Some(());
            }
        }
        None
    })
    .await;
    check(&operator.dead(&["replay", id]).await, 1, &["not found", id]);
    check(&operator.dead(&["replay", "--backend", "story"]).await, 0, &["2 replayed", "1 kept"]);
    check(&operator.dead(&["replay", "--all"]).await, 0, &["1 replayed"]);
    for phone in &phones {
        phone.reply().await;
    }
    stage.phone(7).reply().await;
    stage.settle_with_dead(died(bus, 4)).await;
    for phone in &phones {
        phone.assert_has(&["after all"]).await;
    }
    stage.phone(7).assert_has(&["of another lane"]).await;
    check(&operator.dead(&["list"]).await, 0, &["there are no dead letters"]);
}

async fn what_is_not_wanted_any_more_is_dropped(bus: Bus) {
    let stage = Setup::new(bus).with_console().start().await;
    let operator = Operator::of(&stage);
    let phones = stage.phones(2);
    stage.refuse(&phones, "too late").await;
    stage.tropo.behave().await;
    check(&operator.dead(&["drop", "--yes"]).await, 1, &["--all"]);
    check(&operator.dead(&["drop", "--all"]).await, 1, &["nobody can be asked", "--yes"]);
    check(&operator.dead(&["drop", "--all", "--dry-run"]).await, 0, &["2 would be dropped"]);
    check(&operator.dead(&["drop", "--reason", "unreadable", "--yes"]).await, 0, &["0 dropped, 2 kept"]);
    assert_eq!(operator.letters(&[]).await.len(), 2);
    let dropped = operator.dead(&["drop", "--reason", "failed", "--limit", "1", "--yes"]).await;
    check(&dropped, 0, &["1 dropped"]);
    check(&operator.dead(&["drop", "--all", "--yes"]).await, 0, &["1 dropped, 0 kept"]);
    check(&operator.dead(&["list"]).await, 0, &["there are no dead letters"]);
    stage.settle_with_dead(died(bus, 2)).await;
    for phone in &phones {
        phone.assert_has(&[]).await;
    }
}

async fn a_replay_that_is_stopped_is_told_and_goes_on(bus: Bus) {
    let stage = Setup::new(bus).with_console().start().await;
    let operator = Operator::of(&stage);
    let phones = stage.phones(3);
    stage.refuse(&phones, "slowly").await;
    stage.tropo.behave().await;
    let replay = operator.line(&["replay", "--all", "--rate", "1", "--json"]);
    let stopped = tropomq_stopped(&operator.home, &replay).await;
    check(&stopped, 1, &["1 dead letter replayed until then, or some more", "stopped before the end"]);
    until("the rest is replayed", async || {
        let replayed = operator.dead(&["replay", "--all"]).await;
        replayed.status.success().then_some(())
    })
    .await;
    for phone in &phones {
        phone.reply().await;
    }
    stage.settle_with_dead(died(bus, 3)).await;
    for phone in &phones {
        phone.assert_has(&["slowly"]).await;
    }
}

async fn a_token_for_reading_changes_nothing_and_sees_nobody(bus: Bus) {
    let tokens = [("reader", &["read"][..]), ("operator", &["read", "people", "operate"][..])];
    let token = |name: &str| format!("{name}: a token of the stories, of no other use");
    let mut setup = Setup::new(bus).with_console();
    for (name, scopes) in tokens {
        setup = setup.with(&format!("console.tokens.{name}.token"), token(name));
        setup = setup.with(&format!("console.tokens.{name}.scopes"), scopes.to_vec());
    }
    let stage = setup.start().await;
    let operator = Operator::of(&stage);
    let dead = async |name: &str, arguments: &[&str]| {
        tropomq_as(&token(name), &operator.home, &operator.line(arguments)).await
    };
    stage.refuse(&stage.phones(1), "for few eyes").await;
    check(&operator.dead(&["list"]).await, 77, &["TROPOMQ_TOKEN"]);
    check(&dead("stranger", &["list"]).await, 77, &["does not know the token"]);
    check(&dead("reader", &["list"]).await, 0, &["1 dead letter"]);
    let listed = out(&dead("reader", &["list", "--json"]).await);
    let letter: Value = serde_json::from_str(&listed).unwrap();
    let show = ["show", letter["id"].as_str().unwrap()];
    check(&dead("reader", &show).await, 0, &["\"text\": \"***\""]);
    for refused in [&[&show[..], &["--payload"]].concat()[..], &["replay", "--all"], &["drop", "--all", "--yes"]] {
        check(&dead("reader", refused).await, 77, &[]);
    }
    check(&dead("operator", &[&show[..], &["--payload"]].concat()).await, 0, &["for few eyes"]);
    check(&dead("operator", &["drop", "--all", "--yes"]).await, 0, &["1 dropped"]);
    stage.settle_with_dead(died(bus, 1)).await;
}
