//! Messages that somebody wants sent, and texts as any number, for trying.
//!
//! Invariant: what is answered with an id is confirmed by the bus. Whoever asks again with the same key gets the same
//! message, which is sent once.

mod wanted;

use std::time::Duration;

use futures::{StreamExt, stream};
use messaging::{Outgoing, PublishError};
use protocol::{
    Address, BackendName, Envelope, Event, EventId, EventType, Head, Kind, MessageReceived, MessageSend, MessageText,
    Network, SessionId,
};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use sha2::{Digest, Sha256};
use store::{Request, Requested};
use utoipa::ToSchema;

use crate::acts::IDS_MAX;
use crate::guard::{Caller, Scope};
use crate::problem::Problem;
use crate::simulated::Texting;
use crate::{Backend, Console};
pub use wanted::{TextWanted, Wanted, Way};

/// What the id of a session begins with that is not Tropo's: of a text that was put straight into the bus.
pub(crate) const OWN_SESSION: &str = "console-";

/// The longest wait for the bus to confirm, whether one message or many.
const CONFIRM_MAX: Duration = Duration::from_secs(5);

/// The longest wait for a bus that was lost a moment ago, or is not connected yet.
const ABSENCE_MAX: Duration = Duration::from_secs(3);

/// The longest wait for all of many.
const CONFIRM_ALL_MAX: Duration = Duration::from_secs(20);

/// How many of many are on their way to the bus at once.
const AT_ONCE: usize = 64;

/// How many messages may be asked for at once.
pub(crate) const BULK_MAX: usize = 1000;

/// What is said where nobody confirmed a message.
const NOT_CONFIRMED: &str =
    "nobody confirmed it, so it may or may not be sent: ask again with the same id or Idempotency-Key";

/// The same of a text, which comes in twice where it is sent twice.
const TEXT_NOT_CONFIRMED: &str =
    "nobody confirmed it, so it may or may not come in: look for it among the messages before it is sent again";

/// The name of the act of texting as anybody.
const TEXTS: &str = "texts.send";

/// A message that is on the bus.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Taken {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: EventId,
}

/// What became of one of many.
#[derive(Serialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub(crate) enum TakenOrNot {
    /// It is on the bus, with this id.
    #[schema(value_type = String, format = Uuid)]
    Id(EventId),
    /// It is not, or nobody knows.
    Problem(Problem),
}

/// A text that is on its way.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Texted {
    /// Its id.
    #[schema(value_type = String, format = Uuid)]
    pub id: EventId,
    /// The session that carries it.
    #[schema(value_type = String)]
    pub session_id: SessionId,
}

impl Console {
    /// Has a message sent. `key`: whoever asks again with the same gets the same message.
    ///
    /// # Errors
    /// What is wrong with it, or that nobody confirmed it.
    pub(crate) async fn send(&self, caller: &Caller, wanted: Wanted, key: Option<&str>) -> Result<Taken, Problem> {
        caller.may(Scope::Send)?;
        let message = self.prepare(caller, wanted, key).await?;
        self.note_sends(caller, &[message.head.id]).await;
        self.until_the_bus_is_back().await;
        self.publish(&Outgoing::new(&message), NOT_CONFIRMED).await?;
        Ok(Taken { id: message.head.id })
    }

    /// The message that is wanted.
    async fn prepare(
        &self,
        caller: &Caller,
        wanted: Wanted,
        key: Option<&str>,
    ) -> Result<Envelope<MessageSend>, Problem> {
        self.backend(&wanted.backend)?;
        let time = self.environment.now();
        let data = wanted.message(time);
        data.sendable().map_err(|error| Problem::unprocessable(error.to_string()))?;
        let id = self.id_of(caller, &wanted, key).await?;
        let event_type = EventType { kind: MessageSend::KIND, version: MessageSend::VERSION };
        let head = Head { id, event_type, backend: wanted.backend, correlation_id: None, causation_id: None, time };
        Ok(Envelope { head, data })
    }

    /// Takes note that somebody is about to have these messages sent.
    async fn note_sends(&self, caller: &Caller, ids: &[EventId]) {
        let some: Vec<&EventId> = ids.iter().take(IDS_MAX).collect();
        self.put_on_record(caller, "messages.send", &json!({ "count": ids.len(), "ids": some })).await;
    }

    /// Has many messages sent, and says of each what became of it, in their order. Of each, `key` is told apart by its
    /// place.
    ///
    /// # Errors
    /// The caller may not, or there are too many: then nothing is sent.
    pub(crate) async fn send_all(
        &self,
        caller: &Caller,
        wanted: Vec<Value>,
        key: Option<&str>,
    ) -> Result<Vec<TakenOrNot>, Problem> {
        caller.may(Scope::Send)?;
        if BULK_MAX < wanted.len() {
            return Err(Problem::unprocessable(format!("messages: at most {BULK_MAX} at once")));
        }
        let until = tokio::time::Instant::now() + CONFIRM_ALL_MAX;
        let preparing = wanted.into_iter().enumerate().map(|(place, wanted)| async move {
            let key = key.map(|key| format!("{key}\n{place}"));
            let preparing = async {
                let wanted = Wanted::read(wanted)?;
                self.prepare(caller, wanted, key.as_deref()).await
            };
            let late = || Problem::not_kept("it is not sent: the database does not answer in time: ask again", false);
            tokio::time::timeout_at(until, preparing).await.unwrap_or_else(|_| Err(late()))
        });
        let prepared: Vec<_> = stream::iter(preparing).buffered(AT_ONCE).collect().await;
        let ids: Vec<EventId> = prepared.iter().flatten().map(|message| message.head.id).collect();
        if !ids.is_empty() {
            self.note_sends(caller, &ids).await;
            self.until_the_bus_is_back().await;
        }
        let sending = prepared.into_iter().map(|message| async move {
            let message = match message {
                Ok(message) => message,
                Err(problem) => return TakenOrNot::Problem(problem),
            };
            match tokio::time::timeout_at(until, self.publish(&Outgoing::new(&message), NOT_CONFIRMED)).await {
                Ok(Ok(())) => TakenOrNot::Id(message.head.id),
                Ok(Err(problem)) => TakenOrNot::Problem(problem),
                Err(_) => TakenOrNot::Problem(Problem::not_kept(NOT_CONFIRMED, true)),
            }
        });
        Ok(stream::iter(sending).buffered(AT_ONCE).collect().await)
    }

    /// Texts one of our numbers as anybody.
    ///
    /// # Errors
    /// What is wrong with it, or that nobody took it.
    pub(crate) async fn text(&self, caller: &Caller, wanted: TextWanted) -> Result<Texted, Problem> {
        caller.may(Scope::Send)?;
        let TextWanted { backend, from, text, network, way } = wanted;
        let number = self.backend(&backend)?.number.clone();
        if !from.is_reachable_on(&network) {
            let told = "from: nobody who can be answered: write a telephone number with its country code";
            return Err(Problem::unprocessable(told));
        }
        if text.as_str().trim().is_empty() {
            return Err(Problem::unprocessable("text: there is nothing in it"));
        }
        let session_id = match way {
            Way::Simulator => {
                let told = "there is no simulator: set console.simulator, or go straight into the bus";
                let simulated = self.simulated.as_ref().ok_or_else(|| Problem::unprocessable(told))?;
                self.put_on_record(caller, TEXTS, &json!({ "backend": backend, "way": "simulator" })).await;
                let texted = simulated.text(&from, &Texting { to: number, text, network }).await?;
                let told = "the simulator has no application with the number of this backend: the text went to a phone";
                texted.session_id.ok_or_else(|| Problem::unprocessable(told))?
            }
            Way::Bus => self.put_on_the_bus(caller, &backend, from, number, text, network).await?,
        };
        let id = EventId::of_webhook(&backend, &session_id, Kind::MessageReceived, "");
        Ok(Texted { id, session_id })
    }

    /// A text as ingress publishes it, in a session of our own making.
    async fn put_on_the_bus(
        &self,
        caller: &Caller,
        backend: &BackendName,
        from: Address,
        number: Address,
        text: MessageText,
        network: Network,
    ) -> Result<SessionId, Problem> {
        let session = format!("{OWN_SESSION}{}", self.environment.chance.uuid().simple());
        let session_id: SessionId = session.parse().map_err(|_| Problem::unprocessable("the session has no id"))?;
        let id = EventId::of_webhook(backend, &session_id, Kind::MessageReceived, "");
        let data = MessageReceived { session_id: session_id.clone(), from, to: Some(number), text, network };
        let time = self.environment.now();
        let text = Envelope::of_webhook(id, backend.clone(), session_id.clone(), time, data);
        self.put_on_record(caller, TEXTS, &json!({ "backend": backend, "way": "bus", "id": id })).await;
        self.until_the_bus_is_back().await;
        self.publish(&Outgoing::new(&text), TEXT_NOT_CONFIRMED).await?;
        Ok(session_id)
    }

    /// A backend that is configured.
    ///
    /// # Errors
    /// 422: there is none of this name, or it is for the flow probe alone.
    pub(crate) fn backend(&self, name: &BackendName) -> Result<&Backend, Problem> {
        if self.is_for_the_probe(name) {
            let told = format!("backend: {name} is for the flow probe alone, which answers nobody else");
            return Err(Problem::unprocessable(told));
        }
        let known = self.backends.get(name);
        known.ok_or_else(|| Problem::unprocessable(format!("backend: there is no backend {name}")))
    }

    /// The id of a message: its own, or one that follows from the key, or a fresh one.
    async fn id_of(&self, caller: &Caller, wanted: &Wanted, key: Option<&str>) -> Result<EventId, Problem> {
        let fresh = || EventId::from(self.environment.chance.uuid());
        let Some(key) = key else { return Ok(wanted.id.unwrap_or_else(fresh)) };
        // A line break stands in no header and in no name.
        let key = Sha256::digest(format!("{}\n{key}", caller.name)).into();
        let content = Sha256::digest(wanted.written()).into();
        let id = wanted.id.unwrap_or_else(fresh);
        let request = Request { key, content, id, at: self.environment.now() };
        match self.database()?.desk.request(&request).await? {
            Requested::First => Ok(id),
            // It is published once more: whoever asked first may have had no answer because it was not.
            Requested::Again(id) => Ok(id),
            Requested::Other => {
                Err(Problem::unprocessable("Idempotency-Key: another message was asked for with it: take a fresh one"))
            }
        }
    }

    /// Waits over a short absence of the bus: who asks need not notice it. A longer one is told by what is published.
    async fn until_the_bus_is_back(&self) {
        let _ = messaging::until_it_publishes(&*self.bus, &self.environment, ABSENCE_MAX).await;
    }

    /// Publishes it. What is said where nobody confirms it differs: not everything can be sent twice.
    async fn publish(&self, message: &Outgoing, not_confirmed: &str) -> Result<(), Problem> {
        match tokio::time::timeout(CONFIRM_MAX, self.publisher.publish(message)).await {
            Ok(Ok(())) => Ok(()),
            Ok(Err(error @ (PublishError::Unavailable(_) | PublishError::Refused | PublishError::NoRoom(_)))) => {
                Err(Problem::not_kept(format!("it is not sent: {error}: ask again"), false))
            }
            Ok(Err(PublishError::Unknown(_))) | Err(_) => Err(Problem::not_kept(not_confirmed, true)),
        }
    }
}
