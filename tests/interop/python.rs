//! An application written with PyPI's ciscotropo-webapi-python.

use crate::stage::{Application, NUMBER, Stage};

const BUS: Application = Application { folder: "python", before: &[], command: &["python", "bus.py"], path: "/" };

#[tokio::test]
async fn what_it_says_comes_in_order_and_in_any_language() {
    let stage = Stage::set(BUS).await;
    stage.phone.text("lines").await;
    let messages = stage.phone.received(2).await;
    let texts: Vec<&str> = messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["7: Hafen – Tiergärten", "12: Münsterplatz – 大学"]);
}

#[tokio::test]
async fn a_document_that_goes_on_is_followed_by_the_next() {
    let stage = Stage::set(BUS).await;
    let session = stage.phone.text("delays").await;
    let messages = stage.phone.received(2).await;
    let texts: Vec<&str> = messages.iter().map(|message| message.text.as_str()).collect();
    assert_eq!(texts, ["One moment, please.", "Line 7 is on time (ANSWERED, document 1)."]);
    let posts = stage.tropo.posts(&session).await;
    assert_eq!(posts[1].url, format!("{}delays?line=7", stage.webhook()));
}

#[tokio::test]
async fn nothing_is_said_after_a_hangup() {
    let stage = Stage::set(BUS).await;
    let (session, _) = stage.exchange("bye", "Good bye!").await;
    assert_eq!(stage.ended(&session).await, "hung_up");
    stage.phone.assert_has(&["Good bye!"]).await;
}

#[tokio::test]
async fn a_third_phone_is_texted_and_the_first_is_answered() {
    let stage = Stage::set(BUS).await;
    let (session, _) = stage.exchange("share +15555550188", "Shared.").await;
    let message = stage.phone("+15555550188").reply().await;
    assert_eq!((message.text.as_str(), message.from.as_str()), ("15555550177 rides with line 7 ❤", NUMBER));
    assert_eq!(message.session_id, session);
}

#[tokio::test]
async fn it_launches_a_session_and_is_called_back() {
    let stage = Stage::set(BUS).await;
    assert_eq!(stage.visit("/late?phone=%2B15555550188").await, "launched: true");
    let message = stage.phone("+15555550188").reply().await;
    assert_eq!(message.text, "Line 7 & 12 are 5 minutes late – désolé 🚌");
    assert_eq!(stage.tropo.launched().await, [message.session_id]);
}
