//! Work on letters, as it is asked for.

use std::collections::BTreeSet;
use std::num::NonZeroU32;

use messaging::dead::{Action, Filter, Order};
use protocol::Timestamp;
use serde::Deserialize;
use utoipa::ToSchema;
use uuid::Uuid;

use super::{Detail, Place};
use crate::guard::{Caller, Scope};
use crate::letters::RATE;
use crate::problem::Problem;

/// Which letters are meant: those that fit everything that is set.
#[derive(Default, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
struct Meant {
    /// Those with one of these ids.
    #[schema(value_type = Vec<String>)]
    ids: BTreeSet<String>,
    /// Those of this backend.
    backend: Option<String>,
    /// Those that came from this queue.
    queue: Option<String>,
    /// Those that are dead for this reason.
    reason: Option<String>,
    /// Those of this kind, as in `message.send`.
    kind: Option<String>,
    /// Those of the conversation that this session began.
    session: Option<String>,
    /// Those whose error has these words in it: needs the scope `people`.
    error: Option<String>,
    /// Those of this group.
    group: Option<Uuid>,
    /// Those that died then or later.
    #[schema(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Those that died before.
    #[schema(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

impl From<Meant> for Filter {
    fn from(meant: Meant) -> Self {
        let Meant { ids, backend, queue, reason, kind, session, error, group, since, until } = meant;
        Self { ids, backend, queue, reason, kind, session, error, group, since, until }
    }
}

/// What to do with letters.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
enum Doing {
    /// Look at them.
    Look,
    /// Find out which could be replayed.
    Rehearse,
    /// Put them back on the queues that they came from.
    Replay,
    /// Remove them for good.
    Drop,
}

/// Work on letters.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(in crate::api) struct Work {
    /// What to do.
    action: Doing,
    /// Where they are.
    #[serde(default)]
    place: Place,
    /// Which of them are meant.
    #[serde(default)]
    filter: Meant,
    /// All of them: has to be said where no filter says which are replayed or removed.
    #[serde(default)]
    all: bool,
    /// At most so many of those, the oldest.
    #[serde(default, deserialize_with = "crate::whole::optional")]
    limit: Option<u64>,
    /// How many are replayed in a second at most.
    #[serde(default = "fifty", deserialize_with = "crate::whole::required")]
    #[schema(value_type = u32, minimum = 1, default = 50)]
    rate: NonZeroU32,
    /// How much is told of each.
    #[serde(default)]
    detail: Detail,
}

fn fifty() -> NonZeroU32 {
    RATE
}

impl Work {
    /// # Errors
    /// Whoever asks may not, or it is not said which are meant.
    pub(super) fn order(self, caller: &Caller) -> Result<Order, Problem> {
        let Self { action, place, filter, all, limit, rate, detail } = self;
        let (action, scope) = match action {
            Doing::Look => (Action::Look, Scope::Read),
            Doing::Rehearse => (Action::Rehearse, Scope::Operate),
            Doing::Replay => (Action::Replay { rate }, Scope::Operate),
            Doing::Drop => (Action::Drop, Scope::Operate),
        };
        caller.may(scope)?;
        let detail = detail.permitted(caller)?;
        let filter = Filter::from(filter);
        match (&action, filter.is_empty(), all) {
            (Action::Replay { .. } | Action::Drop, true, false) => {
                Err(Problem::unprocessable("say which letters are meant: by a filter, or by all: true"))
            }
            (_, false, true) => {
                Err(Problem::unprocessable("all: true means all letters: leave out the filter, or that"))
            }
            _ => Ok(Order { action, place: place.into(), filter, limit, detail }),
        }
    }
}
