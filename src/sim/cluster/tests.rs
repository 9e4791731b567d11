//! The control loops against a fake runtime: what Kubernetes promises, one test for each promise.

#![allow(clippy::expect_used, clippy::panic)]

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use proptest::prelude::*;
use serde_json::{Value, json};

use super::fields::{condition, condition_holds, items, label, name, number, phase, set, text, uid};
use super::{ControlPlane, Timings, bootstrap, resolver};
use crate::model::Timestamp;
use crate::sim::kube::{DeleteOptions, Propagation, Store};
use crate::sim::runtime::{ContainerId, ContainerRuntime, ContainerStart, ContainerState, HttpReply, Mount, Resolver, Signal};

struct Program {
    start: ContainerStart,
    since: Timestamp,
    state: ContainerState,
    ends: Option<(Timestamp, i32)>,
}

/// Programs that start at once, answer 200 unless told otherwise and stop a second after TERM.
struct Fake {
    programs: BTreeMap<ContainerId, Program>,
    unhealthy: BTreeSet<String>,
    silent: BTreeSet<String>,
    stubborn: bool,
    crash_after: BTreeMap<String, Duration>,
    warm_up: Duration,
    erased: Vec<String>,
    log: Vec<String>,
    probes: std::cell::Cell<u64>,
    generation: u64,
}

impl Fake {
    fn new() -> Self {
        Self {
            programs: BTreeMap::new(),
            unhealthy: BTreeSet::new(),
            silent: BTreeSet::new(),
            stubborn: false,
            crash_after: BTreeMap::new(),
            warm_up: Duration::ZERO,
            erased: Vec::new(),
            log: Vec::new(),
            probes: std::cell::Cell::new(0),
            generation: 0,
        }
    }

    fn of(&self, pod: &str) -> &ContainerStart {
        &self.programs.values().find(|program| program.start.pod_name == pod).expect("started").start
    }

    fn kill(&mut self, pod: &str, code: i32) {
        self.generation += 1;
        for program in self.programs.values_mut().filter(|program| program.start.pod_name == pod) {
            program.state = ContainerState::Exited { code, message: "boom".into() };
        }
    }
}

impl ContainerRuntime for Fake {
    fn pull(&self, image: &str) -> Result<(), String> {
        if image.starts_with("missing/") { Err(format!("{image}: not found")) } else { Ok(()) }
    }

    fn start(&mut self, start: ContainerStart, now: Timestamp) {
        self.log.push(format!("{now} start {}/{}", start.pod_name, start.id.container));
        self.generation += 1;
        let ends = self.crash_after.get(&start.pod_name).map(|after| (now + *after, 1));
        self.programs.insert(start.id.clone(), Program { start, since: now, state: ContainerState::Running, ends });
    }

    fn signal(&mut self, id: &ContainerId, signal: Signal, now: Timestamp) {
        self.log.push(format!("{now} {signal:?} {}", id.container));
        self.generation += 1;
        let Some(program) = self.programs.get_mut(id) else { return };
        match signal {
            Signal::Kill => program.state = ContainerState::Exited { code: 137, message: String::new() },
            Signal::Term if !self.stubborn => program.ends = Some((now + Duration::from_secs(1), 0)),
            _ => {}
        }
    }

    fn execute(&mut self, id: &ContainerId, command: &[String], now: Timestamp) -> Duration {
        self.log.push(format!("{now} execute {} {}", id.container, command.join(" ")));
        Duration::from_secs(3)
    }

    fn state(&self, id: &ContainerId) -> Option<ContainerState> {
        self.programs.get(id).map(|program| program.state.clone())
    }

    fn log(&self, id: &ContainerId) -> String {
        format!("{} works\n", id.container)
    }

    fn generation(&self) -> u64 {
        self.generation
    }

    fn http_get(&self, id: &ContainerId, _port: u16, _path: &str, now: Timestamp) -> HttpReply {
        self.probes.set(self.probes.get() + 1);
        let Some(program) = self.programs.get(id).filter(|program| program.state == ContainerState::Running) else {
            return HttpReply::Refused;
        };
        if self.silent.contains(&program.start.pod_name) {
            return HttpReply::Silence;
        }
        if program.since + self.warm_up > now {
            return HttpReply::Refused;
        }
        let status = if self.unhealthy.contains(&program.start.pod_name) { 503 } else { 200 };
        HttpReply::Answer { status, body: String::new(), after: Duration::from_millis(3) }
    }

    fn listens(&self, id: &ContainerId, _port: u16) -> bool {
        self.programs.get(id).is_some_and(|program| program.state == ContainerState::Running)
    }

    fn remove(&mut self, id: &ContainerId) {
        self.programs.remove(id);
        self.generation += 1;
    }

    fn erase_volume(&mut self, volume: &str) {
        self.erased.push(volume.to_owned());
    }

    fn advance(&mut self, _resolver: &dyn Resolver, now: Timestamp) {
        for program in self.programs.values_mut() {
            if let (ContainerState::Running, Some((at, code))) = (&program.state, program.ends)
                && at <= now
            {
                program.state = ContainerState::Exited { code, message: String::new() };
                self.generation += 1;
            }
        }
    }

    fn next_wakeup(&self) -> Option<Timestamp> {
        self.programs
            .values()
            .filter(|program| program.state == ContainerState::Running)
            .filter_map(|program| program.ends)
            .map(|(at, _)| at)
            .min()
    }
}

struct Lab {
    store: Store,
    plane: ControlPlane,
    runtime: Fake,
    now: Timestamp,
    settles: u64,
}

impl Lab {
    fn new() -> Self {
        Self::seeded(7)
    }

    fn seeded(seed: u64) -> Self {
        let now = Timestamp::parse("2026-11-23T08:00:00Z").expect("a moment");
        let mut store = Store::new(now);
        bootstrap(&mut store);
        let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": "db"}});
        store.create(namespace, "test").expect("namespace");
        Self { store, plane: ControlPlane::new(Timings::default(), seed), runtime: Fake::new(), now, settles: 0 }
    }

    fn run(&mut self, seconds: u64) {
        let end = self.now + Duration::from_secs(seconds);
        loop {
            self.plane.settle(&mut self.store, &mut self.runtime, self.now);
            self.settles += 1;
            let next = [self.plane.next_wakeup(), self.runtime.next_wakeup()].into_iter().flatten().min();
            if let Some(next) = next {
                assert!(next > self.now, "a wake-up at {next} that is not after {}", self.now);
            }
            match next.filter(|next| *next <= end) {
                Some(next) => self.now = next,
                None => break,
            }
        }
        self.now = end;
        self.plane.settle(&mut self.store, &mut self.runtime, self.now);
    }

    fn create(&mut self, object: Value) -> Value {
        self.store.create(object, "test").expect("created")
    }

    fn get(&self, kind: &str, name: &str) -> Value {
        self.store.get(kind, "db", name).cloned().unwrap_or_else(|| panic!("{kind} {name} is missing"))
    }

    fn find(&self, kind: &str, name: &str) -> Option<&Value> {
        self.store.get(kind, "db", name)
    }

    fn names(&self, kind: &str) -> Vec<String> {
        self.store.list(kind, Some("db")).into_iter().map(|object| name(object).to_owned()).collect()
    }

    fn edit(&mut self, kind: &str, name: &str, path: &[&str], value: Value) {
        let mut object = self.get(kind, name);
        set(&mut object, path, value);
        self.store.update(object, "test").expect("updated");
    }

    fn delete(&mut self, kind: &str, name: &str) {
        self.store.delete(kind, "db", name, DeleteOptions::default()).expect("deleted");
    }

    fn delete_with(&mut self, kind: &str, name: &str, propagation: Propagation) {
        let options = DeleteOptions { propagation: Some(propagation), ..DeleteOptions::default() };
        self.store.delete(kind, "db", name, options).expect("deleted");
    }

    fn events(&self, reason: &str) -> Vec<&Value> {
        self.store.list("Event", None).into_iter().filter(|event| text(event, "/reason") == reason).collect()
    }

    fn ready(&self, pod: &str) -> bool {
        self.find("Pod", pod).is_some_and(|pod| condition_holds(pod, "Ready"))
    }
}

fn container(image: &str) -> Value {
    json!({"name": "main", "image": image, "ports": [{"name": "http", "containerPort": 8030}],
        "readinessProbe": {"httpGet": {"path": "/api/health", "port": 8030}, "periodSeconds": 5, "failureThreshold": 3}})
}

fn stateful_set(replicas: u64, policy: &str, strategy: Value) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet",
        "metadata": {"name": "fe", "namespace": "db"},
        "spec": {
            "replicas": replicas, "serviceName": "fe-search", "podManagementPolicy": policy, "updateStrategy": strategy,
            "selector": {"matchLabels": {"app": "fe"}},
            "template": {"metadata": {"labels": {"app": "fe"}}, "spec": {
                "terminationGracePeriodSeconds": 30,
                "containers": [container("fe:1")],
            }},
            "volumeClaimTemplates": [{"metadata": {"name": "meta"}, "spec": {"accessModes": ["ReadWriteOnce"], "resources": {"requests": {"storage": "10Gi"}}}}],
        },
    })
}

fn rolling() -> Value {
    json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 0}})
}

fn service(service_name: &str, headless: bool, unready: bool) -> Value {
    let mut service = json!({
        "apiVersion": "v1", "kind": "Service", "metadata": {"name": service_name, "namespace": "db"},
        "spec": {"selector": {"app": "fe"}, "publishNotReadyAddresses": unready, "ports": [{"name": "http", "port": 80, "targetPort": "http"}]},
    });
    if headless {
        set(&mut service, &["spec", "clusterIP"], json!("None"));
    }
    service
}

fn pod(pod_name: &str, spec: Value) -> Value {
    json!({"apiVersion": "v1", "kind": "Pod", "metadata": {"name": pod_name, "namespace": "db", "labels": {"app": "fe"}}, "spec": spec})
}

fn next_image(lab: &mut Lab, image: &str) {
    lab.edit("StatefulSet", "fe", &["spec", "template", "spec", "containers"], json!([container(image)]));
}

fn image_of(lab: &Lab, pod: &str) -> String {
    text(&lab.get("Pod", pod), "/spec/containers/0/image").to_owned()
}

#[test]
fn a_parallel_set_comes_up_with_identity_claims_and_status() {
    let mut lab = Lab::new();
    lab.create(service("fe-search", true, true));
    lab.create(stateful_set(3, "Parallel", rolling()));
    lab.run(60);
    let set = lab.get("StatefulSet", "fe");
    assert_eq!(lab.names("Pod"), ["fe-0", "fe-1", "fe-2"]);
    for field in ["replicas", "readyReplicas", "availableReplicas", "currentReplicas", "updatedReplicas"] {
        assert_eq!(number(&set, &format!("/status/{field}")), Some(3), "{field} of {}", set["status"]);
    }
    assert_eq!(number(&set, "/status/observedGeneration"), number(&set, "/metadata/generation"));
    assert_eq!(text(&set, "/status/currentRevision"), text(&set, "/status/updateRevision"));
    let second = lab.get("Pod", "fe-1");
    assert_eq!(label(&second, "statefulset.kubernetes.io/pod-name"), Some("fe-1"));
    assert_eq!(label(&second, "controller-revision-hash"), Some(text(&set, "/status/updateRevision")));
    assert_eq!(text(&second, "/spec/hostname"), "fe-1");
    assert_eq!(lab.runtime.of("fe-1").fqdn, "fe-1.fe-search.db.svc.cluster.local");
    assert_eq!(text(&lab.get("PersistentVolumeClaim", "meta-fe-1"), "/status/phase"), "Bound");
    assert_eq!(lab.store.list("PersistentVolume", None).len(), 3);
    let addresses: BTreeSet<_> = lab.names("Pod").iter().map(|pod| text(&lab.get("Pod", pod), "/status/podIP").to_owned()).collect();
    assert_eq!(addresses.len(), 3);
    let nodes: BTreeSet<_> = lab.names("Pod").iter().map(|pod| text(&lab.get("Pod", pod), "/spec/nodeName").to_owned()).collect();
    assert_eq!(nodes.len(), 3, "replicas spread over nodes");
    for pod in lab.names("Pod") {
        let claim = lab.get("PersistentVolumeClaim", &format!("meta-{pod}"));
        let selected = super::fields::annotation(&claim, "volume.kubernetes.io/selected-node").unwrap_or_default();
        assert_eq!(text(&lab.get("Pod", &pod), "/spec/nodeName"), selected, "the pod goes where its volume was made");
    }
}

#[test]
fn an_ordered_set_starts_the_next_pod_only_when_the_last_is_ready_and_stops_in_reverse() {
    let mut lab = Lab::new();
    lab.runtime.warm_up = Duration::from_secs(20);
    lab.create(stateful_set(3, "OrderedReady", rolling()));
    lab.run(25);
    assert_eq!(lab.names("Pod"), ["fe-0"]);
    lab.run(150);
    assert_eq!(lab.names("Pod"), ["fe-0", "fe-1", "fe-2"]);
    let starts: Vec<&str> =
        lab.runtime.log.iter().filter(|line| line.contains("start")).map(|line| line.rsplit(' ').next().unwrap_or("")).collect();
    assert_eq!(starts, ["fe-0/main", "fe-1/main", "fe-2/main"]);
    lab.edit("StatefulSet", "fe", &["spec", "replicas"], json!(1));
    lab.run(1);
    assert!(super::fields::terminating(&lab.get("Pod", "fe-2")) && !super::fields::terminating(&lab.get("Pod", "fe-1")));
    lab.run(30);
    assert_eq!(lab.names("Pod"), ["fe-0"]);
}

#[test]
fn scaling_up_and_down_to_nothing_leaves_no_pod_and_keeps_the_claims() {
    for policy in ["Parallel", "OrderedReady"] {
        let mut lab = Lab::new();
        lab.create(stateful_set(3, policy, rolling()));
        lab.run(120);
        lab.edit("StatefulSet", "fe", &["spec", "replicas"], json!(5));
        lab.run(120);
        assert_eq!(lab.names("Pod").len(), 5);
        lab.edit("StatefulSet", "fe", &["spec", "replicas"], json!(0));
        lab.run(120);
        assert!(lab.names("Pod").is_empty());
        assert_eq!(lab.names("PersistentVolumeClaim").len(), 5);
        assert!(lab.runtime.programs.is_empty() && !lab.runtime.erased.iter().any(|volume| !volume.contains('/')));
        assert_eq!(number(&lab.get("StatefulSet", "fe"), "/status/replicas"), Some(0));
    }
}

#[test]
fn a_rolling_update_replaces_from_the_highest_ordinal_and_completes_the_revision() {
    let mut lab = Lab::new();
    lab.create(stateful_set(3, "Parallel", rolling()));
    lab.run(60);
    let before = text(&lab.get("StatefulSet", "fe"), "/status/currentRevision").to_owned();
    lab.runtime.log.clear();
    next_image(&mut lab, "fe:2");
    lab.run(1);
    let set = lab.get("StatefulSet", "fe");
    assert_eq!(text(&set, "/status/currentRevision"), before);
    assert_ne!(text(&set, "/status/updateRevision"), before);
    lab.run(120);
    let set = lab.get("StatefulSet", "fe");
    assert_eq!(text(&set, "/status/currentRevision"), text(&set, "/status/updateRevision"));
    assert_eq!(number(&set, "/status/currentReplicas"), Some(3));
    assert_eq!(image_of(&lab, "fe-0"), "fe:2");
    let starts: Vec<&str> =
        lab.runtime.log.iter().filter(|line| line.contains("start")).map(|line| line.rsplit(' ').next().unwrap_or("")).collect();
    assert_eq!(starts, ["fe-2/main", "fe-1/main", "fe-0/main"]);
    assert_eq!(lab.names("ControllerRevision").len(), 2);
}

#[test]
fn a_template_that_comes_back_reuses_its_revision_under_a_new_number() {
    let mut lab = Lab::new();
    lab.create(stateful_set(1, "Parallel", rolling()));
    lab.run(40);
    let first = text(&lab.get("StatefulSet", "fe"), "/status/updateRevision").to_owned();
    next_image(&mut lab, "fe:2");
    lab.run(60);
    next_image(&mut lab, "fe:1");
    lab.run(60);
    assert_eq!(text(&lab.get("StatefulSet", "fe"), "/status/currentRevision"), first);
    assert_eq!(lab.names("ControllerRevision").len(), 2);
    assert_eq!(number(&lab.get("ControllerRevision", &first), "/revision"), Some(3));
}

#[test]
fn revision_history_is_cut_to_its_limit() {
    let mut lab = Lab::new();
    let mut wanted = stateful_set(1, "Parallel", rolling());
    set(&mut wanted, &["spec", "revisionHistoryLimit"], json!(2));
    lab.create(wanted);
    for round in 0..6 {
        next_image(&mut lab, &format!("fe:{round}"));
        lab.run(60);
    }
    assert_eq!(lab.names("ControllerRevision").len(), 3);
}

#[test]
fn pods_below_the_partition_keep_and_regain_the_current_revision() {
    let mut lab = Lab::new();
    lab.create(stateful_set(3, "Parallel", json!({"type": "RollingUpdate", "rollingUpdate": {"partition": 2}})));
    lab.run(60);
    next_image(&mut lab, "fe:2");
    lab.run(60);
    assert_eq!([image_of(&lab, "fe-0"), image_of(&lab, "fe-1"), image_of(&lab, "fe-2")], ["fe:1", "fe:1", "fe:2"]);
    lab.delete("Pod", "fe-0");
    lab.run(60);
    assert_eq!(image_of(&lab, "fe-0"), "fe:1");
    let set = lab.get("StatefulSet", "fe");
    assert_eq!((number(&set, "/status/currentReplicas"), number(&set, "/status/updatedReplicas")), (Some(2), Some(1)));
}

#[test]
fn on_delete_never_replaces_a_pod_by_itself_and_never_advances_the_current_revision() {
    let mut lab = Lab::new();
    lab.create(stateful_set(3, "Parallel", json!({"type": "OnDelete"})));
    lab.run(60);
    let before: Vec<String> = lab.names("Pod").iter().map(|pod| uid(&lab.get("Pod", pod)).to_owned()).collect();
    let revision = text(&lab.get("StatefulSet", "fe"), "/status/currentRevision").to_owned();
    next_image(&mut lab, "fe:2");
    lab.run(600);
    let after: Vec<String> = lab.names("Pod").iter().map(|pod| uid(&lab.get("Pod", pod)).to_owned()).collect();
    assert_eq!(before, after);
    for pod in ["fe-0", "fe-1", "fe-2"] {
        lab.delete("Pod", pod);
        lab.run(60);
        assert_eq!(image_of(&lab, pod), "fe:2");
    }
    let set = lab.get("StatefulSet", "fe");
    assert_eq!(text(&set, "/status/currentRevision"), revision, "only a rolling update advances it");
    assert_eq!(number(&set, "/status/updatedReplicas"), Some(3));
    assert_eq!(number(&set, "/status/currentReplicas"), None);
    lab.edit("StatefulSet", "fe", &["spec", "updateStrategy"], rolling());
    lab.run(5);
    let set = lab.get("StatefulSet", "fe");
    assert_eq!(text(&set, "/status/currentRevision"), text(&set, "/status/updateRevision"));
}

#[test]
fn min_ready_seconds_hold_back_availability() {
    let mut lab = Lab::new();
    let mut wanted = stateful_set(1, "Parallel", rolling());
    set(&mut wanted, &["spec", "minReadySeconds"], json!(60));
    lab.create(wanted);
    lab.run(40);
    let status = lab.get("StatefulSet", "fe")["status"].clone();
    assert_eq!((number(&status, "/readyReplicas"), number(&status, "/availableReplicas")), (Some(1), Some(0)));
    lab.run(60);
    assert_eq!(number(&lab.get("StatefulSet", "fe"), "/status/availableReplicas"), Some(1));
}

#[test]
fn retention_policy_deletes_claims_with_the_pod_or_with_the_set() {
    let mut lab = Lab::new();
    let mut wanted = stateful_set(3, "Parallel", rolling());
    set(&mut wanted, &["spec", "persistentVolumeClaimRetentionPolicy"], json!({"whenDeleted": "Delete", "whenScaled": "Delete"}));
    lab.create(wanted);
    lab.run(60);
    let claim = uid(&lab.get("PersistentVolumeClaim", "meta-fe-2")).to_owned();
    lab.edit("StatefulSet", "fe", &["spec", "replicas"], json!(2));
    lab.run(60);
    assert_eq!(lab.names("PersistentVolumeClaim"), ["meta-fe-0", "meta-fe-1"]);
    assert!(lab.runtime.erased.contains(&claim));
    assert_eq!(lab.store.list("PersistentVolume", None).len(), 2);
    lab.delete("StatefulSet", "fe");
    lab.run(60);
    assert!(lab.names("Pod").is_empty() && lab.names("PersistentVolumeClaim").is_empty() && lab.names("ControllerRevision").is_empty());
}

#[test]
fn an_orphaned_set_leaves_its_pods_to_its_successor() {
    let mut lab = Lab::new();
    let first = lab.create(stateful_set(3, "Parallel", rolling()));
    lab.run(60);
    let before: Vec<String> = lab.names("Pod").iter().map(|pod| uid(&lab.get("Pod", pod)).to_owned()).collect();
    lab.delete_with("StatefulSet", "fe", Propagation::Orphan);
    lab.run(30);
    assert!(lab.find("StatefulSet", "fe").is_none());
    assert_eq!(lab.names("Pod").len(), 3);
    let second = lab.create(stateful_set(3, "Parallel", rolling()));
    assert_ne!(uid(&first), uid(&second));
    lab.run(30);
    let after: Vec<String> = lab.names("Pod").iter().map(|pod| uid(&lab.get("Pod", pod)).to_owned()).collect();
    assert_eq!(before, after);
    assert!(lab.names("Pod").iter().all(|pod| super::fields::controlled_by(&lab.get("Pod", pod), uid(&second))));
    assert_eq!(number(&lab.get("StatefulSet", "fe"), "/status/readyReplicas"), Some(3));
}

#[test]
fn background_deletion_takes_dependents_after_their_owner_and_foreground_before() {
    let mut lab = Lab::new();
    lab.create(stateful_set(2, "Parallel", rolling()));
    lab.run(60);
    lab.delete_with("StatefulSet", "fe", Propagation::Foreground);
    lab.plane.settle(&mut lab.store, &mut lab.runtime, lab.now);
    lab.run(1);
    assert!(lab.find("StatefulSet", "fe").is_some(), "the owner waits for its pods");
    lab.run(30);
    assert!(lab.find("StatefulSet", "fe").is_none() && lab.names("Pod").is_empty());
    lab.create(stateful_set(2, "Parallel", rolling()));
    lab.run(60);
    lab.delete_with("StatefulSet", "fe", Propagation::Background);
    assert!(lab.find("StatefulSet", "fe").is_none());
    lab.run(30);
    assert!(lab.names("Pod").is_empty());
}

#[test]
fn an_ended_namespace_takes_everything_along() {
    let mut lab = Lab::new();
    lab.create(stateful_set(2, "Parallel", rolling()));
    lab.run(60);
    lab.store.delete("Namespace", "", "db", DeleteOptions::default()).expect("deleted");
    lab.run(90);
    assert!(lab.store.get("Namespace", "", "db").is_none());
    assert!(lab.names("Pod").is_empty() && lab.runtime.programs.is_empty());
}

#[test]
fn endpoints_follow_readiness_and_dns_follows_endpoints() {
    let mut lab = Lab::new();
    lab.create(service("fe-search", true, true));
    lab.create(service("fe", false, false));
    lab.create(stateful_set(3, "Parallel", rolling()));
    lab.run(60);
    lab.runtime.unhealthy.insert("fe-1".into());
    lab.run(20);
    assert!(!lab.ready("fe-1"));
    let endpoints = lab.get("Endpoints", "fe");
    assert_eq!(items(&endpoints, "/subsets/0/addresses").len(), 2);
    assert_eq!(items(&endpoints, "/subsets/0/notReadyAddresses").len(), 1);
    assert_eq!(number(&endpoints, "/subsets/0/ports/0/port"), Some(8030), "the named port of the pod");
    let dns = resolver(&lab.store);
    assert_eq!(dns.resolve("fe").len(), 2);
    assert_eq!(dns.resolve("fe.db.svc.cluster.local").len(), 2);
    assert_eq!(dns.resolve("fe-search.db").len(), 3, "unready addresses are published");
    assert_eq!(
        dns.resolve("fe-1.fe-search.db.svc.cluster.local"),
        [text(&lab.get("Pod", "fe-1"), "/status/podIP").parse::<std::net::IpAddr>().expect("ip")]
    );
    assert_eq!(dns.resolve("fe-9.fe-search.db.svc.cluster.local"), Vec::<std::net::IpAddr>::new());
    assert_eq!(dns.resolve("10.1.2.3").len(), 1);
    let slices: Vec<&Value> = lab
        .store
        .list("EndpointSlice", Some("db"))
        .into_iter()
        .filter(|slice| label(slice, "kubernetes.io/service-name") == Some("fe"))
        .collect();
    assert_eq!(slices.len(), 1);
    assert_eq!(items(slices[0], "/endpoints").iter().filter(|endpoint| super::fields::flag(endpoint, "/conditions/ready")).count(), 2);
}

#[test]
fn a_bound_pod_has_the_topology_of_its_node_as_its_endpoints_have_and_is_still_of_its_first_generation() {
    let mut lab = Lab::new();
    lab.create(service("fe", false, false));
    lab.create(stateful_set(1, "Parallel", rolling()));
    lab.run(60);
    let pod = lab.get("Pod", "fe-0");
    let node = lab.store.get("Node", "", text(&pod, "/spec/nodeName")).expect("its node");
    for key in ["topology.kubernetes.io/region", "topology.kubernetes.io/zone"] {
        assert!(label(&pod, key).is_some() && label(&pod, key) == label(node, key), "{key}");
    }
    let slices = lab.store.list("EndpointSlice", Some("db"));
    assert!(slices.iter().any(|slice| label(node, "topology.kubernetes.io/zone") == slice["endpoints"][0]["zone"].as_str()), "{slices:?}");
    assert_eq!(number(&pod, "/metadata/generation"), Some(1));
    let told: Vec<&str> = lab.events("SuccessfulCreate").into_iter().map(|event| text(event, "/message")).collect();
    assert!(told.contains(&"Create Pod fe-0 in StatefulSet fe successful"), "{told:?}");
    assert!(told.iter().any(|text| text.starts_with("Create Claim ")), "{told:?}");
}

#[test]
fn a_terminating_pod_leaves_the_service_at_once() {
    let mut lab = Lab::new();
    lab.runtime.stubborn = true;
    lab.create(service("fe", false, false));
    lab.create(stateful_set(2, "Parallel", rolling()));
    lab.run(60);
    lab.delete("Pod", "fe-1");
    lab.run(1);
    assert!(lab.ready("fe-1"), "it still answers");
    assert_eq!(resolver(&lab.store).resolve("fe").len(), 1);
}

#[test]
fn a_deployment_rolls_through_replica_sets_and_reports_conditions() {
    let mut lab = Lab::new();
    lab.create(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "proxy", "namespace": "db"},
        "spec": {"replicas": 3, "selector": {"matchLabels": {"app": "proxy"}},
            "strategy": {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": "25%", "maxUnavailable": "25%"}},
            "template": {"metadata": {"labels": {"app": "proxy"}}, "spec": {"containers": [container("nginx:1")]}}},
    }));
    lab.run(60);
    let status = lab.get("Deployment", "proxy")["status"].clone();
    for field in ["replicas", "readyReplicas", "updatedReplicas", "availableReplicas"] {
        assert_eq!(number(&status, &format!("/{field}")), Some(3), "{field} in {status}");
    }
    let mut lowest = 3;
    lab.edit("Deployment", "proxy", &["spec", "template", "spec", "containers"], json!([container("nginx:2")]));
    for _ in 0..60 {
        lab.run(1);
        lowest = lowest.min(number(&lab.get("Deployment", "proxy"), "/status/availableReplicas").unwrap_or(0));
    }
    assert_eq!(lowest, 3, "a quarter of three pods away is none");
    let deployment = lab.get("Deployment", "proxy");
    assert_eq!(number(&deployment, "/status/updatedReplicas"), Some(3));
    assert_eq!(number(&deployment, "/status/replicas"), Some(3));
    assert!(condition_holds(&deployment, "Available"));
    assert_eq!(condition(&deployment, "Progressing").map(|condition| text(condition, "/reason")), Some("NewReplicaSetAvailable"));
    assert_eq!(lab.names("ReplicaSet").len(), 2);
    lab.delete("Deployment", "proxy");
    lab.run(40);
    assert!(lab.names("ReplicaSet").is_empty() && lab.names("Pod").is_empty());
}

#[test]
fn a_claim_of_an_unknown_class_keeps_its_pod_pending() {
    let mut lab = Lab::new();
    lab.create(json!({"apiVersion": "v1", "kind": "PersistentVolumeClaim", "metadata": {"name": "disk", "namespace": "db"},
        "spec": {"accessModes": ["ReadWriteOnce"], "storageClassName": "gold", "resources": {"requests": {"storage": "1Gi"}}}}));
    let volumes = json!([{"name": "disk", "persistentVolumeClaim": {"claimName": "disk"}}]);
    lab.create(pod("one", json!({"containers": [container("fe:1")], "volumes": volumes})));
    lab.run(60);
    assert_eq!(text(&lab.get("PersistentVolumeClaim", "disk"), "/status/phase"), "Pending");
    assert_eq!(lab.events("ProvisioningFailed").len(), 1);
    let waiting = lab.get("Pod", "one");
    assert_eq!(phase(&waiting), "Pending");
    assert_eq!(condition(&waiting, "PodScheduled").map(|condition| text(condition, "/reason")), Some("Unschedulable"));
    lab.create(json!({"apiVersion": "storage.k8s.io/v1", "kind": "StorageClass", "metadata": {"name": "gold"}, "provisioner": "x", "volumeBindingMode": "Immediate"}));
    lab.run(60);
    assert!(lab.ready("one"));
}

#[test]
fn a_claim_in_use_outlives_its_deletion_until_the_pod_is_gone() {
    let mut lab = Lab::new();
    lab.create(stateful_set(1, "Parallel", rolling()));
    lab.run(60);
    lab.delete("PersistentVolumeClaim", "meta-fe-0");
    lab.run(30);
    assert!(lab.find("PersistentVolumeClaim", "meta-fe-0").is_some());
    let old = uid(&lab.get("PersistentVolumeClaim", "meta-fe-0")).to_owned();
    lab.delete("Pod", "fe-0");
    lab.run(60);
    assert_ne!(uid(&lab.get("PersistentVolumeClaim", "meta-fe-0")), old, "a fresh claim for the new pod");
    assert!(lab.runtime.erased.contains(&old) && lab.ready("fe-0"));
}

#[test]
fn a_pod_that_fits_nowhere_says_why_and_is_placed_when_it_can_be() {
    let mut lab = Lab::new();
    lab.create(pod("picky", json!({"nodeSelector": {"disk": "fast"}, "containers": [container("fe:1")]})));
    lab.create(pod("huge", json!({"containers": [{"name": "main", "image": "fe:1", "resources": {"requests": {"memory": "900Gi"}}}]})));
    lab.run(10);
    let message =
        condition(&lab.get("Pod", "picky"), "PodScheduled").map(|condition| text(condition, "/message").to_owned()).unwrap_or_default();
    assert!(message.contains("4 node(s) didn't match Pod's node affinity/selector"), "{message}");
    let message =
        condition(&lab.get("Pod", "huge"), "PodScheduled").map(|condition| text(condition, "/message").to_owned()).unwrap_or_default();
    assert!(message.contains("4 Insufficient memory"), "{message}");
    let mut node = lab.store.get("Node", "", "worker-3").cloned().expect("node");
    set(&mut node, &["metadata", "labels", "disk"], json!("fast"));
    lab.store.update(node, "test").expect("updated");
    lab.run(30);
    assert_eq!(text(&lab.get("Pod", "picky"), "/spec/nodeName"), "worker-3");
    assert_eq!(lab.events("FailedScheduling").len(), 2);
}

#[test]
fn init_containers_run_before_main_ones_and_references_are_resolved() {
    let mut lab = Lab::new();
    lab.create(service("fe", false, false));
    lab.create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "conf", "namespace": "db"}, "data": {"fe.conf": "http_port = 8030", "mode": "x"}}));
    lab.create(
        json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "root", "namespace": "db"}, "data": {"password": "czNjcmV0"}}),
    );
    let env = json!([
        {"name": "POD_NAME", "valueFrom": {"fieldRef": {"fieldPath": "metadata.name"}}},
        {"name": "POD_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
        {"name": "HOST_IP", "valueFrom": {"fieldRef": {"fieldPath": "status.hostIP"}}},
        {"name": "MODE", "valueFrom": {"configMapKeyRef": {"name": "conf", "key": "mode"}}},
        {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "root", "key": "password"}}},
        {"name": "MAYBE", "valueFrom": {"secretKeyRef": {"name": "root", "key": "other", "optional": true}}},
        {"name": "FE_SERVICE_NAME", "value": "$(POD_NAME)-svc"}]);
    lab.create(pod("one", json!({
        "initContainers": [{"name": "prepare", "image": "busybox:1"}],
        "containers": [{"name": "main", "image": "fe:1", "command": ["run.sh"], "args": ["$(FE_SERVICE_NAME)", "$$(POD_NAME)"], "env": env, "volumeMounts": [
            {"name": "conf", "mountPath": "/conf/fe.conf", "subPath": "fe.conf"}, {"name": "scratch", "mountPath": "/log"}, {"name": "info", "mountPath": "/info"}]}],
        "volumes": [{"name": "conf", "configMap": {"name": "conf"}}, {"name": "scratch", "emptyDir": {}},
            {"name": "info", "downwardAPI": {"items": [{"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}]}}],
    })));
    lab.run(10);
    assert_eq!(text(&lab.get("Pod", "one"), "/status/containerStatuses/0/state/waiting/reason"), "PodInitializing");
    lab.run(30);
    let live = lab.get("Pod", "one");
    assert_eq!(text(&live, "/status/initContainerStatuses/0/state/terminated/reason"), "Completed");
    assert!(condition_holds(&live, "Initialized") && lab.ready("one"));
    let start = lab.runtime.of("one");
    assert_eq!(start.command, ["run.sh", "one-svc", "$(POD_NAME)"]);
    assert_eq!(start.environment.get("PASSWORD").map(String::as_str), Some("s3cret"));
    assert_eq!(start.environment.get("POD_IP").map(String::as_str), Some(text(&live, "/status/podIP")));
    assert_eq!(
        start.environment.get("FE_PORT").map(String::as_str),
        Some(format!("tcp://{}:80", text(&lab.get("Service", "fe"), "/spec/clusterIP")).as_str())
    );
    assert!(start.environment.contains_key("KUBERNETES_SERVICE_HOST"));
    assert!(!start.environment.contains_key("MAYBE") && start.environment.contains_key("HOST_IP"));
    assert_eq!(
        start.mounts.get("/conf/fe.conf"),
        Some(&Mount::Files(BTreeMap::from([("fe.conf".to_owned(), "http_port = 8030".to_owned())])))
    );
    assert_eq!(start.mounts.get("/log"), Some(&Mount::Volume(format!("{}/scratch", uid(&live)))));
    assert_eq!(
        start.mounts.get("/info"),
        Some(&Mount::Files(BTreeMap::from([(
            "labels".to_owned(),
            "app=\"fe\"\ntopology.kubernetes.io/region=\"sim\"\ntopology.kubernetes.io/zone=\"sim-a\"".to_owned()
        )])))
    );
    lab.delete("Pod", "one");
    lab.run(10);
    assert!(lab.runtime.erased.contains(&format!("{}/scratch", uid(&live))), "an emptyDir goes with its pod");
}

#[test]
fn missing_configuration_holds_a_container_back_until_it_appears() {
    let mut lab = Lab::new();
    let env = json!([{"name": "A", "valueFrom": {"configMapKeyRef": {"name": "late", "key": "a"}}}]);
    lab.create(pod("env", json!({"containers": [{"name": "main", "image": "fe:1", "env": env}]})));
    lab.create(pod(
        "mount",
        json!({"containers": [{"name": "main", "image": "fe:1"}], "volumes": [{"name": "v", "configMap": {"name": "late"}}]}),
    ));
    lab.run(30);
    let waiting = lab.get("Pod", "env")["status"]["containerStatuses"][0]["state"]["waiting"].clone();
    assert_eq!((text(&waiting, "/reason"), text(&waiting, "/message")), ("CreateContainerConfigError", "configmap \"late\" not found"));
    assert_eq!(text(&lab.get("Pod", "mount"), "/status/containerStatuses/0/state/waiting/reason"), "ContainerCreating");
    assert!(!lab.events("FailedMount").is_empty());
    lab.create(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "late", "namespace": "db"}, "data": {"a": "1"}}));
    lab.run(60);
    assert!(lab.ready("env") && lab.ready("mount"));
}

#[test]
fn a_broken_image_shows_its_reason_backs_off_and_heals() {
    let mut lab = Lab::new();
    lab.plane.break_image("fe:1");
    lab.create(pod("one", json!({"containers": [container("fe:1")]})));
    lab.run(11);
    let reason = |lab: &Lab| text(&lab.get("Pod", "one"), "/status/containerStatuses/0/state/waiting/reason").to_owned();
    assert_eq!(reason(&lab), "ErrImagePull");
    lab.run(3);
    assert_eq!(reason(&lab), "ImagePullBackOff");
    lab.plane.mend_image("fe:1");
    lab.run(60);
    assert!(lab.ready("one"));
    lab.create(pod("two", json!({"containers": [container("missing/fe:1")]})));
    lab.run(30);
    assert!(lab.events("Failed").iter().any(|event| text(event, "/message").contains("missing/fe:1: not found")));
}

#[test]
fn probes_keep_their_thresholds_and_a_failed_liveness_probe_restarts_the_container() {
    let mut lab = Lab::new();
    lab.runtime.warm_up = Duration::from_secs(12);
    let probe =
        |threshold: u64| json!({"httpGet": {"path": "/api/health", "port": "http"}, "periodSeconds": 5, "failureThreshold": threshold});
    lab.create(pod("one", json!({"terminationGracePeriodSeconds": 10, "containers": [{"name": "main", "image": "fe:1",
        "ports": [{"name": "http", "containerPort": 8030}], "startupProbe": probe(60), "livenessProbe": probe(3), "readinessProbe": probe(3)}]})));
    lab.run(15);
    assert_eq!(lab.get("Pod", "one").pointer("/status/containerStatuses/0/started"), Some(&json!(false)));
    lab.run(15);
    assert!(lab.ready("one"));
    lab.runtime.silent.insert("one".into());
    lab.run(9);
    assert!(lab.ready("one"), "two failures are not three");
    lab.run(7);
    let live = lab.get("Pod", "one");
    assert!(!condition_holds(&live, "Ready"));
    lab.run(5);
    let live = lab.get("Pod", "one");
    assert_eq!(number(&live, "/status/containerStatuses/0/restartCount"), Some(1));
    assert!(lab.events("Killing").iter().any(|event| text(event, "/message") == "Container main failed liveness probe, will be restarted"));
    assert!(
        lab.events("Unhealthy")
            .iter()
            .any(|event| text(event, "/message").contains("context deadline exceeded") && number(event, "/count") >= Some(3))
    );
}

#[test]
fn crash_loops_back_off_from_ten_seconds_to_five_minutes() {
    let mut lab = Lab::new();
    lab.runtime.crash_after.insert("one".into(), Duration::from_secs(2));
    lab.create(pod("one", json!({"containers": [{"name": "main", "image": "fe:1"}]})));
    lab.run(2_400);
    let starts: Vec<Timestamp> = lab
        .runtime
        .log
        .iter()
        .filter(|line| line.contains("start one"))
        .filter_map(|line| Timestamp::parse(line.split(' ').next()?))
        .collect();
    let gaps: Vec<u64> = starts.windows(2).map(|pair| pair[1].since(pair[0]).as_secs()).collect();
    assert_eq!(gaps[..8], [2, 12, 22, 42, 82, 162, 302, 302]);
    let status = lab.get("Pod", "one")["status"]["containerStatuses"][0].clone();
    assert_eq!(text(&status, "/state/waiting/reason"), "CrashLoopBackOff");
    assert_eq!(number(&status, "/lastState/terminated/exitCode"), Some(1));
    assert_eq!(phase(&lab.get("Pod", "one")), "Running");
    assert_eq!(text(&status, "/lastState/terminated/message"), "", "nothing writes a termination message");
    let log = |container: &str, previous: bool| lab.plane.log(&lab.runtime, ("db", "one"), container, previous);
    assert!(log("main", true).is_some_and(|log| log.ends_with(" INFO fe:1 starts\n")), "{:?}", log("main", true));
    assert_eq!((log("main", false), log("other", false)), (log("main", true), None));
}

#[test]
fn a_container_that_ran_ten_minutes_is_forgiven() {
    let mut lab = Lab::new();
    lab.create(pod("one", json!({"containers": [{"name": "main", "image": "fe:1"}]})));
    for _ in 0..3 {
        lab.run(700);
        lab.runtime.kill("one", 1);
        lab.run(3);
        assert!(lab.ready("one"), "restarted without waiting");
    }
}

#[test]
fn graceful_termination_runs_the_hook_then_term_then_kill() {
    let mut lab = Lab::new();
    lab.runtime.stubborn = true;
    lab.create(pod(
        "one",
        json!({"terminationGracePeriodSeconds": 20, "containers": [{"name": "main", "image": "fe:1",
        "lifecycle": {"preStop": {"exec": {"command": ["stop.sh", "-g"]}}}}]}),
    ));
    lab.run(30);
    lab.runtime.log.clear();
    let deleted = lab.now;
    lab.delete("Pod", "one");
    lab.run(19);
    assert!(super::fields::terminating(&lab.get("Pod", "one")));
    lab.run(3);
    assert!(lab.find("Pod", "one").is_none() && lab.runtime.programs.is_empty());
    let after =
        |index: usize| Timestamp::parse(lab.runtime.log[index].split(' ').next().unwrap_or("")).expect("a moment").since(deleted).as_secs();
    assert!(
        lab.runtime.log[0].ends_with("execute main stop.sh -g")
            && lab.runtime.log[1].ends_with("Term main")
            && lab.runtime.log[2].ends_with("Kill main")
    );
    assert_eq!((after(0), after(1), after(2)), (0, 3, 20));
}

#[test]
fn a_forced_deletion_kills_at_once() {
    let mut lab = Lab::new();
    lab.runtime.stubborn = true;
    lab.create(pod("one", json!({"containers": [{"name": "main", "image": "fe:1"}]})));
    lab.run(30);
    lab.store.delete("Pod", "db", "one", DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() }).expect("deleted");
    lab.run(1);
    assert!(lab.find("Pod", "one").is_none() && lab.runtime.programs.is_empty());
}

#[test]
fn an_evicted_pod_fails_and_its_set_recreates_it() {
    let mut lab = Lab::new();
    lab.create(stateful_set(1, "Parallel", rolling()));
    lab.run(60);
    let before = uid(&lab.get("Pod", "fe-0")).to_owned();
    lab.plane.evict("db", "fe-0");
    lab.run(60);
    assert_eq!(lab.events("Evicted").len(), 1);
    assert_eq!(lab.events("RecreatingFailedPod").len(), 1);
    assert_ne!(uid(&lab.get("Pod", "fe-0")), before);
    assert!(lab.ready("fe-0"));
}

#[test]
fn running_out_of_memory_is_told_in_the_last_state() {
    let mut lab = Lab::new();
    lab.create(pod("one", json!({"containers": [container("fe:1")]})));
    lab.run(30);
    lab.plane.kill_for_memory("db", "one", "main");
    lab.run(10);
    let status = lab.get("Pod", "one")["status"]["containerStatuses"][0].clone();
    assert_eq!(text(&status, "/lastState/terminated/reason"), "OOMKilled");
    assert_eq!(number(&status, "/lastState/terminated/exitCode"), Some(137));
    assert!(lab.ready("one"));
}

#[test]
fn a_lost_node_turns_unknown_its_pods_wait_for_force_and_it_comes_back() {
    let mut lab = Lab::new();
    lab.create(stateful_set(3, "Parallel", rolling()));
    lab.run(60);
    let node = text(&lab.get("Pod", "fe-1"), "/spec/nodeName").to_owned();
    lab.plane.fail_node(&node);
    lab.run(30);
    assert!(lab.ready("fe-1"), "nobody has noticed yet");
    lab.run(30);
    assert!(!lab.ready("fe-1"));
    let object = lab.store.get("Node", "", &node).cloned().expect("node");
    assert_eq!(condition(&object, "Ready").map(|condition| text(condition, "/status")), Some("Unknown"));
    lab.run(330);
    assert!(super::fields::terminating(&lab.get("Pod", "fe-1")));
    lab.run(600);
    assert!(lab.find("Pod", "fe-1").is_some(), "a silent kubelet confirms nothing");
    lab.store.delete("Pod", "db", "fe-1", DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() }).expect("forced");
    lab.run(60);
    assert!(!lab.ready("fe-1"), "the silent node still holds the volume");
    assert_eq!(lab.events("FailedAttachVolume").len(), 1);
    lab.run(330);
    assert!(lab.ready("fe-1"));
    assert_ne!(text(&lab.get("Pod", "fe-1"), "/spec/nodeName"), node);
    lab.plane.restore_node(&node);
    lab.run(10);
    assert!(condition_holds(lab.store.get("Node", "", &node).expect("node"), "Ready"));
}

#[test]
fn a_node_loses_its_power_and_gets_it_back_by_an_annotation() {
    let mut lab = Lab::new();
    lab.create(stateful_set(3, "Parallel", rolling()));
    lab.run(60);
    let node = text(&lab.get("Pod", "fe-1"), "/spec/nodeName").to_owned();
    let order = |lab: &mut Lab, value: Value| {
        let mut object = lab.store.get("Node", "", &node).cloned().expect("node");
        set(&mut object, &["metadata", "annotations"], value);
        lab.store.update(object, "test").expect("updated");
        lab.run(70);
    };
    order(&mut lab, json!({super::FAULT: "lost"}));
    assert!(lab.plane.is_lost(&node) && !lab.ready("fe-1"));
    assert!(!condition_holds(lab.store.get("Node", "", &node).expect("node"), "Ready"));
    order(&mut lab, json!({}));
    assert!(!lab.plane.is_lost(&node) && lab.ready("fe-1"));
    let told: Vec<&str> = lab.events("TaintManagerEviction").into_iter().map(|event| text(event, "/message")).collect();
    assert!(told.contains(&"Cancelling deletion of Pod db/fe-1"), "{told:?}");
    assert!(condition_holds(lab.store.get("Node", "", &node).expect("node"), "Ready"));
}

/// Control loops alone: the test is the kubelet and the storage provisioner.
fn loops_alone() -> Lab {
    let lab = Lab::new();
    Lab { plane: ControlPlane::with_duty(Timings::default(), 7, super::Duty::ControlLoops), ..lab }
}

#[test]
fn without_kubelets_of_their_own_the_loops_go_by_leases_and_reports() {
    let mut lab = loops_alone();
    let taints = |lab: &Lab| items(lab.store.get("Node", "", "worker-1").expect("node"), "/spec/taints").len();
    let ready = |lab: &Lab| condition_holds(lab.store.get("Node", "", "worker-1").expect("node"), "Ready");
    let renew = |lab: &mut Lab, version: &str| {
        let renewed = lab.now.to_seconds_text().replace('Z', ".000000Z");
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "worker-1", "namespace": "kube-node-lease"},
            "spec": {"holderIdentity": "worker-1", "leaseDurationSeconds": 40, "renewTime": renewed}});
        match version {
            "first" => lab.store.create(lease, "kubelet").expect("created"),
            _ => lab.store.update(lease, "kubelet").expect("renewed"),
        };
    };
    renew(&mut lab, "first");
    lab.run(40);
    renew(&mut lab, "second");
    lab.run(40);
    assert!(ready(&lab) && taints(&lab) == 0, "a renewed lease keeps a node");
    lab.run(20);
    assert!(!ready(&lab) && taints(&lab) == 2, "silence does not");
    let heard =
        condition(lab.store.get("Node", "", "worker-1").expect("node"), "Ready").map(|ready| text(ready, "/lastHeartbeatTime").to_owned());
    assert_eq!(heard.as_deref(), Some("2026-11-23T08:00:00Z"), "the controller's verdict is no heartbeat");
    renew(&mut lab, "third");
    let mut node = lab.store.get("Node", "", "worker-1").cloned().expect("node");
    lab.run(5);
    assert!(!ready(&lab), "only the kubelet says that it is ready");
    set(&mut node, &["status", "conditions"], json!(super::ready_conditions(lab.now)));
    if let Some(metadata) = node["metadata"].as_object_mut() {
        metadata.remove("resourceVersion");
    }
    lab.store.update_status(node, "kubelet").expect("reported");
    lab.run(5);
    assert!(ready(&lab) && taints(&lab) == 0);
}

#[test]
fn without_a_provisioner_of_their_own_the_loops_bind_what_a_client_makes_and_leave_its_removal_to_it() {
    let mut lab = loops_alone();
    lab.create(stateful_set(1, "Parallel", rolling()));
    lab.run(30);
    let claim = lab.store.list("PersistentVolumeClaim", Some("db")).first().map(|claim| (*claim).clone()).expect("a claim");
    let wanted = super::fields::annotation(&claim, "volume.kubernetes.io/storage-provisioner").map(str::to_owned);
    assert_eq!(wanted.as_deref(), Some("sim.csi.k8s.io"));
    let former = super::fields::annotation(&claim, "volume.beta.kubernetes.io/storage-provisioner").map(str::to_owned);
    assert_eq!(former, wanted);
    assert_eq!(text(&claim, "/status/phase"), "Pending");
    let volume = json!({"apiVersion": "v1", "kind": "PersistentVolume", "metadata": {"name": "made-by-hand"}, "spec": {
        "accessModes": ["ReadWriteOnce"], "capacity": {"storage": "1Gi"}, "persistentVolumeReclaimPolicy": "Delete", "storageClassName": "standard",
        "claimRef": {"kind": "PersistentVolumeClaim", "name": name(&claim), "namespace": "db", "uid": uid(&claim)},
        "csi": {"driver": "sim.csi.k8s.io", "volumeHandle": "made-by-hand"}}});
    lab.create(volume);
    lab.run(5);
    let bound = lab.get("PersistentVolumeClaim", name(&claim));
    assert_eq!((text(&bound, "/status/phase"), text(&bound, "/spec/volumeName")), ("Bound", "made-by-hand"));
    assert!(!text(&lab.get("Pod", "fe-0"), "/spec/nodeName").is_empty(), "the pod is bound once its volume is");
    lab.delete("StatefulSet", "fe");
    lab.run(5);
    lab.store
        .delete("Pod", "db", "fe-0", DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() })
        .expect("the kubelet lets go");
    lab.delete("PersistentVolumeClaim", name(&claim));
    lab.run(5);
    let volume = lab.store.get("PersistentVolume", "", "made-by-hand").expect("its provisioner removes it");
    assert_eq!(text(volume, "/status/phase"), "Released");
}

#[test]
fn a_node_that_comes_back_late_lets_go_of_the_pods_that_were_deleted_meanwhile() {
    let mut lab = Lab::new();
    lab.create(stateful_set(3, "Parallel", rolling()));
    lab.run(60);
    let before = lab.get("Pod", "fe-1");
    let node = text(&before, "/spec/nodeName").to_owned();
    lab.plane.fail_node(&node);
    lab.run(400);
    assert!(super::fields::terminating(&lab.get("Pod", "fe-1")));
    lab.plane.restore_node(&node);
    assert_eq!(lab.plane.next_wakeup(), Some(lab.now), "a fault is felt at once");
    lab.run(60);
    assert_ne!(uid(&before), uid(&lab.get("Pod", "fe-1")));
    assert!(lab.ready("fe-1"));
}

#[test]
fn a_node_that_reboots_in_time_restarts_its_pods_in_place() {
    let mut lab = Lab::new();
    lab.create(stateful_set(1, "Parallel", rolling()));
    lab.run(60);
    let before = lab.get("Pod", "fe-0");
    let node = text(&before, "/spec/nodeName").to_owned();
    lab.plane.fail_node(&node);
    lab.run(20);
    lab.plane.restore_node(&node);
    lab.run(60);
    let after = lab.get("Pod", "fe-0");
    assert_eq!(uid(&before), uid(&after));
    assert_eq!(number(&after, "/status/containerStatuses/0/restartCount"), Some(1));
    assert_ne!(text(&before, "/status/podIP"), text(&after, "/status/podIP"), "a new sandbox has a new address");
    assert!(lab.ready("fe-0"));
}

#[test]
fn power_that_was_never_cut_cannot_come_back() {
    let mut lab = Lab::new();
    lab.create(stateful_set(1, "Parallel", rolling()));
    lab.run(60);
    let before = lab.get("Pod", "fe-0");
    lab.plane.restore_node(text(&before, "/spec/nodeName"));
    lab.run(60);
    assert_eq!(lab.get("Pod", "fe-0")["status"], before["status"]);
    assert!(lab.ready("fe-0"));
}

#[test]
fn a_budget_tells_how_many_pods_may_go() {
    let mut lab = Lab::new();
    lab.create(json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "fe", "namespace": "db"},
        "spec": {"maxUnavailable": 1, "selector": {"matchLabels": {"app": "fe"}}}}));
    lab.create(stateful_set(3, "Parallel", rolling()));
    lab.run(60);
    let allowed = |lab: &Lab| number(&lab.get("PodDisruptionBudget", "fe"), "/status/disruptionsAllowed");
    assert_eq!(allowed(&lab), Some(1));
    lab.store.evict("db", "fe-0", DeleteOptions::default()).expect("one may go");
    assert!(lab.store.evict("db", "fe-1", DeleteOptions::default()).is_err());
    lab.run(1);
    assert_eq!(allowed(&lab), Some(0));
    lab.run(60);
    assert_eq!(allowed(&lab), Some(1));
}

#[test]
fn repeated_events_raise_a_count_and_floods_are_cut() {
    let mut lab = Lab::new();
    lab.runtime.unhealthy.insert("one".into());
    lab.create(pod("one", json!({"containers": [container("fe:1")]})));
    lab.run(3_000);
    let unhealthy = lab.events("Unhealthy");
    assert_eq!(unhealthy.len(), 1);
    assert_eq!(text(unhealthy[0], "/involvedObject/fieldPath"), "spec.containers{main}");
    let count = number(unhealthy[0], "/count").unwrap_or(0);
    assert!((15..40).contains(&count), "{count}");
    assert_eq!(text(unhealthy[0], "/message"), "Readiness probe failed: HTTP probe failed with statuscode: 503");
}

#[test]
fn steady_probing_writes_nothing_and_costs_little() {
    let mut lab = Lab::new();
    lab.create(service("fe", false, false));
    lab.create(stateful_set(10, "Parallel", rolling()));
    lab.run(120);
    let (revision, settles) = (lab.store.revision(), lab.settles);
    lab.runtime.probes.set(0);
    lab.run(1_000);
    assert_eq!(lab.store.revision(), revision);
    assert!((1_990..=2_010).contains(&lab.runtime.probes.get()), "{}", lab.runtime.probes.get());
    assert!(lab.settles - settles <= 2_010);
}

#[test]
fn a_recreating_deployment_never_mixes_versions() {
    let mut lab = Lab::new();
    lab.create(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "proxy", "namespace": "db"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "proxy"}}, "strategy": {"type": "Recreate"},
            "template": {"metadata": {"labels": {"app": "proxy"}}, "spec": {"containers": [container("nginx:1")]}}},
    }));
    lab.run(60);
    lab.edit("Deployment", "proxy", &["spec", "template", "spec", "containers"], json!([container("nginx:2")]));
    for _ in 0..120 {
        lab.run(1);
        let images: BTreeSet<String> = lab.names("Pod").iter().map(|pod| image_of(&lab, pod)).collect();
        assert!(images.len() <= 1, "{images:?}");
    }
    assert_eq!(lab.names("Pod").len(), 2);
    assert!(lab.names("Pod").iter().all(|pod| image_of(&lab, pod) == "nginx:2"));
}

#[test]
fn foreground_deletion_reaches_through_every_generation() {
    let mut lab = Lab::new();
    lab.create(json!({
        "apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "proxy", "namespace": "db"},
        "spec": {"replicas": 2, "selector": {"matchLabels": {"app": "proxy"}},
            "template": {"metadata": {"labels": {"app": "proxy"}}, "spec": {"containers": [container("nginx:1")]}}},
    }));
    lab.run(60);
    lab.delete_with("Deployment", "proxy", Propagation::Foreground);
    lab.run(1);
    assert!(lab.find("Deployment", "proxy").is_some() && lab.names("ReplicaSet").len() == 1 && lab.names("Pod").len() == 2);
    lab.run(30);
    assert!(lab.find("Deployment", "proxy").is_none() && lab.names("ReplicaSet").is_empty() && lab.names("Pod").is_empty());
}

#[test]
fn a_sidecar_starts_before_the_main_container_and_stays() {
    let mut lab = Lab::new();
    lab.create(pod(
        "one",
        json!({
            "initContainers": [{"name": "agent", "image": "agent:1", "restartPolicy": "Always"}, {"name": "prepare", "image": "busybox:1"}],
            "containers": [container("fe:1")],
        }),
    ));
    lab.run(60);
    assert!(lab.ready("one"));
    let starts: Vec<&str> = lab.runtime.log.iter().map(|line| line.rsplit(' ').next().unwrap_or("")).collect();
    assert_eq!(starts, ["one/agent", "one/main"]);
    let agent = ContainerId { pod_uid: uid(&lab.get("Pod", "one")).to_owned(), container: "agent".into() };
    lab.runtime.signal(&agent, Signal::Kill, lab.now);
    lab.run(10);
    assert_eq!(lab.runtime.state(&agent), Some(ContainerState::Running), "it is started again");
    assert_eq!(number(&lab.get("Pod", "one"), "/status/initContainerStatuses/0/restartCount"), Some(1));
}

#[test]
fn pods_of_a_removed_node_are_collected_and_made_again_elsewhere() {
    let mut lab = Lab::new();
    lab.create(stateful_set(2, "Parallel", rolling()));
    lab.run(60);
    let node = text(&lab.get("Pod", "fe-1"), "/spec/nodeName").to_owned();
    lab.plane.fail_node(&node);
    lab.store.delete("Node", "", &node, DeleteOptions::default()).expect("deleted");
    lab.run(480);
    assert!(lab.ready("fe-1"));
    assert_ne!(text(&lab.get("Pod", "fe-1"), "/spec/nodeName"), node);
}

#[test]
fn a_readiness_gate_holds_back_readiness_until_somebody_opens_it() {
    let mut lab = Lab::new();
    lab.create(pod("one", json!({"readinessGates": [{"conditionType": "example.com/admitted"}], "containers": [container("fe:1")]})));
    lab.run(60);
    let mut live = lab.get("Pod", "one");
    assert!(condition_holds(&live, "ContainersReady") && !condition_holds(&live, "Ready"));
    let mut conditions = items(&live, "/status/conditions").to_vec();
    conditions.push(json!({"type": "example.com/admitted", "status": "True"}));
    set(&mut live, &["status", "conditions"], json!(conditions));
    lab.store.update_status(live, "test").expect("updated");
    lab.run(1);
    assert!(lab.ready("one"));
}

#[test]
fn an_image_changed_in_place_restarts_only_that_container() {
    let mut lab = Lab::new();
    let second = json!({"name": "second", "image": "agent:1"});
    lab.create(pod("one", json!({"containers": [container("fe:1"), second]})));
    lab.run(60);
    let before = uid(&lab.get("Pod", "one")).to_owned();
    lab.edit("Pod", "one", &["spec", "containers"], {
        let mut containers = items(&lab.get("Pod", "one"), "/spec/containers").to_vec();
        set(&mut containers[0], &["image"], json!("fe:2"));
        json!(containers)
    });
    lab.run(60);
    let live = lab.get("Pod", "one");
    assert_eq!(uid(&live), before);
    assert_eq!(text(&live, "/status/containerStatuses/0/image"), "fe:2");
    assert_eq!(number(&live, "/status/containerStatuses/0/restartCount"), Some(1));
    assert_eq!(number(&live, "/status/containerStatuses/1/restartCount"), Some(0));
    assert!(lab.ready("one"));
}

#[test]
fn a_gap_in_the_history_is_bridged_by_looking_at_everything() {
    let mut lab = Lab::new();
    lab.create(stateful_set(2, "Parallel", rolling()));
    lab.run(60);
    lab.delete_with("StatefulSet", "fe", Propagation::Background);
    lab.store.delete("Pod", "db", "fe-1", DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() }).expect("deleted");
    lab.store.compact(lab.store.revision());
    lab.run(60);
    assert!(lab.names("Pod").is_empty() && lab.runtime.programs.is_empty() && lab.names("ControllerRevision").is_empty());
}

#[test]
fn a_bound_claim_grows_when_its_class_allows_it() {
    let mut lab = Lab::new();
    lab.create(stateful_set(1, "Parallel", rolling()));
    lab.run(60);
    lab.edit("PersistentVolumeClaim", "meta-fe-0", &["spec", "resources", "requests", "storage"], json!("20Gi"));
    lab.run(5);
    assert_eq!(text(&lab.get("PersistentVolumeClaim", "meta-fe-0"), "/status/capacity/storage"), "20Gi");
}

#[test]
fn required_spread_and_anti_affinity_keep_pods_apart() {
    let mut lab = Lab::new();
    let selector = json!({"matchLabels": {"app": "fe"}});
    let mut wanted = stateful_set(5, "Parallel", rolling());
    let affinity = json!({"podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [{"topologyKey": "kubernetes.io/hostname", "labelSelector": selector}]}});
    set(&mut wanted, &["spec", "template", "spec", "affinity"], affinity);
    lab.create(wanted);
    lab.run(60);
    let waiting: Vec<String> = lab.names("Pod").into_iter().filter(|pod| !lab.ready(pod)).collect();
    assert_eq!(waiting.len(), 1, "four nodes take four pods");
    let message =
        condition(&lab.get("Pod", &waiting[0]), "PodScheduled").map(|condition| text(condition, "/message").to_owned()).unwrap_or_default();
    assert!(message.contains("4 node(s) didn't match pod anti-affinity rules"), "{message}");
}

#[derive(Clone, Debug)]
enum Move {
    Scale(u64),
    Image(u8),
    Delete(u8),
    Kill(u8),
    Evict(u8),
    Wait(u64),
}

fn moves() -> impl Strategy<Value = Vec<Move>> {
    let one = prop_oneof![
        (0_u64..5).prop_map(Move::Scale),
        (1_u8..4).prop_map(Move::Image),
        (0_u8..4).prop_map(Move::Delete),
        (0_u8..4).prop_map(Move::Kill),
        (0_u8..4).prop_map(Move::Evict),
        (1_u64..40).prop_map(Move::Wait),
    ];
    proptest::collection::vec(one, 1..12)
}

fn play(lab: &mut Lab, moves: &[Move]) {
    for one in moves {
        match one {
            Move::Scale(replicas) => lab.edit("StatefulSet", "fe", &["spec", "replicas"], json!(replicas)),
            Move::Image(version) => next_image(lab, &format!("fe:{version}")),
            Move::Delete(ordinal) => {
                let _ = lab.store.delete("Pod", "db", &format!("fe-{ordinal}"), DeleteOptions::default());
            }
            Move::Kill(ordinal) => lab.runtime.kill(&format!("fe-{ordinal}"), 1),
            Move::Evict(ordinal) => lab.plane.evict("db", &format!("fe-{ordinal}")),
            Move::Wait(seconds) => lab.run(*seconds),
        }
        lab.run(1);
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn whatever_happened_a_set_reaches_its_wanted_state_and_scales_to_nothing(moves in moves(), ordered in any::<bool>()) {
        let mut lab = Lab::new();
        lab.create(stateful_set(3, if ordered { "OrderedReady" } else { "Parallel" }, rolling()));
        lab.run(20);
        play(&mut lab, &moves);
        lab.edit("StatefulSet", "fe", &["spec", "replicas"], json!(3));
        lab.run(1_800);
        let set = lab.get("StatefulSet", "fe");
        prop_assert_eq!(number(&set, "/status/readyReplicas"), Some(3));
        prop_assert_eq!(text(&set, "/status/currentRevision"), text(&set, "/status/updateRevision"));
        let image = text(&set, "/spec/template/spec/containers/0/image").to_owned();
        prop_assert!(lab.names("Pod").iter().all(|pod| image_of(&lab, pod) == image));
        lab.edit("StatefulSet", "fe", &["spec", "replicas"], json!(0));
        lab.run(300);
        prop_assert!(lab.names("Pod").is_empty());
        prop_assert!(lab.runtime.programs.is_empty());
    }

    #[test]
    fn on_delete_pods_change_only_when_somebody_ends_them(images in proptest::collection::vec(1_u8..4, 1..6)) {
        let mut lab = Lab::new();
        lab.create(stateful_set(3, "Parallel", json!({"type": "OnDelete"})));
        lab.run(60);
        let before: Vec<String> = lab.names("Pod").iter().map(|pod| uid(&lab.get("Pod", pod)).to_owned()).collect();
        for image in images {
            next_image(&mut lab, &format!("fe:{image}"));
            lab.run(20);
        }
        let after: Vec<String> = lab.names("Pod").iter().map(|pod| uid(&lab.get("Pod", pod)).to_owned()).collect();
        prop_assert_eq!(before, after);
    }
}

#[test]
fn the_same_seed_tells_the_same_story() {
    let story = |seed: u64| {
        let mut lab = Lab::seeded(seed);
        lab.create(service("fe-search", true, true));
        lab.create(stateful_set(3, "Parallel", rolling()));
        lab.run(60);
        next_image(&mut lab, "fe:2");
        lab.plane.fail_node("worker-2");
        lab.run(900);
        let history: Vec<String> = lab
            .store
            .events_since(0)
            .map(|events| events.map(|event| format!("{} {:?} {}", event.revision, event.event, event.object)).collect())
            .unwrap_or_default();
        (history, lab.runtime.log)
    };
    let (first, second) = (story(3), story(3));
    assert!(!first.0.is_empty());
    assert_eq!(first, second);
    assert_ne!(first, story(4), "another seed, other delays");
}
