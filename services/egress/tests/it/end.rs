//! Messages that are given up, and their return when an operator replays them.

use std::sync::Arc;
use std::time::Duration;

use axum::http::StatusCode;
use egress::SendError;
use messaging::{Disposition, Environment, Outgoing, Settle};
use protocol::{Envelope, FailureReason, Kind, MessageExpired, MessageFailed, MessageReleased, MessageSend, Timestamp};
use store::{Outcome, Record};
use tropo::ticket::Ticket;

use crate::stage::{HANGUP, Reply, Stage, call_back, only, post, session};

fn refusing() -> Reply {
    Reply::With(403, vec![], "{}")
}

/// Handles a command on a lane of its own, as another process would.
async fn send(
    stage: &Stage,
    command: &Envelope<MessageSend>,
    replayed_at: Option<Timestamp>,
) -> Result<Vec<Outgoing>, SendError> {
    stage.handle_replayed(&stage.lane(), command.clone(), replayed_at).await.0
}

#[track_caller]
fn dead(result: Result<Vec<Outgoing>, SendError>) -> Vec<Outgoing> {
    let error = result.unwrap_err();
    assert_eq!(error.disposition(), Disposition::DeadLetter, "{error:?}");
    error.outgoing()
}

/// How many sessions were created.
fn launches(stage: &Stage) -> usize {
    stage.tropo.tickets.lock().unwrap().len()
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add(by).unwrap()
}

fn earlier(at: Timestamp, by: Duration) -> Timestamp {
    at.checked_sub(by).unwrap()
}

#[tokio::test]
async fn after_a_message_failed_no_session_gets_it_and_it_fails_as_often_as_it_comes() {
    let stage = Stage::new(refusing()).await;
    let command = stage.command();
    let first = dead(send(&stage, &command, None).await);
    assert_eq!(only::<MessageFailed>(&first).data.reason, FailureReason::Refused);

    let late = call_back("session-late", &stage.keyring.seal(&stage.ticket(&command)));
    assert_eq!(post(&stage, "my-backend", late).await, (StatusCode::OK, HANGUP.to_owned()));
    assert_eq!(stage.ledger.find(&[command.head.id]).await.unwrap(), []);

    let second = dead(send(&stage, &command, None).await);
    assert_eq!(only::<MessageFailed>(&first), only::<MessageFailed>(&second), "the same event, to the letter");
    assert_eq!(launches(&stage), 1, "it was not launched again");
}

#[tokio::test]
async fn after_a_message_expired_no_session_gets_it_and_it_expires_as_often_as_it_comes() {
    let stage = Stage::new(Reply::created()).await;
    let mut command = stage.command();
    command.data.expires_at = Some(earlier(stage.environment.now(), Duration::from_secs(6)));
    let first = dead(send(&stage, &command, None).await);
    let late = call_back("session-late", &stage.keyring.seal(&stage.ticket(&command)));
    assert_eq!(post(&stage, "my-backend", late).await, (StatusCode::OK, HANGUP.to_owned()));
    let second = dead(send(&stage, &command, None).await);
    assert_eq!(only::<MessageExpired>(&first), only::<MessageExpired>(&second), "the same event, to the letter");
    assert_eq!(launches(&stage), 0);
}

#[tokio::test]
async fn what_the_flow_probe_sent_in_vain_is_told_and_is_no_dead_letter() {
    for reply in [refusing(), Reply::created()] {
        let change = |backend: &mut egress::Backend| backend.is_probe = true;
        let expired = matches!(reply, Reply::With(200, ..));
        let stage = Stage::built(reply, Duration::from_secs(20), change, Environment::system()).await;
        let mut command = stage.command();
        if expired {
            command.data.expires_at = Some(earlier(stage.environment.now(), Duration::from_secs(6)));
        }
        let told = send(&stage, &command, None).await.unwrap();
        assert_eq!(told.len(), 1, "{told:?}");
        assert!(matches!(stage.ledger.look_up(command.head.id).await.unwrap(), Some(Record::GivenUp(_))));
    }
}

#[tokio::test]
async fn a_backend_with_a_session_api_of_its_own_is_sent_there() {
    let (elsewhere, environment) = (Stage::new(refusing()).await, Environment::system());
    let session_api = Arc::clone(&elsewhere.session_api);
    let change = |backend: &mut egress::Backend| backend.session_api = Some(session_api);
    let stage = Stage::built(Reply::created(), Duration::from_secs(20), change, environment).await;
    dead(send(&stage, &stage.command(), None).await);
    assert_eq!((launches(&elsewhere), launches(&stage)), (1, 0));
}

#[tokio::test]
async fn what_a_session_took_before_it_was_given_up_is_released() {
    let stage = Stage::new(refusing()).await;
    let (command, now) = (stage.command(), stage.environment.now());
    let ticket = stage.keyring.seal(&stage.ticket(&command));
    assert_eq!(post(&stage, "my-backend", call_back("session-x", &ticket)).await.0, StatusCode::OK);
    // Its result did not come, and it was opened to another session, which Tropo refuses to create.
    let held = stage.ledger.find(&[command.head.id]).await.unwrap().remove(0);
    assert!(stage.ledger.reopen(&held, now).await.unwrap());
    let outgoing = send(&stage, &command, None).await.unwrap();
    assert_eq!(only::<MessageReleased>(&outgoing).data.session_id, session("session-x"), "and not failed");
    let held = stage.ledger.find(&[command.head.id]).await.unwrap().remove(0);
    assert_eq!((held.outcome, launches(&stage)), (Some(Outcome::Unconfirmed), 1));
}

#[tokio::test]
async fn a_replay_is_launched_again_and_its_second_end_is_another_event() {
    let stage = Stage::new(refusing()).await;
    let command = stage.command();
    let first = only::<MessageFailed>(&dead(send(&stage, &command, None).await));
    let before = earlier(first.head.time, Duration::from_millis(1));
    let same = only::<MessageFailed>(&dead(send(&stage, &command, Some(before)).await));
    assert_eq!((&same, launches(&stage)), (&first, 1), "it was replayed before it was given up this time");

    let replayed_at = later(first.head.time, Duration::from_millis(1));
    // So that its second end is later than its replay.
    while stage.environment.now() <= replayed_at {
        tokio::task::yield_now().await;
    }
    let second = only::<MessageFailed>(&dead(send(&stage, &command, Some(replayed_at)).await));
    assert_eq!(launches(&stage), 2);
    assert_ne!(second.head.id, first.head.id, "who knows of the first failure must hear of the second");
    assert_eq!(second.head.causation_id, Some(command.head.id));
    let redelivered = only::<MessageFailed>(&dead(send(&stage, &command, Some(replayed_at)).await));
    assert_eq!((&redelivered, launches(&stage)), (&second, 2), "the same replay is not launched again");
}

/// A stage whose Tropo calls back before it answers, with the session's document kept.
async fn calling_back() -> Stage {
    let stage = Stage::new(Reply::created()).await;
    let (routes, runtime) = (stage.egress.callbacks(), tokio::runtime::Handle::current());
    stage.before_reply(move |ticket| {
        let posted = crate::stage::post_to(routes.clone(), "my-backend", call_back("session-b", &ticket));
        assert_eq!(runtime.block_on(posted).0, StatusCode::OK);
    });
    stage
}

#[tokio::test]
async fn what_expired_has_a_new_time_to_live_when_it_is_replayed() {
    let stage = calling_back().await;
    let now = stage.environment.now();
    let mut command = stage.command();
    // The backend's time to live is an hour.
    command.head.time = earlier(now, Duration::from_hours(2));
    only::<MessageExpired>(&dead(send(&stage, &command, None).await));
    let replayed_at = later(now, Duration::from_secs(1));
    let released = only::<MessageReleased>(&send(&stage, &command, Some(replayed_at)).await.unwrap());
    assert_eq!(released.data.session_id, session("session-b"));
    assert_eq!(launches(&stage), 1);
    // The same replay, after a crash.
    let again = only::<MessageReleased>(&send(&stage, &command, Some(replayed_at)).await.unwrap());
    assert_eq!((again, launches(&stage)), (released, 1));
}

#[tokio::test]
async fn a_replay_changes_neither_what_the_message_says_itself_nor_how_long_the_ledger_remembers() {
    let stage = calling_back().await;
    let now = stage.environment.now();
    let replayed_at = Some(later(now, Duration::from_secs(1)));
    let mut too_late = stage.command();
    too_late.data.expires_at = Some(earlier(now, Duration::from_mins(1)));
    let mut forgotten = stage.command();
    forgotten.head.id = forgotten.head.id.derive(Kind::MessageSend, 1);
    // The ledger of the stage remembers a day.
    forgotten.head.time = earlier(now, Duration::from_hours(25));
    let said = too_late.data.expires_at.unwrap();
    // For as long as the replica whose clock is furthest ahead.
    let remembered = later(forgotten.head.time, Duration::from_hours(24) - Duration::from_secs(10));
    for (command, expired_at) in [(too_late, said), (forgotten, remembered)] {
        let first = only::<MessageExpired>(&dead(send(&stage, &command, None).await));
        let second = only::<MessageExpired>(&dead(send(&stage, &command, replayed_at).await));
        assert_eq!(second.data.expired_at, expired_at);
        assert_ne!(second.head.id, first.head.id);
    }
    assert_eq!(launches(&stage), 0);
}

#[tokio::test]
async fn a_session_of_the_first_life_may_take_what_was_replayed() {
    let stage = Stage::waiting(Reply::created(), Duration::from_secs(1)).await;
    let (command, now) = (stage.command(), stage.environment.now());
    let ticket: Ticket = stage.ticket(&command);
    let give_up = store::GiveUp {
        message_id: command.head.id,
        backend: command.head.backend.clone(),
        correlation_id: command.head.correlation_id.clone(),
        attempts: 1,
        why: store::Why::Expired,
        at: now,
    };
    stage.ledger.give_up(give_up).await.unwrap();
    let replayed_at = later(now, Duration::from_secs(1));
    let waiting = send(&stage, &command, Some(replayed_at)).await.unwrap_err();
    assert!(matches!(waiting, SendError::NoCallBack { .. }), "{waiting}");
    assert_eq!(stage.ledger.look_up(command.head.id).await.unwrap(), Some(Record::Open));
    let (_, document) = post(&stage, "my-backend", call_back("session-early", &stage.keyring.seal(&ticket))).await;
    assert!(document.contains("Balance"), "one session gets it, whichever asks first: {document}");
    let (_, document) = post(&stage, "my-backend", call_back("session-b", &stage.keyring.seal(&ticket))).await;
    assert_eq!(document, HANGUP);
    let released = only::<MessageReleased>(&send(&stage, &command, Some(replayed_at)).await.unwrap());
    assert_eq!(released.data.session_id, session("session-early"));
}
