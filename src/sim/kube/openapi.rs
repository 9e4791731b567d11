//! OpenAPI documents for kubectl: an index, and per group and version the schemas and the paths kubectl looks at; reads the registry only.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::builtin;
use super::discovery::group_versions;
use super::registry::{Origin, Registry, Resource, Version};

/// `/openapi/v3`.
pub(super) fn index(registry: &Registry, revision: u64) -> Value {
    let mut paths = Map::new();
    for (group, version) in group_versions(registry) {
        let path = if group.is_empty() { format!("api/{version}") } else { format!("apis/{group}/{version}") };
        let url = format!("/openapi/v3/{path}?hash={revision:016X}");
        paths.insert(path, json!({ "serverRelativeURL": url }));
    }
    json!({ "paths": paths })
}

/// `/openapi/v2`: enough to be read, since every client that matters asks for version 3 first.
pub(super) fn version_2() -> Value {
    json!({ "swagger": "2.0", "info": { "title": "Kubernetes", "version": "v1.36.0" }, "paths": {}, "definitions": {} })
}

/// `/openapi/v3/api/v1` and `/openapi/v3/apis/GROUP/VERSION`.
pub(super) fn group_version(registry: &Registry, group: &str, version: &str) -> Option<Value> {
    let mut paths = Map::new();
    let mut schemas: BTreeMap<String, Value> = BTreeMap::new();
    for resource in registry.iter().filter(|resource| resource.group == group) {
        if let Some(served) = resource.version(version) {
            let name = add_schemas(resource, served, &mut schemas);
            add_paths(resource, served, &name, &mut paths);
        }
    }
    if paths.is_empty() && group != "events.k8s.io" {
        return None;
    }
    let info = json!({ "title": "Kubernetes", "version": "v1.36.0" });
    Some(json!({ "openapi": "3.0.0", "info": info, "paths": paths, "components": { "schemas": schemas } }))
}

fn add_schemas(resource: &Arc<Resource>, version: &Version, schemas: &mut BTreeMap<String, Value>) -> String {
    let definitions = builtin::definitions();
    let identity = json!([{ "group": resource.group, "version": version.name, "kind": resource.kind }]);
    let (name, mut schema) = match (resource.origin, &version.source) {
        (Origin::Custom, source) => {
            let reversed: Vec<&str> = resource.group.split('.').rev().collect();
            let name = format!("{}.{}.{}", reversed.join("."), version.name, resource.kind);
            (name, custom_schema(source.as_deref()))
        }
        (Origin::BuiltIn, _) => {
            let name = builtin::definition_of(&resource.kind).unwrap_or_default();
            let schema = definitions.get(&name).cloned().unwrap_or_default();
            (name, schema)
        }
    };
    schema["x-kubernetes-group-version-kind"] = identity;
    let mut wanted = BTreeSet::new();
    let schema = adapt(&schema, &mut wanted);
    schemas.insert(name.clone(), schema);
    while let Some(next) = wanted.pop_first() {
        if schemas.contains_key(&next) {
            continue;
        }
        let schema = adapt(definitions.get(&next).unwrap_or(&Value::Null), &mut wanted);
        schemas.insert(next, schema);
    }
    name
}

fn custom_schema(source: Option<&Value>) -> Value {
    let mut schema = source.cloned().unwrap_or_else(|| json!({ "type": "object" }));
    let text = |description: &str| json!({ "type": "string", "description": description });
    if !schema["properties"].is_object() {
        schema["properties"] = json!({});
    }
    schema["properties"]["apiVersion"] = text("APIVersion defines the versioned schema of this representation of an object.");
    schema["properties"]["kind"] = text("Kind is a string value representing the REST resource this object represents.");
    schema["properties"]["metadata"] =
        json!({ "$ref": "#/$defs/io.k8s.apimachinery.pkg.apis.meta.v1.ObjectMeta", "description": "Standard object's metadata." });
    schema
}

/// References the way OpenAPI 3 writes them (`description` beside a bare `$ref` would be lost), remembering what is referenced.
fn adapt(schema: &Value, wanted: &mut BTreeSet<String>) -> Value {
    match schema {
        Value::Object(map) => {
            let mut adapted = Map::new();
            for (key, value) in map {
                match (key.as_str(), value) {
                    ("$ref", Value::String(reference)) => {
                        let name = reference.rsplit('/').next().unwrap_or(reference).to_string();
                        adapted.insert("allOf".to_string(), json!([{ "$ref": format!("#/components/schemas/{name}") }]));
                        wanted.insert(name);
                    }
                    ("x-kubernetes-validations", _) => {}
                    _ => {
                        adapted.insert(key.clone(), adapt(value, wanted));
                    }
                }
            }
            Value::Object(adapted)
        }
        Value::Array(items) => items.iter().map(|item| adapt(item, wanted)).collect(),
        other => other.clone(),
    }
}

/// Kubectl looks in these paths for the group, version and kind and for the query parameters that a server understands.
fn add_paths(resource: &Resource, version: &Version, schema: &str, paths: &mut Map<String, Value>) {
    let root =
        if resource.group.is_empty() { format!("/api/{}", version.name) } else { format!("/apis/{}/{}", resource.group, version.name) };
    let collection = if resource.namespaced {
        format!("{root}/namespaces/{{namespace}}/{}", resource.plural)
    } else {
        format!("{root}/{}", resource.plural)
    };
    let identity = json!({ "group": resource.group, "version": version.name, "kind": resource.kind });
    let parameter = |name: &str, kind: &str| json!({ "name": name, "in": "query", "schema": { "type": kind, "uniqueItems": true } });
    let writes = json!([parameter("dryRun", "string"), parameter("fieldManager", "string"), parameter("fieldValidation", "string")]);
    let applies = json!([
        parameter("dryRun", "string"),
        parameter("fieldManager", "string"),
        parameter("fieldValidation", "string"),
        parameter("force", "boolean"),
    ]);
    let answer = json!({ "200": { "description": "OK", "content": { "application/json": { "schema": { "$ref": format!("#/components/schemas/{schema}") } } } } });
    let operation = |action: &str, parameters: &Value| json!({ "x-kubernetes-action": action, "x-kubernetes-group-version-kind": identity, "parameters": parameters, "responses": answer });
    let none = json!([]);
    paths.insert(collection.clone(), json!({ "get": operation("list", &none), "post": operation("post", &writes) }));
    paths.insert(
        format!("{collection}/{{name}}"),
        json!({
            "get": operation("get", &none), "put": operation("put", &writes), "patch": operation("patch", &applies),
            "delete": operation("delete", &json!([parameter("dryRun", "string")])),
        }),
    );
}
