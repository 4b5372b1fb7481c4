//! `subscription`: people say STOP, START and HELP, and what they chose is on record. Egress keeps to it.

use std::collections::{BTreeMap, BTreeSet};

use protocol::{MessageText, Phase};

use crate::application::{Application, Choice, Consent, Known, Recall, Reply, Said, Text};
use crate::config::{Chosen, ConfigError, SubscriptionWords};

pub(super) const NAME: &str = "subscription";

#[derive(Debug)]
pub(super) struct Subscription {
    /// By what is left of them when they are folded.
    words: BTreeMap<String, Word>,
}

/// What a word means.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
enum Meaning {
    Stop,
    Start,
    Help,
}

#[derive(Clone, Debug)]
struct Word {
    meaning: Meaning,
    reply: Option<MessageText>,
}

impl Subscription {
    pub(super) fn new(config: &SubscriptionWords) -> Result<Self, ConfigError> {
        let mut subscription = Self { words: BTreeMap::new() };
        subscription.add([&config.stop, &config.start, &config.help])?;
        for language in config.languages.values() {
            subscription.add([&language.stop, &language.start, &language.help])?;
        }
        Ok(subscription)
    }

    fn add(&mut self, chosen: [&Chosen; 3]) -> Result<(), ConfigError> {
        for (Chosen { words, reply }, meaning) in chosen.into_iter().zip([Meaning::Stop, Meaning::Start, Meaning::Help])
        {
            let reply = reply.as_ref().filter(|reply| !reply.as_str().trim().is_empty());
            // With and without its accents, one word may stand in a list twice: it means the same.
            let mut own = BTreeSet::new();
            for word in words {
                let folded = fold(word);
                if folded.is_empty() {
                    return Err(ConfigError::EmptyWord { word: word.clone() });
                }
                let earlier = self.words.insert(folded.clone(), Word { meaning, reply: reply.cloned() });
                if own.insert(folded) && earlier.is_some() {
                    return Err(ConfigError::SameWord { word: word.clone() });
                }
            }
        }
        Ok(())
    }

    /// Whether a text of these words reaches no other application, of anybody who is not out.
    pub(super) fn claims(&self, words: &str) -> bool {
        self.words.get(&fold(words)).is_some_and(|word| match word.meaning {
            Meaning::Stop => true,
            Meaning::Start => false,
            Meaning::Help => word.reply.is_some(),
        })
    }

    /// The word that a text is, all by itself, and what it means.
    fn word(&self, text: &Text) -> Option<(String, &Word)> {
        let folded = fold(text.words.as_str());
        // Without an answer there is nothing to say to HELP: the text is for others.
        let word = self.words.get(&folded).filter(|word| word.meaning != Meaning::Help || word.reply.is_some())?;
        Some((folded, word))
    }
}

/// The letters and digits of a text, folded: what people write around a word says nothing.
fn fold(text: &str) -> String {
    crate::fold::fold(text).chars().filter(|character| character.is_alphanumeric()).collect()
}

impl Application for Subscription {
    fn name(&self) -> &str {
        NAME
    }

    fn phases(&self) -> &[Phase] {
        &[Phase::Filter]
    }

    fn recall(&self, _phase: Phase, text: &Text) -> Recall {
        if self.word(text).is_some() { Recall::Choice } else { Recall::Nothing }
    }

    fn filter(&self, text: &Text, known: &Known) -> Said {
        let Some((folded, Word { meaning, reply })) = self.word(text) else { return Said::pass() };
        let is_out = known.choice == Some(Choice::Out);
        let (choice, because) = match meaning {
            Meaning::Stop if is_out => {
                // On record, or a START from before that is late would take effect. Nothing is answered, or two machines
                // would tell each other for ever.
                let consent = Some(Consent { choice: Some(Choice::Out), word: folded });
                return Said { consent, ..Said::take() }.because("the person is out already");
            }
            Meaning::Stop => (Some(Choice::Out), "the person opted out"),
            // It may be the answer to a question.
            Meaning::Start if !is_out => return Said::pass(),
            Meaning::Start => (Some(Choice::In), "the person is back"),
            Meaning::Help => (None, "the person asked for help"),
        };
        let replies = reply.iter().cloned().map(Reply::to_sender).collect();
        // Who is not out needs no permission to be answered.
        let consent = (choice.is_some() || is_out).then_some(Consent { choice, word: folded });
        Said { replies, consent, ..Said::take() }.because(because)
    }
}

#[cfg(test)]
mod tests;
