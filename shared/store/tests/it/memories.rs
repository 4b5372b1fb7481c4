//! What every store of memories promises, on each database.

use std::collections::BTreeMap;

use protocol::EventId;
use store::{Change, Choice, Keep, Kept, Memories, Memory, MemoryKey, Opened, TALLIED_CHARS_MAX};
use tokio::task::JoinSet;

use crate::place::{Place, backend, choice, message, open_all, person, second};

on_all!(
    what_is_kept_is_recalled,
    a_change_of_what_was_not_seen_is_stale_and_changes_nothing,
    what_is_forgotten_is_gone_and_its_version_is_not_taken_for_another,
    a_text_that_comes_again_finds_its_record,
    of_many_that_change_one_memory_at_once_each_builds_on_the_one_before,
    of_two_that_handle_one_text_at_once_one_is_kept,
    people_are_counted_by_what_is_remembered_of_them,
    a_value_is_kept_however_long_and_counted_while_it_is_short,
    only_what_is_old_is_forgotten,
);

const NUMBER: &str = "+15555550177";

fn key(application: &str, number: &str) -> MemoryKey {
    MemoryKey { application: application.to_owned(), backend: backend("b"), person: person(number) }
}

fn change(key: &MemoryKey, seen: u64, value: Option<&str>) -> Change {
    Change { key: key.clone(), seen, value: value.map(str::to_owned) }
}

fn keep(changes: Vec<Change>, at: i64) -> Keep {
    Keep { text: message(), record: "[]".to_owned(), changes, consent: None, at: second(at) }
}

fn memory(key: &MemoryKey, version: u64, value: &str, at: i64) -> Memory {
    Memory { key: key.clone(), value: value.to_owned(), version, changed_at: second(at) }
}

async fn recalled(memories: &dyn Memories, key: &MemoryKey) -> Option<Memory> {
    memories.recall(std::slice::from_ref(key)).await.unwrap().pop()
}

/// What is there is what was written; `Debug` hides the value, so it is compared beside.
#[track_caller]
fn check(found: Option<Memory>, expected: Option<Memory>) {
    let value = |memory: &Option<Memory>| memory.as_ref().map(|memory| memory.value.clone());
    assert_eq!((value(&found), found), (value(&expected), expected));
}

async fn what_is_kept_is_recalled(place: Place) {
    let Opened { memories, .. } = open_all(&place).await;
    let (poll, talk) = (key("poll", NUMBER), key("talk", NUMBER));
    let elsewhere = MemoryKey { backend: backend("other"), ..poll.clone() };
    check(recalled(&*memories, &poll).await, None);
    let changes = vec![change(&talk, 0, Some(r#"{"step":1}"#)), change(&poll, 0, Some(r#""yes ✓""#))];
    assert_eq!(memories.keep(keep(changes, 1)).await.unwrap(), Kept::Now);
    check(recalled(&*memories, &poll).await, Some(memory(&poll, 1, r#""yes ✓""#, 1)));
    check(recalled(&*memories, &talk).await, Some(memory(&talk, 1, r#"{"step":1}"#, 1)));
    let changes = vec![change(&talk, 1, Some(r#"{"step":2}"#)), change(&elsewhere, 0, Some("1"))];
    assert_eq!(memories.keep(keep(changes, 2)).await.unwrap(), Kept::Now);
    let asked = [talk.clone(), key("talk", "+15555550178"), elsewhere.clone()];
    let mut found = memories.recall(&asked).await.unwrap();
    found.sort_by(|one, other| one.key.cmp(&other.key));
    assert_eq!(found, [memory(&elsewhere, 1, "1", 2), memory(&talk, 2, r#"{"step":2}"#, 2)]);
    assert_eq!(memories.recall(&[]).await.unwrap(), []);
    drop(memories);
    let Opened { memories, .. } = open_all(&place).await;
    check(recalled(&*memories, &talk).await, Some(memory(&talk, 2, r#"{"step":2}"#, 2)));
}

async fn a_change_of_what_was_not_seen_is_stale_and_changes_nothing(place: Place) {
    let Opened { memories, consents, .. } = open_all(&place).await;
    let (first, second_key) = (key("a", NUMBER), key("b", NUMBER));
    let both = |one, other| vec![change(&first, one, Some("1")), change(&second_key, other, Some("2"))];
    assert_eq!(memories.keep(keep(both(0, 0), 1)).await.unwrap(), Kept::Now);
    for (one, other) in [(0, 1), (1, 0), (1, 2), (2, 1), (7, 7)] {
        let consent = Some(choice(NUMBER, Choice::Out, 2));
        let stale = Keep { consent, ..keep(both(one, other), 2) };
        assert_eq!(memories.keep(stale.clone()).await.unwrap(), Kept::Stale, "{one} {other}");
        assert_eq!(memories.recorded(stale.text).await.unwrap(), None);
    }
    check(recalled(&*memories, &first).await, Some(memory(&first, 1, "1", 1)));
    assert_eq!(consents.consent(&backend("b"), &person(NUMBER)).await.unwrap(), None);
    let unseen = keep(vec![change(&key("c", NUMBER), 3, Some("3"))], 2);
    assert_eq!(memories.keep(unseen).await.unwrap(), Kept::Stale);
    assert_eq!(memories.keep(keep(both(1, 1), 3)).await.unwrap(), Kept::Now);
}

async fn what_is_forgotten_is_gone_and_its_version_is_not_taken_for_another(place: Place) {
    let Opened { memories, .. } = open_all(&place).await;
    let key = key("talk", NUMBER);
    assert_eq!(memories.keep(keep(vec![change(&key, 0, Some("\"private\""))], 1)).await.unwrap(), Kept::Now);
    assert_eq!(memories.keep(keep(vec![change(&key, 1, None)], 2)).await.unwrap(), Kept::Now);
    check(recalled(&*memories, &key).await, None);
    assert_eq!(place.execute("SELECT count(*) FROM memories WHERE value IS NOT NULL"), Some(0));
    for seen in [1, 2] {
        let late = keep(vec![change(&key, seen, Some("\"late\""))], 3);
        assert_eq!(memories.keep(late).await.unwrap(), Kept::Stale, "{seen}");
    }
    assert_eq!(memories.keep(keep(vec![change(&key, 0, Some("\"anew\""))], 4)).await.unwrap(), Kept::Now);
    check(recalled(&*memories, &key).await, Some(memory(&key, 3, "\"anew\"", 4)));
}

async fn a_text_that_comes_again_finds_its_record(place: Place) {
    let Opened { memories, consents, .. } = open_all(&place).await;
    let key = key("poll", NUMBER);
    let consent = Some(choice(NUMBER, Choice::Out, 1));
    let record = r#"{"replies":["Thank you"]}"#.to_owned();
    let text = Keep { record: record.clone(), consent, ..keep(vec![change(&key, 0, Some("1"))], 1) };
    assert_eq!(memories.recorded(text.text).await.unwrap(), None);
    assert_eq!(memories.keep(text.clone()).await.unwrap(), Kept::Now);
    assert_eq!(memories.recorded(text.text).await.unwrap(), Some(record.clone()));
    let again = Keep { record: "other".to_owned(), consent: Some(choice(NUMBER, Choice::In, 2)), ..text };
    let Kept::Before(before) = memories.keep(again).await.unwrap() else { panic!("kept again") };
    assert_eq!(before, record);
    check(recalled(&*memories, &key).await, Some(memory(&key, 1, "1", 1)));
    let known = consents.consent(&backend("b"), &person(NUMBER)).await.unwrap().unwrap();
    assert_eq!((known.choice, known.since), (Choice::Out, second(1)));
    assert_eq!(memories.recorded(message()).await.unwrap(), None);
}

/// Over two replicas, as two processes would.
async fn of_many_that_change_one_memory_at_once_each_builds_on_the_one_before(place: Place) {
    const WRITERS: u64 = 8;
    const EACH: u64 = 10;
    let replicas = [open_all(&place).await.memories, open_all(&place).await.memories];
    let (shared, mut writers) = (key("count", NUMBER), JoinSet::new());
    for writer in 0..WRITERS {
        let (memories, shared) = (replicas[usize::from(writer % 2 == 0)].clone(), shared.clone());
        writers.spawn(async move {
            for number in 0..EACH {
                // Keys are changed in another order by every other writer.
                let own = key(&format!("own-{writer}"), NUMBER);
                loop {
                    let known = recalled(&*memories, &shared).await;
                    let count = known.as_ref().map_or(0, |memory| memory.value.parse::<u64>().unwrap());
                    let seen = known.map_or(0, |memory| memory.version);
                    let counted = change(&shared, seen, Some(&(count + 1).to_string()));
                    let noted = change(&own, number, Some("1"));
                    let changes = if writer % 2 == 0 { vec![counted, noted] } else { vec![noted, counted] };
                    match memories.keep(keep(changes, 1)).await.unwrap() {
                        Kept::Now => break,
                        Kept::Stale => {}
                        Kept::Before(_) => panic!("a fresh text was handled before"),
                    }
                }
            }
        });
    }
    writers.join_all().await;
    let expected = memory(&shared, WRITERS * EACH, &(WRITERS * EACH).to_string(), 1);
    check(recalled(&*replicas[0], &shared).await, Some(expected));
}

async fn of_two_that_handle_one_text_at_once_one_is_kept(place: Place) {
    let replicas = [open_all(&place).await.memories, open_all(&place).await.memories];
    for _ in 0..20 {
        let text = message();
        let mut handling = JoinSet::new();
        for (index, memories) in replicas.iter().cycle().take(6).cloned().enumerate() {
            let record = index.to_string();
            handling.spawn(async move { memories.keep(Keep { text, record, ..keep(Vec::new(), 1) }).await.unwrap() });
        }
        let answers = handling.join_all().await;
        let kept = replicas[0].recorded(text).await.unwrap().unwrap();
        assert_eq!(answers.iter().filter(|answer| **answer == Kept::Now).count(), 1);
        let before = answers.iter().filter(|answer| **answer == Kept::Before(kept.clone())).count();
        assert_eq!(before, 5, "all others are told what was kept");
    }
}

async fn people_are_counted_by_what_is_remembered_of_them(place: Place) {
    let Opened { memories, .. } = open_all(&place).await;
    let answers = ["\"yes\"", "\"no\"", "\"yes\"", "\"yes\""];
    for (index, answer) in answers.into_iter().enumerate() {
        let mut key = key("poll", &format!("+1555555010{index}"));
        if index == 3 {
            key.backend = backend("other");
        }
        assert_eq!(memories.keep(keep(vec![change(&key, 0, Some(answer))], 1)).await.unwrap(), Kept::Now);
    }
    let forgotten = key("poll", "+15555550101");
    memories.keep(keep(vec![change(&key("another", NUMBER), 0, Some("\"yes\""))], 1)).await.unwrap();
    let expected = [("\"no\"", 1), ("\"yes\"", 3)].map(|(value, count)| (value.to_owned(), count));
    assert_eq!(memories.tally("poll").await.unwrap(), BTreeMap::from(expected));
    memories.keep(keep(vec![change(&forgotten, 1, None)], 2)).await.unwrap();
    assert_eq!(memories.tally("poll").await.unwrap(), BTreeMap::from([("\"yes\"".to_owned(), 3)]));
    assert_eq!(memories.tally("nobody").await.unwrap(), BTreeMap::new());
}

async fn a_value_is_kept_however_long_and_counted_while_it_is_short(place: Place) {
    let Opened { memories, .. } = open_all(&place).await;
    // Nothing that could be made shorter by compressing it.
    let letters = (0..100_000_u32).filter_map(|number| char::from_u32(0x1_0000 + number * 7919 % 0x1_0000));
    let long = |chars: usize| letters.clone().cycle().take(chars).collect::<String>();
    for (index, chars) in [TALLIED_CHARS_MAX, TALLIED_CHARS_MAX + 1, 40_000].into_iter().enumerate() {
        let (key, value) = (key("poll", &format!("+1555555010{index}")), long(chars));
        assert_eq!(memories.keep(keep(vec![change(&key, 0, Some(&value))], 1)).await.unwrap(), Kept::Now);
        check(recalled(&*memories, &key).await, Some(memory(&key, 1, &value, 1)));
    }
    assert_eq!(memories.tally("poll").await.unwrap(), BTreeMap::from([(long(TALLIED_CHARS_MAX), 1)]));
}

async fn only_what_is_old_is_forgotten(place: Place) {
    let Opened { memories, consents, .. } = open_all(&place).await;
    let mut texts: Vec<EventId> = Vec::new();
    for at in [1, 2, 3, 9] {
        let text = keep(vec![change(&key("talk", &format!("+1555555010{at}")), 0, Some("1"))], at);
        texts.push(text.text);
        memories.keep(text).await.unwrap();
    }
    let permission = |at| store::ConsentChange { choice: None, ..choice(NUMBER, Choice::Out, at) };
    for change in [choice(NUMBER, Choice::Out, 1), permission(1), permission(9)] {
        consents.change(change).await.unwrap();
    }
    let gone = key("talk", "+15555550101");
    memories.keep(keep(vec![change(&gone, 1, None)], 2)).await.unwrap();

    // Records of seconds 1, 2, 2 and 3; the permission of 1; what was forgotten at 2.
    assert_eq!(memories.forget_records(second(4), second(0), 3).await.unwrap(), 5);
    assert_eq!(memories.forget_records(second(4), second(0), 3).await.unwrap(), 1);
    assert_eq!(memories.forget_records(second(4), second(0), 3).await.unwrap(), 0);
    for (text, is_known) in texts.into_iter().zip([false, false, false, true]) {
        assert_eq!(memories.recorded(text).await.unwrap().is_some(), is_known);
    }
    let history = consents.history(&backend("b"), &person(NUMBER)).await.unwrap();
    let kept: Vec<_> = history.iter().map(|change| (change.choice, change.at)).collect();
    assert_eq!(kept, [(Some(Choice::Out), second(1)), (None, second(9))], "no choice is ever forgotten");
    assert_eq!(place.execute("SELECT count(*) FROM memories"), Some(3));

    assert_eq!(memories.forget_records(second(0), second(3), 10).await.unwrap(), 1);
    check(recalled(&*memories, &key("talk", "+15555550102")).await, None);
    let still = key("talk", "+15555550103");
    check(recalled(&*memories, &still).await, Some(memory(&still, 1, "1", 3)));
}
