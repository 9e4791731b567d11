//! What the package says of each kind: names, words, related objects and descriptors; the rest is in the definitions.

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, CustomResourceDefinitionVersion, JSONSchemaProps,
};
use serde_json::{Value, json};

use super::descriptors::{self, Part};
use crate::generate::crds;

/// What stands beside a kind's name: its title, a sentence, and which objects a console lists with a resource (kind, version).
type Words = (&'static str, &'static str, &'static [(&'static str, &'static str)]);

fn words(kind: &str) -> Words {
    match kind {
        "StarRocksCluster" => (
            "StarRocks cluster",
            "A StarRocks database: frontends, and backends or compute nodes, created, changed and upgraded in the order that StarRocks needs.",
            &[
                ("StatefulSet", "v1"),
                ("Deployment", "v1"),
                ("Pod", "v1"),
                ("Service", "v1"),
                ("ConfigMap", "v1"),
                ("PersistentVolumeClaim", "v1"),
                ("HorizontalPodAutoscaler", "v2"),
                ("StarRocksUpgrade", "v1beta1"),
            ],
        ),
        "StarRocksWarehouse" => (
            "StarRocks warehouse",
            "Compute nodes that work for one warehouse of a shared-data cluster; needs a StarRocks edition with warehouses.",
            &[("StatefulSet", "v1"), ("Pod", "v1"), ("Service", "v1"), ("HorizontalPodAutoscaler", "v2")],
        ),
        "StarRocksUpgrade" => (
            "StarRocks upgrade",
            "One upgrade or downgrade of a cluster: way, checks, steps and times, made by the operator; here it is approved, paused or given up.",
            &[("StarRocksCluster", "v1")],
        ),
        "StarRocksVersionCatalog" => (
            "StarRocks version catalog",
            "What the operator cannot know of StarRocks' releases: images of your own, releases that nobody shall use, channels. It counts for every cluster.",
            // It makes nothing; these are what it counts for.
            &[("StarRocksCluster", "v1")],
        ),
        _ => ("", "", &[]),
    }
}

/// One entry for each version of each kind.
pub(super) fn owned() -> Vec<Value> {
    crds::all().iter().flat_map(|crd| crd.spec.versions.iter().map(|version| entry(crd, version)).collect::<Vec<_>>()).collect()
}

fn entry(crd: &CustomResourceDefinition, version: &CustomResourceDefinitionVersion) -> Value {
    let (title, description, related) = words(&crd.spec.names.kind);
    let resources: Vec<Value> = related.iter().map(|(kind, version)| json!({ "kind": kind, "name": "", "version": version })).collect();
    json!({
        "name": format!("{}.{}", crd.spec.names.plural, crd.spec.group),
        "version": version.name,
        "kind": crd.spec.names.kind,
        "displayName": title,
        "description": description,
        "resources": resources,
        "specDescriptors": part(version, "spec").map(|schema| descriptors::of(Part::Spec, schema)).unwrap_or_default(),
        "statusDescriptors": part(version, "status").map(|schema| descriptors::of(Part::Status, schema)).unwrap_or_default(),
    })
}

fn part<'a>(version: &'a CustomResourceDefinitionVersion, name: &str) -> Option<&'a JSONSchemaProps> {
    version.schema.as_ref()?.open_api_v3_schema.as_ref()?.properties.as_ref()?.get(name)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_words_and_everything_at_the_top_of_its_spec_and_status_is_described() {
        for entry in owned() {
            for field in ["displayName", "description"] {
                assert!(entry[field].as_str().is_some_and(|text| !text.is_empty()), "{} has no {field}", entry["kind"]);
            }
            let crd = crds::all().into_iter().find(|crd| crd.spec.names.kind == entry["kind"]).expect("its definition");
            for (section, list) in [("spec", "specDescriptors"), ("status", "statusDescriptors")] {
                let described: Vec<&str> = entry[list].as_array().expect("a list").iter().filter_map(|one| one["path"].as_str()).collect();
                let schema = part(crd.spec.versions.first().expect("a version"), section).expect("a schema");
                for name in schema.properties.as_ref().expect("fields").keys() {
                    assert!(described.contains(&name.as_str()), "{} {section}.{name}", entry["kind"]);
                }
            }
        }
    }
}
