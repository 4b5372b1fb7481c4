//! The queue in memory, without file and thread.

use bytes::Bytes;
use tokio::sync::mpsc::UnboundedReceiver;

use super::*;
use crate::Properties;

fn message() -> Arc<Kept> {
    Arc::new(Kept { routing_key: String::new(), properties: Properties::default(), body: Bytes::new() })
}

/// A queue with a subscriber for each prefetch, numbered from 0, and nothing in the file.
fn queue(single_active_consumer: bool, prefetches: &[u16]) -> (Queue, Vec<UnboundedReceiver<Handed>>) {
    let mut queue = Queue::new("work".into(), 0).with(single_active_consumer, None);
    let subscribe = |(id, prefetch): (u64, &u16)| {
        let (sender, receiver) = mpsc::unbounded_channel();
        queue.subscribe(id, *prefetch, sender);
        receiver
    };
    let receivers = (0..).zip(prefetches).map(subscribe).collect();
    (queue, receivers)
}

/// What each subscriber was handed meanwhile; a `true` says that it was redelivered.
#[track_caller]
fn check(queue: &mut Queue, receivers: &mut [UnboundedReceiver<Handed>], expected: &[&[(Seq, bool)]]) {
    queue.dispatch();
    let handed: Vec<Vec<_>> = receivers
        .iter_mut()
        .map(|receiver| std::iter::from_fn(|| receiver.try_recv().ok()).map(|it| (it.seq, it.redelivered)).collect())
        .collect();
    assert_eq!(handed, expected);
}

fn add(queue: &mut Queue, seqs: impl IntoIterator<Item = Seq>) {
    for seq in seqs {
        queue.add(seq, &message());
    }
}

#[test]
fn consumers_take_turns_up_to_their_prefetch() {
    let (mut queue, mut receivers) = queue(false, &[1, 3]);
    add(&mut queue, 1..=5);
    check(&mut queue, &mut receivers, &[&[(1, false)], &[(2, false), (3, false), (4, false)]]);
    assert!(queue.ack(0, 1));
    check(&mut queue, &mut receivers, &[&[(5, false)], &[]]);
    assert_eq!((queue.len(), queue.in_hand()), (0, 4));
}

#[test]
fn what_is_given_back_takes_its_place_again() {
    let (mut queue, mut receivers) = queue(false, &[2]);
    add(&mut queue, 1..=4);
    check(&mut queue, &mut receivers, &[&[(1, false), (2, false)]]);
    assert!(queue.requeue(0, 2).is_none());
    check(&mut queue, &mut receivers, &[&[(2, true)]]);
    assert!(queue.unsubscribe(0).is_empty());
    let (sender, receiver) = mpsc::unbounded_channel();
    queue.subscribe(7, 9, sender);
    check(&mut queue, &mut [receiver], &[&[(1, true), (2, true), (3, false), (4, false)]]);
}

#[test]
fn only_who_has_a_delivery_settles_it_and_only_once() {
    let (mut queue, mut receivers) = queue(false, &[1, 1]);
    add(&mut queue, [1]);
    check(&mut queue, &mut receivers, &[&[(1, false)], &[]]);
    assert!(!queue.ack(1, 1));
    assert!(!queue.ack(5, 1));
    assert!(queue.ack(0, 1));
    assert!(!queue.ack(0, 1));
    assert!(queue.requeue(0, 1).is_none());
    check(&mut queue, &mut receivers, &[&[], &[]]);
}

#[test]
fn a_single_active_consumer_gets_all_until_it_has_gone() {
    let (mut queue, mut receivers) = queue(true, &[2, 2]);
    add(&mut queue, 1..=4);
    check(&mut queue, &mut receivers, &[&[(1, false), (2, false)], &[]]);
    queue.cancel(0);
    assert!(queue.ack(0, 1));
    // The second would overtake what the first still has in hand.
    check(&mut queue, &mut receivers, &[&[], &[]]);
    queue.unsubscribe(0);
    check(&mut queue, &mut receivers, &[&[], &[(2, true), (3, false)]]);
}

#[test]
fn a_cancelled_consumer_with_empty_hands_has_gone() {
    let (mut queue, mut receivers) = queue(true, &[1, 1]);
    queue.cancel(0);
    add(&mut queue, [1]);
    check(&mut queue, &mut receivers, &[&[], &[(1, false)]]);
}

#[test]
fn a_consumer_that_was_dropped_gets_nothing_more() {
    let (mut queue, mut receivers) = queue(false, &[5, 1]);
    receivers.remove(0);
    add(&mut queue, [1, 2]);
    check(&mut queue, &mut receivers, &[&[(1, false)]]);
    assert!(queue.ack(1, 1));
    check(&mut queue, &mut receivers, &[&[(2, false)]]);
}

#[test]
fn what_is_given_back_too_often_is_buried() {
    let (mut queue, mut receivers) = queue(false, &[1]);
    add(&mut queue, [1]);
    for given_back in 0..=DELIVERY_LIMIT {
        check(&mut queue, &mut receivers, &[&[(1, 0 < given_back)]]);
        let buried = queue.requeue(0, 1).map(|buried| buried.seq);
        assert_eq!(buried, (given_back == DELIVERY_LIMIT).then_some(1), "{given_back}");
    }
    check(&mut queue, &mut receivers, &[&[]]);
}

#[test]
fn what_nobody_works_on_is_given_back_as_often_as_it_takes() {
    let bound = Bound { messages_max: 10, age_max: std::time::Duration::from_secs(1) };
    for (name, bound) in [(DEAD, None), (UNROUTED, None), ("record", Some(bound))] {
        let mut queue = Queue::new(name.into(), 0).with(false, bound);
        for id in 0..u64::from(DELIVERY_LIMIT) * 2 {
            let (sender, receiver) = mpsc::unbounded_channel();
            queue.subscribe(id, 1, sender);
            if id == 0 {
                add(&mut queue, [1]);
            }
            check(&mut queue, &mut [receiver], &[&[(1, 0 < id)]]);
            assert!(queue.unsubscribe(id).is_empty(), "{name}");
        }
    }
}

#[test]
fn what_was_looked_through_does_not_stay_in_memory() {
    let mut queue = Queue::new(DEAD.into(), 0);
    let (sender, receiver) = mpsc::unbounded_channel();
    queue.subscribe(0, u16::MAX, sender);
    let bound = Seq::try_from(READY_MAX).unwrap();
    for seq in 1..=bound + 10 {
        add(&mut queue, [seq]);
        queue.dispatch();
    }
    assert_eq!((queue.in_hand(), receiver.len()), (READY_MAX + 10, READY_MAX + 10));
    queue.let_go();
    assert_eq!(queue.in_hand(), READY_MAX + 10, "somebody looks through it still");
    assert!(queue.unsubscribe(0).is_empty());
    queue.let_go();
    assert_eq!((queue.ready.len(), queue.beyond, queue.loaded_to()), (READY_MAX, 10, bound));
}

#[test]
fn beyond_the_bound_messages_stay_in_the_file_until_their_turn() {
    let (mut queue, mut receivers) = queue(false, &[1]);
    let bound = Seq::try_from(READY_MAX).unwrap();
    add(&mut queue, 1..=bound + 10);
    assert_eq!((queue.ready.len(), queue.beyond, queue.loaded_to()), (READY_MAX, 10, bound));
    queue.forget(bound + 10);
    queue.forget(bound);
    for seq in 1..bound {
        check(&mut queue, &mut receivers, &[&[(seq, false)]]);
        assert!(queue.ack(0, seq));
    }
    assert_eq!(queue.dispatch(), Need::Page);
    queue.load((bound + 1..bound + 10).map(|seq| (seq, message())).collect(), bound + 1);
    assert_eq!(queue.len(), 9);
    check(&mut queue, &mut receivers, &[&[(bound + 1, true)]]);
    assert!(queue.ack(0, bound + 1));
    check(&mut queue, &mut receivers, &[&[(bound + 2, false)]]);
}

#[test]
fn without_a_consumer_nothing_is_kept_in_memory() {
    let mut queue = Queue::new("work".into(), 2);
    add(&mut queue, [3]);
    assert_eq!((queue.ready.len(), queue.len()), (0, 3));
}
