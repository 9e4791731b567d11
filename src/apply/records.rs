//! Makes, updates and deletes StarRocksUpgrades; one that cannot be written costs an explanation and hinders nothing.

use kube::api::{Api, ApiResource, DeleteParams, DynamicObject, Patch, PatchParams, PostParams, Preconditions};
use kube::{Client, ResourceExt};
use serde_json::{Value, json};

use super::events::Regarding;
use super::kinds::upgrades;
use super::objects::bounded;
use super::report::{Report, StepError, Verb};
use super::status::difference;
use crate::model::RecordAct;
use crate::model::component::{FIELD_MANAGER, OWNER_LABEL};

const KIND: &str = "StarRocksUpgrade";

/// Carries out one act. What another process did meanwhile is seen in the next pass.
pub(super) async fn write(client: &Client, regarding: &Regarding, act: &RecordAct, report: &mut Report) {
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), &regarding.namespace, &upgrades());
    let written = match act {
        RecordAct::Create { name, spec } => {
            report.count(Verb::Create, KIND);
            create(&api, regarding, name, serde_json::to_value(spec).unwrap_or_default()).await
        }
        RecordAct::Report { name, resource_version, former, status } => {
            let json = |status| serde_json::to_value(status).unwrap_or_default();
            let Some(change) = difference(&json(former), &json(status)) else { return };
            report.count(Verb::PatchStatus, KIND);
            let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
            let body = json!({ "metadata": { "resourceVersion": resource_version }, "status": change });
            bounded(api.patch_status(name, &params, &Patch::Merge(&body))).await.map(drop)
        }
        RecordAct::Forget { name, uid } => {
            report.count(Verb::Delete, KIND);
            let preconditions = Some(Preconditions { uid: Some(uid.clone()), resource_version: None });
            bounded(api.delete(name, &DeleteParams { preconditions, ..DeleteParams::default() })).await.map(drop)
        }
    };
    match written {
        Ok(()) => {}
        Err(StepError::Kubernetes(error)) if is_overtaken(&error) => {}
        Err(error) => tracing::warn!(upgrade = act.name(), %error, "a StarRocksUpgrade was not written; the upgrade goes on without"),
    }
}

async fn create(api: &Api<DynamicObject>, regarding: &Regarding, name: &str, spec: Value) -> Result<(), StepError> {
    let owner: ApiResource = regarding.kind.api_resource();
    let mut object = DynamicObject::new(name, &upgrades()).data(json!({ "spec": spec }));
    object.labels_mut().insert(OWNER_LABEL.to_owned(), regarding.name.clone());
    object.metadata.owner_references = serde_json::from_value(json!([{
        "apiVersion": owner.api_version, "kind": owner.kind, "name": regarding.name, "uid": regarding.uid,
        "controller": true, "blockOwnerDeletion": true,
    }]))
    .ok();
    let params = PostParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PostParams::default() };
    bounded(api.create(&params, &object)).await.map(drop)
}

/// Whether somebody was faster: it exists, has changed or is gone.
fn is_overtaken(error: &kube::Error) -> bool {
    matches!(error, kube::Error::Api(status) if status.is_conflict() || status.is_already_exists() || status.is_not_found())
}
