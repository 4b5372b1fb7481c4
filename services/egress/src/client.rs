//! The client of Tropo's session API.

use std::collections::BTreeMap;
use std::error::Error;
use std::fmt;
use std::time::Duration;

use messaging::{BoxFuture, Environment};
use reqwest::header::{ACCEPT, CONTENT_TYPE, RETRY_AFTER};
use secrecy::{ExposeSecret, SecretString};
use tropo::launch::{self, LaunchRequest, Launched, Refusal};
use tropo::ticket::Ticket;
use url::{Host, Url};

use crate::Config;

/// The longest answer that is read, in bytes. Tropo's are a few hundred.
const ANSWER_BYTES_MAX: usize = 64 * 1024;

/// Tropo's session API, as egress needs it.
pub trait SessionApi: fmt::Debug + Send + Sync {
    /// Creates a session that will call back with `ticket`.
    ///
    /// # Errors
    /// [`ClientError`]; there may be a session all the same, unless it says that Tropo refused.
    fn create<'a>(
        &'a self,
        token: &'a SecretString,
        ticket: String,
        environment: &'a Environment,
    ) -> BoxFuture<'a, Result<Launched, ClientError>>;
}

/// Creates Tropo sessions over HTTP, over pooled connections.
#[derive(Debug)]
pub struct Client {
    http: reqwest::Client,
    session_api: Url,
}

/// Why no session is known to have been created.
#[derive(Debug, thiserror::Error)]
pub enum ClientError {
    /// The client could not be made at all.
    #[error("cannot make an HTTP client")]
    Build(#[source] reqwest::Error),
    /// No answer came: there may or may not be a session.
    #[error("Tropo did not answer")]
    Unreachable(#[source] Box<dyn Error + Send + Sync>),
    /// An answer came, and it was no.
    #[error("Tropo refused to create a session")]
    Refused {
        /// The status of the answer.
        status: u16,
        /// What it means.
        #[source]
        refusal: Refusal,
    },
}

/// Whether the address is this machine or a neighbour by its bare name, such as a container of the same stack: what a
/// proxy of the environment could not reach.
fn is_near(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => !name.contains('.'),
        None => false,
    }
}

impl Client {
    /// A client with the configured address and timeouts.
    ///
    /// # Errors
    /// [`ClientError::Build`].
    pub fn new(config: &Config) -> Result<Self, ClientError> {
        let mut http = reqwest::Client::builder();
        if is_near(&config.session_api) {
            http = http.no_proxy();
        }
        let http = http
            .connect_timeout(config.connect_timeout)
            .timeout(config.request_timeout)
            .pool_idle_timeout(Duration::from_secs(30))
            .redirect(reqwest::redirect::Policy::none())
            .user_agent(concat!("tropomq/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(ClientError::Build)?;
        Ok(Self { http, session_api: config.session_api.clone() })
    }

    async fn post(
        &self,
        token: &SecretString,
        ticket: String,
        environment: &Environment,
    ) -> Result<Launched, ClientError> {
        let request = LaunchRequest {
            token: token.expose_secret().to_owned(),
            parameters: BTreeMap::from([(Ticket::PARAMETER.to_owned(), ticket)]),
        };
        let request = self
            .http
            .post(self.session_api.clone())
            .header(CONTENT_TYPE, "application/json; charset=utf-8")
            .header(ACCEPT, "application/json")
            .body(request.to_json_body());
        // The address may hold credentials, and a person reads the error.
        let unreachable = |error: reqwest::Error| ClientError::Unreachable(error.without_url().into());
        let mut answer = request.send().await.map_err(unreachable)?;
        let status = answer.status().as_u16();
        let retry_after = answer.headers().get(RETRY_AFTER).and_then(|value| value.to_str().ok()).map(str::to_owned);
        let mut body = Vec::new();
        // Whatever is longer is no answer of Tropo's; its status and its beginning say enough.
        while body.len() < ANSWER_BYTES_MAX
            && let Some(chunk) = answer.chunk().await.map_err(unreachable)?
        {
            body.extend_from_slice(&chunk);
        }
        let verdict = launch::judge(status, retry_after.as_deref(), &body, environment.now());
        verdict.map_err(|refusal| ClientError::Refused { status, refusal: refusal.without(token.expose_secret()) })
    }
}

impl SessionApi for Client {
    fn create<'a>(
        &'a self,
        token: &'a SecretString,
        ticket: String,
        environment: &'a Environment,
    ) -> BoxFuture<'a, Result<Launched, ClientError>> {
        Box::pin(self.post(token, ticket, environment))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_proxy_is_for_what_is_far() {
        for (url, near) in [
            ("http://127.0.0.1:8089/", true),
            ("http://[::1]:8089/", true),
            ("http://localhost/", true),
            ("http://simulator:8089/", true),
            ("https://api.tropo.com/", false),
            ("http://192.0.2.1/", false),
        ] {
            assert_eq!(is_near(&url.parse().unwrap()), near, "{url}");
        }
    }
}
