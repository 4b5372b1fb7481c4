//! How a message that was given up, or whose result did not come, gets another life, on each database.

use std::slice::from_ref;
use std::sync::Arc;

use store::Outcome::{Delivered, Sent, Unconfirmed};
use store::{Claim, Claimed, GaveUp, GiveUp, GivenUp, Ledger, Overdue, Record, Release, Settled, Why, open};
use tokio::task::JoinSet;

use crate::place::{Place, backend, claim, command, give_up, message, overdue, release, released, second, session};

on_all!(
    what_was_given_up_nobody_gets,
    what_was_released_is_not_given_up,
    a_replay_opens_what_was_given_up_before_it,
    what_was_reopened_goes_to_the_next_session_that_asks,
    the_first_session_may_ask_again_and_is_heard_until_another_has_it,
    giving_up_what_was_reopened_leaves_it_unconfirmed,
    what_was_reopened_is_overdue_until_it_is_commanded_again,
    a_command_is_kept_no_longer_than_it_may_be_needed,
    what_was_given_up_or_came_to_no_end_is_forgotten_in_time,
    a_command_that_an_older_version_left_is_forgotten,
    a_row_that_cannot_be_understood_hides_no_other_that_is_overdue,
    of_all_that_race_one_wins,
);

fn refused() -> Why {
    Why::Refused { detail: "HTTP 403".to_owned() }
}

async fn what_was_given_up_nobody_gets(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    for why in [refused(), Why::Expired, Why::OptedOut] {
        let id = message();
        let expected = GivenUp { message_id: id, life: 0, attempts: 2, why: why.clone(), at: second(1) };
        let first = ledger.give_up(give_up(id, why, second(1))).await.unwrap();
        assert_eq!(first, GaveUp::Recorded(expected.clone()));
        let second_time = ledger.give_up(GiveUp { attempts: 9, ..give_up(id, Why::Expired, second(2)) }).await.unwrap();
        assert_eq!(second_time, GaveUp::Already(expected.clone()), "what was said first stands");
        let claimed = ledger.claim(claim(id, &session("late"), second(2))).await.unwrap();
        let told = match expected.why {
            Why::Expired | Why::Refused { .. } => Claimed::GivenUp,
            Why::OptedOut => Claimed::Suppressed(expected.clone()),
        };
        assert_eq!(claimed, told);
        assert_eq!(ledger.look_up(id).await.unwrap(), Some(Record::GivenUp(expected)));
        assert_eq!(ledger.find(&[id]).await.unwrap(), [], "it is no release");
        assert_eq!(ledger.settle(id, &session("late"), Sent, second(3)).await.unwrap(), Settled::NotHolder);
    }
    assert_eq!(ledger.overdue(&backend("b"), second(9), 10).await.unwrap().readable, []);
    assert_eq!(ledger.look_up(message()).await.unwrap(), None);
}

async fn what_was_released_is_not_given_up(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let held = released(&*ledger, 0).await;
    let answer = ledger.give_up(give_up(held.message_id, refused(), second(1))).await.unwrap();
    assert_eq!(answer, GaveUp::Released(held.clone()));
    assert_eq!(ledger.look_up(held.message_id).await.unwrap(), Some(Record::Released(held)));
}

async fn a_replay_opens_what_was_given_up_before_it(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let id = message();
    assert!(!ledger.replay(id, second(9), second(9)).await.unwrap(), "nothing is known of it");
    ledger.give_up(give_up(id, refused(), second(5))).await.unwrap();
    assert!(!ledger.replay(id, second(5), second(6)).await.unwrap(), "it was given up after the replay");
    assert!(ledger.replay(id, second(7), second(8)).await.unwrap());
    assert!(!ledger.replay(id, second(7), second(8)).await.unwrap(), "once");
    assert_eq!(ledger.look_up(id).await.unwrap(), Some(Record::Open));
    assert_eq!(ledger.overdue(&backend("b"), second(99), 10).await.unwrap().readable, [], "the bus has its command");

    let again = ledger.give_up(give_up(id, Why::Expired, second(9))).await.unwrap();
    let GaveUp::Recorded(given_up) = again else { panic!("{again:?}") };
    assert_eq!((given_up.life, given_up.why, given_up.at), (1, Why::Expired, second(9)));
    assert!(!ledger.replay(id, second(7), second(10)).await.unwrap(), "the second end came after the first replay");
    assert!(ledger.replay(id, second(10), second(11)).await.unwrap());
    let granted = ledger.claim(claim(id, &session("s"), second(12))).await.unwrap();
    assert_eq!(granted, Claimed::Granted { at: second(12), life: 2 });
    assert!(!ledger.replay(id, second(20), second(20)).await.unwrap(), "it is released");
    let expected = Release { life: 2, ..release(&claim(id, &session("s"), second(12))) };
    assert_eq!(ledger.find(&[id]).await.unwrap(), [expected]);
}

async fn what_was_reopened_goes_to_the_next_session_that_asks(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let first = released(&*ledger, 0).await;
    let (id, next) = (first.message_id, session("next"));
    assert!(ledger.reopen(&first, second(10)).await.unwrap());
    assert!(!ledger.reopen(&first, second(10)).await.unwrap(), "once");
    assert_eq!(ledger.look_up(id).await.unwrap(), Some(Record::Open));
    assert_eq!(ledger.find(&[id]).await.unwrap(), [], "nobody holds it");

    let granted = ledger.claim(Claim { attempt: 1, ..claim(id, &next, second(11)) }).await.unwrap();
    assert_eq!(granted, Claimed::Granted { at: second(11), life: 1 });
    let again = ledger.claim(claim(id, &next, second(12))).await.unwrap();
    assert_eq!(again, Claimed::Again { at: second(11), life: 1 });
    let refused = ledger.claim(claim(id, &first.session_id, second(12))).await.unwrap();
    assert_eq!(refused, Claimed::Refused { holder: next.clone() });
    assert_eq!(ledger.settle(id, &first.session_id, Sent, second(12)).await.unwrap(), Settled::NotHolder);
    assert!(!ledger.reopen(&first, second(13)).await.unwrap(), "another holds it");

    let held = Release { session_id: next.clone(), attempt: 1, life: 1, released_at: second(11), ..first };
    assert_eq!(ledger.find(&[id]).await.unwrap(), from_ref(&held));
    ledger.settle(id, &next, Unconfirmed, second(14)).await.unwrap();
    assert!(!ledger.reopen(&held, second(15)).await.unwrap(), "it has an outcome");
}

async fn the_first_session_may_ask_again_and_is_heard_until_another_has_it(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let first = released(&*ledger, 0).await;
    let (id, holder) = (first.message_id, &first.session_id);
    ledger.reopen(&first, second(10)).await.unwrap();
    let granted = ledger.claim(claim(id, holder, second(11))).await.unwrap();
    assert_eq!(granted, Claimed::Granted { at: second(11), life: 0 });
    let held = Release { released_at: second(11), ..first.clone() };
    assert_eq!(ledger.find(&[id]).await.unwrap(), from_ref(&held));

    assert!(ledger.reopen(&held, second(20)).await.unwrap());
    assert_eq!(ledger.find_by_session(&backend("b"), holder).await.unwrap(), from_ref(&held), "for delivery reports");
    let settled = Release { outcome: Some(Sent), outcome_at: Some(second(21)), ..held };
    let answer = ledger.settle(id, holder, Sent, second(21)).await.unwrap();
    assert_eq!(answer, Settled::Recorded(settled.clone()));
    let refused = ledger.claim(claim(id, &session("next"), second(22))).await.unwrap();
    assert_eq!(refused, Claimed::Refused { holder: holder.clone() });
    assert_eq!(ledger.look_up(id).await.unwrap(), Some(Record::Released(settled)));
    assert_eq!(ledger.overdue(&backend("b"), second(99), 10).await.unwrap().readable, []);
}

async fn giving_up_what_was_reopened_leaves_it_unconfirmed(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let first = released(&*ledger, 0).await;
    ledger.reopen(&first, second(10)).await.unwrap();
    let expected = Release { outcome: Some(Unconfirmed), outcome_at: Some(second(11)), ..first.clone() };
    let answer = ledger.give_up(give_up(first.message_id, refused(), second(11))).await.unwrap();
    assert_eq!(answer, GaveUp::Released(expected.clone()));
    assert_eq!(ledger.find(&[first.message_id]).await.unwrap(), [expected]);
    let refused = ledger.claim(claim(first.message_id, &session("next"), second(12))).await.unwrap();
    assert_eq!(refused, Claimed::Refused { holder: first.session_id.clone() });
    // Its result may still come.
    let late = ledger.settle(first.message_id, &first.session_id, Delivered, second(13)).await.unwrap();
    assert!(matches!(late, Settled::Recorded(_)), "{late:?}");
}

/// The claim, of a backend that sends again what stays unconfirmed.
fn keeping(claim: Claim) -> Claim {
    Claim { command: Some(Box::new(command())), ..claim }
}

async fn what_was_reopened_is_overdue_until_it_is_commanded_again(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let b = backend("b");
    let kept = keeping(claim(message(), &session("s"), second(0)));
    ledger.claim(kept.clone()).await.unwrap();
    let (first, id) = (release(&kept), kept.message_id);
    let held = Overdue { command: kept.command, ..overdue(&first) };
    assert_eq!(ledger.overdue(&b, second(1), 10).await.unwrap().readable, from_ref(&held));
    ledger.reopen(&first, second(10)).await.unwrap();
    assert_eq!(ledger.overdue(&b, second(10), 10).await.unwrap().readable, [], "its time begins anew");
    let reopened = Overdue { open_since: Some(second(10)), ..held };
    assert_eq!(ledger.overdue(&b, second(11), 10).await.unwrap().readable, from_ref(&reopened));
    ledger.commanded(id, second(9)).await.unwrap();
    assert_eq!(
        ledger.overdue(&b, second(11), 10).await.unwrap().readable,
        [reopened],
        "it was reopened at another time"
    );
    ledger.commanded(id, second(10)).await.unwrap();
    assert_eq!(ledger.overdue(&b, second(99), 10).await.unwrap().readable, []);
    assert_eq!(ledger.look_up(id).await.unwrap(), Some(Record::Open));
    // The next session has as much time as the first.
    ledger.claim(keeping(claim(id, &session("t"), second(30)))).await.unwrap();
    assert_eq!(ledger.overdue(&b, second(30), 10).await.unwrap().readable, []);
    assert_eq!(ledger.overdue(&b, second(31), 10).await.unwrap().readable.len(), 1);
}

async fn a_command_is_kept_no_longer_than_it_may_be_needed(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let commands = || place.execute("SELECT count(*) FROM ledger_releases WHERE command IS NOT NULL").unwrap();
    for outcome in store::Outcome::ALL {
        let kept = keeping(claim(message(), &session("s"), second(0)));
        ledger.claim(kept.clone()).await.unwrap();
        assert_eq!(commands(), 1);
        ledger.settle(kept.message_id, &kept.session_id, outcome, second(1)).await.unwrap();
        assert_eq!(commands(), 0, "{outcome}");
    }
    let kept = keeping(claim(message(), &session("s"), second(0)));
    ledger.claim(kept.clone()).await.unwrap();
    ledger.reopen(&release(&kept), second(1)).await.unwrap();
    assert_eq!(commands(), 1);
    ledger.give_up(give_up(kept.message_id, Why::Expired, second(2))).await.unwrap();
    assert_eq!(commands(), 0);
}

async fn what_was_given_up_or_came_to_no_end_is_forgotten_in_time(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let (given_up, replayed) = (message(), message());
    ledger.give_up(give_up(given_up, refused(), second(10))).await.unwrap();
    ledger.give_up(give_up(replayed, refused(), second(1))).await.unwrap();
    ledger.replay(replayed, second(5), second(20)).await.unwrap();
    // As of a backend that is configured no more.
    let held = keeping(claim(message(), &session("held"), second(30)));
    ledger.claim(held.clone()).await.unwrap();
    // As of a command that was published again, and dropped.
    let reopened = keeping(claim(message(), &session("reopened"), second(5)));
    ledger.claim(reopened.clone()).await.unwrap();
    ledger.reopen(&release(&reopened), second(40)).await.unwrap();
    let mut expected = vec![(10, given_up), (20, replayed), (30, held.message_id), (40, reopened.message_id)];
    while let [(at, next), ..] = expected[..] {
        assert_eq!(ledger.prune(second(at), 10).await.unwrap(), 0);
        assert!(ledger.look_up(next).await.unwrap().is_some());
        assert_eq!(ledger.prune(second(at + 1), 10).await.unwrap(), 1);
        assert_eq!(ledger.look_up(next).await.unwrap(), None);
        expected.remove(0);
        assert_eq!(ledger.count().await.unwrap(), expected.len() as u64);
    }
}

async fn a_command_that_an_older_version_left_is_forgotten(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let (settled, held) = (released(&*ledger, 0).await, keeping(claim(message(), &session("s"), second(0))));
    ledger.claim(held).await.unwrap();
    ledger.settle(settled.message_id, &settled.session_id, Delivered, second(1)).await.unwrap();
    let commands = || place.execute("SELECT count(*) FROM ledger_releases WHERE command IS NOT NULL").unwrap();
    place.execute("UPDATE ledger_releases SET command = 'personal' WHERE outcome IS NOT NULL");
    assert_eq!(commands(), 2);
    assert_eq!(ledger.prune(second(0), 10).await.unwrap(), 0);
    assert_eq!(commands(), 1, "the one that may be needed");
}

async fn a_row_that_cannot_be_understood_hides_no_other_that_is_overdue(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let (damaged, sound) = (released(&*ledger, 1).await, released(&*ledger, 2).await);
    place.execute("UPDATE ledger_releases SET command = 'no command' WHERE released_at = (SELECT min(released_at) FROM ledger_releases)");
    let found = ledger.overdue(&backend("b"), second(9), 10).await.unwrap();
    assert_eq!(found.readable, [overdue(&sound)]);
    let [(id, error)] = &found.unreadable[..] else { panic!("{found:?}") };
    assert_eq!(*id, damaged.message_id);
    assert!(matches!(error, store::LedgerError::Unreadable(_)), "{error}");
}

/// Claims by many sessions, an end, and a second life, over two replicas at once: the message is granted to one session
/// in each life, and given up only where it was granted to none.
async fn of_all_that_race_one_wins(place: Place) {
    let replicas = [open(&place.url()).await.unwrap(), open(&place.url()).await.unwrap()];
    for round in 0..30 {
        let id = message();
        let mut racers = JoinSet::new();
        for index in 0..12 {
            let ledger = replicas[index % 2].clone();
            racers.spawn(async move {
                // Who begins changes from round to round.
                if (index + round) % 4 == 0 {
                    let given_up = ledger.give_up(give_up(id, refused(), second(1))).await.unwrap();
                    matches!(given_up, GaveUp::Recorded(_)).then_some("given up")
                } else {
                    let claimed = ledger.claim(claim(id, &session(&index), second(0))).await.unwrap();
                    matches!(claimed, Claimed::Granted { .. }).then_some("granted")
                }
            });
        }
        let winners: Vec<_> = racers.join_all().await.into_iter().flatten().collect();
        let record = replicas[0].look_up(id).await.unwrap();
        let opened = match record {
            Some(Record::Released(held)) => {
                assert_eq!(winners, ["granted"]);
                race_to_open(&replicas, |ledger| {
                    let held = held.clone();
                    async move { ledger.reopen(&held, second(2)).await.unwrap() }
                })
                .await
            }
            Some(Record::GivenUp(_)) => {
                assert_eq!(winners, ["given up"]);
                race_to_open(&replicas, |ledger| async move { ledger.replay(id, second(2), second(2)).await.unwrap() })
                    .await
            }
            other => panic!("{other:?}"),
        };
        assert_eq!(opened, 1, "one opens it");
        let mut claimants = JoinSet::new();
        for index in 100..108 {
            let ledger = replicas[index % 2].clone();
            claimants.spawn(async move { ledger.claim(claim(id, &session(&index), second(3))).await.unwrap() });
        }
        let answers = claimants.join_all().await;
        let granted = answers.iter().filter(|claimed| matches!(claimed, Claimed::Granted { life: 1, .. })).count();
        let refused = answers.iter().filter(|claimed| matches!(claimed, Claimed::Refused { .. })).count();
        assert_eq!((granted, refused), (1, 7), "{answers:?}");
    }
}

/// How many of several that open it at once did.
async fn race_to_open<F>(replicas: &[Arc<dyn Ledger>; 2], open: impl Fn(Arc<dyn Ledger>) -> F) -> usize
where
    F: Future<Output = bool> + Send + 'static,
{
    let racers: JoinSet<bool> = replicas.iter().cycle().take(6).map(|ledger| open(ledger.clone())).collect();
    racers.join_all().await.into_iter().filter(|opened| *opened).count()
}
