//! What every ledger promises, on each database.

use std::time::{Duration, Instant};

use store::Outcome::{Delivered, Failed, Sent, Unconfirmed};
use store::{Claim, Claimed, LedgerError, Outcome, Release, Settled, open};
use tokio::task::JoinSet;

use crate::place::{Place, backend, claim, message, overdue, release, released, second, session};

on_all!(
    of_many_claimants_one_is_granted,
    the_holder_is_granted_again_and_any_other_refused,
    nothing_is_granted_to_somebody_who_waits_no_more,
    a_first_outcome_stands_but_for_those_that_know_more,
    only_the_holder_settles,
    overdue_is_what_has_no_outcome,
    releases_are_found_by_message_and_by_session,
    only_what_was_settled_long_ago_is_forgotten,
    what_was_said_is_kept_when_it_is_opened_again,
    it_may_be_opened_by_many_at_once,
);

/// Over two replicas, as two processes would.
async fn of_many_claimants_one_is_granted(place: Place) {
    let replicas = [open(&place.url()).await.unwrap(), open(&place.url()).await.unwrap()];
    for _ in 0..5 {
        let message_id = message();
        let mut claimants = JoinSet::new();
        for (index, replica) in replicas.iter().cycle().take(50).enumerate() {
            let replica = replica.clone();
            claimants.spawn(async move {
                let session_id = session(&index);
                let claimed = replica.claim(claim(message_id, &session_id, second(0))).await.unwrap();
                (session_id, claimed)
            });
        }
        let answers = claimants.join_all().await;
        let granted: Vec<_> =
            answers.iter().filter(|(_, claimed)| matches!(claimed, Claimed::Granted { .. })).collect();
        let [(holder, _)] = granted[..] else { panic!("{granted:?}") };
        for (session_id, claimed) in &answers {
            if session_id != holder {
                assert_eq!(*claimed, Claimed::Refused { holder: holder.clone() });
            }
        }
    }
    assert_eq!(replicas[1].count().await.unwrap(), 5);
}

async fn the_holder_is_granted_again_and_any_other_refused(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let (message_id, holder, other) = (message(), session("holder"), session("other"));
    let first = ledger.claim(claim(message_id, &holder, second(0))).await.unwrap();
    assert_eq!(first, Claimed::Granted { at: second(0), life: 0 });
    let again = ledger.claim(claim(message_id, &holder, second(9))).await.unwrap();
    assert_eq!(again, Claimed::Again { at: second(0), life: 0 });
    let refused = ledger.claim(claim(message_id, &other, second(9))).await.unwrap();
    assert_eq!(refused, Claimed::Refused { holder: holder.clone() });
    // A settled message is as much taken as an open one.
    ledger.settle(message_id, &holder, Failed, second(10)).await.unwrap();
    let refused = ledger.claim(claim(message_id, &other, second(11))).await.unwrap();
    assert_eq!(refused, Claimed::Refused { holder });
    let granted = ledger.claim(claim(message(), &other, second(11))).await.unwrap();
    assert_eq!(granted, Claimed::Granted { at: second(11), life: 0 });
}

async fn nothing_is_granted_to_somebody_who_waits_no_more(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let message_id = message();
    let late = Claim { until: Some(Instant::now()), ..claim(message_id, &session("late"), second(0)) };
    let refused = ledger.claim(late.clone()).await;
    assert!(matches!(refused, Err(LedgerError::Unavailable(_))), "{refused:?}");
    assert_eq!(ledger.look_up(message_id).await.unwrap(), None);
    let in_time = Claim { until: Some(Instant::now() + Duration::from_secs(60)), ..late.clone() };
    // Who comes too late keeps nobody of those who come at the same time from theirs.
    let (refused, granted, refused_too) =
        tokio::join!(ledger.claim(late.clone()), ledger.claim(in_time), ledger.claim(late));
    assert!(refused.is_err() && refused_too.is_err());
    assert_eq!(granted.unwrap(), Claimed::Granted { at: second(0), life: 0 });
}

async fn a_first_outcome_stands_but_for_those_that_know_more(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let expected = [
        (Unconfirmed, vec![Sent, Failed, Delivered]),
        (Sent, vec![Failed, Delivered]),
        (Failed, vec![]),
        (Delivered, vec![]),
    ];
    for (first, replaced_by) in expected {
        for next in Outcome::ALL {
            let release = released(&*ledger, 0).await;
            let settled_first = Release { outcome: Some(first), outcome_at: Some(second(1)), ..release.clone() };
            let settled_next = Release { outcome: Some(next), outcome_at: Some(second(2)), ..release.clone() };
            let settle = |outcome, at| ledger.settle(release.message_id, &release.session_id, outcome, second(at));
            assert_eq!(settle(first, 1).await.unwrap(), Settled::Recorded(settled_first.clone()), "{first}");
            let (answer, now) = if replaced_by.contains(&next) {
                (Settled::Recorded(settled_next.clone()), settled_next)
            } else {
                (Settled::Unchanged(settled_first.clone()), settled_first)
            };
            assert_eq!(settle(next, 2).await.unwrap(), answer, "{first} {next}");
            assert_eq!(ledger.find(&[release.message_id]).await.unwrap(), [now], "{first} {next}");
        }
    }
}

async fn only_the_holder_settles(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let release = released(&*ledger, 0).await;
    let other = session("other");
    assert_eq!(ledger.settle(release.message_id, &other, Sent, second(1)).await.unwrap(), Settled::NotHolder);
    let unreleased = ledger.settle(message(), &release.session_id, Sent, second(1)).await.unwrap();
    assert_eq!(unreleased, Settled::NotHolder);
    assert_eq!(ledger.find(&[release.message_id]).await.unwrap(), [release]);
}

async fn overdue_is_what_has_no_outcome(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let late = released(&*ledger, 3).await;
    let early = released(&*ledger, 1).await;
    let settled = released(&*ledger, 2).await;
    ledger.settle(settled.message_id, &settled.session_id, Sent, second(4)).await.unwrap();
    let elsewhere = Claim { backend: backend("other"), ..claim(message(), &session("e"), second(0)) };
    ledger.claim(elsewhere.clone()).await.unwrap();

    let (b, other) = (backend("b"), backend("other"));
    assert_eq!(ledger.overdue(&b, second(9), 10).await.unwrap().readable, [overdue(&early), overdue(&late)]);
    assert_eq!(
        ledger.overdue(&b, second(9), 1).await.unwrap().readable,
        ledger.overdue(&b, second(3), 10).await.unwrap().readable
    );
    assert_eq!(ledger.overdue(&b, second(3), 10).await.unwrap().readable, [overdue(&early)]);
    assert_eq!(ledger.overdue(&b, second(1), 10).await.unwrap().readable, []);
    assert_eq!(ledger.overdue(&other, second(9), 10).await.unwrap().readable, [overdue(&release(&elsewhere))]);
}

async fn releases_are_found_by_message_and_by_session(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    ledger.ping().await.unwrap();
    let mut expected = vec![released(&*ledger, 0).await, released(&*ledger, 1).await];
    let unprompted = Claim { correlation_id: None, ..claim(message(), &session("u"), second(2)) };
    ledger.claim(unprompted.clone()).await.unwrap();
    expected.push(release(&unprompted));
    released(&*ledger, 3).await;

    let asked = [expected[2].message_id, message(), expected[0].message_id, expected[1].message_id];
    let mut found = ledger.find(&asked).await.unwrap();
    found.sort_by_key(|release| release.released_at);
    assert_eq!(found, expected);
    assert_eq!(ledger.find(&[]).await.unwrap(), []);
    assert_eq!(ledger.find(&[message()]).await.unwrap(), []);

    let held = ledger.find_by_session(&backend("b"), &session("u")).await.unwrap();
    assert_eq!(held, [release(&unprompted)]);
    assert_eq!(ledger.find_by_session(&backend("other"), &session("u")).await.unwrap(), []);
    assert_eq!(ledger.find_by_session(&backend("b"), &session("nobody")).await.unwrap(), []);
}

async fn only_what_was_settled_long_ago_is_forgotten(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let open_still = released(&*ledger, 40).await;
    let mut settled = Vec::new();
    for at in [10, 20, 30, 40] {
        let release = released(&*ledger, 0).await;
        ledger.settle(release.message_id, &release.session_id, Sent, second(at)).await.unwrap();
        settled.push(release.message_id);
    }
    assert_eq!(ledger.prune(second(40), 2).await.unwrap(), 2);
    assert_eq!(ledger.find(&settled[..2]).await.unwrap(), []);
    assert_eq!(ledger.prune(second(40), 2).await.unwrap(), 1);
    assert_eq!(ledger.prune(second(40), 2).await.unwrap(), 0);
    assert_eq!(ledger.count().await.unwrap(), 2);
    assert_eq!(ledger.find(&settled).await.unwrap()[0].message_id, settled[3]);
    assert_eq!(ledger.find(&[open_still.message_id]).await.unwrap(), [open_still]);
}

async fn what_was_said_is_kept_when_it_is_opened_again(place: Place) {
    let ledger = open(&place.url()).await.unwrap();
    let release = released(&*ledger, 0).await;
    ledger.settle(release.message_id, &release.session_id, Delivered, second(1)).await.unwrap();
    drop(ledger);
    let ledger = open(&place.url()).await.unwrap();
    let expected = Release { outcome: Some(Delivered), outcome_at: Some(second(1)), ..release.clone() };
    assert_eq!(ledger.find(&[release.message_id]).await.unwrap(), [expected]);
}

async fn it_may_be_opened_by_many_at_once(place: Place) {
    let mut openers = JoinSet::new();
    for _ in 0..8 {
        let url = place.url();
        openers.spawn(async move { open(&url).await });
    }
    let opened: Result<Vec<_>, _> = openers.join_all().await.into_iter().collect();
    let ledgers = opened.unwrap();
    let release = released(&*ledgers[0], 0).await;
    assert_eq!(ledgers[7].find(&[release.message_id]).await.unwrap(), [release]);
}
