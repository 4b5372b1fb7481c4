//! An application written with npm's tropo-webapi.

use crate::stage::{Application, NUMBER, Stage};

const PIZZA: Application = Application {
    folder: "node",
    before: &[],
    command: &["node", "--require", "./elsewhere.js", "pizza.js"],
    path: "/",
};

/// Samples that are published with the library.
const USE_SESSION: Application = Application {
    command: &["node", "--require", "./listen.js", "--eval", "require('tropo-webapi/samples/use-session')"],
    ..PIZZA
};
const USE_RESULT: Application = Application {
    command: &["node", "--require", "./listen.js", "--eval", "require('tropo-webapi/samples/use-result')"],
    ..PIZZA
};

#[tokio::test]
async fn what_it_says_comes_in_any_language() {
    let stage = Stage::set(PIZZA).await;
    stage.exchange("menu", "Margherita 8 €, Quattro Stagioni 11 €. Buon appetito! 🍕").await;
    stage.exchange("¿qué?", "Text MENU, ORDER, GIFT and a phone, or STOP.").await;
}

#[tokio::test]
async fn it_hangs_up_without_a_word() {
    let stage = Stage::set(PIZZA).await;
    let session = stage.phone.text("stop").await;
    assert_eq!(stage.ended(&session).await, "hung_up");
    stage.phone.assert_has(&[]).await;
}

#[tokio::test]
async fn a_third_phone_is_texted_and_the_first_is_answered() {
    let stage = Stage::set(PIZZA).await;
    let (session, _) = stage.exchange("gift +15555550188", "Your friend will be pleased.").await;
    let message = stage.phone("+15555550188").reply().await;
    let words = "You have won a pizza from 15555550177 — piping hot!";
    assert_eq!((message.text.as_str(), message.from.as_str()), (words, NUMBER));
    assert_eq!(message.session_id, session);
}

#[tokio::test]
async fn the_session_client_of_the_library_launches_and_the_application_is_called_back() {
    let stage = Stage::set(PIZZA).await;
    assert_eq!(stage.visit("/ready?phone=%2B15555550188").await, "launched: 200");
    let message = stage.phone("+15555550188").reply().await;
    assert_eq!(message.text, "Your pizza is ready; it is hot!");
    assert_eq!(stage.tropo.launched().await, [message.session_id]);
}

#[tokio::test]
async fn a_question_is_put_again_until_the_answer_fits() {
    let stage = Stage::set(PIZZA).await;
    let session = stage.phone.text("order").await;
    stage.hears("How many pizzas?").await;
    for (answer, questions) in [
        ("a dozen", &["One digit, please.", "How many pizzas?"][..]),
        ("2", &["2 pizzas: small or large?"]),
        ("Grande", &["2 × large (Grande): they are in the oven."]),
    ] {
        assert_eq!(stage.phone.text(answer).await, session);
        for question in questions {
            stage.hears(question).await;
        }
    }
    // The last action waits, for a minute if nothing comes.
    assert_eq!(stage.visit("/done").await, "signalled: 1");
    stage.hears("Your pizzas are on their way!").await;
    assert_eq!(stage.ended(&session).await, "finished");

    let results: Vec<_> = stage.tropo.posts(&session).await.into_iter().skip(1).collect();
    let actions: Vec<_> = results.iter().map(|post| &post.body["result"]["actions"]).collect();
    assert_eq!(actions.len(), 3);
    assert_eq!((&actions[0]["name"], &actions[0]["attempts"]), (&"count".into(), &3.into()));
    assert_eq!((&actions[1]["value"], &actions[1]["interpretation"]), (&"large".into(), &"grande".into()));
    assert_eq!(actions[2]["disposition"], "EXTERNAL_EVENT");
}

#[tokio::test]
async fn a_question_that_nothing_answers_leads_elsewhere() {
    let stage = Stage::set(PIZZA).await;
    let session = stage.phone.text("order").await;
    stage.hears("How many pizzas?").await;
    stage.phone.text("9").await;
    stage.hears("9 pizzas: small or large?").await;
    stage.phone.text("¡Enorme!").await;
    stage.hears("We did not understand you (NOMATCH). Text ORDER to try again.").await;
    assert_eq!(stage.ended(&session).await, "finished");
}

#[tokio::test]
async fn samples_of_the_library_run_as_they_are_published() {
    let stage = Stage::set(USE_SESSION).await;
    stage.exchange("hello", "Your user type is, HUMAN").await;
    stage.hears("Goodbye.").await;

    let (stage, question) = (Stage::set(USE_RESULT).await, "Please enter a number one through 5.");
    stage.exchange("hello", question).await;
    // It lets no text that came before answer without the question, and "hello" is no number.
    stage.hears(question).await;
    stage.exchange("3", "Your selection was, 3. Goodbye.").await;
}
