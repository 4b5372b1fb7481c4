//! One action of a document, told by its name; and the small ones themselves.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::{Ask, Call, Conference, Message, On, Record, Say, StartRecording, Transfer};
use crate::member::{Member, Wrong, members};
use crate::shape::{Extra, Headers, Number, OneOrMany};

/// Declares the actions that have a name and a type, with their reading and writing.
macro_rules! actions {
    ($($(#[$meta:meta])* $variant:ident($type:ty) = $name:literal,)*) => {
        /// One action of a document. On the wire each is an object with one member, its name.
        #[derive(Clone, PartialEq)]
        pub enum Action {
            $($(#[$meta])* $variant($type),)*
            /// An action that is not known here, such as `joinPrompt`: its name and what stood there. Tropo passes
            /// over it.
            Other(String, Value),
            /// An action that could not be read. It is not written again.
            Unreadable {
                /// Its name; empty where it had none.
                name: String,
                /// What was wrong: names the member, quotes nothing.
                reason: String,
            },
        }

        impl Action {
            /// The name, as it stands on the wire.
            #[must_use]
            pub fn name(&self) -> &str {
                match self {
                    $(Self::$variant(_) => $name,)*
                    Self::Other(name, _) | Self::Unreadable { name, .. } => name,
                }
            }

            /// Reads one element of the document.
            pub(super) fn of(element: &Value) -> Self {
                let Some((name, value)) = only_member(element) else {
                    let reason = "an action is an object with one member, its name".to_owned();
                    return Self::Unreadable { name: String::new(), reason };
                };
                let read: Result<Self, Wrong> = match name {
                    $($name => <$type>::read(value).map(Self::$variant),)*
                    other => Ok(Self::Other(other.to_owned(), value.clone())),
                };
                read.unwrap_or_else(|wrong| Self::Unreadable { name: name.to_owned(), reason: wrong.to_string() })
            }

            /// The element to write; none for what was unreadable.
            pub(super) fn written(&self) -> Option<impl Serialize + '_> {
                match self {
                    Self::Unreadable { .. } => None,
                    _ => Some(Written(self)),
                }
            }
        }

        /// An action as an element of the document.
        struct Written<'a>(&'a Action);

        impl Serialize for Written<'_> {
            fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                use serde::ser::SerializeMap as _;
                let mut map = serializer.serialize_map(Some(1))?;
                match self.0 {
                    $(Action::$variant(action) => map.serialize_entry($name, action)?,)*
                    Action::Other(name, value) => map.serialize_entry(name, value)?,
                    Action::Unreadable { name, .. } => map.serialize_entry(name, &Value::Null)?,
                }
                map.end()
            }
        }
    };
}

actions! {
    /// Takes the call.
    Answer(Answer) = "answer",
    /// Puts a question and waits for its answer.
    Ask(Box<Ask>) = "ask",
    /// Calls or texts somebody; what is said afterwards goes there.
    Call(Box<Call>) = "call",
    /// Joins a conference.
    Conference(Box<Conference>) = "conference",
    /// Ends the session.
    Hangup(Hangup) = "hangup",
    /// Calls or texts somebody, says something and leaves.
    Message(Box<Message>) = "message",
    /// Says where to go on; counts for the whole document.
    On(OneOrMany<On>) = "on",
    /// Records the caller.
    Record(Box<Record>) = "record",
    /// Sends the call elsewhere before it is answered.
    Redirect(Redirect) = "redirect",
    /// Refuses the call before it is answered. Libraries write null or `{}`; here it is `{}`.
    Reject(Extra) = "reject",
    /// Says something.
    Say(OneOrMany<Say>) = "say",
    /// Records the whole call from here.
    StartRecording(Box<StartRecording>) = "startRecording",
    /// Ends that recording. Libraries write null or `{}`; here it is `{}`.
    StopRecording(Extra) = "stopRecording",
    /// Connects the caller with somebody else.
    Transfer(Box<Transfer>) = "transfer",
    /// Does nothing for a while.
    Wait(Wait) = "wait",
    /// `suppress` hides content from the debugger's log until `none` shows it again. A bare word on the wire.
    GeneralLogSecurity(String) = "generalLogSecurity",
}

/// The name and value of an object with exactly one member.
fn only_member(element: &Value) -> Option<(&str, &Value)> {
    let mut members = element.as_object()?.iter();
    let (name, value) = members.next()?;
    members.next().is_none().then_some((name, value))
}

/// Shows the name; what is in an action names people and quotes them.
impl fmt::Debug for Action {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unreadable { name, reason } => write!(f, "Unreadable({name}: {reason})"),
            _ => write!(f, "Action({})", self.name()),
        }
    }
}

members! {
    /// Takes an incoming call (Tropo WebAPI: `answer`). Without it the first action with media does.
    pub struct Answer {
        /// SIP headers to answer with.
        pub headers: Headers = "headers",
    }
}

members! {
    /// Ends the session (Tropo WebAPI: `hangup`). Libraries write it as null or `{}`; here it is `{}`.
    pub struct Hangup {
        /// SIP headers to end with.
        pub headers: Headers = "headers",
    }
}

members! {
    /// Sends the call elsewhere (Tropo WebAPI: `redirect`). It must stand alone, and before the call is answered.
    pub struct Redirect {
        /// Where to.
        pub to: OneOrMany<String> = "to",
        /// A name for the result.
        pub name: Option<String> = "name",
        /// Whether the document ends when it fails.
        pub required: Option<bool> = "required",
    }
}

members! {
    /// Does nothing for a while (Tropo WebAPI: `wait`).
    pub struct Wait {
        /// For how long.
        pub milliseconds: Number = "milliseconds",
        /// The signals that may interrupt it; any where left out, none where empty.
        pub allow_signals: Option<OneOrMany<String>> = "allowSignals",
    }
}
