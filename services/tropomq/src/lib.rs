//! The command line, and every service in one process.
