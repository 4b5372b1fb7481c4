//! What a phone sends, and to whom: to an application, which begins a session, or to another phone.

use std::sync::Arc;

use protocol::{Address, MessageText, Network, SessionId};
use serde::{Deserialize, Serialize};

use crate::Simulator;
use crate::phones::Delivery;
use crate::session::opening::OpeningError;
use crate::sms::Encoding;

/// How many files an MMS may have.
const MEDIA_MAX: usize = 20;

/// How long the address of one may be, in bytes.
const MEDIA_BYTES_MAX: usize = 2048;

/// What a phone sends.
#[derive(Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Texting {
    /// The number, of an application or of a phone.
    pub to: Address,
    /// What it says.
    pub text: MessageText,
    /// The network; SMS where left out.
    #[serde(default = "Network::sms")]
    pub network: Network,
    /// The subject of an MMS.
    #[serde(default)]
    pub subject: Option<MessageText>,
    /// The files of an MMS: their addresses, or the names of those that do not come through.
    #[serde(default)]
    pub media: Vec<String>,
}

/// What became of it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize)]
pub struct Texted {
    /// The session that has it: one that asks this phone something, or one that it began. None where it went to a phone.
    pub session_id: Option<SessionId>,
    /// Its index among the messages of the phone that it went to.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub index: Option<u64>,
    /// The alphabet that it was sent in, where it is an SMS.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub encoding: Option<Encoding>,
    /// How many parts it was sent in.
    pub parts: usize,
}

/// Why a phone cannot send it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TextedError {
    /// It went nowhere.
    #[error(transparent)]
    Opening(#[from] OpeningError),
    /// It is no phone.
    #[error("a withheld number cannot text: write the phone as +15555550177, 12345 or alice@example.net")]
    Withheld,
    /// It says nothing, and no file goes with it.
    #[error("the text is blank: write something, or send an MMS")]
    Blank,
    /// What only an MMS has.
    #[error("subject and media are those of an MMS: set network MMS")]
    NotMms,
    /// Too many files, or too long.
    #[error("an MMS has at most {MEDIA_MAX} files, and the address of one at most {MEDIA_BYTES_MAX} bytes")]
    Media,
}

impl Simulator {
    /// A phone texts a number. An application that owns it gets a session; a phone that has it gets the text itself.
    ///
    /// # Errors
    /// [`TextedError`]; then nothing was sent.
    ///
    /// # Panics
    /// Outside a tokio runtime.
    pub fn send(self: &Arc<Self>, from: &Address, texting: Texting) -> Result<Texted, TextedError> {
        let Texting { to, text, network, subject, media } = texting;
        if !from.is_reachable() {
            return Err(TextedError::Withheld);
        }
        if network.as_str() != "MMS" && (subject.is_some() || !media.is_empty()) {
            return Err(TextedError::NotMms);
        }
        if network.as_str() != "MMS" && text.as_str().trim().is_empty() {
            return Err(TextedError::Blank);
        }
        if MEDIA_MAX < media.len() || media.iter().any(|media| MEDIA_BYTES_MAX < media.len()) {
            return Err(TextedError::Media);
        }
        let (from, session_id) = (from.clone(), None);
        let delivery = Delivery { from, to, text, subject, media, network, session_id };
        let (encoding, parts) = delivery.counted().map_or((None, 1), |(encoding, parts)| (Some(encoding), parts));
        if self.applications.of_number(&delivery.to).is_none() && self.phones.knows(&delivery.to) {
            self.phones.sent(delivery.clone());
            let index = Some(self.phones.deliver(delivery));
            return Ok(Texted { session_id: None, index, encoding, parts });
        }
        let session_id = Some(self.text(&delivery)?);
        Ok(Texted { session_id, index: None, encoding, parts })
    }
}
