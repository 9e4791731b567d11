//! CREATE IMAGE and checkpoints: real-fe.md §6 and the recording image_down.

use super::*;

fn image(world: &World, pod: &str) -> u64 {
    world.ha(pod).get("last_checkpoint_version").map_or(0, |version| version.parse().unwrap())
}

fn journal(world: &World, pod: &str) -> u64 {
    world.ha(pod)["current_journal_id"].parse().unwrap()
}

#[test]
fn an_image_reaches_every_frontend_within_four_minutes_and_covers_the_journal_at_the_order() {
    let mut world = World::three("3.5.0", 0);
    world.pass(33);
    assert_eq!(image(&world, "fe-0"), 0);
    let noted = journal(&world, "fe-0");
    assert!(matches!(world.sql("fe-1", "ALTER SYSTEM CREATE IMAGE"), SqlReply::Done { .. }));
    let took = world.until(240, |world| image(world, "fe-0") >= noted);
    assert!(within(took, 5.0, 180.0), "{took}");
    let version = image(&world, "fe-0");
    assert_eq!((image(&world, "fe-1"), image(&world, "fe-2")), (version, version));
    assert!(world.ha("fe-2")["last_checkpoint_time"].len() == 13, "milliseconds");
}

#[test]
fn a_frontend_that_is_down_gets_the_image_after_it_is_back() {
    let mut world = World::three("3.5.0", 0);
    world.signal("fe-2", Signal::Kill);
    world.pass(30);
    let noted = journal(&world, "fe-0");
    world.sql("fe-0", "ALTER SYSTEM CREATE IMAGE");
    world.until(240, |world| image(world, "fe-0") >= noted && image(world, "fe-1") >= noted);
    world.start("fe-2", "3.5.0");
    world.until(30, |world| world.http("fe-2", "/api/health").0 == 200);
    assert_eq!(image(&world, "fe-2"), 0, "it starts from its old image");
    let took = world.until(70, |world| image(world, "fe-2") >= noted);
    assert!(took <= 60_000, "{took}");
}

#[test]
fn a_killed_worker_is_replaced_and_the_image_comes_late() {
    let mut world = World::three("3.5.0", 0);
    let noted = journal(&world, "fe-0");
    world.sql("fe-0", "ALTER SYSTEM CREATE IMAGE");
    let chosen = |world: &mut World| world.sr.groups.values().find_map(|group| group.checkpoint.clone());
    world.until(120, |world| chosen(world).is_some());
    let worker = chosen(&mut world).unwrap().worker;
    let pod = world.starts.iter().find(|(_, start)| start.id == worker).map(|(pod, _)| pod.clone()).unwrap();
    assert_ne!(pod, "fe-0", "normally a follower");
    world.signal(&pod, Signal::Kill);
    let took = world.until(300, |world| image(world, "fe-0") >= noted);
    assert!(within(took, 61.0, 240.0), "{took}");
}

#[test]
fn the_leader_alone_builds_images_when_told_so() {
    let mut world = World::three("3.5.0", 0);
    world.sql("fe-0", r#"ADMIN SET FRONTEND CONFIG ("checkpoint_only_on_leader"="true")"#);
    world.sql("fe-0", "ALTER SYSTEM CREATE IMAGE");
    world.until(120, |world| world.sr.groups.values().any(|group| group.checkpoint.is_some()));
    let worker = world.sr.groups.values().find_map(|group| group.checkpoint.clone()).unwrap().worker;
    assert_eq!(worker, world.id("fe-0"));
}

#[test]
fn an_old_follower_may_build_the_image_of_a_mixed_group() {
    let mut world = World::three("3.5.0", 0);
    for pod in ["fe-1", "fe-2"] {
        world.signal(pod, Signal::Kill);
        world.pass(1);
        world.start(pod, "4.0.0");
        world.until(60, |world| {
            world.frontends("fe-0").matches("4.0.0").count() + usize::from(pod == "fe-1") >= 1 && world.alive_frontends() == 3
        });
        world.pass(25);
    }
    world.signal("fe-0", Signal::Kill);
    world.start("fe-0", "3.5.0");
    world.until(60, |world| {
        world.frontends("fe-0").contains("fe-0=FOLLOWER+(3.5.0-7b3a469)") && world.frontends("fe-0").contains("fe-2=LEADER+(4.0.0-0dfbef5)")
    });
    for _ in 0..12 {
        world.sql("fe-2", "ALTER SYSTEM CREATE IMAGE");
        world.pass(130);
    }
    let images = world.sr.metrics(world.now).images;
    assert!(images.iter().any(|image| image.older_than_leader && image.worker == "ns1/c-fe-0"), "{images:?}");
}
