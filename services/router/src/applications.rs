//! The applications that are built in.

mod default;
mod echo;
mod keyword;

use crate::application::Application;
use crate::config::{Config, ConfigError};

/// The configured applications, in their order.
pub(crate) fn from_config(config: &Config) -> Result<Vec<Box<dyn Application>>, ConfigError> {
    let mut applications: Vec<Box<dyn Application>> = Vec::new();
    for name in &config.applications {
        let application: Box<dyn Application> = match name.as_str() {
            echo::NAME => Box::new(echo::Echo),
            keyword::NAME => Box::new(keyword::Keyword::new(&config.keyword)?),
            default::NAME => Box::new(default::Default::new(&config.default)?),
            _ => return Err(ConfigError::UnknownApplication { name: name.clone() }),
        };
        if applications.iter().any(|earlier| earlier.name() == application.name()) {
            return Err(ConfigError::Repeated { name: name.clone() });
        }
        applications.push(application);
    }
    Ok(applications)
}

#[cfg(test)]
pub(crate) fn received(text: &str) -> protocol::MessageReceived {
    protocol::MessageReceived {
        session_id: "9f0c4be1a27d4d7f8a53e6b1c0d92e44".parse().unwrap(),
        from: "15555550177".parse().unwrap(),
        to: Some("15555550100".parse().unwrap()),
        text: text.parse().unwrap(),
        network: protocol::Network::sms(),
    }
}
