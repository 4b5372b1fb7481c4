//! Everything in one process, with something in each corner of the console, and Schemathesis that asks its API.

use std::fmt::Write;
use std::net::SocketAddrV4;
use std::process::Stdio;

use reqwest::StatusCode;
use serde_json::{Value, json};
use tempfile::TempDir;
use tokio::process::Command;

use super::service::Service;
use super::{Phone, Tropo, client, installed, source, until};

/// The token of a program that may do everything.
const TOKEN: &str = "token-of-the-program-that-may-do-everything";

/// The ports of a stage, which has a loopback address to itself.
const SIMULATOR: u16 = 31_300;
const ADMIN: u16 = 31_400;
const INGRESS: u16 = 31_500;
const EGRESS: u16 = 31_600;
const ROUTER: u16 = 31_700;
const CONSOLE: u16 = 31_800;

/// How many messages Tropo refuses: after more in a row, they would wait instead.
const DEAD: usize = 4;

/// What Schemathesis is told, of `fuzzing`.
const FILES: [&str; 3] = ["api.toml", "strangers.toml", "answers.py"];

/// What it writes.
const REPORT: &str = "report.json";

/// A console with something to show.
pub(crate) struct Fuzzed {
    console: SocketAddrV4,
    http: reqwest::Client,
    tropomq: Service,
    home: TempDir,
}

impl Fuzzed {
    /// Starts everything; some text, one opts out, and Tropo refuses what others should get.
    pub(crate) async fn set() -> Self {
        let address = testkit::own_address();
        let place = |port| SocketAddrV4::new(address, port);
        let (home, http) = (TempDir::new().unwrap(), client());
        let config = format!(
            "admin.listen = '{}'\nsimulator.listen = '{}'\ningress.listen = '{}'\ningress.egress = 'http://{}'\n\
             egress.listen = '{}'\nrouter.listen = '{}'\n[console]\nlisten = '{}'\n\
             tokens.fuzzer = {{ token = '{TOKEN}', scopes = ['read', 'people', 'send', 'operate'] }}\n",
            place(ADMIN),
            place(SIMULATOR),
            place(INGRESS),
            place(EGRESS),
            place(EGRESS),
            place(ROUTER),
            place(CONSOLE),
        );
        std::fs::write(home.path().join("up.toml"), config).unwrap();
        let mut tropomq = Service::new("up".to_owned(), "up", home.path(), place(ADMIN), Vec::new());
        tropomq.start();
        tropomq.ready().await;
        let fuzzed = Self { console: place(CONSOLE), http: http.clone(), tropomq, home };
        fuzzed.fill(&Tropo::new(http, place(SIMULATOR))).await;
        fuzzed
    }

    async fn fill(&self, tropo: &Tropo) {
        let phone = |number: usize| Phone::new(tropo.clone(), format!("+155555501{number}"));
        for (number, text) in [(77, "echo hello"), (78, "stop")] {
            phone(number).text(text).await;
            phone(number).reply().await;
        }
        tropo.turn(json!({ "create_status": 403 })).await;
        for number in 80..80 + DEAD {
            phone(number).text("echo Are you there?").await;
        }
        let letters = until("they are dead", async || {
            let letters = self.get("/v1/dead-letters").await["letters"].as_array().unwrap().clone();
            (letters.len() == DEAD).then_some(letters)
        })
        .await;
        tropo.behave().await;
        let log = self.get("/v1/messages").await;
        let messages = log["messages"].as_array().unwrap();
        let letters = letters.iter().map(|letter| &letter["id"]);
        let ids = letters.chain(messages.iter().flat_map(|message| [&message["id"], &message["session_id"]]));
        let ids = ids.filter(|id| id.is_string()).fold(String::new(), |mut all, id| {
            writeln!(all, "{id}").unwrap();
            all
        });
        for file in FILES {
            std::fs::copy(source("fuzzing").join(file), self.home.path().join(file)).unwrap();
        }
        std::fs::write(self.home.path().join("ids"), ids).unwrap();
        std::fs::write(self.home.path().join("openapi.json"), self.get("/openapi.json").await.to_string()).unwrap();
    }

    /// What the API answers.
    async fn get(&self, path: &str) -> Value {
        let asked = self.http.get(format!("http://{}{path}", self.console)).bearer_auth(TOKEN);
        let answer = asked.send().await.unwrap();
        assert_eq!(answer.status(), StatusCode::OK, "{path}");
        answer.json().await.unwrap()
    }

    /// Asks as one of `FILES` says, and returns Schemathesis's report. What it has to object to is printed, with a line of
    /// curl for each.
    ///
    /// `FUZZ_EXAMPLES`: how much is asked of each operation. `FUZZ_SEED`: by which chance.
    pub(crate) async fn ask(&self, file: &str) -> Value {
        let folder = installed().join("python/bin");
        let mut command = Command::new(folder.join("python"));
        command.args(["-m", "schemathesis.cli", "--config-file", file, "run", "openapi.json", "--no-color"]);
        command.args(["--url", &format!("http://{}", self.console), "--report", "json", "--report-json-path", REPORT]);
        for (variable, option) in [("FUZZ_EXAMPLES", "--max-examples"), ("FUZZ_SEED", "--seed")] {
            command.args(std::env::var(variable).ok().iter().flat_map(|value| [option, value]));
        }
        let home = self.home.path();
        command.env_clear().envs([("TOKEN", TOKEN), ("PYTHONDONTWRITEBYTECODE", "1"), ("PYTHONUTF8", "1")]);
        command.env("PYTHONPATH", home).current_dir(home).stdin(Stdio::null()).kill_on_drop(true);
        let output = command.output().await.unwrap();
        let printed = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        assert!(output.status.success(), "{printed}");
        serde_json::from_slice(&std::fs::read(home.join(REPORT)).unwrap()).unwrap()
    }
}

impl Drop for Fuzzed {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tropomq.print_log();
        }
    }
}
