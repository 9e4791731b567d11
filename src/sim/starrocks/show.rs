//! SHOW statements: rows as the release of the frontend asked prints them (real-fe.md §2, §7, §9, §11.1).

use super::access::{Forward, Session, barred_rows, cells, failed, rows};
use super::parameters;
use super::process::Process;
use super::state::{Frontend, Group, Leadership, Loss, MemberRole, Node, NodeStatus};
use super::statements::{empty, no_database, unknown_database};
use super::text::Cursor;
use super::users::Privilege;
use super::{SqlReply, StarRocks};
use crate::model::Timestamp;

type Row = Vec<Option<String>>;

const FRONTENDS: &str = "Name|IP|EditLogPort|HttpPort|QueryPort|RpcPort|Role|ClusterId|Join|Alive|ReplayedJournalId|LastHeartbeat|IsHelper|ErrMsg|StartTime|Version";
const ROUTINE_LOAD: &str = "Id|Name|CreateTime|PauseTime|EndTime|DbName|TableName|State|DataSourceType|CurrentTaskNum|JobProperties|DataSourceProperties|CustomProperties|Statistic|Progress|TimestampProgress|ReasonOfStateChanged|ErrorLogUrls|TrackingSQL|OtherMsg|LatestSourcePosition|OffsetLag";
const BACKUP: &str = "JobId|SnapshotName|DbName|State|BackupObjs|CreateTime|SnapshotFinishedTime|UploadFinishedTime|FinishedTime|UnfinishedTasks|Progress|TaskErrMsg|Status|Timeout";
const RESTORE: &str = "JobId|Label|Timestamp|DbName|State|AllowLoad|ReplicationNum|RestoreObjs|CreateTime|MetaPreparedTime|SnapshotFinishedTime|DownloadFinishedTime|FinishedTime|UnfinishedTasks|Progress|TaskErrMsg|Status|Timeout";

fn time(moment: Option<Timestamp>) -> Option<String> {
    moment.map(Timestamp::to_frontend_time)
}

impl StarRocks {
    pub(super) fn show(&mut self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        if cursor.eat("frontends") {
            self.need(session, Privilege::OperateOrNode)?;
            self.reach_leader(session, Forward::Read)?;
            return Ok(self.frontends(session, false));
        }
        let compute = cursor.eat("compute nodes");
        if compute || cursor.eat("backends") {
            self.need(session, Privilege::OperateOrNode)?;
            self.reach_leader(session, Forward::Read)?;
            return Ok(self.nodes(session, compute));
        }
        if cursor.eat("proc") {
            self.need(session, Privilege::Operate)?;
            let path = cursor.text().unwrap_or_default();
            return self.show_proc(session, &path);
        }
        if cursor.eat("global variables") || cursor.eat("variables") || cursor.eat("session variables") {
            let pattern = if cursor.eat("like") { cursor.text() } else { None };
            return Ok(self.variables(session, pattern.as_deref()));
        }
        if let Some(reply) = self.show_jobs(session, cursor) {
            return reply;
        }
        self.show_objects(session, cursor)
    }

    /// Schema changes that run, as SHOW ALTER TABLE COLUMN lists them; columns by the documentation of that statement, not measured.
    fn alter_jobs(&self, session: &Session, database: &str) -> SqlReply {
        const COLUMNS: &str =
            "JobId|TableName|CreateTime|FinishTime|IndexName|IndexId|OriginIndexId|SchemaVersion|TransactionId|State|Msg|Progress|Timeout";
        let running = self.groups.get(&session.cluster).and_then(|group| group.activity.schema_changes.get(database)).copied().unwrap_or(0);
        let lines = (1..=running).map(|number| {
            let number = number.to_string();
            [number.as_str(), "t1", "", "", "t1", "1", "1", "1:1", "1", "RUNNING", "", "0/1", "86400"]
                .map(|cell| Some(cell.to_owned()))
                .to_vec()
        });
        rows(&COLUMNS.split('|').collect::<Vec<_>>(), lines.collect())
    }

    /// Backups, schema changes, restores, routine loads, pipes.
    fn show_jobs(&self, session: &Session, cursor: &mut Cursor) -> Option<Result<SqlReply, SqlReply>> {
        let group = self.groups.get(&session.cluster)?;
        let restore = cursor.eat("restore");
        if restore || cursor.eat("backup") {
            if let Some(name) = cursor.eat("from").then(|| cursor.name().unwrap_or_default()) {
                if !group.databases.values().any(|known| *known == name) {
                    return Some(Err(unknown_database(&name)));
                }
                if let Some(state) = group.activity.backups.get(&name).filter(|_| !restore) {
                    let mut line = vec![Some(String::new()); 14];
                    for (at, text) in [(0, "1"), (1, "s1"), (2, name.as_str()), (3, state.as_str()), (13, "86400")] {
                        if let Some(cell) = line.get_mut(at) {
                            *cell = Some(text.to_owned());
                        }
                    }
                    return Some(Ok(rows(&BACKUP.split('|').collect::<Vec<_>>(), vec![line])));
                }
            }
            return Some(self.reach_leader(session, Forward::Read).map(|()| empty(if restore { RESTORE } else { BACKUP })));
        }
        if cursor.eat("alter table column") || cursor.eat("alter table rollup") || cursor.eat("alter materialized view") {
            let name = if cursor.eat("from") { cursor.name().unwrap_or_default() } else { session.database.clone().unwrap_or_default() };
            if !group.databases.values().any(|known| *known == name) {
                return Some(Err(unknown_database(&name)));
            }
            return Some(Ok(self.alter_jobs(session, &name)));
        }
        let with_ended = cursor.eat("all routine load");
        if with_ended || cursor.eat("routine load") {
            let mut database = session.database.clone();
            if cursor.eat("for") {
                let name = cursor.name().unwrap_or_default();
                let (from, job) = name.split_once('.').unwrap_or(("", &name));
                if !group.activity.routine_loads.contains_key(&name) {
                    return Some(Err(failed(
                        1064,
                        format!(
                            "Getting analyzing error. Detail message: There is no running job named {job} in db {from}. Include history? false, you can try `show all routine load job for job_name` if you want to list stopped and cancelled jobs."
                        ),
                    )));
                }
                database = Some(from.to_owned());
            } else if cursor.eat("from") {
                database = cursor.name();
            }
            let Some(database) = database else { return Some(Err(no_database())) };
            if !group.databases.values().any(|known| *known == database) {
                return Some(Err(failed(
                    1064,
                    format!("Getting analyzing error. Detail message: failed to find database by dbFullName {database}."),
                )));
            }
            return Some(self.reach_leader(session, Forward::Read).map(|()| routine_loads(group, &database, with_ended)));
        }
        if cursor.eat("pipes") {
            return Some(Ok(empty("DATABASE_NAME|PIPE_ID|PIPE_NAME|STATE|TABLE_NAME|LOAD_STATUS|LAST_ERROR|CREATED_TIME")));
        }
        if cursor.eat("running queries") {
            return Some(Ok(empty(
                "QueryId|WarehouseId|ResourceGroupId|StartTime|PendingTimeout|QueryTimeout|State|Slots|Fragments|DOP|Frontend|FeStartTime",
            )));
        }
        None
    }

    fn show_objects(&self, session: &Session, cursor: &mut Cursor) -> Result<SqlReply, SqlReply> {
        let Some(group) = self.groups.get(&session.cluster) else { return Err(SqlReply::Refused) };
        let one = |column: &str, names: Vec<String>| rows(&[column], names.into_iter().map(|name| vec![Some(name)]).collect());
        if cursor.eat("databases") {
            let mut names: Vec<String> = group.databases.values().cloned().collect();
            names.sort();
            return Ok(one("Database", names));
        }
        if cursor.eat("tables") {
            let database =
                if cursor.eat("from") || cursor.eat("in") { cursor.name() } else { session.database.clone() }.ok_or_else(no_database)?;
            let names = group.tables.values().filter(|table| table.database == database).map(|table| table.name.clone()).collect();
            return Ok(one(&format!("Tables_in_{database}"), names));
        }
        if cursor.eat("users") {
            self.need(session, Privilege::Grant)?;
            return Ok(one("User", group.users.keys().map(|name| format!("'{name}'@'%'")).collect()));
        }
        if cursor.eat("catalogs") {
            let mut lines: Vec<Row> = group.catalogs.iter().map(|name| vec![Some(name.clone()), Some("Hive".to_owned()), None]).collect();
            lines.push(cells(["default_catalog", "Internal", "An internal catalog contains this cluster's self-managed tables."]));
            return Ok(rows(&["Catalog", "Type", "Comment"], lines));
        }
        if cursor.eat("repositories") {
            return Ok(empty("RepoId|RepoName|CreateTime|IsReadOnly|Location|Broker|ErrMsg"));
        }
        if cursor.eat("snapshot on") {
            let name = cursor.name().unwrap_or_default();
            return Err(failed(5064, format!("Getting analyzing error. Detail message: Repository [{name}] does not exist.")));
        }
        if cursor.eat("backend blacklist") {
            return Ok(empty("BackendId|AddBlackListType|LostConnectionTime|LostConnectionNumberInPeriod|CheckTimePeriod(s)"));
        }
        if cursor.eat("storage volumes") {
            return Ok(empty("Storage Volume"));
        }
        if cursor.eat("warehouses") {
            return if group.shared_data {
                Ok(rows(&super::warehouses::COLUMNS, super::warehouses::lines(group)))
            } else {
                Err(failed(5907, "unsupported statement in shared_nothing mode"))
            };
        }
        Err(failed(1064, Cursor::new(&format!("show {}", cursor.peek().map_or("", |token| token.text.as_str()))).not_viable()))
    }

    /// SHOW FRONTENDS, or this frontend's own view of it without a leader.
    pub(super) fn frontends(&self, session: &Session, local: bool) -> SqlReply {
        let (Some(process), Some(group)) = (self.session_process(session), self.groups.get(&session.cluster)) else {
            return SqlReply::Refused;
        };
        let with_id = process.release.at_least(3, 5, 0);
        let columns = format!("{}{FRONTENDS}", if with_id { "Id|" } else { "" });
        let leading = group.leader().and_then(|leader| self.processes.get(leader)).map(|leader| leader.member.as_str());
        let handing_over = matches!(&group.leadership, Leadership::Electing { loss: Loss::Left(_), .. });
        let lone = local && group.leader().is_none();
        // Rows come in no order of Id: the first one is last (recording three35).
        let mut order: Vec<&Frontend> = group.frontends.iter().collect();
        if order.len() > 1 {
            order.rotate_left(1);
        }
        let lines = order.into_iter().map(|row| {
            let leads = leading == Some(row.name.as_str());
            let role = if leads {
                "LEADER"
            } else if row.role == MemberRole::Observer {
                "OBSERVER"
            } else {
                "FOLLOWER"
            };
            let joined = row.joined && (handing_over || !lone);
            let start = if leads { time(row.start_time) } else { Some(time(row.start_time).unwrap_or_else(|| "NULL".to_owned())) };
            let mut line = vec![
                Some(row.name.clone()),
                Some(row.host.clone()),
                Some(row.edit_log_port.to_string()),
                Some(process.ports.http.to_string()),
                Some(row.query_port.to_string()),
                Some(row.rpc_port.to_string()),
                Some(role.to_owned()),
                Some(group.cluster.to_string()),
                Some(joined.to_string()),
                Some(row.alive.to_string()),
                Some(row.replayed.to_string()),
                time(row.last_heartbeat),
                Some((row.role == MemberRole::Follower).to_string()),
                Some(row.error.clone()),
                start,
                Some(row.version.clone().unwrap_or_else(|| "NULL".to_owned())),
            ];
            if with_id {
                line.insert(0, Some(row.id.to_string()));
            }
            line
        });
        barred_rows(&columns, lines.collect())
    }

    /// SHOW BACKENDS or SHOW COMPUTE NODES.
    pub(super) fn nodes(&self, session: &Session, compute: bool) -> SqlReply {
        let (Some(process), Some(group)) = (self.session_process(session), self.groups.get(&session.cluster)) else {
            return SqlReply::Refused;
        };
        let mut columns: Vec<&'static str> = Vec::new();
        let mut lines: Vec<Row> = Vec::new();
        let shown: Vec<Option<&Node>> = group.nodes.values().filter(|node| node.compute == compute).map(Some).chain([None]).collect();
        // The last, empty one only gives the column names.
        for node in shown {
            let pairs = self.node_cells(process, group, node, compute);
            columns = pairs.iter().map(|(name, _)| *name).collect();
            if node.is_some() {
                lines.push(pairs.into_iter().map(|(_, cell)| cell).collect());
            }
        }
        rows(&columns, lines)
    }

    fn node_cells(&self, process: &Process, group: &Group, node: Option<&Node>, compute: bool) -> Vec<(&'static str, Option<String>)> {
        let release = process.release;
        let text = |of: &dyn Fn(&Node) -> String| Some(node.map(of).unwrap_or_default());
        let port =
            |at: usize| text(&|node| node.ports.and_then(|ports| ports.get(at).copied()).map_or("-1".to_owned(), |port| port.to_string()));
        let known = |seen: &'static str, unseen: &'static str| text(&|node| if node.ports.is_some() { seen } else { unseen }.to_owned());
        let tablets = node.map_or(0, |node| {
            group.tablets.values().filter(|tablet| tablet.replicas.iter().any(|replica| replica.backend == node.id)).count()
        });
        let full = node.is_some_and(|node| self.disk_full(&node.host));
        let mut cells = vec![
            (if compute { "ComputeNodeId" } else { "BackendId" }, text(&|node| node.id.to_string())),
            ("IP", text(&|node| node.host.clone())),
            ("HeartbeatPort", text(&|node| node.port.to_string())),
            ("BePort", port(0)),
            ("HttpPort", port(1)),
            ("BrpcPort", port(2)),
            ("LastStartTime", node.and_then(|node| time(node.start_time))),
            ("LastHeartbeat", node.and_then(|node| time(node.last_heartbeat))),
            ("Alive", text(&|node| node.alive.to_string())),
            ("SystemDecommissioned", text(&|node| node.decommissioned.to_string())),
            ("ClusterDecommissioned", Some("false".to_owned())),
        ];
        if !compute {
            let used = tablets * 10;
            cells.extend([
                ("TabletNum", Some(tablets.to_string())),
                ("DataUsedCapacity", Some(if used == 0 { "0.000 B".to_owned() } else { format!("{used}.000 MB") })),
                ("AvailCapacity", if full { Some("1.000 GB".to_owned()) } else { known("94.980 GB", "1.000 B") }),
                ("TotalCapacity", known("100.000 GB", "0.000 B")),
                ("UsedPct", if full { Some("99.00 %".to_owned()) } else { known("5.02 %", "0.00 %") }),
                ("MaxDiskUsedPct", if full { Some("99.00 %".to_owned()) } else { known("5.02 %", "0.00 %") }),
            ]);
        }
        cells.extend([("ErrMsg", text(&|node| node.error.clone())), ("Version", text(&|node| node.version.clone()))]);
        if !compute {
            let report = text(&|node| {
                format!("{{\"lastSuccessReportTabletsTime\":\"{}\"}}", time(self.last_report(node)).unwrap_or_else(|| "N/A".to_owned()))
            });
            cells.extend([
                ("Status", report),
                ("DataTotalCapacity", known("95.000 GB", "0.000 B")),
                ("DataUsedPct", known("0.02 %", "0.00 %")),
            ]);
        }
        cells.push(("CpuCores", known("4", "0")));
        if release.at_least(3, 3, 0) {
            cells.push(("MemLimit", known("8.000GB", "0.000B")));
        }
        cells.extend([
            ("NumRunningQueries", Some(self.queries_of(node).to_string())),
            ("MemUsedPct", Some("0.00 %".to_owned())),
            ("CpuUsedPct", Some("0.0 %".to_owned())),
            ("DataCacheMetrics", Some("N/A".to_owned())),
            if compute { ("HasStoragePath", Some("false".to_owned())) } else { ("Location", Some(String::new())) },
        ]);
        if release.at_least(3, 4, 0) {
            cells.push(("StatusCode", text(&|node| status_code(node.status).to_owned())));
        }
        if group.shared_data {
            let starlet = text(&|node| node.ports.map_or("0".to_owned(), |ports| ports[3].to_string()));
            let worker = text(&|node| if node.alive { node.id.to_string() } else { "-1".to_owned() });
            cells.extend([("StarletPort", starlet), ("WorkerId", worker), ("WarehouseName", text(&|node| node.warehouse.clone()))]);
            if compute {
                cells.push(("TabletNum", Some("0".to_owned())));
            }
        }
        cells
    }

    fn queries_of(&self, node: Option<&Node>) -> u32 {
        node.and_then(|node| self.node_process(node)).map_or(0, |(_, process)| self.faults.queries_on(process))
    }

    fn variables(&self, session: &Session, pattern: Option<&str>) -> SqlReply {
        let (Some(process), Some(group)) = (self.session_process(session), self.groups.get(&session.cluster)) else {
            return SqlReply::Refused;
        };
        let mut all = group.variables.clone();
        for (name, value) in [
            ("cbo_enable_low_cardinality_optimize", "true"),
            ("enable_rewrite_simple_agg_to_meta_scan", "false"),
            ("query_timeout", "300"),
            ("wait_timeout", "28800"),
        ] {
            all.entry(name.to_owned()).or_insert_with(|| value.to_owned());
        }
        // starrocks.md §10: the protocol version changed with 3.4.
        all.insert("version".to_owned(), if process.release.at_least(3, 4, 0) { "8.0.33" } else { "5.1.0" }.to_owned());
        all.insert("version_comment".to_owned(), process.release.reported());
        let shown = all.into_iter().filter(|(name, _)| pattern.is_none_or(|pattern| parameters::like(pattern, name)));
        rows(&["Variable_name", "Value"], shown.map(|(name, value)| vec![Some(name), Some(value)]).collect())
    }
}

fn routine_loads(group: &Group, database: &str, with_ended: bool) -> SqlReply {
    let columns: Vec<&str> = ROUTINE_LOAD.split('|').collect();
    let jobs = group
        .activity
        .routine_loads
        .iter()
        .filter(|(_, state)| with_ended || !matches!(state.as_str(), "STOPPED" | "CANCELLED"))
        .filter_map(|(name, state)| Some((name, name.split_once('.').filter(|(from, _)| *from == database)?.1, state)));
    let lines = jobs.enumerate().map(|(number, (name, job, state))| {
        columns
            .iter()
            .map(|column| {
                Some(match *column {
                    "Id" => (11_000 + number).to_string(),
                    "Name" => job.to_owned(),
                    "DbName" => database.to_owned(),
                    "State" => state.clone(),
                    "ReasonOfStateChanged" if state == "PAUSED" => group.activity.pause_reasons.get(name).cloned().unwrap_or_default(),
                    "DataSourceType" => "KAFKA".to_owned(),
                    _ => String::new(),
                })
            })
            .collect()
    });
    rows(&columns, lines.collect())
}

fn status_code(status: NodeStatus) -> &'static str {
    match status {
        NodeStatus::Connecting => "CONNECTING",
        NodeStatus::Ok => "OK",
        NodeStatus::Shutdown => "SHUTDOWN",
        NodeStatus::Disconnected => "DISCONNECTED",
    }
}
