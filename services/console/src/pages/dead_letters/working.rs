//! Replaying and removing letters from a page: the forms, and what is answered to one without a script.

use std::num::NonZeroU32;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use futures::StreamExt;
use maud::{Markup, html};
use messaging::dead::{Action, Detail, Filter, Order, Outcome};
use serde::Deserialize;
use uuid::Uuid;

use super::{PATH, Place, Query, RATE, letters, of};
use crate::Console;
use crate::guard::{Form, Scope, Visitor};
use crate::letters::{Progress, Worked};
use crate::pages::layout::Said;
use crate::pages::{address, pieces};
use crate::problem::Problem;

/// How long a form waits for the end. What takes longer is stopped, and told: with a script nothing has to wait.
const WAIT_MAX: Duration = Duration::from_secs(20);

/// How many reasons are told why letters could not be replayed.
const REASONS_MAX: usize = 5;

/// Which letters a form means.
pub(super) enum Meant {
    /// All that were seen: so many.
    All(u64),
    /// Those of a group that were seen.
    Group { id: Uuid, count: u64 },
    /// One.
    One(String),
}

impl Meant {
    fn count(&self) -> u64 {
        match self {
            Self::All(count) | Self::Group { count, .. } => *count,
            Self::One(_) => 1,
        }
    }

    /// The fields that say which. No more than were seen, the oldest: what has come meanwhile stays.
    fn fields(&self, place: Place) -> Markup {
        html! {
            input type="hidden" name="place" value=(place.as_str());
            input type="hidden" name="limit" value=(self.count());
            @match self {
                Self::All(_) => {}
                Self::Group { id, .. } => input type="hidden" name="group" value=(id);,
                Self::One(id) => input type="hidden" name="id" value=(id);,
            }
        }
    }
}

/// What can be done with them. Who may do nothing is told so.
pub(super) fn form(visitor: &Visitor, query: &Query, meant: &Meant, legend: &str) -> Markup {
    if !visitor.caller.has(Scope::Operate) {
        return html! { p.soft { "You may look at letters; to replay or drop them the scope “operate” is needed." } };
    }
    let drop = match meant {
        Meant::Group { id, .. } => address::with(
            PATH,
            &[("place", Some(query.place.as_str())), ("group", Some(&id.to_string())), ("drop", Some("ask"))],
        ),
        Meant::One(id) => super::letter::path_to_drop(id, query),
        Meant::All(_) => String::new(),
    };
    html! {
        form.card method="post" action="/dead-letters/work" data-work {
            h2 { (legend) }
            input type="hidden" name="csrf" value=(visitor.csrf);
            (meant.fields(query.place))
            @if let Meant::One(_) = meant {
                input type="hidden" name="rate" value=(RATE);
            } @else {
                (pieces::field("Letters a second, at most", "rate", html! {
                    input #rate name="rate" type="number" min="1" max="10000" value=(RATE) required;
                }))
            }
            div.row {
                button.main type="submit" name="action" value="replay" { "Replay" }
                button type="submit" name="action" value="rehearse" { "Dry run" }
                @if !drop.is_empty() { a.button href=(drop) { "Drop…" } }
            }
            p.soft {
                @if meant.count() == 1 { "A replay puts it back where it came from, to be handled as on its first attempt." }
                @else { "A replay puts them back where they came from, to be handled as on their first attempt." }
                " A dry run changes nothing."
            }
        }
        (progress())
    }
}

/// Asks once more before letters are removed, and says how many.
pub(super) fn confirm(visitor: &Visitor, query: &Query, meant: &Meant) -> Markup {
    if !visitor.caller.has(Scope::Operate) {
        return form(visitor, query, meant, "");
    }
    let count = letters(meant.count());
    let (they, them) = if meant.count() == 1 { ("It", "it") } else { ("They", "them") };
    let back = match meant {
        Meant::Group { id, .. } => of(query.place, *id),
        Meant::One(id) => super::letter::path(id, query.place, query.group),
        Meant::All(_) => PATH.to_owned(),
    };
    html! {
        form.card method="post" action="/dead-letters/work" data-work {
            h2 #ask { "Remove " (count) " for good?" }
            p { (they) " cannot be had back. What comes of the same cause meanwhile stays." }
            input type="hidden" name="csrf" value=(visitor.csrf);
            (meant.fields(query.place))
            div.row {
                button.danger type="submit" name="action" value="drop" autofocus { "Drop " (count) }
                a.button href=(back) { "Keep " (them) }
            }
        }
        (progress())
    }
}

/// Where a script shows how it goes.
fn progress() -> Markup {
    html! {
        section.card #progress hidden aria-labelledby="progress-title" {
            h2 #progress-title { "Under way" }
            progress #progress-bar max="1" value="0" aria-labelledby="progress-title" {}
            p #progress-told role="status" {}
            ul #progress-reasons {}
            div.row {
                button #progress-stop type="button" { "Stop" }
                a.button #progress-again href="" hidden { "See what is left" }
            }
        }
    }
}

/// What a form says.
#[derive(Deserialize)]
pub(super) struct Work {
    action: Doing,
    #[serde(default)]
    place: Place,
    group: Option<Uuid>,
    id: Option<String>,
    limit: u64,
    rate: Option<NonZeroU32>,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "snake_case")]
enum Doing {
    Rehearse,
    Replay,
    Drop,
}

/// Does what the form says, and answers when it is done.
pub(super) async fn work(State(console): State<Arc<Console>>, Form { visitor, fields }: Form<Work>) -> Response {
    let Work { action, place, group, id, limit, rate } = fields;
    let query = Query { place, group, drop: None };
    if let Err(problem) = visitor.caller.may(Scope::Operate) {
        return super::new(&console, &visitor, place).shows(Err(problem));
    }
    let action = match action {
        Doing::Rehearse => Action::Rehearse,
        Doing::Replay => Action::Replay { rate: rate.unwrap_or(RATE) },
        Doing::Drop => Action::Drop,
    };
    let filter = Filter { ids: id.into_iter().collect(), group, ..Filter::default() };
    let order = Order { action, place: place.into(), filter, limit: Some(limit), detail: Detail::Line };
    let said = match waited_for(&console, &visitor, order).await {
        Ok(said) => said,
        Err(problem) => Said::Failed(problem.detail().to_owned()),
    };
    super::page(&console, &visitor, &query, Some(said)).await
}

async fn waited_for(console: &Arc<Console>, visitor: &Visitor, order: Order) -> Result<Said, Problem> {
    let (action, stop) = (order.action.clone(), console.letters.stop.child_token());
    let mut told = pin!(Arc::clone(console).work_on_letters(visitor.caller.clone(), order, stop.clone()).await?);
    let mut in_time = pin!(tokio::time::sleep(WAIT_MAX));
    let (mut reasons, mut is_on_record, mut end) = (Vec::new(), true, None);
    loop {
        let progress = tokio::select! {
            biased;
            progress = told.next() => progress,
            () = &mut in_time, if !stop.is_cancelled() => {
                stop.cancel();
                continue;
            }
        };
        match progress {
            Some(Progress::Begun { on_record }) => is_on_record = on_record,
            Some(Progress::Letter { outcome: Outcome::NotReplayable(why), .. }) if reasons.len() < REASONS_MAX => {
                if !reasons.contains(&why) {
                    reasons.push(why);
                }
            }
            Some(Progress::Letter { .. }) => {}
            Some(Progress::Done(summary)) => end = Some((summary, None)),
            Some(Progress::Failed { error, summary }) => end = Some((summary, Some(error))),
            None => break,
        }
    }
    let (summary, error) = end.ok_or_else(|| Problem::unavailable("the work ended before it was told how"))?;
    Ok(words(&action, &summary, error.as_deref(), &reasons, is_on_record))
}

/// What was done, in words.
fn words(action: &Action, summary: &Worked, error: Option<&str>, reasons: &[String], is_on_record: bool) -> Said {
    let Worked { replayed, dropped, failed, elsewhere, .. } = summary;
    let mut told = match action {
        Action::Look | Action::Rehearse => format!("{} can be replayed; nothing was changed.", letters(*replayed)),
        Action::Replay { .. } | Action::Edit { .. } => format!("{} replayed.", letters(*replayed)),
        Action::Drop => format!("{} dropped.", letters(*dropped)),
    };
    if 0 < *failed {
        told += &format!(" {} cannot be replayed, and stay: {}.", letters(*failed), reasons.join("; "));
    }
    if 0 < *elsewhere {
        told += &format!(" {} are in somebody else's hand: do it again in a moment.", letters(*elsewhere));
    }
    if let Some(error) = error {
        told += &format!(" It ended early: {error}.");
    }
    if !is_on_record {
        told += " The database is away: who did this is in the log of the console alone.";
    }
    if 0 < *failed || 0 < *elsewhere || error.is_some() { Said::Failed(told) } else { Said::Done(told) }
}
