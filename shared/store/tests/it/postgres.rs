//! What only a server can suffer.

use std::error::Error;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use store::{Claim, Claimed, Ledger, LedgerError, OpenError, open};
use testkit::{Postgres, Proxy};
use tokio::task::JoinSet;

use crate::place::{Place, claim, message, open_all, released, second, session};

/// Longer than any operation may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

#[tokio::test(flavor = "multi_thread")]
async fn while_the_server_is_away_it_is_unavailable_and_goes_on_after() {
    let mut server = Postgres::start().unwrap_or_else(|error| panic!("{error}"));
    let ledger = open(&server.url()).await.unwrap();
    fill_pool(&ledger).await;
    let before = released(&*ledger, 0).await;
    let asked = claim(message(), &session("s"), second(1));

    server.kill().unwrap();
    let refused = ledger.claim(asked.clone()).await;
    assert!(matches!(refused, Err(LedgerError::Unavailable(_))), "{refused:?}");
    assert!(matches!(ledger.ping().await, Err(LedgerError::Unavailable(_))));

    // Not an error in sight after the start, though all pooled connections are dead.
    server.restart().unwrap();
    assert_eq!(ledger.claim(asked.clone()).await.unwrap(), Claimed::Granted { at: second(1), life: 0 });
    fill_pool(&ledger).await;
    server.restart().unwrap();
    assert_eq!(ledger.claim(asked).await.unwrap(), Claimed::Again { at: second(1), life: 0 });
    assert_eq!(ledger.find(&[before.message_id]).await.unwrap(), [before]);

    server.pause().unwrap();
    let asked = Instant::now();
    let frozen = ledger.ping().await;
    assert!(matches!(frozen, Err(LedgerError::Unavailable(_))), "{frozen:?}");
    assert!(asked.elapsed() < ANSWER_MAX);
    server.resume().unwrap();
    let started = Instant::now();
    while ledger.ping().await.is_err() {
        assert!(started.elapsed() < Duration::from_secs(30), "never came back");
    }
}

/// A frozen server does what it finds in its sockets when it goes on. Whoever asked has given up by then, and hands out
/// no document.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_nobody_waits_for_is_not_granted_behind_everybodys_back() {
    let server = Postgres::start().unwrap_or_else(|error| panic!("{error}"));
    let ledger = open(&server.url()).await.unwrap();
    // Every connection has prepared the statement.
    let claims = |name: &str| (0..8).map(|_| claim(message(), &session(name), second(1))).collect::<Vec<_>>();
    for granted in all_at_once(&ledger, &claims("before")).await {
        granted.unwrap();
    }

    let given_up = claims("given-up");
    server.pause().unwrap();
    for refused in all_at_once(&ledger, &given_up).await {
        assert!(matches!(refused, Err(LedgerError::Unavailable(_))), "{refused:?}");
    }
    server.resume().unwrap();

    for given_up in given_up {
        let other = claim(given_up.message_id, &session("other"), second(2));
        let started = Instant::now();
        let claimed = loop {
            match ledger.claim(other.clone()).await {
                Err(error) => assert!(started.elapsed() < Duration::from_secs(30), "never came back: {error}"),
                Ok(claimed) => break claimed,
            }
        };
        assert!(matches!(claimed, Claimed::Granted { .. }), "{claimed:?}");
    }
}

async fn all_at_once(ledger: &Arc<dyn Ledger>, claims: &[Claim]) -> Vec<Result<Claimed, LedgerError>> {
    let mut asked = JoinSet::new();
    for claim in claims.iter().cloned() {
        let ledger = ledger.clone();
        asked.spawn(async move { ledger.claim(claim).await });
    }
    asked.join_all().await
}

/// A server behind a proxy, and the URL through it.
fn behind_proxy(server: &Postgres) -> (Proxy, String) {
    let proxy = Proxy::start(SocketAddr::from((Ipv4Addr::LOCALHOST, server.port()))).unwrap();
    let url = server.url().replace(&format!("127.0.0.1:{}", server.port()), &proxy.address().to_string());
    (proxy, url)
}

#[tokio::test(flavor = "multi_thread")]
async fn connections_that_do_not_answer_are_not_used_again() {
    let server = Postgres::start().unwrap_or_else(|error| panic!("{error}"));
    let (proxy, url) = behind_proxy(&server);
    let settings = store::Settings { connections_max: 2 };
    let ledger = store::open_with(&url, settings).await.unwrap();
    fill_pool(&ledger).await;
    // Neither side hears that they are gone.
    proxy.strand_all();
    let both = tokio::join!(ledger.ping(), ledger.ping());
    assert!(matches!(both, (Err(LedgerError::Unavailable(_)), Err(LedgerError::Unavailable(_)))), "{both:?}");
    fill_pool(&ledger).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_was_cut_off_is_claimed_again_by_the_same_session() {
    let server = Postgres::start().unwrap_or_else(|error| panic!("{error}"));
    let (proxy, url) = behind_proxy(&server);
    let ledger = open(&url).await.unwrap();
    fill_pool(&ledger).await;
    for (index, cut) in [Proxy::close_all, Proxy::reset_all].into_iter().enumerate() {
        let asked = claim(message(), &session(&index), second(1));
        // The claim is on its way, and nobody can tell how far it came.
        proxy.black_hole();
        let claiming = ledger.claim(asked.clone());
        let cutting = async {
            tokio::time::sleep(Duration::from_millis(50)).await;
            cut(&proxy);
        };
        let (unknown, ()) = tokio::join!(claiming, cutting);
        assert!(matches!(unknown, Err(LedgerError::Unavailable(_))), "{unknown:?}");
        proxy.heal();
        let claimed = ledger.claim(asked.clone()).await.unwrap();
        assert!(matches!(claimed, Claimed::Granted { .. } | Claimed::Again { .. }), "{claimed:?}");
        let other = ledger.claim(claim(asked.message_id, &session("other"), second(2))).await.unwrap();
        assert!(matches!(other, Claimed::Refused { .. }), "{other:?}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_that_takes_no_writes_counts_as_away() {
    let server = Postgres::start().unwrap_or_else(|error| panic!("{error}"));
    let database = server.database().unwrap();
    let ledger = open(database.url()).await.unwrap();
    fill_pool(&ledger).await;
    let (id, by) = (message(), session("s"));
    for read_only in ["on", "off"] {
        database.execute(&format!("ALTER SYSTEM SET default_transaction_read_only = {read_only}")).unwrap();
        database.execute("SELECT pg_reload_conf()").unwrap();
        let started = Instant::now();
        while ledger.ping().await.is_err() != (read_only == "on") {
            assert!(started.elapsed() < Duration::from_secs(30), "read_only is {read_only}, and it does not show");
        }
        let claimed = ledger.claim(claim(id, &by, second(1))).await;
        match read_only {
            "on" => assert!(matches!(claimed, Err(LedgerError::Unavailable(_))), "{claimed:?}"),
            _ => assert_eq!(claimed.unwrap(), Claimed::Granted { at: second(1), life: 0 }),
        }
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_understood_fails_only_who_asks_for_it() {
    let place = Place::postgres();
    let ledger = open(&place.url()).await.unwrap();
    let damaged = released(&*ledger, 0).await;
    let Place::Postgres(database) = &place else { panic!("not a database") };
    database.execute("UPDATE ledger_releases SET outcome = 'maybe', outcome_at = now()").unwrap();
    let found = ledger.find(&[damaged.message_id]).await;
    assert!(matches!(found, Err(LedgerError::Unreadable(_))), "{found:?}");
    let sound = ledger.claim(claim(message(), &session("s"), second(0))).await.unwrap();
    assert_eq!(sound, Claimed::Granted { at: second(0), life: 0 });
}

/// Longer than a claim may take.
const LONG: Duration = Duration::from_secs(3);

#[tokio::test(flavor = "multi_thread")]
async fn the_account_may_take_longer_than_a_claim() {
    let place = Place::postgres();
    let store::Opened { accounts, ledger, .. } =
        store::open_all(&place.url(), store::Settings::default()).await.unwrap();
    let (other, connection) = tokio_postgres::connect(&place.url(), tokio_postgres::NoTls).await.unwrap();
    let mut connections = JoinSet::new();
    connections.spawn(connection);
    other.batch_execute("BEGIN; LOCK TABLE account_entries, ledger_releases").await.unwrap();
    let holding = async {
        tokio::time::sleep(LONG).await;
        other.batch_execute("COMMIT").await.unwrap();
    };
    let (account, forgotten, claimed, ()) = tokio::join!(
        accounts.account(second(0)),
        accounts.forget(second(0), second(0), 10),
        ledger.claim(claim(message(), &session("s"), second(0))),
        holding,
    );
    assert!(matches!(claimed, Err(LedgerError::Unavailable(_))), "{claimed:?}");
    assert_eq!(account.unwrap(), store::Account::new());
    assert_eq!(forgotten.unwrap(), 0);
    ledger.ping().await.unwrap();
}

/// A database in which looking for words takes as long as `busy` lives, its journal and its ledger.
struct Searched {
    place: Place,
    opened: store::Opened,
    busy: tokio_postgres::Client,
    _connections: JoinSet<Result<(), tokio_postgres::Error>>,
}

impl Searched {
    async fn new() -> Self {
        let place = Place::postgres();
        let opened = open_all(&place).await;
        let (busy, connection) = tokio_postgres::connect(&place.url(), tokio_postgres::NoTls).await.unwrap();
        let mut connections = JoinSet::new();
        connections.spawn(connection);
        busy.batch_execute("BEGIN; LOCK TABLE journal_words").await.unwrap();
        Self { place, opened, busy, _connections: connections }
    }

    /// So many who look for words.
    fn search(&self, many: usize) -> JoinSet<Result<Vec<store::Logged>, LedgerError>> {
        let mut searches = JoinSet::new();
        for _ in 0..many {
            let journal = self.opened.journal.clone();
            let filter = store::LogFilter { words: Some("balance".to_owned()), ..store::LogFilter::default() };
            searches.spawn(async move { journal.log(&filter, store::LogPage { before: None, limit: 10 }).await });
        }
        searches
    }

    /// Waits until so many, or more, work on the server; returns how many.
    async fn working(&self, is_enough: impl Fn(i64) -> bool) -> i64 {
        let sql = "SELECT count(*) FROM pg_stat_activity \
                   WHERE datname = current_database() AND query LIKE '%words @@%' AND state = 'active' \
                   AND pid <> pg_backend_pid()";
        let started = Instant::now();
        loop {
            let working = self.place.execute(sql).unwrap();
            if is_enough(working) {
                return working;
            }
            assert!(started.elapsed() < Duration::from_secs(4), "{working} are at work");
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn whoever_looks_for_words_leaves_connections_to_claims() {
    let searched = Searched::new().await;
    let mut searches = searched.search(10);
    let working = searched.working(|working| 2 <= working).await;
    let claimed = searched.opened.ledger.claim(claim(message(), &session("s"), second(0))).await;
    assert!(matches!(claimed, Ok(Claimed::Granted { .. })), "{claimed:?}");
    assert_eq!(working, 2);
    // Each has its turn.
    searched.busy.batch_execute("COMMIT").await.unwrap();
    while let Some(found) = searches.join_next().await {
        assert_eq!(found.unwrap().unwrap(), []);
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_server_does_not_look_on_for_whoever_went_away() {
    let searched = Searched::new().await;
    for _ in 0..5 {
        let mut searches = searched.search(2);
        searched.working(|working| 0 < working).await;
        searches.shutdown().await;
    }
    searched.working(|working| working == 0).await;
    searched.busy.batch_execute("COMMIT").await.unwrap();
    assert_eq!(searched.search(1).join_next().await.unwrap().unwrap().unwrap(), []);
}

/// Uses every connection of the pool at once.
async fn fill_pool(ledger: &Arc<dyn Ledger>) {
    let mut askers = JoinSet::new();
    for _ in 0..64 {
        let ledger = ledger.clone();
        // A machine that is busy takes its time over 64 logins.
        askers.spawn(async move { while ledger.ping().await.is_err() {} });
    }
    askers.join_all().await;
}

/// Claims go on while the server is killed and started again: what was answered is there, and nothing was granted
/// twice.
#[tokio::test(flavor = "multi_thread")]
async fn a_claim_that_was_answered_survives_a_kill_of_the_server() {
    let mut server = Postgres::start().unwrap_or_else(|error| panic!("{error}"));
    let ledger = open(&server.url()).await.unwrap();
    let stop = Arc::new(AtomicBool::new(false));
    let mut claimants = JoinSet::new();
    for index in 0..8 {
        let (ledger, stop) = (ledger.clone(), stop.clone());
        claimants.spawn(async move {
            let mut granted = Vec::new();
            while !stop.load(Ordering::Relaxed) {
                let id = message();
                match ledger.claim(claim(id, &session(&index), second(0))).await {
                    Ok(Claimed::Granted { .. } | Claimed::Again { .. }) => granted.push(id),
                    Ok(other) => panic!("{other:?}, and it was never claimed"),
                    Err(LedgerError::Unavailable(_)) => {}
                    Err(error) => panic!("{error}"),
                }
            }
            granted
        });
    }
    for _ in 0..3 {
        let before = eventually_count(&*ledger).await;
        while eventually_count(&*ledger).await < before + 20 {}
        server.restart().unwrap();
    }
    stop.store(true, Ordering::Relaxed);
    let granted = claimants.join_all().await.concat();
    assert!(60 <= granted.len());
    assert_eq!(ledger.find(&granted).await.unwrap().len(), granted.len());
}

async fn eventually_count(ledger: &dyn Ledger) -> u64 {
    let started = Instant::now();
    loop {
        match ledger.count().await {
            Ok(count) => return count,
            Err(error) => assert!(started.elapsed() < Duration::from_secs(30), "{error}"),
        }
    }
}

#[tokio::test]
async fn a_newer_schema_is_refused_once_it_took_away_what_is_needed() {
    let place = Place::postgres();
    drop(open(&place.url()).await.unwrap());
    let Place::Postgres(database) = &place else { panic!("not a database") };
    database.execute("UPDATE ledger_schema SET version = 99").unwrap();
    drop(open(&place.url()).await.unwrap());
    database.execute("UPDATE ledger_schema SET works_from = 99").unwrap();
    let newer = open(&place.url()).await.err().unwrap();
    assert!(matches!(newer, OpenError::Newer { found: 99, known: 8 }), "{newer}");
}

#[tokio::test]
async fn a_database_in_which_texts_cannot_be_written_is_refused_with_the_way_out() {
    let server = Postgres::start().unwrap_or_else(|error| panic!("{error}"));
    let database = server.database().unwrap();
    let made = "CREATE DATABASE narrow ENCODING 'LATIN1' LOCALE 'C' TEMPLATE template0";
    database.execute(made).unwrap();
    let (there, _) = database.url().rsplit_once('/').unwrap();
    let refused = open(&format!("{there}/narrow")).await.err().unwrap();
    let told = refused.to_string();
    assert!(matches!(refused, OpenError::Encoding { .. }), "{told}");
    assert!(told.contains("LATIN1") && told.contains("pg_dump OLD | psql"), "{told}");
}

#[tokio::test]
async fn a_refusal_is_told_from_an_absence_and_neither_tells_the_password() {
    let place = Place::postgres();
    let server = place.url();
    let (before_password, rest) = server.rsplit_once('@').unwrap();
    let user = before_password.rsplit_once(':').unwrap().0;
    let away = testkit::free_port().unwrap();

    let wrong_password = describe(&format!("{user}:h0rse@{rest}")).await;
    assert!(wrong_password.starts_with("denied"), "{wrong_password}");
    let wrong_database = describe(&format!("{server}_not")).await;
    assert!(wrong_database.starts_with("denied"), "{wrong_database}");
    let nobody_there = describe(&format!("postgres://u:h0rse@127.0.0.1:{away}/d")).await;
    assert!(nobody_there.starts_with("unavailable"), "{nobody_there}");
    // The test's server has no certificate.
    let without_tls = describe(&format!("{server}?sslmode=require")).await;
    assert!(without_tls.starts_with("unavailable"), "{without_tls}");
    assert!(open(&format!("{server}?sslmode=prefer")).await.is_ok());
}

/// Tells the process that it is to open this ledger, trusting the roots in `SSL_CERT_FILE` alone.
const OPEN_OVER_TLS: &str = "TROPOMQ_TEST_OPEN_OVER_TLS";

#[tokio::test]
async fn tls_is_used_and_the_server_verified() {
    if let Ok(url) = std::env::var(OPEN_OVER_TLS) {
        let ledger = open(&url).await.unwrap();
        released(&*ledger, 0).await;
        return;
    }
    let server = Postgres::start_with_tls().unwrap_or_else(|error| panic!("{error}"));
    let database = server.database().unwrap();
    // The roots are those of the process, so another process opens the ledger.
    let opens = |mode: &str, roots: &std::path::Path| {
        std::process::Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "postgres::tls_is_used_and_the_server_verified"])
            .env(OPEN_OVER_TLS, format!("{}?sslmode={mode}", database.url()))
            .env("SSL_CERT_FILE", roots)
            .output()
            .unwrap()
    };
    let trusted = opens("require", server.certificate());
    assert!(trusted.status.success(), "{trusted:?}");
    assert!(opens("verify-full", server.certificate()).status.success());
    assert!(opens("prefer", server.certificate()).status.success());
    assert_eq!(database.execute("SELECT count(*) FROM ledger_releases").unwrap(), "3\n");

    let other = Postgres::start_with_tls().unwrap_or_else(|error| panic!("{error}"));
    let impostor = opens("require", other.certificate());
    assert!(!impostor.status.success());
    let said = String::from_utf8_lossy(&impostor.stdout);
    assert!(said.contains("Denied") && said.contains("InvalidCertificate"), "{said}");
}

/// Who must act, and all that is said about it.
async fn describe(url: &str) -> String {
    let error = open(url).await.err().unwrap();
    let who = match &error {
        OpenError::Ledger(LedgerError::Denied(_)) => "denied",
        OpenError::Ledger(LedgerError::Corrupt(_) | LedgerError::Unreadable(_)) => "corrupt",
        OpenError::Ledger(LedgerError::Unavailable(_)) => "unavailable",
        OpenError::Url
        | OpenError::Newer { .. }
        | OpenError::Older { .. }
        | OpenError::TooLong { .. }
        | OpenError::Encoding { .. } => "other",
    };
    let mut text = format!("{who} {error:?} {error}");
    let mut source = error.source();
    while let Some(cause) = source {
        text = format!("{text}: {cause}");
        source = cause.source();
    }
    assert!(!text.contains("h0rse") && !text.contains("of-tests-only"), "{text}");
    text
}
