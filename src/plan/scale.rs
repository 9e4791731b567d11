//! Fewer or more nodes: data leaves a backend before its pod does, a vote leaves the group before its frontend does, and no node is both rolled and removed.

use std::collections::{BTreeMap, BTreeSet};

use super::draft::Draft;
use super::health;
use super::ports;
use super::quorum;
use super::recovery;
use super::view::{Fleet, View, count, require};
use crate::build;
use crate::model::cluster::RunMode;
use crate::model::component::{ordinal, pod_of_host};
use crate::model::starrocks::{BackendRow, FrontendRole, FrontendRow};
use crate::model::warehouse::{DEFAULT_WAREHOUSE, Warehouse};
use crate::model::{Component, Statement, Step, WaitingOn};

/// Sets the replicas of every form. `rolling` is a roll of the same release, `versioned` an upgrade or downgrade whose hop has begun.
pub(super) fn run(view: &View<'_>, rolling: bool, versioned: bool, draft: &mut Draft) {
    drop_gone_compute_nodes(view, draft);
    if versioned {
        return;
    }
    for fleet in view.fleets() {
        if fleet.workload.is_none() || fleet.live.is_none() {
            continue;
        }
        let replicas = match fleet.component {
            Component::Frontend => frontends(view, fleet, rolling, draft),
            Component::Backend => backends(view, fleet, rolling, draft),
            Component::ComputeNode | Component::FrontendProxy => fleet.wanted_replicas(),
        };
        let most = if ports::keep_newcomers_out(fleet, draft) { fleet.live_replicas() } else { u32::MAX };
        if let Some(form) = draft.forms.get_mut(&fleet.component) {
            form.replicas = replicas.min(most);
        }
    }
}

/// Whether a component is on its way to another number of nodes.
pub(super) fn is_scaling(view: &View<'_>) -> bool {
    let differs = |fleet: &Fleet<'_>| match (fleet.live_replicas(), fleet.wanted_replicas()) {
        (live, wanted) if wanted > live => !ports::come_after_others(fleet),
        (live, wanted) => wanted < live,
    };
    view.fleets().any(|fleet| fleet.workload.is_some() && fleet.live.is_some() && differs(fleet))
}

/// Nodes that are about to come or to leave, one of each component: an upgrade does not begin before. What is refused holds nothing up.
pub(super) fn under_way(view: &View<'_>) -> Vec<WaitingOn> {
    let of = |fleet: &Fleet<'_>| {
        let (live, wanted) = (fleet.live_replicas(), fleet.wanted_replicas());
        let pod = view.pod_name(fleet.component, if wanted < live { live - 1 } else { live });
        let comes_later = wanted > live && ports::come_after_others(fleet);
        if live == wanted || comes_later || refused_scale_in(view, fleet).is_some() || is_told_stale(view, &pod) {
            return None;
        }
        Some(match fleet.component {
            _ if wanted > live => WaitingOn::PodStarting { pod, detail: "its StatefulSet has not made it yet".to_owned() },
            Component::Backend => {
                let tablets = view.node_row(Component::Backend, &pod).and_then(|row| row.tablet_count).unwrap_or(0);
                WaitingOn::Decommissioning { pod, tablets }
            }
            Component::Frontend | Component::ComputeNode | Component::FrontendProxy => WaitingOn::NodeLeaving { pod },
        })
    };
    view.fleets().filter(|fleet| fleet.workload.is_some() && fleet.live.is_some()).filter_map(of).collect()
}

/// Why a component must not become as small as the resource asks for.
fn refused_scale_in(view: &View<'_>, fleet: &Fleet<'_>) -> Option<WaitingOn> {
    let wanted = fleet.wanted_replicas();
    let detail = match fleet.component {
        _ if wanted >= fleet.live_replicas() => None,
        Component::Frontend if wanted < 2 => Some(
            "a group of several frontends cannot go back to fewer than two: one vote is no majority of the group's past. \
             Keep at least two, better three; for a smaller cluster restore a backup into a new one",
        ),
        Component::Backend if wanted == 0 && view.cluster.run_mode == RunMode::SharedNothing => Some(
            "the data would have nowhere to go. Keep at least as many backends as the most replicated table has replicas, \
             or take the section away, which keeps the volumes",
        ),
        _ => None,
    };
    detail.map(|detail| WaitingOn::ScaleInRefused { component: fleet.component, detail: detail.to_owned() })
}

fn frontends(view: &View<'_>, fleet: &Fleet<'_>, rolling: bool, draft: &mut Draft) -> u32 {
    let (live, wanted) = (fleet.live_replicas(), fleet.wanted_replicas());
    if wanted >= live {
        let keeps = draft.forms.get(&Component::Frontend).is_some_and(|form| form.image.is_none());
        // Each frontend of the template of a recovery would restore the snapshot once more, for itself.
        let restores = keeps && fleet.live.is_some_and(build::restores);
        if wanted == live && !rolling {
            drop_gone_frontend(view, fleet, draft);
        }
        return if restores { live } else { frontends_out(view, live, wanted, draft) };
    }
    if let Some(refused) = refused_scale_in(view, fleet) {
        draft.wait(refused);
        return live;
    }
    if rolling {
        return live;
    }
    if let Err(wait) = require(&view.observed.group.frontends, "SHOW FRONTENDS") {
        draft.wait(wait);
        return live;
    }
    let Some(last) = view.known_ordinals(fleet, wanted..live).pop_last() else { return wanted };
    if last + 1 < live {
        return last + 1;
    }
    let leaving = view.pod_name(Component::Frontend, last);
    let Some(row) = view.frontend_row(&leaving) else { return live - 1 };
    let Some(leader) = view.leader() else {
        draft.wait(WaitingOn::LeaderElection);
        return live;
    };
    // The others must be a majority by themselves, whether the leaving one is dropped or hands over its lead.
    match quorum::without(view, &leaving) {
        Some(votes) if votes.survive() || row.role == FrontendRole::Observer => {}
        Some(votes) => {
            draft.wait(WaitingOn::QuorumAtRisk { alive: votes.others, majority: votes.majority() });
            return live;
        }
        None => return live,
    }
    if leader.name == leaving {
        let waits: Vec<WaitingOn> =
            health::of_all(view).into_iter().chain(health::of_group(view)).chain(health::of_replicas(view)).collect();
        if waits.is_empty() {
            let reason = "to hand over the lead before it leaves".to_owned();
            draft.steps.push(Step::RestartPod { pod: leader.name.clone(), uid: leader.uid.clone(), reason });
        }
        draft.wait_all(waits);
        return live;
    }
    let (host, port) = (row.host.clone(), row.edit_log_port);
    let statement =
        if row.role == FrontendRole::Observer { Statement::DropObserver { host, port } } else { Statement::DropFollower { host, port } };
    draft.execute(view, statement);
    live
}

/// A frontend whose pod is gone for good keeps its vote, and the journal is not cleaned while it has not heard of it. This operator drops frontends before
/// their pods go; the former one did not. One at a time, and only while those that stay are a majority.
fn drop_gone_frontend(view: &View<'_>, fleet: &Fleet<'_>, draft: &mut Draft) {
    let is_gone = |row: &&FrontendRow| gone_for_good(view, fleet, &row.host, 0).is_some();
    let Some(row) = view.frontend_rows().into_iter().flatten().find(is_gone) else { return };
    let pod = pod_of_host(&row.host).to_owned();
    // A frontend counts as alive until a heartbeat fails.
    if row.alive || view.leader().is_none() {
        return draft.wait(WaitingOn::NodeLeaving { pod });
    }
    let (host, port) = (row.host.clone(), row.edit_log_port);
    match quorum::without(view, &pod) {
        _ if row.role == FrontendRole::Observer => draft.execute(view, Statement::DropObserver { host, port }),
        Some(votes) if votes.survive() => draft.execute(view, Statement::DropFollower { host, port }),
        Some(votes) => draft.wait(WaitingOn::QuorumAtRisk { alive: votes.others, majority: votes.majority() }),
        None => draft.wait(WaitingOn::NodeLeaving { pod }),
    }
}

/// A new frontend must not start on the metadata of one that was dropped: it would hang before it opens a port (real-fe.md §4). Nor on that of the group that
/// a recovery gave up: two of its members would elect a leader of their own beside the restored one.
fn frontends_out(view: &View<'_>, live: u32, wanted: u32, draft: &mut Draft) -> u32 {
    let mut left = BTreeMap::new();
    for (claim, volume) in view.observed.claims.iter().filter(|(claim, _)| claim.contains("meta")) {
        let Some(ordinal) = ordinal(claim).filter(|ordinal| (live..wanted).contains(ordinal)) else { continue };
        let pod = view.pod_name(Component::Frontend, ordinal);
        if claim.ends_with(&format!("-{pod}")) {
            left.entry(ordinal).or_insert((pod, claim, volume));
        }
    }
    for (ordinal, (pod, claim, volume)) in left {
        if view.observed.pods.contains_key(&pod) {
            continue;
        }
        match require(&view.observed.group.frontends, "SHOW FRONTENDS") {
            Err(_) if is_told_stale(view, &pod) => draft.wait(WaitingOn::StaleVolume { pod, claim: claim.clone() }),
            // It was frontend 0 that restored.
            Err(_) if cannot_elect(view, live) && (ordinal == 0 || !recovery::gave_up(view, volume)) => continue,
            Err(wait) => draft.wait(wait),
            Ok(_) if view.frontend_row(&pod).is_some() && !recovery::gave_up(view, volume) => continue,
            Ok(_) => draft.wait(WaitingOn::StaleVolume { pod, claim: claim.clone() }),
        }
        return ordinal;
    }
    wanted
}

/// Whether so few frontends are left that they cannot elect a leader, so that nobody will ever say who is registered. This operator leaves two or more
/// of several: somebody else has taken the others away, and they are members still.
fn cannot_elect(view: &View<'_>, live: u32) -> bool {
    let prefix = format!("-{}-", Component::Frontend.workload_name(&view.cluster.name));
    let volumes = view.observed.claims.keys().filter(|claim| claim.contains(&prefix) && claim.contains("meta")).count();
    let serves = || view.observed.pods_of(Component::Frontend).any(|pod| view.serves(&pod.name));
    live < 2 && 2 * live <= count(volumes) && !serves()
}

/// Whether the volume of a frontend is known to be stale since somebody last answered.
fn is_told_stale(view: &View<'_>, pod: &str) -> bool {
    let code = WaitingOn::StaleVolume { pod: String::new(), claim: String::new() }.code();
    view.observed.status.blocked.iter().any(|blocked| blocked.code == code && blocked.node.as_deref() == Some(pod))
}

fn backends(view: &View<'_>, fleet: &Fleet<'_>, rolling: bool, draft: &mut Draft) -> u32 {
    let (live, wanted) = (fleet.live_replicas(), fleet.wanted_replicas());
    let stay = cancel(view, wanted.min(live), draft);
    if wanted >= live {
        tell_undrained(view, fleet, wanted, draft);
        return if stay < live { stay } else { wanted };
    }
    if let Some(refused) = refused_scale_in(view, fleet) {
        draft.wait(refused);
        return live;
    }
    let rows = match require(&view.observed.group.backends, "SHOW BACKENDS") {
        Ok(rows) => rows,
        Err(wait) => {
            draft.wait(wait);
            return live;
        }
    };
    let leaving: Vec<_> = view
        .known_ordinals(fleet, wanted..live)
        .into_iter()
        .map(|ordinal| view.pod_name(Component::Backend, ordinal))
        .filter_map(|pod| Some((view.node_row(Component::Backend, &pod)?, pod)))
        .collect();
    if leaving.is_empty() {
        return wanted;
    }
    let begun = leaving.iter().any(|(row, _)| row.decommissioning);
    if rolling && !begun {
        return live;
    }
    // Tablets move to the backends that stay, so these must be there.
    let staying = fleet.ordinals().into_iter().filter(|ordinal| *ordinal < wanted);
    let staying: Vec<WaitingOn> =
        staying.filter_map(|ordinal| health::of_node(view, Component::Backend, &view.pod_name(Component::Backend, ordinal))).collect();
    let foreign = rows.len() > usize::try_from(live).unwrap_or(usize::MAX);
    for (row, pod) in leaving {
        if !row.decommissioning && (staying.is_empty() || foreign && begun) {
            draft.execute(view, Statement::DecommissionBackend { host: row.host.clone(), port: row.heartbeat_port });
        }
        draft.wait(WaitingOn::Decommissioning { pod, tablets: row.tablet_count.unwrap_or(0) });
    }
    draft.wait_all(staying);
    live
}

/// Backends that were scaled in by somebody who does not drain them: nothing is dropped, since some tablets may be nowhere else.
fn tell_undrained(view: &View<'_>, fleet: &Fleet<'_>, staying: u32, draft: &mut Draft) {
    let rows = view.node_rows(Component::Backend).into_iter().flatten().filter(|row| !row.alive && !row.decommissioning);
    for row in rows {
        let tablets = row.tablet_count.unwrap_or(0);
        if tablets > 0
            && let Some(pod) = gone_for_good(view, fleet, &row.host, staying)
        {
            draft.wait(WaitingOn::BackendUndrained { pod: pod.to_owned(), tablets });
        }
    }
}

/// The pod that a host was, if it was one of this fleet, has a number that none is to have, and is gone.
fn gone_for_good<'h>(view: &View<'_>, fleet: &Fleet<'_>, host: &'h str, staying: u32) -> Option<&'h str> {
    let live = fleet.live.filter(|live| live.status_is_current())?;
    let domain = format!(".{}.{}.", live.text("/spec/serviceName"), view.cluster.namespace);
    let workload = format!("{}-", fleet.component.workload_name(&view.cluster.name));
    let pod = pod_of_host(host);
    let ordinal: u32 = pod.strip_prefix(&workload)?.parse().ok()?;
    (host.contains(&domain) && ordinal >= staying.max(fleet.live_replicas()) && !view.observed.pods.contains_key(pod)).then_some(pod)
}

/// Takes back a decommission of ours for backends that are to stay after all. A decommission by hand is left alone: the status tells
/// them apart. Returns how many backends may stay; one that has left the group already has to be made anew.
fn cancel(view: &View<'_>, staying: u32, draft: &mut Draft) -> u32 {
    let code = WaitingOn::Decommissioning { pod: String::new(), tablets: 0 }.code();
    let ours = view.observed.status.blocked.iter().filter(|blocked| blocked.code == code).filter_map(|blocked| blocked.node.as_deref());
    let ours: BTreeSet<u32> = ours.filter_map(ordinal).filter(|ordinal| *ordinal < staying).collect();
    if view.node_rows(Component::Backend).is_none() {
        return staying;
    }
    let mut stay = staying;
    for ordinal in ours {
        let pod = view.pod_name(Component::Backend, ordinal);
        match view.node_row(Component::Backend, &pod) {
            Some(row) if row.decommissioning => {
                // It is ours, and on record as such, until StarRocks shows that it is over.
                draft.wait(WaitingOn::Decommissioning { pod, tablets: row.tablet_count.unwrap_or(0) });
                draft.execute(view, Statement::CancelDecommissionBackend { host: row.host.clone(), port: row.heartbeat_port });
            }
            Some(_) => {}
            None => {
                draft.wait(WaitingOn::Decommissioning { pod, tablets: 0 });
                stay = stay.min(ordinal);
            }
        }
    }
    stay
}

/// Whether StarRocks still knows a compute node of this resource.
pub(super) fn has_rows(view: &View<'_>) -> bool {
    rows(view).next().is_some()
}

/// The rows of this resource's compute nodes, by the name of their pod: others may be registered as well.
fn rows<'a>(view: &View<'a>) -> impl Iterator<Item = (&'a BackendRow, &'a str)> {
    let search = format!(".{}.{}.", Component::ComputeNode.search_service_name(&view.cluster.name), view.cluster.namespace);
    let workload = format!("{}-", Component::ComputeNode.workload_name(&view.cluster.name));
    let named = view.node_rows(Component::ComputeNode).into_iter().flatten().map(|row| (row, pod_of_host(&row.host)));
    // Nodes of a warehouse and of a cluster can have the same names; the warehouse in which they are tells them apart.
    let warehouse = view.cluster.warehouse.as_ref().map_or_else(|| DEFAULT_WAREHOUSE.to_owned(), Warehouse::sql_name);
    named.filter(move |(row, pod)| {
        row.host.contains(&search) && pod.starts_with(&workload) && row.warehouse.as_ref().is_none_or(|name| *name == warehouse)
    })
}

/// Compute nodes hold no data: once a pod is gone for good, its row only makes StarRocks try to reach it.
pub(super) fn drop_gone_compute_nodes(view: &View<'_>, draft: &mut Draft) {
    let Some(fleet) = view.fleet(Component::ComputeNode) else { return };
    let leaving = view.observed.is_leaving();
    let current = leaving || fleet.live.is_none_or(|live| live.status_is_current());
    let staying = if leaving { 0 } else { fleet.live_replicas() };
    for (row, pod) in rows(view) {
        if ordinal(pod).is_none_or(|ordinal| ordinal < staying) {
            continue;
        }
        // StarRocks takes a node for alive until a heartbeat fails, and nothing tells us when it does: it has to be asked again.
        if row.alive || !current || view.observed.pods.contains_key(pod) {
            draft.wait(WaitingOn::NodeLeaving { pod: pod.to_owned() });
        } else {
            let warehouse = row.warehouse.clone().filter(|_| view.cluster.run_mode == RunMode::SharedData);
            draft.execute(view, Statement::DropComputeNode { host: row.host.clone(), port: row.heartbeat_port, warehouse });
        }
    }
}
