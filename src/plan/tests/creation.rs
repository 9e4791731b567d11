//! Creation, rest, and changes of the same release.

use serde_json::json;

use super::super::testing::{World, spec};
use crate::model::{Answer, Object, ObjectKind, Step, WaitingOn};

#[test]
fn a_fresh_cluster_gets_its_frontends_first_and_comes_to_rest() {
    let mut world = World::new(spec("3.3.13", 3, 3, 2));
    let first = world.pass();
    assert!(first.waiting_on.iter().any(|wait| matches!(wait, WaitingOn::FrontendsNotServing { .. })));
    assert!(world.pods.keys().all(|pod| pod.starts_with("kube-fe-")));
    world.run_to_rest(60);
    assert_eq!(world.pods.len(), 8);
    assert_eq!(world.status.phase, "running");
    assert_eq!(world.status.version.as_deref(), Some("3.3.13"));
    assert_eq!(world.status.conditions[0].condition_type, "Ready");
    assert_eq!(world.status.conditions[0].status, "True");
    assert!(world.restarts().is_empty());
}

#[test]
fn nodes_come_with_the_service_that_names_them_and_before_the_one_for_clients() {
    let mut world = World::new(spec("3.3.13", 1, 1, 1));
    let mut order = Vec::new();
    for _ in 0..60 {
        let steps = world.pass().steps;
        order.extend(steps.iter().filter_map(|step| match step {
            Step::Apply(object @ (Object::Service(_) | Object::StatefulSet(_))) => Some(object.key().name),
            _ => None,
        }));
    }
    let place = |name: &str| order.iter().position(|made| made == name).unwrap_or_else(|| panic!("{name} is never made: {order:?}"));
    assert!(
        place("kube-fe-search") < place("kube-fe") && place("kube-fe-service") < place("kube-fe"),
        "frontends look for both: {order:?}"
    );
    for node in ["be", "cn"] {
        let (nodes, clients) = (place(&format!("kube-{node}")), place(&format!("kube-{node}-service")));
        assert!(place("kube-fe") < place(&format!("kube-{node}-search")), "no address is taken before anybody can use it: {order:?}");
        assert!(place(&format!("kube-{node}-search")) < nodes && nodes < clients, "{order:?}");
    }
}

#[test]
fn at_rest_nothing_is_done_and_the_status_does_not_move() {
    let mut world = World::risen(spec("3.3.13", 3, 3, 0));
    let before = world.status.clone();
    for _ in 0..20 {
        let decision = world.pass();
        assert_eq!(decision.steps, []);
        assert_eq!(decision.status, before);
        assert!(decision.look_again.is_none_or(|again| again.as_secs() >= 300));
    }
}

#[test]
fn a_new_limit_restarts_nodes_one_by_one_and_the_leader_last() {
    let mut world = World::risen(spec("3.3.13", 3, 2, 0));
    world.edit(|spec| {
        spec["starRocksFeSpec"]["limits"] = json!({"memory": "8Gi"});
        spec["starRocksBeSpec"]["limits"] = json!({"memory": "16Gi"});
    });
    world.run_to_rest(200);
    assert_eq!(world.restarts(), ["kube-be-1", "kube-be-0", "kube-fe-2", "kube-fe-1", "kube-fe-0"]);
    assert!(!world.log.iter().any(|line| line.contains("CREATE IMAGE") || line.contains("FRONTEND CONFIG")));
    assert!(world.log.last().is_some_and(|line| line.contains("RollingUpdate")), "{:?}", world.log.last());
}

#[test]
fn a_cluster_whose_stateful_sets_are_about_to_change_is_not_called_ready() {
    let mut world = World::risen(spec("3.3.13", 3, 2, 0));
    world.edit(|spec| spec["starRocksFeSpec"]["limits"] = json!({"memory": "8Gi"}));
    let mut applied = 0;
    for _ in 0..100 {
        let decision = world.pass();
        let applies = decision.steps.iter().any(|step| matches!(step, Step::Apply(Object::StatefulSet(_))));
        applied += usize::from(applies);
        let ready = decision.status.conditions.iter().any(|condition| condition.condition_type == "Ready" && condition.status == "True");
        assert!(!(applies && ready), "{:?}", decision.steps);
    }
    assert!(applied >= 2, "on the way to OnDelete and back");
}

#[test]
fn another_operator_release_alone_restarts_nobody() {
    let mut world = World::risen(spec("3.3.13", 3, 2, 0));
    // The same generation with another template is what a new operator release, or an edited ConfigMap, looks like.
    world.spec["starRocksBeSpec"]["annotations"] = json!({"operator": "new"});
    let decision = world.pass();
    assert!(decision.steps.is_empty());
    assert!(matches!(decision.waiting_on.as_slice(), [WaitingOn::TemplateHeld { .. }]));
    assert_eq!(decision.status.phase, "running");
}

fn requires_update(world: &World) -> Option<(String, String)> {
    let found = world.status.conditions.iter().find(|condition| condition.condition_type == "RequiresUpdate");
    found.map(|condition| (condition.status.clone(), condition.message.clone()))
}

#[test]
fn what_another_operator_release_would_make_differently_is_told_and_rolled_once_its_owner_agrees_to_it() {
    let mut world = World::risen(spec("3.3.13", 3, 2, 0));
    assert_eq!(requires_update(&world), Some(("False".to_owned(), String::new())));
    world.spec["starRocksBeSpec"]["annotations"] = json!({"operator": "new"});
    let decision = world.pass();
    let Some(WaitingOn::TemplateHeld { accept, .. }) = decision.waiting_on.first() else { panic!("{:?}", decision.waiting_on) };
    let (status, message) = requires_update(&world).expect("a condition");
    assert_eq!(status, "True");
    assert!(message.contains("BE (spec.template.metadata.annotations") && message.contains(accept.as_str()), "{message}");
    world.accepted = "0123456789abcdef".to_owned();
    let before = world.status.clone();
    world.pass();
    assert_eq!((world.restarts().len(), &world.status), (0, &before), "another template is not what was agreed to, and is told once");
    world.accepted = format!("0123456789abcdef, {accept}");
    world.run_to_rest(200);
    assert_eq!(world.restarts(), ["kube-be-1", "kube-be-0"]);
    assert_eq!(requires_update(&world).map(|(status, _)| status).as_deref(), Some("False"));
}

#[test]
fn a_status_from_before_there_was_such_a_condition_is_not_written_for_it_alone() {
    let mut world = World::risen(spec("3.3.13", 3, 2, 0));
    world.status.conditions.retain(|condition| condition.condition_type != "RequiresUpdate");
    let before = world.status.clone();
    world.pass();
    assert_eq!(world.status, before);
    world.spec["starRocksBeSpec"]["annotations"] = json!({"operator": "new"});
    world.pass();
    assert_eq!(requires_update(&world).map(|(status, _)| status).as_deref(), Some("True"));
}

#[test]
fn agreement_outside_a_maintenance_window_waits_for_it() {
    let mut world = World::risen(spec("3.3.13", 3, 2, 0));
    world.edit(|spec| spec["upgradePolicy"]["maintenanceWindows"] = json!([{"start": "02:00", "durationMinutes": 60}]));
    world.run_to_rest(20);
    world.spec["starRocksBeSpec"]["annotations"] = json!({"operator": "new"});
    let decision = world.pass();
    let Some(WaitingOn::TemplateHeld { accept, .. }) = decision.waiting_on.first() else { panic!("{:?}", decision.waiting_on) };
    world.accepted.clone_from(accept);
    let decision = world.pass();
    assert!(decision.waiting_on.iter().any(|wait| wait.code() == "SR-2217"), "{:?}", decision.waiting_on);
    assert!(world.restarts().is_empty());
}

#[test]
fn a_bad_image_of_the_first_hour_is_replaced_at_once() {
    let mut world = World::new(spec("9.9.9", 3, 1, 0));
    for _ in 0..3 {
        world.pass();
    }
    assert_eq!(world.status.phase, "failed");
    world.ask_for("3.3.13");
    world.run_to_rest(100);
    assert_eq!(world.status.version.as_deref(), Some("3.3.13"));
}

#[test]
fn a_bad_limit_stops_at_the_first_node_and_can_be_taken_back() {
    let mut world = World::risen(spec("3.3.13", 3, 3, 0));
    world.edit(|spec| spec["starRocksBeSpec"]["limits"] = json!({"memory": "1"}));
    world.run_until(20, |world, _| world.restarts().len() == 1);
    world.sick.insert("kube-be-2".to_owned());
    for _ in 0..150 {
        world.pass();
    }
    assert_eq!(world.restarts(), ["kube-be-2"]);
    assert!(world.status.blocked.iter().any(|blocked| blocked.code == "SR-2211"), "{:?}", world.status.blocked);
    let before = world.status.clone();
    world.pass();
    assert_eq!(world.status, before, "a stall is told once");
    world.sick.clear();
    world.edit(|spec| spec["starRocksBeSpec"]["limits"] = json!({"memory": "16Gi"}));
    world.run_to_rest(200);
    assert_eq!(world.status.phase, "running");
}

#[test]
fn silence_of_every_frontend_takes_nothing_away() {
    let mut world = World::risen(spec("3.3.13", 3, 3, 0));
    world.mute = true;
    world.edit(|spec| {
        spec["starRocksBeSpec"]["replicas"] = json!(1);
        spec["starRocksFeSpec"]["limits"] = json!({"memory": "8Gi"});
    });
    for _ in 0..10 {
        let decision = world.pass();
        let harmless = |step: &Step| !matches!(step, Step::RestartPod { .. } | Step::Execute { .. } | Step::Delete { .. });
        assert!(decision.steps.iter().all(harmless), "{:?}", decision.steps);
        assert_eq!(world.pods.len(), 6);
    }
    world.mute = false;
    world.run_to_rest(300);
    assert_eq!(world.pods.len(), 4);
}

#[test]
fn a_backend_leaves_only_after_its_tablets() {
    let mut world = World::risen(spec("3.3.13", 3, 4, 0));
    world.edit(|spec| spec["starRocksBeSpec"]["replicas"] = json!(3));
    world.pass();
    assert!(world.log.iter().any(|line| line.contains("DECOMMISSION BACKEND \"kube-be-3.")));
    assert_eq!(world.pods.len(), 7);
    world.run_to_rest(60);
    assert_eq!(world.pods.len(), 6);
}

#[test]
fn a_scale_in_that_is_taken_back_is_cancelled() {
    let mut world = World::risen(spec("3.3.13", 3, 4, 0));
    world.edit(|spec| spec["starRocksBeSpec"]["replicas"] = json!(3));
    world.pass();
    world.edit(|spec| spec["starRocksBeSpec"]["replicas"] = json!(4));
    world.run_to_rest(60);
    assert!(world.log.iter().any(|line| line.contains("CANCEL DECOMMISSION")));
    assert_eq!(world.pods.len(), 7);
}

#[test]
fn frontends_leave_the_group_before_their_pods_and_never_become_one() {
    let mut world = World::risen(spec("3.3.13", 5, 1, 0));
    world.leader = Some("kube-fe-4".to_owned());
    world.edit(|spec| spec["starRocksFeSpec"]["replicas"] = json!(3));
    world.run_to_rest(100);
    assert_eq!(world.frontend_rows.len(), 3);
    world.edit(|spec| spec["starRocksFeSpec"]["replicas"] = json!(1));
    let decision = world.pass();
    assert!(decision.waiting_on.iter().any(|wait| matches!(wait, WaitingOn::ScaleInRefused { .. })));
    assert_eq!(world.pods.len(), 4);
}

#[test]
fn compute_nodes_are_forgotten_once_they_are_gone() {
    let mut world = World::risen(spec("3.3.13", 3, 1, 3));
    world.edit(|spec| spec["starRocksCnSpec"]["replicas"] = json!(1));
    world.run_to_rest(60);
    assert_eq!(world.log.iter().filter(|line| line.contains("DROP COMPUTE NODE")).count(), 2);
    assert_eq!(world.node_rows.len(), 2);
}

#[test]
fn a_compute_node_that_is_gone_but_still_called_alive_is_asked_for_again() {
    let mut world = World::risen(spec("3.3.13", 3, 1, 2));
    world.edit(|spec| spec["starRocksCnSpec"]["replicas"] = json!(1));
    world.run_until(10, |world, _| !world.pods.contains_key("kube-cn-1"));
    let mut observed = world.observe();
    if let Answer::Known(rows) = &mut observed.group.compute_nodes {
        rows.iter_mut().for_each(|row| row.alive = true);
    }
    let decision = crate::plan::plan(&world.cluster(), &observed);
    assert!(decision.waiting_on.contains(&WaitingOn::NodeLeaving { pod: "kube-cn-1".to_owned() }), "{:?}", decision.waiting_on);
    assert!(decision.look_again.is_some_and(|after| after.as_secs() <= 5));
    assert!(decision.steps.is_empty(), "{:?}", decision.steps);
}

#[test]
fn a_section_taken_away_takes_its_objects_and_nothing_else() {
    let mut world = World::risen(spec("3.3.13", 3, 1, 2));
    world.edit(|spec| _ = spec.as_object_mut().map(|spec| spec.remove("starRocksCnSpec")));
    world.run_to_rest(60);
    let deleted: Vec<&String> = world.log.iter().filter(|line| line.starts_with("delete")).collect();
    assert_eq!(deleted, ["delete Service kube-cn-search", "delete Service kube-cn-service", "delete StatefulSet kube-cn"]);
    assert_eq!(world.pods.len(), 4);
}

#[test]
fn a_paused_cluster_restarts_nobody() {
    let mut world = World::risen(spec("3.3.13", 3, 2, 0));
    world.edit(|spec| {
        spec["upgradePolicy"]["paused"] = json!(true);
        spec["starRocksBeSpec"]["limits"] = json!({"memory": "16Gi"});
    });
    for _ in 0..10 {
        assert!(world.pass().steps.is_empty());
    }
    world.edit(|spec| spec["upgradePolicy"]["paused"] = json!(false));
    world.run_to_rest(100);
    assert_eq!(world.restarts(), ["kube-be-1", "kube-be-0"]);
}

#[test]
fn a_frontend_whose_metadata_goes_with_its_pod_is_not_restarted_when_nobody_else_has_it() {
    let mut spec = spec("3.3.13", 1, 1, 0);
    spec["starRocksFeSpec"]["storageVolumes"] = json!([]);
    let mut world = World::risen(spec);
    world.edit(|spec| spec["starRocksFeSpec"]["limits"] = json!({"memory": "8Gi"}));
    for _ in 0..30 {
        let decision = world.pass();
        assert!(!decision.steps.iter().any(|step| matches!(step, Step::RestartPod { pod, .. } if pod == "kube-fe-0")));
    }
    assert!(world.pass().waiting_on.iter().any(|wait| matches!(wait, WaitingOn::SecondClusterRisk { .. })));
}

#[test]
fn the_proxy_restarts_when_its_configuration_changes_and_not_before() {
    let mut wanted = spec("3.3.13", 1, 1, 0);
    wanted["starRocksFeProxySpec"] = json!({"replicas": 1});
    let mut world = World::risen(wanted);
    let marked = |world: &World| {
        let live = world.observe();
        let proxy = live.object(ObjectKind::Deployment, "kube-fe-proxy").expect("there").body.clone();
        proxy.pointer("/spec/template/metadata/annotations").cloned()
    };
    assert_eq!(marked(&world), None, "the template of a new proxy is that of the Go operator");
    world.edit(|spec| spec["starRocksFeProxySpec"]["resolver"] = json!("10.0.0.10"));
    world.run_to_rest(20);
    let first = marked(&world);
    assert!(first.is_some(), "pods read their configuration only once");
    world.edit(|spec| spec["starRocksFeProxySpec"]["resolver"] = json!("10.0.0.11"));
    world.run_to_rest(20);
    assert!(marked(&world).is_some_and(|second| Some(second) != first));
}
