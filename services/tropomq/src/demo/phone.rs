//! The virtual phone of the demo, over the simulator's HTTP API.

use std::time::Duration;

use anyhow::{Context, bail};
use messaging::Environment;
use protocol::{MessageText, Timestamp};
use reqwest::StatusCode;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::json;

use crate::development;
use crate::settings::Settings;

/// A virtual phone, and the number that it texts.
#[derive(Debug)]
pub(super) struct Phone {
    http: reqwest::Client,
    simulator: String,
    admin: String,
    number: String,
    application: String,
}

/// A text that reached the phone.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct Reply {
    pub(super) text: String,
    pub(super) session_id: String,
    pub(super) at: Timestamp,
}

/// One line of Tropo's Application Debugger.
#[derive(Clone, Debug, Deserialize)]
pub(super) struct DebuggerLine {
    pub(super) line: u64,
    /// A request that made no session belongs to none.
    pub(super) session_id: Option<String>,
    pub(super) text: String,
}

impl Phone {
    pub(super) fn new(settings: &Settings, number: String) -> anyhow::Result<Self> {
        let application = settings.backends.get(&development::backend()).context("the simulated backend is missing")?;
        Ok(Self {
            http: reqwest::Client::builder().timeout(Duration::from_secs(30)).no_proxy().build()?,
            simulator: format!("http://{}", settings.simulator.listen),
            admin: format!("http://{}", settings.admin.listen),
            number,
            application: application.number.as_str().to_owned(),
        })
    }

    pub(super) fn number(&self) -> &str {
        &self.number
    }

    /// Waits until every service is ready.
    pub(super) async fn wait_until_ready(&self, timeout: Duration, environment: &Environment) -> anyhow::Result<()> {
        let url = format!("{}/readyz", self.admin);
        let ready = async {
            loop {
                match self.http.get(&url).send().await {
                    Ok(answer) if answer.status() == StatusCode::OK => return,
                    Ok(_) | Err(_) => environment.clock.sleep(Duration::from_millis(20)).await,
                }
            }
        };
        if tokio::time::timeout(timeout, ready).await.is_err() {
            let said = self.http.get(&url).send().await?.text().await?;
            bail!("the services are not ready after {timeout:?}: {said}");
        }
        Ok(())
    }

    /// Texts the application; the id of the session that carries the text.
    pub(super) async fn text(&self, text: &MessageText) -> anyhow::Result<String> {
        #[derive(Deserialize)]
        struct Texted {
            session_id: String,
        }
        let url = format!("{}/phones/{}/texts", self.simulator, self.number);
        let body = json!({ "to": self.application, "text": text.as_str() });
        let texted: Texted = self.read(self.http.post(url).json(&body)).await.context("text from the virtual phone")?;
        Ok(texted.session_id)
    }

    /// The first text that reaches the phone, if one does in time.
    pub(super) async fn reply(&self, timeout: Duration, environment: &Environment) -> anyhow::Result<Option<Reply>> {
        let url = format!("{}/phones/{}/messages?wait=5s", self.simulator, self.number);
        let deadline = environment.now().saturating_add(timeout)?;
        while environment.now() < deadline {
            let messages: Vec<Reply> = self.read(self.http.get(&url)).await.context("read the virtual phone")?;
            if let Some(reply) = messages.into_iter().next() {
                return Ok(Some(reply));
            }
        }
        Ok(None)
    }

    /// Tropo's log.
    pub(super) async fn debugger(&self) -> anyhow::Result<Vec<DebuggerLine>> {
        let url = format!("{}/debugger", self.simulator);
        self.read(self.http.get(url)).await.context("read Tropo's log")
    }

    async fn read<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> anyhow::Result<T> {
        let answer = request.send().await?;
        let (status, body) = (answer.status(), answer.bytes().await?);
        if !status.is_success() {
            bail!("the simulator answered {status}: {}", String::from_utf8_lossy(&body));
        }
        Ok(serde_json::from_slice(&body)?)
    }
}
