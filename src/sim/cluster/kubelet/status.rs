//! The status of a pod as its kubelet reports it: phase, conditions, container states; written only when it differs from what the API holds.

use std::time::Duration;

use serde_json::{Map, Value, json};

use super::super::fields::{items, put_condition, set, text, uid};
use super::container::{Bench, Container, Ended, Role, State};
use super::worker::{Stage, Worker};
use crate::model::Timestamp;

/// Reports a pod's status.
pub(super) fn write(worker: &mut Worker, bench: &mut Bench) {
    let Some(known) = bench.desk.get(&worker.key).filter(|known| uid(known) == worker.uid()) else { return };
    let before = known.get("status").cloned().unwrap_or_else(|| json!({}));
    let status = compose(worker, &before, bench.now);
    let key = worker.key.clone();
    bench.desk.put_status(&key, status);
}

fn compose(worker: &Worker, before: &Value, now: Timestamp) -> Value {
    let phase = phase(worker);
    let mut status = before.clone();
    set(&mut status, &["phase"], json!(phase));
    set(&mut status, &["hostIP"], json!(worker.facts.host_ip));
    set(&mut status, &["hostIPs"], json!([{"ip": worker.facts.host_ip}]));
    set(&mut status, &["startTime"], json!(worker.since.to_seconds_text()));
    if worker.networked() {
        set(&mut status, &["podIP"], json!(worker.facts.ip));
        set(&mut status, &["podIPs"], json!([{"ip": worker.facts.ip}]));
    }
    if let Some(verdict) = &worker.verdict {
        set(&mut status, &["reason"], json!(verdict.reason));
        set(&mut status, &["message"], json!(verdict.message));
    }
    set(&mut status, &["conditions"], json!(conditions(worker, before, phase, now)));
    let initialized = initialized(worker);
    let waiting_for = if initialized || worker.inits.is_empty() { "ContainerCreating" } else { "PodInitializing" };
    if !worker.inits.is_empty() {
        let inits: Vec<Value> = worker.inits.iter().map(|container| container_status(worker, container, "PodInitializing")).collect();
        set(&mut status, &["initContainerStatuses"], json!(inits));
    }
    let mains: Vec<Value> = worker.mains.iter().map(|container| container_status(worker, container, waiting_for)).collect();
    set(&mut status, &["containerStatuses"], json!(mains));
    status
}

fn initialized(worker: &Worker) -> bool {
    worker.inits.iter().all(|container| match container.role {
        Role::Sidecar => container.started || container.ended.is_some(),
        _ => container.state == State::Ended && container.ended.as_ref().is_some_and(|ended| ended.code == 0),
    })
}

fn phase(worker: &Worker) -> &'static str {
    if worker.verdict.is_some() {
        return "Failed";
    }
    let all_ended = worker.mains.iter().all(|container| container.ended.is_some() && !container.running());
    match worker.stage {
        Stage::Ended | Stage::Leaving { .. } => {
            if all_ended && worker.mains.iter().all(|container| container.ended.as_ref().is_some_and(|ended| ended.code == 0)) {
                "Succeeded"
            } else {
                "Failed"
            }
        }
        Stage::Running if worker.mains.iter().all(|container| container.running() || container.ended.is_some()) => "Running",
        // A rebooted node sets up again what was already running.
        _ if worker.mains.iter().any(|container| container.ended.is_some()) => "Running",
        _ => "Pending",
    }
}

fn conditions(worker: &Worker, before: &Value, phase: &str, now: Timestamp) -> Vec<Value> {
    let mut conditions = items(before, "/conditions").to_vec();
    let unready: Vec<&str> = worker.mains.iter().filter(|container| !container.ready).map(Container::name).collect();
    let waiting: Vec<&str> = worker.inits.iter().filter(|container| !init_done(container)).map(Container::name).collect();
    let finished = matches!(phase, "Succeeded" | "Failed");
    let completed = finished && phase == "Succeeded";
    let sandbox = worker.networked() && !matches!(worker.stage, Stage::Ended | Stage::Leaving { .. });
    let ready = |kind: &str| {
        if completed {
            json!({"type": kind, "status": "False", "reason": "PodCompleted"})
        } else if finished {
            json!({"type": kind, "status": "False", "reason": "PodFailed"})
        } else if unready.is_empty() && waiting.is_empty() && worker.networked() {
            match closed_gate(worker, before).filter(|_| kind == "Ready") {
                Some(gate) => {
                    let message = format!("corresponding condition of pod readiness gate \"{gate}\" does not exist or is not True");
                    json!({"type": kind, "status": "False", "reason": "ReadinessGatesNotReady", "message": message})
                }
                None => json!({"type": kind, "status": "True"}),
            }
        } else {
            json!({"type": kind, "status": "False", "reason": "ContainersNotReady", "message": format!("containers with unready status: [{}]", unready.join(" "))})
        }
    };
    let initialized = if completed {
        json!({"type": "Initialized", "status": "True", "reason": "PodCompleted"})
    } else if waiting.is_empty() {
        json!({"type": "Initialized", "status": "True"})
    } else {
        let message = format!("containers with incomplete status: [{}]", waiting.join(" "));
        json!({"type": "Initialized", "status": "False", "reason": "ContainersNotInitialized", "message": message})
    };
    let mut fresh = vec![
        json!({"type": "PodReadyToStartContainers", "status": if sandbox { "True" } else { "False" }}),
        initialized,
        ready("Ready"),
        ready("ContainersReady"),
        json!({"type": "PodScheduled", "status": "True"}),
    ];
    if worker.verdict.is_some() {
        let message = worker.verdict.as_ref().map_or("", |verdict| verdict.message.as_str());
        fresh.push(json!({"type": "DisruptionTarget", "status": "True", "reason": "TerminationByKubelet", "message": message}));
    }
    for condition in fresh {
        put_condition(&mut conditions, condition, now);
    }
    conditions
}

/// A readiness gate whose condition nobody has set to true.
fn closed_gate<'a>(worker: &'a Worker, before: &Value) -> Option<&'a str> {
    let gates = items(&worker.facts.pod, "/spec/readinessGates").iter().map(|gate| text(gate, "/conditionType"));
    let open = |gate: &str| {
        items(before, "/conditions").iter().any(|condition| text(condition, "/type") == gate && text(condition, "/status") == "True")
    };
    gates.into_iter().find(|gate| !open(gate))
}

fn init_done(container: &Container) -> bool {
    match container.role {
        Role::Sidecar => container.started,
        _ => container.state == State::Ended && container.ended.as_ref().is_some_and(|ended| ended.code == 0),
    }
}

fn container_status(worker: &Worker, container: &Container, waiting_for: &str) -> Value {
    let mut status = json!({
        "name": container.name(),
        "image": container.image(),
        "imageID": if container.running() || container.ended.is_some() { format!("sim://{}", container.image()) } else { String::new() },
        "restartCount": container.restarts,
        "ready": if container.role == Role::Init { init_done(container) } else { container.ready },
        "started": container.started,
        "state": state(worker, container, waiting_for),
        "lastState": {},
    });
    if container.running() || container.ended.is_some() {
        set(&mut status, &["containerID"], json!(container_id(worker, container)));
    }
    if let Some(ended) = container.ended.as_ref().filter(|_| container.state != State::Ended) {
        set(&mut status, &["lastState"], json!({"terminated": terminated(worker, container, ended)}));
    }
    status
}

fn container_id(worker: &Worker, container: &Container) -> String {
    format!("containerd://{}-{}-{}", worker.uid(), container.name(), container.restarts)
}

fn state(worker: &Worker, container: &Container, waiting_for: &str) -> Value {
    let waiting = |reason: &str, message: Option<String>| match message {
        Some(message) => json!({"waiting": {"reason": reason, "message": message}}),
        None => json!({"waiting": {"reason": reason}}),
    };
    match &container.state {
        State::Created | State::Pulling { .. } => waiting(waiting_for, None),
        State::PullFailed { message, shown_until, retry_at } if shown_until < retry_at => waiting("ErrImagePull", Some(message.clone())),
        State::PullFailed { message, .. } => {
            waiting("ImagePullBackOff", Some(format!("Back-off pulling image \"{}\": ErrImagePull: {message}", container.image())))
        }
        State::ConfigFault { message, .. } => waiting("CreateContainerConfigError", Some(message.clone())),
        State::Running { since } => json!({"running": {"startedAt": since.to_seconds_text()}}),
        State::Ended => match &container.ended {
            Some(ended) => json!({"terminated": terminated(worker, container, ended)}),
            None => waiting(waiting_for, None),
        },
        State::CrashLoop { delay, .. } => {
            let pod = &worker.facts.pod;
            let (pod_name, namespace) = (text(pod, "/metadata/name"), text(pod, "/metadata/namespace"));
            let message = format!(
                "back-off {} restarting failed container={} pod={pod_name}_{namespace}({})",
                go_duration(*delay),
                container.name(),
                uid(pod)
            );
            waiting("CrashLoopBackOff", Some(message))
        }
    }
}

fn terminated(worker: &Worker, container: &Container, ended: &Ended) -> Value {
    let mut shown = Map::new();
    shown.insert("exitCode".into(), json!(ended.code));
    shown.insert("reason".into(), json!(ended.reason));
    // Nothing in these containers writes to /dev/termination-log.
    let from_log = text(&container.spec, "/terminationMessagePolicy") == "FallbackToLogsOnError";
    if from_log && ended.code != 0 && !ended.message.is_empty() {
        shown.insert("message".into(), json!(ended.message));
    }
    shown.insert("startedAt".into(), json!(ended.started.to_seconds_text()));
    shown.insert("finishedAt".into(), json!(ended.finished.to_seconds_text()));
    shown.insert("containerID".into(), json!(container_id(worker, container)));
    Value::Object(shown)
}

/// `10s`, `1m20s`, `5m0s`, as Go prints durations.
fn go_duration(duration: Duration) -> String {
    let seconds = duration.as_secs();
    if seconds < 60 { format!("{seconds}s") } else { format!("{}m{}s", seconds / 60, seconds % 60) }
}
