//! Answers that can be chosen from, each with other words that mean the same.

use std::collections::BTreeMap;

use crate::config::Options;
use crate::matching::{Words, phrase};

/// The answers by the words that mean them, folded.
#[derive(Clone, Debug)]
pub(super) struct Choices {
    names: Vec<String>,
    by_words: BTreeMap<Vec<String>, String>,
}

impl Choices {
    /// # Errors
    /// What is wrong, in words.
    pub(super) fn new(options: &Options) -> Result<Self, String> {
        let names: Vec<String> = match options {
            Options::Plain(names) => names.clone(),
            Options::WithSynonyms(options) => options.keys().cloned().collect(),
        };
        if names.is_empty() {
            return Err("is empty: write at least one answer".to_owned());
        }
        let mut by_words = BTreeMap::new();
        for (at, name) in names.iter().enumerate() {
            let is_repeated = names.iter().take(at).any(|earlier| earlier == name);
            let synonyms = match options {
                Options::Plain(_) => &[],
                Options::WithSynonyms(options) => options.get(name).map_or([].as_slice(), Vec::as_slice),
            };
            if is_repeated {
                return Err(format!("{name:?} stands twice"));
            }
            for written in std::iter::once(name).chain(synonyms) {
                let words = phrase(written).map_err(|error| error.to_string())?;
                if let Some(other) = by_words.insert(words, name.clone()).filter(|other| other != name) {
                    return Err(format!("{written:?} stands for {other:?} and for {name:?}"));
                }
            }
        }
        Ok(Self { names, by_words })
    }

    /// The answers, as they are configured.
    pub(super) fn names(&self) -> &[String] {
        &self.names
    }

    /// The answer that these words mean.
    pub(super) fn find(&self, words: &Words<'_>) -> Option<&str> {
        self.by_words.iter().find(|(phrase, _)| words.are(phrase)).map(|(_, name)| name.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(names: &[&str]) -> Result<Choices, String> {
        Choices::new(&Options::Plain(names.iter().map(|&name| name.to_owned()).collect()))
    }

    #[test]
    fn an_answer_is_known_by_any_of_its_words() {
        let synonyms = BTreeMap::from([
            ("yes".to_owned(), vec!["y".to_owned(), "of course".to_owned(), "Yés".to_owned()]),
            ("no".to_owned(), Vec::new()),
        ]);
        let choices = Choices::new(&Options::WithSynonyms(synonyms)).unwrap();
        for (words, expected) in
            [("YES!", Some("yes")), ("of  course", Some("yes")), ("no", Some("no")), ("yes no", None), ("", None)]
        {
            assert_eq!(choices.find(&Words::of(words)), expected, "{words}");
        }
        assert_eq!(choices.names(), ["no", "yes"]);
    }

    #[test]
    fn words_that_mean_nothing_or_two_things_are_refused() {
        assert!(plain(&[]).unwrap_err().contains("at least one"));
        assert!(plain(&["yes", "?"]).unwrap_err().contains("no letters"));
        assert!(plain(&["yes", "YES!"]).unwrap_err().contains("stands for \"yes\" and for"));
        assert!(plain(&["yes", "yes"]).unwrap_err().contains("stands twice"));
    }
}
