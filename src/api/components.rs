//! The sections of a cluster, one per component, and what they have in common. Never decides what an absent field means.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetUpdateStrategy};
use k8s_openapi::api::core::v1::{
    Affinity, Capabilities, Container, EnvVar, HostAlias, Lifecycle, LocalObjectReference, ResourceClaim, Sysctl, Toleration,
    TopologySpreadConstraint,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::autoscaling::AutoScalingPolicy;
use super::lenient::{map_without_nulls, null_is_default, with_any_integer};
use super::service::ServiceSpec;
use super::storage::{ConfigMapInfo, MountInfo, StorageVolume};

/// The frontends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct FeSpec {
    /// What all StarRocks components have in common.
    #[serde(flatten)]
    pub component: ComponentSpec,

    /// Environment of the frontend container; MYSQL_PWD here is the password of root once it has one.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub fe_env_vars: Vec<EnvVar>,
}

/// The backends.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct BeSpec {
    /// What all StarRocks components have in common.
    #[serde(flatten)]
    pub component: ComponentSpec,

    /// Environment of the backend container; needs MYSQL_PWD once root has a password.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub be_env_vars: Vec<EnvVar>,
}

/// The compute nodes.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct CnSpec {
    /// What all StarRocks components have in common.
    #[serde(flatten)]
    pub component: ComponentSpec,

    /// Environment of the compute node container; needs MYSQL_PWD once root has a password.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub cn_env_vars: Vec<EnvVar>,

    /// Horizontal autoscaling; without it `replicas` stands.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub auto_scaling_policy: Option<AutoScalingPolicy>,
}

/// The frontend proxy.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct FeProxySpec {
    /// What it has in common with the StarRocks components.
    #[serde(flatten)]
    pub load: LoadSpec,

    /// DNS server that nginx asks. Default: the Service kube-dns in kube-system.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolver: Option<String>,
}

/// What frontends, backends and compute nodes have in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ComponentSpec {
    /// What they share with the frontend proxy.
    #[serde(flatten)]
    pub load: LoadSpec,

    /// Run as user and group 1000 instead of root. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub run_as_non_root: Option<bool>,

    /// Mount the root file system of the container read-only. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only_root_filesystem: Option<bool>,

    /// Linux capabilities that are added to or taken from the container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub capabilities: Option<Capabilities>,

    /// Kernel parameters of the pods.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub sysctls: Vec<Sysctl>,

    /// ConfigMaps that are mounted into the container.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub config_maps: Vec<MountInfo>,

    /// Secrets that are mounted into the container.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub secrets: Vec<MountInfo>,

    /// Lines that are added to the pods' /etc/hosts.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub host_aliases: Vec<HostAlias>,

    /// Seconds that a pod may take to stop before it is killed. Default 120.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub termination_grace_period_seconds: Option<i64>,

    /// Containers that run before the component.
    #[serde(deserialize_with = "with_any_integer", skip_serializing_if = "Vec::is_empty")]
    pub init_containers: Vec<Container>,

    /// Containers that run beside the component.
    #[serde(deserialize_with = "with_any_integer", skip_serializing_if = "Vec::is_empty")]
    pub sidecars: Vec<Container>,

    /// Entry point of the container. Default: the start script of the component.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub command: Vec<String>,

    /// Arguments of the entry point. Default: the name of the FE Service.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub args: Vec<String>,

    /// Update strategy of the StatefulSet at rest. While a rollout is under way the operator replaces pods itself, in the order that StarRocks
    /// needs. Default RollingUpdate.
    #[serde(deserialize_with = "with_any_integer", skip_serializing_if = "Option::is_none")]
    pub update_strategy: Option<StatefulSetUpdateStrategy>,

    /// What becomes of the claims when the StatefulSet is deleted or scaled in. Default: they are kept.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub persistent_volume_claim_retention_policy: Option<StatefulSetPersistentVolumeClaimRetentionPolicy>,

    /// Seconds that a new pod must stay ready before it counts as available. Default 0.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_ready_seconds: Option<i32>,

    /// Whether the StatefulSet makes its pods at once (Parallel) or one after the other (OrderedReady). Default Parallel.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub pod_management_policy: Option<String>,
}

/// What every component has in common.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct LoadSpec {
    /// Image of the component. For FE, BE and CN without a tag, the tag is `spec.version`; with a tag it is used as it is.
    /// Default: the official image of `spec.version`; for the proxy nginx.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image: Option<String>,

    /// When the image is pulled: Always, IfNotPresent or Never. Default IfNotPresent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub image_pull_policy: Option<String>,

    /// Secrets with which the image is pulled.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub image_pull_secrets: Vec<LocalObjectReference>,

    /// Number of pods. Default 1. While an autoscaler is set for compute nodes, it owns this number.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(range(min = 0), extend("default" = 1))]
    pub replicas: Option<i32>,

    /// Greatest amount of each resource that a pod may use, such as `cpu: 8` or `memory: 32Gi`.
    #[serde(deserialize_with = "map_without_nulls", skip_serializing_if = "BTreeMap::is_empty")]
    pub limits: BTreeMap<String, Quantity>,

    /// Amount of each resource that is reserved for a pod.
    #[serde(deserialize_with = "map_without_nulls", skip_serializing_if = "BTreeMap::is_empty")]
    pub requests: BTreeMap<String, Quantity>,

    /// Names of the pod's dynamic resource claims that the container uses.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub claims: Vec<ResourceClaim>,

    /// Annotations of the pods. A change restarts them.
    #[serde(deserialize_with = "map_without_nulls", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,

    /// Labels of the pods, beside those of the operator. A change restarts them.
    #[serde(deserialize_with = "map_without_nulls", skip_serializing_if = "BTreeMap::is_empty")]
    pub pod_labels: BTreeMap<String, String>,

    /// ServiceAccount of the pods. Default: that of the namespace.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,

    /// The external Service of the component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service: Option<ServiceSpec>,

    /// Volumes of each pod: claims, emptyDirs, host paths or CSI volumes. Without one, data is lost with the pod.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub storage_volumes: Vec<StorageVolume>,

    /// The ConfigMap that holds the component's configuration file.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_info: Option<ConfigMapInfo>,

    /// Scheduler of the pods. Default: that of the Kubernetes cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub scheduler_name: Option<String>,

    /// Labels that a node must have to run the pods.
    #[serde(deserialize_with = "map_without_nulls", skip_serializing_if = "BTreeMap::is_empty")]
    pub node_selector: BTreeMap<String, String>,

    /// Which nodes and which other pods the pods seek or avoid.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub affinity: Option<Affinity>,

    /// Taints of nodes that the pods tolerate.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub tolerations: Vec<Toleration>,

    /// How the pods are spread over zones, nodes and the like.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub topology_spread_constraints: Vec<TopologySpreadConstraint>,

    /// Seconds that a container may take to start before it is killed. Default 300; 0 leaves the probe out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub startup_probe_failure_seconds: Option<i32>,

    /// Seconds of failing liveness probes after which a container is killed. Default 15; 0 leaves the probe out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub liveness_probe_failure_seconds: Option<i32>,

    /// Seconds of failing readiness probes after which a pod gets no traffic. Default 15; 0 leaves the probe out.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub readiness_probe_failure_seconds: Option<i32>,

    /// Hooks of the container. Without a preStop hook, FE, BE and CN stop through their own stop script.
    #[serde(deserialize_with = "with_any_integer", skip_serializing_if = "Option::is_none")]
    pub lifecycle: Option<Lifecycle>,

    /// Let the containers of a pod see each other's processes. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub share_process_namespace: Option<bool>,
}
