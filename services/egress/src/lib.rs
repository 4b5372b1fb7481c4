//! Runs Tropo's token-create and call-back dance, and releases each message at most once.
