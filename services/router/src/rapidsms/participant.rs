//! A project in the eyes of the router: it is given texts of its backend in phase `handle`, and takes them all.

use std::fmt;
use std::time::Duration;

use axum::http::{StatusCode, header};
use messaging::BoxFuture;
use protocol::{BackendName, Phase, Timestamp};
use tokio::time::Instant;

use super::config::{Config, Format};
use super::delivery::{Delivery, delivery};
use super::in_hand::{Heard, InHand};
use crate::application::{Said, Text};
use crate::config::ConfigError;
use crate::http::way::{Way, Went};
use crate::observe;
use crate::participant::{Asked, Participant, Unanswered};

/// The longest rest that a project can ask for.
const REST_MAX: Duration = Duration::from_mins(5);

/// What the views of RapidSMS say to what their form does not take.
const INVALID: &[u8] = b"form failed to validate";

/// A project.
pub(crate) struct RapidSms {
    name: BackendName,
    config: Config,
    way: Way,
    in_hand: InHand,
}

impl fmt::Debug for RapidSms {
    /// Shows no address: there may be a secret in it.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RapidSms").field("name", &self.name).finish_non_exhaustive()
    }
}

/// What came of a text that was given.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Given {
    /// The project answered, and asked for so long a rest.
    Answered(StatusCode, Option<Duration>),
    /// Its form did not take the text, and never will.
    Invalid,
    /// It does not have the text.
    Not(Unanswered),
    /// It may have the text.
    Unknown(String),
}

impl RapidSms {
    /// The project of that name.
    ///
    /// # Errors
    /// [`ConfigError`] names the key that is wrong.
    pub(crate) fn new(name: BackendName, config: &Config, in_hand: InHand) -> Result<Self, ConfigError> {
        let wrong = |(key, told)| ConfigError::RapidSms { name: name.clone(), key, told };
        config.check().map_err(wrong)?;
        let way = Way::new(name.clone(), config.reach()).map_err(wrong)?;
        Ok(Self { config: config.clone(), way, in_hand, name })
    }

    async fn answer(&self, text: &Text) -> Result<Said, Unanswered> {
        if text.backend != *self.config.backend(&self.name) {
            return Ok(Said::pass().because("the text is another backend's"));
        }
        let place = self.way.place().await?;
        let (started, asking) = (Instant::now(), self.in_hand.ask(&self.name, text));
        let given = self.give(delivery(&self.config, text), text.now).await;
        place.ended(went(&given));
        let answered = judge(self.config.format, given, asking.heard().await);
        observe::asked(self.name.as_str(), &answered, started.elapsed());
        answered
    }

    /// Gives it a text, once, and waits for the answer.
    async fn give(&self, Delivery { method, url, content_type, body }: Delivery, now: Timestamp) -> Given {
        let mut request = self.way.http().request(method, url);
        if !body.is_empty() {
            request = request.header(header::CONTENT_TYPE, content_type).body(body);
        }
        match request.send().await {
            Ok(answer) if answer.status() == StatusCode::BAD_REQUEST => {
                if is_invalid(answer).await {
                    Given::Invalid
                } else {
                    Given::Answered(StatusCode::BAD_REQUEST, None)
                }
            }
            Ok(answer) => {
                let rest = answer.headers().get(header::RETRY_AFTER).and_then(|value| value.to_str().ok());
                Given::Answered(answer.status(), rest.and_then(|rest| protocol::retry_after(rest, now, REST_MAX)))
            }
            Err(error) => match self.way.unreachable(&error) {
                lost if error.is_connect() || error.is_builder() => Given::Not(lost),
                refused @ Unanswered::Failed { .. } => Given::Not(refused),
                lost @ Unanswered::Away { .. } => Given::Unknown(lost.to_string()),
            },
        }
    }
}

impl Participant for RapidSms {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn phases(&self) -> &[Phase] {
        &[Phase::Handle]
    }

    fn is_elsewhere(&self) -> bool {
        true
    }

    fn give_up_after(&self) -> Duration {
        self.config.give_up_after
    }

    fn rests(&self) -> Option<Duration> {
        self.way.rests()
    }

    fn ask<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Result<Said, Unanswered>> {
        Box::pin(self.answer(asked.text))
    }
}

/// What it says about the project, and why.
fn went(given: &Given) -> (Went, &str) {
    match given {
        Given::Answered(status, Some(rest)) if wants_rest(*status) => (Went::Rest(*rest), "it asked for a rest"),
        Given::Answered(status, _) if status.is_server_error() => (Went::Wrong, "it answers with errors"),
        // It is there, and says yes or no.
        Given::Answered(..) | Given::Invalid => (Went::Well, ""),
        Given::Not(Unanswered::Away { because, .. } | Unanswered::Failed { because }) => (Went::Wrong, because),
        Given::Unknown(because) => (Went::Wrong, because),
    }
}

/// Whether a 400 is a view's own. Django itself answers one to a host that it is not to answer for, before any view.
async fn is_invalid(mut answer: reqwest::Response) -> bool {
    let mut body = Vec::new();
    while body.len() < INVALID.len()
        && let Ok(Some(chunk)) = answer.chunk().await
    {
        body.extend_from_slice(&chunk);
    }
    body.starts_with(INVALID)
}

fn wants_rest(status: StatusCode) -> bool {
    matches!(status, StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE)
}

/// What it means that a text was given so, and that so much was heard meanwhile.
///
/// A text that was replied to was answered, whatever came after. Where nobody knows whether the project has it, it is given
/// again in the format of Vumi alone: there, a reply says which text it answers, and a second one of the same words is the
/// same message. In the others a project could answer twice and text a person twice, so an operator has to decide.
fn judge(format: Format, given: Given, heard: Heard) -> Result<Said, Unanswered> {
    let away = |because: String, retry_after| Err(Unanswered::Away { because, retry_after });
    if heard.unkept != 0 {
        return away("it replied, and the reply could not be kept".to_owned(), None);
    }
    let took = |because: String| Ok(Said { sent: heard.kept, ..Said::take() }.because(because));
    let unknown = |because: String| match (format, heard.kept) {
        (Format::Vumi, 0) => away(because, None),
        (Format::Kannel | Format::Http, 0) => {
            let because = format!("{because}; whether it has the text is unknown, so it is not given it again");
            Err(Unanswered::Failed { because })
        }
        (_, kept) => took(format!("it replied with {kept} messages, then: {because}")),
    };
    let (status, rest) = match given {
        Given::Answered(status, rest) => (status, rest),
        Given::Invalid => {
            return Err(Unanswered::Failed { because: "it answered 400: its form does not take this text".to_owned() });
        }
        Given::Not(unanswered) => return Err(unanswered),
        Given::Unknown(because) => return unknown(because),
    };
    let because = format!("it answered {}", status.as_u16());
    match status {
        status if status.is_success() => took(format!("it has the text; messages that answer it: {}", heard.kept)),
        StatusCode::PAYLOAD_TOO_LARGE | StatusCode::URI_TOO_LONG => {
            Err(Unanswered::Failed { because: format!("{because}: it does not take this text") })
        }
        StatusCode::BAD_REQUEST => away(format!("{because}: is the host of its url among ALLOWED_HOSTS?"), None),
        // Some servers say so when a view is too slow for them.
        StatusCode::SERVICE_UNAVAILABLE if heard.kept != 0 => unknown(because),
        status if wants_rest(status) => away(because, rest),
        status if status.is_server_error() => unknown(because),
        // A wrong address, a door that is shut: somebody mends the configuration while texts wait.
        _ => away(format!("{because}: is the url of the project right?"), None),
    }
}

#[cfg(test)]
mod tests;
