//! The scale subresource: reads and writes replicas through the paths that a kind declares.

use std::sync::Arc;

use serde_json::{Value, json};

use super::error::ApiError;
use super::options::{WriteOptions, Written};
use super::registry::{Resource, ScalePaths};
use super::store::Store;

fn at<'a>(object: &'a Value, path: &str) -> Option<&'a Value> {
    path.split('.').try_fold(object, |value, step| value.get(step))
}

fn put(object: &mut Value, path: &str, value: Value) {
    let mut slot = object;
    for step in path.split('.') {
        if !slot.is_object() {
            *slot = json!({});
        }
        slot = &mut slot[step];
    }
    *slot = value;
}

/// A selector as text, whether it is stored as text or as a `LabelSelector`.
fn selector_text(value: &Value) -> String {
    if let Some(text) = value.as_str() {
        return text.to_string();
    }
    let labels = value.get("matchLabels").and_then(Value::as_object);
    let mut parts: Vec<String> =
        labels.into_iter().flatten().map(|(key, value)| format!("{key}={}", value.as_str().unwrap_or_default())).collect();
    for expression in value.get("matchExpressions").and_then(Value::as_array).into_iter().flatten() {
        let key = expression["key"].as_str().unwrap_or_default();
        let values: Vec<&str> = expression["values"].as_array().into_iter().flatten().filter_map(Value::as_str).collect();
        parts.push(match expression["operator"].as_str() {
            Some("In") => format!("{key} in ({})", values.join(",")),
            Some("NotIn") => format!("{key} notin ({})", values.join(",")),
            Some("DoesNotExist") => format!("!{key}"),
            _ => key.to_string(),
        });
    }
    parts.join(",")
}

impl Store {
    fn scale_paths(&self, resource: &Resource) -> Result<ScalePaths, ApiError> {
        resource.versions.first().and_then(|version| version.scale.clone()).ok_or_else(ApiError::no_such_path)
    }

    /// The `autoscaling/v1` Scale of an object.
    pub fn scale(&self, kind: &str, namespace: &str, name: &str) -> Result<Value, ApiError> {
        let resource = self.resource(kind)?;
        let paths = self.scale_paths(&resource)?;
        let object = self.get(kind, namespace, name).ok_or_else(|| ApiError::not_found(&resource, name))?;
        let metadata = &object["metadata"];
        let count = |path: &str| at(object, path).and_then(Value::as_i64).unwrap_or(0);
        let mut scale = json!({
            "kind": "Scale", "apiVersion": "autoscaling/v1",
            "metadata": {
                "name": metadata["name"], "namespace": metadata["namespace"], "uid": metadata["uid"],
                "resourceVersion": metadata["resourceVersion"], "creationTimestamp": metadata["creationTimestamp"],
            },
            "spec": { "replicas": count(&paths.spec_replicas) },
            "status": { "replicas": count(&paths.status_replicas) },
        });
        if let Some(selector) =
            paths.selector.as_deref().and_then(|path| at(object, path)).map(selector_text).filter(|text| !text.is_empty())
        {
            scale["status"]["selector"] = json!(selector);
        }
        Ok(scale)
    }

    /// Sets the wanted replicas of an object from a Scale; 409 if the Scale is stale.
    pub fn set_scale(
        &mut self,
        kind: &str,
        namespace: &str,
        name: &str,
        scale: &Value,
        options: &WriteOptions,
    ) -> Result<Written, ApiError> {
        let resource = self.resource(kind)?;
        let paths = self.scale_paths(&resource)?;
        let mut object = self.get(kind, namespace, name).cloned().ok_or_else(|| ApiError::not_found(&resource, name))?;
        if let Some(version) = scale.pointer("/metadata/resourceVersion").and_then(Value::as_str).filter(|version| !version.is_empty()) {
            object["metadata"]["resourceVersion"] = json!(version);
        }
        let replicas = scale.pointer("/spec/replicas").and_then(Value::as_i64).unwrap_or(0);
        if replicas < 0 {
            let fault = super::error::FieldFault::invalid("spec.replicas", &json!(replicas), "must be greater than or equal to 0");
            return Err(ApiError::invalid("autoscaling", "Scale", name, &[fault]));
        }
        put(&mut object, &paths.spec_replicas, json!(replicas));
        let written = self.update_scaled(object, options)?;
        let object = self.scale(kind, namespace, name).map(|mut stored| {
            stored["spec"]["replicas"] = json!(replicas);
            stored
        })?;
        Ok(Written { object: Arc::new(object), ..written })
    }
}
