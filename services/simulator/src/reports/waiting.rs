//! The reports that wait to be posted, in a lane for each target. A target that does not answer has a share of the room
//! and of those who post, so that it costs the others neither.

use std::collections::{HashMap, VecDeque};

use url::{Position, Url};

use super::Report;

/// How many reports may wait, and how many bytes they may have. Further ones are lost.
const COUNT_MAX: usize = 10_000;
const BYTES_MAX: usize = 64 * 1024 * 1024;

/// One target has this part of both.
const SHARE: usize = 4;

/// How many are posted at once, and to one target.
const WORKERS_MAX: usize = 64;
const WORKERS_OF_TARGET_MAX: usize = 8;

/// All of them.
#[derive(Default)]
pub(super) struct Waiting {
    lanes: HashMap<String, Lane>,
    /// The lanes that have a report and may post another, in turn.
    ready: VecDeque<String>,
    count: usize,
    bytes: usize,
    workers: usize,
    /// Whether something was lost since there was room again.
    is_over: bool,
}

/// The reports to one target.
#[derive(Default)]
struct Lane {
    queue: VecDeque<Report>,
    bytes: usize,
    posting: usize,
    is_over: bool,
}

/// Whether another report may wait.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Room {
    Free,
    /// None; and it is the first that is lost of it.
    Over,
    /// Still none.
    StillOver,
}

impl Room {
    fn none(is_over: &mut bool) -> Self {
        if std::mem::replace(is_over, true) { Self::StillOver } else { Self::Over }
    }
}

impl Waiting {
    /// Whether there is room for a report to a target. Those who ask at the same moment may each add one.
    pub(super) fn room(&mut self, url: &Url) -> Room {
        if COUNT_MAX <= self.count || BYTES_MAX <= self.bytes {
            return Room::none(&mut self.is_over);
        }
        match self.lanes.get_mut(lane_of(url)) {
            Some(lane) if COUNT_MAX / SHARE <= lane.queue.len() || BYTES_MAX / SHARE <= lane.bytes => {
                Room::none(&mut lane.is_over)
            }
            Some(_) | None => Room::Free,
        }
    }

    /// One more; whether somebody else shall begin to post.
    pub(super) fn push(&mut self, report: Report) -> bool {
        let name = lane_of(&report.url).to_owned();
        self.count += 1;
        self.bytes += report.body.len();
        let lane = self.lanes.entry(name.clone()).or_default();
        lane.bytes += report.body.len();
        lane.queue.push_back(report);
        if WORKERS_OF_TARGET_MAX <= lane.posting {
            return false;
        }
        if lane.queue.len() == 1 {
            self.ready.push_back(name);
        }
        let another = self.workers < WORKERS_MAX;
        self.workers += usize::from(another);
        another
    }

    /// The next for somebody who has posted the `last`; whoever gets none ends.
    pub(super) fn next(&mut self, last: Option<&Url>) -> Option<Report> {
        if let Some(last) = last {
            self.posted(lane_of(last));
        }
        let next = self.take();
        if next.is_none() {
            self.workers -= 1;
        }
        next
    }

    fn posted(&mut self, name: &str) {
        let Some(lane) = self.lanes.get_mut(name) else { return };
        lane.posting -= 1;
        if lane.queue.is_empty() {
            if lane.posting == 0 {
                self.lanes.remove(name);
            }
        } else if lane.posting + 1 == WORKERS_OF_TARGET_MAX {
            self.ready.push_back(name.to_owned());
        }
    }

    fn take(&mut self) -> Option<Report> {
        let name = self.ready.pop_front()?;
        let lane = self.lanes.get_mut(&name)?;
        let report = lane.queue.pop_front()?;
        let bytes = report.body.len();
        lane.posting += 1;
        lane.bytes -= bytes;
        self.count -= 1;
        self.bytes -= bytes;
        // What is lost is told again when half of the room was free meanwhile.
        lane.is_over &= COUNT_MAX / SHARE / 2 < lane.queue.len() || BYTES_MAX / SHARE / 2 < lane.bytes;
        self.is_over &= COUNT_MAX / 2 < self.count || BYTES_MAX / 2 < self.bytes;
        if !lane.queue.is_empty() && lane.posting < WORKERS_OF_TARGET_MAX {
            self.ready.push_back(name);
        }
        Some(report)
    }
}

/// What tells targets apart: a query says what a report is about.
fn lane_of(url: &Url) -> &str {
    &url[..Position::AfterPath]
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::subscriptions::Event;

    fn report(url: &str, bytes: usize) -> Report {
        let (session_id, url) = ("s".parse().unwrap(), url.parse().unwrap());
        Report { session_id, event: Event::Delivery, url, body: vec![b'x'; bytes].into() }
    }

    fn room(waiting: &mut Waiting, url: &str) -> Room {
        waiting.room(&url.parse().unwrap())
    }

    #[test]
    fn a_target_that_does_not_answer_leaves_room_and_workers_to_others() {
        let mut waiting = Waiting::default();
        let began = (0..COUNT_MAX / SHARE).filter(|n| waiting.push(report(&format!("http://dead/?{n}"), 1))).count();
        assert_eq!(began, WORKERS_MAX);
        let rooms = [(); 3].map(|()| room(&mut waiting, "http://dead/"));
        assert_eq!(rooms, [Room::Over, Room::StillOver, Room::StillOver]);
        assert_eq!(room(&mut waiting, "http://other/"), Room::Free);
        let taken = std::iter::from_fn(|| waiting.next(None)).count();
        assert_eq!((taken, waiting.workers), (WORKERS_OF_TARGET_MAX, WORKERS_MAX - 1));
        waiting.push(report("http://other/", 1));
        assert_eq!(waiting.next(None).unwrap().url.as_str(), "http://other/");
        assert!(waiting.next(None).is_none());
        // Whoever is done with the dead one goes on with it.
        assert!(waiting.next(Some(&"http://dead/".parse().unwrap())).is_some());
    }

    #[test]
    fn bytes_count_and_everything_is_given_back() {
        let mut waiting = Waiting::default();
        for target in 0..SHARE {
            waiting.push(report(&format!("http://{target}/"), BYTES_MAX / SHARE));
        }
        assert_eq!(room(&mut waiting, "http://other/"), Room::Over);
        let mut last = None;
        while let Some(next) = waiting.next(last.as_ref()) {
            last = Some(next.url);
        }
        assert_eq!((waiting.count, waiting.bytes, waiting.workers), (0, 0, SHARE - 1));
        assert_eq!((waiting.lanes.len(), waiting.is_over), (0, false));
    }
}
