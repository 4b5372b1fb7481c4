//! How ingress forwards a call-back to egress, over HTTP.

use crate::BackendName;

/// The route in egress, as axum spells it.
pub const ROUTE: &str = "/callback/{backend}";

/// The header that tells the last part of the URL that Tropo called: its last path segment and its query. What egress
/// writes into a document is relative to it.
pub const REPLY_TO: &str = "tropomq-reply-to";

/// The header that tells for how many milliseconds ingress waits for the answer. A message that is granted later is
/// granted to a session that gets no document.
pub const WAIT: &str = "tropomq-wait";

/// The path, below the address of egress, that takes the call-backs of a backend.
#[must_use]
pub fn path(backend: &BackendName) -> String {
    format!("callback/{backend}")
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_path_is_of_the_route() {
        let backend = "my-backend".parse().unwrap();
        assert_eq!(format!("/{}", super::path(&backend)), super::ROUTE.replace("{backend}", "my-backend"));
    }
}
