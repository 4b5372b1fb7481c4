//! The questions 4 and 5: how a message went to Tropo, and what Tropo made of it.

use protocol::{
    DelayedReason, FailureReason, Kind, MessageDelayed, MessageFailed, MessageLaunched, ResultHandler, SessionResult,
};
use store::{DEAD_LETTER, JournalEvent, Logged, Mark, Subject};

use super::answers::Found;
use super::cause::Cause;
use super::evidence::Evidence;
use super::texting::{DeadLetter, said};
use super::tropo_log::Story;
use super::{Answer, Case, words};
use crate::simulated::TropoLine;

/// How long a message may wait for an egress before something may be wrong, in seconds.
const WAITS_LONG_S: i64 = 60;

/// After this attempt egress does not tell of each: what it told last may have changed since.
const TOLD_UP_TO: u32 = 8;

/// What is on record of a message.
struct Record<'a> {
    case: &'a Case,
    message: &'a Logged,
    events: Vec<&'a JournalEvent>,
    /// What Tropo's log tells of its sessions.
    stories: Vec<Story<'a>>,
}

/// The answers about one message.
pub(super) fn answers(case: &Case, message: &Logged) -> [Found; 2] {
    let events: Vec<_> = case.events_of(Subject::Message, message.id).collect();
    let sessions = case.sessions_of(message);
    let of = |session| {
        let lines = case.lines.iter().filter(move |line: &&TropoLine| line.session_id.as_ref() == Some(session));
        Story::of(lines)
    };
    let stories = sessions.iter().map(of).collect();
    let record = Record { case, message, events, stories };
    let called_back = record.called_back();
    let sent = record.sent(&called_back);
    [called_back, sent]
}

/// The answers about all messages: the worst of them.
pub(super) fn overall(case: &Case, texting: &[Found; 3], sendings: &[[Found; 2]]) -> [Found; 2] {
    let [_, _, answered] = texting;
    let worst = |index: usize| {
        let founds = sendings.iter().filter_map(|founds| founds.get(index));
        founds.min_by_key(|found| (found.answer, found.cause.is_none()))
    };
    if let (Some(called_back), Some(sent)) = (worst(0), worst(1)) {
        let count = |index: usize, answer| {
            let founds = sendings.iter().filter_map(|founds| founds.get(index));
            founds.filter(|found| found.answer == answer).count()
        };
        let told = |index, found: &Found| match sendings.len() {
            1 => found.clone(),
            all => {
                let because = format!("{} of {all} messages: {}", count(index, found.answer), found.because);
                Found { because, ..found.clone() }
            }
        };
        return [told(0, called_back), told(1, sent)];
    }
    // There is no message.
    [(); 2].map(|()| match answered.answer {
        Answer::No => Found::no("There is no message to send.", Vec::new()),
        Answer::Yes => Found::not_known("The message is not on record."),
        Answer::NotKnown if answered.is_open => Found::not_yet("There is no message to send yet.", Vec::new()),
        Answer::NotKnown if case.about.is_none() => Found::not_known("Nothing is on record of a message."),
        Answer::NotKnown => Found::not_known("No message is on record."),
    })
}

impl Case {
    /// What we say, with what applications, Tropo or a handler said to it. That may quote anybody: only who may see people
    /// sees it.
    pub(super) fn quoting(&self, ours: &str, theirs: Option<&str>) -> String {
        let theirs = theirs.map(str::trim).filter(|theirs| self.sees_people && !theirs.is_empty());
        words::sentence(&theirs.map_or_else(|| ours.to_owned(), |theirs| format!("{ours}: {theirs}")))
    }
}

impl<'a> Record<'a> {
    fn all(&self, kind: &'static str) -> impl Iterator<Item = &'a JournalEvent> {
        self.events.iter().copied().filter(move |event| event.kind == kind)
    }

    fn last(&self, kind: &'static str) -> Option<&'a JournalEvent> {
        self.all(kind).last()
    }

    fn shown(&self, events: &[Option<&'a JournalEvent>]) -> Vec<Evidence> {
        let mut shown = self.case.events_shown(events.iter().flatten().copied());
        if shown.is_empty() {
            shown.push(self.case.log(self.message));
        }
        shown
    }

    /// The first line of its sessions that a story has.
    fn told(&self, line: impl Fn(&Story<'a>) -> Option<&'a TropoLine>) -> Option<&'a TropoLine> {
        self.stories.iter().rev().find_map(line)
    }

    fn has(&self, marks: &[Mark]) -> bool {
        marks.iter().any(|mark| self.message.marks.has(*mark))
    }

    /// Question 4.
    fn called_back(&self) -> Found {
        let released = self.last(Kind::MessageReleased.as_str());
        let later = [Kind::SessionResult, Kind::MessageSent, Kind::MessageDelivered, Kind::MessageUnconfirmed];
        let proof = released.or_else(|| later.iter().find_map(|kind| self.last(kind.as_str())));
        // What failed in a session had one.
        let in_session =
            |event: &&JournalEvent| said::<MessageFailed>(event).is_some_and(|failed| failed.session_id.is_some());
        let proof = proof.or_else(|| self.all(Kind::MessageFailed.as_str()).filter(in_session).last());
        let marks = [Mark::Released, Mark::Unconfirmed, Mark::Sent, Mark::Failed, Mark::Delivered];
        if proof.is_some() || self.has(&marks) {
            let launched = self.last(Kind::MessageLaunched.as_str());
            let attempt = launched.and_then(said::<MessageLaunched>).map(|launched| launched.attempt);
            let attempt = match attempt {
                Some(attempt) if 1 < attempt => format!(" It took {attempt} attempts."),
                Some(_) | None => String::new(),
            };
            let mut evidence = self.shown(&[launched, proof]);
            evidence.extend(self.told(|story| story.answered).map(|line| self.case.line(line)));
            let because = format!("Tropo created a session, called back, and was given the message.{attempt}");
            return Found::yes(because, evidence);
        }
        let progress = [Kind::MessageLaunched.as_str(), Kind::MessageDelayed.as_str()];
        let moved_at = progress.iter().flat_map(|kind| self.all(kind)).map(|event| event.at).max();
        // After a replay, what went before it no longer holds.
        let holds = |event: &&JournalEvent| moved_at.is_none_or(|moved_at| moved_at <= event.at);
        let ended = |kind: &'static str| self.last(kind).filter(holds);
        let dead = ended(DEAD_LETTER);
        let and_dead = |found: Found| match dead {
            Some(dead) => Found { because: format!("{} It {}.", found.because, words::dead(Some(dead))), ..found },
            None => found,
        };
        if let Some(failed) = ended(Kind::MessageFailed.as_str()) {
            return and_dead(self.refused(failed));
        }
        let suppressed = ended(Kind::MessageSuppressed.as_str());
        if suppressed.is_some() || (moved_at.is_none() && self.has(&[Mark::Suppressed])) {
            let because = "The person opted out: nothing is sent to who did.";
            return Found::no(because, self.shown(&[suppressed])).for_cause(Cause::OptedOut);
        }
        let expired = ended(Kind::MessageExpired.as_str());
        if expired.is_some() || (moved_at.is_none() && self.has(&[Mark::Expired])) {
            return and_dead(self.expired(expired));
        }
        if dead.is_some() || (moved_at.is_none() && self.has(&[Mark::Dead, Mark::Refused])) {
            return self.dead(dead);
        }
        self.waiting()
    }

    /// It was given up before any session had it.
    fn refused(&self, failed: &'a JournalEvent) -> Found {
        let told = said::<MessageFailed>(failed);
        let detail = told.as_ref().map(|failed| failed.detail.as_str());
        let evidence = self.shown(&[self.last(Kind::MessageDelayed.as_str()), Some(failed)]);
        match told.as_ref().map(|failed| failed.reason) {
            Some(FailureReason::Unsendable) => {
                let because = self.case.quoting("It cannot be sent as it is", detail);
                Found::no(because, evidence).for_cause(Cause::Unsendable)
            }
            Some(
                FailureReason::Refused
                | FailureReason::Incomplete
                | FailureReason::SessionError
                | FailureReason::Undelivered,
            )
            | None => {
                let mut evidence = evidence;
                evidence.extend(self.case.configured());
                let because = self.case.quoting("Tropo refused to create a session", detail);
                Found::no(because, evidence).for_cause(Cause::TokenRefused)
            }
        }
    }

    /// What kept the latest attempt that is told from being handed over; what kept those before it no longer matters.
    fn delayed(&self) -> Option<&'a JournalEvent> {
        let launched = self.last(Kind::MessageLaunched.as_str());
        let delayed = self.last(Kind::MessageDelayed.as_str());
        delayed.filter(|delayed| launched.is_none_or(|launched| launched.at <= delayed.at))
    }

    fn expired(&self, expired: Option<&'a JournalEvent>) -> Found {
        let delayed = self.delayed();
        let launched = self.last(Kind::MessageLaunched.as_str());
        let mut evidence = self.shown(&[launched, delayed, expired]);
        if let Some((because, cause)) = self.hindrance(&mut evidence) {
            return Found::no(format!("Its time ran out: {because}"), evidence).for_cause(cause);
        }
        Found::no("Its time ran out before Tropo was asked for a session.", evidence).for_cause(Cause::Expired)
    }

    fn dead(&self, dead: Option<&'a JournalEvent>) -> Found {
        let told = dead.and_then(said::<DeadLetter>).and_then(|dead| dead.error.or(dead.reason));
        let because = self.case.quoting(&format!("It was given up, and {}", words::dead(dead)), told.as_deref());
        Found::no(because, self.shown(&[self.last(Kind::MessageDelayed.as_str()), dead])).for_cause(Cause::DeadMessage)
    }

    fn waiting(&self) -> Found {
        let delayed = self.delayed();
        let launched = self.last(Kind::MessageLaunched.as_str());
        if let Some((event, told)) = delayed.and_then(|event| Some((event, said::<MessageDelayed>(event)?))) {
            let mut evidence = self.shown(&[launched, Some(event)]);
            let again = told.retry_at.filter(|at| self.case.now < *at);
            let again = again.map_or_else(String::new, |at| format!(", in {}", words::duration(self.case.now, at)));
            return match self.hindrance(&mut evidence) {
                Some((because, cause)) => {
                    let because = format!("Not yet: {because} It is tried again{again}.");
                    Found::not_yet(because, evidence).for_cause(cause)
                }
                None => Found::not_yet(format!("Not yet: it is tried again{again}."), evidence),
            };
        }
        let begun_at = launched.map_or(self.message.begun_at, |launched| launched.at);
        let waited_s = words::seconds_between(begun_at, self.case.now);
        let waited = words::duration(begun_at, self.case.now);
        let mut evidence = self.shown(&[self.last(Kind::MessageSend.as_str()), launched]);
        if launched.is_none() && !self.has(&[Mark::Launched]) {
            let found = Found::not_yet(format!("Not yet: it waits on its lane, for {waited}."), evidence);
            return if WAITS_LONG_S <= waited_s { found.for_cause(Cause::EgressWaits) } else { found };
        }
        let because = format!("Not yet: Tropo has a session for it, and has not called back for {waited}.");
        match self.call_back_in_log(&mut evidence) {
            Some((because, cause)) => Found::not_yet(format!("Not yet: {because}"), evidence).for_cause(cause),
            None if WAITS_LONG_S <= waited_s => Found::not_yet(because, evidence).for_cause(Cause::NeverCalledBack),
            None => Found::not_yet(because, evidence),
        }
    }

    /// What has kept it from being handed over: of the latest attempt that is told.
    fn hindrance(&self, evidence: &mut Vec<Evidence>) -> Option<(String, Cause)> {
        let told = self.delayed().and_then(|event| Some((event.at, said::<MessageDelayed>(event)?)));
        let Some((at, delayed)) = told else {
            self.last(Kind::MessageLaunched.as_str())?;
            return Some(self.not_called_back(evidence));
        };
        let status = delayed.status.map(|status| format!("status {status}"));
        let MessageDelayed { attempt, .. } = delayed;
        let of = (TOLD_UP_TO <= attempt).then(|| format!("as of attempt {attempt}, at {}", words::time(at)));
        let details = [status, of].into_iter().flatten().collect::<Vec<_>>().join(", ");
        let details = if details.is_empty() { details } else { format!(" ({details})") };
        let (because, cause) = match delayed.reason {
            DelayedReason::NoCallBack => return Some(self.not_called_back(evidence)),
            DelayedReason::Refused => ("Tropo refuses to create a session", Cause::TokenRefused),
            DelayedReason::Unreachable => ("Tropo could not be reached", Cause::TropoUnreachable),
            DelayedReason::Throttled => ("Tropo asked to wait", Cause::TropoThrottles),
            DelayedReason::Unavailable => ("Tropo is not working", Cause::TropoUnavailable),
            DelayedReason::Unreadable => ("Tropo's answer could not be understood", Cause::AnswerUnreadable),
            DelayedReason::Ledger => ("our own record of releases could not be read", Cause::LedgerAway),
        };
        Some((self.case.quoting(&format!("{because}{details}"), Some(&delayed.detail)), cause))
    }

    /// A session was created, and did not come for its message.
    fn not_called_back(&self, evidence: &mut Vec<Evidence>) -> (String, Cause) {
        let found = self.call_back_in_log(evidence);
        evidence.extend(self.case.configured());
        found.unwrap_or_else(|| ("Tropo created a session, and never called back.".to_owned(), Cause::NeverCalledBack))
    }

    /// What Tropo's log has of a call-back that did not come to its document.
    fn call_back_in_log(&self, evidence: &mut Vec<Evidence>) -> Option<(String, Cause)> {
        let mut show = |line: &TropoLine| evidence.push(self.case.line(line));
        let story = self.stories.iter().rev().find(|story| story.first.is_some())?;
        if let Some((line, status)) = story.refused {
            show(line);
            return Some((format!("Tropo called back, and got status {status} from us."), Cause::CallBackRefused));
        }
        if let Some(line) = story.not_answered {
            show(line);
            return Some(("Tropo called back, and got no answer.".to_owned(), Cause::CallBackNotReached));
        }
        let line = story.not_called_back?;
        show(line);
        Some(("Tropo's log says that the session does not call back.".to_owned(), Cause::NeverCalledBack))
    }

    /// Question 5.
    fn sent(&self, called_back: &Found) -> Found {
        match called_back.answer {
            Answer::No => return Found::no("It was never handed to Tropo.", Vec::new()),
            Answer::NotKnown => return Found::not_yet("Not yet: Tropo does not have it.", Vec::new()),
            Answer::Yes => {}
        }
        let failed = self
            .last(Kind::MessageFailed.as_str())
            .filter(|failed| said::<MessageFailed>(failed).is_none_or(|failed| failed.session_id.is_some()));
        let delivered = self.last(Kind::MessageDelivered.as_str());
        if delivered.is_some() || self.has(&[Mark::Delivered]) {
            return Found::yes("Tropo sent it, and the carrier delivered it.", self.shown(&[delivered]));
        }
        if failed.is_some() || self.has(&[Mark::Failed]) {
            return self.failed(failed);
        }
        let (sent, result) = (self.last(Kind::MessageSent.as_str()), self.last(Kind::SessionResult.as_str()));
        if sent.is_some() || self.has(&[Mark::Sent]) {
            let mut evidence = self.shown(&[result, sent]);
            evidence.extend(self.told(|story| story.handed_over).map(|line| self.case.line(line)));
            return Found::yes("Tropo sent it, and reported so.", evidence);
        }
        self.reported().unwrap_or_else(|| self.without_result())
    }

    /// The result came, and what it means for the message is not on record.
    fn reported(&self) -> Option<Found> {
        let result = self.last(Kind::SessionResult.as_str())?;
        // One from before the latest release is about another session.
        let released = self.last(Kind::MessageReleased.as_str());
        let handler = said::<SessionResult>(result).filter(|_| is_since(released, result))?.handler;
        Some(match handler {
            ResultHandler::Continue => {
                let because = "Tropo reported that the document is done; that it was sent is not recorded yet.";
                Found::yes(because, self.shown(&[Some(result)]))
            }
            ResultHandler::Error | ResultHandler::Incomplete => self.failed(None),
        })
    }

    fn failed(&self, failed: Option<&'a JournalEvent>) -> Found {
        let told = failed.and_then(said::<MessageFailed>);
        let result = self.last(Kind::SessionResult.as_str());
        let reported = result.and_then(said::<SessionResult>);
        let is_error = reported.as_ref().is_some_and(|result| result.handler == ResultHandler::Error);
        let error = reported.and_then(|result| result.error);
        let detail = error.or_else(|| told.as_ref().map(|failed| failed.detail.clone()));
        let mut evidence = self.shown(&[result, failed]);
        let line = self.told(|story| story.document_refused.or(story.action_failed));
        evidence.extend(line.map(|line| self.case.line(line)));
        let (because, cause) = match told.map(|failed| failed.reason) {
            Some(FailureReason::SessionError) => ("Tropo could not use the document", Cause::DocumentRefused),
            None if is_error => ("Tropo could not use the document", Cause::DocumentRefused),
            Some(FailureReason::Undelivered) => ("The carrier did not deliver it", Cause::Undelivered),
            Some(FailureReason::Incomplete | FailureReason::Refused | FailureReason::Unsendable) | None => {
                ("Tropo could not hand the message over", Cause::NotHandedOver)
            }
        };
        Found::no(self.case.quoting(because, detail.as_deref()), evidence).for_cause(cause)
    }

    /// Tropo has the document, and no result came.
    fn without_result(&self) -> Found {
        let (released, unconfirmed) =
            (self.last(Kind::MessageReleased.as_str()), self.last(Kind::MessageUnconfirmed.as_str()));
        let mut evidence = self.shown(&[released, unconfirmed]);
        let line = |line: &TropoLine| self.case.line(line);
        if let Some(refused) = self.told(|story| story.document_refused) {
            evidence.push(line(refused));
            return Found::no("Tropo's log says that it could not use the document.", evidence)
                .for_cause(Cause::DocumentRefused);
        }
        // A session that has it anew may still report.
        let is_overdue = match unconfirmed {
            Some(unconfirmed) => is_since(released, unconfirmed),
            None => self.has(&[Mark::Unconfirmed]),
        };
        let result_lost = self.told(|story| story.result_lost);
        evidence.extend(result_lost.map(line));
        if let Some(handed_over) = self.told(|story| story.handed_over) {
            evidence.push(line(handed_over));
            let because = "Tropo's log says that it sent the message; its result has not come to us.";
            let found = Found::yes(because, evidence);
            return if is_overdue { found.for_cause(Cause::NoResult) } else { found };
        }
        if is_overdue {
            let because = "No result came: it may or may not have been sent.";
            return Found { evidence, ..Found::not_known(because) }.for_cause(Cause::NoResult);
        }
        let released_at = released.map(|released| released.at).or(self.message.released_at);
        let waited = released_at.map(|at| words::duration(at, self.case.now));
        let waited = waited.map_or_else(String::new, |waited| format!(", for {waited}"));
        Found::not_yet(format!("Not yet: Tropo has the message, and its result is awaited{waited}."), evidence)
    }
}

/// Whether something happened since the message was released, as far as that is on record.
fn is_since(released: Option<&JournalEvent>, event: &JournalEvent) -> bool {
    released.is_none_or(|released| released.at <= event.at)
}
