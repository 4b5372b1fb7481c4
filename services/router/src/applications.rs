//! The applications that are configured, by their names.

mod choices;
mod conversation;
mod default;
mod echo;
mod keyword;

use std::sync::Arc;

use crate::application::Application;
use crate::config::{Config, ConfigError};
use crate::participant::{InProcess, Participant};

/// The configured applications, in their order.
pub(crate) fn from_config(config: &Config) -> Result<Vec<Arc<dyn Participant>>, ConfigError> {
    let mut applications: Vec<Arc<dyn Participant>> = Vec::new();
    for name in &config.applications {
        let application = named(name, config)?;
        if applications.iter().any(|earlier| earlier.name() == application.name()) {
            return Err(ConfigError::Repeated { name: name.clone() });
        }
        applications.push(application);
    }
    Ok(applications)
}

fn named(name: &str, config: &Config) -> Result<Arc<dyn Participant>, ConfigError> {
    Ok(match name {
        echo::NAME => in_process(echo::Echo),
        keyword::NAME => in_process(keyword::Keyword::new(&config.keyword, config.keyword_help.as_ref())?),
        conversation::NAME => in_process(conversation::Conversation::new(&config.conversation)?),
        default::NAME => in_process(default::Default::new(&config.default)?),
        _ => return Err(ConfigError::UnknownApplication { name: name.to_owned() }),
    })
}

fn in_process(application: impl Application + 'static) -> Arc<dyn Participant> {
    Arc::new(InProcess(Box::new(application)))
}

/// A text, for the tests of applications.
#[cfg(test)]
pub(crate) fn text(words: &str) -> crate::application::Text {
    let backend: protocol::BackendName = "story".parse().unwrap();
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
