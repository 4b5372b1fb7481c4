//! The sessions that are under way, and the latest of those that have ended.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Mutex, MutexGuard, PoisonError};

use protocol::{SessionId, Timestamp};
use serde::Serialize;

/// What began a session.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// A phone sent a text.
    Text,
    /// An application asked for it with its token.
    Launch,
}

/// Where a session stands.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum State {
    /// It has been created, and waits to call back.
    Waiting,
    /// It talks with its application.
    Running,
    /// It has ended: nothing was left to do.
    Finished,
    /// It has ended: the application hung up or declined, or the phone hung up.
    HungUp,
    /// It has ended: the application's answer was no success or no use, or something that was needed failed.
    Failed,
    /// It has ended because a knob dropped its call-back or its result.
    Dropped,
}

/// What became of a webhook.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Posted {
    /// It was answered with this status.
    Answered(u16),
    /// Nobody was there to take it.
    Unreachable,
    /// It went out, and no whole answer came in time: the application may or may not have taken it.
    Unanswered,
}

/// A session, as `GET /sessions/{id}` shows it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct SessionView {
    /// Its id.
    pub id: SessionId,
    /// The name of its application.
    pub application: String,
    /// What began it.
    pub cause: Cause,
    /// Where it stands.
    pub state: State,
    /// How many documents the application has given it.
    pub documents: u64,
    /// What became of its first webhook, once that is known.
    pub first_webhook: Option<Posted>,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ended.
    pub ended_at: Option<Timestamp>,
}

impl State {
    /// Whether it has ended.
    #[must_use]
    pub fn is_end(self) -> bool {
        match self {
            Self::Waiting | Self::Running => false,
            Self::Finished | Self::HungUp | Self::Failed | Self::Dropped => true,
        }
    }
}

/// The sessions. Ended ones are forgotten when there are too many, the oldest first.
pub(crate) struct Sessions {
    known: Mutex<Known>,
    active_max: usize,
    kept_max: usize,
}

#[derive(Default)]
struct Known {
    views: HashMap<SessionId, SessionView>,
    ended: VecDeque<SessionId>,
}

impl Sessions {
    pub(crate) fn new(active_max: usize, kept_max: usize) -> Self {
        Self { known: Mutex::default(), active_max, kept_max }
    }

    /// Takes in a session, if there is room for another. One that was taken in must be [`Sessions::ended`].
    pub(crate) fn begin(&self, view: SessionView) -> bool {
        let mut known = self.lock();
        let has_room = known.views.len() - known.ended.len() < self.active_max;
        if has_room {
            known.views.insert(view.id.clone(), view);
        }
        has_room
    }

    /// Takes in a session, however many there are: it follows one that has ended.
    pub(crate) fn follow(&self, view: SessionView) {
        self.lock().views.insert(view.id.clone(), view);
    }

    pub(crate) fn get(&self, id: &SessionId) -> Option<SessionView> {
        self.lock().views.get(id).cloned()
    }

    /// A session talks with its application, and has had so many documents.
    pub(crate) fn running(&self, id: &SessionId, documents: u64) {
        if let Some(view) = self.lock().views.get_mut(id) {
            (view.state, view.documents) = (State::Running, documents);
        }
    }

    /// A webhook of a session was posted. The first one stands.
    pub(crate) fn posted(&self, id: &SessionId, posted: Posted) {
        if let Some(view) = self.lock().views.get_mut(id) {
            view.first_webhook.get_or_insert(posted);
        }
    }

    /// A session has ended.
    pub(crate) fn ended(&self, id: &SessionId, state: State) {
        let mut known = self.lock();
        let Some(view) = known.views.get_mut(id) else { return };
        view.state = state;
        view.ended_at = Some(Timestamp::now());
        known.ended.push_back(id.clone());
        if self.kept_max < known.ended.len()
            && let Some(oldest) = known.ended.pop_front()
        {
            known.views.remove(&oldest);
        }
    }

    fn lock(&self) -> MutexGuard<'_, Known> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows how many there are.
impl fmt::Debug for Sessions {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Sessions").field("known", &self.lock().views.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn view(id: &SessionId) -> SessionView {
        SessionView {
            id: id.clone(),
            application: "demo".to_owned(),
            cause: Cause::Text,
            state: State::Waiting,
            documents: 0,
            first_webhook: None,
            began_at: Timestamp::UNIX_EPOCH,
            ended_at: None,
        }
    }

    #[test]
    fn ended_sessions_are_forgotten_oldest_first_and_others_never() {
        let sessions = Sessions::new(4, 2);
        let ids: Vec<SessionId> = ["a", "b", "c", "d"].map(|id| id.parse().unwrap()).to_vec();
        for id in &ids {
            sessions.begin(view(id));
        }
        sessions.running(&ids[0], 1);
        for id in &ids[1..] {
            sessions.ended(id, State::Finished);
        }
        let known: Vec<_> = ids.iter().map(|id| sessions.get(id).map(|view| view.state.is_end())).collect();
        assert_eq!(known, [Some(false), None, Some(true), Some(true)]);
    }

    #[test]
    fn there_is_room_again_when_one_has_ended() {
        let sessions = Sessions::new(1, 9);
        let ids: [SessionId; 2] = ["a", "b"].map(|id| id.parse().unwrap());
        assert!(sessions.begin(view(&ids[0])));
        assert!(!sessions.begin(view(&ids[1])));
        assert_eq!(sessions.get(&ids[1]), None);
        sessions.ended(&ids[0], State::Failed);
        assert!(sessions.begin(view(&ids[1])));
    }
}
