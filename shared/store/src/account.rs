//! The account of each backend: what came in, and what became of it.

use std::collections::BTreeMap;

use protocol::BackendName;
use serde::{Deserialize, Serialize};

use crate::standing::{Mark, Marks, Standing, Subject};

/// The account of each backend that was heard of.
pub type Account = BTreeMap<BackendName, BackendAccount>;

/// The account of one backend.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct BackendAccount {
    /// The texts that were accepted, by where they stand.
    pub texts: Standings,
    /// The messages that were commanded, by where they stand.
    pub messages: Standings,
    /// Sessions that are no texts, and that nothing answers.
    pub sessions_ignored: u64,
}

/// How many of what was begun stand where.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Standings {
    /// How many were begun.
    pub begun: u64,
    /// Of these, how many stand where. What is left out is none.
    pub at: BTreeMap<Standing, u64>,
    /// Of those that are open, how many are old, by where they stand.
    pub old: BTreeMap<Standing, u64>,
    /// How many, old and not forgotten, were seen to end and not to begin.
    pub unbegun: u64,
}

impl Standings {
    /// How many stand there.
    #[must_use]
    pub fn count(&self, standing: Standing) -> u64 {
        self.at.get(&standing).copied().unwrap_or_default()
    }

    /// How many old ones stand there.
    #[must_use]
    pub fn count_old(&self, standing: Standing) -> u64 {
        self.old.get(&standing).copied().unwrap_or_default()
    }

    fn add(&mut self, marks: Marks, standing: Standing, count: u64, old: u64) {
        if !marks.has(Mark::Begun) {
            self.unbegun += old;
            return;
        }
        self.begun += count;
        *self.at.entry(standing).or_default() += count;
        if standing.is_open() && 0 < old {
            *self.old.entry(standing).or_default() += old;
        }
    }
}

/// So many entries of a backend have these marks.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Tally {
    pub(crate) subject: Subject,
    pub(crate) backend: BackendName,
    pub(crate) marks: Marks,
    pub(crate) count: u64,
    /// Of these, so many are old; of those that are forgotten, none.
    pub(crate) old: u64,
}

/// The account that tallies make.
pub(crate) fn draw(tallies: impl IntoIterator<Item = Tally>) -> Account {
    let mut account = Account::new();
    for Tally { subject, backend, marks, count, old } in tallies {
        let Some(standing) = marks.standing() else { continue };
        let of_backend = account.entry(backend).or_default();
        match subject {
            Subject::Text => of_backend.texts.add(marks, standing, count, old),
            Subject::Message => of_backend.messages.add(marks, standing, count, old),
            Subject::Session => of_backend.sessions_ignored += count,
        }
    }
    account
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tally(subject: Subject, marks: &[Mark], count: u64, old: u64) -> Tally {
        let marks = marks.iter().fold(Marks::default(), |all, mark| all.and((*mark).into()));
        Tally { subject, backend: "b".parse().unwrap(), marks, count, old }
    }

    #[test]
    fn what_was_begun_stands_somewhere() {
        let account = draw([
            tally(Subject::Text, &[Mark::Begun], 5, 2),
            tally(Subject::Text, &[Mark::Begun, Mark::Answered], 7, 7),
            tally(Subject::Text, &[Mark::Begun, Mark::Caused], 1, 0),
            tally(Subject::Text, &[Mark::Caused], 9, 9),
            tally(Subject::Message, &[Mark::Begun, Mark::Released], 3, 1),
            tally(Subject::Message, &[Mark::Begun, Mark::Refused, Mark::Dead], 2, 2),
            tally(Subject::Message, &[Mark::Sent], 4, 3),
            tally(Subject::Session, &[Mark::Ignored], 6, 6),
        ]);
        let BackendAccount { texts, messages, sessions_ignored } = account.into_values().next().unwrap();
        assert_eq!(texts.begun, texts.at.values().sum::<u64>());
        assert_eq!(messages.begun, messages.at.values().sum::<u64>());
        assert_eq!((texts.begun, texts.count(Standing::Waiting), texts.count_old(Standing::Waiting)), (13, 5, 2));
        assert_eq!((texts.count(Standing::Answered), texts.unbegun), (8, 0));
        assert_eq!((messages.begun, messages.count(Standing::Failed), messages.count(Standing::Dead)), (5, 2, 0));
        assert_eq!((messages.count(Standing::Sent), messages.unbegun), (0, 3));
        assert_eq!(messages.count_old(Standing::Released), 1);
        assert_eq!(sessions_ignored, 6);
    }
}
