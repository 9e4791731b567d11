//! One pod on its node, from sandbox to removal: orders its containers, decides its end, says when to look again; writes only through its bench.

use std::time::Duration;

use serde_json::Value;

use super::super::desk::Dependents;
use super::super::fields::{Key, items, namespace, number, terminating, text, uid};
use super::container::{Bench, Container, Facts, Role, State};
use super::mounts::{ephemeral, mountable};
use super::status;
use crate::model::Timestamp;
use crate::sim::cluster::Timings;
use crate::sim::runtime::ContainerRuntime;

const FIRST_MOUNT_RETRY: Duration = Duration::from_millis(500);
const LONGEST_MOUNT_RETRY: Duration = Duration::from_secs(122);

/// How far a pod has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// Sandbox and volumes are being set up.
    Preparing { at: Timestamp, retry: Duration },
    /// Init containers run, one after the other.
    Initializing { position: usize },
    /// Main containers run or are being restarted.
    Running,
    /// Every container has ended for good.
    Ended,
    /// Ended and to be removed from the API at that moment.
    Leaving { at: Timestamp },
}

/// Why a pod has failed as a whole.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Verdict {
    pub(super) reason: String,
    pub(super) message: String,
}

/// A pod as its kubelet knows it.
#[derive(Clone)]
pub(super) struct Worker {
    pub(super) key: Key,
    pub(super) facts: Facts,
    pub(super) stage: Stage,
    pub(super) inits: Vec<Container>,
    pub(super) mains: Vec<Container>,
    pub(super) since: Timestamp,
    pub(super) verdict: Option<Verdict>,
    /// Something changed that the status has to show.
    pub(super) touched: bool,
    stopping: Option<Duration>,
}

impl Worker {
    pub(super) fn new(pod: &Value, ip: String, host_ip: String, timings: &Timings, now: Timestamp) -> Self {
        let role = |spec: &Value| if text(spec, "/restartPolicy") == "Always" { Role::Sidecar } else { Role::Init };
        Self {
            key: Key::of(pod),
            inits: items(pod, "/spec/initContainers").iter().map(|spec| Container::new(pod, spec, role(spec))).collect(),
            mains: items(pod, "/spec/containers").iter().map(|spec| Container::new(pod, spec, Role::Main)).collect(),
            facts: Facts { node: text(pod, "/spec/nodeName").to_owned(), pod: pod.clone(), ip, host_ip },
            stage: Stage::Preparing { at: now + timings.sandbox, retry: FIRST_MOUNT_RETRY },
            since: now,
            verdict: None,
            touched: true,
            stopping: None,
        }
    }

    pub(super) fn uid(&self) -> &str {
        uid(&self.facts.pod)
    }

    pub(super) fn containers(&self) -> impl Iterator<Item = &Container> {
        self.inits.iter().chain(&self.mains)
    }

    pub(super) fn containers_mut(&mut self) -> impl Iterator<Item = &mut Container> {
        self.inits.iter_mut().chain(&mut self.mains)
    }

    /// Whether the pod has an address and may have started something.
    pub(super) fn networked(&self) -> bool {
        !matches!(self.stage, Stage::Preparing { .. })
    }

    /// When this pod has to be looked at again, as far as time alone decides.
    pub(super) fn due(&self, timings: &Timings) -> Option<Timestamp> {
        match self.stage {
            Stage::Preparing { at, .. } | Stage::Leaving { at } => Some(at),
            Stage::Ended => None,
            Stage::Initializing { .. } | Stage::Running => self.containers().filter_map(|container| container.due(timings)).min(),
        }
    }

    /// Takes in a newer version of the pod: a deletion begins or hurries.
    pub(super) fn learn(&mut self, pod: &Value) {
        let gated = !items(pod, "/spec/readinessGates").is_empty();
        let conditions = |pod: &Value| pod.pointer("/status/conditions").cloned();
        self.touched |= gated && conditions(pod) != conditions(&self.facts.pod);
        if pod.get("spec") != self.facts.pod.get("spec") {
            self.redefine(pod);
        }
        self.facts.pod = pod.clone();
        if terminating(pod) {
            let grace = number(pod, "/metadata/deletionGracePeriodSeconds").and_then(|seconds| u64::try_from(seconds).ok()).unwrap_or(30);
            let grace = Duration::from_secs(grace);
            if self.stopping.is_none_or(|known| grace < known) {
                self.stopping = Some(grace);
                self.touched = true;
            }
        }
    }

    /// An image may change in place: the container is stopped and started again with the new one.
    fn redefine(&mut self, pod: &Value) {
        let specs: Vec<&Value> = ["/spec/initContainers", "/spec/containers"].into_iter().flat_map(|list| items(pod, list)).collect();
        for container in self.inits.iter_mut().chain(&mut self.mains) {
            if let Some(spec) = specs.iter().find(|spec| text(spec, "/name") == container.name()) {
                self.touched |= container.redefine(spec);
            }
        }
    }

    /// Lets the pod move on as far as this moment allows and writes its status if it changed.
    pub(super) fn work(&mut self, bench: &mut Bench) -> bool {
        let mut busy = std::mem::take(&mut self.touched);
        self.stop_if_asked(bench);
        for _ in 0..32 {
            if !self.step(bench) {
                break;
            }
            busy = true;
        }
        if busy {
            status::write(self, bench);
        }
        self.leave(bench) || busy
    }

    fn stop_if_asked(&mut self, bench: &mut Bench) {
        let Some(grace) = self.stopping else { return };
        let facts = &self.facts;
        for container in self.inits.iter_mut().chain(&mut self.mains).filter(|container| container.running()) {
            let why = format!("Stopping container {}", container.name());
            container.stop(facts, bench, grace, &why);
        }
    }

    fn step(&mut self, bench: &mut Bench) -> bool {
        if let Stage::Ended | Stage::Leaving { .. } = self.stage {
            return false;
        }
        let over = self.stopping.is_some() || self.verdict.is_some();
        let mut moved = false;
        for container in self.inits.iter_mut().chain(&mut self.mains).filter(|container| container.running()) {
            moved |= container.drive(&self.facts, bench, !over);
        }
        if over {
            if self.containers().any(Container::running) {
                return moved;
            }
            self.stage = Stage::Ended;
            return true;
        }
        moved
            | match self.stage {
                Stage::Preparing { at, retry } => at <= bench.now && self.prepare(bench, retry),
                Stage::Initializing { position } => self.initialize(bench, position),
                Stage::Running => self.run_mains(bench),
                Stage::Ended | Stage::Leaving { .. } => false,
            }
    }

    fn prepare(&mut self, bench: &mut Bench, retry: Duration) -> bool {
        if let Some((volume, until)) = held_elsewhere(bench, &self.facts.pod) {
            let what = format!(
                "Multi-Attach error for volume \"{volume}\" Volume is already exclusively attached to one node and can't be attached to another"
            );
            bench.desk.event(&self.facts.pod, "Warning", "FailedAttachVolume", &what, "attachdetach-controller");
            self.stage = Stage::Preparing { at: until, retry };
            return false;
        }
        if let Err(message) = mountable(bench.desk, &self.facts.pod) {
            self.facts.event(bench, "Warning", "FailedMount", &message);
            self.stage = Stage::Preparing { at: bench.now + retry, retry: (retry * 2).min(LONGEST_MOUNT_RETRY) };
            return false;
        }
        self.stage = Stage::Initializing { position: 0 };
        true
    }

    fn initialize(&mut self, bench: &mut Bench, position: usize) -> bool {
        let Some(container) = self.inits.get_mut(position) else {
            self.stage = Stage::Running;
            return true;
        };
        let moved = container.drive(&self.facts, bench, true);
        let done = match container.role {
            Role::Sidecar => container.running() && container.started,
            _ => container.state == State::Ended && container.ended.as_ref().is_some_and(|ended| ended.code == 0),
        };
        if done {
            self.stage = Stage::Initializing { position: position + 1 };
        }
        moved || done
    }

    fn run_mains(&mut self, bench: &mut Bench) -> bool {
        let mut moved = false;
        let sidecars = self.inits.iter_mut().filter(|container| container.role == Role::Sidecar);
        for container in sidecars.chain(&mut self.mains).filter(|container| !container.running()) {
            moved |= container.drive(&self.facts, bench, true);
        }
        let policy = text(&self.facts.pod, "/spec/restartPolicy");
        let done = |container: &Container| {
            container.state == State::Ended
                && match policy {
                    "Never" => true,
                    "OnFailure" => container.ended.as_ref().is_some_and(|ended| ended.code == 0),
                    _ => false,
                }
        };
        if !self.mains.is_empty() && self.mains.iter().all(done) {
            self.stage = Stage::Ended;
            return true;
        }
        moved
    }

    /// A deleted pod whose containers have ended leaves the API a little later.
    fn leave(&mut self, bench: &mut Bench) -> bool {
        if self.stopping.is_none() {
            return false;
        }
        match self.stage {
            Stage::Ended => {
                self.stage = Stage::Leaving { at: bench.now + bench.timings.removal };
                bench.timings.removal.is_zero() && self.leave(bench)
            }
            Stage::Leaving { at } if at <= bench.now => {
                let (key, uid) = (self.key.clone(), self.uid().to_owned());
                bench.desk.delete_with(&key, &uid, Some(0), Dependents::Background);
                // A pod that finalizers keep is looked at again when it changes.
                self.stage = Stage::Leaving { at: bench.now + Duration::from_secs(3_600) };
                true
            }
            _ => false,
        }
    }

    /// Ends the pod at once as failed: the kubelet needs what it holds.
    pub(super) fn evict(&mut self, bench: &mut Bench, reason: &str, message: &str) {
        if self.verdict.is_some() || matches!(self.stage, Stage::Ended | Stage::Leaving { .. }) {
            return;
        }
        self.facts.event(bench, "Warning", reason, message);
        let facts = &self.facts;
        for container in self.inits.iter_mut().chain(&mut self.mains) {
            let why = format!("Stopping container {}", container.name());
            container.stop(facts, bench, Duration::ZERO, &why);
        }
        self.verdict = Some(Verdict { reason: reason.to_owned(), message: message.to_owned() });
        self.touched = true;
    }

    /// The node came back after a power loss: a new sandbox with a new address, everything starts over.
    pub(super) fn reboot(&mut self, ip: String, timings: &Timings, now: Timestamp) {
        if matches!(self.stage, Stage::Ended | Stage::Leaving { .. }) {
            return;
        }
        self.facts.ip = ip;
        self.inits.iter_mut().for_each(Container::rerun);
        self.stage = Stage::Preparing { at: now + timings.sandbox, retry: FIRST_MOUNT_RETRY };
        self.touched = true;
    }

    /// Forgets everything that ran here; the pod no longer exists.
    pub(super) fn dismantle(&mut self, runtime: &mut dyn ContainerRuntime, now: Timestamp) {
        for container in self.containers_mut() {
            container.lose(runtime, now);
        }
        for container in self.containers().filter(|container| container.role != Role::Init) {
            runtime.remove(container.id());
        }
        for volume in ephemeral(&self.facts.pod) {
            runtime.erase_volume(&volume);
        }
    }
}

/// A volume of the pod that a silent node has not let go of, and until when that is respected.
fn held_elsewhere(bench: &Bench, pod: &Value) -> Option<(String, Timestamp)> {
    items(pod, "/spec/volumes").iter().find_map(|volume| {
        let claim = Key::new("PersistentVolumeClaim", namespace(pod), text(volume, "/persistentVolumeClaim/claimName"));
        let claim = bench.desk.get(&claim)?;
        let (_, until) = bench.held.get(uid(claim)).filter(|(_, until)| *until > bench.now)?;
        Some((text(claim, "/spec/volumeName").to_owned(), *until))
    })
}
