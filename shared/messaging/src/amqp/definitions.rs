//! RabbitMQ's definitions: everything that the services declare, with users who may use it and nothing else, in the form
//! that `rabbitmqctl import_definitions` reads.

use protocol::topology::Topology;
use serde_json::{Value, json};

use super::declared::{self, Declared, Target};

/// What the services' user may configure, write and read: what is ours by name. All of them declare everything, so that
/// none has to be started first.
const OURS: &str = "^(tropomq$|(tropomq|router|egress|journal|application)\\.)";
/// No resource has such a name.
const NOTHING: &str = "^$";
/// The queues that have replicas. What belongs to one connection has none.
const REPLICATED: &str = "^(router|egress|journal|application)\\.|^tropomq\\.(dead|unrouted|retry)";

/// The definitions of a virtual host with this topology, and of two users without a password, who cannot sign in before
/// they are given one: `user`, as whom the services do their work, and `<user>-balance`, who may look at the numbers of
/// the management API alone.
#[must_use]
pub fn definitions(topology: &Topology, vhost: &str, user: &str) -> Value {
    let (mut exchanges, mut queues, mut bindings) = (Vec::new(), Vec::new(), Vec::new());
    for declared in declared::all(topology) {
        // Some are declared twice, each time before what refers to them.
        let (all, one) = match declared {
            Declared::Exchange(exchange) => (
                &mut exchanges,
                json!({
                    "name": exchange.name, "vhost": vhost, "type": exchange.kind, "durable": true,
                    "auto_delete": false, "internal": false, "arguments": exchange.arguments,
                }),
            ),
            Declared::Queue(queue) => (
                &mut queues,
                json!({
                    "name": queue.name, "vhost": vhost, "durable": true, "auto_delete": false,
                    "arguments": queue.arguments,
                }),
            ),
            Declared::Binding(binding) => {
                let (destination_type, destination) = match binding.to {
                    Target::Queue(name) => ("queue", name),
                    Target::Exchange(name) => ("exchange", name),
                };
                let binding = json!({
                    "source": binding.from, "vhost": vhost, "destination": destination,
                    "destination_type": destination_type, "routing_key": binding.key, "arguments": {},
                });
                (&mut bindings, binding)
            }
        };
        if !all.contains(&one) {
            all.push(one);
        }
    }
    let looks_on = format!("{user}-balance");
    json!({
        "vhosts": [{ "name": vhost }],
        "users": [
            { "name": user, "password_hash": "", "tags": "" },
            { "name": looks_on, "password_hash": "", "tags": "management" },
        ],
        "permissions": [
            { "user": user, "vhost": vhost, "configure": OURS, "write": OURS, "read": OURS },
            { "user": looks_on, "vhost": vhost, "configure": NOTHING, "write": NOTHING, "read": NOTHING },
        ],
        // Limits are arguments of the queues. A policy says what may differ from one broker to the other: here, that
        // the leaders are not all on the node that a service happened to be connected to.
        "policies": [{
            "name": "tropomq-leaders", "vhost": vhost, "pattern": REPLICATED, "apply-to": "queues", "priority": 0,
            "definition": { "queue-leader-locator": "balanced" },
        }],
        "exchanges": exchanges,
        "queues": queues,
        "bindings": bindings,
    })
}
