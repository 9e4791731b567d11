//! What users of the Go operator do by other ways than the specification: autoscaling, recovery from a snapshot, leaving a resource alone, scaling by hand.

use k8s_openapi::api::autoscaling::v1::Scale;
use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use starrocks_operator::sim::crash::{self, SUBJECT, resource};
use starrocks_operator::sim::embedded::Embedded;

use crate::harness::{apply, change, pass, play, risen, stage, status, until};

fn get(embedded: &Embedded, kind: &str, name: &str) -> Option<Value> {
    embedded.world().store.get(kind, "prod", name).cloned()
}

fn pods(embedded: &Embedded, component: &str) -> usize {
    let world = embedded.world();
    world.store.list("Pod", Some("prod")).iter().filter(|pod| pod["metadata"]["labels"]["app.kubernetes.io/component"] == component).count()
}

fn clusters(embedded: &Embedded) -> Api<DynamicObject> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("starrocks.com", "v1", "StarRocksCluster"));
    Api::namespaced_with(embedded.client(), SUBJECT.namespace, &kind)
}

/// Sets replicas as an autoscaler and `kubectl scale` do.
async fn scale(embedded: &Embedded, replicas: u32) -> Scale {
    let patch = Patch::Merge(json!({"spec": {"replicas": replicas}}));
    clusters(embedded).patch_scale(SUBJECT.name, &PatchParams::default(), &patch).await.expect("the scale is accepted")
}

#[test]
fn an_autoscaler_scales_compute_nodes_through_the_resource_and_goes_with_its_policy() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        let mut wanted = resource("3.5.9", [1, 1, 1]);
        let section = wanted["spec"]["starRocksCnSpec"].as_object_mut().expect("a section");
        section.remove("replicas");
        let metric = json!({"type": "Resource", "resource": {"name": "cpu", "target": {"type": "Utilization", "averageUtilization": 60}}});
        let policy = json!({"version": "v2beta2", "minReplicas": 1, "maxReplicas": 5, "hpaPolicy": {"metrics": [metric]}});
        section.insert("autoScalingPolicy".to_owned(), policy);
        apply(&embedded, &wanted).await;
        let scaler = get(&embedded, "HorizontalPodAutoscaler", "kube-cn-autoscaler").expect("an API that this cluster has");
        assert_eq!(scaler["apiVersion"], "autoscaling/v2");
        assert_eq!(scaler["spec"]["scaleTargetRef"], json!({"apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster", "name": "kube"}));
        assert_eq!(status(&embedded).star_rocks_cn_status.expect("of CN").horizontal_scaler.expect("named").version.as_deref(), Some("v2"));

        let scaled = scale(&embedded, 3).await;
        let generation =
            get(&embedded, "StarRocksCluster", "kube").expect("it exists")["metadata"]["generation"].as_i64().expect("a number");
        crash::settle(&embedded, SUBJECT, generation).await.expect("three compute nodes");
        assert_eq!(scaled.spec.and_then(|spec| spec.replicas), Some(3));
        assert_eq!((pods(&embedded, "cn"), pods(&embedded, "be")), (3, 1));
        let seen = clusters(&embedded).get_scale(SUBJECT.name).await.expect("a scale").status.expect("a status");
        assert_eq!(seen.replicas, 3);
        assert_eq!(seen.selector.as_deref(), Some("app.kubernetes.io/component=cn,app.starrocks.ownerreference/name=kube-cn"));

        // Whoever applies the resource without replicas leaves them to the autoscaler.
        wanted["metadata"]["labels"] = json!({"team": "data"});
        apply(&embedded, &wanted).await;
        assert_eq!(pods(&embedded, "cn"), 3);

        change(&embedded, json!({"spec": {"starRocksCnSpec": {"autoScalingPolicy": null}}})).await;
        assert_eq!(get(&embedded, "HorizontalPodAutoscaler", "kube-cn-autoscaler"), None);
        assert_eq!(pods(&embedded, "cn"), 3, "the number stays what it was");
    });
}

/// A shared-data cluster that mounts a snapshot. Its environment has the number of the recovery as a value, which means nothing.
fn recoverable(frontends: u32) -> (Value, Value) {
    let mut wanted = resource("3.5.9", [frontends, 0, 1]);
    wanted["spec"]["starRocksFeSpec"]["configMapInfo"] = json!({"configMapName": "fe-conf", "resolveKey": "fe.conf"});
    let snapshot = "/opt/starrocks/fe/conf/cluster_snapshot.yaml";
    wanted["spec"]["starRocksFeSpec"]["configMaps"] =
        json!([{"name": "fe-conf", "mountPath": snapshot, "subPath": "cluster_snapshot.yaml"}]);
    wanted["spec"]["starRocksFeSpec"]["feEnvVars"] = json!([{"name": "LOG_CONSOLE", "value": "1"}]);
    let conf = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "fe-conf", "namespace": "prod"},
        "data": {"fe.conf": "run_mode = shared_data\n", "cluster_snapshot.yaml": "cluster_snapshot: {}\n"}});
    (wanted, conf)
}

fn phase(embedded: &Embedded) -> String {
    status(embedded).disaster_recovery_status.and_then(|status| status.phase).unwrap_or_default()
}

fn restores(embedded: &Embedded) -> bool {
    get(embedded, "StatefulSet", "kube-fe").is_some_and(|set| set["spec"]["template"].to_string().contains("RESTORE_CLUSTER_SNAPSHOT"))
}

#[test]
fn a_new_cluster_restores_a_snapshot_with_one_frontend_and_then_becomes_what_is_written() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        let (mut wanted, conf) = recoverable(3);
        wanted["spec"]["disasterRecovery"] = json!({"enabled": true, "generation": 1});
        embedded.apply(&conf).await.expect("accepted");
        let generation = embedded.apply(&wanted).await.expect("accepted")["metadata"]["generation"].as_i64().expect("a number");
        until("one frontend restores", 300, || restores(&embedded)).await;
        assert_eq!(phase(&embedded), "doing");
        assert_eq!(get(&embedded, "StatefulSet", "kube-fe").expect("it exists")["spec"]["replicas"], 1);
        assert_eq!(pods(&embedded, "cn"), 0, "nobody else meanwhile");
        until("the snapshot is restored", 900, || phase(&embedded) == "done").await;
        crash::settle(&embedded, SUBJECT, generation).await.expect("the cluster becomes what is written");
        assert!(!restores(&embedded));
        assert_eq!((pods(&embedded, "fe"), pods(&embedded, "cn")), (3, 1));
        let told = status(&embedded).disaster_recovery_status.expect("on record");
        assert!(told.start_timestamp < told.end_timestamp && told.observed_generation == Some(1), "{told:?}");

        let writes = embedded.ledger.tally().write_count();
        pass(1_800).await;
        assert_eq!(embedded.ledger.tally().write_count(), writes, "a recovery that is done is not done again");
    });
}

#[test]
fn a_recovery_of_a_running_cluster_waits_for_a_frontend_that_really_restores() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        let (wanted, conf) = recoverable(1);
        embedded.apply(&conf).await.expect("accepted");
        apply(&embedded, &wanted).await;
        let generation = embedded
            .patch_cluster("prod", "kube", json!({"spec": {"disasterRecovery": {"enabled": true, "generation": 1}}}))
            .await
            .expect("accepted");
        until("the recovery begins", 60, || !phase(&embedded).is_empty()).await;
        // The pods that run have a variable with the value 1, and are ready.
        until("done", 1_800, || {
            let done = phase(&embedded) == "done";
            let zero = get(&embedded, "Pod", "kube-fe-0").is_some_and(|pod| pod["spec"].to_string().contains("RESTORE_CLUSTER_GENERATION"));
            assert!(!done || zero, "done means that frontend 0 ran with the variables of the recovery");
            done
        })
        .await;
        crash::settle(&embedded, SUBJECT, generation).await.expect("the cluster becomes what is written");
        assert!(!restores(&embedded));
        assert_eq!((pods(&embedded, "fe"), pods(&embedded, "cn")), (1, 1));
    });
}

#[test]
fn three_frontends_recover_and_all_three_are_in_the_restored_group() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        let (wanted, conf) = recoverable(3);
        embedded.apply(&conf).await.expect("accepted");
        apply(&embedded, &wanted).await;
        pass(60).await;
        let generation = embedded
            .patch_cluster("prod", "kube", json!({"spec": {"disasterRecovery": {"enabled": true, "generation": 1}}}))
            .await
            .expect("accepted");
        until("the snapshot is restored", 1_800, || phase(&embedded) == "done").await;
        // Two frontends on their volumes from before would be the majority of the group that was given up, and lead a second cluster.
        let told = |embedded: &Embedded| status(embedded).blocked.into_iter().map(|blocked| blocked.code).collect::<Vec<_>>();
        until("their volumes are told", 600, || told(&embedded).contains(&"SR-2304".to_owned())).await;
        pass(900).await;
        assert_eq!((pods(&embedded, "fe"), embedded.world().starrocks.leaders_of("prod").len()), (1, 1));
        assert!(!restores(&embedded), "the one that restored is as written again");
        let claims: Api<k8s_openapi::api::core::v1::PersistentVolumeClaim> = Api::namespaced(embedded.client(), "prod");
        for claim in ["fe-meta-kube-fe-1", "fe-meta-kube-fe-2"] {
            claims.delete(claim, &DeleteParams::default()).await.expect("deleted");
        }
        crash::settle(&embedded, SUBJECT, generation).await.expect("the cluster becomes what is written");
        assert_eq!((pods(&embedded, "fe"), pods(&embedded, "cn")), (3, 1));
        let world = embedded.world();
        assert_eq!((world.starrocks.frontends_of("prod").len(), world.starrocks.leaders_of("prod").len()), (3, 1));
    });
}

#[test]
fn objects_of_an_ignored_resource_are_left_alone_whoever_raises_an_event() {
    play(async {
        let embedded = risen(1, "3.5.9", [1, 1, 0]).await;
        let annotate = |value: Value| json!({"metadata": {"annotations": {"starrocks.com/ignored": value}}});
        let merge = |patch: Value| async {
            clusters(&embedded).patch(SUBJECT.name, &PatchParams::default(), &Patch::Merge(patch)).await.expect("accepted")
        };
        merge(annotate(json!("true"))).await;
        pass(30).await;
        let writes = embedded.ledger.tally().write_count();
        embedded.world().store.delete("Service", "prod", "kube-be-service", Default::default()).expect("deleted");
        embedded.world().store.delete("Pod", "prod", "kube-be-0", Default::default()).expect("deleted");
        pass(900).await;
        assert_eq!(get(&embedded, "Service", "kube-be-service"), None);
        assert_eq!(embedded.ledger.tally().write_count(), writes);
        merge(annotate(Value::Null)).await;
        until("it is made again", 60, || get(&embedded, "Service", "kube-be-service").is_some()).await;
    });
}

#[test]
fn a_stateful_set_scaled_by_hand_comes_back_to_what_is_written() {
    play(async {
        let embedded = risen(1, "3.5.9", [1, 3, 0]).await;
        pass(60).await;
        let sets: Api<k8s_openapi::api::apps::v1::StatefulSet> = Api::namespaced(embedded.client(), "prod");
        let patch = Patch::Merge(json!({"spec": {"replicas": 2}}));
        sets.patch_scale("kube-be", &PatchParams::default(), &patch).await.expect("the scale is accepted");
        until("three again", 600, || {
            pods(&embedded, "be") == 3 && get(&embedded, "StatefulSet", "kube-be").is_some_and(|set| set["status"]["readyReplicas"] == 3)
        })
        .await;
        until("and all is well", 900, || status(&embedded).phase == "running").await;
    });
}
