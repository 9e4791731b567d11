//! What the API server refuses and how it says so: field faults in, `metav1.Status` bodies out; never decides what is refused.

use serde_json::{Value, json};

use super::registry::Resource;

/// A refusal in the API server's own words; `to_status` is the body that goes over the wire.
#[derive(Clone, Debug, PartialEq, thiserror::Error)]
#[error("{message}")]
pub struct ApiError {
    /// HTTP status code.
    pub code: u16,
    /// `metav1.StatusReason`; empty where the server gives none.
    pub reason: String,
    /// Human text.
    pub message: String,
    /// `metav1.StatusDetails`.
    pub details: Option<Value>,
}

/// Why one field is refused; the variants are `field.ErrorType`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FaultKind {
    /// A value that must be there is not.
    Required,
    /// A value that breaks a rule.
    Invalid,
    /// A value of the wrong JSON type.
    TypeInvalid,
    /// A value outside an enumeration.
    NotSupported,
    /// A value that must not change or not be set.
    Forbidden,
    /// A second item with the same key.
    Duplicate,
    /// A reference to something that is not there.
    NotFound,
    /// Text longer than allowed.
    TooLong,
    /// A list longer than allowed.
    TooMany,
}

/// One refused field: path, kind and the text after the path.
#[derive(Clone, Debug, PartialEq)]
pub struct FieldFault {
    /// Path as the server writes it: `spec.containers[0].image`.
    pub path: String,
    /// What is wrong with it.
    pub kind: FaultKind,
    /// `Required value`, `Invalid value: "x": why`, …
    pub body: String,
}

fn shown(value: &Value) -> String {
    value.to_string()
}

fn with_detail(head: String, detail: &str) -> String {
    if detail.is_empty() { head } else { format!("{head}: {detail}") }
}

impl FieldFault {
    /// A missing value.
    pub fn required(path: impl Into<String>, detail: &str) -> Self {
        Self { path: path.into(), kind: FaultKind::Required, body: with_detail("Required value".to_string(), detail) }
    }

    /// A value that breaks a rule.
    pub fn invalid(path: impl Into<String>, value: &Value, detail: &str) -> Self {
        Self { path: path.into(), kind: FaultKind::Invalid, body: with_detail(format!("Invalid value: {}", shown(value)), detail) }
    }

    /// A value of the wrong type, worded as the schema validator does.
    pub fn wrong_type(path: impl Into<String>, wanted: &str, value: &Value) -> Self {
        let path = path.into();
        let found = match value {
            Value::Null => "null",
            Value::Bool(_) => "boolean",
            Value::Number(number) if number.is_f64() => "number",
            Value::Number(_) => "integer",
            Value::String(_) => "string",
            Value::Array(_) => "array",
            Value::Object(_) => "object",
        };
        let body = format!("Invalid value: \"{found}\": {path} in body must be of type {wanted}: \"{found}\"");
        Self { path, kind: FaultKind::TypeInvalid, body }
    }

    /// A value outside an enumeration.
    pub fn not_supported(path: impl Into<String>, value: &Value, allowed: &[Value]) -> Self {
        let allowed = allowed.iter().map(shown).collect::<Vec<_>>().join(", ");
        let body = format!("Unsupported value: {}: supported values: {allowed}", shown(value));
        Self { path: path.into(), kind: FaultKind::NotSupported, body }
    }

    /// A change or value that is not allowed.
    pub fn forbidden(path: impl Into<String>, detail: &str) -> Self {
        Self { path: path.into(), kind: FaultKind::Forbidden, body: with_detail("Forbidden".to_string(), detail) }
    }

    /// A second item with the same key.
    pub fn duplicate(path: impl Into<String>, value: &Value) -> Self {
        Self { path: path.into(), kind: FaultKind::Duplicate, body: format!("Duplicate value: {}", shown(value)) }
    }

    /// A reference to something that is not there.
    pub fn not_found(path: impl Into<String>, value: &Value) -> Self {
        Self { path: path.into(), kind: FaultKind::NotFound, body: format!("Not found: {}", shown(value)) }
    }

    /// Text longer than `limit`.
    pub fn too_long(path: impl Into<String>, limit: u64) -> Self {
        Self { path: path.into(), kind: FaultKind::TooLong, body: format!("Too long: may not be more than {limit} bytes") }
    }

    /// A list with more than `limit` items.
    pub fn too_many(path: impl Into<String>, found: usize, limit: u64) -> Self {
        Self { path: path.into(), kind: FaultKind::TooMany, body: format!("Too many: {found}: must have at most {limit} items") }
    }

    fn reason(&self) -> &'static str {
        match self.kind {
            FaultKind::Required => "FieldValueRequired",
            FaultKind::Invalid => "FieldValueInvalid",
            FaultKind::TypeInvalid => "FieldValueTypeInvalid",
            FaultKind::NotSupported => "FieldValueNotSupported",
            FaultKind::Forbidden => "FieldValueForbidden",
            FaultKind::Duplicate => "FieldValueDuplicate",
            FaultKind::NotFound => "FieldValueNotFound",
            FaultKind::TooLong => "FieldValueTooLong",
            FaultKind::TooMany => "FieldValueTooMany",
        }
    }
}

impl ApiError {
    fn new(code: u16, reason: &str, message: String, details: Option<Value>) -> Self {
        Self { code, reason: reason.to_string(), message, details }
    }

    fn about(resource: &Resource, name: &str) -> Option<Value> {
        let mut details = json!({ "name": name, "kind": resource.plural });
        if !resource.group.is_empty() {
            details["group"] = json!(resource.group);
        }
        Some(details)
    }

    /// 404 for an object that is not there.
    pub fn not_found(resource: &Resource, name: &str) -> Self {
        Self::new(404, "NotFound", format!("{} \"{name}\" not found", resource.qualified()), Self::about(resource, name))
    }

    /// 404 for a path or a kind that nobody serves.
    pub fn no_such_path() -> Self {
        Self::new(404, "NotFound", "the server could not find the requested resource".to_string(), Some(json!({})))
    }

    /// 409 for a name that is taken.
    pub fn already_exists(resource: &Resource, name: &str) -> Self {
        Self::new(409, "AlreadyExists", format!("{} \"{name}\" already exists", resource.qualified()), Self::about(resource, name))
    }

    /// 409 for a stale `resourceVersion` or a failed precondition.
    pub fn conflict(resource: &Resource, name: &str, why: &str) -> Self {
        let message = format!("Operation cannot be fulfilled on {} \"{name}\": {why}", resource.qualified());
        Self::new(409, "Conflict", message, Self::about(resource, name))
    }

    /// 409 for a stale `resourceVersion`.
    pub fn stale(resource: &Resource, name: &str) -> Self {
        Self::conflict(resource, name, "the object has been modified; please apply your changes to the latest version and try again")
    }

    /// 409 of server-side apply: `(manager description, field path)` for each field that another manager owns.
    pub fn apply_conflict(conflicts: &[(String, String)]) -> Self {
        let causes: Vec<Value> = conflicts
            .iter()
            .map(|(owner, field)| json!({ "reason": "FieldManagerConflict", "message": format!("conflict with {owner}"), "field": field }))
            .collect();
        let mut owners: Vec<&str> = conflicts.iter().map(|(owner, _)| owner.as_str()).collect();
        owners.dedup();
        let count = conflicts.len();
        let noun = if count == 1 { "conflict" } else { "conflicts" };
        let message = match (owners.as_slice(), conflicts) {
            ([owner], [(_, field)]) => format!("Apply failed with 1 conflict: conflict with {owner}: {field}"),
            _ => {
                let mut text = format!("Apply failed with {count} {noun}: ");
                let mut parts = Vec::new();
                for owner in owners {
                    let fields: Vec<String> = conflicts.iter().filter(|(o, _)| o == owner).map(|(_, f)| format!("\n- {f}")).collect();
                    parts.push(format!("conflicts with {owner}:{}", fields.concat()));
                }
                text.push_str(&parts.join("\n"));
                text
            }
        };
        Self::new(409, "Conflict", message, Some(json!({ "causes": causes })))
    }

    /// 422 with one cause for each refused field; `kind` and `group` are those of the object.
    pub fn invalid(group: &str, kind: &str, name: &str, faults: &[FieldFault]) -> Self {
        let lines: Vec<String> = faults.iter().map(|f| format!("{}: {}", f.path, f.body)).collect();
        let text = match lines.as_slice() {
            [single] => single.clone(),
            many => format!("[{}]", many.join(", ")),
        };
        let full_kind = if group.is_empty() { kind.to_string() } else { format!("{kind}.{group}") };
        let causes: Vec<Value> = faults.iter().map(|f| json!({ "reason": f.reason(), "message": f.body, "field": f.path })).collect();
        let mut details = json!({ "name": name, "kind": kind, "causes": causes });
        if !group.is_empty() {
            details["group"] = json!(group);
        }
        Self::new(422, "Invalid", format!("{full_kind} \"{name}\" is invalid: {text}"), Some(details))
    }

    /// 400.
    pub fn bad_request(message: impl Into<String>) -> Self {
        Self::new(400, "BadRequest", message.into(), None)
    }

    /// 500 as the server answers for a plain error: no reason at all.
    pub fn unknown(message: impl Into<String>) -> Self {
        Self::new(500, "", message.into(), None)
    }

    /// 500 with reason `InternalError`; what a fault injector sends.
    pub fn internal(message: impl Into<String>) -> Self {
        let message = message.into();
        let details = json!({ "causes": [{ "message": message }] });
        Self::new(500, "InternalError", format!("Internal error occurred: {message}"), Some(details))
    }

    /// 503; what a server that is going away sends.
    pub fn unavailable() -> Self {
        let message = "the server is currently unable to handle the request".to_string();
        Self::new(503, "ServiceUnavailable", message, Some(json!({})))
    }

    /// 401; a token that nobody knows.
    pub fn unauthorized() -> Self {
        Self::new(401, "Unauthorized", "Unauthorized".to_string(), None)
    }

    /// 403 in the words of the RBAC authorizer; `action` is `list resource "pods" in API group "" in the namespace "x"`.
    pub fn forbidden(group: &str, plural: &str, name: &str, why: &str) -> Self {
        let resource = if group.is_empty() { plural.to_string() } else { format!("{plural}.{group}") };
        let subject = if name.is_empty() { format!("{resource} is forbidden") } else { format!("{resource} \"{name}\" is forbidden") };
        let mut details = json!({ "kind": plural });
        if !name.is_empty() {
            details["name"] = json!(name);
        }
        if !group.is_empty() {
            details["group"] = json!(group);
        }
        Self::new(403, "Forbidden", format!("{subject}: {why}"), Some(details))
    }

    /// 403 for something new in a namespace that is being deleted.
    pub fn namespace_terminating(group: &str, plural: &str, name: &str, namespace: &str) -> Self {
        let mut error = Self::forbidden(
            group,
            plural,
            name,
            &format!("unable to create new content in namespace {namespace} because it is being terminated"),
        );
        if let Some(details) = &mut error.details {
            let message = format!("namespace {namespace} is being terminated");
            details["causes"] = json!([{ "reason": "NamespaceTerminating", "message": message, "field": "metadata.namespace" }]);
        }
        error
    }

    /// 405.
    pub fn method_not_allowed() -> Self {
        let message = "the server does not allow this method on the requested resource".to_string();
        Self::new(405, "MethodNotAllowed", message, Some(json!({})))
    }

    /// 415, naming the media types that a patch may have.
    pub fn unsupported_media_type(accepted: &[&str]) -> Self {
        let message = format!("the body of the request was in an unknown format - accepted media types include: {}", accepted.join(", "));
        Self::new(415, "UnsupportedMediaType", message, Some(json!({})))
    }

    /// 410 for a `resourceVersion` that history no longer reaches.
    pub fn expired(asked: u64, oldest: u64) -> Self {
        Self::new(410, "Expired", format!("too old resource version: {asked} ({oldest})"), None)
    }

    /// 410 for a `continue` token whose list is gone.
    pub fn continue_expired() -> Self {
        let message =
            "The provided continue parameter is too old to display a consistent list result. You can start a new list without the \
                       continue parameter."
                .to_string();
        Self::new(410, "Expired", message, None)
    }

    /// 429 of an eviction that a budget forbids.
    pub fn eviction_blocked(budget: &str, needed: i64, healthy: i64) -> Self {
        let details = json!({ "causes": [{
            "reason": "DisruptionBudget",
            "message": format!("The disruption budget {budget} needs {needed} healthy pods and has {healthy} currently"),
        }] });
        let message = "Cannot evict pod as it would violate the pod's disruption budget.".to_string();
        Self::new(429, "TooManyRequests", message, Some(details))
    }

    /// The body that goes over the wire.
    pub fn to_status(&self) -> Value {
        let mut status = json!({
            "kind": "Status", "apiVersion": "v1", "metadata": {}, "status": "Failure",
            "message": self.message, "code": self.code,
        });
        if !self.reason.is_empty() {
            status["reason"] = json!(self.reason);
        }
        if let Some(details) = &self.details {
            status["details"] = details.clone();
        }
        status
    }
}
