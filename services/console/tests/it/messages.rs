//! Texts and messages are found, shown and exported.

use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{CLERK, PERSON, READER, Stage, conversation};

async fn found(stage: &Stage, who: &str, query: &str) -> Vec<String> {
    let (status, page) = stage.get(who, &format!("/v1/messages?{query}")).await;
    assert_eq!(status, StatusCode::OK, "{page}");
    let ids = page["messages"].as_array().unwrap().iter().map(|message| message["id"].as_str().unwrap().to_owned());
    ids.collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_is_found_by_whatever_somebody_has() {
    let stage = Stage::set().await;
    let hello = conversation(1, PERSON, "hello wide world");
    let other = conversation(2, "+15555550188", "good morning");
    stage.keep(&hello.entries).await;
    stage.keep(&other.entries).await;
    let (text, reply) = (hello.text.to_string(), hello.reply.to_string());
    let both = [reply.as_str(), text.as_str()];
    for query in
        ["q=%2B1-555-555-0177", "q=50177", "q=world", "q=WIDE+hel", "person=15555550177", "session=session-a-1"]
    {
        assert_eq!(found(&stage, CLERK, query).await, both, "{query}");
    }
    assert_eq!(found(&stage, CLERK, &format!("q={text}")).await, [text.as_str()]);
    assert_eq!(found(&stage, CLERK, "q=session-b-1").await, [reply.as_str()]);
    assert_eq!(found(&stage, CLERK, "q=session-a-1&direction=in").await, [text.as_str()]);
    assert_eq!(found(&stage, CLERK, "q=world&direction=out").await, [reply.as_str()]);
    assert_eq!(
        found(&stage, CLERK, "state=sent&person=15555550177&backend=b&application=echo").await,
        [reply.as_str()]
    );
    assert_eq!(found(&stage, CLERK, "since=2026-11-23T00:01:30Z&direction=in").await, [other.text.to_string()]);
    assert_eq!(found(&stage, CLERK, "until=2026-11-23T00:01:30Z&direction=in").await, [text.as_str()]);
    assert_eq!(found(&stage, CLERK, "backend=c").await, [""; 0]);
    // Without people by ids alone: whether a number is known tells of a person as well.
    assert_eq!(found(&stage, READER, &format!("q={text}")).await, [text.as_str()]);
    for query in ["q=%2B1-555-555-0177", "q=0177", "q=world", "person=15555550177", "q=session-b-1&person=15555550177"]
    {
        for path in ["/v1/messages", "/v1/messages/export"] {
            let (status, _) = stage.get(READER, &format!("{path}?{query}")).await;
            assert_eq!(status, StatusCode::FORBIDDEN, "{path}?{query}");
        }
    }
    assert_eq!(found(&stage, READER, "q=session-b-9").await, [""; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_go_on_where_the_last_one_ended() {
    let stage = Stage::set().await;
    for number in 1..=4 {
        stage.keep(&conversation(number, PERSON, "hello").entries).await;
    }
    let all = found(&stage, READER, "").await;
    assert_eq!(all.len(), 8);
    let (mut paged, mut cursor) = (Vec::new(), String::new());
    loop {
        let (_, page) = stage.get(READER, &format!("/v1/messages?limit=3&cursor={cursor}")).await;
        paged.extend(page["messages"].as_array().unwrap().iter().map(|line| line["id"].as_str().unwrap().to_owned()));
        match page["next"].as_str() {
            Some(next) => cursor = next.to_owned(),
            None => break,
        }
    }
    assert_eq!(paged, all);
}

#[tokio::test(flavor = "multi_thread")]
async fn who_may_not_see_people_sees_no_number_and_no_word() {
    let stage = Stage::set().await;
    let hello = conversation(1, PERSON, "hello");
    stage.keep(&hello.entries).await;
    for id in [hello.text.to_string(), hello.reply.to_string(), "session-a-1".to_owned(), "session-b-1".to_owned()] {
        let (status, seen) = stage.get(READER, &format!("/v1/messages/{id}")).await;
        assert_eq!(status, StatusCode::OK, "{id}: {seen}");
        assert_eq!(seen["messages"].as_array().unwrap().len(), 2, "{id}: {seen}");
        assert_eq!(seen["events"].as_array().unwrap().len(), 3, "{id}: {seen}");
        assert_eq!(seen["events"][0]["data"]["from"], "•••77");
        assert!(!seen.to_string().contains("0177") && !seen.to_string().contains("hello"), "{seen}");
    }
    let (_, seen) = stage.get(CLERK, &format!("/v1/messages/{}", hello.text)).await;
    assert_eq!(seen["messages"][1]["text"], "hello");
    assert_eq!(seen["events"][0]["data"]["from"], PERSON);
    let text = stage.ask(READER, Method::GET, "/v1/messages/export").send().await.unwrap().text().await.unwrap();
    assert!(text.contains("•••77") && !text.contains("hello") && !text.contains("0177"), "{text}");
}

#[tokio::test(flavor = "multi_thread")]
async fn an_export_has_everything_that_a_search_finds() {
    let stage = Stage::set().await;
    let mut entries = Vec::new();
    for number in 1..=600 {
        entries.extend(conversation(number, PERSON, "=hello, \"you\"").entries);
    }
    for entries in entries.chunks(256) {
        stage.keep(entries).await;
    }
    let export = async |query: &str| {
        let response = stage.ask(CLERK, Method::GET, &format!("/v1/messages/export?{query}")).send().await.unwrap();
        assert_eq!(response.status(), StatusCode::OK);
        response.text().await.unwrap()
    };
    let csv = export("direction=in").await;
    assert_eq!(csv.lines().count(), 601);
    assert!(csv.lines().nth(1).unwrap().contains(r#",+15555550177,+15555550100,"'=hello, ""you""","#), "{csv:.400}");
    let lines = export("format=jsonl&limit=7").await;
    let lines: Vec<Value> = lines.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(lines.len(), 1200);
    assert_eq!(lines[1199]["text"], json!("=hello, \"you\""));
}
