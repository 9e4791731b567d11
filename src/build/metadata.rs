//! A cluster and a component in, names, labels and ownership of an object out; never anything of its spec.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::apis::meta::v1::{LabelSelector, ObjectMeta, OwnerReference};

use crate::model::Component;
use crate::model::cluster::Cluster;

/// Metadata of an owned object.
pub(super) fn owned(cluster: &Cluster, name: String, labels: BTreeMap<String, String>) -> ObjectMeta {
    ObjectMeta {
        name: Some(name),
        namespace: Some(cluster.namespace.clone()),
        labels: Some(labels),
        owner_references: Some(vec![OwnerReference {
            api_version: API_VERSION.to_owned(),
            kind: kind(cluster).to_owned(),
            name: cluster.resource_name().to_owned(),
            uid: cluster.uid.clone(),
            controller: Some(true),
            block_owner_deletion: Some(true),
        }]),
        ..ObjectMeta::default()
    }
}

/// API version of the owner.
pub(super) const API_VERSION: &str = "starrocks.com/v1";
/// Kind of the owner.
pub(super) const fn kind(cluster: &Cluster) -> &'static str {
    if cluster.warehouse.is_some() { "StarRocksWarehouse" } else { "StarRocksCluster" }
}

/// The selector of a component's pods.
pub(super) fn selector(cluster: &Cluster, component: Component) -> LabelSelector {
    LabelSelector { match_labels: Some(component.pod_labels(&cluster.name)), match_expressions: None }
}

/// A map that is left out when it is empty.
pub(super) fn some_map<V: Clone>(map: &BTreeMap<String, V>) -> Option<BTreeMap<String, V>> {
    (!map.is_empty()).then(|| map.clone())
}

/// A list that is left out when it is empty.
pub(super) fn some_list<T: Clone>(list: &[T]) -> Option<Vec<T>> {
    (!list.is_empty()).then(|| list.to_vec())
}
