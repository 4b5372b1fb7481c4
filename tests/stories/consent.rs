//! People who want to be left alone, and are.

use std::path::PathBuf;
use std::process::Output;

use serde_json::json;

use crate::command_line::check;
use crate::stage::{Bus, Phone, Setup, Stage, tropomq, until};

on_both_buses! {
    a_stop_between_command_and_release_suppresses_and_is_confirmed
    a_dead_command_is_not_replayed_to_a_person_who_opted_out
}

const STOPPED: &str = "You will get no more messages from us. Text START to get them again.";
const HELP: &str = "Tidings of the stories. Text STOP to get no more.";
const STARTED: &str = "You will get our messages again. Text STOP to stop them.";

/// The command line, with the configuration of one service.
struct Operator {
    home: PathBuf,
    config: String,
}

impl Operator {
    fn of(stage: &mut Stage) -> Self {
        Self { home: stage.home().to_owned(), config: stage.sender_config().display().to_string() }
    }

    async fn consent(&self, arguments: &[&str]) -> Output {
        tropomq(&self.home, &[&["consent", "--config", &self.config], arguments].concat()).await
    }
}

/// Texts, and waits until so many texts have been suppressed in all.
async fn text_in_vain(stage: &Stage, phone: &Phone, words: &str, suppressed: u64) {
    phone.text(words).await;
    until_suppressed(stage, suppressed).await;
}

async fn until_suppressed(stage: &Stage, count: u64) {
    until("the reply is suppressed", async || {
        (stage.metrics().await.published("message.suppressed") == count).then_some(())
    })
    .await;
}

async fn a_stop_between_command_and_release_suppresses_and_is_confirmed(bus: Bus) {
    let mut stage = Setup::new(bus).with("router.subscription.help.reply", HELP).start().await;
    let (phone, other) = (stage.phone(0), stage.phone(1));
    stage.tropo.turn(json!({ "callback_delay": "4s" })).await;
    phone.text("echo on its way").await;
    until("it is launched", async || (stage.tropo.launched().await.len() == 1).then_some(())).await;
    stage.tropo.behave().await;
    phone.text("Stop!").await;
    other.text("echo unaffected").await;
    assert_eq!(phone.reply().await.text, STOPPED);
    other.reply().await;
    until_suppressed(&stage, 1).await;
    let launched = stage.tropo.launched().await.len();
    assert_eq!(launched, 3, "the reply, the confirmation, and the other's");

    // From now on nothing is launched, and nothing said to a second STOP.
    text_in_vain(&stage, &phone, "echo not launched", 2).await;
    phone.text("STOP").await;
    stage.settle().await;
    assert_eq!(stage.tropo.launched().await.len(), launched);
    phone.assert_has(&[STOPPED]).await;
    phone.text("help?").await;
    phone.received(2).await;

    let operator = Operator::of(&mut stage);
    check(&operator.consent(&["list"]).await, 0, &["story", &phone.number, "\"stop\""]);
    let show = ["show", &phone.number, "--backend", "story"];
    check(&operator.consent(&show).await, 0, &["out", "\"stop\"", "Nothing is sent to +"]);

    phone.text("start").await;
    phone.received(3).await;
    phone.text("echo back again").await;
    phone.received(4).await;
    stage.settle().await;
    phone.assert_has(&[STOPPED, HELP, STARTED, "back again"]).await;
    other.assert_has(&["unaffected"]).await;
    check(&operator.consent(&show).await, 0, &["\"start\"", "on story is sent messages."]);
}

async fn a_dead_command_is_not_replayed_to_a_person_who_opted_out(bus: Bus) {
    let mut stage = Setup::new(bus).with_console().start().await;
    let operator = Operator::of(&mut stage);
    let (phone, other) = (stage.phone(0), stage.phone(1));
    stage.refuse(&[phone.clone(), other.clone()], "late").await;
    stage.tropo.behave().await;
    let out = ["out", &phone.number, "--backend", "story", "--by", "somebody"];
    check(&operator.consent(&out).await, 0, &["operator somebody", "Nothing is sent to +"]);

    let replay = async || tropomq(&operator.home, &["dead", "--config", &operator.config, "replay", "--all"]).await;
    check(&replay().await, 0, &["2 replayed"]);
    assert_eq!(other.reply().await.text, "late");
    until_suppressed(&stage, 1).await;
    stage.settle_with_dead(if bus == Bus::Embedded { 2 } else { 0 }).await;
    phone.assert_has(&[]).await;
    check(&replay().await, 0, &["there are no dead letters"]);

    let back = ["in", &phone.number, "--backend", "story", "--by", "somebody"];
    check(&operator.consent(&back).await, 0, &["on story is sent messages."]);
    phone.text("echo hello").await;
    assert_eq!(phone.reply().await.text, "hello");
}
