//! Which addresses an application may have: none of the inside, unless the configuration names it.
//!
//! An address is checked where it is connected to: after its name was resolved, each time. So a name that points
//! elsewhere by then gains nothing.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::sync::LazyLock;

use chassis::network::Network;
use reqwest::dns::{Addrs, Name, Resolve, Resolving};

/// What is not out on the Internet, by the registries of special addresses. Of IPv6 all that is out there is in
/// 2000::/3.
static INSIDE: LazyLock<Vec<Network>> = LazyLock::new(|| {
    let networks = [
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/3",
        "::/3",
        "2001::/23",
        "2001:db8::/32",
        "3fff::/20",
        "4000::/2",
        "8000::/1",
    ];
    networks.iter().filter_map(|network| network.parse().ok()).collect()
});

/// Judges addresses for one application.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(crate) struct Guard {
    /// Whether its address may be one of the inside.
    pub(crate) allow_private: bool,
    /// The networks in which it may be, wherever they are.
    pub(crate) allow: Vec<Network>,
    /// Whether texts travel to it unencrypted: not over the Internet then.
    pub(crate) is_plain: bool,
}

/// Why an address is not connected to. It does not say which: that is the inside's own business.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// It is of the inside.
    #[error(
        "its address is not a public one: set allow to its network, as in [\"10.0.3.0/24\"], or allow_private = true"
    )]
    Inside,
    /// It is out on the Internet, and nothing would be encrypted.
    #[error("texts do not go over the Internet unencrypted: use https, or set allow to the network of its address")]
    Plain,
}

impl Guard {
    /// Whether that address may be connected to.
    ///
    /// # Errors
    /// [`Refused`].
    pub(crate) fn check(&self, address: IpAddr) -> Result<(), Refused> {
        let meant = meant(address);
        let is_allowed = |network: &Network| network.contains(address) || network.contains(meant);
        if self.allow.iter().any(is_allowed) {
            return Ok(());
        }
        match INSIDE.iter().any(|network| network.contains(meant)) {
            true if self.allow_private => Ok(()),
            true => Err(Refused::Inside),
            false if self.is_plain => Err(Refused::Plain),
            false => Ok(()),
        }
    }

    /// Those addresses of a name that may be connected to.
    ///
    /// # Errors
    /// Why none of them may.
    fn among(&self, found: impl Iterator<Item = SocketAddr>) -> Result<Vec<SocketAddr>, Refused> {
        let mut refused = None;
        let permitted = found.filter(|address| match self.check(address.ip()) {
            Ok(()) => true,
            Err(why) => {
                refused = Some(why);
                false
            }
        });
        let permitted: Vec<_> = permitted.collect();
        match refused {
            Some(why) if permitted.is_empty() => Err(why),
            _ => Ok(permitted),
        }
    }
}

/// The address that is reached by one: the IPv4 address that stands in an IPv6 one of NAT64, of 6to4, or mapped.
fn meant(address: IpAddr) -> IpAddr {
    let IpAddr::V6(six) = address.to_canonical() else { return address.to_canonical() };
    let embedded = match six.segments() {
        [0x64, 0xff9b, 0, 0, 0, 0, high, low] | [0x2002, high, low, ..] => Some((high, low)),
        _ => None,
    };
    embedded.map_or(IpAddr::V6(six), |(high, low)| Ipv4Addr::from_bits(u32::from(high) << 16 | u32::from(low)).into())
}

/// The machine's own resolver, behind a guard.
#[derive(Debug)]
pub(crate) struct Guarded(pub(crate) Guard);

impl Resolve for Guarded {
    fn resolve(&self, name: Name) -> Resolving {
        let guard = self.0.clone();
        Box::pin(async move {
            let found = tokio::net::lookup_host((name.as_str(), 0)).await?;
            let permitted: Addrs = Box::new(guard.among(found)?.into_iter());
            Ok(permitted)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard { allow_private: false, allow: Vec::new(), is_plain: false }
    }

    #[test]
    fn the_inside_is_refused_however_it_is_written() {
        for inside in [
            "0.0.0.0",
            "10.1.2.3",
            "100.64.0.1",
            "127.0.0.1",
            "169.254.169.254",
            "172.31.255.255",
            "192.0.0.8",
            "192.0.2.1",
            "192.168.1.1",
            "198.19.0.1",
            "203.0.113.9",
            "224.0.0.1",
            "240.0.0.1",
            "255.255.255.255",
            "::",
            "::1",
            "::10.1.2.3",
            "::8.8.8.8",
            "::ffff:127.0.0.1",
            "::ffff:169.254.169.254",
            "64:ff9b::10.1.2.3",
            "64:ff9b::7f00:1",
            "64:ff9b:1::8.8.8.8",
            "100::1",
            "2001::1",
            "2001:db8::1",
            "2002:7f00:1::1",
            "3fff::1",
            "5f00::1",
            "fc00::1",
            "fd12:3456::1",
            "fe80::1",
            "fec0::1",
            "ff02::1",
        ] {
            let address = inside.parse().unwrap();
            assert_eq!(guard().check(address), Err(Refused::Inside), "{inside}");
            let open = Guard { allow_private: true, is_plain: true, ..guard() };
            assert_eq!(open.check(address), Ok(()), "{inside}");
        }
    }

    #[test]
    fn what_is_out_on_the_internet_is_not() {
        for out in [
            "8.8.8.8",
            "172.32.0.1",
            "192.0.1.1",
            "::ffff:8.8.8.8",
            "64:ff9b::8.8.8.8",
            "2606:4700::1",
            "2002:808:808::1",
        ] {
            let address = out.parse().unwrap();
            assert_eq!(guard().check(address), Ok(()), "{out}");
            let plain = Guard { allow_private: true, is_plain: true, ..guard() };
            assert_eq!(plain.check(address), Err(Refused::Plain), "{out}");
        }
    }

    #[test]
    fn a_network_that_is_named_is_allowed() {
        let named = Guard { allow: vec!["10.0.3.0/24".parse().unwrap()], is_plain: true, ..guard() };
        for (address, expected) in [
            ("10.0.3.9", Ok(())),
            ("::ffff:10.0.3.9", Ok(())),
            ("64:ff9b::10.0.3.9", Ok(())),
            ("10.0.4.9", Err(Refused::Inside)),
            ("8.8.8.8", Err(Refused::Plain)),
        ] {
            assert_eq!(named.check(address.parse().unwrap()), expected, "{address}");
        }
        let far = Guard { allow: vec!["8.8.8.0/24".parse().unwrap()], is_plain: true, ..guard() };
        assert_eq!(far.check("8.8.8.8".parse().unwrap()), Ok(()));
    }

    #[test]
    fn of_the_addresses_of_a_name_those_of_the_inside_are_left_out() {
        let among = |addresses: &[&str]| {
            let addresses = addresses.iter().map(|address| SocketAddr::new(address.parse().unwrap(), 0));
            guard().among(addresses).map(|permitted| permitted.iter().map(|at| at.ip().to_string()).collect::<Vec<_>>())
        };
        assert_eq!(among(&["127.0.0.1", "8.8.8.8"]), Ok(vec!["8.8.8.8".to_owned()]));
        assert_eq!(among(&["127.0.0.1", "::1"]), Err(Refused::Inside));
        assert_eq!(among(&[]), Ok(vec![]));
    }

    #[test]
    fn every_network_of_the_inside_is_one() {
        assert_eq!(INSIDE.len(), 20);
        assert!(INSIDE.iter().any(|network| network.contains(std::net::Ipv6Addr::LOCALHOST.into())));
    }
}
