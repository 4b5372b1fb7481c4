//! HTTP listeners with limits of their own, because a bare axum server has none.
//!
//! Every listener holds every limit of [`Limits`]: how long a client may take for its headers, for its body, between
//! two requests and to take the answer; how many headers, how many bytes of headers and of body; how many
//! connections. So a slow or greedy client costs one connection for a bounded time, and no more than that.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use axum::Router;
use tokio::net::{TcpListener, TcpStream};
use tracing::{debug, info, warn};

use self::connection::Door;
use self::places::Places;
use crate::shutdown::Shutdown;
use crate::tasks::Crowd;

mod answer;
mod body;
mod browsers;
mod connection;
mod limits;
mod paced;
mod places;
mod raw;

pub use body::{Body, BodyRejection};
pub use browsers::{Browser, UnknownHost, is_host_known};
pub use limits::Limits;

/// How long nothing is accepted after the operating system could not give another connection.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(200);

/// Listens on an address. Port 0 takes any that is free.
///
/// # Errors
/// The address cannot be had; the message names it and says what to do.
pub async fn bind(address: SocketAddr) -> anyhow::Result<TcpListener> {
    let error = match TcpListener::bind(address).await {
        Ok(listener) => return Ok(listener),
        Err(error) => error,
    };
    let advice = match error.kind() {
        io::ErrorKind::AddrInUse => "another program has this port; stop it, or configure another port",
        io::ErrorKind::PermissionDenied => "this port is reserved; configure one above 1023, or grant the right to it",
        io::ErrorKind::AddrNotAvailable => "this machine does not have this address; configure one that it has",
        _ => return Err(error).with_context(|| format!("listen on {address}")),
    };
    Err(error).context(advice).with_context(|| format!("listen on {address}"))
}

/// Serves until shutdown is requested; then accepts nothing more, finishes what is in hand until
/// [`Limits::drain_timeout`], and drops the rest. From the announcement of the shutdown on, each answer ends its
/// connection (`connection: close`), so that clients which keep connections go elsewhere in time.
///
/// When all places are taken and another client comes, the connection that has been idle longest is closed, once
/// that was a quarter of [`Limits::idle_timeout`].
///
/// Handlers take the body with [`Body`], and find the peer in `axum::extract::ConnectInfo<SocketAddr>`. A handler that
/// panics answers 500. A handler is dropped where it stands when its client goes away, when it takes longer than
/// [`Limits::request_timeout`] (503), and at the end of draining.
///
/// # Errors
/// The listener has no address. Nothing after that ends it: what goes wrong with one connection ends that connection.
///
/// # Cancel safety
/// Dropping the future drops the listener and every connection where it stands.
pub async fn serve(listener: TcpListener, router: Router, limits: Limits, shutdown: Shutdown) -> anyhow::Result<()> {
    accept_all(listener, Door::new(router, limits, shutdown.clone()), shutdown).await
}

/// The same for careless clients, such as those of a stand-in: blanks, `#`, quotes, brackets and letters beyond ASCII
/// may stand unescaped in the target of a request, as long as its connection carries only GET and HEAD without a body.
/// The head of a request may be as long as [`Limits::header_bytes_max`] says, where such a character counts as the three
/// that it is escaped with.
///
/// # Errors
/// As [`serve`].
///
/// # Cancel safety
/// As [`serve`].
pub async fn serve_careless(
    listener: TcpListener,
    router: Router,
    limits: Limits,
    shutdown: Shutdown,
) -> anyhow::Result<()> {
    accept_all(listener, Door::new(router, limits, shutdown.clone()).for_careless(), shutdown).await
}

async fn accept_all(listener: TcpListener, door: Door, shutdown: Shutdown) -> anyhow::Result<()> {
    let address = listener.local_addr().context("find the address of a listener")?;
    info!(server.address = %address, "listening on {address}");
    let limits = door.limits();
    let drain_timeout = limits.drain_timeout;
    let places = Places::new(limits.connections_max, limits.idle_timeout);
    let connections = Crowd::default();
    loop {
        let Some((stream, peer)) = accept(&listener, &shutdown).await else { break };
        // It alone waits here for a place; what comes after it waits in the backlog of the listener and costs no memory.
        let Some(Some(place)) = until(&shutdown, places.take()).await else { break };
        connections.spawn(door.serve(stream, peer, place));
    }
    drop(listener);
    let dropped = connections.drain(drain_timeout).await;
    if 0 < dropped {
        warn!(server.address = %address, connections = dropped, "dropped {dropped} connections at the end of draining");
    }
    info!(server.address = %address, "closed {address}");
    Ok(())
}

/// The next connection; `None` when shutdown was requested.
async fn accept(listener: &TcpListener, shutdown: &Shutdown) -> Option<(TcpStream, SocketAddr)> {
    loop {
        match until(shutdown, listener.accept()).await? {
            Ok((stream, peer)) => match stream.set_nodelay(true) {
                Ok(()) => return Some((stream, peer)),
                Err(error) => debug!(%error, "a connection ended before it began"),
            },
            Err(error) if is_about_one_connection(&error) => debug!(%error, "a connection ended before it began"),
            Err(error) => {
                warn!(%error, "cannot accept connections for now; trying again");
                until(shutdown, tokio::time::sleep(ACCEPT_BACKOFF)).await?;
            }
        }
    }
}

/// Whether the next accept may well succeed at once. Anything else, such as too many open files, would fail again at
/// once, and again.
fn is_about_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::ConnectionAborted | io::ErrorKind::ConnectionRefused | io::ErrorKind::ConnectionReset
    )
}

/// What the future gives; `None` when shutdown is requested first.
async fn until<T>(shutdown: &Shutdown, future: impl Future<Output = T>) -> Option<T> {
    tokio::select! {
        biased;
        () = shutdown.requested() => None,
        output = future => Some(output),
    }
}

#[cfg(test)]
mod open_files;
#[cfg(test)]
mod tests;
