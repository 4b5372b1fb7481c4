//! Opens the bus that a URL names.

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::sync::Arc;

use protocol::topology::Topology;

use crate::{BoxFuture, Bus, amqp, embedded, observe};

/// Which bus: `amqp://user:password@host:port/vhost`, `amqps://…`, or `embedded:DIRECTORY`.
#[derive(Clone, PartialEq, Eq)]
pub enum BusUrl {
    /// RabbitMQ.
    Amqp(url::Url),
    /// The embedded bus, in a directory of its own.
    Embedded(PathBuf),
}

/// Why a string does not name a bus.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("must be amqp://user:password@host:port/vhost, amqps://… or embedded:DIRECTORY")]
pub struct BusUrlError;

impl FromStr for BusUrl {
    type Err = BusUrlError;

    fn from_str(written: &str) -> Result<Self, BusUrlError> {
        if let Some(directory) = written.strip_prefix("embedded:") {
            let directory = directory.strip_prefix("//").unwrap_or(directory);
            return if directory.is_empty() { Err(BusUrlError) } else { Ok(Self::Embedded(directory.into())) };
        }
        let url = url::Url::parse(written).map_err(|_| BusUrlError)?;
        if matches!(url.scheme(), "amqp" | "amqps") && url.has_host() { Ok(Self::Amqp(url)) } else { Err(BusUrlError) }
    }
}

/// Without user and password.
impl fmt::Display for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Amqp(url) => {
                write!(f, "{}://{}", url.scheme(), url.host_str().unwrap_or_default())?;
                if let Some(port) = url.port() {
                    write!(f, ":{port}")?;
                }
                f.write_str(url.path())
            }
            Self::Embedded(directory) => write!(f, "embedded:{}", directory.display()),
        }
    }
}

impl fmt::Debug for BusUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "BusUrl({self})")
    }
}

impl<'de> serde::Deserialize<'de> for BusUrl {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        String::deserialize(deserializer)?.parse().map_err(serde::de::Error::custom)
    }
}

/// A bus, and the work that keeps it going.
pub struct Opened {
    /// The bus.
    pub bus: Arc<dyn Bus>,
    /// To be run as a task until [`Bus::close`]; it ends by itself then.
    pub driver: BoxFuture<'static, ()>,
}

/// Why a bus could not be opened. A RabbitMQ that is away is not an error: its driver goes on trying.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// The directory of the embedded bus cannot be used.
    #[error(transparent)]
    Embedded(#[from] embedded::OpenError),
    /// The URL of RabbitMQ cannot be used.
    #[error(transparent)]
    Amqp(#[from] amqp::OpenError),
}

/// Opens the bus at `url`, and declares `topology` on it.
///
/// # Errors
/// [`OpenError`]: what no waiting would mend.
pub fn open(url: &BusUrl, topology: Topology) -> Result<Opened, OpenError> {
    let opened = match url {
        BusUrl::Amqp(url) => amqp::open(url, topology)?,
        BusUrl::Embedded(directory) => embedded::open(directory, topology)?,
    };
    observe::opened(opened.bus.system(), opened.bus.state());
    Ok(opened)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_a_bus_and_hides_its_password() {
        let url: BusUrl = "amqp://guest:s3cret@127.0.0.1:5672/%2f".parse().unwrap();
        assert_eq!(url.to_string(), "amqp://127.0.0.1:5672/%2f");
        assert!(!format!("{url:?}").contains("s3cret"));
        assert_eq!("embedded:./data/bus".parse(), Ok(BusUrl::Embedded("./data/bus".into())));
        assert_eq!("embedded:///var/lib/x".parse(), Ok(BusUrl::Embedded("/var/lib/x".into())));
        for wrong in ["", "embedded:", "http://x", "amqp:", "redis://x"] {
            assert_eq!(wrong.parse::<BusUrl>(), Err(BusUrlError), "{wrong}");
        }
    }
}
