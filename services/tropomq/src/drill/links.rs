//! The ways between the parts, each through a relay of the drill's own that can be cut, held or reset.

use std::io;
use std::net::SocketAddr;
use std::time::Duration;

use anyhow::Context;
use chassis::http;
use chassis::tasks::{Crowd, OnEnd, Tasks};
use futures::future::try_join;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use super::plan::Harm;

/// How much of a stream is in hand at once.
const BUFFER_BYTES: usize = 16 * 1024;

/// How long nothing is accepted after that failed, or the address could not be had again.
const PAUSE: Duration = Duration::from_millis(20);

/// A way between two parts. Whoever connects to its address reaches the target, as long as it is whole.
#[derive(Debug)]
pub(super) struct Link {
    address: SocketAddr,
    state: watch::Sender<State>,
}

/// How a way is.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default)]
struct State {
    is_cut: bool,
    is_held: bool,
    /// How often all connections were reset.
    resets: u64,
}

impl Link {
    /// Relays what comes to `address` to `target`, until the tasks are asked to stop.
    ///
    /// # Errors
    /// The address cannot be had.
    pub(super) async fn new(
        name: &'static str,
        address: SocketAddr,
        target: SocketAddr,
        tasks: &Tasks,
    ) -> anyhow::Result<Self> {
        let listener = http::bind(address).await.with_context(|| format!("make the link {name}"))?;
        let address = listener.local_addr().with_context(|| format!("make the link {name}"))?;
        let (state, shown) = watch::channel(State::default());
        let shutdown = tasks.shutdown().clone();
        tasks.spawn(format!("link {name}"), OnEnd::Helper, async move {
            tokio::select! {
                biased;
                () = shutdown.requested() => {}
                () = relay(listener, address, target, shown) => {}
            }
            Ok(())
        });
        Ok(Self { address, state })
    }

    /// Where it begins.
    pub(super) fn address(&self) -> SocketAddr {
        self.address
    }

    /// Harms it.
    pub(super) fn harm(&self, harm: Harm) {
        self.state.send_modify(|state| match harm {
            Harm::Cut => state.is_cut = true,
            Harm::Held => state.is_held = true,
            Harm::Reset => state.resets += 1,
        });
    }

    /// Makes it whole again.
    pub(super) fn mend(&self) {
        self.state.send_modify(|state| (state.is_cut, state.is_held) = (false, false));
    }
}

/// Accepts, except while it is cut: then nobody listens, so that who connects is refused.
async fn relay(listener: TcpListener, address: SocketAddr, target: SocketAddr, mut state: watch::Receiver<State>) {
    let crowd = Crowd::default();
    let mut listening = Some(listener);
    loop {
        if state.borrow_and_update().is_cut {
            listening = None;
            if state.wait_for(|state| !state.is_cut).await.is_err() {
                return;
            }
        }
        let Some(listener) = &listening else {
            listening = TcpListener::bind(address).await.ok();
            if listening.is_none() {
                tokio::time::sleep(PAUSE).await;
            }
            continue;
        };
        tokio::select! {
            biased;
            changed = state.changed() => if changed.is_err() { return },
            accepted = listener.accept() => match accepted {
                Ok((near, _)) => crowd.spawn(carry(near, target, state.clone())),
                Err(_) => tokio::time::sleep(PAUSE).await,
            },
        }
    }
}

/// Carries one connection to its end, or resets it when the way is cut or reset, or nobody is at its other end.
async fn carry(mut near: TcpStream, target: SocketAddr, mut state: watch::Receiver<State>) {
    let born = state.borrow_and_update().resets;
    let mut gate = state.clone();
    let is_broken = async move {
        // An error says that the link itself is gone.
        let _cut_or_gone = state.wait_for(|state| state.is_cut || state.resets != born).await;
    };
    let mut is_broken = std::pin::pin!(is_broken);
    let connect = async {
        whole(&mut gate).await;
        TcpStream::connect(target).await
    };
    let connected = tokio::select! {
        biased;
        () = &mut is_broken => None,
        connected = connect => connected.ok(),
    };
    // Small writes go on at once, as they came.
    let _gone = near.set_nodelay(true);
    let Some(mut far) = connected else { return reset(&near) };
    let _gone = far.set_nodelay(true);
    let carried = {
        let ((near_in, near_out), (far_in, far_out)) = (near.split(), far.split());
        let both = try_join(pump(near_in, far_out, gate.clone()), pump(far_in, near_out, gate));
        tokio::select! {
            biased;
            () = is_broken => None,
            both = both => both.ok(),
        }
    };
    if carried.is_none() {
        reset(&near);
        reset(&far);
    }
}

/// Has the peer told of the end by a reset, which nobody takes for a polite one. It acts when the stream is dropped.
fn reset(stream: &TcpStream) {
    // It fails where the connection is gone already.
    let _gone = stream.set_zero_linger();
}

async fn pump(mut from: ReadHalf<'_>, mut to: WriteHalf<'_>, mut gate: watch::Receiver<State>) -> io::Result<()> {
    let mut buffer = vec![0; BUFFER_BYTES];
    loop {
        let count = from.read(&mut buffer).await?;
        whole(&mut gate).await;
        match buffer.get(..count) {
            Some(bytes) if !bytes.is_empty() => to.write_all(bytes).await?,
            _ => return to.shutdown().await,
        }
    }
}

/// Waits until nothing is held.
async fn whole(gate: &mut watch::Receiver<State>) {
    // An error says that the link itself is gone, and this with it.
    let _whole_or_gone = gate.wait_for(|state| !state.is_held).await;
}

#[cfg(test)]
mod tests {
    use chassis::shutdown::Shutdown;

    use super::*;

    /// Longer than anything here takes; no result depends on it.
    const DEADLINE: Duration = Duration::from_secs(20);

    /// A link to a server that sends back what it gets.
    async fn link(tasks: &Tasks) -> Link {
        let any = SocketAddr::from(([127, 0, 0, 1], 0));
        let listener = TcpListener::bind(any).await.unwrap();
        let target = listener.local_addr().unwrap();
        tasks.spawn("echo server", OnEnd::Helper, async move {
            let crowd = Crowd::default();
            while let Ok((stream, _)) = listener.accept().await {
                crowd.spawn(async move {
                    let (mut from, mut to) = stream.into_split();
                    let _until_its_end = tokio::io::copy(&mut from, &mut to).await;
                });
            }
            Ok(())
        });
        Link::new("test", any, target, tasks).await.unwrap()
    }

    async fn say(stream: &mut TcpStream, words: &str) -> io::Result<String> {
        stream.write_all(words.as_bytes()).await?;
        hear(stream, words.len()).await
    }

    async fn hear(stream: &mut TcpStream, count: usize) -> io::Result<String> {
        let mut heard = vec![0; count];
        tokio::time::timeout(DEADLINE, stream.read_exact(&mut heard)).await.unwrap()?;
        Ok(String::from_utf8(heard).unwrap())
    }

    async fn connect(link: &Link) -> TcpStream {
        let connected = async {
            loop {
                // Where it was cut, it takes a moment until somebody listens again.
                if let Ok(mut stream) = TcpStream::connect(link.address()).await
                    && say(&mut stream, "?").await.is_ok()
                {
                    return stream;
                }
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(DEADLINE, connected).await.unwrap()
    }

    #[tokio::test]
    async fn a_whole_link_carries_both_ways_and_passes_the_end_on() {
        let tasks = Tasks::new(Shutdown::new());
        let link = link(&tasks).await;
        let mut stream = connect(&link).await;
        assert_eq!(say(&mut stream, "hello").await.unwrap(), "hello");
        stream.write_all(b"and bye").await.unwrap();
        stream.shutdown().await.unwrap();
        let mut rest = String::new();
        tokio::time::timeout(DEADLINE, stream.read_to_string(&mut rest)).await.unwrap().unwrap();
        assert_eq!(rest, "and bye");
    }

    #[tokio::test]
    async fn a_cut_link_resets_and_refuses_until_it_is_mended() {
        let tasks = Tasks::new(Shutdown::new());
        let link = link(&tasks).await;
        let mut stream = connect(&link).await;
        link.harm(Harm::Cut);
        let error = hear(&mut stream, 1).await.unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionReset);
        let refused = async {
            while TcpStream::connect(link.address()).await.is_ok() {
                tokio::time::sleep(PAUSE).await;
            }
        };
        tokio::time::timeout(DEADLINE, refused).await.unwrap();
        link.mend();
        assert_eq!(say(&mut connect(&link).await, "again").await.unwrap(), "again");
    }

    #[tokio::test]
    async fn a_held_link_keeps_connections_and_bytes_until_it_is_mended() {
        let tasks = Tasks::new(Shutdown::new());
        let link = link(&tasks).await;
        let mut old = connect(&link).await;
        link.harm(Harm::Held);
        old.write_all(b"old").await.unwrap();
        let mut new = TcpStream::connect(link.address()).await.unwrap();
        new.write_all(b"new").await.unwrap();
        let nothing = tokio::time::timeout(Duration::from_millis(100), old.read_u8()).await;
        assert!(nothing.is_err(), "{nothing:?}");
        link.mend();
        assert_eq!(hear(&mut old, 3).await.unwrap(), "old");
        assert_eq!(hear(&mut new, 3).await.unwrap(), "new");
    }

    #[tokio::test]
    async fn a_link_that_is_reset_ends_what_there_is_and_takes_what_comes() {
        let tasks = Tasks::new(Shutdown::new());
        let link = link(&tasks).await;
        let mut stream = connect(&link).await;
        link.harm(Harm::Reset);
        assert_eq!(hear(&mut stream, 1).await.unwrap_err().kind(), io::ErrorKind::ConnectionReset);
        assert_eq!(say(&mut connect(&link).await, "next").await.unwrap(), "next");
    }
}
