//! The backends that ingress knows, and who may speak for each.

use std::collections::BTreeMap;

use chassis::network::Network;
use protocol::BackendName;
use secrecy::SecretString;

/// The backends by name.
pub type Backends = BTreeMap<BackendName, Backend>;

/// What ingress needs to know of a backend. Tropo signs nothing, so these two are all there is to know it by.
#[derive(Clone, Debug, Default)]
pub struct Backend {
    /// The secret that every webhook must show: as the last segment of the path, as `secret` in the query, or as the
    /// password of HTTP Basic authentication. Without one, anybody who can reach ingress can pose as Tropo.
    pub webhook_secret: Option<SecretString>,
    /// The networks that webhooks may come from; empty for any.
    pub allow_from: Vec<Network>,
}
