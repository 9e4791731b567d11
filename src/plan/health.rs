//! One node goes in, what it still lacks to count as back comes out; proven by Kubernetes, StarRocks and time together, never by one number.

use std::time::Duration;

use super::view::{Fleet, View, require};
use crate::model::cluster::RunMode;
use crate::model::starrocks::{BackendRow, FrontendRow};
use crate::model::{Component, Pod, Timestamp, WaitingOn};
use crate::release::Image;

/// Entries a frontend may be behind the leader: rows are up to five seconds old, and a busy leader writes hundreds a second.
pub(super) const JOURNAL_LAG_MAX: u64 = 5_000;
/// Clocks of nodes and frontends differ by less (StarRocks stops a frontend at 5 s), and StarRocks prints whole seconds.
const CLOCK_SLACK: Duration = Duration::from_secs(5);

/// What the kubelet says of every pod on its way up.
const ORDINARY: [&str; 2] = ["ContainerCreating", "PodInitializing"];

/// Everything that any node of the cluster still lacks, in the order FE, BE, CN and by ordinal. Pods beyond `replicas` do not count.
pub(super) fn of_all(view: &View<'_>) -> Vec<WaitingOn> {
    view.fleets().flat_map(|fleet| of_component(view, fleet.component)).collect()
}

/// Everything that the nodes of a component still lack.
pub(super) fn of_component(view: &View<'_>, component: Component) -> Vec<WaitingOn> {
    let Some(fleet) = view.fleet(component) else { return Vec::new() };
    let mut waits: Vec<WaitingOn> = Vec::new();
    for ordinal in fleet.ordinals() {
        let wait = of_node(view, component, &view.pod_name(component, ordinal));
        // "The frontends are silent" is said once, not once per node.
        if let Some(wait) = wait
            && !waits.contains(&wait)
        {
            waits.push(wait);
        }
    }
    waits
}

/// What a node still lacks; `None` when it is back.
pub(super) fn of_node(view: &View<'_>, component: Component, name: &str) -> Option<WaitingOn> {
    let Some(pod) = view.observed.pods.get(name) else {
        return Some(
            overdue(view, component, name, None).unwrap_or_else(|| WaitingOn::PodStarting {
                pod: name.to_owned(),
                detail: "its StatefulSet has not made it yet".to_owned(),
            }),
        );
    };
    let lacking = of_pod(pod).or_else(|| match component {
        Component::Frontend => of_frontend(view, pod),
        Component::Backend | Component::ComputeNode => of_data_node(view, component, pod),
        Component::FrontendProxy => None,
    })?;
    // A pod that cannot start says more than "overdue"; a group that nobody can ask says nothing about this node.
    if lacking.pod().is_none() || matches!(lacking, WaitingOn::PodFailing { .. }) {
        return Some(in_its_words(view, lacking));
    }
    Some(overdue(view, component, name, Some(pod)).unwrap_or(lacking))
}

/// A pod that fails, with what its log says beside what Kubernetes says.
fn in_its_words(view: &View<'_>, wait: WaitingOn) -> WaitingOn {
    match wait {
        WaitingOn::PodFailing { pod, reason, detail } => {
            let line = view.observed.last_words.get(&pod).map(|line| format!("its log says: {line}"));
            let detail = [Some(detail).filter(|detail| !detail.is_empty()), line].into_iter().flatten().collect::<Vec<_>>().join("; ");
            WaitingOn::PodFailing { pod, reason, detail }
        }
        other => other,
    }
}

/// What a pod lacks by Kubernetes' account.
pub(super) fn of_pod(pod: &Pod) -> Option<WaitingOn> {
    let name = pod.name.clone();
    if pod.deleting {
        return Some(WaitingOn::PodTerminating { pod: name });
    }
    if let Some(problem) = pod.problem.as_ref().filter(|problem| problem.stuck) {
        return Some(WaitingOn::PodFailing { pod: name, reason: problem.reason.clone(), detail: problem.message.clone() });
    }
    if pod.failed {
        return Some(WaitingOn::PodFailing { pod: name, reason: "Failed".to_owned(), detail: "the pod has ended".to_owned() });
    }
    if !pod.running {
        let unusual = pod.problem.as_ref().filter(|problem| !ORDINARY.contains(&problem.reason.as_str()));
        let detail = unusual.map_or_else(|| "its containers are starting".to_owned(), |problem| problem.reason.clone());
        return Some(WaitingOn::PodStarting { pod: name, detail });
    }
    (!pod.ready).then_some(WaitingOn::PodNotReady { pod: name })
}

/// Whether a pod is of no use to anyone as it stands, so that replacing it takes nothing away.
pub(super) fn is_broken(pod: &Pod) -> bool {
    !pod.deleting && !pod.ready && (pod.failed || pod.problem.as_ref().is_some_and(|problem| problem.stuck))
}

/// Since when the present process of a pod can have run.
pub(super) fn started(pod: &Pod) -> Timestamp {
    pod.started.unwrap_or(pod.created).max(pod.created)
}

fn of_frontend(view: &View<'_>, pod: &Pod) -> Option<WaitingOn> {
    let name = || pod.name.clone();
    let Some(report) = view.report(&pod.name) else {
        return Some(WaitingOn::AnswerPending { what: format!("the state of {}", pod.name) });
    };
    match require(&report.serving, &pod.name) {
        Ok(true) => {}
        Ok(false) => return Some(WaitingOn::NodeNotAlive { pod: name(), detail: "it does not serve yet".to_owned() }),
        Err(wait) => return Some(wait),
    }
    let rows = match require(&view.observed.group.frontends, "SHOW FRONTENDS") {
        Ok(rows) => rows,
        Err(wait) => return Some(wait),
    };
    let Some(row) = view.frontend_row(&pod.name) else { return Some(WaitingOn::NodeNotRegistered { pod: name() }) };
    if let Some(detail) = frontend_not_alive(row, started(pod)) {
        return Some(WaitingOn::NodeNotAlive { pod: name(), detail });
    }
    let reported = require(&report.version, &pod.name);
    if let Some(wanted) = Image::parse(&pod.image).claim().release() {
        match reported {
            Ok(text) if crate::release::parse_reported(text).release() == Some(wanted) => {}
            Ok(text) => return Some(WaitingOn::VersionNotReported { pod: name(), wanted: wanted.to_string(), reported: text.clone() }),
            Err(wait) => return Some(wait),
        }
    }
    let newest = rows.iter().map(|row| row.replayed_journal_id).max().unwrap_or(0);
    let behind = newest.saturating_sub(row.replayed_journal_id);
    (behind > JOURNAL_LAG_MAX).then(|| WaitingOn::JournalLag { pod: name(), behind })
}

/// Why a frontend's row does not prove that its present process lives.
pub(super) fn frontend_not_alive(row: &FrontendRow, since: Timestamp) -> Option<String> {
    if !row.join {
        return Some("it has not joined the group".to_owned());
    }
    if !row.alive {
        return Some(or_else_text(&row.error, "its heartbeat fails"));
    }
    match row.last_heartbeat {
        Some(heartbeat) if heartbeat + CLOCK_SLACK > since => None,
        Some(_) | None => Some("its last heartbeat is older than its start".to_owned()),
    }
}

fn of_data_node(view: &View<'_>, component: Component, pod: &Pod) -> Option<WaitingOn> {
    let name = || pod.name.clone();
    let statement = if component == Component::Backend { "SHOW BACKENDS" } else { "SHOW COMPUTE NODES" };
    if let Err(wait) = require(view.node_answer(component), statement) {
        return Some(wait);
    }
    let Some(row) = view.node_row(component, &pod.name) else { return Some(WaitingOn::NodeNotRegistered { pod: name() }) };
    if let Some(detail) = node_not_alive(row, started(pod)) {
        return Some(WaitingOn::NodeNotAlive { pod: name(), detail });
    }
    if let Some(wanted) = Image::parse(&pod.image).claim().release()
        && crate::release::parse_reported(&row.version).release() != Some(wanted)
    {
        return Some(WaitingOn::VersionNotReported { pod: name(), wanted: wanted.to_string(), reported: row.version.clone() });
    }
    let keeps_tablets = component == Component::Backend && view.cluster.run_mode == RunMode::SharedNothing;
    (keeps_tablets && !has_reported_tablets(row)).then(|| WaitingOn::TabletsNotReported { pod: name() })
}

/// Why the row of a backend or compute node does not prove that its present process lives.
pub(super) fn node_not_alive(row: &BackendRow, since: Timestamp) -> Option<String> {
    if !row.alive {
        return Some(or_else_text(&row.error, "its heartbeat fails"));
    }
    // Alive outlives a fast restart unnoticed; only the start time tells (real-fe.md §11.1).
    match (row.last_start_time, row.last_heartbeat) {
        (Some(start), Some(heartbeat)) if start + CLOCK_SLACK >= since && heartbeat + CLOCK_SLACK > since => None,
        (Some(_), Some(_)) => Some("StarRocks still shows it as it was before its restart".to_owned()),
        (None, _) | (_, None) => Some("StarRocks has not seen it yet".to_owned()),
    }
}

/// Whether a full tablet report came after the start.
pub(super) fn has_reported_tablets(row: &BackendRow) -> bool {
    match (row.last_tablet_report, row.last_start_time) {
        (Some(report), Some(start)) => report >= start,
        (Some(_) | None, _) => false,
    }
}

/// A node that an operation restarted and that has used up its time budget. The seconds shown are the budget, so that the
/// status does not change with the clock.
fn overdue(view: &View<'_>, component: Component, name: &str, pod: Option<&Pod>) -> Option<WaitingOn> {
    let operation = view.observed.status.operation.as_ref()?;
    let begun = Timestamp::parse(operation.started_at.as_deref()?)?;
    let last_seen = match component {
        Component::Frontend => view.frontend_row(name).and_then(|row| row.last_heartbeat),
        Component::Backend | Component::ComputeNode => view.node_row(component, name).and_then(|row| row.last_heartbeat),
        Component::FrontendProxy => None,
    };
    let since = match pod {
        Some(pod) if !pod.deleting => pod.created,
        Some(_) | None => last_seen?,
    };
    let budget = view.cluster.policy.node_timeout;
    (since >= begun && view.now().since(since) > budget).then(|| WaitingOn::NodeStalled {
        pod: name.to_owned(),
        seconds: budget.as_secs(),
        budget_seconds: budget.as_secs(),
        log: view.observed.last_words.get(name).cloned(),
    })
}

fn or_else_text(text: &str, otherwise: &str) -> String {
    if text.is_empty() { otherwise.to_owned() } else { text.to_owned() }
}

/// Waits for user data: replicas that are dead or missing. `None` in shared-data, where tablets have no replicas.
pub(super) fn of_replicas(view: &View<'_>) -> Option<WaitingOn> {
    if view.cluster.run_mode == RunMode::SharedData || view.cluster.backend.is_none() || view.consents("SkipHealthGates") {
        return None;
    }
    match require(&view.observed.group.replicas, "ADMIN SHOW REPLICA STATUS") {
        Ok(trouble) if trouble.troubled == 0 => None,
        Ok(trouble) => Some(WaitingOn::ReplicasUnhealthy {
            count: trouble.troubled,
            example: trouble.example.clone().unwrap_or_else(|| "a table".to_owned()),
        }),
        Err(wait) => Some(wait),
    }
}

/// Waits for the group itself: exactly one leader, and every data node that the resource wants registered and alive.
pub(super) fn of_group(view: &View<'_>) -> Option<WaitingOn> {
    if let Err(wait) = require(&view.observed.group.frontends, "SHOW FRONTENDS") {
        return Some(wait);
    }
    if view.leader_row().is_none() {
        return Some(WaitingOn::LeaderElection);
    }
    // What leaves although it is to stay was sent away by somebody else, and is not for this operator to call back.
    let is_sent_away = |pod: &String| view.node_row(Component::Backend, pod).is_some_and(|row| row.decommissioning);
    let wanted = view.fleet(Component::Backend).map_or(0, Fleet::wanted_replicas);
    if let Some(pod) = (0..wanted).map(|ordinal| view.pod_name(Component::Backend, ordinal)).find(is_sent_away) {
        return Some(WaitingOn::JobsRunning { jobs: vec![format!("the decommission of {pod}")] });
    }
    let leaving = view.node_rows(Component::Backend).into_iter().flatten().find(|row| row.decommissioning)?;
    Some(WaitingOn::Decommissioning { pod: pod_label(&leaving.host), tablets: leaving.tablet_count.unwrap_or(0) })
}

/// The name by which a host is shown.
pub(super) fn pod_label(host: &str) -> String {
    if host.parse::<std::net::IpAddr>().is_ok() { host.to_owned() } else { crate::model::component::pod_of_host(host).to_owned() }
}
