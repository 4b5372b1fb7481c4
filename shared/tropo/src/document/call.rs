//! The actions that reach somebody else: message, call, transfer, conference.

use protocol::{Address, MessageText, Network};
use serde_json::Value;

use super::{Choices, On, Say};
use crate::member::members;
use crate::session::{Channel, is_text_network};
use crate::shape::{FlagOr, Headers, Number, OneOrMany};

members! {
    /// Calls or texts somebody, says something and leaves (Tropo WebAPI: `message`).
    pub struct Message {
        /// Who to. Of several, only the first is texted; when it is a call, the first to answer wins.
        pub to: OneOrMany<String> = "to",
        /// What to say.
        pub say: OneOrMany<Say> = "say",
        /// The number to send from; on SMS it must belong to the account.
        pub from: Option<String> = "from",
        /// Voice or text; voice where left out.
        pub channel: Option<Channel> = "channel",
        /// The network.
        pub network: Option<String> = "network",
        /// A name for the result.
        pub name: Option<String> = "name",
        /// Whether the document ends when it fails; true where left out.
        pub required: Option<bool> = "required",
        /// Seconds to ring; 30 where left out.
        pub timeout: Option<Number> = "timeout",
        /// Whether early media counts as an answer.
        pub answer_on_media: Option<bool> = "answerOnMedia",
        /// The voice that speaks.
        pub voice: Option<String> = "voice",
        /// `suppress` keeps the words out of the debugger's log.
        pub prompt_log_security: Option<String> = "promptLogSecurity",
        /// SIP headers to call with.
        pub headers: Headers = "headers",
    }
}

members! {
    /// Calls or texts somebody; later `say`s go there (Tropo WebAPI: `call`).
    pub struct Call {
        /// Who to.
        pub to: OneOrMany<String> = "to",
        /// The number to call from.
        pub from: Option<String> = "from",
        /// Voice or text; voice where left out.
        pub channel: Option<Channel> = "channel",
        /// The network.
        pub network: Option<String> = "network",
        /// A name for the result.
        pub name: Option<String> = "name",
        /// Whether the document ends when it fails.
        pub required: Option<bool> = "required",
        /// Seconds to ring; 30 where left out.
        pub timeout: Option<Number> = "timeout",
        /// Whether early media counts as an answer.
        pub answer_on_media: Option<bool> = "answerOnMedia",
        /// SIP headers to call with.
        pub headers: Headers = "headers",
        /// Whether, and how, to find out that a machine answered.
        pub machine_detection: Option<FlagOr<Prompt>> = "machineDetection",
        /// The signals that may interrupt it; any where left out, none where empty.
        pub allow_signals: Option<OneOrMany<String>> = "allowSignals",
        /// The voice that speaks.
        pub voice: Option<String> = "voice",
        /// Where the call's details are posted.
        pub callback_url: Option<String> = "callbackUrl",
        /// `suppress` keeps what is said out of the debugger's log.
        pub prompt_log_security: Option<String> = "promptLogSecurity",
        /// A label for the call's details.
        pub label: Option<String> = "label",
        /// A recording, in old libraries.
        pub recording: Option<Value> = "recording",
    }
}

members! {
    /// Words of a setting that is otherwise a flag: `machineDetection` has an introduction, a conference's prompts
    /// have a value.
    pub struct Prompt {
        /// What to say while the machine is found out.
        pub introduction: Option<String> = "introduction",
        /// What to say to the conference.
        pub value: Option<String> = "value",
        /// The voice that speaks.
        pub voice: Option<String> = "voice",
    }
}

members! {
    /// Joins a conference, across sessions by its id (Tropo WebAPI: `conference`).
    pub struct Conference {
        /// The id of the conference.
        pub id: String = "id",
        /// A name for the result.
        pub name: Option<String> = "name",
        /// Whether the caller only listens.
        pub mute: Option<bool> = "mute",
        /// Whether keys are heard by the others.
        pub play_tones: Option<bool> = "playTones",
        /// The key to leave with.
        pub terminator: Option<String> = "terminator",
        /// Seconds between keys.
        pub interdigit_timeout: Option<Number> = "interdigitTimeout",
        /// What the others hear when somebody joins.
        pub join_prompt: Option<FlagOr<Prompt>> = "joinPrompt",
        /// What the others hear when somebody leaves.
        pub leave_prompt: Option<FlagOr<Prompt>> = "leavePrompt",
        /// The signals that may interrupt it; any where left out, none where empty.
        pub allow_signals: Option<OneOrMany<String>> = "allowSignals",
        /// Whether the document ends when it fails.
        pub required: Option<bool> = "required",
        /// `suppress` keeps the prompts out of the debugger's log.
        pub prompt_log_security: Option<String> = "promptLogSecurity",
        /// Handlers of `join` and `leave`, in old libraries.
        pub on: Option<OneOrMany<On>> = "on",
    }
}

members! {
    /// Connects the caller with somebody else (Tropo WebAPI: `transfer`).
    pub struct Transfer {
        /// Who to; of several the first to answer wins.
        pub to: OneOrMany<String> = "to",
        /// The number to call from.
        pub from: Option<String> = "from",
        /// The key that ends it.
        pub choices: Option<Choices> = "choices",
        /// SIP headers to call with.
        pub headers: Headers = "headers",
        /// A name for the result.
        pub name: Option<String> = "name",
        /// Handlers of `ring` and `connect`; several may share an event.
        pub on: Option<OneOrMany<On>> = "on",
        /// Whether the document ends when it fails.
        pub required: Option<bool> = "required",
        /// How often what `ring` says is repeated.
        pub ring_repeat: Option<Number> = "ringRepeat",
        /// Seconds to ring; 30 where left out.
        pub timeout: Option<Number> = "timeout",
        /// Whether early media counts as an answer.
        pub answer_on_media: Option<bool> = "answerOnMedia",
        /// Seconds between keys.
        pub interdigit_timeout: Option<Number> = "interdigitTimeout",
        /// Whether, and how, to find out that a machine answered.
        pub machine_detection: Option<FlagOr<Prompt>> = "machineDetection",
        /// Whether keys are heard by the other.
        pub play_tones: Option<bool> = "playTones",
        /// The voice that speaks.
        pub voice: Option<String> = "voice",
        /// Where the call's details are posted.
        pub callback_url: Option<String> = "callbackUrl",
        /// `suppress` keeps what is said out of the debugger's log.
        pub prompt_log_security: Option<String> = "promptLogSecurity",
        /// A label for the call's details.
        pub label: Option<String> = "label",
        /// The signals that may interrupt it; any where left out, none where empty.
        pub allow_signals: Option<OneOrMany<String>> = "allowSignals",
        /// The key that ends it, in old libraries.
        pub terminator: Option<String> = "terminator",
    }
}

impl Message {
    /// Texts one person. Channel and network are always written: without them Tropo would phone.
    #[must_use]
    pub fn text(to: &Address, from: Option<&Address>, network: &Network, text: &MessageText) -> Self {
        Self {
            to: OneOrMany::One(to.as_str().to_owned()),
            say: OneOrMany::One(Say::text(text.as_str())),
            from: from.map(|from| from.as_str().to_owned()),
            channel: Some(Channel::Text),
            network: Some(network.as_str().to_owned()),
            ..Self::default()
        }
    }

    /// Whether it is a text: the channel or the network alone says so (Tropo WebAPI: examples send either).
    #[must_use]
    pub fn is_text(&self) -> bool {
        is_text(self.channel.as_ref(), self.network.as_deref())
    }
}

impl Call {
    /// Whether it is a text: the channel or the network alone says so.
    #[must_use]
    pub fn is_text(&self) -> bool {
        is_text(self.channel.as_ref(), self.network.as_deref())
    }
}

fn is_text(channel: Option<&Channel>, network: Option<&str>) -> bool {
    channel == Some(&Channel::Text) || network.is_some_and(is_text_network)
}
