//! Members that join, vanish or hand over, and the leader that their group has then; with the delays that were recorded.

use std::time::Duration;

use super::process::{Component, Phase};
use super::state::{Group, Leadership, Loss, MemberRole};
use super::{Event, StarRocks, Step};
use crate::model::Timestamp;
use crate::sim::runtime::ContainerId;

/// Leader killed to the first SHOW FRONTENDS with a new LEADER row (recording elect35: 50.15 → 51.08).
const AFTER_DEATH: Duration = Duration::from_millis(950);
/// The same after SIGUSR1 (recording graceful35: +1.1 s).
const AFTER_HAND_OVER: Duration = Duration::from_millis(1_050);
/// The same after ALTER SYSTEM TRANSFER LEADER, of which nothing was recorded: half of StarRocks' own runs took longer (StarRocks/starrocks#75125, 2.06 s).
const AFTER_TRANSFER: Duration = Duration::from_millis(2_050);
/// The same after a silent network loss (recording blackhole35: +51 s).
const AFTER_CUT: Duration = Duration::from_secs(51);
/// Majority complete to leader (recordings requorum35, coldstart35).
const AFTER_START: Duration = Duration::from_millis(2_000);
/// A leader that cannot commit exits by itself (recording blackhole35: +46 s, `failed to rebuild txn`).
const GIVE_UP: Duration = Duration::from_secs(46);

impl StarRocks {
    /// A loaded frontend connects to its group; `waited` when it had found no leader before.
    pub(super) fn join(&mut self, id: &ContainerId, waited: bool) {
        let Some(process) = self.processes.get(id) else { return };
        let (Some(cluster), member, elapsed) = (process.cluster, process.member.clone(), self.now.since(process.executed)) else { return };
        let cold_join = self.scaled(self.settings.cold_join);
        let Some(group) = self.groups.get_mut(&cluster) else { return };
        let led = group.leader().is_some();
        let others = group.frontends.iter().any(|row| row.joined && row.name != member);
        if !led && !waited && others {
            return self.schedule_step(id, cold_join.saturating_sub(elapsed), Step::Join(true));
        }
        let Some(row) = group.frontend_mut(&member) else { return self.set_phase(id, Phase::Detached) };
        row.joined = true;
        if let Some(process) = self.processes.get_mut(id) {
            process.in_group = true;
            process.phase = Phase::WaitingForLeader;
        }
        if led {
            self.open_ports_later(id, Duration::from_millis(7_500));
        }
        self.review(cluster, Loss::Started);
    }

    /// Ports open when replay is done: a fixed time after exec, and not before `least` from now.
    fn open_ports_later(&mut self, id: &ContainerId, least: Duration) {
        let variation = self.between(0, 1_400);
        let Some(process) = self.processes.get(id) else { return };
        let ready = process.executed + self.scaled(self.settings.frontend_start.saturating_sub(Duration::from_millis(700)) + variation);
        let delay = ready.since(self.now).max(self.scaled(least));
        self.schedule_step(id, delay, Step::Serve);
    }

    /// A member's process ended or its network was cut.
    pub(super) fn member_lost(&mut self, cluster: u32, id: &ContainerId, cut: bool) {
        let leads = self.groups.get(&cluster).is_some_and(|group| group.leader() == Some(id));
        if leads && cut {
            self.schedule_step(id, GIVE_UP, Step::Isolated);
        }
        self.review(cluster, if cut { Loss::Cut } else { Loss::Died });
    }

    /// The leader leaves in order (real-fe.md §8).
    pub(super) fn hand_over(&mut self, cluster: u32, leader: &ContainerId) {
        self.review(cluster, Loss::Left(leader.clone()));
    }

    /// The leader steps down for a follower and goes on as one itself.
    pub(super) fn step_down(&mut self, cluster: u32, leader: &ContainerId, heir: ContainerId) {
        let (now, wait) = (self.now, AFTER_TRANSFER + self.settings.election_delay);
        let Some(group) = self.groups.get_mut(&cluster) else { return };
        group.epoch += 1;
        group.checkpoint = None;
        group.leadership = Leadership::Electing { since: now, loss: Loss::Left(leader.clone()), elected: heir };
        let epoch = group.epoch;
        self.schedule(now + wait, Event::Elected(cluster, epoch));
    }

    /// Followers of a group that reach each other.
    pub(super) fn connected(&self, group: &Group) -> Vec<ContainerId> {
        let votes = |member: &str| group.frontend(member).is_some_and(|row| row.role == MemberRole::Follower && row.joined);
        let mut found = Vec::new();
        for (id, process) in &self.processes {
            let here = process.component == Component::Frontend && process.cluster == Some(group.cluster) && process.in_group;
            if here && process.running() && !self.faults.is_cut(process) && votes(&process.member) {
                found.push(id.clone());
            }
        }
        found
    }

    /// Looks whether the leader is still there and has its majority, and starts an election if not.
    pub(super) fn review(&mut self, cluster: u32, why: Loss) {
        let Some(group) = self.groups.get(&cluster) else { return };
        let connected = self.connected(group);
        let enough = connected.len() >= group.majority();
        self.note_quorum(cluster, enough);
        let Some(group) = self.groups.get_mut(&cluster) else { return };
        let now = self.now;
        let left = |leader: &ContainerId| matches!(&why, Loss::Left(gone) if gone == leader);
        match &mut group.leadership {
            Leadership::Led { leader, minority_since, .. } if connected.contains(leader) && !left(leader) => {
                if enough {
                    *minority_since = None;
                } else if minority_since.is_none() {
                    *minority_since = Some(now);
                    let epoch = group.epoch;
                    self.schedule(now + GIVE_UP, Event::MinorityExit(cluster, epoch));
                }
                return;
            }
            Leadership::Electing { elected, .. } if enough && connected.contains(elected) => return,
            Leadership::Vacant { .. } if !enough => return,
            _ => {}
        }
        let loss = match &group.leadership {
            Leadership::Led { .. } => why,
            // A group that has waited for its majority elects like one that starts.
            Leadership::Vacant { .. } => Loss::Started,
            Leadership::Electing { loss, .. } => loss.clone(),
        };
        group.epoch += 1;
        group.checkpoint = None;
        if !enough {
            group.leadership = Leadership::Vacant { since: now, loss };
            return;
        }
        let Some(elected) = self.candidate(&connected) else {
            if let Some(group) = self.groups.get_mut(&cluster) {
                group.leadership = Leadership::Vacant { since: now, loss };
            }
            return;
        };
        let wait = match loss {
            Loss::Died => AFTER_DEATH,
            Loss::Left(_) => AFTER_HAND_OVER,
            Loss::Cut => AFTER_CUT,
            Loss::Started => AFTER_START,
        };
        let done = now + wait + self.settings.election_delay;
        let Some(group) = self.groups.get_mut(&cluster) else { return };
        group.leadership = Leadership::Electing { since: now, loss, elected };
        let epoch = group.epoch;
        self.schedule(done, Event::Elected(cluster, epoch));
    }

    /// Serving members win over starting ones; in all recordings the last by name won among equals.
    fn candidate(&mut self, connected: &[ContainerId]) -> Option<ContainerId> {
        let standing = |id: &ContainerId| {
            let process = self.processes.get(id)?;
            (!matches!(process.phase, Phase::Leaving { .. }))
                .then(|| (process.open() && process.stuck_at.is_none(), process.member.clone()))
        };
        let best = connected.iter().filter_map(standing).map(|(open, _)| open).max()?;
        let mut equals: Vec<(String, ContainerId)> =
            connected.iter().filter_map(|id| standing(id).filter(|(open, _)| *open == best).map(|(_, name)| (name, id.clone()))).collect();
        equals.sort();
        if self.settings.draw_leaders && equals.len() > 1 {
            let drawn = usize::try_from(self.between(0, 1_000_000).as_millis()).unwrap_or(0) % equals.len();
            return equals.get(drawn).map(|(_, id)| id.clone());
        }
        equals.pop().map(|(_, id)| id)
    }

    /// The election is over: the group has a leader.
    pub(super) fn elected(&mut self, cluster: u32) {
        let now = self.now;
        let Some(group) = self.groups.get_mut(&cluster) else { return };
        let Leadership::Electing { since, loss, elected, .. } = group.leadership.clone() else { return };
        let Some(process) = self.processes.get_mut(&elected) else { return };
        process.followed = process.open();
        // real-fe.md §6: a new leader rolls the journal.
        group.journal += 2;
        if group.had_leader {
            group.rolled = group.journal;
        }
        group.writers.push((group.journal, process.release));
        group.epoch += 1;
        // A successor in order takes over only when its predecessor has closed its environment (recording graceful35: alive until 13.9).
        let first_heartbeat = Duration::from_millis(if matches!(loss, Loss::Left(_)) { 1_550 } else { 150 });
        group.leadership = Leadership::Led { leader: elected.clone(), lost: since, loss, minority_since: None };
        group.frontends.iter_mut().for_each(|row| row.failures = 0);
        if group.had_leader {
            group.nodes.values_mut().for_each(forget_unjournaled);
            group.activity.pause_reasons.clear();
        }
        group.had_leader = true;
        let (epoch, alone) = (group.epoch, group.majority() == 1);
        self.audit.elections += 1;
        self.schedule(now + first_heartbeat, Event::Heartbeat(cluster, epoch));
        self.schedule(now + self.settings.checkpoint_round, Event::CheckpointTick(cluster, epoch));
        self.schedule(now + Duration::from_secs(5), Event::Tablets(cluster, epoch));
        let waiting: Vec<ContainerId> = self
            .processes
            .iter()
            .filter(|(_, process)| process.cluster == Some(cluster) && process.phase == Phase::WaitingForLeader)
            .map(|(id, _)| id.clone())
            .collect();
        for id in waiting {
            self.open_ports_later(&id, if alone { Duration::from_secs(3) } else { Duration::from_millis(11_500) });
        }
    }

    /// A leader without majority cannot commit and exits.
    pub(super) fn minority_exit(&mut self, cluster: u32) {
        let Some(group) = self.groups.get(&cluster) else { return };
        let Leadership::Led { leader, minority_since: Some(since), .. } = &group.leadership else { return };
        if self.now.since(*since) >= GIVE_UP {
            let leader = leader.clone();
            self.end(&leader, 255, "failed to rebuild txn");
        } else {
            let (at, epoch) = (*since + GIVE_UP, group.epoch);
            self.schedule(at, Event::MinorityExit(cluster, epoch));
        }
    }

    /// A leader whose network was cut exits, unless it is back.
    pub(super) fn isolated(&mut self, id: &ContainerId) {
        let cut = self.processes.get(id).is_some_and(|process| self.faults.is_cut(process));
        if cut {
            self.end(id, 255, "failed to rebuild txn");
        }
    }

    /// Since when a group has been without leader as this frontend feels it; `None` while it is led.
    pub(super) fn leaderless_since(&self, cluster: u32) -> Option<Timestamp> {
        match &self.groups.get(&cluster)?.leadership {
            Leadership::Vacant { since, .. } | Leadership::Electing { since, .. } => Some(*since),
            Leadership::Led { .. } => None,
        }
    }
}

/// A new leader knows only what was journaled: dead nodes look alive again, with an old heartbeat (real-fe.md §11.1).
fn forget_unjournaled(node: &mut super::state::Node) {
    node.failures = 0;
    node.first_report = None;
    node.reports_until = None;
    if let Some(journaled) = node.journaled_heartbeat {
        node.alive = true;
        node.status = super::state::NodeStatus::Ok;
        node.last_heartbeat = Some(journaled);
        node.error.clear();
    }
}
