//! The Endpoints and EndpointSlice controllers: a Service goes in, the addresses of its pods come out in both forms; a pod without an IP has none.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::desk::Desk;
use super::fields::{
    Key, condition_holds, controller_reference, finished, flag, has_labels, items, label, map, name, namespace, number, set, terminating,
    text, uid,
};

const SLICE_MANAGER: &str = "endpointslice-controller.k8s.io";

/// One pass over one Service.
pub(super) fn sync(desk: &mut Desk, key: &Key) {
    let Some(service) = desk.get(key).cloned() else {
        // The slice goes with its owner; Endpoints have no owner and are deleted by name.
        let endpoints = Key::new("Endpoints", &key.namespace, &key.name);
        if desk.get(&endpoints).is_some() {
            desk.delete(&endpoints, "");
        }
        return;
    };
    let Some(selector) = map(&service, "/spec/selector").filter(|selector| !selector.is_empty()) else { return };
    let mut pods = desk.list_shared("Pod", &key.namespace);
    pods.retain(|pod| has_labels(map(pod, "/metadata/labels"), selector) && !finished(pod) && !text(pod, "/status/podIP").is_empty());
    write_endpoints(desk, &service, &pods);
    write_slice(desk, &service, &pods);
}

fn headless(service: &Value) -> bool {
    text(service, "/spec/clusterIP") == "None"
}

fn publishes_unready(service: &Value) -> bool {
    flag(service, "/spec/publishNotReadyAddresses")
}

/// Ports of a Service on one pod: a named target port is looked up in the pod; an unknown name drops the port.
fn ports(service: &Value, pod: &Value) -> Vec<Value> {
    let mut found = Vec::new();
    for port in items(service, "/spec/ports") {
        let protocol = port.get("protocol").and_then(Value::as_str).unwrap_or("TCP");
        let target = match port.get("targetPort") {
            Some(Value::String(wanted)) => items(pod, "/spec/containers")
                .iter()
                .flat_map(|container| items(container, "/ports"))
                .find(|candidate| {
                    text(candidate, "/name") == wanted && candidate.get("protocol").and_then(Value::as_str).unwrap_or("TCP") == protocol
                })
                .and_then(|candidate| number(candidate, "/containerPort")),
            Some(other) => other.as_i64().filter(|number| *number > 0).or_else(|| number(port, "/port")),
            None => number(port, "/port"),
        };
        let Some(target) = target else { continue };
        let mut entry = json!({"port": target, "protocol": protocol});
        for field in ["name", "appProtocol"] {
            if let Some(value) = port.get(field) {
                set(&mut entry, &[field], value.clone());
            }
        }
        found.push(entry);
    }
    found
}

fn target_reference(pod: &Value) -> Value {
    json!({"kind": "Pod", "name": name(pod), "namespace": namespace(pod), "uid": uid(pod)})
}

fn host_name<'a>(service: &Value, pod: &'a Value) -> Option<&'a str> {
    let named = text(pod, "/spec/subdomain") == name(service) && !text(pod, "/spec/hostname").is_empty();
    named.then(|| text(pod, "/spec/hostname"))
}

/// Addresses that share their ports.
#[derive(Default)]
struct Subset {
    ready: Vec<Value>,
    unready: Vec<Value>,
    ports: Vec<Value>,
}

fn write_endpoints(desk: &mut Desk, service: &Value, pods: &[Arc<Value>]) {
    let mut subsets: BTreeMap<String, Subset> = BTreeMap::new();
    for pod in pods.iter().filter(|pod| publishes_unready(service) || !terminating(pod)) {
        let ports = ports(service, pod);
        if ports.is_empty() && !(headless(service) && items(service, "/spec/ports").is_empty()) {
            continue;
        }
        let mut address =
            json!({"ip": text(pod, "/status/podIP"), "nodeName": text(pod, "/spec/nodeName"), "targetRef": target_reference(pod)});
        if let Some(host) = host_name(service, pod) {
            set(&mut address, &["hostname"], json!(host));
        }
        let subset = subsets.entry(json!(ports).to_string()).or_insert_with(|| Subset { ports, ..Subset::default() });
        if publishes_unready(service) || condition_holds(pod, "Ready") { subset.ready.push(address) } else { subset.unready.push(address) }
    }
    let subsets: Vec<Value> = subsets
        .into_values()
        .map(|Subset { mut ready, mut unready, ports }| {
            let mut subset = json!({});
            for (field, addresses) in [("addresses", &mut ready), ("notReadyAddresses", &mut unready)] {
                addresses.sort_by_key(|address| text(address, "/ip").to_owned());
                if !addresses.is_empty() {
                    set(&mut subset, &[field], json!(addresses));
                }
            }
            if !ports.is_empty() {
                set(&mut subset, &["ports"], json!(ports));
            }
            subset
        })
        .collect();
    let mut wanted = json!({
        "apiVersion": "v1",
        "kind": "Endpoints",
        "metadata": {"name": name(service), "namespace": namespace(service), "labels": labels(service, "endpoints.kubernetes.io/managed-by", "endpoint-controller")},
    });
    if !subsets.is_empty() {
        set(&mut wanted, &["subsets"], json!(subsets));
    }
    put(desk, wanted, &["subsets"]);
}

fn labels(service: &Value, marker: &str, manager: &str) -> Value {
    let mut labels = service.pointer("/metadata/labels").filter(|labels| labels.is_object()).cloned().unwrap_or_else(|| json!({}));
    set(&mut labels, &[marker], json!(manager));
    if headless(service) {
        set(&mut labels, &["service.kubernetes.io/headless"], json!(""));
    }
    labels
}

fn write_slice(desk: &mut Desk, service: &Value, pods: &[Arc<Value>]) {
    let mut ports_seen: Vec<Value> = Vec::new();
    let mut endpoints: Vec<Value> = Vec::new();
    for pod in pods {
        let mut ports = ports(service, pod);
        for port in ports.iter_mut().filter(|port| port.get("name").is_none()) {
            set(port, &["name"], json!(""));
        }
        if ports_seen.is_empty() {
            ports_seen = ports;
        }
        let serving = condition_holds(pod, "Ready");
        let leaving = terminating(pod);
        let mut endpoint = json!({
            "addresses": [text(pod, "/status/podIP")],
            "conditions": {
                "ready": publishes_unready(service) || (serving && !leaving),
                "serving": serving,
                "terminating": leaving,
            },
            "nodeName": text(pod, "/spec/nodeName"),
            "targetRef": target_reference(pod),
        });
        if let Some(host) = host_name(service, pod) {
            set(&mut endpoint, &["hostname"], json!(host));
        }
        let node = desk.get(&Key::new("Node", "", text(pod, "/spec/nodeName")));
        if let Some(zone) = node.and_then(|node| label(node, "topology.kubernetes.io/zone")) {
            set(&mut endpoint, &["zone"], json!(zone));
        }
        endpoints.push(endpoint);
    }
    let mut slice_labels = labels(service, "endpointslice.kubernetes.io/managed-by", SLICE_MANAGER);
    set(&mut slice_labels, &["kubernetes.io/service-name"], json!(name(service)));
    let wanted = json!({
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": format!("{}-{}", name(service), slice_suffix(service)),
            "generateName": format!("{}-", name(service)),
            "namespace": namespace(service),
            "labels": slice_labels,
            "ownerReferences": [controller_reference(service)],
        },
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": ports_seen,
    });
    put(desk, wanted, &["endpoints", "ports"]);
}

/// Five letters that depend on the Service's identity alone, so that there is one slice for each Service.
fn slice_suffix(service: &Value) -> String {
    let mut sum: u32 = 0x811c_9dc5;
    for byte in uid(service).bytes() {
        sum = (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    super::statefulset::revision::safe_text(sum).chars().take(5).collect()
}

/// Creates the object, or updates it when one of the fields or its labels differ.
fn put(desk: &mut Desk, wanted: Value, compared: &[&str]) {
    let key = Key::of(&wanted);
    let Some(known) = desk.get(&key) else {
        let _ = desk.try_create(wanted);
        return;
    };
    let empty = |value: &Value| value.is_null() || value.as_array().is_some_and(Vec::is_empty);
    let same = compared.iter().all(|field| {
        let (old, new) = (known.get(*field).unwrap_or(&Value::Null), wanted.get(*field).unwrap_or(&Value::Null));
        old == new || (empty(old) && empty(new))
    });
    if terminating(known) || (same && known.pointer("/metadata/labels") == wanted.pointer("/metadata/labels")) {
        return;
    }
    let mut fresh = known.clone();
    if let Some(members) = fresh.as_object_mut() {
        for field in compared {
            match wanted.get(*field) {
                Some(value) => members.insert((*field).to_owned(), value.clone()),
                None => members.remove(*field),
            };
        }
    }
    set(&mut fresh, &["metadata", "labels"], wanted.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({})));
    desk.update(fresh);
}
