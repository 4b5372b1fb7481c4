//! What every answer tells browsers, and what tells us of those that somebody speaks for.

use axum::http::{HeaderMap, HeaderName, HeaderValue, header};

/// By which something that stands before the console says that it asks for another, beside `X-Forwarded-…`.
const FORWARDED: [&str; 3] = ["forwarded", "via", "x-real-ip"];

/// What a page may load, and where its forms may go: to the console alone. A style or a script within a page is none of
/// ours.
const POLICY: &str = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; \
                      font-src 'self'; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'";

/// Whether something that stands before the console asks for another.
pub(super) fn is_forwarded(headers: &HeaderMap) -> bool {
    headers.keys().any(|name| FORWARDED.contains(&name.as_str()) || name.as_str().starts_with("x-forwarded-"))
}

/// Of every answer. What a handler says itself of how long its answer may be kept stands.
pub(super) fn guard(headers: &mut HeaderMap) {
    let said = [
        (header::CONTENT_SECURITY_POLICY, POLICY),
        (header::X_FRAME_OPTIONS, "DENY"),
        (header::X_CONTENT_TYPE_OPTIONS, "nosniff"),
        (header::REFERRER_POLICY, "same-origin"),
        (HeaderName::from_static("cross-origin-opener-policy"), "same-origin"),
        (HeaderName::from_static("cross-origin-resource-policy"), "same-origin"),
    ];
    for (name, value) in said {
        headers.insert(name, HeaderValue::from_static(value));
    }
    headers.entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
}
