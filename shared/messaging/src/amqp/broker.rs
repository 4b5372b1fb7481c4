//! Where the broker is, and how to connect to it.

use std::io;
use std::time::Duration;

use lapin::tcp::{AMQPUriTcpExt, OwnedTLSConfig};
use lapin::uri::AMQPUri;
use lapin::{Connection, ConnectionProperties, runtime};
use tokio::time::timeout;
use url::Url;

use super::OpenError;

/// A broker that is frozen or cut off is noticed after twice this.
const HEARTBEAT_SECONDS: u16 = 10;
/// The longest wait for a connection, unless the URL sets another.
const CONNECT_MAX: Duration = Duration::from_secs(10);

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
        let connect_max = uri.query.connection_timeout.map_or(CONNECT_MAX, Duration::from_millis);
        Ok(Self { uri, connect_max })
    }

    /// Connects under a name by which an operator knows the connection. The reason of a failure is for people.
    pub(super) async fn connect(&self, name: &str) -> Result<Connection, String> {
        let properties = ConnectionProperties::default().with_connection_name(name.into());
        let tokio = runtime::default_runtime().map_err(|error| error.to_string())?;
        let connect_max = self.connect_max;
        // lapin itself waits for the network as long as the system does: minutes.
        let dial = async move |uri: AMQPUri, tokio| {
            let tls = OwnedTLSConfig::default();
            let dialled = timeout(connect_max, uri.connect_with_config_async(tls.as_ref(), &tokio)).await;
            Ok(dialled.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))?)
        };
        let connecting = Connection::connector(self.uri.clone(), tokio, dial, properties);
        match timeout(connect_max, connecting).await {
            Ok(Ok(connection)) => Ok(connection),
            Ok(Err(error)) => Err(format!("cannot connect: {error}")),
            Err(_) => Err(format!("cannot connect: no answer within {connect_max:?}")),
        }
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
