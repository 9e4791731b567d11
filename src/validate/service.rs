//! The external Service as written in, what Kubernetes would refuse or nobody would use about it out; never builds it.

use std::collections::BTreeMap;

use super::fault::{Findings, Rule};
use super::words::one_of;
use crate::api::{ServicePort, ServiceSpec};
use crate::model::cluster::given;
use crate::model::component::{COMPONENT_LABEL, OWNER_LABEL};
use crate::model::ports::NamedPort;

/// Checks a Service that offers `offered` ports.
pub(super) fn check(path: &str, service: &ServiceSpec, offered: &[NamedPort], findings: &mut Findings) {
    let ServiceSpec { annotations: _, labels, service_type, load_balancer_ip, load_balancer_source_ranges, external_traffic_policy, ports } =
        service;
    let kind = given(service_type).unwrap_or("ClusterIP");
    one_of(format!("{path}.type"), given(service_type), &["ClusterIP", "NodePort", "LoadBalancer"], findings);
    one_of(format!("{path}.externalTrafficPolicy"), given(external_traffic_policy), &["Cluster", "Local"], findings);
    let is_external = matches!(kind, "NodePort" | "LoadBalancer");
    if given(external_traffic_policy).is_some() && !is_external {
        findings.fault(
            Rule::ServiceShape,
            format!("{path}.externalTrafficPolicy"),
            format!("a Service of type {kind} takes no traffic from outside"),
            "Set type to NodePort or LoadBalancer, or take externalTrafficPolicy away",
        );
    }
    if given(load_balancer_ip).is_some() && kind != "LoadBalancer" {
        findings.advise(Rule::IgnoredField, format!("{path}.loadBalancerIP"), format!("a Service of type {kind} has no load balancer"));
    }
    if !load_balancer_source_ranges.is_empty() && kind != "LoadBalancer" {
        findings.fault(
            Rule::ServiceShape,
            format!("{path}.loadBalancerSourceRanges"),
            format!("Kubernetes refuses source ranges on a Service of type {kind}"),
            "Set type to LoadBalancer, or take loadBalancerSourceRanges away",
        );
    }
    for label in [COMPONENT_LABEL, OWNER_LABEL] {
        if labels.contains_key(label) {
            let found = format!("the label {label} is how the operator finds its objects");
            findings.fault(Rule::ReservedLabel, format!("{path}.labels"), found, "Use another label");
        }
    }
    for (index, port) in ports.iter().enumerate() {
        check_port(&format!("{path}.ports[{index}]"), port, offered, is_external, findings);
    }
    check_collisions(path, ports, offered, findings);
}

/// Kubernetes refuses a Service with the same port, or node port, twice.
fn check_collisions(path: &str, written: &[ServicePort], offered: &[NamedPort], findings: &mut Findings) {
    let mut taken: BTreeMap<(&str, i32), &str> = BTreeMap::new();
    for offered in offered {
        let number = i32::from(offered.port);
        let by_number = written.iter().find(|written| written.container_port == Some(number));
        let written = by_number.or_else(|| written.iter().find(|written| given(&written.name) == Some(offered.name)));
        let not_zero = |number: Option<i32>| number.filter(|number| *number != 0);
        let port = written.and_then(|written| not_zero(written.port)).unwrap_or(number);
        let node_port = written.and_then(|written| not_zero(written.node_port));
        for (field, number) in [Some(("port", port)), node_port.map(|node_port| ("nodePort", node_port))].into_iter().flatten() {
            if let Some(other) = taken.insert((field, number), offered.name) {
                let found = format!("{other} and {} would both have {field} {number}", offered.name);
                findings.fault(Rule::ServiceShape, format!("{path}.ports"), found, format!("Give each of them a {field} of its own"));
            }
        }
    }
}

fn check_port(path: &str, written: &ServicePort, offered: &[NamedPort], is_external: bool, findings: &mut Findings) {
    let ServicePort { name, port, container_port, node_port } = written;
    for (field, number) in [("port", port), ("containerPort", container_port), ("nodePort", node_port)] {
        if number.is_some_and(|number| !(0..=65535).contains(&number)) {
            let found = format!("{} is no port", number.unwrap_or_default());
            findings.fault(Rule::ServiceShape, format!("{path}.{field}"), found, "Write a number from 1 to 65535");
        }
    }
    if node_port.is_some_and(|number| number != 0) && !is_external {
        findings.fault(
            Rule::ServiceShape,
            format!("{path}.nodePort"),
            "a Service without type NodePort or LoadBalancer has no node ports",
            "Set type to NodePort, or take nodePort away",
        );
    }
    let matches = |offered: &NamedPort| given(name) == Some(offered.name) || *container_port == Some(i32::from(offered.port));
    if !offered.iter().any(matches) {
        let names: Vec<_> = offered.iter().map(|offered| format!("{} ({})", offered.name, offered.port)).collect();
        findings.advise(Rule::IgnoredField, path, format!("matches no port by name or containerPort; there are {}", names.join(", ")));
    }
}
