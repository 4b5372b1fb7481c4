//! The short grammar of a question: which answers it takes, and what each of them means.

use std::fmt;

use crate::document::Choices;
use crate::xml;

/// The answers that a question takes (Tropo WebAPI: `choices`): `[ANY]`, `[5 DIGITS]`, `[4-6 DIGITS]`, `a, b, c`,
/// `yes(y, 1), no(n, 2)`.
#[derive(Clone, PartialEq, Eq)]
pub struct Grammar {
    rules: Vec<Rule>,
    mode: Option<Mode>,
    terminator: Option<String>,
}

/// Why a question has no grammar that can be used here. Quotes nothing of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum GrammarError {
    /// There is none.
    #[error("choices.value must be present")]
    Missing,
    /// It stands elsewhere.
    #[error("choices.value is an address, and only the short grammar is known here: [ANY], [4-6 DIGITS], a, b(x, y)")]
    Address,
    /// It is a whole document of its own: GRXML, ABNF or JSGF.
    #[error("choices.value is a full grammar, and only the short one is known here: [ANY], [4-6 DIGITS], a, b(x, y)")]
    Full,
}

/// An answer that fits, and what it means.
#[derive(Clone, PartialEq, Eq)]
pub struct Match {
    /// What was typed; of digits, the digits alone.
    pub utterance: String,
    /// The word of the grammar that it is.
    pub interpretation: String,
    /// The choice that it stands for: of `yes(y, 1)`, `yes`.
    pub value: String,
    /// The same, where the grammar is a list.
    pub concept: Option<String>,
    /// How it was given.
    pub mode: Mode,
}

/// How an answer is given. Of a text, what looks typed on keys counts as typed on keys.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Mode {
    /// By keys.
    Dtmf,
    /// In words.
    Speech,
}

#[derive(Clone, PartialEq, Eq)]
enum Rule {
    Any,
    Digits { min: usize, max: usize },
    Words { concept: String, words: Vec<String> },
}

impl Grammar {
    /// Reads the choices of a question. What stands in brackets and is no rule, such as `[5 digits]`, takes no answer:
    /// so it was at Tropo, whose keywords are upper case.
    ///
    /// # Errors
    /// [`GrammarError`] where there is no short grammar.
    pub fn of(choices: &Choices) -> Result<Self, GrammarError> {
        let written = choices.value.as_deref().map(str::trim).filter(|value| !value.is_empty());
        let written = written.ok_or(GrammarError::Missing)?;
        if written.starts_with('<') || is_headed(written) {
            return Err(GrammarError::Full);
        }
        if is_address(written) {
            return Err(GrammarError::Address);
        }
        let terminator = choices.terminator.as_deref().map(str::trim).filter(|key| !key.is_empty());
        Ok(Self {
            rules: items(written).into_iter().filter_map(Rule::of).collect(),
            mode: choices.mode.as_deref().and_then(Mode::named),
            terminator: terminator.map(str::to_owned),
        })
    }

    /// Whether no answer fits, whatever it is.
    #[must_use]
    pub fn takes_nothing(&self) -> bool {
        self.rules.is_empty()
    }

    /// What an answer means; none where it does not fit. A terminator at its end, blanks around it and case do not
    /// matter; between digits, blanks, dots and dashes do not either.
    #[must_use]
    pub fn understand(&self, answer: &str) -> Option<Match> {
        let answer = answer.trim();
        let terminator = self.terminator.as_deref().unwrap_or_default();
        let answer = answer.strip_suffix(terminator).unwrap_or(answer).trim_end();
        let (utterance, interpretation, concept) = self.rules.iter().find_map(|rule| rule.understand(answer))?;
        let value = concept.clone().unwrap_or_else(|| interpretation.clone());
        let mode = self.mode.unwrap_or_else(|| Mode::of(&utterance));
        Some(Match { utterance, interpretation, value, concept, mode })
    }
}

/// Shows how much there is: choices may be names.
impl fmt::Debug for Grammar {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Grammar").field("rules", &self.rules.len()).finish_non_exhaustive()
    }
}

impl Rule {
    /// Reads one item of the list; none where nothing fits it.
    fn of(item: &str) -> Option<Self> {
        if let Some(keyword) = item.strip_prefix('[') {
            return Self::of_keyword(keyword.strip_suffix(']')?.trim());
        }
        let (concept, words) = match item.split_once('(') {
            Some((concept, words)) => (concept, words.strip_suffix(')').unwrap_or(words)),
            None => (item, ""),
        };
        let present = |word: &&str| !word.is_empty();
        // The word before the brackets is taken itself, too: applications that do not repeat it mean it.
        let words: Vec<_> = [concept].into_iter().chain(words.split(',')).map(str::trim).filter(present).collect();
        let words: Vec<_> = words.into_iter().map(str::to_owned).collect();
        (!words.is_empty()).then(|| Self::Words { concept: concept.trim().to_owned(), words })
    }

    fn of_keyword(keyword: &str) -> Option<Self> {
        if keyword == "ANY" {
            return Some(Self::Any);
        }
        let (count, unit) = keyword.split_once(char::is_whitespace)?;
        let (min, max) = count.split_once('-').unwrap_or((count, count));
        let (min, max) = (min.parse().ok()?, max.parse().ok()?);
        (matches!(unit.trim(), "DIGITS" | "DIGIT") && min <= max).then_some(Self::Digits { min, max })
    }

    /// The utterance, the interpretation and the concept of an answer that fits.
    fn understand(&self, answer: &str) -> Option<(String, String, Option<String>)> {
        match self {
            Self::Any => Some((answer.to_owned(), answer.to_owned(), None)),
            Self::Digits { min, max } => {
                let digits: String = answer.chars().filter(|c| !matches!(c, ' ' | '-' | '.')).collect();
                let fits = (*min..=*max).contains(&digits.len()) && digits.bytes().all(|byte| byte.is_ascii_digit());
                fits.then(|| (digits.clone(), digits, None))
            }
            Self::Words { concept, words } => {
                let word = words.iter().find(|word| is_same(word, answer))?;
                let concept = if concept.is_empty() { word } else { concept };
                Some((answer.to_owned(), word.clone(), Some(concept.clone())))
            }
        }
    }
}

impl Match {
    /// The recogniser's own result (NLSML), as a question's result holds it: `grammar` is the number that the platform
    /// gave the grammar of this question.
    #[must_use]
    pub fn xml(&self, grammar: u32) -> String {
        let (mode, input, instance) =
            (self.mode.as_str(), xml::escaped(&self.utterance), xml::escaped(&self.interpretation));
        let grammar = format!("grammar=\"0@{grammar:08x}.vxmlgrammar\"");
        format!(
            "<?xml version=\"1.0\"?>\r\n<result {grammar}>\r\n    <interpretation {grammar} confidence=\"100\">\r\n        \
             <input mode=\"{mode}\">{input}</input>\r\n        <instance>{instance}</instance>\r\n    \
             </interpretation>\r\n</result>\r\n"
        )
    }
}

/// Shows how it was given, and nothing of what was said.
impl fmt::Debug for Match {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Match").field("mode", &self.mode).finish_non_exhaustive()
    }
}

impl Mode {
    /// The word, as Tropo writes it.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Dtmf => "dtmf",
            Self::Speech => "speech",
        }
    }

    /// The mode of that name; none of `any`, which is both.
    fn named(word: &str) -> Option<Self> {
        [Self::Dtmf, Self::Speech].into_iter().find(|mode| word.trim().eq_ignore_ascii_case(mode.as_str()))
    }

    fn of(utterance: &str) -> Self {
        let is_key = |byte: u8| byte.is_ascii_digit() || matches!(byte, b'*' | b'#');
        if !utterance.is_empty() && utterance.bytes().all(is_key) { Self::Dtmf } else { Self::Speech }
    }
}

/// The items of a list: between commas that stand in no brackets.
fn items(written: &str) -> Vec<&str> {
    let mut depth = 0_usize;
    let between = |c: char| {
        match c {
            '(' => depth += 1,
            ')' => depth = depth.saturating_sub(1),
            _ => {}
        }
        c == ',' && depth == 0
    };
    written.split(between).map(str::trim).filter(|item| !item.is_empty()).collect()
}

/// Whether it begins as ABNF and JSGF do. `#` itself is a key.
fn is_headed(written: &str) -> bool {
    let begins = |head: &str| written.get(..head.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(head));
    begins("#JSGF") || begins("#ABNF")
}

/// Whether a grammar is only named: `http://...`, `builtin:...`.
fn is_address(written: &str) -> bool {
    let scheme = written.split_once(':').map(|(scheme, _)| scheme).unwrap_or_default();
    ["http", "https", "ftp", "file", "builtin"].iter().any(|known| scheme.eq_ignore_ascii_case(known))
}

/// Whether two are the same words, in any case and with any blanks between them.
fn is_same(word: &str, answer: &str) -> bool {
    let lower = |text: &str| text.split_whitespace().map(str::to_lowercase).collect::<Vec<_>>();
    lower(word) == lower(answer)
}

#[cfg(test)]
mod tests;
