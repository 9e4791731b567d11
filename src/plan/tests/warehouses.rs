//! Warehouses from the first wait to the last finalizer, in a small world of their own beside the frontends of a cluster that runs.

use std::collections::BTreeSet;
use std::time::Duration;

use serde_json::{Value, json};

use super::super::testing::{World, spec};
use super::super::{check, let_go, plan};
use crate::api::{ResourceChange, StarRocksClusterStatus, StarRocksWarehouse};
use crate::model::cluster::{Conventions, RunMode};
use crate::model::starrocks::BackendRow;
use crate::model::warehouse::{OBJECT_FINALIZER, WarehouseReport};
use crate::model::{
    Answer, Cluster, Component, Decision, LiveObject, Object, ObjectKind, Observed, Ownership, Pod, Silence, SilenceKind, Statement, Step,
    Timestamp, WaitingOn, WarehouseWait,
};
use crate::validate::{References, leaving_warehouse, warehouse};

const SET: &str = "w-warehouse-cn";

/// A warehouse called `w` of the cluster `kube`, and what is around it.
pub(super) struct Stage {
    pub(super) host: Cluster,
    pub(super) feature: bool,
    pub(super) names: BTreeSet<String>,
    pub(super) deleting: bool,
    pub(super) template: Value,
    generation: i64,
    held: bool,
    observed: Observed,
    rows: Vec<BackendRow>,
    serial: u32,
    log: Vec<String>,
}

impl Stage {
    /// Nothing of the warehouse exists; its cluster runs.
    pub(super) fn new() -> Self {
        let world = World::risen(spec("3.5.9", 3, 3, 0));
        let host = Cluster { run_mode: RunMode::SharedData, ..world.cluster() };
        let mut observed = world.observe();
        observed.objects.clear();
        observed.status = StarRocksClusterStatus::default();
        observed.pods.retain(|_, pod| pod.component == Component::Frontend);
        for (index, pod) in observed.pods.values_mut().enumerate() {
            pod.ip = Some(format!("10.0.0.{index}"));
        }
        let template = json!({"replicas": 2, "image": "starrocks/cn-ubuntu:3.5.9"});
        let names = BTreeSet::from(["default_warehouse".to_owned()]);
        let (rows, log) = (Vec::new(), Vec::new());
        Self { host, feature: true, names, deleting: false, template, generation: 1, held: false, observed, rows, serial: 0, log }
    }

    /// A warehouse at rest.
    pub(super) fn risen() -> Self {
        let mut stage = Self::new();
        stage.run_until(is_ready);
        stage.log.clear();
        stage
    }

    fn resource(&self) -> StarRocksWarehouse {
        serde_json::from_value(json!({"apiVersion": "starrocks.com/v1", "kind": "StarRocksWarehouse",
            "metadata": {"name": "w", "namespace": "ns", "uid": "warehouse-uid", "generation": self.generation},
            "spec": {"starRocksCluster": "kube", "template": self.template}}))
        .unwrap()
    }

    fn proven(&self) -> Cluster {
        if self.deleting {
            return leaving_warehouse(&self.resource(), &self.host);
        }
        warehouse(&self.resource(), &self.host, &References::default(), &Conventions::default()).unwrap()
    }

    fn look(&self) -> Observed {
        let mut observed = self.observed.clone();
        observed.group.compute_nodes = Answer::Known(self.rows.clone());
        observed.warehouse = Some(WarehouseReport {
            deleting: self.deleting,
            held: self.held,
            feature: Answer::Known(self.feature),
            names: Answer::Known(self.names.iter().cloned().collect()),
        });
        observed
    }

    /// What is decided when something is otherwise.
    pub(super) fn decide_if(mut self, change: impl FnOnce(&mut Self)) -> Decision {
        change(&mut self);
        plan(&self.proven(), &self.look())
    }

    fn edit(&mut self, key: &str, value: Value) {
        self.template[key] = value;
        self.generation += 1;
    }

    /// Decides, checks, acts and lets time pass until something holds of a decision.
    fn run_until(&mut self, holds: impl Fn(&Decision) -> bool) -> Decision {
        for _ in 0..60 {
            let (cluster, observed) = (self.proven(), self.look());
            let decision = plan(&cluster, &observed);
            assert_eq!(check(&cluster, &observed, &decision), [], "{:#?}", self.log);
            self.observed.status = decision.status.clone();
            if holds(&decision) {
                return decision;
            }
            for step in &decision.steps {
                self.log.push(super::super::describe(step));
                self.act(step);
            }
            self.advance();
        }
        panic!("not within five minutes:\n{}\n{:#?}", self.log.join("\n"), self.observed.status.blocked);
    }

    fn act(&mut self, step: &Step) {
        match step {
            Step::Hold => self.held = true,
            // No hop is made in a warehouse.
            Step::PullImage(_) | Step::EndPull { .. } => unreachable!("nothing is pulled for a warehouse"),
            Step::LetGo { object: None } => self.held = false,
            Step::LetGo { object: Some(key) } => _ = self.observed.objects.entry(key.kind).or_default().remove(&key.name),
            Step::Apply(object) => self.apply(object),
            Step::Delete { object, .. } => {
                let objects = self.observed.objects.entry(object.kind).or_default();
                match objects.get_mut(&object.name) {
                    Some(live) if live.is_held_by(OBJECT_FINALIZER) => live.deleting = true,
                    _ => _ = objects.remove(&object.name),
                }
            }
            Step::RestartPod { pod, .. } => self.kill(pod),
            Step::Record(act) => panic!("a warehouse has no StarRocksUpgrade: {act:?}"),
            Step::Execute { statement, .. } => match statement {
                Statement::DropComputeNode { host, warehouse, .. } => {
                    assert_eq!(warehouse.as_deref(), Some("w"));
                    self.rows.retain(|row| row.host != *host);
                }
                Statement::DropWarehouse { name } => assert!(self.names.remove(name), "{name}"),
                other => panic!("{other}"),
            },
        }
    }

    fn apply(&mut self, object: &Object) {
        let (key, mut body) = (object.key(), object.to_json());
        self.serial += 1;
        body["metadata"]["generation"] = json!(1);
        let replicas = body["spec"]["replicas"].clone();
        body["status"] = json!({"observedGeneration": 1, "replicas": replicas, "updateRevision": body["spec"]["template"].to_string()});
        let uid = format!("uid-{}", key.name);
        let live = LiveObject { uid, resource_version: self.serial.to_string(), ownership: Ownership::Ours, deleting: false, body };
        self.observed.objects.entry(key.kind).or_default().insert(key.name, live);
    }

    fn kill(&mut self, pod: &str) {
        self.observed.pods.remove(pod);
        for row in self.rows.iter_mut().filter(|row| row.host.starts_with(pod)) {
            row.alive = false;
        }
    }

    /// Five seconds in which pods come and go as their StatefulSet says, and nodes join.
    fn advance(&mut self) {
        self.observed.now = self.observed.now + Duration::from_secs(5);
        let now = self.observed.now;
        if let Answer::Known(rows) = &mut self.observed.group.frontends {
            rows.iter_mut().for_each(|row| row.last_heartbeat = Some(now));
        }
        let Some(set) = self.observed.object(ObjectKind::StatefulSet, SET).filter(|set| !set.deleting).cloned() else { return };
        let replicas = set.integer("/spec/replicas");
        let surplus: Vec<String> = self
            .observed
            .pods_of(Component::ComputeNode)
            .filter(|pod| i64::from(pod.ordinal.unwrap()) >= replicas)
            .map(|pod| pod.name.clone())
            .collect();
        surplus.iter().for_each(|pod| self.kill(pod));
        for ordinal in 0..u32::try_from(replicas).unwrap() {
            let name = format!("{SET}-{ordinal}");
            if !self.observed.pods.contains_key(&name) {
                self.serial += 1;
                let made = pod(&name, ordinal, self.serial, &set, now);
                self.names.insert("w".to_owned());
                self.rows.retain(|row| !row.host.starts_with(&name));
                self.rows.push(row(&name, "w", now));
                self.observed.pods.insert(name, made);
            }
        }
        for row in self.rows.iter_mut().filter(|row| row.alive) {
            row.last_heartbeat = Some(now);
        }
    }
}

fn pod(name: &str, ordinal: u32, serial: u32, set: &LiveObject, now: Timestamp) -> Pod {
    Pod {
        name: name.to_owned(),
        uid: format!("pod-{serial}"),
        component: Component::ComputeNode,
        ordinal: Some(ordinal),
        revision: set.text("/status/updateRevision").to_owned(),
        image: set.text("/spec/template/spec/containers/0/image").to_owned(),
        ip: None,
        node: None,
        created: now,
        started: Some(now),
        ready: true,
        running: true,
        deleting: false,
        restarts: 0,
        problem: None,
        unexplained: None,
        failed: false,
    }
}

fn row(pod: &str, warehouse: &str, now: Timestamp) -> BackendRow {
    BackendRow {
        id: 1,
        host: format!("{pod}.{SET}-search.ns.svc.cluster.local"),
        heartbeat_port: 9050,
        alive: true,
        decommissioning: false,
        last_start_time: Some(now),
        last_heartbeat: Some(now),
        tablet_count: None,
        last_tablet_report: None,
        max_disk_used_basis_points: None,
        running_queries: Some(0),
        version: "3.5.9-abc1234".to_owned(),
        status_code: "OK".to_owned(),
        error: String::new(),
        warehouse: Some(warehouse.to_owned()),
    }
}

/// The decision for a warehouse about whose frontends nothing is known.
fn asked(generation: i64) -> ResourceChange {
    ResourceChange { generation, digest: String::new() }
}

pub(super) fn without_cluster(_name: &str, wait: WaitingOn) -> Decision {
    super::super::without_cluster(&StarRocksClusterStatus::default(), &asked(1), Timestamp::from_seconds(1), wait)
}

fn is_ready(decision: &Decision) -> bool {
    decision.status.conditions.iter().any(|condition| condition.condition_type == "Ready" && condition.status == "True")
}

fn codes(decision: &Decision) -> Vec<&'static str> {
    decision.waiting_on.iter().map(WaitingOn::code).collect()
}

#[test]
fn the_resource_is_held_before_the_first_object_is_made() {
    let mut stage = Stage::new();
    let first = plan(&stage.proven(), &stage.look());
    assert_eq!(first.steps, [Step::Hold]);
    stage.run_until(is_ready);
    assert_eq!(stage.log.iter().filter(|step| step.contains("finalizer")).count(), 1, "{:#?}", stage.log);
    let status = &stage.observed.status;
    assert_eq!((status.phase.as_str(), status.operation.as_ref()), ("running", None));
    assert_eq!(status.conditions[0].message, "2 CN serve in warehouse w");
    let nodes = status.star_rocks_cn_status.as_ref().unwrap();
    assert_eq!(nodes.replicas, Some(2));
    assert_eq!(nodes.selector.as_deref(), Some("app.kubernetes.io/component=cn,app.starrocks.ownerreference/name=w-warehouse-cn"));
}

#[test]
fn only_the_objects_of_its_compute_nodes_are_made_and_they_belong_to_the_warehouse() {
    let stage = Stage::risen();
    let names: Vec<&str> = stage.observed.objects.values().flat_map(|objects| objects.keys()).map(String::as_str).collect();
    assert_eq!(names, ["w-warehouse-cn-search", "w-warehouse-cn-service", "w-warehouse-cn"]);
    let set = stage.observed.object(ObjectKind::StatefulSet, SET).unwrap();
    assert_eq!(set.body["metadata"]["ownerReferences"][0]["kind"], "StarRocksWarehouse");
    assert_eq!(set.body["metadata"]["ownerReferences"][0]["name"], "w");
}

#[test]
fn objects_are_called_and_labelled_as_the_former_operator_did() {
    let mut stage = Stage::new();
    stage.template["envVars"] = json!([{"name": "TZ", "value": "UTC"}]);
    stage.template["autoScalingPolicy"] = json!({"minReplicas": 2, "maxReplicas": 5});
    stage.run_until(is_ready);
    let set = &stage.observed.object(ObjectKind::StatefulSet, SET).unwrap().body;
    assert_eq!(set["metadata"]["finalizers"], json!(["starrocks.com.starrockswarehouse/protection"]));
    let labels = |owner: &str| json!({"app.kubernetes.io/component": "cn", "app.starrocks.ownerreference/name": owner});
    assert_eq!(set["metadata"]["labels"], labels("w-warehouse"));
    assert_eq!((&set["spec"]["selector"]["matchLabels"], &set["spec"]["serviceName"]), (&labels(SET), &json!("w-warehouse-cn-search")));
    let template = &set["spec"]["template"];
    assert_eq!(template["metadata"], json!({"labels": labels(SET), "namespace": "ns"}));
    let environment = template["spec"]["containers"][0]["env"].as_array().unwrap();
    let names: Vec<&str> = environment.iter().map(|variable| variable["name"].as_str().unwrap()).collect();
    let own = ["FE_SERVICE_NAME", "FE_QUERY_PORT", "KUBE_STARROCKS_MULTI_WAREHOUSE"];
    assert_eq!(names, [&["TZ", "POD_NAME", "POD_IP", "HOST_IP", "POD_NAMESPACE", "HOST_TYPE", "COMPONENT_NAME"][..], &own[..]].concat());
    let value = |name: &str| environment.iter().find(|variable| variable["name"] == name).unwrap()["value"].clone();
    assert_eq!(own.map(value), [json!("kube-fe-service"), json!("9030"), json!("w")]);

    let scaler = &stage.observed.object(ObjectKind::HorizontalPodAutoscaler, "w-warehouse-cn-autoscaler").unwrap().body;
    let target = json!({"apiVersion": "starrocks.com/v1", "kind": "StarRocksWarehouse", "name": "w"});
    assert_eq!(scaler["spec"]["scaleTargetRef"], target);
    assert_eq!(
        scaler["metadata"]["labels"],
        json!({"app.kubernetes.io/component": "autoscaler", "app.starrocks.ownerreference/name": "w"})
    );
    let status = stage.observed.status.star_rocks_cn_status.unwrap();
    assert_eq!(status.horizontal_scaler.unwrap().name.as_deref(), Some("w-warehouse-cn-autoscaler"));
}

#[test]
fn a_warehouse_at_rest_costs_no_step_whatever_its_frontends_say() {
    let stage = Stage::risen();
    let decision = plan(&stage.proven(), &stage.look());
    assert_eq!((decision.steps.as_slice(), decision.look_again), (&[][..], Some(Duration::from_secs(300))));
    assert_eq!(decision.status, stage.observed.status);
    // What was asked before the first node was made is not asked again.
    let mut observed = stage.look();
    observed.warehouse = Some(WarehouseReport { held: true, ..WarehouseReport::default() });
    assert_eq!(plan(&stage.proven(), &observed), decision);
}

#[test]
fn a_change_is_rolled_one_pod_at_a_time_and_only_while_the_others_live() {
    let mut stage = Stage::risen();
    stage.edit("annotations", json!({"a": "b"}));
    let mut twin = Stage::risen();
    twin.edit("annotations", json!({"a": "b"}));
    stage.run_until(is_ready);
    let restarts: Vec<&String> = stage.log.iter().filter(|step| step.starts_with("restart")).collect();
    assert_eq!(
        restarts,
        ["restart w-warehouse-cn-1 to take its new pod template", "restart w-warehouse-cn-0 to take its new pod template"]
    );
    twin.rows[0].alive = false;
    let waiting = twin.run_until(|decision| codes(decision).contains(&"SR-2106"));
    assert!(!waiting.steps.iter().any(|step| matches!(step, Step::RestartPod { .. })));
}

#[test]
fn another_operator_changes_no_template_of_a_warehouse_that_nobody_changed() {
    let mut stage = Stage::risen();
    stage.template["annotations"] = json!({"a": "b"});
    let decision = plan(&stage.proven(), &stage.look());
    assert_eq!((codes(&decision), decision.steps.as_slice()), (vec!["SR-2403"], &[][..]));
}

#[test]
fn a_node_that_leaves_is_dropped_from_its_warehouse() {
    let mut stage = Stage::risen();
    stage.edit("replicas", json!(1));
    stage.run_until(is_ready);
    stage.run_until(|decision| decision.steps.is_empty());
    assert_eq!(stage.rows.len(), 1);
    assert!(stage.log.iter().any(|step| step.contains("FROM WAREHOUSE `w`")), "{:#?}", stage.log);
}

#[test]
fn deletion_takes_pods_then_rows_then_the_warehouse_then_the_finalizers() {
    let mut stage = Stage::risen();
    stage.deleting = true;
    let gone = |decision: &Decision| matches!(decision.steps.as_slice(), [.., Step::LetGo { object: None }]);
    let last = stage.run_until(gone);
    assert_eq!(last.steps.len(), 2, "the StatefulSet and the resource: {:#?}", last.steps);
    assert_eq!((stage.rows.len(), stage.names.contains("w")), (0, false));
    let first_words: Vec<&str> = stage.log.iter().filter_map(|step| step.split_once(' ').map(|(word, _)| word)).collect();
    assert_eq!(first_words, ["delete", "restart", "restart", "forget", "forget", "drop"], "{:#?}", stage.log);
}

#[test]
fn a_warehouse_of_the_same_name_that_was_there_before_is_never_dropped() {
    let mut stage = Stage::new();
    stage.names.insert("w".to_owned());
    let decision = plan(&stage.proven(), &stage.look());
    assert_eq!((codes(&decision), decision.steps.as_slice()), (vec!["SR-2505"], &[][..]));
    stage.deleting = true;
    let steps = plan(&stage.proven(), &stage.look()).steps;
    assert!(!steps.iter().any(|step| matches!(step, Step::Execute { .. })), "{steps:#?}");
}

#[test]
fn nothing_is_dropped_while_nobody_answers() {
    for silent in ["nodes", "names"] {
        let mut stage = Stage::risen();
        stage.deleting = true;
        stage.observed.objects.clear();
        stage.observed.pods.retain(|_, pod| pod.component == Component::Frontend);
        stage.rows.clear();
        let mut observed = stage.look();
        let silence = Silence { kind: SilenceKind::TimedOut, message: "no answer".to_owned() };
        match silent {
            "nodes" => observed.group.compute_nodes = Answer::Failed(silence),
            _ => observed.warehouse.as_mut().unwrap().names = Answer::Failed(silence),
        }
        let decision = plan(&stage.proven(), &observed);
        assert_eq!((codes(&decision), decision.steps.as_slice()), (vec!["SR-2506", "SR-2103"], &[][..]), "{silent}");
    }
}

#[test]
fn nodes_of_the_former_operator_are_taken_over_and_held() {
    let mut stage = Stage::risen();
    stage.held = false;
    let decision = plan(&stage.proven(), &stage.look());
    assert_eq!(decision.steps, [Step::Hold]);
}

#[test]
fn compute_nodes_are_never_older_than_a_frontend_nor_far_ahead() {
    for (image, allowed) in [("3.4.10", false), ("3.5.8", false), ("3.5.9", true), ("4.0.4", true)] {
        let mut stage = Stage::new();
        stage.template["image"] = json!(format!("starrocks/cn-ubuntu:{image}"));
        let decision = plan(&stage.proven(), &stage.look());
        let mut held = stage.look();
        held.warehouse.as_mut().unwrap().held = true;
        let next = plan(&stage.proven(), &held);
        assert_eq!(decision.steps, [Step::Hold]);
        assert_eq!(codes(&next).contains(&"SR-2212"), !allowed, "{image}: {:?}", next.waiting_on);
    }
}

#[test]
fn without_its_cluster_everything_is_let_go_and_nothing_dropped() {
    let mut stage = Stage::risen();
    stage.deleting = true;
    let decision = let_go("w", &stage.look());
    assert!(matches!(decision.steps.as_slice(), [Step::Delete { .. }, Step::LetGo { object: Some(_) }, Step::LetGo { object: None }]));
}

#[test]
fn a_warehouse_of_a_cluster_that_keeps_data_on_backends_says_so() {
    let decision = Stage::new().decide_if(|stage| stage.host.run_mode = RunMode::SharedNothing);
    assert_eq!(decision.status.phase, "failed");
    assert_eq!(decision.status.conditions[0].reason, "NotSharedData");
}

#[test]
fn what_waits_for_its_cluster_is_no_failure_and_keeps_the_wish_in_mind() {
    let former = StarRocksClusterStatus { observed_generation: Some(1), ..StarRocksClusterStatus::default() };
    let wait = WaitingOn::Warehouse(WarehouseWait::ClusterAbsent { cluster: "kube".to_owned() });
    let decision = super::super::without_cluster(&former, &asked(2), Timestamp::from_seconds(1), wait);
    assert_eq!((decision.status.phase.as_str(), decision.status.observed_generation), ("reconciling", Some(2)));
    assert!(decision.status.operation.is_some());
}
