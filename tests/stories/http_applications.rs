//! Applications behind HTTP: down, slow, talking nonsense, leading elsewhere, asking for rest, and answering later.

mod application;

use std::time::Duration;

use futures::future::join_all;
use protocol::{EventId, Kind};
use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::command_line::{check, out};
use crate::stage::{Bus, Phone, Setup, Stage, client, tropomq, until};
use application::{Application, SECRET};

on_both_buses! {
    texts_wait_for_an_application_that_is_down_and_others_do_not
    a_slow_or_busy_application_is_asked_again_and_answers_once
    nonsense_and_redirects_end_as_dead_letters_and_nothing_is_followed
    what_happened_to_a_text_is_told
    a_poison_text_is_given_up_and_holds_up_its_sender_alone
    a_router_that_dies_while_it_asks_texts_nobody_twice
    an_application_texts_later_by_itself
    the_example_of_the_documentation_answers
}

/// Echo first, then the application, and a word for what nobody took.
fn setup(bus: Bus, url: &str) -> Setup {
    Setup::new(bus)
        .with("router.applications", vec!["echo", "survey", "default"])
        .with("router.http.survey.url", url)
        .with("router.http.survey.secret", SECRET)
        .with("router.http.survey.timeout", "1s")
        .with("router.http.survey.allow_private", true)
}

/// Everybody texts `say 1`, and once that has come in, `say 2`, and so on.
async fn text_in_rounds(stage: &Stage, phones: &[Phone], rounds: usize) {
    for number in 1..=rounds {
        join_all(phones.iter().map(|phone| async move { phone.text(&format!("say {number}")).await })).await;
        until("all texts have come in", async || {
            let come_in = stage.metrics().await.published("message.received");
            (come_in == (number * phones.len()) as u64).then_some(())
        })
        .await;
    }
}

async fn texts_wait_for_an_application_that_is_down_and_others_do_not(bus: Bus) {
    let mut application = Application::new();
    let stage = setup(bus, &application.url()).start().await;
    let (patient, others) = (stage.phones(3), [stage.phone(10), stage.phone(11)]);
    text_in_rounds(&stage, &patient, 3).await;
    for phone in &others {
        phone.text("echo I am not affected").await;
        assert_eq!(phone.reply().await.text, "I am not affected");
    }
    tokio::time::sleep(Duration::from_secs(3)).await;
    for phone in &patient {
        assert!(phone.inbox().await.is_empty());
    }
    application.start().await;
    for phone in &patient {
        phone.received(3).await;
    }
    stage.settle().await;
    for phone in &patient {
        phone.assert_has(&["1", "2", "3"]).await;
        assert_eq!(application.answered(&phone.number), ["say 1", "say 2", "say 3"], "in order");
    }
}

async fn a_slow_or_busy_application_is_asked_again_and_answers_once(bus: Bus) {
    let mut application = Application::new();
    application.start().await;
    let stage = setup(bus, &application.url()).start().await;
    let texts = ["slow", "busy", "broken", "pass"];
    let phones = stage.phones(texts.len());
    for (phone, text) in phones.iter().zip(texts) {
        phone.text(text).await;
    }
    for (phone, text) in phones.iter().zip(texts) {
        let reply = phone.reply().await.text;
        let expected = if text == "pass" { "Sorry, RapidSMS could not understand your message." } else { text };
        assert_eq!(reply, expected);
    }
    stage.settle().await;
    for (phone, text) in phones.iter().zip(texts) {
        assert_eq!(phone.inbox().await.len(), 1, "{text}");
        let ids = application.ids(&phone.number);
        assert!(ids.iter().all(|id| *id == ids[0]), "a question keeps its id: {ids:?}");
        assert!((text == "pass") == (ids.len() == 1), "{text}: {ids:?}");
    }
}

async fn nonsense_and_redirects_end_as_dead_letters_and_nothing_is_followed(bus: Bus) {
    let mut application = Application::new();
    application.start().await;
    let mut stage = setup(bus, &application.url()).with_console().start().await;
    let phones = stage.phones(4);
    for (phone, text) in phones.iter().zip(["nonsense", "leave", "refuse", "say fine"]) {
        phone.text(text).await;
    }
    assert_eq!(phones[3].reply().await.text, "fine");
    let config = stage.sender_config().display().to_string();
    let letters = until("three letters are dead", async || {
        let listed = tropomq(stage.home(), &["dead", "--config", &config, "list", "--json"]).await;
        check(&listed, 0, &[]);
        Some(out(&listed)).filter(|listed| listed.lines().count() == 3)
    })
    .await;
    for told in ["survey", "not JSON", "a redirect to an IP address", "answered 403"] {
        assert!(letters.contains(told), "{told} is not in: {letters}");
    }
    assert_eq!(application.led_inside(), 0, "nobody went where the redirect leads");
    stage.settle_with_dead(3).await;
    for phone in &phones[..3] {
        phone.assert_has(&[]).await;
    }
}

async fn what_happened_to_a_text_is_told(bus: Bus) {
    let mut application = Application::new();
    application.start().await;
    let mut stage = setup(bus, &application.url()).with_console().start().await;
    let (config, home) = (stage.sender_config().display().to_string(), stage.home().to_owned());
    let (console, phone) = (stage.console_url(), stage.phone(0));
    let explain = async |words: &[&str]| tropomq(&home, &[&["explain", "--console", &console], words].concat()).await;
    let told = async |id: &str, expected: &str, count: usize| {
        until("it is on record", async || {
            let told = explain(&[id]).await;
            (out(&told).matches(expected).count() == count).then_some(told)
        })
        .await
    };
    until("the console serves", async || {
        let nothing = explain(&["nobody-s-session"]).await;
        let words = String::from_utf8_lossy(&nothing.stderr).into_owned();
        words.contains("nothing is on record").then(|| check(&nothing, 1, &["journal.retention", "a journal runs"]))
    })
    .await;

    let answered = phone.text("echo hello").await;
    let text = EventId::of_webhook(&"story".parse().unwrap(), &answered.parse().unwrap(), Kind::MessageReceived, "");
    let message = text.derive(Kind::MessageSend, 0);
    phone.reply().await;
    for id in [answered.clone(), text.to_string(), message.to_string(), phone.number.clone()] {
        let told = told(&id, "WORKED: ", 1).await;
        check(
            &told,
            0,
            &[&answered, "It worked", "1. Did Tropo get the text?", "5. Did Tropo send", "handle    echo ", "took"],
        );
        assert!(!out(&told).contains("survey") && !out(&told).contains("hello"), "{}", out(&told));
    }
    let whole: Value = serde_json::from_str(&out(&explain(&[&answered, "--json"]).await)).unwrap();
    assert_eq!((&whole["about"]["id"], &whole["outcome"]), (&json!(text), &json!("worked")));

    let given_up = stage.phone(1).text("nonsense").await;
    let words = ["FAILED: survey failed", "handle    echo ", "passed", "handle    survey ", "not JSON", "dead replay"];
    check(&told(&given_up, "message.routed", 1).await, 0, &words);
    stage.settle_with_dead(1).await;
    check(&tropomq(&home, &["dead", "replay", "--all", "--config", &config]).await, 0, &["1 replayed"]);
    check(&told(&given_up, "message.routed", 2).await, 0, &words);
    stage.settle_with_dead(if bus == Bus::Embedded { 2 } else { 1 }).await;
}

async fn a_poison_text_is_given_up_and_holds_up_its_sender_alone(bus: Bus) {
    let mut application = Application::new();
    application.start().await;
    let stage = setup(bus, &application.url()).with("router.http.survey.give_up_after", "4s").start().await;
    let (poisoner, other) = (stage.phone(0), stage.phone(1));
    poisoner.text("poison").await;
    poisoner.text("say it goes on").await;
    other.text("say fine").await;
    assert_eq!(other.reply().await.text, "fine");
    assert_eq!(poisoner.reply().await.text, "it goes on");
    let asked = application.answered(&poisoner.number);
    assert_eq!(asked.last().map(String::as_str), Some("say it goes on"), "not before the poison was given up");
    stage.settle_with_dead(1).await;
    poisoner.assert_has(&["it goes on"]).await;
}

async fn a_router_that_dies_while_it_asks_texts_nobody_twice(bus: Bus) {
    let mut application = Application::new();
    application.start().await;
    let mut stage = setup(bus, &application.url()).simulator_apart().start().await;
    let phone = stage.phone(0);
    phone.text("hold").await;
    until("it is asked", async || (!application.ids(&phone.number).is_empty()).then_some(())).await;
    let router = if bus == Bus::Embedded { stage.sender() } else { stage.service("router-0") };
    router.kill();
    application.let_go();
    router.start();
    router.ready().await;
    assert_eq!(phone.reply().await.text, "hold");
    stage.settle().await;
    phone.assert_has(&["hold"]).await;
    let ids = application.ids(&phone.number);
    assert!(1 < ids.len() && ids.iter().all(|id| *id == ids[0]), "it was asked the same again: {ids:?}");
}

async fn an_application_texts_later_by_itself(bus: Bus) {
    let mut application = Application::new();
    application.start().await;
    let stage = setup(bus, &application.url()).start().await;
    let phone = stage.phone(0);
    phone.text("later").await;
    let text = until("it is asked", async || application.ids(&phone.number).pop()).await;
    let text = text.split('_').next().unwrap();
    let body = json!({ "backend": "story", "to": phone.number, "text": "now", "in_reply_to": text, "id": text });
    let ask = async |secret: &str| {
        let request = client().post(stage.messages_url("survey")).bearer_auth(secret).json(&body);
        request.send().await.unwrap().status()
    };
    assert_eq!(ask("whsec_of_somebody_else").await, StatusCode::UNAUTHORIZED);
    assert_eq!(ask(SECRET).await, StatusCode::ACCEPTED);
    assert_eq!(phone.reply().await.text, "now");
    assert_eq!(ask(SECRET).await, StatusCode::ACCEPTED, "the same again");
    stage.settle().await;
    phone.assert_has(&["now"]).await;
}

/// Two routers ask it, and each person's texts still come one after the other.
#[tokio::test]
async fn two_routers_ask_one_application() {
    let mut application = Application::new();
    application.start().await;
    let stage = setup(Bus::RabbitMq, &application.url()).replicas(2).start().await;
    let phones = stage.phones(30);
    text_in_rounds(&stage, &phones, 4).await;
    for phone in &phones {
        phone.received(4).await;
    }
    stage.settle().await;
    for phone in &phones {
        phone.assert_has(&["1", "2", "3", "4"]).await;
        assert_eq!(application.answered(&phone.number), ["say 1", "say 2", "say 3", "say 4"], "in order");
    }
}

async fn the_example_of_the_documentation_answers(bus: Bus) {
    let example = application::Example::start().await;
    let stage: Stage = setup(bus, &example.url()).start().await;
    let phones = stage.phones(2);
    phones[0].text("join Maria").await;
    phones[1].text("something else").await;
    assert_eq!(phones[0].reply().await.text, "Welcome, Maria!");
    assert_eq!(phones[1].reply().await.text, "Sorry, RapidSMS could not understand your message.");
    let forged = client().post(example.url()).header("webhook-id", "1").header("webhook-timestamp", "1");
    let forged = forged.header("webhook-signature", "v1,AAAA").body("{}").send().await.unwrap();
    assert_eq!(forged.status(), StatusCode::UNAUTHORIZED);
    stage.settle().await;
}
