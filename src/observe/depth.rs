//! Questions that go through all user tables or databases, asked only when something depends on them: replicas, single replicas, running jobs.

use std::collections::BTreeMap;

use futures::stream::{self, StreamExt, TryStreamExt};

use super::ask::{Asker, Frontend, unreadable};
use crate::api::{OperationKind, OperationPhase, StarRocksClusterStatus};
use crate::model::cluster::RunMode;
use crate::model::starrocks::{ReplicaTrouble, RoutineLoad};
use crate::model::{Answer, Cluster, Observed, Pod, Query, Silence, SilenceKind};
use crate::starrocks::{Rows, parse};

/// Tables asked about at the same time, on as many connections to one frontend.
const AT_ONCE: usize = 4;
const SCHEMA_CHANGE: &str = "schema change of";

/// How deep a pass asks beyond the nodes and the sums.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Depth {
    /// Every user table, because nodes are being restarted or soon will be.
    tables: Option<RunMode>,
    /// Routine loads, because a hop may soon begin or has just ended, or because their owners may pause them while it is on: frontends forget that
    /// with the next leader.
    routine_loads: bool,
    /// The journal's length, because a hop may soon begin.
    pub(super) journal: bool,
}

impl Depth {
    /// Tables matter while an operation is on and when one is near: a pod does not run the wanted image.
    pub(super) fn of(cluster: &Cluster, status: &StarRocksClusterStatus, pods: &BTreeMap<String, Pod>) -> Self {
        let differs = |pod: &Pod| cluster.workload(pod.component).is_some_and(|workload| pod.image != workload.image.to_string());
        let operation = status.operation.as_ref();
        let near = operation.is_some() || pods.values().any(differs);
        let versioned = operation.filter(|operation| matches!(operation.kind, OperationKind::Upgrade | OperationKind::Downgrade));
        let begins = versioned.map_or(operation.is_none() && near, |operation| operation.phase == OperationPhase::Preflight);
        let owes = versioned.is_some_and(|operation| operation.phase >= OperationPhase::Canary && !operation.routine_loads.is_empty());
        Self { tables: near.then_some(cluster.run_mode), routine_loads: begins || owes, journal: begins }
    }
}

/// Whether a hop may soon begin, so that what matters only before one is worth asking.
pub(super) fn hop_is_near(cluster: &Cluster, observed: &Observed) -> bool {
    Depth::of(cluster, &observed.status, &observed.pods).journal
}

/// The deeper answers.
#[derive(Debug, Default)]
pub(super) struct Further {
    pub(super) replicas: Answer<ReplicaTrouble>,
    pub(super) single_replica_tables: Answer<u64>,
    pub(super) running_jobs: Answer<Vec<String>>,
    pub(super) schema_changes: Answer<u64>,
    pub(super) routine_loads: Answer<Vec<RoutineLoad>>,
}

/// Asks what the depth demands. In shared-data, replicas live in object storage and there is nothing to be short of.
pub(super) async fn ask(asker: &Asker<'_>, at: &Frontend, depth: &Depth, statistic: Result<&Rows, &Silence>) -> Further {
    let mut further = match depth.tables {
        None => Further::default(),
        Some(RunMode::SharedData) => {
            Further { replicas: Answer::Known(ReplicaTrouble::default()), single_replica_tables: Answer::Known(0), ..Further::default() }
        }
        Some(RunMode::SharedNothing) => Further {
            replicas: replicas(asker, at, statistic).await.into(),
            single_replica_tables: single_replicas(asker, at).await.into(),
            ..Further::default()
        },
    };
    if depth.tables.is_some() {
        (further.running_jobs, further.schema_changes) = match jobs(asker, at).await {
            Ok((running, schema_changes)) => (Answer::Known(running), Answer::Known(schema_changes)),
            Err(silence) => (Answer::Failed(silence.clone()), Answer::Failed(silence)),
        };
    }
    if depth.routine_loads {
        further.routine_loads = routine_loads(asker, at).await.into();
    }
    further
}

async fn routine_loads(asker: &Asker<'_>, at: &Frontend) -> Result<Vec<RoutineLoad>, Silence> {
    let mut jobs = Vec::new();
    for database in user_databases(asker, at).await? {
        let rows = asker.query(at, &Query::ShowRoutineLoad { database: database.clone() }).await?;
        jobs.extend(parse::routine_loads(&rows, &database).map_err(|error| unreadable(&error))?);
    }
    Ok(jobs)
}

async fn single_replicas(asker: &Asker<'_>, at: &Frontend) -> Result<u64, Silence> {
    let rows = asker.query(at, &Query::CountSingleReplicaPartitions).await?;
    parse::single_number(&rows).map_err(|error| unreadable(&error))
}

async fn user_databases(asker: &Asker<'_>, at: &Frontend) -> Result<Vec<String>, Silence> {
    let rows = asker.query(at, &Query::ShowDatabases).await?;
    Ok(parse::names(&rows).into_iter().filter(|name| !parse::is_system_database(name)).collect())
}

async fn replicas(asker: &Asker<'_>, at: &Frontend, statistic: Result<&Rows, &Silence>) -> Result<ReplicaTrouble, Silence> {
    let empty = databases_without_tablets(statistic.map_err(Clone::clone)?);
    let mut tables = Vec::new();
    for database in user_databases(asker, at).await?.into_iter().filter(|database| !empty.contains(database)) {
        let rows = asker.query(at, &Query::ShowTables { database: database.clone() }).await?;
        tables.extend(parse::names(&rows).into_iter().map(|table| (database.clone(), table)));
    }
    let counted = stream::iter(tables).map(|(database, table)| async move {
        let count = troubled(asker, at, &database, &table).await?;
        Ok::<_, Silence>((count, format!("{database}.{table}")))
    });
    let counts: Vec<(u64, String)> = counted.buffered(AT_ONCE).try_collect().await?;
    let troubled = counts.iter().map(|(count, _)| count).sum();
    let example = counts.into_iter().find(|(count, _)| *count > 0).map(|(_, table)| table);
    Ok(ReplicaTrouble { troubled, example })
}

async fn troubled(asker: &Asker<'_>, at: &Frontend, database: &str, table: &str) -> Result<u64, Silence> {
    let query = Query::ShowReplicaTrouble { database: database.to_owned(), table: table.to_owned() };
    match asker.query(at, &query).await {
        Ok(rows) => parse::troubled_replicas(&rows).map_err(|error| unreadable(&error)),
        Err(silence) if silence.kind == SilenceKind::Rejected && has_no_replicas(&silence.message) => Ok(0),
        Err(silence) => Err(silence),
    }
}

/// Views and external tables have no replicas, and a table may have been dropped since it was listed.
fn has_no_replicas(refusal: &str) -> bool {
    let refusal = refusal.to_ascii_lowercase();
    ["olap table", "unknown table", "does not exist", "not found"].iter().any(|phrase| refusal.contains(phrase))
}

fn databases_without_tablets(statistic: &Rows) -> Vec<String> {
    let empty = statistic.iter().filter(|row| row.number(&["TabletNum"]) == Some(0));
    empty.map(|row| row.words(&["DbName"]).to_owned()).collect()
}

/// Jobs that run, and how many schema changes the frontends remember: SHOW ALTER TABLE lists those that have ended as well.
async fn jobs(asker: &Asker<'_>, at: &Frontend) -> Result<(Vec<String>, u64), Silence> {
    let (mut jobs, mut schema_changes) = (Vec::new(), 0);
    for database in user_databases(asker, at).await? {
        let name = || database.clone();
        for (what, query) in [
            ("backup", Query::ShowBackup { database: name() }),
            ("restore", Query::ShowRestore { database: name() }),
            (SCHEMA_CHANGE, Query::ShowAlterTable { database: name() }),
        ] {
            let rows = asker.query(at, &query).await?;
            schema_changes += rows.iter().filter(|_| what == SCHEMA_CHANGE).map(|_| 1).sum::<u64>();
            let running = parse::running_jobs(&rows).map_err(|error| unreadable(&error))?;
            jobs.extend(running.into_iter().map(|job| format!("{what} {database}.{job}")));
        }
    }
    Ok((jobs, schema_changes))
}
