//! Writes a resource's status, only if it differs, as the smallest merge patch and only over the version that was decided on.

use std::time::Duration;

use kube::api::{DynamicObject, Patch, PatchParams};
use kube::{Api, Client};
use serde_json::{Map, Value, json};
use tokio::time::timeout;

use super::events::Regarding;
use super::kinds::{ResourceKind, catalog_resource};
use super::report::ApplyError;
use crate::api::{StarRocksClusterStatus, StarRocksVersionCatalogStatus};
use crate::model::component::FIELD_MANAGER;
use crate::model::warehouse;

/// How long a request to the API server may take.
pub(super) const PATIENCE: Duration = Duration::from_secs(10);

/// Publishes a status if it differs from the present one; returns the new resource version when something was written.
///
/// The patch carries the resource version that the decision is based on. The status is the operator's only memory, and an operator that
/// has lost its lease without knowing must not write over what its successor remembers.
///
/// # Errors
/// When the resource has changed or is gone, and when the API server refuses or does not answer.
pub async fn publish_status(
    client: &Client,
    regarding: &Regarding,
    resource_version: &str,
    present: &StarRocksClusterStatus,
    wanted: &StarRocksClusterStatus,
) -> Result<Option<String>, ApplyError> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &regarding.namespace, &regarding.kind.api_resource());
    let difference = difference(&to_json(regarding.kind, present), &to_json(regarding.kind, wanted));
    patch(&api, &regarding.name, resource_version, difference).await
}

/// Publishes the status of a version catalog in the same way.
///
/// # Errors
/// As [`publish_status`].
pub async fn publish_catalog_status(
    client: &Client,
    name: &str,
    resource_version: &str,
    present: &StarRocksVersionCatalogStatus,
    wanted: &StarRocksVersionCatalogStatus,
) -> Result<Option<String>, ApplyError> {
    let api: Api<DynamicObject> = Api::all_with(client.clone(), &catalog_resource());
    let json = |status| serde_json::to_value(status).unwrap_or_default();
    patch(&api, name, resource_version, difference(&json(present), &json(wanted))).await
}

async fn patch(
    api: &Api<DynamicObject>,
    name: &str,
    resource_version: &str,
    difference: Option<Value>,
) -> Result<Option<String>, ApplyError> {
    let Some(difference) = difference else { return Ok(None) };
    let body = json!({ "metadata": { "resourceVersion": resource_version }, "status": difference });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match timeout(PATIENCE, api.patch_status(name, &params, &Patch::Merge(&body))).await {
        Ok(Ok(object)) => Ok(Some(object.metadata.resource_version.unwrap_or_default())),
        Ok(Err(kube::Error::Api(status))) if status.is_conflict() => Err(ApplyError::Conflict),
        Ok(Err(kube::Error::Api(status))) if status.is_not_found() => Err(ApplyError::Gone),
        Ok(Err(error)) => Err(ApplyError::Status(Box::new(error))),
        Err(_) => Err(ApplyError::TimedOut),
    }
}

fn to_json(kind: ResourceKind, status: &StarRocksClusterStatus) -> Value {
    // Serialising a status cannot fail: its maps have text keys.
    match kind {
        ResourceKind::Cluster => serde_json::to_value(status).unwrap_or_default(),
        ResourceKind::Warehouse => serde_json::to_value(warehouse::published(status)).unwrap_or_default(),
    }
}

/// The JSON merge patch that turns `present` into `wanted`; `None` when they are equal.
pub(super) fn difference(present: &Value, wanted: &Value) -> Option<Value> {
    let (Value::Object(present), Value::Object(wanted)) = (present, wanted) else {
        return (present != wanted).then(|| wanted.clone());
    };
    let mut patch = Map::new();
    for (key, value) in wanted {
        match present.get(key) {
            Some(before) => drop(difference(before, value).map(|change| patch.insert(key.clone(), change))),
            None => drop(patch.insert(key.clone(), value.clone())),
        }
    }
    for key in present.keys().filter(|key| !wanted.contains_key(*key)) {
        patch.insert(key.clone(), Value::Null);
    }
    (!patch.is_empty()).then_some(Value::Object(patch))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_states_need_no_patch() {
        assert_eq!(difference(&json!({"a": [1, {"b": 2}]}), &json!({"a": [1, {"b": 2}]})), None);
    }

    #[test]
    fn a_patch_names_only_what_changed_and_erases_what_is_gone() {
        let present = json!({"phase": "running", "operation": {"step": 1, "image": {"journalId": 3}}, "leader": "a"});
        let wanted = json!({"phase": "running", "operation": {"step": 2}, "version": "3.5.0"});
        let patch = json!({"operation": {"step": 2, "image": null}, "leader": null, "version": "3.5.0"});
        assert_eq!(difference(&present, &wanted), Some(patch));
    }
}
