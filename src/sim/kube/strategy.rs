//! What a kind keeps and resets when it is written: status on create, everything but status on a status update; refuses nothing.

use serde_json::{Value, json};

use super::registry::{Origin, Resource};
use super::write::{Target, remove_metadata, set_metadata};

/// Metadata that an update cannot change.
const KEPT: &[&str] = &[
    "uid",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "resourceVersion",
    "selfLink",
    "name",
    "namespace",
    "generateName",
];

/// Puts the status of a new object into its first state.
pub(super) fn reset_status(resource: &Resource, object: &mut Value) {
    if !object.is_object() {
        return;
    }
    match (resource.origin, resource.kind.as_str()) {
        (Origin::Custom, _) => {
            if let Some(map) = object.as_object_mut() {
                map.remove("status");
            }
        }
        (_, "Pod") => object["status"] = json!({ "phase": "Pending", "qosClass": quality_of_service(object) }),
        (_, "Namespace") => {
            object["status"] = json!({ "phase": "Active" });
            // A spec of the wrong type is for the decoder to refuse.
            if object["spec"].is_object() || object["spec"].is_null() {
                object["spec"]["finalizers"] = json!(["kubernetes"]);
            }
        }
        (_, "PersistentVolumeClaim" | "PersistentVolume") => object["status"] = json!({ "phase": "Pending" }),
        (_, "Service") => object["status"] = json!({ "loadBalancer": {} }),
        (_, "StatefulSet") => object["status"] = json!({ "availableReplicas": 0, "replicas": 0 }),
        (_, "HorizontalPodAutoscaler") => object["status"] = json!({ "currentMetrics": null, "desiredReplicas": 0 }),
        (_, "PodDisruptionBudget") => {
            object["status"] = json!({ "currentHealthy": 0, "desiredHealthy": 0, "disruptionsAllowed": 0, "expectedPods": 0 });
        }
        (_, "ReplicaSet") => object["status"] = json!({ "replicas": 0 }),
        // A kubelet brings the status of its node along.
        (_, "Node") => {}
        _ => object["status"] = json!({}),
    }
}

fn quality_of_service(pod: &Value) -> &'static str {
    let containers = ["containers", "initContainers"].into_iter().flat_map(|list| pod["spec"][list].as_array().into_iter().flatten());
    let (mut any, mut guaranteed) = (false, true);
    for container in containers {
        let resources = &container["resources"];
        for name in ["cpu", "memory"] {
            let limit = resources["limits"].get(name);
            let request = resources["requests"].get(name);
            any |= limit.is_some() || request.is_some();
            guaranteed &= limit.is_some() && (request.is_none() || request == limit);
        }
    }
    match (any, guaranteed) {
        (true, true) => "Guaranteed",
        (true, false) => "Burstable",
        (false, _) => "BestEffort",
    }
}

/// Drops fields behind feature gates that are off by default (`MaxUnavailableStatefulSet`, up to v1.36); who applied one goes on owning it.
pub(super) fn drop_disabled(kind: &str, object: &mut Value) {
    if kind == "StatefulSet"
        && let Some(rolling) = object.pointer_mut("/spec/updateStrategy/rollingUpdate").and_then(Value::as_object_mut)
    {
        rolling.remove("maxUnavailable");
    }
}

/// Takes over from the live object what this kind of update must not touch.
pub(super) fn prepare_update(target: &Target, object: &mut Value, live: &Value, status_only: bool) {
    if status_only {
        let mut merged = live.clone();
        match object.get_mut("status").map(Value::take) {
            Some(status) => merged["status"] = status,
            None => {
                if let Some(map) = merged.as_object_mut() {
                    map.remove("status");
                }
            }
        }
        if target.resource.origin == Origin::BuiltIn {
            adopt_metadata(&mut merged, object);
        }
        *object = merged;
        object["apiVersion"] = json!(target.resource.api_version(&target.version.name));
        return;
    }
    if target.version.status
        && let Some(map) = object.as_object_mut()
    {
        match live.get("status") {
            Some(status) => map.insert("status".to_string(), status.clone()),
            None => map.remove("status"),
        };
    }
    for field in KEPT {
        match live["metadata"].get(*field) {
            Some(value) => set_metadata(object, field, value.clone()),
            None => remove_metadata(object, field),
        }
    }
}

/// Built-in kinds let a status update change labels, annotations and finalizers too.
fn adopt_metadata(merged: &mut Value, object: &Value) {
    for field in ["labels", "annotations", "finalizers"] {
        match object["metadata"].get(field) {
            Some(value) if !value.is_null() => set_metadata(merged, field, value.clone()),
            _ => {}
        }
    }
}

/// Whether anything but metadata and status differs; without a status subresource the status counts as wanted state.
pub(super) fn wanted_state_changed(target: &Target, live: &Value, object: &Value) -> bool {
    let counts = |field: &str| field != "metadata" && field != "apiVersion" && (field != "status" || !target.version.status);
    differs(live, object, |field, before, after| {
        // Binding is no wish of anybody's: it comes through a subresource of its own.
        let node = |spec: Option<&Value>| spec.and_then(|spec| spec.get("nodeName")?.as_str().map(str::is_empty));
        let bound = target.key.kind == "Pod" && field == "spec" && node(before) != Some(false) && node(after).is_some();
        match (before, after) {
            (Some(before), Some(after)) if bound => differs(before, after, |field, before, after| field != "nodeName" && before != after),
            _ => counts(field) && before != after,
        }
    })
}

/// Whether a field of two maps differs, in the eyes of `judge`; of anything else, whether the values do.
fn differs(before: &Value, after: &Value, judge: impl Fn(&str, Option<&Value>, Option<&Value>) -> bool) -> bool {
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else { return before != after };
    let gone = || old.iter().filter(|(field, _)| !new.contains_key(*field)).any(|(field, before)| judge(field, Some(before), None));
    new.iter().any(|(field, after)| judge(field, old.get(field), Some(after))) || gone()
}
