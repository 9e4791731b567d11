//! The embedded release table and the catalogs of users in, one catalog of releases, channels and images out; a broken catalog contributes nothing.

mod channel;
mod defaults;
mod fault;
mod merge;
mod source;
mod told;

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::sync::{Arc, OnceLock};

pub use defaults::default_source;
pub use fault::{CatalogFault, FaultKind};
pub use merge::Merged;
pub use source::{
    CatalogSource, Channel, ConfigChanges, ConfigKey, Deprecated, Deprecation, Entry, KnownIssue, Level, NamedSql, Release, State,
};
pub(super) use told::Lore;

use super::facts::Component;
use super::image::Image;
use super::table::ReleaseTable;
use super::version::Version;

/// Everything that is known of releases: the operator's own table, and what the catalogs of users add to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Catalog {
    table: ReleaseTable,
    channels: BTreeMap<String, Channel>,
    deprecations: BTreeMap<Deprecated, String>,
    images: BTreeMap<(Version, Component), Image>,
    complete: bool,
}

/// What is known of one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ReleaseInfo {
    /// What is thought of it.
    pub state: State,
    /// Why, for users.
    pub reason: Option<String>,
    /// Day of the end of its life, when a catalog names one.
    pub end_of_life: Option<String>,
    /// The oldest JDK that it starts with.
    pub java: Option<u32>,
    /// Configuration keys that it treats in another way than the releases before it.
    pub config: ConfigChanges,
    /// Vulnerabilities that it mends, and those that it has.
    pub cves: [Vec<String>; 2],
}

impl Catalog {
    /// The catalog of this build, without any of users.
    pub fn embedded() -> Arc<Self> {
        static EMBEDDED: OnceLock<Arc<Catalog>> = OnceLock::new();
        Arc::clone(EMBEDDED.get_or_init(|| Arc::new(Self::of_table(ReleaseTable::embedded()))))
    }

    /// The embedded catalog and those of users, by name. What has a fault is left out as a whole and told.
    pub fn merged(sources: &BTreeMap<String, CatalogSource>) -> Merged {
        merge::merged(ReleaseTable::embedded(), sources)
    }

    /// The same, known not to hold all that users say: nothing moves on its word alone.
    #[must_use]
    pub fn incomplete(self) -> Self {
        Self { complete: false, ..self }
    }

    /// Whether the catalogs of users have been read.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// Releases and the ways between them.
    pub const fn table(&self) -> &ReleaseTable {
        &self.table
    }

    /// A channel by name.
    pub fn channel(&self, name: &str) -> Option<&Channel> {
        self.channels.get(name)
    }

    /// Every channel by name.
    pub const fn channels(&self) -> &BTreeMap<String, Channel> {
        &self.channels
    }

    /// The newest release of a channel, as the channel says; it may have been withdrawn.
    pub fn head(&self, channel: &str) -> Option<Version> {
        self.channels.get(channel)?.head()
    }

    /// Releases that a channel leads to from `from` in one step, oldest first; none that is withdrawn.
    pub fn successors(&self, channel: &str, from: &Version) -> Vec<Version> {
        let successors = self.channels.get(channel).map(|channel| channel.successors(from)).unwrap_or_default();
        successors.into_iter().filter(|version| !self.is_withdrawn(version)).collect()
    }

    /// The newest of these.
    pub fn next_in(&self, channel: &str, from: &Version) -> Option<Version> {
        self.successors(channel, from).pop()
    }

    /// Whether nobody should go to a release.
    pub fn is_withdrawn(&self, version: &Version) -> bool {
        self.table.known_bad(version).is_some()
    }

    /// The image of a component at a release, when a catalog names one.
    pub fn image(&self, component: Component, version: &Version) -> Option<&Image> {
        self.images.get(&(*version, component))
    }

    /// Why a channel or release should be left, when a catalog says so.
    pub fn deprecation(&self, of: &Deprecated) -> Option<&str> {
        self.deprecations.get(of).map(String::as_str)
    }

    /// What is known of a release; `None` when nobody lists it.
    pub fn release(&self, version: &Version) -> Option<ReleaseInfo> {
        let line = self.table.line(version.line())?;
        if !self.table.knows(version) {
            return None;
        }
        let told = self.table.lore.about(version);
        let bad = self.table.known_bad(version);
        let by_table = if bad.is_some() { State::Withdrawn } else { State::Available };
        let list = |cves: Option<&std::collections::BTreeSet<String>>| cves.into_iter().flatten().cloned().collect::<Vec<_>>();
        Some(ReleaseInfo {
            state: if bad.is_some() { State::Withdrawn } else { told.map_or(by_table, |told| told.state) },
            reason: bad.map(|bad| bad.reason.clone()).or_else(|| told.and_then(|told| told.reason.clone())),
            end_of_life: told.and_then(|told| told.end_of_life.clone()).or_else(|| line.end_of_life.clone()),
            java: Some(self.table.lore.jdk(version, line.jdk_min)),
            config: told.map(|told| told.config.clone()).unwrap_or_default(),
            cves: [list(told.map(|told| &told.cves_fixed)), list(told.map(|told| &told.cves_known))],
        })
    }
}
