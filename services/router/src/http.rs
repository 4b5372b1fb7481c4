//! Applications behind HTTP: each text is posted to them, signed, and the answer says what shall come of it.
//!
//! An application that is away, slow or broken delays only the texts that ask it: what waits for it waits in hand, a
//! bounded number of questions is under way at once, and a circuit breaker leaves it alone while it fails.

mod answer;
mod breaker;
mod config;
mod guard;
mod question;
pub(crate) mod way;

use std::fmt;
use std::time::Duration;

use messaging::{BoxFuture, Environment};
use protocol::{BackendName, Phase};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderMap, HeaderName, LOCATION, RETRY_AFTER};
use secrecy::ExposeSecret;
use tokio::time::Instant;
use url::Url;

use crate::application::{Said, Text};
use crate::config::ConfigError;
use crate::matching::{Matching, Takes, Words};
use crate::observe;
use crate::participant::{Asked, Participant, Unanswered};
use crate::signature::{self, Secrets};
use answer::Head;
pub use config::{HttpConfig, OnError};
use way::{Way, Went};

/// An application behind HTTP.
pub(crate) struct HttpApplication {
    name: BackendName,
    phases: Vec<Phase>,
    matching: Matching,
    url: Url,
    secrets: Secrets,
    way: Way,
    on_error: OnError,
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
        let takes = Takes { words: &config.words, pattern: config.pattern.as_deref(), ..Takes::default() };
        let matching = Matching::new(takes).map_err(|error| wrong(error.key(), error.to_string()))?;
        let way = Way::new(name.clone(), config.reach()).map_err(|(key, told)| wrong(key, told))?;
        Ok(Self {
            phases: config.phases.clone(),
            matching,
            url: config.url.clone(),
            secrets,
            way,
            on_error: config.on_error,
            give_up_after: config.give_up_after,
            environment: Environment::system(),
            name,
        })
    }

    /// Asks, as soon as it may be asked.
    async fn answer(&self, asked: Asked<'_>) -> Result<Said, Unanswered> {
        let place = self.way.place().await?;
        let started = Instant::now();
        let answered = self.post(asked).await;
        observe::asked(self.name.as_str(), &answered, started.elapsed());
        place.ended(went(&answered));
        match answered {
            Err(Unanswered::Failed { because }) if self.on_error == OnError::Pass => Ok(Said::pass().because(because)),
            answered => answered,
        }
    }

    /// Posts one question.
    async fn post(&self, asked: Asked<'_>) -> Result<Said, Unanswered> {
        let id = question::id(&asked);
        let unwritable = |_| Unanswered::Failed { because: "the question cannot be written".to_owned() };
        let body = question::body(self.name.as_str(), &asked).map_err(unwritable)?;
        let now = self.environment.now();
        let request = self
            .way
            .http()
            .post(self.url.clone())
            .header(CONTENT_TYPE, "application/json")
            .header(ACCEPT, "application/json")
            .header(signature::SIGNATURE, self.secrets.sign(&id, now, &body))
            .header(signature::ID, id)
            .header(signature::TIMESTAMP, now.as_second());
        let mut answer = request.body(body).send().await.map_err(|error| self.way.unreachable(&error))?;
        let headers = answer.headers();
        let (status, retry_after, location) =
            (answer.status().as_u16(), header(headers, RETRY_AFTER), header(headers, LOCATION));
        // Before the body: how long an error's page is says nothing.
        answer::judge(&self.url, Head { status, retry_after, location }, self.environment.now())?;
        let mut body = Vec::new();
        while let Some(chunk) = answer.chunk().await.map_err(|error| self.way.unreachable(&error))? {
            body.extend_from_slice(&chunk);
            if answer::BYTES_MAX < body.len() {
                let because = format!("its answer has more than {} bytes", answer::BYTES_MAX);
                return Err(Unanswered::Failed { because });
            }
        }
        let network = &asked.text.received.network;
        answer::said(asked.phase, network, &body).map_err(|because| Unanswered::Failed { because })
    }
}

impl Participant for HttpApplication {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn phases(&self) -> &[Phase] {
        &self.phases
    }

    fn is_for(&self, text: &Text) -> bool {
        self.matching.take(&Words::of(text.words.as_str())).is_some()
    }

    fn is_elsewhere(&self) -> bool {
        true
    }

    fn give_up_after(&self) -> Duration {
        self.give_up_after
    }

    fn rests(&self) -> Option<Duration> {
        self.way.rests()
    }

    fn ask<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Result<Said, Unanswered>> {
        Box::pin(self.answer(asked))
    }

    fn secrets(&self) -> Option<&Secrets> {
        Some(&self.secrets)
    }
}

/// What an answer says about the application.
fn went(answered: &Result<Said, Unanswered>) -> (Went, &str) {
    match answered {
        Ok(_) => (Went::Well, ""),
        // It is there, and says no.
        Err(Unanswered::Failed { because }) => (Went::Well, because),
        Err(Unanswered::Away { because, retry_after: None }) => (Went::Wrong, because),
        Err(Unanswered::Away { because, retry_after: Some(wait) }) => (Went::Rest(*wait), because),
    }
}

fn header(headers: &HeaderMap, name: HeaderName) -> Option<&str> {
    headers.get(name)?.to_str().ok()
}

#[cfg(test)]
mod tests;
