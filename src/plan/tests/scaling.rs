//! Other numbers of nodes: what was scaled by hand comes back, and scaling goes on for as long as an upgrade only waits.

use serde_json::{Value, json};

use super::super::testing::{World, spec};
use crate::api::{OperationKind, OperationPhase};
use crate::model::observed::Claim;
use crate::model::{Component, ObjectKind, Statement, Step, WaitingOn};

fn pods(world: &World, component: Component) -> usize {
    world.pods.values().filter(|pod| pod.component == component).count()
}

fn phase(world: &World) -> Option<OperationPhase> {
    world.status.operation.as_ref().map(|operation| operation.phase.clone())
}

/// Scales the frontends as `kubectl scale statefulset` does, behind the operator's back.
fn scale_frontends(world: &mut World, replicas: u32) {
    let set = world.objects.get_mut(&ObjectKind::StatefulSet).and_then(|sets| sets.get_mut("kube-fe")).unwrap();
    set.body["spec"]["replicas"] = json!(replicas);
    world.leader = None;
    world.kill("kube-fe-2");
}

#[test]
fn frontends_that_were_scaled_below_a_majority_come_back() {
    for (all, left) in [(3, 0), (3, 1), (1, 0)] {
        let mut world = World::risen(spec("3.3.13", all, 3, 0));
        scale_frontends(&mut world, left);
        let frontends = |world: &World| u32::try_from(pods(world, Component::Frontend)).unwrap();
        assert_eq!(frontends(&world), left);
        for _ in 0..40 {
            // One of three elects nobody, and nobody answers.
            world.mute = frontends(&world) < all;
            world.pass();
        }
        assert_eq!(frontends(&world), all, "from {left}; waiting on {:?}", world.status.blocked);
        world.mute = false;
        world.run_to_rest(60);
    }
}

#[test]
fn a_frontend_that_was_dropped_by_hand_stays_away_while_nobody_answers() {
    let mut world = World::risen(spec("3.3.13", 1, 3, 0));
    for ordinal in 1..3 {
        let claim = Claim { uid: format!("old-{ordinal}"), bound: true, created: world.now };
        world.claims.insert(format!("fe-meta-kube-fe-{ordinal}"), claim);
    }
    world.edit(|spec| spec["starRocksFeSpec"]["replicas"] = json!(3));
    world.pass();
    world.mute = true;
    for _ in 0..10 {
        let decision = world.pass();
        assert!(decision.waiting_on.iter().any(|wait| matches!(wait, WaitingOn::StaleVolume { .. })), "{:?}", decision.waiting_on);
    }
    assert_eq!(pods(&world, Component::Frontend), 1);
}

/// A cluster whose upgrade waits for its user.
fn unapproved(frontends: u32, backends: u32, compute_nodes: u32) -> World {
    let mut spec = spec("3.3.13", frontends, backends, compute_nodes);
    spec["upgradePolicy"]["approval"] = json!("Once");
    let mut world = World::risen(spec);
    world.ask_for("3.4.10");
    world.run_until(60, |world, _| world.status.blocked.iter().any(|blocked| blocked.code == "SR-2216"));
    world
}

fn approve(world: &mut World) {
    world.upgrade().spec.approved = Some(true);
}

fn replicas(world: &mut World, section: &str, replicas: u32) {
    world.edit(|spec: &mut Value| spec[section]["replicas"] = json!(replicas));
}

#[test]
fn a_backend_that_leaves_has_left_before_an_upgrade_begins() {
    let mut world = World::risen(spec("3.3.13", 3, 4, 0));
    replicas(&mut world, "starRocksBeSpec", 3);
    world.pass();
    assert!(world.log.iter().any(|line| line.contains("DECOMMISSION BACKEND \"kube-be-3.")));
    world.ask_for("3.4.10");
    world.run_until(100, |world, _| phase(world) > Some(OperationPhase::Preflight));
    assert_eq!(pods(&world, Component::Backend), 3);
    world.run_to_rest(900);
    assert_eq!(world.status.version.as_deref(), Some("3.4.10"));
    assert_eq!(world.restarts().len(), 6);
}

#[test]
fn nodes_come_and_go_while_an_upgrade_waits_to_be_approved() {
    let mut world = unapproved(3, 4, 2);
    replicas(&mut world, "starRocksCnSpec", 3);
    world.run_until(10, |world, _| pods(world, Component::ComputeNode) == 3);
    replicas(&mut world, "starRocksBeSpec", 3);
    world.run_until(60, |world, _| pods(world, Component::Backend) == 3);
    assert_eq!(phase(&world), Some(OperationPhase::Preflight));
    assert!(world.restarts().is_empty() && world.pods.values().all(|pod| pod.image.contains("3.3.13")));
    approve(&mut world);
    world.run_to_rest(900);
    assert_eq!((world.status.version.as_deref(), world.restarts().len()), (Some("3.4.10"), 9));
}

#[test]
fn a_scale_in_is_taken_back_while_an_upgrade_waits() {
    let mut world = unapproved(3, 4, 0);
    replicas(&mut world, "starRocksBeSpec", 3);
    world.run_until(10, |world, _| world.log.iter().any(|line| line.contains("DECOMMISSION BACKEND")));
    replicas(&mut world, "starRocksBeSpec", 4);
    world.run_until(10, |world, _| world.log.iter().any(|line| line.contains("CANCEL DECOMMISSION")));
    for _ in 0..20 {
        world.pass();
    }
    assert_eq!((pods(&world, Component::Backend), world.node_rows.len()), (4, 4));
}

#[test]
fn a_decommission_by_hand_is_waited_for_and_not_cancelled() {
    let mut world = unapproved(3, 4, 0);
    let host = "kube-be-1.kube-be-search.ns.svc.cluster.local".to_owned();
    let statement = Statement::DecommissionBackend { host, port: 9050 };
    world.act(&Step::Execute { frontend: "kube-fe-0".to_owned(), statement });
    approve(&mut world);
    for _ in 0..6 {
        world.pass();
    }
    assert_eq!(phase(&world), Some(OperationPhase::Preflight));
    assert!(world.status.blocked.iter().any(|blocked| blocked.message.contains("kube-be-1")), "{:?}", world.status.blocked);
    assert!(!world.log.iter().any(|line| line.contains("CANCEL DECOMMISSION")));
}

#[test]
fn an_upgrade_begins_with_the_nodes_that_are_wanted_and_then_keeps_them() {
    let mut world = World::risen(spec("3.3.13", 3, 3, 2));
    world.ask_for("3.4.10");
    replicas(&mut world, "starRocksCnSpec", 3);
    world.run_until(60, |world, _| phase(world) > Some(OperationPhase::Preflight));
    assert_eq!(pods(&world, Component::ComputeNode), 3);
    replicas(&mut world, "starRocksCnSpec", 5);
    while world.status.operation.as_ref().is_some_and(|operation| operation.kind == OperationKind::Upgrade) {
        assert_eq!(pods(&world, Component::ComputeNode), 3);
        world.pass();
    }
    world.run_to_rest(60);
    assert_eq!((pods(&world, Component::ComputeNode), world.restarts().len()), (5, 9));
}

#[test]
fn a_scale_in_that_is_refused_holds_no_upgrade_up() {
    let mut world = World::risen(spec("3.3.13", 3, 3, 0));
    replicas(&mut world, "starRocksFeSpec", 1);
    world.ask_for("3.4.10");
    world.run_until(60, |world, _| phase(world) > Some(OperationPhase::Preflight));
    world.run_until(600, |world, _| world.status.version.as_deref() == Some("3.4.10"));
    assert_eq!(pods(&world, Component::Frontend), 3);
}

#[test]
fn frontends_that_were_scaled_to_nothing_before_an_upgrade_began_come_back() {
    let mut world = unapproved(3, 3, 0);
    scale_frontends(&mut world, 0);
    for _ in 0..40 {
        world.pass();
    }
    assert_eq!((pods(&world, Component::Frontend), phase(&world)), (3, Some(OperationPhase::Preflight)));
}
