//! One attempt to get a message to Tropo.

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use egress::SendError;
use messaging::{BoxFuture, Clock, Disposition, Environment, Outgoing, Settle};
use protocol::{
    DelayedReason, Envelope, FailureReason, Kind, MessageDelayed, MessageExpired, MessageFailed, MessageLaunched,
    MessageReleased, Timestamp,
};
use store::Claim;
use tokio::sync::watch;

use crate::stage::{Reply, Stage, backend, only, session};

/// Long enough for an answer on a busy machine, short enough to wait for one that never comes.
const IMPATIENT: Duration = Duration::from_secs(1);

async fn claim(stage: &Stage, holder: &str) {
    let command = stage.command();
    let claim = Claim {
        message_id: command.head.id,
        session_id: session(holder),
        backend: backend(),
        to: command.data.to,
        correlation_id: command.head.correlation_id,
        attempt: 1,
        command: None,
        at: stage.environment.now(),
        until: None,
    };
    stage.ledger.claim(claim).await.unwrap();
}

#[track_caller]
fn check_disposition(error: &SendError, expected: Disposition) {
    assert_eq!(error.disposition(), expected, "{error:?}");
}

/// What becomes of a message when a create request is answered so, and what is told of that meanwhile.
async fn check(reply: Reply, expected: Disposition) -> (SendError, Vec<Outgoing>) {
    let stage = Stage::waiting(reply, IMPATIENT).await;
    let (result, progress) = stage.handle(&stage.lane(), stage.command()).await;
    let error = result.unwrap_err();
    check_disposition(&error, expected);
    assert!(!format!("{error:?} {error} {progress:?}").contains("the-messaging-token"));
    (error, progress)
}

/// The same, for an answer after which it is tried again.
async fn check_delayed(reply: Reply, reason: DelayedReason, status: Option<u16>, after: Option<Duration>) {
    let (error, progress) = check(reply, Disposition::Retry { after }).await;
    let Envelope { head, data } = only::<MessageDelayed>(&progress);
    assert_eq!((data.reason, data.status, data.attempt), (reason, status, 1));
    assert_eq!(data.retry_at, after.map(|after| head.time.checked_add(after).unwrap()));
    assert_eq!((head.causation_id, head.correlation_id), (Some(data.message_id), Some(session("session-a"))));
    assert!(data.detail.starts_with(&error.to_string()) && !data.detail.contains("127.0.0.1:"), "{}", data.detail);
}

#[tokio::test]
async fn temporary_refusals_are_told_and_tried_again() {
    use DelayedReason::{Throttled, Unavailable, Unreachable, Unreadable};
    check_delayed(Reply::With(500, vec![], "oops"), Unavailable, Some(500), None).await;
    check_delayed(Reply::With(503, vec![], ""), Unavailable, Some(503), None).await;
    check_delayed(Reply::With(302, vec![("location", "/elsewhere")], ""), Unavailable, Some(302), None).await;
    check_delayed(Reply::With(200, vec![], "<html>maintenance</html>"), Unreadable, Some(200), None).await;
    check_delayed(Reply::Never, Unreachable, None, None).await;
    let asked = Some(Duration::from_secs(17));
    check_delayed(Reply::With(429, vec![("retry-after", "17")], ""), Throttled, Some(429), asked).await;
}

#[tokio::test]
async fn each_attempt_that_comes_to_nothing_is_told_once() {
    let stage = Stage::new(Reply::With(500, vec![], "")).await;
    let mut told = BTreeSet::new();
    for _ in 0..3 {
        let (_, progress) = stage.handle(&stage.lane(), stage.command()).await;
        told.insert(only::<MessageDelayed>(&progress).head.id);
        // Two attempts are told apart by the millisecond: no crash is over in one.
        tokio::time::sleep(Duration::from_millis(2)).await;
    }
    assert_eq!(told.len(), 3, "the same attempt, after a crash say, is another event");
}

#[tokio::test]
async fn a_refused_token_is_told_and_dead_in_every_form_of_reply() {
    for reply in [
        Reply::With(200, vec![], r#"{"success":false,"error":"invalid token"}"#),
        Reply::With(200, vec![], "<session><success>false</success></session>"),
        Reply::With(200, vec![], "success=false&token=t"),
        Reply::With(200, vec![], ""),
        Reply::With(401, vec![], ""),
        Reply::With(403, vec![], "{}"),
        Reply::With(404, vec![], "not here"),
    ] {
        let (error, progress) = check(reply, Disposition::DeadLetter).await;
        assert_eq!(progress.len(), 0, "no session is known, and there is no other attempt");
        let failed = only::<MessageFailed>(&error.outgoing());
        assert_eq!(failed.data.reason, FailureReason::Refused);
        assert_eq!(failed.head.correlation_id, Some(session("session-a")));
    }
}

#[tokio::test]
async fn when_everything_is_refused_the_backlog_waits() {
    let stage = Stage::new(Reply::With(403, vec![], "{}")).await;
    let lane = stage.lane();
    let command = |index| {
        let mut command = stage.command();
        command.head.id = command.head.id.derive(Kind::MessageSend, index);
        command
    };
    for index in 0..5 {
        let (result, _) = stage.handle(&lane, command(index)).await;
        check_disposition(&result.unwrap_err(), Disposition::DeadLetter);
    }
    for index in 5..8 {
        let (result, progress) = stage.handle(&lane, command(index)).await;
        let error = result.unwrap_err();
        check_disposition(&error, Disposition::Retry { after: Some(Duration::from_mins(1)) });
        assert_eq!(error.outgoing().len(), 0, "it is not failed yet");
        let delayed = only::<MessageDelayed>(&progress).data;
        assert_eq!((delayed.reason, delayed.status), (DelayedReason::Refused, Some(403)));
        assert!(delayed.retry_at.is_some());
    }
}

#[tokio::test]
async fn a_session_that_does_not_call_back_is_created_again_later() {
    let stage = Stage::waiting(Reply::created(), IMPATIENT).await;
    let (result, progress) = stage.handle(&stage.lane(), stage.command()).await;
    check_disposition(&result.unwrap_err(), Disposition::Retry { after: None });
    let launched = only::<MessageLaunched>(&progress[..1]);
    assert_eq!((launched.data.session_id, launched.data.attempt), (session("session-b"), 1));
    assert_eq!(launched.head.correlation_id, Some(session("session-a")));
    assert!(launched.data.took_us.is_some_and(|took_us| 0 < took_us), "{:?}", launched.data.took_us);
    let delayed = only::<MessageDelayed>(&progress[1..]).data;
    assert_eq!((delayed.reason, delayed.status), (DelayedReason::NoCallBack, None));
    assert_eq!((delayed.session_id, delayed.retry_at), (Some(session("session-b")), None));
    assert_eq!(delayed.detail, "the session did not call back within 1s");
}

/// A clock in whose time a wait is over once the next has begun, and the last at once.
#[derive(Debug)]
struct Steps {
    waits: watch::Sender<u32>,
}

const LAST: u32 = 3;

impl Clock for Steps {
    fn now(&self) -> Timestamp {
        Environment::system().now()
    }

    fn sleep(&self, _: Duration) -> BoxFuture<'static, ()> {
        let (mut begun, mut number) = (self.waits.subscribe(), 0);
        self.waits.send_modify(|waits| {
            *waits += 1;
            number = *waits;
        });
        Box::pin(async move {
            if number < LAST {
                begun.wait_for(|begun| number < *begun).await.unwrap();
            }
        })
    }
}

#[tokio::test]
async fn a_copy_that_waits_for_the_session_of_another_does_not_keep_it_from_creating_the_next() {
    let waits = watch::Sender::new(0);
    let environment = Environment { clock: Arc::new(Steps { waits: waits.clone() }), ..Environment::system() };
    let stage = Stage::built(Reply::created(), Duration::from_secs(20), |_| {}, environment).await;
    let launches = || stage.tropo.tickets.lock().unwrap().len();
    let lane = stage.lane();
    let first = async {
        check_disposition(
            &stage.handle(&lane, stage.command()).await.0.unwrap_err(),
            Disposition::Retry { after: None },
        );
        // The copy waits still.
        stage.handle(&lane, stage.command()).await.0.unwrap_err();
    };
    let copy = async {
        waits.subscribe().wait_for(|begun| *begun == 1).await.unwrap();
        stage.handle(&lane, stage.command()).await.0.unwrap_err();
    };
    tokio::join!(first, copy);
    assert_eq!(launches(), 2);
}

#[tokio::test]
async fn what_was_released_before_is_not_launched_again() {
    let stage = Stage::new(Reply::created()).await;
    claim(&stage, "session-x").await;
    let (result, _) = stage.handle(&stage.lane(), stage.command()).await;
    let (first, (second, _)) = (result.unwrap(), stage.handle(&stage.lane(), stage.command()).await);
    let released = only::<MessageReleased>(&first);
    assert_eq!(released.data.session_id, session("session-x"));
    assert_eq!(released, only::<MessageReleased>(&second.unwrap()), "the same event, to the letter");
    assert_eq!(stage.tropo.tickets.lock().unwrap().len(), 0);
}

#[tokio::test]
async fn a_release_by_another_replica_is_found_in_the_ledger() {
    let stage = Stage::new(Reply::created()).await;
    let runtime = tokio::runtime::Handle::current();
    let (ledger, command, now) = (stage.ledger.clone(), stage.command(), stage.environment.now());
    stage.before_reply(move |_| {
        let claim = Claim {
            message_id: command.head.id,
            session_id: session("session-y"),
            backend: backend(),
            to: command.data.to.clone(),
            correlation_id: None,
            attempt: 1,
            command: None,
            at: now,
            until: None,
        };
        runtime.block_on(ledger.claim(claim)).unwrap();
    });
    let shutdown = tokio_util::sync::CancellationToken::new();
    let lane = stage.lane();
    let ((result, _), ()) = tokio::join!(
        async {
            let handled = stage.handle(&lane, stage.command()).await;
            shutdown.cancel();
            handled
        },
        stage.egress.clone().reconcile(shutdown.clone()),
    );
    assert_eq!(only::<MessageReleased>(&result.unwrap()).data.session_id, session("session-y"));
}

#[tokio::test]
async fn an_expired_message_is_told_and_dead_without_a_launch() {
    let stage = Stage::new(Reply::created()).await;
    let mut command = stage.command();
    command.data.expires_at = Some(stage.environment.now().checked_sub(Duration::from_secs(6)).unwrap());
    let (result, _) = stage.handle(&stage.lane(), command.clone()).await;
    let error = result.unwrap_err();
    check_disposition(&error, Disposition::DeadLetter);
    assert_eq!(only::<MessageExpired>(&error.outgoing()).data.message_id, command.head.id);
    assert_eq!(stage.tropo.tickets.lock().unwrap().len(), 0);

    let stage = Stage::new(Reply::created()).await;
    claim(&stage, "session-x").await;
    let (result, _) = stage.handle(&stage.lane(), command).await;
    assert_eq!(only::<MessageReleased>(&result.unwrap()).data.session_id, session("session-x"), "released in time");
}

#[tokio::test]
async fn no_message_is_sent_later_than_the_ledger_remembers() {
    let stage = Stage::new(Reply::created()).await;
    let mut command = stage.command();
    command.head.time = stage.environment.now().checked_sub(Duration::from_hours(25)).unwrap();
    command.data.expires_at = Some(Timestamp::MAX);
    let (result, _) = stage.handle(&stage.lane(), command).await;
    assert!(matches!(result.unwrap_err(), SendError::Expired { .. }));
}

#[tokio::test]
async fn what_nobody_could_get_fails_without_a_launch() {
    let stage = Stage::new(Reply::created()).await;
    let mut nobody = stage.command();
    nobody.data.to = protocol::Address::Withheld;
    let mut nothing = stage.command();
    nothing.data.text = "".parse().unwrap();
    let mut oddly_written = stage.command();
    oddly_written.data.to = "+1\u{2011}555\u{2011}555\u{2011}0177".parse().unwrap();
    for command in [nobody, nothing, oddly_written] {
        let (result, _) = stage.handle(&stage.lane(), command).await;
        assert_eq!(only::<MessageFailed>(&result.unwrap()).data.reason, FailureReason::Unsendable);
    }
    assert_eq!(stage.tropo.tickets.lock().unwrap().len(), 0);
}
