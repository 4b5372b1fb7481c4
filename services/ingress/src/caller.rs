//! Whether a webhook comes from whom the backend knows as Tropo.

use std::net::SocketAddr;

use axum::http::{HeaderMap, Uri, header};
use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use chassis::network::{self, Network};
use secrecy::ExposeSecret;
use subtle::ConstantTimeEq;

use crate::Backend;

/// What a caller shows of itself.
#[derive(Clone, Copy)]
pub(crate) struct Caller<'a> {
    pub(crate) peer: SocketAddr,
    /// The segment of the path after the backend's name.
    pub(crate) path_secret: Option<&'a str>,
    pub(crate) uri: &'a Uri,
    pub(crate) headers: &'a HeaderMap,
}

/// Why a caller is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum CallerError {
    #[error("this address may not call")]
    Address,
    #[error("the backend's webhook secret is missing: give it as the last path segment, as ?secret= or by HTTP Basic")]
    NoSecret,
    #[error("the webhook secret is wrong")]
    WrongSecret,
}

/// Believes a caller, or says why not.
pub(crate) fn check(backend: &Backend, caller: &Caller<'_>, trusted_proxies: &[Network]) -> Result<(), CallerError> {
    if !backend.allow_from.is_empty() {
        let address = network::client(caller.peer.ip(), caller.headers, trusted_proxies);
        if !address.is_some_and(|address| backend.allow_from.iter().any(|network| network.contains(address))) {
            return Err(CallerError::Address);
        }
    }
    let Some(secret) = &backend.webhook_secret else { return Ok(()) };
    let query = caller.uri.query().unwrap_or_default();
    let in_query = url::form_urlencoded::parse(query.as_bytes()).find(|(key, _)| key == "secret");
    let shown = [
        caller.path_secret.map(str::to_owned),
        in_query.map(|(_, value)| value.into_owned()),
        basic_password(caller.headers),
    ];
    let secret = secret.expose_secret().as_bytes();
    // Each is compared, and in constant time: how long it takes tells nothing of the secret.
    let matches = shown.iter().flatten().fold(0, |matches, shown| matches | shown.as_bytes().ct_eq(secret).unwrap_u8());
    match (matches, shown.iter().all(Option::is_none)) {
        (1, _) => Ok(()),
        (_, true) => Err(CallerError::NoSecret),
        (_, false) => Err(CallerError::WrongSecret),
    }
}

fn basic_password(headers: &HeaderMap) -> Option<String> {
    let value = headers.get(header::AUTHORIZATION)?.to_str().ok()?;
    let (scheme, encoded) = value.split_once(' ')?;
    if !scheme.eq_ignore_ascii_case("basic") {
        return None;
    }
    let decoded = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
    decoded.split_once(':').map(|(_, password)| password.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECRET: &str = "s3cret/+&";

    fn backend() -> Backend {
        Backend { webhook_secret: Some(SECRET.into()), allow_from: Vec::new() }
    }

    #[track_caller]
    fn check_secret(path: Option<&str>, uri: &str, basic: Option<&str>, expected: Result<(), CallerError>) {
        let mut headers = HeaderMap::new();
        if let Some(credentials) = basic {
            let value = format!("Basic {}", STANDARD.encode(credentials));
            headers.insert(header::AUTHORIZATION, value.parse().unwrap());
        }
        let uri: Uri = uri.parse().unwrap();
        let caller = Caller { peer: "127.0.0.1:1".parse().unwrap(), path_secret: path, uri: &uri, headers: &headers };
        assert_eq!(check(&backend(), &caller, &[]), expected);
        assert_eq!(check(&Backend::default(), &caller, &[]), Ok(()), "without a secret anybody is believed");
    }

    #[test]
    fn the_secret_may_stand_in_path_query_or_basic() {
        check_secret(Some(SECRET), "/tropo/b/x", None, Ok(()));
        check_secret(None, "/tropo/b?a=b&secret=s3cret%2F%2B%26", None, Ok(()));
        check_secret(None, "/tropo/b", Some("anyone:s3cret/+&"), Ok(()));
        check_secret(Some("wrong"), "/tropo/b?secret=s3cret%2F%2B%26", None, Ok(()));
    }

    #[test]
    fn missing_and_wrong_secrets_are_told_apart() {
        check_secret(None, "/tropo/b", None, Err(CallerError::NoSecret));
        check_secret(Some("s3cret"), "/tropo/b/s3cret", None, Err(CallerError::WrongSecret));
        check_secret(None, "/tropo/b?secret=", None, Err(CallerError::WrongSecret));
        check_secret(None, "/tropo/b", Some("s3cret/+&:"), Err(CallerError::WrongSecret));
    }

    #[track_caller]
    fn check_address(peer: &str, forwarded: Option<&str>, expected: Result<(), CallerError>) {
        let backend = Backend { webhook_secret: None, allow_from: vec!["192.0.2.0/24".parse().unwrap()] };
        let mut headers = HeaderMap::new();
        if let Some(chain) = forwarded {
            headers.insert("x-forwarded-for", chain.parse().unwrap());
        }
        let uri = Uri::from_static("/tropo/b");
        let caller =
            Caller { peer: SocketAddr::new(peer.parse().unwrap(), 1), path_secret: None, uri: &uri, headers: &headers };
        assert_eq!(check(&backend, &caller, &["10.0.0.0/8".parse().unwrap()]), expected);
    }

    #[test]
    fn only_a_trusted_proxy_speaks_for_another_address() {
        check_address("192.0.2.7", None, Ok(()));
        check_address("198.51.100.1", None, Err(CallerError::Address));
        check_address("10.0.0.1", Some("192.0.2.7"), Ok(()));
        check_address("10.0.0.1", Some("192.0.2.7, 10.0.0.2"), Ok(()));
        check_address("10.0.0.1", Some("192.0.2.7, 198.51.100.1"), Err(CallerError::Address));
        check_address("198.51.100.1", Some("192.0.2.7"), Err(CallerError::Address));
        check_address("10.0.0.1", Some("nonsense"), Err(CallerError::Address));
        check_address("10.0.0.1", Some("192.0.2.7, x, 198.51.100.1"), Err(CallerError::Address));
        check_address("10.0.0.1", Some("192.0.2.7, x"), Err(CallerError::Address));
        check_address("10.0.0.1", None, Err(CallerError::Address));
    }
}
