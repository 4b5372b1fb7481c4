//! RabbitMQ's management API, as much as is needed of it.

use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use crate::part::PartError;

/// `guest:guest` in Base64.
const CREDENTIALS: &str = "Z3Vlc3Q6Z3Vlc3Q=";
/// The longest wait for an answer.
const ANSWER_MAX: Duration = Duration::from_secs(30);
/// The longest wait until there is a count of every queue.
const STATISTICS_MAX: Duration = Duration::from_secs(10);

/// The management API of a broker.
#[derive(Clone, Debug)]
pub struct Management {
    /// `host:port`.
    address: String,
}

impl Management {
    /// The management API at `host:port`.
    #[must_use]
    pub fn new(address: String) -> Self {
        Self { address }
    }

    /// Where it listens: `host:port`.
    #[must_use]
    pub fn address(&self) -> &str {
        &self.address
    }

    /// Creates a virtual host in which `guest` may do everything.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub fn add_vhost(&self, name: &str) -> Result<(), PartError> {
        let name = encoded(name);
        self.request("PUT", &format!("/api/vhosts/{name}"), "{}")?;
        let all = r#"{"configure":".*","write":".*","read":".*"}"#;
        self.request("PUT", &format!("/api/permissions/{name}/guest"), all).map(drop)
    }

    /// Creates a user, or gives one another password.
    ///
    /// # Errors
    /// When the broker does not answer, or refuses.
    pub fn set_password(&self, user: &str, password: &str) -> Result<(), PartError> {
        let body = format!(r#"{{"password":"{password}","tags":""}}"#);
        self.request("PUT", &format!("/api/users/{}", encoded(user)), &body).map(drop)
    }

    /// Lets a user configure and write everything in a virtual host, and read what begins so.
    ///
    /// # Errors
    /// When the broker does not answer, or knows no such user or virtual host.
    pub fn permit(&self, user: &str, vhost: &str, reads: &str) -> Result<(), PartError> {
        let body = format!(r#"{{"configure":".*","write":".*","read":"^{reads}.*"}}"#);
        self.request("PUT", &format!("/api/permissions/{}/{}", encoded(vhost), encoded(user)), &body).map(drop)
    }

    /// Imports definitions: virtual hosts, users, rights, policies, exchanges, queues and bindings.
    ///
    /// # Errors
    /// When the broker does not answer, or does not take one of them.
    pub fn import(&self, definitions: &str) -> Result<(), PartError> {
        self.request("POST", "/api/definitions", definitions).map(drop)
    }

    /// The definitions of a virtual host, as JSON.
    ///
    /// # Errors
    /// When the broker does not answer, or has no such virtual host.
    pub fn definitions(&self, vhost: &str) -> Result<String, PartError> {
        self.request("GET", &format!("/api/definitions/{}", encoded(vhost)), "")
    }

    /// What it answers to a request of this path, as `/api/overview`.
    ///
    /// # Errors
    /// When the broker does not answer, or has nothing there.
    pub fn get(&self, path: &str) -> Result<String, PartError> {
        self.request("GET", path, "")
    }

    /// Deletes a user.
    ///
    /// # Errors
    /// When the broker does not answer, or has no such user.
    pub fn delete_user(&self, user: &str) -> Result<(), PartError> {
        self.request("DELETE", &format!("/api/users/{}", encoded(user)), "").map(drop)
    }

    /// Deletes a queue with what is on it.
    ///
    /// # Errors
    /// When the broker does not answer, or has no such queue.
    pub fn delete_queue(&self, vhost: &str, queue: &str) -> Result<(), PartError> {
        self.request("DELETE", &format!("/api/queues/{}/{}", encoded(vhost), encoded(queue)), "").map(drop)
    }

    /// Deletes a virtual host with its queues and connections.
    ///
    /// # Errors
    /// When the broker does not answer, or has no such virtual host.
    pub fn delete_vhost(&self, name: &str) -> Result<(), PartError> {
        self.request("DELETE", &format!("/api/vhosts/{}", encoded(name)), "").map(drop)
    }

    /// The queues of a virtual host, each with how many messages it had less than half a second ago, acknowledged
    /// ones not counted.
    ///
    /// # Errors
    /// When the broker does not answer, or has no such virtual host.
    pub fn queues(&self, vhost: &str) -> Result<Vec<(String, u64)>, PartError> {
        // Totals straight from the queues' own counters: the API's statistics are up to 5 s late.
        let query = "disable_stats=true&enable_queue_totals=true&columns=name,messages";
        let path = format!("/api/queues/{}?{query}", encoded(vhost));
        let mut answer = String::new();
        let mut failure = None;
        let mut queues = None;
        crate::holds_within(STATISTICS_MAX, || {
            match self.request("GET", &path, "") {
                Ok(body) => {
                    queues = parse_queues(&body);
                    answer = body;
                }
                Err(error) => failure = Some(error),
            }
            failure.is_some() || queues.is_some()
        });
        match (failure, queues) {
            (Some(failure), _) => Err(failure),
            (None, Some(queues)) => Ok(queues),
            (None, None) => Err(PartError::Refused { request: path, answer }),
        }
    }

    /// Throws away what waits on a queue. What was handed out and is not acknowledged yet stays.
    ///
    /// # Errors
    /// When the broker does not answer, or has no such queue.
    pub fn purge(&self, vhost: &str, queue: &str) -> Result<(), PartError> {
        self.request("DELETE", &format!("/api/queues/{}/{}/contents", encoded(vhost), encoded(queue)), "").map(drop)
    }

    /// The names of the quorum queues of a virtual host.
    pub(crate) fn quorum_queues(&self, vhost: &str) -> Result<Vec<String>, PartError> {
        let path = format!("/api/queues/{}?disable_stats=true&columns=name,type", encoded(vhost));
        let body = self.request("GET", &path, "")?;
        let quorum = objects(&body).filter(|object| string(object, "type") == Some("quorum"));
        Ok(quorum.filter_map(|object| string(object, "name")).map(str::to_owned).collect())
    }

    /// Whether it answers, and every virtual host runs.
    pub(crate) fn is_ready(&self) -> bool {
        self.request("GET", "/api/health/checks/virtual-hosts", "").is_ok()
    }

    /// One request, one connection. HTTP/1.0, so that the answer comes whole and ends with the connection.
    fn request(&self, method: &str, path: &str, body: &str) -> Result<String, PartError> {
        let request = format!("{method} {path}");
        let exchange = || -> std::io::Result<String> {
            let mut stream = TcpStream::connect(&self.address)?;
            stream.set_read_timeout(Some(ANSWER_MAX))?;
            write!(
                stream,
                "{method} {path} HTTP/1.0\r\nhost: {}\r\nauthorization: Basic {CREDENTIALS}\r\n\
                 content-type: application/json\r\ncontent-length: {}\r\n\r\n{body}",
                self.address,
                body.len()
            )?;
            let mut answer = String::new();
            stream.read_to_string(&mut answer)?;
            Ok(answer)
        };
        let answer = exchange().map_err(PartError::io(request.clone()))?;
        let taken = answer.split(' ').nth(1).is_some_and(|status| status.starts_with('2'));
        match answer.split_once("\r\n\r\n") {
            Some((_, body)) if taken => Ok(body.to_owned()),
            _ => Err(PartError::Refused { request, answer }),
        }
    }
}

/// Reads the names and counts out of a list of flat objects. `None` while one of them has no count yet.
fn parse_queues(json: &str) -> Option<Vec<(String, u64)>> {
    objects(json)
        .map(|object| {
            let (_, messages) = object.split_once("\"messages\":")?;
            let digits = messages.split(|c: char| !c.is_ascii_digit()).next()?;
            Some((string(object, "name")?.to_owned(), digits.parse().ok()?))
        })
        .collect()
}

/// The objects of a list, none of which holds another.
fn objects(json: &str) -> impl Iterator<Item = &str> {
    json.split('{').skip(1)
}

/// A string of an object, as long as nothing in it is escaped: our queues have plain names.
fn string<'a>(object: &'a str, key: &str) -> Option<&'a str> {
    let (_, rest) = object.split_once(&format!("\"{key}\":\""))?;
    rest.split_once('"').map(|(value, _)| value)
}

/// A name as one segment of a path.
pub(super) fn encoded(name: &str) -> String {
    let mut encoded = String::new();
    for byte in name.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.".contains(&byte) {
            encoded.push(char::from(byte));
        } else {
            let _ = write!(encoded, "%{byte:02x}");
        }
    }
    encoded
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn queues_are_read_once_all_have_a_count() {
        assert_eq!(parse_queues("[]"), Some(Vec::new()));
        let counted = r#"[{"messages":3,"name":"a.b"},{"name":"c","messages":0}]"#;
        assert_eq!(parse_queues(counted), Some(vec![("a.b".to_owned(), 3), ("c".to_owned(), 0)]));
        assert_eq!(parse_queues(r#"[{"messages":3,"name":"a"},{"name":"b"}]"#), None);
    }

    #[test]
    fn a_name_is_one_segment_of_a_path() {
        assert_eq!(encoded("/"), "%2f");
        assert_eq!(encoded("t_1-a.b c"), "t_1-a.b%20c");
    }
}
