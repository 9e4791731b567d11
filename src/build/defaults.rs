//! An object as written or as stored in, the one form that Kubernetes gives all its spellings out; never invents what has no default.
//!
//! Source of the defaults: `pkg/apis/{core,apps,autoscaling}/v1/defaults.go` of Kubernetes 1.33. Which empty values are the
//! same as absent ones follows from the Go types: fields without a pointer are left out when they are zero, fields with one
//! are stored as they are (`readOnlyRootFilesystem: false`, `affinity: {}`).

use serde_json::{Map, Value, json};

use crate::model::Amount;

/// Maps whose keys and values are the user's.
const TEXT_MAPS: [&str; 6] = ["labels", "annotations", "nodeSelector", "matchLabels", "data", "volumeAttributes"];
/// Maps of quantities.
const AMOUNT_MAPS: [&str; 3] = ["limits", "requests", "capacity"];
/// Structures that are the same as absent when empty.
const EMPTY_IS_ABSENT: [&str; 5] = ["resources", "metadata", "status", "updateStrategy", "strategy"];
/// Truth values that are left out when false.
const FALSE_IS_ABSENT: [&str; 8] =
    ["hostNetwork", "hostPID", "hostIPC", "stdin", "stdinOnce", "tty", "readOnly", "publishNotReadyAddresses"];
/// Numbers that are left out when 0.
const ZERO_IS_ABSENT: [&str; 5] = ["initialDelaySeconds", "hostPort", "nodePort", "minReadySeconds", "healthCheckNodePort"];
/// Fields that only the API server writes.
const SERVER_FIELDS: [&str; 6] = ["creationTimestamp", "managedFields", "resourceVersion", "uid", "generation", "selfLink"];

/// An object of any owned kind, pruned and with its defaults.
pub(super) fn of_object(object: Value) -> Value {
    let mut object = pruned_object(object);
    if let Some(fields) = object.as_object_mut() {
        fields.remove("status");
    }
    match object.get("kind").and_then(Value::as_str) {
        Some("StatefulSet") => with_spec(&mut object, stateful_set),
        Some("Deployment") => with_spec(&mut object, deployment),
        Some("Service") => with_spec(&mut object, service),
        Some("HorizontalPodAutoscaler") => with_spec(&mut object, |spec| default(spec, "minReplicas", json!(1))),
        Some(_) | None => {}
    }
    object
}

/// A pod template, pruned and with its defaults.
pub(super) fn of_template(template: Value) -> Value {
    let mut template = pruned_object(template);
    pod_template(&mut template);
    template
}

/// A claim template reduced to its spec, pruned and with its defaults.
pub(super) fn of_claim(claim: &Value) -> Value {
    let mut claim = pruned_object(claim.clone());
    with_spec(&mut claim, |spec| default(spec, "volumeMode", json!("Filesystem")));
    claim.get_mut("spec").map(Value::take).unwrap_or_default()
}

/// The value without what is the same as absent, and with quantities in one spelling.
pub(super) fn pruned_object(mut value: Value) -> Value {
    if !prune(&mut value, "", "") {
        value = Value::Object(Map::new());
    }
    value
}

/// Takes out of a value what is the same as absent; returns whether the value itself is not.
fn prune(value: &mut Value, key: &str, parent: &str) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(truth) => *truth || !FALSE_IS_ABSENT.contains(&key) || parent == "csi",
        Value::Number(number) => number.as_i64() != Some(0) || !ZERO_IS_ABSENT.contains(&key),
        // An empty class means "no dynamic provisioning" and is a pointer.
        Value::String(text) if text.is_empty() => key == "storageClassName",
        Value::String(text) if is_amount(key, parent) => {
            *value = amount(text);
            true
        }
        Value::String(_) => true,
        Value::Array(items) => {
            items.iter_mut().for_each(|item| prune_item(item, key, parent));
            !items.is_empty()
        }
        Value::Object(fields) if TEXT_MAPS.contains(&key) => !fields.is_empty(),
        Value::Object(fields) if AMOUNT_MAPS.contains(&key) => {
            fields.retain(|_, amount| !amount.is_null());
            fields.iter_mut().for_each(|(_, value)| *value = number_as_amount(value));
            !fields.is_empty()
        }
        Value::Object(fields) => {
            fields.retain(|name, field| !(key == "metadata" && SERVER_FIELDS.contains(&name.as_str())) && prune(field, name, key));
            !fields.is_empty() || !EMPTY_IS_ABSENT.contains(&key)
        }
    }
}

/// Items of a list are never left out: their number counts.
fn prune_item(item: &mut Value, key: &str, parent: &str) {
    if !item.is_object() {
        return;
    }
    if !prune(item, key, parent) {
        *item = Value::Object(Map::new());
    }
    if let (Some(fields), "volumeClaimTemplates") = (item.as_object_mut(), key) {
        // Written by some and not by others, and always the same.
        for known in ["apiVersion", "kind", "status"] {
            fields.remove(known);
        }
    }
}

fn is_amount(key: &str, parent: &str) -> bool {
    matches!(key, "sizeLimit" | "averageValue" | "divisor") || (parent == "target" && key == "value")
}

fn amount(text: &str) -> Value {
    Value::String(Amount::parse(text).map_or_else(|| text.to_owned(), |amount| amount.to_string()))
}

fn number_as_amount(value: &Value) -> Value {
    match value {
        Value::String(text) => amount(text),
        Value::Number(number) => amount(&number.to_string()),
        Value::Null | Value::Bool(_) | Value::Array(_) | Value::Object(_) => value.clone(),
    }
}

fn default(object: &mut Value, key: &str, value: Value) {
    if let Some(fields) = object.as_object_mut() {
        fields.entry(key).or_insert(value);
    }
}

fn with_spec(object: &mut Value, apply: impl FnOnce(&mut Value)) {
    if let Some(spec) = object.get_mut("spec") {
        apply(spec);
    }
}

fn each(object: &mut Value, key: &str, apply: impl FnMut(&mut Value)) {
    object.get_mut(key).and_then(Value::as_array_mut).into_iter().flatten().for_each(apply);
}

fn stateful_set(spec: &mut Value) {
    default(spec, "replicas", json!(1));
    default(spec, "podManagementPolicy", json!("OrderedReady"));
    default(spec, "revisionHistoryLimit", json!(10));
    default(spec, "updateStrategy", json!({}));
    if let Some(strategy) = spec.get_mut("updateStrategy") {
        default(strategy, "type", json!("RollingUpdate"));
        if strategy.get("type") == Some(&json!("RollingUpdate")) {
            default(strategy, "rollingUpdate", json!({}));
            strategy.get_mut("rollingUpdate").into_iter().for_each(|rolling| {
                default(rolling, "partition", json!(0));
                // Left out by servers that do not have the field switched on; 1 is what they do.
                default(rolling, "maxUnavailable", json!(1));
            });
        }
    }
    default(spec, "persistentVolumeClaimRetentionPolicy", json!({}));
    if let Some(policy) = spec.get_mut("persistentVolumeClaimRetentionPolicy") {
        default(policy, "whenDeleted", json!("Retain"));
        default(policy, "whenScaled", json!("Retain"));
    }
    spec.get_mut("template").into_iter().for_each(pod_template);
    each(spec, "volumeClaimTemplates", |claim| {
        with_spec(claim, |spec| default(spec, "volumeMode", json!("Filesystem")));
    });
}

fn deployment(spec: &mut Value) {
    default(spec, "replicas", json!(1));
    default(spec, "revisionHistoryLimit", json!(10));
    default(spec, "progressDeadlineSeconds", json!(600));
    default(spec, "strategy", json!({"type": "RollingUpdate", "rollingUpdate": {"maxUnavailable": "25%", "maxSurge": "25%"}}));
    spec.get_mut("template").into_iter().for_each(pod_template);
}

fn service(spec: &mut Value) {
    default(spec, "type", json!("ClusterIP"));
    default(spec, "sessionAffinity", json!("None"));
    default(spec, "internalTrafficPolicy", json!("Cluster"));
    if spec.get("type") != Some(&json!("ClusterIP")) {
        default(spec, "externalTrafficPolicy", json!("Cluster"));
    }
    each(spec, "ports", |port| {
        default(port, "protocol", json!("TCP"));
        let number = port.get("port").cloned().unwrap_or_default();
        default(port, "targetPort", number);
    });
}

fn pod_template(template: &mut Value) {
    with_spec(template, |pod| {
        default(pod, "restartPolicy", json!("Always"));
        default(pod, "dnsPolicy", json!("ClusterFirst"));
        default(pod, "schedulerName", json!("default-scheduler"));
        default(pod, "securityContext", json!({}));
        default(pod, "terminationGracePeriodSeconds", json!(30));
        // The deprecated twin is written by the API server.
        if let Some(fields) = pod.as_object_mut() {
            if fields.get("serviceAccountName").is_none()
                && let Some(account) = fields.get("serviceAccount").cloned()
            {
                fields.insert("serviceAccountName".to_owned(), account);
            }
            fields.remove("serviceAccount");
        }
        each(pod, "volumes", volume);
        each(pod, "containers", container);
        each(pod, "initContainers", container);
    });
}

fn volume(volume: &mut Value) {
    if volume.as_object().is_some_and(|fields| fields.len() == 1) {
        default(volume, "emptyDir", json!({}));
    }
    for source in ["configMap", "secret", "downwardAPI", "projected"] {
        volume.get_mut(source).into_iter().for_each(|source| default(source, "defaultMode", json!(420)));
    }
    if let Some(claim) = volume.pointer_mut("/ephemeral/volumeClaimTemplate") {
        with_spec(claim, |spec| default(spec, "volumeMode", json!("Filesystem")));
    }
}

fn container(container: &mut Value) {
    let policy = if follows_latest(container.get("image").and_then(Value::as_str).unwrap_or_default()) { "Always" } else { "IfNotPresent" };
    default(container, "imagePullPolicy", json!(policy));
    default(container, "terminationMessagePath", json!("/dev/termination-log"));
    default(container, "terminationMessagePolicy", json!("File"));
    each(container, "ports", |port| default(port, "protocol", json!("TCP")));
    each(container, "env", |variable| {
        if let Some(field) = variable.pointer_mut("/valueFrom/fieldRef") {
            default(field, "apiVersion", json!("v1"));
        }
        if let Some(field) = variable.pointer_mut("/valueFrom/resourceFieldRef") {
            default(field, "divisor", json!("0"));
        }
    });
    for name in ["startupProbe", "livenessProbe", "readinessProbe"] {
        if let Some(probe) = container.get_mut(name) {
            default(probe, "timeoutSeconds", json!(1));
            default(probe, "periodSeconds", json!(10));
            default(probe, "successThreshold", json!(1));
            default(probe, "failureThreshold", json!(3));
            http_get(probe);
        }
    }
    for hook in ["/lifecycle/preStop", "/lifecycle/postStart"] {
        container.pointer_mut(hook).into_iter().for_each(http_get);
    }
}

fn http_get(action: &mut Value) {
    if let Some(get) = action.get_mut("httpGet") {
        default(get, "scheme", json!("HTTP"));
        default(get, "path", json!("/"));
    }
}

/// Whether Kubernetes' default pull policy for an image is `Always`.
fn follows_latest(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let name = image.rsplit('/').next().unwrap_or(image);
    name.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}
