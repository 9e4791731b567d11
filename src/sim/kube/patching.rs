//! Patches of every format: the live object and a patch in, an ordinary update out; knows no HTTP.

use std::sync::Arc;

use serde_json::{Map, Value, json};

use super::error::{ApiError, FieldFault};
use super::field_tracking::{self, Operation, Writer};
use super::options::{PatchKind, WriteOptions, Written};
use super::registry::Origin;
use super::schema::{ListKind, Schema, Shape};
use super::store::{ObjectKey, Store};
use super::write::Target;
use super::{decode, json_patch};

impl Store {
    /// Server-side apply: what `manager` wants of an object. 409 names every field of other managers that would change, unless `force`.
    pub fn apply(&mut self, object: Value, manager: &str, force: bool, subresource: Option<&str>) -> Result<Value, ApiError> {
        self.apply_with(object, force, subresource, &WriteOptions::by(manager)).map(Written::into_object)
    }

    /// As `apply`, with all circumstances.
    pub fn apply_with(
        &mut self,
        mut wanted: Value,
        force: bool,
        subresource: Option<&str>,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let target = self.target_for_update(&wanted)?;
        let Target { resource, key, .. } = &target;
        if wanted["metadata"].get("managedFields").is_some_and(|fields| !fields.is_null() && *fields != json!([])) {
            return Err(ApiError::bad_request("metadata.managedFields must be nil"));
        }
        let faults = decode::apply_faults(&wanted, target.schema());
        if !faults.is_empty() {
            return Err(untyped(&target, &faults.join("; ")));
        }
        drop_other_half(&mut wanted, &target, subresource);
        let live = self.shared(&key.kind, &key.namespace, &key.name).cloned();
        let writer = Writer::new(&options.manager, Operation::Apply, &target, subresource, self.now());
        let Some(live) = live else {
            if subresource.is_some() {
                return Err(ApiError::not_found(resource, &key.name));
            }
            if wanted["metadata"]["resourceVersion"].as_str().is_some_and(|version| !version.is_empty()) {
                return Err(ApiError::stale(resource, &key.name));
            }
            let mut created = wanted.clone();
            let target = self.target_for_create(&mut created)?;
            let applied = field_tracking::apply(None, &wanted, &target, &writer, force)?;
            return self.create_as(target, created, options, &writer, Some(applied.managed));
        };
        let stale = wanted["metadata"]["resourceVersion"].as_str().is_some_and(|version| live["metadata"]["resourceVersion"] != *version);
        if stale {
            return Err(ApiError::stale(resource, &key.name));
        }
        let applied = field_tracking::apply(Some(&live), &wanted, &target, &writer, force)?;
        self.replace(&target, applied.object, options, &writer, Some(applied.managed))
    }

    /// Patches an object or its `status`. 404 if it is not there, 422 for a patch that does not fit.
    pub fn patch(
        &mut self,
        key: &ObjectKey,
        kind: PatchKind,
        patch: Value,
        manager: &str,
        subresource: Option<&str>,
    ) -> Result<Value, ApiError> {
        self.patch_with(key, kind, &patch, subresource, &WriteOptions::by(manager)).map(Written::into_object)
    }

    /// As `patch`, with all circumstances. The subresource `scale` patches the Scale.
    pub fn patch_with(
        &mut self,
        key: &ObjectKey,
        kind: PatchKind,
        patch: &Value,
        subresource: Option<&str>,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let resource = self.resource(&key.kind)?;
        if kind == PatchKind::StrategicMerge && resource.origin == Origin::Custom && subresource != Some("scale") {
            return Err(ApiError::unsupported_media_type(&[
                "application/json-patch+json",
                "application/merge-patch+json",
                "application/apply-patch+yaml",
            ]));
        }
        let live = match subresource {
            Some("scale") => self.scale(&key.kind, &key.namespace, &key.name)?,
            _ => self.get(&key.kind, &key.namespace, &key.name).cloned().ok_or_else(|| ApiError::not_found(&resource, &key.name))?,
        };
        let schema = resource.versions.first().map(|version| version.schema.clone()).unwrap_or_default();
        let mut object = live.clone();
        match kind {
            PatchKind::Merge => merge(&mut object, patch),
            PatchKind::StrategicMerge => strategic_merge(&mut object, patch, &schema)?,
            PatchKind::Json => json_patch::apply(&mut object, patch)?,
        }
        for field in ["name", "namespace"] {
            if object["metadata"][field] != live["metadata"][field] {
                let why = format!(
                    "the {field} of the object ({}) does not match the {field} on the URL ({})",
                    object["metadata"][field], live["metadata"][field]
                );
                return Err(ApiError::bad_request(why));
            }
        }
        // A patch without a version means whatever version there is.
        let outcome = match subresource {
            Some("scale") => self.set_scale(&key.kind, &key.namespace, &key.name, &object, options),
            Some("status") => self.update_status_with(object, options),
            _ => self.update_with(object, options),
        };
        outcome.map_err(|error| as_patch_error(error, patch))
    }
}

/// What a typed decoder cannot read after a patch is reported as an invalid patch.
fn as_patch_error(error: ApiError, patch: &Value) -> ApiError {
    match (error.code, error.message.split_once("cannot be handled as a ")) {
        (400, Some((_, rest))) if !rest.contains("strict decoding error") => {
            let detail = rest.split_once(": ").map_or(rest, |(_, detail)| detail);
            ApiError::invalid("", "", "", &[FieldFault::invalid("patch", &Value::String(patch.to_string()), detail)])
        }
        _ => error,
    }
}

fn untyped(target: &Target, faults: &str) -> ApiError {
    let key = &target.key;
    let version = target.resource.api_version(&target.version.name);
    ApiError::unknown(format!(
        "failed to create typed patch object ({}/{}; {version}, Kind={}): {faults}",
        key.namespace, key.name, key.kind
    ))
}

/// An apply to the object says nothing about its status, an apply to the status nothing about the rest.
fn drop_other_half(wanted: &mut Value, target: &Target, subresource: Option<&str>) {
    let Some(map) = wanted.as_object_mut() else { return };
    match subresource {
        Some("status") => map.retain(|field, _| matches!(field.as_str(), "apiVersion" | "kind" | "metadata" | "status")),
        _ if target.version.status => {
            map.remove("status");
        }
        _ => {}
    }
}

/// RFC 7386.
pub(super) fn merge(target: &mut Value, patch: &Value) {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return;
    };
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(target) = target.as_object_mut() else { return };
    for (key, value) in patch {
        if value.is_null() {
            target.remove(key);
        } else {
            merge(target.entry(key.clone()).or_insert(Value::Null), value);
        }
    }
}

/// Kubernetes' strategic merge: as a merge patch, but lists of things with names merge by name, and `$patch`, `$retainKeys`,
/// `$deleteFromPrimitiveList` and `$setElementOrder` steer.
fn strategic_merge(target: &mut Value, patch: &Value, schema: &Schema) -> Result<(), ApiError> {
    let Value::Object(patch) = patch else {
        *target = patch.clone();
        return Ok(());
    };
    match patch.get("$patch").and_then(Value::as_str) {
        Some("replace") => {
            let kept = patch.iter().filter(|(key, _)| *key != "$patch").map(|(key, value)| (key.clone(), value.clone()));
            *target = Value::Object(kept.collect());
            return Ok(());
        }
        Some("delete") => {
            *target = Value::Null;
            return Ok(());
        }
        Some("merge") | None => {}
        Some(other) => return Err(ApiError::bad_request(format!("unknown patch type found: {other}"))),
    }
    if !target.is_object() {
        *target = Value::Object(Map::new());
    }
    let Some(target) = target.as_object_mut() else { return Ok(()) };
    if let Some(retained) = patch.get("$retainKeys").and_then(Value::as_array) {
        target.retain(|key, _| retained.iter().any(|name| name == key));
    }
    let unknown = Arc::new(Schema::default());
    for (key, value) in patch.iter().filter(|(key, _)| !key.starts_with('$')) {
        let child = schema.field(key).unwrap_or(&unknown);
        match (value, child.shape) {
            (Value::Null, _) => {
                target.remove(key);
            }
            (Value::Array(items), Shape::Array) if child.list != ListKind::Atomic => {
                let order = patch.get(&format!("$setElementOrder/{key}")).and_then(Value::as_array);
                let slot = target.entry(key.clone()).or_insert_with(|| json!([]));
                merge_list(slot, items, order, child)?;
            }
            _ => {
                let slot = target.entry(key.clone()).or_insert(Value::Null);
                strategic_merge(slot, value, child)?;
                if slot.is_null() {
                    target.remove(key);
                }
            }
        }
    }
    for (key, value) in patch {
        if let Some(field) = key.strip_prefix("$deleteFromPrimitiveList/") {
            let doomed = value.as_array().cloned().unwrap_or_default();
            if let Some(list) = target.get_mut(field).and_then(Value::as_array_mut) {
                list.retain(|item| !doomed.contains(item));
            }
        }
    }
    Ok(())
}

fn merge_list(slot: &mut Value, items: &[Value], order: Option<&Vec<Value>>, schema: &Schema) -> Result<(), ApiError> {
    let mut list = slot.as_array().cloned().unwrap_or_default();
    let key = match &schema.list {
        ListKind::Map(keys) => keys.first().cloned(),
        _ => None,
    };
    let inner = schema.items.clone().unwrap_or_default();
    let replaces = items.iter().any(|item| item.get("$patch").and_then(Value::as_str) == Some("replace"));
    if replaces {
        list.clear();
    }
    for item in items {
        let Some(key) = &key else {
            if !list.contains(item) {
                list.push(item.clone());
            }
            continue;
        };
        if item.get("$patch").and_then(Value::as_str) == Some("replace") && item.get(key).is_none() {
            continue;
        }
        let Some(id) = item.get(key) else {
            return Err(ApiError::bad_request(format!("map: {item} does not contain declared merge key: {key}")));
        };
        let found = list.iter().position(|existing| existing.get(key) == Some(id));
        match (found, item.get("$patch").and_then(Value::as_str)) {
            (Some(index), Some("delete")) => {
                list.remove(index);
            }
            (None, Some("delete")) => {}
            (Some(index), _) => {
                if let Some(existing) = list.get_mut(index) {
                    strategic_merge(existing, item, &inner)?;
                }
            }
            (None, _) => {
                let mut fresh = Value::Object(Map::new());
                strategic_merge(&mut fresh, item, &inner)?;
                list.push(fresh);
            }
        }
    }
    if let Some(order) = order {
        let id = |item: &Value| key.as_ref().map_or_else(|| item.clone(), |key| item[key].clone());
        let place = |item: &Value| order.iter().position(|wanted| id(wanted) == id(item)).unwrap_or(usize::MAX);
        list.sort_by_key(place);
    }
    *slot = Value::Array(list);
    Ok(())
}
