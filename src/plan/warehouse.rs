//! The compute nodes of a warehouse: made once the frontends can have them, rolled like a cluster's, taken away with their warehouse.
//!
//! A warehouse is dropped only for a resource that carries this operator's finalizer, which is put there when StarRocks has no warehouse of that name
//! yet, or when compute nodes of the resource run already: so it says that the warehouse was made for this resource.

use super::draft::Draft;
use super::rollout::{self, Course};
use super::versions::{self, Frontier};
use super::view::{View, require};
use super::{at_rest_or_busy, continued, decide, is_authorised, objects, remember_pending, scale, status};
use crate::api::{OperationKind, OperationPhase, ResourceChange, StarRocksClusterStatus};
use crate::model::cluster::RunMode;
use crate::model::warehouse::{DEFAULT_WAREHOUSE, OBJECT_FINALIZER, WarehouseReport, fleet_name, sql_name};
use crate::model::{Component, Decision, ObjectKey, ObjectKind, Observed, Ownership, Statement, Step, Timestamp, WaitingOn, WarehouseWait};

/// Decides what is to be done next for a warehouse.
pub(super) fn plan(view: &View<'_>, report: &WarehouseReport) -> Decision {
    let frontier = versions::frontier(view);
    let mut draft = Draft { operation: view.observed.status.operation.clone(), ..Draft::default() };
    if report.deleting {
        leave(view, report, &mut draft);
        return decide(view, &frontier, draft);
    }
    let made = view.fleet(Component::ComputeNode).is_some_and(|fleet| fleet.live.is_some());
    if let Some(wait) = obstacle(view, report, made) {
        draft.wait(wait);
        remember_pending(view, &mut draft);
        return decide(view, &frontier, draft);
    }
    if !report.held {
        draft.steps.push(Step::Hold);
        // What follows must not happen before the resource is held.
        if !made {
            draft.operation = Some(continued(view, OperationKind::Create, OperationPhase::Bootstrap));
            return decide(view, &frontier, draft);
        }
    }
    serve(view, &frontier, made, &mut draft);
    decide(view, &frontier, draft)
}

/// The decision of a warehouse about whose frontends nothing is known: nothing is done.
pub fn without_cluster(former: &StarRocksClusterStatus, asked: &ResourceChange, now: Timestamp, wait: WaitingOn) -> Decision {
    let status = status::awaiting(former, asked, now, &wait);
    // The watch of clusters brings the pass forward.
    let look_again = Some(std::time::Duration::from_secs(30));
    Decision { steps: Vec::new(), status, waiting_on: vec![wait], notices: Vec::new(), look_again }
}

/// The decision for the objects of a warehouse with whose cluster, or with whose resource, there is nothing left to be dropped.
pub fn let_go(resource: &str, observed: &Observed) -> Decision {
    let name = Component::ComputeNode.workload_name(&fleet_name(resource));
    let mut steps = Vec::new();
    if let Some(live) = observed.object(ObjectKind::StatefulSet, &name) {
        let key = ObjectKey { kind: ObjectKind::StatefulSet, name };
        if !live.deleting && live.ownership == Ownership::Ours {
            steps.push(Step::Delete { object: key.clone(), uid: live.uid.clone() });
        }
        if live.is_held_by(OBJECT_FINALIZER) && (live.deleting || live.ownership == Ownership::Ours) {
            steps.push(Step::LetGo { object: Some(key) });
        }
    }
    if observed.warehouse.as_ref().is_some_and(|warehouse| warehouse.held) {
        steps.push(Step::LetGo { object: None });
    }
    Decision { steps, status: observed.status.clone(), waiting_on: Vec::new(), notices: Vec::new(), look_again: None }
}

/// What shows that a warehouse can never be one of its cluster.
pub(super) fn misfit(view: &View<'_>) -> Option<WaitingOn> {
    let cluster = view.cluster.frontends_of().to_owned();
    (view.cluster.run_mode != RunMode::SharedData).then_some(WaitingOn::Warehouse(WarehouseWait::NotSharedData { cluster }))
}

/// What keeps a warehouse from being made, or shows that it never can be.
fn obstacle(view: &View<'_>, report: &WarehouseReport, made: bool) -> Option<WaitingOn> {
    if let Some(wait) = misfit(view) {
        return Some(wait);
    }
    if made || report.held {
        return None;
    }
    let cluster = view.cluster.frontends_of().to_owned();
    if view.serving_frontends() == 0 {
        return Some(WaitingOn::FrontendsNotServing { serving: 0, wanted: view.cluster.frontend.replicas });
    }
    match require(&report.feature, "GET /api/v2/feature") {
        Err(wait) => return Some(wait),
        Ok(false) => return Some(WaitingOn::Warehouse(WarehouseWait::FeatureMissing { cluster })),
        Ok(true) => {}
    }
    let warehouse = sql_name(view.cluster.resource_name());
    match require(&report.names, "SHOW WAREHOUSES") {
        Err(wait) => Some(wait),
        Ok(names) if names.contains(&warehouse) => Some(WaitingOn::Warehouse(WarehouseWait::Taken { warehouse })),
        Ok(_) => None,
    }
}

/// Compute nodes as the resource describes them.
fn serve(view: &View<'_>, frontier: &Frontier, made: bool, draft: &mut Draft) {
    if let Some(wait) = releases_apart(view, frontier) {
        draft.wait(wait);
        remember_pending(view, draft);
        if !made {
            return;
        }
        rollout::hold(view, draft);
        scale::run(view, false, false, draft);
        return objects::run(view, draft);
    }
    let order = vec![Component::ComputeNode];
    let course = Course { order, leg: None, may_begin: true, may_restart: true, rescue: true, authorised: is_authorised(view) };
    let progress = rollout::run(view, &course, frontier, draft);
    draft.operation = if made {
        at_rest_or_busy(view, &progress, progress.turn.is_none(), draft)
    } else {
        Some(continued(view, OperationKind::Create, OperationPhase::Join))
    };
    scale::run(view, progress.to_do, false, draft);
    objects::run(view, draft);
}

/// Compute nodes keep nothing, so it does not matter where they come from; but none may be older than a frontend, nor more than a hop newer.
fn releases_apart(view: &View<'_>, frontier: &Frontier) -> Option<WaitingOn> {
    let fleet = view.fleet(Component::ComputeNode)?;
    let wanted = fleet.workload?.claim.release()?;
    if fleet.live_release() == Some(wanted) || view.consents("UnlistedReleases") {
        return None;
    }
    let table = view.cluster.releases.table();
    let apart =
        frontier.frontends.iter().find(|frontend| wanted < **frontend || wanted != **frontend && table.hop(frontend, &wanted).is_err())?;
    let rule = if wanted < *apart { "older than a frontend" } else { "more than one hop newer than a frontend" };
    let detail = format!(
        "the warehouse asks for {wanted} and the frontends of {} run {apart}: a compute node must not be {rule}. \
         Upgrade warehouses hop by hop before their frontends, and downgrade them after",
        view.cluster.frontends_of()
    );
    Some(WaitingOn::VersionsApart { detail })
}

/// Pods first, then their rows, then the warehouse, then the finalizers: each once what comes before is seen to be gone.
fn leave(view: &View<'_>, report: &WarehouseReport, draft: &mut Draft) {
    let warehouse = sql_name(view.cluster.resource_name());
    draft.wait(WaitingOn::Warehouse(WarehouseWait::Leaving { warehouse: warehouse.clone() }));
    if !take_pods_away(view, draft) {
        return;
    }
    if report.held && warehouse != DEFAULT_WAREHOUSE {
        if let Err(wait) = require(&view.observed.group.compute_nodes, "SHOW COMPUTE NODES") {
            return draft.wait(wait);
        }
        scale::drop_gone_compute_nodes(view, draft);
        if scale::has_rows(view) {
            return;
        }
        match require(&report.names, "SHOW WAREHOUSES") {
            Err(wait) => return draft.wait(wait),
            Ok(names) if names.contains(&warehouse) => return draft.execute(view, Statement::DropWarehouse { name: warehouse }),
            Ok(_) => {}
        }
    }
    draft.steps.extend(let_go(view.cluster.resource_name(), view.observed).steps);
}

/// Deletes the StatefulSet, which its finalizer keeps, and then its pods, which it no longer replaces. Returns whether no pod is left.
fn take_pods_away(view: &View<'_>, draft: &mut Draft) -> bool {
    let Some(fleet) = view.fleet(Component::ComputeNode) else { return true };
    if fleet.live.is_some_and(|live| live.ownership == Ownership::Foreign) {
        // Somebody else's nodes: nothing was made here.
        return true;
    }
    if let Some(live) = fleet.live.filter(|live| !live.deleting && live.ownership == Ownership::Ours) {
        let object = ObjectKey { kind: ObjectKind::StatefulSet, name: Component::ComputeNode.workload_name(&view.cluster.name) };
        draft.steps.push(Step::Delete { object, uid: live.uid.clone() });
        return false;
    }
    for pod in fleet.pods.values() {
        draft.wait(WaitingOn::PodTerminating { pod: pod.name.clone() });
        if !pod.deleting && fleet.live.is_some() {
            let reason = "its warehouse is being deleted".to_owned();
            draft.steps.push(Step::RestartPod { pod: pod.name.clone(), uid: pod.uid.clone(), reason });
        }
    }
    fleet.pods.is_empty()
}
