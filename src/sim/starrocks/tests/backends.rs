//! Backends, tablets, scheduler settings, decommission: real-fe.md §11.

use super::*;

/// Three backends, their statistics tables complete, and user tables: 6 tablets with three copies in each of two tables.
fn seeded() -> World {
    let mut world = World::three("3.5.0", 3);
    assert!(world.sr.seed_tables("ns1", "b1", 2, 6, 3));
    world.pass(900);
    assert_eq!(world.statistic("Total", "UnhealthyTabletNum"), 0);
    world
}

fn replica_statuses(world: &mut World, condition: &str) -> Vec<String> {
    world.lines("fe-0", &format!("ADMIN SHOW REPLICA STATUS FROM b1.t1 {condition}")).iter().map(|line| text(line, "Status")).collect()
}

#[test]
fn a_backend_is_alive_within_five_seconds_of_serving_and_reports_its_tablets_later() {
    let mut world = World::three("3.5.0", 0);
    world.start("be-0", "3.5.0");
    world.until(30, |world| world.http("be-0", "/api/health").0 == 200);
    let took = world.until(10, |world| world.backend_is("be-0", "Alive", "true"));
    assert!(took <= 5_100, "{took}");
    let line = world.backend("be-0");
    assert_eq!(
        (text(&line, "StatusCode"), text(&line, "Version"), text(&line, "BePort")),
        ("OK".to_owned(), "3.5.0-7b3a469".to_owned(), "9060".to_owned())
    );
    let report = world.until(70, |world| !text(&world.backend("be-0"), "Status").contains("N/A"));
    assert!(report <= 60_000);
}

#[test]
fn a_killed_backend_counts_as_alive_for_about_eighteen_seconds() {
    let mut world = World::three("3.5.0", 3);
    world.signal("be-2", Signal::Kill);
    let took = world.until(30, |world| world.backend_is("be-2", "Alive", "false"));
    assert!(within(took, 14.9, 20.1), "{took}");
    let line = world.backend("be-2");
    assert_eq!(
        (text(&line, "StatusCode"), text(&line, "ErrMsg")),
        ("DISCONNECTED".to_owned(), "java.net.ConnectException: Connection refused".to_owned())
    );
    assert_eq!(text(&line, "Version"), "3.5.0-7b3a469");
}

#[test]
fn a_backend_that_shuts_down_says_so_at_the_next_heartbeat() {
    let mut world = World::three("3.5.0", 3);
    world.signal("be-2", Signal::Term);
    let took = world.until(10, |world| world.backend_is("be-2", "StatusCode", "SHUTDOWN"));
    assert!(took <= 5_100, "{took}");
    let line = world.backend("be-2");
    assert_eq!((text(&line, "Alive"), text(&line, "ErrMsg")), ("false".to_owned(), "shutting down".to_owned()));
    world.until(20, |world| world.exited("be-2").is_some());
    assert_eq!(world.exited("be-2").unwrap().0, 0);
    world.until(10, |world| world.backend_is("be-2", "StatusCode", "DISCONNECTED"));
    world.start("be-2", "3.5.1");
    world.until(30, |world| world.backend_is("be-2", "Alive", "true"));
    assert!(text(&world.backend("be-2"), "Version").starts_with("3.5.1-"));
}

#[test]
fn routine_loads_pause_with_a_lost_backend_when_told_to_and_run_again_when_resumed() {
    let mut world = World::three("3.5.0", 3);
    world.sql("fe-0", "create database b1");
    world.sr.set_routine_load("ns1", "b1.ran", "RUNNING");
    world.sr.set_routine_load("ns1", "b1.stood", "PAUSED");
    world.sr.pause_routine_loads(true);
    world.signal("be-2", Signal::Term);
    world.until(30, |world| world.sr.routine_load("ns1", "b1.ran") == Some("PAUSED"));
    world.sql("fe-0", "RESUME ROUTINE LOAD FOR `b1`.`ran`");
    world.until(30, |world| world.sr.routine_load("ns1", "b1.ran") == Some("RUNNING"));
    assert_eq!(world.sr.routine_load("ns1", "b1.stood"), Some("PAUSED"));
}

#[test]
fn names_in_back_ticks_are_the_names_they_quote() {
    let mut world = seeded();
    world.signal("be-2", Signal::Kill);
    world.until(30, |world| world.backend_is("be-2", "Alive", "false"));
    let database = text(
        &world
            .lines("fe-0", "SHOW DATABASES")
            .into_iter()
            .find(|line| {
                text(line, "Database") != "information_schema"
                    && !text(line, "Database").starts_with('_')
                    && text(line, "Database") != "sys"
            })
            .unwrap(),
        "Database",
    );
    let table = text(&world.lines("fe-0", &format!("SHOW TABLES FROM `{database}`"))[0], &format!("Tables_in_{database}"));
    let dead = world.lines("fe-0", &format!("ADMIN SHOW REPLICA STATUS FROM `{database}`.`{table}` WHERE STATUS != 'OK'"));
    assert!(!dead.is_empty());
}

#[test]
fn a_restart_faster_than_the_heartbeats_only_changes_the_start_time() {
    let mut world = World::three("3.5.0", 3);
    let before = text(&world.backend("be-1"), "LastStartTime");
    world.signal("be-1", Signal::Kill);
    world.start("be-1", "3.5.0");
    for _ in 0..150 {
        world.pass_millis(100);
        assert!(world.backend_is("be-1", "Alive", "true"));
    }
    assert_ne!(text(&world.backend("be-1"), "LastStartTime"), before);
}

#[test]
fn a_new_leader_shows_a_dead_backend_alive_with_an_old_heartbeat() {
    let mut world = World::three("3.5.0", 3);
    world.pass(200);
    world.signal("be-2", Signal::Kill);
    world.pass(70);
    let before = text(&world.backend("be-2"), "LastHeartbeat");
    world.signal("fe-0", Signal::Kill);
    world.until(10, |world| world.sql("fe-1", "show backends").is_some_rows());
    let line = world.lines("fe-1", "show backends").into_iter().find(|line| text(line, "IP") == World::host("be-2")).unwrap();
    assert_eq!((text(&line, "Alive"), text(&line, "StatusCode")), ("true".to_owned(), "OK".to_owned()));
    assert!(text(&line, "LastHeartbeat") < before && text(&line, "Status").contains("N/A"));
    let dead = |world: &mut World| {
        world.lines("fe-1", "show backends").iter().any(|line| text(line, "IP") == World::host("be-2") && text(line, "Alive") == "false")
    };
    let took = world.until(30, dead);
    assert!(within(took, 10.0, 18.0), "{took}");
}

#[test]
fn a_fresh_cluster_is_unhealthy_for_minutes_because_of_its_own_tables() {
    let mut world = World::three("3.5.0", 3);
    world.until(30, |world| world.statistic("_statistics_", "TabletNum") == 19);
    world.pass(2);
    assert_eq!(world.statistic("_statistics_", "UnhealthyTabletNum"), 19);
    assert_eq!(world.statistic("_statistics_", "ReplicaNum"), 19);
    let first = world.until(120, |world| world.statistic("_statistics_", "ReplicaNum") > 19);
    assert!(within(first, 55.0, 100.0), "{first}");
    let whole = first + world.until(400, |world| world.statistic("Total", "UnhealthyTabletNum") == 0);
    assert!(within(whole, 200.0, 360.0), "{whole}");
    assert_eq!(world.statistic("_statistics_", "TableNum"), 10);
}

#[test]
fn unhealthy_is_zero_for_fifteen_minutes_after_a_backend_died() {
    let mut world = seeded();
    world.signal("be-2", Signal::Kill);
    world.pass(63);
    assert_eq!(world.statistic("Total", "UnhealthyTabletNum"), 0);
    assert!(replica_statuses(&mut world, "WHERE STATUS != 'OK'").iter().all(|status| status == "DEAD"));
    assert_eq!(replica_statuses(&mut world, "WHERE STATUS = 'DEAD'").len(), 6);
    world.sql("fe-0", r#"ADMIN SET FRONTEND CONFIG ("tablet_sched_be_down_tolerate_time_s"="10")"#);
    assert!(world.statistic("b1", "UnhealthyTabletNum") == 12, "computed when asked");
    world.sql("fe-0", r#"ADMIN SET FRONTEND CONFIG ("tablet_sched_be_down_tolerate_time_s"="900")"#);
    assert_eq!(world.statistic("b1", "UnhealthyTabletNum"), 0);
    world.pass(900);
    assert_eq!(world.statistic("b1", "UnhealthyTabletNum"), 12);
    // No spare backend: nothing is cloned, jobs are cancelled, and everything is well the moment it is back.
    world.pass(120);
    assert_eq!((world.statistic("b1", "CloningTabletNum"), world.statistic("b1", "UnhealthyTabletNum")), (0, 12));
    assert!(world.lines("fe-0", "show proc '/cluster_balance/history_tablets'").iter().any(|line| text(line, "State") == "CANCELLED"));
    world.start("be-2", "3.5.0");
    world.until(30, |world| world.backend_is("be-2", "Alive", "true"));
    assert_eq!(world.statistic("b1", "UnhealthyTabletNum"), 0);
    let report = world.sr.metrics(world.now);
    assert_eq!((report.min_live_replicas, report.below_two_ms), (Some(2), 0));
}

#[test]
fn two_backends_down_leave_single_copies_in_the_health_log() {
    let mut world = seeded();
    world.signal("be-1", Signal::Kill);
    world.signal("be-2", Signal::Kill);
    world.pass(10);
    let report = world.sr.metrics(world.now);
    assert_eq!(report.min_live_replicas, Some(1));
    assert!(report.below_two_ms >= 10_000 && report.unreadable_ms == 0);
    assert!(world.sr.health_log().iter().any(|sample| sample.below_two == 12));
}

#[test]
fn an_empty_backend_receives_tablets_unless_balancing_is_disabled() {
    let mut world = seeded();
    world.sql("fe-0", r#"ADMIN SET FRONTEND CONFIG ("tablet_sched_disable_balance"="true")"#);
    world.start("be-3", "3.5.0");
    world.until(40, |world| world.backend_is("be-3", "Alive", "true"));
    world.pass(60);
    assert!(world.backend_is("be-3", "TabletNum", "0"));
    world.sql("fe-0", r#"ADMIN SET FRONTEND CONFIG ("tablet_sched_disable_balance"="false")"#);
    let took = world.until(60, |world| world.statistic("Total", "CloningTabletNum") > 0);
    assert!(took <= 22_000, "{took}");
    assert_eq!(world.statistic("Total", "UnhealthyTabletNum"), 0, "balancing is healthy");
    world.pass(300);
    let held: usize = text(&world.backend("be-3"), "TabletNum").parse().unwrap();
    assert!(held > 10, "{held}");
}

#[test]
fn a_copy_on_a_dead_backend_goes_before_the_source_of_a_balance() {
    let mut world = seeded();
    world.start("be-3", "3.5.0");
    world.until(200, |world| replica_statuses(world, "").len() > 18);
    world.signal("be-3", Signal::Kill);
    for _ in 0..60 {
        world.pass(1);
        let copies = replica_statuses(&mut world, "").len();
        assert!(copies >= 18, "{copies} copies of six tablets that are wanted three times each");
    }
}

#[test]
fn repair_goes_on_one_tablet_at_a_time_when_scheduling_is_set_to_zero() {
    let mut world = seeded();
    world.sql("fe-0", r#"ADMIN SET FRONTEND CONFIG ("tablet_sched_disable_balance"="true")"#);
    world.start("be-3", "3.5.0");
    world.until(40, |world| world.backend_is("be-3", "Alive", "true"));
    world.sql("fe-0", r#"ADMIN SET FRONTEND CONFIG ("tablet_sched_max_scheduling_tablets"="0")"#);
    world.sql("fe-0", r#"ADMIN SET FRONTEND CONFIG ("tablet_sched_be_down_tolerate_time_s"="10")"#);
    world.signal("be-2", Signal::Kill);
    world.until(300, |world| world.statistic("Total", "CloningTabletNum") > 0);
    for _ in 0..30 {
        world.pass(1);
        assert!(world.statistic("Total", "CloningTabletNum") <= 1);
    }
    let left = world.statistic("Total", "UnhealthyTabletNum");
    assert!(left > 30, "{left}");
    world.sql("fe-0", r#"ADMIN SET FRONTEND CONFIG ("tablet_sched_max_scheduling_tablets"="10000")"#);
    let took = world.until(200, |world| world.statistic("Total", "UnhealthyTabletNum") == 0);
    assert!(took < 60_000, "{took}");
}

#[test]
fn decommission_is_refused_when_too_few_would_be_left() {
    let mut world = seeded();
    let error = world.sql("fe-0", &format!(r#"ALTER SYSTEM DECOMMISSION BACKEND "{}:9050""#, World::host("be-2"))).error();
    assert_eq!(
        error.1,
        "It will cause insufficient BE number if these BEs are decommissioned because the table b1.t1 requires 3 replicas."
    );
}

#[test]
fn a_drained_backend_vanishes_by_itself_and_keeps_running() {
    let mut world = seeded();
    world.start("be-3", "3.5.0");
    world.until(40, |world| world.backend_is("be-3", "Alive", "true"));
    world.pass(300);
    let statement = format!(r#"ALTER SYSTEM DECOMMISSION BACKEND "{}:9050""#, World::host("be-2"));
    assert!(matches!(world.sql("fe-1", &statement), SqlReply::Done { .. }));
    assert!(matches!(world.sql("fe-1", &statement), SqlReply::Done { .. }), "repeating it is no error");
    let line = world.backend("be-2");
    let held: usize = text(&line, "TabletNum").parse().unwrap();
    assert_eq!(
        (text(&line, "SystemDecommissioned"), text(&line, "Alive"), text(&line, "StatusCode")),
        ("true".to_owned(), "true".to_owned(), "OK".to_owned())
    );
    assert_eq!(world.statistic("Total", "UnhealthyTabletNum"), held, "jumps at once");
    let first = world.until(300, |world| world.statistic("Total", "CloningTabletNum") > 0);
    assert!(within(first, 150.0, 230.0), "{first}");
    assert!(!world.backend_is("be-2", "TabletNum", "0"));
    world.until(300, |world| world.backend_is("be-2", "TabletNum", "0"));
    let row = world.until(20, |world| world.backend("be-2").is_empty());
    assert!(within(row, 5.5, 10.0), "{row}");
    assert_eq!(world.exited("be-2"), None);
    assert_eq!(world.statistic("Total", "UnhealthyTabletNum"), 0);
}

#[test]
fn a_cancelled_decommission_is_healthy_at_once() {
    let mut world = seeded();
    world.start("be-3", "3.5.0");
    world.until(40, |world| world.backend_is("be-3", "Alive", "true"));
    world.pass(300);
    let host = World::host("be-2");
    world.sql("fe-0", &format!(r#"ALTER SYSTEM DECOMMISSION BACKEND "{host}:9050""#));
    world.pass(30);
    assert!(matches!(world.sql("fe-0", &format!(r#"CANCEL DECOMMISSION BACKEND "{host}:9050""#)), SqlReply::Done { .. }));
    assert!(world.backend_is("be-2", "SystemDecommissioned", "false"));
    assert_eq!(world.statistic("Total", "UnhealthyTabletNum"), 0);
}

#[test]
fn dropping_is_guarded_by_single_copy_tables_only() {
    let mut world = seeded();
    world.sql("fe-0", "create database d2");
    world.sql("fe-0", r#"create table d2.one (a int) distributed by hash(a) buckets 6 properties("replication_num" = "1")"#);
    let host = World::host("be-2");
    let message = world.sql("fe-0", &format!(r#"ALTER SYSTEM DROP BACKEND "{host}:9050""#)).error().1;
    assert!(message.starts_with(&format!("Tables such as [d2.one] on the backend[{host}:9050] have only one replica.")), "{message}");
    world.sql("fe-0", "drop database d2");
    for pod in ["be-2", "be-1", "be-0"] {
        assert!(
            matches!(world.sql("fe-0", &format!(r#"ALTER SYSTEM DROP BACKEND "{}:9050""#, World::host(pod))), SqlReply::Done { .. }),
            "{pod}"
        );
    }
    assert!(world.lines("fe-0", "show backends").is_empty());
    assert!(replica_statuses(&mut world, "").iter().all(|status| status == "DEAD"));
}

#[test]
fn dropping_and_adding_a_backend_again_destroys_its_tablets() {
    let mut world = seeded();
    for pod in ["be-0", "be-1", "be-2"] {
        world.sql("fe-0", &format!(r#"ALTER SYSTEM DROP BACKEND "{}:9050" FORCE"#, World::host(pod)));
    }
    for pod in ["be-0", "be-1", "be-2"] {
        world.sql("fe-0", &format!(r#"ALTER SYSTEM ADD BACKEND "{}:9050""#, World::host(pod)));
    }
    world.until(20, |world| world.backend_is("be-0", "Alive", "true"));
    world.pass(30);
    let report = world.sr.metrics(world.now);
    assert!(report.deleted_tablets > 30, "{}", report.deleted_tablets);
    assert!(report.unreadable_ms > 0);
    assert!(world.statistic("b1", "UnhealthyTabletNum") == 12);
}

#[test]
fn a_lost_backend_volume_shows_as_missing_and_is_cloned_back() {
    let mut world = seeded();
    world.signal("be-1", Signal::Kill);
    world.sr.erase_volume("pvc-be-1");
    world.start("be-1", "3.5.0");
    world.pass(40);
    assert!(replica_statuses(&mut world, "WHERE STATUS != 'OK'").iter().all(|status| status == "MISSING"));
    assert!(world.statistic("b1", "UnhealthyTabletNum") == 12);
    world.pass(600);
    assert_eq!(world.statistic("b1", "UnhealthyTabletNum"), 0);
    assert_eq!(world.sr.health_log().last().unwrap().min_live_replicas, Some(3));
}

#[test]
fn create_table_fails_while_one_of_three_backends_is_down() {
    let mut world = World::three("3.5.0", 0);
    let sql = "create table d1.t5 (a int) distributed by hash(a) buckets 2";
    world.sql("fe-0", "create database d1");
    assert_eq!(world.sql("fe-0", sql).error().1, "Getting analyzing error. Detail message: Cluster has no available capacity.");
    for index in 0..3 {
        world.start(&format!("be-{index}"), "3.5.0");
    }
    world.until(60, |world| world.lines("fe-0", "show backends").iter().filter(|line| text(line, "Alive") == "true").count() == 3);
    world.signal("be-0", Signal::Kill);
    world.pass(25);
    assert!(
        world
            .sql("fe-0", sql)
            .error()
            .1
            .starts_with("Table replication num should be less than or equal to the number of available backends.")
    );
}

#[test]
fn compute_nodes_register_and_join_shared_data_with_their_columns() {
    let mut world = World::new();
    world.fe_conf = "run_mode = shared_data\n".to_owned();
    world.boot("3.5.0", 0);
    world.start("cn-0", "3.5.0");
    let node = |world: &mut World| world.lines("fe-0", "show compute nodes").first().cloned().unwrap_or_default();
    world.until(40, |world| text(&node(world), "Alive") == "true");
    let line = node(&mut world);
    assert_eq!(
        (text(&line, "StarletPort"), text(&line, "WarehouseName"), text(&line, "TabletNum")),
        ("9070".to_owned(), "default_warehouse".to_owned(), "0".to_owned())
    );
    assert!(world.sql("fe-0", "show warehouses").is_some_rows());
    let id = world.id("cn-0");
    let took = world.sr.execute(&id, &["/opt/starrocks/cn/bin/stop_cn.sh -g".to_owned()], world.now);
    assert!(took >= Duration::from_secs(10));
}

#[test]
fn a_backend_script_without_a_frontend_gives_up_after_a_minute() {
    let mut world = World::new();
    world.start("be-0", "3.5.0");
    let took = world.until(80, |world| world.exited("be-0").is_some());
    assert!(about(took, 60.0), "{took}");
}

#[test]
fn a_stop_script_without_grace_kills() {
    let mut world = World::three("3.5.0", 3);
    let id = world.id("be-0");
    world.sr.execute(&id, &["/bin/bash".to_owned(), "-c".to_owned(), "/opt/starrocks/be/bin/stop_be.sh".to_owned()], world.now);
    assert_eq!(world.exited("be-0").unwrap().0, 137);
}

#[test]
fn a_full_disk_takes_no_clones() {
    let mut world = seeded();
    world.sr.fill_disk("ns1", "c-be-3", true);
    world.start("be-3", "3.5.0");
    world.until(40, |world| world.backend_is("be-3", "Alive", "true"));
    assert!(world.backend_is("be-3", "MaxDiskUsedPct", "99.00 %"));
}

#[test]
fn queries_on_tables_need_a_backend_that_answers() {
    let mut world = World::three("3.5.0", 0);
    let sql = "SELECT COUNT(*) FROM information_schema.partitions_meta WHERE REPLICATION_NUM=1";
    assert_eq!(world.sql("fe-0", sql).error(), (1064, "Backend node not found. Check if any backend node is down.backend: ".to_owned()));
    for index in 0..3 {
        world.start(&format!("be-{index}"), "3.5.0");
    }
    world.pass(300);
    world.sql("fe-0", "create database d2");
    world.sql("fe-0", r#"create table d2.one (a int) distributed by hash(a) buckets 6 properties("replication_num" = "1")"#);
    let count = |world: &mut World, sql: &str, name: &str| text(&world.lines("fe-0", sql)[0], name);
    assert_eq!(count(&mut world, sql, "COUNT(*)"), "1");
    assert_eq!(
        count(
            &mut world,
            "select count(*) as n from information_schema.partitions_meta where db_name not in ('d2') and replication_num < 2",
            "n"
        ),
        "0"
    );
    let tables =
        world.lines("fe-0", "select distinct DB_NAME as db, TABLE_NAME from information_schema.partitions_meta where REPLICATION_NUM = 1");
    assert_eq!((text(&tables[0], "db"), text(&tables[0], "TABLE_NAME")), ("d2".to_owned(), "one".to_owned()));
    for index in 0..3 {
        world.signal(&format!("be-{index}"), Signal::Kill);
    }
    assert!(world.sql("fe-0", sql).error().1.contains("alive: true inBlacklist: true"), "Alive alone does not mean that queries work");
}

#[test]
fn an_hour_of_a_quiet_cluster_takes_few_events() {
    let mut world = seeded();
    let before = world.sr.sequence;
    world.pass(3_600);
    assert!(world.sr.sequence - before < 2_000, "{}", world.sr.sequence - before);
}
