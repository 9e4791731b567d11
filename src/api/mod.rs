//! What users write and what we answer them in `status`: one file per part of a kind; serde and schema, no logic.
//!
//! Two promises hold for every type of this room.
//!
//! *Nothing that the schema admits fails to parse.* A list of custom resources is decoded as a whole, so one object that
//! does not parse would hide all the others. Words that have a fixed meaning (storage classes, policies, service types)
//! therefore stay strings, explicit `null` means "not given", quantities may be numbers, and judging them is the work of
//! the `validate` room, which can answer with the field, the rule and the way out.
//!
//! *Names, shapes and defaults are those of the Go operator's v1*, so that a resource written for it applies unchanged.
//! Ours are only added: `version`, `channel`, `upgradePolicy`, `configurationUpdate`, `credentials` in the spec, and the status fields beside the phases.
//! Kinds that are ours alone are served as v1beta1, with the promise in docs/api-stability.md.
//! In the Go types an empty string, list or map is the same as an absent one; it is here as well.

mod autoscaling;
mod catalog;
mod cluster;
mod components;
mod configuration;
mod lenient;
mod operation;
mod release;
mod run;
mod service;
mod status;
mod storage;
mod upgrade;
mod warehouse;
mod words;

#[cfg(test)]
mod tests;

pub use autoscaling::{AutoScalingPolicy, HpaPolicy};
pub use catalog::{
    CatalogChannel, CatalogDeprecation, CatalogEntry, StarRocksVersionCatalog, StarRocksVersionCatalogSpec, StarRocksVersionCatalogStatus,
};
pub use cluster::{DisasterRecovery, StarRocksCluster, StarRocksClusterSpec};
pub use components::{BeSpec, CnSpec, ComponentSpec, FeProxySpec, FeSpec, LoadSpec};
pub use configuration::{ConfigurationChange, ConfigurationStatus, ConfigurationUpdate};
pub use operation::{
    Blocked, DeclinedOutcome, DeclinedUpgrade, DrainMark, ImageMark, LastUpgrade, Operation, OperationKind, OperationPhase, RoutineLoadMark,
};
pub use release::{
    CatalogConfig, CatalogCves, CatalogImage, CatalogImages, CatalogIssue, CatalogKey, CatalogMatch, CatalogRelease, CatalogRename,
    CatalogRunMode, CatalogSql, ConfigOf, IssueLevel, ReleaseState, SqlName,
};
pub use run::{
    Cancel, CheckResult, StarRocksUpgrade, StarRocksUpgradeSpec, StarRocksUpgradeStatus, StepState, UpgradeCheck, UpgradeEvent, UpgradeHop,
    UpgradePhase, UpgradeStep,
};
pub use service::{ServicePort, ServiceSpec};
pub use status::{
    ChannelStatus, CnStatus, ComponentStatus, Condition, DisasterRecoveryStatus, HorizontalScaler, ResourceChange, StarRocksClusterStatus,
};
pub use storage::{ConfigMapInfo, MountInfo, StorageVolume};
pub use upgrade::{
    Approval, AutomaticUpdates, Canary, CanaryVerdict, Consent, Credentials, MaintenanceWindow, MetricBound, OnFailure, UpdateMode,
    UpgradePolicy, Weekday,
};
pub use warehouse::{StarRocksWarehouse, StarRocksWarehouseSpec, StarRocksWarehouseStatus, WarehouseTemplate};
