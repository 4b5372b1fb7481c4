//! What a listener grants its clients.

use std::time::Duration;

use serde::{Deserialize, Serialize};

use crate::config::{duration, size};

/// What a listener grants its clients. Every key may be left out; durations are written as `5s`, sizes as `64KiB`.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// How many connections are served at once; further ones wait in the backlog of the operating system.
    pub connections_max: usize,
    /// Longest time for the headers of a request, from its first byte, or from the start of the connection.
    #[serde(with = "duration")]
    pub header_timeout: Duration,
    /// How many headers a request may have; more are answered 431.
    pub headers_max: usize,
    /// How many bytes the first line and the headers may have together; more are answered 431.
    #[serde(with = "size")]
    pub header_bytes_max: usize,
    /// Longest time for the whole body, from the end of the headers; longer is answered 408.
    #[serde(with = "duration")]
    pub body_timeout: Duration,
    /// How many bytes a body may have; more are answered 413.
    #[serde(with = "size")]
    pub body_bytes_max: usize,
    /// How long a connection is kept open between two requests.
    #[serde(with = "duration")]
    pub idle_timeout: Duration,
    /// Longest time from the end of the headers to the answer, body and handler together; longer is answered 503.
    #[serde(with = "duration")]
    pub request_timeout: Duration,
    /// Longest time for the client to take an answer, or one piece of it where it is streamed; a slower one is cut
    /// off.
    #[serde(with = "duration")]
    pub write_timeout: Duration,
    /// How long requests in hand may go on after shutdown was requested.
    #[serde(with = "duration")]
    pub drain_timeout: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            connections_max: 1024,
            header_timeout: Duration::from_secs(5),
            headers_max: 64,
            header_bytes_max: 16 * 1024,
            body_timeout: Duration::from_secs(10),
            body_bytes_max: 64 * 1024,
            idle_timeout: Duration::from_secs(30),
            request_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(10),
            drain_timeout: Duration::from_secs(10),
        }
    }
}
