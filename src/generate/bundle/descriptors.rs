//! From a schema to the descriptors by which a console shows and asks for each field; words come from the doc comments, the widget from the type and a short table.

use std::collections::BTreeSet;

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{JSONSchemaProps, JSONSchemaPropsOrArray};
use serde_json::{Value, json};

/// Which part of a resource descriptors are for: a console knows other widgets for each.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Part {
    Spec,
    Status,
}

/// What stands before the others, in this order, wherever it occurs; the others follow by name.
const FIRST: [&str; 24] = [
    "version",
    "channel",
    "cluster",
    "from",
    "to",
    "starRocksCluster",
    "phase",
    "reason",
    "message",
    "conditions",
    "starRocksFeSpec",
    "starRocksBeSpec",
    "starRocksCnSpec",
    "starRocksFeProxySpec",
    "template",
    "upgradePolicy",
    "name",
    "replicas",
    "image",
    "storageVolumes",
    "limits",
    "requests",
    "configMapInfo",
    "service",
];

/// What folds away at the bottom of a form, because its default is right for nearly everybody.
const ADVANCED: [&str; 36] = [
    "affinity",
    "annotations",
    "args",
    "capabilities",
    "claims",
    "command",
    "configMaps",
    "consents",
    "csi",
    "disasterRecovery",
    "ephemeral",
    "hostAliases",
    "hostPath",
    "imagePullPolicy",
    "imagePullSecrets",
    "initContainers",
    "lifecycle",
    "livenessProbeFailureSeconds",
    "minReadySeconds",
    "nodeSelector",
    "persistentVolumeClaimRetentionPolicy",
    "podLabels",
    "podManagementPolicy",
    "readOnlyRootFilesystem",
    "readinessProbeFailureSeconds",
    "resolver",
    "schedulerName",
    "secrets",
    "shareProcessNamespace",
    "sidecars",
    "startupProbeFailureSeconds",
    "sysctls",
    "terminationGracePeriodSeconds",
    "tolerations",
    "topologySpreadConstraints",
    "updateStrategy",
];

/// Widgets that the type does not say, by the end of the path in the spec.
const SPEC_WIDGETS: [(&str, &str); 15] = [
    ("affinity.nodeAffinity", "com.tectonic.ui:nodeAffinity"),
    ("affinity.podAffinity", "com.tectonic.ui:podAffinity"),
    ("affinity.podAntiAffinity", "com.tectonic.ui:podAntiAffinity"),
    ("autoScalingPolicy.maxReplicas", "com.tectonic.ui:podCount"),
    ("autoScalingPolicy.minReplicas", "com.tectonic.ui:podCount"),
    ("configMapInfo.configMapName", "io.kubernetes:ConfigMap"),
    ("configMaps[0].name", "io.kubernetes:ConfigMap"),
    ("credentials.secretName", "io.kubernetes:Secret"),
    ("imagePullPolicy", "com.tectonic.ui:imagePullPolicy"),
    ("replicas", "com.tectonic.ui:podCount"),
    ("secrets[0].name", "io.kubernetes:Secret"),
    // Deprecated, and read by nobody: a form does not ask for it.
    ("^serviceAccount", "com.tectonic.ui:hidden"),
    ("serviceAccount", "io.kubernetes:ServiceAccount"),
    ("storageVolumes[0].storageClassName", "io.kubernetes:StorageClass"),
    // Kept for resources of the Go operator, and read by nobody.
    ("autoScalingPolicy.version", "com.tectonic.ui:hidden"),
];

/// The same in the status.
const STATUS_WIDGETS: [(&str, &str); 8] = [
    ("^conditions", "io.kubernetes.conditions"),
    ("horizontalScaler.name", "io.kubernetes:HorizontalPodAutoscaler"),
    // Deprecated, and never written.
    ("hpaName", "com.tectonic.ui:hidden"),
    ("phase", "io.kubernetes.phase"),
    ("reason", "io.kubernetes.phase:reason"),
    ("replicas", "com.tectonic.ui:podCount"),
    ("selector", "com.tectonic.ui:hidden"),
    ("serviceName", "io.kubernetes:Service"),
];

/// Fields that a form shows only while another one, beside them or above, has a value: end of the path, that field, its value.
const DEPENDENCIES: [(&str, &str, &str); 4] = [
    ("disasterRecovery.generation", "disasterRecovery.enabled", "true"),
    ("service.loadBalancerIP", "service.type", "LoadBalancer"),
    ("service.loadBalancerSourceRanges", "service.type", "LoadBalancer"),
    ("storageVolumes[0].csi", "storageVolumes[0].storageClassName", "csi"),
];

/// Names that are not made of the words of the field's.
const NAMES: [(&str, &str); 24] = [
    ("beEnvVars", "Environment variables"),
    ("cancel", "Give up"),
    ("claims", "Resource claims"),
    ("cnEnvVars", "Environment variables"),
    ("configMapInfo", "Configuration file"),
    ("csi", "CSI volume"),
    ("cves", "CVEs"),
    ("envVars", "Environment variables"),
    ("feEnvVars", "Environment variables"),
    ("hostPath", "Directory of the node"),
    ("limits", "Resource limits"),
    ("podManagementPolicy", "Order of pod creation"),
    ("ref", "Reference"),
    ("requests", "Resource requests"),
    ("starRocksBeSpec", "Backends (BE)"),
    ("starRocksBeStatus", "Backends (BE)"),
    ("starRocksCluster", "StarRocks cluster"),
    ("starRocksCnSpec", "Compute nodes (CN)"),
    ("starRocksCnStatus", "Compute nodes (CN)"),
    ("starRocksFeProxySpec", "Frontend proxy"),
    ("starRocksFeProxyStatus", "Frontend proxy"),
    ("starRocksFeSpec", "Frontends (FE)"),
    ("starRocksFeStatus", "Frontends (FE)"),
    ("template", "Compute nodes (CN)"),
];

/// Words of field names that are abbreviations.
const ABBREVIATIONS: [&str; 10] = ["be", "cn", "fe", "hpa", "id", "ip", "rpc", "sql", "ui", "url"];

/// A descriptor for every field that has words of its own, parents before children; of the status without the items of lists, which consoles do not show one by one.
pub(super) fn of(part: Part, schema: &JSONSchemaProps) -> Vec<Value> {
    let mut found = Vec::new();
    below("", part, schema, &mut found);
    found
}

fn below(path: &str, part: Part, schema: &JSONSchemaProps, found: &mut Vec<Value>) {
    let mut fields: Vec<(&String, &JSONSchemaProps)> = schema.properties.iter().flatten().collect();
    fields.sort_by_key(|(name, _)| FIRST.iter().position(|first| first == name).unwrap_or(FIRST.len()));
    for (name, field) in fields {
        let path = if path.is_empty() { name.clone() } else { format!("{path}.{name}") };
        if let Some(description) = words_of(&path, field) {
            found.push(descriptor(&path, name, part, field, &description));
        }
        below(&path, part, field, found);
        if let (Part::Spec, Some(JSONSchemaPropsOrArray::Schema(items))) = (part, &field.items) {
            below(&format!("{path}[0]"), part, items, found);
        }
    }
}

/// Kubernetes' own types have no words in our schemas; those with a widget of their own get some.
fn words_of(path: &str, field: &JSONSchemaProps) -> Option<String> {
    if let Some(description) = field.description.clone().filter(|text| !text.is_empty()) {
        return Some(description);
    }
    match path.rsplit('.').next() {
        Some("nodeAffinity") => Some("Which nodes the pods seek.".to_owned()),
        Some("podAffinity") => Some("Which pods the pods seek to be near.".to_owned()),
        Some("podAntiAffinity") => Some("Which pods the pods avoid.".to_owned()),
        _ => None,
    }
    .filter(|_| path.contains("ffinity."))
}

fn descriptor(path: &str, name: &str, part: Part, field: &JSONSchemaProps, description: &str) -> Value {
    let mut descriptor = json!({ "path": path, "displayName": display_name(name), "description": description });
    let urns: Vec<String> = widgets(path, name, part, field).into_iter().map(|widget| format!("urn:alm:descriptor:{widget}")).collect();
    if !urns.is_empty() {
        descriptor["x-descriptors"] = urns.into();
    }
    descriptor
}

fn widgets(path: &str, name: &str, part: Part, field: &JSONSchemaProps) -> Vec<String> {
    let table: &[(&str, &str)] = if part == Part::Spec { &SPEC_WIDGETS } else { &STATUS_WIDGETS };
    let mut widgets: Vec<String> = match table.iter().find(|(end, _)| ends(path, end)) {
        Some((_, widget)) => vec![(*widget).to_owned()],
        None => by_type(part, field),
    };
    if part == Part::Spec {
        if ADVANCED.contains(&name) {
            widgets.push("com.tectonic.ui:advanced".to_owned());
        }
        widgets.extend(DEPENDENCIES.iter().filter(|(end, ..)| ends(path, end)).map(|(end, other, value)| {
            let above = path.strip_suffix(end).unwrap_or_default();
            format!("com.tectonic.ui:fieldDependency:{above}{other}:{value}")
        }));
    }
    widgets
}

/// Whether a path ends with whole names; `^` is its beginning.
fn ends(path: &str, end: &str) -> bool {
    match end.strip_prefix('^') {
        Some(whole) => path == whole,
        None => path.strip_suffix(end).is_some_and(|before| before.is_empty() || before.ends_with('.')),
    }
}

fn by_type(part: Part, field: &JSONSchemaProps) -> Vec<String> {
    let scalar = matches!(field.type_.as_deref(), Some("string" | "integer" | "number" | "boolean"))
        || field.x_kubernetes_int_or_string == Some(true);
    match (part, field.type_.as_deref(), &field.enum_) {
        (Part::Status, ..) if scalar => vec!["text".to_owned()],
        (Part::Status, ..) => Vec::new(),
        (_, Some("boolean"), _) => vec!["com.tectonic.ui:booleanSwitch".to_owned()],
        (_, Some("string"), Some(words)) => {
            words.iter().filter_map(|word| word.0.as_str()).map(|word| format!("com.tectonic.ui:select:{word}")).collect()
        }
        (_, Some("integer" | "number"), _) => vec!["com.tectonic.ui:number".to_owned()],
        _ if scalar => vec!["com.tectonic.ui:text".to_owned()],
        _ => Vec::new(),
    }
}

/// A name for people: from a table, or the words of the field's name.
fn display_name(field: &str) -> String {
    if let Some((_, name)) = NAMES.iter().find(|(known, _)| *known == field) {
        return (*name).to_owned();
    }
    let mut words: Vec<String> = Vec::new();
    let mut before = ' ';
    for letter in field.chars() {
        if words.is_empty() || (letter.is_uppercase() && !before.is_uppercase()) {
            words.push(String::new());
        }
        if let Some(word) = words.last_mut() {
            word.push(letter.to_ascii_lowercase());
        }
        before = letter;
    }
    let abbreviations: BTreeSet<&str> = ABBREVIATIONS.into();
    for (index, word) in words.iter_mut().enumerate() {
        if abbreviations.contains(word.as_str()) {
            word.make_ascii_uppercase();
        } else if index == 0
            && let Some(first) = word.get_mut(..1)
        {
            first.make_ascii_uppercase();
        }
    }
    words.join(" ")
}
