//! RabbitMQ's management API, as much as counting needs of it.

use std::collections::BTreeMap;
use std::time::Duration;

use anyhow::{Context, bail};
use messaging::Depths;
use serde::Deserialize;
use url::Url;

/// How long an answer may take.
const ANSWER_MAX: Duration = Duration::from_secs(10);

/// Who RabbitMQ takes a caller without a name for, on its own machine.
const GUEST: &str = "guest";

/// The management API of a broker, for one virtual host. Holds the password, so it has no `Debug`.
pub(super) struct Management {
    client: reqwest::Client,
    queues: Url,
    user: String,
    password: String,
}

/// A queue, as the API has it.
#[derive(Debug, Deserialize)]
struct Counted {
    name: String,
    /// Left out while the broker has not counted a queue yet.
    messages_ready: Option<u64>,
    messages_unacknowledged: Option<u64>,
}

impl Management {
    /// User, password and virtual host are those of the bus, where `management` names no user.
    pub(super) fn new(management: &str, bus: &Url) -> anyhow::Result<Self> {
        let mut queues: Url = management.parse().context("configuration key bus.management")?;
        let named = if queues.username().is_empty() { bus } else { &queues };
        let user = Some(named.username()).filter(|user| !user.is_empty()).map_or(GUEST.to_owned(), decoded);
        let password = named.password().map_or(GUEST.to_owned(), decoded);
        // Neither fails for an http address.
        let _ = queues.set_username("");
        let _ = queues.set_password(None);
        let vhost = bus.path().trim_start_matches('/');
        let vhost = if vhost.is_empty() { "/".to_owned() } else { decoded(vhost) };
        if let Ok(mut path) = queues.path_segments_mut() {
            path.pop_if_empty().extend(["api", "queues", &vhost]);
        }
        // Totals straight from the queues' own counters: the API's statistics are seconds late.
        queues.set_query(Some(
            "disable_stats=true&enable_queue_totals=true&columns=name,messages_ready,messages_unacknowledged",
        ));
        let client = reqwest::Client::builder().timeout(ANSWER_MAX).no_proxy().build()?;
        Ok(Self { client, queues, user, password })
    }

    /// Says of each queue what is in consumers' hands. One that is not counted yet stays as it is.
    pub(super) async fn complete(&self, depths: &mut Depths) -> anyhow::Result<()> {
        let url = &self.queues;
        let asked = self.client.get(url.clone()).basic_auth(&self.user, Some(&self.password)).send().await;
        let answer =
            asked.map_err(reqwest::Error::without_url).with_context(|| format!("ask {url} (bus.management)"))?;
        if !answer.status().is_success() {
            bail!("{url} (bus.management) answered {}", answer.status());
        }
        let counted: Vec<Counted> =
            answer.json().await.map_err(reqwest::Error::without_url).context("bus.management")?;
        let counted: BTreeMap<&str, &Counted> = counted.iter().map(|queue| (queue.name.as_str(), queue)).collect();
        for (queue, depth) in depths {
            if let Some(counted) = counted.get(queue.as_str())
                && let (Some(ready), Some(in_hand)) = (counted.messages_ready, counted.messages_unacknowledged)
            {
                // Both of one moment: what is handed out meanwhile would be counted twice, or not at all.
                (depth.ready, depth.in_hand) = (ready, Some(in_hand));
            }
        }
        Ok(())
    }
}

/// A part of a URL, as it is meant.
fn decoded(written: &str) -> String {
    let mut bytes = Vec::new();
    let mut rest = written.as_bytes();
    while let [first, after @ ..] = rest {
        let escaped = match (first, after) {
            (b'%', [high, low, ..]) => {
                let digit = |byte: &u8| char::from(*byte).to_digit(16);
                digit(high).zip(digit(low)).and_then(|(high, low)| u8::try_from(16 * high + low).ok())
            }
            _ => None,
        };
        bytes.push(escaped.unwrap_or(*first));
        rest = if escaped.is_some() { after.get(2..).unwrap_or_default() } else { after };
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[track_caller]
    fn check(management: &str, bus: &str, url: &str, user: &str, password: &str) {
        let management = Management::new(management, &bus.parse().unwrap()).unwrap();
        assert_eq!(management.queues.as_str().split('?').next(), Some(url));
        assert_eq!((management.user.as_str(), management.password.as_str()), (user, password));
    }

    #[test]
    fn it_is_asked_for_the_virtual_host_of_the_bus_by_its_user() {
        chassis::tls::install_provider();
        check("http://h:15672", "amqp://u:p%40w@h/%2f", "http://h:15672/api/queues/%2F", "u", "p@w");
        check("http://h:15672/", "amqp://h", "http://h:15672/api/queues/%2F", "guest", "guest");
        check("https://a:b@h/mq/", "amqp://u:p@h/my-host", "https://h/mq/api/queues/my-host", "a", "b");
    }
}
