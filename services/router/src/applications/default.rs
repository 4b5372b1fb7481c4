//! `default`: answers whatever no other application answered.

use protocol::{MessageReceived, MessageText};

use crate::application::{Answer, Application};
use crate::config::{ConfigError, DefaultAnswer};

pub(super) const NAME: &str = "default";

#[derive(Debug)]
pub(super) struct Default {
    reply: MessageText,
}

impl Default {
    pub(super) fn new(config: &DefaultAnswer) -> Result<Self, ConfigError> {
        if config.reply.as_str().trim().is_empty() {
            return Err(ConfigError::EmptyReply { key: "router.default.reply".to_owned() });
        }
        Ok(Self { reply: config.reply.clone() })
    }
}

impl Application for Default {
    fn name(&self) -> &'static str {
        NAME
    }

    fn answer(&self, _message: &MessageReceived) -> Answer {
        Answer::Reply(vec![self.reply.clone()])
    }
}
