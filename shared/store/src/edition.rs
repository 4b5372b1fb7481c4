//! Which schemas this code works with, on either database.
//!
//! The version of a schema is the number of steps that made it. With it stands the lowest version whose code works with
//! what these steps left: so an older process goes on beside a newer one, and can be started again, as long as the steps
//! between them only add ([ADR 0019](../../../docs/adr/0019-a-schema-says-who-works-with-it.md)).

use crate::OpenError;

/// The version that this code makes: how many steps it knows.
pub(crate) const KNOWN: i64 = 8;

/// The lowest version whose code works with the schema that this code makes. A step that only adds leaves it as it is. One
/// that takes away what the code of some version before it still used raises it to the first version that did not.
pub(crate) const WORKS_FROM: i64 = 8;

/// The schema that was found.
#[derive(Clone, Copy, PartialEq, Eq, Debug)]
pub(crate) struct Edition {
    /// Its version; 0 where there is none yet.
    pub(crate) version: i64,
    /// The lowest version whose code works with it, as it says itself.
    pub(crate) works_from: i64,
}

impl Edition {
    /// One that is no newer than what is known here: this code works with it, once the missing steps are done.
    pub(crate) fn known(version: i64) -> Self {
        Self { version, works_from: version }
    }

    /// Whether steps are missing.
    ///
    /// # Errors
    /// [`OpenError::Newer`]: this code does not work with it any more.
    pub(crate) fn is_behind(self) -> Result<bool, OpenError> {
        if KNOWN < self.works_from {
            return Err(OpenError::Newer { found: self.version, known: KNOWN });
        }
        Ok(self.version < KNOWN)
    }

    /// Whether a newer version of tropomq made it, and this code works with it nevertheless.
    pub(crate) fn is_ahead(self) -> bool {
        KNOWN < self.version
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_newer_schema_is_worked_with_as_long_as_it_says_so() {
        let check =
            |version, works_from| Edition { version, works_from }.is_behind().map_err(|error| error.to_string());
        assert_eq!(check(0, 0), Ok(true));
        assert_eq!(check(KNOWN - 1, KNOWN - 1), Ok(true));
        assert_eq!(check(KNOWN, KNOWN), Ok(false));
        assert_eq!(check(KNOWN + 3, KNOWN), Ok(false));
        assert!(check(KNOWN + 3, KNOWN + 1).unwrap_err().contains("upgrade tropomq first"));
    }
}
