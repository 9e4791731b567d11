//! The Go operator is replaced while it is in the middle of something: what it began is ended with this operator's care, no pod goes twice, and nothing is lost.

use std::collections::{BTreeMap, BTreeSet};

use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PropagationPolicy};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use starrocks_operator::sim::crash::{self, Subject};
use starrocks_operator::sim::embedded::Embedded;

use crate::go_operator::{GoOperator, HASH, NAME, NAMESPACE, WAREHOUSE, text};
use crate::harness::{pass, play, stage, until};
use crate::takeover::{named, unchanged};
use crate::warehouses::get;

const CLUSTER: Subject<'static> = Subject { namespace: NAMESPACE, name: NAME };
const SHARED: Subject<'static> = Subject { namespace: NAMESPACE, name: "s" };

fn api(embedded: &Embedded, kind: &str) -> Api<DynamicObject> {
    let (group, version) = match kind {
        "StatefulSet" => ("apps", "v1"),
        "PersistentVolumeClaim" => ("", "v1"),
        _ => ("starrocks.com", "v1"),
    };
    Api::namespaced_with(embedded.client(), NAMESPACE, &ApiResource::from_gvk(&GroupVersionKind::gvk(group, version, kind)))
}

/// The lives of each pod, as they are seen from time to time, and those that were told to end.
#[derive(Default)]
struct Lives(BTreeMap<String, BTreeSet<String>>, BTreeSet<(String, String)>);

impl Lives {
    fn look(&mut self, embedded: &Embedded) {
        for pod in embedded.world().store.list("Pod", Some(NAMESPACE)) {
            let (name, uid) = (text(pod, "/metadata/name"), text(pod, "/metadata/uid"));
            self.0.entry(name.clone()).or_default().insert(uid.clone());
            if !text(pod, "/metadata/deletionTimestamp").is_empty() {
                self.1.insert((name, uid));
            }
        }
    }

    /// How many frontends were told to end.
    fn frontends_told_to_end(&self) -> usize {
        self.1.iter().filter(|(pod, _)| pod.starts_with("a-fe-") && !pod.contains("proxy")).count()
    }

    /// Pods that had more lives than one before and one after.
    fn touched_twice(&self) -> Vec<&String> {
        self.0.iter().filter(|(_, lives)| lives.len() > 2).map(|(pod, _)| pod).collect()
    }

    fn of(&self, component: &str) -> Vec<usize> {
        let prefix = format!("{NAME}-{component}-");
        self.0.iter().filter(|(pod, _)| pod.starts_with(&prefix) && !pod.contains("proxy")).map(|(_, lives)| lives.len()).collect()
    }
}

fn ready(embedded: &Embedded, workload: &str) -> usize {
    let world = embedded.world();
    let of = |pod: &&Value| pod["metadata"]["labels"]["app.starrocks.ownerreference/name"] == workload;
    let is_ready = |pod: &&Value| {
        let conditions = pod["status"]["conditions"].as_array();
        conditions.into_iter().flatten().any(|condition| condition["type"] == "Ready" && condition["status"] == "True")
    };
    world.store.list("Pod", Some(NAMESPACE)).into_iter().filter(of).filter(is_ready).count()
}

fn codes(embedded: &Embedded, subject: Subject<'_>) -> Vec<String> {
    crash::status(&embedded.world(), subject).blocked.into_iter().map(|blocked| blocked.code).collect()
}

/// Ready for what is asked, with nothing under way.
fn is_at_rest(embedded: &Embedded, subject: Subject<'_>) -> bool {
    let status = crash::status(&embedded.world(), subject);
    let generation = get(embedded, "StarRocksCluster", subject.name).and_then(|cluster| cluster["metadata"]["generation"].as_i64());
    status.phase == "running" && status.operation.is_none() && status.observed_generation == generation && status.blocked.is_empty()
}

/// How many pods of a component are of its newest revision.
fn renewed(embedded: &Embedded, set: &str) -> usize {
    let Some(live) = get(embedded, "StatefulSet", set) else { return 0 };
    let revision = text(&live, "/status/updateRevision");
    let world = embedded.world();
    let of = |pod: &&Value| pod["metadata"]["labels"]["app.starrocks.ownerreference/name"] == set;
    let new = |pod: &&Value| pod["metadata"]["labels"]["controller-revision-hash"] == revision.as_str();
    world.store.list("Pod", Some(NAMESPACE)).into_iter().filter(of).filter(new).count()
}

#[test]
fn a_roll_that_the_go_operator_began_is_ended_and_no_pod_goes_twice() {
    play(async {
        let mut embedded = stage(1).await;
        GoOperator::creates(&embedded, unchanged).await;
        embedded.world().seed_tables(NAMESPACE, 3);
        pass(120).await;
        let mut lives = Lives::default();
        lives.look(&embedded);
        embedded
            .patch_cluster(NAMESPACE, NAME, json!({"spec": {"starRocksBeSpec": {"annotations": {"config": "2"}}}}))
            .await
            .expect("accepted");
        let edited = |objects: &mut Vec<Value>| {
            named(objects, "StatefulSet", "a-be")["spec"]["template"]["metadata"]["annotations"] = json!({"config": "2"});
        };
        GoOperator::returns(&embedded).resumes(edited).await;
        until("one backend of three is new", 600, || {
            lives.look(&embedded);
            renewed(&embedded, "a-be") == 1
        })
        .await;
        embedded.start_operator();
        until("the roll ends", 1_800, || {
            lives.look(&embedded);
            renewed(&embedded, "a-be") == 3 && is_at_rest(&embedded, CLUSTER)
        })
        .await;
        pass(600).await;
        lives.look(&embedded);
        assert_eq!(lives.touched_twice(), Vec::<&String>::new());
        assert_eq!((lives.of("be"), lives.of("fe"), lives.of("cn")), (vec![2, 2, 2], vec![1, 1, 1], vec![1, 1]));
        let set = get(&embedded, "StatefulSet", "a-be").expect("it exists");
        assert_eq!(set["spec"]["updateStrategy"]["type"], "RollingUpdate");
        assert!(set["metadata"]["annotations"].get(HASH).is_none());
        assert_eq!(embedded.ledger.refused(), Vec::<String>::new());
    });
}

#[test]
fn an_upgrade_that_the_go_operator_began_with_all_components_at_once_is_ended_in_order() {
    play(async {
        let mut embedded = stage(1).await;
        GoOperator::creates(&embedded, unchanged).await;
        embedded.world().seed_tables(NAMESPACE, 3);
        pass(120).await;
        let mut lives = Lives::default();
        lives.look(&embedded);
        let image = |component: &str| format!("starrocks/{component}-ubuntu:3.5.9");
        let of = |component: &str| json!({"image": image(component)});
        let spec = json!({"starRocksFeSpec": of("fe"), "starRocksBeSpec": of("be"), "starRocksCnSpec": of("cn")});
        embedded.patch_cluster(NAMESPACE, NAME, json!({"spec": spec})).await.expect("accepted");
        let edited = |objects: &mut Vec<Value>| {
            for component in ["fe", "be", "cn"] {
                named(objects, "StatefulSet", &format!("a-{component}"))["spec"]["template"]["spec"]["containers"][0]["image"] =
                    json!(image(component));
            }
        };
        GoOperator::returns(&embedded).resumes(edited).await;
        until("a frontend and a backend are new", 600, || {
            lives.look(&embedded);
            renewed(&embedded, "a-fe") >= 1 && renewed(&embedded, "a-be") >= 1
        })
        .await;
        embedded.start_operator();
        // What is on its way down by then goes on; afterwards no frontend goes while a node is behind.
        pass(5).await;
        lives.look(&embedded);
        let mut gone = lives.frontends_told_to_end();
        until("the upgrade ends", 3_600, || {
            lives.look(&embedded);
            let now = lives.frontends_told_to_end();
            if now > gone {
                assert_eq!((renewed(&embedded, "a-be"), renewed(&embedded, "a-cn")), (3, 2), "nodes before frontends");
            }
            gone = now;
            renewed(&embedded, "a-fe") == 3 && is_at_rest(&embedded, CLUSTER)
        })
        .await;
        assert_eq!(lives.touched_twice(), Vec::<&String>::new());
        assert_eq!(crash::status(&embedded.world(), CLUSTER).version.as_deref(), Some("3.5.9"));
        for name in ["a-fe", "a-be", "a-cn"] {
            assert_eq!(
                get(&embedded, "StatefulSet", name).expect("it exists")["spec"]["updateStrategy"]["type"],
                "RollingUpdate",
                "{name}"
            );
        }
        assert_eq!(embedded.ledger.refused(), Vec::<String>::new());
    });
}

#[test]
fn what_the_go_operator_scaled_in_leaves_the_group_and_no_data_goes() {
    play(async {
        let mut embedded = stage(1).await;
        GoOperator::creates(&embedded, unchanged).await;
        embedded.world().seed_tables(NAMESPACE, 3);
        pass(120).await;
        let mut lives = Lives::default();
        lives.look(&embedded);
        let policy = json!({"minReplicas": 1, "maxReplicas": 4});
        let spec = json!({"starRocksFeSpec": {"replicas": 2}, "starRocksCnSpec": {"replicas": 1, "autoScalingPolicy": policy}});
        embedded.patch_cluster(NAMESPACE, NAME, json!({"spec": spec})).await.expect("accepted");
        let edited = |objects: &mut Vec<Value>| {
            named(objects, "StatefulSet", "a-fe")["spec"]["replicas"] = json!(2);
            named(objects, "StatefulSet", "a-cn")["spec"]["replicas"] = json!(1);
            named(objects, "HorizontalPodAutoscaler", "a-cn-autoscaler")["spec"]["minReplicas"] = json!(1);
        };
        GoOperator::returns(&embedded).resumes(edited).await;
        pass(2).await;
        embedded.start_operator();
        until("both leave the books of StarRocks", 900, || {
            lives.look(&embedded);
            let world = embedded.world();
            world.starrocks.frontends_of(NAMESPACE).len() == 2 && world.starrocks.nodes_of_warehouse(NAMESPACE, "default_warehouse") == 1
        })
        .await;
        until("the cluster rests", 900, || is_at_rest(&embedded, CLUSTER)).await;
        pass(300).await;
        lives.look(&embedded);
        assert!(lives.0.values().all(|lives| lives.len() == 1), "{:?}", lives.0);
        assert!(get(&embedded, "PersistentVolumeClaim", "fe-meta-a-fe-2").is_some(), "a claim is nobody's to delete");
        assert_eq!((ready(&embedded, "a-fe"), ready(&embedded, "a-cn"), ready(&embedded, "a-be")), (2, 1, 3));
        assert_eq!(embedded.ledger.refused(), Vec::<String>::new());
    });
}

#[test]
fn a_backend_that_the_go_operator_took_away_with_its_data_is_told_and_not_forgotten() {
    play(async {
        let mut embedded = stage(1).await;
        GoOperator::creates(&embedded, unchanged).await;
        embedded.world().seed_tables(NAMESPACE, 3);
        pass(120).await;
        embedded.patch_cluster(NAMESPACE, NAME, json!({"spec": {"starRocksBeSpec": {"replicas": 2}}})).await.expect("accepted");
        let edited = |objects: &mut Vec<Value>| named(objects, "StatefulSet", "a-be")["spec"]["replicas"] = json!(2);
        GoOperator::returns(&embedded).resumes(edited).await;
        pass(2).await;
        embedded.start_operator();
        pass(900).await;
        let told = crash::status(&embedded.world(), CLUSTER).blocked;
        assert!(told.iter().any(|blocked| blocked.message.contains("a-be-2")), "{told:?}");
        assert!(get(&embedded, "PersistentVolumeClaim", "be-data-a-be-2").is_some());
        assert_eq!(embedded.world().starrocks.backends_of(NAMESPACE), 3, "its row is where its data is known");
        // The user takes the scale-in back: it comes again with its tablets.
        let generation =
            embedded.patch_cluster(NAMESPACE, NAME, json!({"spec": {"starRocksBeSpec": {"replicas": 3}}})).await.expect("accepted");
        crash::settle(&embedded, CLUSTER, generation).await.expect("three backends serve again");
        assert_eq!((ready(&embedded, "a-be"), embedded.world().starrocks.backends_of(NAMESPACE)), (3, 3));
    });
}

/// Three frontends of the shared-data cluster, and no warehouse.
fn three_frontends(objects: &mut Vec<Value>) {
    named(objects, "StatefulSet", "s-fe")["spec"]["replicas"] = json!(3);
    objects.retain(|object| text(object, "/metadata/name").starts_with("s-"));
}

/// The frontends as the Go operator rewrites them to restore a snapshot.
fn restoring(objects: &mut [Value]) {
    let set = named(objects, "StatefulSet", "s-fe");
    set["spec"]["replicas"] = json!(1);
    let pod = &mut set["spec"]["template"]["spec"];
    let path = "/opt/starrocks/fe/conf/cluster_snapshot.yaml";
    let add = |list: &mut Value, item: Value| list.as_array_mut().expect("a list").push(item);
    add(&mut pod["volumes"], json!({"name": "s-snapshot-3146", "configMap": {"name": "s-snapshot"}}));
    let container = &mut pod["containers"][0];
    add(&mut container["volumeMounts"], json!({"name": "s-snapshot-3146", "mountPath": path, "subPath": "cluster_snapshot.yaml"}));
    add(&mut container["env"], json!({"name": "RESTORE_CLUSTER_GENERATION", "value": "1"}));
    add(&mut container["env"], json!({"name": "RESTORE_CLUSTER_SNAPSHOT", "value": "true"}));
    // A merge would keep what is merely left out.
    container["startupProbe"] = Value::Null;
    container["livenessProbe"] = Value::Null;
    container["readinessProbe"] = json!({"tcpSocket": {"port": 9030}, "httpGet": null, "initialDelaySeconds": 5, "periodSeconds": 10,
        "timeoutSeconds": 1, "successThreshold": 1, "failureThreshold": 3});
}

#[test]
fn a_recovery_that_the_go_operator_began_ends_with_every_frontend_in_the_restored_group() {
    play(async {
        let mut embedded = stage(1).await;
        let go = GoOperator::creates_of(&embedded, &WAREHOUSE, three_frontends).await;
        api(&embedded, "StarRocksWarehouse").delete("load-jobs", &DeleteParams::default()).await.expect("deleted");
        drop(go);
        until("three frontends are ready", 900, || ready(&embedded, "s-fe") == 3).await;
        pass(60).await;
        let snapshot = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "s-snapshot", "namespace": NAMESPACE},
            "data": {"cluster_snapshot.yaml": "cluster_snapshot: {}\n"}});
        embedded.apply(&snapshot).await.expect("accepted");
        let mount = json!([{"name": "s-snapshot", "mountPath": "/opt/starrocks/fe/conf/cluster_snapshot.yaml", "subPath": "cluster_snapshot.yaml"}]);
        let spec = json!({"starRocksFeSpec": {"replicas": 3, "configMaps": mount}, "disasterRecovery": {"enabled": true, "generation": 1}});
        let generation = embedded.patch_cluster(NAMESPACE, "s", json!({"spec": spec})).await.expect("accepted");
        // It notes that it has begun, and rewrites the frontends.
        let status = json!({"status": {"phase": "running", "disasterRecoveryStatus":
            {"phase": "doing", "startTimestamp": embedded.clock().now().as_seconds(), "observedGeneration": 1}}});
        api(&embedded, "StarRocksCluster").patch_status("s", &PatchParams::default(), &Patch::Merge(&status)).await.expect("accepted");
        GoOperator::returns_to(&embedded, &WAREHOUSE)
            .resumes(|objects| {
                three_frontends(objects);
                restoring(objects);
            })
            .await;
        pass(3).await;

        embedded.start_operator();
        let phase =
            || crash::status(&embedded.world(), SHARED).disaster_recovery_status.and_then(|status| status.phase).unwrap_or_default();
        until("the snapshot is restored", 900, || phase() == "done").await;
        // The others' volumes hold the group that was given up: with two of them it would come to life again.
        until("it is told", 300, || codes(&embedded, SHARED).contains(&"SR-2304".to_owned())).await;
        pass(600).await;
        assert_eq!((ready(&embedded, "s-fe"), embedded.world().starrocks.leaders_of(NAMESPACE).len()), (1, 1));
        for claim in ["fe-meta-s-fe-1", "fe-meta-s-fe-2"] {
            api(&embedded, "PersistentVolumeClaim").delete(claim, &DeleteParams::default()).await.expect("deleted");
        }
        crash::settle(&embedded, SHARED, generation).await.expect("three frontends serve");
        assert_eq!((ready(&embedded, "s-fe"), embedded.world().starrocks.frontends_of(NAMESPACE).len()), (3, 3));
        assert_eq!(embedded.world().starrocks.leaders_of(NAMESPACE).len(), 1);
        let set = get(&embedded, "StatefulSet", "s-fe").expect("it exists");
        assert!(!set["spec"]["template"].to_string().contains("RESTORE_CLUSTER_SNAPSHOT"));
    });
}

#[test]
fn what_is_being_deleted_goes_and_is_not_made_again() {
    play(async {
        let mut embedded = stage(1).await;
        GoOperator::creates(&embedded, unchanged).await;
        let claims = |embedded: &Embedded| embedded.world().store.list("PersistentVolumeClaim", Some(NAMESPACE)).len();
        let before = claims(&embedded);
        // Foreground deletion, and a finalizer that older releases of the Go operator left on the resource: it stays until both are gone.
        let held = json!({"metadata": {"finalizers": ["starrocks.com.starrockscluster/protection"]}});
        api(&embedded, "StarRocksCluster").patch(NAME, &PatchParams::default(), &Patch::Merge(&held)).await.expect("accepted");
        let foreground = DeleteParams { propagation_policy: Some(PropagationPolicy::Foreground), ..DeleteParams::default() };
        api(&embedded, "StarRocksCluster").delete(NAME, &foreground).await.expect("deleted");
        pass(1).await;
        embedded.start_operator();
        pass(900).await;
        {
            let world = embedded.world();
            for kind in ["StatefulSet", "Deployment", "Service", "Pod", "HorizontalPodAutoscaler"] {
                assert_eq!(world.store.list(kind, Some(NAMESPACE)).len(), 0, "{kind}");
            }
        }
        assert_eq!(claims(&embedded), before, "claims stay");
        assert_eq!(embedded.ledger.tally().write_count(), 0, "nothing is written to it: {:?}", embedded.ledger.tally().writes);
        assert!(get(&embedded, "StarRocksCluster", NAME).is_some(), "somebody else's finalizer is his");
        api(&embedded, "StarRocksCluster")
            .patch(NAME, &PatchParams::default(), &Patch::Merge(&json!({"metadata": {"finalizers": null}})))
            .await
            .expect("accepted");
        until("it goes", 60, || get(&embedded, "StarRocksCluster", NAME).is_none()).await;
    });
}

#[test]
fn a_warehouse_that_was_deleted_while_the_go_operator_ended_is_let_go() {
    play(async {
        let mut embedded = stage(1).await;
        GoOperator::creates_of(&embedded, &WAREHOUSE, unchanged).await;
        // Nobody holds the resource, so it is gone at once; the Go operator's finalizer keeps the StatefulSet.
        api(&embedded, "StarRocksWarehouse").delete("load-jobs", &DeleteParams::default()).await.expect("deleted");
        pass(60).await;
        let set = get(&embedded, "StatefulSet", "load-jobs-warehouse-cn").expect("its finalizer keeps it");
        assert!(!text(&set, "/metadata/deletionTimestamp").is_empty());
        embedded.start_operator();
        until("it goes with its pods", 600, || {
            get(&embedded, "StatefulSet", "load-jobs-warehouse-cn").is_none() && ready(&embedded, "load-jobs-warehouse-cn") == 0
        })
        .await;
        until("its cluster is taken over", 600, || is_at_rest(&embedded, SHARED)).await;
        assert_eq!(embedded.ledger.refused(), Vec::<String>::new());
    });
}
