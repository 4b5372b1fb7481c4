//! The texts that projects are being given now, and what they answered meanwhile.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::{Address, BackendName, EventId, Network, SessionId};
use tokio::sync::watch;

use super::routes::CONFIRM_TIMEOUT;
use super::wanted::Wanted;
use crate::application::Text;

/// The longest wait until all that a project asked for is decided. What it began to ask for before it answered is by then.
const DECIDED_MAX: Duration = CONFIRM_TIMEOUT.saturating_add(Duration::from_secs(1));

/// The texts that projects are being given by this process.
///
/// RapidSMS answers within our request. A reply that does not say what it answers answers the text of that person that is
/// in hand: there is one at most, for a person's texts take turns. Bounded by the texts that router has in hand.
#[derive(Clone, Default, Debug)]
pub(crate) struct InHand(Arc<Mutex<Texts>>);

#[derive(Default)]
struct Texts {
    by_id: HashMap<(BackendName, EventId), Asked>,
    by_person: HashMap<(BackendName, Address), EventId>,
}

/// Shows no person.
impl fmt::Debug for Texts {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Texts({})", self.by_id.len())
    }
}

/// A text that a project is being given.
#[derive(Clone, Debug)]
pub(super) struct Asked {
    /// The text.
    pub(super) text: EventId,
    /// Its conversation.
    pub(super) correlation_id: Option<SessionId>,
    /// The number that was texted.
    pub(super) texted: Option<Address>,
    /// The network that it came on.
    pub(super) network: Network,
    progress: watch::Sender<Progress>,
}

/// What came so far of one attempt to give a text. Each has its own: what is decided late counts for the attempt during
/// which it was asked for, and for no other.
#[derive(Clone, Copy, Default, Debug)]
struct Progress {
    heard: Heard,
    /// How many requests are not decided yet.
    in_flight: u32,
}

/// What a project answered while it was given a text.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug)]
pub(crate) struct Heard {
    /// How many messages it had sent.
    pub(crate) kept: u32,
    /// How many times it asked for more, and that is not kept: then it has to be given the text again, for it does not ask
    /// a second time.
    pub(crate) unkept: u32,
}

/// Says, while it is there, that a project is being given a text.
#[derive(Debug)]
pub(crate) struct Asking {
    in_hand: InHand,
    project: BackendName,
    person: Address,
    text: EventId,
    progress: watch::Sender<Progress>,
}

/// A request for messages that answer a text. Dropped without having been [kept](Reply::kept), it was not kept.
#[derive(Debug)]
pub(super) struct Reply {
    progress: watch::Sender<Progress>,
    kept: Option<u32>,
}

impl InHand {
    /// A project is being given a text from now on.
    pub(crate) fn ask(&self, project: &BackendName, text: &Text) -> Asking {
        let (id, person) = (text.id, text.received.from.clone());
        let progress = watch::Sender::new(Progress::default());
        let asked = Asked {
            text: id,
            correlation_id: text.correlation_id.clone(),
            texted: text.received.to.clone(),
            network: text.received.network.clone(),
            progress: progress.clone(),
        };
        let mut texts = self.texts();
        texts.by_id.insert((project.clone(), id), asked);
        texts.by_person.insert((project.clone(), person.clone()), id);
        drop(texts);
        Asking { in_hand: self.clone(), project: project.clone(), person, text: id, progress }
    }

    /// The text in hand that a message of this project answers.
    pub(super) fn answered_by(&self, project: &BackendName, wanted: &Wanted) -> Option<Asked> {
        let texts = self.texts();
        let text = match (wanted.in_reply_to, wanted.to.as_slice()) {
            (Some(text), _) => text,
            (None, [person]) => *texts.by_person.get(&(project.clone(), person.clone()))?,
            (None, _) => return None,
        };
        texts.by_id.get(&(project.clone(), text)).cloned()
    }

    /// What is in it is whole whatever a thread that panicked was about to do.
    fn texts(&self) -> MutexGuard<'_, Texts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asked {
    /// Messages that answer this text are asked for from now on.
    pub(super) fn reply(&self) -> Reply {
        self.progress.send_modify(|progress| progress.in_flight = progress.in_flight.saturating_add(1));
        Reply { progress: self.progress.clone(), kept: None }
    }
}

impl Reply {
    /// So many messages were asked for, and are kept.
    pub(super) fn kept(mut self, messages: u32) {
        self.kept = Some(messages);
    }
}

impl Drop for Reply {
    fn drop(&mut self) {
        self.progress.send_modify(|Progress { heard, in_flight }| {
            *in_flight = in_flight.saturating_sub(1);
            match self.kept {
                Some(messages) => heard.kept = heard.kept.saturating_add(messages),
                None => heard.unkept = heard.unkept.saturating_add(1),
            }
        });
    }
}

impl Asking {
    /// What the project answered, once all that it asked for is decided.
    pub(crate) async fn heard(&self) -> Heard {
        let mut progress = self.progress.subscribe();
        let decided = progress.wait_for(|progress| progress.in_flight == 0);
        match tokio::time::timeout(DECIDED_MAX, decided).await {
            Ok(Ok(progress)) => progress.heard,
            // It goes on asking; what it began after its answer is its own affair.
            Ok(Err(_)) | Err(_) => self.progress.borrow().heard,
        }
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut texts = self.in_hand.texts();
        let text = (self.project.clone(), self.text);
        if !texts.by_id.get(&text).is_some_and(|asked| asked.progress.same_channel(&self.progress)) {
            // Another attempt has begun.
            return;
        }
        texts.by_id.remove(&text);
        let person = (self.project.clone(), self.person.clone());
        if texts.by_person.get(&person) == Some(&self.text) {
            texts.by_person.remove(&person);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applications::text;

    fn name(name: &str) -> BackendName {
        name.parse().unwrap()
    }

    fn wanted(to: &[&str], in_reply_to: Option<EventId>) -> Wanted {
        let to = to.iter().map(|number| number.parse().unwrap()).collect();
        Wanted { to, text: "x".parse().unwrap(), from: None, in_reply_to, message: None }
    }

    #[test]
    fn a_message_answers_the_text_that_it_names_or_that_its_person_has_in_hand() {
        let (in_hand, text) = (InHand::default(), text("hi"));
        let id = text.id;
        let answered =
            |project: &BackendName, wanted: &Wanted| in_hand.answered_by(project, wanted).map(|asked| asked.text);
        assert_eq!(answered(&name("clinic"), &wanted(&["15555550177"], None)), None);
        let asking = in_hand.ask(&name("clinic"), &text);
        assert_eq!(answered(&name("clinic"), &wanted(&["15555550177"], None)), Some(id));
        assert_eq!(answered(&name("clinic"), &wanted(&["15555550188"], None)), None);
        assert_eq!(answered(&name("clinic"), &wanted(&["15555550188"], Some(id))), Some(id));
        assert_eq!(answered(&name("clinic"), &wanted(&["15555550177", "15555550188"], None)), None);
        assert_eq!(answered(&name("other"), &wanted(&["15555550177"], Some(id))), None);
        drop(asking);
        assert_eq!(answered(&name("clinic"), &wanted(&["15555550177"], None)), None);
        assert_eq!(answered(&name("clinic"), &wanted(&["15555550177"], Some(id))), None);
    }

    #[tokio::test]
    async fn what_was_heard_is_told_once_it_is_decided() {
        let (in_hand, text) = (InHand::default(), text("hi"));
        let asking = in_hand.ask(&name("clinic"), &text);
        assert_eq!(asking.heard().await, Heard::default());
        let asked = in_hand.answered_by(&name("clinic"), &wanted(&["15555550177"], None)).unwrap();
        drop(asked.reply());
        let reply = asked.reply();
        tokio::select! {
            biased;
            heard = asking.heard() => panic!("one request is in flight: {heard:?}"),
            () = std::future::ready(()) => reply.kept(2),
        }
        assert_eq!(asking.heard().await, Heard { kept: 2, unkept: 1 });
    }

    #[tokio::test(start_paused = true)]
    async fn a_project_that_goes_on_asking_is_not_waited_for_without_end() {
        let (in_hand, text) = (InHand::default(), text("hi"));
        let asking = in_hand.ask(&name("clinic"), &text);
        let asked = in_hand.answered_by(&name("clinic"), &wanted(&["15555550177"], None)).unwrap();
        let _reply = asked.reply();
        assert_eq!(asking.heard().await, Heard::default());
    }

    #[tokio::test]
    async fn what_is_decided_late_counts_for_the_attempt_during_which_it_was_asked_for() {
        let (in_hand, text) = (InHand::default(), text("hi"));
        let answered = || in_hand.answered_by(&name("clinic"), &wanted(&["15555550177"], None));
        let first = in_hand.ask(&name("clinic"), &text);
        let late = answered().unwrap().reply();
        let second = in_hand.ask(&name("clinic"), &text);
        drop(first);
        drop(answered().unwrap().reply());
        late.kept(1);
        assert_eq!(second.heard().await, Heard { kept: 0, unkept: 1 });
        drop(second);
        assert!(answered().is_none());
    }
}
