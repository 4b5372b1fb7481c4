//! What somebody wants sent, as it is asked for.

use std::num::NonZeroU32;
use std::time::Duration;

use protocol::{Address, BackendName, EventId, MessageSend, MessageText, Network, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

use crate::problem::Problem;

/// A message that somebody wants sent.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct Wanted {
    /// An id of your own, a fresh UUID for each message; it gets one where it is left out. However often it is asked for,
    /// the same id is sent once, for as long as `egress.retention` says. So ask again with the same id and the same words:
    /// with others, nobody knows which of them are sent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, format = Uuid)]
    pub id: Option<EventId>,
    /// The backend to send it through.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", example = "my-tropo-backend")]
    pub backend: BackendName,
    /// Who shall get it: a number with its country code, a short code, or on other networks than SMS and MMS a name.
    #[schema(value_type = String, max_length = 256, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$", example = "+15555550177")]
    pub to: Address,
    /// The words.
    #[schema(value_type = String, min_length = 1, max_length = 40960, pattern = "^[^\\x00]*$", example = "Your results are in.")]
    pub text: MessageText,
    /// The number to send from; the backend's own where it is left out.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<String>, max_length = 256, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$")]
    pub from: Option<Address>,
    /// The network; SMS where it is left out.
    #[serde(default = "Network::sms")]
    #[schema(value_type = String, default = "SMS", pattern = "^[A-Za-z]{1,16}$")]
    pub network: Network,
    /// How long it is worth sending, in seconds; as configured where it is left out.
    #[serde(default, deserialize_with = "crate::whole::optional", skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<u32>, minimum = 1)]
    pub expires_in_s: Option<NonZeroU32>,
}

/// A text to one of our numbers, as anybody.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct TextWanted {
    /// The backend that is texted.
    #[schema(value_type = String, pattern = "^[A-Za-z0-9][A-Za-z0-9_-]{0,63}$", example = "my-tropo-backend")]
    pub backend: BackendName,
    /// Who texts.
    #[schema(value_type = String, max_length = 256, pattern = "^[^\\x00-\\x1f\\x7f-\\x9f]*[^\\s\\x00-\\x1f\\x7f-\\x9f][^\\x00-\\x1f\\x7f-\\x9f]*$", example = "+15555550177")]
    pub from: Address,
    /// The words.
    #[schema(value_type = String, min_length = 1, max_length = 40960, pattern = "^[^\\x00]*$", example = "echo hello")]
    pub text: MessageText,
    /// The network; SMS where it is left out.
    #[serde(default = "Network::sms")]
    #[schema(value_type = String, default = "SMS", pattern = "^[A-Za-z]{1,16}$")]
    pub network: Network,
    /// Which way it comes in.
    pub way: Way,
}

/// Which way a text comes in.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// Through the simulator, as it would through Tropo.
    Simulator,
    /// Straight into the bus, past Tropo and ingress. What answers it goes out through the backend as it is configured.
    Bus,
}

impl Wanted {
    /// Reads one of many.
    ///
    /// # Errors
    /// It is not of the form.
    pub(super) fn read(written: Value) -> Result<Self, Problem> {
        serde_json::from_value(written).map_err(|error| Problem::bad_request(format!("it does not fit: {error}")))
    }

    /// What is to be sent, asked for now.
    pub(super) fn message(&self, now: Timestamp) -> MessageSend {
        let Self { to, text, from, network, expires_in_s, .. } = self.clone();
        let expires_at = expires_in_s.and_then(|s| now.checked_add(Duration::from_secs(s.get().into())).ok());
        MessageSend { to, text, from, network, application: None, expires_at }
    }

    /// It, written so that the same is written alike.
    pub(super) fn written(&self) -> Vec<u8> {
        // Our own types have string keys: they are always written.
        serde_json::to_vec(self).unwrap_or_default()
    }
}
