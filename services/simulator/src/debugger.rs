//! The Application Debugger: every line of every session, in Tropo's own wording.
//!
//! Its lines quote people by nature: they are what it is for. So they stay here, and out of the log of the process.

pub(crate) mod speak;
pub(crate) mod wording;

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::{SessionId, Timestamp};
use serde::Serialize;
use tokio::sync::Notify;

/// The longest line that is kept whole, in bytes.
const LINE_BYTES_MAX: usize = 64 * 1024;

/// All lines together may hold so many bytes.
const ALL_BYTES_MAX: usize = 128 * 1024 * 1024;

/// One line. Its number and session are what Tropo's window showed in the column `SessionID`.
#[derive(Clone, PartialEq, Serialize)]
pub struct Line {
    /// Its number; the first is 1.
    pub line: u64,
    /// The session it belongs to; a request that made no session belongs to none.
    pub session_id: Option<SessionId>,
    /// When it was written.
    pub at: Timestamp,
    /// The line itself.
    pub text: String,
}

impl Line {
    fn is_of(&self, session_id: Option<&SessionId>) -> bool {
        session_id.is_none_or(|wanted| self.session_id.as_ref() == Some(wanted))
    }
}

/// Shows where it stands, and nothing of what it says.
impl fmt::Debug for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self { line, session_id, .. } = self;
        f.debug_struct("Line").field("line", line).field("session_id", session_id).finish_non_exhaustive()
    }
}

/// As Tropo's window showed it: number, session, line. A line break within it is shown as an escape.
impl fmt::Display for Line {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let session = self.session_id.as_ref().map_or("-", SessionId::as_str);
        write!(f, "{:05} {session} {}", self.line, wording::breaks_shown(&self.text))
    }
}

/// The lines of all sessions, as many as there is room for.
pub(crate) struct Debugger {
    ring: Mutex<Ring>,
    /// Rung at every line.
    bell: Notify,
    lines_max: usize,
}

#[derive(Default)]
struct Ring {
    lines: VecDeque<Arc<Line>>,
    last: u64,
    bytes: usize,
}

impl Debugger {
    pub(crate) fn new(lines_max: usize) -> Self {
        Self { ring: Mutex::default(), bell: Notify::new(), lines_max }
    }

    /// Whether lines are kept at all. Whoever takes trouble over one may ask first.
    pub(crate) fn keeps_lines(&self) -> bool {
        0 < self.lines_max
    }

    /// Writes a line; not even its words where none is kept.
    pub(crate) fn log(&self, session_id: Option<&SessionId>, words: impl fmt::Display) {
        if !self.keeps_lines() {
            return;
        }
        let mut text = words.to_string();
        if LINE_BYTES_MAX < text.len() {
            let rest = text.len() - LINE_BYTES_MAX;
            text.truncate(text.floor_char_boundary(LINE_BYTES_MAX));
            text.push_str(&format!("... ({rest} bytes more)"));
        }
        let session_id = session_id.cloned();
        let mut ring = self.lock();
        ring.last += 1;
        ring.bytes += text.len();
        let line = Line { line: ring.last, session_id, at: Timestamp::now(), text };
        ring.lines.push_back(Arc::new(line));
        while (self.lines_max < ring.lines.len() || ALL_BYTES_MAX < ring.bytes)
            && let Some(gone) = ring.lines.pop_front()
        {
            ring.bytes -= gone.text.len();
        }
        drop(ring);
        self.bell.notify_waiters();
    }

    /// The lines after a number, at most `limit`; of one session, or of all.
    pub(crate) fn lines(&self, session_id: Option<&SessionId>, after: u64, limit: usize) -> Vec<Arc<Line>> {
        let ring = self.lock();
        let seen = ring.lines.partition_point(|line| line.line <= after);
        ring.lines.iter().skip(seen).filter(|line| line.is_of(session_id)).take(limit).cloned().collect()
    }

    /// The last lines, at most `limit`; of one session, or of all.
    pub(crate) fn latest(&self, session_id: Option<&SessionId>, limit: usize) -> Vec<Arc<Line>> {
        let ring = self.lock();
        let mut lines: Vec<_> =
            ring.lines.iter().rev().filter(|line| line.is_of(session_id)).take(limit).cloned().collect();
        drop(ring);
        lines.reverse();
        lines
    }

    /// The lines after a number, as soon as there is one. Where the number is from the future, as after a restart, all
    /// that there are. Waits for ever.
    ///
    /// # Cancel safety
    /// Safe: nothing is taken from the debugger.
    pub(crate) async fn next_lines(&self, session_id: Option<&SessionId>, after: u64, limit: usize) -> Vec<Arc<Line>> {
        let mut seen = after;
        loop {
            // The bell is listened to before the lines are looked at, so that none comes unheard in between.
            let rung = self.bell.notified();
            let last = self.lock().last;
            if last < seen {
                seen = 0;
            }
            let lines = self.lines(session_id, seen, limit);
            if !lines.is_empty() {
                return lines;
            }
            // Lines of others are not looked at again.
            seen = last;
            rung.await;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Ring> {
        self.ring.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Shows how much there is.
impl fmt::Debug for Debugger {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Debugger").field("lines", &self.lock().lines.len()).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn id(written: &str) -> SessionId {
        written.parse().unwrap()
    }

    #[test]
    fn lines_are_found_by_session_and_by_number() {
        let debugger = Debugger::new(10);
        for (session, text) in [(Some("a"), "1"), (Some("b"), "2"), (None, "3"), (Some("a"), "4\r\nx")] {
            debugger.log(session.map(id).as_ref(), text.to_owned());
        }
        let numbers = |session: Option<&str>, after, limit| {
            let lines = debugger.lines(session.map(id).as_ref(), after, limit);
            lines.iter().map(|line| line.line).collect::<Vec<_>>()
        };
        assert_eq!(numbers(None, 0, 10), [1, 2, 3, 4]);
        assert_eq!(numbers(Some("a"), 0, 10), [1, 4]);
        assert_eq!(numbers(Some("a"), 1, 10), [4]);
        assert_eq!(numbers(None, 1, 2), [2, 3]);
        let shown: Vec<_> = debugger.lines(None, 2, 10).iter().map(ToString::to_string).collect();
        assert_eq!(shown, ["00003 - 3", "00004 a 4\\r\\nx"]);
    }

    #[tokio::test]
    async fn who_waits_for_a_session_is_woken_by_its_lines_alone() {
        let debugger = Debugger::new(10);
        debugger.log(Some(&id("b")), "1".to_owned());
        let a = id("a");
        let wait = tokio::time::timeout(std::time::Duration::from_secs(10), debugger.next_lines(Some(&a), 0, 10));
        let (lines, ()) = tokio::join!(wait, async {
            tokio::task::yield_now().await;
            debugger.log(Some(&id("b")), "2".to_owned());
            tokio::task::yield_now().await;
            debugger.log(Some(&id("a")), "3".to_owned());
        });
        assert_eq!(lines.unwrap().iter().map(|line| line.line).collect::<Vec<_>>(), [3]);
        // A number that was never given out: the client knew another run of the simulator.
        assert_eq!(debugger.next_lines(None, 4, 10).await.len(), 3);
        let latest: Vec<_> = debugger.latest(Some(&id("b")), 1).iter().map(|line| line.line).collect();
        assert_eq!(latest, [2]);
    }

    #[test]
    fn the_oldest_lines_go_first_and_a_long_one_is_cut() {
        let debugger = Debugger::new(2);
        for text in ["1".to_owned(), "2".to_owned(), "é".repeat(LINE_BYTES_MAX)] {
            debugger.log(None, text);
        }
        let lines = debugger.lines(None, 0, 10);
        assert_eq!(lines.iter().map(|line| line.line).collect::<Vec<_>>(), [2, 3]);
        assert!(lines[1].text.ends_with("é... (65536 bytes more)"));
        assert_eq!(debugger.lock().bytes, lines.iter().map(|line| line.text.len()).sum::<usize>());
        assert!(!format!("{lines:?} {debugger:?}").contains('é'));
    }
}
