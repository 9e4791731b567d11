//! Pod templates that nobody asked for while another component rolls without a change of the resource: they stay held, and are told.

use serde_json::json;

use super::super::testing::{World, spec};
use super::configuration;
use crate::model::{Component, Decision, WaitingOn};

/// What another operator release looks like: frontends and backends would be made differently in the same generation.
fn outgrown(world: &mut World) {
    for section in ["starRocksFeSpec", "starRocksBeSpec"] {
        world.spec[section]["annotations"] = json!({"operator": "new"});
    }
}

/// A cluster at rest whose frontends and backends would both be made differently.
fn held() -> World {
    let mut world = World::risen(spec("3.3.13", 3, 2, 0));
    outgrown(&mut world);
    world
}

fn hash(decision: &Decision, of: Component) -> Option<String> {
    decision.waiting_on.iter().find_map(|wait| match wait {
        WaitingOn::TemplateHeld { component, accept, .. } if *component == of => Some(accept.clone()),
        _ => None,
    })
}

/// What RequiresUpdate says.
fn told(world: &World) -> String {
    let found = world.status.conditions.iter().find(|condition| condition.condition_type == "RequiresUpdate" && condition.status == "True");
    found.map(|condition| condition.message.clone()).unwrap_or_default()
}

/// Agrees to the new template of the backends alone.
fn agree_to_backends(world: &mut World) {
    let decision = world.pass();
    world.accepted = hash(&decision, Component::Backend).unwrap();
    assert!(hash(&decision, Component::Frontend).is_some());
}

/// Passes until nothing is under way and the backends have been restarted, looking after each whether the frontends are still held.
fn run_and_watch(world: &mut World, pass: impl Fn(&mut World) -> Decision) {
    for _ in 0..300 {
        let decision = pass(world);
        assert!(hash(&decision, Component::Frontend).is_some(), "{:#?}", decision.waiting_on);
        assert!(told(world).contains("FE (spec.template.metadata.annotations"), "{}", told(world));
        let only_held = decision.waiting_on.iter().all(|wait| matches!(wait, WaitingOn::TemplateHeld { .. }));
        let patience = decision.look_again.map_or(u64::MAX, |again| again.as_secs());
        assert!(
            decision.status.operation.is_none() || !only_held || patience <= 2,
            "a roll is not slowed down by what is held: {patience}"
        );
        if decision.status.operation.is_none() && world.restarts().len() >= 2 {
            return;
        }
    }
    panic!("{:#?}", world.status);
}

#[test]
fn agreeing_to_one_template_leaves_the_others_held_through_the_roll_and_after_it() {
    let mut world = held();
    agree_to_backends(&mut world);
    run_and_watch(&mut world, World::pass);
    (0..50).for_each(|_| drop(world.pass()));
    assert_eq!(world.restarts(), ["kube-be-1", "kube-be-0"]);
    assert!(told(&world).contains("FE (") && !told(&world).contains("BE ("), "{}", told(&world));
    let decision = world.pass();
    world.accepted = hash(&decision, Component::Frontend).unwrap();
    world.run_to_rest(200);
    assert_eq!(world.restarts().len(), 5);
    assert_eq!(told(&world), "");
}

#[test]
fn an_operator_that_dies_at_every_change_rolls_no_more_than_was_agreed_to() {
    let mut world = held();
    agree_to_backends(&mut world);
    run_and_watch(&mut world, World::pass_of_one_change);
    (0..50).for_each(|_| drop(world.pass_of_one_change()));
    assert_eq!(world.restarts(), ["kube-be-1", "kube-be-0"]);
}

#[test]
fn a_configuration_that_asks_for_a_restart_leaves_the_templates_of_others_held() {
    let mut world = configuration::risen(Some("Restart"));
    outgrown(&mut world);
    world.spec["starRocksBeSpec"].as_object_mut().unwrap().remove("annotations");
    world.pass();
    configuration::write(&mut world, "be.conf", "a = 6\nb = 5\nfixed = 5");
    run_and_watch(&mut world, World::pass);
    (0..50).for_each(|_| drop(world.pass()));
    assert_eq!(world.restarts(), ["kube-be-2", "kube-be-1", "kube-be-0"]);
    assert!(world.status.configuration.iter().all(|entry| entry.change.is_none()), "{:#?}", world.status.configuration);
}

#[test]
fn a_component_whose_configuration_asks_for_a_restart_takes_its_held_template_along() {
    let mut world = configuration::risen(Some("Restart"));
    outgrown(&mut world);
    world.pass();
    configuration::write(&mut world, "be.conf", "a = 6\nb = 5\nfixed = 5");
    run_and_watch(&mut world, World::pass);
    assert_eq!(world.restarts(), ["kube-be-2", "kube-be-1", "kube-be-0"]);
    assert!(!told(&world).contains("BE ("), "{}", told(&world));
}

#[test]
fn a_repaired_template_leaves_the_templates_of_others_held() {
    let mut world = World::risen(spec("3.3.13", 3, 2, 0));
    world.spec["starRocksFeSpec"]["annotations"] = json!({"operator": "new"});
    world.pass();
    let sets = world.objects.get_mut(&crate::model::ObjectKind::StatefulSet).unwrap();
    sets.get_mut("kube-be").unwrap().body["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(1);
    for _ in 0..60 {
        world.pass();
        assert!(told(&world).contains("FE ("), "{:#?}", world.status.conditions);
    }
    assert!(!world.restarts().iter().any(|pod| pod.starts_with("kube-fe")), "{:?}", world.restarts());
}

#[test]
fn a_change_of_the_resource_while_one_template_rolls_agrees_to_everything() {
    let mut world = held();
    agree_to_backends(&mut world);
    world.run_until(20, |world, _| world.restarts().len() == 1);
    // One that by itself asks for nothing, and one during whose pass nothing can be done.
    world.edit(|spec| spec["upgradePolicy"]["paused"] = json!(true));
    world.run_until(20, |_, decision| decision.waiting_on.contains(&WaitingOn::Paused));
    world.spec["upgradePolicy"]["paused"] = json!(false);
    world.run_to_rest(200);
    assert_eq!(world.restarts(), ["kube-be-1", "kube-be-0", "kube-fe-2", "kube-fe-1", "kube-fe-0"]);
}
