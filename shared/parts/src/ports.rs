//! Ports and addresses that nobody else has.

use std::hash::{BuildHasher, RandomState};
use std::io;
use std::net::{Ipv4Addr, TcpListener};

/// How many ports a block has.
pub(crate) const BLOCK: u16 = 30;

/// Where blocks lie: below the ports that the kernel hands out itself.
const FIRST: u16 = 10_000;
const BLOCKS: u16 = 700;

/// A port on which nothing listens on 127.0.0.1. Another process may take it before the caller does: where a
/// server can listen on port 0 and say what it got, that is better.
///
/// # Errors
/// When the kernel has no port to give.
pub fn free_port() -> io::Result<u16> {
    Ok(TcpListener::bind((Ipv4Addr::LOCALHOST, 0))?.local_addr()?.port())
}

/// An address of the loopback network, chosen at random, that nobody else uses: every port of it is free, and stays
/// so while the server that listens there is restarted. (Linux alone has the whole network on its loopback device.)
#[must_use]
pub fn own_address() -> Ipv4Addr {
    let [a, b, c, ..] = random().to_be_bytes();
    // Neither 127.0.0.1, from which all that connects over loopback comes, nor what could be a broadcast address.
    Ipv4Addr::new(127, a.max(1), b, c.clamp(1, 254))
}

/// The first of [`BLOCK`] ports on which nothing listens on 127.0.0.1, chosen at random so that two processes
/// hardly ever choose the same.
///
/// # Errors
/// When no free block was found.
pub(crate) fn free_block() -> io::Result<u16> {
    for _ in 0..100 {
        let index = u16::try_from(random() % u64::from(BLOCKS)).unwrap_or_default();
        let first = FIRST + index * BLOCK;
        let listeners: io::Result<Vec<_>> =
            (first..first + BLOCK).map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port))).collect();
        if listeners.is_ok() {
            return Ok(first);
        }
    }
    Err(io::Error::new(io::ErrorKind::AddrInUse, "no block of free ports"))
}

/// A random number. The standard library seeds each hasher anew.
pub(crate) fn random() -> u64 {
    RandomState::new().hash_one(std::process::id())
}

/// A name that nobody else has, on no server: `<prefix>_<process>_<random>`.
#[must_use]
pub fn unique_name(prefix: &str) -> String {
    format!("{prefix}_{}_{:016x}", std::process::id(), random())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_block_is_free_and_no_two_are_likely_the_same() {
        let first = free_block().unwrap();
        let kept: Vec<_> = (first..first + BLOCK).map(|port| TcpListener::bind((Ipv4Addr::LOCALHOST, port))).collect();
        assert!(kept.iter().all(Result::is_ok));
        assert_ne!(free_block().unwrap(), first);
        assert_ne!(random(), random());
    }

    #[test]
    fn an_own_address_can_be_listened_on_and_is_nobody_elses() {
        let address = own_address();
        assert!(address.is_loopback() && address != Ipv4Addr::LOCALHOST);
        assert!(TcpListener::bind((address, 0)).is_ok());
        assert_ne!(own_address(), address);
    }
}
