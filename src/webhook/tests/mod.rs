//! What the webhook answers, and how it is served.

mod serving;
mod verdicts;

use std::sync::{Arc, Mutex};

use serde_json::{Value, json};
use tokio::sync::watch;

use super::{Outcome, Webhook};
use crate::clock::Clock;
use crate::model::Timestamp;
use crate::model::cluster::Conventions;
use crate::release::Catalog;

/// Kinds and outcomes in the order in which they were counted.
type Counted = Arc<Mutex<Vec<(&'static str, Outcome)>>>;

/// A webhook that knows these releases.
fn knowing(catalog: Arc<Catalog>) -> (Webhook, Counted) {
    let counted = Counted::default();
    let (_tell, releases) = watch::channel(catalog);
    let count = Arc::clone(&counted);
    let webhook = Webhook {
        conventions: Conventions::default(),
        serves: Arc::new(|namespace| namespace != "elsewhere"),
        releases,
        clock: Clock::tokio(Timestamp::from_seconds(1_795_000_000)),
        count: Arc::new(move |kind, outcome| count.lock().unwrap().push((kind, outcome))),
    };
    (webhook, counted)
}

/// A review of a change; `null` before means CREATE.
fn review(kind: &str, before: &Value, after: &Value) -> Value {
    let version = if ["StarRocksCluster", "StarRocksWarehouse"].contains(&kind) { "v1" } else { "v1beta1" };
    json!({
        "apiVersion": "admission.k8s.io/v1", "kind": "AdmissionReview",
        "request": {
            "uid": "705ab4f5-6393-11e8-b7cc-42010a800002",
            "kind": {"group": "starrocks.com", "version": version, "kind": kind},
            "resource": {"group": "starrocks.com", "version": version, "resource": format!("{}s", kind.to_lowercase())},
            "name": after["metadata"]["name"], "namespace": "prod",
            "operation": if before.is_null() { "CREATE" } else { "UPDATE" },
            "userInfo": {"username": "somebody", "groups": ["system:authenticated"]},
            "object": after, "oldObject": before, "dryRun": true,
            "options": {"kind": "UpdateOptions", "apiVersion": "meta.k8s.io/v1"}
        }
    })
}

/// A cluster at rest.
fn cluster(version: &str) -> Value {
    let limits = json!({"cpu": 4, "memory": "16Gi"});
    let section = |replicas: u32, name: &str, path: &str| {
        json!({"replicas": replicas, "limits": limits, "requests": limits,
            "storageVolumes": [{"name": name, "mountPath": path, "storageSize": "10Gi"}]})
    };
    json!({
        "apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster",
        "metadata": {"name": "kube", "namespace": "prod", "uid": "u", "generation": 3},
        "spec": {
            "version": version,
            "starRocksFeSpec": section(3, "fe-meta", "/opt/starrocks/fe/meta"),
            "starRocksBeSpec": section(3, "be-storage", "/opt/starrocks/be/storage"),
        },
        "status": {"phase": "running", "version": version, "leader": "kube-fe-1", "observedGeneration": 3},
    })
}

fn changed(object: &Value, change: impl FnOnce(&mut Value)) -> Value {
    let mut changed = object.clone();
    change(&mut changed);
    changed["metadata"]["generation"] = json!(4);
    changed
}
