//! `keyword`: answers texts by configured words or patterns, in the language of the words.

use std::collections::{BTreeMap, BTreeSet};

use protocol::Phase;

use crate::application::{Application, Known, Said, Text};
use crate::config::{ConfigError, KeywordHelp, KeywordRule};
use crate::matching::{Captured, Matching, Takes, Words};
use crate::template::{OF_EVERY_TEXT, Template};

pub(super) const NAME: &str = "keyword";

/// The rules, and the list of them.
#[derive(Debug)]
pub(super) struct Keyword {
    rules: Vec<Rule>,
    help: Option<Help>,
}

/// A rule in one of its languages.
#[derive(Debug)]
struct Rule {
    /// Its name, with the language: for the record.
    name: String,
    matching: Matching,
    reply: Template,
    help: Option<Template>,
}

#[derive(Debug)]
struct Help {
    matching: Matching,
    reply: Template,
    /// The help of each rule.
    list: Vec<Template>,
}

impl Keyword {
    pub(super) fn new(config: &BTreeMap<String, KeywordRule>, help: Option<&KeywordHelp>) -> Result<Self, ConfigError> {
        let mut rules = Vec::new();
        for (name, rule) in config {
            rules.extend(in_languages(name, rule)?);
        }
        let help = help.map(|help| Help::new(help, config)).transpose()?;
        let of_help = help.as_ref().map(|help| ("keyword_help", &help.matching));
        let mut owners: BTreeMap<(bool, &[String]), &str> = BTreeMap::new();
        for (name, matching) in rules.iter().map(|rule| (rule.name.as_str(), &rule.matching)).chain(of_help) {
            for phrase in matching.phrases() {
                if let Some(other) = owners.insert(phrase, name).filter(|other| *other != name) {
                    let told = format!("{:?} is taken by {other} and by {name}", phrase.1.join(" "));
                    return Err(ConfigError::of_key("router.keyword", told));
                }
            }
        }
        Ok(Self { rules, help })
    }

    /// The rule that is meant: the one that takes the text most closely, and of those the first.
    fn find<'a>(&self, words: &Words<'a>) -> Option<(&Rule, Captured<'a>)> {
        let taking = self.rules.iter().rev().filter_map(|rule| Some((rule, rule.matching.take(words)?)));
        taking.max_by_key(|(_, captured)| captured.closeness)
    }
}

/// A rule, once for each of its languages.
fn in_languages(name: &str, rule: &KeywordRule) -> Result<Vec<Rule>, ConfigError> {
    let key = |key: &str| format!("router.keyword.{name}.{key}");
    let mut languages: BTreeSet<Option<&str>> =
        rule.words.languages().into_iter().chain(rule.exact.languages()).collect();
    if rule.pattern.is_some() || languages.is_empty() {
        languages.insert(None);
    }
    if let Some(language) = rule.replies.keys().find(|language| !languages.contains(&Some(language.as_str()))) {
        let told = format!("there are no words in {language:?}: write them as words = {{ {language} = [\"...\"] }}");
        return Err(ConfigError::of_key(key("replies"), told));
    }
    let own_name = [name.to_owned()];
    let help = rule.help.as_ref().map(|help| Template::new::<&str>(help, &[])).transpose();
    let help = help.map_err(|error| ConfigError::of_key(key("help"), error.to_string()))?;
    let in_language = |language: Option<&str>| {
        let mut takes = Takes { words: rule.words.of(language), exact: rule.exact.of(language), pattern: None };
        if language.is_none() {
            takes.pattern = rule.pattern.as_deref();
            if takes.words.is_empty() && takes.exact.is_empty() && takes.pattern.is_none() {
                takes.words = &own_name;
            }
        }
        let matching =
            Matching::new(takes).map_err(|error| ConfigError::of_key(key(error.key()), error.to_string()))?;
        if matching.is_all() {
            let told = "is a language without a word: write at least one";
            return Err(ConfigError::of_key(key(&format!("words.{}", language.unwrap_or_default())), told));
        }
        let own = language.and_then(|language| Some((format!("replies.{language}"), rule.replies.get(language)?)));
        let (at, reply) = match (own, &rule.reply) {
            (Some((at, reply)), _) => (at, reply),
            (None, Some(reply)) => ("reply".to_owned(), reply),
            (None, None) => {
                let told = language.map_or_else(
                    || "is missing: write what people shall get".to_owned(),
                    |language| format!("is missing, and there is none in {language:?}: write what people shall get"),
                );
                return Err(ConfigError::of_key(key("reply"), told));
            }
        };
        let reply = Template::new(reply, &matching.placeholders());
        let reply = reply.map_err(|error| ConfigError::of_key(key(&at), error.to_string()))?;
        let name = language.map_or_else(|| name.to_owned(), |language| format!("{name} in {language}"));
        Ok(Rule { name, matching, reply, help: help.clone() })
    };
    languages.into_iter().map(in_language).collect()
}

impl Rule {
    fn said(&self, text: &Text, captured: &Captured<'_>) -> Said {
        let is_missing = |name: &str| !OF_EVERY_TEXT.contains(&name) && captured.get(name).is_none_or(str::is_empty);
        let reason = format!("rule {}", self.name);
        if let Some(help) = &self.help
            && self.reply.placeholders().any(is_missing)
        {
            return Said::reply(help.fill(text, |_| None)).because(format!("{reason}: its help"));
        }
        let reply = self.reply.fill(text, |name| captured.get(name));
        if reply.as_str().trim().is_empty() {
            return Said::pass().because(format!("{reason}: its reply would be empty"));
        }
        Said::reply(reply).because(reason)
    }
}

impl Help {
    fn new(config: &KeywordHelp, rules: &BTreeMap<String, KeywordRule>) -> Result<Self, ConfigError> {
        let key = |key: &str| format!("router.keyword_help.{key}");
        let matching = Matching::new(Takes { words: &config.words, ..Takes::default() });
        let matching = matching.map_err(|error| ConfigError::of_key(key(error.key()), error.to_string()))?;
        if matching.is_all() {
            return Err(ConfigError::of_key(key("words"), "is empty: write the word that asks for the list"));
        }
        let reply = Template::new(&config.reply, &["list"]);
        let reply = reply.map_err(|error| ConfigError::of_key(key("reply"), error.to_string()))?;
        // Each was read with its rule.
        let list: Vec<Template> =
            rules.values().filter_map(|rule| Template::new::<&str>(rule.help.as_ref()?, &[]).ok()).collect();
        if list.is_empty() {
            let told = "has nothing to list: give at least one rule of router.keyword a help";
            return Err(ConfigError::of_key("router.keyword_help", told));
        }
        Ok(Self { matching, reply, list })
    }

    /// The help of the rule that it is asked for, or of all.
    fn said(&self, text: &Text, asked_for: Option<&Rule>) -> Said {
        if let Some(help) = asked_for.and_then(|rule| rule.help.as_ref()) {
            return Said::reply(help.fill(text, |_| None)).because("help of one rule");
        }
        let list: Vec<_> = self.list.iter().map(|help| help.fill(text, |_| None)).collect();
        let list = list.iter().map(protocol::MessageText::as_str).collect::<Vec<_>>().join("\n");
        Said::reply(self.reply.fill(text, |name| (name == "list").then_some(list.as_str())))
            .because("help of all rules")
    }
}

impl Application for Keyword {
    fn name(&self) -> &str {
        NAME
    }

    fn phases(&self) -> &[Phase] {
        &[Phase::Handle]
    }

    fn handle(&self, text: &Text, _known: &Known) -> Said {
        let words = Words::of(text.words.as_str());
        let found = self.find(&words);
        let help = self.help.as_ref().and_then(|help| Some((help, help.matching.take(&words)?)));
        let closeness = found.as_ref().map(|(_, captured)| captured.closeness);
        match (help, found) {
            (Some((help, asked)), _) if closeness < Some(asked.closeness) => {
                let about = Words::of(asked.rest);
                help.said(text, self.find(&about).map(|(rule, _)| rule))
            }
            (_, Some((rule, captured))) => rule.said(text, &captured),
            (_, None) => Said::pass(),
        }
    }
}

#[cfg(test)]
mod tests;
