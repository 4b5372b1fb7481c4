//! What every record of texts and messages promises, on each database.

use std::collections::BTreeMap;
use std::sync::Arc;

use proptest::prelude::*;
use proptest::strategy::ValueTree;
use proptest::test_runner::{Config, TestRunner};
use protocol::EventId;
use store::Mark::{
    Answered, Begun, Caused, Dead, Delivered, Expired, Failed, Ignored, Launched, Refused, Released, Sent, Unconfirmed,
};
use store::{Account, Accounts, Claim, Entry, Fact, Mark, Marks, Open, Opened, Outcome, Standing, Standings, Subject};
use tokio::task::JoinSet;

use crate::place::{Place, backend, claim, message, open_all, second, session};

on_all!(
    what_was_seen_is_where_it_stands,
    order_and_repetition_change_nothing,
    writers_at_once_lose_nothing,
    what_is_forgotten_goes_on_counting,
    what_a_replay_may_still_send_is_remembered_for_longer,
    only_old_ones_are_looked_for,
    a_released_message_is_a_stray_when_the_ledger_awaits_no_result,
    an_end_without_a_beginning_is_found,
    the_account_is_there_when_it_is_opened_again,
);

fn fact(subject: Subject, id: EventId, mark: Mark, at: i64) -> Fact {
    Fact { subject, id, backend: backend("b"), correlation_id: Some(session("s")), mark, at: second(at) }
}

/// The facts about one text, or one message, all at one second.
fn facts(subject: Subject, id: EventId, marks: &[Mark], at: i64) -> Vec<Fact> {
    marks.iter().map(|mark| fact(subject, id, *mark, at)).collect()
}

async fn texts_and_messages(accounts: &dyn Accounts) -> (Standings, Standings) {
    let account = accounts.account(second(0)).await.unwrap();
    let of_backend = account.get(&backend("b")).cloned().unwrap_or_default();
    (of_backend.texts, of_backend.messages)
}

async fn what_was_seen_is_where_it_stands(place: Place) {
    let Opened { accounts, .. } = open_all(&place).await;
    let ends: [(Subject, &[Mark], Standing); 12] = [
        (Subject::Text, &[Begun], Standing::Waiting),
        (Subject::Text, &[Begun, Answered], Standing::Answered),
        (Subject::Text, &[Begun, Ignored], Standing::Ignored),
        (Subject::Text, &[Begun, Dead], Standing::Dead),
        (Subject::Message, &[Begun, Launched], Standing::Waiting),
        (Subject::Message, &[Begun, Launched, Released], Standing::Released),
        (Subject::Message, &[Begun, Released, Sent], Standing::Sent),
        (Subject::Message, &[Begun, Released, Sent, Delivered], Standing::Delivered),
        (Subject::Message, &[Begun, Refused, Dead], Standing::Failed),
        (Subject::Message, &[Begun, Released, Sent, Failed], Standing::Failed),
        (Subject::Message, &[Begun, Expired, Dead], Standing::Expired),
        (Subject::Message, &[Begun, Released, Unconfirmed], Standing::Unconfirmed),
    ];
    for (subject, marks, _) in ends {
        accounts.record(&facts(subject, message(), marks, 0)).await.unwrap();
    }
    accounts.record(&[fact(Subject::Session, message(), Ignored, 0)]).await.unwrap();
    let (texts, messages) = texts_and_messages(&*accounts).await;
    assert_eq!((texts.begun, messages.begun), (4, 8));
    for (subject, marks, standing) in ends {
        let side = if subject == Subject::Text { &texts } else { &messages };
        let expected = if standing == Standing::Failed { 2 } else { 1 };
        assert_eq!(side.count(standing), expected, "{marks:?}");
    }
    assert_eq!(accounts.account(second(0)).await.unwrap()[&backend("b")].sessions_ignored, 1);
}

/// The events of a conversation, one after the other: of a text that one message answers.
fn conversation(number: u128, length: usize, ends: &[Mark]) -> Vec<Fact> {
    let (text, answer) = (id(2 * number), id(2 * number + 1));
    let elsewhere = |fact: Fact| Fact { backend: backend("other"), ..fact };
    let begun = [
        fact(Subject::Text, text, Begun, 1),
        fact(Subject::Message, answer, Begun, 2),
        // An answer may go out through another backend; the text stays with its own.
        elsewhere(fact(Subject::Text, text, if number.is_multiple_of(2) { Answered } else { Caused }, 2)),
        fact(Subject::Message, answer, Launched, 3),
        fact(Subject::Message, answer, Released, 4),
    ];
    let ended = ends.iter().map(|mark| fact(Subject::Message, answer, *mark, 5));
    begun.into_iter().chain(ended).take(length).collect()
}

fn id(number: u128) -> EventId {
    uuid::Uuid::from_u128(number + 1).into()
}

/// Events in the order of their conversations, and the same in any order, some of them several times, in groups.
fn shuffled() -> impl Strategy<Value = (Vec<Fact>, Vec<Vec<Fact>>)> {
    let ends = prop::sample::subsequence(vec![Unconfirmed, Sent, Failed, Delivered, Refused, Expired, Dead], 0..=3);
    let conversations = prop::collection::vec((1_usize..9, ends), 1..6);
    conversations.prop_flat_map(|conversations| {
        let parts = (0..).zip(&conversations).map(|(number, (length, ends))| conversation(number, *length, ends));
        let all: Vec<Fact> = parts.flatten().collect();
        let again = prop::sample::subsequence(all.clone(), 0..=all.len());
        (Just(all), again, 1_usize..5).prop_flat_map(|(all, again, group)| {
            let repeated = [all.clone(), again].concat();
            let groups = Just(repeated).prop_shuffle();
            (Just(all), groups.prop_map(move |facts| facts.chunks(group).map(<[Fact]>::to_vec).collect()))
        })
    })
}

async fn order_and_repetition_change_nothing(place: Place) {
    let Opened { accounts, .. } = open_all(&place).await;
    // One database, and a backend of its own for each case: a database is slower than a case.
    let mut runner = TestRunner::new(Config { cases: 40, failure_persistence: None, ..Config::default() });
    let cases: Vec<(Vec<Fact>, Vec<Vec<Fact>>)> =
        (0..40).map(|_| shuffled().new_tree(&mut runner).unwrap().current()).collect();
    for (number, (ordered, groups)) in cases.into_iter().enumerate() {
        let of_case = |name: &str, facts: &[Fact], shift: u128| -> Vec<Fact> {
            let moved = |fact: &Fact| Fact {
                backend: backend(&format!("{name}-{number}-{}", fact.backend)),
                id: uuid::Uuid::from_u128(fact.id.as_uuid().as_u128() + shift).into(),
                ..fact.clone()
            };
            facts.iter().map(moved).collect()
        };
        let shift = 1000 * (2 * number as u128 + 1);
        for fact in of_case("ordered", &ordered, shift) {
            accounts.record(&[fact]).await.unwrap();
        }
        for group in &groups {
            accounts.record(&of_case("shuffled", group, shift + 1000)).await.unwrap();
        }
        let account = accounts.account(second(60)).await.unwrap();
        for other in ["b", "other"] {
            let of = |name: &str| account.get(&backend(&format!("{name}-{number}-{other}")));
            assert_eq!(of("ordered"), of("shuffled"), "{ordered:?}\n{groups:?}");
        }
    }
}

/// As replicas of the journal do, that get the same events.
async fn writers_at_once_lose_nothing(place: Place) {
    let replicas = [open_all(&place).await.accounts, open_all(&place).await.accounts];
    let all: Vec<Fact> = (0..200).flat_map(|number| conversation(number, 6, &[Sent])).collect();
    let mut writers = JoinSet::new();
    for (index, replica) in replicas.iter().cycle().take(6).enumerate() {
        let (replica, mut mine) = (Arc::clone(replica), all.clone());
        if index.is_multiple_of(2) {
            mine.reverse();
        }
        writers.spawn(async move {
            for group in mine.chunks(70) {
                replica.record(group).await.unwrap();
            }
        });
    }
    writers.join_all().await;
    let (texts, messages) = texts_and_messages(&*replicas[0]).await;
    assert_eq!((texts.begun, texts.count(Standing::Answered)), (200, 200));
    assert_eq!((messages.begun, messages.count(Standing::Sent)), (200, 200));
}

async fn what_is_forgotten_goes_on_counting(place: Place) {
    let Opened { accounts, .. } = open_all(&place).await;
    for (at, marks) in [(10, vec![Begun, Sent]), (20, vec![Begun, Released, Sent]), (30, vec![Begun, Sent])] {
        accounts.record(&facts(Subject::Message, message(), &marks, at)).await.unwrap();
    }
    let waiting = message();
    accounts.record(&facts(Subject::Message, waiting, &[Begun], 5)).await.unwrap();
    accounts.record(&facts(Subject::Message, message(), &[Begun, Released], 5)).await.unwrap();
    accounts.record(&facts(Subject::Text, message(), &[Begun, Answered], 15)).await.unwrap();
    let before = accounts.account(second(0)).await.unwrap();
    assert_eq!(accounts.forget(second(10), second(10), 100).await.unwrap(), 0, "what is open is not forgotten");
    assert_eq!(accounts.forget(second(25), second(25), 2).await.unwrap(), 2);
    assert_eq!(accounts.forget(second(25), second(25), 2).await.unwrap(), 1);
    assert_eq!(accounts.account(second(0)).await.unwrap(), before);
    // The one that waited ends after all, and another begins.
    accounts.record(&facts(Subject::Message, waiting, &[Released, Sent], 40)).await.unwrap();
    accounts.record(&facts(Subject::Text, message(), &[Begun, Answered], 40)).await.unwrap();
    assert_eq!(accounts.forget(second(41), second(41), 100).await.unwrap(), 3);
    let (texts, messages) = texts_and_messages(&*accounts).await;
    assert_eq!((texts.begun, texts.count(Standing::Answered)), (2, 2));
    assert_eq!((messages.begun, messages.count(Standing::Sent), messages.count(Standing::Released)), (5, 4, 1));
}

async fn what_a_replay_may_still_send_is_remembered_for_longer(place: Place) {
    let Opened { accounts, .. } = open_all(&place).await;
    for marks in [vec![Begun, Sent], vec![Begun, Dead], vec![Begun, Refused, Dead], vec![Begun, Expired]] {
        accounts.record(&facts(Subject::Message, message(), &marks, 10)).await.unwrap();
    }
    assert_eq!(accounts.forget(second(20), second(10), 100).await.unwrap(), 1);
    assert_eq!(accounts.forget(second(20), second(11), 100).await.unwrap(), 3);
}

async fn only_old_ones_are_looked_for(place: Place) {
    let Opened { accounts, .. } = open_all(&place).await;
    let (old, young, launched, ended) = (message(), message(), message(), message());
    accounts.record(&facts(Subject::Text, young, &[Begun], 20)).await.unwrap();
    accounts.record(&facts(Subject::Text, old, &[Begun], 1)).await.unwrap();
    accounts.record(&facts(Subject::Text, ended, &[Begun, Ignored], 1)).await.unwrap();
    accounts.record(&facts(Subject::Message, launched, &[Begun, Launched], 2)).await.unwrap();
    let entry = |subject, id, marks: &[Mark], at| {
        let marks = marks.iter().fold(Marks::default(), |all, mark| all.and((*mark).into()));
        let correlation_id = Some(session("s"));
        Entry { subject, id, backend: backend("b"), correlation_id, marks, touched_at: second(at) }
    };
    let (old, young) = (entry(Subject::Text, old, &[Begun], 1), entry(Subject::Text, young, &[Begun], 20));
    let open_entries = async |open, before, limit| accounts.open_entries(open, second(before), limit).await.unwrap();
    assert_eq!(open_entries(Open::Text, 20, 9).await, std::slice::from_ref(&old));
    assert_eq!(open_entries(Open::Text, 21, 9).await, [old.clone(), young]);
    assert_eq!(open_entries(Open::Text, 21, 1).await, [old]);
    let launched = entry(Subject::Message, launched, &[Begun, Launched], 2);
    assert_eq!(open_entries(Open::Message, 9, 9).await, std::slice::from_ref(&launched));
    let account = accounts.account(second(20)).await.unwrap();
    let texts = &account[&backend("b")].texts;
    assert_eq!((texts.count(Standing::Waiting), texts.count_old(Standing::Waiting)), (2, 1));
    // Heard of again, it is young again.
    accounts.record(&[fact(Subject::Message, launched.id, Launched, 9)]).await.unwrap();
    assert_eq!(open_entries(Open::Message, 9, 9).await, []);
}

async fn a_released_message_is_a_stray_when_the_ledger_awaits_no_result(place: Place) {
    let Opened { accounts, ledger, .. } = open_all(&place).await;
    let (awaited, settled, unheard) = (message(), message(), message());
    for id in [awaited, settled, unheard] {
        accounts.record(&facts(Subject::Message, id, &[Begun, Released], 1)).await.unwrap();
    }
    let holder = session("holder");
    for id in [awaited, settled] {
        let claim: Claim = claim(id, &holder, second(1));
        ledger.claim(claim).await.unwrap();
    }
    ledger.settle(settled, &holder, Outcome::Sent, second(2)).await.unwrap();
    assert_eq!(accounts.strays(second(1), second(9)).await.unwrap(), BTreeMap::from([(backend("b"), 2)]));
    assert_eq!(accounts.strays(second(1), second(1)).await.unwrap(), BTreeMap::new());
    let strays = accounts.open_entries(Open::Stray { awaited_since: second(1) }, second(9), 9).await.unwrap();
    let mut found: Vec<EventId> = strays.iter().map(|entry| entry.id).collect();
    found.sort();
    let mut expected = [settled, unheard];
    expected.sort();
    assert_eq!(found, expected);
    accounts.record(&[fact(Subject::Message, settled, Sent, 3)]).await.unwrap();
    assert_eq!(accounts.strays(second(1), second(9)).await.unwrap(), BTreeMap::from([(backend("b"), 1)]));
    // What was released before should have been given up by now.
    assert_eq!(accounts.strays(second(2), second(9)).await.unwrap(), BTreeMap::from([(backend("b"), 2)]));
    let stopped = accounts.open_entries(Open::Stray { awaited_since: second(2) }, second(9), 9).await.unwrap();
    assert!(stopped.iter().any(|entry| entry.id == awaited), "{stopped:?}");
}

async fn an_end_without_a_beginning_is_found(place: Place) {
    let Opened { accounts, .. } = open_all(&place).await;
    let (message_id, text, cause) = (message(), message(), message());
    accounts.record(&[fact(Subject::Message, message_id, Sent, 1)]).await.unwrap();
    accounts.record(&[fact(Subject::Text, text, Answered, 2)]).await.unwrap();
    accounts.record(&[fact(Subject::Text, cause, Caused, 1)]).await.unwrap();
    accounts.record(&[fact(Subject::Session, message(), Ignored, 1)]).await.unwrap();
    let unbegun = async |before| {
        let found = accounts.unbegun(second(before), 9).await.unwrap();
        let account: Account = accounts.account(second(before)).await.unwrap();
        let of_backend = &account[&backend("b")];
        assert_eq!(of_backend.texts.unbegun + of_backend.messages.unbegun, found.len() as u64);
        found.into_iter().map(|entry| entry.id).collect::<Vec<_>>()
    };
    assert_eq!(unbegun(2).await, [message_id]);
    assert_eq!(unbegun(9).await, [message_id, text]);
    // Its beginning comes late, and is that of another backend's account.
    let late = Fact { backend: backend("other"), ..fact(Subject::Text, text, Begun, 3) };
    accounts.record(&[late]).await.unwrap();
    assert_eq!(unbegun(9).await, [message_id]);
    assert_eq!(accounts.account(second(0)).await.unwrap()[&backend("other")].texts.count(Standing::Answered), 1);
    accounts.forget(second(60), second(60), 9).await.unwrap();
    assert!(unbegun(60).await.is_empty());
}

async fn the_account_is_there_when_it_is_opened_again(place: Place) {
    let Opened { accounts, ledger, .. } = open_all(&place).await;
    accounts.record(&facts(Subject::Text, message(), &[Begun, Answered], 1)).await.unwrap();
    accounts.record(&facts(Subject::Text, message(), &[Begun], 2)).await.unwrap();
    accounts.forget(second(9), second(9), 9).await.unwrap();
    let before = accounts.account(second(9)).await.unwrap();
    drop((accounts, ledger));
    assert_eq!(open_all(&place).await.accounts.account(second(9)).await.unwrap(), before);
}
