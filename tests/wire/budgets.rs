//! PodDisruptionBudgets on the wire: one that never allows a restart stops an upgrade and a rollout before anything is restarted, and nobody lists them at rest.

use serde_json::{Value, json};
use starrocks_operator::sim::crash::{self, SUBJECT};
use starrocks_operator::sim::embedded::Embedded;

use crate::harness::{pass, play, risen, status, until};

fn lists(embedded: &Embedded) -> u64 {
    embedded.ledger.tally().reads.get("list poddisruptionbudgets").copied().unwrap_or(0)
}

fn is_blocked(embedded: &Embedded, code: &str) -> bool {
    status(embedded).blocked.iter().any(|blocked| blocked.code == code)
}

/// A budget of the data nodes.
fn budget(most: i32) -> Value {
    json!({"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "be", "namespace": SUBJECT.namespace}, "spec": {
        "maxUnavailable": most,
        "selector": {"matchExpressions": [{"key": "app.kubernetes.io/component", "operator": "In", "values": ["be", "cn"]}]}}})
}

#[test]
fn a_budget_without_room_stops_the_upgrade_until_it_has_some() {
    play(async {
        let embedded = risen(1, "3.5.8", [3, 3, 0]).await;
        embedded.apply(&budget(0)).await.expect("accepted");
        pass(600).await;
        assert_eq!(lists(&embedded), 0, "nothing depends on budgets at rest");
        let generation = embedded.set_version(SUBJECT.namespace, SUBJECT.name, "3.5.9").await.expect("accepted");
        until("the upgrade is stopped", 120, || is_blocked(&embedded, "SR-2227")).await;
        pass(300).await;
        assert!(is_blocked(&embedded, "SR-2227") && status(&embedded).version.as_deref() == Some("3.5.8"));
        embedded.apply(&budget(1)).await.expect("accepted");
        crash::settle(&embedded, SUBJECT, generation).await.expect("it arrives once the budget has room");
        let listed = lists(&embedded);
        pass(900).await;
        assert_eq!(lists(&embedded), listed);
    });
}

#[test]
fn a_budget_without_room_holds_a_rollout_of_the_same_release_until_it_has_some() {
    play(async {
        let embedded = risen(1, "3.5.8", [3, 3, 0]).await;
        embedded.apply(&budget(0)).await.expect("accepted");
        let patch = json!({"spec": {"starRocksBeSpec": {"annotations": {"changed": "yes"}}}});
        let generation = embedded.patch_cluster(SUBJECT.namespace, SUBJECT.name, patch).await.expect("accepted");
        until("the rollout is held", 120, || is_blocked(&embedded, "SR-2227")).await;
        pass(300).await;
        assert!(is_blocked(&embedded, "SR-2227"));
        embedded.apply(&budget(1)).await.expect("accepted");
        crash::settle(&embedded, SUBJECT, generation).await.expect("it goes on once the budget has room");
        let listed = lists(&embedded);
        pass(900).await;
        assert_eq!(lists(&embedded), listed);
    });
}
