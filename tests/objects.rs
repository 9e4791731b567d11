//! The shipped examples in, every object built from them out, held against what was reviewed; never talks to a cluster.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Value, json};
use starrocks_operator::api::StarRocksCluster;
use starrocks_operator::build::{self, Strategy};
use starrocks_operator::model::cluster::{Cluster, Conventions};
use starrocks_operator::model::component::{APPLIED_ANNOTATION, APPLIED_TEMPLATE_ANNOTATION};
use starrocks_operator::model::{Component, LiveObject, Object, ObjectKind, Observed, Ownership, Timestamp};
use starrocks_operator::release::Image;
use starrocks_operator::validate::{References, validate, wanted_references};
use starrocks_operator::yaml;

fn examples() -> BTreeMap<String, String> {
    let directory = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("examples");
    let files = std::fs::read_dir(directory).expect("examples are shipped").map(|entry| entry.unwrap().path());
    files
        .filter(|path| path.extension().is_some_and(|extension| extension == "yaml"))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), std::fs::read_to_string(&path).unwrap()))
        .collect()
}

/// The resource of a text and the ConfigMaps that stand beside it.
fn read(text: &str) -> (StarRocksCluster, References) {
    let mut references = References::default();
    let mut resource = None;
    for document in yaml::documents(text).unwrap() {
        match document["kind"].as_str() {
            Some("StarRocksCluster") => resource = Some(serde_json::from_value::<StarRocksCluster>(document).unwrap()),
            Some("ConfigMap") => {
                let data = serde_json::from_value(document["data"].clone()).unwrap();
                references.config_maps.insert(document["metadata"]["name"].as_str().unwrap().to_owned(), Some(data));
            }
            Some("Secret") => {}
            other => panic!("unexpected kind {other:?}"),
        }
    }
    let mut resource = resource.expect("one StarRocksCluster");
    resource.metadata.namespace = Some("starrocks".to_owned());
    resource.metadata.uid = Some("6f1c9f0e-0000-4000-8000-000000000001".to_owned());
    resource.metadata.generation = Some(1);
    (resource, references)
}

fn cluster(text: &str) -> Cluster {
    let (resource, references) = read(text);
    validate(&resource, &references, &Conventions::default()).unwrap_or_else(|faults| panic!("{faults:?}"))
}

fn example(name: &str) -> Cluster {
    cluster(&examples()[name])
}

/// The objects as documents, without the hashes, which say nothing to a reader and change with everything.
fn printed(objects: &[Object]) -> String {
    let document = |object: &Object| {
        let mut json = object.to_json();
        let metadata = json["metadata"].as_object_mut().unwrap();
        let annotations = metadata["annotations"].as_object_mut().unwrap();
        assert!(annotations.remove(APPLIED_ANNOTATION).is_some(), "every object carries its hash");
        annotations.remove(APPLIED_TEMPLATE_ANNOTATION);
        if annotations.is_empty() {
            metadata.remove("annotations");
        }
        yaml::to_string(&json).unwrap()
    };
    objects.iter().map(document).collect::<Vec<_>>().join("---\n")
}

/// A StatefulSet as an API server would hold it, with the defaults that it writes.
fn live(stateful_set: &k8s_openapi::api::apps::v1::StatefulSet) -> LiveObject {
    let mut body = serde_json::to_value(stateful_set).unwrap();
    body["metadata"]["generation"] = json!(1);
    let spec = &mut body["spec"];
    spec["revisionHistoryLimit"] = json!(10);
    for when in ["whenDeleted", "whenScaled"] {
        let policy = &mut spec["persistentVolumeClaimRetentionPolicy"][when];
        *policy = if policy.is_null() { json!("Retain") } else { policy.take() };
    }
    for claim in spec["volumeClaimTemplates"].as_array_mut().into_iter().flatten() {
        claim["spec"]["volumeMode"] = json!("Filesystem");
        claim["status"] = json!({"phase": "Pending"});
        claim["metadata"]["creationTimestamp"] = Value::Null;
    }
    let template = &mut spec["template"];
    template["metadata"]["creationTimestamp"] = Value::Null;
    let pod = &mut template["spec"];
    pod["restartPolicy"] = json!("Always");
    pod["dnsPolicy"] = json!("ClusterFirst");
    pod["schedulerName"] = json!("default-scheduler");
    for container in pod["containers"].as_array_mut().unwrap() {
        container["terminationMessagePath"] = json!("/dev/termination-log");
        container["terminationMessagePolicy"] = json!("File");
        container["resources"] = container.get("resources").cloned().unwrap_or(json!({}));
        for probe in ["startupProbe", "livenessProbe", "readinessProbe"] {
            if let Some(probe) = container.get_mut(probe) {
                probe["timeoutSeconds"] = json!(1);
                probe["successThreshold"] = json!(1);
                probe["httpGet"]["scheme"] = json!("HTTP");
            }
        }
        for variable in container["env"].as_array_mut().into_iter().flatten() {
            if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
                field["apiVersion"] = json!("v1");
            }
        }
    }
    for volume in pod["volumes"].as_array_mut().into_iter().flatten() {
        for source in ["configMap", "secret"] {
            if let Some(source) = volume.get_mut(source) {
                source["defaultMode"] = json!(420);
            }
        }
    }
    LiveObject { uid: "u".into(), resource_version: "1".into(), ownership: Ownership::Ours, deleting: false, body }
}

#[test]
fn every_example_says_what_it_shows_and_is_valid_with_the_config_maps_beside_it() {
    let examples = examples();
    assert!(examples.len() >= 10, "{}", examples.len());
    for (name, text) in &examples {
        assert!(text.starts_with("# "), "{name} opens with what it shows");
        let (resource, references) = read(text);
        for wanted in wanted_references(&resource) {
            assert!(references.config_maps.contains_key(&wanted), "{name} ships ConfigMap {wanted}");
        }
        if let Err(faults) = validate(&resource, &references, &Conventions::default()) {
            panic!("{name}: {faults:#?}");
        }
    }
}

#[test]
fn objects_of_every_example_are_those_that_were_reviewed() {
    for name in examples().keys() {
        insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
            insta::assert_snapshot!(format!("objects-{name}"), printed(&build::objects(&example(name))));
        });
    }
}

#[test]
fn no_list_that_kubernetes_merges_holds_a_key_twice() {
    for name in examples().keys() {
        for object in build::objects(&example(name)) {
            let json = object.to_json();
            for container in json.pointer("/spec/template/spec/containers").and_then(Value::as_array).into_iter().flatten() {
                for (list, key) in [("env", "name"), ("volumeMounts", "mountPath"), ("ports", "containerPort")] {
                    let mut keys: Vec<_> = container[list].as_array().into_iter().flatten().map(|item| item[key].to_string()).collect();
                    let count = keys.len();
                    keys.sort();
                    keys.dedup();
                    assert_eq!(keys.len(), count, "{name} {:?} {list}", object.key());
                }
            }
        }
    }
}

/// Pointers to every value below a value, itself left out.
fn pointers(value: &Value, path: &str, found: &mut Vec<String>) {
    let children: Vec<(String, &Value)> = match value {
        Value::Object(fields) => fields.iter().map(|(key, field)| (key.replace('~', "~0").replace('/', "~1"), field)).collect(),
        Value::Array(items) => items.iter().enumerate().map(|(index, item)| (index.to_string(), item)).collect(),
        _ => Vec::new(),
    };
    for (key, child) in children {
        let path = format!("{path}/{key}");
        pointers(child, &path, found);
        found.push(path);
    }
}

#[test]
fn no_odd_value_anywhere_in_a_resource_brings_the_operator_down() {
    let odd = [
        json!(null),
        json!(-1),
        json!(0),
        json!(i32::MAX),
        json!(""),
        json!("0"),
        json!("abc10Gi"),
        json!("é \u{1}/:@"),
        json!(true),
        json!([]),
        json!({}),
    ];
    let (mut valid, mut faulty) = (0, 0);
    let examples = examples();
    for name in ["all-features", "sidecars", "services", "node-and-csi-volumes"] {
        let text = &examples[name];
        let (_, references) = read(text);
        let document = yaml::documents(text).unwrap().into_iter().find(|document| document["kind"] == "StarRocksCluster").unwrap();
        let mut places = Vec::new();
        pointers(&document["spec"], "/spec", &mut places);
        for (place, value) in places.iter().flat_map(|place| odd.iter().map(move |value| (place, value))) {
            let mut changed = document.clone();
            *changed.pointer_mut(place).unwrap() = value.clone();
            let Ok(resource) = serde_json::from_value::<StarRocksCluster>(changed) else { continue };
            match validate(&resource, &references, &Conventions::default()) {
                Ok(cluster) => {
                    valid += 1;
                    assert!(!build::objects(&cluster).is_empty());
                }
                Err(faults) => {
                    faulty += 1;
                    assert!(!faults.is_empty() && faults.iter().all(|fault| !fault.way_out.is_empty()), "{name} {place}");
                }
            }
        }
    }
    assert!(valid > 100 && faulty > 100, "{valid} valid, {faulty} faulty");
}

#[test]
fn a_recovery_runs_one_frontend_without_health_probes_and_says_so_at_the_end_of_its_environment() {
    let cluster = example("disaster-recovery");
    let recovery = cluster.disaster_recovery.expect("shared-data and enabled");
    assert!(recovery.snapshot_mounted);
    let normal = build::stateful_set(&cluster, &cluster.frontend);
    let recovering = build::for_recovery(normal.clone(), &cluster.frontend, recovery);
    assert!(build::template_differs(&recovering, &live(&normal)).is_some());
    insta::with_settings!({ omit_expression => true, prepend_module_to_snapshot => false }, {
        insta::assert_snapshot!("objects-while-recovering", printed(&[Object::StatefulSet(Box::new(recovering))]));
    });
}

#[test]
fn what_was_applied_and_stored_with_defaults_neither_drifts_nor_restarts_pods() {
    for name in examples().keys() {
        let cluster = example(name);
        for workload in cluster.workloads() {
            let desired = build::stateful_set(&cluster, workload);
            let mut stored = live(&desired);
            assert_eq!(build::template_differs(&desired, &stored), None, "{name}");
            assert_eq!(build::immutable_difference(&desired, &stored), None, "{name}");
            assert_eq!(build::drift(&Object::StatefulSet(Box::new(desired.clone())).to_json(), &stored.body), None, "{name}");
            // As the former operator left it: the same pod template without our annotations.
            stored.body["metadata"]["annotations"] = json!({"app.starrocks.components/hash": "1"});
            assert_eq!(build::template_differs(&desired, &stored), None, "{name}");
            assert!(build::keep_immutable(desired.clone(), &stored) == desired, "{name}");
        }
    }
}

#[test]
fn a_template_differs_when_something_wanted_is_other_or_something_ours_is_gone() {
    let cluster = example("sidecars");
    let desired = build::stateful_set(&cluster, &cluster.frontend);
    let other = build::stateful_set_with(&cluster, &cluster.frontend, &Image::parse("starrocks/fe-ubuntu:3.5.10"), Strategy::OnDelete);
    let difference = build::template_differs(&other, &live(&desired)).expect("another image");
    assert_eq!(difference.path, "spec.template.spec.containers[fe].image");

    let mut without = cluster.clone();
    without.frontend.spec.sidecars.clear();
    let difference =
        build::template_differs(&build::stateful_set(&without, &without.frontend), &live(&desired)).expect("one container less");
    assert_eq!((difference.path.as_str(), difference.wanted), ("spec.template.spec.containers[ship-logs]", Value::Null));

    let mut scaled = cluster.clone();
    scaled.frontend.replicas = 5;
    let scaled = build::stateful_set(&scaled, &scaled.frontend);
    assert_eq!(build::template_differs(&scaled, &live(&desired)), None, "the number of pods is not part of their template");
    let drift = build::drift(&Object::StatefulSet(Box::new(scaled)).to_json(), &live(&desired).body).expect("more pods");
    assert_eq!(drift.path, "spec.replicas");
}

#[test]
fn what_others_add_to_a_template_restarts_nothing_of_ours() {
    let cluster = example("minimal");
    let desired = build::stateful_set(&cluster, &cluster.frontend);
    let mut stored = live(&desired);
    stored.body["spec"]["template"]["metadata"]["annotations"] = json!({"kubectl.kubernetes.io/restartedAt": "2026-11-23T00:00:00Z"});
    assert_eq!(build::template_differs(&desired, &stored), None);
    stored.body["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().unwrap().push(json!({"name": "FOREIGN", "value": "1"}));
    assert_eq!(build::template_differs(&desired, &stored), None, "applied by us as it is wanted, so the addition is not ours to lose");
    stored.body["metadata"]["annotations"] = json!({});
    let difference = build::template_differs(&desired, &stored).expect("never applied by us, so it may have been the former operator's");
    assert_eq!(difference.path, "spec.template.spec.containers[fe].env[FOREIGN]");
    // Another order is another template.
    let mut stored = live(&desired);
    stored.body["spec"]["template"]["spec"]["containers"][0]["env"].as_array_mut().unwrap().swap(0, 1);
    assert!(build::template_differs(&desired, &stored).is_some());
}

#[test]
fn fields_that_cannot_change_stay_and_only_the_users_are_reported() {
    let cluster = example("persistent-storage");
    let desired = build::stateful_set(&cluster, cluster.backend.as_ref().unwrap());
    let mut stored = live(&desired);
    stored.body["spec"]["serviceName"] = json!("old-name");
    stored.body["spec"]["podManagementPolicy"] = json!("OrderedReady");
    assert_eq!(build::immutable_difference(&desired, &stored), None);
    let kept = build::keep_immutable(desired.clone(), &stored).spec.unwrap();
    assert_eq!((kept.service_name.as_deref(), kept.pod_management_policy.as_deref()), (Some("old-name"), Some("OrderedReady")));

    stored.body["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] = json!("512000Mi");
    assert_eq!(build::immutable_difference(&desired, &stored), None, "500Gi in other words");
    stored.body["spec"]["volumeClaimTemplates"][0]["spec"]["resources"]["requests"]["storage"] = json!("100Gi");
    let difference = build::immutable_difference(&desired, &stored).expect("another size");
    assert_eq!(difference.path, "spec.volumeClaimTemplates[be-data].resources.requests.storage");
}

#[test]
fn a_claim_that_cannot_be_added_leaves_the_old_volume_where_the_data_is() {
    let bare = example("minimal");
    let stored = live(&build::stateful_set(&bare, &bare.frontend));
    let mut wanted = bare.clone();
    wanted.frontend.volumes = example("demo").frontend.volumes;
    let desired = build::stateful_set(&wanted, &wanted.frontend);
    assert_eq!(build::immutable_difference(&desired, &stored).unwrap().path, "spec.volumeClaimTemplates[fe-log]");
    let kept = build::keep_immutable(desired, &stored);
    assert_eq!(build::template_differs(&kept, &stored), None);
    let volumes = kept.spec.unwrap().template.spec.unwrap().volumes.unwrap();
    assert!(volumes.iter().all(|volume| volume.empty_dir.is_some()));
}

#[test]
fn hashes_follow_the_meaning_and_not_the_spelling() {
    let cluster = example("demo");
    let object = Object::StatefulSet(Box::new(build::stateful_set(&cluster, &cluster.frontend)));
    let hash = build::hash(&object);
    assert_eq!(object.to_json()["metadata"]["annotations"][APPLIED_ANNOTATION], json!(hash));
    let mut spelled = cluster.clone();
    spelled.frontend.spec.load.scheduler_name = Some("default-scheduler".to_owned());
    spelled
        .frontend
        .spec
        .load
        .limits
        .insert("memory".to_owned(), k8s_openapi::apimachinery::pkg::api::resource::Quantity("16384Mi".to_owned()));
    assert_eq!(build::hash(&Object::StatefulSet(Box::new(build::stateful_set(&spelled, &spelled.frontend)))), hash);
    spelled.frontend.replicas += 1;
    assert_ne!(build::hash(&Object::StatefulSet(Box::new(build::stateful_set(&spelled, &spelled.frontend)))), hash);
}

#[test]
fn a_service_drifts_when_a_wanted_port_changes_and_not_when_the_server_fills_it_in() {
    let cluster = example("services");
    let services = build::objects(&cluster).into_iter().filter(|object| matches!(object, Object::Service(_)));
    for service in services {
        let desired = service.to_json();
        let mut stored = desired.clone();
        stored["spec"]["clusterIPs"] = json!(["10.0.0.1"]);
        stored["spec"]["sessionAffinity"] = json!("None");
        for port in stored["spec"]["ports"].as_array_mut().unwrap() {
            port["nodePort"] = port.get("nodePort").cloned().unwrap_or(json!(31_000));
        }
        assert_eq!(build::drift(&desired, &stored), None);
        stored["spec"]["ports"][0]["targetPort"] = json!(1);
        let drift = build::drift(&desired, &stored).expect("another target");
        assert!(drift.path.ends_with("targetPort"), "{drift}");
    }
}

#[test]
fn an_address_for_a_load_balancer_alone_is_a_change() {
    let service = |address: &str| {
        let mut cluster = example("minimal");
        let written = serde_json::from_value(json!({"type": "LoadBalancer", "loadBalancerIP": address})).unwrap();
        cluster.frontend.spec.load.service = Some(written);
        let mut objects = build::objects(&cluster).into_iter().filter(|object| object.key().name.ends_with("-fe-service"));
        objects.next().unwrap()
    };
    let (former, wanted) = (service("192.0.2.1"), service("192.0.2.2"));
    assert_ne!(build::hash(&former), build::hash(&wanted));
    assert_eq!(build::drift(&wanted.to_json(), &former.to_json()).unwrap().path, "spec.loadBalancerIP");
}

#[test]
fn the_proxy_follows_its_configuration_but_is_not_restarted_to_begin_with_it() {
    let cluster = example("fe-proxy");
    let mut observed = Observed::empty(Timestamp::default());
    let pods = |observed: &Observed| {
        let objects = build::follow_proxy_config(build::objects(&cluster), observed);
        let deployment = objects.iter().find(|object| object.kind() == ObjectKind::Deployment).unwrap().to_json();
        deployment.pointer("/spec/template/metadata/annotations").cloned()
    };
    assert_eq!(pods(&observed), None, "the template of a new proxy is that of the Go operator");
    let put = |observed: &mut Observed, kind: ObjectKind, change: &dyn Fn(&mut Value)| {
        let object = build::objects(&cluster).into_iter().find(|object| object.kind() == kind).unwrap();
        let mut body = object.to_json();
        change(&mut body);
        let live = LiveObject { uid: "u".into(), resource_version: "1".into(), ownership: Ownership::Ours, deleting: false, body };
        observed.objects.entry(kind).or_default().insert(object.key().name, live);
    };
    // Taken over from the Go operator: its own text, no annotation of ours anywhere.
    put(&mut observed, ObjectKind::Deployment, &|body| body["metadata"]["annotations"] = json!({}));
    put(&mut observed, ObjectKind::ConfigMap, &|body| {
        body["data"]["nginx.conf"] = json!("another text");
        body["metadata"]["annotations"] = json!({});
    });
    assert_eq!(pods(&observed), None);
    // Written by us once; the Deployment remembers with what.
    let written = build::follow_proxy_config(build::objects(&cluster), &observed);
    let written = written.iter().find(|object| object.kind() == ObjectKind::Deployment).unwrap().to_json();
    put(&mut observed, ObjectKind::Deployment, &|body| *body = written.clone());
    put(&mut observed, ObjectKind::ConfigMap, &|_| {});
    assert_eq!(pods(&observed), None, "written once, nothing changed");
    // The ConfigMap is changed already: an operator that died between the two must still restart the proxy.
    put(&mut observed, ObjectKind::Deployment, &|body| {
        *body = written.clone();
        body["metadata"]["annotations"]["starrocks.com/proxy-config-hash"] = json!("of an older text of ours");
    });
    let annotation = pods(&observed).expect("changed now");
    put(&mut observed, ObjectKind::Deployment, &|body| body["spec"]["template"]["metadata"]["annotations"] = annotation.clone());
    assert_eq!(pods(&observed), Some(annotation.clone()), "and it stays");
}

#[test]
fn switched_off_variables_and_hashes_shape_pods_as_they_did_before() {
    let (resource, references) = read(&examples()["custom-configuration"]);
    let conventions = Conventions { unsupported_env: vec!["HOST_IP".into()], volume_name_with_hash: false, ..Conventions::default() };
    let cluster = validate(&resource, &references, &conventions).unwrap();
    let pod = build::stateful_set(&cluster, &cluster.frontend).spec.unwrap().template.spec.unwrap();
    let names: Vec<_> = pod.containers[0].env.iter().flatten().map(|variable| variable.name.as_str()).collect();
    assert_eq!(names, ["POD_NAME", "POD_IP", "POD_NAMESPACE", "HOST_TYPE", "COMPONENT_NAME", "FE_SERVICE_NAME", "CONFIGMAP_MOUNT_PATH"]);
    let volumes: Vec<_> = pod.volumes.iter().flatten().map(|volume| volume.name.as_str()).collect();
    assert_eq!(volumes, ["fe-meta", "fe-log", "custom-fe-conf", "custom-hadoop", "custom-keytab"]);
    assert_eq!(cluster.workload(Component::Frontend).map(|frontend| frontend.query_port()), Some(19030));
}
