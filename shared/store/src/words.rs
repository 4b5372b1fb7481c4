//! The words of a text, as they are looked for. Databases get them ready made, so that all of them find the same.
//!
//! A word is a run of letters and digits. Of a script that is written without blanks, and of pictures, each two neighbours
//! are a word, and the last one is: so any part is found, by its pairs, and no dictionary is needed.

use std::collections::BTreeSet;
use std::ops::Bound;

use unicode_normalization::UnicodeNormalization;
use unicode_normalization::char::{canonical_combining_class, is_combining_mark};

/// The longest word, in characters. What is longer is cut, here and there.
const CHARS_MAX: usize = 40;

/// What a text is found by.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Words(BTreeSet<String>);

impl Words {
    /// The words of a text.
    pub(crate) fn of(text: &str) -> Self {
        let mut words = BTreeSet::new();
        for run in runs(text) {
            match run {
                Run::Spaced(word) => drop(words.insert(word)),
                Run::Unspaced(characters) => {
                    words.extend(pairs(&characters));
                    words.extend(characters.last().map(char::to_string));
                }
            }
        }
        Self(words)
    }

    /// Whether each word that is sought begins one of these.
    pub(crate) fn have(&self, sought: &Sought) -> bool {
        sought.iter().all(|beginning| {
            let next = self.0.range::<str, _>((Bound::Included(beginning), Bound::Unbounded)).next();
            next.is_some_and(|word| word.starts_with(beginning))
        })
    }

    /// One after the other. They are letters, digits and pictures: nothing that means anything to a database.
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// What is looked for: the beginnings of words, all of which must occur.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Sought(BTreeSet<String>);

impl Sought {
    /// The words of a question.
    pub(crate) fn of(question: &str) -> Self {
        let mut beginnings = BTreeSet::new();
        for run in runs(question) {
            match run {
                Run::Spaced(word) => drop(beginnings.insert(word)),
                Run::Unspaced(characters) => match characters.as_slice() {
                    [only] => drop(beginnings.insert(only.to_string())),
                    several => beginnings.extend(pairs(several)),
                },
            }
        }
        Self(beginnings)
    }

    /// Whether nothing can be looked for.
    pub(crate) fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// One after the other, as [`Words::iter`].
    pub(crate) fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }
}

/// Characters that stand together.
enum Run {
    Spaced(String),
    Unspaced(Vec<char>),
}

fn runs(text: &str) -> Vec<Run> {
    let mut runs = Vec::new();
    let mut is_apart = true;
    for character in folded(text) {
        if is_unspaced(character) {
            match runs.last_mut() {
                Some(Run::Unspaced(characters)) if !is_apart => characters.push(character),
                _ => runs.push(Run::Unspaced(vec![character])),
            }
        } else if character.is_alphanumeric() || is_combining_mark(character) {
            match runs.last_mut() {
                Some(Run::Spaced(word)) if !is_apart => word.push(character),
                _ => runs.push(Run::Spaced(character.to_string())),
            }
        } else {
            is_apart = true;
            continue;
        }
        is_apart = false;
    }
    for run in &mut runs {
        if let Run::Spaced(word) = run
            && let Some((end, _)) = word.char_indices().nth(CHARS_MAX)
        {
            word.truncate(end);
        }
    }
    runs
}

fn pairs(characters: &[char]) -> impl Iterator<Item = String> {
    characters.windows(2).map(|pair| pair.iter().collect())
}

/// Without case, accents, and what only says how a letter or a picture looks.
fn folded(text: &str) -> impl Iterator<Item = char> {
    let plain = text.nfkd().filter(|character| !is_accent(*character) && !is_look(*character));
    // The great form joins what the small one keeps apart, as ß and ss.
    plain.flat_map(char::to_uppercase).flat_map(char::to_lowercase).nfc()
}

/// Whether it stands above, below or on a letter, or is a vowel point of Hebrew or Arabic. The vowels of Indic scripts and
/// the tones of Thai are none.
fn is_accent(character: char) -> bool {
    matches!(canonical_combining_class(character), 10..=35 | 200..)
}

/// Whether it joins, stretches, hyphenates or colours what stands beside it.
fn is_look(character: char) -> bool {
    matches!(
        character,
        '\u{ad}' | '\u{640}' | '\u{200b}'..='\u{200f}' | '\u{2060}' | '\u{fe00}'..='\u{fe0f}' | '\u{1f3fb}'..='\u{1f3ff}'
    )
}

/// Whether it is of a script that is written without blanks (Thai, Lao, Burmese, Khmer, Tai, kana, Chinese), or a picture.
fn is_unspaced(character: char) -> bool {
    matches!(
        character,
        '\u{e01}'..='\u{eff}'
            | '\u{1000}'..='\u{109f}'
            | '\u{1780}'..='\u{17d3}'
            | '\u{1950}'..='\u{19df}'
            | '\u{1a20}'..='\u{1aad}'
            | '\u{2600}'..='\u{27bf}'
            | '\u{3005}'..='\u{3007}'
            | '\u{3041}'..='\u{312f}'
            | '\u{31a0}'..='\u{31ff}'
            | '\u{3400}'..='\u{4dbf}'
            | '\u{4e00}'..='\u{9fff}'
            | '\u{f900}'..='\u{faff}'
            | '\u{1f000}'..='\u{1faff}'
            | '\u{20000}'..='\u{3ffff}'
    ) && !matches!(character, '\u{104a}' | '\u{104b}' | '\u{e5a}' | '\u{e5b}' | '\u{30a0}' | '\u{30fb}')
}

#[cfg(test)]
mod tests;
