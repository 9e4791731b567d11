//! Recovery of a shared-data cluster from a snapshot: one frontend restores it, then the cluster is as written again; never without being asked.

use super::draft::Draft;
use super::view::View;
use crate::api::DisasterRecoveryStatus;
use crate::build;
use crate::model::cluster::{DisasterRecovery, RunMode};
use crate::model::observed::Claim;
use crate::model::{Component, Object, Ownership, Step, WaitingOn};

/// The recovery that is asked for and not done.
pub(super) fn wanted(view: &View<'_>) -> Option<DisasterRecovery> {
    let recovery = view.cluster.disaster_recovery.filter(|_| view.cluster.run_mode == RunMode::SharedData)?;
    let status = view.observed.status.disaster_recovery_status.as_ref();
    let done = status.is_some_and(|status| match status.observed_generation {
        Some(seen) if seen > recovery.generation => true,
        Some(seen) if seen == recovery.generation => status.phase.as_deref() == Some("done"),
        Some(_) | None => false,
    });
    (!done).then_some(recovery)
}

/// Whether the frontends mount what names the snapshot; what has begun goes on whatever becomes of the mount.
pub(super) fn may_begin(view: &View<'_>, recovery: DisasterRecovery) -> bool {
    let is_doing = former(view, recovery).is_some_and(|status| status.phase.as_deref() == Some("doing"));
    recovery.snapshot_mounted || is_doing
}

/// Whether a frontend's volume is from before the last recovery: what is on it belongs to the group that was given up.
pub(super) fn gave_up(view: &View<'_>, volume: &Claim) -> bool {
    let begun = view.observed.status.disaster_recovery_status.as_ref().and_then(|status| status.start_timestamp);
    begun.is_some_and(|begun| volume.created.as_seconds() < begun)
}

/// Leaves everything as it is and says what is missing.
pub(super) fn wait_for_snapshot(view: &View<'_>, recovery: DisasterRecovery, draft: &mut Draft) {
    let wait = WaitingOn::SnapshotNotMounted { generation: recovery.generation };
    draft.recovery = Some(DisasterRecoveryStatus { reason: Some(wait.to_string()), ..begun(view, recovery) });
    draft.wait(wait);
}

/// What the status says about this recovery.
fn former(view: &View<'_>, recovery: DisasterRecovery) -> Option<DisasterRecoveryStatus> {
    view.observed.status.disaster_recovery_status.clone().filter(|status| status.observed_generation == Some(recovery.generation))
}

/// The status of a recovery that begins, or that began.
fn begun(view: &View<'_>, recovery: DisasterRecovery) -> DisasterRecoveryStatus {
    former(view, recovery).unwrap_or_else(|| DisasterRecoveryStatus {
        phase: Some("todo".to_owned()),
        start_timestamp: Some(view.now().as_seconds()),
        observed_generation: Some(recovery.generation),
        ..DisasterRecoveryStatus::default()
    })
}

/// Brings the frontends into the form that restores, and says when it is done. Backends and compute nodes are left alone meanwhile.
pub(super) fn run(view: &View<'_>, recovery: DisasterRecovery, draft: &mut Draft) {
    let mut status = DisasterRecoveryStatus { reason: None, ..begun(view, recovery) };
    let begun = former(view, recovery).is_some();
    if begun {
        status.phase = Some("doing".to_owned());
    }
    let desired = build::for_recovery(build::stateful_set(view.cluster, &view.cluster.frontend), &view.cluster.frontend, recovery);
    let Some(fleet) = view.fleet(Component::Frontend) else { return };
    match fleet.live {
        Some(live) if live.ownership == Ownership::Foreign => {
            draft.wait(WaitingOn::ForeignObject {
                object: format!("StatefulSet {}", Component::Frontend.workload_name(&view.cluster.name)),
            });
        }
        Some(live) => {
            let desired = build::keep_immutable(desired, live);
            let restores = build::template_differs(&desired, live).is_none() && fleet.live_replicas() == 1;
            let restored = restores && fleet.pods.len() == 1 && fleet.pods.get(&0).is_some_and(|pod| pod.ready && !fleet.is_outdated(pod));
            if restored && fleet.revision().is_some() {
                status.phase = Some("done".to_owned());
                status.end_timestamp = Some(view.now().as_seconds());
                draft.tell("RecoveryFinished", format!("the snapshot of recovery {} is restored", recovery.generation));
            } else if begun && !restores {
                draft.steps.push(Step::Apply(build::stamped(Object::StatefulSet(Box::new(desired)))));
            }
        }
        None if begun => draft.steps.push(Step::Apply(build::stamped(Object::StatefulSet(Box::new(desired))))),
        None => {}
    }
    if status.phase.as_deref() != Some("done") {
        draft.wait(WaitingOn::FrontendsNotServing { serving: view.serving_frontends(), wanted: 1 });
    }
    draft.recovery = Some(status);
}
