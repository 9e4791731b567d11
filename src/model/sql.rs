//! Every SQL text the operator can send: reads as `Query`, writes as `Statement`; no free strings but the user's own verdict about canaries.

use std::fmt;

use serde::{Deserialize, Serialize};

use super::configuration::names_a_secret;

/// A frontend setting that the operator changes for the time of a rollout (starrocks.md §1.2.8, real-fe.md §6).
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum FrontendSetting {
    /// `tablet_sched_max_scheduling_tablets`: throttles repair, default 10000.
    TabletSchedMaxSchedulingTablets,
    /// `tablet_sched_max_balancing_tablets`: default 500.
    TabletSchedMaxBalancingTablets,
    /// `tablet_sched_disable_balance`: default false.
    TabletSchedDisableBalance,
    /// `tablet_sched_disable_colocate_balance`: default false.
    TabletSchedDisableColocateBalance,
    /// `checkpoint_only_on_leader`: default false; while versions differ an old follower could otherwise write the image.
    CheckpointOnlyOnLeader,
    /// `metadata_ignore_unknown_operation_type` by its alias `ignore_unknown_log_id`, valid on all lines: for downgrades.
    IgnoreUnknownLogId,
    /// `history_job_keep_max_second`: 0 makes a frontend forget finished schema changes, which 3.2 cannot read.
    HistoryJobKeepMaxSecond,
}

impl FrontendSetting {
    /// Every setting that the operator reads back.
    pub const ALL: [Self; 7] = [
        Self::TabletSchedMaxSchedulingTablets,
        Self::TabletSchedMaxBalancingTablets,
        Self::TabletSchedDisableBalance,
        Self::TabletSchedDisableColocateBalance,
        Self::CheckpointOnlyOnLeader,
        Self::IgnoreUnknownLogId,
        Self::HistoryJobKeepMaxSecond,
    ];

    /// The four that stop the tablet scheduler from moving data during a minor or major hop.
    pub const SCHEDULER: [Self; 4] = [
        Self::TabletSchedMaxSchedulingTablets,
        Self::TabletSchedMaxBalancingTablets,
        Self::TabletSchedDisableBalance,
        Self::TabletSchedDisableColocateBalance,
    ];

    /// The name under which it is set and shown.
    pub const fn key(self) -> &'static str {
        match self {
            Self::TabletSchedMaxSchedulingTablets => "tablet_sched_max_scheduling_tablets",
            Self::TabletSchedMaxBalancingTablets => "tablet_sched_max_balancing_tablets",
            Self::TabletSchedDisableBalance => "tablet_sched_disable_balance",
            Self::TabletSchedDisableColocateBalance => "tablet_sched_disable_colocate_balance",
            Self::CheckpointOnlyOnLeader => "checkpoint_only_on_leader",
            Self::IgnoreUnknownLogId => "ignore_unknown_log_id",
            Self::HistoryJobKeepMaxSecond => "history_job_keep_max_second",
        }
    }

    /// The value in force while frozen.
    pub const fn frozen(self) -> &'static str {
        match self {
            Self::TabletSchedMaxSchedulingTablets | Self::TabletSchedMaxBalancingTablets | Self::HistoryJobKeepMaxSecond => "0",
            Self::TabletSchedDisableBalance
            | Self::TabletSchedDisableColocateBalance
            | Self::CheckpointOnlyOnLeader
            | Self::IgnoreUnknownLogId => "true",
        }
    }

    /// The setting called `key`, by its name or an alias.
    pub fn from_key(key: &str) -> Option<Self> {
        match key {
            "max_balancing_tablets" => Some(Self::TabletSchedMaxBalancingTablets),
            "max_scheduling_tablets" => Some(Self::TabletSchedMaxSchedulingTablets),
            "disable_balance" => Some(Self::TabletSchedDisableBalance),
            "disable_colocate_balance" => Some(Self::TabletSchedDisableColocateBalance),
            "metadata_ignore_unknown_operation_type" => Some(Self::IgnoreUnknownLogId),
            _ => Self::ALL.into_iter().find(|setting| setting.key() == key),
        }
    }
}

/// A question to a frontend. Answers are read by column name.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Query {
    /// Version of the frontend asked; needs no backend (real-fe.md §1).
    VersionComment,
    /// The group as the leader sees it; fails during elections.
    ShowFrontends,
    /// The group as the asked frontend sees it; local, works without a leader.
    ShowProcFrontends,
    /// Backends.
    ShowBackends,
    /// Compute nodes.
    ShowComputeNodes,
    /// Warehouses, shared-data only.
    ShowWarehouses,
    /// Tablet health by database.
    ShowStatistic,
    /// Queries that the frontend asked coordinates: local to it, as `ShowProcStmt.NEED_FORWARD_PATH_ROOT` of every release leaves it out.
    ShowCurrentQueries,
    /// The SELECT of a user's own verdict about canaries, which `validate` has found to be a single one.
    CanaryVerdict {
        /// Text.
        select: String,
    },
    /// In-memory settings of the frontend asked, by name pattern.
    ShowFrontendConfig(FrontendSetting),
    /// All in-memory settings of the frontend asked.
    ShowFrontendConfiguration,
    /// Keys of the configuration of every living backend and compute node; needs one of them alive (real-fe.md §1).
    NodeConfiguration {
        /// Keys.
        keys: Vec<String>,
    },
    /// Names of databases.
    ShowDatabases,
    /// Names of tables of one database.
    ShowTables {
        /// Database.
        database: String,
    },
    /// Replicas of one table that are not OK.
    ShowReplicaTrouble {
        /// Database.
        database: String,
        /// Table.
        table: String,
    },
    /// Number of partitions of user tables with one replica; needs a live backend.
    CountSingleReplicaPartitions,
    /// Last backup job of one database.
    ShowBackup {
        /// Database.
        database: String,
    },
    /// Last restore job of one database.
    ShowRestore {
        /// Database.
        database: String,
    },
    /// Unfinished schema changes of one database.
    ShowAlterTable {
        /// Database.
        database: String,
    },
    /// Routine load jobs of one database that have not ended; without a database the frontend refuses (real-fe.md §9).
    ShowRoutineLoad {
        /// Database.
        database: String,
    },
}

/// A change asked of StarRocks.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Statement {
    /// ADMIN SET FRONTEND CONFIG: in memory, on every living frontend.
    SetFrontendConfig {
        /// Which setting.
        setting: FrontendSetting,
        /// New value.
        value: String,
    },
    /// ADMIN SET FRONTEND CONFIG for a key of the user's fe.conf: in memory, on every living frontend.
    ConfigureFrontends {
        /// Key.
        key: String,
        /// New value.
        value: String,
    },
    /// UPDATE information_schema.be_configs for a key of the user's be.conf or cn.conf: in the memory of one node (docs.starrocks.io, BE configuration).
    ConfigureNode {
        /// BackendId or ComputeNodeId.
        id: u64,
        /// Key.
        key: String,
        /// New value.
        value: String,
    },
    /// ALTER SYSTEM CREATE IMAGE: asynchronous, takes 60 to 160 s (real-fe.md §6).
    CreateImage,
    /// ALTER SYSTEM TRANSFER LEADER, never with FORCE: the leader steps down in place within three seconds (StarRocks/starrocks#75125, #75592); not in
    /// shared-data.
    TransferLeader {
        /// Host of a follower, as registered.
        host: String,
        /// BDB port.
        port: u16,
    },
    /// SET GLOBAL, persisted in the metadata.
    SetGlobal {
        /// Variable.
        variable: String,
        /// Value, a literal.
        value: String,
    },
    /// ALTER SYSTEM DROP FOLLOWER: takes 5 s on a live one; the process becomes a zombie.
    DropFollower {
        /// Host as registered.
        host: String,
        /// BDB port.
        port: u16,
    },
    /// ALTER SYSTEM DROP OBSERVER.
    DropObserver {
        /// Host as registered.
        host: String,
        /// BDB port.
        port: u16,
    },
    /// ALTER SYSTEM DECOMMISSION BACKEND: done when the row is gone.
    DecommissionBackend {
        /// Host as registered.
        host: String,
        /// Heartbeat port.
        port: u16,
    },
    /// CANCEL DECOMMISSION BACKEND; a no-op on a backend that stays.
    CancelDecommissionBackend {
        /// Host as registered.
        host: String,
        /// Heartbeat port.
        port: u16,
    },
    /// ALTER SYSTEM DROP COMPUTE NODE: compute nodes hold no data.
    DropComputeNode {
        /// Host as registered.
        host: String,
        /// Heartbeat port.
        port: u16,
        /// Warehouse to name, shared-data only.
        warehouse: Option<String>,
    },
    /// DROP WAREHOUSE: a warehouse holds no data, only compute nodes.
    DropWarehouse {
        /// Name.
        name: String,
    },
    /// RESUME ROUTINE LOAD: asynchronous, the job goes on from the offsets it kept.
    ResumeRoutineLoad {
        /// Database.
        database: String,
        /// Job.
        name: String,
    },
}

impl Query {
    /// The SQL text.
    pub fn sql(&self) -> String {
        match self {
            Self::VersionComment => "SELECT @@version_comment".to_owned(),
            Self::ShowFrontends => "SHOW FRONTENDS".to_owned(),
            Self::ShowProcFrontends => "SHOW PROC '/frontends'".to_owned(),
            Self::ShowBackends => "SHOW BACKENDS".to_owned(),
            Self::ShowComputeNodes => "SHOW COMPUTE NODES".to_owned(),
            Self::ShowWarehouses => "SHOW WAREHOUSES".to_owned(),
            Self::ShowStatistic => "SHOW PROC '/statistic'".to_owned(),
            Self::ShowCurrentQueries => "SHOW PROC '/current_queries'".to_owned(),
            Self::CanaryVerdict { select } => select.clone(),
            Self::ShowFrontendConfig(setting) => format!("ADMIN SHOW FRONTEND CONFIG LIKE {}", quoted(setting.key())),
            Self::ShowFrontendConfiguration => "ADMIN SHOW FRONTEND CONFIG".to_owned(),
            Self::NodeConfiguration { keys } => {
                let keys = keys.iter().map(|key| quoted(key)).collect::<Vec<_>>().join(", ");
                // Columns are read by name: older releases lack some.
                format!("SELECT * FROM information_schema.be_configs WHERE NAME IN ({keys})")
            }
            Self::ShowDatabases => "SHOW DATABASES".to_owned(),
            Self::ShowTables { database } => format!("SHOW TABLES FROM {}", identifier(database)),
            Self::ShowReplicaTrouble { database, table } => {
                format!("ADMIN SHOW REPLICA STATUS FROM {}.{} WHERE STATUS != 'OK'", identifier(database), identifier(table))
            }
            Self::CountSingleReplicaPartitions => {
                // Frontends keep statistics of their own with a single replica where there is a single backend.
                "SELECT COUNT(*) FROM information_schema.partitions_meta WHERE REPLICATION_NUM = 1 AND DB_NAME <> '_statistics_'".to_owned()
            }
            Self::ShowBackup { database } => format!("SHOW BACKUP FROM {}", identifier(database)),
            Self::ShowRestore { database } => format!("SHOW RESTORE FROM {}", identifier(database)),
            Self::ShowAlterTable { database } => format!("SHOW ALTER TABLE COLUMN FROM {}", identifier(database)),
            Self::ShowRoutineLoad { database } => format!("SHOW ROUTINE LOAD FROM {}", identifier(database)),
        }
    }
}

impl Statement {
    /// Whether it sets a key of the user's configuration. Nothing else rests on such a statement.
    pub const fn is_configuration(&self) -> bool {
        matches!(self, Self::ConfigureFrontends { .. } | Self::ConfigureNode { .. })
    }

    /// What StarRocks says of it, without the value where that is a secret: refusals repeat what was written.
    pub fn without_secret(&self, words: &str) -> String {
        let value = match self {
            Self::ConfigureFrontends { key, value } | Self::ConfigureNode { key, value, .. }
                if names_a_secret(key) && !value.is_empty() =>
            {
                value
            }
            _ => return words.to_owned(),
        };
        let written = [double_quoted(value), quoted(value), value.clone()];
        written.iter().fold(words.to_owned(), |words, form| words.replace(form.as_str(), "…"))
    }

    /// The SQL text.
    pub fn sql(&self) -> String {
        match self {
            Self::SetFrontendConfig { setting, value } => {
                format!("ADMIN SET FRONTEND CONFIG ({} = {})", double_quoted(setting.key()), double_quoted(value))
            }
            Self::ConfigureFrontends { key, value } => {
                format!("ADMIN SET FRONTEND CONFIG ({} = {})", double_quoted(key), double_quoted(value))
            }
            Self::ConfigureNode { id, key, value } => {
                format!("UPDATE information_schema.be_configs SET VALUE = {} WHERE NAME = {} AND BE_ID = {id}", quoted(value), quoted(key))
            }
            Self::CreateImage => "ALTER SYSTEM CREATE IMAGE".to_owned(),
            Self::TransferLeader { host, port } => format!("ALTER SYSTEM TRANSFER LEADER TO {}", address(host, *port)),
            Self::SetGlobal { variable, value } => format!("SET GLOBAL {variable} = {value}"),
            Self::DropFollower { host, port } => format!("ALTER SYSTEM DROP FOLLOWER {}", address(host, *port)),
            Self::DropObserver { host, port } => format!("ALTER SYSTEM DROP OBSERVER {}", address(host, *port)),
            Self::DecommissionBackend { host, port } => format!("ALTER SYSTEM DECOMMISSION BACKEND {}", address(host, *port)),
            Self::CancelDecommissionBackend { host, port } => {
                format!("CANCEL DECOMMISSION BACKEND {}", address(host, *port))
            }
            Self::DropComputeNode { host, port, warehouse } => {
                let from = warehouse.as_ref().map(|name| format!(" FROM WAREHOUSE {}", identifier(name))).unwrap_or_default();
                format!("ALTER SYSTEM DROP COMPUTE NODE {}{from}", address(host, *port))
            }
            Self::DropWarehouse { name } => format!("DROP WAREHOUSE {}", identifier(name)),
            Self::ResumeRoutineLoad { database, name } => {
                format!("RESUME ROUTINE LOAD FOR {}.{}", identifier(database), identifier(name))
            }
        }
    }
}

impl fmt::Display for Statement {
    /// The SQL text as people may see it: the value of a key that holds a secret is left out.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let hidden = || "…".to_owned();
        let shown = match self {
            Self::ConfigureFrontends { key, .. } if names_a_secret(key) => Self::ConfigureFrontends { key: key.clone(), value: hidden() },
            Self::ConfigureNode { id, key, .. } if names_a_secret(key) => {
                Self::ConfigureNode { id: *id, key: key.clone(), value: hidden() }
            }
            _ => return formatter.write_str(&self.sql()),
        };
        formatter.write_str(&shown.sql())
    }
}

fn address(host: &str, port: u16) -> String {
    double_quoted(&format!("{host}:{port}"))
}

// One COM_QUERY with `a; b` runs both (real-fe.md §1), so every name from outside is quoted.
fn identifier(name: &str) -> String {
    format!("`{}`", name.replace('`', "``"))
}

fn quoted(text: &str) -> String {
    format!("'{}'", text.replace('\\', "\\\\").replace('\'', "\\'"))
}

fn double_quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hostile_name_cannot_leave_its_quotes() {
        let query = Query::ShowTables { database: "a`; DROP TABLE b; --".to_owned() };
        assert_eq!(query.sql(), "SHOW TABLES FROM `a``; DROP TABLE b; --`");
        let statement = Statement::SetFrontendConfig { setting: FrontendSetting::CheckpointOnlyOnLeader, value: "x\"; y".to_owned() };
        assert_eq!(statement.sql(), r#"ADMIN SET FRONTEND CONFIG ("checkpoint_only_on_leader" = "x\"; y")"#);
    }

    #[test]
    fn a_secret_reaches_starrocks_and_nobody_else() {
        let statement = Statement::ConfigureFrontends { key: "aws_s3_secret_key".to_owned(), value: "s3cr3t".to_owned() };
        assert!(statement.sql().contains("s3cr3t") && !statement.to_string().contains("s3cr3t"));
        let of_ldap = |value: &str| Statement::ConfigureFrontends {
            key: "authentication_ldap_simple_bind_root_pwd".to_owned(),
            value: value.to_owned(),
        };
        assert!(!of_ldap("s3cr3t").to_string().contains("s3cr3t"));
        assert_eq!(of_ldap("s3cr3t").without_secret("cannot set s3cr3t"), "cannot set …");
        assert_eq!(of_ldap("a\"b").without_secret(r#"cannot parse "a\"b""#), "cannot parse …");
        assert_eq!(of_ldap("").without_secret("no value"), "no value");
        let statement = Statement::ConfigureNode { id: 10_003, key: "compact_threads".to_owned(), value: "it's".to_owned() };
        assert_eq!(
            statement.to_string(),
            r"UPDATE information_schema.be_configs SET VALUE = 'it\'s' WHERE NAME = 'compact_threads' AND BE_ID = 10003"
        );
        assert_eq!(statement.without_secret("it's no number"), "it's no number");
    }

    #[test]
    fn a_lead_is_handed_over_to_a_registered_address_and_never_by_force() {
        let statement = Statement::TransferLeader { host: "fe-1\"; x".to_owned(), port: 9010 };
        assert_eq!(statement.sql(), r#"ALTER SYSTEM TRANSFER LEADER TO "fe-1\"; x:9010""#);
    }

    #[test]
    fn statistics_of_the_frontends_are_no_user_tables_with_a_single_replica() {
        assert!(Query::CountSingleReplicaPartitions.sql().contains("DB_NAME <> '_statistics_'"));
    }

    #[test]
    fn settings_are_found_by_name_and_by_alias() {
        for setting in FrontendSetting::ALL {
            assert_eq!(FrontendSetting::from_key(setting.key()), Some(setting));
        }
        assert_eq!(FrontendSetting::from_key("disable_balance"), Some(FrontendSetting::TabletSchedDisableBalance));
    }
}
