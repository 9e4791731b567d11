//! Test `samples`: whoever creates a sample as it is gets past the API, past our own checks, and is planned for without breaking a rule.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use anyhow::Context;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use super::super::demo::stand_ins;
use super::super::documents::Documents;
use super::bundle::{Bundle, EXAMPLES, text};
use super::verdict::{Finding, Verdict};
use crate::api::{StarRocksUpgrade, StarRocksVersionCatalog, StarRocksWarehouse};
use crate::model::cluster::Conventions;
use crate::model::{Cluster, Observed, Timestamp};
use crate::plan;
use crate::release::Catalog;
use crate::sim::kube;
use crate::validate::{self, References};
use crate::yaml;

/// Where samples are created that name no namespace.
const NAMESPACE: &str = "default";
/// Some moment: nothing in the samples depends on it.
const NOW: Timestamp = Timestamp::from_seconds(1_795_000_000);

/// A cluster with its data elsewhere, as it is shipped: stands in for one that a warehouse names and no sample is.
const SHARED_DATA: &str = include_str!("../../../examples/shared-data.yaml");

/// The samples of a package.
pub(super) struct Samples {
    /// Each as it is written.
    all: Vec<Value>,
    /// Clusters that warehouses name and no sample is.
    hosts: Vec<Value>,
}

impl Samples {
    pub(super) fn of(bundle: &Bundle) -> anyhow::Result<Self> {
        let all = bundle.samples()?;
        let named = all.iter().filter(|sample| sample["kind"] == "StarRocksWarehouse");
        let named: BTreeSet<&str> = named.filter_map(|warehouse| text(warehouse, "/spec/starRocksCluster")).collect();
        let is_sample = |name: &str| all.iter().any(|sample| sample["kind"] == "StarRocksCluster" && sample["metadata"]["name"] == name);
        let example = yaml::documents(SHARED_DATA)?.into_iter().find(|document| document["kind"] == "StarRocksCluster");
        let example = example.context("the shipped example holds no cluster")?;
        let renamed = |name: &&str| {
            let mut host = example.clone();
            host["metadata"]["name"] = json!(name);
            host
        };
        let hosts = named.iter().filter(|name| !name.is_empty() && !is_sample(name)).map(renamed).collect();
        Ok(Self { all, hosts })
    }

    /// The clusters among them, and those that stand in for clusters of warehouses.
    pub(super) fn played(&self) -> impl Iterator<Item = &Value> {
        self.clusters().chain(&self.hosts)
    }

    /// The clusters among them.
    pub(super) fn clusters(&self) -> impl Iterator<Item = &Value> {
        self.of_kind("StarRocksCluster")
    }

    fn of_kind(&self, kind: &'static str) -> impl Iterator<Item = &Value> {
        self.all.iter().filter(move |sample| sample["kind"] == kind)
    }

    /// A cluster as a user creates it: with its warehouses, with what it names and no sample holds, and with the catalogs if it follows a channel of theirs.
    pub(super) fn story(&self, cluster: &Value) -> anyhow::Result<(Documents, Arc<Catalog>)> {
        let mut cluster = placed(cluster);
        // Ownership goes by it; the API gives one.
        cluster["metadata"]["uid"] = json!("sample");
        let of_this = |warehouse: &&Value| warehouse["spec"]["starRocksCluster"] == cluster["metadata"]["name"];
        let mut others: Vec<Value> = self.of_kind("StarRocksWarehouse").filter(of_this).map(placed).collect();
        for warehouse in &mut others {
            warehouse["metadata"]["namespace"] = cluster["metadata"]["namespace"].clone();
        }
        let mut releases = Catalog::embedded();
        let channel = text(&cluster, "/spec/channel").unwrap_or_default();
        if !channel.is_empty() && releases.channel(channel).is_none() {
            releases = self.catalog()?;
            others.splice(0..0, self.of_kind("StarRocksVersionCatalog").map(without_status));
        }
        let all: Vec<Value> = others.iter().chain([&cluster]).cloned().collect();
        let namespace = text(&cluster, "/metadata/namespace").unwrap_or(NAMESPACE);
        let named = stand_ins(&all, namespace).into_iter().filter(|object| object["metadata"]["namespace"].is_string());
        others.splice(0..0, named.chain(configurations(&cluster, &all, namespace)));
        Ok((Documents::of(cluster, others)?, releases))
    }

    /// What is known of releases where all catalogs among the samples are installed.
    fn catalog(&self) -> anyhow::Result<Arc<Catalog>> {
        let mut sources = BTreeMap::new();
        for sample in self.of_kind("StarRocksVersionCatalog") {
            let resource: StarRocksVersionCatalog = read(sample)?;
            let source = validate::catalog(&resource.spec).map_err(|faults| told(&faults))?;
            sources.insert(resource.metadata.name.unwrap_or_default(), source);
        }
        let merged = Catalog::merged(&sources);
        match merged.faults.first_key_value() {
            Some((name, faults)) => Err(told(faults).context(format!("StarRocksVersionCatalog {name}"))),
            None => Ok(Arc::new(merged.catalog)),
        }
    }

    /// The images that each cluster and warehouse runs, if it can be judged at all.
    pub(super) fn images(&self) -> Vec<(String, Vec<String>)> {
        let images = |cluster: &Cluster| {
            let nodes = cluster.workloads().map(|workload| workload.image.to_string());
            nodes.chain(cluster.proxy.iter().map(|proxy| proxy.image.clone())).collect()
        };
        let clusters = self.clusters().filter_map(|sample| Some((name(sample), images(&self.proven(sample).ok()?))));
        let warehouses = self.of_kind("StarRocksWarehouse");
        clusters.chain(warehouses.filter_map(|sample| Some((name(sample), images(&self.warehouse(sample).ok()?))))).collect()
    }

    fn proven(&self, sample: &Value) -> anyhow::Result<Cluster> {
        let (documents, releases) = self.story(sample)?;
        documents.cluster_with(&releases)
    }

    fn warehouse(&self, sample: &Value) -> anyhow::Result<Cluster> {
        let resource: StarRocksWarehouse = read(&placed(sample))?;
        let wanted = &resource.spec.star_rocks_cluster;
        let host = self.played().find(|cluster| cluster["metadata"]["name"] == wanted.as_str());
        let host = host.context("spec.starRocksCluster names no cluster")?;
        let host = self.proven(host).context("its cluster")?;
        validate::warehouse(&resource, &host, &References::default(), &Conventions::default()).map_err(|faults| told(&faults))
    }

    /// What our own checks and the planner say.
    fn judge(&self, sample: &Value) -> anyhow::Result<String> {
        match sample["kind"].as_str().unwrap_or_default() {
            "StarRocksCluster" => planned(&self.proven(sample)?, true),
            "StarRocksWarehouse" => planned(&self.warehouse(sample)?, false),
            "StarRocksVersionCatalog" => self.catalog().map(|_| "merged".to_owned()),
            "StarRocksUpgrade" => read::<StarRocksUpgrade>(sample).map(|_| "read".to_owned()),
            _ => Ok("by its schema only".to_owned()),
        }
    }
}

/// The first decision about something of which nothing exists. Compute nodes of a warehouse wait for frontends that serve.
fn planned(cluster: &Cluster, acts: bool) -> anyhow::Result<String> {
    let (decision, violations) = plan::guarded(cluster, &Observed::empty(NOW));
    if let Some(violation) = violations.first() {
        anyhow::bail!("the first decision breaks {violation}");
    }
    if acts && decision.steps.is_empty() {
        anyhow::bail!("nothing is decided for it: {:?}", decision.waiting_on);
    }
    Ok(format!("{} steps at first", decision.steps.len()))
}

pub(super) fn run(bundle: &Bundle) -> anyhow::Result<Verdict> {
    let (file, _) = bundle.csv()?;
    let samples = Samples::of(bundle)?;
    let mut verdict = Verdict::default();
    let mut seen = BTreeSet::new();
    for (index, sample) in samples.all.iter().enumerate() {
        let field = format!("metadata.annotations[{EXAMPLES}][{index}] ({})", name(sample));
        let mut find = |rule: String, way_out: &str| verdict.errors.push(Finding::new(file, field.clone(), rule, way_out));
        if !seen.insert(name(sample)) {
            find("another sample has this kind and name".to_owned(), "give each sample its own name: the console tells them apart by it");
        }
        if sample["status"].as_object().is_none_or(serde_json::Map::is_empty) {
            find("it has no status".to_owned(), "add some of what the operator writes: scorecard's tests of the status need it");
        }
        let Some(definition) = definition_of(bundle, sample) else {
            find("no CustomResourceDefinition in manifests/ has its kind".to_owned(), "take the sample out");
            continue;
        };
        let refusals = kube::refusals(definition, sample).map_err(|error| anyhow::anyhow!("{}", error.message))?;
        for refusal in &refusals {
            find(format!("the API would refuse it: {refusal}"), "mend the sample");
        }
        if refusals.is_empty() {
            match samples.judge(sample) {
                Ok(came_of_it) => verdict.log.push(format!("{}: {came_of_it}", name(sample))),
                Err(error) => find(format!("the operator would not take it: {error:#}"), "mend the sample"),
            }
        }
    }
    for owned in bundle.owned()? {
        let (kind, version) = (text(owned.entry, "/kind").unwrap_or_default(), text(owned.entry, "/version").unwrap_or_default());
        let of_this = |sample: &Value| {
            sample["kind"] == kind && text(sample, "/apiVersion").is_some_and(|api_version| api_version.ends_with(&format!("/{version}")))
        };
        if !samples.all.iter().any(of_this) {
            let rule = format!("{kind} {version} has no sample");
            verdict.errors.push(Finding::new(
                file,
                format!("metadata.annotations[{EXAMPLES}]"),
                rule,
                "add one that can be created as it is",
            ));
        }
    }
    Ok(verdict)
}

fn definition_of<'a>(bundle: &'a Bundle, sample: &Value) -> Option<&'a Value> {
    let group = text(sample, "/apiVersion")?.split_once('/')?.0;
    let is_of = |definition: &&Value| definition["spec"]["names"]["kind"] == sample["kind"] && definition["spec"]["group"] == group;
    bundle.of_kind("CustomResourceDefinition").map(|(_, definition)| definition).find(is_of)
}

fn name(sample: &Value) -> String {
    format!("{} {}", text(sample, "/kind").unwrap_or("kind missing"), text(sample, "/metadata/name").unwrap_or("name missing"))
}

fn read<T: DeserializeOwned>(sample: &Value) -> anyhow::Result<T> {
    serde_json::from_value(sample.clone()).with_context(|| format!("{} cannot be read", name(sample)))
}

fn without_status(sample: &Value) -> Value {
    let mut sample = sample.clone();
    if let Some(fields) = sample.as_object_mut() {
        fields.remove("status");
    }
    sample
}

/// As it is created: in some namespace, and without a status, which is the operator's.
fn placed(sample: &Value) -> Value {
    let mut sample = without_status(sample);
    if text(&sample, "/metadata/namespace").is_none_or(str::is_empty) {
        sample["metadata"]["namespace"] = json!(NAMESPACE);
    }
    sample
}

/// The ConfigMaps with configuration files that samples name. A cluster without backends keeps its data elsewhere, which only its configuration says.
fn configurations(cluster: &Value, all: &[Value], namespace: &str) -> Vec<Value> {
    const SHARED: &str = "run_mode = shared_data\ncloud_native_meta_port = 6090\ncloud_native_storage_type = S3\n";
    // Only an edition of StarRocks has warehouses; simulated frontends are of it when this line says so.
    let edition = if all.iter().any(|document| document["kind"] == "StarRocksWarehouse") { "sim_multi_warehouse = true\n" } else { "" };
    let sections = all.iter().filter_map(|document| document["spec"].as_object()).flat_map(|spec| spec.values());
    let named = sections.filter_map(|section| {
        let name = text(section, "/configMapInfo/configMapName").filter(|name| !name.is_empty())?;
        let key = text(section, "/configMapInfo/resolveKey").filter(|key| !key.is_empty())?;
        let content =
            if key == "fe.conf" && cluster["spec"]["starRocksBeSpec"].is_null() { format!("{SHARED}{edition}") } else { String::new() };
        Some(json!({"apiVersion": "v1", "kind": "ConfigMap", "metadata": {"name": name, "namespace": namespace}, "data": {key: content}}))
    });
    named.collect()
}

fn told(faults: &[impl std::fmt::Display]) -> anyhow::Error {
    anyhow::anyhow!("{}", faults.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
}

#[cfg(test)]
mod tests {
    use super::super::testing::{Package, only};
    use super::*;

    /// What is found when something of the first sample is otherwise.
    fn with(pointer: &str, value: Value) -> Finding {
        let mut package = Package::sound();
        *package.samples[0].pointer_mut(pointer).unwrap() = value;
        only(run(&package.bundle()).unwrap().errors)
    }

    #[test]
    fn a_sound_package_passes_with_steps_for_every_cluster() {
        let package = Package::sound();
        let verdict = run(&package.bundle()).unwrap();
        assert_eq!(verdict.errors, []);
        assert_eq!(verdict.log.len(), package.samples.len());
        assert!(verdict.log[0].ends_with("steps at first") && !verdict.log[0].contains(" 0 steps"), "{:?}", verdict.log);
    }

    #[test]
    fn what_the_api_refuses_is_found() {
        let finding = with("/spec/starRocksFeSpec", json!({"replicas": 1, "image": "a/b:3.5.9", "replica": 2}));
        assert!(finding.rule.ends_with("spec.starRocksFeSpec.replica: unknown field"), "{finding}");
        assert!(finding.field.contains("StarRocksCluster minimal"), "{finding}");
        let finding = with("/spec/starRocksFeSpec/replicas", json!("one"));
        assert!(finding.rule.contains("the API would refuse it: spec.starRocksFeSpec.replicas"), "{finding}");
        let mut package = Package::sound();
        package.samples[0]["spec"]["upgradePolicy"] = json!({"canarySoakSeconds": -1});
        let finding = only(run(&package.bundle()).unwrap().errors);
        assert!(finding.rule.contains("canarySoakSeconds must lie between"), "{finding}");
    }

    #[test]
    fn what_our_own_checks_refuse_is_found() {
        let finding = with("/spec/starRocksFeSpec", json!({"replicas": 1, "requests": {"memory": "2Gi"}, "limits": {"memory": "1Gi"}}));
        assert!(finding.rule.contains("the operator would not take it") && finding.rule.contains("SR-3005"), "{finding}");
    }

    #[test]
    fn a_warehouse_is_judged_with_its_cluster_or_one_that_stands_in() {
        let mut package = Package::sound();
        let warehouse = package.samples.iter_mut().find(|sample| sample["kind"] == "StarRocksWarehouse").unwrap();
        warehouse["spec"]["starRocksCluster"] = json!("elsewhere");
        assert_eq!(run(&package.bundle()).unwrap().errors, []);
        let samples = Samples::of(&package.bundle()).unwrap();
        assert_eq!((samples.clusters().count(), samples.played().count()), (3, 4));
        let (documents, _) = samples.story(samples.played().last().unwrap()).unwrap();
        assert!(documents.all.iter().any(|document| document["kind"] == "StarRocksWarehouse"));
        let warehouse = package.samples.iter_mut().find(|sample| sample["kind"] == "StarRocksWarehouse").unwrap();
        warehouse["spec"]["starRocksCluster"] = json!("");
        assert!(only(run(&package.bundle()).unwrap().errors).rule.contains("names no cluster"));
    }

    #[test]
    fn a_sample_without_status_kind_or_own_name_and_a_kind_without_sample_are_found() {
        assert_eq!(with("/status", Value::Null).rule, "it has no status");
        let mut package = Package::sound();
        package.samples.push(package.samples[0].clone());
        assert!(only(run(&package.bundle()).unwrap().errors).rule.starts_with("another sample"));
        let mut package = Package::sound();
        package.samples.retain(|sample| sample["kind"] != "StarRocksUpgrade");
        assert!(only(run(&package.bundle()).unwrap().errors).rule.starts_with("StarRocksUpgrade"));
        let mut package = Package::sound();
        package.samples.push(json!({"apiVersion": "other.example/v1", "kind": "Other", "metadata": {"name": "o"}, "status": {"a": 1}}));
        assert!(only(run(&package.bundle()).unwrap().errors).rule.starts_with("no CustomResourceDefinition"));
    }
}
