//! What a configuration said when it was read, without its values: to tell later what has changed.

use std::collections::BTreeMap;
use std::hash::{DefaultHasher, Hash, Hasher};

use toml::Table;

/// A fingerprint of each table at the top of a configuration, whichever layer a key came from. Two editions are equal if
/// nothing changed between them. It holds no value, so no secret.
#[derive(Clone, PartialEq, Eq, Debug, Default)]
pub struct Edition {
    tables: BTreeMap<String, u64>,
}

impl Edition {
    pub(super) fn of(table: &Table) -> Self {
        let fingerprint = |value: &toml::Value| {
            let mut hasher = DefaultHasher::new();
            // A table has its keys in order, so the same table is written the same.
            value.to_string().hash(&mut hasher);
            hasher.finish()
        };
        Self { tables: table.iter().map(|(name, value)| (name.clone(), fingerprint(value))).collect() }
    }

    /// The tables that are not the same in both, in order.
    #[must_use]
    pub fn changed_since(&self, earlier: &Self) -> Vec<String> {
        let names = self.tables.keys().chain(earlier.tables.keys());
        let mut changed: Vec<String> =
            names.filter(|name| self.tables.get(*name) != earlier.tables.get(*name)).cloned().collect();
        changed.sort();
        changed.dedup();
        changed
    }

    /// A short word for what a table says; empty, where there is none. For people to compare, in one version of tropomq.
    #[must_use]
    pub fn revision(&self, table: &str) -> String {
        self.tables.get(table).map(|fingerprint| format!("{:08x}", fingerprint >> 32)).unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn edition(text: &str) -> Edition {
        Edition::of(&text.parse().unwrap())
    }

    #[test]
    fn the_tables_that_changed_are_named() {
        let before = edition("[bus]\nurl = 'a'\n[router]\nx = 1\ny = 2\n[old]\n");
        let after = edition("[router]\ny = 2\nx = 3\n[bus]\nurl = 'a'\n[new]\n");
        assert_eq!(after.changed_since(&before), ["new", "old", "router"]);
        assert_eq!(before.changed_since(&before), [""; 0]);
        let same = edition("[router]\ny = 2\nx = 1\n[old]\n[bus]\nurl = \"a\"\n");
        assert_eq!(same, before);
        assert_eq!(same.revision("router").len(), 8);
        assert_ne!(after.revision("router"), before.revision("router"));
        assert_eq!(after.revision("nothing"), "");
    }
}
