//! What the wire tests share: a stage with namespaces, clusters on it, and ways to wait in simulated time.

use std::future::Future;
use std::time::Duration;

use kube::api::{Api, ApiResource, DeleteParams, DynamicObject};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use starrocks_operator::api::StarRocksClusterStatus;
use starrocks_operator::generate::{crds, rbac};
use starrocks_operator::sim::crash::{self, Props, SUBJECT, Subject};
use starrocks_operator::sim::embedded::Embedded;
use starrocks_operator::sim::kube::Rules;

/// Plays on a runtime of one thread whose clock leaps whenever nothing is to be done.
pub fn play<T>(story: impl Future<Output = T>) -> T {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(story)
}

/// The generated CRDs and rights.
pub fn props() -> Props {
    let definitions = crds::all().iter().map(|definition| serde_json::to_value(definition).expect("JSON")).collect();
    Props { definitions, rules: rbac::cluster_role_rules() }
}

/// The operator's rights: those of its ClusterRole, and its Role in its own namespace.
pub fn rules() -> Rules {
    Rules::cluster_wide(rbac::cluster_role_rules()).with_namespace("starrocks", rbac::lease_role_rules())
}

/// An embedded cluster with the CRDs and the namespace of `SUBJECT`; no operator yet.
pub async fn stage(seed: u64) -> Embedded {
    Embedded::within(props().empty_world(seed, SUBJECT.namespace).await.expect("a world"), rules())
}

/// An embedded cluster in which a cluster of this size rests and an operator runs.
pub async fn risen(seed: u64, version: &str, size: [u32; 3]) -> Embedded {
    let mut embedded = stage(seed).await;
    embedded.start_operator();
    apply(&embedded, &crash::resource(version, size)).await;
    embedded
}

/// A configuration file in a ConfigMap of the cluster's namespace.
pub async fn write(embedded: &Embedded, name: &str, key: &str, text: &str) {
    let file =
        json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": SUBJECT.namespace}, "data": {key: text}});
    embedded.apply(&file).await.expect("accepted");
}

/// A cluster at rest whose frontends and backends have files of the user's own, `fe-conf` and `be-conf`.
pub async fn risen_with_files(seed: u64, files: [&str; 2], update: Option<&str>) -> Embedded {
    let mut embedded = stage(seed).await;
    embedded.start_operator();
    let mut wanted = crash::resource("3.5.9", [3, 3, 0]);
    for ((section, kind), text) in [("starRocksFeSpec", "fe"), ("starRocksBeSpec", "be")].into_iter().zip(files) {
        write(&embedded, &format!("{kind}-conf"), &format!("{kind}.conf"), text).await;
        wanted["spec"][section]["configMapInfo"] = json!({"configMapName": format!("{kind}-conf"), "resolveKey": format!("{kind}.conf")});
    }
    if let Some(update) = update {
        wanted["spec"]["configurationUpdate"] = json!(update);
    }
    apply(&embedded, &wanted).await;
    pass(300).await;
    embedded
}

/// Applies a StarRocksCluster and waits until it is as described.
pub async fn apply(embedded: &Embedded, resource: &Value) {
    let applied = embedded.apply(resource).await.expect("the resource is accepted");
    let text = |field: &str| applied["metadata"][field].as_str().unwrap_or_default().to_owned();
    let (namespace, name) = (text("namespace"), text("name"));
    let generation = applied["metadata"]["generation"].as_i64().expect("a generation");
    crash::settle(embedded, Subject { namespace: &namespace, name: &name }, generation).await.expect("the cluster comes to rest");
}

/// Changes the subject and waits until it is as described.
pub async fn change(embedded: &Embedded, patch: Value) {
    let generation = embedded.patch_cluster(SUBJECT.namespace, SUBJECT.name, patch).await.expect("the change is accepted");
    crash::settle(embedded, SUBJECT, generation).await.expect("the cluster comes to rest");
}

/// Deletes a cluster.
pub async fn delete(embedded: &Embedded, subject: Subject<'_>) {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("starrocks.com", "v1", "StarRocksCluster"));
    let clusters: Api<DynamicObject> = Api::namespaced_with(embedded.client(), subject.namespace, &kind);
    clusters.delete(subject.name, &DeleteParams::default()).await.expect("deleted");
}

/// The subject's status.
pub fn status(embedded: &Embedded) -> StarRocksClusterStatus {
    crash::status(&embedded.world(), SUBJECT)
}

/// Lets simulated time pass.
pub async fn pass(seconds: u64) {
    tokio::time::sleep(Duration::from_secs(seconds)).await;
}

/// Waits for something and tells after how much simulated time it came.
pub async fn until(what: &str, limit_seconds: u64, mut holds: impl FnMut() -> bool) -> Duration {
    let begin = tokio::time::Instant::now();
    while !holds() {
        assert!(begin.elapsed() < Duration::from_secs(limit_seconds), "{what}: not within {limit_seconds} s");
        tokio::time::sleep(Duration::from_millis(100)).await;
    }
    begin.elapsed()
}
