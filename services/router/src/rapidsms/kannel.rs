//! The format of RapidSMS's Kannel backend, which is that of Kannel's `sendsms`.

use std::borrow::Cow;
use std::collections::BTreeMap;

use percent_encoding::percent_decode;
use protocol::Address;
use url::Url;
use url::form_urlencoded;

use super::charset;
use super::wanted::{Unusable, Wanted, recipients};

/// A request of RapidSMS's: the names and values of its query, whose bytes may be of any charset.
pub(super) struct Request(BTreeMap<String, Vec<u8>>);

impl Request {
    /// Reads a query. Of a name that stands twice, the last counts.
    pub(super) fn read(query: &str) -> Self {
        let decoded = |written: &str| percent_decode(written.replace('+', " ").as_bytes()).collect::<Vec<u8>>();
        let pairs = query.split('&').filter_map(|pair| pair.split_once('='));
        Self(
            pairs.map(|(name, value)| (String::from_utf8_lossy(&decoded(name)).into_owned(), decoded(value))).collect(),
        )
    }

    fn bytes(&self, name: &str) -> Option<&[u8]> {
        self.0.get(name).map(Vec::as_slice).filter(|value| !value.is_empty())
    }

    fn value(&self, name: &str) -> Option<Cow<'_, str>> {
        self.bytes(name).map(String::from_utf8_lossy)
    }

    /// The name that it shows, by either of Kannel's words.
    pub(super) fn user(&self) -> Option<Cow<'_, str>> {
        self.value("username").or_else(|| self.value("user"))
    }

    /// The password that it shows, likewise.
    pub(super) fn password(&self) -> Option<Cow<'_, str>> {
        self.value("password").or_else(|| self.value("pass"))
    }

    /// What RapidSMS wants sent.
    pub(super) fn wanted(&self) -> Result<Wanted, Unusable> {
        let to = self.value("to").unwrap_or_default();
        // Kannel's own default, by the coding.
        let usual = match self.value("coding").as_deref() {
            None | Some("0") => "utf-8",
            Some("2") => "utf-16be",
            Some(_) => return Err(Unusable::Binary),
        };
        let charset = self.value("charset").unwrap_or(Cow::Borrowed(usual));
        let text = charset::text(self.bytes("text").unwrap_or_default(), &charset).ok_or(Unusable::Charset)?;
        Ok(Wanted {
            to: recipients(to.split_whitespace())?,
            text: text.parse().map_err(Unusable::Text)?,
            from: self.value("from").and_then(|from| from.parse::<Address>().ok()),
            // RapidSMS does not say in this format what it answers.
            in_reply_to: None,
            message: self.value("dlr-url").and_then(|url| message(&url)),
        })
    }
}

/// RapidSMS's id of a message, which stands in the address for reports about it.
fn message(dlr_url: &str) -> Option<String> {
    let url = Url::parse(dlr_url).ok()?;
    let (_, id) = form_urlencoded::parse(url.query()?.as_bytes()).find(|(name, _)| name == "message_id")?;
    Some(id.into_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(query: &str) -> Result<Wanted, Unusable> {
        Request::read(query).wanted()
    }

    #[test]
    fn what_rapidsms_asks_for_is_read() {
        // As KannelBackend.prepare_request and requests write it.
        let request = Request::read(
            "smsc=usb0-modem&from=%2B15555550100&username=rapidsms&password=CHANGE%2BME&to=15555550177+15555550188&\
             text=hi+%26+there&coding=0&charset=ascii&dlr-mask=31&dlr-url=http%3A%2F%2Flocalhost%3A8000%2Fdelivery-report\
             %2F%3Fmessage_id%3D0f8fad5b%26status%3D%25d%26status_text%3D%25A%26smsc%3D%25i",
        );
        assert_eq!((request.user().as_deref(), request.password().as_deref()), (Some("rapidsms"), Some("CHANGE+ME")));
        let wanted = request.wanted().unwrap();
        assert_eq!((wanted.to.len(), wanted.text.as_str()), (2, "hi & there"));
        assert_eq!(wanted.from.unwrap().as_str(), "+15555550100");
        assert_eq!((wanted.message.as_deref(), wanted.in_reply_to), (Some("0f8fad5b"), None));
    }

    #[test]
    fn the_text_is_read_in_the_charset_that_is_named() {
        for (query, expected) in [
            ("text=n%C3%A9+%2B+%F0%9F%90%98&charset=UTF-8&coding=2", "né + 🐘"),
            ("text=n%E9&charset=latin-1&coding=0", "né"),
            ("text=%00n%00%E9&charset=UTF-16BE&coding=2", "né"),
            ("text=%00n%00%E9&coding=2", "né"),
            ("text=n%C3%A9", "né"),
            ("charset=ascii&coding=0", ""),
        ] {
            assert_eq!(wanted(&format!("to=15555550177&{query}")).unwrap().text.as_str(), expected, "{query}");
        }
    }

    #[test]
    fn what_cannot_be_sent_is_refused() {
        for (query, expected) in [
            ("text=x", Unusable::Nobody),
            ("to=+&text=x", Unusable::Nobody),
            ("to=15555550177&text=x&charset=koi8-r", Unusable::Charset),
            ("to=15555550177&text=x&coding=1", Unusable::Binary),
            ("to=15555550177&text=%00", Unusable::Text(protocol::TextError::Nul)),
        ] {
            assert_eq!(wanted(query).unwrap_err(), expected, "{query}");
        }
    }

    #[test]
    fn either_word_for_a_credential_is_read() {
        let request = Request::read("user=a&pass=b&username=");
        assert_eq!((request.user().as_deref(), request.password().as_deref()), (Some("a"), Some("b")));
        assert_eq!(Request::read("").user(), None);
    }
}
