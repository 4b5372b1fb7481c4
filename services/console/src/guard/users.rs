//! The users, and their passwords.

use std::collections::BTreeMap;

use argon2::Argon2;
use argon2::password_hash::phc::PasswordHash;
use argon2::password_hash::{PasswordHasher, PasswordVerifier};
use secrecy::{ExposeSecret, SecretString};
use sha2::{Digest as _, Sha256};
use store::Digest;
use tokio::sync::Semaphore;

use super::Scope;
use crate::config::User;

/// How many passwords are looked at in one moment: each takes a processor, and about 20 MB.
const AT_ONCE_MAX: usize = 2;
/// How many wait for that at most.
const WAITING_MAX: usize = 32;
/// The shortest password.
const PASSWORD_CHARS_MIN: usize = 8;
/// The longest password.
pub(super) const PASSWORD_BYTES_MAX: usize = 1024;

/// The users.
pub(super) struct Users {
    known: BTreeMap<String, User>,
    turns: Semaphore,
    waiting: Semaphore,
}

/// Too many passwords are being looked at.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("too many passwords are being looked at")]
pub(super) struct Busy;

/// Why there is no hash of a password.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
pub enum HashError {
    /// It is too easily guessed.
    #[error("a password has {PASSWORD_CHARS_MIN} characters at least")]
    TooShort,
    /// It is longer than any that is looked at.
    #[error("a password has {PASSWORD_BYTES_MAX} bytes at most")]
    TooLong,
    /// The machine has no randomness or no memory for it.
    #[error("this machine cannot hash a password now")]
    NotNow,
}

impl Users {
    pub(super) fn new(users: &BTreeMap<String, User>) -> Self {
        let (turns, waiting) = (Semaphore::new(AT_ONCE_MAX), Semaphore::new(AT_ONCE_MAX + WAITING_MAX));
        Self { known: users.clone(), turns, waiting }
    }

    /// A user who signed in, and what they may do, unless they have another password since.
    pub(super) fn find(&self, name: &str, proof: &Digest) -> Option<(&str, &[Scope])> {
        let (name, user) = self.known.get_key_value(name)?;
        (digest(user) == *proof).then_some((name.as_str(), user.scopes.as_slice()))
    }

    /// Looks at a password. Gives what is put on record of it, if it is that of the user.
    ///
    /// # Errors
    /// [`Busy`]: ask again later.
    pub(super) async fn sign_in(&self, name: &str, password: SecretString) -> Result<Option<Digest>, Busy> {
        let _waits = self.waiting.try_acquire().map_err(|_| Busy)?;
        let _turn = self.turns.acquire().await.map_err(|_| Busy)?;
        // Of a name that nobody has, another's password is looked at: how long it takes does not tell who is a user.
        let user = self.known.get(name);
        let Some(looked_at) = user.or_else(|| self.known.values().next()) else { return Ok(None) };
        let hash = looked_at.password_hash.clone();
        let right = tokio::task::spawn_blocking(move || is(&hash, &password)).await.unwrap_or(false);
        Ok(user.filter(|_| right).map(digest))
    }
}

/// The hash of a password, as it stands in the configuration. Takes a processor for a moment.
///
/// # Errors
/// [`HashError`].
pub fn hash(password: &SecretString) -> Result<String, HashError> {
    let password = password.expose_secret();
    if password.chars().count() < PASSWORD_CHARS_MIN {
        return Err(HashError::TooShort);
    }
    if PASSWORD_BYTES_MAX < password.len() {
        return Err(HashError::TooLong);
    }
    let hashed: PasswordHash = Argon2::default().hash_password(password.as_bytes()).map_err(|_| HashError::NotNow)?;
    Ok(hashed.to_string())
}

/// Whether a hash is one that [`hash`] could have made.
pub(crate) fn is_hash(written: &SecretString) -> bool {
    PasswordHash::new(written.expose_secret())
        .is_ok_and(|hash| hash.algorithm.as_str() == "argon2id" && hash.salt.is_some() && hash.hash.is_some())
}

fn is(hash: &SecretString, password: &SecretString) -> bool {
    let password = password.expose_secret().as_bytes();
    let hash = PasswordHash::new(hash.expose_secret());
    hash.is_ok_and(|hash| Argon2::default().verify_password(password, &hash).is_ok())
}

/// What is on record of the password that somebody signed in with: with another one they are signed in no longer.
fn digest(user: &User) -> Digest {
    Sha256::digest(user.password_hash.expose_secret()).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn users(hash: &str) -> Users {
        let user = User { password_hash: hash.into(), scopes: vec![Scope::Read] };
        Users::new(&BTreeMap::from([("ann".to_owned(), user)]))
    }

    #[tokio::test]
    async fn a_password_is_known_by_its_hash() {
        let password = || SecretString::from("correct horse");
        let users = users(&hash(&password()).unwrap());
        let proof = users.sign_in("ann", password()).await.unwrap().unwrap();
        assert_eq!(users.find("ann", &proof), Some(("ann", [Scope::Read].as_slice())));
        assert_eq!(users.find("bob", &proof), None);
        assert_eq!(users.find("ann", &[0; 32]), None);
        for (name, password) in [("ann", "Correct horse"), ("ann", ""), ("bob", "correct horse"), ("", "")] {
            assert_eq!(users.sign_in(name, password.into()).await, Ok(None), "{name} {password}");
        }
    }

    #[tokio::test]
    async fn no_more_wait_than_there_is_room_for() {
        let users = users("");
        let waiting: Vec<_> = std::iter::from_fn(|| users.waiting.try_acquire().ok()).collect();
        assert_eq!(waiting.len(), AT_ONCE_MAX + WAITING_MAX);
        assert_eq!(users.sign_in("ann", "x".into()).await, Err(Busy));
        drop(waiting);
        assert_eq!(users.sign_in("ann", "x".into()).await, Ok(None));
    }

    #[test]
    fn a_password_that_is_easily_guessed_or_endless_has_no_hash() {
        assert_eq!(hash(&"1234567".into()), Err(HashError::TooShort));
        assert_eq!(hash(&"x".repeat(1025).into()), Err(HashError::TooLong));
        assert!(is_hash(&hash(&"ä".repeat(8).into()).unwrap().into()));
    }
}
