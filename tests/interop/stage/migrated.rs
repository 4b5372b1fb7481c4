//! A RapidSMS project behind the router: migrated as `tropomq migrate rapidsms` tells, and nothing else.

use std::net::SocketAddrV4;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};

use axum::body::Bytes;
use axum::extract::State;
use axum::http::{Method, StatusCode, Uri};
use chassis::tasks::Crowd;
use tempfile::TempDir;
use toml::{Table, Value};

use super::application::{Application, Running, source};
use super::service::{Service, tropomq};
use super::{NUMBER, Phone, TOKEN, Tropo, client};

/// The project.
const PROJECT: Application = Application {
    folder: "rapidsms_migrated",
    before: &[&["python", "manage.py", "migrate", "--verbosity", "0"]],
    command: &["python", "manage.py", "runserver", "--noreload", "ADDRESS"],
    path: "/backend/my-tropo-backend/",
};

/// The name of the backend, here and there.
const BACKEND: &str = "my-tropo-backend";

/// The ports of a stage, which has a loopback address to itself.
const SIMULATOR: u16 = 32_300;
const ADMIN: u16 = 32_400;
const CONSOLE: u16 = 33_000;
const INGRESS: u16 = 32_500;
const EGRESS: u16 = 32_600;
const ROUTER: u16 = 32_700;
const APPLICATION: u16 = 32_800;
const FRONT: u16 = 32_900;

/// Everything in one process, and the project behind it.
pub(crate) struct Migrated {
    /// The simulator, over its HTTP API.
    pub(crate) tropo: Tropo,
    /// What stands before the project.
    front: Option<Front>,
    project: Option<Running>,
    told: Vec<(&'static str, String)>,
    at: SocketAddrV4,
    tropomq: Service,
    home: TempDir,
    _crowd: Crowd,
}

impl Migrated {
    /// The project in this format.
    pub(crate) async fn set(format: &'static str) -> Self {
        Self::with(format, APPLICATION).await
    }

    /// The same, with a proxy before the project that can lose its answers.
    pub(crate) async fn behind_front(format: &'static str) -> Self {
        Self::with(format, FRONT).await
    }

    /// `door` is the port at which the router finds the project.
    async fn with(format: &'static str, door: u16) -> Self {
        let address = testkit::own_address();
        let place = |port| SocketAddrV4::new(address, port);
        let (home, http, crowd) = (TempDir::new().unwrap(), client(), Crowd::default());
        let mut config = migrate(&home, format, place(door)).await;
        let project = &config["router"]["rapidsms"][BACKEND];
        let password = project["password"].as_str().unwrap().to_owned();
        let secret = config["backends"][BACKEND]["webhook_secret"].as_str().unwrap().to_owned();
        for (table, port) in [
            ("simulator", SIMULATOR),
            ("admin", ADMIN),
            ("ingress", INGRESS),
            ("egress", EGRESS),
            ("router", ROUTER),
            ("console", CONSOLE),
        ] {
            set(&mut config, &[table, "listen"], place(port).to_string());
        }
        set(&mut config, &["egress", "session_api"], format!("http://{}/1.0/sessions", place(SIMULATOR)));
        let application = ["simulator", "applications", "clinic"];
        let webhook = format!("http://{}/tropo/{BACKEND}/{secret}", place(INGRESS));
        set(&mut config, &[&application[..], &["messaging_url"]].concat(), webhook);
        set(&mut config, &[&application[..], &["messaging_token"]].concat(), TOKEN);
        set(&mut config, &[&application[..], &["numbers"]].concat(), vec![NUMBER]);
        // The project has it in its environment, and so it is not in what was printed.
        set(&mut config, &["backends", BACKEND, "messaging_token"], TOKEN);
        std::fs::write(home.path().join("up.toml"), config.to_string()).unwrap();
        let mut tropomq = Service::new("up".to_owned(), "up", home.path(), place(ADMIN), Vec::new());
        tropomq.start();
        tropomq.ready().await;
        let front = (door == FRONT).then(Front::default);
        if let Some(front) = &front {
            front.stand(&crowd, place(FRONT), place(APPLICATION)).await;
        }
        let told = vec![
            ("FORMAT", format.to_owned()),
            ("ROUTER", format!("http://{}", place(ROUTER))),
            ("TROPOMQ_PASSWORD", password),
        ];
        let (tropo, at) = (Tropo::new(http, place(SIMULATOR)), place(APPLICATION));
        Self { tropo, front, project: None, told, at, tropomq, home, _crowd: crowd }
    }

    /// Starts the project, which is not there at first.
    pub(crate) async fn start_project(&mut self) {
        self.project = Some(PROJECT.start(self.home.path(), self.at, &self.told).await);
    }

    /// Ends it (SIGKILL).
    pub(crate) fn kill_project(&mut self) {
        self.project = None;
    }

    /// A phone.
    pub(crate) fn phone(&self, number: &str) -> Phone {
        Phone::new(self.tropo.clone(), number.to_owned())
    }

    /// The proxy before the project.
    pub(crate) fn front(&self) -> &Front {
        self.front.as_ref().expect("the stage has a proxy")
    }

    /// Whether the account of all texts and messages adds up.
    pub(crate) async fn is_balanced(&self) -> bool {
        let config = self.tropomq.config().display().to_string();
        tropomq(self.home.path(), &["--config", &config, "balance"]).await.status.success()
    }
}

impl Drop for Migrated {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.tropomq.print_log();
        }
    }
}

/// What becomes of the settings of the project that has Tropo as its backend.
async fn migrate(home: &TempDir, format: &str, project: SocketAddrV4) -> Table {
    let settings = source("apps").join("rapidsms/settings.py").display().to_string();
    let project = format!("http://{project}");
    let arguments = ["migrate", "rapidsms", &settings, "--format", format, "--project", &project];
    let output = tropomq(home.path(), &arguments).await;
    let (printed, told) = (String::from_utf8(output.stdout).unwrap(), String::from_utf8_lossy(&output.stderr));
    assert!(output.status.success(), "{told}");
    let ours = "TROPOMQ__BACKENDS__MY_TROPO_BACKEND__MESSAGING_TOKEN to what the project has in MESSAGING_TOKEN";
    assert!(printed.contains(ours), "{printed}");
    printed.parse().unwrap()
}

/// Sets a value at the end of a path of tables.
fn set(table: &mut Table, path: &[&str], value: impl Into<Value>) {
    let (last, tables) = path.split_last().unwrap();
    let inner = tables.iter().fold(table, |table, name| {
        let inner = table.entry(*name).or_insert_with(|| Table::new().into());
        inner.as_table_mut().unwrap()
    });
    inner.insert((*last).to_owned(), value.into());
}

/// A proxy before the project, such as a web server that is started anew.
#[derive(Clone, Default)]
pub(crate) struct Front(Arc<Counts>);

#[derive(Default)]
struct Counts {
    /// How many texts it passed on.
    passed: AtomicU32,
    /// How many of the next answers it loses.
    losing: AtomicU32,
}

impl Front {
    /// Loses so many answers of the project from now on: whoever asked is told 502.
    pub(crate) fn lose(&self, answers: u32) {
        self.0.losing.store(answers, Ordering::SeqCst);
    }

    /// How many texts it passed on.
    pub(crate) fn passed(&self) -> u32 {
        self.0.passed.load(Ordering::SeqCst)
    }

    async fn stand(&self, crowd: &Crowd, at: SocketAddrV4, project: SocketAddrV4) {
        let listener = chassis::http::bind(at.into()).await.unwrap();
        let (front, http) = (self.clone(), client());
        let pass = async move |State((front, http)): State<(Self, reqwest::Client)>,
                               method: Method,
                               uri: Uri,
                               headers: axum::http::HeaderMap,
                               body: Bytes| {
            let url = format!("http://{project}{uri}");
            let answered = http.request(method, url).headers(headers).body(body).send().await;
            front.0.passed.fetch_add(1, Ordering::SeqCst);
            let losing = front.0.losing.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
            match answered {
                Ok(answer) if losing.is_err() => answer.status(),
                Ok(_) | Err(_) => StatusCode::BAD_GATEWAY,
            }
        };
        let routes = axum::Router::new().fallback(pass).with_state((front, http));
        crowd.spawn(async move { axum::serve(listener, routes).await.unwrap() });
    }
}
