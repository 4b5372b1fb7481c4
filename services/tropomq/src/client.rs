//! The console's API, as commands ask it.

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use secrecy::{ExposeSecret, SecretString};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::settings::Settings;

/// The longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The longest wait for a whole answer: longer than the console gives itself.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// The variable that has the token.
const TOKEN: &str = "TROPOMQ_TOKEN";

/// Where the console is. The token comes from the environment alone: what stands on a command line is seen by others.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Reach {
    /// Where the console is; a token for it is taken from `TROPOMQ_TOKEN` [default: console.listen of the configuration]
    #[arg(long, env = "TROPOMQ_CONSOLE", value_name = "URL")]
    console: Option<Url>,
}

/// The API of one console.
pub(crate) struct Client {
    http: reqwest::Client,
    console: Url,
}

/// What the console says of a request that it does not do: a problem document (RFC 9457).
#[derive(Deserialize)]
struct Refusal {
    detail: String,
}

impl Client {
    /// The console that is meant. `file`: the configuration that names it, where nothing else does.
    ///
    /// # Errors
    /// The configuration or the token cannot be read.
    pub(crate) fn open(reach: &Reach, file: Option<PathBuf>) -> anyhow::Result<Self> {
        let console = match &reach.console {
            Some(console) => console.clone(),
            None => crate::development::address(Settings::load(file)?.console.listen, "")?,
        };
        let mut headers = HeaderMap::new();
        if let Ok(token) = std::env::var(TOKEN).map(SecretString::from) {
            let shown = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
            let mut shown = shown.with_context(|| format!("{TOKEN} has characters that no token has"))?;
            shown.set_sensitive(true);
            headers.insert(AUTHORIZATION, shown);
        }
        let http = reqwest::Client::builder().no_proxy().connect_timeout(CONNECT_MAX).timeout(ANSWER_MAX);
        let http = http.redirect(reqwest::redirect::Policy::none()).default_headers(headers).build()?;
        Ok(Self { http, console })
    }

    /// What stands at a path. `asked`: what stands behind the question mark.
    ///
    /// # Errors
    /// The console is away, or says no.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str], asked: &[(&str, &str)]) -> anyhow::Result<T> {
        let mut address = self.console.clone();
        if let Ok(mut segments) = address.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !asked.is_empty() {
            address.query_pairs_mut().extend_pairs(asked);
        }
        let console = &self.console;
        // What stands behind the question mark may be about a person.
        let answer = self.http.get(address).send().await.map_err(reqwest::Error::without_url);
        let answer = answer.with_context(|| format!("is `tropomq up` or `tropomq console` running at {console}?"))?;
        let status = answer.status();
        let body = answer.bytes().await.map_err(reqwest::Error::without_url).context("read the answer")?;
        if !status.is_success() {
            match serde_json::from_slice::<Refusal>(&body) {
                Ok(Refusal { detail }) => bail!("{detail}"),
                Err(_) => bail!("{console} answered {status}: is it a console?"),
            }
        }
        serde_json::from_slice(&body).with_context(|| format!("understand {console}: is it a console of this version?"))
    }
}
