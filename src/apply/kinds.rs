//! How each owned kind, and each kind of resource, is called in the Kubernetes API: group, version, plural.

use kube::api::ApiResource;

use crate::api::{StarRocksCluster, StarRocksUpgrade, StarRocksVersionCatalog, StarRocksWarehouse};
use crate::model::ObjectKind;

/// A kind of resource that users write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ResourceKind {
    /// StarRocksCluster.
    Cluster,
    /// StarRocksWarehouse.
    Warehouse,
}

impl ResourceKind {
    /// The Kubernetes kind.
    pub const fn name(self) -> &'static str {
        match self {
            Self::Cluster => "StarRocksCluster",
            Self::Warehouse => "StarRocksWarehouse",
        }
    }

    /// The API resource.
    pub fn api_resource(self) -> ApiResource {
        match self {
            Self::Cluster => ApiResource::erase::<StarRocksCluster>(&()),
            Self::Warehouse => ApiResource::erase::<StarRocksWarehouse>(&()),
        }
    }
}

/// The API resource of version catalogs.
pub fn catalog_resource() -> ApiResource {
    ApiResource::erase::<StarRocksVersionCatalog>(&())
}

/// The API resource of StarRocksUpgrade, which this operator makes and users only speak to.
pub fn upgrades() -> ApiResource {
    ApiResource::erase::<StarRocksUpgrade>(&())
}

/// The API resource of an owned kind.
pub fn resource_of(kind: ObjectKind) -> ApiResource {
    let (group, version, plural) = match kind {
        ObjectKind::ConfigMap => ("", "v1", "configmaps"),
        ObjectKind::Service => ("", "v1", "services"),
        ObjectKind::StatefulSet => ("apps", "v1", "statefulsets"),
        ObjectKind::Deployment => ("apps", "v1", "deployments"),
        ObjectKind::HorizontalPodAutoscaler => ("autoscaling", "v2", "horizontalpodautoscalers"),
    };
    let api_version = if group.is_empty() { version.to_owned() } else { format!("{group}/{version}") };
    ApiResource {
        group: group.to_owned(),
        version: version.to_owned(),
        api_version,
        kind: kind.name().to_owned(),
        plural: plural.to_owned(),
    }
}
