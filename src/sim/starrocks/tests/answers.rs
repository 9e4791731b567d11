//! Literal answers: real-fe.md §1, §7–§9 and the recordings proto35, proc35, http35, http40, obj35, usr35.

use super::*;

#[test]
fn http_answers_read_as_recorded() {
    let world = World::three("3.5.0", 0);
    assert_eq!(world.http("fe-0", "/api/health"), (200, r#"{"online_backend_num":0,"total_backend_num":0,"status":"OK"}"#.to_owned()));
    assert_eq!(
        world.http("fe-0", "/api/bootstrap").1,
        r#"{"replayedJournalId":0,"queryPort":0,"rpcPort":0,"feStartTime":0,"heapUsedPercent":0.0,"status":"OK","code":"0","msg":"Success","message":"OK"}"#
    );
    assert!(world.http("fe-0", "/api/v2/feature").1.ends_with(r#""version":"3.5.0","status":"OK"}"#));
    assert_eq!(world.http("fe-0", "/api/show_meta_info"), (400, "Missing parameter".to_owned()));
    assert_eq!(world.http("fe-0", "/api/show_meta_info?action=x"), (400, "Invalid parameter".to_owned()));
    assert_eq!(world.http("fe-0", "/info"), (400, "invalid client host.".to_owned()));
    assert_eq!(world.http("fe-0", "/api/nosuch").0, 401);
    let ha = world.ha("fe-0");
    assert_eq!(ha["electable_nodes"], format!("{},{}", World::host("fe-1"), World::host("fe-2")));
    assert_eq!((ha["observer_nodes"].as_str(), ha["master"].as_str()), ("", World::host("fe-0").as_str()));
    let metrics = |pod: &str| world.http(pod, "/metrics").1;
    assert!(metrics("fe-0").contains("node_info{type=\"is_master\"} 1") && !metrics("fe-1").contains("is_master"));
    assert!(metrics("fe-1").contains("node_info{type=\"fe_node_num\", state=\"alive\"} 3"));
    let newer = World::three("4.0.0", 0);
    assert!(newer.http("fe-0", "/api/bootstrap").1.contains(r#""cpuCores":0,"#));
}

#[test]
fn protocol_questions_answer_as_recorded() {
    let mut world = World::three("3.5.0", 0);
    assert_eq!(text(&world.lines("fe-0", "select @@version_comment")[0], "@@version_comment"), "3.5.0-7b3a469");
    assert_eq!(
        world.sql("fe-0", "SELECT @@max_allowed_packet,@@wait_timeout,@@socket").error(),
        (1193, "Getting analyzing error. Detail message: Unknown system variable 'socket', the most similar variables are {'hdfs_backend_selector_hash_algorithm', 'hdfs_backend_selector_force_rebalance', 'use_compute_nodes'}.".to_owned())
    );
    let line = &world.lines("fe-0", "SELECT @@max_allowed_packet,@@wait_timeout")[0];
    assert_eq!((text(line, "@@max_allowed_packet"), text(line, "@@wait_timeout")), ("33554432".to_owned(), "28800".to_owned()));
    assert_eq!(world.sql("fe-0", "select @@run_mode").error().0, 1193);
    assert_eq!(
        world.sql("fe-0", "SET sql_mode=(SELECT CONCAT(@@sql_mode))").error().1,
        "Getting analyzing error. Detail message: Set statement only support constant expr.."
    );
    assert!(matches!(world.sql("fe-0", "set names utf8mb4"), SqlReply::Done { .. }));
    assert_eq!(
        world.sql("fe-0", "select current_version()").error().1,
        "Backend node not found. Check if any backend node is down.backend: "
    );
    assert_eq!(
        world.sql("fe-0", "show brokers").error().1,
        "Getting syntax error at line 1, column 5. Detail message: No viable statement for input 'show brokers'."
    );
    assert_eq!(text(&world.lines("fe-0", "select 1; select 2")[0], "2"), "2");
    let versions: Vec<String> = world.lines("fe-0", "show variables like '%version%'").iter().map(|line| text(line, "Value")).collect();
    assert_eq!(versions, ["8.0.33", "3.5.0-7b3a469"]);
}

#[test]
fn proc_tables_answer_as_recorded() {
    let mut world = World::three("3.5.0", 0);
    assert_eq!(world.lines("fe-0", "show proc '/'").len(), 24);
    let balance: Vec<String> = world
        .lines("fe-0", "show proc '/cluster_balance'")
        .iter()
        .map(|line| format!("{}|{}", text(line, "Item"), text(line, "Number")))
        .collect();
    assert_eq!(
        balance,
        [
            "cluster_load_stat|1",
            "working_slots|0",
            "sched_stat|1",
            "priority_repair|0",
            "pending_tablets|0",
            "running_tablets|0",
            "history_tablets|0",
            "all_tablets|0"
        ]
    );
    assert_eq!(
        world.sql("fe-0", "show proc '/cluster_balance/balance_stat'").error().1,
        "Getting analyzing error. Detail message: invalid type: balance_stat."
    );
    assert_eq!(
        world.sql("fe-0", "show proc '/nosuch'").error().1,
        "Getting analyzing error. Detail message: Unknown proc node path: /nosuch. msg: Cannot find path: /nosuch."
    );
    let SqlReply::Rows { columns, rows, .. } = world.sql("fe-0", "show proc '/statistic'") else { panic!() };
    assert_eq!(
        columns.join("|"),
        "DbId|DbName|TableNum|PartitionNum|IndexNum|TabletNum|ReplicaNum|UnhealthyTabletNum|InconsistentTabletNum|CloningTabletNum|ErrorStateTabletNum"
    );
    let last: Vec<String> = rows.last().unwrap().iter().map(|cell| cell.clone().unwrap()).collect();
    assert_eq!(last.join("|"), "Total|2|0|0|0|0|0|0|0|0|0");
    let newer = &mut World::three("4.0.0", 0);
    assert_eq!(newer.lines("fe-0", "show proc '/'").len(), 25);
}

#[test]
fn jobs_and_objects_answer_as_recorded() {
    let mut world = World::three("3.5.0", 0);
    world.sql("fe-0", "create database b1");
    for (sql, code, message) in [
        ("SHOW ROUTINE LOAD", 1046, "Getting analyzing error. Detail message: No database selected."),
        ("SHOW ROUTINE LOAD FROM nosuch", 1064, "Getting analyzing error. Detail message: failed to find database by dbFullName nosuch."),
        (
            "PAUSE ROUTINE LOAD FOR b1.job1",
            5089,
            "Getting analyzing error. Detail message: Routine load job [job1] not found when checking privilege.",
        ),
        ("SHOW BACKUP FROM nosuch", 5501, "Getting analyzing error. Detail message: Unknown database 'nosuch'."),
        ("CANCEL BACKUP FROM b1", 5064, "No backup job is currently running"),
        ("BACKUP DATABASE b1 SNAPSHOT s1 TO r1", 5064, "Getting analyzing error. Detail message: Repository [r1] does not exist."),
        ("SHOW SNAPSHOT ON r1", 5064, "Getting analyzing error. Detail message: Repository [r1] does not exist."),
        ("DROP SNAPSHOT s1 ON r1", 1064, ""),
        ("drop catalog nosuch", 5078, "Unknown catalog 'nosuch'"),
        ("show warehouses", 5907, "unsupported statement in shared_nothing mode"),
        ("create warehouse w1", 1064, "Multi-Warehouse is not implemented"),
        ("ADD BACKEND BLACKLIST 10005", 1064, "Not found backend: 10005"),
        ("kill 1", 1094, "Unknown thread id: 1"),
        ("select * from information_schema.loads", 1064, "Backend node not found. Check if any backend node is down.backend: "),
        (
            "ADMIN SET AUTOMATED CLUSTER SNAPSHOT ON",
            1064,
            "Getting analyzing error. Detail message: Automated snapshot only support share data mode.",
        ),
    ] {
        let error = world.sql("fe-1", sql).error();
        assert_eq!(error.0, code, "{sql}");
        assert!(message.is_empty() || error.1 == message, "{sql}: {}", error.1);
    }
    world.sr.set_routine_load("ns1", "b1.job1", "RUNNING");
    assert_eq!(text(&world.lines("fe-0", "use b1; SHOW ROUTINE LOAD")[0], "State"), "RUNNING");
    world.sql("fe-0", "PAUSE ROUTINE LOAD FOR b1.job1");
    assert_eq!(text(&world.lines("fe-0", "SHOW ROUTINE LOAD FROM b1")[0], "State"), "PAUSED");
    let reason = "ErrorReason{errCode = 100, msg='User root pauses routine load job'}";
    assert_eq!(text(&world.lines("fe-0", "SHOW ROUTINE LOAD FROM b1")[0], "ReasonOfStateChanged"), reason);
    world.sql("fe-0", "RESUME ROUTINE LOAD FOR `b1`.`job1`");
    assert_eq!(text(&world.lines("fe-0", "SHOW ROUTINE LOAD FROM b1")[0], "ReasonOfStateChanged"), "");
    assert_eq!(text(&world.lines("fe-0", "SHOW ROUTINE LOAD FROM `b1`")[0], "State"), "NEED_SCHEDULE");
    world.sr.set_routine_load("ns1", "b1.job1", "STOPPED");
    assert!(world.lines("fe-0", "SHOW ROUTINE LOAD FROM b1").is_empty(), "history only with ALL");
    assert_eq!(world.lines("fe-0", "SHOW ALL ROUTINE LOAD FROM b1").len(), 1);
    world.sr.set_schema_changes("ns1", "b1", 1);
    let jobs = world.lines("fe-0", "show proc '/jobs'");
    let id = text(jobs.iter().find(|line| text(line, "DbName") == "b1").unwrap(), "DbId");
    assert_eq!(world.lines("fe-0", &format!("show proc '/jobs/{id}/schema_change'")).len(), 1);
    world.sr.set_backup("ns1", "b1", "UPLOADING");
    assert_eq!(text(&world.lines("fe-0", "SHOW BACKUP FROM b1")[0], "State"), "UPLOADING");
}

#[test]
fn unknown_images_run_and_answer_on_any_port() {
    let mut world = World::new();
    let id = ContainerId { pod_uid: "u".to_owned(), container: "proxy".to_owned() };
    let start = ContainerStart {
        id: id.clone(),
        namespace: "ns1".to_owned(),
        pod_name: "proxy".to_owned(),
        fqdn: "proxy".to_owned(),
        ip: "10.65.1.1".parse().unwrap(),
        image: "nginx:1.27".to_owned(),
        command: Vec::new(),
        environment: BTreeMap::new(),
        mounts: BTreeMap::new(),
    };
    world.sr.start(start, world.now);
    assert!(matches!(world.sr.http_get(&id, 8080, "/nginx/health", world.now), HttpReply::Answer { status: 200, .. }));
    world.sr.signal(&id, Signal::Term, world.now);
    assert!(matches!(world.sr.state(&id), Some(ContainerState::Exited { code: 143, .. })));
    world.sr.remove(&id);
    assert_eq!(world.sr.state(&id), None);
}

#[test]
fn metadata_without_a_volume_is_gone_after_a_restart() {
    let mut world = World::new();
    world.start("fe-0", "3.5.0");
    world.until(60, |world| world.http("fe-0", "/api/health").0 == 200);
    let mut start = world.starts["fe-0"].clone();
    start.mounts.clear();
    start.id.pod_uid = "other".to_owned();
    start.ip = "10.65.0.9".parse().unwrap();
    world.signal("fe-0", Signal::Kill);
    for _ in 0..2 {
        world.sr.start(start.clone(), world.now);
        world.pass(60);
    }
    assert_eq!(world.sr.metrics(world.now).bootstraps.len(), 3);
}
