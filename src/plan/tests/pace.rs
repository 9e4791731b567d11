//! How many nodes go at once and how long a restart waits for queries: what the policy says, and what it says when it says nothing.

use serde_json::{Value, json};

use super::super::testing::{World, spec};
use crate::model::{Decision, Step, WaitingOn};

/// A cluster at rest with a policy.
fn risen(version: &str, [frontends, backends, compute_nodes]: [u32; 3], policy: Value) -> World {
    let mut spec = spec(version, frontends, backends, compute_nodes);
    spec["upgradePolicy"] = policy;
    World::risen(spec)
}

fn restarted(decision: &Decision) -> Vec<&str> {
    let pod = |step: &'_ Step| matches!(step, Step::RestartPod { .. });
    let named = decision.steps.iter().filter(|step| pod(step));
    named
        .filter_map(|step| match step {
            Step::RestartPod { pod, .. } => Some(pod.as_str()),
            _ => None,
        })
        .collect()
}

/// The restarts of a walk to the end, pass by pass.
fn rounds(world: &mut World) -> Vec<Vec<String>> {
    let mut rounds = Vec::new();
    for _ in 0..900 {
        let decision = world.pass();
        let restarted = restarted(&decision);
        if !restarted.is_empty() {
            rounds.push(restarted.into_iter().map(str::to_owned).collect());
        }
        if decision.steps.is_empty() && world.status.operation.is_none() && decision.waiting_on.is_empty() {
            return rounds;
        }
    }
    panic!("no rest: {rounds:?}, {:?}", world.status.blocked);
}

fn waits_for_queries(decision: &Decision) -> bool {
    decision.waiting_on.iter().any(|wait| matches!(wait, WaitingOn::QueriesRunning { .. }))
}

#[test]
fn compute_nodes_go_together_as_far_as_the_policy_allows_and_nothing_else_does() {
    let mut world = risen("3.5.8", [3, 2, 5], json!({"maxUnavailableComputeNodes": 2}));
    world.ask_for("3.5.9");
    let rounds = rounds(&mut world);
    let expected: [&[&str]; 8] = [
        &["kube-be-1"],
        &["kube-be-0"],
        &["kube-cn-4", "kube-cn-3"],
        &["kube-cn-2", "kube-cn-1"],
        &["kube-cn-0"],
        &["kube-fe-2"],
        &["kube-fe-1"],
        &["kube-fe-0"],
    ];
    assert_eq!(rounds, expected);
}

#[test]
fn a_change_of_the_same_release_goes_at_the_same_pace() {
    let mut world = risen("3.5.8", [3, 2, 4], json!({"maxUnavailableComputeNodes": "50%"}));
    world.edit(|spec| spec["starRocksCnSpec"]["limits"] = json!({"memory": "16Gi"}));
    assert_eq!(rounds(&mut world), [["kube-cn-3", "kube-cn-2"], ["kube-cn-1", "kube-cn-0"]]);
}

#[test]
fn several_compute_nodes_never_go_all_at_once_and_a_lone_one_goes() {
    for (nodes, expected) in [(1, vec![1]), (2, vec![1, 1]), (3, vec![2, 1])] {
        let mut world = risen("3.5.8", [3, 2, nodes], json!({"maxUnavailableComputeNodes": "100%"}));
        world.edit(|spec| spec["starRocksCnSpec"]["limits"] = json!({"memory": "16Gi"}));
        let sizes: Vec<usize> = rounds(&mut world).iter().map(Vec::len).collect();
        assert_eq!(sizes, expected, "{nodes} compute nodes");
    }
}

#[test]
fn a_restart_waits_for_the_queries_of_its_node_and_no_longer() {
    let mut world = risen("3.5.8", [3, 2, 0], json!({"drainSeconds": 120}));
    world.queries.insert("kube-be-1".to_owned(), 7);
    world.ask_for("3.5.9");
    let decision = world.run_until(50, |_, decision| waits_for_queries(decision));
    assert!(restarted(&decision).is_empty());
    let blocked = world.status.blocked.iter().find(|blocked| blocked.code == "SR-2223").unwrap();
    assert_eq!(blocked.node.as_deref(), Some("kube-be-1"));
    assert!(blocked.message.starts_with("7 queries run on kube-be-1; it is restarted once none runs, at "), "{}", blocked.message);
    world.pass();
    world.queries.clear();
    assert_eq!(restarted(&world.pass()), ["kube-be-1"]);
    world.run_to_rest(300);
    assert_eq!(world.restarts(), ["kube-be-1", "kube-be-0", "kube-fe-2", "kube-fe-1", "kube-fe-0"]);
}

#[test]
fn queries_that_never_end_hold_a_restart_up_for_so_long_and_operators_that_die_add_nothing() {
    let mut world = risen("3.5.8", [3, 2, 0], json!({"drainSeconds": 100}));
    world.queries.insert("kube-be-1".to_owned(), 1);
    world.ask_for("3.5.9");
    world.run_until(50, |_, decision| waits_for_queries(decision));
    let due = world.now;
    while world.restarts().is_empty() {
        // It dies after each of its changes.
        world.pass_of_one_change();
        assert!(world.now.since(due).as_secs() <= 110, "{:?}", world.status.operation);
    }
    assert!(world.now.since(due).as_secs() >= 95);
    world.run_to_rest(300);
}

#[test]
fn a_frontend_is_asked_for_its_queries_once_its_restart_is_due() {
    let mut world = risen("3.5.8", [3, 1, 0], json!({"drainSeconds": 60, "consents": ["SingleReplicaTables"]}));
    world.queries.insert("kube-fe-2".to_owned(), 2);
    world.ask_for("3.5.9");
    let unasked = WaitingOn::code;
    let decision = world.run_until(50, |_, decision| waits_for_queries(decision));
    assert!(decision.waiting_on.iter().any(|wait| unasked(wait) == "SR-2223" && wait.pod() == Some("kube-fe-2")));
    assert!(world.observe().frontends["kube-fe-2"].queries.known().is_some());
    assert!(world.observe().frontends["kube-fe-1"].queries.known().is_none(), "nobody else is asked");
    world.run_until(4, |world, _| world.status.blocked.iter().any(|blocked| blocked.message.starts_with("2 queries run on kube-fe-2")));
    world.run_to_rest(300);
    assert!(world.status.operation.is_none());
    assert!(world.observe().frontends.values().all(|report| report.queries.known().is_none()), "not at rest");
}

#[test]
fn without_the_field_nothing_waits_and_nothing_is_remembered() {
    let mut world = World::risen(spec("3.5.8", 3, 2, 2));
    world.queries.extend(["kube-be-1", "kube-cn-1", "kube-fe-2"].map(|pod| (pod.to_owned(), 9)));
    world.ask_for("3.5.9");
    for _ in 0..200 {
        let decision = world.pass();
        assert!(!waits_for_queries(&decision));
        assert!(world.status.operation.as_ref().is_none_or(|operation| operation.drains.is_empty()));
        assert!(restarted(&decision).len() <= 1);
    }
    assert_eq!(world.status.version.as_deref(), Some("3.5.9"));
}

#[test]
fn compute_nodes_that_go_together_wait_for_each_other() {
    let mut world = risen("3.5.8", [3, 2, 3], json!({"drainSeconds": 60, "maxUnavailableComputeNodes": 2}));
    world.queries.insert("kube-cn-1".to_owned(), 1);
    world.edit(|spec| spec["starRocksCnSpec"]["limits"] = json!({"memory": "16Gi"}));
    world.run_until(20, |_, decision| waits_for_queries(decision));
    assert_eq!(world.status.operation.as_ref().unwrap().drains.len(), 2);
    world.queries.clear();
    assert_eq!(restarted(&world.pass()), ["kube-cn-2", "kube-cn-1"]);
    world.run_to_rest(100);
}

#[test]
fn a_compute_node_that_joins_a_group_later_does_not_make_the_others_wait_anew() {
    let mut world = risen("3.5.8", [3, 2, 6], json!({"drainSeconds": 300, "maxUnavailableComputeNodes": 2}));
    world.queries.extend((0..6).map(|ordinal| (format!("kube-cn-{ordinal}"), 1)));
    world.edit(|spec| spec["starRocksCnSpec"]["limits"] = json!({"memory": "16Gi"}));
    world.run_until(20, |_, decision| waits_for_queries(decision));
    let due = world.now;
    for _ in 0..18 {
        assert!(restarted(&world.pass()).is_empty());
    }
    // Evicted, it comes back on its new template; another one takes its place.
    world.kill("kube-cn-5");
    let decision = world.run_until(120, |_, decision| !restarted(decision).is_empty());
    assert_eq!(restarted(&decision), ["kube-cn-4", "kube-cn-3"]);
    assert!(world.now.since(due).as_secs() <= 300 + 90 + 60, "{}", world.now.since(due).as_secs());
    world.queries.clear();
    world.run_to_rest(300);
}
