//! The two faces of an Event: `v1` as it is stored, `events.k8s.io/v1` as new clients write it; converts fields, nothing else.

use serde_json::{Map, Value, json};

/// Stored field, field of `events.k8s.io/v1`.
const RENAMED: &[(&str, &str)] = &[
    ("involvedObject", "regarding"),
    ("message", "note"),
    ("reportingComponent", "reportingController"),
    ("count", "deprecatedCount"),
    ("firstTimestamp", "deprecatedFirstTimestamp"),
    ("lastTimestamp", "deprecatedLastTimestamp"),
    ("source", "deprecatedSource"),
];

fn rename(object: &mut Map<String, Value>, pairs: impl Iterator<Item = (&'static str, &'static str)>) {
    for (from, to) in pairs {
        if let Some(value) = object.remove(from) {
            object.insert(to.to_string(), value);
        }
    }
}

/// An `events.k8s.io/v1` object or merge patch as it is stored.
pub(super) fn to_stored(object: &mut Value) {
    if let Some(map) = object.as_object_mut() {
        rename(map, RENAMED.iter().map(|(stored, new)| (*new, *stored)));
        if map.contains_key("apiVersion") {
            map.insert("apiVersion".to_string(), json!("v1"));
        }
    }
}

/// A stored event as `events.k8s.io/v1` shows it.
pub(super) fn to_new(object: &mut Value) {
    if let Some(map) = object.as_object_mut() {
        rename(map, RENAMED.iter().copied());
        map.insert("apiVersion".to_string(), json!("events.k8s.io/v1"));
    }
}
