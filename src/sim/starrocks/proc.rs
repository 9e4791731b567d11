//! SHOW PROC: the small tree of internal tables (real-fe.md §7); local to the frontend asked except where it says otherwise.

use super::access::{Forward, Session, barred, barred_rows, cells, failed, rows};
use super::statements::empty;
use super::tables::{Standing, standing};
use super::{SqlReply, StarRocks};

const TABLET_COLUMNS: &str = "TabletId|Type|Medium|Status|State|OrigPrio|DynmPrio|SrcBe|SrcPath|DestBe|DestPath|Timeout|Create|LstSched|LstVisit|Finished|Rate|FailedSched|FailedRunning|LstAdjPrio|VisibleVer|VisibleVerHash|CmtVer|CmtVerHash|ErrMsg";
const QUERY_COLUMNS: &str = "StartTime|feIp|QueryId|ConnectionId|Database|User|ScanBytes|ScanRows|MemoryUsage|DiskSpillSize|CPUTime|ExecTime|ExecProgress|Warehouse|CustomQueryId|ResourceGroup";
const ROOT: [&str; 24] = [
    "brokers",
    "frontends",
    "routine_loads",
    "catalog",
    "colocation_group",
    "cluster_balance",
    "load_error_hub",
    "meta_recovery",
    "global_current_queries",
    "tasks",
    "compute_nodes",
    "statistic",
    "jobs",
    "warehouses",
    "resources",
    "monitor",
    "transactions",
    "backends",
    "current_queries",
    "stream_loads",
    "replications",
    "dbs",
    "current_backend_instances",
    "compactions",
];

impl StarRocks {
    pub(super) fn show_proc(&self, session: &Session, path: &str) -> Result<SqlReply, SqlReply> {
        let trimmed = path.trim_matches('/');
        let parts: Vec<&str> = trimmed.split('/').collect();
        let newer = self.session_process(session).is_some_and(|process| process.release.at_least(4, 0, 0));
        // real-fe.md §2: only these ask the leader.
        if matches!(parts.first(), Some(&"cluster_balance" | &"routine_loads" | &"transactions" | &"compactions" | &"replications")) {
            self.reach_leader(session, Forward::Read)?;
        }
        match parts.as_slice() {
            [""] => {
                Ok(rows(&["name"], ROOT.iter().copied().chain(newer.then_some("historical_nodes")).map(|name| cells([name])).collect()))
            }
            ["frontends"] => Ok(self.frontends(session, true)),
            ["backends"] => Ok(self.nodes(session, false)),
            ["compute_nodes"] => Ok(self.nodes(session, true)),
            ["statistic"] => Ok(self.statistic(session)),
            ["cluster_balance"] => Ok(self.cluster_balance(session)),
            ["cluster_balance", list @ ("pending_tablets" | "running_tablets" | "history_tablets" | "all_tablets")] => {
                Ok(self.scheduled_tablets(session, list))
            }
            ["cluster_balance", "working_slots"] => Ok(empty("BeId|PathHash|AvailSlots|TotalSlots|AvgRate")),
            ["cluster_balance", "sched_stat"] => Ok(empty("Item|Value")),
            ["cluster_balance", "priority_repair"] => Ok(empty("Database|Table|Partition|RemainingTimeMs")),
            ["cluster_balance", "cluster_load_stat"] => Ok(rows(&["StorageMedium"], vec![cells(["HDD"]), cells(["SSD"])])),
            ["cluster_balance", other] => Err(failed(1064, format!("Getting analyzing error. Detail message: invalid type: {other}."))),
            ["jobs"] => Ok(self.databases(session)),
            ["jobs", database] => Ok(self.jobs(session, database)),
            ["jobs", database, "schema_change"] => Ok(self.schema_changes(session, database)),
            ["transactions"] => Ok(empty("DbId|DbName")),
            ["transactions", _] => Ok(rows(&["State", "Number"], vec![cells(["running", "0"]), cells(["finished", "0"])])),
            ["colocation_group"] => Ok(empty("GroupId|GroupName|TableIds|TableNames|BucketsNum|ReplicationNum|DistCols|IsStable")),
            ["compactions"] => Ok(empty("Partition|TxnID|StartTime|CommitTime|FinishTime|Error|Profile")),
            ["meta_recovery"] => Ok(empty("Database|Table|Partition|PartitionId|Reason|Advise")),
            ["tasks"] => Ok(rows(&["TaskType", "FailedNum", "TotalNum"], vec![cells(["Total", "0", "0"])])),
            ["brokers"] => Ok(empty("Name|IP|Port|Alive|LastStartTime|LastUpdateTime|ErrMsg")),
            ["routine_loads"] => Ok(empty("Name|Id|DbName|Statistic|TaskStatistic")),
            ["replications"] => Ok(empty("JobID|DatabaseID|TableID|TxnID|CreatedTime|FinishedTime|State|Progress|Error")),
            ["current_queries"] => Ok(self.current_queries(session)),
            ["global_current_queries"] => Ok(empty(QUERY_COLUMNS)),
            ["catalog"] => Ok(rows(
                &["Catalog", "Type", "Comment"],
                vec![cells(["default_catalog", "Internal", "An internal catalog contains this cluster's self-managed tables."])],
            )),
            ["warehouses"] => {
                let Some(group) = self.groups.get(&session.cluster) else { return Err(SqlReply::Refused) };
                Ok(rows(&super::warehouses::COLUMNS, super::warehouses::lines(group)))
            }
            _ => Err(failed(
                1064,
                format!("Getting analyzing error. Detail message: Unknown proc node path: {path}. msg: Cannot find path: {path}."),
            )),
        }
    }

    /// `/current_queries`: those that the frontend asked coordinates.
    fn current_queries(&self, session: &Session) -> SqlReply {
        let count = self.session_process(session).map_or(0, |process| self.faults.queries_on(process));
        let columns: Vec<&str> = QUERY_COLUMNS.split('|').collect();
        let line = |number: u32| {
            columns.iter().map(|column| Some(if *column == "QueryId" { format!("query-{number}") } else { String::new() })).collect()
        };
        rows(&columns, (0..count).map(line).collect())
    }

    /// `/statistic`: counted when asked, with the tolerance of the frontend asked (real-fe.md §11.3); tables in shared storage are never unhealthy.
    fn statistic(&self, session: &Session) -> SqlReply {
        let (Some(process), Some(group)) = (self.session_process(session), self.groups.get(&session.cluster)) else {
            return SqlReply::Refused;
        };
        let tolerance = std::time::Duration::from_secs(process.number("tablet_sched_be_down_tolerate_time_s"));
        let mut total = [0_usize; 7];
        let mut lines = Vec::new();
        let mut databases: Vec<(String, &String)> = group.databases.iter().map(|(id, name)| (id.to_string(), name)).collect();
        databases.sort();
        for (id, name) in &databases {
            let tables = group.tables.iter().filter(|(_, table)| table.database == **name).count();
            let mut counts = [tables, tables, tables, 0, 0, 0, 0];
            for (tablet_id, tablet) in
                group.tablets.iter().filter(|(_, tablet)| group.tables.get(&tablet.table).is_some_and(|table| table.database == **name))
            {
                counts[3] += 1;
                counts[4] += tablet.replicas.len();
                counts[5] += usize::from(standing(group, tablet, tolerance, self.now) != Standing::Healthy);
                counts[6] += usize::from(group.jobs.get(tablet_id).is_some_and(|job| job.running.is_some()));
            }
            total.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
            lines.push(statistic_line(id, name, &counts));
        }
        lines.push(statistic_line("Total", &databases.len().to_string(), &total));
        rows(
            &[
                "DbId",
                "DbName",
                "TableNum",
                "PartitionNum",
                "IndexNum",
                "TabletNum",
                "ReplicaNum",
                "UnhealthyTabletNum",
                "InconsistentTabletNum",
                "CloningTabletNum",
                "ErrorStateTabletNum",
            ],
            lines,
        )
    }

    fn cluster_balance(&self, session: &Session) -> SqlReply {
        let Some(group) = self.groups.get(&session.cluster) else { return SqlReply::Refused };
        let running = group.jobs.values().filter(|job| job.running.is_some()).count();
        let pending = group.jobs.values().filter(|job| job.running.is_none() && job.source_leaves.is_none()).count();
        // `balance_stat` exists only after 4.0 (real-fe.md, corrections).
        let newest = self.session_process(session).is_some_and(|process| process.release.at_least(4, 1, 0));
        let items = [
            ("cluster_load_stat", 1),
            ("working_slots", 0),
            ("sched_stat", 1),
            ("priority_repair", 0),
            ("pending_tablets", pending),
            ("running_tablets", running),
            ("history_tablets", group.history.len()),
            ("all_tablets", 0),
        ];
        let first = newest.then_some(("balance_stat", 1));
        rows(&["Item", "Number"], first.into_iter().chain(items).map(|(item, number)| cells([item, &number.to_string()])).collect())
    }

    fn scheduled_tablets(&self, session: &Session, list: &str) -> SqlReply {
        let Some(group) = self.groups.get(&session.cluster) else { return SqlReply::Refused };
        let mut lines = Vec::new();
        for (id, job) in &group.jobs {
            let running = job.running.is_some();
            if (list == "pending_tablets" && running) || (list == "running_tablets" && !running) || list == "history_tablets" {
                continue;
            }
            let kind = if job.balance_from.is_some() { "BALANCE" } else { "REPAIR" };
            let state = if running { "RUNNING" } else { "PENDING" };
            let destination = job.running.map_or("-1".to_owned(), |(to, _)| to.to_string());
            let source = job.balance_from.map_or("-1".to_owned(), |from| from.to_string());
            let (created, failed) = (job.created.to_frontend_time(), job.failed.to_string());
            let (status, priority) = (job.status, job.priority);
            lines.push(barred(&format!(
                "{id}|{kind}|HDD|{status}|{state}|{priority}|{priority}|{source}|-1|{destination}|-1|-1|{created}|N/A|N/A|N/A|N/A|{failed}|0|N/A|1|0|1|0|{}",
                job.error
            )));
        }
        if list == "history_tablets" || list == "all_tablets" {
            let ended = |(id, status, state): &(u64, &str, &str)| {
                barred(&format!("{id}|REPAIR|HDD|{status}|{state}|NORMAL|NORMAL|-1|-1|-1|-1|-1|N/A|N/A|N/A|N/A|N/A|0|0|N/A|1|0|1|0|"))
            };
            lines.extend(group.history.iter().map(ended));
        }
        barred_rows(TABLET_COLUMNS, lines)
    }

    fn databases(&self, session: &Session) -> SqlReply {
        let Some(group) = self.groups.get(&session.cluster) else { return SqlReply::Refused };
        rows(&["DbId", "DbName"], group.databases.iter().map(|(id, name)| cells([&id.to_string(), name])).collect())
    }

    /// One line per running schema change; empty is what a downgrade to 3.2 waits for (starrocks.md §1.4).
    fn schema_changes(&self, session: &Session, database: &str) -> SqlReply {
        let Some(group) = self.groups.get(&session.cluster) else { return SqlReply::Refused };
        let name = database.parse().ok().and_then(|id: u64| group.databases.get(&id)).cloned().unwrap_or_default();
        let changes = group.activity.schema_changes.get(&name).copied().unwrap_or(0);
        let lines = (1..=changes).map(|number| cells([&number.to_string(), "t1", "RUNNING", "0/1"]));
        rows(&["JobId", "TableName", "State", "Progress"], lines.collect())
    }

    fn jobs(&self, session: &Session, database: &str) -> SqlReply {
        let Some(group) = self.groups.get(&session.cluster) else { return SqlReply::Refused };
        let name = database.parse().ok().and_then(|id: u64| group.databases.get(&id)).cloned().unwrap_or_default();
        let changes = group.activity.schema_changes.get(&name).copied().unwrap_or(0).to_string();
        let line = |kind: &str, running: &str| cells([kind, "0", running, "0", "0", running]);
        rows(
            &["JobType", "Pending", "Running", "Finished", "Cancelled", "Total"],
            vec![line("rollup", "0"), line("schema_change", &changes), line("export", "0")],
        )
    }
}

fn statistic_line(id: &str, name: &str, counts: &[usize; 7]) -> Vec<Option<String>> {
    let [tables, partitions, indexes, tablets, replicas, unhealthy, cloning] = counts.map(|count| count.to_string());
    cells([id, name, &tables, &partitions, &indexes, &tablets, &replicas, &unhealthy, "0", &cloning, "0"])
}
