//! Sidecars and init containers in, what Kubernetes would refuse about them out; never changes them.

use std::collections::BTreeSet;

use k8s_openapi::api::core::v1::Container;

use super::fault::{Findings, Rule};
use super::words::is_dns_label;
use crate::model::{Amount, Component};

/// Checks names, mounts and resources. `volume_names` are all volumes of the pod.
pub(super) fn check(
    component: Component,
    path: &str,
    init_containers: &[Container],
    sidecars: &[Container],
    volume_names: &[String],
    findings: &mut Findings,
) {
    let mut names = BTreeSet::from([component.container()]);
    for (kind, containers) in [("initContainers", init_containers), ("sidecars", sidecars)] {
        for (index, container) in containers.iter().enumerate() {
            let field = format!("{path}.{kind}[{index}]");
            if !is_dns_label(&container.name) {
                let way_out = "Write lower-case letters, digits and dashes";
                findings.fault(Rule::Container, format!("{field}.name"), format!("{:?} is no container name", container.name), way_out);
            } else if !names.insert(&container.name) {
                let found = format!("another container of the pod is called {}", container.name);
                findings.fault(Rule::Duplicate, format!("{field}.name"), found, "Use another name");
            }
            check_mounts(&field, container, volume_names, findings);
            check_resources(&field, container, findings);
        }
    }
}

fn check_mounts(field: &str, container: &Container, volume_names: &[String], findings: &mut Findings) {
    for (index, mount) in container.volume_mounts.iter().flatten().enumerate() {
        if !volume_names.contains(&mount.name) {
            findings.fault(
                Rule::Container,
                format!("{field}.volumeMounts[{index}].name"),
                format!("the pod has no volume called {:?}", mount.name),
                format!("Use one of {}", volume_names.join(", ")),
            );
        }
    }
}

fn check_resources(field: &str, container: &Container, findings: &mut Findings) {
    let Some(resources) = &container.resources else { return };
    for (kind, quantities) in [("limits", &resources.limits), ("requests", &resources.requests)] {
        for (name, quantity) in quantities.iter().flatten() {
            if Amount::parse(&quantity.0).is_none_or(Amount::is_negative) {
                findings.fault(
                    Rule::ResourceAmount,
                    format!("{field}.resources.{kind}.{name}"),
                    format!("{:?} is no amount", quantity.0),
                    "Write a quantity, for example 4, 500m or 16Gi",
                );
            }
        }
    }
}
