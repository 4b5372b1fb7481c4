//! Applications behind HTTP: each text is posted to them, signed, and the answer says what shall come of it.
//!
//! An application that is away, slow or broken delays only the texts that ask it: what waits for it waits in hand, a
//! bounded number of questions is under way at once, and a circuit breaker leaves it alone while it fails.

mod answer;
mod breaker;
mod config;
mod guard;
mod question;

use std::error::Error;
use std::fmt;
use std::net::IpAddr;
use std::time::Duration;

use messaging::{BoxFuture, Environment};
use protocol::{BackendName, Phase};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use secrecy::ExposeSecret;
use tokio::sync::{Semaphore, SemaphorePermit};
use tokio::time::Instant;
use url::{Host, Url};

use crate::application::Said;
use crate::config::ConfigError;
use crate::observe;
use crate::participant::{Asked, Participant, Unanswered};
use crate::signature::{self, Secrets};
use answer::Answer;
use breaker::{Breaker, Change, Turn, Went};
pub use config::{HttpConfig, OnError};
use guard::{Guard, Guarded, Refused};

/// How long an idle connection is used again.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// How long a text waits for a place among the questions under way, before it begins anew.
const PLACE_MAX: Duration = Duration::from_mins(1);

/// An application behind HTTP.
pub(crate) struct HttpApplication {
    name: BackendName,
    phases: Vec<Phase>,
    url: Url,
    secrets: Secrets,
    http: reqwest::Client,
    places: Semaphore,
    breaker: Breaker,
    on_error: OnError,
    timeout: Duration,
    give_up_after: Duration,
    environment: Environment,
}

impl fmt::Debug for HttpApplication {
    /// Shows no address: there may be a secret in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("HttpApplication")
            .field("name", &self.name)
            .field("phases", &self.phases)
            .finish_non_exhaustive()
    }
}

impl HttpApplication {
    /// The application of that name.
    ///
    /// # Errors
    /// [`ConfigError`] names the key that is wrong.
    pub(crate) fn new(name: BackendName, config: &HttpConfig) -> Result<Self, ConfigError> {
        let wrong = |key, told| ConfigError::Http { name: name.clone(), key, told };
        config.check().map_err(|(key, told)| wrong(key, told))?;
        let secrets = Secrets::parse(config.secret.expose_secret());
        let secrets = secrets.map_err(|error| wrong("secret", error.to_string()))?;
        let guard =
            Guard { allow_private: config.allow_private, allow: config.allow.clone(), is_plain: config.is_plain() };
        if let Some(address) = literal(&config.url) {
            // It is connected to without being resolved.
            guard.check(address).map_err(|refused| wrong("url", refused.to_string()))?;
        }
        let http = reqwest::Client::builder()
            .connect_timeout(config.connect_timeout)
            .timeout(config.timeout)
            .pool_idle_timeout(IDLE_MAX)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Guarded(guard))
            .user_agent(concat!("tropomq/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| wrong("url", format!("there is no HTTP client for it: {}", cause(&error))))?;
        Ok(Self {
            phases: config.phases.clone(),
            url: config.url.clone(),
            secrets,
            http,
            places: Semaphore::new(config.concurrency.into()),
            breaker: Breaker::default(),
            on_error: config.on_error,
            timeout: config.timeout,
            give_up_after: config.give_up_after,
            environment: Environment::system(),
            name,
        })
    }

    /// Asks, as soon as it may be asked.
    async fn answer(&self, asked: Asked<'_>) -> Result<Said, Unanswered> {
        let (_place, turn) = self.turn().await.inspect_err(|_| observe::not_asked(self.name.as_str()))?;
        let started = Instant::now();
        let answered = self.post(asked).await;
        observe::asked(self.name.as_str(), &answered, started.elapsed());
        self.end(turn, &answered);
        match answered {
            Err(Unanswered::Failed { because }) if self.on_error == OnError::Pass => Ok(Said::pass().because(because)),
            answered => answered,
        }
    }

    /// A place among the questions under way, in the order in which they were asked for.
    async fn turn(&self) -> Result<(SemaphorePermit<'_>, Turn<'_>), Unanswered> {
        let held = |wait| Unanswered::Away {
            because: "it failed again and again, and is left alone for a while".to_owned(),
            retry_after: Some(wait),
        };
        // Who would not be let in need not stand in line for that.
        self.breaker.look().map_err(held)?;
        let Ok(Ok(place)) = tokio::time::timeout(PLACE_MAX, self.places.acquire()).await else {
            let because = "too many texts wait for it: it is slow, or concurrency is too small".to_owned();
            return Err(Unanswered::Away { because, retry_after: None });
        };
        Ok((place, self.breaker.begin().map_err(held)?))
    }

    fn end(&self, turn: Turn<'_>, answered: &Result<Said, Unanswered>) {
        let (went, because) = match answered {
            Ok(_) => (Went::Well, ""),
            // It is there, and says no.
            Err(Unanswered::Failed { because }) => (Went::Well, &**because),
            Err(Unanswered::Away { because, retry_after: None }) => (Went::Wrong, &**because),
            Err(Unanswered::Away { because, retry_after: Some(wait) }) => (Went::Rest(*wait), &**because),
        };
        match turn.ended(went) {
            Change::None | Change::Reopened => {}
            Change::Opened(wait) => observe::left_alone(self.name.as_str(), because, wait),
            Change::Closed => observe::asked_again(self.name.as_str()),
        }
    }

    /// Posts one question.
    async fn post(&self, asked: Asked<'_>) -> Result<Said, Unanswered> {
        let id = question::id(&asked);
        let unwritable = |_| Unanswered::Failed { because: "the question cannot be written".to_owned() };
        let body = question::body(self.name.as_str(), &asked).map_err(unwritable)?;
        let now = self.environment.now();
        let request = self
            .http
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .header(signature::SIGNATURE, self.secrets.sign(&id, now, &body))
            .header(signature::ID, id)
            .header(signature::TIMESTAMP, now.as_second());
        let mut answer = request.body(body).send().await.map_err(|error| self.unreachable(&error))?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.unreachable(&error))? {
            body.extend_from_slice(&chunk);
            if answer::BYTES_MAX < body.len() {
                let because = format!("its answer has more than {} bytes", answer::BYTES_MAX);
                return Err(Unanswered::Failed { because });
            }
        }
        let headers = answer.headers();
        let (status, retry_after, location) =
            (answer.status().as_u16(), header(headers, RETRY_AFTER), header(headers, LOCATION));
        answer::judge(&self.url, Answer { status, retry_after, location, body: &body }, self.environment.now())
    }

    /// Why there is no answer, without the address.
    fn unreachable(&self, error: &reqwest::Error) -> Unanswered {
        let causes = std::iter::successors(Some(error as &(dyn Error + 'static)), |error| (*error).source());
        if let Some(refused) = causes.into_iter().find_map(|cause| cause.downcast_ref::<Refused>()) {
            return Unanswered::Failed { because: refused.to_string() };
        }
        let because = match (error.is_timeout(), error.is_connect()) {
            (true, true) => "it could not be connected to in time".to_owned(),
            (true, false) => format!("it did not answer in {}", chassis::config::duration::write(self.timeout)),
            (false, true) => format!("it cannot be connected to: {}", cause(error)),
            (false, false) => format!("the connection broke: {}", cause(error)),
        };
        Unanswered::Away { because, retry_after: None }
    }
}

impl Participant for HttpApplication {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn phases(&self) -> &[Phase] {
        &self.phases
    }

    fn is_elsewhere(&self) -> bool {
        true
    }

    fn give_up_after(&self) -> Duration {
        self.give_up_after
    }

    fn ask<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Result<Said, Unanswered>> {
        Box::pin(self.answer(asked))
    }

    fn secrets(&self) -> Option<&Secrets> {
        Some(&self.secrets)
    }
}

/// The address of a URL that has one instead of a name.
fn literal(url: &Url) -> Option<IpAddr> {
    match url.host()? {
        Host::Ipv4(address) => Some(address.into()),
        Host::Ipv6(address) => Some(address.into()),
        Host::Domain(_) => None,
    }
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

/// The last cause says it best: "connection refused" and the like.
fn cause(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}

#[cfg(test)]
mod tests;
