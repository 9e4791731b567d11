//! The StarRocksUpgrade of an upgrade: what it tells, and what users say in it; windows, approval, the way back.

use std::time::Duration;

use serde_json::json;

use super::super::testing::{World, spec};
use crate::api::{DeclinedOutcome, OperationPhase};
use crate::model::observed::PodProblem;
use crate::model::record::{Cancel, CheckResult, StepState, UpgradePhase};
use crate::model::{FrontendSetting, Timestamp, WaitingOn};

fn asked(version: &str, policy: serde_json::Value) -> World {
    let mut spec = spec("3.3.13", 3, 3, 0);
    for (key, value) in policy.as_object().unwrap() {
        spec["upgradePolicy"][key] = value.clone();
    }
    let mut world = World::risen(spec);
    world.ask_for(version);
    world
}

fn waits_for(world: &World, code: &str) -> bool {
    world.status.blocked.iter().any(|blocked| blocked.code == code)
}

fn phase(world: &World) -> Option<OperationPhase> {
    world.status.operation.as_ref().map(|operation| operation.phase.clone())
}

/// Passes in which nothing may be restarted.
fn rest_of_the_day(world: &mut World, passes: usize) {
    let before = world.restarts().len();
    for _ in 0..passes {
        world.pass();
    }
    assert_eq!(world.restarts().len(), before);
}

#[test]
fn an_upgrade_is_explained_from_its_first_pass_to_its_end() {
    let mut world = asked("3.5.9", json!({}));
    world.pass();
    assert_eq!(world.records.as_ref().unwrap().len(), 1);
    let record = world.upgrade().clone();
    assert_eq!((record.spec.cluster.as_str(), record.spec.from.as_str(), record.spec.to.as_str()), ("kube", "3.3.13", "3.5.9"));
    assert_eq!(world.status.operation.as_ref().unwrap().record.as_ref(), Some(&record.name));
    world.run_until(200, |world, _| world.restarts().len() == 1);
    world.pass();
    let status = world.upgrade().status.clone();
    assert_eq!(status.phase, UpgradePhase::Canary);
    assert_eq!(
        status.path.iter().map(|hop| (hop.to.as_str(), hop.state.as_str())).collect::<Vec<_>>(),
        [("3.4.10", "Doing"), ("3.5.9", "Ahead")]
    );
    assert!(status.checks.len() >= 10 && status.checks.iter().all(|check| matches!(check.result, CheckResult::Pass | CheckResult::Warn)));
    assert_eq!(status.steps.iter().filter(|step| step.state == StepState::Doing).count(), 1);
    assert_eq!(status.rollback_to.as_deref(), Some("3.3.13"));
    world.run_to_rest(900);
    let record = world.upgrade().clone();
    assert_eq!(record.status.phase, UpgradePhase::Succeeded);
    assert!(record.status.steps.iter().all(|step| step.state == StepState::Done && step.finished_at.is_some()));
    assert!(record.status.seconds_per_node.is_some_and(|seconds| seconds > 10), "{:?}", record.status.seconds_per_node);
    let reasons: Vec<&str> = record.status.history.iter().map(|event| event.reason.as_str()).collect();
    for reason in ["Started", "Preparing", "Canary", "Rolling", "Verifying", "Succeeded"] {
        assert!(reasons.contains(&reason), "{reason} in {reasons:?}");
    }
    assert_eq!(world.records.as_ref().unwrap().len(), 1);
}

#[test]
fn where_the_kind_is_not_installed_upgrades_go_on_and_approval_says_what_is_missing() {
    let mut world = asked("3.5.9", json!({}));
    world.records = None;
    world.run_to_rest(900);
    assert_eq!(world.status.version.as_deref(), Some("3.5.9"));
    let mut world = asked("3.5.9", json!({"approval": "Once"}));
    world.records = None;
    rest_of_the_day(&mut world, 20);
    let blocked = world.status.blocked.iter().find(|blocked| blocked.code == "SR-2216").unwrap();
    assert!(blocked.message.contains("not installed"), "{}", blocked.message);
}

#[test]
fn a_deleted_explanation_is_made_again_and_stops_nothing() {
    let mut world = asked("3.4.10", json!({}));
    world.run_until(200, |world, _| world.restarts().len() == 2);
    let name = world.upgrade().name.clone();
    world.records = Some(Vec::new());
    world.run_to_rest(600);
    let again = world.upgrade().clone();
    assert_eq!((again.name.as_str(), again.status.phase.as_str()), (name.as_str(), "Succeeded"));
}

#[test]
fn nothing_is_touched_before_an_upgrade_is_approved() {
    let mut world = asked("3.5.9", json!({"approval": "Once"}));
    rest_of_the_day(&mut world, 30);
    assert_eq!(world.upgrade().status.phase, UpgradePhase::AwaitingApproval);
    assert_eq!(world.upgrade().status.approvals_needed, ["3.5.9"]);
    assert!(!world.log.iter().any(|line| line.contains("CONFIG") || line.contains("IMAGE")), "{:?}", world.log);
    world.upgrade().spec.approved = Some(true);
    world.run_to_rest(900);
    assert_eq!(world.status.version.as_deref(), Some("3.5.9"));
}

#[test]
fn answers_that_fail_to_come_stand_for_no_approval_and_no_image() {
    let mut world = asked("3.5.9", json!({"approval": "Once"}));
    rest_of_the_day(&mut world, 5);
    for _ in 0..3 {
        world.mute = true;
        rest_of_the_day(&mut world, 2);
        world.mute = false;
        rest_of_the_day(&mut world, 10);
    }
    assert_eq!(world.upgrade().status.phase, UpgradePhase::AwaitingApproval);
    assert!(!world.log.iter().any(|line| line.contains("CONFIG") || line.contains("IMAGE")), "{:?}", world.log);
    world.upgrade().spec.approved = Some(true);
    world.run_until(60, |world, _| phase(world) == Some(OperationPhase::Image));
    world.mute = true;
    world.pass();
    world.mute = false;
    world.pass();
    assert_eq!(phase(&world), Some(OperationPhase::Image));
    world.run_to_rest(900);
}

#[test]
fn each_hop_can_be_approved_for_itself() {
    let mut world = asked("3.5.9", json!({"approval": "PerHop"}));
    world.pass();
    world.pass();
    assert_eq!(world.upgrade().status.approvals_needed, ["3.4.10"]);
    world.upgrade().spec.approvals.push("3.4.10".to_owned());
    world.run_until(400, |world, _| world.restarts().len() == 6 && waits_for(world, "SR-2216"));
    rest_of_the_day(&mut world, 20);
    assert_eq!(world.upgrade().status.approvals_needed, ["3.5.9"]);
    assert_eq!(
        world.setting("kube-fe-1", FrontendSetting::TabletSchedDisableBalance).as_deref(),
        Some("false"),
        "nothing is frozen meanwhile"
    );
    world.upgrade().spec.approvals.push("3.5.9".to_owned());
    world.run_to_rest(900);
    assert_eq!(world.status.version.as_deref(), Some("3.5.9"));
}

#[test]
fn each_component_can_be_approved_for_itself() {
    let mut world = asked("3.4.10", json!({"approval": "PerComponent"}));
    rest_of_the_day(&mut world, 20);
    assert_eq!(world.upgrade().status.approvals_needed, ["3.4.10/Backends"]);
    world.upgrade().spec.approvals.push("3.4.10/Backends".to_owned());
    world.run_until(400, |world, _| waits_for(world, "SR-2216"));
    rest_of_the_day(&mut world, 20);
    assert_eq!(world.restarts(), ["kube-be-2", "kube-be-1", "kube-be-0"]);
    assert_eq!(world.upgrade().status.approvals_needed, ["3.4.10/Frontends"]);
    world.upgrade().spec.approvals.push("3.4.10/Frontends".to_owned());
    world.run_to_rest(600);
    assert_eq!(world.status.version.as_deref(), Some("3.4.10"));
}

#[test]
fn a_walk_is_held_in_its_own_object_and_goes_on() {
    let mut world = asked("3.4.10", json!({}));
    world.run_until(200, |world, _| world.restarts().len() == 2);
    world.upgrade().spec.paused = Some(true);
    world.pass();
    rest_of_the_day(&mut world, 40);
    assert_eq!(world.upgrade().status.phase, UpgradePhase::Paused);
    world.upgrade().spec.paused = None;
    world.run_to_rest(600);
    assert_eq!(world.upgrade().status.phase, UpgradePhase::Succeeded);
}

#[test]
fn a_hop_begins_in_a_window_and_ends_when_it_must() {
    // Worlds begin on a Wednesday at 11:06 UTC.
    let window = json!({"maintenanceWindows": [{"days": ["Wed"], "start": "12:00", "durationMinutes": 1}]});
    let mut world = asked("3.5.9", window);
    let begun = world.now;
    world.pass();
    world.pass();
    assert_eq!(world.upgrade().status.phase, UpgradePhase::AwaitingWindow);
    let opens = world.cluster().policy.windows[0].opens_next(begun).unwrap();
    world.run_until(900, |world, _| !world.restarts().is_empty());
    assert!(world.now >= opens, "{} {opens}", world.now);
    // The window closes long before the hop ends, and the hop ends all the same; the next one waits for another week.
    world.run_until(400, |world, _| world.restarts().len() == 6 && waits_for(world, "SR-2217"));
    rest_of_the_day(&mut world, 20);
    world.now = world.cluster().policy.windows[0].opens_next(world.now).unwrap();
    world.run_to_rest(900);
    assert_eq!(world.status.version.as_deref(), Some("3.5.9"));
}

#[test]
fn a_hop_whose_window_closes_before_its_first_node_begins_anew_in_the_next() {
    let window = json!({"maintenanceWindows": [{"days": ["Wed"], "start": "12:00", "durationMinutes": 10}]});
    let mut world = asked("3.4.10", window);
    world.now = world.cluster().policy.windows[0].opens_next(world.now).unwrap();
    let frozen = |world: &World| world.status.operation.as_ref().is_some_and(|operation| !operation.saved_settings.is_empty());
    world.run_until(200, |world, _| frozen(world) && phase(world) == Some(OperationPhase::Freeze));
    world.advance(Duration::from_secs(3_600));
    rest_of_the_day(&mut world, 30);
    assert!(waits_for(&world, "SR-2217"), "{:?}", world.status.blocked);
    assert_eq!(phase(&world), Some(OperationPhase::Preflight));
    assert!(!frozen(&world), "what was frozen is back as it was");
    let images = |world: &World| world.log.iter().filter(|line| line.contains("CREATE IMAGE")).count();
    let before = images(&world);
    world.now = world.cluster().policy.windows[0].opens_next(world.now).unwrap();
    world.run_until(200, |world, _| !world.restarts().is_empty());
    assert!(images(&world) > before, "the former image does not reach what was done since");
    world.run_to_rest(900);
}

#[test]
fn a_hop_that_is_paused_before_its_first_node_freezes_nothing_meanwhile() {
    let mut world = asked("3.4.10", json!({}));
    world.run_until(200, |world, _| phase(world) == Some(OperationPhase::Freeze));
    world.pass();
    world.edit(|spec| spec["upgradePolicy"]["paused"] = json!(true));
    rest_of_the_day(&mut world, 20);
    assert_eq!(phase(&world), Some(OperationPhase::Preflight));
    assert_eq!(world.setting("kube-fe-1", FrontendSetting::TabletSchedDisableBalance).as_deref(), Some("false"));
    world.edit(|spec| spec["upgradePolicy"]["paused"] = json!(false));
    world.run_to_rest(900);
}

#[test]
fn a_rollout_of_the_same_release_waits_for_its_window_too_but_not_with_a_broken_pod() {
    let window = json!({"maintenanceWindows": [{"days": ["Mon"], "start": "03:00", "durationMinutes": 60}]});
    let mut world = asked("3.3.13", window);
    world.edit(|spec| spec["starRocksBeSpec"]["limits"] = json!({"memory": "16Gi"}));
    rest_of_the_day(&mut world, 20);
    assert!(waits_for(&world, "SR-2217"), "{:?}", world.status.blocked);
    let problem = PodProblem { reason: "CrashLoopBackOff".to_owned(), message: "x".to_owned(), stuck: true };
    let pod = world.pods.get_mut("kube-be-1").unwrap();
    (pod.ready, pod.running, pod.problem) = (false, false, Some(problem));
    world.run_until(60, |world, _| world.restarts().contains(&"kube-be-1".to_owned()));
}

#[test]
fn stopped_before_the_first_node_nothing_happens_and_it_is_not_begun_again() {
    let mut world = asked("3.5.9", json!({"approval": "Once"}));
    world.pass();
    world.pass();
    world.upgrade().spec.cancel = Some(Cancel::StopHere);
    rest_of_the_day(&mut world, 30);
    assert_eq!(world.upgrade().status.phase, UpgradePhase::Cancelled);
    assert!(world.status.operation.is_none() && waits_for(&world, "SR-2218"));
    assert_eq!(world.status.version.as_deref(), Some("3.3.13"));
    // Another word in the resource is another wish.
    world.edit(|spec| spec["upgradePolicy"]["approval"] = json!("None"));
    world.run_to_rest(900);
    assert_eq!(world.status.version.as_deref(), Some("3.5.9"));
    assert_eq!(world.records.as_ref().unwrap().len(), 2);
}

#[test]
fn stopped_on_the_way_the_hop_is_finished_and_no_other_begun() {
    let mut world = asked("3.5.9", json!({}));
    world.run_until(200, |world, _| world.restarts().len() == 2);
    world.upgrade().spec.cancel = Some(Cancel::StopHere);
    world.run_until(400, |world, _| world.status.operation.is_none());
    rest_of_the_day(&mut world, 20);
    assert_eq!(world.restarts().len(), 6);
    assert_eq!(world.status.version.as_deref(), Some("3.4.10"));
    assert_eq!(world.upgrade().status.phase, UpgradePhase::Cancelled);
    let declined = world.status.declined_upgrade.clone().unwrap();
    assert_eq!((declined.to.as_str(), declined.outcome), ("3.5.9", DeclinedOutcome::Stopped));
    assert_eq!(world.setting("kube-fe-1", FrontendSetting::TabletSchedDisableBalance).as_deref(), Some("false"));
}

#[test]
fn rolled_back_from_the_backends_every_node_runs_what_it_ran() {
    let mut world = asked("3.4.10", json!({}));
    world.run_until(200, |world, _| world.restarts().len() == 2);
    world.upgrade().spec.cancel = Some(Cancel::RollBack);
    world.run_until(400, |world, _| world.status.operation.is_none());
    rest_of_the_day(&mut world, 20);
    assert!(world.restarts().iter().all(|pod| pod.starts_with("kube-be")), "{:?}", world.restarts());
    assert_eq!(world.status.version.as_deref(), Some("3.3.13"));
    assert_eq!(world.upgrade().status.phase, UpgradePhase::RolledBack);
    assert_eq!(world.records.as_ref().unwrap().len(), 1, "it is the same walk");
    assert!(waits_for(&world, "SR-2218"));
    assert_eq!(world.setting("kube-fe-1", FrontendSetting::TabletSchedDisableBalance).as_deref(), Some("false"));
    world.ask_for("3.3.13");
    world.run_to_rest(100);
    assert_eq!(world.status.phase, "running");
    assert_eq!(world.status.declined_upgrade, None);
}

#[test]
fn rolled_back_with_frontends_on_both_releases_it_goes_back_in_the_order_of_a_downgrade() {
    let mut world = asked("3.4.10", json!({}));
    world.run_until(300, |world, _| world.restarts().len() == 5);
    assert_eq!(world.restarts()[3..], ["kube-fe-2", "kube-fe-1"]);
    world.upgrade().spec.cancel = Some(Cancel::RollBack);
    world.run_until(500, |world, _| world.status.operation.is_none());
    assert_eq!(world.status.version.as_deref(), Some("3.3.13"));
    let back = world.restarts()[5..].to_vec();
    let first_backend = back.iter().position(|pod| pod.starts_with("kube-be")).unwrap();
    assert!(
        back[..first_backend].iter().all(|pod| pod.starts_with("kube-fe"))
            && back[first_backend..].iter().all(|pod| pod.starts_with("kube-be")),
        "{back:?}"
    );
    assert_eq!(world.upgrade().status.phase, UpgradePhase::RolledBack);
}

#[test]
fn a_canary_that_does_not_come_back_is_taken_back_without_being_asked() {
    let mut world = asked("3.4.10", json!({"onFailure": "RollBack"}));
    world.run_until(200, |world, _| world.restarts().len() == 1);
    world.sick.insert("kube-be-2".to_owned());
    world.kill("kube-be-2");
    world.run_until(300, |world, _| world.status.operation.as_ref().is_some_and(|operation| operation.turn_back == Some(true)));
    assert_eq!(world.restarts().len(), 1);
    world.sick.clear();
    world.run_until(400, |world, _| world.status.operation.is_none());
    assert_eq!(world.status.version.as_deref(), Some("3.3.13"));
    assert_eq!(world.upgrade().status.phase, UpgradePhase::RolledBack);
    assert!(world.restarts().iter().all(|pod| pod.starts_with("kube-be")));
}

#[test]
fn nobody_is_asked_about_the_way_back_of_one_hop_only() {
    let mut world = asked("3.5.9", json!({"onFailure": "RollBack"}));
    world.run_until(600, |world, _| world.restarts().len() == 7);
    world.sick.insert("kube-be-2".to_owned());
    world.kill("kube-be-2");
    world.run_until(300, |world, _| world.status.operation.as_ref().is_some_and(|operation| operation.turn_back == Some(true)));
    world.sick.clear();
    world.run_until(400, |world, _| world.status.operation.is_none());
    assert_eq!(world.status.version.as_deref(), Some("3.4.10"), "no frontend goes back unasked");
    assert_eq!(world.restarts()[7..], ["kube-be-2"]);
    world.pass();
    assert!(waits_for(&world, "SR-2218"));
}

#[test]
fn by_default_a_canary_that_does_not_come_back_stops_the_walk_and_waits_for_a_person() {
    let mut world = asked("3.4.10", json!({}));
    world.run_until(200, |world, _| world.restarts().len() == 1);
    world.sick.insert("kube-be-2".to_owned());
    world.kill("kube-be-2");
    world.run_until(300, |world, _| waits_for(world, "SR-2211"));
    rest_of_the_day(&mut world, 20);
    assert_eq!(world.upgrade().status.phase, UpgradePhase::Blocked);
}

#[test]
fn a_way_back_that_the_table_does_not_know_is_refused_and_nothing_is_touched() {
    let mut world = World::risen(spec("2.5.20", 3, 3, 0));
    world.ask_for("3.0.9");
    world.run_until(300, |world, _| world.restarts().len() == 4);
    assert!(
        world.upgrade().status.point_of_no_return.as_ref().is_some_and(|text| text.contains("SR-1006")),
        "{:?}",
        world.upgrade().status.point_of_no_return
    );
    world.upgrade().spec.cancel = Some(Cancel::RollBack);
    world.pass();
    rest_of_the_day(&mut world, 20);
    assert!(waits_for(&world, "SR-2219"));
    world.upgrade().spec.cancel = None;
    world.run_to_rest(600);
    assert_eq!(world.status.version.as_deref(), Some("3.0.9"));
}

#[test]
fn a_required_backup_holds_an_upgrade_back() {
    let mut world = asked("3.4.10", json!({"backupRequired": true}));
    rest_of_the_day(&mut world, 20);
    assert!(waits_for(&world, "SR-2220"));
    let blocks =
        |world: &mut World| world.upgrade().status.checks.iter().any(|check| check.name == "Backup" && check.result == CheckResult::Block);
    assert!(blocks(&mut world));
}

#[test]
fn an_operator_that_dies_after_any_change_finishes_a_rollback() {
    let mut world = asked("3.4.10", json!({}));
    world.run_until(300, |world, _| world.restarts().len() == 4);
    world.upgrade().spec.cancel = Some(Cancel::RollBack);
    for _ in 0..3_000 {
        world.pass_of_one_change();
        if world.status.operation.is_none() && world.status.declined_upgrade.is_some() {
            break;
        }
    }
    world.run_until(30, |world, _| world.status.version.as_deref() == Some("3.3.13"));
}

#[test]
fn of_walks_that_are_over_the_last_ten_are_kept() {
    let mut world = World::risen(spec("3.5.1", 3, 2, 0));
    for patch in 2..=14 {
        world.ask_for(&format!("3.5.{patch}"));
        world.run_to_rest(400);
    }
    assert_eq!(world.records.as_ref().unwrap().len(), 10);
    assert_eq!(world.upgrade().spec.to, "3.5.14");
}

#[test]
fn while_a_walk_waits_its_status_rests() {
    let mut world = asked("3.5.9", json!({"approval": "Once"}));
    world.pass();
    world.pass();
    world.pass();
    let before = world.upgrade().clone();
    for _ in 0..20 {
        let decision = world.pass();
        assert_eq!(decision.steps, []);
        assert!(matches!(decision.waiting_on.as_slice(), [WaitingOn::ApprovalNeeded { .. }]));
    }
    assert_eq!(*world.upgrade(), before);
    assert_eq!(world.status.operation.as_ref().unwrap().phase, OperationPhase::Preflight);
    assert!(Timestamp::parse(before.status.started_at.as_deref().unwrap()).is_some());
}
