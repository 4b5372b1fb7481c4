//! Where the broker is, and how to connect to it.

use std::io;
use std::net::{Shutdown, SocketAddr, TcpStream};
use std::ops::Deref;
use std::os::fd::AsFd;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use lapin::tcp::{AsyncTcpStream, OwnedTLSConfig};
use lapin::uri::{AMQPScheme, AMQPUri};
use lapin::{Connection, ConnectionProperties, runtime};
use tokio::net::lookup_host;
use tokio::time::timeout;
use url::Url;

use super::OpenError;

/// A broker that is frozen or cut off is noticed after twice this.
const HEARTBEAT_SECONDS: u16 = 10;
/// How large a frame may be where the URL does not say; a longer body takes several. lapin has two buffers of 32 frames
/// for each connection, and goes round in them: with the broker's 128 KiB that would be 8 MiB, all of it in use.
const FRAME_BYTES: u32 = 16 << 10;
/// The longest wait for a connection, all addresses of the host together, unless the URL sets another.
const CONNECT_MAX: Duration = Duration::from_secs(10);
/// The longest wait for the network to connect. The system asks after 1 s for the second time and then ever more
/// rarely, so that it would notice late that a network is back.
const DIAL_MAX: Duration = Duration::from_millis(1500);

/// A broker. Holds the password, so it has no `Debug`.
pub(super) struct Broker {
    uri: AMQPUri,
    connect_max: Duration,
}

impl Broker {
    /// # Errors
    /// When the URL cannot be used.
    pub(super) fn new(url: &Url) -> Result<Self, OpenError> {
        if !matches!(url.scheme(), "amqp" | "amqps") || url.cannot_be_a_base() {
            return Err(OpenError::NotAmqp);
        }
        let host = url.host_str().filter(|host| !host.is_empty()).ok_or(OpenError::NotAmqp)?;
        let mut uri: AMQPUri = url.as_str().parse().map_err(OpenError::Unreadable)?;
        // lapin takes an address in brackets for no host at all, and would connect to this machine instead.
        host.trim_matches(['[', ']']).clone_into(&mut uri.authority.host);
        // An empty virtual host exists nowhere; whoever writes `amqp://host/` means the default.
        if uri.vhost.is_empty() {
            "/".clone_into(&mut uri.vhost);
        }
        uri.query.heartbeat.get_or_insert(HEARTBEAT_SECONDS);
        uri.query.frame_max.get_or_insert(FRAME_BYTES);
        let connect_max = uri.query.connection_timeout.map_or(CONNECT_MAX, Duration::from_millis);
        Ok(Self { uri, connect_max })
    }

    /// Connects under a name by which an operator knows the connection. The reason of a failure is for people.
    ///
    /// # Cancel safety
    /// Safe: what was begun is ended when the future is dropped.
    pub(super) async fn connect(&self, name: &str) -> Result<Connected, String> {
        let began = Instant::now();
        let authority = &self.uri.authority;
        let looked_up = timeout(self.connect_max, lookup_host((authority.host.as_str(), authority.port))).await;
        let addresses: Vec<SocketAddr> = match looked_up {
            Ok(Ok(addresses)) => addresses.collect(),
            Ok(Err(error)) => return Err(format!("cannot connect: {error}")),
            Err(_) => return Err(format!("cannot connect: no address within {:?}", self.connect_max)),
        };
        self.connect_to_one(&addresses, began, name).await
    }

    /// Tries one address after the other. Each has its share of the time that is left, so that a node that accepts and
    /// says nothing leaves some for the next.
    async fn connect_to_one(&self, addresses: &[SocketAddr], began: Instant, name: &str) -> Result<Connected, String> {
        let mut reasons: Vec<String> = Vec::new();
        let mut rest = addresses;
        while let [address, later @ ..] = rest {
            let left = self.connect_max.saturating_sub(began.elapsed());
            let share = left / u32::try_from(rest.len()).unwrap_or(u32::MAX);
            match self.connect_to(*address, share, name).await {
                Ok(connected) => return Ok(connected),
                Err(reason) if reasons.contains(&reason) => {}
                Err(reason) => reasons.push(reason),
            }
            rest = later;
        }
        if reasons.is_empty() {
            reasons.push("the host has no address".to_owned());
        }
        Err(format!("cannot connect: {}", reasons.join("; ")))
    }

    async fn connect_to(&self, address: SocketAddr, connect_max: Duration, name: &str) -> Result<Connected, String> {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let tokio = runtime::default_runtime().map_err(|error| error.to_string())?;
        let line = Arc::new(Line::default());
        // Cuts the line if this future ends without a connection.
        let hold = Hold(Arc::clone(&line));
        let dial_max = DIAL_MAX.min(connect_max);
        let reactor = tokio.clone();
        let dial = async move |uri: AMQPUri, _| {
            let dialled = timeout(dial_max, AsyncTcpStream::connect(&reactor, address)).await;
            let stream = dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?;
            if let AsyncTcpStream::Plain(socket) = &stream {
                line.hold(socket.get_ref().as_fd().try_clone_to_owned()?.into());
            }
            let host = uri.authority.host.as_str();
            Ok::<_, lapin::Error>(match uri.scheme {
                AMQPScheme::AMQP => stream,
                AMQPScheme::AMQPS => stream.into_tls(host, OwnedTLSConfig::default().as_ref()).await?,
            })
        };
        let connecting = Connection::connector(self.uri.clone(), tokio, dial, properties);
        match timeout(connect_max, connecting).await {
            Ok(Ok(connection)) => Ok(Connected { connection, _hold: hold }),
            Ok(Err(error)) => Err(error.to_string()),
            Err(_) => Err(format!("no answer within {connect_max:?}")),
        }
    }
}

/// A connection. Its line is cut when this is dropped, whatever state it is in.
pub(super) struct Connected {
    connection: Connection,
    _hold: Hold,
}

impl Deref for Connected {
    type Target = Connection;

    fn deref(&self) -> &Connection {
        &self.connection
    }
}

/// The line of one connection. lapin serves each connection in a thread, which waits for the other side without an
/// end: for a greeting that never comes, or for the answer to a close. To cut the line ends the thread.
#[derive(Default)]
struct Line(Mutex<Cable>);

#[derive(Default)]
enum Cable {
    /// Not connected yet.
    #[default]
    None,
    Laid(TcpStream),
    Cut,
}

impl Line {
    /// Keeps a second handle of the socket; cuts it at once if nobody waits for it any more.
    fn hold(&self, socket: TcpStream) {
        let mut cable = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        match *cable {
            Cable::Cut => cut(&socket),
            Cable::None | Cable::Laid(_) => *cable = Cable::Laid(socket),
        }
    }

    fn cut(&self) {
        let mut cable = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Cable::Laid(socket) = &*cable {
            cut(socket);
        }
        *cable = Cable::Cut;
    }
}

fn cut(socket: &TcpStream) {
    // It fails where the other side was first.
    let _ = socket.shutdown(Shutdown::Both);
}

struct Hold(Arc<Line>);

impl Drop for Hold {
    fn drop(&mut self) {
        self.0.cut();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn broker(url: &str) -> Result<Broker, OpenError> {
        Broker::new(&Url::parse(url).unwrap())
    }

    #[track_caller]
    fn check(url: &str, host: &str, vhost: &str, heartbeat: u16, connect_max: Duration) {
        let Broker { uri, connect_max: actual } = broker(url).unwrap();
        assert_eq!((uri.authority.host.as_str(), uri.vhost.as_str()), (host, vhost), "{url}");
        assert_eq!((uri.query.heartbeat, actual), (Some(heartbeat), connect_max), "{url}");
    }

    #[test]
    fn a_url_says_where_the_broker_is_and_how_long_to_wait() {
        check("amqp://a:b@127.0.0.1:5672/%2f", "127.0.0.1", "/", 10, CONNECT_MAX);
        check("amqp://localhost", "localhost", "/", 10, CONNECT_MAX);
        check("amqps://[::1]/", "::1", "/", 10, CONNECT_MAX);
        check("amqp://x/v?heartbeat=2&connection_timeout=500", "x", "v", 2, Duration::from_millis(500));
    }

    #[tokio::test]
    async fn a_node_that_accepts_and_says_nothing_leaves_time_for_the_next() {
        let nodes = [(), ()].map(|()| std::net::TcpListener::bind("127.0.0.1:0").unwrap());
        let addresses = nodes.each_ref().map(|node| node.local_addr().unwrap());
        let broker = broker("amqp://x/?connection_timeout=400").unwrap();
        let reason = broker.connect_to_one(&addresses, Instant::now(), "test").await.err().unwrap();
        assert!(reason.contains("no answer within"), "{reason}");
        for node in nodes {
            node.set_nonblocking(true).unwrap();
            node.accept().expect("both were tried");
        }
        let reason = broker.connect_to_one(&[], Instant::now(), "test").await.err().unwrap();
        assert_eq!(reason, "cannot connect: the host has no address");
    }

    #[test]
    fn a_url_that_cannot_be_used_is_said_to_be_without_being_quoted() {
        assert_eq!(broker("http://x").err(), Some(OpenError::NotAmqp));
        assert_eq!(broker("amqp:guest:s3cret").err(), Some(OpenError::NotAmqp));
        assert_eq!(broker("amqp:///v").err(), Some(OpenError::NotAmqp));
        let unreadable = broker("amqp://u:s3cret@x/v?heartbeat=soon").err().unwrap();
        assert!(matches!(&unreadable, OpenError::Unreadable(_)));
        assert!(!unreadable.to_string().contains("s3cret"));
    }
}
