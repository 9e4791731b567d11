//! What the server chooses for an object itself: cluster IPs, node ports, a default storage class; deterministic, always the lowest that is free.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::error::FieldFault;
use super::store::{ObjectKey, Store};

const FIRST_NODE_PORT: i64 = 30_000;
const LAST_NODE_PORT: i64 = 32_767;
const DEFAULT_CLASS: &str = "storageclass.kubernetes.io/is-default-class";

/// Completes an object of a kind that is given something by the server.
pub(super) fn allocate(store: &Store, key: &ObjectKey, object: &mut Value, live: Option<&Value>) -> Vec<FieldFault> {
    match key.kind.as_str() {
        "Service" => service(store, key, object, live),
        "PersistentVolumeClaim" if live.is_none() => {
            default_class(store, object);
            Vec::new()
        }
        "Namespace" => {
            object["metadata"]["labels"]["kubernetes.io/metadata.name"] = json!(key.name);
            Vec::new()
        }
        _ => Vec::new(),
    }
}

fn default_class(store: &Store, claim: &mut Value) {
    if claim["spec"].get("storageClassName").is_some() {
        return;
    }
    let classes = store.list("StorageClass", None);
    let default = classes.into_iter().find(|class| class["metadata"]["annotations"][DEFAULT_CLASS] == "true");
    if let Some(class) = default {
        claim["spec"]["storageClassName"] = class["metadata"]["name"].clone();
    }
}

fn service(store: &Store, key: &ObjectKey, object: &mut Value, live: Option<&Value>) -> Vec<FieldFault> {
    let external = object["spec"]["type"] == "ExternalName";
    if external {
        return Vec::new();
    }
    // A client that sends no address means the one that is there.
    if let Some(live) = live.filter(|live| live["spec"]["type"] != "ExternalName") {
        for field in ["clusterIP", "clusterIPs", "healthCheckNodePort"] {
            if object["spec"].get(field).is_none() && live["spec"].get(field).is_some() {
                object["spec"][field] = live["spec"][field].clone();
            }
        }
        keep_node_ports(object, live);
    }
    let others: Vec<&Value> = store
        .list("Service", None)
        .into_iter()
        .filter(|other| other["metadata"]["name"] != *key.name || other["metadata"]["namespace"] != *key.namespace)
        .collect();
    let mut faults = assign_address(&others, object);
    assign_node_ports(&others, object, &mut faults);
    faults
}

fn assign_address(others: &[&Value], object: &mut Value) -> Vec<FieldFault> {
    let taken: BTreeSet<&str> = others.iter().filter_map(|other| other["spec"]["clusterIP"].as_str()).collect();
    let asked = object["spec"]["clusterIP"].as_str().unwrap_or_default().to_string();
    let mut faults = Vec::new();
    if asked.is_empty() {
        // 10.96.0.1 and 10.96.0.10 belong to the API server and to DNS.
        let free = (11_u32..65_000).map(|n| format!("10.96.{}.{}", n / 256, n % 256)).find(|address| !taken.contains(address.as_str()));
        object["spec"]["clusterIP"] = json!(free.unwrap_or_default());
    } else if asked != "None" && taken.contains(asked.as_str()) {
        let detail = "failed to allocate IP: provided IP is already allocated";
        faults.push(FieldFault::invalid("spec.clusterIPs", &json!([asked]), detail));
    }
    object["spec"]["clusterIPs"] = json!([object["spec"]["clusterIP"]]);
    faults
}

fn keep_node_ports(object: &mut Value, live: &Value) {
    let before = live["spec"]["ports"].as_array().cloned().unwrap_or_default();
    for port in object["spec"]["ports"].as_array_mut().into_iter().flatten() {
        let same = |old: &&Value| old["port"] == port["port"] && old["protocol"] == port["protocol"];
        if port.get("nodePort").is_none()
            && let Some(node_port) = before.iter().find(same).and_then(|old| old.get("nodePort"))
        {
            port["nodePort"] = node_port.clone();
        }
    }
}

fn assign_node_ports(others: &[&Value], object: &mut Value, faults: &mut Vec<FieldFault>) {
    let kind = object["spec"]["type"].as_str().unwrap_or_default().to_string();
    let exposes = kind == "NodePort" || (kind == "LoadBalancer" && object["spec"]["allocateLoadBalancerNodePorts"] != json!(false));
    let ports_of = |service: &Value| -> Vec<i64> {
        service["spec"]["ports"].as_array().into_iter().flatten().filter_map(|port| port["nodePort"].as_i64()).collect()
    };
    let checks: Vec<i64> = others.iter().filter_map(|other| other["spec"]["healthCheckNodePort"].as_i64()).collect();
    let mut taken: BTreeSet<i64> = others.iter().flat_map(|other| ports_of(other)).chain(checks).collect();
    for (index, port) in object["spec"]["ports"].as_array_mut().into_iter().flatten().enumerate() {
        if !exposes {
            if let Some(port) = port.as_object_mut() {
                port.remove("nodePort");
            }
            continue;
        }
        match port["nodePort"].as_i64().filter(|asked| *asked != 0) {
            Some(asked) if !taken.insert(asked) => {
                let detail = "provided port is already allocated";
                faults.push(FieldFault::invalid(format!("spec.ports[{index}].nodePort"), &json!(asked), detail));
            }
            Some(_) => {}
            None => {
                let free = (FIRST_NODE_PORT..=LAST_NODE_PORT).find(|candidate| !taken.contains(candidate)).unwrap_or(0);
                taken.insert(free);
                port["nodePort"] = json!(free);
            }
        }
    }
    assign_health_check(&mut taken, object);
}

/// A load balancer that keeps to nodes with endpoints asks each node at a port of its own.
fn assign_health_check(taken: &mut BTreeSet<i64>, object: &mut Value) {
    let spec = &mut object["spec"];
    if spec["type"] != "LoadBalancer" || spec["externalTrafficPolicy"] != "Local" {
        if let Some(spec) = spec.as_object_mut() {
            spec.remove("healthCheckNodePort");
        }
    } else if spec["healthCheckNodePort"].as_i64().is_none_or(|port| port == 0) {
        let free = (FIRST_NODE_PORT..=LAST_NODE_PORT).find(|candidate| !taken.contains(candidate)).unwrap_or(0);
        spec["healthCheckNodePort"] = json!(free);
    }
}
