//! Which characters the bytes of a body are.

use std::borrow::Cow;

/// Takes the charset parameter out of a `Content-Type` header, however it is spelled: `utf8`, `"UTF-8"`.
#[must_use]
pub fn of_content_type(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        (name.trim().eq_ignore_ascii_case("charset") && !value.is_empty()).then_some(value)
    })
}

/// The text of a body that Tropo or a client sent: UTF-8, and ISO-8859-1 where it is not (Tropo WebAPI: older editions
/// sent accents so).
pub(crate) fn utf8_or_latin1(body: &[u8]) -> Cow<'_, str> {
    match std::str::from_utf8(body) {
        Ok(text) => Cow::Borrowed(without_mark(text)),
        Err(_) => Cow::Owned(latin1(body)),
    }
}

/// The text of a document, as Tropo reads it: without a charset as ISO-8859-1 (Tropo WebAPI: content types), so that
/// what is garbled in production is garbled in a simulation too.
pub(crate) fn of_document<'a>(body: &'a [u8], charset: Option<&str>) -> Cow<'a, str> {
    let Some(charset) = charset else {
        return match std::str::from_utf8(body) {
            Ok(text) if text.is_ascii() => Cow::Borrowed(text),
            _ => Cow::Owned(latin1(body)),
        };
    };
    let name: String = charset.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase();
    match name.as_str() {
        "utf8" => match String::from_utf8_lossy(body) {
            Cow::Borrowed(text) => Cow::Borrowed(without_mark(text)),
            Cow::Owned(text) => Cow::Owned(text),
        },
        "iso88591" | "latin1" | "windows1252" | "cp1252" => Cow::Owned(latin1(body)),
        _ => utf8_or_latin1(body),
    }
}

/// JSON in ISO-8859-1 instead of UTF-8. Beyond ASCII, JSON has characters within texts alone: those that ISO-8859-1 lacks
/// are written as escapes, so that nothing is lost.
#[must_use]
pub fn json_in_latin1(json: &str) -> Vec<u8> {
    let mut body = Vec::with_capacity(json.len());
    for c in json.chars() {
        match u8::try_from(c) {
            Ok(byte) => body.push(byte),
            Err(_) => {
                for unit in c.encode_utf16(&mut [0; 2]) {
                    body.extend_from_slice(format!("\\u{unit:04x}").as_bytes());
                }
            }
        }
    }
    body
}

/// In ISO-8859-1 each byte is the character of that number.
fn latin1(body: &[u8]) -> String {
    body.iter().copied().map(char::from).collect()
}

/// Without the byte order mark that some editors and .NET writers put first.
fn without_mark(text: &str) -> &str {
    text.strip_prefix('\u{feff}').unwrap_or(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_charset_parameter_is_read_however_it_is_spelled() {
        for (header, charset) in [
            ("application/json; charset=utf-8", Some("utf-8")),
            ("application/json;charset=utf8", Some("utf8")),
            ("text/html; boundary=x; Charset = \"UTF-8\"", Some("UTF-8")),
            ("application/json; charset=", None),
            ("application/json", None),
            ("", None),
        ] {
            assert_eq!(of_content_type(header), charset, "{header}");
        }
    }

    #[test]
    fn a_document_without_charset_is_latin1() {
        assert_eq!(of_document("né".as_bytes(), None), "nÃ©");
        assert_eq!(of_document("né".as_bytes(), Some("utf8")), "né");
        assert_eq!(of_document("né".as_bytes(), Some("UTF_8")), "né");
        assert_eq!(of_document(b"n\xe9", Some("ISO-8859-1")), "né");
        assert_eq!(of_document(b"n\xe9", Some("koi8-r")), "né");
        assert_eq!(of_document(b"n\xe9", Some("utf-8")), "n\u{fffd}");
    }

    #[test]
    fn json_in_latin1_escapes_what_it_lacks() {
        let body = json_in_latin1("\"né ж 🐘\"");
        assert_eq!(body, b"\"n\xe9 \\u0436 \\ud83d\\udc18\"");
        let read: String = serde_json::from_str(&utf8_or_latin1(&body)).unwrap();
        assert_eq!(read, "né ж 🐘");
    }

    #[test]
    fn a_webhook_is_utf8_or_else_latin1() {
        assert_eq!(utf8_or_latin1("né 🐘".as_bytes()), "né 🐘");
        assert_eq!(utf8_or_latin1(b"n\xe9"), "né");
        assert_eq!(utf8_or_latin1("\u{feff}{}".as_bytes()), "{}");
    }
}
