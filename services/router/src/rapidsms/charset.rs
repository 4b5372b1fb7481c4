//! The characters of a text, by the charset that its sender names.

use std::borrow::Cow;

/// The byte order marks of UTF-16.
const BIG: [u8; 2] = [0xfe, 0xff];
const LITTLE: [u8; 2] = [0xff, 0xfe];

/// The text of these bytes; `None` where the charset is not known. What stands for no character is read as U+FFFD.
pub(super) fn text<'a>(bytes: &'a [u8], charset: &str) -> Option<Cow<'a, str>> {
    let name: String = charset.chars().filter(char::is_ascii_alphanumeric).collect();
    Some(match name.to_ascii_lowercase().as_str() {
        "ascii" | "usascii" => String::from_utf8_lossy(bytes),
        "ucs2" | "utf16be" => Cow::Owned(utf16(bytes, u16::from_be_bytes)),
        "utf16le" => Cow::Owned(utf16(bytes, u16::from_le_bytes)),
        "utf16" => Cow::Owned(match (bytes.strip_prefix(&LITTLE), bytes.strip_prefix(&BIG)) {
            (Some(rest), _) => utf16(rest, u16::from_le_bytes),
            (None, Some(rest)) => utf16(rest, u16::from_be_bytes),
            (None, None) => utf16(bytes, u16::from_be_bytes),
        }),
        _ => return tropo::charset::named(bytes, charset),
    })
}

fn utf16(bytes: &[u8], unit: impl Fn([u8; 2]) -> u16) -> String {
    let units: Vec<u16> = bytes.chunks(2).map(|pair| pair.try_into().map_or(0xfffd, &unit)).collect();
    String::from_utf16_lossy(&units)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(bytes: &[u8], charset: &str, expected: Option<&str>) {
        assert_eq!(text(bytes, charset).as_deref(), expected, "{charset}");
    }

    #[test]
    fn each_charset_is_read_under_the_names_that_python_has_for_it() {
        check(b"hi", "ascii", Some("hi"));
        check("né 🐘".as_bytes(), "UTF-8", Some("né 🐘"));
        check("né 🐘".as_bytes(), "utf_8", Some("né 🐘"));
        check(b"n\xe9", "latin-1", Some("né"));
        check(b"n\xe9", "ISO-8859-1", Some("né"));
        check(b"\x80", "cp1252", Some("€"));
        check(b"\0n\0\xe9\xd8\x3d\xdc\x18", "UTF-16BE", Some("né🐘"));
        check(b"n\0\xe9\0", "utf-16-le", Some("né"));
        check(b"\xff\xfen\0\xe9\0", "utf-16", Some("né"));
        check(b"\xfe\xff\0n", "utf-16", Some("n"));
        check(b"\0n\0", "utf-16-be", Some("n\u{fffd}"));
        check(b"n", "koi8-r", None);
        check(b"n", "", None);
    }
}
