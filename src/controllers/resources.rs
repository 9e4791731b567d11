//! The resources of a kind that the watch has seen; one that cannot be read is kept with the reason and spoils no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use kube::api::DynamicObject;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::api::{ResourceChange, StarRocksCluster, StarRocksClusterStatus, StarRocksWarehouse, StarRocksWarehouseStatus};
use crate::apply::ResourceKind;
use crate::model::component::IGNORED_ANNOTATION;
use crate::model::spec_change::spec_digest;
use crate::model::warehouse;
use crate::observe::{Place, Revision};

/// A kind of resource that users write.
pub(super) trait Kind: DeserializeOwned {
    /// Which.
    const KIND: ResourceKind;

    /// Its status as decisions read it; an odd one is as good as none.
    fn remembered(status: Value) -> StarRocksClusterStatus;

    /// Digest of its spec without numbers of nodes.
    fn spec_digest(&self) -> String;
}

impl Kind for StarRocksCluster {
    const KIND: ResourceKind = ResourceKind::Cluster;

    fn remembered(status: Value) -> StarRocksClusterStatus {
        serde_json::from_value(status).unwrap_or_default()
    }

    fn spec_digest(&self) -> String {
        spec_digest(&self.spec)
    }
}

impl Kind for StarRocksWarehouse {
    const KIND: ResourceKind = ResourceKind::Warehouse;

    fn remembered(status: Value) -> StarRocksClusterStatus {
        warehouse::remembered(serde_json::from_value::<StarRocksWarehouseStatus>(status).unwrap_or_default())
    }

    fn spec_digest(&self) -> String {
        spec_digest(&self.spec)
    }
}

/// A resource as last seen.
#[derive(Clone, Debug)]
pub(super) struct Resource<K> {
    pub(super) uid: String,
    pub(super) generation: i64,
    pub(super) resource_version: String,
    pub(super) revision: Revision,
    /// Whether it is being deleted; its objects go with it by garbage collection.
    pub(super) deleting: bool,
    /// Whether the user told the operator to leave it alone.
    pub(super) ignored: bool,
    pub(super) finalizers: Vec<String>,
    pub(super) status: StarRocksClusterStatus,
    /// The resource, or why it cannot be read.
    pub(super) parsed: Result<K, Unreadable>,
}

/// Why a resource cannot be read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Unreadable {
    /// Path of the field at fault.
    pub field: String,
    /// What is wrong with it.
    pub error: String,
}

impl<K: Kind> Resource<K> {
    pub(super) fn read(object: DynamicObject) -> Option<(Place, Self)> {
        let metadata = &object.metadata;
        let place = Place { namespace: metadata.namespace.clone().unwrap_or_default(), name: metadata.name.clone()? };
        let resource_version = metadata.resource_version.clone().unwrap_or_default();
        let ignored = metadata.annotations.as_ref().and_then(|annotations| annotations.get(IGNORED_ANNOTATION));
        let status = object.data.get("status").cloned().unwrap_or_default();
        let resource = Self {
            uid: metadata.uid.clone().unwrap_or_default(),
            generation: metadata.generation.unwrap_or(0),
            revision: Revision::parse(&resource_version),
            resource_version,
            deleting: metadata.deletion_timestamp.is_some(),
            ignored: ignored.is_some_and(|value| value == "true"),
            finalizers: metadata.finalizers.clone().unwrap_or_default(),
            status: K::remembered(status),
            parsed: parse(object),
        };
        Some((place, resource))
    }

    /// What it asks for, as memory compares it; what cannot be read has no digest.
    pub(super) fn asked(&self) -> ResourceChange {
        let digest = self.parsed.as_ref().map(K::spec_digest).unwrap_or_default();
        ResourceChange { generation: self.generation, digest }
    }
}

/// Reads a cluster as leniently as a pass does.
///
/// # Errors
/// When a field has a type that no reading fits.
pub fn parse_cluster(object: DynamicObject) -> Result<StarRocksCluster, Unreadable> {
    parse(object)
}

/// Reads a warehouse as leniently as a pass does.
///
/// # Errors
/// When a field has a type that no reading fits.
pub fn parse_warehouse(object: DynamicObject) -> Result<StarRocksWarehouse, Unreadable> {
    parse(object)
}

fn parse<K: Kind>(mut object: DynamicObject) -> Result<K, Unreadable> {
    object.metadata.managed_fields = None;
    object.types = None;
    let whole = |error: serde_json::Error| Unreadable { field: "spec".to_owned(), error: error.to_string() };
    // The status is read apart, so that an odd status cannot make the spec unreadable twice.
    let json = with_types(K::KIND, serde_json::to_value(object).map_err(whole)?);
    serde_json::from_value::<K>(json.clone()).map_err(|error| {
        let mut field = "spec".to_owned();
        narrow::<K>(&json, "/spec", &mut field);
        Unreadable { field, error: error.to_string() }
    })
}

/// Finds the smallest part below `pointer` without which the resource can be read; the parser's words name the type but not the place.
fn narrow<K: Kind>(json: &Value, pointer: &str, field: &mut String) {
    let reads = |without: &Value| serde_json::from_value::<K>(without.clone()).is_ok();
    let steps: Vec<(String, String)> = match json.pointer(pointer) {
        Some(Value::Object(fields)) => fields.keys().map(|key| (key.replace('~', "~0").replace('/', "~1"), format!(".{key}"))).collect(),
        Some(Value::Array(items)) => (0..items.len()).map(|index| (index.to_string(), format!("[{index}]"))).collect(),
        _ => return,
    };
    for (token, step) in steps {
        let mut without = json.clone();
        match without.pointer_mut(pointer) {
            Some(Value::Object(fields)) => fields.retain(|key, _| step.get(1..) != Some(key)),
            Some(Value::Array(items)) => drop(token.parse().map(|index: usize| items.remove(index))),
            _ => return,
        }
        if reads(&without) {
            field.push_str(&step);
            return narrow::<K>(json, &format!("{pointer}/{token}"), field);
        }
    }
}

fn with_types(kind: ResourceKind, mut json: serde_json::Value) -> serde_json::Value {
    if let Some(fields) = json.as_object_mut() {
        fields.insert("apiVersion".to_owned(), "starrocks.com/v1".into());
        fields.insert("kind".to_owned(), kind.name().into());
        fields.remove("status");
    }
    json
}

/// All resources of a kind seen.
#[derive(Debug)]
pub(super) struct Resources<K>(RwLock<Seen<K>>);

#[derive(Debug)]
struct Seen<K> {
    all: BTreeMap<Place, Arc<Resource<K>>>,
    /// The namespaces (empty for all of them) of which a full list has been seen.
    scopes: BTreeSet<String>,
}

impl<K> Default for Resources<K> {
    fn default() -> Self {
        Self(RwLock::new(Seen { all: BTreeMap::new(), scopes: BTreeSet::new() }))
    }
}

impl<K> Resources<K> {
    pub(super) fn get(&self, name: &Place) -> Option<Arc<Resource<K>>> {
        self.read().all.get(name).cloned()
    }

    /// Stores a resource and returns the one that it replaces.
    pub(super) fn put(&self, name: Place, resource: Resource<K>) -> Option<Arc<Resource<K>>> {
        self.write().all.insert(name, Arc::new(resource))
    }

    pub(super) fn remove(&self, name: &Place) {
        self.write().all.remove(name);
    }

    /// Names of the resources of a namespace of which something holds.
    pub(super) fn of_namespace(&self, namespace: &str, holds: impl Fn(&Resource<K>) -> bool) -> Vec<Place> {
        let seen = self.read();
        let chosen = seen.all.iter().filter(|(name, resource)| name.namespace == namespace && holds(resource));
        chosen.map(|(name, _)| name.clone()).collect()
    }

    /// Names of all resources.
    pub(super) fn names(&self) -> Vec<Place> {
        self.read().all.keys().cloned().collect()
    }

    /// Whether everything in a namespace has been seen once, so that what is not there does not exist.
    pub(super) fn has_seen(&self, namespace: &str) -> bool {
        let seen = self.read();
        seen.scopes.contains("") || seen.scopes.contains(namespace)
    }

    /// Replaces the resources of a namespace (all for the empty one) by a full list; names those to look at: listed or gone.
    pub(super) fn replace(&self, scope: &str, listed: Vec<(Place, Resource<K>)>) -> BTreeSet<Place> {
        let mut seen = self.write();
        seen.scopes.insert(scope.to_owned());
        let mut touched: BTreeSet<Place> = seen.all.keys().filter(|name| scope.is_empty() || name.namespace == scope).cloned().collect();
        for name in &touched {
            seen.all.remove(name);
        }
        for (name, resource) in listed {
            touched.insert(name.clone());
            seen.all.insert(name, Arc::new(resource));
        }
        touched
    }

    // Nothing above panics while holding the lock, so a poisoned one still holds whole contents.
    fn read(&self) -> std::sync::RwLockReadGuard<'_, Seen<K>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner)
    }

    fn write(&self) -> std::sync::RwLockWriteGuard<'_, Seen<K>> {
        self.0.write().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(object: Value) -> Resource<StarRocksCluster> {
        let object: DynamicObject = serde_json::from_value(object).expect("an object");
        Resource::read(object).expect("it has a name").1
    }

    #[test]
    fn a_resource_that_cannot_be_read_says_why_and_keeps_its_identity() {
        let resource = read(json!({
            "metadata": { "name": "c", "namespace": "n", "uid": "u", "generation": 3, "resourceVersion": "7" },
            "spec": { "starRocksFeSpec": { "replicas": "three" } },
            "status": { "phase": "running" },
        }));
        assert_eq!(resource.parsed.as_ref().map_err(|unreadable| unreadable.field.as_str()).err(), Some("spec.starRocksFeSpec.replicas"));
        assert_eq!((resource.uid.as_str(), resource.generation, resource.status.phase.as_str()), ("u", 3, "running"));
    }

    #[test]
    fn an_entry_of_a_list_that_cannot_be_read_is_found_among_its_neighbours() {
        let absurd = [json!(5), json!("text"), json!(true), json!([[]]), json!({"name": 5}), json!({"key": {"deep": [1]}}), json!(null)];
        let lists = ["tolerations", "storageVolumes", "envVars", "imagePullSecrets", "hostAliases", "sidecars", "configMaps", "secrets"];
        let mut found = 0;
        for list in lists {
            for entry in &absurd {
                let section = json!({ list: [{"name": "good"}, entry, {"name": "good"}] });
                let resource = read(json!({ "metadata": { "name": "c", "namespace": "n" }, "spec": { "starRocksFeSpec": section } }));
                if let Err(Unreadable { field, error }) = &resource.parsed {
                    found += 1;
                    assert!(field.starts_with(&format!("spec.starRocksFeSpec.{list}")), "{list} {entry}: {field}: {error}");
                }
            }
        }
        assert!(found >= 20, "{found}");
        let resource = read(json!({ "metadata": { "name": "c" }, "spec": { "starRocksBeSpec": { "tolerations": [{"key": "a"}, 5] } } }));
        assert_eq!(resource.parsed.map_err(|unreadable| unreadable.field).err().as_deref(), Some("spec.starRocksBeSpec.tolerations[1]"));
    }

    #[test]
    fn the_annotation_to_leave_a_resource_alone_is_seen() {
        let metadata = |value: &str| json!({ "name": "c", "namespace": "n", "annotations": { "starrocks.com/ignored": value } });
        assert!(read(json!({ "metadata": metadata("true"), "spec": {} })).ignored);
        assert!(!read(json!({ "metadata": metadata("false"), "spec": {} })).ignored);
    }

    #[test]
    fn a_full_list_forgets_what_is_not_on_it_within_its_namespace_only() {
        let resources = Resources::<StarRocksCluster>::default();
        let place = |namespace: &str, name: &str| Place { namespace: namespace.to_owned(), name: name.to_owned() };
        for (namespace, name) in [("n", "a"), ("n", "b"), ("m", "c")] {
            resources.put(place(namespace, name), read(json!({ "metadata": { "name": name, "namespace": namespace }, "spec": {} })));
        }
        assert!(!resources.has_seen("n"));
        let listed = vec![(place("n", "b"), read(json!({ "metadata": { "name": "b", "namespace": "n" }, "spec": {} })))];
        let touched = resources.replace("n", listed);
        assert_eq!(touched.len(), 2);
        assert!(resources.has_seen("n") && !resources.has_seen("m"));
        assert!(resources.get(&place("n", "a")).is_none());
        assert!(resources.get(&place("m", "c")).is_some());
    }
}
