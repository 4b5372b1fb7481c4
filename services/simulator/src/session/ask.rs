//! Puts a question and waits for its answer (Tropo WebAPI: `ask`).

use std::time::Duration;

use protocol::MessageText;
use tropo::choices::{Grammar, Match};
use tropo::document::{Ask, Say};
use tropo::result::{self, Disposition};
use tropo::shape::OneOrMany;
use uuid::Uuid;

use super::listen::{self, Heard, Interruption};
use super::perform::{Ending, Failure, Step};
use super::result::Collected;
use super::{Leg, Run, secrecy};
use crate::debugger::wording;

/// How long a question waits where it does not say.
const TIMEOUT: Duration = Duration::from_secs(30);

/// How often a question is put, however often it wants to be.
const ATTEMPTS_MAX: u32 = 100;

/// Why there was no answer, one attempt after the other.
#[derive(Default)]
struct Failed {
    /// How many attempts nobody answered, and how many were answered with what fits no choice.
    timeouts: u64,
    no_matches: u64,
    last: Option<&'static str>,
}

/// What one attempt brought.
enum Attempt {
    Answered(Match),
    TimedOut,
    NoMatch,
    Interrupted(Interruption),
    /// It could not even be put.
    Unsaid(Failure),
}

impl Run {
    /// Puts a question, as often as it says, until there is an answer that fits.
    pub(super) async fn ask(&mut self, ask: &Ask) -> Step {
        let grammar = match Grammar::of(&ask.choices) {
            Ok(grammar) => grammar,
            Err(error) => {
                self.log(wording::ours(format_args!("The document ends at action \"ask\": {error}")));
                return Step::End(Ending::Error(error.to_string()));
            }
        };
        let Some(leg) = self.leg.clone() else {
            return self.judge("ask", ask.required, Err(Failure::NobodyThere));
        };
        let (attempts_max, mut attempts, mut failed) = (attempts(ask), 0, Failed::default());
        let brought = loop {
            attempts += 1;
            let attempt = self.attempt(ask, &grammar, &leg, &failed).await;
            self.simulator.inboxes.rest(&self.id);
            match attempt {
                Attempt::TimedOut if attempts < attempts_max => failed.time_out(),
                Attempt::NoMatch if attempts < attempts_max => failed.match_nothing(),
                brought => break brought,
            }
        };
        self.conclude(ask, attempts, brought)
    }

    /// Puts the question once. A text that came before answers it, and then it need not be said.
    async fn attempt(&mut self, ask: &Ask, grammar: &Grammar, leg: &Leg, failed: &Failed) -> Attempt {
        if let Some(interruption) = self.interruption(ask.allow_signals.as_ref()) {
            return Attempt::Interrupted(interruption);
        }
        // Before the question is said: a program answers at once.
        let is_answered = self.simulator.inboxes.ask(&self.id, leg);
        if is_answered && ask.bargein != Some(false) {
            self.log(wording::ours("The question is not put: a text that came before answers it"));
        } else if self.simulator.stopping.is_cancelled() {
            return Attempt::Interrupted(Interruption::Stopping);
        } else {
            let said = self.say_to(leg, &prompt(ask, failed), ask.prompt_log_security.as_deref()).await;
            if let Err(failure) = said {
                return Attempt::Unsaid(failure);
            }
        }
        let timeout = ask.timeout.map_or(TIMEOUT, listen::seconds);
        match self.listen(ask.allow_signals.as_ref(), Some(leg), timeout).await {
            Heard::Text(text) => self.understand(ask, grammar, &text),
            Heard::Interruption(interruption) => Attempt::Interrupted(interruption),
            Heard::Nothing => {
                self.log(wording::ours(format_args!(
                    "The question has no answer within {}",
                    chassis::config::duration::write(timeout)
                )));
                Attempt::TimedOut
            }
        }
    }

    fn understand(&self, ask: &Ask, grammar: &Grammar, text: &MessageText) -> Attempt {
        let shown = secrecy::shown(ask, text.as_str());
        if let Some(understood) = grammar.understand(text.as_str()) {
            self.log(wording::ours(format_args!("The question is answered: {shown:?}")));
            return Attempt::Answered(understood);
        }
        if grammar.takes_nothing() {
            self.log(wording::no_match());
            self.log(wording::ours(
                "No answer fits these choices: a keyword in brackets is [ANY], [5 DIGITS] or [4-6 DIGITS], in upper case",
            ));
        } else {
            self.log(wording::ours(format_args!("The answer fits none of the choices: {shown:?}")));
        }
        Attempt::NoMatch
    }

    /// Takes down what the question brought, and says where it leads.
    fn conclude(&mut self, ask: &Ask, attempts: u32, brought: Attempt) -> Step {
        let disposition = match &brought {
            Attempt::Answered(_) => Disposition::Success,
            Attempt::TimedOut => Disposition::Timeout,
            Attempt::NoMatch => Disposition::NoMatch,
            Attempt::Interrupted(interruption) => interruption.disposition(),
            Attempt::Unsaid(_) => Disposition::Failed,
        };
        let mut action = result::Action {
            name: Some(ask.name.clone().unwrap_or_else(|| invented("ask"))),
            attempts: Some(attempts.into()),
            disposition: Some(disposition),
            ..result::Action::default()
        };
        if let Attempt::Answered(answer) = &brought {
            let (grammar, ..) = Uuid::new_v4().as_fields();
            action.confidence = Some(100);
            action.xml = Some(answer.xml(grammar));
            let Match { utterance, interpretation, value, concept, .. } = answer.clone();
            action.utterance = Some(utterance);
            action.interpretation = Some(interpretation);
            action.value = Some(value);
            action.concept = concept;
        }
        let shown = secrecy::shown_action(ask, &action);
        self.collected.push(Collected { action, shown });
        match brought {
            Attempt::Answered(_) => Step::Next,
            Attempt::TimedOut => self.judge("ask", ask.required, Err(Failure::NoAnswer)),
            Attempt::NoMatch => self.judge("ask", ask.required, Err(Failure::NoMatch)),
            Attempt::Unsaid(failure) => self.judge("ask", ask.required, Err(failure)),
            Attempt::Interrupted(interruption) => self.interrupted(interruption),
        }
    }

    /// Takes down that something ended an action, which the platform gives a name where it has none.
    pub(super) fn collect(&mut self, kind: &str, name: Option<&str>, interruption: &Interruption) {
        let action = result::Action {
            name: Some(name.map_or_else(|| invented(kind), str::to_owned)),
            disposition: Some(interruption.disposition()),
            ..result::Action::default()
        };
        self.collected.push(Collected { shown: action.clone(), action });
    }
}

impl Failed {
    fn time_out(&mut self) {
        self.timeouts += 1;
        self.last = Some("timeout");
    }

    fn match_nothing(&mut self) {
        self.no_matches += 1;
        self.last = Some("nomatch");
    }

    /// How many failures there were of a kind.
    fn count(&self, event: &str) -> u64 {
        if event == "timeout" { self.timeouts } else { self.no_matches }
    }
}

/// How often a question is put at most.
pub(super) fn attempts(ask: &Ask) -> u32 {
    // A float beyond what is whole becomes the nearest that is.
    ask.attempts.map_or(1, |attempts| attempts.as_f64() as u32).clamp(1, ATTEMPTS_MAX)
}

/// What is said: after a failure first what is meant for it, then the question.
fn prompt(ask: &Ask, failed: &Failed) -> OneOrMany<Say> {
    let says = || ask.say.iter().flatten();
    let mut prompt: Vec<Say> = Vec::new();
    if let Some(event) = failed.last {
        // What is meant for this very failure goes before what is meant for any of its kind.
        let exact = format!("{event}:{}", failed.count(event));
        let meant_for = |word: &str| says().filter(|say| is_for(say, word)).cloned().collect::<Vec<_>>();
        prompt = meant_for(&exact);
        if prompt.is_empty() {
            prompt = meant_for(event);
        }
    }
    prompt.extend(says().filter(|say| !has_event(say)).cloned());
    OneOrMany::Many(prompt)
}

fn has_event(say: &Say) -> bool {
    say.event.as_deref().is_some_and(|event| !event.trim().is_empty())
}

/// Whether words are meant for an event, as in `timeout nomatch:1`.
fn is_for(say: &Say, event: &str) -> bool {
    let events = say.event.as_deref().unwrap_or_default();
    events.split_whitespace().any(|word| word.eq_ignore_ascii_case(event))
}

/// A name as the platform gave to what has none.
fn invented(kind: &str) -> String {
    format!("{kind}-{}", Uuid::new_v4().hyphenated())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(says: &[(&str, Option<&str>)]) -> Ask {
        let say = |(value, event): &(&str, Option<&str>)| Say { event: event.map(str::to_owned), ..Say::text(*value) };
        Ask { say: Some(OneOrMany::Many(says.iter().map(say).collect())), ..Ask::default() }
    }

    #[track_caller]
    fn check(ask: &Ask, failures: &str, expected: &[&str]) {
        let mut failed = Failed::default();
        for failure in failures.chars() {
            if failure == 't' { failed.time_out() } else { failed.match_nothing() }
        }
        let said: Vec<_> = prompt(ask, &failed).iter().map(|say| say.value.clone()).collect();
        assert_eq!(said, expected, "{failures:?}");
    }

    #[test]
    fn what_is_said_depends_on_what_failed() {
        let question = ask(&[
            ("Hello?", Some("timeout")),
            ("Four digits.", Some("nomatch:1")),
            ("Really, four.", Some("nomatch:2 NOMATCH:3")),
            ("Your PIN?", None),
        ]);
        check(&question, "", &["Your PIN?"]);
        check(&question, "t", &["Hello?", "Your PIN?"]);
        check(&question, "tt", &["Hello?", "Your PIN?"]);
        check(&question, "n", &["Four digits.", "Your PIN?"]);
        check(&question, "tn", &["Four digits.", "Your PIN?"]);
        check(&question, "nn", &["Really, four.", "Your PIN?"]);
        check(&question, "nnn", &["Really, four.", "Your PIN?"]);
        check(&question, "nnnn", &["Your PIN?"]);
        check(&question, "nt", &["Hello?", "Your PIN?"]);
    }

    #[test]
    fn what_is_meant_for_one_failure_goes_before_what_is_meant_for_any() {
        let question =
            ask(&[("Sorry?", Some("timeout nomatch")), ("Last try.", Some("nomatch:2")), ("PIN?", Some(""))]);
        check(&question, "t", &["Sorry?", "PIN?"]);
        check(&question, "n", &["Sorry?", "PIN?"]);
        check(&question, "nn", &["Last try.", "PIN?"]);
        check(&Ask::default(), "n", &[]);
    }
}
