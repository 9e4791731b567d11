//! What StarRocks nodes report about themselves and each other, one type per answer; times are already corrected to UTC.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use super::{Answer, Timestamp};

/// Role of a frontend in its group. While an election is on, no row says `Leader`: a normal state of about a second (real-fe.md §3).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum FrontendRole {
    /// Writes the journal.
    Leader,
    /// Votes.
    Follower,
    /// Does not vote.
    Observer,
    /// In transition or cut off.
    Unknown,
}

/// One row of SHOW FRONTENDS.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontendRow {
    /// Host name (FQDN mode) or address.
    pub host: String,
    /// BDB port.
    pub edit_log_port: u16,
    /// MySQL port; 0 until the frontend was seen for the first time.
    pub query_port: u16,
    /// Role as the answering frontend sees it.
    pub role: FrontendRole,
    /// Whether the frontend joined the BDB group.
    pub join: bool,
    /// Up to 16 s stale after a death and persisted across restarts (real-fe.md §2): never enough by itself.
    pub alive: bool,
    /// Last journal id known to be replayed there.
    pub replayed_journal_id: u64,
    /// Last successful heartbeat.
    pub last_heartbeat: Option<Timestamp>,
    /// Start of the process, `None` when dead or unknown.
    pub start_time: Option<Timestamp>,
    /// Why the last heartbeat failed; empty when it did not.
    pub error: String,
    /// `VERSION-COMMIT` as reported at the last heartbeat; empty when never seen.
    pub version: String,
}

/// One row of SHOW BACKENDS or SHOW COMPUTE NODES.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct BackendRow {
    /// BackendId or ComputeNodeId.
    pub id: u64,
    /// Host name (FQDN mode) or address.
    pub host: String,
    /// Port under which the node is registered.
    pub heartbeat_port: u16,
    /// Up to 18 s stale (real-fe.md §11.1).
    pub alive: bool,
    /// Whether the node is being decommissioned.
    pub decommissioning: bool,
    /// Start of the process as the node told it: the only proof of a fast restart.
    pub last_start_time: Option<Timestamp>,
    /// Last successful heartbeat.
    pub last_heartbeat: Option<Timestamp>,
    /// Tablets by the frontend's own metadata; absent for compute nodes of a shared-nothing cluster.
    pub tablet_count: Option<u64>,
    /// Last full tablet report after the start; `None` until the first.
    pub last_tablet_report: Option<Timestamp>,
    /// Used share of the fullest disk, in hundredths of a percent (8,512 is 85.12 %).
    pub max_disk_used_basis_points: Option<u32>,
    /// Queries and loads that run on the node, by its own last report to the leader, a second or so old (`NumRunningQueries`).
    #[serde(default)]
    pub running_queries: Option<u64>,
    /// `VERSION-COMMIT`; empty when never seen.
    pub version: String,
    /// `OK`, `CONNECTING`, `SHUTDOWN`, `DISCONNECTED`; empty before 3.4.
    pub status_code: String,
    /// Why the last heartbeat failed.
    pub error: String,
    /// Warehouse the compute node belongs to (shared-data only).
    pub warehouse: Option<String>,
}

/// The total of SHOW PROC '/statistic' over user databases and over all databases.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TabletStatistic {
    /// Tablets in user databases.
    pub tablets: u64,
    /// Unhealthy tablets in user databases; blind for 900 s after a backend died (real-fe.md §11.3).
    pub unhealthy: u64,
    /// Inconsistent tablets in user databases.
    pub inconsistent: u64,
    /// Clone tasks in user databases; above zero also while balancing.
    pub cloning: u64,
    /// Unhealthy tablets including StarRocks' own statistics tables.
    pub unhealthy_with_system: u64,
}

/// Replicas of user tables that are not OK, by ADMIN SHOW REPLICA STATUS.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct ReplicaTrouble {
    /// Replicas DEAD, MISSING, VERSION_ERROR or SCHEMA_ERROR.
    pub troubled: u64,
    /// One of the tables, for the message.
    pub example: Option<String>,
}

/// One row of SHOW ROUTINE LOAD.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct RoutineLoad {
    /// Database.
    pub database: String,
    /// Job, unique among the jobs of a database that have not ended.
    pub name: String,
    /// Whether it loads.
    pub state: RoutineLoadState,
}

/// State of a routine load job (starrocks.md §8).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum RoutineLoadState {
    /// NEED_SCHEDULE, RUNNING, or UNSTABLE (from 3.3 on): it loads, or will as soon as it is scheduled.
    Active,
    /// PAUSED, by StarRocks or by somebody whom the frontends have forgotten: a follower replays the state without the reason, so that a new leader
    /// shows none (`RoutineLoadMgr.replayChangeRoutineLoadJob`).
    Paused,
    /// PAUSED by a user, says its reason: `ErrorReason{errCode = 100, msg='User root pauses routine load job'}`, where 100 is `MANUAL_PAUSE_ERR`
    /// (`RoutineLoadMgr.pauseRoutineLoadJob`, `InternalErrorCode`).
    PausedByUser,
    /// STOPPED or CANCELLED, which is final.
    Ended,
    /// A word that no known release uses.
    Unknown,
}

/// Answer of `/api/show_meta_info?action=SHOW_HA` of one frontend.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Availability {
    /// Role by its own account; a leaving leader keeps saying LEADER for two seconds.
    pub role: FrontendRole,
    /// Newest journal id.
    pub current_journal_id: u64,
    /// Journal id of the newest image.
    pub last_checkpoint_version: u64,
}

/// What one frontend, asked on its own address, says of itself.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct FrontendReport {
    /// `SELECT @@version_comment`: `VERSION-COMMIT` of the process asked.
    pub version: Answer<String>,
    /// `/api/bootstrap`: whether it serves. OK even without majority and on a dropped frontend.
    pub serving: Answer<bool>,
    /// In-memory values of the settings the operator cares for; lost at its restart.
    pub settings: Answer<BTreeMap<String, String>>,
    /// Journal and image positions; asked only while an image is awaited.
    pub availability: Answer<Availability>,
    /// Queries that this frontend coordinates; asked only while its restart waits for them.
    #[serde(default)]
    pub queries: Answer<u64>,
}

/// What the group says through whichever frontend answered first; forwarded to the leader by StarRocks.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct GroupReport {
    /// Pod of the frontend that was asked.
    pub asked: Option<String>,
    /// SHOW FRONTENDS.
    pub frontends: Answer<Vec<FrontendRow>>,
    /// SHOW BACKENDS.
    pub backends: Answer<Vec<BackendRow>>,
    /// SHOW COMPUTE NODES.
    pub compute_nodes: Answer<Vec<BackendRow>>,
    /// SHOW PROC '/statistic'.
    pub statistic: Answer<TabletStatistic>,
    /// ADMIN SHOW REPLICA STATUS over user tables; asked only while nodes are being restarted.
    pub replicas: Answer<ReplicaTrouble>,
    /// User tables whose partitions have a single replica; asked before a rollout.
    pub single_replica_tables: Answer<u64>,
    /// Backup, restore and schema change jobs that run now; asked before an upgrade.
    pub running_jobs: Answer<Vec<String>>,
    /// Schema changes that the frontends remember, ended ones included; asked with the running jobs.
    #[serde(default)]
    pub schema_changes: Answer<u64>,
    /// Routine load jobs that have not ended; asked before the first node of a hop and after its last.
    pub routine_loads: Answer<Vec<RoutineLoad>>,
    /// Journal entries since the last image, by `/metrics` of the leader; asked before the first node of a hop.
    pub journal_since_image: Answer<u64>,
}
