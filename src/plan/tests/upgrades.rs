//! Upgrades and downgrades, walked to their end and interrupted on the way.

use serde_json::{Value, json};

use super::super::testing::{World, spec};
use crate::api::OperationPhase;
use crate::model::observed::PodProblem;
use crate::model::record::UpgradeCheck;
use crate::model::{FrontendSetting, Statement, Step, WaitingOn};

/// Only what tells the order: restarts and statements, runs of the same text once.
fn told(world: &World) -> Vec<String> {
    let mut told: Vec<String> = world
        .log
        .iter()
        .filter(|line| !line.starts_with("apply"))
        .map(|line| line.split(" on kube").next().unwrap_or(line).to_owned())
        .collect();
    told.dedup();
    told
}

#[test]
fn two_hops_go_nodes_first_then_followers_then_the_leader() {
    let mut world = World::risen(spec("3.3.13", 3, 3, 2));
    world.ask_for("3.5.9");
    world.run_to_rest(900);
    let round = ["kube-be-2", "kube-be-1", "kube-be-0", "kube-cn-1", "kube-cn-0"];
    let restarts = world.restarts();
    assert_eq!(restarts.len(), 16, "{restarts:?}");
    assert_eq!(restarts[..5], round);
    assert_eq!(restarts[5..8], ["kube-fe-2", "kube-fe-1", "kube-fe-0"]);
    assert_eq!(restarts[8..13], round);
    let leader_last = restarts[15].clone();
    assert!(restarts[13..15].iter().all(|pod| *pod != leader_last));
    assert_eq!(world.status.version.as_deref(), Some("3.5.9"));
    let last = world.status.last_upgrade.clone().unwrap();
    assert_eq!((last.from.as_str(), last.to.as_str()), ("3.3.13", "3.5.9"));
    for pod in ["kube-fe-0", "kube-fe-1", "kube-fe-2"] {
        assert_eq!(world.setting(pod, FrontendSetting::TabletSchedDisableBalance).as_deref(), Some("false"));
        assert_eq!(world.setting(pod, FrontendSetting::TabletSchedMaxSchedulingTablets).as_deref(), Some("10000"));
    }
    let told = told(&world);
    assert_eq!(told.iter().filter(|line| line.contains("metadata image")).count(), 3, "{told:#?}");
}

#[test]
fn a_patch_neither_freezes_nor_makes_images() {
    let mut world = World::risen(spec("3.5.8", 3, 2, 0));
    world.ask_for("3.5.9");
    world.run_to_rest(300);
    assert!(!world.log.iter().any(|line| line.contains("CONFIG") || line.contains("IMAGE")));
    assert_eq!(world.restarts(), ["kube-be-1", "kube-be-0", "kube-fe-2", "kube-fe-1", "kube-fe-0"]);
}

#[test]
fn settings_are_saved_as_they_were_and_put_back_so() {
    let mut world = World::risen(spec("3.4.10", 3, 2, 0));
    for pod in ["kube-fe-0", "kube-fe-1", "kube-fe-2"] {
        world.set(pod, FrontendSetting::TabletSchedMaxSchedulingTablets, "77");
    }
    world.ask_for("3.5.9");
    world.run_until(200, |world, _| world.status.operation.as_ref().is_some_and(|operation| !operation.saved_settings.is_empty()));
    assert!(!world.log.iter().any(|line| line.contains("FRONTEND CONFIG")), "saved before changed");
    assert_eq!(world.status.operation.as_ref().unwrap().saved_settings["tablet_sched_max_scheduling_tablets"], "77");
    world.run_until(200, |world, _| world.restarts().len() == 1);
    assert_eq!(world.setting("kube-fe-1", FrontendSetting::TabletSchedMaxSchedulingTablets).as_deref(), Some("0"));
    world.run_to_rest(600);
    assert_eq!(world.setting("kube-fe-1", FrontendSetting::TabletSchedMaxSchedulingTablets).as_deref(), Some("77"));
    assert!(world.status.operation.is_none());
}

#[test]
fn a_frontend_that_lost_the_freeze_gets_it_again_before_the_next_restart() {
    let mut world = World::risen(spec("3.4.10", 3, 3, 0));
    world.ask_for("3.5.9");
    world.run_until(300, |world, _| world.restarts().len() == 1);
    world.kill("kube-fe-1");
    world.run_until(60, |world, _| world.restarts().len() == 2);
    assert_eq!(world.setting("kube-fe-1", FrontendSetting::TabletSchedDisableBalance).as_deref(), Some("true"));
    world.run_to_rest(600);
}

#[test]
fn leadership_that_moves_midway_changes_the_order() {
    let mut world = World::risen(spec("3.5.8", 3, 1, 0));
    world.edit(|spec| spec["upgradePolicy"]["consents"] = json!(["SingleReplicaTables"]));
    world.ask_for("3.5.9");
    world.run_until(200, |world, _| world.restarts().last().is_some_and(|pod| pod == "kube-fe-2"));
    world.leader = Some("kube-fe-1".to_owned());
    world.run_to_rest(300);
    let restarts = world.restarts();
    assert_eq!(restarts[restarts.len() - 2..], ["kube-fe-0", "kube-fe-1"]);
}

#[test]
fn the_former_release_midway_rolls_back_what_was_touched_and_thaws() {
    let mut world = World::risen(spec("3.4.10", 3, 3, 0));
    world.ask_for("3.5.9");
    world.run_until(300, |world, _| world.restarts().len() == 2);
    world.ask_for("3.4.10");
    world.run_to_rest(600);
    assert_eq!(world.status.version.as_deref(), Some("3.4.10"));
    assert!(!world.restarts().iter().any(|pod| pod.starts_with("kube-fe")), "{:?}", world.restarts());
    assert_eq!(world.setting("kube-fe-0", FrontendSetting::TabletSchedDisableBalance).as_deref(), Some("false"));
}

#[test]
fn the_former_release_after_a_frontend_moved_goes_frontends_first() {
    let mut world = World::risen(spec("3.4.10", 3, 2, 0));
    world.ask_for("3.5.9");
    world.run_until(400, |world, _| world.restarts().last().is_some_and(|pod| pod == "kube-fe-2"));
    world.log.clear();
    world.ask_for("3.4.10");
    world.run_to_rest(600);
    assert_eq!(world.restarts(), ["kube-fe-2", "kube-be-1", "kube-be-0"]);
    assert_eq!(world.status.version.as_deref(), Some("3.4.10"));
}

#[test]
fn a_downgrade_takes_the_frontends_first() {
    let mut world = World::risen(spec("3.5.9", 3, 2, 0));
    world.ask_for("3.4.10");
    world.run_to_rest(600);
    assert_eq!(world.restarts(), ["kube-fe-2", "kube-fe-1", "kube-fe-0", "kube-be-1", "kube-be-0"]);
}

#[test]
fn a_way_back_from_3_3_has_schema_changes_forgotten_before_the_image_is_made() {
    let mut world = World::risen(spec("3.3.13", 3, 2, 0));
    world.schema_changes = 3;
    world.ask_for("3.2.11");
    let asks = |step: &Step| matches!(step, Step::Execute { statement: Statement::CreateImage, .. });
    world.run_until(200, |world, decision| {
        let told = decision.waiting_on.iter().any(|wait| matches!(wait, WaitingOn::SchemaChangesRemembered { .. }));
        assert!(!decision.steps.iter().any(asks) || world.schema_changes == 0, "3.2 cannot read {} of them", world.schema_changes);
        told
    });
    assert_eq!(world.setting("kube-fe-1", FrontendSetting::HistoryJobKeepMaxSecond).as_deref(), Some("0"));
    world.run_to_rest(600);
    let place = |what: &str| world.log.iter().position(|line| line.contains(what)).expect("it was done");
    assert!(
        place("history_job_keep_max_second") < place("CREATE IMAGE") && place("CREATE IMAGE") < place("tablet_sched"),
        "{:#?}",
        world.log
    );
    assert_eq!(world.status.version.as_deref(), Some("3.2.11"));
    for pod in ["kube-fe-0", "kube-fe-1", "kube-fe-2"] {
        assert_eq!(world.setting(pod, FrontendSetting::HistoryJobKeepMaxSecond).as_deref(), Some("604800"));
    }
}

#[test]
fn a_way_back_that_is_given_up_before_the_image_leaves_no_setting_behind() {
    let mut world = World::risen(spec("3.3.13", 3, 2, 0));
    world.schema_changes = u64::MAX;
    world.ask_for("3.2.11");
    world.run_until(200, |_, decision| decision.waiting_on.iter().any(|wait| matches!(wait, WaitingOn::SchemaChangesRemembered { .. })));
    world.ask_for("3.3.13");
    world.run_to_rest(100);
    assert_eq!(world.setting("kube-fe-0", FrontendSetting::HistoryJobKeepMaxSecond).as_deref(), Some("604800"));
    assert!(world.restarts().is_empty());
}

#[test]
fn a_way_that_the_table_refuses_changes_nothing() {
    let mut world = World::risen(spec("3.5.9", 3, 2, 0));
    world.ask_for("3.5.1");
    let decision = world.pass();
    assert!(decision.waiting_on.iter().any(|wait| matches!(wait, WaitingOn::UpgradeRefused { .. })), "{:?}", decision.waiting_on);
    assert!(decision.steps.is_empty(), "{:?}", decision.steps);
    assert_eq!(decision.status.phase, "failed");
    world.ask_for("3.5.9");
    world.run_to_rest(20);
}

#[test]
fn a_node_that_does_not_come_back_stops_the_upgrade_and_nothing_thaws() {
    let mut world = World::risen(spec("3.4.10", 3, 3, 0));
    world.ask_for("3.5.9");
    world.run_until(200, |world, _| world.restarts().len() == 1);
    world.sick.insert("kube-be-2".to_owned());
    world.run_until(200, |world, _| world.status.blocked.iter().any(|blocked| blocked.code == "SR-2211"));
    assert_eq!(world.restarts(), ["kube-be-2"]);
    assert!(!world.status.operation.as_ref().unwrap().saved_settings.is_empty());
    world.sick.clear();
    world.run_to_rest(900);
    assert_eq!(world.status.version.as_deref(), Some("3.5.9"));
}

#[test]
fn an_image_that_cannot_be_pulled_stops_at_the_canary_and_is_taken_back() {
    let mut world = World::risen(spec("3.5.8", 3, 3, 0));
    world.edit(|spec| {
        for (section, kind) in [("starRocksFeSpec", "fe"), ("starRocksBeSpec", "be")] {
            spec[section]["image"] = json!(format!("registry.example/nosuch/{kind}-ubuntu:3.5.9"));
        }
    });
    world.run_until(100, |world, _| world.restarts().len() == 1);
    let pod = world.pods.get_mut("kube-be-2").unwrap();
    pod.problem = Some(crate::model::observed::PodProblem { reason: "ImagePullBackOff".into(), message: "not found".into(), stuck: true });
    for _ in 0..5 {
        world.pass();
    }
    assert_eq!(world.restarts().len(), 1);
    assert_eq!(world.status.phase, "failed");
    world.ask_for("3.5.8");
    world.run_to_rest(200);
    assert_eq!(world.restarts(), ["kube-be-2", "kube-be-2"]);
}

#[test]
fn one_frontend_needs_consent_to_its_outage() {
    let mut world = World::risen(spec("3.5.8", 1, 1, 0));
    world.ask_for("3.5.9");
    for _ in 0..10 {
        world.pass();
    }
    assert!(world.restarts().is_empty());
    assert!(world.status.blocked.iter().any(|blocked| blocked.message.contains("SingleFrontendOutage")));
    world.edit(|spec| spec["upgradePolicy"]["consents"] = json!(["SingleFrontendOutage"]));
    world.run_to_rest(200);
    assert_eq!(world.restarts(), ["kube-be-0", "kube-fe-0"]);
}

#[test]
fn a_tag_that_names_no_release_is_not_rolled() {
    let mut world = World::risen(spec("3.5.8", 3, 2, 0));
    world.ask_for("latest");
    let decision = world.pass();
    assert!(decision.steps.is_empty());
    assert!(decision.waiting_on.iter().any(|wait| matches!(wait, WaitingOn::VersionUnknown { .. })));
}

#[test]
fn the_operation_counts_its_steps_upwards() {
    let mut world = World::risen(spec("3.4.10", 3, 2, 0));
    world.ask_for("3.5.9");
    let mut last = 0;
    for _ in 0..400 {
        world.pass();
        let Some(operation) = world.status.operation.clone() else { break };
        assert!(operation.step >= last && operation.step <= operation.steps, "{operation:#?}, was {last}");
        last = operation.step;
    }
    assert!(world.status.operation.is_none());
}

#[test]
fn each_restart_happens_in_the_step_that_the_printed_plan_numbers() {
    use crate::release::{Phase, ReleaseTable, Topology, outline, parse_version};
    for (from, to) in [("3.3.13", "3.5.9"), ("3.5.8", "3.5.9"), ("3.5.9", "3.4.10")] {
        let path = ReleaseTable::embedded().path(&parse_version(from).unwrap(), &parse_version(to).unwrap()).unwrap();
        let steps = outline(&path, &Topology { frontends: 3, backends: 2, compute_nodes: 1 });
        let mut world = World::risen(spec(from, 3, 2, 1));
        world.ask_for(to);
        for _ in 0..900 {
            let decision = world.pass();
            let Some(operation) = decision.status.operation else { break };
            let line = steps.iter().find(|line| i64::from(line.number) == i64::from(operation.step)).unwrap();
            assert_eq!(i64::from(operation.steps), i64::from(steps.last().unwrap().number));
            let restarted = decision.steps.iter().find_map(|step| match step {
                crate::model::Step::RestartPod { pod, .. } => Some(pod.clone()),
                _ => None,
            });
            let kinds: &[Phase] = match restarted.as_deref() {
                Some(pod) if pod.contains("-be-") => &[Phase::Canary, Phase::Backends],
                Some(pod) if pod.contains("-cn-") => &[Phase::ComputeNodes],
                Some(_) => &[Phase::Followers, Phase::Leader],
                None => continue,
            };
            assert!(kinds.contains(&line.phase), "{restarted:?} in step {} ({:?})", operation.step, line.phase);
            assert_eq!(format!("{:?}", line.phase), operation.phase.to_string(), "{restarted:?} in step {}", operation.step);
        }
        assert!(world.status.operation.is_none());
    }
}

#[test]
fn an_operator_that_keeps_dying_after_each_act_still_arrives() {
    for acts in 0..3 {
        let mut world = World::risen(spec("3.4.10", 3, 2, 0));
        world.ask_for("3.5.9");
        for _ in 0..500 {
            world.interrupted_pass(acts);
            world.pass();
            if world.status.operation.is_none() {
                break;
            }
        }
        assert_eq!(world.status.version.as_deref(), Some("3.5.9"), "{acts} acts: {:#?}", world.status.operation);
        assert_eq!(world.restarts().len(), 5);
        assert_eq!(world.setting("kube-fe-0", FrontendSetting::TabletSchedDisableBalance).as_deref(), Some("false"));
    }
}

#[test]
fn an_operator_that_dies_after_every_single_change_still_arrives() {
    let mut world = World::risen(spec("3.3.13", 3, 2, 0));
    world.ask_for("3.5.9");
    let arrives = (0..2_000).any(|_| {
        world.pass_of_one_change();
        world.status.operation.is_none() && world.status.version.as_deref() == Some("3.5.9")
    });
    assert!(arrives, "{:#?}", world.status.operation);
    assert_eq!(world.restarts().len(), 10);
    assert_eq!(world.setting("kube-fe-0", FrontendSetting::TabletSchedDisableBalance).as_deref(), Some("false"));
}

#[test]
fn nodes_may_be_asked_to_go_one_hop_ahead_of_the_frontends() {
    let mut world = World::risen(spec("3.4.10", 3, 2, 0));
    world.edit(|spec| spec["starRocksBeSpec"]["image"] = json!("starrocks/be-ubuntu:3.5.9"));
    world.run_to_rest(300);
    assert_eq!(world.restarts(), ["kube-be-1", "kube-be-0"]);
    assert_eq!(world.setting("kube-fe-0", FrontendSetting::TabletSchedDisableBalance).as_deref(), Some("false"));
    world.ask_for("3.5.9");
    world.run_to_rest(300);
    assert_eq!(world.restarts()[2..], ["kube-fe-2", "kube-fe-1", "kube-fe-0"]);
}

#[test]
fn progress_does_not_go_back_while_a_new_leader_is_elected_and_hears_of_the_tablets() {
    let mut world = World::risen(spec("3.4.10", 3, 2, 0));
    world.ask_for("3.5.9");
    world.run_until(400, |world, _| world.restarts().len() == 5);
    let before = world.status.operation.clone().unwrap();
    assert_eq!(before.phase, OperationPhase::Leader);
    for row in world.node_rows.values_mut() {
        row.last_tablet_report = None;
    }
    for mute in [true, false] {
        world.mute = mute;
        world.pass();
        let after = world.status.operation.clone().unwrap();
        assert_eq!((after.phase, after.step >= before.step), (OperationPhase::Leader, true), "mute: {mute}");
    }
}

#[test]
fn a_pod_that_is_told_to_go_has_not_failed_whatever_its_processes_end_with() {
    let mut world = World::risen(spec("3.5.9", 3, 2, 0));
    let pod = world.pods.get_mut("kube-be-1").unwrap();
    (pod.deleting, pod.failed, pod.ready) = (true, true, false);
    let backends = world.pass().status.star_rocks_be_status.unwrap();
    assert_eq!((backends.phase.as_str(), backends.failed_instances.len()), ("reconciling", 0));
    assert_eq!(backends.creating_instances, ["kube-be-1"]);
}

#[test]
fn what_every_pod_says_on_its_way_up_is_one_message() {
    let mut world = World::risen(spec("3.5.9", 3, 2, 0));
    let mut said = std::collections::BTreeSet::new();
    for reason in [None, Some("ContainerCreating"), Some("PodInitializing")] {
        let pod = world.pods.get_mut("kube-be-1").unwrap();
        (pod.running, pod.ready) = (false, false);
        pod.problem = reason.map(|reason| PodProblem { reason: reason.to_owned(), message: String::new(), stuck: false });
        let (cluster, observed) = (world.cluster(), world.observe());
        said.extend(super::super::plan(&cluster, &observed).waiting_on.iter().map(ToString::to_string));
    }
    assert_eq!(said.len(), 1, "{said:?}");
}

#[test]
fn a_node_that_does_not_come_back_is_told_with_the_line_of_its_log_that_says_why() {
    let mut world = World::risen(spec("3.5.8", 3, 3, 0));
    world.ask_for("3.5.9");
    world.run_until(100, |world, _| world.restarts().len() == 1);
    world.sick.insert("kube-be-2".to_owned());
    let line = "Check failed: bad tablet meta";
    world.last_words.insert("kube-be-2".to_owned(), line.to_owned());
    let stalled = world.run_until(300, |_, decision| decision.waiting_on.iter().any(|wait| wait.code() == "SR-2211"));
    assert!(stalled.status.blocked.iter().any(|blocked| blocked.message.contains(line)), "{:?}", stalled.status.blocked);
    let pod = world.pods.get_mut("kube-be-2").unwrap();
    (pod.ready, pod.running) = (false, false);
    pod.problem = Some(PodProblem { reason: "CrashLoopBackOff".to_owned(), message: "back-off 40s".to_owned(), stuck: true });
    let failing = world.pass();
    let told = failing.status.blocked.iter().find(|blocked| blocked.code == "SR-2002").expect("it fails");
    assert!(told.message.contains("back-off 40s; its log says: Check failed: bad tablet meta"), "{}", told.message);
}

/// The checks of a hop from a release to another with this configuration of one component.
fn checked(from: &str, to: &str, section: &str, env: &Value) -> (Vec<String>, Vec<UpgradeCheck>) {
    let mut spec = spec(from, 3, 3, 1);
    let field = match section {
        "starRocksFeSpec" => "feEnvVars",
        "starRocksBeSpec" => "beEnvVars",
        _ => "cnEnvVars",
    };
    spec[section][field] = env.clone();
    let mut world = World::risen(spec);
    world.ask_for(to);
    world.pass();
    let decision = world.pass();
    let blocked = decision.waiting_on.iter().filter(|wait| wait.code() == "SR-2210").map(ToString::to_string).collect();
    (blocked, world.upgrade().status.checks.clone())
}

#[test]
fn options_of_the_jvm_are_held_against_the_jdk_of_the_target_wherever_they_are_written() {
    let options = |text: &str| json!([{"name": "JAVA_OPTS", "value": text}]);
    for section in ["starRocksFeSpec", "starRocksBeSpec", "starRocksCnSpec"] {
        let (blocked, _) = checked("3.4.10", "3.5.20", section, &options("-Xmx8g -XX:MaxPermSize=256m"));
        assert!(blocked.len() == 1 && blocked[0].contains("-XX:MaxPermSize=256m, which JDK 17 refuses"), "{section}: {blocked:?}");
    }
    let (blocked, checks) = checked("3.4.10", "3.5.20", "starRocksBeSpec", &options("-Xmx8g"));
    let hints = checks.iter().find(|check| check.name == "ConfigurationHints").expect("they are looked for");
    let message = hints.message.clone().unwrap_or_default();
    assert_eq!((blocked.len(), hints.result.as_str()), (0, "Warn"));
    assert!(
        message.contains("BE: JAVA_OPTS is set without --add-opens=java.base/java.util=ALL-UNNAMED") && message.contains("SR-1221"),
        "{message}"
    );
    let (_, checks) = checked("3.4.10", "3.5.20", "starRocksFeSpec", &options("-Xmx8g"));
    assert!(
        checks.iter().any(|check| check.name == "ConfigurationHints" && check.result.as_str() == "Pass"),
        "frontends need none of them: {checks:?}"
    );
}

#[test]
fn a_key_that_backends_read_no_longer_is_found_in_the_configuration_of_compute_nodes_too() {
    let mut world = World::risen(spec("3.1.17", 3, 3, 1));
    world.ask_for("3.2.16");
    let mut cluster = world.cluster();
    let node = cluster.compute_node.as_mut().expect("there are compute nodes");
    node.config.insert("block_cache_enable".to_owned(), "true".to_owned());
    let waits: Vec<String> = super::super::plan(&cluster, &world.observe()).waiting_on.iter().map(ToString::to_string).collect();
    assert!(
        waits.iter().any(|wait| wait.contains("CN configuration") && wait.contains("block_cache_enable is now called datacache_*")),
        "{waits:?}"
    );
}
