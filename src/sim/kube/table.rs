//! Objects as kubectl prints them: `meta.k8s.io/v1` Tables with the columns of the kind; changes nothing.

use serde_json::{Value, json};

use super::columns;
use super::json_path;
use super::registry::{Column, Origin, Resource, Version};
use crate::model::Timestamp;

/// How much of each object comes with its row.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attached {
    /// Nothing.
    Nothing,
    /// Its metadata.
    Metadata,
    /// All of it.
    Object,
}

impl Attached {
    /// Reads `includeObject`.
    pub fn from_query(text: Option<&str>) -> Self {
        match text {
            Some("None") => Self::Nothing,
            Some("Object") => Self::Object,
            _ => Self::Metadata,
        }
    }
}

/// `PartialObjectMetadata` of an object.
pub(super) fn metadata_only(object: &Value) -> Value {
    json!({ "kind": "PartialObjectMetadata", "apiVersion": "meta.k8s.io/v1", "metadata": object["metadata"] })
}

/// A table with one row for each object.
pub(super) fn table(
    resource: &Resource,
    version: &Version,
    objects: &[&Value],
    metadata: Value,
    attached: Attached,
    now: Timestamp,
) -> Value {
    let columns = columns_of(resource, version);
    let rows: Vec<Value> = objects
        .iter()
        .map(|object| {
            let cells = match resource.origin {
                Origin::Custom => columns.iter().map(|column| custom_cell(object, column, now)).collect(),
                Origin::BuiltIn => columns::cells(&resource.kind, object, now),
            };
            let mut row = json!({ "cells": Value::Array(cells) });
            match attached {
                Attached::Nothing => {}
                Attached::Metadata => row["object"] = metadata_only(object),
                Attached::Object => row["object"] = (*object).clone(),
            }
            row
        })
        .collect();
    let definitions: Vec<Value> = columns
        .iter()
        .map(|column| {
            let format = if column.name == "Name" { "name" } else { column.format.as_str() };
            json!({ "name": column.name, "type": column.kind, "format": format, "description": column.description, "priority": column.priority })
        })
        .collect();
    json!({ "kind": "Table", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "columnDefinitions": definitions, "rows": rows })
}

fn column(name: &str, kind: &str, path: &str, priority: i64) -> Column {
    Column {
        name: name.to_string(),
        kind: kind.to_string(),
        format: String::new(),
        description: String::new(),
        priority,
        path: path.to_string(),
    }
}

fn columns_of(resource: &Resource, version: &Version) -> Vec<Column> {
    if resource.origin == Origin::BuiltIn {
        return columns::names(&resource.kind).iter().map(|(name, priority)| column(name, "string", "", *priority)).collect();
    }
    let mut columns = vec![column("Name", "string", ".metadata.name", 0)];
    if version.columns.is_empty() {
        columns.push(column("Age", "date", ".metadata.creationTimestamp", 0));
    }
    columns.extend(version.columns.iter().cloned());
    columns
}

fn custom_cell(object: &Value, column: &Column, now: Timestamp) -> Value {
    let Some(value) = json_path::first(object, &column.path) else { return Value::Null };
    match (column.kind.as_str(), value) {
        ("date", Value::String(text)) => json!(Timestamp::parse(text).map_or("<invalid>".to_string(), |then| columns::age(then, now))),
        ("string", Value::String(_)) => value.clone(),
        ("string", other) => json!(other.to_string()),
        ("integer" | "number", Value::Number(_)) | ("boolean", Value::Bool(_)) => value.clone(),
        ("date", _) => Value::Null,
        _ => Value::Null,
    }
}
