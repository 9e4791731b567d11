//! Samples that a console offers: our own examples, each with the status that the operator gives it, and a sentence.

use serde_json::{Value, json};

use crate::yaml::{self, YamlError};

/// A resource to begin with.
pub(super) struct Sample {
    /// The resource, with a status.
    pub(super) resource: Value,
    /// What it is good for.
    pub(super) description: &'static str,
}

/// Which sample a user is asked to begin with.
const FIRST: &str = "following";

/// Every sample, kinds that users begin with first.
pub(super) fn all() -> Result<Vec<Sample>, YamlError> {
    Ok(vec![
        sample(
            include_str!("../../../examples/channel.yaml"),
            cluster_status("running", "3.5.20"),
            "Three frontends and three backends with storage; follows a release channel and takes patches by itself. Choose another namespace than the operator's.",
        )?,
        sample(
            include_str!("../../../examples/demo.yaml"),
            cluster_status("running", "3.3.14"),
            "Frontends, backends and compute nodes on an older release: change the version and watch the upgrade.",
        )?,
        sample(
            include_str!("../../../examples/minimal.yaml"),
            cluster_status("running", "3.5.9"),
            "One frontend and one backend without storage that lasts, for a first look only.",
        )?,
        sample(
            include_str!("../../../examples/shared-data.yaml"),
            json!({ "phase": "running", "version": "3.5.9", "starRocksFeStatus": { "phase": "running" }, "starRocksCnStatus": { "phase": "running", "replicas": 2 } }),
            "Data in object storage, compute nodes that scale by their load; its ConfigMaps and its Secret stand in examples/shared-data.yaml.",
        )?,
        sample(
            include_str!("../../../examples/kinds/warehouse.yaml"),
            json!({ "phase": "running", "replicas": 2, "serviceName": "load-jobs-warehouse-cn-service" }),
            "Compute nodes of a warehouse beside a shared-data cluster; needs a StarRocks edition with warehouses.",
        )?,
        sample(
            include_str!("../../../examples/kinds/version-catalog.yaml"),
            json!({ "channels": 1, "releases": 2 }),
            "Images in a registry of your own, a release that nobody shall use, and a channel.",
        )?,
        sample(
            include_str!("../../../examples/kinds/upgrade.yaml"),
            json!({ "phase": "Rolling", "progress": "7/12", "rollbackTo": "3.3.14" }),
            "Made by the operator for each upgrade; here its user approves all of it.",
        )?,
    ])
}

/// The sample that a user is asked to begin with, without what only the operator writes.
pub(super) fn first() -> Result<Value, YamlError> {
    let mut found =
        all()?.into_iter().map(|sample| sample.resource).find(|resource| resource["metadata"]["name"] == FIRST).unwrap_or_default();
    if let Some(fields) = found.as_object_mut() {
        fields.remove("status");
    }
    Ok(found)
}

fn sample(manifest: &str, status: Value, description: &'static str) -> Result<Sample, YamlError> {
    // A sample is one resource: of an example with ConfigMaps beside it, the first document.
    let mut resource = yaml::documents(manifest)?.into_iter().next().unwrap_or_default();
    if let Some(fields) = resource.as_object_mut() {
        fields.insert("status".to_owned(), status);
    }
    Ok(Sample { resource, description })
}

fn cluster_status(phase: &str, version: &str) -> Value {
    json!({ "phase": phase, "version": version, "starRocksFeStatus": { "phase": phase }, "starRocksBeStatus": { "phase": phase } })
}
