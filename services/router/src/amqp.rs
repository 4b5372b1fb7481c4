//! Applications on the bus: a text of theirs is handed over to their queue, and they answer when they like.

use protocol::{BackendName, Phase};
use serde::Deserialize;

use crate::application::{Application, Known, Said, Text};

/// `[router.amqp.NAME]`.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct AmqpConfig {
    /// In which phase texts are offered to it.
    pub phase: OfferedIn,
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

/// An application on the bus. It takes every text that comes to it.
///
/// The hand-over is the end of the router's work: whether, when and how often it answers is its own.
#[derive(Debug)]
pub(crate) struct AmqpApplication {
    name: BackendName,
    phase: Phase,
}

impl AmqpApplication {
    pub(crate) fn new(name: BackendName, config: &AmqpConfig) -> Self {
        let phase = match config.phase {
            OfferedIn::Handle => Phase::Handle,
            OfferedIn::Default => Phase::Default,
        };
        Self { name, phase }
    }
}

fn handed_over() -> Said {
    Said { offered: true, ..Said::take() }.because("handed over")
}

impl Application for AmqpApplication {
    fn name(&self) -> &str {
        self.name.as_str()
    }

    fn phases(&self) -> &[Phase] {
        std::slice::from_ref(&self.phase)
    }

    fn handle(&self, _text: &Text, _known: &Known) -> Said {
        handed_over()
    }

    fn default(&self, _text: &Text, _known: &Known) -> Said {
        handed_over()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applications::text;

    #[track_caller]
    fn check(config: &str, expected: Phase) {
        let config: AmqpConfig = serde_json::from_str(config).unwrap();
        let application = AmqpApplication::new("weather".parse().unwrap(), &config);
        assert_eq!((application.name(), application.phases()), ("weather", [expected].as_slice()));
        let (text, known) = (text("sunny?"), Known::default());
        for said in [application.handle(&text, &known), application.default(&text, &known)] {
            assert!(said.takes && said.offered && said.replies.is_empty(), "{said:?}");
        }
    }

    #[test]
    fn it_takes_every_text_in_its_phase_and_leaves_the_answer_to_its_owner() {
        check("{}", Phase::Handle);
        check(r#"{"phase":"handle"}"#, Phase::Handle);
        check(r#"{"phase":"default"}"#, Phase::Default);
        assert!(serde_json::from_str::<AmqpConfig>(r#"{"phase":"filter"}"#).is_err());
    }
}
