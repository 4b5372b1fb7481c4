//! From phone to phone, instant messengers, and MMS.

use serde_json::{Value, json};

use crate::stage::{PHONE, Posted, Reply, Stage};

const OTHER: &str = "+15555550178";

fn silent(_: &Posted) -> Reply {
    Reply::hangup()
}

#[tokio::test]
async fn a_phone_texts_another_that_is_on_and_a_number_that_nobody_has_is_refused() {
    let stage = Stage::new(silent).await;
    let path = format!("/phones/{PHONE}/texts");
    let texting = json!({"to": OTHER, "text": "hello"});
    let (status, answer) = stage.post(&path, &texting).await;
    assert_eq!(status, 404);
    let error = answer["error"].as_str().unwrap();
    assert!(error.contains("GET /applications") && error.contains("GET /phones"), "{error}");
    assert_eq!(stage.get(&format!("/phones/{OTHER}")).await.0, 404);

    // Opening its page switches a phone on, as having texted does.
    let page = stage.http.get(stage.url(&format!("/phones/{OTHER}"))).header("Accept", "text/html");
    assert_eq!(page.send().await.unwrap().status(), 200);
    let (status, answer) = stage.post(&path, &texting).await;
    assert_eq!((status, &answer["session_id"], &answer["parts"]), (202, &Value::Null, &json!(1)));
    let message = stage.messages(OTHER, 1).await.remove(0);
    assert_eq!((&message["from"], &message["to"], &message["text"]), (&json!(PHONE), &json!(OTHER), &json!("hello")));
    assert_eq!((&message["index"], &message["session_id"]), (&answer["index"], &Value::Null));
    let (_, phone) = stage.get(&format!("/phones/{PHONE}")).await;
    assert_eq!((&phone["sent"], &phone["received"]), (&json!(1), &json!(0)));
    // It sent, so it is on, too.
    assert_eq!(stage.post(&format!("/phones/{OTHER}/texts"), &json!({"to": PHONE, "text": "hi"})).await.0, 202);
    assert_eq!(stage.texts(PHONE, 1).await, ["hi"]);
    assert!(stage.posted().is_empty());
}

#[tokio::test]
async fn what_only_an_mms_has_and_nobody_who_can_text_are_refused() {
    let stage = Stage::new(silent).await;
    for (phone, more, word) in [
        (PHONE, json!({"subject": "x"}), "set network MMS"),
        (PHONE, json!({"media": ["http://h/1.jpg"], "network": "JABBER"}), "set network MMS"),
        (PHONE, json!({"media": vec!["x"; 21], "network": "MMS"}), "at most 20 files"),
        (PHONE, json!({"media": ["x".repeat(2049)], "network": "MMS"}), "2048 bytes"),
        ("unknown", json!({}), "withheld"),
    ] {
        let mut texting = json!({"to": "+15555550100", "text": "hi"});
        texting.as_object_mut().unwrap().extend(more.as_object().unwrap().clone());
        let (status, answer) = stage.post(&format!("/phones/{phone}/texts"), &texting).await;
        assert_eq!(status, 400, "{texting}: {answer}");
        assert!(answer["error"].as_str().unwrap().contains(word), "{texting}: {answer}");
    }
    assert!(stage.posted().is_empty());
}

/// An application that is on JABBER by a name, and is written to by a name, answers by its name.
#[tokio::test]
async fn names_talk_on_networks_that_have_names() {
    let stage = Stage::new(|posted| {
        let to = posted.body["session"]["from"]["id"].clone();
        let message = json!({"to": to, "network": "JABBER", "say": {"value": "in a message"}});
        Reply::document(&json!({"tropo": [{"say": {"value": "said"}}, {"message": message}]}))
    })
    .await;
    let url = format!("http://{}/bot", stage.application());
    let added = json!({"name": "bot", "messaging_url": url, "messaging_token": "T2",
                       "numbers": ["+15555550199", "bot@im.example.net"]});
    assert_eq!(stage.post("/applications", &added).await.0, 201);
    let texting = json!({"to": "bot@im.example.net", "text": "hi", "network": "jabber"});
    let (status, answer) = stage.post("/phones/alice@im.example.net/texts", &texting).await;
    assert_eq!(status, 202, "{answer}");
    let messages = stage.messages("alice@im.example.net", 2).await;
    for (message, text) in messages.iter().zip(["said", "in a message"]) {
        assert_eq!((&message["from"], &message["text"]), (&json!("bot@im.example.net"), &json!(text)));
        assert_eq!(message["network"], "JABBER");
    }
    let posted = stage.posted().remove(0);
    assert_eq!(posted.body["session"]["to"]["id"], "bot@im.example.net");
}

#[tokio::test]
async fn an_mms_comes_in_with_its_subject_and_media_in_2017_alone() {
    let stage = Stage::new(silent).await;
    let texting = json!({"to": "+15555550100", "text": "look", "network": "MMS", "subject": "holiday",
                         "media": ["http://files.example.net/1.jpg", "2.jpg"]});
    let path = format!("/phones/{PHONE}/texts");
    stage.set_knobs(json!({"era": 2017})).await;
    assert_eq!(stage.post(&path, &texting).await.0, 202);
    let session = stage.webhooks(1).await[0].body["session"].clone();
    assert_eq!((&session["initialText"], &session["subject"]), (&json!("look"), &json!("holiday")));
    assert_eq!(
        session["initialMedia"],
        json!([
            {"status": "success", "media": "http://files.example.net/1.jpg"},
            {"status": "failure", "media": "2.jpg", "disposition": "Failed to upload: 500 Internal Error"},
            {"status": "success", "text": "look"},
        ])
    );
    assert_eq!(session["from"]["network"], "MMS");

    stage.set_knobs(json!({})).await;
    let (_, answer) = stage.post(&path, &texting).await;
    let session = stage.webhooks(2).await[1].body["session"].clone();
    assert!(session.get("subject").is_none() && session.get("initialMedia").is_none(), "{session}");
    let lines = stage.lines(answer["session_id"].as_str().unwrap()).await;
    assert!(lines.iter().any(|line| line.contains("are left out: Tropo has them since 2017")), "{lines:#?}");
}

#[tokio::test]
async fn an_mms_goes_out_with_its_subject_and_media_and_other_networks_carry_none() {
    let says = |network: &str| {
        let media = json!(["http://files.example.net/1.jpg", "inline words"]);
        let message = json!({"to": PHONE, "network": network, "say": {"value": "holiday", "media": media}});
        json!({"tropo": [{"message": message}]})
    };
    let stage =
        Stage::new(move |posted| Reply::document(&says(posted.body["session"]["initialText"].as_str().unwrap()))).await;
    stage.text(OTHER, "MMS").await;
    let message = stage.messages(PHONE, 1).await.remove(0);
    assert_eq!((&message["subject"], &message["text"]), (&json!("holiday"), &json!("inline words")));
    assert_eq!((&message["media"], &message["network"]), (&json!(["http://files.example.net/1.jpg"]), &json!("MMS")));
    assert_eq!(message.get("encoding"), None);

    let session = stage.text(OTHER, "SMS").await;
    let message = stage.messages(PHONE, 2).await.remove(1);
    assert_eq!((&message["text"], message.get("media")), (&json!("holiday"), None));
    let lines = stage.lines(&session).await;
    assert!(lines.iter().any(|line| line.contains("The media are left out: set network MMS")), "{lines:#?}");
}
