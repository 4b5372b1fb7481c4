//! How telemetry is configured. Each value is checked when it is read, so that a wrong one is told by its key.

use std::str::FromStr;
use std::time::Duration;

use axum::http::Uri;
use serde::{Deserialize, Deserializer, de};
use tracing_subscriber::EnvFilter;
use tracing_subscriber::filter::LevelFilter;

use crate::config::duration;

/// How telemetry is configured.
#[derive(Clone, PartialEq, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct TelemetryConfig {
    /// What is logged: a level, or directives such as `info,messaging=debug`.
    pub log: LogFilter,
    /// How a line is written.
    pub format: LogFormat,
    /// Where traces and metrics are exported to: the base URL of an OTLP/HTTP collector. None, or empty: they are not.
    #[serde(deserialize_with = "endpoint")]
    pub otlp_endpoint: Option<Endpoint>,
    /// How many of the traces that begin here are exported, from 0.0 to 1.0. One that began elsewhere is exported as
    /// its beginning was.
    pub sampling_ratio: SamplingRatio,
    /// How often metrics are exported.
    pub metrics_interval: MetricsInterval,
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

/// How often metrics are exported: a second at least.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize)]
#[serde(try_from = "Written")]
pub struct MetricsInterval(Duration);

/// A length of time as it stands in a configuration.
#[derive(Deserialize)]
struct Written(#[serde(with = "duration")] Duration);

/// A share of all traces, from 0.0 to 1.0.
#[derive(Clone, Copy, PartialEq, Debug, Deserialize)]
#[serde(try_from = "f64")]
pub struct SamplingRatio(f64);

/// Why a setting of telemetry is refused.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum SettingError {
    /// Not what `EnvFilter` reads, and why.
    #[error("not a log filter: {0}: write a level such as info, or directives such as info,messaging=debug")]
    Filter(String),
    /// Not a URL of HTTP.
    #[error("not an endpoint: write a URL such as http://127.0.0.1:4318")]
    Endpoint,
    /// Not a share.
    #[error("not a ratio: write a number from 0.0 to 1.0")]
    Ratio,
    /// Too short.
    #[error("not an interval for metrics: write 1s or longer")]
    Interval,
}

impl LogFilter {
    /// The directives.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    pub(super) fn filter(&self) -> EnvFilter {
        EnvFilter::new(&self.0)
    }
}

impl Endpoint {
    /// Where traces go: `<base>/v1/traces`.
    #[must_use]
    pub fn traces_url(&self) -> String {
        self.url("/v1/traces")
    }

    /// Where metrics go: `<base>/v1/metrics`.
    #[must_use]
    pub fn metrics_url(&self) -> String {
        self.url("/v1/metrics")
    }

    fn url(&self, path: &str) -> String {
        let base = self.0.to_string();
        let base = base.trim_end_matches('/').trim_end_matches("/v1/traces");
        format!("{base}{path}")
    }
}

impl SamplingRatio {
    /// The number.
    #[must_use]
    pub fn get(self) -> f64 {
        self.0
    }
}

impl MetricsInterval {
    /// The length of time.
    #[must_use]
    pub fn get(self) -> Duration {
        self.0
    }
}

impl Default for MetricsInterval {
    fn default() -> Self {
        Self(Duration::from_secs(15))
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
        if written.trim().is_empty() {
            return Err(SettingError::Filter("there is nothing in it".to_owned()));
        }
        // A lone word would be taken for a target, and a misspelled level would silence all the rest.
        let is_word = |directive: &str| directive.chars().all(char::is_alphanumeric) && !directive.is_empty();
        let mut words = written.split(',').map(str::trim).filter(|directive| is_word(directive));
        if let Some(word) = words.find(|word| word.parse::<LevelFilter>().is_err()) {
            return Err(SettingError::Filter(format!("{word} is not a level")));
        }
        match EnvFilter::try_new(&written) {
            Ok(_) => Ok(Self(written)),
            Err(error) => Err(SettingError::Filter(error.to_string())),
        }
    }
}

impl FromStr for LogFilter {
    type Err = SettingError;

    fn from_str(written: &str) -> Result<Self, SettingError> {
        written.to_owned().try_into()
    }
}

impl TryFrom<Written> for MetricsInterval {
    type Error = SettingError;

    fn try_from(Written(interval): Written) -> Result<Self, SettingError> {
        if Duration::from_secs(1) <= interval { Ok(Self(interval)) } else { Err(SettingError::Interval) }
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
