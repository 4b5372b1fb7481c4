//! What `conversation` remembers of a person: the dialogue that is under way, and the answers of those that ended.

use std::collections::BTreeMap;

use protocol::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::application::{Known, Said};

/// What is remembered of a person.
#[derive(Clone, PartialEq, Eq, Default, Serialize, Deserialize)]
pub(super) struct Memory {
    pub(super) under_way: Option<UnderWay>,
    /// The dialogues that came to their end, by their names: the last time of each.
    #[serde(default)]
    pub(super) finished: BTreeMap<String, Finished>,
    /// The dialogue that this text would have been an answer to, had it come in time: until the text is answered.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(super) missed: Option<UnderWay>,
}

/// A dialogue under way.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct UnderWay {
    pub(super) dialogue: String,
    /// The step whose question is open.
    pub(super) step: String,
    /// How many answers to it could not be taken.
    pub(super) tries: u32,
    pub(super) asked_at: Timestamp,
    /// The answers so far, by their steps.
    pub(super) answers: BTreeMap<String, String>,
    /// The steps that were answered, in their order.
    #[serde(default)]
    pub(super) order: Vec<String>,
}

impl UnderWay {
    /// The open question is answered.
    pub(super) fn answer(&mut self, answer: String) {
        self.order.push(self.step.clone());
        self.answers.insert(self.step.clone(), answer);
    }

    /// Another question is open now. If it was answered before, that answer and those after it are of a way not taken.
    pub(super) fn step_to(&mut self, step: &str) {
        step.clone_into(&mut self.step);
        self.tries = 0;
        if let Some(at) = self.order.iter().position(|answered| answered == step) {
            for answered in self.order.drain(at..) {
                self.answers.remove(&answered);
            }
        }
    }
}

/// A dialogue that came to its end.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Finished {
    at: Timestamp,
    answers: BTreeMap<String, String>,
}

/// The memory as it is written, with its version.
#[derive(Serialize, Deserialize)]
#[serde(tag = "version")]
enum Written {
    #[serde(rename = "1")]
    V1(Memory),
}

impl Memory {
    /// Reads what is known. What is of a version to come is as if nothing was remembered.
    pub(super) fn of(known: &Known) -> Self {
        let written = known.memory.as_ref().and_then(|value| Written::deserialize(value).ok());
        written.map_or_else(Self::default, |Written::V1(memory)| memory)
    }

    /// The same, and the dialogue under way is at its end.
    pub(super) fn finish(&mut self, at: Timestamp) {
        if let Some(UnderWay { dialogue, answers, .. }) = self.under_way.take() {
            self.finished.insert(dialogue, Finished { at, answers });
        }
    }

    /// What was said, and from now on this is remembered.
    pub(super) fn kept(self, said: Said) -> Said {
        if self == Self::default() {
            return said.forgetting();
        }
        // Maps of strings and numbers: they can always be written.
        said.remembering(serde_json::to_value(Written::V1(self)).unwrap_or(Value::Null))
    }
}
