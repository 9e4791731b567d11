//! What is wrong with one cluster stays with that cluster.

use std::time::Duration;

use serde_json::{Value, json};
use starrocks_operator::sim::crash::{self, SUBJECT, Subject, resource};
use starrocks_operator::sim::embedded::Embedded;

use crate::harness::{apply, change, delete, pass, play, risen, stage, until};

const OTHER: Subject<'static> = Subject { namespace: "prod", name: "other" };

fn other(version: &str, size: [u32; 3]) -> Value {
    let mut resource = resource(version, size);
    resource["metadata"]["name"] = json!(OTHER.name);
    resource
}

/// Seconds of simulated time until a second cluster is Ready.
async fn time_to_ready(embedded: &Embedded) -> f64 {
    let begin = embedded.clock().now();
    apply(embedded, &other("3.5.9", [3, 1, 0])).await;
    embedded.clock().now().since(begin).as_secs_f64()
}

#[test]
fn a_resource_that_cannot_be_used_says_so_itself_and_spoils_no_other() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        let faults = [
            (
                "SR-3005",
                "spec.starRocksBeSpec.requests",
                json!({"starRocksBeSpec": {"requests": {"memory": "9Gi"}, "limits": {"memory": "8Gi"}}}),
            ),
            (
                "SR-3006",
                "storageSize",
                json!({"starRocksBeSpec": {"storageVolumes": [{"name": "be-storage", "mountPath": "/x", "storageSize": "abc10Gi"}]}}),
            ),
            ("SR-3011", "version", json!({"version": "3.5.9", "starRocksFeSpec": {"image": "starrocks/fe-ubuntu:3.4.1"}})),
            (
                "SR-3009",
                "storageVolumes",
                json!({"starRocksBeSpec": {"storageVolumes": [
                {"name": "one", "mountPath": "/x", "storageSize": "1Gi"}, {"name": "two", "mountPath": "/x", "storageSize": "1Gi"}]}}),
            ),
            ("SR-3001", "spec.starRocksFeSpec", json!({"starRocksFeSpec": null})),
        ];
        apply(&embedded, &resource("3.5.9", [3, 1, 0])).await;
        for (code, field, patch) in faults {
            apply(&embedded, &other("3.5.9", [1, 1, 0])).await;
            let good = world_of(&embedded, SUBJECT);
            let accepted = embedded.patch_cluster(OTHER.namespace, OTHER.name, json!({"spec": patch})).await;
            let generation = accepted.unwrap_or_else(|error| panic!("{code}: the API server refuses it already: {error:#}"));
            until(code, 10, || {
                let status = crash::status(&embedded.world(), OTHER);
                status.observed_generation == Some(generation) && status.phase == "failed"
            })
            .await;
            let status = crash::status(&embedded.world(), OTHER);
            let stalled = status.conditions.iter().find(|condition| condition.condition_type == "Stalled").expect("a condition");
            assert_eq!(stalled.status, "True");
            assert!(stalled.message.contains(code) && stalled.message.contains(field), "{code} {field}: {}", stalled.message);
            let ready = status.conditions.first().expect("conditions");
            assert_eq!((ready.condition_type.as_str(), ready.status.as_str()), ("Ready", "False"));

            // Its neighbour is looked after as ever.
            assert_eq!(world_of(&embedded, SUBJECT), good, "{code}: the neighbour's resource was touched");
            let label = json!({"spec": {"starRocksFeSpec": {"service": {"annotations": {"round": code}}}}});
            let begin = tokio::time::Instant::now();
            change(&embedded, label).await;
            assert!(begin.elapsed() < Duration::from_secs(15), "{code}: {:?}", begin.elapsed());

            delete(&embedded, OTHER).await;
            pass(120).await;
        }
    });
}

#[test]
fn a_corrected_resource_heals() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        let mut wanted = other("3.5.9", [1, 1, 0]);
        wanted["spec"]["starRocksBeSpec"]["storageVolumes"][0]["storageSize"] = json!("abc10Gi");
        embedded.apply(&wanted).await.expect("the schema lets it in");
        pass(30).await;
        assert_eq!(crash::status(&embedded.world(), OTHER).phase, "failed");
        assert!(embedded.world().store.list("StatefulSet", Some("prod")).is_empty());
        wanted["spec"]["starRocksBeSpec"]["storageVolumes"][0]["storageSize"] = json!("10Gi");
        apply(&embedded, &wanted).await;
        assert_eq!(crash::status(&embedded.world(), OTHER).phase, "running");
    });
}

#[test]
fn an_unreachable_frontend_delays_no_other_cluster() {
    let undisturbed = play(async {
        let embedded = risen(1, "3.5.9", [3, 1, 0]).await;
        time_to_ready(&embedded).await
    });
    for cut in [false, true] {
        play(async {
            let embedded = risen(1, "3.5.9", [3, 1, 0]).await;
            for pod in ["kube-fe-0", "kube-fe-1", "kube-fe-2"] {
                let long = Duration::from_secs(3_600);
                if cut {
                    embedded.world().cut_network("prod", pod, long);
                } else {
                    embedded.world().hang_sql("prod", pod, long);
                }
            }
            // Something to do for the sick cluster all the while.
            embedded.patch_cluster("prod", "kube", json!({"spec": {"starRocksBeSpec": {"replicas": 2}}})).await.expect("accepted");
            let disturbed = time_to_ready(&embedded).await;
            println!(
                "ready after {undisturbed} s undisturbed, {disturbed} s beside a cluster whose frontends are unreachable (cut: {cut})"
            );
            assert!((disturbed - undisturbed).abs() <= 5.0, "{undisturbed} s undisturbed, {disturbed} s beside it (cut: {cut})");
        });
    }
}

fn world_of(embedded: &Embedded, subject: Subject<'_>) -> Value {
    embedded.world().store.get("StarRocksCluster", subject.namespace, subject.name).expect("it exists")["status"].clone()
}
