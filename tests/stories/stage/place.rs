//! The addresses of a stage. It has a loopback address to itself, so its ports need not be looked for, and stay its own
//! while a service is restarted.

use std::net::{Ipv4Addr, SocketAddrV4};

use super::setup::{OTHER_BACKEND, SECRET};

/// Below the ports that the kernel hands out, above those that testkit's servers take.
const INGRESS: u16 = 31_100;
const EGRESS: u16 = 31_200;
const SIMULATOR: u16 = 31_300;
const ADMIN: u16 = 31_400;
const BALANCER: u16 = 31_500;
const PROXY: u16 = 31_600;
const ROUTER: u16 = 31_700;
const CONSOLE: u16 = 31_800;

pub(super) fn ingress(address: Ipv4Addr, replica: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, INGRESS + replica)
}

pub(super) fn router(address: Ipv4Addr, replica: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, ROUTER + replica)
}

pub(super) fn egress(address: Ipv4Addr, replica: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, EGRESS + replica)
}

pub(super) fn simulator(address: Ipv4Addr) -> SocketAddrV4 {
    SocketAddrV4::new(address, SIMULATOR)
}

pub(super) fn console(address: Ipv4Addr) -> SocketAddrV4 {
    SocketAddrV4::new(address, CONSOLE)
}

/// What stands between Tropo and ingress.
pub(super) fn proxy(address: Ipv4Addr) -> SocketAddrV4 {
    SocketAddrV4::new(address, PROXY)
}

/// The admin listener of the `ordinal`th service.
pub(super) fn admin(address: Ipv4Addr, ordinal: u16) -> SocketAddrV4 {
    SocketAddrV4::new(address, ADMIN + ordinal)
}

/// The balancers before the replicas of ingress, and before those of egress.
pub(super) fn balanced_ingress(address: Ipv4Addr) -> SocketAddrV4 {
    SocketAddrV4::new(address, BALANCER)
}

pub(super) fn balanced_egress(address: Ipv4Addr) -> SocketAddrV4 {
    SocketAddrV4::new(address, BALANCER + 1)
}

/// Where a backend's webhooks go: the first replica of ingress, and for the other backend the last.
pub(super) fn webhook_url(address: Ipv4Addr, backend: &str, replicas: u16) -> String {
    let replica = if backend == OTHER_BACKEND { replicas - 1 } else { 0 };
    webhook_url_at(ingress(address, replica), backend)
}

/// Where a backend's webhooks go, at one ingress or before all.
pub(super) fn webhook_url_at(ingress: SocketAddrV4, backend: &str) -> String {
    format!("http://{ingress}/tropo/{backend}/{SECRET}")
}
