//! How long pages and searches take when the journal holds many messages.
//!
//! ```sh
//! cargo bench -p console --bench pages -- [--messages 1000000] [--database sqlite|postgres] [--keep FILE] [--json FILE]
//! ```
//!
//! With `--keep`, the SQLite database stays in that file, and is filled only where there is none yet. Fills a fresh database through `store::Journal`, as the journal does, then asks a console for its pages over HTTP, one
//! request at a time. PostgreSQL is a private one, of Debian's package. Both end with the program.

#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::indexing_slicing,
    reason = "a program for people that stops where it cannot go on"
)]

mod filling;

use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::http::{Limits, bind, serve};
use chassis::shutdown::Shutdown;
use console::{Application, Backend, Console, Database, Finding, House};
use messaging::{BoxFuture, BusUrl, Environment};
use protocol::BackendName;
use protocol::topology::{Lane, Topology};
use serde_json::{Value, json};
use testkit::Postgres;
use tokio::task::JoinSet;

use filling::Filling;

/// How often each page is asked for, after once that is not counted.
const REPEATS: usize = 40;

/// What is asked of the program.
struct Asked {
    messages: u64,
    databases: Vec<String>,
    keep: Option<PathBuf>,
    json: Option<String>,
}

impl Asked {
    fn of_arguments() -> Self {
        let databases = vec!["sqlite".to_owned(), "postgres".to_owned()];
        let mut asked = Self { messages: 1_000_000, databases, keep: None, json: None };
        let mut arguments = std::env::args().skip(1);
        while let Some(argument) = arguments.next() {
            let mut value = || arguments.next().unwrap_or_else(|| panic!("{argument} needs a value"));
            match argument.as_str() {
                // What cargo itself adds.
                "--bench" => {}
                "--messages" => asked.messages = value().parse().expect("a number of messages"),
                "--database" => asked.databases = vec![value()],
                "--keep" => asked.keep = Some(value().into()),
                "--json" => asked.json = Some(value()),
                other => panic!("there is no option {other}: --messages, --database, --keep, --json"),
            }
        }
        asked
    }
}

/// A process that is well and has nothing to say.
struct Quiet;

impl House for Quiet {
    fn version(&self) -> &'static str {
        "bench"
    }

    fn readiness(&self) -> (String, Value) {
        ("bench".to_owned(), json!({ "ready": true, "stopping": false, "components": {} }))
    }

    fn applications(&self) -> Vec<Application> {
        Vec::new()
    }

    fn configuration(&self) -> Vec<Finding> {
        Vec::new()
    }

    fn balance<'a>(&'a self, _: Option<&'a BackendName>, _: Duration) -> BoxFuture<'a, Result<Value, String>> {
        Box::pin(async { Err("nobody counts here".to_owned()) })
    }
}

fn main() {
    chassis::tls::install_provider();
    let asked = Asked::of_arguments();
    let runtime = tokio::runtime::Builder::new_multi_thread().enable_all().build().unwrap();
    let mut results = Vec::new();
    for database in &asked.databases {
        results.push(runtime.block_on(measure(database, asked.messages, asked.keep.as_deref())));
    }
    if let Some(file) = asked.json {
        std::fs::write(&file, serde_json::to_vec_pretty(&results).unwrap()).unwrap();
    }
}

async fn measure(kind: &str, messages: u64, keep: Option<&Path>) -> Value {
    let home = tempfile::tempdir().unwrap();
    let (mut postgres, mut is_filled) = (None, false);
    let url = match kind {
        "sqlite" => {
            let file = keep.map_or_else(|| home.path().join("ledger.db"), Path::to_owned);
            is_filled = file.exists();
            format!("sqlite:{}", file.display())
        }
        "postgres" => {
            let server = Postgres::start().unwrap();
            let database = server.database().unwrap();
            let url = database.url().to_owned();
            postgres = Some((server, database));
            url
        }
        other => panic!("there is no database {other}: sqlite or postgres"),
    };
    let opened = store::open_all(&url, store::Settings::default()).await.unwrap();
    println!("\n{kind}: {messages} messages");
    let filling = Filling::new();
    let mut filled = Value::Null;
    if !is_filled {
        let (began, events) = (Instant::now(), filling.fill(&*opened.journal, messages).await);
        let took = began.elapsed().as_secs_f64();
        let rate = events as f64 / took;
        println!("  {events} events in {took:.0} s: {rate:.0} a second");
        filled = json!({ "events": events, "events_per_s": rate });
    }

    let lane = Lane { backend: filling.backend(), single_active_consumer: false };
    let bus_url = BusUrl::Embedded(home.path().join("bus"));
    let bus = messaging::open(&bus_url, Topology::new(&[lane])).unwrap();
    let mut tasks = JoinSet::new();
    tasks.spawn(bus.driver);
    let config: console::Config = serde_json::from_value(json!({
        "listen": "127.0.0.1:0", "session_max": "1h", "retention": "720h", "probe": { "interval": "10s", "timeout": "5s" },
        "limits": {
            "connections_max": 64, "header_timeout": "5s", "headers_max": 64, "header_bytes_max": "16KiB",
            "body_timeout": "10s", "body_bytes_max": "1MiB", "idle_timeout": "30s", "request_timeout": "60s",
            "write_timeout": "10s", "drain_timeout": "1s",
        },
    }))
    .unwrap();
    let (limits, database) = (config.limits.clone(), Database::default());
    let _ = database.set(opened.clone());
    let number = "+15555550100".parse().unwrap();
    let backend = Backend {
        number,
        rate: None,
        on_unconfirmed: "hold",
        is_guarded: true,
        webhook: "http://x".to_owned(),
        is_probe: false,
    };
    let backends = BTreeMap::from([(filling.backend(), backend)]);
    let environment = Environment::system();
    let console = Console::new(config, backends, bus.bus, database, Arc::new(Quiet), environment).unwrap();
    let listener = bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
    let at = format!("http://{}", listener.local_addr().unwrap());
    tasks.spawn(async move { drop(serve(listener, console.routes(), Limits { ..limits }, Shutdown::new()).await) });

    let http = reqwest::Client::builder().no_proxy().build().unwrap();
    println!("  {:<44} {:>9} {:>9} {:>9} {:>9}", "asked for", "p50 ms", "p95 ms", "max ms", "KiB");
    let mut figures = Vec::new();
    for (name, path) in filling.asked() {
        let mut took = Vec::new();
        let mut bytes = 0;
        for repeat in 0..=REPEATS {
            let began = Instant::now();
            let answer = http.get(format!("{at}{path}")).header("accept", "text/html,application/json").send().await;
            let answer = answer.unwrap();
            let status = answer.status();
            bytes = answer.bytes().await.unwrap().len();
            assert!(status.is_success(), "{path}: {status}");
            if repeat > 0 {
                took.push(began.elapsed().as_secs_f64() * 1000.0);
            }
        }
        took.sort_by(f64::total_cmp);
        let at = |share: f64| took[((took.len() - 1) as f64 * share) as usize];
        let (p50, p95, max) = (at(0.5), at(0.95), at(1.0));
        println!("  {name:<44} {p50:>9.1} {p95:>9.1} {max:>9.1} {:>9.1}", bytes as f64 / 1024.0);
        figures.push(json!({ "asked_for": name, "p50_ms": p50, "p95_ms": p95, "max_ms": max, "bytes": bytes }));
    }
    tasks.abort_all();
    drop(postgres);
    json!({ "database": kind, "messages": messages, "filled": filled, "figures": figures })
}
