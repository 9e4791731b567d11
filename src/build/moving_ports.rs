//! A wanted Service and its live one in, the Service for the time in which pods move to other ports out; never a port that neither of the two has.
//!
//! The former ports stay and the new ones come beside them; both lead to where each pod has the port, by its name in the container, so that a client is
//! served at either by every pod. At rest targets are numbers, as under the former operator.

use k8s_openapi::api::core::v1::{Service, ServicePort};
use k8s_openapi::apimachinery::pkg::util::intstr::IntOrString;

use super::annotate::stamped;
use crate::model::ports::name_in_container;
use crate::model::{Component, LiveObject, Object};

/// The Service while pods of the component are at different ports.
pub fn service_of_moving_ports(wanted: &Service, live: &LiveObject, component: Component) -> Service {
    let wanted_ports = ports(wanted);
    let named = |name: Option<&String>| wanted_ports.iter().find(|port| port.name.as_ref() == name);
    let target = |name: &str| name_in_container(component, name).map(|name| IntOrString::String(name.to_owned()));
    let mut offered: Vec<ServicePort> = Vec::new();
    for port in live_ports(live) {
        // One that was beside them for a number that nobody wants any more goes.
        let Some(wanted) = named(port.name.as_ref()) else { continue };
        let target_port = target(wanted.name.as_deref().unwrap_or_default()).or(port.target_port);
        offered.push(ServicePort { port: port.port, target_port, ..wanted.clone() });
    }
    for wanted in &wanted_ports {
        if offered.iter().any(|port| port.port == wanted.port) {
            continue;
        }
        let name = wanted.name.clone().unwrap_or_default();
        let target_port = target(&name).or_else(|| wanted.target_port.clone());
        let is_taken = offered.iter().any(|port| port.name == wanted.name);
        // Its node port belongs to the former port until that goes.
        offered.push(match is_taken {
            true => ServicePort { name: Some(beside(&name, wanted.port)), node_port: None, target_port, ..wanted.clone() },
            false => ServicePort { target_port, ..wanted.clone() },
        });
    }
    with_ports(wanted, offered)
}

/// The Service with the ports that it has live: what it is to have cannot be.
pub fn service_of_fixed_ports(wanted: &Service, live: &LiveObject) -> Service {
    let wanted_ports = ports(wanted);
    let node_port = |name: Option<&String>| wanted_ports.iter().find(|port| port.name.as_ref() == name).and_then(|port| port.node_port);
    let kept = live_ports(live).into_iter().map(|port| ServicePort { node_port: node_port(port.name.as_ref()), ..port });
    with_ports(wanted, kept.collect())
}

/// The Service once every pod has its new ports. Where the new ones were beside the former ones, each takes over the node port under which clients from
/// outside know it; Kubernetes would give it the other.
pub fn service_of_moved_ports(wanted: &Service, live: &LiveObject) -> Service {
    let former = live_ports(live);
    if !has_ports_beside(wanted, live) {
        return wanted.clone();
    }
    let node_port = |name: Option<&String>| former.iter().find(|port| port.name.as_ref() == name).and_then(|port| port.node_port);
    let settled =
        ports(wanted).into_iter().map(|port| ServicePort { node_port: port.node_port.or_else(|| node_port(port.name.as_ref())), ..port });
    with_ports(wanted, settled.collect())
}

/// Whether a live Service offers its ports otherwise than wanted: at another number, or still beside others.
pub fn service_ports_differ(wanted: &Service, live: &LiveObject) -> bool {
    let former = live_ports(live);
    let is_there = |port: &ServicePort| former.iter().any(|former| former.name == port.name && former.port == port.port);
    has_ports_beside(wanted, live) || !ports(wanted).iter().all(is_there)
}

fn has_ports_beside(wanted: &Service, live: &LiveObject) -> bool {
    let names: Vec<String> = ports(wanted).into_iter().filter_map(|port| port.name).collect();
    live_ports(live).iter().any(|port| names.iter().any(|name| port.name.as_deref() == Some(beside(name, port.port).as_str())))
}

/// Name of a port that another one stands beside under its own name.
fn beside(name: &str, number: i32) -> String {
    format!("{name}-{number}")
}

fn ports(service: &Service) -> Vec<ServicePort> {
    service.spec.as_ref().and_then(|spec| spec.ports.clone()).unwrap_or_default()
}

fn live_ports(live: &LiveObject) -> Vec<ServicePort> {
    live.body.pointer("/spec/ports").and_then(|ports| serde_json::from_value(ports.clone()).ok()).unwrap_or_default()
}

fn with_ports(wanted: &Service, ports: Vec<ServicePort>) -> Service {
    let mut service = wanted.clone();
    if let Some(spec) = service.spec.as_mut() {
        spec.ports = Some(ports);
    }
    match stamped(Object::Service(Box::new(service))) {
        Object::Service(stamped) => *stamped,
        Object::ConfigMap(_) | Object::StatefulSet(_) | Object::Deployment(_) | Object::HorizontalPodAutoscaler(_) => wanted.clone(),
    }
}

#[cfg(test)]
mod tests {
    use k8s_openapi::api::core::v1::ServiceSpec;
    use serde_json::json;

    use super::*;
    use crate::model::Ownership;

    fn wanted(query: i32, node_port: Option<i32>) -> Service {
        let port = |name: &str, number: i32, node_port| ServicePort {
            name: Some(name.to_owned()),
            port: number,
            node_port,
            target_port: Some(IntOrString::Int(number)),
            ..ServicePort::default()
        };
        let ports = vec![port("query", query, node_port), port("edit-log", 9010, None)];
        Service { spec: Some(ServiceSpec { ports: Some(ports), ..ServiceSpec::default() }), ..Service::default() }
    }

    /// As Kubernetes stores it: with a node port for each port.
    fn live(service: &Service, node_ports: &[i32]) -> LiveObject {
        let mut ports = ports(service);
        for (port, number) in ports.iter_mut().zip(node_ports) {
            port.node_port = Some(*number);
        }
        let body = json!({"metadata": {}, "spec": {"ports": ports}});
        LiveObject { uid: String::new(), resource_version: String::new(), ownership: Ownership::Ours, deleting: false, body }
    }

    fn told(service: &Service) -> Vec<String> {
        let target = |port: &ServicePort| match port.target_port.clone() {
            Some(IntOrString::Int(number)) => number.to_string(),
            Some(IntOrString::String(name)) => name,
            None => String::new(),
        };
        let line = |port: ServicePort| {
            let node_port = port.node_port.map(|port| format!(" node {port}")).unwrap_or_default();
            format!("{} {}>{}{node_port}", port.name.clone().unwrap_or_default(), port.port, target(&port))
        };
        ports(service).into_iter().map(line).collect()
    }

    #[test]
    fn both_ports_lead_to_where_each_pod_has_them_and_then_only_the_new_one() {
        let (former, new) = (wanted(9030, None), wanted(9031, None));
        let begun = service_of_moving_ports(&new, &live(&former, &[]), Component::Frontend);
        let both = ["query 9030>query-port", "edit-log 9010>9010", "query-9031 9031>query-port"];
        assert_eq!(told(&begun), both);
        assert_eq!(told(&service_of_moving_ports(&new, &live(&begun, &[]), Component::Frontend)), both, "it stays so");
        let other = service_of_moving_ports(&wanted(9032, None), &live(&begun, &[]), Component::Frontend);
        assert_eq!(told(&other), ["query 9030>query-port", "edit-log 9010>9010", "query-9032 9032>query-port"]);
        let back = service_of_moving_ports(&former, &live(&begun, &[]), Component::Frontend);
        assert_eq!(told(&back), ["query 9030>query-port", "edit-log 9010>9010"]);
        assert!(service_ports_differ(&new, &live(&begun, &[])) && !service_ports_differ(&former, &live(&back, &[])));
        assert_eq!(service_of_moved_ports(&new, &live(&begun, &[])), with_ports(&new, ports(&new)), "no more than what is wanted");
    }

    #[test]
    fn clients_from_outside_keep_their_node_port() {
        let (former, new) = (wanted(9030, None), wanted(9031, None));
        let begun = service_of_moving_ports(&new, &live(&former, &[30_001, 30_002]), Component::Frontend);
        assert_eq!(told(&begun)[0], "query 9030>query-port", "what Kubernetes chose stays Kubernetes' own");
        let ended = service_of_moved_ports(&new, &live(&begun, &[30_001, 30_002, 30_003]));
        assert_eq!(told(&ended), ["query 9031>9031 node 30001", "edit-log 9010>9010 node 30002"]);
        assert_eq!(service_of_moved_ports(&new, &live(&ended, &[])), new, "and then as wanted");
        let named = wanted(9031, Some(32_755));
        let begun = service_of_moving_ports(&named, &live(&former, &[32_755, 30_002]), Component::Frontend);
        assert_eq!(told(&begun), ["query 9030>query-port node 32755", "edit-log 9010>9010", "query-9031 9031>query-port"]);
    }

    #[test]
    fn what_cannot_move_stays_as_it_is() {
        let former = wanted(9030, None);
        assert_eq!(told(&service_of_fixed_ports(&wanted(9031, None), &live(&former, &[30_001, 30_002]))), told(&former));
    }
}
