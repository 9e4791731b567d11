//! Judges a custom resource against its schema, in the API server's order and words; changes nothing.

use std::collections::BTreeSet;

use kube::core::cel::{ValidationError, validate_compiled};
use serde_json::Value;

use super::error::{FaultKind, FieldFault};
use super::field_walk::item_step;
use super::schema::{Limits, ListKind, Schema, Shape};

/// Everything that is wrong with a value; `old` is the stored state for rules that compare.
pub(super) fn faults(value: &Value, old: Option<&Value>, schema: &Schema) -> Vec<FieldFault> {
    let mut faults = Vec::new();
    check(value, schema, "", &mut faults);
    // The server does not evaluate rules over values of the wrong shape.
    if let Some(rules) = schema.rules.as_ref().filter(|_| faults.is_empty())
        && let Err(errors) = validate_compiled(rules, value, old)
    {
        faults.extend(errors.as_slice().iter().map(|error| rule_fault(error, value)));
    }
    faults
}

fn rule_fault(error: &ValidationError, root: &Value) -> FieldFault {
    let path = error.field_path.trim_start_matches('.').to_string();
    let found = if path.is_empty() { root } else { root.pointer(&pointer(&path)).unwrap_or(&Value::Null) };
    let shown = if found.is_object() { Value::String("object".to_string()) } else { found.clone() };
    FieldFault {
        kind: FaultKind::Invalid,
        ..FieldFault::invalid(if path.is_empty() { "<nil>".to_string() } else { path }, &shown, &error.message)
    }
}

fn pointer(path: &str) -> String {
    format!("/{}", path.replace('[', ".").replace(']', "").replace('.', "/"))
}

fn join(path: &str, name: &str) -> String {
    if path.is_empty() { name.to_string() } else { format!("{path}.{name}") }
}

fn check(value: &Value, schema: &Schema, path: &str, faults: &mut Vec<FieldFault>) {
    if value.is_null() && schema.nullable {
        return;
    }
    // Built-in types inside custom resources (metadata) were read by the typed decoder.
    if schema.type_name.is_some() {
        return;
    }
    if !has_shape(value, schema) {
        faults.push(FieldFault::wrong_type(path, wanted(schema), value));
        return;
    }
    if !schema.allowed.is_empty() && !schema.allowed.contains(value) {
        faults.push(FieldFault::not_supported(path, value, &schema.allowed));
    }
    match value {
        Value::String(text) => check_text(text, value, schema, path, faults),
        Value::Number(_) => check_number(value, schema, path, faults),
        Value::Array(list) => check_list(list, value, schema, path, faults),
        Value::Object(map) => {
            let limits = &schema.limits;
            if limits.min_properties.is_some_and(|least| (map.len() as u64) < least) {
                let least = limits.min_properties.unwrap_or(0);
                faults.push(FieldFault::invalid(path, value, &format!("{path} in body should have at least {least} properties")));
            }
            if let Some(most) = limits.max_properties.filter(|most| map.len() as u64 > *most) {
                faults.push(FieldFault::too_many(path, map.len(), most));
            }
            for name in schema.required.iter().filter(|name| !map.contains_key(*name)) {
                faults.push(FieldFault::required(join(path, name), ""));
            }
            for (name, child) in map {
                let free = !schema.properties.contains_key(name);
                if let Some(child_schema) = schema.field(name) {
                    let child_path = if free { format!("{path}[{name}]") } else { join(path, name) };
                    check(child, child_schema, &child_path, faults);
                }
            }
        }
        _ => {}
    }
    check_junctions(value, schema, path, faults);
}

fn wanted(schema: &Schema) -> &'static str {
    match schema.shape {
        Shape::Object => "object",
        Shape::Array => "array",
        Shape::String => "string",
        Shape::Integer => "integer",
        Shape::Number => "number",
        Shape::Boolean => "boolean",
        Shape::IntOrString | Shape::Quantity | Shape::Any => "integer,string",
    }
}

fn has_shape(value: &Value, schema: &Schema) -> bool {
    match schema.shape {
        Shape::Any => true,
        Shape::Object => value.is_object(),
        Shape::Array => value.is_array(),
        Shape::String => value.is_string(),
        Shape::Integer => value.is_i64() || value.is_u64() || value.as_f64().is_some_and(|number| number.fract() == 0.0),
        Shape::Number => value.is_number(),
        Shape::Boolean => value.is_boolean(),
        Shape::IntOrString | Shape::Quantity => value.is_string() || value.is_i64() || value.is_u64(),
    }
}

fn check_text(text: &str, value: &Value, schema: &Schema, path: &str, faults: &mut Vec<FieldFault>) {
    let length = text.chars().count() as u64;
    if let Some(most) = schema.limits.max_length.filter(|most| length > *most) {
        faults.push(FieldFault::too_long(path, most));
    }
    if let Some(least) = schema.limits.min_length.filter(|least| length < *least) {
        faults.push(FieldFault::invalid(path, value, &format!("{path} in body should be at least {least} chars long")));
    }
    if let Some(pattern) = schema.pattern.as_ref().filter(|pattern| pattern.regex.as_ref().is_some_and(|regex| !regex.is_match(text))) {
        faults.push(FieldFault::invalid(path, value, &format!("{path} in body should match '{}'", pattern.text)));
    }
    let readable = match schema.format.as_deref() {
        Some("date-time") => crate::model::Timestamp::parse(text).is_some(),
        Some("ipv4") => text.parse::<std::net::Ipv4Addr>().is_ok(),
        Some("ipv6") => text.parse::<std::net::Ipv6Addr>().is_ok(),
        _ => true,
    };
    if let (false, Some(format)) = (readable, &schema.format) {
        faults.push(FieldFault::invalid(path, value, &format!("{path} in body must be of type {format}: {value}")));
    }
}

fn check_number(value: &Value, schema: &Schema, path: &str, faults: &mut Vec<FieldFault>) {
    let Limits { minimum, exclusive_minimum, maximum, exclusive_maximum, multiple_of, .. } = &schema.limits;
    let Some(number) = value.as_f64() else { return };
    let mut fault = |text: String| faults.push(FieldFault::invalid(path, value, &text));
    if let Some(least) = minimum.filter(|least| number < *least || (*exclusive_minimum && number == *least)) {
        let relation = if *exclusive_minimum { "greater than" } else { "greater than or equal to" };
        fault(format!("{path} in body should be {relation} {least}"));
    }
    if let Some(most) = maximum.filter(|most| number > *most || (*exclusive_maximum && number == *most)) {
        let relation = if *exclusive_maximum { "less than" } else { "less than or equal to" };
        fault(format!("{path} in body should be {relation} {most}"));
    }
    if let Some(factor) = multiple_of.filter(|factor| *factor != 0.0 && (number / factor).fract() != 0.0) {
        fault(format!("{path} in body should be a multiple of {factor}"));
    }
    let fits = match (schema.shape, schema.format.as_deref()) {
        (Shape::Integer, Some("int32")) => value.as_i64().is_some_and(|number| i32::try_from(number).is_ok()),
        (Shape::Integer, Some("int64")) => {
            value.is_i64() || value.as_f64().is_some_and(|number| number.abs() < 9.3e18 && number.fract() == 0.0)
        }
        _ => true,
    };
    if let (false, Some(format)) = (fits, &schema.format) {
        fault(format!("{path} in body must be of type {format}: {value}"));
    }
}

fn check_list(list: &[Value], value: &Value, schema: &Schema, path: &str, faults: &mut Vec<FieldFault>) {
    if let Some(least) = schema.limits.min_items.filter(|least| (list.len() as u64) < *least) {
        faults.push(FieldFault::invalid(path, value, &format!("{path} in body should have at least {least} items")));
    }
    if let Some(most) = schema.limits.max_items.filter(|most| list.len() as u64 > *most) {
        faults.push(FieldFault::too_many(path, list.len(), most));
    }
    let Some(items) = &schema.items else { return };
    let mut seen = BTreeSet::new();
    for (index, item) in list.iter().enumerate() {
        let item_path = format!("{path}[{index}]");
        check(item, items, &item_path, faults);
        let step = match &schema.list {
            ListKind::Atomic => continue,
            kind => item_step(kind, items, item),
        };
        if !seen.insert(step.clone()) {
            let shown = step.strip_prefix("k:").or_else(|| step.strip_prefix("v:")).and_then(|text| serde_json::from_str(text).ok());
            faults.push(FieldFault::duplicate(item_path, &shown.unwrap_or(Value::Null)));
        }
    }
}

fn holds(value: &Value, schema: &Schema, path: &str) -> bool {
    let mut faults = Vec::new();
    check(value, schema, path, &mut faults);
    faults.is_empty()
}

fn check_junctions(value: &Value, schema: &Schema, path: &str, faults: &mut Vec<FieldFault>) {
    let junctions = &schema.junctions;
    for branch in &junctions.all_of {
        check(value, branch, path, faults);
    }
    let mut fault = |text: &str| faults.push(FieldFault::invalid(path, value, &format!("{path} in body must validate {text}")));
    if !junctions.any_of.is_empty() && !junctions.any_of.iter().any(|branch| holds(value, branch, path)) {
        fault("at least one schema (anyOf)");
    }
    if !junctions.one_of.is_empty() && junctions.one_of.iter().filter(|branch| holds(value, branch, path)).count() != 1 {
        fault("one and only one schema (oneOf)");
    }
    if junctions.not.as_ref().is_some_and(|branch| holds(value, branch, path)) {
        fault("no schema (not)");
    }
}
