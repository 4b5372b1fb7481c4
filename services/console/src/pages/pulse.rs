//! Tells pages that there is something new: a stream that says no more than that, so that a page fetches what it shows.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::{Query, State};
use axum::response::IntoResponse;
use axum::response::sse::{Event, KeepAlive, Sse};
use futures::stream;
use protocol::BackendName;
use serde::Deserialize;
use store::Numbered;
use tokio::sync::broadcast::Receiver;
use tokio::sync::broadcast::error::RecvError;

use crate::Console;
use crate::guard::{Caller, Scope};
use crate::problem::Problem;

/// How often a page is told at the most.
const APART: Duration = Duration::from_millis(500);

/// What a page shows.
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct Watched {
    /// What happens with this backend alone.
    backend: Option<BackendName>,
}

impl Watched {
    fn has(&self, new: &Numbered) -> bool {
        self.backend.as_ref().is_none_or(|backend| *backend == new.event.backend)
    }
}

/// Says `changed` when something new is in the journal, the first time at once.
pub(super) async fn follow(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Query(watched): Query<Watched>,
) -> Result<impl IntoResponse, Problem> {
    caller.may(Scope::Read)?;
    let clock = Arc::clone(&console.environment.clock);
    let watching = (console.feed.watch(), false);
    let changes = stream::unfold(watching, move |(mut new, was_told)| {
        let wait = was_told.then(|| clock.sleep(APART));
        let watched = watched.backend.clone();
        async move {
            if let Some(wait) = wait {
                wait.await;
            }
            next(&mut new, &Watched { backend: watched }).await?;
            Some((Ok::<_, Infallible>(Event::default().event("changed").data("")), (new, true)))
        }
    });
    Ok(Sse::new(changes).keep_alive(KeepAlive::new()))
}

/// Waits for something new that is watched. All that is there by then is told at once; `None`: nothing comes any more.
async fn next(new: &mut Receiver<Numbered>, watched: &Watched) -> Option<()> {
    loop {
        match new.recv().await {
            Ok(event) if watched.has(&event) => break,
            Ok(_) => {}
            // Whatever was missed may have been watched.
            Err(RecvError::Lagged(_)) => break,
            Err(RecvError::Closed) => return None,
        }
    }
    *new = new.resubscribe();
    Some(())
}
