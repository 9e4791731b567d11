//! Which objects beside the resource matter to it, and what was found when they were looked up; never looks anything up.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use super::conf::{self, ConfSource};
use super::section::root_of;
use crate::api::{ComponentSpec, StarRocksCluster, StarRocksClusterSpec, StarRocksClusterStatus};
use crate::model::Component;
use crate::model::cluster::given;
use crate::release::Catalog;

/// What was found when the references of a resource were looked up.
#[derive(Clone, Debug, PartialEq)]
pub struct References {
    /// ConfigMaps by name with their data; `None` for one that was looked up and does not exist. A ConfigMap that is not
    /// listed was not looked up (as in admission, or without a cluster): the default configuration is assumed and an advice
    /// says so.
    pub config_maps: BTreeMap<String, Option<BTreeMap<String, String>>>,
    /// What is known of releases.
    pub releases: Arc<Catalog>,
    /// What the resource's status remembers: where a cluster stands on its channel.
    pub status: StarRocksClusterStatus,
}

impl Default for References {
    fn default() -> Self {
        Self { config_maps: BTreeMap::new(), releases: Catalog::embedded(), status: StarRocksClusterStatus::default() }
    }
}

/// Objects that the pods mount; the operator does not own them, and pods cannot start without them.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mounted {
    /// Names of ConfigMaps.
    pub config_maps: BTreeSet<String>,
    /// Names of Secrets.
    pub secrets: BTreeSet<String>,
}

/// The ConfigMaps whose content `validate` must see, because ports and the run mode stand in them.
pub fn wanted_references(resource: &StarRocksCluster) -> BTreeSet<String> {
    sections(&resource.spec)
        .into_iter()
        .filter_map(|(component, root, spec)| match conf::source(component, &root, spec) {
            ConfSource::ConfigMap { name, .. } => Some(name),
            ConfSource::Image | ConfSource::Half => None,
        })
        .collect()
}

/// Every ConfigMap and Secret that the pods of a cluster mount.
pub fn mounted_references(resource: &StarRocksCluster) -> Mounted {
    let mut mounted = Mounted { config_maps: wanted_references(resource), secrets: BTreeSet::new() };
    for (_, _, spec) in sections(&resource.spec) {
        mounted.config_maps.extend(spec.config_maps.iter().filter_map(|mount| given(&mount.name)).map(str::to_owned));
        mounted.secrets.extend(spec.secrets.iter().filter_map(|mount| given(&mount.name)).map(str::to_owned));
    }
    mounted
}

fn sections(spec: &StarRocksClusterSpec) -> Vec<(Component, String, &ComponentSpec)> {
    let frontend = spec.star_rocks_fe_spec.as_ref().map(|fe| (Component::Frontend, root_of(&fe.fe_env_vars), &fe.component));
    let backend = spec.star_rocks_be_spec.as_ref().map(|be| (Component::Backend, root_of(&be.be_env_vars), &be.component));
    let compute_node = spec.star_rocks_cn_spec.as_ref().map(|cn| (Component::ComputeNode, root_of(&cn.cn_env_vars), &cn.component));
    [frontend, backend, compute_node].into_iter().flatten().collect()
}
