//! Rules 5 and 9: nothing is touched that is not this cluster's own, and never the resource itself.

use super::case::Case;
use k8s_openapi::api::core::v1::Pod;

use crate::model::component::COMPONENT_LABEL;
use crate::model::{Component, Object, ObjectKind, Ownership, RecordAct, Step};

/// Rule 5: only owned objects and pods, under the identity that was seen; claims never.
pub(super) fn only_what_is_ours(case: &Case<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for step in &case.decision.steps {
        match step {
            Step::Apply(object) => {
                let key = object.key();
                if case.observed.object(key.kind, &key.name).is_some_and(|live| live.ownership == Ownership::Foreign) {
                    found.push(format!("{} {} belongs to someone else and would be changed", key.kind.name(), key.name));
                }
            }
            Step::Delete { object, uid } => {
                let ours = case
                    .observed
                    .object(object.kind, &object.name)
                    .is_some_and(|live| live.ownership == Ownership::Ours && live.uid == *uid);
                if !ours {
                    found.push(format!("{} {} is not known to be ours and would be deleted", object.kind.name(), object.name));
                }
            }
            Step::RestartPod { pod, uid, .. } => {
                if case.observed.pods.get(pod).is_none_or(|seen| seen.uid != *uid || seen.component == Component::FrontendProxy) {
                    found.push(format!("{pod} is not the pod that was seen and would be deleted"));
                }
            }
            Step::Hold => {
                if case.cluster.warehouse.is_none() {
                    found.push("a cluster would be held by a finalizer".to_owned());
                }
            }
            Step::LetGo { object } => {
                let named = object
                    .as_ref()
                    .is_none_or(|key| case.observed.object(key.kind, &key.name).is_some_and(|live| live.ownership == Ownership::Ours));
                let empty = case.observed.pods_of(Component::ComputeNode).next().is_none();
                if !case.observed.is_leaving() || !named || !empty {
                    found.push("a finalizer would be taken off although its warehouse is not known to be gone".to_owned());
                }
            }
            Step::Record(act) => {
                let records = case.observed.records.as_deref().unwrap_or_default();
                let ours = match act {
                    RecordAct::Create { spec, .. } => spec.cluster == case.cluster.name,
                    RecordAct::Report { name, .. } => records.iter().any(|record| record.name == *name),
                    RecordAct::Forget { name, uid } => {
                        records.iter().any(|record| record.name == *name && record.uid == *uid && record.is_over())
                    }
                };
                if !ours {
                    found.push(format!("StarRocksUpgrade {} is not known to be this cluster's and would be written", act.name()));
                }
            }
            Step::PullImage(pod) => found.extend(pull_fault(case, pod)),
            Step::EndPull { pod, uid } => {
                if case.observed.pulls.get(pod).is_none_or(|seen| seen.uid != *uid || !seen.is_ours) {
                    found.push(format!("{pod} is not known to be a pod that has an image pulled for this cluster and would be deleted"));
                }
            }
            Step::Execute { frontend, .. } => {
                if case.observed.pods.get(frontend).is_none_or(|pod| pod.component != Component::Frontend) {
                    found.push(format!("{frontend} is no frontend of this cluster and would be sent a statement"));
                }
            }
        }
    }
    found
}

/// A pod that has an image pulled must be taken for nothing else: no Service may send clients to it and no StatefulSet may adopt it.
fn pull_fault(case: &Case<'_>, pod: &Pod) -> Option<String> {
    let metadata = &pod.metadata;
    let name = metadata.name.as_deref().unwrap_or_default();
    let labels = metadata.labels.clone().unwrap_or_default();
    let selects = |selector: Option<&serde_json::Value>| {
        let wanted = selector.and_then(serde_json::Value::as_object).filter(|wanted| !wanted.is_empty());
        wanted.is_some_and(|wanted| wanted.iter().all(|(key, value)| labels.get(key).map(String::as_str) == value.as_str()))
    };
    let pointers = [
        (ObjectKind::Service, "/spec/selector"),
        (ObjectKind::StatefulSet, "/spec/selector/matchLabels"),
        (ObjectKind::Deployment, "/spec/selector/matchLabels"),
    ];
    let selected = pointers.into_iter().any(|(kind, pointer)| {
        case.observed.objects.get(&kind).into_iter().flat_map(|objects| objects.values()).any(|live| selects(live.body.pointer(pointer)))
    });
    let is_component = labels.get(COMPONENT_LABEL).is_some_and(|label| Component::from_label(label).is_some());
    let owned = metadata.owner_references.iter().flatten().any(|owner| owner.uid == case.cluster.uid);
    let controlled = metadata.owner_references.iter().flatten().any(|owner| owner.controller == Some(true));
    let elsewhere = metadata.namespace.as_deref() != Some(case.cluster.namespace.as_str());
    let fault = match () {
        () if selected || is_component => "would be taken for a node of the cluster",
        () if !owned || elsewhere || !name.starts_with(&format!("{}-", case.cluster.name)) => {
            "is not an object that belongs to this resource"
        }
        () if controlled => "would be counted by PodDisruptionBudgets as a pod of its controller",
        () if !case.cluster.policy.pre_pull => "would be made although nobody asked for images to be pulled",
        () => return None,
    };
    Some(format!("the pod {name}, which has an image pulled, {fault}"))
}

/// Rule 9: what is written lies in the cluster's namespace, carries its name, and is never a resource of StarRocks' own kinds.
pub(super) fn specification_is_the_users(case: &Case<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for step in &case.decision.steps {
        let Step::Apply(object) = step else { continue };
        let metadata = match object {
            Object::ConfigMap(object) => &object.metadata,
            Object::Service(object) => &object.metadata,
            Object::StatefulSet(object) => &object.metadata,
            Object::Deployment(object) => &object.metadata,
            Object::HorizontalPodAutoscaler(object) => &object.metadata,
        };
        let name = metadata.name.as_deref().unwrap_or_default();
        let elsewhere = metadata.namespace.as_deref().is_some_and(|namespace| namespace != case.cluster.namespace);
        let owned = metadata.owner_references.iter().flatten().any(|owner| owner.uid == case.cluster.uid);
        if elsewhere || !owned || !name.starts_with(&format!("{}-", case.cluster.name)) {
            found.push(format!("{name} is not an object that belongs to this resource"));
        }
    }
    found
}
