//! What a warehouse, a changed configuration file and a leader that is to be restarted wait for: parts of `WaitingOn`, with its codes and words.

use serde::{Deserialize, Serialize};

use super::{Component, Timestamp};

/// Something that keeps the compute nodes of a warehouse.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum WarehouseWait {
    /// The StarRocksCluster of a warehouse does not exist, or is being deleted.
    ClusterAbsent {
        /// StarRocksCluster.
        cluster: String,
    },
    /// The StarRocksCluster of a warehouse has a fault, so that nobody knows how to talk to its frontends.
    ClusterUnusable {
        /// StarRocksCluster.
        cluster: String,
        /// Its first fault.
        detail: String,
    },
    /// The StarRocksCluster of a warehouse keeps its data on backends.
    NotSharedData {
        /// StarRocksCluster.
        cluster: String,
    },
    /// The frontends do not have the feature multi-warehouse.
    FeatureMissing {
        /// StarRocksCluster.
        cluster: String,
    },
    /// A warehouse of this name is there already and was not made for this resource.
    Taken {
        /// Name in StarRocks.
        warehouse: String,
    },
    /// The warehouse is being dropped because its resource is being deleted.
    Leaving {
        /// Name in StarRocks.
        warehouse: String,
    },
}

/// Something that keeps a changed configuration file from being in force.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum ConfigurationWait {
    /// A node does not show the values of the configuration file yet, or was not asked yet.
    NotInForce {
        /// Pod.
        pod: String,
        /// Keys that differ; empty when nothing is known of the node.
        keys: Vec<String>,
        /// Why nothing is known, in StarRocks' words.
        detail: String,
    },
    /// StarRocks refuses a value of the configuration file.
    Refused {
        /// The statement, without secrets.
        statement: String,
        /// StarRocks' words.
        words: String,
    },
    /// A configuration file moves a port that a running cluster cannot move.
    PortFixed {
        /// Component.
        component: Component,
        /// Key of the configuration file.
        key: String,
        /// The number that runs.
        former: u16,
        /// The number that the file says.
        wanted: u16,
        /// Why it stays.
        why: String,
    },
    /// A configuration file changed while something else is under way.
    Deferred {
        /// Component.
        component: Component,
        /// Keys that changed.
        keys: Vec<String>,
        /// The pod that what is under way, a restart for a former content of the file, does not get past.
        stuck: Option<String>,
    },
    /// StarRocks took a value of the configuration file and shows another one.
    ShownOtherwise {
        /// Pod.
        pod: String,
        /// Key.
        key: String,
        /// What it shows and what the file says; empty for secrets.
        detail: String,
    },
}

/// A leader that was asked to hand its lead over before it restarts.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct TransferWait {
    /// Pod of the leader.
    pub pod: String,
    /// Pod of the follower that is to lead.
    pub to: String,
    /// Until when nothing else is done about it.
    pub until: Timestamp,
}
