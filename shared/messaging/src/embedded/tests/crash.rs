//! Kills a process that uses the bus, again and again, and looks what is left.

use std::collections::BTreeSet;
use std::env;
use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};
use std::str::FromStr;

use futures::stream::{FuturesUnordered, StreamExt};
use rusqlite::Connection;

use super::*;

const ROUNDS: u32 = 12;

/// In the environment of a process that is to be killed: the directory, and the first number to publish.
const VICTIM: &str = "TROPOMQ_TEST_VICTIM";

/// This test is both: the one that kills, and in its own process again, the one that is killed.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_confirmed_survives_a_kill() {
    if let Ok(victim) = env::var(VICTIM) {
        let (first, directory) = victim.split_once(' ').unwrap();
        return be_killed(first.parse().unwrap(), Path::new(directory)).await;
    }
    let directory = TempDir::new().unwrap();
    let mut tally = Tally::default();
    for round in 0..ROUNDS {
        let lifetime = Duration::from_millis(u64::try_from(uuid::Uuid::new_v4().as_u128() % 400).unwrap());
        tally.count(round, &directory, lifetime);
        tally.check(round, &directory, lifetime).await;
    }
    assert!(100 < tally.confirmed_in_all, "the rounds were too short to tell anything: {}", tally.confirmed_in_all);
    let file = Connection::open(directory.path().join("bus.db")).unwrap();
    let verdict: String = file.query_row("PRAGMA integrity_check", [], |row| row.get(0)).unwrap();
    assert_eq!(verdict, "ok");
}

/// What must be there.
#[derive(Default)]
struct Tally {
    /// Confirmed, and not acknowledged by anybody.
    kept: BTreeSet<u32>,
    confirmed_in_all: usize,
}

impl Tally {
    /// Lets a process live that long after its first confirm, and takes down what it said.
    fn count(&mut self, round: u32, directory: &TempDir, lifetime: Duration) {
        let mut victim = Command::new(env::current_exe().unwrap())
            .args(["--exact", "--nocapture", "embedded::tests::crash::what_was_confirmed_survives_a_kill"])
            .env(VICTIM, format!("{} {}", round * 1_000_000, directory.path().display()))
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
        let number = |line: &str, word: &str| line.strip_prefix(word).map(|number| u32::from_str(number).unwrap());
        let mut heard = |line: String| {
            if let Some(confirmed) = number(&line, "confirmed ") {
                self.kept.insert(confirmed);
                self.confirmed_in_all += 1;
            }
            number(&line, "acknowledging ")
        };
        let mut acknowledged = BTreeSet::new();
        for line in lines.by_ref() {
            let is_first = line.starts_with("confirmed ");
            acknowledged.extend(heard(line));
            if is_first {
                break;
            }
        }
        thread::sleep(lifetime);
        victim.kill().unwrap();
        victim.wait().unwrap();
        acknowledged.extend(lines.filter_map(heard));
        self.kept.retain(|number| !acknowledged.contains(number));
    }

    /// Takes everything that is there; keeps it there every other time.
    async fn check(&mut self, round: u32, directory: &TempDir, lifetime: Duration) {
        let bus = open_in(directory);
        let mut subscription = subscribe(&bus, "work", u16::MAX).await;
        let mut seen = BTreeSet::new();
        let missing = |seen: &BTreeSet<u32>| self.kept.difference(seen).copied().collect::<Vec<_>>();
        let mut settlers = Vec::new();
        while !self.kept.is_subset(&seen) {
            let delivery = timeout(DEADLINE, subscription.next()).await;
            let Ok(Some(delivery)) = delivery else {
                panic!("round {round}, killed after {lifetime:?}: these are lost: {:?}", missing(&seen));
            };
            let number = body(&delivery);
            assert!(seen.insert(number), "round {round}, killed after {lifetime:?}: {number} is there twice");
            assert!(delivery.redelivered || number.is_multiple_of(7), "{number} was there before, and is not marked");
            settlers.push(delivery.settler);
        }
        if round % 2 == 1 {
            for settler in settlers {
                settler.ack().await;
            }
            self.kept.clear();
        }
        drop(subscription);
        bus.close().await;
    }
}

/// Publishes number after number, and acknowledges every third. Says so after the confirm, but before the
/// acknowledgement: what was said is true whenever the process ends.
async fn be_killed(first: u32, directory: &Path) {
    let bus = open(directory, topology()).unwrap().bus;
    let mut subscription = subscribe(&bus, "work", 500).await;
    let publish = async |number: u32| {
        // A message that waits must survive as well.
        let is_late = number.is_multiple_of(7);
        let message = if is_late { later(Duration::from_millis(20), number) } else { to("work.a", number) };
        bus.publish(message).await.unwrap();
        println!("confirmed {number}");
    };
    let mut numbers = first..;
    let mut publishing: FuturesUnordered<_> = numbers.by_ref().take(16).map(publish).collect();
    let mut unsettled = Vec::new();
    loop {
        tokio::select! {
            Some(()) = publishing.next() => publishing.extend(numbers.next().map(publish)),
            Some(delivery) = subscription.next() => {
                let number = body(&delivery);
                if number.is_multiple_of(3) {
                    println!("acknowledging {number}");
                    delivery.settler.ack().await;
                } else {
                    unsettled.push(delivery);
                }
            }
        }
    }
}
