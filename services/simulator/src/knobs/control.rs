//! The knobs as they stand, and what they decide for each request, call-back and webhook.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::http::StatusCode;
use serde_json::{Map, Value};

use tropo::era::Style;

use super::dice::Dice;
use super::value::{BadToken, Charset, CreateReply};
use super::{Knobs, LongTexts};

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
    /// The knob of this name wants it so.
    Never(&'static str),
    After(Duration),
}

/// What is to become of one webhook.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct WebhookPlan {
    pub(crate) latency: Duration,
    /// It lets another one go first, and waits so long for that.
    pub(crate) overtaken_within: Option<Duration>,
    pub(crate) twice: bool,
    /// Another deadline than the configured one.
    pub(crate) timeout: Option<Duration>,
}

/// What a launched session gets back of its request.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct LaunchPlan {
    pub(crate) echo_token: bool,
    pub(crate) echo_format: bool,
    pub(crate) call_id: bool,
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

    /// Sets some of them; null is as on a good day. Chance goes on, unless the seed is among them.
    ///
    /// # Errors
    /// When a knob is unknown, or cannot be set so; then nothing was set.
    pub(crate) fn merge(&self, changes: Map<String, Value>) -> Result<Knobs, serde_json::Error> {
        let mut set = self.lock();
        let mut merged: Map<String, Value> = serde_json::from_value(serde_json::to_value(&set.knobs)?)?;
        let begins_anew = changes.contains_key("seed");
        for (name, value) in changes {
            if value.is_null() && merged.contains_key(&name) {
                merged.remove(&name);
            } else {
                merged.insert(name, value);
            }
        }
        let knobs: Knobs = serde_json::from_value(Value::Object(merged))?;
        if begins_anew {
            set.dice = Dice::new(knobs.seed);
        }
        set.knobs = knobs.clone();
        Ok(knobs)
    }

    pub(crate) fn plan_create(&self) -> CreatePlan {
        let mut set = self.lock();
        let Set { knobs, dice } = &mut *set;
        let fails = take_one(&mut knobs.fail_next_creates) || dice.fall(knobs.create_errors.0);
        let status = knobs.create_status.or(fails.then_some(knobs.create_error_status));
        CreatePlan {
            failure: status.map(|status| (status.0, knobs.retry_after)),
            hang: knobs.create_hang.draw(dice),
            bad_token: knobs.bad_token,
            reply: knobs.create_reply,
            id_line_end: knobs.id_line_end,
            callback_first: knobs.callback_first,
        }
    }

    pub(crate) fn plan_call_back(&self) -> CallBackPlan {
        let mut set = self.lock();
        let Set { knobs, dice } = &mut *set;
        if take_one(&mut knobs.drop_next_callbacks) {
            return CallBackPlan::Never("drop_next_callbacks");
        }
        if dice.fall(knobs.dropped_callbacks.0) {
            return CallBackPlan::Never("dropped_callbacks");
        }
        CallBackPlan::After(knobs.callback_delay.draw(dice))
    }

    pub(crate) fn plan_webhook(&self) -> WebhookPlan {
        let mut set = self.lock();
        let Set { knobs, dice } = &mut *set;
        WebhookPlan {
            latency: knobs.webhook_latency.draw(dice),
            overtaken_within: dice.fall(knobs.reorder_webhooks.0).then_some(knobs.reorder_within),
            twice: dice.fall(knobs.duplicate_webhooks.0),
            timeout: knobs.webhook_timeout,
        }
    }

    pub(crate) fn plan_launch(&self) -> LaunchPlan {
        let set = self.lock();
        let Knobs { echo_token, echo_format, launch_call_id, .. } = set.knobs;
        LaunchPlan { echo_token, echo_format, call_id: launch_call_id }
    }

    /// How payloads are written, and in which characters.
    pub(crate) fn payloads(&self) -> (Style, Charset) {
        let set = self.lock();
        let Knobs { era, header_shape, webhook_charset, .. } = set.knobs;
        (Style { era, headers: header_shape }, webhook_charset)
    }

    pub(crate) fn is_strict(&self) -> bool {
        self.lock().knobs.strict
    }

    pub(crate) fn long_texts(&self) -> LongTexts {
        self.lock().knobs.long_texts
    }

    /// How long after one text the next one of a number may leave, where there is a rate.
    pub(crate) fn sms_gap(&self) -> Option<Duration> {
        let rate = self.lock().knobs.sms_per_second_per_number;
        rate.map(|rate| Duration::from_secs(1) / u32::from(rate))
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
