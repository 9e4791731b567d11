//! POST, PUT, PATCH and DELETE requests: decodes what was sent, calls the store, shows the result; keeps no rules of its own.

use std::sync::Arc;

use serde_json::{Value, json};

use super::call::{Addressed, Answer, Call, show, show_list};
use super::error::{ApiError, FaultKind, FieldFault};
use super::event_view;
use super::identity;
use super::options::{DeleteOptions, Mode, PatchKind, Propagation, Written};
use super::reads::Filter;
use super::registry::Origin;
use super::store::{ObjectKey, Store};

const PATCH_TYPES: &[&str] = &[
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
];

/// Built-in kinds whose updates must name the version they replace, as all custom resources must.
const CONDITIONAL: &[&str] = &["Lease", "PodDisruptionBudget", "CustomResourceDefinition", "ControllerRevision"];

/// Creates an object, an eviction or a token.
pub(super) fn create(store: &mut Store, call: &Call) -> Result<Answer, ApiError> {
    let addressed = call.address(store.registry())?;
    match (addressed.resource.kind.as_str(), call.path.subresource.as_str(), call.path.name.is_empty()) {
        ("Pod", "eviction", false) => return evict(store, call),
        ("ServiceAccount", "token", false) => return identity::issue(store, call),
        (_, "", true) => {}
        _ => return Err(ApiError::method_not_allowed()),
    }
    let object = sent_object(call, &addressed)?;
    let written = store.create_with(object, &call.write_options())?;
    Ok(answer(store, call, &addressed, &written))
}

fn answer(store: &Store, call: &Call, addressed: &Addressed, written: &Written) -> Answer {
    let shown = if written.object["kind"] == "Scale" {
        written.object.as_ref().clone()
    } else {
        show(call, addressed, &written.object, store.now())
    };
    let code = if written.created { 201 } else { 200 };
    Answer { code, warnings: written.warnings.clone(), ..Answer::ok(shown) }
}

/// The object of a POST or PUT, made to fit the path it was sent to.
fn sent_object(call: &Call, addressed: &Addressed) -> Result<Value, ApiError> {
    let mut object = call.json()?;
    if !object.is_object() {
        return Err(ApiError::bad_request("the object provided is unrecognized: body is not an object"));
    }
    fit(&mut object, call, addressed)?;
    Ok(object)
}

/// Fills in kind, version, namespace and name from the path, and refuses others.
fn fit(object: &mut Value, call: &Call, addressed: &Addressed) -> Result<(), ApiError> {
    if addressed.new_events {
        event_view::to_stored(object);
    }
    let (kind, api_version) = (&addressed.resource.kind, addressed.resource.api_version(&addressed.version.name));
    for (field, wanted) in [("kind", kind), ("apiVersion", &api_version)] {
        match object.get(field).and_then(Value::as_str) {
            None | Some("") => object[field] = json!(wanted),
            Some(found) if found == wanted => {}
            Some(found) => {
                return Err(ApiError::bad_request(format!(
                    "the {field} of the object ({found}) does not match the expected {field} ({wanted})"
                )));
            }
        }
    }
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    let path = &call.path;
    if addressed.resource.namespaced {
        match object["metadata"]["namespace"].as_str() {
            None | Some("") => object["metadata"]["namespace"] = json!(path.namespace),
            Some(found) if found == path.namespace => {}
            Some(_) => {
                return Err(ApiError::bad_request("the namespace of the provided object does not match the namespace sent on the request"));
            }
        }
    }
    if !path.name.is_empty() {
        match object["metadata"]["name"].as_str() {
            None | Some("") => object["metadata"]["name"] = json!(path.name),
            Some(found) if found == path.name => {}
            Some(found) => {
                let message = format!("the name of the object ({found}) does not match the name on the URL ({})", path.name);
                return Err(ApiError::bad_request(message));
            }
        }
    }
    Ok(())
}

/// Replaces an object or a subresource.
pub(super) fn update(store: &mut Store, call: &Call) -> Result<Answer, ApiError> {
    let addressed = call.address(store.registry())?;
    let options = call.write_options();
    let (kind, path) = (addressed.resource.kind.clone(), &call.path);
    if path.subresource == "scale" {
        let written = store.set_scale(&kind, &path.namespace, &path.name, &call.json()?, &options)?;
        return Ok(answer(store, call, &addressed, &written));
    }
    let object = sent_object(call, &addressed)?;
    let conditional = addressed.resource.origin == Origin::Custom || CONDITIONAL.contains(&kind.as_str());
    let version = object["metadata"]["resourceVersion"].as_str().unwrap_or_default();
    if conditional && version.is_empty() && store.get(&kind, &path.namespace, &path.name).is_some() {
        let body = "Invalid value: 0x0: must be specified for an update".to_string();
        let fault = FieldFault { path: "metadata.resourceVersion".to_string(), kind: FaultKind::Invalid, body };
        return Err(ApiError::invalid(&addressed.resource.group, &addressed.resource.plural, &path.name, &[fault]));
    }
    let written = match path.subresource.as_str() {
        "" => store.update_with(object, &options)?,
        "status" => store.update_status_with(object, &options)?,
        _ => return Err(ApiError::no_such_path()),
    };
    Ok(answer(store, call, &addressed, &written))
}

/// Patches an object or a subresource, or applies one.
pub(super) fn patch(store: &mut Store, call: &Call) -> Result<Answer, ApiError> {
    let addressed = call.address(store.registry())?;
    let media = call.content_type.split(';').next().unwrap_or_default().trim().to_string();
    let mut options = call.write_options();
    let subresource = Some(call.path.subresource.as_str()).filter(|name| !name.is_empty());
    if subresource.is_some_and(|name| !matches!(name, "status" | "scale")) {
        return Err(ApiError::no_such_path());
    }
    let kind = match media.as_str() {
        "application/json-patch+json" => PatchKind::Json,
        "application/merge-patch+json" => PatchKind::Merge,
        "application/strategic-merge-patch+json" => PatchKind::StrategicMerge,
        "application/apply-patch+yaml" | "application/apply-patch+json" if subresource != Some("scale") => {
            let Some(manager) = call.query.text("fieldManager") else {
                let fault = FieldFault::required("fieldManager", "is required for apply patch");
                return Err(ApiError::invalid("meta.k8s.io", "PatchOptions", "", &[fault]));
            };
            options.manager = manager.to_string();
            let object = sent_object(call, &addressed)?;
            let written =
                store.apply_with(object, call.query.flag("force") && call.query.text("force").is_some(), subresource, &options)?;
            return Ok(answer(store, call, &addressed, &written));
        }
        "application/apply-patch+yaml" => PatchKind::Merge,
        _ => return Err(ApiError::unsupported_media_type(PATCH_TYPES)),
    };
    let mut patch = call.json()?;
    if addressed.new_events {
        event_view::to_stored(&mut patch);
    }
    let key = ObjectKey::new(addressed.resource.kind.clone(), call.path.namespace.clone(), call.path.name.clone());
    let written = store.patch_with(&key, kind, &patch, subresource, &options)?;
    Ok(answer(store, call, &addressed, &written))
}

fn delete_options(call: &Call) -> Result<DeleteOptions, ApiError> {
    let body = call.json()?;
    let text = |value: &Value| value.as_str().map(str::to_string);
    let policy = call.query.text("propagationPolicy").map(str::to_string).or_else(|| text(&body["propagationPolicy"]));
    let propagation = match policy.as_deref() {
        Some("Foreground") => Some(Propagation::Foreground),
        Some("Orphan") => Some(Propagation::Orphan),
        Some("Background") => Some(Propagation::Background),
        _ => None,
    };
    let grace = call
        .query
        .number("gracePeriodSeconds")
        .and_then(|seconds| i64::try_from(seconds).ok())
        .or_else(|| body["gracePeriodSeconds"].as_i64());
    let tried = body["dryRun"].as_array().is_some_and(|list| !list.is_empty());
    Ok(DeleteOptions {
        uid: text(&body["preconditions"]["uid"]),
        resource_version: text(&body["preconditions"]["resourceVersion"]),
        grace_seconds: grace,
        propagation,
        mode: if tried { Mode::DryRun } else { call.mode() },
    })
}

/// Deletes one object: a Status if it is gone, the marked object if it has yet to go.
pub(super) fn delete(store: &mut Store, call: &Call) -> Result<Answer, ApiError> {
    let addressed = call.address(store.registry())?;
    if !call.path.subresource.is_empty() {
        return Err(ApiError::method_not_allowed());
    }
    let (kind, path) = (addressed.resource.kind.clone(), &call.path);
    let object = store.delete(&kind, &path.namespace, &path.name, delete_options(call)?)?;
    let remains = store.get(&kind, &path.namespace, &path.name).is_some();
    if remains || kind == "Pod" {
        return Ok(Answer::ok(show(call, &addressed, &object, store.now())));
    }
    let mut details = json!({ "name": path.name, "kind": addressed.resource.plural, "uid": object["metadata"]["uid"] });
    if !addressed.resource.group.is_empty() {
        details["group"] = json!(addressed.resource.group);
    }
    Ok(Answer::ok(json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "details": details })))
}

/// Deletes all objects of a kind that the selectors match.
pub(super) fn delete_collection(store: &mut Store, call: &Call) -> Result<Answer, ApiError> {
    let addressed = call.address(store.registry())?;
    let filter = Filter::of(call, &addressed)?;
    let kind = addressed.resource.kind.clone();
    let doomed: Vec<Arc<Value>> = store.list_shared(&kind, filter.namespace()).filter(|object| filter.matches(object)).cloned().collect();
    let options = delete_options(call)?;
    for object in &doomed {
        let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_string();
        // An object that an earlier deletion took along is gone, which is what was asked for.
        let _ = store.delete(&kind, &text("namespace"), &text("name"), options.clone());
    }
    let metadata = json!({ "resourceVersion": store.revision().to_string() });
    Ok(Answer::ok(show_list(call, &addressed, &doomed, metadata, store.now())))
}

fn evict(store: &mut Store, call: &Call) -> Result<Answer, ApiError> {
    let body = call.json()?;
    let inner = &body["deleteOptions"];
    let options = DeleteOptions {
        uid: inner["preconditions"]["uid"].as_str().map(str::to_string),
        resource_version: inner["preconditions"]["resourceVersion"].as_str().map(str::to_string),
        grace_seconds: inner["gracePeriodSeconds"].as_i64(),
        propagation: None,
        mode: call.mode(),
    };
    store.evict(&call.path.namespace, &call.path.name, options)?;
    let status = json!({ "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Success", "code": 201 });
    Ok(Answer { code: 201, ..Answer::ok(status) })
}
