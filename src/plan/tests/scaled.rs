//! Numbers of nodes that an autoscaler, or `kubectl scale`, writes: they agree to no held pod template and take no way that was given up.

use serde_json::{Value, json};

use super::super::refuse;
use super::super::testing::{World, spec};
use crate::api::Cancel;
use crate::model::component::FORMER_HASH_ANNOTATION;
use crate::model::{Decision, ObjectKind, Timestamp, WaitingOn};

/// A cluster with an autoscaler for its compute nodes, at rest.
fn risen() -> World {
    let mut spec = spec("3.4.10", 3, 2, 2);
    spec["starRocksCnSpec"]["autoScalingPolicy"] = json!({"minReplicas": 2, "maxReplicas": 9});
    spec["starRocksFeProxySpec"] = json!({"replicas": 1});
    World::risen(spec)
}

/// What an autoscaler does through the scale subresource.
fn scale(world: &mut World, compute_nodes: u32) {
    world.edit(|spec| spec["starRocksCnSpec"]["replicas"] = json!(compute_nodes));
}

/// As if another release of the operator would make the pods of frontends and backends differently, from the same spec.
fn outgrow(world: &mut World) {
    for section in ["starRocksFeSpec", "starRocksBeSpec"] {
        world.spec[section]["annotations"] = json!({"operator": "new"});
    }
    let digest = world.cluster().spec_digest;
    world.status.last_change.iter_mut().for_each(|change| change.digest.clone_from(&digest));
}

/// The Deployment of the proxy.
fn proxy(world: &mut World) -> &mut Value {
    &mut world.objects.get_mut(&ObjectKind::Deployment).unwrap().get_mut("kube-fe-proxy").unwrap().body
}

fn holds(decision: &Decision) -> bool {
    decision.waiting_on.iter().filter(|wait| matches!(wait, WaitingOn::TemplateHeld { .. })).count() == 2
}

#[test]
fn templates_that_only_another_release_of_the_operator_would_make_stay_held_while_compute_nodes_are_scaled() {
    // Before the new release looked for the first time, and after.
    for passes in [0, 3] {
        let mut world = risen();
        outgrow(&mut world);
        (0..passes).for_each(|_| drop(world.pass()));
        for nodes in [4, 3] {
            scale(&mut world, nodes);
            (0..60).for_each(|_| assert!(holds(&world.pass()), "{:#?}", world.status.blocked));
            assert_eq!(world.objects[&ObjectKind::StatefulSet]["kube-cn"].integer("/spec/replicas"), i64::from(nodes));
        }
        assert_eq!(world.restarts(), Vec::<String>::new());
        world.edit(|spec| spec["starRocksBeSpec"]["annotations"] = json!({"asked": "for"}));
        world.run_to_rest(300);
        assert_eq!(world.restarts().len(), 5, "a change of anything else agrees to everything");
    }
}

#[test]
fn a_status_from_before_the_last_change_was_noted_gets_it_with_the_first_template_that_is_held() {
    let mut world = risen();
    world.status.last_change = None;
    (0..3).for_each(|_| drop(world.pass()));
    assert_eq!(world.status.last_change, None, "another release of the operator alone writes nothing");
    outgrow(&mut world);
    world.pass();
    scale(&mut world, 4);
    (0..60).for_each(|_| assert!(holds(&world.pass())));
    assert_eq!(world.restarts(), Vec::<String>::new());
}

#[test]
fn the_template_of_a_proxy_that_was_taken_over_stays_held_while_compute_nodes_are_scaled() {
    let mut world = risen();
    let former = proxy(&mut world);
    former["metadata"]["annotations"][FORMER_HASH_ANNOTATION] = json!("1");
    former["spec"]["template"]["metadata"]["annotations"]["made"] = json!("otherwise");
    let template = former["spec"]["template"].clone();
    world.pass();
    for nodes in [4, 3] {
        scale(&mut world, nodes);
        (0..30).for_each(|_| drop(world.pass()));
        assert_eq!(proxy(&mut world)["spec"]["template"], template);
    }
    world.edit(|spec| spec["starRocksFeProxySpec"]["resolver"] = json!("10.0.0.10"));
    world.run_to_rest(100);
    assert_ne!(proxy(&mut world)["spec"]["template"], template);
}

#[test]
fn an_upgrade_that_was_given_up_is_not_begun_again_when_compute_nodes_are_scaled() {
    let mut world = risen();
    world.ask_for("3.5.9");
    world.run_until(300, |world, _| world.restarts().len() == 1);
    world.upgrade().spec.cancel = Some(Cancel::RollBack);
    world.run_until(400, |world, _| world.status.operation.is_none());
    let restarts = world.restarts();
    scale(&mut world, 4);
    for _ in 0..100 {
        let decision = world.pass();
        assert!(decision.waiting_on.iter().any(|wait| wait.code() == "SR-2218"), "{:#?}", decision.waiting_on);
    }
    assert_eq!(world.restarts(), restarts);
    world.edit(|spec| spec["upgradePolicy"]["nodeTimeoutSeconds"] = json!(600));
    world.run_to_rest(600);
    assert_eq!(world.status.version.as_deref(), Some("3.5.9"), "any other change of the resource asks for it anew");
}

#[test]
fn a_number_of_nodes_that_comes_while_the_resource_is_refused_agrees_to_nothing_either() {
    let mut world = risen();
    let refused = |world: &World| refuse(&world.status, &world.cluster().asked(), Timestamp::from_seconds(1), &[]);
    scale(&mut world, 4);
    assert_eq!(refused(&world).operation, None);
    world.edit(|spec| spec["starRocksBeSpec"]["annotations"] = json!({"asked": "for"}));
    let status = refused(&world);
    assert!(status.operation.is_some(), "a change that cannot be acted upon yet is the user's wish all the same");
    assert_eq!(status.last_change.map(|change| change.generation), Some(world.generation));
}
