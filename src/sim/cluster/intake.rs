//! Turns committed changes into work: each watch event wakes the loops that upstream's informers would wake; writes nothing.

use serde_json::Value;

use super::agenda::{Agenda, Loop};
use super::fields::{Key, controller_of, has_labels, map, namespace, selects, text};
use super::nodes;
use super::ownership::controller_key;
use crate::model::Timestamp;
use crate::sim::kube::Store;

/// One change, with the object before it.
pub(super) struct Change<'a> {
    pub(super) object: &'a Value,
    pub(super) previous: Option<&'a Value>,
    pub(super) removed: bool,
}

/// Wakes the loops that a change concerns; `at` is when they will get to it.
pub(super) fn route(agenda: &mut Agenda, store: &Store, change: &Change, at: Timestamp) {
    let key = Key::of(change.object);
    match key.kind.as_str() {
        "Pod" => pod(agenda, store, change, &key, at),
        "StatefulSet" => agenda.wake(Loop::StatefulSet, key, at),
        "ReplicaSet" => {
            match controller_key(change.object, "Deployment") {
                Some(owner) => agenda.wake(Loop::Deployment, owner, at),
                None => wake_all(agenda, store, Loop::Deployment, "Deployment", &key.namespace, at),
            }
            agenda.wake(Loop::ReplicaSet, key, at);
        }
        "Deployment" => agenda.wake(Loop::Deployment, key, at),
        "Service" => agenda.wake(Loop::Endpoints, key, at),
        "PersistentVolumeClaim" => {
            wake_pending(agenda, store, at);
            agenda.wake(Loop::Storage, key, at);
        }
        "StorageClass" | "PersistentVolume" => {
            for claim in store.list("PersistentVolumeClaim", None) {
                if text(claim, "/status/phase") != "Bound" {
                    agenda.wake(Loop::Storage, Key::of(claim), at);
                }
            }
        }
        "PodDisruptionBudget" => agenda.wake(Loop::Disruption, key, at),
        "Namespace" => agenda.wake(Loop::Namespace, key, at),
        "Node" => {
            if fit_changed(change) {
                wake_pending(agenda, store, at);
            }
            agenda.wake(Loop::Node, key, if change.removed { at + nodes::QUARANTINE } else { at });
        }
        _ => {}
    }
}

/// A node's status changes often; only what a scheduler looks at matters to waiting pods.
fn fit_changed(change: &Change) -> bool {
    change.previous.is_none_or(|previous| {
        ["/spec", "/metadata/labels", "/status/allocatable"].iter().any(|part| previous.pointer(part) != change.object.pointer(part))
    })
}

fn pod(agenda: &mut Agenda, store: &Store, change: &Change, key: &Key, at: Timestamp) {
    for state in [Some(change.object), change.previous].into_iter().flatten() {
        for (works, kind) in [(Loop::StatefulSet, "StatefulSet"), (Loop::ReplicaSet, "ReplicaSet")] {
            match controller_key(state, kind) {
                Some(owner) => agenda.wake(works, owner, at),
                None if controller_of(state).is_none() => wake_all(agenda, store, works, kind, &key.namespace, at),
                None => {}
            }
        }
        for service in store.list("Service", Some(&key.namespace)) {
            if map(service, "/spec/selector")
                .is_some_and(|selector| !selector.is_empty() && has_labels(map(state, "/metadata/labels"), selector))
            {
                agenda.wake(Loop::Endpoints, Key::of(service), at);
            }
        }
        for budget in store.list("PodDisruptionBudget", Some(&key.namespace)) {
            if budget.pointer("/spec/selector").is_some_and(|selector| selects(selector, map(state, "/metadata/labels"))) {
                agenda.wake(Loop::Disruption, Key::of(budget), at);
            }
        }
    }
    if change.removed || text(change.object, "/status/phase") != change.previous.map_or("", |previous| text(previous, "/status/phase")) {
        for volume in super::fields::items(change.object, "/spec/volumes") {
            let claim = text(volume, "/persistentVolumeClaim/claimName");
            if !claim.is_empty() {
                agenda.wake(Loop::Storage, Key::new("PersistentVolumeClaim", namespace(change.object), claim), at);
            }
        }
    }
    if change.removed {
        wake_pending(agenda, store, at);
        // A deployment that recreates waits for the last old pod.
        let replica_set =
            controller_key(change.object, "ReplicaSet").and_then(|owner| store.get(&owner.kind, &owner.namespace, &owner.name));
        if let Some(deployment) = replica_set.and_then(|owner| controller_key(owner, "Deployment")) {
            agenda.wake(Loop::Deployment, deployment, at);
        }
    } else if text(change.object, "/spec/nodeName").is_empty()
        && change.previous.is_none_or(|previous| previous.get("spec") != change.object.get("spec"))
    {
        agenda.wake(Loop::Schedule, key.clone(), at);
    }
}

fn wake_all(agenda: &mut Agenda, store: &Store, works: Loop, kind: &str, namespace: &str, at: Timestamp) {
    for object in store.list(kind, Some(namespace)) {
        agenda.wake(works, Key::of(object), at);
    }
}

/// Pods that no node fitted are tried again.
fn wake_pending(agenda: &mut Agenda, store: &Store, at: Timestamp) {
    for pod in store.list("Pod", None) {
        if text(pod, "/spec/nodeName").is_empty() {
            agenda.wake(Loop::Schedule, Key::of(pod), at);
        }
    }
}
