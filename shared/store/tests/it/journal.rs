//! What every journal promises, on each database.

use std::collections::BTreeSet;
use std::sync::Arc;

use protocol::{BackendName, EventId, Timestamp};
use store::{
    Begun, Content, DEAD_LETTER, EventsOf, Journal, JournalEntry, JournalEvent, JournalSize, Latency, LogFilter,
    LogPage, Logged, Mark, Marks, Numbered, Opened, PAGE_MAX, PersonSought, Standing, Subject, Tally,
};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::place::{Place, backend, open_all, person, second, session};

on_all!(
    an_event_is_kept_once_and_as_it_is,
    the_log_has_a_line_for_each_text_and_message,
    neither_order_nor_repetition_matters,
    what_was_only_named_as_a_cause_is_in_no_log,
    a_line_moves_to_where_it_began_when_that_comes_to_be_known,
    lines_that_began_in_one_moment_have_a_place_each,
    pages_have_no_gap_and_no_repeat_while_lines_come_in,
    each_filter_finds_what_fits_alone_and_with_the_others,
    words_are_found_in_every_script_and_with_every_filter,
    words_are_found_among_many_lines_whether_rare_or_not,
    a_person_is_found_by_the_last_digits,
    every_kind_of_id_leads_to_its_lines,
    events_are_read_by_what_they_are_about,
    of_more_events_than_are_read_the_first_and_the_latest_are,
    what_cannot_be_kept_leaves_nothing_behind,
    events_are_numbered_and_none_is_missed_with_two_writers,
    numbers_go_on_when_all_is_forgotten,
    tallies_count_by_the_minute,
    latencies_are_from_the_text_to_the_release_of_its_answer,
    since_when_a_message_is_on_its_way_is_told_where_its_command_was_seen,
    what_is_old_is_forgotten_with_all_that_was_drawn_from_it,
    what_is_too_much_is_forgotten_from_the_oldest_on,
);

async fn open(place: &Place) -> Arc<dyn Journal> {
    let Opened { journal, .. } = open_all(place).await;
    journal
}

fn id(number: u64) -> EventId {
    EventId::from(Uuid::from_u128(0x1000_0000 + u128::from(number)))
}

fn backend_of(number: u64) -> BackendName {
    backend(["east", "west", "north"][usize::try_from(number % 3).unwrap()])
}

fn at(number: u64, seconds: i64) -> Timestamp {
    second(i64::try_from(number).unwrap() * 10 + seconds)
}

/// The event of this kind of a conversation, which says this.
fn event(number: u64, kind: &str, seconds: i64) -> JournalEntry {
    let event = JournalEvent {
        id: EventId::from(Uuid::new_v5(&Uuid::from_u128(u128::from(number)), kind.as_bytes())),
        kind: kind.to_owned(),
        at: at(number, seconds),
        backend: backend_of(number),
        correlation_id: Some(session(&format!("a{number}"))),
        session_id: None,
        of: None,
        body: format!(r#"{{"number":{number},"kind":"{kind}"}}"#),
    };
    JournalEntry { event, marks: Vec::new(), content: None }
}

/// A text that comes, in conversation number so.
fn received(number: u64, words: &str) -> JournalEntry {
    let mut entry = event(number, "message.received", 0);
    entry.event.id = id(number * 2);
    entry.event.of = Some((Subject::Text, id(number * 2)));
    entry.event.session_id = Some(session(&format!("a{number}")));
    entry.marks = vec![(Subject::Text, id(number * 2), Mark::Begun)];
    entry.content = Some(Content {
        person: person(&format!("+1555555{:04}", number % 7)),
        number: Some(person("12345")),
        text: words.parse().unwrap(),
        network: protocol::Network::sms(),
        application: None,
        cause: None,
    });
    entry
}

/// What answers it.
fn send(number: u64, words: &str) -> JournalEntry {
    let mut entry = event(number, "message.send", 1);
    entry.event.id = id(number * 2 + 1);
    entry.event.of = Some((Subject::Message, id(number * 2 + 1)));
    entry.marks =
        vec![(Subject::Message, id(number * 2 + 1), Mark::Begun), (Subject::Text, id(number * 2), Mark::Answered)];
    entry.content = Some(Content {
        person: person(&format!("+1555555{:04}", number % 7)),
        number: None,
        text: words.parse().unwrap(),
        network: protocol::Network::sms(),
        application: Some(["survey", "clinic"][usize::try_from(number % 2).unwrap()].to_owned()),
        cause: Some(id(number * 2)),
    });
    entry
}

/// What becomes of the answer.
fn step(number: u64, kind: &str, mark: Mark, seconds: i64) -> JournalEntry {
    let mut entry = event(number, kind, seconds);
    let message = (Subject::Message, id(number * 2 + 1));
    entry.event.of = Some(message);
    entry.event.session_id = Some(session(&format!("b{number}")));
    entry.marks = vec![(message.0, message.1, mark)];
    entry
}

/// A text, its answer, and what became of that: sent, or not every third time, and every fifth nobody heard of it again.
fn conversation(number: u64, question: &str, answer: &str) -> Vec<JournalEntry> {
    let mut entries = vec![
        received(number, question),
        send(number, answer),
        step(number, "message.launched", Mark::Launched, 2),
        step(number, "message.released", Mark::Released, 3),
    ];
    if number.is_multiple_of(3) {
        entries.push(step(number, "message.failed", Mark::Failed, 4));
    } else if !number.is_multiple_of(5) {
        entries.push(step(number, "message.sent", Mark::Sent, 4));
    }
    entries
}

async fn all(journal: &dyn Journal) -> Vec<Logged> {
    find(journal, &LogFilter::default()).await
}

async fn find(journal: &dyn Journal, filter: &LogFilter) -> Vec<Logged> {
    journal.log(filter, LogPage { before: None, limit: PAGE_MAX }).await.unwrap()
}

async fn events_of(journal: &dyn Journal) -> Vec<Numbered> {
    journal.events_after(0, PAGE_MAX).await.unwrap()
}

fn marks(all: &[Mark]) -> Marks {
    all.iter().fold(Marks::default(), |marks, mark| marks.and((*mark).into()))
}

/// A sequence of numbers that looks like chance and is the same each time.
fn chance(seed: &mut u64) -> usize {
    *seed = seed.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
    usize::try_from(*seed >> 33).unwrap()
}

fn shuffle<T>(items: &mut [T], seed: &mut u64) {
    for end in (1..items.len()).rev() {
        items.swap(end, chance(seed) % (end + 1));
    }
}

async fn an_event_is_kept_once_and_as_it_is(place: Place) {
    let journal = open(&place).await;
    journal.keep_events(&[]).await.unwrap();
    assert_eq!(journal.last_number().await.unwrap(), 0);
    assert_eq!(journal.size().await.unwrap(), JournalSize::default());
    let mut bare = event(1, "session.result", 5);
    bare.event.correlation_id = None;
    bare.event.body = r#"{"said":"\u0000 ✓"}"#.to_owned();
    let entries = [received(0, "hello"), bare];
    journal.keep_events(&entries).await.unwrap();
    let twice = [entries[1].clone(), entries[0].clone(), send(0, "there"), send(0, "there")];
    journal.keep_events(&twice).await.unwrap();
    let kept: Vec<JournalEvent> = events_of(&*journal).await.into_iter().map(|numbered| numbered.event).collect();
    assert_eq!(kept, [&entries[0], &entries[1], &twice[2]].map(|entry| entry.event.clone()));
    let bytes = kept.iter().map(|event| u64::try_from(event.body.len()).unwrap()).sum();
    assert_eq!(journal.size().await.unwrap(), JournalSize { events: 3, bytes, oldest: Some(second(0)) });
    assert_eq!(journal.last_number().await.unwrap(), 3);
    drop(journal);
    assert_eq!(open(&place).await.last_number().await.unwrap(), 3);
}

async fn the_log_has_a_line_for_each_text_and_message(place: Place) {
    let journal = open(&place).await;
    journal.keep_events(&conversation(1, "how much?", "12 KES")).await.unwrap();
    let (text, message) = (received(1, "how much?"), send(1, "12 KES"));
    let expected_text = Logged {
        place: at(1, 0).as_microsecond(),
        subject: Subject::Text,
        id: id(2),
        backend: backend_of(1),
        correlation_id: Some(session("a1")),
        session_id: Some(session("a1")),
        marks: marks(&[Mark::Begun, Mark::Answered]),
        begun_at: at(1, 0),
        released_at: None,
        touched_at: at(1, 1),
        content: text.content,
    };
    let expected_message = Logged {
        place: at(1, 1).as_microsecond(),
        subject: Subject::Message,
        id: id(3),
        session_id: Some(session("b1")),
        marks: marks(&[Mark::Begun, Mark::Launched, Mark::Released, Mark::Sent]),
        begun_at: at(1, 1),
        released_at: Some(at(1, 3)),
        touched_at: at(1, 4),
        content: message.content,
        ..expected_text.clone()
    };
    assert_eq!(all(&*journal).await, [expected_message.clone(), expected_text]);

    // Another session, later, is the one that has the message; it was released before.
    let mut again = step(1, "message.released again", Mark::Released, 6);
    again.event.session_id = Some(session("c1"));
    journal.keep_events(&[again]).await.unwrap();
    let lines = all(&*journal).await;
    assert_eq!(lines[0], Logged { session_id: Some(session("c1")), touched_at: at(1, 6), ..expected_message });
}

async fn neither_order_nor_repetition_matters(place: Place) {
    let mut in_order = None;
    for seed in 0..8_u64 {
        let journal = open(&place).await;
        let mut entries: Vec<JournalEntry> =
            (0..6).flat_map(|number| conversation(number, "a question", "an answer")).collect();
        let mut caused = event(9, "message.send", 0);
        caused.marks = vec![(Subject::Text, id(0), Mark::Caused), (Subject::Session, id(99), Mark::Ignored)];
        entries.push(caused);
        let mut random = seed;
        if 0 < seed {
            entries.extend(entries.clone());
            shuffle(&mut entries, &mut random);
        }
        while !entries.is_empty() {
            let some = entries.split_off(entries.len().saturating_sub(1 + chance(&mut random) % 7));
            journal.keep_events(&some).await.unwrap();
        }
        let lines = all(&*journal).await;
        assert_eq!(lines.len(), 12, "seed {seed}");
        let found = find(&*journal, &LogFilter { words: Some("quest".to_owned()), ..LogFilter::default() }).await;
        assert_eq!(found.len(), 6, "seed {seed}");
        let size = journal.size().await.unwrap();
        let tallies = journal.tallies(second(0)).await.unwrap();
        let seen = (lines.into_iter().map(unplaced).collect::<Vec<_>>(), size, tallies);
        assert!(seen == *in_order.get_or_insert(seen.clone()), "seed {seed}: {seen:?}, at first {in_order:?}");
        journal.forget_events(Timestamp::MAX, 0, 10_000).await.unwrap();
        assert_eq!(all(&*journal).await, []);
    }
}

/// The line without what tells its place from others that began in the same microsecond.
fn unplaced(line: Logged) -> Logged {
    let place = line.begun_at.as_microsecond();
    assert!((place..place + 10).contains(&line.place));
    Logged { place, ..line }
}

async fn what_was_only_named_as_a_cause_is_in_no_log(place: Place) {
    let journal = open(&place).await;
    let mut command = send(0, "by a program");
    command.marks[1].2 = Mark::Caused;
    let mut voice = event(1, "session.ignored", 0);
    voice.marks = vec![(Subject::Session, voice.event.id, Mark::Ignored)];
    journal.keep_events(&[command, voice]).await.unwrap();
    let lines = all(&*journal).await;
    assert_eq!(lines.iter().map(|line| line.id).collect::<Vec<_>>(), [id(1)]);
    assert_eq!(journal.look_for(&session(&id(0))).await.unwrap(), []);
    // It was a text after all.
    journal.keep_events(&[received(0, "hello")]).await.unwrap();
    assert_eq!(journal.look_for(&session(&id(0))).await.unwrap()[0].standing(), Some(Standing::Answered));
}

async fn a_line_moves_to_where_it_began_when_that_comes_to_be_known(place: Place) {
    let journal = open(&place).await;
    journal.keep_events(&[step(1, "message.sent", Mark::Sent, 4)]).await.unwrap();
    let lines = all(&*journal).await;
    assert_eq!((lines[0].begun_at, lines[0].place), (at(1, 4), at(1, 4).as_microsecond()));
    assert_eq!((lines[0].standing(), &lines[0].content), (Some(Standing::Sent), &None));
    journal.keep_events(&[send(1, "an answer")]).await.unwrap();
    let lines = all(&*journal).await;
    let line = lines.iter().find(|line| line.subject == Subject::Message).unwrap();
    assert_eq!(line.begun_at, at(1, 1));
    assert_eq!(unplaced(line.clone()).place, at(1, 1).as_microsecond());
    assert_eq!(line.content, send(1, "an answer").content);
    let by_word = LogFilter { words: Some("answer".to_owned()), ..LogFilter::default() };
    assert_eq!(find(&*journal, &by_word).await, std::slice::from_ref(line));
}

async fn lines_that_began_in_one_moment_have_a_place_each(place: Place) {
    let journal = open(&place).await;
    let mut entries: Vec<JournalEntry> = (0..600).map(|number| received(number, "all at once")).collect();
    for entry in &mut entries {
        entry.event.at = second(0);
    }
    for some in entries.chunks(256) {
        journal.keep_events(some).await.unwrap();
    }
    let lines = all(&*journal).await;
    let places: BTreeSet<i64> = lines.iter().map(|line| line.place).collect();
    let first = second(0).as_microsecond();
    assert_eq!(places, (first..first + 600).collect());
    assert!(lines.iter().all(|line| line.begun_at == second(0)));
}

async fn pages_have_no_gap_and_no_repeat_while_lines_come_in(place: Place) {
    let journal = open(&place).await;
    for number in 0..30 {
        journal.keep_events(&conversation(number, "a question", "an answer")).await.unwrap();
    }
    let mut number = 100;
    for words in [None, Some("an".to_owned())] {
        let is_answer = |id: &EventId| id.as_uuid().as_u128() % 2 == 1;
        let is_meant = |id: &EventId| words.is_none() || is_answer(id);
        let expected: Vec<EventId> = all(&*journal).await.iter().map(|line| line.id).filter(is_meant).collect();
        assert!(30 <= expected.len());
        let filter = LogFilter { words: words.clone(), ..LogFilter::default() };
        let (mut seen, mut before) = (Vec::new(), None);
        loop {
            let page = journal.log(&filter, LogPage { before, limit: 7 }).await.unwrap();
            let Some(last) = page.last() else { break };
            assert!(page.len() <= 7);
            before = Some(last.place);
            seen.extend(page.iter().map(|line| line.id));
            journal.keep_events(&conversation(number, "later", "another")).await.unwrap();
            // What is known of old lines goes on as well.
            let known = step(number % 30, &format!("delivery {number}"), Mark::Delivered, 90_000);
            journal.keep_events(&[known]).await.unwrap();
            number += 1;
        }
        assert_eq!(seen, expected);
    }
}

async fn each_filter_finds_what_fits_alone_and_with_the_others(place: Place) {
    let journal = open(&place).await;
    for number in 0..40_u64 {
        let question = if number.is_multiple_of(4) { "balance please" } else { "hello there" };
        journal.keep_events(&conversation(number, question, "please wait")).await.unwrap();
    }
    let everything = all(&*journal).await;
    assert_eq!(everything.len(), 80);
    let choices: Vec<fn(&mut LogFilter)> = vec![
        |_| {},
        |filter| filter.subject = Some(Subject::Text),
        |filter| filter.subject = Some(Subject::Message),
        |filter| filter.backend = Some(backend("east")),
        |filter| filter.without = vec![backend("east"), backend("nowhere")],
        |filter| filter.person = Some(PersonSought::Is(person("+15555550003"))),
        |filter| filter.person = Some(PersonSought::EndsWith("0004".to_owned())),
        |filter| filter.words = Some("PLEASE".to_owned()),
        |filter| filter.words = Some("bal please".to_owned()),
        |filter| filter.standing = Some(Standing::Failed),
        |filter| filter.standing = Some(Standing::Released),
        |filter| filter.standing = Some(Standing::Answered),
        |filter| filter.application = Some("clinic".to_owned()),
        |filter| filter.correlation_id = Some(session("a12")),
        |filter| filter.cause = Some(id(24)),
        |filter| filter.since = Some(at(10, 0)),
        |filter| filter.until = Some(at(30, 1)),
    ];
    let mut hits = 0;
    for first in &choices {
        for then in &choices {
            for last in &choices {
                let mut filter = LogFilter::default();
                for choose in [first, then, last] {
                    choose(&mut filter);
                }
                let expected: Vec<Logged> = everything.iter().filter(|line| fits(&filter, line)).cloned().collect();
                let found = find(&*journal, &filter).await;
                assert_eq!(found, expected, "{}", told(&filter));
                hits += expected.len();
            }
        }
    }
    assert!(10_000 < hits, "{hits}");
}

/// What the filter means.
fn fits(filter: &LogFilter, line: &Logged) -> bool {
    let content = line.content.as_ref().unwrap();
    let words: BTreeSet<&str> = content.text.as_str().split(' ').collect();
    filter.subject.is_none_or(|subject| line.subject == subject)
        && filter.backend.as_ref().is_none_or(|backend| line.backend == *backend)
        && !filter.without.contains(&line.backend)
        && filter.person.as_ref().is_none_or(|person| match person {
            PersonSought::Is(person) => content.person == *person,
            PersonSought::EndsWith(end) => content.person.as_str().ends_with(end),
        })
        && filter.words.as_deref().is_none_or(|sought| {
            let sought = sought.to_lowercase();
            sought.split(' ').all(|beginning| words.iter().any(|word| word.starts_with(beginning)))
        })
        && filter.standing.is_none_or(|standing| line.standing() == Some(standing))
        && filter.application.as_ref().is_none_or(|application| content.application.as_ref() == Some(application))
        && filter.correlation_id.as_ref().is_none_or(|id| line.correlation_id.as_ref() == Some(id))
        && filter.cause.is_none_or(|cause| content.cause == Some(cause))
        && filter.since.is_none_or(|since| since <= line.begun_at)
        && filter.until.is_none_or(|until| line.begun_at < until)
}

fn told(filter: &LogFilter) -> String {
    let LogFilter {
        subject, backend, without, words, standing, application, correlation_id, cause, since, until, ..
    } = filter;
    format!(
        "{subject:?} {backend:?} {without:?} {words:?} {standing:?} {application:?} {correlation_id:?} {cause:?} {since:?} {until:?}"
    )
}

async fn words_are_found_in_every_script_and_with_every_filter(place: Place) {
    let journal = open(&place).await;
    let texts = [
        ("Arrêter SVP", "arreter"),
        ("مرحبا بالعالم", "مرحبا"),
        ("क्या आपको सर्दी है?", "सर्दी"),
        ("请问移动支付怎么用", "移动支付"),
        ("ขอเด็กสองคน", "เด็ก"),
        ("តើអ្នកសុខសប្បាយទេ", "សុខ"),
        ("so good 👍🏽", "👍"),
        ("it's 12.50 'quoted' \"twice\" * AND OR NOT (x) :* & | ! <->", "and or not quoted x"),
    ];
    let entries: Vec<JournalEntry> = (0..).zip(texts).map(|(number, (text, _))| received(number, text)).collect();
    journal.keep_events(&entries).await.unwrap();
    for (number, (text, question)) in (0..).zip(texts) {
        for question in [question, text, &text.to_uppercase()] {
            let filter = LogFilter { words: Some(question.to_owned()), ..LogFilter::default() };
            let found = find(&*journal, &filter).await;
            assert_eq!(found.iter().map(|line| line.id).collect::<Vec<_>>(), [id(number * 2)], "{question}");
            for person in [Some(PersonSought::EndsWith("0099".to_owned())), None] {
                let backend = person.is_none().then(|| backend("nowhere"));
                let filter = LogFilter { person, backend, ..filter.clone() };
                assert_eq!(find(&*journal, &filter).await, [], "{question}");
            }
        }
    }
    for question in ["", " ?!", "nobody said so", "العالم", "\" OR 9 *", "x' | 'y"] {
        let filter = LogFilter { words: Some(question.to_owned()), ..LogFilter::default() };
        assert_eq!(find(&*journal, &filter).await, [], "{question}");
    }
}

async fn words_are_found_among_many_lines_whether_rare_or_not(place: Place) {
    let journal = open(&place).await;
    let words = |number: u64| if number % 900 == 5 { "hello elephant" } else { "hello there" };
    let entries: Vec<JournalEntry> = (0..4_600).map(|number| received(number, words(number))).collect();
    for some in entries.chunks(256) {
        journal.keep_events(some).await.unwrap();
    }
    let search = async |words: &str, until: Option<Timestamp>, before: Option<i64>, limit: u32| {
        let filter = LogFilter { words: Some(words.to_owned()), until, ..LogFilter::default() };
        journal.log(&filter, LogPage { before, limit }).await.unwrap()
    };
    let ids = |lines: &[Logged]| lines.iter().map(|line| line.id).collect::<Vec<_>>();
    let texts = |numbers: &[u64]| numbers.iter().map(|number| id(number * 2)).collect::<Vec<_>>();
    let rare = [4505, 3605, 2705, 1805, 905, 5];
    for words in ["eleph", "elephant", "eleph hello"] {
        assert_eq!(ids(&search(words, None, None, 50).await), texts(&rare), "{words}");
        assert_eq!(ids(&search(words, Some(at(2705, 0)), None, 50).await), texts(&rare[3..]), "{words}");
        let (mut seen, mut before) = (Vec::new(), None);
        while let found = search(words, None, before, 2).await
            && let Some(last) = found.last()
        {
            before = Some(last.place);
            seen.extend(ids(&found));
        }
        assert_eq!(seen, texts(&rare), "{words}");
    }
    assert_eq!(ids(&search("hello", None, None, 3).await), texts(&[4599, 4598, 4597]));
    assert_eq!(ids(&search("hello", Some(at(3, 0)), None, 50).await), texts(&[2, 1, 0]));
    assert_eq!(search("there elephant", None, None, 50).await, []);
    let of_nobody =
        LogFilter { words: Some("hello".to_owned()), application: Some("none".to_owned()), ..LogFilter::default() };
    assert_eq!(find(&*journal, &of_nobody).await, []);
}

async fn a_person_is_found_by_the_last_digits(place: Place) {
    let journal = open(&place).await;
    let people = ["+15555550101", "+447700900101", "50101", "alice@example.net", "%0101"];
    let mut entries: Vec<JournalEntry> = (0..5).map(|number| received(number, "hello")).collect();
    for (entry, address) in entries.iter_mut().zip(people) {
        entry.content.as_mut().unwrap().person = person(address);
    }
    journal.keep_events(&entries).await.unwrap();
    for (sought, expected) in [
        ("0101", vec![4, 2, 1, 0]),
        ("00101", vec![1]),
        ("50101", vec![2, 0]),
        ("550101", vec![0]),
        ("15555550101", vec![0]),
        ("9999", vec![]),
        ("%", vec![]),
        (".net", vec![3]),
    ] {
        let person = Some(PersonSought::EndsWith(sought.to_owned()));
        let found = find(&*journal, &LogFilter { person, ..LogFilter::default() }).await;
        let expected: Vec<EventId> = expected.into_iter().map(|number: u64| id(number * 2)).collect();
        assert_eq!(found.iter().map(|line| line.id).collect::<Vec<_>>(), expected, "{sought}");
    }
    let person = Some(PersonSought::Is(person("50101")));
    assert_eq!(find(&*journal, &LogFilter { person, ..LogFilter::default() }).await.len(), 1);
}

async fn every_kind_of_id_leads_to_its_lines(place: Place) {
    let journal = open(&place).await;
    for number in 0..3 {
        journal.keep_events(&conversation(number, "a question", "an answer")).await.unwrap();
    }
    let mut second_try = step(1, "message.released again", Mark::Released, 6);
    second_try.event.session_id = Some(session("c1"));
    journal.keep_events(std::slice::from_ref(&second_try)).await.unwrap();
    let (text, message) = (id(2), id(3));
    for (sought, expected) in [
        (session(&text), vec![text]),
        (session(&text.to_string().to_uppercase()), vec![text]),
        (session(&message), vec![message]),
        (session("a1"), vec![message, text]),
        (session("b1"), vec![message]),
        (session("c1"), vec![message]),
        (session(&second_try.event.id), vec![message]),
        (session("a9"), vec![]),
        (session(&id(77)), vec![]),
    ] {
        let found = journal.look_for(&sought).await.unwrap();
        assert_eq!(found.iter().map(|line| line.id).collect::<Vec<_>>(), expected, "{sought:?}");
    }
}

async fn events_are_read_by_what_they_are_about(place: Place) {
    let journal = open(&place).await;
    let mut entries: Vec<JournalEntry> =
        (0..3).flat_map(|number| conversation(number, "a question", "an answer")).collect();
    entries.reverse();
    journal.keep_events(&entries).await.unwrap();
    let kinds = async |of: EventsOf| -> Vec<String> {
        let events = journal.events(&of).await.unwrap();
        events.into_iter().map(|event| event.kind.strip_prefix("message.").unwrap().to_owned()).collect()
    };
    let whole = ["received", "send", "launched", "released", "sent"];
    assert_eq!(kinds(EventsOf::Conversation(session("a1"))).await, whole);
    assert_eq!(kinds(EventsOf::Session(session("a1"))).await, whole[..1]);
    assert_eq!(kinds(EventsOf::Session(session("b1"))).await, whole[2..]);
    assert_eq!(kinds(EventsOf::Subject(Subject::Text, id(2))).await, whole[..1]);
    assert_eq!(kinds(EventsOf::Subject(Subject::Message, id(3))).await, whole[1..]);
    assert!(kinds(EventsOf::Subject(Subject::Message, id(2))).await.is_empty());
    let known = journal.events(&EventsOf::Subject(Subject::Text, id(2))).await.unwrap();
    assert_eq!(known, [received(1, "a question").event]);
}

async fn of_more_events_than_are_read_the_first_and_the_latest_are(place: Place) {
    let journal = open(&place).await;
    let attempt = |seconds: i64| {
        let mut entry = step(1, "message.delayed", Mark::Launched, seconds);
        entry.event.id = EventId::from(Uuid::from_u128(0x2000_0000 + u128::try_from(seconds).unwrap()));
        entry
    };
    let read = i64::from(PAGE_MAX);
    let entries: Vec<JournalEntry> = (0..read + 100).map(attempt).collect();
    journal.keep_events(&entries).await.unwrap();
    for of in [
        EventsOf::Conversation(session("a1")),
        EventsOf::Session(session("b1")),
        EventsOf::Subject(Subject::Message, id(3)),
    ] {
        let events = journal.events(&of).await.unwrap();
        assert_eq!(events.len(), PAGE_MAX as usize);
        assert!(events.is_sorted_by(|one, other| one.at < other.at), "{of:?}");
        assert_eq!([events[0].at, events[9].at], [at(1, 0), at(1, 9)], "{of:?}");
        assert_eq!([events[900].at, events[999].at], [at(1, read), at(1, read + 99)], "{of:?}");
    }
}

async fn what_cannot_be_kept_leaves_nothing_behind(place: Place) {
    let journal = open(&place).await;
    journal.keep_events(&[send(1, "an answer")]).await.unwrap();
    place.execute("UPDATE journal_log SET backend = 'no name'");
    let next = step(1, "message.launched", Mark::Launched, 2);
    let refused = journal.keep_events(&[send(2, "another"), next.clone()]).await;
    assert!(matches!(refused, Err(store::LedgerError::Unreadable(_))), "{refused:?}");
    assert_eq!(events_of(&*journal).await.len(), 1);
    assert_eq!(journal.size().await.unwrap().events, 1);
    // It can be, without what it means for the log.
    let mut bare = next;
    (bare.event.of, bare.marks) = (None, Vec::new());
    journal.keep_events(&[bare]).await.unwrap();
    assert_eq!(events_of(&*journal).await.len(), 2);
}

async fn events_are_numbered_and_none_is_missed_with_two_writers(place: Place) {
    const EACH: u64 = 40;
    let replicas = [open(&place).await, open(&place).await];
    let mut writers = JoinSet::new();
    for (writer, journal) in (0_u64..).zip(replicas.clone()) {
        writers.spawn(async move {
            for number in 0..EACH {
                // Each conversation comes to both: half of every batch is known to the other.
                let number = if writer == 0 { number } else { EACH - 1 - number };
                let conversation = conversation(number, "a question", "an answer");
                // Whoever keeps them asks again: on a busy machine PostgreSQL may take us for somebody who went away.
                while let Err(error) = journal.keep_events(&conversation).await {
                    assert!(error.is_away(), "{error:?}");
                }
            }
        });
    }
    let reader = open(&place).await;
    let (mut seen, mut last) = (Vec::new(), 0);
    loop {
        let is_done = writers.is_empty();
        for Numbered { number, event } in reader.events_after(last, 3).await.unwrap() {
            assert!(last < number);
            last = number;
            seen.push(event.id);
        }
        if is_done && last == reader.last_number().await.unwrap() {
            break;
        }
        while let Some(ended) = writers.try_join_next() {
            ended.unwrap();
        }
    }
    let expected: BTreeSet<EventId> = (0..EACH)
        .flat_map(|number| conversation(number, "a question", "an answer"))
        .map(|entry| entry.event.id)
        .collect();
    assert_eq!(seen.len(), expected.len());
    assert_eq!(BTreeSet::from_iter(seen), expected);
    assert_eq!(all(&*reader).await.len(), 80);
}

async fn numbers_go_on_when_all_is_forgotten(place: Place) {
    let journal = open(&place).await;
    journal.keep_events(&conversation(1, "a question", "an answer")).await.unwrap();
    assert_eq!(journal.forget_events(Timestamp::MAX, 0, 100).await.unwrap(), 5);
    assert_eq!(journal.last_number().await.unwrap(), 5);
    journal.keep_events(&conversation(2, "a question", "an answer")).await.unwrap();
    let numbers: Vec<i64> = events_of(&*journal).await.iter().map(|numbered| numbered.number).collect();
    assert_eq!(numbers, [6, 7, 8, 9, 10]);
}

async fn tallies_count_by_the_minute(place: Place) {
    let journal = open(&place).await;
    let mut letter = event(1, DEAD_LETTER, 61);
    letter.event.backend = backend("south");
    let entries = [received(0, "a"), received(3, "b"), received(9, "c"), letter];
    journal.keep_events(&entries).await.unwrap();
    journal.keep_events(&entries).await.unwrap();
    let tally = |minute: &str, backend_name: &str, kind: &str, count| Tally {
        minute: minute.parse().unwrap(),
        backend: backend(backend_name),
        kind: kind.to_owned(),
        count,
    };
    // The tests' time begins 20 seconds after a full minute.
    let expected = [
        tally("2023-11-14T22:13:00Z", "east", "message.received", 2),
        tally("2023-11-14T22:14:00Z", "east", "message.received", 1),
        tally("2023-11-14T22:14:00Z", "south", DEAD_LETTER, 1),
    ];
    assert_eq!(journal.tallies(second(0)).await.unwrap(), expected);
    assert_eq!(journal.tallies(second(45)).await.unwrap(), expected[1..]);
    assert_eq!(journal.tallies(second(200)).await.unwrap(), []);
}

async fn latencies_are_from_the_text_to_the_release_of_its_answer(place: Place) {
    let journal = open(&place).await;
    let mut by_itself = send(9, "nobody asked");
    by_itself.content.as_mut().unwrap().cause = None;
    by_itself.marks.truncate(1);
    let mut entries = vec![by_itself, step(9, "message.released", Mark::Released, 3)];
    for number in 0..3 {
        entries.extend(conversation(number, "a question", "an answer"));
    }
    // The text of this one was never seen.
    entries.extend(conversation(4, "a question", "an answer").split_off(1));
    journal.keep_events(&entries).await.unwrap();
    let latency =
        |number| Latency { backend: backend_of(number), texted_at: at(number, 0), released_at: at(number, 3) };
    assert_eq!(journal.latencies(second(0), 9).await.unwrap(), [2, 1, 0].map(latency));
    assert_eq!(journal.latencies(at(1, 3), 9).await.unwrap(), [2, 1].map(latency));
    assert_eq!(journal.latencies(second(0), 1).await.unwrap(), [latency(2)]);
}

async fn since_when_a_message_is_on_its_way_is_told_where_its_command_was_seen(place: Place) {
    let journal = open(&place).await;
    let mut by_itself = send(1, "nobody asked");
    by_itself.content.as_mut().unwrap().cause = None;
    by_itself.marks.truncate(1);
    let mut entries = conversation(0, "a question", "an answer");
    entries.push(by_itself);
    // The text of the second was never seen, and the command of the third was not.
    entries.extend(conversation(2, "a question", "an answer").split_off(1));
    entries.push(step(3, "message.released", Mark::Released, 3));
    journal.keep_events(&entries).await.unwrap();
    let message = |number: u64| id(number * 2 + 1);
    let mut begun = journal.begun(&[0, 1, 2, 3].map(message)).await.unwrap();
    begun.sort_by_key(|begun| (begun.texted_at.is_none(), begun.commanded_at));
    let expected = |number, texted_at| Begun { message_id: message(number), commanded_at: at(number, 1), texted_at };
    assert_eq!(begun, [expected(0, Some(at(0, 0))), expected(1, None), expected(2, None)]);
    assert_eq!(journal.begun(&[]).await.unwrap(), []);
}

async fn what_is_old_is_forgotten_with_all_that_was_drawn_from_it(place: Place) {
    let journal = open(&place).await;
    for number in 0..20 {
        journal.keep_events(&conversation(number, "a question", "an answer")).await.unwrap();
    }
    // An old message of which something was heard again.
    journal.keep_events(&[step(2, "message.delivered", Mark::Delivered, 150)]).await.unwrap();
    let before = all(&*journal).await;
    let events = journal.size().await.unwrap().events;
    let mut forgotten = 0;
    loop {
        let some = journal.forget_events(at(10, 0), u64::MAX, 7).await.unwrap();
        assert!(some <= 7);
        forgotten += some;
        if some == 0 {
            break;
        }
    }
    let kept = events_of(&*journal).await;
    let is_kept = |event: &JournalEvent| at(10, 0) <= event.at;
    assert!(kept.iter().all(|numbered| is_kept(&numbered.event)));
    let bytes = kept.iter().map(|numbered| u64::try_from(numbered.event.body.len()).unwrap()).sum();
    let size = JournalSize { events: events - forgotten, bytes, oldest: Some(at(10, 0)) };
    assert_eq!(journal.size().await.unwrap(), size);
    assert_eq!(u64::try_from(kept.len()).unwrap(), size.events);
    let lines: Vec<Logged> = before.into_iter().filter(|line| at(10, 0) <= line.touched_at).collect();
    assert_eq!(lines.len(), 21);
    assert_eq!(all(&*journal).await, lines);
    let words = LogFilter { words: Some("an answer".to_owned()), ..LogFilter::default() };
    assert_eq!(find(&*journal, &words).await.len(), 11);
    let oldest = journal.tallies(second(-1000)).await.unwrap()[0].minute;
    assert!(oldest <= at(10, 0) && second(0) < oldest, "{oldest}");
}

async fn what_is_too_much_is_forgotten_from_the_oldest_on(place: Place) {
    let journal = open(&place).await;
    let mut entries: Vec<JournalEntry> = (0..10).map(|number| received(number, "hello")).collect();
    for entry in &mut entries {
        entry.event.body = "✓".repeat(10);
    }
    // The oldest is kept last.
    entries.reverse();
    journal.keep_events(&entries).await.unwrap();
    assert_eq!(journal.size().await.unwrap().bytes, 300);
    assert_eq!(journal.forget_events(Timestamp::MIN, 300, 100).await.unwrap(), 0);
    assert_eq!(journal.forget_events(Timestamp::MIN, 95, 4).await.unwrap(), 4);
    assert_eq!(journal.forget_events(Timestamp::MIN, 95, 4).await.unwrap(), 3);
    assert_eq!(journal.forget_events(Timestamp::MIN, 95, 4).await.unwrap(), 0);
    let size = JournalSize { events: 3, bytes: 90, oldest: Some(at(7, 0)) };
    assert_eq!(journal.size().await.unwrap(), size);
    let left: Vec<EventId> = all(&*journal).await.iter().map(|line| line.id).collect();
    assert_eq!(left, [9, 8, 7].map(|number| id(number * 2)));
}
