//! One text's way through the applications, phase by phase, and the record of it.

mod draft;

use std::sync::Arc;
use std::time::Duration;

use protocol::{BackendName, MessageSend, Phase, SaidWord};
use store::{Kept, LedgerError, Memories};
use tokio::time::Instant;

use crate::application::{Recall, Remember, Sending, Text};
use crate::participant::{Asked, Participant, Unanswered};
use crate::routed::Routed;
use crate::signature::Secrets;
use draft::Draft;

/// The applications in their order, as one configuration has them.
#[derive(Debug)]
pub(crate) struct Pipeline {
    participants: Vec<Arc<dyn Participant>>,
}

/// An application that is away.
#[derive(Debug, thiserror::Error)]
#[error("application {application} is away: {because}")]
pub(crate) struct Away {
    pub(crate) application: String,
    pub(crate) because: String,
    /// The least wait, where it asked for one.
    pub(crate) retry_after: Option<Duration>,
    pub(crate) give_up_after: Duration,
    /// Who was asked so far.
    pub(crate) trail: Routed,
}

/// Why a text came to no end.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Stopped {
    /// An application is away.
    #[error("{0}")]
    Away(Box<Away>),
    /// An application will never answer.
    #[error("application {application} failed: {because}")]
    Failed { application: String, because: String, trail: Box<Routed> },
    /// Another text of the person, or the same elsewhere, changed what is remembered meanwhile: it begins anew.
    #[error("what is remembered of the person was changed meanwhile")]
    Stale,
    /// The database does not answer.
    #[error("what is remembered of the person cannot be read or kept")]
    Memories(#[source] LedgerError),
    /// What is on record or remembered cannot be understood.
    #[error("what is on record cannot be understood")]
    Unreadable(#[source] serde_json::Error),
}

/// How a way ended before its phases were through.
enum Ended {
    /// It was handled before, and is on record.
    Before(Box<Routed>),
    Stopped(Stopped),
}

impl From<Stopped> for Ended {
    fn from(stopped: Stopped) -> Self {
        Self::Stopped(stopped)
    }
}

impl Pipeline {
    pub(crate) fn new(participants: Vec<Arc<dyn Participant>>) -> Self {
        Self { participants }
    }

    /// Asks the applications about a text, and returns what comes of it. Whatever they remember from now on is kept then.
    /// `is_again`: it may have been handled before.
    ///
    /// # Errors
    /// [`Stopped`] says whether to begin anew.
    ///
    /// # Cancel safety
    /// It may have been handled, or not; handled again, it ends the same.
    pub(crate) async fn route(&self, text: Text, is_again: bool, memories: &dyn Memories) -> Result<Routed, Stopped> {
        let mut draft = Draft::new(text);
        if is_again && let Some(before) = draft.recorded(memories).await? {
            return Ok(before);
        }
        match self.ask_all(&mut draft, memories).await {
            Ok(()) => {}
            Err(Ended::Before(routed)) => return Ok(*routed),
            Err(Ended::Stopped(stopped)) => return Err(stopped),
        }
        self.prepare_messages(&mut draft);
        let (routed, keep) = draft.end()?;
        let Some(keep) = keep else { return Ok(routed) };
        match memories.keep(keep).await.map_err(Stopped::Memories)? {
            Kept::Now => Ok(routed),
            Kept::Before(record) => Routed::from_record(&record).map_err(Stopped::Unreadable),
            Kept::Stale => Err(Stopped::Stale),
        }
    }

    /// What becomes of a message that an application elsewhere wants sent: the applications of phase `outgoing` see it.
    ///
    /// # Errors
    /// The application that cancelled it, and why.
    pub(crate) fn outgoing(&self, mut message: MessageSend) -> Result<MessageSend, (String, String)> {
        for participant in self.taking_part(Phase::Outgoing).rev() {
            match participant.outgoing(&message) {
                Sending::Pass => {}
                Sending::Words(words) => message.text = words,
                Sending::Cancel(because) => return Err((participant.name().to_owned(), because)),
            }
        }
        Ok(message)
    }

    /// What proves that a request is of the application of that name.
    pub(crate) fn secrets(&self, name: &BackendName) -> Option<&Secrets> {
        self.participants.iter().find(|participant| participant.name() == name.as_str())?.secrets()
    }

    /// How long an application is surely not asked; `None`: it may be, or it is not among them any more.
    pub(crate) fn rests(&self, application: &str) -> Option<Duration> {
        self.participants.iter().find(|participant| participant.name() == application)?.rests()
    }

    fn taking_part(&self, phase: Phase) -> impl DoubleEndedIterator<Item = &dyn Participant> {
        let takes_part = move |participant: &&dyn Participant| participant.phases().contains(&phase);
        self.participants.iter().map(AsRef::as_ref).filter(takes_part)
    }

    async fn ask_all(&self, draft: &mut Draft, memories: &dyn Memories) -> Result<(), Ended> {
        let filtered = self.until_taken(Phase::Filter, draft, memories).await?;
        if !filtered {
            for participant in self.taking_part(Phase::Parse) {
                self.ask(participant, Phase::Parse, draft, memories).await?;
            }
            if !self.until_taken(Phase::Handle, draft, memories).await? {
                self.until_taken(Phase::Default, draft, memories).await?;
            }
        }
        for participant in self.taking_part(Phase::Cleanup) {
            match self.ask(participant, Phase::Cleanup, draft, memories).await {
                // What was decided stands, and the trail says who failed.
                Err(Ended::Stopped(Stopped::Away(_) | Stopped::Failed { .. } | Stopped::Unreadable(_))) => {}
                asked => drop(asked?),
            }
        }
        Ok(())
    }

    async fn until_taken(&self, phase: Phase, draft: &mut Draft, memories: &dyn Memories) -> Result<bool, Ended> {
        for participant in self.taking_part(phase) {
            if self.ask(participant, phase, draft, memories).await? {
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// Asks one; whether it takes the text.
    async fn ask(
        &self,
        participant: &dyn Participant,
        phase: Phase,
        draft: &mut Draft,
        memories: &dyn Memories,
    ) -> Result<bool, Ended> {
        if !participant.is_for(&draft.text) {
            let because = Some("it is for other texts".to_owned());
            draft.note(participant.name(), phase, SaidWord::Passed, Duration::ZERO, because);
            return Ok(false);
        }
        let started = Instant::now();
        let recall = participant.recall(phase, &draft.text);
        if (recall != Recall::Nothing || participant.is_elsewhere())
            && let Some(before) = draft.recorded(memories).await?
        {
            return Err(Ended::Before(Box::new(before)));
        }
        let known = draft.known(participant.name(), recall, memories).await?;
        let taken_by = draft.taken_by.clone();
        let asked = Asked { phase, text: &draft.text, known: &known, taken_by: taken_by.as_deref() };
        let answer = participant.ask(asked).await;
        let took = started.elapsed();
        match answer {
            Ok(said) => {
                draft.is_from_elsewhere |= participant.is_elsewhere();
                if said.remember != Remember::Same {
                    draft.know(participant.name(), memories).await?;
                }
                Ok(draft.take(participant.name(), phase, said, took))
            }
            Err(unanswered) => {
                let word = match unanswered {
                    Unanswered::Away { .. } => SaidWord::Away,
                    Unanswered::Failed { .. } => SaidWord::Failed,
                };
                let application = participant.name().to_owned();
                let trail = Box::new(draft.given_up(&application, phase, word, took, unanswered.to_string()));
                Err(Ended::Stopped(match unanswered {
                    Unanswered::Away { because, retry_after } => {
                        let give_up_after = participant.give_up_after();
                        Stopped::Away(Box::new(Away {
                            application,
                            because,
                            retry_after,
                            give_up_after,
                            trail: *trail,
                        }))
                    }
                    Unanswered::Failed { because } => Stopped::Failed { application, because, trail },
                }))
            }
        }
    }

    /// Shows the replies to the applications of phase `outgoing`, the last of them first.
    fn prepare_messages(&self, draft: &mut Draft) {
        for participant in self.taking_part(Phase::Outgoing).rev() {
            let started = Instant::now();
            let mut cancelled = None;
            let mut changed = false;
            draft.messages.retain_mut(|(_, message)| match participant.outgoing(message) {
                Sending::Pass => true,
                Sending::Words(words) => {
                    message.text = words;
                    changed = true;
                    true
                }
                Sending::Cancel(because) => {
                    cancelled = Some(because);
                    false
                }
            });
            let said = match (&cancelled, changed) {
                (Some(_), _) => SaidWord::Cancelled,
                (None, true) => SaidWord::Changed,
                (None, false) => SaidWord::Passed,
            };
            draft.note(participant.name(), Phase::Outgoing, said, started.elapsed(), cancelled);
        }
    }
}

#[cfg(test)]
mod tests;
