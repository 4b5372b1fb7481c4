//! The exchanges, queues and bindings, as data: what both buses declare.
//!
//! ```text
//! tropomq (topic) ──┬── tropomq.work (topic) ──┬── <service>.<kind> …             work, bound by kind
//!                   │                          ├── router.message.received.<shard>  what people texted, by person
//!                   │                          ├── application.<name>             texts for an application on the bus
//!                   │                          ├── egress.message.send.<backend>  a lane for each backend
//!                   │                          └── (alternate) tropomq.unrouted   work whose queue is gone
//!                   ├── journal.events                 a bounded record of every event
//!                   └── (alternate) tropomq.unrouted   what no queue is bound for
//! tropomq.retry.<level> (fanout) ── tropomq.retry.<level>   waits, then back by
//! tropomq.return (direct) ── each queue, by its name; (alternate) tropomq.unrouted
//! tropomq.dead (fanout) ─┬─ tropomq.dead                    beyond retry, with its reason
//!                        └─ journal.dead                    a bounded record of the same
//! ```

use std::fmt;
use std::time::Duration;

use uuid::Uuid;

use crate::{Address, BackendName, Kind};

/// The one topic exchange. Routing key: `<kind>.<backend>`, or `<kind>.<backend>.<detail>`.
pub const EXCHANGE: &str = "tropomq";
/// The topic exchange between [`EXCHANGE`] and the queues of work. It gets what such a queue is bound for, and stays
/// when the queue is deleted: the record alone would count as a queue that took the message, and a text that was
/// acknowledged would be work for nobody.
pub const WORK: &str = "tropomq.work";
/// The alternate exchange of [`EXCHANGE`] and [`WORK`], and the queue behind it.
pub const UNROUTED: &str = "tropomq.unrouted";
/// The direct exchange by which what waited returns to its queue: bound for each queue by the queue's name. Its
/// alternate exchange is [`UNROUTED`] as well, so that what waited for a queue that is gone holds nothing up.
pub const RETURN: &str = "tropomq.return";
/// The exchange for what is beyond retry, and the queue behind it.
pub const DEAD: &str = "tropomq.dead";
/// How often the broker itself hands out one delivery that was never settled, before it is dead-lettered: a message
/// that kills its consumer every time ends there. (RabbitMQ 4 has a limit of 20 unless one is set.)
pub const DELIVERY_LIMIT: u32 = 50;
/// The levels of waiting. A delay takes the shortest level that is not shorter than it.
pub const RETRY_LEVELS: [Duration; 12] = [
    Duration::from_millis(100),
    Duration::from_millis(500),
    Duration::from_secs(1),
    Duration::from_secs(2),
    Duration::from_secs(5),
    Duration::from_secs(10),
    Duration::from_secs(30),
    Duration::from_secs(60),
    Duration::from_secs(120),
    Duration::from_secs(300),
    Duration::from_secs(900),
    Duration::from_secs(3600),
];

/// Into how many queues what people text is divided. The texts of one person are always on the same one. Another number
/// would divide people otherwise, so that a text could overtake one that was published before.
pub const SHARDS: u16 = 16;

/// The namespace under which people are divided into shards.
const PEOPLE: Uuid = Uuid::from_u128(0x2f8d_5b0c_7e16_4c39_a4d2_91b6_e83f_0c57);

/// The shard of a person: which of the [`SHARDS`] queues their texts are on, as `00` to `15`. A person is who texts a
/// backend from an address.
#[must_use]
pub fn shard(backend: &BackendName, person: &Address) -> String {
    // A blank stands in no name, so no two people are spelled alike.
    let hash = Uuid::new_v5(&PEOPLE, format!("{backend} {}", person.as_str()).as_bytes());
    shard_name(u16::from(hash.as_bytes()[0]) % SHARDS)
}

fn shard_name(number: u16) -> String {
    format!("{number:02}")
}

/// The name of the exchange, and of the queue behind it, in which a message waits that long.
#[must_use]
pub fn retry_name(level: Duration) -> String {
    format!("tropomq.retry.{}ms", level.as_millis())
}

/// The level for a delay: the shortest that is not shorter, or the longest there is.
#[must_use]
pub fn retry_level(delay: Duration) -> Duration {
    let [.., longest] = RETRY_LEVELS;
    RETRY_LEVELS.into_iter().find(|level| delay <= *level).unwrap_or(longest)
}

/// The name of a queue.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord, Debug)]
pub struct QueueName(String);

impl QueueName {
    /// The queue on which `service` gets events of `kind`: `<service>.<kind>`.
    #[must_use]
    pub fn of(service: &str, kind: Kind) -> Self {
        Self(format!("{service}.{kind}"))
    }

    /// Where router gets what people texted and was published without a shard, as earlier versions do.
    #[must_use]
    pub fn received() -> Self {
        Self::of("router", Kind::MessageReceived)
    }

    /// Where router gets what the people of a [`shard`] texted, one after the other.
    #[must_use]
    pub fn shard(shard: &str) -> Self {
        Self(format!("{}.{shard}", Self::received()))
    }

    /// The queues of all shards.
    pub fn shards() -> impl Iterator<Item = Self> {
        (0..SHARDS).map(|number| Self::shard(&shard_name(number)))
    }

    /// All queues where router gets what people texted.
    pub fn texts() -> impl Iterator<Item = Self> {
        std::iter::once(Self::received()).chain(Self::shards())
    }

    /// The lane of a backend: where egress gets what to send.
    #[must_use]
    pub fn lane(backend: &BackendName) -> Self {
        Self(format!("egress.{}.{backend}", Kind::MessageSend))
    }

    /// Where an application on the bus gets the texts that the router hands over to it.
    #[must_use]
    pub fn application(application: &BackendName) -> Self {
        Self(format!("application.{application}"))
    }

    /// Where egress gets what sessions reported.
    #[must_use]
    pub fn results() -> Self {
        Self::of("egress", Kind::SessionResult)
    }

    /// Where egress gets delivery reports.
    #[must_use]
    pub fn reports() -> Self {
        Self::of("egress", Kind::DeliveryReported)
    }

    /// The record of every event, bounded in number and age.
    #[must_use]
    pub fn journal() -> Self {
        Self("journal.events".to_owned())
    }

    /// The record of every dead letter, bounded in number and age.
    #[must_use]
    pub fn journal_dead() -> Self {
        Self("journal.dead".to_owned())
    }

    /// What no queue was bound for.
    #[must_use]
    pub fn unrouted() -> Self {
        Self(UNROUTED.to_owned())
    }

    /// What is beyond retry.
    #[must_use]
    pub fn dead() -> Self {
        Self(DEAD.to_owned())
    }

    /// The name.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// Takes a name as the broker has it. Names longer than 255 bytes exist on no broker.
impl From<&str> for QueueName {
    fn from(name: &str) -> Self {
        Self(name.to_owned())
    }
}

impl fmt::Display for QueueName {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// A durable queue.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Queue {
    /// Its name.
    pub name: QueueName,
    /// The patterns by which it gets what is published to [`EXCHANGE`]: a record is bound to that, work to [`WORK`]. None
    /// for a queue behind an exchange of its own.
    pub bindings: Vec<Pattern>,
    /// Whether it is bound to [`DEAD`] and gets a copy of each dead letter.
    pub dead_letters: bool,
    /// Whether one consumer at a time gets all its deliveries, so that their order holds over all replicas.
    pub single_active_consumer: bool,
    /// The bound of a queue that is a record and not work: beyond it the oldest messages go. Work has none.
    pub bound: Option<Bound>,
}

/// How much a record keeps.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub struct Bound {
    /// At most so many messages.
    pub messages_max: u32,
    /// None older than this.
    pub age_max: Duration,
}

/// A binding key: words between dots, where `*` stands for one word and `#` for any number.
#[derive(Clone, PartialEq, Eq, Hash, Debug)]
pub struct Pattern(String);

impl Pattern {
    /// All events of a kind, of every backend and with every detail.
    #[must_use]
    pub fn of_kind(kind: Kind) -> Self {
        Self(format!("{kind}.#"))
    }

    /// All events of a kind that have no detail.
    #[must_use]
    pub fn without_detail(kind: Kind) -> Self {
        Self(format!("{kind}.*"))
    }

    /// All events of a kind with this detail, of every backend.
    #[must_use]
    pub fn of_detail(kind: Kind, detail: &str) -> Self {
        Self(format!("{kind}.*.{detail}"))
    }

    /// All events of a kind and a backend.
    #[must_use]
    pub fn of_backend(kind: Kind, backend: &BackendName) -> Self {
        Self(format!("{kind}.{backend}"))
    }

    /// The binding key.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether a message with this routing key goes to a queue bound so.
    #[must_use]
    pub fn matches(&self, routing_key: &str) -> bool {
        let pattern: Vec<&str> = self.0.split('.').collect();
        let words: Vec<&str> = routing_key.split('.').collect();
        matches_words(&pattern, &words)
    }
}

impl From<&str> for Pattern {
    fn from(pattern: &str) -> Self {
        Self(pattern.to_owned())
    }
}

fn matches_words(pattern: &[&str], words: &[&str]) -> bool {
    match pattern.split_first() {
        None => words.is_empty(),
        Some((&"#", rest)) => {
            (0..=words.len()).any(|skipped| matches_words(rest, words.get(skipped..).unwrap_or_default()))
        }
        Some((first, rest)) => words
            .split_first()
            .is_some_and(|(word, others)| (*first == "*" || first == word) && matches_words(rest, others)),
    }
}

/// A backend's lane in egress.
#[derive(Clone, PartialEq, Eq, Debug)]
pub struct Lane {
    /// The backend.
    pub backend: BackendName,
    /// Whether its messages keep their order and its rate holds over all replicas: one consumer at a time.
    pub single_active_consumer: bool,
}

/// The longest that an event waits for the journal.
pub const JOURNAL_AGE_MAX: Duration = Duration::from_hours(7 * 24);

/// The queues that a set of services needs. The exchanges are always the same.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Topology {
    /// The queues, each once.
    pub queues: Vec<Queue>,
}

impl Topology {
    /// The topology of tropomq with these lanes.
    #[must_use]
    pub fn new(lanes: &[Lane]) -> Self {
        let queue =
            |name, bindings| Queue { name, bindings, dead_letters: false, single_active_consumer: false, bound: None };
        let work = |name, pattern| queue(name, vec![pattern]);
        let bound = Some(Bound { messages_max: 1_000_000, age_max: JOURNAL_AGE_MAX });
        let mut queues = vec![
            work(QueueName::received(), Pattern::without_detail(Kind::MessageReceived)),
            work(QueueName::results(), Pattern::of_kind(Kind::SessionResult)),
            work(QueueName::reports(), Pattern::of_kind(Kind::DeliveryReported)),
            Queue { bound, ..queue(QueueName::journal(), recorded(lanes)) },
            Queue { bound, dead_letters: true, ..queue(QueueName::journal_dead(), Vec::new()) },
        ];
        queues.extend((0..SHARDS).map(shard_name).map(|shard| Queue {
            single_active_consumer: true,
            ..work(QueueName::shard(&shard), Pattern::of_detail(Kind::MessageReceived, &shard))
        }));
        queues.extend(lanes.iter().map(|lane| Queue {
            single_active_consumer: lane.single_active_consumer,
            ..work(QueueName::lane(&lane.backend), Pattern::of_backend(Kind::MessageSend, &lane.backend))
        }));
        Self { queues }
    }

    /// The same, with a queue for each of these applications. The record gets what is offered to them alone, as it gets
    /// the commands of lanes.
    #[must_use]
    pub fn with_applications<'a>(mut self, applications: impl IntoIterator<Item = &'a BackendName>) -> Self {
        for application in applications {
            let pattern = Pattern::of_detail(Kind::MessageOffered, application.as_str());
            for record in self.queues.iter_mut().filter(|queue| queue.name == QueueName::journal()) {
                record.bindings.push(pattern.clone());
            }
            self.queues.push(Queue {
                name: QueueName::application(application),
                bindings: vec![pattern],
                dead_letters: false,
                single_active_consumer: false,
                bound: None,
            });
        }
        self
    }

    /// The queues that a message with this routing key goes to.
    pub fn route(&self, routing_key: &str) -> impl Iterator<Item = &Queue> {
        self.queues.iter().filter(move |queue| queue.bindings.iter().any(|pattern| pattern.matches(routing_key)))
    }
}

/// What the record is bound for: every kind, but a command to send only where a lane takes it too, and what is offered to
/// an application only where that has a queue. Were it bound for all of them, a command that no lane takes would count as
/// routed, and never come to [`UNROUTED`].
fn recorded(lanes: &[Lane]) -> Vec<Pattern> {
    let is_event = |kind: &Kind| !matches!(kind, Kind::MessageSend | Kind::MessageOffered);
    let events = Kind::ALL.into_iter().filter(is_event).map(Pattern::of_kind);
    events.chain(lanes.iter().map(|lane| Pattern::of_backend(Kind::MessageSend, &lane.backend))).collect()
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use proptest::prelude::*;

    use super::*;

    #[track_caller]
    fn check(pattern: &str, routing_key: &str, expected: bool) {
        assert_eq!(Pattern::from(pattern).matches(routing_key), expected, "{pattern} {routing_key}");
    }

    #[test]
    fn patterns_match_as_a_topic_exchange_does() {
        check("message.send.*", "message.send.a", true);
        check("message.send.*", "message.send", false);
        check("message.send.*", "message.send.a.b", false);
        check("#", "message.send.a", true);
        check("#", "", true);
        check("message.#", "message", true);
        check("message.#.a", "message.send.a", true);
        check("message.#.a", "message.a", true);
        check("message.send.a", "message.send.b", false);
    }

    #[test]
    fn work_without_a_lane_is_routed_nowhere_and_all_else_is_recorded() {
        let lane = Lane { backend: "a".parse().unwrap(), single_active_consumer: false };
        let topology = Topology::new(&[lane]).with_applications(&["weather".parse().unwrap()]);
        let queues = |key| topology.route(key).map(|queue| queue.name.as_str()).collect::<Vec<_>>();
        assert_eq!(queues("message.send.a"), ["journal.events", "egress.message.send.a"]);
        assert_eq!(queues("message.send.b"), [""; 0]);
        assert_eq!(queues("message.sent.b"), ["journal.events"]);
        assert_eq!(queues("message.offered.b.weather"), ["journal.events", "application.weather"]);
        assert_eq!(queues("message.offered.b.other"), [""; 0]);
        assert_eq!(queues("message.sent.b.more"), ["journal.events"]);
        assert_eq!(queues("message.received.b"), ["router.message.received", "journal.events"]);
        assert_eq!(queues("message.received.b.03"), ["journal.events", "router.message.received.03"]);
        assert_eq!(queues("message.received.b.16"), ["journal.events"], "nobody divides into more shards");
    }

    #[test]
    fn people_stay_in_their_shards_from_version_to_version() {
        // Golden: where a text of a person goes to another queue than the one before it, it may overtake it.
        for (backend, person, expected) in [
            ("b", "+15555550177", "04"),
            ("b", "+15555550178", "08"),
            ("my-tropo-backend", "+15555550177", "07"),
            ("b", "98765", "12"),
        ] {
            assert_eq!(shard(&backend.parse().unwrap(), &person.parse().unwrap()), expected, "{backend} {person}");
        }
    }

    #[test]
    fn people_are_divided_evenly() {
        let backend = "b".parse().unwrap();
        let mut people: BTreeMap<QueueName, u32> = QueueName::shards().map(|queue| (queue, 0)).collect();
        for number in 0..16_000 {
            let person = format!("+1555{number:07}").parse().unwrap();
            *people.get_mut(&QueueName::shard(&shard(&backend, &person))).unwrap() += 1;
        }
        assert_eq!(people.len(), 16);
        assert!(people.values().all(|people| (850..1150).contains(people)), "{people:?}");
    }

    #[test]
    fn a_delay_is_never_cut_short_by_its_level() {
        assert_eq!(retry_level(Duration::ZERO), Duration::from_millis(100));
        assert_eq!(retry_level(Duration::from_millis(101)), Duration::from_millis(500));
        assert_eq!(retry_level(Duration::from_secs(37)), Duration::from_secs(60));
        assert_eq!(retry_level(Duration::from_hours(9)), Duration::from_hours(1));
    }

    proptest! {
        #[test]
        fn a_pattern_without_wildcards_matches_itself_alone(a in "[a-c.]{0,6}", b in "[a-c.]{0,6}") {
            prop_assert_eq!(Pattern::from(a.as_str()).matches(&b), a == b);
        }
    }
}
