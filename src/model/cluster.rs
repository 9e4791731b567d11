//! A cluster that has been proven valid: every default applied, every reference resolved, every number in range.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;

use k8s_openapi::api::core::v1::EnvVar;

pub use super::ports::Ports;
pub use super::storage::{StorageVolume, VolumeSource};
use super::{Canary, Component, Configuration, ConfigurationUpdate, Share, Warehouse, Window};
// Parts of a proven cluster that are kept as written; rooms that may not name the api name them here.
use crate::api::ResourceChange;
pub use crate::api::{AutoScalingPolicy, ComponentSpec, ConfigMapInfo, FeProxySpec, LoadSpec, MountInfo, ServicePort, ServiceSpec};
use crate::release::{Catalog, Claim, Image, Version};

/// A StarRocksCluster that `validate` has accepted; or the compute nodes of a StarRocksWarehouse, which are a cluster of their own but for their frontends.
#[derive(Clone, Debug, PartialEq)]
pub struct Cluster {
    /// Namespace of the resource and of everything owned by it.
    pub namespace: String,
    /// Name of the resource, from which all other names follow; of a warehouse `<resource>-warehouse`.
    pub name: String,
    /// What this is a warehouse of; `None` for a whole cluster.
    pub warehouse: Option<Warehouse>,
    /// UID of the resource: ownership is by UID, never by name.
    pub uid: String,
    /// `metadata.generation` that was validated.
    pub generation: i64,
    /// Digest of the spec as written, without numbers of nodes.
    pub spec_digest: String,
    /// Hashes of pod templates to which the user agreed although the resource did not change.
    pub accepted_templates: BTreeSet<String>,
    /// What is known of releases and of the ways between them.
    pub releases: Arc<Catalog>,
    /// Where the data lives.
    pub run_mode: RunMode,
    /// `spec.version`, when declared, or what the channel says.
    pub version: Option<Version>,
    /// The channel that the cluster follows.
    pub following: Option<Following>,
    /// The frontends; those of its cluster for a warehouse, which does not own them.
    pub frontend: Workload,
    /// The backends, if wanted.
    pub backend: Option<Workload>,
    /// The compute nodes, if wanted.
    pub compute_node: Option<Workload>,
    /// The HTTP proxy, if wanted.
    pub proxy: Option<Proxy>,
    /// How changes are rolled out.
    pub policy: Policy,
    /// What is done when a configuration file changes; `None` for nothing.
    pub configuration_update: Option<ConfigurationUpdate>,
    /// How the operator logs in.
    pub login: LoginSource,
    /// A disaster recovery that is asked for.
    pub disaster_recovery: Option<DisasterRecovery>,
    /// Whether BE and CN wait until the FE rollout has ended (`waitForFullRollout`).
    pub wait_for_full_rollout: bool,
    /// Settings of the operator process that shape objects.
    pub conventions: Conventions,
    /// What was accepted and yet deserves a warning.
    pub advice: Vec<Advice>,
}

/// Where a cluster stands on the channel that it follows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Following {
    /// Name of the channel.
    pub channel: String,
    /// The release to run; to be remembered before anything goes there.
    pub version: Version,
    /// The channel's newest release.
    pub head: Option<Version>,
    /// The release to which the channel leads from `version`.
    pub available: Option<Version>,
    /// The same, when somebody has to approve it.
    pub offer: Option<Version>,
    /// What keeps the cluster where it is although somebody might think otherwise.
    pub held: Option<String>,
    /// Why the channel or the release should be left, as a sentence.
    pub deprecation: Option<String>,
}

/// One StatefulSet's worth of processes.
#[derive(Clone, Debug, PartialEq)]
pub struct Workload {
    /// Which component.
    pub component: Component,
    /// Wanted pods.
    pub replicas: u32,
    /// Wanted image.
    pub image: Image,
    /// What the image's tag (or `spec.version`) claims.
    pub claim: Claim,
    /// The component's section as written, shared fields only.
    pub spec: ComponentSpec,
    /// The user's environment, in the order written.
    pub env: Vec<EnvVar>,
    /// Storage volumes in the order written, without those of size zero.
    pub volumes: Vec<StorageVolume>,
    /// ConfigMap that `configMapInfo` asks to mount for the image's entrypoint to link into the configuration directory.
    pub conf_config_map: Option<String>,
    /// StarRocks installation directory, `/opt/starrocks` unless `STARROCKS_ROOT` says otherwise.
    pub root: String,
    /// Ports by the component's configuration.
    pub ports: Ports,
    /// The component's configuration file, parsed; keys as written.
    pub config: BTreeMap<String, String>,
    /// The same file with digests; `None` for the image's own, and for one that was not read.
    pub configuration: Option<Configuration>,
    /// The change of the configuration for which the pods were restarted last; it stands in their template.
    pub restarted_for: Option<String>,
    /// Autoscaling, compute nodes only.
    pub autoscaling: Option<AutoScalingPolicy>,
}

/// Image of an FE proxy whose section names none; that of the Go operator.
pub const PROXY_IMAGE: &str = "nginx:1.24.0";

/// The FE proxy.
#[derive(Clone, Debug, PartialEq)]
pub struct Proxy {
    /// Wanted pods.
    pub replicas: u32,
    /// Image.
    pub image: String,
    /// Storage volumes in the order written, without those of size zero.
    pub volumes: Vec<StorageVolume>,
    /// The section as written.
    pub spec: FeProxySpec,
}

/// Where a cluster's data lives; never changes in a cluster's life.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum RunMode {
    /// On the backends' disks.
    SharedNothing,
    /// In object storage.
    SharedData,
}

/// How changes are rolled out, defaults applied.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Policy {
    /// Whether the user stopped rollouts.
    pub paused: bool,
    /// How long a canary is watched.
    pub canary_soak: Duration,
    /// What is asked of canaries beyond health; `None` where the resource says nothing of them.
    pub canary: Option<Canary>,
    /// How long a restarted node may take to come back; under StarRocks' repair tolerance of 900 s.
    pub node_timeout: Duration,
    /// How long a restart waits at most for the queries that run on the node.
    pub drain: Duration,
    /// How many compute nodes a rollout may take down at the same time.
    pub compute_nodes_at_once: Share,
    /// What waits for approval.
    pub approval: ApprovalScope,
    /// When a rollout or hop may begin; at any time when there is none.
    pub windows: Vec<Window>,
    /// Whether nodes go back by themselves when one does not come back on its new release.
    pub rolls_back: bool,
    /// Whether a backup must have been made before an upgrade.
    pub backup_required: bool,
    /// Whether the images of a hop are pulled to their nodes before anything is changed for it.
    pub pre_pull: bool,
    /// Dangers that the user accepted.
    pub consents: Vec<String>,
}

/// What waits for approval before it is done.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ApprovalScope {
    /// Nothing.
    #[default]
    Nothing,
    /// An upgrade or downgrade as a whole.
    Whole,
    /// Each hop.
    Hop,
    /// Each component in each hop.
    Component,
}

/// Where the operator's SQL login comes from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LoginSource {
    /// User name, `root` unless a Secret names another.
    pub user: ValueSource,
    /// Password.
    pub password: ValueSource,
}

/// Where a value comes from.
#[derive(Clone, PartialEq, Eq)]
pub enum ValueSource {
    /// Written out in the resource.
    Literal(String),
    /// A key of a Secret in the cluster's namespace.
    Secret {
        /// Secret.
        name: String,
        /// Key.
        key: String,
    },
    /// A key of a ConfigMap in the cluster's namespace.
    ConfigMap {
        /// ConfigMap.
        name: String,
        /// Key.
        key: String,
    },
}

impl fmt::Debug for ValueSource {
    // A literal may be a password and must not reach a log.
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Literal(_) => formatter.write_str("Literal(…)"),
            Self::Secret { name, key } => write!(formatter, "Secret({name}/{key})"),
            Self::ConfigMap { name, key } => write!(formatter, "ConfigMap({name}/{key})"),
        }
    }
}

/// A disaster recovery from a cluster snapshot.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct DisasterRecovery {
    /// The user's counter: a higher one starts a new recovery.
    pub generation: i64,
    /// Whether the frontends mount what names the snapshot (`cluster_snapshot.yaml`, or the whole configuration directory);
    /// a recovery must not begin without it.
    pub snapshot_mounted: bool,
}

/// Settings of the operator process that shape objects.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Conventions {
    /// DNS suffix of the Kubernetes cluster.
    pub dns_suffix: String,
    /// Whether names of ConfigMap and Secret volumes carry a hash.
    pub volume_name_with_hash: bool,
    /// Default environment variables that are left out.
    pub unsupported_env: Vec<String>,
}

impl Default for Conventions {
    fn default() -> Self {
        Self { dns_suffix: "cluster.local".to_owned(), volume_name_with_hash: true, unsupported_env: Vec::new() }
    }
}

impl Conventions {
    /// Name of the volume of a `configMaps` or `secrets` entry: the object's name, with the first four digits of a hash of
    /// the entry unless that is switched off. Pods made by the former operator carry these names, and another name is
    /// another pod template; so the text that is hashed has to look like the Go structure that was hashed there.
    pub fn volume_name(&self, name: &str, mount_path: &str, sub_path: &str) -> String {
        if !self.volume_name_with_hash {
            return name.to_owned();
        }
        let hashed = format!("(v1.MountInfo){{Name:(string){name} MountPath:(string){mount_path} SubPath:(string){sub_path}}}");
        let digits = fnv_1a(hashed.as_bytes()).to_string();
        format!("{name}-{}", digits.get(..4).unwrap_or(&digits))
    }
}

/// FNV-1a, 32 bits.
fn fnv_1a(bytes: &[u8]) -> u32 {
    bytes.iter().fold(0x811c_9dc5, |hash: u32, byte| (hash ^ u32::from(*byte)).wrapping_mul(0x0100_0193))
}

/// A text that is given: in the CRD's Go types an empty text is the same as none.
pub fn given(text: &Option<String>) -> Option<&str> {
    text.as_deref().filter(|text| !text.is_empty())
}

/// Something accepted that deserves a warning.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Advice {
    /// Stable code.
    pub code: &'static str,
    /// Path of the field.
    pub field: String,
    /// What and what to do.
    pub message: String,
}

impl Cluster {
    /// The workload of a component, if wanted; the proxy is not a workload.
    pub const fn workload(&self, component: Component) -> Option<&Workload> {
        match component {
            Component::Frontend if self.warehouse.is_some() => None,
            Component::Frontend => Some(&self.frontend),
            Component::Backend => self.backend.as_ref(),
            Component::ComputeNode => self.compute_node.as_ref(),
            Component::FrontendProxy => None,
        }
    }

    /// All wanted workloads in the order in which they are made.
    pub fn workloads(&self) -> impl Iterator<Item = &Workload> {
        Component::STARROCKS.into_iter().filter_map(|component| self.workload(component))
    }

    /// What the resource asks for, as memory compares it.
    pub fn asked(&self) -> ResourceChange {
        ResourceChange { generation: self.generation, digest: self.spec_digest.clone() }
    }

    /// Name of the resource that owns everything.
    pub fn resource_name(&self) -> &str {
        self.warehouse.as_ref().map_or(&self.name, |warehouse| &warehouse.name)
    }

    /// Name of the cluster whose frontends serve.
    pub fn frontends_of(&self) -> &str {
        self.warehouse.as_ref().map_or(&self.name, |warehouse| &warehouse.cluster)
    }

    /// Whether the user accepted a named danger.
    pub fn consents_to(&self, consent: &str) -> bool {
        self.policy.consents.iter().any(|given| given == consent)
    }
}

impl Workload {
    /// Name of the StatefulSet.
    pub fn name(&self, cluster: &str) -> String {
        self.component.workload_name(cluster)
    }

    /// Port of the MySQL protocol; 9030 for anything but a frontend.
    pub const fn query_port(&self) -> u16 {
        match self.ports {
            Ports::Frontend { query, .. } => query,
            Ports::Backend { .. } => 9030,
        }
    }

    /// Port of the HTTP interface that probes use.
    pub const fn http_port(&self) -> u16 {
        match self.ports {
            Ports::Frontend { http, .. } => http,
            Ports::Backend { webserver, .. } => webserver,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn volume_names_are_those_of_the_former_operator() {
        let hashed = Conventions::default();
        assert_eq!(hashed.volume_name("c1", "/etc/c1/x.sh", "x.sh"), "c1-6062");
        assert_eq!(hashed.volume_name("s1", "/etc/s1", ""), "s1-2673");
        assert_eq!(hashed.volume_name("a-fe-proxy", "/etc/nginx", ""), "a-fe-proxy-3092");
        let plain = Conventions { volume_name_with_hash: false, ..Conventions::default() };
        assert_eq!(plain.volume_name("c1", "/etc/c1/x.sh", "x.sh"), "c1");
    }

    #[test]
    fn a_password_in_the_resource_is_never_printed() {
        assert!(!format!("{:?}", ValueSource::Literal("secret".to_owned())).contains("secret"));
    }
}
