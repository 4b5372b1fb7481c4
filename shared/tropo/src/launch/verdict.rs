//! What an answer of the session API means for the message that asked.

use std::time::Duration;

use protocol::{SessionId, Timestamp};

use super::LaunchReply;

/// Tropo has a session.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Launched {
    /// Its id, where Tropo gave a valid one: the call-back names it in any case.
    pub session_id: Option<SessionId>,
}

/// Tropo answered, and there is no session for it that we know of. Never holds the token.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// Too many requests: later.
    #[error("Tropo asks to wait")]
    Throttled {
        /// How long Tropo asks to wait, if it says so; at most a day.
        retry_after: Option<Duration>,
    },
    /// Tropo, or something before it, is not working: later.
    #[error("Tropo is not available: status {status}")]
    Unavailable {
        /// The status of the answer.
        status: u16,
    },
    /// Tropo refuses: the same request will be refused again.
    #[error("Tropo refused: {detail}")]
    Rejected {
        /// Tropo's own words, cut short and without anything that may be secret, or what else was wrong.
        detail: String,
    },
    /// Success by its status, and not a word of it was understood: there may be a session.
    #[error("Tropo's answer is not readable")]
    Unreadable,
}

/// The longest that anybody can ask us to wait.
const RETRY_AFTER_MAX: Duration = Duration::from_hours(24);

/// The longest detail, in characters.
const DETAIL_CHARS_MAX: usize = 200;

/// A run of letters with digits among them as long as this may be a token or a ticket.
const SECRET_CHARS_MIN: usize = 16;

/// A run as long as this is no word, with digits or without.
const WORD_CHARS_MAX: usize = 40;

/// Digits as many as this may be somebody's number.
const NUMBER_DIGITS_MIN: usize = 7;

impl Refusal {
    /// Without `token`, where Tropo's own words hold one too short to be recognised as such.
    #[must_use]
    pub fn without(self, token: &str) -> Self {
        match self {
            Self::Rejected { detail } if !token.is_empty() => Self::Rejected { detail: detail.replace(token, "[…]") },
            other => other,
        }
    }
}

/// Judges an answer of the session API by its status, its `Retry-After` header and its body.
///
/// Tropo's ways of refusing a token differ by source: 200 with `success` false, 200 with nothing, 401 or 403. All of
/// them are [`Refusal::Rejected`].
///
/// # Errors
/// [`Refusal`] says whether to come again later.
pub fn judge(status: u16, retry_after: Option<&str>, body: &[u8], now: Timestamp) -> Result<Launched, Refusal> {
    let wait = |header: &str| protocol::retry_after(header, now, RETRY_AFTER_MAX);
    match status {
        200..=299 => judge_reply(body),
        429 => Err(Refusal::Throttled { retry_after: retry_after.and_then(wait) }),
        503 if let Some(header) = retry_after => Err(Refusal::Throttled { retry_after: wait(header) }),
        400..=499 if status != 408 && status != 425 => {
            let said = LaunchReply::read(body).ok().and_then(|reply| Some(printable(reply.error.as_deref()?, &reply)));
            Err(Refusal::Rejected { detail: said.unwrap_or_else(|| format!("status {status}")) })
        }
        _ => Err(Refusal::Unavailable { status }),
    }
}

fn judge_reply(body: &[u8]) -> Result<Launched, Refusal> {
    if body.trim_ascii().is_empty() {
        return Err(Refusal::Rejected { detail: "empty answer, as to an unknown token".to_owned() });
    }
    let reply = LaunchReply::read(body).map_err(|_| Refusal::Unreadable)?;
    if reply.success {
        return Ok(Launched { session_id: reply.id.and_then(|id| id.parse().ok()) });
    }
    let detail = reply.error.as_deref().map_or_else(|| "no reason given".to_owned(), |error| printable(error, &reply));
    Err(Refusal::Rejected { detail })
}

/// Tropo's words, fit for a log and for a page: printable, short, and without the token that Tropo may repeat, or
/// anything as long as a token, a ticket or a number.
fn printable(words: &str, reply: &LaunchReply) -> String {
    let words = match reply.token.as_deref() {
        Some(token) => words.replace(token, "[…]"),
        None => words.to_owned(),
    };
    let mut shown = String::new();
    let mut run = String::new();
    for c in words.chars().map(|c| if c.is_control() { ' ' } else { c }).chain([' ']) {
        if c.is_ascii_alphanumeric() || c == '-' || c == '_' {
            run.push(c);
            continue;
        }
        let digits = run.chars().filter(char::is_ascii_digit).count();
        let secret =
            (SECRET_CHARS_MIN <= run.len() && 0 < digits) || WORD_CHARS_MAX < run.len() || NUMBER_DIGITS_MIN <= digits;
        shown.push_str(if secret { "[…]" } else { &run });
        run.clear();
        shown.push(c);
    }
    shown.trim().chars().take(DETAIL_CHARS_MAX).collect()
}
