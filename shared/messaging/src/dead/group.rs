//! Letters that died of the same cause, as one group.

use std::net::{IpAddr, SocketAddr};

use uuid::Uuid;

use super::Letter;

/// The namespace under which the ids of groups are derived.
const GROUPS: Uuid = Uuid::from_u128(0x2f7c_91d4_6b3a_4e58_a0c6_38d5_e1b7_94f2);

/// A number of so many digits is of one event: an id, a port, a time. A shorter one tells what happened: a status.
const DIGITS_MIN: usize = 4;

/// So many hexadecimal digits are an id.
const HEX_MIN: usize = 16;

/// What stands for what differs from letter to letter.
const DIFFERS: &str = "…";

impl Letter {
    /// The chain of causes without what differs from letter to letter: ids, numbers and addresses. Empty where it has
    /// none.
    #[must_use]
    pub fn cause(&self) -> String {
        cause(self.error.as_deref().unwrap_or_default())
    }

    /// The id of its group: those with the same cause, from the same queue.
    #[must_use]
    pub fn group(&self) -> Uuid {
        let Self { queue, backend, kind, reason, .. } = self;
        let parts = [queue, backend, kind, reason].map(|part| part.as_deref().unwrap_or_default());
        let [queue, backend, kind, reason] = parts;
        // A line break stands in none of the four.
        Uuid::new_v5(&GROUPS, [queue, backend, kind, reason, &self.cause()].join("\n").as_bytes())
    }
}

fn cause(error: &str) -> String {
    let is_between = |c: char| c.is_whitespace() || "/=,;()[]{}<>\"'`?&".contains(c);
    let mut told = String::new();
    for word in error.split_inclusive(is_between) {
        let core = word.trim_end_matches(is_between);
        let between = word.get(core.len()..).unwrap_or_default();
        let bare = core.trim_matches([':', '.']);
        match core.split_once(bare).filter(|_| differs(bare)) {
            Some((before, after)) => told.extend([before, DIFFERS, after, between]),
            None => told.push_str(word),
        }
    }
    told
}

fn differs(word: &str) -> bool {
    let longest_run = word.split(|c: char| !c.is_ascii_digit()).map(str::len).max().unwrap_or_default();
    let is_hex = word.chars().all(|c| c.is_ascii_hexdigit() || c == '-');
    let is_address = word.parse::<IpAddr>().is_ok() || word.parse::<SocketAddr>().is_ok() || word.contains('@');
    DIGITS_MIN <= longest_run || (is_hex && HEX_MIN <= word.len()) || is_address
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    #[track_caller]
    fn check(error: &str, expected: &str) {
        assert_eq!(cause(error), expected);
    }

    #[test]
    fn what_differs_from_letter_to_letter_is_left_out() {
        check("", "");
        check("Tropo refused the token", "Tropo refused the token");
        check("send to +15555550100 failed", "send to … failed");
        check("session 9f0c4be1a27d4d7f8a53e6b1c0d92e44: gone", "session …: gone");
        check("event 0b6fd3a1-6f0e-5d7c-9e0a-2d4b8f1c3a55, again", "event …, again");
        check("post http://127.0.0.1:40123/sessions/77777?a=12345: refused", "post http://…/sessions/…?a=…: refused");
        check("connect to [::1]:5672 from 10.0.0.7.", "connect to [::1]:… from ….");
        check("at 2026-08-01T10:00:00Z, by ann@example.net", "at …, by …");
    }

    #[test]
    fn what_tells_causes_apart_stays() {
        check("answered with status 403", "answered with status 403");
        check("the session did not call back within 30s", "the session did not call back within 30s");
        check("line 1, column 78: déjà vu", "line 1, column 78: déjà vu");
        check("added: beef, a face", "added: beef, a face");
    }

    fn letter(queue: &str, error: &str) -> Letter {
        Letter {
            time: None,
            id: None,
            kind: Some("message.send".to_owned()),
            backend: Some("a".to_owned()),
            queue: Some(queue.to_owned()),
            routing_key: String::new(),
            reason: Some("failed".to_owned()),
            attempts: None,
            session: None,
            error: Some(error.to_owned()),
            application: None,
            published: None,
            body_bytes: 0,
            headers: BTreeMap::new(),
            payload: None,
        }
    }

    #[test]
    fn letters_of_one_cause_and_one_queue_are_one_group() {
        let of = |queue, error| letter(queue, error).group();
        assert_eq!(of("q", "id 12345 is unknown"), of("q", "id 67890 is unknown"));
        assert_ne!(of("q", "id 12345 is unknown"), of("q", "id 12345 is known"));
        assert_ne!(of("q", "id 12345 is unknown"), of("r", "id 12345 is unknown"));
        assert_ne!(of("q", "status 403"), of("q", "status 500"));
    }
}
