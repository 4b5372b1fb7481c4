//! The questions 1 to 3: how the text came to us, and what the applications made of it.

use protocol::{IgnoredReason, Kind, MessageRouted, RoutedOutcome, SaidWord, SessionIgnored};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use store::{DEAD_LETTER, JournalEvent, Logged, Mark, Subject};

use super::answers::Found;
use super::cause::Cause;
use super::evidence::Evidence;
use super::tropo_log::Story;
use super::{Case, words};
use crate::sending::OWN_SESSION;

/// How long a text may wait for a router before something may be wrong, in seconds.
const WAITS_LONG_S: i64 = 60;

/// What is kept of a dead letter.
#[derive(Deserialize)]
pub(super) struct DeadLetter {
    /// Why it is one.
    #[serde(default)]
    pub(super) reason: Option<String>,
    /// What the handler said at last.
    #[serde(default)]
    pub(super) error: Option<String>,
}

/// What an event says, as far as this version understands it.
pub(super) fn said<T: DeserializeOwned>(event: &JournalEvent) -> Option<T> {
    serde_json::from_str(&event.body).ok()
}

/// The answers.
pub(super) fn answers(case: &Case) -> [Found; 3] {
    match &case.text {
        Some(text) => of_text(case, text),
        None if case.about.is_some() => of_no_text(case),
        None => of_log_alone(case),
    }
}

/// A message whose text is not on record, or that no text began.
fn of_no_text(case: &Case) -> [Found; 3] {
    let message = case.about.as_ref();
    let content = message.and_then(|message| message.content.as_ref());
    let because = match content {
        Some(content) if content.cause.is_some() => {
            "A text began it, and is not on record: it is forgotten, or the journal has not come to it.".to_owned()
        }
        Some(content) => match &content.application {
            Some(application) => format!("No text began it: {application} had it sent by itself."),
            None => "No text began it: somebody had it sent.".to_owned(),
        },
        None => "What began it is not on record.".to_owned(),
    };
    [(); 3].map(|()| Found::not_known(&because))
}

/// A session that Tropo's log alone knows.
fn of_log_alone(case: &Case) -> [Found; 3] {
    let story = Story::of(case.lines.iter());
    let shown = |lines: &[Option<&_>]| lines.iter().flatten().map(|line| case.line(line)).collect::<Vec<_>>();
    let first = Found::yes("Tropo's log has the session.", shown(&[story.first]));
    let second = match (story.answered.or(story.refused.map(|(line, _)| line)), story.not_answered) {
        (Some(answered), _) => {
            Found::yes("Tropo posted to us, and got an answer.", shown(&[story.posted, Some(answered)]))
        }
        (None, Some(not_answered)) => {
            let mut evidence = shown(&[story.posted, Some(not_answered)]);
            evidence.extend(case.configured());
            Found::no("Tropo posted to the messaging URL, and got no answer.", evidence).for_cause(Cause::NotReached)
        }
        (None, None) => match story.posted {
            Some(posted) => Found::not_yet("Tropo posts to us, and has no answer yet.", shown(&[Some(posted)])),
            None => Found::not_known("Tropo's log does not say that it posted to us."),
        },
    };
    let third = match (story.refused, story.answered) {
        (Some((line, status)), _) => {
            let mut evidence = shown(&[Some(line)]);
            evidence.extend(case.configured());
            Found::no(format!("Tropo got status {status} from us."), evidence).for_cause(Cause::WebhookRefused)
        }
        (None, Some(_)) => Found::not_known(
            "Tropo got a document, and the journal has nothing of the session: it is behind, has forgotten it, or \
             somebody else answered.",
        ),
        (None, None) if story.not_answered.is_some() => Found::no("We gave no answer.", Vec::new()),
        (None, None) => Found::not_known("Nothing is on record of an answer."),
    };
    [first, second, third]
}

fn of_text(case: &Case, text: &Logged) -> [Found; 3] {
    let events: Vec<_> = case.events_of(text.subject, text.id).collect();
    let begun = |event: &&&JournalEvent| {
        event.kind == Kind::MessageReceived.as_str()
            || (text.subject == Subject::Session && event.kind == Kind::SessionIgnored.as_str())
    };
    let posted: Vec<Evidence> = case.events_shown(events.iter().filter(begun).copied());
    // Later events prove it as well; where even those are gone, the line of the log does.
    let posted = if posted.is_empty() { case.events_shown(events.first().copied()) } else { posted };
    let posted = if posted.is_empty() { vec![case.log(text)] } else { posted };
    let story = case.text_session().map(|session| Story::of(case.lines_of(session))).unwrap_or_default();
    let lines = |lines: &[Option<&_>]| lines.iter().flatten().map(|line| case.line(line)).collect::<Vec<_>>();
    let mut got = lines(&[story.first]);
    got.extend(posted.iter().cloned());
    let mut called = lines(&[story.posted, story.answered]);
    called.extend(posted);
    let is_own = case.text_session().is_some_and(|session| session.as_str().starts_with(OWN_SESSION));
    if is_own {
        // Whoever tries texts this way sees what happens behind Tropo alone.
        let past = |because: &str, evidence| Found { evidence, ..Found::not_known(because) };
        let first = past("It came past Tropo: somebody put it straight into the bus, as the tester can.", got);
        return [first, past("It came past Tropo, and is kept.", called), answered(case, text, &events)];
    }
    let (first, second) = match text.subject {
        Subject::Session => ("Tropo had a session, and told us of it.", "Tropo called us, and we answered."),
        Subject::Text | Subject::Message => {
            ("Tropo got the text, and told us of it.", "Tropo called us, and the text is kept: the answer was 200.")
        }
    };
    [Found::yes(first, got), Found::yes(second, called), answered(case, text, &events)]
}

/// Question 3.
fn answered(case: &Case, text: &Logged, events: &[&JournalEvent]) -> Found {
    let last = |kind: &str| events.iter().rev().find(|event| event.kind == kind).copied();
    let (routed, ignored, dead) =
        (last(Kind::MessageRouted.as_str()), last(Kind::SessionIgnored.as_str()), last(DEAD_LETTER));
    let offered = last(Kind::MessageOffered.as_str());
    let what_was_said = routed.and_then(said::<MessageRouted>);
    let replies = case.messages.iter().chain(&case.more).filter(|message| is_reply(case, text, message)).count();
    let shown = |events: &[Option<&JournalEvent>]| case.events_shown(events.iter().flatten().copied());
    if 0 < replies {
        let taken_by = what_was_said.and_then(|routed| routed.application);
        let taken_by = taken_by.or_else(|| case.messages.iter().find_map(application));
        let by = taken_by.map_or_else(String::new, |application| format!(" {application} took it."));
        let replies = words::messages(u64::try_from(replies).unwrap_or(u64::MAX));
        let because = format!("The text is answered with {replies}.{by}");
        let mut evidence = shown(&[routed, offered]);
        let commands = case.events.iter().filter(|event| event.kind == Kind::MessageSend.as_str());
        evidence.extend(case.events_shown(commands.take(1)));
        if evidence.is_empty() {
            evidence.extend(case.messages.first().map(|message| case.log(message)));
        }
        return Found::yes(because, evidence);
    }
    // An offer says that it is answered as well.
    if text.marks.has(Mark::Caused) || (text.marks.has(Mark::Answered) && offered.is_none()) {
        let mut evidence = shown(&[routed]);
        evidence.push(case.log(text));
        return Found::yes("The text is answered: the message is forgotten, or not on record yet.", evidence);
    }
    // Where it was put back since, what came of it then is later.
    let is_later = |event: &&JournalEvent| dead.is_none_or(|dead| dead.at <= event.at);
    if let Some(ignored) = ignored.filter(is_later) {
        return silent(case, ignored, routed, what_was_said.as_ref());
    }
    let is_dead = dead.is_some() && [routed, offered].into_iter().flatten().all(|event| !is_later(&event));
    match what_was_said {
        Some(said) if said.outcome == RoutedOutcome::GivenUp => {
            Found::no(failed(case, &said), shown(&[routed, dead])).for_cause(Cause::ApplicationFailed)
        }
        Some(said) if said.outcome == RoutedOutcome::Offered && !is_dead => {
            let application = said.application.as_deref().unwrap_or("an application").to_owned();
            let because =
                format!("It was handed to {application} on the bus, which answers when it likes, and has not.");
            Found::not_yet(because, shown(&[routed, offered])).for_cause(Cause::ApplicationSilent)
        }
        Some(said) if said.outcome == RoutedOutcome::Answered && !is_dead => {
            let replies = words::messages(u64::from(said.replies));
            let because = format!("The router answered it with {replies}, of which the journal has nothing yet.");
            Found::yes(because, shown(&[routed]))
        }
        _ => unsettled(case, text, dead, routed),
    }
}

/// A text that is dead, or of which nothing is on record but that it came.
fn unsettled(case: &Case, text: &Logged, dead: Option<&JournalEvent>, routed: Option<&JournalEvent>) -> Found {
    if dead.is_some() || text.marks.has(Mark::Dead) {
        let told = dead.and_then(said::<DeadLetter>).and_then(|dead| dead.error.or(dead.reason));
        let began = format!("It could not be handled, and {}", words::dead(dead));
        let because = case.quoting(&began, told.as_deref());
        let mut evidence = case.events_shown(routed.into_iter().chain(dead));
        if evidence.is_empty() {
            evidence.push(case.log(text));
        }
        return Found::no(because, evidence).for_cause(Cause::ApplicationFailed);
    }
    if text.marks.has(Mark::Ignored) {
        return Found::no("Nothing answers it; the reason is not on record.", vec![case.log(text)])
            .for_cause(Cause::NoAnswer);
    }
    let waited_s = words::seconds_between(text.begun_at, case.now);
    let because = format!("Not yet: it waits for a router, for {}.", words::duration(text.begun_at, case.now));
    let found = Found::not_yet(because, vec![case.log(text)]);
    if WAITS_LONG_S <= waited_s { found.for_cause(Cause::RouterWaits) } else { found }
}

/// Whether a message answers the text: it names it as its cause, or something in its conversation.
fn is_reply(case: &Case, text: &Logged, message: &Logged) -> bool {
    let cause = message.content.as_ref().and_then(|content| content.cause);
    cause == Some(text.id)
        || (message.correlation_id.is_some() && message.correlation_id.as_ref() == case.text_session())
}

fn application(message: &Logged) -> Option<String> {
    message.content.as_ref()?.application.clone()
}

/// A text, or a session, that nothing answers.
fn silent(
    case: &Case,
    ignored: &JournalEvent,
    routed: Option<&JournalEvent>,
    said_of_it: Option<&MessageRouted>,
) -> Found {
    let evidence = case.events_shown(routed.into_iter().chain([ignored]));
    let taken_by = said_of_it.and_then(|routed| routed.application.as_deref()).unwrap_or("An application");
    let (because, cause) = match said::<SessionIgnored>(ignored).map(|ignored| ignored.reason) {
        Some(IgnoredReason::NotText) => ("It was a call, not a text.".to_owned(), Cause::NotText),
        Some(IgnoredReason::ForeignLaunch) => {
            ("Somebody else created the session: it carries no ticket of ours.".to_owned(), Cause::ForeignLaunch)
        }
        Some(IgnoredReason::WithheldSender) => {
            ("The sender withheld the number: nobody can be answered.".to_owned(), Cause::WithheldSender)
        }
        Some(IgnoredReason::OwnNumber) => (
            "The sender is a number of our own: the two would answer each other for ever.".to_owned(),
            Cause::OwnNumber,
        ),
        Some(IgnoredReason::Filtered) => (format!("{taken_by} ended it before it was handled."), Cause::Filtered),
        Some(IgnoredReason::NoReply) => {
            let cancelled =
                said_of_it.is_some_and(|routed| routed.asked.iter().any(|asked| asked.said == SaidWord::Cancelled));
            let what = if cancelled {
                "and another one cancelled the message"
            } else {
                "and said nothing in its answer; it may reply later"
            };
            (format!("{taken_by} took it, {what}."), Cause::NoReply)
        }
        Some(IgnoredReason::NoAnswer) => ("No application had an answer.".to_owned(), Cause::NoAnswer),
        None => ("Nothing answers it, for a reason that this version does not know.".to_owned(), Cause::NoAnswer),
    };
    Found::no(because, evidence).for_cause(cause)
}

/// Which application failed, and why.
fn failed(case: &Case, routed: &MessageRouted) -> String {
    let is_failure = |said| matches!(said, SaidWord::Failed | SaidWord::Away);
    let Some(asked) = routed.asked.iter().rev().find(|asked| is_failure(asked.said)) else {
        return "It could not be handled, and is among the dead letters.".to_owned();
    };
    let how = if asked.said == SaidWord::Away { "was away for too long" } else { "failed" };
    case.quoting(&format!("{} {how}", asked.application), asked.because.as_deref())
}
