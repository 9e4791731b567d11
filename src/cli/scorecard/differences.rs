//! Two CustomResourceDefinitions in, every change out for which OLM v1 would refuse the upgrade; judges what is written, not what is stored.
//!
//! The rules are those of `crdify` as OLM v1 configures it: what is not known to be harmless is refused. Harmless are descriptions, new optional
//! fields, wider limits, further values of an enumeration and a field that is no longer required.

use std::collections::BTreeSet;

use serde_json::{Map, Value};

use super::bundle::{schema_of, text};

/// A change, and what to do instead.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Difference {
    /// Where it stands in the definition.
    pub(super) field: String,
    /// What changed.
    pub(super) rule: String,
    /// What to do instead.
    pub(super) way_out: &'static str,
}

const KEEP: &str = "leave it as it was: objects that exist rely on it";
const KEEP_AND_ADD: &str = "leave the field as it was and add another one beside it";

/// Keys that are judged one level down, or that nobody stores anything by.
const STRUCTURE: [&str; 6] = ["properties", "items", "additionalProperties", "description", "title", "example"];
/// Limits that may only fall.
const FLOORS: [&str; 4] = ["minimum", "minLength", "minItems", "minProperties"];
/// Limits that may only rise.
const CEILINGS: [&str; 4] = ["maximum", "maxLength", "maxItems", "maxProperties"];

/// Compares a definition with its predecessor.
pub(super) fn differences(before: &Value, after: &Value) -> Vec<Difference> {
    let mut found = Vec::new();
    for pointer in ["/spec/group", "/spec/scope", "/spec/names/kind", "/spec/names/plural"] {
        if before.pointer(pointer) != after.pointer(pointer) {
            push(&mut found, &pointer[1..].replace('/', "."), changed(before.pointer(pointer), after.pointer(pointer)), KEEP);
        }
    }
    for version in before["spec"]["versions"].as_array().into_iter().flatten() {
        let name = text(version, "/name").unwrap_or_default();
        let field = format!("spec.versions[{name}]");
        let kept = after["spec"]["versions"].as_array().into_iter().flatten().find(|candidate| candidate["name"] == name);
        let Some(kept) = kept else {
            let what = if version["storage"] == true { "the stored version is gone" } else { "the version is gone" };
            push(&mut found, &field, what.to_owned(), "keep the version: objects are stored in it and manifests name it");
            continue;
        };
        for flag in ["served", "storage"] {
            if version[flag] == true && kept[flag] != true {
                push(&mut found, &format!("{field}.{flag}"), "was true".to_owned(), KEEP);
            }
        }
        for (kind, of_subresource) in version["subresources"].as_object().into_iter().flatten() {
            if kept["subresources"].get(kind) != Some(of_subresource) {
                push(&mut found, &format!("{field}.subresources.{kind}"), "has changed".to_owned(), KEEP);
            }
        }
        if let (Some(old), Some(new)) = (schema_of(before, name), schema_of(after, name)) {
            compare(old, new, &format!("{field}.^"), &mut found);
        }
    }
    found
}

fn push(found: &mut Vec<Difference>, field: &str, rule: String, way_out: &'static str) {
    found.push(Difference { field: field.to_owned(), rule, way_out });
}

fn changed(before: Option<&Value>, after: Option<&Value>) -> String {
    let shown = |value: Option<&Value>| value.map_or_else(|| "nothing".to_owned(), Value::to_string);
    format!("was {} and is {}", shown(before), shown(after))
}

/// Compares one node of the schema and everything below it.
fn compare(before: &Value, after: &Value, path: &str, found: &mut Vec<Difference>) {
    let (Some(old), Some(new)) = (before.as_object(), after.as_object()) else {
        if before != after {
            push(found, path, changed(Some(before), Some(after)), KEEP);
        }
        return;
    };
    let keys: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
    for key in keys.into_iter().filter(|key| !STRUCTURE.contains(&key.as_str()) && old.get(*key) != new.get(*key)) {
        if let Some((rule, way_out)) = judge(key, old.get(key), new.get(key)) {
            push(found, path, rule, way_out);
        }
    }
    fields(old, new, path, found);
    for (key, step) in [("items", "[*]"), ("additionalProperties", "[key]")] {
        match (old.get(key), new.get(key)) {
            (Some(old), Some(new)) => compare(old, new, &format!("{path}{step}"), found),
            (None, None) => {}
            (old, new) => {
                push(found, path, format!("{key} {}", if old.is_some() && new.is_none() { "is gone" } else { "is new" }), KEEP_AND_ADD)
            }
        }
    }
}

fn fields(old: &Map<String, Value>, new: &Map<String, Value>, path: &str, found: &mut Vec<Difference>) {
    let empty = Map::new();
    let properties = |node: &'_ Map<String, Value>| node.get("properties").and_then(Value::as_object).cloned();
    let (old, new) = (properties(old).unwrap_or_else(|| empty.clone()), properties(new).unwrap_or(empty));
    for (name, field) in &old {
        let path = format!("{path}.{name}");
        match new.get(name) {
            Some(kept) => compare(field, kept, &path, found),
            None => push(found, &path, "the field is gone".to_owned(), "keep the field, even if nobody reads it any more"),
        }
    }
}

/// Why a change of one key is refused; `None` when it is harmless.
fn judge(key: &str, before: Option<&Value>, after: Option<&Value>) -> Option<(String, &'static str)> {
    let number = |value: Option<&Value>| value.and_then(Value::as_f64);
    let list = |value: Option<&Value>| value.and_then(Value::as_array).cloned().unwrap_or_default();
    match key {
        "required" => {
            let (old, new) = (list(before), list(after));
            let fresh: Vec<String> = new.iter().filter(|name| !old.contains(name)).map(Value::to_string).collect();
            (!fresh.is_empty()).then(|| {
                (format!("{} is required now", fresh.join(", ")), "leave it optional, and say by a default or a fault what is missing")
            })
        }
        "enum" => {
            let (old, new) = (list(before), list(after));
            let gone: Vec<String> = old.iter().filter(|value| !new.contains(value)).map(Value::to_string).collect();
            match (old.is_empty(), gone.is_empty()) {
                (true, _) => Some(("has an enumeration now".to_owned(), KEEP_AND_ADD)),
                (false, false) => Some((format!("{} is no value any more", gone.join(", ")), KEEP)),
                (false, true) => None,
            }
        }
        _ if FLOORS.contains(&key) => match (number(before), number(after)) {
            (_, None) => None,
            (Some(old), Some(new)) if new <= old => None,
            _ => Some((format!("{key} {}", changed(before, after)), KEEP)),
        },
        _ if CEILINGS.contains(&key) => match (number(before), number(after)) {
            (_, None) => None,
            (Some(old), Some(new)) if new >= old => None,
            _ => Some((format!("{key} {}", changed(before, after)), KEEP)),
        },
        "pattern" if after.is_none() => None,
        // Written as 1 or as 1.0.
        _ if number(before).is_some() && number(before) == number(after) => None,
        "type" => Some((format!("type {}", changed(before, after)), KEEP_AND_ADD)),
        "x-kubernetes-validations" => Some((
            "rules of CEL have changed".to_owned(),
            "put rules on new fields only, from their first release on; judge an existing field in src/validate",
        )),
        _ => Some((format!("{key} {}", changed(before, after)), KEEP)),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn definition(field: Value) -> Value {
        json!({"spec": {"group": "play.example", "scope": "Namespaced", "names": {"kind": "Toy", "plural": "toys"},
            "versions": [{"name": "v1", "served": true, "storage": true, "subresources": {"status": {}}, "schema": {"openAPIV3Schema": {
                "type": "object", "properties": {"spec": {"type": "object", "required": ["size"], "properties": {"size": field}}}}}}]}})
    }

    fn found(before: Value, after: Value) -> Vec<String> {
        differences(&definition(before), &definition(after)).into_iter().map(|found| format!("{}: {}", found.field, found.rule)).collect()
    }

    #[test]
    fn what_makes_a_field_narrower_or_another_is_refused() {
        let size = "spec.versions[v1].^.spec.size: ";
        for (before, after, rule) in [
            (json!({"type": "string"}), json!({"type": "integer"}), "type was \"string\" and is \"integer\""),
            (json!({"format": "int64"}), json!({"format": "int32"}), "format was \"int64\" and is \"int32\""),
            (json!({}), json!({"default": 1}), "default was nothing and is 1"),
            (json!({"default": 1}), json!({}), "default was 1 and is nothing"),
            (json!({}), json!({"enum": ["a"]}), "has an enumeration now"),
            (json!({"enum": ["a", "b"]}), json!({"enum": ["a"]}), "\"b\" is no value any more"),
            (json!({}), json!({"minimum": 0}), "minimum was nothing and is 0"),
            (json!({"minimum": 0}), json!({"minimum": 1}), "minimum was 0 and is 1"),
            (json!({"maxLength": 9}), json!({"maxLength": 8}), "maxLength was 9 and is 8"),
            (json!({}), json!({"maxItems": 8}), "maxItems was nothing and is 8"),
            (json!({"pattern": "a"}), json!({"pattern": "b"}), "pattern was \"a\" and is \"b\""),
            (json!({"nullable": true}), json!({}), "nullable was true and is nothing"),
            (json!({}), json!({"x-kubernetes-validations": [{"rule": "self > 1"}]}), "rules of CEL have changed"),
            (json!({"x-kubernetes-list-type": "map"}), json!({"x-kubernetes-list-type": "atomic"}), "x-kubernetes-list-type was"),
            (json!({}), json!({"something-unheard-of": 1}), "something-unheard-of was nothing and is 1"),
            (json!({"additionalProperties": {"type": "string"}}), json!({}), "additionalProperties is gone"),
            (json!({}), json!({"required": ["a"]}), "\"a\" is required now"),
        ] {
            let found = found(before, after);
            assert!(found.len() == 1 && found[0].starts_with(&format!("{size}{rule}")), "{rule}: {found:?}");
        }
    }

    #[test]
    fn what_lies_deeper_is_compared_too() {
        let list = |minimum: i64| json!({"type": "array", "items": {"type": "object", "properties": {"a": {"minimum": minimum}}}});
        assert_eq!(found(list(1), list(2)), ["spec.versions[v1].^.spec.size[*].a: minimum was 1 and is 2"]);
        let map = |kind: &str| json!({"additionalProperties": {"type": kind}});
        assert_eq!(found(map("string"), map("integer")), ["spec.versions[v1].^.spec.size[key]: type was \"string\" and is \"integer\""]);
        assert_eq!(
            found(json!({"properties": {"a": {}}}), json!({"properties": {}})),
            ["spec.versions[v1].^.spec.size.a: the field is gone"]
        );
    }

    #[test]
    fn what_makes_a_field_wider_is_harmless() {
        for (before, after) in [
            (json!({"description": "a"}), json!({"description": "b"})),
            (json!({"minimum": 1, "maximum": 2}), json!({"minimum": 0, "maximum": 3})),
            (json!({"minLength": 1, "pattern": "a"}), json!({})),
            (json!({"enum": ["a"]}), json!({"enum": ["b", "a"]})),
            (json!({"multipleOf": 2.0, "minimum": 0.0}), json!({"multipleOf": 2, "minimum": 0})),
            (json!({"required": ["a", "b"]}), json!({"required": ["b"]})),
            (
                json!({"properties": {}}),
                json!({"properties": {"fresh": {"type": "integer", "default": 1, "minimum": 0,
                "x-kubernetes-validations": [{"rule": "self != 3"}]}}}),
            ),
        ] {
            assert_eq!(found(before, after), Vec::<String>::new());
        }
    }

    #[test]
    fn a_kind_or_a_version_that_changes_is_refused() {
        for (pointer, value, rule) in [
            ("/spec/scope", json!("Cluster"), "spec.scope: was \"Namespaced\" and is \"Cluster\""),
            ("/spec/names/kind", json!("Game"), "spec.names.kind: was \"Toy\" and is \"Game\""),
            ("/spec/versions/0/name", json!("v2"), "spec.versions[v1]: the stored version is gone"),
            ("/spec/versions/0/served", json!(false), "spec.versions[v1].served: was true"),
            ("/spec/versions/0/storage", json!(false), "spec.versions[v1].storage: was true"),
            ("/spec/versions/0/subresources", json!({}), "spec.versions[v1].subresources.status: has changed"),
        ] {
            let mut after = definition(json!({}));
            *after.pointer_mut(pointer).unwrap() = value;
            let found: Vec<String> =
                differences(&definition(json!({})), &after).into_iter().map(|found| format!("{}: {}", found.field, found.rule)).collect();
            assert_eq!(found, [rule]);
        }
    }
}
