//! A request and its answer on their way through the handlers; and how objects are shown to a client; touches no store.

use std::sync::Arc;

use bytes::Bytes;
use http::Method;
use serde_json::{Value, json};

use super::error::ApiError;
use super::event_view;
use super::gate::RequestInfo;
use super::media::{View, view};
use super::options::{FieldValidation, Mode, WriteOptions};
use super::protobuf;
use super::registry::{Registry, Resource, Version};
use super::route::{Query, ResourcePath};
use super::table::{self, Attached};
use crate::model::Timestamp;

/// A request, read.
pub(super) struct Call {
    pub method: Method,
    pub info: RequestInfo,
    pub path: ResourcePath,
    pub query: Query,
    pub accept: String,
    pub content_type: String,
    pub agent: String,
    pub body: Bytes,
}

/// What is sent back.
pub(super) enum Payload {
    Json(Value),
    Text(String),
}

/// An answer other than a refusal.
pub(super) struct Answer {
    pub code: u16,
    pub payload: Payload,
    pub warnings: Vec<String>,
}

impl Answer {
    pub fn ok(value: Value) -> Self {
        Self { code: 200, payload: Payload::Json(value), warnings: Vec::new() }
    }
}

/// The kind that a path addresses, in the version it names.
#[derive(Clone)]
pub(super) struct Addressed {
    pub resource: Arc<Resource>,
    pub version: Version,
    /// Whether this is the second face of events.
    pub new_events: bool,
}

impl Call {
    pub fn address(&self, registry: &Registry) -> Result<Addressed, ApiError> {
        let ResourcePath { group, version, plural, .. } = &self.path;
        let new_events = group == "events.k8s.io" && plural == "events";
        let group = if new_events { "" } else { group.as_str() };
        let resource = registry.by_path(group, version, plural).cloned().ok_or_else(ApiError::no_such_path)?;
        let version = resource.version(version).cloned().ok_or_else(ApiError::no_such_path)?;
        Ok(Addressed { resource, version, new_events })
    }

    /// The body as JSON; 400 if it is none.
    pub fn json(&self) -> Result<Value, ApiError> {
        if self.body.is_empty() {
            return Ok(Value::Null);
        }
        if protobuf::is_protobuf(&self.body) {
            let readable = ["application/json", "application/yaml"];
            return protobuf::decode(&self.body).ok_or_else(|| ApiError::unsupported_media_type(&readable));
        }
        serde_json::from_slice(&self.body).map_err(|error| ApiError::bad_request(format!("error decoding request body: {error}")))
    }

    /// Field manager: as asked, else the first part of the user agent.
    pub fn manager(&self) -> String {
        let agent = self.agent.split('/').next().filter(|name| !name.is_empty()).unwrap_or("unknown");
        self.query.text("fieldManager").unwrap_or(agent).to_string()
    }

    pub fn mode(&self) -> Mode {
        if self.query.text("dryRun") == Some("All") { Mode::DryRun } else { Mode::Commit }
    }

    pub fn write_options(&self) -> WriteOptions {
        let field_validation = match self.query.text("fieldValidation") {
            Some("Strict") => FieldValidation::Strict,
            Some("Ignore") => FieldValidation::Ignore,
            _ => FieldValidation::Warn,
        };
        WriteOptions { manager: self.manager(), mode: self.mode(), field_validation }
    }

    fn attached(&self) -> Attached {
        Attached::from_query(self.query.text("includeObject"))
    }
}

/// An object in the version that was asked for.
fn versioned(object: &Value, addressed: &Addressed) -> Value {
    let mut object = object.clone();
    if addressed.new_events {
        event_view::to_new(&mut object);
    } else {
        object["apiVersion"] = json!(addressed.resource.api_version(&addressed.version.name));
    }
    object
}

/// One object in the form that the client accepts.
pub(super) fn show(call: &Call, addressed: &Addressed, object: &Value, now: Timestamp) -> Value {
    match view(&call.accept) {
        View::Whole => versioned(object, addressed),
        View::Metadata => table::metadata_only(object),
        View::Table => {
            let metadata = json!({ "resourceVersion": object["metadata"]["resourceVersion"] });
            let object = versioned(object, addressed);
            table::table(&addressed.resource, &addressed.version, &[&object], metadata, call.attached(), now)
        }
    }
}

/// A list in the form that the client accepts; `metadata` is the list's own.
pub(super) fn show_list(call: &Call, addressed: &Addressed, objects: &[Arc<Value>], metadata: Value, now: Timestamp) -> Value {
    let shown: Vec<Value> = objects.iter().map(|object| versioned(object, addressed)).collect();
    match view(&call.accept) {
        View::Whole => {
            let api_version = match addressed.new_events {
                true => "events.k8s.io/v1".to_string(),
                false => addressed.resource.api_version(&addressed.version.name),
            };
            json!({ "kind": addressed.resource.list_kind, "apiVersion": api_version, "metadata": metadata, "items": shown })
        }
        View::Metadata => {
            let items: Vec<Value> = shown.iter().map(table::metadata_only).collect();
            json!({ "kind": "PartialObjectMetadataList", "apiVersion": "meta.k8s.io/v1", "metadata": metadata, "items": items })
        }
        View::Table => {
            let rows: Vec<&Value> = shown.iter().collect();
            table::table(&addressed.resource, &addressed.version, &rows, metadata, call.attached(), now)
        }
    }
}
