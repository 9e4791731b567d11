//! Warehouses on the wire: made, scaled, rolled and dropped for sure, with clusters untouched whatever happens to them.

use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};
use starrocks_operator::generate::{crds, rbac};
use starrocks_operator::sim::crash::SUBJECT;
use starrocks_operator::sim::embedded::Embedded;
use starrocks_operator::sim::kube::Rules;
use starrocks_operator::sim::ledger::Strike;

use crate::harness::{self, pass, play, stage, until};

pub const KIND: &str = "StarRocksWarehouse";
pub const FINALIZER: &str = "starrocks.com/drop-warehouse";

/// A shared-data cluster whose frontends are played with, or without, the edition that has warehouses.
pub async fn shared_data(embedded: &Embedded, name: &str, edition: bool) {
    let conf = format!("run_mode = shared_data\nsim_multi_warehouse = {edition}\n");
    let map = json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": "shared-conf", "namespace": "prod"}, "data": {"fe.conf": conf}});
    embedded.apply(&map).await.expect("accepted");
    let cluster = json!({"apiVersion": "starrocks.com/v1", "kind": "StarRocksCluster", "metadata": {"name": name, "namespace": "prod"},
        "spec": {"version": "3.5.9",
            "starRocksFeSpec": {"replicas": 3, "configMapInfo": {"configMapName": "shared-conf", "resolveKey": "fe.conf"},
                "storageVolumes": [{"name": "fe-meta", "mountPath": "/opt/starrocks/fe/meta", "storageSize": "10Gi"}]},
            "starRocksCnSpec": {"replicas": 1}}});
    harness::apply(embedded, &cluster).await;
}

pub fn warehouse(name: &str, replicas: u32) -> Value {
    of_cluster("kube", name, replicas)
}

/// A warehouse of a cluster.
pub fn of_cluster(cluster: &str, name: &str, replicas: u32) -> Value {
    json!({"apiVersion": "starrocks.com/v1", "kind": KIND, "metadata": {"name": name, "namespace": "prod"},
        "spec": {"starRocksCluster": cluster, "template": {"replicas": replicas}}})
}

pub fn api(embedded: &Embedded) -> Api<DynamicObject> {
    Api::namespaced_with(embedded.client(), "prod", &ApiResource::from_gvk(&GroupVersionKind::gvk("starrocks.com", "v1", KIND)))
}

pub fn get(embedded: &Embedded, kind: &str, name: &str) -> Option<Value> {
    embedded.world().store.get(kind, "prod", name).cloned()
}

fn is_ready(embedded: &Embedded, name: &str) -> bool {
    get(embedded, KIND, name).is_some_and(|resource| {
        let ready = &resource["status"]["conditions"][0];
        ready["type"] == "Ready"
            && ready["status"] == "True"
            && resource["status"]["observedGeneration"] == resource["metadata"]["generation"]
    })
}

/// Codes of what a warehouse waits for.
pub fn waits(embedded: &Embedded, name: &str) -> Vec<String> {
    let resource = get(embedded, KIND, name).unwrap_or_default();
    let blocked = resource["status"]["blocked"].as_array().cloned().unwrap_or_default();
    blocked.iter().filter_map(|blocked| blocked["code"].as_str().map(str::to_owned)).collect()
}

pub fn warehouses(embedded: &Embedded) -> Vec<String> {
    embedded.world().starrocks.warehouses("prod")
}

pub async fn wait_until_ready(embedded: &Embedded, name: &str) {
    until(&format!("{name} is Ready"), 600, || is_ready(embedded, name)).await;
}

pub async fn delete(embedded: &Embedded, name: &str) {
    api(embedded).delete(name, &DeleteParams::default()).await.expect("deleted");
}

#[test]
fn a_warehouse_is_made_scaled_rolled_and_dropped_with_its_resource() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        shared_data(&embedded, "kube", true).await;
        embedded.apply(&warehouse("load-jobs", 2)).await.expect("accepted");
        wait_until_ready(&embedded, "load-jobs").await;
        let resource = get(&embedded, KIND, "load-jobs").expect("it exists");
        assert_eq!((&resource["status"]["phase"], &resource["status"]["replicas"]), (&json!("running"), &json!(2)));
        assert_eq!(resource["metadata"]["finalizers"], json!([FINALIZER]));
        assert_eq!(warehouses(&embedded), ["load_jobs"]);

        // As `kubectl scale` does it.
        let scale = json!({"spec": {"replicas": 3}});
        api(&embedded).patch_scale("load-jobs", &PatchParams::default(), &Patch::Merge(&scale)).await.expect("scaled");
        until("the third node serves", 300, || {
            is_ready(&embedded, "load-jobs") && embedded.world().starrocks.nodes_of_warehouse("prod", "load_jobs") == 3
        })
        .await;
        let scaled = api(&embedded).get_scale("load-jobs").await.expect("a scale");
        let status = scaled.status.expect("a status");
        assert_eq!(status.replicas, 3);
        assert_eq!(
            status.selector.as_deref(),
            Some("app.kubernetes.io/component=cn,app.starrocks.ownerreference/name=load-jobs-warehouse-cn")
        );
        let less = json!({"spec": {"replicas": 1}});
        api(&embedded).patch_scale("load-jobs", &PatchParams::default(), &Patch::Merge(&less)).await.expect("scaled");
        until("their rows go", 300, || {
            is_ready(&embedded, "load-jobs") && embedded.world().starrocks.nodes_of_warehouse("prod", "load_jobs") == 1
        })
        .await;

        // A change of the template is rolled by the operator, one pod after the other.
        let annotated = json!({"spec": {"template": {"annotations": {"a": "b"}, "replicas": 2}}});
        api(&embedded).patch("load-jobs", &PatchParams::default(), &Patch::Merge(&annotated)).await.expect("changed");
        pass(1).await;
        wait_until_ready(&embedded, "load-jobs").await;
        for pod in ["load-jobs-warehouse-cn-0", "load-jobs-warehouse-cn-1"] {
            assert_eq!(get(&embedded, "Pod", pod).expect("it runs")["metadata"]["annotations"]["a"], "b", "{pod}");
        }

        // At rest nothing is written and only watches are renewed.
        pass(300).await;
        let before = embedded.ledger.tally();
        pass(1_200).await;
        let after = embedded.ledger.tally();
        assert_eq!((&after.writes, &after.statements), (&before.writes, &before.statements));
        assert!(after.reads.iter().all(|(what, count)| what.starts_with("watch ") || before.reads.get(what) == Some(count)), "{after:?}");
        assert_eq!(after.statements.keys().filter(|what| what.to_lowercase().contains("warehouse")).count(), 0, "{after:?}");

        let told = harness::status(&embedded);
        delete(&embedded, "load-jobs").await;
        until("the resource goes", 600, || get(&embedded, KIND, "load-jobs").is_none()).await;
        assert_eq!(warehouses(&embedded), Vec::<String>::new());
        assert_eq!(embedded.world().starrocks.nodes_of_warehouse("prod", "load_jobs"), 0);
        until("its objects go", 60, || get(&embedded, "StatefulSet", "load-jobs-warehouse-cn").is_none()).await;
        pass(60).await;
        assert_eq!(harness::status(&embedded), told, "its cluster does not notice");
        assert_eq!(embedded.ledger.refused(), Vec::<String>::new());
    });
}

#[test]
fn a_warehouse_waits_for_its_cluster_and_for_its_edition_and_says_so() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        embedded.apply(&warehouse("w", 1)).await.expect("accepted");
        until("it says that there is no cluster", 60, || waits(&embedded, "w") == ["SR-2501"]).await;
        shared_data(&embedded, "kube", false).await;
        until("it says that there is no such feature", 600, || waits(&embedded, "w") == ["SR-2504"]).await;
        assert_eq!(get(&embedded, "StatefulSet", "w-warehouse-cn"), None);
        assert_eq!(
            get(&embedded, KIND, "w").expect("it exists")["metadata"].get("finalizers"),
            None,
            "nothing was made that must be dropped"
        );
        delete(&embedded, "w").await;
        until("it goes at once", 10, || get(&embedded, KIND, "w").is_none()).await;
    });
}

#[test]
fn a_warehouse_that_cannot_be_dropped_yet_stays_until_it_is() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        shared_data(&embedded, "kube", true).await;
        embedded.apply(&warehouse("w", 1)).await.expect("accepted");
        wait_until_ready(&embedded, "w").await;
        embedded.lose_operator();
        delete(&embedded, "w").await;
        pass(60).await;
        assert!(get(&embedded, KIND, "w").is_some(), "nobody drops it while the operator does not run");
        embedded.start_operator();
        until("the resource goes", 600, || get(&embedded, KIND, "w").is_none()).await;
        assert_eq!(warehouses(&embedded), Vec::<String>::new());
    });
}

#[test]
fn with_its_cluster_gone_a_warehouse_is_let_go() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        shared_data(&embedded, "kube", true).await;
        embedded.apply(&warehouse("w", 1)).await.expect("accepted");
        wait_until_ready(&embedded, "w").await;
        harness::delete(&embedded, SUBJECT).await;
        until("it says that its cluster is gone", 120, || waits(&embedded, "w").contains(&"SR-2501".to_owned())).await;
        delete(&embedded, "w").await;
        until("both go", 120, || get(&embedded, KIND, "w").is_none() && get(&embedded, "StatefulSet", "w-warehouse-cn").is_none()).await;
    });
}

#[test]
fn a_stateful_set_that_the_former_operator_left_in_deletion_is_released() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        let left = json!({"apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": {"name": "old-warehouse-cn", "namespace": "prod",
            "finalizers": ["starrocks.com.starrockswarehouse/protection"],
            "labels": {"app.kubernetes.io/component": "cn", "app.starrocks.ownerreference/name": "old-warehouse"}},
            "spec": {"replicas": 0, "serviceName": "s", "selector": {"matchLabels": {"a": "b"}},
                "template": {"metadata": {"labels": {"a": "b"}}, "spec": {"containers": [{"name": "cn", "image": "x"}]}}}});
        embedded.apply(&left).await.expect("accepted");
        pass(120).await;
        assert!(get(&embedded, "StatefulSet", "old-warehouse-cn").is_some(), "what nobody deletes stays");
        let sets: Api<DynamicObject> =
            Api::namespaced_with(embedded.client(), "prod", &ApiResource::from_gvk(&GroupVersionKind::gvk("apps", "v1", "StatefulSet")));
        sets.delete("old-warehouse-cn", &DeleteParams::default()).await.expect("deleted");
        until("it goes", 60, || get(&embedded, "StatefulSet", "old-warehouse-cn").is_none()).await;
    });
}

#[test]
fn bad_warehouses_say_what_is_wrong_and_their_cluster_goes_on() {
    play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        shared_data(&embedded, "kube", true).await;
        let mut broken = warehouse("broken", 1);
        broken["spec"]["template"]["minReadySeconds"] = json!(-1);
        for bad in [warehouse("default-warehouse", 1), warehouse("a.b", 1), warehouse("kube", 1), broken] {
            embedded.apply(&bad).await.expect("accepted");
        }
        let reason =
            |name: &str| get(&embedded, KIND, name).unwrap_or_default()["status"]["reason"].as_str().unwrap_or_default().to_owned();
        for (name, code, field) in [
            ("default-warehouse", "SR-3028", "metadata.name"),
            ("a.b", "SR-3028", "metadata.name"),
            ("kube", "SR-3028", "metadata.name"),
            ("broken", "SR-3026", "spec.template.minReadySeconds"),
        ] {
            until(name, 120, || reason(name).contains(code) && reason(name).contains(field)).await;
            assert!(is_stalled(&embedded, name), "{name}");
        }
        assert_eq!(harness::status(&embedded).phase, "running");
        for name in ["default-warehouse", "a.b", "kube", "broken"] {
            delete(&embedded, name).await;
            until("it goes at once", 10, || get(&embedded, KIND, name).is_none()).await;
        }
    });
}

fn is_stalled(embedded: &Embedded, name: &str) -> bool {
    let conditions = get(embedded, KIND, name).unwrap_or_default()["status"]["conditions"].as_array().cloned().unwrap_or_default();
    conditions.iter().any(|condition| condition["type"] == "Stalled" && condition["status"] == "True")
}

#[test]
fn the_kind_may_be_installed_after_the_operator_has_started() {
    play(async {
        let clusters = serde_json::to_value(crds::starrocks_clusters()).expect("JSON");
        let mut embedded = Embedded::start(1, &[clusters], rbac::cluster_role_rules()).await.expect("a world");
        for name in ["starrocks", "prod"] {
            embedded.apply(&json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name}})).await.expect("accepted");
        }
        embedded.start_operator();
        shared_data(&embedded, "kube", true).await;
        pass(600).await;
        let definition = serde_json::to_value(crds::starrocks_warehouses()).expect("JSON");
        embedded.apply(&definition).await.expect("accepted");
        pass(1).await;
        embedded.apply(&warehouse("w", 1)).await.expect("accepted");
        wait_until_ready(&embedded, "w").await;
    });
}

#[test]
fn without_rights_on_warehouses_clusters_are_served_all_the_same() {
    play(async {
        let of_warehouses =
            |resources: &Option<Vec<String>>| resources.iter().flatten().any(|resource| resource.starts_with("starrockswarehouses"));
        let rules: Vec<_> = rbac::cluster_role_rules().into_iter().filter(|rule| !of_warehouses(&rule.resources)).collect();
        let world = harness::props().empty_world(1, SUBJECT.namespace).await.expect("a world");
        let mut embedded = Embedded::within(world, Rules::cluster_wide(rules));
        embedded.start_operator();
        shared_data(&embedded, "kube", true).await;
        assert_eq!(harness::status(&embedded).phase, "running");
    });
}

/// Lets the `nth` change from now on go wrong, waits for an end, and puts another operator in the place of one that was lost.
async fn with_a_mishap(embedded: &mut Embedded, nth: u64, strike: Strike, what: &str, holds: impl Fn(&Embedded) -> bool) {
    embedded.ledger.strike(Some((nth, strike)));
    for round in 0..40 {
        pass(30).await;
        if holds(embedded) {
            embedded.ledger.strike(None);
            return;
        }
        if round % 4 == 3 {
            embedded.start_operator();
        }
    }
    panic!("{what}, change {nth}, {strike:?}: not within twenty minutes; it waits for {:?}", waits(embedded, "w"));
}

#[test]
fn whatever_change_goes_wrong_a_warehouse_is_made_and_dropped() {
    let world = play(async {
        let mut embedded = stage(1).await;
        embedded.start_operator();
        shared_data(&embedded, "kube", true).await;
        embedded.lose_operator();
        embedded.world().clone()
    });
    for strike in [Strike::ClientLost, Strike::AnswerLost, Strike::RequestLost] {
        for nth in 1..=12 {
            play(async {
                let mut embedded = Embedded::within(world.clone(), harness::rules());
                embedded.start_operator();
                embedded.apply(&warehouse("w", 2)).await.expect("accepted");
                with_a_mishap(&mut embedded, nth, strike, "made", |embedded| is_ready(embedded, "w")).await;
                embedded.start_operator();
                delete(&embedded, "w").await;
                with_a_mishap(&mut embedded, nth, strike, "dropped", |embedded| get(embedded, KIND, "w").is_none()).await;
                assert_eq!(warehouses(&embedded), Vec::<String>::new(), "change {nth}, {strike:?}");
                assert_eq!(get(&embedded, "StatefulSet", "w-warehouse-cn"), None, "change {nth}, {strike:?}");
            });
        }
    }
}
