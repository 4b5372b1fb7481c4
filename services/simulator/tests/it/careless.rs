//! Launches by clients that escape too little, over bare connections: no client of this century sends such requests.

use std::sync::Arc;

use serde_json::{Value, json};
use simulator::Config;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::Barrier;

use crate::stage::{PHONE, Posted, Reply, Stage, TOKEN};

/// Texts what it was launched with to whom it was launched for.
fn forwards(posted: &Posted) -> Reply {
    let parameters = &posted.body["session"]["parameters"];
    let message = json!({"to": parameters["to"], "network": "SMS", "say": {"value": parameters["msg"]}});
    Reply::document(&json!({"tropo": [{"message": message}]}))
}

/// Everything that comes back.
async fn exchange(stage: &Stage, sent: &[u8], piece: usize) -> String {
    let mut stream = TcpStream::connect(stage.address()).await.unwrap();
    for bytes in sent.chunks(piece) {
        stream.write_all(bytes).await.unwrap();
    }
    let mut answer = String::new();
    stream.read_to_string(&mut answer).await.unwrap();
    answer
}

/// Launches by this first line, and gives what the application was posted.
async fn launched(line: &[u8], headers: &str, piece: usize) -> Value {
    let stage = Stage::new(forwards).await;
    let sent = [line, b" HTTP/1.1\r\nConnection: close\r\n", headers.as_bytes(), b"\r\n"].concat();
    let answer = exchange(&stage, &sent, piece).await;
    assert!(answer.starts_with("HTTP/1.1 200 OK\r\n"), "{answer}");
    assert!(answer.contains("<session><success>true</success><token>TESTTOKEN</token><id>"), "{answer}");
    stage.webhooks(1).await[0].body["session"]["parameters"].clone()
}

fn parameters(more: &Value) -> Value {
    let mut parameters = json!({"action": "create", "token": TOKEN});
    parameters.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
    parameters
}

#[tokio::test]
async fn what_should_have_been_escaped_arrives_as_it_was_meant() {
    let begin = "GET /1.0/sessions?action=create&token=TESTTOKEN&";
    for (query, expected) in [
        ("msg=you & me, 5 > 3 #1&", json!({"msg": "you & me, 5 > 3 #1"})),
        ("msg=é🐘 \"<>{}|\\^`[]&k=v", json!({"msg": "é🐘 \"<>{}|\\^`[]", "k": "v"})),
        ("msg=100%25 sure, 100% sure&&", json!({"msg": "100% sure, 100% sure"})),
        ("msg=a HTTP/1.1 b", json!({"msg": "a HTTP/1.1 b"})),
    ] {
        let line = format!("{begin}{query}");
        for piece in [1, line.len() + 100] {
            assert_eq!(launched(line.as_bytes(), "", piece).await, parameters(&expected), "{query}");
        }
    }
    let latin1 = [begin.as_bytes(), b"msg=\xe9t\xe9"].concat();
    assert_eq!(launched(&latin1, "", 1000).await, parameters(&json!({"msg": "été"})));
}

#[tokio::test]
async fn any_host_will_do_and_any_slashes_and_a_body_of_a_get_is_not_looked_at() {
    let wrong = json!({"token": "WRONG", "k": "body"}).to_string();
    let with_body = format!("Content-Type: application/json\r\nContent-Length: {}\r\n", wrong.len());
    for headers in ["", "Host: api.tropo.com\r\n", "Host: \r\n", "Host: a b\r\n"] {
        for path in ["/1.0/sessions", "/v1/sessions/", "//1.0//sessions", "/v1/sessions//"] {
            let line = format!("GET {path}?action=create&token=TESTTOKEN&k=v");
            assert_eq!(
                launched(line.as_bytes(), headers, 1000).await,
                parameters(&json!({"k": "v"})),
                "{path} {headers}"
            );
        }
    }
    let stage = Stage::new(forwards).await;
    let first = format!("GET /1.0/sessions?action=create&token=TESTTOKEN&k=a b HTTP/1.1\r\n{with_body}\r\n{wrong}");
    let second = "GET /1.0/sessions?action=create&token=TESTTOKEN&k=c HTTP/1.1\r\nConnection: close\r\n\r\n";
    let answers = exchange(&stage, format!("{first}{second}").as_bytes(), 1000).await;
    assert_eq!(answers.matches("<success>true</success>").count(), 2, "{answers}");
    let mut found: Vec<_> =
        stage.webhooks(2).await.iter().map(|posted| posted.body["session"]["parameters"]["k"].clone()).collect();
    found.sort_by_key(Value::to_string);
    assert_eq!(found, ["a b", "c"]);
}

#[tokio::test]
async fn requests_that_follow_one_another_are_all_served_until_one_is_posted() {
    let stage = Stage::new(forwards).await;
    let get = |k: &str| format!("GET /1.0/sessions?action=create&token=TESTTOKEN&k={k} HTTP/1.1\r\n\r\n");
    let body = format!("token={TOKEN}&k=posted GET /x y HTTP/1.1\r\n");
    let post = format!(
        "POST /1.0/sessions HTTP/1.1\r\nConnection: close\r\nContent-Type: application/x-www-form-urlencoded\r\n\
         Content-Length: {}\r\n\r\n{body}",
        body.len()
    );
    let answers = exchange(&stage, format!("{}{}{post}", get("a b"), get("c#d")).as_bytes(), 7).await;
    assert_eq!(answers.matches("HTTP/1.1 200 OK").count(), 3, "{answers}");
    assert!(answers.contains("\r\n\r\nsuccess=true&token=TESTTOKEN&id="), "{answers}");
    let mut found: Vec<_> = stage
        .webhooks(3)
        .await
        .iter()
        .map(|posted| posted.body["session"]["parameters"]["k"].as_str().unwrap().to_owned())
        .collect();
    found.sort();
    assert_eq!(found, ["a b", "c#d", "posted GET /x y HTTP/1.1\r\n"]);
}

#[tokio::test]
async fn a_number_whose_plus_became_a_blank_is_still_reached() {
    let stage = Stage::new(forwards).await;
    let line =
        b"GET /1.0/sessions?action=create&token=TESTTOKEN&to=+15555550177&msg=hi HTTP/1.1\r\nConnection: close\r\n\r\n";
    exchange(&stage, line, 1000).await;
    assert_eq!(stage.texts(PHONE, 1).await, ["hi"]);
    assert_eq!(stage.posted()[0].body["session"]["parameters"]["to"], " 15555550177");
}

#[tokio::test]
async fn values_that_are_no_strings_come_back_as_their_json() {
    let stage = Stage::new(|_| Reply::hangup()).await;
    let body =
        json!({"token": TOKEN, "n": 1.5, "yes": true, "none": null, "list": [1, "a"], "deep": {"k": {"l": "é"}}});
    let (status, _) = stage.post("/1.0/sessions", &body).await;
    assert_eq!(status, 200);
    let expected = json!({"n": "1.5", "yes": "true", "list": "[1,\"a\"]", "deep": "{\"k\":{\"l\":\"é\"}}"});
    assert_eq!(stage.webhooks(1).await[0].body["session"]["parameters"], parameters(&expected));
}

/// All call-backs are held until each of them came: one that waited for another would hold them for ever.
#[tokio::test]
async fn many_launches_at_once_are_all_called_back_at_once() {
    const LAUNCHES: usize = 200;
    let together = Arc::new(Barrier::new(LAUNCHES));
    let stage = Stage::set(Config::default(), move |posted| {
        let together = Arc::clone(&together);
        Box::pin(async move {
            together.wait().await;
            forwards(&posted)
        })
    })
    .await;
    let launch = async |number: usize| {
        let body = json!({"token": TOKEN, "to": PHONE, "msg": format!("{number}")});
        let (status, answer) = stage.post("/1.0/sessions", &body).await;
        assert_eq!((status, &answer["success"]), (200, &json!(true)));
    };
    futures::future::join_all((0..LAUNCHES).map(launch)).await;
    let mut texts: Vec<usize> = stage.texts(PHONE, LAUNCHES).await.iter().map(|text| text.parse().unwrap()).collect();
    texts.sort_unstable();
    assert_eq!(texts, (0..LAUNCHES).collect::<Vec<_>>());
}
