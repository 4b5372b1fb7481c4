//! Signals: interrupting a session that is running.

use std::collections::BTreeMap;
use std::fmt;

use serde_json::Value;
use url::form_urlencoded;

use crate::launch::{ReplyFormat, RequestError, UnreadableReply};
use crate::member::{Member, open_words};
use crate::{charset, form, json, xml};

/// A request to interrupt a session (Tropo WebAPI: signals). The session itself is named by the address.
#[derive(Clone, PartialEq, Eq)]
pub struct SignalRequest {
    /// The name of the signal: the event of the `on` handler that it reaches.
    pub signal: String,
}

open_words! {
    /// What became of a signal.
    pub enum SignalStatus {
        /// The session has it.
        Queued = "QUEUED",
        /// There is no such session.
        NotFound = "NOTFOUND",
        /// It could not be handed over.
        Failed = "FAILED",
    }
}

/// The names under which clients send it: documentation and `tropo_rest` say `signal` in a body, `value` in a query.
const NAMES: [&str; 2] = ["signal", "value"];

impl SignalRequest {
    /// A JSON body.
    #[must_use]
    pub fn to_json_body(&self) -> Vec<u8> {
        json::ascii(&BTreeMap::from([("signal", &self.signal)]))
    }

    /// A form body.
    #[must_use]
    pub fn to_form(&self) -> String {
        form_urlencoded::Serializer::new(String::new()).append_pair("signal", &self.signal).finish()
    }

    /// The query of a GET.
    #[must_use]
    pub fn to_query(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("action", "signal")
            .append_pair("value", &self.signal)
            .finish()
    }

    /// An XML body. Control characters, which XML cannot hold, become U+FFFD.
    #[must_use]
    pub fn to_xml_body(&self) -> String {
        format!("<signal><value>{}</value></signal>", xml::escaped(&self.signal))
    }

    /// Reads a request as Tropo does; [`ReplyFormat::of_request`] tells in which format it is answered.
    ///
    /// # Errors
    /// [`RequestError`], of which [`RequestError::Token`] is never the case.
    pub fn read(
        method: &str,
        query: Option<&str>,
        content_type: Option<&str>,
        body: &[u8],
    ) -> Result<Self, RequestError> {
        let mut named = form::parameters(method, query, content_type, body)?;
        if named.get("action").is_some_and(|action| action != "signal") {
            return Err(RequestError::Action);
        }
        let signal = NAMES.into_iter().find_map(|name| named.remove(name).filter(|signal| !signal.is_empty()));
        signal.map(|signal| Self { signal }).ok_or(RequestError::Signal)
    }
}

impl SignalStatus {
    /// Writes the reply. The PHP client looks for exactly this XML.
    #[must_use]
    pub fn to_body(&self, format: ReplyFormat) -> Vec<u8> {
        match format {
            ReplyFormat::Json => json::platform(&BTreeMap::from([("status", self)])),
            ReplyFormat::Xml => {
                format!("<signal><status>{}</status></signal>", xml::escaped(self.as_str())).into_bytes()
            }
            ReplyFormat::Form => form_urlencoded::Serializer::new(String::new())
                .append_pair("status", self.as_str())
                .finish()
                .into_bytes(),
        }
    }

    /// Reads a reply in any of the formats, told by its first byte.
    ///
    /// # Errors
    /// [`UnreadableReply`] when it is in none of them, or has no status.
    pub fn read(body: &[u8]) -> Result<Self, UnreadableReply> {
        let text = charset::utf8_or_latin1(body);
        let text = text.trim();
        let status = match text.as_bytes().first() {
            Some(b'{') => serde_json::from_str::<Value>(text)
                .ok()
                .and_then(|reply| reply.get("status").and_then(|status| String::read(status).ok())),
            Some(b'<') => xml::elements(text)
                .ok()
                .and_then(|elements| elements.into_iter().find(|element| element.name == "status"))
                .map(|status| status.text),
            _ => form::pairs(text.as_bytes()).remove("status"),
        };
        let status = status.as_deref().map(str::trim).filter(|status| !status.is_empty());
        status.map(Self::from).ok_or(UnreadableReply)
    }
}

impl fmt::Debug for SignalRequest {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SignalRequest(..)")
    }
}

#[cfg(test)]
mod tests;
