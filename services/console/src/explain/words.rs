//! Events, waits and verdicts in words, which say nothing of a person.

use protocol::{
    DeliveryReported, IgnoredReason, Kind, MessageDelayed, MessageFailed, MessageLaunched, MessageRouted,
    ResultHandler, RoutedOutcome, SessionIgnored, SessionResult, Timestamp,
};
use serde::de::DeserializeOwned;
use serde_json::Value;
use store::{DEAD_LETTER, Subject};

use super::answers::Found;
use super::cause::Advice;
use super::{Answer, Case, Outcome};
use crate::masked;

/// An event in a sentence.
pub(super) fn of_event(kind: &str, body: &Value) -> String {
    match kind.parse() {
        Ok(kind) => of_kind(kind, body),
        Err(_) if kind == DEAD_LETTER => {
            let queue = body.get("queue").and_then(Value::as_str).unwrap_or("its queue");
            format!("It became a dead letter of {queue}")
        }
        Err(_) => format!("{kind}, of a newer version"),
    }
}

fn of_kind(kind: Kind, body: &Value) -> String {
    let fixed = match kind {
        Kind::MessageReceived => "We took the text from Tropo, and kept it",
        Kind::MessageRouted => return routed(said(body)),
        Kind::MessageOffered => "The text was handed to an application on the bus",
        Kind::MessageSend => "A message was commanded",
        Kind::MessageLaunched => match said::<MessageLaunched>(body) {
            Some(launched) => return format!("Tropo created a session, on attempt {}", launched.attempt),
            None => "Tropo created a session",
        },
        Kind::MessageDelayed => match said::<MessageDelayed>(body) {
            Some(delayed) => return format!("Attempt {} did not hand the message over", delayed.attempt),
            None => "An attempt did not hand the message over",
        },
        Kind::MessageReleased => "Tropo called back, and was given the message",
        Kind::MessageSent => "Tropo sent the message",
        Kind::MessageDelivered => "The carrier delivered the message",
        Kind::MessageFailed => match said::<MessageFailed>(body) {
            Some(failed) if failed.session_id.is_none() => "The message was given up before any session had it",
            Some(_) | None => "The message was not sent",
        },
        Kind::MessageUnconfirmed => "No result came in time: the message may or may not have been sent",
        Kind::MessageExpired => "The message's time ran out",
        Kind::MessageSuppressed => "The message may not be sent: the person opted out",
        Kind::SessionResult => match said::<SessionResult>(body).map(|result| result.handler) {
            Some(ResultHandler::Continue) => "Tropo reported that the document is done",
            Some(ResultHandler::Incomplete) => "Tropo reported that the document could not be done",
            Some(ResultHandler::Error) => "Tropo reported an error",
            None => "Tropo reported a result",
        },
        Kind::SessionIgnored => ignored(said::<SessionIgnored>(body).map(|ignored| ignored.reason)),
        Kind::DeliveryReported => {
            let status = said::<DeliveryReported>(body).map(|report| masked::numbers(&report.status));
            return format!("The carrier reported {:?}", status.unwrap_or_default());
        }
    };
    fixed.to_owned()
}

fn said<T: DeserializeOwned>(body: &Value) -> Option<T> {
    T::deserialize(body).ok()
}

fn routed(routed: Option<MessageRouted>) -> String {
    let Some(MessageRouted { outcome, application, replies, .. }) = routed else {
        return "The applications were asked".to_owned();
    };
    let application = application.as_deref().unwrap_or("An application");
    match outcome {
        RoutedOutcome::Answered => format!("{application} answered with {}", messages(u64::from(replies))),
        RoutedOutcome::Offered => format!("{application} gets it on the bus, and answers when it likes"),
        RoutedOutcome::Taken => format!("{application} took it, and has nothing to say now"),
        RoutedOutcome::Filtered => format!("{application} ended it before it was handled"),
        RoutedOutcome::Unanswered => "No application had an answer".to_owned(),
        RoutedOutcome::NotAsked => "No application was asked".to_owned(),
        RoutedOutcome::GivenUp => format!("{application} failed: the text was given up"),
    }
}

fn ignored(reason: Option<IgnoredReason>) -> &'static str {
    match reason {
        Some(IgnoredReason::NotText) => "It is a call, not a text: nothing answers it",
        Some(IgnoredReason::ForeignLaunch) => "Somebody else created the session: nothing answers it",
        Some(IgnoredReason::WithheldSender) => "The sender withheld the number: nothing answers it",
        Some(IgnoredReason::OwnNumber) => "The sender is a number of our own: nothing answers it",
        Some(IgnoredReason::NoAnswer) => "No application had an answer: nothing answers it",
        Some(IgnoredReason::Filtered) => "An application ended it before it was handled: nothing answers it",
        Some(IgnoredReason::NoReply) => "An application took it, and has nothing to say: nothing answers it",
        None => "Nothing answers it",
    }
}

/// So many messages.
pub(super) fn messages(count: u64) -> String {
    if count == 1 { "1 message".to_owned() } else { format!("{count} messages") }
}

/// Words that end as a sentence does.
pub(super) fn sentence(words: &str) -> String {
    let words = words.trim();
    if words.ends_with(['.', '!', '?', '…']) { words.to_owned() } else { format!("{words}.") }
}

/// Seconds between two instants; none where they are the other way round.
pub(super) fn seconds_between(from: Timestamp, to: Timestamp) -> i64 {
    to.as_second().saturating_sub(from.as_second()).max(0)
}

/// How long something took, as people say it.
pub(super) fn duration(from: Timestamp, to: Timestamp) -> String {
    let millis = to.as_millisecond().saturating_sub(from.as_millisecond()).max(0);
    let seconds = millis / 1000;
    match seconds {
        0..10 => format!("{seconds}.{} s", millis % 1000 / 100),
        10..120 => format!("{seconds} s"),
        120..7200 => format!("{} min", seconds / 60),
        _ => format!("{} h", seconds / 3600),
    }
}

/// How it stands, and that in a sentence.
pub(super) fn verdict(case: &Case, founds: &[Found; 5], advice: Option<&Advice>) -> (Outcome, String) {
    let [_, _, answered, _, sent] = founds;
    let told = |found: &Found| found.because.clone();
    if let Some(no) = founds.iter().find(|found| found.answer == Answer::No) {
        let is_intended = no.cause.is_some_and(super::Cause::is_intended);
        return (if is_intended { Outcome::Intended } else { Outcome::Failed }, told(no));
    }
    if sent.answer == Answer::Yes {
        return (Outcome::Worked, worked(case));
    }
    if let Some(open) = founds.iter().find(|found| found.is_open) {
        return (Outcome::UnderWay, told(open));
    }
    let unknown = if answered.answer == Answer::Yes || case.is_about_message() { sent } else { answered };
    let because = advice.map_or_else(|| told(unknown), |advice| advice.told.clone());
    (Outcome::NotKnown, because)
}

/// That it worked, and how long it took.
fn worked(case: &Case) -> String {
    let text = case.text.as_ref().filter(|text| text.subject == Subject::Text);
    let released_at = case.messages.iter().filter_map(|message| message.released_at).min();
    match (text, released_at) {
        (Some(text), Some(released_at)) if text.begun_at <= released_at => {
            let took = duration(text.begun_at, released_at);
            format!("It worked: Tropo has the reply, {took} after the text came.")
        }
        _ => "It worked: Tropo sent the message.".to_owned(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_are_told_as_people_say_them() {
        let from: Timestamp = "2026-03-01T09:30:00Z".parse().unwrap();
        for (to, expected) in [
            ("2026-03-01T09:30:00.250Z", "0.2 s"),
            ("2026-03-01T09:30:59Z", "59 s"),
            ("2026-03-01T09:40:00Z", "10 min"),
            ("2026-03-02T09:30:00Z", "24 h"),
            ("2026-03-01T09:29:00Z", "0.0 s"),
        ] {
            assert_eq!(duration(from, to.parse().unwrap()), expected);
        }
    }

    #[test]
    fn every_event_has_words_whatever_it_says() {
        for kind in Kind::ALL {
            assert!(!of_event(kind.as_str(), &Value::Null).is_empty(), "{kind}");
        }
        assert_eq!(of_event("message.eaten", &Value::Null), "message.eaten, of a newer version");
    }
}
