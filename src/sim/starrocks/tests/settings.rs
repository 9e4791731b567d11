//! Parameters set and shown: real-fe.md §5 and the recording cfg35.

use super::*;

fn value(world: &mut World, pod: &str, key: &str) -> String {
    world.lines(pod, &format!("admin show frontend config like '{key}'")).first().map(|line| text(line, "Value")).unwrap_or_default()
}

#[test]
fn a_setting_sent_to_any_frontend_reaches_all_and_is_lost_at_restart() {
    let mut world = World::three("3.5.0", 0);
    assert!(matches!(world.sql("fe-2", r#"ADMIN SET FRONTEND CONFIG ("max_scheduling_tablets"="8")"#), SqlReply::Done { .. }));
    assert!(matches!(world.sql("fe-1", r#"ADMIN SET FRONTEND CONFIG ("disable_balance"="true")"#), SqlReply::Done { .. }));
    for pod in ["fe-0", "fe-1", "fe-2"] {
        assert_eq!(value(&mut world, pod, "tablet_sched_max_scheduling_tablets"), "8");
    }
    let line = &world.lines("fe-0", "admin show frontend config like 'disable_balance'")[0];
    let shown: Vec<String> = ["Key", "AliasNames", "Value", "Type", "IsMutable", "Comment"].iter().map(|name| text(line, name)).collect();
    assert_eq!(shown.join("|"), "tablet_sched_disable_balance|[disable_balance]|true|boolean|true|");
    world.signal("fe-1", Signal::Kill);
    world.start("fe-1", "3.5.0");
    world.until(30, |world| world.http("fe-1", "/api/health").0 == 200);
    assert_eq!(value(&mut world, "fe-1", "tablet_sched_max_scheduling_tablets"), "10000");
    assert_eq!(value(&mut world, "fe-0", "tablet_sched_max_scheduling_tablets"), "8");
    let settings = world.sr.metrics(world.now).settings_now;
    assert_eq!(settings["ns1/c-fe-1"]["tablet_sched_disable_balance"], "false");
    assert_eq!(settings["ns1/c-fe-2"]["tablet_sched_disable_balance"], "true");
}

#[test]
fn a_frontend_comes_up_with_what_its_file_says_under_real_names_and_aliases() {
    let mut world = World::new();
    world.fe_conf = "max_scheduling_tablets = 0\ntablet_sched_disable_balance = true\nhttp_port = 8030\n".to_owned();
    world.boot("3.5.0", 0);
    assert_eq!(value(&mut world, "fe-1", "tablet_sched_max_scheduling_tablets"), "0");
    assert_eq!(value(&mut world, "fe-1", "disable_balance"), "true");
    assert_eq!(value(&mut world, "fe-1", "run_mode"), "shared_nothing");
}

#[test]
fn refusals_of_admin_set_read_as_recorded() {
    let mut world = World::three("3.5.0", 0);
    for (statement, expected) in [
        (
            r#"ADMIN SET FRONTEND CONFIG ("max_balancing_tablets"="0","disable_balance"="true")"#,
            "Getting syntax error at line 1, column 54. Detail message: Unexpected input ',', the most similar input is {')'}.",
        ),
        (r#"ADMIN SET FRONTEND CONFIG ("nosuchkey"="1")"#, "Config 'nosuchkey' does not exist or is not mutable"),
        (r#"ADMIN SET FRONTEND CONFIG ("http_port"="1")"#, "Config 'http_port' does not exist or is not mutable"),
        (
            r#"ADMIN SET FRONTEND CONFIG ("tablet_sched_max_scheduling_tablets"="abc")"#,
            r#"Failed to set config 'tablet_sched_max_scheduling_tablets'. err: For input string: "abc""#,
        ),
        (
            r#"ADMIN SET FRONTEND CONFIG ("tablet_sched_max_scheduling_tablets" = "12") WITH PERSISTENT"#,
            "set persisted config failed, because current running mode is not persisted",
        ),
    ] {
        assert_eq!(world.sql("fe-0", statement).error(), (1064, expected.to_owned()));
    }
}

#[test]
fn a_dead_frontend_fails_the_statement_on_3_5_although_the_living_were_changed() {
    let mut world = World::three("3.5.0", 0);
    world.signal("fe-2", Signal::Kill);
    world.pass(40);
    let (code, message) = world.sql("fe-1", r#"ADMIN SET FRONTEND CONFIG ("max_balancing_tablets"="3")"#).error();
    assert_eq!(code, 5101);
    assert_eq!(
        message,
        format!("Set config failed: set config for fe[{}] failed: java.net.ConnectException: Connection refused", World::host("fe-2"))
    );
    assert_eq!(
        (value(&mut world, "fe-0", "max_balancing_tablets"), value(&mut world, "fe-1", "max_balancing_tablets")),
        ("3".to_owned(), "3".to_owned())
    );
}

#[test]
fn a_dead_frontend_is_skipped_without_a_word_on_4_0_once_it_counts_as_dead() {
    let mut world = World::three("4.0.0", 0);
    world.signal("fe-2", Signal::Kill);
    world.pass(3);
    assert_eq!(world.sql("fe-1", r#"ADMIN SET FRONTEND CONFIG ("max_balancing_tablets"="3")"#).error().0, 5101);
    world.pass(20);
    assert!(matches!(world.sql("fe-1", r#"ADMIN SET FRONTEND CONFIG ("max_balancing_tablets"="4")"#), SqlReply::Done { .. }));
    world.start("fe-2", "4.0.0");
    world.until(30, |world| world.http("fe-2", "/api/health").0 == 200);
    assert_eq!(value(&mut world, "fe-2", "max_balancing_tablets"), "500");
}

#[test]
fn users_passwords_and_inactive_roles_behave_as_recorded() {
    let mut world = World::three("3.5.0", 0);
    assert_eq!(
        world.sql_as("root", "x", "fe-0", "select 1").error(),
        (1045, "Access denied for user 'root' (using password: YES)".to_owned())
    );
    world.sql("fe-0", "create user 'op'@'%' identified by 'pw1'");
    world.sql("fe-0", "grant cluster_admin to 'op'@'%'");
    let (code, message) = world.sql_as("op", "pw1", "fe-1", "show frontends").error();
    assert_eq!(code, 5203);
    assert!(
        message.contains("OPERATE OR NODE privilege(s)")
            && message.contains("Current role(s): NONE. Inactivated role(s): [cluster_admin].")
    );
    assert!(world.sql_as("op", "pw1", "fe-1", "set role all; show frontends").is_some_rows());
    world.sql("fe-0", "set default role all to op");
    assert!(world.sql_as("op", "pw1", "fe-1", "show frontends").is_some_rows());
    assert_eq!(world.sql_as("op", "pw1", "fe-1", "show proc '/statistic'").error().0, 5203);
    world.sql("fe-0", "grant operate, repository on system to user op");
    assert!(world.sql_as("op", "pw1", "fe-1", "show proc '/statistic'").is_some_rows());
    assert!(matches!(world.sql("fe-2", "SET PASSWORD FOR 'root' = PASSWORD('x')"), SqlReply::Done { .. }));
    assert_eq!(world.sql("fe-0", "select 1").error().1, "Access denied for user 'root' (using password: NO)");
    assert!(world.sql_as("root", "x", "fe-1", "select 1").is_some_rows());
}
