//! What pages are made of: states, times, words of people, tables, and what stands where there is nothing.

use maud::{Markup, Render, html};
use protocol::Timestamp;
use store::Standing;

use crate::problem::Problem;

/// How something stands, in general: each has a sign of its own beside its colour.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Tone {
    /// As it should be.
    Good,
    /// Under way.
    Open,
    /// Worth a look.
    Doubtful,
    /// Wrong.
    Bad,
    /// Neither good nor bad.
    Plain,
}

impl Tone {
    fn sign(self) -> &'static str {
        match self {
            Self::Good => "✓",
            Self::Open => "…",
            Self::Doubtful => "?",
            Self::Bad => "✕",
            Self::Plain => "–",
        }
    }

    fn class(self) -> &'static str {
        match self {
            Self::Good => "good",
            Self::Open => "open",
            Self::Doubtful => "doubtful",
            Self::Bad => "bad",
            Self::Plain => "plain",
        }
    }
}

/// A word with a sign and a colour, and what it means where the pointer rests on it.
pub(crate) fn badge(tone: Tone, word: &str, meaning: &str) -> Markup {
    html! {
        span class={ "badge " (tone.class()) } title=[(!meaning.is_empty()).then_some(meaning)] {
            span.sign aria-hidden="true" { (tone.sign()) } " " (word)
        }
    }
}

/// The name of a standing as the API writes it, and what it means.
pub(crate) fn standing_words(standing: Standing) -> (&'static str, &'static str, Tone) {
    match standing {
        Standing::Waiting => ("waiting", "On its queue, or in hand.", Tone::Open),
        Standing::Released => ("released", "Handed to Tropo; its result is not in.", Tone::Open),
        Standing::Answered => ("answered", "A message answers it.", Tone::Good),
        Standing::Ignored => ("ignored", "Nothing answers it.", Tone::Plain),
        Standing::Dead => ("dead", "Among the dead letters: it could not be handled.", Tone::Bad),
        Standing::Failed => ("failed", "Refused, or reported not to have arrived.", Tone::Bad),
        Standing::Expired => ("expired", "It could not be sent in its time.", Tone::Bad),
        Standing::Suppressed => ("suppressed", "The person opted out: it may not be sent.", Tone::Doubtful),
        Standing::Unconfirmed => ("unconfirmed", "Handed to Tropo, and no result came.", Tone::Doubtful),
        Standing::Sent => ("sent", "Tropo took it.", Tone::Good),
        Standing::Delivered => ("delivered", "The carrier delivered it.", Tone::Good),
    }
}

/// Where a text or message stands.
pub(crate) fn state(standing: Option<Standing>) -> Markup {
    let Some(standing) = standing else {
        return badge(Tone::Plain, "not known", "Nothing was seen of it but that something names it.");
    };
    let (word, meaning, tone) = standing_words(standing);
    badge(tone, word, meaning)
}

/// A number, if it is known.
pub(crate) fn known(number: Option<u64>) -> Markup {
    number.map_or_else(not_known, |number| number.render())
}

/// What stands for what is not known.
pub(crate) fn not_known() -> Markup {
    html! { span.soft title="not known" { "–" } }
}

/// A time, in UTC; scripts write it in the time of whoever reads it.
pub(crate) fn time(at: Timestamp) -> Markup {
    html! {
        time datetime=(at) title=(at) { (at.strftime("%Y-%m-%d %H:%M:%S UTC")) }
    }
}

/// What somebody wrote, in whichever direction it is read, with its line breaks.
pub(crate) fn words(text: &str) -> Markup {
    html! { bdi.words { (text) } }
}

/// What is left out for whoever may not see people.
pub(crate) fn withheld() -> Markup {
    html! { span.withheld title="You may not see numbers and words: the scope “people” is needed." { "not shown" } }
}

/// A column of a table: its heading, which a phone shows beside each cell.
pub(crate) struct Column(pub(crate) &'static str);

/// A table, which becomes cards where there is no room for it. `caption` is read out, and not shown.
pub(crate) fn table(caption: &str, columns: &[Column], rows: &[Vec<Markup>]) -> Markup {
    let rows: Vec<Markup> = rows.iter().map(|row| cells(columns, row)).collect();
    rows_table(caption, columns, &rows)
}

/// A table of rows that are made elsewhere: their cells have `data-label`.
pub(crate) fn rows_table(caption: &str, columns: &[Column], rows: &[Markup]) -> Markup {
    html! {
        div.wide tabindex="0" role="region" aria-label=(caption) {
            table.cards {
                caption.read-out { (caption) }
                thead { tr { @for Column(heading) in columns { th scope="col" { (heading) } } } }
                tbody { @for row in rows { (row) } }
            }
        }
    }
}

/// A row of a table.
fn cells(columns: &[Column], row: &[Markup]) -> Markup {
    html! {
        tr { @for (Column(heading), cell) in columns.iter().zip(row) { td data-label=(heading) { (cell) } } }
    }
}

/// What stands where there is nothing: that there is nothing, and what to do next.
pub(crate) fn empty(told: &str, next: impl Render) -> Markup {
    html! { div.empty { p { b { (told) } } p { (next) } } }
}

/// What cannot be done, and what to do.
pub(crate) fn problem(problem: &Problem) -> Markup {
    html! {
        div.problem role="alert" {
            p { b { (problem.title()) "." } }
            p { (problem.detail()) }
        }
    }
}

/// What was refused before a page was reached, and the way back.
pub(crate) fn refusal(refused: &Problem) -> Markup {
    html! {
        div.problem role="alert" { p { (refused.detail()) } }
        p { a href="/" { "To the first page" } }
    }
}

/// The way to newer and older pages.
pub(crate) fn pager(newest: Option<&str>, older: Option<&str>) -> Markup {
    html! {
        @if newest.is_some() || older.is_some() {
            nav.pager aria-label="More" {
                @if let Some(newest) = newest { a.button href=(newest) { "Newest" } }
                @if let Some(older) = older { a.button rel="next" href=(older) { "Older" } }
            }
        }
    }
}

/// The button that holds a live list, for its script, and how the list stands.
pub(crate) fn pause() -> Markup {
    html! {
        button #pause type="button" aria-pressed="false" hidden { "Pause" }
        span.soft #follows role="status" {}
    }
}

/// A labelled field of a form.
pub(crate) fn field(label: &str, id: &str, input: impl Render) -> Markup {
    html! { div.field { label for=(id) { (label) } (input) } }
}

/// A choice of a form: values with what is shown for them; the first that equals `chosen` is chosen.
pub(crate) fn choice(label: &str, name: &str, options: &[(&str, &str)], chosen: &str) -> Markup {
    let select = html! {
        select id=(name) name=(name) {
            @for (value, shown) in options { option value=(value) selected[*value == chosen] { (shown) } }
        }
    };
    field(label, name, select)
}
