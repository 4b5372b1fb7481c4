use store::{Mark, Marks, Standings, Subject};

use super::*;

const PREFETCH: Prefetch = Prefetch { texts: 10, messages: 10, events: 10 };

fn name(name: &str) -> BackendName {
    name.parse().unwrap()
}

fn standings(standing: Standing, count: u64, old: u64) -> Standings {
    let (at, old) = (BTreeMap::from([(standing, count)]), BTreeMap::from([(standing, old)]));
    Standings { begun: count, at, old, unbegun: 0 }
}

/// A backend with texts and messages that wait, all of them old, and a bus that tells all and is empty.
fn look(texts: u64, messages: u64) -> Look {
    let backend = BackendAccount {
        texts: standings(Standing::Waiting, texts, texts),
        messages: standings(Standing::Waiting, messages, messages),
        sessions_ignored: 0,
    };
    let queues = Queues {
        texts: depth(0),
        lanes: BTreeMap::from([(name("b"), depth(0))]),
        reports: depth(0),
        delayed_anywhere: 0,
        journal: depth(0),
        journal_dead: depth(0),
        unrouted: 0,
    };
    let entry = |subject| Entry {
        subject,
        id: uuid::Uuid::from_u128(1).into(),
        backend: name("b"),
        correlation_id: None,
        marks: Marks::from(Mark::Begun),
        touched_at: Timestamp::UNIX_EPOCH,
    };
    Look {
        queues,
        account: BTreeMap::from([(name("b"), backend)]),
        strays: BTreeMap::new(),
        texts_waiting: vec![entry(Subject::Text)],
        messages_waiting: vec![entry(Subject::Message)],
        messages_stray: Vec::new(),
        unbegun: Vec::new(),
    }
}

fn depth(ready: u64) -> Depth {
    Depth { ready, in_hand: Some(0), delayed: Some(0), consumers: 1 }
}

/// As RabbitMQ tells without its management API.
fn dim(ready: u64, consumers: u64) -> Depth {
    Depth { ready, in_hand: None, delayed: None, consumers }
}

#[track_caller]
fn check(look: &Look, expected: Verdict) -> Vec<Finding> {
    let findings = judge(look, None, PREFETCH);
    assert_eq!(verdict(&findings), expected, "{findings:?}");
    findings
}

#[test]
fn what_is_on_its_queue_is_not_lost() {
    check(&look(0, 0), Verdict::Balanced);
    let mut both = look(3, 2);
    both.queues.texts = Depth { ready: 1, in_hand: Some(1), delayed: Some(1), consumers: 1 };
    both.queues.lanes.insert(name("b"), depth(2));
    check(&both, Verdict::Balanced);
    // More may be there than waits: copies, and what is young.
    both.queues.texts.ready = 50;
    check(&both, Verdict::Balanced);
}

#[test]
fn a_lost_text_is_found_and_named() {
    let mut lost = look(3, 0);
    lost.queues.texts = depth(2);
    let findings = check(&lost, Verdict::Unbalanced);
    assert_eq!((findings.len(), findings[0].count), (1, 1));
    assert_eq!(findings[0].suspects, lost.texts_waiting);
    assert!(findings[0].told.contains("router.message.received"), "{findings:?}");
}

#[test]
fn a_lost_message_is_found_on_its_own_lane() {
    let mut lost = look(0, 1);
    // Another lane's messages are not its own.
    lost.queues.lanes.insert(name("other"), depth(5));
    let findings = check(&lost, Verdict::Unbalanced);
    assert_eq!(findings[0].suspects, lost.messages_waiting);
    assert_eq!(judge(&lost, Some(&name("other")), PREFETCH), []);
    assert_eq!(verdict(&judge(&lost, Some(&name("b")), PREFETCH)), Verdict::Unbalanced);
}

#[test]
fn young_ones_are_not_looked_for() {
    let mut young = look(0, 0);
    let backend = young.account.get_mut(&name("b")).unwrap();
    backend.texts = standings(Standing::Waiting, 9, 0);
    backend.messages = standings(Standing::Released, 9, 0);
    check(&young, Verdict::Balanced);
}

#[test]
fn what_waits_to_be_tried_again_may_belong_anywhere() {
    let mut waiting = look(1, 1);
    waiting.queues.delayed_anywhere = 2;
    check(&waiting, Verdict::Balanced);
    waiting.queues.delayed_anywhere = 1;
    check(&waiting, Verdict::Unbalanced);
}

#[test]
fn what_may_be_in_hand_is_not_called_lost_nor_found() {
    let mut hidden = look(3, 0);
    hidden.queues.texts = dim(0, 1);
    let findings = check(&hidden, Verdict::Undecided);
    assert!(findings[0].remedy.contains("bus.management"), "{findings:?}");
    // More than a consumer takes, or nobody to take it.
    check(&Look { queues: hidden.queues.clone(), ..look(11, 0) }, Verdict::Unbalanced);
    hidden.queues.texts = dim(0, 0);
    check(&hidden, Verdict::Unbalanced);
    hidden.queues.texts = dim(3, 1);
    check(&hidden, Verdict::Balanced);
}

#[test]
fn a_stray_is_found_unless_its_report_is_on_its_way() {
    let mut stray = look(0, 0);
    stray.strays.insert(name("b"), 1);
    check(&stray, Verdict::Unbalanced);
    stray.queues.reports = depth(1);
    check(&stray, Verdict::Balanced);
}

#[test]
fn an_end_without_a_beginning_says_that_the_journal_is_incomplete() {
    let mut incomplete = look(0, 0);
    incomplete.account.get_mut(&name("b")).unwrap().messages.unbegun = 1;
    let findings = check(&incomplete, Verdict::Unbalanced);
    assert!(findings[0].told.contains("incomplete"), "{findings:?}");
    incomplete.queues.journal = depth(1);
    check(&incomplete, Verdict::Undecided);
}

#[test]
fn what_the_journal_may_have_in_hand_may_be_the_beginning_or_the_end() {
    let mut unbegun = look(0, 0);
    unbegun.account.get_mut(&name("b")).unwrap().messages.unbegun = 11;
    unbegun.queues.journal = dim(0, 1);
    check(&unbegun, Verdict::Unbalanced);
    // Two queues, and a consumer of each.
    unbegun.queues.journal_dead = dim(0, 1);
    let findings = check(&unbegun, Verdict::Undecided);
    assert!(findings[0].remedy.contains("bus.management"), "{findings:?}");
    unbegun.queues.journal_dead = dim(1, 0);
    check(&unbegun, Verdict::Undecided);

    let mut missing = look(10, 0);
    missing.queues.journal = dim(0, 1);
    check(&missing, Verdict::Undecided);
    check(&Look { queues: missing.queues, ..look(11, 0) }, Verdict::Unbalanced);
}

#[test]
fn what_either_consumer_of_reports_may_have_in_hand_counts() {
    let counted = |results, reports| {
        let counted = BTreeMap::from([(QueueName::results(), results), (QueueName::reports(), reports)]);
        let mut strays = look(0, 0);
        strays.queues.reports = Queues::of(&[], &counted).reports;
        strays.strays.insert(name("b"), 15);
        strays
    };
    check(&counted(dim(0, 1), dim(0, 1)), Verdict::Undecided);
    check(&counted(dim(0, 2), dim(0, 0)), Verdict::Undecided);
    check(&counted(dim(0, 1), dim(0, 0)), Verdict::Unbalanced);
    let hidden = counted(dim(0, 1), dim(0, 0));
    assert!(!hidden.queues.is_exact());
    assert!(counted(dim(0, 0), dim(0, 0)).queues.is_exact());
}

#[test]
fn an_account_of_the_past_decides_nothing() {
    let mut behind = look(1, 0);
    behind.queues.journal = depth(1);
    check(&behind, Verdict::Undecided);
    // One event says the end of one text.
    check(&Look { queues: behind.queues.clone(), ..look(2, 0) }, Verdict::Unbalanced);
    let mut idle = look(0, 0);
    idle.queues.journal = depth(BEHIND_MAX);
    check(&idle, Verdict::Balanced);
    idle.queues.journal = depth(BEHIND_MAX + 1);
    check(&idle, Verdict::Undecided);
    let each: [fn(&mut Queues) -> &mut Depth; 2] = [|queues| &mut queues.journal, |queues| &mut queues.journal_dead];
    for queue in each {
        let mut left = look(0, 0);
        *queue(&mut left.queues) = Depth { consumers: 0, ..depth(1) };
        let findings = check(&left, Verdict::Undecided);
        assert!(findings[0].remedy.contains("does not run"), "{findings:?}");
        // Each is consumed by itself.
        queue(&mut left.queues).consumers = 1;
        check(&left, Verdict::Balanced);
    }
}

#[test]
fn queues_are_counted_and_read_by_the_same_names() {
    let backends = [name("a"), name("b")];
    let counted = queues(&backends).into_iter().zip(1..).map(|(queue, ready)| (queue, depth(ready))).collect();
    let read = Queues::of(&backends, &counted);
    assert_eq!((read.reports.ready, read.journal.ready, read.journal_dead.ready, read.unrouted), (3, 3, 4, 5));
    assert_eq!(read.texts.ready, (6..23).sum::<u64>());
    assert_eq!(read.delayed_anywhere, (23..35).sum::<u64>());
    assert_eq!((read.lanes[&name("a")].ready, read.lanes[&name("b")].ready), (35, 36));
}

#[test]
fn of_a_shard_one_consumer_at_a_time_may_have_something_in_hand() {
    let two_routers = QueueName::texts().map(|queue| (queue, dim(0, 2))).collect();
    let texts = Queues::of(&[], &two_routers).texts;
    assert_eq!((texts.consumers, texts.in_hand), (2 + 16, None));
}

#[test]
fn a_look_survives_the_way_over_http() {
    let look = look(3, 4);
    let read: Look = serde_json::from_str(&serde_json::to_string(&look).unwrap()).unwrap();
    assert_eq!(read, look);
}
