//! What the router asks: an application in this process, or the way to one elsewhere.

use std::fmt;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::time::Duration;

use messaging::BoxFuture;
use protocol::{MessageSend, Phase};

use crate::application::{Application, Known, Recall, Said, Sending, Text};
use crate::signature::Secrets;

/// Takes part in a text's way. [`Application`] is the pure one; what calls out implements this.
pub trait Participant: fmt::Debug + Send + Sync {
    /// As [`Application::name`].
    fn name(&self) -> &str;

    /// As [`Application::phases`].
    fn phases(&self) -> &[Phase];

    /// Whether a text is one of those that it is asked about. All others go past it, whatever state it is in.
    fn is_for(&self, _text: &Text) -> bool {
        true
    }

    /// As [`Application::recall`].
    fn recall(&self, _phase: Phase, _text: &Text) -> Recall {
        Recall::Nothing
    }

    /// Whether it might say something else the next time. What it said is put on record then, before anything comes of it,
    /// and a text that comes again is not asked about again.
    fn is_elsewhere(&self) -> bool {
        false
    }

    /// How long a text waits for it, in hand, before it is given up.
    fn give_up_after(&self) -> Duration {
        Duration::ZERO
    }

    /// How long it is surely not asked, because it is left alone for a while; `None`: it may be asked.
    fn rests(&self) -> Option<Duration> {
        None
    }

    /// Asks it in a phase that it takes part in, other than `outgoing`.
    ///
    /// # Errors
    /// [`Unanswered`] says whether asking again may help.
    ///
    /// # Cancel safety
    /// It may have been asked, or not; it is asked again then.
    fn ask<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Result<Said, Unanswered>>;

    /// As [`Application::outgoing`].
    fn outgoing(&self, _message: &MessageSend) -> Sending {
        Sending::Pass
    }

    /// What proves that a request to the router is its own; `None` where it makes none.
    fn secrets(&self) -> Option<&Secrets> {
        None
    }
}

/// A question.
#[derive(Clone, Copy, Debug)]
pub struct Asked<'a> {
    /// In which phase.
    pub phase: Phase,
    /// About which text.
    pub text: &'a Text,
    /// What it wanted to know before.
    pub known: &'a Known,
    /// Who took the text, in phase `cleanup`.
    pub taken_by: Option<&'a str>,
}

/// Why a participant has not said anything.
#[derive(Clone, PartialEq, Eq, Debug, thiserror::Error)]
pub enum Unanswered {
    /// It is away, or busy: the text waits, and everything begins anew.
    #[error("{because}")]
    Away {
        /// Why, without a person's number or words.
        because: String,
        /// The least wait, where it asked for one.
        retry_after: Option<Duration>,
    },
    /// It will never answer this text as things are.
    #[error("{because}")]
    Failed {
        /// Why, without a person's number or words.
        because: String,
    },
}

/// What is on record of an application that panicked.
const PANICKED: &str = "the application panicked";

/// An application in this process.
#[derive(Debug)]
pub(crate) struct InProcess(pub(crate) Box<dyn Application>);

impl InProcess {
    fn said(&self, Asked { phase, text, known, taken_by }: Asked<'_>) -> Said {
        match phase {
            Phase::Filter => self.0.filter(text, known),
            Phase::Parse => self.0.parse(text, known),
            Phase::Handle => self.0.handle(text, known),
            Phase::Default => self.0.default(text, known),
            Phase::Cleanup => self.0.cleanup(text, known, taken_by),
            Phase::Outgoing => Said::pass(),
        }
    }
}

impl Participant for InProcess {
    fn name(&self) -> &str {
        self.0.name()
    }

    fn phases(&self) -> &[Phase] {
        self.0.phases()
    }

    fn recall(&self, phase: Phase, text: &Text) -> Recall {
        // It panics again when it is asked, and fails then.
        catch_unwind(AssertUnwindSafe(|| self.0.recall(phase, text))).unwrap_or(Recall::Nothing)
    }

    fn ask<'a>(&'a self, asked: Asked<'a>) -> BoxFuture<'a, Result<Said, Unanswered>> {
        // It is pure, so it would panic again; what it says while it does so may quote the text, and stays on standard
        // error.
        let said = catch_unwind(AssertUnwindSafe(|| self.said(asked)));
        Box::pin(async { said.map_err(|_| Unanswered::Failed { because: PANICKED.to_owned() }) })
    }

    fn outgoing(&self, message: &MessageSend) -> Sending {
        let sending = catch_unwind(AssertUnwindSafe(|| self.0.outgoing(message)));
        // What it might have had against the message is not known, so it is not sent.
        sending.unwrap_or_else(|_| Sending::Cancel(PANICKED.to_owned()))
    }
}
