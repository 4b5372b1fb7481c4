//! Who did what: put on record before it is done.
//!
//! What may not wait for the database is put into the log instead while that is away.

use std::time::Duration;

use protocol::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::Value;
use store::{Act, NumberedAct};
use tokio::time::timeout;
use utoipa::{IntoParams, ToSchema};

use crate::guard::{Caller, Scope};
use crate::problem::Problem;
use crate::{Console, observe};

/// How many acts a page has, unless said.
const LIMIT_USUAL: u32 = 50;

/// How many it has at most.
const LIMIT_MAX: u32 = 500;

/// How long the database may take to put on record who does what.
const RECORD_MAX: Duration = Duration::from_secs(3);

/// How many ids are on record of an act.
pub(crate) const IDS_MAX: usize = 100;

/// The act of replaying a dead letter with other data.
pub(crate) const EDIT: &str = "dead_letters.edit";

/// What is added to the name of an act to tell how it ended.
pub(crate) const END: &str = ".end";

/// How many attempts to edit a letter are looked through for one that was not refused.
const ATTEMPTS_MAX: u32 = 50;

/// Which acts are asked for.
#[derive(Clone, Debug, Default, Deserialize, IntoParams)]
#[serde(deny_unknown_fields, default)]
#[into_params(parameter_in = Query)]
pub(crate) struct ActsAsked {
    /// How many at once, 1 to 500: 50 where left out.
    #[param(minimum = 1, maximum = 500)]
    pub(crate) limit: Option<u32>,
    /// Where to go on: `next` of the page before.
    pub(crate) cursor: Option<i64>,
}

/// A page of what was done.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Acts {
    /// What was done, the latest first.
    pub acts: Vec<ShownAct>,
    /// The `cursor` of the next page; `null`: this is the last.
    pub next: Option<i64>,
}

/// Something that somebody did.
#[derive(Clone, PartialEq, Debug, Serialize, Deserialize, ToSchema)]
pub struct ShownAct {
    /// When it was begun.
    #[schema(value_type = String, format = DateTime)]
    pub at: Timestamp,
    /// Who: the name of a user, or of a token.
    pub who: String,
    /// What.
    #[schema(example = "dead_letters.replay")]
    pub action: String,
    /// With what.
    pub detail: Value,
}

impl Console {
    /// Takes note that somebody is about to do something. `action` is as in `dead_letters.replay`; `detail` has nobody's
    /// number and nobody's words.
    ///
    /// # Errors
    /// It is not on record, so it is not to be done.
    pub(crate) async fn note(&self, who: &Caller, action: &str, detail: &Value) -> Result<(), Problem> {
        let (at, who, action) = (self.environment.now(), who.name.clone(), action.to_owned());
        Ok(self.database()?.desk.note_act(&Act { at, who, action, detail: detail.to_string() }).await?)
    }

    /// The same for what is done all the same: whether it is on record, and not in the log alone.
    pub(crate) async fn put_on_record(&self, who: &Caller, action: &str, detail: &Value) -> bool {
        let noted = timeout(RECORD_MAX, self.note(who, action, detail)).await;
        let is_on_record = matches!(noted, Ok(Ok(())));
        if !is_on_record {
            observe::not_on_record(&who.name, action, detail);
        }
        is_on_record
    }

    /// A page of what was done, as this caller may see it.
    ///
    /// # Errors
    /// They may not, or it cannot be had.
    pub(crate) async fn acts(&self, caller: &Caller, asked: &ActsAsked) -> Result<Acts, Problem> {
        caller.may(Scope::Read)?;
        let limit = asked.limit.unwrap_or(LIMIT_USUAL);
        if !(1..=LIMIT_MAX).contains(&limit) {
            return Err(Problem::bad_request(format!("limit is from 1 to {LIMIT_MAX}")));
        }
        // One more tells whether there is another page.
        let mut acts = self.database()?.desk.acts(asked.cursor, limit + 1).await?;
        let is_last = acts.len() <= limit as usize;
        acts.truncate(limit as usize);
        let next = acts.last().filter(|_| !is_last).map(|last| last.number);
        Ok(Acts { acts: acts.into_iter().map(shown).collect(), next })
    }

    /// The last time that a dead letter was replayed with other data, if that is on record.
    ///
    /// # Errors
    /// They may not know, or it cannot be had.
    pub(crate) async fn edit_of(&self, caller: &Caller, id: &str) -> Result<Option<ShownAct>, Problem> {
        caller.may(Scope::Read)?;
        let ended = self.database()?.desk.acts_with(&format!("{EDIT}{END}"), id, ATTEMPTS_MAX).await?;
        let was_done = |act: &ShownAct| act.detail.pointer("/summary/replayed").and_then(Value::as_u64) == Some(1);
        Ok(ended.into_iter().map(shown).find(was_done))
    }
}

fn shown(NumberedAct { act: Act { at, who, action, detail }, .. }: NumberedAct) -> ShownAct {
    let detail = serde_json::from_str(&detail).unwrap_or(Value::String(detail));
    ShownAct { at, who, action, detail }
}
