//! `default`: answers whatever no other application answered.

use protocol::Phase;

use crate::application::{Application, Known, Said, Text};
use crate::config::{ConfigError, DefaultAnswer};
use crate::template::Template;

pub(super) const NAME: &str = "default";

#[derive(Debug)]
pub(super) struct Default {
    reply: Template,
}

impl Default {
    pub(super) fn new(config: &DefaultAnswer) -> Result<Self, ConfigError> {
        let reply = Template::new::<&str>(&config.reply, &[]);
        Ok(Self { reply: reply.map_err(|error| ConfigError::of_key("router.default.reply", error.to_string()))? })
    }
}

impl Application for Default {
    fn name(&self) -> &str {
        NAME
    }

    fn phases(&self) -> &[Phase] {
        &[Phase::Default]
    }

    fn default(&self, text: &Text, _known: &Known) -> Said {
        Said::reply(self.reply.fill(text, |_| None))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applications::text;

    #[test]
    fn whatever_comes_is_answered_with_the_same() {
        let config = |reply: &str| DefaultAnswer { reply: reply.parse().unwrap() };
        let default = Default::new(&config("Sorry, what is \"{text}\"?")).unwrap();
        let said = Application::default(&default, &text("this"), &Known::default());
        assert_eq!(said, Said::reply("Sorry, what is \"this\"?".parse().unwrap()));
        let refused = Default::new(&config(" ")).unwrap_err().to_string();
        assert!(refused.starts_with("router.default.reply: is empty"), "{refused}");
    }
}
