//! What the tests stand on: the simulator and one application, each a process, and phones.

mod application;
mod clients;
mod fuzzed;
#[expect(dead_code, reason = "the stories need all of it")]
#[path = "../stories/stage/metrics.rs"]
mod metrics;
mod migrated;
#[path = "../stories/stage/patience.rs"]
mod patience;
#[path = "../stories/stage/phone.rs"]
mod phone;
#[expect(dead_code, reason = "the stories need all of it")]
#[path = "../stories/stage/service.rs"]
mod service;
#[expect(dead_code, reason = "the stories need all of it")]
#[path = "../stories/stage/tropo.rs"]
mod tropo;

use std::cell::Cell;
use std::net::SocketAddrV4;

use serde_json::{Value, json};
use tempfile::TempDir;

pub(crate) use application::Application;
use application::Running;
pub(crate) use application::source;
pub(crate) use clients::folder as installed;
pub(crate) use fuzzed::Fuzzed;
pub(crate) use metrics::Metrics;
pub(crate) use migrated::Migrated;
pub(crate) use patience::{DEADLINE, client, until};
use phone::Message;
pub(crate) use phone::Phone;
use service::Service;
pub(crate) use tropo::Tropo;

/// The number of every application.
pub(crate) const NUMBER: &str = "+15555550100";

/// The token that launches it.
const TOKEN: &str = "token-of-the-interop-tests";

/// The ports of a stage, which has a loopback address to itself.
const SIMULATOR: u16 = 31_300;
const ADMIN: u16 = 31_400;
const APPLICATION: u16 = 31_700;

/// The simulator and an application, running. Dropping it ends both, and prints what they logged if the test failed.
pub(crate) struct Stage {
    /// The simulator, over its HTTP API.
    pub(crate) tropo: Tropo,
    /// The first phone; others have other numbers.
    pub(crate) phone: Phone,
    /// How many of its messages were looked at.
    heard: Cell<usize>,
    http: reqwest::Client,
    application: Running,
    simulator: Service,
    _home: TempDir,
}

impl Stage {
    /// Starts both, and makes the application known to the simulator.
    pub(crate) async fn set(application: Application) -> Self {
        let address = testkit::own_address();
        let [listen, admin, at] = [SIMULATOR, ADMIN, APPLICATION].map(|port| SocketAddrV4::new(address, port));
        let (home, http) = (TempDir::new().unwrap(), client());
        let config = format!(
            "admin.listen = '{admin}'\nsimulator.listen = '{listen}'\ntelemetry.log = 'info,simulator=debug'\n"
        );
        std::fs::write(home.path().join("simulator.toml"), config).unwrap();
        let mut simulator = Service::new("simulator".to_owned(), "simulator", home.path(), admin, Vec::new());
        simulator.start();
        let tropo = Tropo::new(http.clone(), listen);
        let told = [("TROPO", tropo.url.clone()), ("MESSAGING_TOKEN", TOKEN.to_owned())];
        let application = application.start(home.path(), at, &told).await;
        simulator.ready().await;
        let phone = Phone::new(tropo.clone(), "+15555550177".to_owned());
        let stage = Self { tropo, phone, heard: Cell::new(0), http, application, simulator, _home: home };
        stage.register().await;
        stage
    }

    /// Adds the application as whoever has one does.
    async fn register(&self) {
        let application = json!({
            "name": "interop",
            "messaging_url": self.application.webhook(),
            "messaging_token": TOKEN,
            "numbers": [NUMBER],
        });
        let url = format!("{}/applications", self.tropo.url);
        let answer = self.http.post(url).json(&application).send().await.unwrap();
        assert_eq!(answer.status(), 201, "{}", answer.text().await.unwrap());
    }

    /// Another phone.
    pub(crate) fn phone(&self, number: &str) -> Phone {
        Phone::new(self.tropo.clone(), number.to_owned())
    }

    /// The next message of the first phone, which says this and comes from the application's number.
    pub(crate) async fn hears(&self, words: &str) -> Message {
        let heard = self.heard.get();
        let message = self.phone.received(heard + 1).await.swap_remove(heard);
        self.heard.set(heard + 1);
        assert_eq!((message.text.as_str(), message.from.as_str()), (words, NUMBER));
        message
    }

    /// The first phone texts, and the next message that it gets is this reply; the sessions of both.
    pub(crate) async fn exchange(&self, text: &str, reply: &str) -> (String, String) {
        let session = self.phone.text(text).await;
        (session, self.hears(reply).await.session_id)
    }

    /// Where the application's webhooks go.
    pub(crate) fn webhook(&self) -> String {
        self.application.webhook()
    }

    /// The first phone hangs up on the application.
    pub(crate) async fn hang_up(&self) {
        let url = format!("{}/phones/{}/hangup", self.tropo.url, self.phone.number);
        let answer = self.http.post(url).json(&json!({ "to": NUMBER })).send().await.unwrap();
        assert_eq!(answer.status(), 202, "{}", answer.text().await.unwrap());
    }

    /// Someone interrupts a session, by GET as the libraries do.
    pub(crate) async fn signal(&self, session: &str, signal: &str) -> String {
        let url = format!("{}/1.0/sessions/{session}/signals?action=signal&value={signal}", self.tropo.url);
        self.http.get(url).send().await.unwrap().text().await.unwrap()
    }

    /// What a path of the application answers to a GET.
    pub(crate) async fn visit(&self, path: &str) -> String {
        let answer = self.http.get(self.application.page(path)).send().await.unwrap();
        assert_eq!(answer.status(), 200, "{path}");
        answer.text().await.unwrap()
    }

    /// The debugger's lines about a session, once it has ended.
    pub(crate) async fn told(&self, session: &str) -> Vec<String> {
        self.ended(session).await;
        let lines: Vec<Value> = self.tropo.get(&format!("/debugger/sessions/{session}")).await;
        lines.iter().map(|line| line["text"].as_str().unwrap().to_owned()).collect()
    }

    /// How a session ended, as soon as it has.
    pub(crate) async fn ended(&self, session: &str) -> String {
        until(&format!("session {session} ends"), async || {
            Some(self.tropo.session(session).await).filter(tropo::Session::has_ended)
        })
        .await
        .state
    }
}

impl Drop for Stage {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.simulator.print_log();
        }
    }
}
