//! An operator finds out why messages are dead, mends the cause, and replays or drops them.

use std::path::{Path, PathBuf};
use std::process::Output;

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::command_line::{check, out};
use crate::stage::{Bus, OTHER_NUMBER, Phone, Setup, Stage, client, tropomq, until};

on_both_buses! {
    what_was_refused_is_replayed_and_arrives_once
    what_is_not_wanted_any_more_is_dropped
}

/// The command, with the configuration of one service.
struct Operator {
    home: PathBuf,
    config: String,
}

impl Operator {
    fn of(stage: &mut Stage) -> Self {
        let home = stage.home().to_owned();
        Self { home, config: stage.sender_config().display().to_string() }
    }

    async fn dead(&self, arguments: &[&str]) -> Output {
        tropomq(&self.home, &[&["dead", "--config", &self.config], arguments].concat()).await
    }

    /// The letters that fit.
    async fn letters(&self, filter: &[&str]) -> Vec<Value> {
        let listed = self.dead(&[&["list", "--json"], filter].concat()).await;
        check(&listed, 0, &[]);
        out(&listed).lines().map(|line| serde_json::from_str(line).unwrap()).collect()
    }
}

/// Tropo refuses what these phones should get, so that it is dead.
async fn refuse(stage: &Stage, phones: &[Phone], words: &str) {
    stage.tropo.turn(json!({ "create_status": 403 })).await;
    for phone in phones {
        phone.text(&format!("echo {words}")).await;
    }
    until("they are dead", async || {
        let dead = stage.metrics().await.settled("egress.message.send.story", "dead");
        (dead == phones.len() as u64).then_some(())
    })
    .await;
}

/// The embedded bus counts what has ever died, RabbitMQ what is there.
fn died(bus: Bus, ever: u64) -> u64 {
    if bus == Bus::Embedded { ever } else { 0 }
}

async fn what_was_refused_is_replayed_and_arrives_once(bus: Bus) {
    let mut stage = Setup::new(bus).start().await;
    let operator = Operator::of(&mut stage);
    check(&operator.dead(&["list"]).await, 0, &["there are no dead letters"]);
    check(&operator.dead(&["replay", "--all"]).await, 0, &["there are no dead letters"]);
    let phones = stage.phones(3);
    refuse(&stage, &phones, "after all").await;
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
    let mut stage = Setup::new(bus).start().await;
    let operator = Operator::of(&mut stage);
    let phones = stage.phones(2);
    refuse(&stage, &phones, "too late").await;
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

/// The command opens the file itself while nobody has it.
#[tokio::test]
async fn letters_of_the_embedded_bus_are_replayed_while_nothing_runs() {
    let mut stage = Setup::new(Bus::Embedded).simulator_apart().start().await;
    let operator = Operator::of(&mut stage);
    let phones = stage.phones(1);
    refuse(&stage, &phones, "later").await;
    stage.tropo.behave().await;
    stage.sender().terminate().await;
    check(&operator.dead(&["list"]).await, 0, &["1 dead letter"]);
    check(&operator.dead(&["replay", "--all"]).await, 0, &["1 replayed", "replayed 1 letters of tropomq.dead"]);
    let sender = stage.sender();
    sender.start();
    sender.ready().await;
    phones[0].reply().await;
    stage.settle().await;
    phones[0].assert_has(&["later"]).await;

    let elsewhere = stage.home().join("elsewhere.toml");
    std::fs::write(&elsewhere, "[admin]\nlisten = \"127.0.0.1:1\"\n[bus]\nurl = \"embedded:./nowhere\"\n").unwrap();
    let asked = tropomq(stage.home(), &["dead", "list", "--config", elsewhere.to_str().unwrap()]).await;
    check(&asked, 1, &["no embedded bus in ./nowhere"]);
    assert!(!Path::new(stage.home()).join("nowhere").exists(), "looking makes nothing");
}

/// Neither a page in a browser of this machine nor another of its users may read or remove letters.
#[tokio::test]
async fn nobody_without_the_key_gets_letters() {
    let mut stage = Setup::new(Bus::Embedded).start().await;
    let operator = Operator::of(&mut stage);
    check(&operator.dead(&["list"]).await, 0, &["there are no dead letters"]);
    let (config, other) = (std::fs::read_to_string(&operator.config).unwrap(), stage.home().join("other.toml"));
    std::fs::write(&other, config.replace("a key for the stories", "another key for them")).unwrap();
    let other = Operator { home: operator.home, config: other.display().to_string() };
    check(&other.dead(&["list"]).await, 1, &["not sealed with the key", "ticket.key_file"]);

    let url = format!("{}/dead", stage.sender().admin_url());
    let order = r#"{"action":"look","place":"dead","filter":{},"limit":null,"detail":"plain"}"#;
    let ask = async |content_type: &str, host: &str, body: String| {
        let request = client().post(&url).header("content-type", content_type).header("host", host);
        request.body(body).send().await.unwrap().status()
    };
    assert_eq!(ask("application/json", "localhost", order.to_owned()).await, StatusCode::BAD_REQUEST);
    assert_eq!(ask("application/json", "localhost", json!(order).to_string()).await, StatusCode::FORBIDDEN);
    assert_eq!(ask("text/plain", "localhost", json!(order).to_string()).await, StatusCode::FORBIDDEN);
    assert_eq!(ask("application/json", "evil.example:80", json!(order).to_string()).await, StatusCode::FORBIDDEN);
}
