//! What texts a rule takes: by their first words, by all of their words, or by a pattern.

use std::collections::BTreeMap;

use regex::{Regex, RegexBuilder};

use crate::fold::fold;

/// The most memory that a pattern may take, in bytes. What fits is matched in time linear in the text.
const PATTERN_BYTES_MAX: usize = 1 << 20;

/// Up to which word after its own a rule by words captures each by its number.
const NUMBERED_MAX: usize = 9;

/// What stands around words, apart from ASCII's, and does not belong to them.
const PUNCTUATION: &str = "¡¿«»‹›“”„‟‘’‚‛…–—、。，．！？：；（）「」『』،؛؟۔।";

/// What a rule says of the texts that it takes. Any of the three is enough; without any it takes all.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Takes<'a> {
    /// Texts that begin with these words, in any case, with or without accents, whatever punctuation is around them.
    pub(crate) words: &'a [String],
    /// Texts of these words and no others.
    pub(crate) exact: &'a [String],
    /// Texts that match this regular expression as a whole.
    pub(crate) pattern: Option<&'a str>,
}

/// What texts a rule takes.
#[derive(Clone, Debug)]
pub(crate) struct Matching {
    words: Vec<Vec<String>>,
    exact: Vec<Vec<String>>,
    pattern: Option<Regex>,
}

/// Why a rule could take no text.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum MatchingError {
    /// One of its words is none.
    #[error(transparent)]
    Words(NoWords),
    /// One of its exact words is none.
    #[error(transparent)]
    Exact(NoWords),
    /// The pattern is no regular expression, or too large.
    #[error("the pattern cannot be used: {0}")]
    Pattern(String),
}

impl MatchingError {
    /// Where it is wrong: the key of [`Takes`].
    pub(crate) fn key(&self) -> &'static str {
        match self {
            Self::Words(_) => "words",
            Self::Exact(_) => "exact",
            Self::Pattern(_) => "pattern",
        }
    }
}

/// Words without a letter.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{0:?} has no letters or digits: write at least one word")]
pub(crate) struct NoWords(String);

/// A text, and its words as they are compared: without case, accents, and the punctuation around them.
pub(crate) struct Words<'a> {
    text: &'a str,
    folded: Vec<String>,
}

/// How closely a rule takes a text; the closest of several is the one that is meant.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Closeness {
    /// It takes every text.
    All,
    /// By its pattern.
    Pattern,
    /// By so many of its first words.
    Words(usize),
    /// By all of its words.
    Exact,
}

/// What a rule took of a text.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Captured<'a> {
    pub(crate) closeness: Closeness,
    /// What stands behind the words of the rule.
    pub(crate) rest: &'a str,
    groups: BTreeMap<String, &'a str>,
}

impl Captured<'_> {
    /// What a placeholder of [`Matching::placeholders`] stands for, if the text has it.
    pub(crate) fn get(&self, placeholder: &str) -> Option<&str> {
        if placeholder == "rest" {
            return Some(self.rest);
        }
        if let Some(group) = self.groups.get(placeholder) {
            return Some(group);
        }
        let number: usize = placeholder.parse().ok().filter(|number| (1..=NUMBERED_MAX).contains(number))?;
        self.rest.split_whitespace().nth(number - 1)
    }
}

impl<'a> Words<'a> {
    pub(crate) fn of(text: &'a str) -> Self {
        Self { text, folded: folded(text).collect() }
    }

    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.folded.is_empty()
    }

    /// Whether they are these, and no others.
    pub(crate) fn are(&self, words: &[String]) -> bool {
        self.folded == words
    }

    /// The text behind the first so many words.
    fn behind(&self, count: usize) -> &'a str {
        let mut rest = self.text.trim();
        let mut left = count;
        while 0 < left && !rest.is_empty() {
            let (word, behind) = rest.split_once(char::is_whitespace).unwrap_or((rest, ""));
            left -= usize::from(folded(word).next().is_some());
            rest = behind.trim_start();
        }
        rest
    }
}

impl Matching {
    /// # Errors
    /// [`MatchingError`]: it could take no text.
    pub(crate) fn new(takes: Takes<'_>) -> Result<Self, MatchingError> {
        let phrases = |all: &[String]| all.iter().map(|written| phrase(written)).collect::<Result<_, _>>();
        Ok(Self {
            words: phrases(takes.words).map_err(MatchingError::Words)?,
            exact: phrases(takes.exact).map_err(MatchingError::Exact)?,
            pattern: takes.pattern.map(whole).transpose()?,
        })
    }

    /// Whether it takes every text.
    pub(crate) fn is_all(&self) -> bool {
        self.words.is_empty() && self.exact.is_empty() && self.pattern.is_none()
    }

    /// The words that it takes a text by, folded, and whether by its first words alone.
    pub(crate) fn phrases(&self) -> impl Iterator<Item = (bool, &[String])> {
        let words = self.words.iter().map(|words| (true, words.as_slice()));
        words.chain(self.exact.iter().map(|words| (false, words.as_slice())))
    }

    /// The placeholders that a text may have something for.
    pub(crate) fn placeholders(&self) -> Vec<String> {
        let numbered = if self.words.is_empty() && !self.is_all() { 0 } else { NUMBERED_MAX };
        let groups = self.pattern.as_ref().map_or(0, |pattern| pattern.captures_len() - 1);
        let numbers = (1..=numbered.max(groups)).map(|number| number.to_string());
        let rest = (0 < numbered).then(|| "rest".to_owned());
        let names = self.pattern.iter().flat_map(Regex::capture_names).flatten().map(str::to_owned);
        numbers.chain(rest).chain(names).collect()
    }

    /// What it takes of a text; `None`: the text is not for it.
    pub(crate) fn take<'a>(&self, words: &Words<'a>) -> Option<Captured<'a>> {
        if self.is_all() {
            return Some(Captured { closeness: Closeness::All, rest: words.behind(0), groups: BTreeMap::new() });
        }
        if self.exact.iter().any(|exact| words.are(exact)) {
            return Some(Captured { closeness: Closeness::Exact, rest: "", groups: BTreeMap::new() });
        }
        let groups = self.groups(words);
        let first = self.words.iter().filter(|first| words.folded.starts_with(first)).map(Vec::len).max();
        match (first, groups) {
            (Some(count), groups) => {
                let (rest, groups) = (words.behind(count), groups.unwrap_or_default());
                Some(Captured { closeness: Closeness::Words(count), rest, groups })
            }
            (None, Some(groups)) => Some(Captured { closeness: Closeness::Pattern, rest: "", groups }),
            (None, None) => None,
        }
    }

    /// What the groups of the pattern are, if it matches.
    fn groups<'a>(&self, words: &Words<'a>) -> Option<BTreeMap<String, &'a str>> {
        let pattern = self.pattern.as_ref()?;
        let captures = pattern.captures(words.text.trim())?;
        let numbers = (1..pattern.captures_len()).map(|number| (number.to_string(), captures.get(number)));
        let names = pattern.capture_names().flatten().map(|name| (name.to_owned(), captures.name(name)));
        Some(numbers.chain(names).filter_map(|(name, group)| Some((name, group?.as_str()))).collect())
    }
}

/// The words of a text as they are compared.
fn folded(text: &str) -> impl Iterator<Item = String> {
    // An accent that stands by itself becomes a blank.
    let around = |c: char| c.is_whitespace() || is_punctuation(c);
    let folded = move |word: &str| fold(word).trim_matches(around).to_owned();
    text.split_whitespace().map(folded).filter(|word| !word.is_empty())
}

/// Whether it may stand around a word without belonging to it.
pub(crate) fn is_punctuation(character: char) -> bool {
    character.is_ascii_punctuation() || PUNCTUATION.contains(character)
}

/// Words of the configuration, folded.
///
/// # Errors
/// [`NoWords`]
pub(crate) fn phrase(written: &str) -> Result<Vec<String>, NoWords> {
    let words: Vec<String> = folded(written).collect();
    if words.is_empty() { Err(NoWords(written.to_owned())) } else { Ok(words) }
}

/// A pattern that takes whole texts, in any case.
fn whole(pattern: &str) -> Result<Regex, MatchingError> {
    let compile = |pattern: &str| {
        let mut builder = RegexBuilder::new(pattern);
        builder.case_insensitive(true).dot_matches_new_line(true);
        builder.size_limit(PATTERN_BYTES_MAX).dfa_size_limit(PATTERN_BYTES_MAX);
        builder.build().map_err(|error| MatchingError::Pattern(error.to_string()))
    };
    // By itself first: what is wrong is told about what was written, and its brackets belong together.
    compile(pattern)?;
    // Where it ends with a comment of (?x), that ends with a line.
    compile(&format!(r"\A(?:{pattern})\z")).or_else(|_| compile(&format!("\\A(?:{pattern}\n)\\z")))
}

#[cfg(test)]
mod tests;
