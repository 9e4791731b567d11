//! Ports that a file moves under a running cluster: both are offered while pods move, nodes that were told follow, and what nodes are known by stays.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::testing::{World, spec};
use super::configuration::{risen, write};
use crate::model::{Answer, Component, ConfigurationWait, Decision, ObjectKind, Silence, SilenceKind, Step, WaitingOn};

const MOVED: &str = "a = 1\nfixed = 2\nJAVA_OPTS = -Xmx8g\nquery_port = 9031\nhttp_port = 8031";
const FORMER: &str = "a = 1\nfixed = 1\nJAVA_OPTS = -Xmx8g";

/// Ports of a Service by number: name, and where they lead.
fn offered(world: &World, service: &str) -> BTreeMap<u64, (String, Value)> {
    let body = &world.objects[&ObjectKind::Service][service].body;
    let ports = body["spec"]["ports"].as_array().unwrap().iter();
    ports.map(|port| (port["port"].as_u64().unwrap(), (port["name"].as_str().unwrap().to_owned(), port["targetPort"].clone()))).collect()
}

fn ports_of(world: &World, component: Component, name: &str) -> Vec<Option<u16>> {
    world.pods.values().filter(|pod| pod.component == component).map(|pod| pod.ports.named(component, name)).collect()
}

fn fixed(decision: &Decision) -> Option<(String, u16, u16)> {
    decision.waiting_on.iter().find_map(|wait| match wait {
        WaitingOn::Configuration(ConfigurationWait::PortFixed { key, former, wanted, .. }) => Some((key.clone(), *former, *wanted)),
        _ => None,
    })
}

/// Whether the change has come to its end.
fn is_over(world: &World) -> bool {
    world.status.operation.is_none() && world.status.configuration.iter().all(|entry| entry.change.is_none())
}

/// Passes until the change has come to its end; as long as a pod is at its former port the Service leads there, and everybody finds every pod.
fn run_and_watch(world: &mut World, pass: impl Fn(&mut World) -> Decision) {
    pass(world);
    for _ in 0..800 {
        let present = ports_of(world, Component::Frontend, "query-port");
        let (former, new) = (present.contains(&Some(9030)), present.contains(&Some(9031)));
        pass(world);
        let at = offered(world, "kube-fe-service");
        let led = |name: &str| (name.to_owned(), json!("query-port"));
        if former && new {
            assert_eq!((at.get(&9030), at.get(&9031)), (Some(&led("query")), Some(&led("query-9031"))), "{at:?}");
        }
        if is_over(world) && !former {
            return;
        }
    }
    panic!("{:#?}", world.status);
}

#[test]
fn frontends_move_last_and_services_follow_when_the_last_one_has_come() {
    for update in ["Restart", "Live"] {
        let mut world = risen(Some(update));
        write(&mut world, "fe.conf", MOVED);
        run_and_watch(&mut world, World::pass);
        world.run_to_rest(100);
        let at = offered(&world, "kube-fe-service");
        assert_eq!(at.get(&9031), Some(&("query".to_owned(), json!(9031))), "{at:?}");
        assert_eq!(at.get(&8031), Some(&("http".to_owned(), json!(8031))), "{at:?}");
        assert_eq!(at.keys().copied().collect::<Vec<_>>(), [8031, 9010, 9020, 9031]);
        assert_eq!(offered(&world, "kube-fe-search").keys().copied().collect::<Vec<_>>(), [9031]);
        assert_eq!(ports_of(&world, Component::Frontend, "http-port"), [Some(8031); 3]);
        let restarts = world.restarts();
        let backends = restarts.iter().filter(|pod| pod.starts_with("kube-be")).count();
        assert_eq!((backends, restarts.len()), (3, 6), "{restarts:?}");
        assert!(restarts[..3].iter().all(|pod| pod.starts_with("kube-be")), "{restarts:?}");
    }
}

#[test]
fn an_operator_that_dies_after_every_single_change_comes_to_the_same_ports() {
    let mut world = risen(Some("Restart"));
    write(&mut world, "fe.conf", MOVED);
    run_and_watch(&mut world, World::pass_of_one_change);
    world.run_to_rest(100);
    assert_eq!(offered(&world, "kube-fe-service").keys().copied().collect::<Vec<_>>(), [8031, 9010, 9020, 9031]);
    assert_eq!(world.restarts().len(), 6);
}

#[test]
fn a_change_that_is_taken_back_halfway_ends_at_the_former_ports() {
    let mut world = risen(Some("Restart"));
    write(&mut world, "fe.conf", MOVED);
    world.run_until(300, |world, _| ports_of(world, Component::Frontend, "query-port").contains(&Some(9031)));
    write(&mut world, "fe.conf", FORMER);
    world.run_until(600, |world, _| is_over(world));
    world.run_to_rest(100);
    let at = offered(&world, "kube-fe-service");
    assert_eq!(at.get(&9030), Some(&("query".to_owned(), json!(9030))), "{at:?}");
    assert_eq!(at.len(), 4);
    assert_eq!(ports_of(&world, Component::Frontend, "query-port"), [Some(9030); 3]);
}

#[test]
fn held_pods_are_found_at_their_ports_until_somebody_agrees_and_then_all_follow() {
    let mut world = risen(None);
    write(&mut world, "fe.conf", MOVED);
    for _ in 0..20 {
        world.pass();
    }
    assert_eq!(offered(&world, "kube-fe-service").get(&9030), Some(&("query".to_owned(), json!("query-port"))));
    assert!(world.restarts().is_empty());
    let decision = world.pass();
    world.accepted = decision
        .waiting_on
        .iter()
        .find_map(|wait| match wait {
            WaitingOn::TemplateHeld { component: Component::Frontend, accept, .. } => Some(accept.clone()),
            _ => None,
        })
        .unwrap();
    world.run_to_rest(300);
    assert_eq!(offered(&world, "kube-fe-service").keys().copied().collect::<Vec<_>>(), [8031, 9010, 9020, 9031]);
    assert_eq!(world.restarts().len(), 6, "nodes that were told the former port follow: {:?}", world.restarts());
}

#[test]
fn a_frontend_is_not_added_before_the_others_have_moved() {
    let mut world = risen(Some("Restart"));
    write(&mut world, "fe.conf", MOVED);
    world.edit(|spec| spec["starRocksFeSpec"]["replicas"] = json!(4));
    for _ in 0..400 {
        let apart = ports_of(&world, Component::Frontend, "query-port").contains(&Some(9030));
        world.pass();
        assert!(!apart || world.pods.keys().all(|pod| pod != "kube-fe-3"), "it would look for the leader at a port of its own");
        if world.pods.contains_key("kube-fe-3") {
            break;
        }
    }
    world.run_to_rest(100);
    assert_eq!(ports_of(&world, Component::Frontend, "query-port"), [Some(9031); 4]);
}

#[test]
fn the_port_that_nodes_are_known_by_stays_whatever_the_file_says() {
    for (file, text, told) in [
        ("be.conf", "a = 5\nb = 5\nfixed = 5\nheartbeat_service_port = 9051", ("heartbeat_service_port", 9050, 9051)),
        ("fe.conf", "a = 1\nfixed = 1\nJAVA_OPTS = -Xmx8g\nedit_log_port = 9011", ("edit_log_port", 9010, 9011)),
    ] {
        for update in [Some("Restart"), Some("Live"), None] {
            let mut world = risen(update);
            world.advance(Duration::from_secs(300));
            let before = world.objects.clone();
            let former = world.files[file].clone();
            write(&mut world, file, text);
            for round in 0..40 {
                let decision = world.pass();
                let told = (told.0.to_owned(), told.1, told.2);
                assert_eq!(fixed(&decision), Some(told), "{update:?} {:#?}", decision.waiting_on);
                assert!(decision.steps.is_empty(), "{:#?}", decision.steps);
                if round == 10 {
                    // Neither a change of the resource nor another release brings it about.
                    world.ask_for("3.5.9");
                    world.edit(|spec| spec["starRocksBeSpec"]["replicas"] = json!(4));
                }
            }
            assert_eq!(world.objects, before, "nothing is touched");
            world.ask_for("3.5.8");
            world.edit(|spec| spec["starRocksBeSpec"]["replicas"] = json!(3));
            write(&mut world, file, &former);
            world.run_to_rest(100);
            assert!(world.restarts().is_empty(), "{:?}", world.restarts());
        }
    }
}

#[test]
fn a_silent_group_is_no_reason_to_take_the_port_for_free() {
    let mut world = risen(Some("Restart"));
    for (file, text) in [("be.conf", "heartbeat_service_port = 9051"), ("fe.conf", "edit_log_port = 9011")] {
        let former = world.files[file].clone();
        write(&mut world, file, text);
        let mut observed = world.observe();
        let silence = Silence { kind: SilenceKind::TimedOut, message: "no answer".to_owned() };
        observed.group.frontends = Answer::Failed(silence.clone());
        observed.group.backends = Answer::Failed(silence);
        let decision = super::super::plan(&world.cluster(), &observed);
        assert!(fixed(&decision).is_some(), "{:#?}", decision.waiting_on);
        assert!(!decision.steps.iter().any(|step| matches!(step, Step::Apply(_) | Step::RestartPod { .. })), "{:#?}", decision.steps);
        write(&mut world, file, &former);
    }
}

#[test]
fn frontends_without_a_volume_keep_the_ports_at_which_they_look_for_each_other() {
    let mut spec = spec("3.5.8", 3, 3, 0);
    spec["starRocksFeSpec"]["storageVolumes"] = json!([]);
    spec["starRocksFeSpec"]["configMapInfo"] = json!({"configMapName": "conf-fe", "resolveKey": "fe.conf"});
    spec["configurationUpdate"] = json!("Restart");
    let mut world = World::new(spec);
    write(&mut world, "fe.conf", FORMER);
    world.run_to_rest(200);
    write(&mut world, "fe.conf", MOVED);
    let decision = world.pass();
    assert_eq!(fixed(&decision), Some(("query_port".to_owned(), 9030, 9031)), "{:#?}", decision.waiting_on);
    assert!(decision.steps.is_empty());
}

#[test]
fn a_new_cluster_chooses_its_ports() {
    let mut world = World::new(spec("3.5.8", 3, 3, 0));
    for (section, kind) in [("starRocksFeSpec", "fe"), ("starRocksBeSpec", "be")] {
        world.spec[section]["configMapInfo"] = json!({"configMapName": format!("conf-{kind}"), "resolveKey": format!("{kind}.conf")});
    }
    write(&mut world, "fe.conf", "query_port = 9031");
    write(&mut world, "be.conf", "webserver_port = 8041");
    world.run_to_rest(200);
    assert_eq!(offered(&world, "kube-fe-service").get(&9031), Some(&("query".to_owned(), json!(9031))));
    assert_eq!(offered(&world, "kube-be-service").get(&8041), Some(&("webserver".to_owned(), json!(8041))));
}
