//! The body of a request: bounded in bytes and in time wherever it is read.

use std::error::Error;
use std::fmt;
use std::pin::Pin;
use std::task::{Context, Poll};

use axum::RequestExt;
use axum::body::{Bytes, HttpBody, to_bytes};
use axum::extract::{FromRequest, Request};
use axum::http::StatusCode;
use axum::response::{IntoResponse, Response};
use hyper::body::{Frame, Incoming, SizeHint};
use tokio::time::Instant;

use super::answer::last_refusal;
use super::limits::Limits;
use super::paced::{Deadline, Progress, Stage};

/// The whole body of a request, for handlers: `async fn handle(http::Body(bytes): http::Body)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Body(pub Bytes);

/// Shows the length alone: a body names and quotes people.
impl fmt::Debug for Body {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Body({} bytes)", self.0.len())
    }
}

/// Why the body of a request was not read. As a response: 413, 408 or 400, and the connection closes.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum BodyRejection {
    /// More bytes than [`Limits::body_bytes_max`].
    #[error("body is too large")]
    TooLarge,
    /// It took longer than [`Limits::body_timeout`].
    #[error("body came too slowly")]
    TooSlow,
    /// It ended early, or is not written as HTTP has it.
    #[error("body cannot be read")]
    Broken,
}

impl IntoResponse for BodyRejection {
    fn into_response(self) -> Response {
        let status = match self {
            Self::TooLarge => StatusCode::PAYLOAD_TOO_LARGE,
            Self::TooSlow => StatusCode::REQUEST_TIMEOUT,
            Self::Broken => StatusCode::BAD_REQUEST,
        };
        last_refusal(status, &self.to_string())
    }
}

impl<S: Sync> FromRequest<S> for Body {
    type Rejection = BodyRejection;

    async fn from_request(request: Request, _state: &S) -> Result<Self, BodyRejection> {
        // A router that is not behind `http::serve` still has axum's own bound, and says "broken" beyond it.
        let body = request.with_limited_body().into_body();
        to_bytes(body, usize::MAX).await.map(Self).map_err(|error| rejection(&error))
    }
}

fn rejection(error: &(dyn Error + 'static)) -> BodyRejection {
    let mut causes = std::iter::successors(Some(error), |error| (*error).source());
    causes.find_map(|cause| cause.downcast_ref().copied()).unwrap_or(BodyRejection::Broken)
}

/// The body as the listener hands it on.
pub(super) struct Bounded {
    incoming: Incoming,
    bytes_left: usize,
    ends_at: Instant,
    deadline: Deadline,
    /// It came to its end, or failed: nothing more is read.
    over: bool,
    progress: Progress,
}

impl Bounded {
    /// Its time counts from now.
    pub(super) fn new(incoming: Incoming, limits: &Limits, progress: Progress) -> Self {
        Self {
            incoming,
            bytes_left: limits.body_bytes_max,
            ends_at: Instant::now() + limits.body_timeout,
            deadline: Deadline::default(),
            over: false,
            progress,
        }
    }

    fn poll_incoming(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyRejection>>> {
        // A length that is announced is believed, so that a body that is too large is not even read.
        if u64::try_from(self.bytes_left).is_ok_and(|left| left < self.incoming.size_hint().lower()) {
            return Poll::Ready(Some(Err(BodyRejection::TooLarge)));
        }
        // The end of its time counts even if bytes never cease to come.
        if self.deadline.poll(self.ends_at, cx).is_ready() {
            return Poll::Ready(Some(Err(BodyRejection::TooSlow)));
        }
        let Some(frame) = std::task::ready!(Pin::new(&mut self.incoming).poll_frame(cx)) else {
            return Poll::Ready(None);
        };
        let Ok(frame) = frame else { return Poll::Ready(Some(Err(BodyRejection::Broken))) };
        match self.bytes_left.checked_sub(frame.data_ref().map_or(0, Bytes::len)) {
            Some(left) => self.bytes_left = left,
            None => return Poll::Ready(Some(Err(BodyRejection::TooLarge))),
        }
        Poll::Ready(Some(Ok(frame)))
    }
}

impl HttpBody for Bounded {
    type Data = Bytes;
    type Error = BodyRejection;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, BodyRejection>>> {
        if self.over {
            return Poll::Ready(None);
        }
        let polled = self.poll_incoming(cx);
        match &polled {
            Poll::Ready(None) => self.over = true,
            Poll::Ready(Some(Err(_))) => {
                self.over = true;
                self.progress.cut_short();
            }
            Poll::Ready(Some(Ok(_))) | Poll::Pending => {}
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.over || self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}

impl Drop for Bounded {
    fn drop(&mut self) {
        if !self.over && !self.incoming.is_end_stream() {
            self.progress.cut_short();
        }
    }
}

/// The body of an answer: when it is gone the connection is idle.
pub(super) struct Answering {
    body: axum::body::Body,
    progress: Progress,
}

impl Answering {
    pub(super) fn new(body: axum::body::Body, progress: Progress) -> Self {
        Self { body, progress }
    }
}

impl HttpBody for Answering {
    type Data = Bytes;
    type Error = axum::Error;

    fn poll_frame(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, axum::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}

impl Drop for Answering {
    fn drop(&mut self) {
        self.progress.set(Stage::Idle);
    }
}
