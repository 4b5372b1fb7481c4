//! `default`: answers whatever no other application answered.

use protocol::{MessageText, Phase};

use crate::application::{Application, Known, Said, Text};
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
    fn name(&self) -> &str {
        NAME
    }

    fn phases(&self) -> &[Phase] {
        &[Phase::Default]
    }

    fn default(&self, _text: &Text, _known: &Known) -> Said {
        Said::reply(self.reply.clone())
    }
}
