//! A stand-in for Tropo itself, with virtual phones.
