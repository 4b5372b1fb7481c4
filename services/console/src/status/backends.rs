//! The backends: what they are, whether somebody serves them, how much goes through.

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::stream::FuturesUnordered;
use messaging::Depths;
use protocol::topology::QueueName;
use protocol::{Address, BackendName, EventId, Kind, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{DEAD_LETTER, EventsOf, Journal, LedgerError, LogFilter, LogPage, Logged, Standing};
use tokio::time::timeout;
use utoipa::ToSchema;

use super::watched::ANSWER_MAX;
use super::{WINDOW, Waiting, in_time};
use crate::guard::{Caller, Scope};
use crate::problem::Problem;
use crate::{Console, observe, shown};

/// How many people who opted out are told at once, at most.
const OPT_OUTS_MAX: u32 = 500;

/// A backend, and how it is doing.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct BackendState {
    /// Its name.
    #[schema(value_type = String)]
    pub name: BackendName,
    /// Its number.
    pub number: String,
    /// Messages a second; `null`: as fast as it goes.
    pub rate: Option<f64>,
    /// What is done with a message whose result does not come: `hold` or `resend`.
    pub on_unconfirmed: String,
    /// Whether its webhook has a secret, or is limited to networks.
    pub is_guarded: bool,
    /// The path that Tropo posts to, without its secret.
    pub webhook: String,
    /// Whether it is the flow probe's: whatever lists or counts many texts and messages leaves its own out.
    pub is_probe: bool,
    /// Whether some egress takes its messages; `null` while the bus does not tell.
    pub is_served: Option<bool>,
    /// The messages that wait for egress; `null` while the bus does not tell.
    pub backlog: Option<Waiting>,
    /// How many events of each kind there were in the last five minutes; `null` while the database does not tell.
    pub recent: Option<BTreeMap<String, u64>>,
    /// What failed last; `null`: nothing on record, or it is not known.
    pub last_failure: Option<Failure>,
    /// Whether it is known what failed last: not while the database does not tell.
    pub is_failure_known: bool,
}

impl BackendState {
    /// How many events of any of these kinds there were in the last five minutes; `None`: not known.
    #[must_use]
    pub fn count(&self, kinds: &[&str]) -> Option<u64> {
        let recent = self.recent.as_ref()?;
        Some(kinds.iter().filter_map(|kind| recent.get(*kind)).sum())
    }
}

/// Something that failed.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Failure {
    /// The text or message.
    #[schema(value_type = String, format = Uuid)]
    pub id: EventId,
    /// When.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Where it stands: `failed` or `dead`.
    #[schema(value_type = String)]
    pub state: Standing,
    /// Why, in one word.
    pub reason: Option<String>,
}

/// People who opted out of a backend.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct OptOuts {
    /// They, in the order of their numbers.
    pub opted_out: Vec<OptedOut>,
    /// The `cursor` of the next page; `null`: this is the last.
    pub next: Option<String>,
}

/// Somebody who opted out.
#[derive(Serialize, Deserialize, ToSchema)]
pub struct OptedOut {
    /// The person's number.
    pub person: String,
    /// Since when.
    #[schema(value_type = String, format = DateTime)]
    pub since: Timestamp,
    /// The word by which, or who did it.
    pub word: String,
}

/// What the journal says of the backends.
#[derive(Default)]
pub(super) struct Recent {
    /// How many events of each kind there were; `None`: not known.
    tallies: Option<BTreeMap<BackendName, BTreeMap<String, u64>>>,
    /// What failed last, of those of which it is known.
    failures: BTreeMap<BackendName, Option<Failure>>,
}

impl Console {
    /// What happened lately, as far as the database tells in time. If it is away, the log tells why.
    pub(super) async fn recent(&self, now: Timestamp) -> Recent {
        let Some(opened) = self.database.get() else { return Recent::default() };
        let journal = &*opened.journal;
        let tallies = in_time(async { tallies(journal, now).await.inspect_err(observe::database_away) });
        let mut failures = BTreeMap::new();
        // One that has too much on record to be searched in time leaves the others known.
        let mut searches = FuturesUnordered::new();
        for backend in self.backends.keys() {
            searches.push(async move { (backend.clone(), last_failure(journal, backend).await) });
        }
        let filling = async {
            while let Some((backend, found)) = searches.next().await {
                failures.extend(found.ok().map(|failure| (backend, failure)));
            }
        };
        let (tallies, _) = tokio::join!(tallies, timeout(ANSWER_MAX, filling));
        Recent { tallies, failures }
    }

    /// Each backend that is configured.
    pub(super) fn backend_states(
        &self,
        depths: Option<&Depths>,
        Recent { tallies, mut failures }: Recent,
    ) -> Vec<BackendState> {
        let state = |(name, backend): (&BackendName, &crate::Backend)| {
            let last_failure = failures.remove(name);
            let backlog = depths.map(|depths| Waiting::on(depths, [QueueName::lane(name)]));
            BackendState {
                name: name.clone(),
                number: backend.number.as_str().to_owned(),
                rate: backend.rate,
                on_unconfirmed: backend.on_unconfirmed.to_owned(),
                is_guarded: backend.is_guarded,
                webhook: backend.webhook.clone(),
                is_probe: backend.is_probe,
                is_served: backlog.map(|backlog| 0 < backlog.consumers),
                backlog,
                recent: tallies.as_ref().map(|tallies| tallies.get(name).cloned().unwrap_or_default()),
                is_failure_known: last_failure.is_some(),
                last_failure: last_failure.flatten(),
            }
        };
        self.backends.iter().map(state).collect()
    }

    /// The backends, and how they are doing.
    ///
    /// # Errors
    /// The caller may not.
    pub(crate) async fn backend_list(&self, caller: &Caller) -> Result<Vec<BackendState>, Problem> {
        caller.may(Scope::Read)?;
        let (depths, recent) = tokio::join!(self.depths(), self.recent(self.environment.now()));
        Ok(self.backend_states(depths.as_ref(), recent))
    }

    /// Those who opted out of a backend: a page of them.
    ///
    /// # Errors
    /// There is no such backend, the caller may not, or the database does not answer.
    pub(crate) async fn opt_outs(
        &self,
        caller: &Caller,
        backend: &BackendName,
        cursor: Option<&str>,
    ) -> Result<OptOuts, Problem> {
        caller.may(Scope::People)?;
        let told = || Problem::not_found(format!("there is no backend {backend}"));
        self.backends.get(backend).ok_or_else(told)?;
        let after = cursor.filter(|cursor| !cursor.trim().is_empty()).map(str::parse::<Address>).transpose();
        let after = after.map_err(|_| Problem::bad_request("cursor: not one of ours"))?;
        let consents = &self.database()?.consents;
        let mut found = consents.opted_out(Some((backend, after.as_ref())), OPT_OUTS_MAX).await?;
        let is_full = usize::try_from(OPT_OUTS_MAX).is_ok_and(|max| max <= found.len());
        found.retain(|consent| consent.backend == *backend);
        let next = found.last().filter(|_| is_full).map(|last| last.person.as_str().to_owned());
        let opted_out = found.into_iter().map(|consent| OptedOut {
            person: shown::person(&consent.person, true),
            since: consent.since,
            word: consent.word,
        });
        Ok(OptOuts { opted_out: opted_out.collect(), next })
    }
}

async fn tallies(
    journal: &dyn Journal,
    now: Timestamp,
) -> Result<BTreeMap<BackendName, BTreeMap<String, u64>>, LedgerError> {
    let mut found = BTreeMap::<BackendName, BTreeMap<String, u64>>::new();
    let since = now.checked_sub(WINDOW).unwrap_or(now);
    for tally in journal.tallies(since).await? {
        *found.entry(tally.backend).or_default().entry(tally.kind).or_default() += tally.count;
    }
    Ok(found)
}

async fn last_failure(journal: &dyn Journal, backend: &BackendName) -> Result<Option<Failure>, LedgerError> {
    let mut last: Option<(Standing, Logged)> = None;
    for standing in [Standing::Failed, Standing::Dead] {
        let filter = LogFilter { backend: Some(backend.clone()), standing: Some(standing), ..LogFilter::default() };
        let found = journal.log(&filter, LogPage { before: None, limit: 1 }).await?.pop();
        if let Some(found) = found
            && last.as_ref().is_none_or(|(_, last)| last.touched_at < found.touched_at)
        {
            last = Some((standing, found));
        }
    }
    let Some((state, logged)) = last else { return Ok(None) };
    let events = journal.events(&EventsOf::Subject(logged.subject, logged.id)).await?;
    let is_end = |kind: &str| kind == Kind::MessageFailed.as_str() || kind == DEAD_LETTER;
    let end = events.iter().rev().find(|event| is_end(&event.kind));
    let reason = end.and_then(|event| {
        let data: Value = serde_json::from_str(&event.body).ok()?;
        data.get("reason")?.as_str().map(str::to_owned)
    });
    Ok(Some(Failure { id: logged.id, at: logged.touched_at, state, reason }))
}
