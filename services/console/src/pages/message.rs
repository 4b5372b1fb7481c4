//! What happened to one text or message: the five answers first, then everything that is on record.

use std::collections::BTreeSet;
use std::sync::Arc;

use axum::extract::State;
use axum::response::Response;
use maud::{Markup, html};

use super::address;
use super::layout::{Page, Place};
use super::pieces::{self, Column, Tone};
use super::pulse::ABOUT_MAX;
use crate::acts::ShownAct;
use crate::api::asked::Named;
use crate::api::explanation;
use crate::explain::{
    Advice, Answer, Evidence, Explanation, Outcome, Question, Reply, Sought, Source, TropoLog, TropoSession,
};
use crate::guard::{Caller, Scope, Visitor};
use crate::problem::Problem;
use crate::sending::OWN_SESSION;
use crate::shown::Direction;
use crate::{Console, Message};

/// The columns of the messages that answer a text.
const REPLIES: [Column; 4] = [Column("Message"), Column("Person"), Column("Called back"), Column("Sent")];

/// The columns of everything.
const TIMELINE: [Column; 4] = [Column("When"), Column("What"), Column("Session"), Column("As it stands")];

/// The page.
pub(super) async fn show(
    State(console): State<Arc<Console>>,
    visitor: Visitor,
    id: Result<Named<String>, Problem>,
) -> Response {
    let caller = &visitor.caller;
    let explained = match id {
        Ok(Named(id)) => explained(&console, caller, &id).await.map(|explanation| (id, explanation)),
        Err(problem) => Err(problem),
    };
    let title = match explained.as_ref().map(|(_, explanation)| explanation.about.as_ref()) {
        Ok(Some(Message { direction: Direction::In, .. })) => "What happened to this text",
        Ok(Some(Message { direction: Direction::Out, .. })) => "What happened to this message",
        Ok(None) => "What happened in this session",
        Err(_) => "What happened",
    };
    let main = match explained {
        Ok((id, explanation)) => {
            let edited = edited(&console, caller, &explanation).await;
            Ok(main(caller, &id, &explanation, edited.as_ref()))
        }
        Err(problem) => Err(problem),
    };
    Page::new(&console, &visitor, Place::Messages, title).shows(main)
}

async fn explained(console: &Console, caller: &Caller, id: &str) -> Result<Explanation, Problem> {
    caller.may(Scope::Read)?;
    console.explanation(caller, &Sought::Id(explanation::sought(id)?)).await
}

/// That it was edited among the dead letters, as far as that is on record.
async fn edited(console: &Console, caller: &Caller, explanation: &Explanation) -> Option<ShownAct> {
    let about = explanation.about.as_ref()?;
    console.edit_of(caller, &about.id.to_string()).await.ok().flatten()
}

fn main(caller: &Caller, id: &str, explanation: &Explanation, edited: Option<&ShownAct>) -> Markup {
    let Explanation { about, text, questions, advice, replies, replies_more, timeline, .. } = explanation;
    html! {
        div #explanation data-pulse=(pulse(id, explanation)) {
            (verdict(explanation))
            @if let Some(advice) = advice { (to_do(advice)) }
            section aria-labelledby="questions" {
                h2 #questions { "Five questions" }
                ol.questions { @for question in questions { li { (asked(question, "q")) } } }
            }
            @if 1 < replies.len() || 0 < *replies_more { (each(replies, *replies_more)) }
            @if let Some(ShownAct { at, who, .. }) = edited {
                p.note {
                    b { (who) } " had it replayed with other data, " (pieces::time(*at)) " (" a href="/acts" { "who did what" }
                    "): what it says below is what it said before."
                }
            }
            @if let Some(about) = about { (facts(about, text.as_ref(), is_dead(about, questions), caller)) }
            (sessions(&explanation.sessions, explanation.tropo_log, caller))
            section aria-labelledby="timeline" {
                h2 #timeline { "Everything that is on record" }
                (table(timeline))
            }
            p.row { a href=(address::explanation(id)) { "This page as JSON" } }
        }
    }
}

/// What tells that something happened to it: a replay, or a delivery report, may come long after it ended.
fn pulse(id: &str, Explanation { about, text, replies, sessions, .. }: &Explanation) -> String {
    let lines = about.iter().chain(text).chain(replies.iter().map(|reply| &reply.message));
    let lines = lines.map(|message| message.id.to_string());
    let sessions = sessions.iter().rev().map(|session| session.id.as_str().to_owned());
    let all = first_of(std::iter::once(id.to_owned()).chain(lines).chain(sessions));
    address::with("/pulse", &[("about", Some(&all.join(" ")))])
}

/// As many different ids as are looked for, the first of them.
fn first_of(ids: impl Iterator<Item = String>) -> Vec<String> {
    let mut seen = BTreeSet::new();
    ids.filter(|id| seen.insert(id.clone())).take(ABOUT_MAX).collect()
}

/// How it stands, in a sentence.
fn verdict(explanation: &Explanation) -> Markup {
    let (tone, word) = match explanation.outcome {
        Outcome::Worked => (Tone::Good, "it worked"),
        Outcome::Intended => (Tone::Plain, "as somebody decided"),
        Outcome::Failed => (Tone::Bad, "it failed"),
        Outcome::UnderWay => (Tone::Open, "under way"),
        Outcome::NotKnown => (Tone::Doubtful, "not known"),
    };
    let class = match explanation.outcome {
        Outcome::Worked => "said done",
        Outcome::Failed => "said failed",
        Outcome::Intended | Outcome::UnderWay | Outcome::NotKnown => "note",
    };
    html! { p class=(class) { (pieces::badge(tone, word, "")) " " b { (explanation.verdict) } } }
}

/// What to do about it.
fn to_do(advice: &Advice) -> Markup {
    html! {
        section.note aria-labelledby="to-do" {
            h2 #to-do { "What to do" }
            ol { @for step in &advice.to_do { li { (with_code(step)) } } }
            p.soft { "More in the guide: " span.mono { (advice.read_on) } }
        }
    }
}

/// Words in which what is to be typed stands between backticks.
fn with_code(words: &str) -> Markup {
    html! {
        @for (part, words) in words.split('`').enumerate() {
            @if part % 2 == 1 { code { (words) } } @else { (words) }
        }
    }
}

/// A question with its answer; `place` tells those of several messages apart.
fn asked(question: &Question, place: &str) -> Markup {
    let Question { number, question, answer, because, evidence } = question;
    html! {
        h3 { span { (number) ". " (question) } " " (answered(*answer)) }
        p { (because) }
        @if !evidence.is_empty() {
            details #{ (place) (number) } {
                summary { "What this rests on" }
                ul { @for evidence in evidence { li { (evidence_line(evidence)) } } }
            }
        }
    }
}

fn answered(answer: Answer) -> Markup {
    match answer {
        Answer::Yes => pieces::badge(Tone::Good, "yes", ""),
        Answer::No => pieces::badge(Tone::Bad, "no", ""),
        Answer::NotKnown => pieces::badge(Tone::Doubtful, "not known", ""),
    }
}

fn evidence_line(evidence: &Evidence) -> Markup {
    let Evidence { at, words, detail, .. } = evidence;
    html! { (pieces::time(*at)) " · " (words) " " span.soft { "(" (source(evidence)) ")" } pre { (raw(detail)) } }
}

/// Where evidence is on record.
fn source(evidence: &Evidence) -> &str {
    match evidence.source {
        Source::Event => &evidence.kind,
        Source::Log => "the journal's log",
        Source::TropoLog => "Tropo's log",
        Source::Configuration => "the configuration",
    }
}

fn raw(detail: &serde_json::Value) -> String {
    // A value that was read is written, too.
    serde_json::to_string_pretty(detail).unwrap_or_default()
}

/// The messages that answer a text.
fn each(replies: &[Reply], more: u64) -> Markup {
    let row = |reply: &Reply| {
        let Reply { message, questions, advice } = reply;
        let answer = |number| {
            let question = questions.iter().find(|question| question.number == number);
            question.map_or_else(|| html! {}, |question| answered(question.answer))
        };
        let person = message.person.as_deref().unwrap_or("not known");
        vec![
            html! { a href=(address::message(message.id)) { (pieces::time(message.at)) } " " (pieces::state(message.state)) },
            html! { bdi { (person) } },
            answer(4),
            html! { (answer(5)) @if let Some(advice) = advice { br; span.soft { (advice.told) } } },
        ]
    };
    let rows: Vec<_> = replies.iter().map(row).collect();
    html! {
        section aria-labelledby="replies" {
            h2 #replies { "Its messages" }
            (pieces::table("The messages that answer the text", &REPLIES, &rows))
            @if 0 < more { p.soft { "And " (more) " more: see the conversation." } }
        }
    }
}

/// What is known of it.
fn facts(about: &Message, text: Option<&Message>, is_dead: bool, caller: &Caller) -> Markup {
    let Message { id, direction, backend, state, at, changed_at, person, text: words, network, application, .. } =
        about;
    let person = person.as_deref();
    html! {
        section aria-labelledby="about" {
            h2 #about { @match direction { Direction::In => "The text", Direction::Out => "The message" } }
            dl {
                dt { "Person" }
                dd {
                    @match person {
                        Some(person) if caller.has(Scope::People) => {
                            a href=(address::conversation(backend.as_str(), person)) { bdi { (person) } }
                        },
                        Some(person) => bdi { (person) },
                        None => span.soft { "not known" },
                    }
                }
                dt { "Words" }
                dd { @if let Some(words) = words { (pieces::words(words)) } @else { (pieces::withheld()) } }
                dt { "Stands at" }
                dd { (pieces::state(*state)) }
                dt { "Began" }
                dd { (pieces::time(*at)) }
                dt { "Last changed" }
                dd { (pieces::time(*changed_at)) }
                dt { "Backend" }
                dd { (backend) @if let Some(network) = network { " · " (network) } }
                @if let Some(application) = application {
                    dt { "Wanted by" }
                    dd { (application) }
                }
                dt { "Id" }
                dd.mono { (id) }
                @if let Some(text) = text {
                    dt { "Answers" }
                    dd { a href=(address::message(text.id)) { "the text of " (pieces::time(text.at)) } }
                }
                @if is_dead && caller.has(Scope::Operate) {
                    dt { "Dead letter" }
                    dd { a href={ "/dead-letters/" (id) } { "Edit, replay or drop it" } }
                }
            }
        }
    }
}

/// Whether it may be among the dead letters.
fn is_dead(about: &Message, questions: &[Question]) -> bool {
    use store::Standing;
    // What failed in a session that had it is no dead letter.
    let was_handed_over = questions.iter().any(|question| question.number == 4 && question.answer == Answer::Yes);
    matches!(about.state, Some(Standing::Dead | Standing::Expired))
        || (about.state == Some(Standing::Failed) && !was_handed_over)
}

/// The sessions at Tropo, and the way to its log.
fn sessions(sessions: &[TropoSession], tropo_log: TropoLog, caller: &Caller) -> Markup {
    let is_shown = tropo_log == TropoLog::Read && caller.has(Scope::People);
    html! {
        section aria-labelledby="sessions" {
            h2 #sessions { "Sessions at Tropo" }
            @if sessions.is_empty() { p { "None is known." } }
            ul {
                @for TropoSession { id, message_id } in sessions {
                    li {
                        span.mono { (id) } " "
                        span.soft {
                            @if message_id.is_some() { "for the message" }
                            @else if id.as_str().starts_with(OWN_SESSION) { "in place of one: the text came past Tropo" }
                            @else { "with the text" }
                        }
                        @if is_shown && !id.as_str().starts_with(OWN_SESSION) {
                            " · " a href=(address::with("/debugger", &[("session", Some(id.as_str()))])) { "Tropo's log of it" }
                        }
                    }
                }
            }
            @match tropo_log {
                TropoLog::Read => {},
                TropoLog::None => p.soft { "Tropo's own log is not read here: look for the ids in Tropo's Application Debugger." },
                TropoLog::Away => p.soft { "Tropo's log is not there now: the simulator does not answer." },
            }
        }
    }
}

fn table(timeline: &[Evidence]) -> Markup {
    if timeline.is_empty() {
        return pieces::empty("Nothing but the line of the log.", "The events are forgotten, or have not come yet.");
    }
    let row = |(number, evidence): (usize, &Evidence)| {
        let Evidence { at, words, session_id, detail, .. } = evidence;
        vec![
            pieces::time(*at),
            html! { (words) " " span.soft { "(" (source(evidence)) ")" } },
            html! { @if let Some(session_id) = session_id { span.mono { (session_id) } } @else { span.soft { "–" } } },
            html! { details #{ "raw-" (number) } { summary { "Show" } pre { (raw(detail)) } } },
        ]
    };
    let rows: Vec<_> = timeline.iter().enumerate().map(row).collect();
    pieces::table("Everything that is on record, in order", &TIMELINE, &rows)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_looked_for_first_is_never_pushed_out() {
        let ids = ["z", "y", "z"].map(str::to_owned).into_iter().chain((0..200).map(|number| number.to_string()));
        let found = first_of(ids);
        assert_eq!((found.len(), &found[..3]), (ABOUT_MAX, ["z", "y", "0"].map(str::to_owned).as_slice()));
    }
}
