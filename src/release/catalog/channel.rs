//! The entries of a channel in, its head and the way from release to release out; the rules are OLM's.

use std::collections::BTreeSet;

use super::super::version::Version;
use super::fault::{CatalogFault, FaultKind};
use super::source::{Channel, Entry};

impl Entry {
    /// An entry that is reached from everything of its line before it.
    pub fn of_line(version: Version) -> Self {
        let skip_range = (version.patch > 0).then(|| super::super::range::Range::line_before(version));
        Self { version, replaces: None, skips: BTreeSet::new(), skip_range }
    }

    /// Whether somebody who runs `from` may come here.
    pub fn is_reached_from(&self, from: &Version) -> bool {
        let skipped = self.skip_range.as_ref().is_some_and(|range| range.covers(from));
        *from < self.version && (self.replaces.as_ref() == Some(from) || self.skips.contains(from) || skipped)
    }
}

impl Channel {
    /// The entry that no other entry replaces or skips.
    pub fn head(&self) -> Option<Version> {
        let mut heads = self.heads().into_iter();
        heads.next().filter(|_| heads.next().is_none())
    }

    /// Releases that the channel leads to from `from` in one step, oldest first. What another entry skips is no target.
    pub fn successors(&self, from: &Version) -> Vec<Version> {
        let skipped = self.skipped();
        let reached = self.entries.iter().filter(|entry| entry.is_reached_from(from) && !skipped.contains(&entry.version));
        reached.map(|entry| entry.version).collect::<BTreeSet<_>>().into_iter().collect()
    }

    /// Whether a release is an entry.
    pub fn holds(&self, version: &Version) -> bool {
        self.entries.iter().any(|entry| entry.version == *version)
    }

    fn skipped(&self) -> BTreeSet<Version> {
        self.entries.iter().flat_map(|entry| entry.skips.iter().copied()).collect()
    }

    fn heads(&self) -> Vec<Version> {
        let covered: BTreeSet<Version> = self.entries.iter().flat_map(|entry| entry.replaces.iter().chain(&entry.skips).copied()).collect();
        self.entries.iter().map(|entry| entry.version).filter(|version| !covered.contains(version)).collect()
    }

    /// What is wrong with the entries among themselves: unique releases, one head, and from the head a chain of `replaces` to every entry that is not
    /// skipped. Entries go forward only, so there is no cycle.
    pub(super) fn faults(&self, path: &str) -> Vec<CatalogFault> {
        let fault = |field: String, rule: String, way_out: &str| CatalogFault::new(FaultKind::ChannelGraph, field, rule, way_out);
        let mut faults = Vec::new();
        let mut seen = BTreeSet::new();
        for (index, entry) in self.entries.iter().enumerate() {
            let at = format!("{path}.entries[{index}]");
            if !seen.insert(entry.version) {
                let rule = format!("{} is an entry already", entry.version);
                faults.push(CatalogFault::new(FaultKind::Duplicate, format!("{at}.version"), rule, "Keep one of the two"));
            }
            let newer = |other: &&Version| **other >= entry.version;
            if let Some(other) = entry.replaces.as_ref().filter(newer) {
                let rule = format!("{} cannot replace {other}: a channel goes forward only", entry.version);
                faults.push(fault(format!("{at}.replaces"), rule, "Name an older release"));
            }
            if let Some(other) = entry.skips.iter().find(newer) {
                let rule = format!("{} cannot skip {other}: a channel goes forward only", entry.version);
                faults.push(fault(format!("{at}.skips"), rule, "Name older releases"));
            }
        }
        if !faults.is_empty() {
            return faults;
        }
        let heads = self.heads();
        match heads.as_slice() {
            [] => faults.push(fault(format!("{path}.entries"), "a channel needs an entry".to_owned(), "Add one")),
            [head] => faults.extend(self.stranded(*head).map(|stranded| {
                let rule = format!("from the head {head} no chain of `replaces` leads to {stranded}, and nothing skips it");
                fault(format!("{path}.entries"), rule, "Connect it with `replaces`, or add it to the `skips` of a newer entry")
            })),
            several => {
                let list: Vec<String> = several.iter().map(Version::to_string).collect();
                let rule = format!("the channel has {} heads ({}): nothing replaces or skips them", list.len(), list.join(", "));
                faults.push(fault(format!("{path}.entries"), rule, "Let the newest of them replace or skip the others"));
            }
        }
        faults
    }

    /// An entry that neither the chain from the head nor the skips of another entry reach.
    fn stranded(&self, head: Version) -> Option<Version> {
        let mut met = self.skipped();
        let mut at = Some(head);
        while let Some(version) = at {
            met.insert(version);
            at = self.entries.iter().find(|entry| entry.version == version).and_then(|entry| entry.replaces);
        }
        self.entries.iter().map(|entry| entry.version).find(|version| !met.contains(version))
    }
}
