//! What makes compute nodes a warehouse: names, what is known beside its nodes, and its status in the shape of a cluster's. Never decides.

use serde::{Deserialize, Serialize};

use super::Answer;
use crate::api::{StarRocksClusterStatus, StarRocksWarehouseStatus};

/// Finalizer on the StatefulSet of a warehouse, as the former operator puts it there.
pub const OBJECT_FINALIZER: &str = "starrocks.com.starrockswarehouse/protection";
/// Finalizer on the resource: it says that the warehouse in StarRocks was made for this resource and goes with it.
pub const RESOURCE_FINALIZER: &str = "starrocks.com/drop-warehouse";
/// The warehouse that every cluster has; nobody may drop it.
pub const DEFAULT_WAREHOUSE: &str = "default_warehouse";

const SUFFIX: &str = "-warehouse";

/// A StarRocksWarehouse that `validate` has accepted: its compute nodes join the frontends of a cluster.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Warehouse {
    /// Name of the resource.
    pub name: String,
    /// Name of the StarRocksCluster.
    pub cluster: String,
}

impl Warehouse {
    /// Name of the warehouse in StarRocks.
    pub fn sql_name(&self) -> String {
        sql_name(&self.name)
    }
}

/// Name in StarRocks of the warehouse of a resource: dashes would end an identifier there.
pub fn sql_name(resource: &str) -> String {
    resource.replace('-', "_")
}

/// Name from which the names and labels of all objects of a warehouse follow, as those of a cluster follow from its name.
pub fn fleet_name(resource: &str) -> String {
    format!("{resource}{SUFFIX}")
}

/// The resource to which objects under this name may belong.
pub fn resource_of_fleet(name: &str) -> Option<&str> {
    name.strip_suffix(SUFFIX).filter(|resource| !resource.is_empty())
}

/// What is known about a warehouse beside its nodes.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct WarehouseReport {
    /// Whether its resource is being deleted.
    pub deleting: bool,
    /// Whether its resource carries this operator's finalizer.
    pub held: bool,
    /// Whether the frontends have the feature multi-warehouse; asked before the warehouse is made.
    pub feature: Answer<bool>,
    /// Names of the warehouses in StarRocks; asked before this one is made and before it is dropped.
    pub names: Answer<Vec<String>>,
}

/// The status of a warehouse as it is published.
pub fn published(status: &StarRocksClusterStatus) -> StarRocksWarehouseStatus {
    let mut compute_nodes = status.star_rocks_cn_status.clone().unwrap_or_default();
    compute_nodes.component.phase.clone_from(&status.phase);
    compute_nodes.component.reason.clone_from(&status.reason);
    StarRocksWarehouseStatus {
        compute_nodes,
        observed_generation: status.observed_generation,
        last_change: status.last_change.clone(),
        conditions: status.conditions.clone(),
        operation: status.operation.clone(),
        blocked: status.blocked.clone(),
    }
}

/// A published status as decisions read it.
pub fn remembered(status: StarRocksWarehouseStatus) -> StarRocksClusterStatus {
    let StarRocksWarehouseStatus { compute_nodes, observed_generation, last_change, conditions, operation, blocked } = status;
    StarRocksClusterStatus {
        phase: compute_nodes.component.phase.clone(),
        reason: compute_nodes.component.reason.clone(),
        star_rocks_cn_status: Some(compute_nodes),
        observed_generation,
        last_change,
        conditions,
        operation,
        blocked,
        ..StarRocksClusterStatus::default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::ResourceChange;

    #[test]
    fn a_status_is_read_as_it_was_published() {
        let mut status = StarRocksWarehouseStatus {
            observed_generation: Some(3),
            last_change: Some(ResourceChange::default()),
            ..StarRocksWarehouseStatus::default()
        };
        status.compute_nodes.component.phase = "reconciling".to_owned();
        status.compute_nodes.component.reason = Some("one pod starts".to_owned());
        status.compute_nodes.replicas = Some(2);
        assert_eq!(published(&remembered(status.clone())), status);
    }

    #[test]
    fn names_lead_to_the_resource_and_back() {
        assert_eq!(fleet_name("w"), "w-warehouse");
        assert_eq!(resource_of_fleet("w-warehouse"), Some("w"));
        assert_eq!(resource_of_fleet("warehouse"), None);
        assert_eq!(sql_name("load-jobs"), "load_jobs");
    }
}
