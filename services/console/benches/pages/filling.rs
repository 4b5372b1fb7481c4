//! Conversations as the journal keeps them: made up, and the same in every run.

use protocol::{BackendName, EventId, Kind, SessionId, Timestamp};
use serde_json::{Value, json};
use store::{Content, Journal, JournalEntry, JournalEvent, Mark, Subject};
use uuid::Uuid;

/// How many entries are kept at once, as the journal does.
const GROUP: usize = 256;

/// How many people text.
const PEOPLE: u64 = 100_000;

/// How many different words they know.
const WORDS: u64 = 20_000;

/// Between two conversations, in microseconds: a million messages are a week.
const PAUSE: i64 = 1_200_000;

/// What the journal is filled with.
pub(crate) struct Filling {
    now: Timestamp,
}

/// An event: its kind, what it is about, what it says of that, what that is, and its data.
type Step = (Kind, (Subject, EventId), Vec<Mark>, Option<Content>, Value);

/// A sequence of numbers that looks random (SplitMix64).
struct Numbers(u64);

impl Numbers {
    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        mixed ^ (mixed >> 31)
    }

    fn below(&mut self, end: u64) -> u64 {
        self.next() % end
    }

    fn id(&mut self) -> EventId {
        Uuid::from_u64_pair(self.next(), self.next()).into()
    }

    /// Words of which the first are frequent and the last are rare.
    fn words(&mut self) -> String {
        let count = 3 + self.below(10);
        let words = (0..count).map(|_| {
            let (one, other) = (self.below(WORDS), self.below(WORDS));
            format!("word{}", one * other / WORDS)
        });
        let words: Vec<String> = words.collect();
        // Every second text has this one.
        let greeting = if self.below(2) == 0 { "hello " } else { "" };
        format!("{greeting}{}", words.join(" "))
    }
}

fn person(index: u64) -> String {
    format!("+1555{index:07}")
}

impl Filling {
    pub(crate) fn new() -> Self {
        Self { now: Timestamp::now() }
    }

    pub(crate) fn backend(&self) -> BackendName {
        "bench".parse().unwrap()
    }

    /// Keeps so many texts and messages; returns how many events that were.
    pub(crate) async fn fill(&self, journal: &dyn Journal, messages: u64) -> u64 {
        let conversations = messages / 2;
        let (mut numbers, mut group, mut events) = (Numbers(1), Vec::new(), 0);
        for index in 0..conversations {
            let ago = PAUSE * i64::try_from(conversations - index).unwrap();
            let began = self.now.as_microsecond() - ago;
            group.extend(self.conversation(&mut numbers, began));
            if GROUP <= group.len() || index + 1 == conversations {
                journal.keep_events(&group).await.unwrap();
                events += group.len() as u64;
                group.clear();
            }
        }
        events
    }

    fn conversation(&self, numbers: &mut Numbers, began: i64) -> Vec<JournalEntry> {
        let (text, message) = (numbers.id(), numbers.id());
        let session = |numbers: &mut Numbers| -> SessionId { format!("{:032x}", numbers.next()).parse().unwrap() };
        let (first, second) = (session(numbers), session(numbers));
        let person = person(numbers.below(PEOPLE));
        let (asked, said) = (numbers.words(), numbers.words());
        let content = |text: &str, application: Option<&str>, cause| Content {
            person: person.parse().unwrap(),
            number: None,
            text: text.parse().unwrap(),
            network: protocol::Network::sms(),
            application: application.map(str::to_owned),
            cause,
        };
        let failed = numbers.below(100) == 0;
        let (end, mark) = if failed { (Kind::MessageFailed, Mark::Failed) } else { (Kind::MessageSent, Mark::Sent) };
        let of_text = (Subject::Text, text);
        let of_message = (Subject::Message, message);
        let steps = [
            (
                Kind::MessageReceived,
                of_text,
                vec![Mark::Begun],
                Some(content(&asked, None, None)),
                json!({
                "session_id": first, "from": person, "text": asked, "network": "SMS" }),
            ),
            (
                Kind::MessageRouted,
                of_text,
                vec![],
                None,
                json!({
                "session_id": first, "outcome": "answered", "application": "keyword", "replies": 1,
                "asked": [{ "application": "keyword", "phase": "handle", "said": "took", "took_us": 40 }],
                "attempts": 1 }),
            ),
            (
                Kind::MessageSend,
                of_message,
                vec![Mark::Begun],
                Some(content(&said, Some("keyword"), Some(text))),
                json!({ "to": person, "text": said, "network": "SMS", "application": "keyword" }),
            ),
            (
                Kind::MessageLaunched,
                of_message,
                vec![Mark::Launched],
                None,
                json!({
                "message_id": message, "session_id": second, "attempt": 1 }),
            ),
            (
                Kind::MessageReleased,
                of_message,
                vec![Mark::Released],
                None,
                json!({
                "message_id": message, "session_id": second,
                "released_at": Timestamp::from_microsecond(began + 40_000).unwrap() }),
            ),
            (
                Kind::SessionResult,
                of_message,
                vec![],
                None,
                json!({
                "message_id": message, "session_id": second, "handler": "continue", "state": "DISCONNECTED" }),
            ),
            (
                end,
                of_message,
                vec![mark],
                None,
                json!({
                "message_id": message, "session_id": second, "reason": "session_error", "detail": "made up" }),
            ),
        ];
        let entry = |(index, (kind, of, marks, content, body)): (i64, Step)| {
            let mut marks: Vec<_> = marks.into_iter().map(|mark| (of.0, of.1, mark)).collect();
            if kind == Kind::MessageSend {
                marks.push((Subject::Text, text, Mark::Answered));
            }
            let session_id = if of == of_text { Some(&first) } else { Some(&second) };
            let event = JournalEvent {
                // The command, and what was received, are what they are about.
                id: if content.is_some() { of.1 } else { numbers.id() },
                kind: kind.as_str().to_owned(),
                at: Timestamp::from_microsecond(began + index * 10_000).unwrap(),
                backend: self.backend(),
                correlation_id: Some(first.clone()),
                session_id: session_id.filter(|_| kind != Kind::MessageSend).cloned(),
                of: Some(of),
                body: body.to_string(),
            };
            JournalEntry { event, marks, content }
        };
        (0..).zip(steps).map(entry).collect()
    }

    /// What is asked for, by a name and its path.
    pub(crate) fn asked(&self) -> Vec<(&'static str, String)> {
        let mut numbers = Numbers(1);
        let (text, message) = (numbers.id(), numbers.id());
        let day_one = Timestamp::from_microsecond(self.now.as_microsecond() - PAUSE * 450_000).unwrap();
        let number = person(4711).replace('+', "%2B");
        vec![
            ("overview", "/".to_owned()),
            ("log", "/messages".to_owned()),
            ("log: failed", "/messages?state=failed".to_owned()),
            ("search: number", format!("/messages?q={number}")),
            ("search: last four digits", "/messages?q=4711".to_owned()),
            ("search: word in every second", "/messages?q=hello".to_owned()),
            ("search: rare word", "/messages?q=word19000".to_owned()),
            ("search: two words", "/messages?q=hello+word1234".to_owned()),
            ("search: word, and failed", "/messages?q=hello&state=failed".to_owned()),
            ("search: three frequent words", "/messages?q=hello+word1+word2".to_owned()),
            ("search: word, and an application", "/messages?q=hello&application=keyword".to_owned()),
            ("search: word, and one without messages", "/messages?q=hello&application=nobodys".to_owned()),
            ("search: word, of one direction", "/messages?q=hello&direction=in".to_owned()),
            ("search: word, of the first day", format!("/messages?q=hello&until={day_one}")),
            ("search: word that nobody wrote", "/messages?q=nobodywrotethis".to_owned()),
            ("message: the oldest text, explained", format!("/messages/{text}")),
            ("message: its reply", format!("/messages/{message}")),
            ("conversation of a person", format!("/conversation?backend=bench&person={number}")),
            ("live tail", "/live".to_owned()),
            ("tester", "/tester".to_owned()),
            ("debugger", "/debugger".to_owned()),
            ("dead letters", "/dead-letters".to_owned()),
            ("backends", "/backends".to_owned()),
            ("configuration", "/configuration".to_owned()),
            ("acts", "/acts".to_owned()),
            ("API: search: rare word", "/v1/messages?q=word19000".to_owned()),
            ("API: explanation", format!("/v1/messages/{message}/explanation")),
            ("API: status", "/v1/status".to_owned()),
        ]
    }
}
