//! `conversation`: leads people through questions that are configured, one dialogue at a time.

mod dialogue;
mod memory;
mod question;

use std::collections::BTreeMap;

use protocol::{MessageText, Phase};

use crate::application::{Application, Known, Recall, Reply, Said, Text};
use crate::config::{self, Again, ConfigError};
use crate::matching::{Closeness, Words};
use crate::template::Template;
use dialogue::{Dialogue, Goal};
use memory::{Memory, UnderWay};
use question::{Answers, Question};

pub(super) const NAME: &str = "conversation";

/// All dialogues: a person is in one of them at a time.
#[derive(Debug)]
pub(super) struct Conversation {
    dialogues: BTreeMap<String, Dialogue>,
}

impl Conversation {
    pub(super) fn new(config: &BTreeMap<String, config::Dialogue>) -> Result<Self, ConfigError> {
        let dialogues = config.iter().map(|(name, dialogue)| Ok((name.clone(), Dialogue::new(name, dialogue)?)));
        let dialogues: BTreeMap<String, Dialogue> = dialogues.collect::<Result<_, ConfigError>>()?;
        let mut owners: BTreeMap<&[String], &str> = BTreeMap::new();
        for dialogue in dialogues.values() {
            for (_, phrase) in dialogue.start.phrases() {
                if let Some(other) = owners.insert(phrase, &dialogue.name).filter(|other| *other != dialogue.name) {
                    let told = format!("{:?} begins {other} and {}", phrase.join(" "), dialogue.name);
                    return Err(ConfigError::of_key("router.conversation", told));
                }
            }
        }
        Ok(Self { dialogues })
    }

    /// A text of somebody who is in no dialogue.
    fn begin(&self, text: &Text, memory: Memory, is_changed: bool) -> Said {
        let words = Words::of(text.words.as_str());
        let starting = self.dialogues.values().rev();
        let starting = starting.filter_map(|dialogue| Some((dialogue.start.take(&words)?.closeness, dialogue)));
        match starting.max_by_key(|(closeness, _)| *closeness) {
            Some((_, dialogue)) => dialogue.begin(text, 0, Memory { missed: None, ..memory }),
            None if is_changed => memory.kept(Said::pass().because("a dialogue was not answered in time")),
            None => Said::pass(),
        }
    }
}

impl Application for Conversation {
    fn name(&self) -> &str {
        NAME
    }

    fn phases(&self) -> &[Phase] {
        &[Phase::Handle, Phase::Default]
    }

    fn recall(&self, _phase: Phase, _text: &Text) -> Recall {
        Recall::Person
    }

    fn handle(&self, text: &Text, known: &Known) -> Said {
        let mut memory = Memory::of(known);
        let is_changed = memory.missed.take().is_some();
        let Some(under_way) = memory.under_way.take() else { return self.begin(text, memory, is_changed) };
        // What is not configured any more is forgotten.
        let Some(dialogue) = self.dialogues.get(&under_way.dialogue) else { return self.begin(text, memory, true) };
        if !dialogue.is_late(text, &under_way) {
            return dialogue.go_on(text, under_way, memory);
        }
        memory.missed = dialogue.timed_out.is_some().then_some(under_way);
        self.begin(text, memory, true)
    }

    fn default(&self, text: &Text, known: &Known) -> Said {
        let mut memory = Memory::of(known);
        let Some(missed) = memory.missed.take() else { return Said::pass() };
        let timed_out = self.dialogues.get(&missed.dialogue).and_then(|dialogue| dialogue.timed_out.as_ref());
        let Some(timed_out) = timed_out else { return memory.kept(Said::pass()) };
        let said = Said::reply(filled(timed_out, text, &missed.answers));
        memory.kept(said.because(format!("dialogue {}: timed out", missed.dialogue)))
    }
}

impl Dialogue {
    fn is_late(&self, text: &Text, under_way: &UnderWay) -> bool {
        self.timeout
            < std::time::Duration::try_from(text.received_at.duration_since(under_way.asked_at)).unwrap_or_default()
    }

    /// Asks its first question, which so many texts have not answered yet.
    fn begin(&self, text: &Text, tries: u32, memory: Memory) -> Said {
        // The first step is a question: it was checked.
        let Some(question) = self.question(&self.first) else { return Said::pass() };
        let under_way = UnderWay {
            dialogue: self.name.clone(),
            step: self.first.clone(),
            tries,
            asked_at: text.now,
            answers: BTreeMap::new(),
            order: Vec::new(),
        };
        self.ask(question, text, under_way, memory)
    }

    /// Asks the question of the step that is under way.
    fn ask(&self, question: &Question, text: &Text, under_way: UnderWay, memory: Memory) -> Said {
        let reason = format!("dialogue {}: asks {}", self.name, under_way.step);
        let said = Said::reply(filled(&question.ask, text, &under_way.answers)).because(reason);
        Memory { under_way: Some(UnderWay { asked_at: text.now, ..under_way }), ..memory }.kept(said)
    }

    /// Ends it without its answers.
    fn leave(&self, words: &Template, reason: &str, text: &Text, under_way: &UnderWay, memory: Memory) -> Said {
        let said = Said::reply(filled(words, text, &under_way.answers));
        memory.kept(said.because(format!("dialogue {}: {reason}", self.name)))
    }

    /// A text of somebody who is in this dialogue, and in time.
    fn go_on(&self, text: &Text, mut under_way: UnderWay, memory: Memory) -> Said {
        let Some(question) = self.question(&under_way.step) else {
            return self.leave(&self.changed, "its question is gone", text, &under_way, memory);
        };
        let words = Words::of(text.words.as_str());
        if self.cancel.iter().any(|phrase| words.are(phrase)) {
            return self.leave(&self.cancelled, "cancelled", text, &under_way, memory);
        }
        let answer = question.answers.read(text.words.as_str());
        let is_open = matches!(question.answers, Answers::Any);
        if (answer.is_none() || is_open) && self.is_begun_again(&words, is_open) {
            // Counted, or who is called as the dialogue is could never answer, and never be let go.
            let tries = under_way.tries.saturating_add(1);
            return match self.again {
                _ if question.tries_max <= tries => self.leave(&self.gave_up, "given up", text, &under_way, memory),
                Again::Resume => self.ask(question, text, UnderWay { tries, ..under_way }, memory),
                Again::Restart => self.begin(text, tries, memory),
            };
        }
        let Some(answer) = answer else { return self.not_taken(question, text, under_way, memory) };
        let goal = self.after(question, &answer);
        under_way.answer(answer);
        match goal {
            Goal::Question(step, question) => {
                under_way.step_to(step);
                self.ask(question, text, under_way, memory)
            }
            Goal::End(words) => self.end(words, text, under_way, memory),
        }
    }

    /// Whether these are words that begin it, and nothing else. To an open question, what a pattern matches is an answer.
    fn is_begun_again(&self, words: &Words<'_>, is_open: bool) -> bool {
        self.start.take(words).is_some_and(|start| match start.closeness {
            Closeness::Words(_) => Words::of(start.rest).is_empty(),
            Closeness::Exact => true,
            Closeness::Pattern => !is_open,
            Closeness::All => false,
        })
    }

    fn not_taken(&self, question: &Question, text: &Text, under_way: UnderWay, memory: Memory) -> Said {
        let tries = under_way.tries.saturating_add(1);
        if question.tries_max <= tries {
            return self.leave(&self.gave_up, "given up", text, &under_way, memory);
        }
        let words = question.invalid.as_ref().unwrap_or(&question.ask);
        let reason = format!("dialogue {}: the answer to {} is not taken", self.name, under_way.step);
        let said = Said::reply(filled(words, text, &under_way.answers)).because(reason);
        Memory { under_way: Some(UnderWay { tries, asked_at: text.now, ..under_way }), ..memory }.kept(said)
    }

    fn end(&self, words: &Template, text: &Text, under_way: UnderWay, mut memory: Memory) -> Said {
        let mut said = Said::reply(filled(words, text, &under_way.answers));
        if let Some((to, message)) = &self.notify {
            said.replies
                .push(Reply { to: Some(to.clone()), ..Reply::to_sender(filled(message, text, &under_way.answers)) });
        }
        memory.under_way = Some(under_way);
        memory.finish(text.now);
        memory.kept(said.because(format!("dialogue {}: at its end", self.name)))
    }
}

fn filled(template: &Template, text: &Text, answers: &BTreeMap<String, String>) -> MessageText {
    template.fill(text, |name| answers.get(name).map(String::as_str))
}

#[cfg(test)]
mod tests;
