//! The volume controllers: a claim goes in; it is provisioned, bound, protected while a pod uses it, and its volume goes with it.

use std::collections::BTreeMap;
use std::time::Duration;

use serde_json::{Value, json};

use super::Duty;
use super::agenda::{Agenda, Loop};
use super::desk::Desk;
use super::fields::{Key, annotation, finished, flag, has_finalizer, items, name, namespace, set, terminating, text, uid};
use crate::model::Timestamp;

const COMPONENT: &str = "persistentvolume-controller";
const IN_USE: &str = "kubernetes.io/pvc-protection";
/// Tells the provisioner whose claim it is that a volume is due.
const PROVISIONER: &str = "volume.kubernetes.io/storage-provisioner";
/// The same under its former name, for provisioners that know no other.
const FORMER_PROVISIONER: &str = "volume.beta.kubernetes.io/storage-provisioner";
const SELECTED_NODE: &str = "volume.kubernetes.io/selected-node";

/// When the volumes of claims by UID will exist.
pub(super) type Provisioning = BTreeMap<String, Timestamp>;

/// One pass over one claim; `provision` is how long a new volume takes to exist, `None` leaves its making to a client of the API.
pub(super) fn sync(desk: &mut Desk, agenda: &mut Agenda, provisioning: &mut Provisioning, provision: Option<Duration>, key: &Key) {
    let Some(claim) = desk.get(key).cloned() else { return };
    if terminating(&claim) {
        if !in_use(desk, &claim) {
            desk.remove_finalizer(key, IN_USE);
        }
        return;
    }
    let Some(claim) = complete(desk, claim) else { return };
    if text(&claim, "/status/phase") == "Bound" {
        return;
    }
    if text(&claim, "/status/phase").is_empty() {
        desk.put_status(key, json!({"phase": "Pending"}));
    }
    let class_name = text(&claim, "/spec/storageClassName");
    if class_name.is_empty() || !text(&claim, "/spec/volumeName").is_empty() {
        return bind_existing(desk, &claim);
    }
    let Some(class) = desk.get(&Key::new("StorageClass", "", class_name)).cloned() else {
        let message = format!("storageclass.storage.k8s.io \"{class_name}\" not found");
        desk.event(&claim, "Warning", "ProvisioningFailed", &message, COMPONENT);
        agenda.wake(Loop::Storage, key.clone(), desk.now() + Duration::from_secs(15));
        return;
    };
    if text(&class, "/volumeBindingMode") == "WaitForFirstConsumer" && annotation(&claim, SELECTED_NODE).is_none() {
        desk.event(&claim, "Normal", "WaitForFirstConsumer", "waiting for first consumer to be created before binding", COMPONENT);
        return;
    }
    if provision.is_none()
        && let Some(volume) = desk.list("PersistentVolume", "").into_iter().find(|volume| text(volume, "/spec/claimRef/uid") == uid(&claim))
    {
        let key = Key::of(volume);
        return bind(desk, &claim, &key);
    }
    match provisioning.get(uid(&claim)).copied() {
        Some(at) if at <= desk.now() => {
            provisioning.remove(uid(&claim));
            make_volume(desk, &claim, &class);
        }
        Some(at) => agenda.wake(Loop::Storage, key.clone(), at),
        None if provision.is_none() && annotation(&claim, PROVISIONER).is_some() => {}
        None => {
            let mut fresh = claim.clone();
            for key in [PROVISIONER, FORMER_PROVISIONER] {
                set(&mut fresh, &["metadata", "annotations", key], json!(text(&class, "/provisioner")));
            }
            desk.update(fresh);
            let what = format!(
                "Waiting for a volume to be created either by the external provisioner '{}' or manually by the system administrator.",
                text(&class, "/provisioner")
            );
            desk.event(&claim, "Normal", "ExternalProvisioning", &what, COMPONENT);
            if let Some(at) = provision.map(|provision| desk.now() + provision) {
                provisioning.insert(uid(&claim).to_owned(), at);
                agenda.wake(Loop::Storage, key.clone(), at);
            }
        }
    }
}

/// What admission adds to a claim: the protecting finalizer and the default class.
fn complete(desk: &mut Desk, claim: Value) -> Option<Value> {
    let mut fresh = claim.clone();
    if !has_finalizer(&claim, IN_USE) {
        let mut finalizers = items(&claim, "/metadata/finalizers").to_vec();
        finalizers.push(json!(IN_USE));
        set(&mut fresh, &["metadata", "finalizers"], json!(finalizers));
    }
    if claim.pointer("/spec/storageClassName").is_none_or(Value::is_null) {
        let default = desk
            .list("StorageClass", "")
            .into_iter()
            .find(|class| annotation(class, "storageclass.kubernetes.io/is-default-class") == Some("true"))
            .map(|class| name(class).to_owned());
        if let Some(default) = default {
            set(&mut fresh, &["spec", "storageClassName"], json!(default));
        }
    }
    if fresh == claim { Some(claim) } else { desk.try_update(fresh).ok() }
}

fn make_volume(desk: &mut Desk, claim: &Value, class: &Value) {
    let volume_name = format!("pvc-{}", uid(claim));
    let key = Key::new("PersistentVolume", "", &volume_name);
    if desk.get(&key).is_none() {
        let volume = json!({
            "apiVersion": "v1",
            "kind": "PersistentVolume",
            "metadata": {
                "name": volume_name,
                "annotations": {"pv.kubernetes.io/provisioned-by": text(class, "/provisioner")},
                "finalizers": ["kubernetes.io/pv-protection"],
            },
            "spec": {
                "accessModes": claim.pointer("/spec/accessModes").cloned().unwrap_or_else(|| json!(["ReadWriteOnce"])),
                "capacity": {"storage": claim.pointer("/spec/resources/requests/storage").cloned().unwrap_or_else(|| json!("1Gi"))},
                "claimRef": {
                    "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                    "name": name(claim), "namespace": namespace(claim), "uid": uid(claim),
                },
                "csi": {"driver": text(class, "/provisioner"), "volumeHandle": volume_name},
                "persistentVolumeReclaimPolicy": class.get("reclaimPolicy").cloned().unwrap_or_else(|| json!("Delete")),
                "storageClassName": name(class),
                "volumeMode": claim.pointer("/spec/volumeMode").cloned().unwrap_or_else(|| json!("Filesystem")),
            },
        });
        if desk.try_create(volume).is_err() {
            return;
        }
        let what = format!("Successfully provisioned volume {volume_name}");
        desk.event(claim, "Normal", "ProvisioningSucceeded", &what, text(class, "/provisioner"));
    }
    bind(desk, claim, &key);
}

fn bind(desk: &mut Desk, claim: &Value, key: &Key) {
    let mut fresh = claim.clone();
    set(&mut fresh, &["spec", "volumeName"], json!(key.name));
    set(&mut fresh, &["metadata", "annotations", "pv.kubernetes.io/bind-completed"], json!("yes"));
    set(&mut fresh, &["metadata", "annotations", "pv.kubernetes.io/bound-by-controller"], json!("yes"));
    if let Ok(fresh) = desk.try_update(fresh) {
        finish_binding(desk, &fresh, key);
    }
}

/// Binds a claim that names its volume.
fn bind_existing(desk: &mut Desk, claim: &Value) {
    let key = Key::new("PersistentVolume", "", text(claim, "/spec/volumeName"));
    let free = desk.get(&key).is_some_and(|volume| {
        let bound_to = text(volume, "/spec/claimRef/uid");
        bound_to.is_empty() || bound_to == uid(claim)
    });
    if free {
        finish_binding(desk, claim, &key);
    } else {
        let what = "no persistent volumes available for this claim and no storage class is set";
        desk.event(claim, "Normal", "FailedBinding", what, COMPONENT);
    }
}

fn finish_binding(desk: &mut Desk, claim: &Value, volume_key: &Key) {
    let Some(volume) = desk.get(volume_key).cloned() else { return };
    desk.put_status(volume_key, json!({"phase": "Bound"}));
    let status = json!({
        "phase": "Bound",
        "accessModes": claim.pointer("/spec/accessModes").cloned().unwrap_or_else(|| json!([])),
        "capacity": volume.pointer("/spec/capacity").cloned().unwrap_or_else(|| json!({})),
    });
    desk.put_status(&Key::of(claim), status);
}

fn in_use(desk: &Desk, claim: &Value) -> bool {
    desk.list("Pod", namespace(claim)).into_iter().any(|pod| {
        !finished(pod) && items(pod, "/spec/volumes").iter().any(|volume| text(volume, "/persistentVolumeClaim/claimName") == name(claim))
    })
}

/// What becomes of the volume of a claim that is gone; a provisioner that is a client removes it itself.
pub(super) fn release(desk: &mut Desk, duty: Duty, claim: &Value) {
    let key = Key::new("PersistentVolume", "", text(claim, "/spec/volumeName"));
    let Some(volume) = desk.get(&key).cloned() else { return };
    if text(&volume, "/spec/claimRef/uid") != uid(claim) {
        return;
    }
    if text(&volume, "/spec/persistentVolumeReclaimPolicy") == "Delete" && duty.has_kubelets() {
        desk.delete(&key, uid(&volume));
        desk.remove_finalizer(&key, "kubernetes.io/pv-protection");
    } else {
        desk.put_status(&key, json!({"phase": "Released"}));
    }
}

/// Follows an enlarged request of a bound claim, if its class allows expansion.
pub(super) fn expand(desk: &mut Desk, key: &Key) {
    let Some(claim) = desk.get(key).cloned() else { return };
    if text(&claim, "/status/phase") != "Bound" || terminating(&claim) {
        return;
    }
    let wanted = claim.pointer("/spec/resources/requests/storage");
    let has = claim.pointer("/status/capacity/storage");
    if super::fields::quantity_milli(wanted) <= super::fields::quantity_milli(has) {
        return;
    }
    let class = Key::new("StorageClass", "", text(&claim, "/spec/storageClassName"));
    if !desk.get(&class).is_some_and(|class| flag(class, "/allowVolumeExpansion")) {
        return;
    }
    let wanted = wanted.cloned().unwrap_or(Value::Null);
    let volume_key = Key::new("PersistentVolume", "", text(&claim, "/spec/volumeName"));
    if let Some(mut volume) = desk.get(&volume_key).cloned() {
        set(&mut volume, &["spec", "capacity", "storage"], wanted.clone());
        desk.update(volume);
    }
    let mut status = claim.get("status").cloned().unwrap_or_else(|| json!({}));
    set(&mut status, &["capacity", "storage"], wanted);
    desk.put_status(key, status);
    desk.event(&claim, "Normal", "FileSystemResizeSuccessful", "MountVolume.NodeExpandVolume succeeded for volume", "kubelet");
}
