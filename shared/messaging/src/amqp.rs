//! RabbitMQ behind the seam.
use crate::Opened;
use protocol::topology::Topology;
/// Why.
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct OpenError;
/// Opens.
pub fn open(_url: &url::Url, _topology: Topology) -> Result<Opened, OpenError> {
    Err(OpenError)
}
