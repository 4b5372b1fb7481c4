//! Conversations, event by event, a second apart.

use protocol::{
    AskedApplication, Event, MessageDelayed, MessageDelivered, MessageExpired, MessageFailed, MessageLaunched,
    MessageOffered, MessageReceived, MessageReleased, MessageRouted, MessageSend, MessageSent, MessageSuppressed,
    MessageUnconfirmed, Network, Phase, SessionIgnored, SessionResult, SuppressedReason,
};
use store::{Content, DEAD_LETTER, Mark, Marks};

use super::*;

/// A conversation so far.
pub(super) struct Stage {
    pub(super) case: Case,
    /// How many seconds it has lasted.
    second: i64,
}

fn id(number: u128) -> EventId {
    uuid::Uuid::from_u128(number).into()
}

fn session(written: &str) -> SessionId {
    written.parse().unwrap()
}

/// The text.
const TEXT: u128 = 1;

/// The first message.
const MESSAGE: u128 = 100;

impl Stage {
    /// Nothing is on record.
    pub(super) fn nothing() -> Self {
        let backend = Backend {
            number: "+15555550100".parse().unwrap(),
            rate: None,
            on_unconfirmed: "hold",
            is_guarded: true,
            webhook: "/tropo/my-backend".to_owned(),
            is_probe: false,
        };
        let case = Case {
            about: None,
            text: None,
            messages: Vec::new(),
            more: Vec::new(),
            events: Vec::new(),
            tropo_log: TropoLog::Read,
            lines: Vec::new(),
            backend: Some(backend),
            now: "2026-03-01T09:30:00Z".parse().unwrap(),
            sees_people: true,
        };
        Self { case, second: 0 }
    }

    /// A text came.
    pub(super) fn text() -> Self {
        let mut stage = Self::nothing();
        let received = MessageReceived {
            session_id: session("a1"),
            from: "+15555550177".parse().unwrap(),
            to: Some("+15555550100".parse().unwrap()),
            text: "private".parse().unwrap(),
            network: Network::sms(),
        };
        let line = stage.logged(Subject::Text, TEXT, Some("a1"), None);
        (stage.case.about, stage.case.text) = (Some(line.clone()), Some(line));
        stage.says(Subject::Text, Mark::Begun, &received)
    }

    /// A session came that is no text.
    pub(super) fn session(reason: IgnoredReason) -> Self {
        let mut stage = Self::nothing();
        let line = stage.logged(Subject::Session, TEXT, Some("a1"), None);
        (stage.case.about, stage.case.text) = (Some(line.clone()), Some(line));
        stage.says(Subject::Session, Mark::Ignored, &SessionIgnored { session_id: session("a1"), reason })
    }

    /// A message was commanded that no text began.
    pub(super) fn message() -> Self {
        let mut stage = Self::nothing();
        let line = stage.logged(Subject::Message, MESSAGE, None, None);
        (stage.case.about, stage.case.messages) = (Some(line.clone()), vec![line]);
        stage.commanded()
    }

    /// An application took the text, and answers with a message.
    pub(super) fn answered(self) -> Self {
        let asked = [("stock", SaidWord::Took, "")];
        self.routed(RoutedOutcome::Answered, &asked).and_another()
    }

    /// There is one more message: what follows is about it.
    pub(super) fn and_another(mut self) -> Self {
        let number = MESSAGE + u128::try_from(self.case.messages.len()).unwrap();
        let line = self.logged(Subject::Message, number, Some("a1"), Some(TEXT));
        self.case.messages.push(line);
        self.commanded()
    }

    fn commanded(self) -> Self {
        let send = MessageSend {
            to: "+15555550177".parse().unwrap(),
            text: "private".parse().unwrap(),
            from: None,
            network: Network::sms(),
            application: Some("stock".to_owned()),
            expires_at: None,
        };
        self.says(Subject::Message, Mark::Begun, &send)
    }

    pub(super) fn routed(self, outcome: RoutedOutcome, asked: &[(&str, SaidWord, &str)]) -> Self {
        let asked = asked.iter().map(|(application, said, because)| AskedApplication {
            application: (*application).to_owned(),
            phase: Phase::Handle,
            said: *said,
            took_us: 1000,
            because: Some((*because).to_owned()),
        });
        let application = (outcome != RoutedOutcome::Unanswered).then(|| "stock".to_owned());
        let (session_id, asked) = (session("a1"), asked.collect());
        let routed = MessageRouted { session_id, outcome, application, replies: 1, asked, attempts: 1 };
        self.says(Subject::Text, Mark::Begun, &routed)
    }

    pub(super) fn offered(self) -> Self {
        let offered = MessageOffered {
            application: "stock".to_owned(),
            session_id: session("a1"),
            from: "+15555550177".parse().unwrap(),
            to: None,
            text: "private".parse().unwrap(),
            network: Network::sms(),
            notes: [("note".to_owned(), "private".to_owned())].into(),
        };
        self.routed(RoutedOutcome::Offered, &[]).says(Subject::Text, Mark::Answered, &offered)
    }

    pub(super) fn ignored(self, reason: IgnoredReason) -> Self {
        self.says(Subject::Text, Mark::Ignored, &SessionIgnored { session_id: session("a1"), reason })
    }

    pub(super) fn launched(self, of: &str, attempt: u32) -> Self {
        let body = json!({ "message_id": self.message_id(), "session_id": of, "attempt": attempt });
        let launched: MessageLaunched = serde_json::from_value(body).unwrap();
        self.says(Subject::Message, Mark::Launched, &launched).has(of)
    }

    pub(super) fn delayed(self, reason: DelayedReason) -> Self {
        self.delayed_at(1, reason)
    }

    pub(super) fn delayed_at(self, attempt: u32, reason: DelayedReason) -> Self {
        let body = json!({
            "message_id": self.message_id(), "attempt": attempt, "reason": reason, "status": 503, "detail": "in words",
            "retry_at": "2026-03-01T12:00:00Z",
        });
        let delayed: MessageDelayed = serde_json::from_value(body).unwrap();
        self.says(Subject::Message, Mark::Begun, &delayed)
    }

    pub(super) fn released(mut self, of: &str) -> Self {
        let (message_id, released_at) = (self.message_id(), self.next());
        let released = MessageReleased { message_id, session_id: session(of), released_at };
        if let Some(message) = self.case.messages.last_mut() {
            message.released_at = Some(released_at);
        }
        self.says(Subject::Message, Mark::Released, &released).has(of)
    }

    pub(super) fn result(self, of: &str, handler: ResultHandler) -> Self {
        let (message_id, session_id) = (self.message_id(), session(of));
        let result = SessionResult { message_id, session_id, handler, state: None, error: None };
        self.says(Subject::Message, Mark::Begun, &result)
    }

    pub(super) fn sent(self, of: &str) -> Self {
        let sent = MessageSent { message_id: self.message_id(), session_id: session(of) };
        self.says(Subject::Message, Mark::Sent, &sent)
    }

    pub(super) fn delivered(self, of: &str) -> Self {
        let (message_id, session_id) = (self.message_id(), session(of));
        let delivered = MessageDelivered { message_id, session_id, status: "accepted".to_owned() };
        self.says(Subject::Message, Mark::Delivered, &delivered)
    }

    pub(super) fn failed(self, of: Option<&str>, reason: FailureReason, detail: &str) -> Self {
        let (message_id, session_id, detail) = (self.message_id(), of.map(session), detail.to_owned());
        let mark = if of.is_some() { Mark::Failed } else { Mark::Refused };
        self.says(Subject::Message, mark, &MessageFailed { message_id, session_id, reason, detail })
    }

    pub(super) fn unconfirmed(self, of: &str) -> Self {
        let (message_id, session_id, released_at) = (self.message_id(), session(of), self.case.now);
        self.says(Subject::Message, Mark::Unconfirmed, &MessageUnconfirmed { message_id, session_id, released_at })
    }

    pub(super) fn expired(self) -> Self {
        let (message_id, expired_at) = (self.message_id(), self.case.now);
        self.says(Subject::Message, Mark::Expired, &MessageExpired { message_id, attempts: 1, expired_at })
    }

    pub(super) fn suppressed(self) -> Self {
        let (message_id, reason) = (self.message_id(), SuppressedReason::OptedOut);
        self.says(Subject::Message, Mark::Suppressed, &MessageSuppressed { message_id, reason })
    }

    /// The text is among the dead letters; the message, where there is one.
    pub(super) fn dead(self, queue: &str, error: &str) -> Self {
        let body = json!({ "queue": queue, "reason": "rejected", "attempts": 1, "error": error });
        let subject = if self.case.messages.is_empty() { Subject::Text } else { Subject::Message };
        self.happens(subject, Mark::Dead, DEAD_LETTER, body.to_string())
    }

    /// Tropo's log has a line.
    pub(super) fn line(mut self, of: &str, text: &str) -> Self {
        // As the simulator's client hands them on.
        let text = crate::masked::without_secrets(text);
        let line = u64::try_from(self.case.lines.len()).unwrap();
        let at = self.next();
        self.case.lines.push(TropoLine { line, session_id: Some(session(of)), at, text });
        self
    }

    /// So many seconds go by.
    pub(super) fn later(mut self, seconds: i64) -> Self {
        self.second += seconds;
        self.case.now = self.next();
        self
    }

    /// The log alone is left.
    pub(super) fn without_events(mut self) -> Self {
        self.case.events.clear();
        self
    }

    /// Somebody asks who may not see people.
    pub(super) fn for_strangers(mut self) -> Self {
        self.case.sees_people = false;
        self
    }

    /// The message that is the latest.
    fn message_id(&self) -> EventId {
        self.case.messages.last().unwrap().id
    }

    /// The message has a session.
    fn has(mut self, of: &str) -> Self {
        self.case.messages.last_mut().unwrap().session_id = Some(session(of));
        self
    }

    fn says<T: Event>(self, subject: Subject, mark: Mark, data: &T) -> Self {
        self.happens(subject, mark, T::KIND.as_str(), serde_json::to_string(data).unwrap())
    }

    fn happens(mut self, subject: Subject, mark: Mark, kind: &str, body: String) -> Self {
        let at = self.next();
        let about = if subject == Subject::Message { self.message_id() } else { id(TEXT) };
        let data: serde_json::Value = serde_json::from_str(&body).unwrap();
        let session_id = data.get("session_id").and_then(|written| written.as_str()).map(session);
        self.case.events.push(JournalEvent {
            id: id(1000 + u128::try_from(self.case.events.len()).unwrap()),
            kind: kind.to_owned(),
            at,
            backend: "my-backend".parse().unwrap(),
            correlation_id: self.case.text.as_ref().map(|_| session("a1")),
            session_id,
            of: Some((subject, about)),
            body,
        });
        let Case { about: asked, text, messages, .. } = &mut self.case;
        for line in messages.iter_mut().chain(asked).chain(text).filter(|line| line.id == about) {
            line.marks = line.marks.and(Marks::from(mark));
        }
        self.case.now = at;
        self
    }

    /// A second later.
    fn next(&mut self) -> Timestamp {
        self.second += 1;
        let begun: Timestamp = "2026-03-01T09:30:00Z".parse().unwrap();
        Timestamp::from_second(begun.as_second() + self.second).unwrap()
    }

    fn logged(&self, subject: Subject, number: u128, correlation: Option<&str>, cause: Option<u128>) -> Logged {
        let begun: Timestamp = "2026-03-01T09:30:01Z".parse().unwrap();
        let begun_at = Timestamp::from_second(begun.as_second() + self.second).unwrap();
        let content = Content {
            person: "+15555550177".parse().unwrap(),
            number: Some("+15555550100".parse().unwrap()),
            text: "private".parse().unwrap(),
            network: Network::sms(),
            application: (subject == Subject::Message).then(|| "stock".to_owned()),
            cause: cause.map(id),
        };
        let correlation_id = correlation.map(session);
        Logged {
            place: self.second,
            subject,
            id: id(number),
            backend: "my-backend".parse().unwrap(),
            session_id: correlation_id.clone().filter(|_| subject != Subject::Message),
            correlation_id,
            marks: Marks::default(),
            begun_at,
            released_at: None,
            touched_at: begun_at,
            content: Some(content),
        }
    }
}
