//! Storage volumes and mounts as written in, volumes of a proven kind and size with the default ones out; never asks for storage.

use std::collections::BTreeMap;

use k8s_openapi::apimachinery::pkg::api::resource::Quantity;

use super::fault::{Findings, Rule};
use super::words::{is_dns_label, is_word};
use crate::api;
use crate::model::cluster::{ComponentSpec, Conventions, MountInfo, StorageVolume, VolumeSource, given};
use crate::model::{Amount, Component};

/// Reads `storageVolumes`. An entry of size zero is left out: that is how persistence is switched off.
pub(super) fn volumes(path: &str, written: &[api::StorageVolume], findings: &mut Findings) -> Vec<StorageVolume> {
    written.iter().enumerate().filter_map(|(index, volume)| one(&format!("{path}.storageVolumes[{index}]"), volume, findings)).collect()
}

fn one(path: &str, written: &api::StorageVolume, findings: &mut Findings) -> Option<StorageVolume> {
    let api::StorageVolume { name, storage_class_name, storage_size, mount_path, sub_path, host_path, csi, ephemeral, read_only } = written;
    let size = given(storage_size);
    let amount = size.map(Amount::parse);
    if amount.flatten().is_some_and(Amount::is_zero) {
        return None;
    }
    if let Some(text) = size.filter(|text| text.starts_with('0')) {
        let message = format!(
            "{text} is taken as a size; the Go operator dropped every volume whose size begins with 0, so a StatefulSet made by it has no such volume"
        );
        findings.advise(Rule::SmallSize, format!("{path}.storageSize"), message);
    }
    check_name_and_path(path, name, mount_path, findings);
    let class = given(storage_class_name);
    let source = if class.is_some_and(|class| is_word(class, "emptyDir")) {
        VolumeSource::EmptyDir
    } else if class.is_some_and(|class| is_word(class, "hostPath")) || (storage_class_name.is_none() && host_path.is_some()) {
        host_path_source(path, host_path.clone(), findings)?
    } else if class.is_some_and(|class| is_word(class, "csi")) || (storage_class_name.is_none() && csi.is_some()) {
        csi_source(path, csi.clone(), findings)?
    } else {
        if host_path.is_some() || csi.is_some() {
            let message = "a storage class is named, so the volume is a claim; hostPath and csi have no effect".to_owned();
            findings.advise(Rule::IgnoredField, path, message);
        }
        // An empty class is Kubernetes' word for "no dynamic provisioning" and differs from none.
        claim(path, storage_class_name.clone(), size, ephemeral.unwrap_or(false), findings)?
    };
    if *ephemeral == Some(true) && !matches!(source, VolumeSource::Ephemeral { .. }) {
        findings.advise(Rule::IgnoredField, format!("{path}.ephemeral"), "only a claim can be made with each pod; this volume is none");
    }
    Some(StorageVolume {
        name: name.clone(),
        mount_path: mount_path.clone(),
        sub_path: given(sub_path).map(str::to_owned),
        read_only: read_only.unwrap_or(false),
        source,
    })
}

fn check_name_and_path(path: &str, name: &str, mount_path: &str, findings: &mut Findings) {
    if !is_dns_label(name) {
        findings.fault(
            Rule::VolumeName,
            format!("{path}.name"),
            format!("{name:?} is no volume name"),
            "Write at most 63 lower-case letters, digits and dashes, a letter or digit first and last",
        );
    }
    if mount_path.is_empty() || mount_path.contains(':') {
        findings.fault(
            Rule::VolumeName,
            format!("{path}.mountPath"),
            format!("{mount_path:?} is no mount path"),
            "Write the directory in the container, without a colon",
        );
    }
}

fn host_path_source(
    path: &str,
    written: Option<k8s_openapi::api::core::v1::HostPathVolumeSource>,
    findings: &mut Findings,
) -> Option<VolumeSource> {
    match written {
        Some(source) if !source.path.is_empty() => Some(VolumeSource::HostPath(source)),
        Some(_) | None => {
            findings.fault(
                Rule::VolumeKind,
                format!("{path}.hostPath.path"),
                "a hostPath volume needs the path on the node",
                "Set hostPath.path, or name a storage class to get a claim",
            );
            None
        }
    }
}

fn csi_source(path: &str, written: Option<k8s_openapi::api::core::v1::CSIVolumeSource>, findings: &mut Findings) -> Option<VolumeSource> {
    match written {
        Some(source) if !source.driver.is_empty() => Some(VolumeSource::Csi(source)),
        Some(_) | None => {
            findings.fault(
                Rule::VolumeKind,
                format!("{path}.csi.driver"),
                "an inline CSI volume needs its driver",
                "Set csi.driver, or name a storage class to get a claim",
            );
            None
        }
    }
}

fn claim(path: &str, storage_class: Option<String>, size: Option<&str>, ephemeral: bool, findings: &mut Findings) -> Option<VolumeSource> {
    let field = format!("{path}.storageSize");
    let way_out = "Write the size of the claim, for example 100Gi, or storageClassName: emptyDir for a volume that dies with the pod";
    let Some(text) = size else {
        findings.fault(Rule::StorageSize, field, "a claim needs a size", way_out);
        return None;
    };
    let Some(amount) = Amount::parse(text) else {
        let way_out = "Write a number and a unit, for example 100Gi; 0Gi leaves the volume out";
        findings.fault(Rule::StorageSize, field, format!("{text:?} is no quantity"), way_out);
        return None;
    };
    if amount.is_negative() {
        findings.fault(Rule::StorageSize, field, format!("{text} is below zero"), way_out);
        return None;
    }
    let size = Quantity(text.to_owned());
    Some(if ephemeral { VolumeSource::Ephemeral { storage_class, size } } else { VolumeSource::Claim { storage_class, size } })
}

/// Adds the volumes that a component gets although nobody asked: writable directories for metadata or data, and for logs.
///
/// Whether one is already there is judged by name and path in the way of the former operator, because another pod template
/// would restart every pod: a volume of that name, one whose last word after a dash is the same, or a mount whose path
/// contains the directory.
pub(super) fn add_defaults(component: Component, root: &str, volumes: &mut Vec<StorageVolume>) {
    let home = component.home(root);
    let defaults: &[(&[&str], &str)] = match component {
        Component::Frontend => &[(&["fe-meta"], "meta"), (&["fe-log"], "log")],
        Component::Backend => &[(&["be-data", "be-storage"], "storage"), (&["be-log"], "log")],
        Component::ComputeNode => &[(&["cn-log"], "log")],
        Component::FrontendProxy => &[],
    };
    for (names, directory) in defaults {
        let mount_path = format!("{home}/{directory}");
        let is_there = |volume: &StorageVolume| {
            volume.mount_path.contains(&mount_path)
                || names.iter().any(|name| volume.name == *name || last_word(&volume.name) == last_word(name))
        };
        if !volumes.iter().any(is_there)
            && let Some(name) = names.first()
        {
            let name = (*name).to_owned();
            volumes.push(StorageVolume { name, mount_path, sub_path: None, read_only: false, source: VolumeSource::EmptyDir });
        }
    }
}

fn last_word(name: &str) -> &str {
    name.rsplit('-').next().unwrap_or(name)
}

/// Warns when what a component must not lose dies with its pods. `directory` is where the component keeps it.
pub(super) fn advise_lasting(component: Component, path: &str, directory: &str, volumes: &[StorageVolume], findings: &mut Findings) {
    let holds = |volume: &&StorageVolume| {
        directory == volume.mount_path || directory.starts_with(&format!("{}/", volume.mount_path.trim_end_matches('/')))
    };
    let nearest = volumes.iter().filter(holds).max_by_key(|volume| volume.mount_path.len());
    if nearest.is_some_and(StorageVolume::is_lasting) {
        return;
    }
    let field = format!("{path}.storageVolumes");
    match component {
        Component::Frontend => findings.advise(
            Rule::MetadataNotLasting,
            field,
            format!("no lasting volume is mounted at {directory}: frontends that lose their pods at the same time lose the whole cluster, and start an empty one"),
        ),
        Component::Backend => {
            findings.advise(Rule::DataNotLasting, field, format!("no lasting volume is mounted at {directory}: a backend that loses its pod loses its data"));
        }
        Component::ComputeNode | Component::FrontendProxy => {}
    }
}

/// A volume of the pod by name, path and the field that asks for it.
struct Mount {
    name: String,
    path: String,
    field: String,
}

/// Checks that the volumes of the proxy have names and mount paths of their own.
pub(super) fn check_volumes(path: &str, volumes: &[StorageVolume], findings: &mut Findings) {
    check_unique(&storage_mounts(path, volumes), findings);
}

/// Checks the mounts of ConfigMaps and Secrets, and that volume names and mount paths are unique in the pod. Returns the
/// names of all volumes.
pub(super) fn check_mounts(
    path: &str,
    spec: &ComponentSpec,
    volumes: &[StorageVolume],
    conf: Option<(&str, String)>,
    conventions: &Conventions,
    findings: &mut Findings,
) -> Vec<String> {
    let mut mounts = storage_mounts(path, volumes);
    let mut added = Vec::new();
    if let Some((name, mount_path)) = conf {
        added.push(Mount { name: name.to_owned(), path: mount_path, field: format!("{path}.configMapInfo.configMapName") });
    }
    for (kind, written) in [("configMaps", &spec.config_maps), ("secrets", &spec.secrets)] {
        for (index, MountInfo { name, mount_path, sub_path }) in written.iter().enumerate() {
            let field = format!("{path}.{kind}[{index}]");
            let (Some(name), Some(mount_path)) = (given(name), given(mount_path)) else {
                findings.fault(Rule::VolumeName, field, "name and mountPath are needed", "Write both, or take the entry away");
                continue;
            };
            let name = conventions.volume_name(name, mount_path, given(sub_path).unwrap_or_default());
            added.push(Mount { name, path: mount_path.to_owned(), field });
        }
    }
    for mount in &added {
        check_name_and_path(&mount.field, &mount.name, &mount.path, findings);
    }
    mounts.extend(added);
    check_unique(&mounts, findings);
    mounts.into_iter().map(|mount| mount.name).collect()
}

fn storage_mounts(path: &str, volumes: &[StorageVolume]) -> Vec<Mount> {
    let mount = |volume: &StorageVolume| Mount {
        name: volume.name.clone(),
        path: volume.mount_path.clone(),
        field: format!("{path}.storageVolumes ({})", volume.name),
    };
    volumes.iter().map(mount).collect()
}

fn check_unique(mounts: &[Mount], findings: &mut Findings) {
    let (mut names, mut paths): (BTreeMap<&str, &str>, BTreeMap<&str, &str>) = (BTreeMap::new(), BTreeMap::new());
    for Mount { name, path, field } in mounts {
        if let Some(other) = names.insert(name, field) {
            let way_out = "Give each volume a name of its own; an object that is mounted twice needs hashed volume names";
            findings.fault(Rule::Duplicate, field, format!("volume name {name} is duplicated, also by {other}"), way_out);
        }
        if let Some(other) = paths.insert(path, field) {
            findings.fault(
                Rule::Duplicate,
                field,
                format!("mount path {path} is duplicated, also by {other}"),
                "Mount one of the two elsewhere",
            );
        }
    }
}
