//! A RapidSMS project as an application of the router: its settings changed as `tropomq migrate rapidsms` tells, its own
//! applications untouched.

use crate::stage::{Migrated, until};

const SORRY: &str = "Sorry, RapidSMS could not understand your message.";
const PHONE: &str = "+15555550177";

/// RapidSMS's own applications answer: `echo`, `ping` and, to anything else, `default`.
async fn check_conversation(format: &'static str) {
    let mut stage = Migrated::set(format).await;
    stage.start_project().await;
    let phone = stage.phone(PHONE);
    for (count, (text, reply)) in [
        ("echo Grüße 100% & <b>\"日本語\"</b> 🐘", "Grüße 100% & <b>\"日本語\"</b> 🐘"),
        ("ping", "pong"),
        ("qué?", SORRY),
    ]
    .into_iter()
    .enumerate()
    {
        phone.text(text).await;
        let message = phone.received(count + 1).await.swap_remove(count);
        assert_eq!((message.text.as_str(), message.from.as_str()), (reply, "+15555550100"), "{format}");
    }
    until("the account adds up", async || stage.is_balanced().await.then_some(())).await;
}

#[tokio::test]
async fn it_answers_in_the_format_of_vumi() {
    check_conversation("vumi").await;
}

#[tokio::test]
async fn it_answers_in_the_format_of_kannel() {
    check_conversation("kannel").await;
}

#[tokio::test]
async fn it_is_given_texts_in_the_format_of_http_and_answers_in_that_of_vumi() {
    check_conversation("http").await;
}

/// Texts that come while the project is away wait for it.
async fn check_absence(format: &'static str) {
    let mut stage = Migrated::set(format).await;
    let phones = [stage.phone(PHONE), stage.phone("+15555550188")];
    for number in 1..=3 {
        for phone in &phones {
            phone.text(&format!("echo {number}")).await;
        }
    }
    stage.start_project().await;
    for phone in &phones {
        let mut texts: Vec<_> = phone.received(3).await.into_iter().map(|message| message.text).collect();
        texts.sort_unstable();
        assert_eq!(texts, ["1", "2", "3"], "{format}");
    }
    // And when it goes away again.
    stage.kill_project();
    phones[0].text("ping").await;
    stage.start_project().await;
    assert_eq!(phones[0].received(4).await[3].text, "pong");
    phones[1].assert_has(&["1", "2", "3"]).await;
}

#[tokio::test]
async fn a_project_of_the_format_of_vumi_that_was_away_misses_nothing() {
    check_absence("vumi").await;
}

#[tokio::test]
async fn a_project_of_the_format_of_kannel_that_was_away_misses_nothing() {
    check_absence("kannel").await;
}

/// A text that was replied to was answered, whether the project's own answer comes or not.
async fn check_lost_answer(format: &'static str) {
    let mut stage = Migrated::behind_front(format).await;
    stage.start_project().await;
    let phone = stage.phone(PHONE);
    stage.front().lose(1);
    phone.text("echo once").await;
    // It is given after the one before it, so by then all that there was to come has come.
    phone.text("ping").await;
    phone.received(2).await;
    phone.assert_has(&["once", "pong"]).await;
    assert_eq!(stage.front().passed(), 2, "{format}");
}

#[tokio::test]
async fn a_text_that_was_replied_to_is_not_given_again_in_the_format_of_vumi() {
    check_lost_answer("vumi").await;
}

#[tokio::test]
async fn a_text_that_was_replied_to_is_not_given_again_in_the_format_of_kannel() {
    check_lost_answer("kannel").await;
}
