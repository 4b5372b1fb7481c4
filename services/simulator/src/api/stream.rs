//! Server-sent events. A client that was away, or too slow, comes again with the id of the last one that it had.
//!
//! An id is `RUN-INDEX`: numbers begin anew with another process, so that one of another run says nothing.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, stream};
use serde::{Deserialize, Serialize};

use crate::Simulator;

/// How many items are taken at once. No more of them are held for a client that does not read.
pub(super) const BATCH: usize = 100;

/// How often a silent stream says that it is there. Proxies cut off what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// When a browser comes again after it was cut off.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// The header `Last-Event-ID`: where a browser goes on by itself.
pub(super) struct Resume(Option<String>);

/// Where a client wants to go on, as its query says it.
#[derive(Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub(super) struct Since {
    /// A number of this run.
    pub(super) after: u64,
    /// The same as the header, for clients that cannot set it.
    pub(super) last_event_id: Option<String>,
}

impl Resume {
    /// Where to go on. The header says how far the client has come since it made its query. Whoever comes from another
    /// run begins anew.
    pub(super) fn after(self, run: &str, since: Since) -> u64 {
        let Some(id) = self.0.or(since.last_event_id) else { return since.after };
        let index = id.trim().strip_prefix(run).and_then(|rest| rest.strip_prefix('-')?.parse().ok());
        index.unwrap_or(0)
    }
}

/// The id of an item.
pub(super) fn id(run: &str, index: u64) -> String {
    format!("{run}-{index}")
}

impl<S: Sync> FromRequestParts<S> for Resume {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let header = parts.headers.get("last-event-id");
        // What is no text is no id of this run.
        Ok(Self(header.map(|id| id.to_str().unwrap_or_default().to_owned())))
    }
}

/// The items that `next` gives after an index, and so on until the simulator stops. The run comes first, so that a
/// client knows what is no longer true before anything happens.
pub(super) fn events<T, F, N>(name: &'static str, simulator: &Simulator, after: u64, next: N) -> Response
where
    T: Serialize + Send + 'static,
    F: Future<Output = Vec<(u64, T)>> + Send + 'static,
    N: Fn(u64) -> F + Send + 'static,
{
    let (run, shutdown) = (simulator.run.clone(), simulator.shutdown.clone());
    let first = Event::default().retry(COME_AGAIN).comment("the stream is open");
    let first = stream::once(std::future::ready(first.id(id(&run, after)).event("run").data(&run)));
    let batches = stream::unfold((after, next), move |(after, next)| {
        let shutdown = shutdown.clone();
        async move {
            let items = tokio::select! {
                biased;
                () = shutdown.requested() => return None,
                items = next(after) => items,
            };
            let last = items.last().map_or(after, |(id, _)| *id);
            Some((items, (last, next)))
        }
    });
    // An item is written when the client takes it.
    let items = batches.flat_map(stream::iter);
    let events = items.filter_map(move |(index, item)| {
        // Our own types have string keys: they are always written.
        std::future::ready(Event::default().id(id(&run, index)).event(name).json_data(item).ok())
    });
    let events = first.chain(events).map(Ok::<_, Infallible>);
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}
