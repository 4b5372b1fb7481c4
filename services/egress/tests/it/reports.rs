//! What sessions and carriers report.

use protocol::{
    DeliveryReported, Envelope, EventId, FailureReason, Kind, MessageDelivered, MessageFailed, MessageSent,
    ResultHandler, SessionResult,
};
use store::Claim;

use crate::stage::{Reply, Stage, backend, only, session};

async fn released() -> Stage {
    let stage = Stage::new(Reply::created()).await;
    let command = stage.command();
    let claim = Claim {
        message_id: command.head.id,
        session_id: session("session-b"),
        backend: backend(),
        to: command.data.to,
        correlation_id: command.head.correlation_id,
        attempt: 1,
        command: None,
        at: stage.environment.now(),
        until: None,
    };
    stage.ledger.claim(claim).await.unwrap();
    stage
}

fn result(stage: &Stage, handler: ResultHandler, holder: &str) -> Envelope<SessionResult> {
    let data = SessionResult {
        message_id: stage.command().head.id,
        session_id: session(holder),
        handler,
        state: Some("ANSWERED".to_owned()),
        error: None,
    };
    let id = EventId::of_webhook(&backend(), &session(holder), Kind::SessionResult, handler.as_str());
    Envelope::of_webhook(id, backend(), session("session-a"), stage.environment.now(), data)
}

#[tokio::test]
async fn a_result_ends_the_message_once_and_is_told_again_after_a_crash() {
    let stage = released().await;
    let handle = async |handler, holder: &str| {
        stage.handle(&stage.egress.results(), result(&stage, handler, holder)).await.0.unwrap()
    };
    let first = only::<MessageSent>(&handle(ResultHandler::Continue, "session-b").await);
    let second = only::<MessageSent>(&handle(ResultHandler::Continue, "session-b").await);
    assert_eq!(first.head.id, second.head.id);
    assert_eq!(first.head.correlation_id, Some(session("session-a")));
    let stranger = handle(ResultHandler::Continue, "session-z").await;
    assert_eq!(stranger.len(), 0, "a session that does not hold the message says nothing of it");
}

#[tokio::test]
async fn an_incomplete_session_is_a_failed_message() {
    for (handler, reason) in
        [(ResultHandler::Incomplete, FailureReason::Incomplete), (ResultHandler::Error, FailureReason::SessionError)]
    {
        let stage = released().await;
        let outgoing = stage.handle(&stage.egress.results(), result(&stage, handler, "session-b")).await.0.unwrap();
        assert_eq!(only::<MessageFailed>(&outgoing).data.reason, reason);
    }
}

fn report(stage: &Stage, holder: &str, status: &str) -> Envelope<DeliveryReported> {
    let data = DeliveryReported { session_id: session(holder), status: status.to_owned() };
    let id = EventId::of_webhook(&backend(), &session(holder), Kind::DeliveryReported, status);
    Envelope::of_webhook(id, backend(), session(holder), stage.environment.now(), data)
}

#[tokio::test]
async fn a_delivery_report_joins_the_conversation_of_its_message() {
    let stage = released().await;
    let handle = async |holder: &str, status: &str| {
        stage.handle(&stage.egress.reports(), report(&stage, holder, status)).await.0.unwrap()
    };
    assert_eq!(handle("session-z", "accepted").await.len(), 0, "not ours");
    assert_eq!(handle("session-b", "buffered").await.len(), 0, "not final");
    let delivered = only::<MessageDelivered>(&handle("session-b", "Accepted").await);
    assert_eq!(delivered.head.correlation_id, Some(session("session-a")));
    assert_eq!(delivered.data.message_id, stage.command().head.id);
    assert_eq!(handle("session-b", "failed").await.len(), 0, "a final word stays");
    let stage = released().await;
    let failed = stage.handle(&stage.egress.reports(), report(&stage, "session-b", "UNDELIVERABLE")).await.0.unwrap();
    assert_eq!(only::<MessageFailed>(&failed).data.reason, FailureReason::Undelivered);
}
