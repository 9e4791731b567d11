//! What is foretold of a change is what happens: previews against walks of the world, against the outline, and against measured times.

use proptest::prelude::*;
use serde_json::{Value, json};

use super::super::testing::{World, spec};
use super::super::{Preview, Restart, as_described, preview, refused_way};
use crate::api::StarRocksClusterStatus;
use crate::model::{Component, Record, Timestamp};
use crate::release::{Phase, ReleaseTable, Topology, Version, outline};

fn pods(preview: &Preview) -> Vec<&str> {
    preview.restarts.iter().map(|restart| restart.pod.as_str()).collect()
}

fn codes(preview: &Preview) -> Vec<&str> {
    preview.gates.iter().map(|gate| gate.code.as_str()).collect()
}

/// What is foretold of an edit from everything that is observed, and from the resource and its status alone.
fn foretold(world: &World, edit: impl FnOnce(&mut Value)) -> (World, Preview) {
    let former = world.cluster();
    let mut after = world.clone();
    after.edit(edit);
    let seen = preview(&after.cluster(), &world.observe());
    let told = preview(&after.cluster(), &as_described(&former, &world.status, world.now));
    assert_eq!(seen, told, "the resource and its status tell as much as the objects");
    (after, seen)
}

fn to_release(version: &str) -> impl FnOnce(&mut Value) + use<> {
    let version = version.to_owned();
    move |spec: &mut Value| {
        for (section, kind) in [("starRocksFeSpec", "fe"), ("starRocksBeSpec", "be"), ("starRocksCnSpec", "cn")] {
            if let Some(section) = spec.get_mut(section) {
                section["image"] = json!(format!("starrocks/{kind}-ubuntu:{version}"));
            }
        }
    }
}

#[test]
fn an_upgrade_restarts_the_pods_that_were_foretold_in_that_order() {
    let world = World::risen(spec("3.3.13", 3, 3, 2));
    let (mut after, told) = foretold(&world, to_release("3.5.9"));
    after.run_to_rest(900);
    let done = after.restarts();
    let told_pods = pods(&told);
    assert_eq!(told_pods.len(), done.len());
    // Who leads in the second hop is decided by the election after the first.
    assert_eq!(told_pods[..13], done[..13]);
    assert!(told_pods[13..].iter().all(|pod| pod.contains("-fe-")) && done[13..].iter().all(|pod| pod.contains("-fe-")));
    assert_eq!((told.from.unwrap().to_string(), told.to.unwrap().to_string()), ("3.3.13".into(), "3.5.9".into()));
    assert_eq!(codes(&told), Vec::<&str>::new());
    assert_eq!(told.restarts[0].reason(), "to 3.4.10");
}

#[test]
fn a_downgrade_is_foretold_with_its_frontends_first() {
    let world = World::risen(spec("3.5.9", 3, 2, 0));
    let (mut after, told) = foretold(&world, to_release("3.5.8"));
    after.run_to_rest(900);
    assert_eq!(pods(&told), after.restarts());
    assert_eq!(told.restarts[2].phase, Some(Phase::Leader));
}

#[test]
fn a_change_of_resources_restarts_one_component_and_says_which_fields() {
    let world = World::risen(spec("3.5.9", 3, 3, 1));
    let (mut after, told) = foretold(&world, |spec| spec["starRocksBeSpec"]["limits"] = json!({"cpu": "4"}));
    assert_eq!(pods(&told), ["kube-be-2", "kube-be-1", "kube-be-0"]);
    let first = &told.restarts[0];
    assert!(first.fields.iter().any(|field| field.contains("resources")), "{:?}", first.fields);
    assert_eq!((first.hop, first.to, told.restarts[1].starts_after_seconds), (None, None, first.seconds));
    after.run_to_rest(300);
    assert_eq!(pods(&told), after.restarts());
}

#[test]
fn another_repository_of_the_same_release_restarts_pods_too() {
    let world = World::risen(spec("3.5.9", 3, 1, 0));
    let (mut after, told) = foretold(&world, |spec| spec["starRocksFeSpec"]["image"] = json!("mirror/fe-ubuntu:3.5.9"));
    assert_eq!(pods(&told).len(), 3);
    assert!(told.restarts[0].reason().contains("containers[fe].image"), "{}", told.restarts[0].reason());
    after.run_to_rest(300);
    assert_eq!(pods(&told), after.restarts());
}

#[test]
fn a_change_of_release_and_of_resources_is_one_restart_with_both_reasons() {
    let world = World::risen(spec("3.5.8", 3, 2, 0));
    let (mut after, told) = foretold(&world, |spec| {
        to_release("3.5.9")(spec);
        spec["starRocksBeSpec"]["limits"] = json!({"cpu": "4"});
    });
    let reason = told.restarts[0].reason();
    assert!(reason.starts_with("to 3.5.9; ") && reason.contains("resources"), "{reason}");
    assert_eq!(told.restarts.last().unwrap().reason(), "to 3.5.9");
    after.run_to_rest(300);
    assert_eq!(pods(&told), after.restarts());
}

#[test]
fn compute_nodes_that_go_together_and_canaries_of_any_number_are_told_so() {
    let mut spec = spec("3.5.8", 3, 3, 5);
    spec["upgradePolicy"] = json!({"maxUnavailableComputeNodes": 2, "canary": {"nodes": 2}, "canarySoakSeconds": 60});
    let world = World::risen(spec);
    let (mut after, told) = foretold(&world, to_release("3.5.9"));
    let begins: Vec<u64> = told.restarts.iter().map(|restart| restart.starts_after_seconds).collect();
    assert_eq!(begins, [0, 36, 132, 168, 168, 198, 198, 228, 258, 300, 342]);
    assert_eq!(told.seconds, 384);
    after.run_to_rest(900);
    assert_eq!(pods(&told), after.restarts());
}

#[test]
fn a_changed_file_restarts_its_component_where_that_is_asked_for() {
    let mut world = super::configuration::risen(Some("Restart"));
    super::configuration::write(&mut world, "fe.conf", "a = 2\nfixed = 1\nJAVA_OPTS = -Xmx8g");
    let told = preview(&world.cluster(), &world.observe());
    assert_eq!(told.restarts.iter().map(Restart::reason).collect::<Vec<_>>(), ["fe.conf (a)"; 3]);
    world.run_until(300, |world, _| world.restarts().len() == 3);
    assert_eq!(pods(&told), world.restarts());
    let mut world = super::configuration::risen(Some("Live"));
    super::configuration::write(&mut world, "fe.conf", "a = 2\nfixed = 1\nJAVA_OPTS = -Xmx8g");
    let told = preview(&world.cluster(), &world.observe());
    assert_eq!(pods(&told), Vec::<&str>::new());
    assert!(told.others[0].starts_with("fe.conf (a): set in running nodes"), "{:?}", told.others);
}

#[test]
fn what_changes_no_pod_template_restarts_nothing() {
    let world = World::risen(spec("3.5.9", 3, 3, 0));
    let (_, told) = foretold(&world, |spec| spec["upgradePolicy"]["canarySoakSeconds"] = json!(5));
    assert_eq!((pods(&told).len(), told.seconds, codes(&told)), (0, 0, vec![]));
    let (_, told) = foretold(&world, |spec| spec["starRocksBeSpec"]["replicas"] = json!(1));
    assert_eq!(pods(&told), Vec::<&str>::new());
    assert_eq!(told.others, ["scaled in from 3 to 1: kube-be-2, kube-be-1 will leave, with all gates"]);
    let new = World::new(spec("3.5.9", 3, 3, 0));
    assert_eq!(pods(&preview(&new.cluster(), &new.observe())), Vec::<&str>::new());
}

#[test]
fn a_way_that_is_refused_restarts_nothing_and_says_why() {
    let world = World::risen(spec("4.0.17", 3, 3, 0));
    let (after, told) = foretold(&world, to_release("9.9.9"));
    assert_eq!((pods(&told).len(), codes(&told)), (0, vec!["SR-2208"]));
    let refused = refused_way(&after.cluster(), &world.observe()).unwrap();
    assert_eq!(refused.to_string(), told.gates[0].message);
    assert_eq!(refused_way(&world.cluster(), &world.observe()), None);
}

#[test]
fn where_no_release_was_ever_reported_none_is_guessed() {
    let mut world = World::new(spec("3.5.8", 3, 3, 0));
    let former = world.cluster();
    world.edit(to_release("3.5.9"));
    let told = preview(&world.cluster(), &as_described(&former, &StarRocksClusterStatus::default(), world.now));
    assert_eq!((pods(&told).len(), codes(&told)), (0, vec!["SR-2113"]));
}

#[test]
fn gates_are_told_with_their_codes() {
    let world = World::risen(spec("3.5.8", 1, 1, 0));
    let (_, told) = foretold(&world, |spec| {
        to_release("3.5.9")(spec);
        spec["upgradePolicy"] = json!({"approval": "PerHop", "paused": true, "backupRequired": true, "maintenanceWindows": [
            {"days": ["Mon"], "start": "00:00", "durationMinutes": 30}
        ]});
    });
    // 2026-11-18 is a Wednesday.
    assert_eq!(codes(&told), ["SR-2206", "SR-2220", "SR-2216", "SR-2207", "SR-2217"]);
    assert_eq!(pods(&told), ["kube-be-0", "kube-fe-0"], "what would happen is told all the same");
}

#[test]
fn in_the_middle_of_a_hop_only_what_is_left_is_foretold() {
    let world = World::risen(spec("3.5.8", 3, 3, 0));
    let former = world.cluster();
    let mut after = world.clone();
    after.edit(to_release("3.5.9"));
    after.run_until(300, |world, _| world.restarts().len() >= 2 && world.status.version.is_none());
    let status = after.status.clone();
    assert!(status.version.is_none(), "two releases run");
    let told = preview(&after.cluster(), &as_described(&former, &status, after.now));
    let seen = preview(&after.cluster(), &after.observe());
    let left = pods(&seen);
    assert!(left.len() < 6 && left.contains(&"kube-fe-0") && !left.contains(&"kube-be-2"), "{left:?}");
    assert!(!pods(&told).contains(&"kube-be-2"), "{:?}", pods(&told));
}

#[test]
fn the_pace_of_the_last_upgrade_is_the_pace_of_the_next() {
    let world = World::risen(spec("3.5.8", 3, 2, 0));
    let mut after = world.clone();
    after.edit(to_release("3.5.9"));
    let mut observed = world.observe();
    let record: Record = serde_json::from_value(json!({"name": "last", "uid": "u", "resourceVersion": "1", "generation": 1,
        "spec": {}, "status": {"secondsPerNode": 100}}))
    .unwrap();
    observed.records = Some(vec![record]);
    let told = preview(&after.cluster(), &observed);
    assert_eq!(told.seconds, 5 * 100 + after.cluster().policy.canary_soak.as_secs());
    assert!(told.pace.basis().contains("StarRocksUpgrade last"), "{}", told.pace.basis());
}

/// The table of docs/upgrades.md, as `simulate --critical-path` prints it.
#[test]
fn the_estimate_lies_within_a_seventh_of_what_was_measured() {
    let measured = [
        ("3.3.14", "3.5.20", [3, 3, 2], 746.0),
        ("3.3.22", "4.1.7", [3, 3, 2], 1620.0),
        ("3.4.10", "3.5.20", [3, 3, 0], 386.0),
        ("3.5.9", "3.5.20", [3, 3, 2], 346.0),
        ("4.0.17", "3.5.20", [3, 3, 0], 435.0),
    ];
    for (from, to, [frontends, backends, compute_nodes], seconds) in measured {
        let told = of_way(from, to, Topology { frontends, backends, compute_nodes });
        let ratio = f64::from(u32::try_from(told.seconds).unwrap()) / seconds;
        assert!((0.86..1.15).contains(&ratio), "{from} to {to}: {} s, measured {seconds} s", told.seconds);
    }
}

/// A way told from the resource and its status.
fn of_way(from: &str, to: &str, nodes: Topology) -> Preview {
    let Topology { frontends, backends, compute_nodes } = nodes;
    let mut world = World::new(spec(from, frontends, backends, compute_nodes));
    let former = world.cluster();
    world.edit(to_release(to));
    let status = StarRocksClusterStatus {
        version: Some(from.to_owned()),
        leader: Some("kube-fe-0".to_owned()),
        ..StarRocksClusterStatus::default()
    };
    preview(&world.cluster(), &as_described(&former, &status, Timestamp::from_seconds(1_795_000_000)))
}

/// The steps of the outline that restart a node: number, hop and phase of each.
fn outlined(from: Version, to: Version, nodes: &Topology) -> Vec<(u32, u32, Phase)> {
    let Ok(path) = ReleaseTable::embedded().path(&from, &to) else { return Vec::new() };
    let lines = outline(&path, nodes);
    let moves = |phase: Phase| matches!(phase, Phase::Canary | Phase::Backends | Phase::ComputeNodes | Phase::Followers | Phase::Leader);
    lines.into_iter().filter(|line| moves(line.phase)).map(|line| (line.number, line.hop, line.phase)).collect()
}

proptest! {
    #[test]
    fn previews_and_outlines_number_the_same_restarts(
        from in prop::sample::select(vec!["3.1.4", "3.3.13", "3.4.10", "3.5.1", "3.5.9", "4.0.17", "4.1.7"]),
        to in prop::sample::select(vec!["3.1.4", "3.3.13", "3.4.10", "3.5.1", "3.5.9", "4.0.17", "4.1.7"]),
        frontends in 1..5u32, backends in 0..5u32, compute_nodes in 0..4u32,
    ) {
        prop_assume!(backends + compute_nodes > 0);
        let nodes = Topology { frontends, backends, compute_nodes };
        let told = of_way(from, to, nodes);
        let numbered: Vec<(u32, u32, Phase)> =
            told.restarts.iter().map(|restart| (restart.step.unwrap(), restart.hop.unwrap(), restart.phase.unwrap())).collect();
        prop_assert_eq!(numbered, outlined(from.parse().unwrap(), to.parse().unwrap(), &nodes));
        let ends = told.restarts.iter().map(|restart| restart.starts_after_seconds + restart.seconds);
        prop_assert!(ends.max().unwrap_or(0) <= told.seconds);
        for restart in told.restarts.iter().filter(|restart| restart.component == Component::Frontend) {
            prop_assert!(restart.fields.is_empty(), "{:?}", restart.fields);
        }
    }
}
