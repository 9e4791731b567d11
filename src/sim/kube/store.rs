//! All objects and their recent history: reads, revisions and the one place where a change is committed; judges no object.

use std::collections::{BTreeMap, VecDeque};
use std::sync::Arc;

use serde_json::{Value, json};

use super::builtin;
use super::error::ApiError;
use super::registry::{Registry, Resource};
use crate::model::Timestamp;

/// How many events a store remembers unless told otherwise.
const HISTORY: usize = 8_192;

/// What happened to an object.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum EventKind {
    /// It appeared.
    Added,
    /// It changed.
    Modified,
    /// It is gone.
    Deleted,
}

/// One committed change.
#[derive(Clone, Debug)]
pub struct WatchEvent {
    /// Revision of the change; for a removal newer than the object's last `resourceVersion`.
    pub revision: u64,
    /// What happened.
    pub event: EventKind,
    /// Kind of the object.
    pub kind: String,
    /// Namespace, empty for cluster-scoped objects.
    pub namespace: String,
    /// Name.
    pub name: String,
    /// The object after the change; the last state of a removed object.
    pub object: Arc<Value>,
    /// The object before the change.
    pub previous: Option<Arc<Value>>,
}

/// History no longer reaches back to the revision that was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("too old resource version: {asked} ({oldest})")]
pub struct Gone {
    /// Revision that was asked for.
    pub asked: u64,
    /// Oldest revision that can be asked for.
    pub oldest: u64,
}

/// Names one object.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct ObjectKey {
    /// Kind.
    pub kind: String,
    /// Namespace, empty for cluster-scoped kinds.
    pub namespace: String,
    /// Name.
    pub name: String,
}

impl ObjectKey {
    /// A key from its parts.
    pub fn new(kind: impl Into<String>, namespace: impl Into<String>, name: impl Into<String>) -> Self {
        Self { kind: kind.into(), namespace: namespace.into(), name: name.into() }
    }
}

type Objects = BTreeMap<(String, String), Arc<Value>>;

/// A deterministic object store with the API server's semantics; time stands still unless `set_now` moves it.
#[derive(Clone, Debug)]
pub struct Store {
    now: Timestamp,
    seed: u64,
    issued: u64,
    revision: u64,
    compacted: u64,
    history_limit: usize,
    pub(super) registry: Registry,
    objects: BTreeMap<String, Objects>,
    history: VecDeque<WatchEvent>,
}

impl Store {
    /// An empty cluster at `now`: the built-in kinds and the namespaces `default`, `kube-system`, `kube-public` and `kube-node-lease`.
    pub fn new(now: Timestamp) -> Self {
        Self::with_seed(now, 0)
    }

    /// As `new`; `seed` tells the identities (UIDs, generated names) of one run from those of another.
    pub fn with_seed(now: Timestamp, seed: u64) -> Self {
        let mut store = Self {
            now,
            seed,
            issued: 0,
            revision: 1,
            compacted: 0,
            history_limit: HISTORY,
            registry: builtin::registry(),
            objects: BTreeMap::new(),
            history: VecDeque::new(),
        };
        for name in ["default", "kube-node-lease", "kube-public", "kube-system"] {
            let namespace = json!({ "apiVersion": "v1", "kind": "Namespace", "metadata": { "name": name } });
            // A namespace with a valid name in an empty store is never refused.
            let _ = store.create(namespace, "kube-apiserver");
        }
        store
    }

    /// The moment that new timestamps show.
    pub fn now(&self) -> Timestamp {
        self.now
    }

    /// Moves time; new timestamps show `now` from here on.
    pub fn set_now(&mut self, now: Timestamp) {
        self.now = now;
    }

    /// Revision of the latest change; what a list answers as its `resourceVersion`.
    pub fn revision(&self) -> u64 {
        self.revision
    }

    /// The kinds that are served.
    pub fn registry(&self) -> &Registry {
        &self.registry
    }

    /// One object; `namespace` is empty for cluster-scoped kinds.
    pub fn get(&self, kind: &str, namespace: &str, name: &str) -> Option<&Value> {
        self.shared(kind, namespace, name).map(Arc::as_ref)
    }

    /// One object, shared.
    pub fn shared(&self, kind: &str, namespace: &str, name: &str) -> Option<&Arc<Value>> {
        self.objects.get(kind)?.get(&(namespace.to_string(), name.to_string()))
    }

    /// Objects of a kind by namespace and name; `None` lists all namespaces.
    pub fn list(&self, kind: &str, namespace: Option<&str>) -> Vec<&Value> {
        self.list_shared(kind, namespace).map(Arc::as_ref).collect()
    }

    /// Objects of a kind, shared, by namespace and name.
    pub fn list_shared<'a>(&'a self, kind: &str, namespace: Option<&str>) -> impl Iterator<Item = &'a Arc<Value>> + use<'a> {
        let namespace = namespace.map(str::to_string);
        self.objects
            .get(kind)
            .into_iter()
            .flatten()
            .filter(move |((object_namespace, _), _)| namespace.as_ref().is_none_or(|wanted| wanted == object_namespace))
            .map(|(_, object)| object)
    }

    /// Every object of every kind.
    pub fn all(&self) -> impl Iterator<Item = (&str, &Arc<Value>)> {
        self.objects.iter().flat_map(|(kind, objects)| objects.values().map(move |object| (kind.as_str(), object)))
    }

    /// Changes after `revision`, oldest first.
    pub fn events_since(&self, revision: u64) -> Result<impl Iterator<Item = &WatchEvent>, Gone> {
        if revision < self.compacted {
            return Err(Gone { asked: revision, oldest: self.compacted });
        }
        let start = self.history.partition_point(|event| event.revision <= revision);
        Ok(self.history.range(start..))
    }

    /// Forgets the history up to and including `revision`, as etcd's compaction does: older watches get 410.
    pub fn compact(&mut self, revision: u64) {
        let revision = revision.min(self.revision);
        while self.history.front().is_some_and(|event| event.revision <= revision) {
            self.history.pop_front();
        }
        self.compacted = self.compacted.max(revision);
    }

    /// Sets how many events are remembered.
    pub fn set_history_limit(&mut self, limit: usize) {
        self.history_limit = limit.max(1);
        self.trim_history();
    }

    /// Takes over the state of an object of another API server as it is, `None` for one that is gone there, and returns the revision of the change.
    ///
    /// Nothing is judged, defaulted or counted: the other server has done that.
    pub fn mirror(&mut self, key: &ObjectKey, object: Option<Value>) -> u64 {
        self.commit(key, object);
        self.revision
    }

    pub(super) fn resource_of(&self, object: &Value) -> Result<Arc<Resource>, ApiError> {
        let kind = object.get("kind").and_then(Value::as_str).unwrap_or_default();
        let api_version = object.get("apiVersion").and_then(Value::as_str).unwrap_or_default();
        if kind.is_empty() {
            return Err(ApiError::bad_request("Object 'Kind' is missing in the request body"));
        }
        match self.registry.kind(kind) {
            Some(resource) if resource.version_of(api_version).is_some() => Ok(resource.clone()),
            _ => Err(ApiError {
                message: format!("no matches for kind \"{kind}\" in version \"{api_version}\""),
                ..ApiError::no_such_path()
            }),
        }
    }

    pub(super) fn resource(&self, kind: &str) -> Result<Arc<Resource>, ApiError> {
        self.registry.kind(kind).cloned().ok_or_else(ApiError::no_such_path)
    }

    /// A number that has never been given out before and that depends on nothing but the seed and the count.
    pub(super) fn issue(&mut self) -> u64 {
        self.issued += 1;
        scramble(self.seed.wrapping_mul(0x9e37_79b9_7f4a_7c15).wrapping_add(self.issued))
    }

    /// A fresh UID in the form of a version 4 UUID.
    pub(super) fn issue_uid(&mut self) -> String {
        let (high, low) = (self.issue(), scramble(self.issued ^ 0x5bd1_e995));
        format!(
            "{:08x}-{:04x}-4{:03x}-{:04x}-{:012x}",
            high >> 32,
            (high >> 16) & 0xffff,
            high & 0xfff,
            0x8000 | ((low >> 48) & 0x3fff),
            low & 0xffff_ffff_ffff
        )
    }

    /// Commits the new state of an object, `None` removes it, and returns it with its new `resourceVersion`.
    pub(super) fn commit(&mut self, key: &ObjectKey, object: Option<Value>) -> Arc<Value> {
        self.revision += 1;
        let revision = self.revision;
        let slot = (key.namespace.clone(), key.name.clone());
        let objects = self.objects.entry(key.kind.clone()).or_default();
        let (event, current, previous) = match object {
            Some(mut object) => {
                object["metadata"]["resourceVersion"] = json!(revision.to_string());
                let object = Arc::new(object);
                let previous = objects.insert(slot, object.clone());
                (if previous.is_some() { EventKind::Modified } else { EventKind::Added }, object, previous)
            }
            None => {
                let previous = objects.remove(&slot);
                let mut last = previous.as_deref().cloned().unwrap_or_default();
                last["metadata"]["resourceVersion"] = json!(revision.to_string());
                (EventKind::Deleted, Arc::new(last), previous)
            }
        };
        let (kind, namespace, name) = (key.kind.clone(), key.namespace.clone(), key.name.clone());
        self.history.push_back(WatchEvent { revision, event, kind, namespace, name, object: current.clone(), previous });
        self.trim_history();
        current
    }

    fn trim_history(&mut self) {
        while self.history.len() > self.history_limit {
            if let Some(dropped) = self.history.pop_front() {
                self.compacted = dropped.revision;
            }
        }
    }
}

/// One step of SplitMix64.
fn scramble(value: u64) -> u64 {
    let mut z = value.wrapping_add(0x9e37_79b9_7f4a_7c15);
    z = (z ^ (z >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    z = (z ^ (z >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    z ^ (z >> 31)
}
