//! The W3C trace context that travels with a conversation, through the broker and through Tropo.

use serde::{Deserialize, Serialize};

/// A W3C trace context: where in a trace something was caused.
///
/// It is carried, not understood, here: the header values as they stand.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, Deserialize)]
pub struct TraceContext {
    /// The `traceparent` header: `00-<trace id>-<span id>-<flags>`.
    pub traceparent: String,
    /// The `tracestate` header, left out where it is empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub tracestate: String,
}

impl TraceContext {
    /// The longest header value that is carried on, in bytes; W3C asks for at least 512 of `tracestate`.
    pub const BYTES_MAX: usize = 1024;

    /// Takes the two header values as they came. `None` when `traceparent` is not of the form, or too long.
    #[must_use]
    pub fn from_headers(traceparent: &str, tracestate: Option<&str>) -> Option<Self> {
        let valid = (55..=Self::BYTES_MAX).contains(&traceparent.len())
            && traceparent.bytes().all(|byte| byte.is_ascii_hexdigit() || byte == b'-');
        if !valid {
            return None;
        }
        let tracestate = tracestate
            .filter(|state| state.len() <= Self::BYTES_MAX && state.bytes().all(|byte| (b' '..=b'~').contains(&byte)))
            .unwrap_or_default();
        Some(Self { traceparent: traceparent.to_owned(), tracestate: tracestate.to_owned() })
    }

    /// The trace id: 32 hexadecimal digits.
    #[must_use]
    pub fn trace_id(&self) -> Option<&str> {
        self.traceparent.split('-').nth(1)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_header_that_is_not_one_is_not_carried_on() {
        let parent = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";
        let context = TraceContext::from_headers(parent, Some("a=b")).unwrap();
        assert_eq!(context.trace_id(), Some("0af7651916cd43dd8448eb211c80319c"));
        assert_eq!(TraceContext::from_headers(parent, Some("a\r\nb")).unwrap().tracestate, "");
        assert_eq!(TraceContext::from_headers("x", None), None);
        assert_eq!(TraceContext::from_headers(&"é".repeat(60), None), None);
    }
}
