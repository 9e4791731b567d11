//! The package as a whole: what its parts say of each other, and what no validator looks at.

use std::collections::BTreeSet;

use super::*;
use crate::generate::rbac;

const VERSION: &str = env!("CARGO_PKG_VERSION");

fn package() -> Vec<GeneratedFile> {
    files(VERSION).expect("prints")
}

fn manifest(part: &str) -> Value {
    let files = package();
    let file = files.iter().find(|file| file.path.contains(part)).unwrap_or_else(|| panic!("no {part}"));
    yaml::from_str(&file.content).expect("reads")
}

#[test]
fn every_manifest_is_one_object_of_a_kind_that_both_generations_of_olm_install() {
    let known = ["ClusterServiceVersion", "CustomResourceDefinition", "Service", "NetworkPolicy", "ClusterRole"];
    let mut kinds = BTreeSet::new();
    for file in package().iter().filter(|file| file.path.starts_with("bundle/manifests/")) {
        assert!(!file.path.trim_start_matches("bundle/manifests/").contains('/'), "{}: a folder in manifests is an error", file.path);
        let object: Value = yaml::from_str(&file.content).expect("one document");
        let kind = object["kind"].as_str().expect("a kind").to_owned();
        assert!(known.contains(&kind.as_str()), "{}: {kind}", file.path);
        assert!(object["metadata"].get("namespace").is_none_or(|namespace| namespace == "placeholder"), "{}", file.path);
        kinds.insert(kind);
    }
    assert_eq!(kinds.len(), known.len());
}

#[test]
fn rights_are_those_of_the_code_and_only_kinds_without_a_namespace_are_cluster_wide() {
    let csv = manifest("clusterserviceversion");
    let rules = |list: &str| -> Vec<k8s_openapi::api::rbac::v1::PolicyRule> {
        let entries = csv["spec"]["install"]["spec"][list].as_array().expect("a list");
        assert_eq!(entries.len(), 1);
        serde_json::from_value(entries[0]["rules"].clone()).expect("rules")
    };
    let (permissions, cluster) = (rules("permissions"), rules("clusterPermissions"));
    for wanted in [rbac::cluster_role_rules(), rbac::lease_role_rules()].concat() {
        assert_ne!(permissions.contains(&wanted), cluster.contains(&wanted), "{wanted:?}");
    }
    let scope = |plural: &str| crds::all().into_iter().find(|crd| crd.spec.names.plural == plural).map(|crd| crd.spec.scope);
    for resource in cluster.iter().flat_map(|rule| rule.resources.clone().unwrap_or_default()) {
        assert_eq!(scope(resource.split('/').next().unwrap_or_default()).as_deref(), Some("Cluster"), "{resource}");
    }
}

#[test]
fn the_folder_and_the_image_say_the_same() {
    let annotations = manifest("annotations.yaml");
    let files = package();
    let text = &files.iter().find(|file| file.path == "bundle.Dockerfile").expect("a Dockerfile").content;
    let labels: Vec<&str> = text.lines().filter_map(|line| line.strip_prefix("LABEL ")).collect();
    let expected: Vec<String> = annotations["annotations"]
        .as_object()
        .expect("a map")
        .iter()
        .map(|(name, value)| format!("{name}={}", value.as_str().expect("a text")))
        .collect();
    assert_eq!(labels, expected);
}

#[test]
fn parents_are_described_before_their_children_and_each_path_once() {
    for entry in kinds::owned() {
        for list in ["specDescriptors", "statusDescriptors"] {
            let mut seen = BTreeSet::new();
            for descriptor in entry[list].as_array().expect("a list") {
                let path = descriptor["path"].as_str().expect("a path");
                // Of affinity, only the whole has words of ours.
                let parent = path.rsplit_once('.').map(|(parent, _)| parent.trim_end_matches("[0]"));
                assert!(parent.is_none_or(|parent| seen.contains(parent)), "{} {list}: {path} comes before its parent", entry["kind"]);
                assert!(seen.insert(path.to_owned()), "{} {list}: {path} twice", entry["kind"]);
                for field in ["displayName", "description"] {
                    assert!(descriptor[field].as_str().is_some_and(|text| !text.is_empty()), "{path} has no {field}");
                }
            }
        }
    }
}

#[test]
fn what_a_console_asks_for_is_asked_in_its_way() {
    let owned = kinds::owned();
    let cluster = owned.iter().find(|entry| entry["kind"] == "StarRocksCluster").expect("the kind");
    let of = |list: &str, path: &str| -> Vec<String> {
        let descriptors = cluster[list].as_array().expect("a list");
        let descriptor = descriptors.iter().find(|one| one["path"] == path).unwrap_or_else(|| panic!("{path} is not described"));
        let urns = descriptor["x-descriptors"].as_array().cloned().unwrap_or_default();
        urns.iter().filter_map(|urn| urn.as_str()?.strip_prefix("urn:alm:descriptor:").map(str::to_owned)).collect()
    };
    let spec = |path: &str| of("specDescriptors", path).join(" ");
    assert_eq!(spec("starRocksFeSpec.replicas"), "com.tectonic.ui:podCount");
    assert_eq!(spec("starRocksFeSpec.storageVolumes[0].storageClassName"), "io.kubernetes:StorageClass");
    assert_eq!(spec("credentials.secretName"), "io.kubernetes:Secret");
    assert_eq!(spec("starRocksBeSpec.secrets[0].name"), "io.kubernetes:Secret");
    assert_eq!(spec("serviceAccount"), "com.tectonic.ui:hidden");
    assert_eq!(spec("starRocksFeSpec.serviceAccount"), "io.kubernetes:ServiceAccount");
    assert_eq!(spec("upgradePolicy.onFailure"), "com.tectonic.ui:select:Pause com.tectonic.ui:select:RollBack");
    assert_eq!(spec("upgradePolicy.paused"), "com.tectonic.ui:booleanSwitch");
    assert_eq!(
        spec("starRocksFeSpec.service.loadBalancerIP"),
        "com.tectonic.ui:text com.tectonic.ui:fieldDependency:starRocksFeSpec.service.type:LoadBalancer"
    );
    assert_eq!(spec("starRocksBeSpec.affinity.podAntiAffinity"), "com.tectonic.ui:podAntiAffinity");
    let status = |path: &str| of("statusDescriptors", path).join(" ");
    assert_eq!(status("conditions"), "io.kubernetes.conditions");
    assert_eq!((status("phase").as_str(), status("reason").as_str()), ("io.kubernetes.phase", "io.kubernetes.phase:reason"));
    assert_eq!(status("starRocksFeStatus.serviceName"), "io.kubernetes:Service");
}
