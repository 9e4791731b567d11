//! Rules of the built-in kinds that their structure does not show: names, selectors, what may not change; changes nothing.

use std::collections::BTreeSet;
use std::sync::LazyLock;

use regex::Regex;
use serde_json::{Map, Value, json};

use super::error::{FaultKind, FieldFault};
use super::pod_validation;
use super::quantity;
use super::selectors::LabelSelector;
use super::write::Target;

static SUBDOMAIN: LazyLock<Option<Regex>> =
    LazyLock::new(|| Regex::new(r"^[a-z0-9]([-a-z0-9]*[a-z0-9])?(\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*$").ok());
static LABEL_VALUE: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?$").ok());
static QUALIFIED: LazyLock<Option<Regex>> = LazyLock::new(|| Regex::new(r"^([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]$").ok());

const NOT_A_SUBDOMAIN: &str = "a lowercase RFC 1123 subdomain must consist of lower case alphanumeric characters, '-' or '.', and must start and end with an alphanumeric character (e.g. 'example.com', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*')";
const NOT_A_LABEL: &str = "a lowercase RFC 1123 label must consist of lower case alphanumeric characters or '-', and must start and end with an alphanumeric character (e.g. 'my-name',  or '123-abc', regex used for validation is '[a-z0-9]([-a-z0-9]*[a-z0-9])?')";
const NOT_A_SERVICE_NAME: &str = "a DNS-1035 label must consist of lower case alphanumeric characters or '-', start with an alphabetic character, and end with an alphanumeric character (e.g. 'my-name',  or 'abc-123', regex used for validation is '[a-z]([-a-z0-9]*[a-z0-9])?')";
const NOT_A_LABEL_VALUE: &str = "a valid label must be an empty string or consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyValue',  or 'my_value',  or '12345', regex used for validation is '(([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9])?')";
const NOT_A_LABEL_KEY: &str = "name part must consist of alphanumeric characters, '-', '_' or '.', and must start and end with an alphanumeric character (e.g. 'MyName',  or 'my.name',  or '123-abc', regex used for validation is '([A-Za-z0-9][-A-Za-z0-9_.]*)?[A-Za-z0-9]')";
const IMMUTABLE: &str = "field is immutable";

/// All annotations of one object together, in bytes.
const ANNOTATIONS_LIMIT: usize = 256 * 1024;

fn fits(pattern: &LazyLock<Option<Regex>>, text: &str) -> bool {
    pattern.as_ref().is_none_or(|regex| regex.is_match(text))
}

/// Whether a text is a DNS subdomain (dots allowed).
pub(super) fn is_subdomain(text: &str) -> bool {
    text.len() <= 253 && fits(&SUBDOMAIN, text)
}

/// Whether a text is one DNS label.
pub(super) fn is_label(text: &str) -> bool {
    text.len() <= 63 && !text.contains('.') && fits(&SUBDOMAIN, text)
}

/// The fault of a text that should be a DNS label.
pub(super) fn label_fault(path: impl Into<String>, value: &Value) -> FieldFault {
    FieldFault::invalid(path, value, NOT_A_LABEL)
}

/// Rules on metadata that hold for every kind.
pub(super) fn metadata(target: &Target, object: &Value, live: Option<&Value>) -> Vec<FieldFault> {
    let metadata = &object["metadata"];
    let mut faults = Vec::new();
    if live.is_none() {
        name(&target.key.kind, &metadata["name"], &mut faults);
    }
    labels("metadata.labels", &metadata["labels"], &mut faults);
    let size: usize = pairs(&metadata["annotations"]).map(|(key, value)| key.len() + value.as_str().map_or(0, str::len)).sum();
    if size > ANNOTATIONS_LIMIT {
        faults.push(FieldFault::too_long("metadata.annotations", ANNOTATIONS_LIMIT as u64));
    }
    for (index, owner) in metadata["ownerReferences"].as_array().into_iter().flatten().enumerate() {
        for field in ["apiVersion", "kind", "name", "uid"] {
            if owner[field].as_str().unwrap_or_default().is_empty() {
                faults.push(FieldFault::invalid(
                    format!("metadata.ownerReferences[{index}].{field}"),
                    &json!(""),
                    &format!("{field} must not be empty"),
                ));
            }
        }
    }
    let controllers =
        metadata["ownerReferences"].as_array().into_iter().flatten().filter(|owner| owner["controller"] == json!(true)).count();
    if controllers > 1 {
        let detail = "Only one reference can have Controller set to true. Found \"true\" in several references";
        faults.push(FieldFault::invalid("metadata.ownerReferences", &metadata["ownerReferences"], detail));
    }
    if let Some(live) = live.filter(|live| live.pointer("/metadata/deletionTimestamp").is_some()) {
        let before = texts(&live["metadata"]["finalizers"]);
        let added: Vec<String> = texts(&metadata["finalizers"]).into_iter().filter(|finalizer| !before.contains(finalizer)).collect();
        if !added.is_empty() {
            let detail = format!("no new finalizers can be added if the object is being deleted, found new finalizers {added:?}");
            faults.push(FieldFault::forbidden("metadata.finalizers", &detail));
        }
    }
    faults
}

fn texts(value: &Value) -> Vec<String> {
    value.as_array().into_iter().flatten().filter_map(Value::as_str).map(str::to_string).collect()
}

fn pairs(value: &Value) -> impl Iterator<Item = (&String, &Value)> {
    value.as_object().into_iter().flat_map(Map::iter)
}

fn name(kind: &str, value: &Value, faults: &mut Vec<FieldFault>) {
    let text = value.as_str().unwrap_or_default();
    match kind {
        "Namespace" if !is_label(text) => faults.push(FieldFault::invalid("metadata.name", value, NOT_A_LABEL)),
        "Service" if !is_label(text) || text.starts_with(|c: char| c.is_ascii_digit()) => {
            faults.push(FieldFault::invalid("metadata.name", value, NOT_A_SERVICE_NAME));
        }
        "StatefulSet" if !is_label(text) => faults.push(FieldFault::invalid("metadata.name", value, NOT_A_LABEL)),
        // RBAC names are path segments, not DNS names.
        "Role" | "ClusterRole" | "RoleBinding" | "ClusterRoleBinding" => {
            let bad = text.contains(['/', '%']) || text == "." || text == "..";
            faults.extend(bad.then(|| FieldFault::invalid("metadata.name", value, "may not contain '/'")));
        }
        _ if !is_subdomain(text) => faults.push(FieldFault::invalid("metadata.name", value, NOT_A_SUBDOMAIN)),
        _ => {}
    }
}

/// Rules on a map of labels.
pub(super) fn labels(path: &str, value: &Value, faults: &mut Vec<FieldFault>) {
    for (key, value) in pairs(value) {
        let (prefix, local) = key.split_once('/').map_or((None, key.as_str()), |(prefix, local)| (Some(prefix), local));
        if local.len() > 63 || !fits(&QUALIFIED, local) || prefix.is_some_and(|prefix| !is_subdomain(prefix)) {
            faults.push(FieldFault::invalid(path, &json!(key), NOT_A_LABEL_KEY));
        }
        let text = value.as_str().unwrap_or_default();
        if text.len() > 63 {
            faults.push(FieldFault::invalid(path, value, "must be no more than 63 characters"));
        } else if !fits(&LABEL_VALUE, text) {
            faults.push(FieldFault::invalid(path, value, NOT_A_LABEL_VALUE));
        }
    }
}

/// Rules of a built-in kind.
pub(super) fn object(kind: &str, object: &Value, live: Option<&Value>) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    match kind {
        "Pod" => {
            pod_validation::spec("spec", &object["spec"], &mut faults);
            if let Some(live) = live {
                pod_validation::update(object, live, &mut faults);
            }
        }
        "StatefulSet" => {
            update_strategy(object, &mut faults);
            workload(object, &mut faults);
            if let Some(live) = live {
                stateful_set_update(object, live, &mut faults);
            }
        }
        "Deployment" | "ReplicaSet" => {
            workload(object, &mut faults);
            if let Some(live) = live {
                unchanged(object, live, "/spec/selector", &mut faults);
            }
        }
        "Service" => service(object, live, &mut faults),
        "PersistentVolumeClaim" => claim(object, live, &mut faults),
        "ConfigMap" | "Secret" => data(kind, object, live, &mut faults),
        "HorizontalPodAutoscaler" => autoscaler(object, &mut faults),
        "RoleBinding" | "ClusterRoleBinding" if live.is_some_and(|live| live["roleRef"] != object["roleRef"]) => {
            faults.push(FieldFault::invalid("roleRef", &object["roleRef"], "cannot change roleRef"));
        }
        _ => {}
    }
    faults
}

fn unchanged(object: &Value, live: &Value, pointer: &str, faults: &mut Vec<FieldFault>) {
    let (new, old) = (object.pointer(pointer).unwrap_or(&Value::Null), live.pointer(pointer).unwrap_or(&Value::Null));
    if new != old {
        faults.push(FieldFault::invalid(pointer.trim_start_matches('/').replace('/', "."), new, IMMUTABLE));
    }
}

fn workload(object: &Value, faults: &mut Vec<FieldFault>) {
    let spec = &object["spec"];
    if spec["replicas"].as_i64().is_some_and(|replicas| replicas < 0) {
        faults.push(FieldFault::invalid("spec.replicas", &spec["replicas"], "must be greater than or equal to 0"));
    }
    let template_labels = &spec["template"]["metadata"]["labels"];
    match spec.get("selector").map(LabelSelector::from_object) {
        None => faults.push(FieldFault::required("spec.selector", "")),
        Some(Ok(selector)) if selector.is_empty() => {
            faults.push(FieldFault::invalid("spec.selector", &spec["selector"], "empty selector is invalid for statefulset"));
        }
        Some(Ok(selector)) if !selector.matches(template_labels) => {
            let shown = if template_labels.is_null() { &Value::Null } else { template_labels };
            faults.push(FieldFault::invalid("spec.template.metadata.labels", shown, "`selector` does not match template `labels`"));
        }
        Some(Ok(_)) => {}
        Some(Err(error)) => faults.push(FieldFault::invalid("spec.selector", &spec["selector"], &error.message)),
    }
    labels("spec.template.metadata.labels", template_labels, faults);
    if spec.get("template").is_none() {
        faults.push(FieldFault::required("spec.template", ""));
        return;
    }
    let claims: BTreeSet<String> = spec["volumeClaimTemplates"]
        .as_array()
        .into_iter()
        .flatten()
        .filter_map(|claim| claim["metadata"]["name"].as_str().map(str::to_string))
        .collect();
    pod_validation::template_spec("spec.template.spec", &spec["template"]["spec"], &claims, faults);
    if spec["template"]["spec"]["restartPolicy"] != "Always" {
        let policy = &spec["template"]["spec"]["restartPolicy"];
        faults.push(FieldFault::not_supported("spec.template.spec.restartPolicy", policy, &[json!("Always")]));
    }
}

/// Fields of a StatefulSet's spec that may change.
const STATEFUL_SET_MUTABLE: &[&str] = &[
    "replicas",
    "ordinals",
    "template",
    "updateStrategy",
    "revisionHistoryLimit",
    "persistentVolumeClaimRetentionPolicy",
    "minReadySeconds",
];

fn update_strategy(object: &Value, faults: &mut Vec<FieldFault>) {
    let strategy = &object["spec"]["updateStrategy"];
    if strategy["type"] == "OnDelete" && strategy["rollingUpdate"].is_object() {
        // The server shows its internal form of the field.
        let partition = strategy["rollingUpdate"]["partition"].as_i64().unwrap_or(0);
        let shown = format!("{{\"Partition\":{partition},\"MaxUnavailable\":null}}");
        let body = format!("Invalid value: {shown}: only allowed for updateStrategy 'RollingUpdate'");
        faults.push(FieldFault { path: "spec.updateStrategy.rollingUpdate".to_string(), kind: FaultKind::Invalid, body });
    }
}

fn stateful_set_update(object: &Value, live: &Value, faults: &mut Vec<FieldFault>) {
    let rest = |value: &Value| -> Map<String, Value> {
        let mut spec = value["spec"].as_object().cloned().unwrap_or_default();
        spec.retain(|field, _| !STATEFUL_SET_MUTABLE.contains(&field.as_str()));
        spec
    };
    if rest(object) != rest(live) {
        let detail = "updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', 'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are forbidden";
        faults.push(FieldFault::forbidden("spec", detail));
    }
}

fn service(object: &Value, live: Option<&Value>, faults: &mut Vec<FieldFault>) {
    let spec = &object["spec"];
    let ports = spec["ports"].as_array().cloned().unwrap_or_default();
    let headless = spec["clusterIP"] == "None";
    let external = spec["type"] == "ExternalName";
    if ports.is_empty() && !headless && !external {
        faults.push(FieldFault::required("spec.ports", ""));
    }
    if external && spec["externalName"].as_str().unwrap_or_default().is_empty() {
        faults.push(FieldFault::required("spec.externalName", ""));
    }
    if headless && matches!(spec["type"].as_str(), Some("NodePort" | "LoadBalancer")) {
        faults.push(FieldFault::invalid("spec.clusterIPs[0]", &json!("None"), "may not be set to 'None' for LoadBalancer services"));
    }
    let (mut names, mut numbers) = (BTreeSet::new(), BTreeSet::new());
    for (index, port) in ports.iter().enumerate() {
        let path = format!("spec.ports[{index}]");
        let port_name = port["name"].as_str().unwrap_or_default();
        if port_name.is_empty() && ports.len() > 1 {
            faults.push(FieldFault::required(format!("{path}.name"), ""));
        } else if !port_name.is_empty() && !is_label(port_name) {
            faults.push(label_fault(format!("{path}.name"), &port["name"]));
        } else if !port_name.is_empty() && !names.insert(port_name.to_string()) {
            faults.push(FieldFault::duplicate(format!("{path}.name"), &port["name"]));
        }
        if !port["port"].as_i64().is_some_and(|number| (1..=65_535).contains(&number)) {
            faults.push(FieldFault::invalid(format!("{path}.port"), &port["port"], "must be between 1 and 65535, inclusive"));
        }
        let number = json!({ "port": port["port"], "protocol": port["protocol"] });
        if !numbers.insert(number.to_string()) {
            faults.push(FieldFault::duplicate(path, &number));
        }
    }
    labels("spec.selector", &spec["selector"], faults);
    let addresses = |value: &Value| value["spec"]["clusterIPs"].clone();
    if live.is_some_and(|live| live["spec"]["type"] != "ExternalName" && !external && addresses(live) != addresses(object)) {
        faults.push(FieldFault::invalid("spec.clusterIPs[0]", &addresses(object), "may not change once set"));
    }
}

fn claim(object: &Value, live: Option<&Value>, faults: &mut Vec<FieldFault>) {
    let spec = &object["spec"];
    if spec["accessModes"].as_array().is_none_or(Vec::is_empty) {
        faults.push(FieldFault::required("spec.accessModes", "at least 1 access mode is required"));
    }
    let request = |value: &Value| value.pointer("/spec/resources/requests/storage").and_then(Value::as_str).and_then(quantity::nanos);
    match request(object) {
        None => faults.push(FieldFault::required("spec.resources[storage]", "")),
        Some(size) if size <= 0 => {
            let value = &spec["resources"]["requests"]["storage"];
            faults.push(FieldFault::invalid("spec.resources[storage]", value, "must be greater than zero"));
        }
        Some(_) => {}
    }
    let Some(live) = live else { return };
    let rest = |value: &Value| -> Value {
        let mut spec = value["spec"].clone();
        if let Some(map) = spec.as_object_mut() {
            map.remove("resources");
            map.remove("volumeAttributesClassName");
            // Binding fills these in, once.
            for filled in ["volumeName", "storageClassName"] {
                if live["spec"].get(filled).is_none() {
                    map.remove(filled);
                }
            }
        }
        spec
    };
    if rest(object) != rest(live) {
        let detail = "spec is immutable after creation except resources.requests and volumeAttributesClassName for bound claims";
        faults.push(FieldFault::forbidden("spec", detail));
    }
    if request(object) < request(live) {
        faults.push(FieldFault::forbidden("spec.resources.requests.storage", "field can not be less than status.capacity"));
    }
}

fn data(kind: &str, object: &Value, live: Option<&Value>, faults: &mut Vec<FieldFault>) {
    for field in ["data", "binaryData"] {
        for (key, _) in pairs(&object[field]) {
            let bad = key.is_empty() || key.len() > 253 || !key.chars().all(|c| c.is_ascii_alphanumeric() || matches!(c, '-' | '_' | '.'));
            if bad || key == "." || key == ".." {
                let detail = "a valid config key must consist of alphanumeric characters, '-', '_' or '.' (e.g. 'key.name',  or 'KEY_NAME',  or 'key-name', regex used for validation is '[-._a-zA-Z0-9]+')";
                faults.push(FieldFault::invalid(format!("{field}[{key}]"), &json!(key), detail));
            }
        }
    }
    let Some(live) = live else { return };
    if live["immutable"] == json!(true) {
        for field in ["data", "binaryData"] {
            if live[field] != object[field] {
                faults.push(FieldFault::forbidden(field, "field is immutable when `immutable` is set"));
            }
        }
        if object["immutable"] != json!(true) {
            faults.push(FieldFault::forbidden("immutable", "field is immutable when `immutable` is set"));
        }
    }
    if kind == "Secret" {
        unchanged(object, live, "/type", faults);
    }
}

fn autoscaler(object: &Value, faults: &mut Vec<FieldFault>) {
    let spec = &object["spec"];
    let (least, most) = (spec["minReplicas"].as_i64().unwrap_or(1), spec["maxReplicas"].as_i64().unwrap_or(0));
    if least < 1 {
        faults.push(FieldFault::invalid("spec.minReplicas", &spec["minReplicas"], "must be greater than or equal to 1"));
    }
    if most < 1 {
        faults.push(FieldFault::invalid("spec.maxReplicas", &json!(most), "must be greater than 0"));
    } else if most < least {
        faults.push(FieldFault::invalid("spec.maxReplicas", &json!(most), "must be greater than or equal to `minReplicas`"));
    }
    for field in ["kind", "name"] {
        if spec["scaleTargetRef"][field].as_str().unwrap_or_default().is_empty() {
            faults.push(FieldFault::required(format!("spec.scaleTargetRef.{field}"), ""));
        }
    }
}
