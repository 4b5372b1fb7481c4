//! How the stand-in misbehaves: set by configuration and at run time, repeatable by seed.

mod dice;

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use chassis::config::duration;
use serde::{Deserialize, Serialize};

use self::dice::Dice;

/// How the stand-in misbehaves. As it stands by default, it is Tropo on a good day.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// Where chance begins: the same seed and the same requests in the same order give the same mishaps.
    pub seed: u64,
    /// Calls back, and has the answer, before it answers the request for the session.
    pub callback_first: bool,
    /// How long after that answer it calls back.
    #[serde(with = "duration")]
    pub callback_delay: Duration,
    /// So many of the next sessions never call back. Counts down.
    pub drop_next_callbacks: u32,
    /// How a token that launches nothing is answered.
    pub bad_token: BadToken,
    /// Every request for a session is answered with this status, and there is no session.
    pub create_status: Option<Status>,
    /// This share of the requests for a session fails.
    pub create_errors: Share,
    /// So many of the next requests for a session fail. Counts down.
    pub fail_next_creates: u32,
    /// The status of those that fail.
    pub create_error_status: Status,
    /// What `Retry-After` says when a request for a session fails, in whole seconds.
    #[serde(with = "duration::optional")]
    pub retry_after: Option<Duration>,
    /// How long a request for a session waits for its answer.
    #[serde(with = "duration")]
    pub create_hang: Duration,
    /// The form of the answer when there is a session.
    pub create_reply: CreateReply,
    /// Session ids in that answer end with CR LF, as real ones did.
    pub id_line_end: bool,
    /// How long each webhook is held back.
    #[serde(with = "duration")]
    pub webhook_latency: Duration,
    /// This share of the webhooks is delivered twice.
    pub duplicate_webhooks: Share,
    /// Whether results are posted to `next`. Where not, the session ends there.
    pub results: bool,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            seed: 0,
            callback_first: false,
            callback_delay: Duration::ZERO,
            drop_next_callbacks: 0,
            bad_token: BadToken::False,
            create_status: None,
            create_errors: Share(0.0),
            fail_next_creates: 0,
            create_error_status: Status(StatusCode::INTERNAL_SERVER_ERROR),
            retry_after: None,
            create_hang: Duration::ZERO,
            create_reply: CreateReply::AsAsked,
            id_line_end: false,
            webhook_latency: Duration::ZERO,
            duplicate_webhooks: Share(0.0),
            results: true,
        }
    }
}

/// How a token that launches nothing is answered. What Tropo did differs by source.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum BadToken {
    /// 200, `success` false and an `error`.
    #[serde(rename = "false")]
    False,
    /// 200 and nothing else.
    #[serde(rename = "empty")]
    Empty,
    /// 401 and an `error`.
    #[serde(rename = "401")]
    Unauthorized,
    /// 403 and an `error`.
    #[serde(rename = "403")]
    Forbidden,
}

/// The form of the answer to a request that made a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum CreateReply {
    /// It follows the request, as Tropo's did.
    AsAsked,
    /// JSON.
    Json,
    /// XML.
    Xml,
    /// `success=true&token=...`.
    Form,
    /// A page for a person.
    Html,
    /// Bytes that are none of these.
    Garbage,
    /// Nothing.
    Empty,
}

/// A share of all, from 0 to 1.
#[derive(Clone, Copy, PartialEq, PartialOrd, Debug, Serialize, Deserialize)]
#[serde(try_from = "f64")]
pub struct Share(f64);

/// The status of an answer, 200 to 599.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(try_from = "u16", into = "u16")]
pub struct Status(StatusCode);

/// Why a knob cannot be set so.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KnobError {
    /// No share.
    #[error("a share is a number from 0 to 1")]
    Share,
    /// No status of an answer.
    #[error("a status is a whole number from 200 to 599")]
    Status,
}

impl TryFrom<f64> for Share {
    type Error = KnobError;

    fn try_from(share: f64) -> Result<Self, KnobError> {
        if (0.0..=1.0).contains(&share) { Ok(Self(share)) } else { Err(KnobError::Share) }
    }
}

impl TryFrom<u16> for Status {
    type Error = KnobError;

    fn try_from(code: u16) -> Result<Self, KnobError> {
        let status = StatusCode::from_u16(code).map_err(|_| KnobError::Status)?;
        if (200..=599).contains(&code) { Ok(Self(status)) } else { Err(KnobError::Status) }
    }
}

impl From<Status> for u16 {
    fn from(status: Status) -> Self {
        status.0.as_u16()
    }
}

/// The knobs as they stand, and the dice that go with them.
#[derive(Debug)]
pub(crate) struct Control(Mutex<Set>);

#[derive(Debug)]
struct Set {
    knobs: Knobs,
    dice: Dice,
}

/// What is to become of one request for a session.
#[derive(Clone, Copy, PartialEq, Debug)]
pub(crate) struct CreatePlan {
    /// There is no session, but this status and, perhaps, a `Retry-After`.
    pub(crate) failure: Option<(StatusCode, Option<Duration>)>,
    pub(crate) hang: Duration,
    pub(crate) bad_token: BadToken,
    pub(crate) reply: CreateReply,
    pub(crate) id_line_end: bool,
    pub(crate) callback_first: bool,
}

/// When a session calls back.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum CallBackPlan {
    Never,
    After(Duration),
}

/// What is to become of one webhook.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WebhookPlan {
    pub(crate) latency: Duration,
    pub(crate) twice: bool,
}

impl Control {
    pub(crate) fn new(knobs: Knobs) -> Self {
        Self(Mutex::new(Set { dice: Dice::new(knobs.seed), knobs }))
    }

    /// The knobs, counts as far as they have counted down.
    pub(crate) fn knobs(&self) -> Knobs {
        self.lock().knobs.clone()
    }

    /// Sets all of them; chance begins anew at the seed.
    pub(crate) fn set(&self, knobs: Knobs) {
        *self.lock() = Set { dice: Dice::new(knobs.seed), knobs };
    }

    pub(crate) fn plan_create(&self) -> CreatePlan {
        let mut set = self.lock();
        let Set { knobs, dice } = &mut *set;
        let fails = take_one(&mut knobs.fail_next_creates) || dice.fall(knobs.create_errors.0);
        let status = knobs.create_status.or(fails.then_some(knobs.create_error_status));
        CreatePlan {
            failure: status.map(|status| (status.0, knobs.retry_after)),
            hang: knobs.create_hang,
            bad_token: knobs.bad_token,
            reply: knobs.create_reply,
            id_line_end: knobs.id_line_end,
            callback_first: knobs.callback_first,
        }
    }

    pub(crate) fn plan_call_back(&self) -> CallBackPlan {
        let mut set = self.lock();
        if take_one(&mut set.knobs.drop_next_callbacks) {
            return CallBackPlan::Never;
        }
        CallBackPlan::After(set.knobs.callback_delay)
    }

    pub(crate) fn plan_webhook(&self) -> WebhookPlan {
        let mut set = self.lock();
        let Set { knobs, dice } = &mut *set;
        WebhookPlan { latency: knobs.webhook_latency, twice: dice.fall(knobs.duplicate_webhooks.0) }
    }

    pub(crate) fn posts_results(&self) -> bool {
        self.lock().knobs.results
    }

    fn lock(&self) -> MutexGuard<'_, Set> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Counts down; whether there was one left.
fn take_one(count: &mut u32) -> bool {
    let left = 0 < *count;
    *count = count.saturating_sub(1);
    left
}

#[cfg(test)]
mod tests;
