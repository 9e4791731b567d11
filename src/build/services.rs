//! A workload or the proxy in, its Services out; never a port that the component does not have.

use k8s_openapi::api::core::v1::{Service, ServicePort, ServiceSpec};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::metadata::{self, some_list, some_map};
use crate::model::Component;
use crate::model::cluster::{self, Cluster, Ports, Proxy, Workload, given};
use crate::model::ports::NamedPort;

/// The headless Service, which gives pods their host names, and the one for clients.
pub(super) fn of_workload(cluster: &Cluster, workload: &Workload) -> [Service; 2] {
    let component = workload.component;
    let ports = workload.ports.of_service(component);
    [headless(cluster, workload), external(cluster, component, &ports, workload.spec.load.service.as_ref())]
}

/// The proxy's Service.
pub(super) fn of_proxy(cluster: &Cluster, proxy: &Proxy) -> Service {
    external(cluster, Component::FrontendProxy, &Ports::of_proxy(), proxy.spec.load.service.as_ref())
}

fn headless(cluster: &Cluster, workload: &Workload) -> Service {
    let component = workload.component;
    Service {
        metadata: metadata::owned(cluster, component.search_service_name(&cluster.name), component.object_labels(&cluster.name)),
        spec: Some(ServiceSpec {
            cluster_ip: Some("None".to_owned()),
            // Nodes find each other by name before they are ready: readiness follows from having found each other.
            publish_not_ready_addresses: Some(true),
            selector: Some(component.pod_labels(&cluster.name)),
            ports: Some(workload.ports.of_search_service().iter().map(|port| service_port(port, &[])).collect()),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

fn external(cluster: &Cluster, component: Component, ports: &[NamedPort], written: Option<&cluster::ServiceSpec>) -> Service {
    let absent = cluster::ServiceSpec::default();
    let cluster::ServiceSpec {
        annotations,
        labels,
        service_type,
        load_balancer_ip,
        load_balancer_source_ranges,
        external_traffic_policy,
        ports: overrides,
    } = written.unwrap_or(&absent);
    let kind = given(service_type).unwrap_or("ClusterIP");
    let mut metadata = metadata::owned(cluster, component.service_name(&cluster.name), component.object_labels(&cluster.name));
    // By these two the operator finds its objects again, so they are not the user's to change.
    let mut all = labels.clone();
    all.extend(metadata.labels.take().unwrap_or_default());
    metadata.labels = Some(all);
    metadata.annotations = some_map(annotations);
    Service {
        metadata,
        spec: Some(ServiceSpec {
            type_: Some(kind.to_owned()),
            selector: Some(component.pod_labels(&cluster.name)),
            ports: Some(ports.iter().map(|port| service_port(port, overrides)).collect()),
            load_balancer_ip: given(load_balancer_ip).filter(|_| kind == "LoadBalancer").map(str::to_owned),
            load_balancer_source_ranges: some_list(load_balancer_source_ranges),
            external_traffic_policy: given(external_traffic_policy).map(str::to_owned),
            ..ServiceSpec::default()
        }),
        status: None,
    }
}

/// A port with what the user overrides: by the number in the container, else by name.
fn service_port(offered: &NamedPort, overrides: &[cluster::ServicePort]) -> ServicePort {
    let number = i32::from(offered.port);
    let by_number = overrides.iter().find(|written| written.container_port == Some(number));
    let written = by_number.or_else(|| overrides.iter().find(|written| given(&written.name) == Some(offered.name)));
    let not_zero = |number: Option<i32>| number.filter(|number| *number != 0);
    ServicePort {
        name: Some(offered.name.to_owned()),
        port: written.and_then(|written| not_zero(written.port)).unwrap_or(number),
        node_port: written.and_then(|written| not_zero(written.node_port)),
        target_port: Some(IntOrString::Int(number)),
        protocol: Some("TCP".to_owned()),
        app_protocol: offered.app_protocol.map(str::to_owned),
    }
}
