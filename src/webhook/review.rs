//! The wire form of AdmissionReview, admission.k8s.io/v1, as far as it matters here; reads leniently and never judges.

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

const API_VERSION: &str = "admission.k8s.io/v1";
const KIND: &str = "AdmissionReview";

/// A review with a request.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "camelCase")]
struct Review {
    #[serde(default)]
    api_version: String,
    #[serde(default)]
    kind: String,
    request: Option<Request>,
}

/// What is asked.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default, rename_all = "camelCase")]
pub(super) struct Request {
    pub(super) uid: String,
    pub(super) kind: GroupKind,
    /// Absent for kinds that belong to no namespace.
    pub(super) namespace: Option<String>,
    pub(super) sub_resource: Option<String>,
    pub(super) operation: String,
    pub(super) object: Value,
    pub(super) old_object: Value,
}

/// Which kind it is about.
#[derive(Clone, Debug, Default, Deserialize)]
#[serde(default)]
pub(super) struct GroupKind {
    pub(super) group: String,
    pub(super) kind: String,
}

/// What is answered.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize)]
pub(super) struct Verdict {
    /// Why not, each with code, field, rule and way out; empty when allowed.
    pub(super) refused: Vec<String>,
    /// What to know, in lines that the API server takes.
    pub(super) warnings: Vec<String>,
}

impl Verdict {
    pub(super) fn warned(warnings: Vec<String>) -> Self {
        Self { refused: Vec::new(), warnings }
    }

    pub(super) fn refused(refused: Vec<String>) -> Self {
        Self { refused, warnings: Vec::new() }
    }
}

/// Reads a request.
///
/// # Errors
/// What is wrong with it, for whoever sent it.
pub(super) fn read(body: &[u8]) -> Result<Request, String> {
    let review: Review = serde_json::from_slice(body).map_err(|error| format!("the body is no AdmissionReview: {error}"))?;
    if review.api_version != API_VERSION || review.kind != KIND {
        return Err(format!("this is {} {}; send {API_VERSION} {KIND}", review.api_version, review.kind));
    }
    let request = review.request.ok_or("the AdmissionReview has no request")?;
    if request.uid.is_empty() {
        return Err("the request has no uid".to_owned());
    }
    Ok(request)
}

/// The review that answers.
pub(super) fn answer(uid: &str, verdict: &Verdict) -> Value {
    let mut response = json!({ "uid": uid, "allowed": verdict.refused.is_empty() });
    if !verdict.refused.is_empty() {
        let message = verdict.refused.join(" ");
        response["status"] = json!({ "status": "Failure", "code": 422, "reason": "Invalid", "message": message });
    }
    if !verdict.warnings.is_empty() {
        response["warnings"] = json!(verdict.warnings);
    }
    json!({ "apiVersion": API_VERSION, "kind": KIND, "response": response })
}

/// The review that answers what cannot be read.
pub(super) fn malformed(why: &str) -> Value {
    let status = json!({ "status": "Failure", "code": 400, "reason": "BadRequest", "message": why });
    json!({ "apiVersion": API_VERSION, "kind": KIND, "response": { "uid": "", "allowed": false, "status": status } })
}
