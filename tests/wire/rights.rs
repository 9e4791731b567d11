//! The operator asks for nothing that its generated role does not grant, and the role grants nothing that the operator never asks for.

use serde_json::json;
use starrocks_operator::sim::crash::{SUBJECT, Subject, resource};
use starrocks_operator::sim::starrocks::Component;

use crate::catalogs;
use crate::harness::{apply, change, delete, pass, play, stage, status, until};
use crate::upgrades;
use crate::warehouses;

/// Rights that no request of the operator itself exercises.
///
/// `update …/finalizers` of both kinds: the API server's OwnerReferencesPermissionEnforcement asks for it when an object with
/// blockOwnerDeletion is written; it is never requested as such.
const HELD_FOR_OTHERS: [&str; 2] =
    ["update starrocksclusters/finalizers.starrocks.com", "update starrockswarehouses/finalizers.starrocks.com"];

#[test]
fn the_generated_role_is_enough_and_nothing_in_it_is_idle() {
    play(async {
        let embedded = stage(1).await;
        let operator = embedded.hire("embedded-0", true);
        let secret = json!({"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "login", "namespace": "prod"}, "stringData": {"password": ""}});
        let conf = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fe-conf", "namespace": "prod"}, "data": {"fe.conf": "http_port = 8030\n"}});
        for document in [&secret, &conf] {
            embedded.apply(document).await.expect("accepted");
        }
        let mut wanted = resource("3.4.10", [3, 3, 1]);
        wanted["spec"]["credentials"] = json!({"secretName": "login"});
        wanted["spec"]["starRocksFeSpec"]["configMapInfo"] = json!({"configMapName": "fe-conf", "resolveKey": "fe.conf"});
        wanted["spec"]["upgradePolicy"]["prePullImages"] = json!(true);
        apply(&embedded, &wanted).await;
        embedded.world().seed_tables("prod", 3);

        change(&embedded, json!({"spec": {"version": "3.5.9"}})).await;
        change(&embedded, json!({"spec": {"starRocksBeSpec": {"replicas": 4}, "starRocksCnSpec": {"replicas": 2}}})).await;
        let policy = json!({"minReplicas": 1, "maxReplicas": 3, "version": "v2", "hpaPolicy": {"metrics": [
            {"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}}]}});
        let proxy = json!({"replicas": 1, "resolver": "kube-dns.kube-system.svc.cluster.local"});
        change(
            &embedded,
            json!({"spec": {"starRocksCnSpec": {"replicas": null, "autoScalingPolicy": policy}, "starRocksFeProxySpec": proxy}}),
        )
        .await;
        pass(120).await;
        change(&embedded, json!({"spec": {"starRocksCnSpec": {"replicas": 1, "autoScalingPolicy": null}, "starRocksFeProxySpec": null}}))
            .await;
        pass(120).await;
        {
            let world = embedded.world();
            for kind in ["HorizontalPodAutoscaler", "Deployment"] {
                assert!(world.store.list(kind, Some("prod")).is_empty(), "{kind} of a section that is gone");
            }
        }

        // A container in a crash loop: the end of its log is read.
        embedded.world().starrocks.crash_on_start(Component::ComputeNode, "3.5.9", true);
        embedded.world().kill(SUBJECT.namespace, "kube-cn-0");
        until("the crash is told", 600, || status(&embedded).blocked.iter().any(|blocked| blocked.message.contains("its log says"))).await;
        embedded.world().starrocks.crash_on_start(Component::ComputeNode, "3.5.9", false);
        until("the compute node comes back", 900, || status(&embedded).phase == "running").await;

        // A section that is taken away takes its objects along, one kind of component after the other.
        embedded.patch_cluster("prod", "kube", json!({"spec": {"starRocksBeSpec": null}})).await.expect("accepted");
        until("the backends go", 900, || {
            let world = embedded.world();
            let gone = |kind: &str, name: &str| world.store.get(kind, "prod", name).is_none();
            gone("StatefulSet", "kube-be") && gone("Service", "kube-be-service") && gone("Service", "kube-be-search")
        })
        .await;
        change(&embedded, json!({"spec": {"starRocksCnSpec": null}})).await;
        until("the compute nodes go", 900, || embedded.world().store.get("StatefulSet", "prod", "kube-cn").is_none()).await;

        embedded.apply(&catalogs::catalog("mine", json!({}))).await.expect("accepted");
        catalogs::judged(&embedded, "mine", true).await;
        catalogs::delete(&embedded, "mine").await;

        upgrades::forget_old_ones(&embedded).await;

        // Warehouses need a cluster with shared data.
        warehouses::shared_data(&embedded, "shared", true).await;
        embedded.apply(&warehouses::of_cluster("shared", "w", 1)).await.expect("accepted");
        warehouses::wait_until_ready(&embedded, "w").await;
        warehouses::delete(&embedded, "w").await;
        until("the warehouse goes", 600, || warehouses::get(&embedded, "StarRocksWarehouse", "w").is_none()).await;
        delete(&embedded, Subject { namespace: "prod", name: "shared" }).await;

        operator.stop().await;
        let operator = embedded.hire("embedded-1", true);
        pass(60).await;
        delete(&embedded, SUBJECT).await;
        until("the objects go", 600, || embedded.world().store.list("StatefulSet", Some("prod")).is_empty()).await;
        pass(60).await;
        operator.stop().await;

        assert_eq!(embedded.ledger.refused(), Vec::<String>::new());
        let unused: Vec<String> = embedded.rules().unused().iter().map(ToString::to_string).collect();
        assert_eq!(unused, HELD_FOR_OTHERS);
    });
}
