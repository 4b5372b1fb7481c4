//! Server-sent events, read off the lines of a stream.

use crate::client::{ApiError, Lines};

/// One event.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub(super) struct Told {
    /// The number by which to go on.
    pub(super) id: String,
    /// What it is: `event` or `missed`.
    pub(super) name: String,
    /// What it says.
    pub(super) data: String,
}

/// The events of a stream.
pub(super) struct Events {
    lines: Lines,
    read: Reader,
}

impl Events {
    pub(super) fn new(lines: Lines) -> Self {
        Self { lines, read: Reader::default() }
    }

    /// The next one; `None`: the stream ended.
    ///
    /// # Errors
    /// As [`Lines::next`].
    pub(super) async fn next(&mut self) -> Result<Option<Told>, ApiError> {
        while let Some(line) = self.lines.next().await? {
            if let Some(told) = self.read.line(&line) {
                return Ok(Some(told));
            }
        }
        Ok(None)
    }

    /// What came is nothing that a console says.
    pub(super) fn stranger(&self, told: &str) -> ApiError {
        self.lines.stranger(told)
    }
}

/// What was read of the event that is under way.
#[derive(Default)]
struct Reader(Told);

impl Reader {
    /// Reads a line; returns the event that it ends. One without data is returned as well, for its id.
    fn line(&mut self, line: &str) -> Option<Told> {
        let Self(told) = self;
        if line.is_empty() {
            return Some(std::mem::take(told)).filter(|told| *told != Told::default());
        }
        let (field, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match field {
            "id" => value.clone_into(&mut told.id),
            "event" => value.clone_into(&mut told.name),
            "data" => {
                if !told.data.is_empty() {
                    told.data.push('\n');
                }
                told.data.push_str(value);
            }
            // A comment, or when to come again.
            _ => {}
        }
        None
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn told(id: &str, name: &str, data: &str) -> Told {
        Told { id: id.to_owned(), name: name.to_owned(), data: data.to_owned() }
    }

    #[test]
    fn events_are_read_and_comments_are_not() {
        let stream = ": the stream is open\nretry: 1000\n\n:\n\nid: 7\nevent: event\ndata: {\"a\":1}\n\nid: 9\n\n\
                      event:missed\ndata:one\ndata: two\nunknown\n\ndata: never ended";
        let mut reader = Reader::default();
        let read: Vec<Told> = stream.split('\n').filter_map(|line| reader.line(line)).collect();
        assert_eq!(read, [told("7", "event", "{\"a\":1}"), told("9", "", ""), told("", "missed", "one\ntwo")]);
    }
}
