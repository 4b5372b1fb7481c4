//! The applications that are configured, by their names.

mod choices;
mod conversation;
mod default;
mod echo;
mod group;
#[cfg(test)]
mod guide;
mod keyword;
mod poll;
mod probe;
mod subscription;

use std::collections::BTreeMap;
use std::sync::Arc;

use protocol::BackendName;

use crate::amqp::AmqpApplication;
use crate::application::Application;
use crate::config::{Config, ConfigError};
use crate::http::HttpApplication;
use crate::participant::{InProcess, Participant};
use crate::rapidsms::{Projects, RapidSms};

/// The applications of the house: the name of each, and how it is made of the configuration.
const BUILT_IN: &[(&str, Make)] = &[
    (subscription::NAME, |config| one(subscription::Subscription::new(&config.subscription)?)),
    (conversation::NAME, |config| configured(&config.conversation, conversation::Conversation::new)),
    (poll::NAME, |config| Ok(poll::Poll::all(&config.poll)?.into_iter().map(in_process).collect())),
    (group::NAME, |config| configured(&config.group, group::Groups::new)),
    (echo::NAME, |_| one(echo::Echo)),
    (keyword::NAME, |config| one(keyword::Keyword::new(&config.keyword, config.keyword_help.as_ref())?)),
    (default::NAME, |config| one(default::Default::new(&config.default)?)),
];

/// Makes the applications that a name in the list stands for.
type Make = fn(&Config) -> Made;

/// These applications.
type Made = Result<Vec<Arc<dyn Participant>>, ConfigError>;

/// The names that the applications of the house have.
pub fn built_in() -> impl Iterator<Item = &'static str> {
    BUILT_IN.iter().map(|(name, _)| *name)
}

/// The configured applications, in their order.
pub(crate) fn from_config(config: &Config, projects: &Projects) -> Result<Vec<Arc<dyn Participant>>, ConfigError> {
    let mut applications: Vec<Arc<dyn Participant>> = Vec::new();
    for (at, name) in config.applications.iter().enumerate() {
        if config.applications.iter().take(at).any(|earlier| earlier == name) {
            return Err(ConfigError::Repeated { name: name.clone() });
        }
        if name == subscription::NAME && 0 < at {
            return Err(ConfigError::SubscriptionNotFirst);
        }
        applications.extend(named(name, config, projects)?);
    }
    let tables = [
        (conversation::NAME, config.conversation.is_empty()),
        (poll::NAME, config.poll.is_empty()),
        (group::NAME, config.group.is_empty()),
        (keyword::NAME, config.keyword.is_empty() && config.keyword_help.is_none()),
    ];
    let is_listed = |name: &str| config.applications.iter().any(|listed| listed == name);
    if let Some((name, _)) = tables.into_iter().find(|(name, is_empty)| !is_empty && !is_listed(name)) {
        let told = "is for an application that is not among router.applications: add it there, in its place, or remove the table";
        let is_help = name == keyword::NAME && config.keyword.is_empty();
        return Err(ConfigError::of_key(format!("router.{name}{}", if is_help { "_help" } else { "" }), told));
    }
    if is_listed(subscription::NAME) {
        check_awaited(config)?;
    }
    check_timeouts(config)?;
    for name in config.http.keys() {
        check_name("http", name, config)?;
    }
    for name in config.amqp.keys() {
        check_name("amqp", name, config)?;
        if config.http.contains_key(name) {
            return Err(ConfigError::NameTaken { table: "amqp", name: name.clone() });
        }
    }
    for name in config.rapidsms.keys() {
        check_name("rapidsms", name, config)?;
        if config.http.contains_key(name) || config.amqp.contains_key(name) {
            return Err(ConfigError::NameTaken { table: "rapidsms", name: name.clone() });
        }
    }
    Ok(applications)
}

/// Whether the name of a table stands for that table alone, and is asked.
fn check_name(table: &'static str, name: &BackendName, config: &Config) -> Result<(), ConfigError> {
    if built_in().any(|built_in| built_in == name.as_str()) {
        return Err(ConfigError::NameTaken { table, name: name.clone() });
    }
    if !config.applications.iter().any(|listed| listed == name.as_str()) {
        return Err(ConfigError::NotListed { table, name: name.clone() });
    }
    Ok(())
}

/// Whether no rule waits for words that reach nobody but `subscription`.
fn check_awaited(config: &Config) -> Result<(), ConfigError> {
    let subscription = subscription::Subscription::new(&config.subscription)?;
    match config.awaited().into_iter().find(|(_, word)| subscription.claims(word)) {
        Some((key, word)) => {
            let told = format!("{word:?} is a word of router.subscription, and would not come here: choose another");
            Err(ConfigError::of_key(key, told))
        }
        None => Ok(()),
    }
}

/// Whether no dialogue is waited for longer than it is remembered.
fn check_timeouts(config: &Config) -> Result<(), ConfigError> {
    for (name, dialogue) in &config.conversation {
        if dialogue.timeout.is_zero() || config.retention < dialogue.timeout {
            let told = "must be more than 0s, and at most router.retention: what is forgotten cannot be gone on with";
            return Err(ConfigError::of_key(format!("router.conversation.{name}.timeout"), told));
        }
    }
    Ok(())
}

fn named(name: &str, config: &Config, projects: &Projects) -> Made {
    if let Some((_, make)) = BUILT_IN.iter().find(|(built_in, _)| *built_in == name) {
        return make(config);
    }
    Ok(vec![elsewhere(name, config, projects)?])
}

fn one(application: impl Application + 'static) -> Made {
    Ok(vec![in_process(application)])
}

/// The application of a table; none, where the table is empty: it would only be asked in vain.
fn configured<T, A: Application + 'static>(
    table: &BTreeMap<String, T>,
    application: fn(&BTreeMap<String, T>) -> Result<A, ConfigError>,
) -> Made {
    if table.is_empty() { Ok(Vec::new()) } else { one(application(table)?) }
}

fn elsewhere(name: &str, config: &Config, projects: &Projects) -> Result<Arc<dyn Participant>, ConfigError> {
    let unknown = || ConfigError::UnknownApplication { name: name.to_owned() };
    let named: BackendName = name.parse().map_err(|_| unknown())?;
    if let Some(http) = config.http.get(&named) {
        return Ok(Arc::new(HttpApplication::new(named, http)?));
    }
    if let Some(project) = config.rapidsms.get(&named) {
        return Ok(Arc::new(RapidSms::new(named, project, projects.in_hand.clone())?));
    }
    let amqp = config.amqp.get(&named).ok_or_else(unknown)?;
    Ok(in_process(AmqpApplication::new(named, amqp)?))
}

/// The application of the flow probe, which no list names.
pub(crate) fn probe() -> Arc<dyn Participant> {
    in_process(probe::Probe)
}

fn in_process(application: impl Application + 'static) -> Arc<dyn Participant> {
    Arc::new(InProcess(Box::new(application)))
}

/// A text, for the tests of applications.
#[cfg(test)]
pub(crate) fn text(words: &str) -> crate::application::Text {
    let backend: BackendName = "story".parse().unwrap();
    let session_id: protocol::SessionId = "9f0c4be1a27d4d7f8a53e6b1c0d92e44".parse().unwrap();
    let at = "2026-03-01T09:30:15Z".parse().unwrap();
    crate::application::Text {
        id: protocol::EventId::of_webhook(&backend, &session_id, protocol::Kind::MessageReceived, ""),
        backend,
        correlation_id: Some(session_id.clone()),
        received_at: at,
        received: protocol::MessageReceived {
            session_id,
            from: "15555550177".parse().unwrap(),
            to: Some("15555550100".parse().unwrap()),
            text: words.parse().unwrap(),
            network: protocol::Network::sms(),
        },
        words: words.parse().unwrap(),
        notes: BTreeMap::new(),
        now: at,
    }
}
