//! Dead letters, and what no queue was bound for: by cause, one by one, and what can be done about them.

mod letter;
mod working;

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::response::Response;
use axum::routing::{get, post};
use maud::{Markup, html};
use messaging::dead::{self, Action, Detail, Filter, Order};
use serde::Deserialize;
use uuid::Uuid;

use super::address;
use super::layout::{self, Page, Said};
use super::pieces::{self, Column};
use crate::Console;
use crate::api::asked::Asked;
use crate::guard::{Scope, Visitor};
use crate::letters::{Group, Grouped, Letter, RATE, Worked};
use crate::problem::Problem;

/// Where the pages are.
const PATH: &str = "/dead-letters";

/// How many letters of a group are listed.
const LISTED: u64 = 100;

const GROUPS: [Column; 5] = [Column("Letters"), Column("Cause"), Column("Backend"), Column("From"), Column("Latest")];

const LETTERS: [Column; 4] = [Column("Died"), Column("Id"), Column("Attempts"), Column("Error")];

/// Where letters are, as an address has it.
#[derive(Clone, Copy, PartialEq, Eq, Default, Debug, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(super) enum Place {
    /// What is beyond retry.
    #[default]
    Dead,
    /// What no queue was bound for.
    Unrouted,
}

impl Place {
    fn as_str(self) -> &'static str {
        match self {
            Self::Dead => "dead",
            Self::Unrouted => "unrouted",
        }
    }

    fn title(self) -> &'static str {
        match self {
            Self::Dead => "Dead letters",
            Self::Unrouted => "Unrouted messages",
        }
    }
}

impl From<Place> for dead::Place {
    fn from(place: Place) -> Self {
        match place {
            Place::Dead => Self::Dead,
            Place::Unrouted => Self::Unrouted,
        }
    }
}

/// What is asked for.
#[derive(Default, Deserialize)]
#[serde(default)]
pub(super) struct Query {
    place: Place,
    group: Option<Uuid>,
    /// Whether somebody is about to remove them.
    drop: Option<String>,
}

pub(super) fn routes() -> Router<Arc<Console>> {
    Router::new()
        .route(PATH, get(show))
        .route("/dead-letters/work", post(working::work))
        .route("/dead-letters/{id}", get(letter::show).post(letter::edit))
}

async fn show(State(console): State<Arc<Console>>, visitor: Visitor, query: Result<Asked<Query>, Problem>) -> Response {
    match query {
        Ok(Asked(query)) => page(&console, &visitor, &query, None).await,
        Err(problem) => new(&console, &visitor, Place::Dead).shows(Err(problem)),
    }
}

fn new<'a>(console: &'a Console, visitor: &'a Visitor, place: Place) -> Page<'a> {
    Page::new(console, visitor, layout::Place::DeadLetters, place.title()).script("dead_letters.js")
}

/// The groups, or the letters of one.
async fn page(console: &Console, visitor: &Visitor, query: &Query, said: Option<Said>) -> Response {
    let page = new(console, visitor, query.place).says(said).above(places(query.place));
    if let Err(problem) = visitor.caller.may(Scope::Read) {
        return page.shows(Err(problem));
    }
    let grouped = match console.letter_groups(query.place.into()).await {
        Ok(grouped) => grouped,
        Err(problem) => return page.shows(Err(problem)),
    };
    page.shows(match query.group {
        None => Ok(groups(visitor, query, &grouped)),
        Some(id) => match grouped.groups.iter().find(|group| group.id == id) {
            Some(group) => of_group(console, visitor, query, group).await,
            None => Ok(gone(query.place, &grouped)),
        },
    })
}

/// The way to the one place and to the other.
fn places(chosen: Place) -> Markup {
    html! {
        nav.tabs aria-label="Which letters" {
            @for place in [Place::Dead, Place::Unrouted] {
                a href=(address::with(PATH, &[("place", Some(place.as_str()))])) aria-current=[(place == chosen).then_some("page")] {
                    (place.title())
                }
            }
        }
    }
}

fn groups(visitor: &Visitor, query: &Query, Grouped { groups, others, summary }: &Grouped) -> Markup {
    let seen = summary.seen;
    html! {
        @if groups.is_empty() && summary.elsewhere == 0 {
            (nothing(query.place))
        } @else {
            p {
                @match query.place {
                    Place::Dead => "These could not be handled, and wait here until somebody decides: mend the cause, then replay them; drop what nobody wants.",
                    Place::Unrouted => "No queue was bound for these when they were published. They wait here until somebody decides.",
                }
            }
            (pieces::table("Groups of letters by cause, the largest first", &GROUPS, &groups.iter().map(|group| row(query.place, group)).collect::<Vec<_>>()))
            @if 0 < *others { p.note { (others) " more have other causes, which are not told apart here." } }
            (unseen(&summary.clone().into()))
            @if 0 < seen { (working::form(visitor, query, &working::Meant::All(seen), &format!("All {}", letters(seen)))) }
        }
    }
}

fn row(place: Place, group: &Group) -> Vec<Markup> {
    let Group { id, queue, backend, kind, reason, cause, count, last, .. } = group;
    let link = of(place, *id);
    vec![
        html! { b { (count) } },
        html! {
            a href=(link) { (reason.as_deref().unwrap_or(kind.as_deref().unwrap_or("no reason is told"))) }
            @if !cause.is_empty() { div.soft { (cause) } }
        },
        html! { (backend.as_deref().unwrap_or("–")) },
        html! { (queue.as_deref().unwrap_or("–")) },
        html! { @if let Some(last) = last { (pieces::time(*last)) } @else { "–" } },
    ]
}

async fn of_group(console: &Console, visitor: &Visitor, query: &Query, group: &Group) -> Result<Markup, Problem> {
    let filter = Filter { group: Some(group.id), ..Filter::default() };
    let order =
        Order { action: Action::Look, place: query.place.into(), filter, limit: Some(LISTED), detail: Detail::Line };
    let (listed, summary) = console.letters(&visitor.caller, &order).await?;
    let rows: Vec<_> = listed.iter().map(|letter| letter_row(query, letter)).collect();
    let Group { queue, backend, kind, reason, cause, count, first, last, advice, .. } = group;
    let meant = working::Meant::Group { id: group.id, count: *count };
    Ok(html! {
        p { a href=(address::with(PATH, &[("place", Some(query.place.as_str()))])) { "All groups" } }
        h2 { (letters(*count)) @if let Some(reason) = reason { ": " (reason) } }
        dl {
            @if !cause.is_empty() { dt { "Cause" } dd { (cause) } }
            dt { "What they say" } dd { (kind.as_deref().unwrap_or("not known")) }
            @if let Some(backend) = backend { dt { "Backend" } dd { (backend) } }
            @if let Some(queue) = queue { dt { "From the queue" } dd { (queue) } }
            @if let Some(first) = first { dt { "First" } dd { (pieces::time(*first)) } }
            @if let Some(last) = last { dt { "Latest" } dd { (pieces::time(*last)) } }
        }
        p.note { b { "What to do: " } (advice) }
        @if query.drop.is_some() {
            (working::confirm(visitor, query, &meant))
        } @else {
            (working::form(visitor, query, &meant, "These letters"))
        }
        (pieces::table("Letters, the oldest first", &LETTERS, &rows))
        @if (rows.len() as u64) < *count { p.soft { "The oldest " (rows.len()) " are shown." } }
        (unseen(&summary.into()))
    })
}

fn letter_row(query: &Query, letter: &Letter) -> Vec<Markup> {
    let Letter { time, id, attempts, error, .. } = letter;
    let died = html! { @if let Some(time) = time { (pieces::time(*time)) } @else { "–" } };
    vec![
        died,
        match id {
            Some(id) => html! { a.mono href=(letter::path(id, query.place, query.group)) { (id) } },
            None => html! { "without an id" },
        },
        html! { @if let Some(attempts) = attempts { (attempts) } @else { "–" } },
        html! { (error.as_deref().unwrap_or("–")) },
    ]
}

/// What could not be looked at, and what to do about it.
fn unseen(Worked { elsewhere, more, .. }: &Worked) -> Markup {
    html! {
        @if 0 < *elsewhere {
            p.note role="status" { (letters(*elsewhere)) " could not be looked at: somebody else has them in hand. Load the page again in a moment." }
        }
        @if *more { p.note { "There are more than can be looked through at a time: replay or drop some of these first." } }
    }
}

fn nothing(place: Place) -> Markup {
    match place {
        Place::Dead => pieces::empty(
            "There are no dead letters.",
            "What cannot be handled comes here, with its cause. Nothing is to be done.",
        ),
        Place::Unrouted => {
            pieces::empty("There is nothing unrouted.", "What no queue is bound for comes here. Nothing is to be done.")
        }
    }
}

fn gone(place: Place, grouped: &Grouped) -> Markup {
    html! {
        (pieces::empty("No letters of this group are here any more.", html! {
            a href=(address::with(PATH, &[("place", Some(place.as_str()))])) { "See what else is here" }
        }))
        (unseen(&grouped.summary.clone().into()))
    }
}

/// The page of a group.
fn of(place: Place, group: Uuid) -> String {
    address::with(PATH, &[("place", Some(place.as_str())), ("group", Some(&group.to_string()))])
}

/// So many letters, in words.
fn letters(count: u64) -> String {
    if count == 1 { "1 letter".to_owned() } else { format!("{count} letters") }
}
