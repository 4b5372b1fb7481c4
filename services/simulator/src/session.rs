//! One session from its first webhook to its end, in a task of its own.

mod ask;
pub(crate) mod inbox;
mod listen;
mod mms;
pub(crate) mod opening;
mod payload;
mod perform;
mod result;
mod secrecy;
mod strict;
mod told;

use std::collections::VecDeque;
use std::fmt::Display;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Bytes;
use protocol::{Address, Network, SessionId, Timestamp};
use tokio::sync::Notify;
use tokio::time::Instant;
use tokio_util::sync::{CancellationToken, DropGuard};
use tropo::charset;
use tropo::document::Document;
use url::Url;

use self::inbox::Waiting;
use self::opening::OpeningError;
use self::result::{Collected, Follow, Payload};
use crate::Simulator;
use crate::application::Application;
use crate::cookies::Cookies;
use crate::debugger::speak::Gateway;
use crate::debugger::wording;
use crate::knobs::{CallBackPlan, WebhookPlan};
use crate::observe;
use crate::phones::Delivery;
use crate::reports::Asked;
use crate::sessions::{Posted, State};
use crate::webhook::{Answer, PostError};

/// How many documents may follow each other in haste: nobody was heard, and each was done within [`HASTE`]. Documents
/// that lead to each other would go on for ever.
const HASTY_DOCUMENTS_MAX: u32 = 100;

/// What takes longer can go on until the session's longest life is over.
const HASTE: Duration = Duration::from_secs(1);

/// A session under way. Dropped before its end, it has failed.
pub(crate) struct Run {
    simulator: Arc<Simulator>,
    application: Arc<Application>,
    id: SessionId,
    call_id: Option<String>,
    /// Whom a `say` reaches.
    leg: Option<Leg>,
    /// The number that was texted, or that the session called.
    called: Option<Address>,
    gateway: Gateway,
    began: Instant,
    /// When its longest life is over.
    deadline: Instant,
    /// Rings when something comes from outside.
    bell: Arc<Notify>,
    /// Where it was posted first.
    start_url: Url,
    /// Where the document in hand came from: what a relative `next` is relative to.
    url: Url,
    cookies: Arc<Cookies>,
    documents: u64,
    /// What the document in hand has collected so far.
    collected: Vec<Collected>,
    /// Whether somebody was heard since the document in hand was asked for.
    has_heard: bool,
    /// Whether the application keeps everything out of the debugger's log.
    is_silent: bool,
    /// Whether it keeps what is said in the call out of it.
    hides_prompts: bool,
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

impl Leg {
    /// The conversation that a text of a phone belongs to.
    fn of(delivery: &Delivery) -> Self {
        let Delivery { from, to, network, .. } = delivery;
        Self { us: to.clone(), them: from.clone(), network: network.clone(), asked: Asked::default() }
    }
}

impl Start {
    /// The first webhook goes out at once.
    fn at_once() -> Self {
        Self { gate: None, plan: CallBackPlan::After(Duration::ZERO), answered: None }
    }
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
        let began = Instant::now();
        let deadline = listen::after(began, simulator.session_max);
        let bell = simulator.inboxes.open(&id);
        Self {
            simulator,
            application,
            id,
            call_id: None,
            leg: None,
            called: None,
            gateway,
            began,
            deadline,
            bell,
            start_url: url.clone(),
            url,
            cookies: Arc::default(),
            documents: 0,
            collected: Vec::new(),
            has_heard: false,
            is_silent: false,
            hides_prompts: false,
            engine: None,
            ended: false,
        }
    }

    /// Runs the session that begins with this webhook.
    pub(crate) async fn run(mut self, start: Start, body: Vec<u8>) {
        if let Some(gate) = start.gate
            && self.unless_stopping(gate.cancelled()).await.is_none()
        {
            return self.end(State::Failed);
        }
        let state = match start.plan {
            CallBackPlan::Never(knob) => {
                self.log(wording::ours(format_args!("This session does not call back: {knob}")));
                State::Dropped
            }
            CallBackPlan::After(delay) => match self.unless_stopping(pause(delay)).await {
                Some(()) => self.converse(body, start.answered).await,
                None => State::Failed,
            },
        };
        self.end(state);
    }

    /// Posts, performs what is answered, posts the result, and so on.
    async fn converse(&mut self, body: Vec<u8>, mut answered: Option<DropGuard>) -> State {
        self.acquire_engine();
        let mut payload = Payload::plain(body);
        let mut hasty = 0;
        loop {
            let asked = Instant::now();
            self.has_heard = false;
            let document = self.ask_for_document(payload).await;
            drop(answered.take());
            let Some((document, is_garbled)) = document else { return State::Failed };
            let ending = match self.refuse(&document, is_garbled) {
                Some(refused) => refused,
                None => self.perform(&document).await,
            };
            let (url, report, last) = match self.follow(&document, ending).await {
                Follow::Report { url, report, last } => (url, report, last),
                Follow::End(state) => return state,
            };
            self.url = url;
            if let Some(state) = last {
                let unread = self.simulator.inboxes.part(&self.id);
                self.hand_on(unread);
                // The call is gone: the answer changes nothing any more.
                if let Some(answer) = self.post(report).await {
                    let is_hidden = self.hides_prompts || secrecy::may_be_secret(&answer.body, None);
                    let shown = if is_hidden { secrecy::HIDDEN } else { &answer.body };
                    self.log(wording::received(&self.id, shown));
                }
                return state;
            }
            payload = report;
            hasty = if self.has_heard || HASTE <= asked.elapsed() { 0 } else { hasty + 1 };
            if HASTY_DOCUMENTS_MAX <= hasty {
                self.log(wording::ours(format_args!(
                    "The session ends: it was given {HASTY_DOCUMENTS_MAX} documents in haste, and heard nobody. \
                     Do they lead to each other?"
                )));
                return State::Failed;
            }
        }
    }

    /// Posts a webhook for the next document; and whether its characters had to be guessed.
    async fn ask_for_document(&mut self, payload: Payload) -> Option<(Document, bool)> {
        let answer = self.post(payload).await?;
        self.documents += 1;
        self.simulator.sessions.running(&self.id, self.documents);
        let charset = answer.content_type.as_deref().and_then(charset::of_content_type);
        let read = Document::read(&answer.body, charset);
        let is_hidden = self.hides_prompts || secrecy::may_be_secret(&answer.body, read.as_ref().ok());
        let shown = if is_hidden { secrecy::HIDDEN } else { &answer.body };
        self.log(wording::received(&self.id, shown));
        let doubt = charset::doubt(&answer.body, charset);
        if let Some(doubt) = doubt {
            self.log(wording::ours(doubt));
        }
        if let Err(error) = &read {
            self.log(wording::ours(format_args!("The session ends, its document cannot be used: {error}")));
        }
        Some((read.ok()?, doubt == Some(charset::Doubt::NoCharset)))
    }

    /// Posts a webhook to the current URL; none when the answer is no success.
    async fn post(&self, Payload { body, shown }: Payload) -> Option<Answer> {
        let WebhookPlan { latency, overtaken_within, twice, timeout } = self.simulator.control.plan_webhook();
        self.unless_stopping(pause(latency)).await?;
        if let Some(longest) = overtaken_within {
            self.log(wording::ours("This webhook lets another one go first: reorder_webhooks"));
            // Whether one came, or the time was over, it goes now.
            let _ = self.unless_stopping(tokio::time::timeout(longest, self.simulator.answered.notified())).await?;
        }
        self.log(wording::sending(&self.id, &self.url, shown.as_ref().unwrap_or(&body)));
        if twice {
            self.post_again(body.clone(), timeout);
        }
        let answered = self.simulator.poster.post(&self.url, &self.cookies, body, timeout).await;
        self.simulator.answered.notify_waiters();
        match self.cookies.take_refused() {
            0 => {}
            refused => self
                .log(wording::ours(format_args!("Cookies are not kept, as they are too many or too long: {refused}"))),
        }
        let posted = answered.as_ref().map_or_else(PostError::posted, |answer| Posted::Answered(answer.status));
        self.simulator.sessions.posted(&self.id, posted);
        match answered {
            Ok(answer) => Some(answer),
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

    /// Waits, unless the simulator stops: then the session ends.
    async fn unless_stopping<T>(&self, wait: impl Future<Output = T>) -> Option<T> {
        tokio::select! {
            biased;
            come = wait => Some(come),
            () = self.simulator.stopping.cancelled() => {
                self.log(wording::ours("The session ends: the simulator is stopping"));
                None
            }
        }
    }

    /// Delivers a webhook a second time, at the same time. Nobody looks at the answer.
    fn post_again(&self, body: Bytes, timeout: Option<Duration>) {
        self.log(wording::ours("This webhook is delivered twice: duplicate_webhooks"));
        let (simulator, url, cookies) = (Arc::clone(&self.simulator), self.url.clone(), Arc::clone(&self.cookies));
        let again = async move {
            if let Err(error) = simulator.poster.post(&url, &cookies, body, timeout).await {
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
        let unread = self.simulator.inboxes.close(&self.id);
        self.hand_on(unread);
        self.simulator.sessions.ended(&self.id, state);
        observe::ended(&self.id, state, self.documents, self.began.elapsed());
    }

    /// The texts that came to this session, which did not read them, go to whoever still asks there; the first of the
    /// others begins a session, and that one has the rest.
    fn hand_on(&self, unread: Vec<Waiting>) {
        let mut left = VecDeque::new();
        for text in unread {
            match self.simulator.offer(&text) {
                Ok(Some(id)) => {
                    self.log(wording::ours(format_args!("A text that nothing asked for goes to session {id}")));
                }
                Ok(None) => left.push_back(text),
                Err(error) => self.lose(error),
            }
        }
        while let Some(first) = left.pop_front() {
            let others = left.len();
            match self.simulator.succeed(&first, &mut left) {
                Ok(id) if others == 0 => {
                    self.log(wording::ours(format_args!("A text that nothing asked for begins session {id}")));
                }
                Ok(id) => self.log(wording::ours(format_args!(
                    "A text that nothing asked for begins session {id}, and {others} more wait for that one"
                ))),
                Err(error) => self.lose(error),
            }
        }
    }

    /// A text is lost: the log says so even where the application hides all else, as it quotes nothing.
    fn lose(&self, error: OpeningError) {
        let line = format_args!("A text that nothing asked for is lost: {error}");
        self.simulator.debugger.log(Some(&self.id), wording::ours(line));
    }

    /// Somebody is on the line. The text that the session began with answers its first question.
    fn connect(&mut self, leg: Leg, first: Option<&Delivery>) -> Option<Leg> {
        self.simulator.inboxes.connect(&self.id, &leg, first);
        self.leg.replace(leg)
    }

    /// Writes a line of the debugger.
    fn log(&self, line: impl Display) {
        if !self.is_silent {
            self.simulator.debugger.log(Some(&self.id), line);
        }
    }
}

impl Drop for Run {
    fn drop(&mut self) {
        if !self.ended {
            // Nothing may be begun from here: the runtime may be going down.
            for _ in self.simulator.inboxes.part(&self.id) {
                self.lose(OpeningError::Stopping);
            }
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
