//! The Deployment controller: one deployment goes in, its ReplicaSets are created, scaled and cleaned up, the status is written; touches no pod.

use std::sync::Arc;
use std::time::Duration;

use serde_json::{Map, Value, json};

use super::agenda::{Agenda, Loop};
use super::desk::Desk;
use super::fields::{
    Key, annotation, condition, flag, int_or_percent, items, moment, name, namespace, number, put_condition, set, terminating, text, uid,
    unset,
};
use super::ownership::claim;
use super::statefulset::revision::safe_text;

const COMPONENT: &str = "deployment-controller";
const HASH: &str = "pod-template-hash";
const REVISION: &str = "deployment.kubernetes.io/revision";

/// One pass over one Deployment.
pub(super) fn sync(desk: &mut Desk, agenda: &mut Agenda, key: &Key) {
    let Some(deployment) = desk.get(key).cloned() else { return };
    let mut sets: Vec<Value> = claim(desk, &deployment, "ReplicaSet", |_| true).into_iter().map(Arc::unwrap_or_clone).collect();
    sets.sort_by_key(|set| (text(set, "/metadata/creationTimestamp").to_owned(), name(set).to_owned()));
    let current = sets.iter().position(|set| same_template(set, &deployment));
    if terminating(&deployment) {
        return write_status(desk, agenda, &deployment, &sets, current);
    }
    let current = match current {
        Some(position) => {
            renumber(desk, &mut sets, position);
            Some(position)
        }
        None if flag(&deployment, "/spec/paused") => None,
        None => create(desk, &deployment, &sets).map(|made| {
            sets.push(made);
            sets.len() - 1
        }),
    };
    if let Some(current) = current {
        scale(desk, &deployment, &mut sets, current);
        clean_up(desk, &deployment, &sets, current);
        put_revision(desk, key, &sets[current]);
    }
    write_status(desk, agenda, &deployment, &sets, current);
}

fn same_template(replica_set: &Value, deployment: &Value) -> bool {
    let mut template = replica_set.pointer("/spec/template").cloned().unwrap_or(Value::Null);
    unset(&mut template, &["metadata", "labels", HASH]);
    Some(&template) == deployment.pointer("/spec/template")
}

fn revision(replica_set: &Value) -> i64 {
    annotation(replica_set, REVISION).and_then(|text| text.parse().ok()).unwrap_or(0)
}

/// A template that was used before becomes the newest revision again.
fn renumber(desk: &mut Desk, sets: &mut [Value], current: usize) {
    let newest = sets.iter().enumerate().filter(|(position, _)| *position != current).map(|(_, set)| revision(set)).max().unwrap_or(0);
    if revision(&sets[current]) <= newest {
        let mut fresh = sets[current].clone();
        set(&mut fresh, &["metadata", "annotations", REVISION], json!((newest + 1).to_string()));
        if let Ok(made) = desk.try_update(fresh) {
            sets[current] = made;
        }
    }
}

fn create(desk: &mut Desk, deployment: &Value, sets: &[Value]) -> Option<Value> {
    let template = deployment.pointer("/spec/template").cloned().unwrap_or_else(|| json!({}));
    let mut sum: u32 = 0x811c_9dc5;
    for byte in template.to_string().bytes() {
        sum = (sum ^ u32::from(byte)).wrapping_mul(0x0100_0193);
    }
    let hash = safe_text(sum);
    let next = sets.iter().map(revision).max().unwrap_or(0) + 1;
    let mut fresh = json!({
        "apiVersion": "apps/v1",
        "kind": "ReplicaSet",
        "metadata": {
            "name": format!("{}-{hash}", name(deployment)),
            "namespace": namespace(deployment),
            "labels": template.pointer("/metadata/labels").cloned().unwrap_or_else(|| json!({})),
            "annotations": {
                REVISION: next.to_string(),
                "deployment.kubernetes.io/desired-replicas": wanted(deployment).to_string(),
                "deployment.kubernetes.io/max-replicas": (wanted(deployment) + surge(deployment)).to_string(),
            },
            "ownerReferences": [super::fields::controller_reference(deployment)],
        },
        "spec": {
            "replicas": 0,
            "minReadySeconds": number(deployment, "/spec/minReadySeconds").unwrap_or(0),
            "selector": deployment.pointer("/spec/selector").cloned().unwrap_or_else(|| json!({})),
            "template": template,
        },
    });
    for path in
        [&["metadata", "labels", HASH][..], &["spec", "selector", "matchLabels", HASH], &["spec", "template", "metadata", "labels", HASH]]
    {
        set(&mut fresh, path, json!(hash));
    }
    desk.try_create(fresh).ok()
}

fn wanted(deployment: &Value) -> i64 {
    number(deployment, "/spec/replicas").unwrap_or(1)
}

fn recreates(deployment: &Value) -> bool {
    text(deployment, "/spec/strategy/type") == "Recreate"
}

fn surge(deployment: &Value) -> i64 {
    if recreates(deployment) {
        return 0;
    }
    let quarter = json!("25%");
    int_or_percent(deployment.pointer("/spec/strategy/rollingUpdate/maxSurge").or(Some(&quarter)), wanted(deployment), true).unwrap_or(0)
}

fn max_unavailable(deployment: &Value) -> i64 {
    if recreates(deployment) {
        return wanted(deployment);
    }
    let quarter = json!("25%");
    let allowed =
        int_or_percent(deployment.pointer("/spec/strategy/rollingUpdate/maxUnavailable").or(Some(&quarter)), wanted(deployment), false)
            .unwrap_or(0);
    let allowed = if allowed == 0 && surge(deployment) == 0 { 1 } else { allowed };
    allowed.min(wanted(deployment))
}

fn replicas(replica_set: &Value) -> i64 {
    number(replica_set, "/spec/replicas").unwrap_or(0)
}

fn observed(replica_set: &Value, field: &str) -> i64 {
    number(replica_set, &format!("/status/{field}")).unwrap_or(0)
}

fn scale(desk: &mut Desk, deployment: &Value, sets: &mut [Value], current: usize) {
    let wanted = wanted(deployment);
    let old: Vec<usize> = (0..sets.len()).filter(|position| *position != current).collect();
    let running_old = old.iter().any(|position| observed(&sets[*position], "replicas") > 0 || replicas(&sets[*position]) > 0);
    if recreates(deployment) {
        for position in &old {
            resize(desk, deployment, sets, *position, 0);
        }
        if !running_old && no_pods_left(desk, deployment, sets, &old) {
            resize(desk, deployment, sets, current, wanted);
        }
        return;
    }
    let total: i64 = sets.iter().map(replicas).sum();
    let have = replicas(&sets[current]);
    if have > wanted || !running_old {
        resize(desk, deployment, sets, current, wanted);
    } else if have < wanted {
        let room = (wanted + surge(deployment) - total).clamp(0, wanted - have);
        resize(desk, deployment, sets, current, have + room);
    }
    shrink_old(desk, deployment, sets, current, &old);
}

/// Takes old pods away as far as enough others are available; unhealthy old ones go first.
fn shrink_old(desk: &mut Desk, deployment: &Value, sets: &mut [Value], current: usize, old: &[usize]) {
    let minimum = wanted(deployment) - max_unavailable(deployment);
    let total: i64 = sets.iter().map(replicas).sum();
    let new_unavailable = (replicas(&sets[current]) - observed(&sets[current], "availableReplicas")).max(0);
    let mut budget = total - minimum - new_unavailable;
    for position in old {
        let unhealthy = (replicas(&sets[*position]) - observed(&sets[*position], "availableReplicas")).clamp(0, budget.max(0));
        if unhealthy > 0 {
            let left = replicas(&sets[*position]) - unhealthy;
            resize(desk, deployment, sets, *position, left);
            budget -= unhealthy;
        }
    }
    let available: i64 = sets.iter().map(|set| observed(set, "availableReplicas").min(replicas(set))).sum();
    let mut budget = (available - minimum).max(0);
    for position in old {
        let away = replicas(&sets[*position]).min(budget);
        if away > 0 {
            let left = replicas(&sets[*position]) - away;
            resize(desk, deployment, sets, *position, left);
            budget -= away;
        }
    }
}

fn no_pods_left(desk: &Desk, deployment: &Value, sets: &[Value], old: &[usize]) -> bool {
    let owners: Vec<&str> = old.iter().map(|position| uid(&sets[*position])).collect();
    !desk.list("Pod", namespace(deployment)).iter().any(|pod| owners.iter().any(|owner| super::fields::controlled_by(pod, owner)))
}

fn resize(desk: &mut Desk, deployment: &Value, sets: &mut [Value], position: usize, size: i64) {
    let before = replicas(&sets[position]);
    if before == size {
        return;
    }
    let mut fresh = sets[position].clone();
    set(&mut fresh, &["spec", "replicas"], json!(size));
    if let Ok(made) = desk.try_update(fresh) {
        let direction = if size > before { "up" } else { "down" };
        let what = format!("Scaled {direction} replica set {} from {before} to {size}", name(&made));
        desk.event(deployment, "Normal", "ScalingReplicaSet", &what, COMPONENT);
        sets[position] = made;
    }
}

/// Deletes the oldest empty sets beyond `revisionHistoryLimit`.
fn clean_up(desk: &mut Desk, deployment: &Value, sets: &[Value], current: usize) {
    let limit = usize::try_from(number(deployment, "/spec/revisionHistoryLimit").unwrap_or(10)).unwrap_or(0);
    let complete = observed(&sets[current], "availableReplicas") >= wanted(deployment);
    let mut empty: Vec<&Value> = sets
        .iter()
        .enumerate()
        .filter(|(position, set)| *position != current && replicas(set) == 0 && observed(set, "replicas") == 0 && !terminating(set))
        .map(|(_, set)| set)
        .collect();
    empty.sort_by_key(|set| revision(set));
    let surplus = if complete { empty.len().saturating_sub(limit) } else { 0 };
    for set in empty.into_iter().take(surplus) {
        desk.delete(&Key::of(set), uid(set));
    }
}

fn put_revision(desk: &mut Desk, key: &Key, current: &Value) {
    let Some(known) = desk.get(key) else { return };
    let number = revision(current).to_string();
    if annotation(known, REVISION) != Some(&number) {
        let mut fresh = known.clone();
        set(&mut fresh, &["metadata", "annotations", REVISION], json!(number));
        desk.update(fresh);
    }
}

fn write_status(desk: &mut Desk, agenda: &mut Agenda, deployment: &Value, sets: &[Value], current: Option<usize>) {
    let sum = |field: &str| sets.iter().map(|set| observed(set, field)).sum::<i64>();
    let (total, ready, available) = (sum("replicas"), sum("readyReplicas"), sum("availableReplicas"));
    let updated = current.map_or(0, |position| observed(&sets[position], "replicas"));
    let wanted_replicas = wanted(deployment);
    let unavailable = (sets.iter().map(replicas).sum::<i64>() - available).max(0);
    let mut status = Map::new();
    status.insert("observedGeneration".into(), json!(number(deployment, "/metadata/generation").unwrap_or(1)));
    for (field, value) in [
        ("replicas", total),
        ("updatedReplicas", updated),
        ("readyReplicas", ready),
        ("availableReplicas", available),
        ("unavailableReplicas", unavailable),
    ] {
        if value != 0 {
            status.insert(field.into(), json!(value));
        }
    }
    let complete = updated == wanted_replicas && total == wanted_replicas && available == wanted_replicas;
    let progressed = ["updatedReplicas", "readyReplicas", "availableReplicas"].iter().any(|field| {
        status.get(*field).and_then(Value::as_i64).unwrap_or(0) != number(deployment, &format!("/status/{field}")).unwrap_or(0)
    });
    let mut conditions = items(deployment, "/status/conditions").to_vec();
    put_availability(desk, deployment, available, &mut conditions);
    put_progress(desk, agenda, deployment, current.map(|position| name(&sets[position])), complete, progressed, &mut conditions);
    status.insert("conditions".into(), json!(conditions));
    desk.put_status(&Key::of(deployment), Value::Object(status));
}

fn put_availability(desk: &Desk, deployment: &Value, available: i64, conditions: &mut Vec<Value>) {
    let enough = available >= wanted(deployment) - max_unavailable(deployment);
    let (status, reason, message) = if enough {
        ("True", "MinimumReplicasAvailable", "Deployment has minimum availability.")
    } else {
        ("False", "MinimumReplicasUnavailable", "Deployment does not have minimum availability.")
    };
    stamp(desk, conditions, json!({"type": "Available", "status": status, "reason": reason, "message": message}), false);
}

fn put_progress(
    desk: &Desk,
    agenda: &mut Agenda,
    deployment: &Value,
    current: Option<&str>,
    complete: bool,
    progressed: bool,
    conditions: &mut Vec<Value>,
) {
    let Some(current) = current else { return };
    let known = condition(deployment, "Progressing");
    let deadline =
        Duration::from_secs(number(deployment, "/spec/progressDeadlineSeconds").and_then(|s| u64::try_from(s).ok()).unwrap_or(600));
    let since = known.and_then(|known| moment(known, "/lastUpdateTime")).unwrap_or(desk.now());
    let overdue = !complete
        && !progressed
        && known.is_some_and(|known| text(known, "/reason") != "NewReplicaSetAvailable")
        && since + deadline <= desk.now();
    let (status, reason, message) = if complete {
        ("True", "NewReplicaSetAvailable", format!("ReplicaSet \"{current}\" has successfully progressed."))
    } else if overdue {
        ("False", "ProgressDeadlineExceeded", format!("ReplicaSet \"{current}\" has timed out progressing."))
    } else if known.is_some_and(|known| text(known, "/reason") != "NewReplicaSetAvailable") && !progressed {
        return;
    } else {
        ("True", "ReplicaSetUpdated", format!("ReplicaSet \"{current}\" is progressing."))
    };
    if !complete && !overdue {
        agenda.wake(Loop::Deployment, Key::of(deployment), desk.now() + deadline);
    }
    let fresh = json!({"type": "Progressing", "status": status, "reason": reason, "message": message});
    stamp(desk, conditions, fresh, progressed && !complete);
}

/// Puts a condition; `lastUpdateTime` moves with status, reason or message, or when progress renews it.
fn stamp(desk: &Desk, conditions: &mut Vec<Value>, mut fresh: Value, renew: bool) {
    let known = conditions.iter().find(|known| text(known, "/type") == text(&fresh, "/type"));
    let same =
        known.filter(|known| !renew && ["/status", "/reason", "/message"].iter().all(|field| text(known, field) == text(&fresh, field)));
    let updated = same.and_then(|known| known.get("lastUpdateTime").cloned()).unwrap_or_else(|| json!(desk.now().to_seconds_text()));
    set(&mut fresh, &["lastUpdateTime"], updated);
    put_condition(conditions, fresh, desk.now());
}
