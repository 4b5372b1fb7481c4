use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fixtures::{self, any_json};

const KEYS: &[&str] = &[
    "session",
    "result",
    "id",
    "sessionId",
    "callId",
    "accountId",
    "userType",
    "initialText",
    "initialMedia",
    "to",
    "from",
    "headers",
    "parameters",
    "ticket",
    "channel",
    "network",
    "name",
    "e164Id",
    "key",
    "value",
    "actions",
    "state",
    "callState",
    "calledid",
    "calledId",
    "status",
    "properties",
    "sequence",
    "complete",
    "error",
    "disposition",
    "session_id",
    "data",
];

/// What a webhook is: the name of the variant.
fn kind(body: &[u8]) -> Result<&'static str, WebhookError> {
    Webhook::read(body, "ticket").map(|webhook| match webhook {
        Webhook::Result(_) => "result",
        Webhook::CallBack { .. } => "call-back",
        Webhook::Inbound(_) => "inbound",
        Webhook::ForeignLaunch(_) => "foreign",
        Webhook::DeliveryReport(_) => "delivery",
    })
}

#[track_caller]
fn check(body: &Value, expected: Result<&'static str, WebhookError>) {
    assert_eq!(kind(body.to_string().as_bytes()), expected, "{body}");
}

#[test]
fn sessions_of_every_era_are_told_apart() {
    for name in fixtures::names("session") {
        let expected = match name.as_str() {
            "2011-10-launched-foreign" => "foreign",
            launched if launched.contains("launched") => "call-back",
            _ => "inbound",
        };
        assert_eq!(kind(&fixtures::read("session", &name)), Ok(expected), "{name}");
    }
    for name in fixtures::names("result") {
        assert_eq!(kind(&fixtures::read("result", &name)), Ok("result"), "{name}");
    }
}

#[test]
fn our_parameter_counts_before_a_sender_and_a_sender_before_the_user_type() {
    let from = json!({"id": "15555550177"});
    check(&json!({"session": {"id": "s1", "from": from, "parameters": {"ticket": "x"}}}), Ok("call-back"));
    check(&json!({"session": {"id": "s1", "userType": "HUMAN", "parameters": {"ticket": ""}}}), Ok("call-back"));
    check(&json!({"session": {"id": "s1", "from": from, "userType": "NONE", "parameters": {"x": "y"}}}), Ok("inbound"));
    check(&json!({"session": {"id": "s1", "from": from, "parameters": null}}), Ok("inbound"));
    check(&json!({"session": {"id": "s1", "userType": "none", "parameters": {"ticket": null}}}), Ok("foreign"));
    check(&json!({"result": {}, "session": {"id": "s1", "from": from}}), Ok("result"));
}

#[test]
fn what_is_no_webhook_is_refused_for_what_it_lacks() {
    assert_eq!(kind(b""), Err(WebhookError::NotJson));
    assert_eq!(kind(b"{\"session\":"), Err(WebhookError::NotJson));
    assert_eq!(kind("[".repeat(100_000).as_bytes()), Err(WebhookError::NotJson));
    check(&json!([1]), Err(WebhookError::NotAnObject));
    check(&json!({}), Err(WebhookError::Unknown));
    check(&json!({"status": "accepted"}), Err(WebhookError::Unknown));
    check(&json!({"result": null}), Err(WebhookError::ResultNotAnObject));
    check(&json!({"session": "s1"}), Err(WebhookError::SessionNotAnObject));
    check(&json!({"session": {"from": {"id": "1"}}}), Err(WebhookError::SessionWithoutId));
    check(&json!({"session": {"id": " ", "from": {"id": "1"}}}), Err(WebhookError::SessionWithoutId));
    check(&json!({"session": {"id": "s1"}}), Err(WebhookError::SessionOfNobody));
    check(&json!({"session": {"id": "s1", "from": {"id": " "}}}), Err(WebhookError::SessionOfNobody));
    check(&json!({"session": {"id": "s1", "from": "15555550177"}}), Err(WebhookError::SessionOfNobody));
}

#[test]
fn accents_survive_in_either_encoding() {
    let Ok(Webhook::Inbound(session)) = Webhook::read(&fixtures::read("session", "2013-05-sms-latin1"), "ticket")
    else {
        panic!("not inbound");
    };
    assert_eq!(session.initial_text.as_deref(), Some("¿Qué día?"));
}

#[test]
fn delivery_reports_are_found_in_every_spelling() {
    for body in [
        json!({"sessionId": "s1", "callId": "c1", "status": "accepted", "to": "x"}),
        json!({"SessionID": "s1", "call_id": "c1", "deliveryStatus": "accepted"}),
        json!({"event": "smsdlr", "data": {"session_id": "s1", "callID": "c1", "state": "accepted"}}),
        json!({"id": "w1", "payload": {"sessionid": "s1\r\n", "callId": "c1", "status": "accepted", "state": "x"}}),
    ] {
        let Ok(Webhook::DeliveryReport(report)) = Webhook::read(body.to_string().as_bytes(), "ticket") else {
            panic!("{body}");
        };
        assert_eq!(report.session_id.as_str(), "s1", "{body}");
        assert_eq!((report.call_id.as_deref(), report.status.as_str()), (Some("c1"), "accepted"), "{body}");
    }
    check(&json!({"sessionId": "s1", "status": " "}), Err(WebhookError::Unknown));
    check(&json!({"a": {"b": {"sessionId": "s1", "status": "accepted"}}}), Err(WebhookError::Unknown));
}

proptest! {
    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200)) {
        let _ = kind(&body);
    }

    #[test]
    fn whatever_json_is_read_is_written_and_reads_back_the_same(
        session in any_json(KEYS), result in any_json(KEYS), body in any_json(KEYS)
    ) {
        for body in [json!({"session": session}), json!({"result": result}), body] {
            let Ok(webhook) = Webhook::read(body.to_string().as_bytes(), "ticket") else { continue };
            let written = match &webhook {
                Webhook::Result(report) => report.to_body(),
                Webhook::CallBack { session, .. } | Webhook::Inbound(session) | Webhook::ForeignLaunch(session) => {
                    session.to_body()
                }
                Webhook::DeliveryReport(_) => continue,
            };
            prop_assert!(Webhook::read(&written, "ticket").unwrap() == webhook, "{}", String::from_utf8_lossy(&written));
        }
    }

    #[test]
    fn a_session_with_an_id_and_a_sender_is_always_read_and_kept(mut session in any_json(KEYS), id in "[!-~]{1,64}") {
        if let Some(session) = session.as_object_mut() {
            session.insert("id".to_owned(), id.into());
            session.insert("from".to_owned(), json!({"id": "15555550177"}));
            let read = Webhook::read(json!({"session": session}).to_string().as_bytes(), "ticket").unwrap();
            let (Webhook::Inbound(session) | Webhook::CallBack { session, .. }) = &read else {
                return Err(TestCaseError::fail("neither inbound nor call-back"));
            };
            prop_assert!(Webhook::read(&session.to_body(), "ticket").unwrap() == read);
        }
    }
}
