//! The connection of one process to the model broker, and whether the process acknowledges too early.

use std::collections::{BTreeMap, BTreeSet};

use messaging::BusState;
use tokio::sync::watch;

/// The connection of one process.
pub(crate) struct Connection {
    name: String,
    /// Which connection of that process this is, counted.
    pub(crate) epoch: u64,
    pub(crate) state: BusState,
    /// A channel for each that watches the state, because tokio wakes those of one channel in random order.
    watchers: Vec<watch::Sender<BusState>>,
    /// The ids of events that were confirmed to this process, and of messages that were moved: to wait, or to the dead
    /// letters.
    confirmed: BTreeSet<String>,
    moved: BTreeMap<(String, Moved), usize>,
    /// What the handlers of this process returned, with the event that was handled, and how often that was
    /// acknowledged.
    returned: Vec<(String, Returned)>,
    acknowledged: BTreeMap<String, usize>,
}

/// Where a copy of a message was moved.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug)]
pub(crate) enum Moved {
    Waiting,
    Dead,
}

/// What a handler returned.
pub(crate) struct Returned {
    /// The events to be confirmed.
    pub(crate) events: Vec<String>,
    /// The places that the event itself may be moved to, of which one is needed where there are any.
    pub(crate) moves: &'static [Moved],
}

impl Connection {
    pub(crate) fn new(name: &str, state: BusState) -> Self {
        let (watchers, confirmed, moved, returned, acknowledged) = Default::default();
        Self { name: name.to_owned(), epoch: 0, state, watchers, confirmed, moved, returned, acknowledged }
    }

    /// A message of the process was confirmed: an event, or a copy of one that was moved.
    pub(crate) fn confirmed(&mut self, id: String, moved: Option<Moved>) {
        match moved {
            None => drop(self.confirmed.insert(id)),
            Some(moved) => *self.moved.entry((id, moved)).or_default() += 1,
        }
    }

    /// A handler of the process returned this about an event.
    pub(crate) fn returned(&mut self, event: String, returned: Returned) {
        self.returned.push((event, returned));
    }

    pub(crate) fn set(&mut self, state: &BusState) {
        self.state = state.clone();
        self.watchers.retain(|watcher| watcher.send(state.clone()).is_ok());
    }

    /// The state, and every change of it, for one who watches.
    pub(crate) fn watch(&mut self) -> watch::Receiver<BusState> {
        let (watcher, watched) = watch::channel(self.state.clone());
        self.watchers.push(watcher);
        watched
    }

    /// Counts an acknowledgement; says what is wrong with it.
    ///
    /// Of one event several copies may be in hand, and nobody tells which of them is acknowledged: there must never be
    /// more acknowledgements than copies whose consequences are all confirmed.
    pub(crate) fn acknowledge(&mut self, event: &str) -> Option<String> {
        let Self { confirmed, moved, returned, acknowledged, name, .. } = self;
        let copies = acknowledged.entry(event.to_owned()).or_default();
        *copies += 1;
        let told: Vec<_> = returned.iter().filter(|(of, _)| of == event).map(|(_, returned)| returned).collect();
        if told.len() < *copies {
            return Some(format!("by {name} before it was handled"));
        }
        let of_moves = |moves: &[Moved]| {
            let is_confirmed = |returned: &&&Returned| returned.events.iter().all(|id| confirmed.contains(id));
            told.iter().filter(|returned| returned.moves == moves).filter(is_confirmed).count()
        };
        let moved_to = |place| moved.get(&(event.to_owned(), place)).copied().unwrap_or_default();
        let dead = of_moves(Returned::DEAD).min(moved_to(Moved::Dead));
        let elsewhere = moved_to(Moved::Waiting) + moved_to(Moved::Dead) - dead;
        let complete = of_moves(Returned::HANDLED) + dead + of_moves(Returned::TRIED_AGAIN).min(elsewhere);
        (complete < *copies).then(|| format!("by {name} before what it caused was confirmed"))
    }
}

impl Returned {
    /// The places that an event may be moved to: none when it was handled; the dead letters; or first to wait, and in
    /// the end to the dead letters.
    pub(crate) const HANDLED: &[Moved] = &[];
    pub(crate) const DEAD: &[Moved] = &[Moved::Dead];
    pub(crate) const TRIED_AGAIN: &[Moved] = &[Moved::Waiting, Moved::Dead];
}
