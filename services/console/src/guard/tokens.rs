//! The tokens of programs.

use std::collections::BTreeMap;
use std::fmt;

use secrecy::ExposeSecret;
use sha2::{Digest as _, Sha256};
use store::Digest;
use subtle::ConstantTimeEq;

use super::Scope;
use crate::config::Token;

/// The tokens, by their hashes.
pub(super) struct Tokens(Vec<(Digest, String, Vec<Scope>)>);

impl Tokens {
    pub(super) fn new(tokens: &BTreeMap<String, Token>) -> Self {
        let known =
            |(name, token): (&String, &Token)| (hash(token.token.expose_secret()), name.clone(), token.scopes.clone());
        Self(tokens.iter().map(known).collect())
    }

    /// Whose token this is, and what they may do. Each is compared, and hashes of the same length: how long it takes
    /// tells nothing of a token.
    pub(super) fn find(&self, shown: &str) -> Option<(&str, &[Scope])> {
        let shown = hash(shown);
        self.0.iter().fold(None, |found, (known, name, scopes)| {
            if bool::from(known.ct_eq(&shown)) { Some((name.as_str(), scopes.as_slice())) } else { found }
        })
    }
}

impl fmt::Debug for Tokens {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list().entries(self.0.iter().map(|(_, name, _)| name)).finish()
    }
}

fn hash(token: &str) -> Digest {
    Sha256::digest(token).into()
}
