//! Writes what is noted to the database, many notes at a time.

use std::collections::HashMap;
use std::slice;
use std::sync::Arc;
use std::time::Duration;

use messaging::{BoxFuture, Environment};
use protocol::EventId;
use store::{Begun, Fact, JournalEntry, LedgerError, Opened};
use tokio::sync::{mpsc, oneshot};

use crate::facts::Noted;
use crate::observe;
use crate::pace::Step;

/// How many deliveries share a transaction at most.
const GROUP_MAX: usize = 256;

/// How long a transaction waits for more to share it. Nobody waits for the account but who asks for it.
const GATHER: Duration = Duration::from_millis(20);

/// The pause before a database that failed is tried again.
const TRY_AGAIN_AFTER: Duration = Duration::from_secs(1);

/// What one delivery says, and who waits for it to be on record.
pub(crate) struct Note {
    pub(crate) noted: Noted,
    pub(crate) kept: oneshot::Sender<()>,
}

impl Note {
    /// The id of what it is about, as far as that is known.
    pub(crate) fn event_id(&self) -> Option<EventId> {
        self.noted.entry.as_ref().map(|entry| entry.event.id)
    }
}

/// What a group of notes says.
#[derive(Debug, Default)]
pub(crate) struct Group {
    pub(crate) facts: Vec<Fact>,
    pub(crate) entries: Vec<JournalEntry>,
}

impl Group {
    fn of<'a>(notes: impl IntoIterator<Item = &'a Note>) -> Self {
        let mut group = Self::default();
        for Note { noted, .. } in notes {
            let Noted { facts, entry } = noted.clone();
            group.facts.extend(facts.into_iter().flatten());
            group.entries.extend(entry);
        }
        group
    }

    /// What the account is told of a note.
    fn told(note: &Note) -> Self {
        Self { entries: Vec::new(), ..Self::of([note]) }
    }

    /// The event of a note, without what it says and means: that there was one.
    fn bare(note: &Note) -> Self {
        let mut group = Self { facts: Vec::new(), ..Self::of([note]) };
        for JournalEntry { event, marks, content } in &mut group.entries {
            event.of = None;
            "null".clone_into(&mut event.body);
            marks.clear();
            *content = None;
        }
        group
    }
}

/// Where groups are put on record. What is there already changes nothing.
pub(crate) trait Record: Send + Sync {
    /// Returns once all of it is on record.
    fn write<'a>(&'a self, group: &'a Group) -> BoxFuture<'a, Result<(), LedgerError>>;

    /// Since when messages are on their way, as far as that is on record.
    fn begun<'a>(&'a self, messages: &'a [EventId]) -> BoxFuture<'a, Result<Vec<Begun>, LedgerError>>;
}

impl Record for Opened {
    fn write<'a>(&'a self, group: &'a Group) -> BoxFuture<'a, Result<(), LedgerError>> {
        let Group { facts, entries } = group;
        // Side by side: SQLite writes them in one transaction.
        Box::pin(async { tokio::try_join!(self.accounts.record(facts), self.journal.keep_events(entries)).map(drop) })
    }

    fn begun<'a>(&'a self, messages: &'a [EventId]) -> BoxFuture<'a, Result<Vec<Begun>, LedgerError>> {
        self.journal.begun(messages)
    }
}

/// Writes what the witnesses of one process note.
pub struct Keeper {
    notes: mpsc::Receiver<Note>,
    record: Arc<dyn Record>,
    environment: Environment,
}

impl Keeper {
    pub(crate) fn new(notes: mpsc::Receiver<Note>, record: Arc<dyn Record>, environment: Environment) -> Self {
        Self { notes, record, environment }
    }

    /// Writes until the witnesses are gone.
    pub async fn run(mut self) {
        let mut group = Vec::new();
        while let Some(first) = self.notes.recv().await {
            group.push(first);
            self.gather(&mut group).await;
            self.write(&group).await;
            let steps = group.iter().filter_map(|note| Step::of(note.noted.entry.as_ref()?)).collect();
            for Note { kept, .. } in group.drain(..) {
                // Nobody waits any more where the delivery was given back.
                let _ = kept.send(());
            }
            self.tell_pace(steps).await;
        }
    }

    /// Tells as metrics how long messages took. They are nothing that anybody waits for: what the database does not tell is
    /// left out.
    async fn tell_pace(&self, steps: Vec<Step>) {
        if steps.is_empty() {
            return;
        }
        let ids: Vec<EventId> = steps.iter().map(|step| step.message_id).collect();
        match self.record.begun(&ids).await {
            Ok(begun) => {
                let begun: HashMap<EventId, Begun> = begun.into_iter().map(|begun| (begun.message_id, begun)).collect();
                let known = steps.iter().filter_map(|step| Some((step, begun.get(&step.message_id)?)));
                known.for_each(|(step, begun)| observe::step(step, begun));
            }
            Err(error) => observe::not_drawn(&error),
        }
    }

    async fn gather(&mut self, group: &mut Vec<Note>) {
        let full = async {
            while group.len() < GROUP_MAX
                && let Some(note) = self.notes.recv().await
            {
                group.push(note);
            }
        };
        tokio::select! {
            biased;
            () = full => {}
            () = self.environment.clock.sleep(GATHER) => {}
        }
    }

    /// Writes a group, however long the database is away, unless nobody waits for it any more.
    ///
    /// What is given back then comes again, and is written then. One note that the database refuses for what it says holds
    /// up no other.
    async fn write(&self, notes: &[Note]) {
        if self.is_taken(notes, &Group::of(notes)).await {
            return;
        }
        for note in notes {
            if !self.is_taken(slice::from_ref(note), &Group::of([note])).await {
                self.write_what_is_taken(note).await;
            }
        }
    }

    /// Writes of a note what the database takes of it, and tells what is missing.
    async fn write_what_is_taken(&self, note: &Note) {
        let alone = slice::from_ref(note);
        if !self.is_taken(alone, &Group::told(note)).await {
            observe::refused_by_account(note.event_id());
        }
        let is_kept = self.is_taken(alone, &Group::bare(note)).await;
        observe::refused_by_journal(note.event_id(), is_kept);
    }

    /// Whether the database took it; not, if something in it is such that it never will. Taken is also what nobody waits
    /// for any more.
    async fn is_taken(&self, notes: &[Note], group: &Group) -> bool {
        while notes.iter().any(|note| !note.kept.is_closed()) {
            observe::lag(&group.entries, self.environment.now());
            match self.record.write(group).await {
                Ok(()) => return true,
                Err(LedgerError::Unreadable(_)) => return false,
                Err(error @ (LedgerError::Unavailable(_) | LedgerError::Denied(_) | LedgerError::Corrupt(_))) => {
                    observe::not_recorded(&error);
                }
            }
            self.environment.clock.sleep(TRY_AGAIN_AFTER).await;
        }
        true
    }
}

#[cfg(test)]
mod tests;
