//! What the tests of the formats share: a project.

use std::collections::BTreeMap;
use std::time::Duration;

use super::config::{Config, Format, Identity};
use super::projects::Project;

/// A project that takes texts in this format.
pub(super) fn config(format: Format) -> Config {
    Config {
        format,
        url: "http://127.0.0.1:8000/backend/?key=1".parse().unwrap(),
        backend: None,
        user: None,
        password: Some("a-password-of-some-length".into()),
        identity: Identity::Digits,
        identity_name: "identity".to_owned(),
        text_name: "text".to_owned(),
        timeout: Duration::from_secs(2),
        give_up_after: Duration::from_secs(60),
        connect_timeout: Duration::from_secs(2),
        concurrency: 4,
        allow_private: true,
        allow: Vec::new(),
    }
}

/// A project by its name.
pub(super) fn project(name: &str) -> Project {
    let projects = super::Projects::default();
    projects.configure(&BTreeMap::from([(name.parse().unwrap(), config(Format::Vumi))]));
    projects.known(name, Some(name), Some("a-password-of-some-length")).unwrap()
}
