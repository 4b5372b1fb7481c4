//! The texts that projects are being given now, and what they answered meanwhile.

use std::collections::HashMap;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::{Address, BackendName, EventId, Network, SessionId};

use super::wanted::Wanted;
use crate::application::Text;

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
    heard: Heard,
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
}

impl InHand {
    /// A project is being given a text from now on.
    pub(crate) fn ask(&self, project: &BackendName, text: &Text) -> Asking {
        let (id, person) = (text.id, text.received.from.clone());
        let asked = Asked {
            text: id,
            correlation_id: text.correlation_id.clone(),
            texted: text.received.to.clone(),
            network: text.received.network.clone(),
            heard: Heard::default(),
        };
        let mut texts = self.texts();
        texts.by_id.insert((project.clone(), id), asked);
        texts.by_person.insert((project.clone(), person.clone()), id);
        drop(texts);
        Asking { in_hand: self.clone(), project: project.clone(), person, text: id }
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

    /// Messages that answer this text are asked for. Whatever becomes of the request, they count as not kept until
    /// [`InHand::kept`] says that they are.
    pub(super) fn asked_for(&self, project: &BackendName, text: EventId) {
        self.hear(project, text, |heard| heard.unkept += 1);
    }

    /// So many messages that were asked for are kept.
    pub(super) fn kept(&self, project: &BackendName, text: EventId, messages: u32) {
        self.hear(project, text, |heard| {
            heard.unkept = heard.unkept.saturating_sub(1);
            heard.kept = heard.kept.saturating_add(messages);
        });
    }

    fn hear(&self, project: &BackendName, text: EventId, change: impl FnOnce(&mut Heard)) {
        if let Some(asked) = self.texts().by_id.get_mut(&(project.clone(), text)) {
            change(&mut asked.heard);
        }
    }

    /// What is in it is whole whatever a thread that panicked was about to do.
    fn texts(&self) -> MutexGuard<'_, Texts> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Asking {
    /// What the project answered so far.
    pub(crate) fn heard(&self) -> Heard {
        let texts = self.in_hand.texts();
        texts.by_id.get(&(self.project.clone(), self.text)).map(|asked| asked.heard).unwrap_or_default()
    }
}

impl Drop for Asking {
    fn drop(&mut self) {
        let mut texts = self.in_hand.texts();
        texts.by_id.remove(&(self.project.clone(), self.text));
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

    #[test]
    fn what_was_heard_is_told() {
        let (in_hand, text) = (InHand::default(), text("hi"));
        let asking = in_hand.ask(&name("clinic"), &text);
        assert_eq!(asking.heard(), Heard::default());
        in_hand.asked_for(&name("clinic"), text.id);
        in_hand.asked_for(&name("clinic"), text.id);
        in_hand.kept(&name("clinic"), text.id, 2);
        in_hand.kept(&name("other"), text.id, 1);
        assert_eq!(asking.heard(), Heard { kept: 2, unkept: 1 });
    }
}
