//! The pages of dead letters, on an embedded bus.
