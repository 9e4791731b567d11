//! Clusters that follow a channel: what is remembered, what moves by itself, and what keeps running whatever becomes of the channel.

use std::collections::BTreeMap;
use std::sync::Arc;

use serde_json::{Value, json};

use super::super::testing::World;
use crate::release::{Catalog, CatalogSource, Channel, Entry, Release, State, Version};

/// A cluster that follows a channel.
pub(super) fn spec(channel: &str) -> Value {
    let mut spec = super::super::testing::spec("x", 3, 3, 0);
    for section in ["starRocksFeSpec", "starRocksBeSpec"] {
        spec[section].as_object_mut().unwrap().remove("image");
    }
    spec["channel"] = json!(channel);
    spec
}

/// A catalog with a channel `c` of these releases, each reached from all before it.
fn catalog(versions: &[Version], withdrawn: &[Version]) -> Arc<Catalog> {
    let mut former: Option<Version> = None;
    let entries = versions.iter().map(|version| Entry { replaces: former.replace(*version), ..Entry::of_line(*version) });
    let source = CatalogSource {
        channels: vec![Channel { name: "c".to_owned(), entries: entries.collect() }],
        deprecations: Vec::new(),
        releases: withdrawn.iter().map(|version| Release::new(*version, State::Withdrawn)).collect(),
    };
    let merged = Catalog::merged(&BTreeMap::from([("mine".to_owned(), source)]));
    assert_eq!(merged.faults, BTreeMap::new());
    Arc::new(merged.catalog)
}

fn patch(number: u64) -> Version {
    Version::new(3, 5, number)
}

/// A cluster at rest on a channel with this head.
fn resting_at(number: u64) -> World {
    let mut world = World::new(spec("c"));
    world.releases = catalog(&[patch(number)], &[]);
    world.run_to_rest(200);
    assert_eq!(world.status.version.as_deref(), Some(patch(number).to_string().as_str()));
    world.log.clear();
    world
}

fn stands(world: &World) -> (String, Option<String>, Option<String>) {
    let channel = world.status.channel.clone().unwrap();
    assert_eq!(channel.name, "c");
    (channel.version, channel.head, channel.available)
}

fn condition(world: &World, name: &str) -> (String, String) {
    let condition = world.status.conditions.iter().find(|condition| condition.condition_type == name).unwrap();
    (condition.status.clone(), condition.message.clone())
}

#[test]
fn a_moved_head_is_walked_to_with_every_gate_and_is_remembered_before_anything_is_touched() {
    let mut world = resting_at(8);
    assert_eq!(stands(&world), ("3.5.8".to_owned(), Some("3.5.8".to_owned()), None));
    world.releases = catalog(&[patch(8), patch(9)], &[]);
    world.interrupted_pass(0);
    assert_eq!(stands(&world).0, "3.5.9", "it is on record although nothing was done");
    world.run_to_rest(300);
    assert_eq!(world.status.version.as_deref(), Some("3.5.9"));
    assert_eq!(world.restarts().len(), 6);
    assert_eq!(world.generation, 1, "nobody changed the resource");
    assert_eq!(condition(&world, "UpdateAvailable").0, "False");
    let restarts = world.restarts();
    let order: Vec<&str> = restarts.iter().map(|pod| &pod[..7]).collect();
    assert_eq!(order, ["kube-be", "kube-be", "kube-be", "kube-fe", "kube-fe", "kube-fe"]);
}

#[test]
fn a_head_that_moves_in_the_middle_of_a_walk_waits_for_its_end() {
    let mut world = resting_at(8);
    world.releases = catalog(&[patch(8), patch(9)], &[]);
    world.run_until(100, |world, _| world.restarts().len() == 2);
    world.releases = catalog(&[patch(8), patch(9), patch(10)], &[]);
    world.run_until(100, |world, _| world.restarts().len() == 4);
    assert_eq!(stands(&world), ("3.5.9".to_owned(), Some("3.5.10".to_owned()), Some("3.5.10".to_owned())));
    world.run_to_rest(600);
    assert_eq!(world.status.version.as_deref(), Some("3.5.10"));
    assert_eq!(world.restarts().len(), 12);
}

#[test]
fn another_line_is_offered_and_taken_once_it_is_approved() {
    let mut world = resting_at(20);
    world.releases = catalog(&[patch(20), Version::new(4, 0, 17)], &[]);
    world.run_to_rest(20);
    assert_eq!(stands(&world), ("3.5.20".to_owned(), Some("4.0.17".to_owned()), Some("4.0.17".to_owned())));
    let (status, message) = condition(&world, "UpdateAvailable");
    assert!(status == "True" && message.contains("approvedVersion to 4.0.17"), "{message}");
    assert_eq!(condition(&world, "Ready").0, "True");
    assert_eq!(world.restarts(), Vec::<String>::new());
    world.edit(|spec| spec["upgradePolicy"]["approvedVersion"] = json!("4.0.17"));
    world.run_to_rest(600);
    assert_eq!(world.status.version.as_deref(), Some("4.0.17"));
    assert_eq!(condition(&world, "UpdateAvailable").0, "False");
}

#[test]
fn a_channel_that_vanishes_or_whose_head_is_withdrawn_leaves_the_cluster_ready_with_a_code() {
    for releases in [Catalog::embedded(), catalog(&[patch(8), patch(9)], &[patch(9)]), catalog(&[patch(9)], &[patch(9)])] {
        let mut world = resting_at(8);
        world.releases = releases;
        let decision = world.pass();
        assert!(decision.steps.is_empty(), "{:?}", decision.steps);
        assert_eq!(decision.waiting_on.iter().map(|wait| wait.code()).collect::<Vec<_>>(), ["SR-2230"]);
        assert_eq!((condition(&world, "Ready").0.as_str(), condition(&world, "Stalled").0.as_str()), ("True", "False"));
        assert_eq!(stands(&world).0, "3.5.8");
        // Everything else goes on.
        world.edit(|spec| spec["starRocksBeSpec"]["annotations"] = json!({"a": "b"}));
        world.run_until(100, |world, _| world.restarts().len() == 3);
        world.releases = catalog(&[patch(8)], &[]);
        world.run_to_rest(100);
        assert_eq!(world.status.blocked, Vec::new());
    }
}

#[test]
fn a_release_that_is_withdrawn_while_it_runs_is_left_when_the_channel_leads_on() {
    let mut world = resting_at(9);
    world.releases = catalog(&[patch(9)], &[patch(9)]);
    world.pass();
    assert_eq!(world.restarts(), Vec::<String>::new());
    world.releases = catalog(&[patch(9), patch(10)], &[patch(9)]);
    world.run_to_rest(300);
    assert_eq!(world.status.version.as_deref(), Some("3.5.10"));
}

#[test]
fn from_a_version_to_a_channel_and_back_nothing_moves_that_was_not_asked_for() {
    let mut world = resting_at(8);
    world.edit(|spec| {
        spec.as_object_mut().unwrap().remove("channel");
        spec["version"] = json!("3.5.8");
    });
    world.run_to_rest(50);
    assert_eq!(world.status.channel, None);
    world.edit(|spec| {
        spec.as_object_mut().unwrap().remove("version");
        spec["channel"] = json!("stable-3.5");
        spec["upgradePolicy"]["automatic"] = json!({"patch": "Manual"});
    });
    world.run_to_rest(50);
    assert_eq!(world.restarts(), Vec::<String>::new());
    assert_eq!(condition(&world, "UpdateAvailable").0, "True");
}
