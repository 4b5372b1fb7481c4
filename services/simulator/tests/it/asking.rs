//! Questions, and the texts that answer them.

use std::time::Duration;

use protocol::Network;
use serde_json::{Value, json};
use simulator::{Config, Texting};

use crate::stage::{NUMBER, PHONE, Posted, Reply, Stage, assert_line, until};

/// A question with that name, and its handlers.
fn asks(name: &str, choices: &str, next: &str) -> Value {
    json!({"tropo": [
        {"ask": {"name": name, "choices": {"value": choices}, "say": {"value": format!("{name}?")}, "timeout": 20}},
        {"on": {"event": "continue", "next": next}},
        {"on": {"event": "incomplete", "next": "/incomplete"}},
    ]})
}

/// Takes the text that it begins with, asks for a name and a PIN, and tells both.
fn registration(posted: &Posted) -> Reply {
    let value = |posted: &Posted| posted.body["result"]["actions"]["value"].clone();
    Reply::document(&match posted.target.as_str() {
        "/tropo/hook?auth=s3cret" => asks("catch", "[ANY]", "/name"),
        "/name" => asks("name", "[ANY]", "/pin"),
        "/pin" => asks("pin", "[4 DIGITS]", "/done"),
        _ => json!({"tropo": [{"say": {"value": format!("done: {}", value(posted))}}]}),
    })
}

#[tokio::test]
async fn a_conversation_is_one_session_from_the_first_text_to_the_last() {
    let stage = Stage::new(registration).await;
    let session = stage.text(PHONE, "JOIN").await;
    assert_eq!(stage.texts(PHONE, 1).await, ["name?"]);
    assert_eq!(stage.text(PHONE, "Ann <é> & \"Bob\"").await, session);
    assert_eq!(stage.texts(PHONE, 2).await, ["name?", "pin?"]);
    assert_eq!(stage.text(PHONE, " 47 11 ").await, session);
    assert_eq!(stage.texts(PHONE, 3).await[2], "done: \"4711\"");
    let view = stage.ended(&session).await;
    assert_eq!((&view["state"], &view["documents"]), (&json!("finished"), &json!(4)));

    let catch = stage.result("/name").await;
    assert_eq!((&catch["actions"]["name"], &catch["actions"]["value"]), (&json!("catch"), &json!("JOIN")));
    let name = stage.result("/pin").await;
    assert_eq!(name["actions"]["value"], "Ann <é> & \"Bob\"");
    assert!(name["actions"]["xml"].as_str().unwrap().contains("Ann &lt;é&gt; &amp; &quot;Bob&quot;"));
    let pin = stage.result("/done").await;
    assert_eq!((&pin["sequence"], &pin["state"], &pin["complete"]), (&json!(3), &json!("ANSWERED"), &json!(true)));

    // The session is over: what is texted now begins another.
    assert_ne!(stage.text(PHONE, "JOIN").await, session);
    assert_line(&stage.lines(&session).await, "The question is not put: a text that came before answers it");
}

#[tokio::test]
async fn a_result_has_what_real_ones_have_in_their_order() {
    let stage = Stage::new(registration).await;
    stage.text(PHONE, "4711").await;
    stage.texts(PHONE, 1).await;
    let raw = stage.webhooks(2).await[1].raw.clone();
    crate::stage::assert_in_order(
        &raw,
        &[
            "{\"result\":{\"sessionId\":\"",
            "\",\"callId\":\"",
            "\",\"state\":\"ANSWERED\",\"sessionDuration\":0,\"sequence\":1,\"complete\":true,\"error\":null,",
            "\"actions\":{\"name\":\"catch\",\"attempts\":1,\"disposition\":\"SUCCESS\",\"confidence\":100,",
            "\"interpretation\":\"4711\",\"utterance\":\"4711\",\"value\":\"4711\",\"xml\":\"",
            "<?xml version=\\\"1.0\\\"?>\\r\\n<result grammar=\\\"0@",
            ".vxmlgrammar\\\"",
            "<input mode=\\\"dtmf\\\">4711<\\/input>",
            "<\\/result>\\r\\n\"}}}",
        ],
    );
}

/// One question to a phone, by a text that is no answer to it; what its result holds of these members.
async fn check(ask: Value, answers: &[&str], target: &str, expected: Value, said: &[&str]) -> (Stage, String) {
    let on = json!([{"event": "continue", "next": "/c"}, {"event": "incomplete", "next": "/i"},
                    {"event": "error", "next": "/e"}]);
    let catch = json!({"ask": {"choices": {"value": "[ANY]"}, "name": "catch"}});
    let stage = Stage::with(json!([catch, {"ask": ask.clone()}, {"on": on}])).await;
    let session = stage.text(PHONE, "hi").await;
    for (count, answer) in answers.iter().enumerate() {
        stage.messages(PHONE, count + 1).await;
        assert_eq!(stage.text(PHONE, answer).await, session);
    }
    let result = stage.result(target).await;
    stage.ended(&session).await;
    let action = result["actions"].get(1).cloned().unwrap_or_default();
    let found: Value = expected.as_object().unwrap().keys().map(|key| (key.clone(), action[key].clone())).collect();
    assert_eq!(found, expected, "{ask}");
    assert_eq!(stage.texts(PHONE, said.len()).await, said, "{ask}");
    (stage, session)
}

#[tokio::test]
async fn an_answer_is_understood_by_its_choices() {
    let ask = |choices: &str| json!({"name": "q", "choices": {"value": choices}, "say": {"value": "Well?"}});
    let meant = |interpretation: &str, value: &str, concept: Value| {
        json!({"interpretation": interpretation, "value": value, "concept": concept, "disposition": "SUCCESS",
               "confidence": 100, "attempts": 1})
    };
    let said = &["Well?"];
    check(ask("yes(y, 1), no(n, 2)"), &["Y"], "/c", meant("y", "yes", json!("yes")), said).await;
    check(ask("red, green"), &[" GREEN"], "/c", meant("green", "green", json!("green")), said).await;
    check(ask("[4-6 DIGITS]"), &["12-34-5"], "/c", meant("12345", "12345", json!(null)), said).await;
    let terminated = json!({"choices": {"value": "[4 DIGITS]", "terminator": "#"}, "say": [{"value": "Well?"}]});
    check(terminated, &["4711#"], "/c", meant("4711", "4711", json!(null)), said).await;
}

#[tokio::test]
async fn an_answer_that_does_not_fit_is_asked_for_again() {
    let say = json!([{"value": "Hello?", "event": "timeout"}, {"value": "Four digits.", "event": "nomatch:1"},
                     {"value": "Really.", "event": "nomatch:2 timeout"}, {"value": "PIN?"}]);
    let ask = json!({"choices": {"value": "[4 DIGITS]"}, "say": say, "attempts": "3.0", "name": "pin"});
    let said = &["PIN?", "Four digits.", "PIN?", "Really.", "PIN?"];
    let stage = Stage::with(json!([{"ask": ask}, {"on": {"event": "continue", "next": "/c"}}])).await;
    let session = stage.text(PHONE, "hi").await;
    // The opening text was the first attempt.
    assert_eq!(stage.texts(PHONE, 2).await, ["Four digits.", "PIN?"]);
    stage.text(PHONE, "four").await;
    assert_eq!(stage.texts(PHONE, 4).await[2..], said[3..]);
    stage.text(PHONE, "4711").await;
    let action = stage.result("/c").await["actions"].clone();
    assert_eq!((&action["attempts"], &action["value"]), (&json!(3), &json!("4711")));
    assert_line(&stage.lines(&session).await, "The answer fits none of the choices: \"four\"");

    let ask = json!({"choices": {"value": "[4 DIGITS]"}, "say": say, "attempts": 2});
    let expected = json!({"disposition": "NOMATCH", "attempts": 2, "value": null, "confidence": null});
    check(ask, &["no", "neither"], "/i", expected, &["PIN?", "Four digits.", "PIN?"]).await;
}

#[tokio::test]
async fn nobody_answers_in_time() {
    let say = json!([{"value": "Hello?", "event": "timeout"}, {"value": "PIN?"}]);
    let ask = json!({"choices": {"value": "[4 DIGITS]"}, "say": say, "timeout": 0.05, "attempts": 2});
    let expected = json!({"disposition": "TIMEOUT", "attempts": 2, "value": null, "xml": null});
    let (stage, session) = check(ask.clone(), &[], "/i", expected.clone(), &["PIN?", "Hello?", "PIN?"]).await;
    assert_eq!(stage.result("/i").await["complete"], false);
    let lines = stage.lines(&session).await;
    assert_line(&lines, "The question has no answer within 50ms");
    assert_line(&lines, "Action ask failed, nobody answered; it was required, so the document is incomplete");

    let mut optional = ask;
    optional["required"] = json!("false");
    let (stage, _) = check(optional, &[], "/c", expected, &["PIN?", "Hello?", "PIN?"]).await;
    assert_eq!(stage.result("/c").await["complete"], true);
}

#[tokio::test]
async fn a_keyword_in_lower_case_takes_no_answer_and_tropo_said_so_in_these_words() {
    let ask = json!({"choices": {"value": "[5 digits]"}, "say": {"value": "Zip?"}});
    let (stage, session) = check(ask, &["12345"], "/i", json!({"disposition": "NOMATCH"}), &["Zip?"]).await;
    let lines = stage.lines(&session).await;
    assert_line(&lines, "#TROPO#: ERROR_PARSING_NLSML_NOMATCH: Missing \"confidence\" attribute");
    assert_line(&lines, "No answer fits these choices");
}

#[tokio::test]
async fn a_grammar_that_stands_elsewhere_is_an_error() {
    for value in [json!("http://example.net/a.grxml"), json!("<grammar/>"), json!(""), json!(null)] {
        let ask = json!({"choices": {"value": value}, "say": {"value": "Well?"}});
        let (stage, session) = check(ask, &[], "/e", json!({}), &[]).await;
        let error = stage.result("/e").await["error"].as_str().unwrap().to_owned();
        assert!(error.starts_with("choices.value "), "{error}");
        assert_line(&stage.lines(&session).await, &format!("The document ends at action \"ask\": {error}"));
    }
}

#[tokio::test]
async fn with_bargein_off_the_question_is_put_though_its_answer_is_there() {
    let ask = json!({"choices": {"value": "[ANY]"}, "say": {"value": "Well?"}, "bargein": false, "name": "q"});
    let stage = Stage::with(json!([{"ask": ask}, {"on": {"event": "continue", "next": "/c"}}])).await;
    stage.text(PHONE, "hi").await;
    assert_eq!(stage.result("/c").await["actions"]["value"], "hi");
    assert_eq!(stage.texts(PHONE, 1).await, ["Well?"]);
}

#[tokio::test]
async fn several_questions_of_one_document_are_answered_in_order() {
    let ask = |name: &str| json!({"ask": {"name": name, "choices": {"value": "[ANY]"}, "say": {"value": name}}});
    let stage = Stage::with(json!([ask("a"), ask("b"), ask("c"), {"on": {"event": "continue", "next": "/c"}}])).await;
    let session = stage.text(PHONE, "1").await;
    stage.messages(PHONE, 1).await;
    // The second of these came before its question.
    assert_eq!((stage.text(PHONE, "2").await, stage.text(PHONE, "3").await), (session.clone(), session));
    let actions = stage.result("/c").await["actions"].clone();
    let found: Vec<_> = actions.as_array().unwrap().iter().map(|action| (&action["name"], &action["value"])).collect();
    assert_eq!(found, [(&json!("a"), &json!("1")), (&json!("b"), &json!("2")), (&json!("c"), &json!("3"))]);
}

#[tokio::test]
async fn who_never_asks_gets_a_session_for_each_text() {
    let stage = Stage::with(json!([{"wait": {"milliseconds": 60_000}}])).await;
    let (first, second) = (stage.text(PHONE, "1").await, stage.text(PHONE, "2").await);
    assert_ne!(first, second);
    let posted = stage.webhooks(2).await;
    let texts: Vec<_> = posted.iter().map(|posted| posted.body["session"]["initialText"].as_str().unwrap()).collect();
    assert!(texts.contains(&"1") && texts.contains(&"2"), "{texts:?}");
}

/// Sessions that ask, are answered or not, and end, while one text after the other comes in.
#[tokio::test]
async fn no_text_is_lost_and_none_is_taken_twice() {
    let stage = Stage::with(json!([
        {"ask": {"choices": {"value": "[ANY]"}, "say": {"value": "caught"}}},
        {"ask": {"choices": {"value": "[ANY]"}, "say": {"value": "?"}, "timeout": 0.004, "required": false}},
        {"on": {"event": "continue", "next": "/c"}},
    ]))
    .await;
    let texts: Vec<String> = (0..150).map(|index| format!("text {index:03}")).collect();
    let taken = |posted: &Posted| {
        let (first, second) = (&posted.body["session"]["initialText"], &posted.body["result"]["actions"][1]["value"]);
        first.as_str().or(second.as_str()).map(str::to_owned)
    };
    for (count, some) in texts.chunks(10).enumerate() {
        futures::future::join_all(some.iter().map(|text| stage.text(PHONE, text))).await;
        // No session has more to read than it may.
        until(async || {
            let taken = stage.posted().iter().filter_map(taken).count();
            (count * 10 <= taken + 50).then_some(())
        })
        .await;
    }
    let mut taken = until(async || {
        let taken: Vec<_> = stage.posted().iter().filter_map(taken).collect();
        (texts.len() <= taken.len()).then_some(taken)
    })
    .await;
    taken.sort();
    assert_eq!(taken, texts);
}

#[tokio::test]
async fn only_the_conversation_that_was_asked_in_is_the_sessions() {
    let stage = Stage::new(|posted| match posted.body["session"]["from"]["id"].as_str() {
        Some("15555550177") => Reply::document(&json!({"tropo": [
            {"ask": {"choices": {"value": "[ANY]"}}}, {"ask": {"choices": {"value": "[ANY]"}, "say": {"value": "And?"}}},
            {"on": {"event": "continue", "next": "/c"}},
        ]})),
        _ => Reply::hangup(),
    })
    .await;
    let session = stage.text(PHONE, "hi").await;
    stage.messages(PHONE, 1).await;
    assert_ne!(stage.text("+15555550178", "hi").await, session);
    let jabber = json!({"to": NUMBER, "text": "hi", "network": "JABBER"});
    let (_, answer) = stage.post(&format!("/phones/{PHONE}/texts"), &jabber).await;
    assert_ne!(answer["session_id"], session);
    assert_eq!(stage.text(PHONE, "mine").await, session);
    assert_eq!(stage.result("/c").await["actions"][1]["value"], "mine");
}

#[tokio::test]
async fn a_launched_session_asks_whom_it_calls() {
    let stage = Stage::with(json!([
        {"call": {"to": PHONE, "network": "SMS"}},
        {"ask": {"name": "mood", "choices": {"value": "good, bad"}, "say": {"value": "How are you?"}}},
        {"on": {"event": "continue", "next": "/c"}},
    ]))
    .await;
    let session = stage.launched().await;
    assert_eq!(stage.texts(PHONE, 1).await, ["How are you?"]);
    assert_eq!(stage.text(PHONE, "Good").await, session);
    let result = stage.result("/c").await;
    assert_eq!((&result["actions"]["value"], result["callId"].as_str().unwrap().len()), (&json!("good"), 32));
    assert_eq!(stage.ended(&session).await["state"], "finished");
}

#[tokio::test]
async fn nobody_can_be_asked_where_nobody_is_on_the_line() {
    let stage = Stage::with(json!([{"ask": {"choices": {"value": "[ANY]"}}}])).await;
    let session = stage.launched().await;
    assert_eq!(stage.ended(&session).await["state"], "failed");
    assert_line(&stage.lines(&session).await, "Action ask failed, nobody is on the line; it was required");
}

#[tokio::test]
async fn an_honest_dialogue_is_as_long_as_it_likes() {
    let stage = Stage::new(|_| Reply::document(&asks("next", "[ANY]", "again"))).await;
    let session = stage.text(PHONE, "0").await;
    for count in 1..=150 {
        stage.messages(PHONE, count).await;
        assert_eq!(stage.text(PHONE, &count.to_string()).await, session);
    }
    stage.messages(PHONE, 151).await;
    assert_eq!(stage.get(&format!("/sessions/{session}")).await.1["documents"], 152);
}

#[tokio::test]
async fn a_session_lives_no_longer_than_it_may() {
    let config = Config { session_max: Duration::from_secs(3), ..Config::default() };
    let ask = json!({"ask": {"name": "q", "choices": {"value": "[4 DIGITS]"}, "attempts": 9e99, "timeout": 1e300}});
    let stage = Stage::with_config(config, json!([ask, {"on": {"event": "hangup", "next": "/h"}}])).await;
    let session = stage.text(PHONE, "hi").await;
    assert_eq!(stage.ended(&session).await["state"], "hung_up");
    let result = stage.result("/h").await;
    assert_eq!((&result["state"], &result["actions"]["disposition"]), (&json!("DISCONNECTED"), &json!("HANGUP")));
    assert_line(&stage.lines(&session).await, "it has lasted as long as any may (simulator.session_max)");
}

#[tokio::test]
async fn a_session_that_waits_does_not_keep_the_simulator_from_stopping() {
    let stage = Stage::new(|_| Reply::document(&asks("q", "[4 DIGITS]", "/c"))).await;
    let session = stage.text(PHONE, "hi").await;
    until(async || {
        let lines = stage.lines(&session).await;
        lines.iter().any(|line| line.contains("fits none")).then_some(())
    })
    .await;
    let began = std::time::Instant::now();
    assert_eq!(stage.simulator.stop(Duration::from_secs(15)).await, 0);
    assert!(began.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn two_thousand_sessions_wait_at_once_and_each_gets_its_own_answer() {
    const SESSIONS: usize = 2000;
    let config = Config { webhook_timeout: Duration::from_secs(60), ..Config::default() };
    let stage = Stage::set(config, |posted| {
        let actions = match posted.body["result"]["actions"][1]["value"].as_str() {
            Some(answer) => json!([{"say": {"value": format!("you said {answer}")}}]),
            None => json!([
                {"ask": {"choices": {"value": "[ANY]"}}},
                {"ask": {"choices": {"value": "[ANY]"}, "say": {"value": "Well?"}, "timeout": 300}},
                {"on": {"event": "continue", "next": "/c"}},
            ]),
        };
        Box::pin(std::future::ready(Reply::document(&json!({"tropo": actions}))))
    })
    .await;
    let number: protocol::Address = NUMBER.parse().unwrap();
    let phones: Vec<protocol::Address> =
        (0..SESSIONS).map(|index| format!("+1555556{index:04}").parse().unwrap()).collect();
    let text = |phone: &protocol::Address, text: &str| {
        let (to, text, network) = (number.clone(), text.parse().unwrap(), Network::sms());
        let texting = Texting { to, text, network, subject: None, media: Vec::new() };
        stage.simulator.send(phone, texting).unwrap().session_id.unwrap()
    };
    let wait = Duration::from_secs(60);
    let mut sessions = Vec::new();
    for some in phones.chunks(100) {
        sessions.extend(some.iter().map(|phone| text(phone, "hi")));
        for phone in some {
            assert_eq!(stage.simulator.messages(phone, 0, wait).await.len(), 1);
        }
    }
    let waiting = sessions.iter().filter(|session| stage.simulator.session(session).unwrap().ended_at.is_none());
    assert_eq!(waiting.count(), SESSIONS);
    for (phones, sessions) in phones.chunks(100).zip(sessions.chunks(100)) {
        for (phone, session) in phones.iter().zip(sessions) {
            assert_eq!(text(phone, phone.as_str()), *session);
        }
        for phone in phones {
            let question = stage.simulator.messages(phone, 0, wait).await[0].index;
            let answer = &stage.simulator.messages(phone, question, wait).await[0];
            assert_eq!(answer.text.as_str(), format!("you said {}", phone.as_str()));
        }
    }
}
