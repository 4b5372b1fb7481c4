//! Kills a process that spools, again and again, and looks what is left.

use std::env;
use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Command, Stdio};

use futures::stream::{FuturesUnordered, StreamExt};

use super::*;

const ROUNDS: u32 = 10;

/// In the environment of a process that is to be killed: the first number to publish, and the directory.
const VICTIM: &str = "TROPOMQ_TEST_SPOOL_VICTIM";

/// This test is both: the one that kills, and in its own process again, the one that is killed.
#[tokio::test(flavor = "multi_thread")]
async fn what_was_spooled_survives_a_kill_in_order_and_without_a_gap() {
    if let Ok(victim) = env::var(VICTIM) {
        let (first, directory) = victim.split_once(' ').unwrap();
        return be_killed(first.parse().unwrap(), Path::new(directory)).await;
    }
    let directory = TempDir::new().unwrap();
    let mut kept_in_all = 0;
    for round in 0..ROUNDS {
        let lifetime = Duration::from_millis(u64::try_from(uuid::Uuid::new_v4().as_u128() % 300).unwrap());
        let first = round * 1_000_000;
        let kept = kill_after(first, &directory, lifetime);
        let running = Running::open(&directory, Broker::ready());
        running.empty().await;
        let came = running.broker.first_occurrences();
        let told = format!("round {round}, killed after {lifetime:?}, {} kept, {} came", kept.len(), came.len());
        // What the kill kept from being said may be there as well: at the end.
        let expected: Vec<u32> = (first..).take(came.len()).collect();
        assert_eq!(came, expected, "{told}");
        assert!(kept.iter().all(|body| came.contains(body)), "{told}");
        kept_in_all += kept.len();
        running.stop().await;
    }
    assert!(100 < kept_in_all, "the rounds were too short to tell anything: {kept_in_all}");
}

/// Lets a process live that long after the first message that it kept; those of which it said so.
fn kill_after(first: u32, directory: &TempDir, lifetime: Duration) -> Vec<u32> {
    let name = "spool::tests::crash::what_was_spooled_survives_a_kill_in_order_and_without_a_gap";
    let mut victim = Command::new(env::current_exe().unwrap())
        .args(["--exact", "--nocapture", name])
        .env(VICTIM, format!("{first} {}", directory.path().display()))
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut lines = BufReader::new(victim.stdout.take().unwrap()).lines().map_while(Result::ok);
    let number = |line: String| line.strip_prefix("kept ").map(|number| number.parse::<u32>().unwrap());
    let mut kept: Vec<u32> = lines.by_ref().find_map(number).into_iter().collect();
    std::thread::sleep(lifetime);
    victim.kill().unwrap();
    victim.wait().unwrap();
    kept.extend(lines.filter_map(number));
    kept
}

/// Publishes number after number, several at once, and says what was kept.
async fn be_killed(first: u32, directory: &Path) {
    let settings =
        Settings { path: directory.to_owned(), bytes_max: 1 << 30, age_max: Duration::from_secs(3600), wait: WAIT };
    let running = Running::with(&settings, Broker::away(), Environment::system());
    let publish = async |body: u32| {
        running.publish(body).await.unwrap();
        println!("kept {body}");
    };
    let mut numbers = first..;
    let mut publishing: FuturesUnordered<_> = numbers.by_ref().take(16).map(publish).collect();
    while publishing.next().await.is_some() {
        publishing.extend(numbers.next().map(publish));
    }
}
