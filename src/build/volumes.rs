//! Storage volumes, ConfigMaps and Secrets in, volumes, mounts and claim templates out; never decides a kind or a default.

use std::collections::BTreeMap;

use k8s_openapi::api::core::v1::{
    ConfigMapVolumeSource, EmptyDirVolumeSource, EphemeralVolumeSource, PersistentVolumeClaim, PersistentVolumeClaimSpec,
    PersistentVolumeClaimTemplate, PersistentVolumeClaimVolumeSource, SecretVolumeSource, Volume, VolumeMount, VolumeResourceRequirements,
};
use k8s_openapi::apimachinery::pkg::api::resource::Quantity;
use k8s_openapi::apimachinery::pkg::apis::meta::v1::ObjectMeta;

use crate::model::cluster::{Conventions, MountInfo, StorageVolume, VolumeSource, Workload, given};

/// Where `configMapInfo` is mounted, below it `<component>/conf`.
pub(super) const CONF_MOUNT_ROOT: &str = "/etc/starrocks";

/// Volumes of a pod and their mounts in the main container, pairwise.
#[derive(Debug, Default)]
pub(super) struct Mounts {
    /// Volumes of the pod.
    pub volumes: Vec<Volume>,
    /// Mounts of the main container.
    pub mounts: Vec<VolumeMount>,
}

impl Mounts {
    fn add(&mut self, volume: Volume, mount_path: &str, sub_path: Option<&str>, read_only: bool) {
        self.mounts.push(VolumeMount {
            name: volume.name.clone(),
            mount_path: mount_path.to_owned(),
            sub_path: sub_path.map(str::to_owned),
            read_only: read_only.then_some(true),
            ..VolumeMount::default()
        });
        self.volumes.push(volume);
    }

    /// Adds storage volumes. Claims are named in the pod as well, although a StatefulSet would add them by itself: existing
    /// templates have them.
    pub(super) fn add_storage(&mut self, volumes: &[StorageVolume]) {
        for StorageVolume { name, mount_path, sub_path, read_only, source } in volumes {
            let mut volume = named(name);
            match source {
                VolumeSource::Claim { .. } => {
                    volume.persistent_volume_claim = Some(PersistentVolumeClaimVolumeSource { claim_name: name.clone(), read_only: None });
                }
                VolumeSource::Ephemeral { storage_class, size } => {
                    let template = PersistentVolumeClaimTemplate { metadata: None, spec: claim_spec(storage_class.as_ref(), size) };
                    volume.ephemeral = Some(EphemeralVolumeSource { volume_claim_template: Some(template) });
                }
                VolumeSource::EmptyDir => volume.empty_dir = Some(EmptyDirVolumeSource::default()),
                VolumeSource::HostPath(path) => volume.host_path = Some(path.clone()),
                VolumeSource::Csi(csi) => volume.csi = Some(csi.clone()),
            }
            self.add(volume, mount_path, sub_path.as_deref(), *read_only);
        }
    }

    /// Adds a whole ConfigMap under a volume name of its own.
    pub(super) fn add_config_map(&mut self, volume_name: &str, name: &str, mount_path: &str, sub_path: Option<&str>, mode: Option<i32>) {
        let source = ConfigMapVolumeSource { name: name.to_owned(), default_mode: mode, ..ConfigMapVolumeSource::default() };
        self.add(Volume { config_map: Some(source), ..named(volume_name) }, mount_path, sub_path, false);
    }

    fn add_secret(&mut self, volume_name: &str, name: &str, mount_path: &str, sub_path: Option<&str>) {
        let source = SecretVolumeSource { secret_name: Some(name.to_owned()), ..SecretVolumeSource::default() };
        self.add(Volume { secret: Some(source), ..named(volume_name) }, mount_path, sub_path, false);
    }
}

/// What the main container of a workload mounts: storage, configuration, ConfigMaps, Secrets, in this order.
pub(super) fn of_workload(workload: &Workload, conventions: &Conventions) -> Mounts {
    let mut mounts = Mounts::default();
    mounts.add_storage(&workload.volumes);
    if let Some(name) = &workload.conf_config_map {
        mounts.add_config_map(name, name, &format!("{CONF_MOUNT_ROOT}/{}/conf", workload.component.label()), None, None);
    }
    let has_own_command = !workload.spec.command.is_empty() || !workload.spec.args.is_empty();
    for (name, mount_path, sub_path) in workload.spec.config_maps.iter().filter_map(parts) {
        // A file that is mounted for a command of the user's is most likely the script to run.
        let mode = (has_own_command && sub_path.is_some()).then_some(0o755);
        mounts.add_config_map(&conventions.volume_name(name, mount_path, sub_path.unwrap_or_default()), name, mount_path, sub_path, mode);
    }
    for (name, mount_path, sub_path) in workload.spec.secrets.iter().filter_map(parts) {
        mounts.add_secret(&conventions.volume_name(name, mount_path, sub_path.unwrap_or_default()), name, mount_path, sub_path);
    }
    mounts
}

/// A claim template for each storage volume that is a claim.
pub(super) fn claims(volumes: &[StorageVolume]) -> Vec<PersistentVolumeClaim> {
    let claim = |volume: &StorageVolume| match &volume.source {
        VolumeSource::Claim { storage_class, size } => Some(PersistentVolumeClaim {
            metadata: ObjectMeta { name: Some(volume.name.clone()), ..ObjectMeta::default() },
            spec: Some(claim_spec(storage_class.as_ref(), size)),
            status: None,
        }),
        VolumeSource::Ephemeral { .. } | VolumeSource::EmptyDir | VolumeSource::HostPath(_) | VolumeSource::Csi(_) => None,
    };
    volumes.iter().filter_map(claim).collect()
}

fn claim_spec(storage_class: Option<&String>, size: &Quantity) -> PersistentVolumeClaimSpec {
    PersistentVolumeClaimSpec {
        access_modes: Some(vec!["ReadWriteOnce".to_owned()]),
        storage_class_name: storage_class.cloned(),
        resources: Some(VolumeResourceRequirements {
            requests: Some(BTreeMap::from([("storage".to_owned(), size.clone())])),
            limits: None,
        }),
        ..PersistentVolumeClaimSpec::default()
    }
}

fn parts(mount: &MountInfo) -> Option<(&str, &str, Option<&str>)> {
    let MountInfo { name, mount_path, sub_path } = mount;
    Some((given(name)?, given(mount_path)?, given(sub_path)))
}

fn named(name: &str) -> Volume {
    Volume { name: name.to_owned(), ..Volume::default() }
}
