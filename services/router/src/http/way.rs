//! The way to an application over HTTP: guarded, bounded, and not gone while the application fails.

use std::error::Error;
use std::net::IpAddr;
use std::time::Duration;

use chassis::network::Network;
use protocol::BackendName;
use tokio::sync::{Semaphore, SemaphorePermit};
use url::{Host, Url};

use super::breaker::{Breaker, Change, Turn};
use super::guard::{Guard, Guarded, Refused};
use crate::observe;
use crate::participant::Unanswered;

pub(crate) use super::breaker::Went;

/// How long an idle connection is used again.
const IDLE_MAX: Duration = Duration::from_secs(10);

/// How long a text waits for a place among the questions under way, before it begins anew.
const PLACE_MAX: Duration = Duration::from_mins(1);

/// The longest that a text may wait for an application: RabbitMQ takes back what is in hand for half an hour.
const GIVE_UP_AFTER_MAX: Duration = Duration::from_mins(25);

/// The longest wait for one answer: a few of them fit into the time in which a stop is done, or a turn is waited for.
const TIMEOUT_MAX: Duration = Duration::from_mins(1);

/// How an application is reached, by its configuration.
#[derive(Clone, Copy)]
pub(crate) struct Reach<'a> {
    /// Where it is.
    pub(crate) url: &'a Url,
    /// The longest wait for an answer, from the beginning to the last byte.
    pub(crate) timeout: Duration,
    /// The longest wait for a connection.
    pub(crate) connect_timeout: Duration,
    /// How many questions are under way at once, at most.
    pub(crate) concurrency: u16,
    /// How long a text waits for it while it is away.
    pub(crate) give_up_after: Duration,
    /// Whether its address may be one of the inside, and without https then.
    pub(crate) allow_private: bool,
    /// The networks in which it may be, wherever they are, and without https.
    pub(crate) allow: &'a [Network],
    /// How many idle connections are kept for further questions, at most.
    pub(crate) idle_connections: usize,
}

impl Reach<'_> {
    /// Finds what is wrong with it.
    ///
    /// # Errors
    /// The key, and what to do.
    pub(crate) fn check(&self) -> Result<(), (&'static str, String)> {
        let wrong = |key, told: &str| Err((key, told.to_owned()));
        if !matches!(self.url.scheme(), "http" | "https") || !self.url.has_host() {
            return wrong("url", "must be an http or https address, as in https://app.example.com/sms");
        }
        if self.is_plain() && !self.allow_private && self.allow.is_empty() {
            let told = "is http, so texts would go over the network unencrypted: use https; for an application on this \
                        machine or in a network of your own, set allow_private = true or allow = [\"10.0.3.0/24\"]";
            return wrong("url", told);
        }
        if self.timeout.is_zero() || TIMEOUT_MAX < self.timeout {
            return wrong("timeout", "must be more than 0s, and at most 1m: a slow answer is given later instead");
        }
        if self.connect_timeout.is_zero() {
            return wrong("connect_timeout", "must be more than 0s");
        }
        if self.concurrency == 0 {
            return wrong("concurrency", "must be at least 1: it would never be asked");
        }
        if GIVE_UP_AFTER_MAX < self.give_up_after {
            let told = "must be at most 25m: RabbitMQ takes back what is in hand for longer";
            return wrong("give_up_after", told);
        }
        Ok(())
    }

    /// Whether nothing is encrypted on the way.
    fn is_plain(&self) -> bool {
        self.url.scheme() == "http"
    }
}

/// The way to one application.
#[derive(Debug)]
pub(crate) struct Way {
    name: BackendName,
    http: reqwest::Client,
    timeout: Duration,
    places: Semaphore,
    breaker: Breaker,
}

impl Way {
    /// # Errors
    /// The key that is wrong, and what to do.
    pub(crate) fn new(name: BackendName, reach: Reach<'_>) -> Result<Self, (&'static str, String)> {
        reach.check()?;
        let Reach { url, timeout, connect_timeout, concurrency, allow_private, allow, idle_connections, .. } = reach;
        let guard = Guard { allow_private, allow: allow.to_vec(), is_plain: reach.is_plain() };
        if let Some(address) = literal(url) {
            // It is connected to without being resolved.
            guard.check(address).map_err(|refused| ("url", refused.to_string()))?;
        }
        let http = reqwest::Client::builder()
            .connect_timeout(connect_timeout)
            .timeout(timeout)
            .pool_idle_timeout(IDLE_MAX)
            .pool_max_idle_per_host(idle_connections)
            .redirect(reqwest::redirect::Policy::none())
            .no_proxy()
            .dns_resolver(Guarded(guard))
            .user_agent(concat!("tropomq/", env!("CARGO_PKG_VERSION")))
            .build()
            .map_err(|error| ("url", format!("there is no HTTP client for it: {}", cause(&error))))?;
        let places = Semaphore::new(concurrency.into());
        Ok(Self { name, http, timeout, places, breaker: Breaker::default() })
    }

    /// The client that asks.
    pub(crate) fn http(&self) -> &reqwest::Client {
        &self.http
    }

    /// How long nobody may ask; `None`: the application may be asked.
    pub(crate) fn rests(&self) -> Option<Duration> {
        self.breaker.look().err()
    }

    /// A place among the questions under way, in the order in which they were asked for.
    ///
    /// # Errors
    /// [`Unanswered::Away`]: it is left alone for a while, or too many ask.
    pub(crate) async fn place(&self) -> Result<Place<'_>, Unanswered> {
        self.enter().await.inspect_err(|_| observe::not_asked(self.name.as_str()))
    }

    async fn enter(&self) -> Result<Place<'_>, Unanswered> {
        let held = |wait| Unanswered::Away {
            because: "it is left alone for a while, because it failed or asked for it".to_owned(),
            retry_after: Some(wait),
        };
        // Who would not be let in need not stand in line for that.
        self.breaker.look().map_err(held)?;
        let Ok(Ok(place)) = tokio::time::timeout(PLACE_MAX, self.places.acquire()).await else {
            let because = "too many texts wait for it: it is slow, or concurrency is too small".to_owned();
            return Err(Unanswered::Away { because, retry_after: None });
        };
        Ok(Place { way: self, turn: self.breaker.begin().map_err(held)?, _place: place })
    }

    /// Why there is no answer, without the address.
    pub(crate) fn unreachable(&self, error: &reqwest::Error) -> Unanswered {
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

/// A place among the questions under way. Dropped without its end it says nothing about the application.
#[derive(Debug)]
pub(crate) struct Place<'a> {
    way: &'a Way,
    turn: Turn<'a>,
    _place: SemaphorePermit<'a>,
}

impl Place<'_> {
    /// The question went so, and why.
    pub(crate) fn ended(self, (went, because): (Went, &str)) {
        let Way { name, breaker, .. } = self.way;
        match self.turn.ended(went) {
            Change::None | Change::Reopened => {}
            Change::Opened(wait) => observe::left_alone(name.as_str(), because, wait),
            Change::Closed => observe::asked_again(name.as_str()),
        }
        observe::whether_left_alone(name.as_str(), breaker.look().is_err());
    }
}

impl Drop for Way {
    /// Whoever is not asked any more is not left alone either: nobody would say later that it is not.
    fn drop(&mut self) {
        if self.breaker.look().is_err() {
            observe::whether_left_alone(self.name.as_str(), false);
        }
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

/// The last cause says it best: "connection refused" and the like.
fn cause(error: &reqwest::Error) -> String {
    let causes = std::iter::successors(error.source(), |error| (*error).source());
    causes.last().map(ToString::to_string).unwrap_or_default()
}
