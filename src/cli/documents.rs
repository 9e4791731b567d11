//! Reads a file of YAML documents: one StarRocksCluster, and the ConfigMaps, Secrets and warehouses that go with it.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::sync::Arc;

use anyhow::{Context, bail};
use serde_json::Value;

use crate::api::StarRocksCluster;
use crate::model::Cluster;
use crate::model::cluster::Conventions;
use crate::release::Catalog;
use crate::validate::{References, validate, wanted_references};
use crate::yaml;

/// What a file holds.
pub(super) struct Documents {
    /// The cluster.
    pub(super) resource: StarRocksCluster,
    /// Every document as written, the cluster last.
    pub(super) all: Vec<Value>,
}

/// Reads a file.
pub(super) fn read(path: &Path) -> anyhow::Result<Documents> {
    let text = fs::read_to_string(path).with_context(|| format!("reading {}", path.display()))?;
    parse(&text).with_context(|| format!("in {}", path.display()))
}

/// Reads YAML text.
pub(super) fn parse(text: &str) -> anyhow::Result<Documents> {
    let (clusters, others): (Vec<Value>, Vec<Value>) = yaml::documents(text)?
        .into_iter()
        .filter(|document| !document.is_null())
        .partition(|document| document["kind"] == "StarRocksCluster");
    if let Some(other) =
        others.iter().find(|document| !["ConfigMap", "Secret", "StarRocksWarehouse"].contains(&document["kind"].as_str().unwrap_or("")))
    {
        bail!(
            "a document of kind `{}` has no place here; use StarRocksCluster, StarRocksWarehouse, ConfigMap and Secret",
            other["kind"].as_str().unwrap_or("")
        );
    }
    let [cluster] = clusters.as_slice() else { bail!("{} StarRocksCluster documents; exactly one is needed", clusters.len()) };
    Documents::of(cluster.clone(), others)
}

impl Documents {
    /// A cluster and what goes with it.
    pub(super) fn of(cluster: Value, mut others: Vec<Value>) -> anyhow::Result<Self> {
        let resource = serde_json::from_value(without_nulls(cluster.clone())).context("the StarRocksCluster cannot be read")?;
        others.push(cluster);
        Ok(Self { resource, all: others })
    }

    /// Puts every document without a namespace into `namespace`.
    pub(super) fn in_namespace(&mut self, namespace: &str) {
        for document in &mut self.all {
            if document["metadata"]["namespace"].as_str().is_none_or(str::is_empty) {
                document["metadata"]["namespace"] = Value::from(namespace);
            }
        }
        self.resource.metadata.namespace.get_or_insert_with(|| namespace.to_owned());
    }

    /// The proven cluster, or every fault in one error.
    pub(super) fn cluster(&self) -> anyhow::Result<Cluster> {
        self.cluster_with(&Catalog::embedded())
    }

    /// The ConfigMaps that a resource names, as the file has them; `None` for one that it does not have.
    pub(super) fn config_maps(&self, resource: &StarRocksCluster) -> BTreeMap<String, Option<BTreeMap<String, String>>> {
        let maps: BTreeMap<&str, &Value> = self
            .all
            .iter()
            .filter(|document| document["kind"] == "ConfigMap")
            .filter_map(|document| Some((document["metadata"]["name"].as_str()?, &document["data"])))
            .collect();
        let found = |name: String| {
            let data = maps.get(name.as_str()).map(|data| serde_json::from_value((*data).clone()).unwrap_or_default());
            (name, data)
        };
        wanted_references(resource).into_iter().map(found).collect()
    }

    /// The same with what a catalog says of releases.
    pub(super) fn cluster_with(&self, releases: &Arc<Catalog>) -> anyhow::Result<Cluster> {
        let config_maps = self.config_maps(&self.resource);
        let references =
            References { config_maps, releases: Arc::clone(releases), status: self.resource.status.clone().unwrap_or_default() };
        validate(&self.resource, &references, &Conventions::default()).map_err(|faults| {
            let lines: Vec<String> = faults.iter().map(|fault| format!("  {fault}")).collect();
            anyhow::anyhow!("the StarRocksCluster has {} fault(s):\n{}", lines.len(), lines.join("\n"))
        })
    }
}

// The API server drops nulls before the operator sees them; a file keeps them.
fn without_nulls(value: Value) -> Value {
    match value {
        Value::Object(fields) => Value::Object(
            fields.into_iter().filter(|(_, value)| !value.is_null()).map(|(key, value)| (key, without_nulls(value))).collect(),
        ),
        Value::Array(items) => Value::Array(items.into_iter().map(without_nulls).collect()),
        other => other,
    }
}
