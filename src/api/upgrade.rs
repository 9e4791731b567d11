//! What users say about upgrades and about the account that the operator uses. Never applies a default.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalog::VERSION_PATTERN;
use super::lenient::{any_int_or_string, map_without_nulls, null_is_default};
use super::words::words;

/// How upgrades, downgrades and other restarts of StarRocks nodes are done.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct UpgradePolicy {
    /// Holds every rollout before its next node. The node at work is brought back first, and frontend settings that were
    /// changed for the upgrade are kept as saved in `status.operation` until it goes on. Set false to go on. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub paused: Option<bool>,

    /// What a cluster that follows a channel (`spec.channel`) does by itself when the channel leads to another release.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub automatic: Option<AutomaticUpdates>,

    /// Releases of the channel up to this one, such as 4.0.17, are approved: the cluster goes there although `automatic` says Manual or Off. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("pattern" = VERSION_PATTERN))]
    pub approved_version: Option<String>,

    /// Seconds that the first backend on a new release must stay healthy before the others follow. Default 30.
    /// Longer finds more faults of the release; the upgrade takes that much longer on each hop.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [
        {"rule": "self >= 0 && self <= 86400", "message": "canarySoakSeconds must lie between 0 and 86400 (one day)"}
    ]))]
    pub canary_soak_seconds: Option<i32>,

    /// Which nodes are canaries of a release, and what must be true of them after `canarySoakSeconds`. Default: one node, which must be healthy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub canary: Option<Canary>,

    /// Seconds that one node may take from the deletion of its pod until StarRocks reports it alive, healthy and on its
    /// new release. Default 600. After that the rollout stops and says which node and why; nothing is undone. At most 850,
    /// because 900 seconds after losing a backend StarRocks begins to copy its tablets elsewhere.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [
        {"rule": "self >= 30 && self <= 850",
         "message": "nodeTimeoutSeconds must lie between 30 and 850: StarRocks repairs a lost backend after 900 seconds"}
    ]))]
    pub node_timeout_seconds: Option<i32>,

    /// Seconds for which a rollout waits at most, before it restarts a node, until no query runs on it; new ones keep coming. Default 0, at
    /// most 3600. Takes nothing off `nodeTimeoutSeconds`.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [
        {"rule": "self >= 0 && self <= 3600", "message": "drainSeconds must lie between 0 and 3600 (one hour)"}
    ]))]
    pub drain_seconds: Option<i32>,

    /// How many compute nodes a rollout may restart at the same time: a number, or a share such as 25%, rounded down; never all of several.
    /// Default 1. Counts for warehouses of the cluster as well.
    #[serde(deserialize_with = "any_int_or_string", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "IntOrString", extend("minimum" = 1, "maximum" = 1000, "pattern" = "^([1-9][0-9]?|100)%$"))]
    pub max_unavailable_compute_nodes: Option<IntOrString>,

    /// What waits for your approval: None: nothing; Once: an upgrade or downgrade as a whole; PerHop: each release on its way; PerComponent:
    /// each component at each release. You approve in the StarRocksUpgrade that the operator makes, with
    /// `kubectl starrocks upgrade approve` or by hand. Default None.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub approval: Option<Approval>,

    /// Times at which a rollout or a hop of an upgrade may begin. One that has begun goes on to its end: nodes of two releases and settings
    /// that are held are worse than a late end. A node that cannot start may be replaced at any time. Default: any time.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"), length(max = 16))]
    pub maintenance_windows: Vec<MaintenanceWindow>,

    /// What happens when a node does not come back on its new release before the first frontend has moved: Pause: the rollout stops and says
    /// why; RollBack: the nodes go back to the release of the frontends, and the upgrade is not tried again before the resource changes.
    /// Default Pause. Once a frontend has moved the operator never turns back by itself.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub on_failure: Option<OnFailure>,

    /// Whether a backup must have been made before an upgrade begins. Default false. This release of the operator makes no backups and
    /// cannot see yours, so true holds every upgrade back (SR-2220).
    #[serde(skip_serializing_if = "Option::is_none")]
    pub backup_required: Option<bool>,

    /// Whether the images of a hop, or of a rollout that changes images at the same release, are pulled to the nodes of Kubernetes that need
    /// them before anything is changed for it. Default false. True
    /// makes one short-lived pod for each node and image, with the pull secrets, account and security context of the component and a command
    /// that ends at once; an image that cannot be pulled then holds it (SR-2225) while every StarRocks node still runs as before, and
    /// restarts do not wait for pulls.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pre_pull_images: Option<bool>,

    /// Risks that you accept for this cluster. Without the one that is asked for, the operator waits and names it in
    /// `status.blocked`. Default none.
    ///
    /// SingleFrontendOutage: with fewer than three frontends nobody can query or load while one restarts.
    ///
    /// SingleReplicaTables: tables with one replica cannot be read or written while their backend restarts.
    ///
    /// SkipHealthGates: go on although backends are down, tablets lack replicas or loads fail. Data may become unreadable.
    ///
    /// IgnoreDisruptionBudgets: restart pods although a PodDisruptionBudget of them allows no disruption.
    ///
    /// UnlistedReleases: roll images whose tag is no known release (latest, a branch, a release candidate); the operator
    /// then cannot tell an upgrade from a downgrade and proves no version pair.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"), length(max = 16))]
    pub consents: Vec<Consent>,
}

/// The first nodes on a new release.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Canary {
    /// How many backends (compute nodes, where data is shared) are restarted first and watched together. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("x-kubernetes-validations" = [
        {"rule": "self >= 1 && self <= 1000", "message": "nodes must lie between 1 and 1000"}
    ]))]
    pub nodes: Option<i32>,

    /// What must be answered with yes before the other nodes follow. A no stops the rollout (SR-2221), or turns it back with
    /// `onFailure: RollBack`; without an answer it waits (SR-2222). Default: nothing.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub verdict: Option<CanaryVerdict>,
}

/// Questions about the canaries, asked when they have been watched for long enough.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "has(self.sql) || (has(self.metrics) && size(self.metrics) > 0)", "message": "a verdict needs sql or metrics"}
]))]
pub struct CanaryVerdict {
    /// One SELECT, sent with the operator's account. Its first cell must be true or a number other than 0; anything else and an error mean no.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 4096), extend("x-kubernetes-validations" = [
        {"rule": "self.matches('(?i)^[[:space:]]*select[[:space:]]') && !self.contains(';')", "message": "sql must be one SELECT statement without a semicolon"}
    ]))]
    pub sql: Option<String>,

    /// Bounds for metrics of each canary, read from `/metrics` on the node's HTTP port.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "atomic"), length(max = 16))]
    pub metrics: Vec<MetricBound>,
}

/// A bound for a metric of a node.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [{"rule": "has(self.max) || has(self.min)", "message": "a metric needs max or min"}]))]
pub struct MetricBound {
    /// Name, such as starrocks_be_engine_requests_total. Required.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(length(max = 256), extend("pattern" = "^[a-zA-Z_:][a-zA-Z0-9_:]*$"))]
    pub name: String,

    /// Labels of the samples that count, perhaps among others. Default: all samples count.
    #[serde(deserialize_with = "map_without_nulls", skip_serializing_if = "BTreeMap::is_empty")]
    #[schemars(extend("maxProperties" = 16))]
    pub labels: BTreeMap<String, String>,

    /// No sample may be higher; a number such as 0, 0.5 or 2Gi.
    #[serde(deserialize_with = "any_int_or_string", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "IntOrString")]
    pub max: Option<IntOrString>,

    /// No sample may be lower.
    #[serde(deserialize_with = "any_int_or_string", skip_serializing_if = "Option::is_none")]
    #[schemars(with = "IntOrString")]
    pub min: Option<IntOrString>,
}

/// What a cluster that follows a channel does by itself.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct AutomaticUpdates {
    /// When the channel leads to another patch of the release line that runs. Default Auto.
    ///
    /// Auto: the cluster goes there as soon as nothing else is under way.
    ///
    /// Manual: the condition UpdateAvailable says so, and the cluster goes there once `approvedVersion` says that it may.
    ///
    /// Off: as Manual, but only `status.channel.available` says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub patch: Option<UpdateMode>,

    /// When the channel leads to another release line: the same words. Default Manual.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub minor: Option<UpdateMode>,
}

words! {
    /// What is done when a channel leads to another release.
    closed UpdateMode {
        /// The cluster goes there.
        Auto,
        /// Users are told.
        Manual,
        /// Nothing.
        Off,
    }
}

/// A time that returns each week.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct MaintenanceWindow {
    /// Days on which it opens, such as [Sat, Sun]. Default: every day.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "set"), length(max = 7))]
    pub days: Vec<Weekday>,

    /// Time of day at which it opens, such as 22:30. Required.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(length(max = 5), extend("x-kubernetes-validations" = [
        {"rule": "self.matches('^([01][0-9]|2[0-3]):[0-5][0-9]$')", "message": "start must be a time of day such as 22:30"}
    ]))]
    pub start: String,

    /// Minutes for which it is open, at most 10080 (a week). Required.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(extend("x-kubernetes-validations" = [
        {"rule": "self >= 1 && self <= 10080", "message": "durationMinutes must lie between 1 and 10080 (one week)"}
    ]))]
    pub duration_minutes: i32,

    /// Time zone of `start` by its IANA name, such as Europe/Berlin. Default UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64))]
    pub time_zone: Option<String>,
}

words! {
    /// A day of the week.
    closed Weekday {
        /// Monday.
        Mon,
        /// Tuesday.
        Tue,
        /// Wednesday.
        Wed,
        /// Thursday.
        Thu,
        /// Friday.
        Fri,
        /// Saturday.
        Sat,
        /// Sunday.
        Sun,
    }
}

words! {
    /// What waits for approval.
    closed Approval {
        /// Nothing.
        None,
        /// An upgrade or downgrade as a whole.
        Once,
        /// Each release on its way.
        PerHop,
        /// Each component at each release.
        PerComponent,
    }
}

words! {
    /// What happens when a node does not come back.
    closed OnFailure {
        /// The rollout stops.
        Pause,
        /// The nodes go back.
        RollBack,
    }
}

words! {
    /// A risk that the user accepts by name.
    closed Consent {
        /// Restart frontends although fewer than three of them mean an outage of queries and loads.
        SingleFrontendOutage,
        /// Restart backends although tables with a single replica are unavailable meanwhile.
        SingleReplicaTables,
        /// Go on although a health gate says no.
        SkipHealthGates,
        /// Restart pods although a PodDisruptionBudget allows no disruption.
        IgnoreDisruptionBudgets,
        /// Roll images whose tag is not in the release table.
        UnlistedReleases,
    }
}

/// The SQL account that the operator uses towards the frontends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Credentials {
    /// Name of a Secret in the namespace of the cluster. When it or a key is missing, the operator asks StarRocks nothing
    /// and reports it; pods keep running.
    #[serde(deserialize_with = "null_is_default")]
    pub secret_name: String,

    /// Key of the user name in the Secret. Default: no key is read and the user is root. Another user needs the roles
    /// cluster_admin and db_admin or the rights they give.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user_key: Option<String>,

    /// Key of the password in the Secret. Default password.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub password_key: Option<String>,
}
