//! Messages and texts are on the bus once they are taken.

use protocol::topology::QueueName;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

use crate::stage::{CLERK, NUMBER, PERSON, READER, SENDER, Stage, answer, backend};

fn wanted(text: &str) -> Value {
    json!({ "backend": "b", "to": PERSON, "text": text })
}

async fn send(stage: &Stage, key: &str, body: &Value) -> (StatusCode, Value) {
    let request = stage.ask(SENDER, Method::POST, "/v1/messages").header("Idempotency-Key", key).json(body);
    answer(request.send().await.unwrap()).await
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_taken_is_on_the_lane_of_its_backend() {
    let stage = Stage::set().await;
    let (status, taken) = stage.post(SENDER, "/v1/messages", &wanted("hello")).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{taken}");
    let mut lane = stage.bus.subscribe(&QueueName::lane(&backend()), 1).await.unwrap();
    let delivery = lane.next().await.unwrap();
    assert_eq!(delivery.properties.message_id.as_deref(), taken["id"].as_str());
    assert_eq!(delivery.properties.app_id.as_deref(), Some(console::APP_ID));
    let body: Value = serde_json::from_slice(&delivery.body).unwrap();
    assert_eq!((body["data"]["to"].as_str(), body["data"]["text"].as_str()), (Some(PERSON), Some("hello")));
    delivery.settler.ack().await;
    let (_, acts) = stage.get(READER, "/v1/acts").await;
    let act = &acts["acts"][0];
    assert_eq!((act["who"].as_str(), act["action"].as_str()), (Some(SENDER), Some("messages.send")), "{acts}");
    assert_eq!(act["detail"], json!({ "count": 1, "ids": [taken["id"]] }));
}

#[tokio::test(flavor = "multi_thread")]
async fn the_same_key_is_the_same_message_and_another_message_is_refused() {
    let stage = Stage::set().await;
    let (_, first) = send(&stage, "k", &wanted("hello")).await;
    let (status, again) = send(&stage, "k", &wanted("hello")).await;
    assert_eq!((status, &again), (StatusCode::ACCEPTED, &first));
    let (status, problem) = send(&stage, "k", &wanted("good bye")).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
    let (_, other) = send(&stage, "k2", &wanted("hello")).await;
    assert_ne!(other, first);
    let own = json!({ "backend": "b", "to": PERSON, "text": "x", "id": "6a1f3c52-9d0b-4e0e-8f43-7b1d5c0a21e7" });
    let (_, taken) = stage.post(SENDER, "/v1/messages", &own).await;
    assert_eq!(taken["id"], own["id"]);
}

#[tokio::test(flavor = "multi_thread")]
async fn what_cannot_be_sent_is_refused_and_nothing_is_on_the_bus() {
    let stage = Stage::set().await;
    for (body, told) in [
        (json!({ "backend": "c", "to": PERSON, "text": "x" }), "backend: there is no backend c"),
        (json!({ "backend": "b", "to": "somebody", "text": "x" }), "to: not a telephone number"),
        (json!({ "backend": "b", "to": "unknown", "text": "x" }), "to: not a telephone number"),
        (json!({ "backend": "b", "to": PERSON, "text": " " }), "text: there is nothing in it"),
        (json!({ "backend": "b", "to": PERSON, "text": "x", "from": "us" }), "from: not a telephone number"),
    ] {
        let (status, problem) = stage.post(SENDER, "/v1/messages", &body).await;
        assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
        assert!(problem["detail"].as_str().unwrap().starts_with(told), "{problem}");
    }
    let (status, _) = stage.post(CLERK, "/v1/messages", &wanted("x")).await;
    assert_eq!(status, StatusCode::FORBIDDEN);
    assert_eq!(stage.depth(QueueName::lane(&backend())).await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn of_many_each_is_told_by_itself_and_the_rest_is_sent() {
    let stage = Stage::set().await;
    let messages = json!({ "messages": [wanted("one"), { "to": PERSON }, wanted(" "), wanted("four")] });
    let ask = async || {
        let request = stage.ask(SENDER, Method::POST, "/v1/messages/bulk").header("Idempotency-Key", "k");
        answer(request.json(&messages).send().await.unwrap()).await
    };
    let (status, told) = ask().await;
    assert_eq!(status, StatusCode::OK, "{told}");
    let results = told["results"].as_array().unwrap();
    assert!(results[0]["id"].is_string() && results[3]["id"].is_string(), "{told}");
    assert_eq!((&results[1]["problem"]["status"], &results[2]["problem"]["status"]), (&json!(400), &json!(422)));
    assert_eq!(stage.depth(QueueName::lane(&backend())).await, 2);
    assert_eq!(ask().await.1["results"][0], results[0]);
    for key in ["k".repeat(256), "a\tb".to_owned()] {
        let request = stage.ask(SENDER, Method::POST, "/v1/messages/bulk").header("Idempotency-Key", key);
        let (status, _) = answer(request.json(&json!({ "messages": [] })).send().await.unwrap()).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
    }
    let many: Vec<Value> = (0..1001).map(|_| wanted("x")).collect();
    let (status, _) = stage.post(SENDER, "/v1/messages/bulk", &json!({ "messages": many })).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
}

#[tokio::test(flavor = "multi_thread")]
async fn a_text_straight_into_the_bus_is_for_the_router_as_from_ingress() {
    let stage = Stage::set().await;
    let text = json!({ "backend": "b", "from": PERSON, "text": "echo hello", "way": "bus" });
    let (status, texted) = stage.post(SENDER, "/v1/texts", &text).await;
    assert_eq!(status, StatusCode::ACCEPTED, "{texted}");
    let shard = protocol::topology::shard(&backend(), &PERSON.parse().unwrap());
    let mut queue = stage.bus.subscribe(&QueueName::shard(&shard), 1).await.unwrap();
    let delivery = queue.next().await.unwrap();
    assert_eq!(delivery.properties.message_id.as_deref(), texted["id"].as_str());
    assert_eq!(delivery.properties.correlation_id.as_deref(), texted["session_id"].as_str());
    let body: Value = serde_json::from_slice(&delivery.body).unwrap();
    assert_eq!((&body["data"]["from"], &body["data"]["to"]), (&json!(PERSON), &json!(NUMBER)));
    delivery.settler.ack().await;
    let through = json!({ "backend": "b", "from": PERSON, "text": "x", "way": "simulator" });
    let (status, problem) = stage.post(SENDER, "/v1/texts", &through).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY, "{problem}");
}
