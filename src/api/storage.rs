//! Volumes, ConfigMaps and Secrets of a component as users describe them. Never decides which kind of volume results.

use k8s_openapi::api::core::v1::{CSIVolumeSource, HostPathVolumeSource};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use super::lenient::null_is_default;

/// One volume: a claim of its own for each pod, unless the class says otherwise.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct StorageVolume {
    /// Name of the volume and prefix of its claims.
    #[serde(deserialize_with = "null_is_default")]
    #[schemars(regex(pattern = r"[a-z0-9]([-a-z0-9]*[a-z0-9])?(\\.[a-z0-9]([-a-z0-9]*[a-z0-9])?)*"))]
    pub name: String,

    /// Storage class of the claims; `emptyDir`, `hostPath` and `csi` mean a volume of that kind instead of a claim.
    /// Default: the cluster's default class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage_class_name: Option<String>,

    /// Size of the claim, such as 100Gi. `0Gi` leaves this volume out, whatever it is made of.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[schemars(regex(pattern = r"(^0|([0-9]*l[.])?[0-9]+((M|G|T|E|P)i))$"))]
    pub storage_size: Option<String>,

    /// Where the volume is mounted in the component's container.
    #[serde(deserialize_with = "null_is_default")]
    pub mount_path: String,

    /// Path inside the volume that is mounted. Default: its root.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_path: Option<String>,

    /// Directory of the node; for the class `hostPath`, or with no class.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub host_path: Option<HostPathVolumeSource>,

    /// Inline volume of a CSI driver; for the class `csi`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub csi: Option<CSIVolumeSource>,

    /// The claim is made with each pod and goes with it, for a cache or for spilled data. Default false: claims outlive pods.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub ephemeral: Option<bool>,

    /// Mount the volume read-only. Default false.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub read_only: Option<bool>,
}

/// A ConfigMap or Secret mounted into a component.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct MountInfo {
    /// Name of the ConfigMap or Secret in the namespace of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,

    /// Where it is mounted in the component's container.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub mount_path: Option<String>,

    /// The one key that is mounted, as a file. Default: all keys, as a directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub sub_path: Option<String>,
}

/// The ConfigMap that holds a component's configuration file.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, JsonSchema)]
#[serde(default, rename_all = "camelCase")]
pub struct ConfigMapInfo {
    /// Name of the ConfigMap in the namespace of the cluster.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub config_map_name: Option<String>,

    /// Key of the configuration file in it: fe.conf, be.conf or cn.conf.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub resolve_key: Option<String>,
}
