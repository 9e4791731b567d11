//! The ReplicaSet controller: one set goes in, missing pods are created, surplus ones deleted in upstream's order, the status is written.

use rand::Rng;
use rand::rngs::SmallRng;
use serde_json::{Value, json};

use super::agenda::{Agenda, Loop};
use super::desk::Desk;
use super::fields::{Key, condition_holds, finished, has_labels, map, name, number, phase, ready_since, set, terminating, text, uid};
use super::ownership::{claim, pod_from_template};
use crate::model::Timestamp;
use std::sync::Arc;
use std::time::Duration;

const COMPONENT: &str = "replicaset-controller";
/// Pods created in one pass (upstream's burst).
const BURST: usize = 500;

/// One pass over one ReplicaSet.
pub(super) fn sync(desk: &mut Desk, agenda: &mut Agenda, rng: &mut SmallRng, key: &Key) {
    let Some(replica_set) = desk.get(key).cloned() else { return };
    let mut pods = claim(desk, &replica_set, "Pod", |_| true);
    pods.retain(|pod| !finished(pod) && !terminating(pod));
    if !terminating(&replica_set) {
        adjust(desk, rng, &replica_set, &mut pods);
    }
    let min_ready = min_ready(&replica_set);
    let waits = pods.iter().filter_map(|pod| ready_since(pod)).map(|since| since + min_ready).filter(|at| *at > desk.now()).min();
    if let Some(at) = waits {
        agenda.wake(Loop::ReplicaSet, key.clone(), at);
    }
    write_status(desk, &replica_set, &pods);
}

fn adjust(desk: &mut Desk, rng: &mut SmallRng, replica_set: &Value, pods: &mut Vec<Arc<Value>>) {
    let wanted = usize::try_from(number(replica_set, "/spec/replicas").unwrap_or(1)).unwrap_or(0);
    for _ in pods.len()..wanted.min(pods.len() + BURST) {
        let mut pod = pod_from_template(replica_set, replica_set.pointer("/spec/template").unwrap_or(&Value::Null));
        let pod_name = format!("{}-{}", name(replica_set), suffix(rng, 5));
        set(&mut pod, &["metadata", "name"], json!(pod_name));
        match desk.try_create(pod) {
            Ok(made) => {
                desk.event(replica_set, "Normal", "SuccessfulCreate", &format!("Created pod: {pod_name}"), COMPONENT);
                pods.push(Arc::new(made));
            }
            Err(refusal) => {
                desk.event(replica_set, "Warning", "FailedCreate", &format!("Error creating: {refusal}"), COMPONENT);
                return;
            }
        }
    }
    if pods.len() > wanted {
        pods.sort_by_key(|pod| std::cmp::Reverse(worth(pod)));
        for pod in pods.split_off(wanted) {
            if desk.delete(&Key::of(&pod), uid(&pod)) {
                desk.event(replica_set, "Normal", "SuccessfulDelete", &format!("Deleted pod: {}", name(&pod)), COMPONENT);
            }
        }
    }
}

/// Pods worth least go first: unscheduled, then pending, then not ready, then younger ones.
fn worth(pod: &Value) -> (bool, bool, bool, std::cmp::Reverse<String>, String) {
    let age = std::cmp::Reverse(text(pod, "/metadata/creationTimestamp").to_owned());
    (!text(pod, "/spec/nodeName").is_empty(), phase(pod) == "Running", condition_holds(pod, "Ready"), age, name(pod).to_owned())
}

fn write_status(desk: &mut Desk, replica_set: &Value, pods: &[Arc<Value>]) {
    let labels = map(replica_set, "/spec/template/metadata/labels").cloned().unwrap_or_default();
    let now = desk.now();
    let count = |counts: &dyn Fn(&Value) -> bool| pods.iter().filter(|pod| counts(pod)).count();
    let mut status = json!({
        "observedGeneration": number(replica_set, "/metadata/generation").unwrap_or(1),
        "replicas": pods.len(),
    });
    for (field, value) in [
        ("fullyLabeledReplicas", count(&|pod| has_labels(map(pod, "/metadata/labels"), &labels))),
        ("readyReplicas", count(&|pod| condition_holds(pod, "Ready"))),
        ("availableReplicas", count(&|pod| available(pod, min_ready(replica_set), now))),
    ] {
        if value > 0 {
            set(&mut status, &[field], json!(value));
        }
    }
    desk.put_status(&Key::of(replica_set), status);
}

fn min_ready(replica_set: &Value) -> Duration {
    Duration::from_secs(number(replica_set, "/spec/minReadySeconds").and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(0))
}

fn available(pod: &Value, min_ready: Duration, now: Timestamp) -> bool {
    ready_since(pod).is_some_and(|since| min_ready.is_zero() || since + min_ready <= now)
}

/// Random letters of the alphabet that makes no words.
pub(super) fn suffix(rng: &mut SmallRng, length: usize) -> String {
    const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
    (0..length).map(|_| char::from(LETTERS[rng.random_range(0..LETTERS.len())])).collect()
}
