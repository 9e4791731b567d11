//! Canaries and their verdict: how many there are, that a yes lets the others follow, a no stops or turns back, and no answer waits.

use serde_json::{Value, json};

use super::super::testing::{World, spec};
use crate::model::record::UpgradePhase;
use crate::model::{Answer, Decision, Silence, SilenceKind, Step};

const SQL: &str = "SELECT COUNT(*) < 10 FROM information_schema.loads WHERE STATE = 'CANCELLED'";

/// An upgrade within a line that has just been asked for.
fn asked([frontends, backends, compute_nodes]: [u32; 3], policy: Value) -> World {
    let mut spec = spec("3.5.8", frontends, backends, compute_nodes);
    spec["upgradePolicy"] = policy;
    let mut world = World::risen(spec);
    world.ask_for("3.5.9");
    world
}

fn with_sql(more: Value) -> Value {
    let mut policy = json!({"canary": {"verdict": {"sql": SQL}}});
    for (field, value) in more.as_object().unwrap() {
        policy[field] = value.clone();
    }
    policy
}

fn with_metric() -> Value {
    let metric = json!({"name": "starrocks_be_engine_requests_total", "labels": {"status": "failed"}, "max": "0.5", "min": 0});
    json!({"canary": {"verdict": {"metrics": [metric]}}})
}

fn waits_for(decision: &Decision, code: &str) -> bool {
    decision.waiting_on.iter().any(|wait| wait.code() == code)
}

fn until(world: &mut World, code: &str) -> Decision {
    world.run_until(200, |_, decision| waits_for(decision, code))
}

fn message(world: &World, code: &str) -> String {
    world.status.blocked.iter().find(|blocked| blocked.code == code).unwrap().message.clone()
}

fn said(text: &str) -> Answer<Option<String>> {
    Answer::Known(Some(text.to_owned()))
}

fn samples(texts: &[&str]) -> Answer<Vec<Vec<String>>> {
    Answer::Known(vec![texts.iter().map(|text| (*text).to_owned()).collect()])
}

fn silence<T>(kind: SilenceKind) -> Answer<T> {
    Answer::Failed(Silence { kind, message: "kube-fe-0: no answer in time".to_owned() })
}

/// Whether the others follow within so many passes.
fn goes_on(world: &mut World, passes: usize) -> bool {
    let restarts = world.restarts().len();
    (0..passes).any(|_| {
        world.pass();
        world.restarts().len() > restarts
    })
}

#[test]
fn several_canaries_are_watched_together_and_then_the_others_follow() {
    let mut world = asked([3, 4, 0], json!({"canary": {"nodes": 2}, "canarySoakSeconds": 60}));
    until(&mut world, "SR-2203");
    assert_eq!(world.restarts(), ["kube-be-3", "kube-be-2"]);
    assert_eq!(world.status.operation.as_ref().unwrap().phase.to_string(), "Canary");
    let since = world.now;
    world.run_until(60, |world, _| world.restarts().len() == 3);
    assert!(world.now.since(since).as_secs() >= 55);
    world.run_to_rest(300);
    assert_eq!(world.restarts().len(), 7);
}

#[test]
fn compute_nodes_are_the_canaries_where_there_is_no_backend_and_may_go_together() {
    let mut spec = spec("3.5.8", 3, 0, 4);
    spec["upgradePolicy"] = json!({"canary": {"nodes": 2}, "maxUnavailableComputeNodes": 3});
    let mut world = World::risen(spec);
    world.ask_for("3.5.9");
    let first = world.run_until(50, |world, _| !world.restarts().is_empty());
    let restarts = first.steps.iter().filter(|step| matches!(step, Step::RestartPod { .. })).count();
    assert_eq!(restarts, 2, "two canaries, although three nodes may go");
    until(&mut world, "SR-2203");
    assert_eq!(world.restarts().len(), 2);
    world.run_to_rest(300);
    assert_eq!(world.restarts().len(), 7);
}

#[test]
fn a_yes_lets_the_others_follow_and_nothing_is_asked_but_when_it_is_due() {
    for yes in ["1", "true", "TRUE", "0.5", "-3"] {
        let mut world = asked([3, 3, 0], with_sql(json!({})));
        world.verdict.0 = said(yes);
        until(&mut world, "SR-2203");
        assert_eq!(world.asked.get(), 0);
        world.run_until(20, |world, _| world.restarts().len() == 2);
        assert!(world.asked.get() >= 1);
        world.run_to_rest(300);
        let asked = world.asked.get();
        (0..5).for_each(|_| drop(world.pass()));
        assert_eq!(world.asked.get(), asked, "not at rest");
    }
}

#[test]
fn a_no_by_sql_stops_the_roll_until_it_is_a_yes() {
    for (no, words) in [
        (said("0"), "canary.verdict.sql gave `0`"),
        (said("0.0"), "gave `0.0`"),
        (said("false"), "gave `false`"),
        (said("NaN"), "gave `NaN`"),
        (said("a secret"), "gave a text that is neither true nor a number"),
        (Answer::Known(None), "gave NULL or no row"),
        (silence(SilenceKind::Rejected), "canary.verdict.sql: kube-fe-0: no answer in time"),
        (silence(SilenceKind::NoBackend), "canary.verdict.sql: "),
    ] {
        let mut world = asked([3, 3, 0], with_sql(json!({})));
        world.verdict.0 = no;
        let decision = until(&mut world, "SR-2221");
        assert!(message(&world, "SR-2221").contains(words), "{}", message(&world, "SR-2221"));
        assert_eq!(decision.status.phase, "failed");
        assert!(!goes_on(&mut world, 10));
        assert_eq!(world.upgrade().status.phase, UpgradePhase::Blocked);
        world.verdict.0 = said("1");
        assert!(goes_on(&mut world, 2), "judged again without a new watch");
        world.run_to_rest(300);
    }
}

#[test]
fn no_answer_waits_and_never_passes() {
    for kind in [SilenceKind::Refused, SilenceKind::TimedOut, SilenceKind::Election, SilenceKind::Denied, SilenceKind::Unreadable] {
        let mut world = asked([3, 3, 0], with_sql(json!({"onFailure": "RollBack"})));
        world.verdict.0 = silence(kind);
        until(&mut world, "SR-2222");
        assert!(!goes_on(&mut world, 20));
        assert_eq!(world.status.operation.as_ref().unwrap().turn_back, None);
        world.verdict.0 = said("1");
        world.run_to_rest(300);
        assert_eq!(world.status.version.as_deref(), Some("3.5.9"));
    }
}

#[test]
fn metrics_are_held_against_their_bounds_and_each_sample_counts() {
    for (found, code, words) in [
        (samples(&["7"]), "SR-2221", "starrocks_be_engine_requests_total{status=\"failed\"} is 7 and may be 0.5 at most"),
        (samples(&["0", "5e-1", "0.6"]), "SR-2221", "is 0.6 and may be"),
        (samples(&["-1"]), "SR-2221", "is -1 and must be 0 at least"),
        (samples(&["+Inf"]), "SR-2221", "is +Inf and may be"),
        (samples(&["NaN", "7"]), "SR-2221", "is 7"),
        (samples(&["NaN"]), "SR-2222", "is `NaN`, which is no number"),
        (samples(&[]), "SR-2222", "its page of metrics has no starrocks_be_engine_requests_total{status=\"failed\"}"),
        (Answer::Known(Vec::new()), "SR-2222", "its page of metrics has no"),
        (silence(SilenceKind::TimedOut), "SR-2222", "GET /metrics: kube-fe-0: no answer in time"),
    ] {
        let mut world = asked([3, 3, 0], with_metric());
        world.verdict.1 = found;
        until(&mut world, code);
        assert!(message(&world, code).contains(words), "{}", message(&world, code));
        assert!(message(&world, code).contains("the canary kube-be-2 "));
        assert!(!goes_on(&mut world, 5));
        world.verdict.1 = samples(&["0", "0.5"]);
        world.run_to_rest(300);
    }
}

#[test]
fn a_no_turns_back_by_itself_where_that_is_wanted_and_the_way_back_is_not_judged() {
    for nodes in [1, 2, 3] {
        let mut world = asked([3, 3, 0], with_sql(json!({"onFailure": "RollBack"})));
        world.edit(|spec| spec["upgradePolicy"]["canary"]["nodes"] = json!(nodes));
        world.verdict.0 = said("0");
        world.run_until(300, |world, _| world.status.operation.as_ref().is_some_and(|operation| operation.turn_back == Some(true)));
        assert_eq!(world.restarts().len(), nodes);
        world.run_until(400, |world, _| world.status.operation.is_none());
        assert_eq!(world.status.version.as_deref(), Some("3.5.8"));
        assert_eq!(world.upgrade().status.phase, UpgradePhase::RolledBack);
        assert_eq!(world.restarts().len(), 2 * nodes);
        assert!(world.restarts().iter().all(|pod| pod.starts_with("kube-be")));
    }
}

#[test]
fn the_way_back_leads_to_the_very_images_that_ran() {
    let images = |spec: &mut Value, registry: &str, release: &str| {
        for (section, kind) in [("starRocksFeSpec", "fe"), ("starRocksBeSpec", "be")] {
            spec[section]["image"] = json!(format!("{registry}/{kind}-ubuntu:{release}"));
        }
    };
    let mut spec = spec("3.3.13", 3, 3, 0);
    images(&mut spec, "old.example", "3.3.13@sha256:aa");
    spec["upgradePolicy"] = with_sql(json!({"onFailure": "RollBack"}));
    let mut world = World::risen(spec);
    world.verdict.0 = said("0");
    world.edit(|spec| images(spec, "new.example", "3.4.10@sha256:bb"));
    world.run_until(400, |world, _| world.status.operation.as_ref().is_some_and(|operation| operation.turn_back == Some(true)));
    assert_eq!(world.pods["kube-be-2"].image, "new.example/be-ubuntu:3.4.10@sha256:bb");
    world.run_until(400, |world, _| world.status.operation.is_none());
    (0..5).for_each(|_| drop(world.pass()));
    for pod in world.pods.values() {
        assert_eq!(pod.image, format!("old.example/{}-ubuntu:3.3.13@sha256:aa", &pod.name[5..7]), "{}", pod.name);
        let set = &world.objects[&crate::model::ObjectKind::StatefulSet][&pod.name[..7]];
        assert_eq!(pod.revision, set.text("/status/updateRevision"), "{} is outdated", pod.name);
    }
    assert_eq!(world.restarts(), ["kube-be-2", "kube-be-2"]);
}

#[test]
fn where_every_backend_is_a_canary_the_frontends_wait_for_the_verdict() {
    let mut world = asked([3, 1, 1], with_sql(json!({"consents": ["SingleReplicaTables"], "canarySoakSeconds": 40})));
    world.verdict.0 = said("0");
    until(&mut world, "SR-2203");
    until(&mut world, "SR-2221");
    assert!(!goes_on(&mut world, 20));
    assert_eq!(world.restarts(), ["kube-be-0"]);
    world.verdict.0 = said("1");
    world.run_until(5, |world, _| world.status.operation.as_ref().is_some_and(|operation| operation.phase.to_string() == "ComputeNodes"));
    world.verdict.0 = silence(SilenceKind::TimedOut);
    world.run_to_rest(300);
    assert_eq!(world.restarts(), ["kube-be-0", "kube-cn-0", "kube-fe-2", "kube-fe-1", "kube-fe-0"]);
}

#[test]
fn a_lone_backend_of_which_nothing_is_asked_is_not_watched_as_before() {
    let mut world = asked([3, 1, 0], json!({"consents": ["SingleReplicaTables"], "canarySoakSeconds": 3_600}));
    world.run_to_rest(300);
    assert_eq!(world.status.version.as_deref(), Some("3.5.9"));
}

#[test]
fn a_canary_that_falls_ill_while_it_is_judged_is_watched_anew() {
    let mut world = asked([3, 3, 0], with_sql(json!({"canarySoakSeconds": 60})));
    world.verdict.0 = said("0");
    until(&mut world, "SR-2221");
    world.kill("kube-be-2");
    world.verdict.0 = said("1");
    world.pass();
    assert_eq!(world.status.operation.as_ref().unwrap().canary_since, None);
    until(&mut world, "SR-2203");
    assert_eq!(world.restarts().len(), 1);
    world.run_to_rest(300);
}

#[test]
fn an_operator_that_dies_at_every_change_asks_and_goes_on() {
    let mut world =
        asked([3, 3, 2], with_sql(json!({"canarySoakSeconds": 0, "drainSeconds": 20, "canary": {"nodes": 2, "verdict": {"sql": SQL}}})));
    world.queries.extend(["kube-be-1", "kube-cn-1"].map(|pod| (pod.to_owned(), 1)));
    for _ in 0..2_000 {
        world.pass_of_one_change();
        if world.status.version.as_deref() == Some("3.5.9") && world.status.operation.is_none() {
            return;
        }
    }
    panic!("{:#?}", world.status);
}

#[test]
fn a_downgrade_and_a_rollout_without_another_release_are_not_judged() {
    let mut spec = spec("3.5.9", 3, 3, 0);
    spec["upgradePolicy"] = with_sql(json!({}));
    let mut world = World::risen(spec);
    world.verdict.0 = said("0");
    world.ask_for("3.4.10");
    world.run_to_rest(600);
    assert_eq!(world.status.version.as_deref(), Some("3.4.10"));
    world.edit(|spec| spec["starRocksBeSpec"]["limits"] = json!({"memory": "16Gi"}));
    world.run_to_rest(200);
    assert_eq!(world.asked.get(), 0);
}

#[test]
fn the_former_release_ends_a_walk_whose_canary_was_judged_unfit() {
    let mut world = asked([3, 3, 0], with_sql(json!({})));
    world.verdict.0 = said("0");
    until(&mut world, "SR-2221");
    world.ask_for("3.5.8");
    world.run_to_rest(300);
    assert_eq!(world.restarts(), ["kube-be-2", "kube-be-2"]);
}

#[test]
fn another_template_under_a_verdict_that_waits_makes_other_canaries() {
    let mut world = asked([3, 3, 0], with_sql(json!({"canarySoakSeconds": 30})));
    world.verdict.0 = silence(SilenceKind::TimedOut);
    until(&mut world, "SR-2222");
    world.edit(|spec| spec["starRocksBeSpec"]["limits"] = json!({"memory": "16Gi"}));
    world.run_until(10, |world, _| world.restarts().len() == 2);
    until(&mut world, "SR-2203");
    until(&mut world, "SR-2222");
    world.verdict.0 = said("1");
    world.run_to_rest(300);
}

#[test]
fn approval_of_the_next_component_is_asked_for_after_the_verdict_and_keeps_it() {
    let mut world = asked([3, 1, 0], with_sql(json!({"consents": ["SingleReplicaTables"], "approval": "PerComponent"})));
    world.pass();
    world.pass();
    world.upgrade().spec.approvals = vec!["3.5.9/Backends".to_owned()];
    until(&mut world, "SR-2203");
    until(&mut world, "SR-2216");
    let since = world.status.operation.as_ref().unwrap().canary_since.clone();
    (0..20).for_each(|_| drop(world.pass()));
    assert!(world.status.blocked.iter().any(|blocked| blocked.code == "SR-2216"), "{:#?}", world.status.blocked);
    assert_eq!(world.status.operation.as_ref().unwrap().canary_since, since);
    world.upgrade().spec.approved = Some(true);
    world.run_to_rest(200);
}

#[test]
fn a_node_that_somebody_evicts_under_a_verdict_does_not_stand_for_a_yes() {
    for (answer, code) in [(said("0"), "SR-2221"), (silence(SilenceKind::TimedOut), "SR-2222")] {
        let mut world = asked([3, 3, 0], with_sql(json!({"canarySoakSeconds": 30})));
        world.verdict.0 = answer;
        until(&mut world, code);
        // Under OnDelete it is made anew from the new template.
        world.kill("kube-be-0");
        assert!(!goes_on(&mut world, 40), "{:?}", world.restarts());
        until(&mut world, code);
        world.verdict.0 = said("1");
        world.run_until(40, |world, _| world.restarts().len() == 2);
        // Those that follow are not judged again.
        world.verdict.0 = said("0");
        world.run_to_rest(300);
        assert_eq!(world.restarts(), ["kube-be-2", "kube-be-1", "kube-fe-2", "kube-fe-1", "kube-fe-0"]);
    }
}

#[test]
fn a_node_that_somebody_evicts_while_canaries_are_watched_does_not_end_the_watch() {
    for policy in [json!({"canarySoakSeconds": 300}), with_sql(json!({"canarySoakSeconds": 300}))] {
        let mut world = asked([3, 3, 0], policy);
        until(&mut world, "SR-2203");
        world.kill("kube-be-0");
        let since = world.now;
        world.run_until(100, |world, _| world.restarts().len() == 2);
        assert!(world.now.since(since).as_secs() >= 250, "{:?}", world.now.since(since));
        world.run_to_rest(300);
    }
}

#[test]
fn frontends_wait_for_the_watch_although_somebody_evicted_every_backend_that_was_to_follow() {
    for policy in [json!({"canarySoakSeconds": 300}), with_sql(json!({"canarySoakSeconds": 300}))] {
        let mut world = asked([3, 3, 0], policy);
        until(&mut world, "SR-2203");
        for pod in ["kube-be-0", "kube-be-1"] {
            world.kill(pod);
            (0..6).for_each(|_| drop(world.pass()));
        }
        let since = world.now;
        world.run_until(100, |world, _| world.restarts().len() == 2);
        assert!(world.now.since(since).as_secs() >= 250, "{:?} {:?}", world.now.since(since), world.restarts());
        world.run_to_rest(300);
        assert_eq!(world.restarts(), ["kube-be-2", "kube-fe-2", "kube-fe-1", "kube-fe-0"]);
    }
}

#[test]
fn an_upgrade_of_an_operator_that_did_not_note_the_end_of_the_watch_goes_on_without_another() {
    let mut world = asked([3, 4, 0], with_sql(json!({"canarySoakSeconds": 600})));
    world.run_until(300, |world, _| world.restarts().len() == 2);
    let mut status = serde_json::to_value(&world.status).unwrap();
    assert_eq!(status["operation"]["phase"], "Backends");
    status["operation"].as_object_mut().unwrap().remove("canaryPassed");
    world.status = serde_json::from_value(status).unwrap();
    world.verdict.0 = said("0");
    world.run_until(40, |world, _| world.restarts().len() == 3);
    world.run_to_rest(300);
}

#[test]
fn what_changes_once_every_node_has_moved_follows_no_canary() {
    let mut spec = spec("3.4.5", 3, 0, 2);
    spec["upgradePolicy"] = with_sql(json!({"canary": {"nodes": 2, "verdict": {"sql": SQL}}}));
    let mut world = World::risen(spec);
    world.ask_for("3.5.9");
    world.verdict.0 = said("1");
    world.run_until(400, |world, _| world.status.operation.as_ref().is_some_and(|operation| operation.phase.to_string() == "Thaw"));
    let restarts = world.restarts().len();
    for component in ["starRocksFeSpec", "starRocksCnSpec"] {
        world.edit(|spec| spec[component]["annotations"] = json!({"note": "1"}));
    }
    world.run_to_rest(400);
    assert_eq!(world.restarts().len(), restarts + 5);
}

#[test]
fn a_template_that_changes_while_the_last_node_is_silent_follows_no_canary_either() {
    let mut world = asked([1, 1, 0], with_sql(json!({"consents": ["SingleReplicaTables", "SingleFrontendOutage"]})));
    world.verdict.0 = said("1");
    world.run_until(200, |world, _| world.restarts() == ["kube-be-0", "kube-fe-0"]);
    world.mute = true;
    for component in ["starRocksFeSpec", "starRocksBeSpec"] {
        world.edit(|spec| spec[component]["annotations"] = json!({"note": "1"}));
    }
    world.pass();
    world.pass();
    world.mute = false;
    world.run_to_rest(400);
}
