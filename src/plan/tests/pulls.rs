//! Images pulled to their nodes before a hop and before a rollout: when, where, and what becomes of the pods that do it.

use serde_json::json;

use super::super::testing::{World, spec};
use super::super::{check, plan};
use crate::api::OperationPhase;
use crate::model::observed::{PodProblem, PullState};
use crate::model::{Decision, Step};

/// A cluster on three nodes of Kubernetes that was just asked for another line.
fn asked(registry: PullState) -> World {
    let mut world = World::risen(spec("3.4.10", 3, 3, 1));
    world.edit(|spec| spec["upgradePolicy"]["prePullImages"] = json!(true));
    world.run_to_rest(20);
    world.registry = registry;
    world.ask_for("3.5.20");
    world
}

fn codes(decision: &Decision) -> Vec<&str> {
    decision.waiting_on.iter().map(crate::model::WaitingOn::code).collect()
}

fn phase(world: &World) -> Option<OperationPhase> {
    world.status.operation.as_ref().map(|operation| operation.phase.clone())
}

#[test]
fn every_node_gets_the_images_of_its_own_components_before_anything_is_changed_and_the_pods_go_afterwards() {
    let mut world = asked(PullState::Pulled);
    world.run_until(20, |world, _| !world.pulls.is_empty());
    let pulls: Vec<&String> = world.log.iter().filter(|line| line.starts_with("have ")).collect();
    assert_eq!(pulls.len(), 7, "three of each for FE and BE, one for the only CN: {pulls:?}");
    assert!(pulls.iter().any(|line| line.contains("starrocks/cn-ubuntu:3.5.20 pulled on node-0")), "{pulls:?}");
    world.run_until(5, |world, _| phase(world) == Some(OperationPhase::Image));
    assert!(
        !world.log.iter().any(|line| line.contains("CREATE IMAGE"))
            || world.log.iter().position(|line| line.contains("CREATE IMAGE"))
                > world.log.iter().rposition(|line| line.starts_with("have "))
    );
    assert_eq!(world.pulls.len(), 0, "what has done its work is deleted as the hop begins");
    world.run_to_rest(600);
    assert_eq!(world.status.version.as_deref(), Some("3.5.20"));
    assert_eq!(world.log.iter().filter(|line| line.starts_with("have ")).count(), 7, "once for the only hop");
}

#[test]
fn an_image_that_cannot_be_pulled_holds_the_hop_while_nothing_has_been_changed() {
    let mut world = asked(PullState::Failing { words: "ErrImagePull: not found".to_owned() });
    let decision = world.run_until(20, |_, decision| codes(decision).contains(&"SR-2225"));
    let told = decision.waiting_on.iter().find(|wait| wait.code() == "SR-2225").map(ToString::to_string).unwrap_or_default();
    assert!(told.contains("starrocks/be-ubuntu:3.5.20 cannot be pulled on node-0: ErrImagePull: not found"), "{told}");
    for _ in 0..20 {
        world.pass();
    }
    assert_eq!((phase(&world), world.restarts().len(), world.pulls.len()), (Some(OperationPhase::Preflight), 0, 7));
    assert!(!world.log.iter().any(|line| line.contains("CREATE IMAGE") || line.contains("FRONTEND CONFIG")), "{:?}", world.log);
    // A way that is given up takes its pods along.
    world.ask_for("3.4.10");
    world.run_to_rest(50);
    assert_eq!((world.pulls.len(), world.restarts().len()), (0, 0));
}

#[test]
fn a_node_that_does_not_take_the_pod_holds_nothing_and_is_told() {
    let mut world = asked(PullState::NotTried { why: "OutOfpods".to_owned() });
    world.run_until(20, |world, _| phase(world) == Some(OperationPhase::Image));
    let checks = &world.upgrade().status.checks;
    let told = checks.iter().find(|check| check.name == "ImagesPresent").and_then(|check| check.message.clone()).unwrap_or_default();
    assert!(told.contains("was not tried on node-0: OutOfpods"), "{told}");
}

#[test]
fn an_operator_that_dies_at_any_moment_leaves_no_pod_for_good() {
    for acts in 0..8 {
        let mut world = asked(PullState::Pulled);
        world.pass();
        world.interrupted_pass(acts);
        world.interrupted_pass(acts);
        world.run_to_rest(600);
        assert_eq!((world.pulls.len(), world.status.version.as_deref()), (0, Some("3.5.20")), "{acts}");
    }
}

/// A cluster at rest whose backends and frontends are then to run builds from another registry, at the same release.
fn moved(registry: PullState) -> World {
    let mut world = World::risen(spec("3.5.20", 3, 3, 1));
    world.edit(|spec| spec["upgradePolicy"]["prePullImages"] = json!(true));
    world.run_to_rest(20);
    world.registry = registry;
    world.edit(|spec| {
        spec["starRocksFeSpec"]["image"] = json!("elsewhere/fe-ubuntu:3.5.20");
        spec["starRocksBeSpec"]["image"] = json!("elsewhere/be-ubuntu:3.5.20");
    });
    world
}

fn pulled(world: &World) -> Vec<&String> {
    world.log.iter().filter(|line| line.starts_with("have ")).collect()
}

/// Images in the templates of FE, BE and CN that are not those of the beginning.
fn handed_out(world: &World) -> usize {
    let sets = world.objects[&crate::model::ObjectKind::StatefulSet].values();
    sets.filter(|set| set.text("/spec/template/spec/containers/0/image").starts_with("elsewhere/")).count()
}

#[test]
fn a_rollout_of_other_images_hands_out_no_template_before_all_of_them_are_on_their_nodes() {
    let mut world = moved(PullState::Pulling);
    for _ in 0..20 {
        world.pass();
    }
    assert_eq!((pulled(&world).len(), handed_out(&world), world.restarts().len()), (6, 0, 0), "{:?}", pulled(&world));
    assert_eq!(phase(&world), Some(OperationPhase::Preflight));
    assert!(!pulled(&world).iter().any(|line| line.contains("cn-ubuntu")), "the compute nodes stay as they are");
    world.pulls.values_mut().for_each(|pull| pull.state = PullState::Pulled);
    world.run_until(20, |world, _| world.restarts().len() == 3);
    assert_eq!((handed_out(&world), world.pulls.len()), (1, 3), "the frontends, which come last, keep what was pulled for them");
    world.run_to_rest(200);
    assert_eq!((world.restarts().len(), world.pulls.len(), pulled(&world).len()), (6, 0, 6));
}

#[test]
fn an_image_that_cannot_be_pulled_holds_a_rollout_while_nothing_has_been_changed() {
    let mut world = moved(PullState::Failing { words: "ErrImagePull: not found".to_owned() });
    let decision = world.run_until(20, |_, decision| codes(decision).contains(&"SR-2225"));
    assert!(codes(&decision).contains(&"SR-2228"));
    for _ in 0..20 {
        world.pass();
    }
    assert_eq!((handed_out(&world), world.restarts().len(), world.pulls.len()), (0, 0, 6));
    world.edit(|spec| {
        spec["starRocksFeSpec"]["image"] = json!("starrocks/fe-ubuntu:3.5.20");
        spec["starRocksBeSpec"]["image"] = json!("starrocks/be-ubuntu:3.5.20");
    });
    world.run_to_rest(50);
    assert_eq!((world.restarts().len(), world.pulls.len()), (0, 0));
}

#[test]
fn a_rollout_that_changes_no_image_pulls_none_and_a_paused_one_waits_with_it() {
    let mut world = moved(PullState::Pulled);
    world.edit(|spec| spec["upgradePolicy"]["paused"] = json!(true));
    for _ in 0..5 {
        world.pass();
    }
    assert_eq!(pulled(&world).len(), 0);
    world.edit(|spec| spec["upgradePolicy"]["paused"] = json!(false));
    world.run_to_rest(200);
    let before = pulled(&world).len();
    world.edit(|spec| spec["starRocksBeSpec"]["limits"] = json!({"memory": "16Gi"}));
    world.run_to_rest(100);
    assert_eq!((pulled(&world).len(), world.restarts().len()), (before, 9));
}

#[test]
fn a_node_that_cannot_start_takes_its_corrected_image_without_waiting_for_a_pull() {
    let mut world = World::risen(spec("3.5.20", 3, 3, 0));
    world.edit(|spec| spec["upgradePolicy"]["prePullImages"] = json!(true));
    let pod = world.pods.get_mut("kube-be-1").expect("it runs");
    pod.ready = false;
    pod.problem = Some(PodProblem { reason: "ImagePullBackOff".to_owned(), message: String::new(), stuck: true });
    world.registry = PullState::Pulling;
    world.edit(|spec| spec["starRocksBeSpec"]["image"] = json!("elsewhere/be-ubuntu:3.5.20"));
    world.run_until(10, |world, _| world.restarts() == ["kube-be-1"]);
    world.run_to_rest(100);
    assert_eq!((world.restarts().len(), pulled(&world).len()), (3, 0));
}

#[test]
fn an_operator_that_dies_at_any_moment_of_a_rollout_leaves_no_pod_for_good() {
    for acts in 0..8 {
        let mut world = moved(PullState::Pulled);
        for _ in 0..4 {
            world.interrupted_pass(acts);
        }
        world.run_to_rest(300);
        assert_eq!((world.pulls.len(), world.restarts().len()), (0, 6), "{acts}");
    }
}

#[test]
fn nothing_is_pulled_unless_somebody_asked_for_it() {
    let mut world = World::risen(spec("3.4.10", 3, 3, 0));
    world.ask_for("3.5.20");
    world.run_to_rest(600);
    assert!(!world.log.iter().any(|line| line.starts_with("have ")));
    let checks = &world.upgrade().status.checks;
    let images = checks.iter().find(|check| check.name == "ImagesPresent").expect("it is told");
    assert!(images.message.as_ref().is_some_and(|message| message.starts_with("not tried; the canary shows")), "{images:?}");
}

#[test]
fn a_pod_that_a_service_would_select_is_refused_by_the_check() {
    let mut world = asked(PullState::Pulled);
    world.pass();
    let (cluster, observed) = (world.cluster(), world.observe());
    let decision = plan(&cluster, &observed);
    let broken = |change: fn(&mut k8s_openapi::api::core::v1::Pod)| {
        let mut decision = decision.clone();
        let made = decision.steps.iter_mut().find_map(|step| match step {
            Step::PullImage(pod) => Some(pod),
            _ => None,
        });
        change(made.expect("one is made"));
        check(&cluster, &observed, &decision).iter().map(|violation| violation.code).collect::<Vec<_>>()
    };
    assert_eq!(broken(|_| {}), Vec::<&str>::new());
    let as_node = |pod: &mut k8s_openapi::api::core::v1::Pod| {
        pod.metadata.labels = Some(crate::model::Component::Frontend.pod_labels("kube"));
    };
    assert_eq!(broken(as_node), ["SR-9005"]);
    assert_eq!(broken(|pod| pod.metadata.owner_references = None), ["SR-9005"]);
    let controlled = |pod: &mut k8s_openapi::api::core::v1::Pod| {
        pod.metadata.owner_references.iter_mut().flatten().for_each(|owner| owner.controller = Some(true));
    };
    assert_eq!(broken(controlled), ["SR-9005"]);
    assert_eq!(broken(|pod| pod.metadata.name = Some("other".to_owned())), ["SR-9005"]);
}
