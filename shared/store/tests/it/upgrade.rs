//! A ledger of an earlier version, opened by this one.

use store::Outcome::{Sent, Unconfirmed};
use store::{
    Act, Change, Choice, Claimed, Content, Fact, JournalEntry, JournalEvent, Keep, Kept, LedgerError, LogFilter,
    LogPage, Mark, MemoryKey, Open, OpenError, Opened, PAGE_MAX, Record, Release, Settings, Subject, Why, open,
};

use crate::place::{Place, backend, choice, claim, give_up, open_all, overdue, person, release, second, session};

on_both!(a_ledger_of_the_first_version_is_taken_over, who_only_looks_changes_no_schema, who_runs_goes_on,);

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
        assert!(matches!(older, OpenError::Older { found: 1, known: 8 }), "{older}");
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

/// A newer version starts beside one that runs, whose connections know the tables as they were.
async fn who_runs_goes_on(place: Place) {
    let running = open_all(&place).await;
    for round in 0..3 {
        // Twice before, so that statements are prepared.
        if round == 2 {
            place.add();
        }
        work(&running, round).await;
    }
}

/// A little of everything.
async fn work(Opened { ledger, accounts, memories, consents, journal, desk }: &Opened, round: u64) {
    let (id, at) = (crate::place::message(), second(i64::try_from(round).unwrap()));
    let rounds = usize::try_from(round).unwrap() + 1;
    let (b, poller, leaver) = (backend("b"), person("+15555550177"), person("+15555550178"));

    let claim = claim(id, &session(&id), at);
    assert_eq!(ledger.claim(claim.clone()).await.unwrap(), Claimed::Granted { at, life: 0 });
    assert_eq!(ledger.find(&[id]).await.unwrap(), [release(&claim)]);
    assert_eq!(ledger.overdue(&b, second(9), 10).await.unwrap().readable.len(), rounds);

    let correlation_id = Some(session("conversation"));
    let fact = Fact { subject: Subject::Message, id, backend: b.clone(), correlation_id, mark: Mark::Begun, at };
    accounts.record(&[fact]).await.unwrap();
    assert_eq!(accounts.open_entries(Open::Message, second(9), 10).await.unwrap().len(), rounds);

    let key = MemoryKey { application: "poll".to_owned(), backend: b.clone(), person: poller };
    let changes = vec![Change { key: key.clone(), seen: round, value: Some("1".to_owned()) }];
    let consent = Some(choice("+15555550178", Choice::Out, i64::try_from(round).unwrap()));
    let keep = Keep { text: id, record: "[]".to_owned(), changes, consent, at };
    assert_eq!(memories.keep(keep).await.unwrap(), Kept::Now);
    assert_eq!(memories.recall(&[key]).await.unwrap()[0].version, round + 1);
    assert!(consents.consent(&b, &leaver).await.unwrap().is_some());

    let content = Content {
        person: leaver,
        number: None,
        text: "a word".parse().unwrap(),
        network: protocol::Network::sms(),
        application: None,
        cause: None,
    };
    let event = JournalEvent {
        id,
        kind: "message.send".to_owned(),
        at,
        backend: b,
        correlation_id: None,
        session_id: None,
        of: Some((Subject::Message, id)),
        body: "{}".to_owned(),
    };
    let marks = vec![(Subject::Message, id, Mark::Begun)];
    journal.keep_events(&[JournalEntry { event, marks, content: Some(content) }]).await.unwrap();
    let found = journal.log(&LogFilter::default(), LogPage { before: None, limit: PAGE_MAX }).await.unwrap();
    assert_eq!(found.len(), rounds);
    assert_eq!(journal.size().await.unwrap().events, u64::try_from(rounds).unwrap());

    desk.note_act(&Act { at, who: "ann".to_owned(), action: "replay".to_owned(), detail: "{}".to_owned() })
        .await
        .unwrap();
    assert_eq!(desk.acts(None, 10).await.unwrap().len(), rounds);
}

#[tokio::test]
async fn who_only_looks_makes_no_ledger() {
    let place = Place::postgres();
    let look = async |place: &Place| store::open_existing(&place.url(), Settings::default()).await.err().unwrap();
    for _ in 0..2 {
        let none = look(&place).await;
        assert!(matches!(none, OpenError::Older { found: 0, known: 8 }), "{none}");
    }
    let place = Place::sqlite();
    let none = look(&place).await;
    assert!(matches!(none, OpenError::Ledger(LedgerError::Unavailable(_))), "{none}");
    let Place::Sqlite(folder) = &place else { panic!("not a file") };
    assert!(!folder.path().join("made").exists());
}
