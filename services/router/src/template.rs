//! Words with places in them that are filled in for each text: `Thank you, {1}.`

use std::collections::BTreeSet;

use protocol::MessageText;

use crate::application::Text;

/// The placeholders that every text has something for.
pub(crate) const OF_EVERY_TEXT: [&str; 3] = ["from", "text", "backend"];

/// Words with places in them.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Template {
    parts: Vec<Part>,
}

#[derive(Clone, PartialEq, Eq, Debug)]
enum Part {
    Words(String),
    Placeholder(String),
}

/// Why words are no template.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum TemplateError {
    /// Nothing to send.
    #[error("is empty; write what people shall get")]
    Empty,
    /// A placeholder that nothing is known for.
    #[error("there is no {{{name}}} here; there are {}. A brace itself is written twice", there_are(.exist))]
    Unknown {
        /// Its name.
        name: String,
        /// The names that there are.
        exist: BTreeSet<String>,
    },
    /// A brace without its other half.
    #[error("a brace stands alone; a placeholder is written {{rest}}, and a brace itself twice")]
    Alone,
}

fn there_are(exist: &BTreeSet<String>) -> String {
    exist.iter().map(|name| format!("{{{name}}}")).collect::<Vec<_>>().join(", ")
}

impl Template {
    /// Reads what is written in the configuration. `others`: the placeholders that there are beside [`OF_EVERY_TEXT`].
    ///
    /// # Errors
    /// [`TemplateError`]
    pub(crate) fn new<T: AsRef<str>>(written: &MessageText, others: &[T]) -> Result<Self, TemplateError> {
        if written.as_str().trim().is_empty() {
            return Err(TemplateError::Empty);
        }
        let template = Self { parts: parts(written.as_str())? };
        let others = others.iter().map(AsRef::as_ref);
        let exist: BTreeSet<String> = OF_EVERY_TEXT.into_iter().chain(others).map(str::to_owned).collect();
        let unknown = template.placeholders().find(|name| !exist.contains(*name)).map(str::to_owned);
        match unknown {
            Some(name) => Err(TemplateError::Unknown { name, exist }),
            None => Ok(template),
        }
    }

    /// The placeholders that it has.
    pub(crate) fn placeholders(&self) -> impl Iterator<Item = &str> {
        self.parts.iter().filter_map(|part| match part {
            Part::Words(_) => None,
            Part::Placeholder(name) => Some(name.as_str()),
        })
    }

    /// The words for a text. `value`: what a placeholder of the others stands for; where that is nothing, nothing
    /// stands in its place. What is longer than a message may be is cut off.
    pub(crate) fn fill<'v>(&self, text: &Text, value: impl Fn(&str) -> Option<&'v str>) -> MessageText {
        let mut filled = String::new();
        for part in &self.parts {
            filled.push_str(match part {
                Part::Words(words) => words,
                Part::Placeholder(name) => value(name).or_else(|| of_text(text, name)).unwrap_or_default(),
            });
        }
        filled.retain(|c| c != '\0');
        filled.truncate(filled.floor_char_boundary(MessageText::BYTES_MAX));
        // Neither too long nor with a NUL, so it is a text.
        filled.parse().unwrap_or_default()
    }
}

fn of_text<'a>(text: &'a Text, name: &str) -> Option<&'a str> {
    match name {
        "from" => Some(text.received.from.as_str()),
        "text" => Some(text.trimmed()),
        "backend" => Some(text.backend.as_str()),
        _ => None,
    }
}

fn parts(written: &str) -> Result<Vec<Part>, TemplateError> {
    let mut parts = Vec::new();
    let mut words = String::new();
    let mut characters = written.chars();
    while let Some(character) = characters.next() {
        match character {
            '{' if characters.as_str().starts_with('{') => words.extend(characters.next()),
            '}' if characters.as_str().starts_with('}') => words.extend(characters.next()),
            '{' => {
                let (name, behind) = characters.as_str().split_once('}').ok_or(TemplateError::Alone)?;
                if name.is_empty() || name.contains(['{', '\n']) {
                    return Err(TemplateError::Alone);
                }
                parts.push(Part::Words(std::mem::take(&mut words)));
                parts.push(Part::Placeholder(name.to_owned()));
                characters = behind.chars();
            }
            '}' => return Err(TemplateError::Alone),
            other => words.push(other),
        }
    }
    parts.push(Part::Words(words));
    Ok(parts)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::applications::text;

    fn template(written: &str) -> Result<Template, TemplateError> {
        Template::new(&written.parse().unwrap(), &["1", "rest"])
    }

    #[track_caller]
    fn check(written: &str, expected: &str) {
        let (template, text) = (template(written).unwrap(), text(" two  words "));
        let value = |name: &str| (name == "1").then_some("one");
        assert_eq!(template.fill(&text, value).as_str(), expected);
    }

    #[test]
    fn placeholders_are_filled_in() {
        check("plain", "plain");
        check("{1}", "one");
        check("Thanks, {1}{rest}!", "Thanks, one!");
        check("{from} on {backend} said: {text}", "+15555550177 on story said: two  words");
        check("{{1}} {{{1}}} }}{{ ${{x}}", "{1} {one} }{ ${x}");
    }

    #[test]
    fn what_cannot_be_filled_in_is_refused() {
        let exist = ["1", "backend", "from", "rest", "text"].map(str::to_owned).into();
        let unknown = template("a {2} b").unwrap_err();
        assert_eq!(unknown, TemplateError::Unknown { name: "2".to_owned(), exist });
        assert!(unknown.to_string().starts_with("there is no {2} here; there are {1}, {backend}, {from}"), "{unknown}");
        for alone in ["{", "}", "a { b", "{1}}", "{}", "{a{b}", "{{{", r#"{"#] {
            assert_eq!(template(alone).unwrap_err(), TemplateError::Alone, "{alone}");
        }
        assert_eq!(template(" \n").unwrap_err(), TemplateError::Empty);
    }

    #[test]
    fn what_is_too_long_is_cut_off_between_characters() {
        let long = "ä".repeat(MessageText::BYTES_MAX / 2);
        let filled = template("x{1}").unwrap().fill(&text(""), |_| Some(&long));
        assert_eq!(filled.as_str().len(), MessageText::BYTES_MAX - 1);
    }

    proptest! {
        #[test]
        fn any_words_can_be_written_with_their_braces_twice(words in "[a{}1 🐘]{1,20}", value in "\\PC*\0?") {
            let escaped = words.replace('{', "{{").replace('}', "}}");
            if let Ok(template) = template(&escaped) {
                let filled = template.fill(&text(""), |_| None);
                prop_assert_eq!(filled.as_str(), words.as_str());
            } else {
                prop_assert!(words.trim().is_empty());
            }
            if let Ok(template) = template(&words) {
                template.fill(&text(""), |_| Some(&value));
            }
        }
    }
}
