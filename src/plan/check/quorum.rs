//! Rules 1 and 6: the frontends keep their majority, and nobody founds a second cluster.

use serde_json::Value;

use super::case::{Case, is_since_start, is_useful, live_image_of, release_of, replicas, rolls_by_itself};
use crate::model::starrocks::{FrontendRole, FrontendRow};
use crate::model::{Component, Object, ObjectKind, Pod, Statement, Step};
use crate::release::Image;

/// Rule 1: never act so that the majority could be lost; one frontend at a time; the leader last.
pub(super) fn majority_survives(case: &Case<'_>) -> Vec<String> {
    let mut found = Vec::new();
    if case.recovers() {
        return found;
    }
    let restarts = case.restarts(Component::Frontend);
    if restarts.len() > 1 {
        found.push(format!("{} frontends would be restarted at once", restarts.len()));
    }
    found.extend(restarts.into_iter().filter(|pod| is_useful(pod)).filter_map(|pod| restart(case, pod)));
    for (_, object, live) in case.changed().into_iter().filter(|(component, ..)| *component == Component::Frontend) {
        let pods: Vec<&Pod> = case.observed.pods_of(Component::Frontend).collect();
        if rolls_by_itself(object, live, &pods) {
            found.push("Kubernetes would restart the frontends in the order of their ordinals".to_owned());
        }
        let (wanted, present) = replicas(object, live);
        if wanted < present && (wanted < 2 || case.observed.group.frontends.known().is_none()) {
            found.push(format!("{present} frontends would become {wanted}"));
        }
        let leaving = case.leaving(Component::Frontend, wanted..present);
        found.extend(
            leaving.into_iter().filter(|pod| case.frontend(pod).is_some()).map(|pod| format!("{pod} would go while it is registered")),
        );
    }
    for statement in case.statements() {
        if let Statement::DropFollower { host, .. } = statement {
            let rows = case.observed.group.frontends.known().map(Vec::as_slice).unwrap_or_default();
            let others = alive_voters(case, rows, |row| row.host != *host);
            let is_leader = rows.iter().any(|row| row.host == *host && row.role == FrontendRole::Leader);
            if is_leader || 2 * others <= voters(rows) {
                found.push(format!("{host} would be dropped with {others} of {} voters beside it", voters(rows)));
            }
        }
    }
    let deleted = case.decision.steps.iter().any(|step| {
        matches!(step, Step::Delete { object, .. } if object.kind == ObjectKind::StatefulSet && object.name == Component::Frontend.workload_name(&case.cluster.name))
    });
    if deleted {
        found.push("the frontends would be deleted".to_owned());
    }
    found
}

fn restart(case: &Case<'_>, pod: &Pod) -> Option<String> {
    let Some(rows) = case.observed.group.frontends.known() else {
        return Some(format!("{} would be restarted although the group has not been heard", pod.name));
    };
    let row = case.frontend(&pod.name);
    if row.is_some_and(|row| row.role == FrontendRole::Observer) {
        return None;
    }
    let registered = voters(rows);
    let others = alive_voters(case, rows, |other| row.is_none_or(|row| row.host != other.host));
    let template = case.live(Component::Frontend).and_then(|live| live_image_of(live, Component::Frontend));
    let same_release = Image::parse(&pod.image).claim().release() == release_of(template);
    let accepted = registered < 3 && (case.consents("SingleFrontendOutage") || same_release);
    if 2 * others <= registered && !accepted {
        return Some(format!("without {} only {others} of {registered} voters are proven alive", pod.name));
    }
    let down = |other: &&String| **other != pod.name && case.observed.pods.get(*other).is_none_or(|other| !other.ready || other.deleting);
    let expected = case.expected(Component::Frontend);
    if registered >= 3
        && let Some(other) = expected.iter().find(down)
    {
        return Some(format!("{} would be restarted while {other} is down", pod.name));
    }
    let revision = case.live(Component::Frontend).map_or("", |live| live.text("/status/updateRevision"));
    let behind = |other: &&Pod| other.name != pod.name && pod.revision != revision && other.revision != revision;
    let leads = row.is_some_and(|row| row.role == FrontendRole::Leader);
    let earlier = case.observed.pods_of(Component::Frontend).find(|other| leads && !revision.is_empty() && behind(other))?;
    Some(format!("the leader {} would be restarted before {}", pod.name, earlier.name))
}

pub(super) fn voters(rows: &[FrontendRow]) -> usize {
    rows.iter().filter(|row| row.role != FrontendRole::Observer).count()
}

/// Voters that Kubernetes, StarRocks and their own word call alive.
pub(super) fn alive_voters(case: &Case<'_>, rows: &[FrontendRow], counts: impl Fn(&FrontendRow) -> bool) -> usize {
    let alive = |row: &FrontendRow| {
        case.observed.pods_of(Component::Frontend).any(|pod| {
            case.frontend(&pod.name) == Some(row)
                && pod.ready
                && !pod.deleting
                && is_since_start(row.last_heartbeat, pod)
                && case.observed.frontends.get(&pod.name).is_some_and(|report| report.serving.known() == Some(&true))
        })
    };
    rows.iter().filter(|row| row.role != FrontendRole::Observer && row.join && row.alive && counts(row) && alive(row)).count()
}

/// Rule 6: frontend 0 never starts on empty metadata while others hold data or nobody could tell it about them.
pub(super) fn no_second_cluster(case: &Case<'_>) -> Vec<String> {
    let workload = Component::Frontend.workload_name(&case.cluster.name);
    let zero = format!("{workload}-0");
    let mut found = Vec::new();
    let founds = case.decision.steps.iter().any(|step| match step {
        Step::Apply(Object::StatefulSet(object)) => {
            object.metadata.name.as_deref() == Some(workload.as_str())
                && object.spec.as_ref().and_then(|spec| spec.replicas).unwrap_or(1) > 0
        }
        _ => false,
    });
    let exists =
        case.live(Component::Frontend).is_some_and(|live| live.integer("/spec/replicas") > 0) || case.observed.pods.contains_key(&zero);
    let mine = |claim: &&String| claim.contains("meta") && claim.contains(&format!("-{workload}-"));
    let own = case.observed.claims.keys().filter(mine).any(|claim| claim.ends_with(&zero));
    if founds && !exists && !own && case.observed.claims.keys().any(|claim| mine(&claim)) {
        found.push(format!("{zero} would start on an empty volume while other frontends have theirs"));
    }
    let ephemeral = case.live(Component::Frontend).is_some_and(|live| keeps_metadata_in_pod(&live.body));
    for pod in case.restarts(Component::Frontend) {
        let never_ran = pod.started.is_none() && case.frontend(&pod.name).is_none();
        let rows = case.observed.group.frontends.known().map(Vec::as_slice).unwrap_or_default();
        let others = alive_voters(case, rows, |row| case.frontend(&pod.name).is_none_or(|own| own.host != row.host));
        if ephemeral && !never_ran && 2 * others <= voters(rows) {
            found.push(format!("{} would lose its metadata and find no majority to join", pod.name));
        }
    }
    found
}

fn keeps_metadata_in_pod(body: &Value) -> bool {
    let items = |pointer: &str| body.pointer(pointer).and_then(Value::as_array).cloned().unwrap_or_default();
    let empty: Vec<Value> = items("/spec/template/spec/volumes").into_iter().filter(|volume| volume.get("emptyDir").is_some()).collect();
    items("/spec/template/spec/containers").iter().any(|container| {
        let mounts = container.get("volumeMounts").and_then(Value::as_array).cloned().unwrap_or_default();
        mounts.iter().any(|mount| {
            let path = mount.get("mountPath").and_then(Value::as_str).unwrap_or_default();
            path.ends_with("fe/meta") && empty.iter().any(|volume| volume.get("name") == mount.get("name"))
        })
    })
}
