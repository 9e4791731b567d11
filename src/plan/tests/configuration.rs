//! Configuration files that change: what is set in running nodes, what rolls, what waits, and what is remembered of it.

use std::time::Duration;

use serde_json::{Value, json};

use super::super::testing::{World, spec};
use crate::api::{ConfigurationStatus, OperationPhase, StarRocksClusterStatus};
use crate::model::component::CONFIGURATION_ANNOTATION;
use crate::model::{Component, Decision, FrontendSetting, ObjectKind, Step, Timestamp};

/// A resource whose frontends and backends have files of the user's own.
fn with_files(update: Option<&str>) -> Value {
    with_files_of("3.5.8", update)
}

fn with_files_of(version: &str, update: Option<&str>) -> Value {
    let mut spec = spec(version, 3, 3, 0);
    for (section, kind) in [("starRocksFeSpec", "fe"), ("starRocksBeSpec", "be")] {
        spec[section]["configMapInfo"] = json!({"configMapName": format!("conf-{kind}"), "resolveKey": format!("{kind}.conf")});
    }
    if let Some(update) = update {
        spec["configurationUpdate"] = json!(update);
    }
    spec
}

/// A cluster with files, at rest.
pub(super) fn risen(update: Option<&str>) -> World {
    risen_from(with_files(update))
}

fn risen_from(spec: Value) -> World {
    let mut world = World::new(spec);
    write(&mut world, "fe.conf", "a = 1\nfixed = 1\nJAVA_OPTS = -Xmx8g");
    write(&mut world, "be.conf", "a = 5\nb = 5\nfixed = 5");
    world.run_to_rest(200);
    world.log.clear();
    world
}

/// What a user does to a ConfigMap: the generation of the resource stays.
pub(super) fn write(world: &mut World, file: &str, text: &str) {
    world.files.insert(file.to_owned(), text.to_owned());
}

fn entry(world: &World, component: Component) -> ConfigurationStatus {
    let entries = &world.status.configuration;
    entries.iter().find(|entry| entry.component == component.label()).cloned().unwrap_or_default()
}

/// Passes until the change is over.
fn settle(world: &mut World, component: Component) {
    world.run_until(5, |world, _| entry(world, component).change.is_some());
    world.run_until(300, |world, _| entry(world, component).change.is_none() && world.status.operation.is_none());
}

/// The value of a key in the memory of each node.
fn values(world: &World, pods: &str, key: &str) -> Vec<String> {
    let nodes = world.running.iter().filter(|(pod, _)| pod.starts_with(pods));
    nodes.map(|(_, keys)| keys.get(key).cloned().unwrap_or_default()).collect()
}

/// The change that the template of the backends carries.
fn mark(world: &World) -> Option<String> {
    let template = &world.objects[&ObjectKind::StatefulSet]["kube-be"].body["spec"]["template"];
    template["metadata"]["annotations"][CONFIGURATION_ANNOTATION].as_str().map(str::to_owned)
}

fn statements(world: &World) -> Vec<&String> {
    world.log.iter().filter(|line| line.contains("key of the configuration")).collect()
}

#[test]
fn keys_that_nodes_can_change_are_set_in_each_of_them_and_nothing_restarts() {
    let mut world = risen(Some("Live"));
    let before = world.objects.clone();
    write(&mut world, "fe.conf", "# a comment\na = 2\nfixed = 1\nJAVA_OPTS = -Xmx8g");
    settle(&mut world, Component::Frontend);
    assert_eq!(values(&world, "kube-fe", "a"), ["2", "2", "2"]);
    assert_eq!(statements(&world).len(), 1, "{:#?}", world.log);
    write(&mut world, "be.conf", "a = 5\nb = 7\nfixed = 5");
    settle(&mut world, Component::Backend);
    assert_eq!(values(&world, "kube-be", "b"), ["7", "7", "7"]);
    assert_eq!(values(&world, "kube-fe", "b"), ["", "", ""], "each file is for its own nodes");
    assert_eq!(statements(&world).len(), 1 + 3);
    assert!(world.restarts().is_empty());
    assert_eq!(world.objects, before, "no object changed");
    let told = entry(&world, Component::Backend).last_change.unwrap();
    assert_eq!((told.keys.as_slice(), told.at_start.is_empty()), (["b".to_owned()].as_slice(), true));
    let (since, in_force) = (Timestamp::parse(&told.since).unwrap(), Timestamp::parse(&told.in_force_at.unwrap()).unwrap());
    assert!(in_force.since(since).as_secs() >= 120, "read back once more when every pod has the new file");
}

#[test]
fn a_key_that_only_a_start_reads_rolls_its_component_through_the_engine() {
    for (text, key) in [
        ("a = 2\nfixed = 2\nJAVA_OPTS = -Xmx8g", "fixed"),
        ("a = 2\nfixed = 1\nJAVA_OPTS = -Xmx9g", "JAVA_OPTS"),
        ("a = 2\nJAVA_OPTS = -Xmx8g", "fixed"),
        ("fixed = 1\nJAVA_OPTS = -Xmx8g", "a"),
    ] {
        let mut world = risen(Some("Live"));
        let leader = world.leader.clone().unwrap();
        write(&mut world, "fe.conf", text);
        settle(&mut world, Component::Frontend);
        let restarts = world.restarts();
        assert_eq!(restarts.len(), 3, "{text}: {restarts:?}");
        assert_eq!(restarts.last(), Some(&leader), "{text}: the leader goes last");
        assert!(statements(&world).is_empty(), "what restarts reads its file");
        let told = entry(&world, Component::Frontend).last_change.unwrap();
        assert!(told.at_start.contains_key(key), "{text}: {told:?}");
    }
}

#[test]
fn a_key_that_is_taken_out_goes_back_to_the_default_that_backends_tell() {
    let mut world = risen(Some("Live"));
    write(&mut world, "be.conf", "a = 5\nfixed = 5");
    settle(&mut world, Component::Backend);
    assert_eq!(values(&world, "kube-be", "b"), ["0", "0", "0"]);
    assert!(world.restarts().is_empty());
}

#[test]
fn an_operator_that_dies_after_every_single_change_comes_to_the_same_end() {
    for (text, restarts) in [("a = 2\nfixed = 1\nJAVA_OPTS = -Xmx8g", 0), ("a = 2\nfixed = 2\nJAVA_OPTS = -Xmx8g", 3)] {
        let mut world = risen(Some("Live"));
        write(&mut world, "fe.conf", text);
        for _ in 0..600 {
            world.pass_of_one_change();
            if entry(&world, Component::Frontend).last_change.is_some() && world.status.operation.is_none() {
                break;
            }
        }
        assert_eq!(values(&world, "kube-fe", "a"), ["2", "2", "2"]);
        assert_eq!(world.restarts().len(), restarts);
        assert!(entry(&world, Component::Frontend).last_change.is_some());
    }
}

#[test]
fn a_process_that_still_read_the_former_file_is_set_right_before_the_change_is_over() {
    let mut world = risen(Some("Live"));
    write(&mut world, "fe.conf", "a = 2\nfixed = 1\nJAVA_OPTS = -Xmx8g");
    world.run_until(10, |world, _| values(world, "kube-fe", "a") == ["2", "2", "2"]);
    world.running.get_mut("kube-fe-1").unwrap().insert("a".to_owned(), "1".to_owned());
    world.run_until(300, |world, _| entry(world, Component::Frontend).change.is_none());
    assert_eq!(values(&world, "kube-fe", "a"), ["2", "2", "2"]);
}

#[test]
fn a_change_that_is_taken_back_before_anybody_has_read_it_restarts_nothing() {
    let mut world = risen(Some("Restart"));
    world.advance(Duration::from_secs(300));
    world.edit(|spec| spec["upgradePolicy"]["paused"] = json!(true));
    let former = world.files["fe.conf"].clone();
    write(&mut world, "fe.conf", "a = 2\nfixed = 2\nJAVA_OPTS = -Xmx8g");
    world.run_until(10, |world, _| entry(world, Component::Frontend).change.is_some());
    write(&mut world, "fe.conf", &former);
    world.edit(|spec| spec["upgradePolicy"]["paused"] = json!(false));
    world.run_to_rest(100);
    assert!(world.restarts().is_empty(), "{:?}", world.restarts());
    assert_eq!(entry(&world, Component::Frontend).change, None);
}

#[test]
fn a_change_that_is_taken_back_halfway_is_taken_back_in_the_nodes() {
    let mut world = risen(Some("Live"));
    write(&mut world, "fe.conf", "a = 2\nfixed = 1\nJAVA_OPTS = -Xmx8g");
    world.run_until(10, |world, _| values(world, "kube-fe", "a") == ["2", "2", "2"]);
    write(&mut world, "fe.conf", "a = 1\nfixed = 1\nJAVA_OPTS = -Xmx8g");
    world.run_until(300, |world, _| entry(world, Component::Frontend).change.is_none());
    assert_eq!(values(&world, "kube-fe", "a"), ["1", "1", "1"]);
    assert!(world.restarts().is_empty());
}

#[test]
fn with_restart_every_change_rolls() {
    let mut world = risen(Some("Restart"));
    write(&mut world, "be.conf", "a = 6\nb = 5\nfixed = 5");
    settle(&mut world, Component::Backend);
    assert_eq!(world.restarts(), ["kube-be-2", "kube-be-1", "kube-be-0"]);
    assert!(statements(&world).is_empty());
}

#[test]
fn a_file_that_a_pod_keeps_until_it_ends_is_never_set_live() {
    let mut spec = with_files(Some("Live"));
    let section = spec["starRocksBeSpec"].as_object_mut().unwrap();
    section.remove("configMapInfo");
    section
        .insert("configMaps".to_owned(), json!([{"name": "conf-be", "mountPath": "/opt/starrocks/be/conf/be.conf", "subPath": "be.conf"}]));
    let mut world = risen_from(spec);
    write(&mut world, "be.conf", "a = 6\nb = 5\nfixed = 5");
    settle(&mut world, Component::Backend);
    assert_eq!(world.restarts().len(), 3);
    assert!(statements(&world).is_empty());
}

#[test]
fn nobody_who_does_not_ask_for_it_sees_anything_of_it() {
    let mut world = risen(None);
    let (before, status) = (world.objects.clone(), world.status.clone());
    write(&mut world, "fe.conf", "a = 2\nfixed = 2");
    for _ in 0..50 {
        let decision = world.pass();
        assert!(decision.steps.is_empty() && decision.waiting_on.is_empty(), "{decision:#?}");
        assert_eq!(decision.look_again.map(|again| again.as_secs()), Some(300));
    }
    assert_eq!((&world.objects, &world.status), (&before, &status));
}

#[test]
fn asking_for_it_later_sets_what_can_be_set_and_restarts_nothing() {
    let mut world = risen(None);
    write(&mut world, "fe.conf", "a = 2\nfixed = 2\nJAVA_OPTS = -Xmx8g");
    world.edit(|spec| spec["configurationUpdate"] = json!("Live"));
    settle(&mut world, Component::Frontend);
    assert_eq!(values(&world, "kube-fe", "a"), ["2", "2", "2"]);
    assert_eq!(values(&world, "kube-fe", "fixed"), ["1", "1", "1"], "it was changed before anybody asked");
    assert!(world.restarts().is_empty());
    let told = entry(&world, Component::Frontend).last_change.unwrap();
    assert!(told.at_start.contains_key("fixed"), "{told:?}");
}

#[test]
fn no_longer_asking_for_it_restarts_nothing() {
    let mut world = risen(Some("Live"));
    write(&mut world, "be.conf", "a = 5\nb = 5\nfixed = 6");
    settle(&mut world, Component::Backend);
    world.log.clear();
    let marked = mark(&world);
    assert!(marked.is_some());
    world.edit(|spec| drop(spec.as_object_mut().and_then(|spec| spec.remove("configurationUpdate"))));
    for _ in 0..50 {
        world.pass();
    }
    assert!(world.restarts().is_empty());
    assert_eq!(mark(&world), marked);
    assert_eq!(world.status.configuration.len(), 1);
    assert!(entry(&world, Component::Backend).keys.is_empty());
}

#[test]
fn a_change_during_an_upgrade_waits_for_its_end_and_costs_no_second_restart() {
    let mut world = risen(Some("Live"));
    world.ask_for("3.5.9");
    world.run_until(50, |world, _| world.status.operation.is_some());
    write(&mut world, "fe.conf", "a = 2\nfixed = 2\ntablet_sched_disable_balance = true");
    let told = world.run_until(100, |_, decision| decision.waiting_on.iter().any(|wait| wait.code() == "SR-2233"));
    assert!(!told.steps.iter().any(|step| matches!(step, Step::Execute { statement, .. } if statement.is_configuration())));
    world.run_until(600, |world, _| world.status.operation.is_none() && entry(world, Component::Frontend).change.is_none());
    let of_frontends = world.restarts().iter().filter(|pod| pod.starts_with("kube-fe")).count();
    assert_eq!(of_frontends, 3, "{:?}", world.restarts());
    assert_eq!(values(&world, "kube-fe", "fixed"), ["2", "2", "2"]);
}

#[test]
fn nothing_is_set_while_rollouts_are_paused() {
    let mut world = risen(Some("Live"));
    world.edit(|spec| spec["upgradePolicy"] = json!({"paused": true}));
    write(&mut world, "fe.conf", "a = 2\nfixed = 1\nJAVA_OPTS = -Xmx8g");
    world.run_until(20, |_, decision| decision.waiting_on.iter().any(|wait| wait.code() == "SR-2207"));
    assert_eq!(values(&world, "kube-fe", "a"), ["1", "1", "1"]);
    world.edit(|spec| spec["upgradePolicy"] = json!({"paused": false}));
    world.run_until(300, |world, _| entry(world, Component::Frontend).last_change.is_some());
    assert_eq!(values(&world, "kube-fe", "a"), ["2", "2", "2"]);
}

#[test]
fn both_components_that_have_to_restart_do_so_in_one_rollout() {
    let mut world = risen(Some("Live"));
    write(&mut world, "be.conf", "a = 5\nb = 5\nfixed = 6");
    write(&mut world, "fe.conf", "a = 1\nfixed = 2\nJAVA_OPTS = -Xmx8g");
    world.run_until(5, |world, _| world.status.operation.is_some());
    let started = world.status.operation.clone().unwrap().started_at;
    world.run_until(300, |world, _| {
        assert!(world.status.operation.as_ref().is_none_or(|operation| operation.started_at == started));
        world.status.operation.is_none()
    });
    let order: Vec<String> = world.restarts().iter().map(|pod| pod[..7].to_owned()).collect();
    assert_eq!(order, ["kube-be", "kube-be", "kube-be", "kube-fe", "kube-fe", "kube-fe"]);
}

#[test]
fn a_value_that_nodes_take_and_show_otherwise_ends_in_the_hands_of_a_person() {
    let mut world = risen(Some("Live"));
    world.stubborn = true;
    write(&mut world, "fe.conf", "a = 2G\nfixed = 1\nJAVA_OPTS = -Xmx8g");
    let decision = world.run_until(60, |_, decision| decision.waiting_on.iter().any(|wait| wait.code() == "SR-2234"));
    assert!(decision.look_again.is_some_and(|again| again.as_secs() >= 60), "{:?}", decision.look_again);
    assert!(world.restarts().is_empty());
    let ready = world.status.conditions.iter().find(|condition| condition.condition_type == "Ready").unwrap();
    assert_eq!(ready.status, "True", "every node serves");
}

#[test]
fn a_setting_that_an_upgrade_put_back_is_set_to_what_the_file_says_by_now() {
    const KEY: &str = "tablet_sched_disable_balance";
    let mounted = |mut spec: Value| {
        let section = spec["starRocksFeSpec"].as_object_mut().unwrap();
        section.remove("configMapInfo");
        let mount = json!([{"name": "conf-fe", "mountPath": "/opt/starrocks/fe/conf/fe.conf", "subPath": "fe.conf"}]);
        section.insert("configMaps".to_owned(), mount);
        spec
    };
    let (live, restart) = (with_files_of("3.4.10", Some("Live")), with_files_of("3.4.10", Some("Restart")));
    for spec in [mounted(live.clone()), live, restart] {
        let mut world = risen_from(spec);
        world.ask_for("3.5.9");
        world
            .run_until(100, |world, _| world.status.operation.as_ref().is_some_and(|operation| operation.saved_settings.contains_key(KEY)));
        write(&mut world, "fe.conf", &format!("a = 1\nfixed = 1\nJAVA_OPTS = -Xmx8g\n{KEY} = true"));
        world.run_until(600, |world, _| world.status.operation.is_none() && entry(world, Component::Frontend).change.is_none());
        assert_eq!(values(&world, "kube-fe", KEY), ["true", "true", "true"]);
        assert_eq!(statements(&world).len(), 1, "{:?}", statements(&world));
        assert_eq!(world.restarts().iter().filter(|pod| pod.starts_with("kube-fe")).count(), 3);
    }
}

#[test]
fn a_setting_that_an_upgrade_put_back_and_the_file_no_longer_has_takes_one_more_restart_for_its_default() {
    const KEY: &str = "tablet_sched_disable_balance";
    for update in ["Live", "Restart"] {
        let mut world = World::new(with_files_of("3.4.10", Some(update)));
        write(&mut world, "fe.conf", &format!("a = 1\n{KEY} = true"));
        world.run_to_rest(200);
        world.ask_for("3.5.9");
        world.run_until(300, |world, _| {
            world.status.operation.as_ref().is_some_and(|operation| operation.phase == OperationPhase::Backends)
        });
        write(&mut world, "fe.conf", "a = 1");
        world.run_until(600, |world, _| world.status.operation.is_none() && entry(world, Component::Frontend).last_change.is_some());
        (0..50).for_each(|_| drop(world.pass()));
        assert_eq!(world.setting("kube-fe-2", FrontendSetting::TabletSchedDisableBalance).as_deref(), Some("false"), "{update}");
        assert_eq!(values(&world, "kube-fe", KEY), ["", "", ""], "{update}");
        assert_eq!(world.status.operation, None);
    }
}

#[test]
fn a_status_that_is_lost_costs_no_restart_and_the_next_change_rolls_as_ever() {
    for update in ["Live", "Restart"] {
        let mut world = risen(Some(update));
        write(&mut world, "be.conf", "a = 5\nb = 5\nfixed = 6");
        settle(&mut world, Component::Backend);
        assert_eq!(world.restarts().len(), 3);
        let marked = mark(&world);
        assert!(marked.is_some());
        world.status = StarRocksClusterStatus::default();
        (0..50).for_each(|_| drop(world.pass()));
        assert_eq!((world.restarts().len(), mark(&world)), (3, marked.clone()), "{update}");
        world.run_to_rest(100);
        write(&mut world, "be.conf", "a = 5\nb = 5\nfixed = 7");
        settle(&mut world, Component::Backend);
        assert_eq!(world.restarts().len(), 6, "{update}");
        assert!(mark(&world).is_some_and(|mark| Some(mark) != marked));
    }
}

#[test]
fn a_pod_that_was_restarted_for_a_change_at_once_is_not_restarted_for_it_again() {
    let mut world = risen(Some("Restart"));
    write(&mut world, "be.conf", "a = 6\nb = 5\nfixed = 5");
    world.run_until(5, |world, _| entry(world, Component::Backend).change.is_some());
    // As if all of this had happened within the second in which the change was seen.
    world.run_until(300, |world, _| {
        let since = Timestamp::parse(&entry(world, Component::Backend).change.unwrap_or_default().since);
        let restarted = !world.restarts().is_empty();
        restarted || since.is_none()
    });
    let since = Timestamp::parse(&entry(&world, Component::Backend).change.unwrap().since).unwrap();
    world.pods.get_mut("kube-be-2").unwrap().created = since;
    world.run_until(300, |world, _| world.status.operation.is_none());
    for _ in 0..50 {
        world.pass();
    }
    assert_eq!(world.restarts().len(), 3, "{:?}", world.restarts());
    assert!(entry(&world, Component::Backend).last_change.is_some());
}

#[test]
fn a_pod_that_a_change_broke_is_named_when_the_file_is_corrected_and_deleting_it_is_the_way_out() {
    const FORMER: &str = "a = 5\nb = 5\nfixed = 5";
    let deferred = |decision: &Decision| decision.waiting_on.iter().find(|wait| wait.code() == "SR-2233").map(ToString::to_string);
    let mut world = risen(Some("Restart"));
    write(&mut world, "be.conf", "a = 5\nb = 5\nfixed = 6");
    world.run_until(50, |world, _| !world.restarts().is_empty());
    world.sick.insert("kube-be-2".to_owned());
    write(&mut world, "be.conf", FORMER);
    let told = world.run_until(20, |_, decision| deferred(decision).is_some());
    assert!(deferred(&told).is_some_and(|words| words.ends_with("when what is under way has ended")), "it may still come back: {told:#?}");
    let told = world.run_until(300, |_, decision| decision.waiting_on.iter().any(|wait| wait.code() == "SR-2211"));
    let words = deferred(&told).unwrap_or_default();
    assert!(words.contains("kube-be-2, which was made for that one, does not come back") && words.contains("delete the pod"), "{words}");
    // What the words say.
    world.kill("kube-be-2");
    world.sick.clear();
    world.run_until(300, |world, _| world.status.operation.is_none() && entry(world, Component::Backend).change.is_none());
    assert_eq!(values(&world, "kube-be", "fixed"), ["5", "5", "5"]);
}

#[test]
fn a_file_with_which_a_node_is_ready_and_never_alive_stops_the_roll_and_the_former_file_mends_it() {
    const FORMER: &str = "a = 5\nb = 5\nfixed = 5";
    let mut world = risen(Some("Restart"));
    write(&mut world, "be.conf", "a = 5\nb = 5\nfixed = 6");
    world.run_until(50, |world, _| !world.restarts().is_empty());
    world.deaf.insert("kube-be-2".to_owned());
    world.run_until(10, |world, _| world.pods["kube-be-2"].ready);
    world.pass();
    let blocked = |world: &World, code: &str| {
        let of_node = world.status.blocked.iter().find(|blocked| blocked.node.as_deref() == Some("kube-be-2") && blocked.code == code);
        of_node.map(|blocked| blocked.message.clone()).unwrap_or_default()
    };
    assert!(blocked(&world, "SR-2106").contains("not reachable"), "{:#?}", world.status.blocked);
    world.run_until(300, |world, _| blocked(world, "SR-2211").contains("kube-be-2"));
    (0..100).for_each(|_| drop(world.pass()));
    assert_eq!(world.restarts(), ["kube-be-2"], "nothing else restarts");
    write(&mut world, "be.conf", FORMER);
    world.run_until(20, |_, decision| {
        decision.waiting_on.iter().any(|wait| wait.code() == "SR-2233" && wait.to_string().contains("delete the pod"))
    });
    world.kill("kube-be-2");
    world.deaf.clear();
    world.run_until(300, |world, _| world.status.operation.is_none() && entry(world, Component::Backend).change.is_none());
    assert_eq!(values(&world, "kube-be", "fixed"), ["5", "5", "5"]);
    assert_eq!(world.restarts(), ["kube-be-2", "kube-be-1", "kube-be-0"]);
}
