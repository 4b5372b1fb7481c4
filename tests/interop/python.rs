//! An application written with PyPI's ciscotropo-webapi-python.

use crate::stage::{Application, NUMBER, Stage};

const BUS: Application = Application { folder: "python", before: &[], command: &["python", "bus.py"], path: "/" };

#[tokio::test]
async fn what_it_says_comes_in_order_and_in_any_language() {
    let stage = Stage::set(BUS).await;
    stage.exchange("lines", "7: Hafen – Tiergärten").await;
    stage.hears("12: Münsterplatz – 大学").await;
}

#[tokio::test]
async fn a_document_that_goes_on_is_followed_by_the_next() {
    let stage = Stage::set(BUS).await;
    let (session, _) = stage.exchange("delays", "One moment, please.").await;
    stage.hears("Line 7 is on time (ANSWERED, document 1).").await;
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

#[tokio::test]
async fn several_questions_are_answered_in_one_document() {
    let stage = Stage::set(BUS).await;
    let (session, _) = stage.exchange("next", "From which stop? Text its 4 digits.").await;
    for (answer, reply) in [
        ("the zoo", "From which stop? Text its 4 digits."),
        ("47 11", "Morning or evening?"),
        ("LATE", "Your 'next' from stop 4711 in the evening (late): line 7."),
    ] {
        assert_eq!(stage.exchange(answer, reply).await, (session.clone(), session.clone()));
    }
    assert_eq!(stage.ended(&session).await, "finished");
    assert_eq!(stage.tropo.posts(&session).await.len(), 2);
    // The conversation is over: the next text begins another.
    assert_ne!(stage.exchange("bye", "Good bye!").await.0, session);
}

#[tokio::test]
async fn answers_that_fit_nothing_end_the_questions() {
    let stage = Stage::set(BUS).await;
    stage.exchange("next", "From which stop? Text its 4 digits.").await;
    stage.exchange("123", "From which stop? Text its 4 digits.").await;
    stage.exchange("12345", "That is no stop (NOMATCH, attempt 2).").await;
}

#[tokio::test]
async fn a_phone_that_hangs_up_is_reported() {
    let stage = Stage::set(BUS).await;
    let (session, _) = stage.exchange("next", "From which stop? Text its 4 digits.").await;
    stage.hang_up().await;
    assert_eq!(stage.ended(&session).await, "hung_up");
    let posts = stage.tropo.posts(&session).await;
    assert_eq!(posts[1].url, format!("{}gone", stage.webhook()));
    assert_eq!(posts[1].body["result"]["state"], "DISCONNECTED");
    // Which the library could read.
    assert!(stage.told(&session).await.iter().any(|line| line.ends_with(r#"{"tropo": []}"#)));
}

#[tokio::test]
async fn a_signal_that_is_allowed_interrupts_a_wait() {
    let stage = Stage::set(BUS).await;
    let (session, _) = stage.exchange("alarm", "You hear of us when line 7 comes.").await;
    for signal in ["early", "comes"] {
        let reply = stage.signal(&session, signal).await;
        assert!(reply.contains("<status>QUEUED</status>"), "{reply}");
    }
    stage.hears("Line 7: EXTERNAL_EVENT").await;
    assert_eq!(stage.ended(&session).await, "finished");
    let posts = stage.tropo.posts(&session).await;
    assert_eq!(posts[1].url, format!("{}alarm?comes", stage.webhook()));
    assert!(stage.signal(&session, "late").await.contains("NOTFOUND"));
}
