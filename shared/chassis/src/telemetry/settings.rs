//! How telemetry is configured. Each value is checked when it is read, so that a wrong one is told by its key.

use std::str::FromStr;

use axum::http::Uri;
use serde::{Deserialize, Deserializer, de};
use tracing_subscriber::EnvFilter;

/// How telemetry is configured.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// What is logged: a level, or directives such as `info,messaging=debug`.
    pub log: LogFilter,
    /// How a line is written.
    pub format: LogFormat,
    /// Where traces are exported to: the base URL of an OTLP/HTTP collector. None, or empty: they are not.
    #[serde(deserialize_with = "endpoint")]
    pub otlp_endpoint: Option<Endpoint>,
    /// How many of the traces that begin here are exported, from 0.0 to 1.0. One that began elsewhere is exported as
    /// its beginning was.
    pub sampling_ratio: SamplingRatio,
}

/// How a log line is written.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LogFormat {
    /// For a person.
    #[default]
    Text,
    /// For a machine: one JSON object a line.
    Json,
}

/// What is logged: directives of `tracing_subscriber::EnvFilter`, checked.
#[derive(Clone, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "String")]
pub struct LogFilter(String);

/// The base URL of an OTLP/HTTP collector.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Endpoint(Uri);

/// A share of all traces, from 0.0 to 1.0.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(try_from = "f64")]
pub struct SamplingRatio(f64);

/// Why a setting of telemetry is refused.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingError {
    /// Not what `EnvFilter` reads.
    #[error("not a log filter: write a level such as info, or directives such as info,messaging=debug")]
    Filter,
    /// Not a URL of HTTP.
    #[error("not an endpoint: write a URL such as http://127.0.0.1:4318")]
    Endpoint,
    /// Not a share.
    #[error("not a ratio: write a number from 0.0 to 1.0")]
    Ratio,
}

impl LogFilter {
    /// The directives.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl Endpoint {
    /// Where traces go: `<base>/v1/traces`.
    #[must_use]
    pub fn traces_url(&self) -> String {
        let base = self.0.to_string();
        let base = base.trim_end_matches('/').trim_end_matches("/v1/traces");
        format!("{base}/v1/traces")
    }
}

impl SamplingRatio {
    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl Default for LogFilter {
    fn default() -> Self {
        Self("info".to_owned())
    }
}

/// All of them.
impl Default for SamplingRatio {
    fn default() -> Self {
        Self(1.0)
    }
}

impl TryFrom<String> for LogFilter {
    type Error = SettingError;

    fn try_from(written: String) -> Result<Self, SettingError> {
        match EnvFilter::try_new(&written) {
            Ok(_) => Ok(Self(written)),
            Err(_) => Err(SettingError::Filter),
        }
    }
}

impl FromStr for Endpoint {
    type Err = SettingError;

    fn from_str(written: &str) -> Result<Self, SettingError> {
        let uri: Uri = written.parse().map_err(|_| SettingError::Endpoint)?;
        let reachable = matches!(uri.scheme_str(), Some("http" | "https")) && uri.host().is_some_and(|h| !h.is_empty());
        if reachable && uri.query().is_none() { Ok(Self(uri)) } else { Err(SettingError::Endpoint) }
    }
}

impl TryFrom<f64> for SamplingRatio {
    type Error = SettingError;

    fn try_from(ratio: f64) -> Result<Self, SettingError> {
        if (0.0..=1.0).contains(&ratio) { Ok(Self(ratio)) } else { Err(SettingError::Ratio) }
    }
}

fn endpoint<'de, D: Deserializer<'de>>(deserializer: D) -> Result<Option<Endpoint>, D::Error> {
    let written = String::deserialize(deserializer)?;
    if written.is_empty() { Ok(None) } else { written.parse().map(Some).map_err(de::Error::custom) }
}
