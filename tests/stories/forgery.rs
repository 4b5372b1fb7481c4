//! Call-backs and results that are not Tropo's: they get nothing, and learn nothing.

use reqwest::StatusCode;
use serde_json::{Value, json};

use crate::stage::{Bus, Phone, Setup, Stage, until};

on_both_buses! {
    a_replayed_call_back_gets_no_message
    a_forged_call_back_is_refused
    an_expired_call_back_is_refused
    a_forged_result_is_refused
}

/// The answer to a session that gets nothing.
const HANGUP: &str = r#"{"tropo":[{"hangup":{}}]}"#;

/// The answer to a forger: not a word about what is wrong.
const REFUSED: &str = r#"{"error":"ticket refused"}"#;

/// A conversation that is over, with what Tropo posted in it.
struct Finished {
    call_back_url: String,
    call_back: Value,
    result_url: String,
    result: Value,
}

impl Finished {
    async fn new(stage: &Stage, phone: &Phone, words: &str) -> Self {
        phone.text(&format!("echo {words}")).await;
        let reply = phone.reply().await;
        stage.settle().await;
        let posts = stage.tropo.posts(&reply.session_id).await;
        let [call_back, result] = <[_; 2]>::try_from(posts).unwrap();
        Self { call_back_url: call_back.url, call_back: call_back.body, result_url: result.url, result: result.body }
    }

    fn ticket(&self) -> &str {
        self.call_back["session"]["parameters"]["ticket"].as_str().unwrap()
    }

    fn receipt(&self) -> &str {
        self.result_url.split_once("receipt=").unwrap().1
    }

    /// The call-back of another session, with this ticket.
    fn call_back_with(&self, ticket: &str) -> Value {
        let mut body = self.call_back.clone();
        body["session"]["id"] = json!("00000000000000000000000000000bad");
        body["session"]["parameters"]["ticket"] = json!(ticket);
        body
    }

    fn result_url_with(&self, receipt: &str) -> String {
        self.result_url.replace(self.receipt(), receipt)
    }
}

/// What is almost a sealed value, and is none.
fn alterations(sealed: &str, other: &str) -> Vec<String> {
    let parts: Vec<&str> = sealed.split('.').collect();
    let [key, payload, signature] = parts[..] else { panic!("{sealed}") };
    let other_payload = other.split('.').nth(1).unwrap();
    vec![
        format!("{key}.{payload}.{}", flipped(signature, 0)),
        format!("{key}.{}.{signature}", flipped(payload, payload.len() / 2)),
        format!("{key}.{other_payload}.{signature}"),
        format!("{}.{payload}.{signature}", flipped(key, 0)),
        format!("{key}.{payload}."),
        format!("{key}.{payload}"),
        format!("..{signature}"),
        payload.to_owned(),
        "x".to_owned(),
    ]
}

/// With another letter at that place.
fn flipped(text: &str, place: usize) -> String {
    let other = |letter| if letter == 'A' { 'B' } else { 'A' };
    text.chars().enumerate().map(|(index, letter)| if index == place { other(letter) } else { letter }).collect()
}

async fn a_replayed_call_back_gets_no_message(bus: Bus) {
    let stage = Setup::new(bus).start().await;
    let phone = stage.phone(0);
    let finished = Finished::new(&stage, &phone, "secret words").await;
    let replay = finished.call_back_with(finished.ticket());
    for url in [&finished.call_back_url, &stage.forward_url("story")] {
        assert_eq!(stage.post(url, &replay).await, (StatusCode::OK, HANGUP.to_owned()), "{url}");
    }
    stage.settle().await;
    phone.assert_has(&["secret words"]).await;
}

async fn a_forged_call_back_is_refused(bus: Bus) {
    let stage = Setup::new(bus).start().await;
    let (phone, other_phone) = (stage.phone(0), stage.phone(1));
    let finished = Finished::new(&stage, &phone, "secret words").await;
    let other = Finished::new(&stage, &other_phone, "other words").await;
    let mut forged = alterations(finished.ticket(), other.ticket());
    forged.push(finished.receipt().to_owned());
    let refused = (StatusCode::FORBIDDEN, REFUSED.to_owned());
    for ticket in &forged {
        let body = finished.call_back_with(ticket);
        for url in [&finished.call_back_url, &stage.forward_url("story")] {
            assert_eq!(stage.post(url, &body).await, refused, "{url} {ticket}");
        }
    }
    // A true ticket, and another backend.
    let replay = finished.call_back_with(finished.ticket());
    for url in [stage.webhook_url("other"), stage.forward_url("other")] {
        assert_eq!(stage.post(&url, &replay).await, refused, "{url}");
    }
    // A true ticket, and a caller who does not know the secret.
    let (without_secret, _) = finished.call_back_url.rsplit_once('/').unwrap();
    for (url, expected) in [
        (without_secret.to_owned(), StatusCode::UNAUTHORIZED),
        (format!("{without_secret}/not-the-secret-of-the-stories"), StatusCode::FORBIDDEN),
    ] {
        let (status, answer) = stage.post(&url, &replay).await;
        assert_eq!(status, expected);
        assert!(!answer.contains("secret words") && !answer.contains("555555"), "{answer}");
    }
    // Ingress refuses at the door; egress counts what was posted to it past that.
    let refused = stage.metrics().await.sum("tropomq_refused_callbacks_total", &[("error_type", "ticket")]);
    assert_eq!(refused, forged.len() as u64 + 1);
    stage.settle().await;
    phone.assert_has(&["secret words"]).await;
    other_phone.assert_has(&["other words"]).await;
}

async fn an_expired_call_back_is_refused(bus: Bus) {
    let stage = Setup::new(bus).with("egress.time_to_live", "6s").start().await;
    let phone = stage.phone(0);
    let finished = Finished::new(&stage, &phone, "short lived").await;
    let replay = finished.call_back_with(finished.ticket());
    let (mut seen_hangup, mut urls) = (false, vec![finished.call_back_url.clone(), stage.forward_url("story")]);
    until("the ticket expires", async || {
        let (status, answer) = stage.post(&urls[urls.len() - 1], &replay).await;
        match status {
            StatusCode::OK => {
                assert_eq!(answer, HANGUP);
                seen_hangup = true;
            }
            _ => {
                assert_eq!((status, answer.as_str()), (StatusCode::FORBIDDEN, REFUSED));
                urls.pop();
            }
        }
        urls.is_empty().then_some(())
    })
    .await;
    assert!(seen_hangup, "it was tried before its time was over");
    stage.settle().await;
    phone.assert_has(&["short lived"]).await;
}

async fn a_forged_result_is_refused(bus: Bus) {
    let stage = Setup::new(bus).start().await;
    let (phone, other_phone) = (stage.phone(0), stage.phone(1));
    let finished = Finished::new(&stage, &phone, "secret words").await;
    let other = Finished::new(&stage, &other_phone, "other words").await;
    let kept = stage.metrics().await.published("session.result");
    assert_eq!(kept, 2);
    let mut forged = alterations(finished.receipt(), other.receipt());
    forged.push(finished.ticket().to_owned());
    forged.push(String::new());
    for receipt in &forged {
        let answer = stage.post(&finished.result_url_with(receipt), &finished.result).await;
        assert_eq!(answer, (StatusCode::FORBIDDEN, REFUSED.to_owned()), "{receipt}");
    }
    let without_receipt = stage.post(&finished.call_back_url, &finished.result).await;
    assert_eq!(without_receipt, (StatusCode::FORBIDDEN, REFUSED.to_owned()));
    let of_another_backend = format!("{}?receipt={}", stage.webhook_url("other"), finished.receipt());
    let answer = stage.post(&of_another_backend, &finished.result).await;
    assert_eq!(answer, (StatusCode::FORBIDDEN, REFUSED.to_owned()));
    // The true one again is no news, and that of another session is about nothing that session has.
    let answer = stage.post(&finished.result_url, &finished.result).await;
    assert_eq!(answer, (StatusCode::OK, HANGUP.to_owned()));
    let mut stray = finished.result.clone();
    stray["result"]["sessionId"] = json!("00000000000000000000000000000bad");
    assert_eq!(stage.post(&finished.result_url, &stray).await.0, StatusCode::OK);
    stage.settle().await;
    let metrics = stage.metrics().await;
    assert_eq!(metrics.published("session.result"), kept + 1, "the stray one alone was kept");
    assert_eq!(metrics.published("message.sent"), 2);
    assert_eq!(metrics.published("message.failed"), 0);
    phone.assert_has(&["secret words"]).await;
}
