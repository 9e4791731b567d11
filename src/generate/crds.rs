//! The CustomResourceDefinitions: from the types of `api` to what `kubectl apply` takes. Never adds a field.
//!
//! What the derived schema cannot know is added here: list keys and atomic maps of embedded Kubernetes types, the pattern
//! of quantities, and which fields the API server requires (the Rust types require none, so that no list fails to parse).
//! Descriptions stay on our fields and go below embedded Kubernetes types, or the CRD would not fit into the annotation
//! that client-side `kubectl apply` keeps (262,144 bytes).

use k8s_openapi::apiextensions_apiserver::pkg::apis::apiextensions::v1::{
    CustomResourceDefinition, JSON, JSONSchemaProps, JSONSchemaPropsOrArray, JSONSchemaPropsOrBool,
};
use kube::CustomResourceExt;

use crate::api::{StarRocksCluster, StarRocksUpgrade, StarRocksVersionCatalog, StarRocksWarehouse};
use crate::yaml::{self, YamlError};

#[cfg(test)]
mod tests;

/// The pattern that the Go operator's CRDs put on quantities.
const QUANTITY_PATTERN: &str =
    r"^(\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))(([KMGTPE]i)|[numkMGTPE]|([eE](\+|-)?(([0-9]+(\.[0-9]*)?)|(\.[0-9]+))))?$";

/// The CRD of StarRocksCluster.
#[must_use]
pub fn starrocks_clusters() -> CustomResourceDefinition {
    finished(StarRocksCluster::crd())
}

/// The CRD of StarRocksWarehouse.
#[must_use]
pub fn starrocks_warehouses() -> CustomResourceDefinition {
    finished(StarRocksWarehouse::crd())
}

/// The CRD of StarRocksVersionCatalog.
#[must_use]
pub fn starrocks_version_catalogs() -> CustomResourceDefinition {
    with_spec(StarRocksVersionCatalog::crd())
}

/// The CRD of StarRocksUpgrade.
#[must_use]
pub fn starrocks_upgrades() -> CustomResourceDefinition {
    with_spec(StarRocksUpgrade::crd())
}

/// The CRD of a kind that no release of any operator had before, so that it can require what it needs.
fn with_spec(crd: CustomResourceDefinition) -> CustomResourceDefinition {
    let mut crd = finished(crd);
    for version in &mut crd.spec.versions {
        if let Some(root) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            root.required = Some(vec!["spec".to_owned()]);
        }
    }
    crd
}

/// Every CRD, in the order in which they are printed.
#[must_use]
pub fn all() -> Vec<CustomResourceDefinition> {
    vec![starrocks_clusters(), starrocks_warehouses(), starrocks_upgrades(), starrocks_version_catalogs()]
}

/// Every CRD as one YAML stream, ready for `kubectl apply`.
///
/// # Errors
/// When the YAML crate cannot print a value, which no CRD contains.
pub fn crds_yaml() -> Result<String, YamlError> {
    all().iter().map(crd_yaml).collect()
}

/// One CRD as a YAML document that begins with its separator.
///
/// # Errors
/// When the YAML crate cannot print a value, which no CRD contains.
pub fn crd_yaml(crd: &CustomResourceDefinition) -> Result<String, YamlError> {
    let mut text = format!("---\n{}", yaml::to_string(crd)?);
    if !text.ends_with('\n') {
        text.push('\n');
    }
    Ok(text)
}

fn finished(mut crd: CustomResourceDefinition) -> CustomResourceDefinition {
    for version in &mut crd.spec.versions {
        if let Some(root) = version.schema.as_mut().and_then(|schema| schema.open_api_v3_schema.as_mut()) {
            // A resource without `spec` is admitted upstream.
            root.required = None;
            finish("", Origin::Ours, root);
        }
    }
    crd
}

/// Whose type a schema describes.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Origin {
    Ours,
    /// Ours, and so are the metrics in it, which elsewhere are an autoscaler's.
    Verdict,
    Kubernetes,
}

/// The fields of ours whose type is Kubernetes'; the field keeps its description, all below lose theirs.
fn origin_below(field: &str, parent: Origin) -> Origin {
    match field {
        "verdict" => Origin::Verdict,
        "metrics" if parent == Origin::Verdict => Origin::Verdict,
        "affinity"
        | "behavior"
        | "beEnvVars"
        | "capabilities"
        | "claims"
        | "cnEnvVars"
        | "csi"
        | "envVars"
        | "feEnvVars"
        | "hostAliases"
        | "hostPath"
        | "imagePullSecrets"
        | "initContainers"
        | "lifecycle"
        | "limits"
        | "metrics"
        | "persistentVolumeClaimRetentionPolicy"
        | "requests"
        | "sidecars"
        | "sysctls"
        | "tolerations"
        | "topologySpreadConstraints"
        | "updateStrategy" => Origin::Kubernetes,
        _ => parent,
    }
}

/// What the API server requires of an object of ours, by the field that holds it (or a list of it). Upstream's, and ours
/// on fields that upstream does not have.
fn required_in(field: &str) -> &'static [&'static str] {
    match field {
        "status" | "starRocksFeStatus" | "starRocksBeStatus" | "starRocksCnStatus" | "starRocksFeProxyStatus" => &["phase"],
        "autoScalingPolicy" => &["maxReplicas"],
        // Of a warehouse, a version catalog and an upgrade; a cluster's spec has no such fields.
        "spec" => &["starRocksCluster", "template", "package", "cluster", "from", "to"],
        "maintenanceWindows" => &["durationMinutes", "start"],
        // Of a canary's verdict; those of an autoscaler have no name.
        "metrics" => &["name"],
        // Of an upgrade.
        "checks" => &["name"],
        "steps" => &["number"],
        // Of a version catalog.
        "channels" => &["entries", "name"],
        "entries" | "releases" => &["version"],
        "deprecations" => &["message"],
        "fe" | "be" | "cn" => &["ref"],
        "removed" | "mutable" => &["component", "key"],
        "renamed" => &["component", "key", "to"],
        "knownIssues" => &["id", "level", "text"],
        "storageVolumes" => &["mountPath", "name"],
        "conditions" => &["lastTransitionTime", "message", "reason", "status", "type"],
        "configuration" => &["component"],
        "credentials" => &["secretName"],
        _ => &[],
    }
}

/// What Kubernetes 1.33 requires and the Kubernetes 0.26 types of the Go operator do not.
fn no_longer_required_in(field: &str) -> Option<&'static str> {
    match field {
        "configMapKeyRef" | "configMapRef" | "imagePullSecrets" | "nodePublishSecretRef" | "secretKeyRef" | "secretRef" => Some("name"),
        "hostAliases" => Some("ip"),
        _ => None,
    }
}

/// Finishes the schema of `field`; for list items and map values `field` is the name of the list or map.
fn finish(field: &str, parent: Origin, schema: &mut JSONSchemaProps) {
    tidy(field, parent, schema);
    require(field, schema);
    int_or_string(field, schema);
    lists_and_maps(field, schema);

    let origin = origin_below(field, parent);
    for (name, property) in schema.properties.iter_mut().flatten() {
        finish(name, origin, property);
    }
    if let Some(JSONSchemaPropsOrArray::Schema(items)) = &mut schema.items {
        items.description = None;
        finish(field, origin, items);
        atomic_items(field, items);
    }
    if let Some(JSONSchemaPropsOrBool::Schema(values)) = &mut schema.additional_properties {
        values.description = None;
        finish(field, origin, values);
    }
}

fn tidy(field: &str, parent: Origin, schema: &mut JSONSchemaProps) {
    schema.title = None;
    schema.description = match parent {
        Origin::Ours | Origin::Verdict => schema.description.take().map(|text| unwrapped(&text)),
        Origin::Kubernetes => None,
    };
    // Upstream's null is "not given", and the API server drops a null only where the schema does not allow it.
    schema.nullable = None;
    if let Some(words) = &mut schema.enum_ {
        words.retain(|word| !word.0.is_null());
    }
    // Defaults live in code, except the two that upstream's schema has: `replicas`, and a key of a list of ports.
    schema.default = match (field, parent) {
        ("replicas", Origin::Ours) => schema.default.take(),
        ("protocol", Origin::Kubernetes) => Some(JSON("TCP".into())),
        _ => None,
    };
    // Kubernetes knows signed formats only.
    if schema.format.as_deref().is_some_and(|format| format.starts_with("uint")) {
        schema.format = None;
    }
}

/// Source lines are wrapped for the editor; `kubectl explain` wraps for its own reader. Paragraphs stay.
fn unwrapped(text: &str) -> String {
    text.split("\n\n").map(|paragraph| paragraph.replace('\n', " ")).collect::<Vec<_>>().join("\n\n")
}

fn require(field: &str, schema: &mut JSONSchemaProps) {
    let Some(properties) = &schema.properties else { return };
    let mut fields = schema.required.take().unwrap_or_default();
    fields.extend(required_in(field).iter().filter(|name| properties.contains_key(**name)).map(|name| (*name).to_owned()));
    fields.retain(|name| no_longer_required_in(field) != Some(name.as_str()));
    schema.required = (!fields.is_empty()).then_some(fields);
}

fn int_or_string(field: &str, schema: &mut JSONSchemaProps) {
    if schema.x_kubernetes_int_or_string != Some(true) {
        return;
    }
    let of_type = |name: &str| JSONSchemaProps { type_: Some(name.to_owned()), ..JSONSchemaProps::default() };
    schema.type_ = None;
    schema.any_of = Some(vec![of_type("integer"), of_type("string")]);
    // Ports may be names and maxUnavailable a percentage; all other such values are quantities.
    schema.pattern = match field {
        "port" | "maxUnavailable" => None,
        // Ours says which texts it takes, beside its numbers.
        "maxUnavailableComputeNodes" => schema.pattern.take(),
        _ => Some(QUANTITY_PATTERN.to_owned()),
    };
}

/// Merge strategies of embedded Kubernetes types, as upstream's CRD has them; k8s-openapi's schemas carry none.
fn lists_and_maps(field: &str, schema: &mut JSONSchemaProps) {
    let is_list = schema.items.is_some();
    match field {
        "claims" if is_list => keyed_by(&["name"], schema),
        "ports" if is_list && container_ports(schema) => keyed_by(&["containerPort", "protocol"], schema),
        "matchLabelKeys" | "mismatchLabelKeys" if is_list => schema.x_kubernetes_list_type = Some("atomic".to_owned()),
        "configMapKeyRef"
        | "configMapRef"
        | "fieldRef"
        | "labelSelector"
        | "namespaceSelector"
        | "nodePublishSecretRef"
        | "preference"
        | "requiredDuringSchedulingIgnoredDuringExecution"
        | "resourceFieldRef"
        | "secretKeyRef"
        | "secretRef"
        | "selector"
            if schema.properties.is_some() && !is_list =>
        {
            schema.x_kubernetes_map_type = Some("atomic".to_owned());
        }
        _ => {}
    }
}

fn atomic_items(field: &str, items: &mut JSONSchemaProps) {
    match field {
        "imagePullSecrets" | "nodeSelectorTerms" => items.x_kubernetes_map_type = Some("atomic".to_owned()),
        // A list's items are visited under the list's name and are not themselves the object of that name.
        "requiredDuringSchedulingIgnoredDuringExecution" => items.x_kubernetes_map_type = None,
        _ => {}
    }
}

fn keyed_by(keys: &[&str], schema: &mut JSONSchemaProps) {
    schema.x_kubernetes_list_type = Some("map".to_owned());
    schema.x_kubernetes_list_map_keys = Some(keys.iter().map(|key| (*key).to_owned()).collect());
}

/// Whether a list called `ports` is that of a container, not of a Service.
fn container_ports(schema: &JSONSchemaProps) -> bool {
    let Some(JSONSchemaPropsOrArray::Schema(items)) = &schema.items else { return false };
    items.properties.as_ref().is_some_and(|properties| properties.contains_key("protocol"))
}
