//! The cookie of somebody who is signed in, and what is derived of it.

use std::fmt;
use std::time::Duration;

use axum::http::{HeaderMap, HeaderValue, header};
use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use hmac::{Hmac, KeyInit, Mac};
use messaging::Chance;
use sha2::{Digest as _, Sha256};
use store::Digest;
use subtle::ConstantTimeEq;

/// The cookie where the browser speaks TLS: it takes it from nobody else, and sends it nowhere else.
const SECURE: &str = "__Host-tropomq";
/// The cookie where it does not, as on this machine.
const PLAIN: &str = "tropomq";

/// What only one browser knows: who has it is signed in.
#[derive(Clone, PartialEq, Eq)]
pub(super) struct Secret([u8; 32]);

/// What a page of ours has, and a page of others cannot have. In a page it is written as it is by `Display`.
#[derive(Clone, PartialEq, Eq, Default)]
pub(crate) struct Csrf(String);

impl Secret {
    /// A new one.
    pub(super) fn random(chance: &dyn Chance) -> Self {
        let mut bytes = [0; 32];
        let (high, low) = bytes.split_at_mut(16);
        high.copy_from_slice(&chance.bits().to_be_bytes());
        low.copy_from_slice(&chance.bits().to_be_bytes());
        Self(bytes)
    }

    /// The one in the cookie of a request.
    pub(super) fn of_cookie(headers: &HeaderMap) -> Option<Self> {
        // The plain one may have been set by whoever can speak for our name without TLS.
        let name = if is_secure(headers) { SECURE } else { PLAIN };
        let lines = headers.get_all(header::COOKIE).iter().filter_map(|line| line.to_str().ok());
        let mut cookies = lines.flat_map(|line| line.split(';')).filter_map(|cookie| cookie.trim().split_once('='));
        let (_, written) = cookies.find(|(found, _)| *found == name)?;
        URL_SAFE_NO_PAD.decode(written).ok()?.try_into().ok().map(Self)
    }

    /// The cookie that hands it to a browser, for so long.
    pub(super) fn cookie(&self, headers: &HeaderMap, for_so_long: Duration) -> Option<HeaderValue> {
        cookie(headers, &URL_SAFE_NO_PAD.encode(self.0), for_so_long)
    }

    /// What of it is on record.
    pub(super) fn digest(&self) -> Digest {
        Sha256::digest(self.0).into()
    }

    /// What shows that a page of this session asks.
    pub(super) fn csrf(&self) -> Csrf {
        #[expect(clippy::expect_used, reason = "a key of any length will do")]
        let mut mac = Hmac::<Sha256>::new_from_slice(&self.0).expect("HMAC takes keys of any length");
        mac.update(b"csrf");
        Csrf(URL_SAFE_NO_PAD.encode(mac.finalize().into_bytes()))
    }
}

impl Csrf {
    /// Whether this is it; how long that takes tells nothing.
    pub(super) fn is(&self, shown: &str) -> bool {
        self.0.as_bytes().ct_eq(shown.as_bytes()).into()
    }
}

/// As it stands in a page.
impl fmt::Display for Csrf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Csrf {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Csrf(..)")
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Secret(..)")
    }
}

/// The cookie that takes the secret away again.
pub(super) fn no_cookie(headers: &HeaderMap) -> Option<HeaderValue> {
    cookie(headers, "", Duration::ZERO)
}

fn cookie(headers: &HeaderMap, value: &str, for_so_long: Duration) -> Option<HeaderValue> {
    let (name, secure) = if is_secure(headers) { (SECURE, "; Secure") } else { (PLAIN, "") };
    let seconds = for_so_long.as_secs();
    let written = format!("{name}={value}; Path=/; Max-Age={seconds}; HttpOnly; SameSite=Lax{secure}");
    HeaderValue::try_from(written).ok()
}

/// Whether the browser speaks TLS, with what stands before the console. It says so itself where it posts; else that says
/// so. Whoever lies here gets a cookie that is of less use to them.
fn is_secure(headers: &HeaderMap) -> bool {
    let starts =
        |name, start: &[u8]| headers.get(name).is_some_and(|value: &HeaderValue| value.as_bytes().starts_with(start));
    starts(header::ORIGIN.as_str(), b"https://") || starts("x-forwarded-proto", b"https")
}
