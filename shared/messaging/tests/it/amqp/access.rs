//! What the broker refuses until somebody mends it, and what somebody takes away.

use std::sync::Arc;
use std::time::Duration;

use lapin::options::ExchangeDeleteOptions;
use messaging::{
    BusState, BusUrl, Consumer, ConsumerState, Context, Destination, Environment, Handler, Message, Outgoing,
    PublishError, Publisher, RetryPolicy, Settle, consume,
};
use protocol::topology::Topology;
use protocol::{Envelope, MessageReceived};
use testkit::Vhost;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tokio_util::sync::CancellationToken;

use super::OtherClient;
use crate::running::{Place, Running, message, message_to, within, work};

/// The URL of a virtual host for another user.
fn url_for(vhost: &Vhost, user: &str, password: &str) -> BusUrl {
    Vhost::url(vhost).replacen("guest:guest", &format!("{user}:{password}"), 1).parse().unwrap()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn credentials_that_are_mended_later_are_used_then() {
    let vhost = Vhost::fresh();
    let (user, management) = (vhost.name(), vhost.management());
    management.set_password(user, "of old").unwrap();
    management.permit(user, vhost.name(), "").unwrap();
    let topology = Topology { queues: vec![work("one", "#")] };
    let running = Running::start(&url_for(&vhost, user, "of-today"), &topology);
    running.reaches(|state| matches!(state, BusState::Away(reason) if reason.contains("ACCESS_REFUSED"))).await;
    assert!(running.bus.subscribe(&"one".into(), 1).await.is_err());
    management.set_password(user, "of-today").unwrap();
    running.reaches(|state| *state == BusState::Ready).await;
    running.publish(message("x", "a")).await;
    assert_eq!(running.take_ids("one", 1).await, ["a"]);
    running.close().await;
    management.delete_user(user).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_may_not_create_a_queue_keeps_nobody_from_creating_theirs() {
    let vhost = Vhost::fresh();
    let (user, management) = (vhost.name(), vhost.management());
    management.set_password(user, "secret").unwrap();
    management.permit(user, vhost.name(), "tropomq").unwrap();
    let topology = Topology { queues: vec![work("one", "#")] };
    let refused = Running::start(&url_for(&vhost, user, "secret"), &topology);
    refused.reaches(|state| matches!(state, BusState::Away(reason) if reason.contains("queue one"))).await;
    assert!(refused.bus.subscribe(&"one".into(), 1).await.is_err());
    let asking = async {
        loop {
            assert!(refused.bus.subscribe(&"one".into(), 1).await.is_err());
        }
    };
    let other = async {
        let running = Running::open(&Place::url(&vhost), &[work("two", "#")]).await;
        running.publish(message("x", "a")).await;
        assert_eq!(running.take_ids("two", 1).await, ["a"]);
        running.close().await;
    };
    tokio::select! {
        () = asking => {}
        () = within("the other is ready while this one is refused", other) => {}
    }
    refused.close().await;
    management.delete_user(user).unwrap();
}

/// Does nothing.
struct Idle;

#[derive(Debug, thiserror::Error)]
#[error("it does nothing, and so nothing fails")]
struct Never;

impl Settle for Never {
    fn disposition(&self) -> messaging::Disposition {
        messaging::Disposition::Drop
    }
}

impl Handler for Idle {
    type Event = MessageReceived;
    type Error = Never;

    async fn handle(&self, _: Envelope<MessageReceived>, _: &Context) -> Result<Vec<Outgoing>, Never> {
        Ok(Vec::new())
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_consumer_tells_that_it_cannot_have_its_queue_and_that_it_has_it_again() {
    let vhost = Vhost::fresh();
    let (user, management) = (vhost.name(), vhost.management());
    management.set_password(user, "secret").unwrap();
    management.permit(user, vhost.name(), "").unwrap();
    let running = Running::open(&url_for(&vhost, user, "secret"), &[work("one", "#")]).await;
    // It may use the exchanges, and not its queue.
    management.permit(user, vhost.name(), "tropomq").unwrap();
    let (told, mut state) = watch::channel(None);
    let consumer = Consumer {
        queue: "one".into(),
        prefetch: 1,
        retry: RetryPolicy { first: Duration::ZERO, longest: Duration::ZERO, attempts_max: None },
        ordered: false,
        share: None,
        drain: Duration::ZERO,
    };
    let (publisher, shutdown) = (Publisher::new(Arc::clone(&running.bus), "test"), CancellationToken::new());
    let tell = move |state| drop(told.send_replace(Some(state)));
    let environment = Environment::system();
    let mut consuming = JoinSet::new();
    consuming.spawn(consume(publisher, consumer, Arc::new(Idle), environment, shutdown.clone(), tell));
    let refused = |state: &Option<ConsumerState>| matches!(state, Some(ConsumerState::Waiting(why)) if why.contains("one") && why.contains("ACCESS_REFUSED"));
    within("a refusal", state.wait_for(refused)).await.unwrap();
    // The bus itself is as ready as ever.
    assert_eq!(*running.bus.state().borrow(), BusState::Ready);
    management.permit(user, vhost.name(), "").unwrap();
    let subscribed = |state: &Option<ConsumerState>| *state == Some(ConsumerState::Subscribed);
    within("a subscription", state.wait_for(subscribed)).await.unwrap();
    // Deleted under its consumer, the queue comes back with it.
    OtherClient::connect(Vhost::url(&vhost)).await.delete("one").await;
    let ended =
        |state: &Option<ConsumerState>| matches!(state, Some(ConsumerState::Waiting(why)) if why.contains("one"));
    within("the end of the subscription", state.wait_for(ended)).await.unwrap();
    within("another subscription", state.wait_for(subscribed)).await.unwrap();
    shutdown.cancel();
    within("the consumer ends", consuming.join_all()).await;
    running.close().await;
    management.delete_user(user).unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_deleted_exchange_comes_back_with_its_bindings() {
    let vhost = Vhost::fresh();
    let other = OtherClient::connect(Vhost::url(&vhost)).await;
    let running = Running::open(&Place::url(&vhost), &[work("one", "#")]).await;
    other.channel.exchange_delete("tropomq".into(), ExchangeDeleteOptions::default()).await.unwrap();
    // It is the end of the channel that it was published on: whether others were kept is not known.
    let unknown = within("an answer", running.bus.publish(message("x", "a"))).await.unwrap_err();
    assert!(matches!(unknown, PublishError::Unknown(_)), "{unknown}");
    running.reaches(|state| matches!(state, BusState::Away(reason) if reason.contains("NOT_FOUND"))).await;
    running.reaches(|state| *state == BusState::Ready).await;
    running.publish(message("x", "b")).await;
    assert_eq!(running.take_ids("one", 1).await, ["b"]);
    running.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_goes_to_a_deleted_queue_that_nobody_consumes_is_unrouted_and_not_lost() {
    let vhost = Vhost::fresh();
    let other = OtherClient::connect(Vhost::url(&vhost)).await;
    let running = Running::open(&Place::url(&vhost), &[work("one", "#")]).await;
    for queue in ["tropomq.retry.100ms", "tropomq.dead"] {
        other.delete(queue).await;
    }
    let delayed = Destination::Delayed { queue: "one".into(), delay: Duration::from_millis(100) };
    let dead = Message { destination: Destination::Dead, ..message("x", "dead") };
    for published in [message_to(delayed, "delayed"), dead] {
        running.publish(published).await;
    }
    let mut kept = running.take_ids("tropomq.unrouted", 2).await;
    kept.sort_unstable();
    assert_eq!(kept, ["dead", "delayed"]);
    running.close().await;
}
