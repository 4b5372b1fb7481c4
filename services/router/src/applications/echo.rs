//! `echo`: answers "echo some words" with "some words".

use protocol::Phase;

use crate::application::{Application, Known, Said, Text};

pub(super) const NAME: &str = "echo";

#[derive(Debug)]
pub(super) struct Echo;

impl Application for Echo {
    fn name(&self) -> &str {
        NAME
    }

    fn phases(&self) -> &[Phase] {
        &[Phase::Handle]
    }

    fn handle(&self, text: &Text, _known: &Known) -> Said {
        let words = text.trimmed().split_once(char::is_whitespace).and_then(|(keyword, words)| {
            let words = words.trim();
            (keyword.eq_ignore_ascii_case(NAME) && !words.is_empty()).then_some(words)
        });
        // A part of a text is a text: it is no longer, and holds no NUL.
        words.and_then(|words| words.parse().ok()).map_or_else(Said::pass, Said::reply)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applications::text;

    #[track_caller]
    fn check(words: &str, expected: Option<&str>) {
        let expected = expected.map_or_else(Said::pass, |words| Said::reply(words.parse().unwrap()));
        assert_eq!(Echo.handle(&text(words), &Known::default()), expected);
    }

    #[test]
    fn answers_only_its_keyword() {
        check("ECHO hello there", Some("hello there"));
        check(" echo\n ποῦ  🐘 ", Some("ποῦ  🐘"));
        check("echo", None);
        check("echo  ", None);
        check("echoes hello", None);
        check("hello", None);
        check("", None);
    }
}
