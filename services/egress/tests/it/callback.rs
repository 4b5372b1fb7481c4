//! Who gets the document, and who does not.

use axum::http::StatusCode;
use protocol::MessageReleased;
use tropo::document::{Action, Document};
use tropo::ticket::{Key, Keyring};

use crate::stage::{HANGUP, Reply, SECRET, Stage, call_back, only, post, post_to, post_within, session};

#[tokio::test]
async fn one_session_gets_the_document_as_often_as_it_asks_and_no_other_does() {
    let stage = Stage::new(Reply::created()).await;
    let ticket = stage.keyring.seal(&stage.ticket(&stage.command()));
    let (status, first) = post(&stage, "my-backend", call_back("session-b", &ticket)).await;
    assert_eq!(status, StatusCode::OK);
    let document = Document::read(first.as_bytes(), Some("utf-8")).unwrap();
    let Some(Action::Message(message)) = document.actions.first() else { panic!("{document:?}") };
    assert_eq!(message.to.first().unwrap(), "+15555550177");
    assert_eq!(message.from.as_deref(), Some("+15555550100"));
    let handlers: Vec<_> = document.handlers().collect();
    assert_eq!(handlers.len(), 3);
    assert!(handlers.iter().all(|on| on.next.as_ref().unwrap().starts_with("my-backend?secret=s&receipt=")));

    let (status, again) = post(&stage, "my-backend", call_back("session-b", &ticket)).await;
    assert_eq!((status, again), (StatusCode::OK, first), "the same session gets the same document");
    let (status, other) = post(&stage, "my-backend", call_back("session-c", &ticket)).await;
    assert_eq!((status, other.as_str()), (StatusCode::OK, HANGUP));
}

#[tokio::test]
async fn a_session_whose_answer_would_come_too_late_does_not_get_the_message() {
    let stage = Stage::new(Reply::created()).await;
    let ticket = stage.keyring.seal(&stage.ticket(&stage.command()));
    let (status, told) = post_within(0, stage.egress.callbacks(), "my-backend", call_back("late", &ticket)).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{told}");
    let (status, document) = post(&stage, "my-backend", call_back("in-time", &ticket)).await;
    assert_eq!(status, StatusCode::OK);
    assert!(document.contains("15555550177"), "{document}");
}

#[tokio::test]
async fn a_call_back_before_the_create_reply_releases_the_message() {
    let stage = Stage::new(Reply::With(500, vec![], "the reply that comes too late to matter")).await;
    let (routes, runtime) = (stage.egress.callbacks(), tokio::runtime::Handle::current());
    stage.before_reply(move |ticket| {
        let posted = post_to(routes.clone(), "my-backend", call_back("session-early", &ticket));
        assert_eq!(runtime.block_on(posted).0, StatusCode::OK);
    });
    let (result, _) = stage.handle(&stage.lane(), stage.command()).await;
    let released = only::<MessageReleased>(&result.unwrap());
    assert_eq!(released.data.session_id, session("session-early"));
    assert_eq!(released.head.correlation_id, Some(session("session-a")));
}

#[track_caller]
fn check_refused(answer: &(StatusCode, String), status: StatusCode) {
    assert_eq!(answer.0, status, "{}", answer.1);
    for disclosed in ["15555550177", "Balance", "tropo\"", "expired", "key"] {
        assert!(!answer.1.contains(disclosed), "{} discloses {disclosed}", answer.1);
    }
}

#[tokio::test]
async fn forged_expired_and_strange_call_backs_get_nothing_and_learn_nothing() {
    let stage = Stage::new(Reply::created()).await;
    let good = stage.ticket(&stage.command());
    let forger = Keyring::new(vec![Key::new("k", &[SECRET, b"!"].concat()).unwrap()]).unwrap();
    let mut expired = good.clone();
    expired.expires_at = stage.environment.now();
    let mut other = good.clone();
    other.backend = "other".parse().unwrap();
    for ticket in [forger.seal(&good), stage.keyring.seal(&expired), stage.keyring.seal(&other), "x".to_owned()] {
        check_refused(&post(&stage, "my-backend", call_back("s", &ticket)).await, StatusCode::FORBIDDEN);
    }
    let sealed = stage.keyring.seal(&good);
    check_refused(&post(&stage, "unknown", call_back("s", &sealed)).await, StatusCode::NOT_FOUND);
    check_refused(&post(&stage, "my-backend", b"{".to_vec()).await, StatusCode::BAD_REQUEST);
    let inbound = br#"{"session":{"id":"s","from":{"id":"1555"},"userType":"HUMAN"}}"#;
    check_refused(&post(&stage, "my-backend", inbound.to_vec()).await, StatusCode::BAD_REQUEST);
    assert_eq!(stage.ledger.count().await.unwrap(), 0, "nothing was claimed");
}
