//! What is left of words when they are compared: neither case nor accents, nor which of its forms a letter is written in.

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::canonical_combining_class;

/// The letters of a text without their case and their accents: ΤΈΛΟΣ is τέλος, İPTAL is iptal, and SCHLUSS is Schluß.
///
/// People leave accents out on telephones, and put them together of two characters. What carries more than an accent
/// does stays: the vowels and the virama of Indic scripts, the tones of Thai, the voicing of kana.
pub(crate) fn fold(text: &str) -> String {
    let plain = text.nfkd().filter(|character| !is_accent(*character));
    // The great form joins what the small one keeps apart, as ß and ss; and ẞ is great already.
    let small = plain.flat_map(char::to_lowercase).flat_map(char::to_uppercase).flat_map(char::to_lowercase);
    small.nfc().collect()
}

/// Whether it stands above, below or on a letter, or is a vowel point of Hebrew or Arabic.
fn is_accent(character: char) -> bool {
    matches!(canonical_combining_class(character), 10..=35 | 200..)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn forms_of_a_word_are_one() {
        for (one, other) in [
            ("stop", "STOP"),
            ("τέλος", "ΤΈΛΟΣ"),
            ("τέλος", "ΤΕΛΟΣ"),
            ("Schluß", "SCHLUSS"),
            ("Schluß", "SCHLUẞ"),
            ("iptal", "İPTAL"),
            ("istanbul", "İstanbul"),
            ("ısı", "ISI"),
            ("arrêter", "arre\u{302}ter"),
            ("arrêter", "ARRETER"),
            ("стоп", "СТОП"),
            ("stop", "ＳＴＯＰ"),
            ("تَوَقُّف", "توقف"),
            ("ガム", "ｶﾞﾑ"),
            ("정지", "\u{110c}\u{1165}\u{11bc}\u{110c}\u{1175}"),
        ] {
            assert_eq!(fold(one), fold(other), "{one} and {other}");
        }
    }

    #[test]
    fn words_that_differ_in_more_stay_apart() {
        for (one, other) in [("stop", "stopp"), ("की", "का"), ("か", "が"), ("ใกล้", "ใกล"), ("œuf", "euf")]
        {
            assert_ne!(fold(one), fold(other), "{one} and {other}");
        }
    }

    proptest! {
        #[test]
        fn what_is_folded_stays_as_it_is(text in "\\PC*") {
            let folded = fold(&text);
            prop_assert_eq!(fold(&folded), folded);
        }
    }
}
