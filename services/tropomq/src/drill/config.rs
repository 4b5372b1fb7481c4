//! What the processes of a drill are configured with: as in earnest, but with waits short enough for a drill.

use std::net::SocketAddr;
use std::path::Path;
use std::time::Duration;

use anyhow::Context;
use serde_json::{Value, json};

use super::tropo::NUMBER;
use crate::rig::Places;

/// The one backend.
pub(super) const BACKEND: &str = "drill";

/// How long egress waits for Tropo's answer, and for a call-back.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(2);
const CALLBACK_TIMEOUT: Duration = Duration::from_secs(3);

/// How long after its release a message is called unconfirmed.
const RESULT_TIMEOUT: Duration = Duration::from_secs(8);

/// The longest wait between two tries.
const RETRY_LONGEST: Duration = Duration::from_secs(2);

/// How often egress looks for what is overdue.
const SWEEP_INTERVAL: Duration = Duration::from_secs(2);

/// How long, when nothing is wrong any more, nothing may be seen of a message that is not over.
pub(super) const SILENCE_MAX: Duration = Duration::from_secs(
    REQUEST_TIMEOUT.as_secs()
        + CALLBACK_TIMEOUT.as_secs()
        + RETRY_LONGEST.as_secs()
        + RESULT_TIMEOUT.as_secs()
        + 2 * SWEEP_INTERVAL.as_secs(),
);

/// What the configuration of every process of a drill has in common.
#[derive(Clone, Debug)]
pub(super) struct Common {
    pub(super) places: Places,
    pub(super) bus: String,
    pub(super) store: String,
    /// Where Tropo posts its webhooks, where ingress forwards call-backs, and where Tropo's session API is: the
    /// beginnings of links.
    pub(super) webhooks: SocketAddr,
    pub(super) call_backs: SocketAddr,
    pub(super) sessions: SocketAddr,
    /// Nobody else's: of this drill alone.
    pub(super) secret: String,
}

impl Common {
    /// Writes the configuration of one process to `<name>.toml`.
    ///
    /// # Errors
    /// The file cannot be written.
    pub(super) fn write(&self, folder: &Path, name: &str, ordinal: u16) -> anyhow::Result<()> {
        let path = folder.join(format!("{name}.toml"));
        // Of this process alone.
        let spool = folder.join(format!("{name}.spool"));
        let mut settings = self.settings(ordinal, &spool);
        if let Some(settings) = settings.as_object_mut().filter(|_| name == "simulator") {
            settings.insert(name.to_owned(), self.simulator());
        }
        let text = toml::to_string(&settings).context("write the configuration of the drill")?;
        std::fs::write(&path, text).with_context(|| format!("write {}", path.display()))
    }

    fn settings(&self, ordinal: u16, spool: &Path) -> Value {
        let Self { places, bus, store, secret, .. } = self;
        let written = chassis::config::duration::write;
        json!({
            "bus": { "url": bus, "drain": "3s" },
            "store": { "url": store },
            "admin": { "listen": places.admin(ordinal) },
            "telemetry": { "log": "info" },
            "ticket": { "keys": { "drill": secret } },
            "backends": { BACKEND: { "messaging_token": secret, "number": NUMBER, "webhook_secret": secret } },
            "ingress": {
                "listen": places.ingress(),
                "egress": format!("http://{}", self.call_backs),
                "spool": { "path": spool },
            },
            "router": { "applications": ["echo"], "listen": places.router() },
            "console": { "listen": places.console() },
            "egress": {
                "listen": places.egress(),
                "session_api": format!("http://{}/1.0/sessions", self.sessions),
                "connect_timeout": "1s",
                "request_timeout": written(REQUEST_TIMEOUT),
                "callback_timeout": written(CALLBACK_TIMEOUT),
                "result_timeout": written(RESULT_TIMEOUT),
                "retry": { "first": "200ms", "longest": written(RETRY_LONGEST) },
            },
        })
    }

    /// Everything that the drill wants to read at its end is remembered until then.
    fn simulator(&self) -> Value {
        json!({
            "listen": self.places.simulator(),
            "sessions_max": 1_000_000,
            "sessions_kept": 10_000_000,
            "phone_messages": 10_000_000,
            "debugger_lines": 100_000,
            "applications": { BACKEND: {
                "messaging_url": format!("http://{}/tropo/{BACKEND}/{}", self.webhooks, self.secret),
                "messaging_token": self.secret,
                "numbers": [NUMBER],
            } },
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::settings::Settings;
    use crate::stack::Services;

    #[test]
    fn what_is_written_is_a_configuration_that_the_services_take() {
        let folder = tempfile::tempdir().unwrap();
        let any = SocketAddr::from(([127, 0, 0, 1], 9));
        for (bus, store) in [
            ("amqp://guest:guest@127.0.0.1:1/drill", "postgres://u:p@127.0.0.1:2/d?sslmode=disable"),
            ("embedded:/a folder/\"bus\"", "sqlite:/a folder/\"ledger\".db"),
        ] {
            let common = Common {
                places: Places::new(),
                bus: bus.to_owned(),
                store: store.to_owned(),
                webhooks: any,
                call_backs: any,
                sessions: any,
                secret: "0123456789abcdef0123456789abcdef".to_owned(),
            };
            for (name, ordinal) in [("ingress", 0), ("simulator", 1)] {
                common.write(folder.path(), name, ordinal).unwrap();
                let settings = Settings::load(Some(folder.path().join(format!("{name}.toml")))).unwrap();
                settings.check().unwrap();
                settings.check_for(Services::ALL).unwrap();
                settings.ticket.keyring().unwrap();
                assert_eq!(settings.simulator.applications.len(), usize::from(name == "simulator"));
                assert_eq!(settings.ingress.spool.path, folder.path().join(format!("{name}.spool")));
            }
        }
    }
}
