//! tropomq's own language: the values, the events and the topology that every service shares.
//!
//! Pure: nothing here does I/O, reads a clock or starts a task. A string from outside becomes one of these types
//! at the door; past the door nobody checks again. What names or quotes a person redacts itself in `Debug`.

mod address;
mod backend;
mod chain;
mod event;
pub mod forward;
mod id;
mod network;
pub mod probe;
mod retry_after;
mod session;
mod text;
pub mod topology;
mod trace;

pub use address::{Address, AddressError, PhoneNumber, ShortCode};
pub use backend::{BackendName, BackendNameError};
pub use chain::chain;
pub use event::{
    AskedApplication, DelayedReason, DeliveryReported, Envelope, EnvelopeError, Event, EventType, FailureReason, Head,
    IgnoredReason, Kind, MessageDelayed, MessageDelivered, MessageExpired, MessageFailed, MessageLaunched,
    MessageOffered, MessageReceived, MessageReleased, MessageRouted, MessageSend, MessageSent, MessageSuppressed,
    MessageUnconfirmed, Phase, ResultHandler, RoutedOutcome, SaidWord, SessionIgnored, SessionResult, SuppressedReason,
    UnknownKind, Unsendable,
};
pub use id::EventId;
pub use network::{Network, NetworkError};
pub use retry_after::retry_after;
pub use session::{SessionId, SessionIdError};
pub use text::{MessageText, TextError};
pub use trace::TraceContext;

/// When something happened: an instant in UTC, written as RFC 3339.
pub type Timestamp = jiff::Timestamp;

/// Implements `Serialize` and `Deserialize` through the type's string form, and tells machines which strings are of it:
/// some that are read may be missing there, such as those with blanks around them.
macro_rules! serde_as_string {
    ($type:ty, { $($which:tt)* }) => {
        impl serde::Serialize for $type {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                serializer.serialize_str(self.as_str())
            }
        }

        impl<'de> serde::Deserialize<'de> for $type {
            fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let written = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
                written.parse().map_err(serde::de::Error::custom)
            }
        }

        #[cfg(test)]
        impl schemars::JsonSchema for $type {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($type).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({ "type": "string", $($which)* })
            }
        }
    };
}
pub(crate) use serde_as_string;
