//! Service accounts as users: a token for one, and from a token the user; keeps no list, a token dies with its account.

use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::error::ApiError;
use super::store::Store;

const PREFIX: &str = "embedded.";
/// What Kubernetes gives at most when a day is asked for is what is asked for; nothing here lives that long.
const LIFETIME_SECONDS: u64 = 86_400;

/// Answers a TokenRequest for a service account.
pub(super) fn issue(store: &Store, call: &Call) -> Result<Answer, ApiError> {
    let (namespace, name) = (call.path.namespace.as_str(), call.path.name.as_str());
    let resource = store.resource("ServiceAccount")?;
    let account = store.get("ServiceAccount", namespace, name).ok_or_else(|| ApiError::not_found(&resource, name))?;
    let uid = account["metadata"]["uid"].as_str().unwrap_or_default();
    let expires = store.now() + std::time::Duration::from_secs(LIFETIME_SECONDS);
    // What is asked for (audiences, a lifetime) makes no difference here, and kubectl asks in protobuf.
    let mut request = call.json().ok().filter(Value::is_object).unwrap_or_else(|| json!({}));
    request["kind"] = json!("TokenRequest");
    request["apiVersion"] = json!("authentication.k8s.io/v1");
    request["metadata"] = json!({ "name": name, "namespace": namespace });
    request["status"] = json!({ "token": format!("{PREFIX}{namespace}.{name}.{uid}"), "expirationTimestamp": expires.to_seconds_text() });
    Ok(Answer { code: 201, ..Answer::ok(request) })
}

/// The user that a token stands for, if its account is still the one it was issued for.
pub(super) fn user_of(store: &Store, token: &str) -> Option<String> {
    // Names of service accounts may hold dots, namespaces and UIDs do not.
    let (namespace, rest) = token.strip_prefix(PREFIX)?.split_once('.')?;
    let (name, uid) = rest.rsplit_once('.')?;
    let account = store.get("ServiceAccount", namespace, name)?;
    (account["metadata"]["uid"] == *uid).then(|| format!("system:serviceaccount:{namespace}:{name}"))
}

/// Whether a subject of a role binding means a user: by name, or as a service account.
pub(super) fn is_meant(subject: &Value, user: &str) -> bool {
    let text = |field: &str| subject[field].as_str().unwrap_or_default();
    match text("kind") {
        "ServiceAccount" => user == format!("system:serviceaccount:{}:{}", text("namespace"), text("name")),
        "User" => user == text("name"),
        "Group" => {
            let account = user.strip_prefix("system:serviceaccount:");
            match text("name") {
                "system:authenticated" => true,
                "system:serviceaccounts" => account.is_some(),
                group => {
                    let namespace = account.and_then(|account| account.split_once(':')).map(|(namespace, _)| namespace);
                    namespace.is_some() && group.strip_prefix("system:serviceaccounts:") == namespace
                }
            }
        }
        _ => false,
    }
}
