//! What the product has on record about answers that did not reach their phone: ledger, dead letters, journal.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use messaging::{Bus, BusUrl, Environment, Opened};
use protocol::topology::{Lane, QueueName, Topology};
use protocol::{BackendName, Envelope, EventId, Kind, SessionId};
use store::{Ledger, Outcome};

use super::account::End;
use super::config::BACKEND;

/// How long the bus may take to be there.
const BUS_TIMEOUT: Duration = Duration::from_secs(30);

/// A queue that hands out nothing for so long is empty.
const EMPTY_AFTER: Duration = Duration::from_secs(2);

/// How many messages are looked up in the ledger at once.
const LOOK_UP_MAX: usize = 500;

/// How many messages a queue hands out at once.
const PREFETCH: u16 = 1000;

/// The message that answers the text of a session. Its id is derived, so it is known before there is one.
pub(super) fn answer_to(session: &SessionId) -> anyhow::Result<EventId> {
    let backend: BackendName = BACKEND.parse().context("the name of the backend")?;
    let received = EventId::of_webhook(&backend, session, Kind::MessageReceived, "");
    Ok(received.derive(Kind::MessageSend, 0))
}

/// Those of these messages that were released, and their outcome where there is one.
///
/// # Errors
/// The ledger does not answer.
pub(super) async fn releases(
    ledger: &dyn Ledger,
    messages: &[EventId],
) -> anyhow::Result<HashMap<EventId, Option<Outcome>>> {
    let mut releases = HashMap::new();
    for some in messages.chunks(LOOK_UP_MAX) {
        let found = ledger.find(some).await.context("ask the release ledger")?;
        releases.extend(found.into_iter().map(|release| (release.message_id, release.outcome)));
    }
    Ok(releases)
}

/// How a message ended that did not end well: by its release, if it was released, and by what the bus has of it.
pub(super) fn end_of(release: Option<Option<Outcome>>, on_bus: Option<End>) -> Option<End> {
    match (release, on_bus) {
        (Some(Some(Outcome::Unconfirmed)), _) => Some(End::Unconfirmed),
        (Some(Some(Outcome::Failed)), _) => Some(End::Failed),
        // No trouble on the way explains that the phone does not have it.
        (Some(Some(Outcome::Sent | Outcome::Delivered)), _) => None,
        // A session was handed it before the command, or what told of it, was given up.
        (Some(None), Some(End::Dead)) => Some(End::Unconfirmed),
        (Some(None) | None, on_bus) => on_bus,
    }
}

/// What waits for router and egress, and what stands in the dead letters, in what no queue was bound for, and in the
/// journal, by conversation. Takes it off these queues; no service may run any more.
///
/// # Errors
/// The bus cannot be read.
pub(super) async fn on_bus(url: &str) -> anyhow::Result<HashMap<SessionId, End>> {
    let url: BusUrl = url.parse().context("the URL of the bus")?;
    let backend: BackendName = BACKEND.parse().context("the name of the backend")?;
    let lane = QueueName::lane(&backend);
    let topology = Topology::new(&[Lane { backend, single_active_consumer: false }]);
    let Opened { bus, driver } = messaging::open(&url, topology).context("open the bus")?;
    let read_and_closed = async {
        let read = read(&bus, lane).await;
        bus.close().await;
        read
    };
    let (read, ()) = tokio::join!(read_and_closed, driver);
    read
}

async fn read(bus: &Arc<dyn Bus>, lane: QueueName) -> anyhow::Result<HashMap<SessionId, End>> {
    messaging::until_it_publishes(&**bus, &Environment::system(), BUS_TIMEOUT).await?;
    let mut ends = HashMap::new();
    let waiting: EndOf = |_| Some(End::Waiting);
    let work = QueueName::texts().chain([lane]).map(|queue| (queue, waiting));
    // What the journal says stands last: it names the end.
    let told: [(_, EndOf); 3] =
        [(QueueName::dead(), given_up), (QueueName::unrouted(), given_up), (QueueName::journal(), end)];
    for (queue, end_of) in work.chain(told) {
        let mut subscription = bus.subscribe(&queue, PREFETCH).await?;
        while let Ok(delivery) = tokio::time::timeout(EMPTY_AFTER, subscription.next()).await {
            let delivery = delivery.with_context(|| format!("{queue} ended while it was read"))?;
            if let Ok(Envelope { head, .. }) = Envelope::any_from_body(&delivery.body)
                && let (Some(session), Some(end)) = (head.correlation_id, end_of(head.event_type.kind))
            {
                ends.insert(session, end);
            }
            delivery.settler.ack().await;
        }
    }
    Ok(ends)
}

/// What an event of a queue says about the end of its answer.
type EndOf = fn(Kind) -> Option<End>;

/// The end of an event that nobody takes any more: that of its answer, if there is none yet.
fn given_up(kind: Kind) -> Option<End> {
    matches!(kind, Kind::MessageReceived | Kind::MessageSend).then_some(End::Dead)
}

/// The end that an event tells.
fn end(kind: Kind) -> Option<End> {
    match kind {
        Kind::MessageUnconfirmed => Some(End::Unconfirmed),
        Kind::MessageFailed | Kind::MessageSuppressed => Some(End::Failed),
        Kind::MessageExpired => Some(End::Expired),
        Kind::MessageReceived
        | Kind::MessageRouted
        | Kind::MessageOffered
        | Kind::MessageSend
        | Kind::MessageLaunched
        | Kind::MessageDelayed
        | Kind::MessageReleased
        | Kind::MessageSent
        | Kind::MessageDelivered
        | Kind::SessionResult
        | Kind::DeliveryReported
        | Kind::SessionIgnored => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_answer_to_a_text_is_known_by_its_session() {
        let session: SessionId = "5d1c3b0a".parse().unwrap();
        let backend: BackendName = BACKEND.parse().unwrap();
        let received = EventId::of_webhook(&backend, &session, Kind::MessageReceived, "");
        assert_eq!(answer_to(&session).unwrap(), received.derive(Kind::MessageSend, 0));
    }

    #[test]
    fn what_was_released_and_has_no_result_is_unconfirmed_and_not_given_up() {
        for on_bus in [None, Some(End::Dead), Some(End::Unconfirmed)] {
            assert_eq!(end_of(None, on_bus), on_bus);
            assert_eq!(end_of(Some(Some(Outcome::Failed)), on_bus), Some(End::Failed));
            assert_eq!(end_of(Some(Some(Outcome::Unconfirmed)), on_bus), Some(End::Unconfirmed));
            assert_eq!(end_of(Some(Some(Outcome::Sent)), on_bus), None, "the phone should have it");
        }
        assert_eq!(end_of(Some(None), Some(End::Dead)), Some(End::Unconfirmed));
        assert_eq!(end_of(Some(None), Some(End::Waiting)), Some(End::Waiting));
        assert_eq!(end_of(Some(None), None), None);
    }

    #[test]
    fn only_an_event_that_tells_a_bad_end_is_one() {
        let ends: Vec<Kind> = Kind::ALL.into_iter().filter(|kind| end(*kind).is_some()).collect();
        assert_eq!(ends.len(), 4, "{ends:?}");
        assert_eq!(end(Kind::MessageSent), None);
        assert_eq!(given_up(Kind::MessageSend), Some(End::Dead));
        assert_eq!(given_up(Kind::SessionResult), None, "it says nothing about an answer that did not arrive");
    }
}
