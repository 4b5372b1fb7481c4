//! Posts webhooks to applications, as the platform does: no proxy, no redirects, one deadline for all of it.

use std::error::Error;
use std::time::Duration;

use axum::body::Bytes;
use reqwest::header::{CONTENT_TYPE, COOKIE};
use url::Url;

use crate::cookies::Cookies;
use crate::sessions::Posted;

/// The longest answer that is taken, in bytes.
const DOCUMENT_BYTES_MAX: usize = 1024 * 1024;

/// How long an idle connection is used again. Short: an application that closes it at the same moment would cost a
/// webhook, and that is no mishap that anybody asked for.
const IDLE_MAX: Duration = Duration::from_secs(1);

/// The client of all applications.
#[derive(Clone, Debug)]
pub(crate) struct Poster {
    http: reqwest::Client,
    timeout: Duration,
}

/// A 2xx answer.
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) content_type: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// Why there is no such answer.
#[derive(Debug, thiserror::Error)]
pub(crate) enum PostError {
    #[error("no answer within {}", chassis::config::duration::write(*.0))]
    TimedOut(Duration),
    #[error("no answer: {0}")]
    Unreachable(String),
    #[error("no whole answer: {0}")]
    Cut(String),
    #[error("status {0}")]
    Status(u16),
    #[error("the answer has more than {DOCUMENT_BYTES_MAX} bytes")]
    TooLarge,
}

impl PostError {
    /// What it says of the webhook.
    pub(crate) fn posted(&self) -> Posted {
        match self {
            Self::Status(code) => Posted::Answered(*code),
            Self::Unreachable(_) => Posted::Unreachable,
            Self::TimedOut(_) | Self::Cut(_) | Self::TooLarge => Posted::Unanswered,
        }
    }
}

impl Poster {
    /// A client that waits so long for an answer.
    ///
    /// # Errors
    /// The system's TLS roots cannot be read.
    pub(crate) fn new(timeout: Duration) -> Result<Self, reqwest::Error> {
        let http = reqwest::Client::builder()
            .connect_timeout(timeout)
            .timeout(timeout)
            .pool_idle_timeout(IDLE_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .user_agent(concat!("tropomq-simulator/", env!("CARGO_PKG_VERSION")))
            .build()?;
        Ok(Self { http, timeout })
    }

    /// Posts a webhook of a session and takes the answer. The cookies that it sets come with the next one.
    ///
    /// # Errors
    /// Anything but a 2xx answer in time and of bearable length.
    ///
    /// # Cancel safety
    /// Dropping the future drops the connection; the application may have handled the webhook.
    pub(crate) async fn post(&self, url: &Url, cookies: &Cookies, body: Bytes) -> Result<Answer, PostError> {
        let mut request = self.http.post(url.clone()).header(CONTENT_TYPE, "application/json").body(body);
        if let Some(cookies) = cookies.header(url) {
            request = request.header(COOKIE, cookies);
        }
        let mut answer = request.send().await.map_err(|error| self.failure(error))?;
        cookies.keep(url, answer.headers());
        if !answer.status().is_success() {
            return Err(PostError::Status(answer.status().as_u16()));
        }
        let status = answer.status().as_u16();
        let content_type = answer.headers().get(CONTENT_TYPE).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.failure(error))? {
            body.extend_from_slice(&chunk);
            if DOCUMENT_BYTES_MAX < body.len() {
                return Err(PostError::TooLarge);
            }
        }
        Ok(Answer { status, content_type, body })
    }

    fn failure(&self, error: reqwest::Error) -> PostError {
        if error.is_timeout() {
            return PostError::TimedOut(self.timeout);
        }
        // The last cause says it best: "connection refused" and the like.
        let error = error.without_url();
        let causes = std::iter::successors(Some(&error as &(dyn Error + 'static)), |error| (*error).source());
        let cause = causes.last().map(ToString::to_string).unwrap_or_default();
        if error.is_connect() { PostError::Unreachable(cause) } else { PostError::Cut(cause) }
    }
}
