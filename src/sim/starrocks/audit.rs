//! What the world looked like from outside, for end-of-run reports: copies that could be read, quorum, restarts; changes nothing.

use std::collections::BTreeMap;
use std::time::Duration;

use super::StarRocks;
use super::process::{Component, Phase, Process};
use super::state::Group;
use super::tables::STATISTICS;
use super::version::Release;
use crate::model::Timestamp;
use crate::sim::runtime::ContainerId;

/// The settings that an upgrade freezes.
const FROZEN: [&str; 4] = [
    "tablet_sched_max_scheduling_tablets",
    "tablet_sched_max_balancing_tablets",
    "tablet_sched_disable_balance",
    "tablet_sched_disable_colocate_balance",
];

/// User tablets at one moment, by how many of their copies can be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct HealthSample {
    /// When.
    pub at: Timestamp,
    /// Fewest readable copies of any tablet that is wanted at least three times; `None` without such a tablet.
    pub min_live_replicas: Option<usize>,
    /// Tablets wanted at least twice with fewer than two readable copies.
    pub below_two: usize,
    /// Tablets that cannot be read at all.
    pub unreadable: usize,
}

/// A container that was started again: the same pod's, or a recreated pod's of the same name.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Restart {
    /// When it started.
    pub at: Timestamp,
    /// `namespace/pod`.
    pub pod: String,
    /// What it runs.
    pub component: Component,
    /// Release it started with.
    pub version: String,
    /// It led its group when its process ended before this start.
    pub was_leader: bool,
}

/// A metadata image that was built and given to all members.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ImageBuilt {
    /// When.
    pub at: Timestamp,
    /// Last journal id in it.
    pub journal: u64,
    /// `namespace/pod` of the frontend that built it.
    pub worker: String,
    /// The builder is older than the leader: what it does not know is not in the image (real-fe.md §6).
    pub older_than_leader: bool,
}

/// The books of the laboratory.
#[derive(Clone, Debug, Default)]
pub(super) struct Ledger {
    health: Vec<HealthSample>,
    restarts: Vec<Restart>,
    /// Pods seen, with whether they led when they were last seen leading or following.
    pods: BTreeMap<String, bool>,
    quorum_lost: Duration,
    pub(super) elections: u64,
    pub(super) statements: u64,
    pub(super) clones: u64,
    pub(super) deleted_tablets: u64,
    pub(super) images: Vec<ImageBuilt>,
    pub(super) bootstraps: Vec<(Timestamp, String)>,
    pub(super) dropped_nodes: Vec<(Timestamp, String)>,
}

/// A program as it truly is, whatever anyone reports of it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Truth {
    /// Name of the pod.
    pub pod: String,
    /// UID of the pod.
    pub pod_uid: String,
    /// What it runs.
    pub component: Component,
    /// Release it runs; orders as releases do.
    pub release: Release,
    /// It serves: ports open, reachable, a frontend in its group.
    pub serving: bool,
}

/// Figures for an end-of-run report, over all clusters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Audit {
    /// Fewest readable copies that any user tablet wanted three times ever had.
    pub min_live_replicas: Option<usize>,
    /// Milliseconds during which some user tablet wanted twice or more had fewer than two readable copies.
    pub below_two_ms: u64,
    /// Milliseconds during which some user tablet could not be read.
    pub unreadable_ms: u64,
    /// Milliseconds without a majority of followers, after a group first had a leader.
    pub quorum_lost_ms: u64,
    /// All restarts in order.
    pub restarts: Vec<Restart>,
    /// Pods that led when they were stopped, in order of their restart.
    pub leader_restarts_order: Vec<String>,
    /// Elections won.
    pub elections: u64,
    /// SQL statements answered, the entrypoints' own included.
    pub statements: u64,
    /// Clusters bootstrapped: when and in which namespace; more than one per cluster means that metadata was lost.
    pub bootstraps: Vec<(Timestamp, String)>,
    /// Tablet copies that frontends ordered to be deleted because they knew them no more.
    pub deleted_tablets: u64,
    /// Tablets cloned.
    pub clones: u64,
    /// Images built, in order.
    pub images: Vec<ImageBuilt>,
    /// Nodes dropped by statement: when and which host.
    pub dropped_nodes: Vec<(Timestamp, String)>,
    /// Scheduler settings in the memory of every running frontend, by `namespace/pod`.
    pub settings_now: BTreeMap<String, BTreeMap<String, String>>,
}

impl StarRocks {
    /// Every program of a namespace that has not ended, as it truly is.
    pub fn truth(&self, namespace: &str) -> Vec<Truth> {
        let here = |process: &&Process| process.start.namespace == namespace && process.component != Component::Other && process.running();
        let truth = |process: &Process| Truth {
            pod: process.start.pod_name.clone(),
            pod_uid: process.start.id.pod_uid.clone(),
            component: process.component,
            release: process.release,
            serving: process.phase == Phase::Serving
                && process.open()
                && !self.faults.is_cut(process)
                && (process.component != Component::Frontend || process.in_group),
        };
        self.processes.values().filter(here).map(truth).collect()
    }

    /// How many followers the group of a namespace needs for its majority; `None` before one is founded.
    pub fn majority(&self, namespace: &str) -> Option<usize> {
        self.groups.values().find(|group| group.namespace == namespace).map(Group::majority)
    }

    /// Hosts of the backends and compute nodes that a namespace's group has registered.
    pub fn registered_nodes(&self, namespace: &str) -> Vec<String> {
        let groups = self.groups.values().filter(|group| group.namespace == namespace);
        groups.flat_map(|group| group.nodes.values().map(|node| node.host.clone())).collect()
    }

    /// Every change in how many copies of user tablets could be read.
    pub fn health_log(&self) -> &[HealthSample] {
        &self.audit.health
    }

    /// The figures up to `now`.
    pub fn metrics(&self, now: Timestamp) -> Audit {
        let health = &self.audit.health;
        let lasting = |bad: &dyn Fn(&HealthSample) -> bool| {
            let mut total = Duration::ZERO;
            for (index, sample) in health.iter().enumerate().filter(|(_, sample)| bad(sample)) {
                total += health.get(index + 1).map_or(now, |next| next.at).since(sample.at);
            }
            millis(total)
        };
        let open: Duration = self.groups.values().filter_map(|group| group.quorum_lost_since).map(|since| now.since(since)).sum();
        let frontends = self.processes.values().filter(|process| process.component == Component::Frontend && process.running());
        let settings = |process: &super::Process| FROZEN.iter().map(|key| ((*key).to_owned(), process.setting(key))).collect();
        Audit {
            min_live_replicas: health.iter().filter_map(|sample| sample.min_live_replicas).min(),
            below_two_ms: lasting(&|sample| sample.below_two > 0),
            unreadable_ms: lasting(&|sample| sample.unreadable > 0),
            quorum_lost_ms: millis(self.audit.quorum_lost + open),
            leader_restarts_order: self
                .audit
                .restarts
                .iter()
                .filter(|restart| restart.was_leader)
                .map(|restart| restart.pod.clone())
                .collect(),
            restarts: self.audit.restarts.clone(),
            elections: self.audit.elections,
            statements: self.audit.statements,
            bootstraps: self.audit.bootstraps.clone(),
            deleted_tablets: self.audit.deleted_tablets,
            clones: self.audit.clones,
            images: self.audit.images.clone(),
            dropped_nodes: self.audit.dropped_nodes.clone(),
            settings_now: frontends.map(|process| (process.pod(), settings(process))).collect(),
        }
    }

    /// Notes a start; a pod of a known name has been restarted.
    pub(super) fn note_start(&mut self, id: &ContainerId) {
        let Some(process) = self.processes.get(id).filter(|process| process.component != Component::Other) else { return };
        let pod = process.pod();
        let (component, version) = (process.component, process.release.to_string());
        if let Some(was_leader) = self.audit.pods.insert(pod.clone(), false) {
            self.audit.restarts.push(Restart { at: self.now, pod, component, version, was_leader });
        }
    }

    /// Notes that a pod led its group when it was asked to stop or ended.
    pub(super) fn note_leader_stop(&mut self, id: &ContainerId) {
        let Some(process) = self.processes.get(id) else { return };
        if process.cluster.and_then(|cluster| self.groups.get(&cluster)).is_some_and(|group| group.leader() == Some(id)) {
            self.audit.pods.insert(process.pod(), true);
        }
    }

    /// Notes whether a group has its majority.
    pub(super) fn note_quorum(&mut self, cluster: u32, enough: bool) {
        let now = self.now;
        let Some(group) = self.groups.get_mut(&cluster).filter(|group| group.had_leader) else { return };
        match (enough, group.quorum_lost_since) {
            (false, None) => group.quorum_lost_since = Some(now),
            (true, Some(since)) => {
                group.quorum_lost_since = None;
                self.audit.quorum_lost += now.since(since);
            }
            _ => {}
        }
    }

    /// Counts readable copies; only changes are kept.
    pub(super) fn sample_health(&mut self) {
        let serving = self.serving_volumes();
        let mut sample = HealthSample { at: self.now, min_live_replicas: None, below_two: 0, unreadable: 0 };
        for group in self.groups.values() {
            for (id, tablet) in &group.tablets {
                let Some(table) = group.tables.get(&tablet.table).filter(|table| table.database != STATISTICS) else { continue };
                let live = self.live_copies(&serving, group, *id, tablet);
                if table.replication >= 3 {
                    sample.min_live_replicas = Some(sample.min_live_replicas.map_or(live, |least| least.min(live)));
                }
                sample.below_two += usize::from(table.replication >= 2 && live < 2);
                sample.unreadable += usize::from(live == 0);
            }
        }
        let same = self.audit.health.last().is_some_and(|last| HealthSample { at: sample.at, ..*last } == sample);
        let nothing = self.audit.health.is_empty() && sample.min_live_replicas.is_none() && sample.unreadable == 0;
        if !same && !nothing {
            self.audit.health.push(sample);
        }
    }
}

fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
