//! Tells the Operator Lifecycle Manager (v0) whether this operator may be replaced now. It gives us `get` and `patch` on one object and nothing else: no watch, no status.

use kube::Client;
use kube::api::{Api, ApiResource, DynamicObject, Patch, PatchParams};
use kube::core::GroupVersionKind;
use serde_json::{Value, json};

use super::objects::bounded;
use super::report::StepError;
use crate::model::Timestamp;
use crate::model::component::FIELD_MANAGER;

/// The type of condition that OLM asks for before it replaces an operator.
const CONDITION: &str = "Upgradeable";

/// Whether the operator may be replaced by its next version.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Upgradeable {
    /// It may.
    Yes,
    /// It should stay until databases have been brought to their release.
    No {
        /// Which ones, for the admin who waits.
        message: String,
    },
}

impl Upgradeable {
    fn condition(&self) -> [&str; 3] {
        match self {
            Self::Yes => ["True", "NoUpgradeInProgress", "no StarRocks cluster is on its way to another release"],
            Self::No { message } => ["False", "StarRocksUpgradeInProgress", message],
        }
    }
}

/// How far the word has come.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Heard {
    /// It is written, and OLM has taken it over.
    ByOlm,
    /// It is written; OLM has not looked yet.
    NotYet,
    /// There is no such object, or no right to it: nobody listens.
    ByNobody,
}

/// Writes the condition if it says something else, and tells whether OLM has taken it over. Conditions of other types stay.
///
/// # Errors
/// When the API server does not answer, or somebody else wrote the object meanwhile.
pub async fn tell_upgradeable(client: &Client, place: (&str, &str), upgradeable: &Upgradeable, now: Timestamp) -> Result<Heard, StepError> {
    match tell(client, place, upgradeable, now).await {
        Err(StepError::Kubernetes(error)) if matches!(&*error, kube::Error::Api(status) if [403, 404].contains(&status.code)) => {
            tracing::debug!(%error, "no OperatorCondition");
            Ok(Heard::ByNobody)
        }
        told => told,
    }
}

async fn tell(client: &Client, (namespace, name): (&str, &str), upgradeable: &Upgradeable, now: Timestamp) -> Result<Heard, StepError> {
    let kind = ApiResource::from_gvk(&GroupVersionKind::gvk("operators.coreos.com", "v2", "OperatorCondition"));
    let api: Api<DynamicObject> = Api::namespaced_with(client.clone(), namespace, &kind);
    let mut object = bounded(api.get(name)).await?;
    let [status, reason, message] = upgradeable.condition();
    let told = ours(&object, "spec");
    let says = |field: &str| told.and_then(|told| told.get(field)).and_then(Value::as_str);
    if (says("status"), says("reason"), says("message")) != (Some(status), Some(reason), Some(message)) {
        let since =
            says("lastTransitionTime").filter(|_| says("status") == Some(status)).map_or_else(|| now.to_seconds_text(), str::to_owned);
        let mut all: Vec<Value> = conditions(&object, "spec").iter().filter(|condition| condition["type"] != CONDITION).cloned().collect();
        all.push(json!({"type": CONDITION, "status": status, "reason": reason, "message": message, "lastTransitionTime": since}));
        // OLM writes this object as well: a list is replaced as a whole, so never over a version that was not read.
        let body = json!({"metadata": {"resourceVersion": object.metadata.resource_version}, "spec": {"conditions": all}});
        let params = PatchParams { field_manager: Some(FIELD_MANAGER.to_owned()), ..PatchParams::default() };
        object = bounded(api.patch(name, &params, &Patch::Merge(&body))).await?;
    }
    Ok(if is_heard(&object, status) { Heard::ByOlm } else { Heard::NotYet })
}

/// Whether the status that OLM writes says the same about the specification as it is now.
fn is_heard(object: &DynamicObject, status: &str) -> bool {
    ours(object, "status").is_some_and(|condition| {
        condition["status"] == status && condition["observedGeneration"].as_i64() == Some(object.metadata.generation.unwrap_or(0))
    })
}

fn ours<'o>(object: &'o DynamicObject, part: &str) -> Option<&'o Value> {
    conditions(object, part).iter().find(|condition| condition["type"] == CONDITION)
}

fn conditions<'o>(object: &'o DynamicObject, part: &str) -> &'o [Value] {
    object.data.get(part).and_then(|part| part.get("conditions")).and_then(Value::as_array).map(Vec::as_slice).unwrap_or_default()
}
