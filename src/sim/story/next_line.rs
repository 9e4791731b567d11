//! The line after the newest known one, as a catalog of the user's may tell of it: its frontends know ALTER SYSTEM TRANSFER LEADER.

use std::collections::BTreeMap;
use std::sync::Arc;

use super::Story;
use crate::release::{Catalog, CatalogSource, Range, Release, State, Version};

/// Releases of that line.
pub(super) const FIRST: Version = Version::new(4, 2, 0);
pub(super) const SECOND: Version = Version::new(4, 2, 1);

impl Story {
    /// What the operator of this story knows of releases.
    pub fn releases(&self) -> Arc<Catalog> {
        if !self.next_line {
            return Catalog::embedded();
        }
        let release = |version: Version, leader_transfer: Option<bool>| Release {
            upgrade_from: Range::parse(">=4.1.5 <4.3.0").ok(),
            downgrade_to: Range::parse(">=4.1.5 <4.2.1").ok(),
            leader_transfer,
            ..Release::new(version, State::Available)
        };
        let source = CatalogSource { releases: vec![release(FIRST, Some(true)), release(SECOND, None)], ..CatalogSource::default() };
        Arc::new(Catalog::merged(&BTreeMap::from([("next-line".to_owned(), source)])).catalog)
    }
}
