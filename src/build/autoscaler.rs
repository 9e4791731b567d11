//! Compute nodes with an autoscaling policy in, their HorizontalPodAutoscaler out; never scales the StatefulSet behind the resource.

use std::collections::BTreeMap;

use k8s_openapi::api::autoscaling::v2::{CrossVersionObjectReference, HorizontalPodAutoscaler, HorizontalPodAutoscalerSpec};

use super::metadata::{self, some_list};
use crate::model::cluster::{AutoScalingPolicy, Cluster, Workload, given};
use crate::model::component::{COMPONENT_LABEL, OWNER_LABEL};

/// The autoscaler, if one is wanted. It scales the resource by its scale subresource, so that what it wants stands where
/// users read it and the operator scales in with care. Always `autoscaling/v2`: older versions are gone from Kubernetes.
pub(super) fn of_workload(cluster: &Cluster, workload: &Workload) -> Option<HorizontalPodAutoscaler> {
    let AutoScalingPolicy { hpa_policy, min_replicas, max_replicas, version } = workload.autoscaling.as_ref()?;
    // `v1` had neither metrics nor behaviour, and existing resources count on their being ignored.
    let policy = hpa_policy.as_ref().filter(|_| given(version) != Some("v1"));
    let labels = BTreeMap::from([
        (COMPONENT_LABEL.to_owned(), "autoscaler".to_owned()),
        (OWNER_LABEL.to_owned(), cluster.resource_name().to_owned()),
    ]);
    Some(HorizontalPodAutoscaler {
        metadata: metadata::owned(cluster, workload.component.autoscaler_name(&cluster.name), labels),
        spec: Some(HorizontalPodAutoscalerSpec {
            scale_target_ref: CrossVersionObjectReference {
                api_version: Some(metadata::API_VERSION.to_owned()),
                kind: metadata::kind(cluster).to_owned(),
                name: cluster.resource_name().to_owned(),
            },
            min_replicas: *min_replicas,
            max_replicas: *max_replicas,
            metrics: policy.and_then(|policy| some_list(&policy.metrics)),
            behavior: policy.and_then(|policy| policy.behavior.clone()),
        }),
        status: None,
    })
}
