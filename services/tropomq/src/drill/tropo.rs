//! The simulated Tropo, over its HTTP API: what a phone does, and what became of it.

use std::time::Duration;

use anyhow::{Context, bail};
use protocol::{SessionId, Timestamp};
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use super::account::Fate;

/// The number that the phones text.
pub(super) const NUMBER: &str = "+15555550100";

/// The longest wait for an answer: longer than any fault is held.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// The simulated Tropo.
#[derive(Clone, Debug)]
pub(super) struct Tropo {
    http: reqwest::Client,
    url: String,
}

/// What became of a text on its way to Tropo.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) enum Texted {
    /// Tropo has it, and this session carries it.
    Taken(SessionId),
    /// Tropo did not take it.
    Refused,
    /// Tropo did not say.
    Unknown,
}

/// A message that reached a phone.
#[derive(Debug, Deserialize)]
pub(super) struct Message {
    pub(super) index: u64,
    pub(super) text: String,
    pub(super) at: Timestamp,
}

/// What the drill reads of a session.
#[derive(Deserialize)]
struct Session {
    first_webhook: Option<Posted>,
}

/// What became of a webhook, as the simulator writes it.
#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Posted {
    Answered(u16),
    Unreachable,
    Unanswered,
}

impl Tropo {
    pub(super) fn new(http: reqwest::Client, address: std::net::SocketAddr) -> Self {
        Self { http, url: format!("http://{address}") }
    }

    /// A phone texts the number.
    pub(super) async fn text(&self, phone: &str, words: &str) -> Texted {
        #[derive(Deserialize)]
        struct Taken {
            session_id: SessionId,
        }
        let url = format!("{}/phones/{phone}/texts", self.url);
        let request = self.http.post(url).timeout(ANSWER_MAX).json(&json!({ "to": NUMBER, "text": words }));
        match request.send().await {
            Ok(answer) if answer.status() == StatusCode::ACCEPTED => match answer.json::<Taken>().await {
                Ok(taken) => Texted::Taken(taken.session_id),
                Err(_) => Texted::Unknown,
            },
            Ok(_) => Texted::Refused,
            Err(_) => Texted::Unknown,
        }
    }

    /// What reached a phone after an index, in order; at most 10,000.
    pub(super) async fn inbox(&self, phone: &str, after: u64) -> anyhow::Result<Vec<Message>> {
        self.get(&format!("/phones/{phone}/messages?after={after}")).await
    }

    /// What Tropo was told when it brought the text of this session; `None` while that is not known yet.
    pub(super) async fn fate(&self, session: &SessionId) -> anyhow::Result<Option<Fate>> {
        let session: Session = self.get(&format!("/sessions/{session}")).await?;
        Ok(session.first_webhook.map(|posted| match posted {
            Posted::Answered(200..=299) => Fate::Accepted,
            Posted::Answered(_) | Posted::Unreachable => Fate::Refused,
            Posted::Unanswered => Fate::Uncertain,
        }))
    }

    /// Sets all knobs: what the JSON object leaves out is as on a good day.
    pub(super) async fn turn(&self, knobs: &str) -> anyhow::Result<()> {
        let request = self.http.put(format!("{}/knobs", self.url)).timeout(ANSWER_MAX);
        let request = request.header("content-type", "application/json").body(knobs.to_owned());
        let answer = request.send().await.context("set the knobs of the simulator")?;
        if !answer.status().is_success() {
            bail!("the simulator refused {knobs}: {}", answer.text().await.unwrap_or_default());
        }
        Ok(())
    }

    async fn get<T: DeserializeOwned>(&self, path: &str) -> anyhow::Result<T> {
        let answer = self.http.get(format!("{}{path}", self.url)).timeout(ANSWER_MAX).send().await?;
        let (status, body) = (answer.status(), answer.bytes().await?);
        if !status.is_success() {
            bail!("the simulator answered {path} with {status}: {}", String::from_utf8_lossy(&body));
        }
        serde_json::from_slice(&body).with_context(|| format!("read the simulator's answer to {path}"))
    }
}
