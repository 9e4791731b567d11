//! Turns what a client sent into what the server understands: unknown fields and nulls go, quantities become canonical, wrong types are reported.

use std::fmt;

use serde_json::{Map, Value};

use super::quantity;
use super::schema::{Schema, Shape};

/// What decoding found.
#[derive(Clone, Debug, Default)]
pub(super) struct Findings {
    /// Paths of fields that no schema declares; they are gone from the value.
    pub unknown: Vec<String>,
    /// The first thing a built-in kind's decoder would stumble over, in its words.
    pub unreadable: Option<String>,
}

/// Which decoder reads an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Reader {
    /// Typed: nulls and empty lists are absence, wrong types are errors, quantities are rewritten.
    BuiltIn,
    /// Structural schemas: nulls are absence unless nullable.
    Custom,
}

/// Decodes an object in place.
pub(super) fn decode(value: &mut Value, schema: &Schema, reader: Reader) -> Findings {
    let mut findings = Findings::default();
    walk(value, schema, reader, Path::Root, "", &mut findings);
    findings
}

/// Where a walk stands. It becomes text only where something was found: nearly every object is as it should be.
#[derive(Clone, Copy)]
enum Path<'a> {
    Root,
    Field(&'a Path<'a>, &'a str),
    Item(&'a Path<'a>, usize),
}

impl fmt::Display for Path<'_> {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Root => Ok(()),
            Self::Field(Self::Root, name) => formatter.write_str(name),
            Self::Field(path, name) => write!(formatter, "{path}.{name}"),
            Self::Item(path, index) => write!(formatter, "{path}[{index}]"),
        }
    }
}

fn walk(value: &mut Value, schema: &Schema, reader: Reader, path: Path<'_>, owner: &str, findings: &mut Findings) {
    // Objects inside custom resources that are built-in types (ObjectMeta) are read by the typed decoder.
    let reader = if schema.type_name.is_some() { Reader::BuiltIn } else { reader };
    if reader == Reader::BuiltIn && !read_scalar(value, schema, path, owner, findings) {
        return;
    }
    match value {
        Value::Object(map) if schema.shape == Shape::Object || schema.shape == Shape::Any => {
            walk_object(map, schema, reader, path, findings)
        }
        Value::Array(list) => {
            if let Some(items) = &schema.items {
                for (index, item) in list.iter_mut().enumerate() {
                    walk(item, items, reader, Path::Item(&path, index), owner, findings);
                }
            }
        }
        _ => {}
    }
}

fn walk_object(map: &mut Map<String, Value>, schema: &Schema, reader: Reader, path: Path<'_>, findings: &mut Findings) {
    let owner = schema.type_name.as_deref().and_then(|name| name.rsplit('.').next()).unwrap_or_default();
    let kept = schema.preserve_unknown || schema.shape == Shape::Any;
    map.retain(|name, child| {
        let here = Path::Field(&path, name);
        let embedded = schema.embedded && matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
        let Some(child_schema) = schema.field(name) else {
            if !kept && !embedded {
                findings.unknown.push(here.to_string());
            }
            return kept || embedded;
        };
        let declared = schema.properties.contains_key(name);
        if is_absent(child, child_schema, reader, declared) {
            return false;
        }
        walk(child, child_schema, reader, here, owner, findings);
        !(reader == Reader::BuiltIn && declared && is_omitted(child, child_schema) && !schema.required.contains(name))
    });
}

/// Null means absence, except where null is a value; in free maps only the typed decoder drops it.
fn is_absent(value: &Value, schema: &Schema, reader: Reader, declared: bool) -> bool {
    if !value.is_null() {
        return false;
    }
    match reader {
        Reader::BuiltIn => true,
        Reader::Custom => declared && !schema.nullable && schema.shape != Shape::Any,
    }
}

/// Typed objects leave out empty lists and empty free maps.
fn is_omitted(value: &Value, schema: &Schema) -> bool {
    match value {
        Value::Array(list) => list.is_empty(),
        Value::Object(map) => map.is_empty() && schema.additional.is_some(),
        _ => false,
    }
}

/// Whether the typed decoder can read the value's own type; rewrites quantities.
fn read_scalar(value: &mut Value, schema: &Schema, path: Path<'_>, owner: &str, findings: &mut Findings) -> bool {
    let readable = match schema.shape {
        Shape::Any => true,
        Shape::Object => value.is_object(),
        Shape::Array => value.is_array(),
        Shape::String => value.is_string(),
        Shape::Boolean => value.is_boolean(),
        Shape::Number => value.is_number(),
        Shape::Integer => value.is_i64() || value.is_u64(),
        Shape::IntOrString => value.is_string() || value.is_i64(),
        Shape::Quantity => return read_quantity(value, findings),
    };
    if !readable && !value.is_null() {
        let found = match value {
            Value::Bool(_) => "bool",
            Value::Number(_) => "number",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            _ => "object",
        };
        let message = format!("json: cannot unmarshal {found} into Go struct field {owner}.{path} of type {}", go_type(schema));
        findings.unreadable.get_or_insert(message);
    }
    readable
}

fn go_type(schema: &Schema) -> String {
    match (schema.shape, schema.format.as_deref()) {
        (Shape::Integer, Some(format)) => format.to_string(),
        (Shape::Integer, None) => "int".to_string(),
        (Shape::Boolean, _) => "bool".to_string(),
        (Shape::Number, _) => "float64".to_string(),
        (Shape::String, _) => "string".to_string(),
        (Shape::Array, _) => "[]interface {}".to_string(),
        _ => schema.type_name.as_deref().and_then(|name| name.rsplit('.').next()).unwrap_or("map[string]string").to_string(),
    }
}

fn read_quantity(value: &mut Value, findings: &mut Findings) -> bool {
    let text = match &*value {
        Value::String(text) => text.clone(),
        Value::Number(number) => number.to_string(),
        Value::Null => return true,
        _ => String::new(),
    };
    match quantity::canonical(&text) {
        Some(canonical) => {
            *value = Value::String(canonical);
            true
        }
        None => {
            findings.unreadable.get_or_insert(quantity::UNREADABLE.to_string());
            false
        }
    }
}

/// Fills in the defaults of a custom resource's schema.
pub(super) fn fill_defaults(value: &mut Value, schema: &Schema) {
    match value {
        Value::Object(map) => {
            for (name, child) in &schema.properties {
                if let Some(default) = &child.default
                    && map.get(name).is_none_or(|found| found.is_null() && !child.nullable)
                {
                    map.insert(name.clone(), default.clone());
                }
            }
            for (name, child) in map.iter_mut() {
                if let Some(schema) = schema.field(name).filter(|schema| schema.type_name.is_none()) {
                    fill_defaults(child, schema);
                }
            }
        }
        Value::Array(list) => {
            if let Some(items) = &schema.items {
                list.iter_mut().for_each(|item| fill_defaults(item, items));
            }
        }
        _ => {}
    }
}

/// What server-side apply refuses before it merges: undeclared fields, wrong types, list items that cannot be told apart.
pub(super) fn apply_faults(value: &Value, schema: &Schema) -> Vec<String> {
    let mut faults = Vec::new();
    applied(value, schema, "", &mut faults);
    faults
}

fn applied(value: &Value, schema: &Schema, path: &str, faults: &mut Vec<String>) {
    let typed = |wanted: &str| format!("{path}: expected {wanted}, got {value}");
    match (value, schema.shape) {
        (Value::Null, _) | (_, Shape::Any | Shape::IntOrString | Shape::Quantity) => {}
        (Value::Object(map), Shape::Object) => {
            for (name, child) in map {
                let embedded = schema.embedded && matches!(name.as_str(), "apiVersion" | "kind" | "metadata");
                match schema.field(name) {
                    Some(child_schema) => applied(child, child_schema, &format!("{path}.{name}"), faults),
                    None if schema.preserve_unknown || embedded => {}
                    None => faults.push(format!("{path}.{name}: field not declared in schema")),
                }
            }
        }
        (Value::Array(list), Shape::Array) => applied_list(list, schema, path, faults),
        (Value::String(_), Shape::String) | (Value::Bool(_), Shape::Boolean) | (Value::Number(_), Shape::Number | Shape::Integer) => {}
        (_, Shape::Object) => faults.push(typed("map")),
        (_, Shape::Array) => faults.push(typed("list")),
        (_, Shape::String) => faults.push(typed("string")),
        (_, Shape::Boolean) => faults.push(typed("boolean")),
        // Here, and only here, the server names the type instead of the value.
        (_, Shape::Number | Shape::Integer) => {
            let found = match value {
                Value::Object(_) => "map[string]interface {}",
                Value::Array(_) => "[]interface {}",
                Value::Bool(_) => "bool",
                _ => "string",
            };
            faults.push(format!("{path}: expected numeric (int or float), got {found}"));
        }
    }
}

fn applied_list(list: &[Value], schema: &Schema, path: &str, faults: &mut Vec<String>) {
    let Some(items) = &schema.items else { return };
    let mut seen = std::collections::BTreeSet::new();
    for (index, item) in list.iter().enumerate() {
        applied(item, items, &format!("{path}[{index}]"), faults);
        if schema.list == super::schema::ListKind::Atomic {
            continue;
        }
        let step = super::field_walk::item_step(&schema.list, items, item);
        if let super::schema::ListKind::Map(keys) = &schema.list
            && step == "k:{}"
        {
            let key = keys.first().map(String::as_str).unwrap_or_default();
            faults.push(format!("{path}: element {index}: associative list with keys has an element that omits key field \"{key}\" (and doesn't have default value)"));
        }
        if !seen.insert(step.clone()) {
            let shown = super::field_set::worded(&step);
            faults.push(format!("{path}: duplicate entries for key {shown}"));
        }
    }
}
