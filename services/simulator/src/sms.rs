//! How a text travels as SMS: in which alphabet, and in how many parts (3GPP TS 23.038 and 23.040). Pure.

use serde::{Deserialize, Serialize};

/// The alphabet that every phone has: each of these is one septet. The character that introduces the extension is no
/// character of its own, and is left out.
const BASIC: &str = "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§\
                     ¿abcdefghijklmnopqrstuvwxyzäöñüà";

/// Its extension: each of these is two septets, an escape and another.
const EXTENSION: &str = "\u{c}^{}\\[~]|€";

/// The alphabet of an SMS.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub enum Encoding {
    /// The GSM 7-bit default alphabet with its extension.
    #[serde(rename = "GSM-7")]
    Gsm7,
    /// 16-bit units, as UTF-16 has them: one character beyond GSM-7 takes the whole text here.
    #[serde(rename = "UCS-2")]
    Ucs2,
}

/// What becomes of a text that is longer than one SMS.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum LongTexts {
    /// Its parts say that they belong together, which takes some of their room, and the phone shows one message.
    Joined,
    /// Each part is a message of its own.
    Separate,
}

impl Encoding {
    /// The alphabet that a text needs.
    #[must_use]
    pub fn of(text: &str) -> Self {
        if text.chars().all(|c| BASIC.contains(c) || EXTENSION.contains(c)) { Self::Gsm7 } else { Self::Ucs2 }
    }

    /// The name that people know it by.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Gsm7 => "GSM-7",
            Self::Ucs2 => "UCS-2",
        }
    }

    /// How many units, septets or 16 bits, a character takes.
    fn units(self, c: char) -> usize {
        match self {
            Self::Gsm7 if EXTENSION.contains(c) => 2,
            Self::Gsm7 => 1,
            Self::Ucs2 => c.len_utf16(),
        }
    }

    /// How many units one SMS by itself has.
    fn alone(self) -> usize {
        match self {
            Self::Gsm7 => 160,
            Self::Ucs2 => 70,
        }
    }

    /// How many units a part has beside the header that joins it to the others.
    fn joined(self) -> usize {
        match self {
            Self::Gsm7 => 153,
            Self::Ucs2 => 67,
        }
    }
}

/// The alphabet of a text and its parts, one at least. No part ends within a character: neither between an escape and
/// what it introduces nor between two surrogates.
#[must_use]
pub(crate) fn split(text: &str, long: LongTexts) -> (Encoding, Vec<&str>) {
    let encoding = Encoding::of(text);
    let total: usize = text.chars().map(|c| encoding.units(c)).sum();
    let room = match long {
        LongTexts::Joined if encoding.alone() < total => encoding.joined(),
        LongTexts::Joined | LongTexts::Separate => encoding.alone(),
    };
    let (mut parts, mut rest) = (Vec::new(), text);
    loop {
        let mut used = 0;
        let fits = rest.char_indices().find(|(_, c)| {
            used += encoding.units(*c);
            room < used
        });
        let Some((at, _)) = fits else { break };
        let (part, tail) = rest.split_at(at);
        parts.push(part);
        rest = tail;
    }
    parts.push(rest);
    (encoding, parts)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The alphabet of a text, and how many characters each part has, joined and separate.
    #[track_caller]
    fn check(text: &str, encoding: Encoding, joined: &[usize], separate: &[usize]) {
        for (long, expected) in [(LongTexts::Joined, joined), (LongTexts::Separate, separate)] {
            let (found, parts) = split(text, long);
            let lengths: Vec<_> = parts.iter().map(|part| part.chars().count()).collect();
            assert_eq!((found, lengths.as_slice()), (encoding, expected), "{long:?}");
            assert_eq!(parts.concat(), text);
        }
    }

    #[test]
    fn the_alphabet_is_that_of_gsm_with_its_extension() {
        assert_eq!((BASIC.chars().count(), EXTENSION.chars().count()), (127, 10));
        for (text, encoding) in [
            ("", Encoding::Gsm7),
            ("Hello, world!\r\n", Encoding::Gsm7),
            ("@£$¥ èéùìòÇ ØøÅå ÄÖÑÜ§¿äöñüà ÆæßÉ ΔΦΓΛΩΠΨΣΘΞ ¤¡", Encoding::Gsm7),
            ("€ [x] {y} \\ ^ ~ |", Encoding::Gsm7),
            ("ç", Encoding::Ucs2),
            ("`", Encoding::Ucs2),
            ("\t", Encoding::Ucs2),
            ("it’s", Encoding::Ucs2),
            ("Привет", Encoding::Ucs2),
            ("🐘", Encoding::Ucs2),
            ("\u{1b}", Encoding::Ucs2),
        ] {
            assert_eq!(Encoding::of(text), encoding, "{text:?}");
        }
    }

    #[test]
    fn gsm_texts_are_split_at_160_septets_or_at_153_when_joined() {
        check("", Encoding::Gsm7, &[0], &[0]);
        check(&"a".repeat(160), Encoding::Gsm7, &[160], &[160]);
        check(&"a".repeat(161), Encoding::Gsm7, &[153, 8], &[160, 1]);
        check(&"a".repeat(306), Encoding::Gsm7, &[153, 153], &[160, 146]);
        check(&"a".repeat(307), Encoding::Gsm7, &[153, 153, 1], &[160, 147]);
        check(&"a".repeat(320), Encoding::Gsm7, &[153, 153, 14], &[160, 160]);
    }

    #[test]
    fn an_escape_pair_is_two_septets_and_stays_whole() {
        check(&"€".repeat(80), Encoding::Gsm7, &[80], &[80]);
        check(&"€".repeat(81), Encoding::Gsm7, &[76, 5], &[80, 1]);
        // The 153rd septet would be the escape alone: it goes to the next part with what it introduces.
        check(&format!("{}€{}", "a".repeat(152), "b".repeat(10)), Encoding::Gsm7, &[152, 11], &[159, 4]);
        check(&format!("{}€", "a".repeat(158)), Encoding::Gsm7, &[159], &[159]);
        check(&format!("{}€", "a".repeat(159)), Encoding::Gsm7, &[153, 7], &[159, 1]);
    }

    #[test]
    fn other_texts_are_split_at_70_units_or_at_67_when_joined() {
        check(&"ж".repeat(70), Encoding::Ucs2, &[70], &[70]);
        check(&"ж".repeat(71), Encoding::Ucs2, &[67, 4], &[70, 1]);
        check(&"ж".repeat(134), Encoding::Ucs2, &[67, 67], &[70, 64]);
        check(&"ж".repeat(135), Encoding::Ucs2, &[67, 67, 1], &[70, 65]);
        // One character beyond GSM-7, and the euro sign costs one unit like any other.
        check(&format!("ж{}", "€".repeat(69)), Encoding::Ucs2, &[70], &[70]);
    }

    #[test]
    fn a_surrogate_pair_is_two_units_and_stays_whole() {
        check(&"🐘".repeat(35), Encoding::Ucs2, &[35], &[35]);
        check(&"🐘".repeat(36), Encoding::Ucs2, &[33, 3], &[35, 1]);
        check(&format!("{}🐘{}", "ж".repeat(66), "ж".repeat(10)), Encoding::Ucs2, &[66, 11], &[69, 8]);
        check(&format!("{}🐘", "ж".repeat(69)), Encoding::Ucs2, &[67, 3], &[69, 1]);
    }
}
