//! Whether everything is where it can be: the account on one side, the queues on the other.
//!
//! By itself the account always adds up: what did not end is waiting. So what waits is looked for where it can wait,
//! and what is not there is lost.

use std::borrow::Cow;
use std::collections::BTreeMap;

use messaging::{Depth, Depths};
use protocol::topology::{QueueName, RETRY_LEVELS, retry_name};
use protocol::{BackendName, Timestamp};
use serde::{Deserialize, Serialize};
use store::{Account, Accounts, BackendAccount, Entry, LedgerError, Open, Standing};

/// So many of each that are missing are named, at most.
pub const NAMED_MAX: u32 = 20;

/// How many events may wait for the journal while it keeps up.
const BEHIND_MAX: u64 = 2000;

/// What is in the queues, as far as the bus tells.
#[derive(Clone, PartialEq, Eq, Debug, Default, Serialize, Deserialize)]
pub struct Queues {
    /// Where texts wait for router.
    pub texts: Depth,
    /// Where messages wait for egress.
    pub lanes: BTreeMap<BackendName, Depth>,
    /// Where reports wait for egress, of both kinds together.
    pub reports: Depth,
    /// What waits to be tried again, where nothing tells to which queue it goes.
    pub delayed_anywhere: u64,
    /// The events that wait for the journal itself.
    pub journal: Depth,
    /// The dead letters that wait for it.
    pub journal_dead: Depth,
    /// What no queue was bound for.
    pub unrouted: u64,
}

/// The queues that are to be counted.
#[must_use]
pub fn queues(backends: &[BackendName]) -> Vec<QueueName> {
    let fixed = [
        QueueName::results(),
        QueueName::reports(),
        QueueName::journal(),
        QueueName::journal_dead(),
        QueueName::unrouted(),
    ];
    let levels = RETRY_LEVELS.into_iter().map(|level| QueueName::from(retry_name(level).as_str()));
    fixed.into_iter().chain(QueueName::texts()).chain(levels).chain(backends.iter().map(QueueName::lane)).collect()
}

impl Queues {
    /// Reads what was counted of [`queues`]. A queue that is not there holds nothing.
    #[must_use]
    pub fn of(backends: &[BackendName], counted: &Depths) -> Self {
        let nothing = Depth { ready: 0, in_hand: Some(0), delayed: Some(0), consumers: 0 };
        let depth = |queue: QueueName| counted.get(&queue).copied().unwrap_or(nothing);
        let level = |level| depth(QueueName::from(retry_name(level).as_str()));
        Self {
            texts: QueueName::shards().map(|shard| one_active(depth(shard))).fold(depth(QueueName::received()), sum),
            lanes: backends.iter().map(|backend| (backend.clone(), depth(QueueName::lane(backend)))).collect(),
            reports: sum(depth(QueueName::results()), depth(QueueName::reports())),
            delayed_anywhere: RETRY_LEVELS.into_iter().map(|each| known(level(each))).sum(),
            journal: depth(QueueName::journal()),
            journal_dead: depth(QueueName::journal_dead()),
            unrouted: known(depth(QueueName::unrouted())),
        }
    }

    /// How many events and dead letters wait for the journal, as far as is known.
    #[must_use]
    pub fn behind(&self) -> u64 {
        known(self.journal) + known(self.journal_dead)
    }

    /// How many may wait for the journal, at most: with what it may have in hand where the bus does not tell.
    fn behind_max(&self, prefetch: u16) -> u64 {
        let hidden = hidden(self.journal, prefetch) + hidden(self.journal_dead, prefetch);
        self.behind().saturating_add(hidden)
    }

    /// Whether the bus told of all of them what is in consumers' hands.
    #[must_use]
    pub fn is_exact(&self) -> bool {
        let fixed = [&self.texts, &self.reports, &self.journal, &self.journal_dead];
        fixed.into_iter().chain(self.lanes.values()).all(|depth| depth.in_hand.is_some() || depth.consumers == 0)
    }
}

/// However many there are, one consumer at a time has something in hand.
fn one_active(depth: Depth) -> Depth {
    Depth { consumers: depth.consumers.min(1), ..depth }
}

/// Both queues together. What is not known of one is not known of both.
fn sum(one: Depth, other: Depth) -> Depth {
    let both = |one: Option<u64>, other: Option<u64>| Some(one? + other?);
    Depth {
        ready: one.ready + other.ready,
        in_hand: both(one.in_hand, other.in_hand),
        delayed: both(one.delayed, other.delayed),
        consumers: one.consumers + other.consumers,
    }
}

/// How many there are for certain.
fn known(depth: Depth) -> u64 {
    depth.ready + depth.in_hand.unwrap_or_default() + depth.delayed.unwrap_or_default()
}

/// How many more there may be, in the hands of consumers who take so many each, where the bus does not tell.
fn hidden(depth: Depth, prefetch: u16) -> u64 {
    if depth.in_hand.is_none() { depth.consumers.saturating_mul(prefetch.into()) } else { 0 }
}

/// What was found at one moment.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Look {
    /// What is in the queues.
    pub queues: Queues,
    /// The account, drawn after they were counted.
    pub account: Account,
    /// Old messages that a session has, and that the release ledger does not know as waiting for their result, or for
    /// longer than egress lets them.
    pub strays: BTreeMap<BackendName, u64>,
    /// The oldest texts that wait, at most [`NAMED_MAX`]; and so on.
    pub texts_waiting: Vec<Entry>,
    /// Messages that wait.
    pub messages_waiting: Vec<Entry>,
    /// Some of the strays.
    pub messages_stray: Vec<Entry>,
    /// What ended and never began.
    pub unbegun: Vec<Entry>,
}

/// What counts as old.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Since {
    /// What was last heard of before is at some place, and not on its way to one.
    pub settled_before: Timestamp,
    /// What was released before has its result, or is unconfirmed: egress must have seen to that.
    pub awaited_since: Timestamp,
}

impl Look {
    /// Draws the account beside what was counted before. In this order nothing looks lost that is only on its way: what
    /// is not on its queue any more has ended, and the event that says so is on record or waits for the journal.
    ///
    /// # Errors
    /// The database's.
    pub async fn take(accounts: &dyn Accounts, queues: Queues, since: Since) -> Result<Self, LedgerError> {
        let Since { settled_before, awaited_since } = since;
        let open = |open| accounts.open_entries(open, settled_before, NAMED_MAX);
        Ok(Self {
            queues,
            account: accounts.account(settled_before).await?,
            strays: accounts.strays(awaited_since, settled_before).await?,
            texts_waiting: open(Open::Text).await?,
            messages_waiting: open(Open::Message).await?,
            messages_stray: open(Open::Stray { awaited_since }).await?,
            unbegun: accounts.unbegun(settled_before, NAMED_MAX).await?,
        })
    }
}

/// How many deliveries of each queue one consumer may have in hand.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Prefetch {
    /// Router.
    pub texts: u16,
    /// Egress, of a lane and of reports.
    pub messages: u16,
    /// The journal, of events and of dead letters.
    pub events: u16,
}

/// Whether it adds up.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verdict {
    /// Everything is where it can be.
    Balanced,
    /// It cannot be told now.
    Undecided,
    /// Something is missing.
    Unbalanced,
}

/// Something that does not add up, or may not.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct Finding {
    /// What it means for the whole.
    pub verdict: Verdict,
    /// How many it concerns.
    pub count: u64,
    /// What is wrong, for people.
    pub told: String,
    /// What to do about it.
    pub remedy: Cow<'static, str>,
    /// Those that it may be about, the oldest first.
    pub suspects: Vec<Entry>,
}

/// What is wrong with a look, the worst first; nothing, if it adds up. With a backend named, as far as concerns it.
#[must_use]
pub fn judge(look: &Look, backend: Option<&BackendName>, prefetch: Prefetch) -> Vec<Finding> {
    let chosen = |name: &BackendName| backend.is_none_or(|backend| backend == name);
    let account: BTreeMap<_, _> = look.account.iter().filter(|(name, _)| chosen(name)).collect();
    let mut findings = Vec::new();
    let behind = look.queues.behind_max(prefetch.events);
    let places = places(look, &account, &chosen, prefetch);
    findings.extend(missing(&places, &look.queues, behind));
    findings.extend(unbegun(look, &account, &chosen, behind));
    findings.extend(late(&look.queues));
    findings.sort_by_key(|finding| std::cmp::Reverse(finding.verdict));
    findings
}

/// The verdict that findings amount to.
#[must_use]
pub fn verdict(findings: &[Finding]) -> Verdict {
    findings.iter().map(|finding| finding.verdict).max().unwrap_or(Verdict::Balanced)
}

/// A place where something can wait, and what should be there.
struct Place {
    what: String,
    old: u64,
    /// So many are there.
    here: u64,
    /// So many more may be there, where the bus does not tell.
    hidden: u64,
    remedy: &'static str,
    suspects: Vec<Entry>,
}

impl Place {
    fn new(what: String, old: u64, depth: Depth, prefetch: u16) -> Self {
        Self { what, old, here: known(depth), hidden: hidden(depth, prefetch), remedy: "", suspects: Vec::new() }
    }

    /// How many are not there for certain.
    fn gap(&self) -> u64 {
        self.old.saturating_sub(self.here)
    }
}

fn places(
    look: &Look,
    account: &BTreeMap<&BackendName, &BackendAccount>,
    chosen: &dyn Fn(&BackendName) -> bool,
    prefetch: Prefetch,
) -> Vec<Place> {
    let suspects = |entries: &[Entry], of: &dyn Fn(&BackendName) -> bool| -> Vec<Entry> {
        entries.iter().filter(|entry| of(&entry.backend)).cloned().collect()
    };
    let mut places = Vec::new();
    // All backends share the queues of texts: only over all of them can be told whether one is missing.
    if account.values().any(|backend| 0 < backend.texts.count_old(Standing::Waiting)) {
        let old = look.account.values().map(|backend| backend.texts.count_old(Standing::Waiting)).sum();
        let received = QueueName::received();
        let what = format!("texts that were accepted, did not end, and are neither on {received} nor on its shards");
        places.push(Place {
            remedy: "the text was taken off its queue and nobody handled it: look at what else consumes or purges the \
                     queue; a person can be asked to text again",
            suspects: suspects(&look.texts_waiting, chosen),
            ..Place::new(what, old, look.queues.texts, prefetch.texts)
        });
    }
    for (name, backend) in account {
        let old = backend.messages.count_old(Standing::Waiting);
        let lane = look.queues.lanes.get(*name).copied().unwrap_or_default();
        let what = format!("messages that were commanded, did not end, and are not on {}", QueueName::lane(name));
        places.push(Place {
            remedy: "the command was taken off its lane and nobody handled it: publish it again with the same id, and \
                     it is sent once at most",
            suspects: suspects(&look.messages_waiting, &|of| of == *name),
            ..Place::new(what, old, lane, prefetch.messages)
        });
    }
    let strays = look.strays.iter().filter(|(name, _)| chosen(name)).map(|(_, count)| count).sum();
    let what = "messages that a session has, of which neither the ledger awaits a result nor a report is on its way";
    places.push(Place {
        remedy: "`SELECT outcome FROM ledger_releases WHERE message_id = …` tells: with an outcome, no event said so; \
                 without, egress should have called it unconfirmed long ago: see that an egress runs that has the \
                 backend, and what it logs (it begins egress.result_timeout after its start)",
        suspects: suspects(&look.messages_stray, chosen),
        ..Place::new(what.to_owned(), strays, look.queues.reports, prefetch.messages)
    });
    places
}

/// What is not where it can be. What waits to be tried again may belong anywhere, and so may what waits for the journal:
/// `behind` at most.
fn missing(places: &[Place], queues: &Queues, behind: u64) -> Vec<Finding> {
    let delayed_anywhere = queues.delayed_anywhere;
    let gaps: u64 = places.iter().map(Place::gap).sum();
    if gaps <= delayed_anywhere {
        return Vec::new();
    }
    let certain: u64 = places.iter().map(|place| place.gap().saturating_sub(place.hidden)).sum();
    let verdict =
        if delayed_anywhere.saturating_add(behind) < certain { Verdict::Unbalanced } else { Verdict::Undecided };
    let with_gap = places.iter().filter(|place| 0 < place.gap());
    let finding = |place: &Place| {
        let Place { what, here, hidden, old, .. } = place;
        let mut told =
            format!("{} {what} ({old} have waited for longer than it takes to settle, {here} are there", place.gap());
        if 0 < *hidden {
            told.push_str(&format!(", up to {hidden} may be in consumers' hands, which is not known"));
        }
        told.push(')');
        let remedy = match verdict {
            Verdict::Unbalanced | Verdict::Balanced => place.remedy,
            Verdict::Undecided => undecided(queues),
        };
        Finding { verdict, count: place.gap(), told, remedy: remedy.into(), suspects: place.suspects.clone() }
    };
    with_gap.map(finding).collect()
}

/// What to do when it cannot be told.
fn undecided(queues: &Queues) -> &'static str {
    if 0 < queues.behind() {
        "events wait for the journal: ask again, or with --wait 1m"
    } else {
        "set bus.management, so that what is in consumers' hands can be counted, or ask again when it is quiet"
    }
}

fn unbegun(
    look: &Look,
    account: &BTreeMap<&BackendName, &BackendAccount>,
    chosen: &dyn Fn(&BackendName) -> bool,
    behind: u64,
) -> Option<Finding> {
    let count: u64 = account.values().map(|backend| backend.texts.unbegun + backend.messages.unbegun).sum();
    let verdict = if behind < count { Verdict::Unbalanced } else { Verdict::Undecided };
    let remedy = match verdict {
        Verdict::Undecided => undecided(&look.queues),
        Verdict::Unbalanced | Verdict::Balanced => {
            "events were lost before the journal saw them: it was away for longer than journal.events holds, or began \
             in the middle of conversations; they are forgotten after journal.retention"
        }
    };
    (0 < count).then(|| Finding {
        verdict,
        count,
        told: format!("{count} texts or messages ended that were never seen to begin: the journal is incomplete"),
        remedy: remedy.into(),
        suspects: look.unbegun.iter().filter(|entry| chosen(&entry.backend)).cloned().collect(),
    })
}

/// The journal is behind, or does not consume one of its queues at all.
fn late(queues: &Queues) -> Option<Finding> {
    let behind = queues.behind();
    let is_left = |depth: Depth| depth.consumers == 0 && 0 < known(depth);
    let nobody = is_left(queues.journal) || is_left(queues.journal_dead);
    (nobody || BEHIND_MAX < behind).then(|| Finding {
        verdict: Verdict::Undecided,
        count: behind,
        told: format!("{behind} events wait to be accounted for: the account is of the past"),
        remedy: Cow::Borrowed(if nobody {
            "the journal does not run: start `tropomq journal`"
        } else {
            "ask again with --wait 5m"
        }),
        suspects: Vec::new(),
    })
}

#[cfg(test)]
mod tests;
