//! A workload in, its StatefulSet out, and what of it an existing one would refuse or restart pods for; never touches what exists.

use std::collections::BTreeMap;

use k8s_openapi::api::apps::v1::{
    RollingUpdateStatefulSetStrategy, StatefulSet, StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetSpec,
    StatefulSetUpdateStrategy,
};
use k8s_openapi::api::core::v1::PodTemplateSpec;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;
use serde_json::{Value, json};

use super::annotate::stamped_stateful_set;
use super::compare::{Difference, Strictness, difference, differences};
use super::{defaults, metadata, pod, volumes};
use crate::model::cluster::{Cluster, Workload, given};
use crate::model::digest::digest;
use crate::model::warehouse::OBJECT_FINALIZER;
use crate::model::{Component, LiveObject};
use crate::release::Image;

/// How Kubernetes replaces pods when their template changes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Strategy {
    /// As the user wrote, `RollingUpdate` without that: at rest.
    AsWritten,
    /// Only when their pod is deleted: while the operator rolls, since no order of ordinals can put the leader last.
    OnDelete,
}

/// The StatefulSet of a workload in its wanted image, at rest.
pub fn stateful_set(cluster: &Cluster, workload: &Workload) -> StatefulSet {
    stateful_set_with(cluster, workload, &workload.image, Strategy::AsWritten)
}

/// The StatefulSet of a workload in another image, or while the operator rolls it. Carries the hashes of its content.
pub fn stateful_set_with(cluster: &Cluster, workload: &Workload, image: &Image, strategy: Strategy) -> StatefulSet {
    let component = workload.component;
    let spec = &workload.spec;
    let claims = volumes::claims(&workload.volumes);
    stamped_stateful_set(StatefulSet {
        metadata: ObjectMeta {
            // Holds the nodes until the warehouse has been dropped.
            finalizers: cluster.warehouse.is_some().then(|| vec![OBJECT_FINALIZER.to_owned()]),
            ..metadata::owned(cluster, workload.name(&cluster.name), component.object_labels(&cluster.name))
        },
        spec: Some(StatefulSetSpec {
            replicas: Some(i32::try_from(workload.replicas).unwrap_or(i32::MAX)),
            service_name: Some(component.search_service_name(&cluster.name)),
            // Frontends wait for each other when they start for the first time; one after the other would never be ready.
            pod_management_policy: Some(given(&spec.pod_management_policy).unwrap_or("Parallel").to_owned()),
            selector: metadata::selector(cluster, component),
            template: pod::template(cluster, workload, image),
            update_strategy: Some(update_strategy(workload, strategy)),
            min_ready_seconds: spec.min_ready_seconds.filter(|seconds| *seconds > 0),
            persistent_volume_claim_retention_policy: spec
                .persistent_volume_claim_retention_policy
                .as_ref()
                .map(|policy| retention(component, policy)),
            volume_claim_templates: metadata::some_list(&claims),
            ..StatefulSetSpec::default()
        }),
        status: None,
    })
}

/// Everything that Kubernetes would fill in is written out, so that it is this operator's: on the way to `OnDelete` it has to
/// go away, because Kubernetes refuses `rollingUpdate` there, and applying takes away only what was applied.
fn update_strategy(workload: &Workload, strategy: Strategy) -> StatefulSetUpdateStrategy {
    let written = workload.spec.update_strategy.clone().unwrap_or_default();
    let on_delete = || StatefulSetUpdateStrategy { type_: Some("OnDelete".to_owned()), rolling_update: None };
    match strategy {
        Strategy::OnDelete => on_delete(),
        Strategy::AsWritten if given(&written.type_) == Some("OnDelete") => on_delete(),
        Strategy::AsWritten => {
            let rolling = written.rolling_update.unwrap_or_default();
            StatefulSetUpdateStrategy {
                type_: Some("RollingUpdate".to_owned()),
                rolling_update: Some(RollingUpdateStatefulSetStrategy {
                    partition: Some(rolling.partition.unwrap_or(0)),
                    max_unavailable: Some(rolling.max_unavailable.unwrap_or(IntOrString::Int(1))),
                }),
            }
        }
    }
}

/// Scaling in never deletes the claims of frontends and backends, whatever is asked: their content is the only copy.
fn retention(
    component: Component,
    written: &StatefulSetPersistentVolumeClaimRetentionPolicy,
) -> StatefulSetPersistentVolumeClaimRetentionPolicy {
    let StatefulSetPersistentVolumeClaimRetentionPolicy { when_deleted, when_scaled } = written;
    StatefulSetPersistentVolumeClaimRetentionPolicy {
        when_deleted: given(when_deleted).map(str::to_owned),
        when_scaled: given(when_scaled).filter(|_| component == Component::ComputeNode).map(str::to_owned),
    }
}

/// Whether applying `desired` over `live` would make a new revision, that is, restart pods; and where they differ first.
///
/// If `live` was last applied with this very template, all that it has beyond is someone else's and stays, so only what is
/// wanted and missing counts. Otherwise what it has beyond was ours, or the former operator's, and goes away: that counts
/// too. `kubectl rollout restart` never counts: its annotation belongs to kubectl and applying leaves it alone.
pub fn template_differs(desired: &StatefulSet, live: &LiveObject) -> Option<Difference> {
    desired.spec.as_ref().and_then(|spec| template_differences(&spec.template, live).into_iter().next())
}

/// Every such difference between a pod template and that of a live StatefulSet or Deployment.
pub fn template_differences(desired: &PodTemplateSpec, live: &LiveObject) -> Vec<Difference> {
    let written = serde_json::to_value(desired).unwrap_or_default();
    let wanted = defaults::of_template(&written);
    let found = defaults::of_template(live.body.pointer("/spec/template").unwrap_or(&Value::Null));
    if wanted == found {
        return Vec::new();
    }
    if live.applied_template_hash() == Some(digest(&wanted).as_str()) {
        differences("spec.template", &defaults::pruned_object(&written), &found, Strictness::Wanted)
    } else {
        differences("spec.template", &wanted, &found, Strictness::Exact)
    }
}

/// What of `desired` Kubernetes would refuse to change in `live` and only the user can resolve: the selector and the claim
/// templates. A live `serviceName` and `podManagementPolicy` simply stay, see [`keep_immutable`].
pub fn immutable_difference(desired: &StatefulSet, live: &LiveObject) -> Option<Difference> {
    let wanted = |part: Result<Value, serde_json::Error>| part.unwrap_or_default();
    let spec = desired.spec.as_ref();
    let selector = wanted(serde_json::to_value(spec.map(|spec| &spec.selector)));
    let claims = wanted(serde_json::to_value(spec.and_then(|spec| spec.volume_claim_templates.as_ref())));
    let found = |field: &str| live.body.get("spec").and_then(|spec| spec.get(field)).unwrap_or(&Value::Null);
    let (selector, found_selector) = (defaults::pruned_object(&selector), defaults::pruned_object(found("selector")));
    difference("spec.selector", &selector, &found_selector, Strictness::Exact)
        .or_else(|| claim_difference(&claims_of(&claims), &claims_of(found("volumeClaimTemplates"))))
}

fn claims_of(templates: &Value) -> BTreeMap<String, Value> {
    let templates = templates.as_array();
    let named = |claim: &Value| Some((claim.pointer("/metadata/name")?.as_str()?.to_owned(), defaults::of_claim(claim)));
    templates.into_iter().flatten().filter_map(named).collect()
}

fn claim_difference(wanted: &BTreeMap<String, Value>, found: &BTreeMap<String, Value>) -> Option<Difference> {
    let path = |name: &str| format!("spec.volumeClaimTemplates[{name}]");
    for (name, claim) in wanted {
        let Some(live) = found.get(name) else {
            return Some(Difference { path: path(name), wanted: json!(name), found: Value::Null });
        };
        if let Some(difference) = difference(&path(name), claim, live, Strictness::Exact) {
            return Some(difference);
        }
    }
    let extra = found.keys().find(|name| !wanted.contains_key(*name))?;
    Some(Difference { path: path(extra), wanted: Value::Null, found: json!(extra) })
}

/// `desired` with everything that Kubernetes would refuse to change in `live` kept as it is there.
///
/// When the set of claims differs, the volumes and mounts of the template are kept as well: a pod without the claim that
/// its directory lies on would start on an empty one.
pub fn keep_immutable(desired: StatefulSet, live: &LiveObject) -> StatefulSet {
    let differs = immutable_difference(&desired, live).is_some();
    if !differs && keeps_its_place(&desired, live) {
        return desired;
    }
    let live_spec = live.body.get("spec").cloned().and_then(|spec| serde_json::from_value::<StatefulSetSpec>(spec).ok());
    let (Some(live_spec), Some(mut spec)) = (live_spec, desired.spec.clone()) else { return desired };
    let names = |spec: &StatefulSetSpec| -> Vec<Option<String>> {
        let mut names: Vec<_> = spec.volume_claim_templates.iter().flatten().map(|claim| claim.metadata.name.clone()).collect();
        names.sort();
        names
    };
    if names(&spec) != names(&live_spec) {
        keep_volumes(&mut spec, &live_spec);
    }
    spec.service_name = live_spec.service_name;
    spec.pod_management_policy = live_spec.pod_management_policy;
    if differs {
        spec.selector = live_spec.selector;
        spec.volume_claim_templates = live_spec.volume_claim_templates;
        // Server fields of a claim template have no place in what is applied.
        for claim in spec.volume_claim_templates.iter_mut().flatten() {
            claim.status = None;
            claim.metadata.creation_timestamp = None;
        }
    }
    stamped_stateful_set(StatefulSet { spec: Some(spec), ..desired })
}

/// Whether what simply stays, the Service and the policy, is in `live` as desired.
fn keeps_its_place(desired: &StatefulSet, live: &LiveObject) -> bool {
    let same = |field: &str, wanted: Option<&String>| {
        let found = live.body.get("spec").and_then(|spec| spec.get(field)).and_then(Value::as_str);
        wanted.is_some_and(|wanted| found == Some(wanted.as_str()))
    };
    desired.spec.as_ref().is_some_and(|spec| {
        same("serviceName", spec.service_name.as_ref()) && same("podManagementPolicy", spec.pod_management_policy.as_ref())
    })
}

fn keep_volumes(spec: &mut StatefulSetSpec, live: &StatefulSetSpec) {
    let (Some(pod), Some(live_pod)) = (&mut spec.template.spec, &live.template.spec) else { return };
    pod.volumes = live_pod.volumes.clone();
    for container in pod.containers.iter_mut().chain(pod.init_containers.iter_mut().flatten()) {
        let mut live_containers = live_pod.containers.iter().chain(live_pod.init_containers.iter().flatten());
        if let Some(live_container) = live_containers.find(|live| live.name == container.name) {
            container.volume_mounts = live_container.volume_mounts.clone();
        }
    }
}
