//! The kind StarRocksCluster: its identity and the top of its spec. Never holds what belongs to one component only.

use kube::CustomResource;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::catalog::CHANNEL_PATTERN;
use super::components::{BeSpec, CnSpec, FeProxySpec, FeSpec};
use super::configuration::ConfigurationUpdate;
use super::status::StarRocksClusterStatus;
use super::upgrade::{Credentials, UpgradePolicy};

/// What the user wants of a cluster.
#[derive(CustomResource, Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[kube(
    group = "starrocks.com",
    version = "v1",
    kind = "StarRocksCluster",
    plural = "starrocksclusters",
    singular = "starrockscluster",
    shortname = "src",
    namespaced,
    status = "StarRocksClusterStatus",
    derive = "Default",
    derive = "PartialEq",
    // A resource without `spec` is valid upstream and must not spoil the list it stands in; kube refuses a bare `serde` here.
    attr = "cfg_attr(all(), serde(default))",
    doc = "StarRocksCluster is a StarRocks database: frontends, and backends or compute nodes. The operator creates it, upgrades it release by \
           release in the order that StarRocks needs, and says in `status` what it does and what it waits for.",
    scale(
        spec_replicas_path = ".spec.starRocksCnSpec.replicas",
        status_replicas_path = ".status.starRocksCnStatus.replicas",
        label_selector_path = ".status.starRocksCnStatus.selector"
    ),
    printcolumn(name = "Phase", json_path = ".status.phase", type_ = "string"),
    printcolumn(name = "FeStatus", json_path = ".status.starRocksFeStatus.phase", type_ = "string"),
    printcolumn(name = "BeStatus", json_path = ".status.starRocksBeStatus.phase", type_ = "string"),
    printcolumn(name = "CnStatus", json_path = ".status.starRocksCnStatus.phase", type_ = "string"),
    printcolumn(name = "FeProxyStatus", json_path = ".status.starRocksFeProxyStatus.phase", type_ = "string")
)]
#[serde(default, rename_all = "camelCase")]
#[schemars(extend("x-kubernetes-validations" = [
    {"rule": "!(has(self.version) && has(self.channel))", "message": "version and channel cannot both be set: a channel says which version to run"}
]))]
// Each printer column has its own `type_`; the lint takes them for one attribute.
#[allow(clippy::duplicated_attributes)]
pub struct StarRocksClusterSpec {
    /// StarRocks release that the cluster shall run, such as 3.5.9. Changing it upgrades or downgrades the cluster, through
    /// intermediate releases where StarRocks needs them. Components without an `image` get the official one of this release;
    /// an `image` without a tag gets this tag; an `image` with a tag is used as it is and must name the same release.
    /// Default: none, the release is read from the image tags.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 64), extend("x-kubernetes-validations" = [
        {"rule": "self.matches('^[0-9]+[.][0-9]+[.][0-9]+([-+][0-9A-Za-z.+-]+)?$')",
         "message": "version must be a full release such as 3.5.9"}
    ]))]
    pub version: Option<String>,

    /// Release channel that the cluster follows, such as stable-3.5, instead of `version`: a new cluster begins with its head, and later goes forward along
    /// it as `upgradePolicy.automatic` says, never back. Everything that `version` says about images holds for the release that the channel says. Channels
    /// stand in StarRocksVersionCatalogs; the operator itself has one for each release line. Default: none.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(length(max = 63), extend("pattern" = CHANNEL_PATTERN))]
    pub channel: Option<String>,

    /// How upgrades, downgrades and other restarts of StarRocks nodes are done. Default: all defaults below.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub upgrade_policy: Option<UpgradePolicy>,

    /// What happens when fe.conf, be.conf or cn.conf changes in the ConfigMap that `configMapInfo` (or `configMaps`) of a component names. The ConfigMaps are
    /// then looked at every minute.
    ///
    /// Live: keys that StarRocks can change while it runs are set on every node and read back, and nothing restarts; a change of any other key restarts the
    /// component's pods, one at a time, as an upgrade does.
    ///
    /// Restart: every change restarts the component's pods in this way.
    ///
    /// Default: neither; a node reads the file when it next starts.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub configuration_update: Option<ConfigurationUpdate>,

    /// The SQL account that the operator uses towards the frontends. Default: root, with the password that the components
    /// have in their environment variable MYSQL_PWD, or with none.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub credentials: Option<Credentials>,

    /// Deprecated and not read; set `serviceAccount` of a component.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub service_account: Option<String>,

    /// Frontends: metadata and query planning. Every other component needs them.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub star_rocks_fe_spec: Option<FeSpec>,

    /// Backends: storage and execution. Taking the section away deletes their StatefulSet and Services, not their claims.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub star_rocks_be_spec: Option<BeSpec>,

    /// Compute nodes: execution without storage of their own. `kubectl scale` sets their number.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub star_rocks_cn_spec: Option<CnSpec>,

    /// An nginx in front of the HTTP ports, which follows the redirects of stream loads for clients outside.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub star_rocks_fe_proxy_spec: Option<FeProxySpec>,

    /// Recovery of a shared-data cluster from a snapshot.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub disaster_recovery: Option<DisasterRecovery>,

    /// On creation and change, backends and compute nodes wait until all frontends have been rolled out. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub wait_for_full_rollout: Option<bool>,
}

/// Recovery of a shared-data cluster from a snapshot.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct DisasterRecovery {
    /// Whether to recover. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub enabled: Option<bool>,

    /// Number of this recovery; a greater one than the last starts another recovery.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub generation: Option<i64>,
}
