//! What each webhook becomes on the bus.

use futures::future::join_all;
use protocol::topology::QueueName;
use protocol::{Kind, ResultHandler, Timestamp, forward};
use reqwest::StatusCode;
use tropo::session::{Session, UserType};
use tropo::ticket::{Key, Keyring, Receipt, Ticket};

use crate::stage::{DOCUMENT, Stage, later, text};

#[tokio::test]
async fn a_text_becomes_one_event_with_canonical_numbers() {
    let stage = Stage::new().await;
    assert_eq!(stage.post("/tropo/open", text("session-a")).await.status(), StatusCode::OK);
    let events = stage.texts("open").await;
    let [(event, delivery)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(event.data["from"], "+15555550177");
    assert_eq!(event.data["to"], "+15555550100");
    assert_eq!(event.data["text"], "BAL 4711 ✓");
    assert_eq!(delivery.properties.correlation_id.as_deref(), Some("session-a"));
    assert_eq!(delivery.properties.message_type.as_deref(), Some("message.received.v1"));
    assert_eq!(delivery.properties.app_id.as_deref(), Some("ingress"));
    assert_eq!(delivery.properties.message_id, Some(event.head.id.to_string()));
    assert_eq!(delivery.routing_key, "message.received.open.02");
}

#[tokio::test]
async fn the_same_session_delivered_often_and_at_once_is_one_event() {
    let stage = Stage::new().await;
    let answers = join_all((0..20).map(|_| stage.post("/tropo/open", text("session-a")))).await;
    assert!(answers.iter().all(|answer| answer.status() == StatusCode::OK));
    assert_eq!(stage.post("/tropo/open", text("session-a")).await.status(), StatusCode::OK);
    assert_eq!(stage.texts("open").await.len(), 1);
}

#[tokio::test]
async fn calls_and_foreign_launches_are_answered_politely_and_recorded() {
    let stage = Stage::new().await;
    let call = text("call").replace("TEXT", "VOICE").replace("SMS", "SIP").replace("\"BAL 4711 ✓\"", "null");
    let foreign = r#"{"session":{"id":"foreign","userType":"NONE","parameters":{"program":"x"}}}"#.to_owned();
    for (body, reason) in [(call, "not_text"), (foreign, "foreign_launch")] {
        let answer = stage.post("/tropo/open", body).await;
        assert_eq!(answer.status(), StatusCode::OK);
        assert!(answer.text().await.unwrap().contains("hangup"));
        let (event, _) = stage.events(&QueueName::journal()).await.pop().unwrap();
        assert_eq!((event.head.event_type.kind, event.data["reason"].as_str()), (Kind::SessionIgnored, Some(reason)));
    }
    assert_eq!(stage.texts("open").await.len(), 0);
}

fn call_back(ticket: &str) -> Vec<u8> {
    let mut session = Session::new("session-b".parse().unwrap(), UserType::None);
    session.parameters.insert(Ticket::PARAMETER.to_owned(), ticket.to_owned());
    session.to_body()
}

#[tokio::test]
async fn a_call_back_is_forwarded_whole_and_its_answer_handed_back() {
    let stage = Stage::new().await;
    let body = call_back(&stage.keyring.seal(&stage.ticket(later())));
    let answer = stage.post("/tropo/open?a=b", body.clone()).await;
    assert_eq!(answer.status(), StatusCode::OK);
    assert_eq!(answer.text().await.unwrap(), DOCUMENT);
    let forwarded = stage.egress.forwarded.lock().unwrap().clone();
    let [(headers, sent)] = forwarded.as_slice() else { panic!("{}", forwarded.len()) };
    assert_eq!(headers[forward::REPLY_TO], "open?a=b");
    assert!(headers[forward::WAIT].to_str().unwrap().parse::<u64>().unwrap() > 0);
    assert_eq!(sent, &body);
}

#[tokio::test]
async fn forged_and_expired_tickets_end_at_the_door() {
    let stage = Stage::new().await;
    let forger = Keyring::new(vec![Key::new("k", b"another secret of thirty-two, no").unwrap()]).unwrap();
    let expired = stage.keyring.seal(&stage.ticket(Timestamp::UNIX_EPOCH));
    let mut other = stage.ticket(later());
    other.backend = "guarded".parse().unwrap();
    for ticket in [forger.seal(&stage.ticket(later())), expired, stage.keyring.seal(&other), String::new()] {
        let answer = stage.post("/tropo/open", call_back(&ticket)).await;
        assert_eq!(answer.status(), StatusCode::FORBIDDEN);
        assert_eq!(answer.text().await.unwrap(), r#"{"error":"ticket refused"}"#);
    }
    assert_eq!(stage.egress.forwarded.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_result_joins_its_conversation_by_its_receipt() {
    let stage = Stage::new().await;
    let ticket = stage.ticket(later());
    let receipt = Receipt {
        message_id: ticket.message_id,
        backend: ticket.backend,
        correlation_id: ticket.correlation_id,
        handler: ResultHandler::Continue,
        trace: None,
        expires_at: ticket.expires_at,
    };
    let sealed = stage.keyring.seal(&receipt);
    let body = r#"{"result":{"sessionId":"session-b","callId":null,"state":"ANSWERED","sessionDuration":1,
        "sequence":1,"complete":true,"error":null}}"#;
    let answer = stage.post(&format!("/tropo/open?receipt={sealed}"), body).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let events = stage.events(&QueueName::results()).await;
    let [(event, delivery)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(delivery.properties.correlation_id.as_deref(), Some("session-a"));
    assert_eq!(event.data["session_id"], "session-b");
    assert_eq!((event.data["handler"].as_str(), event.data["state"].as_str()), (Some("continue"), Some("ANSWERED")));
    let forged = format!("/tropo/open?receipt={sealed}x");
    assert_eq!(stage.post(&forged, body).await.status(), StatusCode::FORBIDDEN);
    let other = format!("/tropo/elsewhere?receipt={sealed}");
    assert_eq!(stage.post(&other, body).await.status(), StatusCode::FORBIDDEN);
}

#[tokio::test]
async fn a_delivery_report_is_taken() {
    let stage = Stage::new().await;
    let answer = stage.post("/tropo/open", r#"{"sessionId":"session-b","status":"accepted"}"#).await;
    assert_eq!(answer.status(), StatusCode::OK);
    let events = stage.events(&QueueName::reports()).await;
    let [(event, _)] = events.as_slice() else { panic!("{events:?}") };
    assert_eq!(
        (event.data["session_id"].as_str(), event.data["status"].as_str()),
        (Some("session-b"), Some("accepted"))
    );
}
