//! The kind StarRocksWarehouse: compute nodes of their own for a part of a cluster's work; its identity, spec and status. Never says what an absent field means.

use k8s_openapi::api::core::v1::EnvVar;
use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::autoscaling::AutoScalingPolicy;
use super::components::ComponentSpec;
use super::lenient::null_is_default;
use super::operation::{Blocked, Operation};
use super::status::{CnStatus, Condition, ResourceChange};

/// What the user wants of a warehouse.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "starrocks.com",
    version = "v1",
    kind = "StarRocksWarehouse",
    plural = "starrockswarehouses",
    singular = "starrockswarehouse",
    shortname = "warehouses",
    namespaced,
    status = "StarRocksWarehouseStatus",
    derive = "Default",
    derive = "PartialEq",
    // As for StarRocksCluster: one odd resource must not spoil the list it stands in.
    attr = "cfg_attr(all(), serde(default))",
    doc = "StarRocksWarehouse is a group of compute nodes that work for one warehouse of a shared-data cluster. It needs a StarRocks edition with the \
           feature multi-warehouse. Deleting the resource removes the nodes and then drops the warehouse.",
    scale(
        spec_replicas_path = ".spec.template.replicas",
        status_replicas_path = ".status.replicas",
        label_selector_path = ".status.selector"
    ),
    printcolumn(name = "status", json_path = ".status.phase", type_ = "string"),
    printcolumn(name = "reason", json_path = ".status.reason", type_ = "string")
)]
#[serde(default, rename_all = "camelCase")]
// Each printer column has its own `type_`; the lint takes them for one attribute.
#[allow(clippy::duplicated_attributes)]
pub struct StarRocksWarehouseSpec {
    /// Name of the StarRocksCluster, in the same namespace, whose frontends the compute nodes join. Required; it cannot be changed in a useful
    /// way, because the warehouse in the former cluster would stay.
    #[serde(deserialize_with = "null_is_default")]
    pub star_rocks_cluster: String,

    /// The compute nodes of the warehouse. Required.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub template: Option<WarehouseTemplate>,
}

/// The compute nodes of a warehouse.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct WarehouseTemplate {
    /// What all StarRocks components have in common.
    #[serde(flatten)]
    pub component: ComponentSpec,

    /// Environment of the compute node container; needs MYSQL_PWD once root has a password.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub env_vars: Vec<EnvVar>,

    /// Horizontal autoscaling; without it `replicas` stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_scaling_policy: Option<AutoScalingPolicy>,
}

/// What the operator reports about a warehouse.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct StarRocksWarehouseStatus {
    /// What is reported about compute nodes.
    #[serde(flatten)]
    pub compute_nodes: CnStatus,

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

    /// The work under way; absent at rest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub operation: Option<Operation>,

    /// What keeps the operator from going on, node by node.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub blocked: Vec<Blocked>,
}
