//! The five questions about a text, over the API and as a page.

use std::collections::BTreeMap;
use std::time::Duration;

use axum::extract::Query;
use axum::routing::get;
use axum::{Json, Router};
use protocol::Timestamp;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use store::{Act, Mark, Subject};
use tokio::net::TcpListener;
use tokio::task::JoinSet;

use crate::stage::{CLERK, OPERATOR, PERSON, READER, SENDER, Stage, config, conversation};

async fn explained(stage: &Stage, who: &str, path: &str) -> Value {
    let (status, explanation) = stage.get(who, path).await;
    assert_eq!(status, StatusCode::OK, "{explanation}");
    explanation
}

fn answers(explanation: &Value) -> Vec<&str> {
    let questions = explanation["questions"].as_array().unwrap().iter();
    questions.map(|question| question["answer"].as_str().unwrap()).collect()
}

async fn page(stage: &Stage, who: &str, path: &str) -> (StatusCode, String) {
    let answer = stage.ask(who, Method::GET, path).send().await.unwrap();
    (answer.status(), answer.text().await.unwrap())
}

/// A console with a simulator whose log has two lines of each of these sessions.
async fn with_log(tasks: &mut JoinSet<()>, known: &'static [&'static str]) -> Stage {
    let lines = move |Query(asked): Query<BTreeMap<String, String>>| async move {
        let lines = known.iter().filter(|known| asked.get("session").is_none_or(|asked| asked == *known));
        let lines = lines.flat_map(|session| {
            let at = "2026-11-23T00:00:59Z";
            [
                json!({ "line": 1, "session_id": session, "at": at, "text": format!(
                    "#TROPO#: Sending TropoML Payload on Tropo-Thread-{session} [url=http://h/tropo/b/s3cret]: <i>{PERSON}"
                ) }),
                json!({ "line": 2, "session_id": session, "at": at, "text": format!(
                    "#TROPO#: Received non-2XX status code on Tropo-Thread-{session} [url=http://h/tropo/b/s3cret, code=403]"
                ) }),
            ]
        });
        Json(lines.collect::<Vec<_>>())
    };
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let simulator = format!("http://{}", listener.local_addr().unwrap());
    let routes = Router::new().route("/debugger", get(lines));
    tasks.spawn(async move { axum::serve(listener, routes).await.unwrap() });
    let mut config = config();
    config.simulator = Some(simulator.parse().unwrap());
    Stage::with(config).await
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_explained_whichever_id_somebody_has() {
    let stage = Stage::set().await;
    let talk = conversation(1, PERSON, "hello <b>world");
    stage.keep(&talk.entries).await;
    for (id, about) in [
        (talk.text.to_string(), talk.text),
        ("session-a-1".to_owned(), talk.text),
        (talk.reply.to_string(), talk.reply),
        ("session-b-1".to_owned(), talk.reply),
    ] {
        let explanation = explained(&stage, CLERK, &format!("/v1/messages/{id}/explanation")).await;
        assert_eq!(answers(&explanation), ["yes"; 5], "{id}");
        assert_eq!(explanation["about"]["id"], json!(about), "{id}");
        let sessions: Vec<_> =
            explanation["sessions"].as_array().unwrap().iter().map(|session| &session["id"]).collect();
        assert_eq!(sessions, ["session-a-1", "session-b-1"], "{id}");
        assert_eq!(explanation["tropo_log"], "none");
    }
    let of_person = "/v1/explanation?person=%2B15555550177&backend=b";
    let latest = explained(&stage, CLERK, of_person).await;
    assert_eq!(latest["about"]["id"], json!(talk.reply));
    assert_eq!(latest["text"]["id"], json!(talk.text));
    assert_eq!(stage.get(READER, of_person).await.0, StatusCode::FORBIDDEN);
    let verdict = latest["verdict"].as_str().unwrap();
    assert!(verdict.starts_with("The latest message, of 2026-11-23 00:01:01 UTC: It worked"), "{verdict}");
    let told = explained(&stage, READER, &format!("/v1/messages/{}/explanation", talk.reply)).await.to_string();
    assert!(!told.contains("0177") && !told.contains("hello"), "{told}");
}

#[tokio::test(flavor = "multi_thread")]
async fn a_reply_that_names_the_text_alone_belongs_to_it() {
    let stage = Stage::set().await;
    let mut talk = conversation(1, PERSON, "hello");
    for entry in &mut talk.entries[1..] {
        entry.event.correlation_id = None;
    }
    stage.keep(&talk.entries).await;
    for id in [talk.text, talk.reply] {
        let explanation = explained(&stage, CLERK, &format!("/v1/messages/{id}/explanation")).await;
        assert_eq!(answers(&explanation), ["yes"; 5], "{explanation}");
        let (_, found) = stage.get(CLERK, &format!("/v1/messages/{id}")).await;
        let sizes = [&found["messages"], &found["events"]].map(|list| list.as_array().unwrap().len());
        assert_eq!(sizes, [2, 3], "{found}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_that_no_text_began_has_its_command_on_record() {
    let stage = Stage::set().await;
    let mut talk = conversation(1, PERSON, "hello");
    talk.entries.remove(0);
    talk.entries[0].event.correlation_id = None;
    talk.entries[0].content.as_mut().unwrap().cause = None;
    talk.entries[1].event.correlation_id = Some("session-b-1".parse().unwrap());
    stage.keep(&talk.entries).await;
    let (_, found) = stage.get(CLERK, &format!("/v1/messages/{}", talk.reply)).await;
    let kinds: Vec<_> = found["events"].as_array().unwrap().iter().map(|event| &event["kind"]).collect();
    assert_eq!(kinds, ["message.send", "message.sent"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_is_no_text_is_explained() {
    let stage = Stage::set().await;
    let mut ignored = conversation(1, PERSON, "hello").entries.remove(0);
    ignored.event.kind = "session.ignored".to_owned();
    ignored.event.of = Some((Subject::Session, ignored.event.id));
    ignored.event.body = json!({ "session_id": "session-a-1", "reason": "foreign_launch" }).to_string();
    ignored.marks = vec![(Subject::Session, ignored.event.id, Mark::Ignored)];
    ignored.content = None;
    stage.keep(&[ignored.clone()]).await;
    for id in ["session-a-1".to_owned(), ignored.event.id.to_string()] {
        let explanation = explained(&stage, READER, &format!("/v1/messages/{id}/explanation")).await;
        assert_eq!(answers(&explanation), ["yes", "yes", "no", "no", "no"], "{id}");
        assert_eq!(explanation["advice"]["cause"], "foreign_launch");
        let (_, shown) = page(&stage, CLERK, &format!("/messages/{id}")).await;
        assert!(shown.contains("<h1>What happened in this session</h1>"), "{shown}");
    }
    let (_, live) = page(&stage, CLERK, "/live").await;
    assert!(live.contains(&format!("/messages/{}", ignored.event.id)), "{live}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_not_on_record_is_not_found_and_says_why() {
    let stage = Stage::set().await;
    for path in ["/v1/messages/nobody-s/explanation", "/v1/explanation?person=%2B15555550199"] {
        let (status, problem) = stage.get(CLERK, path).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
        assert!(problem["detail"].as_str().unwrap().contains("journal.retention"), "{problem}");
    }
    for path in ["/v1/messages/%C3%A9/explanation", "/v1/explanation?person=", "/v1/explanation?person=a%40b&x=1"] {
        assert_eq!(stage.get(CLERK, path).await.0, StatusCode::BAD_REQUEST, "{path}");
    }
    assert_eq!(stage.get(SENDER, "/v1/messages/a/explanation").await.0, StatusCode::FORBIDDEN);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_session_that_we_refused_is_explained_by_tropos_log() {
    let mut tasks = JoinSet::new();
    let stage = with_log(&mut tasks, &["refused"]).await;
    let explanation = explained(&stage, READER, "/v1/messages/refused/explanation").await;
    assert_eq!(answers(&explanation), ["yes", "yes", "no", "no", "no"]);
    assert_eq!(explanation["advice"]["cause"], "webhook_refused");
    assert_eq!(explanation["about"], Value::Null);
    let (status, shown) = page(&stage, CLERK, "/messages/refused").await;
    assert_eq!(status, StatusCode::OK);
    assert!(shown.contains("Tropo got status 403 from us.") && !shown.contains("s3cret") && !shown.contains("<i>"));

    // One whose log is away is explained by the rest.
    let talk = conversation(1, PERSON, "hello");
    stage.keep(&talk.entries).await;
    tasks.shutdown().await;
    let explanation = explained(&stage, READER, &format!("/v1/messages/{}/explanation", talk.text)).await;
    assert_eq!((answers(&explanation), &explanation["tropo_log"]), (vec!["yes"; 5], &json!("away")));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_page_has_the_answers_first_and_nobody_s_markup() {
    let stage = Stage::set().await;
    let talk = conversation(1, PERSON, "<script>alert(1)</script> \u{202e}hello");
    stage.keep(&talk.entries).await;
    let (status, shown) = page(&stage, CLERK, &format!("/messages/{}", talk.text)).await;
    assert_eq!(status, StatusCode::OK);
    let order = [
        "<h1>What happened to this text</h1>",
        "it worked",
        "1. Did Tropo get the text?",
        "5. Did Tropo send",
        "on record",
    ];
    let places: Vec<_> =
        order.iter().map(|part| shown.find(part).unwrap_or_else(|| panic!("{part}: {shown}"))).collect();
    assert!(places.is_sorted(), "{places:?}");
    assert!(!shown.contains("<script>alert") && shown.contains("&lt;script&gt;alert(1)"));
    assert!(shown.contains("/conversation?backend=b&amp;person=%2B15555550177"));
    let (_, masked) = page(&stage, READER, "/messages/session-b-1").await;
    assert!(masked.contains("What happened to this message") && !masked.contains("0177") && !masked.contains("alert"));
    let (status, shown) = page(&stage, CLERK, "/messages/nobody-s").await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(shown.contains("nothing is on record of it"));
}

#[tokio::test(flavor = "multi_thread")]
async fn tropos_log_is_shown_to_whoever_may_see_people() {
    let mut tasks = JoinSet::new();
    let stage = with_log(&mut tasks, &["a1", "b1"]).await;
    let (status, shown) = page(&stage, CLERK, "/debugger?session=a1&q=SENDING").await;
    assert_eq!(status, StatusCode::OK);
    assert!(shown.contains("Tropo-Thread-a1") && shown.contains("http://h/tropo/b/…"), "{shown}");
    assert!(!shown.contains("Tropo-Thread-b1") && !shown.contains("code=403") && !shown.contains("s3cret"));
    assert!(shown.contains("&lt;i&gt;") && !shown.contains("<i>"));
    let (_, new) = page(&stage, CLERK, "/debugger?after=1").await;
    assert!(new.contains("<tr id=\"line-2\"") && !new.contains("<tr id=\"line-1\""), "{new}");
    let (_, anew) = page(&stage, CLERK, "/debugger?after=99").await;
    assert!(anew.contains("<tr id=\"line-1\""), "of another run: {anew}");
    assert_eq!(page(&stage, READER, "/debugger").await.0, StatusCode::FORBIDDEN);
    assert_eq!(page(&stage, CLERK, "/debugger?session=%C3%A9").await.0, StatusCode::BAD_REQUEST);
    let (status, none) = page(&Stage::set().await, CLERK, "/debugger").await;
    assert!(status == StatusCode::OK && none.contains("console.simulator"));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_was_edited_among_the_dead_letters_is_said_to_be_shown_as_it_was() {
    let stage = Stage::set().await;
    let (talk, other) = (conversation(1, PERSON, "hello"), conversation(2, PERSON, "hello"));
    stage.keep(&talk.entries).await;
    stage.keep(&other.entries).await;
    for (id, to, status) in [(other.reply, "", StatusCode::UNPROCESSABLE_ENTITY), (talk.reply, PERSON, StatusCode::OK)]
    {
        stage.bury_message(&id.to_string(), "failed", "no").await;
        let data = json!({ "data": { "to": to, "text": "mended", "application": "survey" } });
        let (found, told) = stage.post(OPERATOR, &format!("/v1/dead-letters/{id}/replay"), &data).await;
        assert_eq!(found, status, "{told}");
    }
    let later: Timestamp = "2026-11-23T00:05:00Z".parse().unwrap();
    for number in 0..600 {
        let at = later + Duration::from_secs(number);
        let (who, action, detail) = ("ada".to_owned(), "login".to_owned(), "{}".to_owned());
        stage.opened.desk.note_act(&Act { at, who, action, detail }).await.unwrap();
    }
    let (_, edited) = page(&stage, CLERK, &format!("/messages/{}", talk.reply)).await;
    assert!(edited.contains("<b>operator</b> had it replayed with other data"), "{edited}");
    let (_, not) = page(&stage, CLERK, &format!("/messages/{}", other.reply)).await;
    assert!(!not.contains("other data"), "it was refused: {not}");
}
