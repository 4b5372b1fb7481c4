//! A virtual phone.

use std::time::Instant;

use protocol::Timestamp;
use serde::Deserialize;
use serde_json::json;

use super::{DEADLINE, NUMBER, Tropo};

/// A virtual phone.
#[derive(Clone)]
pub(crate) struct Phone {
    tropo: Tropo,
    pub(crate) number: String,
}

/// A text that reached a phone.
#[derive(Clone, PartialEq, Debug, Deserialize)]
pub(crate) struct Message {
    pub(crate) index: u64,
    pub(crate) from: String,
    pub(crate) text: String,
    pub(crate) network: String,
    /// The session that sent it.
    pub(crate) session_id: String,
    pub(crate) at: Timestamp,
}

impl Phone {
    pub(super) fn new(tropo: Tropo, number: String) -> Self {
        Self { tropo, number }
    }

    /// Texts the number of the stories; the session that carries it.
    pub(crate) async fn text(&self, words: &str) -> String {
        self.text_to(NUMBER, words).await
    }

    /// Texts a number.
    pub(crate) async fn text_to(&self, number: &str, words: &str) -> String {
        #[derive(Deserialize)]
        struct Texted {
            session_id: String,
        }
        let url = format!("{}/phones/{}/texts", self.tropo.url, self.number);
        let answer = self.tropo.http.post(url).json(&json!({ "to": number, "text": words })).send().await.unwrap();
        assert!(answer.status().is_success(), "{words:?}: {}", answer.text().await.unwrap());
        answer.json::<Texted>().await.unwrap().session_id
    }

    /// Everything that the phone has received.
    pub(crate) async fn inbox(&self) -> Vec<Message> {
        self.after(0, "0s").await
    }

    /// Everything that the phone has received, once that are so many messages.
    pub(crate) async fn received(&self, count: usize) -> Vec<Message> {
        let started = Instant::now();
        let mut messages: Vec<Message> = Vec::new();
        while messages.len() < count {
            let waited = started.elapsed();
            assert!(waited < DEADLINE, "{} got {} of {count} messages: {messages:?}", self.number, messages.len());
            let last = messages.last().map_or(0, |message| message.index);
            messages.extend(self.after(last, "2s").await);
        }
        messages
    }

    /// The next message of a phone that has none yet.
    pub(crate) async fn reply(&self) -> Message {
        self.received(1).await.swap_remove(0)
    }

    /// Asserts that these are the texts that the phone has received: all, and each once. The order says nothing.
    pub(crate) async fn assert_has(&self, expected: &[&str]) {
        let mut texts: Vec<String> = self.inbox().await.into_iter().map(|message| message.text).collect();
        let mut expected = expected.to_vec();
        texts.sort_unstable();
        expected.sort_unstable();
        assert_eq!(texts, expected, "{}", self.number);
    }

    async fn after(&self, index: u64, wait: &str) -> Vec<Message> {
        self.tropo.get(&format!("/phones/{}/messages?after={index}&wait={wait}", self.number)).await
    }
}
