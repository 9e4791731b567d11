//! The printed columns of the built-in kinds: their names and what stands in them; a table and one function per kind.

use serde_json::{Value, json};

use crate::model::Timestamp;

type Names = &'static [(&'static str, i64)];

/// Headings and priorities of a kind's columns.
pub(super) fn names(kind: &str) -> Names {
    match kind {
        "Pod" => &[("Name", 0), ("Ready", 0), ("Status", 0), ("Restarts", 0), ("Age", 0), ("IP", 1), ("Node", 1)],
        "StatefulSet" => &[("Name", 0), ("Ready", 0), ("Age", 0), ("Containers", 1), ("Images", 1)],
        "Deployment" => &[("Name", 0), ("Ready", 0), ("Up-to-date", 0), ("Available", 0), ("Age", 0), ("Containers", 1), ("Images", 1)],
        "ReplicaSet" => &[("Name", 0), ("Desired", 0), ("Current", 0), ("Ready", 0), ("Age", 0)],
        "Service" => &[("Name", 0), ("Type", 0), ("Cluster-IP", 0), ("External-IP", 0), ("Port(s)", 0), ("Age", 0), ("Selector", 1)],
        "ConfigMap" => &[("Name", 0), ("Data", 0), ("Age", 0)],
        "Secret" => &[("Name", 0), ("Type", 0), ("Data", 0), ("Age", 0)],
        "PersistentVolumeClaim" => &[
            ("Name", 0),
            ("Status", 0),
            ("Volume", 0),
            ("Capacity", 0),
            ("Access Modes", 0),
            ("StorageClass", 0),
            ("Age", 0),
            ("VolumeMode", 1),
        ],
        "PersistentVolume" => &[
            ("Name", 0),
            ("Capacity", 0),
            ("Access Modes", 0),
            ("Reclaim Policy", 0),
            ("Status", 0),
            ("Claim", 0),
            ("StorageClass", 0),
            ("Age", 0),
        ],
        "Node" => &[("Name", 0), ("Status", 0), ("Roles", 0), ("Age", 0), ("Version", 0)],
        "Namespace" => &[("Name", 0), ("Status", 0), ("Age", 0)],
        "Event" => &[("Last Seen", 0), ("Type", 0), ("Reason", 0), ("Object", 0), ("Source", 1), ("Message", 0), ("Count", 1), ("Name", 1)],
        "Endpoints" => &[("Name", 0), ("Endpoints", 0), ("Age", 0)],
        "EndpointSlice" => &[("Name", 0), ("AddressType", 0), ("Ports", 0), ("Endpoints", 0), ("Age", 0)],
        "HorizontalPodAutoscaler" => {
            &[("Name", 0), ("Reference", 0), ("Targets", 0), ("MinPods", 0), ("MaxPods", 0), ("Replicas", 0), ("Age", 0)]
        }
        "PodDisruptionBudget" => &[("Name", 0), ("Min Available", 0), ("Max Unavailable", 0), ("Allowed Disruptions", 0), ("Age", 0)],
        "Lease" => &[("Name", 0), ("Holder", 0), ("Age", 0)],
        "StorageClass" => {
            &[("Name", 0), ("Provisioner", 0), ("ReclaimPolicy", 0), ("VolumeBindingMode", 0), ("AllowVolumeExpansion", 0), ("Age", 0)]
        }
        "ControllerRevision" => &[("Name", 0), ("Controller", 0), ("Revision", 0), ("Age", 0)],
        "ServiceAccount" => &[("Name", 0), ("Age", 0)],
        "RoleBinding" | "ClusterRoleBinding" => &[("Name", 0), ("Role", 0), ("Age", 0)],
        _ => &[("Name", 0), ("Created At", 0)],
    }
}

fn at<'a>(object: &'a Value, pointer: &str) -> &'a Value {
    object.pointer(pointer).unwrap_or(&Value::Null)
}

fn text(object: &Value, pointer: &str) -> String {
    match at(object, pointer) {
        Value::String(text) => text.clone(),
        Value::Null => String::new(),
        other => other.to_string(),
    }
}

fn or_none(text: String) -> String {
    if text.is_empty() { "<none>".to_string() } else { text }
}

fn count(object: &Value, pointer: &str) -> i64 {
    at(object, pointer).as_i64().unwrap_or(0)
}

fn size(object: &Value, pointer: &str) -> usize {
    at(object, pointer).as_object().map_or(0, serde_json::Map::len)
}

fn joined(list: &Value, field: &str) -> String {
    list.as_array().into_iter().flatten().filter_map(|item| item[field].as_str()).collect::<Vec<_>>().join(",")
}

/// How long ago `then` was, as kubectl writes it.
pub(super) fn age(then: Timestamp, now: Timestamp) -> String {
    let seconds = now.since(then).as_secs();
    let (minutes, hours, days) = (seconds / 60, seconds / 3600, seconds / 86_400);
    let both = |large: u64, unit: &str, small: u64, small_unit: &str| {
        if small == 0 { format!("{large}{unit}") } else { format!("{large}{unit}{small}{small_unit}") }
    };
    match seconds {
        0..=119 => format!("{seconds}s"),
        120..=599 => both(minutes, "m", seconds % 60, "s"),
        600..=10_799 => format!("{minutes}m"),
        10_800..=28_799 => both(hours, "h", minutes % 60, "m"),
        28_800..=172_799 => format!("{hours}h"),
        172_800..=691_199 => both(days, "d", hours % 24, "h"),
        _ if days < 730 => format!("{days}d"),
        _ => both(days / 365, "y", days % 365, "d"),
    }
}

fn since(object: &Value, pointer: &str, now: Timestamp) -> String {
    Timestamp::parse(&text(object, pointer)).map_or("<unknown>".to_string(), |then| age(then, now))
}

/// Cells of an object's row.
pub(super) fn cells(kind: &str, object: &Value, now: Timestamp) -> Vec<Value> {
    let name = at(object, "/metadata/name").clone();
    let created = json!(since(object, "/metadata/creationTimestamp", now));
    match kind {
        "Pod" => pod(object, &name, &created, now),
        "StatefulSet" | "Deployment" | "ReplicaSet" | "ControllerRevision" | "HorizontalPodAutoscaler" | "PodDisruptionBudget" => {
            workload(kind, object, name, created)
        }
        "PersistentVolumeClaim" | "PersistentVolume" | "StorageClass" => storage(kind, object, name, created),
        "Service" => service(object, &name, &created),
        "Node" => node(object, &name, &created),
        "Event" => event(object, name, now),
        _ => plain_kind(kind, object, name, created),
    }
}

fn workload(kind: &str, object: &Value, name: Value, created: Value) -> Vec<Value> {
    let plain = |pointer: &str| json!(text(object, pointer));
    let ratio = |ready: &str, wanted: &str| json!(format!("{}/{}", count(object, ready), count(object, wanted)));
    let containers = at(object, "/spec/template/spec/containers");
    match kind {
        "StatefulSet" => {
            let ready = ratio("/status/readyReplicas", "/spec/replicas");
            vec![name, ready, created, json!(joined(containers, "name")), json!(joined(containers, "image"))]
        }
        "Deployment" => {
            let (updated, available) = (json!(count(object, "/status/updatedReplicas")), json!(count(object, "/status/availableReplicas")));
            let ready = ratio("/status/readyReplicas", "/spec/replicas");
            vec![name, ready, updated, available, created, json!(joined(containers, "name")), json!(joined(containers, "image"))]
        }
        "ReplicaSet" => {
            let number = |pointer: &str| json!(count(object, pointer));
            vec![name, number("/spec/replicas"), number("/status/replicas"), number("/status/readyReplicas"), created]
        }
        "ControllerRevision" => {
            let owner =
                at(object, "/metadata/ownerReferences").as_array().into_iter().flatten().find(|owner| owner["controller"] == json!(true));
            let owner = owner.map(|owner| {
                format!("{}/{}", owner["kind"].as_str().unwrap_or_default().to_lowercase(), owner["name"].as_str().unwrap_or_default())
            });
            vec![name, json!(or_none(owner.unwrap_or_default())), json!(count(object, "/revision")), created]
        }
        "HorizontalPodAutoscaler" => {
            let target = format!("{}/{}", text(object, "/spec/scaleTargetRef/kind"), text(object, "/spec/scaleTargetRef/name"));
            let replicas = json!(count(object, "/status/currentReplicas"));
            vec![name, json!(target), json!("<unknown>"), plain("/spec/minReplicas"), plain("/spec/maxReplicas"), replicas, created]
        }
        "PodDisruptionBudget" => {
            let bound = |pointer: &str| json!(Some(text(object, pointer)).filter(|text| !text.is_empty()).unwrap_or("N/A".to_string()));
            vec![
                name,
                bound("/spec/minAvailable"),
                bound("/spec/maxUnavailable"),
                json!(count(object, "/status/disruptionsAllowed")),
                created,
            ]
        }
        _ => vec![name, plain("/metadata/creationTimestamp")],
    }
}

fn storage(kind: &str, object: &Value, name: Value, created: Value) -> Vec<Value> {
    let plain = |pointer: &str| json!(text(object, pointer));
    match kind {
        "PersistentVolumeClaim" => vec![
            name,
            plain("/status/phase"),
            plain("/spec/volumeName"),
            plain("/status/capacity/storage"),
            json!(access_modes(at(object, "/status/accessModes"))),
            plain("/spec/storageClassName"),
            created,
            plain("/spec/volumeMode"),
        ],
        "PersistentVolume" => vec![
            name,
            plain("/spec/capacity/storage"),
            json!(access_modes(at(object, "/spec/accessModes"))),
            plain("/spec/persistentVolumeReclaimPolicy"),
            plain("/status/phase"),
            json!(format!("{}/{}", text(object, "/spec/claimRef/namespace"), text(object, "/spec/claimRef/name"))),
            plain("/spec/storageClassName"),
            created,
        ],
        "StorageClass" => {
            let expands = json!(at(object, "/allowVolumeExpansion").as_bool().unwrap_or(false));
            vec![name, plain("/provisioner"), plain("/reclaimPolicy"), plain("/volumeBindingMode"), expands, created]
        }
        _ => vec![name, plain("/metadata/creationTimestamp")],
    }
}

fn event(object: &Value, name: Value, now: Timestamp) -> Vec<Value> {
    let plain = |pointer: &str| json!(text(object, pointer));
    let seen = ["/lastTimestamp", "/series/lastObservedTime", "/eventTime", "/metadata/creationTimestamp"];
    let seen = seen
        .into_iter()
        .find(|pointer| at(object, pointer).is_string())
        .map_or("<unknown>".to_string(), |pointer| since(object, pointer, now));
    let about = format!("{}/{}", text(object, "/involvedObject/kind").to_lowercase(), text(object, "/involvedObject/name"));
    let source = [text(object, "/source/component"), text(object, "/reportingComponent")].into_iter().find(|text| !text.is_empty());
    let number = count(object, "/count").max(count(object, "/series/count")).max(1);
    vec![json!(seen), plain("/type"), plain("/reason"), json!(about), json!(source), plain("/message"), json!(number), name]
}

fn plain_kind(kind: &str, object: &Value, name: Value, created: Value) -> Vec<Value> {
    let plain = |pointer: &str| json!(text(object, pointer));
    match kind {
        "ConfigMap" => vec![name, json!(size(object, "/data") + size(object, "/binaryData")), created],
        "Secret" => vec![name, plain("/type"), json!(size(object, "/data")), created],
        "Namespace" => vec![name, plain("/status/phase"), created],
        "Endpoints" => vec![name, json!(endpoints(object)), created],
        "EndpointSlice" => {
            let ports: Vec<String> = at(object, "/ports").as_array().into_iter().flatten().map(|port| port["port"].to_string()).collect();
            let addresses: Vec<&str> = at(object, "/endpoints")
                .as_array()
                .into_iter()
                .flatten()
                .flat_map(|endpoint| endpoint["addresses"].as_array().into_iter().flatten().filter_map(Value::as_str))
                .collect();
            vec![name, plain("/addressType"), json!(ports.join(",")), json!(or_none(addresses.join(","))), created]
        }
        "Lease" => vec![name, plain("/spec/holderIdentity"), created],
        "ServiceAccount" => vec![name, created],
        "RoleBinding" | "ClusterRoleBinding" => {
            vec![name, json!(format!("{}/{}", text(object, "/roleRef/kind"), text(object, "/roleRef/name"))), created]
        }
        _ => vec![name, plain("/metadata/creationTimestamp")],
    }
}

fn pod(object: &Value, name: &Value, created: &Value, now: Timestamp) -> Vec<Value> {
    let statuses: Vec<&Value> = at(object, "/status/containerStatuses").as_array().into_iter().flatten().collect();
    let ready = statuses.iter().filter(|status| status["ready"] == json!(true)).count();
    let total = at(object, "/spec/containers").as_array().map_or(0, Vec::len);
    let restarts: i64 = statuses.iter().map(|status| status["restartCount"].as_i64().unwrap_or(0)).sum();
    let last = statuses.iter().filter_map(|s| Timestamp::parse(s.pointer("/lastState/terminated/finishedAt")?.as_str()?)).max();
    let restarts = match last.filter(|_| restarts > 0) {
        Some(moment) => format!("{restarts} ({} ago)", age(moment, now)),
        None => restarts.to_string(),
    };
    let ip = or_none(text(object, "/status/podIP"));
    let node = or_none(text(object, "/spec/nodeName"));
    vec![
        name.clone(),
        json!(format!("{ready}/{total}")),
        json!(pod_status(object, &statuses)),
        json!(restarts),
        created.clone(),
        json!(ip),
        json!(node),
    ]
}

fn pod_status(object: &Value, statuses: &[&Value]) -> String {
    if at(object, "/metadata/deletionTimestamp").is_string() {
        return "Terminating".to_string();
    }
    let reason = |status: &&Value| {
        let state = &status["state"];
        [&state["waiting"]["reason"], &state["terminated"]["reason"]].into_iter().find_map(|reason| reason.as_str().map(str::to_string))
    };
    let fallback = [text(object, "/status/reason"), text(object, "/status/phase")].into_iter().find(|text| !text.is_empty());
    statuses.iter().rev().find_map(reason).or(fallback).unwrap_or_else(|| "Unknown".to_string())
}

fn service(object: &Value, name: &Value, created: &Value) -> Vec<Value> {
    let ports: Vec<String> = at(object, "/spec/ports")
        .as_array()
        .into_iter()
        .flatten()
        .map(|port| {
            let node_port = port["nodePort"].as_i64().map_or(String::new(), |node_port| format!(":{node_port}"));
            format!("{}{node_port}/{}", port["port"], port["protocol"].as_str().unwrap_or("TCP"))
        })
        .collect();
    let selector: Vec<String> = at(object, "/spec/selector")
        .as_object()
        .into_iter()
        .flatten()
        .map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default()))
        .collect();
    let ingress = joined(at(object, "/status/loadBalancer/ingress"), "ip");
    let external = match text(object, "/spec/type").as_str() {
        "LoadBalancer" if ingress.is_empty() => "<pending>".to_string(),
        "LoadBalancer" => ingress,
        "ExternalName" => text(object, "/spec/externalName"),
        _ => "<none>".to_string(),
    };
    vec![
        name.clone(),
        json!(text(object, "/spec/type")),
        json!(or_none(text(object, "/spec/clusterIP"))),
        json!(external),
        json!(or_none(ports.join(","))),
        created.clone(),
        json!(or_none(selector.join(","))),
    ]
}

fn node(object: &Value, name: &Value, created: &Value) -> Vec<Value> {
    let ready = at(object, "/status/conditions").as_array().into_iter().flatten().find(|condition| condition["type"] == "Ready");
    let mut status = if ready.is_some_and(|condition| condition["status"] == "True") { "Ready" } else { "NotReady" }.to_string();
    if at(object, "/spec/unschedulable") == &json!(true) {
        status.push_str(",SchedulingDisabled");
    }
    let labels = at(object, "/metadata/labels").as_object().into_iter().flatten();
    let roles: Vec<&str> = labels.filter_map(|(key, _)| key.strip_prefix("node-role.kubernetes.io/")).collect();
    vec![
        name.clone(),
        json!(status),
        json!(or_none(roles.join(","))),
        created.clone(),
        json!(text(object, "/status/nodeInfo/kubeletVersion")),
    ]
}

fn access_modes(modes: &Value) -> String {
    let short = |mode: &str| match mode {
        "ReadWriteOnce" => "RWO",
        "ReadOnlyMany" => "ROX",
        "ReadWriteMany" => "RWX",
        "ReadWriteOncePod" => "RWOP",
        _ => "",
    };
    modes.as_array().into_iter().flatten().filter_map(Value::as_str).map(short).collect::<Vec<_>>().join(",")
}

fn endpoints(object: &Value) -> String {
    let mut found = Vec::new();
    for subset in at(object, "/subsets").as_array().into_iter().flatten() {
        for port in subset["ports"].as_array().into_iter().flatten() {
            for address in subset["addresses"].as_array().into_iter().flatten() {
                found.push(format!("{}:{}", address["ip"].as_str().unwrap_or_default(), port["port"]));
            }
        }
    }
    let shown = found.iter().take(3).cloned().collect::<Vec<_>>().join(",");
    if found.len() > 3 { format!("{shown} + {} more...", found.len() - 3) } else { or_none(shown) }
}
