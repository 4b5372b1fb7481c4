//! `tropomq health`: asks a service whether it is well.

use std::time::Duration;

use anyhow::{Context, bail};
use url::Url;

use crate::output::print;

/// `tropomq health`
#[derive(Debug, clap::Args)]
pub(crate) struct Probe {
    /// The endpoint to ask
    #[arg(default_value = "http://127.0.0.1:9090/readyz")]
    url: Url,
}

impl Probe {
    /// Asks, and prints the answer.
    ///
    /// # Errors
    /// It is not well, or does not answer.
    pub(crate) async fn run(self) -> anyhow::Result<()> {
        let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).no_proxy().build()?;
        let asked = client.get(self.url.clone()).send().await;
        let answer = asked.map_err(reqwest::Error::without_url).with_context(|| format!("ask {}", self.url))?;
        let status = answer.status();
        let words = answer.text().await.unwrap_or_default();
        print(&format!("{}\n", words.trim_end()));
        if !status.is_success() {
            bail!("{} answered {status}", self.url);
        }
        Ok(())
    }
}
