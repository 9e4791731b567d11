//! Two operators at once: one acts, the other waits its turn.

use std::time::Duration;

use starrocks_operator::sim::crash::{self, SUBJECT, resource};

use crate::harness::{apply, pass, play, stage, status, until};

fn holder(embedded: &starrocks_operator::sim::embedded::Embedded) -> String {
    let world = embedded.world();
    let lease = world.store.get("Lease", "starrocks", "c6c79638.starrocks.com").expect("a Lease");
    lease["spec"]["holderIdentity"].as_str().unwrap_or_default().to_owned()
}

#[test]
fn the_second_operator_waits_and_goes_on_where_a_dead_one_left_off() {
    play(async {
        let embedded = stage(1).await;
        let first = embedded.hire("first", true);
        pass(5).await;
        let second = embedded.hire("second", true);
        apply(&embedded, &resource("3.3.14", [3, 1, 0])).await;
        assert_eq!(holder(&embedded), "first");
        assert_eq!(embedded.ledger.tally().reads["list pods"], 1, "the one that waits watches nothing");
        assert!(second.telemetry.health.readiness_faults().is_empty(), "a stand-by is ready");

        let generation = embedded.set_version("prod", "kube", "3.5.20").await.expect("accepted");
        until("the upgrade is under way", 600, || status(&embedded).operation.is_some_and(|operation| operation.step >= 4)).await;
        first.lose();
        let taken = until("the second takes over", 60, || holder(&embedded) == "second").await;
        println!("a dead leader is replaced after {taken:?}");
        assert!(taken >= Duration::from_secs(10) && taken <= Duration::from_secs(30), "{taken:?}");
        crash::settle(&embedded, SUBJECT, generation).await.expect("the upgrade ends");
        assert_eq!(status(&embedded).version.as_deref(), Some("3.5.20"));
        let world = embedded.world();
        let audit = world.starrocks.metrics(world.now());
        assert_eq!((audit.restarts.len(), audit.quorum_lost_ms, audit.bootstraps.len()), (8, 0, 1));
        drop(world);
        second.lose();
    });
}

#[test]
fn an_operator_that_stops_in_good_order_hands_over_at_once() {
    play(async {
        let embedded = stage(1).await;
        let first = embedded.hire("first", true);
        pass(5).await;
        let second = embedded.hire("second", true);
        pass(30).await;
        first.stop().await;
        assert_eq!(holder(&embedded), "");
        let taken = until("the second takes over", 60, || holder(&embedded) == "second").await;
        assert!(taken <= Duration::from_secs(5), "{taken:?}");
        second.stop().await;
        assert_eq!(holder(&embedded), "");
    });
}

#[test]
fn an_operator_that_loses_the_lease_ends_itself() {
    play(async {
        let embedded = stage(1).await;
        let first = embedded.hire("first", true);
        pass(30).await;
        embedded
            .ledger
            .obstruct(Some(Box::new(|request| (request.resource == "leases").then_some(starrocks_operator::sim::kube::Verdict::Hang))));
        let taken = until("it ends", 60, || first.has_ended()).await;
        assert!(taken <= Duration::from_secs(15), "before anyone else may take over: {taken:?}");
    });
}
