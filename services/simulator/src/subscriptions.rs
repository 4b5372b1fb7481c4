//! Who wants to be told what became of texts (Tropo WebAPI: webhooks).

use std::collections::BTreeMap;
use std::fmt;
use std::sync::{PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};
use url::Url;

use crate::application::is_http;
use crate::changes::Changes;

/// How many there may be.
const SUBSCRIPTIONS_MAX: usize = 1000;

/// The longest name, in bytes.
const NAME_BYTES_MAX: usize = 200;

/// The longest payload, in bytes of JSON.
const PAYLOAD_BYTES_MAX: usize = 16 * 1024;

/// How deep it may be nested: what reads it has an end.
const PAYLOAD_DEPTH_MAX: usize = 32;

/// What is told.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub(crate) enum Event {
    /// What became of a text that an application sent.
    #[serde(rename = "smsdlr")]
    Delivery,
    /// The record of a text, either way.
    #[serde(rename = "cdrCreated")]
    Created,
    /// The same with its price.
    #[serde(rename = "cdrRated")]
    Rated,
}

impl Event {
    /// Its name.
    pub(crate) fn as_str(self) -> &'static str {
        match self {
            Self::Delivery => "smsdlr",
            Self::Created => "cdrCreated",
            Self::Rated => "cdrRated",
        }
    }
}

/// What somebody wants to be told, and where.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub(crate) struct Subscription {
    pub(crate) event: Event,
    pub(crate) name: String,
    pub(crate) target_url: Url,
    /// What it is about: `call`, `sms`, `transcription`, `all`, or several with commas between.
    pub(crate) resource: String,
    /// What is to be said with each report.
    pub(crate) payload: Option<Map<String, Value>>,
    pub(crate) enabled: bool,
}

/// Shows what is no secret: URL and payload may hold one.
impl fmt::Debug for Subscription {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { event, resource, enabled, .. } = self;
        let mut shown = f.debug_struct("Subscription");
        shown.field("event", event).field("resource", resource).field("enabled", enabled).finish_non_exhaustive()
    }
}

/// Why there cannot be such a subscription.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum SubscriptionError {
    #[error("targetUrl must be an http or https address")]
    Url,
    #[error("resource must be call, sms, transcription or all, or several of them with commas between")]
    Resource,
    #[error("name must have at most {NAME_BYTES_MAX} bytes")]
    Name,
    #[error("payload must have at most {PAYLOAD_BYTES_MAX} bytes")]
    Payload,
    #[error("payload must be nested at most {PAYLOAD_DEPTH_MAX} deep")]
    PayloadDepth,
    #[error("there are {SUBSCRIPTIONS_MAX} webhooks already")]
    TooMany,
}

impl Subscription {
    /// What the `callbackUrl` of a `call` means.
    pub(crate) fn of_call(target_url: Url) -> Self {
        let (event, resource) = (Event::Created, "all".to_owned());
        Self { event, name: "callbackUrl".to_owned(), target_url, resource, payload: None, enabled: true }
    }

    /// Whether it is about texts, the only resource that is simulated.
    pub(crate) fn wants_texts(&self) -> bool {
        self.enabled && self.resource.split(',').any(|word| matches!(word.trim(), "sms" | "all"))
    }

    fn check(&self) -> Result<(), SubscriptionError> {
        if !is_http(&self.target_url) {
            return Err(SubscriptionError::Url);
        }
        let is_resource = |word: &str| matches!(word.trim(), "call" | "sms" | "transcription" | "all");
        if !self.resource.split(',').all(is_resource) {
            return Err(SubscriptionError::Resource);
        }
        if NAME_BYTES_MAX < self.name.len() {
            return Err(SubscriptionError::Name);
        }
        let payload = self.payload.as_ref().map(|payload| serde_json::to_string(payload).map_or(0, |json| json.len()));
        if PAYLOAD_BYTES_MAX < payload.unwrap_or_default() {
            return Err(SubscriptionError::Payload);
        }
        if self.payload.as_ref().is_some_and(|payload| PAYLOAD_DEPTH_MAX <= deepest(payload.values())) {
            return Err(SubscriptionError::PayloadDepth);
        }
        Ok(())
    }
}

/// How deep the deepest of these is nested.
fn deepest<'a>(values: impl Iterator<Item = &'a Value>) -> usize {
    let depth = |value: &Value| match value {
        Value::Array(items) => 1 + deepest(items.iter()),
        Value::Object(members) => 1 + deepest(members.values()),
        Value::Null | Value::Bool(_) | Value::Number(_) | Value::String(_) => 0,
    };
    values.map(depth).max().unwrap_or_default()
}

/// All of them, by their ids.
#[derive(Debug, Default)]
pub(crate) struct Subscriptions {
    listed: RwLock<Listed>,
    changes: Changes,
}

/// The subscriptions as they are kept.
#[derive(Clone, Debug, Default, Serialize, Deserialize)]
pub(crate) struct Listed {
    last_id: u64,
    by_id: BTreeMap<u64, Subscription>,
}

impl Listed {
    /// So many more ids are taken as given.
    pub(crate) fn reserve(&mut self, ids: u64) {
        self.last_id += ids;
    }
}

impl Subscriptions {
    /// Those of an earlier life, if there was one. What becomes of them is told to `changes`.
    pub(crate) fn new(listed: Listed, changes: Changes) -> Self {
        Self { listed: RwLock::new(listed), changes }
    }

    /// Adds one, and gives its id.
    ///
    /// # Errors
    /// [`SubscriptionError`]; then nothing was added.
    pub(crate) fn add(&self, subscription: Subscription) -> Result<u64, SubscriptionError> {
        subscription.check()?;
        let mut listed = self.write();
        if SUBSCRIPTIONS_MAX <= listed.by_id.len() {
            return Err(SubscriptionError::TooMany);
        }
        listed.last_id += 1;
        let id = listed.last_id;
        listed.by_id.insert(id, subscription);
        drop(listed);
        self.changes.made();
        Ok(id)
    }

    /// Removes one; whether it was there.
    pub(crate) fn remove(&self, id: u64) -> bool {
        let removed = self.write().by_id.remove(&id).is_some();
        self.changes.made();
        removed
    }

    pub(crate) fn get(&self, id: u64) -> Option<Subscription> {
        self.read().by_id.get(&id).cloned()
    }

    /// All of them, in order of id.
    pub(crate) fn all(&self) -> Vec<(u64, Subscription)> {
        self.read().by_id.iter().map(|(id, subscription)| (*id, subscription.clone())).collect()
    }

    /// Those that want to be told of a text.
    pub(crate) fn about_texts(&self, event: Event) -> Vec<Subscription> {
        let listed = self.read();
        listed.by_id.values().filter(|one| one.event == event && one.wants_texts()).cloned().collect()
    }

    /// All of them, to be kept.
    pub(crate) fn listed(&self) -> Listed {
        self.read().clone()
    }

    fn read(&self) -> RwLockReadGuard<'_, Listed> {
        self.listed.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Listed> {
        self.listed.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn subscription() -> Subscription {
        Subscription {
            event: Event::Delivery,
            name: "reports".to_owned(),
            target_url: "http://127.0.0.1:9/s3cret".parse().unwrap(),
            resource: "sms".to_owned(),
            payload: None,
            enabled: true,
        }
    }

    #[test]
    fn what_cannot_be_is_refused() {
        let subscriptions = Subscriptions::default();
        let payload = [("k".to_owned(), Value::String("x".repeat(PAYLOAD_BYTES_MAX)))].into_iter().collect();
        let nested = (0..PAYLOAD_DEPTH_MAX).fold(Value::Null, |inner, _| Value::Array(vec![inner]));
        let nested = [("k".to_owned(), nested)].into_iter().collect();
        for (wrong, error) in [
            (Subscription { target_url: "ftp://h/".parse().unwrap(), ..subscription() }, SubscriptionError::Url),
            (Subscription { resource: "sms,fax".to_owned(), ..subscription() }, SubscriptionError::Resource),
            (Subscription { resource: String::new(), ..subscription() }, SubscriptionError::Resource),
            (Subscription { name: "n".repeat(NAME_BYTES_MAX + 1), ..subscription() }, SubscriptionError::Name),
            (Subscription { payload: Some(payload), ..subscription() }, SubscriptionError::Payload),
            (Subscription { payload: Some(nested), ..subscription() }, SubscriptionError::PayloadDepth),
        ] {
            assert_eq!(subscriptions.add(wrong), Err(error));
        }
        assert!(subscriptions.all().is_empty());
    }

    #[test]
    fn only_who_wants_it_is_told() {
        let subscriptions = Subscriptions::default();
        for one in [
            subscription(),
            Subscription { enabled: false, ..subscription() },
            Subscription { resource: "call,transcription".to_owned(), ..subscription() },
            Subscription { resource: "call, sms".to_owned(), ..subscription() },
            Subscription { resource: "all".to_owned(), event: Event::Rated, ..subscription() },
        ] {
            subscriptions.add(one).unwrap();
        }
        let told = [Event::Delivery, Event::Created, Event::Rated].map(|event| subscriptions.about_texts(event).len());
        assert_eq!(told, [2, 0, 1]);
        assert!(subscriptions.remove(1) && !subscriptions.remove(1));
        assert_eq!(subscriptions.about_texts(Event::Delivery).len(), 1);
        assert_eq!(subscriptions.add(subscription()), Ok(6));
    }

    #[test]
    fn debug_shows_no_secret() {
        let shown = format!("{:?}", subscription());
        assert!(!shown.contains("s3cret"), "{shown}");
    }
}
