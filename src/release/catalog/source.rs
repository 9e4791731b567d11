//! What one catalog says, in types: channels, deprecations and releases; whether it agrees with what others say is not decided here.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;

use super::super::facts::{Component, RunMode, SqlStep};
use super::super::image::Image;
use super::super::range::Range;
use super::super::version::Version;

/// One catalog.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CatalogSource {
    /// Channels that it defines.
    pub channels: Vec<Channel>,
    /// What users are told about channels and releases that they should leave.
    pub deprecations: Vec<Deprecation>,
    /// What it says about single releases.
    pub releases: Vec<Release>,
}

/// A list of releases that clusters follow.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Channel {
    /// Name.
    pub name: String,
    /// Its releases.
    pub entries: Vec<Entry>,
}

/// A release in a channel, and from where it is reached.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Entry {
    /// The release.
    pub version: Version,
    /// The release before it in the channel; need not be an entry itself.
    pub replaces: Option<Version>,
    /// Further releases that it is reached from, and that are no target any more.
    pub skips: BTreeSet<Version>,
    /// Releases that it is reached from.
    pub skip_range: Option<Range>,
}

/// Words for those who use something that they should leave.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Deprecation {
    /// What.
    pub of: Deprecated,
    /// The words.
    pub message: String,
}

/// What is deprecated.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Deprecated {
    /// A channel.
    Channel(String),
    /// A release.
    Release(Version),
}

/// What is thought of a release. The order is that of care: when catalogs differ, the greater holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum State {
    /// Better than others of its line.
    Recommended,
    /// May be used.
    Available,
    /// May be used, and should be left.
    Deprecated,
    /// Never a target.
    Withdrawn,
}

impl State {
    /// The words, in the order of the variants.
    pub const WORDS: [&'static str; 4] = ["Recommended", "Available", "Deprecated", "Withdrawn"];

    /// Reads a word.
    pub fn parse(word: &str) -> Option<Self> {
        [Self::Recommended, Self::Available, Self::Deprecated, Self::Withdrawn].into_iter().find(|state| state.as_str() == word)
    }

    /// The word.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Recommended => "Recommended",
            Self::Available => "Available",
            Self::Deprecated => "Deprecated",
            Self::Withdrawn => "Withdrawn",
        }
    }
}

impl fmt::Display for State {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(self.as_str())
    }
}

/// What a catalog says about one release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Release {
    /// The release.
    pub version: Version,
    /// What is thought of it.
    pub state: State,
    /// Why, for users.
    pub reason: Option<String>,
    /// Whether `state`, `upgrade_from`, `downgrade_to`, `java` and `leader_transfer` hold against what the operator's own table says of this release.
    pub overrides: bool,
    /// Day of the end of its life, `YYYY-MM-DD`.
    pub end_of_life: Option<String>,
    /// Images by component.
    pub images: BTreeMap<Component, Image>,
    /// The oldest JDK that it starts with.
    pub java: Option<u32>,
    /// Whether its frontends, and those of later patches of its line, know ALTER SYSTEM TRANSFER LEADER.
    pub leader_transfer: Option<bool>,
    /// Releases from which it may be reached by an upgrade.
    pub upgrade_from: Option<Range>,
    /// Releases to which one may go back from it.
    pub downgrade_to: Option<Range>,
    /// Configuration keys.
    pub config: ConfigChanges,
    /// Statements before the first node of an upgrade to it.
    pub sql_before: Vec<NamedSql>,
    /// Statements after the last node of an upgrade to it.
    pub sql_after: Vec<NamedSql>,
    /// What goes wrong with it.
    pub known_issues: Vec<KnownIssue>,
    /// Vulnerabilities that it mends.
    pub cves_fixed: BTreeSet<String>,
    /// Vulnerabilities that it has.
    pub cves_known: BTreeSet<String>,
}

impl Release {
    /// A release of which nothing is said but that it may be used.
    pub fn new(version: Version, state: State) -> Self {
        Self {
            version,
            state,
            reason: None,
            overrides: false,
            end_of_life: None,
            images: BTreeMap::new(),
            java: None,
            leader_transfer: None,
            upgrade_from: None,
            downgrade_to: None,
            config: ConfigChanges::default(),
            sql_before: Vec::new(),
            sql_after: Vec::new(),
            known_issues: Vec::new(),
            cves_fixed: BTreeSet::new(),
            cves_known: BTreeSet::new(),
        }
    }
}

/// A configuration key of a component.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ConfigKey {
    /// Whose configuration.
    pub component: Component,
    /// The key; `*` at the end stands for any rest.
    pub key: String,
}

/// Configuration keys that a release treats in another way than the releases before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ConfigChanges {
    /// Keys that are gone.
    pub removed: BTreeSet<ConfigKey>,
    /// Keys with their new names.
    pub renamed: BTreeMap<ConfigKey, String>,
    /// Keys that can be set while the process runs.
    pub mutable: BTreeSet<ConfigKey>,
}

/// Something that goes wrong with a release.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct KnownIssue {
    /// Name under which people look it up.
    pub id: String,
    /// Releases at the start of the step that it concerns; absent for all.
    pub from: Option<Range>,
    /// The run mode that it concerns; absent for both.
    pub run_mode: Option<RunMode>,
    /// Whether it stops the step.
    pub level: Level,
    /// What goes wrong.
    pub text: String,
    /// Where more is written.
    pub url: Option<String>,
}

/// What a known issue does to a step that it concerns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Level {
    /// The step is not made.
    Block,
    /// The step is made, and users are told.
    Warn,
}

/// A statement that the operator knows by name; catalogs hold no SQL.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum NamedSql {
    /// The pipeline engine is switched on.
    EnablePipelineEngine,
    /// Low-cardinality optimization is switched off.
    DisableLowCardinalityOptimize,
    /// Low-cardinality optimization is switched on.
    EnableLowCardinalityOptimize,
    /// Simple aggregates are not rewritten to metadata scans.
    DisableSimpleAggregateRewrite,
    /// Simple aggregates are rewritten to metadata scans.
    EnableSimpleAggregateRewrite,
}

impl NamedSql {
    /// Every statement.
    pub const ALL: [Self; 5] = [
        Self::EnablePipelineEngine,
        Self::DisableLowCardinalityOptimize,
        Self::EnableLowCardinalityOptimize,
        Self::DisableSimpleAggregateRewrite,
        Self::EnableSimpleAggregateRewrite,
    ];

    /// Its name.
    pub const fn name(self) -> &'static str {
        match self {
            Self::EnablePipelineEngine => "EnablePipelineEngine",
            Self::DisableLowCardinalityOptimize => "DisableLowCardinalityOptimize",
            Self::EnableLowCardinalityOptimize => "EnableLowCardinalityOptimize",
            Self::DisableSimpleAggregateRewrite => "DisableSimpleAggregateRewrite",
            Self::EnableSimpleAggregateRewrite => "EnableSimpleAggregateRewrite",
        }
    }

    /// Reads a name.
    pub fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|statement| statement.name() == name)
    }

    /// The statement as a step of a hop, on whose word.
    pub(in super::super) fn step(self, source: &str) -> SqlStep {
        let sql = match self {
            Self::EnablePipelineEngine => "SET GLOBAL enable_pipeline_engine=true",
            Self::DisableLowCardinalityOptimize => "SET GLOBAL cbo_enable_low_cardinality_optimize=false",
            Self::EnableLowCardinalityOptimize => "SET GLOBAL cbo_enable_low_cardinality_optimize=true",
            Self::DisableSimpleAggregateRewrite => "SET GLOBAL enable_rewrite_simple_agg_to_meta_scan=false",
            Self::EnableSimpleAggregateRewrite => "SET GLOBAL enable_rewrite_simple_agg_to_meta_scan=true",
        };
        SqlStep { sql: sql.to_owned(), why: format!("A version catalog asks for {}.", self.name()), source: source.to_owned() }
    }
}
