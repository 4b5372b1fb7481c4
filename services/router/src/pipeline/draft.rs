//! What has come of a text so far.

use std::collections::BTreeMap;
use std::time::Duration;

use protocol::{
    Address, AskedApplication, EventId, Kind, MessageOffered, MessageSend, Phase, RoutedOutcome, SaidWord, Timestamp,
};
use serde_json::Value;
use store::{Change, ConsentChange, Keep, Memories, MemoryKey};

use super::Stopped;
use crate::application::{Consent, Known, Recall, Remember, Reply, Said, Text};
use crate::routed::Routed;

/// What has come of a text so far.
pub(super) struct Draft {
    pub(super) text: Text,
    /// Who took it.
    pub(super) taken_by: Option<String>,
    /// In which phase.
    taken_in: Option<Phase>,
    /// The messages that answer it, each with its number: that is part of its id, and stays when another is cancelled.
    pub(super) messages: Vec<(u32, MessageSend)>,
    /// How many messages whoever took it had sent by itself.
    sent: u32,
    offered: Option<MessageOffered>,
    asked: Vec<AskedApplication>,
    /// What was looked up, and what is to be remembered from now on.
    learned: BTreeMap<String, Learned>,
    consent: Option<ConsentChange>,
    /// Whether somebody was asked who might say something else the next time.
    pub(super) is_from_elsewhere: bool,
    /// Whether it was looked up that there is no record of the text.
    is_new: bool,
}

/// What an application remembers of the person.
#[derive(Clone)]
struct Learned {
    /// The version that was read; 0: nothing was remembered.
    seen: u64,
    value: Option<Value>,
    at: Option<Timestamp>,
    is_changed: bool,
}

impl Draft {
    pub(super) fn new(text: Text) -> Self {
        Self {
            text,
            taken_by: None,
            taken_in: None,
            messages: Vec::new(),
            sent: 0,
            offered: None,
            asked: Vec::new(),
            learned: BTreeMap::new(),
            consent: None,
            is_from_elsewhere: false,
            is_new: false,
        }
    }

    /// What came of the text when it was handled before.
    pub(super) async fn recorded(&mut self, memories: &dyn Memories) -> Result<Option<Routed>, Stopped> {
        if self.is_new {
            return Ok(None);
        }
        let record = memories.recorded(self.text.id).await.map_err(Stopped::Memories)?;
        self.is_new = record.is_none();
        record.map(|record| Routed::from_record(&record)).transpose().map_err(Stopped::Unreadable)
    }

    /// What an application wants to know.
    pub(super) async fn known(
        &mut self,
        application: &str,
        recall: Recall,
        memories: &dyn Memories,
    ) -> Result<Known, Stopped> {
        let tally = match recall {
            Recall::Nothing => return Ok(Known::default()),
            Recall::Person => BTreeMap::new(),
            Recall::Tally => memories.tally(application).await.map_err(Stopped::Memories)?,
            Recall::Choice => {
                let (backend, person) = (&self.text.backend, &self.text.received.from);
                let choice = memories.chosen(backend, person).await.map_err(Stopped::Memories)?;
                return Ok(Known { choice, ..Known::default() });
            }
        };
        self.know(application, memories).await?;
        let learned = self.learned.get(application);
        Ok(Known {
            memory: learned.and_then(|learned| learned.value.clone()),
            remembered_at: learned.and_then(|learned| learned.at),
            tally,
            choice: None,
        })
    }

    /// Sees to it that is known what an application remembers of the person: whoever changes it names what it was.
    pub(super) async fn know(&mut self, application: &str, memories: &dyn Memories) -> Result<(), Stopped> {
        if !self.learned.contains_key(application) {
            let learned = self.learn(application, memories).await?;
            self.learned.insert(application.to_owned(), learned);
        }
        Ok(())
    }

    async fn learn(&self, application: &str, memories: &dyn Memories) -> Result<Learned, Stopped> {
        let keys = [self.key(application)];
        let memory = memories.recall(&keys).await.map_err(Stopped::Memories)?.into_iter().next();
        let Some(memory) = memory else { return Ok(Learned { seen: 0, value: None, at: None, is_changed: false }) };
        let value = serde_json::from_str(&memory.value).map_err(Stopped::Unreadable)?;
        Ok(Learned { seen: memory.version, value: Some(value), at: Some(memory.changed_at), is_changed: false })
    }

    fn key(&self, application: &str) -> MemoryKey {
        let person = self.text.received.from.clone();
        MemoryKey { application: application.to_owned(), backend: self.text.backend.clone(), person }
    }

    /// Takes what an application said; whether it takes the text.
    pub(super) fn take(&mut self, application: &str, phase: Phase, said: Said, took: Duration) -> bool {
        let takes = said.takes && matches!(phase, Phase::Filter | Phase::Handle | Phase::Default);
        let word = match (takes, said.is_pass()) {
            (true, _) => SaidWord::Took,
            (false, true) => SaidWord::Passed,
            (false, false) => SaidWord::Changed,
        };
        let Said { replies, words, notes, remember, consent, offered, sent, because, .. } = said;
        self.note(application, phase, word, took, because);
        if phase == Phase::Parse {
            self.text.notes.extend(notes);
            if let Some(words) = words {
                self.text.words = words;
            }
        }
        self.remember(application, remember);
        if takes {
            self.consent(consent, replies.is_empty());
            for reply in replies {
                self.reply(application, reply);
            }
            if offered {
                self.offered = Some(self.offer(application));
            }
            self.sent = sent;
            (self.taken_by, self.taken_in) = (Some(application.to_owned()), Some(phase));
        }
        takes
    }

    pub(super) fn note(
        &mut self,
        application: &str,
        phase: Phase,
        said: SaidWord,
        took: Duration,
        because: Option<String>,
    ) {
        let took_us = u64::try_from(took.as_micros()).unwrap_or(u64::MAX);
        self.asked.push(AskedApplication { application: application.to_owned(), phase, said, took_us, because });
    }

    fn remember(&mut self, application: &str, remember: Remember) {
        let value = match remember {
            Remember::Same => return,
            Remember::Value(value) => Some(value),
            Remember::Nothing => None,
        };
        let Some(learned) = self.learned.get_mut(application) else { return };
        learned.is_changed |= learned.value != value;
        learned.value = value;
        learned.at = Some(self.text.now);
    }

    fn consent(&mut self, consent: Option<Consent>, is_silent: bool) {
        let Some(Consent { choice, word }) = consent else { return };
        let number = u32::try_from(self.messages.len()).unwrap_or(u32::MAX);
        self.consent = Some(ConsentChange {
            cause: self.text.id,
            backend: self.text.backend.clone(),
            person: self.text.received.from.clone(),
            choice,
            word,
            reply: (!is_silent).then(|| message_id(self.text.id, number)),
            at: self.text.received_at,
        });
    }

    fn reply(&mut self, application: &str, Reply { to, text, expires_at }: Reply) {
        let received = &self.text.received;
        let message = MessageSend {
            to: to.unwrap_or_else(|| received.from.clone()),
            text,
            from: received.to.clone().filter(Address::is_dialable),
            network: received.network.clone(),
            application: Some(application.to_owned()),
            expires_at,
        };
        let number = u32::try_from(self.messages.len()).unwrap_or(u32::MAX);
        self.messages.push((number, message));
    }

    fn offer(&self, application: &str) -> MessageOffered {
        let received = self.text.received.clone();
        MessageOffered {
            application: application.to_owned(),
            session_id: received.session_id,
            from: received.from,
            to: received.to,
            text: self.text.words.clone(),
            network: received.network,
            notes: self.text.notes.clone(),
        }
    }

    /// Everything, and what is to be kept of it.
    ///
    /// # Errors
    /// None, in fact: what is written is our own.
    pub(super) fn end(self) -> Result<(Routed, Option<Keep>), Stopped> {
        let outcome = self.outcome();
        let changed = self.learned.iter().filter(|(_, learned)| learned.is_changed);
        let changes: Vec<Change> = changed
            .map(|(application, learned)| Change {
                key: self.key(application),
                seen: learned.seen,
                value: learned.value.as_ref().map(Value::to_string),
            })
            .collect();
        // Who else gets a message may be otherwise in another configuration, and the ids would be other people's.
        let has_others = self.messages.iter().any(|(_, message)| message.to != self.text.received.from);
        let is_kept = !changes.is_empty() || self.consent.is_some() || self.is_from_elsewhere || has_others;
        let Self { text, taken_by, messages, sent, offered, asked, consent, .. } = self;
        let routed = Routed { outcome, application: taken_by, messages, sent, offered, asked };
        let keep = if is_kept {
            let record = routed.to_record().map_err(Stopped::Unreadable)?;
            Some(Keep { text: text.id, record, changes, consent, at: text.now })
        } else {
            None
        };
        Ok((routed, keep))
    }

    fn outcome(&self) -> RoutedOutcome {
        match self.taken_in {
            _ if self.offered.is_some() => RoutedOutcome::Offered,
            _ if !self.messages.is_empty() || self.sent != 0 => RoutedOutcome::Answered,
            Some(Phase::Filter) => RoutedOutcome::Filtered,
            Some(_) => RoutedOutcome::Taken,
            None => RoutedOutcome::Unanswered,
        }
    }

    /// The trail of a text that an application did not answer.
    pub(super) fn given_up(
        &mut self,
        application: &str,
        phase: Phase,
        said: SaidWord,
        took: Duration,
        because: String,
    ) -> Routed {
        self.note(application, phase, said, took, Some(because));
        Routed {
            outcome: RoutedOutcome::GivenUp,
            application: Some(application.to_owned()),
            messages: Vec::new(),
            sent: 0,
            offered: None,
            asked: self.asked.clone(),
        }
    }
}

/// The id of the message with that number among those that answer a text.
fn message_id(text: EventId, number: u32) -> EventId {
    text.derive(Kind::MessageSend, number)
}
