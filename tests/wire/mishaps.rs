//! Something breaks in the middle of an upgrade; it arrives all the same, and every promise is kept.

use std::time::Duration;

use starrocks_operator::sim::crash::{self, SUBJECT};
use starrocks_operator::sim::embedded::Embedded;

use crate::harness::{pass, play, risen, status, until};

const NAMESPACE: &str = "prod";

async fn upgrading(phase: &str) -> (Embedded, i64) {
    let embedded = risen(1, "3.4.10", [3, 3, 1]).await;
    embedded.world().seed_tables(NAMESPACE, 3);
    let generation = embedded.set_version(NAMESPACE, "kube", "3.5.20").await.expect("accepted");
    until(phase, 3_600, || status(&embedded).operation.is_some_and(|operation| operation.phase.as_str() == phase)).await;
    (embedded, generation)
}

/// Waits for the end and looks into the laboratory's books.
async fn arrives(embedded: &Embedded, generation: i64) {
    crash::settle(embedded, SUBJECT, generation).await.expect("the upgrade arrives");
    assert_eq!(status(embedded).version.as_deref(), Some("3.5.20"));
    let world = embedded.world();
    let audit = world.starrocks.metrics(world.now());
    assert_eq!(audit.quorum_lost_ms, 0, "quorum was lost");
    assert_eq!(audit.below_two_ms, 0, "a tablet was short of two copies");
    assert_eq!((audit.bootstraps.len(), audit.deleted_tablets), (1, 0));
    for (pod, settings) in &audit.settings_now {
        assert_eq!(settings["tablet_sched_max_scheduling_tablets"], "10000", "{pod}");
        assert_eq!(settings["tablet_sched_disable_balance"], "false", "{pod}");
    }
}

fn frontend(embedded: &Embedded, leader: bool) -> String {
    let leads = status(embedded).leader.expect("a leader");
    let all = ["kube-fe-0", "kube-fe-1", "kube-fe-2"];
    all.into_iter().find(|pod| (*pod == leads) == leader).expect("one of them").to_owned()
}

fn untouched_backend() -> &'static str {
    "kube-be-0"
}

#[test]
fn a_backend_dies_before_its_turn() {
    play(async {
        let (embedded, generation) = upgrading("Canary").await;
        until("the canary is watched", 900, || status(&embedded).blocked.iter().any(|blocked| blocked.code == "SR-2203")).await;
        embedded.world().kill(NAMESPACE, untouched_backend());
        arrives(&embedded, generation).await;
    });
}

#[test]
fn the_leader_dies_while_backends_are_replaced() {
    play(async {
        let (embedded, generation) = upgrading("Backends").await;
        let leader = frontend(&embedded, true);
        embedded.world().kill(NAMESPACE, &leader);
        arrives(&embedded, generation).await;
    });
}

#[test]
fn a_frontend_takes_connections_and_answers_nothing() {
    play(async {
        let (embedded, generation) = upgrading("Followers").await;
        let follower = frontend(&embedded, false);
        embedded.world().hang_sql(NAMESPACE, &follower, Duration::from_secs(120));
        arrives(&embedded, generation).await;
    });
}

#[test]
fn the_operator_is_away_for_half_a_minute() {
    play(async {
        let (mut embedded, generation) = upgrading("Backends").await;
        embedded.lose_operator();
        pass(30).await;
        embedded.start_operator();
        arrives(&embedded, generation).await;
    });
}

#[test]
fn a_kubernetes_node_is_gone_for_three_minutes() {
    play(async {
        let (embedded, generation) = upgrading("Canary").await;
        until("the canary is watched", 900, || status(&embedded).blocked.iter().any(|blocked| blocked.code == "SR-2203")).await;
        embedded.world().lose_node_of(NAMESPACE, untouched_backend(), Duration::from_secs(180));
        arrives(&embedded, generation).await;
    });
}

#[test]
fn the_next_image_cannot_be_pulled_for_two_minutes() {
    play(async {
        let (embedded, generation) = upgrading("Image").await;
        embedded.world().lose_images("3.5.20", Duration::from_secs(120));
        arrives(&embedded, generation).await;
    });
}
