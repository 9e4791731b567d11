//! Frontends that restore a cluster snapshot, and members of the group that was given up.

use super::*;

const RESTORE: (&str, &str) = ("RESTORE_CLUSTER_SNAPSHOT", "true");

/// Three frontends ended, and the first restored what they had.
fn restored() -> World {
    let mut world = World::three("3.5.9", 0);
    assert!(matches!(world.sql("fe-0", "create database kept"), SqlReply::Done { .. }));
    for pod in ["fe-0", "fe-1", "fe-2"] {
        world.signal(pod, Signal::Kill);
    }
    world.pass(5);
    world.start_with("fe-0", "3.5.9", &[RESTORE]);
    world.until(120, |world| world.sql("fe-0", "show frontends").is_some_rows());
    world.pass(10);
    world
}

/// The group as a frontend sees it, without releases.
fn group(world: &mut World) -> String {
    let seen = world.frontends("fe-0");
    seen.split(' ').map(|member| member.split('(').next().unwrap_or_default()).collect::<Vec<_>>().join(" ")
}

#[test]
fn a_frontend_that_restores_leads_alone_with_what_the_snapshot_holds() {
    let mut world = restored();
    assert_eq!(group(&mut world), "fe-0=LEADER+");
    assert_eq!(world.sql("fe-0", "create database kept").error().0, 1007, "it is there");
    // Without the variable it goes on with what it restored.
    world.signal("fe-0", Signal::Kill);
    world.pass(5);
    world.start("fe-0", "3.5.9");
    world.until(120, |world| group(world) == "fe-0=LEADER+");
}

#[test]
fn without_the_variable_or_a_release_that_knows_it_one_of_three_waits_for_its_majority() {
    for (version, variables) in [("3.5.9", &[][..]), ("3.4.0", &[RESTORE][..])] {
        let mut world = World::three(version, 0);
        for pod in ["fe-0", "fe-1", "fe-2"] {
            world.signal(pod, Signal::Kill);
        }
        world.pass(5);
        world.start_with("fe-0", version, variables);
        world.pass(300);
        assert!(!world.sql("fe-0", "show frontends").is_some_rows(), "{version}");
    }
}

#[test]
fn old_members_on_their_old_metadata_elect_a_leader_of_their_own_and_on_empty_volumes_they_join() {
    let mut world = restored();
    world.start("fe-1", "3.5.9");
    world.start("fe-2", "3.5.9");
    world.until(180, |world| world.sr.leaders_of("ns1").len() == 2);

    let mut world = restored();
    for pod in ["fe-1", "fe-2"] {
        world.sr.erase_volume(&format!("pvc-{pod}"));
        world.start(pod, "3.5.9");
    }
    world.until(180, |world| group(world) == "fe-0=LEADER+ fe-1=FOLLOWER+ fe-2=FOLLOWER+");
    assert_eq!(world.sr.leaders_of("ns1").len(), 1);
}
