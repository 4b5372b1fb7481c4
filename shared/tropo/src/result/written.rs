//! A result as the platform writes it, in the shape of each era.

use std::borrow::Cow;
use std::collections::BTreeMap;

use serde::Serialize;
use serde::ser::Serializer;

use super::{Action, SessionReport};
use crate::era::{Era, Style};
use crate::json;
use crate::member::Writer;
use crate::shape::Extra;

impl SessionReport {
    /// The body of the webhook, as the platform posts it: `{"result":{...}}`.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        self.to_body_in(Style::default())
    }

    /// The same in the shape of an era. What that shape has no member for is left out.
    #[must_use]
    pub fn to_body_in(&self, style: Style) -> Vec<u8> {
        json::platform(&BTreeMap::from([("result", Written { report: self, style })]))
    }
}

impl Serialize for SessionReport {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        Written { report: self, style: Style::default() }.serialize(serializer)
    }
}

struct Written<'a> {
    report: &'a SessionReport,
    style: Style,
}

/// Writes the members in the order of real payloads: `error` is null where there is none, one action stands by itself,
/// several in an array, and without any the member is left out.
impl Serialize for Written<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let Self { report, style } = self;
        let mut map = Writer::new(serializer.serialize_map(None)?, &report.extra);
        map.present("sessionId", &report.session_id)?;
        map.present("callId", &report.call_id)?;
        map.present("state", &report.state)?;
        map.present("sessionDuration", &report.session_duration)?;
        map.present("sequence", &report.sequence)?;
        map.present("complete", &report.complete)?;
        map.always("error", &report.error)?;
        map.present("calledid", &report.called_id)?;
        map.present("userType", &report.user_type)?;
        map.present("properties", &report.properties)?;
        let actions: Vec<_> = report.actions.iter().map(|action| action.shaped(style.era)).collect();
        match actions.as_slice() {
            [] if style.is_february() => map.always("actions", &Extra::new())?,
            [] => {}
            [one] => map.always("actions", one.as_ref())?,
            several => map.always("actions", several)?,
        }
        map.end()
    }
}

impl Action {
    /// As an era reported it: the first had no value, and put blanks between digits.
    fn shaped(&self, era: Era) -> Cow<'_, Self> {
        match era {
            Era::Year2010 => {
                let utterance = self.utterance.as_deref().map(spaced);
                Cow::Owned(Self { value: None, concept: None, xml: None, utterance, ..self.clone() })
            }
            Era::Year2011 | Era::Year2013 | Era::Year2017 => Cow::Borrowed(self),
        }
    }
}

/// Digits with blanks between them; anything else as it is.
fn spaced(text: &str) -> String {
    if !text.bytes().all(|byte| byte.is_ascii_digit()) {
        return text.to_owned();
    }
    let digits: Vec<String> = text.chars().map(String::from).collect();
    digits.join(" ")
}
