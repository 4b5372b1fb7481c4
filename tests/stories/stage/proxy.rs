//! What stands between Tropo and ingress, and loses answers.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use chassis::tasks::Crowd;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinSet;

/// The parameter that tells a call-back from other webhooks.
const TICKET: &[u8] = b"\"ticket\"";

/// A proxy in front of ingress. Dropping it closes all its connections.
pub(crate) struct Proxy {
    /// So many of the next answers to call-backs are lost.
    lost: Arc<AtomicU32>,
    _connections: Crowd,
}

impl Proxy {
    pub(super) async fn start(listen: SocketAddrV4, ingress: SocketAddrV4) -> Self {
        let listener = TcpListener::bind(listen).await.unwrap();
        let lost = Arc::new(AtomicU32::new(0));
        let crowd = Crowd::default();
        let still_to_lose = lost.clone();
        crowd.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (caller, _) = listener.accept().await.unwrap();
                connections.spawn(pass_on(caller, ingress, still_to_lose.clone()));
            }
        });
        Self { lost, _connections: crowd }
    }

    /// Loses the answer to the next call-back: ingress has given it, and Tropo sees the connection closed.
    pub(crate) fn lose_next_document(&self) {
        self.lost.fetch_add(1, Ordering::Relaxed);
    }

    /// Whether all is lost that was to be.
    pub(crate) fn has_lost_all(&self) -> bool {
        self.lost.load(Ordering::Relaxed) == 0
    }
}

async fn pass_on(mut caller: TcpStream, ingress: SocketAddrV4, lost: Arc<AtomicU32>) {
    let Ok(mut ingress) = TcpStream::connect(ingress).await else { return };
    let (mut from_caller, mut from_ingress) = (vec![0; 64 * 1024], vec![0; 64 * 1024]);
    // What was asked since the last answer.
    let mut asked = Vec::new();
    loop {
        tokio::select! {
            read = caller.read(&mut from_caller) => {
                let Ok(count @ 1..) = read else { return };
                asked.extend_from_slice(&from_caller[..count]);
                if ingress.write_all(&from_caller[..count]).await.is_err() { return }
            }
            read = ingress.read(&mut from_ingress) => {
                let Ok(count @ 1..) = read else { return };
                let is_call_back = asked.windows(TICKET.len()).any(|window| window == TICKET);
                let one_less = |lost: u32| lost.checked_sub(1);
                if is_call_back && lost.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less).is_ok() { return }
                asked.clear();
                if caller.write_all(&from_ingress[..count]).await.is_err() { return }
            }
        }
    }
}
