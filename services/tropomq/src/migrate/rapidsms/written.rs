//! What is written for each backend: our configuration, and what changes in the project.

use std::fmt::Write;

use protocol::BackendName;
use url::Url;

use super::Format;
use crate::migrate::python::Value;

/// The engine of rapidsms-tropo; older editions had others in its module.
const ENGINE: &str = "rtropo.";

/// A backend of the project that texts through Tropo.
#[derive(Clone, PartialEq, Eq, Debug)]
pub(super) struct Tropo {
    /// Its name in RapidSMS.
    name: String,
    /// Its name here.
    pub(super) backend: BackendName,
    /// The name of the project as an application.
    project: BackendName,
    token: Said,
    number: Said,
}

/// A setting that is a text.
#[derive(Clone, PartialEq, Eq, Debug)]
enum Said {
    /// This one.
    Text(String),
    /// What a variable of the environment says.
    Variable(String),
}

/// Why the settings of a backend are not understood.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum BackendError {
    /// They are no dictionary.
    #[error("its settings are no dictionary that can be read{}", of_line(.line))]
    NotADictionary {
        /// Their line, where it is known.
        line: Option<usize>,
    },
    /// The engine only running the file would tell.
    #[error("its ENGINE is not written as a text{}", of_line(.line))]
    Engine {
        /// Its line, where it is known.
        line: Option<usize>,
    },
    /// Something that the backend needs is not there, or is no text.
    #[error("its config has no {key} that is written as a text or taken from the environment{}", of_line(.line))]
    Setting {
        /// What.
        key: &'static str,
        /// Its line, where it is known.
        line: Option<usize>,
    },
    /// No name can be made of its own.
    #[error("its name cannot be a backend's here: begin it with a letter or digit, and use at most 64 characters")]
    Name,
}

fn of_line(line: &Option<usize>) -> String {
    line.map(|line| format!(" (line {line})")).unwrap_or_default()
}

/// The line of what is not understood.
fn line(value: Option<&Value>) -> Option<usize> {
    if let Some(Value::Unknown { line }) = value { Some(*line) } else { None }
}

impl Tropo {
    /// The backend, if it is one of rapidsms-tropo.
    pub(super) fn read(name: &str, settings: &Value) -> Result<Option<Self>, BackendError> {
        let Value::Entries(_) = settings else {
            return Err(BackendError::NotADictionary { line: line(Some(settings)) });
        };
        let engine = settings.get("ENGINE");
        let Some(written) = engine.and_then(Value::as_text) else {
            return Err(BackendError::Engine { line: line(engine) });
        };
        if !written.starts_with(ENGINE) {
            return Ok(None);
        }
        // RapidSMS does not mind the case of this key.
        let config = ["config", "CONFIG", "Config"].into_iter().find_map(|key| settings.get(key));
        let setting = |key: &'static str| {
            let value = config.and_then(|config| config.get(key));
            match value {
                Some(Value::Text(text)) => Ok(Said::Text(text.clone())),
                Some(Value::Environment { variable, .. }) => Ok(Said::Variable(variable.clone())),
                _ => Err(BackendError::Setting { key, line: line(value).or_else(|| line(config)) }),
            }
        };
        let fits = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '-' | '_') { c } else { '-' };
        let fitting: String = name.chars().map(fits).collect();
        let backend = fitting.parse().map_err(|_| BackendError::Name)?;
        // An application of the house may have the name already.
        let is_taken = router::built_in().any(|built_in| built_in == fitting);
        let project = if is_taken { format!("{fitting}-rapidsms") } else { fitting };
        let project = project.parse().map_err(|_| BackendError::Name)?;
        let (token, number) = (setting("messaging_token")?, setting("number")?);
        Ok(Some(Self { name: name.to_owned(), backend, project, token, number }))
    }
}

/// A line of our configuration; where the value is a variable's, what to do about it.
fn line_of(backend: &BackendName, key: &str, said: &Said) -> String {
    match said {
        Said::Text(text) => format!("{key} = {}\n", quoted(text)),
        Said::Variable(variable) => {
            let ours = format!("{backend}__{key}").to_ascii_uppercase().replace('-', "_");
            format!("# {key}: set TROPOMQ__BACKENDS__{ours} to what the project has in {variable}.\n")
        }
    }
}

/// A text as TOML has it.
fn quoted(text: &str) -> String {
    toml::Value::String(text.to_owned()).to_string()
}

/// The table that has the projects asked.
pub(super) fn applications(backends: &[Tropo]) -> String {
    let names: Vec<String> = backends.iter().map(|tropo| quoted(tropo.project.as_str())).collect();
    let told = "# The application subscription takes STOP and START before the project sees them.";
    format!("[router]\n{told}\napplications = [\"subscription\", {}]\n", names.join(", "))
}

/// How the project and router reach each other.
#[derive(Clone, Copy)]
pub(super) struct Plan<'a> {
    pub(super) format: Format,
    pub(super) project: &'a Url,
    pub(super) router: &'a Url,
    /// What the project shows when it sends, whichever backend it sends through.
    pub(super) password: &'a str,
}

impl Plan<'_> {
    /// Our configuration of a backend and its project.
    pub(super) fn configuration(&self, tropo: &Tropo, webhook_secret: &str) -> String {
        let Tropo { backend, project, token, number, .. } = tropo;
        let mut written = format!("\n[backends.{backend}]\n");
        written += &line_of(backend, "messaging_token", token);
        written += &line_of(backend, "number", number);
        written += "# Tropo's messaging URL is to be https://HOST/tropo/BACKEND/SECRET.\n";
        let (format, url) = (self.format.word(), quoted(&self.view(backend)));
        // Writing to a string cannot fail.
        let _ = write!(
            written,
            "webhook_secret = {}\n\n[router.rapidsms.{project}]\nformat = \"{format}\"\nurl = {url}\npassword = {}\n",
            quoted(webhook_secret),
            quoted(self.password),
        );
        if project != backend {
            written += "# The name of the backend is that of an application that is built in.\n";
            written += &format!("backend = {}\n", quoted(backend.as_str()));
        }
        if self.project.scheme() == "http" {
            written += "# The project is on this machine, or in a network of your own: texts go there unencrypted.\n";
            written += "allow_private = true\n";
        }
        written
    }

    /// What changes in the project.
    pub(super) fn advice(&self, tropo: &Tropo) -> String {
        let Tropo { backend, project, .. } = tropo;
        let (name, host) = (python(&tropo.name), python(self.project.host_str().unwrap_or_default()));
        let (engine, keys) = match self.format {
            Format::Vumi | Format::Http => (
                "rapidsms.backends.vumi.VumiBackend",
                format!(
                    "        \"sendsms_url\": {},\n        \"sendsms_user\": \"{project}\",\n        \
                     \"sendsms_pass\": os.environ[\"TROPOMQ_PASSWORD\"],\n",
                    python(&self.sending(project, "vumi")),
                ),
            ),
            Format::Kannel => (
                "rapidsms.backends.kannel.KannelBackend",
                format!(
                    "        \"sendsms_url\": {},\n        \"sendsms_params\": {{\n            \"username\": \
                     \"{project}\",\n            \"password\": os.environ[\"TROPOMQ_PASSWORD\"],\n        }},\n        \
                     \"charset\": \"UTF-8\",\n        \"coding\": 0,\n",
                    python(&self.sending(project, "kannel")),
                ),
            ),
        };
        let (module, view) = match self.format {
            Format::Vumi => ("rapidsms.backends.vumi.views", "VumiBackendView"),
            Format::Kannel => ("rapidsms.backends.kannel.views", "KannelBackendView"),
            Format::Http => ("rapidsms.backends.http.views", "GenericHttpBackendView"),
        };
        let app = match self.format {
            Format::Kannel => "\nIn INSTALLED_APPS, add \"rapidsms.backends.kannel\".\n",
            Format::Vumi | Format::Http => "",
        };
        format!(
            "\nIn the settings, the backend {name} becomes (with `import os` at the top; TROPOMQ_PASSWORD is the \
             password of [router.rapidsms.{project}]):\n\n    {name}: {{\n        \"ENGINE\": \"{engine}\",\n{keys}    }},\n{app}\n\
             In ALLOWED_HOSTS, have {host}: router asks the project by that name, and Django answers to no other.\n\n\
             In the URLs, instead of rtropo.views.message_received:\n\n    from {module} import {view}\n\n    \
             path(\"backend/{backend}/\", {view}.as_view(backend_name={name})),\n"
        )
    }

    /// The view that takes the texts.
    fn view(&self, backend: &BackendName) -> String {
        format!("{}/backend/{backend}/", self.project.as_str().trim_end_matches('/'))
    }

    /// Where the project sends to.
    fn sending(&self, project: &BackendName, format: &str) -> String {
        format!("{}/rapidsms/{project}/{format}", self.router.as_str().trim_end_matches('/'))
    }
}

impl Format {
    fn word(self) -> &'static str {
        match self {
            Self::Vumi => "vumi",
            Self::Kannel => "kannel",
            Self::Http => "http",
        }
    }
}

/// A text as Python has it: JSON's escapes are among Python's.
fn python(text: &str) -> String {
    serde_json::Value::from(text).to_string()
}

#[cfg(test)]
mod tests;
