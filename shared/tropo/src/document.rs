//! The document that an application answers with: what Tropo shall do next.

mod action;
mod call;
mod record;
mod say;

use std::collections::BTreeMap;

use serde_json::Value;

pub use self::action::{Action, Answer, Hangup, Redirect, Wait};
pub use self::call::{Call, Conference, Message, Prompt, Transfer};
pub use self::record::{Record, StartRecording, Transcription, Upload, UploadTarget};
pub use self::say::{Ask, Choices, On, Say};
use crate::{charset, json};

/// The content type of what [`Document::to_body`] writes. Without the charset, Tropo reads ISO-8859-1.
pub const CONTENT_TYPE: &str = "application/json; charset=utf-8";

/// A document: actions, done in order (Tropo WebAPI: `{"tropo":[...]}`). `on` handlers count for all of it, wherever
/// they stand.
#[derive(Clone, PartialEq, Debug, Default)]
pub struct Document {
    /// What to do.
    pub actions: Vec<Action>,
}

/// Why a body is no document at all. One bad action is none of these: see [`Action::Unreadable`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DocumentError {
    /// Nothing was answered.
    #[error("the answer is empty")]
    Empty,
    /// It cannot be parsed.
    #[error("the answer is not JSON")]
    NotJson,
    /// It is JSON, and not of the form.
    #[error("the answer has no array `tropo`")]
    NoActions,
}

impl Document {
    /// A document that does nothing but hang up: the answer where there is nothing to do.
    #[must_use]
    pub fn hangup() -> Self {
        Self { actions: vec![Action::Hangup(Hangup::default())] }
    }

    /// The handlers of the document, in order.
    pub fn handlers(&self) -> impl Iterator<Item = &On> {
        self.actions.iter().filter_map(|action| if let Action::On(on) = action { Some(on) } else { None }).flatten()
    }

    /// Writes the body: JSON in ASCII alone, so that no reader garbles it. [`Action::Unreadable`] is left out.
    #[must_use]
    pub fn to_body(&self) -> Vec<u8> {
        let actions: Vec<_> = self.actions.iter().filter_map(Action::written).collect();
        json::ascii(&BTreeMap::from([("tropo", actions)]))
    }

    /// Reads a body as Tropo does: `charset` is that of its content type ([`charset::of_content_type`]), and without
    /// one anything beyond ASCII is taken for ISO-8859-1.
    ///
    /// # Errors
    /// [`DocumentError`] when there is no document. An action that cannot be read is kept as [`Action::Unreadable`],
    /// and costs no other.
    pub fn read(body: &[u8], charset: Option<&str>) -> Result<Self, DocumentError> {
        let text = charset::of_document(body, charset);
        if text.trim().is_empty() {
            return Err(DocumentError::Empty);
        }
        let body: Value = serde_json::from_str(&text).map_err(|_| DocumentError::NotJson)?;
        let actions = body.get("tropo").and_then(Value::as_array).ok_or(DocumentError::NoActions)?;
        Ok(Self { actions: actions.iter().map(Action::of).collect() })
    }
}

#[cfg(test)]
mod tests;
