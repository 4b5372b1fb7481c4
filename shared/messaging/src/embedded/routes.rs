//! The bindings, compiled: which queues a routing key leads to.

use std::cell::RefCell;
use std::collections::HashMap;
use std::sync::Arc;

use protocol::topology::Pattern;

use crate::embedded::store::QueueId;

/// So many routing keys are remembered with where they lead. A backend has a few dozen.
const KNOWN_MAX: usize = 4096;

/// The bindings of a topology. Those without a wildcard are looked up and not tried one by one, so that ten thousand
/// lanes are as quick as ten.
pub(super) struct Routes {
    exact: HashMap<String, Vec<QueueId>>,
    wild: Vec<(Pattern, QueueId)>,
    /// What was found out before.
    known: RefCell<HashMap<String, Arc<[QueueId]>>>,
}

impl Routes {
    pub(super) fn new(bindings: impl IntoIterator<Item = (Pattern, QueueId)>) -> Self {
        let mut routes = Self { exact: HashMap::new(), wild: Vec::new(), known: RefCell::default() };
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
    pub(super) fn to(&self, routing_key: &str) -> Arc<[QueueId]> {
        let mut known = self.known.borrow_mut();
        if let Some(queues) = known.get(routing_key) {
            return Arc::clone(queues);
        }
        if KNOWN_MAX <= known.len() {
            known.clear();
        }
        let queues: Arc<[QueueId]> = self.find(routing_key).into();
        known.insert(routing_key.to_owned(), Arc::clone(&queues));
        queues
    }

    fn find(&self, routing_key: &str) -> Vec<QueueId> {
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
        let routes = Routes::new(bindings);
        for _ in 0..2 {
            assert_eq!(*routes.to(routing_key), expected, "{routing_key}");
        }
    }

    #[test]
    fn what_is_remembered_of_keys_is_bounded() {
        let routes = Routes::new([("#".into(), 1)]);
        for key in 0..=KNOWN_MAX {
            assert_eq!(*routes.to(&key.to_string()), [1]);
        }
        assert_eq!(routes.known.borrow().len(), 1);
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
