//! Storage that a component's pods have, proven: what it is, and whether its content outlives them.

use k8s_openapi::api::core::v1::{CSIVolumeSource, HostPathVolumeSource};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

/// A storage volume whose kind and size are proven.
#[derive(Clone, Debug, PartialEq)]
pub struct StorageVolume {
    /// Name, unique in the pod.
    pub name: String,
    /// Where it is mounted.
    pub mount_path: String,
    /// Part of the volume that is mounted, all of it when absent.
    pub sub_path: Option<String>,
    /// Whether it is mounted read-only.
    pub read_only: bool,
    /// What is behind it.
    pub source: VolumeSource,
}

/// What is behind a storage volume.
#[derive(Clone, Debug, PartialEq)]
pub enum VolumeSource {
    /// A claim of its own for each pod; outlives the pod.
    Claim {
        /// Storage class as written; `None` for the cluster's default.
        storage_class: Option<String>,
        /// Size as written, a proven quantity above zero.
        size: Quantity,
    },
    /// A claim that is made with the pod and goes with it.
    Ephemeral {
        /// Storage class as written; `None` for the cluster's default.
        storage_class: Option<String>,
        /// Size as written, a proven quantity above zero.
        size: Quantity,
    },
    /// A directory that lives and dies with the pod.
    EmptyDir,
    /// A directory of the node.
    HostPath(HostPathVolumeSource),
    /// An inline volume of a CSI driver.
    Csi(CSIVolumeSource),
}

impl StorageVolume {
    /// Whether its content outlives the pod.
    pub const fn is_lasting(&self) -> bool {
        match self.source {
            VolumeSource::Claim { .. } | VolumeSource::HostPath(_) => true,
            // Inline CSI volumes are ephemeral by definition: they are made and removed with the pod.
            VolumeSource::EmptyDir | VolumeSource::Ephemeral { .. } | VolumeSource::Csi(_) => false,
        }
    }
}
