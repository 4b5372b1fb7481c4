//! The configuration of the journal.

use std::time::Duration;

use serde::Deserialize;

/// The `[journal]` table.
#[derive(Clone, Debug, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// How many events are in hand at once, at most.
    pub prefetch: u16,
    /// How long each text and message that ended is remembered; afterwards it only counts.
    #[serde(with = "chassis::config::duration")]
    pub retention: Duration,
    /// How many bytes of events are kept, at most.
    #[serde(with = "chassis::config::size")]
    pub bytes_max: usize,
}
