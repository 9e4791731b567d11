//! Horizontal autoscaling of compute nodes as users describe it. Never chooses an API version or a bound.

use k8s_openapi::api::autoscaling::v2::{HorizontalPodAutoscalerBehavior, MetricSpec};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lenient::null_is_default;

/// Horizontal autoscaling of compute nodes; while it is set, the autoscaler owns `replicas`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct AutoScalingPolicy {
    /// Metrics and behaviour of the autoscaler.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub hpa_policy: Option<HpaPolicy>,

    /// Least number of compute nodes. Default 1.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub min_replicas: Option<i32>,

    /// Greatest number of compute nodes; not less than `minReplicas`.
    #[serde(deserialize_with = "null_is_default")]
    pub max_replicas: i32,

    /// Autoscaling API version for which the policy was written: v1, v2beta2 or v2. Kept for older resources.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub version: Option<String>,
}

/// Metrics and behaviour of the autoscaler. The shapes of v2beta2, which upstream names, and of v2 are the same.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct HpaPolicy {
    /// Metrics that are watched; the one that asks for most nodes wins.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub metrics: Vec<MetricSpec>,

    /// How fast nodes are added and removed.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub behavior: Option<HorizontalPodAutoscalerBehavior>,
}
