//! The keys that sign: the first signs, all verify.

use std::fmt;

use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD as BASE64;
use hmac::{Hmac, KeyInit as _, Mac as _};
use protocol::Timestamp;
use sha2::Sha256;

use super::Sealed;

/// A signing key.
///
/// Its id is public and stands in front of everything it signed, so that keys can be exchanged one at a time: add the
/// new one behind the old, restart everywhere, put it first, and drop the old one when its last ticket has expired.
#[derive(Clone)]
pub struct Key {
    id: String,
    /// HMAC with the secret already in it.
    mac: Hmac<Sha256>,
}

/// Keys, of which the first signs and all verify.
#[derive(Clone, Debug)]
pub struct Keyring {
    first: Key,
    others: Vec<Key>,
}

/// Why keys are not usable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum KeyringError {
    /// Nothing could be signed.
    #[error("at least one key is needed")]
    NoKeys,
    /// The id is part of the signed string, between full stops.
    #[error("a key id must be 1 to {} letters, digits, '-' or '_'", Key::ID_BYTES_MAX)]
    KeyId,
    /// It could be guessed.
    #[error("a key's secret must be at least {} bytes long", Key::SECRET_BYTES_MIN)]
    WeakSecret,
    /// It would not be known which of them signed.
    #[error("two keys have the same id")]
    SameId,
}

/// Why a sealed string does not open. Says nothing about what is in it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum TicketError {
    /// It is not of the form, or not of this version.
    #[error("not a sealed value")]
    Malformed,
    /// The key that signed it is not among ours.
    #[error("signed with an unknown key")]
    UnknownKey,
    /// The signature is not ours, or was made for another purpose.
    #[error("the signature does not match")]
    Forged,
    /// It was ours, and its time is over.
    #[error("expired")]
    Expired,
}

impl Key {
    /// The longest id, in bytes.
    pub const ID_BYTES_MAX: usize = 32;
    /// The shortest secret, in bytes: as long as the signature.
    pub const SECRET_BYTES_MIN: usize = 32;

    /// Makes a key.
    ///
    /// # Errors
    /// [`KeyringError::KeyId`] and [`KeyringError::WeakSecret`].
    pub fn new(id: impl Into<String>, secret: &[u8]) -> Result<Self, KeyringError> {
        let id = id.into();
        let valid = (1..=Self::ID_BYTES_MAX).contains(&id.len())
            && id.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_');
        if !valid {
            return Err(KeyringError::KeyId);
        }
        if secret.len() < Self::SECRET_BYTES_MIN {
            return Err(KeyringError::WeakSecret);
        }
        let mac = Hmac::new_from_slice(secret).map_err(|_| KeyringError::WeakSecret)?;
        Ok(Self { id, mac })
    }

    /// The HMAC over what it is for, the key's id and the payload.
    fn mac(&self, purpose: &str, payload: &str) -> Hmac<Sha256> {
        let mut mac = self.mac.clone();
        for part in [purpose, "\0", &self.id, ".", payload] {
            mac.update(part.as_bytes());
        }
        mac
    }
}

impl Keyring {
    /// Makes a ring of keys; the first signs.
    ///
    /// # Errors
    /// [`KeyringError::NoKeys`] and [`KeyringError::SameId`].
    pub fn new(keys: Vec<Key>) -> Result<Self, KeyringError> {
        let mut keys = keys.into_iter();
        let mut ring = Self { first: keys.next().ok_or(KeyringError::NoKeys)?, others: Vec::new() };
        for key in keys {
            if ring.key(&key.id).is_some() {
                return Err(KeyringError::SameId);
            }
            ring.others.push(key);
        }
        Ok(ring)
    }

    /// Seals a value: `<key id>.<payload>.<signature>`, of letters, digits, `-`, `_` and `.` alone, so that it passes
    /// through queries, forms, XML and JSON unescaped.
    #[must_use]
    pub fn seal<T: Sealed>(&self, value: &T) -> String {
        #[expect(clippy::expect_used, reason = "our own types are strings and numbers: they always serialise")]
        let payload = BASE64.encode(serde_json::to_vec(value).expect("tickets serialise"));
        let signature = BASE64.encode(self.first.mac(T::PURPOSE, &payload).finalize().into_bytes());
        format!("{}.{payload}.{signature}", self.first.id)
    }

    /// Opens a sealed value: checks the signature in constant time, before anything in it is looked at, then its time.
    ///
    /// # Errors
    /// [`TicketError`]; it discloses nothing about what is in it.
    pub fn open<T: Sealed>(&self, sealed: &str, now: Timestamp) -> Result<T, TicketError> {
        let mut parts = sealed.split('.');
        let (Some(id), Some(payload), Some(signature), None) = (parts.next(), parts.next(), parts.next(), parts.next())
        else {
            return Err(TicketError::Malformed);
        };
        let key = self.key(id).ok_or(TicketError::UnknownKey)?;
        let signature = BASE64.decode(signature).map_err(|_| TicketError::Malformed)?;
        key.mac(T::PURPOSE, payload).verify_slice(&signature).map_err(|_| TicketError::Forged)?;
        let payload = BASE64.decode(payload).map_err(|_| TicketError::Malformed)?;
        let value: T = serde_json::from_slice(&payload).map_err(|_| TicketError::Malformed)?;
        if value.expires_at() <= now { Err(TicketError::Expired) } else { Ok(value) }
    }

    fn key(&self, id: &str) -> Option<&Key> {
        std::iter::once(&self.first).chain(&self.others).find(|key| key.id == id)
    }
}

/// Shows the id alone.
impl fmt::Debug for Key {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Key").field("id", &self.id).finish_non_exhaustive()
    }
}
