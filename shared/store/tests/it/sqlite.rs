//! What only a file can suffer.

use std::env;
use std::fs::Permissions;
use std::hash::{BuildHasher, RandomState};
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::process::{Command, Stdio};

use protocol::EventId;
use rusqlite::Connection;
use store::{Claimed, LedgerError, OpenError, Outcome, open};
use tokio::task::JoinSet;

use crate::place::{Place, claim, message, released, second, session};

/// Tells the process that it is to claim until it is killed, and where.
const CLAIM_AT: &str = "TROPOMQ_TEST_CLAIM_AT";

/// A child claims, several at once, and prints each id once its claim is answered; it is killed amid that, again and
/// again on one file.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_was_answered_survives_a_kill() {
    if let Ok(url) = env::var(CLAIM_AT) {
        claim_until_killed(&url).await;
    }
    let place = Place::sqlite();
    let mut answered = Vec::new();
    for round in 0..10 {
        let printed_before_kill = RandomState::new().hash_one(round) % 1000;
        let mut child = Command::new(env::current_exe().unwrap())
            .args(["--exact", "sqlite::a_claim_that_was_answered_survives_a_kill", "--nocapture"])
            .env(CLAIM_AT, place.url())
            .stdout(Stdio::piped())
            .spawn()
            .unwrap();
        let mut output = BufReader::new(child.stdout.take().unwrap());
        let mut killed = false;
        let mut line = String::new();
        let before = answered.len();
        while 0 < output.read_line(&mut line).unwrap() {
            // The last line may be cut off by the kill; libtest's own lines are no ids.
            if let Some(id) = line.strip_suffix('\n').and_then(|id| id.parse::<EventId>().ok()) {
                answered.push(id);
            }
            if !killed && printed_before_kill <= u64::try_from(answered.len() - before).unwrap() {
                child.kill().unwrap();
                killed = true;
            }
            line.clear();
        }
        child.wait().unwrap();
        assert!(killed, "round {round}: the child ended by itself");
        let ledger = open(&place.url()).await.unwrap();
        let found = ledger.find(&answered).await.unwrap();
        assert_eq!(found.len(), answered.len(), "round {round}, killed after {printed_before_kill}");
    }
}

async fn claim_until_killed(url: &str) -> ! {
    let ledger = open(url).await.unwrap();
    let mut claimants = JoinSet::new();
    for index in 0..16 {
        let ledger = ledger.clone();
        claimants.spawn(async move {
            loop {
                let id = message();
                let claimed = ledger.claim(claim(id, &session(&index), second(0))).await.unwrap();
                assert_eq!(claimed, Claimed::Granted { at: second(0), life: 0 });
                std::io::stdout().write_all(format!("{id}\n").as_bytes()).unwrap();
            }
        });
    }
    let ended = claimants.join_next().await;
    panic!("a claimant ended: {ended:?}");
}

#[tokio::test]
async fn while_another_holds_the_file_it_is_unavailable_and_goes_on_after() {
    let place = Place::sqlite();
    let ledger = open(&place.url()).await.unwrap();
    let before = released(&*ledger, 0).await;
    let other = connection(&place);
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let id = message();
    let refused = ledger.claim(claim(id, &session("s"), second(1))).await;
    assert!(matches!(refused, Err(LedgerError::Unavailable(_))), "{refused:?}");
    assert!(matches!(ledger.ping().await, Err(LedgerError::Unavailable(_))));
    other.execute_batch("ROLLBACK").unwrap();
    ledger.ping().await.unwrap();
    assert_eq!(
        ledger.claim(claim(id, &session("s"), second(2))).await.unwrap(),
        Claimed::Granted { at: second(2), life: 0 }
    );
    assert_eq!(ledger.find(&[before.message_id]).await.unwrap(), [before]);
}

#[tokio::test]
async fn a_row_that_cannot_be_understood_fails_only_who_asks_for_it() {
    let place = Place::sqlite();
    let ledger = open(&place.url()).await.unwrap();
    let damaged = released(&*ledger, 0).await;
    connection(&place).execute("UPDATE ledger_releases SET outcome = 'maybe', outcome_at = 1", []).unwrap();
    let sound = message();
    let asked = [damaged.message_id];
    let (found, claimed) = tokio::join!(ledger.find(&asked), ledger.claim(claim(sound, &session("s"), second(0))));
    assert!(matches!(found, Err(LedgerError::Unreadable(_))), "{found:?}");
    assert_eq!(claimed.unwrap(), Claimed::Granted { at: second(0), life: 0 });
    let reclaimed = ledger.claim(claim(damaged.message_id, &session("s"), second(0))).await;
    assert!(matches!(reclaimed, Err(LedgerError::Unreadable(_))), "{reclaimed:?}");
}

#[tokio::test]
async fn of_a_group_only_what_cannot_be_done_is_taken_back() {
    let place = Place::sqlite();
    let ledger = open(&place.url()).await.unwrap();
    let damaged = released(&*ledger, 0).await;
    let other = connection(&place);
    other.execute("UPDATE ledger_releases SET outcome = 'maybe', outcome_at = 1", []).unwrap();
    // Until all wait, nobody is answered.
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let (mut claims, mut settlements) = (JoinSet::new(), JoinSet::new());
    for number in 0..30 {
        let claimant = ledger.clone();
        claims.spawn(async move { claimant.claim(claim(message(), &session("s"), second(0))).await.unwrap() });
        if number % 10 == 5 {
            let (ledger, damaged) = (ledger.clone(), damaged.clone());
            settlements.spawn(async move {
                ledger.settle(damaged.message_id, &damaged.session_id, Outcome::Sent, second(1)).await
            });
        }
    }
    for _ in 0..3 {
        tokio::task::yield_now().await;
    }
    other.execute_batch("COMMIT").unwrap();
    let settled = settlements.join_all().await;
    assert!(settled.iter().all(|settled| matches!(settled, Err(LedgerError::Unreadable(_)))), "{settled:?}");
    let claimed = claims.join_all().await;
    assert_eq!(claimed, vec![Claimed::Granted { at: second(0), life: 0 }; 30]);
    assert_eq!(ledger.count().await.unwrap(), 31);
}

#[tokio::test]
async fn a_newer_schema_and_a_file_of_something_else_are_told_apart() {
    let place = Place::sqlite();
    drop(open(&place.url()).await.unwrap());
    connection(&place).pragma_update(None, "user_version", 99).unwrap();
    drop(open(&place.url()).await.unwrap());
    connection(&place).execute("UPDATE ledger_schema SET works_from = 99", []).unwrap();
    let newer = open(&place.url()).await.err().unwrap();
    assert!(matches!(newer, OpenError::Newer { found: 99, known: 8 }), "{newer}");

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("letter");
    std::fs::write(&path, "Dear database, ".repeat(100)).unwrap();
    let other = open(&format!("sqlite:{}", path.display())).await.err().unwrap();
    assert!(matches!(other, OpenError::Ledger(LedgerError::Corrupt(_))), "{other}");
}

fn connection(place: &Place) -> Connection {
    Connection::open(place.url().strip_prefix("sqlite:").unwrap()).unwrap()
}

/// It holds what people wrote, and their numbers.
#[tokio::test]
async fn the_files_are_for_their_owner_alone_whoever_may_see_the_folder() {
    let folder = tempfile::tempdir().unwrap();
    std::fs::set_permissions(folder.path(), Permissions::from_mode(0o755)).unwrap();
    let file = folder.path().join("ledger.db");
    let ledger = open(&format!("sqlite:{}", file.display())).await.unwrap();
    let mut names: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap()).collect();
    names.sort_by_key(std::fs::DirEntry::file_name);
    let modes = names.iter().map(|entry| entry.metadata().unwrap().mode() & 0o777);
    assert_eq!(modes.collect::<Vec<_>>(), [0o600; 3], "{names:?}");
    drop(ledger);
}
