//! Defaults of the built-in kinds: a table by type, and the few that depend on other fields; fills in, never refuses.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde_json::{Map, Value, json};

use super::schema::Schema;

/// Type, field, default as JSON. Source: `SetDefaults_*` in Kubernetes' `pkg/apis/*/v1/defaults.go`.
const TABLE: &[(&str, &str, &str)] = &[
    ("core.v1.PodSpec", "restartPolicy", r#""Always""#),
    ("core.v1.PodSpec", "dnsPolicy", r#""ClusterFirst""#),
    ("core.v1.PodSpec", "schedulerName", r#""default-scheduler""#),
    ("core.v1.PodSpec", "securityContext", "{}"),
    ("core.v1.PodSpec", "terminationGracePeriodSeconds", "30"),
    ("core.v1.Container", "terminationMessagePath", r#""/dev/termination-log""#),
    ("core.v1.Container", "terminationMessagePolicy", r#""File""#),
    ("core.v1.Container", "resources", "{}"),
    ("core.v1.EphemeralContainer", "terminationMessagePath", r#""/dev/termination-log""#),
    ("core.v1.EphemeralContainer", "terminationMessagePolicy", r#""File""#),
    ("core.v1.ContainerPort", "protocol", r#""TCP""#),
    ("core.v1.Probe", "timeoutSeconds", "1"),
    ("core.v1.Probe", "periodSeconds", "10"),
    ("core.v1.Probe", "successThreshold", "1"),
    ("core.v1.Probe", "failureThreshold", "3"),
    ("core.v1.HTTPGetAction", "path", r#""/""#),
    ("core.v1.HTTPGetAction", "scheme", r#""HTTP""#),
    ("core.v1.GRPCAction", "service", r#""""#),
    ("core.v1.ObjectFieldSelector", "apiVersion", r#""v1""#),
    ("core.v1.ResourceFieldSelector", "divisor", r#""0""#),
    ("core.v1.SecretVolumeSource", "defaultMode", "420"),
    ("core.v1.ConfigMapVolumeSource", "defaultMode", "420"),
    ("core.v1.DownwardAPIVolumeSource", "defaultMode", "420"),
    ("core.v1.ProjectedVolumeSource", "defaultMode", "420"),
    ("core.v1.ServiceAccountTokenProjection", "expirationSeconds", "3600"),
    ("core.v1.HostPathVolumeSource", "type", r#""""#),
    ("core.v1.PersistentVolumeClaimSpec", "volumeMode", r#""Filesystem""#),
    ("core.v1.PersistentVolumeSpec", "volumeMode", r#""Filesystem""#),
    ("core.v1.PersistentVolumeSpec", "persistentVolumeReclaimPolicy", r#""Retain""#),
    ("core.v1.ServiceSpec", "sessionAffinity", r#""None""#),
    ("core.v1.ServiceSpec", "type", r#""ClusterIP""#),
    ("core.v1.ServicePort", "protocol", r#""TCP""#),
    ("core.v1.ClientIPConfig", "timeoutSeconds", "10800"),
    ("core.v1.EndpointPort", "protocol", r#""TCP""#),
    ("core.v1.Secret", "type", r#""Opaque""#),
    ("discovery.v1.EndpointPort", "protocol", r#""TCP""#),
    ("discovery.v1.EndpointPort", "name", r#""""#),
    ("apps.v1.StatefulSetSpec", "podManagementPolicy", r#""OrderedReady""#),
    ("apps.v1.StatefulSetSpec", "replicas", "1"),
    ("apps.v1.StatefulSetSpec", "revisionHistoryLimit", "10"),
    ("apps.v1.StatefulSetSpec", "updateStrategy", r#"{"type":"RollingUpdate"}"#),
    ("apps.v1.StatefulSetSpec", "persistentVolumeClaimRetentionPolicy", "{}"),
    ("apps.v1.StatefulSetUpdateStrategy", "type", r#""RollingUpdate""#),
    ("apps.v1.RollingUpdateStatefulSetStrategy", "partition", "0"),
    ("apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy", "whenDeleted", r#""Retain""#),
    ("apps.v1.StatefulSetPersistentVolumeClaimRetentionPolicy", "whenScaled", r#""Retain""#),
    ("apps.v1.DeploymentSpec", "replicas", "1"),
    ("apps.v1.DeploymentSpec", "revisionHistoryLimit", "10"),
    ("apps.v1.DeploymentSpec", "progressDeadlineSeconds", "600"),
    ("apps.v1.DeploymentSpec", "strategy", r#"{"type":"RollingUpdate"}"#),
    ("apps.v1.DeploymentStrategy", "type", r#""RollingUpdate""#),
    ("apps.v1.RollingUpdateDeployment", "maxSurge", r#""25%""#),
    ("apps.v1.RollingUpdateDeployment", "maxUnavailable", r#""25%""#),
    ("apps.v1.ReplicaSetSpec", "replicas", "1"),
    ("autoscaling.v2.HorizontalPodAutoscalerSpec", "minReplicas", "1"),
    ("storage.v1.StorageClass", "reclaimPolicy", r#""Delete""#),
    ("storage.v1.StorageClass", "volumeBindingMode", r#""Immediate""#),
    ("rbac.v1.RoleRef", "apiGroup", r#""rbac.authorization.k8s.io""#),
];

static DEFAULTS: LazyLock<BTreeMap<&str, Vec<(&str, Value)>>> = LazyLock::new(|| {
    let mut by_type: BTreeMap<&str, Vec<(&str, Value)>> = BTreeMap::new();
    for (type_name, field, text) in TABLE {
        by_type.entry(type_name).or_default().push((field, serde_json::from_str(text).unwrap_or_default()));
    }
    by_type
});

/// Fills in the defaults of a built-in object.
pub(super) fn fill(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(map) => {
            if let Some(short) = schema.type_name.as_deref().and_then(|name| name.strip_prefix("io.k8s.api.")) {
                before_children(short, map);
                for (field, default) in DEFAULTS.get(short).into_iter().flatten() {
                    if !map.contains_key(*field) {
                        map.insert((*field).to_string(), default.clone());
                    }
                }
            }
            for (name, child) in map.iter_mut() {
                if let Some(schema) = schema.field(name).filter(|schema| !schema.is_open()) {
                    fill(child, schema);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = &schema.items {
                list.iter_mut().for_each(|item| fill(item, items));
            }
        }
        _ => {}
    }
}

fn text<'a>(map: &'a Map<String, Value>, field: &str) -> &'a str {
    map.get(field).and_then(Value::as_str).unwrap_or_default()
}

fn put(map: &mut Map<String, Value>, field: &str, value: Value) {
    if !map.contains_key(field) {
        map.insert(field.to_string(), value);
    }
}

/// Defaults that depend on other fields of the same object; they come before those of the objects inside.
fn before_children(type_name: &str, map: &mut Map<String, Value>) {
    match type_name {
        "core.v1.Container" | "core.v1.EphemeralContainer" => {
            let policy = if pulls_always(text(map, "image")) { "Always" } else { "IfNotPresent" };
            put(map, "imagePullPolicy", json!(policy));
        }
        "core.v1.Volume" if map.len() == 1 => put(map, "emptyDir", json!({})),
        "core.v1.PodSpec" => mirror_service_account(map),
        "core.v1.Pod" => pod(map),
        "core.v1.ServicePort" => {
            if let Some(port) = map.get("port").cloned() {
                put(map, "targetPort", port);
            }
        }
        "core.v1.ServiceSpec" => service(map),
        "core.v1.Secret" => encode_string_data(map),
        "apps.v1.StatefulSetUpdateStrategy" if matches!(text(map, "type"), "" | "RollingUpdate") => put(map, "rollingUpdate", json!({})),
        "apps.v1.DeploymentStrategy" if matches!(text(map, "type"), "" | "RollingUpdate") => put(map, "rollingUpdate", json!({})),
        "apps.v1.StatefulSetSpec" => claim_templates(map),
        "autoscaling.v2.HorizontalPodAutoscalerSpec" => {
            put(
                map,
                "metrics",
                json!([{ "type": "Resource", "resource": { "name": "cpu", "target": { "type": "Utilization", "averageUtilization": 80 } } }]),
            );
        }
        "autoscaling.v2.HorizontalPodAutoscalerBehavior" => autoscaler_behavior(map),
        "rbac.v1.Subject" => {
            let group = if text(map, "kind") == "ServiceAccount" { "" } else { "rbac.authorization.k8s.io" };
            if !group.is_empty() {
                put(map, "apiGroup", json!(group));
            }
        }
        _ => {}
    }
}

/// An image without a tag and without a digest, or with the tag `latest`, is pulled always.
fn pulls_always(image: &str) -> bool {
    if image.contains('@') {
        return false;
    }
    let last = image.rsplit('/').next().unwrap_or(image);
    last.split_once(':').is_none_or(|(_, tag)| tag == "latest")
}

fn mirror_service_account(map: &mut Map<String, Value>) {
    let (new, old) = (text(map, "serviceAccountName").to_string(), text(map, "serviceAccount").to_string());
    let account = if new.is_empty() { old } else { new };
    if !account.is_empty() {
        map.insert("serviceAccountName".to_string(), json!(account));
        map.insert("serviceAccount".to_string(), json!(account));
    }
}

/// What only pods get, not templates: admission plugins of a default cluster are part of it.
fn pod(map: &mut Map<String, Value>) {
    let Some(spec) = map.get_mut("spec").and_then(Value::as_object_mut) else { return };
    put(spec, "enableServiceLinks", json!(true));
    put(spec, "priority", json!(0));
    put(spec, "preemptionPolicy", json!("PreemptLowerPriority"));
    if text(spec, "serviceAccount").is_empty() {
        put(spec, "serviceAccountName", json!("default"));
    }
    let tolerations = spec.entry("tolerations").or_insert_with(|| json!([]));
    for key in ["node.kubernetes.io/not-ready", "node.kubernetes.io/unreachable"] {
        let tolerated = |toleration: &Value| matches!(toleration["key"].as_str(), Some("") | None) || toleration["key"] == key;
        if let Some(list) = tolerations.as_array_mut().filter(|list| !list.iter().any(tolerated)) {
            list.push(json!({ "key": key, "operator": "Exists", "effect": "NoExecute", "tolerationSeconds": 300 }));
        }
    }
    for list in ["containers", "initContainers"] {
        for container in spec.get_mut(list).and_then(Value::as_array_mut).into_iter().flatten() {
            request_what_is_limited(container);
        }
    }
}

fn request_what_is_limited(container: &mut Value) {
    let limits = container.pointer("/resources/limits").and_then(Value::as_object).cloned().unwrap_or_default();
    for (name, limit) in limits {
        if container["resources"]["requests"].get(&name).is_none() {
            container["resources"]["requests"][name] = limit;
        }
    }
}

fn service(map: &mut Map<String, Value>) {
    let kind = text(map, "type").to_string();
    if kind == "ExternalName" {
        return;
    }
    put(map, "internalTrafficPolicy", json!("Cluster"));
    put(map, "ipFamilies", json!(["IPv4"]));
    put(map, "ipFamilyPolicy", json!("SingleStack"));
    if matches!(kind.as_str(), "NodePort" | "LoadBalancer") {
        put(map, "externalTrafficPolicy", json!("Cluster"));
    }
    if kind == "LoadBalancer" {
        put(map, "allocateLoadBalancerNodePorts", json!(true));
    }
    if text(map, "sessionAffinity") == "ClientIP" {
        put(map, "sessionAffinityConfig", json!({ "clientIP": {} }));
    }
}

fn encode_string_data(map: &mut Map<String, Value>) {
    let Some(Value::Object(plain)) = map.remove("stringData") else { return };
    let data = map.entry("data").or_insert_with(|| json!({}));
    for (key, value) in plain {
        data[key] = json!(base64(value.as_str().unwrap_or_default().as_bytes()));
    }
}

/// Standard base64 with padding.
pub(super) fn base64(bytes: &[u8]) -> String {
    const LETTERS: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut text = String::with_capacity(bytes.len().div_ceil(3) * 4);
    for chunk in bytes.chunks(3) {
        let word = chunk.iter().fold(0_u32, |word, byte| (word << 8) | u32::from(*byte)) << (8 * (3 - chunk.len()));
        for position in 0..4 {
            let index = (word >> (18 - 6 * position)) & 63;
            let letter = LETTERS.get(index as usize).copied().unwrap_or(b'=');
            text.push(if position <= chunk.len() { char::from(letter) } else { '=' });
        }
    }
    text
}

fn claim_templates(map: &mut Map<String, Value>) {
    for template in map.get_mut("volumeClaimTemplates").and_then(Value::as_array_mut).into_iter().flatten().filter_map(Value::as_object_mut)
    {
        put(template, "apiVersion", json!("v1"));
        put(template, "kind", json!("PersistentVolumeClaim"));
        template.insert("status".to_string(), json!({ "phase": "Pending" }));
    }
}

fn autoscaler_behavior(map: &mut Map<String, Value>) {
    let policy = |kind: &str, value: i64| json!({ "type": kind, "value": value, "periodSeconds": 15 });
    let up = map.entry("scaleUp").or_insert_with(|| json!({}));
    if let Some(up) = up.as_object_mut() {
        put(up, "stabilizationWindowSeconds", json!(0));
        put(up, "selectPolicy", json!("Max"));
        put(up, "policies", json!([policy("Pods", 4), policy("Percent", 100)]));
    }
    let down = map.entry("scaleDown").or_insert_with(|| json!({}));
    if let Some(down) = down.as_object_mut() {
        put(down, "selectPolicy", json!("Max"));
        put(down, "policies", json!([policy("Percent", 100)]));
    }
}
