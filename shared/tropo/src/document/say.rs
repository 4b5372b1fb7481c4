//! Saying and asking, and the handlers that say where to go on.

use serde_json::Value;

use crate::member::members;
use crate::shape::{Number, OneOrMany};

members! {
    /// Something to say (Tropo WebAPI: `say`).
    pub struct Say {
        /// Text, SSML, or the address of a sound file; the subject where it is an MMS.
        pub value: String = "value",
        /// Read it as `DATE`, `DIGITS` or `NUMBER`.
        pub read_as: Option<String> = "as",
        /// A name for the result.
        pub name: Option<String> = "name",
        /// Whether the document ends when it fails.
        pub required: Option<bool> = "required",
        /// The voice that speaks.
        pub voice: Option<String> = "voice",
        /// The signals that may interrupt it; any where left out, none where empty.
        pub allow_signals: Option<OneOrMany<String>> = "allowSignals",
        /// In a question: the events after which this is said instead, as in `timeout nomatch:1`.
        pub event: Option<String> = "event",
        /// `suppress` keeps it out of the debugger's log.
        pub prompt_log_security: Option<String> = "promptLogSecurity",
        /// The parts of an MMS: addresses of files, or words.
        pub media: Option<OneOrMany<String>> = "media",
    }
}

impl Say {
    /// These words.
    #[must_use]
    pub fn text(value: impl Into<String>) -> Self {
        Self { value: value.into(), ..Self::default() }
    }
}

members! {
    /// The answers that a question takes.
    pub struct Choices {
        /// The grammar: `[ANY]`, `[4-6 DIGITS]`, `a, b`, `yes(y, 1), no(n, 2)`. Questions alone need it.
        pub value: Option<String> = "value",
        /// `dtmf`, `speech` or `any`.
        pub mode: Option<String> = "mode",
        /// The key that ends the answer.
        pub terminator: Option<String> = "terminator",
    }
}

members! {
    /// A question (Tropo WebAPI: `ask`). In a text session the queued opening text answers the first one.
    pub struct Ask {
        /// The answers that it takes.
        pub choices: Choices = "choices",
        /// What to say, also after a timeout or an answer that does not fit. Without it, it only listens.
        pub say: Option<OneOrMany<Say>> = "say",
        /// A name for the result.
        pub name: Option<String> = "name",
        /// How often to ask; 1 where left out.
        pub attempts: Option<Number> = "attempts",
        /// Whether the caller may interrupt; true where left out.
        pub bargein: Option<bool> = "bargein",
        /// How sure the recogniser must be, 0 to 100; 30 where left out.
        pub min_confidence: Option<Number> = "minConfidence",
        /// Whether the document ends without an answer; true where left out.
        pub required: Option<bool> = "required",
        /// Seconds to wait for an answer; 30 where left out.
        pub timeout: Option<Number> = "timeout",
        /// The language to listen for.
        pub recognizer: Option<String> = "recognizer",
        /// The voice that asks.
        pub voice: Option<String> = "voice",
        /// Seconds between keys.
        pub interdigit_timeout: Option<Number> = "interdigitTimeout",
        /// How sensitive to listen, 0 to 1.
        pub sensitivity: Option<Number> = "sensitivity",
        /// Seconds of silence after an answer that fits.
        pub speech_complete_timeout: Option<Number> = "speechCompleteTimeout",
        /// Seconds of silence after an answer that does not fit yet.
        pub speech_incomplete_timeout: Option<Number> = "speechIncompleteTimeout",
        /// The signals that may interrupt it; any where left out, none where empty.
        pub allow_signals: Option<OneOrMany<String>> = "allowSignals",
        /// `suppress` keeps the question out of the debugger's log.
        pub prompt_log_security: Option<String> = "promptLogSecurity",
        /// `suppress` or `mask` keeps the answer out of the debugger's log.
        pub asr_log_security: Option<String> = "asrLogSecurity",
        /// Which characters of the answer are masked.
        pub mask_template: Option<String> = "maskTemplate",
        /// Handlers of the question's own.
        pub on: Option<OneOrMany<On>> = "on",
    }
}

members! {
    /// A handler (Tropo WebAPI: `on`): when the event fires, say this, then go there.
    pub struct On {
        /// `continue`, `incomplete`, `error`, `hangup`, the name of a signal, or an event of the action it stands in.
        pub event: String = "event",
        /// Where the result goes and the next document comes from; may be relative. Without it the session goes on
        /// with `continue`.
        pub next: Option<String> = "next",
        /// What to say first.
        pub say: Option<OneOrMany<Say>> = "say",
        /// What to ask first.
        pub ask: Option<Box<Ask>> = "ask",
        /// What to post first; its form was never documented.
        pub post: Option<Value> = "post",
        /// The voice that speaks.
        pub voice: Option<String> = "voice",
    }
}

impl On {
    /// Goes to `url` when `event` fires.
    #[must_use]
    pub fn next(event: impl Into<String>, url: impl Into<String>) -> Self {
        Self { event: event.into(), next: Some(url.into()), ..Self::default() }
    }
}
