//! What the console is told about the process that it runs in, and about the stack's configuration.

use std::time::Duration;

use messaging::BoxFuture;
use protocol::{Address, BackendName};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;

/// A backend, as the configuration has it: without its secrets.
#[derive(Clone, PartialEq, Debug)]
pub struct Backend {
    /// Its number.
    pub number: Address,
    /// Messages a second; `None`: as fast as it goes.
    pub rate: Option<f64>,
    /// What is done with a message whose result does not come: `hold` or `resend`.
    pub on_unconfirmed: &'static str,
    /// Whether its webhook has a secret, or is limited to networks.
    pub is_guarded: bool,
    /// Where Tropo posts to, without its secret: a path, at whatever address Tropo reaches ingress by.
    pub webhook: String,
    /// Whether it is the flow probe's, and nobody else's.
    pub is_probe: bool,
}

impl Backend {
    /// Where Tropo's application has to post to, in words.
    pub(crate) fn webhook_told(&self) -> String {
        let secret = if self.is_guarded { " (and its secret after it, where it has one)" } else { "" };
        format!("{}{secret} at the public address of ingress", self.webhook)
    }
}

/// An application of the router, as the configuration has it.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Application {
    /// Its name, as `router.applications` has it.
    pub name: String,
    /// What it is: `built in`, `http`, `amqp` or `rapidsms`.
    pub kind: &'static str,
}

/// Something about the configuration that is wrong, or worth a look.
#[derive(Clone, PartialEq, Eq, Debug, Serialize, ToSchema)]
pub struct Finding {
    /// The key that it is about, as in `backends.a.rate`.
    pub key: Option<String>,
    /// Whether the stack cannot run with it.
    pub is_error: bool,
    /// What it is, and how to mend it.
    pub told: String,
}

/// The process that the console runs in.
pub trait House: Send + Sync {
    /// The version of the program.
    fn version(&self) -> &'static str;

    /// The readiness of this process, as `/readyz` writes it, by the name of the process.
    fn readiness(&self) -> (String, Value);

    /// The applications of the router now, in the order in which they are asked.
    fn applications(&self) -> Vec<Application>;

    /// What the configuration, as it stands in its file and environment now, has to be said about.
    fn configuration(&self) -> Vec<Finding>;

    /// The account of every text and message, and whether it adds up, as `tropomq balance --json` prints it.
    /// `settle`: how long something may be on its way before it is looked for.
    ///
    /// # Errors
    /// Why it cannot be told now.
    fn balance<'a>(
        &'a self,
        backend: Option<&'a BackendName>,
        settle: Duration,
    ) -> BoxFuture<'a, Result<Value, String>>;
}
