//! How long the header `Retry-After` asks to wait.

use std::time::Duration;

use crate::Timestamp;

/// How long the value of a `Retry-After` header asks to wait, in either of its forms: seconds, or until a date. Never
/// longer than `longest`; `None` where it is neither.
#[must_use]
pub fn retry_after(header: &str, now: Timestamp, longest: Duration) -> Option<Duration> {
    let header = header.trim();
    let asked = match header.parse() {
        Ok(seconds) => Duration::from_secs(seconds),
        Err(_) => {
            let until = jiff::fmt::rfc2822::DateTimeParser::new().parse_timestamp(header).ok()?;
            Duration::try_from(until.duration_since(now)).unwrap_or_default()
        }
    };
    Some(asked.min(longest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(header: &str, expected_s: Option<u64>) {
        let now = "2026-03-01T09:30:15Z".parse().unwrap();
        let longest = Duration::from_secs(300);
        assert_eq!(retry_after(header, now, longest), expected_s.map(Duration::from_secs), "{header}");
    }

    #[test]
    fn a_wait_is_seconds_or_until_a_date_and_never_too_long() {
        check("7", Some(7));
        check(" 0 ", Some(0));
        check("86400", Some(300));
        check("Sun, 01 Mar 2026 09:31:15 GMT", Some(60));
        check("Sun, 01 Mar 2026 09:29:15 GMT", Some(0));
        check("Mon, 01 Mar 2027 09:29:15 GMT", Some(300));
        for wrong in ["", "soon", "-1", "1.5", "99999999999999999999999"] {
            check(wrong, None);
        }
    }
}
