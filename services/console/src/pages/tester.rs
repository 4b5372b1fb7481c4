//! The message tester: a text as any number, and what comes back.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use axum::response::{IntoResponse, Redirect, Response};
use maud::{Markup, html};
use protocol::{Address, BackendName, MessageText, Network};
use serde::Deserialize;
use tokio::time::Instant;

use super::chat::{self, Part};
use super::layout::{Page, Place, Said};
use super::{address, pieces};
use crate::Console;
use crate::api::asked::Asked;
use crate::guard::{Form, Scope, Visitor};
use crate::problem::Problem;
use crate::sending::{TextWanted, Way};

/// How often what came back is looked for while it cannot be had, in seconds.
const REFRESH_S: u32 = 5;

/// The most texts that one form sends.
const LINES_MAX: usize = 100;

/// A number that belongs to nobody: North America keeps 555-0100 to 555-0199 for examples.
const SOMEBODY: &str = "+15555550177";

/// What stands in the form.
#[derive(Clone, Default, Deserialize)]
#[serde(default)]
pub(super) struct Draft {
    backend: String,
    from: String,
    text: String,
    way: String,
    lines: String,
    sent: String,
}

/// The page.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    draft: Result<Asked<Draft>, Problem>,
) -> Response {
    match draft {
        Ok(Asked(draft)) => {
            let said = draft.sent.parse().ok().map(|sent: usize| match sent {
                1 => Said::Done("The text is on its way: what comes back is shown below.".to_owned()),
                sent => Said::Done(format!("{sent} texts are on their way: what comes back is shown below.")),
            });
            page(&console, &visitor, &draft, said, StatusCode::OK).await
        }
        Err(problem) => Page::new(&console, &visitor, Place::Tester, "Message tester").shows(Err(problem)),
    }
}

/// Sends what the form says, and leads back to it, ready for the next text.
pub(super) async fn send(
    State(console): State<Arc<Console>>,
    Form { visitor, fields: draft }: Form<Draft>,
) -> Response {
    match texted(&console, &visitor, &draft).await {
        Ok(sent) => {
            let sent = sent.to_string();
            let Draft { backend, from, way, lines, .. } = &draft;
            let asked = [("backend", backend), ("from", from), ("way", way), ("lines", lines), ("sent", &sent)];
            Redirect::to(&address::with("/tester", &asked.map(|(name, value)| (name, Some(value.as_str())))))
                .into_response()
        }
        Err(Unsent { problem, left }) => {
            let said = Said::Failed(problem.detail().to_owned());
            let draft = Draft { text: left.unwrap_or_else(|| draft.text.clone()), ..draft };
            page(&console, &visitor, &draft, Some(said), problem.status()).await
        }
    }
}

/// Not everything was sent.
struct Unsent {
    problem: Problem,
    /// What is left of the texts; `None`: all.
    left: Option<String>,
}

impl From<Problem> for Unsent {
    fn from(problem: Problem) -> Self {
        Self { problem, left: None }
    }
}

/// Sends the lines one after the other, so that they come in in their order, while there is time to tell of it. Says how
/// many.
async fn texted(console: &Console, visitor: &Visitor, draft: &Draft) -> Result<usize, Unsent> {
    let Draft { backend, from, text, way, lines, .. } = draft;
    let backend: BackendName = backend.parse().map_err(|error| field("backend", error))?;
    let from: Address = from.parse().map_err(|error| field("number", error))?;
    let way = if way == "simulator" { Way::Simulator } else { Way::Bus };
    let texts: Vec<&str> = if lines.is_empty() {
        vec![text]
    } else {
        text.lines().map(str::trim).filter(|line| !line.is_empty()).collect()
    };
    if texts.is_empty() {
        return Err(Problem::unprocessable("text: there is nothing in it").into());
    }
    if LINES_MAX < texts.len() {
        return Err(Problem::unprocessable(format!("text: at most {LINES_MAX} lines at once")).into());
    }
    let all: Result<Vec<MessageText>, _> = texts.iter().map(|text| text.parse()).collect();
    let all = all.map_err(|error| field("text", error))?;
    let count = all.len();
    // Another half is for the text that is in hand by then.
    let until = Instant::now() + console.config.limits.request_timeout / 2;
    for (done, text) in all.into_iter().enumerate() {
        let wanted = TextWanted { backend: backend.clone(), from: from.clone(), text, network: Network::sms(), way };
        let sent = if done == 0 || Instant::now() < until {
            console.text(&visitor.caller, wanted).await
        } else {
            Err(Problem::unavailable("it takes too long: what is not sent is left below, to be sent again"))
        };
        if let Err(problem) = sent {
            let problem = if count == 1 { problem } else { problem.after(format!("text {} of {count}", done + 1)) };
            let left = Some(left(&texts, done, &problem));
            return Err(Unsent { problem, left });
        }
    }
    Ok(count)
}

/// What is to be sent again of texts of which so many were sent before something was wrong with one. What may have come in
/// is not: that is for whoever looks.
fn left(texts: &[&str], done: usize, problem: &Problem) -> String {
    texts.get(done + usize::from(problem.may_be_sent())..).unwrap_or_default().join("\n")
}

fn field(name: &str, error: impl std::fmt::Display) -> Problem {
    Problem::unprocessable(format!("{name}: {error}"))
}

async fn page(console: &Console, visitor: &Visitor, draft: &Draft, said: Option<Said>, status: StatusCode) -> Response {
    let page = Page::new(console, visitor, Place::Tester, "Message tester").script("tester.js").says(said);
    if let Err(problem) = visitor.caller.may(Scope::Send) {
        return page.shows(Err(problem));
    }
    let page = page.above(form(console, visitor, draft));
    let chat = match draft.backend.parse().ok().zip(draft.from.parse().ok()) {
        Some(_) if !visitor.caller.has(Scope::People) => {
            Ok(html! { p.note { "You may not see words: the scope “people” is needed." } })
        }
        Some((backend, from)) => chat::with(console, &visitor.caller, &backend, &from, Part::Latest).await,
        None => Ok(html! {}),
    };
    // A text can be sent all the same.
    let chat = chat.unwrap_or_else(|problem| {
        html! { div #chat data-refresh=(REFRESH_S) { p.note { "What comes back cannot be shown: " (problem.detail()) "." } } }
    });
    page.shows_with(status, &chat)
}

fn form(console: &Console, visitor: &Visitor, draft: &Draft) -> Markup {
    let Draft { backend, from, text, way, lines, .. } = draft;
    let of_people = || console.backends.iter().filter(|(_, backend)| !backend.is_probe);
    if of_people().next().is_none() {
        return pieces::empty("There is no backend to text.", "Add one to the configuration: [backends.NAME].");
    }
    let names: Vec<(&str, &str)> = of_people().map(|(name, _)| (name.as_str(), name.as_str())).collect();
    let from = if from.is_empty() { SOMEBODY } else { from };
    let through_tropo = console.simulated.is_some() && way != "bus";
    html! {
        form.tester method="post" action="/tester" {
            input type="hidden" name="csrf" value=(visitor.csrf);
            div.row {
                (pieces::choice("Backend", "backend", &names, backend))
                (pieces::field("Text as", "from", html! {
                    input #from name="from" type="tel" value=(from) required autocomplete="off" aria-describedby="from-told";
                }))
            }
            p.soft #from-told { "Any number, with its country code." }
            (pieces::field("Text", "text", html! {
                textarea #text name="text" rows="3" required autofocus maxlength="40960" { (text) }
            }))
            label.check { input type="checkbox" name="lines" value="yes" checked[!lines.is_empty()]; "Each line is a text of its own" }
            fieldset.choices {
                legend { "Way in" }
                @if console.simulated.is_some() {
                    label { input type="radio" name="way" value="simulator" checked[through_tropo];
                        span { "Through the simulated Tropo: all of the way, as a text from a phone. The reply stays in the simulator." } }
                }
                label { input type="radio" name="way" value="bus" checked[!through_tropo];
                    span { "Straight into the bus: past Tropo and ingress. The reply goes out through the backend as it is configured: "
                        "with the real Tropo to that very number." } }
            }
            p { button.main type="submit" { "Send" } }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_may_have_come_in_is_not_offered_to_be_sent_again() {
        let check = |texts: &[&str], may_be_sent, expected| {
            assert_eq!(left(texts, texts.len() - 1, &Problem::not_kept("why", may_be_sent)), expected);
        };
        check(&["one"], true, "");
        check(&["one"], false, "one");
        assert_eq!(left(&["one", "two", "three"], 1, &Problem::not_kept("why", true)), "three");
        assert_eq!(left(&["one", "two", "three"], 1, &Problem::unprocessable("why")), "two\nthree");
    }
}
