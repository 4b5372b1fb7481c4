//! An explanation, for people.

use std::fmt::Write;

use console::{Advice, Answer, Evidence, Explanation, Outcome, Question, Source, TropoLog};
use serde_json::Value;

/// How it stands, the five answers, what to do, and everything that is on record.
pub(super) fn of(explanation: &Explanation) -> String {
    let Explanation { outcome, verdict, questions, advice, replies, replies_more, tropo_log, timeline, .. } =
        explanation;
    let mut out = String::new();
    line(&mut out, &format!("{}: {verdict}", stands(*outcome)));
    out.push('\n');
    if let Some(about) = &explanation.about {
        let state = about.state.and_then(|state| serde_json::to_value(state).ok()).unwrap_or_default();
        let person = about.person.as_deref().unwrap_or("somebody");
        let state = state.as_str().unwrap_or("not known");
        line(&mut out, &format!("{}  backend {}  {person}  {state}  {:.0}", about.id, about.backend, about.at));
    }
    for session in &explanation.sessions {
        let what = if session.message_id.is_some() { "for the message" } else { "with the text" };
        line(&mut out, &format!("session {}  {what}", session.id));
    }
    out.push('\n');
    questions.iter().for_each(|question| asked(&mut out, question));
    if let Some(advice) = advice {
        to_do(&mut out, advice);
    }
    if 1 < replies.len() {
        out.push_str("\nIts messages:\n");
    }
    for reply in replies.iter().filter(|_| 1 < replies.len()) {
        let answers = reply.questions.iter().map(|question| answered(question.answer)).collect::<Vec<_>>().join(", ");
        let told = reply.advice.as_ref().map_or("", |advice| &advice.told);
        line(&mut out, &format!("{}  called back, sent: {answers}  {told}", reply.message.id));
    }
    if 0 < *replies_more {
        line(&mut out, &format!("and {replies_more} more"));
    }
    out.push_str("\nOn record:\n");
    timeline.iter().for_each(|evidence| happened(&mut out, evidence));
    match tropo_log {
        TropoLog::Read => {}
        TropoLog::None => out.push_str("\nTropo's own log is not read here.\n"),
        TropoLog::Away => out.push_str("\nTropo's log is not there now: the simulator does not answer.\n"),
    }
    out
}

fn stands(outcome: Outcome) -> &'static str {
    match outcome {
        Outcome::Worked => "WORKED",
        Outcome::Intended => "AS DECIDED",
        Outcome::Failed => "FAILED",
        Outcome::UnderWay => "UNDER WAY",
        Outcome::NotKnown => "NOT KNOWN",
    }
}

fn answered(answer: Answer) -> &'static str {
    match answer {
        Answer::Yes => "yes",
        Answer::No => "no",
        Answer::NotKnown => "not known",
    }
}

fn asked(out: &mut String, question: &Question) {
    let Question { number, question, answer, because, .. } = question;
    line(out, &format!("{number}. {question:<28} {:<9}  {because}", answered(*answer)));
}

fn to_do(out: &mut String, advice: &Advice) {
    out.push_str("\nWhat to do:\n");
    advice.to_do.iter().for_each(|step| line(out, &format!("* {step}")));
    line(out, &format!("  More: {}", advice.read_on));
}

fn happened(out: &mut String, evidence: &Evidence) {
    let Evidence { at, source, kind, words, detail, .. } = evidence;
    let source = match source {
        Source::Event => kind,
        Source::Log => "the log",
        Source::TropoLog => "Tropo's log",
        Source::Configuration => "configuration",
    };
    line(out, &format!("{at:.3}  {source:<19}  {words}"));
    let asked = detail.get("asked").and_then(Value::as_array).into_iter().flatten();
    asked.for_each(|asked| line(out, &format!("{:26}{}", "", application(asked))));
}

/// An application that was asked: in which phase, what it said, how long it took, and why.
fn application(asked: &Value) -> String {
    let word = |key| asked.get(key).and_then(Value::as_str).unwrap_or_default();
    let took_ms = asked.get("took_us").and_then(Value::as_u64).unwrap_or_default() / 1000;
    let (phase, name, said, because) = (word("phase"), word("application"), word("said"), word("because"));
    format!("{phase:<8}  {name:<20}  {said:<9}  {took_ms:>6} ms  {because}")
}

/// A line without what would move the cursor of a terminal: words may come from another program.
fn line(out: &mut String, words: &str) {
    let words: String = words.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect();
    // Writing to a string cannot fail.
    let _ = writeln!(out, "  {}", words.trim_end());
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn the_answers_come_first_and_then_what_to_do_and_what_is_on_record() {
        let evidence = json!({
            "at": "2026-03-01T09:30:15.250Z", "source": "event", "kind": "message.failed", "words": "It was given up",
            "session_id": null,
            "detail": { "asked": [{ "phase": "handle", "application": "stock", "said": "took", "took_us": 18_250, "because": "x" }] },
        });
        let question = |number: u8, question: &str, answer: &str, because: &str| json!({ "number": number, "question": question, "answer": answer, "because": because, "evidence": [evidence] });
        let explanation: Explanation = serde_json::from_value(json!({
            "about": null, "text": null, "sessions": [{ "id": "a1", "message_id": null }], "outcome": "failed",
            "verdict": "Tropo refused to create a session: \u{1b}[31mInvalid token.",
            "questions": [
                question(3, "Was our answer good?", "yes", "The text is answered with 1 message."),
                question(4, "Did we call Tropo back?", "no", "Tropo refused to create a session: \u{1b}[31mno."),
            ],
            "first_no": 4, "replies": [], "replies_more": 0, "tropo_log": "away", "timeline": [evidence],
            "advice": {
                "cause": "token_refused", "told": "x", "to_do": ["Mend the token."], "read_on": "docs/explain.md#x",
            },
        }))
        .unwrap();
        let told = of(&explanation);
        let expected = [
            "FAILED: Tropo refused",
            "session a1  with the text",
            "3. Was our answer good?         yes        The text is answered",
            "4. Did we call Tropo back?      no         Tropo refused to create a session: \u{fffd}[31mno.",
            "* Mend the token.",
            "More: docs/explain.md#x",
            "2026-03-01T09:30:15.250Z  message.failed       It was given up",
            "handle    stock                 took           18 ms  x",
            "Tropo's log is not there now",
        ];
        let places: Vec<_> =
            expected.iter().map(|part| told.find(part).unwrap_or_else(|| panic!("{part}: {told}"))).collect();
        assert!(places.is_sorted(), "{told}");
        assert!(!told.contains('\u{1b}'), "{told}");
    }
}
