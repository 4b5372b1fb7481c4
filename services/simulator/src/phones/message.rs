//! A message as it travels, and as a phone shows it.

use std::fmt;

use protocol::{Address, MessageText, Network, SessionId, Timestamp};
use serde::{Deserialize, Serialize};

use crate::sms::{self, Encoding, LongTexts};

/// Which way a message went, seen from its phone.
#[derive(Clone, Copy, PartialEq, Eq, Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Direction {
    /// The phone received it.
    Received,
    /// The phone sent it.
    Sent,
}

/// A message that a phone received or sent.
#[derive(Clone, PartialEq, Serialize, Deserialize)]
pub struct PhoneMessage {
    /// Its place among the messages of all phones; those of one phone ascend, with gaps.
    pub index: u64,
    /// Which way it went.
    pub direction: Direction,
    /// Who it came from.
    pub from: Address,
    /// Who it went to.
    pub to: Address,
    /// What it says; for an MMS, the words that came with its media.
    pub text: MessageText,
    /// The subject of an MMS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub subject: Option<MessageText>,
    /// The addresses of the files of an MMS.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub media: Vec<String>,
    /// The network it came over.
    pub network: Network,
    /// The alphabet it was sent in. Other networks than SMS have one for all.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// How many parts it was sent in, each of which a carrier counts. Other networks than SMS do not split.
    pub parts: usize,
    /// The session that sent it, or that it began; none from phone to phone.
    pub session_id: Option<SessionId>,
    /// When it came, or went.
    pub at: Timestamp,
}

/// A message on its way.
#[derive(Clone)]
pub(crate) struct Delivery {
    pub(crate) from: Address,
    pub(crate) to: Address,
    pub(crate) text: MessageText,
    pub(crate) subject: Option<MessageText>,
    pub(crate) media: Vec<String>,
    pub(crate) network: Network,
    pub(crate) session_id: Option<SessionId>,
}

impl Delivery {
    /// A text that nothing else goes with.
    #[cfg(test)]
    pub(crate) fn text(from: Address, to: Address, text: MessageText, network: Network) -> Self {
        Self { from, to, text, subject: None, media: Vec::new(), network, session_id: None }
    }

    /// How many bytes of it are kept.
    pub(crate) fn bytes(&self) -> usize {
        bytes(&self.text, self.subject.as_ref(), &self.media)
    }

    /// The messages that it arrives as: several where a long SMS comes in parts that nothing joins.
    pub(crate) fn into_messages(self, long: LongTexts) -> Vec<Self> {
        if !self.is_sms() || long == LongTexts::Joined {
            return vec![self];
        }
        let (_, parts) = sms::split(self.text.as_str(), long);
        // A part of a text is one.
        parts.iter().filter_map(|part| Some(Self { text: part.parse().ok()?, ..self.clone() })).collect()
    }

    /// The alphabet and the number of parts, where it is an SMS.
    pub(crate) fn counted(&self) -> Option<(Encoding, usize)> {
        self.is_sms().then(|| {
            let (encoding, parts) = sms::split(self.text.as_str(), LongTexts::Joined);
            (encoding, parts.len())
        })
    }

    fn is_sms(&self) -> bool {
        self.network.as_str() == "SMS"
    }
}

impl PhoneMessage {
    /// A message that came or went now.
    pub(super) fn new(index: u64, direction: Direction, delivery: Delivery) -> Self {
        let (encoding, parts) = delivery.counted().map_or((None, 1), |(encoding, parts)| (Some(encoding), parts));
        let Delivery { from, to, text, subject, media, network, session_id } = delivery;
        let at = Timestamp::now();
        Self { index, direction, from, to, text, subject, media, network, encoding, parts, session_id, at }
    }

    /// How many bytes of it are kept.
    pub(super) fn bytes(&self) -> usize {
        bytes(&self.text, self.subject.as_ref(), &self.media)
    }
}

fn bytes(text: &MessageText, subject: Option<&MessageText>, media: &[String]) -> usize {
    let subject = subject.map_or(0, |subject| subject.as_str().len());
    text.as_str().len() + subject + media.iter().map(String::len).sum::<usize>()
}

/// Shows where it stands, and nobody's words.
impl fmt::Debug for PhoneMessage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { index, session_id, .. } = self;
        f.debug_struct("PhoneMessage").field("index", index).field("session_id", session_id).finish_non_exhaustive()
    }
}
