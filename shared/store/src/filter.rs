//! The conditions of a filter of the log, in the SQL that all databases understand.

use protocol::{BackendName, SessionId, Timestamp};
use uuid::Uuid;

use crate::journal::{LogFilter, LogPage, PersonSought};

/// Something that a column is compared with.
#[derive(Clone, PartialEq, Eq)]
pub(crate) enum Value {
    Number(i64),
    Text(String),
    Id(Uuid),
}

/// Conditions, and the values in them.
pub(crate) struct Conditions {
    /// How a value is written that is the so-manieth, from 1 on.
    placeholder: fn(&Value, usize) -> String,
    written: Vec<String>,
    pub(crate) values: Vec<Value>,
}

impl Conditions {
    /// Those of a page of the log. Nothing is said about words, and of a place only under the name that it has here.
    pub(crate) fn of(
        filter: &LogFilter,
        page: LogPage,
        place: &'static str,
        placeholder: fn(&Value, usize) -> String,
    ) -> Self {
        let mut conditions = Self { placeholder, written: vec!["standing IS NOT NULL".to_owned()], values: Vec::new() };
        conditions.range(place, filter.since, filter.until, page.before);
        if let Some(subject) = filter.subject {
            conditions.and("subject =", Value::Number(subject.number().into()));
        }
        if let Some(standing) = filter.standing {
            conditions.and("standing =", Value::Number(standing.number().into()));
        }
        if let Some(cause) = filter.cause {
            conditions.and("cause =", Value::Id(cause.as_uuid()));
        }
        let texts = [
            ("backend =", filter.backend.as_ref().map(BackendName::as_str)),
            ("application =", filter.application.as_deref()),
            ("correlation_id =", filter.correlation_id.as_ref().map(SessionId::as_str)),
        ];
        for (compared, text) in texts {
            if let Some(text) = text {
                conditions.and(compared, Value::Text(text.to_owned()));
            }
        }
        for backend in &filter.without {
            conditions.and("backend <>", Value::Text(backend.as_str().to_owned()));
        }
        if let Some(person) = &filter.person {
            conditions.person(person);
        }
        conditions
    }

    /// Those of the places alone, and of one column more.
    pub(crate) fn of_one(
        filter: &LogFilter,
        page: LogPage,
        compared: &str,
        value: Value,
        placeholder: fn(&Value, usize) -> String,
    ) -> Self {
        let mut conditions = Self { placeholder, written: Vec::new(), values: Vec::new() };
        conditions.and(compared, value);
        conditions.range("place", filter.since, filter.until, page.before);
        conditions
    }

    fn range(&mut self, place: &str, since: Option<Timestamp>, until: Option<Timestamp>, before: Option<i64>) {
        let until = until.map(Timestamp::as_microsecond).into_iter().chain(before).min();
        if let Some(since) = since {
            self.and(&format!("{place} >="), Value::Number(since.as_microsecond()));
        }
        if let Some(until) = until {
            self.and(&format!("{place} <"), Value::Number(until));
        }
    }

    fn person(&mut self, person: &PersonSought) {
        match person {
            PersonSought::Is(address) => self.and("reversed =", Value::Text(reversed(address.as_str()))),
            PersonSought::EndsWith(digits) => {
                let beginning = reversed(digits);
                // The greatest of all characters: nothing that begins so is greater.
                let end = format!("{beginning}{}", char::MAX);
                self.and("reversed >=", Value::Text(beginning));
                self.and("reversed <", Value::Text(end));
            }
        }
    }

    fn and(&mut self, compared: &str, value: Value) {
        let written = (self.placeholder)(&value, self.values.len() + 1);
        self.written.push(format!("{compared} {written}"));
        self.values.push(value);
    }

    /// All of them, as one condition.
    pub(crate) fn sql(&self) -> String {
        self.written.join(" AND ")
    }
}

/// From its end to its beginning.
pub(crate) fn reversed(written: &str) -> String {
    written.chars().rev().collect()
}
