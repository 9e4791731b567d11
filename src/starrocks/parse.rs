//! Readers of each answer: result sets and HTTP bodies in, `model::starrocks` types out, for every release from 2.5 to 4.1; never panics.

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use super::{HttpAnswer, Row, RowError, Rows, Zone};
use crate::model::configuration::ShownKey;
use crate::model::starrocks::{Availability, BackendRow, FrontendRole, FrontendRow, RoutineLoad, RoutineLoadState, TabletStatistic};
use crate::model::{FrontendSetting, Timestamp};

/// Host column: `IP` holds the host name in FQDN mode; releases up to 2.2 have their own columns.
const HOST: [&str; 3] = ["IP", "HostName", "Host"];
const ALIVE: [&str; 1] = ["Alive"];
const VERSION: [&str; 1] = ["Version"];

/// Databases that StarRocks keeps for itself; their tables repair themselves and say nothing about the user's data (real-fe.md §11.2).
const SYSTEM_DATABASES: [&str; 3] = ["_statistics_", "information_schema", "sys"];

/// Whether a database is one of StarRocks' own.
pub fn is_system_database(name: &str) -> bool {
    SYSTEM_DATABASES.contains(&name)
}

/// Reads SHOW FRONTENDS or SHOW PROC '/frontends'.
///
/// # Errors
/// When a column that every release sends is missing.
pub fn frontends(rows: &Rows, zone: Zone) -> Result<Vec<FrontendRow>, RowError> {
    for names in [&HOST[..], &["Role", "IsMaster"], &ALIVE] {
        rows.require(names)?;
    }
    Ok(rows.iter().map(|row| frontend(&row, zone)).collect())
}

fn frontend(row: &Row<'_>, zone: Zone) -> FrontendRow {
    FrontendRow {
        host: host(row),
        edit_log_port: row.port(&["EditLogPort"]),
        query_port: row.port(&["QueryPort"]),
        role: if row.is(&["IsMaster"]) { FrontendRole::Leader } else { role(row.words(&["Role"])) },
        join: row.is(&["Join"]),
        alive: row.is(&ALIVE),
        replayed_journal_id: row.number(&["ReplayedJournalId"]).unwrap_or(0),
        last_heartbeat: moment(row, "LastHeartbeat", zone),
        start_time: moment(row, "StartTime", zone),
        error: row.words(&["ErrMsg"]).to_owned(),
        version: row.words(&VERSION).to_owned(),
    }
}

/// Reads SHOW BACKENDS or SHOW COMPUTE NODES.
///
/// # Errors
/// When a column that every release sends is missing, or a row has no id.
pub fn backends(rows: &Rows, zone: Zone) -> Result<Vec<BackendRow>, RowError> {
    const ID: [&str; 2] = ["BackendId", "ComputeNodeId"];
    for names in [&ID[..], &HOST, &ALIVE] {
        rows.require(names)?;
    }
    rows.iter()
        .map(|row| {
            let id = row.number(&ID).ok_or_else(|| RowError::BadCell { column: "BackendId", text: row.words(&ID).to_owned() })?;
            Ok(backend(id, &row, zone))
        })
        .collect()
}

fn backend(id: u64, row: &Row<'_>, zone: Zone) -> BackendRow {
    BackendRow {
        id,
        host: host(row),
        heartbeat_port: row.port(&["HeartbeatPort"]),
        alive: row.is(&ALIVE),
        decommissioning: row.is(&["SystemDecommissioned"]) || row.is(&["ClusterDecommissioned"]),
        last_start_time: moment(row, "LastStartTime", zone),
        last_heartbeat: moment(row, "LastHeartbeat", zone),
        tablet_count: row.number(&["TabletNum"]),
        last_tablet_report: last_tablet_report(row.words(&["Status"]), zone),
        max_disk_used_basis_points: row.basis_points(&["MaxDiskUsedPct"]),
        running_queries: row.number(&["NumRunningQueries"]),
        version: row.words(&VERSION).to_owned(),
        status_code: row.words(&["StatusCode"]).to_owned(),
        error: row.words(&["ErrMsg"]).to_owned(),
        warehouse: row.text(&["WarehouseName"]).filter(|name| !name.is_empty()).map(str::to_owned),
    }
}

/// Counts the queries in SHOW PROC '/current_queries'.
///
/// # Errors
/// When the column that every release sends is missing.
pub fn current_queries(rows: &Rows) -> Result<u64, RowError> {
    rows.require(&["QueryId"])?;
    Ok(rows.iter().map(|_| 1).sum())
}

/// Reads SHOW PROC '/statistic'. The sums leave StarRocks' own databases out; the last row is the total over all.
///
/// # Errors
/// When a column that the sums need is missing.
pub fn statistic(rows: &Rows) -> Result<TabletStatistic, RowError> {
    for names in [&["DbName"], &["TabletNum"], &["UnhealthyTabletNum"]] {
        rows.require(names)?;
    }
    let mut sum = TabletStatistic::default();
    for row in rows.iter() {
        if row.words(&["DbId"]) == "Total" {
            continue;
        }
        let unhealthy = count(&row, "UnhealthyTabletNum")?;
        sum.unhealthy_with_system = sum.unhealthy_with_system.saturating_add(unhealthy);
        if is_system_database(database_name(row.words(&["DbName"]))) {
            continue;
        }
        sum.tablets = sum.tablets.saturating_add(count(&row, "TabletNum")?);
        sum.unhealthy = sum.unhealthy.saturating_add(unhealthy);
        sum.inconsistent = sum.inconsistent.saturating_add(row.number(&["InconsistentTabletNum"]).unwrap_or(0));
        sum.cloning = sum.cloning.saturating_add(row.number(&["CloningTabletNum"]).unwrap_or(0));
    }
    Ok(sum)
}

/// Reads ADMIN SHOW FRONTEND CONFIG for one setting: its value, `None` on releases that do not have it.
///
/// # Errors
/// When the columns are not there.
pub fn setting(rows: &Rows, setting: FrontendSetting) -> Result<Option<String>, RowError> {
    rows.require(&["Key"])?;
    rows.require(&["Value"])?;
    // LIKE also finds aliases and treats `_` as any character, so the key is compared.
    let found = rows.iter().find(|row| FrontendSetting::from_key(row.words(&["Key"])) == Some(setting));
    Ok(found.map(|row| row.words(&["Value"]).to_owned()))
}

/// Reads ADMIN SHOW FRONTEND CONFIG for keys under any of their names. Keys that the frontend does not have are left out.
///
/// # Errors
/// When the columns are not there.
pub fn frontend_configuration(rows: &Rows, keys: &BTreeSet<String>) -> Result<BTreeMap<String, ShownKey>, RowError> {
    for column in ["Key", "Value", "IsMutable"] {
        rows.require(&[column])?;
    }
    let shown = |row: &Row<'_>| ShownKey { value: row.words(&["Value"]).to_owned(), mutable: row.is(&["IsMutable"]), default: None };
    let named = rows.iter().flat_map(|row| {
        let aliases = row.words(&["AliasNames"]).trim_matches(['[', ']']).split(',').map(str::trim);
        std::iter::once(row.words(&["Key"]))
            .chain(aliases)
            .filter(|name| keys.contains(*name))
            .map(str::to_owned)
            .map(move |name| (name, row))
            .collect::<Vec<_>>()
    });
    Ok(named.map(|(name, row)| (name, shown(&row))).collect())
}

/// Reads information_schema.be_configs, by node. A release without the column MUTABLE does not say that a key can be changed, so none can.
///
/// # Errors
/// When the columns are not there.
pub fn node_configuration(rows: &Rows) -> Result<BTreeMap<u64, BTreeMap<String, ShownKey>>, RowError> {
    for column in ["BE_ID", "NAME", "VALUE"] {
        rows.require(&[column])?;
    }
    let mut nodes: BTreeMap<u64, BTreeMap<String, ShownKey>> = BTreeMap::new();
    for row in rows.iter() {
        let id = row.number(&["BE_ID"]).ok_or_else(|| RowError::BadCell { column: "BE_ID", text: row.words(&["BE_ID"]).to_owned() })?;
        let shown = ShownKey {
            value: row.words(&["VALUE"]).to_owned(),
            mutable: row.is(&["MUTABLE"]),
            default: row.text(&["DEFAULT"]).map(str::to_owned),
        };
        nodes.entry(id).or_default().insert(row.words(&["NAME"]).to_owned(), shown);
    }
    Ok(nodes)
}

/// Reads ADMIN SHOW REPLICA STATUS: how many replicas are not OK.
///
/// # Errors
/// When there is no status column.
pub fn troubled_replicas(rows: &Rows) -> Result<u64, RowError> {
    rows.require(&["Status"])?;
    Ok(rows.iter().filter(|row| row.words(&["Status"]) != "OK").map(|_| 1).sum())
}

/// Reads SHOW BACKUP, SHOW RESTORE or SHOW ALTER TABLE: names of the jobs that have not ended.
///
/// # Errors
/// When there is no state column.
pub fn running_jobs(rows: &Rows) -> Result<Vec<String>, RowError> {
    rows.require(&["State"])?;
    let running = rows.iter().filter(|row| !["FINISHED", "CANCELLED"].contains(&row.words(&["State"])));
    Ok(running.map(|row| row.words(&["SnapshotName", "Label", "TableName", "JobId"]).to_owned()).collect())
}

/// Reads SHOW ROUTINE LOAD of one database.
///
/// # Errors
/// When there is no column for the name or the state.
pub fn routine_loads(rows: &Rows, database: &str) -> Result<Vec<RoutineLoad>, RowError> {
    rows.require(&["Name"])?;
    rows.require(&["State"])?;
    // Written by `ErrorReason.toString`; the documentation shows `code=errCode = 100`.
    let by_user = |reason: &str| reason.split_once("errCode = ").and_then(|(_, rest)| rest.split(',').next()) == Some("100");
    let state = |row: &Row<'_>| match row.words(&["State"]) {
        "PAUSED" if by_user(row.words(&["ReasonOfStateChanged"])) => RoutineLoadState::PausedByUser,
        "NEED_SCHEDULE" | "RUNNING" | "UNSTABLE" => RoutineLoadState::Active,
        "PAUSED" => RoutineLoadState::Paused,
        "STOPPED" | "CANCELLED" => RoutineLoadState::Ended,
        _ => RoutineLoadState::Unknown,
    };
    let job = |row: Row<'_>| RoutineLoad { database: database.to_owned(), name: row.words(&["Name"]).to_owned(), state: state(&row) };
    Ok(rows.iter().map(job).collect())
}

/// Reads `starrocks_fe_meta_log_count` from `/metrics`: journal entries since the last image.
///
/// # Errors
/// When the answer is not 200 or does not name it.
pub fn journal_since_image(answer: &HttpAnswer) -> Result<u64, RowError> {
    const NAME: &str = "starrocks_fe_meta_log_count";
    if answer.status != 200 {
        return Err(bad_json(&format!("HTTP status {}", answer.status)));
    }
    let value = answer.body.lines().find_map(|line| line.strip_prefix(NAME)?.strip_prefix(' ')).map(str::trim);
    let text = value.unwrap_or("nothing");
    // Numbers above ten million come with an exponent; a fraction does not occur.
    let number = text.parse::<f64>().ok().filter(|number| number.is_finite() && *number >= 0.0);
    #[allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked above; `as` saturates")]
    number.map(|number| number as u64).ok_or_else(|| RowError::BadCell { column: NAME, text: text.to_owned() })
}

/// Reads the first column: SHOW DATABASES, SHOW TABLES. Names as users write them.
pub fn names(rows: &Rows) -> Vec<String> {
    rows.iter().filter_map(|row| row.first()).map(|name| database_name(name).to_owned()).collect()
}

/// Reads the first cell of the first row, whatever it is; `None` for SQL NULL and for no row.
pub fn first_cell(rows: &Rows) -> Option<String> {
    rows.iter().next().and_then(|row| row.first()).map(str::to_owned)
}

/// Reads a single text such as `SELECT @@version_comment`.
///
/// # Errors
/// When there is no row.
pub fn single_text(rows: &Rows) -> Result<String, RowError> {
    let text = rows.iter().next().and_then(|row| row.first()).map(|text| text.trim().to_owned());
    text.ok_or_else(|| RowError::BadCell { column: "first", text: "no row".to_owned() })
}

/// Reads a single number such as `SELECT COUNT(*)`.
///
/// # Errors
/// When there is no row or it is no number.
pub fn single_number(rows: &Rows) -> Result<u64, RowError> {
    let text = single_text(rows)?;
    text.parse().map_err(|_| RowError::BadCell { column: "first", text })
}

/// Reads `/api/bootstrap`: whether the frontend serves. The HTTP status is 200 in any case (real-fe.md §8).
///
/// # Errors
/// When the body does not say.
pub fn bootstrap(answer: &HttpAnswer) -> Result<bool, RowError> {
    let body = json(&answer.body)?;
    let status = body.get("status").and_then(Value::as_str).ok_or_else(|| bad_json("status is missing"))?;
    Ok(status == "OK")
}

/// Reads `/api/v2/feature`: the names of what a frontend's edition has.
///
/// # Errors
/// When the answer is not 200 or holds no list.
pub fn features(answer: &HttpAnswer) -> Result<Vec<String>, RowError> {
    if answer.status != 200 {
        return Err(bad_json(&format!("HTTP status {}", answer.status)));
    }
    let body = json(&answer.body)?;
    let list = body.get("features").and_then(Value::as_array).ok_or_else(|| bad_json("features is missing"))?;
    Ok(list.iter().filter_map(|feature| feature.get("name")?.as_str()).map(str::to_owned).collect())
}

/// Reads `/api/show_meta_info?action=SHOW_HA`; all values are texts there (real-fe.md §8).
///
/// # Errors
/// When the answer is not 200 (a leaving frontend says 500) or lacks a number.
pub fn availability(answer: &HttpAnswer) -> Result<Availability, RowError> {
    if answer.status != 200 {
        return Err(bad_json(&format!("HTTP status {}", answer.status)));
    }
    let body = json(&answer.body)?;
    let text = |key: &str| match body.get(key) {
        Some(Value::String(text)) => Some(text.clone()),
        Some(Value::Number(number)) => Some(number.to_string()),
        _ => None,
    };
    let number = |key: &str| text(key).and_then(|text| text.parse().ok()).ok_or_else(|| bad_json(&format!("{key} is no number")));
    Ok(Availability {
        role: role(&text("role").unwrap_or_default()),
        current_journal_id: number("current_journal_id")?,
        last_checkpoint_version: number("last_checkpoint_version")?,
    })
}

/// Collects settings that were found.
pub fn settings(found: impl IntoIterator<Item = (FrontendSetting, Option<String>)>) -> BTreeMap<String, String> {
    found.into_iter().filter_map(|(setting, value)| Some((setting.key().to_owned(), value?))).collect()
}

fn host(row: &Row<'_>) -> String {
    HOST.iter().map(|name| row.words(&[name])).find(|text| !text.is_empty()).unwrap_or_default().to_owned()
}

fn role(text: &str) -> FrontendRole {
    match text {
        "LEADER" | "MASTER" => FrontendRole::Leader,
        "FOLLOWER" | "REPLICA" => FrontendRole::Follower,
        "OBSERVER" => FrontendRole::Observer,
        _ => FrontendRole::Unknown,
    }
}

fn moment(row: &Row<'_>, column: &str, zone: Zone) -> Option<Timestamp> {
    zone.moment(row.text(&[column])?)
}

fn last_tablet_report(status: &str, zone: Zone) -> Option<Timestamp> {
    let status: Value = serde_json::from_str(status).ok()?;
    zone.moment(status.get("lastSuccessReportTabletsTime")?.as_str()?)
}

fn count(row: &Row<'_>, column: &'static str) -> Result<u64, RowError> {
    row.number(&[column]).ok_or_else(|| RowError::BadCell { column, text: row.words(&[column]).to_owned() })
}

// Releases before 3.0 prefix names with the tenant of a former design.
fn database_name(name: &str) -> &str {
    name.strip_prefix("default_cluster:").unwrap_or(name)
}

fn json(body: &str) -> Result<Value, RowError> {
    serde_json::from_str(body).map_err(|error| bad_json(&error.to_string()))
}

fn bad_json(text: &str) -> RowError {
    RowError::BadJson { text: text.to_owned() }
}

#[cfg(test)]
mod tests;
