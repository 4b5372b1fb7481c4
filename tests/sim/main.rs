//! The simulation: the services' own handlers, routes and ledger, in one thread, against models of the broker, of Tropo,
//! of the network and of time, all of them driven by one seed.
//!
//! A run lets people text while processes die, connections are lost and answers do not arrive; then everything calms
//! down, and the books must be right (`invariants.rs`). The same seed gives the same run, step by step.

#![expect(clippy::unwrap_used, clippy::panic, clippy::print_stderr, reason = "in a test a panic is the report")]

mod broker;
mod bus;
mod connection;
mod coverage;
mod invariants;
mod ledger;
mod memories;
mod network;
mod planted;
mod replica;
mod run;
mod seed;
mod settings;
mod tropo;
mod trouble;
mod world;

use coverage::Coverage;
use planted::Plant;
use run::Ground;

/// How many seeds are run where `SIM_SEEDS` does not say, over all [`SHARDS`].
const SEEDS: u64 = 2000;

/// The seeds are run by so many tests, each by its own share, so that several cores do it at once.
const SHARDS: u64 = 4;

/// Within so many seeds everything that can go wrong has gone wrong.
const SEEDS_UNTIL_ALL_MET: u64 = 500;

/// Within so many seeds a planted mistake is found.
const SEEDS_UNTIL_FOUND: u64 = 200;

/// Whatever fails, nothing is lost, and nobody is texted twice.
mod whatever_fails {
    use super::hold;

    #[test]
    fn one_share_holds() {
        hold(0);
    }

    #[test]
    fn another_share_holds() {
        hold(1);
    }

    #[test]
    fn a_third_share_holds() {
        hold(2);
    }

    #[test]
    fn the_last_share_holds() {
        hold(3);
    }
}

/// Runs the share of a shard.
#[track_caller]
fn hold(shard: u64) {
    let first = seed::number("SIM_FIRST").unwrap_or_default();
    let single = seed::number("SIM_SEED");
    let seeds = match single {
        Some(seed) => seed..seed + 1,
        None => first..first + seed::number("SIM_SEEDS").unwrap_or(SEEDS),
    };
    let (ground, mut coverage) = (Ground::new(), Coverage::default());
    for seed in seeds.filter(|seed| seed % SHARDS == shard) {
        let report = ground.run(seed, Plant::Nothing);
        assert!(report.violations.is_empty(), "{}", report.told());
        coverage.add(&report.trace);
        if single.is_some() {
            eprintln!("{}", report.trace.join("\n"));
        }
    }
    eprintln!("{coverage}");
    if SEEDS_UNTIL_ALL_MET <= coverage.runs() {
        assert_eq!(coverage.missing(), [""; 0], "a fault that never happens proves nothing");
    }
}

#[test]
fn the_same_seed_gives_the_same_run() {
    let (one, other) = (Ground::new(), Ground::new());
    let traces: Vec<_> = (0..20)
        .map(|seed| {
            let (trace, again) = (one.run(seed, Plant::Nothing).trace, other.run(seed, Plant::Nothing).trace);
            for (line, (one, other)) in trace.iter().zip(&again).enumerate() {
                assert_eq!(one, other, "seed {seed} goes another way at line {line}");
            }
            assert_eq!(trace.len(), again.len(), "seed {seed}");
            trace
        })
        .collect();
    assert!(traces.windows(2).all(|pair| pair[0] != pair[1]), "another seed gives another run");
}

#[track_caller]
fn is_found(plant: Plant, words: &str) {
    let ground = Ground::new();
    let found = (0..SEEDS_UNTIL_FOUND).find_map(|seed| {
        let report = ground.run(seed, plant);
        report.violations.into_iter().find(|violation| violation.contains(words))
    });
    assert!(found.is_some(), "{plant:?} was not found in {SEEDS_UNTIL_FOUND} seeds");
}

#[test]
fn an_early_acknowledgement_is_found() {
    is_found(Plant::AcknowledgeFirst, "was acknowledged");
    is_found(Plant::AcknowledgeFirst, "neither released nor given up");
}

#[test]
fn an_answer_before_the_confirm_is_found() {
    is_found(Plant::ConfirmFirst, "was taken, and is not on the bus");
}

#[test]
fn ids_that_are_not_derived_are_found() {
    is_found(Plant::RandomIds, "twice");
}

#[test]
fn a_claim_after_the_release_is_found() {
    is_found(Plant::ClaimLater, "twice");
}

#[test]
fn a_second_document_is_found() {
    is_found(Plant::SecondDocument, "twice");
}

#[test]
fn a_claim_that_forgets_who_opted_out_is_found() {
    is_found(Plant::ForgetConsent, "a person who opted out");
}

#[test]
fn what_is_dropped_instead_of_tried_again_is_found() {
    is_found(Plant::DropInsteadOfRetry, "neither released nor given up");
}
