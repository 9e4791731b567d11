//! The StarRocksCluster resources that the watch has seen; one that cannot be read is kept with the reason and spoils no other.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, PoisonError, RwLock};

use kube::api::DynamicObject;

use crate::api::{StarRocksCluster, StarRocksClusterStatus};
use crate::model::component::IGNORED_ANNOTATION;
use crate::observe::{ClusterName, Place, Revision};

/// A resource as last seen.
#[derive(Clone, Debug)]
pub(super) struct Resource {
    pub(super) uid: String,
    pub(super) generation: i64,
    pub(super) resource_version: String,
    pub(super) revision: Revision,
    /// Whether it is being deleted; its objects go with it by garbage collection.
    pub(super) deleting: bool,
    /// Whether the user told the operator to leave it alone.
    pub(super) ignored: bool,
    pub(super) status: StarRocksClusterStatus,
    /// The resource, or why it cannot be read.
    pub(super) parsed: Result<StarRocksCluster, String>,
}

impl Resource {
    pub(super) fn read(object: DynamicObject) -> Option<(ClusterName, Self)> {
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
            status: serde_json::from_value(status).unwrap_or_default(),
            parsed: parse(object),
        };
        Some((place, resource))
    }
}

fn parse(mut object: DynamicObject) -> Result<StarRocksCluster, String> {
    object.metadata.managed_fields = None;
    object.types = None;
    let json = serde_json::to_value(object).map_err(|error| error.to_string())?;
    let mut cluster = serde_json::from_value::<StarRocksCluster>(with_types(json)).map_err(|error| error.to_string())?;
    // The status is read apart, so that an odd status cannot make the spec unreadable twice.
    cluster.status = None;
    Ok(cluster)
}

fn with_types(mut json: serde_json::Value) -> serde_json::Value {
    if let Some(fields) = json.as_object_mut() {
        fields.insert("apiVersion".to_owned(), "starrocks.com/v1".into());
        fields.insert("kind".to_owned(), "StarRocksCluster".into());
        fields.remove("status");
    }
    json
}

/// All resources seen.
#[derive(Debug, Default)]
pub(super) struct Resources(RwLock<BTreeMap<ClusterName, Arc<Resource>>>);

impl Resources {
    pub(super) fn get(&self, name: &ClusterName) -> Option<Arc<Resource>> {
        self.0.read().unwrap_or_else(PoisonError::into_inner).get(name).cloned()
    }

    pub(super) fn put(&self, name: ClusterName, resource: Resource) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).insert(name, Arc::new(resource));
    }

    pub(super) fn remove(&self, name: &ClusterName) {
        self.0.write().unwrap_or_else(PoisonError::into_inner).remove(name);
    }

    /// Replaces the resources of a namespace (all for the empty one) by a full list; names those to look at: listed or gone.
    pub(super) fn replace(&self, scope: &str, listed: Vec<(ClusterName, Resource)>) -> BTreeSet<ClusterName> {
        let mut all = self.0.write().unwrap_or_else(PoisonError::into_inner);
        let mut touched: BTreeSet<ClusterName> = all.keys().filter(|name| scope.is_empty() || name.namespace == scope).cloned().collect();
        for name in &touched {
            all.remove(name);
        }
        for (name, resource) in listed {
            touched.insert(name.clone());
            all.insert(name, Arc::new(resource));
        }
        touched
    }
}

#[cfg(test)]
mod tests {
    use serde_json::{Value, json};

    use super::*;

    fn read(object: Value) -> Resource {
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
        assert!(resource.parsed.is_err());
        assert_eq!((resource.uid.as_str(), resource.generation, resource.status.phase.as_str()), ("u", 3, "running"));
    }

    #[test]
    fn the_annotation_to_leave_a_resource_alone_is_seen() {
        let metadata = |value: &str| json!({ "name": "c", "namespace": "n", "annotations": { "starrocks.com/ignored": value } });
        assert!(read(json!({ "metadata": metadata("true"), "spec": {} })).ignored);
        assert!(!read(json!({ "metadata": metadata("false"), "spec": {} })).ignored);
    }

    #[test]
    fn a_full_list_forgets_what_is_not_on_it_within_its_namespace_only() {
        let resources = Resources::default();
        let place = |namespace: &str, name: &str| Place { namespace: namespace.to_owned(), name: name.to_owned() };
        for (namespace, name) in [("n", "a"), ("n", "b"), ("m", "c")] {
            resources.put(place(namespace, name), read(json!({ "metadata": { "name": name, "namespace": namespace }, "spec": {} })));
        }
        let listed = vec![(place("n", "b"), read(json!({ "metadata": { "name": "b", "namespace": "n" }, "spec": {} })))];
        let touched = resources.replace("n", listed);
        assert_eq!(touched.len(), 2);
        assert!(resources.get(&place("n", "a")).is_none());
        assert!(resources.get(&place("m", "c")).is_some());
    }
}
