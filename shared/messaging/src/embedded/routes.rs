//! The bindings, compiled: which queues a routing key leads to.

use std::collections::HashMap;

use protocol::topology::Pattern;

use crate::embedded::store::QueueId;

/// The bindings of a topology. Those without a wildcard are looked up and not tried one by one, so that ten thousand
/// lanes are as quick as ten.
pub(super) struct Routes {
    exact: HashMap<String, Vec<QueueId>>,
    wild: Vec<(Pattern, QueueId)>,
}

impl Routes {
    pub(super) fn new(bindings: impl IntoIterator<Item = (Pattern, QueueId)>) -> Self {
        let mut routes = Self { exact: HashMap::new(), wild: Vec::new() };
        for (pattern, queue) in bindings {
            if pattern.as_str().split('.').any(|word| word == "*" || word == "#") {
                routes.wild.push((pattern, queue));
            } else {
                routes.exact.entry(pattern.as_str().to_owned()).or_default().push(queue);
            }
        }
        routes
    }

    /// The queues, each once.
    pub(super) fn to(&self, routing_key: &str) -> Vec<QueueId> {
        let mut queues = self.exact.get(routing_key).cloned().unwrap_or_default();
        queues.extend(self.wild.iter().filter(|(pattern, _)| pattern.matches(routing_key)).map(|(_, id)| *id));
        queues.sort_unstable();
        queues.dedup();
        queues
    }
}

#[cfg(test)]
mod tests {
    use protocol::topology::{Lane, Queue, Topology};

    use super::*;

    #[track_caller]
    fn check(topology: &Topology, routing_key: &str) {
        let queues = || (0..).zip(&topology.queues);
        let bindings = queues().flat_map(|(id, queue)| queue.bindings.iter().map(move |pattern| (pattern.clone(), id)));
        let routed: Vec<_> = topology.route(routing_key).map(|queue| &queue.name).collect();
        let expected: Vec<_> = queues().filter(|(_, queue)| routed.contains(&&queue.name)).map(|(id, _)| id).collect();
        assert_eq!(Routes::new(bindings).to(routing_key), expected, "{routing_key}");
    }

    #[test]
    fn a_key_leads_where_the_topology_says() {
        let lanes = ["a", "b"].map(|name| Lane { backend: name.parse().unwrap(), single_active_consumer: false });
        let mut topology = Topology::new(&lanes);
        topology.queues.push(Queue {
            name: "everything".into(),
            bindings: vec!["#".into(), "message.sent.a".into(), "message.*.a".into()],
            dead_letters: false,
            single_active_consumer: false,
            bound: None,
        });
        for key in ["message.send.a", "message.send.c", "message.sent.a", "message.received.x", "", "nothing"] {
            check(&topology, key);
            check(&Topology::new(&lanes), key);
        }
    }
}
