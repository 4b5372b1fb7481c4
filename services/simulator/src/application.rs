//! The applications: which one a number or a token belongs to.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use protocol::Address;
use serde::Serialize;
use serde::ser::{SerializeStruct, Serializer};
use tropo::session::Channel;
use url::Url;
use uuid::Uuid;

use crate::config::{ApplicationConfig, Token};

/// The longest name of an application, in bytes.
const NAME_BYTES_MAX: usize = 100;

/// How many applications there may be.
const APPLICATIONS_MAX: usize = 10_000;

/// The id of the first application; the others count on.
const FIRST_ID: usize = 500_001;

/// An application as the simulator runs it.
pub struct Application {
    /// Its name.
    pub name: String,
    /// Its id, as the debugger writes it.
    pub id: usize,
    /// What was configured.
    pub settings: ApplicationConfig,
    /// What the messaging gateway knows it by.
    pub bot_key: String,
}

/// Why an application cannot be added.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum ApplicationError {
    /// The name is empty, too long or not printable.
    #[error("name must be 1 to {NAME_BYTES_MAX} bytes without control characters")]
    Name,
    /// There is one of that name.
    #[error("another application has this name: choose another, or use that one")]
    NameTaken,
    /// A URL that nothing can be posted to.
    #[error("messaging_url and voice_url must be http or https addresses")]
    Url,
    /// A token launches one application on one channel.
    #[error("a token of this application launches something already: give each channel of each application its own")]
    TokenTaken,
    /// A number belongs to one application.
    #[error("number {position} of the list belongs to an application already: a number has one owner")]
    NumberTaken {
        /// Which one, counted from 1.
        position: usize,
    },
    /// A withheld number is nobody's.
    #[error("number {position} of the list is none: write it with its country code, as in +1-555-555-0100")]
    Number {
        /// Which one, counted from 1.
        position: usize,
    },
    /// There is no end to them.
    #[error("there are {APPLICATIONS_MAX} applications already")]
    TooMany,
}

impl Application {
    /// Where sessions of a channel are posted.
    pub(crate) fn url(&self, channel: &Channel) -> &Url {
        let ApplicationConfig { messaging_url, voice_url, .. } = &self.settings;
        match channel {
            Channel::Voice => voice_url.as_ref().unwrap_or(messaging_url),
            Channel::Text | Channel::Other(_) => messaging_url,
        }
    }
}

/// Writes no token.
impl Serialize for Application {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut written = serializer.serialize_struct("Application", 6)?;
        written.serialize_field("name", &self.name)?;
        written.serialize_field("id", &self.id)?;
        written.serialize_field("account_id", &self.settings.account_id)?;
        written.serialize_field("messaging_url", self.url(&Channel::Text))?;
        written.serialize_field("voice_url", self.url(&Channel::Voice))?;
        written.serialize_field("numbers", &self.settings.numbers)?;
        written.end()
    }
}

/// Shows its name.
impl fmt::Debug for Application {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Application").field("name", &self.name).field("id", &self.id).finish_non_exhaustive()
    }
}

/// All applications. They are added at any time, and stay.
#[derive(Debug, Default)]
pub(crate) struct Applications(RwLock<Registry>);

#[derive(Debug, Default)]
struct Registry {
    by_name: BTreeMap<String, Arc<Application>>,
    by_token: HashMap<Token, (Arc<Application>, Channel)>,
    by_number: HashMap<Address, Arc<Application>>,
}

impl Applications {
    /// Adds one.
    ///
    /// # Errors
    /// [`ApplicationError`]; then nothing was added.
    pub(crate) fn add(&self, name: String, settings: ApplicationConfig) -> Result<Arc<Application>, ApplicationError> {
        let mut registry = self.0.write().unwrap_or_else(PoisonError::into_inner);
        registry.check(&name, &settings)?;
        let id = FIRST_ID + registry.by_name.len();
        let application = Arc::new(Application { name, id, settings, bot_key: bot_key() });
        let ApplicationConfig { messaging_token, voice_token, numbers, .. } = &application.settings;
        for (token, channel) in [(Some(messaging_token), Channel::Text), (voice_token.as_ref(), Channel::Voice)] {
            if let Some(token) = token {
                registry.by_token.insert(token.clone(), (Arc::clone(&application), channel));
            }
        }
        for number in numbers {
            registry.by_number.insert(number.clone(), Arc::clone(&application));
        }
        registry.by_name.insert(application.name.clone(), Arc::clone(&application));
        Ok(application)
    }

    /// All of them, in order of name.
    pub(crate) fn all(&self) -> Vec<Arc<Application>> {
        self.read().by_name.values().cloned().collect()
    }

    /// The one that owns a number.
    pub(crate) fn of_number(&self, number: &Address) -> Option<Arc<Application>> {
        self.read().by_number.get(number).cloned()
    }

    /// The one that a token launches, and the channel it launches on.
    pub(crate) fn of_token(&self, token: &str) -> Option<(Arc<Application>, Channel)> {
        let token = Token::try_from(token.to_owned()).ok()?;
        self.read().by_token.get(&token).cloned()
    }

    fn read(&self) -> RwLockReadGuard<'_, Registry> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn check(&self, name: &str, settings: &ApplicationConfig) -> Result<(), ApplicationError> {
        let ApplicationConfig { messaging_url, voice_url, messaging_token, voice_token, numbers, .. } = settings;
        if name.trim().is_empty() || NAME_BYTES_MAX < name.len() || name.chars().any(char::is_control) {
            return Err(ApplicationError::Name);
        }
        if self.by_name.contains_key(name) {
            return Err(ApplicationError::NameTaken);
        }
        if APPLICATIONS_MAX <= self.by_name.len() {
            return Err(ApplicationError::TooMany);
        }
        if [Some(messaging_url), voice_url.as_ref()].into_iter().flatten().any(|url| !is_http(url)) {
            return Err(ApplicationError::Url);
        }
        let launches = |token: &Token| self.by_token.contains_key(token);
        if launches(messaging_token)
            || voice_token.as_ref().is_some_and(|voice| launches(voice) || voice == messaging_token)
        {
            return Err(ApplicationError::TokenTaken);
        }
        let mut own = HashSet::new();
        for (position, number) in (1..).zip(numbers) {
            if !number.is_reachable() {
                return Err(ApplicationError::Number { position });
            }
            if self.by_number.contains_key(number) || !own.insert(number) {
                return Err(ApplicationError::NumberTaken { position });
            }
        }
        Ok(())
    }
}

/// Whether a webhook can be posted there.
pub(crate) fn is_http(url: &Url) -> bool {
    matches!(url.scheme(), "http" | "https") && url.has_host()
}

/// A key in the gateway's own spelling of a GUID: its last two groups are one.
fn bot_key() -> String {
    let guid = Uuid::new_v4().hyphenated().to_string().to_uppercase();
    match guid.rsplit_once('-') {
        Some((head, tail)) => format!("{head}{tail}"),
        None => guid,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn settings(token: &str, numbers: &[&str]) -> ApplicationConfig {
        let numbers = numbers.iter().map(|number| number.parse().unwrap()).collect();
        ApplicationConfig::new(
            "http://127.0.0.1:9/tropo".parse().unwrap(),
            Token::try_from(token.to_owned()).unwrap(),
            numbers,
        )
    }

    #[test]
    fn numbers_are_found_however_they_are_written_and_tokens_by_channel() {
        let applications = Applications::default();
        let voice = Token::try_from("V1".to_owned()).unwrap();
        let voice_url: Url = "http://127.0.0.1:9/voice".parse().unwrap();
        let one = ApplicationConfig {
            voice_token: Some(voice),
            voice_url: Some(voice_url.clone()),
            ..settings("T1", &["+1-555-555-0100", "12345"])
        };
        applications.add("one".to_owned(), one).unwrap();
        for written in ["15555550100", "tel:+1 (555) 555-0100", "12345"] {
            assert_eq!(applications.of_number(&written.parse().unwrap()).unwrap().name, "one", "{written}");
        }
        assert!(applications.of_number(&"+15555550101".parse().unwrap()).is_none());
        assert_eq!(applications.of_token("T1").unwrap().1, Channel::Text);
        let (application, channel) = applications.of_token("V1").unwrap();
        assert_eq!(application.url(&channel), &voice_url);
        assert!(applications.of_token("").is_none() && applications.of_token("t1").is_none());
    }

    #[test]
    fn what_is_taken_or_useless_is_refused_and_leaves_nothing_behind() {
        let applications = Applications::default();
        let add = |name: &str, settings| applications.add(name.to_owned(), settings).map(|_| ());
        add("one", settings("T1", &["+15555550100"])).unwrap();
        let ftp = ApplicationConfig { messaging_url: "ftp://host/".parse().unwrap(), ..settings("T2", &[]) };
        for (name, settings, error) in [
            ("", settings("T2", &[]), ApplicationError::Name),
            ("one", settings("T2", &[]), ApplicationError::NameTaken),
            ("two", settings("T1", &[]), ApplicationError::TokenTaken),
            ("two", ftp, ApplicationError::Url),
            ("two", settings("T2", &["unknown"]), ApplicationError::Number { position: 1 }),
            ("two", settings("T2", &["12345", "15555550100"]), ApplicationError::NumberTaken { position: 2 }),
            ("two", settings("T2", &["12345", "12345"]), ApplicationError::NumberTaken { position: 2 }),
        ] {
            assert_eq!(add(name, settings), Err(error));
        }
        assert_eq!(applications.all().len(), 1);
        assert!(applications.of_token("T2").is_none());
    }

    #[test]
    fn the_bot_key_is_spelled_as_the_gateway_spells_it() {
        let key = bot_key();
        assert_eq!(key.split('-').map(str::len).collect::<Vec<_>>(), [8, 4, 4, 16]);
    }
}
