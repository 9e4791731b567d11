//! ALTER SYSTEM TRANSFER LEADER as simulated frontends answer it.

use super::*;
use crate::sim::starrocks::TransferFault;

const OTHER: &str = r#"alter system transfer leader to "fe-1.fe-search.ns1.svc.cluster.local:9010""#;

fn led_by(world: &mut World) -> Vec<String> {
    let leads = |line: &Line| text(line, "Role") == "LEADER";
    let host = |line: Line| text(&line, "IP").split('.').next().unwrap_or_default().to_owned();
    world.lines("fe-2", "show frontends").into_iter().filter(leads).map(host).collect()
}

#[test]
fn a_leader_of_4_2_hands_its_lead_over_within_seconds_and_goes_on_as_a_follower() {
    let mut world = World::three("4.2.0", 0);
    assert!(matches!(world.sql("fe-0", OTHER), SqlReply::Done { .. }));
    world.pass_millis(500);
    assert_eq!(led_by(&mut world), [""; 0]);
    let took = world.until(30, |world| led_by(world) == ["fe-1"]);
    assert!(within(500 + took, 1.5, 3.0), "{took}");
    world.pass(10);
    assert_eq!((world.ha("fe-0")["role"].as_str(), world.ha("fe-1")["role"].as_str()), ("FOLLOWER", "LEADER"));
    assert!(world.bootstrap_ok("fe-0"), "the process went on");
    assert!(matches!(world.sql("fe-0", "create database d1"), SqlReply::Done { .. }));
}

#[test]
fn it_is_refused_for_strangers_and_by_the_fault_and_unknown_to_older_lines() {
    let mut world = World::three("4.2.0", 0);
    let stranger = OTHER.replace("fe-1", "fe-9");
    assert_eq!(world.sql("fe-0", &stranger).error().1, "frontend does not exist[fe-9.fe-search.ns1.svc.cluster.local:9010]");
    world.sr.fail_transfers(Some(TransferFault::Refused));
    assert!(world.sql("fe-0", OTHER).error().1.contains("failed to transfer leader"));
    world.sr.fail_transfers(Some(TransferFault::Silent));
    assert!(matches!(world.sql("fe-0", OTHER), SqlReply::Done { .. }));
    world.pass(30);
    assert_eq!(led_by(&mut world), ["fe-0"]);
    let mut older = World::three("4.1.7", 0);
    let (code, words) = older.sql("fe-0", OTHER).error();
    assert_eq!(code, 1064);
    assert!(words.contains("Unexpected input 'transfer', the most similar input is {<EOF>, ';'}."), "{words}");
}
