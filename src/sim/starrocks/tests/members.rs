//! Texts of ALTER SYSTEM (real-fe.md §4; recordings sys35, shared35), dropped members, lost volumes.

use super::*;

#[test]
fn refusals_of_alter_system_read_as_recorded() {
    let mut world = World::three("3.5.0", 0);
    let (fe0, fe1) = (World::host("fe-0"), World::host("fe-1"));
    let be = "be-0.be-search.ns1.svc.cluster.local:9050";
    assert!(matches!(world.sql("fe-1", &format!(r#"ALTER SYSTEM ADD BACKEND "{be}""#)), SqlReply::Done { .. }));
    let cases = [
        (format!(r#"ALTER SYSTEM DROP FOLLOWER "{fe0}:9010""#), "can not drop current master node.".to_owned()),
        (format!(r#"ALTER SYSTEM DROP OBSERVER "{fe0}:9010""#), "can not drop current master node.".to_owned()),
        (r#"ALTER SYSTEM DROP FOLLOWER "fe-9:9010""#.to_owned(), "frontend does not exist[fe-9:9010]".to_owned()),
        (format!(r#"ALTER SYSTEM DROP OBSERVER "{fe1}:9010""#), format!("OBSERVER does not exist[{fe1}:9010]")),
        (format!(r#"ALTER SYSTEM ADD OBSERVER "{fe1}:9011""#), format!("FE with the same host: {fe1} already exists")),
        (r#"ALTER SYSTEM ADD FOLLOWER "nosuchhost:9010""#.to_owned(), "unknown fqdn host: nosuchhost".to_owned()),
        (r#"ALTER SYSTEM ADD FOLLOWER "fe-1""#.to_owned(), "Getting analyzing error. Detail message: Invalid host port: fe-1.".to_owned()),
        (
            r#"ALTER SYSTEM ADD FOLLOWER "a:9010","b:9010""#.to_owned(),
            "Getting syntax error at line 1, column 34. Detail message: Unexpected input ',', the most similar input is {<EOF>, ';'}.".to_owned(),
        ),
        (format!(r#"ALTER SYSTEM ADD BACKEND "{be}""#), "Backend already exists with same host be-0.be-search.ns1.svc.cluster.local and port 9050".to_owned()),
        (format!(r#"ALTER SYSTEM ADD COMPUTE NODE "{be}""#), "Backend already exists with same host be-0.be-search.ns1.svc.cluster.local and port 9050".to_owned()),
        (r#"ALTER SYSTEM DROP BACKEND "h:9050""#.to_owned(), "backend does not exists[h:9050]".to_owned()),
        (r#"ALTER SYSTEM DROP COMPUTE NODE "h:9050""#.to_owned(), "compute node does not exists[h:9050]".to_owned()),
        (r#"ALTER SYSTEM DECOMMISSION BACKEND "h:9050""#.to_owned(), "Backend does not exist[h:9050]".to_owned()),
        (r#"CANCEL DECOMMISSION BACKEND "h:9050""#.to_owned(), "Backend does not exist[h:9050]".to_owned()),
        (
            r#"ALTER SYSTEM TRANSFER LEADER TO "a:9010""#.to_owned(),
            "Getting syntax error at line 1, column 13. Detail message: Unexpected input 'TRANSFER', the most similar input is {<EOF>, ';'}.".to_owned(),
        ),
    ];
    for (statement, expected) in cases {
        assert_eq!(world.sql("fe-1", &statement).error(), (1064, expected), "{statement}");
    }
    assert_eq!(
        world.sql("fe-1", r#"ALTER SYSTEM ADD COMPUTE NODE "h:9050" INTO WAREHOUSE w1"#).error(),
        (5901, "Warehouse name: w1 not exist.".to_owned())
    );
    for accepted in [
        r#"ALTER SYSTEM ADD COMPUTE NODE "h:9050" INTO WAREHOUSE default_warehouse"#,
        r#"ALTER SYSTEM ADD BACKEND "10.65.0.11:9050""#,
        r#"ALTER SYSTEM ADD FOLLOWER "10.65.0.9:9010""#,
        r#"ALTER SYSTEM CLEAN TABLET SCHEDULER QUEUE"#,
    ] {
        assert!(matches!(world.sql("fe-1", accepted), SqlReply::Done { .. }), "{accepted}");
    }
    assert_eq!(
        world.sql("fe-1", r#"ALTER SYSTEM ADD COMPUTE NODE "h:9050""#).error().1,
        "Compute node already exists with same host h and port 9050"
    );
}

/// sys35: the rows of a member and of backends that never answered.
#[test]
fn nodes_that_never_answered_look_as_recorded() {
    let mut world = World::three("3.5.0", 0);
    world.sql("fe-0", r#"ALTER SYSTEM ADD FOLLOWER "10.65.0.9:9010""#);
    world.sql("fe-0", r#"ALTER SYSTEM ADD BACKEND "nosuch.ns1:9050","10.65.0.19:9050""#);
    let row = world.lines("fe-0", "show frontends").into_iter().find(|line| text(line, "IP") == "10.65.0.9").unwrap();
    assert_eq!(row["LastHeartbeat"], None);
    let shown: Vec<String> =
        ["QueryPort", "RpcPort", "Role", "Join", "Alive", "ReplayedJournalId", "IsHelper", "ErrMsg", "StartTime", "Version"]
            .iter()
            .map(|name| text(&row, name))
            .collect();
    assert_eq!(shown.join("|"), "0|0|FOLLOWER|false|false|0|true||NULL|NULL");
    let SqlReply::Rows { columns, rows, .. } = world.sql("fe-0", "show backends") else { panic!() };
    assert_eq!(
        columns.join("|"),
        "BackendId|IP|HeartbeatPort|BePort|HttpPort|BrpcPort|LastStartTime|LastHeartbeat|Alive|SystemDecommissioned|ClusterDecommissioned|TabletNum|DataUsedCapacity|AvailCapacity|TotalCapacity|UsedPct|MaxDiskUsedPct|ErrMsg|Version|Status|DataTotalCapacity|DataUsedPct|CpuCores|MemLimit|NumRunningQueries|MemUsedPct|CpuUsedPct|DataCacheMetrics|Location|StatusCode"
    );
    let printed: Vec<String> = rows[0].iter().map(|cell| cell.clone().unwrap_or("None".to_owned())).collect();
    assert_eq!(
        printed.join("|"),
        r#"10002|nosuch.ns1|9050|-1|-1|-1|None|None|false|false|false|0|0.000 B|1.000 B|0.000 B|0.00 %|0.00 %|||{"lastSuccessReportTabletsTime":"N/A"}|0.000 B|0.00 %|0|0.000B|0|0.00 %|0.0 %|N/A||CONNECTING"#
    );
    world.pass(22);
    let lines = world.lines("fe-0", "show backends");
    assert_eq!(
        (text(&lines[0], "StatusCode"), text(&lines[0], "ErrMsg")),
        ("DISCONNECTED".to_owned(), "java.net.UnknownHostException: nosuch.ns1".to_owned())
    );
    assert_eq!(text(&lines[1], "ErrMsg"), "java.net.ConnectException: Connection refused");
    assert!(matches!(world.sql("fe-0", "create database d9"), SqlReply::Done { .. }), "a member that never appears does not block writes");
}

#[test]
fn a_dropped_frontend_is_a_zombie_and_hangs_when_it_is_restarted() {
    let mut world = World::three("3.5.0", 0);
    let reply = world.sql("fe-0", &format!(r#"ALTER SYSTEM DROP FOLLOWER "{}:9010""#, World::host("fe-2")));
    assert!(about(u64::try_from(reply.after().as_millis()).unwrap(), 5.3));
    world.pass(20);
    assert_eq!(world.exited("fe-2"), None);
    assert!(world.bootstrap_ok("fe-2") && world.sql("fe-2", "select 1").is_some_rows());
    assert_eq!((world.ha("fe-2")["role"].as_str(), world.ha("fe-2")["can_read"].as_str()), ("UNKNOWN", "true"));
    assert_eq!(world.sql("fe-2", "show frontends").error().1, "Internal error processing forward");
    assert_eq!(world.lines("fe-0", "show frontends").len(), 2);
    world.signal("fe-2", Signal::Kill);
    world.sql("fe-0", &format!(r#"ALTER SYSTEM ADD FOLLOWER "{}:9010""#, World::host("fe-2")));
    world.start("fe-2", "3.5.0");
    world.pass(120);
    assert_eq!((world.http("fe-2", "/api/health").1.as_str(), world.exited("fe-2")), ("refused", None));
    // With an empty volume it joins under the new name.
    world.signal("fe-2", Signal::Kill);
    world.sr.erase_volume("pvc-fe-2");
    world.start("fe-2", "3.5.0");
    world.until(60, |world| world.alive_frontends() == 3);
}

#[test]
fn a_lost_volume_rejoins_under_the_same_name_without_any_statement() {
    let mut world = World::three("3.5.0", 0);
    let name = text(&world.lines("fe-0", "show frontends")[0], "Name");
    world.signal("fe-1", Signal::Kill);
    world.pass(20);
    world.sr.erase_volume("pvc-fe-1");
    world.start("fe-1", "3.5.0");
    let took = world.until(60, |world| world.alive_frontends() == 3);
    assert!(within(took, 15.0, 24.0), "{took}");
    assert_eq!(text(&world.lines("fe-0", "show frontends")[0], "Name"), name);
}

#[test]
fn a_first_frontend_on_empty_metadata_founds_a_second_cluster_when_nobody_answers() {
    let mut world = World::three("3.5.0", 0);
    for pod in ["fe-0", "fe-1", "fe-2"] {
        world.signal(pod, Signal::Kill);
    }
    world.sr.erase_volume("pvc-fe-0");
    let before = world.sr.metrics(world.now).bootstraps.len();
    world.start("fe-0", "3.5.0");
    world.until(60, |world| world.sql("fe-0", "show frontends").is_some_rows());
    assert_eq!(world.sr.metrics(world.now).bootstraps.len(), before + 1);
    // The others still hold the old cluster and form its majority.
    world.start("fe-1", "3.5.0");
    world.start("fe-2", "3.5.0");
    world.until(60, |world| world.lines("fe-1", "show frontends").len() == 3);
    assert_ne!(text(&world.lines("fe-0", "show frontends")[0], "ClusterId"), text(&world.lines("fe-1", "show frontends")[0], "ClusterId"));
}

#[test]
fn a_later_frontend_gives_up_after_two_minutes_without_a_leader() {
    let mut world = World::new();
    world.start("fe-1", "3.5.0");
    let took = world.until(130, |world| world.exited("fe-1").is_some());
    assert!(about(took, 120.0), "{took}");
    assert_eq!(world.exited("fe-1").unwrap().0, 1);
}
