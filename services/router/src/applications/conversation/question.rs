//! A question of a dialogue, and which answers it takes.

use std::collections::{BTreeMap, BTreeSet};

use crate::applications::choices::Choices;
use crate::config::{AnswerRange, DialogueStep};
use crate::matching::{Matching, Takes, Words, is_punctuation};
use crate::template::Template;

/// The longest answer, in bytes: it is remembered.
const ANSWER_BYTES_MAX: usize = 1000;

/// A question.
#[derive(Debug)]
pub(super) struct Question {
    pub(super) ask: Template,
    pub(super) answers: Answers,
    pub(super) invalid: Option<Template>,
    pub(super) tries_max: u32,
    /// The steps that come next after these answers.
    pub(super) by_answer: BTreeMap<String, String>,
    /// The step that comes next after all others.
    pub(super) otherwise: String,
}

/// Which answers are taken.
#[derive(Debug)]
pub(super) enum Answers {
    Any,
    OneOf(Choices),
    Pattern(Matching),
    Number(AnswerRange),
}

impl Question {
    /// The step that comes next.
    pub(super) fn next(&self, answer: &str) -> &str {
        self.by_answer.get(answer).unwrap_or(&self.otherwise)
    }

    /// All steps that may come next.
    pub(super) fn ways(&self) -> BTreeSet<&str> {
        let names = self.answers.names();
        let is_open = names.is_empty() || names.iter().any(|name| !self.by_answer.contains_key(name));
        let otherwise = is_open.then_some(self.otherwise.as_str());
        self.by_answer.values().map(String::as_str).chain(otherwise).collect()
    }
}

impl Answers {
    /// # Errors
    /// The key of the step, and what is wrong.
    pub(super) fn new(step: &DialogueStep) -> Result<Self, (&'static str, String)> {
        match (&step.one_of, &step.pattern, step.number) {
            (None, None, None) => Ok(Self::Any),
            (Some(options), None, None) => Choices::new(options).map(Self::OneOf).map_err(|told| ("one_of", told)),
            (None, Some(pattern), None) => {
                let matching = Matching::new(Takes { pattern: Some(pattern), ..Takes::default() });
                matching.map(Self::Pattern).map_err(|error| (error.key(), error.to_string()))
            }
            (None, None, Some(range)) => match (range.min, range.max) {
                (Some(min), Some(max)) if max < min => Err(("number", format!("{max} is less than {min}"))),
                (Some(_) | None, Some(_) | None) => Ok(Self::Number(range)),
            },
            (_, _, _) => Err(("one_of", "stands beside pattern or number: a question has one of them".to_owned())),
        }
    }

    /// The answers that can be chosen from; none, where they cannot be counted.
    pub(super) fn names(&self) -> &[String] {
        match self {
            Self::OneOf(choices) => choices.names(),
            Self::Any | Self::Pattern(_) | Self::Number(_) => &[],
        }
    }

    /// As [`Answers::read`], where one word rather than another is meant: to be chosen from, or a number.
    pub(super) fn chosen(&self, text: &str) -> Option<String> {
        match self {
            Self::OneOf(_) | Self::Number(_) => self.read(text),
            Self::Any | Self::Pattern(_) => None,
        }
    }

    /// The answer that a text is; `None`: it cannot be taken.
    pub(super) fn read(&self, text: &str) -> Option<String> {
        let text = text.trim();
        if text.is_empty() || ANSWER_BYTES_MAX < text.len() {
            return None;
        }
        match self {
            Self::Any => Some(text.to_owned()),
            Self::OneOf(choices) => choices.find(&Words::of(text)).map(str::to_owned),
            Self::Pattern(pattern) => pattern.take(&Words::of(text)).map(|_| text.to_owned()),
            Self::Number(AnswerRange { min, max }) => {
                let number = number(text)?;
                let is_in = min.is_none_or(|min| min <= number) && max.is_none_or(|max| number <= max);
                is_in.then(|| number.to_string())
            }
        }
    }
}

/// The zeros of the scripts that have digits of their own; the other nine stand behind each.
const ZEROS: &[char] =
    &['0', '٠', '۰', '߀', '०', '০', '੦', '૦', '୦', '௦', '౦', '೦', '൦', '෦', '๐', '໐', '༠', '၀', '០', '᠐', '０'];

/// The whole number that a text is, in the digits of any script, whatever punctuation is around it.
fn number(text: &str) -> Option<i64> {
    let around = |c: char| c.is_whitespace() || is_punctuation(c);
    let text = text.trim_end_matches(around).trim_start_matches(|c| around(c) && !matches!(c, '-' | '+'));
    let digits = text.chars().map(|character| match character {
        '-' | '+' => Some(character),
        digit => ZEROS.iter().find_map(|zero| char::from_digit(u32::from(digit).checked_sub(u32::from(*zero))?, 10)),
    });
    digits.collect::<Option<String>>()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_number_may_stand_in_the_digits_of_any_script_and_in_a_sentence_of_its_own() {
        for (text, expected) in [
            ("12", Some(12)),
            ("007", Some(7)),
            ("12.", Some(12)),
            ("(12)!", Some(12)),
            ("-3", Some(-3)),
            ("\"-3\"", Some(-3)),
            ("+3", Some(3)),
            ("١٢", Some(12)),
            ("१२।", Some(12)),
            ("１２", Some(12)),
            ("1.5", None),
            ("1-2", None),
            ("--3", None),
            ("-", None),
            ("twelve", None),
            ("", None),
            ("99999999999999999999", None),
        ] {
            assert_eq!(number(text), expected, "{text}");
        }
    }

    #[test]
    fn ten_digits_stand_behind_each_zero() {
        for zero in ZEROS {
            let digits: String = (1..=9).filter_map(|digit| char::from_u32(u32::from(*zero) + digit)).collect();
            assert_eq!(number(&digits), Some(123_456_789), "{zero}");
            assert!(digits.chars().all(char::is_numeric), "{digits}");
        }
    }
}
