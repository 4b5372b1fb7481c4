//! The five questions about a text or a message, answered from what is on record. Pure: what is on record is gathered in
//! `gather.rs`.
//!
//! Did Tropo get the text? Did Tropo call us? Was our answer good? Did we call Tropo back? Did Tropo send the message?
//!
//! Invariant: a yes has evidence. What is not on record is not known, and is said to be.

mod answers;
mod cause;
mod evidence;
mod gather;
mod sending;
mod texting;
mod tropo_log;
mod words;

use protocol::{BackendName, EventId, SessionId, Timestamp};
use serde::{Deserialize, Serialize};
use store::{JournalEvent, Logged, Subject};
use utoipa::ToSchema;

use crate::simulated::TropoLine;
use crate::{Backend, Message};
use answers::Found;
pub use cause::{Advice, Cause};
pub use evidence::{Evidence, Source};
pub(crate) use gather::Sought;

/// What happened to a text or a message.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Explanation {
    /// The text or message that was asked for; left out of a session that is neither, or that Tropo's log alone knows.
    pub about: Option<Message>,
    /// The text that it answers, where it is a message and its text is on record.
    pub text: Option<Message>,
    /// The sessions of the conversation: that of the text first, then those that were created for messages.
    pub sessions: Vec<TropoSession>,
    /// How it stands.
    pub outcome: Outcome,
    /// The same in a sentence.
    pub verdict: String,
    /// The five questions, in their order.
    pub questions: Vec<Question>,
    /// The number of the first question whose answer is no.
    pub first_no: Option<u8>,
    /// What is wrong, and what to do: of the first no; where there is none, of what keeps an answer from being known.
    pub advice: Option<Advice>,
    /// The messages that answer the text, each with its own answers to the questions 4 and 5; or the message itself.
    pub replies: Vec<Reply>,
    /// How many more messages answer it.
    pub replies_more: u64,
    /// Whether Tropo's log was read.
    pub tropo_log: TropoLog,
    /// Everything that is on record of it, in order.
    pub timeline: Vec<Evidence>,
}

/// A Tropo session of a conversation.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct TropoSession {
    /// Its id.
    #[schema(value_type = String)]
    pub id: SessionId,
    /// The message that it was created for; left out for the session that carried the text.
    #[schema(value_type = Option<String>, format = Uuid)]
    pub message_id: Option<EventId>,
}

/// How it stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Tropo sent the message.
    Worked,
    /// It ended without a message, as somebody decided: an application, or the person who opted out.
    Intended,
    /// It ended without a message.
    Failed,
    /// It has not ended.
    UnderWay,
    /// It cannot be told.
    NotKnown,
}

/// A question, and its answer.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Question {
    /// 1 to 5.
    pub number: u8,
    /// The question.
    pub question: String,
    /// The answer.
    pub answer: Answer,
    /// The answer in a sentence.
    pub because: String,
    /// What it rests on.
    pub evidence: Vec<Evidence>,
}

/// An answer.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Answer {
    /// It did not happen.
    No,
    /// It is not on record, or not yet.
    NotKnown,
    /// It happened: there is evidence.
    Yes,
}

/// A message that answers a text.
#[derive(Clone, Serialize, Deserialize, ToSchema)]
pub struct Reply {
    /// The message.
    pub message: Message,
    /// The questions 4 and 5 about it.
    pub questions: Vec<Question>,
    /// What is wrong with it, and what to do.
    pub advice: Option<Advice>,
}

/// Whether Tropo's log was read.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum TropoLog {
    /// It was.
    Read,
    /// There is none to be read: `console.simulator` is not set.
    None,
    /// The simulator did not answer.
    Away,
}

/// Everything that is on record of a text, or of a message.
pub(crate) struct Case {
    /// What was asked for.
    pub(crate) about: Option<Logged>,
    /// The text, or the session that is none, that began the conversation.
    pub(crate) text: Option<Logged>,
    /// The messages that are explained.
    pub(crate) messages: Vec<Logged>,
    /// Those beyond them, of which no event is read: their lines tell how they stand.
    pub(crate) more: Vec<Logged>,
    /// The events of the conversation.
    pub(crate) events: Vec<JournalEvent>,
    /// Whether Tropo's log was read.
    pub(crate) tropo_log: TropoLog,
    /// The lines of Tropo's log about the sessions of the conversation.
    pub(crate) lines: Vec<TropoLine>,
    /// What the configuration has of the backend.
    pub(crate) backend: Option<Backend>,
    /// Now.
    pub(crate) now: Timestamp,
    /// Whether numbers and words may be shown.
    pub(crate) sees_people: bool,
}

impl Case {
    /// Answers the questions.
    pub(crate) fn explain(&self) -> Explanation {
        let texting = texting::answers(self);
        let all = self.messages.iter().chain(&self.more);
        let sendings: Vec<_> = all.map(|message| sending::answers(self, message)).collect();
        let [fourth, fifth] = sending::overall(self, &texting, &sendings);
        let [first, second, third] = texting;
        let founds = [first, second, third, fourth, fifth];
        let advised = founds.iter().find(|found| found.answer == Answer::No && found.cause.is_some());
        let advised = advised.or_else(|| founds.iter().find(|found| found.cause.is_some()));
        let advice = advised.and_then(|found| self.advice(found));
        let first_no = (1..).zip(&founds).find(|(_, found)| found.answer == Answer::No).map(|(number, _)| number);
        let (outcome, verdict) = words::verdict(self, &founds, advice.as_ref());
        let replies = self.messages.iter().zip(sendings).map(|(message, founds)| self.reply(message, founds));
        Explanation {
            about: self.about.as_ref().filter(|line| line.subject != Subject::Session).map(|line| self.shown(line)),
            text: self.text_of_message().map(|line| self.shown(line)),
            sessions: self.sessions(),
            outcome,
            verdict,
            replies: replies.collect(),
            replies_more: u64::try_from(self.more.len()).unwrap_or(u64::MAX),
            questions: (1..).zip(founds).map(|(number, found)| found.question(number)).collect(),
            first_no,
            advice,
            tropo_log: self.tropo_log,
            timeline: evidence::timeline(self),
        }
    }

    /// Whether a message was asked for.
    fn is_about_message(&self) -> bool {
        self.about.as_ref().is_some_and(|line| line.subject == Subject::Message)
    }

    fn text_of_message(&self) -> Option<&Logged> {
        self.text.as_ref().filter(|_| self.is_about_message())
    }

    fn shown(&self, line: &Logged) -> Message {
        Message::seen(line.clone(), self.sees_people)
    }

    fn reply(&self, message: &Logged, founds: [Found; 2]) -> Reply {
        let advice = founds.iter().find(|found| found.cause.is_some()).and_then(|found| self.advice(found));
        let questions = (4..).zip(founds).map(|(number, found)| found.question(number)).collect();
        Reply { message: self.shown(message), questions, advice }
    }

    fn advice(&self, found: &Found) -> Option<Advice> {
        let backend = self.backend_name();
        let backend = backend.as_ref().map_or("NAME", BackendName::as_str);
        found.cause.map(|cause| cause.advice(&found.because, backend, self.backend.as_ref()))
    }

    /// The backend; of a session that Tropo's log alone knows, that which it posted to.
    fn backend_name(&self) -> Option<BackendName> {
        let of_line = self.about.as_ref().or(self.text.as_ref()).map(|line| line.backend.clone());
        of_line.or_else(|| self.lines.iter().find_map(tropo_log::backend))
    }

    /// The session of the text.
    fn text_session(&self) -> Option<&SessionId> {
        let text = self.text.as_ref();
        let of_text = text.and_then(|text| text.session_id.as_ref().or(text.correlation_id.as_ref()));
        // Without a text, and without messages, Tropo's log is about the session that was asked for.
        let of_log = || self.lines.first().and_then(|line| line.session_id.as_ref());
        of_text.or_else(|| if self.about.is_none() { of_log() } else { None })
    }

    fn sessions(&self) -> Vec<TropoSession> {
        let of_text = self.text_session().map(|id| TropoSession { id: id.clone(), message_id: None });
        let of_messages = self.messages.iter().flat_map(|message| {
            let sessions = self.sessions_of(message).into_iter();
            sessions.map(|id| TropoSession { id, message_id: Some(message.id) })
        });
        of_text.into_iter().chain(of_messages).collect()
    }

    /// The sessions that were created for a message, as far as they are on record.
    pub(crate) fn sessions_of(&self, message: &Logged) -> Vec<SessionId> {
        let of_events = self.events_of(Subject::Message, message.id).filter_map(|event| event.session_id.as_ref());
        let mut sessions: Vec<SessionId> = Vec::new();
        for session in of_events.chain(&message.session_id) {
            if !sessions.contains(session) && self.text_session() != Some(session) {
                sessions.push(session.clone());
            }
        }
        sessions
    }

    /// The events about a text or message, the oldest first.
    fn events_of(&self, subject: Subject, id: EventId) -> impl Iterator<Item = &JournalEvent> {
        self.events.iter().filter(move |event| event.of == Some((subject, id)))
    }

    /// The lines of Tropo's log about a session.
    fn lines_of<'a>(&'a self, session: &'a SessionId) -> impl Iterator<Item = &'a TropoLine> {
        self.lines.iter().filter(move |line| line.session_id.as_ref() == Some(session))
    }
}

#[cfg(test)]
mod tests;
