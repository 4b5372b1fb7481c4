//! The words of a message.

use std::fmt;
use std::str::FromStr;

use crate::serde_as_string;

/// The text of a message, in or out: any Unicode, at most [`MessageText::BYTES_MAX`] bytes, without NUL.
///
/// Redacts itself in `Debug`, and has no `Display`: what a person wrote stays out of logs.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct MessageText(String);

/// Why a string is not the text of a message.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TextError {
    /// Longer than any text message.
    #[error("text is longer than {} bytes", MessageText::BYTES_MAX)]
    TooLong,
    /// It holds a NUL character, which no store and no phone takes.
    #[error("text holds a NUL character")]
    Nul,
}

impl MessageText {
    /// The longest text, in bytes. 255 concatenated SMS parts hold 39,015 characters.
    pub const BYTES_MAX: usize = 40 * 1024;

    /// The text.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Words of our own, which are short and of ASCII.
    pub(crate) fn of_ascii(written: String) -> Self {
        debug_assert!(written.parse::<Self>().is_ok() && written.is_ascii());
        Self(written)
    }
}

impl FromStr for MessageText {
    type Err = TextError;

    fn from_str(written: &str) -> Result<Self, TextError> {
        if Self::BYTES_MAX < written.len() {
            return Err(TextError::TooLong);
        }
        if written.contains('\0') {
            return Err(TextError::Nul);
        }
        Ok(Self(written.to_owned()))
    }
}

/// Shows the length alone.
impl fmt::Debug for MessageText {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "MessageText({} bytes)", self.0.len())
    }
}

serde_as_string!(MessageText, {
    "description": "The words of a message: at most 40960 bytes of UTF-8, without NUL.",
    "minLength": 0,
    "maxLength": MessageText::BYTES_MAX,
    "pattern": "^[^\\x00]*$",
});

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn any_words_are_a_text_and_debug_hides_them() {
        let text: MessageText = "ποῦ 🐘 \"<&>\\ \u{200d}".parse().unwrap();
        assert_eq!(serde_json::from_str::<MessageText>(&serde_json::to_string(&text).unwrap()).unwrap(), text);
        assert!(!format!("{text:?}").contains('🐘'));
    }

    #[test]
    fn too_long_and_nul_are_refused() {
        assert_eq!("a".repeat(MessageText::BYTES_MAX + 1).parse::<MessageText>(), Err(TextError::TooLong));
        assert_eq!("a\0".parse::<MessageText>(), Err(TextError::Nul));
    }
}
