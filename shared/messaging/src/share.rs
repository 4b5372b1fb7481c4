//! Sharing out: which of several processes is to have which of the queues that each hands out to one of them alone.
//!
//! A broker gives such a queue to whoever came first, and so gives all of them to one process. Here each process takes a
//! seat, and a queue is to be with the seat that its number falls on. A consumer that is handed something of a queue of
//! another's leaves: it finishes what it has in hand, and joins the line again at its end.
//!
//! Nothing but an even load rests on it. The broker alone decides who has a queue, and gives it to the next in line as
//! soon as a process is gone.

use std::sync::Arc;
use std::time::Duration;

use protocol::Timestamp;
use protocol::topology::QueueName;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;

use crate::{Bus, Environment, observe};

/// How often a process looks which seat it has; with jitter, so that not all look at once.
const LOOK_INTERVAL: Duration = Duration::from_secs(4);

/// The wait before the same queue is left once more; doubles up to [`LEAVE_LONGEST`]. The one that is to have it may not
/// be in line.
const LEAVE_FIRST: Duration = Duration::from_secs(4);
const LEAVE_LONGEST: Duration = Duration::from_mins(5);

/// The place of a process among those that share queues.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Seat {
    /// Which, from 0. Who has none has the number after the last.
    pub number: u16,
    /// How many there are, at least 1.
    pub of: u16,
}

impl Seat {
    /// The seat of a process that shares with nobody.
    pub const ONLY: Self = Self { number: 0, of: 1 };

    /// Whether the queue of this number is to be here.
    #[must_use]
    pub fn has(self, queue: u16) -> bool {
        queue.checked_rem(self.of) == Some(self.number)
    }
}

/// Why a bus cannot say which seat a process has.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("cannot take a seat: {0}")]
pub struct SeatError(pub String);

/// The seat of this process, for its consumers.
#[derive(Debug, Default)]
pub struct Seating {
    seat: watch::Sender<Option<Seat>>,
}

/// The share of a process in the queues that it consumes with others: whether one of them is to be here.
#[derive(Clone, Debug)]
pub struct Share {
    /// `None` until it is known.
    seat: watch::Receiver<Option<Seat>>,
    queue: u16,
}

impl Seating {
    /// The share in the queue of this number.
    #[must_use]
    pub fn share(&self, queue: u16) -> Share {
        Share { seat: self.seat.subscribe(), queue }
    }

    /// Keeps a seat among those who consume the queue `among`, until shutdown is requested.
    ///
    /// A seat counts once two looks in a row have found it: so all processes go by the same seats, as good as, and those
    /// who came have joined the lines by then.
    pub async fn keep(
        self,
        bus: Arc<dyn Bus>,
        among: QueueName,
        environment: Environment,
        shutdown: CancellationToken,
    ) {
        let mut last = None;
        loop {
            let interval = LOOK_INTERVAL.mul_f64(0.5 + 0.5 * environment.chance.unit());
            let looking = async {
                environment.clock.sleep(interval).await;
                bus.seat(&among).await
            };
            let Some(looked) = shutdown.run_until_cancelled(looking).await else { return };
            let seat = looked.inspect_err(|error| observe::no_seat(&among, error)).ok();
            if seat.is_some() && seat == last && self.seat.send_if_modified(|known| change(known, seat)) {
                observe::seated(&among, seat);
            }
            last = seat;
        }
    }
}

/// Whether it is another.
fn change(known: &mut Option<Seat>, seat: Option<Seat>) -> bool {
    let is_other = *known != seat;
    *known = seat;
    is_other
}

/// Decides when a consumer leaves a queue to another.
#[derive(Debug)]
pub(crate) struct Leaving {
    share: Option<Share>,
    /// The seat that the rest is about.
    seat: Option<Seat>,
    left: Option<Timestamp>,
    wait: Duration,
}

impl Leaving {
    pub(crate) fn new(share: Option<Share>) -> Self {
        Self { share, seat: None, left: None, wait: LEAVE_FIRST }
    }

    /// Whether a queue is to be left that has just handed something out here.
    pub(crate) fn is_due(&mut self, now: Timestamp) -> bool {
        let Some(share) = &self.share else { return false };
        let seat = *share.seat.borrow();
        if seat != self.seat {
            (self.seat, self.left, self.wait) = (seat, None, LEAVE_FIRST);
        }
        if seat.is_none_or(|seat| seat.has(share.queue)) {
            return false;
        }
        let again_at = self.left.map(|left| left.saturating_add(self.wait).unwrap_or(Timestamp::MAX));
        if again_at.is_some_and(|again_at| now < again_at) {
            return false;
        }
        if self.left.replace(now).is_some() {
            self.wait = (self.wait * 2).min(LEAVE_LONGEST);
        }
        true
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn every_queue_is_with_one_seat_and_every_seat_has_some() {
        for of in 1..=16 {
            let seats = || (0..of).map(|number| Seat { number, of });
            for queue in 0..16 {
                assert_eq!(seats().filter(|seat| seat.has(queue)).count(), 1);
            }
            let shares: Vec<usize> = seats().map(|seat| (0..16).filter(|queue| seat.has(*queue)).count()).collect();
            assert!(shares.iter().max().unwrap() - shares.iter().min().unwrap() <= 1, "{shares:?}");
            assert!((0..16).all(|queue| !Seat { number: of, of }.has(queue)), "without a seat there is no share");
        }
    }

    #[test]
    fn a_queue_of_anothers_is_left_ever_more_rarely_until_the_seats_change() {
        let seating = Seating::default();
        let mut leaving = Leaving::new(Some(seating.share(3)));
        assert!(!leaving.is_due(at(0)), "nothing is known yet");
        seating.seat.send_replace(Some(Seat { number: 1, of: 2 }));
        assert!(!leaving.is_due(at(0)), "it is its own");
        seating.seat.send_replace(Some(Seat { number: 0, of: 2 }));
        let left: Vec<i64> = (0..60).filter(|second| leaving.is_due(at(*second))).collect();
        assert_eq!(left, [0, 4, 12, 28]);
        seating.seat.send_replace(Some(Seat { number: 1, of: 3 }));
        assert!(leaving.is_due(at(60)));
        assert!(!Leaving::new(None).is_due(at(0)), "a queue that nobody shares is never left");
    }
}
