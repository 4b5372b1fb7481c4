//! What can be wrong, and what to do about each.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Backend;
use crate::masked;

/// The page that says more.
const PAGE: &str = "docs/explain.md";

/// What is wrong. Each has its section in `docs/explain.md`.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Cause {
    /// Tropo posted to us, and nobody answered.
    NotReached,
    /// Tropo posted to us, and we answered with no success.
    WebhookRefused,
    /// It was a call, not a text.
    NotText,
    /// Somebody else created the session with our token.
    ForeignLaunch,
    /// The sender withheld the number.
    WithheldSender,
    /// A number of our own sent it.
    OwnNumber,
    /// No application had an answer.
    NoAnswer,
    /// An application ended it in phase `filter`.
    Filtered,
    /// An application took it, and has nothing to say.
    NoReply,
    /// An application failed, and the text is among the dead letters.
    ApplicationFailed,
    /// An application on the bus has not answered.
    ApplicationSilent,
    /// No router has handled the text yet.
    RouterWaits,
    /// The person opted out.
    OptedOut,
    /// It can never be sent as it is.
    Unsendable,
    /// Tropo refused to create a session.
    TokenRefused,
    /// Tropo could not be reached.
    TropoUnreachable,
    /// Tropo asks to wait.
    TropoThrottles,
    /// Tropo, or something before it, is not working.
    TropoUnavailable,
    /// Tropo's answer could not be understood.
    AnswerUnreadable,
    /// Our own record of releases could not be read.
    LedgerAway,
    /// Tropo created a session, and never called back.
    NeverCalledBack,
    /// Tropo called back, and nobody answered.
    CallBackNotReached,
    /// Tropo called back, and was refused.
    CallBackRefused,
    /// No egress has handled the message yet.
    EgressWaits,
    /// Its time ran out.
    Expired,
    /// The message is among the dead letters.
    DeadMessage,
    /// Tropo could not use the document.
    DocumentRefused,
    /// Tropo could not hand the message over.
    NotHandedOver,
    /// The carrier did not deliver it.
    Undelivered,
    /// No result came.
    NoResult,
}

/// What is wrong, and what to do.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize, ToSchema)]
pub struct Advice {
    /// What is wrong, for programs.
    pub cause: Cause,
    /// What is wrong.
    pub told: String,
    /// What to do, in order.
    pub to_do: Vec<String>,
    /// Where to read on.
    pub read_on: String,
}

impl Cause {
    /// All of them.
    #[cfg(test)]
    pub(super) const ALL: [Self; 30] = [
        Self::NotReached,
        Self::WebhookRefused,
        Self::NotText,
        Self::ForeignLaunch,
        Self::WithheldSender,
        Self::OwnNumber,
        Self::NoAnswer,
        Self::Filtered,
        Self::NoReply,
        Self::ApplicationFailed,
        Self::ApplicationSilent,
        Self::RouterWaits,
        Self::OptedOut,
        Self::Unsendable,
        Self::TokenRefused,
        Self::TropoUnreachable,
        Self::TropoThrottles,
        Self::TropoUnavailable,
        Self::AnswerUnreadable,
        Self::LedgerAway,
        Self::NeverCalledBack,
        Self::CallBackNotReached,
        Self::CallBackRefused,
        Self::EgressWaits,
        Self::Expired,
        Self::DeadMessage,
        Self::DocumentRefused,
        Self::NotHandedOver,
        Self::Undelivered,
        Self::NoResult,
    ];

    /// Whether somebody decided that there is no message: nothing is broken.
    pub(super) fn is_intended(self) -> bool {
        matches!(self, Self::Filtered | Self::NoReply | Self::OptedOut)
    }

    /// The heading of its section.
    pub(super) fn heading(self) -> &'static str {
        match self {
            Self::NotReached => "Tropo did not reach us",
            Self::WebhookRefused => "We refused Tropo's webhook",
            Self::NotText => "It was a call",
            Self::ForeignLaunch => "Somebody else created the session",
            Self::WithheldSender => "The number is withheld",
            Self::OwnNumber => "The sender is a number of our own",
            Self::NoAnswer => "No application had an answer",
            Self::Filtered => "An application filtered it",
            Self::NoReply => "An application had nothing to say",
            Self::ApplicationFailed => "An application failed",
            Self::ApplicationSilent => "An application on the bus has not answered",
            Self::RouterWaits => "No router has handled it",
            Self::OptedOut => "The person opted out",
            Self::Unsendable => "It cannot be sent as it is",
            Self::TokenRefused => "Tropo refused the token",
            Self::TropoUnreachable => "Tropo cannot be reached",
            Self::TropoThrottles => "Tropo asks to wait",
            Self::TropoUnavailable => "Tropo is not working",
            Self::AnswerUnreadable => "Tropo's answer cannot be understood",
            Self::LedgerAway => "The database is away",
            Self::NeverCalledBack => "Tropo never called back",
            Self::CallBackNotReached => "Tropo's call-back did not reach us",
            Self::CallBackRefused => "We refused Tropo's call-back",
            Self::EgressWaits => "No egress has handled it",
            Self::Expired => "Its time ran out",
            Self::DeadMessage => "The message is a dead letter",
            Self::DocumentRefused => "Tropo could not use the document",
            Self::NotHandedOver => "Tropo could not hand the message over",
            Self::Undelivered => "The carrier did not deliver it",
            Self::NoResult => "No result came",
        }
    }

    /// What is wrong, as it was found, and what to do about it.
    pub(super) fn advice(self, told: &str, name: &str, backend: Option<&Backend>) -> Advice {
        let webhook = backend.map(|backend| masked::without_secrets(&backend.webhook));
        let webhook = webhook.unwrap_or_else(|| format!("the webhook of backend {name}"));
        let to_do = self.to_do(name, &webhook);
        let anchor: String = self
            .heading()
            .chars()
            .filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' => Some(c.to_ascii_lowercase()),
                _ => None,
            })
            .collect();
        Advice { cause: self, told: told.to_owned(), to_do, read_on: format!("{PAGE}#{anchor}") }
    }

    fn to_do(self, name: &str, webhook: &str) -> Vec<String> {
        let steps: &[&str] = match self {
            Self::NotReached => &[
                "Compare the messaging URL of the application in Tropo with {webhook}, and try it from outside: a name, a firewall or a proxy may be in the way.",
                "See that ingress runs and is ready: `tropomq status`, or its address /readyz.",
                "Have the text sent again: Tropo does not repeat a webhook.",
            ],
            Self::WebhookRefused => &[
                "401 and 403: the messaging URL in Tropo has to hold the secret of backends.{name}.webhook_secret, and its address has to be in backends.{name}.allow_from.",
                "404: the messaging URL names no backend; it has to be {webhook}.",
                "503: the bus did not take the event, and the spool was off or full; the log of ingress says which.",
                "Have the text sent again: Tropo does not repeat a webhook.",
            ],
            Self::NotText => &[
                "Nothing, if people call the number by mistake. Texts are sessions of channel TEXT: if this was one, the number has no messaging URL in Tropo, only a voice URL.",
            ],
            Self::ForeignLaunch => &[
                "Find out who creates sessions with the token of backends.{name}.messaging_token beside tropomq. If nobody should, have Tropo make a new token and put it into the configuration.",
            ],
            Self::WithheldSender => &["Nothing can be done here: who withholds the number cannot be answered."],
            Self::OwnNumber => &[
                "Nothing, if one backend texted another. If this number is a person's, it stands by mistake in backends.*.number.",
            ],
            Self::NoAnswer => &[
                "See in the evidence who was asked and what each said.",
                "Have router.applications name an application that takes such texts, or one in phase default that answers whatever nobody takes.",
            ],
            Self::Filtered => &["Nothing, if it should be so: the evidence names the application and its reason."],
            Self::NoReply => &[
                "Nothing, if it should be so: the application decides whether it answers; the evidence has its reason.",
            ],
            Self::ApplicationFailed => &[
                "Mend the application: the evidence has its reason, and its own log more.",
                "Then put the text back: `tropomq dead replay ID`, or the page /dead-letters.",
            ],
            Self::ApplicationSilent => &[
                "See that the application runs and consumes its queue (the evidence names it): the broker's management page, or `tropomq status`.",
                "It may also have taken the text and decided to say nothing: its own log tells.",
            ],
            Self::RouterWaits => &[
                "See that a router runs and is ready, and how much waits: `tropomq status`.",
                "A person's texts take turns: an earlier one that waits for an application keeps this one waiting.",
            ],
            Self::OptedOut => &[
                "Nothing: who opted out is left alone until they text START.",
                "`tropomq consent show` tells since when, and by which word.",
            ],
            Self::Unsendable => &[
                "Mend whatever made the message: the address or the text is one that nobody can send.",
                "A new message has to be made: this one stays as it is.",
            ],
            Self::TokenRefused => &[
                "Compare backends.{name}.messaging_token with the messaging token of the application in Tropo; a voice token does not send texts. `tropomq check` finds what can be found without Tropo.",
                "Then put the message back: `tropomq dead replay ID`, or the page /dead-letters. What waits is tried again by itself.",
            ],
            Self::TropoUnreachable => &[
                "See whether egress.session_api can be reached from where egress runs: name, firewall, proxy.",
                "Nothing else: it is tried again until the message expires.",
            ],
            Self::TropoThrottles => &[
                "Nothing at once: it is tried again when Tropo says.",
                "If it happens often, set backends.{name}.rate to what Tropo allows for the number.",
            ],
            Self::TropoUnavailable => &[
                "See whether Tropo, or a proxy before it, is down: the evidence has the status.",
                "Nothing else: it is tried again until the message expires.",
            ],
            Self::AnswerUnreadable => {
                &["See that egress.session_api is the address of Tropo's session API, and no page in front of it."]
            }
            Self::LedgerAway => &[
                "See that the database at store.url answers: `tropomq status`, and the log of egress.",
                "Nothing else: nothing is sent without knowing whether it was sent already, and it is tried again.",
            ],
            Self::NeverCalledBack => &[
                "Look at the session in Tropo's Application Debugger: it says whether Tropo tried.",
                "The token has to be the messaging token of the application whose messaging URL is {webhook}: with the token of another one, the call-back goes elsewhere.",
                "If Tropo is slow, set egress.callback_timeout longer.",
            ],
            Self::CallBackNotReached => &[
                "Compare the messaging URL of the application in Tropo with {webhook}, and see that ingress runs and is ready: `tropomq status`.",
                "Nothing else: a new session is created until the message expires.",
            ],
            Self::CallBackRefused => &[
                "401 and 403: the messaging URL in Tropo has to hold the secret of backends.{name}.webhook_secret; ingress and egress need the same ticket.keys.",
                "404: the messaging URL names another backend, or none; it has to be {webhook}.",
                "503: ingress does not reach egress (ingress.egress in the configuration), or egress not its database; their logs say which.",
            ],
            Self::EgressWaits => &[
                "See that an egress runs and is ready, and how much waits in the lane of {name}: `tropomq status`.",
                "A lane with backends.{name}.rate sends no faster than that.",
            ],
            Self::Expired => &[
                "See why it waited so long: was egress stopped, Tropo away, or more on its way than backends.{name}.rate lets through?",
                "If it is still worth sending: `tropomq dead replay ID`, or the page /dead-letters. egress.time_to_live says how long messages are tried.",
            ],
            Self::DeadMessage => &[
                "Mend the cause that the evidence names, and put the message back: `tropomq dead replay ID`, or the page /dead-letters.",
            ],
            Self::DocumentRefused => &[
                "Look at the lines of the session in Tropo's log: they say what Tropo could not use.",
                "The number of backends.{name}.number has to be one of the application's own in Tropo, on the network of the message.",
                "The message is not sent again by itself: the phone may have rung. Send it anew if it did not.",
            ],
            Self::NotHandedOver => &[
                "See whether the person's number exists and takes texts, and whether backends.{name}.number may text it: a country or a carrier may refuse.",
                "The message is not sent again by itself: the phone may have rung. Send it anew if it did not.",
            ],
            Self::Undelivered => &[
                "Ask the carrier, by way of Tropo's support, with the id of the session: the number may be gone, or the text filtered.",
            ],
            Self::NoResult => &[
                "See that what Tropo posts reaches ingress: the result comes to the same address as the call-back, {webhook}.",
                "The message may or may not have been sent. backends.{name}.on_unconfirmed says whether such ones are sent again.",
            ],
        };
        steps.iter().map(|step| step.replace("{name}", name).replace("{webhook}", webhook)).collect()
    }
}
