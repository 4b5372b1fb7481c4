//! A TCP proxy that fails as networks do.

use std::io::{self, Read, Write};
use std::net::{Ipv4Addr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::Duration;

use socket2::SockRef;

use crate::PartError;

/// The longest wait for the server behind it.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// How many connections may wait to be accepted: as many as the standard library lets wait.
const BACKLOG: i32 = 128;

/// How long nothing is accepted after the operating system could not give another connection.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(20);

/// Stands between a client and a server, and does to their connections what a network may. Dropping it closes them all,
/// and nothing listens any more.
#[derive(Debug)]
pub struct Proxy {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    listener: TcpListener,
    address: SocketAddr,
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Debug)]
struct State {
    server: SocketAddr,
    network: Network,
    connections: Vec<Arc<Pair>>,
}

#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Network {
    Works,
    /// No byte passes, and no connection ends. New ones are taken, and heard no more of.
    BlackHole,
    /// There are no connections, and new ones are refused.
    Cut,
    Closed,
}

/// Both sockets of one connection.
#[derive(Debug)]
struct Pair {
    client: TcpStream,
    server: TcpStream,
    is_reset: AtomicBool,
    is_stranded: AtomicBool,
}

impl Proxy {
    /// Passes connections on to `server`, from a port of its own on 127.0.0.1.
    ///
    /// # Errors
    /// When it cannot listen.
    pub fn start(server: SocketAddr) -> Result<Self, PartError> {
        Self::start_at(SocketAddr::from((Ipv4Addr::LOCALHOST, 0)), server)
    }

    /// The same, at an address.
    ///
    /// # Errors
    /// When it cannot listen there.
    pub fn start_at(address: SocketAddr, server: SocketAddr) -> Result<Self, PartError> {
        let listener = TcpListener::bind(address).map_err(PartError::io("listen as a proxy"))?;
        let address = listener.local_addr().map_err(PartError::io("listen as a proxy"))?;
        let state = State { server, network: Network::Works, connections: Vec::new() };
        let shared = Arc::new(Shared { listener, address, state: Mutex::new(state), changed: Condvar::new() });
        let accepting = Arc::clone(&shared);
        spawn(move || accepting.accept()).map_err(PartError::io("start a proxy"))?;
        Ok(Self { shared })
    }

    /// Where it listens.
    #[must_use]
    pub fn address(&self) -> SocketAddr {
        self.shared.address
    }

    /// Passes new connections on to this server. Those that stand keep theirs.
    pub fn direct_to(&self, server: SocketAddr) {
        self.shared.lock().server = server;
    }

    /// From now on no byte passes in either direction, and no connection ends.
    pub fn black_hole(&self) {
        self.shared.set(Network::BlackHole);
    }

    /// Resets every connection (`RST`). From now on new ones are refused. The address stays the proxy's; but a port that
    /// the operating system chose may go to others meanwhile, and then nothing listens after [`Proxy::heal`].
    pub fn cut(&self) {
        self.shared.set(Network::Cut);
        self.shared.refuse();
        self.reset_all();
    }

    /// Connections are taken again, and everything passes, what was held back first.
    pub fn heal(&self) {
        self.shared.take();
        self.shared.set(Network::Works);
    }

    /// From now on no byte passes on the connections that stand, and none of them ends, while new ones work: so it is when
    /// something on the way has forgotten them.
    pub fn strand_all(&self) {
        for pair in &self.shared.lock().connections {
            pair.is_stranded.store(true, Ordering::SeqCst);
        }
    }

    /// Closes every connection, in good order (`FIN`).
    pub fn close_all(&self) {
        for pair in std::mem::take(&mut self.shared.lock().connections) {
            pair.close();
        }
    }

    /// Resets every connection (`RST`).
    pub fn reset_all(&self) {
        for pair in std::mem::take(&mut self.shared.lock().connections) {
            pair.reset();
        }
    }

    /// How many connections stand.
    #[must_use]
    pub fn connections(&self) -> usize {
        self.shared.lock().connections.len()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.shared.set(Network::Closed);
        self.shared.refuse();
        self.close_all();
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn set(&self, network: Network) {
        self.lock().network = network;
        self.changed.notify_all();
    }

    /// Stops to listen, and keeps the address. The thread that accepts gets an error, at once and from then on.
    fn refuse(&self) {
        // It fails where it does not listen anyway.
        let _ = SockRef::from(&self.listener).shutdown(Shutdown::Both);
    }

    /// Listens again. Nothing happens where it does.
    fn take(&self) {
        let socket = SockRef::from(&self.listener);
        // Only a port that the operating system chose was given back; else it is bound, and this fails.
        let _ = socket.bind(&self.address.into());
        let _ = socket.listen(BACKLOG);
    }

    /// Waits while nothing passes; whether the network works then.
    fn passes(&self, pair: Option<&Pair>) -> bool {
        let waiting = self.changed.wait_while(self.lock(), |state| match state.network {
            Network::BlackHole => true,
            Network::Works => pair.is_some_and(|pair| pair.is_stranded.load(Ordering::SeqCst)),
            Network::Cut | Network::Closed => false,
        });
        waiting.unwrap_or_else(PoisonError::into_inner).network == Network::Works
    }

    fn accept(self: &Arc<Self>) {
        loop {
            let accepted = self.listener.accept();
            if self.lock().network == Network::Closed {
                return;
            }
            if let Ok((client, _)) = accepted {
                let shared = Arc::clone(self);
                // A connection that nobody can serve ends.
                let _ = spawn(move || shared.serve(client));
                continue;
            }
            let cut = self.changed.wait_while(self.lock(), |state| state.network == Network::Cut);
            drop(cut);
            thread::sleep(ACCEPT_BACKOFF);
        }
    }

    fn serve(self: &Arc<Self>, client: TcpStream) {
        let Some(pair) = self.connect(client) else { return };
        let (shared, back) = (Arc::clone(self), Arc::clone(&pair));
        let answering = spawn(move || shared.copy(&back, &back.server, &back.client));
        self.copy(&pair, &pair.client, &pair.server);
        if let Ok(answering) = answering {
            // It panics in no case.
            let _ = answering.join();
        }
        self.lock().connections.retain(|other| !Arc::ptr_eq(other, &pair));
    }

    /// Connects to the server. Where that cannot be, the client is reset.
    fn connect(&self, client: TcpStream) -> Option<Arc<Pair>> {
        let _ = SockRef::from(&client).set_linger(Some(Duration::ZERO));
        if !self.passes(None) {
            return None;
        }
        let server = self.lock().server;
        let server = TcpStream::connect_timeout(&server, CONNECT_MAX).ok()?;
        // Small writes go through as they come.
        let _ = (client.set_nodelay(true), server.set_nodelay(true));
        let pair = Arc::new(Pair { client, server, is_reset: false.into(), is_stranded: false.into() });
        let mut state = self.lock();
        if matches!(state.network, Network::Cut | Network::Closed) {
            return None;
        }
        let _ = SockRef::from(&pair.client).set_linger(None);
        state.connections.push(Arc::clone(&pair));
        Some(pair)
    }

    fn copy(&self, pair: &Pair, mut from: &TcpStream, mut to: &TcpStream) {
        let mut bytes = [0; 16 * 1024];
        loop {
            match from.read(&mut bytes) {
                Ok(0) => break,
                Ok(count) => {
                    if !self.passes(Some(pair)) {
                        return;
                    }
                    if to.write_all(bytes.get(..count).unwrap_or_default()).is_err() {
                        return pair.reset();
                    }
                }
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                // A reset is no news either while nothing passes.
                Err(_) if self.passes(Some(pair)) => return pair.reset(),
                Err(_) => return,
            }
        }
        // That a side has ended is heard of no sooner than what it said before.
        if self.passes(Some(pair)) && !pair.is_reset.load(Ordering::SeqCst) {
            let _ = to.shutdown(Shutdown::Write);
        }
    }
}

impl Pair {
    fn close(&self) {
        for socket in [&self.client, &self.server] {
            let _ = socket.shutdown(Shutdown::Both);
        }
    }

    /// A socket that does not linger is reset when its last handle is closed, which the threads do once nothing is read.
    fn reset(&self) {
        self.is_reset.store(true, Ordering::SeqCst);
        for socket in [&self.client, &self.server] {
            let _ = SockRef::from(socket).set_linger(Some(Duration::ZERO));
            let _ = socket.shutdown(Shutdown::Read);
        }
    }
}

fn spawn(work: impl FnOnce() + Send + 'static) -> io::Result<thread::JoinHandle<()>> {
    thread::Builder::new().name("proxy".to_owned()).spawn(work)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// An echo behind a proxy with an address of its own, and a connection to it.
    fn stage() -> (Proxy, TcpStream) {
        let echo = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).unwrap();
        let own = SocketAddr::from((crate::own_address(), 31_000));
        let proxy = Proxy::start_at(own, echo.local_addr().unwrap()).unwrap();
        thread::spawn(move || {
            for client in echo.incoming() {
                thread::spawn(move || {
                    let client = client.unwrap();
                    let _ = io::copy(&mut &client, &mut &client);
                });
            }
        });
        let client = TcpStream::connect(proxy.address()).unwrap();
        (proxy, client)
    }

    /// Whether the connection is reset before anything comes.
    fn is_reset(mut client: &TcpStream) -> bool {
        let heard = client.read(&mut [0]);
        heard.is_err_and(|error| error.kind() == io::ErrorKind::ConnectionReset)
    }

    fn said_back(mut client: &TcpStream, word: &[u8]) -> io::Result<Vec<u8>> {
        client.write_all(word)?;
        let mut heard = vec![0; word.len()];
        client.read_exact(&mut heard)?;
        Ok(heard)
    }

    #[test]
    fn what_a_black_hole_held_back_comes_later() {
        let (proxy, client) = stage();
        assert_eq!(said_back(&client, b"one").unwrap(), b"one");
        proxy.black_hole();
        client.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
        let silence = said_back(&client, b"two").unwrap_err();
        assert!(matches!(silence.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut), "{silence}");
        proxy.heal();
        client.set_read_timeout(None).unwrap();
        let mut heard = [0; 3];
        (&client).read_exact(&mut heard).unwrap();
        assert_eq!(&heard, b"two");
    }

    #[test]
    fn connections_end_as_they_are_told_to() {
        let (proxy, client) = stage();
        assert_eq!(said_back(&client, b"one").unwrap(), b"one");
        proxy.close_all();
        assert_eq!((&client).read(&mut [0]).unwrap(), 0);
        let client = TcpStream::connect(proxy.address()).unwrap();
        assert_eq!(said_back(&client, b"one").unwrap(), b"one");
        proxy.reset_all();
        assert!(is_reset(&client));
    }

    #[test]
    fn the_end_of_what_a_side_says_is_passed_on() {
        let (_proxy, client) = stage();
        (&client).write_all(b"and bye").unwrap();
        client.shutdown(Shutdown::Write).unwrap();
        let mut heard = String::new();
        (&client).read_to_string(&mut heard).unwrap();
        assert_eq!(heard, "and bye");
    }

    #[test]
    fn a_cut_proxy_resets_and_refuses_until_it_is_healed() {
        let (proxy, mut client) = stage();
        for _ in 0..2 {
            assert_eq!(said_back(&client, b"one").unwrap(), b"one");
            proxy.cut();
            assert!(is_reset(&client));
            let refused = TcpStream::connect(proxy.address()).unwrap_err();
            assert_eq!(refused.kind(), io::ErrorKind::ConnectionRefused);
            proxy.heal();
            client = TcpStream::connect(proxy.address()).unwrap();
        }
        assert_eq!(said_back(&client, b"one").unwrap(), b"one");
    }

    #[test]
    fn who_connects_to_a_server_that_is_away_is_reset() {
        let (proxy, client) = stage();
        assert_eq!(said_back(&client, b"one").unwrap(), b"one");
        let away = SocketAddr::from((crate::own_address(), 31_000));
        proxy.direct_to(away);
        assert!(is_reset(&TcpStream::connect(proxy.address()).unwrap()));
        let server = TcpListener::bind(away).unwrap();
        let client = TcpStream::connect(proxy.address()).unwrap();
        (&client).write_all(b"one").unwrap();
        let (server, _) = server.accept().unwrap();
        (&server).read_exact(&mut [0; 3]).unwrap();
        SockRef::from(&server).set_linger(Some(Duration::ZERO)).unwrap();
        drop(server);
        assert!(is_reset(&client), "the server's reset is passed on");
    }

    #[test]
    fn a_proxy_that_is_gone_leaves_its_address_to_others() {
        for prepare in [Proxy::heal, Proxy::cut, Proxy::black_hole] {
            let (proxy, client) = stage();
            prepare(&proxy);
            let address = proxy.address();
            drop(proxy);
            assert!(!matches!((&client).read(&mut [0]), Ok(1..)));
            drop(TcpListener::bind(address).unwrap());
        }
    }
}
