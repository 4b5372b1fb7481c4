//! `echo`: answers "echo some words" with "some words".

use protocol::MessageReceived;

use crate::application::{Answer, Application};

pub(super) const NAME: &str = "echo";

#[derive(Debug)]
pub(super) struct Echo;

impl Application for Echo {
    fn name(&self) -> &'static str {
        NAME
    }

    fn answer(&self, message: &MessageReceived) -> Answer {
        let text = message.text.as_str().trim();
        let words = text.split_once(char::is_whitespace).and_then(|(keyword, words)| {
            let words = words.trim();
            (keyword.eq_ignore_ascii_case(NAME) && !words.is_empty()).then_some(words)
        });
        // A part of a text is a text: it is no longer, and holds no NUL.
        words.and_then(|words| words.parse().ok()).map_or(Answer::Pass, |words| Answer::Reply(vec![words]))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::applications::received;

    #[track_caller]
    fn check(text: &str, expected: Option<&str>) {
        let expected = expected.map_or(Answer::Pass, |words| Answer::Reply(vec![words.parse().unwrap()]));
        assert_eq!(Echo.answer(&received(text)), expected);
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
