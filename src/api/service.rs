//! The external Service of a component as users describe it. Never decides names, defaults or port numbers.

use std::collections::BTreeMap;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lenient::{map_without_nulls, null_is_default};

/// The external Service of a component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ServiceSpec {
    /// Annotations of the external Service, for example for a cloud load balancer.
    #[serde(deserialize_with = "map_without_nulls", skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,

    /// Labels of the external Service, beside those of the operator.
    #[serde(deserialize_with = "map_without_nulls", skip_serializing_if = "BTreeMap::is_empty")]
    pub labels: BTreeMap<String, String>,

    /// Service type: ClusterIP, NodePort or LoadBalancer. Default ClusterIP.
    #[serde(rename = "type", skip_serializing_if = "Option::is_none")]
    pub service_type: Option<String>,

    /// Address asked of the load balancer; only with type LoadBalancer.
    #[serde(rename = "loadBalancerIP", skip_serializing_if = "Option::is_none")]
    pub load_balancer_ip: Option<String>,

    /// Client CIDRs that the load balancer admits; only with type LoadBalancer.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub load_balancer_source_ranges: Vec<String>,

    /// Where node ports and load balancers send traffic: Cluster (any node) or Local (own node, keeps client addresses).
    /// Only with type NodePort or LoadBalancer. Default: as the API server decides (Cluster).
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(extend("enum" = ["Cluster", "Local"]))]
    pub external_traffic_policy: Option<String>,

    /// Ports of the Service that differ from the default. An entry is matched to a default port by `containerPort`, else by
    /// `name`; entries that match none are ignored.
    #[serde(deserialize_with = "null_is_default", skip_serializing_if = "Vec::is_empty")]
    pub ports: Vec<ServicePort>,
}

/// One port of the external Service.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ServicePort {
    /// Name of a default port: query, http, rpc, edit-log; be, webserver, heartbeat, brpc; thrift; for the proxy http-port.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    /// Port of the Service.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub port: Option<i32>,

    /// Port of the container behind it, as the component's configuration file has it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub container_port: Option<i32>,

    /// Port on the nodes; only with type NodePort or LoadBalancer. Default: the API server picks a free one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub node_port: Option<i32>,
}
