//! Single requests to the API server, each under a deadline: apply an object, delete one by UID. Never retries.

use k8s_openapi::api::core::v1::Pod;
use kube::api::{ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use kube::{Api, Client};
use serde_json::{Value, json};
use tokio::time::timeout;

use super::kinds::resource_of;
use super::report::StepError;
use super::status::PATIENCE;
use super::takeover;
use crate::model::component::FIELD_MANAGER;
use crate::model::{Object, ObjectKey, ObjectKind};

/// Applies an object server-side and returns its resource version.
pub(super) async fn apply(client: &Client, namespace: &str, object: &Object) -> Result<String, StepError> {
    let key = object.key();
    let params = PatchParams::apply(FIELD_MANAGER).force();
    let body = object.to_json();
    let api = api(client, namespace, key.kind);
    let applied = bounded(api.patch(&key.name, &params, &Patch::Apply(&body))).await?;
    Ok(applied.metadata.resource_version.unwrap_or_default())
}

/// Makes what the former operator wrote of an object ours, so that the apply that follows can also take fields away. Returns whether anything was written.
pub(super) async fn take_over(client: &Client, namespace: &str, key: &ObjectKey) -> Result<bool, StepError> {
    let api = api(client, namespace, key.kind);
    let Some(live) = bounded(api.get_opt(&key.name)).await? else { return Ok(false) };
    let live = serde_json::to_value(live).map_err(|error| StepError::Kubernetes(Box::new(kube::Error::SerdeError(error))))?;
    let Some(patch) = takeover::patch(&live) else { return Ok(false) };
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    bounded(api.patch(&key.name, &params, &Patch::Merge(&patch))).await?;
    Ok(true)
}

/// Whether an object of this name may be applied: it does not exist, or this cluster controls it. The caches hold labelled objects only,
/// so a name that they do not know may still be taken, and a server-side apply would take it over without a word.
///
/// # Errors
/// When the API server refuses or does not answer.
pub async fn is_free_or_ours(client: &Client, namespace: &str, key: &ObjectKey, owner_uid: &str) -> Result<bool, StepError> {
    let found = bounded(api(client, namespace, key.kind).get_opt(&key.name)).await?;
    let controlled = |uid: &str| {
        let owners = found.as_ref().and_then(|object| object.metadata.owner_references.as_ref()).into_iter().flatten();
        owners.into_iter().any(|owner| owner.controller == Some(true) && owner.uid == uid)
    };
    Ok(found.is_none() || controlled(owner_uid))
}

/// Deletes an owned object if it still is the one with this UID; its dependents go in the background.
pub(super) async fn delete(client: &Client, namespace: &str, key: &ObjectKey, uid: &str) -> Result<(), StepError> {
    let params = DeleteParams { preconditions: Some(only(uid)), ..DeleteParams::background() };
    tolerate_gone(bounded(api(client, namespace, key.kind).delete(&key.name, &params)).await.map(drop))
}

/// Makes a pod. One of that name that is there already was made by an earlier pass.
pub(super) async fn create_pod(client: &Client, namespace: &str, pod: &Pod) -> Result<(), StepError> {
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    match bounded(Api::<Pod>::namespaced(client.clone(), namespace).create(&params, pod)).await {
        Err(StepError::Kubernetes(error)) if matches!(&*error, kube::Error::Api(status) if status.is_already_exists()) => Ok(()),
        made => made.map(drop),
    }
}

/// Deletes a pod if it still is the one with this UID.
pub(super) async fn delete_pod(client: &Client, namespace: &str, pod: &str, uid: &str) -> Result<(), StepError> {
    let resource = ApiResource {
        group: String::new(),
        version: "v1".to_owned(),
        api_version: "v1".to_owned(),
        kind: "Pod".to_owned(),
        plural: "pods".to_owned(),
    };
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &resource);
    let params = DeleteParams { preconditions: Some(only(uid)), ..DeleteParams::default() };
    tolerate_gone(bounded(api.delete(pod, &params)).await.map(drop))
}

/// Takes a finalizer off an object if it still is the one with this UID, over what is there now: those of others stay. Returns whether anything was written.
pub(super) async fn take_finalizer_off(
    client: &Client,
    namespace: &str,
    key: &ObjectKey,
    uid: &str,
    finalizer: &str,
) -> Result<bool, StepError> {
    let found = bounded(api(client, namespace, key.kind).get_opt(&key.name)).await?.map(|object| object.metadata);
    let Some(metadata) = found.filter(|metadata| metadata.uid.as_deref() == Some(uid)) else { return Ok(false) };
    let (taken, kept): (Vec<String>, Vec<String>) = metadata.finalizers.unwrap_or_default().into_iter().partition(|held| held == finalizer);
    if taken.is_empty() {
        return Ok(false);
    }
    let version = metadata.resource_version.unwrap_or_default();
    set_finalizers(client, namespace, &resource_of(key.kind), &key.name, &version, &kept).await?;
    Ok(true)
}

/// Replaces the finalizers of an object, over this version of it only; returns the new version, `None` when the object is gone.
pub(super) async fn set_finalizers(
    client: &Client,
    namespace: &str,
    resource: &ApiResource,
    name: &str,
    version: &str,
    finalizers: &[String],
) -> Result<Option<String>, StepError> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, resource);
    let metadata = json!({ "finalizers": finalizers, "resourceVersion": version });
    let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
    match bounded(api.patch(name, &params, &Patch::Merge(&json!({ "metadata": metadata })))).await {
        Ok(patched) => Ok(patched.metadata.resource_version),
        Err(StepError::Kubernetes(error)) => match *error {
            kube::Error::Api(status) if status.is_not_found() => Ok(None),
            other => Err(StepError::Kubernetes(Box::new(other))),
        },
        Err(error) => Err(error),
    }
}

fn api(client: &Client, namespace: &str, kind: ObjectKind) -> Api<DynamicObject> {
    Api::namespaced_with(client.clone(), namespace, &resource_of(kind))
}

fn only(uid: &str) -> Preconditions {
    Preconditions { uid: Some(uid.to_owned()), resource_version: None }
}

/// Gone, or replaced by another one of the same name: either way the one that was meant is no more.
fn tolerate_gone(outcome: Result<(), StepError>) -> Result<(), StepError> {
    match outcome {
        Err(StepError::Kubernetes(error)) => match *error {
            kube::Error::Api(status) if status.is_not_found() || status.is_conflict() => Ok(()),
            other => Err(StepError::Kubernetes(Box::new(other))),
        },
        other => other,
    }
}

pub(super) async fn bounded<T>(request: impl Future<Output = kube::Result<T>>) -> Result<T, StepError> {
    match timeout(PATIENCE, request).await {
        Ok(outcome) => outcome.map_err(StepError::of),
        Err(_) => Err(StepError::TimedOut),
    }
}

/// Sends a JSON object to be created.
pub(super) async fn create(client: &Client, namespace: &str, resource: &ApiResource, body: Value) -> Result<(), StepError> {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, resource);
    let object: DynamicObject =
        serde_json::from_value(body).map_err(|error| StepError::Kubernetes(Box::new(kube::Error::SerdeError(error))))?;
    let params = kube::api::PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..Default::default() };
    bounded(api.create(&params, &object)).await.map(drop)
}
