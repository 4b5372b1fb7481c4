//! What an application is: it takes part in phases of a text's way, and says what shall come of it.

use std::collections::BTreeMap;
use std::fmt;

use protocol::{Address, BackendName, EventId, MessageReceived, MessageSend, MessageText, Phase, SessionId, Timestamp};
use serde_json::Value;
pub use store::Choice;

/// An application: decides what a text is answered with.
///
/// Pure: it sees a text and what is remembered of its person, and says what shall come of it. To send and to remember
/// is the router's work. It may be asked twice about one text, after a crash, with the same memory, and then says the
/// same.
///
/// It is asked in the phases that it names, and has the method of each; those of the others are never called.
pub trait Application: fmt::Debug + Send + Sync {
    /// The name by which the configuration, every answer and the record know it.
    fn name(&self) -> &str;

    /// The phases in which it takes part.
    fn phases(&self) -> &[Phase];

    /// What it wants to know before it is asked. Asked for each text in each of its phases: "nothing" costs nothing.
    fn recall(&self, _phase: Phase, _text: &Text) -> Recall {
        Recall::Nothing
    }

    /// Phase `filter`: to take a text is to end it here, with a reply or without.
    fn filter(&self, _text: &Text, _known: &Known) -> Said {
        Said::pass()
    }

    /// Phase `parse`: may change the words and note something for the others.
    fn parse(&self, _text: &Text, _known: &Known) -> Said {
        Said::pass()
    }

    /// Phase `handle`: may take the text; then no further application is asked to.
    fn handle(&self, _text: &Text, _known: &Known) -> Said {
        Said::pass()
    }

    /// Phase `default`: as `handle`, for what no application took there.
    fn default(&self, _text: &Text, _known: &Known) -> Said {
        Said::pass()
    }

    /// Phase `cleanup`: how it went. It may remember something; it is too late to reply.
    fn cleanup(&self, _text: &Text, _known: &Known, _taken_by: Option<&str>) -> Said {
        Said::pass()
    }

    /// Phase `outgoing`: a message is about to be sent.
    fn outgoing(&self, _message: &MessageSend) -> Sending {
        Sending::Pass
    }
}

/// A text on its way through the applications.
#[derive(Clone, PartialEq, Eq)]
pub struct Text {
    /// The id of its event; the id of each message that answers it is derived from it.
    pub id: EventId,
    /// The backend that it came through.
    pub backend: BackendName,
    /// The conversation: the Tropo session that carried it.
    pub correlation_id: Option<SessionId>,
    /// When it came in.
    pub received_at: Timestamp,
    /// The text as it came in: who, to whom, and the words as they were written.
    pub received: MessageReceived,
    /// The words, as the applications of phase `parse` have left them so far.
    pub words: MessageText,
    /// What the applications of phase `parse` have noted so far.
    pub notes: BTreeMap<String, String>,
    /// Now. The same for all that are asked about the text in one go.
    pub now: Timestamp,
}

impl Text {
    /// The words without what stands around them.
    #[must_use]
    pub fn trimmed(&self) -> &str {
        self.words.as_str().trim()
    }
}

/// Shows the names of the notes alone: what is noted may be a person's words.
impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { id, backend, correlation_id, received_at, received, words, notes, now } = self;
        f.debug_struct("Text")
            .field("id", id)
            .field("backend", backend)
            .field("correlation_id", correlation_id)
            .field("received_at", received_at)
            .field("received", received)
            .field("words", words)
            .field("notes", &notes.keys())
            .field("now", now)
            .finish()
    }
}

/// What an application wants to know before it is asked.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub enum Recall {
    /// Nothing.
    Nothing,
    /// What it remembers of this person on this backend.
    Person,
    /// How many people it remembers each value of, over all backends; and of this person. Values of more than
    /// [`store::TALLIED_CHARS_MAX`] characters, as JSON, are not counted.
    Tally,
    /// What this person chose last about being texted on this backend.
    Choice,
}

/// What the router knows for an application, as far as it asked.
#[derive(Clone, PartialEq, Eq, Default)]
pub struct Known {
    /// What it remembers of this person.
    pub memory: Option<Value>,
    /// When it remembered that.
    pub remembered_at: Option<Timestamp>,
    /// How many people it remembers each value of; the key is the value's JSON.
    pub tally: BTreeMap<String, u64>,
    /// What the person chose last about being texted; `None`: nothing yet.
    pub choice: Option<Choice>,
}

/// Shows no value: it may quote what a person texted.
impl fmt::Debug for Known {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { memory, remembered_at, tally, choice } = self;
        f.debug_struct("Known")
            .field("remembers", &memory.is_some())
            .field("remembered_at", remembered_at)
            .field("tallied", &tally.len())
            .field("choice", choice)
            .finish()
    }
}

/// What an application says to a text.
#[derive(Clone, PartialEq, Default)]
pub struct Said {
    /// Whether it takes the text; phases `filter`, `handle` and `default` alone.
    pub takes: bool,
    /// What it is answered with, in this order.
    pub replies: Vec<Reply>,
    /// The words from now on; phase `parse` alone.
    pub words: Option<MessageText>,
    /// What it notes for the others; phase `parse` alone.
    pub notes: BTreeMap<String, String>,
    /// What it remembers of this person from now on.
    pub remember: Remember,
    /// What the person chose about being texted at all.
    pub consent: Option<Consent>,
    /// Whether the text is for an application on the bus, which the router hands it to.
    pub offered: bool,
    /// How many messages it had sent by itself while it was asked: they answer the text, too.
    pub sent: u32,
    /// Why, for the record. Never a person's number or words.
    pub because: Option<String>,
}

impl Said {
    /// Nothing: the next application is asked.
    #[must_use]
    pub fn pass() -> Self {
        Self::default()
    }

    /// The text is taken, and nothing is said to it now.
    #[must_use]
    pub fn take() -> Self {
        Self { takes: true, ..Self::default() }
    }

    /// The text is taken, and answered with these words.
    #[must_use]
    pub fn reply(words: MessageText) -> Self {
        Self { replies: vec![Reply::to_sender(words)], ..Self::take() }
    }

    /// The same, for that reason.
    #[must_use]
    pub fn because(self, reason: impl Into<String>) -> Self {
        Self { because: Some(reason.into()), ..self }
    }

    /// The same, and this is remembered of the person from now on.
    #[must_use]
    pub fn remembering(self, value: Value) -> Self {
        Self { remember: Remember::Value(value), ..self }
    }

    /// The same, and what was remembered of the person is forgotten.
    #[must_use]
    pub fn forgetting(self) -> Self {
        Self { remember: Remember::Nothing, ..self }
    }

    /// Whether it is the same as having said nothing, but for the reason.
    #[must_use]
    pub fn is_pass(&self) -> bool {
        Self { because: None, ..self.clone() } == Self::pass()
    }
}

/// Shows the names of the notes alone: what is noted may be a person's words.
impl fmt::Debug for Said {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { takes, replies, words, notes, remember, consent, offered, sent, because } = self;
        f.debug_struct("Said")
            .field("takes", takes)
            .field("replies", replies)
            .field("words", words)
            .field("notes", &notes.keys())
            .field("remember", remember)
            .field("consent", consent)
            .field("offered", offered)
            .field("sent", sent)
            .field("because", because)
            .finish()
    }
}

/// A message that answers a text.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Reply {
    /// Who gets it; the sender of the text where it is left out.
    pub to: Option<Address>,
    /// The words.
    pub text: MessageText,
    /// Until when it is worth sending; left out: as long as any message.
    pub expires_at: Option<Timestamp>,
}

impl Reply {
    /// To whoever texted.
    #[must_use]
    pub fn to_sender(text: MessageText) -> Self {
        Self { to: None, text, expires_at: None }
    }
}

/// What becomes of what an application remembers of a person.
#[derive(Clone, PartialEq, Default)]
pub enum Remember {
    /// It stays as it is.
    #[default]
    Same,
    /// It is this from now on.
    Value(Value),
    /// It is forgotten.
    Nothing,
}

/// Shows no value: it may quote what a person texted.
impl fmt::Debug for Remember {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Same => "Same",
            Self::Value(_) => "Value(..)",
            Self::Nothing => "Nothing",
        })
    }
}

/// What a person chose about being texted.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Consent {
    /// In or out; `None`: nothing changes, but the reply to this text may be sent to whoever is out.
    pub choice: Option<Choice>,
    /// The word that was texted, as it is configured.
    pub word: String,
}

/// What an application says to a message that is about to be sent.
#[derive(Clone, PartialEq, Eq, Debug)]
pub enum Sending {
    /// Nothing.
    Pass,
    /// These words shall be sent instead.
    Words(MessageText),
    /// It shall not be sent, for that reason.
    Cancel(String),
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;
    use crate::applications::text;

    #[test]
    fn debug_shows_nothing_of_a_person() {
        let notes = BTreeMap::from([("name".to_owned(), "private".to_owned())]);
        let text = Text { notes: notes.clone(), words: "private".parse().unwrap(), ..text("private") };
        let tally = BTreeMap::from([("\"private\"".to_owned(), 1)]);
        let known = Known { memory: Some(json!({ "private": "private" })), tally, ..Known::default() };
        let said = Said { notes, ..Said::reply("private".parse().unwrap()).remembering(json!("private")) };
        let shown = format!("{text:?} {known:?} {said:?}");
        assert!(shown.contains("name") && !shown.contains("private"), "{shown}");
    }
}
