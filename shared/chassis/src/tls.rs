//! The one cryptography provider of the process.

/// Makes ring the provider for every TLS connection of this process. The first line of every `main`, and of every
/// test that builds an HTTPS-capable client: such a client panics when there is no provider. Harmless when repeated.
pub fn install_provider() {
    // The error says that a provider is installed already, which is what was asked for.
    let _already_installed = rustls::crypto::ring::default_provider().install_default();
}

#[cfg(test)]
mod tests {
    #[test]
    fn a_second_call_changes_nothing() {
        super::install_provider();
        super::install_provider();
        assert!(rustls::crypto::CryptoProvider::get_default().is_some());
    }
}
