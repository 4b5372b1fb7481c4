//! The payloads of each era, beside what is known of them.

use serde_json::{Value, json};
use tropo::era::{Era, HeaderShape, Style};
use tropo::webhook::Webhook;

use crate::shape::{Shape, fixture, fixture_names};
use crate::stage::{PHONE, Posted, Reply, Stage, TOKEN};

const OCTOBER: Style = Style { era: Era::Year2010, headers: HeaderShape::Object };
const FEBRUARY: Style = Style { era: Era::Year2010, headers: HeaderShape::Array };
const STYLE_2011: Style = Style { era: Era::Year2011, headers: HeaderShape::Object };
const STYLE_2013: Style = Style { era: Era::Year2013, headers: HeaderShape::Object };
const STYLE_2017: Style = Style { era: Era::Year2017, headers: HeaderShape::Object };

/// The fixtures that hold what no era wrote, or less than the platform did, and why.
const APART: [(&str, &str); 9] = [
    ("2010-01-jabber", "no initialText: a text session without its text would answer nobody"),
    ("2010-01-pstn-voice", "no initialText, as above"),
    ("2010-01-call-state", "January, which no era is: callState, properties"),
    ("2013-05-sms-latin1", "cut short; its characters are tested below"),
    ("rapidsms-test", "a test's own stand-in for a session"),
    ("docs-called-id-and-user-type", "misspells calledid, as the documentation once did"),
    ("null-actions", "null where the platform wrote nothing"),
    ("transcription", "no result of a session"),
    ("2010-05-launched", "written as the two launches below, with a callId"),
];

fn style_of(name: &str) -> Style {
    match name.get(..7).unwrap_or_default() {
        "2010-02" => FEBRUARY,
        "2010-10" => OCTOBER,
        "2011-07" | "2011-10" => STYLE_2011,
        "2013-05" => STYLE_2013,
        _ if name.starts_with("2011-") => STYLE_2011,
        _ if name.starts_with("2017-") => STYLE_2017,
        _ => panic!("{name} is of no known era: give it one, or say why it stands apart"),
    }
}

/// Whatever is read of an era is written in its shape again: the same members in the same order.
#[test]
fn every_fixture_is_written_in_the_shape_of_its_era() {
    for kind in ["session", "result"] {
        for name in fixture_names(kind) {
            if APART.iter().any(|(apart, _)| *apart == name) {
                continue;
            }
            let (text, style) = (fixture(kind, &name), style_of(&name));
            let written = match Webhook::read(text.as_bytes(), "ticket").unwrap() {
                Webhook::Result(report) => report.to_body_in(style),
                Webhook::CallBack { session, .. } | Webhook::Inbound(session) | Webhook::ForeignLaunch(session) => {
                    session.to_body_in(style)
                }
                Webhook::DeliveryReport(_) => panic!("{name} is a delivery report"),
            };
            assert_eq!(Shape::of(std::str::from_utf8(&written).unwrap()), Shape::of(&text), "{kind} {name}");
        }
    }
    for (apart, _) in APART {
        let is_there = ["session", "result"].iter().any(|kind| fixture_names(kind).contains(&apart.to_owned()));
        assert!(is_there, "the fixture {apart} is gone");
    }
}

/// Answers a session with a document whose end is reported, and anything else with nothing to do.
fn reports(posted: &Posted) -> Reply {
    if posted.body["session"].is_null() {
        return Reply::document(&json!({"tropo": []}));
    }
    Reply::document(&json!({"tropo": [{"on": {"event": "continue", "next": "/done"}}]}))
}

/// What the simulator posts with these knobs when a phone texts: the session and the result.
async fn texted(knobs: &Value, more: &Value) -> [Posted; 2] {
    let stage = Stage::new(reports).await;
    stage.set_knobs(knobs.clone()).await;
    let mut texting = json!({"to": "+15555550100", "text": "hi"});
    texting.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    let (status, answer) = stage.post(&format!("/phones/{PHONE}/texts"), &texting).await;
    assert_eq!(status, 202, "{answer}");
    both(&stage).await
}

/// The same when a token launches it.
async fn launched(knobs: &Value) -> [Posted; 2] {
    let stage = Stage::new(reports).await;
    stage.set_knobs(knobs.clone()).await;
    let (_, answer) = stage.post("/1.0/sessions", &json!({"token": TOKEN})).await;
    assert_eq!(answer["success"], true, "{answer}");
    both(&stage).await
}

async fn both(stage: &Stage) -> [Posted; 2] {
    let posted = stage.webhooks(2).await;
    [posted[0].clone(), posted[1].clone()]
}

#[tokio::test]
async fn a_text_is_posted_in_the_shape_of_its_era() {
    for (knobs, name) in [
        (json!({"era": 2010}), "2010-10-sms"),
        (json!({"era": 2010, "header_shape": "array"}), "2010-02-headers-array"),
        (json!({"era": 2011}), "2013-05-sms"),
        (json!({"era": 2013}), "2013-05-sms"),
        (json!({}), "2013-05-sms"),
    ] {
        let [session, _] = texted(&knobs, &json!({})).await;
        let shape = Shape::of(&session.raw);
        let mut expected = Shape::of(&fixture("session", name));
        // How many headers there are does not matter: each is a pair.
        if let (Some(Shape::Array(pairs)), Shape::Object(_)) =
            (shape.member("session").and_then(|session| session.member("headers")), &expected)
        {
            let pair = Shape::Object(vec![("key".to_owned(), Shape::Value), ("value".to_owned(), Shape::Value)]);
            assert!(pairs.iter().all(|found| *found == pair), "{pairs:?}");
            assert!(session.body["session"]["headers"][0]["key"].is_string());
            expected = expected.without("headers");
            assert_eq!(shape.without("headers"), expected, "{name}");
            continue;
        }
        assert_eq!(shape, expected, "{name}: {}", session.raw);
    }
    let parts = json!({"network": "MMS", "subject": "holiday", "media": ["http://files.example.net/1.jpg", "2.jpg"]});
    let [session, _] = texted(&json!({"era": 2017}), &parts).await;
    let [ours, known] = [Shape::of(&session.raw), Shape::of(&fixture("session", "2017-06-mms"))];
    assert_eq!(ours.clone().without("initialMedia"), known.clone().without("initialMedia"));
    assert_eq!(media_of(&ours), media_of(&known), "{}", session.raw);
}

/// The parts of an MMS, whatever order they come in.
fn media_of(shape: &Shape) -> Vec<String> {
    let Some(Shape::Array(items)) = shape.member("session").and_then(|session| session.member("initialMedia")) else {
        panic!("no initialMedia in {shape:?}");
    };
    let mut parts: Vec<_> = items.iter().map(|item| format!("{item:?}")).collect();
    parts.sort();
    parts
}

#[tokio::test]
async fn a_launch_calls_back_in_the_shape_of_its_era() {
    let with = |era: u16, more: Value| {
        let mut knobs = json!({"era": era});
        knobs.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        knobs
    };
    for (knobs, name, parameters) in [
        (with(2010, json!({"launch_call_id": true})), "2010-05-launched", json!({"action": "create", "token": TOKEN})),
        (with(2010, json!({"echo_token": false})), "2010-10-launched", Value::Null),
        (
            with(2011, json!({"echo_token": false, "echo_format": true})),
            "2011-07-launched-format",
            json!({"format": "json"}),
        ),
        (with(2011, json!({})), "2011-10-launched-foreign", json!({"action": "create", "token": TOKEN})),
        (with(2013, json!({})), "2013-05-launched", json!({"action": "create", "token": TOKEN})),
    ] {
        let [session, _] = launched(&knobs).await;
        let session_of = |text: &str| Shape::of(text).without("parameters");
        assert_eq!(session_of(&session.raw), session_of(&fixture("session", name)), "{name}: {}", session.raw);
        assert_eq!(session.body["session"]["parameters"], parameters, "{name}");
        assert_eq!(session.body["session"]["callId"].is_string(), name == "2010-05-launched");
    }
}

#[tokio::test]
async fn a_result_is_posted_in_the_shape_of_its_era() {
    for (knobs, name) in [
        (json!({"era": 2010, "header_shape": "array"}), "2010-02-empty-actions"),
        (json!({"era": 2010}), "2011-no-actions"),
        (json!({"era": 2011}), "2011-no-actions"),
        (json!({"era": 2013}), "2011-no-actions"),
    ] {
        let [_, result] = texted(&knobs, &json!({})).await;
        assert_eq!(Shape::of(&result.raw), Shape::of(&fixture("result", name)), "{name}: {}", result.raw);
    }
    let [_, result] = texted(&json!({"era": 2017}), &json!({})).await;
    // Nothing was asked, so there are no actions.
    let known = Shape::of(&fixture("result", "2017-one-action")).without("actions");
    assert_eq!(Shape::of(&result.raw), known, "{}", result.raw);
    assert_eq!(result.body["result"]["calledid"], "15555550100");
}

#[tokio::test]
async fn the_names_of_the_parties_are_those_of_the_era() {
    for (era, name, e164) in [
        (2010, json!("unknown"), None),
        (2011, Value::Null, None),
        (2013, Value::Null, None),
        (2017, json!("15555550177"), Some("15555550177")),
    ] {
        let [session, _] = texted(&json!({"era": era}), &json!({})).await;
        let session = &session.body["session"];
        let from = &session["from"];
        assert_eq!((&from["name"], from["e164Id"].as_str()), (&name, e164), "{era}");
        assert_eq!(session["applicationId"].is_string(), era == 2017);
        assert_eq!(session["headers"]["Request URI"].is_string(), era == 2017);
    }
}

#[tokio::test]
async fn webhooks_are_latin1_where_the_knob_says_so() {
    let stage = Stage::new(|_| Reply::hangup()).await;
    stage.set_knobs(json!({"webhook_charset": "ISO-8859-1"})).await;
    stage.text(PHONE, "¿Qué día? ж 🐘").await;
    let posted = stage.webhooks(1).await.remove(0);
    let text = b"\"initialText\":\"\xbfQu\xe9 d\xeda? \\u0436 \\ud83d\\udc18\"";
    assert!(posted.bytes.windows(text.len()).any(|window| window == text), "{}", posted.raw);
    assert_eq!(posted.body["session"]["initialText"], "¿Qué día? ж 🐘");
    // As the fixture of 2013 is read: not UTF-8, so ISO-8859-1.
    let Webhook::Inbound(session) = Webhook::read(&posted.bytes, "ticket").unwrap() else { panic!("not inbound") };
    assert_eq!(session.initial_text.as_deref(), Some("¿Qué día? ж 🐘"));
}
