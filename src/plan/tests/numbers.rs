//! Numbers of nodes that nobody can have: what a pass costs is what there is, and not what somebody wrote.

use serde_json::json;

use super::super::testing::{World, spec};
use super::super::{check, plan, preview};
use crate::model::{Decision, Object, ObjectKind, Step};

/// More than any component has of waits: those of its pods, and of some that are missing.
const WAITS_MAX: usize = 120;

fn risen() -> World {
    World::risen(spec("3.5.9", 3, 3, 3))
}

/// What somebody does to a StatefulSet past the resource.
fn mistype(world: &mut World, set: &str, replicas: i64) {
    world.objects.get_mut(&ObjectKind::StatefulSet).unwrap().get_mut(set).unwrap().body["spec"]["replicas"] = json!(replicas);
}

/// The number that a StatefulSet is to have by a decision.
fn replicas(decision: &Decision, set: &str) -> Option<i32> {
    decision.steps.iter().find_map(|step| match step {
        Step::Apply(Object::StatefulSet(object)) if object.metadata.name.as_deref() == Some(set) => object.spec.as_ref()?.replicas,
        _ => None,
    })
}

#[test]
fn a_stateful_set_of_two_billion_pods_is_put_right_in_one_pass_that_names_a_few_of_them() {
    for set in ["kube-fe", "kube-be", "kube-cn"] {
        let mut world = risen();
        mistype(&mut world, set, i64::from(i32::MAX));
        let told = preview(&world.cluster(), &world.observe());
        assert!(told.restarts.is_empty() && told.others.iter().map(String::len).sum::<usize>() < 1_000, "{told:#?}");
        let decision = world.pass();
        assert!(decision.waiting_on.len() < WAITS_MAX, "{set}: {}", decision.waiting_on.len());
        assert_eq!(replicas(&decision, set), Some(3), "{set}");
        world.run_to_rest(50);
        assert_eq!((world.pods.len(), world.restarts().len()), (9, 0));
    }
}

#[test]
fn all_at_once_and_nothing_answered_cost_no_more() {
    let mut world = risen();
    ["kube-fe", "kube-be", "kube-cn"].into_iter().for_each(|set| mistype(&mut world, set, i64::from(i32::MAX)));
    world.mute = true;
    let (cluster, observed) = (world.cluster(), world.observe());
    let decision = plan(&cluster, &observed);
    assert_eq!(check(&cluster, &observed, &decision), []);
    assert!(decision.waiting_on.len() < 3 * WAITS_MAX, "{}", decision.waiting_on.len());
}

#[test]
fn thousands_of_nodes_that_are_not_there_yet_are_told_by_the_first_of_them() {
    let mut world = risen();
    world.edit(|spec| spec["starRocksBeSpec"]["replicas"] = json!(9_000));
    mistype(&mut world, "kube-be", 9_000);
    let decision = plan(&world.cluster(), &world.observe());
    assert!((90..WAITS_MAX).contains(&decision.waiting_on.len()), "{}", decision.waiting_on.len());
}

#[test]
fn a_frontend_that_is_registered_leaves_before_the_number_falls_below_it() {
    let mut world = World::risen(spec("3.5.9", 5, 1, 0));
    world.edit(|spec| spec["starRocksFeSpec"]["replicas"] = json!(3));
    mistype(&mut world, "kube-fe", 1_000);
    let decision = plan(&world.cluster(), &world.observe());
    assert_eq!(replicas(&decision, "kube-fe"), Some(5), "those that nobody knows go at once");
    assert!(!decision.steps.iter().any(|step| matches!(step, Step::Execute { .. })));
}
