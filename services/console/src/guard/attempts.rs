//! How often somebody may try a password.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use protocol::Timestamp;
use sha2::{Digest as _, Sha256};
use store::Digest;

/// Of how many addresses and names attempts are remembered.
const REMEMBERED_MAX: usize = 10_000;

/// The attempts that were made: by each address, and for each name. Each uses up some time, and what is used up may
/// reach only so far beyond now.
#[derive(Debug, Default)]
pub(super) struct Attempts(Mutex<HashMap<Key, Millis>>);

/// An instant, in milliseconds since 1970.
type Millis = i64;

/// Whose attempts are counted.
#[derive(Clone, Copy, PartialEq, Eq, Hash, Debug)]
enum Key {
    /// Those of an address; of the longer ones, of the network that one customer has.
    Address(IpAddr),
    /// Those for a name, whether it is a user's or not.
    Name(Digest),
}

/// There were too many.
#[derive(Clone, Copy, PartialEq, Eq, Debug, thiserror::Error)]
#[error("too many attempts")]
pub(super) struct TooMany {
    /// How long to wait.
    pub(super) retry_after: Duration,
}

impl Attempts {
    /// Counts an attempt, before it is made.
    ///
    /// # Errors
    /// There were too many by this address, or for this name: it is not to be made.
    pub(super) fn begin(&self, address: Option<IpAddr>, name: &str, now: Timestamp) -> Result<(), TooMany> {
        let now = now.as_millisecond();
        let mut used = self.used();
        let with_it = keys(address, name).map(|key| (key, key.used_with_one_more(used.get(&key).copied(), now)));
        let beyond = with_it.iter().map(|(key, until)| until.saturating_sub(now).saturating_sub(key.ahead_max())).max();
        if let Some(beyond) = beyond.and_then(|beyond| u64::try_from(beyond).ok()).filter(|beyond| 0 < *beyond) {
            return Err(TooMany { retry_after: Duration::from_millis(beyond) });
        }
        for (key, until) in with_it {
            make_room(&mut used, &key, now);
            used.insert(key, until);
        }
        Ok(())
    }

    /// Somebody knew the password, or it was not looked at: the attempt does not count.
    pub(super) fn give_back(&self, address: Option<IpAddr>, name: &str) {
        let mut used = self.used();
        for key in keys(address, name) {
            if let Some(until) = used.get_mut(&key) {
                *until = until.saturating_sub(key.each());
            }
        }
    }

    fn used(&self) -> MutexGuard<'_, HashMap<Key, Millis>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Key {
    /// How much time an attempt uses up. Those of one address alone cannot use up those for a name, so nobody can keep
    /// somebody else from signing in.
    fn each(self) -> Millis {
        match self {
            Self::Address(_) => 30_000,
            Self::Name(_) => 6_000,
        }
    }

    /// How far ahead time may be used up.
    fn ahead_max(self) -> Millis {
        let at_once = match self {
            Self::Address(_) => 10,
            Self::Name(_) => 100,
        };
        self.each() * at_once
    }

    fn used_with_one_more(self, used: Option<Millis>, now: Millis) -> Millis {
        used.map_or(now, |until| until.max(now)).saturating_add(self.each())
    }
}

fn keys(address: Option<IpAddr>, name: &str) -> [Key; 2] {
    let address = address.unwrap_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED)).to_canonical();
    let network = match address {
        IpAddr::V4(address) => IpAddr::V4(address),
        IpAddr::V6(address) => IpAddr::V6((address.to_bits() >> 64 << 64).into()),
    };
    [Key::Address(network), Key::Name(Sha256::digest(name).into())]
}

/// Forgets those who may do all their attempts again; if that is nobody, whoever may soonest.
fn make_room(used: &mut HashMap<Key, Millis>, key: &Key, now: Millis) {
    if used.len() < REMEMBERED_MAX || used.contains_key(key) {
        return;
    }
    used.retain(|_, until| now < *until);
    if REMEMBERED_MAX <= used.len()
        && let Some(soonest) = used.iter().min_by_key(|(_, until)| **until).map(|(key, _)| *key)
    {
        used.remove(&soonest);
    }
}

#[cfg(test)]
mod tests;
