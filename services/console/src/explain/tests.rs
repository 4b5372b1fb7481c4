//! Conversations that went well or broke, and how they are explained.

mod stage;

use protocol::{DelayedReason, FailureReason, IgnoredReason, ResultHandler, RoutedOutcome, SaidWord};
use serde_json::json;
use store::Marks;

use super::*;
use stage::Stage;

/// Asserts the five answers (y: yes, n: no, ?: not known), how it stands, and what is wrong.
#[track_caller]
fn check(stage: &Stage, answers: &str, outcome: Outcome, cause: Option<Cause>) -> Explanation {
    let explanation = stage.case.explain();
    let sign = |question: &Question| match question.answer {
        Answer::Yes => 'y',
        Answer::No => 'n',
        Answer::NotKnown => '?',
    };
    let found: String = explanation.questions.iter().map(sign).collect();
    let because: Vec<_> = explanation.questions.iter().map(|question| &question.because).collect();
    assert_eq!(found, answers, "{because:#?}");
    assert_eq!(explanation.outcome, outcome, "{}", explanation.verdict);
    assert_eq!(explanation.advice.as_ref().map(|advice| advice.cause), cause, "{}", explanation.verdict);
    let first_no = answers.find('n').and_then(|index| u8::try_from(index + 1).ok());
    assert_eq!(explanation.first_no, first_no);
    explanation
}

/// The evidence of a question, by kind.
fn kinds(explanation: &Explanation, number: usize) -> Vec<&str> {
    explanation.questions[number - 1].evidence.iter().map(|evidence| evidence.kind.as_str()).collect()
}

#[test]
fn a_text_that_was_answered_has_five_times_yes() {
    let stage =
        Stage::text().answered().launched("b1", 1).released("b1").result("b1", ResultHandler::Continue).sent("b1");
    let explanation = check(&stage, "yyyyy", Outcome::Worked, None);
    assert_eq!(explanation.verdict, "It worked: Tropo has the reply, 4.0 s after the text came.");
    let sessions: Vec<_> = explanation.sessions.iter().map(|session| session.id.as_str()).collect();
    assert_eq!(sessions, ["a1", "b1"]);
    assert_eq!(kinds(&explanation, 3), ["message.routed", "message.send"]);
    assert_eq!(kinds(&explanation, 5), ["session.result", "message.sent"]);
    assert_eq!(explanation.timeline.len(), 7);
    check(&stage.delivered("b1"), "yyyyy", Outcome::Worked, None);
}

#[test]
fn what_waits_is_not_known_yet() {
    let waits = Outcome::UnderWay;
    check(&Stage::text(), "yy???", waits, None);
    check(&Stage::text().later(60), "yy???", waits, Some(Cause::RouterWaits));
    check(&Stage::text().answered(), "yyy??", waits, None);
    check(&Stage::text().answered().later(60), "yyy??", waits, Some(Cause::EgressWaits));
    check(&Stage::text().answered().launched("b1", 1), "yyy??", waits, None);
    check(&Stage::text().answered().launched("b1", 1).later(60), "yyy??", waits, Some(Cause::NeverCalledBack));
    check(&Stage::text().answered().launched("b1", 1).released("b1"), "yyyy?", waits, None);
    check(&Stage::text().offered(), "yy???", waits, Some(Cause::ApplicationSilent));
}

#[test]
fn a_text_that_nothing_answers_says_why() {
    for (reason, outcome, cause) in [
        (IgnoredReason::NoAnswer, Outcome::Failed, Cause::NoAnswer),
        (IgnoredReason::Filtered, Outcome::Intended, Cause::Filtered),
        (IgnoredReason::NoReply, Outcome::Intended, Cause::NoReply),
        (IgnoredReason::WithheldSender, Outcome::Failed, Cause::WithheldSender),
        (IgnoredReason::OwnNumber, Outcome::Failed, Cause::OwnNumber),
    ] {
        let stage = Stage::text().routed(RoutedOutcome::Unanswered, &[]).ignored(reason);
        check(&stage, "yynnn", outcome, Some(cause));
    }
    check(&Stage::session(IgnoredReason::NotText), "yynnn", Outcome::Failed, Some(Cause::NotText));
    check(&Stage::session(IgnoredReason::ForeignLaunch), "yynnn", Outcome::Failed, Some(Cause::ForeignLaunch));
}

#[test]
fn an_application_that_failed_is_named_with_its_reason() {
    let asked = [("stock", SaidWord::Passed, "other words"), ("survey", SaidWord::Failed, "status 500")];
    let failed = Stage::text().routed(RoutedOutcome::GivenUp, &asked).dead("router.message.received.07", "stopped");
    let explanation = check(&failed, "yynnn", Outcome::Failed, Some(Cause::ApplicationFailed));
    assert_eq!(explanation.verdict, "survey failed: status 500.");
    assert_eq!(kinds(&explanation, 3), ["message.routed", "dead_letter"]);
    let away = Stage::text().routed(RoutedOutcome::GivenUp, &[("survey", SaidWord::Away, "no answer")]);
    let explanation = check(&away, "yynnn", Outcome::Failed, Some(Cause::ApplicationFailed));
    assert_eq!(explanation.verdict, "survey was away for too long: no answer.");
    // Its account of itself did not come.
    let dead = Stage::text().dead("router.message.received.07", "the record is unreadable");
    let explanation = check(&dead, "yynnn", Outcome::Failed, Some(Cause::ApplicationFailed));
    assert!(explanation.verdict.ends_with("the record is unreadable."), "{}", explanation.verdict);
    // Mended, and put back.
    check(&failed.answered().launched("b1", 1).released("b1").sent("b1"), "yyyyy", Outcome::Worked, None);
}

#[test]
fn a_message_that_tropo_gave_no_session_says_what_tropo_said() {
    let refused = Stage::text().answered().failed(None, FailureReason::Refused, "Invalid application token");
    let explanation = check(&refused, "yyynn", Outcome::Failed, Some(Cause::TokenRefused));
    assert_eq!(explanation.verdict, "Tropo refused to create a session: Invalid application token.");
    let advice = explanation.advice.unwrap();
    assert!(advice.to_do[0].contains("backends.my-backend.messaging_token"), "{:?}", advice.to_do);
    assert_eq!(advice.read_on, "docs/explain.md#tropo-refused-the-token");
    // The dead letter comes a moment later, and says less.
    let dead = refused.dead("egress.message.send.my-backend", "Tropo rejected the message for good");
    check(&dead, "yyynn", Outcome::Failed, Some(Cause::TokenRefused));
    check(&dead.launched("b1", 1).released("b1").sent("b1"), "yyyyy", Outcome::Worked, None);

    let odd = Stage::text().answered().failed(None, FailureReason::Unsendable, "the text is empty");
    check(&odd, "yyynn", Outcome::Failed, Some(Cause::Unsendable));
    let elsewhere = Stage::text().answered().dead("egress.message.send.my-backend", "the command names backend b");
    let explanation = check(&elsewhere, "yyynn", Outcome::Failed, Some(Cause::DeadMessage));
    assert!(explanation.verdict.contains("the command names backend b"), "{}", explanation.verdict);
}

#[test]
fn an_attempt_that_failed_is_told_while_it_waits_and_when_its_time_ran_out() {
    for (reason, cause) in [
        (DelayedReason::Refused, Cause::TokenRefused),
        (DelayedReason::Unreachable, Cause::TropoUnreachable),
        (DelayedReason::Throttled, Cause::TropoThrottles),
        (DelayedReason::Unavailable, Cause::TropoUnavailable),
        (DelayedReason::Unreadable, Cause::AnswerUnreadable),
        (DelayedReason::Ledger, Cause::LedgerAway),
        (DelayedReason::NoCallBack, Cause::NeverCalledBack),
    ] {
        let stage = Stage::text().answered().delayed(reason);
        check(&stage, "yyy??", Outcome::UnderWay, Some(cause));
        check(&stage.expired(), "yyynn", Outcome::Failed, Some(cause));
    }
    check(&Stage::text().answered().expired(), "yyynn", Outcome::Failed, Some(Cause::Expired));
    let again =
        Stage::text().answered().delayed(DelayedReason::Unreachable).launched("b1", 2).released("b1").sent("b1");
    let explanation = check(&again, "yyyyy", Outcome::Worked, None);
    assert!(explanation.questions[3].because.ends_with("It took 2 attempts."));
}

#[test]
fn a_call_back_that_did_not_come_through_is_found_in_tropos_log() {
    let waits = || Stage::text().answered().launched("b1", 1).delayed(DelayedReason::NoCallBack);
    let called =
        || waits().line("b1", "#TROPO#: Sending TropoML Payload on Tropo-Thread-b1 [url=http://h/tropo/a/s3cret]: {}");
    for (stage, cause) in [
        (waits(), Cause::NeverCalledBack),
        (waits().line("b1", "#SIMULATOR#: This session does not call back: dropped_callback"), Cause::NeverCalledBack),
        (
            called().line("b1", "#TROPO#: Received non-2XX status code on Tropo-Thread-b1 [url=http://h/, code=503]"),
            Cause::CallBackRefused,
        ),
        (
            called()
                .line("b1", "#SIMULATOR#: The session ends, http://h/ gave no document: no answer: connection refused"),
            Cause::CallBackNotReached,
        ),
    ] {
        let explanation = check(&stage.expired(), "yyynn", Outcome::Failed, Some(cause));
        assert!(!serde_json::to_string(&explanation).unwrap().contains("s3cret"));
    }
}

#[test]
fn who_opted_out_is_left_alone() {
    let explanation = check(&Stage::text().answered().suppressed(), "yyynn", Outcome::Intended, Some(Cause::OptedOut));
    assert_eq!(explanation.verdict, "The person opted out: nothing is sent to who did.");
}

#[test]
fn a_document_that_did_not_become_a_message_says_why() {
    let has = || Stage::text().answered().launched("b1", 1).released("b1");
    for (reason, handler, cause) in [
        (FailureReason::SessionError, ResultHandler::Error, Cause::DocumentRefused),
        (FailureReason::Incomplete, ResultHandler::Incomplete, Cause::NotHandedOver),
    ] {
        let stage = has().result("b1", handler).failed(Some("b1"), reason, "no such network");
        let explanation = check(&stage, "yyyyn", Outcome::Failed, Some(cause));
        assert!(explanation.verdict.ends_with(": no such network."), "{}", explanation.verdict);
    }
    // The release is not on record, nor a mark of it.
    let mut stage = Stage::text().answered().launched("b1", 1).failed(Some("b1"), FailureReason::SessionError, "no");
    stage.case.messages[0].marks = Marks::default();
    check(&stage, "yyyyn", Outcome::Failed, Some(Cause::DocumentRefused));
    let undelivered =
        has().sent("b1").failed(Some("b1"), FailureReason::Undelivered, "the carrier reported \"failed\"");
    check(&undelivered, "yyyyn", Outcome::Failed, Some(Cause::Undelivered));
    let refused =
        has().line("b1", "#SIMULATOR#: The document is refused, it has an action that Tropo does not know: strict");
    check(&refused, "yyyyn", Outcome::Failed, Some(Cause::DocumentRefused));
}

#[test]
fn without_a_result_it_is_not_known_unless_tropos_log_has_it() {
    let silent = || Stage::text().answered().launched("b1", 1).released("b1").unconfirmed("b1");
    check(&silent(), "yyyy?", Outcome::NotKnown, Some(Cause::NoResult));
    let logged = silent().line("b1", "#MRCP#: (o)ANNOUNCE rtsp://10.0.0.9/ <speak>private</speak>");
    check(&logged, "yyyyy", Outcome::Worked, Some(Cause::NoResult));
    check(&silent().sent("b1"), "yyyyy", Outcome::Worked, None);
}

#[test]
fn a_session_that_never_came_to_us_is_explained_by_tropos_log() {
    let posted = "#TROPO#: Sending TropoML Payload on Tropo-Thread-a1 [url=http://h/tropo/a/s3cret]: {}";
    let refused = "#TROPO#: Received non-2XX status code on Tropo-Thread-a1 [url=http://h/tropo/a/s3cret, code=403]";
    let refused = Stage::nothing().line("a1", posted).line("a1", refused);
    let explanation = check(&refused, "yynnn", Outcome::Failed, Some(Cause::WebhookRefused));
    assert_eq!(explanation.verdict, "Tropo got status 403 from us.");
    let steps = explanation.advice.unwrap().to_do;
    assert!(steps[0].contains("backends.a.webhook_secret"), "the one that was posted to: {steps:?}");
    let unreached = "#SIMULATOR#: The session ends, http://h/ gave no document: no answer: connection refused";
    let unreached = Stage::nothing().line("a1", posted).line("a1", unreached);
    check(&unreached, "ynnnn", Outcome::Failed, Some(Cause::NotReached));
    check(&Stage::nothing().line("a1", posted), "y????", Outcome::UnderWay, None);
}

#[test]
fn a_text_that_something_answers_is_answered_whatever_was_said_first() {
    let mut late = Stage::text().routed(RoutedOutcome::Taken, &[]).ignored(IgnoredReason::NoReply);
    let explanation = check(&late, "yynnn", Outcome::Intended, Some(Cause::NoReply));
    assert!(explanation.verdict.ends_with("it may reply later."), "{}", explanation.verdict);
    let text = late.case.text.as_mut().unwrap();
    text.marks = text.marks.and(store::Mark::Caused.into());
    check(&late, "yyy??", Outcome::NotKnown, None);
    check(&late.and_another().launched("b1", 1).released("b1").sent("b1"), "yyyyy", Outcome::Worked, None);
}

#[test]
fn a_text_that_was_put_back_is_no_dead_letter_any_more() {
    let dead = || Stage::text().dead("router.message.received.07", "stopped");
    let explanation = check(&dead(), "yynnn", Outcome::Failed, Some(Cause::ApplicationFailed));
    assert!(explanation.verdict.contains("may have been replayed or dropped since"), "{}", explanation.verdict);
    check(&dead().routed(RoutedOutcome::Answered, &[]), "yyy??", Outcome::NotKnown, None);
    check(&dead().offered(), "yy???", Outcome::UnderWay, Some(Cause::ApplicationSilent));
    check(&dead().ignored(IgnoredReason::Filtered), "yynnn", Outcome::Intended, Some(Cause::Filtered));
}

#[test]
fn a_text_of_the_tester_never_was_at_tropo() {
    let mut stage = Stage::text().answered().launched("b1", 1).released("b1").sent("b1");
    stage.case.text.as_mut().unwrap().session_id = Some("console-1".parse().unwrap());
    let explanation = check(&stage, "??yyy", Outcome::Worked, None);
    assert!(explanation.questions[0].because.contains("past Tropo"), "{}", explanation.questions[0].because);
}

#[test]
fn a_result_tells_before_what_follows_from_it_is_on_record() {
    let has = || Stage::text().answered().launched("b1", 1).released("b1");
    check(&has().result("b1", ResultHandler::Continue), "yyyyy", Outcome::Worked, None);
    check(&has().result("b1", ResultHandler::Error), "yyyyn", Outcome::Failed, Some(Cause::DocumentRefused));
    check(&has().result("b1", ResultHandler::Incomplete), "yyyyn", Outcome::Failed, Some(Cause::NotHandedOver));
    // It is on its way again, whatever came of the first session.
    for first in [has().result("b1", ResultHandler::Error), has().unconfirmed("b1")] {
        check(&first.launched("b2", 2).released("b2"), "yyyy?", Outcome::UnderWay, None);
    }
}

#[test]
fn what_kept_an_earlier_attempt_no_longer_matters() {
    let again = || Stage::text().answered().delayed(DelayedReason::Refused).launched("b1", 2);
    check(&again(), "yyy??", Outcome::UnderWay, None);
    check(&again().expired(), "yyynn", Outcome::Failed, Some(Cause::NeverCalledBack));
}

#[test]
fn which_attempt_is_meant_is_said_where_not_every_one_is_told() {
    let because = |attempt| {
        let stage = Stage::text().answered().delayed_at(attempt, DelayedReason::Unavailable);
        check(&stage, "yyy??", Outcome::UnderWay, Some(Cause::TropoUnavailable)).questions[3].because.clone()
    };
    assert!(because(7).starts_with("Not yet: Tropo is not working (status 503)"), "{}", because(7));
    let late = because(16);
    assert!(late.starts_with("Not yet: Tropo is not working (status 503, as of attempt 16, at 20"), "{late}");
}

#[test]
fn messages_beyond_those_that_are_shown_count_as_well() {
    let mut stage = Stage::text().answered().launched("b1", 1).released("b1").sent("b1").and_another().suppressed();
    stage.case.more = stage.case.messages.split_off(1);
    stage.case.events.retain(|event| event.of.is_none_or(|(_, id)| id != stage.case.more[0].id));
    let explanation = check(&stage, "yyynn", Outcome::Intended, Some(Cause::OptedOut));
    assert_eq!((explanation.replies.len(), explanation.replies_more), (1, 1));
    assert!(explanation.questions[2].because.contains("2 messages"), "{}", explanation.questions[2].because);
}

#[test]
fn a_message_that_no_text_began_has_two_questions() {
    let stage = Stage::message().launched("b1", 1).released("b1").sent("b1");
    let explanation = check(&stage, "???yy", Outcome::Worked, None);
    assert_eq!(explanation.questions[0].because, "No text began it: stock had it sent by itself.");
    let sessions: Vec<_> = explanation.sessions.iter().map(|session| session.id.as_str()).collect();
    assert_eq!(sessions, ["b1"]);
}

#[test]
fn of_several_messages_the_worst_decides() {
    let stage = Stage::text().answered().launched("b1", 1).released("b1").sent("b1").and_another().suppressed();
    let explanation = check(&stage, "yyynn", Outcome::Intended, Some(Cause::OptedOut));
    assert!(explanation.questions[3].because.starts_with("1 of 2 messages: "));
    let each: Vec<_> = explanation.replies.iter().map(|reply| reply.questions[1].answer).collect();
    assert_eq!(each, [Answer::Yes, Answer::No]);
}

#[test]
fn what_is_left_when_half_of_the_events_are_lost_still_holds() {
    let whole =
        Stage::text().answered().launched("b1", 1).released("b1").result("b1", ResultHandler::Continue).sent("b1");
    let explanation = check(&whole.without_events(), "yyyyy", Outcome::Worked, None);
    assert_eq!(kinds(&explanation, 5), ["log"]);
    let refused = Stage::text().answered().failed(None, FailureReason::Refused, "x").without_events();
    check(&refused, "yyynn", Outcome::Failed, Some(Cause::DeadMessage));
    check(&Stage::text().answered().suppressed().without_events(), "yyynn", Outcome::Intended, Some(Cause::OptedOut));
}

#[test]
fn whoever_may_not_see_people_sees_none() {
    let stage = Stage::text()
        .answered()
        .launched("b1", 1)
        .released("b1")
        .result("b1", ResultHandler::Error)
        .failed(Some("b1"), FailureReason::SessionError, "cannot text +15555550177, private")
        .line("b1", "#MRCP#: (o)ANNOUNCE to +15555550177: private");
    let told = |stage: &Stage| serde_json::to_string(&stage.case.explain()).unwrap();
    assert!(told(&stage).contains("0177") && told(&stage).contains("private"));
    let masked = told(&stage.for_strangers());
    assert!(!masked.contains("0177") && !masked.contains("private"), "{masked}");
}

#[test]
fn every_cause_has_its_section_in_the_guide() {
    let guide = include_str!("../../../../docs/explain.md");
    for cause in Cause::ALL {
        assert!(guide.contains(&format!("\n### {}\n", cause.heading())), "{}", cause.heading());
        let advice = cause.advice("", "my-backend", None);
        assert!(!advice.to_do.is_empty());
        assert!(advice.to_do.iter().all(|step| !step.contains(['{', '}'])), "{:?}", advice.to_do);
    }
    let sections = guide.matches("\n### ").count();
    assert_eq!(sections, Cause::ALL.len(), "a section that no cause leads to");
}

/// Everything that can happen to two messages of a text, at once.
fn everything() -> Stage {
    let asked = [("stock", SaidWord::Away, "private")];
    let mut stage = Stage::text()
        .routed(RoutedOutcome::GivenUp, &asked)
        .offered()
        .ignored(IgnoredReason::NoAnswer)
        .dead("router.message.received.07", "private")
        .answered();
    for session in ["b1", "b2"] {
        stage = stage
            .launched(session, 1)
            .delayed(DelayedReason::NoCallBack)
            .released(session)
            .result(session, ResultHandler::Incomplete)
            .sent(session)
            .unconfirmed(session)
            .failed(Some(session), FailureReason::Incomplete, "private")
            .failed(None, FailureReason::Refused, "private")
            .expired()
            .suppressed()
            .dead("egress.message.send.my-backend", "private")
            .delivered(session)
            .line(session, "#TROPO#: Sending TropoML Payload on Tropo-Thread-b1 [url=http://h/]: private")
            .line(session, "#TROPO#: Received non-2XX status code on Tropo-Thread-b1 [url=http://h/, code=x]")
            .line(session, "#SIMULATOR#: Action message failed, private; the document goes on")
            .line(session, "#SIMULATOR#: The session ends, its result is not posted: results")
            .line(session, "#MRCP#: (i)RTSP/1.0 200 OK")
            .and_another();
    }
    stage
}

proptest::proptest! {
    /// Whatever comes, and in whichever order: a yes has evidence, and a stranger sees nobody.
    #[test]
    fn whatever_is_on_record_a_yes_has_evidence(
        events in proptest::collection::vec(0..1000_usize, 0..30),
        lines in proptest::collection::vec(0..1000_usize, 0..6),
        marks in proptest::collection::vec(0..1_i32 << store::Mark::ALL.len(), 4),
        (has_text, is_about_text) in proptest::prelude::any::<(bool, bool)>(),
        unreadable in proptest::option::of(0..30_usize),
    ) {
        let Stage { mut case, .. } = everything().for_strangers();
        let all: Vec<JournalEvent> = std::mem::take(&mut case.events);
        case.events = events.iter().filter_map(|index| all.get(index % all.len()).cloned()).collect();
        if let Some(event) = unreadable.and_then(|index| case.events.get_mut(index)) {
            event.body = json!({ "text": "private", "to": "+15555550177" }).to_string();
        }
        case.lines = lines.iter().filter_map(|index| case.lines.get(index % case.lines.len()).cloned()).collect();
        let known = case.messages.iter_mut().chain(&mut case.text);
        for (line, marks) in known.zip(&marks) {
            line.marks = Marks::of_number(*marks).unwrap();
        }
        case.text = case.text.filter(|_| has_text);
        case.about = if is_about_text { case.text.clone() } else { case.messages.first().cloned() };
        let explanation = case.explain();
        assert_eq!(explanation.questions.len(), 5);
        let of_replies = explanation.replies.iter().flat_map(|reply| &reply.questions);
        for question in explanation.questions.iter().chain(of_replies) {
            assert!(question.answer != Answer::Yes || !question.evidence.is_empty(), "{}", question.because);
            assert!(!question.because.is_empty());
        }
        let told = serde_json::to_string(&explanation).unwrap();
        assert!(!told.contains("0177") && !told.contains("private"), "{told}");
    }
}
