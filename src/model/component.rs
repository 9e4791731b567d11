//! The kinds of process that make up a cluster, and every name and label that follows from a kind; never reads anything.

use std::collections::BTreeMap;
use std::fmt;

use serde::{Deserialize, Serialize};

/// Label on objects and pods that says which component they belong to.
pub const COMPONENT_LABEL: &str = "app.kubernetes.io/component";
/// Label that says to whom an object belongs: the cluster on objects, the workload on pods. Both values are load-bearing.
pub const OWNER_LABEL: &str = "app.starrocks.ownerreference/name";
/// Annotation with which a user tells the operator to leave an object alone.
pub const IGNORED_ANNOTATION: &str = "starrocks.com/ignored";
/// Annotation on owned objects: the hash of what this operator last applied.
pub const APPLIED_ANNOTATION: &str = "starrocks.com/applied-hash";
/// Annotation on StatefulSets: the hash of the pod template alone, as last applied; tells our own removals from foreign additions.
pub const APPLIED_TEMPLATE_ANNOTATION: &str = "starrocks.com/applied-template-hash";
/// The former operator's change-detection annotation; a stale value would blind it after a way back.
pub const FORMER_HASH_ANNOTATION: &str = "app.starrocks.components/hash";
/// Where the former operator keeps what it last applied, whole: the base of its three-way merge.
pub const FORMER_COPY_ANNOTATION: &str = "starrocks.kubernetes.operator/last-applied-configuration";
/// Field manager of the former operator: the name of its binary.
pub const FORMER_FIELD_MANAGER: &str = "sroperator";
/// Annotation on the proxy's Deployment: the generation of the resource at which a differing pod template was found and left as it is.
pub const HELD_ANNOTATION: &str = "starrocks.com/template-held-at-generation";
/// Annotation with which a user agrees to held pod templates: their hashes, as the condition `RequiresUpdate` shows them, separated by commas.
pub const ACCEPT_ANNOTATION: &str = "starrocks.com/accept-template";
/// Environment variable that tells nodes the MySQL port of the frontends.
pub const QUERY_PORT_VARIABLE: &str = "FE_QUERY_PORT";
/// Annotation on pods: the change of the configuration for which they were restarted last, by the time at which it was seen.
pub const CONFIGURATION_ANNOTATION: &str = "starrocks.com/configuration-changed-at";
/// Name of the Lease, the same as that of the former operator, so that the two never act together during a replacement.
pub const LEASE_NAME: &str = "c6c79638.starrocks.com";
/// Field manager of every server-side apply.
pub const FIELD_MANAGER: &str = "starrocks-operator";

/// Where StarRocks is installed in the official images.
pub const STARROCKS_ROOT: &str = "/opt/starrocks";

/// Nodes of one component that a resource may ask for: far beyond any cluster, and few enough for each of them to be looked at.
pub const NODES_MAX: u32 = 10_000;

/// A kind of process in a cluster.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Component {
    /// FE: metadata, SQL entry.
    Frontend,
    /// BE: storage and compute.
    Backend,
    /// CN: compute only.
    ComputeNode,
    /// nginx in front of the FE's HTTP port.
    FrontendProxy,
}

impl Component {
    /// The three components that run StarRocks itself, in the order in which objects are made.
    pub const STARROCKS: [Self; 3] = [Self::Frontend, Self::Backend, Self::ComputeNode];

    /// Value of the component label and suffix of the workload's name: `fe`, `be`, `cn`, `fe-proxy`.
    pub const fn label(self) -> &'static str {
        match self {
            Self::Frontend => "fe",
            Self::Backend => "be",
            Self::ComputeNode => "cn",
            Self::FrontendProxy => "fe-proxy",
        }
    }

    /// Name of the main container.
    pub const fn container(self) -> &'static str {
        match self {
            Self::Frontend => "fe",
            Self::Backend => "be",
            Self::ComputeNode => "cn",
            Self::FrontendProxy => "nginx",
        }
    }

    /// The component whose label value is `label`.
    pub fn from_label(label: &str) -> Option<Self> {
        [Self::Frontend, Self::Backend, Self::ComputeNode, Self::FrontendProxy].into_iter().find(|component| component.label() == label)
    }

    /// Name of the StatefulSet (Deployment for the proxy) of a cluster.
    pub fn workload_name(self, cluster: &str) -> String {
        format!("{cluster}-{}", self.label())
    }

    /// Name of the Service that clients use.
    pub fn service_name(self, cluster: &str) -> String {
        format!("{cluster}-{}-service", self.label())
    }

    /// Name of the headless Service that gives pods their host names.
    pub fn search_service_name(self, cluster: &str) -> String {
        format!("{cluster}-{}-search", self.label())
    }

    /// Directory of the component below the installation: `<root>/fe`.
    pub fn home(self, root: &str) -> String {
        format!("{root}/{}", self.container())
    }

    /// Name of the configuration file: `fe.conf`.
    pub fn conf_file(self) -> String {
        format!("{}.conf", self.container())
    }

    /// Name of the HorizontalPodAutoscaler of the compute nodes.
    pub fn autoscaler_name(self, cluster: &str) -> String {
        format!("{}-autoscaler", self.workload_name(cluster))
    }

    /// Labels of the objects themselves.
    pub fn object_labels(self, cluster: &str) -> BTreeMap<String, String> {
        labels(self, cluster)
    }

    /// Selector and base labels of the pods.
    pub fn pod_labels(self, cluster: &str) -> BTreeMap<String, String> {
        labels(self, &self.workload_name(cluster))
    }
}

/// Value of the component label on pods that only have an image pulled. It is the label of no component, so no Service and no StatefulSet selects them.
pub const PULL_LABEL: &str = "image-pull";

/// Name of the container in such a pod.
pub const PULL_CONTAINER: &str = "pull";

/// Labels of the pods that have images pulled for a cluster.
pub fn pull_labels(cluster: &str) -> BTreeMap<String, String> {
    let owner = format!("{cluster}-{PULL_LABEL}");
    BTreeMap::from([(COMPONENT_LABEL.to_owned(), PULL_LABEL.to_owned()), (OWNER_LABEL.to_owned(), owner)])
}

impl fmt::Display for Component {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str(match self {
            Self::Frontend => "FE",
            Self::Backend => "BE",
            Self::ComputeNode => "CN",
            Self::FrontendProxy => "FE proxy",
        })
    }
}

fn labels(component: Component, owner: &str) -> BTreeMap<String, String> {
    BTreeMap::from([(COMPONENT_LABEL.to_owned(), component.label().to_owned()), (OWNER_LABEL.to_owned(), owner.to_owned())])
}

/// The ordinal of a StatefulSet's pod: the number after the last `-` of its name.
pub fn ordinal(pod_name: &str) -> Option<u32> {
    pod_name.rsplit_once('-')?.1.parse().ok()
}

/// The pod that a host name such as `c-fe-0.c-fe-search.ns.svc.cluster.local` belongs to: its first label.
pub fn pod_of_host(host: &str) -> &str {
    host.split('.').next().unwrap_or(host)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn objects_carry_the_cluster_and_pods_the_workload_in_the_same_label() {
        assert_eq!(Component::Frontend.object_labels("kube")[OWNER_LABEL], "kube");
        assert_eq!(Component::Frontend.pod_labels("kube")[OWNER_LABEL], "kube-fe");
        assert_eq!(Component::from_label("fe-proxy"), Some(Component::FrontendProxy));
    }

    #[test]
    fn a_host_name_leads_back_to_its_pod_and_ordinal() {
        let host = "kube-fe-12.kube-fe-search.ns.svc.cluster.local";
        assert_eq!(pod_of_host(host), "kube-fe-12");
        assert_eq!(ordinal(pod_of_host(host)), Some(12));
        assert_eq!(ordinal("10.0.0.1"), None);
    }
}
