//! What an application keeps out of the debugger's log (Tropo WebAPI: `generalLogSecurity`, `promptLogSecurity`,
//! `asrLogSecurity`).

use tropo::document::{Action, Ask, Document, Say};
use tropo::result;
use tropo::shape::OneOrMany;

/// What stands there instead.
pub(super) const HIDDEN: &[u8] = b"(suppressed)";

/// The same, for words.
pub(super) const HIDDEN_WORDS: &str = "(suppressed)";

/// The setting that hides.
const SUPPRESS: &str = "suppress";

/// Whether a setting hides everything that it is about.
pub(super) fn is_suppressed(setting: Option<&str>) -> bool {
    setting.is_some_and(|word| word.trim().eq_ignore_ascii_case(SUPPRESS))
}

/// Whether the body of a document must not be shown: it holds words that it keeps out of the log, or may, as it cannot
/// all be read.
pub(super) fn may_be_secret(body: &[u8], read: Option<&Document>) -> bool {
    let is_doubtful = |action: &Action| matches!(action, Action::Unreadable { .. });
    if read.is_some_and(is_secret) {
        return true;
    }
    let is_read = read.is_some_and(|document| !document.actions.iter().any(is_doubtful));
    !is_read && body.windows(SUPPRESS.len()).any(|word| word.eq_ignore_ascii_case(SUPPRESS.as_bytes()))
}

/// Whether a document holds words that it keeps out of the log: then none of it is shown.
fn is_secret(document: &Document) -> bool {
    let is_secret_handler = |on: &tropo::document::On| {
        on.say.as_ref().is_some_and(has_secret) || on.ask.as_ref().is_some_and(|ask| is_secret_question(ask))
    };
    document.actions.iter().any(|action| match action {
        Action::GeneralLogSecurity(setting) => is_suppressed(Some(setting)),
        Action::Say(says) => has_secret(says),
        Action::Ask(ask) => is_secret_question(ask),
        Action::Message(message) => is_suppressed(message.prompt_log_security.as_deref()) || has_secret(&message.say),
        Action::Call(call) => is_suppressed(call.prompt_log_security.as_deref()),
        Action::On(handlers) => handlers.iter().any(is_secret_handler),
        Action::Answer(_)
        | Action::Conference(_)
        | Action::Hangup(_)
        | Action::Record(_)
        | Action::Redirect(_)
        | Action::Reject(_)
        | Action::StartRecording(_)
        | Action::StopRecording(_)
        | Action::Transfer(_)
        | Action::Wait(_)
        | Action::Other(..)
        | Action::Unreadable { .. } => false,
    })
}

fn is_secret_question(ask: &Ask) -> bool {
    is_suppressed(ask.prompt_log_security.as_deref()) || ask.say.as_ref().is_some_and(has_secret)
}

fn has_secret(says: &OneOrMany<Say>) -> bool {
    says.iter().any(|say| is_suppressed(say.prompt_log_security.as_deref()))
}

/// An answer as the log may show it.
pub(super) fn shown(ask: &Ask, answer: &str) -> String {
    match ask.asr_log_security.as_deref().map(str::trim) {
        Some(setting) if setting.eq_ignore_ascii_case(SUPPRESS) => HIDDEN_WORDS.to_owned(),
        Some(setting) if setting.eq_ignore_ascii_case("mask") => {
            masked(answer, ask.mask_template.as_deref().unwrap_or_default())
        }
        Some(_) | None => answer.to_owned(),
    }
}

/// What a question collected, as the log may show it.
pub(super) fn shown_action(ask: &Ask, action: &result::Action) -> result::Action {
    let mut shown_action = action.clone();
    let parts = [&mut shown_action.utterance, &mut shown_action.interpretation, &mut shown_action.value];
    for part in parts.into_iter().chain([&mut shown_action.concept]).flatten() {
        *part = shown(ask, part);
    }
    // It repeats the answer.
    if shown_action.utterance != action.utterance {
        shown_action.xml = action.xml.as_ref().map(|_| HIDDEN_WORDS.to_owned());
    }
    shown_action
}

/// A character is shown where the template has a `D` at its place; all others are masked.
fn masked(answer: &str, template: &str) -> String {
    let mut template = template.chars();
    answer.chars().map(|c| if template.next() == Some('D') { c } else { 'X' }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(setting: Option<&str>, template: Option<&str>) -> Ask {
        let (asr_log_security, mask_template) = (setting.map(str::to_owned), template.map(str::to_owned));
        Ask { asr_log_security, mask_template, ..Ask::default() }
    }

    #[test]
    fn an_answer_is_shown_hidden_or_masked() {
        for (setting, template, expected) in [
            (None, None, "4711"),
            (Some("none"), Some("XXXX"), "4711"),
            (Some("suppress"), None, "(suppressed)"),
            (Some("mask"), None, "XXXX"),
            (Some("Mask"), Some("XXDD"), "XX11"),
            (Some("mask"), Some("D"), "4XXX"),
        ] {
            assert_eq!(shown(&ask(setting, template), "4711"), expected, "{setting:?} {template:?}");
        }
    }

    #[test]
    fn nothing_of_a_hidden_answer_is_left_in_what_was_collected() {
        let secret = || Some("4711".to_owned());
        let action = result::Action {
            utterance: secret(),
            interpretation: secret(),
            value: secret(),
            concept: secret(),
            xml: Some("<input>4711</input>".to_owned()),
            ..result::Action::default()
        };
        let shown = shown_action(&ask(Some("mask"), None), &action);
        assert!(!serde_json::to_string(&shown).unwrap().contains("4711"));
        assert!(shown_action(&ask(None, None), &action) == action);
    }

    #[test]
    fn a_document_with_a_secret_is_told_wherever_the_secret_is() {
        for (actions, expected) in [
            (r#"{"say":{"value":"x","promptLogSecurity":"suppress"}}"#, true),
            (r#"{"say":[{"value":"x"},{"value":"x","promptLogSecurity":"Suppress"}]}"#, true),
            (r#"{"ask":{"choices":{"value":"[ANY]"},"promptLogSecurity":"suppress"}}"#, true),
            (r#"{"message":{"to":"1","say":{"value":"x"},"promptLogSecurity":"suppress"}}"#, true),
            (r#"{"call":{"to":"1","promptLogSecurity":"suppress"}}"#, true),
            (r#"{"on":{"event":"e","say":{"value":"x","promptLogSecurity":"suppress"}}}"#, true),
            (r#"{"generalLogSecurity":"suppress"}"#, true),
            (r#"{"generalLogSecurity":"none"}"#, false),
            (r#"{"say":{"value":"suppress","promptLogSecurity":"none"}}"#, false),
            (r#"{"hangup":null}"#, false),
        ] {
            let document = Document::read(format!(r#"{{"tropo":[{actions}]}}"#).as_bytes(), None).unwrap();
            assert_eq!(is_secret(&document), expected, "{actions}");
        }
    }

    #[test]
    fn a_document_that_cannot_all_be_read_is_hidden_where_it_may_hold_a_secret() {
        for (body, expected) in [
            (r#"{"tropo":[{"say":{"value":"suppress"}}]}"#, false),
            (r#"{"tropo":[{"say":{"promptLogSecurity":"Suppress"}},{"say":{"value":"x"}}]}"#, true),
            (r#"{"tropo":[{"say":{}},{"say":{"value":"x"}}]}"#, false),
            (r#"{"tropo":[{"say":{"value":"x","promptLogSecurity":"suppress"}}"#, true),
            (r#"{"tropo":[{"say":{"value":"x"}}"#, false),
        ] {
            let read = Document::read(body.as_bytes(), None).ok();
            assert_eq!(may_be_secret(body.as_bytes(), read.as_ref()), expected, "{body}");
        }
    }
}
