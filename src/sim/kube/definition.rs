//! CustomResourceDefinitions: reads one into a served kind and writes the conditions that say so; stores nothing.

use std::sync::Arc;

use serde_json::{Value, json};

use super::builtin;
use super::error::{ApiError, FieldFault};
use super::registry::{Column, Origin, Resource, ScalePaths, Version};
use super::schema::Schema;

const GROUP: &str = "apiextensions.k8s.io";
const KIND: &str = "CustomResourceDefinition";

/// 422 for a definition that describes no kind.
pub(super) fn check(definition: &Value) -> Result<(), ApiError> {
    let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_string();
    let (name, group, kind, plural) = (text("/metadata/name"), text("/spec/group"), text("/spec/names/kind"), text("/spec/names/plural"));
    let mut faults = Vec::new();
    for (path, value) in [("spec.group", &group), ("spec.names.kind", &kind), ("spec.names.plural", &plural)] {
        if value.is_empty() {
            faults.push(FieldFault::required(path, ""));
        }
    }
    if name != format!("{plural}.{group}") {
        faults.push(FieldFault::invalid("metadata.name", &json!(name), "must be spec.names.plural+\".\"+spec.group"));
    }
    let versions = definition.pointer("/spec/versions").and_then(Value::as_array);
    for (index, version) in versions.into_iter().flatten().enumerate() {
        if version.pointer("/schema/openAPIV3Schema").is_none() {
            faults.push(FieldFault::required(format!("spec.versions[{index}].schema.openAPIV3Schema"), "schemas are required"));
        }
    }
    if versions.into_iter().flatten().filter(|version| is_stored(version)).count() != 1 {
        let value = definition.pointer("/spec/versions").cloned().unwrap_or_default();
        faults.push(FieldFault::invalid("spec.versions", &value, "must have exactly one version marked as storage version"));
    }
    if faults.is_empty() { Ok(()) } else { Err(ApiError::invalid(GROUP, KIND, &name, &faults)) }
}

/// The kind that a definition describes; 422 if it is incomplete.
pub(super) fn resource(definition: &Value) -> Result<Resource, ApiError> {
    check(definition)?;
    let text = |pointer: &str| definition.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_string();
    let texts = |pointer: &str| -> Vec<String> {
        let list = definition.pointer(pointer).and_then(Value::as_array);
        list.into_iter().flatten().filter_map(Value::as_str).map(str::to_string).collect()
    };
    let (group, kind, plural) = (text("/spec/group"), text("/spec/names/kind"), text("/spec/names/plural"));
    let or = |value: String, fallback: String| if value.is_empty() { fallback } else { value };
    Ok(Resource {
        list_kind: or(text("/spec/names/listKind"), format!("{kind}List")),
        singular: or(text("/spec/names/singular"), kind.to_lowercase()),
        short_names: texts("/spec/names/shortNames"),
        categories: texts("/spec/names/categories"),
        namespaced: text("/spec/scope") == "Namespaced",
        generation: true,
        origin: Origin::Custom,
        versions: versions(definition),
        group,
        kind,
        plural,
    })
}

fn is_stored(version: &Value) -> bool {
    version["storage"] == json!(true)
}

/// Served versions, the stored one first.
fn versions(definition: &Value) -> Vec<Version> {
    let sources = definition.pointer("/spec/versions").and_then(Value::as_array);
    let mut wanted: Vec<&Value> =
        sources.into_iter().flatten().filter(|source| is_stored(source) || source["served"] == json!(true)).collect();
    wanted.sort_by_key(|source| !is_stored(source));
    wanted.into_iter().map(version).collect()
}

fn version(source: &Value) -> Version {
    let schema = source.pointer("/schema/openAPIV3Schema").unwrap_or(&Value::Null);
    let path = |pointer: &str| source.pointer(pointer).and_then(Value::as_str).map(|text| text.trim_start_matches('.').to_string());
    let scale = source.pointer("/subresources/scale").filter(|scale| scale.is_object()).map(|_| ScalePaths {
        spec_replicas: path("/subresources/scale/specReplicasPath").unwrap_or_default(),
        status_replicas: path("/subresources/scale/statusReplicasPath").unwrap_or_default(),
        selector: path("/subresources/scale/labelSelectorPath"),
    });
    let columns = source.get("additionalPrinterColumns").and_then(Value::as_array).into_iter().flatten().map(column).collect();
    Version {
        name: source["name"].as_str().unwrap_or_default().to_string(),
        served: source["served"] == json!(true),
        schema: Arc::new(Schema::for_custom_resource(schema, &builtin::metadata())),
        source: Some(Arc::new(schema.clone())),
        status: source.pointer("/subresources/status").is_some_and(Value::is_object),
        scale,
        columns,
    }
}

fn column(source: &Value) -> Column {
    let text = |field: &str| source[field].as_str().unwrap_or_default().to_string();
    Column {
        name: text("name"),
        kind: text("type"),
        format: text("format"),
        description: text("description"),
        priority: source["priority"].as_i64().unwrap_or(0),
        path: text("jsonPath"),
    }
}

/// Fills in what a definition may leave out.
pub(super) fn complete(definition: &mut Value) {
    let spec = &mut definition["spec"];
    if !spec.is_object() || !spec["names"].is_object() {
        return;
    }
    let kind = spec["names"]["kind"].as_str().unwrap_or_default().to_string();
    for (field, value) in [("singular", kind.to_lowercase()), ("listKind", format!("{kind}List"))] {
        if spec["names"].get(field).is_none() {
            spec["names"][field] = json!(value);
        }
    }
    if spec.get("conversion").is_none() {
        spec["conversion"] = json!({ "strategy": "None" });
    }
}

/// Writes the status of a definition whose kind is served.
pub(super) fn establish(definition: &mut Value, now: &str) {
    if definition.pointer("/metadata/deletionTimestamp").is_some() {
        return;
    }
    let names = definition["spec"]["names"].clone();
    let stored: Vec<Value> = definition
        .pointer("/spec/versions")
        .and_then(Value::as_array)
        .into_iter()
        .flatten()
        .filter(|version| version["storage"] == json!(true))
        .map(|version| version["name"].clone())
        .collect();
    if definition.pointer("/status/acceptedNames") == Some(&names) && definition.pointer("/status/conditions").is_some() {
        return;
    }
    let condition = |kind: &str, reason: &str, message: &str| json!({ "type": kind, "status": "True", "reason": reason, "message": message, "lastTransitionTime": now });
    definition["status"] = json!({
        "acceptedNames": names,
        "storedVersions": stored,
        "conditions": [
            condition("NamesAccepted", "NoConflicts", "no conflicts found"),
            condition("Established", "InitialNamesAccepted", "the initial names have been accepted"),
        ],
    });
}
