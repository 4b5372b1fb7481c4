//! The simulator that stands in for Tropo: its phones, and its log.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use protocol::{Address, MessageText, Network, SessionId, Timestamp};
use reqwest::RequestBuilder;
use reqwest::header::ACCEPT;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use url::Url;
use utoipa::ToSchema;

use crate::ConfigError;
use crate::masked::without_secrets;
use crate::problem::Problem;

/// The longest wait for a connection: it is on this machine, or beside it.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(1);

/// The longest wait for an answer, beside what it was asked to wait itself.
const TIMEOUT: Duration = Duration::from_secs(5);

/// The longest wait for a phone's messages that is asked for.
const WAIT_MAX: Duration = Duration::from_secs(15);

/// The longest answer that is read, in bytes.
const ANSWER_BYTES_MAX: usize = 8 * 1024 * 1024;

/// The longest refusal that is quoted, in characters.
const TOLD_CHARS_MAX: usize = 300;

/// The most lines that are asked for at once.
pub(crate) const LINES_MAX: u32 = 1000;

/// The simulator's API.
pub(crate) struct Simulated {
    client: reqwest::Client,
    at: Url,
}

/// A line of Tropo's log: of its Application Debugger.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub(crate) struct TropoLine {
    /// Its number: of one run of the simulator, they ascend.
    pub(crate) line: u64,
    /// The session that it belongs to; a request that made no session belongs to none.
    #[schema(value_type = Option<String>)]
    pub(crate) session_id: Option<SessionId>,
    /// When it was written.
    #[schema(value_type = String, format = DateTime)]
    pub(crate) at: Timestamp,
    /// The line itself, without secrets. Personal: it quotes what went back and forth.
    pub(crate) text: String,
}

/// Without its words.
impl fmt::Debug for TropoLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, session_id, .. } = self;
        f.debug_struct("TropoLine").field("line", line).field("session_id", session_id).finish_non_exhaustive()
    }
}

/// Which lines are asked for.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Lines {
    /// The latest so many.
    Last(u32),
    /// Those after this number, so many at most.
    After(u64, u32),
}

/// A virtual phone.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Phone {
    /// Its number, or name.
    #[schema(value_type = String)]
    pub number: Address,
    /// How many texts it has sent.
    pub sent: u64,
    /// How many messages it has received.
    pub received: u64,
    /// The index of its last message that is kept; 0 where there is none.
    pub last_index: u64,
}

/// A message that a phone received.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct PhoneMessage {
    /// Its place among the messages of all phones: those of one phone ascend, with gaps.
    pub index: u64,
    /// Who it came from.
    #[schema(value_type = String)]
    pub from: Address,
    /// Who it went to.
    #[schema(value_type = String)]
    pub to: Address,
    /// The words.
    #[schema(value_type = String)]
    pub text: MessageText,
    /// The network.
    #[schema(value_type = String)]
    pub network: Network,
    /// How many parts it came in, each of which a carrier counts.
    pub parts: u32,
    /// The session that sent it; none from phone to phone.
    #[schema(value_type = Option<String>)]
    pub session_id: Option<SessionId>,
    /// When it came.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
}

/// What a phone shall send.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub(crate) struct Texting {
    /// The number of an application, or of another phone.
    pub(crate) to: Address,
    /// The words.
    pub(crate) text: MessageText,
    /// The network.
    pub(crate) network: Network,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
pub(crate) struct Texted {
    /// The session that has it; none where it went to a phone.
    pub(crate) session_id: Option<SessionId>,
}

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum SimulatedError {
    /// It is not there, or what answers is no simulator. Whatever was asked for may have been done.
    #[error("the simulator does not answer")]
    Away(#[source] Box<dyn Error + Send + Sync>),
    /// It was understood, and is not to be had.
    #[error("the simulator refuses: {told}")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// Why, in its words.
        told: String,
    },
}

impl From<SimulatedError> for Problem {
    fn from(error: SimulatedError) -> Self {
        match error {
            SimulatedError::Away(_) => Self::unavailable(
                "the simulator at console.simulator does not answer: start it, or mend the address in the configuration",
            ),
            SimulatedError::Refused { status: 404, told } => Self::not_found(told),
            SimulatedError::Refused { status: 503, told } => Self::unavailable(told),
            SimulatedError::Refused { status: _, told } => Self::unprocessable(told),
        }
    }
}

impl Simulated {
    pub(crate) fn new(at: Url) -> Result<Self, ConfigError> {
        let refused = |told: String| ConfigError { key: "simulator".to_owned(), told };
        if at.cannot_be_a_base() || !["http", "https"].contains(&at.scheme()) {
            return Err(refused("must be an address as in http://127.0.0.1:8089".to_owned()));
        }
        let client = reqwest::Client::builder()
            .no_proxy()
            .connect_timeout(CONNECT_TIMEOUT)
            .timeout(TIMEOUT)
            .redirect(reqwest::redirect::Policy::none())
            .build()
            .map_err(|error| refused(error.to_string()))?;
        Ok(Self { client, at })
    }

    /// Lines of Tropo's log, the oldest first: of one session, or of all. Secrets in them are masked.
    ///
    /// # Errors
    /// [`SimulatedError`].
    pub(crate) async fn lines(
        &self,
        session: Option<&SessionId>,
        lines: Lines,
    ) -> Result<Vec<TropoLine>, SimulatedError> {
        let mut address = self.address(&["debugger"]);
        {
            let mut query = address.query_pairs_mut();
            match lines {
                Lines::Last(last) => query.append_pair("last", &last.min(LINES_MAX).to_string()),
                Lines::After(after, limit) => query
                    .append_pair("after", &after.to_string())
                    .append_pair("limit", &limit.min(LINES_MAX).to_string()),
            };
            if let Some(session) = session {
                query.append_pair("session", session.as_str());
            }
        }
        let mut lines: Vec<TropoLine> = self.ask(self.client.get(address)).await?;
        for line in &mut lines {
            line.text = without_secrets(&line.text);
        }
        Ok(lines)
    }

    /// The phones that there are.
    ///
    /// # Errors
    /// [`SimulatedError`].
    pub(crate) async fn phones(&self) -> Result<Vec<Phone>, SimulatedError> {
        self.ask(self.client.get(self.address(&["phones"]))).await
    }

    /// The messages that a phone received after an index: at once if there are any, else as soon as one comes, else
    /// none when the wait is over.
    ///
    /// # Errors
    /// [`SimulatedError`].
    pub(crate) async fn messages(
        &self,
        phone: &Address,
        after: u64,
        wait: Duration,
    ) -> Result<Vec<PhoneMessage>, SimulatedError> {
        let wait = wait.min(WAIT_MAX);
        let mut address = self.address(&["phones", phone.as_str(), "messages"]);
        let written = format!("{}ms", wait.as_millis());
        address.query_pairs_mut().append_pair("after", &after.to_string()).append_pair("wait", &written);
        self.ask(self.client.get(address).timeout(TIMEOUT + wait)).await
    }

    /// A phone sends a text.
    ///
    /// # Errors
    /// [`SimulatedError`]; refused, nothing was sent.
    pub(crate) async fn text(&self, phone: &Address, texting: &Texting) -> Result<Texted, SimulatedError> {
        let address = self.address(&["phones", phone.as_str(), "texts"]);
        self.ask(self.client.post(address).json(texting)).await
    }

    /// An address of its API.
    fn address(&self, path: &[&str]) -> Url {
        let mut address = self.at.clone();
        // One that cannot have a path was refused when it was configured.
        if let Ok(mut segments) = address.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        address
    }

    async fn ask<T: DeserializeOwned>(&self, request: RequestBuilder) -> Result<T, SimulatedError> {
        // A number may stand in the address.
        let away = |error: reqwest::Error| SimulatedError::Away(error.without_url().into());
        let mut answer = request.header(ACCEPT, "application/json").send().await.map_err(away)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(away)? {
            body.extend_from_slice(&chunk);
            if ANSWER_BYTES_MAX < body.len() {
                return Err(SimulatedError::Away(format!("its answer has more than {ANSWER_BYTES_MAX} bytes").into()));
            }
        }
        if !status.is_success() {
            return Err(SimulatedError::Refused { status: status.as_u16(), told: told(&body) });
        }
        // What does not fit is not quoted: it may be a person.
        serde_json::from_slice(&body)
            .map_err(|error| SimulatedError::Away(format!("its answer is unreadable at line {}", error.line()).into()))
    }
}

/// What a refusal says.
fn told(body: &[u8]) -> String {
    /// As the simulator writes it.
    #[derive(Deserialize)]
    struct Written {
        error: String,
    }
    match serde_json::from_slice::<Written>(body) {
        Ok(Written { error }) => error.chars().take(TOLD_CHARS_MAX).collect(),
        Err(_) => "without a word that could be understood: is it a simulator?".to_owned(),
    }
}

#[cfg(test)]
mod tests;
