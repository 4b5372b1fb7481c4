//! Ingress over real HTTP, with the embedded bus behind it and a server in the place of egress.

mod answers;
mod events;
mod stage;
