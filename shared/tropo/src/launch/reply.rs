//! Tropo's reply to a request for a session, in three formats.

use std::fmt;

use serde::Serialize;
use serde_json::Value;
use url::form_urlencoded;

use super::ReplyFormat;
use crate::member::Member;
use crate::{charset, form, json, shape, xml};

/// Tropo's reply to a request for a session. `success` means that the session is queued, and no more.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct LaunchReply {
    /// Whether there is a session.
    pub success: bool,
    /// The token of the request, which Tropo repeats. A secret.
    pub token: Option<String>,
    /// The session's id. Written as it stands; real replies ended it with CR LF, so reading trims it.
    pub id: Option<String>,
    /// Why there is none.
    pub error: Option<String>,
}

/// It is no reply to a request for a session.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the reply is not readable")]
pub struct UnreadableReply;

impl LaunchReply {
    /// Writes the reply.
    #[must_use]
    pub fn to_body(&self, format: ReplyFormat) -> Vec<u8> {
        match format {
            ReplyFormat::Json => self.to_json(),
            ReplyFormat::Xml => self.to_xml().into_bytes(),
            ReplyFormat::Form => self.to_form().into_bytes(),
        }
    }

    fn to_json(&self) -> Vec<u8> {
        #[derive(Serialize)]
        struct Written<'a> {
            success: bool,
            #[serde(skip_serializing_if = "Option::is_none")]
            token: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            id: Option<&'a str>,
            #[serde(skip_serializing_if = "Option::is_none")]
            error: Option<&'a str>,
        }
        let (token, id, error) = (self.token.as_deref(), self.id.as_deref(), self.error.as_deref());
        json::platform(&Written { success: self.success, token, id, error })
    }

    fn to_xml(&self) -> String {
        let members: String =
            self.texts().map(|(name, text)| format!("<{name}>{}</{name}>", xml::escaped(text))).collect();
        format!("<session><success>{}</success>{members}</session>", self.success)
    }

    fn to_form(&self) -> String {
        form_urlencoded::Serializer::new(String::new())
            .append_pair("success", if self.success { "true" } else { "false" })
            .extend_pairs(self.texts())
            .finish()
    }

    fn texts(&self) -> impl Iterator<Item = (&'static str, &str)> {
        [("token", &self.token), ("id", &self.id), ("error", &self.error)]
            .into_iter()
            .filter_map(|(name, text)| Some((name, text.as_deref()?)))
    }

    /// Reads a reply in any of the formats, told by its first byte. Without `success` it counts as failed if it has
    /// an `error`.
    ///
    /// # Errors
    /// [`UnreadableReply`] when it is in none of them, or has neither.
    pub fn read(body: &[u8]) -> Result<Self, UnreadableReply> {
        let text = charset::utf8_or_latin1(body);
        let text = text.trim();
        match text.as_bytes().first() {
            Some(b'{') => Self::of_json(text),
            Some(b'<') => Self::of_xml(text),
            _ => {
                let mut pairs = form::pairs(text.as_bytes());
                Self::of(|name| pairs.remove(name))
            }
        }
    }

    fn of_json(text: &str) -> Result<Self, UnreadableReply> {
        let Ok(Value::Object(object)) = serde_json::from_str(text) else {
            return Err(UnreadableReply);
        };
        // Other calls of the same platform report `errors[0].message`.
        let deeper = || object.get("errors")?.get(0)?.get("message").and_then(shape::text);
        Self::of(|name| {
            let text = object.get(name).filter(|value| !value.is_null()).and_then(|value| match name {
                "error" => shape::text(value),
                _ => String::read(value).ok(),
            });
            if name == "error" { text.or_else(deeper) } else { text }
        })
    }

    fn of_xml(text: &str) -> Result<Self, UnreadableReply> {
        let elements = xml::elements(text).map_err(|_| UnreadableReply)?;
        if elements.first().is_none_or(|root| root.name != "session") {
            return Err(UnreadableReply);
        }
        Self::of(|name| elements.iter().skip(1).find(|element| element.name == name).map(|found| found.text.clone()))
    }

    fn of(mut member: impl FnMut(&str) -> Option<String>) -> Result<Self, UnreadableReply> {
        let mut present = |name| member(name).map(|text| text.trim().to_owned()).filter(|text| !text.is_empty());
        let (success, token, id, error) = (present("success"), present("token"), present("id"), present("error"));
        if success.is_none() && error.is_none() {
            return Err(UnreadableReply);
        }
        Ok(Self { success: success.is_some_and(|word| word == "true"), token, id, error })
    }
}

/// Never shows the token.
impl fmt::Debug for LaunchReply {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { success, id, .. } = self;
        f.debug_struct("LaunchReply").field("success", success).field("id", id).finish_non_exhaustive()
    }
}
