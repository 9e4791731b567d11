//! Registers nodes and keeps them alive as kubelets do: Node objects, their Ready condition, their Leases; a node whose machine is off falls silent.

use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use k8s_openapi::api::coordination::v1::Lease;
use k8s_openapi::api::core::v1::Node;
use kube::Client;
use kube::api::{Api, Patch, PatchParams};
use serde_json::{Value, json};

use super::Bed;
use crate::clock::Clock;
use crate::model::Timestamp;
use crate::sim::cluster::ready_conditions;

/// A kubelet renews its Lease each ten seconds.
const RENEWAL: Duration = Duration::from_secs(10);
/// How often the bed looks at the nodes.
const LOOK: Duration = Duration::from_secs(2);
const LEASE_SECONDS: u32 = 40;
/// Where the nodes' pod ranges begin: 10.64.16.0/24 is the first node's.
const FIRST_RANGE: usize = 16;

/// Creates the nodes, or takes over those that are there.
pub(super) async fn register(client: &Client, names: &[String], pods: u8, clock: Clock) -> anyhow::Result<()> {
    let version = client.apiserver_version().await.context("asking the API server for its version")?.git_version;
    let nodes: Api<Node> = Api::all(client.clone());
    for (position, name) in names.iter().enumerate() {
        nodes.patch(name, &manager(), &Patch::Apply(node(name, position))).await.with_context(|| format!("registering {name}"))?;
        let status = json!({"status": status(name, position, pods, &version, clock.now())});
        nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await.with_context(|| format!("reporting {name}"))?;
        renew(client, name, clock.now()).await.with_context(|| format!("renewing the lease of {name}"))?;
    }
    Ok(())
}

/// Renews leases and reports readiness, for ever.
pub(super) async fn stay_alive(client: Client, bed: Arc<Bed>, names: Vec<String>) {
    let nodes: Api<Node> = Api::all(client.clone());
    let mut renewed = bed.clock.now();
    loop {
        tokio::time::sleep(LOOK).await;
        let now = bed.clock.now();
        let renewing = now.since(renewed) >= RENEWAL;
        if renewing {
            renewed = now;
        }
        for name in &names {
            let (lost, ready) = {
                let mirror = bed.mirror();
                (mirror.world.plane.is_lost(name), mirror.world.store.get("Node", "", name).is_some_and(is_ready))
            };
            if lost {
                continue;
            }
            if !ready {
                let status = json!({"status": {"conditions": ready_conditions(now)}});
                if let Err(error) = nodes.patch_status(name, &PatchParams::default(), &Patch::Merge(status)).await {
                    tracing::warn!(name, %error, "a node cannot report");
                }
            }
            if renewing && let Err(error) = renew(&client, name, now).await {
                tracing::warn!(name, %error, "a node cannot renew its lease");
            }
        }
    }
}

async fn renew(client: &Client, name: &str, now: Timestamp) -> Result<(), kube::Error> {
    let leases: Api<Lease> = Api::namespaced(client.clone(), "kube-node-lease");
    let lease = json!({
        "apiVersion": "coordination.k8s.io/v1",
        "kind": "Lease",
        "metadata": {"name": name, "namespace": "kube-node-lease"},
        "spec": {"holderIdentity": name, "leaseDurationSeconds": LEASE_SECONDS, "renewTime": now.to_seconds_text().replace('Z', ".000000Z")},
    });
    leases.patch(name, &manager(), &Patch::Apply(lease)).await.map(|_| ())
}

fn manager() -> PatchParams {
    PatchParams::apply("kubelet").force()
}

fn is_ready(node: &Value) -> bool {
    let conditions = node["status"]["conditions"].as_array();
    conditions.is_some_and(|list| list.iter().any(|condition| condition["type"] == "Ready" && condition["status"] == "True"))
}

fn node(name: &str, position: usize) -> Value {
    let zone = char::from(b'a' + u8::try_from(position % 3).unwrap_or(0));
    let range = format!("10.64.{}.0/24", FIRST_RANGE + position);
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
        "spec": {"podCIDR": range, "podCIDRs": [range]},
    })
}

fn status(name: &str, position: usize, pods: u8, version: &str, now: Timestamp) -> Value {
    let resources = json!({"cpu": "512", "memory": "2Ti", "ephemeral-storage": "16Ti", "pods": pods.to_string()});
    json!({
        "capacity": resources,
        "allocatable": resources,
        "addresses": [{"type": "InternalIP", "address": format!("10.64.1.{}", position + 1)}, {"type": "Hostname", "address": name}],
        "conditions": ready_conditions(now),
        "nodeInfo": {
            "architecture": "amd64", "bootID": "", "containerRuntimeVersion": "containerd://2.1.4", "kernelVersion": "6.8.0", "kubeProxyVersion": "",
            "kubeletVersion": version, "machineID": "", "operatingSystem": "linux", "osImage": "Simulated Linux", "systemUUID": "",
        },
    })
}
