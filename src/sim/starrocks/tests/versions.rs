//! Mixed versions and refusals to start: real-fe.md §10, recordings roll40, down35, leaderfirst; starrocks.md §1.

use super::*;

fn roll(world: &mut World, pod: &str, version: &str, ask: &str) -> u64 {
    world.signal(pod, Signal::Term);
    let down = world.until(10, |world| world.exited(pod).is_some());
    world.start(pod, version);
    let digits = version.to_owned();
    let number = pod.to_owned();
    let host = World::host(pod);
    let up = world.until(60, |world| {
        world
            .lines(ask, "show frontends")
            .iter()
            .any(|line| text(line, "IP") == host && text(line, "Alive") == "true" && text(line, "Version").starts_with(&digits))
            && world.http(&number, "/api/health").0 == 200
    });
    down + up
}

/// roll40: followers 22.7 and 29.9 s, leader 22.7 s.
#[test]
fn followers_then_leader_reach_4_0_each_within_half_a_minute() {
    let mut world = World::three("3.5.0", 0);
    for pod in ["fe-1", "fe-2"] {
        let took = roll(&mut world, pod, "4.0.0", "fe-0");
        assert!(within(took, 16.0, 36.0), "{pod} {took}");
    }
    assert_eq!(text(&world.lines("fe-0", "select @@version_comment")[0], "@@version_comment"), "3.5.0-7b3a469");
    roll(&mut world, "fe-0", "4.0.0", "fe-1");
    assert_eq!(world.frontends("fe-0"), "fe-0=FOLLOWER+(4.0.0-0dfbef5) fe-1=FOLLOWER+(4.0.0-0dfbef5) fe-2=LEADER+(4.0.0-0dfbef5)");
    let report = world.sr.metrics(world.now);
    assert_eq!(report.leader_restarts_order, ["ns1/c-fe-0"]);
    assert_eq!(report.quorum_lost_ms, 0);
}

#[test]
fn an_image_can_be_asked_for_from_2_5_3_on() {
    for (version, knows) in [("2.4.5", false), ("2.5.2", false), ("2.5.3", true), ("3.5.0", true)] {
        let mut world = World::three(version, 0);
        let refused = matches!(world.sql("fe-0", "alter system create image"), SqlReply::Failed { .. });
        assert_eq!(refused, !knows, "{version}");
    }
}

/// down35: 37.5 s; it loads what 4.0 wrote.
#[test]
fn a_follower_goes_back_from_4_0_to_3_5() {
    let mut world = World::three("4.0.0", 0);
    world.sql("fe-0", "ALTER SYSTEM CREATE IMAGE");
    world.pass(200);
    roll(&mut world, "fe-1", "3.5.0", "fe-0");
    assert!(world.frontends("fe-1").contains("fe-1=FOLLOWER+(3.5.0-7b3a469)"));
}

/// leaderfirst: the new one comes back as follower of an old leader.
#[test]
fn upgrading_the_leader_first_only_moves_leadership_to_an_old_frontend() {
    let mut world = World::three("3.5.0", 0);
    roll(&mut world, "fe-0", "4.0.0", "fe-1");
    assert_eq!(world.frontends("fe-0"), "fe-0=FOLLOWER+(4.0.0-0dfbef5) fe-1=FOLLOWER+(3.5.0-7b3a469) fe-2=LEADER+(3.5.0-7b3a469)");
}

#[test]
fn an_unknown_operation_leaves_an_older_running_follower_stuck_but_healthy() {
    let mut world = World::three("4.0.0", 0);
    world.sql("fe-0", "ALTER SYSTEM CREATE IMAGE");
    world.pass(200);
    roll(&mut world, "fe-1", "3.5.0", "fe-0");
    world.sr.write_new_operation("ns1");
    let frozen = world.ha("fe-1")["current_journal_id"].clone();
    world.pass(5);
    assert!(world.frontends("fe-0").contains("fe-1=FOLLOWER+"));
    let took = 5_000 + world.until(30, |world| world.frontends("fe-0").contains("fe-1=FOLLOWER-"));
    assert!(within(took, 13.0, 20.5), "{took}");
    let row = world.lines("fe-0", "show frontends").into_iter().find(|line| text(line, "IP") == World::host("fe-1")).unwrap();
    assert_eq!(text(&row, "ErrMsg"), "not ready");
    assert_eq!(world.exited("fe-1"), None);
    assert!(world.http("fe-1", "/api/health").0 == 200 && !world.bootstrap_ok("fe-1"));
    assert_eq!((world.ha("fe-1")["can_read"].as_str(), world.ha("fe-1")["current_journal_id"].as_str()), ("false", frozen.as_str()));
    // A starting one exits, unless its file tells it to ignore such operations.
    world.signal("fe-1", Signal::Kill);
    world.start("fe-1", "3.5.0");
    world.until(30, |world| world.exited("fe-1").is_some());
    assert!(world.exited("fe-1").unwrap().1.contains("UNKNOWN Operation Type"));
    world.fe_conf = "ignore_unknown_log_id = true\n".to_owned();
    world.start("fe-1", "3.5.0");
    let took = world.until(40, |world| world.frontends("fe-0").contains("fe-1=FOLLOWER+"));
    assert!(within(took, 14.0, 28.0), "{took}");
}

#[test]
fn illegal_version_pairs_do_not_start() {
    for (from, to) in [("3.1.2", "3.2.0"), ("2.4.5", "3.1.0"), ("3.5.9", "3.4.5"), ("3.5.9", "3.5.1"), ("4.0.17", "4.1.0")] {
        let mut world = World::new();
        world.start("fe-0", from);
        world.until(120, |world| world.http("fe-0", "/api/health").0 == 200);
        world.signal("fe-0", Signal::Kill);
        world.start("fe-0", to);
        world.until(40, |world| world.exited("fe-0").is_some());
        assert_eq!(world.exited("fe-0").unwrap().0, 255, "{from} -> {to}");
    }
}

#[test]
fn a_second_hop_needs_an_image_of_the_first() {
    let run = |image: bool| {
        let mut world = World::new();
        world.start("fe-0", "3.3.22");
        world.until(120, |world| world.http("fe-0", "/api/health").0 == 200);
        let versions = ["3.4.10", "3.5.9"];
        world.sql("fe-0", "ALTER SYSTEM CREATE IMAGE");
        world.pass(200);
        for version in versions {
            world.signal("fe-0", Signal::Kill);
            world.start("fe-0", version);
            world.pass(if image { 30 } else { 25 });
            if image {
                world.sql("fe-0", "ALTER SYSTEM CREATE IMAGE");
                world.pass(240);
            }
        }
        world.exited("fe-0").is_none()
    };
    assert!(run(true));
    assert!(!run(false));
}

#[test]
fn columns_follow_the_release_of_the_frontend_asked() {
    let columns = |version: &str, sql: &str| {
        let mut world = World::new();
        world.start("fe-0", version);
        world.until(120, |world| world.http("fe-0", "/api/health").0 == 200);
        match world.sql("fe-0", sql) {
            SqlReply::Rows { columns, .. } => columns,
            other => panic!("{other:?}"),
        }
    };
    assert_eq!(columns("3.4.10", "show frontends")[0], "Name");
    assert_eq!(columns("3.5.0", "show frontends")[0], "Id");
    let has = |version: &str, name: &str| columns(version, "show backends").iter().any(|column| column == name);
    assert_eq!(
        (has("3.2.16", "MemLimit"), has("3.3.22", "MemLimit"), has("3.3.22", "StatusCode"), has("3.4.10", "StatusCode")),
        (false, true, false, true)
    );
}

#[test]
fn removed_java_options_keep_a_frontend_on_java_17_from_starting() {
    let mut world = World::new();
    world.fe_conf = "JAVA_OPTS = \"-Xmx8g -XX:+UseConcMarkSweepGC\"\n".to_owned();
    world.start("fe-0", "3.5.0");
    world.until(60, |world| world.exited("fe-0").is_some());
    assert!(world.exited("fe-0").unwrap().1.contains("UseConcMarkSweepGC"));
}

#[test]
fn frontends_upgraded_before_their_backends_may_crash_them() {
    let mut world = World::three("3.5.0", 3);
    world.sr.crash_older_backends(true);
    world.pass(30);
    assert_eq!(world.exited("be-0"), None);
    for pod in ["fe-1", "fe-2", "fe-0"] {
        roll(&mut world, pod, "4.0.0", if pod == "fe-0" { "fe-1" } else { "fe-0" });
    }
    world.pass(10);
    assert!(["be-0", "be-1", "be-2"].iter().all(|pod| world.exited(pod).is_some()));
}

#[test]
fn versions_can_be_made_to_crash_and_images_to_be_missing() {
    let mut world = World::new();
    world.sr.crash_on_start(super::super::Component::Backend, "3.5.2", true);
    world.start("be-0", "3.5.2");
    world.pass(4);
    assert!(world.exited("be-0").is_some());
    assert!(world.sr.pull("starrocks/fe-ubuntu:3.5.0").is_ok());
    assert!(world.sr.pull("starrocks/fe-ubuntu:3.5.0-missing").is_err());
    world.sr.set_unavailable("3.5.0", true);
    assert!(world.sr.pull("starrocks/fe-ubuntu:3.5.0").is_err());
}

/// The documented way (starrocks.md §1.2): image, freeze, backends, followers, leader, thaw; hop by hop.
#[test]
fn a_two_hop_upgrade_in_the_documented_order_never_loses_quorum_or_a_second_copy() {
    let mut world = World::three("3.3.22", 3);
    assert!(world.sr.seed_tables("ns1", "b1", 3, 4, 3));
    world.pass(900);
    for version in ["3.4.10", "3.5.9"] {
        let leader =
            ["fe-0", "fe-1", "fe-2"].into_iter().find(|pod| world.ha(pod).get("role").is_some_and(|role| role == "LEADER")).unwrap();
        let noted: u64 = world.ha(leader)["current_journal_id"].parse().unwrap();
        world.sql(leader, "ALTER SYSTEM CREATE IMAGE");
        let covered = |world: &World, pod: &str| world.ha(pod)["last_checkpoint_version"].parse::<u64>().unwrap() >= noted;
        world.until(240, |world| ["fe-0", "fe-1", "fe-2"].iter().all(|pod| covered(world, pod)));
        for setting in [
            "\"tablet_sched_max_scheduling_tablets\"=\"0\"",
            "\"tablet_sched_max_balancing_tablets\"=\"0\"",
            "\"disable_balance\"=\"true\"",
        ] {
            assert!(matches!(world.sql(leader, &format!("ADMIN SET FRONTEND CONFIG ({setting})")), SqlReply::Done { .. }));
        }
        for pod in ["be-2", "be-1", "be-0"] {
            world.signal(pod, Signal::Term);
            world.until(30, |world| world.exited(pod).is_some());
            world.start(pod, version);
            let host = World::host(pod);
            world.until(60, |world| {
                let lines = world.lines(leader, "show backends");
                lines.iter().any(|line| {
                    text(line, "IP") == host
                        && text(line, "Alive") == "true"
                        && text(line, "Version").starts_with(version)
                        && !text(line, "Status").contains("N/A")
                })
            });
        }
        let followers: Vec<&str> = ["fe-0", "fe-1", "fe-2"].into_iter().filter(|pod| *pod != leader).collect();
        for pod in &followers {
            roll(&mut world, pod, version, leader);
        }
        roll(&mut world, leader, version, followers[0]);
        for setting in [
            "\"tablet_sched_max_scheduling_tablets\"=\"10000\"",
            "\"tablet_sched_max_balancing_tablets\"=\"500\"",
            "\"disable_balance\"=\"false\"",
        ] {
            assert!(matches!(world.sql(followers[0], &format!("ADMIN SET FRONTEND CONFIG ({setting})")), SqlReply::Done { .. }));
        }
        world.pass(60);
    }
    let report = world.sr.metrics(world.now);
    assert_eq!((report.min_live_replicas, report.below_two_ms, report.quorum_lost_ms, report.deleted_tablets), (Some(2), 0, 0, 0));
    assert_eq!(report.leader_restarts_order.len(), 2);
    assert_eq!(report.restarts.len(), 12);
    assert!(report.settings_now.values().all(|settings| settings["tablet_sched_disable_balance"] == "false"));
    assert_eq!(world.statistic("b1", "UnhealthyTabletNum"), 0);
}
