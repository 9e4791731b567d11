//! Creating and updating objects: metadata rules, defaulting, validation, ownership of fields, then one commit.

use std::sync::Arc;

use serde_json::{Value, json};

use super::error::{ApiError, FieldFault};
use super::field_tracking::{self, Operation, Writer};
use super::options::{Mode, WriteOptions, Written};
use super::registry::{Resource, Version};
use super::store::{ObjectKey, Store};
use super::{admission, strategy};

/// Metadata that only the server writes; what a creator sends there is dropped.
const SERVER_OWNED: &[&str] = &[
    "uid",
    "resourceVersion",
    "creationTimestamp",
    "deletionTimestamp",
    "deletionGracePeriodSeconds",
    "generation",
    "selfLink",
    "managedFields",
];

/// A resource together with the version that an object is written in.
pub(super) struct Target {
    pub resource: Arc<Resource>,
    pub version: Version,
    pub key: ObjectKey,
}

impl Target {
    pub fn schema(&self) -> &Arc<super::schema::Schema> {
        &self.version.schema
    }
}

impl Store {
    /// Creates an object. 404 without its namespace, 409 if the name is taken, 422 for an invalid object.
    pub fn create(&mut self, object: Value, manager: &str) -> Result<Value, ApiError> {
        self.create_with(object, &WriteOptions::by(manager)).map(Written::into_object)
    }

    /// Replaces an object except for its status. 409 on a stale `resourceVersion` if one is given; a change of nothing changes nothing.
    pub fn update(&mut self, object: Value, manager: &str) -> Result<Value, ApiError> {
        self.update_with(object, &WriteOptions::by(manager)).map(Written::into_object)
    }

    /// Replaces the status of an object and nothing else.
    pub fn update_status(&mut self, object: Value, manager: &str) -> Result<Value, ApiError> {
        self.update_status_with(object, &WriteOptions::by(manager)).map(Written::into_object)
    }

    /// As `create`, with all circumstances.
    pub fn create_with(&mut self, mut object: Value, options: &WriteOptions) -> Result<Written, ApiError> {
        let target = self.target_for_create(&mut object)?;
        let writer = Writer::new(&options.manager, Operation::Update, &target, None, self.now());
        self.create_as(target, object, options, &writer, None)
    }

    /// Creates an object for a writer; `managed` replaces the bookkeeping of an ordinary write (server-side apply brings its own).
    pub(super) fn create_as(
        &mut self,
        target: Target,
        mut object: Value,
        options: &WriteOptions,
        writer: &Writer,
        managed: Option<Value>,
    ) -> Result<Written, ApiError> {
        let Target { resource, version, key } = &target;
        if resource.namespaced {
            self.check_namespace(resource, key)?;
        }
        if version.status {
            strategy::reset_status(resource, &mut object);
        }
        let warnings = admission::admit(self, &target, &mut object, None, options)?;
        if self.get(&key.kind, &key.namespace, &key.name).is_some() {
            return Err(ApiError::already_exists(resource, &key.name));
        }
        let managed = managed.unwrap_or_else(|| field_tracking::after_create(&object, &target, writer));
        let uid = self.issue_uid();
        let now = self.now().to_seconds_text();
        set_metadata(&mut object, "uid", json!(uid));
        set_metadata(&mut object, "creationTimestamp", json!(now));
        set_metadata(&mut object, "managedFields", managed);
        if resource.generation {
            set_metadata(&mut object, "generation", json!(1));
        }
        object["apiVersion"] = json!(resource.stored_api_version());
        let object = match options.mode {
            Mode::DryRun => Arc::new(object),
            Mode::Commit => self.commit(key, Some(object)),
        };
        if options.mode == Mode::Commit {
            self.after_write(key);
        }
        Ok(Written { object, created: true, warnings })
    }

    /// As `update`, with all circumstances.
    pub fn update_with(&mut self, object: Value, options: &WriteOptions) -> Result<Written, ApiError> {
        let target = self.target_for_update(&object)?;
        let writer = Writer::new(&options.manager, Operation::Update, &target, None, self.now());
        self.replace(&target, object, options, &writer, None)
    }

    /// As `update_with`, for a change that came through the scale subresource.
    pub(super) fn update_scaled(&mut self, object: Value, options: &WriteOptions) -> Result<Written, ApiError> {
        let target = self.target_for_update(&object)?;
        let writer = Writer::new(&options.manager, Operation::Update, &target, Some("scale"), self.now());
        self.replace(&target, object, options, &writer, None)
    }

    /// As `update_status`, with all circumstances.
    pub fn update_status_with(&mut self, object: Value, options: &WriteOptions) -> Result<Written, ApiError> {
        let target = self.target_for_update(&object)?;
        if !target.version.status {
            return Err(ApiError::no_such_path());
        }
        let writer = Writer::new(&options.manager, Operation::Update, &target, Some("status"), self.now());
        self.replace(&target, object, options, &writer, None)
    }

    /// Replaces an object (or its status, when the writer writes that subresource) after all checks.
    pub(super) fn replace(
        &mut self,
        target: &Target,
        mut object: Value,
        options: &WriteOptions,
        writer: &Writer,
        managed: Option<Value>,
    ) -> Result<Written, ApiError> {
        let Target { resource, key, .. } = target;
        let live = self.shared(&key.kind, &key.namespace, &key.name).cloned().ok_or_else(|| ApiError::not_found(resource, &key.name))?;
        check_preconditions(resource, &live, &object)?;
        let sent_managed = object.pointer("/metadata/managedFields").cloned();
        let status_only = writer.subresource.as_deref() == Some("status");
        strategy::prepare_update(target, &mut object, &live, status_only);
        let warnings = admission::admit(self, target, &mut object, Some((&live, status_only)), options)?;
        if resource.generation && !status_only && strategy::wanted_state_changed(target, &live, &object) {
            let generation = live.pointer("/metadata/generation").and_then(Value::as_i64).unwrap_or(0) + 1;
            set_metadata(&mut object, "generation", json!(generation));
        }
        let managed = managed.unwrap_or_else(|| field_tracking::after_edit(&live, sent_managed.as_ref(), &object, target, writer));
        set_metadata(&mut object, "managedFields", managed);
        object["apiVersion"] = live["apiVersion"].clone();
        if object == *live {
            return Ok(Written { object: live, created: false, warnings });
        }
        if options.mode == Mode::DryRun {
            return Ok(Written { object: Arc::new(object), created: false, warnings });
        }
        if is_released(&object) {
            let gone = self.commit(key, None);
            self.after_removal(key, &gone);
            return Ok(Written { object: Arc::new(object), created: false, warnings });
        }
        let object = self.commit(key, Some(object));
        self.after_write(key);
        Ok(Written { object, created: false, warnings })
    }

    pub(super) fn target_for_create(&mut self, object: &mut Value) -> Result<Target, ApiError> {
        let resource = self.resource_of(object)?;
        let version = resource.version_of(object["apiVersion"].as_str().unwrap_or_default()).cloned().ok_or_else(ApiError::no_such_path)?;
        if !object.get("metadata").is_some_and(Value::is_object) {
            object["metadata"] = json!({});
        }
        let prefix = object.pointer("/metadata/generateName").and_then(Value::as_str).map(str::to_string);
        let named = object.pointer("/metadata/name").and_then(Value::as_str).is_some_and(|name| !name.is_empty());
        if let (false, Some(prefix)) = (named, prefix) {
            let suffix = self.issue_suffix();
            object["metadata"]["name"] = json!(format!("{prefix}{suffix}"));
        }
        for field in SERVER_OWNED {
            remove_metadata(object, field);
        }
        if !resource.namespaced {
            remove_metadata(object, "namespace");
        }
        let key = key_of(&resource, object);
        if key.name.is_empty() {
            let fault = FieldFault::required("metadata.name", "name or generateName is required");
            return Err(ApiError::invalid(&resource.group, &resource.kind, "", &[fault]));
        }
        if resource.namespaced && key.namespace.is_empty() {
            return Err(ApiError::bad_request("an empty namespace may not be set during creation"));
        }
        Ok(Target { resource, version, key })
    }

    pub(super) fn target_for_update(&self, object: &Value) -> Result<Target, ApiError> {
        let resource = self.resource_of(object)?;
        let version = resource.version_of(object["apiVersion"].as_str().unwrap_or_default()).cloned().ok_or_else(ApiError::no_such_path)?;
        let key = key_of(&resource, object);
        Ok(Target { resource, version, key })
    }

    fn issue_suffix(&mut self) -> String {
        const LETTERS: &[u8] = b"bcdfghjklmnpqrstvwxz2456789";
        let mut number = self.issue();
        let mut suffix = String::new();
        for _ in 0..5 {
            let index = usize::try_from(number % LETTERS.len() as u64).unwrap_or(0);
            suffix.push(char::from(LETTERS.get(index).copied().unwrap_or(b'x')));
            number /= LETTERS.len() as u64;
        }
        suffix
    }

    fn check_namespace(&self, resource: &Resource, key: &ObjectKey) -> Result<(), ApiError> {
        let Some(namespace) = self.get("Namespace", "", &key.namespace) else {
            let namespaces = self.resource("Namespace")?;
            return Err(ApiError::not_found(&namespaces, &key.namespace));
        };
        if namespace.pointer("/metadata/deletionTimestamp").is_some() {
            return Err(ApiError::namespace_terminating(&resource.group, &resource.plural, &key.name, &key.namespace));
        }
        Ok(())
    }
}

/// Key of an object as written in it.
pub(super) fn key_of(resource: &Resource, object: &Value) -> ObjectKey {
    let text = |pointer| object.pointer(pointer).and_then(Value::as_str).unwrap_or_default().to_string();
    let namespace = if resource.namespaced { text("/metadata/namespace") } else { String::new() };
    ObjectKey { kind: resource.kind.clone(), namespace, name: text("/metadata/name") }
}

/// Sets a field of an object's metadata.
pub(super) fn set_metadata(object: &mut Value, field: &str, value: Value) {
    if !object["metadata"].is_object() {
        object["metadata"] = json!({});
    }
    object["metadata"][field] = value;
}

/// Removes a field of an object's metadata.
pub(super) fn remove_metadata(object: &mut Value, field: &str) {
    if let Some(metadata) = object.get_mut("metadata").and_then(Value::as_object_mut) {
        metadata.remove(field);
    }
}

fn check_preconditions(resource: &Resource, live: &Value, object: &Value) -> Result<(), ApiError> {
    let name = live["metadata"]["name"].as_str().unwrap_or_default();
    let sent = |field: &str| object["metadata"].get(field).and_then(Value::as_str).filter(|text| !text.is_empty());
    if let Some(uid) = sent("uid").filter(|uid| live["metadata"]["uid"] != **uid) {
        let live_uid = live["metadata"]["uid"].as_str().unwrap_or_default();
        let why = format!("Precondition failed: UID in precondition: {uid}, UID in object meta: {live_uid}");
        return Err(ApiError::conflict(resource, name, &why));
    }
    if sent("resourceVersion").is_some_and(|version| live["metadata"]["resourceVersion"] != *version) {
        return Err(ApiError::stale(resource, name));
    }
    Ok(())
}

/// Whether a deleted object has nothing left to wait for.
pub(super) fn is_released(object: &Value) -> bool {
    let metadata = &object["metadata"];
    let waits = metadata.get("finalizers").and_then(Value::as_array).is_some_and(|list| !list.is_empty());
    let grace = metadata.get("deletionGracePeriodSeconds").and_then(Value::as_i64).unwrap_or(0);
    metadata.get("deletionTimestamp").is_some() && !waits && grace == 0
}
