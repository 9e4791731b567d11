//! What remains of a world once times, addresses and names given by chance are left out, for comparison; changes nothing.

use std::collections::BTreeMap;

use serde_json::{Map, Value, json};

use super::world::World;

/// Kinds whose objects come and go with time and not with what a cluster is.
const FLEETING: [&str; 3] = ["Event", "Lease", "CustomResourceDefinition"];
/// Kinds that the operator or its StatefulSets make for a cluster.
const COMPARED: [&str; 7] =
    ["StarRocksCluster", "ConfigMap", "Service", "StatefulSet", "Deployment", "HorizontalPodAutoscaler", "PersistentVolumeClaim"];
/// Fields whose value depends on when something happened or on chance.
const ACCIDENTAL: [&str; 16] = [
    "lastTransitionTime",
    "since",
    "startedAt",
    "finishedAt",
    "canarySince",
    // Its name holds the moment of its beginning.
    "record",
    "leader",
    "clusterIP",
    "clusterIPs",
    "volumeName",
    "nodePort",
    "healthCheckNodePort",
    "pv.kubernetes.io/bind-completed",
    // Where the scheduler put a pod.
    "topology.kubernetes.io/region",
    "topology.kubernetes.io/zone",
    // It covers the UID of the owner.
    "starrocks.com/applied-hash",
];
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// The state that two plays of the same story must share.
pub fn of(world: &World) -> Value {
    let mut counts: BTreeMap<String, u64> = BTreeMap::new();
    let mut objects = Map::new();
    for (kind, object) in world.store.all() {
        if FLEETING.contains(&kind) {
            continue;
        }
        *counts.entry(kind.to_owned()).or_default() += 1;
        let text = |pointer: &str| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default();
        let key = format!("{kind} {}/{}", text("/metadata/namespace"), text("/metadata/name"));
        if COMPARED.contains(&kind) {
            objects.insert(key, compared(kind, object));
        } else if kind == "Pod" && object.pointer("/metadata/labels/pod-template-hash").is_none() {
            objects.insert(key, pod(object));
        }
    }
    json!({ "counts": counts, "objects": objects, "starrocks": starrocks(world) })
}

fn compared(kind: &str, object: &Value) -> Value {
    let owners: Vec<Value> = object["metadata"]["ownerReferences"]
        .as_array()
        .into_iter()
        .flatten()
        .map(|owner| json!({ "kind": owner["kind"], "name": owner["name"], "controller": owner["controller"] }))
        .collect();
    let mut kept = json!({
        "labels": object["metadata"]["labels"],
        "annotations": object["metadata"]["annotations"],
        "generation": object["metadata"]["generation"],
        "finalizers": object["metadata"]["finalizers"],
        "owners": owners,
        "spec": object["spec"],
        "data": object["data"],
    });
    if kind == "StarRocksCluster"
        && let Some(fields) = kept.as_object_mut()
    {
        fields.insert("status".to_owned(), object["status"].clone());
    }
    strip(&mut kept);
    kept
}

fn pod(object: &Value) -> Value {
    let statuses = object["status"]["containerStatuses"].as_array();
    let mut kept = json!({
     "labels": object["metadata"]["labels"],
     "images": object["spec"]["containers"].as_array().into_iter().flatten().map(|container| &container["image"]).collect::<Vec<_>>(),
     "restarts": statuses.into_iter().flatten().map(|status| &status["restartCount"]).collect::<Vec<_>>(),
     "ready": statuses.into_iter().flatten().all(|status| status["ready"] == true),
    });
    strip(&mut kept);
    kept
}

/// What StarRocks and the laboratory's books say.
fn starrocks(world: &World) -> Value {
    let audit = world.starrocks.metrics(world.now());
    let mut restarts: BTreeMap<String, Vec<String>> = BTreeMap::new();
    for restart in &audit.restarts {
        restarts.entry(restart.pod.clone()).or_default().push(restart.version.clone());
    }
    json!({
        "bootstraps": audit.bootstraps.iter().map(|(_, namespace)| namespace).collect::<Vec<_>>(),
        "restarts": restarts,
        "settings": audit.settings_now,
        "quorumLostMs": audit.quorum_lost_ms,
        "belowTwoReplicasMs": audit.below_two_ms,
        "droppedNodes": audit.dropped_nodes.iter().map(|(_, host)| host).collect::<Vec<_>>(),
        "deletedTablets": audit.deleted_tablets,
    })
}

fn strip(value: &mut Value) {
    match value {
        Value::Object(fields) => {
            fields.retain(|key, _| !ACCIDENTAL.contains(&key.as_str()) && key != SELECTED_NODE);
            fields.values_mut().for_each(strip);
        }
        Value::Array(items) => items.iter_mut().for_each(strip),
        _ => {}
    }
}

/// The first places at which two states differ.
pub fn difference(wanted: &Value, found: &Value) -> Option<String> {
    const MOST: usize = 5;
    let mut places = Vec::new();
    collect("", wanted, found, &mut places);
    if places.is_empty() {
        return None;
    }
    let more = places.len().saturating_sub(MOST);
    let rest = if more > 0 { format!("; and {more} more") } else { String::new() };
    places.truncate(MOST);
    Some(places.join("; ") + &rest)
}

fn collect(path: &str, wanted: &Value, found: &Value, places: &mut Vec<String>) {
    match (wanted, found) {
        (Value::Object(left), Value::Object(right)) => {
            for key in left.keys().chain(right.keys().filter(|key| !left.contains_key(*key))) {
                let none = Value::Null;
                let side = |fields: &Map<String, Value>| fields.get(key).unwrap_or(&none).clone();
                collect(&format!("{path}/{key}"), &side(left), &side(right), places);
            }
        }
        _ if wanted == found => {}
        _ => places.push(format!("{path} should be {wanted} and is {found}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_and_chance_make_no_difference_and_everything_else_does() {
        let mut one = json!({ "status": { "leader": "a", "phase": "running", "blocked": [{ "since": "x", "code": "1" }] } });
        let mut other = json!({ "status": { "leader": "b", "phase": "failed", "blocked": [{ "since": "y", "code": "1" }] } });
        strip(&mut one);
        strip(&mut other);
        let told = difference(&one, &other).expect("the phases differ");
        assert_eq!(told, r#"/status/phase should be "running" and is "failed""#);
        assert_eq!(difference(&one, &one), None);
    }
}
