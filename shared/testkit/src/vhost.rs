//! A virtual host of the test's own, on a broker that it shares with others.

use std::env;
use std::sync::{Mutex, PoisonError};
use std::time::{Duration, Instant};

use parts::{Management, PartError, RabbitMq};

/// The records of every event and of every dead letter: the queues that may keep messages.
const RECORDS: [&str; 2] = ["journal.events", "journal.dead"];
/// Counts may be this old: two of the intervals at which queues count, and some more.
const COUNTS_LATE: Duration = Duration::from_millis(600);
/// The longest wait for empty queues.
const EMPTY_MAX: Duration = Duration::from_secs(15);

/// The broker of this process, where no shared one was started for it. Its watchdog ends it with the process.
static PRIVATE: Mutex<Option<RabbitMq>> = Mutex::new(None);

/// A virtual host that nobody else uses. Dropping it deletes it.
#[derive(Debug)]
pub struct Vhost {
    name: String,
    url: String,
    management: Management,
}

/// A fresh virtual host: on the broker that the environment names ([`crate::AMQP_URL`], [`crate::AMQP_ADMIN`]), else on
/// one that is started for this process.
///
/// # Errors
/// When there is no broker and none can be started.
pub fn vhost() -> Result<Vhost, PartError> {
    if let (Ok(url), Ok(address)) = (env::var(crate::AMQP_URL), env::var(crate::AMQP_ADMIN)) {
        return Vhost::create(&url, Management::new(address));
    }
    let mut private = PRIVATE.lock().unwrap_or_else(PoisonError::into_inner);
    let broker = match private.take() {
        Some(broker) => broker,
        None => RabbitMq::start()?,
    };
    Vhost::on(private.insert(broker))
}

impl Vhost {
    /// A fresh virtual host on a broker of the test's own.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn on(broker: &RabbitMq) -> Result<Self, PartError> {
        Self::create(&broker.url(), broker.management())
    }

    /// `broker_url` names any virtual host of the broker.
    fn create(broker_url: &str, management: Management) -> Result<Self, PartError> {
        // It stands in the URL as it is: it holds nothing that needs an escape.
        let name = parts::unique_name("test");
        management.add_vhost(&name)?;
        let server = broker_url.rsplit_once('/').map_or(broker_url, |(server, _)| server);
        let url = format!("{server}/{name}");
        Ok(Self { name, url, management })
    }

    /// Its name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its URL.
    #[must_use]
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The management API of its broker.
    #[must_use]
    pub fn management(&self) -> &Management {
        &self.management
    }

    /// Its queues, as [`Management::queues`] has them.
    ///
    /// # Errors
    /// When the broker does not answer.
    pub fn queues(&self) -> Result<Vec<(String, u64)>, PartError> {
        self.management.queues(&self.name)
    }

    /// Waits until no queue but the records `journal.events` and `journal.dead` has a message, acknowledged ones not
    /// counted, and stays so for as long as the counts may be late.
    ///
    /// # Panics
    /// When that does not come about within 15 s, or the broker does not answer.
    #[track_caller]
    pub fn assert_empty(&self) {
        let mut filled = Ok(Vec::new());
        let mut empty_since = None;
        let empty = parts::holds_within(EMPTY_MAX, || {
            filled = self.queues().map(|mut queues| {
                queues.retain(|(name, messages)| 0 < *messages && !RECORDS.contains(&name.as_str()));
                queues
            });
            match &filled {
                Ok(queues) if queues.is_empty() => {
                    COUNTS_LATE <= empty_since.get_or_insert_with(Instant::now).elapsed()
                }
                Ok(_) | Err(_) => {
                    empty_since = None;
                    filled.is_err()
                }
            }
        });
        assert!(empty && filled.is_ok(), "queues of {} are not empty: {filled:?}", self.name);
    }
}

impl Drop for Vhost {
    fn drop(&mut self) {
        // The broker may be gone, and the virtual host goes with it at the latest.
        let _ = self.management.delete_vhost(&self.name);
    }
}
