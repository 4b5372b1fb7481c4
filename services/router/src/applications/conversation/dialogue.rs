//! A dialogue as it is configured, checked: every way through it asks, and comes to an end.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use protocol::{Address, MessageText};

use super::question::{Answers, Question};
use crate::config::{self, Again, ConfigError, DialogueStep, NextStep};
use crate::matching::{Matching, Takes, phrase};
use crate::template::{OF_EVERY_TEXT, Template};

/// The step that no step may be called: it leads to the end.
const END: &str = "end";

/// A dialogue.
#[derive(Debug)]
pub(super) struct Dialogue {
    pub(super) name: String,
    pub(super) start: Matching,
    /// Where it begins.
    pub(super) first: String,
    questions: BTreeMap<String, Question>,
    /// The steps that are ends.
    ends: BTreeMap<String, Template>,
    pub(super) reply: Template,
    pub(super) timeout: Duration,
    pub(super) timed_out: Option<Template>,
    pub(super) cancel: Vec<Vec<String>>,
    pub(super) cancelled: Template,
    pub(super) gave_up: Template,
    pub(super) changed: Template,
    pub(super) again: Again,
    pub(super) notify: Option<(Address, Template)>,
}

/// Where an answer leads to.
pub(super) enum Goal<'a> {
    Question(&'a str, &'a Question),
    End(&'a Template),
}

impl Dialogue {
    /// # Errors
    /// [`ConfigError`] names the key.
    pub(super) fn new(name: &str, config: &config::Dialogue) -> Result<Self, ConfigError> {
        let read = Reader { name, names: names(name, &config.steps)? };
        let own_name = [name.to_owned()];
        let mut takes = Takes { words: &config.words, exact: &config.exact, pattern: config.pattern.as_deref() };
        if takes.words.is_empty() && takes.exact.is_empty() && takes.pattern.is_none() {
            takes.words = &own_name;
        }
        let start = Matching::new(takes).map_err(|error| read.wrong(error.key(), error.to_string()))?;
        let cancel = config.cancel.iter().map(|word| phrase(word)).collect::<Result<_, _>>();
        let mut questions = BTreeMap::new();
        let mut ends = BTreeMap::new();
        for (at, step) in config.steps.iter().enumerate() {
            match (&step.ask, &step.end) {
                (Some(ask), None) => {
                    let following = config.steps.get(at + 1).map_or(END, |step| step.name.as_str());
                    questions.insert(step.name.clone(), read.question(ask, step, following)?);
                }
                (None, Some(end)) => {
                    if step.next.is_some() {
                        return Err(read.wrong(&format!("steps.{}.next", step.name), "comes after an end"));
                    }
                    ends.insert(step.name.clone(), read.template(&format!("steps.{}.end", step.name), end)?);
                }
                (Some(_), Some(_)) | (None, None) => {
                    let told = "must either ask a question or end the dialogue: write ask or end";
                    return Err(read.wrong(&format!("steps.{}", step.name), told));
                }
            }
        }
        let first = config.steps.first().map(|step| step.name.clone()).unwrap_or_default();
        let notify = match (&config.to, &config.message) {
            (Some(to), Some(message)) => Some((to.address().clone(), read.template("message", message)?)),
            (None, None) => None,
            (Some(_), None) | (None, Some(_)) => {
                return Err(read.wrong("to", "and message belong together: who is told of the answers, and how"));
            }
        };
        let dialogue = Self {
            name: name.to_owned(),
            start,
            first,
            questions,
            ends,
            reply: read.template("reply", &config.reply)?,
            timeout: config.timeout,
            timed_out: config.timed_out.as_ref().map(|text| read.template("timed_out", text)).transpose()?,
            cancel: cancel.map_err(|error| read.wrong("cancel", error.to_string()))?,
            cancelled: read.template("cancelled", &config.cancelled)?,
            gave_up: read.template("gave_up", &config.gave_up)?,
            changed: read.template("changed", &config.changed)?,
            again: config.again,
            notify,
        };
        dialogue.check_ways(&read)?;
        dialogue.check_words(&read)?;
        dialogue.check_answers(&read)?;
        Ok(dialogue)
    }

    /// The question of a step, if there is that step.
    pub(super) fn question(&self, step: &str) -> Option<&Question> {
        self.questions.get(step)
    }

    /// Where the answer to a question leads to.
    pub(super) fn after<'a>(&'a self, question: &'a Question, answer: &str) -> Goal<'a> {
        let step = question.next(answer);
        match (self.questions.get(step), self.ends.get(step)) {
            (Some(question), _) => Goal::Question(step, question),
            (None, end) => Goal::End(end.unwrap_or(&self.reply)),
        }
    }

    /// Finds names that no step has, steps that nobody comes to, and ways without an end.
    fn check_ways(&self, read: &Reader<'_>) -> Result<(), ConfigError> {
        if !self.questions.contains_key(&self.first) {
            return Err(read.wrong("steps", "must begin with a question"));
        }
        let ways = self.ways();
        let is_known = |step: &str| step == END || self.questions.contains_key(step) || self.ends.contains_key(step);
        for (name, ways) in &ways {
            if let Some(unknown) = ways.iter().find(|step| !is_known(step)) {
                return Err(read.wrong(&format!("steps.{name}.next"), format!("there is no step {unknown:?}")));
            }
        }
        let steps = self.steps();
        let is_led_to = |step: &str, seen: &BTreeSet<&str>| {
            seen.iter().any(|from| ways.get(from).is_some_and(|ways| ways.contains(step)))
        };
        let reached = closure(BTreeSet::from([self.first.as_str()]), is_led_to, &steps);
        if let Some(step) = steps.iter().find(|step| !reached.contains(*step)) {
            return Err(read.wrong(&format!("steps.{step}"), "is a step that no other leads to"));
        }
        let leads_on = |step: &str, seen: &BTreeSet<&str>| ways.get(step).is_some_and(|ways| !ways.is_disjoint(seen));
        let ending = closure(self.ends.keys().map(String::as_str).chain([END]).collect(), leads_on, &steps);
        match steps.iter().find(|step| !ending.contains(*step)) {
            Some(step) => Err(read.wrong(&format!("steps.{step}"), "leads to no end")),
            None => Ok(()),
        }
    }

    /// Finds answers that would end it.
    fn check_words(&self, read: &Reader<'_>) -> Result<(), ConfigError> {
        for (step, question) in &self.questions {
            let is_answer = |phrase: &[String]| question.answers.chosen(&phrase.join(" ")).is_some();
            if let Some(phrase) = self.cancel.iter().find(|phrase| is_answer(phrase)) {
                let told = format!(
                    "{:?} ends the dialogue, and is an answer to {step}: set other words that end it, or take another answer",
                    phrase.join(" ")
                );
                return Err(read.wrong("cancel", told));
            }
        }
        Ok(())
    }

    /// Finds words with a placeholder for the answer to a question that cannot have been asked by then.
    fn check_answers(&self, read: &Reader<'_>) -> Result<(), ConfigError> {
        let asked = self.questions.iter().flat_map(|(step, question)| {
            let invalid = question.invalid.iter().map(move |invalid| (step, "invalid", invalid));
            std::iter::once((step, "ask", &question.ask)).chain(invalid)
        });
        for (step, key, template) in asked.chain(self.ends.iter().map(|(step, end)| (step, "end", end))) {
            let before = self.before(step);
            let mut steps = template.placeholders().filter(|name| read.names.contains(name));
            if let Some(early) = steps.find(|name| !before.contains(name)) {
                let told = format!("{{{early}}} is not known here: no way leads from that question to this");
                return Err(read.wrong(&format!("steps.{step}.{key}"), told));
            }
        }
        Ok(())
    }

    /// The questions that may have been answered when a step is come to. Who comes to it again begins anew from there.
    fn before(&self, step: &str) -> BTreeSet<&str> {
        let (ways, steps) = (self.ways(), self.steps());
        let is_led_to = |to: &str, seen: &BTreeSet<&str>| {
            seen.iter().filter(|from| **from != step).any(|from| ways.get(from).is_some_and(|ways| ways.contains(to)))
        };
        let earlier = closure(BTreeSet::from([self.first.as_str()]), is_led_to, &steps);
        let leads_on = |from: &str, seen: &BTreeSet<&str>| ways.get(from).is_some_and(|ways| !ways.is_disjoint(seen));
        let leading = closure(steps.iter().copied().filter(|name| *name == step).collect(), leads_on, &steps);
        earlier.intersection(&leading).copied().filter(|name| *name != step).collect()
    }

    /// The steps that come next after each question.
    fn ways(&self) -> BTreeMap<&str, BTreeSet<&str>> {
        self.questions.iter().map(|(name, question)| (name.as_str(), question.ways())).collect()
    }

    fn steps(&self) -> Vec<&str> {
        self.questions.keys().chain(self.ends.keys()).map(String::as_str).collect()
    }
}

/// A set with all that belongs to it because of what is in it already.
fn closure<'a>(
    mut seen: BTreeSet<&'a str>,
    belongs: impl Fn(&str, &BTreeSet<&'a str>) -> bool,
    all: &[&'a str],
) -> BTreeSet<&'a str> {
    loop {
        let more: Vec<&str> = all.iter().copied().filter(|step| !seen.contains(step) && belongs(step, &seen)).collect();
        if more.is_empty() {
            return seen;
        }
        seen.extend(more);
    }
}

/// The names of the steps, each once, and such that they can stand in a reply.
fn names<'a>(dialogue: &str, steps: &'a [DialogueStep]) -> Result<BTreeSet<&'a str>, ConfigError> {
    let mut names = BTreeSet::new();
    for step in steps {
        let name = step.name.as_str();
        let is_plain = !name.is_empty() && name.chars().all(|c| c.is_alphanumeric() || matches!(c, '_' | '-'));
        let told = if !is_plain {
            "is no name of a step: letters, digits, _ and - are"
        } else if name == END || OF_EVERY_TEXT.contains(&name) {
            "means something else already: call the step otherwise"
        } else if !names.insert(name) {
            "is the name of two steps"
        } else {
            continue;
        };
        return Err(ConfigError::of_key(format!("router.conversation.{dialogue}.steps"), format!("{name:?} {told}")));
    }
    Ok(names)
}

/// What reads the keys of one dialogue.
struct Reader<'a> {
    name: &'a str,
    names: BTreeSet<&'a str>,
}

impl Reader<'_> {
    fn wrong(&self, key: &str, told: impl Into<String>) -> ConfigError {
        ConfigError::of_key(format!("router.conversation.{}.{key}", self.name), told)
    }

    fn template(&self, key: &str, text: &MessageText) -> Result<Template, ConfigError> {
        let names: Vec<&str> = self.names.iter().copied().collect();
        Template::new(text, &names).map_err(|error| self.wrong(key, error.to_string()))
    }

    fn question(&self, ask: &MessageText, step: &DialogueStep, following: &str) -> Result<Question, ConfigError> {
        let key = |key: &str| format!("steps.{}.{key}", step.name);
        let answers = Answers::new(step).map_err(|(at, told)| self.wrong(&key(at), told))?;
        let (by_answer, otherwise) = match &step.next {
            None => (BTreeMap::new(), following),
            Some(NextStep::Always(step)) => (BTreeMap::new(), step.as_str()),
            Some(NextStep::ByAnswer(by_answer)) => (by_answer.clone(), following),
        };
        if let Some(answer) = by_answer.keys().find(|answer| !answers.names().contains(answer)) {
            return Err(self.wrong(&key("next"), format!("{answer:?} is none of the answers of one_of")));
        }
        let tries_max = step.tries_max.unwrap_or(3);
        if tries_max == 0 {
            return Err(self.wrong(&key("tries_max"), "must be at least 1: nobody could answer"));
        }
        let invalid = step.invalid.as_ref().map(|text| self.template(&key("invalid"), text)).transpose()?;
        let ask = self.template(&key("ask"), ask)?;
        Ok(Question { ask, answers, invalid, tries_max, by_answer, otherwise: otherwise.to_owned() })
    }
}
