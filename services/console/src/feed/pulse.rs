//! What a page gets that shows what happens: a stream that says that there is something new and no more, so that the page
//! fetches what it shows.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::response::sse::Event;
use futures::{Stream, StreamExt, stream};
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;
use tokio::time::Instant;

use super::stream::{COME_AGAIN, LIFE_MAX};
use super::{Batch, Place, Wish};
use crate::Console;
use crate::guard::Caller;
use crate::problem::Problem;

/// How often a page is told, at the most.
const APART: Duration = Duration::from_millis(500);

/// A page that waits.
struct Waiting {
    console: Arc<Console>,
    wish: Wish,
    new: Receiver<Arc<Batch>>,
    was_told: bool,
    ends_at: Instant,
    _place: Place,
}

impl Console {
    /// Says `changed` when events are new that somebody wants to see: the first time at once, and then not too often.
    ///
    /// # Errors
    /// Too many watch.
    pub(crate) fn pulse(
        self: &Arc<Self>,
        caller: &Caller,
        wish: Wish,
    ) -> Result<impl Stream<Item = Result<Event, Infallible>> + use<>, Problem> {
        let place = self.feed.pages.take(caller)?;
        let new = self.feed.new.subscribe();
        let (wish, ends_at) = (self.wish_of_people(wish), Instant::now() + LIFE_MAX);
        let waiting = Waiting { console: Arc::clone(self), wish, new, was_told: false, ends_at, _place: place };
        let first = Event::default().retry(COME_AGAIN).comment("the stream is open");
        let told = stream::unfold(waiting, async |mut waiting| {
            waiting.next().await?;
            // What has no data is not handed to pages.
            Some((Event::default().event("changed").data("new"), waiting))
        });
        Ok(stream::iter([first]).chain(told).map(Ok))
    }
}

impl Waiting {
    /// Waits until there is something to tell; `None`: come again.
    async fn next(&mut self) -> Option<()> {
        let over = self.console.feed.over.clone();
        tokio::time::timeout_at(self.ends_at, over.run_until_cancelled(self.wait())).await.ok()?
    }

    async fn wait(&mut self) {
        if self.was_told {
            self.console.environment.clock.sleep(APART).await;
        }
        loop {
            match self.new.recv().await {
                // One without events is the first: what came before it was not passed on.
                Ok(batch) if batch.events.is_empty() => break,
                Ok(batch) if batch.events.iter().any(|new| self.wish.is_for(&new.event)) => break,
                Ok(_) => {}
                // Some of what was missed may be wanted.
                Err(RecvError::Lagged(_)) => break,
                // The feed lives as long as the console.
                Err(RecvError::Closed) => std::future::pending().await,
            }
        }
        // All that is there by now is fetched at once.
        self.new = self.new.resubscribe();
        self.was_told = true;
    }
}
