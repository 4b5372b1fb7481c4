//! TLS to the server.

use std::io;
use std::sync::Arc;

use rustls::crypto::ring;
use rustls::{ClientConfig, RootCertStore};
use tokio_postgres_rustls::MakeRustlsConnect;

use crate::LedgerError;

/// A connector that verifies the server against the machine's own roots (or those that `SSL_CERT_FILE` names).
pub(super) fn connector() -> Result<MakeRustlsConnect, LedgerError> {
    let found = rustls_native_certs::load_native_certs();
    let mut roots = RootCertStore::empty();
    // A root that cannot be read, among many that can, is no reason to stop: the handshake says if it was needed.
    let (taken, _) = roots.add_parsable_certificates(found.certs);
    if taken == 0 {
        let cause = io::Error::new(io::ErrorKind::NotFound, "no root certificates on this machine");
        return Err(LedgerError::corrupt(cause));
    }
    let config = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()))
        .with_safe_default_protocol_versions()
        .map_err(LedgerError::corrupt)?
        .with_root_certificates(roots)
        .with_no_client_auth();
    Ok(MakeRustlsConnect::new(config))
}
