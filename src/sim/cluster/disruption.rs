//! The disruption controller: a budget goes in, how many of its pods may be evicted now comes out in its status; evicts nothing.

use std::time::Duration;

use serde_json::{Value, json};

use super::agenda::{Agenda, Loop};
use super::desk::Desk;
use super::fields::{
    Key, condition_holds, controller_of, finished, int_or_percent, items, map, namespace, number, phase, put_condition, selects,
    terminating, text, uid,
};
use crate::model::Timestamp;

/// How long an eviction that the API allowed counts against the budget while its pod is still there.
const EVICTION_TIMEOUT: Duration = Duration::from_secs(120);

/// One pass over one budget.
pub(super) fn sync(desk: &mut Desk, agenda: &mut Agenda, key: &Key) {
    let Some(budget) = desk.get(key).cloned() else { return };
    let selector = budget.pointer("/spec/selector").cloned().unwrap_or(Value::Null);
    let pods: Vec<&Value> = desk
        .list("Pod", &key.namespace)
        .into_iter()
        .filter(|pod| !selector.is_null() && selects(&selector, map(pod, "/metadata/labels")) && !finished(pod))
        .collect();
    let expected = expected_pods(desk, &pods, &budget);
    let total = i64::try_from(pods.len()).unwrap_or(0);
    let desired = if let Some(most) = budget.pointer("/spec/maxUnavailable") {
        (expected - int_or_percent(Some(most), expected, true).unwrap_or(0)).max(0)
    } else {
        int_or_percent(budget.pointer("/spec/minAvailable"), expected, true).unwrap_or(0)
    };
    let disrupted = still_disrupted(desk.now(), &budget, &pods);
    let healthy = pods.iter().filter(|pod| {
        condition_holds(pod, "Ready")
            && phase(pod) == "Running"
            && !terminating(pod)
            && !disrupted.iter().any(|(name, _)| name == super::fields::name(pod))
    });
    let healthy = i64::try_from(healthy.count()).unwrap_or(0);
    let allowed = if expected <= 0 { 0 } else { (healthy - desired).max(0).min(total) };
    if let Some((_, first)) = disrupted.iter().min_by_key(|(_, at)| *at) {
        agenda.wake(Loop::Disruption, key.clone(), *first + EVICTION_TIMEOUT);
    }
    write(desk, key, &budget, &disrupted, [healthy, desired, allowed, expected]);
}

fn write(desk: &mut Desk, key: &Key, budget: &Value, disrupted: &[(String, Timestamp)], [healthy, desired, allowed, expected]: [i64; 4]) {
    let generation = number(budget, "/metadata/generation").unwrap_or(1);
    let mut conditions = items(budget, "/status/conditions").to_vec();
    let (status, reason) = if allowed > 0 { ("True", "SufficientPods") } else { ("False", "InsufficientPods") };
    let fresh = json!({"type": "DisruptionAllowed", "status": status, "reason": reason, "message": "", "observedGeneration": generation});
    put_condition(&mut conditions, fresh, desk.now());
    let mut status = json!({
        "observedGeneration": generation,
        "currentHealthy": healthy,
        "desiredHealthy": desired,
        "disruptionsAllowed": allowed,
        "expectedPods": expected,
        "conditions": conditions,
    });
    if !disrupted.is_empty() {
        let listed: serde_json::Map<String, Value> =
            disrupted.iter().map(|(name, at)| (name.clone(), json!(at.to_seconds_text()))).collect();
        super::fields::set(&mut status, &["disruptedPods"], Value::Object(listed));
    }
    desk.put_status(key, status);
}

/// Pods whose eviction was allowed and that are still there, not yet marked for deletion.
fn still_disrupted(now: Timestamp, budget: &Value, pods: &[&Value]) -> Vec<(String, Timestamp)> {
    let Some(listed) = map(budget, "/status/disruptedPods") else { return Vec::new() };
    listed
        .iter()
        .filter_map(|(name, at)| Some((name.clone(), Timestamp::parse(at.as_str()?)?)))
        .filter(|(name, at)| *at + EVICTION_TIMEOUT > now && pods.iter().any(|pod| super::fields::name(pod) == name && !terminating(pod)))
        .collect()
}

/// Wanted replicas of the pods' controllers where the budget is relative, else the pods that are there.
fn expected_pods(desk: &Desk, pods: &[&Value], budget: &Value) -> i64 {
    let absolute = budget.pointer("/spec/maxUnavailable").is_none() && budget.pointer("/spec/minAvailable").is_some_and(Value::is_number);
    if absolute {
        return i64::try_from(pods.len()).unwrap_or(0);
    }
    let mut seen: Vec<&str> = Vec::new();
    let mut expected = 0;
    for pod in pods {
        let Some(controller) = controller_of(pod) else { continue };
        if seen.contains(&text(controller, "/uid")) {
            continue;
        }
        seen.push(text(controller, "/uid"));
        let key = Key::new(text(controller, "/kind"), namespace(pod), text(controller, "/name"));
        if let Some(owner) = desk.get(&key).filter(|owner| uid(owner) == text(controller, "/uid")) {
            // A ReplicaSet in the middle of a rollout counts through its Deployment.
            let scale = match controller_of(owner) {
                Some(deployment) if text(deployment, "/kind") == "Deployment" && !seen.contains(&text(deployment, "/uid")) => {
                    seen.push(text(deployment, "/uid"));
                    desk.get(&Key::new("Deployment", namespace(pod), text(deployment, "/name")))
                        .and_then(|object| number(object, "/spec/replicas"))
                }
                Some(_) if text(owner, "/kind") == "ReplicaSet" => Some(0),
                _ => number(owner, "/spec/replicas"),
            };
            expected += scale.unwrap_or(0);
        }
    }
    expected
}
