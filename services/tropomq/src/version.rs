//! Which build this is: the build script says it (`build.rs`).

/// The version with the commit that this binary is made from: `0.1.0+1375705b1c2d`, or without it where nobody knew.
pub(crate) const VERSION: &str = env!("TROPOMQ_VERSION");

/// The commit alone; empty where nobody knew.
const COMMIT: &str = env!("TROPOMQ_COMMIT");

/// Tells all that this process does what it is made from.
pub(crate) fn tell() {
    chassis::build::made_from(VERSION, (!COMMIT.is_empty()).then_some(COMMIT));
}

#[cfg(test)]
#[path = "../build/commit.rs"]
mod commit;

#[cfg(test)]
mod tests;
