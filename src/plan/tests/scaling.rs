//! Other numbers of nodes than the resource asks for.

use serde_json::json;

use super::super::testing::{World, spec};
use crate::model::observed::Claim;
use crate::model::{Component, ObjectKind, WaitingOn};

fn pods(world: &World, component: Component) -> usize {
    world.pods.values().filter(|pod| pod.component == component).count()
}

/// Scales the frontends as `kubectl scale statefulset` does, behind the operator's back.
fn scale_frontends(world: &mut World, replicas: u32) {
    let set = world.objects.get_mut(&ObjectKind::StatefulSet).and_then(|sets| sets.get_mut("kube-fe")).unwrap();
    set.body["spec"]["replicas"] = json!(replicas);
    world.leader = None;
    world.kill("kube-fe-2");
}

#[test]
fn frontends_that_were_scaled_below_a_majority_come_back() {
    for (all, left) in [(3, 0), (3, 1), (1, 0)] {
        let mut world = World::risen(spec("3.3.13", all, 3, 0));
        scale_frontends(&mut world, left);
        let frontends = |world: &World| u32::try_from(pods(world, Component::Frontend)).unwrap();
        assert_eq!(frontends(&world), left);
        for _ in 0..40 {
            // One of three elects nobody, and nobody answers.
            world.mute = frontends(&world) < all;
            world.pass();
        }
        assert_eq!(frontends(&world), all, "from {left}; waiting on {:?}", world.status.blocked);
        world.mute = false;
        world.run_to_rest(60);
    }
}

#[test]
fn a_frontend_that_was_dropped_by_hand_stays_away_while_nobody_answers() {
    let mut world = World::risen(spec("3.3.13", 1, 3, 0));
    for ordinal in 1..3 {
        let claim = Claim { uid: format!("old-{ordinal}"), bound: true, created: world.now };
        world.claims.insert(format!("fe-meta-kube-fe-{ordinal}"), claim);
    }
    world.edit(|spec| spec["starRocksFeSpec"]["replicas"] = json!(3));
    world.pass();
    world.mute = true;
    for _ in 0..10 {
        let decision = world.pass();
        assert!(decision.waiting_on.iter().any(|wait| matches!(wait, WaitingOn::StaleVolume { .. })), "{:?}", decision.waiting_on);
    }
    assert_eq!(pods(&world, Component::Frontend), 1);
}
