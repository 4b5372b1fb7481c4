//! `keyword`: answers texts that begin with a configured word or words.

use std::collections::BTreeMap;

use protocol::{MessageText, Phase};

use crate::application::{Application, Known, Said, Text};
use crate::config::{ConfigError, KeywordRule};

pub(super) const NAME: &str = "keyword";

/// The rules by keyword, folded; longer keywords come first, so that "stop all" is found before "stop".
#[derive(Debug)]
pub(super) struct Keyword {
    rules: Vec<(Vec<String>, MessageText)>,
}

impl Keyword {
    pub(super) fn new(config: &BTreeMap<String, KeywordRule>) -> Result<Self, ConfigError> {
        let mut rules: Vec<(Vec<String>, MessageText)> = Vec::new();
        let mut owners: BTreeMap<Vec<String>, &str> = BTreeMap::new();
        for (name, rule) in config {
            if rule.reply.as_str().trim().is_empty() {
                return Err(ConfigError::EmptyReply { key: format!("router.keyword.{name}.reply") });
            }
            let own_name = [name.clone()];
            let keywords = if rule.words.is_empty() { own_name.as_slice() } else { rule.words.as_slice() };
            for keyword in keywords {
                let words: Vec<String> = folded(keyword).collect();
                if words.is_empty() {
                    return Err(ConfigError::EmptyKeyword { rule: name.clone() });
                }
                if let Some(other) = owners.insert(words.clone(), name) {
                    return Err(ConfigError::SameKeyword { rule: name.clone(), other: other.to_owned() });
                }
                rules.push((words, rule.reply.clone()));
            }
        }
        rules.sort_by_key(|(words, _)| std::cmp::Reverse(words.len()));
        Ok(Self { rules })
    }
}

/// The words of a text as they are compared: without case, and without the punctuation around them.
fn folded(text: &str) -> impl Iterator<Item = String> {
    text.split_whitespace()
        .map(|word| word.trim_matches(|c: char| c.is_ascii_punctuation()).to_lowercase())
        .filter(|word| !word.is_empty())
}

impl Application for Keyword {
    fn name(&self) -> &str {
        NAME
    }

    fn phases(&self) -> &[Phase] {
        &[Phase::Handle]
    }

    fn handle(&self, text: &Text, _known: &Known) -> Said {
        let longest = self.rules.first().map_or(0, |(words, _)| words.len());
        let text: Vec<String> = folded(text.words.as_str()).take(longest).collect();
        let rule = self.rules.iter().find(|(words, _)| text.starts_with(words));
        rule.map_or_else(Said::pass, |(_, reply)| Said::reply(reply.clone()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applications::text;

    fn rule(words: &[&str], reply: &str) -> KeywordRule {
        KeywordRule { words: words.iter().map(|&word| word.to_owned()).collect(), reply: reply.parse().unwrap() }
    }

    fn keyword(rules: Vec<(&str, KeywordRule)>) -> Result<Keyword, ConfigError> {
        Keyword::new(&rules.into_iter().map(|(name, rule)| (name.to_owned(), rule)).collect())
    }

    #[track_caller]
    fn check(words: &str, expected: Option<&str>) {
        let rules = vec![
            ("ping", rule(&[], "pong")),
            ("hours", rule(&["hours", "Öffnungszeiten"], "9 to 5")),
            ("all-hours", rule(&["hours all"], "always")),
        ];
        let expected = expected.map_or_else(Said::pass, |reply| Said::reply(reply.parse().unwrap()));
        assert_eq!(keyword(rules).unwrap().handle(&text(words), &Known::default()), expected, "{words}");
    }

    #[test]
    fn a_text_is_known_by_its_first_words() {
        check("ping", Some("pong"));
        check("  PING! are you there", Some("pong"));
        check("öffnungszeiten?", Some("9 to 5"));
        check("hours ALL week", Some("always"));
        check("hours", Some("9 to 5"));
        check("pinging", None);
        check("I say ping", None);
        check("", None);
        check("?!", None);
    }

    #[test]
    fn rules_that_could_not_work_are_refused() {
        let empty = keyword(vec![("a", rule(&[], " "))]);
        assert_eq!(empty.unwrap_err(), ConfigError::EmptyReply { key: "router.keyword.a.reply".to_owned() });
        let any = keyword(vec![("a", rule(&["!"], "x"))]);
        assert_eq!(any.unwrap_err(), ConfigError::EmptyKeyword { rule: "a".to_owned() });
        let twice = keyword(vec![("a", rule(&[], "x")), ("b", rule(&["A"], "y"))]);
        assert_eq!(twice.unwrap_err(), ConfigError::SameKeyword { rule: "b".to_owned(), other: "a".to_owned() });
    }
}
