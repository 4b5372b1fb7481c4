//! What one who watches gets.

use std::collections::VecDeque;
use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event;
use futures::{Stream, stream};
use protocol::{BackendName, SessionId};
use serde::Serialize;
use store::{JournalEvent, LedgerError, Numbered};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::{BATCH, Batch, Place};
use crate::guard::Caller;
use crate::problem::Problem;
use crate::shown::ShownEvent;
use crate::{Console, observe};

/// How often a silent stream says that it is there. Proxies cut off what is silent for a minute.
pub(crate) const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// How long a stream goes on. Who comes again is asked again who they are.
pub(super) const LIFE_MAX: Duration = Duration::from_mins(15);

/// When a browser comes again after it was cut off.
pub(super) const COME_AGAIN: Duration = Duration::from_secs(1);

/// How far somebody may be behind: what is older is not read for them any more.
const BEHIND_MAX: i64 = 10_000;

/// How many events may be passed over before the client is told where it is.
const TELL_EACH: i64 = 1000;

/// Between which numbers some events were not shown.
#[derive(Serialize)]
struct Missed {
    after: i64,
    up_to: i64,
}

/// Which events somebody wants to see: those that fit everything that is set.
#[derive(Default)]
pub(crate) struct Wish {
    /// Those of this backend.
    pub(crate) backend: Option<BackendName>,
    /// Those of none of these backends.
    pub(crate) without: Vec<BackendName>,
    /// Those of these kinds; none: of all.
    pub(crate) kinds: Vec<String>,
    /// Those of this session, or of the conversation that it began.
    pub(crate) session: Option<SessionId>,
    /// Those about any of these: ids of texts, of messages, of sessions; none: about all.
    pub(crate) about: Vec<SessionId>,
}

impl Wish {
    pub(super) fn is_for(&self, event: &JournalEvent) -> bool {
        let Self { backend, without, kinds, session, about } = self;
        let is_of = |id: &SessionId| event.session_id.as_ref() == Some(id) || event.correlation_id.as_ref() == Some(id);
        let is_about = |id: &SessionId| is_of(id) || event.of.is_some_and(|(_, of)| id.as_str().parse() == Ok(of));
        backend.as_ref().is_none_or(|backend| *backend == event.backend)
            && !without.contains(&event.backend)
            && (kinds.is_empty() || kinds.contains(&event.kind))
            && session.as_ref().is_none_or(is_of)
            && (about.is_empty() || about.iter().any(is_about))
    }
}

/// Somebody who watches.
struct Watcher {
    console: Arc<Console>,
    caller: Caller,
    wish: Wish,
    new: Receiver<Arc<Batch>>,
    /// The number up to which everything was shown or was not wished for.
    seen: i64,
    /// The number that the client heard of last.
    told: i64,
    /// The number up to which the journal has more.
    known: i64,
    /// Read, and not yet shown.
    ready: VecDeque<Event>,
    ends_at: Instant,
    _place: Place,
}

impl Console {
    /// The same, without what the flow probe causes, unless it is asked for.
    pub(super) fn wish_of_people(&self, mut wish: Wish) -> Wish {
        if wish.backend.is_none() && wish.session.is_none() && wish.about.is_empty() {
            wish.without = self.probed();
        }
        wish
    }

    /// Events after a number, or from now on, and on as they happen.
    ///
    /// # Errors
    /// Too many watch, or the database does not answer.
    pub(crate) async fn watch(
        self: &Arc<Self>,
        caller: Caller,
        wish: Wish,
        after: Option<i64>,
    ) -> Result<impl Stream<Item = Result<Event, Infallible>> + use<>, Problem> {
        let place = self.feed.watchers.take(&caller)?;
        // First: what comes from now on is not missed while the journal is read.
        let new = self.feed.new.subscribe();
        let last = self.database()?.journal.last_number().await?;
        // A number that no event has yet is of another journal.
        let seen = after.unwrap_or(last).clamp(0, last);
        // Whoever is cut off before the first event knows where to go on as well.
        let first = Event::default().id(seen.to_string()).retry(COME_AGAIN).comment("the stream is open");
        let watcher = Watcher {
            console: Arc::clone(self),
            caller,
            wish: self.wish_of_people(wish),
            new,
            seen,
            told: seen,
            known: last,
            ready: VecDeque::from([first]),
            ends_at: Instant::now() + LIFE_MAX,
            _place: place,
        };
        Ok(stream::unfold(watcher, async |mut watcher| {
            let event = watcher.next().await?;
            Some((Ok(event), watcher))
        }))
    }
}

impl Watcher {
    /// What comes next; `None`: come again.
    async fn next(&mut self) -> Option<Event> {
        let over = self.console.feed.over.clone();
        loop {
            if let Some(event) = self.ready.pop_front() {
                return Some(event);
            }
            let more = tokio::time::timeout_at(self.ends_at, over.run_until_cancelled(self.read()));
            match more.await {
                Ok(Some(Ok(()))) => {}
                Ok(Some(Err(error))) => {
                    observe::not_followed(&error);
                    return None;
                }
                Ok(None) | Err(_) => return None,
            }
        }
    }

    /// Reads what is new, once there is something.
    async fn read(&mut self) -> Result<(), LedgerError> {
        if self.seen < self.known {
            return self.catch_up().await;
        }
        match self.new.recv().await {
            // What the journal has up to the end of it is read there.
            Ok(batch) if self.seen < batch.after => {
                self.known = batch.events.last().map_or(batch.after, |last| last.number);
            }
            Ok(batch) => self.show(&batch.events),
            // The next batch says after which number it begins.
            Err(RecvError::Lagged(_)) => {}
            // The feed lives as long as the console.
            Err(RecvError::Closed) => std::future::pending().await,
        }
        Ok(())
    }

    /// Reads on in the journal.
    async fn catch_up(&mut self) -> Result<(), LedgerError> {
        let oldest = self.known.saturating_sub(BEHIND_MAX);
        if self.seen < oldest {
            let missed = Missed { after: self.seen, up_to: oldest };
            // Our own types have string keys: they are always written.
            self.ready.extend(Event::default().event("missed").json_data(missed));
            self.seen = oldest;
        }
        let Some(opened) = self.console.database.get() else { return Ok(()) };
        let events = opened.journal.events_after(self.seen, BATCH).await?;
        if events.is_empty() {
            self.seen = self.known;
        }
        self.show(&events);
        Ok(())
    }

    fn show(&mut self, events: &[Numbered]) {
        let new = events.iter().filter(|event| self.seen < event.number);
        let mut last = self.seen;
        for Numbered { number, event } in new {
            last = *number;
            if self.wish.is_for(event) {
                let shown = ShownEvent::of(event.clone(), &self.caller);
                let event = Event::default().id(number.to_string()).event("event").json_data(shown);
                self.ready.extend(event);
                self.told = last;
            }
        }
        self.seen = last;
        if TELL_EACH <= self.seen.saturating_sub(self.told) {
            // No event to a browser, but where to go on.
            self.ready.push_back(Event::default().id(self.seen.to_string()));
            self.told = self.seen;
        }
    }
}
