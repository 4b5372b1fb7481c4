//! Forwards call-backs to egress, which owns the release ledger.

use std::error::Error;
use std::fmt;
use std::time::Duration;

use axum::http::{StatusCode, header};
use bytes::Bytes;
use messaging::{BoxFuture, Environment, trace};
use protocol::BackendName;
use tokio::time::Instant;
use url::Url;

use crate::Config;

/// The longest answer that is taken from egress, in bytes: a text of the longest kind, escaped, and its handlers.
const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;

/// The share of the time for a call-back that one try at egress may take.
const TRIES: u32 = 3;

/// The pause between two of them; doubles up to the longest.
const PAUSE_FIRST: Duration = Duration::from_millis(100);
const PAUSE_LONGEST: Duration = Duration::from_millis(500);

/// A call-back on its way to egress.
#[derive(Clone, Copy)]
pub struct CallBack<'a> {
    /// The backend that Tropo called.
    pub backend: &'a BackendName,
    /// The last part of the URL that Tropo called.
    pub reply_to: &'a str,
    /// What Tropo sent.
    pub body: &'a Bytes,
}

impl fmt::Debug for CallBack<'_> {
    /// Shows no text, no number, and not the URL, which may hold the webhook's secret.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("CallBack").field("backend", &self.backend).finish_non_exhaustive()
    }
}

/// Where call-backs are answered: egress, as ingress needs it.
pub trait CallBacks: fmt::Debug + Send + Sync {
    /// Offers a call-back once, and waits so long for its answer.
    ///
    /// # Errors
    /// [`ForwardError`]: egress may have claimed the message all the same.
    fn offer<'a>(&'a self, call_back: CallBack<'a>, timeout: Duration) -> BoxFuture<'a, Result<Answer, ForwardError>>;
}

/// Offers a call-back to egress until it answers or the time is over.
///
/// Asking again is safe: the session that was granted the message gets the same document. Not asking again loses a
/// message that was granted and whose document did not arrive: so egress may die and come back meanwhile.
///
/// # Errors
/// That of the last try.
pub(crate) async fn forward(
    call_backs: &dyn CallBacks,
    call_back: CallBack<'_>,
    timeout: Duration,
    environment: &Environment,
) -> Result<Answer, ForwardError> {
    // By a clock that nobody sets.
    let began = Instant::now();
    let mut pause = PAUSE_FIRST;
    loop {
        let left = timeout.saturating_sub(began.elapsed());
        let answered = call_backs.offer(call_back, left.min(timeout / TRIES)).await;
        match &answered {
            Ok(answer) if answer.status != StatusCode::SERVICE_UNAVAILABLE => return answered,
            Err(ForwardError::TooLarge) => return answered,
            Ok(_) | Err(ForwardError::Unreachable(_)) => {}
        }
        if timeout <= began.elapsed() + pause {
            return answered;
        }
        environment.clock.sleep(pause).await;
        pause = (pause * 2).min(PAUSE_LONGEST);
    }
}

/// The client of egress.
#[derive(Debug)]
pub struct Forwarder {
    http: reqwest::Client,
    egress: Url,
}

/// Why there is no forwarding.
#[derive(Debug, thiserror::Error)]
pub enum ForwarderError {
    /// The client could not be made.
    #[error("cannot make an HTTP client")]
    Build(#[source] reqwest::Error),
    /// The address of egress is not one that a path can be added to.
    #[error("ingress.egress must be an http or https address, as in http://egress:8081")]
    Address,
}

/// Why a call-back got no answer.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// Not in time, or the connection was lost.
    #[error("egress did not answer")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// What it answered is no document.
    #[error("egress answered with more than {DOCUMENT_BYTES_MAX} bytes")]
    TooLarge,
}

/// What egress answered.
pub struct Answer {
    /// The status.
    pub status: StatusCode,
    /// The document, or an error's words.
    pub body: Vec<u8>,
}

impl fmt::Debug for Answer {
    /// Shows no document: it holds a text and a number.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Answer").field("status", &self.status).finish_non_exhaustive()
    }
}

impl Forwarder {
    /// A client with the configured address.
    ///
    /// # Errors
    /// [`ForwarderError`].
    pub fn new(config: &Config) -> Result<Self, ForwarderError> {
        let egress = config.egress.clone();
        if !matches!(egress.scheme(), "http" | "https") || egress.cannot_be_a_base() {
            return Err(ForwarderError::Address);
        }
        let http = reqwest::Client::builder()
            // Shorter than egress keeps an idle connection.
            .pool_idle_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(ForwarderError::Build)?;
        Ok(Self { http, egress })
    }

    async fn post(&self, call_back: CallBack<'_>, timeout: Duration) -> Result<Answer, ForwardError> {
        let CallBack { backend, reply_to, body } = call_back;
        let unreachable = |error: reqwest::Error| ForwardError::Unreachable(error.without_url().into());
        let mut url = self.egress.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{}", protocol::forward::path(backend)));
        let mut request = self
            .http
            .post(url)
            .timeout(timeout)
            .header(header::CONTENT_TYPE, "application/json")
            .header(protocol::forward::REPLY_TO, reply_to)
            .header(protocol::forward::WAIT, timeout.as_millis().to_string())
            .body(body.clone());
        if let Some(context) = trace::current() {
            request = request.header(messaging::headers::TRACEPARENT, context.traceparent);
        }
        let mut answer = request.send().await.map_err(unreachable)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(unreachable)? {
            body.extend_from_slice(&chunk);
            if DOCUMENT_BYTES_MAX < body.len() {
                return Err(ForwardError::TooLarge);
            }
        }
        Ok(Answer { status, body })
    }
}

impl CallBacks for Forwarder {
    fn offer<'a>(&'a self, call_back: CallBack<'a>, timeout: Duration) -> BoxFuture<'a, Result<Answer, ForwardError>> {
        Box::pin(self.post(call_back, timeout))
    }
}
