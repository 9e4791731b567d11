//! Seeded mishaps in any order: nothing panics, nothing is undecided, and a cluster left alone becomes whole again.

use rand::rngs::SmallRng;
use rand::{Rng, SeedableRng};

use super::*;

const PODS: [&str; 6] = ["fe-0", "fe-1", "fe-2", "be-0", "be-1", "be-2"];

const QUESTIONS: [&str; 12] = [
    "show frontends",
    "show backends",
    "show proc '/frontends'",
    "show proc '/statistic'",
    "show proc '/cluster_balance/all_tablets'",
    "ALTER SYSTEM CREATE IMAGE",
    "ADMIN SET FRONTEND CONFIG (\"disable_balance\"=\"true\")",
    "ADMIN SHOW REPLICA STATUS FROM b1.t1",
    "select count(*) from information_schema.partitions_meta where replication_num=1",
    "create database x; drop database x",
    "alter system nonsense \"",
    "",
];

fn mishap(world: &mut World, rng: &mut SmallRng, version: &str) {
    let pod = PODS[rng.random_range(0..PODS.len())];
    let name = format!("c-{pod}");
    let now = world.now;
    match rng.random_range(0..9) {
        0 => world.signal(pod, Signal::Kill),
        1 => world.signal(pod, Signal::Term),
        2 => world.signal(pod, Signal::Usr1),
        3 => world.sr.cut_network("ns1", &name, true, now),
        4 => world.sr.cut_network("ns1", &name, false, now),
        5 => world.sr.hang_sql("ns1", &name, rng.random_bool(0.3)),
        6 => world.sr.lose_reply_next("ns1", &name, 1),
        _ => {
            if world.exited(pod).is_some() {
                world.start(pod, version);
            }
        }
    }
    for pod in ["fe-0", "fe-1", "fe-2"] {
        world.sql(pod, QUESTIONS[rng.random_range(0..QUESTIONS.len())]);
        world.http(pod, "/api/health");
        world.ha(pod);
        world.http(pod, "/metrics");
    }
}

fn storm(seed: u64) -> String {
    let mut world = World::new();
    world.sr = StarRocks::new(seed, Settings { draw_leaders: seed.is_multiple_of(2), ..Settings::default() });
    world.boot("3.5.0", 3);
    world.sr.seed_tables("ns1", "b1", 2, 6, 3);
    let mut rng = SmallRng::seed_from_u64(seed);
    for _ in 0..60 {
        mishap(&mut world, &mut rng, "3.5.0");
        world.pass_millis(rng.random_range(10..20_000));
        assert!(world.sr.next_wakeup().is_none_or(|next| next >= world.now));
        assert_eq!(world.sr.groups.len(), 1);
    }
    let now = world.now;
    for pod in PODS {
        world.sr.cut_network("ns1", &format!("c-{pod}"), false, now);
        world.sr.hang_sql("ns1", &format!("c-{pod}"), false);
        world.sr.lose_reply_next("ns1", &format!("c-{pod}"), 0);
    }
    world.pass(80);
    for _ in 0..3 {
        for pod in PODS {
            if world.exited(pod).is_some() {
                world.start(pod, "3.5.0");
            }
        }
        world.pass(120);
    }
    assert_eq!(world.alive_frontends(), 3, "seed {seed}");
    assert_eq!(world.lines("fe-1", "show backends").iter().filter(|line| text(line, "Alive") == "true").count(), 3, "seed {seed}");
    world.pass(900);
    assert_eq!(world.sr.health_log().last().unwrap().min_live_replicas, Some(3), "seed {seed}");
    format!("{:?} {}", world.sr.metrics(world.now), world.frontends("fe-0"))
}

#[test]
fn a_cluster_left_alone_after_any_mishaps_becomes_whole_again() {
    for seed in 0..12 {
        storm(seed);
    }
}

#[test]
fn mishaps_repeat_exactly_by_their_seed() {
    assert_eq!(storm(3), storm(3));
}

proptest::proptest! {
    #![proptest_config(proptest::prelude::ProptestConfig { cases: 400, ..Default::default() })]

    #[test]
    fn every_text_gets_an_answer(text in "(select|show|alter system|admin|set|create|drop|grant|use|cancel|'|\"|`|;|,|=|\\(|\\)|add|backend|follower|frontend|config|proc|/|from|like|%|_|@@|é|[a-z:0-9. ]{0,6}| ){0,12}") {
        let mut world = World::new();
        world.start("fe-0", "3.5.0");
        world.pass(60);
        let reply = world.sql("fe-0", &text);
        proptest::prop_assert!(!matches!(reply, SqlReply::Refused | SqlReply::Silence), "{:?}", reply);
    }
}

#[test]
fn an_entrypoint_handed_to_a_shell_is_understood() {
    let mut world = World::new();
    world.start("fe-0", "3.5.0");
    world.pass(60);
    let mut start = world.starts["fe-0"].clone();
    start.id.pod_uid = "shell".to_owned();
    start.image = "mirror.local/starrocks:3.5.0".to_owned();
    start.fqdn = World::host("fe-1");
    start.ip = World::ip("fe-1");
    start.pod_name = "c-fe-1".to_owned();
    start.command = vec!["bash".to_owned(), "-c".to_owned(), "/opt/starrocks/fe_entrypoint.sh fe-service".to_owned()];
    start.mounts.clear();
    world.names.0.insert(World::host("fe-1"), vec![World::ip("fe-1")]);
    world.sr.start(start, world.now);
    world.until(60, |world| world.lines("fe-0", "show frontends").len() == 2);
}
