//! GET requests: discovery, documents, single objects and lists; changes nothing.

use std::sync::Arc;

use serde_json::{Value, json};

use super::call::{Addressed, Answer, Call, Payload, show, show_list};
use super::error::ApiError;
use super::media::{DiscoveryForm, discovery as discovery_form};
use super::registry::Registry;
use super::selectors::{FieldSelector, LabelSelector};
use super::store::Store;
use super::{discovery, openapi};

/// Label and field selectors of a request.
#[derive(Clone, Debug, Default)]
pub(super) struct Filter {
    namespace: Option<String>,
    labels: LabelSelector,
    fields: FieldSelector,
}

impl Filter {
    pub fn of(call: &Call, addressed: &Addressed) -> Result<Self, ApiError> {
        let namespace = Some(call.path.namespace.clone()).filter(|namespace| !namespace.is_empty());
        let labels = LabelSelector::parse(call.query.text("labelSelector").unwrap_or_default())?;
        let mut text = call.query.text("fieldSelector").unwrap_or_default().to_string();
        if addressed.new_events {
            text = text.replace("regarding.", "involvedObject.").replace("reportingController", "reportingComponent");
        }
        if !call.path.name.is_empty() {
            text = format!("metadata.name={}", call.path.name);
        }
        let fields = FieldSelector::parse(&addressed.resource.kind, &text)?;
        Ok(Self { namespace, labels, fields })
    }

    pub fn namespace(&self) -> Option<&str> {
        self.namespace.as_deref()
    }

    pub fn matches(&self, object: &Value) -> bool {
        self.namespace.as_ref().is_none_or(|namespace| object["metadata"]["namespace"] == **namespace)
            && self.labels.matches(&object["metadata"]["labels"])
            && self.fields.matches(object)
    }
}

/// Paths that are no resource.
pub(super) fn other(registry: &Registry, revision: u64, call: &Call) -> Result<Answer, ApiError> {
    let path = call.info.path.clone();
    let segments: Vec<&str> = path.split('/').filter(|segment| !segment.is_empty()).collect();
    let aggregated = discovery_form(&call.accept) == DiscoveryForm::Aggregated;
    let found = match segments.as_slice() {
        [] => Some(
            json!({ "paths": ["/api", "/api/v1", "/apis", "/healthz", "/livez", "/openapi/v2", "/openapi/v3", "/readyz", "/version"] }),
        ),
        ["version"] => Some(discovery::version()),
        ["healthz" | "livez" | "readyz", ..] => return Ok(Answer { payload: Payload::Text("ok".to_string()), ..Answer::ok(Value::Null) }),
        ["api"] if aggregated => Some(discovery::aggregated(registry, true)),
        ["api"] => Some(discovery::core_versions()),
        ["apis"] if aggregated => Some(discovery::aggregated(registry, false)),
        ["apis"] => Some(discovery::group_list(registry)),
        ["api", version] => discovery::resources(registry, "", version),
        ["apis", group] => discovery::group(registry, group),
        ["apis", group, version] => discovery::resources(registry, group, version),
        ["openapi", "v2"] => Some(openapi::version_2()),
        ["openapi", "v3"] => Some(openapi::index(registry, revision)),
        ["openapi", "v3", "api", version] => openapi::group_version(registry, "", version),
        ["openapi", "v3", "apis", group, version] => openapi::group_version(registry, group, version),
        _ => None,
    };
    found.map(Answer::ok).ok_or_else(ApiError::no_such_path)
}

/// One object or one of its subresources.
pub(super) fn get(store: &Store, call: &Call) -> Result<Answer, ApiError> {
    let addressed = call.address(store.registry())?;
    let (kind, namespace, name) = (addressed.resource.kind.as_str(), call.path.namespace.as_str(), call.path.name.as_str());
    let object = store.get(kind, namespace, name).ok_or_else(|| ApiError::not_found(&addressed.resource, name))?;
    match call.path.subresource.as_str() {
        "" => {}
        "status" if addressed.version.status => {}
        "scale" => return store.scale(kind, namespace, name).map(Answer::ok),
        _ => return Err(ApiError::no_such_path()),
    }
    Ok(Answer::ok(show(call, &addressed, object, store.now())))
}

/// A request for the log of a container.
pub(super) struct LogRequest {
    pub container: String,
    pub previous: bool,
    tail_lines: Option<usize>,
    limit_bytes: Option<usize>,
}

impl LogRequest {
    /// Reads a request; refuses one for a pod or container that does not exist, or that leaves open which of several is meant.
    pub fn of(store: &Store, call: &Call) -> Result<Self, ApiError> {
        let addressed = call.address(store.registry())?;
        let (namespace, name) = (call.path.namespace.as_str(), call.path.name.as_str());
        let pod = store.get("Pod", namespace, name).ok_or_else(|| ApiError::not_found(&addressed.resource, name))?;
        let list = |field: &str| pod["spec"][field].as_array().into_iter().flatten().filter_map(|container| container["name"].as_str());
        let mains: Vec<&str> = list("containers").collect();
        let container = match (call.query.text("container"), mains.as_slice()) {
            (Some(asked), _) if mains.contains(&asked) || list("initContainers").any(|name| name == asked) => asked,
            (Some(asked), _) => return Err(ApiError::bad_request(format!("container {asked} is not valid for pod {name}"))),
            (None, [only]) => only,
            (None, _) => {
                let choice = format!("a container name must be specified for pod {name}, choose one of: [{}]", mains.join(" "));
                return Err(ApiError::bad_request(choice));
            }
        };
        let number = |key: &str| call.query.number(key).and_then(|number| usize::try_from(number).ok());
        Ok(Self {
            container: container.to_string(),
            previous: call.query.flag("previous"),
            tail_lines: number("tailLines"),
            limit_bytes: number("limitBytes"),
        })
    }

    /// The answer, as a kubelet cuts it: the last lines, and of these the first bytes.
    pub fn answer(&self, pod: &str, log: Option<&str>) -> Result<Answer, ApiError> {
        if log.is_none() && self.previous {
            let message = format!("previous terminated container \"{}\" in pod \"{pod}\" not found", self.container);
            return Err(ApiError::bad_request(message));
        }
        let lines: Vec<&str> = log.unwrap_or_default().split_inclusive('\n').collect();
        let skipped = self.tail_lines.map_or(0, |tail| lines.len().saturating_sub(tail));
        let mut text = lines.into_iter().skip(skipped).collect::<String>();
        let limit = self.limit_bytes.unwrap_or(text.len()).min(text.len());
        text.truncate((0..=limit).rev().find(|at| text.is_char_boundary(*at)).unwrap_or(0));
        Ok(Answer { payload: Payload::Text(text), ..Answer::ok(Value::Null) })
    }
}

/// A list, whole or page by page.
pub(super) fn list(store: &Store, call: &Call) -> Result<Answer, ApiError> {
    let addressed = call.address(store.registry())?;
    let filter = Filter::of(call, &addressed)?;
    if call.query.number("resourceVersion").is_some_and(|asked| asked > store.revision()) {
        return Err(too_new(call.query.number("resourceVersion").unwrap_or(0), store.revision()));
    }
    let token = call.query.text("continue").map(|text| Token::read(text, store)).transpose()?;
    let revision = token.as_ref().map_or(store.revision(), |token| token.revision);
    let after = token.map(|token| token.after);
    let mut found: Vec<Arc<Value>> = store
        .list_shared(&addressed.resource.kind, filter.namespace())
        .filter(|object| after.as_ref().is_none_or(|after| place(object) > *after) && filter.matches(object))
        .cloned()
        .collect();
    let mut metadata = json!({ "resourceVersion": revision.to_string() });
    let limit = call.query.number("limit").and_then(|limit| usize::try_from(limit).ok()).filter(|limit| *limit > 0);
    if let Some(limit) = limit.filter(|limit| found.len() > *limit) {
        metadata["remainingItemCount"] = json!(found.len() - limit);
        found.truncate(limit);
        if let Some(last) = found.last() {
            let (namespace, name) = place(last);
            metadata["continue"] = json!(format!("{revision}.{namespace}/{name}"));
        }
    }
    Ok(Answer::ok(show_list(call, &addressed, &found, metadata, store.now())))
}

/// 504 for a version that does not exist yet.
pub(super) fn too_new(asked: u64, current: u64) -> ApiError {
    let message = format!("Too large resource version: {asked}, current: {current}");
    let details =
        json!({ "causes": [{ "reason": "ResourceVersionTooLarge", "message": "Too large resource version" }], "retryAfterSeconds": 1 });
    ApiError { code: 504, reason: "Timeout".to_string(), message: format!("Timeout: {message}"), details: Some(details) }
}

fn place(object: &Value) -> (String, String) {
    let text = |field: &str| object["metadata"][field].as_str().unwrap_or_default().to_string();
    (text("namespace"), text("name"))
}

struct Token {
    revision: u64,
    after: (String, String),
}

impl Token {
    fn read(text: &str, store: &Store) -> Result<Self, ApiError> {
        let invalid = || ApiError::bad_request("continue key is not valid");
        let (revision, place) = text.split_once('.').ok_or_else(invalid)?;
        let revision: u64 = revision.parse().map_err(|_| invalid())?;
        let (namespace, name) = place.split_once('/').ok_or_else(invalid)?;
        // A page of a list older than history would mix two moments.
        if store.events_since(revision).is_err() {
            return Err(ApiError::continue_expired());
        }
        Ok(Self { revision, after: (namespace.to_string(), name.to_string()) })
    }
}
