//! Promises of the whole wiring, against a scripted API server with a paused clock.

use std::collections::BTreeMap;
use std::sync::Mutex;

use async_trait::async_trait;
use serde_json::{Value, json};
use tokio::time::sleep;

use super::*;
use crate::apply::testing::{Recorded, Reply, Requests, failure, scripted};
use crate::clock::Clock;
use crate::model::Timestamp;
use crate::starrocks::{HttpAnswer, HttpEndpoint, HttpError, Login, Rows, SqlEndpoint, SqlError};

struct NoStarRocks;

#[async_trait]
impl StarRocks for NoStarRocks {
    async fn query(&self, _: &SqlEndpoint, _: &Login, _: &str) -> Result<Rows, SqlError> {
        Err(SqlError::Refused)
    }

    async fn get(&self, _: &HttpEndpoint, _: &str) -> Result<HttpAnswer, HttpError> {
        Err(HttpError::Refused)
    }
}

/// A resource with one entry of a list that is no such entry when its name begins with `bad`, and one that asks for nothing else.
fn resource(name: &str) -> Value {
    let mut resource = unreadable(name);
    resource["spec"] = json!({ "starRocksFeSpec": { "replicas": -1, "tolerations": [{ "key": "a" }] } });
    if name.starts_with("bad") {
        resource["spec"]["starRocksFeSpec"]["tolerations"] = json!([{ "key": "a" }, 5]);
    }
    resource
}

fn unreadable(name: &str) -> Value {
    json!({
        "apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster",
        "metadata": { "name": name, "namespace": "n", "uid": name, "generation": 1, "resourceVersion": "5" },
        "spec": { "starRocksFeSpec": { "replicas": "three" } },
    })
}

/// Lists hold the given resources and nothing else, watches stay open and silent, writes are stored.
struct Server {
    clusters: Mutex<BTreeMap<String, Value>>,
    forbidden: Option<&'static str>,
}

impl Server {
    fn answer(&self, request: &Recorded) -> Reply {
        if self.forbidden.is_some_and(|plural| request.path.ends_with(plural)) {
            return failure(403, "Forbidden");
        }
        if request.is_watch() {
            return Reply::Events(Vec::new(), true);
        }
        if request.path.ends_with("autoscaling/v2") {
            let resource = json!({ "name": "horizontalpodautoscalers", "singularName": "", "namespaced": true, "kind": "H", "verbs": [] });
            return Reply::Json(200, json!({ "kind": "APIResourceList", "groupVersion": "autoscaling/v2", "resources": [resource] }));
        }
        if request.method == "GET" {
            let items: Vec<Value> = if request.path.ends_with("starrocksclusters") {
                self.clusters.lock().expect("no panic").values().cloned().collect()
            } else {
                Vec::new()
            };
            return Reply::Json(200, json!({ "kind": "List", "apiVersion": "v1", "metadata": { "resourceVersion": "9" }, "items": items }));
        }
        Reply::Json(200, json!({ "apiVersion": "v1", "kind": "X", "metadata": { "name": "x", "resourceVersion": "6" } }))
    }
}

fn start(
    clusters: &[&str],
    forbidden: Option<&'static str>,
) -> (tokio::task::JoinHandle<Result<(), RunError>>, Requests, Telemetry, CancellationToken) {
    let clusters =
        clusters.iter().map(|name| ((*name).to_owned(), if *name == "bad" { unreadable(name) } else { resource(name) })).collect();
    let server = Server { clusters: Mutex::new(clusters), forbidden };
    let (client, requests) = scripted(move |request| server.answer(request));
    let settings = Settings::new(Clock::tokio(Timestamp::from_seconds(1_795_447_716)), "test");
    let (telemetry, shutdown) = (Telemetry::default(), CancellationToken::new());
    let running = tokio::spawn(run(client, Arc::new(NoStarRocks), settings, telemetry.clone(), shutdown.clone()));
    (running, requests, telemetry, shutdown)
}

fn writes(requests: &Requests) -> Vec<String> {
    let all = requests.lock().expect("no panic");
    all.iter().filter(|request| request.method != "GET").map(|request| format!("{} {}", request.method, request.path)).collect()
}

#[tokio::test(start_paused = true)]
async fn a_resource_that_cannot_be_read_gets_a_status_and_only_that() {
    let (running, requests, telemetry, shutdown) = start(&["bad"], None);
    sleep(Duration::from_secs(1)).await;
    assert!(telemetry.health.readiness_faults().is_empty());
    assert_eq!(writes(&requests), ["PATCH /apis/starrocks.com/v1/namespaces/n/starrocksclusters/bad/status"]);
    shutdown.cancel();
    assert!(running.await.expect("no panic").is_ok());
}

#[tokio::test(start_paused = true)]
async fn one_unreadable_entry_of_a_list_concerns_one_resource_only() {
    let (running, requests, telemetry, shutdown) = start(&["bad-1", "good-1", "good-2"], None);
    sleep(Duration::from_secs(1)).await;
    assert!(telemetry.health.readiness_faults().is_empty());
    let all = requests.lock().expect("no panic").clone();
    let told = |name: &str| {
        let path = format!("/apis/starrocks.com/v1/namespaces/n/starrocksclusters/{name}/status");
        let statuses: Vec<String> = all.iter().filter(|request| request.path == path).map(|request| request.body.to_string()).collect();
        assert_eq!(statuses.len(), 1, "{name}");
        statuses[0].clone()
    };
    assert!(told("bad-1").contains("SR-3000") && told("bad-1").contains("spec.starRocksFeSpec.tolerations[1]"), "{}", told("bad-1"));
    for good in ["good-1", "good-2"] {
        assert!(told(good).contains("SR-3004") && !told(good).contains("SR-3000"), "{}", told(good));
    }
    shutdown.cancel();
    assert!(running.await.expect("no panic").is_ok());
}

#[tokio::test(start_paused = true)]
async fn owned_kinds_are_watched_by_label_and_nothing_is_asked_at_rest() {
    let (_running, requests, _, _shutdown) = start(&[], None);
    sleep(Duration::from_secs(2)).await;
    let asked = requests.lock().expect("no panic").clone();
    for request in asked.iter().filter(|request| request.path.starts_with("/api/v1/") || request.path.starts_with("/apis/apps/")) {
        assert!(request.query.contains("labelSelector=app.starrocks.ownerreference%2Fname"), "{request:?}");
    }
    sleep(Duration::from_secs(250)).await;
    assert_eq!(requests.lock().expect("no panic").len(), asked.len());
}

#[tokio::test(start_paused = true)]
async fn a_forbidden_kind_keeps_its_own_watch_busy_and_says_so() {
    let (_running, requests, telemetry, _shutdown) = start(&["bad"], Some("deployments"));
    sleep(Duration::from_secs(5)).await;
    assert_eq!(telemetry.health.readiness_faults().len(), 1);
    assert!(telemetry.health.readiness_faults()[0].contains("Deployment"));
    assert!(writes(&requests).is_empty(), "nothing is decided on half of the picture");
    let lists = |plural: &str| {
        requests.lock().expect("no panic").iter().filter(|request| request.path.ends_with(plural) && !request.is_watch()).count()
    };
    assert_eq!(lists("services"), 1);
    assert!((2..=6).contains(&lists("deployments")), "{}", lists("deployments"));
}

#[tokio::test(start_paused = true)]
async fn shutdown_ends_a_run_without_work_at_once() {
    let (running, _, telemetry, shutdown) = start(&[], None);
    sleep(Duration::from_secs(1)).await;
    shutdown.cancel();
    assert!(running.await.expect("no panic").is_ok());
    assert_eq!(telemetry.health.readiness_faults(), ["the operator is shutting down"]);
}
