//! How control loops read and write: a store, the moment and the event recorder lent for one pass; decides nothing.

use std::fmt;
use std::sync::Arc;

use serde_json::{Value, json};

use super::fields::{Key, has_finalizer, items, name, namespace, set, uid};
use super::recorder::Recorder;
use crate::model::Timestamp;
use crate::sim::kube::{ApiError, DeleteOptions, Propagation, Store, WriteOptions};

/// Why the API refused a write.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    NotFound,
    Exists,
    Conflict,
    Other(String),
}

impl fmt::Display for Refusal {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::NotFound => "not found",
            Self::Exists => "already exists",
            Self::Conflict => "the object has been modified",
            Self::Other(message) => message,
        })
    }
}

impl From<ApiError> for Refusal {
    fn from(error: ApiError) -> Self {
        match error.reason.as_str() {
            "NotFound" => Self::NotFound,
            "AlreadyExists" => Self::Exists,
            "Conflict" => Self::Conflict,
            _ => Self::Other(error.message),
        }
    }
}

/// Whether dependents of a deleted object go after it, before it, or stay.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Dependents {
    Background,
    Foreground,
}

/// One pass' view of the cluster.
pub(super) struct Desk<'a> {
    store: &'a mut Store,
    recorder: &'a mut Recorder,
    now: Timestamp,
    manager: &'static str,
}

impl<'a> Desk<'a> {
    pub(super) fn new(store: &'a mut Store, recorder: &'a mut Recorder, now: Timestamp) -> Self {
        Self { store, recorder, now, manager: "kube-controller-manager" }
    }

    /// Names the writer that managed fields show from here on.
    pub(super) fn write_as(&mut self, manager: &'static str) {
        self.manager = manager;
    }

    pub(super) fn now(&self) -> Timestamp {
        self.now
    }

    pub(super) fn get(&self, key: &Key) -> Option<&Value> {
        self.store.get(&key.kind, &key.namespace, &key.name)
    }

    /// Objects of one kind in one namespace (empty: cluster-scoped kinds).
    pub(super) fn list(&self, kind: &str, namespace: &str) -> Vec<&Value> {
        self.store.list(kind, Some(namespace))
    }

    /// As `list`, without copying.
    pub(super) fn list_shared(&self, kind: &str, namespace: &str) -> Vec<Arc<Value>> {
        self.store.list_shared(kind, Some(namespace)).cloned().collect()
    }

    pub(super) fn list_everywhere(&self, kind: &str) -> Vec<&Value> {
        self.store.list(kind, None)
    }

    pub(super) fn try_create(&mut self, object: Value) -> Result<Value, Refusal> {
        Ok(self.store.create(object, self.manager)?)
    }

    pub(super) fn try_update(&mut self, object: Value) -> Result<Value, Refusal> {
        Ok(self.store.update(object, self.manager)?)
    }

    /// Updates and forgets; a refusal means that a newer event will bring the loop back.
    pub(super) fn update(&mut self, object: Value) -> bool {
        self.store.update_with(object, &WriteOptions::by(self.manager)).is_ok()
    }

    pub(super) fn update_status(&mut self, object: Value) -> bool {
        self.store.update_status_with(object, &WriteOptions::by(self.manager)).is_ok()
    }

    /// Replaces the status of an object if it differs; returns whether it was written.
    pub(super) fn put_status(&mut self, key: &Key, status: Value) -> bool {
        let Some(known) = self.get(key) else { return false };
        if known.get("status") == Some(&status) {
            return false;
        }
        // Of the rest nothing is taken over by such a write, so that it need not be copied.
        let mut fresh = json!({"apiVersion": known["apiVersion"], "kind": known["kind"], "metadata": {
            "namespace": namespace(known), "name": name(known), "uid": uid(known), "resourceVersion": known["metadata"]["resourceVersion"],
        }});
        set(&mut fresh, &["status"], status);
        self.update_status(fresh)
    }

    /// Deletes this incarnation of an object with its own grace period; returns whether the API accepted.
    pub(super) fn delete(&mut self, key: &Key, uid: &str) -> bool {
        self.delete_with(key, uid, None, Dependents::Background)
    }

    pub(super) fn delete_with(&mut self, key: &Key, uid: &str, grace_seconds: Option<i64>, dependents: Dependents) -> bool {
        let options = DeleteOptions {
            uid: (!uid.is_empty()).then(|| uid.to_owned()),
            grace_seconds,
            propagation: Some(match dependents {
                Dependents::Background => Propagation::Background,
                Dependents::Foreground => Propagation::Foreground,
            }),
            ..DeleteOptions::default()
        };
        self.store.delete(&key.kind, &key.namespace, &key.name, options).is_ok()
    }

    /// Takes a finalizer off; a waiting object goes with its last one.
    pub(super) fn remove_finalizer(&mut self, key: &Key, finalizer: &str) {
        let Some(known) = self.get(key) else { return };
        if !has_finalizer(known, finalizer) {
            return;
        }
        let mut fresh = known.clone();
        let kept: Vec<Value> =
            items(&fresh, "/metadata/finalizers").iter().filter(|value| value.as_str() != Some(finalizer)).cloned().collect();
        set(&mut fresh, &["metadata", "finalizers"], json!(kept));
        self.update(fresh);
    }

    /// Records what happened to an object; repetitions raise the count of the first.
    pub(super) fn event(&mut self, object: &Value, kind: &str, reason: &str, message: &str, component: &str) {
        self.recorder.record(self.store, self.now, object, (kind, reason, message, component));
    }
}
