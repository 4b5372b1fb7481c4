//! How many files and connections the process may have open.

use tracing::warn;

/// Raises the soft limit of open files to the hard one. The soft limit, often 1024, is what a shell hands down for the
/// sake of old programs; a server of a thousand connections needs more.
///
/// Call it after telemetry has begun: a refusal is said in the log, and the listeners then serve fewer at once.
pub fn raise_limit() {
    if let Err(error) = rlimit::increase_nofile_limit(u64::MAX) {
        warn!("the limit of open files stays as it is: {error}");
    }
}

#[cfg(test)]
mod tests {
    #[test]
    fn the_soft_limit_becomes_the_hard_one() {
        super::raise_limit();
        let (soft, hard) = rlimit::Resource::NOFILE.get().unwrap();
        assert_eq!(soft, hard);
    }
}
