//! Asks the applications for an answer and publishes it.
