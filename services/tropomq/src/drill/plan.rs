//! The faults that there are, and the order and the moments in which they come, drawn from a seed. Pure.

use std::fmt::Write;
use std::time::Duration;

use anyhow::Context;

/// How the product runs in a drill.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Shape {
    /// Each service is a process, with RabbitMQ between them and a ledger in PostgreSQL.
    Services,
    /// All services are one process, on the embedded bus, with a ledger in a file.
    OneProcess,
}

/// A fault.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Fault {
    /// How it is asked for.
    pub(super) name: &'static str,
    /// What it is.
    pub(super) words: &'static str,
    pub(super) act: Act,
}

/// What is done to bring a fault about; what is done to lift it follows from that.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Act {
    Kill(Target),
    Pause(Target),
    Link(Wire, Harm),
    /// Knobs of the simulated Tropo, as a JSON object.
    Tropo(&'static str),
    CloseConnections,
    MemoryAlarm,
    /// Kills RabbitMQ, for long, and ingress in the middle of that.
    BrokerAway,
    /// Asks one service after the other to stop, and starts it again.
    RollingRestart,
    /// Throws away what waits for router: a loss, to see that the drill finds it.
    Purge,
}

/// A process.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Target {
    /// One of the product, by its subcommand.
    Service(&'static str),
    Broker,
    Database,
}

/// A way between two processes.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Wire {
    /// From Tropo to ingress.
    Webhooks,
    /// From ingress to egress.
    CallBacks,
    /// From egress to Tropo's session API.
    Sessions,
    /// From the services to RabbitMQ.
    Broker,
    /// From egress to PostgreSQL.
    Ledger,
}

/// What becomes of a way.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) enum Harm {
    /// Every connection is reset, and new ones are refused until the fault is lifted.
    Cut,
    /// No byte passes until the fault is lifted; connections stay.
    Held,
    /// Every connection is reset, and new ones are taken at once.
    Reset,
}

const fn fault(name: &'static str, act: Act, words: &'static str) -> Fault {
    Fault { name, words, act }
}

/// The faults of services on RabbitMQ.
const OF_SERVICES: [Fault; 28] = [
    fault("ingress-killed", Act::Kill(Target::Service("ingress")), "ingress is killed and started again"),
    fault("router-killed", Act::Kill(Target::Service("router")), "router is killed and started again"),
    fault("egress-killed", Act::Kill(Target::Service("egress")), "egress is killed and started again"),
    fault("ingress-paused", Act::Pause(Target::Service("ingress")), "ingress is frozen"),
    fault("router-paused", Act::Pause(Target::Service("router")), "router is frozen"),
    fault("egress-paused", Act::Pause(Target::Service("egress")), "egress is frozen"),
    fault("broker-killed", Act::Kill(Target::Broker), "RabbitMQ is killed and started again"),
    fault(
        "broker-away",
        Act::BrokerAway,
        "RabbitMQ is killed and stays away, and ingress is killed and started meanwhile",
    ),
    fault("broker-paused", Act::Pause(Target::Broker), "RabbitMQ is frozen"),
    fault("broker-held", Act::Link(Wire::Broker, Harm::Held), "no byte passes to or from RabbitMQ"),
    fault("broker-cut", Act::Link(Wire::Broker, Harm::Cut), "RabbitMQ cannot be reached"),
    fault("broker-closes", Act::CloseConnections, "RabbitMQ closes every connection"),
    fault("broker-alarm", Act::MemoryAlarm, "RabbitMQ raises its memory alarm and blocks what publishes"),
    fault("ledger-killed", Act::Kill(Target::Database), "PostgreSQL is killed and started again"),
    fault("ledger-paused", Act::Pause(Target::Database), "PostgreSQL is frozen"),
    fault("ledger-cut", Act::Link(Wire::Ledger, Harm::Cut), "egress cannot reach PostgreSQL"),
    fault("ledger-held", Act::Link(Wire::Ledger, Harm::Held), "no byte passes between egress and PostgreSQL"),
    fault("call-backs-cut", Act::Link(Wire::CallBacks, Harm::Cut), "ingress cannot reach egress"),
    fault("rolling-restart", Act::RollingRestart, "one service after the other is stopped and started again"),
    OF_BOTH[0],
    OF_BOTH[1],
    OF_BOTH[2],
    OF_BOTH[3],
    OF_BOTH[4],
    OF_BOTH[5],
    OF_BOTH[6],
    OF_BOTH[7],
    OF_BOTH[8],
];

/// The faults of one process on the embedded bus.
const OF_ONE_PROCESS: [Fault; 12] = [
    fault("process-killed", Act::Kill(Target::Service("up")), "the process is killed and started again"),
    fault("process-paused", Act::Pause(Target::Service("up")), "the process is frozen"),
    fault("rolling-restart", Act::RollingRestart, "the process is stopped and started again"),
    OF_BOTH[0],
    OF_BOTH[1],
    OF_BOTH[2],
    OF_BOTH[3],
    OF_BOTH[4],
    OF_BOTH[5],
    OF_BOTH[6],
    OF_BOTH[7],
    OF_BOTH[8],
];

/// The faults of Tropo, and of the ways to it and from it.
const OF_BOTH: [Fault; 9] = [
    fault("tropo-paused", Act::Pause(Target::Service("simulator")), "Tropo is frozen"),
    fault(
        "tropo-errs",
        Act::Tropo(r#"{"create_errors": 0.5}"#),
        "Tropo answers half of the requests for a session with status 500",
    ),
    fault(
        "tropo-throttles",
        Act::Tropo(r#"{"create_status": 429, "retry_after": "1s"}"#),
        "Tropo answers every request for a session with status 429",
    ),
    fault(
        "tropo-hangs",
        Act::Tropo(r#"{"create_hang": "4s"}"#),
        "Tropo creates sessions, and answers the request for them too late",
    ),
    fault("tropo-forgets", Act::Tropo(r#"{"drop_next_callbacks": 1000000}"#), "Tropo's sessions do not call back"),
    fault(
        "tropo-repeats",
        Act::Tropo(r#"{"duplicate_webhooks": 1.0, "callback_first": true}"#),
        "Tropo delivers every webhook twice, and calls back before it answers",
    ),
    fault("webhooks-cut", Act::Link(Wire::Webhooks, Harm::Cut), "Tropo cannot reach ingress"),
    fault("webhooks-reset", Act::Link(Wire::Webhooks, Harm::Reset), "Tropo's connections to ingress are reset once"),
    fault("sessions-held", Act::Link(Wire::Sessions, Harm::Held), "no byte passes between egress and Tropo"),
];

/// What no drill does unless it is asked to.
const SELF_CHECK: Fault = fault(
    "queue-purged",
    Act::Purge,
    "what waits for router is thrown away: a loss, to see that the drill finds it; by --only alone",
);

/// All faults that a drill of this shape does unless it is told which.
pub(super) fn all(shape: Shape) -> &'static [Fault] {
    match shape {
        Shape::Services => &OF_SERVICES,
        Shape::OneProcess => &OF_ONE_PROCESS,
    }
}

/// The faults of these names; all of them where none is named.
///
/// # Errors
/// A name that no fault of this shape has.
pub(super) fn chosen(shape: Shape, names: &[String]) -> anyhow::Result<Vec<Fault>> {
    if names.is_empty() {
        return Ok(all(shape).to_vec());
    }
    let find = |name: &String| {
        let found = known(shape).find(|fault| fault.name == name.as_str());
        found.with_context(|| {
            let known: Vec<_> = known(shape).map(|fault| fault.name).collect();
            format!("there is no fault {name:?} in this kind of drill; there are: {}", known.join(", "))
        })
    };
    names.iter().map(find).collect()
}

fn known(shape: Shape) -> impl Iterator<Item = Fault> {
    // There is no queue of another's to purge in one process.
    all(shape).iter().copied().chain((shape == Shape::Services).then_some(SELF_CHECK))
}

/// The faults, a line each.
pub(super) fn list(shape: Shape) -> String {
    let mut told = String::new();
    for Fault { name, words, .. } in known(shape) {
        // Writing to a string cannot fail.
        let _ = writeln!(told, "{name:<16} {words}");
    }
    told
}

/// A fault and how long before it nothing is wrong.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(super) struct Step {
    pub(super) fault: Fault,
    pub(super) calm: Duration,
}

/// Every fault once a round, in an order of the round's own, each after a calm of half to one and a half `gap`.
pub(super) fn draw(faults: &[Fault], rounds: u32, gap: Duration, seed: u64) -> Vec<Step> {
    let mut chance = Chance(seed);
    let mut steps = Vec::new();
    for _ in 0..rounds {
        let mut round = faults.to_vec();
        // Fisher and Yates.
        for last in (1..round.len()).rev() {
            round.swap(last, chance.below(last + 1));
        }
        steps.extend(round.into_iter().map(|fault| {
            let permille = u32::try_from(500 + chance.below(1001)).unwrap_or(1000);
            Step { fault, calm: gap * permille / 1000 }
        }));
    }
    steps
}

/// SplitMix64: the same numbers from the same seed, on every machine and in every version.
struct Chance(u64);

impl Chance {
    fn bits(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut z = self.0;
        z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        z ^ (z >> 31)
    }

    /// A number below `end`, which is not 0. Nearly even, which is enough for an order.
    fn below(&mut self, end: usize) -> usize {
        let end = u64::try_from(end).unwrap_or(u64::MAX).max(1);
        usize::try_from(self.bits() % end).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const GAP: Duration = Duration::from_secs(2);

    fn names(steps: &[Step]) -> Vec<&'static str> {
        steps.iter().map(|step| step.fault.name).collect()
    }

    #[test]
    fn the_same_seed_draws_the_same_plan_and_another_seed_another() {
        let draw = |seed| draw(all(Shape::Services), 2, GAP, seed);
        assert_eq!(draw(42), draw(42));
        assert_ne!(names(&draw(42)), names(&draw(43)));
        // Golden: what a seed printed last month brings about has to stay what it was.
        assert_eq!(Chance(0).bits(), 0xe220_a839_7b1d_cdaf);
    }

    #[test]
    fn every_fault_comes_once_a_round_after_a_calm() {
        for shape in [Shape::Services, Shape::OneProcess] {
            let faults = all(shape);
            let steps = draw(faults, 3, GAP, 7);
            for round in steps.chunks(faults.len()) {
                assert!(faults.iter().all(|fault| names(round).contains(&fault.name)));
            }
            assert!(steps.iter().all(|step| GAP / 2 <= step.calm && step.calm <= GAP * 3 / 2));
        }
    }

    #[test]
    fn faults_are_chosen_by_name_and_the_loss_by_name_alone() {
        let of =
            |names: &[&str]| chosen(Shape::Services, &names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        assert_eq!(of(&[]).unwrap().len(), OF_SERVICES.len());
        assert!(all(Shape::Services).iter().chain(all(Shape::OneProcess)).all(|fault| fault.act != Act::Purge));
        assert_eq!(of(&["queue-purged"]).unwrap(), [SELF_CHECK]);
        let unknown = of(&["egress-killed", "egress-tickled"]).unwrap_err().to_string();
        assert!(unknown.contains("egress-tickled") && unknown.contains("queue-purged"), "{unknown}");
        assert!(chosen(Shape::OneProcess, &["broker-killed".to_owned()]).is_err());
    }

    #[test]
    fn no_two_faults_have_one_name_and_all_are_listed() {
        for shape in [Shape::Services, Shape::OneProcess] {
            let mut names: Vec<_> = known(shape).map(|fault| fault.name).collect();
            assert_eq!(list(shape).lines().count(), names.len());
            let count = names.len();
            names.sort_unstable();
            names.dedup();
            assert_eq!(names.len(), count);
        }
    }

    #[test]
    fn the_knobs_are_ones_that_the_simulator_has() {
        for fault in all(Shape::OneProcess) {
            if let Act::Tropo(knobs) = fault.act {
                let read = serde_json::from_str::<simulator::Knobs>(knobs);
                assert!(read.is_ok_and(|knobs| knobs != simulator::Knobs::default()), "{}", fault.name);
            }
        }
    }
}
