//! Walks objects along their schema: which fields a value has, what differs between two, merging one over another, taking fields out.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, LazyLock};

use serde_json::{Map, Value};

use super::field_set::FieldSet;
use super::schema::{ListKind, Schema, Shape};

/// Structure of values that no schema describes: maps merge, lists are replaced.
static UNKNOWN: LazyLock<Arc<Schema>> = LazyLock::new(|| Arc::new(Schema::default()));

fn field_of<'a>(schema: &'a Schema, name: &str) -> &'a Arc<Schema> {
    schema.field(name).unwrap_or(&UNKNOWN)
}

fn items_of(schema: &Schema) -> &Arc<Schema> {
    schema.items.as_ref().unwrap_or(&UNKNOWN)
}

/// Whether a free map: its keys are data, not structure.
fn is_declared(schema: &Schema, name: &str) -> bool {
    schema.properties.contains_key(name)
}

/// The step that leads to an item of a list that merges: by key or by value.
pub(super) fn item_step(list: &ListKind, items: &Schema, item: &Value) -> String {
    match list {
        ListKind::Map(keys) => {
            let found: BTreeMap<&str, Value> = keys
                .iter()
                .filter_map(|key| {
                    let default = items.properties.get(key).and_then(|schema| schema.default.clone());
                    item.get(key).cloned().or(default).map(|value| (key.as_str(), value))
                })
                .collect();
            format!("k:{}", serde_json::to_string(&found).unwrap_or_default())
        }
        _ => format!("v:{item}"),
    }
}

fn merges(schema: &Schema) -> bool {
    schema.list != ListKind::Atomic
}

/// Steps of a list's items with their positions; a repeated step keeps its first position.
fn steps(schema: &Schema, list: &[Value]) -> Vec<String> {
    list.iter().map(|item| item_step(&schema.list, items_of(schema), item)).collect()
}

/// The fields that a value has, as the owner of that value would list them.
pub(super) fn fields_of(value: &Value, schema: &Schema) -> FieldSet {
    let mut set = FieldSet::default();
    match value {
        Value::Object(map) if !schema.atomic => {
            for (name, child) in map {
                let mut below = fields_of(child, field_of(schema, name));
                let empty = child.is_null() || child.as_object().is_some_and(Map::is_empty);
                let free = !is_declared(schema, name) && schema.shape != Shape::Any;
                below.member |= empty || free;
                if !below.is_empty() {
                    set.children.insert(format!("f:{name}"), below);
                }
            }
        }
        Value::Array(list) if merges(schema) => {
            for (step, item) in steps(schema, list).into_iter().zip(list) {
                let mut below = if matches!(schema.list, ListKind::Set) { FieldSet::leaf() } else { fields_of(item, items_of(schema)) };
                below.member = true;
                set.children.insert(step, below);
            }
        }
        _ => set.member = true,
    }
    set
}

/// What differs between two states of a value.
#[derive(Clone, Debug, Default)]
pub(super) struct Difference {
    /// Fields that are new or have another value.
    pub changed: FieldSet,
    /// Fields that are gone.
    pub removed: FieldSet,
}

/// Compares two states of an object.
pub(super) fn compare(old: &Value, new: &Value, schema: &Schema) -> Difference {
    let mut difference = Difference::default();
    compare_into(Some(old), Some(new), schema, &mut difference.changed, &mut difference.removed);
    difference.changed.tidy();
    difference.removed.tidy();
    difference
}

fn compare_into(old: Option<&Value>, new: Option<&Value>, schema: &Schema, changed: &mut FieldSet, removed: &mut FieldSet) {
    match (old, new) {
        (None, None) => {}
        (Some(old), Some(new)) if old == new => {}
        (None, Some(new)) => {
            changed.union(&fields_of(new, schema));
            changed.member = true;
        }
        (Some(old), None) => {
            removed.union(&fields_of(old, schema));
            removed.member = true;
        }
        (Some(Value::Object(old)), Some(Value::Object(new))) if !schema.atomic => {
            let names: BTreeSet<&String> = old.keys().chain(new.keys()).collect();
            for name in names {
                let (old, new) = (old.get(name), new.get(name));
                if old != new {
                    let step = format!("f:{name}");
                    compare_into(old, new, field_of(schema, name), changed.child(step.clone()), removed.child(step));
                }
            }
        }
        (Some(Value::Array(old)), Some(Value::Array(new))) if merges(schema) => {
            let before: BTreeMap<String, &Value> = steps(schema, old).into_iter().zip(old).collect();
            let after: BTreeMap<String, &Value> = steps(schema, new).into_iter().zip(new).collect();
            let names: BTreeSet<&String> = before.keys().chain(after.keys()).collect();
            for step in names {
                let (old, new) = (before.get(step).copied(), after.get(step).copied());
                if old != new {
                    compare_into(old, new, items_of(schema), changed.child(step.clone()), removed.child(step.clone()));
                }
            }
        }
        (Some(_), Some(new)) => {
            changed.union(&fields_of(new, schema));
            changed.member = true;
        }
    }
}

/// Lays `over` on `base`: what `over` does not mention stays.
pub(super) fn merge(base: &Value, over: &Value, schema: &Schema) -> Value {
    match (base, over) {
        (Value::Object(base), Value::Object(over)) if !schema.atomic => {
            let mut merged = base.clone();
            for (name, value) in over {
                let value = match base.get(name) {
                    Some(base) => merge(base, value, field_of(schema, name)),
                    None => value.clone(),
                };
                merged.insert(name.clone(), value);
            }
            Value::Object(merged)
        }
        (Value::Array(base), Value::Array(over)) if merges(schema) => Value::Array(merge_lists(base, over, schema)),
        _ => over.clone(),
    }
}

/// Items of both lists: shared ones in the order of `over`, the others where they stand relative to shared ones.
fn merge_lists(base: &[Value], over: &[Value], schema: &Schema) -> Vec<Value> {
    let (base_steps, over_steps) = (steps(schema, base), steps(schema, over));
    let over_names: BTreeSet<&String> = over_steps.iter().collect();
    let positions: BTreeMap<&String, usize> = base_steps.iter().enumerate().map(|(index, step)| (step, index)).collect();
    let only_in_base = |from: usize, to: usize| {
        let range = base_steps.iter().zip(base).take(to).skip(from);
        range.filter(|(step, _)| !over_names.contains(step)).map(|(_, item)| item.clone()).collect::<Vec<_>>()
    };
    let mut merged = Vec::new();
    let mut next = 0;
    for (step, item) in over_steps.iter().zip(over) {
        let Some(position) = positions.get(step).copied() else {
            // Items that only `base` has go first, up to the next one that both have.
            let shared = base_steps.iter().skip(next).position(|step| over_names.contains(step));
            let end = shared.map_or(base.len(), |distance| next + distance);
            merged.extend(only_in_base(next, end));
            next = end;
            merged.push(item.clone());
            continue;
        };
        if position >= next {
            merged.extend(only_in_base(next, position));
            next = position + 1;
        }
        if let Some(base_item) = base.get(position) {
            merged.push(merge(base_item, item, items_of(schema)));
        }
    }
    merged.extend(only_in_base(next, base.len()));
    merged
}

/// Takes out of a value what its owner listed before (`last`), lists no longer (`now`) and nobody else owns (`others`).
pub(super) fn take_out(value: &mut Value, schema: &Schema, last: &FieldSet, now: Option<&FieldSet>, others: Option<&FieldSet>) {
    if schema.atomic {
        return;
    }
    for (step, was) in &last.children {
        let (now, others) = (now.and_then(|set| set.children.get(step)), others.and_then(|set| set.children.get(step)));
        let abandoned = now.is_none() && others.is_none();
        match value {
            Value::Object(map) => {
                let Some(name) = step.strip_prefix("f:") else { continue };
                // What lies below goes with it, defaults that nobody owns included.
                if abandoned {
                    map.remove(name);
                } else if let Some(child) = map.get_mut(name) {
                    take_out(child, field_of(schema, name), was, now, others);
                }
            }
            Value::Array(list) if merges(schema) => {
                let Some(index) = steps(schema, list).iter().position(|found| found == step) else { continue };
                if abandoned {
                    list.remove(index);
                } else if let Some(item) = list.get_mut(index) {
                    take_out(item, items_of(schema), was, now, others);
                }
            }
            _ => {}
        }
    }
}
