use proptest::prelude::*;

use super::*;
use crate::fixtures::{self, any_text};
use crate::webhook::Webhook;

/// Reads a session back, whatever kind of webhook it is.
fn reread(body: &[u8]) -> Session {
    match Webhook::read(body, "ticket").unwrap() {
        Webhook::CallBack { session, .. } | Webhook::Inbound(session) | Webhook::ForeignLaunch(session) => session,
        other => panic!("{other:?}"),
    }
}

fn fixture(name: &str) -> Session {
    reread(&fixtures::read("session", name))
}

#[test]
fn what_every_era_sends_is_written_and_reads_back_the_same() {
    for name in fixtures::names("session") {
        let session = fixture(&name);
        assert!(reread(&session.to_body()) == session, "{name}");
    }
}

#[test]
fn only_texts_are_texts() {
    let text = |name: &str| fixture(name).is_text();
    for name in ["2010-01-jabber", "2010-02-sms-trimmed", "2010-10-sms", "2013-05-sms", "2017-06-mms", "rapidsms-test"]
    {
        assert!(text(name), "{name}");
    }
    for name in ["2010-01-pstn-voice", "2011-10-sip-trunk-voice", "2017-04-softphone-voice"] {
        assert!(!text(name), "{name}");
    }
}

#[test]
fn headers_are_found_in_any_case_and_joined_when_they_repeat() {
    let array = fixture("2010-02-headers-array");
    assert_eq!(array.headers.get("via"), Some("SIP/2.0/UDP 10.0.0.9:5060\r\nSIP/2.0/UDP 10.0.0.8:5060"));
    let object = fixture("2011-10-sip-trunk-voice");
    assert_eq!(object.headers.get("request uri"), Some("sip:5555550100@10.0.0.8"));
    assert_eq!(object.headers.get("none"), None);
}

#[test]
fn parameters_are_texts_whatever_they_were() {
    let body = r#"{"session":{"id":"s1","userType":"NONE",
        "parameters":{"a":1,"b":true,"c":null,"d":{"e":[1,"x"]},"f":"","g":1.5}}}"#;
    let expected = [("a", "1"), ("b", "true"), ("d", r#"{"e":[1,"x"]}"#), ("f", ""), ("g", "1.5")];
    let parameters = reread(body.as_bytes()).parameters;
    assert_eq!(parameters.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect::<Vec<_>>(), expected);
}

#[test]
fn every_member_but_the_id_may_be_missing_null_or_strange() {
    let from = r#""from":{"id":15555550177}"#;
    let strange = r#""accountId":70001,"userType":null,"initialText":{"a":1},"callId":[],"to":"x","headers":7,
        "parameters":"x","initialMedia":false,"timestamp":null,"newMember":1"#;
    let session = reread(format!(r#"{{"session":{{"id":"s1",{from},{strange}}}}}"#).as_bytes());
    assert_eq!(session.account_id, "70001");
    assert_eq!(session.from.as_ref().unwrap().id, "15555550177");
    assert!(session.to.is_none() && session.initial_text.is_none() && session.headers.is_empty());
    let extra: Vec<&str> = session.extra.keys().map(String::as_str).collect();
    assert_eq!(extra, ["callId", "headers", "initialMedia", "initialText", "newMember", "parameters", "to"]);
    assert!(reread(&session.to_body()) == session);
}

#[test]
fn the_platform_writes_members_in_the_order_of_real_payloads() {
    let mut session = Session::new("s1".parse().unwrap(), UserType::Human);
    session.account_id = "70001".to_owned();
    session.timestamp = Some("2013-06-02T09:30:15.204Z".to_owned());
    session.initial_text = Some("BAL </b> é".to_owned());
    session.to = Some(Party::text("15555550100", "SMS"));
    session.from = Some(Party { e164_id: Some("15555550177".to_owned()), ..Party::text("5555550177", "SMS") });
    session.headers.push("CSeq", "1 INVITE");
    assert_eq!(
        String::from_utf8(session.to_body()).unwrap(),
        concat!(
            r#"{"session":{"id":"s1","accountId":"70001","timestamp":"2013-06-02T09:30:15.204Z","userType":"HUMAN","#,
            r#""initialText":"BAL <\/b> é","callId":null,"#,
            r#""to":{"id":"15555550100","name":null,"channel":"TEXT","network":"SMS"},"#,
            r#""from":{"id":"5555550177","e164Id":"15555550177","name":null,"channel":"TEXT","network":"SMS"},"#,
            r#""headers":{"CSeq":"1 INVITE"}}}"#
        )
    );
    let launched = Session {
        parameters: BTreeMap::from([("token".to_owned(), "TESTTOKEN".to_owned())]),
        ..Session::new("s2".parse().unwrap(), UserType::None)
    };
    assert_eq!(
        String::from_utf8(launched.to_body()).unwrap(),
        concat!(
            r#"{"session":{"id":"s2","accountId":"","userType":"NONE","initialText":null,"callId":null,"#,
            r#""parameters":{"token":"TESTTOKEN"}}}"#
        )
    );
}

#[test]
fn debug_shows_nobody_and_no_secret() {
    for name in fixtures::names("session") {
        let shown = format!("{:?}", Webhook::read(&fixtures::read("session", &name), "ticket").unwrap());
        for secret in ["555", "alice", "TESTTOKEN", "k1.e30", "What", "BAL", "1024", "Hi"] {
            assert!(!shown.contains(secret), "{name}: {shown}");
        }
        let session = fixture(&name);
        let shown = format!("{:?} {:?} {:?}", session.from, session.to, session.headers);
        assert!(!shown.contains("555") && !shown.contains("alice"), "{name}: {shown}");
    }
}

prop_compose! {
    fn any_party()(
        id in "[0-9a-z]{1,15}",
        e164_id in proptest::option::of("[0-9]{8,15}"),
        name in proptest::option::of(any_text()),
        channel in proptest::sample::select(vec![Channel::Text, Channel::Voice, Channel::Other("FAX".to_owned())]),
        network in proptest::sample::select(vec!["SMS", "MMS", "SIP", "jabber", ""]),
    ) -> Party {
        Party { id, e164_id, name, channel, network: network.to_owned(), extra: Extra::new() }
    }
}

prop_compose! {
    fn any_session()(
        (id, account_id) in ("[0-9a-f]{32}", "[0-9]{0,6}"),
        application_id in proptest::option::of("[0-9]{1,7}"),
        timestamp in proptest::option::of(Just("2013-06-02T09:30:15.204Z".to_owned())),
        initial_text in proptest::option::of(any_text()),
        subject in proptest::option::of(any_text()),
        texts in proptest::collection::vec(any_text(), 0..3),
        call_id in proptest::option::of("[0-9a-f]{32}"),
        to in proptest::option::of(any_party()),
        from in any_party(),
        headers in proptest::collection::btree_map("[A-Za-z -]{1,9}", any_text(), 0..4),
        parameters in proptest::collection::btree_map(any_text(), any_text(), 0..4),
        extra in proptest::collection::btree_map("x-[a-z]{1,5}", any_text(), 0..3),
    ) -> Session {
        let initial_media =
            texts.into_iter().map(|text| InitialMedia { text: Some(text), ..InitialMedia::default() }).collect();
        Session {
            id: id.parse().unwrap(), account_id, application_id, timestamp, user_type: UserType::Human, initial_text,
            subject, initial_media, call_id, to, from: Some(from), headers: headers.into_iter().collect(), parameters,
            extra: extra.into_iter().map(|(name, value)| (name, value.into())).collect(),
        }
    }
}

proptest! {
    #[test]
    fn a_written_session_reads_back_the_same(session in any_session()) {
        prop_assert!(reread(&session.to_body()) == session);
    }
}
