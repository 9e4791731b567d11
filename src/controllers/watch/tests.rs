//! Promises of a single watch: pages, bookmarks, expiry, failures and silence.

use std::sync::Mutex;

use k8s_openapi::api::core::v1::Pod;
use serde_json::{Value, json};

use super::*;
use crate::apply::testing::{Recorded, Reply, Requests, failure, scripted};

/// Writes down what a watch tells.
#[derive(Clone, Default)]
struct Notes(Arc<Mutex<Vec<String>>>);

impl Notes {
    fn note(&self, text: String) {
        self.0.lock().expect("no panic").push(text);
    }

    fn all(&self) -> Vec<String> {
        self.0.lock().expect("no panic").clone()
    }
}

impl Sink<Pod> for Notes {
    type Kept = String;

    fn keep(&self, pod: Pod) -> Option<String> {
        Some(pod.name_any())
    }

    fn listed(&self, all: Vec<String>, revision: Revision) {
        self.note(format!("listed {} at {}", all.join(","), revision.0));
    }

    fn seen(&self, kept: String) {
        self.note(format!("seen {kept}"));
    }

    fn gone(&self, pod: &Pod, revision: Revision) {
        self.note(format!("gone {} at {}", pod.name_any(), revision.0));
    }

    fn passed(&self, revision: Revision) {
        self.note(format!("passed {}", revision.0));
    }
}

fn pod(name: &str, version: &str) -> Value {
    json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "n", "resourceVersion": version } })
}

fn event(kind: &str, object: Value) -> Value {
    json!({ "type": kind, "object": object })
}

fn list(version: &str, names: &[&str], token: Option<&str>) -> Reply {
    let items: Vec<Value> = names.iter().map(|name| pod(name, "1")).collect();
    let metadata = json!({ "resourceVersion": version, "continue": token });
    Reply::Json(200, json!({ "apiVersion": "v1", "kind": "PodList", "metadata": metadata, "items": items }))
}

fn start(answer: impl Fn(&Recorded) -> Reply + Send + Sync + 'static) -> (Notes, Telemetry, Requests, CancellationToken) {
    let (client, requests) = scripted(answer);
    let (notes, telemetry, stop) = (Notes::default(), Telemetry::default(), CancellationToken::new());
    let name = WatchName { kind: "Pod", namespace: String::new() };
    telemetry.health.watch_started(&name);
    let watch = Watch { api: Api::<Pod>::all(client), labels: None, name, sink: notes.clone(), telemetry: telemetry.clone() };
    tokio::spawn(Arc::new(watch).run(stop.clone()));
    (notes, telemetry, requests, stop)
}

#[tokio::test(start_paused = true)]
async fn a_watch_lists_all_pages_then_follows_events_and_bookmarks() {
    let (notes, telemetry, _, _stop) = start(|request| match request {
        watch if watch.is_watch() && watch.query.contains("resourceVersion=10") => Reply::Events(
            vec![
                event("MODIFIED", pod("a", "11")),
                event("BOOKMARK", json!({ "apiVersion": "v1", "kind": "Pod", "metadata": { "resourceVersion": "15" } })),
                event("DELETED", pod("a", "16")),
            ],
            true,
        ),
        page if page.query.contains("continue=more") => list("10", &["b"], None),
        _ => list("", &["a"], Some("more")),
    });
    sleep(Duration::from_millis(100)).await;
    assert_eq!(notes.all(), ["listed a,b at 10", "seen a", "passed 15", "gone a at 16"]);
    assert!(telemetry.health.is_synced("any"));
}

#[tokio::test(start_paused = true)]
async fn an_expired_version_is_listed_again_and_an_ordinary_end_is_not() {
    let (notes, _, requests, _stop) = start(|request| match request {
        watch if watch.query.contains("resourceVersion=12") => {
            Reply::Events(vec![event("ERROR", json!({ "kind": "Status", "code": 410, "reason": "Expired", "message": "too old" }))], false)
        }
        watch if watch.query.contains("resourceVersion=20") => Reply::Events(Vec::new(), true),
        watch if watch.is_watch() => Reply::Events(vec![event("ADDED", pod("b", "12"))], false),
        _ => list("10", &["a"], None),
    });
    sleep(Duration::from_secs(2)).await;
    assert_eq!(notes.all()[..3], ["listed a at 10", "seen b", "listed a at 10"]);
    let lists = requests.lock().expect("no panic").iter().filter(|request| !request.is_watch()).count();
    assert!(lists >= 2);
}

#[tokio::test(start_paused = true)]
async fn failures_are_retried_ever_more_rarely_and_reported_as_alive() {
    let (notes, telemetry, requests, _stop) = start(|_| failure(403, "Forbidden"));
    sleep(Duration::from_secs(600)).await;
    let tries = requests.lock().expect("no panic").len();
    assert!((15..=30).contains(&tries), "{tries}");
    assert!(notes.all().is_empty());
    assert!(telemetry.health.liveness_faults().is_empty());
    assert!(telemetry.health.readiness_faults()[0].contains("Forbidden"));
}

#[tokio::test(start_paused = true)]
async fn a_server_that_never_answers_is_asked_again_after_half_a_minute() {
    let (_, telemetry, requests, _stop) = start(|_| Reply::Silence);
    sleep(Duration::from_secs(100)).await;
    assert!(requests.lock().expect("no panic").len() >= 3);
    assert!(telemetry.health.liveness_faults().is_empty());
}

#[tokio::test(start_paused = true)]
async fn a_stopped_watch_asks_no_more() {
    let (_, _, requests, stop) = start(|_| failure(500, "InternalError"));
    sleep(Duration::from_secs(5)).await;
    stop.cancel();
    sleep(Duration::from_secs(1)).await;
    let before = requests.lock().expect("no panic").len();
    sleep(Duration::from_secs(300)).await;
    assert_eq!(requests.lock().expect("no panic").len(), before);
}
