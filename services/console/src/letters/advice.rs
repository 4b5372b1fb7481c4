//! What to do about letters that died of a cause.

use messaging::dead::{Letter, Place};

/// What to do, in words.
pub(super) fn advice(place: Place, letter: &Letter) -> &'static str {
    if place == Place::Unrouted {
        return "No queue was bound for it when it was published: a backend or an application is not configured, or not any \
                more. Configure it, then replay; drop what nobody wants.";
    }
    let error = letter.error.as_deref().unwrap_or_default();
    match letter.reason.as_deref() {
        Some("failed") if error.contains("expired") => {
            "Nobody took the message in its time. See whether Tropo calls back (the message's page tells), then replay: \
             its time begins anew. Drop what is not worth sending any more."
        }
        Some("failed") if error.contains("rejected the message") => {
            "Tropo will not take it as it is. Look at the status in the error: for a refused token, mend messaging_token \
             of the backend; for the message itself, edit the letter. Then replay."
        }
        Some("failed") if error.contains("names backend") => {
            "The command is on the lane of another backend: whoever published it used the wrong routing key. Mend that, \
             and send the message anew; drop the letter."
        }
        Some("failed") => "No further attempt would have changed it. Mend what the error names, then replay.",
        Some("attempts_exhausted") => {
            "Every attempt failed in a way that may pass. See that what the error names is there again, then replay."
        }
        Some("unreadable") => {
            "Its body is no event that this version reads. Mend or upgrade whoever published it, or who reads it; replay \
             after an upgrade, edit what can be mended, else drop it."
        }
        Some("panicked") => {
            "The program failed on it several times: a mistake in it. Report it with the log of that time, and replay with \
             a version in which it is mended."
        }
        Some("delivery_limit") => {
            "Whoever took it died each time before it was settled. Find out what ended the service, such as too little \
             memory, then replay."
        }
        Some("expired" | "maxlen") => {
            "The broker removed it by a policy that somebody has set on the queue. Remove that policy, then replay."
        }
        Some(_) | None => "Nothing is known of this reason here. Look at the letter's headers.",
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[track_caller]
    fn check(reason: &str, error: &str, words: &str) {
        let letter = json!({ "routing_key": "message.send.a", "body_bytes": 2, "reason": reason, "error": error });
        let told = advice(Place::Dead, &serde_json::from_value(letter).unwrap());
        assert!(told.contains(words), "{reason}, {error}: {told}");
    }

    #[test]
    fn each_reason_has_its_advice() {
        check("failed", "Tropo rejected the message for good: status 403", "messaging_token");
        check("failed", "the message expired before any session took it", "calls back");
        check("failed", "the command names backend b, and came on the lane of a", "routing key");
        check("failed", "something else", "what the error names");
        check("attempts_exhausted", "", "may pass");
        check("unreadable", "", "edit");
        check("panicked", "", "Report");
        check("delivery_limit", "", "memory");
        check("maxlen", "", "policy");
        check("rejected", "", "headers");
    }

    #[test]
    fn what_was_unrouted_needs_a_queue() {
        let letter = serde_json::from_value(json!({ "routing_key": "message.send.a", "body_bytes": 2 })).unwrap();
        assert!(advice(Place::Unrouted, &letter).contains("No queue"));
    }
}
