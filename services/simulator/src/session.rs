//! One session from its first webhook to its end, in a task of its own.

pub(crate) mod opening;
mod perform;
mod result;
mod told;

use std::sync::Arc;
use std::time::{Duration, Instant};

use axum::body::Bytes;
use protocol::{Address, Network, SessionId, Timestamp};
use tokio_util::sync::{CancellationToken, DropGuard};
use tropo::charset;
use tropo::document::Document;
use url::Url;

use self::result::Follow;
use crate::Simulator;
use crate::application::Application;
use crate::debugger::speak::Gateway;
use crate::debugger::wording;
use crate::knobs::{CallBackPlan, WebhookPlan};
use crate::observe;
use crate::reports::Asked;
use crate::sessions::{Posted, State};
use crate::webhook::PostError;

/// How many documents a session is given at most. One that leads to itself would go on for ever.
const DOCUMENTS_MAX: u64 = 20;

/// A session under way. Dropped before its end, it has failed.
pub(crate) struct Run {
    simulator: Arc<Simulator>,
    application: Arc<Application>,
    id: SessionId,
    call_id: Option<String>,
    /// Whom a `say` reaches.
    leg: Option<Leg>,
    gateway: Gateway,
    began: Instant,
    /// Where the document in hand came from: what a relative `next` is relative to.
    url: Url,
    documents: u64,
    engine: Option<usize>,
    ended: bool,
}

/// Both ends of a conversation in text.
#[derive(Clone)]
pub(crate) struct Leg {
    us: Address,
    them: Address,
    network: Network,
    /// What the `call` that began it asked for.
    asked: Asked,
}

/// When the first webhook goes out, and who waits for its answer.
pub(crate) struct Start {
    /// Not before this is cancelled.
    pub(crate) gate: Option<CancellationToken>,
    pub(crate) plan: CallBackPlan,
    /// Dropped when the first webhook has been answered, or will not be.
    pub(crate) answered: Option<DropGuard>,
}

impl Run {
    fn new(
        simulator: Arc<Simulator>,
        application: Arc<Application>,
        id: SessionId,
        url: Url,
        began_at: Timestamp,
    ) -> Self {
        let count = simulator.counters.session();
        let gateway = Gateway::new(&id, began_at, count, application.id, &application.settings.account_id);
        let (call_id, leg, engine) = (None, None, None);
        let began = Instant::now();
        Self { simulator, application, id, call_id, leg, gateway, began, url, documents: 0, engine, ended: false }
    }

    /// Runs the session that begins with this webhook.
    pub(crate) async fn run(mut self, start: Start, body: Vec<u8>) {
        if let Some(gate) = start.gate {
            gate.cancelled().await;
        }
        let state = match start.plan {
            CallBackPlan::Never => {
                self.log(wording::ours("This session does not call back: drop_next_callbacks"));
                State::Dropped
            }
            CallBackPlan::After(delay) => {
                pause(delay).await;
                self.converse(body, start.answered).await
            }
        };
        self.end(state);
    }

    /// Posts, performs what is answered, posts the result, and so on.
    async fn converse(&mut self, body: Vec<u8>, mut answered: Option<DropGuard>) -> State {
        self.acquire_engine();
        let mut body = Bytes::from(body);
        loop {
            let document = self.ask_for_document(body).await;
            drop(answered.take());
            let Some(document) = document else { return State::Failed };
            let ending = self.perform(&document);
            let (url, report, last) = match self.follow(&document, &ending) {
                Follow::Report { url, report, last } => (url, report, last),
                Follow::End(state) => return state,
            };
            self.url = url;
            body = Bytes::from(report.to_body());
            if let Some(state) = last {
                // The call is gone: the answer changes nothing any more.
                self.post(body).await;
                return state;
            }
            if DOCUMENTS_MAX <= self.documents {
                self.log(wording::ours(format_args!("The session ends: it was given {DOCUMENTS_MAX} documents")));
                return State::Failed;
            }
        }
    }

    /// Posts a webhook for the next document.
    async fn ask_for_document(&mut self, body: Bytes) -> Option<Document> {
        let (content_type, body) = self.post(body).await?;
        self.documents += 1;
        self.simulator.sessions.running(&self.id, self.documents);
        let charset = content_type.as_deref().and_then(charset::of_content_type);
        if charset.is_none() && !body.is_ascii() {
            self.log(wording::ours(
                "The document names no charset and is not ASCII: it is read as ISO-8859-1. \
                 Answer with Content-Type: application/json; charset=utf-8",
            ));
        }
        match Document::read(&body, charset) {
            Ok(document) => Some(document),
            Err(error) => {
                self.log(wording::ours(format_args!("The session ends, its document cannot be used: {error}")));
                None
            }
        }
    }

    /// Posts a webhook to the current URL; none when the answer is no success.
    async fn post(&self, body: Bytes) -> Option<(Option<String>, Vec<u8>)> {
        let WebhookPlan { latency, twice } = self.simulator.control.plan_webhook();
        pause(latency).await;
        self.log(wording::sending(&self.id, &self.url, &body));
        if twice {
            self.post_again(body.clone());
        }
        let answered = self.simulator.poster.post(&self.url, body).await;
        let posted = answered.as_ref().map_or_else(PostError::posted, |answer| Posted::Answered(answer.status));
        self.simulator.sessions.posted(&self.id, posted);
        match answered {
            Ok(answer) => {
                self.log(wording::received(&self.id, &answer.body));
                Some((answer.content_type, answer.body))
            }
            Err(PostError::Status(code)) => {
                self.log(wording::refused(&self.id, &self.url, code));
                None
            }
            Err(
                error @ (PostError::TimedOut(_) | PostError::Unreachable(_) | PostError::Cut(_) | PostError::TooLarge),
            ) => {
                self.log(wording::ours(format_args!("The session ends, {} gave no document: {error}", self.url)));
                None
            }
        }
    }

    /// Delivers a webhook a second time, at the same time. Nobody looks at the answer.
    fn post_again(&self, body: Bytes) {
        self.log(wording::ours("This webhook is delivered twice: duplicate_webhooks"));
        let (simulator, url) = (Arc::clone(&self.simulator), self.url.clone());
        let again = async move {
            if let Err(error) = simulator.poster.post(&url, body).await {
                observe::duplicate_failed(&error);
            }
        };
        self.simulator.spawn(again);
    }

    fn acquire_engine(&mut self) {
        let (engine, active) = self.simulator.counters.acquire_engine();
        self.engine = Some(engine);
        self.simulator.sessions.running(&self.id, 0);
        self.log(wording::starts(&self.id, &self.application, &self.url));
        self.log(wording::acquired(&self.id, engine, active));
    }

    fn end(&mut self, state: State) {
        self.ended = true;
        if let Some(engine) = self.engine.take() {
            let active = self.simulator.counters.return_engine();
            self.log(wording::returned(&self.id, engine, active));
        }
        self.simulator.sessions.ended(&self.id, state);
        observe::ended(&self.id, state, self.documents, self.began.elapsed());
    }

    /// Writes a line of the debugger.
    fn log(&self, line: String) {
        self.simulator.debugger.log(Some(&self.id), line);
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.ended {
            self.end(State::Failed);
        }
    }
}

/// Waits, unless there is nothing to wait for: a timer takes a moment even then.
pub(crate) async fn pause(duration: Duration) {
    if !duration.is_zero() {
        tokio::time::sleep(duration).await;
    }
}
