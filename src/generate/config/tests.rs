//! What holds for every file of `config/` together.

use std::collections::{BTreeMap, BTreeSet};

use super::*;

fn contents() -> BTreeMap<String, String> {
    files("1.2.3").expect("prints").into_iter().map(|file| (file.path.trim_start_matches("config/").to_owned(), file.content)).collect()
}

fn field_of(text: &str, field: &str) -> Vec<String> {
    let kustomization: Value = yaml::from_str(text).expect("reads");
    kustomization[field].as_array().into_iter().flatten().filter_map(Value::as_str).map(ToOwned::to_owned).collect()
}

/// The objects of a folder as kustomize collects them, patches left out.
fn collected(contents: &BTreeMap<String, String>, folder: &str) -> Vec<Value> {
    let prefix = if folder.is_empty() { String::new() } else { format!("{folder}/") };
    let text = contents.get(&format!("{prefix}kustomization.yaml")).unwrap_or_else(|| panic!("{folder} has no kustomization"));
    let mut found = Vec::new();
    for resource in field_of(text, "resources") {
        let mut path: Vec<&str> = folder.split('/').filter(|part| !part.is_empty()).collect();
        for part in resource.split('/') {
            if part == ".." { assert!(path.pop().is_some(), "{folder}: {resource}") } else { path.push(part) }
        }
        let path = path.join("/");
        match contents.get(&path) {
            Some(text) => found.extend(yaml::documents(text).expect("reads")),
            None => found.extend(collected(contents, &path)),
        }
    }
    found
}

fn names(objects: &[Value]) -> Vec<String> {
    let mut names: Vec<String> = objects
        .iter()
        .map(|object| {
            format!("{} {}", object["kind"].as_str().unwrap_or_default(), object["metadata"]["name"].as_str().unwrap_or_default())
        })
        .collect();
    names.sort();
    names
}

#[test]
fn every_file_is_a_resource_of_the_kustomization_beside_it() {
    let contents = contents();
    for (path, text) in &contents {
        let Some((folder, name)) = path.rsplit_once('/') else { continue };
        // To read and copy from, part of nothing.
        if name == "kustomization.yaml" || folder == "catalog" {
            continue;
        }
        let beside = contents.get(&format!("{folder}/kustomization.yaml")).unwrap_or_else(|| panic!("{folder} has no kustomization"));
        assert!(field_of(beside, "resources").contains(&name.to_owned()), "{path} is in no install");
        assert!(!text.is_empty());
    }
}

#[test]
fn the_plain_install_is_a_drop_in_by_every_name() {
    let contents = contents();
    let plain = collected(&contents, "default");
    let wanted = [
        "ClusterRole starrocks-operator",
        "ClusterRole starrocks-operator-admin",
        "ClusterRole starrocks-operator-edit",
        "ClusterRole starrocks-operator-view",
        "ClusterRoleBinding starrocks-operator",
        "CustomResourceDefinition starrocksclusters.starrocks.com",
        "CustomResourceDefinition starrocksupgrades.starrocks.com",
        "CustomResourceDefinition starrocksversioncatalogs.starrocks.com",
        "CustomResourceDefinition starrockswarehouses.starrocks.com",
        "Deployment starrocks-operator",
        "Namespace starrocks",
        "Role starrocks-operator-leader-election",
        "RoleBinding starrocks-operator-leader-election",
        "Service starrocks-operator-metrics",
        "ServiceAccount starrocks",
    ];
    assert_eq!(names(&plain), wanted);
    assert_eq!(names(&collected(&contents, "")), wanted, "the former path");
}

#[test]
fn an_operator_of_one_namespace_brings_nothing_for_all_but_definitions_and_its_namespace() {
    let objects = collected(&contents(), "namespaced");
    let everywhere: BTreeSet<&str> =
        objects.iter().filter(|object| object["metadata"]["namespace"].is_null()).filter_map(|object| object["kind"].as_str()).collect();
    assert_eq!(everywhere, BTreeSet::from(["CustomResourceDefinition", "Namespace"]));
    assert!(objects.iter().any(|object| object["kind"] == "Role" && object["metadata"]["name"] == "starrocks-operator"));
}

#[test]
fn what_only_some_clusters_serve_is_in_no_other_install() {
    let contents = contents();
    let foreign = |folder: &str| {
        let objects = collected(&contents, folder);
        let is_foreign = |object: &&Value| {
            object["apiVersion"].as_str().is_some_and(|version| version.starts_with("monitoring.") || version.starts_with("console."))
        };
        objects.iter().filter(is_foreign).filter_map(|object| object["kind"].as_str().map(ToOwned::to_owned)).collect::<BTreeSet<_>>()
    };
    for folder in ["", "default", "namespaced", "manifests"] {
        assert_eq!(foreign(folder), BTreeSet::new(), "{folder}");
    }
    let wanted = ["ConsoleLink", "ConsoleQuickStart", "ConsoleYAMLSample", "PrometheusRule", "ServiceMonitor"];
    assert_eq!(foreign("openshift"), wanted.map(ToOwned::to_owned).into());
}

#[test]
fn the_monitor_finds_the_port_of_the_metrics_service() {
    let contents = contents();
    let read = |path: &str| yaml::from_str::<Value>(&contents[path]).expect("reads");
    let (monitor, service) = (read("prometheus/service_monitor.yaml"), read("manager/metrics_service.yaml"));
    assert_eq!(monitor["spec"]["selector"]["matchLabels"], service["metadata"]["labels"]);
    assert_eq!(monitor["spec"]["endpoints"][0]["port"], service["spec"]["ports"][0]["name"]);
    assert_eq!(monitor["metadata"]["namespace"], service["metadata"]["namespace"]);
}

#[test]
fn samples_and_what_the_console_offers_are_resources_without_a_fault() {
    let contents = contents();
    let mut texts: Vec<String> = Vec::new();
    for sample in yaml::documents(&contents["console/yaml_samples.yaml"]).expect("reads") {
        texts.push(sample["spec"]["yaml"].as_str().expect("a text").to_owned());
    }
    let tour = yaml::from_str::<Value>(&contents["console/quick_start.yaml"]).expect("reads").to_string();
    assert!(tour.contains("kind: StarRocksCluster"));
    texts.extend(contents.iter().filter(|(path, _)| path.starts_with("samples/starrocks_")).map(|(_, text)| text.clone()));
    texts.push(super::console::TOUR.to_owned());
    for text in texts {
        for document in yaml::documents(&text).expect("reads") {
            let faults = match document["kind"].as_str() {
                Some("StarRocksCluster") => match serde_json::from_value(document)
                    .map(|cluster| crate::validate::validate(&cluster, &Default::default(), &Default::default()))
                {
                    Ok(Ok(_)) => None,
                    Ok(Err(faults)) => Some(format!("{faults:?}")),
                    Err(error) => Some(error.to_string()),
                },
                Some("StarRocksWarehouse") => {
                    serde_json::from_value::<crate::api::StarRocksWarehouse>(document).err().map(|error| error.to_string())
                }
                Some("StarRocksVersionCatalog") => match serde_json::from_value::<crate::api::StarRocksVersionCatalog>(document) {
                    Ok(catalog) => crate::validate::catalog(&catalog.spec).err().map(|faults| format!("{faults:?}")),
                    Err(error) => Some(error.to_string()),
                },
                other => panic!("{other:?} is no kind of ours"),
            };
            assert_eq!(faults, None, "{text}");
        }
    }
}

#[test]
fn the_project_names_every_kind_and_no_layout() {
    let project: Value = yaml::from_str(&project().expect("prints")).expect("reads");
    assert!(project["layout"].is_null(), "operator-sdk refuses to work beside a layout that is not its own");
    assert_eq!(project["version"], "3");
    let kinds: Vec<&str> =
        project["resources"].as_array().expect("resources").iter().filter_map(|resource| resource["kind"].as_str()).collect();
    let wanted: Vec<String> = super::super::crds::all().into_iter().map(|crd| crd.spec.names.kind).collect();
    assert_eq!(kinds, wanted);
}
