//! The embedded bus behind the seam.
use crate::Opened;
use protocol::topology::Topology;
/// Why.
#[derive(Debug, thiserror::Error)]
#[error("x")]
pub struct OpenError;
/// Opens.
pub fn open(_directory: &std::path::Path, _topology: Topology) -> Result<Opened, OpenError> {
    Err(OpenError)
}
