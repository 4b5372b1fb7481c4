//! The console's API, as commands ask it.

mod again;
mod answer;
mod error;
mod lines;

use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, bail};
use reqwest::header::{AUTHORIZATION, HeaderMap, HeaderValue};
use reqwest::redirect::Policy;
use reqwest::{Method, RequestBuilder, Response};
use secrecy::{ExposeSecret, SecretString};
use serde::Serialize;
use serde::de::DeserializeOwned;
use url::Url;

use crate::settings::Settings;
pub(crate) use again::again;
pub(crate) use error::{ApiError, Refusal};
pub(crate) use lines::Lines;

/// The longest wait for a connection.
const CONNECT_MAX: Duration = Duration::from_secs(5);

/// The longest wait for a whole answer: longer than the console gives itself.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// How long an answer that goes on may be silent: much longer than it takes to look through all letters.
const SILENCE_MAX: Duration = Duration::from_mins(2);

/// The variable that has the token, and the one that names a file that has it.
const TOKEN: &str = "TROPOMQ_TOKEN";
const TOKEN_FILE: &str = "TROPOMQ_TOKEN__FILE";

/// Where the console is. The token comes from the environment alone: what stands on a command line is seen by others.
#[derive(Clone, Debug, Default, clap::Args)]
pub(crate) struct Reach {
    /// Where the console is; a token for it is taken from `TROPOMQ_TOKEN`, or from the file that `TROPOMQ_TOKEN__FILE` names
    /// [default: console.listen of the configuration]
    #[arg(long, global = true, env = "TROPOMQ_CONSOLE", value_name = "URL", value_parser = console)]
    console: Option<Url>,
}

fn console(written: &str) -> Result<Url, String> {
    let url: Url = written.parse().map_err(|error| format!("{error}: write it as in http://127.0.0.1:8088"))?;
    let is_plain = matches!(url.scheme(), "http" | "https") && url.has_host() && url.username().is_empty();
    if is_plain { Ok(url) } else { Err("write it as in http://127.0.0.1:8088".to_owned()) }
}

/// The API of one console.
pub(crate) struct Client {
    http: reqwest::Client,
    console: Url,
    /// Whether a token is shown.
    has_token: bool,
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
        Self::at(console, token()?.as_ref())
    }

    /// The console at this address.
    ///
    /// # Errors
    /// The token has characters that cannot be sent.
    fn at(console: Url, token: Option<&SecretString>) -> anyhow::Result<Self> {
        let mut headers = HeaderMap::new();
        if let Some(token) = token {
            let shown = HeaderValue::from_str(&format!("Bearer {}", token.expose_secret()));
            let mut shown = shown.with_context(|| format!("{TOKEN} has characters that no token has"))?;
            shown.set_sensitive(true);
            headers.insert(AUTHORIZATION, shown);
        }
        let has_token = token.is_some();
        // Whoever answers in the console's place does not get the token passed on to somewhere else.
        let http = reqwest::Client::builder().connect_timeout(CONNECT_MAX).read_timeout(SILENCE_MAX).no_proxy();
        let http = http.redirect(Policy::none()).default_headers(headers).build()?;
        Ok(Self { http, console, has_token })
    }

    /// What stands at a path. `asked`: what stands behind the question mark.
    ///
    /// # Errors
    /// [`ApiError`] says whether there was an answer, and which.
    pub(crate) async fn get<T: DeserializeOwned>(&self, path: &[&str], asked: &[(&str, &str)]) -> Result<T, ApiError> {
        let request = self.request(Method::GET, path, asked).timeout(ANSWER_MAX);
        answer::whole(self.send(request).await?, &self.console).await
    }

    /// Has something done.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn post<T: DeserializeOwned>(&self, path: &[&str], body: &impl Serialize) -> Result<T, ApiError> {
        self.post_once(path, None, body).await
    }

    /// Has something done once, however often it is asked for with the same key.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn post_once<T: DeserializeOwned>(
        &self,
        path: &[&str],
        key: Option<&str>,
        body: &impl Serialize,
    ) -> Result<T, ApiError> {
        let mut request = self.request(Method::POST, path, &[]).timeout(ANSWER_MAX).json(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        answer::whole(self.send(request).await?, &self.console).await
    }

    /// Has work done, and hears line by line how it goes.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn work(&self, path: &[&str], body: &impl Serialize) -> Result<Lines, ApiError> {
        let request = self.request(Method::POST, path, &[]).json(body);
        Ok(Lines::new(self.send(request).await?, self.console.clone()))
    }

    /// Follows what stands at a path, line by line. `last`: the id of the last event that is known.
    ///
    /// # Errors
    /// As [`Client::get`].
    pub(crate) async fn follow(
        &self,
        path: &[&str],
        asked: &[(&str, &str)],
        last: Option<&str>,
    ) -> Result<Lines, ApiError> {
        let mut request = self.request(Method::GET, path, asked);
        if let Some(last) = last {
            request = request.header("last-event-id", last);
        }
        Ok(Lines::new(self.send(request).await?, self.console.clone()))
    }

    /// What was answered is nothing that a console says.
    pub(crate) fn stranger(&self, told: String) -> ApiError {
        ApiError::Stranger { console: self.console.clone(), told }
    }

    fn request(&self, method: Method, path: &[&str], asked: &[(&str, &str)]) -> RequestBuilder {
        let mut url = self.console.clone();
        // It has a host, so it can have a path.
        if let Ok(mut segments) = url.path_segments_mut() {
            segments.pop_if_empty().extend(path);
        }
        if !asked.is_empty() {
            url.query_pairs_mut().extend_pairs(asked);
        }
        self.http.request(method, url)
    }

    /// The answer, where it is none that says no.
    async fn send(&self, request: RequestBuilder) -> Result<Response, ApiError> {
        let answered = request.send().await.map_err(|error| ApiError::of(error, &self.console))?;
        answer::good(answered, &self.console, self.has_token).await
    }
}

/// The token, where the environment has one.
fn token() -> anyhow::Result<Option<SecretString>> {
    let token = match (std::env::var_os(TOKEN_FILE), std::env::var_os(TOKEN)) {
        (Some(file), _) => {
            let read = std::fs::read_to_string(&file);
            read.with_context(|| format!("read the token ({TOKEN_FILE}) from {}", file.display()))?
        }
        (None, Some(token)) => match token.into_string() {
            Ok(token) => token,
            Err(_) => bail!("{TOKEN} has characters that no token has"),
        },
        (None, None) => return Ok(None),
    };
    let token = token.trim();
    Ok((!token.is_empty()).then(|| token.into()))
}

#[cfg(test)]
pub(crate) mod stand;
#[cfg(test)]
mod tests;
