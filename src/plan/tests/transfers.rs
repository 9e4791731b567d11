//! Leaders that hand their lead over before they restart: where the release knows how, once or twice, and never in the way of the restart.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::plan;
use super::super::testing::{World, spec};
use crate::model::{Decision, Refusal, Request, Statement, Step, WaitingOn};
use crate::release::{Catalog, CatalogSource, Range, Release, State, Version};

/// A cluster at rest whose operator knows of a line with leader transfer.
pub(in super::super) fn of_next_line(spec: Value) -> World {
    let release = |patch, leader_transfer| Release {
        upgrade_from: Range::parse(">=4.1.5 <4.3.0").ok(),
        downgrade_to: Range::parse(">=4.1.5 <4.2.2").ok(),
        leader_transfer,
        ..Release::new(Version::new(4, 2, patch), State::Available)
    };
    let source = CatalogSource { releases: vec![release(0, Some(true)), release(1, None)], ..CatalogSource::default() };
    let merged = Catalog::merged(&BTreeMap::from([("next".to_owned(), source)]));
    assert!(merged.faults.is_empty(), "{:?}", merged.faults);
    let mut world = World::new(spec);
    world.releases = Arc::new(merged.catalog);
    world.run_to_rest(200);
    world.log.clear();
    world
}

pub(in super::super) fn is_transfer(step: &Step) -> bool {
    matches!(step, Step::Execute { statement: Statement::TransferLeader { .. }, .. })
}

/// Restarts of frontends and transfers, in order.
fn told(world: &World) -> Vec<String> {
    let brief = |line: &String| match line.strip_prefix("hand the lead over on ") {
        Some(rest) => {
            let (from, to) = rest.split_once(": ALTER SYSTEM TRANSFER LEADER TO \"")?;
            Some(format!("{from} to {}", to.split('.').next()?))
        }
        None => line.strip_prefix("restart ")?.split(' ').next().filter(|pod| pod.starts_with("kube-fe")).map(str::to_owned),
    };
    world.log.iter().filter_map(brief).collect()
}

fn waits(decision: &Decision) -> bool {
    decision.waiting_on.iter().any(|wait| matches!(wait, WaitingOn::LeaderTransfer(_)))
}

fn walked(mut world: World, to: &str) -> Vec<String> {
    world.ask_for(to);
    world.run_to_rest(900);
    assert_eq!(world.status.version.as_deref(), Some(to));
    told(&world)
}

/// A cluster on 4.2.0 whose last outdated frontend is the leader, which was just asked.
fn asked() -> (World, Decision) {
    let mut world = of_next_line(spec("4.2.0", 3, 2, 0));
    world.keeps_lead = true;
    world.ask_for("4.2.1");
    let decision = world.run_until(200, |_, decision| decision.steps.iter().any(is_transfer));
    (world, decision)
}

#[test]
fn the_leader_hands_its_lead_over_and_restarts_as_a_follower() {
    let order = ["kube-fe-2", "kube-fe-1", "kube-fe-0 to kube-fe-1", "kube-fe-0"];
    assert_eq!(walked(of_next_line(spec("4.2.0", 3, 2, 0)), "4.2.1"), order);
    assert_eq!(walked(of_next_line(spec("4.2.1", 3, 2, 0)), "4.2.0"), order, "on the way back as well");
    let mut world = of_next_line(spec("4.2.0", 3, 2, 0));
    world.edit(|spec| spec["starRocksFeSpec"]["limits"] = json!({"memory": "16Gi"}));
    world.run_to_rest(300);
    assert_eq!(told(&world), order, "without another release as well");
    assert_eq!(world.leader.as_deref(), Some("kube-fe-1"));
}

#[test]
fn what_the_leader_runs_decides_and_lines_are_not_mixed() {
    let plain = ["kube-fe-2", "kube-fe-1", "kube-fe-0"];
    assert_eq!(walked(of_next_line(spec("4.1.7", 3, 2, 0)), "4.2.1"), plain, "4.1 does not know the statement");
    assert_eq!(walked(of_next_line(spec("4.2.1", 3, 2, 0)), "4.1.7"), plain, "a follower would read the journal of another line");
    assert_eq!(walked(World::risen(spec("4.1.6", 3, 2, 0)), "4.1.7"), plain);
}

#[test]
fn without_a_majority_beside_the_leader_it_is_not_asked() {
    let mut spec = spec("4.2.0", 1, 2, 0);
    spec["upgradePolicy"]["consents"] = json!(["SingleFrontendOutage"]);
    assert_eq!(walked(of_next_line(spec.clone()), "4.2.1"), ["kube-fe-0"]);
    spec["starRocksFeSpec"]["replicas"] = json!(2);
    assert_eq!(walked(of_next_line(spec), "4.2.1"), ["kube-fe-1", "kube-fe-0"]);
}

#[test]
fn in_shared_data_no_leader_is_asked() {
    let mut spec = spec("4.2.0", 3, 0, 2);
    spec["starRocksFeSpec"]["configMapInfo"] = json!({"configMapName": "conf-fe", "resolveKey": "fe.conf"});
    let mut world = World::new(spec.clone());
    world.files.insert("fe.conf".to_owned(), "run_mode = shared_data".to_owned());
    world.releases = of_next_line(super::super::testing::spec("4.2.0", 1, 1, 0)).releases;
    world.run_to_rest(300);
    world.log.clear();
    assert_eq!(walked(world, "4.2.1"), ["kube-fe-2", "kube-fe-1", "kube-fe-0"]);
}

#[test]
fn a_leader_that_keeps_its_lead_is_asked_twice_and_then_restarted_as_it_is() {
    let (mut world, first) = asked();
    assert!(waits(&first) && first.notices.iter().any(|notice| notice.reason == "TransferringLeader"));
    let begun = world.now;
    let last = world.run_until(60, |_, decision| decision.notices.iter().any(|notice| notice.reason == "LeaderNotTransferred"));
    assert!(last.steps.iter().any(|step| matches!(step, Step::RestartPod { pod, .. } if pod == "kube-fe-0")));
    assert!((60..=90).contains(&world.now.since(begun).as_secs()), "{}", world.now.since(begun).as_secs());
    world.run_to_rest(300);
    assert_eq!(told(&world), ["kube-fe-2", "kube-fe-1", "kube-fe-0 to kube-fe-1", "kube-fe-0 to kube-fe-1", "kube-fe-0"]);
}

#[test]
fn a_leader_that_refuses_is_restarted_at_once() {
    let (world, decision) = asked();
    let step = decision.steps.iter().find(|step| is_transfer(step)).unwrap();
    let refusal = Refusal {
        request: Request::of(step).unwrap(),
        content: String::new(),
        reason: "Refused".to_owned(),
        words: "Unexpected input 'TRANSFER'".to_owned(),
        refusals: 1,
        again: world.now,
    };
    let mut observed = world.observe();
    observed.refusals = vec![refusal];
    let next = plan(&world.cluster(), &observed);
    assert!(next.steps.iter().any(|step| matches!(step, Step::RestartPod { pod, .. } if pod == "kube-fe-0")), "{next:#?}");
    let told = next.notices.iter().find(|notice| notice.reason == "LeaderNotTransferred").unwrap();
    assert!(told.warning && told.message.contains("Unexpected input"), "{told:?}");
    // An operator that dies now has forgotten the words, and does not ask again all the same.
    observed.refusals.clear();
    observed.status = next.status;
    let again = plan(&world.cluster(), &observed);
    assert!(!again.steps.iter().any(is_transfer));
}

#[test]
fn an_operator_that_dies_before_the_statement_or_after_every_change_comes_to_the_end() {
    let mut world = of_next_line(spec("4.2.0", 3, 2, 0));
    world.ask_for("4.2.1");
    while !plan(&world.cluster(), &world.observe()).steps.iter().any(is_transfer) {
        world.pass();
    }
    world.interrupted_pass(0);
    assert!(told(&world).iter().all(|line| !line.contains(" to ")));
    let mark = world.status.operation.as_ref().and_then(|operation| operation.leader_transfer.clone()).unwrap();
    assert_eq!((mark.pod.as_str(), mark.to.as_str(), mark.attempts), ("kube-fe-0", "kube-fe-1", 1));
    world.run_to_rest(300);
    assert_eq!(told(&world), ["kube-fe-2", "kube-fe-1", "kube-fe-0 to kube-fe-1", "kube-fe-0"]);

    let mut world = of_next_line(spec("4.2.0", 3, 2, 0));
    world.ask_for("4.2.1");
    for _ in 0..600 {
        world.pass_of_one_change();
    }
    assert_eq!(world.status.operation, None);
    assert_eq!(told(&world).last().map(String::as_str), Some("kube-fe-0"));
    assert!(world.status.version.as_deref() == Some("4.2.1"));
}

#[test]
fn paused_nothing_is_asked_and_the_memory_goes_with_the_pod() {
    let mut world = of_next_line(spec("4.2.0", 3, 2, 0));
    world.ask_for("4.2.1");
    world.run_until(200, |world, _| told(world).len() == 2);
    world.edit(|spec| spec["upgradePolicy"]["paused"] = json!(true));
    for _ in 0..30 {
        world.pass();
    }
    assert_eq!(told(&world), ["kube-fe-2", "kube-fe-1"]);
    world.edit(|spec| spec["upgradePolicy"]["paused"] = json!(false));
    world.run_until(60, |world, _| told(world).len() == 4);
    world.pass();
    assert_eq!(world.status.operation.as_ref().and_then(|operation| operation.leader_transfer.clone()), None);
}

#[test]
fn what_is_foretold_says_that_the_lead_is_handed_over() {
    let hands_over = |world: &World, to: &str| {
        let mut after = world.clone();
        after.ask_for(to);
        let told = super::super::preview(&after.cluster(), &world.observe());
        told.restarts.iter().filter(|restart| restart.hands_over).map(|restart| restart.reason()).collect::<Vec<_>>()
    };
    assert_eq!(hands_over(&of_next_line(spec("4.2.0", 3, 2, 0)), "4.2.1"), ["to 4.2.1; it hands its lead over first"]);
    assert_eq!(hands_over(&of_next_line(spec("4.1.7", 3, 2, 0)), "4.2.1"), [""; 0]);
    assert_eq!(hands_over(&World::risen(spec("4.1.6", 3, 2, 0)), "4.1.7"), [""; 0]);
}
