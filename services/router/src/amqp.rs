//! Applications on the bus: a text of theirs is handed over to their queue, and they answer when they like.

use protocol::{BackendName, Phase};
use serde::Deserialize;

use crate::application::{Application, Known, Said, Text};
use crate::config::ConfigError;
use crate::matching::{Matching, Takes, Words};

/// `[router.amqp.NAME]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AmqpConfig {
    /// In which phase texts are offered to it.
    pub phase: OfferedIn,
    /// The words that its texts begin with; without them and `pattern`, all texts are its.
    pub words: Vec<String>,
    /// A regular expression that matches all of a text that is its.
    pub pattern: Option<String>,
}

/// In which phase an application on the bus takes texts.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Default, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum OfferedIn {
    /// In its turn.
    #[default]
    Handle,
    /// Where no application took the text in phase `handle`.
    Default,
}

/// An application on the bus. It takes the texts that come to it and are its.
///
/// The hand-over is the end of the router's work: whether, when and how often it answers is its own.
#[derive(Debug)]
pub(crate) struct AmqpApplication {
    name: BackendName,
    phase: Phase,
    matching: Matching,
}

impl AmqpApplication {
    /// # Errors
    /// [`ConfigError`] names the key that is wrong.
    pub(crate) fn new(name: BackendName, config: &AmqpConfig) -> Result<Self, ConfigError> {
        let AmqpConfig { words, pattern, .. } = config;
        let matching = Matching::new(Takes { words, pattern: pattern.as_deref(), ..Takes::default() });
        let matching = matching
            .map_err(|error| ConfigError::of_key(format!("router.amqp.{name}.{}", error.key()), error.to_string()))?;
        let phase = match config.phase {
            OfferedIn::Handle => Phase::Handle,
            OfferedIn::Default => Phase::Default,
        };
        Ok(Self { name, phase, matching })
    }

    fn offered(&self, text: &Text) -> Said {
        let is_its = self.matching.take(&Words::of(text.words.as_str())).is_some();
        if is_its { Said { offered: true, ..Said::take() }.because("handed over") } else { Said::pass() }
    }
}

impl Application for AmqpApplication {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn phases(&self) -> &[Phase] {
        std::slice::from_ref(&self.phase)
    }

    fn handle(&self, text: &Text, _known: &Known) -> Said {
        self.offered(text)
    }

    fn default(&self, text: &Text, _known: &Known) -> Said {
        self.offered(text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applications::text;

    #[track_caller]
    fn check(config: &str, expected: Phase) {
        let config: AmqpConfig = serde_json::from_str(config).unwrap();
        let application = AmqpApplication::new("weather".parse().unwrap(), &config).unwrap();
        assert_eq!((application.name(), application.phases()), ("weather", [expected].as_slice()));
        let (text, known) = (text("sunny?"), Known::default());
        for said in [application.handle(&text, &known), application.default(&text, &known)] {
            assert!(said.takes && said.offered && said.replies.is_empty(), "{said:?}");
        }
    }

    #[test]
    fn texts_that_are_not_its_own_are_left_to_others() {
        let new = |config: AmqpConfig| AmqpApplication::new("weather".parse().unwrap(), &config);
        let words = AmqpConfig { words: vec!["weather".to_owned()], ..AmqpConfig::default() };
        let pattern = AmqpConfig { pattern: Some("(rain|snow) .*".to_owned()), ..AmqpConfig::default() };
        for (config, its) in [(words, "Weather in Basel"), (pattern, "snow in Basel")] {
            let application = new(config).unwrap();
            assert!(application.handle(&text(its), &Known::default()).offered);
            assert_eq!(application.handle(&text("trains to Basel"), &Known::default()), Said::pass());
        }
        let told = new(AmqpConfig { pattern: Some("(".to_owned()), ..AmqpConfig::default() }).unwrap_err().to_string();
        assert!(told.contains("router.amqp.weather"), "{told}");
    }

    #[test]
    fn it_takes_every_text_in_its_phase_and_leaves_the_answer_to_its_owner() {
        check("{}", Phase::Handle);
        check(r#"{"phase":"handle"}"#, Phase::Handle);
        check(r#"{"phase":"default"}"#, Phase::Default);
        assert!(serde_json::from_str::<AmqpConfig>(r#"{"phase":"filter"}"#).is_err());
    }
}
