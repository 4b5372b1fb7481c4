//! A ledger of an earlier version, opened by this one.

use store::Outcome::{Sent, Unconfirmed};
use store::{Claimed, LedgerError, OpenError, Record, Release, Settings, Why, open};

use crate::place::{Place, backend, claim, give_up, overdue, release, second, session};

on_both!(a_ledger_of_the_first_version_is_taken_over, who_only_looks_changes_no_schema,);

/// As the first version made it, with a release that was settled and one that was not.
const SQLITE: &str = "
    CREATE TABLE ledger_releases (
        message_id     BLOB PRIMARY KEY NOT NULL,
        session_id     TEXT NOT NULL,
        backend        TEXT NOT NULL,
        correlation_id TEXT,
        attempt        INTEGER NOT NULL,
        released_at    INTEGER NOT NULL, -- microseconds since 1970
        outcome        TEXT,
        outcome_at     INTEGER,
        CHECK ((outcome IS NULL) = (outcome_at IS NULL))
    ) STRICT, WITHOUT ROWID;
    CREATE INDEX ledger_releases_session ON ledger_releases (backend, session_id);
    CREATE INDEX ledger_releases_open ON ledger_releases (backend, released_at) WHERE outcome IS NULL;
    CREATE INDEX ledger_releases_settled ON ledger_releases (outcome_at) WHERE outcome_at IS NOT NULL;
    PRAGMA user_version = 1;
    INSERT INTO ledger_releases VALUES
        (x'6f08c07beb3b5be3904489bbde80e4f3', 'one', 'b', 'conversation', 3, 1700000000123456, 'sent', 1700000001123456),
        (x'd984dcb5e98552338e9e7bce11f5b61c', 'two', 'b', 'conversation', 3, 1700000000123456, NULL, NULL);
";
const POSTGRES: &str = "
    CREATE TABLE ledger_schema (version bigint NOT NULL);
    INSERT INTO ledger_schema VALUES (1);
    CREATE TABLE ledger_releases (
        message_id     uuid PRIMARY KEY,
        session_id     text NOT NULL,
        backend        text NOT NULL,
        correlation_id text,
        attempt        bigint NOT NULL,
        released_at    timestamptz NOT NULL,
        outcome        text,
        outcome_at     timestamptz,
        CHECK ((outcome IS NULL) = (outcome_at IS NULL))
    );
    CREATE INDEX ledger_releases_session ON ledger_releases (backend, session_id);
    CREATE INDEX ledger_releases_open ON ledger_releases (backend, released_at) WHERE outcome IS NULL;
    CREATE INDEX ledger_releases_settled ON ledger_releases (outcome_at) WHERE outcome_at IS NOT NULL;
    INSERT INTO ledger_releases VALUES
        ('6f08c07b-eb3b-5be3-9044-89bbde80e4f3', 'one', 'b', 'conversation', 3,
         '2023-11-14T22:13:20.123456Z', 'sent', '2023-11-14T22:13:21.123456Z'),
        ('d984dcb5-e985-5233-8e9e-7bce11f5b61c', 'two', 'b', 'conversation', 3,
         '2023-11-14T22:13:20.123456Z', NULL, NULL);
";

/// Makes a ledger of the first version.
fn make_first_version(place: &Place) {
    match place {
        Place::Sqlite(folder) => {
            std::fs::create_dir(folder.path().join("made")).unwrap();
            place.execute(SQLITE);
        }
        Place::Postgres(_) => {
            place.execute(POSTGRES);
        }
    }
}

async fn who_only_looks_changes_no_schema(place: Place) {
    let look = async || store::open_existing(&place.url(), Settings::default()).await;
    make_first_version(&place);
    for _ in 0..2 {
        let older = look().await.err().unwrap();
        assert!(matches!(older, OpenError::Older { found: 1, known: 7 }), "{older}");
        assert!(older.to_string().contains("tropomq journal"), "{older}");
    }
    let ledger = open(&place.url()).await.unwrap();
    let opened = look().await.unwrap();
    assert_eq!(opened.ledger.count().await.unwrap(), ledger.count().await.unwrap());
    assert_eq!(opened.accounts.account(second(0)).await.unwrap(), store::Account::new());
    drop(ledger);
}

async fn a_ledger_of_the_first_version_is_taken_over(place: Place) {
    make_first_version(&place);
    let ledger = open(&place.url()).await.unwrap();
    let (one, two) = ("6f08c07b-eb3b-5be3-9044-89bbde80e4f3", "d984dcb5-e985-5233-8e9e-7bce11f5b61c");
    let one = release(&claim(one.parse().unwrap(), &session("one"), second(0)));
    let two = release(&claim(two.parse().unwrap(), &session("two"), second(0)));
    let one = Release { outcome: Some(Sent), outcome_at: Some(second(1)), ..one };
    assert_eq!(ledger.look_up(one.message_id).await.unwrap(), Some(Record::Released(one.clone())));
    assert_eq!(ledger.overdue(&backend("b"), second(9), 10).await.unwrap().readable, [overdue(&two)]);

    // What is new works on what was there.
    let refused = ledger.claim(claim(one.message_id, &session("late"), second(2))).await.unwrap();
    assert_eq!(refused, Claimed::Refused { holder: session("one") });
    assert!(ledger.reopen(&two, second(3)).await.unwrap());
    let granted = ledger.claim(claim(two.message_id, &session("next"), second(4))).await.unwrap();
    assert_eq!(granted, Claimed::Granted { at: second(4), life: 1 });
    ledger.settle(two.message_id, &session("next"), Unconfirmed, second(5)).await.unwrap();
    ledger.give_up(give_up(crate::place::message(), Why::Expired, second(5))).await.unwrap();
    assert_eq!(ledger.count().await.unwrap(), 3);
    drop(ledger);
    assert_eq!(open(&place.url()).await.unwrap().count().await.unwrap(), 3, "a second start changes nothing");
}

#[tokio::test]
async fn who_only_looks_makes_no_ledger() {
    let place = Place::postgres();
    let look = async |place: &Place| store::open_existing(&place.url(), Settings::default()).await.err().unwrap();
    for _ in 0..2 {
        let none = look(&place).await;
        assert!(matches!(none, OpenError::Older { found: 0, known: 7 }), "{none}");
    }
    let place = Place::sqlite();
    let none = look(&place).await;
    assert!(matches!(none, OpenError::Ledger(LedgerError::Unavailable(_))), "{none}");
    let Place::Sqlite(folder) = &place else { panic!("not a file") };
    assert!(!folder.path().join("made").exists());
}
