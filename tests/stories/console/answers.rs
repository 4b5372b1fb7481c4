//! The five answers: for a text that worked, and for each way in which one can fail.

use serde_json::{Value, json};

use super::window::{DESK, Window, assert_content, get, text, texts, value, wait};
use crate::command_line::check;
use crate::stage::{Bus, DEADLINE, Setup, Stage, tropomq, until};

on_both_buses! {
    each_failure_has_its_own_answers_and_says_what_to_do
}

/// A text, and what is to be said of it.
struct Case {
    /// The session that carried it.
    session: String,
    outcome: &'static str,
    /// The answers, in the order of the questions.
    answers: [&'static str; 5],
    /// What is wrong.
    cause: Option<&'static str>,
}

const WORKED: [&str; 5] = ["yes"; 5];
const NOT_ANSWERED: [&str; 5] = ["yes", "yes", "no", "no", "no"];
const NOT_CREATED: [&str; 5] = ["yes", "yes", "yes", "no", "no"];
/// It was put straight into the bus: Tropo had no part in the text.
const NOT_SENT: [&str; 5] = ["not_known", "not_known", "yes", "yes", "no"];

/// What the API says, once it is what is to be said.
async fn explained(stage: &Stage, case: &Case) -> Value {
    let Case { session, outcome, answers, cause } = case;
    let (mut last, expected) = (Value::Null, json!([outcome, cause, answers]));
    let started = std::time::Instant::now();
    until("the answers are in", async || {
        let explanation = get(stage, &format!("/v1/messages/{session}/explanation")).await;
        let answers: Vec<&Value> =
            explanation["questions"].as_array().unwrap().iter().map(|question| &question["answer"]).collect();
        last = json!([explanation["outcome"], explanation["advice"]["cause"], answers]);
        // Said before the wait is over, for whoever looks into a failure.
        assert!(last == expected || started.elapsed() < DEADLINE / 2, "{last} and not {expected}: {explanation:#}");
        (last == expected).then_some(explanation)
    })
    .await
}

async fn each_failure_has_its_own_answers_and_says_what_to_do(bus: Bus) {
    let mut stage = Setup::new(bus)
        .with_console()
        .with("router.applications", vec!["subscription", "survey", "echo", "default"])
        // Nobody listens there.
        .with("router.http.survey.url", "http://127.0.0.1:9/")
        .with("router.http.survey.secret", "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw")
        .with("router.http.survey.words", vec!["survey"])
        .with("router.http.survey.allow_private", true)
        .with("router.http.survey.give_up_after", "1s")
        // A number that is not of the application.
        .with("backends.other.number", "+1-555-555-0198")
        .with("egress.callback_timeout", "400ms")
        .with("egress.result_timeout", "1s")
        .start()
        .await;
    let phones = stage.phones(8);
    let mut cases = Vec::new();
    let mut told = |session, outcome, answers, cause| cases.push(Case { session, outcome, answers, cause });

    told(phones[0].text("echo it works").await, "worked", WORKED, None);
    told(phones[1].text("survey").await, "failed", NOT_ANSWERED, Some("application_failed"));
    let texted = text(&stage, "other", &phones[2].number, "echo from a number of nobody").await;
    told(texted, "failed", NOT_SENT, Some("not_handed_over"));
    phones[3].text("stop").await;
    phones[3].reply().await;
    told(phones[3].text("echo not wanted").await, "intended", NOT_CREATED, Some("opted_out"));
    phones[0].reply().await;
    for case in &cases {
        explained(&stage, case).await;
    }

    // Tropo on bad days, one after the other.
    stage.tropo.turn(json!({ "bad_token": "401", "create_status": 401 })).await;
    let refused = Case {
        session: phones[4].text("echo refused").await,
        outcome: "failed",
        answers: NOT_CREATED,
        cause: Some("token_refused"),
    };
    explained(&stage, &refused).await;
    stage.tropo.turn(json!({ "results": false })).await;
    let without_result = Case {
        session: phones[5].text("echo no result").await,
        outcome: "worked",
        answers: WORKED,
        cause: Some("no_result"),
    };
    explained(&stage, &without_result).await;
    stage.tropo.turn(json!({ "dropped_callbacks": 1.0 })).await;
    let session = phones[6].text("echo never called back").await;
    let answers = ["yes", "yes", "yes", "not_known", "not_known"];
    let not_called_back = Case { session, outcome: "under_way", answers, cause: Some("never_called_back") };
    explained(&stage, &not_called_back).await;

    // Each has its page, with the same answers; nothing is asked for that cannot be had.
    let mut window = Window::of(&stage);
    for case in cases.iter().chain([&refused, &without_result, &not_called_back]) {
        let explanation = explained(&stage, case).await;
        let mut page = window.open(&format!("/messages/{}", case.session), DESK);
        let shown = case.answers.map(|answer| if answer == "not_known" { "not known" } else { answer });
        let badges: Vec<String> = texts(&mut page, "#questions + ol h3 .badge");
        let badges: Vec<&str> = badges.iter().map(|badge| badge.split_once(' ').unwrap().1).collect();
        assert_eq!(badges, shown, "{}", case.session);
        let verdict = explanation["verdict"].as_str().unwrap();
        // Of what is under way it says for how long.
        if case.outcome != "under_way" {
            wait(&mut page, &format!("document.querySelector('main').textContent.includes({})", Value::from(verdict)));
        }
        let steps = texts(&mut page, "#to-do + ol li");
        let to_do: Vec<String> = serde_json::from_value(explanation["advice"]["to_do"].clone()).unwrap_or_default();
        let to_do: Vec<String> = to_do.iter().map(|step| step.replace('`', "")).collect();
        assert_eq!(steps, to_do, "{}", case.session);
        // Every yes has something that it rests on.
        let rests = "[...document.querySelectorAll('#questions + ol > li')].filter((li) => li.querySelector('.badge.good')).every((li) => li.querySelector('details li'))";
        assert_eq!(value(&mut page, rests), true, "{}", case.session);
        assert_content(&mut page);
    }

    // The command line says the same.
    let (home, config) = (stage.home().to_owned(), stage.sender_config().display().to_string());
    let explain = async |session: &str| tropomq(&home, &["explain", "--config", &config, session]).await;
    check(&explain(&cases[0].session).await, 0, &["Did Tropo send the message?", "It worked"]);
    check(&explain(&refused.session).await, 0, &["Did we call Tropo back?", "messaging_token"]);

    // What was under way goes on, and its page tells it without being loaded again.
    let mut page = window.open(&format!("/messages/{}", not_called_back.session), DESK);
    value(&mut page, "window.stays = true");
    stage.tropo.behave().await;
    phones[6].reply().await;
    wait(&mut page, "document.querySelectorAll('#questions + ol h3 .badge.good').length === 5");
    assert_eq!(value(&mut page, "window.stays"), true);
    assert_content(&mut page);
}
