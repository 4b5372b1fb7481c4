//! Dead letters, and what no queue was bound for: looked at, replayed, edited, removed.

mod order;

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::Json;
use axum::body::{Body, Bytes};
use axum::extract::State;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use futures::StreamExt;
use messaging::dead::{self, Action, Data, Filter, Order};
use protocol::Timestamp;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use utoipa::{IntoParams, ToSchema};
use uuid::Uuid;

use super::asked::{Asked, Given, Named};
use crate::Console;
use crate::guard::{Caller, Scope};
use crate::letters::{Group, Letter, Progress, Worked};
use crate::problem::Problem;
use order::Work;

/// How many letters are listed, where it is not said.
const LISTED: u64 = 50;

/// How many letters are listed at most: each may be as long as a text.
const LISTED_MAX: u64 = 500;

/// Where letters are.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// What is beyond retry.
    #[default]
    Dead,
    /// What no queue was bound for.
    Unrouted,
}

impl From<Place> for dead::Place {
    fn from(place: Place) -> Self {
        match place {
            Place::Dead => Self::Dead,
            Place::Unrouted => Self::Unrouted,
        }
    }
}

/// How much is told of each letter.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(super) enum Detail {
    /// Neither headers nor payload.
    #[default]
    Line,
    /// Headers, and the payload with every value of its data masked.
    Masked,
    /// Headers, and the payload as it is: needs the scope `people`.
    Plain,
}

impl Detail {
    /// # Errors
    /// Whoever asks may not see people.
    fn permitted(self, caller: &Caller) -> Result<dead::Detail, Problem> {
        match self {
            Self::Line => Ok(dead::Detail::Line),
            Self::Masked => Ok(dead::Detail::Masked),
            Self::Plain => caller.may(Scope::People).map(|()| dead::Detail::Plain),
        }
    }
}

/// Which letters are listed: those that fit everything that is given.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Query {
    /// `dead`, or `unrouted`: what no queue was bound for.
    #[param(inline)]
    #[serde(default)]
    place: Place,
    /// How much is told of each.
    #[param(inline)]
    #[serde(default)]
    detail: Detail,
    /// How many, the oldest first.
    #[param(minimum = 1, maximum = 500)]
    limit: Option<u64>,
    /// The one with this id.
    id: Option<String>,
    /// Those of this backend.
    backend: Option<String>,
    /// Those that came from this queue.
    queue: Option<String>,
    /// Those that are dead for this reason, as in `failed` or `attempts_exhausted`.
    reason: Option<String>,
    /// Those of this kind, as in `message.send`.
    kind: Option<String>,
    /// Those of the conversation that this Tropo session began.
    session: Option<String>,
    /// Those whose error has these words in it: needs the scope `people`.
    error: Option<String>,
    /// Those of this group.
    group: Option<Uuid>,
    /// Those that died then or later.
    #[param(value_type = Option<String>, format = DateTime)]
    since: Option<Timestamp>,
    /// Those that died before.
    #[param(value_type = Option<String>, format = DateTime)]
    until: Option<Timestamp>,
}

/// Letters, with what was seen.
#[derive(Serialize, ToSchema)]
pub(super) struct Letters {
    /// Letters, the oldest first.
    letters: Vec<Letter>,
    /// What was looked through to find them.
    summary: Worked,
}

/// Dead letters, the oldest first.
///
/// To look at them takes them in hand for a moment: what somebody else has in hand is counted as `elsewhere`, and is there
/// again in a moment. Scope: `read`.
#[utoipa::path(
    get,
    path = "/v1/dead-letters",
    tag = "dead letters",
    params(Query),
    responses((status = OK, body = Letters), (status = "4XX", response = Problem), (status = "5XX", response = Problem)),
    security(("token" = ["read"]), ("session" = ["read"])),
)]
pub(super) async fn list(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Asked(query): Asked<Query>,
) -> Result<Json<Letters>, Problem> {
    caller.may(Scope::Read)?;
    let Query { place, detail, limit, id, backend, queue, reason, kind, session, error, group, since, until } = query;
    let limit = limit.unwrap_or(LISTED);
    if !(1..=LISTED_MAX).contains(&limit) {
        return Err(Problem::bad_request(format!("limit: 1 to {LISTED_MAX}")));
    }
    let ids = id.into_iter().collect();
    let filter = Filter { ids, backend, queue, reason, kind, session, error, group, since, until };
    let detail = detail.permitted(&caller)?;
    let order = Order { action: Action::Look, place: place.into(), filter, limit: Some(limit), detail };
    let (letters, summary) = console.letters(&caller, &order).await?;
    Ok(Json(Letters { letters, summary: summary.into() }))
}

/// Where to look.
#[derive(Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub(super) struct Where {
    /// `dead`, or `unrouted`: what no queue was bound for.
    #[param(inline)]
    #[serde(default)]
    place: Place,
}

/// All letters, by cause.
#[derive(Serialize, ToSchema)]
pub(super) struct Groups {
    /// The groups, the largest first.
    groups: Vec<Group>,
    /// How many letters are in none of them, because there are too many groups.
    others: u64,
    /// What was looked through.
    summary: Worked,
}

/// All dead letters, by cause: those from the same queue with the same error, but for ids, numbers and addresses in it.
///
/// Scope: `read`.
#[utoipa::path(
    get,
    path = "/v1/dead-letters/groups",
    tag = "dead letters",
    params(Where),
    responses((status = OK, body = Groups), (status = "4XX", response = Problem), (status = "5XX", response = Problem)),
    security(("token" = ["read"]), ("session" = ["read"])),
)]
pub(super) async fn groups(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Asked(Where { place }): Asked<Where>,
) -> Result<Json<Groups>, Problem> {
    caller.may(Scope::Read)?;
    let grouped = console.letter_groups(place.into()).await?;
    Ok(Json(Groups { groups: grouped.groups, others: grouped.others, summary: grouped.summary.into() }))
}

/// A dead letter, with its headers and what it says: the oldest with this id.
///
/// Scope: `read`; what it says is masked without `people`, and the words of others in its error and headers left out.
#[utoipa::path(
    get,
    path = "/v1/dead-letters/{id}",
    tag = "dead letters",
    params(("id" = String, Path, description = "The id of the event", max_length = 255), Where),
    responses((status = OK, body = Letter), (status = "4XX", response = Problem), (status = "5XX", response = Problem)),
    security(("token" = ["read"]), ("session" = ["read"])),
)]
pub(super) async fn get(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Named(id): Named<String>,
    Asked(Where { place }): Asked<Where>,
) -> Result<Json<Letter>, Problem> {
    console.letter(&caller, place.into(), id).await.map(Json)
}

/// Looks at letters, tries whether they can be replayed, replays or removes them, and tells how it goes: a JSON object on
/// each line.
///
/// It goes through what is there when it begins, the oldest first. A letter is published and confirmed before it is removed
/// from the dead letters, so nothing is lost however this ends; it ends when nobody reads on. Who replays or removes
/// letters is on record before the first. Scope: `operate`; to look, `read`.
#[utoipa::path(
    post,
    path = "/v1/dead-letters/work",
    tag = "dead letters",
    request_body = Work,
    responses(
        (status = OK, body = Progress, content_type = "application/x-ndjson"),
        (status = "4XX", response = Problem),
        (status = "5XX", response = Problem),
    ),
    security(("token" = ["operate"]), ("session" = ["operate"])),
)]
pub(super) async fn work(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Given(work): Given<Work>,
) -> Result<Response, Problem> {
    let order = work.order(&caller)?;
    let stop = console.letters.stop.clone();
    let told = console.work_on_letters(caller, order, stop).await?;
    let lines = told.map(|progress| line(&progress).map(Bytes::from));
    Ok(([(header::CONTENT_TYPE, "application/x-ndjson")], Body::from_stream(lines)).into_response())
}

fn line(progress: &Progress) -> serde_json::Result<Vec<u8>> {
    let mut line = serde_json::to_vec(progress)?;
    line.push(b'\n');
    Ok(line)
}

/// One letter to be replayed.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct Replay {
    /// Where it is.
    #[serde(default)]
    place: Place,
    /// The queue that it came from, where letters of several queues have its id.
    queue: Option<String>,
    /// All that its event says from now on, instead of what it said. Left out: it stays as it is.
    #[schema(value_type = Option<Object>)]
    data: Option<Map<String, Value>>,
}

/// A letter that is back on its queue.
#[derive(Serialize, ToSchema)]
pub(super) struct Replayed {
    /// Its id.
    id: String,
    /// Whether it is on record who did it. If not, the database is away, and the log has it alone.
    on_record: bool,
}

/// Puts a letter back on the queue that it came from, as it is or saying something else.
///
/// Of a `message.send` may change `to`, `text`, `from`, `network` and `expires_at`; of a `message.received` `to`, `text` and
/// `network`; of anything else nothing. Its id stays, so what was released already is not sent again; and the log of texts and messages
/// goes on showing what it said first. Scope: `operate`; to edit also `people`.
#[utoipa::path(
    post,
    path = "/v1/dead-letters/{id}/replay",
    tag = "dead letters",
    params(("id" = String, Path, description = "The id of the event", max_length = 255)),
    request_body = Replay,
    responses((status = OK, body = Replayed), (status = "4XX", response = Problem), (status = "5XX", response = Problem)),
    security(("token" = ["operate"]), ("session" = ["operate"])),
)]
pub(super) async fn replay(
    State(console): State<Arc<Console>>,
    caller: Caller,
    Named(id): Named<String>,
    Given(Replay { place, queue, data }): Given<Replay>,
) -> Result<Json<Replayed>, Problem> {
    let filter = Filter { ids: BTreeSet::from([id.clone()]), queue, ..Filter::default() };
    let on_record = console.replay_one(caller, place.into(), filter, data.map(Data)).await?;
    Ok(Json(Replayed { id, on_record }))
}
