//! Standard Webhooks: what is said over HTTP is signed, by who says it and when.
//!
//! The signature is HMAC-SHA256 over id, time and body, with dots between them. It proves the same in both directions: the
//! router signs its questions to an application, and the application what it asks of the router.

use std::fmt;

use base64::Engine;
use base64::alphabet;
use base64::engine::DecodePaddingMode;
use base64::engine::general_purpose::{GeneralPurpose, GeneralPurposeConfig, STANDARD};
use hmac::{Hmac, KeyInit as _, Mac as _};
use protocol::Timestamp;
use secrecy::{ExposeSecret, SecretString};
use sha2::Sha256;
use subtle::ConstantTimeEq;

/// The header that names what is signed: the same again is the same thing said again.
pub const ID: &str = "webhook-id";
/// The header with the time of signing, in seconds since 1970.
pub const TIMESTAMP: &str = "webhook-timestamp";
/// The header with the signatures, one for each secret.
pub const SIGNATURE: &str = "webhook-signature";

/// What a secret begins with.
const PREFIX: &str = "whsec_";

/// How long a secret is, in bytes, once it is decoded.
const BYTES: std::ops::RangeInclusive<usize> = 24..=64;

/// How many secrets may count at a time: the new one and the old.
const SECRETS_MAX: usize = 2;

/// How many signatures of a request are looked at.
const SIGNATURES_MAX: usize = 8;

/// How far the clock of whoever signs may be from ours, in seconds.
const TOLERANCE_S: i64 = 300;

/// As written with padding or without.
const BASE64: GeneralPurpose = GeneralPurpose::new(
    &alphabet::STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// The secrets that the router and an application share; several while one takes the place of another.
pub struct Secrets(Vec<Secret>);

struct Secret {
    written: SecretString,
    mac: Hmac<Sha256>,
}

/// Why these are no secrets. It quotes nothing.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SecretsError {
    /// There is none, or more than two.
    #[error("must be one secret, or two with a blank between them while the first takes the place of the second")]
    Number,
    /// One is not of the form, or of a wrong length.
    #[error("must be whsec_ and 24 to 64 bytes in base64: echo whsec_$(openssl rand -base64 32)")]
    Form,
}

/// Why a request is not believed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum NotSigned {
    /// The time is no number of seconds.
    #[error("webhook-timestamp is not a number of seconds since 1970")]
    Timestamp,
    /// It was signed too long ago, or in the future.
    #[error(
        "webhook-timestamp is more than five minutes from now: sign each request when it is sent, by a clock that is right"
    )]
    Tolerance,
    /// No signature is of a secret of ours.
    #[error("webhook-signature is not that of this request: v1, and base64 of HMAC-SHA256 over id.timestamp.body")]
    Signature,
}

/// What a request says about its signature.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Signed<'a> {
    pub(crate) id: &'a str,
    pub(crate) timestamp: &'a str,
    pub(crate) signatures: &'a str,
}

impl Secrets {
    /// Reads one secret or two, the one that shall count alone in future first.
    ///
    /// # Errors
    /// [`SecretsError`].
    pub fn parse(written: &str) -> Result<Self, SecretsError> {
        let secrets = written.split_ascii_whitespace().map(Secret::parse).collect::<Result<Vec<_>, _>>()?;
        if (1..=SECRETS_MAX).contains(&secrets.len()) { Ok(Self(secrets)) } else { Err(SecretsError::Number) }
    }

    /// The signatures of a body, one for each secret.
    #[must_use]
    pub(crate) fn sign(&self, id: &str, at: Timestamp, body: &[u8]) -> String {
        let timestamp = at.as_second().to_string();
        let sign = |secret: &Secret| {
            let mac = secret.mac(id, &timestamp, body);
            format!("v1,{}", STANDARD.encode(mac.finalize().into_bytes()))
        };
        self.0.iter().map(sign).collect::<Vec<_>>().join(" ")
    }

    /// Believes that a request with that body was made by who knows a secret, and lately.
    ///
    /// # Errors
    /// [`NotSigned`].
    pub(crate) fn verify(&self, signed: Signed<'_>, body: &[u8], now: Timestamp) -> Result<(), NotSigned> {
        let Signed { id, timestamp, signatures } = signed;
        let at: i64 = timestamp.parse().map_err(|_| NotSigned::Timestamp)?;
        if TOLERANCE_S < now.as_second().saturating_sub(at).saturating_abs() {
            return Err(NotSigned::Tolerance);
        }
        let signatures = signatures.split_ascii_whitespace().take(SIGNATURES_MAX);
        let shown: Vec<Vec<u8>> =
            signatures.filter_map(|signature| BASE64.decode(signature.strip_prefix("v1,")?).ok()).collect();
        // Whoever shows many has the body gone through no more often for that, and who shows none not at all.
        let is_ours = !shown.is_empty()
            && self.0.iter().any(|secret| {
                let ours = secret.mac(id, timestamp, body).finalize().into_bytes();
                shown.iter().any(|shown| bool::from(ours.as_slice().ct_eq(shown)))
            });
        if is_ours { Ok(()) } else { Err(NotSigned::Signature) }
    }

    /// Whether it is one of the secrets, as it is written. How long that takes tells nothing of them.
    pub(crate) fn contain(&self, shown: &str) -> bool {
        let same = |secret: &Secret| secret.written.expose_secret().as_bytes().ct_eq(shown.as_bytes()).unwrap_u8();
        self.0.iter().fold(0, |found, secret| found | same(secret)) == 1
    }
}

impl Secret {
    fn parse(written: &str) -> Result<Self, SecretsError> {
        let encoded = written.strip_prefix(PREFIX).ok_or(SecretsError::Form)?;
        let key = BASE64.decode(encoded).ok().filter(|key| BYTES.contains(&key.len())).ok_or(SecretsError::Form)?;
        let mac = Hmac::new_from_slice(&key).map_err(|_| SecretsError::Form)?;
        Ok(Self { written: written.into(), mac })
    }

    fn mac(&self, id: &str, timestamp: &str, body: &[u8]) -> Hmac<Sha256> {
        let head = format!("{id}.{timestamp}.");
        self.mac.clone().chain_update(head.as_bytes()).chain_update(body)
    }
}

impl fmt::Debug for Secrets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secrets({} of them)", self.0.len())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// What the libraries of Standard Webhooks are tested with.
    const SECRET: &str = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw";
    const OTHER: &str = "whsec_AAECAwQFBgcICQoLDA0ODxAREhMUFRYXGBkaGxwdHh8=";
    const PUBLISHED: Signed<'_> = Signed {
        id: "msg_p5jXN8AQM9LWM0D4loKWxJek",
        timestamp: "1614265330",
        signatures: "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
    };
    const BODY: &[u8] = br#"{"test": 2432232314}"#;

    fn secrets(written: &str) -> Secrets {
        Secrets::parse(written).unwrap()
    }

    fn at(seconds: i64) -> Timestamp {
        Timestamp::from_second(seconds).unwrap()
    }

    #[test]
    fn the_published_vector_is_signed_and_believed() {
        assert_eq!(secrets(SECRET).sign(PUBLISHED.id, at(1_614_265_330), BODY), PUBLISHED.signatures);
        assert_eq!(secrets(SECRET).verify(PUBLISHED, BODY, at(1_614_265_330)), Ok(()));
    }

    #[track_caller]
    fn check(secret: &str, signed: Signed<'_>, body: &[u8], now: i64, expected: Result<(), NotSigned>) {
        assert_eq!(secrets(secret).verify(signed, body, at(now)), expected);
    }

    #[test]
    fn whatever_differs_is_not_believed() {
        let now = 1_614_265_330;
        check(SECRET, PUBLISHED, BODY, now + 300, Ok(()));
        check(SECRET, PUBLISHED, BODY, now - 300, Ok(()));
        check(SECRET, PUBLISHED, BODY, now + 301, Err(NotSigned::Tolerance));
        check(SECRET, PUBLISHED, BODY, now - 301, Err(NotSigned::Tolerance));
        check(SECRET, PUBLISHED, b"{}", now, Err(NotSigned::Signature));
        check(OTHER, PUBLISHED, BODY, now, Err(NotSigned::Signature));
        check(SECRET, Signed { id: "msg_1", ..PUBLISHED }, BODY, now, Err(NotSigned::Signature));
        check(SECRET, Signed { timestamp: "1614265331", ..PUBLISHED }, BODY, now, Err(NotSigned::Signature));
        check(SECRET, Signed { timestamp: "now", ..PUBLISHED }, BODY, now, Err(NotSigned::Timestamp));
        check(SECRET, Signed { timestamp: "-9223372036854775808", ..PUBLISHED }, BODY, now, Err(NotSigned::Tolerance));
        for signatures in ["", "v1,", "v1,!", "v1a,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=", "v1,g0hM9SsE"] {
            check(SECRET, Signed { signatures, ..PUBLISHED }, BODY, now, Err(NotSigned::Signature));
        }
        let after = |others: usize| format!("{}{}", "v1,AAAA ".repeat(others), PUBLISHED.signatures);
        check(SECRET, Signed { signatures: &after(SIGNATURES_MAX - 1), ..PUBLISHED }, BODY, now, Ok(()));
        let many = after(SIGNATURES_MAX);
        check(SECRET, Signed { signatures: &many, ..PUBLISHED }, BODY, now, Err(NotSigned::Signature));
    }

    #[test]
    fn while_a_secret_takes_the_place_of_another_both_count() {
        let both = secrets(&format!("{OTHER} {SECRET}"));
        let signatures = both.sign(PUBLISHED.id, at(1_614_265_330), BODY);
        assert!(signatures.ends_with(PUBLISHED.signatures) && signatures.split(' ').count() == 2);
        check(SECRET, Signed { signatures: &signatures, ..PUBLISHED }, BODY, 1_614_265_330, Ok(()));
        check(OTHER, Signed { signatures: &signatures, ..PUBLISHED }, BODY, 1_614_265_330, Ok(()));
        assert!(both.contain(SECRET) && both.contain(OTHER) && !both.contain("whsec_"));
        assert!(!secrets(OTHER).contain(SECRET));
    }

    #[test]
    fn what_is_no_secret_is_refused_and_none_is_shown() {
        for (written, error) in [
            ("", SecretsError::Number),
            (&*format!("{SECRET} {SECRET} {SECRET}"), SecretsError::Number),
            ("MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw", SecretsError::Form),
            ("whsec_MfKQ9r8GKYqrTwjUPD8ILPZI", SecretsError::Form),
            ("whsec_not base64", SecretsError::Form),
            (&*format!("whsec_{}", STANDARD.encode([7; 65])), SecretsError::Form),
        ] {
            assert_eq!(Secrets::parse(written).map(drop), Err(error), "{written}");
        }
        assert_eq!(format!("{:?}", secrets(SECRET)), "Secrets(1 of them)");
    }
}
