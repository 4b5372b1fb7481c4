//! The two spellings of JSON: an application's, in ASCII alone, and the platform's, with `<\/`.

use std::io;

use serde::Serialize;
use serde_json::ser::Formatter;

/// Writes ASCII alone, so that a reader that takes the bytes for ISO-8859-1 still gets every character.
pub(crate) fn ascii<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    written(value, Ascii)
}

/// Writes as Tropo does: UTF-8, and `</` as `<\/` (Tropo WebAPI: every captured result that holds XML).
pub(crate) fn platform<T: Serialize + ?Sized>(value: &T) -> Vec<u8> {
    written(value, Platform)
}

#[expect(clippy::expect_used, reason = "our own types have string keys and write to memory: they always serialise")]
fn written<T: Serialize + ?Sized, F: Formatter>(value: &T, formatter: F) -> Vec<u8> {
    let mut body = Vec::with_capacity(256);
    let mut serializer = serde_json::Serializer::with_formatter(&mut body, formatter);
    value.serialize(&mut serializer).expect("Tropo's types serialise");
    body
}

struct Ascii;

impl Formatter for Ascii {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut rest = fragment;
        while let Some(at) = rest.find(|c: char| !c.is_ascii()) {
            let (plain, tail) = rest.split_at(at);
            writer.write_all(plain.as_bytes())?;
            let mut chars = tail.chars();
            for unit in chars.next().into_iter().flat_map(|c| c.encode_utf16(&mut [0; 2]).to_vec()) {
                write!(writer, "\\u{unit:04x}")?;
            }
            rest = chars.as_str();
        }
        writer.write_all(rest.as_bytes())
    }
}

struct Platform;

impl Formatter for Platform {
    fn write_string_fragment<W: ?Sized + io::Write>(&mut self, writer: &mut W, fragment: &str) -> io::Result<()> {
        let mut parts = fragment.split("</");
        writer.write_all(parts.next().unwrap_or_default().as_bytes())?;
        for part in parts {
            writer.write_all(b"<\\/")?;
            writer.write_all(part.as_bytes())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ascii_escapes_what_is_not_with_surrogate_pairs() {
        assert_eq!(ascii("a\"é€🐘</z"), br#""a\"\u00e9\u20ac\ud83d\udc18</z""#);
    }

    #[test]
    fn the_platform_escapes_the_slash_only_after_a_less_than_sign() {
        assert_eq!(platform("<a>1/2</a></b>\né"), r#""<a>1/2<\/a><\/b>\né""#.as_bytes());
    }
}
