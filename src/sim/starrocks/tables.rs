//! Databases, tables and tablets in the frontends' books and on the backends' volumes: created, reported, counted; never repaired here.

use std::collections::BTreeSet;
use std::time::Duration;

use super::process::{Component, Phase};
use super::state::{Group, Node, Replica, Table, Tablet, Volume};
use super::{Event, StarRocks};
use crate::model::Timestamp;

/// The database that the frontends fill for themselves (real-fe.md §11.2).
pub(super) const STATISTICS: &str = "_statistics_";

/// How a tablet stands in the frontends' eyes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Standing {
    Healthy,
    /// Enough copies, but one has to leave its backend.
    Relocating,
    /// Too few copies.
    Missing {
        left: usize,
    },
}

/// How long a dead backend's copies count as healthy, from its last heartbeat; decided when asked (real-fe.md §11.3).
pub(super) fn standing(group: &Group, tablet: &Tablet, tolerance: Duration, now: Timestamp) -> Standing {
    let wanted = group.tables.get(&tablet.table).map_or(1, |table| table.replication);
    let (mut good, mut leaving) = (0, 0);
    for replica in tablet.replicas.iter().filter(|replica| !replica.missing) {
        let Some(node) = group.nodes.get(&replica.backend) else { continue };
        let counts = node.alive || node.last_heartbeat.is_some_and(|seen| now.since(seen) < tolerance);
        match (counts, node.decommissioned) {
            (true, false) => good += 1,
            (true, true) => leaving += 1,
            (false, _) => {}
        }
    }
    if good >= wanted {
        Standing::Healthy
    } else if good + leaving >= wanted {
        Standing::Relocating
    } else {
        Standing::Missing { left: good + leaving }
    }
}

impl StarRocks {
    /// Creates user tables in the cluster of a namespace: `tables` tables of `buckets` tablets, `replication` copies each. Returns `false` without leader or enough backends.
    pub fn seed_tables(&mut self, namespace: &str, database: &str, tables: u32, buckets: u32, replication: usize) -> bool {
        let Some(cluster) =
            self.groups.iter().find(|(_, group)| group.namespace == namespace && group.leader().is_some()).map(|(id, _)| *id)
        else {
            return false;
        };
        (1..=tables).all(|number| self.create_table(cluster, database, &format!("t{number}"), buckets, replication).is_ok())
    }

    /// Creates a database unless it exists.
    pub(super) fn create_database(&mut self, cluster: u32, name: &str) {
        let Some(group) = self.groups.get_mut(&cluster) else { return };
        if !group.databases.values().any(|known| known == name) {
            let id = group.take_id();
            group.databases.insert(id, name.to_owned());
            group.journal += 1;
        }
    }

    /// Creates a table; the error is the frontend's text (real-fe.md §9, §11.2).
    pub(super) fn create_table(
        &mut self,
        cluster: u32,
        database: &str,
        name: &str,
        buckets: u32,
        replication: usize,
    ) -> Result<(), String> {
        self.create_database(cluster, database);
        let Some(group) = self.groups.get_mut(&cluster) else { return Ok(()) };
        if group.tables.values().any(|table| table.database == database && table.name == name) {
            return Err(format!("Getting analyzing error. Detail message: Table '{name}' already exists."));
        }
        if group.shared_data {
            // Tablets lie in the bucket: nothing to place, nothing to repair, never unhealthy (starrocks.md §2.3).
            let table = group.take_id();
            group.tables.insert(table, Table { database: database.to_owned(), name: name.to_owned(), replication: 1 });
            return Ok(());
        }
        let usable: Vec<u64> = group.backends().filter(|node| node.alive && !node.decommissioned).map(|node| node.id).collect();
        if usable.is_empty() {
            return Err("Getting analyzing error. Detail message: Cluster has no available capacity.".to_owned());
        }
        if usable.len() < replication {
            let listed = usable.iter().map(u64::to_string).collect::<Vec<_>>().join(",");
            return Err(format!(
                "Table replication num should be less than or equal to the number of available backends. You can change this default by setting the replication_num table properties. Current available backends: [{listed}], table={name}, replication_num={replication}, default_replication_num=3"
            ));
        }
        let table = group.take_id();
        group.journal += 1;
        group.tables.insert(table, Table { database: database.to_owned(), name: name.to_owned(), replication });
        for bucket in 0..buckets {
            let id = group.take_id();
            let mut replicas = Vec::new();
            for copy in 0..replication {
                let turn = usize::try_from(bucket).unwrap_or(0) + usize::try_from(table % 64).unwrap_or(0) + copy;
                let Some(backend) = usable.get(turn % usable.len()).copied() else { continue };
                let replica = group.take_id();
                replicas.push(Replica { id: replica, backend, missing: false });
            }
            group.tablets.insert(id, Tablet { table, replicas, unhealthy_since: None, last_full_clone: None });
        }
        self.write_tablets(cluster, table);
        self.sample_health();
        Ok(())
    }

    /// Puts a new table's tablets on the volumes of the backends that hold them.
    fn write_tablets(&mut self, cluster: u32, table: u64) {
        let Some(group) = self.groups.get(&cluster) else { return };
        let mut writes: Vec<(String, u64)> = Vec::new();
        for (id, tablet) in group.tablets.iter().filter(|(_, tablet)| tablet.table == table) {
            for replica in &tablet.replicas {
                if let Some(volume) = group.nodes.get(&replica.backend).and_then(|node| node.volume.clone()) {
                    writes.push((volume, *id));
                }
            }
        }
        for (volume, tablet) in writes {
            self.store(&volume, tablet);
        }
    }

    /// A tablet's data lies on a volume.
    pub(super) fn store(&mut self, volume: &str, tablet: u64) {
        if let Some(Volume::Backend(content)) = self.volumes.get_mut(volume) {
            content.tablets.insert(tablet);
        }
    }

    /// A tablet's data is deleted from a volume.
    pub(super) fn unstore(&mut self, volume: &str, tablet: u64) {
        if let Some(Volume::Backend(content)) = self.volumes.get_mut(volume) {
            content.tablets.remove(&tablet);
        }
    }

    /// A backend's first tablet report: tablets it has lost are noted; tablets nobody needs there are deleted (real-fe.md §11.5).
    pub(super) fn tablet_report(&mut self, cluster: u32, node: u64) {
        let now = self.now;
        let Some(mut group) = self.groups.remove(&cluster) else { return };
        let Some(volume) =
            group.nodes.get(&node).filter(|node| node.alive && node.first_report.is_none()).and_then(|node| node.volume.clone())
        else {
            self.groups.insert(cluster, group);
            return;
        };
        let Some(Volume::Backend(content)) = self.volumes.get_mut(&volume) else {
            if let Some(node) = group.nodes.get_mut(&node) {
                node.first_report = Some(now);
            }
            self.groups.insert(cluster, group);
            return;
        };
        content.cluster = content.cluster.or(Some(cluster));
        let held = content.tablets.clone();
        let mut deleted = BTreeSet::new();
        for tablet in &held {
            let Some(entry) = group.tablets.get_mut(tablet) else {
                deleted.insert(*tablet);
                continue;
            };
            if let Some(replica) = entry.replicas.iter_mut().find(|replica| replica.backend == node) {
                replica.missing = false;
                continue;
            }
            // Copies on backends that no longer exist still count: `invalid meta, replica is enough[3-3]`.
            let wanted = group.tables.get(&entry.table).map_or(1, |table| table.replication);
            if entry.replicas.iter().filter(|replica| !replica.missing).count() >= wanted {
                deleted.insert(*tablet);
            } else {
                entry.replicas.push(Replica { id: group.next_id, backend: node, missing: false });
                group.next_id += 1;
            }
        }
        for (id, tablet) in &mut group.tablets {
            for replica in tablet.replicas.iter_mut().filter(|replica| replica.backend == node && !held.contains(id)) {
                replica.missing = true;
            }
        }
        if let Some(Volume::Backend(content)) = self.volumes.get_mut(&volume) {
            content.tablets.retain(|tablet| !deleted.contains(tablet));
        }
        self.audit.deleted_tablets += u64::try_from(deleted.len()).unwrap_or(0);
        if let Some(node) = group.nodes.get_mut(&node) {
            node.first_report = Some(now);
            node.reports_until = None;
        }
        self.groups.insert(cluster, group);
        self.sample_health();
    }

    /// real-fe.md §11.2: 3 tables with 19 tablets and one copy within 30 s, three copies wanted a second later, seven more tables after 3.5 min.
    pub(super) fn create_statistics(&mut self, cluster: u32, stage: u8) {
        let Some(group) = self.groups.get_mut(&cluster) else { return };
        if group.shared_data {
            return;
        }
        let wanted = group.backends().filter(|node| node.alive).count().clamp(1, 3);
        match stage {
            0 => {
                for (name, buckets) in [("column_statistics", 9), ("table_statistic_v1", 5), ("histogram_statistics", 5)] {
                    // Without a live backend the frontend tries again later.
                    let _ = self.create_table(cluster, STATISTICS, name, buckets, 1);
                }
                let created =
                    self.groups.get(&cluster).is_some_and(|group| group.tables.values().any(|table| table.database == STATISTICS));
                if !created {
                    return self.schedule(self.now + Duration::from_secs(30), Event::Statistics(cluster, 0));
                }
                self.schedule(self.now + Duration::from_secs(1), Event::Statistics(cluster, 1));
                self.schedule(self.now + Duration::from_secs(190), Event::Statistics(cluster, 2));
            }
            1 => {
                for table in group.tables.values_mut().filter(|table| table.database == STATISTICS) {
                    table.replication = table.replication.max(wanted);
                }
                if wanted < 3 {
                    self.schedule(self.now + Duration::from_secs(30), Event::Statistics(cluster, 1));
                }
            }
            _ => {
                for number in 1..=7 {
                    let _ = self.create_table(cluster, STATISTICS, &format!("own_statistics_{number}"), 3, wanted);
                }
            }
        }
    }

    /// When reports of a node came in last, as its Status cell tells; reports come every 10 s.
    pub(super) fn last_report(&self, node: &Node) -> Option<Timestamp> {
        let first = node.first_report?;
        let until = node.reports_until.unwrap_or(self.now);
        let rounds = until.since(first).as_secs() / 10;
        Some(first + Duration::from_secs(rounds * 10))
    }

    /// How many copies of a tablet can be read right now: on volumes of serving, reachable backends; the frontends' opinion does not matter.
    pub(super) fn live_copies(&self, serving: &BTreeSet<&str>, group: &Group, id: u64, tablet: &Tablet) -> usize {
        let holds = |replica: &&Replica| {
            let volume = group.nodes.get(&replica.backend).and_then(|node| node.volume.as_deref());
            volume.is_some_and(|volume| {
                serving.contains(volume)
                    && matches!(self.volumes.get(volume), Some(Volume::Backend(content)) if content.tablets.contains(&id))
            })
        };
        tablet.replicas.iter().filter(holds).count()
    }

    /// Volumes of backends that answer right now.
    pub(super) fn serving_volumes(&self) -> BTreeSet<&str> {
        let backends = self.processes.values().filter(|process| process.component == Component::Backend);
        backends
            .filter(|process| process.phase == Phase::Serving && process.serving_since.is_some() && !self.faults.is_cut(process))
            .map(|process| process.volume.as_str())
            .collect()
    }
}
