//! A party of a session: the application's number or the person's.

use std::fmt;

use serde::ser::{Serialize, Serializer};
use serde_json::Value;

use crate::member::{Fields, Member, Writer, Wrong, open_words};
use crate::shape::Extra;

/// A party, `from` or `to` (Tropo WebAPI: `session`).
#[derive(Clone, PartialEq)]
pub struct Party {
    /// Digits with the country code and no `+` on SMS; ten digits for a North American caller; a user name on SIP and
    /// IM; `unknown` when withheld. Never empty in a real payload.
    pub id: String,
    /// The number with its country code and no `+`; in payloads of 2017 alone.
    pub e164_id: Option<String>,
    /// A name, by era: null, `unknown`, or the number with `+`.
    pub name: Option<String>,
    /// Voice or text. Empty where it is missing.
    pub channel: Channel,
    /// The network, as it was written. Empty where it is missing.
    pub network: String,
    /// Members that are not known here, or were not readable, as they came.
    pub extra: Extra,
}

open_words! {
    /// Voice or text.
    pub enum Channel {
        /// A text: SMS, MMS or instant message.
        Text = "TEXT",
        /// A call.
        Voice = "VOICE",
    }
}

/// Whether a network carries texts alone. Tropo's list of networks changed with the years; this is all of them.
#[must_use]
pub fn is_text_network(network: &str) -> bool {
    ["SMS", "MMS", "JABBER", "GTALK", "AIM", "MSN", "YAHOO", "TWITTER"]
        .iter()
        .any(|text| text.eq_ignore_ascii_case(network))
}

impl Party {
    /// A party of a text session, as payloads of 2011 to 2013 describe it.
    #[must_use]
    pub fn text(id: impl Into<String>, network: impl Into<String>) -> Self {
        Self {
            id: id.into(),
            e164_id: None,
            name: None,
            channel: Channel::Text,
            network: network.into(),
            extra: Extra::new(),
        }
    }

    /// Whether the channel is `TEXT` or the network carries texts alone.
    #[must_use]
    pub fn is_text(&self) -> bool {
        self.channel == Channel::Text || is_text_network(&self.network)
    }
}

/// Only an object is a party; within it, anything may be missing.
impl Member for Party {
    fn read(value: &Value) -> Result<Self, Wrong> {
        let mut fields = Fields::of(value.as_object().ok_or(Wrong::expected("an object"))?);
        Ok(Self {
            id: fields.take("id").unwrap_or_default(),
            e164_id: fields.take("e164Id").flatten(),
            name: fields.take("name").flatten(),
            channel: fields.take("channel").unwrap_or_else(|| Channel::from("")),
            network: fields.take("network").unwrap_or_default(),
            extra: fields.finish().0,
        })
    }
}

/// Writes the members in the order of real payloads; `name` is null where there is none.
impl Serialize for Party {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = Writer::new(serializer.serialize_map(None)?, &self.extra);
        map.always("id", &self.id)?;
        map.present("e164Id", &self.e164_id)?;
        map.always("name", &self.name)?;
        map.always("channel", &self.channel)?;
        map.always("network", &self.network)?;
        map.end()
    }
}

/// Shows channel and network, and nobody.
impl fmt::Debug for Party {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { channel, network, .. } = self;
        f.debug_struct("Party").field("channel", channel).field("network", network).finish_non_exhaustive()
    }
}
