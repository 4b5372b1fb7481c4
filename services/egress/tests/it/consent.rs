//! Messages to people who opted out.

use std::time::{Duration, Instant};

use axum::http::StatusCode;
use egress::SendError;
use messaging::{Disposition, Outgoing, Settle};
use protocol::{Envelope, EventId, Kind, MessageReleased, MessageSend, MessageSuppressed, SuppressedReason, Timestamp};
use store::{Choice, Claim, Claimed, ConsentChange, Record};

use crate::stage::{HANGUP, Reply, Stage, backend, call_back, only, post, post_to, session};

/// Far longer than anything takes that is not waited for in vain.
const PATIENT: Duration = Duration::from_secs(30);

/// What the person of a command chooses now.
fn choice(stage: &Stage, command: &Envelope<MessageSend>, choice: Choice, index: u32) -> ConsentChange {
    ConsentChange {
        cause: command.head.id.derive(Kind::MessageReceived, index),
        backend: backend(),
        person: command.data.to.clone(),
        choice: Some(choice),
        word: choice.as_str().to_owned(),
        reply: None,
        at: stage.environment.now(),
    }
}

async fn opt_out(stage: &Stage, command: &Envelope<MessageSend>) {
    stage.consents.change(choice(stage, command, Choice::Out, 0)).await.unwrap();
}

async fn send(stage: &Stage, command: &Envelope<MessageSend>) -> Result<Vec<Outgoing>, SendError> {
    stage.handle(&stage.lane(), command.clone()).await.0
}

async fn replay(
    stage: &Stage,
    command: &Envelope<MessageSend>,
    replayed_at: Timestamp,
) -> Result<Vec<Outgoing>, SendError> {
    stage.handle_replayed(&stage.lane(), command.clone(), Some(replayed_at)).await.0
}

/// The command is settled by the word that its message may not be sent.
#[track_caller]
fn suppressed(result: Result<Vec<Outgoing>, SendError>, command: EventId) -> Envelope<MessageSuppressed> {
    let event = only::<MessageSuppressed>(&result.unwrap());
    assert_eq!(event.data, MessageSuppressed { message_id: command, reason: SuppressedReason::OptedOut });
    assert_eq!((event.head.causation_id, &event.head.correlation_id), (Some(command), &Some(session("session-a"))));
    event
}

fn launches(stage: &Stage) -> usize {
    stage.tropo.tickets.lock().unwrap().len()
}

#[tokio::test]
async fn what_is_for_a_person_who_opted_out_is_not_launched_and_nobody_gets_it() {
    let stage = Stage::new(Reply::created()).await;
    let command = stage.command();
    opt_out(&stage, &command).await;
    let first = suppressed(send(&stage, &command).await, command.head.id);
    assert_eq!(suppressed(send(&stage, &command).await, command.head.id), first, "the same event, to the letter");
    let late = call_back("session-late", &stage.keyring.seal(&stage.ticket(&command)));
    assert_eq!(post(&stage, "my-backend", late).await, (StatusCode::OK, HANGUP.to_owned()));
    assert_eq!(launches(&stage), 0);

    let mut other = stage.command();
    other.head.id = other.head.id.derive(Kind::MessageSend, 1);
    other.data.to = "+15555550178".parse().unwrap();
    let ticket = stage.keyring.seal(&stage.ticket(&other));
    let (_, document) = post(&stage, "my-backend", call_back("session-b", &ticket)).await;
    assert!(document.contains("15555550178"), "another person gets theirs: {document}");
}

#[tokio::test]
async fn a_person_who_opts_out_after_the_launch_is_not_texted_and_the_lane_is_told_at_once() {
    let stage = Stage::waiting(Reply::created(), PATIENT).await;
    let command = stage.command();
    let (routes, runtime) = (stage.egress.callbacks(), tokio::runtime::Handle::current());
    let (consents, out) = (stage.consents.clone(), choice(&stage, &command, Choice::Out, 0));
    stage.before_reply(move |ticket| {
        runtime.block_on(consents.change(out.clone())).unwrap();
        let posted = post_to(routes.clone(), "my-backend", call_back("session-b", &ticket));
        assert_eq!(runtime.block_on(posted), (StatusCode::OK, HANGUP.to_owned()));
    });
    let asked = Instant::now();
    suppressed(send(&stage, &command).await, command.head.id);
    assert!(asked.elapsed() < PATIENT / 2, "it was not waited for: {:?}", asked.elapsed());
    assert_eq!(launches(&stage), 1);
    suppressed(send(&stage, &command).await, command.head.id);
    assert_eq!(launches(&stage), 1, "it ends once and for all");
}

#[tokio::test]
async fn what_another_replica_suppressed_is_found_in_the_ledger() {
    let stage = Stage::waiting(Reply::created(), Duration::from_secs(1)).await;
    let command = stage.command();
    let (ledger, consents, runtime) = (stage.ledger.clone(), stage.consents.clone(), tokio::runtime::Handle::current());
    let out = choice(&stage, &command, Choice::Out, 0);
    let claim = Claim {
        message_id: command.head.id,
        session_id: session("session-y"),
        backend: backend(),
        to: command.data.to.clone(),
        correlation_id: None,
        attempt: 1,
        command: None,
        at: stage.environment.now(),
        until: None,
    };
    stage.before_reply(move |_| {
        runtime.block_on(consents.change(out.clone())).unwrap();
        let claimed = runtime.block_on(ledger.claim(claim.clone())).unwrap();
        assert!(matches!(claimed, Claimed::Suppressed(_)), "{claimed:?}");
    });
    suppressed(send(&stage, &command).await, command.head.id);
}

#[tokio::test]
async fn the_answer_to_their_choice_is_released() {
    let stage = Stage::new(Reply::created()).await;
    let command = stage.command();
    let reply = Some(command.head.id);
    let out = ConsentChange { reply, ..choice(&stage, &command, Choice::Out, 0) };
    stage.consents.change(out).await.unwrap();
    let (routes, runtime) = (stage.egress.callbacks(), tokio::runtime::Handle::current());
    stage.before_reply(move |ticket| {
        let posted = post_to(routes.clone(), "my-backend", call_back("session-b", &ticket));
        assert!(runtime.block_on(posted).1.contains("15555550177"));
    });
    let released = only::<MessageReleased>(&send(&stage, &command).await.unwrap());
    assert_eq!(released.data.session_id, session("session-b"));
}

#[tokio::test]
async fn a_replay_sends_nothing_to_a_person_who_is_out_and_may_once_they_are_back() {
    let stage = Stage::waiting(Reply::created(), Duration::from_secs(1)).await;
    let mut command = stage.command();
    command.data.expires_at = stage.environment.now().checked_sub(Duration::from_secs(6)).ok();
    let expired = send(&stage, &command).await.unwrap_err();
    assert_eq!(expired.disposition(), Disposition::DeadLetter, "{expired}");
    command.data.expires_at = None;

    opt_out(&stage, &command).await;
    let ended_at = stage.environment.now();
    let second = suppressed(replay(&stage, &command, ended_at).await, command.head.id);
    let again = suppressed(replay(&stage, &command, ended_at).await, command.head.id);
    assert_eq!((again, launches(&stage)), (second.clone(), 0));

    stage.consents.change(choice(&stage, &command, Choice::In, 1)).await.unwrap();
    let same = suppressed(send(&stage, &command).await, command.head.id);
    assert_eq!(same, second, "without a replay it stays suppressed");
    let replayed_at = stage.environment.now();
    let waiting = replay(&stage, &command, replayed_at).await.unwrap_err();
    assert!(matches!(waiting, SendError::NoCallBack { .. }), "{waiting}");
    assert_eq!(stage.ledger.look_up(command.head.id).await.unwrap(), Some(Record::Open));
    assert_eq!(launches(&stage), 1);
}
