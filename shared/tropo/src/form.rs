//! The forms that a request to Tropo's API takes, and its reply: JSON, XML and `name=value` pairs.

use std::collections::BTreeMap;

use serde_json::Value;
use url::form_urlencoded;

use crate::{charset, shape, xml};

/// The format of a reply. It follows the request more than what the request says it accepts.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum ReplyFormat {
    /// To JSON.
    Json,
    /// To GET, and to XML.
    Xml,
    /// To a form, whatever it accepts: `success=true&token=...`.
    Form,
}

/// Why a request to the API cannot be done. Quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum RequestError {
    /// The API is asked with GET and POST.
    #[error("method not allowed")]
    Method,
    /// The body is not the JSON or XML that it says it is.
    #[error("body is not readable")]
    Body,
    /// It asks for something else, or, being a GET, for nothing.
    #[error("action is missing, or not one for this address")]
    Action,
    /// Nobody is named whose session it should be.
    #[error("token is missing")]
    Token,
    /// No signal is named.
    #[error("signal is missing")]
    Signal,
}

impl ReplyFormat {
    /// The format in which Tropo answers a request, readable or not.
    #[must_use]
    pub fn of_request(method: &str, content_type: Option<&str>, body: &[u8]) -> Self {
        if method == "POST" { Self::of_body(content_type, body) } else { Self::Xml }
    }

    /// Told by the first byte, because clients send JSON under the content type of a form; else by content type.
    fn of_body(content_type: Option<&str>, body: &[u8]) -> Self {
        let content_type = content_type.unwrap_or_default().to_ascii_lowercase();
        match body.trim_ascii_start().first() {
            Some(b'{') => Self::Json,
            Some(b'<') => Self::Xml,
            _ if content_type.contains("json") => Self::Json,
            _ if content_type.contains("xml") => Self::Xml,
            _ => Self::Form,
        }
    }

    /// The content type of a reply in this format.
    #[must_use]
    pub fn content_type(self) -> &'static str {
        match self {
            Self::Json => "application/json; charset=utf-8",
            Self::Xml => "application/xml; charset=utf-8",
            Self::Form => "application/x-www-form-urlencoded",
        }
    }
}

/// The parameters of a request. Those of query and body are merged; the body's count where both have one.
pub(crate) fn parameters(
    method: &str,
    query: Option<&str>,
    content_type: Option<&str>,
    body: &[u8],
) -> Result<BTreeMap<String, String>, RequestError> {
    let mut parameters = careless_pairs(query.unwrap_or_default().as_bytes());
    match method {
        "GET" => {}
        "POST" => parameters.extend(posted(content_type, body)?),
        _ => return Err(RequestError::Method),
    }
    Ok(parameters)
}

fn posted(content_type: Option<&str>, body: &[u8]) -> Result<BTreeMap<String, String>, RequestError> {
    if body.trim_ascii().is_empty() {
        return Ok(BTreeMap::new());
    }
    match ReplyFormat::of_body(content_type, body) {
        ReplyFormat::Form => Ok(careless_pairs(body)),
        ReplyFormat::Json => match serde_json::from_str(&charset::utf8_or_latin1(body)) {
            Ok(Value::Object(object)) => {
                Ok(object.into_iter().filter_map(|(name, value)| Some((name, shape::text(&value)?))).collect())
            }
            Ok(_) | Err(_) => Err(RequestError::Body),
        },
        ReplyFormat::Xml => vars(&charset::utf8_or_latin1(body)),
    }
}

/// `name=value` pairs; `+` is a blank, which is why clients must escape it.
pub(crate) fn pairs(encoded: &[u8]) -> BTreeMap<String, String> {
    form_urlencoded::parse(encoded).into_owned().collect()
}

/// The pairs that a careless client meant. A piece without `=` belongs to the value before it, because the client did not
/// escape the `&` of a text; not to the token or the action, which hold none. Empty pieces are nothing.
fn careless_pairs(encoded: &[u8]) -> BTreeMap<String, String> {
    let mut pairs: Vec<(String, String)> = Vec::new();
    for piece in encoded.split(|byte| *byte == b'&').filter(|piece| !piece.is_empty()) {
        let name_ends = piece.iter().position(|byte| *byte == b'=');
        let (name, value) = piece.split_at(name_ends.unwrap_or(piece.len()));
        match pairs.last_mut().filter(|(last, _)| name_ends.is_none() && !matches!(last.as_str(), "action" | "token")) {
            Some((_, text)) => {
                text.push('&');
                text.push_str(&unescaped(piece));
            }
            None => pairs.push((unescaped(name), unescaped(value.get(1..).unwrap_or_default()))),
        }
    }
    pairs.into_iter().collect()
}

/// Text of a form: `+` is a blank, `%` and two digits a byte. The bytes are UTF-8, or else ISO-8859-1, as clients were.
fn unescaped(encoded: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let [first, tail @ ..] = rest {
        let escaped = tail.get(..2).filter(|digits| *first == b'%' && digits.iter().all(u8::is_ascii_hexdigit));
        let escaped = escaped.and_then(|digits| u8::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok());
        match escaped {
            Some(byte) => {
                bytes.push(byte);
                rest = tail.get(2..).unwrap_or_default();
            }
            None => {
                bytes.push(if *first == b'+' { b' ' } else { *first });
                rest = tail;
            }
        }
    }
    charset::utf8_or_latin1(&bytes).into_owned()
}

/// `<session><token>T</token><var name="n" value="v"/></session>` or `<signal>NAME</signal>`. The tropo_message gem
/// writes `<sessions>`, so the name of the root is not insisted on.
fn vars(document: &str) -> Result<BTreeMap<String, String>, RequestError> {
    let mut parameters = BTreeMap::new();
    for element in xml::elements(document).map_err(|_| RequestError::Body)? {
        if element.name == "var" {
            let name = element.attribute("name").ok_or(RequestError::Body)?.to_owned();
            let value = element.attribute("value").map_or_else(|| element.text.clone(), str::to_owned);
            parameters.insert(name, value);
        } else if !element.text.trim().is_empty() {
            parameters.insert(element.name, element.text.trim().to_owned());
        }
    }
    Ok(parameters)
}
