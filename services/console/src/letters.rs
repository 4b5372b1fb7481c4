//! Dead letters, and what no queue was bound for: looked at and worked on, for pages and the API alike.
//!
//! Invariant: who changes what is on record before the first letter is touched; in the log alone while the database is
//! away, and then whoever asked is told so.

mod advice;
mod shown;

use std::collections::btree_map::Entry;
use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use futures::{Stream, StreamExt, stream};
use messaging::dead::{self, Action, Data, Detail, Filter, Order, Outcome, Place, Summary, Told};
use serde_json::{Value, json};
use tokio::sync::{Semaphore, mpsc};
use tokio::time::timeout;
use tokio_util::sync::CancellationToken;
use uuid::Uuid;

use crate::Console;
use crate::acts::{EDIT, END, IDS_MAX};
use crate::guard::{Caller, Scope};
use crate::problem::Problem;
pub(crate) use shown::{Group, Letter, Progress, Worked};

/// How long a look may take, the wait for its turn included. It holds letters in hand, which nobody else sees meanwhile.
const LOOK_MAX: Duration = Duration::from_secs(20);

/// How many letters are replayed in a second, where it is not said.
pub(crate) const RATE: NonZeroU32 = NonZeroU32::new(50).unwrap();

/// What is told waits here while it is sent.
const TOLD_MAX: usize = 64;

/// How many groups are told apart.
const GROUPS_MAX: usize = 500;

/// What the letters are looked at with.
pub(crate) struct Letters {
    /// Looks take turns, and work begins under none: each would hide letters from the others.
    turn: Arc<Semaphore>,
    /// Work stops with the process.
    pub(crate) stop: CancellationToken,
}

impl Default for Letters {
    fn default() -> Self {
        Self { turn: Arc::new(Semaphore::new(1)), stop: CancellationToken::new() }
    }
}

/// The letters there are, by cause.
pub(crate) struct Grouped {
    /// The groups, the largest first.
    pub(crate) groups: Vec<Group>,
    /// How many letters are in none of them, because there are too many groups.
    pub(crate) others: u64,
    /// What was seen in all.
    pub(crate) summary: Summary,
}

impl Console {
    /// Letters that fit, the oldest first, as many as the order says at most, as far as the caller may see what they say.
    ///
    /// # Errors
    /// The caller may not, or the bus does not answer.
    pub(crate) async fn letters(&self, caller: &Caller, order: &Order) -> Result<(Vec<Letter>, Summary), Problem> {
        may_look_for(caller, &order.filter)?;
        let mut letters = Vec::new();
        let sees_people = caller.has(Scope::People);
        let summary = self.look(order, |letter| letters.push(Letter::seen(letter, sees_people))).await?;
        Ok((letters, summary))
    }

    /// The oldest letter with an id, as far as the caller may see what it says.
    ///
    /// # Errors
    /// There is none, or the bus does not answer.
    pub(crate) async fn letter(&self, caller: &Caller, place: Place, id: String) -> Result<Letter, Problem> {
        caller.may(Scope::Read)?;
        let detail = if caller.has(Scope::People) { Detail::Plain } else { Detail::Masked };
        let filter = Filter { ids: BTreeSet::from([id]), ..Filter::default() };
        let order = Order { action: Action::Look, place, filter, limit: Some(1), detail };
        let (letters, summary) = self.letters(caller, &order).await?;
        letters.into_iter().next().ok_or_else(|| not_there(&summary.into()))
    }

    /// All letters, by cause.
    ///
    /// # Errors
    /// The bus does not answer.
    pub(crate) async fn letter_groups(&self, place: Place) -> Result<Grouped, Problem> {
        let (mut groups, mut others) = (BTreeMap::<Uuid, Group>::new(), 0);
        let filter = Filter::default();
        let order = Order { action: Action::Look, place, filter, limit: None, detail: Detail::Line };
        let add = |letter: dead::Letter| {
            let id = letter.group();
            let has_room = groups.len() < GROUPS_MAX;
            match groups.entry(id) {
                Entry::Occupied(mut group) => group.get_mut().add(&letter),
                Entry::Vacant(group) if has_room => drop(group.insert(Group::of(place, &letter))),
                Entry::Vacant(_) => others += 1,
            }
        };
        let summary = self.look(&order, add).await?;
        let mut groups: Vec<Group> = groups.into_values().collect();
        groups.sort_by_key(|group| std::cmp::Reverse(group.count));
        Ok(Grouped { groups, others, summary })
    }

    async fn look(&self, order: &Order, mut hear: impl FnMut(dead::Letter)) -> Result<Summary, Problem> {
        let Letters { turn, stop } = &self.letters;
        let looking = async {
            let _turn = turn.acquire().await;
            let (sender, mut receiver) = mpsc::channel(TOLD_MAX);
            let hearing = async {
                let mut ended = None;
                while let Some(told) = receiver.recv().await {
                    match told {
                        Told::Letter { letter, .. } => hear(*letter),
                        Told::Done(summary) => ended = Some(Ok(summary)),
                        Told::Failed { error, .. } => ended = Some(Err(error)),
                    }
                }
                ended
            };
            let working = dead::work(&*self.bus, &self.environment, order, stop, sender);
            let ((), ended) = tokio::join!(working, hearing);
            ended
        };
        match timeout(LOOK_MAX, looking).await {
            Ok(Some(Ok(summary))) => Ok(summary),
            Ok(Some(Err(error))) => Err(Problem::unavailable(format!("the letters cannot be looked at: {error}"))),
            Ok(None) | Err(_) => {
                Err(Problem::unavailable("the letters could not be looked through in time: ask again, or for fewer"))
            }
        }
    }

    /// Has an order carried out, and tells how it goes: [`Progress::Begun`] first, [`Progress::Done`] or
    /// [`Progress::Failed`] last. It ends early when `stop` is cancelled, when nobody listens any more, and with the process;
    /// what changes nothing, after [`LOOK_MAX`] as well, as long as somebody reads what is told.
    ///
    /// # Errors
    /// The caller may not look for such words, or somebody has looked at the letters for so long that it cannot begin.
    pub(crate) async fn work_on_letters(
        self: Arc<Self>,
        caller: Caller,
        order: Order,
        stop: CancellationToken,
    ) -> Result<impl Stream<Item = Progress> + Send + 'static, Problem> {
        may_look_for(&caller, &order.filter)?;
        let turn = timeout(LOOK_MAX, Arc::clone(&self.letters.turn).acquire_owned()).await;
        let turn = turn.map_err(|_| Problem::unavailable("somebody looks at the letters: ask again in a moment"))?;
        let (action, ordered) = (action(&order.action), detail(&order));
        let is_on_record = match action {
            Some(action) => self.put_on_record(&caller, action, &ordered).await,
            None => true,
        };
        let (sender, receiver) = mpsc::channel(TOLD_MAX);
        let console = Arc::clone(&self);
        let is_look = action.is_none();
        let work = async move {
            // Whoever stops their work does not stop that of others.
            let stop = stop.child_token();
            let in_time = async {
                if is_look {
                    tokio::time::sleep(LOOK_MAX).await;
                    stop.cancel();
                }
                std::future::pending::<()>().await;
            };
            tokio::select! {
                () = dead::work(&*console.bus, &console.environment, &order, &stop, sender) => {}
                () = in_time => {}
            }
        };
        let working = stream::once(work).filter_map(async |()| None);
        // Whoever looks next finds the letters of a change in hand, and that is told; a look has its turn to the end.
        let heard = stream::unfold((receiver, Some(turn)), move |(mut receiver, turn)| async move {
            let told = receiver.recv().await?;
            Some((told, (receiver, turn.filter(|_| is_look))))
        });
        let told = heard.then(move |told| {
            let (console, caller) = (Arc::clone(&self), caller.clone());
            let progress = Progress::seen(told, caller.has(Scope::People));
            let end = action.zip(progress.end(&ordered));
            async move {
                if let Some((action, end)) = end {
                    console.put_on_record(&caller, &format!("{action}{END}"), &end).await;
                }
                progress
            }
        });
        let begun = Progress::Begun { on_record: is_on_record };
        Ok(stream::once(async { begun }).chain(stream::select(working, told)))
    }

    /// Replays the oldest letter that fits, with other data where that is given, and tells whether that is on record.
    ///
    /// # Errors
    /// The caller may not, there is no such letter, or it cannot be replayed so: then it is where it was.
    pub(crate) async fn replay_one(
        self: Arc<Self>,
        caller: Caller,
        place: Place,
        filter: Filter,
        data: Option<Data>,
    ) -> Result<bool, Problem> {
        caller.may(Scope::Operate)?;
        let action = match data {
            Some(data) => caller.may(Scope::People).map(|()| Action::Edit { data })?,
            None => Action::Replay { rate: RATE },
        };
        let order = Order { action, place, filter, limit: Some(1), detail: Detail::Line };
        let stop = self.letters.stop.clone();
        let mut told = pin!(self.work_on_letters(caller, order, stop).await?);
        let (mut is_on_record, mut became) = (false, None);
        while let Some(progress) = told.next().await {
            match progress {
                Progress::Begun { on_record } => is_on_record = on_record,
                Progress::Letter { outcome, .. } => became = Some(outcome),
                Progress::Done(summary) if became.is_none() => return Err(not_there(&summary)),
                Progress::Failed { error, .. } if became.is_none() => return Err(Problem::unavailable(error)),
                Progress::Done(_) | Progress::Failed { .. } => {}
            }
        }
        match became {
            Some(Outcome::Replayed) => Ok(is_on_record),
            Some(Outcome::NotReplayable(why)) => Err(Problem::unprocessable(format!("it stays where it is: {why}"))),
            Some(Outcome::Kept | Outcome::Replayable | Outcome::Dropped) | None => {
                Err(Problem::unavailable("the work ended before the letter was replayed: look at it again"))
            }
        }
    }
}

/// Whoever may not see what others wrote cannot guess it either.
fn may_look_for(caller: &Caller, filter: &Filter) -> Result<(), Problem> {
    filter.error.as_ref().map_or(Ok(()), |_| caller.may(Scope::People))
}

/// What was looked for is not there.
fn not_there(Worked { elsewhere, more, .. }: &Worked) -> Problem {
    Problem::not_found(if *more || 0 < *elsewhere {
        "no such letter is among those that could be looked at; the others are in somebody's hand: ask again in a moment"
    } else {
        "no such letter is there: it was replayed or removed, or somebody has it in hand at this moment"
    })
}

/// The name of the act; of what changes nothing, none.
fn action(action: &Action) -> Option<&'static str> {
    match action {
        Action::Look | Action::Rehearse => None,
        Action::Replay { .. } => Some("dead_letters.replay"),
        Action::Edit { .. } => Some(EDIT),
        Action::Drop => Some("dead_letters.drop"),
    }
}

/// What is on record of an order: no words that are looked for or written.
fn detail(Order { action, place, filter, limit, detail: _ }: &Order) -> Value {
    let rate = match action {
        Action::Replay { rate } => Some(rate.get()),
        Action::Look | Action::Rehearse | Action::Edit { .. } | Action::Drop => None,
    };
    let ids: Vec<&str> = filter.ids.iter().map(String::as_str).take(IDS_MAX).collect();
    json!({ "place": place, "filter": filter.to_string(), "ids": ids, "limit": limit, "rate": rate })
}
