//! A world of one cluster for scenarios: Decisions go in, objects, pods and nodes react after plausible delays; never the judge of anything.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;
use std::time::Duration;

use serde_json::{Value, json};

use crate::api::{OperationPhase, StarRocksClusterStatus};
use crate::model::canary::is_verdict_due;
use crate::model::component::{ordinal, pod_of_host};
use crate::model::configuration::{ShownKey, awaited};
use crate::model::observed::{Claim, DisruptionBudget, ImagePull, PodProblem, PullState};
use crate::model::ports::DeclaredPorts;
use crate::model::starrocks::{
    Availability, BackendRow, FrontendReport, FrontendRole, FrontendRow, GroupReport, ReplicaTrouble, RoutineLoad, RoutineLoadState,
    TabletStatistic,
};
use crate::model::{
    Answer, CanaryReport, Cluster, Component, ConfigurationReport, Decision, FrontendSetting, LiveObject, Object, ObjectKind, Observed,
    Ownership, Pod, Record, RecordAct, Silence, SilenceKind, Statement, Step, Timestamp,
};
use crate::release::{Catalog, Image, Line, parse_version};
use crate::validate::{References, validate};

/// When every world begins.
const DAWN: Timestamp = Timestamp::from_seconds(1_795_000_000);
/// From the creation of a pod to a process that serves.
const START_UP: Duration = Duration::from_secs(12);

/// A node's own state; gone with its process, except for what the group remembers.
#[derive(Clone, Debug, Default)]
struct Process {
    settings: BTreeMap<String, String>,
    serving: bool,
}

/// One cluster and its surroundings.
#[derive(Clone)]
pub struct World {
    pub spec: Value,
    /// What is known of releases.
    pub releases: Arc<Catalog>,
    pub generation: i64,
    /// The annotation with which the user agrees to held pod templates.
    pub accepted: String,
    pub now: Timestamp,
    pub status: StarRocksClusterStatus,
    pub objects: BTreeMap<ObjectKind, BTreeMap<String, LiveObject>>,
    pub pods: BTreeMap<String, Pod>,
    pub claims: BTreeMap<String, Claim>,
    pub frontend_rows: BTreeMap<String, FrontendRow>,
    pub node_rows: BTreeMap<(Component, String), BackendRow>,
    pub leader: Option<String>,
    pub image: u64,
    pub journal: u64,
    /// What was done, one line per step, with the waits in between.
    pub log: Vec<String>,
    /// Pods that start and never serve.
    pub sick: BTreeSet<String>,
    /// Nodes whose pods are ready and with which StarRocks never gets in touch.
    pub deaf: BTreeSet<String>,
    /// Queries that run on a node, by pod.
    pub queries: BTreeMap<String, u64>,
    /// What is answered about canaries: by SQL, and by the metrics of each.
    pub verdict: (Answer<Option<String>>, Answer<Vec<Vec<String>>>),
    /// How often that was asked.
    pub asked: std::cell::Cell<u32>,
    /// Nobody answers SQL.
    pub mute: bool,
    /// Routine load jobs of database `d`; each backend that stops pauses those that run.
    pub routine_loads: BTreeMap<String, RoutineLoadState>,
    /// Jobs that pause themselves as often as they are resumed.
    pub broken_loads: BTreeSet<String>,
    /// Journal entries since the last image.
    pub journal_since_image: u64,
    /// Ended schema changes that the frontends remember; they forget one each time that they look, once told to.
    pub schema_changes: u64,
    /// PodDisruptionBudgets of the namespace.
    pub budgets: Vec<DisruptionBudget>,
    /// Pods that have images pulled.
    pub pulls: BTreeMap<String, ImagePull>,
    /// What becomes of an image that a pod has pulled from now on.
    pub registry: PullState,
    /// What the logs of broken nodes say.
    pub last_words: BTreeMap<String, String>,
    /// StarRocksUpgrades; `None` where nobody has installed that kind.
    pub records: Option<Vec<Record>>,
    /// Content of the ConfigMaps `conf-fe` and `conf-be`, by key of the file.
    pub files: BTreeMap<String, String>,
    /// Keys that processes hold in memory, by pod; what is in none of them has the value 0.
    pub running: BTreeMap<String, BTreeMap<String, String>>,
    /// Nodes take a key of the configuration and show another value.
    pub stubborn: bool,
    /// Leaders say that they hand their lead over, and keep it.
    pub keeps_lead: bool,
    processes: BTreeMap<String, Process>,
    image_due: Option<(Timestamp, u64)>,
    leaving: BTreeMap<String, Timestamp>,
    serial: u64,
}

/// A specification with these images and numbers of pods.
pub fn spec(version: &str, frontends: u32, backends: u32, compute_nodes: u32) -> Value {
    let section = |kind: &str, replicas: u32| {
        json!({"replicas": replicas, "image": format!("starrocks/{kind}-ubuntu:{version}"),
        "storageVolumes": [{"name": format!("{kind}-{}", if kind == "fe" { "meta" } else { "data" }), "storageSize": "10Gi",
            "mountPath": if kind == "fe" { "/opt/starrocks/fe/meta" } else { "/opt/starrocks/be/storage" }}]})
    };
    let mut spec = json!({"starRocksFeSpec": section("fe", frontends), "upgradePolicy": {"consents": []}});
    if backends > 0 {
        spec["starRocksBeSpec"] = section("be", backends);
    }
    if compute_nodes > 0 {
        spec["starRocksCnSpec"] = json!({"replicas": compute_nodes, "image": format!("starrocks/cn-ubuntu:{version}")});
    }
    spec
}

impl World {
    pub fn new(spec: Value) -> Self {
        Self {
            spec,
            releases: Catalog::embedded(),
            generation: 1,
            accepted: String::new(),
            now: DAWN,
            status: StarRocksClusterStatus::default(),
            objects: BTreeMap::new(),
            pods: BTreeMap::new(),
            claims: BTreeMap::new(),
            frontend_rows: BTreeMap::new(),
            node_rows: BTreeMap::new(),
            leader: None,
            image: 0,
            journal: 100,
            log: Vec::new(),
            sick: BTreeSet::new(),
            deaf: BTreeSet::new(),
            queries: BTreeMap::new(),
            verdict: (Answer::Known(Some("1".to_owned())), Answer::Known(Vec::new())),
            asked: std::cell::Cell::new(0),
            mute: false,
            routine_loads: BTreeMap::new(),
            broken_loads: BTreeSet::new(),
            journal_since_image: 3,
            budgets: Vec::new(),
            pulls: BTreeMap::new(),
            registry: PullState::Pulled,
            last_words: BTreeMap::new(),
            schema_changes: 0,
            records: Some(Vec::new()),
            files: BTreeMap::new(),
            running: BTreeMap::new(),
            stubborn: false,
            keeps_lead: false,
            processes: BTreeMap::new(),
            image_due: None,
            leaving: BTreeMap::new(),
            serial: 0,
        }
    }

    /// A world whose cluster has come up.
    pub fn risen(spec: Value) -> Self {
        let mut world = Self::new(spec);
        world.run_to_rest(200);
        world.log.clear();
        world
    }

    /// Changes the resource, as a user does.
    pub fn edit(&mut self, change: impl FnOnce(&mut Value)) {
        change(&mut self.spec);
        self.generation += 1;
    }

    /// Sets all images to a release.
    pub fn ask_for(&mut self, version: &str) {
        self.edit(|spec| {
            for (section, kind) in [("starRocksFeSpec", "fe"), ("starRocksBeSpec", "be"), ("starRocksCnSpec", "cn")] {
                if let Some(section) = spec.get_mut(section) {
                    section["image"] = json!(format!("starrocks/{kind}-ubuntu:{version}"));
                }
            }
        });
    }

    pub fn cluster(&self) -> Cluster {
        let resource = json!({"apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster", "spec": self.spec,
            "metadata": {"name": "kube", "namespace": "ns", "uid": "cluster-uid", "generation": self.generation,
                "annotations": {"starrocks.com/accept-template": self.accepted}}});
        let resource = serde_json::from_value(resource).expect("the resource parses");
        let of = |file: &String, text: &String| (format!("conf-{}", &file[..2]), Some(BTreeMap::from([(file.clone(), text.clone())])));
        let config_maps = self.files.iter().map(|(file, text)| of(file, text)).collect();
        let references = References { releases: Arc::clone(&self.releases), status: self.status.clone(), config_maps };
        validate(&resource, &references, &crate::model::cluster::Conventions::default()).expect("the resource is valid")
    }

    /// One pass: decide, check, record the status, act, let five seconds pass.
    pub fn pass(&mut self) -> Decision {
        self.interrupted_pass(usize::MAX)
    }

    /// A pass in which the operator dies after the status and this many acts.
    pub fn interrupted_pass(&mut self, acts: usize) -> Decision {
        let (cluster, observed) = (self.cluster(), self.observe());
        let decision = super::plan(&cluster, &observed);
        let violations = super::check(&cluster, &observed, &decision);
        assert!(violations.is_empty(), "{violations:#?}\nafter\n{}", self.tail());
        if self.serial.is_multiple_of(7) {
            assert_eq!(decision, super::plan(&cluster, &observed), "the same observation gives the same decision");
        }
        self.status = decision.status.clone();
        for step in decision.steps.iter().take(acts) {
            if !matches!(step, Step::Record(_)) {
                self.log.push(super::describe(step));
            }
            self.act(step);
        }
        self.advance(Duration::from_secs(5));
        decision
    }

    /// A pass in which the operator dies after its first change; a status is one.
    pub fn pass_of_one_change(&mut self) -> Decision {
        let decision = super::plan(&self.cluster(), &self.observe());
        self.interrupted_pass(usize::from(decision.status == self.status))
    }

    /// Passes until nothing is done and nothing is awaited.
    pub fn run_to_rest(&mut self, passes: usize) {
        let mut last = None;
        for _ in 0..passes {
            let before = self.status.clone();
            let decision = self.pass();
            if decision.steps.is_empty() && decision.waiting_on.is_empty() && before == self.status && self.status.operation.is_none() {
                return;
            }
            last = Some(decision);
        }
        let waits = last.map(|decision| decision.waiting_on).unwrap_or_default();
        panic!("no rest after {passes} passes; waiting on {waits:#?}\noperation {:#?}\n{}", self.status.operation, self.tail());
    }

    /// Passes until something holds.
    pub fn run_until(&mut self, passes: usize, holds: impl Fn(&Self, &Decision) -> bool) -> Decision {
        for _ in 0..passes {
            let decision = self.pass();
            if holds(self, &decision) {
                return decision;
            }
        }
        panic!("it did not happen in {passes} passes; waiting on {:#?}\n{}", self.status.blocked, self.tail());
    }

    fn tail(&self) -> String {
        self.log.iter().skip(self.log.len().saturating_sub(30)).cloned().collect::<Vec<_>>().join("\n")
    }

    /// Pods restarted so far, in order.
    pub fn restarts(&self) -> Vec<String> {
        self.log.iter().filter_map(|line| line.strip_prefix("restart ")?.split(' ').next().map(str::to_owned)).collect()
    }

    pub fn observe(&self) -> Observed {
        let mut observed = Observed::empty(self.now);
        observed.status = self.status.clone();
        observed.objects.clone_from(&self.objects);
        observed.pods.clone_from(&self.pods);
        observed.claims.clone_from(&self.claims);
        observed.records.clone_from(&self.records);
        observed.budgets = Answer::Known(self.budgets.clone());
        observed.pulls.clone_from(&self.pulls);
        observed.last_words.clone_from(&self.last_words);
        for pod in self.pods.values().filter(|pod| pod.component == Component::Frontend && pod.running) {
            observed.frontends.insert(pod.name.clone(), self.report(pod));
        }
        observed.group = self.group();
        observed.configuration = self.configuration();
        observed.canary = self.judged();
        observed
    }

    /// Keys that begin with `fixed` cannot be changed, those with `JAVA` are not shown.
    fn configuration(&self) -> ConfigurationReport {
        let cluster = self.cluster();
        let awaits = |component: Component| {
            if self.mute { BTreeSet::new() } else { awaited(&cluster, &self.status, component) }
        };
        let show = |pod: &str, keys: &BTreeSet<String>, default: Option<&str>| -> BTreeMap<String, ShownKey> {
            let running = self.running.get(pod);
            let value = |key: &String| running.and_then(|running| running.get(key)).cloned().unwrap_or_else(|| "0".to_owned());
            let shown =
                |key: &String| ShownKey { value: value(key), mutable: !key.starts_with("fixed"), default: default.map(str::to_owned) };
            keys.iter().filter(|key| !key.starts_with("JAVA")).map(|key| (key.clone(), shown(key))).collect()
        };
        let keys = awaits(Component::Frontend);
        let frontends = self.pods.values().filter(|pod| pod.component == Component::Frontend && pod.running && !keys.is_empty());
        let report = |pod: &Pod| (pod.name.clone(), Answer::Known(show(&pod.name, &keys, None)));
        let frontends = frontends.map(report).collect();
        let keys = awaits(Component::Backend);
        let rows = self.node_rows.iter().filter(|(_, row)| row.alive);
        let nodes = rows.map(|((_, pod), row)| (row.id, show(pod, &keys, Some("0")))).collect();
        ConfigurationReport { frontends, nodes: if keys.is_empty() { Answer::NotAsked } else { Answer::Known(nodes) } }
    }

    /// What a process reads when it starts.
    fn file_of(&self, component: Component) -> BTreeMap<String, String> {
        self.cluster().workload(component).map(|workload| workload.config.clone()).unwrap_or_default()
    }

    /// What is answered about canaries, when it is asked.
    fn judged(&self) -> CanaryReport {
        let cluster = self.cluster();
        let due = self.status.operation.as_ref().is_some_and(|operation| is_verdict_due(&cluster.policy, operation, self.now));
        let Some(policy) = cluster.policy.canary.filter(|_| due) else { return CanaryReport::default() };
        self.asked.set(self.asked.get() + 1);
        let component = if cluster.backend.is_some() { Component::Backend } else { Component::ComputeNode };
        let set = self.objects.get(&ObjectKind::StatefulSet).and_then(|sets| sets.get(&component.workload_name("kube")));
        let revision = set.map_or("", |set| set.text("/status/updateRevision"));
        let canaries =
            self.pods.values().filter(|pod| pod.component == component && pod.revision == revision && !policy.metrics.is_empty());
        CanaryReport {
            sql: if policy.sql.is_some() { self.verdict.0.clone() } else { Answer::NotAsked },
            metrics: canaries.map(|pod| (pod.name.clone(), self.verdict.1.clone())).collect(),
        }
    }

    fn silence<T>() -> Answer<T> {
        Answer::Failed(Silence { kind: SilenceKind::TimedOut, message: "no answer in 5 s".to_owned() })
    }

    fn report(&self, pod: &Pod) -> FrontendReport {
        let process = self.processes.get(&pod.name).cloned().unwrap_or_default();
        if self.mute || !process.serving {
            return FrontendReport {
                version: Self::silence(),
                serving: Self::silence(),
                settings: Self::silence(),
                availability: Self::silence(),
                queries: Self::silence(),
            };
        }
        let phase = self.status.operation.as_ref().map(|operation| &operation.phase);
        let asked = matches!(phase, Some(OperationPhase::Preflight | OperationPhase::Image | OperationPhase::Finish));
        let leads = self.leader.as_ref() == Some(&pod.name);
        let availability = Availability {
            role: if leads { FrontendRole::Leader } else { FrontendRole::Follower },
            current_journal_id: self.journal,
            last_checkpoint_version: self.image,
        };
        FrontendReport {
            version: Answer::Known(release(pod)),
            serving: Answer::Known(true),
            settings: Answer::Known(process.settings),
            availability: if asked { Answer::Known(availability) } else { Answer::NotAsked },
            queries: if self.is_drained(pod) { Answer::Known(self.queries_on(&pod.name)) } else { Answer::NotAsked },
        }
    }

    fn is_drained(&self, pod: &Pod) -> bool {
        self.status.operation.iter().flat_map(|operation| &operation.drains).any(|mark| mark.uid == pod.uid)
    }

    fn queries_on(&self, pod: &str) -> u64 {
        self.queries.get(pod).copied().unwrap_or(0)
    }

    fn group(&self) -> GroupReport {
        let Some(leader) = self.leader.clone().filter(|_| !self.mute) else {
            return GroupReport {
                frontends: Self::silence(),
                backends: Self::silence(),
                compute_nodes: Self::silence(),
                ..GroupReport::default()
            };
        };
        let cluster = self.cluster();
        let differs = |pod: &Pod| cluster.workload(pod.component).is_some_and(|workload| pod.image != workload.image.to_string());
        let deep = self.status.operation.is_some() || self.pods.values().any(differs);
        let phase = self.status.operation.as_ref().map(|operation| &operation.phase);
        let begins = phase.map_or(deep, |phase| *phase == OperationPhase::Preflight);
        let begun = phase.is_some_and(|phase| *phase >= OperationPhase::Canary);
        let row = |pod: &String, row: &BackendRow| BackendRow { running_queries: Some(self.queries_on(pod)), ..row.clone() };
        let rows = |component: Component| {
            self.node_rows.iter().filter(|((of, _), _)| *of == component).map(|((_, pod), known)| row(pod, known)).collect()
        };
        GroupReport {
            frontends: Answer::Known(self.frontend_rows.values().map(|row| self.with_role(row, &leader)).collect()),
            asked: Some(leader),
            backends: Answer::Known(rows(Component::Backend)),
            compute_nodes: Answer::Known(rows(Component::ComputeNode)),
            statistic: Answer::Known(TabletStatistic { tablets: 12, ..TabletStatistic::default() }),
            replicas: if deep { Answer::Known(ReplicaTrouble::default()) } else { Answer::NotAsked },
            single_replica_tables: if deep { Answer::Known(0) } else { Answer::NotAsked },
            schema_changes: if deep { Answer::Known(self.schema_changes) } else { Answer::NotAsked },
            running_jobs: if deep { Answer::Known(Vec::new()) } else { Answer::NotAsked },
            routine_loads: if begins || begun { Answer::Known(self.loads()) } else { Answer::NotAsked },
            journal_since_image: if begins { Answer::Known(self.journal_since_image) } else { Answer::NotAsked },
        }
    }

    fn loads(&self) -> Vec<RoutineLoad> {
        let job = |(name, state): (&String, &RoutineLoadState)| RoutineLoad { database: "d".to_owned(), name: name.clone(), state: *state };
        self.routine_loads.iter().map(job).collect()
    }

    fn with_role(&self, row: &FrontendRow, leader: &str) -> FrontendRow {
        let role = if pod_of_host(&row.host) == leader { FrontendRole::Leader } else { FrontendRole::Follower };
        FrontendRow { role, ..row.clone() }
    }

    /// Carries out one step.
    pub fn act(&mut self, step: &Step) {
        match step {
            Step::Apply(object) => self.apply(object),
            Step::Delete { object, .. } => {
                self.objects.entry(object.kind).or_default().remove(&object.name);
            }
            Step::RestartPod { pod, uid, .. } => {
                assert_eq!(self.pods.get(pod).map(|pod| &pod.uid), Some(uid), "the precondition of a restart holds");
                self.kill(pod);
            }
            Step::Execute { statement, .. } => self.execute(statement),
            Step::PullImage(pod) => {
                let name = pod.metadata.name.clone().unwrap_or_default();
                let state = self.registry.clone();
                let (uid, owner) = (self.uid(), "cluster-uid".to_owned());
                self.pulls.insert(name, ImagePull { uid, owner, is_ours: true, deleting: false, state });
            }
            Step::EndPull { pod, uid } => {
                let ended = self.pulls.remove(pod);
                assert_eq!(ended.map(|pull| pull.uid).as_ref(), Some(uid), "the precondition of a deletion holds");
            }
            Step::Hold | Step::LetGo { .. } => {}
            Step::Record(act) => self.record(act),
        }
        self.reconcile();
    }

    fn record(&mut self, act: &RecordAct) {
        self.serial += 1;
        let version = self.serial.to_string();
        let records = self.records.as_mut().expect("nothing is written where the kind is not served");
        match act {
            RecordAct::Create { name, spec } => records.push(Record {
                name: name.clone(),
                uid: format!("{name}-uid"),
                resource_version: version,
                generation: 1,
                spec: spec.as_ref().clone(),
                status: Default::default(),
            }),
            RecordAct::Report { name, resource_version, status, .. } => {
                let record = records.iter_mut().find(|record| record.name == *name).expect("it exists");
                assert_eq!(record.resource_version, *resource_version, "written over what was seen");
                record.status = status.as_ref().clone();
                record.resource_version = version;
            }
            RecordAct::Forget { name, .. } => records.retain(|record| record.name != *name),
        }
    }

    /// The StarRocksUpgrade that was made last.
    pub fn upgrade(&mut self) -> &mut Record {
        self.records.as_mut().and_then(|records| records.last_mut()).expect("one was made")
    }

    /// Ends a pod; its StatefulSet makes it anew.
    pub fn kill(&mut self, pod: &str) {
        self.pods.remove(pod);
        self.processes.remove(pod);
        self.running.remove(pod);
        if pod.starts_with("kube-be") {
            for state in self.routine_loads.values_mut().filter(|state| **state == RoutineLoadState::Active) {
                *state = RoutineLoadState::Paused;
            }
        }
        if self.leader.as_deref() == Some(pod) {
            self.elect();
        }
        self.reconcile();
    }

    fn elect(&mut self) {
        let serving =
            |name: &&String| self.processes.get(*name).is_some_and(|process| process.serving) && self.frontend_rows.contains_key(*name);
        self.leader = self.pods.keys().find(serving).cloned();
        // A follower replays that a job is paused, not by whom.
        for state in self.routine_loads.values_mut().filter(|state| **state == RoutineLoadState::PausedByUser) {
            *state = RoutineLoadState::Paused;
        }
    }

    fn execute(&mut self, statement: &Statement) {
        match statement {
            Statement::SetFrontendConfig { setting, value } => {
                for (_, keys) in self.running.iter_mut().filter(|(pod, _)| pod.starts_with("kube-fe")) {
                    keys.insert(setting.key().to_owned(), value.clone());
                }
                for process in self.processes.values_mut().filter(|process| process.serving) {
                    if let Some(present) = process.settings.get_mut(setting.key()) {
                        present.clone_from(value);
                    }
                }
            }
            Statement::ConfigureFrontends { key, value } => {
                let frontends = self.running.iter_mut().filter(|(pod, _)| pod.starts_with("kube-fe"));
                frontends.filter(|_| !self.stubborn).for_each(|(_, keys)| drop(keys.insert(key.clone(), value.clone())));
            }
            Statement::ConfigureNode { id, key, value } => {
                let pod = self.node_rows.iter().find(|(_, row)| row.id == *id).map(|((_, pod), _)| pod.clone());
                let keys = pod.and_then(|pod| self.running.get_mut(&pod)).filter(|_| !self.stubborn);
                drop(keys.and_then(|keys| keys.insert(key.clone(), value.clone())));
            }
            Statement::CreateImage => self.image_due = Some((self.now + Duration::from_secs(90), self.journal + 1)),
            Statement::TransferLeader { host, .. } if !self.keeps_lead => self.leader = Some(pod_of_host(host).to_owned()),
            Statement::TransferLeader { .. } | Statement::SetGlobal { .. } | Statement::DropWarehouse { .. } => {}
            Statement::DropFollower { host, .. } | Statement::DropObserver { host, .. } => {
                self.frontend_rows.remove(pod_of_host(host));
            }
            Statement::DecommissionBackend { host, .. } => {
                let pod = pod_of_host(host).to_owned();
                if let Some(row) = self.node_rows.get_mut(&(Component::Backend, pod.clone())) {
                    row.decommissioning = true;
                }
                self.leaving.insert(pod, self.now + Duration::from_secs(40));
            }
            Statement::CancelDecommissionBackend { host, .. } => {
                let pod = pod_of_host(host).to_owned();
                self.leaving.remove(&pod);
                if let Some(row) = self.node_rows.get_mut(&(Component::Backend, pod)) {
                    row.decommissioning = false;
                }
            }
            Statement::ResumeRoutineLoad { name, .. } => {
                if let Some(state) = self.routine_loads.get_mut(name).filter(|_| !self.broken_loads.contains(name)) {
                    *state = RoutineLoadState::Active;
                }
            }
            Statement::DropComputeNode { host, .. } => _ = self.node_rows.remove(&(Component::ComputeNode, pod_of_host(host).to_owned())),
        }
    }

    fn apply(&mut self, object: &Object) {
        let key = object.key();
        let mut body = object.to_json();
        let former = self.objects.entry(key.kind).or_default().get(&key.name).cloned();
        let same = former.as_ref().is_some_and(|former| former.body["spec"] == body["spec"]);
        let generation = former.as_ref().map_or(1, |former| former.generation() + i64::from(!same));
        body["metadata"]["generation"] = json!(generation);
        let mut status = json!({"observedGeneration": generation});
        if key.kind == ObjectKind::StatefulSet {
            status["updateRevision"] = json!(format!("r{}", fingerprint(&body["spec"]["template"])));
        }
        if key.kind == ObjectKind::Deployment {
            status["readyReplicas"] = body["spec"]["replicas"].clone();
            status["updatedReplicas"] = body["spec"]["replicas"].clone();
        }
        body["status"] = status;
        let uid = former.map_or_else(|| self.uid(), |former| former.uid);
        let live = LiveObject { uid, resource_version: generation.to_string(), ownership: Ownership::Ours, deleting: false, body };
        self.objects.entry(key.kind).or_default().insert(key.name, live);
    }

    fn uid(&mut self) -> String {
        self.serial += 1;
        format!("uid-{}", self.serial)
    }

    /// What the StatefulSet controller does.
    fn reconcile(&mut self) {
        let sets = self.objects.get(&ObjectKind::StatefulSet).cloned().unwrap_or_default();
        for component in Component::STARROCKS {
            let name = component.workload_name("kube");
            let set = sets.get(&name);
            let replicas = set.map_or(0, |set| set.integer("/spec/replicas"));
            let gone: Vec<String> = self
                .pods
                .values()
                .filter(|pod| pod.component == component && i64::from(pod.ordinal.unwrap_or(0)) >= replicas)
                .map(|pod| pod.name.clone())
                .collect();
            for pod in gone {
                self.pods.remove(&pod);
                self.processes.remove(&pod);
            }
            let Some(set) = set else { continue };
            for ordinal in 0..replicas {
                let pod = format!("{name}-{ordinal}");
                if !self.pods.contains_key(&pod) {
                    let made = self.make(component, &pod, set);
                    self.pods.insert(pod, made);
                }
            }
            let revision = set.text("/status/updateRevision");
            let outdated = self.pods.values().any(|pod| pod.component == component && pod.revision != revision);
            assert!(set.text("/spec/updateStrategy/type") == "OnDelete" || !outdated, "Kubernetes would roll {name} by itself");
        }
    }

    fn make(&mut self, component: Component, name: &str, set: &LiveObject) -> Pod {
        let image = set.text("/spec/template/spec/containers/0/image").to_owned();
        let broken = image.contains("9.9.9") || image.contains(":nosuch");
        let problem = broken.then(|| PodProblem { reason: "ImagePullBackOff".to_owned(), message: "not found".to_owned(), stuck: true });
        if component == Component::Frontend {
            let claim = Claim { uid: self.uid(), bound: true, created: self.now };
            self.claims.entry(format!("fe-meta-{name}")).or_insert(claim);
        }
        Pod {
            name: name.to_owned(),
            uid: self.uid(),
            component,
            ordinal: ordinal(name),
            revision: set.text("/status/updateRevision").to_owned(),
            ports: declared(component, set),
            image,
            ip: None,
            node: ordinal(name).map(|ordinal| format!("node-{ordinal}")),
            created: self.now,
            started: None,
            ready: false,
            running: false,
            deleting: false,
            restarts: 0,
            problem,
            failed: false,
            unexplained: None,
        }
    }

    /// Lets time pass.
    pub fn advance(&mut self, duration: Duration) {
        self.now = self.now + duration;
        self.journal += 3;
        let forgets =
            |process: &Process| process.settings.get(FrontendSetting::HistoryJobKeepMaxSecond.key()).is_some_and(|value| value == "0");
        if self.processes.values().any(forgets) {
            self.schema_changes = self.schema_changes.saturating_sub(1);
        }
        for pod in self.pods.values_mut().filter(|pod| pod.problem.is_none()) {
            if self.now.since(pod.created) >= Duration::from_secs(5) && !pod.running {
                pod.running = true;
                pod.started = Some(pod.created + Duration::from_secs(3));
            }
            pod.ready = self.now.since(pod.created) >= START_UP && !self.sick.contains(&pod.name);
        }
        let ready: Vec<Pod> = self.pods.values().filter(|pod| pod.ready && !self.deaf.contains(&pod.name)).cloned().collect();
        for pod in &ready {
            if !self.running.contains_key(&pod.name) {
                self.running.insert(pod.name.clone(), self.file_of(pod.component));
            }
            if pod.component == Component::Frontend && !self.processes.get(&pod.name).is_some_and(|process| process.serving) {
                let file = self.file_of(pod.component);
                self.processes.insert(pod.name.clone(), Process { settings: settings(pod, &file), serving: true });
            }
            self.heartbeat(pod);
        }
        for row in self.frontend_rows.values_mut().filter(|row| !ready.iter().any(|pod| pod.name == pod_of_host(&row.host))) {
            row.alive = false;
        }
        for ((_, name), row) in self.node_rows.iter_mut().filter(|((_, name), _)| !ready.iter().any(|pod| pod.name == *name)) {
            row.alive = false;
            row.error = format!("{name} is not reachable");
        }
        if self.leader.is_none() {
            self.elect();
        }
        if let Some((_, version)) = self.image_due.filter(|(due, _)| *due <= self.now) {
            self.image = version;
            self.image_due = None;
        }
        let left: Vec<String> = self.leaving.iter().filter(|(_, due)| **due <= self.now).map(|(pod, _)| pod.clone()).collect();
        for pod in left {
            self.leaving.remove(&pod);
            self.node_rows.remove(&(Component::Backend, pod));
        }
    }

    fn heartbeat(&mut self, pod: &Pod) {
        let (now, started, journal) = (self.now, pod.started, self.journal);
        let host = format!("{}.{}.ns.svc.cluster.local", pod.name, pod.component.search_service_name("kube"));
        if pod.component == Component::Frontend {
            let new = !self.frontend_rows.contains_key(&pod.name);
            // A frontend joins when it starts, not while it runs: one that was dropped stays out.
            if new && started.is_some_and(|started| now.since(started) > Duration::from_secs(15)) {
                return;
            }
            let row = FrontendRow {
                host,
                edit_log_port: 9010,
                query_port: 9030,
                role: FrontendRole::Follower,
                join: true,
                alive: true,
                replayed_journal_id: journal,
                last_heartbeat: Some(now),
                start_time: started,
                error: String::new(),
                version: release(pod),
            };
            self.frontend_rows.insert(pod.name.clone(), row);
            return;
        }
        let key = (pod.component, pod.name.clone());
        let former = self.node_rows.get(&key);
        if former.is_none() && started.is_some_and(|started| now.since(started) > Duration::from_secs(15)) {
            return;
        }
        let row = BackendRow {
            id: 10_000 + u64::from(pod.ordinal.unwrap_or(0)) + if pod.component == Component::ComputeNode { 100 } else { 0 },
            host,
            heartbeat_port: 9050,
            alive: true,
            decommissioning: former.is_some_and(|row| row.decommissioning),
            last_start_time: started,
            last_heartbeat: Some(now),
            tablet_count: Some(12),
            last_tablet_report: started.map(|started| started + Duration::from_secs(10)),
            max_disk_used_basis_points: Some(1_000),
            running_queries: Some(0),
            version: release(pod),
            status_code: "OK".to_owned(),
            error: String::new(),
            warehouse: None,
        };
        self.node_rows.insert(key, row);
    }

    /// The value of a setting on a frontend.
    pub fn setting(&self, pod: &str, setting: FrontendSetting) -> Option<String> {
        self.processes.get(pod)?.settings.get(setting.key()).cloned()
    }

    /// Sets a value behind everybody's back.
    pub fn set(&mut self, pod: &str, setting: FrontendSetting, value: &str) {
        if let Some(process) = self.processes.get_mut(pod) {
            process.settings.insert(setting.key().to_owned(), value.to_owned());
        }
    }
}

fn declared(component: Component, set: &LiveObject) -> DeclaredPorts {
    let ports = set.body.pointer("/spec/template/spec/containers/0/ports").and_then(Value::as_array);
    let named = |port: &Value| Some((port["name"].as_str()?.to_owned(), port["containerPort"].as_i64()?));
    let ports: Vec<_> = ports.into_iter().flatten().filter_map(named).collect();
    DeclaredPorts::read(component, ports.iter().map(|(name, port)| (name.as_str(), *port)))
}

fn release(pod: &Pod) -> String {
    let image = Image::parse(&pod.image);
    format!("{}-abc1234", image.tag.unwrap_or_default())
}

fn settings(pod: &Pod, file: &BTreeMap<String, String>) -> BTreeMap<String, String> {
    let line = parse_version(&Image::parse(&pod.image).tag.unwrap_or_default()).map(|version| version.line());
    let knows = |setting: &FrontendSetting| {
        *setting != FrontendSetting::CheckpointOnlyOnLeader || line.as_ref().is_ok_and(|line| *line >= Line::new(3, 4))
    };
    let default = |setting: FrontendSetting| match setting {
        FrontendSetting::TabletSchedMaxSchedulingTablets => "10000",
        FrontendSetting::TabletSchedMaxBalancingTablets => "500",
        FrontendSetting::HistoryJobKeepMaxSecond => "604800",
        _ => "false",
    };
    let value = |setting: FrontendSetting| file.get(setting.key()).cloned().unwrap_or_else(|| default(setting).to_owned());
    FrontendSetting::ALL.into_iter().filter(knows).map(|setting| (setting.key().to_owned(), value(setting))).collect()
}

fn fingerprint(value: &Value) -> u64 {
    value.to_string().bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| (hash ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3))
}
