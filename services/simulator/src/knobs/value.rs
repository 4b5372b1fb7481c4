//! What a knob can be set to.

use axum::http::StatusCode;
use serde::{Deserialize, Serialize};

/// How a token that launches nothing is answered. What Tropo did differs by source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum BadToken {
    /// 200, `success` false and an `error`.
    #[serde(rename = "false")]
    False,
    /// 200 and nothing else.
    #[serde(rename = "empty")]
    Empty,
    /// 401 and an `error`.
    #[serde(rename = "401")]
    Unauthorized,
    /// 403 and an `error`.
    #[serde(rename = "403")]
    Forbidden,
}

/// The form of the answer to a request that made a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreateReply {
    /// It follows the request, as Tropo's did.
    AsAsked,
    /// JSON.
    Json,
    /// XML.
    Xml,
    /// `success=true&token=...`.
    Form,
    /// A page for a person.
    Html,
    /// Bytes that are none of these.
    Garbage,
    /// Nothing.
    Empty,
}

/// A share of all, from 0 to 1.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub struct Share(pub(super) f64);

/// The status of an answer, 200 to 599.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Status(pub(super) StatusCode);

/// How many of something may happen in a second, 1 to 1000.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "u32", into = "u32")]
pub struct PerSecond(pub(super) u32);

/// The characters that webhooks are written in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Charset {
    /// UTF-8.
    #[serde(rename = "UTF-8")]
    Utf8,
    /// ISO-8859-1; what it does not have is written as an escape of JSON.
    #[serde(rename = "ISO-8859-1")]
    Latin1,
}

/// Why a knob cannot be set so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KnobError {
    /// No share.
    #[error("a share is a number from 0 to 1")]
    Share,
    /// No status of an answer.
    #[error("a status is a whole number from 200 to 599")]
    Status,
    /// No rate.
    #[error("a rate is a whole number from 1 to 1000; leave it out for none")]
    PerSecond,
}

impl TryFrom<f64> for Share {
    type Error = KnobError;

    fn try_from(share: f64) -> Result<Self, KnobError> {
        if (0.0..=1.0).contains(&share) { Ok(Self(share)) } else { Err(KnobError::Share) }
    }
}

impl TryFrom<u16> for Status {
    type Error = KnobError;

    fn try_from(code: u16) -> Result<Self, KnobError> {
        let status = StatusCode::from_u16(code).map_err(|_| KnobError::Status)?;
        if (200..=599).contains(&code) { Ok(Self(status)) } else { Err(KnobError::Status) }
    }
}

impl From<Status> for u16 {
    fn from(status: Status) -> Self {
        status.0.as_u16()
    }
}

impl TryFrom<u32> for PerSecond {
    type Error = KnobError;

    fn try_from(rate: u32) -> Result<Self, KnobError> {
        if (1..=1000).contains(&rate) { Ok(Self(rate)) } else { Err(KnobError::PerSecond) }
    }
}

impl From<PerSecond> for u32 {
    fn from(rate: PerSecond) -> Self {
        rate.0
    }
}
