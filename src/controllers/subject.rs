//! Whom a pass is about: a cluster or a warehouse, by namespace and name. Never looks anything up.

use std::fmt;

use crate::apply::ResourceKind;
use crate::model::warehouse::{fleet_name, resource_of_fleet};
use crate::observe::Place;

/// A resource that is looked at.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) enum Subject {
    /// A StarRocksCluster.
    Cluster(Place),
    /// A StarRocksWarehouse.
    Warehouse(Place),
}

impl Subject {
    /// Namespace and name of the resource.
    pub(super) const fn place(&self) -> &Place {
        match self {
            Self::Cluster(place) | Self::Warehouse(place) => place,
        }
    }

    /// Its kind.
    pub(super) const fn kind(&self) -> ResourceKind {
        match self {
            Self::Cluster(_) => ResourceKind::Cluster,
            Self::Warehouse(_) => ResourceKind::Warehouse,
        }
    }

    /// Under which name the caches hold what belongs to it.
    pub(super) fn fleet(&self) -> Place {
        match self {
            Self::Cluster(place) => place.clone(),
            Self::Warehouse(Place { namespace, name }) => Place { namespace: namespace.clone(), name: fleet_name(name) },
        }
    }

    /// The warehouse to which something that the caches hold under this name may belong.
    pub(super) fn warehouse_of(fleet: &Place) -> Option<Self> {
        let name = resource_of_fleet(&fleet.name)?.to_owned();
        Some(Self::Warehouse(Place { namespace: fleet.namespace.clone(), name }))
    }
}

impl fmt::Display for Subject {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Cluster(place) => place.fmt(formatter),
            Self::Warehouse(place) => write!(formatter, "warehouse {place}"),
        }
    }
}
