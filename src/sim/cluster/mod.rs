//! The embedded Kubernetes control loops: StatefulSets, Deployments, endpoints, volumes, garbage collection, scheduler, nodes, and a kubelet that
//! plays pods; changes come in from the store, reactions go back to it, time moves only when the caller says so.

mod agenda;
mod bootstrap;
mod deployment;
mod desk;
mod disruption;
mod dns;
mod duty;
mod endpoints;
mod fields;
mod garbage;
mod intake;
mod kubelet;
mod namespaces;
mod nodes;
mod ownership;
mod recorder;
mod replicaset;
mod scheduler;
mod statefulset;
mod storage;
#[cfg(test)]
mod tests;

use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::Duration;

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};
use serde_json::Value;

pub use self::bootstrap::{bootstrap, bootstrap_with, ready_conditions};
pub use self::dns::resolver;
pub use self::duty::Duty;
pub use self::nodes::FAULT;

use self::agenda::{Agenda, Job, Loop};
use self::desk::Desk;
use self::fields::Key;
use self::garbage::Ownership;
use self::intake::{Change, route};
use self::kubelet::{Blow, Kubelet};
use self::nodes::{Hearing, Lost};
use self::recorder::Recorder;
use self::scheduler::Promises;
use self::storage::Provisioning;
use crate::model::Timestamp;
use crate::sim::kube::{EventKind, Store};
use crate::sim::runtime::ContainerRuntime;

/// Rounds in one moment after which a control plane that still finds work is left for the next moment.
const MOST_ROUNDS: usize = 2_000;

/// How long things take; the defaults are those of a small healthy cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timings {
    /// From a change to the control loop that reacts to it, at most; each reaction waits between half of it and all of it.
    pub controller_lag: Duration,
    /// Pulling an image that the node does not have.
    pub pull: Duration,
    /// From binding to the first container: sandbox, network, mounts.
    pub sandbox: Duration,
    /// Run time of an init container.
    pub init: Duration,
    /// From the end of a process to the kubelet that notices it.
    pub relist: Duration,
    /// From the end of a deleted pod's last container to the end of the pod.
    pub removal: Duration,
    /// Making a volume for a claim.
    pub provision: Duration,
    /// Silence of a node before it counts as unreachable (`--node-monitor-grace-period`).
    pub node_monitor_grace: Duration,
    /// How long the volumes of a pod that was forced off a silent node are still held there (the attach-detach controller's six minutes).
    pub force_detach: Duration,
    /// Names of the nodes that `bootstrap_with` creates.
    pub node_names: Vec<String>,
}

impl Default for Timings {
    fn default() -> Self {
        Self {
            controller_lag: Duration::from_millis(40),
            pull: Duration::from_secs(8),
            sandbox: Duration::from_millis(1_200),
            init: Duration::from_secs(1),
            relist: Duration::from_millis(700),
            removal: Duration::from_millis(300),
            provision: Duration::from_millis(1_500),
            node_monitor_grace: Duration::from_secs(50),
            force_detach: Duration::from_secs(360),
            node_names: ["worker-1", "worker-2", "worker-3", "worker-4"].map(str::to_owned).to_vec(),
        }
    }
}

/// Every control loop, the scheduler and the kubelets of one cluster.
#[derive(Clone)]
pub struct ControlPlane {
    timings: Timings,
    duty: Duty,
    rng: SmallRng,
    cursor: u64,
    agenda: Agenda,
    ownership: Ownership,
    recorder: Recorder,
    kubelet: Kubelet,
    lost: Lost,
    provisioning: Provisioning,
    promises: Promises,
    failing: Vec<String>,
    /// Nodes that are off because their annotation says so.
    ordered_off: BTreeSet<String>,
    /// The last moment that was settled; `None` before the first.
    settled: Option<Timestamp>,
}

impl ControlPlane {
    /// A control plane that has seen nothing yet; the seed decides its random names and delays.
    pub fn new(timings: Timings, seed: u64) -> Self {
        Self::with_duty(timings, seed, Duty::Everything)
    }

    /// As `new`, with the parts that act.
    pub fn with_duty(timings: Timings, seed: u64, duty: Duty) -> Self {
        Self {
            timings,
            duty,
            rng: SmallRng::seed_from_u64(seed),
            cursor: 0,
            agenda: Agenda::default(),
            ownership: Ownership::default(),
            recorder: Recorder::default(),
            kubelet: Kubelet::default(),
            lost: Lost::default(),
            provisioning: Provisioning::new(),
            promises: Promises::new(),
            failing: Vec::new(),
            ordered_off: BTreeSet::new(),
            settled: None,
        }
    }

    /// Lets all control loops and the kubelets react until nothing changes at this moment; returns whether anything was written.
    pub fn settle(&mut self, store: &mut Store, runtime: &mut dyn ContainerRuntime, now: Timestamp) -> bool {
        if store.now() < now {
            store.set_now(now);
        }
        let before = store.revision();
        self.recorder.expire(store, now);
        for _ in 0..MOST_ROUNDS {
            self.take_in(store, runtime, now);
            self.take_in_failures(store, now);
            runtime.advance(&dns::ClusterDns { store }, now);
            let mut desk = Desk::new(store, &mut self.recorder, now);
            let mut busy = false;
            while let Some(job) = self.agenda.take_due(now) {
                busy = true;
                run(
                    &job,
                    &mut desk,
                    &mut Loops {
                        timings: &self.timings,
                        duty: self.duty,
                        rng: &mut self.rng,
                        agenda: &mut self.agenda,
                        ownership: &self.ownership,
                        lost: &self.lost,
                        provisioning: &mut self.provisioning,
                        promises: &mut self.promises,
                    },
                );
            }
            if self.duty.has_kubelets() {
                busy |= self.kubelet.work(&mut desk, runtime, &self.timings, &self.lost);
            }
            if !busy && store.revision() == self.cursor {
                break;
            }
        }
        store.revision() != before
    }

    /// The next moment at which a loop or a kubelet has something to do by itself (the last settled one if a fault waits to be felt);
    /// the runtime has its own. `None` before the first `settle` and when only others can change anything.
    pub fn next_wakeup(&self) -> Option<Timestamp> {
        let settled = self.settled?;
        if !self.failing.is_empty() || self.kubelet.struck() {
            return Some(settled);
        }
        [self.agenda.next(), self.kubelet.next_wakeup(&self.timings, &self.lost)].into_iter().flatten().min().map(|at| at.max(settled))
    }

    /// Cuts a node's power: its processes end, its kubelet falls silent. Felt at the next `settle`; nothing for a node without power.
    pub fn fail_node(&mut self, node: &str) {
        if self.is_lost(node) {
            return;
        }
        self.failing.push(node.to_owned());
        self.kubelet.fall(node);
    }

    /// Whether a node's machine is off.
    pub fn is_lost(&self, node: &str) -> bool {
        self.lost.contains(node) || self.failing.iter().any(|failing| failing == node)
    }

    /// Gives a node its power back: its kubelet reports again and starts over the pods that are still its own. Nothing for a node with power.
    pub fn restore_node(&mut self, node: &str) {
        if !self.is_lost(node) {
            return;
        }
        self.failing.retain(|failing| failing != node);
        self.lost.remove(node);
        self.kubelet.rise(node);
        if self.duty.has_loops() {
            self.agenda.wake(Loop::Node, Key::new("Node", "", node), Timestamp::default());
        }
    }

    /// A kubelet under memory pressure ends a pod: it fails with the reason `Evicted`. Felt at the next `settle`.
    pub fn evict(&mut self, namespace: &str, pod: &str) {
        let message = "The node was low on resource: memory. Threshold quantity: 100Mi, available: 64Mi. ".to_owned();
        self.kubelet.strike(Blow::Evict { pod: Key::new("Pod", namespace, pod), message });
    }

    /// The kernel kills a container that uses more memory than its limit. Felt at the next `settle`.
    pub fn kill_for_memory(&mut self, namespace: &str, pod: &str, container: &str) {
        self.kubelet.strike(Blow::OutOfMemory { pod: Key::new("Pod", namespace, pod), container: container.to_owned() });
    }

    /// The log of a container's present or previous run; `None` if there was no such run, or not on a node that is played here.
    pub fn log(&self, runtime: &dyn ContainerRuntime, pod: (&str, &str), container: &str, previous: bool) -> Option<String> {
        self.kubelet.log(&Key::new("Pod", pod.0, pod.1), container, previous, runtime)
    }

    /// From now on no node can pull this image, and none has it.
    pub fn break_image(&mut self, image: &str) {
        self.kubelet.break_image(image);
    }

    /// Undoes `break_image`.
    pub fn mend_image(&mut self, image: &str) {
        self.kubelet.mend_image(image);
    }

    fn take_in_failures(&mut self, store: &Store, now: Timestamp) {
        for node in std::mem::take(&mut self.failing) {
            if store.get("Node", "", &node).is_some() {
                self.lost.insert(&node, now);
                if self.duty.has_loops() {
                    self.agenda.wake(Loop::Node, Key::new("Node", "", &node), now);
                }
            }
        }
    }

    /// Reads what changed since the last round and wakes whom it concerns.
    fn take_in(&mut self, store: &mut Store, runtime: &mut dyn ContainerRuntime, now: Timestamp) {
        let known = if self.settled.is_some() {
            store.events_since(self.cursor).ok().map(|events| events.cloned().collect::<Vec<_>>())
        } else {
            None
        };
        self.settled = Some(now);
        self.cursor = store.revision();
        match known {
            Some(events) => {
                for event in &events {
                    let removed = event.event == EventKind::Deleted;
                    self.take_in_change(
                        store,
                        runtime,
                        &Change { object: &event.object, previous: event.previous.as_deref(), removed },
                        now,
                    );
                }
            }
            // A first look, or history no longer reaches back: everything counts as new.
            None => {
                let everything: Vec<Arc<Value>> = store.all().map(|(_, object)| object.clone()).collect();
                let live: BTreeSet<String> = everything.iter().map(|object| fields::uid(object).to_owned()).collect();
                self.kubelet.keep_only(&live);
                for key in self.ownership.keep_only(&live).into_iter().filter(|_| self.duty.has_loops()) {
                    self.agenda.wake(Loop::Garbage, key, now);
                }
                for object in &everything {
                    self.take_in_change(store, runtime, &Change { object, previous: None, removed: false }, now);
                }
            }
        }
    }

    fn take_in_change(&mut self, store: &mut Store, runtime: &mut dyn ContainerRuntime, change: &Change, now: Timestamp) {
        let kind = fields::text(change.object, "/kind");
        if kind == "Event" || kind == "Lease" {
            return;
        }
        if self.duty.has_loops() {
            self.wake_loops(store, change, now);
        }
        if kind == "Node" && self.duty.has_kubelets() {
            self.take_in_order(change);
        } else if kind == "Pod" && !self.duty.has_kubelets() {
            if change.removed {
                self.promises.remove(fields::uid(change.object));
            }
        } else if kind == "Pod" {
            let desk = Desk::new(store, &mut self.recorder, now);
            if change.removed {
                self.promises.remove(fields::uid(change.object));
                self.kubelet.forget(fields::uid(change.object))
            } else {
                self.kubelet.observe(&desk, &self.timings, change.object)
            }
        } else if kind == "PersistentVolumeClaim" && change.removed {
            if self.duty.has_loops() {
                storage::release(&mut Desk::new(store, &mut self.recorder, now), self.duty, change.object);
            }
            self.provisioning.remove(fields::uid(change.object));
            self.kubelet.erase_claim(runtime, fields::uid(change.object));
        }
    }

    /// Does to a node's machine what the annotation on its Node says.
    fn take_in_order(&mut self, change: &Change) {
        let node = fields::name(change.object);
        let off = !change.removed && nodes::is_ordered_off(change.object);
        match (off, self.ordered_off.contains(node)) {
            (true, false) => {
                self.ordered_off.insert(node.to_owned());
                self.fail_node(node);
            }
            (false, true) => {
                self.ordered_off.remove(node);
                self.restore_node(node);
            }
            _ => {}
        }
    }

    fn wake_loops(&mut self, store: &Store, change: &Change, now: Timestamp) {
        let affected =
            if change.removed { self.ownership.removed(change.object) } else { self.ownership.observe(change.object, change.previous) };
        let at = now + self.lag();
        for key in affected {
            self.agenda.wake(Loop::Garbage, key, at);
        }
        route(&mut self.agenda, store, change, at);
    }

    fn lag(&mut self) -> Duration {
        let most = u64::try_from(self.timings.controller_lag.as_millis()).unwrap_or(0);
        Duration::from_millis(if most == 0 { 0 } else { self.rng.random_range(most / 2..=most) })
    }
}

/// What the loops share beside the store.
struct Loops<'a> {
    timings: &'a Timings,
    duty: Duty,
    rng: &'a mut SmallRng,
    agenda: &'a mut Agenda,
    ownership: &'a Ownership,
    lost: &'a Lost,
    provisioning: &'a mut Provisioning,
    promises: &'a mut Promises,
}

fn run(job: &Job, desk: &mut Desk, loops: &mut Loops) {
    let key = &job.key;
    match job.works {
        Loop::Namespace => namespaces::sync(desk, key),
        Loop::Garbage => garbage::sync(desk, loops.ownership, key),
        Loop::Node => {
            let hearing = if loops.duty.has_kubelets() { Hearing::Machines(loops.lost) } else { Hearing::Reports };
            nodes::sync(desk, loops.agenda, &hearing, loops.timings.node_monitor_grace, key);
        }
        Loop::Deployment => deployment::sync(desk, loops.agenda, key),
        Loop::ReplicaSet => replicaset::sync(desk, loops.agenda, loops.rng, key),
        Loop::StatefulSet => statefulset::sync(desk, loops.agenda, key),
        Loop::Storage => {
            let provision = loops.duty.has_kubelets().then_some(loops.timings.provision);
            storage::sync(desk, loops.agenda, loops.provisioning, provision, key);
            if provision.is_some() {
                storage::expand(desk, key);
            }
        }
        Loop::Schedule => scheduler::sync(desk, loops.promises, key),
        Loop::Endpoints => endpoints::sync(desk, key),
        Loop::Disruption => disruption::sync(desk, loops.agenda, key),
    }
}
