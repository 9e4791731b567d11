//! Recovery from a snapshot: what begins it, what ends it, and what must not.

use serde_json::json;

use super::super::testing::{World, spec};
use super::super::{check, guarded, plan};
use crate::api::DisasterRecoveryStatus;
use crate::model::cluster::{DisasterRecovery, RunMode};
use crate::model::{Cluster, Component, Decision, Object, ObjectKind, Step};

/// A shared-data cluster that is asked to recover; its frontends are given a variable with the number of the recovery.
pub(super) fn recovering(world: &World, snapshot_mounted: bool) -> Cluster {
    let mut cluster = world.cluster();
    cluster.run_mode = RunMode::SharedData;
    cluster.disaster_recovery = Some(DisasterRecovery { generation: 1, snapshot_mounted });
    cluster
}

fn phase(world: &World) -> Option<&str> {
    world.status.disaster_recovery_status.as_ref()?.phase.as_deref()
}

#[test]
fn a_recovery_is_not_done_because_some_variable_has_its_number() {
    let mut spec = spec("3.5.9", 1, 0, 1);
    spec["starRocksFeSpec"]["feEnvVars"] = json!([{"name": "LOG_CONSOLE", "value": "1"}]);
    let mut world = World::risen(spec);
    let cluster = recovering(&world, true);
    for pass in 0..3 {
        let observed = world.observe();
        assert!(observed.pods_of(Component::Frontend).all(|pod| pod.ready), "the pods that ran before are ready");
        let decision = plan(&cluster, &observed);
        world.status = decision.status.clone();
        assert_eq!(phase(&world), Some(if pass == 0 { "todo" } else { "doing" }));
        let applied = decision.steps.iter().any(|step| matches!(step, Step::Apply(Object::StatefulSet(_))));
        assert_eq!(applied, pass > 0, "the phase is on record before the frontends change");
    }
}

#[test]
fn a_recovery_without_a_snapshot_changes_nothing_and_founds_no_empty_cluster() {
    let mut fresh = World::new(spec("3.5.9", 3, 0, 1));
    for _ in 0..3 {
        let decision = plan(&recovering(&fresh, false), &fresh.observe());
        assert_eq!(decision.steps, []);
        fresh.status = decision.status;
    }
    assert_eq!((phase(&fresh), fresh.status.phase.as_str()), (Some("todo"), "failed"));

    let risen = World::risen(spec("3.5.9", 3, 0, 1));
    let decision = plan(&recovering(&risen, false), &risen.observe());
    let touches = |step: &Step| matches!(step, Step::Apply(object) if object.kind() == ObjectKind::StatefulSet);
    assert!(!decision.steps.iter().any(touches), "{:?}", decision.steps);
}

/// Frontends that a decision leaves, where it applies their StatefulSet.
fn frontends_left(decision: &Decision) -> Option<i32> {
    decision.steps.iter().find_map(|step| match step {
        Step::Apply(Object::StatefulSet(set)) if set.metadata.name.as_deref() == Some("kube-fe") => set.spec.as_ref()?.replicas,
        _ => None,
    })
}

#[test]
fn a_recovery_that_is_asked_for_takes_no_vote_away_before_it_begins_or_after_it_is_done() {
    let mut world = World::risen(spec("3.5.9", 3, 0, 1));
    world.edit(|spec| spec["starRocksFeSpec"]["replicas"] = json!(1));
    let decision = plan(&recovering(&world, false), &world.observe());
    assert_eq!(frontends_left(&decision), None);
    // Nor would it be let through.
    let mut shrunk = plan(&recovering(&world, true), &world.observe());
    shrunk.status.disaster_recovery_status = decision.status.disaster_recovery_status;
    let mut set = crate::build::stateful_set(&world.cluster(), &world.cluster().frontend);
    set.spec.as_mut().unwrap().replicas = Some(1);
    shrunk.steps = vec![Step::Apply(Object::StatefulSet(Box::new(set)))];
    let found = check(&recovering(&world, false), &world.observe(), &shrunk);
    assert!(found.iter().any(|violation| violation.code == "SR-9001"), "{found:?}");

    let done = DisasterRecoveryStatus {
        phase: Some("done".to_owned()),
        observed_generation: Some(1),
        start_timestamp: Some(0),
        ..DisasterRecoveryStatus::default()
    };
    for replicas in [1, 2] {
        let mut world = World::risen(spec("3.5.9", 3, 0, 1));
        world.edit(|spec| spec["starRocksFeSpec"]["replicas"] = json!(replicas));
        world.status.disaster_recovery_status = Some(done.clone());
        let (decision, violations) = guarded(&recovering(&world, true), &world.observe());
        assert_eq!(violations, []);
        assert_eq!(frontends_left(&decision), None);
        let drops = decision.steps.iter().any(|step| matches!(step, Step::Execute { .. }));
        assert_eq!(drops, replicas == 2, "its vote leaves first");
    }
}

#[test]
fn a_recovery_in_the_middle_of_an_upgrade_is_not_held_up_by_settings_of_lost_frontends() {
    let mut world = World::risen(spec("3.4.10", 3, 0, 1));
    world.ask_for("3.5.9");
    world.run_until(200, |world, _| world.status.operation.as_ref().is_some_and(|operation| !operation.saved_settings.is_empty()));
    world.mute = true;
    for expected in ["todo", "doing", "doing"] {
        let (decision, violations) = guarded(&recovering(&world, true), &world.observe());
        assert_eq!(violations, []);
        world.status = decision.status;
        assert_eq!(phase(&world), Some(expected));
    }
}
