//! A RapidSMS project with the backend rapidsms-tropo: the project of RapidSMS's tutorial, part 4.

use serde_json::json;

use crate::stage::{Application, NUMBER, Stage};

const CLINIC: Application = Application {
    folder: "rapidsms",
    before: &[&["python", "manage.py", "migrate", "--verbosity", "0"]],
    command: &["python", "manage.py", "runserver", "--noreload", "ADDRESS"],
    path: "/tropo/",
};

/// It answers one request after the other: a call-back waits until the text that caused it is dealt with.
const CLINIC_IN_ONE_THREAD: Application =
    Application { command: &["python", "manage.py", "runserver", "--noreload", "--nothreading", "ADDRESS"], ..CLINIC };

const SORRY: &str = "Sorry, RapidSMS could not understand your message.";

/// Asserts that among the lines there is one for each row, in order: one that holds all parts of the row, in order.
#[track_caller]
fn assert_told(lines: &[String], rows: &[&[&str]]) {
    let mut rest = lines.iter();
    for row in rows {
        let fits = |line: &&String| {
            let mut line = line.as_str();
            row.iter().all(|part| line.split_once(part).inspect(|(_, after)| line = after).is_some())
        };
        assert!(rest.any(|line| fits(&line)), "no line, or none in its place, has {row:?}: {lines:#?}");
    }
}

#[tokio::test]
async fn the_conversation_of_the_tutorial_is_told_as_tropo_told_it() {
    let stage = Stage::set(CLINIC).await;
    let (inbound, outbound) = stage.exchange("MYMESSAGE", SORRY).await;
    assert_ne!(inbound, outbound);

    let url = stage.webhook();
    let thread = |session: &str| format!("Tropo-Thread-{session}");
    let found = format!("#TROPO#: Found hostedCloudDnsApplicationInfo [_url={url}, ");
    let sending = |session: &str| format!("#TROPO#: Sending TropoML Payload on {} [url={url}]: ", thread(session));
    let received = |session: &str| format!("#TROPO#: Received new TropoML document on {}: ", thread(session));
    let (human, nobody) =
        (r#""userType":"HUMAN","initialText":"MYMESSAGE""#, r#""userType":"NONE","initialText":null"#);
    assert_told(
        &stage.told(&inbound).await,
        &[
            &[&found, "endpoint=15555550100"],
            &[&sending(&inbound), human, r#""from":{"id":"15555550177""#],
            &[&received(&inbound), r#"{"tropo": [{"hangup": {}}]}"#],
        ],
    );
    let value = format!(r#""say": {{"value": "{SORRY}"}}"#);
    assert_told(
        &stage.told(&outbound).await,
        &[
            &["#TROPO#: HTTPDriver.doGet(): action = create"],
            &[&sending(&outbound), nobody, r#""parameters":{"action":"create","program":""#, r#""token":""#],
            &[&received(&outbound), r#"{"tropo": [{"message": {"#, &value, r#""to": "15555550177""#],
            &["#MRCP#: (o)ANNOUNCE ", "IMified-From=+15555550100;", "IMified-User=tel:+15555550177", SORRY],
            &["#MRCP#: (i)RTSP/1.0 200 OK"],
        ],
    );
}

#[tokio::test]
async fn its_applications_answer_in_any_language() {
    let stage = Stage::set(CLINIC).await;
    for (text, reply) in [
        ("ping", "pong"),
        ("echo Hello, Tropo!", "Hello, Tropo!"),
        ("ECHO Grüße 100% & <b>\"日本語\"</b> 🐘", "Grüße 100% & <b>\"日本語\"</b> 🐘"),
        ("help", "Text ECHO and some words, or TELL, phones and some words."),
        ("Echo", "To echo some text, send: ECHO <ANYTHING>"),
        ("qué?", SORRY),
    ] {
        stage.exchange(text, reply).await;
    }
}

#[tokio::test]
async fn one_session_texts_many_phones() {
    let stage = Stage::set(CLINIC).await;
    let (_, own) = stage.exchange("tell 15555550188,15555550199 The doctor is in.", "Told 2.").await;
    let mut sessions = Vec::new();
    for number in ["+15555550188", "+15555550199"] {
        let message = stage.phone(number).reply().await;
        assert_eq!((message.text.as_str(), message.from.as_str()), ("The doctor is in.", NUMBER));
        sessions.push(message.session_id);
    }
    assert_eq!(sessions[0], sessions[1]);
    assert_ne!(sessions[0], own);
    assert_eq!(stage.tropo.launched().await.len(), 2);
}

#[tokio::test]
async fn a_server_that_does_one_thing_at_a_time_is_called_back_in_its_turn() {
    let stage = Stage::set(CLINIC_IN_ONE_THREAD).await;
    for _ in 0..3 {
        stage.exchange("ping", "pong").await;
    }
}

#[tokio::test]
async fn phones_that_text_at_once_are_each_answered() {
    let stage = Stage::set(CLINIC).await;
    // Tropo may call back before the request for the session was answered.
    stage.tropo.turn(json!({ "callback_first": true })).await;
    let phones = (0..6).map(|index| stage.phone(&format!("+1555555020{index}")));
    let conversations = phones.map(async |phone| {
        phone.text(&format!("echo {}", phone.number)).await;
        assert_eq!(phone.reply().await.text, phone.number);
    });
    futures::future::join_all(conversations).await;
}
