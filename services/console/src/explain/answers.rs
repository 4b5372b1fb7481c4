//! An answer to one of the questions, as it is found.

use super::cause::Cause;
use super::evidence::Evidence;
use super::{Answer, Question};

/// The questions, in their order.
const QUESTIONS: [&str; 5] = [
    "Did Tropo get the text?",
    "Did Tropo call us?",
    "Was our answer good?",
    "Did we call Tropo back?",
    "Did Tropo send the message?",
];

/// An answer, and what it rests on.
#[derive(Clone)]
pub(super) struct Found {
    pub(super) answer: Answer,
    pub(super) because: String,
    pub(super) evidence: Vec<Evidence>,
    /// What is wrong.
    pub(super) cause: Option<Cause>,
    /// Whether something is still to come.
    pub(super) is_open: bool,
}

impl Found {
    /// Yes; without evidence it is not known.
    pub(super) fn yes(because: impl Into<String>, evidence: Vec<Evidence>) -> Self {
        let answer = if evidence.is_empty() { Answer::NotKnown } else { Answer::Yes };
        Self { answer, because: because.into(), evidence, cause: None, is_open: false }
    }

    /// No.
    pub(super) fn no(because: impl Into<String>, evidence: Vec<Evidence>) -> Self {
        Self { answer: Answer::No, because: because.into(), evidence, cause: None, is_open: false }
    }

    /// It cannot be told.
    pub(super) fn not_known(because: impl Into<String>) -> Self {
        Self { answer: Answer::NotKnown, because: because.into(), evidence: Vec::new(), cause: None, is_open: false }
    }

    /// It has not happened, and may yet.
    pub(super) fn not_yet(because: impl Into<String>, evidence: Vec<Evidence>) -> Self {
        Self { evidence, is_open: true, ..Self::not_known(because) }
    }

    /// The same, with what is wrong.
    pub(super) fn for_cause(self, cause: Cause) -> Self {
        Self { cause: Some(cause), ..self }
    }

    /// As it is told.
    pub(super) fn question(self, number: u8) -> Question {
        let Self { answer, because, evidence, .. } = self;
        let question = usize::from(number).checked_sub(1).and_then(|index| QUESTIONS.get(index));
        Question { number, question: question.copied().unwrap_or_default().to_owned(), answer, because, evidence }
    }
}
