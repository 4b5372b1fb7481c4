//! The applications that are configured, by their names.

mod default;
mod echo;
mod keyword;
mod subscription;

use std::sync::Arc;

use protocol::BackendName;

use crate::amqp::AmqpApplication;
use crate::application::Application;
use crate::config::{Config, ConfigError};
use crate::http::HttpApplication;
use crate::participant::{InProcess, Participant};
use crate::rapidsms::{Projects, RapidSms};

/// The names that the applications of the house have.
const BUILT_IN: [&str; 4] = [subscription::NAME, echo::NAME, keyword::NAME, default::NAME];

/// The configured applications, in their order.
pub(crate) fn from_config(config: &Config, projects: &Projects) -> Result<Vec<Arc<dyn Participant>>, ConfigError> {
    let mut applications: Vec<Arc<dyn Participant>> = Vec::new();
    for name in &config.applications {
        let application = named(name, config, projects)?;
        if applications.iter().any(|earlier| earlier.name() == application.name()) {
            return Err(ConfigError::Repeated { name: name.clone() });
        }
        if application.name() == subscription::NAME && !applications.is_empty() {
            return Err(ConfigError::SubscriptionNotFirst);
        }
        applications.push(application);
    }
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
    if BUILT_IN.contains(&name.as_str()) {
        return Err(ConfigError::NameTaken { table, name: name.clone() });
    }
    if !config.applications.iter().any(|listed| listed == name.as_str()) {
        return Err(ConfigError::NotListed { table, name: name.clone() });
    }
    Ok(())
}

fn named(name: &str, config: &Config, projects: &Projects) -> Result<Arc<dyn Participant>, ConfigError> {
    Ok(match name {
        echo::NAME => in_process(echo::Echo),
        keyword::NAME => in_process(keyword::Keyword::new(&config.keyword)?),
        default::NAME => in_process(default::Default::new(&config.default)?),
        subscription::NAME => in_process(subscription::Subscription::new(&config.subscription)?),
        _ => return elsewhere(name, config, projects),
    })
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
    Ok(in_process(AmqpApplication::new(named, amqp)))
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
        notes: std::collections::BTreeMap::new(),
        now: at,
    }
}
