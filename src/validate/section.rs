//! One component's section in, its proven workload out; takes every field apart so that a new one cannot be forgotten.

use std::collections::{BTreeMap, BTreeSet};

use k8s_openapi::api::apps::v1::{StatefulSetPersistentVolumeClaimRetentionPolicy, StatefulSetUpdateStrategy};
use k8s_openapi::api::core::v1::EnvVar;
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::conf;
use super::containers;
use super::fault::{Findings, Rule};
use super::references::References;
use super::words::{is_word, not_negative, one_of};
use super::{image, ports, service, storage};
use crate::api::{AutoScalingPolicy, ComponentSpec, HpaPolicy, LoadSpec};
use crate::model::cluster::{Conventions, StorageVolume, VolumeSource, Workload, given};
use crate::model::component::{NODES_MAX, STARROCKS_ROOT};
use crate::model::ports::NamedPort;
use crate::model::{Amount, Component, Configuration};
use crate::release::Version;

/// A section as written, with what all sections share taken out.
pub(super) struct Section<'a> {
    pub component: Component,
    /// Path of the section: `spec.starRocksFeSpec`.
    pub path: &'static str,
    /// Name of its list of environment variables: `feEnvVars`.
    pub env_field: &'static str,
    pub spec: &'a ComponentSpec,
    pub env: &'a [EnvVar],
    pub autoscaling: Option<&'a AutoScalingPolicy>,
}

/// What a section is judged by beside itself.
pub(super) struct Surroundings<'a> {
    /// Name of the cluster.
    pub cluster: &'a str,
    pub version: Option<Version>,
    /// The field that says so: `spec.version` or `spec.channel`.
    pub declared_by: &'static str,
    pub references: &'a References,
    pub conventions: &'a Conventions,
}

/// The installation directory that a component's environment names, as it is taken without judging it.
pub(super) fn root_of(env: &[EnvVar]) -> String {
    let named = env.iter().find(|variable| is_word(&variable.name, "STARROCKS_ROOT"));
    named.and_then(|variable| variable.value.clone()).filter(|root| !root.is_empty()).unwrap_or_else(|| STARROCKS_ROOT.to_owned())
}

/// Proves one section.
pub(super) fn workload(section: &Section<'_>, around: &Surroundings<'_>, findings: &mut Findings) -> Workload {
    let Section { component, path, env_field, spec, env, autoscaling } = *section;
    let root = root_of(env);
    check_root(path, env_field, env, findings);
    check_env(path, env_field, env, findings);
    let (image, claim) = image::resolve(component, given(&spec.load.image), around, path, findings);
    let (content, config_field) = conf::read(section, &root, around.references, findings);
    let configuration = content.as_ref().map(|content| Configuration::of(content, conf::follows(component, &root, spec)));
    let config = content.unwrap_or_default();
    let ports = ports::ports(component, &config, &config_field, findings);
    let mut volumes = storage::volumes(path, &spec.load.storage_volumes, findings);
    let home = component.home(&root);
    storage::add_defaults(component, &root, &mut volumes);
    if component == Component::Frontend {
        let directory =
            config.get("meta_dir").filter(|directory| directory.starts_with('/')).cloned().unwrap_or_else(|| format!("{home}/meta"));
        storage::advise_lasting(component, path, &directory, &volumes, findings);
    }
    let info = spec.load.config_map_info.as_ref();
    let conf_config_map =
        info.filter(|info| given(&info.resolve_key).is_some()).and_then(|info| given(&info.config_map_name)).map(str::to_owned);
    let conf_mount = conf_config_map.as_deref().map(|name| (name, format!("/etc/starrocks/{}/conf", component.label())));
    let names = storage::check_mounts(path, spec, &volumes, conf_mount, around.conventions, findings);
    check_component(section, &names, findings);
    let replicas = load(component, around.cluster, path, &spec.load, &ports.of_service(component), findings);
    if let Some(policy) = autoscaling {
        check_autoscaling(path, policy, findings);
    }
    Workload {
        component,
        replicas,
        image,
        claim,
        spec: spec.clone(),
        env: env.to_vec(),
        volumes,
        conf_config_map,
        root,
        ports,
        config,
        configuration,
        restarted_for: None,
        autoscaling: autoscaling.cloned(),
    }
}

fn check_root(path: &str, env_field: &str, env: &[EnvVar], findings: &mut Findings) {
    for (index, variable) in env.iter().enumerate().filter(|(_, variable)| is_word(&variable.name, "STARROCKS_ROOT")) {
        if !given(&variable.value).is_some_and(|root| root.starts_with('/') && !root.contains("$(")) {
            findings.fault(
                Rule::InstallationRoot,
                format!("{path}.{env_field}[{index}]"),
                "STARROCKS_ROOT is not written out as an absolute path, and every path of the pod follows from it",
                "Give STARROCKS_ROOT a literal value such as /opt/starrocks",
            );
        }
    }
}

fn check_env(path: &str, env_field: &str, env: &[EnvVar], findings: &mut Findings) {
    let mut seen = BTreeSet::new();
    for (index, variable) in env.iter().enumerate() {
        let field = format!("{path}.{env_field}[{index}].name");
        if variable.name.is_empty() {
            findings.fault(Rule::Environment, field, "an environment variable needs a name", "Write the name, or take the entry away");
        } else if !seen.insert(&variable.name) {
            let message = format!("{} is set twice, and the last value is the one that reaches the process", variable.name);
            findings.advise(Rule::IgnoredField, field, message);
        }
    }
}

/// The fields that the FE proxy does not have.
fn check_component(section: &Section<'_>, volume_names: &[String], findings: &mut Findings) {
    let path = section.path;
    let ComponentSpec {
        load: _,
        run_as_non_root: _,
        read_only_root_filesystem: _,
        capabilities: _,
        sysctls: _,
        // Names and mounts were checked with the volumes.
        config_maps: _,
        secrets: _,
        host_aliases: _,
        termination_grace_period_seconds,
        init_containers,
        sidecars,
        command: _,
        args: _,
        update_strategy,
        persistent_volume_claim_retention_policy,
        min_ready_seconds,
        pod_management_policy,
    } = section.spec;
    not_negative(format!("{path}.terminationGracePeriodSeconds"), *termination_grace_period_seconds, findings);
    not_negative(format!("{path}.minReadySeconds"), min_ready_seconds.map(i64::from), findings);
    one_of(format!("{path}.podManagementPolicy"), given(pod_management_policy), &["Parallel", "OrderedReady"], findings);
    if let Some(StatefulSetPersistentVolumeClaimRetentionPolicy { when_deleted, when_scaled }) = persistent_volume_claim_retention_policy {
        let field = format!("{path}.persistentVolumeClaimRetentionPolicy");
        one_of(format!("{field}.whenDeleted"), given(when_deleted), &["Retain", "Delete"], findings);
        one_of(format!("{field}.whenScaled"), given(when_scaled), &["Retain", "Delete"], findings);
    }
    if let Some(strategy) = update_strategy {
        check_strategy(path, strategy, findings);
    }
    containers::check(section.component, path, init_containers, sidecars, volume_names, findings);
}

fn check_strategy(path: &str, strategy: &StatefulSetUpdateStrategy, findings: &mut Findings) {
    let StatefulSetUpdateStrategy { type_, rolling_update } = strategy;
    one_of(format!("{path}.updateStrategy.type"), given(type_), &["RollingUpdate", "OnDelete"], findings);
    if given(type_) == Some("OnDelete") {
        return;
    }
    let unavailable = rolling_update.as_ref().and_then(|rolling| rolling.max_unavailable.as_ref());
    let is_zero = unavailable.is_some_and(|bound| match bound {
        IntOrString::Int(number) => *number <= 0,
        IntOrString::String(text) => text.trim_end_matches('%').parse::<i64>().map_or(true, |number| number <= 0),
    });
    if is_zero {
        findings.fault(
            Rule::UpdateStrategy,
            format!("{path}.updateStrategy.rollingUpdate.maxUnavailable"),
            "maxUnavailable must be above zero, or no pod could ever be replaced",
            "Write 1 or more or a percentage, or take the field away",
        );
    }
}

fn check_autoscaling(path: &str, policy: &AutoScalingPolicy, findings: &mut Findings) {
    let AutoScalingPolicy { hpa_policy, min_replicas, max_replicas, version } = policy;
    let field = format!("{path}.autoScalingPolicy");
    let min = min_replicas.unwrap_or(1);
    if min < 1 {
        let way_out = "Write 1 or more; replicas: 0 without an autoScalingPolicy stops all compute nodes";
        findings.fault(Rule::Autoscaling, format!("{field}.minReplicas"), format!("minReplicas is {min} and must be at least 1"), way_out);
    }
    if *max_replicas < min {
        let found = format!("maxReplicas is {max_replicas} and must not be below minReplicas, {min}");
        findings.fault(Rule::Autoscaling, format!("{field}.maxReplicas"), found, "Raise maxReplicas or lower minReplicas");
    }
    one_of(format!("{field}.version"), given(version), &["v1", "v2beta2", "v2"], findings);
    if given(version) == Some("v1")
        && hpa_policy.as_ref().is_some_and(|HpaPolicy { metrics, behavior }| !metrics.is_empty() || behavior.is_some())
    {
        findings.advise(
            Rule::IgnoredField,
            format!("{field}.hpaPolicy"),
            "version v1 knows neither metrics nor behavior; write v2 for them to count",
        );
    }
}

/// The fields that all components share. Returns the wanted replicas.
pub(super) fn load(
    component: Component,
    cluster: &str,
    path: &str,
    load: &LoadSpec,
    service_ports: &[NamedPort],
    findings: &mut Findings,
) -> u32 {
    let LoadSpec {
        // The image, the volumes and the configuration have rules of their own.
        image: _,
        storage_volumes: _,
        config_map_info: _,
        image_pull_policy,
        image_pull_secrets: _,
        replicas,
        limits,
        requests,
        claims: _,
        annotations: _,
        pod_labels,
        service_account: _,
        service,
        scheduler_name: _,
        node_selector: _,
        affinity: _,
        tolerations: _,
        topology_spread_constraints: _,
        startup_probe_failure_seconds,
        liveness_probe_failure_seconds,
        readiness_probe_failure_seconds,
        lifecycle: _,
        share_process_namespace: _,
    } = load;
    one_of(format!("{path}.imagePullPolicy"), given(image_pull_policy), &["Always", "IfNotPresent", "Never"], findings);
    let patience = [
        ("startup", startup_probe_failure_seconds),
        ("liveness", liveness_probe_failure_seconds),
        ("readiness", readiness_probe_failure_seconds),
    ];
    for (probe, seconds) in patience.into_iter().filter(|(_, seconds)| seconds.is_some_and(|seconds| seconds < 0)) {
        let message = format!("{} seconds are no patience, so the default holds; 0 leaves the probe out", seconds.unwrap_or_default());
        findings.advise(Rule::IgnoredField, format!("{path}.{probe}ProbeFailureSeconds"), message);
    }
    check_resources(component, path, limits, requests, findings);
    for (label, value) in component.pod_labels(cluster) {
        if pod_labels.get(&label).is_some_and(|written| *written != value) {
            let found = format!("the label {label} selects the pods and is the operator's");
            findings.fault(Rule::ReservedLabel, format!("{path}.podLabels"), found, "Use another label");
        }
    }
    if let Some(service) = service {
        service::check(&format!("{path}.service"), service, service_ports, findings);
    }
    check_replicas(component, path, replicas.unwrap_or(1), findings)
}

fn check_replicas(component: Component, path: &str, replicas: i32, findings: &mut Findings) -> u32 {
    let field = format!("{path}.replicas");
    let Ok(replicas) = u32::try_from(replicas) else {
        findings.fault(Rule::Replicas, field, format!("replicas is {replicas}"), "Write 0 or more");
        return 0;
    };
    if replicas > NODES_MAX {
        let found = format!("replicas is {replicas} and must be at most {NODES_MAX}");
        findings.fault(Rule::Replicas, field, found, "Write the number of nodes that there are to be");
        return 0;
    }
    if component == Component::Frontend {
        match replicas {
            0 => findings.advise(Rule::FewFrontends, field, "with no frontend the cluster is stopped"),
            1 => findings.advise(
                Rule::FewFrontends,
                field,
                "with one frontend every restart of it is an outage, and its loss is the loss of the metadata",
            ),
            even if even % 2 == 0 => {
                let message = format!("{even} frontends survive the loss of {}, and {} frontends do as well", (even - 1) / 2, even - 1);
                findings.advise(Rule::FewFrontends, field, message);
            }
            _ => {}
        }
    }
    replicas
}

fn check_resources(
    component: Component,
    path: &str,
    limits: &BTreeMap<String, Quantity>,
    requests: &BTreeMap<String, Quantity>,
    findings: &mut Findings,
) {
    let mut amounts = BTreeMap::new();
    for (kind, quantities) in [("limits", limits), ("requests", requests)] {
        for (name, Quantity(text)) in quantities {
            match Amount::parse(text).filter(|amount| !amount.is_negative()) {
                Some(amount) => {
                    amounts.insert((kind, name.as_str()), amount);
                }
                None => findings.fault(
                    Rule::ResourceAmount,
                    format!("{path}.{kind}.{name}"),
                    format!("{text:?} is no amount"),
                    "Write a quantity, for example 4, 500m or 16Gi",
                ),
            }
        }
    }
    for (name, Quantity(text)) in requests {
        if let (Some(request), Some(limit)) = (amounts.get(&("requests", name.as_str())), amounts.get(&("limits", name.as_str())))
            && request > limit
        {
            let found = format!("the request, {text}, is above the limit");
            findings.fault(Rule::ResourceAmount, format!("{path}.requests.{name}"), found, "Lower the request or raise the limit");
        }
    }
    // The heap of a frontend is 8 GiB unless fe.conf says otherwise, whatever the limit of the pod is.
    if component == Component::Frontend && amounts.get(&("limits", "memory")).is_some_and(|limit| *limit < Amount::whole(4 << 30)) {
        let message = "below 4Gi a frontend is killed under load: its heap is 8 GiB unless -Xmx in fe.conf says otherwise";
        findings.advise(Rule::FrontendMemory, format!("{path}.limits.memory"), message);
    }
}

/// Warns when a backend's data dies with its pod; only known once the run mode is.
pub(super) fn advise_data(path: &str, backend: &Workload, findings: &mut Findings) {
    let home = backend.component.home(&backend.root);
    // storage_root_path lists directories, each with properties after a comma.
    let configured = backend.config.get("storage_root_path").map(|list| {
        list.split(';')
            .filter_map(|entry| entry.split(',').next())
            .map(str::trim)
            .filter(|entry| entry.starts_with('/'))
            .map(str::to_owned)
            .collect::<Vec<_>>()
    });
    for directory in configured.filter(|list| !list.is_empty()).unwrap_or_else(|| vec![format!("{home}/storage")]) {
        storage::advise_lasting(backend.component, path, &directory, &backend.volumes, findings);
    }
}

/// Says which settings of the FE proxy do nothing.
pub(super) fn advise_proxy(path: &str, load: &LoadSpec, volumes: &[StorageVolume], findings: &mut Findings) {
    let ignored = [
        ("configMapInfo", load.config_map_info.is_some()),
        ("lifecycle", load.lifecycle.is_some()),
        ("startupProbeFailureSeconds", load.startup_probe_failure_seconds.is_some()),
    ];
    for (field, _) in ignored.into_iter().filter(|(_, is_given)| *is_given) {
        findings.advise(Rule::IgnoredField, format!("{path}.{field}"), "the FE proxy does not have this");
    }
    for volume in volumes.iter().filter(|volume| matches!(volume.source, VolumeSource::Claim { .. })) {
        let message = format!("the proxy is no StatefulSet: the claim {} is used and not created", volume.name);
        findings.advise(Rule::IgnoredField, format!("{path}.storageVolumes"), message);
    }
}
