//! Mishaps on order: processes killed, networks cut, answers lost, images broken, disks full; each is a method that a scenario or test calls.

use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;

use super::process::{Component, Process};
use super::state::Loss;
use super::version::{Release, tag_of};
use super::{StarRocks, Step};
use crate::model::Timestamp;
use crate::sim::runtime::{ContainerId, Signal};

/// Mishaps that are in force; pods are named `namespace/pod`.
#[derive(Clone, Debug, Default)]
pub(super) struct Faults {
    cut: BTreeSet<String>,
    hung: BTreeSet<String>,
    lost_replies: BTreeMap<String, u32>,
    crashing: Vec<(Component, Release)>,
    unavailable: BTreeSet<String>,
    full_disks: BTreeSet<String>,
    crash_older_backends: bool,
    pause_routine_loads: bool,
    /// Queries that run on a node.
    queries: BTreeMap<String, u32>,
    /// Releases whose nodes fail at their compactions.
    failing: Vec<Release>,
    cancelled_loads: u32,
    /// What becomes of ALTER SYSTEM TRANSFER LEADER.
    pub(super) transfer: Option<TransferFault>,
}

/// How a leader that is asked to hand its lead over does not.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TransferFault {
    /// It says that it will, and nothing happens.
    Silent,
    /// It refuses.
    Refused,
}

impl Faults {
    pub(super) fn is_cut(&self, process: &Process) -> bool {
        self.cut.contains(&process.pod())
    }

    pub(super) fn is_hung(&self, process: &Process) -> bool {
        self.hung.contains(&process.pod())
    }

    pub(super) fn crashes_on_start(&self, component: Component, release: Release) -> bool {
        self.crashing.contains(&(component, release))
    }

    /// Whether the metrics of a node tell of compactions that failed.
    pub(super) fn fails_compactions(&self, process: &Process) -> bool {
        self.failing.contains(&process.release)
    }

    /// How many loads `information_schema.loads` lists as cancelled.
    pub(super) const fn cancelled_loads(&self) -> u32 {
        self.cancelled_loads
    }

    /// Queries that run on a node.
    pub(super) fn queries_on(&self, process: &Process) -> u32 {
        self.queries.get(&process.pod()).copied().unwrap_or(0)
    }

    /// Whether the next reply of a frontend gets lost; counts it down.
    pub(super) fn loses_reply(&mut self, id: &ContainerId, processes: &BTreeMap<ContainerId, Process>) -> bool {
        let Some(left) = processes.get(id).and_then(|process| self.lost_replies.get_mut(&process.pod())) else { return false };
        let loses = *left > 0;
        *left = left.saturating_sub(1);
        loses
    }

    /// Whether an image exists in the simulated registry.
    pub(super) fn pull(&self, image: &str) -> Result<(), String> {
        let tag = tag_of(image).unwrap_or("latest");
        let broken = tag.contains("missing") || tag.contains("broken") || self.unavailable.contains(tag);
        if broken { Err(format!("failed to pull and unpack image \"{image}\": not found")) } else { Ok(()) }
    }
}

impl StarRocks {
    fn pod_containers(&self, namespace: &str, pod: &str) -> Vec<ContainerId> {
        self.processes
            .iter()
            .filter(|(_, process)| process.start.namespace == namespace && process.start.pod_name == pod)
            .map(|(id, _)| id.clone())
            .collect()
    }

    /// Kills every program of a pod with SIGKILL.
    pub fn kill(&mut self, namespace: &str, pod: &str, now: Timestamp) {
        self.now = self.now.max(now);
        for id in self.pod_containers(namespace, pod) {
            self.deliver(&id, Signal::Kill);
        }
    }

    /// SQL on a frontend's pod hangs, or answers again; HTTP is not touched.
    pub fn hang_sql(&mut self, namespace: &str, pod: &str, on: bool) {
        change(&mut self.faults.hung, namespace, pod, on);
    }

    /// A pod's network swallows every packet (no resets), or works again.
    pub fn cut_network(&mut self, namespace: &str, pod: &str, on: bool, now: Timestamp) {
        self.now = self.now.max(now);
        change(&mut self.faults.cut, namespace, pod, on);
        for id in self.pod_containers(namespace, pod) {
            let Some(cluster) =
                self.processes.get(&id).filter(|process| process.component == Component::Frontend).and_then(|process| process.cluster)
            else {
                continue;
            };
            if on {
                self.member_lost(cluster, &id, true);
            } else {
                self.review(cluster, Loss::Started);
            }
        }
        self.sample_health();
    }

    /// Makes every further election longer.
    pub fn set_election_delay(&mut self, delay: Duration) {
        self.settings.election_delay = delay;
    }

    /// The next `count` statements on a frontend's pod are executed, but their replies never arrive.
    pub fn lose_reply_next(&mut self, namespace: &str, pod: &str, count: u32) {
        self.faults.lost_replies.insert(format!("{namespace}/{pod}"), count);
    }

    /// Programs of this component and version (`3.5.2`) end with code 1 three seconds after every start, or do so no more.
    pub fn crash_on_start(&mut self, component: Component, version: &str, on: bool) {
        let Some(release) = Release::parse(version) else { return };
        self.faults.crashing.retain(|known| *known != (component, release));
        if on {
            self.faults.crashing.push((component, release));
        }
    }

    /// Start-up takes so many percent of its normal time from now on.
    pub fn slow_start(&mut self, percent: u32) {
        self.settings.start_percent = percent;
    }

    /// A backend's disk is full: it takes no more clones and shows 99 %; a frontend with a full disk cannot write its journal and exits.
    pub fn fill_disk(&mut self, namespace: &str, pod: &str, on: bool) {
        change(&mut self.faults.full_disks, namespace, pod, on);
        for id in self.pod_containers(namespace, pod) {
            if on && self.processes.get(&id).is_some_and(|process| process.component == Component::Frontend && process.running()) {
                self.end(&id, 255, "No space left on device");
            }
        }
    }

    /// Images of this tag cannot be pulled any more, or can again.
    pub fn set_unavailable(&mut self, tag: &str, on: bool) {
        if on {
            self.faults.unavailable.insert(tag.to_owned());
        } else {
            self.faults.unavailable.remove(tag);
        }
    }

    /// Backends and compute nodes of this version (`3.5.2`) print failed compactions in their metrics, or do so no more.
    pub fn fail_compactions(&mut self, version: &str, on: bool) {
        let Some(release) = Release::parse(version) else { return };
        self.faults.failing.retain(|known| *known != release);
        if on {
            self.faults.failing.push(release);
        }
    }

    /// So many loads are listed in `information_schema.loads`, all of them cancelled.
    pub fn cancel_loads(&mut self, count: u32) {
        self.faults.cancelled_loads = count;
    }

    /// Leaders keep their lead whatever they are asked, or hand it over again.
    pub fn fail_transfers(&mut self, how: Option<TransferFault>) {
        self.faults.transfer = how;
    }

    /// So many queries run on a node from now on, whichever process that is: clients that come back at once.
    pub fn run_queries(&mut self, namespace: &str, pod: &str, count: u32) {
        self.faults.queries.insert(format!("{namespace}/{pod}"), count);
    }

    /// Backends and compute nodes older than the line of their leader crash (starrocks.md §1.2 rule 6: the wrong order may crash the service).
    pub fn crash_older_backends(&mut self, on: bool) {
        self.faults.crash_older_backends = on;
    }

    /// A running or finished backup of a database, as SHOW BACKUP tells; an empty state forgets it.
    pub fn set_backup(&mut self, namespace: &str, database: &str, state: &str) {
        for group in self.groups.values_mut().filter(|group| group.namespace == namespace) {
            group.activity.backups.retain(|known, _| known != database);
            if !state.is_empty() {
                group.activity.backups.insert(database.to_owned(), state.to_owned());
            }
        }
    }

    /// A routine load job `db.job` in a state.
    pub fn set_routine_load(&mut self, namespace: &str, job: &str, state: &str) {
        for group in self.groups.values_mut().filter(|group| group.namespace == namespace) {
            group.activity.routine_loads.insert(job.to_owned(), state.to_owned());
        }
    }

    /// Routine loads that run pause when a node that loads is lost, or do not; without it they only pause when told.
    pub fn pause_routine_loads(&mut self, on: bool) {
        self.faults.pause_routine_loads = on;
    }

    /// State of a routine load job `db.job`.
    pub fn routine_load(&self, namespace: &str, job: &str) -> Option<&str> {
        let mut groups = self.groups.values().filter(|group| group.namespace == namespace);
        groups.find_map(|group| group.activity.routine_loads.get(job).map(String::as_str))
    }

    /// What the leader's scheduler of routine loads does about once in ten seconds: jobs that wait run, jobs whose tasks died may pause.
    pub(super) fn schedule_routine_loads(&self, group: &mut super::state::Group, lost: bool) {
        let can_load = group.nodes.values().any(|node| node.alive && (!node.compute || group.shared_data));
        for state in group.activity.routine_loads.values_mut() {
            match state.as_str() {
                "RUNNING" if lost && self.faults.pause_routine_loads => "PAUSED".clone_into(state),
                "NEED_SCHEDULE" if can_load => "RUNNING".clone_into(state),
                _ => {}
            }
        }
    }

    /// How many schema changes run in a database.
    pub fn set_schema_changes(&mut self, namespace: &str, database: &str, running: u32) {
        for group in self.groups.values_mut().filter(|group| group.namespace == namespace) {
            group.activity.schema_changes.insert(database.to_owned(), running);
        }
    }

    /// Whether the disk of the pod behind a host name is full.
    pub(super) fn disk_full(&self, host: &str) -> bool {
        self.processes.values().any(|process| process.start.fqdn == host && self.faults.full_disks.contains(&process.pod()))
    }

    /// Backends behind a newer leader crash soon after its heartbeat, under the fault of that name.
    pub(super) fn crash_backends_behind(&mut self, group: &super::state::Group) {
        if !self.faults.crash_older_backends {
            return;
        }
        let Some(leader) = group.leader().and_then(|leader| self.processes.get(leader)).map(|leader| leader.release) else { return };
        let behind = |node: &super::state::Node| {
            self.node_process(node)
                .filter(|(_, process)| process.open() && process.release.line() < leader.line())
                .map(|(id, _)| id.clone())
        };
        let doomed: Vec<ContainerId> = group.nodes.values().filter_map(behind).collect();
        for id in doomed {
            self.schedule_step(&id, Duration::from_secs(3), Step::Exit);
        }
    }
}

fn change(set: &mut BTreeSet<String>, namespace: &str, pod: &str, on: bool) {
    let name = format!("{namespace}/{pod}");
    if on {
        set.insert(name);
    } else {
        set.remove(&name);
    }
}
