//! A project in the eyes of the router: it is given texts of its backend in phase `handle`, and takes them all.

use std::time::Duration;

use axum::http::StatusCode;
use messaging::BoxFuture;
use protocol::{BackendName, Phase};
use tokio::sync::Semaphore;

use super::client::{Answer, Client, GiveError};
use super::config::{Config, Format};
use super::delivery::delivery;
use super::in_hand::{Heard, InHand};
use crate::application::{Said, Text};
use crate::config::ConfigError;
use crate::participant::{Asked, Participant, Unanswered};

/// A project.
#[derive(Debug)]
pub(crate) struct RapidSms {
    name: String,
    backend: BackendName,
    config: Config,
    client: Client,
    in_hand: InHand,
    places: Semaphore,
}

impl RapidSms {
    /// # Errors
    /// [`ConfigError::RapidSms`] names the key that is wrong.
    pub(crate) fn new(name: &str, config: &Config, in_hand: InHand) -> Result<Self, ConfigError> {
        config.check(name)?;
        let wrong = |key: &str, told| ConfigError::RapidSms { key: format!("router.rapidsms.{name}.{key}"), told };
        Ok(Self {
            name: name.to_owned(),
            backend: config.backend(name).ok_or_else(|| wrong("backend", "is missing"))?,
            client: Client::new(config.timeout)
                .map_err(|_| wrong("url", "cannot be reached: TLS does not work here"))?,
            places: Semaphore::new(config.concurrency.into()),
            config: config.clone(),
            in_hand,
        })
    }

    async fn give(&self, text: &Text) -> Result<Said, Unanswered> {
        if text.backend != self.backend {
            return Ok(Said::pass().because("it is another backend's"));
        }
        // Nothing that the project does while it is given a text needs a place. They are never closed.
        let _place = self.places.acquire().await;
        let asking = self.in_hand.ask(&self.name, text);
        let given = self.client.give(delivery(&self.config, text)).await;
        judge(self.config.format, given, asking.heard())
    }
}

impl Participant for RapidSms {
    fn name(&self) -> &str {
        &self.name
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

    fn ask<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Result<Said, Unanswered>> {
        Box::pin(self.give(asked.text))
    }
}

/// What it means that a text was given so, and that so much was heard meanwhile.
///
/// Where nobody knows whether the project has the text, it is given again in the format of Vumi alone: there, a reply says
/// which text it answers, and a second one to the same text is the same message. In the others a project could answer
/// twice and text a person twice, so an operator has to decide.
fn judge(format: Format, given: Result<Answer, GiveError>, heard: Heard) -> Result<Said, Unanswered> {
    let away = |because: String, retry_after| Err(Unanswered::Away { because, retry_after });
    if heard.refused {
        return away("it replied, and the reply could not be kept".to_owned(), None);
    }
    let took = |because: String| Ok(Said { sent: heard.kept, ..Said::take() }.because(because));
    let unknown = |because: String| match (format, heard.kept) {
        (Format::Vumi, _) => away(because, None),
        (Format::Kannel | Format::Http, 0) => {
            let because = format!("{because}; whether it has the text is unknown, so it is not given it again");
            Err(Unanswered::Failed { because })
        }
        (Format::Kannel | Format::Http, kept) => took(format!("it replied with {kept} messages, then: {because}")),
    };
    let Answer { status, retry_after } = match given {
        Ok(answer) => answer,
        Err(GiveError::NotGiven(because)) => return away(because, None),
        Err(GiveError::Unknown(because)) => return unknown(because),
    };
    let because = format!("it answered {}", status.as_u16());
    match status {
        status if status.is_success() => took(format!("it has the text; messages that answer it: {}", heard.kept)),
        StatusCode::BAD_REQUEST | StatusCode::PAYLOAD_TOO_LARGE | StatusCode::URI_TOO_LONG => {
            Err(Unanswered::Failed { because: format!("{because}: it does not take this text") })
        }
        StatusCode::TOO_MANY_REQUESTS | StatusCode::SERVICE_UNAVAILABLE => away(because, retry_after),
        status if status.is_server_error() => unknown(because),
        // A wrong address, a door that is shut: somebody mends the configuration while texts wait.
        _ => away(format!("{because}: is the url of the project right?"), None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOTHING: Heard = Heard { kept: 0, refused: false };
    const REPLY: Heard = Heard { kept: 1, refused: false };
    const REFUSED: Heard = Heard { kept: 1, refused: true };

    /// Whether the text is taken, and with how many messages; or waits, or is given up.
    #[derive(PartialEq, Debug)]
    enum Judged {
        Took(u32),
        Waits,
        GivenUp,
    }

    fn judged(format: Format, given: Result<u16, GiveError>, heard: Heard) -> Judged {
        let answer = given.map(|status| Answer { status: StatusCode::from_u16(status).unwrap(), retry_after: None });
        match judge(format, answer, heard) {
            Ok(said) => {
                assert!(said.takes);
                Judged::Took(said.sent)
            }
            Err(Unanswered::Away { .. }) => Judged::Waits,
            Err(Unanswered::Failed { .. }) => Judged::GivenUp,
        }
    }

    #[test]
    fn what_a_project_answers_is_judged_alike_in_every_format() {
        for format in [Format::Vumi, Format::Kannel, Format::Http] {
            for (status, expected) in [
                (200, Judged::Took(1)),
                (202, Judged::Took(1)),
                (301, Judged::Waits),
                (400, Judged::GivenUp),
                (403, Judged::Waits),
                (404, Judged::Waits),
                (414, Judged::GivenUp),
                (429, Judged::Waits),
                (503, Judged::Waits),
            ] {
                assert_eq!(judged(format, Ok(status), REPLY), expected, "{format:?} {status}");
            }
            let not_given = Err(GiveError::NotGiven("refused".to_owned()));
            assert_eq!(judged(format, not_given, NOTHING), Judged::Waits);
            assert_eq!(judged(format, Ok(200), NOTHING), Judged::Took(0));
            assert_eq!(judged(format, Ok(200), REFUSED), Judged::Waits, "its reply is lost if it is not asked again");
        }
    }

    #[test]
    fn what_may_have_been_handled_is_given_again_only_where_an_answer_says_to_what() {
        for given in [Ok(500), Ok(502), Ok(504), Err(GiveError::Unknown("timeout".to_owned()))] {
            assert_eq!(judged(Format::Vumi, given.clone(), NOTHING), Judged::Waits);
            assert_eq!(judged(Format::Vumi, given.clone(), REPLY), Judged::Waits);
            for format in [Format::Kannel, Format::Http] {
                assert_eq!(judged(format, given.clone(), NOTHING), Judged::GivenUp, "{format:?} {given:?}");
                assert_eq!(judged(format, given.clone(), REPLY), Judged::Took(1), "{format:?} {given:?}");
            }
        }
    }
}
