//! What `adopt --dry-run` says of clusters and warehouses of the Go operator, asked with the rights to get and list and no others.

use k8s_openapi::api::rbac::v1::PolicyRule;
use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::CustomResourceDefinition;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams, PostParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::*;
use crate::generate::crds;
use crate::model::ObjectKind;
use crate::model::cluster::Conventions;
use crate::sim::crash::Props;
use crate::sim::embedded::Embedded;
use crate::sim::kube::Rules;

/// Get and list of everything that is looked at, and of Leases.
fn reader() -> Rules {
    let owned = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect::<Vec<_>>();
    let rule = |group: &str, resources: &[&str]| PolicyRule {
        api_groups: Some(owned(&[group])),
        resources: Some(owned(resources)),
        verbs: owned(&["get", "list"]),
        ..PolicyRule::default()
    };
    Rules::cluster_wide(vec![
        rule("starrocks.com", &["starrocksclusters", "starrockswarehouses"]),
        rule("", &["configmaps", "services"]),
        rule("apps", &["statefulsets", "deployments"]),
        rule("autoscaling", &["horizontalpodautoscalers"]),
        rule("coordination.k8s.io", &["leases"]),
    ])
}

/// A cluster of the Go operator in `prod`; `change` sees its objects before they are made.
async fn stage(change: impl Fn(&mut Value)) -> Embedded {
    let embedded = empty(crds::all()).await;
    let (resources, objects) =
        (include_str!("../../../tests/data/go-operator/cluster.yaml"), include_str!("../../../tests/data/go-operator/objects.yaml"));
    play_go(&embedded, resources, objects, change).await;
    embedded
}

/// A shared-data cluster and its warehouse.
async fn stage_warehouse(change: impl Fn(&mut Value)) -> Embedded {
    let embedded = empty(crds::all()).await;
    let resources = include_str!("../../../tests/data/go-operator/warehouse.yaml");
    let objects = include_str!("../../../tests/data/go-operator/warehouse-objects.yaml");
    play_go(&embedded, resources, objects, change).await;
    embedded
}

/// Namespaces and these definitions.
async fn empty(definitions: Vec<CustomResourceDefinition>) -> Embedded {
    let definitions = definitions.iter().map(|definition| serde_json::to_value(definition).expect("JSON")).collect();
    let props = Props { definitions, rules: Vec::new() };
    Embedded::within(props.empty_world(1, "prod").await.expect("a world"), Rules::default())
}

async fn play_go(embedded: &Embedded, resources: &str, objects: &str, change: impl Fn(&mut Value)) {
    let mut text = objects.replace("@NAMESPACE@", "prod");
    for document in yaml::documents(&resources.replace("@NAMESPACE@", "prod")).expect("YAML") {
        let applied = embedded.apply(&document).await.expect("accepted");
        let uid = applied["metadata"]["uid"].as_str().expect("a UID");
        match applied["kind"].as_str() {
            Some("StarRocksCluster") => text = text.replace("@UID@", uid),
            Some("StarRocksWarehouse") => text = text.replace("@WAREHOUSE_UID@", uid),
            _ => {}
        }
    }
    for mut object in yaml::documents(&text).expect("YAML") {
        object["metadata"]["annotations"]["app.starrocks.components/hash"] = json!("123");
        change(&mut object);
        create(embedded, "prod", object, "sroperator").await;
    }
}

async fn create(embedded: &Embedded, namespace: &str, object: Value, manager: &str) {
    let object: DynamicObject = serde_json::from_value(object).expect("an object");
    let kind = ApiResource::from_gvk(&GroupVersionKind::try_from(object.types.as_ref().expect("a kind")).expect("a kind"));
    let api: Api<DynamicObject> = Api::namespaced_with(embedded.client(), namespace, &kind);
    let params = PostParams { field_manager: Some(manager.to_owned()), ..PostParams::default() };
    api.create(&params, &object).await.expect("accepted");
}

async fn answer(embedded: &Embedded) -> Answer {
    let revision = embedded.world().store.revision();
    let client = embedded.client_as("reader", reader());
    let answer = look::look(&client, "", &Conventions::default()).await.expect("an answer");
    assert_eq!(embedded.world().store.revision(), revision, "nothing was written");
    answer
}

fn play(story: impl Future<Output = ()>) {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().start_paused(true).build().expect("a runtime");
    runtime.block_on(story);
}

#[test]
fn a_cluster_of_the_go_operator_changes_in_metadata_and_in_the_proxys_configuration_only() {
    play(async {
        let embedded = stage(|_| ()).await;
        let answer = answer(&embedded).await;
        let resource = &answer.resources[0];
        let changed: Vec<&str> =
            resource.objects.iter().filter(|object| object.change != Change::MetadataOnly).map(|object| object.name.as_str()).collect();
        assert_eq!(
            (changed, resource.objects.len(), resource.verdict),
            (vec!["a-fe-proxy"], 13, Change::InPlace),
            "{}",
            page::table(&answer)
        );
        assert_eq!(answer.outcome(), Outcome::Done);
        assert!(page::table(&answer).contains("No pod would be restarted."));
    });
}

#[test]
fn a_difference_that_would_restart_pods_is_shown_with_both_sides() {
    play(async {
        let embedded = stage(|object| {
            if object["kind"] == "StatefulSet" && object["metadata"]["name"] == "a-be" {
                object["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(77);
            }
        })
        .await;
        let answer = answer(&embedded).await;
        assert_eq!((answer.resources[0].verdict, answer.outcome()), (Change::WouldRestartPods, Outcome::Refused));
        let page = page::table(&answer);
        let shown = "    spec.template.spec.terminationGracePeriodSeconds\n      live:     77\n      intended: 120\n";
        assert!(page.contains(shown) && page.contains("SR-2403"), "{page}");
    });
}

#[test]
fn what_cannot_be_taken_over_has_a_code_and_a_way_out() {
    play(async {
        let embedded = stage(|object| {
            let claims = object.pointer_mut("/spec/volumeClaimTemplates/0/spec/resources/requests/storage");
            claims.into_iter().for_each(|size| *size = json!("1Gi"));
            if object["metadata"]["name"] == "a-cn-search" {
                object["metadata"]["ownerReferences"][0]["uid"] = json!("somebody-else");
            }
        })
        .await;
        let broken = json!({"spec": {"starRocksFeSpec": {"storageVolumes": [{"name": "fe-meta", "mountPath": "meta"}]}}});
        create(&embedded, "prod", with(broken, "broken"), "kubectl").await;
        let answer = answer(&embedded).await;
        let codes = |name: &str| {
            let resource = answer.resources.iter().find(|resource| resource.name == name).expect("it is listed");
            assert_eq!(resource.verdict, Change::CannotBeTakenOver);
            resource.blocked.iter().map(|blocked| blocked.code.clone()).collect::<Vec<_>>()
        };
        assert_eq!(codes("a"), ["SR-2401", "SR-2401", "SR-2402"]);
        assert!(codes("broken").iter().any(|code| code.starts_with("SR-30")), "{:?}", codes("broken"));
        assert_eq!(answer.outcome(), Outcome::Refused);
        let page = page::table(&answer);
        assert!(page.contains("cannot be taken over") && page.contains("put back the former value"), "{page}");
        for text in [serde_json::to_string(&answer).expect("JSON"), yaml::to_string(&answer).expect("YAML")] {
            assert!(text.contains("cannotBeTakenOver") && text.contains("SR-2402"));
        }
    });
}

#[test]
fn resources_that_are_left_alone_are_told_as_such_and_the_lease_names_who_leads() {
    play(async {
        let embedded = stage(|_| ()).await;
        let clusters = ApiResource::from_gvk(&GroupVersionKind::gvk("starrocks.com", "v1", "StarRocksCluster"));
        let api: Api<DynamicObject> = Api::namespaced_with(embedded.client(), "prod", &clusters);
        let ignored = json!({"metadata": {"annotations": {"starrocks.com/ignored": "true"}}});
        api.patch("a", &PatchParams::default(), &Patch::Merge(&ignored)).await.expect("accepted");
        create(&embedded, "prod", with(json!({"spec": {}}), "empty"), "kubectl").await;
        let lease = json!({"apiVersion": "coordination.k8s.io/v1", "kind": "Lease", "metadata": {"name": "c6c79638.starrocks.com", "namespace": "starrocks"},
            "spec": {"holderIdentity": "kube-starrocks-operator-7d9f_0b8d9e52-6a3e-4c8e-9d24-000000000001", "leaseDurationSeconds": 15,
                     "renewTime": "2999-01-01T00:00:00.000000Z"}});
        create(&embedded, "starrocks", lease, "sroperator").await;
        let answer = answer(&embedded).await;
        let notes: Vec<_> = answer.resources.iter().map(|resource| (resource.verdict, resource.note.is_some())).collect();
        assert_eq!(notes, [(Change::Unchanged, true), (Change::Unchanged, true)]);
        assert!(answer.operators[0].is_go_operator);
        assert!(page::table(&answer).starts_with("The Go operator holds the Lease in namespace starrocks"), "{}", page::table(&answer));
        assert_eq!(answer.outcome(), Outcome::Done);
    });
}

#[test]
fn a_warehouse_of_the_go_operator_changes_in_metadata_only_and_is_held_from_then_on() {
    play(async {
        let embedded = stage_warehouse(|_| ()).await;
        let answer = answer(&embedded).await;
        let seen: Vec<_> =
            answer.resources.iter().map(|resource| (resource.kind, resource.name.as_str(), resource.objects.len())).collect();
        assert_eq!(seen, [("StarRocksCluster", "s", 3), ("StarRocksWarehouse", "load-jobs", 4)]);
        let page = page::table(&answer);
        assert!(answer.resources.iter().all(|resource| resource.verdict == Change::MetadataOnly), "{page}");
        assert_eq!(answer.outcome(), Outcome::Done);
        assert!(page.contains("StarRocksWarehouse   load-jobs   metadata only") && page.contains("starrocks.com/drop-warehouse"), "{page}");
    });
}

#[test]
fn differences_of_a_warehouse_are_shown_object_by_object() {
    play(async {
        let embedded = stage_warehouse(|object| {
            if object["kind"] == "StatefulSet" && object["metadata"]["name"] == "load-jobs-warehouse-cn" {
                object["spec"]["template"]["spec"]["terminationGracePeriodSeconds"] = json!(77);
            }
            if object["kind"] == "HorizontalPodAutoscaler" {
                object["spec"]["maxReplicas"] = json!(9);
            }
        })
        .await;
        let answer = answer(&embedded).await;
        let changes = |kind: ObjectKind| {
            let objects = answer.resources[1].objects.iter().filter(move |object| object.kind == kind);
            objects.map(|object| object.change).collect::<Vec<_>>()
        };
        assert_eq!(changes(ObjectKind::StatefulSet), [Change::WouldRestartPods]);
        assert_eq!(changes(ObjectKind::HorizontalPodAutoscaler), [Change::InPlace]);
        assert_eq!((answer.resources[0].verdict, answer.outcome()), (Change::MetadataOnly, Outcome::Refused));
        let page = page::table(&answer);
        assert!(page.contains("spec.template.spec.terminationGracePeriodSeconds") && page.contains("SR-2403"), "{page}");
    });
}

#[test]
fn a_warehouse_whose_cluster_cannot_be_used_says_why_and_fails_nothing() {
    play(async {
        let embedded = stage_warehouse(|_| ()).await;
        let warehouse = |cluster: &str, name: &str| {
            let mut resource = with(
                json!({"spec": {"starRocksCluster": cluster, "template": {"replicas": 1, "image": "starrocks/cn-ubuntu:3.5.9"}}}),
                name,
            );
            resource["kind"] = json!("StarRocksWarehouse");
            resource
        };
        let faulty = json!({"spec": {"starRocksFeSpec": {"image": "starrocks/fe-ubuntu:3.5.9", "storageVolumes": [{"name": "fe-meta", "mountPath": "meta"}]}}});
        let nothing = json!({"spec": {"starRocksFeSpec": {"image": "starrocks/fe-ubuntu:3.5.9"}}});
        let mut ignored = warehouse("s", "w-ignored");
        ignored["metadata"]["annotations"] = json!({"starrocks.com/ignored": "true"});
        let resources = [
            with(faulty, "faulty"),
            with(nothing, "shared-nothing"),
            warehouse("absent", "w-absent"),
            warehouse("faulty", "w-faulty"),
            ignored,
            warehouse("s", "w-new"),
            warehouse("shared-nothing", "w-nothing"),
            warehouse("s", "s"),
        ];
        for resource in resources {
            create(&embedded, "prod", resource, "kubectl").await;
        }
        let answer = answer(&embedded).await;
        let told: Vec<_> = answer
            .resources
            .iter()
            .filter(|resource| resource.kind == "StarRocksWarehouse")
            .map(|resource| (resource.name.as_str(), resource.verdict, resource.blocked.first().map(|blocked| blocked.code.as_str())))
            .collect();
        let refused = Change::CannotBeTakenOver;
        assert_eq!(
            told,
            [
                ("load-jobs", Change::MetadataOnly, None),
                ("s", refused, Some("SR-3028")),
                ("w-absent", refused, Some("SR-2501")),
                ("w-faulty", refused, Some("SR-2502")),
                ("w-ignored", Change::Unchanged, None),
                ("w-new", Change::InPlace, None),
                ("w-nothing", refused, Some("SR-2503")),
            ]
        );
        assert_eq!(answer.outcome(), Outcome::Refused);
    });
}

#[test]
fn without_the_kind_of_warehouses_clusters_are_looked_at_all_the_same() {
    play(async {
        let embedded = empty(vec![crds::starrocks_clusters()]).await;
        let (resources, objects) =
            (include_str!("../../../tests/data/go-operator/cluster.yaml"), include_str!("../../../tests/data/go-operator/objects.yaml"));
        play_go(&embedded, resources, objects, |_| ()).await;
        let answer = answer(&embedded).await;
        assert_eq!((answer.resources.len(), answer.outcome()), (1, Outcome::Done));
    });
}

fn with(mut resource: Value, name: &str) -> Value {
    resource["apiVersion"] = json!("starrocks.com/v1");
    resource["kind"] = json!("StarRocksCluster");
    resource["metadata"] = json!({"name": name, "namespace": "prod"});
    resource
}
