//! The pace at which texts leave a number: one after the other, in order, none dropped on the way.
//!
//! Where a rate is set, the first text of a number leaves at once, and those behind it wait in a lane of that number.
//! One task a lane lets them go, so nobody else waits for them, and no lock is held meanwhile.

use std::collections::{HashMap, VecDeque};
use std::fmt;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use protocol::Address;

use crate::Simulator;
use crate::phones::Delivery;
use crate::session::pause;

/// How many texts may wait in all lanes together.
const WAITING_MAX: usize = 10_000;

/// How many bytes those may have.
const WAITING_BYTES_MAX: usize = 64 * 1024 * 1024;

/// The texts that wait. A number whose last text left less than a turn ago has a lane, though it may be empty.
#[derive(Default)]
pub(crate) struct Departures(Mutex<Lanes>);

#[derive(Default)]
struct Lanes {
    by_number: HashMap<Address, VecDeque<Delivery>>,
    waiting: usize,
    bytes: usize,
}

/// What became of a text.
pub(crate) enum Departure {
    /// It has left.
    Left,
    /// It waits behind so many others.
    Behind(usize),
}

impl Simulator {
    /// A text leaves, now or in its turn.
    pub(crate) fn depart(self: &Arc<Self>, delivery: Delivery) -> Departure {
        let has_rate = delivery.is_rated() && self.control.sms_gap().is_some();
        let from = delivery.from.clone();
        let place = self.departures.join(delivery, has_rate);
        let delivery = match place {
            Place::Lane(before) => return Departure::Behind(before),
            Place::Alone(delivery) | Place::First(delivery) => delivery,
        };
        // Whoever comes later waits in the lane: it is not let go before this one has left.
        self.phones.deliver(delivery);
        if has_rate {
            let (simulator, number) = (Arc::clone(self), from.clone());
            if !self.spawn(async move { simulator.let_go(&number).await }) {
                self.let_all_go(&from);
            }
        }
        Departure::Left
    }

    /// Lets the texts of a lane go, one a turn, until there are none. The turn is as long as the knob says when it
    /// begins; when the simulator stops, they all leave.
    async fn let_go(&self, number: &Address) {
        loop {
            let gap = self.control.sms_gap().unwrap_or_default();
            tokio::select! {
                biased;
                () = self.shutdown.requested() => return self.let_all_go(number),
                () = pause(gap) => {}
            }
            let Some(delivery) = self.departures.next(number) else { return };
            self.phones.deliver(delivery);
        }
    }

    fn let_all_go(&self, number: &Address) {
        while let Some(delivery) = self.departures.next(number) {
            self.phones.deliver(delivery);
        }
    }
}

/// Where a text stands.
enum Place {
    /// It waits for nobody, and nobody for it.
    Alone(Delivery),
    /// It is the first of a lane, which is open from now on.
    First(Delivery),
    /// So many of its lane are before it.
    Lane(usize),
}

impl Departures {
    /// Whether a text would have to wait, and no more may. Those who ask at the same moment may each add one.
    pub(crate) fn is_full_for(&self, delivery: &Delivery) -> bool {
        let lanes = self.lock();
        let is_full = WAITING_MAX <= lanes.waiting || WAITING_BYTES_MAX <= lanes.bytes;
        is_full && delivery.is_rated() && lanes.by_number.contains_key(&delivery.from)
    }

    /// Into the lane of its number, if there is one.
    fn join(&self, delivery: Delivery, has_rate: bool) -> Place {
        let mut lanes = self.lock();
        let bytes = delivery.bytes();
        match lanes.by_number.get_mut(&delivery.from) {
            Some(lane) if delivery.is_rated() => {
                let before = lane.len();
                lane.push_back(delivery);
                lanes.waiting += 1;
                lanes.bytes += bytes;
                Place::Lane(before)
            }
            None if has_rate => {
                lanes.by_number.insert(delivery.from.clone(), VecDeque::new());
                Place::First(delivery)
            }
            Some(_) | None => Place::Alone(delivery),
        }
    }

    /// The next of a lane. When there is none, the lane is closed.
    fn next(&self, number: &Address) -> Option<Delivery> {
        let mut lanes = self.lock();
        let next = lanes.by_number.get_mut(number).and_then(VecDeque::pop_front);
        match &next {
            Some(delivery) => {
                lanes.waiting -= 1;
                lanes.bytes -= delivery.bytes();
            }
            None => {
                lanes.by_number.remove(number);
            }
        }
        next
    }

    fn lock(&self) -> MutexGuard<'_, Lanes> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Delivery {
    /// Whether the rate counts for it: an SMS from a North American number of ten digits (Tropo WebAPI: rates). Short
    /// codes, other countries and other networks had none.
    fn is_rated(&self) -> bool {
        let is_ten_digits = match &self.from {
            Address::Phone(number) => number.digits().len() == 11 && number.digits().starts_with('1'),
            Address::ShortCode(_) | Address::Name(_) | Address::Withheld => false,
        };
        is_ten_digits && self.network.as_str() == "SMS"
    }
}

/// Shows how many wait.
impl fmt::Debug for Departures {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Departures").field("waiting", &self.lock().waiting).finish_non_exhaustive()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use protocol::Network;

    fn delivery(from: &str, network: &str, text: &str) -> Delivery {
        let to = "+15555550177".parse().unwrap();
        Delivery::text(from.parse().unwrap(), to, text.parse().unwrap(), network.parse().unwrap())
    }

    #[test]
    fn the_rate_is_that_of_north_american_numbers_on_sms() {
        for (from, network, expected) in [
            ("+15555550100", "SMS", true),
            ("+15555550100", "MMS", false),
            ("+445555550100", "SMS", false),
            ("12345", "SMS", false),
            ("alice@example.net", "JABBER", false),
        ] {
            assert_eq!(delivery(from, network, "x").is_rated(), expected, "{from} {network}");
        }
    }

    #[test]
    fn a_lane_keeps_the_order_and_is_counted() {
        let departures = Departures::default();
        let from: Address = "+15555550100".parse().unwrap();
        let sms = Network::sms();
        let join = |text: &str, has_rate| departures.join(delivery(from.as_str(), sms.as_str(), text), has_rate);
        assert!(matches!(join("0", false), Place::Alone(_)));
        assert!(matches!(join("1", true), Place::First(_)));
        assert!(matches!(join("22", true), Place::Lane(0)));
        // The rate was lifted, and others wait still: it does not overtake them.
        assert!(matches!(join("333", false), Place::Lane(1)));
        let waiting = || {
            let lanes = departures.lock();
            (lanes.waiting, lanes.bytes, lanes.by_number.len())
        };
        assert_eq!(waiting(), (2, 5, 1));
        let left: Vec<_> = std::iter::from_fn(|| departures.next(&from)).map(|next| next.bytes()).collect();
        assert_eq!(left, [2, 3]);
        assert_eq!(waiting(), (0, 0, 0));
    }

    #[test]
    fn so_many_wait_and_no_more_but_of_those_who_need_not() {
        let departures = Departures::default();
        let rated = delivery("+15555550100", "SMS", "x");
        let lanes = |waiting, bytes| {
            let by_number = HashMap::from([(rated.from.clone(), VecDeque::new())]);
            *departures.lock() = Lanes { by_number, waiting, bytes };
        };
        lanes(WAITING_MAX - 1, 0);
        assert!(!departures.is_full_for(&rated));
        for (waiting, bytes) in [(WAITING_MAX, 0), (1, WAITING_BYTES_MAX)] {
            lanes(waiting, bytes);
            assert!(departures.is_full_for(&rated));
            for (from, network) in [("+15555550100", "MMS"), ("+445555550100", "SMS"), ("+15555550101", "SMS")] {
                assert!(!departures.is_full_for(&delivery(from, network, "x")), "{from} {network}");
            }
        }
    }
}
