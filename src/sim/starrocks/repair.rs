//! The tablet checker and scheduler of a leader: repair, balance, decommission; under the four settings that an upgrade freezes (real-fe.md §11.3–11.5).

use std::time::Duration;

use super::state::{Group, Job, Replica};
use super::tables::{Standing, standing};
use super::{Event, StarRocks};
use crate::model::Timestamp;

const CHECK: Duration = Duration::from_secs(20);
/// Jobs that are remembered after their end.
const HISTORY: usize = 1_000;
const TURN: Duration = Duration::from_secs(1);
/// TabletNum 0 to the row's disappearance (real-fe.md §11.5).
const ROW_VANISHES: Duration = Duration::from_secs(7);
/// After a balance clone the copy at the source goes 12 s later (real-fe.md §11.3).
const SOURCE_LEAVES: Duration = Duration::from_secs(12);
/// An empty backend starts receiving this long after it is alive (real-fe.md §11.4).
const BALANCE_DELAY: Duration = Duration::from_secs(10);

/// The leader's settings that the scheduler reads at every turn.
struct Limits {
    tolerance: Duration,
    repair_delay: Duration,
    full_clone_delay: Duration,
    max_scheduling: u64,
    max_balancing: u64,
    slots: u64,
    balance: bool,
    drop_drained: bool,
    clone_time: Duration,
}

impl StarRocks {
    fn limits(&self, group: &Group) -> Option<Limits> {
        let leader = self.processes.get(group.leader()?)?;
        let seconds = |name: &str| Duration::from_secs(leader.number(name));
        Some(Limits {
            tolerance: seconds("tablet_sched_be_down_tolerate_time_s"),
            repair_delay: seconds("tablet_sched_repair_delay_factor_second"),
            full_clone_delay: seconds("tablet_sched_consecutive_full_clone_delay_sec"),
            max_scheduling: leader.number("tablet_sched_max_scheduling_tablets"),
            max_balancing: leader.number("tablet_sched_max_balancing_tablets"),
            slots: leader.number("tablet_sched_slot_num_per_path").max(1),
            balance: !leader.flag("tablet_sched_disable_balance"),
            drop_drained: leader.flag("drop_backend_after_decommission"),
            clone_time: self.settings.clone_time,
        })
    }

    /// One turn: every 20 s, every second while there is work.
    pub(super) fn tend_tablets(&mut self, cluster: u32, epoch: u64) {
        let now = self.now;
        let Some(mut group) = self.groups.remove(&cluster) else { return };
        let Some(limits) = self.limits(&group) else {
            self.groups.insert(cluster, group);
            return;
        };
        let mut changes = self.finish_clones(&mut group, now);
        check(&mut group, &limits, now);
        if limits.balance && limits.max_balancing > 0 {
            self.balance(&mut group, &limits, now);
        }
        self.start_clones(&mut group, &limits, now);
        changes |= self.remove_redundant(&mut group, now);
        changes |= self.drain(&mut group, &limits, now);
        let busy = group.jobs.values().any(|job| job.running.is_some() || job.source_leaves.is_some() || job.not_before <= now)
            || group.nodes.values().any(|node| node.decommissioned);
        let next = group.jobs.values().map(|job| job.not_before.since(now)).min().unwrap_or(CHECK).clamp(TURN, CHECK);
        let forgotten = group.history.len().saturating_sub(HISTORY);
        group.history.drain(..forgotten);
        self.groups.insert(cluster, group);
        if changes {
            self.sample_health();
        }
        self.schedule(now + if busy { TURN } else { next }, Event::Tablets(cluster, epoch));
    }

    fn finish_clones(&mut self, group: &mut Group, now: Timestamp) -> bool {
        let done: Vec<(u64, u64)> =
            group.jobs.iter().filter_map(|(id, job)| job.running.filter(|(_, end)| *end <= now).map(|(to, _)| (*id, to))).collect();
        for (id, to) in &done {
            let alive = group.nodes.get(to).is_some_and(|node| node.alive);
            let balance = group.jobs.get(id).and_then(|job| job.balance_from);
            if alive && let Some(volume) = group.nodes.get(to).and_then(|node| node.volume.clone()) {
                let replica = group.take_id();
                if let Some(tablet) = group.tablets.get_mut(id) {
                    tablet.replicas.retain(|replica| replica.backend != *to);
                    tablet.replicas.push(Replica { id: replica, backend: *to, missing: false });
                    tablet.last_full_clone = Some(now);
                    tablet.unhealthy_since = None;
                }
                self.store(&volume, *id);
                self.audit.clones += 1;
            }
            match (alive && balance.is_some(), group.jobs.get_mut(id)) {
                (true, Some(job)) => {
                    job.running = None;
                    job.source_leaves = Some(now + SOURCE_LEAVES);
                }
                _ => {
                    let status = group.jobs.remove(id).map_or("", |job| job.status);
                    group.history.push((*id, status, if alive { "FINISHED" } else { "CANCELLED" }));
                }
            }
        }
        !done.is_empty()
    }

    /// Starts clones within the slots of each destination.
    fn start_clones(&mut self, group: &mut Group, limits: &Limits, now: Timestamp) {
        let eligible: Vec<u64> = group
            .jobs
            .iter()
            .filter(|(_, job)| job.running.is_none() && job.source_leaves.is_none() && job.not_before <= now)
            .map(|(id, _)| *id)
            .collect();
        for id in eligible {
            let Some(to) = destination(group, id, limits) else {
                let full = group.nodes.values().any(|node| {
                    !node.compute && node.alive && !node.decommissioned && !holds(group, id, node.id) && !self.disk_full(node.host.as_str())
                });
                // All places are taken: wait. No place exists at all: the job is cancelled and comes back with the next check (real-fe.md §11.3).
                if !full && let Some(mut job) = group.jobs.remove(&id) {
                    job.failed += 1;
                    group.history.push((id, "VERSION_INCOMPLETE", "CANCELLED"));
                }
                continue;
            };
            if self.disk_full(group.nodes.get(&to).map_or("", |node| node.host.as_str())) {
                continue;
            }
            if let Some(job) = group.jobs.get_mut(&id) {
                job.running = Some((to, now + limits.clone_time));
            }
        }
    }

    /// Moves copies from full to empty backends, unless balancing is disabled.
    fn balance(&mut self, group: &mut Group, limits: &Limits, now: Timestamp) {
        let settled = |node: &&super::state::Node| {
            node.alive && !node.decommissioned && node.alive_since.is_none_or(|since| now.since(since) >= BALANCE_DELAY)
        };
        let places: Vec<u64> = group.backends().filter(settled).map(|node| node.id).collect();
        let mut load: Vec<(usize, u64)> = places
            .iter()
            .map(|node| {
                (group.tablets.values().filter(|tablet| tablet.replicas.iter().any(|replica| replica.backend == *node)).count(), *node)
            })
            .collect();
        let mut queued = u64::try_from(group.jobs.values().filter(|job| job.balance_from.is_some()).count()).unwrap_or(u64::MAX);
        // What is on its way counts at its destination already.
        for job in group.jobs.values() {
            if let (Some(from), Some((to, _))) = (job.balance_from, job.running) {
                load.iter_mut().filter(|(_, node)| *node == to).for_each(|(count, _)| *count += 1);
                load.iter_mut().filter(|(_, node)| *node == from).for_each(|(count, _)| *count = count.saturating_sub(1));
            }
        }
        while queued < limits.max_balancing.min(limits.slots) {
            load.sort_unstable();
            let (Some(&(low, to)), Some(&(high, from))) = (load.first(), load.last()) else { return };
            if high <= low + 1 {
                return;
            }
            let moved = group.tablets.iter().find(|(id, tablet)| {
                let on = |node: u64| tablet.replicas.iter().any(|replica| replica.backend == node && !replica.missing);
                on(from)
                    && !tablet.replicas.iter().any(|replica| replica.backend == to)
                    && !group.jobs.contains_key(id)
                    && standing(group, tablet, limits.tolerance, now) == Standing::Healthy
            });
            let Some((&id, _)) = moved else { return };
            let job = Job {
                balance_from: Some(from),
                running: Some((to, now + limits.clone_time)),
                ..job(now, "REPLICA_RELOCATING", "LOW", now)
            };
            group.jobs.insert(id, job);
            queued += 1;
            if let Some(first) = load.first_mut() {
                first.0 += 1;
            }
            if let Some(last) = load.last_mut() {
                last.0 -= 1;
            }
        }
    }

    /// Copies beyond the wanted number go: those on vanished and dead backends first, and the source of a finished balance.
    fn remove_redundant(&mut self, group: &mut Group, now: Timestamp) -> bool {
        let mut removed: Vec<(u64, u64)> = Vec::new();
        let done: Vec<(u64, u64)> = group
            .jobs
            .iter()
            .filter(|(_, job)| job.source_leaves.is_some_and(|at| at <= now))
            .filter_map(|(id, job)| job.balance_from.map(|from| (*id, from)))
            .collect();
        for (id, from) in done {
            group.jobs.remove(&id);
            group.history.push((id, "REPLICA_RELOCATING", "FINISHED"));
            // One copy too many goes, and that on a dead backend before any other.
            let alive = |backend: u64| group.nodes.get(&backend).is_some_and(|node| node.alive);
            if group.tablets.get(&id).is_some_and(|tablet| tablet.replicas.iter().all(|replica| replica.missing || alive(replica.backend)))
            {
                removed.push((id, from));
            }
        }
        for (id, tablet) in &group.tablets {
            let wanted = group.tables.get(&tablet.table).map_or(1, |table| table.replication);
            let good = tablet
                .replicas
                .iter()
                .filter(|replica| {
                    !replica.missing && group.nodes.get(&replica.backend).is_some_and(|node| node.alive && !node.decommissioned)
                })
                .count();
            if good < wanted || group.jobs.contains_key(id) {
                continue;
            }
            let gone = tablet.replicas.iter().filter(|replica| {
                replica.missing
                    || !group.nodes.contains_key(&replica.backend)
                    || (tablet.replicas.len() > wanted
                        && !group.nodes.get(&replica.backend).is_some_and(|node| node.alive || node.decommissioned))
            });
            removed.extend(gone.map(|replica| (*id, replica.backend)));
        }
        for (id, backend) in &removed {
            if let Some(tablet) = group.tablets.get_mut(id) {
                tablet.replicas.retain(|replica| replica.backend != *backend);
            }
            if let Some(volume) = group.nodes.get(backend).and_then(|node| node.volume.clone()) {
                self.unstore(&volume, *id);
            }
        }
        !removed.is_empty()
    }

    /// Decommission: when all copies exist elsewhere those on the leaving backend go at once, and 7 s later its row (real-fe.md §11.5).
    fn drain(&mut self, group: &mut Group, limits: &Limits, now: Timestamp) -> bool {
        let leaving: Vec<(u64, Option<Timestamp>, Option<String>)> = group
            .backends()
            .filter(|node| node.decommissioned && node.alive)
            .map(|node| (node.id, node.drained_at, node.volume.clone()))
            .collect();
        let mut changed = false;
        for (node, drained, volume) in leaving {
            if let Some(at) = drained {
                if limits.drop_drained && now.since(at) >= ROW_VANISHES {
                    group.nodes.remove(&node);
                    changed = true;
                }
                continue;
            }
            let held: Vec<u64> = group
                .tablets
                .iter()
                .filter(|(_, tablet)| tablet.replicas.iter().any(|replica| replica.backend == node))
                .map(|(id, _)| *id)
                .collect();
            let safe =
                |id: &u64| group.tablets.get(id).is_some_and(|tablet| standing(group, tablet, limits.tolerance, now) == Standing::Healthy);
            if !held.iter().all(safe) {
                continue;
            }
            for id in held {
                if let Some(tablet) = group.tablets.get_mut(&id) {
                    tablet.replicas.retain(|replica| replica.backend != node);
                }
                if let Some(volume) = &volume {
                    self.unstore(volume, id);
                }
            }
            if let Some(node) = group.nodes.get_mut(&node) {
                node.drained_at = Some(now);
            }
            changed = true;
        }
        changed
    }
}

/// Queues every poor tablet; more than the limit are not queued, so that a limit of 0 still lets one through at a time (real-fe.md §11.4).
fn check(group: &mut Group, limits: &Limits, now: Timestamp) {
    let ids: Vec<u64> = group.tablets.keys().copied().collect();
    for id in ids {
        let Some(tablet) = group.tablets.get(&id) else { continue };
        let wanted = group.tables.get(&tablet.table).map_or(1, |table| table.replication);
        let (status, priority, factor) = match standing(group, tablet, limits.tolerance, now) {
            Standing::Healthy => {
                if group.jobs.get(&id).is_some_and(|job| job.balance_from.is_none()) {
                    group.jobs.remove(&id);
                }
                if let Some(tablet) = group.tablets.get_mut(&id) {
                    tablet.unhealthy_since = None;
                }
                continue;
            }
            Standing::Relocating => ("REPLICA_RELOCATING", "LOW", 3),
            Standing::Missing { left } if 2 * left > wanted => ("REPLICA_MISSING", "NORMAL", 2),
            Standing::Missing { .. } => ("REPLICA_MISSING", "HIGH", 1),
        };
        let Some(tablet) = group.tablets.get_mut(&id) else { continue };
        let since = *tablet.unhealthy_since.get_or_insert(now);
        let throttle = tablet.last_full_clone.filter(|_| status == "REPLICA_MISSING").map(|last| last + limits.full_clone_delay);
        let delayed = since + limits.repair_delay * factor;
        let not_before = throttle.map_or(delayed, |throttle| throttle.max(delayed));
        let queued = u64::try_from(group.jobs.values().filter(|job| job.balance_from.is_none()).count()).unwrap_or(u64::MAX);
        let waiting_for_its_time = limits.max_scheduling == 0 && not_before > now;
        if queued <= limits.max_scheduling && !waiting_for_its_time {
            let error = if throttle.is_some_and(|throttle| throttle > now) { "consecutive full clone needs to delay" } else { "" };
            let entry = group.jobs.entry(id).or_insert_with(|| job(now, status, priority, not_before));
            if entry.balance_from.is_none() {
                entry.status = status;
                entry.priority = priority;
                entry.error = error.to_owned();
            }
        }
    }
}

fn job(now: Timestamp, status: &'static str, priority: &'static str, not_before: Timestamp) -> Job {
    Job {
        balance_from: None,
        created: now,
        not_before,
        running: None,
        source_leaves: None,
        status,
        priority,
        failed: 0,
        error: String::new(),
    }
}

fn holds(group: &Group, tablet: u64, node: u64) -> bool {
    group.tablets.get(&tablet).is_some_and(|tablet| tablet.replicas.iter().any(|replica| replica.backend == node && !replica.missing))
}

/// The emptiest live backend without a copy and with a free slot.
fn destination(group: &Group, tablet: u64, limits: &Limits) -> Option<u64> {
    let busy = |node: u64| {
        u64::try_from(group.jobs.values().filter(|job| job.running.is_some_and(|(to, _)| to == node)).count()).unwrap_or(u64::MAX)
    };
    let load = |node: u64| group.tablets.values().filter(|tablet| tablet.replicas.iter().any(|replica| replica.backend == node)).count();
    let free = group
        .backends()
        .filter(|node| node.alive && !node.decommissioned && !holds(group, tablet, node.id) && busy(node.id) < limits.slots);
    free.map(|node| (load(node.id), node.id)).min().map(|(_, node)| node)
}
