//! A workload and its image in, its pod template out; takes the section apart so that a new field cannot be forgotten.

use k8s_openapi::api::core::v1::{
    Container, ContainerPort, PodSecurityContext, PodSpec, PodTemplateSpec, ResourceRequirements, SecurityContext,
};
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use super::metadata::{some_list, some_map};
use super::probes::{self, RUNNING_FAILURES, STARTUP_FAILURES};
use super::{env, lifecycle, unique, volumes};
use crate::model::Component;
use crate::model::cluster::{Cluster, ComponentSpec, LoadSpec, Workload, given};
use crate::model::component::{CONFIGURATION_ANNOTATION, STARROCKS_ROOT};
use crate::model::ports::NamedPort;
use crate::release::Image;

/// User and group of StarRocks in the official images.
const STARROCKS_ID: i64 = 1000;
const GRACE_SECONDS: i64 = 120;

/// The pod template of a StarRocks workload.
pub(super) fn template(cluster: &Cluster, workload: &Workload, image: &Image) -> PodTemplateSpec {
    let ComponentSpec {
        load,
        run_as_non_root,
        read_only_root_filesystem: _,
        capabilities: _,
        sysctls,
        config_maps: _,
        secrets: _,
        host_aliases,
        termination_grace_period_seconds,
        init_containers,
        sidecars,
        command: _,
        args: _,
        // The rest belongs to the StatefulSet.
        update_strategy: _,
        persistent_volume_claim_retention_policy: _,
        min_ready_seconds: _,
        pod_management_policy: _,
    } = &workload.spec;
    let volumes::Mounts { volumes, mounts } = volumes::of_workload(workload, &cluster.conventions);
    let mut main = container(cluster, workload, image);
    main.volume_mounts = some_list(&mounts);
    let spec = PodSpec {
        init_containers: some_list(&unique::containers(init_containers)),
        containers: std::iter::once(main).chain(unique::containers(sidecars)).collect(),
        volumes: some_list(&volumes),
        termination_grace_period_seconds: Some(termination_grace_period_seconds.unwrap_or(GRACE_SECONDS)),
        host_aliases: some_list(&unique::hosts(host_aliases)),
        security_context: Some(PodSecurityContext {
            fs_group_change_policy: Some("OnRootMismatch".to_owned()),
            fs_group: is_true(*run_as_non_root).then_some(STARROCKS_ID),
            sysctls: some_list(sysctls),
            ..PodSecurityContext::default()
        }),
        ..pod(load)
    };
    // Compute nodes never had a name in their template; it means nothing, and adding it would restart them.
    let name = (workload.component != Component::ComputeNode).then(|| workload.name(&cluster.name));
    let mut metadata = ObjectMeta { name, namespace: Some(cluster.namespace.clone()), ..metadata(cluster, workload.component, load) };
    if let Some(change) = &workload.restarted_for {
        metadata.annotations.get_or_insert_default().insert(CONFIGURATION_ANNOTATION.to_owned(), change.clone());
    }
    PodTemplateSpec { metadata: Some(metadata), spec: Some(spec) }
}

/// Labels and annotations of the pods; the labels that select them win over the user's.
pub(super) fn metadata(cluster: &Cluster, component: Component, load: &LoadSpec) -> ObjectMeta {
    let mut labels = load.pod_labels.clone();
    labels.extend(component.pod_labels(&cluster.name));
    ObjectMeta { labels: Some(labels), annotations: some_map(&load.annotations), ..ObjectMeta::default() }
}

/// What pods of every component have in common. Pods need nothing of the Kubernetes API, so they get no token for it.
pub(super) fn pod(load: &LoadSpec) -> PodSpec {
    let LoadSpec {
        service_account,
        affinity,
        topology_spread_constraints,
        tolerations,
        image_pull_secrets,
        node_selector,
        scheduler_name,
        share_process_namespace,
        // Of the container, the Service, the StatefulSet or the metadata.
        image: _,
        image_pull_policy: _,
        replicas: _,
        limits: _,
        requests: _,
        claims: _,
        annotations: _,
        pod_labels: _,
        service: _,
        storage_volumes: _,
        config_map_info: _,
        startup_probe_failure_seconds: _,
        liveness_probe_failure_seconds: _,
        readiness_probe_failure_seconds: _,
        lifecycle: _,
    } = load;
    PodSpec {
        service_account_name: given(service_account).map(str::to_owned),
        automount_service_account_token: Some(false),
        affinity: affinity.clone(),
        topology_spread_constraints: some_list(topology_spread_constraints),
        tolerations: some_list(tolerations),
        image_pull_secrets: some_list(&unique::secrets(image_pull_secrets)),
        node_selector: some_map(node_selector),
        scheduler_name: given(scheduler_name).map(str::to_owned),
        share_process_namespace: *share_process_namespace,
        ..PodSpec::default()
    }
}

fn container(cluster: &Cluster, workload: &Workload, image: &Image) -> Container {
    let component = workload.component;
    let ComponentSpec { load, run_as_non_root, read_only_root_filesystem, capabilities, command, args, .. } = &workload.spec;
    let id = is_true(*run_as_non_root).then_some(STARROCKS_ID);
    let entrypoint = format!("{}/{}_entrypoint.sh", workload.root, component.container());
    let health = |failure_seconds, default| probes::http("/api/health", workload.http_port(), failure_seconds, default);
    Container {
        name: component.container().to_owned(),
        image: Some(image.to_string()),
        image_pull_policy: Some(pull_policy(load)),
        command: Some(some_list(command).unwrap_or_else(|| vec![entrypoint])),
        // Replaced by the kubelet.
        args: Some(some_list(args).unwrap_or_else(|| vec!["$(FE_SERVICE_NAME)".to_owned()])),
        working_dir: (workload.root != STARROCKS_ROOT).then(|| workload.root.clone()),
        ports: Some(ports(&workload.ports.of_container(component))),
        env: Some(env::variables(cluster, workload)),
        resources: resources(load),
        startup_probe: health(load.startup_probe_failure_seconds, STARTUP_FAILURES),
        liveness_probe: health(load.liveness_probe_failure_seconds, RUNNING_FAILURES),
        readiness_probe: health(load.readiness_probe_failure_seconds, RUNNING_FAILURES),
        lifecycle: Some(lifecycle::hooks(workload, image)),
        security_context: Some(SecurityContext {
            run_as_user: id,
            run_as_group: id,
            run_as_non_root: id.map(|_| true),
            allow_privilege_escalation: Some(false),
            read_only_root_filesystem: Some(is_true(*read_only_root_filesystem)),
            capabilities: capabilities.clone(),
            ..SecurityContext::default()
        }),
        ..Container::default()
    }
}

/// `imagePullPolicy`, `IfNotPresent` unless given: also for `latest`, where Kubernetes' own default differs.
pub(super) fn pull_policy(load: &LoadSpec) -> String {
    given(&load.image_pull_policy).unwrap_or("IfNotPresent").to_owned()
}

/// Container ports.
pub(super) fn ports(named: &[NamedPort]) -> Vec<ContainerPort> {
    let port = |named: &NamedPort| ContainerPort {
        name: Some(named.name.to_owned()),
        container_port: i32::from(named.port),
        protocol: Some("TCP".to_owned()),
        ..ContainerPort::default()
    };
    named.iter().map(port).collect()
}

/// Resources, if any are given.
pub(super) fn resources(load: &LoadSpec) -> Option<ResourceRequirements> {
    let LoadSpec { limits, requests, claims, .. } = load;
    let given = ResourceRequirements { limits: some_map(limits), requests: some_map(requests), claims: some_list(claims) };
    (given != ResourceRequirements::default()).then_some(given)
}

fn is_true(flag: Option<bool>) -> bool {
    flag.unwrap_or(false)
}
