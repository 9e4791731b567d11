//! CREATE IMAGE and the checkpoints that a leader orders by itself: who builds the image, when, and who gets it (real-fe.md §6).

use std::time::Duration;

use super::process::{Component, Process};
use super::state::{Checkpoint, Group, Image, NewOperation, Volume};
use super::{Event, StarRocks};
use crate::sim::runtime::ContainerId;

/// CREATE IMAGE to the journal roll (15:36:34 → 15:36:38).
const ROLL: Duration = Duration::from_secs(4);

impl StarRocks {
    /// ALTER SYSTEM CREATE IMAGE: only orders a journal roll.
    pub(super) fn order_image(&mut self, cluster: u32) {
        self.roll(cluster);
        let now = self.now;
        if let Some(group) = self.groups.get_mut(&cluster) {
            group.ordered_roll = Some((now + ROLL, group.journal));
            group.asked = Some(group.journal);
        }
    }

    /// An ordered roll whose time has come: it adds one entry to what was noted at the order (121 → 125 with 124 noted before).
    fn roll(&mut self, cluster: u32) {
        let now = self.now;
        let Some(group) = self.groups.get_mut(&cluster) else { return };
        if let Some((_, noted)) = group.ordered_roll.filter(|(at, _)| *at <= now) {
            group.ordered_roll = None;
            group.journal += 1;
            group.rolled = group.rolled.max(noted + 1);
        }
    }

    /// The controller on the leader: pushes what exists, replaces a dead worker, or orders a new image.
    pub(super) fn checkpoint_tick(&mut self, cluster: u32, epoch: u64) {
        self.schedule(self.now + self.settings.checkpoint_round, Event::CheckpointTick(cluster, epoch));
        self.push_image(cluster);
        self.roll(cluster);
        let now = self.now;
        let Some(group) = self.groups.get_mut(&cluster) else { return };
        if let Some(checkpoint) = group.checkpoint.clone() {
            // The chosen worker was killed: this round only notices, the next one chooses again.
            if !self.worker_alive(cluster, &checkpoint)
                && let Some(group) = self.groups.get_mut(&cluster)
            {
                group.checkpoint = None;
            }
            return;
        }
        let rolled = group.rolled;
        let newest = self.newest_image(cluster).map_or(0, |image| image.journal);
        if rolled <= newest {
            return;
        }
        let Some((worker, run, phase)) = self.choose_worker(cluster) else { return };
        if let Some(group) = self.groups.get_mut(&cluster) {
            group.checkpoint = Some(Checkpoint { journal: rolled, worker, worker_run: run });
        }
        // The worker's own round is not in step with the controller's.
        let round = self.settings.checkpoint_round.max(Duration::from_secs(1));
        let into = Duration::from_millis(phase % u64::try_from(round.as_millis()).unwrap_or(60_000));
        let wait = round.saturating_sub(into);
        self.schedule(now + wait.max(Duration::from_secs(1)), Event::CheckpointWork(cluster, epoch));
    }

    /// The worker builds the image, the leader gives it to everyone it reaches.
    pub(super) fn checkpoint_work(&mut self, cluster: u32) {
        let now = self.now;
        let Some(checkpoint) = self.groups.get(&cluster).and_then(|group| group.checkpoint.clone()) else { return };
        let Some(process) = self.processes.get(&checkpoint.worker) else { return };
        if process.run != checkpoint.worker_run || !process.open() || process.stuck_at.is_some() || self.faults.is_cut(process) {
            return;
        }
        let image = Image { journal: checkpoint.journal, written_by: process.release, at: now };
        let volume = process.volume.clone();
        if let Some(Volume::Frontend(meta)) = self.volumes.get_mut(&volume) {
            meta.image = Some(image);
        }
        if let Some(group) = self.groups.get_mut(&cluster) {
            group.checkpoint = None;
        }
        let leading = self
            .groups
            .get(&cluster)
            .and_then(|group| group.leader())
            .and_then(|leader| self.processes.get(leader))
            .map(|leader| leader.release);
        let built = super::audit::ImageBuilt {
            at: now,
            journal: checkpoint.journal,
            worker: process.pod(),
            older_than_leader: leading.is_some_and(|leading| process.release < leading),
        };
        self.audit.images.push(built);
        self.push_image(cluster);
    }

    /// Gives the newest image to every serving member that has an older one; repeated every round (real-fe.md §6, one FE down).
    fn push_image(&mut self, cluster: u32) {
        let Some(image) = self.newest_image(cluster) else { return };
        let now = self.now;
        let members: Vec<String> = self
            .members(cluster)
            .filter(|(_, process)| process.open() && !self.faults.is_cut(process))
            .map(|(_, process)| process.volume.clone())
            .collect();
        for volume in members {
            if let Some(Volume::Frontend(meta)) = self.volumes.get_mut(&volume)
                && meta.image.is_none_or(|held| held.journal < image.journal)
            {
                meta.image = Some(Image { at: now, ..image });
            }
        }
    }

    /// Running members of a group.
    pub(super) fn members(&self, cluster: u32) -> impl Iterator<Item = (&ContainerId, &Process)> {
        self.processes.iter().filter(move |(_, process)| {
            process.component == Component::Frontend
                && process.cluster == Some(cluster)
                && process.running()
                && process.dropped_at.is_none()
        })
    }

    /// The newest image among serving members.
    fn newest_image(&self, cluster: u32) -> Option<Image> {
        self.members(cluster)
            .filter(|(_, process)| process.open())
            .filter_map(|(_, process)| self.image_of(process))
            .max_by_key(|image| image.journal)
    }

    /// The image on a frontend's volume.
    pub(super) fn image_of(&self, process: &Process) -> Option<Image> {
        match self.volumes.get(&process.volume) {
            Some(Volume::Frontend(meta)) => meta.image,
            _ => None,
        }
    }

    fn worker_alive(&self, cluster: u32, checkpoint: &Checkpoint) -> bool {
        let Some(process) = self.processes.get(&checkpoint.worker) else { return false };
        let listed = self.groups.get(&cluster).and_then(|group| group.frontend(&process.member)).is_some_and(|row| row.alive);
        listed && process.run == checkpoint.worker_run
    }

    /// Any frontend that counts as alive, normally a follower, also one of an older release; only the leader with `checkpoint_only_on_leader`.
    fn choose_worker(&mut self, cluster: u32) -> Option<(ContainerId, u64, u64)> {
        let group = self.groups.get(&cluster)?;
        let leader = group.leader()?.clone();
        let leading = self.processes.get(&leader)?;
        // Before 3.4 only the leader builds images (starrocks.md §2.1).
        let only_leader = leading.flag("checkpoint_only_on_leader") || !leading.release.at_least(3, 4, 0);
        let phase =
            |process: &Process| process.serving_since.map_or(0, |since| u64::try_from(self.now.since(since).as_millis()).unwrap_or(0));
        let alive = |group: &Group, process: &Process| group.frontend(&process.member).is_some_and(|row| row.alive);
        let mut candidates: Vec<(ContainerId, u64, u64)> = self
            .members(cluster)
            .filter(|(id, process)| **id != leader && !only_leader && alive(group, process))
            .map(|(id, process)| (id.clone(), process.run, phase(process)))
            .collect();
        if candidates.is_empty() {
            return Some((leader.clone(), leading.run, phase(leading)));
        }
        let drawn = usize::try_from(self.between(0, 1_000_000).as_millis()).unwrap_or(0) % candidates.len();
        Some(candidates.swap_remove(drawn))
    }

    /// Writes a journal entry that only the leader's line and newer know; older running members get stuck at it (real-fe.md §10).
    pub fn write_new_operation(&mut self, namespace: &str) {
        let now = self.now;
        let Some((&cluster, leader)) = self
            .groups
            .iter()
            .find(|(_, group)| group.namespace == namespace)
            .and_then(|(cluster, group)| Some((cluster, group.leader()?.clone())))
        else {
            return;
        };
        let Some(release) = self.processes.get(&leader).map(|process| process.release) else { return };
        let Some(group) = self.groups.get_mut(&cluster) else { return };
        group.journal += 1;
        let (line, journal) = (release.line(), group.journal);
        let minimum = super::version::Release::new(line.0, line.1, 0);
        group.new_operations.push(NewOperation { journal, minimum });
        for process in self.processes.values_mut().filter(|process| process.cluster == Some(cluster) && process.open()) {
            if process.release < minimum && !process.flag("ignore_unknown_log_id") && process.stuck_at.is_none() {
                process.stuck_at = Some((now, journal.saturating_sub(1)));
            }
        }
    }
}
