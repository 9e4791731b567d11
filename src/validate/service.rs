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
            findings.advise(Rule::IgnoredField, format!("{path}.labels"), format!("{found}, so its own value stays"));
        }
    }
    for (index, port) in ports.iter().enumerate() {
        let is_chosen = offered.iter().any(|offered| chosen(ports, offered).is_some_and(|chosen| std::ptr::eq(chosen, port)));
        if is_chosen {
            check_port(&format!("{path}.ports[{index}]"), port, is_external, findings);
        } else {
            let names: Vec<_> = offered.iter().map(|offered| format!("{} ({})", offered.name, offered.port)).collect();
            let message =
                format!("changes no port: there are {}, each taken by the first entry with its containerPort or name", names.join(", "));
            findings.advise(Rule::IgnoredField, format!("{path}.ports[{index}]"), message);
        }
    }
    check_collisions(path, ports, offered, findings);
}

/// The entry that a port is changed by: the first with its number in the container, else the first with its name.
fn chosen<'a>(written: &'a [ServicePort], offered: &NamedPort) -> Option<&'a ServicePort> {
    let by_number = written.iter().find(|written| written.container_port == Some(i32::from(offered.port)));
    by_number.or_else(|| written.iter().find(|written| given(&written.name) == Some(offered.name)))
}

/// Kubernetes refuses a Service with the same port, or node port, twice.
fn check_collisions(path: &str, written: &[ServicePort], offered: &[NamedPort], findings: &mut Findings) {
    let mut taken: BTreeMap<(&str, i32), &str> = BTreeMap::new();
    for offered in offered {
        let number = i32::from(offered.port);
        let written = chosen(written, offered);
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

fn check_port(path: &str, written: &ServicePort, is_external: bool, findings: &mut Findings) {
    let ServicePort { name: _, port, container_port, node_port } = written;
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
}
