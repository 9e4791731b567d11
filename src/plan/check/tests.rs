//! Each safety rule against a deliberately wrong Decision.

use serde_json::json;

use super::super::plan;
use super::super::testing::{World, spec};
use super::super::tests::transfers;
use super::check;
use crate::build::{self, Strategy};
use crate::model::starrocks::FrontendRole;
use crate::model::{
    Answer, Decision, FrontendSetting, Object, ObjectKey, ObjectKind, Observed, Ownership, Silence, SilenceKind, Statement, Step,
};
use crate::release::Image;

/// A healthy cluster, what is seen of it, and a Decision that does only the given steps.
struct Trial {
    world: World,
    observed: Observed,
    decision: Decision,
}

fn trial(world: World) -> Trial {
    let observed = world.observe();
    let decision = plan(&world.cluster(), &observed);
    Trial { decision: Decision { steps: Vec::new(), ..decision }, observed, world }
}

fn healthy() -> Trial {
    let mut trial = trial(World::risen(spec("3.4.10", 3, 3, 1)));
    trial.observed.group.replicas = Answer::Known(crate::model::starrocks::ReplicaTrouble::default());
    trial
}

impl Trial {
    fn rules(&self) -> Vec<u8> {
        let mut rules: Vec<u8> =
            check(&self.world.cluster(), &self.observed, &self.decision).into_iter().map(|violation| violation.rule).collect();
        rules.dedup();
        rules
    }

    fn restart(&mut self, pod: &str) {
        let uid = self.observed.pods[pod].uid.clone();
        self.decision.steps.push(Step::RestartPod { pod: pod.to_owned(), uid, reason: "to try".to_owned() });
    }

    fn execute(&mut self, statement: Statement) {
        self.decision.steps.push(Step::Execute { frontend: "kube-fe-0".to_owned(), statement });
    }

    /// Applies a component's StatefulSet in this image, strategy and number.
    fn apply(&mut self, section: &str, image: &str, strategy: Strategy, replicas: Option<i32>) {
        let cluster = self.world.cluster();
        let workload = if section == "fe" { Some(&cluster.frontend) } else { cluster.backend.as_ref() };
        let mut object = build::stateful_set_with(&cluster, workload.unwrap(), &Image::parse(image), strategy);
        if let (Some(replicas), Some(spec)) = (replicas, object.spec.as_mut()) {
            spec.replicas = Some(replicas);
        }
        self.decision.steps.push(Step::Apply(Object::StatefulSet(Box::new(build::stamped_stateful_set(object)))));
    }
}

#[test]
fn a_single_restart_in_a_healthy_cluster_is_allowed() {
    let mut trial = healthy();
    trial.restart("kube-be-2");
    assert_eq!(trial.rules(), Vec::<u8>::new());
    let mut trial = healthy();
    trial.restart("kube-fe-2");
    assert_eq!(trial.rules(), Vec::<u8>::new());
}

#[test]
fn rule_1_two_frontends_at_once_or_one_without_the_others_are_caught() {
    let mut trial = healthy();
    trial.restart("kube-fe-1");
    trial.restart("kube-fe-2");
    assert!(trial.rules().contains(&1));
    let mut trial = healthy();
    trial.observed.pods.get_mut("kube-fe-1").unwrap().ready = false;
    trial.restart("kube-fe-2");
    assert!(trial.rules().contains(&1));
}

#[test]
fn rule_1_the_leader_before_a_follower_is_caught() {
    let mut trial = healthy();
    let sets = trial.observed.objects.get_mut(&ObjectKind::StatefulSet).unwrap();
    sets.get_mut("kube-fe").unwrap().body["status"]["updateRevision"] = json!("next");
    let leader = trial.world.leader.clone().unwrap();
    trial.restart(&leader);
    assert!(trial.rules().contains(&1));
}

#[test]
fn rule_1_a_lead_goes_only_to_a_follower_that_could_be_elected_and_where_the_release_knows_how() {
    let mut world = transfers::of_next_line(spec("4.2.0", 3, 3, 0));
    world.edit(|spec| spec["starRocksFeSpec"]["limits"] = json!({"memory": "16Gi"}));
    world
        .run_until(100, |_, decision| decision.steps.iter().any(|step| matches!(step, Step::RestartPod { pod, .. } if pod == "kube-fe-1")));
    let honest = world.run_until(50, |_, decision| decision.steps.iter().any(transfers::is_transfer));
    // The moment before the lead was handed over.
    world.leader = Some("kube-fe-0".to_owned());
    let rules = |change: &dyn Fn(&mut Trial)| {
        let mut trial = trial(world.clone());
        trial.decision.status = honest.status.clone();
        trial.decision.steps = honest.steps.clone();
        change(&mut trial);
        trial.rules()
    };
    let other = |host: &str| Step::Execute {
        frontend: "kube-fe-0".to_owned(),
        statement: Statement::TransferLeader { host: host.to_owned(), port: 9010 },
    };
    assert_eq!(rules(&|_| {}), Vec::<u8>::new());
    assert_eq!(rules(&|trial| trial.world.releases = crate::release::Catalog::embedded()), [1], "nobody says that 4.2.0 can");
    assert_eq!(rules(&|trial| trial.decision.steps = vec![other("kube-fe-9.kube-fe-search.ns.svc.cluster.local")]), [1], "a stranger");
    assert_eq!(
        rules(&|trial| trial.decision.steps = vec![other("kube-fe-0.kube-fe-search.ns.svc.cluster.local")]),
        [1],
        "the leader itself"
    );
    assert_eq!(rules(&|trial| trial.observed.pods.get_mut("kube-fe-1").unwrap().ready = false), [1]);
    assert_eq!(rules(&|trial| trial.observed.pods.get_mut("kube-fe-1").unwrap().deleting = true), [1]);
    let role = |pod: &'static str, role: FrontendRole| {
        move |trial: &mut Trial| {
            let Answer::Known(rows) = &mut trial.observed.group.frontends else { panic!("they answered") };
            rows.iter_mut().find(|row| row.host.starts_with(pod)).unwrap().role = role;
        }
    };
    assert_eq!(rules(&role("kube-fe-1", FrontendRole::Observer)), [1]);
    assert_eq!(rules(&role("kube-fe-0", FrontendRole::Follower)), [1], "who is asked does not lead");
    let version = |pod: &'static str, text: &'static str| {
        move |trial: &mut Trial| trial.observed.frontends.get_mut(pod).unwrap().version = Answer::Known(text.to_owned())
    };
    assert_eq!(rules(&version("kube-fe-0", "4.1.7-abc1234")), [1], "what it runs decides, not its image");
    assert_eq!(rules(&version("kube-fe-1", "4.3.0-abc1234")), [1], "another line");
    assert_eq!(rules(&|trial| trial.decision.status.operation.as_mut().unwrap().leader_transfer = None), [1], "not on record");
    assert_eq!(rules(&|trial| trial.restart("kube-fe-2")), [1], "one act at a time");
    assert_eq!(rules(&|trial| trial.world.edit(|spec| spec["upgradePolicy"]["paused"] = json!(true))), [1]);
    let shared = |trial: &mut Trial| {
        trial.world.files.insert("fe.conf".to_owned(), "run_mode = shared_data".to_owned());
        trial.world.spec["starRocksFeSpec"]["configMapInfo"] = json!({"configMapName": "conf-fe", "resolveKey": "fe.conf"});
    };
    assert_eq!(rules(&shared), [1]);
    let alone = |trial: &mut Trial| trial.observed.frontends.get_mut("kube-fe-2").unwrap().serving = Answer::Known(false);
    assert_eq!(rules(&alone), [1], "one of three is no majority");
    let silent = |trial: &mut Trial| trial.observed.group.frontends = Answer::NotAsked;
    assert_eq!(rules(&silent), [1, 12]);
}

#[test]
fn rule_1_a_registered_frontend_that_is_scaled_away_is_caught() {
    let mut trial = healthy();
    trial.apply("fe", "starrocks/fe-ubuntu:3.4.10", Strategy::AsWritten, Some(2));
    assert_eq!(trial.rules(), [1]);
}

#[test]
fn rule_2_a_backend_that_leaves_with_its_tablets_is_caught() {
    let mut trial = healthy();
    trial.apply("be", "starrocks/be-ubuntu:3.4.10", Strategy::AsWritten, Some(2));
    assert_eq!(trial.rules(), [2]);
}

#[test]
fn rule_3_more_compute_nodes_than_the_policy_allows_or_all_of_them_are_caught() {
    let several = |nodes: u32, allowed: serde_json::Value, restarted: &[&str]| {
        let mut spec = spec("3.4.10", 3, 3, nodes);
        spec["upgradePolicy"]["maxUnavailableComputeNodes"] = allowed;
        let mut trial = trial(World::risen(spec));
        trial.observed.group.replicas = Answer::Known(crate::model::starrocks::ReplicaTrouble::default());
        restarted.iter().for_each(|pod| trial.restart(pod));
        trial
    };
    assert_eq!(several(3, json!(null), &["kube-cn-2", "kube-cn-1"]).rules(), [3]);
    assert_eq!(several(3, json!(2), &["kube-cn-2", "kube-cn-1"]).rules(), Vec::<u8>::new());
    assert_eq!(several(2, json!("100%"), &["kube-cn-1", "kube-cn-0"]).rules(), [3]);
    let mut trial = several(4, json!("50%"), &["kube-cn-3", "kube-cn-2"]);
    assert_eq!(trial.rules(), Vec::<u8>::new());
    trial.observed.pods.get_mut("kube-cn-0").unwrap().ready = false;
    assert_eq!(trial.rules(), [3]);
}

#[test]
fn rule_3_a_second_backend_down_is_caught_and_so_is_a_roll_by_kubernetes() {
    let mut trial = healthy();
    trial.restart("kube-be-1");
    trial.restart("kube-be-2");
    assert!(trial.rules().contains(&3));
    let mut trial = healthy();
    trial.observed.pods.get_mut("kube-be-0").unwrap().ready = false;
    trial.restart("kube-be-2");
    assert!(trial.rules().contains(&3));
    let mut trial = healthy();
    trial.apply("be", "mirror/be-ubuntu:3.4.10", Strategy::AsWritten, None);
    assert!(trial.rules().contains(&3));
}

#[test]
fn rule_3_a_backend_down_for_long_in_silence_is_caught() {
    let mut trial = healthy();
    trial.observed.now = trial.observed.now + std::time::Duration::from_secs(2_000);
    if let Answer::Known(rows) = &mut trial.observed.group.backends {
        rows[0].alive = false;
    }
    assert_eq!(trial.rules(), [3]);
}

#[test]
fn rule_4_frontends_before_nodes_and_skipped_lines_are_caught() {
    let mut trial = healthy();
    trial.apply("fe", "starrocks/fe-ubuntu:3.5.9", Strategy::OnDelete, None);
    assert!(trial.rules().contains(&4));
    let mut trial = healthy();
    trial.apply("be", "starrocks/be-ubuntu:4.0.17", Strategy::OnDelete, None);
    assert!(trial.rules().contains(&4));
    let mut trial = healthy();
    trial.apply("be", "starrocks/be-ubuntu:3.3.22", Strategy::OnDelete, None);
    assert!(trial.rules().contains(&4), "backends behind frontends");
}

#[test]
fn rule_5_what_belongs_to_others_is_neither_changed_nor_deleted() {
    let mut trial = healthy();
    trial.observed.objects.get_mut(&ObjectKind::StatefulSet).unwrap().get_mut("kube-be").unwrap().ownership = Ownership::Foreign;
    trial.apply("be", "starrocks/be-ubuntu:3.4.10", Strategy::AsWritten, None);
    let object = ObjectKey { kind: ObjectKind::Service, name: "somebody".to_owned() };
    trial.decision.steps.push(Step::Delete { object, uid: "u".to_owned() });
    assert_eq!(trial.rules(), [5]);
    let mut trial = healthy();
    trial.decision.steps.push(Step::RestartPod { pod: "kube-be-0".to_owned(), uid: "another".to_owned(), reason: String::new() });
    assert!(trial.rules().contains(&5));
}

#[test]
fn rule_6_frontend_0_on_an_empty_volume_beside_full_ones_is_caught() {
    let mut trial = healthy();
    trial.observed.objects.get_mut(&ObjectKind::StatefulSet).unwrap().remove("kube-fe");
    trial.observed.pods.retain(|name, _| !name.contains("-fe-"));
    trial.observed.claims.remove("fe-meta-kube-fe-0");
    trial.apply("fe", "starrocks/fe-ubuntu:3.4.10", Strategy::AsWritten, None);
    assert!(trial.rules().contains(&6));
    let honest = plan(&trial.world.cluster(), &trial.observed);
    assert!(honest.waiting_on.iter().any(|wait| wait.code() == "SR-2303"), "{:?}", honest.waiting_on);
}

#[test]
fn rule_7_a_setting_changed_before_it_is_saved_or_forgotten_before_it_is_back_is_caught() {
    let mut trial = healthy();
    trial.execute(Statement::SetFrontendConfig { setting: FrontendSetting::TabletSchedDisableBalance, value: "true".to_owned() });
    assert_eq!(trial.rules(), [7]);
    let mut trial = healthy();
    let saved = [("tablet_sched_disable_balance".to_owned(), "true".to_owned())].into();
    trial.observed.status.operation = Some(crate::api::Operation { saved_settings: saved, ..crate::api::Operation::default() });
    trial.decision.status.operation = None;
    assert_eq!(trial.rules(), [7]);
}

#[test]
fn rule_7_a_key_of_a_configuration_is_set_only_as_written_and_never_while_an_upgrade_holds_it() {
    const KEY: &str = "tablet_sched_disable_balance";
    let mut wanted = spec("3.4.10", 3, 3, 1);
    wanted["starRocksFeSpec"]["configMapInfo"] = serde_json::json!({"configMapName": "conf-fe", "resolveKey": "fe.conf"});
    wanted["configurationUpdate"] = serde_json::json!("Live");
    let mut world = World::new(wanted);
    world.files.insert("fe.conf".to_owned(), format!("{KEY} = false"));
    world.run_to_rest(200);
    world.files.insert("fe.conf".to_owned(), format!("{KEY} = true"));
    let set = |value: &str| Statement::ConfigureFrontends { key: KEY.to_owned(), value: value.to_owned() };
    let mut early = trial(world.clone());
    early.execute(set("true"));
    assert_eq!(early.rules(), [7], "the change is not on record");
    world.pass();
    let mut honest = trial(world.clone());
    honest.execute(set("true"));
    assert_eq!(honest.rules(), [0_u8; 0]);
    let mut other = trial(world.clone());
    other.execute(set("maybe"));
    assert_eq!(other.rules(), [7], "the file does not say so");
    let mut held = trial(world);
    let saved = [(KEY.to_owned(), "false".to_owned())].into();
    held.decision.status.operation = Some(crate::api::Operation { saved_settings: saved, ..crate::api::Operation::default() });
    held.observed.status.operation.clone_from(&held.decision.status.operation);
    held.execute(set("true"));
    assert_eq!(held.rules(), [7], "an upgrade holds it");
}

#[test]
fn rule_8_a_template_changed_without_a_cause_is_caught() {
    let mut trial = healthy();
    trial.apply("be", "mirror/be-ubuntu:3.4.10", Strategy::OnDelete, None);
    assert_eq!(trial.rules(), [8]);
}

#[test]
fn rule_9_an_object_that_is_not_this_resources_is_caught() {
    let mut trial = healthy();
    let service = k8s_openapi::api::core::v1::Service {
        metadata: k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta { name: Some("other".to_owned()), ..Default::default() },
        ..Default::default()
    };
    trial.decision.steps.push(Step::Apply(Object::Service(Box::new(service))));
    assert_eq!(trial.rules(), [9]);
}

#[test]
fn rule_10_a_restart_on_stale_health_is_caught() {
    let mut trial = healthy();
    if let Answer::Known(rows) = &mut trial.observed.group.backends {
        rows[0].last_tablet_report = None;
    }
    trial.restart("kube-be-2");
    assert_eq!(trial.rules(), [10]);
    let mut trial = healthy();
    trial.observed.pods.get_mut("kube-be-0").unwrap().started = Some(trial.observed.now + std::time::Duration::from_secs(60));
    trial.restart("kube-be-2");
    assert_eq!(trial.rules(), [10]);
}

#[test]
fn rule_11_a_compute_node_that_runs_is_not_dropped() {
    let mut trial = healthy();
    let host = trial.world.node_rows.values().find(|row| row.host.contains("-cn-")).unwrap().host.clone();
    trial.execute(Statement::DropComputeNode { host, port: 9050, warehouse: None });
    assert_eq!(trial.rules(), [11]);
}

#[test]
fn rule_12_nobody_follows_canaries_that_were_not_judged() {
    let mut spec = spec("3.5.8", 3, 3, 0);
    spec["upgradePolicy"]["canary"] = json!({"verdict": {"sql": "SELECT 1", "metrics": [{"name": "x", "max": 1}]}});
    let mut world = World::risen(spec);
    world.ask_for("3.5.9");
    world.verdict = (Answer::Known(Some("0".to_owned())), Answer::Known(vec![vec!["1".to_owned()]]));
    world.run_until(100, |_, decision| decision.waiting_on.iter().any(|wait| wait.code() == "SR-2221"));
    let rules = |sql: Answer<Option<String>>, metrics: Answer<Vec<Vec<String>>>| {
        let mut trial = trial(world.clone());
        trial.observed.canary.sql = sql;
        trial.observed.canary.metrics.insert("kube-be-2".to_owned(), metrics);
        trial.restart("kube-be-1");
        trial.rules()
    };
    let (yes, within) = (|| Answer::Known(Some("1".to_owned())), || Answer::Known(vec![vec!["1".to_owned()]]));
    assert_eq!(rules(yes(), within()), Vec::<u8>::new());
    assert_eq!(rules(Answer::NotAsked, within()), [12]);
    assert_eq!(rules(Answer::Known(None), within()), [12]);
    assert_eq!(rules(yes(), Answer::NotAsked), [12]);
}

#[test]
fn rule_12_an_unanswered_question_allows_nothing() {
    let mut trial = healthy();
    trial.observed.group.frontends = Answer::Failed(Silence { kind: SilenceKind::TimedOut, message: String::new() });
    trial.restart("kube-be-2");
    assert_eq!(trial.rules(), [12]);
    let mut trial = healthy();
    trial.execute(Statement::ResumeRoutineLoad { database: "d".to_owned(), name: "clicks".to_owned() });
    assert!(trial.rules().contains(&12));
    let mut trial = healthy();
    trial.observed.group.backends = Answer::NotAsked;
    trial.execute(Statement::DecommissionBackend { host: "kube-be-3.kube-be-search.ns.svc.cluster.local".to_owned(), port: 9050 });
    assert!(trial.rules().contains(&12));
}
