//! The first page: whether all is well, what goes through, what waits.

mod balance;
mod flow;
mod glance;
pub(super) mod parts;

use std::sync::Arc;
use std::time::Duration;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, Render, html};
use store::Journal;

use super::chart::{self, Chart};
use super::layout::{Page, Place};
use super::pieces::{self, Tone};
use super::rates;
use crate::Console;
use crate::guard::{Caller, Scope, Visitor};
use crate::problem::Problem;
use crate::status::{Amiss, Status};
pub(crate) use glance::Glance;

/// How far back the charts go.
const CHARTED: Duration = Duration::from_hours(1);

/// Of how many replies at most it is looked at how long they took.
const REPLIES_MAX: u32 = 1000;

/// How often the page is fetched again, in seconds.
const REFRESH_S: u32 = 5;

/// The page.
pub(super) async fn show(State(console): State<Arc<Console>>, visitor: Visitor) -> Response {
    let caller = &visitor.caller;
    let main = match caller.may(Scope::Read) {
        // It says nothing of people: whoever may look sees the same.
        Ok(()) => console.overview.of(main(&console, caller)).await,
        Err(problem) => Err(problem),
    };
    Page::new(&console, &visitor, Place::Overview, "Overview").shows(main)
}

async fn main(console: &Console, caller: &Caller) -> Result<Markup, Problem> {
    let (status, balance, charts) =
        tokio::join!(console.status(caller), console.balance(caller, None, None), charts(console));
    let status = status?;
    let balance = balance::Balance::of(balance);
    Ok(html! {
        div #overview data-refresh=(REFRESH_S) {
            (verdict(&status, &balance))
            (figures(&status))
            @match charts {
                Ok(charts) => (charts),
                Err(problem) => (pieces::problem(&problem)),
            }
            (flow::card(&status.flow, status.at))
            (parts::backends(&status))
            (parts::processes(&status))
            (parts::journal(&status))
            (balance)
        }
    })
}

/// Whether all is well, and if not, what is not.
fn verdict(status: &Status, balance: &balance::Balance) -> Markup {
    let unbalanced = balance.is_amiss().then(|| Amiss::on("/#balance", "The account does not add up."));
    let amiss: Vec<_> = status.amiss.iter().chain(&unbalanced).collect();
    html! {
        @if amiss.is_empty() {
            p.said.done { (pieces::badge(Tone::Good, "all is well", "")) " Every process is ready, and every backend is served." }
        } @else {
            div.said.failed {
                p { (pieces::badge(Tone::Bad, "needs a look", "")) }
                ul {
                    @for Amiss { told, page } in amiss {
                        li { (told) @if let Some(page) = page { " " a href=(page) { "See more" } } }
                    }
                }
            }
        }
    }
}

/// The numbers of the last minutes.
fn figures(status: &Status) -> Markup {
    let of_people = || status.backends.iter().filter(|backend| !backend.is_probe);
    let recent = |kind| pieces::known(of_people().map(|backend| backend.count(&[kind])).sum());
    let waiting =
        status.queues.as_ref().map(|queues| queues.texts.all() + queues.messages.all() + queues.reports.all());
    let dead = status.queues.as_ref().map(|queues| queues.dead);
    let replies = status.replies.map(|replies| {
        let seconds = |ms: u64| Duration::from_millis(ms).as_secs_f64();
        let [half, most, nearly_all] =
            [replies.p50_ms, replies.p95_ms, replies.p99_ms].map(|ms| chart::number(seconds(ms)));
        html! { (half) " s" span.soft { "half; 95\u{a0}% " (most) "\u{a0}s, 99\u{a0}% " (nearly_all) "\u{a0}s" } }
    });
    html! {
        dl.figures {
            (figure("Texts, five minutes", recent("message.received")))
            (figure("Messages sent, five minutes", recent("message.sent")))
            (figure("Replies handed over within", replies.unwrap_or_else(pieces::not_known)))
            (figure("Waiting now", pieces::known(waiting)))
            (figure("Unconfirmed, five minutes", html! { a href="/messages?state=unconfirmed" { (recent("message.unconfirmed")) } }))
            (figure("Dead letters", html! { a href="/dead-letters" { (pieces::known(dead)) } }))
        }
    }
}

fn figure(name: &str, value: impl Render) -> Markup {
    html! { div { dt { (name) } dd { (value) } } }
}

/// What went through in the last hour, and how long replies took.
async fn charts(console: &Console) -> Result<Markup, Problem> {
    let journal: &dyn Journal = &*console.database()?.journal;
    let now = console.environment.now();
    let since = now.checked_sub(CHARTED).unwrap_or(now);
    let (mut tallies, mut latencies) = tokio::try_join!(journal.tallies(since), journal.latencies(since, REPLIES_MAX))?;
    tallies.retain(|tally| !console.is_for_the_probe(&tally.backend));
    latencies.retain(|latency| !console.is_for_the_probe(&latency.backend));
    let minutes = rates::minutes(now);
    let counts = rates::counts(&minutes, &tallies);
    let waits = rates::waits(&minutes, &latencies);
    let happened =
        Chart { id: "rates", title: "What happened", unit: "events a minute", minutes: &minutes, lines: &counts };
    let took = Chart {
        id: "waits",
        title: "Replies",
        unit: "seconds from the text until the reply is handed to Tropo",
        minutes: &minutes,
        lines: &waits,
    };
    Ok(html! { div.charts { (happened.draw()) (took.draw()) } })
}
