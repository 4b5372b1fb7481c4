//! Forwards call-backs to egress, which owns the release ledger.

use std::time::Duration;

use axum::http::{StatusCode, header};
use bytes::Bytes;
use messaging::{Environment, trace};
use protocol::{BackendName, forward};
use url::Url;

use crate::Config;

/// The longest answer that is taken from egress, in bytes: a text of the longest kind, escaped, and its handlers.
const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;

/// How often a call-back is offered to egress. Asking again is safe: the session that was granted the message gets the
/// same document. Not asking again loses a message that was granted and whose document did not arrive.
const TRIES: u32 = 3;

/// The pause between two of them.
const PAUSE: Duration = Duration::from_millis(100);

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
pub(crate) enum ForwardError {
    #[error("egress did not answer")]
    Unreachable(#[source] reqwest::Error),
    #[error("egress answered with more than {DOCUMENT_BYTES_MAX} bytes")]
    TooLarge,
}

/// What egress answered.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: StatusCode,
    pub(crate) body: Vec<u8>,
}

impl Forwarder {
    pub(crate) fn new(config: &Config) -> Result<Self, ForwarderError> {
        let egress = config.egress.clone();
        if !matches!(egress.scheme(), "http" | "https") || egress.cannot_be_a_base() {
            return Err(ForwarderError::Address);
        }
        let http = reqwest::Client::builder()
            .timeout(config.forward_timeout / TRIES)
            // Shorter than egress keeps an idle connection.
            .pool_idle_timeout(Duration::from_secs(10))
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .build()
            .map_err(ForwarderError::Build)?;
        Ok(Self { http, egress })
    }

    /// Forwards a call-back. `reply_to` is the last part of the URL that Tropo called.
    pub(crate) async fn forward(
        &self,
        backend: &BackendName,
        reply_to: &str,
        body: &Bytes,
        environment: &Environment,
    ) -> Result<Answer, ForwardError> {
        let mut answered = self.try_once(backend, reply_to, body).await;
        for _ in 1..TRIES {
            match &answered {
                Ok(answer) if answer.status != StatusCode::SERVICE_UNAVAILABLE => break,
                Err(ForwardError::TooLarge) => break,
                Ok(_) | Err(ForwardError::Unreachable(_)) => {}
            }
            environment.clock.sleep(PAUSE).await;
            answered = self.try_once(backend, reply_to, body).await;
        }
        answered
    }

    async fn try_once(&self, backend: &BackendName, reply_to: &str, body: &Bytes) -> Result<Answer, ForwardError> {
        let mut url = self.egress.clone();
        let base = url.path().trim_end_matches('/').to_owned();
        url.set_path(&format!("{base}/{}", forward::path(backend)));
        let mut request = self
            .http
            .post(url)
            .header(header::CONTENT_TYPE, "application/json")
            .header(forward::REPLY_TO, reply_to)
            .body(body.clone());
        if let Some(context) = trace::current() {
            request = request.header(messaging::headers::TRACEPARENT, context.traceparent);
        }
        let mut answer = request.send().await.map_err(ForwardError::Unreachable)?;
        let status = answer.status();
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(ForwardError::Unreachable)? {
            body.extend_from_slice(&chunk);
            if DOCUMENT_BYTES_MAX < body.len() {
                return Err(ForwardError::TooLarge);
            }
        }
        Ok(Answer { status, body })
    }
}
