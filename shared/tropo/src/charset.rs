//! Which characters the bytes of a body are.

use std::borrow::Cow;

/// The byte order mark of UTF-8, which some editors and .NET writers put first.
const MARK: &[u8] = "\u{feff}".as_bytes();

/// Takes the charset parameter out of a `Content-Type` header, however it is spelled: `utf8`, `"UTF-8"`.
#[must_use]
pub fn of_content_type(content_type: &str) -> Option<&str> {
    content_type.split(';').skip(1).find_map(|parameter| {
        let (name, value) = parameter.split_once('=')?;
        let value = value.trim().trim_matches(['"', '\'']);
        (name.trim().eq_ignore_ascii_case("charset") && !value.is_empty()).then_some(value)
    })
}

/// What is doubtful about the characters of a document. Each is a sentence for whoever wrote it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Doubt {
    /// It does not say which characters its bytes are, and they are not all ASCII.
    #[error(
        "The document names no charset and is not ASCII: it is read as ISO-8859-1. \
         Answer with Content-Type: application/json; charset=utf-8"
    )]
    NoCharset,
    /// It says that it is UTF-8, and is not.
    #[error("The document is not the UTF-8 that it says it is: what is not is read as U+FFFD")]
    NotUtf8,
}

/// What is doubtful about the characters of a document, if anything is.
#[must_use]
pub fn doubt(body: &[u8], charset: Option<&str>) -> Option<Doubt> {
    match charset {
        None => (!body.is_ascii() && !body.starts_with(MARK)).then_some(Doubt::NoCharset),
        Some(charset) => (is_utf8(charset) && std::str::from_utf8(body).is_err()).then_some(Doubt::NotUtf8),
    }
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
            // The byte order mark says as much as a charset would.
            _ if body.starts_with(MARK) => utf8(body),
            _ => Cow::Owned(latin1(body)),
        };
    };
    named(body, charset).unwrap_or_else(|| utf8_or_latin1(body))
}

/// The text of bytes in a charset of one byte or UTF-8, however its name is spelled; `None` where the name is another.
#[must_use]
pub fn named<'a>(bytes: &'a [u8], charset: &str) -> Option<Cow<'a, str>> {
    match plain(charset).as_str() {
        "utf8" => Some(utf8(bytes)),
        "iso88591" | "latin1" => Some(Cow::Owned(latin1(bytes))),
        "windows1252" | "cp1252" => Some(Cow::Owned(windows1252(bytes))),
        _ => None,
    }
}

fn is_utf8(charset: &str) -> bool {
    plain(charset) == "utf8"
}

/// The name of a charset without what spellings differ in.
fn plain(charset: &str) -> String {
    charset.chars().filter(char::is_ascii_alphanumeric).collect::<String>().to_ascii_lowercase()
}

fn utf8(body: &[u8]) -> Cow<'_, str> {
    String::from_utf8_lossy(body.strip_prefix(MARK).unwrap_or(body))
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

/// Windows-1252 is ISO-8859-1, but for these.
fn windows1252(body: &[u8]) -> String {
    let read = |byte: u8| {
        let special = byte.checked_sub(0x80).and_then(|at| WINDOWS_1252.get(usize::from(at)));
        special.copied().unwrap_or_else(|| char::from(byte))
    };
    body.iter().copied().map(read).collect()
}

/// The characters of the bytes from 0x80 on; bytes without one stay the control characters that they are.
const WINDOWS_1252: [char; 32] = [
    '€', '\u{81}', '‚', 'ƒ', '„', '…', '†', '‡', 'ˆ', '‰', 'Š', '‹', 'Œ', '\u{8d}', 'Ž', '\u{8f}', '\u{90}', '‘', '’',
    '“', '”', '•', '–', '—', '˜', '™', 'š', '›', 'œ', '\u{9d}', 'ž', 'Ÿ',
];

/// Without the byte order mark.
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
        let written = b"\x80\x81\x91n\xe9\x92\x9f\xa0";
        assert_eq!(of_document(written, Some("Windows-1252")), "€\u{81}‘né’Ÿ\u{a0}");
        assert_eq!(of_document(b"n\xe9", Some("koi8-r")), "né");
        assert_eq!(of_document(b"n\xe9", Some("utf-8")), "n\u{fffd}");
        assert_eq!(of_document("\u{feff}né".as_bytes(), None), "né");
        assert_eq!(of_document("\u{feff}né".as_bytes(), Some("utf-8")), "né");
    }

    #[test]
    fn what_is_doubtful_about_a_document_is_told() {
        for (body, charset, expected) in [
            ("né".as_bytes(), None, Some(Doubt::NoCharset)),
            ("\u{feff}né".as_bytes(), None, None),
            (b"ne", None, None),
            (b"n\xe9", Some("UTF8"), Some(Doubt::NotUtf8)),
            ("né".as_bytes(), Some("utf-8"), None),
            (b"n\xe9", Some("iso-8859-1"), None),
        ] {
            assert_eq!(doubt(body, charset), expected, "{charset:?}");
        }
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
