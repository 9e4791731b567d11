//! A frontend that is told to restore a cluster snapshot: what lies on its volume goes, and what the snapshot holds is led by it alone; other volumes stay as they are.
//!
//! The snapshot itself is not played: it holds what the group of the frontend's old metadata had last, which is what a snapshot of it lags behind by minutes.

use super::StarRocks;
use super::entrypoint::add_frontend;
use super::process::{Component, Process};
use super::state::{FrontendVolume, Leadership, Loss, MemberRole, Volume};
use crate::sim::runtime::ContainerId;

/// What tells a frontend to restore, at each of its starts (go-operator.md §2.14).
const VARIABLE: &str = "RESTORE_CLUSTER_SNAPSHOT";

/// Whether a program restores when it starts; releases before 3.4.1 do not know how.
pub(super) fn restores(process: &Process) -> bool {
    let told = process.start.environment.get(VARIABLE).is_some_and(|value| value.eq_ignore_ascii_case("true"));
    process.component == Component::Frontend && told && process.release.at_least(3, 4, 1)
}

impl StarRocks {
    /// starrocks.md §3: the directories of image and journal are deleted, the snapshot takes their place, the other frontends are dropped and the election
    /// group is reset, so that this one leads a group of its own. A member of the former group that starts on its old metadata knows nothing of it.
    pub(super) fn restore(&mut self, id: &ContainerId) {
        let now = self.now;
        let Some(process) = self.processes.get(id) else { return };
        let (host, port, volume) = (process.host(), process.ports.edit_log, process.volume.clone());
        let former = match self.volumes.get(&volume) {
            Some(Volume::Frontend(meta)) => self.groups.get(&meta.cluster).cloned(),
            Some(Volume::Backend(_)) | None => None,
        };
        let Some(mut group) = former else { return };
        group.cluster = (group.cluster + 1..).find(|cluster| !self.groups.contains_key(cluster)).unwrap_or(group.cluster);
        group.frontends.clear();
        group.leadership = Leadership::Vacant { since: now, loss: Loss::Started };
        group.epoch += 1;
        group.checkpoint = None;
        group.ordered_roll = None;
        group.jobs.clear();
        group.quorum_lost_since = None;
        group.had_leader = false;
        let member = add_frontend(&mut group, &host, port, MemberRole::Follower, now.as_millis());
        let meta = FrontendVolume { cluster: group.cluster, member, image: None };
        self.volumes.insert(volume, Volume::Frontend(meta));
        self.groups.insert(group.cluster, group);
    }

    /// Hosts of the members of the groups in a namespace that have a leader.
    pub fn frontends_of(&self, namespace: &str) -> Vec<String> {
        let groups = self.groups.values().filter(|group| group.namespace == namespace && group.leader().is_some());
        groups.flat_map(|group| group.frontends.iter().map(|row| row.host.clone())).collect()
    }

    /// How many backends are in the books of the groups in a namespace.
    pub fn backends_of(&self, namespace: &str) -> usize {
        self.groups.values().filter(|group| group.namespace == namespace).map(|group| group.backends().count()).sum()
    }

    /// Hosts of the frontends that lead in a namespace: one, unless something went badly wrong.
    pub fn leaders_of(&self, namespace: &str) -> Vec<String> {
        let groups = self.groups.values().filter(|group| group.namespace == namespace);
        groups.filter_map(|group| Some(self.processes.get(group.leader()?)?.host())).collect()
    }
}
