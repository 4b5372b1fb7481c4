//! What outlives the process: one file of JSON, written whole and put in its place at once.
//!
//! Applications, webhooks, and phones with their messages are in it. Sessions and the debugger are not: no session goes
//! on in another process.

mod file;

use std::collections::BTreeMap;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::{Duration, Instant};

use chassis::shutdown::Shutdown;
use protocol::Address;
use serde::{Deserialize, Serialize};
use url::Url;

pub use self::file::StateError;
pub(crate) use self::file::{Taken, take};
use self::file::{VERSION, beside, create_fresh, write};
use crate::application::Application;
use crate::applications::Known;
use crate::config::{ApplicationConfig, ImUser, Partition, Token};
use crate::phones::SavedPhones;
use crate::subscriptions::Listed;
use crate::{Simulator, SimulatorError, observe};

/// After a write so many times its duration passes before the next: the rest of the time is for others.
const REST: u32 = 20;

/// The least time between two writes.
const REST_MIN: Duration = Duration::from_millis(200);

/// How long after a write that failed the next is tried.
const RETRY: Duration = Duration::from_secs(5);

/// How many ids of applications and of webhooks, and how many indexes of messages, a file says are given beyond those that
/// are: no more than so many are given between two writes. Whoever begins with it after a crash gives none of them again.
const IDS_AHEAD: u32 = 10_000;
const INDEXES_AHEAD: u64 = 1_000_000;

/// Whether something comes after a write.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) enum Turn {
    /// The process goes on.
    Passing,
    /// Nothing changes any more.
    Last,
}

/// Everything that outlives the process.
#[derive(Serialize, Deserialize)]
pub(crate) struct Saved {
    version: u32,
    last_application: Option<usize>,
    applications: Vec<SavedApplication>,
    pub(crate) webhooks: Listed,
    phones: SavedPhones,
}

/// An application with its secrets. They are written into this file and nowhere else.
#[derive(Serialize, Deserialize)]
struct SavedApplication {
    name: String,
    id: usize,
    /// Whether the configuration brought it: then it goes when it is configured no more.
    #[serde(default)]
    configured: bool,
    bot_key: String,
    account_id: String,
    messaging_url: Url,
    messaging_token: Option<String>,
    voice_url: Option<Url>,
    voice_token: Option<String>,
    numbers: Vec<Address>,
    im: Vec<ImUser>,
    partition: Partition,
}

/// What a file holds; nothing when it is not there.
///
/// # Errors
/// [`StateError`]; the file is as it was.
pub(crate) fn read(path: &Path) -> Result<Option<Saved>, StateError> {
    file::read(path)
}

/// Whether a simulator can begin with this file, also when it is not there, and can write beside it.
///
/// # Errors
/// [`StateError`]; the file is as it was.
pub fn check_state(path: &Path) -> Result<(), StateError> {
    read(path)?;
    let probe = beside(path, &format!(".check-{}", std::process::id()));
    create_fresh(&probe).and_then(|_file| fs::remove_file(&probe)).map_err(StateError::Unwritable)
}

impl Saved {
    /// Ids that are given before the next write are given already.
    fn reserve(&mut self) {
        self.last_application = self.last_application.map(|last| last + IDS_AHEAD as usize);
        self.webhooks.reserve(IDS_AHEAD.into());
        self.phones.reserve(INDEXES_AHEAD);
    }

    /// What is known of an application of this name, whose settings come from elsewhere.
    fn take_known(&mut self, name: &str) -> Option<Known> {
        let at = self.applications.iter().position(|application| application.name == name)?;
        let SavedApplication { id, bot_key, .. } = self.applications.remove(at);
        Some(Known { id, bot_key })
    }
}

impl SavedApplication {
    fn of(application: &Application, configured: bool) -> Self {
        let Application { name, id, settings, bot_key } = application;
        let token = |token: &Option<Token>| token.as_ref().map(|token| token.expose().to_owned());
        Self {
            name: name.clone(),
            id: *id,
            configured,
            bot_key: bot_key.clone(),
            account_id: settings.account_id.clone(),
            messaging_url: settings.messaging_url.clone(),
            messaging_token: token(&settings.messaging_token),
            voice_url: settings.voice_url.clone(),
            voice_token: token(&settings.voice_token),
            numbers: settings.numbers.clone(),
            im: settings.im.clone(),
            partition: settings.partition,
        }
    }

    fn settled(self) -> (String, ApplicationConfig, Known) {
        let token = |token: Option<String>| token.and_then(|token| Token::try_from(token).ok());
        let settings = ApplicationConfig {
            messaging_url: self.messaging_url,
            messaging_token: token(self.messaging_token),
            numbers: self.numbers,
            voice_url: self.voice_url,
            voice_token: token(self.voice_token),
            account_id: self.account_id,
            im: self.im,
            partition: self.partition,
        };
        (self.name, settings, Known { id: self.id, bot_key: self.bot_key })
    }
}

impl Simulator {
    /// Takes in the configured applications, then what an earlier process left beside them.
    pub(crate) fn populate(
        &self,
        configured: BTreeMap<String, ApplicationConfig>,
        mut saved: Option<Saved>,
    ) -> Result<(), SimulatorError> {
        if let Some(saved) = &saved {
            self.applications.skip_ids(saved.last_application);
        }
        let add = |name: String, settings, known| {
            let added = self.applications.add_known(name.clone(), settings, known);
            let application = added.map_err(|source| SimulatorError::Application { name, source })?;
            observe::added(&application);
            Ok::<_, SimulatorError>(application.id)
        };
        for (name, settings) in configured {
            let known = saved.as_mut().and_then(|saved| saved.take_known(&name));
            self.applications.configured(add(name, settings, known)?);
        }
        let Some(Saved { applications, phones, .. }) = saved else { return Ok(()) };
        let others = applications.into_iter().filter(|application| !application.configured);
        for (name, mut settings, known) in others.map(SavedApplication::settled) {
            if self.yields(&mut settings) {
                observe::yielded(&name);
            }
            add(name, settings, Some(known))?;
        }
        self.phones.restore(phones);
        Ok(())
    }

    /// Takes from an application what belongs to another already; whether there was anything.
    fn yields(&self, settings: &mut ApplicationConfig) -> bool {
        let before = settings.clone();
        let is_free = |address: &Address| self.applications.of_number(address).is_none();
        settings.numbers.retain(is_free);
        settings.im.retain(|user| is_free(&user.name));
        for token in [&mut settings.messaging_token, &mut settings.voice_token] {
            token.take_if(|token| self.applications.of_token(token.expose()).is_some());
        }
        settings.numbers != before.numbers
            || settings.im != before.im
            || settings.messaging_token != before.messaging_token
            || settings.voice_token != before.voice_token
    }

    /// Writes the state soon after each change, and once more at the `end`, when nothing changes any more: its listener has
    /// closed, and it has stopped. Without a file to write it to, it only waits for that.
    ///
    /// Writing takes a small share of the time, however much there is to write: a change may take so long to reach the
    /// disk. What fails is tried again.
    ///
    /// # Errors
    /// The last write failed.
    ///
    /// # Cancel safety
    /// Dropping the future leaves the file as it was written last.
    pub async fn keep_state(self: Arc<Self>, end: Shutdown) -> Result<(), StateError> {
        let Some(path) = self.state.clone() else {
            end.requested().await;
            return Ok(());
        };
        loop {
            tokio::select! {
                biased;
                () = end.requested() => break,
                () = self.changes.next() => {}
            }
            let rest = match Arc::clone(&self).save(path.clone(), Turn::Passing).await {
                Ok(took) => REST_MIN.max(took * REST),
                Err(error) => {
                    observe::not_saved(&error);
                    self.changes.made();
                    RETRY
                }
            };
            tokio::select! {
                biased;
                () = end.requested() => break,
                () = tokio::time::sleep(rest) => {}
            }
        }
        self.save(path, Turn::Last).await.map(drop)
    }

    /// Writes the state, and says how long that took. It may take long: no other task shall wait for it.
    async fn save(self: Arc<Self>, path: PathBuf, turn: Turn) -> Result<Duration, StateError> {
        let began = Instant::now();
        let written = tokio::task::spawn_blocking(move || self.save_now(&path, turn)).await;
        written.map_err(|error| StateError::Unwritable(io::Error::other(error)))??;
        Ok(began.elapsed())
    }

    /// Writes the state.
    ///
    /// # Errors
    /// [`StateError::Unwritable`]; what was written before is there still.
    pub(crate) fn save_now(&self, path: &Path, turn: Turn) -> Result<(), StateError> {
        let applications = self.applications.all();
        let mut saved = Saved {
            version: VERSION,
            last_application: Some(self.applications.last_id()),
            applications: applications
                .iter()
                .map(|application| SavedApplication::of(application, self.applications.is_configured(application.id)))
                .collect(),
            webhooks: self.subscriptions.listed(),
            phones: self.phones.saved(),
        };
        if turn == Turn::Passing {
            saved.reserve();
        }
        write(path, &saved)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn saved() -> Saved {
        let (webhooks, phones) = (Listed::default(), SavedPhones::default());
        Saved { version: VERSION, last_application: Some(7), applications: Vec::new(), webhooks, phones }
    }

    #[test]
    fn what_was_written_is_read_and_another_takes_its_place() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        assert!(read(&path).unwrap().is_none());
        write(&path, &saved()).unwrap();
        write(&path, &Saved { last_application: Some(8), ..saved() }).unwrap();
        assert_eq!(read(&path).unwrap().unwrap().last_application, Some(8));
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 1);
    }

    #[test]
    fn a_file_that_is_something_else_is_refused_and_left_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        for (content, told) in [
            ("", "holds no state"),
            ("{}", "holds no state"),
            ("{\"version\":1}", "holds no state"),
            ("{\"version\":2,\"more\":[]}", "it is of version 2"),
        ] {
            fs::write(&path, content).unwrap();
            let error = read(&path).err().unwrap();
            assert!(error.to_string().contains(told), "{content}: {error}");
            assert_eq!(fs::read_to_string(&path).unwrap(), content);
        }
        assert!(matches!(read(directory.path()).err(), Some(StateError::Unreadable(_))));
    }

    #[test]
    fn what_was_left_half_written_is_no_hindrance() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("state.json");
        let elsewhere = directory.path().join("elsewhere");
        fs::write(&elsewhere, "x").unwrap();
        std::os::unix::fs::symlink(&elsewhere, beside(&path, ".new")).unwrap();
        write(&path, &saved()).unwrap();
        assert!(read(&path).unwrap().is_some());
        assert_eq!(fs::read_to_string(elsewhere).unwrap(), "x");
    }

    #[test]
    fn a_place_where_nothing_can_be_written_is_told() {
        let directory = tempfile::tempdir().unwrap();
        check_state(&directory.path().join("state.json")).unwrap();
        assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
        let missing = check_state(&directory.path().join("missing/state.json")).unwrap_err();
        assert!(matches!(missing, StateError::Unwritable(_)), "{missing}");
        let error = write(&directory.path().join("missing/state.json"), &saved()).unwrap_err();
        assert!(matches!(error, StateError::Unwritable(_)), "{error}");
    }
}
