//! The words that applications wait for.

use super::{Config, Dialogue, Options};

/// A key, and a word that stands there.
type Awaited<'a> = (String, &'a str);

impl Config {
    /// What a text may be, all by itself, that a rule of an application is about.
    pub(crate) fn awaited(&self) -> Vec<Awaited<'_>> {
        let mut awaited = Vec::new();
        for (name, rule) in &self.keyword {
            let key = format!("router.keyword.{name}");
            awaited.extend(by(&key, name, rule.words.all(), rule.exact.all(), rule.pattern.is_some()));
        }
        if let Some(help) = &self.keyword_help {
            awaited.extend(at("router.keyword_help", "words", &help.words));
        }
        for (name, dialogue) in &self.conversation {
            awaited.extend(dialogue.awaited(name));
        }
        for (name, poll) in &self.poll {
            awaited.extend(by(&format!("router.poll.{name}"), name, poll.words.iter().collect(), Vec::new(), false));
        }
        for (name, group) in &self.group {
            awaited.extend(by(&format!("router.group.{name}"), name, group.words.iter().collect(), Vec::new(), false));
        }
        awaited
    }
}

impl Dialogue {
    fn awaited<'a>(&'a self, name: &'a str) -> Vec<Awaited<'a>> {
        let key = format!("router.conversation.{name}");
        let (words, exact) = (self.words.iter().collect(), self.exact.iter().collect());
        let mut awaited = by(&key, name, words, exact, self.pattern.is_some());
        awaited.extend(at(&key, "cancel", &self.cancel));
        for step in &self.steps {
            let options = step.one_of.iter().flat_map(Options::words);
            awaited.extend(options.map(|word| (format!("{key}.steps.{}.one_of", step.name), word)));
        }
        awaited
    }
}

/// The words of a rule; its name, where it says nothing of the texts that it takes.
fn by<'a>(
    key: &str,
    name: &'a str,
    words: Vec<&'a String>,
    exact: Vec<&'a String>,
    has_pattern: bool,
) -> Vec<Awaited<'a>> {
    if words.is_empty() && exact.is_empty() && !has_pattern {
        return vec![(key.to_owned(), name)];
    }
    at(key, "words", words).chain(at(key, "exact", exact)).collect()
}

fn at<'a>(table: &str, key: &str, words: impl IntoIterator<Item = &'a String>) -> impl Iterator<Item = Awaited<'a>> {
    let key = format!("{table}.{key}");
    words.into_iter().map(move |word| (key.clone(), word.as_str()))
}
