//! A StarRocksWarehouse as written and the proven cluster whose frontends it names in, its proven compute nodes or every fault out.

use std::collections::BTreeSet;

use super::accepted_templates;
use super::conf::{self, ConfSource};
use super::fault::{FieldFault, Findings, Rule};
use super::references::References;
use super::section::{self, Section, Surroundings, root_of};
use super::words;
use crate::api::{StarRocksWarehouse, StarRocksWarehouseSpec, WarehouseTemplate};
use crate::model::cluster::{Cluster, Conventions, given};
use crate::model::spec_change::spec_digest;
use crate::model::warehouse::{DEFAULT_WAREHOUSE, Warehouse, fleet_name, sql_name};
use crate::model::{Component, Workload};

const TEMPLATE: &str = "spec.template";
/// `<name>-warehouse-cn`, a dash and up to ten digits make the label controller-revision-hash of at most 63 characters.
const LONGEST_NAME: usize = 63 - "-warehouse-cn-".len() - 10;

/// Proves a warehouse, or says everything that is wrong with it.
///
/// # Errors
/// Every fault that was found, in the order of the spec.
pub fn warehouse(
    resource: &StarRocksWarehouse,
    cluster: &Cluster,
    references: &References,
    conventions: &Conventions,
) -> Result<Cluster, Vec<FieldFault>> {
    let mut findings = Findings::default();
    check_identity(resource, &mut findings);
    let declared_by = if cluster.following.is_some() { "spec.channel of the cluster" } else { "spec.version of the cluster" };
    let fleet = fleet_name(resource.metadata.name.as_deref().unwrap_or_default());
    let around = Surroundings { cluster: &fleet, version: cluster.version, declared_by, references, conventions };
    let workload = resource.spec.template.as_ref().map(|template| compute_nodes(template, &around, &mut findings));
    let advice = findings.verdict()?;
    Ok(Cluster { compute_node: workload, advice, conventions: conventions.clone(), ..leaving_warehouse(resource, cluster) })
}

/// What is wrong with a warehouse whatever its cluster is.
pub fn warehouse_faults(resource: &StarRocksWarehouse) -> Vec<FieldFault> {
    let mut findings = Findings::default();
    check_identity(resource, &mut findings);
    findings.verdict().err().unwrap_or_default()
}

/// A warehouse that goes, of which only the names matter.
pub fn leaving_warehouse(resource: &StarRocksWarehouse, cluster: &Cluster) -> Cluster {
    let name = resource.metadata.name.clone().unwrap_or_default();
    Cluster {
        namespace: resource.metadata.namespace.clone().unwrap_or_default(),
        name: fleet_name(&name),
        warehouse: Some(Warehouse { name, cluster: cluster.name.clone() }),
        uid: resource.metadata.uid.clone().unwrap_or_default(),
        generation: resource.metadata.generation.unwrap_or_default(),
        spec_digest: spec_digest(&resource.spec),
        accepted_templates: accepted_templates(&resource.metadata),
        following: None,
        // Of its cluster's nodes only; SQL through the frontends shows the nodes of the default warehouse.
        configuration_update: None,
        backend: None,
        compute_node: None,
        proxy: None,
        disaster_recovery: None,
        wait_for_full_rollout: false,
        advice: Vec::new(),
        ..cluster.clone()
    }
}

/// The ConfigMaps whose content must be seen to prove a warehouse, beside those of its cluster.
pub fn warehouse_references(resource: &StarRocksWarehouse) -> BTreeSet<String> {
    let template = resource.spec.template.iter();
    let sources = template.map(|template| conf::source(Component::ComputeNode, &root_of(&template.env_vars), &template.component));
    let named = sources.filter_map(|source| match source {
        ConfSource::ConfigMap { name, .. } => Some(name),
        ConfSource::Image | ConfSource::Half => None,
    });
    named.collect()
}

fn compute_nodes(template: &WarehouseTemplate, around: &Surroundings<'_>, findings: &mut Findings) -> Workload {
    let WarehouseTemplate { component: spec, env_vars, auto_scaling_policy } = template;
    let section = Section {
        component: Component::ComputeNode,
        path: TEMPLATE,
        env_field: "envVars",
        spec,
        env: env_vars,
        autoscaling: auto_scaling_policy.as_ref(),
    };
    section::workload(&section, around, findings)
}

fn check_identity(resource: &StarRocksWarehouse, findings: &mut Findings) {
    let StarRocksWarehouseSpec { star_rocks_cluster, template } = &resource.spec;
    let name = resource.metadata.name.as_deref().unwrap_or_default();
    check_name(name, findings);
    if given(&Some(star_rocks_cluster.clone())).is_none() {
        let way_out = "Name the StarRocksCluster, in the same namespace, whose frontends the compute nodes join";
        findings.fault(Rule::WarehouseParts, "spec.starRocksCluster", "a warehouse belongs to a cluster and none is named", way_out);
    } else if name == star_rocks_cluster {
        findings.fault(
            Rule::WarehouseName,
            "metadata.name",
            "a warehouse must not have the name of its cluster",
            "Create the warehouse under another name",
        );
    }
    if template.is_none() {
        let way_out = "Add template, for example with replicas and an image";
        findings.fault(Rule::WarehouseParts, TEMPLATE, "a warehouse needs a description of its compute nodes", way_out);
    }
}

fn check_name(name: &str, findings: &mut Findings) {
    let mut fault = |found: String, way_out: &str| findings.fault(Rule::WarehouseName, "metadata.name", found, way_out);
    if name.contains('.') {
        let found = format!("{name:?} has a dot, and StarRocks takes no dot in the name of a warehouse");
        fault(found, "Create the warehouse under a name of lower-case letters, digits and dashes");
    } else if sql_name(name) == DEFAULT_WAREHOUSE {
        let found = "default_warehouse is the warehouse that every cluster has; it is never made and never dropped".to_owned();
        fault(
            found,
            "Create the warehouse under another name; starRocksCnSpec of the cluster is for the compute nodes of default_warehouse",
        );
    } else if !words::is_dns_label(name) || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        fault(
            format!("{name:?} cannot begin the name of a Service"),
            "Create the warehouse under a name of lower-case letters, digits and dashes that begins with a letter",
        );
    } else if name.len() > LONGEST_NAME {
        let found = format!("the name has {} characters, and names derived from it leave room for {LONGEST_NAME}", name.len());
        fault(found, "Create the warehouse under a shorter name");
    }
}
