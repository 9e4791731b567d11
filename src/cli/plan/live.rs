//! The resource of a file and what runs of it in Kubernetes in, the answer out; gets and lists only, and asks StarRocks nothing.

use std::collections::{BTreeMap, BTreeSet};

use anyhow::{Context, bail};
use k8s_openapi::api::core::v1::Pod;
use kube::api::{Api, DynamicObject, ListParams};
use kube::{Client, ResourceExt};

use super::{Answer, Arguments, topology, wanted, way};
use crate::api::{StarRocksCluster, StarRocksUpgrade, StarRocksVersionCatalog};
use crate::apply::{ResourceKind, resource_of};
use crate::cli::catalogs;
use crate::cli::documents::{self, Documents};
use crate::clock::Clock;
use crate::controllers::parse_cluster;
use crate::model::cluster::Conventions;
use crate::model::component::OWNER_LABEL;
use crate::model::{Cluster, Component, ObjectKind, Observed, Record};
use crate::observe;
use crate::plan;
use crate::release::parse_version;
use crate::validate::{References, validate, wanted_references};

/// Connects and looks.
pub(super) fn answer(arguments: &Arguments) -> anyhow::Result<Answer> {
    let Some(file) = &arguments.file else { bail!("--live needs a resource: -f FILE") };
    let input = documents::read(file)?;
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().context("starting the runtime")?;
    runtime.block_on(async {
        // With two providers compiled in, rustls would refuse to choose; an error means that one is installed already.
        let _installed = rustls::crypto::ring::default_provider().install_default();
        let config = arguments.connection.config().await?;
        let fallback = arguments.namespace.clone().unwrap_or_else(|| config.default_namespace.clone());
        let client = Client::try_from(config).context("making the Kubernetes client")?;
        look(&client, input, &fallback, &arguments.catalog, &arguments.objects.conventions()).await
    })
}

/// The answer for a resource that exists, or shall.
pub(super) async fn look(
    client: &Client,
    mut input: Documents,
    namespace: &str,
    catalog_files: &[std::path::PathBuf],
    conventions: &Conventions,
) -> anyhow::Result<Answer> {
    input.in_namespace(namespace);
    let (namespace, name) = (input.resource.namespace().unwrap_or_default(), input.resource.name_any());
    let mut warnings = Vec::new();
    let releases = catalogs::with(catalogs_of(client, &mut warnings).await, catalog_files)?;
    let live = existing(client, &namespace, &name).await?;
    let mut resource = input.resource.clone();
    resource.status = None;
    if let Some(live) = &live {
        let generation = live.metadata.generation.unwrap_or_default();
        resource.metadata.uid.clone_from(&live.metadata.uid);
        resource.metadata.generation = Some(if live.spec == resource.spec { generation } else { generation + 1 });
        resource.status.clone_from(&live.status);
    }
    let status = resource.status.clone().unwrap_or_default();
    let references = References {
        config_maps: config_maps(client, &namespace, &input, &resource).await?,
        releases: releases.clone(),
        status: status.clone(),
    };
    let cluster = validate(&resource, &references, conventions).map_err(|faults| {
        let lines: Vec<String> = faults.iter().map(|fault| format!("  {fault}")).collect();
        anyhow::anyhow!("the StarRocksCluster has {} fault(s):\n{}", lines.len(), lines.join("\n"))
    })?;
    if live.is_none() {
        warnings.push(format!("there is no StarRocksCluster {name} in namespace {namespace}: everything is made anew"));
    }
    let observed = Observed { status: status.clone(), ..observed(client, &cluster, &mut warnings).await? };
    let running = status.version.as_deref().and_then(|text| parse_version(text).ok());
    let ends = running.zip(wanted(&cluster)).filter(|(from, to)| from != to);
    Ok(Answer {
        way: ends.map(|(from, to)| way(releases.table(), from, to, topology(&cluster))),
        preview: Some(plan::preview(&cluster, &observed)),
        warnings,
    })
}

async fn existing(client: &Client, namespace: &str, name: &str) -> anyhow::Result<Option<StarRocksCluster>> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &ResourceKind::Cluster.api_resource());
    let Some(object) = api.get_opt(name).await.with_context(|| format!("reading StarRocksCluster {namespace}/{name}"))? else {
        return Ok(None);
    };
    let status = object.data.get("status").cloned().unwrap_or_default();
    let mut resource = parse_cluster(object)
        .map_err(|unreadable| anyhow::anyhow!("{}: the resource that exists cannot be read: {}", unreadable.field, unreadable.error))?;
    resource.status = serde_json::from_value(status).ok();
    Ok(Some(resource))
}

/// The ConfigMaps that the resource names: those of the file, else those that exist.
async fn config_maps(
    client: &Client,
    namespace: &str,
    input: &Documents,
    resource: &StarRocksCluster,
) -> anyhow::Result<BTreeMap<String, Option<BTreeMap<String, String>>>> {
    let mut found: BTreeMap<String, Option<BTreeMap<String, String>>> =
        input.config_maps(resource).into_iter().filter(|(_, data)| data.is_some()).collect();
    let missing: BTreeSet<String> = wanted_references(resource).into_iter().filter(|name| !found.contains_key(name)).collect();
    found.extend(observe::config_maps(client, namespace, &missing).await.context("reading the configuration")?);
    Ok(found)
}

/// What exists of the cluster, as far as a preview needs it.
async fn observed(client: &Client, cluster: &Cluster, warnings: &mut Vec<String>) -> anyhow::Result<Observed> {
    let mut observed = Observed::empty(Clock::system().now());
    let wanted = [
        (ObjectKind::StatefulSet, Component::Frontend),
        (ObjectKind::StatefulSet, Component::Backend),
        (ObjectKind::StatefulSet, Component::ComputeNode),
        (ObjectKind::Deployment, Component::FrontendProxy),
    ];
    for (kind, component) in wanted {
        let name = component.workload_name(&cluster.name);
        let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &cluster.namespace, &resource_of(kind));
        let found = api.get_opt(&name).await.with_context(|| format!("reading {} {name}", kind.name()))?;
        if let Some(object) = found {
            let live = observe::project_object(&serde_json::to_value(object)?, &cluster.uid);
            observed.objects.entry(kind).or_default().insert(name, live);
        }
    }
    let names: Vec<String> = Component::STARROCKS.iter().map(|component| component.workload_name(&cluster.name)).collect();
    let selected = ListParams::default().labels(&format!("{OWNER_LABEL} in ({})", names.join(",")));
    let pods: Api<Pod> = Api::namespaced(client.clone(), &cluster.namespace);
    let pods = pods.list(&selected).await.context("listing the pods")?;
    observed.pods = pods.items.iter().filter_map(observe::project_pod).map(|pod| (pod.name.clone(), pod)).collect();
    observed.records = records(client, cluster, warnings).await;
    Ok(observed)
}

/// The StarRocksUpgrades of the cluster, oldest first.
async fn records(client: &Client, cluster: &Cluster, warnings: &mut Vec<String>) -> Option<Vec<Record>> {
    let api: Api<StarRocksUpgrade> = Api::namespaced(client.clone(), &cluster.namespace);
    let listed = match api.list(&ListParams::default()).await {
        Ok(listed) => listed.items,
        Err(kube::Error::Api(status)) if status.is_not_found() => return None,
        Err(error) => {
            warnings.push(format!("StarRocksUpgrades could not be listed, so the pace of former upgrades is not known: {error}"));
            return None;
        }
    };
    let of_cluster = listed.into_iter().filter(|upgrade| upgrade.spec.cluster == cluster.name);
    let mut records: Vec<Record> = of_cluster
        .map(|upgrade| Record {
            name: upgrade.name_any(),
            uid: upgrade.uid().unwrap_or_default(),
            resource_version: upgrade.resource_version().unwrap_or_default(),
            generation: upgrade.metadata.generation.unwrap_or(0),
            status: upgrade.status.clone().unwrap_or_default(),
            spec: upgrade.spec,
        })
        .collect();
    records.sort_by(|one, other| (&one.status.started_at, &one.name).cmp(&(&other.status.started_at, &other.name)));
    Some(records)
}

/// The StarRocksVersionCatalogs that count; broken ones are left out, as the operator leaves them out.
async fn catalogs_of(client: &Client, warnings: &mut Vec<String>) -> Vec<StarRocksVersionCatalog> {
    let api: Api<StarRocksVersionCatalog> = Api::all(client.clone());
    match api.list(&ListParams::default()).await {
        Ok(listed) => listed.items,
        Err(kube::Error::Api(status)) if status.is_not_found() => Vec::new(),
        Err(error) => {
            warnings.push(format!("StarRocksVersionCatalogs could not be listed, so only the table of this build counts: {error}"));
            Vec::new()
        }
    }
}
