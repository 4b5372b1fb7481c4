//! The simulator that stands in for Tropo: its phones, and its log.

use url::Url;

use crate::ConfigError;

/// The simulator's API.
pub(crate) struct Simulated {
    client: reqwest::Client,
    at: Url,
}

impl Simulated {
    pub(crate) fn new(at: Url) -> Result<Self, ConfigError> {
        let refused = |told: String| ConfigError { key: "simulator".to_owned(), told };
        let client = reqwest::Client::builder().no_proxy().build().map_err(|error| refused(error.to_string()))?;
        Ok(Self { client, at })
    }
}
