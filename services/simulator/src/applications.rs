//! All applications: which one a number, a name or a token belongs to.

use std::collections::{BTreeMap, HashMap, HashSet};
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard, RwLockWriteGuard};

use protocol::Address;
use tropo::session::Channel;
use url::Url;

use crate::SimulatorError;
use crate::application::{
    ADDRESSES_MAX, APPLICATIONS_MAX, Application, ApplicationError, NAME_BYTES_MAX, bot_key, is_http,
};
use crate::changes::Changes;
use crate::config::{ApplicationConfig, Token};

/// The id of the first application; the others count on, and none is used again.
const FIRST_ID: usize = 500_001;

/// All applications. They come, change and go at any time.
#[derive(Debug, Default)]
pub(crate) struct Applications {
    registry: RwLock<Registry>,
    changes: Changes,
}

#[derive(Debug, Default)]
struct Registry {
    by_name: BTreeMap<String, Arc<Application>>,
    by_id: BTreeMap<usize, Arc<Application>>,
    by_token: HashMap<Token, (Arc<Application>, Channel)>,
    by_address: HashMap<Address, Arc<Application>>,
    last_id: Option<usize>,
    /// Those that the configuration brought. What they became since is none of it.
    configured: HashSet<usize>,
}

/// An application that is being changed.
pub(crate) struct Draft<'a> {
    pub(crate) name: String,
    pub(crate) settings: ApplicationConfig,
    owners: &'a HashMap<Address, Arc<Application>>,
}

/// What was known of an application in an earlier life.
pub(crate) struct Known {
    pub(crate) id: usize,
    pub(crate) bot_key: String,
}

impl Draft<'_> {
    /// Whether an address belongs to an application.
    pub(crate) fn is_taken(&self, address: &Address) -> bool {
        self.owners.contains_key(address)
    }
}

impl Applications {
    /// None yet. What becomes of them is told to `changes`.
    pub(crate) fn new(changes: Changes) -> Self {
        Self { registry: RwLock::default(), changes }
    }

    /// Whether these can stand side by side.
    ///
    /// # Errors
    /// [`SimulatorError::Application`] names one that cannot.
    pub(crate) fn check(configured: &BTreeMap<String, ApplicationConfig>) -> Result<(), SimulatorError> {
        let applications = Self::new(Changes::default());
        for (name, settings) in configured {
            let added = applications.add(name.clone(), settings.clone());
            added.map_err(|source| SimulatorError::Application { name: name.clone(), source })?;
        }
        Ok(())
    }

    /// Adds one.
    ///
    /// # Errors
    /// [`ApplicationError`]; then nothing was added.
    pub(crate) fn add(&self, name: String, settings: ApplicationConfig) -> Result<Arc<Application>, ApplicationError> {
        self.add_known(name, settings, None)
    }

    /// Adds one that was there before.
    ///
    /// # Errors
    /// [`ApplicationError`]; then nothing was added.
    pub(crate) fn add_known(
        &self,
        name: String,
        settings: ApplicationConfig,
        known: Option<Known>,
    ) -> Result<Arc<Application>, ApplicationError> {
        let mut registry = self.write();
        if APPLICATIONS_MAX <= registry.by_id.len() {
            return Err(ApplicationError::TooMany);
        }
        registry.check(&name, &settings, None)?;
        let known = known.filter(|known| !registry.by_id.contains_key(&known.id));
        let Known { id, bot_key } = known.unwrap_or_else(|| Known { id: registry.next_id(), bot_key: bot_key() });
        registry.last_id = registry.last_id.max(Some(id));
        let application = Arc::new(Application { name, id, settings, bot_key });
        registry.put_in(&application);
        drop(registry);
        self.changes.made();
        Ok(application)
    }

    /// Changes one, and gives it with what `change` gives. Sessions under way keep what they began with.
    ///
    /// # Errors
    /// What `change` says, and [`ApplicationError`]; then nothing was changed.
    pub(crate) fn change<T, E: From<ApplicationError>>(
        &self,
        id: usize,
        change: impl FnOnce(&mut Draft<'_>) -> Result<T, E>,
    ) -> Result<(Arc<Application>, T), E> {
        let mut registry = self.write();
        let old = registry.by_id.get(&id).cloned().ok_or(ApplicationError::Unknown)?;
        let mut draft = Draft { name: old.name.clone(), settings: old.settings.clone(), owners: &registry.by_address };
        let given = change(&mut draft)?;
        let Draft { name, settings, .. } = draft;
        registry.check(&name, &settings, Some(id))?;
        let changed = Arc::new(Application { name, id, settings, bot_key: old.bot_key.clone() });
        registry.take_out(&old);
        registry.put_in(&changed);
        drop(registry);
        self.changes.made();
        Ok((changed, given))
    }

    /// Removes one. Its sessions go on.
    ///
    /// # Errors
    /// [`ApplicationError::Unknown`].
    pub(crate) fn remove(&self, id: usize) -> Result<Arc<Application>, ApplicationError> {
        let mut registry = self.write();
        let application = registry.by_id.get(&id).cloned().ok_or(ApplicationError::Unknown)?;
        registry.take_out(&application);
        drop(registry);
        self.changes.made();
        Ok(application)
    }

    /// All of them, in order of name.
    pub(crate) fn all(&self) -> Vec<Arc<Application>> {
        self.read().by_name.values().cloned().collect()
    }

    /// The one of an id.
    pub(crate) fn of_id(&self, id: usize) -> Option<Arc<Application>> {
        self.read().by_id.get(&id).cloned()
    }

    /// The one that owns a number, or a name on a network.
    pub(crate) fn of_number(&self, number: &Address) -> Option<Arc<Application>> {
        self.read().by_address.get(number).cloned()
    }

    /// The one that a token launches, and the channel it launches on.
    pub(crate) fn of_token(&self, token: &str) -> Option<(Arc<Application>, Channel)> {
        let token = Token::try_from(token.to_owned()).ok()?;
        self.read().by_token.get(&token).cloned()
    }

    /// The last id that was given, or the one before the first.
    pub(crate) fn last_id(&self) -> usize {
        self.read().next_id() - 1
    }

    /// The configuration brought this one.
    pub(crate) fn configured(&self, id: usize) {
        self.write().configured.insert(id);
    }

    /// Whether the configuration brought it.
    pub(crate) fn is_configured(&self, id: usize) -> bool {
        self.read().configured.contains(&id)
    }

    /// Ids up to this one were given in an earlier life.
    pub(crate) fn skip_ids(&self, last: Option<usize>) {
        let mut registry = self.write();
        registry.last_id = registry.last_id.max(last);
    }

    fn read(&self) -> RwLockReadGuard<'_, Registry> {
        self.registry.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> RwLockWriteGuard<'_, Registry> {
        self.registry.write().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Registry {
    fn next_id(&self) -> usize {
        self.last_id.map_or(FIRST_ID, |last| last + 1)
    }

    /// Whether an application can have this name and these settings: a new one, or the one of an id.
    fn check(&self, name: &str, settings: &ApplicationConfig, id: Option<usize>) -> Result<(), ApplicationError> {
        let ApplicationConfig { messaging_url, voice_url, messaging_token, voice_token, numbers, im, .. } = settings;
        let is_anothers = |owner: &Arc<Application>| Some(owner.id) != id;
        if name.trim().is_empty() || NAME_BYTES_MAX < name.len() || name.chars().any(char::is_control) {
            return Err(ApplicationError::Name);
        }
        if self.by_name.get(name).is_some_and(is_anothers) {
            return Err(ApplicationError::NameTaken);
        }
        if [Some(messaging_url), voice_url.as_ref()].into_iter().flatten().any(|url: &Url| !is_http(url)) {
            return Err(ApplicationError::Url);
        }
        let tokens = [messaging_token, voice_token].map(Option::as_ref);
        let launches = |token: &Token| self.by_token.get(token).is_some_and(|(owner, _)| is_anothers(owner));
        if tokens.into_iter().flatten().any(launches) || (voice_token.is_some() && messaging_token == voice_token) {
            return Err(ApplicationError::TokenTaken);
        }
        if ADDRESSES_MAX < numbers.len() + im.len() {
            return Err(ApplicationError::TooManyAddresses);
        }
        let mut own = HashSet::new();
        let mut is_taken = |address| self.by_address.get(address).is_some_and(is_anothers) || !own.insert(address);
        for (position, number) in (1..).zip(numbers) {
            if !number.is_reachable() {
                return Err(ApplicationError::Number { position });
            }
            if is_taken(number) {
                return Err(ApplicationError::NumberTaken { position });
            }
        }
        if im.iter().any(|user| is_taken(&user.name)) {
            return Err(ApplicationError::NameOnNetworkTaken);
        }
        Ok(())
    }

    fn put_in(&mut self, application: &Arc<Application>) {
        let ApplicationConfig { messaging_token, voice_token, .. } = &application.settings;
        for (token, channel) in [(messaging_token, Channel::Text), (voice_token, Channel::Voice)] {
            if let Some(token) = token {
                self.by_token.insert(token.clone(), (Arc::clone(application), channel));
            }
        }
        for address in application.settings.addresses() {
            self.by_address.insert(address.clone(), Arc::clone(application));
        }
        self.by_name.insert(application.name.clone(), Arc::clone(application));
        self.by_id.insert(application.id, Arc::clone(application));
    }

    fn take_out(&mut self, application: &Application) {
        let ApplicationConfig { messaging_token, voice_token, .. } = &application.settings;
        for token in [messaging_token, voice_token].into_iter().flatten() {
            self.by_token.remove(token);
        }
        for address in application.settings.addresses() {
            self.by_address.remove(address);
        }
        self.by_name.remove(&application.name);
        self.by_id.remove(&application.id);
    }
}

#[cfg(test)]
mod tests;
