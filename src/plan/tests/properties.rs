//! Whatever is observed: plan answers, answers the same again, and its answer passes the safety check.

use std::time::Duration;

use proptest::prelude::*;
use serde_json::json;

use super::super::testing::{World, spec};
use super::super::{guarded, plan};
use crate::model::observed::PodProblem;
use crate::model::{Answer, Observed, Ownership, Silence, SilenceKind};

const RELEASES: [&str; 8] = ["3.3.13", "3.4.10", "3.5.1", "3.5.8", "3.5.9", "4.0.17", "latest", "9.9.9"];

/// One thing that goes wrong, by number; the second number says with whom.
fn disturb(observed: &mut Observed, what: u8, who: usize) {
    let silent = || Silence { kind: SilenceKind::TimedOut, message: "silence".to_owned() };
    let pods = observed.pods.len().max(1);
    let name = observed.pods.keys().nth(who % pods).cloned().unwrap_or_default();
    match what % 14 {
        0 => observed.group.frontends = Answer::Failed(silent()),
        1 => observed.group.backends = Answer::Failed(silent()),
        2 => observed.group.compute_nodes = Answer::NotAsked,
        3 => observed.group.replicas = Answer::NotAsked,
        4 => _ = observed.pods.remove(&name),
        5 => _ = observed.pods.get_mut(&name).map(|pod| pod.ready = false),
        6 => {
            _ = observed.pods.get_mut(&name).map(|pod| {
                pod.ready = false;
                pod.problem = Some(PodProblem { reason: "CrashLoopBackOff".to_owned(), message: "again".to_owned(), stuck: true });
            })
        }
        7 => _ = observed.pods.get_mut(&name).map(|pod| pod.revision = "former".to_owned()),
        8 => _ = observed.frontends.remove(&name),
        9 => {
            if let Answer::Known(rows) = &mut observed.group.frontends {
                let rows_len = rows.len().max(1);
                _ = rows.get_mut(who % rows_len).map(|row| row.alive = false);
            }
        }
        10 => {
            if let Answer::Known(rows) = &mut observed.group.backends {
                let rows_len = rows.len().max(1);
                _ = rows.get_mut(who % rows_len).map(|row| row.version = "3.5.9-abc1234".to_owned());
            }
        }
        11 => observed.now = observed.now + Duration::from_secs(1_000),
        12 => _ = observed.claims.pop_first(),
        _ => {
            for objects in observed.objects.values_mut() {
                let objects_len = objects.len().max(1);
                _ = objects.values_mut().nth(who % objects_len).map(|object| object.ownership = Ownership::Foreign);
            }
        }
    }
}

thread_local! {
    static RISEN: World = World::risen(spec("3.4.10", 3, 3, 1));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 48, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn plan_is_total_and_deterministic_and_passes_its_own_check(
        release in 0..RELEASES.len(),
        passes in 0usize..30,
        frontends in 0u32..5,
        backends in 0u32..5,
        limit in any::<bool>(),
        disturbances in prop::collection::vec((any::<u8>(), any::<usize>()), 0..5),
    ) {
        let mut world = RISEN.with(World::clone);
        world.ask_for(RELEASES[release]);
        world.edit(|spec| {
            spec["starRocksFeSpec"]["replicas"] = json!(frontends);
            spec["starRocksBeSpec"]["replicas"] = json!(backends);
            if limit {
                spec["starRocksBeSpec"]["limits"] = json!({"memory": "16Gi"});
            }
        });
        for _ in 0..passes {
            world.pass();
        }
        let mut observed = world.observe();
        for (what, who) in disturbances {
            disturb(&mut observed, what, who);
        }
        let cluster = world.cluster();
        let (decision, violations) = guarded(&cluster, &observed);
        prop_assert!(violations.is_empty(), "{violations:#?} in {:#?}", plan(&cluster, &observed).steps.iter().map(super::super::describe).collect::<Vec<_>>());
        prop_assert_eq!(&decision, &plan(&cluster, &observed));
        // Publishing the status and looking again at the same world writes no other status, times of memory aside.
        if decision.steps.is_empty() && decision.status.operation.is_none() {
            observed.status = decision.status.clone();
            prop_assert_eq!(plan(&cluster, &observed).status, decision.status);
        }
    }
}
