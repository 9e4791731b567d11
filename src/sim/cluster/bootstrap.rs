//! What a fresh cluster already holds: nodes, the default StorageClass, the cluster's own Service; creates only what is missing.

use serde_json::{Value, json};

use super::Timings;
use super::fields::{Key, set, text};
use crate::model::Timestamp;
use crate::sim::kube::Store;

const MANAGER: &str = "kubeadm";

/// Creates the default nodes (`Timings::default().node_names`), the StorageClass `standard` and the system namespaces.
pub fn bootstrap(store: &mut Store) {
    bootstrap_with(store, &Timings::default());
}

/// As `bootstrap`, with the nodes that `timings` names.
pub fn bootstrap_with(store: &mut Store, timings: &Timings) {
    let now = store.now();
    for namespace in ["default", "kube-system", "kube-public", "kube-node-lease"] {
        put(store, json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": namespace}}));
    }
    put(store, storage_class());
    for (position, name) in timings.node_names.iter().enumerate() {
        put(store, node(name, position));
        let key = Key::new("Node", "", name);
        if let Some(mut known) = store.get(&key.kind, "", name).cloned().filter(|known| known.pointer("/status/conditions").is_none()) {
            set(&mut known, &["status"], node_status(name, position, now));
            let _ = store.update_status(known, "kubelet");
        }
    }
    put(
        store,
        json!({
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": "kubernetes", "namespace": "default", "labels": {"component": "apiserver", "provider": "kubernetes"}},
            "spec": {"type": "ClusterIP", "ports": [{"name": "https", "port": 443, "protocol": "TCP", "targetPort": 6443}]},
        }),
    );
}

fn put(store: &mut Store, object: Value) {
    let key = Key::of(&object);
    if store.get(&key.kind, &key.namespace, &key.name).is_none() {
        // A fresh cluster refuses none of these; one that already has them keeps its own.
        let _ = store.create(object, MANAGER);
    }
}

fn storage_class() -> Value {
    json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": "standard", "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": "sim.csi.k8s.io",
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": true,
    })
}

fn node(name: &str, position: usize) -> Value {
    let zone = char::from(b'a' + u8::try_from(position % 3).unwrap_or(0));
    json!({
        "apiVersion": "v1",
        "kind": "Node",
        "metadata": {"name": name, "labels": {
            "kubernetes.io/arch": "amd64",
            "kubernetes.io/hostname": name,
            "kubernetes.io/os": "linux",
            "topology.kubernetes.io/region": "sim",
            "topology.kubernetes.io/zone": format!("sim-{zone}"),
        }},
        "spec": {"podCIDR": format!("10.244.{position}.0/24"), "podCIDRs": [format!("10.244.{position}.0/24")]},
    })
}

fn node_status(name: &str, position: usize, now: Timestamp) -> Value {
    let resources = json!({"cpu": "64", "memory": "256Gi", "ephemeral-storage": "1Ti", "pods": "110"});
    json!({
        "capacity": resources,
        "allocatable": resources,
        "addresses": [{"type": "InternalIP", "address": host_ip(position)}, {"type": "Hostname", "address": name}],
        "conditions": ready_conditions(now),
        "nodeInfo": {
            "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "containerd://2.1.4", "kernelVersion": "6.8.0", "kubeProxyVersion": "",
            "kubeletVersion": "v1.33.0", "machineID": "", "operatingSystem": "linux", "osImage": "Simulated Linux", "systemUUID": "",
        },
    })
}

pub(super) fn host_ip(position: usize) -> String {
    format!("172.18.{}.{}", position / 250, position % 250 + 2)
}

/// The conditions of a healthy node.
pub fn ready_conditions(now: Timestamp) -> Vec<Value> {
    let at = now.to_seconds_text();
    [
        ("MemoryPressure", "False", "KubeletHasSufficientMemory", "kubelet has sufficient memory available"),
        ("DiskPressure", "False", "KubeletHasNoDiskPressure", "kubelet has no disk pressure"),
        ("PIDPressure", "False", "KubeletHasSufficientPID", "kubelet has sufficient PID available"),
        ("Ready", "True", "KubeletReady", "kubelet is posting ready status"),
    ]
    .iter()
    .map(|(kind, status, reason, message)| {
        json!({"type": kind, "status": status, "reason": reason, "message": message, "lastHeartbeatTime": at, "lastTransitionTime": at})
    })
    .collect()
}

/// The address of a node as its status shows it.
pub(super) fn address_of(node: &Value) -> String {
    super::fields::items(node, "/status/addresses")
        .iter()
        .find(|address| text(address, "/type") == "InternalIP")
        .map_or_else(String::new, |address| text(address, "/address").to_owned())
}
