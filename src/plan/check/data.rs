//! Rules 2, 3, 10, 11 and 12: what holds data leaves empty, one at a time, on proof, and is never registered anew.

use std::time::Duration;

use super::case::{Case, is_since_start, is_useful, live_image_of, number, release_of, replicas, rolls_by_itself};
use crate::api::{Operation, OperationKind, OperationPhase};
use crate::model::canary::is_verdict_due;
use crate::model::cluster::{Policy, RunMode};
use crate::model::component::pod_of_host;
use crate::model::warehouse::DEFAULT_WAREHOUSE;
use crate::model::{Answer, Canary, Component, ObjectKind, Pod, Statement, Step};

/// `tablet_sched_be_down_tolerate_time_s`: after this StarRocks copies a lost backend's tablets elsewhere (real-fe.md §11.3).
const TOLERANCE: Duration = Duration::from_secs(900);

/// Rule 2: a backend leaves only after its tablets have.
pub(super) fn backends_leave_empty(case: &Case<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for (_, object, live) in case.changed().into_iter().filter(|(component, ..)| *component == Component::Backend) {
        let (wanted, present) = replicas(object, live);
        if wanted < present && case.nodes(Component::Backend).is_none() {
            found.push(format!("{present} backends would become {wanted} although nobody knows what StarRocks keeps on them"));
        }
        let registered =
            case.leaving(Component::Backend, wanted..present).into_iter().filter(|pod| case.node(Component::Backend, pod).is_some());
        found.extend(registered.map(|pod| format!("{pod} would go before StarRocks has let it go")));
    }
    let wanted = case.cluster.backend.as_ref().map_or(0, |backend| i64::from(backend.replicas));
    for statement in case.statements() {
        if let Statement::DecommissionBackend { host, .. } = statement
            && number(pod_of_host(host)) < wanted
        {
            found.push(format!("{host} would be emptied although it is to stay"));
        }
    }
    let workload = Component::Backend.workload_name(&case.cluster.name);
    let deleted = case
        .decision
        .steps
        .iter()
        .any(|step| matches!(step, Step::Delete { object, .. } if object.kind == ObjectKind::StatefulSet && object.name == workload));
    if deleted && case.cluster.backend.is_some() {
        found.push("the backends would be deleted although the resource wants them".to_owned());
    }
    found
}

/// Rule 3: never two backends down at once, and none down for long in silence.
pub(super) fn one_backend_at_a_time(case: &Case<'_>) -> Vec<String> {
    let mut found = Vec::new();
    let restarts = case.restarts(Component::Backend);
    if restarts.len() > 1 {
        found.push(format!("{} backends would be restarted at once", restarts.len()));
    }
    for pod in restarts.into_iter().filter(|pod| is_useful(pod)) {
        let down = |other: &String| case.observed.pods.get(other).is_none_or(|other| !other.ready || other.deleting);
        if let Some(other) = case.expected(Component::Backend).into_iter().find(|other| *other != pod.name && down(other))
            && !case.consents("SkipHealthGates")
        {
            found.push(format!("{} would be restarted while {other} is down", pod.name));
        }
    }
    found.extend(compute_nodes_at_once(case));
    for (component, object, live) in case.changed().into_iter().filter(|(component, ..)| *component != Component::Frontend) {
        let pods: Vec<&Pod> = case.observed.pods_of(component).collect();
        if rolls_by_itself(object, live, &pods) {
            found.push(format!("Kubernetes would restart the {component} pods by itself"));
        }
    }
    if !case.recovers() && case.decision.waiting_on.is_empty() {
        let lost = |pod: &String| {
            let row = case.node(Component::Backend, pod)?;
            let silent = row.last_heartbeat.is_some_and(|heartbeat| case.observed.now.since(heartbeat) > TOLERANCE);
            (!row.alive && silent).then(|| format!("{pod} has been down for longer than StarRocks tolerates, and nobody is told"))
        };
        let wanted = case.cluster.backend.is_some();
        found.extend(case.expected(Component::Backend).iter().filter(|_| wanted).filter_map(lost));
    }
    found
}

/// Compute nodes may go several at a time: no more of them than the user allows are away then, and never all.
fn compute_nodes_at_once(case: &Case<'_>) -> Option<String> {
    let restarts: Vec<&Pod> = case.restarts(Component::ComputeNode).into_iter().filter(|pod| is_useful(pod)).collect();
    let expected = case.expected(Component::ComputeNode);
    let away = |pod: &&String| {
        let there = case.observed.pods.get(*pod).is_some_and(|pod| pod.ready && !pod.deleting);
        !there || restarts.iter().any(|restarted| restarted.name == **pod)
    };
    let (away, total) = (expected.iter().filter(away).count(), expected.len());
    let allowed = case.cluster.policy.compute_nodes_at_once.of(u32::try_from(total).unwrap_or(u32::MAX));
    let too_many = away == total || u32::try_from(away).is_ok_and(|away| away > allowed);
    (restarts.len() > 1 && too_many).then(|| format!("{away} of {total} compute nodes would be away at once, and {allowed} may be"))
}

/// Rule 10: before a useful pod is taken down, the health of every data node is proven by several independent signs.
pub(super) fn health_is_proven(case: &Case<'_>) -> Vec<String> {
    let restarted: Vec<&Pod> =
        Component::STARROCKS.into_iter().flat_map(|component| case.restarts(component)).filter(|pod| is_useful(pod)).collect();
    if restarted.is_empty() || case.consents("SkipHealthGates") {
        return Vec::new();
    }
    let mut found = Vec::new();
    for component in [Component::Backend, Component::ComputeNode] {
        if case.cluster.workload(component).is_some() {
            found.extend(case.expected(component).iter().filter_map(|pod| unproven(case, component, pod)));
        }
    }
    let replicated = case.cluster.run_mode == RunMode::SharedNothing && case.cluster.backend.is_some();
    if replicated && case.observed.group.replicas.known().is_none_or(|trouble| trouble.troubled > 0) {
        found.push("replicas of user tables are dead or missing, or nobody said".to_owned());
    }
    found
}

fn unproven(case: &Case<'_>, component: Component, name: &str) -> Option<String> {
    let (Some(pod), Some(row)) = (case.observed.pods.get(name), case.node(component, name)) else {
        return Some(format!("{name} is not there, or not registered"));
    };
    let back = row.alive && is_since_start(row.last_heartbeat, pod) && is_since_start(row.last_start_time, pod);
    let tablets = component != Component::Backend
        || case.cluster.run_mode == RunMode::SharedData
        || row.last_tablet_report.zip(row.last_start_time).is_some_and(|(report, start)| report >= start);
    (!back || !tablets).then(|| format!("{name} is not proven alive with its tablets since its last start"))
}

/// Rule 11: no node with data is dropped, and nothing that still runs is forgotten.
pub(super) fn nobody_is_registered_anew(case: &Case<'_>) -> Vec<String> {
    let mut found = Vec::new();
    for statement in case.statements() {
        if let Statement::DropComputeNode { host, port, .. } = statement {
            let has_data = case.nodes(Component::Backend).into_iter().flatten().any(|row| row.host == *host && row.heartbeat_port == *port);
            let alive = case.nodes(Component::ComputeNode).into_iter().flatten().any(|row| row.host == *host && row.alive);
            if has_data || alive || case.observed.pods.contains_key(pod_of_host(host)) {
                found.push(format!("{host} would be dropped although it holds data or still runs"));
            }
        }
    }
    found
}

/// Rule 12: what takes something away needs answers, not silence.
pub(super) fn unknown_blocks(case: &Case<'_>) -> Vec<String> {
    let (frontends, backends) = (case.observed.group.frontends.known().is_some(), case.observed.group.backends.known().is_some());
    let nodes = case.observed.group.compute_nodes.known().is_some();
    let mut found = Vec::new();
    let mut need = |known: bool, what: &str| {
        if !known {
            found.push(format!("{what} without an answer that allows it"));
        }
    };
    for component in Component::STARROCKS {
        for pod in case.restarts(component).into_iter().filter(|pod| is_useful(pod)) {
            let wants_backends = case.cluster.backend.is_some() && case.live(Component::Backend).is_some();
            need(frontends && (backends || !wants_backends), &format!("{} would be restarted", pod.name));
            need(runs_stop(case, pod) || !canaries_unheard(case), &format!("{} would follow the canaries", pod.name));
        }
    }
    for (component, object, live) in case.changed() {
        let (wanted, present) = replicas(object, live);
        let known = match component {
            Component::Frontend => frontends || case.recovers(),
            Component::Backend => backends,
            Component::ComputeNode | Component::FrontendProxy => true,
        };
        need(wanted >= present || known, &format!("the {component} would be scaled in"));
    }
    for statement in case.statements() {
        match statement {
            Statement::DropFollower { .. } | Statement::DropObserver { .. } => need(frontends, "a frontend would be dropped"),
            Statement::TransferLeader { .. } => need(frontends, "the lead would be handed over"),
            Statement::DecommissionBackend { .. } => need(backends, "a backend would be emptied"),
            Statement::DropComputeNode { .. } => need(nodes, "a compute node would be dropped"),
            Statement::DropWarehouse { name } => need(may_drop(case, name), &format!("warehouse {name} would be dropped")),
            Statement::ResumeRoutineLoad { database, name } => {
                need(case.is_ours_and_paused(database, name), &format!("{database}.{name} would be resumed"));
            }
            // Rule 7 judges them.
            Statement::SetFrontendConfig { .. }
            | Statement::ConfigureFrontends { .. }
            | Statement::ConfigureNode { .. }
            | Statement::CreateImage
            | Statement::SetGlobal { .. }
            | Statement::CancelDecommissionBackend { .. } => {}
        }
    }
    found
}

/// Whether canaries of an upgrade are to be judged, enough nodes to be the canaries run its template, and they have not been watched or a question
/// about them has no answer.
fn canaries_unheard(case: &Case<'_>) -> bool {
    let (policy, told) = (&case.cluster.policy, &case.observed.canary);
    let Some(operation) = case.decision.status.operation.as_ref().filter(|operation| is_judged(policy, operation)) else { return false };
    let former = case.observed.status.operation.as_ref().filter(|former| former.to == operation.to && former.hop == operation.hop);
    if former.is_some_and(have_passed) || !are_enough(case, operation) {
        return false;
    }
    if !former.is_some_and(|former| is_verdict_due(policy, former, case.observed.now)) {
        return true;
    }
    let asked = policy.canary.iter();
    let by_sql = asked.clone().any(|canary| canary.sql.is_some()) && told.sql.known().is_none_or(Option::is_none);
    let unread = |answer: &Answer<Vec<Vec<String>>>| answer.known().is_none();
    let by_metrics =
        asked.clone().any(|canary| !canary.metrics.is_empty()) && (told.metrics.is_empty() || told.metrics.values().any(unread));
    by_sql || by_metrics
}

fn is_judged(policy: &Policy, operation: &Operation) -> bool {
    policy.canary.as_ref().is_some_and(Canary::has_verdict)
        && operation.kind == OperationKind::Upgrade
        && operation.instead_of.is_none()
        && operation.turn_back != Some(true)
}

/// Whether a pod runs the release of the hop already: whatever it is restarted for, it follows nobody to it.
fn runs_stop(case: &Case<'_>, pod: &Pod) -> bool {
    let stop = case.decision.status.operation.as_ref().and_then(stop);
    release_of(Some(&pod.image)).is_some_and(|release| stop == Some(&release.to_string()))
}

/// The release to which a hop leads.
fn stop(operation: &Operation) -> Option<&String> {
    usize::try_from(operation.hop - 1).ok().and_then(|index| operation.path.get(index))
}

/// Whether it is on record that nodes may follow the canaries; an upgrade takes them before all others, and is owed no more than settings and an
/// image once all have moved.
fn have_passed(operation: &Operation) -> bool {
    use OperationPhase::{Backends, ComputeNodes, Finish, Followers, Leader, Thaw};
    let past = [Backends, ComputeNodes, Followers, Leader, Thaw, Finish];
    operation.canary_passed == Some(true) || past.contains(&operation.phase)
}

/// Whether a node that is restarted now is none of the canaries: as many run the template of the hop.
fn are_enough(case: &Case<'_>, operation: &Operation) -> bool {
    let component = if case.cluster.backend.is_some() { Component::Backend } else { Component::ComputeNode };
    let Some(live) = case.live(component).filter(|live| live.status_is_current()) else { return false };
    if release_of(live_image_of(live, component)).is_some_and(|release| stop(operation) != Some(&release.to_string())) {
        return false;
    }
    let revision = live.text("/status/updateRevision");
    let pods = case.observed.pods_of(component).count();
    let moved = case.observed.pods_of(component).filter(|pod| pod.revision == revision).count();
    let asked = case.cluster.policy.canary.as_ref().map_or(1, |canary| usize::try_from(canary.nodes).unwrap_or(usize::MAX));
    moved > 0 && (moved >= asked || moved == pods)
}

/// Whether a warehouse was made for this resource, which is being deleted, and nothing of it runs or is registered any more.
fn may_drop(case: &Case<'_>, name: &str) -> bool {
    let own = case.cluster.warehouse.as_ref().is_some_and(|warehouse| warehouse.sql_name() == name && name != DEFAULT_WAREHOUSE);
    let goes = case.observed.warehouse.as_ref().is_some_and(|report| report.deleting && report.held);
    let empty = case.observed.pods_of(Component::ComputeNode).next().is_none();
    let served = case.nodes(Component::ComputeNode).is_none_or(|rows| rows.iter().any(|row| row.warehouse.as_deref() == Some(name)));
    own && goes && empty && !served
}
