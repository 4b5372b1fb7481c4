//! One application, and why there may be none like it.

use std::fmt;

use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use tropo::session::Channel;
use url::Url;
use uuid::Uuid;

use crate::config::ApplicationConfig;

/// The longest name of an application, in bytes.
pub(crate) const NAME_BYTES_MAX: usize = 100;

/// How many applications there may be.
pub(crate) const APPLICATIONS_MAX: usize = 10_000;

/// How many numbers and names an application may have.
pub(crate) const ADDRESSES_MAX: usize = 1000;

/// An application as the simulator runs it. A change makes another of the same id; sessions under way keep the one that
/// they began with.
pub struct Application {
    /// Its name.
    pub name: String,
    /// Its id, as the debugger writes it.
    pub id: usize,
    /// What was configured.
    pub settings: ApplicationConfig,
    /// What the messaging gateway knows it by.
    pub bot_key: String,
}

/// Why an application cannot be added or changed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApplicationError {
    /// The name is empty, too long or not printable.
    #[error("name must be 1 to {NAME_BYTES_MAX} bytes without control characters")]
    Name,
    /// There is one of that name.
    #[error("another application has this name: choose another, or use that one")]
    NameTaken,
    /// A URL that nothing can be posted to.
    #[error("messaging_url and voice_url must be http or https addresses")]
    Url,
    /// A token launches one application on one channel.
    #[error("a token of this application launches something already: give each channel of each application its own")]
    TokenTaken,
    /// A number belongs to one application.
    #[error("number {position} of the list belongs to an application already: a number has one owner")]
    NumberTaken {
        /// Which one, counted from 1.
        position: usize,
    },
    /// A withheld number is nobody's.
    #[error("number {position} of the list is none: write it with its country code, as in +1-555-555-0100")]
    Number {
        /// Which one, counted from 1.
        position: usize,
    },
    /// A name on a network belongs to one application.
    #[error("this name belongs to an application already")]
    NameOnNetworkTaken,
    /// There is no end to them.
    #[error("there are {APPLICATIONS_MAX} applications already")]
    TooMany,
    /// There is no end to its addresses.
    #[error("the application has {ADDRESSES_MAX} addresses already")]
    TooManyAddresses,
    /// It is not there, or not any more.
    #[error("there is no such application")]
    Unknown,
    /// It does not have this address.
    #[error("the application has no such address")]
    NoSuchAddress,
    /// Numbers come from exchanges.
    #[error("no number is free under this prefix: GET /v1/exchanges lists prefixes")]
    NoneFree,
}

impl Application {
    /// Where sessions of a channel are posted.
    pub(crate) fn url(&self, channel: &Channel) -> &Url {
        let ApplicationConfig { messaging_url, voice_url, .. } = &self.settings;
        match channel {
            Channel::Voice => voice_url.as_ref().unwrap_or(messaging_url),
            Channel::Text | Channel::Other(_) => messaging_url,
        }
    }
}

/// Writes no token.
impl Serialize for Application {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = serializer.serialize_struct("Application", 6)?;
        written.serialize_field("name", &self.name)?;
        written.serialize_field("id", &self.id)?;
        written.serialize_field("account_id", &self.settings.account_id)?;
        written.serialize_field("messaging_url", self.url(&Channel::Text))?;
        written.serialize_field("voice_url", self.url(&Channel::Voice))?;
        written.serialize_field("numbers", &self.settings.numbers)?;
        written.end()
    }
}

/// Shows its name.
impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application").field("name", &self.name).field("id", &self.id).finish_non_exhaustive()
    }
}

/// Whether a webhook can be posted there.
pub(crate) fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// A key in the gateway's own spelling of a GUID: its last two groups are one.
pub(crate) fn bot_key() -> String {
    let guid = Uuid::new_v4().hyphenated().to_string().to_uppercase();
    match guid.rsplit_once('-') {
        Some((head, tail)) => format!("{head}{tail}"),
        None => guid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_bot_key_is_spelled_as_the_gateway_spells_it() {
        let key = bot_key();
        assert_eq!(key.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 16]);
    }
}
