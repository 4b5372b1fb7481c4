use proptest::prelude::*;
use serde_json::json;

use super::*;
use crate::fixtures::{self, any_json, any_text};
use crate::session::Channel;
use crate::shape::{FlagOr, Number, OneOrMany};

const KEYS: &[&str] = &[
    "to",
    "from",
    "say",
    "value",
    "channel",
    "network",
    "name",
    "required",
    "timeout",
    "headers",
    "choices",
    "on",
    "event",
    "next",
    "url",
    "allowSignals",
    "milliseconds",
    "id",
    "machineDetection",
    "joinPrompt",
    "transcription",
    "media",
    "ask",
    "mode",
];

const ACTIONS: [&str; 17] = [
    "answer",
    "ask",
    "call",
    "conference",
    "hangup",
    "message",
    "on",
    "record",
    "redirect",
    "reject",
    "say",
    "startRecording",
    "stopRecording",
    "transfer",
    "wait",
    "generalLogSecurity",
    "leavePrompt",
];

fn read(body: &[u8]) -> Document {
    Document::read(body, Some("utf-8")).unwrap()
}

fn fixture(name: &str) -> Document {
    read(&fixtures::read("document", name))
}

#[track_caller]
fn check(name: &str, actions: &[&str]) {
    let document = fixture(name);
    assert_eq!(document.actions.iter().map(Action::name).collect::<Vec<_>>(), actions, "{name}");
    for action in &document.actions {
        assert!(!matches!(action, Action::Unreadable { .. }), "{name}: {action:?}");
    }
    assert!(read(&document.to_body()) == document, "{name}");
}

#[test]
fn what_every_library_writes_is_read_and_reads_back_the_same() {
    check("python", &["say", "on", "hangup"]);
    check("python-list", &["say", "reject", "stopRecording", "generalLogSecurity"]);
    check("ruby", &["say", "ask", "on", "hangup"]);
    check("php", &["on", "on", "message", "hangup"]);
    check("java", &["on", "transfer", "message", "wait", "joinPrompt", "hangup"]);
    check("node", &["say", "conference", "answer", "hangup", "reject"]);
    check("csharp", &["call", "say", "record", "startRecording", "stopRecording", "hangup"]);
    check("rapidsms", &["message", "message"]);
    check("commcare", &["call", "say"]);
    check("hedonometer", &["call", "say", "hangup"]);
    check("redirect", &["redirect"]);
    check("nothing", &[]);
    // Those above, and the malformed one.
    assert_eq!(fixtures::names("document").len(), 13);
}

#[test]
fn ruby_writes_flags_as_words_and_questions_as_lists() {
    let Action::Ask(ask) = &fixture("ruby").actions[1] else { panic!() };
    assert_eq!(ask.bargein, Some(true));
    assert_eq!(ask.timeout.map(Number::as_f64), Some(30.0));
    assert_eq!(ask.choices.value.as_deref(), Some("[5 DIGITS]"));
    assert_eq!(ask.say.as_ref().unwrap().iter().nth(1).unwrap().event.as_deref(), Some("nomatch:1 timeout"));
    assert_eq!(ask.on.as_ref().unwrap().first().unwrap().next.as_deref(), Some("/x"));
}

#[test]
fn php_writes_handlers_as_lists() {
    let document = fixture("php");
    let events: Vec<&str> = document.handlers().map(|on| on.event.as_str()).collect();
    assert_eq!(events, ["continue", "error", "incomplete"]);
    let Action::Message(message) = &document.actions[2] else { panic!() };
    assert!(message.is_text());
    assert_eq!(message.say.first().unwrap().media.as_ref().unwrap().iter().count(), 2);
    assert_eq!(message.headers.get("X-A"), Some("b"));
}

#[test]
fn java_writes_numbers_with_a_fraction() {
    let document = fixture("java");
    let Action::Transfer(transfer) = &document.actions[1] else { panic!() };
    assert_eq!(transfer.timeout, Some(Number::from(30)));
    assert!(
        matches!(&transfer.machine_detection, Some(FlagOr::With(prompt)) if prompt.introduction.as_deref() == Some("Hi"))
    );
    assert_eq!(transfer.on.as_ref().unwrap().iter().filter(|on| on.event == "ring").count(), 2);
    let Action::Wait(wait) = &document.actions[3] else { panic!() };
    assert_eq!(wait.milliseconds.as_f64(), 3000.0);
    assert!(document.to_body().windows(12).any(|bytes| bytes == br#""timeout":30"#));
}

#[test]
fn nulls_are_ignored_and_unknown_members_kept() {
    let document = fixture("node");
    let Action::Say(OneOrMany::One(say)) = &document.actions[0] else { panic!() };
    assert!(*say == Say::text("Hi"));
    let Action::Conference(conference) = &document.actions[1] else { panic!() };
    assert_eq!(conference.extra["send_tones"], true);
    assert!(matches!(conference.join_prompt, Some(FlagOr::Flag(true))));
    assert_eq!(conference.allow_signals.as_ref().unwrap().first().unwrap(), "");
}

#[test]
fn uploads_are_addresses_with_and_without_credentials() {
    let document = fixture("csharp");
    let Action::Record(record) = &document.actions[2] else { panic!() };
    let Upload::Detailed(target) = record.url.first().unwrap() else { panic!() };
    assert_eq!((target.url.as_str(), target.method.as_deref()), ("sftp://files.example.net", Some("PUT")));
    assert!(matches!(&fixture("java").actions[4], Action::Other(name, _) if name == "joinPrompt"));
    let Action::StartRecording(recording) = &document.actions[3] else { panic!() };
    assert_eq!(recording.url.first().unwrap().url(), "http://files.example.net/x.wav");
}

#[test]
fn either_channel_or_network_makes_a_text() {
    for (name, at, text) in [("commcare", 0, true), ("hedonometer", 0, true), ("csharp", 0, true)] {
        let Action::Call(call) = &fixture(name).actions[at] else { panic!() };
        assert_eq!(call.is_text(), text, "{name}");
    }
    for action in &fixture("rapidsms").actions {
        let Action::Message(message) = action else { panic!() };
        assert!(message.is_text());
        assert!(message.to.first().unwrap().starts_with("1555555017"));
    }
    assert!(!Message::default().is_text());
}

#[test]
fn one_bad_action_costs_no_other() {
    let actions = fixture("malformed-actions").actions;
    let reasons: Vec<(&str, &str)> = actions
        .iter()
        .map(|action| match action {
            Action::Unreadable { name, reason } => (name.as_str(), reason.as_str()),
            readable => (readable.name(), ""),
        })
        .collect();
    assert_eq!(
        reasons,
        [
            ("", "an action is an object with one member, its name"),
            ("", "an action is an object with one member, its name"),
            ("message", "say must be present"),
            ("message", "to must be a text"),
            ("wait", "milliseconds must be a number"),
            ("say", ""),
            ("say", "must be an object"),
        ]
    );
    assert_eq!(fixture("malformed-actions").to_body(), br#"{"tropo":[{"say":{"value":"good"}}]}"#);
}

#[test]
fn what_is_no_document_is_told_apart() {
    for (body, error) in [
        ("", DocumentError::Empty),
        (" \r\n", DocumentError::Empty),
        ("Thank you for your text.", DocumentError::NotJson),
        ("<html>", DocumentError::NotJson),
        ("true", DocumentError::NoActions),
        ("{}", DocumentError::NoActions),
        (r#"{"tropo":{}}"#, DocumentError::NoActions),
        (r#"{"tropo":null}"#, DocumentError::NoActions),
    ] {
        assert!(Document::read(body.as_bytes(), None) == Err(error), "{body}");
    }
    assert!(Document::read("[".repeat(100_000).as_bytes(), None) == Err(DocumentError::NotJson));
    let deep =
        format!(r#"{{"tropo":[{}{{"event":"a"}}{}]}}"#, r#"{"on":{"event":"a","ask":"#.repeat(50), "}}".repeat(50));
    assert!(Document::read(deep.as_bytes(), None).is_ok());
}

#[test]
fn a_document_without_charset_is_garbled_as_tropo_garbles_it() {
    let body = r#"{"tropo":[{"say":{"value":"né"}}]}"#.as_bytes();
    for (charset, value) in [(None, "nÃ©"), (Some("utf8"), "né"), (Some("UTF-8"), "né")] {
        assert!(
            Document::read(body, charset).unwrap().actions == [Action::Say(Say::text(value).into())],
            "{charset:?}"
        );
    }
}

#[test]
fn what_we_write_is_ascii_and_complete() {
    assert_eq!(Document::hangup().to_body(), br#"{"tropo":[{"hangup":{}}]}"#);
    assert_eq!(Document::default().to_body(), br#"{"tropo":[]}"#);
    let (to, from) = ("+15555550177".parse().unwrap(), "+15555550100".parse().unwrap());
    let message = Message::text(&to, Some(&from), &"sms".parse().unwrap(), &"né 🐘 100% <b>\"".parse().unwrap());
    let document = Document {
        actions: vec![
            Action::Message(Box::new(message)),
            Action::On(On::next("continue", "https://app.example.net/r?receipt=a.b.c").into()),
            Action::Reject(Default::default()),
            Action::GeneralLogSecurity("suppress".to_owned()),
        ],
    };
    assert_eq!(
        String::from_utf8(document.to_body()).unwrap(),
        concat!(
            r#"{"tropo":[{"message":{"to":"+15555550177","say":{"value":"n\u00e9 \ud83d\udc18 100% <b>\""},"#,
            r#""from":"+15555550100","channel":"TEXT","network":"SMS"}},"#,
            r#"{"on":{"event":"continue","next":"https://app.example.net/r?receipt=a.b.c"}},"#,
            r#"{"reject":{}},{"generalLogSecurity":"suppress"}]}"#
        )
    );
}

#[test]
fn debug_shows_nobody_and_no_secret() {
    for name in fixtures::names("document") {
        let document = fixture(&name);
        let mut shown = format!("{document:?}");
        for action in &document.actions {
            if let Action::Message(message) = action {
                shown += &format!("{message:?} {:?} {:?}", message.to, message.say);
            }
            if let Action::Record(record) = action {
                shown += &format!("{record:?} {:?}", record.url.first());
            }
        }
        assert!(!shown.contains("555") && !shown.contains("4711") && !shown.contains("example"), "{shown}");
    }
}

prop_compose! {
    fn any_message()(
        to in proptest::collection::vec("[+0-9]{1,15}", 1..3),
        says in proptest::collection::vec(any_text(), 1..3),
        from in proptest::option::of("[+0-9]{1,15}"),
        channel in proptest::sample::select(vec![None, Some(Channel::Text), Some(Channel::Voice)]),
        timeout in proptest::option::of(any::<u32>()),
        required in proptest::option::of(any::<bool>()),
        headers in proptest::collection::btree_map("[a-z-]{1,8}", any_text(), 0..3),
        label in any_text(),
    ) -> Message {
        Message {
            to: OneOrMany::Many(to), say: OneOrMany::Many(says.into_iter().map(Say::text).collect()), from, channel,
            timeout: timeout.map(Number::from), required, headers: headers.into_iter().collect(),
            extra: [("x-label".to_owned(), label.into())].into_iter().collect(), ..Message::default()
        }
    }
}

proptest! {
    #[test]
    fn a_written_document_is_ascii_and_reads_back_the_same(
        messages in proptest::collection::vec(any_message(), 0..3), event in any_text(), next in any_text(), other in any_text()
    ) {
        let mut actions: Vec<_> = messages.into_iter().map(|message| Action::Message(Box::new(message))).collect();
        actions.push(Action::On(OneOrMany::Many(vec![On::next(event, next)])));
        actions.push(Action::Other("x-other".to_owned(), other.into()));
        let document = Document { actions };
        let body = document.to_body();
        prop_assert!(body.is_ascii());
        prop_assert!(Document::read(&body, None).unwrap() == document);
    }

    #[test]
    fn whatever_actions_are_read_are_written_and_read_back_the_same(
        actions in proptest::collection::vec((proptest::sample::select(&ACTIONS), any_json(KEYS)), 0..6)
    ) {
        let actions: Vec<Value> = actions.into_iter().map(|(name, value)| json!({name: value})).collect();
        let mut document = read(json!({"tropo": actions}).to_string().as_bytes());
        prop_assert_eq!(document.actions.len(), actions.len());
        let written = read(&document.to_body());
        document.actions.retain(|action| !matches!(action, Action::Unreadable { .. }));
        prop_assert!(written == document);
    }

    #[test]
    fn no_bytes_make_it_panic(body in proptest::collection::vec(any::<u8>(), 0..200), charset in proptest::option::of("\\PC{0,12}")) {
        let _ = Document::read(&body, charset.as_deref());
    }

    #[test]
    fn no_json_makes_it_panic(body in any_json(KEYS)) {
        let _ = Document::read(json!({"tropo": [body.clone()]}).to_string().as_bytes(), None);
        let _ = Document::read(body.to_string().as_bytes(), None);
    }
}
