//! A session as the platform writes it, in the shape of each era.

use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::Serializer;

use super::Session;
use crate::era::{HeaderShape, Style};
use crate::json;
use crate::member::Writer;

impl Session {
    /// The body of the webhook, as the platform posts it: `{"session":{...}}`.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        self.to_body_in(Style::default())
    }

    /// The same in the shape of an era. What that shape has no member for is left out.
    #[must_use]
    pub fn to_body_in(&self, style: Style) -> Vec<u8> {
        json::platform(&BTreeMap::from([("session", Written { session: self, style })]))
    }
}

impl Serialize for Session {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written { session: self, style: Style::default() }.serialize(serializer)
    }
}

struct Written<'a> {
    session: &'a Session,
    style: Style,
}

/// Writes the members in the order of real payloads. `initialText` and `callId` are null where there is none, anything
/// else is left out: client libraries stumble over the opposite.
impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { session, style } = self;
        let is_inbound = session.from.is_some();
        let mut map = Writer::new(serializer.serialize_map(None)?, &session.extra);
        map.always("id", &session.id)?;
        map.always("accountId", &session.account_id)?;
        map.present("applicationId", &session.application_id)?;
        map.present("timestamp", &session.timestamp)?;
        map.always("userType", &session.user_type)?;
        map.always("initialText", &session.initial_text)?;
        map.present("subject", &session.subject)?;
        map.present("initialMedia", &session.initial_media)?;
        if !(style.is_february() && is_inbound) {
            map.always("callId", &session.call_id)?;
        }
        map.present("to", &session.to)?;
        map.present("from", &session.from)?;
        match style.headers {
            HeaderShape::Object => map.present("headers", &session.headers)?,
            HeaderShape::Array if session.headers.is_empty() => {}
            HeaderShape::Array => map.always("headers", &session.headers.pairs())?,
        }
        map.present("parameters", &session.parameters)?;
        map.end()
    }
}
