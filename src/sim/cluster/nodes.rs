//! The node controllers: which nodes are lost since when; a silent node becomes Unknown and tainted, and its pods are marked and evicted in time.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::agenda::{Agenda, Loop};
use super::bootstrap::ready_conditions;
use super::desk::{Dependents, Desk};
use super::fields::{
    Key, annotation, condition, condition_holds, finished, items, name, namespace, number, put_condition, set, terminating, text, uid,
    unset,
};
use crate::model::Timestamp;

const COMPONENT: &str = "node-controller";
/// How long the pods of a removed node are left alone (the pod garbage collector's quarantine).
pub(super) const QUARANTINE: Duration = Duration::from_secs(40);
/// Annotation of a Node by which clients of the API take its machine's power; `lost` is the one value, and without it the power is back.
pub const FAULT: &str = "sim.starrocks.com/fault";
const UNREACHABLE: &str = "node.kubernetes.io/unreachable";

/// Nodes whose machine is off, and since when.
#[derive(Clone, Debug, Default)]
pub(super) struct Lost {
    since: BTreeMap<String, Timestamp>,
}

impl Lost {
    pub(super) fn contains(&self, node: &str) -> bool {
        self.since.contains_key(node)
    }

    pub(super) fn insert(&mut self, node: &str, at: Timestamp) {
        self.since.entry(node.to_owned()).or_insert(at);
    }

    pub(super) fn remove(&mut self, node: &str) {
        self.since.remove(node);
    }
}

/// By what a node controller knows that a node is silent.
pub(super) enum Hearing<'a> {
    /// The machines themselves: those that are off are silent, the others report at once.
    Machines(&'a Lost),
    /// What kubelets, who are clients, write: their Leases and their nodes' conditions.
    Reports,
}

/// Whether the annotation of a Node says that its machine is off.
pub(super) fn is_ordered_off(node: &Value) -> bool {
    annotation(node, FAULT) == Some("lost")
}

/// One pass over one node; `grace` is `--node-monitor-grace-period`.
pub(super) fn sync(desk: &mut Desk, agenda: &mut Agenda, hearing: &Hearing, grace: Duration, key: &Key) {
    let Some(node) = desk.get(key).cloned() else { return collect_pods(desk, &key.name) };
    let since = match hearing {
        Hearing::Machines(lost) => match lost.since.get(&key.name).copied() {
            Some(since) => since,
            None => return welcome(desk, &node),
        },
        Hearing::Reports => last_report(desk, &node),
    };
    let unknown_at = since + grace;
    if desk.now() < unknown_at {
        if matches!(hearing, Hearing::Reports) && condition_holds(&node, "Ready") {
            untaint(desk, &node);
        }
        return agenda.wake(Loop::Node, key.clone(), unknown_at);
    }
    declare_unknown(desk, &node);
    evict_pods(desk, agenda, key, unknown_at);
}

/// Pods of a node that is no longer there are removed without grace; nobody is left to confirm anything.
fn collect_pods(desk: &mut Desk, node: &str) {
    let pods: Vec<Value> = desk.list_everywhere("Pod").into_iter().filter(|pod| text(pod, "/spec/nodeName") == node).cloned().collect();
    for pod in pods {
        desk.delete_with(&Key::of(&pod), uid(&pod), Some(0), Dependents::Background);
    }
}

/// When a node's kubelet last renewed its Lease or wrote its conditions; a fresh node has time for its first report.
fn last_report(desk: &Desk, node: &Value) -> Timestamp {
    let lease = desk.get(&Key::new("Lease", "kube-node-lease", name(node)));
    // The controller's own verdict is no sign of life.
    let written = condition(node, "Ready").filter(|ready| text(ready, "/status") != "Unknown");
    let moments = [
        lease.map(|lease| text(lease, "/spec/renewTime")),
        written.map(|ready| text(ready, "/lastHeartbeatTime")),
        Some(text(node, "/metadata/creationTimestamp")),
    ];
    moments.into_iter().flatten().filter_map(Timestamp::parse).max().unwrap_or_default()
}

/// A node that reports gets its conditions back and loses the taints.
fn welcome(desk: &mut Desk, node: &Value) {
    untaint(desk, node);
    let key = Key::of(node);
    let reports = node.pointer("/status/conditions").is_some() && !condition_holds(node, "Ready");
    if reports {
        let mut conditions = items(node, "/status/conditions").to_vec();
        for condition in ready_conditions(desk.now()) {
            put_condition(&mut conditions, condition, desk.now());
        }
        let mut status = node.get("status").cloned().unwrap_or_else(|| json!({}));
        set(&mut status, &["conditions"], json!(conditions));
        desk.put_status(&key, status);
        let what = format!("Node {} status is now: NodeReady", key.name);
        desk.event(node, "Normal", "NodeReady", &what, &format!("kubelet/{}", key.name));
    }
}

/// Takes the taint off, and with it the deletions that it would have brought.
fn untaint(desk: &mut Desk, node: &Value) {
    let tainted = items(node, "/spec/taints").iter().any(|taint| text(taint, "/key") == UNREACHABLE);
    if tainted {
        let mut fresh = node.clone();
        let kept: Vec<Value> = items(node, "/spec/taints").iter().filter(|taint| text(taint, "/key") != UNREACHABLE).cloned().collect();
        if kept.is_empty() {
            unset(&mut fresh, &["spec", "taints"])
        } else {
            set(&mut fresh, &["spec", "taints"], json!(kept))
        }
        desk.update(fresh);
        let staying: Vec<Value> = desk
            .list_everywhere("Pod")
            .into_iter()
            .filter(|pod| text(pod, "/spec/nodeName") == name(node) && !terminating(pod) && patience(pod).is_some())
            .cloned()
            .collect();
        for pod in staying {
            let what = format!("Cancelling deletion of Pod {}/{}", namespace(&pod), name(&pod));
            desk.event(&pod, "Normal", "TaintManagerEviction", &what, "taint-eviction-controller");
        }
    }
}

fn declare_unknown(desk: &mut Desk, node: &Value) {
    let key = Key::of(node);
    if condition_holds(node, "Ready") {
        let mut conditions = items(node, "/status/conditions").to_vec();
        for kind in ["MemoryPressure", "DiskPressure", "PIDPressure", "Ready"] {
            let heard =
                condition(node, kind).map_or_else(|| desk.now().to_seconds_text(), |known| text(known, "/lastHeartbeatTime").to_owned());
            let fresh = json!({
                "type": kind, "status": "Unknown", "reason": "NodeStatusUnknown", "message": "Kubelet stopped posting node status.",
                "lastHeartbeatTime": heard,
            });
            put_condition(&mut conditions, fresh, desk.now());
        }
        let mut status = node.get("status").cloned().unwrap_or_else(|| json!({}));
        set(&mut status, &["conditions"], json!(conditions));
        desk.put_status(&key, status);
        desk.event(node, "Normal", "NodeNotReady", &format!("Node {} status is now: NodeNotReady", key.name), COMPONENT);
    }
    let Some(known) = desk.get(&key).cloned() else { return };
    if !items(&known, "/spec/taints").iter().any(|taint| text(taint, "/key") == UNREACHABLE) {
        let mut taints = items(&known, "/spec/taints").to_vec();
        for effect in ["NoSchedule", "NoExecute"] {
            taints.push(json!({"key": UNREACHABLE, "effect": effect, "timeAdded": desk.now().to_seconds_text()}));
        }
        let mut fresh = known;
        set(&mut fresh, &["spec", "taints"], json!(taints));
        desk.update(fresh);
    }
}

/// Marks the node's pods not ready at once and deletes each when its toleration of the unreachable node ends.
fn evict_pods(desk: &mut Desk, agenda: &mut Agenda, key: &Key, unknown_at: Timestamp) {
    let pods: Vec<Value> = desk.list_everywhere("Pod").into_iter().filter(|pod| text(pod, "/spec/nodeName") == key.name).cloned().collect();
    for pod in pods.iter().filter(|pod| !finished(pod)) {
        if condition_holds(pod, "Ready") {
            let mut conditions = items(pod, "/status/conditions").to_vec();
            for condition in conditions.iter_mut().filter(|condition| text(condition, "/type") == "Ready") {
                set(condition, &["status"], json!("False"));
                set(condition, &["lastTransitionTime"], json!(desk.now().to_seconds_text()));
            }
            let mut status = pod.get("status").cloned().unwrap_or_else(|| json!({}));
            set(&mut status, &["conditions"], json!(conditions));
            desk.put_status(&Key::of(pod), status);
            desk.event(pod, "Warning", "NodeNotReady", "Node is not ready", COMPONENT);
        }
        let Some(patience) = patience(pod) else { continue };
        let ends = unknown_at + patience;
        if ends > desk.now() {
            agenda.wake(Loop::Node, key.clone(), ends);
        } else if !terminating(pod) {
            let what = format!("Marking for deletion Pod {}/{}", namespace(pod), name(pod));
            desk.event(pod, "Normal", "TaintManagerEviction", &what, "taint-eviction-controller");
            desk.delete(&Key::of(pod), uid(pod));
        }
    }
}

/// How long a pod stays on an unreachable node; for ever with a toleration without end.
fn patience(pod: &Value) -> Option<Duration> {
    let toleration = items(pod, "/spec/tolerations").iter().find(|toleration| {
        let key = text(toleration, "/key");
        let names = key == UNREACHABLE || (key.is_empty() && text(toleration, "/operator") == "Exists");
        names && matches!(text(toleration, "/effect"), "" | "NoExecute")
    });
    match toleration {
        // Admission gives every pod a toleration of five minutes.
        None => Some(Duration::from_secs(300)),
        Some(toleration) => {
            number(toleration, "/tolerationSeconds").map(|seconds| Duration::from_secs(u64::try_from(seconds).unwrap_or(0)))
        }
    }
}
