//! How the stand-in behaves and misbehaves: set by configuration and at run time, repeatable by seed.

mod control;
mod dice;
mod latency;
mod value;

use std::time::Duration;

use axum::http::StatusCode;
use chassis::config::duration;
use serde::{Deserialize, Serialize};
use tropo::era::{Era, HeaderShape};

pub(crate) use self::control::{CallBackPlan, Control, CreatePlan, LaunchPlan, WebhookPlan};
pub use self::latency::{Latency, LatencyError};
pub use self::value::{BadToken, Charset, CreateReply, KnobError, PerSecond, Share, Status};
pub use crate::sms::LongTexts;

/// How the stand-in behaves and misbehaves. As it stands by default, it is Tropo of 2013 on a good day.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Knobs {
    /// Where chance begins: the same seed and the same requests in the same order give the same mishaps.
    pub seed: u64,

    /// Calls back, and has the answer, before it answers the request for the session.
    pub callback_first: bool,
    /// How long after that answer it calls back.
    pub callback_delay: Latency,
    /// So many of the next sessions never call back. Counts down.
    pub drop_next_callbacks: u32,
    /// This share of the sessions never calls back.
    pub dropped_callbacks: Share,

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
    pub create_hang: Latency,
    /// The form of the answer when there is a session.
    pub create_reply: CreateReply,
    /// Session ids in that answer end with CR LF, as real ones did.
    pub id_line_end: bool,

    /// How long each webhook is held back.
    pub webhook_latency: Latency,
    /// The longest wait for an application to answer a webhook, instead of the configured one.
    #[serde(with = "duration::optional")]
    pub webhook_timeout: Option<Duration>,
    /// This share of the webhooks is delivered twice.
    pub duplicate_webhooks: Share,
    /// This share of the webhooks lets another one go first.
    pub reorder_webhooks: Share,
    /// How long such a webhook waits for another one, at most.
    #[serde(with = "duration")]
    pub reorder_within: Duration,
    /// Whether results are posted to `next`. Where not, the session ends there.
    pub results: bool,

    /// The year whose payloads are posted.
    pub era: Era,
    /// The form of the headers in them.
    pub header_shape: HeaderShape,
    /// The characters that they are written in.
    pub webhook_charset: Charset,
    /// Whether a launched session gets back the `token` and `action` of its request.
    pub echo_token: bool,
    /// Whether it gets back the format of its request as `format`, too.
    pub echo_format: bool,
    /// Whether it has a call id from the start, as in May 2010, and not `null`.
    pub launch_call_id: bool,

    /// Whether documents that Tropo would have made the best of are refused.
    pub strict: bool,
    /// What becomes of a text that is longer than one SMS.
    pub long_texts: LongTexts,
    /// How many texts may leave a North American number of ten digits in a second; the others wait in line.
    ///
    /// Tropo's cap was one. It is off by default: whoever tries an application by hand, or loads it, wants to see what
    /// the application does, and not to wait for a carrier that is not there. Set it to 1 to see how long a crowd
    /// waits.
    pub sms_per_second_per_number: Option<PerSecond>,
}

impl Default for Knobs {
    fn default() -> Self {
        Self {
            seed: 0,
            callback_first: false,
            callback_delay: Latency::ZERO,
            drop_next_callbacks: 0,
            dropped_callbacks: Share(0.0),
            bad_token: BadToken::False,
            create_status: None,
            create_errors: Share(0.0),
            fail_next_creates: 0,
            create_error_status: Status(StatusCode::INTERNAL_SERVER_ERROR),
            retry_after: None,
            create_hang: Latency::ZERO,
            create_reply: CreateReply::AsAsked,
            id_line_end: false,
            webhook_latency: Latency::ZERO,
            webhook_timeout: None,
            duplicate_webhooks: Share(0.0),
            reorder_webhooks: Share(0.0),
            reorder_within: Duration::from_secs(1),
            results: true,
            era: Era::default(),
            header_shape: HeaderShape::default(),
            webhook_charset: Charset::Utf8,
            echo_token: true,
            echo_format: false,
            launch_call_id: false,
            strict: false,
            long_texts: LongTexts::Joined,
            sms_per_second_per_number: None,
        }
    }
}

#[cfg(test)]
mod tests;
