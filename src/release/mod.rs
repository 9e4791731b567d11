//! StarRocks versions: parse, order, the release table, upgrade paths, catalogs and channels; no input or output.

mod catalog;
mod facts;
mod hop;
mod image;
mod path;
mod range;
mod refusal;
mod steps;
mod table;
mod version;

pub use catalog::{
    Catalog, CatalogFault, CatalogSource, Channel, ConfigChanges, ConfigKey, Deprecated, Deprecation, Entry, FaultKind, KnownIssue, Level,
    Merged, NamedSql, Release, ReleaseInfo, State, default_source,
};
pub use facts::{
    BadRelease, Component, Condition, ConditionKind, ConfigHow, ConfigStep, LineFacts, MachineCheck, Rule, RunMode, SqlStep, Stage,
};
pub use hop::{Hop, HopKind};
pub use image::Image;
pub use path::{Direction, Path};
pub use range::{Range, RangeError};
pub use refusal::{Refusal, RefusedClaim, release_of};
pub use steps::{Frame, OutlineStep, Phase, Topology, outline};
pub use table::{ReleaseTable, TableError};
pub use version::{Claim, Line, LineError, Part, Version, VersionError, parse_reported, parse_version};

#[cfg(test)]
mod tests;
