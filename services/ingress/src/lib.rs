//! Turns Tropo's webhooks into events on the bus.
