//! `upgradePolicy` on the wire: canaries that are judged by SQL and by metrics, restarts that wait for queries, compute nodes that go together.

use serde_json::{Value, json};
use starrocks_operator::sim::crash::{self, SUBJECT};
use starrocks_operator::sim::embedded::Embedded;

use crate::harness::{pass, play, risen, status, until};

const NAMESPACE: &str = SUBJECT.namespace;

async fn asked(size: [u32; 3], policy: Value) -> (Embedded, i64) {
    let embedded = risen(1, "3.5.8", size).await;
    let patch = json!({"spec": {"version": "3.5.9", "upgradePolicy": policy}});
    let generation = embedded.patch_cluster(NAMESPACE, SUBJECT.name, patch).await.expect("accepted");
    (embedded, generation)
}

async fn waits_for(embedded: &Embedded, code: &str) -> String {
    until(code, 1_800, || status(embedded).blocked.iter().any(|blocked| blocked.code == code)).await;
    status(embedded).blocked.into_iter().find(|blocked| blocked.code == code).expect("just seen").message
}

async fn arrives(embedded: &Embedded, generation: i64) {
    crash::settle(embedded, SUBJECT, generation).await.expect("the upgrade arrives");
    assert_eq!(status(embedded).version.as_deref(), Some("3.5.9"));
}

/// Pods of the newest release, as they truly run.
fn moved(embedded: &Embedded) -> Vec<String> {
    let truth = embedded.world().starrocks.truth(NAMESPACE);
    truth.into_iter().filter(|node| node.release.to_string() == "3.5.9").map(|node| node.pod).collect()
}

fn verdict() -> Value {
    let metric = json!({"name": "starrocks_be_engine_requests_total", "labels": {"status": "failed"}, "max": 0});
    json!({"verdict": {"sql": "SELECT COUNT(*) < 3 FROM information_schema.loads", "metrics": [metric]}})
}

#[test]
fn a_canary_with_bad_metrics_stops_the_roll_until_they_are_good() {
    play(async {
        let (embedded, generation) = asked([3, 3, 0], json!({"canary": verdict(), "canarySoakSeconds": 20})).await;
        embedded.world().starrocks.fail_compactions("3.5.9", true);
        let message = waits_for(&embedded, "SR-2221").await;
        assert!(message.contains("kube-be-2") && message.contains("is 7 and may be 0 at most"), "{message}");
        pass(1_200).await;
        assert_eq!(moved(&embedded), ["kube-be-2"]);
        embedded.world().starrocks.fail_compactions("3.5.9", false);
        arrives(&embedded, generation).await;
        let reads = embedded.ledger.tally();
        pass(600).await;
        assert_eq!(embedded.ledger.tally().write_count(), reads.write_count(), "rest means rest");
    });
}

#[test]
fn a_no_by_sql_turns_back_where_that_is_wanted() {
    play(async {
        let policy = json!({"canary": verdict(), "onFailure": "RollBack"});
        let (embedded, _) = asked([3, 3, 0], policy).await;
        embedded.world().starrocks.cancel_loads(3);
        until("the way back", 3_600, || status(&embedded).declined_upgrade.is_some()).await;
        pass(60).await;
        assert_eq!(status(&embedded).version.as_deref(), Some("3.5.8"));
        assert_eq!(moved(&embedded), Vec::<String>::new());
    });
}

#[test]
fn a_metric_that_no_page_has_waits_and_never_passes() {
    play(async {
        let metrics = json!([{"name": "starrocks_be_misspelt", "max": 1}]);
        let (embedded, _) = asked([3, 3, 0], json!({"canary": {"verdict": {"metrics": metrics}}, "onFailure": "RollBack"})).await;
        let message = waits_for(&embedded, "SR-2222").await;
        assert!(message.contains("has no starrocks_be_misspelt"), "{message}");
        pass(1_200).await;
        assert_eq!(moved(&embedded), ["kube-be-2"]);
        let written = embedded.ledger.tally().write_count();
        pass(1_200).await;
        assert_eq!(embedded.ledger.tally().write_count(), written, "waiting costs no write");
    });
}

#[test]
fn restarts_wait_for_queries_as_long_as_they_run_or_as_long_as_they_may() {
    play(async {
        let (embedded, generation) = asked([3, 2, 0], json!({"drainSeconds": 300, "canarySoakSeconds": 0})).await;
        embedded.world().starrocks.run_queries(NAMESPACE, "kube-be-1", 4);
        let message = waits_for(&embedded, "SR-2223").await;
        assert!(message.starts_with("4 queries run on kube-be-1"), "{message}");
        pass(60).await;
        assert_eq!(moved(&embedded), Vec::<String>::new());
        embedded.world().starrocks.run_queries(NAMESPACE, "kube-be-1", 0);
        until("the queries have ended", 60, || moved(&embedded) == ["kube-be-1"]).await;
        // This one's queries never end, and no frontend forgets its own.
        for pod in ["kube-be-0", "kube-fe-0", "kube-fe-1", "kube-fe-2"] {
            embedded.world().starrocks.run_queries(NAMESPACE, pod, 1);
        }
        let waited = until("the time is up", 900, || moved(&embedded).len() == 2).await;
        assert!((300..400).contains(&waited.as_secs()), "{waited:?}");
        let waited = until("a frontend", 900, || moved(&embedded).len() == 3).await;
        assert!((300..420).contains(&waited.as_secs()), "{waited:?}");
        for pod in ["kube-fe-0", "kube-fe-1", "kube-fe-2"] {
            embedded.world().starrocks.run_queries(NAMESPACE, pod, 0);
        }
        arrives(&embedded, generation).await;
    });
}

#[test]
fn compute_nodes_go_together_and_one_stays() {
    play(async {
        let (embedded, generation) = asked([3, 2, 3], json!({"maxUnavailableComputeNodes": "100%"})).await;
        until("compute nodes", 1_800, || status(&embedded).operation.is_some_and(|operation| operation.phase.as_str() == "ComputeNodes"))
            .await;
        let mut fewest = 3;
        until("the frontends", 1_800, || {
            let truth = embedded.world().starrocks.truth(NAMESPACE);
            fewest = fewest.min(truth.iter().filter(|node| node.pod.starts_with("kube-cn") && node.serving).count());
            status(&embedded).operation.is_some_and(|operation| operation.phase.as_str() == "Followers")
        })
        .await;
        assert_eq!(fewest, 1);
        arrives(&embedded, generation).await;
    });
}
