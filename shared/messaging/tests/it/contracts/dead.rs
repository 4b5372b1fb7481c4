//! Dead letters: looked at, replayed, removed.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroU32;

use messaging::dead::{self, Action, Data, Detail, Filter, Order, Outcome, Place as At, Summary, Told};
use messaging::headers::{ATTEMPT, DEAD_AT, EDITED_AT, ERROR, QUEUE, REASON, REPLAYED_AT, ROUTING_KEY};
use messaging::{Destination, Environment, Message};
use protocol::Timestamp;
use serde_json::{Value, json};
use tokio::sync::mpsc;
use tokio_util::sync::CancellationToken;

use crate::running::{Place, Running, full_properties, message, next, within, work};

/// Faster than anybody would.
const AT_ONCE: Action = Action::Replay { rate: NonZeroU32::MAX };

pub(crate) fn order(action: Action) -> Order {
    Order { action, place: At::Dead, filter: Filter::default(), limit: None, detail: Detail::Line }
}

/// A letter that came from `queue`.
fn letter(queue: &str, id: &str) -> Message {
    let mut properties = full_properties(id);
    let told = [
        (ATTEMPT, "7"),
        (QUEUE, queue),
        (ROUTING_KEY, "message.send.a"),
        (REASON, "failed"),
        (ERROR, "sent nothing: because"),
        (DEAD_AT, "2026-08-01T10:00:00Z"),
    ];
    properties.headers.extend(told.map(|(name, value)| (name.to_owned(), value.to_owned())));
    Message { properties, ..crate::running::message_to(Destination::Dead, "") }
}

pub(crate) fn letters(queue: &str, count: usize) -> (Vec<Message>, Vec<String>) {
    let ids: Vec<String> = (0..count).map(|i| format!("{i:04}")).collect();
    (ids.iter().map(|id| letter(queue, id)).collect(), ids)
}

impl Running {
    pub(crate) async fn bury(&self, letters: Vec<Message>) {
        let results = self.publish_all(letters).await;
        assert!(results.iter().all(Result::is_ok), "{results:?}");
    }

    /// Has the work done; what was told of each letter, and in the end.
    async fn work(&self, order: &Order) -> (Vec<(String, Outcome)>, Summary) {
        let (sender, mut receiver) = mpsc::channel(4);
        let environment = Environment::system();
        let hear = async {
            let mut told = Vec::new();
            loop {
                match receiver.recv().await.unwrap() {
                    Told::Letter { letter, outcome } => told.push((letter.id.unwrap(), outcome)),
                    Told::Done(summary) => return (told, summary),
                    Told::Failed { error, .. } => panic!("{error}"),
                }
            }
        };
        let stop = CancellationToken::new();
        let working = dead::work(&*self.bus, &environment, order, &stop, sender);
        let (told, ()) = within("the work ends", async { futures::join!(hear, working) }).await;
        told
    }

    /// The ids of the letters that fit, in order.
    async fn look(&self, order: &Order) -> Vec<String> {
        self.work(order).await.0.into_iter().map(|(id, _)| id).collect()
    }

    /// How many are ready on a queue, once it is so many: a bus may take back what was unsettled a little later.
    async fn reaches_depth(&self, queue: &str, expected: u64) {
        let queues = [queue.into()];
        within(&format!("{queue} has {expected}"), async {
            while self.bus.depths(&queues).await.unwrap()[&queues[0]].ready != expected {
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await;
    }
}

pub(crate) async fn looking_at_letters_changes_nothing(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "x")]).await;
    let (all, ids) = letters("one", 3);
    running.bury(all.clone()).await;
    running.publish(message("nobody.listens", "unrouted")).await;
    let look = order(Action::Look);
    let unrouted = Order { place: At::Unrouted, ..look.clone() };
    // More often than a message may be handed out anywhere else.
    for _ in 0..60 {
        assert_eq!(running.look(&look).await, ids);
        assert_eq!(running.look(&unrouted).await, ["unrouted"]);
    }
    let (_, summary) = running.work(&order(Action::Rehearse)).await;
    assert_eq!((summary.replayed, summary.kept), (3, 3));
    for (taken, buried) in running.take("tropomq.dead", 3).await.iter().zip(&all) {
        assert_eq!((&taken.properties, &taken.body), (&buried.properties, &buried.body));
    }
    assert_eq!(running.take_ids("tropomq.unrouted", 1).await, ["unrouted"]);
    running.close().await;
}

pub(crate) async fn letters_are_seen_in_their_order_however_many(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "x")]).await;
    let (all, ids) = letters("one", 1_100);
    running.bury(all).await;
    for _ in 0..2 {
        let seen = running.look(&order(Action::Look)).await;
        assert!(seen == ids, "another order: {:?}", seen.iter().zip(&ids).find(|(seen, id)| seen != id));
    }
    // Only the last one goes, from behind all others.
    let filter = Filter { ids: BTreeSet::from([ids[1_099].clone()]), ..Filter::default() };
    let (told, summary) = running.work(&Order { filter, ..order(Action::Drop) }).await;
    assert_eq!(told, [(ids[1_099].clone(), Outcome::Dropped)]);
    assert_eq!((summary.seen, summary.kept, summary.dropped), (1_100, 1_099, 1));
    let (_, summary) = running.work(&order(Action::Drop)).await;
    assert_eq!((summary.dropped, summary.kept), (1_099, 0));
    running.reaches_depth("tropomq.dead", 0).await;
    assert_eq!(running.work(&order(Action::Look)).await, (Vec::new(), Summary::default()));
    running.close().await;
}

pub(crate) async fn a_replayed_letter_is_on_its_queue_alone_and_as_it_was(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "message.send.a"), work("two", "#")]).await;
    let before = Timestamp::now();
    running.publish(letter("one", "a")).await;
    let (told, summary) = running.work(&order(AT_ONCE)).await;
    assert_eq!(told, [("a".to_owned(), Outcome::Replayed)]);
    assert_eq!((summary.seen, summary.replayed, summary.kept), (1, 1, 0));
    let mut taken = running.take("one", 1).await.remove(0);
    let replayed_at: Timestamp = taken.properties.headers.remove(REPLAYED_AT).unwrap().parse().unwrap();
    // It is written in milliseconds.
    assert!(before.as_millisecond() <= replayed_at.as_millisecond() && replayed_at <= Timestamp::now());
    assert_eq!(taken.properties.headers.remove(ROUTING_KEY).as_deref(), Some("message.send.a"));
    assert_eq!(taken.properties, full_properties("a"), "nothing is left of its failure");
    assert_eq!(taken.body, letter("one", "a").body);
    running.reaches_depth("tropomq.dead", 0).await;
    assert!(running.take_up_to("two", "x").await.is_empty(), "no other queue has a copy");
    running.close().await;
}

/// The letter of a message to be sent, with this text.
fn message_letter(id: &str, text: &str) -> Message {
    let event = json!({
        "id": id, "type": "message.send.v1", "backend": "a", "time": "2026-08-01T09:00:00Z",
        "data": { "to": "+15555550100", "text": text },
    });
    Message { body: event.to_string().into(), ..letter("one", id) }
}

/// The order to have the letter with this id say that.
fn edit(id: &str, data: &Value) -> Order {
    let data = Data(data.as_object().unwrap().clone());
    let filter = Filter { ids: BTreeSet::from([id.to_owned()]), ..Filter::default() };
    Order { filter, ..order(Action::Edit { data }) }
}

pub(crate) async fn an_edited_letter_is_on_its_queue_and_says_that_it_was_edited(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "x")]).await;
    let ids = ["0b6fd3a1-6f0e-5d7c-9e0a-2d4b8f1c3a55", "0b6fd3a1-6f0e-5d7c-9e0a-2d4b8f1c3a56"];
    running.bury(ids.map(|id| message_letter(id, "wrods")).into()).await;
    let data = json!({ "to": "+15555550101", "text": "words" });
    let (told, summary) = running.work(&edit(ids[1], &data)).await;
    assert_eq!(told, [(ids[1].to_owned(), Outcome::Replayed)]);
    assert_eq!((summary.replayed, summary.kept), (1, 1));
    let taken = running.take("one", 1).await.remove(0);
    let body: Value = serde_json::from_slice(&taken.body).unwrap();
    assert_eq!((&body["id"], &body["type"], &body["data"]), (&json!(ids[1]), &json!("message.send.v1"), &data));
    let time = |name: &str| -> Timestamp { taken.header(name).parse().unwrap() };
    let died: Timestamp = "2026-08-01T10:00:00Z".parse().unwrap();
    assert!(died < time(EDITED_AT) && died < time(REPLAYED_AT), "it is opened again");
    assert_eq!(running.look(&order(Action::Look)).await, [ids[0]]);
    // It dies again, and is replayed: it is still not what was first published.
    let mut again = message_letter(ids[1], "words");
    again.properties.headers.insert(EDITED_AT.to_owned(), taken.header(EDITED_AT).to_owned());
    running.bury(vec![again]).await;
    running.work(&order(AT_ONCE)).await;
    let replayed = running.take("one", 2).await;
    let edited_at = |id| replayed.iter().find(|taken| taken.id() == id).unwrap().header(EDITED_AT);
    assert_eq!((edited_at(ids[1]), edited_at(ids[0])), (taken.header(EDITED_AT), ""));
    running.close().await;
}

pub(crate) async fn a_letter_that_cannot_be_edited_so_stays(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "x")]).await;
    let id = "0b6fd3a1-6f0e-5d7c-9e0a-2d4b8f1c3a55";
    running.bury(vec![message_letter(id, "words"), letter("one", "another")]).await;
    for (id, data, words) in [
        (id, json!({ "to": "", "text": "words" }), "to has no valid value"),
        (id, json!({ "to": "+15555550100", "text": "words", "application": "x" }), "not application"),
        ("another", json!({}), "cannot be told"),
    ] {
        let (told, summary) = running.work(&edit(id, &data)).await;
        let [(_, Outcome::NotReplayable(reason))] = &told[..] else { panic!("{told:?}") };
        assert!(reason.contains(words), "{reason}");
        assert_eq!((summary.failed, summary.replayed), (1, 0));
    }
    // Which one is meant must be said.
    let all = Order { filter: Filter::default(), ..edit(id, &json!({})) };
    let (sender, mut receiver) = mpsc::channel(4);
    dead::work(&*running.bus, &Environment::system(), &all, &CancellationToken::new(), sender).await;
    let Some(Told::Failed { error, .. }) = receiver.recv().await else { panic!("all letters are edited alike") };
    assert!(error.contains("one letter"), "{error}");
    assert_eq!(running.look(&order(Action::Look)).await, [id, "another"]);
    assert!(running.take_up_to("one", "x").await.is_empty());
    running.close().await;
}

pub(crate) async fn a_letter_that_dies_again_is_not_replayed_again(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "x")]).await;
    let (all, ids) = letters("one", 30);
    running.bury(all).await;
    let mut subscription = running.subscribe("one", 10).await;
    let die_again = async {
        for _ in 0..ids.len() {
            let delivery = next(&mut *subscription).await;
            running.publish(letter("one", delivery.properties.message_id.as_deref().unwrap())).await;
            delivery.settler.ack().await;
        }
    };
    let slowly = Action::Replay { rate: NonZeroU32::new(200).unwrap() };
    let order = order(slowly);
    let ((told, summary), ()) = futures::join!(running.work(&order), die_again);
    assert_eq!(told.iter().map(|(id, _)| id).collect::<Vec<_>>(), ids.iter().collect::<Vec<_>>());
    assert_eq!((summary.seen, summary.replayed), (30, 30));
    running.reaches_depth("tropomq.dead", 30).await;
    assert_eq!(running.take_ids("tropomq.dead", 30).await.into_iter().collect::<BTreeSet<_>>().len(), 30);
    drop(subscription);
    running.close().await;
}

pub(crate) async fn a_letter_that_cannot_be_replayed_stays(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "x")]).await;
    let mut without = letter("one", "without");
    without.properties.headers.remove(QUEUE);
    running.bury(vec![letter("gone", "gone"), without, letter("tropomq.dead", "circle"), letter("one", "good")]).await;
    for action in [Action::Rehearse, AT_ONCE] {
        let (told, summary) = running.work(&order(action)).await;
        let reasons: BTreeMap<&str, &str> = told
            .iter()
            .filter_map(|(id, outcome)| match outcome {
                Outcome::NotReplayable(reason) => Some((id.as_str(), reason.as_str())),
                _ => None,
            })
            .collect();
        assert!(reasons["gone"].contains("queue gone does not exist"), "{reasons:?}");
        assert!(reasons["without"].contains("which queue"), "{reasons:?}");
        assert!(reasons["circle"].contains("tropomq.dead"), "{reasons:?}");
        assert_eq!((reasons.len(), summary.failed, summary.replayed), (3, 3, 1));
    }
    assert_eq!(running.take_ids("one", 1).await, ["good"]);
    assert_eq!(running.take_ids("tropomq.dead", 3).await, ["gone", "without", "circle"]);
    running.close().await;
}

pub(crate) async fn only_the_letters_that_are_meant_are_touched(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "x")]).await;
    let mut panicked = letter("one", "panicked");
    panicked.properties.headers.insert(REASON.to_owned(), "panicked".to_owned());
    running.bury(vec![letter("one", "a"), panicked, letter("one", "b"), letter("one", "c")]).await;
    let failed = Filter { reason: Some("failed".to_owned()), backend: Some("a".to_owned()), ..Filter::default() };
    let look = Order { filter: failed.clone(), limit: Some(2), ..order(Action::Look) };
    assert_eq!(running.look(&look).await, ["a", "b"]);
    let one = Order { filter: failed.clone(), limit: Some(1), ..order(AT_ONCE) };
    assert_eq!(running.look(&one).await, ["a"]);
    let ids = BTreeSet::from(["c".to_owned(), "nobody".to_owned()]);
    let drop = Order { filter: Filter { ids, ..failed }, ..order(Action::Drop) };
    let (told, summary) = running.work(&drop).await;
    assert_eq!(told, [("c".to_owned(), Outcome::Dropped)]);
    assert_eq!((summary.missing, summary.dropped, summary.kept), (BTreeSet::from(["nobody".to_owned()]), 1, 2));
    assert_eq!(running.take_ids("one", 1).await, ["a"]);
    assert_eq!(running.take_ids("tropomq.dead", 2).await, ["panicked", "b"]);
    running.close().await;
}

pub(crate) async fn an_interrupted_replay_loses_nothing(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "x")]).await;
    let (all, ids) = letters("one", 40);
    running.bury(all).await;
    let (environment, replay, stop) = (Environment::system(), order(AT_ONCE), CancellationToken::new());
    // The listener goes away, and then the work itself, wherever it stands.
    for heard in [10, 5] {
        let (sender, mut receiver) = mpsc::channel(1);
        // Whoever listens is gone when this ends.
        let hear = async move {
            for _ in 0..heard {
                assert!(matches!(receiver.recv().await, Some(Told::Letter { outcome: Outcome::Replayed, .. })));
            }
        };
        let working = dead::work(&*running.bus, &environment, &replay, &stop, sender);
        if heard == 10 {
            within("the work ends", async { futures::join!(hear, working) }).await;
        } else {
            futures::pin_mut!(hear, working);
            within("some are replayed", futures::future::select(hear, working)).await;
        }
    }
    let mut counts: BTreeMap<String, usize> = BTreeMap::new();
    let mut replayed_later = 0;
    // A bus may take back what was unsettled a little later.
    while counts.len() < ids.len() {
        replayed_later += running.work(&replay).await.1.replayed;
        for taken in running.take_up_to("one", "x").await {
            *counts.entry(taken.id()).or_default() += 1;
        }
    }
    assert!(0 < replayed_later, "it was not interrupted");
    assert!(counts.keys().eq(&ids), "{counts:?}");
    let twice = counts.values().sum::<usize>() - ids.len();
    assert!(twice <= 2, "each time nothing but what was under way is repeated: {counts:?}");
    running.reaches_depth("tropomq.dead", 0).await;
    running.close().await;
}

pub(crate) async fn a_replay_that_is_stopped_tells_what_it_did(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "x")]).await;
    let (all, ids) = letters("one", 40);
    running.bury(all).await;
    let (sender, mut receiver) = mpsc::channel(1);
    let (environment, replay, stop) = (Environment::system(), order(AT_ONCE), CancellationToken::new());
    let hear = async {
        let mut heard = 0;
        loop {
            match receiver.recv().await.unwrap() {
                Told::Letter { outcome, .. } => assert_eq!(outcome, Outcome::Replayed),
                Told::Done(summary) => panic!("it was not stopped: {summary:?}"),
                Told::Failed { error, summary } => return (heard, error, summary),
            }
            heard += 1;
            if heard == 10 {
                stop.cancel();
            }
        }
    };
    let working = dead::work(&*running.bus, &environment, &replay, &stop, sender);
    let ((heard, error, summary), ()) = within("the work ends", async { futures::join!(hear, working) }).await;
    assert!(error.contains("stopped"), "{error}");
    assert_eq!((summary.replayed, summary.seen, summary.kept), (heard, heard, 0));
    let replayed = usize::try_from(heard).unwrap();
    assert_eq!(running.take_ids("one", replayed).await, ids[..replayed]);
    assert_eq!(running.look(&order(Action::Look)).await, ids[replayed..]);
    running.close().await;
}

pub(crate) async fn what_somebody_else_has_in_hand_is_left_alone(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "x")]).await;
    running.bury(letters("one", 4).0).await;
    let mut other = running.subscribe("tropomq.dead", 2).await;
    let in_hand = [next(&mut *other).await, next(&mut *other).await];
    let (told, summary) = running.work(&order(AT_ONCE)).await;
    assert_eq!(told.into_iter().map(|(id, _)| id).collect::<Vec<_>>(), ["0002", "0003"]);
    assert_eq!((summary.seen, summary.elsewhere), (2, 0));
    drop((in_hand, other));
    running.reaches_depth("tropomq.dead", 2).await;
    assert_eq!(running.look(&order(Action::Drop)).await, ["0000", "0001"]);
    assert_eq!(running.take_ids("one", 2).await, ["0002", "0003"]);
    running.reaches_depth("tropomq.dead", 0).await;
    running.close().await;
}

pub(crate) async fn what_no_queue_was_bound_for_is_replayed_by_its_routing_key(place: &impl Place) {
    let running = Running::open(&place.url(), &[work("one", "x")]).await;
    let properties = full_properties("a");
    running.publish(Message { properties: properties.clone(), ..message("message.send.late", "") }).await;
    running.close().await;
    let queues = [work("one", "x"), work("late", "message.send.late"), work("record", "message.#")];
    let running = Running::open(&place.url(), &queues).await;
    let replay = Order { place: At::Unrouted, ..order(AT_ONCE) };
    assert_eq!(running.work(&replay).await.0, [("a".to_owned(), Outcome::Replayed)]);
    for queue in ["late", "record"] {
        let mut taken = running.take(queue, 1).await.remove(0);
        assert!(taken.properties.headers.remove(REPLAYED_AT).is_some());
        assert_eq!((taken.routing_key.as_str(), &taken.properties), ("message.send.late", &properties));
    }
    running.reaches_depth("tropomq.unrouted", 0).await;
    running.close().await;
}
