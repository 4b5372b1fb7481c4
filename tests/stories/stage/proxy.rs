//! A way to a server that can be frozen or cut.

use std::net::{Ipv4Addr, SocketAddr};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::tcp::{OwnedReadHalf, OwnedWriteHalf};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;
use tokio::task::JoinSet;

/// What becomes of the bytes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Way {
    /// They are passed on.
    Open,
    /// They stay where they are, and connections stay open.
    Frozen,
    /// Connections are closed as soon as they are made.
    Cut,
}

/// A listener before a server. It ends when it is dropped.
pub(crate) struct Proxy {
    address: SocketAddr,
    way: watch::Sender<Way>,
    _tasks: JoinSet<()>,
}

impl Proxy {
    /// Before the server at `target`, `host:port`.
    pub(crate) async fn before(target: String) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let address = listener.local_addr().unwrap();
        let (way, ways) = watch::channel(Way::Open);
        let mut tasks = JoinSet::new();
        tasks.spawn(async move {
            let mut connections = JoinSet::new();
            loop {
                let (client, _) = listener.accept().await.unwrap();
                if *ways.borrow() == Way::Cut {
                    continue;
                }
                let Ok(server) = TcpStream::connect(&target).await else { continue };
                let ((from_client, to_client), (from_server, to_server)) = (client.into_split(), server.into_split());
                connections.spawn(pump(from_client, to_server, ways.clone()));
                connections.spawn(pump(from_server, to_client, ways.clone()));
            }
        });
        Self { address, way, _tasks: tasks }
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    pub(crate) fn turn(&self, way: Way) {
        self.way.send_replace(way);
    }
}

async fn pump(mut from: OwnedReadHalf, mut to: OwnedWriteHalf, mut ways: watch::Receiver<Way>) {
    let mut bytes = vec![0; 16 << 10];
    loop {
        match ways.wait_for(|way| *way != Way::Frozen).await {
            Ok(way) if *way == Way::Open => {}
            Ok(_) | Err(_) => return,
        }
        tokio::select! {
            changed = ways.changed() => if changed.is_err() { return },
            read = from.read(&mut bytes) => match read {
                Ok(count) if 0 < count && to.write_all(&bytes[..count]).await.is_ok() => {}
                Ok(_) | Err(_) => return,
            }
        }
    }
}
