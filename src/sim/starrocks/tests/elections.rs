//! Fidelity of start, election and loss: real-fe.md §3 and the recordings join35, elect35, graceful35, blackhole35, quorum35, requorum35, coldstart35, restart35.

use super::*;

const UP: &str = "fe-0=LEADER+(3.5.0-7b3a469) fe-1=FOLLOWER+(3.5.0-7b3a469) fe-2=FOLLOWER+(3.5.0-7b3a469)";

#[test]
fn a_single_frontend_waits_thirty_seconds_and_bootstraps_fifteen_later() {
    let mut world = World::new();
    world.start("fe-0", "3.5.0");
    let took = world.until(120, |world| world.http("fe-0", "/api/health").0 == 200);
    assert!(within(took, 43.0, 49.0), "{took}");
    assert!(world.bootstrap_ok("fe-0"));
    assert_eq!(world.ha("fe-0")["role"], "LEADER");
    assert_eq!(world.ha("fe-0")["can_read"], "false");
    assert!(!world.ha("fe-0").contains_key("electable_nodes"));
}

#[test]
fn followers_register_through_the_service_and_join() {
    let mut world = World::three("3.5.0", 0);
    assert_eq!(world.frontends("fe-1"), UP);
    assert_eq!(world.frontends("fe-0"), UP);
    let lines = world.lines("fe-2", "show frontends");
    let ids: Vec<String> = lines.iter().map(|line| text(line, "Id")).collect();
    assert_eq!(ids, ["2", "3", "1"], "recording three35");
}

/// elect35: killed at 15:30:50.15.
#[test]
fn a_killed_leader_is_replaced_within_a_second_of_errors_and_stays_alive_for_sixteen() {
    let mut world = World::three("3.5.0", 0);
    world.signal("fe-0", Signal::Kill);
    world.pass_millis(150);
    assert_eq!(world.sql("fe-1", "show frontends").error(), (1064, "java.net.SocketException: Connection reset".to_owned()));
    assert_eq!(world.ha("fe-1")["master"], "unknown");
    assert_eq!(world.sql("fe-0", "select 1"), SqlReply::Refused);
    world.pass_millis(500);
    assert_eq!(world.sql("fe-1", "show frontends").error(), (1064, "java.net.ConnectException: Connection refused".to_owned()));
    assert_eq!(world.ha("fe-1")["role"], "UNKNOWN");
    assert!(!world.bootstrap_ok("fe-2"));
    assert_eq!(world.http("fe-2", "/api/health").0, 200);
    world.pass_millis(350);
    assert_eq!(world.frontends("fe-1"), "fe-0=FOLLOWER+(3.5.0-7b3a469) fe-1=FOLLOWER+(3.5.0-7b3a469) fe-2=LEADER+(3.5.0-7b3a469)");
    assert_eq!(world.sql("fe-1", "create database d1").error().0, 1064);
    world.pass_millis(400);
    assert_eq!((world.ha("fe-2")["role"].as_str(), world.bootstrap_ok("fe-2")), ("LEADER", false));
    world.pass_millis(400);
    assert!(world.bootstrap_ok("fe-2"));
    world.pass_millis(700);
    assert!(matches!(world.sql("fe-1", "create database d1"), SqlReply::Done { .. }));
    let more = world.until(30, |world| world.frontends("fe-1").contains("fe-0=FOLLOWER-"));
    assert!(about(2_500 + more, 16.3), "{more}");
    let dead = world.lines("fe-1", "show frontends").into_iter().find(|line| text(line, "Id") == "1").unwrap();
    assert_eq!(
        (text(&dead, "ErrMsg").as_str(), text(&dead, "StartTime").as_str(), text(&dead, "Version").as_str()),
        ("Connection refused", "NULL", "3.5.0-7b3a469")
    );
}

/// restart35: started at 15:31:43, serves at 57.9, alive at 01.4.
#[test]
fn a_dead_frontend_serves_after_fifteen_seconds_and_is_alive_up_to_five_later() {
    let mut world = World::three("3.5.0", 0);
    world.signal("fe-1", Signal::Kill);
    world.pass(30);
    world.start("fe-1", "3.5.0");
    let served = world.until(40, |world| world.http("fe-1", "/api/health").0 == 200);
    assert!(within(served, 14.0, 16.5), "{served}");
    assert!(world.bootstrap_ok("fe-1"));
    let alive = world.until(10, |world| world.frontends("fe-1") == UP);
    assert!(alive <= 5_100, "{alive}");
}

/// roll40: the process ends 1.8–2.6 s after SIGTERM.
#[test]
fn a_terminated_leader_serves_until_it_is_gone() {
    let mut world = World::three("3.5.0", 0);
    world.signal("fe-0", Signal::Term);
    world.pass_millis(1_500);
    assert_eq!(world.frontends("fe-1"), UP);
    let took = world.until(10, |world| world.exited("fe-0").is_some());
    assert!(within(1_500 + took, 1.8, 2.6), "{took}");
    assert_eq!(world.exited("fe-0").unwrap().0, 143);
    let gone = world.until(10, |world| world.frontends("fe-1").contains("LEADER"));
    assert!(within(gone, 0.8, 3.0), "{gone}");
}

/// graceful35: SIGUSR1 at 15:38:56.3.
#[test]
fn a_leader_that_leaves_in_order_hands_over_and_lists_no_leader_meanwhile() {
    let mut world = World::three("3.5.0", 0);
    world.signal("fe-0", Signal::Usr1);
    world.pass_millis(200);
    assert_eq!(world.http("fe-0", "/api/health").0, 500);
    assert!(!world.frontends("fe-1").contains("LEADER") && world.frontends("fe-1").contains("fe-0=FOLLOWER+"));
    assert_eq!((world.ha("fe-0")["role"].as_str(), world.ha("fe-0")["master"].as_str()), ("LEADER", "unknown"));
    world.pass_millis(1_000);
    assert!(world.frontends("fe-0").contains("fe-2=LEADER+"));
    assert_eq!(world.ha("fe-0")["role"], "LEADER");
    assert!(world.ha("fe-0")["master"].starts_with("fe-2."));
    world.pass_millis(1_100);
    assert_eq!(world.sql("fe-0", "show frontends").error().1, "Environment is closed.");
    assert_eq!(world.http("fe-0", "/api/show_meta_info?action=SHOW_HA").0, 500);
    assert!(!world.bootstrap_ok("fe-2"));
    world.pass_millis(600);
    assert!(world.bootstrap_ok("fe-2"));
    assert!(world.frontends("fe-0").contains("fe-2=LEADER+"));
    let ended = 2_900 + world.until(30, |world| world.exited("fe-0").is_some());
    assert!(within(ended, 15.0, 18.0), "{ended}");
    assert_eq!(world.exited("fe-0").unwrap().0, 0);
    let dead = ended + world.until(10, |world| world.frontends("fe-1").contains("fe-0=FOLLOWER-"));
    assert!(about(dead, 17.6), "{dead}");
}

#[test]
fn leaving_in_order_becomes_a_hard_exit_when_one_of_three_is_down_already() {
    let mut world = World::three("3.5.0", 0);
    world.signal("fe-1", Signal::Kill);
    world.pass(25);
    world.signal("fe-0", Signal::Usr1);
    let took = world.until(10, |world| world.exited("fe-0").is_some());
    assert!(about(took, 2.4), "{took}");
}

#[test]
fn the_stop_script_waits_for_the_orderly_exit() {
    let mut world = World::three("3.5.0", 0);
    let id = world.id("fe-1");
    let took =
        world.sr.execute(&id, &["/bin/bash".to_owned(), "-c".to_owned(), "/opt/starrocks/fe/bin/stop_fe.sh -g".to_owned()], world.now);
    assert!(about(u64::try_from(took.as_millis()).unwrap(), 17.4));
    assert_eq!(world.frontends("fe-0"), UP);
}

/// blackhole35: cut at 15:32:15.6.
#[test]
fn a_leader_behind_a_cut_network_hangs_its_followers_for_fifty_one_seconds() {
    let mut world = World::three("3.5.0", 0);
    let now = world.now;
    world.sr.cut_network("ns1", "c-fe-0", true, now);
    world.pass(5);
    assert_eq!(world.sql("fe-1", "show frontends"), SqlReply::Silence);
    assert_eq!(world.sql("fe-0", "select 1"), SqlReply::Silence);
    let write = world.sql("fe-1", "create database d1");
    assert_eq!(write.error().1, "java.net.SocketTimeoutException: Connect timed out");
    assert!(about(u64::try_from(write.after().as_millis()).unwrap(), 10.1));
    assert!(world.bootstrap_ok("fe-1"));
    for _ in 0..3 {
        assert_eq!(world.http("fe-1", "/api/health").0, 200);
        assert_eq!(world.http("fe-1", "/api/show_meta_info?action=SHOW_HA").1, "silence");
        world.pass(8);
    }
    assert_eq!(world.http("fe-1", "/api/health").1, "silence", "hanging SHOW_HA requests starve the liveness endpoint");
    let exit = 29_000 + world.until(60, |world| world.exited("fe-0").is_some());
    assert!(about(exit, 46.0), "{exit}");
    assert!(world.exited("fe-0").unwrap().1.contains("failed to rebuild txn"));
    let elected = exit + world.until(60, |world| world.frontends("fe-1").contains("fe-2=LEADER+"));
    assert!(about(elected, 51.0), "{elected}");
    assert_eq!(world.http("fe-1", "/api/health").0, 200);
}

/// quorum35: two of three killed, a follower is left.
#[test]
fn the_last_follower_answers_local_questions_until_it_tolerates_no_more() {
    let mut world = World::new();
    world.fe_conf = "meta_delay_toleration_second = 20\n".to_owned();
    world.boot("3.5.0", 0);
    world.signal("fe-1", Signal::Kill);
    world.signal("fe-0", Signal::Kill);
    world.pass(5);
    for local in ["select 1", "show databases", "show proc '/statistic'", "admin show frontend config like 'run_mode'"] {
        assert!(world.sql("fe-2", local).is_some_rows(), "{local}");
    }
    for forwarded in ["show frontends", "create database d1"] {
        assert_eq!(world.sql("fe-2", forwarded).error().1, "java.net.ConnectException: Connection refused");
    }
    assert!(world.bootstrap_ok("fe-2") && world.http("fe-2", "/api/health").0 == 200);
    let ha = world.ha("fe-2");
    assert_eq!(
        (ha["role"].as_str(), ha["master"].as_str(), ha["can_read"].as_str(), ha["is_ready"].as_str()),
        ("UNKNOWN", "unknown", "true", "true")
    );
    let own = world.lines("fe-2", "show proc '/frontends'");
    assert!(
        own.len() == 3
            && own.iter().all(|line| text(line, "Join") == "false" && text(line, "Role") == "FOLLOWER" && text(line, "Alive") == "true")
    );
    world.pass(20);
    assert!(!world.bootstrap_ok("fe-2") && world.http("fe-2", "/api/health").0 == 200);
    for stale in ["select 1", "show frontends", "show backends", "admin set frontend config ('disable_balance'='true')"] {
        assert!(world.sql("fe-2", stale).error().1.starts_with("(JE 18.3.20) Could not determine master from helpers at:["), "{stale}");
    }
    assert!(world.sql("fe-2", "show databases").is_some_rows() && world.sql("fe-2", "show proc '/frontends'").is_some_rows());
    assert!(world.sr.metrics(world.now).quorum_lost_ms >= 24_000);
}

/// graceful35, at its end: the leader is left alone for 10.5 s of silence.
#[test]
fn a_leader_without_majority_hangs_once_and_then_reads_but_never_writes() {
    let mut world = World::three("3.5.0", 0);
    world.signal("fe-1", Signal::Kill);
    world.signal("fe-2", Signal::Kill);
    let reply = world.sql("fe-0", "show frontends");
    assert!(reply.error().1.starts_with("(JE 18.3.20) Commit policy: SIMPLE_MAJORITY required 1 replica."));
    assert!(about(u64::try_from(reply.after().as_millis()).unwrap(), 10.5));
    assert_eq!(world.http("fe-0", "/api/show_meta_info?action=SHOW_HA").1, "silence");
    world.pass(11);
    assert!(world.frontends("fe-0").contains("fe-0=LEADER+"));
    assert!(world.sql("fe-0", "create database d1").error().1.contains("Commit policy"));
    let took = world.until(60, |world| world.exited("fe-0").is_some());
    assert!(about(11_000 + took, 46.0), "{took}");
}

/// requorum35: both started at 15:35:06, the survivor leads at 27.9.
#[test]
fn the_survivor_is_elected_when_the_majority_is_back() {
    let mut world = World::three("3.5.0", 0);
    world.signal("fe-0", Signal::Kill);
    world.signal("fe-2", Signal::Kill);
    world.pass(30);
    world.start("fe-0", "3.5.0");
    world.start("fe-2", "3.5.0");
    let took = world.until(60, |world| world.frontends("fe-1").contains("fe-1=LEADER+"));
    assert!(about(took, 21.5), "{took}");
    world.until(60, |world| {
        world.frontends("fe-0") == "fe-0=FOLLOWER+(3.5.0-7b3a469) fe-1=LEADER+(3.5.0-7b3a469) fe-2=FOLLOWER+(3.5.0-7b3a469)"
    });
}

/// coldstart35: all three started at 15:39:56, first answer at 29.8; Alive is persisted.
#[test]
fn a_cold_start_answers_after_thirty_three_seconds_with_members_alive_that_are_not_up() {
    let mut world = World::three("3.5.0", 0);
    let before = world.now;
    for pod in ["fe-0", "fe-1", "fe-2"] {
        world.signal(pod, Signal::Kill);
    }
    world.pass(60);
    for pod in ["fe-0", "fe-1", "fe-2"] {
        world.start(pod, "3.5.0");
    }
    let took = world.until(60, |world| ["fe-0", "fe-1", "fe-2"].iter().any(|pod| world.sql(pod, "show frontends").is_some_rows()));
    assert!(about(took, 33.0), "{took}");
    assert_eq!(world.alive_frontends(), 3);
    let lines =
        ["fe-0", "fe-1", "fe-2"].iter().map(|pod| world.lines(pod, "show proc '/frontends'")).find(|lines| !lines.is_empty()).unwrap();
    let stale = lines.iter().filter(|line| {
        Timestamp::parse_frontend_time(&text(line, "LastHeartbeat")).is_some_and(|seen| seen < before + Duration::from_secs(5))
    });
    assert!(
        stale.count() >= 1
            || lines.iter().any(|line| text(line, "LastHeartbeat").is_empty())
            || lines.iter().all(|line| text(line, "Alive") == "true")
    );
}

#[test]
fn a_hung_frontend_answers_http_but_no_sql() {
    let mut world = World::three("3.5.0", 0);
    world.sr.hang_sql("ns1", "c-fe-0", true);
    assert_eq!(world.sql("fe-0", "select 1"), SqlReply::Silence);
    assert_eq!(world.sql("fe-1", "show frontends"), SqlReply::Silence);
    assert_eq!(world.http("fe-0", "/api/health").0, 200);
    world.sr.hang_sql("ns1", "c-fe-0", false);
    assert_eq!(world.frontends("fe-1"), UP);
}

#[test]
fn a_lost_reply_is_executed_all_the_same() {
    let mut world = World::three("3.5.0", 0);
    world.sr.lose_reply_next("ns1", "c-fe-1", 1);
    assert_eq!(world.sql("fe-1", "create database d1"), SqlReply::Silence);
    assert_eq!(world.sql("fe-1", "create database d1").error().0, 1007);
}

#[test]
fn the_same_seed_gives_the_same_answers() {
    let run = || {
        let mut world = World::three("3.5.0", 3);
        world.signal("fe-0", Signal::Kill);
        world.pass(100);
        (world.frontends("fe-1"), format!("{:?}", world.lines("fe-1", "show backends")))
    };
    assert_eq!(run(), run());
}
