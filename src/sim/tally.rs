//! Names of what was met in runs in, counts and what was never met out; never says that a run failed.

use std::collections::BTreeMap;

use super::story::Happening;

/// Codes of the waits that belong to upgrades, and those of nodes and frontends that an upgrade meets.
const WAITS: [&str; 28] = [
    "SR-2001", "SR-2002", "SR-2003", "SR-2004", "SR-2101", "SR-2102", "SR-2103", "SR-2105", "SR-2106", "SR-2107", "SR-2108", "SR-2109",
    "SR-2111", "SR-2112", "SR-2201", "SR-2202", "SR-2203", "SR-2204", "SR-2205", "SR-2206", "SR-2207", "SR-2208", "SR-2209", "SR-2211",
    "SR-2221", "SR-2223", "SR-2227", "SR-2235",
];

/// How often something was met.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Tally(BTreeMap<String, u64>);

impl Tally {
    /// Notes that something was met once.
    pub fn meet(&mut self, name: &str) {
        match self.0.get_mut(name) {
            Some(count) => *count += 1,
            None => drop(self.0.insert(name.to_owned(), 1)),
        }
    }

    /// Takes in what another run met.
    pub fn add(&mut self, other: &Self) {
        for (name, count) in &other.0 {
            *self.0.entry(name.clone()).or_default() += count;
        }
    }

    /// Happenings and waits that should be met at some time and never were.
    pub fn never_met(&self) -> Vec<&'static str> {
        Happening::NAMES.into_iter().chain(WAITS).filter(|name| !self.0.contains_key(*name)).collect()
    }

    /// Everything met, by name.
    pub fn counts(&self) -> impl Iterator<Item = (&str, u64)> {
        self.0.iter().map(|(name, count)| (name.as_str(), *count))
    }
}
