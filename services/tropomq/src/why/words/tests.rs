use protocol::Timestamp;
use serde_json::json;

use super::*;

fn explanation() -> Explanation {
    Explanation {
        id: "00000000-0000-0000-0000-000000000002".parse().unwrap(),
        text: "00000000-0000-0000-0000-000000000001".parse().unwrap(),
        session_id: "s1".parse().unwrap(),
        backend: "b".parse().unwrap(),
        at: Timestamp::UNIX_EPOCH,
        body: String::new(),
    }
}

#[track_caller]
fn check(data: &Value, expected: &str) {
    let told = of(&explanation(), data);
    let (head, rest) = told.split_once("\n\n").unwrap();
    assert_eq!(head, "1970-01-01T00:00:00Z  text 00000000-0000-0000-0000-000000000001  session s1  backend b");
    assert_eq!(rest, expected);
}

#[test]
fn a_table_says_who_was_asked_and_a_line_what_came_of_it() {
    let data = json!({
        "outcome": "answered",
        "application": "stock",
        "replies": 1,
        "asked": [
            { "application": "subscription", "phase": "filter", "said": "passed", "took_us": 3 },
            { "application": "poll", "phase": "handle", "said": "passed", "took_us": 1_234_567, "because": "it \u{1b}is over" },
            { "application": "stock", "phase": "handle", "said": "took", "took_us": 18_250, "because": "answered with 1 text" },
        ],
        "attempts": 2,
    });
    check(
        &data,
        "  PHASE     APPLICATION           SAID             TOOK  BECAUSE
  filter    subscription          passed           3 µs
  handle    poll                  passed          1.2 s  it \u{fffd}is over
  handle    stock                 took            18 ms  answered with 1 text

  Answered by stock, with 1 reply. The applications were asked 2 times from the beginning.

",
    );
}

#[test]
fn each_outcome_has_its_words() {
    let outcome = |outcome: &str, by: Option<&str>| {
        super::outcome(&json!({ "outcome": outcome, "application": by, "replies": 0, "attempts": 1 }))
    };
    for (word, by, expected) in [
        ("offered", Some("a"), "Handed to a on the bus"),
        ("taken", Some("a"), "Taken by a"),
        ("filtered", Some("a"), "Ended by a"),
        ("unanswered", None, "Not answered"),
        ("not_asked", None, "Nobody was asked"),
        ("given_up", Some("a"), "Given up, because a had no answer"),
        ("given_up", None, "Given up: it went"),
        ("a_word_to_come", Some("a"), "a_word_to_come, by a, with 0 replies."),
    ] {
        let told = outcome(word, by);
        assert!(told.starts_with(expected), "{told}");
    }
    let data = json!({ "outcome": "not_asked", "replies": 0, "asked": [], "attempts": 0 });
    check(&data, &format!("  {}\n\n", super::outcome(&data)));
}
