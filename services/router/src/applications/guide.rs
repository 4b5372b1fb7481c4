//! `visits`: tells people how often they have asked.

use protocol::Phase;
use serde_json::{Value, json};

use crate::application::{Application, Known, Recall, Said, Text};

pub(super) const NAME: &str = "visits";

#[derive(Debug)]
pub(super) struct Visits;

impl Application for Visits {
    fn name(&self) -> &str {
        NAME
    }

    fn phases(&self) -> &[Phase] {
        &[Phase::Handle]
    }

    fn recall(&self, _phase: Phase, text: &Text) -> Recall {
        if is_asked(text) { Recall::Person } else { Recall::Nothing }
    }

    fn handle(&self, text: &Text, known: &Known) -> Said {
        if !is_asked(text) {
            return Said::pass();
        }
        let count = known.memory.as_ref().and_then(Value::as_u64).unwrap_or_default() + 1;
        let reply = format!("This is visit {count}.").parse();
        reply.map_or_else(|_| Said::pass(), Said::reply).remembering(json!(count))
    }
}

fn is_asked(text: &Text) -> bool {
    text.trimmed().eq_ignore_ascii_case(NAME)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applications::text;

    #[test]
    fn visits_are_counted() {
        let second = Known { memory: Some(json!(1)), ..Known::default() };
        let expected = Said::reply("This is visit 2.".parse().unwrap()).remembering(json!(2));
        assert_eq!(Visits.handle(&text("Visits"), &second), expected);
        assert_eq!(Visits.handle(&text("hello"), &second), Said::pass());
    }
}
