//! What the store promises to control loops and clients, checked without HTTP.

use serde_json::{Value, json};

use super::*;
use crate::model::Timestamp;

pub(super) fn store() -> Store {
    Store::new(Timestamp::from_seconds(1_795_000_000))
}

pub(super) fn pod(name: &str) -> Value {
    json!({
        "apiVersion": "v1", "kind": "Pod", "metadata": { "name": name, "namespace": "default", "labels": { "app": name } },
        "spec": { "containers": [{ "name": "main", "image": "nginx:1.27" }] },
    })
}

pub(super) fn stateful_set(replicas: i64) -> Value {
    json!({
        "apiVersion": "apps/v1", "kind": "StatefulSet", "metadata": { "name": "web", "namespace": "default" },
        "spec": {
            "replicas": replicas, "serviceName": "web", "selector": { "matchLabels": { "app": "web" } },
            "template": {
                "metadata": { "labels": { "app": "web" } },
                "spec": { "containers": [{
                    "name": "main", "image": "starrocks/fe:3.3.1", "ports": [{ "containerPort": 8030 }],
                    "readinessProbe": { "httpGet": { "port": 8030 } }, "resources": { "limits": { "memory": "1024Mi", "cpu": 0.5 } },
                }] },
            },
        },
    })
}

pub(super) fn definition() -> Value {
    let part = json!({ "type": "object", "required": ["name"], "properties": {
        "name": { "type": "string" },
        "amount": { "x-kubernetes-int-or-string": true, "anyOf": [{ "type": "integer" }, { "type": "string" }] },
    } });
    let spec = json!({
        "type": "object", "required": ["size"],
        "x-kubernetes-validations": [{ "rule": "self.size < 10 || self.color == 'red'", "message": "big toys are red" }],
        "properties": {
            "size": { "type": "integer", "format": "int32", "minimum": 1 },
            "color": { "type": "string", "enum": ["red", "blue"], "default": "blue" },
            "note": { "type": "string" },
            "free": { "type": "object", "x-kubernetes-preserve-unknown-fields": true },
            "parts": { "type": "array", "x-kubernetes-list-type": "map", "x-kubernetes-list-map-keys": ["name"], "items": part },
        },
    });
    let status = json!({ "type": "object", "properties": { "size": { "type": "integer" }, "selector": { "type": "string" } } });
    let scale = json!({ "specReplicasPath": ".spec.size", "statusReplicasPath": ".status.size", "labelSelectorPath": ".status.selector" });
    let version = json!({
        "name": "v1", "served": true, "storage": true, "subresources": { "status": {}, "scale": scale },
        "additionalPrinterColumns": [{ "name": "Size", "type": "integer", "jsonPath": ".spec.size" }],
        "schema": { "openAPIV3Schema": { "type": "object", "required": ["spec"], "properties": { "spec": spec, "status": status } } },
    });
    json!({
        "apiVersion": "apiextensions.k8s.io/v1", "kind": "CustomResourceDefinition", "metadata": { "name": "toys.example.com" },
        "spec": { "group": "example.com", "scope": "Namespaced", "versions": [version],
            "names": { "kind": "Toy", "plural": "toys", "shortNames": ["ty"] } },
    })
}

pub(super) fn toy(spec: Value) -> Value {
    json!({ "apiVersion": "example.com/v1", "kind": "Toy", "metadata": { "name": "car", "namespace": "default" }, "spec": spec })
}

fn with_toys() -> Store {
    let mut store = store();
    store.create(definition(), "test").unwrap();
    store
}

#[test]
fn pods_and_stateful_sets_get_the_defaults_of_a_real_server() {
    let mut store = store();
    let pod = store.create(pod("a"), "test").unwrap();
    assert_eq!(pod["spec"]["restartPolicy"], "Always");
    assert_eq!(pod["spec"]["containers"][0]["imagePullPolicy"], "IfNotPresent");
    assert_eq!(pod["status"]["phase"], "Pending");
    let set = store.create(stateful_set(3), "test").unwrap();
    let container = &set["spec"]["template"]["spec"]["containers"][0];
    assert_eq!(container["resources"]["limits"], json!({ "memory": "1Gi", "cpu": "500m" }));
    assert_eq!(container["readinessProbe"]["httpGet"], json!({ "path": "/", "port": 8030, "scheme": "HTTP" }));
    assert_eq!(container["ports"][0]["protocol"], "TCP");
    assert_eq!(set["spec"]["updateStrategy"], json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } }));
    assert_eq!(set["spec"]["persistentVolumeClaimRetentionPolicy"], json!({ "whenDeleted": "Retain", "whenScaled": "Retain" }));
    assert_eq!(set["metadata"]["generation"], 1);
}

#[test]
fn an_update_of_nothing_changes_no_revision_and_a_change_bumps_the_generation() {
    let mut store = store();
    let set = store.create(stateful_set(3), "test").unwrap();
    let revision = store.revision();
    assert_eq!(store.update(set.clone(), "test").unwrap(), set);
    assert_eq!(store.update(stateful_set(3), "other").unwrap(), set);
    assert_eq!(store.revision(), revision);
    let mut changed = set.clone();
    changed["spec"]["replicas"] = json!(5);
    let changed = store.update(changed, "test").unwrap();
    assert_eq!(changed["metadata"]["generation"], 2);
    assert_eq!(store.update(set, "test").unwrap_err().code, 409);
    let mut status = changed.clone();
    status["status"]["replicas"] = json!(5);
    status["spec"]["replicas"] = json!(9);
    let status = store.update_status(status, "controller").unwrap();
    assert_eq!((&status["spec"]["replicas"], &status["metadata"]["generation"]), (&json!(5), &json!(2)));
}

#[test]
fn the_immutable_part_of_a_stateful_set_is_refused_in_the_servers_words() {
    let mut store = store();
    let mut set = store.create(stateful_set(3), "test").unwrap();
    set["spec"]["serviceName"] = json!("other");
    let error = store.update(set, "test").unwrap_err();
    assert_eq!(error.code, 422);
    assert_eq!(
        error.message,
        "StatefulSet.apps \"web\" is invalid: spec: Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden"
    );
    let mut bad = stateful_set(1);
    bad["metadata"]["name"] = json!("bad");
    bad["spec"]["template"]["spec"]["containers"][0]["resources"]["limits"]["memory"] = json!("10GB");
    let error = store.create(bad, "test").unwrap_err();
    assert_eq!(error.code, 400);
    assert!(error.message.contains("quantities must match the regular expression"), "{}", error.message);
}

#[test]
fn services_get_addresses_that_stay() {
    let mut store = store();
    let service = |name: &str, spec: Value| json!({ "apiVersion": "v1", "kind": "Service", "metadata": { "name": name, "namespace": "default" }, "spec": spec });
    let first = store.create(service("a", json!({ "ports": [{ "port": 80 }] })), "test").unwrap();
    assert_eq!(first["spec"]["clusterIP"], "10.96.0.11");
    assert_eq!(first["spec"]["ports"][0], json!({ "port": 80, "protocol": "TCP", "targetPort": 80 }));
    let again = store.update(service("a", json!({ "ports": [{ "port": 80 }], "type": "NodePort" })), "test").unwrap();
    assert_eq!((again["spec"]["clusterIP"].as_str(), again["spec"]["ports"][0]["nodePort"].as_i64()), (Some("10.96.0.11"), Some(30_000)));
    let headless = store.create(service("b", json!({ "clusterIP": "None", "ports": [{ "port": 80 }] })), "test").unwrap();
    assert_eq!(headless["spec"]["clusterIPs"], json!(["None"]));
    let error = store.update(service("b", json!({ "clusterIP": "10.96.0.99", "ports": [{ "port": 80 }] })), "test").unwrap_err();
    assert!(error.message.contains("may not change once set"));
}

#[test]
fn a_definition_serves_its_kind_and_prunes_defaults_and_validates() {
    let mut store = with_toys();
    let toy_written = store.create(toy(json!({ "size": 3, "junk": 1, "note": null, "free": { "a": 1 } })), "test").unwrap();
    assert_eq!(toy_written["spec"], json!({ "size": 3, "color": "blue", "free": { "a": 1 } }));
    let refused = |spec: Value| {
        let mut other = toy(spec);
        other["metadata"]["name"] = json!("other");
        with_toys().create(other, "test").unwrap_err().message
    };
    assert_eq!(refused(json!({})), "Toy.example.com \"other\" is invalid: spec.size: Required value");
    assert_eq!(
        refused(json!({ "size": 0 })),
        "Toy.example.com \"other\" is invalid: spec.size: Invalid value: 0: spec.size in body should be greater than or equal to 1"
    );
    assert_eq!(
        refused(json!({ "size": "x" })),
        "Toy.example.com \"other\" is invalid: spec.size: Invalid value: \"string\": spec.size in body must be of type integer: \"string\""
    );
    assert_eq!(
        refused(json!({ "size": 1, "color": "green" })),
        "Toy.example.com \"other\" is invalid: spec.color: Unsupported value: \"green\": supported values: \"red\", \"blue\""
    );
    assert!(refused(json!({ "size": 11 })).contains("big toys are red"));
    assert!(
        refused(json!({ "size": 1, "parts": [{ "name": "a" }, { "name": "a" }] }))
            .contains("spec.parts[1]: Duplicate value: {\"name\":\"a\"}")
    );
    let strict = WriteOptions { field_validation: FieldValidation::Strict, ..WriteOptions::by("test") };
    let error = store.create_with(toy(json!({ "size": 1, "junk": 1 })), &strict).unwrap_err();
    assert_eq!(error.message, "Toy in version \"v1\" cannot be handled as a Toy: strict decoding error: unknown field \"spec.junk\"");
}

#[test]
fn a_definition_that_cannot_be_served_is_refused() {
    let refused = |edit: fn(&mut Value)| {
        let mut definition = definition();
        edit(&mut definition);
        store().create(definition, "test").unwrap_err().message
    };
    assert!(refused(|d| d["metadata"]["name"] = json!("toy.example.com")).contains("must be spec.names.plural+\".\"+spec.group"));
    assert!(refused(|d| d["spec"]["versions"][0]["storage"] = json!(false)).contains("exactly one version marked as storage version"));
    assert!(refused(|d| d["spec"]["names"]["kind"] = json!("Pod")).contains("already serves this kind"));
}

#[test]
fn a_second_version_shows_the_same_objects() {
    let mut store = store();
    let mut definition = definition();
    let mut older = definition["spec"]["versions"][0].clone();
    older["name"] = json!("v1beta1");
    older["storage"] = json!(false);
    definition["spec"]["versions"].as_array_mut().unwrap().push(older);
    store.create(definition, "test").unwrap();
    let mut old_toy = toy(json!({ "size": 1 }));
    old_toy["apiVersion"] = json!("example.com/v1beta1");
    store.create(old_toy, "test").unwrap();
    assert_eq!(store.get("Toy", "default", "car").unwrap()["apiVersion"], "example.com/v1");
}

#[test]
fn apply_merges_conflicts_takes_over_and_removes() {
    let mut store = with_toys();
    let both = store.apply(toy(json!({ "size": 1, "note": "a", "parts": [{ "name": "x", "amount": 1 }] })), "one", false, None).unwrap();
    assert_eq!(
        both["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:parts"],
        json!({ "k:{\"name\":\"x\"}": { ".": {}, "f:name": {}, "f:amount": {} } })
    );
    let both = store.apply(toy(json!({ "size": 1, "parts": [{ "name": "y", "amount": "2" }] })), "two", false, None).unwrap();
    assert_eq!(both["spec"]["parts"], json!([{ "name": "x", "amount": 1 }, { "name": "y", "amount": "2" }]));
    let error = store.apply(toy(json!({ "size": 2 })), "two", false, None).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (409, "Apply failed with 1 conflict: conflict with \"one\": .spec.size"));
    let forced = store.apply(toy(json!({ "size": 2 })), "two", true, None).unwrap();
    assert_eq!(forced["spec"]["parts"], json!([{ "name": "x", "amount": 1 }]));
    assert_eq!((&forced["spec"]["size"], &forced["spec"]["note"]), (&json!(2), &json!("a")));
    let without = store.apply(toy(json!({})), "one", false, None).unwrap();
    assert_eq!(without["spec"], json!({ "size": 2, "color": "blue" }));
    let revision = store.revision();
    store.apply(toy(json!({})), "one", false, None).unwrap();
    assert_eq!(store.revision(), revision);
    let error = store.apply(toy(json!({ "size": 2, "junk": 1 })), "two", false, None).unwrap_err();
    assert!(error.message.ends_with(".spec.junk: field not declared in schema"), "{}", error.message);
}

#[test]
fn applying_a_built_in_object_again_changes_nothing_and_adds_no_second_port() {
    let mut store = store();
    let first = store.apply(stateful_set(3), "operator", true, None).unwrap();
    assert_eq!(store.apply(stateful_set(3), "operator", true, None).unwrap(), first);
    let mut by_hand = first.clone();
    by_hand["spec"]["template"]["spec"]["containers"][0]["image"] = json!("starrocks/fe:3.3.2");
    store.update(by_hand, "someone").unwrap();
    let error = store.apply(stateful_set(3), "operator", false, None).unwrap_err();
    assert!(error.message.ends_with("using apps/v1: .spec.template.spec.containers[name=\"main\"].image"), "{}", error.message);
    let back = store.apply(stateful_set(3), "operator", true, None).unwrap();
    assert_eq!(back["spec"], first["spec"]);
    let mut less = stateful_set(3);
    less["spec"]["template"]["spec"]["containers"][0].as_object_mut().unwrap().remove("readinessProbe");
    let less = store.apply(less, "operator", true, None).unwrap();
    assert!(less["spec"]["template"]["spec"]["containers"][0].get("readinessProbe").is_none());
}

#[test]
fn an_ordinary_update_takes_fields_over_and_status_has_its_own_owner() {
    let mut store = with_toys();
    store.apply(toy(json!({ "size": 1 })), "applier", false, None).unwrap();
    let mut edited = store.get("Toy", "default", "car").unwrap().clone();
    edited["spec"]["size"] = json!(4);
    store.update(edited, "editor").unwrap();
    let error = store.apply(toy(json!({ "size": 1 })), "applier", false, None).unwrap_err();
    assert_eq!(error.message, "Apply failed with 1 conflict: conflict with \"editor\" using example.com/v1: .spec.size");
    let mut status = toy(json!({}));
    status["status"] = json!({ "size": 4 });
    let applied = store.apply(status, "applier", false, Some("status")).unwrap();
    assert_eq!((&applied["status"]["size"], &applied["spec"]["size"]), (&json!(4), &json!(4)));
    let entry = applied["metadata"]["managedFields"].as_array().unwrap().iter().find(|entry| entry["subresource"] == "status").unwrap();
    assert_eq!(entry["fieldsV1"], json!({ "f:status": { "f:size": {} } }));
}

#[test]
fn patches_of_every_format_do_what_kubectl_means() {
    let mut store = store();
    store.create(stateful_set(3), "test").unwrap();
    let key = ObjectKey::new("StatefulSet", "default", "web");
    let patch = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "main", "image": "b:1" }, { "name": "side", "image": "c:1" }] } } } });
    let set = store.patch(&key, PatchKind::StrategicMerge, patch, "kubectl", None).unwrap();
    let containers = set["spec"]["template"]["spec"]["containers"].as_array().unwrap();
    assert_eq!((containers.len(), &containers[0]["image"], &containers[0]["ports"][0]["containerPort"]), (2, &json!("b:1"), &json!(8030)));
    let patch = json!({ "spec": { "template": { "spec": { "containers": [{ "name": "side", "$patch": "delete" }] } } } });
    let set = store.patch(&key, PatchKind::StrategicMerge, patch, "kubectl", None).unwrap();
    assert_eq!(set["spec"]["template"]["spec"]["containers"].as_array().unwrap().len(), 1);
    let patch = json!([{ "op": "test", "path": "/spec/replicas", "value": 3 }, { "op": "replace", "path": "/spec/replicas", "value": 4 }]);
    assert_eq!(store.patch(&key, PatchKind::Json, patch.clone(), "kubectl", None).unwrap()["spec"]["replicas"], 4);
    assert_eq!(store.patch(&key, PatchKind::Json, patch, "kubectl", None).unwrap_err().code, 422);
    let scale = store.patch(&key, PatchKind::Merge, json!({ "spec": { "replicas": 2 } }), "kubectl", Some("scale")).unwrap();
    assert_eq!((&scale["kind"], &scale["spec"]["replicas"]), (&json!("Scale"), &json!(2)));
    assert_eq!(store.get("StatefulSet", "default", "web").unwrap()["spec"]["replicas"], 2);
}

#[test]
fn finalizers_hold_an_object_until_they_are_gone() {
    let mut store = with_toys();
    let mut held = toy(json!({ "size": 1 }));
    held["metadata"]["finalizers"] = json!(["example.com/hold"]);
    store.create(held, "test").unwrap();
    let marked = store.delete("Toy", "default", "car", DeleteOptions::default()).unwrap();
    assert!(marked["metadata"]["deletionTimestamp"].is_string());
    let mut freed = marked.clone();
    freed["metadata"]["finalizers"] = json!([]);
    store.update(freed, "test").unwrap();
    assert!(store.get("Toy", "default", "car").is_none());
    let last = store.events_since(0).unwrap().last().unwrap();
    assert_eq!((last.event, last.name.as_str()), (EventKind::Deleted, "car"));
}

#[test]
fn running_pods_leave_gracefully_and_only_the_right_incarnation() {
    let mut store = store();
    let mut running = store.create(pod("a"), "test").unwrap();
    running["spec"]["nodeName"] = json!("node-1");
    let running = store.update(running, "scheduler").unwrap();
    let wrong = DeleteOptions { uid: Some("other".to_string()), ..DeleteOptions::default() };
    assert_eq!(store.delete("Pod", "default", "a", wrong).unwrap_err().code, 409);
    let marked = store.delete("Pod", "default", "a", DeleteOptions::default()).unwrap();
    assert_eq!(marked["metadata"]["deletionGracePeriodSeconds"], 30);
    assert_eq!(marked["metadata"]["uid"], running["metadata"]["uid"]);
    let now = DeleteOptions { grace_seconds: Some(0), ..DeleteOptions::default() };
    store.delete("Pod", "default", "a", now).unwrap();
    assert!(store.get("Pod", "default", "a").is_none());
}

#[test]
fn evictions_respect_the_budget() {
    let mut store = store();
    let budget = json!({
        "apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": { "name": "b", "namespace": "default" },
        "spec": { "minAvailable": 1, "selector": { "matchLabels": { "app": "a" } } },
    });
    store.create(budget, "test").unwrap();
    let mut pod = store.create(pod("a"), "test").unwrap();
    pod["status"]["phase"] = json!("Running");
    store.update_status(pod, "kubelet").unwrap();
    let error = store.evict("default", "a", DeleteOptions::default()).unwrap_err();
    assert_eq!((error.code, error.message.as_str()), (429, "Cannot evict pod as it would violate the pod's disruption budget."));
    let mut budget = store.get("PodDisruptionBudget", "default", "b").unwrap().clone();
    budget["status"]["disruptionsAllowed"] = json!(1);
    store.update_status(budget, "controller").unwrap();
    store.evict("default", "a", DeleteOptions::default()).unwrap();
    assert!(store.get("Pod", "default", "a").is_none());
}

#[test]
fn a_deleted_namespace_takes_everything_in_it_along() {
    let mut store = store();
    store.create(json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": "gone" } }), "test").unwrap();
    let mut inside = pod("a");
    inside["metadata"]["namespace"] = json!("gone");
    inside["metadata"]["finalizers"] = json!(["example.com/hold"]);
    store.create(inside.clone(), "test").unwrap();
    store.delete("Namespace", "", "gone", DeleteOptions::default()).unwrap();
    assert_eq!(store.get("Namespace", "", "gone").unwrap()["status"]["phase"], "Terminating");
    inside["metadata"]["name"] = json!("late");
    assert_eq!(store.create(inside, "test").unwrap_err().code, 403);
    let mut freed = store.get("Pod", "gone", "a").unwrap().clone();
    freed["metadata"]["finalizers"] = json!([]);
    store.update(freed, "test").unwrap();
    assert!(store.get("Namespace", "", "gone").is_none());
}

#[test]
fn history_is_bounded_and_says_so() {
    let mut store = store();
    let start = store.revision();
    for name in ["a", "b", "c"] {
        store.create(pod(name), "test").unwrap();
    }
    assert_eq!(store.events_since(start).unwrap().count(), 3);
    store.compact(start + 1);
    assert!(store.events_since(start).is_err());
    assert_eq!(store.events_since(start + 1).unwrap().count(), 2);
}

#[test]
fn two_stores_with_the_same_past_are_equal() {
    let run = || {
        let mut store = with_toys();
        store.create(toy(json!({ "size": 1 })), "test").unwrap();
        let mut generated = pod("x");
        generated["metadata"] = json!({ "generateName": "x-", "namespace": "default" });
        store.create(generated, "test").unwrap();
        store.all().map(|(_, object)| object.to_string()).collect::<Vec<_>>()
    };
    assert_eq!(run(), run());
}

#[test]
fn malformed_objects_of_every_kind_are_refused_and_never_bring_the_store_down() {
    let kinds: Vec<(String, String)> =
        with_toys().registry().iter().map(|resource| (resource.stored_api_version(), resource.kind.clone())).collect();
    let junk = [json!(null), json!(5), json!("text"), json!([1, "a", null]), json!({ "a": { "b": [1] } }), json!({}), json!([{}])];
    let inside =
        ["ports", "containers", "template", "selector", "names", "versions", "limits", "resources", "replicas", "volumeClaimTemplates"];
    let mut store = with_toys();
    for (api_version, kind) in kinds {
        for value in &junk {
            for field in ["spec", "status", "data", "stringData", "roleRef", "subjects", "endpoints", "type", "involvedObject"] {
                let mut object = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "x", "namespace": "default" } });
                object[field] = value.clone();
                let _ = store.create(object.clone(), "test");
                let _ = store.update(object.clone(), "test");
                let _ = store.update_status(object.clone(), "test");
                let _ = store.apply(object.clone(), "applier", true, None);
                for kind_of_patch in [PatchKind::Merge, PatchKind::StrategicMerge, PatchKind::Json] {
                    let key = ObjectKey::new(kind.clone(), if store.get(&kind, "", "x").is_some() { "" } else { "default" }, "x");
                    let _ = store.patch(&key, kind_of_patch, object.clone(), "test", None);
                    let _ = store.patch(&key, kind_of_patch, value.clone(), "test", None);
                }
            }
            for field in inside {
                let mut object = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "y", "namespace": "default" } });
                object["spec"] = json!({ field: value });
                let _ = store.create(object.clone(), "test");
                object["spec"] = json!({ "template": { "spec": { field: value } }, "selector": {} });
                let _ = store.create(object, "test");
            }
            for field in ["labels", "annotations", "ownerReferences", "finalizers", "managedFields", "name", "resourceVersion"] {
                let mut object = json!({ "apiVersion": api_version, "kind": kind, "metadata": { "name": "z", "namespace": "default" } });
                object["metadata"][field] = value.clone();
                let _ = store.create(object.clone(), "test");
                let _ = store.update(object, "test");
            }
        }
    }
}

#[test]
fn a_stateful_set_keeps_no_field_behind_a_gate_that_is_off_but_its_owner_stays_its_owner() {
    let mut store = store();
    let mut wanted = stateful_set(1);
    wanted["spec"]["updateStrategy"] = json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0, "maxUnavailable": 1 } });
    let stored = store.apply(wanted, "operator", true, None).expect("applies");
    assert_eq!(stored["spec"]["updateStrategy"], json!({ "type": "RollingUpdate", "rollingUpdate": { "partition": 0 } }));
    let owned = &stored["metadata"]["managedFields"][0]["fieldsV1"]["f:spec"]["f:updateStrategy"]["f:rollingUpdate"];
    assert!(owned.get("f:maxUnavailable").is_some(), "{owned}");
}

#[test]
fn a_load_balancer_that_keeps_to_local_endpoints_gets_a_health_check_port_and_keeps_it() {
    let mut store = store();
    let service = |kind: &str| {
        json!({
            "apiVersion": "v1", "kind": "Service", "metadata": { "name": "web", "namespace": "default" },
            "spec": { "type": kind, "externalTrafficPolicy": "Local", "selector": { "app": "web" }, "ports": [{ "port": 80 }] },
        })
    };
    let created = store.create(service("LoadBalancer"), "test").expect("creates");
    let port = &created["spec"]["healthCheckNodePort"];
    assert!(port.is_i64() && *port != created["spec"]["ports"][0]["nodePort"], "{created}");
    let mut changed = service("LoadBalancer");
    changed["metadata"]["labels"] = json!({ "a": "b" });
    assert_eq!(store.update(changed, "test").expect("updates")["spec"]["healthCheckNodePort"], *port);
    assert!(store.update(service("NodePort"), "test").expect("updates")["spec"].get("healthCheckNodePort").is_none());
}

#[test]
fn a_stateful_set_that_updates_on_delete_may_name_no_partition() {
    let mut wanted = stateful_set(1);
    wanted["spec"]["updateStrategy"] = json!({ "type": "OnDelete", "rollingUpdate": { "partition": 1 } });
    let refused = store().create(wanted, "test").expect_err("is refused");
    let words = r#"spec.updateStrategy.rollingUpdate: Invalid value: {"Partition":1,"MaxUnavailable":null}: only allowed for updateStrategy 'RollingUpdate'"#;
    assert!(refused.code == 422 && refused.message.contains(words), "{}", refused.message);
}

#[test]
fn an_applied_text_in_place_of_a_number_is_called_by_its_type() {
    let mut store = store();
    store.create(definition(), "test").expect("creates");
    let toy = json!({
        "apiVersion": "example.com/v1", "kind": "Toy", "metadata": { "name": "a", "namespace": "default" }, "spec": { "size": "three" },
    });
    let refused = store.apply(toy, "test", true, None).expect_err("is refused");
    assert!(refused.message.ends_with(".spec.size: expected numeric (int or float), got string"), "{}", refused.message);
}
