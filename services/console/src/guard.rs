//! Who asks, and what they may do. Every request comes through here before it reaches a page or the API: a program shows
//! a token, a person has signed in, and while there are neither tokens nor users, whoever is on this machine may do
//! anything.
//!
//! Invariant: what a browser is told to do by a page of another site is not done, and a page under a name that somebody
//! pointed here is served nothing.

mod admission;
mod attempts;
mod caller;
mod forms;
mod headers;
mod lately;
mod login;
mod sessions;
mod tokens;
mod users;

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use crate::Config;
use attempts::Attempts;
use lately::Lately;
use sessions::Secret;
use tokens::Tokens;
use users::Users;

pub(crate) use admission::admit;
pub(crate) use caller::{Caller, Visitor};
pub(crate) use forms::Form;
pub(crate) use login::routes;
pub(crate) use users::is_hash;
pub use users::{HashError, hash};

/// What somebody may do.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Debug, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Scope {
    /// See what happened, with numbers and words masked.
    Read,
    /// See numbers and words, and search by words.
    People,
    /// Send messages, and texts by the tester.
    Send,
    /// Replay and drop dead letters.
    Operate,
}

impl Scope {
    /// All of them.
    const ALL: [Self; 4] = [Self::Read, Self::People, Self::Send, Self::Operate];
}

/// Tells who asks.
pub(crate) struct Guard {
    tokens: Tokens,
    users: Users,
    attempts: Attempts,
    lately: Lately,
    /// There are neither tokens nor users. Of the forms that are handed out then, what proves that they are ours.
    open: Option<Secret>,
}

impl Guard {
    /// A guard that knows the tokens and the users of a configuration that was checked.
    pub(crate) fn new(config: &Config, chance: &dyn messaging::Chance) -> Self {
        let is_open = config.tokens.is_empty() && config.users.is_empty();
        Self {
            tokens: Tokens::new(&config.tokens),
            users: Users::new(&config.users),
            attempts: Attempts::default(),
            lately: Lately::default(),
            open: is_open.then(|| Secret::random(chance)),
        }
    }
}

#[cfg(test)]
mod tests;
