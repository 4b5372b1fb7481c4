//! What is not as it should be: judged here alone, for pages, the API and the command line.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::{BackendState, Kept, Process, Queues};
use crate::Flow;

/// Something that is not as it should be.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Amiss {
    /// What, in a sentence.
    pub told: String,
    /// The page of the console that shows more of it.
    pub page: Option<String>,
}

impl Amiss {
    pub(crate) fn new(told: impl Into<String>) -> Self {
        Self { told: told.into(), page: None }
    }

    pub(crate) fn on(page: &str, told: impl Into<String>) -> Self {
        Self { told: told.into(), page: Some(page.to_owned()) }
    }
}

/// All that is not as it should be, of what was looked at.
pub(super) fn amiss(
    flow: &Flow,
    processes: &[Process],
    queues: Option<&Queues>,
    backends: &[BackendState],
    journal: Option<&Kept>,
) -> Vec<Amiss> {
    let stuck = flow.amiss().map(|told| Amiss::on("/#flow", told));
    let idle = processes.iter().filter(|process| !process.is_ready);
    let idle =
        idle.map(|Process { name, .. }| Amiss::on("/#processes", format!("The process “{name}” takes no work.")));
    let mut amiss: Vec<_> = stuck.into_iter().chain(idle).collect();
    for BackendState { name, .. } in backends.iter().filter(|backend| backend.is_served == Some(false)) {
        amiss.push(Amiss::new(format!("Nobody sends the messages of the backend “{name}”: is an egress running?")));
    }
    match queues {
        None => amiss.push(Amiss::new("The bus does not tell what waits: is it running?")),
        Some(Queues { texts, journal, dead, unrouted, .. }) => {
            if texts.consumers == 0 {
                amiss.push(Amiss::new("Nobody handles the texts that come in: is a router running?"));
            }
            if journal.consumers == 0 {
                let told = "Nobody keeps what happens: is a journal running? Until then the console shows nothing new.";
                amiss.push(Amiss::new(told));
            }
            if 0 < *dead {
                amiss.push(Amiss::on("/dead-letters", format!("{}.", counted(*dead, "dead letter"))));
            }
            if 0 < *unrouted {
                let told = format!("{} that no queue took.", counted(*unrouted, "message"));
                amiss.push(Amiss::on("/dead-letters?place=unrouted", told));
            }
        }
    }
    if journal.is_none() {
        amiss.push(Amiss::new("The database does not answer: the console's log says why."));
    } else if backends.iter().any(|backend| backend.recent.is_none()) {
        amiss.push(Amiss::new("The database does not tell in time what happened lately."));
    }
    amiss
}

fn counted(count: u64, what: &str) -> String {
    if count == 1 { format!("1 {what}") } else { format!("{count} {what}s") }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;
    use crate::status::Waiting;

    fn looked_at() -> (Queues, BackendState, Kept) {
        let served = Waiting { consumers: 1, ..Waiting::default() };
        let queues = Queues { texts: served, messages: served, journal: served, ..Queues::default() };
        let backend = BackendState {
            name: "b".parse().unwrap(),
            number: "+15555550100".to_owned(),
            rate: None,
            on_unconfirmed: "hold".to_owned(),
            is_guarded: true,
            webhook: "/tropo/b".to_owned(),
            is_probe: false,
            is_served: Some(true),
            backlog: Some(served),
            recent: Some(BTreeMap::new()),
            last_failure: None,
            is_failure_known: true,
        };
        (queues, backend, Kept { events: 0, bytes: 0, oldest: None })
    }

    #[track_caller]
    fn check(change: impl FnOnce(&mut Queues, &mut BackendState), expected: &[&str]) {
        let (mut queues, mut backend, kept) = looked_at();
        change(&mut queues, &mut backend);
        let found = amiss(&Flow::default(), &[], Some(&queues), &[backend], Some(&kept));
        assert_eq!(found.iter().map(|amiss| amiss.told.as_str()).collect::<Vec<_>>(), expected);
    }

    #[test]
    fn everything_that_is_not_as_it_should_be_is_told() {
        check(|_, _| {}, &[]);
        check(|queues, _| queues.texts.consumers = 0, &["Nobody handles the texts that come in: is a router running?"]);
        check(
            |queues, _| queues.journal.consumers = 0,
            &["Nobody keeps what happens: is a journal running? Until then the console shows nothing new."],
        );
        check(|queues, _| queues.dead = 1, &["1 dead letter."]);
        check(|queues, _| queues.unrouted = 2, &["2 messages that no queue took."]);
        check(
            |_, backend| backend.is_served = Some(false),
            &["Nobody sends the messages of the backend “b”: is an egress running?"],
        );
        check(|_, backend| backend.recent = None, &["The database does not tell in time what happened lately."]);
    }

    #[test]
    fn what_is_away_is_told_once() {
        let (_, backend, _) = looked_at();
        let backend = BackendState { is_served: None, backlog: None, recent: None, ..backend };
        let found = amiss(&Flow::default(), &[], None, &[backend], None);
        assert_eq!(found.len(), 2, "{found:?}");
    }
}
