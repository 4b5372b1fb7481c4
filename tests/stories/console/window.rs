//! A browser before the console of a stage, and its API.

use serde_json::{Value, json};
use testkit::{Chromium, Tab};

use crate::stage::{DEADLINE, Stage, client, until};

/// The windows: of a desk, and of a phone.
pub(super) const DESK: (u32, u32) = (1200, 900);
pub(super) const HAND: (u32, u32) = (360, 740);

/// A browser and the address of a console.
pub(super) struct Window {
    chromium: Chromium,
    url: String,
}

impl Window {
    pub(super) fn of(stage: &Stage) -> Self {
        Self { chromium: Chromium::start().unwrap_or_else(|error| panic!("{error}")), url: stage.console_url() }
    }

    /// Opens a page in a tab of its own.
    pub(super) fn open(&mut self, path: &str, size: (u32, u32)) -> Tab<'_> {
        self.chromium.open(&format!("{}{path}", self.url), size).unwrap_or_else(|error| panic!("{path}: {error}"))
    }
}

/// Waits until something is true on a page.
#[track_caller]
pub(super) fn wait(tab: &mut Tab<'_>, condition: &str) {
    tab.wait_for(condition, DEADLINE).unwrap_or_else(|error| panic!("{error}"));
}

/// Waits until a page has words.
#[track_caller]
pub(super) fn wait_for_words(tab: &mut Tab<'_>, words: &str) {
    wait(tab, &format!("document.querySelector('main')?.textContent.includes({})", Value::from(words)));
}

/// What something is on a page.
#[track_caller]
pub(super) fn value(tab: &mut Tab<'_>, expression: &str) -> Value {
    tab.evaluate(expression).unwrap_or_else(|error| panic!("{error}"))
}

/// Clicks the first of what is meant, once it is seen.
#[track_caller]
pub(super) fn click(tab: &mut Tab<'_>, selector: &str) {
    wait(tab, &format!("document.querySelector({})?.checkVisibility()", Value::from(selector)));
    tab.click(selector).unwrap_or_else(|error| panic!("{error}"));
}

/// Writes into a field, in place of what it holds.
#[track_caller]
pub(super) fn fill(tab: &mut Tab<'_>, selector: &str, words: &str) {
    click(tab, selector);
    value(tab, "document.activeElement.select?.()");
    tab.write(words).unwrap();
}

/// The texts of what is meant, in order.
#[track_caller]
pub(super) fn texts(tab: &mut Tab<'_>, selector: &str) -> Vec<String> {
    let all = format!("[...document.querySelectorAll({})].map((each) => each.textContent)", Value::from(selector));
    serde_json::from_value(value(tab, &all)).unwrap()
}

/// Nothing on the page went wrong.
#[track_caller]
pub(super) fn assert_content(tab: &mut Tab<'_>) {
    assert_eq!(tab.complaints().unwrap(), Vec::<String>::new());
}

/// What the API answers.
pub(super) async fn get(stage: &Stage, path: &str) -> Value {
    let answer = client().get(format!("{}{path}", stage.console_url())).send().await.unwrap();
    let (status, body) = (answer.status(), answer.text().await.unwrap());
    assert!(status.is_success(), "{path}: {status}: {body}");
    serde_json::from_str(&body).unwrap()
}

/// The lines of the log that are found, once there are so many.
pub(super) async fn listed(stage: &Stage, query: &str, count: usize) -> Vec<Value> {
    until(&format!("{count} lines are found by {query}"), async || {
        let mut found = get(stage, &format!("/v1/messages?{query}")).await;
        let messages: Vec<Value> = serde_json::from_value(found["messages"].take()).unwrap();
        (messages.len() == count).then_some(messages)
    })
    .await
}

/// Texts a backend as somebody, straight into the bus; the session that stands for Tropo's.
pub(super) async fn text(stage: &Stage, backend: &str, from: &str, words: &str) -> String {
    let wanted = json!({ "backend": backend, "from": from, "text": words, "way": "bus" });
    let (status, answer) = stage.post(&format!("{}/v1/texts", stage.console_url()), &wanted).await;
    assert!(status.is_success(), "{words}: {status}: {answer}");
    let texted: Value = serde_json::from_str(&answer).unwrap();
    texted["session_id"].as_str().unwrap().to_owned()
}
