//! Questions about permissions (`kubectl auth can-i`): a review in, the same review with its answer out; decides by the caller's rules.

use serde_json::{Value, json};

use super::call::{Answer, Call};
use super::error::ApiError;
use super::gate::RequestInfo;
use super::rbac::Rules;

/// Answers a SelfSubjectAccessReview; without rules everything is allowed.
pub(super) fn answer(call: &Call, rules: Option<&Rules>) -> Result<Answer, ApiError> {
    if call.path.plural != "selfsubjectaccessreviews" || call.info.verb != "create" {
        return Err(ApiError::no_such_path());
    }
    let mut review = call.json()?;
    if !review.is_object() {
        return Err(ApiError::bad_request("the body is no SelfSubjectAccessReview"));
    }
    let allowed = rules.is_none_or(|rules| rules.grants(&asked(call, &review)));
    review["status"] = json!({ "allowed": allowed });
    Ok(Answer { code: 201, ..Answer::ok(review) })
}

fn asked(call: &Call, review: &Value) -> RequestInfo {
    let attributes = &review["spec"]["resourceAttributes"];
    let text = |field: &str| attributes[field].as_str().unwrap_or_default().to_string();
    let other = &review["spec"]["nonResourceAttributes"];
    let verb = other["verb"].as_str().map_or_else(|| text("verb"), str::to_string);
    RequestInfo {
        verb,
        group: text("group"),
        resource: text("resource"),
        subresource: text("subresource"),
        namespace: text("namespace"),
        name: text("name"),
        user: call.info.user.clone(),
        path: other["path"].as_str().unwrap_or_default().to_string(),
    }
}
