//! Dead letters are looked at, replayed, edited and removed, over the API and by pages.

mod scripted;

use std::time::Duration;

use messaging::headers::{DEAD_AT, EDITED_AT, ERROR, QUEUE, REASON, REPLAYED_AT, ROUTING_KEY};
use messaging::{Destination, Message, Properties};
use protocol::topology::QueueName;
use reqwest::header::CONTENT_TYPE;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use url::form_urlencoded::Serializer;

use crate::stage::{CLERK, DEADLINE, OPERATOR, READER, Stage, backend, config};

/// The cause of the usual letter; the number in it differs from letter to letter.
const REFUSED: &str = "Tropo rejected the message for good: status 403 for session 123456";

fn id(number: u32) -> String {
    format!("0b6fd3a1-6f0e-5d7c-9e0a-{number:012}")
}

impl Stage {
    async fn bury(&self, number: u32, reason: &str, error: &str) {
        self.bury_message(&id(number), reason, error).await;
    }

    /// Puts the letter of a message among the dead ones.
    pub(crate) async fn bury_message(&self, id: &str, reason: &str, error: &str) {
        let lane = QueueName::lane(&backend());
        let headers = [
            (QUEUE, lane.as_str()),
            (ROUTING_KEY, "message.send.b"),
            (REASON, reason),
            (ERROR, error),
            (DEAD_AT, "2026-11-23T10:00:00Z"),
            ("authorization", "of others"),
        ];
        let body = json!({
            "id": id, "type": "message.send.v1", "backend": "b", "time": "2026-11-23T09:00:00Z",
            "data": { "to": "+15555550177", "text": "wrods", "application": "survey" },
        });
        let properties = Properties {
            message_id: Some(id.to_owned()),
            message_type: Some("message.send.v1".to_owned()),
            headers: headers.map(|(name, value)| (name.to_owned(), value.to_owned())).into(),
            ..Properties::default()
        };
        let message = Message { destination: Destination::Dead, properties, body: body.to_string().into() };
        self.bus.publish(message).await.unwrap();
    }

    /// Has an order carried out, and gives what was told.
    async fn work(&self, order: &Value) -> Vec<Value> {
        let asked = self.ask(OPERATOR, Method::POST, "/v1/dead-letters/work").json(order).send().await.unwrap();
        assert_eq!(asked.status(), StatusCode::OK, "{order}");
        lines(&asked.text().await.unwrap())
    }

    /// Who did what, the latest first.
    async fn acts(&self) -> Vec<(String, String, Value)> {
        let acts = self.opened.desk.acts(None, 100).await.unwrap();
        acts.into_iter().map(|it| (it.act.who, it.act.action, serde_json::from_str(&it.act.detail).unwrap())).collect()
    }

    async fn dead(&self) -> u64 {
        self.depth(QueueName::dead()).await
    }

    async fn replayed(&self) -> u64 {
        self.depth(QueueName::lane(&backend())).await
    }

    /// A page, as somebody sees it who has that token.
    async fn page(&self, who: &str, path: &str) -> String {
        let page = self.ask(who, Method::GET, path).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        page.text().await.unwrap()
    }

    /// What is answered to a form.
    async fn form(&self, path: &str, fields: &[(&str, &str)]) -> String {
        let body = Serializer::new(String::new()).extend_pairs(fields).finish();
        let asked = self.ask(OPERATOR, Method::POST, path).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let page = asked.body(body).send().await.unwrap();
        assert_eq!(page.status(), StatusCode::OK, "{path}");
        page.text().await.unwrap()
    }
}

fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_told_by_cause_and_one_by_one_and_stay() {
    let stage = Stage::set().await;
    stage.bury(1, "failed", REFUSED).await;
    stage.bury(2, "failed", "Tropo rejected the message for good: status 403 for session 987654").await;
    stage.bury(3, "attempts_exhausted", "the session did not call back within 30s").await;
    let (status, told) = stage.get(READER, "/v1/dead-letters/groups").await;
    assert_eq!((status, &told["summary"]["seen"]), (StatusCode::OK, &json!(3)), "{told}");
    let group = &told["groups"][0];
    assert_eq!((&group["count"], &group["backend"]), (&json!(2), &json!("b")));
    assert_eq!(group["cause"], "Tropo rejected the message for good: status 403 for session …");
    assert!(group["advice"].as_str().unwrap().contains("messaging_token"), "{group}");
    let of_group = format!("/v1/dead-letters?group={}", group["id"].as_str().unwrap());
    let (_, told) = stage.get(READER, &of_group).await;
    let ids: Vec<&Value> = told["letters"].as_array().unwrap().iter().map(|letter| &letter["id"]).collect();
    assert_eq!(ids, [&json!(id(1)), &json!(id(2))]);
    assert!(told["letters"][0].get("payload").is_none(), "a line is about nobody");
    let (_, told) = stage.get(READER, "/v1/dead-letters?reason=attempts_exhausted&limit=1").await;
    assert_eq!(told["letters"][0]["id"], id(3));
    let (status, _) = stage.get(READER, "/v1/dead-letters?limit=501").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    let (status, _) = stage.get(READER, "/v1/dead-letters?bakend=b").await;
    assert_eq!(status, StatusCode::BAD_REQUEST);
    assert_eq!(stage.dead().await, 3);
    assert!(stage.acts().await.is_empty(), "to look is no act");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_a_letter_says_is_for_those_who_may_see_people() {
    let stage = Stage::set().await;
    stage.bury(1, "failed", REFUSED).await;
    let path = format!("/v1/dead-letters/{}", id(1));
    let (_, told) = stage.get(READER, &path).await;
    assert_eq!((&told["payload"]["data"]["to"], &told["payload"]["backend"]), (&json!("***"), &json!("b")));
    let (_, told) = stage.get(CLERK, &path).await;
    assert_eq!(told["payload"]["data"]["to"], "+15555550177");
    for (who, expected) in [(READER, StatusCode::FORBIDDEN), (CLERK, StatusCode::OK)] {
        let (status, _) = stage.get(who, "/v1/dead-letters?detail=plain").await;
        assert_eq!(status, expected, "{who}");
        let order = json!({ "action": "look", "detail": "plain" });
        assert_eq!(stage.post(who, "/v1/dead-letters/work", &order).await.0, expected, "{who}");
    }
    assert!(!stage.page(READER, &format!("/dead-letters/{}", id(1))).await.contains("5555550177"));
    assert!(stage.page(CLERK, &format!("/dead-letters/{}", id(1))).await.contains("+15555550177"));
    let (status, _) = stage.get(READER, &format!("/v1/dead-letters/{}", id(2))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);

    // So are the words of others in the chain of causes and among the headers, and finding letters by such words.
    stage.bury(3, "failed", "the application failed for 123456: Ann Example is not known").await;
    let look = json!({ "action": "look", "detail": "masked", "filter": { "ids": [id(3)] } });
    for who in [READER, CLERK] {
        let (_, one) = stage.get(who, &format!("/v1/dead-letters/{}", id(3))).await;
        let (_, listed) = stage.get(who, &format!("/v1/dead-letters?id={}", id(3))).await;
        let (_, worked) = stage.post(who, "/v1/dead-letters/work", &look).await;
        let page = stage.page(who, &format!("/dead-letters/{}", id(3))).await;
        for told in [one.to_string(), listed.to_string(), worked.to_string(), page] {
            assert!(told.contains("the application failed for"), "{told}");
            assert_eq!(told.contains("Ann Example"), who == CLERK, "{who}: {told}");
        }
        assert_eq!(one["headers"].get("authorization").is_some(), who == CLERK, "{one}");
        assert_eq!(one["headers"]["tropomq-reason"], "failed");
        let expected = if who == CLERK { StatusCode::OK } else { StatusCode::FORBIDDEN };
        assert_eq!(stage.get(who, "/v1/dead-letters?error=Ann").await.0, expected);
        let look = json!({ "action": "look", "filter": { "error": "Ann" } });
        assert_eq!(stage.post(who, "/v1/dead-letters/work", &look).await.0, expected);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_replay_is_on_record_before_the_first_letter_and_tells_how_it_goes() {
    let stage = Stage::set().await;
    for number in 1..=3 {
        stage.bury(number, "failed", REFUSED).await;
    }
    stage.bury(4, "panicked", "").await;
    let rehearsed = stage.work(&json!({ "action": "rehearse" })).await;
    assert_eq!((&rehearsed[5]["done"]["replayed"], stage.dead().await), (&json!(4), 4));
    assert!(stage.acts().await.is_empty(), "nothing was changed");
    let order =
        json!({ "action": "replay", "filter": { "reason": "failed", "error": "403" }, "limit": 2, "rate": 1000 });
    let told = stage.work(&order).await;
    assert_eq!(told[0], json!({ "begun": { "on_record": true } }));
    assert_eq!(
        (&told[1]["letter"]["outcome"], &told[1]["letter"]["letter"]["id"]),
        (&json!("replayed"), &json!(id(1)))
    );
    assert_eq!((&told[3]["done"]["replayed"], told.len()), (&json!(2), 4));
    assert_eq!((stage.dead().await, stage.replayed().await), (2, 2));
    let acts = stage.acts().await;
    let [(who, end, summary), (_, begin, detail)] = &acts[..] else { panic!("{acts:?}") };
    assert_eq!(
        (who.as_str(), begin.as_str(), end.as_str()),
        (OPERATOR, "dead_letters.replay", "dead_letters.replay.end")
    );
    assert_eq!((&detail["filter"], &detail["rate"]), (&json!("reason=failed error=…"), &json!(1000)));
    assert_eq!((&summary["summary"]["replayed"], &summary["ordered"]["filter"]), (&json!(2), &detail["filter"]));
}

#[tokio::test(flavor = "multi_thread")]
async fn nobody_changes_all_by_leaving_something_out_nor_without_the_scope() {
    let stage = Stage::set().await;
    stage.bury(1, "failed", REFUSED).await;
    let work = "/v1/dead-letters/work";
    for (who, order, expected) in [
        (READER, json!({ "action": "rehearse" }), StatusCode::FORBIDDEN),
        (CLERK, json!({ "action": "drop", "all": true }), StatusCode::FORBIDDEN),
        (OPERATOR, json!({ "action": "drop" }), StatusCode::UNPROCESSABLE_ENTITY),
        (OPERATOR, json!({ "action": "replay", "filter": {} }), StatusCode::UNPROCESSABLE_ENTITY),
        (
            OPERATOR,
            json!({ "action": "drop", "all": true, "filter": { "reason": "x" } }),
            StatusCode::UNPROCESSABLE_ENTITY,
        ),
        (OPERATOR, json!({ "action": "drop", "filter": { "reson": "failed" } }), StatusCode::BAD_REQUEST),
        (OPERATOR, json!({ "action": "replay", "all": true, "rate": 0 }), StatusCode::BAD_REQUEST),
    ] {
        let (status, told) = stage.post(who, work, &order).await;
        assert_eq!(status, expected, "{who} {order}: {told}");
    }
    let replay = format!("/v1/dead-letters/{}/replay", id(1));
    assert_eq!(stage.post(CLERK, &replay, &json!({})).await.0, StatusCode::FORBIDDEN);
    assert_eq!((stage.dead().await, stage.acts().await.len()), (1, 0));
    let told = stage.work(&json!({ "action": "drop", "all": true })).await;
    assert_eq!((&told[2]["done"]["dropped"], stage.dead().await), (&json!(1), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_replayed_with_other_data_or_stays_as_it_is() {
    let stage = Stage::set().await;
    stage.bury(1, "failed", REFUSED).await;
    stage.bury(2, "failed", REFUSED).await;
    let replay = |number| format!("/v1/dead-letters/{}/replay", id(number));
    let bad = json!({ "data": { "to": "", "text": "words", "application": "survey" } });
    let (status, told) = stage.post(OPERATOR, &replay(2), &bad).await;
    assert_eq!(status, StatusCode::UNPROCESSABLE_ENTITY);
    assert!(told["detail"].as_str().unwrap().contains("to has no valid value"), "{told}");
    assert_eq!((stage.dead().await, stage.replayed().await), (2, 0));
    let good = json!({ "data": { "to": "+15555550178", "text": "words", "application": "survey" } });
    let (status, told) = stage.post(OPERATOR, &replay(2), &good).await;
    assert_eq!((status, told), (StatusCode::OK, json!({ "id": id(2), "on_record": true })));
    let mut lane = stage.bus.subscribe(&QueueName::lane(&backend()), 10).await.unwrap();
    let delivery = lane.next().await.unwrap();
    let body: Value = serde_json::from_slice(&delivery.body).unwrap();
    assert_eq!((&body["id"], &body["data"]), (&json!(id(2)), &good["data"]));
    assert!([EDITED_AT, REPLAYED_AT].iter().all(|name| delivery.properties.headers.contains_key(*name)));
    assert_eq!(stage.post(OPERATOR, &replay(2), &good).await.0, StatusCode::NOT_FOUND);
    let acts = stage.acts().await;
    assert!(acts.iter().all(|(_, action, _)| action.starts_with("dead_letters.edit")), "{acts:?}");
    let written = format!("{acts:?}");
    assert!(written.contains(&id(2)) && !written.contains("5555550178") && !written.contains("words"), "{written}");
    assert_eq!(stage.post(OPERATOR, &replay(1), &json!({})).await.0, StatusCode::OK, "as it is");
    assert_eq!(stage.dead().await, 0);
}

#[tokio::test(flavor = "multi_thread")]
async fn work_ends_when_nobody_reads_on_or_the_process_stops_and_loses_nothing() {
    let stage = Stage::set().await;
    for number in 1..=30 {
        stage.bury(number, "failed", REFUSED).await;
    }
    let order = json!({ "action": "replay", "all": true, "rate": 20 });
    let begin = async || {
        let asked = stage.ask(OPERATOR, Method::POST, "/v1/dead-letters/work").json(&order).send();
        let mut asked = asked.await.unwrap();
        let mut heard = String::new();
        while heard.lines().count() < 4 {
            heard += str::from_utf8(&asked.chunk().await.unwrap().unwrap()).unwrap();
        }
        asked
    };
    drop(begin().await);
    let settled = async {
        // What was in hand is there again once the work has ended.
        while stage.dead().await + stage.replayed().await < 30 {
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
    };
    tokio::time::timeout(DEADLINE, settled).await.unwrap();
    assert!(stage.replayed().await < 30, "it went on with nobody there");
    let told = begin().await;
    stage.stop();
    let rest = told.text().await.unwrap();
    assert!(rest.lines().last().unwrap().contains("stopped before the end"), "{rest}");
    let (_, action, end) = stage.acts().await.remove(0);
    assert_eq!(action, "dead_letters.replay.end");
    assert!(end["ended_early"].as_str().unwrap().contains("stopped"), "{end}");
}

#[tokio::test(flavor = "multi_thread")]
async fn letters_are_replayed_while_the_database_is_away_and_that_is_told() {
    let stage = Stage::without_database(config()).await;
    stage.bury(1, "failed", REFUSED).await;
    stage.bury(2, "failed", REFUSED).await;
    let told = stage.work(&json!({ "action": "replay", "filter": { "ids": [id(1)] } })).await;
    assert_eq!((&told[0], &told[2]["done"]["replayed"]), (&json!({ "begun": { "on_record": false } }), &json!(1)));
    let (status, told) = stage.post(OPERATOR, &format!("/v1/dead-letters/{}/replay", id(2)), &json!({})).await;
    assert_eq!((status, &told["on_record"]), (StatusCode::OK, &json!(false)));
    stage.bury(3, "failed", REFUSED).await;
    let page = stage.form("/dead-letters/work", &[("limit", "1"), ("action", "drop")]).await;
    assert!(page.contains("1 letter dropped. The database is away"), "{page}");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_no_queue_was_bound_for_is_there_as_well() {
    let stage = Stage::set().await;
    let properties = Properties { message_id: Some(id(1)), ..Properties::default() };
    let destination = Destination::Topic { routing_key: "message.send.nobody".to_owned() };
    let body = json!({ "id": id(1) }).to_string().into();
    stage.bus.publish(Message { destination, properties, body }).await.unwrap();
    let (_, told) = stage.get(READER, "/v1/dead-letters/groups?place=unrouted").await;
    assert_eq!((&told["groups"][0]["count"], &told["groups"][0]["backend"]), (&json!(1), &json!("nobody")), "{told}");
    let page = stage.page(READER, "/dead-letters?place=unrouted").await;
    assert!(page.contains("No queue was bound for these"), "{page}");
    let told = stage.work(&json!({ "action": "drop", "place": "unrouted", "all": true })).await;
    assert_eq!((&told[2]["done"]["dropped"], stage.dead().await), (&json!(1), 0));
}

#[tokio::test(flavor = "multi_thread")]
async fn what_somebody_else_has_in_hand_is_told() {
    let stage = Stage::set().await;
    for number in 1..=3 {
        stage.bury(number, "failed", REFUSED).await;
    }
    let mut other = stage.bus.subscribe(&QueueName::dead(), 2).await.unwrap();
    let in_hand = [other.next().await.unwrap(), other.next().await.unwrap()];
    let (status, told) = stage.get(READER, &format!("/v1/dead-letters/{}", id(1))).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    assert!(told["detail"].as_str().unwrap().contains("in hand"), "{told}");
    let told = stage.work(&json!({ "action": "replay", "filter": { "ids": [id(1), id(3)] } })).await;
    let done = &told.last().unwrap()["done"];
    assert_eq!((&done["replayed"], &done["missing"]), (&json!(1), &json!([id(1)])));
    drop((in_hand, other));
}

#[tokio::test(flavor = "multi_thread")]
async fn pages_show_letters_by_cause_and_do_the_work_without_a_script() {
    let stage = Stage::set().await;
    let page = stage.page(READER, "/dead-letters").await;
    assert!(page.contains("There are no dead letters"), "{page}");
    assert!(stage.page(READER, "/dead-letters?place=unrouted").await.contains("There is nothing unrouted"));
    stage.bury(1, "failed", REFUSED).await;
    stage.bury(2, "failed", "Tropo rejected the message for good: status 403 for session 987654").await;
    stage.bury(3, "panicked", "<script>alert(1)</script>").await;
    let page = stage.page(READER, "/dead-letters").await;
    assert!(page.contains("status 403 for session …") && page.contains("&lt;script&gt;alert"), "{page}");
    assert!(!page.contains("<form"), "who may only read can change nothing: {page}");
    let (_, told) = stage.get(READER, "/v1/dead-letters/groups").await;
    let group = told["groups"][0]["id"].as_str().unwrap();
    let page = stage.page(OPERATOR, &format!("/dead-letters?place=dead&group={group}")).await;
    assert!(page.contains("What to do") && page.contains(&id(1)) && !page.contains(&id(3)), "{page}");
    let page = stage.page(OPERATOR, &format!("/dead-letters?place=dead&group={group}&drop=ask")).await;
    assert!(page.contains("Remove 2 letters for good?"), "{page}");
    assert_eq!(stage.dead().await, 3, "nothing was removed by asking");
    // One more comes of the same cause before the form is sent: it was not shown, and stays.
    stage.bury(4, "failed", REFUSED).await;
    let fields = [("csrf", ""), ("place", "dead"), ("group", group), ("limit", "2"), ("action", "rehearse")];
    let page = stage.form("/dead-letters/work", &fields).await;
    assert!(page.contains("2 letters can be replayed; nothing was changed."), "{page}");
    let fields = [("csrf", ""), ("place", "dead"), ("group", group), ("limit", "2"), ("action", "drop")];
    let page = stage.form("/dead-letters/work", &fields).await;
    assert!(page.contains("2 letters dropped."), "{page}");
    let fields = [("place", "dead"), ("limit", "9"), ("action", "replay"), ("rate", "100")];
    let page = stage.form("/dead-letters/work", &fields).await;
    assert!(page.contains("2 letters replayed.") && page.contains("There are no dead letters"), "{page}");
    assert_eq!((stage.dead().await, stage.replayed().await), (0, 2));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_letter_is_edited_on_its_page() {
    let stage = Stage::set().await;
    stage.bury(1, "failed", REFUSED).await;
    let path = format!("/dead-letters/{}", id(1));
    let page = stage.page(OPERATOR, &path).await;
    assert!(page.contains(">wrods</textarea>") && page.contains("value=\"+15555550177\""), "{page}");
    assert!(!stage.page(CLERK, &path).await.contains("<textarea"), "who may not operate cannot edit");
    let fields = [("place", "dead"), ("to", ""), ("text", "words")];
    let page = stage.form(&path, &fields).await;
    assert!(page.contains("to is missing"), "{page}");
    assert!(
        page.contains("id=\"edit\" open>") && page.contains(">words</textarea>"),
        "nothing is to be typed again: {page}"
    );
    let fields = [("place", "dead"), ("to", "+15555550178"), ("text", "words"), ("from", ""), ("expires_at", "")];
    let page = stage.form(&path, &fields).await;
    assert!(page.contains("The letter was edited and replayed."), "{page}");
    let mut lane = stage.bus.subscribe(&QueueName::lane(&backend()), 10).await.unwrap();
    let delivery = lane.next().await.unwrap();
    let body: Value = serde_json::from_slice(&delivery.body).unwrap();
    assert_eq!(body["data"], json!({ "to": "+15555550178", "text": "words", "application": "survey" }));
}
