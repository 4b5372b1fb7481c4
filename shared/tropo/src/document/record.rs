//! Recording: of an answer, or of the whole call.

use std::fmt;

use serde::Serialize;
use serde_json::Value;

use super::{Choices, Say};
use crate::member::{Member, Wrong, members};
use crate::shape::{Number, OneOrMany};

members! {
    /// Records the caller (Tropo WebAPI: `record`).
    pub struct Record {
        /// Where the recording goes.
        pub url: OneOrMany<Upload> = "url",
        /// A name for the result.
        pub name: Option<String> = "name",
        /// How often to try.
        pub attempts: Option<Number> = "attempts",
        /// Whether the document goes on before the upload has ended.
        pub async_upload: Option<bool> = "asyncUpload",
        /// Whether the caller may interrupt what is said.
        pub bargein: Option<bool> = "bargein",
        /// Whether a beep says when to speak; true where left out.
        pub beep: Option<bool> = "beep",
        /// The key that ends it.
        pub choices: Option<Choices> = "choices",
        /// `audio/wav`, `audio/mp3` or `audio/au`.
        pub format: Option<String> = "format",
        /// Seconds of silence that end it.
        pub max_silence: Option<Number> = "maxSilence",
        /// The longest recording, in seconds.
        pub max_time: Option<Number> = "maxTime",
        /// `POST` or `PUT`.
        pub method: Option<String> = "method",
        /// What to say first.
        pub say: Option<OneOrMany<Say>> = "say",
        /// Seconds to wait for the caller to speak.
        pub timeout: Option<Number> = "timeout",
        /// Where its words go.
        pub transcription: Option<OneOrMany<Transcription>> = "transcription",
        /// Who uploads.
        pub username: Option<String> = "username",
        /// With this.
        pub password: Option<String> = "password",
        /// The voice that speaks.
        pub voice: Option<String> = "voice",
        /// The signals that may interrupt it; any where left out, none where empty.
        pub allow_signals: Option<OneOrMany<String>> = "allowSignals",
        /// Seconds between keys.
        pub interdigit_timeout: Option<Number> = "interdigitTimeout",
        /// `suppress` keeps what is said out of the debugger's log.
        pub prompt_log_security: Option<String> = "promptLogSecurity",
        /// How sensitive to listen, 0 to 1.
        pub sensitivity: Option<Number> = "sensitivity",
        /// Whether the document ends when it fails.
        pub required: Option<bool> = "required",
        /// How sure the recogniser must be, in old libraries.
        pub min_confidence: Option<Number> = "minConfidence",
    }
}

members! {
    /// Where the words of a recording go.
    pub struct Transcription {
        /// An address, which may be a `mailto:`.
        pub url: String = "url",
        /// Comes back with the words.
        pub id: Option<String> = "id",
        /// `plain` or `encoded`.
        pub email_format: Option<String> = "emailFormat",
        /// The language spoken.
        pub language: Option<String> = "language",
    }
}

members! {
    /// Records the whole call from here (Tropo WebAPI: `startRecording`).
    pub struct StartRecording {
        /// Where the recording goes.
        pub url: OneOrMany<Upload> = "url",
        /// `audio/wav`, `audio/mp3` or `audio/au`.
        pub format: Option<String> = "format",
        /// `POST` or `PUT`.
        pub method: Option<String> = "method",
        /// Who uploads.
        pub username: Option<String> = "username",
        /// With this.
        pub password: Option<String> = "password",
        /// Whether the document goes on before the upload has ended.
        pub async_upload: Option<bool> = "asyncUpload",
        /// Comes back with the words.
        pub transcription_id: Option<String> = "transcriptionID",
        /// `plain` or `encoded`.
        pub transcription_email_format: Option<String> = "transcriptionEmailFormat",
        /// Where the words go.
        pub transcription_out_uri: Option<String> = "transcriptionOutURI",
        /// The language spoken.
        pub transcription_language: Option<String> = "transcriptionLanguage",
    }
}

/// Where a recording goes: a bare address, or one with credentials.
#[derive(Clone, PartialEq, Serialize)]
#[serde(untagged)]
pub enum Upload {
    /// An address: `http`, `ftp` or `mailto`.
    Bare(String),
    /// An address and how to get in.
    Detailed(UploadTarget),
}

members! {
    /// An address for a recording and how to get in.
    pub struct UploadTarget {
        /// The address.
        pub url: String = "url",
        /// Who uploads.
        pub username: Option<String> = "username",
        /// With this.
        pub password: Option<String> = "password",
        /// `POST` or `PUT`.
        pub method: Option<String> = "method",
    }
}

impl Upload {
    /// The address.
    #[must_use]
    pub fn url(&self) -> &str {
        match self {
            Self::Bare(url) => url,
            Self::Detailed(target) => &target.url,
        }
    }
}

impl Member for Upload {
    fn read(value: &Value) -> Result<Self, Wrong> {
        match value {
            Value::Object(_) => UploadTarget::read(value).map(Self::Detailed),
            bare => String::read(bare).map(Self::Bare),
        }
    }
}

/// Shows nothing: addresses hold credentials.
impl fmt::Debug for Upload {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Upload(..)")
    }
}
