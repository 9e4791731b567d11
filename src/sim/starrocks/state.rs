//! What the simulated StarRocks remembers: frontend groups with their replicated metadata, and what lies on volumes; data only, no behaviour in time.

use std::collections::{BTreeMap, BTreeSet};

use super::version::Release;
use crate::model::Timestamp;
use crate::sim::runtime::ContainerId;

/// Content of one volume.
#[derive(Clone, Debug)]
pub(super) enum Volume {
    Frontend(FrontendVolume),
    Backend(BackendVolume),
}

/// A frontend's metadata directory.
#[derive(Clone, Debug)]
pub(super) struct FrontendVolume {
    pub(super) cluster: u32,
    /// Name under which the frontend is a member (`host_port_millis`).
    pub(super) member: String,
    pub(super) image: Option<Image>,
}

/// A metadata image on one frontend.
#[derive(Clone, Copy, Debug)]
pub(super) struct Image {
    /// Last journal id it contains.
    pub(super) journal: u64,
    /// Release of the frontend that built it.
    pub(super) written_by: Release,
    /// When the file was written on this frontend.
    pub(super) at: Timestamp,
}

/// A backend's storage directory.
#[derive(Clone, Debug, Default)]
pub(super) struct BackendVolume {
    /// The cluster whose frontends wrote their id here first.
    pub(super) cluster: Option<u32>,
    pub(super) tablets: BTreeSet<u64>,
}

/// How a group came to be without its leader.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Loss {
    /// Nobody has led since the processes started.
    Started,
    /// The leader's process ended.
    Died,
    /// The leader's network was cut, nobody told the others.
    Cut,
    /// The leader left in order.
    Left(ContainerId),
}

/// Who leads a group, and since when.
#[derive(Clone, Debug)]
pub(super) enum Leadership {
    /// Nobody, and no majority to elect one.
    Vacant { since: Timestamp, loss: Loss },
    /// Nobody yet; `elected` will.
    Electing { since: Timestamp, loss: Loss, elected: ContainerId },
    /// `leader`; `lost` is when the one before was lost.
    Led { leader: ContainerId, lost: Timestamp, loss: Loss, minority_since: Option<Timestamp> },
}

/// Role of a frontend in its group as it was added.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum MemberRole {
    Follower,
    Observer,
}

/// One row of SHOW FRONTENDS.
#[derive(Clone, Debug)]
pub(super) struct Frontend {
    pub(super) id: u64,
    pub(super) name: String,
    pub(super) host: String,
    pub(super) edit_log_port: u16,
    pub(super) query_port: u16,
    pub(super) rpc_port: u16,
    pub(super) role: MemberRole,
    pub(super) joined: bool,
    pub(super) alive: bool,
    pub(super) replayed: u64,
    pub(super) last_heartbeat: Option<Timestamp>,
    pub(super) error: String,
    pub(super) start_time: Option<Timestamp>,
    pub(super) version: Option<String>,
    /// Heartbeats that failed in a row, in the leader's memory.
    pub(super) failures: u32,
}

/// `StatusCode` of SHOW BACKENDS (real-fe.md §11.1).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum NodeStatus {
    Connecting,
    Ok,
    Shutdown,
    Disconnected,
}

/// One row of SHOW BACKENDS or SHOW COMPUTE NODES.
#[derive(Clone, Debug)]
pub(super) struct Node {
    pub(super) id: u64,
    pub(super) host: String,
    pub(super) port: u16,
    pub(super) compute: bool,
    /// Warehouse of a compute node in shared-data.
    pub(super) warehouse: String,
    /// Ports the node told with its first heartbeat: be, http, brpc, starlet.
    pub(super) ports: Option<[u16; 4]>,
    pub(super) start_time: Option<Timestamp>,
    pub(super) last_heartbeat: Option<Timestamp>,
    /// The heartbeat that was journaled last, which is all that a new leader knows (real-fe.md §11.1).
    pub(super) journaled_heartbeat: Option<Timestamp>,
    pub(super) alive: bool,
    pub(super) decommissioned: bool,
    pub(super) error: String,
    pub(super) version: String,
    pub(super) status: NodeStatus,
    pub(super) failures: u32,
    pub(super) alive_since: Option<Timestamp>,
    /// First tablet report that the present leader received from the present process.
    pub(super) first_report: Option<Timestamp>,
    /// Last moment at which reports still came in, once they stopped.
    pub(super) reports_until: Option<Timestamp>,
    /// The volume its process stores tablets on, once seen.
    pub(super) volume: Option<String>,
    /// When a decommissioned node lost its last tablet.
    pub(super) drained_at: Option<Timestamp>,
}

/// A table: all its tablets are wanted `replication` times.
#[derive(Clone, Debug)]
pub(super) struct Table {
    pub(super) database: String,
    pub(super) name: String,
    pub(super) replication: usize,
}

/// One copy of a tablet in the frontends' books.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Replica {
    pub(super) id: u64,
    pub(super) backend: u64,
    /// The backend's report did not contain it.
    pub(super) missing: bool,
}

/// One tablet.
#[derive(Clone, Debug)]
pub(super) struct Tablet {
    pub(super) table: u64,
    pub(super) replicas: Vec<Replica>,
    /// When the checker first saw it in its present poor state.
    pub(super) unhealthy_since: Option<Timestamp>,
    pub(super) last_full_clone: Option<Timestamp>,
}

/// What the tablet scheduler does with one tablet.
#[derive(Clone, Debug)]
pub(super) struct Job {
    pub(super) balance_from: Option<u64>,
    pub(super) created: Timestamp,
    pub(super) not_before: Timestamp,
    /// Destination and end of the clone, while it runs.
    pub(super) running: Option<(u64, Timestamp)>,
    /// After a balance clone: when the replica at the source goes.
    pub(super) source_leaves: Option<Timestamp>,
    pub(super) status: &'static str,
    pub(super) priority: &'static str,
    pub(super) failed: u32,
    pub(super) error: String,
}

/// A user of the cluster; `cluster_admin` and single privileges is all the detail that is played (real-fe.md §9).
#[derive(Clone, Debug, Default)]
pub(super) struct User {
    pub(super) password: String,
    pub(super) roles: BTreeSet<String>,
    /// Roles are active at login.
    pub(super) default_roles: bool,
    /// Privileges granted on SYSTEM, upper case.
    pub(super) privileges: BTreeSet<String>,
}

/// An image being made (real-fe.md §6).
#[derive(Clone, Debug)]
pub(super) struct Checkpoint {
    pub(super) journal: u64,
    pub(super) worker: ContainerId,
    pub(super) worker_run: u64,
}

/// An operation in the journal that frontends older than `minimum` cannot replay (real-fe.md §10).
#[derive(Clone, Copy, Debug)]
pub(super) struct NewOperation {
    pub(super) journal: u64,
    pub(super) minimum: Release,
}

/// Jobs that only count towards an answer; set from outside by tests and scenarios.
#[derive(Clone, Debug, Default)]
pub(super) struct Activity {
    /// Database name to state of its last backup job.
    pub(super) backups: BTreeMap<String, String>,
    /// `db.job` to state of a routine load.
    pub(super) routine_loads: BTreeMap<String, String>,
    /// `db.job` to the reason of a pause, as far as the leader has not changed since: followers replay the state alone.
    pub(super) pause_reasons: BTreeMap<String, String>,
    /// Database name to number of running schema changes.
    pub(super) schema_changes: BTreeMap<String, u32>,
}

/// One StarRocks cluster: its frontends and everything they replicate.
#[derive(Clone, Debug)]
pub(super) struct Group {
    pub(super) cluster: u32,
    pub(super) namespace: String,
    pub(super) shared_data: bool,
    pub(super) frontends: Vec<Frontend>,
    pub(super) next_frontend: u64,
    pub(super) next_id: u64,
    pub(super) leadership: Leadership,
    /// Grows with every change of leadership; events of an older epoch are void.
    pub(super) epoch: u64,
    pub(super) journal: u64,
    /// Journal id of the last roll.
    pub(super) rolled: u64,
    /// The roll that CREATE IMAGE ordered: when it happens, and the journal id at the order.
    pub(super) ordered_roll: Option<(Timestamp, u64)>,
    /// The journal id when CREATE IMAGE was sent last.
    pub(super) asked: Option<u64>,
    /// Leaders in order: first journal id each wrote, and its release.
    pub(super) writers: Vec<(u64, Release)>,
    pub(super) new_operations: Vec<NewOperation>,
    pub(super) checkpoint: Option<Checkpoint>,
    pub(super) nodes: BTreeMap<u64, Node>,
    /// Warehouses beside `default_warehouse`, by name.
    pub(super) warehouses: BTreeSet<String>,
    pub(super) databases: BTreeMap<u64, String>,
    pub(super) tables: BTreeMap<u64, Table>,
    pub(super) tablets: BTreeMap<u64, Tablet>,
    pub(super) jobs: BTreeMap<u64, Job>,
    /// Finished and cancelled jobs: tablet, status, state.
    pub(super) history: Vec<(u64, &'static str, &'static str)>,
    pub(super) first_backend_alive: Option<Timestamp>,
    pub(super) users: BTreeMap<String, User>,
    pub(super) variables: BTreeMap<String, String>,
    pub(super) catalogs: BTreeSet<String>,
    pub(super) activity: Activity,
    pub(super) quorum_lost_since: Option<Timestamp>,
    pub(super) had_leader: bool,
}

impl Group {
    /// A cluster that was just bootstrapped, without members.
    pub(super) fn new(cluster: u32, namespace: &str, shared_data: bool, now: Timestamp) -> Self {
        let root = User { default_roles: true, roles: BTreeSet::from(["root".to_owned()]), ..User::default() };
        Self {
            cluster,
            namespace: namespace.to_owned(),
            shared_data,
            frontends: Vec::new(),
            next_frontend: 1,
            next_id: 10_002,
            leadership: Leadership::Vacant { since: now, loss: Loss::Started },
            epoch: 0,
            journal: 5,
            rolled: 0,
            ordered_roll: None,
            asked: None,
            writers: Vec::new(),
            new_operations: Vec::new(),
            checkpoint: None,
            nodes: BTreeMap::new(),
            warehouses: BTreeSet::new(),
            databases: BTreeMap::from([(1, "information_schema".to_owned()), (100, "sys".to_owned())]),
            tables: BTreeMap::new(),
            tablets: BTreeMap::new(),
            jobs: BTreeMap::new(),
            history: Vec::new(),
            first_backend_alive: None,
            users: BTreeMap::from([("root".to_owned(), root)]),
            variables: BTreeMap::new(),
            catalogs: BTreeSet::new(),
            activity: Activity::default(),
            quorum_lost_since: None,
            had_leader: false,
        }
    }

    /// A fresh object id.
    pub(super) fn take_id(&mut self) -> u64 {
        self.next_id += 1;
        self.next_id - 1
    }

    /// The leader's container, if somebody leads.
    pub(super) fn leader(&self) -> Option<&ContainerId> {
        match &self.leadership {
            Leadership::Led { leader, .. } => Some(leader),
            Leadership::Vacant { .. } | Leadership::Electing { .. } => None,
        }
    }

    /// Row of the member of that name.
    pub(super) fn frontend(&self, name: &str) -> Option<&Frontend> {
        self.frontends.iter().find(|row| row.name == name)
    }

    /// Row of the member of that name, to change it.
    pub(super) fn frontend_mut(&mut self, name: &str) -> Option<&mut Frontend> {
        self.frontends.iter_mut().find(|row| row.name == name)
    }

    /// How many followers make a majority; followers that never joined do not count (real-fe.md §4: ADD FOLLOWER does not block writes).
    pub(super) fn majority(&self) -> usize {
        self.frontends.iter().filter(|row| row.role == MemberRole::Follower && row.joined).count() / 2 + 1
    }

    /// The newest release among an image's builder and the leaders that wrote journal after it.
    pub(super) fn newest_writer(&self, image: Option<Image>) -> Option<Release> {
        let from = image.map_or(0, |image| image.journal);
        let mut newest = image.map(|image| image.written_by);
        for (index, (_, release)) in self.writers.iter().enumerate() {
            let until = self.writers.get(index + 1).map_or(self.journal, |(next, _)| next.saturating_sub(1));
            if until > from {
                newest = newest.max(Some(*release));
            }
        }
        newest
    }

    /// Nodes that store tablets.
    pub(super) fn backends(&self) -> impl Iterator<Item = &Node> {
        self.nodes.values().filter(|node| !node.compute)
    }
}
