//! The processes of the stack: this one, and those that are watched from here.

use std::net::SocketAddr;
use std::time::Duration;

use futures::{StreamExt, stream};
use reqwest::redirect::Policy;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use url::Url;
use utoipa::ToSchema;

use crate::{ConfigError, Console};

/// How long something may take to answer.
pub(super) const ANSWER_MAX: Duration = Duration::from_secs(2);

/// How many are asked at once.
const AT_ONCE: usize = 16;

/// How many processes behind one name are asked.
const ADDRESSES_MAX: usize = 32;

/// The longest answer, in bytes.
const ANSWER_BYTES_MAX: usize = 256 * 1024;

/// A process of the stack.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Process {
    /// Its name, and where there are several of it, its address.
    pub name: String,
    /// Whether it takes work.
    pub is_ready: bool,
    /// Whether it is about to stop.
    pub is_stopping: bool,
    /// Its parts.
    pub parts: Vec<Part>,
    /// Why nothing is known of it.
    pub error: Option<String>,
}

/// A part of a process.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Part {
    /// Its name.
    pub name: String,
    /// Whether it can do its work.
    pub is_ready: bool,
    /// Why it cannot, or what is amiss all the same.
    pub reason: Option<String>,
}

/// What asks them.
///
/// # Errors
/// It cannot be made.
pub(crate) fn client() -> Result<reqwest::Client, ConfigError> {
    let client = reqwest::Client::builder().no_proxy().timeout(ANSWER_MAX).redirect(Policy::none()).build();
    client.map_err(|error| ConfigError { key: "watch".to_owned(), told: error.to_string() })
}

impl Process {
    /// What its `/readyz` says.
    fn of(name: String, report: &Value) -> Self {
        let is = |value: &Value, member: &str| value.get(member).and_then(Value::as_bool).unwrap_or_default();
        let parts = report.get("components").and_then(Value::as_object).into_iter().flatten();
        let part = |(name, state): (&String, &Value)| Part {
            name: name.clone(),
            is_ready: is(state, "ready"),
            reason: state.get("reason").and_then(Value::as_str).map(str::to_owned),
        };
        let (is_ready, is_stopping) = (is(report, "ready"), is(report, "stopping"));
        Self { name, is_ready, is_stopping, parts: parts.map(part).collect(), error: None }
    }

    fn unknown(name: String, error: impl Into<String>) -> Self {
        Self { name, is_ready: false, is_stopping: false, parts: Vec::new(), error: Some(error.into()) }
    }
}

impl Console {
    /// This process, and those that `console.watch` names, in the order of their names.
    pub(super) async fn processes(&self) -> Vec<Process> {
        let (name, report) = self.house.readiness();
        let here = Process::of(name, &report);
        let found = stream::iter(self.config.watch.clone()).map(|(name, url)| addresses(name, url)).buffered(AT_ONCE);
        let found: Vec<_> = found.collect().await;
        let watched = stream::iter(found.into_iter().flatten()).map(|(name, url)| self.ask(name, url));
        std::iter::once(here).chain(watched.buffered(AT_ONCE).collect::<Vec<_>>().await).collect()
    }

    async fn ask(&self, name: String, url: Result<Url, String>) -> Process {
        let url = match url {
            Ok(url) => url,
            Err(error) => return Process::unknown(name, error),
        };
        match tokio::time::timeout(ANSWER_MAX, self.read(url)).await {
            Ok(Ok(report)) => Process::of(name, &report),
            Ok(Err(error)) => Process::unknown(name, error),
            Err(_) => Process::unknown(name, "it does not answer in time"),
        }
    }

    async fn read(&self, url: Url) -> Result<Value, String> {
        let away =
            |error: reqwest::Error| if error.is_connect() { "nobody listens there" } else { "it does not answer" };
        let mut answer = self.client.get(url).send().await.map_err(away)?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(away)? {
            body.extend_from_slice(&chunk);
            if ANSWER_BYTES_MAX < body.len() {
                return Err("it says too much for an admin listener of tropomq".to_owned());
            }
        }
        let report: Value = serde_json::from_slice(&body).unwrap_or_default();
        if report.get("ready").is_none() {
            return Err("what answers is no admin listener of tropomq".to_owned());
        }
        Ok(report)
    }
}

/// Where the processes behind a name are: it may have several addresses.
async fn addresses(name: String, url: Url) -> Vec<(String, Result<Url, String>)> {
    let ready = |mut url: Url| {
        // One that cannot have a path was refused when the configuration was checked.
        if let Ok(mut path) = url.path_segments_mut() {
            path.pop_if_empty().push("readyz");
        }
        url
    };
    // A certificate is for the name.
    let host = url.host_str().filter(|_| url.scheme() == "http").zip(url.port_or_known_default());
    let Some(host) = host else {
        let at = ready(url.clone());
        return vec![(name, Ok(at))];
    };
    let found = tokio::time::timeout(ANSWER_MAX, tokio::net::lookup_host(host)).await;
    let mut found: Vec<SocketAddr> = match found {
        Ok(Ok(found)) => found.take(ADDRESSES_MAX).collect(),
        Ok(Err(_)) | Err(_) => return vec![(name, Err(format!("no address of {} is known", host.0)))],
    };
    found.sort_unstable();
    found.dedup();
    let several = 1 < found.len();
    let each = found.into_iter().map(|address| {
        let name = if several { format!("{name} {address}") } else { name.clone() };
        let mut url = url.clone();
        let told = url.set_ip_host(address.ip()).map_err(|()| "it has no address".to_owned());
        (name, told.map(|()| ready(url)))
    });
    each.collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn what_readyz_says_is_shown() {
        let report = json!({
            "ready": false,
            "stopping": true,
            "components": { "bus": { "ready": true }, "ledger": { "ready": false, "reason": "connection lost" } },
        });
        let process = Process::of("egress".to_owned(), &report);
        assert!(!process.is_ready && process.is_stopping);
        assert_eq!(process.parts.len(), 2);
        assert_eq!(process.parts[1].reason.as_deref(), Some("connection lost"));
    }

    #[tokio::test]
    async fn a_name_is_asked_by_its_addresses_and_a_secure_one_by_its_name() {
        let found = addresses("a".to_owned(), "http://localhost:9090".parse().unwrap()).await;
        assert!(found.iter().all(|(_, url)| url.as_ref().unwrap().path() == "/readyz"));
        assert!(found.iter().all(|(_, url)| url.as_ref().unwrap().host_str() != Some("localhost")));
        let found = addresses("a".to_owned(), "https://localhost/stack/".parse().unwrap()).await;
        assert_eq!(found[0].1.as_ref().unwrap().as_str(), "https://localhost/stack/readyz");
    }
}
