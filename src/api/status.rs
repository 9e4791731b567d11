//! The status of a cluster: upstream's fields under upstream's names, and ours beside them. Never computes a phase.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::configuration::ConfigurationStatus;
use super::lenient::{map_without_nulls, null_is_default};
use super::operation::{Blocked, DeclinedUpgrade, LastUpgrade, Operation};

/// What the operator reports about a cluster.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct StarRocksClusterStatus {
    /// The cluster in one word: running, reconciling or failed.
    #[serde(deserialize_with = "null_is_default")]
    pub phase: String,

    /// Why the phase is what it is, when it is not running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// Generation of the spec that this status answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,

    /// The last change of the resource that asked for more than another number of nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_change: Option<ResourceChange>,

    /// Ready first, then what is going on. Every condition says what it waits for and what you can do.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["type"]))]
    pub conditions: Vec<Condition>,

    /// Release on which every frontend, backend and compute node runs, as they report it; absent while they differ.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,

    /// Where the cluster stands on the channel that it follows; absent when it follows none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub channel: Option<ChannelStatus>,

    /// Pod of the frontend that leads; absent during an election.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub leader: Option<String>,

    /// The work under way; absent at rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,

    /// What keeps the operator from going on, node by node.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,

    /// The upgrade or downgrade that was given up; it is not begun again before the resource changes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub declined_upgrade: Option<DeclinedUpgrade>,

    /// The last upgrade or downgrade that came to its end.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub last_upgrade: Option<LastUpgrade>,

    /// How far the configuration files are in force, when `configurationUpdate` asks for it.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    #[schemars(extend("x-kubernetes-list-type" = "map", "x-kubernetes-list-map-keys" = ["component"]))]
    pub configuration: Vec<ConfigurationStatus>,

    /// The frontends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub star_rocks_fe_status: Option<ComponentStatus>,

    /// The backends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub star_rocks_be_status: Option<ComponentStatus>,

    /// The compute nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub star_rocks_cn_status: Option<CnStatus>,

    /// The frontend proxy.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub star_rocks_fe_proxy_status: Option<ComponentStatus>,

    /// The recovery from a snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disaster_recovery_status: Option<DisasterRecoveryStatus>,
}

/// A change of a resource's spec, however many nodes it asks for: numbers are written by autoscalers as well, which agree to nothing.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ResourceChange {
    /// Generation of the resource with which it came.
    #[serde(deserialize_with = "null_is_default")]
    pub generation: i64,

    /// Digest of the spec without numbers of nodes.
    #[serde(deserialize_with = "null_is_default")]
    pub digest: String,
}

/// Where a cluster stands on the channel that it follows.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ChannelStatus {
    /// The channel.
    #[serde(deserialize_with = "null_is_default")]
    pub name: String,

    /// Release of the channel that the cluster runs or goes to; it is remembered here and moves forward only.
    #[serde(deserialize_with = "null_is_default")]
    pub version: String,

    /// Newest release of the channel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub head: Option<String>,

    /// Release to which the channel leads from `version`; absent when there is none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub available: Option<String>,

    /// Why the channel, or the release, should be left, when a catalog says so.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub deprecation: Option<String>,
}

/// One aspect of the state, in the shape that all of Kubernetes uses. Times are RFC 3339 text here, since this room keeps no clock.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct Condition {
    /// Name of the aspect, such as Ready.
    #[serde(rename = "type", deserialize_with = "null_is_default")]
    pub condition_type: String,

    /// True, False or Unknown.
    #[serde(deserialize_with = "null_is_default")]
    pub status: String,

    /// One CamelCase word for programs.
    #[serde(deserialize_with = "null_is_default")]
    pub reason: String,

    /// A sentence for people.
    #[serde(deserialize_with = "null_is_default")]
    pub message: String,

    /// When `status` last changed.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(extend("format" = "date-time"))]
    pub last_transition_time: String,

    /// Generation of the spec that the condition answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}

/// What the operator reports about one component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ComponentStatus {
    /// The component in one word: running, reconciling or failed.
    #[serde(deserialize_with = "null_is_default")]
    pub phase: String,

    /// Why the phase is what it is, when it is not running.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// Name of the external Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_name: Option<String>,

    /// Names of the StatefulSets.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub resource_names: Vec<String>,

    /// Pods that run and are ready.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub running_instances: Vec<String>,

    /// Pods that are not ready yet.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub creating_instances: Vec<String>,

    /// Pods that failed.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub failed_instances: Vec<String>,

    /// How many nodes run which release, as they report it themselves.
    #[serde(deserialize_with = "map_without_nulls", skip_serializing_if = "BTreeMap::is_empty")]
    pub running_versions: BTreeMap<String, i32>,
}

/// What the operator reports about the compute nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CnStatus {
    /// What every component reports.
    #[serde(flatten)]
    pub component: ComponentStatus,

    /// Deprecated and never written; see `horizontalScaler`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hpa_name: Option<String>,

    /// The autoscaler that was made for the compute nodes.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub horizontal_scaler: Option<HorizontalScaler>,

    /// Compute nodes that exist; read by `kubectl scale` and the autoscaler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub replicas: Option<i32>,

    /// Label selector of the compute nodes' pods; read by the autoscaler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub selector: Option<String>,
}

/// The autoscaler that was made for the compute nodes. The Go operator needs both fields to delete it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct HorizontalScaler {
    /// Name of the HorizontalPodAutoscaler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    /// Version of the autoscaling API it was made with.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// What the operator reports about the recovery from a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct DisasterRecoveryStatus {
    /// How far it is: todo, doing or done.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub phase: Option<String>,

    /// Why it does not go on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<String>,

    /// When it began, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub start_timestamp: Option<i64>,

    /// When it ended, in seconds since 1970.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub end_timestamp: Option<i64>,

    /// The `disasterRecovery.generation` that this status answers.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub observed_generation: Option<i64>,
}
