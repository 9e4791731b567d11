//! Resources as users of the Go operator have them in, the objects that it makes of them held against ours; never reads our own output as the truth.
//!
//! `tests/golden/<name>/cr.yaml` is a resource with the ConfigMaps that it names, `objects.yaml` what the Go operator sends for it, written from its rules
//! (`recovering.yaml`: the StatefulSet of the frontends while a disaster recovery is on). Both sides are read as an API server would store them. What may
//! differ is what the table in `docs/migrate-from-go-operator.md` says, and nothing else.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic, reason = "a test fails by panicking")]

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};

use serde_json::{Value, json};
use starrocks_operator::api::{StarRocksCluster, StarRocksWarehouse};
use starrocks_operator::build;
use starrocks_operator::model::cluster::{Cluster, Conventions};
use starrocks_operator::model::{Object, ObjectKind, Observed, Timestamp};
use starrocks_operator::observe::project_object;
use starrocks_operator::plan::{Change, adoption};
use starrocks_operator::sim::kube::{FieldValidation, Mode, Store, WriteOptions};
use starrocks_operator::validate::{self, References, validate};
use starrocks_operator::yaml;

const NAMESPACE: &str = "starrocks";
const UID: &str = "6f1c9f0e-0000-4000-8000-000000000001";

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn fixtures() -> Vec<PathBuf> {
    let mut folders: Vec<_> = std::fs::read_dir(root().join("tests/golden")).unwrap().map(|entry| entry.unwrap().path()).collect();
    folders.sort();
    folders
}

fn name_of(folder: &Path) -> String {
    folder.file_name().unwrap().to_string_lossy().into_owned()
}

fn documents(path: &Path) -> Vec<Value> {
    yaml::documents(&std::fs::read_to_string(path).unwrap()).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The proven cluster of a fixture.
fn cluster(folder: &Path) -> Cluster {
    let mut references = References::default();
    let mut resource = None;
    for document in documents(&folder.join("cr.yaml")) {
        if document["kind"] == "ConfigMap" {
            let name = document["metadata"]["name"].as_str().unwrap().to_owned();
            references.config_maps.insert(name, Some(serde_json::from_value(document["data"].clone()).unwrap()));
        } else {
            resource = Some(serde_json::from_value::<StarRocksCluster>(document).unwrap());
        }
    }
    let mut resource = resource.expect("one StarRocksCluster");
    resource.metadata.namespace = Some(NAMESPACE.to_owned());
    resource.metadata.uid = Some(UID.to_owned());
    validate(&resource, &references, &Conventions::default()).unwrap_or_else(|faults| panic!("{}: {faults:#?}", folder.display()))
}

/// An object as an API server stores it: refused if it has a field that Kubernetes does not know, with every default, without what differs by chance.
fn stored(object: &Value) -> Value {
    let mut store = Store::with_seed(Timestamp::from_seconds(1_795_000_000), 1);
    let namespace = json!({"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": NAMESPACE}});
    store.create(namespace, "golden").unwrap();
    let options = WriteOptions { manager: "golden".to_owned(), mode: Mode::DryRun, field_validation: FieldValidation::Strict };
    let mut object = store.create_with(object.clone(), &options).unwrap_or_else(|error| panic!("{error:?} {object}")).into_object();
    object["metadata"]["managedFields"] = Value::Null;
    // Kubernetes fills this in where it lets users choose it, and drops it where it does not.
    if let Some(rolling) = object.pointer_mut("/spec/updateStrategy/rollingUpdate").and_then(Value::as_object_mut)
        && rolling.get("maxUnavailable") == Some(&json!(1))
    {
        rolling.remove("maxUnavailable");
    }
    if let Some(text) = object.pointer_mut("/data/nginx.conf") {
        *text = nginx(text.as_str().unwrap());
    }
    object
}

/// A configuration of nginx as its blocks and directives; the order of directives within a block means nothing, but for locations by regular expression.
fn nginx(text: &str) -> Value {
    let mut blocks: Vec<(String, BTreeSet<String>, serde_json::Map<String, Value>)> =
        vec![(String::new(), BTreeSet::new(), serde_json::Map::new())];
    for line in text.lines().map(str::trim).filter(|line| !line.is_empty() && !line.starts_with('#')) {
        if let Some(name) = line.strip_suffix('{') {
            blocks.push((name.trim().to_owned(), BTreeSet::new(), serde_json::Map::new()));
        } else if line == "}" {
            let (name, directives, mut block) = blocks.pop().unwrap();
            block.insert("directives".to_owned(), json!(directives));
            assert!(blocks.last_mut().unwrap().2.insert(name, Value::Object(block)).is_none());
        } else {
            blocks.last_mut().unwrap().1.insert(line.split_whitespace().collect::<Vec<_>>().join(" "));
        }
    }
    let (_, directives, mut block) = blocks.pop().unwrap();
    assert!(blocks.is_empty(), "blocks are closed");
    block.insert("directives".to_owned(), json!(directives));
    Value::Object(block)
}

/// Every leaf that differs: its path, theirs, ours.
fn differences(path: &str, theirs: &Value, ours: &Value, found: &mut Vec<(String, Value, Value)>) {
    match (theirs, ours) {
        (Value::Object(left), Value::Object(right)) => {
            for key in left.keys().chain(right.keys()).collect::<BTreeSet<_>>() {
                differences(&format!("{path}.{key}"), &theirs[key.as_str()], &ours[key.as_str()], found);
            }
        }
        (Value::Null, Value::Object(fields)) if !fields.is_empty() => {
            fields.iter().for_each(|(key, field)| differences(&format!("{path}.{key}"), &Value::Null, field, found));
        }
        (Value::Array(left), Value::Array(right)) if left.len() == right.len() => {
            left.iter()
                .zip(right)
                .enumerate()
                .for_each(|(index, (left, right))| differences(&format!("{path}[{index}]"), left, right, found));
        }
        _ if theirs == ours => {}
        _ => found.push((path.to_owned(), theirs.clone(), ours.clone())),
    }
}

/// The rows of the table of objects in the guide: kind, field. A `*` stands for anything.
fn intended() -> Vec<(String, String)> {
    let page = std::fs::read_to_string(root().join("docs/migrate-from-go-operator.md")).unwrap();
    let rows = page.lines().skip_while(|line| *line != "| kind | field | reason |").skip(2).take_while(|line| line.starts_with('|'));
    let cell = |row: &str, index: usize| row.split('|').nth(index).unwrap_or_default().trim().trim_matches('`').to_owned();
    let rows: Vec<_> =
        rows.inspect(|row| assert!(!cell(row, 3).is_empty(), "{row} has a reason")).map(|row| (cell(row, 1), cell(row, 2))).collect();
    assert!(!rows.is_empty(), "the guide lists the intended differences");
    rows
}

fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((head, tail)) => {
            text.strip_prefix(head).is_some_and(|rest| (0..=rest.len()).any(|at| rest.is_char_boundary(at) && matches(tail, &rest[at..])))
        }
    }
}

fn by_name(objects: impl IntoIterator<Item = Value>) -> BTreeMap<(String, String), Value> {
    let text = |value: &Value| value.as_str().unwrap_or_default().to_owned();
    let keyed = |object: Value| ((text(&object["kind"]), text(&object["metadata"]["name"])), object);
    objects.into_iter().map(keyed).collect()
}

/// What differs beyond the intended, as lines; which rows of the guide were needed is added to `used`.
fn unintended(place: &str, theirs: Vec<Value>, ours: Vec<Value>, used: &mut BTreeSet<usize>) -> Vec<String> {
    let (theirs, ours) = (by_name(theirs), by_name(ours));
    let intended = intended();
    let mut lines = Vec::new();
    for key in theirs.keys().chain(ours.keys()).collect::<BTreeSet<_>>() {
        let (kind, name) = key;
        let (Some(theirs), Some(ours)) = (theirs.get(key), ours.get(key)) else {
            lines.push(format!("{place}: {kind} {name} is made by one of the two only"));
            continue;
        };
        let mut found = Vec::new();
        differences("", &stored(theirs), &stored(ours), &mut found);
        for (path, theirs, ours) in found {
            let path = path.trim_start_matches('.');
            match intended.iter().position(|(kinds, field)| matches(kinds, kind) && matches(field, path)) {
                Some(row) => {
                    used.insert(row);
                }
                None => lines.push(format!("{place}: {kind} {name} {path}: {theirs} there, {ours} here")),
            }
        }
    }
    lines
}

/// What a pass over a cluster that does not exist yet would make.
fn ours(cluster: &Cluster) -> Vec<Value> {
    let objects = build::follow_proxy_config(build::objects(cluster), &Observed::empty(Timestamp::default()));
    objects.iter().map(Object::to_json).collect()
}

#[test]
fn objects_are_those_of_the_go_operator_but_for_what_the_guide_lists() {
    let mut used = BTreeSet::new();
    let mut lines = Vec::new();
    for folder in fixtures() {
        lines.extend(unintended(&name_of(&folder), documents(&folder.join("objects.yaml")), ours(&cluster(&folder)), &mut used));
    }
    assert!(lines.is_empty(), "{} difference(s):\n{}", lines.len(), lines.join("\n"));
    let idle: Vec<_> = intended().into_iter().enumerate().filter(|(row, _)| !used.contains(row)).collect();
    assert!(idle.is_empty(), "the guide lists what does not differ: {idle:?}");
}

#[test]
fn nothing_in_a_pod_template_is_an_intended_difference() {
    assert!(
        intended().iter().all(|(_, field)| !field.starts_with("spec") && !field.starts_with('*')),
        "annotations of objects are all there is"
    );
}

#[test]
fn frontends_that_recover_from_a_snapshot_are_those_of_the_go_operator() {
    let mut lines = Vec::new();
    for folder in fixtures().into_iter().filter(|folder| folder.join("recovering.yaml").exists()) {
        let cluster = cluster(&folder);
        let recovery = cluster.disaster_recovery.expect("asked for");
        let set = build::for_recovery(build::stateful_set(&cluster, &cluster.frontend), &cluster.frontend, recovery);
        let ours = vec![Object::StatefulSet(Box::new(set)).to_json()];
        lines.extend(unintended(&name_of(&folder), documents(&folder.join("recovering.yaml")), ours, &mut BTreeSet::new()));
    }
    assert!(lines.is_empty(), "{} difference(s):\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn a_warehouse_has_the_objects_of_the_go_operator() {
    let read = |name: &str| {
        let text = std::fs::read_to_string(root().join("tests/data/go-operator").join(name)).unwrap();
        let text = text.replace("@NAMESPACE@", NAMESPACE).replace("@UID@", UID).replace("@WAREHOUSE_UID@", UID);
        yaml::documents(&text).unwrap()
    };
    let mut references = References::default();
    let (mut clusters, mut warehouses) = (Vec::new(), Vec::new());
    for mut document in read("warehouse.yaml") {
        document["metadata"]["uid"] = json!(UID);
        match document["kind"].as_str() {
            Some("StarRocksCluster") => clusters.push(serde_json::from_value::<StarRocksCluster>(document).unwrap()),
            Some("StarRocksWarehouse") => warehouses.push(serde_json::from_value::<StarRocksWarehouse>(document).unwrap()),
            _ => {
                let name = document["metadata"]["name"].as_str().unwrap().to_owned();
                references.config_maps.insert(name, Some(serde_json::from_value(document["data"].clone()).unwrap()));
            }
        }
    }
    let host = validate(&clusters[0], &references, &Conventions::default()).unwrap();
    let warehouse = validate::warehouse(&warehouses[0], &host, &references, &Conventions::default()).unwrap();
    let made = ours(&host).into_iter().chain(ours(&warehouse)).collect();
    let lines = unintended("warehouse", read("warehouse-objects.yaml"), made, &mut BTreeSet::new());
    assert!(lines.is_empty(), "{} difference(s):\n{}", lines.len(), lines.join("\n"));
}

#[test]
fn taking_over_what_the_go_operator_made_restarts_no_pod_and_meets_no_immutable_field() {
    for folder in fixtures() {
        let cluster = cluster(&folder);
        let live = by_name(documents(&folder.join("objects.yaml")));
        for workload in cluster.workloads() {
            let desired = build::stateful_set(&cluster, workload);
            let mut body = stored(&live[&("StatefulSet".to_owned(), workload.name(&cluster.name))]);
            body["metadata"]["annotations"] = json!({"app.starrocks.components/hash": "1"});
            let live = starrocks_operator::model::LiveObject {
                uid: "u".into(),
                resource_version: "1".into(),
                ownership: starrocks_operator::model::Ownership::Ours,
                deleting: false,
                body,
            };
            assert_eq!(build::template_differs(&desired, &live), None, "{}", folder.display());
            assert_eq!(build::immutable_difference(&desired, &live), None, "{}", folder.display());
        }
        for object in build::objects(&cluster).iter().filter(|object| object.kind() != ObjectKind::ConfigMap) {
            let key = (object.to_json()["kind"].as_str().unwrap().to_owned(), object.key().name);
            assert_eq!(build::drift(&object.to_json(), &stored(&live[&key])), None, "{} {key:?}", folder.display());
        }
    }
}

#[test]
fn taking_over_what_the_go_operator_made_of_any_of_them_restarts_nothing() {
    for folder in fixtures() {
        let cluster = cluster(&folder);
        let mut observed = Observed::empty(Timestamp::from_seconds(1_795_000_000));
        for object in documents(&folder.join("objects.yaml")) {
            let live = project_object(&stored(&object), UID);
            let kind = ObjectKind::ALL.into_iter().find(|kind| object["kind"] == kind.name()).expect("an owned kind");
            observed.objects.entry(kind).or_default().insert(object["metadata"]["name"].as_str().unwrap().to_owned(), live);
        }
        let adoption = adoption(&cluster, &observed);
        let touched: Vec<_> = adoption.objects.iter().filter(|object| object.change > Change::InPlace).collect();
        assert!(touched.is_empty(), "{}: {touched:#?}", name_of(&folder));
        let beyond = adoption.objects.iter().filter(|object| object.change == Change::InPlace && object.kind != ObjectKind::ConfigMap);
        println!("{}: {:?}", name_of(&folder), beyond.map(|object| (&object.name, &object.differences)).collect::<Vec<_>>());
    }
}
