//! Server-sent events. A client that was away, or too slow, comes again with the id of the last one that it had.

use std::convert::Infallible;
use std::future::Future;
use std::time::Duration;

use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use axum::response::sse::{Event, KeepAlive, Sse};
use axum::response::{IntoResponse, Response};
use chassis::shutdown::Shutdown;
use futures::{StreamExt, stream};
use serde::Serialize;

/// How many items are taken at once. No more of them are held for a client that does not read.
pub(super) const BATCH: usize = 100;

/// How often a silent stream says that it is there. Proxies cut off what is silent for a minute.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// When a browser comes again after it was cut off.
const COME_AGAIN: Duration = Duration::from_secs(1);

/// The header `Last-Event-ID`: where a browser goes on by itself.
pub(super) struct Resume(Option<u64>);

impl Resume {
    /// Where to go on. The header says how far the client has come since it was first told `after`.
    pub(super) fn after(&self, after: u64) -> u64 {
        self.0.unwrap_or(after)
    }
}

impl<S: Sync> FromRequestParts<S> for Resume {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _state: &S) -> Result<Self, Infallible> {
        let header = parts.headers.get("last-event-id");
        Ok(Self(header.and_then(|id| id.to_str().ok()?.trim().parse().ok())))
    }
}

/// The items that `next` gives after an id, and so on until the simulator stops.
pub(super) fn events<T, F, N>(name: &'static str, after: u64, shutdown: Shutdown, next: N) -> Response
where
    T: Serialize + Send + 'static,
    F: Future<Output = Vec<(u64, T)>> + Send + 'static,
    N: Fn(u64) -> F + Send + 'static,
{
    let first = stream::once(async { Event::default().retry(COME_AGAIN).comment("the stream is open") });
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
    let events = items.filter_map(move |(id, item)| {
        // Our own types have string keys: they are always written.
        std::future::ready(Event::default().id(id.to_string()).event(name).json_data(item).ok())
    });
    let events = first.chain(events).map(Ok::<_, Infallible>);
    Sse::new(events).keep_alive(KeepAlive::new().interval(KEEP_ALIVE)).into_response()
}
