//! Live Kubernetes objects in, the small part that decisions need out; what is left out is never stored.

use k8s_openapi::api::core::v1::{
    Container, ContainerState, ContainerStatus, PersistentVolumeClaim, Pod as LivePod, PodCondition, PodStatus,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::{ObjectMeta, Time};
use serde_json::{Map, Value};

use crate::model::Timestamp;
use crate::model::component::{COMPONENT_LABEL, Component, FORMER_COPY_ANNOTATION, OWNER_LABEL, PULL_CONTAINER, PULL_LABEL, ordinal};
use crate::model::observed::{Claim, ContainerRun, ImagePull, LiveObject, Ownership, Pod, PodProblem, PullState};
use crate::model::ports::DeclaredPorts;
use crate::model::warehouse::fleet_name;

/// Annotations that repeat the whole object: kubectl's, and the one of the former operator.
const COPIES: [&str; 2] = ["kubectl.kubernetes.io/last-applied-configuration", FORMER_COPY_ANNOTATION];

/// What of `metadata` is kept in a live object's body.
const KEPT_METADATA: [&str; 4] = ["labels", "annotations", "generation", "finalizers"];

/// Reasons for which a container waits and that waiting alone does not mend.
const STUCK: [&str; 13] = [
    "CrashLoopBackOff",
    "CreateContainerConfigError",
    "CreateContainerError",
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "PostStartHookError",
    "PreCreateHookError",
    "RegistryUnavailable",
    "RunContainerError",
    "SignatureValidationFailed",
];

/// The name of the cluster that an object, pod or claim belongs to by its labels: objects carry the cluster's name, pods and
/// claims the workload's.
pub fn cluster_of_labels(metadata: &ObjectMeta, is_object: bool) -> Option<String> {
    let labels = metadata.labels.as_ref()?;
    let owner = labels.get(OWNER_LABEL)?;
    if is_object {
        // The autoscaler of a warehouse carries the name of the resource, all its other objects that of its nodes.
        let owners = metadata.owner_references.iter().flatten();
        let of_warehouse = owners.into_iter().any(|owner| owner.controller == Some(true) && owner.kind == "StarRocksWarehouse");
        let is_autoscaler = labels.get(COMPONENT_LABEL).is_some_and(|component| component == "autoscaler");
        return Some(if of_warehouse && is_autoscaler { fleet_name(owner) } else { owner.clone() });
    }
    let label = labels.get(COMPONENT_LABEL)?;
    if label == PULL_LABEL {
        return owner.strip_suffix(PULL_LABEL)?.strip_suffix('-').filter(|cluster| !cluster.is_empty()).map(str::to_owned);
    }
    let component = Component::from_label(label)?;
    let cluster = owner.strip_suffix(component.label())?.strip_suffix('-')?;
    (!cluster.is_empty()).then(|| cluster.to_owned())
}

/// UID of the controller among an object's owners.
pub(super) fn controller_uid(object: &Value) -> Option<&str> {
    let owners = object.pointer("/metadata/ownerReferences")?.as_array()?;
    let controller = owners.iter().find(|owner| owner.get("controller").and_then(Value::as_bool) == Some(true))?;
    controller.get("uid")?.as_str()
}

/// Whose an object with this controller is, for the cluster with `owner_uid`.
pub(super) fn ownership(controller_uid: Option<&str>, owner_uid: &str) -> Ownership {
    match controller_uid {
        None => Ownership::Orphan,
        Some(uid) if uid == owner_uid => Ownership::Ours,
        Some(_) => Ownership::Foreign,
    }
}

/// An owned object without managed fields, copies of itself and the parts of metadata that no decision needs.
pub fn project_object(object: &Value, owner_uid: &str) -> LiveObject {
    let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_owned();
    LiveObject {
        uid: text("/metadata/uid"),
        resource_version: text("/metadata/resourceVersion"),
        ownership: ownership(controller_uid(object), owner_uid),
        deleting: object.pointer("/metadata/deletionTimestamp").is_some_and(|moment| !moment.is_null()),
        body: body(object),
    }
}

fn body(object: &Value) -> Value {
    let mut body: Map<String, Value> = object
        .as_object()
        .map(|fields| {
            let kept = fields.iter().filter(|(field, _)| !["apiVersion", "kind", "metadata"].contains(&field.as_str()));
            kept.map(|(field, value)| (field.clone(), value.clone())).collect()
        })
        .unwrap_or_default();
    let mut metadata = Map::new();
    for key in KEPT_METADATA {
        if let Some(value) = object.pointer("/metadata").and_then(|metadata| metadata.get(key)) {
            metadata.insert(key.to_owned(), value.clone());
        }
    }
    if let Some(annotations) = metadata.get_mut("annotations").and_then(Value::as_object_mut) {
        annotations.retain(|key, _| !COPIES.contains(&key.as_str()));
    }
    body.insert("metadata".to_owned(), Value::Object(metadata));
    Value::Object(body)
}

/// A pod as far as decisions need it; `None` for a pod that carries no component label of ours.
pub fn project_pod(pod: &LivePod) -> Option<Pod> {
    let metadata = &pod.metadata;
    let label = |key: &str| metadata.labels.as_ref().and_then(|labels| labels.get(key));
    let component = Component::from_label(label(COMPONENT_LABEL)?)?;
    let name = metadata.name.clone()?;
    let status = pod.status.clone().unwrap_or_default();
    let containers = pod.spec.as_ref().map(|spec| spec.containers.as_slice()).unwrap_or_default();
    let main = containers.iter().find(|container| container.name == component.container()).or_else(|| containers.first());
    let statuses = status.container_statuses.as_deref().unwrap_or_default();
    let main_status = main.and_then(|main| statuses.iter().find(|status| status.name == main.name));
    let ready = condition(&status, "Ready").is_some_and(|condition| condition.status == "True");
    Some(Pod {
        ordinal: if component == Component::FrontendProxy { None } else { ordinal(&name) },
        uid: metadata.uid.clone().unwrap_or_default(),
        component,
        revision: label("controller-revision-hash").cloned().unwrap_or_default(),
        ports: main.map(|main| declared(component, main)).unwrap_or_default(),
        image: main.and_then(|main| main.image.clone()).unwrap_or_default(),
        ip: status.pod_ip.clone().filter(|ip| !ip.is_empty()),
        node: pod.spec.as_ref().and_then(|spec| spec.node_name.clone()),
        created: metadata.creation_timestamp.as_ref().map(moment).unwrap_or_default(),
        started: main_status.and_then(|status| status.state.as_ref()?.running.as_ref()?.started_at.as_ref()).map(moment),
        ready,
        running: statuses.len() >= containers.len().max(1) && statuses.iter().all(is_running),
        deleting: metadata.deletion_timestamp.is_some(),
        restarts: main_status.map_or(0, |status| status.restart_count),
        problem: if ready { None } else { problem(&status) },
        failed: status.phase.as_deref() == Some("Failed"),
        unexplained: if ready { None } else { unexplained(&status) },
        name,
    })
}

fn declared(component: Component, container: &Container) -> DeclaredPorts {
    let ports = container.ports.iter().flatten();
    DeclaredPorts::read(component, ports.filter_map(|port| Some((port.name.as_deref()?, i64::from(port.container_port)))))
}

/// Reasons for which a container waits because of its image. `ErrImagePull` and what follows it is tried again by the kubelet, ever less often.
const OF_THE_IMAGE: [&str; 7] = [
    "ErrImageNeverPull",
    "ErrImagePull",
    "ImageInspectError",
    "ImagePullBackOff",
    "InvalidImageName",
    "RegistryUnavailable",
    "SignatureValidationFailed",
];

/// A pod that only has an image pulled; `None` for any other.
pub(super) fn project_pull(pod: &LivePod) -> Option<ImagePull> {
    let metadata = &pod.metadata;
    let label = metadata.labels.as_ref().and_then(|labels| labels.get(COMPONENT_LABEL));
    if label.map(String::as_str) != Some(PULL_LABEL) {
        return None;
    }
    // Its cluster is its owner and not its controller; it was both under former builds of this operator. Whoever else controls it has taken it over.
    let owners = || metadata.owner_references.iter().flatten();
    let controller = owners().find(|owner| owner.controller == Some(true));
    let owner = controller.or_else(|| owners().find(|owner| owner.kind == "StarRocksCluster")).map(|owner| owner.uid.clone());
    Some(ImagePull {
        uid: metadata.uid.clone().unwrap_or_default(),
        owner: owner.unwrap_or_default(),
        is_ours: false,
        deleting: metadata.deletion_timestamp.is_some(),
        state: pull_state(&pod.status.clone().unwrap_or_default()),
    })
}

/// An image is there once its container was started, whatever became of that: creating comes after pulling.
fn pull_state(status: &PodStatus) -> PullState {
    // Others may have been put beside it on the way.
    let container = status.container_statuses.iter().flatten().find(|container| container.name == PULL_CONTAINER);
    let state = container.and_then(|container| container.state.as_ref());
    let waiting = state.and_then(|state| state.waiting.as_ref());
    let words = |reason: Option<&String>, message: Option<&String>| {
        let parts = reason.into_iter().chain(message).map(|part| part.trim()).filter(|part| !part.is_empty());
        parts.collect::<Vec<_>>().join(": ")
    };
    if let Some(waiting) = waiting.filter(|waiting| waiting.reason.as_deref().is_some_and(|reason| OF_THE_IMAGE.contains(&reason))) {
        return PullState::Failing { words: words(waiting.reason.as_ref(), waiting.message.as_ref()) };
    }
    let started = state.is_some_and(|state| state.running.is_some() || state.terminated.is_some());
    let after_pull = waiting.and_then(|waiting| waiting.reason.as_deref()).is_some_and(|reason| STUCK.contains(&reason));
    match status.phase.as_deref() {
        _ if started || after_pull => PullState::Pulled,
        Some("Succeeded") => PullState::Pulled,
        Some("Failed") => PullState::NotTried { why: words(status.reason.as_ref(), status.message.as_ref()) },
        _ => PullState::Pulling,
    }
}

/// A claim of a pod.
pub fn project_claim(claim: &PersistentVolumeClaim) -> Claim {
    Claim {
        uid: claim.metadata.uid.clone().unwrap_or_default(),
        bound: claim.status.as_ref().and_then(|status| status.phase.as_deref()) == Some("Bound"),
        created: claim.metadata.creation_timestamp.as_ref().map(moment).unwrap_or_default(),
    }
}

fn moment(time: &Time) -> Timestamp {
    Timestamp::from_millis(time.0.as_millisecond())
}

fn is_running(status: &ContainerStatus) -> bool {
    status.state.as_ref().is_some_and(|state| state.running.is_some())
}

fn condition<'a>(status: &'a PodStatus, name: &str) -> Option<&'a PodCondition> {
    status.conditions.as_ref()?.iter().find(|condition| condition.type_ == name)
}

fn problem(status: &PodStatus) -> Option<PodProblem> {
    whole_pod_problem(status).or_else(|| {
        let init = status.init_container_statuses.iter().flatten();
        let containers = status.container_statuses.iter().flatten();
        let problems: Vec<PodProblem> = init.chain(containers).filter_map(container_problem).collect();
        // What a person must mend is said before what passes by itself.
        problems.iter().find(|problem| problem.stuck).or_else(|| problems.first()).cloned()
    })
}

fn whole_pod_problem(status: &PodStatus) -> Option<PodProblem> {
    let message = || status.message.clone().unwrap_or_default();
    if status.phase.as_deref() == Some("Failed") {
        let reason = status.reason.clone().unwrap_or_else(|| "Failed".to_owned());
        return Some(PodProblem { reason, message: message(), stuck: true });
    }
    if let Some(reason) = status.reason.clone().filter(|reason| !reason.is_empty()) {
        return Some(PodProblem { reason, message: message(), stuck: false });
    }
    let scheduled = condition(status, "PodScheduled").filter(|condition| condition.status == "False")?;
    let reason = scheduled.reason.clone().unwrap_or_else(|| "NotScheduled".to_owned());
    Some(PodProblem { stuck: reason == "Unschedulable", reason, message: scheduled.message.clone().unwrap_or_default() })
}

fn container_problem(status: &ContainerStatus) -> Option<PodProblem> {
    let state = status.state.as_ref()?;
    if let Some(waiting) = &state.waiting {
        let reason = waiting.reason.clone().unwrap_or_else(|| "Waiting".to_owned());
        let words = waiting.message.clone().unwrap_or_default();
        let message =
            [words, last_words(status.last_state.as_ref())].into_iter().filter(|part| !part.is_empty()).collect::<Vec<_>>().join("; ");
        return Some(PodProblem { stuck: STUCK.contains(&reason.as_str()), reason, message });
    }
    let ended = state.terminated.as_ref().filter(|ended| ended.exit_code != 0)?;
    let reason = ended.reason.clone().unwrap_or_else(|| "Error".to_owned());
    Some(PodProblem { reason, message: last_words(Some(state)), stuck: false })
}

/// A run in a crash loop whose end Kubernetes knows by its exit code only: the images of StarRocks write no termination message.
fn unexplained(status: &PodStatus) -> Option<ContainerRun> {
    let containers = status.init_container_statuses.iter().flatten().chain(status.container_statuses.iter().flatten());
    let silent = |status: &&ContainerStatus| {
        let waiting = status.state.as_ref().and_then(|state| state.waiting.as_ref()?.reason.as_deref());
        let ended = status.last_state.as_ref().and_then(|state| state.terminated.as_ref());
        let message = ended.map(|ended| ended.message.as_deref().unwrap_or_default().trim());
        waiting == Some("CrashLoopBackOff") && message == Some("")
    };
    let found = containers.into_iter().find(silent)?;
    Some(ContainerRun { container: found.name.clone(), restarts: found.restart_count })
}

fn last_words(state: Option<&ContainerState>) -> String {
    let Some(ended) = state.and_then(|state| state.terminated.as_ref()) else { return String::new() };
    let reason = ended.reason.as_deref().unwrap_or("ended");
    let message = ended.message.as_deref().map(str::trim).filter(|message| !message.is_empty());
    let message = message.map(|message| format!(": {message}")).unwrap_or_default();
    format!("last run: {reason}, exit code {}{message}", ended.exit_code)
}
