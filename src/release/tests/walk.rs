//! The outline of a walk: order of nodes and settings for upgrades, downgrades and patches.

use super::super::{Frame, OutlineStep, Phase, Topology, outline};
use super::path;

const CLUSTER: Topology = Topology { frontends: 3, backends: 3, compute_nodes: 2 };

fn walk(from: &str, to: &str, topology: Topology) -> Vec<OutlineStep> {
    outline(&path(from, to).unwrap(), &topology)
}

/// Phases of a hop in order of appearance, without repetition.
fn phases(steps: &[OutlineStep], hop: u32) -> Vec<Phase> {
    let mut phases: Vec<Phase> = steps.iter().filter(|step| step.hop == hop).map(|step| step.phase).collect();
    phases.dedup();
    phases
}

#[test]
fn an_upgrade_rolls_data_nodes_before_frontends_and_the_leader_last() {
    let steps = walk("3.3.11", "3.5.9", CLUSTER);
    let expected = [
        Phase::Preflight,
        Phase::Image,
        Phase::Freeze,
        Phase::Canary,
        Phase::Backends,
        Phase::ComputeNodes,
        Phase::Followers,
        Phase::Leader,
        Phase::Thaw,
        Phase::Finish,
    ];
    assert_eq!(phases(&steps, 1), expected[..9]);
    assert_eq!(phases(&steps, 2), expected);
    assert_eq!(steps.iter().filter(|step| step.hop == 1 && step.phase == Phase::Backends).count(), 2);
    assert_eq!(steps.iter().filter(|step| step.hop == 1 && step.phase == Phase::ComputeNodes).count(), 2);
    assert!(steps.iter().any(|step| step.hop == 2 && step.rule_code == "SR-1218"));
}

#[test]
fn a_downgrade_rolls_frontends_before_data_nodes() {
    let steps = walk("4.0.17", "3.5.20", CLUSTER);
    let phases = phases(&steps, 1);
    let place = |phase| phases.iter().position(|other| *other == phase).unwrap();
    assert!(place(Phase::Followers) < place(Phase::Leader));
    assert!(place(Phase::Leader) < place(Phase::Canary));
    assert!(place(Phase::Canary) < place(Phase::Backends));
    assert!(steps.iter().any(|step| step.text.contains("By you, before: ignore_unknown_log_id = true in fe.conf")));
}

#[test]
fn a_patch_hop_freezes_nothing() {
    let steps = walk("3.5.3", "3.5.20", CLUSTER);
    assert!(!phases(&steps, 1).contains(&Phase::Freeze));
    assert!(steps.iter().all(|step| !step.text.contains("tablet_sched")));
}

#[test]
fn settings_are_saved_before_they_are_set_and_put_back_at_the_end() {
    let steps = walk("3.5.20", "4.0.17", CLUSTER);
    let freeze: Vec<&str> = steps.iter().filter(|step| step.phase == Phase::Freeze).map(|step| step.text.as_str()).collect();
    assert!(freeze[0].starts_with("Save the present values"));
    assert_eq!(freeze.iter().filter(|text| text.starts_with("ADMIN SET FRONTEND CONFIG")).count(), 5);
    assert!(steps.iter().all(|step| !step.text.contains("and the same in fe.conf")));
    let thaw: Vec<&str> = steps.iter().filter(|step| step.phase == Phase::Thaw).map(|step| step.text.as_str()).collect();
    assert!(thaw[0].contains("disable_balance") && thaw[0].contains("checkpoint_only_on_leader"));
}

#[test]
fn shared_data_takes_a_compute_node_as_canary_and_one_frontend_needs_consent() {
    let steps = walk("3.5.20", "4.0.17", Topology { frontends: 1, backends: 0, compute_nodes: 3 });
    assert!(steps.iter().any(|step| step.phase == Phase::Canary && step.text.starts_with("Compute node 1 of 3")));
    assert!(!phases(&steps, 1).contains(&Phase::Backends) && !phases(&steps, 1).contains(&Phase::Followers));
    assert!(steps.iter().any(|step| step.rule_code == "SR-1303"));
}

#[test]
fn before_2_5_3_the_walk_says_that_it_ends_at_the_image() {
    let steps = walk("2.4.5", "2.5.22", CLUSTER);
    assert!(steps.iter().any(|step| step.phase == Phase::Image && step.text.contains("goes no further")));
}

#[test]
fn steps_are_numbered_without_gaps_and_as_the_frames_of_the_hops_say() {
    let nodes = CLUSTER.frontends + CLUSTER.backends + CLUSTER.compute_nodes;
    for (from, to) in [("3.3.11", "3.5.9"), ("3.5.3", "3.5.20"), ("4.0.17", "3.5.20"), ("3.5.20", "3.5.15")] {
        let path = path(from, to).unwrap();
        let steps = outline(&path, &CLUSTER);
        let mut numbers: Vec<u32> = steps.iter().map(|step| step.number).collect();
        numbers.dedup();
        let frames: Vec<Frame> = path.hops.iter().map(|hop| Frame::of(hop, &CLUSTER)).collect();
        let total = frames.iter().map(Frame::steps).sum::<u32>() + 1;
        assert_eq!(numbers, (1..=total).collect::<Vec<_>>(), "{from} to {to}");
        let thaw = steps.iter().find(|step| step.phase == Phase::Thaw).unwrap();
        assert_eq!(thaw.number, frames[0].first_node() + nodes);
        let first = steps.iter().find(|step| step.text.contains(" 1 of ")).unwrap();
        assert_eq!(first.number, frames[0].first_node());
        let of = |phase| steps.iter().find(|step| step.hop == 1 && step.phase == phase).map(|step| step.number);
        assert_eq!((of(Phase::Image), of(Phase::Freeze)), (frames[0].image(), frames[0].freeze()));
    }
}

#[test]
fn conditions_stand_where_they_can_hold() {
    let steps = walk("3.3.8", "3.2.7", CLUSTER);
    let place = |code: &str| steps.iter().position(|step| step.rule_code == code).unwrap();
    let forget = steps.iter().position(|step| step.text.contains("history_job_keep_max_second")).unwrap();
    assert!(place("SR-1211") < forget && forget < place("SR-1212") && place("SR-1212") < place("SR-1305"));
    assert!(!steps.iter().any(|step| step.phase == Phase::Freeze && step.text.contains("history_job_keep_max_second")));
    let steps = walk("2.5.22", "3.0.9", CLUSTER);
    let grants = steps.iter().find(|step| step.rule_code == "SR-1203").unwrap();
    assert_eq!(grants.phase, Phase::Thaw);
}

#[test]
fn a_large_cluster_is_told_in_few_lines() {
    let steps = walk("3.5.20", "4.0.17", Topology { frontends: 3, backends: u32::MAX, compute_nodes: 0 });
    assert!(steps.len() < 80);
    assert!(steps.iter().any(|step| step.text.starts_with("Backends 33 to 4294967295 of 4294967295 to 4.0.17, one at a time")));
}

#[test]
fn the_demo_walk_reads_as_agreed() {
    let text: Vec<String> = walk("3.3.11", "3.5.9", CLUSTER)
        .iter()
        .map(|step| format!("{:>2} hop {} [{}] {}", step.number, step.hop, step.rule_code, step.text))
        .collect();
    insta::assert_snapshot!(text.join("\n"));
}
