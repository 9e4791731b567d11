//! Rules of pod specs that their structure does not show; changes nothing.

use std::collections::BTreeSet;

use serde_json::{Value, json};

use super::error::FieldFault;
use super::quantity;
use super::validation::{is_label, label_fault};

/// Rules of a pod's spec.
pub(super) fn spec(path: &str, spec: &Value, faults: &mut Vec<FieldFault>) {
    template_spec(path, spec, &BTreeSet::new(), faults);
}

/// Rules of a template's spec; `claims` are volumes that a StatefulSet adds.
pub(super) fn template_spec(path: &str, spec: &Value, claims: &BTreeSet<String>, faults: &mut Vec<FieldFault>) {
    let list = |field: &str| spec[field].as_array().map_or(&[][..], Vec::as_slice);
    let mut volumes = claims.clone();
    let mut seen = BTreeSet::new();
    for (index, volume) in list("volumes").iter().enumerate() {
        let volume_path = format!("{path}.volumes[{index}]");
        named(&volume_path, volume, &mut seen, faults);
        let sources = volume.as_object().map_or(0, |map| map.len().saturating_sub(1));
        if sources > 1 {
            faults.push(FieldFault::forbidden(volume_path, "may not specify more than 1 volume type"));
        }
        volumes.extend(volume["name"].as_str().map(str::to_string));
    }
    if list("containers").is_empty() {
        faults.push(FieldFault::required(format!("{path}.containers"), ""));
    }
    let mut names = BTreeSet::new();
    for field in ["initContainers", "containers"] {
        for (index, container) in list(field).iter().enumerate() {
            let container_path = format!("{path}.{field}[{index}]");
            named(&container_path, container, &mut names, faults);
            check_container(&container_path, container, &volumes, faults);
        }
    }
    let policies = [json!("Always"), json!("OnFailure"), json!("Never")];
    if !policies.contains(&spec["restartPolicy"]) {
        faults.push(FieldFault::not_supported(format!("{path}.restartPolicy"), &spec["restartPolicy"], &policies));
    }
    if spec["terminationGracePeriodSeconds"].as_i64().is_some_and(|seconds| seconds < 0) {
        let value = &spec["terminationGracePeriodSeconds"];
        faults.push(FieldFault::invalid(format!("{path}.terminationGracePeriodSeconds"), value, "must be greater than or equal to 0"));
    }
}

fn named(path: &str, item: &Value, seen: &mut BTreeSet<String>, faults: &mut Vec<FieldFault>) {
    let name = item["name"].as_str().unwrap_or_default();
    let path = format!("{path}.name");
    if name.is_empty() {
        faults.push(FieldFault::required(path, ""));
    } else if !is_label(name) {
        faults.push(label_fault(path, &item["name"]));
    } else if !seen.insert(name.to_string()) {
        faults.push(FieldFault::duplicate(path, &item["name"]));
    }
}

fn check_container(path: &str, container: &Value, volumes: &BTreeSet<String>, faults: &mut Vec<FieldFault>) {
    let list = |field: &str| container[field].as_array().map_or(&[][..], Vec::as_slice);
    let image = container["image"].as_str().unwrap_or_default();
    if image.is_empty() {
        faults.push(FieldFault::required(format!("{path}.image"), ""));
    } else if image != image.trim() {
        faults.push(FieldFault::invalid(format!("{path}.image"), &container["image"], "must not have leading or trailing whitespace"));
    }
    let mut port_names = BTreeSet::new();
    for (index, port) in list("ports").iter().enumerate() {
        let port_path = format!("{path}.ports[{index}]");
        if !port["containerPort"].as_i64().is_some_and(|number| (1..=65_535).contains(&number)) {
            let value = &port["containerPort"];
            faults.push(FieldFault::invalid(format!("{port_path}.containerPort"), value, "must be between 1 and 65535, inclusive"));
        }
        let Some(name) = port["name"].as_str() else { continue };
        if name.len() > 15 {
            faults.push(FieldFault::invalid(format!("{port_path}.name"), &port["name"], "must be no more than 15 characters"));
        }
        if !port_names.insert(name.to_string()) {
            faults.push(FieldFault::duplicate(format!("{port_path}.name"), &port["name"]));
        }
    }
    for (index, variable) in list("env").iter().enumerate() {
        if variable["name"].as_str().unwrap_or_default().is_empty() {
            faults.push(FieldFault::required(format!("{path}.env[{index}].name"), ""));
        }
        if variable.get("value").and_then(Value::as_str).is_some_and(|text| !text.is_empty()) && variable.get("valueFrom").is_some() {
            let detail = "may not be specified when `value` is not empty";
            faults.push(FieldFault::invalid(format!("{path}.env[{index}].valueFrom"), &json!(""), detail));
        }
    }
    check_mounts(path, list("volumeMounts"), volumes, faults);
    check_resources(path, &container["resources"], faults);
    for probe in ["livenessProbe", "readinessProbe", "startupProbe"] {
        check_probe(&format!("{path}.{probe}"), &container[probe], probe != "readinessProbe", faults);
    }
}

fn check_mounts(path: &str, mounts: &[Value], volumes: &BTreeSet<String>, faults: &mut Vec<FieldFault>) {
    let mut paths = BTreeSet::new();
    for (index, mount) in mounts.iter().enumerate() {
        let mount_path = format!("{path}.volumeMounts[{index}]");
        let name = mount["name"].as_str().unwrap_or_default();
        if !volumes.contains(name) {
            faults.push(FieldFault::not_found(format!("{mount_path}.name"), &mount["name"]));
        }
        let target = mount["mountPath"].as_str().unwrap_or_default();
        if target.is_empty() {
            faults.push(FieldFault::required(format!("{mount_path}.mountPath"), ""));
        } else if !paths.insert(target.to_string()) {
            faults.push(FieldFault::invalid(format!("{mount_path}.mountPath"), &mount["mountPath"], "must be unique"));
        }
    }
}

fn check_resources(path: &str, resources: &Value, faults: &mut Vec<FieldFault>) {
    let amount = |list: &str, name: &str| resources[list].get(name).and_then(Value::as_str).and_then(quantity::nanos);
    for list in ["limits", "requests"] {
        for (name, value) in resources[list].as_object().into_iter().flatten() {
            if value.as_str().and_then(quantity::nanos).is_some_and(|amount| amount < 0) {
                faults.push(FieldFault::invalid(format!("{path}.resources.{list}[{name}]"), value, "must be greater than or equal to 0"));
            }
        }
    }
    for (name, value) in resources["requests"].as_object().into_iter().flatten() {
        if let (Some(request), Some(limit)) = (amount("requests", name), amount("limits", name))
            && request > limit
        {
            let limit = resources["limits"][name].as_str().unwrap_or_default();
            let detail = format!("must be less than or equal to {name} limit of {limit}");
            faults.push(FieldFault::invalid(format!("{path}.resources.requests"), value, &detail));
        }
    }
}

fn check_probe(path: &str, probe: &Value, needs_one_success: bool, faults: &mut Vec<FieldFault>) {
    if !probe.is_object() {
        return;
    }
    let handlers = ["exec", "httpGet", "tcpSocket", "grpc"].iter().filter(|handler| probe.get(**handler).is_some()).count();
    if handlers == 0 {
        faults.push(FieldFault::required(path, "must specify a handler type"));
    } else if handlers > 1 {
        faults.push(FieldFault::forbidden(path, "may not specify more than 1 handler type"));
    }
    if needs_one_success && probe["successThreshold"].as_i64().is_some_and(|count| count != 1) {
        faults.push(FieldFault::invalid(format!("{path}.successThreshold"), &probe["successThreshold"], "must be 1"));
    }
    for field in ["initialDelaySeconds", "timeoutSeconds", "periodSeconds", "failureThreshold"] {
        if probe[field].as_i64().is_some_and(|number| number < 0) {
            faults.push(FieldFault::invalid(format!("{path}.{field}"), &probe[field], "must be greater than or equal to 0"));
        }
    }
}

/// What may change in a pod that exists.
pub(super) fn update(object: &Value, live: &Value, faults: &mut Vec<FieldFault>) {
    if object["spec"] == live["spec"] {
        return;
    }
    let rest = |value: &Value| -> Value {
        let mut spec = value["spec"].clone();
        for list in ["containers", "initContainers"] {
            for container in spec[list].as_array_mut().into_iter().flatten().filter_map(Value::as_object_mut) {
                container.remove("image");
            }
        }
        if let Some(map) = spec.as_object_mut() {
            for field in ["activeDeadlineSeconds", "tolerations", "terminationGracePeriodSeconds", "schedulingGates"] {
                map.remove(field);
            }
            // The scheduler binds a pod once.
            if live["spec"].get("nodeName").is_none() {
                map.remove("nodeName");
            }
        }
        spec
    };
    if rest(object) != rest(live) {
        let detail = "pod updates may not change fields other than `spec.containers[*].image`,`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)";
        faults.push(FieldFault::forbidden("spec", detail));
    }
}
