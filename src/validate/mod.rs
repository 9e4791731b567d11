//! A resource as written in, a proven `Cluster` or every fault found in it out; never reads, writes or stops at the first fault.
//!
//! Nothing that the former operator acted on successfully is refused. What it accepted and then crashed on, ignored or
//! left to the API server is answered here with the field, the rule and the way out; what works and is risky becomes an
//! advice. `spec: {}` is a fault with a code of its own ([`Rule::NothingDeclared`]): there is nothing to do, and callers
//! keep showing the phase `running` for it, as before.

mod canary;
mod catalog;
mod channel;
mod conf;
mod containers;
mod fault;
mod image;
mod policy;
mod ports;
mod references;
mod section;
mod service;
mod storage;
mod warehouse;
mod words;

#[cfg(test)]
mod tests;

pub use catalog::catalog;
pub use fault::{FieldFault, Rule};
pub use references::{Mounted, References, mounted_references, wanted_references};
pub use warehouse::{leaving_warehouse, warehouse, warehouse_faults, warehouse_references};

use std::collections::BTreeSet;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use fault::Findings;
use section::{Section, Surroundings};

use crate::api::{BeSpec, CnSpec, FeProxySpec, FeSpec, StarRocksCluster, StarRocksClusterSpec, StarRocksClusterStatus};
use crate::model::Component;
use crate::model::cluster::{Cluster, Conventions, Ports, Proxy, RunMode, Workload, given};
use crate::model::component::ACCEPT_ANNOTATION;
use crate::model::spec_change::spec_digest;

/// Proves a resource, or says everything that is wrong with it.
///
/// # Errors
/// Every fault that was found, in the order of the spec.
pub fn validate(resource: &StarRocksCluster, references: &References, conventions: &Conventions) -> Result<Cluster, Vec<FieldFault>> {
    let StarRocksClusterSpec {
        version,
        channel,
        upgrade_policy,
        configuration_update,
        credentials,
        service_account,
        star_rocks_fe_spec,
        star_rocks_be_spec,
        star_rocks_cn_spec,
        star_rocks_fe_proxy_spec,
        disaster_recovery,
        wait_for_full_rollout,
    } = &resource.spec;
    let mut findings = Findings::default();
    let name = resource.metadata.name.clone().unwrap_or_default();
    check_name(&name, star_rocks_fe_proxy_spec.is_some(), &mut findings);
    if given(service_account).is_some() {
        findings.advise(Rule::IgnoredField, "spec.serviceAccount", "was never read; set serviceAccount of a component");
    }
    if given(version).is_some() && given(channel).is_some() {
        let way_out = "Take one of the two away";
        findings.fault(Rule::VersionOrChannel, "spec.channel", "spec.version and spec.channel both say which release to run", way_out);
    }
    let following = channel::follow(given(channel), upgrade_policy.as_ref(), references, &mut findings);
    let declared = image::declared_version(given(version), &mut findings);
    let version = declared.or(following.as_ref().map(|following| following.version));
    let declared_by = if declared.is_none() && following.is_some() { channel::FIELD } else { "spec.version" };
    let around = Surroundings { cluster: &name, version, declared_by, references, conventions };
    let frontend = frontend(&resource.spec, &around, &mut findings);
    let backend = star_rocks_be_spec.as_ref().map(|spec| backend(spec, &around, &mut findings));
    let compute_node = star_rocks_cn_spec.as_ref().map(|spec| compute_node(spec, &around, &mut findings));
    let proxy = star_rocks_fe_proxy_spec.as_ref().map(|spec| proxy(&name, spec, &mut findings));
    let run_mode = frontend.as_ref().map_or(RunMode::SharedNothing, |frontend| run_mode(frontend, &mut findings));
    if let (Some(backend), RunMode::SharedNothing) = (&backend, run_mode) {
        section::advise_data(BACKEND, backend, &mut findings);
    }
    if star_rocks_fe_spec.is_some() && backend.is_none() && compute_node.is_none() {
        findings.advise(
            Rule::NoComputation,
            "spec",
            "neither starRocksBeSpec nor starRocksCnSpec is given: there is nobody to store or compute",
        );
    }
    let policy = policy::policy(upgrade_policy.as_ref(), &mut findings);
    let configuration_update = policy::configuration_update(configuration_update.as_ref(), &mut findings);
    let marked = |workload: Workload| restarted_for(workload, &references.status);
    let login = policy::login(credentials.as_ref(), frontend.iter().chain(&backend).chain(&compute_node), &mut findings);
    let disaster_recovery =
        frontend.as_ref().and_then(|frontend| policy::recovery(disaster_recovery.as_ref(), run_mode, frontend, &mut findings));
    let advice = findings.verdict()?;
    // Without a frontend there is a fault, so this cannot be reached; an empty list would be a silent refusal.
    let Some(frontend) = frontend else { return Err(vec![frontends_missing()]) };
    Ok(Cluster {
        namespace: resource.metadata.namespace.clone().unwrap_or_default(),
        name,
        warehouse: None,
        releases: std::sync::Arc::clone(&references.releases),
        uid: resource.metadata.uid.clone().unwrap_or_default(),
        generation: resource.metadata.generation.unwrap_or_default(),
        spec_digest: spec_digest(&resource.spec),
        accepted_templates: accepted_templates(&resource.metadata),
        run_mode,
        version,
        following,
        frontend: marked(frontend),
        backend: backend.map(marked),
        compute_node: compute_node.map(marked),
        proxy,
        policy,
        configuration_update,
        login,
        disaster_recovery,
        wait_for_full_rollout: wait_for_full_rollout.unwrap_or(false),
        conventions: conventions.clone(),
        advice,
    })
}

/// The hashes of pod templates that the annotation of a resource names.
fn accepted_templates(metadata: &ObjectMeta) -> BTreeSet<String> {
    let text = metadata.annotations.as_ref().and_then(|annotations| annotations.get(ACCEPT_ANNOTATION));
    let hashes = text.into_iter().flat_map(|text| text.split(',')).map(str::trim).filter(|hash| !hash.is_empty());
    hashes.map(str::to_owned).collect()
}

/// The workload with the restart for its configuration that is on record, whatever is asked for now: without it its pods would be made anew.
fn restarted_for(workload: Workload, status: &StarRocksClusterStatus) -> Workload {
    let entry = status.configuration.iter().find(|entry| entry.component == workload.component.label());
    Workload { restarted_for: entry.and_then(|entry| entry.restarted_for.clone()), ..workload }
}

const FRONTEND: &str = "spec.starRocksFeSpec";
const BACKEND: &str = "spec.starRocksBeSpec";
const COMPUTE_NODE: &str = "spec.starRocksCnSpec";
const PROXY: &str = "spec.starRocksFeProxySpec";

fn frontends_missing() -> FieldFault {
    FieldFault {
        code: Rule::FrontendsMissing.code(),
        field: FRONTEND.to_owned(),
        rule: "other components are given and the frontends are not; frontends that run are left alone, nothing else is done".to_owned(),
        way_out: "Put starRocksFeSpec back; to remove the cluster, delete the resource".to_owned(),
    }
}

fn frontend(spec: &StarRocksClusterSpec, around: &Surroundings<'_>, findings: &mut Findings) -> Option<Workload> {
    let Some(FeSpec { component: spec, fe_env_vars }) = &spec.star_rocks_fe_spec else {
        if spec.star_rocks_be_spec.is_some() || spec.star_rocks_cn_spec.is_some() || spec.star_rocks_fe_proxy_spec.is_some() {
            let FieldFault { field, rule, way_out, .. } = frontends_missing();
            findings.fault(Rule::FrontendsMissing, field, rule, way_out);
        } else {
            let way_out = "Add starRocksFeSpec, and starRocksBeSpec or starRocksCnSpec";
            findings.fault(Rule::NothingDeclared, "spec", "no component is declared, so there is nothing to do", way_out);
        }
        return None;
    };
    let section =
        Section { component: Component::Frontend, path: FRONTEND, env_field: "feEnvVars", spec, env: fe_env_vars, autoscaling: None };
    Some(section::workload(&section, around, findings))
}

fn backend(spec: &BeSpec, around: &Surroundings<'_>, findings: &mut Findings) -> Workload {
    let BeSpec { component: spec, be_env_vars } = spec;
    let section =
        Section { component: Component::Backend, path: BACKEND, env_field: "beEnvVars", spec, env: be_env_vars, autoscaling: None };
    section::workload(&section, around, findings)
}

fn compute_node(spec: &CnSpec, around: &Surroundings<'_>, findings: &mut Findings) -> Workload {
    let CnSpec { component: spec, cn_env_vars, auto_scaling_policy } = spec;
    let section = Section {
        component: Component::ComputeNode,
        path: COMPUTE_NODE,
        env_field: "cnEnvVars",
        spec,
        env: cn_env_vars,
        autoscaling: auto_scaling_policy.as_ref(),
    };
    section::workload(&section, around, findings)
}

fn proxy(cluster: &str, spec: &FeProxySpec, findings: &mut Findings) -> Proxy {
    let FeProxySpec { load, resolver } = spec;
    let volumes = storage::volumes(PROXY, &load.storage_volumes, findings);
    storage::check_volumes(PROXY, &volumes, findings);
    // It is written into the configuration of nginx as it is.
    let is_odd = |character: char| !(character.is_ascii_alphanumeric() || " .:-_[]=".contains(character));
    if given(resolver).is_some_and(|resolver| resolver.contains(is_odd)) {
        let way_out = "Write host names or addresses of DNS servers, separated by spaces";
        findings.fault(Rule::Word, format!("{PROXY}.resolver"), "no name of a DNS server holds such characters", way_out);
    }
    section::advise_proxy(PROXY, load, &volumes, findings);
    let replicas = section::load(Component::FrontendProxy, cluster, PROXY, load, &Ports::of_proxy(), findings);
    // An image that is only a tag comes from charts with an empty repository.
    let image = given(&load.image).filter(|image| !image.starts_with(':')).unwrap_or("nginx:1.24.0").to_owned();
    Proxy { replicas, image, volumes, spec: spec.clone() }
}

/// Reads `run_mode` as StarRocks does: in whatever case, and shared-nothing when absent or empty.
fn run_mode(frontend: &Workload, findings: &mut Findings) -> RunMode {
    match frontend.config.get("run_mode").map(|mode| mode.to_ascii_lowercase()).as_deref() {
        None | Some("" | "shared_nothing") => RunMode::SharedNothing,
        Some("shared_data") => RunMode::SharedData,
        Some(other) => {
            let way_out = "Write shared_nothing or shared_data; it can never be changed afterwards";
            findings.fault(Rule::RunMode, FRONTEND, format!("fe.conf says run_mode = {other:?}"), way_out);
            RunMode::SharedNothing
        }
    }
}

/// Kubernetes puts derived names into labels and host names of at most 63 characters; the longest decide.
fn check_name(name: &str, with_proxy: bool, findings: &mut Findings) {
    // `<name>-fe` and a dash and up to ten digits make the label controller-revision-hash; `<name>-fe-proxy-service` is a Service.
    let longest = if with_proxy { 63 - "-fe-proxy-service".len() } else { 63 - "-fe-".len() - 10 };
    if !words::is_dns_label(name) || !name.starts_with(|first: char| first.is_ascii_lowercase()) {
        findings.fault(
            Rule::ClusterName,
            "metadata.name",
            format!("{name:?} cannot begin the name of a Service"),
            "Create the cluster under a name of lower-case letters, digits and dashes that begins with a letter",
        );
    } else if name.len() > longest {
        let found = format!("the name has {} characters, and names derived from it leave room for {longest}", name.len());
        findings.fault(Rule::ClusterName, "metadata.name", found, "Create the cluster under a shorter name");
    }
}
