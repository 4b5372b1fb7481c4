//! The projects that are configured, and what they show of themselves.

use std::collections::BTreeMap;
use std::sync::{Arc, PoisonError, RwLock};

use protocol::BackendName;
use secrecy::{ExposeSecret, SecretString};
use subtle::ConstantTimeEq;

use super::config::Config;
use super::in_hand::InHand;
use super::routes::Refused;

/// The projects by their names, and the texts that they are being given. The projects may change while it runs.
#[derive(Debug, Default)]
pub(crate) struct Projects {
    projects: RwLock<Arc<BTreeMap<BackendName, Project>>>,
    pub(crate) in_hand: InHand,
}

/// A project that may send.
#[derive(Clone, Debug)]
pub(super) struct Project {
    pub(super) name: BackendName,
    /// Through which backend.
    pub(super) backend: BackendName,
    user: String,
    password: Option<SecretString>,
}

impl Projects {
    /// These are the projects from now on.
    pub(crate) fn configure(&self, projects: &BTreeMap<BackendName, Config>) {
        let project = |(name, config): (&BackendName, &Config)| {
            let project = Project {
                name: name.clone(),
                backend: config.backend(name).clone(),
                user: config.user.clone().unwrap_or_else(|| name.as_str().to_owned()),
                password: config.password.clone(),
            };
            (name.clone(), project)
        };
        let projects = Arc::new(projects.iter().map(project).collect());
        *self.projects.write().unwrap_or_else(PoisonError::into_inner) = projects;
    }

    /// The project, if it shows its name and password.
    pub(super) fn known(&self, name: &str, user: Option<&str>, password: Option<&str>) -> Result<Project, Refused> {
        let projects = Arc::clone(&self.projects.read().unwrap_or_else(PoisonError::into_inner));
        let project = name.parse::<BackendName>().ok().and_then(|name| projects.get(&name));
        let project = project.ok_or(Refused::UnknownProject)?;
        let (Some(user), Some(password), Some(secret)) = (user, password, &project.password) else {
            return Err(Refused::Caller);
        };
        // Both are compared, and in constant time: how long it takes tells nothing.
        let same_user = user.as_bytes().ct_eq(project.user.as_bytes());
        let same_password = password.as_bytes().ct_eq(secret.expose_secret().as_bytes());
        if bool::from(same_user & same_password) { Ok(project.clone()) } else { Err(Refused::Caller) }
    }
}
