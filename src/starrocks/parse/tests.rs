//! Promises of the readers of answers: rows as real frontends of several releases sent them, and rows of chance.

use proptest::prelude::*;

use super::*;

const FRONTEND_COLUMNS: [&str; 17] = [
    "Id",
    "Name",
    "IP",
    "EditLogPort",
    "HttpPort",
    "QueryPort",
    "RpcPort",
    "Role",
    "ClusterId",
    "Join",
    "Alive",
    "ReplayedJournalId",
    "LastHeartbeat",
    "IsHelper",
    "ErrMsg",
    "StartTime",
    "Version",
];

const BACKEND_COLUMNS: [&str; 30] = [
    "BackendId",
    "IP",
    "HeartbeatPort",
    "BePort",
    "HttpPort",
    "BrpcPort",
    "LastStartTime",
    "LastHeartbeat",
    "Alive",
    "SystemDecommissioned",
    "ClusterDecommissioned",
    "TabletNum",
    "DataUsedCapacity",
    "AvailCapacity",
    "TotalCapacity",
    "UsedPct",
    "MaxDiskUsedPct",
    "ErrMsg",
    "Version",
    "Status",
    "DataTotalCapacity",
    "DataUsedPct",
    "CpuCores",
    "MemLimit",
    "NumRunningQueries",
    "MemUsedPct",
    "CpuUsedPct",
    "DataCacheMetrics",
    "Location",
    "StatusCode",
];

fn line(columns: &[&str], text: &str) -> Rows {
    Rows::from_texts(columns, &[&text.split('|').collect::<Vec<_>>()])
}

fn at(text: &str) -> Option<Timestamp> {
    Timestamp::parse(text)
}

#[test]
fn a_leader_row_of_3_5_is_read_by_name() {
    let text = "1|fe-0.s.ns1.svc.cluster.local_9010_1795447716995|fe-0.s.ns1.svc.cluster.local|9010|8030|9030|9020|LEADER|833293235|true|true|34|\
                2026-11-23 15:30:09|true||2026-11-23 15:28:46|3.5.0-7b3a469";
    let rows = frontends(&line(&FRONTEND_COLUMNS, text), Zone::UTC).expect("readable");
    let row = &rows[0];
    assert_eq!((row.host.as_str(), row.role, row.join, row.alive), ("fe-0.s.ns1.svc.cluster.local", FrontendRole::Leader, true, true));
    assert_eq!((row.replayed_journal_id, row.edit_log_port, row.query_port), (34, 9010, 9030));
    assert_eq!(row.last_heartbeat, at("2026-11-23T15:30:09Z"));
    assert_eq!(row.start_time, at("2026-11-23T15:28:46Z"));
    assert_eq!(row.version, "3.5.0-7b3a469");
}

#[test]
fn a_frontend_that_never_joined_has_no_times_and_no_version() {
    let text = "3|fe-2_9010_1795447796024|fe-2|9010|8030|0|0|FOLLOWER|833293235|false|false|0|NULL|true||NULL|NULL";
    let mut rows = line(&FRONTEND_COLUMNS, text);
    rows.rows[0][12] = None;
    let row = &frontends(&rows, Zone::UTC).expect("readable")[0];
    assert_eq!((row.query_port, row.join, row.alive), (0, false, false));
    assert_eq!((row.last_heartbeat, row.start_time, row.version.as_str()), (None, None, ""));
}

#[test]
fn columns_of_2_2_are_understood_as_well() {
    let rows = Rows::from_texts(
        &["Name", "IP", "HostName", "EditLogPort", "Role", "IsMaster", "Join", "Alive", "Version"],
        &[
            &["a", "", "h1", "9010", "FOLLOWER", "true", "true", "true", "2.2.1-abc"],
            &["b", "h2", "x", "9010", "FOLLOWER", "false", "true", "true", ""],
        ],
    );
    let read = frontends(&rows, Zone::UTC).expect("readable");
    assert_eq!(
        read.iter().map(|row| (row.host.as_str(), row.role)).collect::<Vec<_>>(),
        [("h1", FrontendRole::Leader), ("h2", FrontendRole::Follower)]
    );
}

#[test]
fn a_live_backend_of_3_5_is_read_by_name() {
    let text = "10002|be-0.s|9050|9060|8040|8060|2026-11-23 16:10:43|2026-11-23 16:11:25|true|false|false|15|20.000 MB|94.980 GB|100.000 GB|5.02 %|\
                85.12 %||3.5.0-7b3a469|{\"lastSuccessReportTabletsTime\":\"2026-11-23 16:11:26\"}|95.000 GB|0.02 %|4|8.000GB|0|0.00 %|0.0 %|N/A||OK";
    let row = &backends(&line(&BACKEND_COLUMNS, text), Zone::UTC).expect("readable")[0];
    assert_eq!((row.id, row.heartbeat_port, row.alive, row.decommissioning), (10002, 9050, true, false));
    assert_eq!((row.tablet_count, row.max_disk_used_basis_points), (Some(15), Some(8512)));
    assert_eq!(row.last_tablet_report, at("2026-11-23T16:11:26Z"));
    assert_eq!((row.status_code.as_str(), row.warehouse.as_deref()), ("OK", None));
}

#[test]
fn a_backend_that_never_answered_has_neither_times_nor_reports() {
    let text = "10005|be-9|9050|-1|-1|-1|NULL|NULL|false|false|false|0|0.000 B|1.000 B|0.000 B|0.00 %|0.00 %|java.net.UnknownHostException: be-9||\
                {\"lastSuccessReportTabletsTime\":\"N/A\"}|0.000 B|0.00 %|0|0.000B|0|0.00 %|0.0 %|N/A||DISCONNECTED";
    let row = &backends(&line(&BACKEND_COLUMNS, text), Zone::UTC).expect("readable")[0];
    assert_eq!((row.last_start_time, row.last_heartbeat, row.last_tablet_report), (None, None, None));
    assert_eq!(row.error, "java.net.UnknownHostException: be-9");
}

#[test]
fn compute_nodes_of_shared_data_name_their_warehouse() {
    let rows = Rows::from_texts(
        &["ComputeNodeId", "IP", "HeartbeatPort", "Alive", "SystemDecommissioned", "Version", "WarehouseName", "TabletNum"],
        &[&["11", "cn-0", "9050", "true", "false", "3.5.0-a", "default_warehouse", "7"]],
    );
    let row = &backends(&rows, Zone::UTC).expect("readable")[0];
    assert_eq!((row.warehouse.as_deref(), row.tablet_count), (Some("default_warehouse"), Some(7)));
}

#[test]
fn tablets_of_starrocks_itself_do_not_count_as_the_users() {
    let columns = ["DbId", "DbName", "TableNum", "TabletNum", "UnhealthyTabletNum", "InconsistentTabletNum", "CloningTabletNum"];
    let rows = Rows::from_texts(
        &columns,
        &[
            &["10001", "_statistics_", "3", "19", "19", "0", "6"],
            &["1", "information_schema", "0", "0", "0", "0", "0"],
            &["10100", "b1", "2", "12", "1", "2", "3"],
            &["Total", "3", "5", "31", "20", "2", "9"],
        ],
    );
    let sum = statistic(&rows).expect("readable");
    assert_eq!(sum, TabletStatistic { tablets: 12, unhealthy: 1, inconsistent: 2, cloning: 3, unhealthy_with_system: 20 });
}

#[test]
fn an_unreadable_count_is_an_error_and_never_zero() {
    let rows = Rows::from_texts(&["DbId", "DbName", "TabletNum", "UnhealthyTabletNum"], &[&["1", "b", "3", "?"]]);
    assert!(statistic(&rows).is_err());
    assert!(statistic(&Rows::default()).is_err());
    assert!(frontends(&Rows::default(), Zone::UTC).is_err());
    assert!(backends(&Rows::default(), Zone::UTC).is_err());
}

#[test]
fn a_setting_is_found_under_its_alias_and_missing_ones_are_none() {
    let columns = ["Key", "AliasNames", "Value", "Type", "IsMutable", "Comment"];
    let rows = Rows::from_texts(
        &columns,
        &[&["metadata_ignore_unknown_operation_type", "[ignore_unknown_log_id]", "false", "boolean", "true", ""]],
    );
    assert_eq!(setting(&rows, FrontendSetting::IgnoreUnknownLogId), Ok(Some("false".to_owned())));
    assert_eq!(setting(&rows, FrontendSetting::CheckpointOnlyOnLeader), Ok(None));
}

#[test]
fn jobs_that_have_ended_are_not_running() {
    let rows = Rows::from_texts(&["JobId", "SnapshotName", "State"], &[&["1", "s1", "FINISHED"], &["2", "s2", "UPLOADING"]]);
    assert_eq!(running_jobs(&rows), Ok(vec!["s2".to_owned()]));
}

#[test]
fn bootstrap_is_read_from_the_body_because_the_status_is_always_200() {
    let answer = |body: &str| HttpAnswer { status: 200, body: body.to_owned() };
    assert_eq!(bootstrap(&answer(r#"{"replayedJournalId":0,"status":"OK","code":"0","msg":"Success"}"#)), Ok(true));
    assert_eq!(bootstrap(&answer(r#"{"status":"FAILED","code":"1","msg":"not ready"}"#)), Ok(false));
    assert!(bootstrap(&answer("")).is_err());
}

#[test]
fn show_ha_tells_journal_and_image_positions() {
    let body = r#"{"can_read":"true","role":"FOLLOWER","is_ready":"true","last_checkpoint_version":"121","last_checkpoint_time":"0","current_journal_id":"124"}"#;
    let read = availability(&HttpAnswer { status: 200, body: body.to_owned() }).expect("readable");
    assert_eq!((read.role, read.current_journal_id, read.last_checkpoint_version), (FrontendRole::Follower, 124, 121));
    assert!(availability(&HttpAnswer { status: 500, body: "Environment is closed.".to_owned() }).is_err());
}

fn any_rows() -> impl Strategy<Value = Rows> {
    let known = prop::sample::select(
        FRONTEND_COLUMNS
            .iter()
            .chain(&BACKEND_COLUMNS)
            .chain(&["DbName", "Key", "Value", "State"])
            .map(|name| (*name).to_owned())
            .collect::<Vec<_>>(),
    );
    let column = prop_oneof![3 => known, 1 => ".{0,6}"];
    let cell = prop::option::of(prop_oneof![
        Just("true".to_owned()),
        Just("2026-11-23 15:30:09".to_owned()),
        Just("NULL".to_owned()),
        Just("{\"lastSuccessReportTabletsTime\":3}".to_owned()),
        "-?[0-9]{0,22}",
        "[0-9.]{0,8} ?%",
        ".{0,12}",
    ]);
    (prop::collection::vec(column, 0..20), prop::collection::vec(prop::collection::vec(cell, 0..22), 0..4))
        .prop_map(|(columns, rows)| Rows { columns, rows })
}

proptest! {
    #[test]
    fn no_answer_makes_a_reader_panic(rows in any_rows(), body in ".{0,60}", status in 100u16..600) {
        let zone = Zone::estimate([&rows], Timestamp::from_seconds(1_795_447_812));
        for zone in [zone, Zone::UTC, Zone::UNKNOWN] {
            let _frontends = frontends(&rows, zone);
            let _backends = backends(&rows, zone);
        }
        let _statistic = statistic(&rows);
        let _settings = FrontendSetting::ALL.map(|each| setting(&rows, each));
        let _jobs = running_jobs(&rows);
        let _replicas = troubled_replicas(&rows);
        let _names = names(&rows);
        let _number = single_number(&rows);
        let answer = HttpAnswer { status, body };
        let _serving = bootstrap(&answer);
        let _availability = availability(&answer);
    }

    #[test]
    fn the_order_of_columns_does_not_matter(seed in any::<prop::sample::Index>()) {
        let text = "1|n|fe-0|9010|8030|9030|9020|LEADER|1|true|true|34|2026-11-23 15:30:09|true||2026-11-23 15:28:46|3.5.0-7b3a469";
        let straight = line(&FRONTEND_COLUMNS, text);
        let mut turned = straight.clone();
        let shift = seed.index(FRONTEND_COLUMNS.len());
        turned.columns.rotate_left(shift);
        turned.rows[0].rotate_left(shift);
        prop_assert_eq!(frontends(&straight, Zone::UTC), frontends(&turned, Zone::UTC));
    }
}

#[test]
fn queries_are_counted_by_row_and_running_ones_of_a_node_read_from_its_row() {
    let rows = Rows::from_texts(&["StartTime", "QueryId"], &[&["x", "a"], &["x", "b"]]);
    assert_eq!(current_queries(&rows), Ok(2));
    assert!(current_queries(&Rows::from_texts(&["Nothing"], &[])).is_err());
    let backends_with =
        |columns: &[&str], cells: &[&str]| backends(&Rows::from_texts(columns, &[cells]), Zone::UTC).unwrap()[0].running_queries;
    assert_eq!(backends_with(&["BackendId", "IP", "Alive", "NumRunningQueries"], &["1", "h", "true", "3"]), Some(3));
    assert_eq!(backends_with(&["BackendId", "IP", "Alive"], &["1", "h", "true"]), None, "unknown is not none");
}

#[test]
fn the_first_cell_is_read_whatever_it_is() {
    assert_eq!(first_cell(&Rows::from_texts(&["a", "b"], &[&["1", "2"], &["3", "4"]])).as_deref(), Some("1"));
    assert_eq!(first_cell(&Rows::from_texts(&["a"], &[])), None);
    assert_eq!(first_cell(&Rows { columns: vec!["a".to_owned()], rows: vec![vec![None]] }), None);
}
