//! Watches fail, break, expire and fall silent one by one; the others go on, and each comes back by itself.

use std::time::Duration;

use serde_json::json;
use starrocks_operator::sim::crash::{self, SUBJECT, Subject, resource};
use starrocks_operator::sim::embedded::Embedded;
use starrocks_operator::sim::kube::{ApiError, Verdict};

use crate::harness::{apply, pass, play, risen, until};

/// Changes a Service of the cluster by hand and tells after how much simulated time the operator has put it back.
async fn time_to_repair(embedded: &Embedded, limit_seconds: u64) -> Duration {
    drift(embedded).await;
    until("the Service is put back", limit_seconds, || !is_drifted(embedded)).await
}

async fn drift(embedded: &Embedded) {
    let edit = json!({"apiVersion": "v1", "kind": "Service", "metadata": {"name": "kube-fe-service", "namespace": "prod"},
        "spec": {"selector": {"app.kubernetes.io/component": "nobody"}}});
    embedded.apply(&edit).await.expect("accepted");
    assert!(is_drifted(embedded));
}

fn is_drifted(embedded: &Embedded) -> bool {
    let world = embedded.world();
    let service = world.store.get("Service", "prod", "kube-fe-service").expect("it exists");
    service["spec"]["selector"]["app.kubernetes.io/component"] == "nobody"
}

fn refuse(resource: &'static str, verdict: Verdict) -> starrocks_operator::sim::ledger::Obstacle {
    Box::new(move |request| (request.resource == resource && !request.is_write()).then(|| verdict.clone()))
}

fn forbidden() -> Verdict {
    Verdict::Refuse(ApiError::forbidden("autoscaling", "horizontalpodautoscalers", "", "no such right"))
}

#[test]
fn a_kind_that_is_refused_or_never_answers_delays_no_other_kind() {
    for verdict in [forbidden(), Verdict::Hang] {
        play(async {
            let embedded = risen(1, "3.5.9", [3, 1, 0]).await;
            pass(60).await;
            let undisturbed = time_to_repair(&embedded, 60).await;
            embedded.ledger.obstruct(Some(refuse("horizontalpodautoscalers", verdict.clone())));
            embedded.server().cut_watches();
            // Long enough for a shared backoff to have grown.
            pass(300).await;
            let disturbed = time_to_repair(&embedded, 60).await;
            assert!(disturbed <= undisturbed + Duration::from_secs(1), "{undisturbed:?} undisturbed, {disturbed:?} with {verdict:?}");
        });
    }
}

#[test]
fn broken_and_expired_watches_come_back_within_seconds() {
    play(async {
        let embedded = risen(1, "3.5.9", [3, 1, 0]).await;
        for round in 0..3 {
            pass(60).await;
            if round == 1 {
                let mut world = embedded.world();
                let revision = world.store.revision();
                world.store.compact(revision);
            }
            embedded.server().cut_watches();
            let taken = time_to_repair(&embedded, 60).await;
            assert!(taken <= Duration::from_secs(5), "round {round}: {taken:?}");
        }
        let lists = embedded.ledger.tally().reads["list services"];
        assert!(lists >= 1, "{lists} lists");
    });
}

#[test]
fn silent_watches_are_noticed_and_replaced() {
    play(async {
        let embedded = risen(1, "3.5.9", [3, 1, 0]).await;
        pass(60).await;
        embedded.server().silence_watches(true);
        pass(1).await;
        drift(&embedded).await;
        pass(60).await;
        assert!(is_drifted(&embedded), "nobody can know yet");
        until("a silent connection is given up and a new one made", 400, || embedded.ledger.tally().reads["watch services"] >= 2).await;
        embedded.server().silence_watches(false);
        let taken = until("the Service is put back", 60, || !is_drifted(&embedded)).await;
        assert!(taken <= Duration::from_secs(5), "{taken:?}");
    });
}

#[test]
fn after_three_minutes_without_the_api_work_goes_on_within_five_seconds() {
    play(async {
        let embedded = risen(1, "3.5.9", [3, 1, 0]).await;
        pass(60).await;
        embedded.ledger.obstruct(Some(Box::new(|_| Some(Verdict::Disconnect))));
        embedded.server().cut_watches();
        pass(90).await;
        drift(&embedded).await;
        pass(90).await;
        embedded.ledger.obstruct(None);
        let taken = until("the Service is put back", 120, || !is_drifted(&embedded)).await;
        println!("after an outage of 180 s: {taken:?}");
        assert!(taken <= Duration::from_secs(5), "{taken:?}");
    });
}

#[test]
fn a_cluster_created_while_a_kind_is_forbidden_waits_for_that_kind_and_then_goes_on_at_once() {
    play(async {
        let mut embedded = risen(1, "3.5.9", [1, 1, 0]).await;
        embedded.ledger.obstruct(Some(refuse("configmaps", Verdict::Refuse(ApiError::forbidden("", "configmaps", "", "no such right")))));
        embedded.start_operator();
        let other = Subject { namespace: "prod", name: "other" };
        let mut wanted = resource("3.5.9", [1, 1, 0]);
        wanted["metadata"]["name"] = json!(other.name);
        embedded.apply(&wanted).await.expect("accepted");
        pass(120).await;
        assert!(crash::status(&embedded.world(), other).conditions.is_empty(), "half-blind it does nothing");
        embedded.ledger.obstruct(None);
        until("it begins", 60, || embedded.world().store.get("StatefulSet", "prod", "other-fe").is_some()).await;
        apply(&embedded, &wanted).await;
        assert_eq!(crash::status(&embedded.world(), SUBJECT).phase, "running");
    });
}
