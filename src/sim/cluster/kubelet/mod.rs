//! All kubelets of the cluster: pods bound to nodes come in, containers are started through the runtime and pod statuses written; makes no pod.

mod backoff;
mod container;
mod environment;
mod mounts;
mod probe;
mod running;
mod status;
mod worker;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use self::container::Bench;
use self::worker::Worker;
use super::Timings;
use super::bootstrap::address_of;
use super::desk::Desk;
use super::fields::{Key, finished, flag, items, namespace, text, uid};
use super::nodes::Lost;
use crate::model::Timestamp;
use crate::sim::runtime::{ContainerRuntime, ContainerState};

/// The taint with which an administrator says that a node is off for certain.
const OUT_OF_SERVICE: &str = "node.kubernetes.io/out-of-service";

/// What a test or a scenario does to a pod from outside.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Blow {
    Evict { pod: Key, message: String },
    OutOfMemory { pod: Key, container: String },
}

/// Every kubelet's memory.
#[derive(Clone, Default)]
pub(super) struct Kubelet {
    workers: BTreeMap<String, Worker>,
    /// Images by node.
    images: BTreeSet<(String, String)>,
    broken: BTreeSet<String>,
    /// Next address by node.
    addresses: BTreeMap<String, u32>,
    /// Volume identities that containers were given, by the UID of their claim.
    volumes: BTreeMap<String, BTreeSet<String>>,
    /// Volumes that silent nodes hold, by the UID of their claim: node and until when.
    held: BTreeMap<String, (String, Timestamp)>,
    blows: Vec<Blow>,
    fallen: Vec<String>,
    risen: Vec<String>,
    gone: Vec<String>,
    /// Of the runtime, when every process was last looked at.
    generation: Option<u64>,
}

impl Kubelet {
    pub(super) fn break_image(&mut self, image: &str) {
        self.broken.insert(image.to_owned());
        self.images.retain(|(_, known)| known != image);
    }

    pub(super) fn mend_image(&mut self, image: &str) {
        self.broken.remove(image);
    }

    /// The log of a container, as `Container::log` has it; `None` also for one that no kubelet here runs.
    pub(super) fn log(&self, pod: &Key, container: &str, previous: bool, runtime: &dyn ContainerRuntime) -> Option<String> {
        let worker = self.workers.values().find(|worker| worker.key == *pod)?;
        worker.containers().find(|candidate| candidate.name() == container)?.log(previous, runtime)
    }

    pub(super) fn strike(&mut self, blow: Blow) {
        self.blows.push(blow);
    }

    pub(super) fn fall(&mut self, node: &str) {
        self.fallen.push(node.to_owned());
    }

    pub(super) fn rise(&mut self, node: &str) {
        self.risen.push(node.to_owned());
    }

    /// Whether something from outside has not been felt yet.
    pub(super) fn struck(&self) -> bool {
        !(self.blows.is_empty() && self.fallen.is_empty() && self.risen.is_empty() && self.gone.is_empty())
    }

    /// A pod was created or changed.
    pub(super) fn observe(&mut self, desk: &Desk, timings: &Timings, pod: &Value) {
        if text(pod, "/spec/nodeName").is_empty() {
            return;
        }
        if let Some(worker) = self.workers.get_mut(uid(pod)) {
            return worker.learn(pod);
        }
        if finished(pod) {
            return;
        }
        let node = text(pod, "/spec/nodeName");
        let Some(node_object) = desk.get(&Key::new("Node", "", node)) else { return };
        let host_ip = address_of(node_object);
        let ip = if flag(pod, "/spec/hostNetwork") { host_ip.clone() } else { self.next_address(desk, node) };
        let mut worker = Worker::new(pod, ip, host_ip, timings, desk.now());
        worker.learn(pod);
        self.note_volumes(desk, pod);
        self.workers.insert(uid(pod).to_owned(), worker);
    }

    /// A pod is gone from the API.
    pub(super) fn forget(&mut self, pod_uid: &str) {
        self.gone.push(pod_uid.to_owned());
    }

    /// After a gap in the history: pods that are no longer there are gone.
    pub(super) fn keep_only(&mut self, live: &BTreeSet<String>) {
        self.gone.extend(self.workers.keys().filter(|pod_uid| !live.contains(*pod_uid)).cloned());
    }

    /// A claim is gone: its content goes with it.
    pub(super) fn erase_claim(&mut self, runtime: &mut dyn ContainerRuntime, claim_uid: &str) {
        runtime.erase_volume(claim_uid);
        for identity in self.volumes.remove(claim_uid).into_iter().flatten() {
            runtime.erase_volume(&identity);
        }
    }

    pub(super) fn next_wakeup(&self, timings: &Timings, lost: &Lost) -> Option<Timestamp> {
        self.workers.values().filter(|worker| !lost.contains(&worker.facts.node)).filter_map(|worker| worker.due(timings)).min()
    }

    /// Lets every pod that is due, touched or whose process ended move on.
    pub(super) fn work(&mut self, desk: &mut Desk, runtime: &mut dyn ContainerRuntime, timings: &Timings, lost: &Lost) -> bool {
        desk.write_as("kubelet");
        let now = desk.now();
        let mut busy = self.take_in_faults(desk, runtime, timings, lost);
        // Only then can a process have ended; what the work below changes is looked at the next time.
        let generation = Some(runtime.generation());
        let changed = std::mem::replace(&mut self.generation, generation) != generation;
        let Self { workers, images, broken, held, .. } = self;
        for worker in workers.values_mut().filter(|worker| !lost.contains(&worker.facts.node)) {
            let ready =
                worker.touched || worker.due(timings).is_some_and(|due| due <= now) || (changed && ended_by_itself(worker, runtime));
            if ready {
                let mut bench = Bench { desk, runtime, timings, images, broken, held, now };
                busy |= worker.work(&mut bench);
            }
        }
        desk.write_as("kube-controller-manager");
        busy
    }

    fn take_in_faults(&mut self, desk: &mut Desk, runtime: &mut dyn ContainerRuntime, timings: &Timings, lost: &Lost) -> bool {
        let now = desk.now();
        let mut busy = false;
        for pod_uid in std::mem::take(&mut self.gone) {
            if let Some(mut worker) = self.workers.remove(&pod_uid) {
                worker.dismantle(runtime, now);
                if lost.contains(&worker.facts.node) {
                    self.hold_volumes(desk, &worker, now + timings.force_detach);
                }
                busy = true;
            }
        }
        for node in std::mem::take(&mut self.fallen) {
            for worker in self.workers.values_mut().filter(|worker| worker.facts.node == node) {
                worker.containers_mut().for_each(|container| container.lose(runtime, now));
            }
            busy = true;
        }
        for node in std::mem::take(&mut self.risen) {
            self.held.retain(|_, (holder, _)| *holder != node);
            let pods: Vec<String> =
                self.workers.iter().filter(|(_, worker)| worker.facts.node == node).map(|(uid, _)| uid.clone()).collect();
            for pod_uid in pods {
                let ip = self.next_address(desk, &node);
                if let Some(worker) = self.workers.get_mut(&pod_uid) {
                    worker.reboot(ip, timings, now);
                }
            }
            busy = true;
        }
        for blow in std::mem::take(&mut self.blows) {
            busy = true;
            let Self { workers, images, broken, held, .. } = self;
            let mut bench = Bench { desk, runtime, timings, images, broken, held, now };
            match blow {
                Blow::Evict { pod, message } => {
                    for worker in workers.values_mut().filter(|worker| worker.key == pod) {
                        worker.evict(&mut bench, "Evicted", &message);
                    }
                }
                Blow::OutOfMemory { pod, container } => {
                    let hit = workers.values_mut().filter(|worker| worker.key == pod).flat_map(Worker::containers_mut);
                    hit.filter(|candidate| candidate.name() == container).for_each(|candidate| candidate.kill_for_memory(&mut bench));
                }
            }
        }
        busy
    }

    /// Nobody confirms that a silent node has unmounted: other nodes wait, unless the node is declared out of service.
    fn hold_volumes(&mut self, desk: &Desk, worker: &Worker, until: Timestamp) {
        let node = desk.get(&Key::new("Node", "", &worker.facts.node));
        let declared = node.is_some_and(|node| items(node, "/spec/taints").iter().any(|taint| text(taint, "/key") == OUT_OF_SERVICE));
        for volume in items(&worker.facts.pod, "/spec/volumes").iter().filter(|_| !declared) {
            let key = Key::new("PersistentVolumeClaim", &worker.key.namespace, text(volume, "/persistentVolumeClaim/claimName"));
            if let Some(claim) = desk.get(&key) {
                self.held.insert(uid(claim).to_owned(), (worker.facts.node.clone(), until));
            }
        }
    }

    /// The next free pod address of a node, within the node's /24.
    fn next_address(&mut self, desk: &Desk, node: &str) -> String {
        let range = desk.get(&Key::new("Node", "", node)).map_or("", |object| text(object, "/spec/podCIDR"));
        let prefix = range.rsplit_once('.').map_or("10.244.255", |(prefix, _)| prefix).to_owned();
        let taken: BTreeSet<&str> = self.workers.values().map(|worker| worker.facts.ip.as_str()).collect();
        let next = self.addresses.entry(node.to_owned()).or_insert(1);
        for _ in 0..253 {
            *next = if *next >= 254 { 2 } else { *next + 1 };
            let address = format!("{prefix}.{next}");
            if !taken.contains(address.as_str()) {
                return address;
            }
        }
        format!("{prefix}.{next}")
    }

    fn note_volumes(&mut self, desk: &Desk, pod: &Value) {
        for volume in items(pod, "/spec/volumes") {
            let claim = text(volume, "/persistentVolumeClaim/claimName");
            let Some(claim) = desk.get(&Key::new("PersistentVolumeClaim", namespace(pod), claim)) else { continue };
            let mounts = ["/spec/containers", "/spec/initContainers"].into_iter().flat_map(|list| items(pod, list));
            let sub_paths = mounts
                .flat_map(|container| items(container, "/volumeMounts"))
                .filter(|mount| text(mount, "/name") == text(volume, "/name") && !text(mount, "/subPath").is_empty())
                .map(|mount| format!("{}/{}", uid(claim), text(mount, "/subPath")));
            self.volumes.entry(uid(claim).to_owned()).or_default().extend(sub_paths);
        }
    }
}

fn ended_by_itself(worker: &Worker, runtime: &dyn ContainerRuntime) -> bool {
    worker.containers().any(|container| container.awaits_end() && !matches!(runtime.state(container.id()), Some(ContainerState::Running)))
}
