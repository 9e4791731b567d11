//! Containers that start, load, serve, are signalled and end; every phase of a program changes here and nowhere else.

use std::time::Duration;

use super::process::{Component, Phase, Process, ends_at_once, scratch};
use super::restore::restores;
use super::state::{FrontendVolume, MemberRole, Volume};
use super::version::{Written, frontend_refusal};
use super::{StarRocks, Step};
use crate::sim::runtime::{ContainerId, ContainerStart, Resolver, Signal};

/// A hard stop of a frontend (real-fe.md §8: 1.8–2.6 s).
const HARD_STOP: Duration = Duration::from_millis(2_200);
/// SIGUSR1 that finds no majority (real-fe.md §8: exit 2.4 s later).
const FORCED_EXIT: Duration = Duration::from_millis(2_400);

impl StarRocks {
    /// Starts a container, or restarts it under the same identity.
    pub(super) fn start_process(&mut self, start: ContainerStart) {
        self.runs += 1;
        let id = start.id.clone();
        // A container's own file system does not survive its restart; mounted volumes do.
        self.volumes.remove(&scratch(&start));
        let mut process = Process::new(start, self.runs, self.now);
        let (component, release) = (process.component, process.release);
        let brief = ends_at_once(&process.start);
        if brief {
            process.phase = Phase::Leaving { since: self.now, at: self.now, code: 0, graceful: false };
        } else if component == Component::Other {
            process.phase = Phase::Serving;
            process.serving_since = Some(self.now);
        }
        self.processes.insert(id.clone(), process);
        self.generation += 1;
        self.hanging.borrow_mut().remove(&id);
        self.note_start(&id);
        if brief {
            return self.schedule_step(&id, Duration::from_millis(100), Step::Exit);
        }
        if component == Component::Other {
            return;
        }
        if self.faults.crashes_on_start(component, release) {
            self.schedule_step(&id, Duration::from_secs(3), Step::Exit);
        }
        let registered = component == Component::Frontend && self.has_metadata(&id);
        if registered {
            if self.processes.get(&id).is_some_and(restores) {
                self.restore(&id);
            }
            self.begin_loading(&id);
        } else {
            self.set_phase(&id, Phase::Entrypoint { members_seen: false });
            self.schedule_step(&id, Duration::from_millis(500), Step::Register);
        }
    }

    /// `meta/image/ROLE` exists (starrocks.md §9).
    fn has_metadata(&self, id: &ContainerId) -> bool {
        let volume = self.processes.get(id).and_then(|process| self.volumes.get(&process.volume));
        matches!(volume, Some(Volume::Frontend(_)))
    }

    /// The entrypoint script has handed over to the program itself.
    pub(super) fn begin_loading(&mut self, id: &ContainerId) {
        self.set_phase(id, Phase::Loading);
        let now = self.now;
        let Some(process) = self.processes.get_mut(id) else { return };
        process.executed = now;
        let frontend = process.component == Component::Frontend;
        let load = if frontend { Duration::from_secs(4) } else { Duration::from_secs(2) };
        self.schedule_step(id, self.scaled(load), Step::Load);
    }

    /// Start-up durations under the slow-start fault.
    pub(super) fn scaled(&self, duration: Duration) -> Duration {
        duration * self.settings.start_percent / 100
    }

    pub(super) fn set_phase(&mut self, id: &ContainerId, phase: Phase) {
        self.generation += 1;
        if let Some(process) = self.processes.get_mut(id) {
            process.phase = phase;
        }
    }

    pub(super) fn step(&mut self, id: &ContainerId, step: Step, resolver: &dyn Resolver) {
        let leaving = matches!(self.processes.get(id).map(|process| &process.phase), Some(Phase::Leaving { .. }));
        if leaving && !matches!(step, Step::Exit | Step::Isolated) {
            return;
        }
        match step {
            Step::Register => self.register(id, resolver),
            Step::AskHelper => self.ask_helper(id),
            Step::Load => self.load(id),
            Step::Join(waited) => self.join(id, waited),
            Step::Serve => self.serve(id),
            Step::Isolated => self.isolated(id),
            Step::Exit => {
                let (code, message) = match self.processes.get(id).map(|process| &process.phase) {
                    Some(Phase::Leaving { code, .. }) => (*code, String::new()),
                    _ => (1, "crashed".to_owned()),
                };
                self.end(id, code, &message);
            }
        }
    }

    fn load(&mut self, id: &ContainerId) {
        let Some(process) = self.processes.get(id) else { return };
        if process.component != Component::Frontend {
            let wait = self.scaled(self.settings.backend_start).saturating_sub(Duration::from_secs(2));
            self.schedule_step(id, wait, Step::Serve);
            return;
        }
        // Java 17 knows no CMS collector (starrocks.md §1.4, 3.4 → 3.5).
        let options = process.file.get("JAVA_OPTS").cloned().unwrap_or_default();
        if process.release.at_least(3, 5, 0) && options.contains("UseConcMarkSweepGC") {
            return self.end(id, 1, "Unrecognized VM option 'UseConcMarkSweepGC'");
        }
        let Some(Volume::Frontend(meta)) = self.volumes.get(&process.volume).cloned() else {
            return self.end(id, 255, "meta directory is empty");
        };
        if self.disk_full(&process.start.fqdn) {
            return self.end(id, 255, "No space left on device");
        }
        if let Some(refusal) = self.refusal(id, &meta) {
            return self.end(id, 255, &refusal);
        }
        let row = self.groups.get(&meta.cluster).and_then(|group| group.frontend(&meta.member));
        let (known, journal) = (row.is_some(), row.map(|row| row.edit_log_port));
        if journal.is_some_and(|port| port != process.ports.edit_log) {
            // It looks for its own host and port among the frontends (`NodeMgr.checkCurrentNodeExist`).
            return self.end(id, 255, "current node is not added to the cluster, will exit");
        }
        if let Some(process) = self.processes.get_mut(id) {
            process.cluster = Some(meta.cluster);
            process.member = meta.member;
        }
        if known {
            self.schedule_step(id, self.scaled(Duration::from_secs(2)), Step::Join(false));
        } else {
            // real-fe.md §4: `this node is DETACHED`, even after it was added again under a new name.
            self.set_phase(id, Phase::Detached);
        }
    }

    /// Why this release cannot read this metadata.
    fn refusal(&self, id: &ContainerId, meta: &FrontendVolume) -> Option<String> {
        let process = self.processes.get(id)?;
        let group = self.groups.get(&meta.cluster)?;
        let newest = group.newest_writer(meta.image)?;
        let refusal = frontend_refusal(process.release, Written { image: meta.image.map(|image| image.written_by), newest });
        let after = meta.image.map_or(0, |image| image.journal);
        // A starting frontend exits at an operation it does not know (starrocks.md §1.3), unless told to ignore it (real-fe.md §10).
        let unknown = group.new_operations.iter().any(|operation| operation.journal > after && process.release < operation.minimum);
        let ignores = process.flag("ignore_unknown_log_id");
        refusal.or_else(|| (unknown && !ignores).then(|| "UNKNOWN Operation Type 10210".to_owned()))
    }

    fn serve(&mut self, id: &ContainerId) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(id) else { return };
        process.phase = Phase::Serving;
        process.serving_since = Some(now);
        self.generation += 1;
        if process.component == Component::Backend {
            let volume = process.volume.clone();
            self.volumes.entry(volume).or_insert_with(|| Volume::Backend(super::state::BackendVolume::default()));
        }
        self.sample_health();
    }

    /// Delivers a signal to a program.
    pub(super) fn deliver(&mut self, id: &ContainerId, signal: Signal) {
        let Some(process) = self.processes.get(id) else { return };
        if !process.running() {
            return;
        }
        self.note_leader_stop(id);
        let Some(process) = self.processes.get(id) else { return };
        match (signal, process.component) {
            (Signal::Kill, _) => self.end(id, 137, ""),
            (Signal::Term | Signal::Usr1, Component::Other) => self.end(id, 143, ""),
            (Signal::Term, Component::Frontend) => self.leave(id, HARD_STOP, 143, false),
            (Signal::Usr1, Component::Frontend) if process.leaving_gracefully().is_none() => self.leave_in_order(id),
            // starrocks.md §1.5: SIGTERM is a backend's graceful stop.
            (Signal::Term, Component::Backend | Component::ComputeNode) if process.open() => {
                let time = self.settings.backend_graceful;
                self.leave(id, time, 0, true);
            }
            (Signal::Term, Component::Backend | Component::ComputeNode) => self.end(id, 143, ""),
            (Signal::Usr1, _) => {}
        }
    }

    fn leave(&mut self, id: &ContainerId, time: Duration, code: i32, graceful: bool) {
        let now = self.now;
        let Some(process) = self.processes.get_mut(id) else { return };
        // A second, harder signal only shortens the exit.
        if matches!(process.phase, Phase::Leaving { at, .. } if at <= now + time) {
            return;
        }
        process.phase = Phase::Leaving { since: now, at: now + time, code, graceful };
        self.generation += 1;
        self.schedule_step(id, time, Step::Exit);
        self.sample_health();
    }

    /// SIGUSR1: graceful only when the other alive followers are a majority (real-fe.md §8).
    fn leave_in_order(&mut self, id: &ContainerId) {
        let Some(process) = self.processes.get(id) else { return };
        let supported = process.release.at_least(3, 4, 2);
        let Some(group) = process.cluster.and_then(|cluster| self.groups.get(&cluster)) else {
            return self.leave(id, FORCED_EXIT, 255, false);
        };
        let others =
            group.frontends.iter().filter(|row| row.role == MemberRole::Follower && row.alive && row.name != process.member).count();
        let leads = group.leader() == Some(id);
        let (cluster, open) = (group.cluster, process.open());
        if !supported || !open || others < group.majority() {
            return self.leave(id, FORCED_EXIT, 255, false);
        }
        self.leave(id, self.settings.frontend_graceful, 0, true);
        if leads {
            self.hand_over(cluster, id);
        }
    }

    /// The process is gone.
    pub(super) fn end(&mut self, id: &ContainerId, code: i32, message: &str) {
        self.note_leader_stop(id);
        let Some(process) = self.processes.get_mut(id) else { return };
        process.phase = Phase::Exited { code, message: message.to_owned() };
        process.in_group = false;
        process.serving_since = None;
        self.generation += 1;
        let (cluster, component) = (process.cluster, process.component);
        self.hanging.borrow_mut().remove(id);
        if let (Component::Frontend, Some(cluster)) = (component, cluster) {
            self.member_lost(cluster, id, false);
        }
        self.sample_health();
    }

    /// Forgets a container whose pod is gone.
    pub(super) fn forget(&mut self, id: &ContainerId) {
        if let Some(process) = self.processes.remove(id) {
            self.generation += 1;
            self.volumes.remove(&scratch(&process.start));
        }
    }

    /// Runs a preStop command; returns how long it takes.
    pub(super) fn run_hook(&mut self, id: &ContainerId, command: &[String]) -> Duration {
        let line = command.join(" ");
        let graceful = line.contains(" -g") || line.contains("--graceful");
        let quick = Duration::from_millis(100);
        if let Some(seconds) = line.split("sleep ").nth(1).and_then(|rest| rest.split(|c: char| !c.is_ascii_digit()).next()?.parse().ok()) {
            return Duration::from_secs(seconds);
        }
        if line.contains("stop_fe.sh") || line.contains("fe_prestop.sh") {
            self.deliver(id, if graceful { Signal::Usr1 } else { Signal::Term });
        } else if line.contains("kill -TERM") || line.contains("kill -15") {
            self.deliver(id, Signal::Term);
            return quick;
        } else if line.contains("stop_be.sh")
            || line.contains("stop_cn.sh")
            || line.contains("be_prestop.sh")
            || line.contains("cn_prestop.sh")
        {
            // starrocks.md §1.5: without -g these scripts kill.
            self.deliver(id, if graceful || line.contains("cn_prestop.sh") { Signal::Term } else { Signal::Kill });
        } else {
            return quick;
        }
        match self.processes.get(id).map(|process| &process.phase) {
            Some(Phase::Leaving { at, .. }) => at.since(self.now) + quick,
            _ => quick,
        }
    }
}
