//! Every code of a wait comes out of a decision in some situation; one that is explained and that no situation shows fails.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::json;

use super::super::testing::{World, spec};
use super::super::{Violation, plan, refused};
use super::budgets::budget;
use super::recovery::recovering;
use super::warehouses::{Stage, without_cluster};
use super::{channels, configuration, transfers};
use crate::model::WaitingOn;
use crate::model::cluster::RunMode;
use crate::model::observed::{Claim, PodProblem, PullState};
use crate::model::record::Cancel;
use crate::model::refusal::content;
use crate::model::starrocks::{BackendRow, FrontendRole, FrontendRow, ReplicaTrouble, RoutineLoadState, TabletStatistic};
use crate::model::{
    Answer, Decision, LiveObject, ObjectKind, Observed, Pod, Refusal, Request, Silence, SilenceKind, Step, Timestamp, WarehouseWait,
};

const BACKEND: &str = "kube-be-1";
const SERVICE: &str = "kube-fe-service";

/// A cluster at rest.
fn resting() -> World {
    World::risen(spec("3.5.8", 3, 3, 0))
}

/// A cluster that was just asked to run another release.
fn asked() -> World {
    let mut world = resting();
    world.ask_for("3.5.9");
    world
}

/// A cluster on its way until it waits for `code`.
fn on_its_way(code: &str, mut world: World) -> Decision {
    world.run_until(300, |_, decision| decision.waiting_on.iter().any(|wait| wait.code() == code))
}

/// What is decided when the world looks a little different.
fn if_only(world: &World, change: impl FnOnce(&mut Observed)) -> Decision {
    let mut observed = world.observe();
    change(&mut observed);
    plan(&world.cluster(), &observed)
}

fn if_a_pod(change: impl FnOnce(&mut Pod)) -> Decision {
    if_only(&resting(), |observed| change(observed.pods.get_mut(BACKEND).unwrap()))
}

fn if_a_backend(world: &World, change: impl FnOnce(&mut BackendRow)) -> Decision {
    if_only(world, |observed| change(known(&mut observed.group.backends).iter_mut().find(|row| row.host.starts_with(BACKEND)).unwrap()))
}

fn if_the_frontends(world: &World, change: impl FnOnce(&mut Vec<FrontendRow>)) -> Decision {
    if_only(world, |observed| change(known(&mut observed.group.frontends)))
}

fn after(mut world: World, edit: impl FnOnce(&mut serde_json::Value)) -> Decision {
    world.edit(edit);
    plan(&world.cluster(), &world.observe())
}

fn known<T>(answer: &mut Answer<T>) -> &mut T {
    match answer {
        Answer::Known(value) => value,
        Answer::NotAsked | Answer::Failed(_) => panic!("it was not answered"),
    }
}

fn failed<T>(kind: SilenceKind) -> Answer<T> {
    Answer::Failed(Silence { kind, message: "kube-fe-0 says no".to_owned() })
}

fn claim() -> Claim {
    Claim { uid: "claim-uid".to_owned(), bound: true, created: Timestamp::from_seconds(0) }
}

type Scene = (&'static str, fn() -> Decision);

const PODS: [Scene; 4] = [
    ("SR-2001", || if_only(&resting(), |observed| drop(observed.pods.remove(BACKEND)))),
    ("SR-2002", || {
        if_a_pod(|pod| {
            (pod.ready, pod.running) = (false, false);
            pod.problem = Some(PodProblem { reason: "ErrImagePull".to_owned(), message: "not found".to_owned(), stuck: true });
        })
    }),
    ("SR-2003", || if_a_pod(|pod| pod.ready = false)),
    ("SR-2004", || if_a_pod(|pod| pod.deleting = true)),
];

const NODES: [Scene; 13] = [
    ("SR-2101", || World::new(spec("3.5.8", 3, 3, 0)).pass()),
    ("SR-2102", || if_the_frontends(&asked(), |rows| rows.iter_mut().for_each(|row| row.role = FrontendRole::Follower))),
    ("SR-2103", || {
        let mut world = resting();
        world.mute = true;
        plan(&world.cluster(), &world.observe())
    }),
    ("SR-2104", || {
        if_only(&resting(), |observed| {
            for report in observed.frontends.values_mut() {
                (report.serving, report.version) = (failed(SilenceKind::Denied), failed(SilenceKind::Denied));
            }
        })
    }),
    ("SR-2105", || if_only(&resting(), |observed| known(&mut observed.group.backends).retain(|row| !row.host.starts_with(BACKEND)))),
    ("SR-2106", || if_a_backend(&resting(), |row| row.alive = false)),
    ("SR-2107", || if_a_backend(&resting(), |row| row.version = "3.5.7-abc1234".to_owned())),
    ("SR-2108", || if_a_backend(&resting(), |row| row.last_tablet_report = None)),
    ("SR-2109", || {
        let trouble = ReplicaTrouble { troubled: 2, example: Some("d.t".to_owned()) };
        if_only(&asked(), |observed| observed.group.replicas = Answer::Known(trouble))
    }),
    ("SR-2110", || {
        let statistic = TabletStatistic { tablets: 12, unhealthy: 3, ..TabletStatistic::default() };
        if_only(&asked(), |observed| observed.group.statistic = Answer::Known(statistic))
    }),
    ("SR-2111", || if_the_frontends(&resting(), |rows| rows[0].replayed_journal_id += 10_000)),
    // Voters that are registered and gone, as after a failed migration.
    ("SR-2112", || {
        let mut world = World::risen(spec("3.5.8", 5, 3, 0));
        world.edit(|spec| spec["starRocksFeSpec"]["replicas"] = json!(3));
        if_the_frontends(&world, |rows| {
            let gone = |number: usize| FrontendRow {
                host: format!("gone-{number}.elsewhere"),
                role: FrontendRole::Follower,
                alive: false,
                ..rows[0].clone()
            };
            let gone: Vec<FrontendRow> = (0..4).map(gone).collect();
            rows.extend(gone);
        })
    }),
    ("SR-2113", || if_only(&asked(), |observed| observed.group.running_jobs = failed(SilenceKind::Rejected))),
];

const UPGRADES: [Scene; 29] = [
    ("SR-2201", || on_its_way("SR-2201", crossing())),
    ("SR-2202", || on_its_way("SR-2202", crossing())),
    ("SR-2203", || on_its_way("SR-2203", crossing())),
    ("SR-2204", || if_only(&asked(), |observed| observed.group.running_jobs = Answer::Known(vec!["backup d.b".to_owned()]))),
    ("SR-2205", || if_a_backend(&asked(), |row| row.max_disk_used_basis_points = Some(9_000))),
    ("SR-2206", || {
        let mut world = World::risen(spec("3.5.8", 1, 1, 0));
        world.ask_for("3.5.9");
        plan(&world.cluster(), &world.observe())
    }),
    ("SR-2207", || {
        after(resting(), |spec| {
            spec["upgradePolicy"]["paused"] = json!(true);
            spec["starRocksBeSpec"]["limits"] = json!({"memory": "16Gi"});
        })
    }),
    ("SR-2208", || {
        let mut world = resting();
        world.ask_for("3.5.1");
        world.pass()
    }),
    ("SR-2209", || {
        let mut world = resting();
        world.ask_for("latest");
        world.pass()
    }),
    ("SR-2210", || {
        let mut spec = spec("3.4.10", 3, 3, 0);
        spec["starRocksFeSpec"]["feEnvVars"] = json!([{"name": "JAVA_OPTS", "value": "-XX:+UseConcMarkSweepGC"}]);
        let mut world = World::risen(spec);
        world.ask_for("3.5.9");
        plan(&world.cluster(), &world.observe())
    }),
    ("SR-2211", || {
        let mut world = asked();
        world.run_until(200, |world, _| world.restarts().len() == 1);
        world.sick.insert("kube-be-2".to_owned());
        on_its_way("SR-2211", world)
    }),
    ("SR-2212", || after(resting(), |spec| spec["starRocksBeSpec"]["image"] = json!("starrocks/be-ubuntu:3.4.10"))),
    ("SR-2213", || if_only(&asked(), |observed| observed.group.journal_since_image = Answer::Known(100_000))),
    ("SR-2214", || {
        let mut world = asked();
        world.routine_loads.insert("clicks".to_owned(), RoutineLoadState::Active);
        on_its_way("SR-2214", world)
    }),
    ("SR-2230", || {
        let mut world = World::risen(channels::spec("stable-3.5"));
        world.edit(|spec| spec["channel"] = json!("gone"));
        plan(&world.cluster(), &world.observe())
    }),
    ("SR-2215", || {
        let mut world = World::risen(spec("3.3.13", 3, 2, 0));
        world.schema_changes = 3;
        world.ask_for("3.2.11");
        on_its_way("SR-2215", world)
    }),
    ("SR-2216", || held(json!({"approval": "Once"}))),
    ("SR-2217", || held(json!({"maintenanceWindows": [{"days": ["Sun"], "start": "02:00", "durationMinutes": 60}]}))),
    ("SR-2218", || {
        let mut world = asked();
        world.pass();
        world.upgrade().spec.cancel = Some(Cancel::StopHere);
        on_its_way("SR-2218", world)
    }),
    ("SR-2219", || {
        let mut world = World::risen(spec("2.5.20", 3, 2, 0));
        world.ask_for("3.0.9");
        world.run_until(300, |world, _| world.restarts().len() == 1);
        world.upgrade().spec.cancel = Some(Cancel::RollBack);
        on_its_way("SR-2219", world)
    }),
    ("SR-2235", || {
        let mut world = transfers::of_next_line(spec("4.2.0", 3, 3, 0));
        world.ask_for("4.2.1");
        on_its_way("SR-2235", world)
    }),
    ("SR-2225", || on_its_way("SR-2225", pulling(PullState::Failing { words: "ErrImagePull: not found".to_owned() }))),
    ("SR-2228", || on_its_way("SR-2228", pulling(PullState::Pulled))),
    ("SR-2226", || {
        let mut world = asked();
        world.budgets = vec![budget("be", [2, 2, 0, 3])];
        world.pass()
    }),
    ("SR-2227", || {
        let mut world = asked();
        world.budgets = vec![budget("be", [3, 3, 0, 3])];
        world.pass()
    }),
    ("SR-2220", || held(json!({"backupRequired": true}))),
    ("SR-2221", || judged(Answer::Known(Some("0".to_owned())), "SR-2221")),
    ("SR-2222", || judged(failed(SilenceKind::TimedOut), "SR-2222")),
    ("SR-2223", || {
        let mut world = asked();
        world.edit(|spec| spec["upgradePolicy"]["drainSeconds"] = json!(60));
        world.queries.insert("kube-be-2".to_owned(), 1);
        on_its_way("SR-2223", world)
    }),
];

const CONFIGURATIONS: [Scene; 5] = [
    ("SR-2236", || {
        let mut world = configuration::risen(None);
        configuration::write(&mut world, "be.conf", "heartbeat_service_port = 9051");
        world.pass()
    }),
    ("SR-2231", || on_its_way("SR-2231", changed("a = 2"))),
    ("SR-2232", || {
        let mut world = changed("a = 2");
        let decision = world.run_until(10, |_, decision| decision.steps.iter().any(|step| matches!(step, Step::Execute { .. })));
        world.running.values_mut().for_each(|keys| drop(keys.insert("a".to_owned(), "1".to_owned())));
        let step = decision.steps.iter().find(|step| matches!(step, Step::Execute { .. })).unwrap();
        let refusal = Refusal {
            request: Request::of(step).unwrap(),
            content: content(step),
            reason: "Refused".to_owned(),
            words: "Failed to set config 'a'.".to_owned(),
            refusals: 1,
            again: world.now + Duration::from_secs(60),
        };
        let decision = if_only(&world, |observed| observed.refusals.push(refusal));
        assert!(!decision.steps.iter().any(|step| matches!(step, Step::Execute { .. })), "not before it is due");
        decision
    }),
    ("SR-2233", || {
        let mut world = changed("a = 2");
        world.ask_for("3.5.9");
        on_its_way("SR-2233", world)
    }),
    ("SR-2234", || {
        let mut world = changed("a = 2");
        world.stubborn = true;
        on_its_way("SR-2234", world)
    }),
];

/// A cluster at rest whose fe.conf has just changed.
fn changed(text: &str) -> World {
    let mut world = configuration::risen(Some("Live"));
    configuration::write(&mut world, "fe.conf", &format!("{text}\nfixed = 1\nJAVA_OPTS = -Xmx8g"));
    world
}

const SAFETY: [Scene; 19] = [
    ("SR-2301", || after(World::risen(spec("3.5.8", 3, 4, 0)), |spec| spec["starRocksBeSpec"]["replicas"] = json!(3))),
    ("SR-2302", || after(resting(), |spec| spec["starRocksFeSpec"]["replicas"] = json!(1))),
    // The frontends' StatefulSet, every frontend and the volume of the first one are gone.
    ("SR-2303", || {
        let mut world = resting();
        world.leader = None;
        if_only(&world, |observed| {
            observed.objects.entry(ObjectKind::StatefulSet).or_default().remove("kube-fe");
            observed.pods.retain(|name, _| !name.starts_with("kube-fe"));
            observed.claims.retain(|name, _| !name.ends_with("kube-fe-0"));
            observed.frontends.clear();
        })
    }),
    ("SR-2304", || {
        let mut world = resting();
        world.claims.insert("fe-meta-kube-fe-3".to_owned(), claim());
        after(world, |spec| spec["starRocksFeSpec"]["replicas"] = json!(5))
    }),
    ("SR-2305", || {
        let mut world = World::risen(spec("3.5.8", 3, 3, 2));
        world.edit(|spec| spec["starRocksCnSpec"]["replicas"] = json!(1));
        world.run_until(10, |world, _| !world.pods.contains_key("kube-cn-1"));
        if_only(&world, |observed| {
            if let Answer::Known(rows) = &mut observed.group.compute_nodes {
                rows.iter_mut().for_each(|row| row.alive = true);
            }
        })
    }),
    ("SR-2306", || plan(&recovering(&resting(), false), &resting().observe())),
    ("SR-2307", || {
        if_only(&World::risen(spec("3.5.8", 3, 2, 0)), |observed| {
            let rows = known(&mut observed.group.backends);
            let mut gone = rows[0].clone();
            gone.host = gone.host.replacen("kube-be-0", "kube-be-2", 1).replacen("kube-be-1", "kube-be-2", 1);
            (gone.alive, gone.tablet_count) = (false, Some(7));
            rows.push(gone);
        })
    }),
    ("SR-2401", || after(resting(), |spec| spec["starRocksBeSpec"]["storageVolumes"][0]["storageSize"] = json!("20Gi"))),
    ("SR-2402", || if_a_service(|live| *live = LiveObject::foreign())),
    ("SR-2403", || {
        let mut world = resting();
        world.spec["starRocksBeSpec"]["annotations"] = json!({"operator": "new"});
        plan(&world.cluster(), &world.observe())
    }),
    ("SR-2404", || if_a_service(|live| live.deleting = true)),
    ("SR-2405", || {
        let mut world = resting();
        world.edit(|spec| spec["starRocksFeSpec"]["service"] = json!({"annotations": {"a": "b"}}));
        let step = plan(&world.cluster(), &world.observe()).steps.into_iter().next().unwrap();
        let refusal = Refusal {
            request: Request::of(&step).unwrap(),
            content: content(&step),
            reason: "Invalid".to_owned(),
            words: "no".to_owned(),
            refusals: 1,
            again: Timestamp::from_seconds(0),
        };
        if_only(&world, |observed| observed.refusals.push(refusal))
    }),
    ("SR-2501", || without_cluster("w", WaitingOn::Warehouse(WarehouseWait::ClusterAbsent { cluster: "kube".to_owned() }))),
    ("SR-2502", || {
        without_cluster(
            "w",
            WaitingOn::Warehouse(WarehouseWait::ClusterUnusable { cluster: "kube".to_owned(), detail: "SR-3026".to_owned() }),
        )
    }),
    ("SR-2503", || Stage::new().decide_if(|stage| stage.host.run_mode = RunMode::SharedNothing)),
    ("SR-2504", || Stage::new().decide_if(|stage| stage.feature = false)),
    ("SR-2505", || Stage::new().decide_if(|stage| _ = stage.names.insert("w".to_owned()))),
    ("SR-2506", || Stage::risen().decide_if(|stage| stage.deleting = true)),
    // No observation leads here: it takes a defect. This is what becomes of one that is caught.
    ("SR-2901", || {
        let world = resting();
        let violation = Violation { rule: 3, code: "SR-9003", detail: "two backends at once".to_owned() };
        refused(&world.cluster(), &world.observe(), &[violation])
    }),
];

/// An upgrade to the next line.
fn crossing() -> World {
    let mut world = World::risen(spec("3.4.10", 3, 3, 0));
    world.ask_for("3.5.9");
    world
}

/// An upgrade whose images are pulled first, from a registry that answers so.
fn pulling(registry: PullState) -> World {
    let mut world = asked();
    world.registry = registry;
    world.edit(|spec| spec["upgradePolicy"]["prePullImages"] = json!(true));
    world
}

/// An upgrade that a policy holds back.
fn held(policy: serde_json::Value) -> Decision {
    let mut world = asked();
    world.edit(|spec| spec["upgradePolicy"] = policy);
    world.pass()
}

/// An upgrade whose canary is judged by SQL.
fn judged(answer: Answer<Option<String>>, code: &str) -> Decision {
    let mut world = asked();
    world.edit(|spec| spec["upgradePolicy"]["canary"] = json!({"verdict": {"sql": "SELECT 1"}}));
    world.verdict.0 = answer;
    on_its_way(code, world)
}

fn if_a_service(change: impl FnOnce(&mut LiveObject)) -> Decision {
    if_only(&resting(), |observed| change(observed.objects.get_mut(&ObjectKind::Service).and_then(|all| all.get_mut(SERVICE)).unwrap()))
}

fn scenes() -> impl Iterator<Item = Scene> {
    PODS.into_iter().chain(NODES).chain(UPGRADES).chain(CONFIGURATIONS).chain(SAFETY)
}

#[test]
fn each_situation_shows_its_code() {
    for (code, scene) in scenes() {
        let waits = scene().waiting_on;
        assert!(waits.iter().any(|wait| wait.code() == code), "{code}: {waits:#?}");
    }
}

#[test]
fn every_explained_wait_has_a_situation() {
    let page = include_str!("../../../docs/codes.md");
    let rows = page.lines().filter_map(|line| Some(line.strip_prefix("| ")?.split_once(" |")?.0));
    let explained: BTreeSet<&str> = rows.filter(|code| code.starts_with("SR-2") && code.len() == 7).collect();
    let shown: BTreeSet<&str> = scenes().map(|(code, _)| code).collect();
    assert!(explained.len() >= 40, "{explained:?}");
    assert_eq!(shown, explained, "codes that a situation shows, and codes that docs/codes.md explains");
}
