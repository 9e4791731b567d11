//! Storage of the bed, as an external provisioner gives it: a default StorageClass, volumes for claims, growth, removal; claims are bound by Kubernetes.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use anyhow::Context;
use k8s_openapi::api::core::v1::{PersistentVolume, PersistentVolumeClaim};
use k8s_openapi::api::storage::v1::{CSIDriver, StorageClass};
use kube::api::{Api, DeleteParams, Patch, PatchParams, PostParams};
use kube::{Client, Error};
use serde_json::{Value, json};

use super::Bed;
use crate::model::Timestamp;

const PROVISIONER: &str = "sim.csi.k8s.io";
const CLASS: &str = "standard";
const PROVISIONED_BY: &str = "pv.kubernetes.io/provisioned-by";
/// Put on a claim by Kubernetes when its volume is due (with the class' binding mode: when its pod has a node).
const WANTED_OF: &str = "volume.kubernetes.io/storage-provisioner";
const LOOK: Duration = Duration::from_millis(200);

/// Creates the driver and the default class.
pub(super) async fn prepare(client: &Client) -> anyhow::Result<()> {
    let manager = PatchParams::apply(PROVISIONER).force();
    // Without attachment nobody waits for an attacher.
    let driver = json!({
        "apiVersion": "storage.k8s.io/v1", "kind": "CSIDriver", "metadata": {"name": PROVISIONER}, "spec": {"attachRequired": false},
    });
    let class = json!({
        "apiVersion": "storage.k8s.io/v1",
        "kind": "StorageClass",
        "metadata": {"name": CLASS, "annotations": {"storageclass.kubernetes.io/is-default-class": "true"}},
        "provisioner": PROVISIONER,
        "reclaimPolicy": "Delete",
        "volumeBindingMode": "WaitForFirstConsumer",
        "allowVolumeExpansion": true,
    });
    let drivers: Api<CSIDriver> = Api::all(client.clone());
    drivers.patch(PROVISIONER, &manager, &Patch::Apply(driver)).await.context("creating the CSIDriver")?;
    let classes: Api<StorageClass> = Api::all(client.clone());
    classes.patch(CLASS, &manager, &Patch::Apply(class)).await.context("creating the StorageClass")?;
    Ok(())
}

/// Serves claims, for ever; a new volume takes `duration`.
pub(super) async fn provide(client: Client, bed: Arc<Bed>, duration: Duration) {
    let mut asked: BTreeMap<String, Timestamp> = BTreeMap::new();
    loop {
        tokio::time::sleep(LOOK).await;
        let (claims, volumes) = {
            let mirror = bed.mirror();
            let list = |kind: &str| mirror.world.store.list(kind, None).into_iter().cloned().collect::<Vec<_>>();
            (list("PersistentVolumeClaim"), list("PersistentVolume"))
        };
        let now = bed.clock.now();
        let wanting: Vec<&Value> = claims.iter().filter(|claim| wants_volume(claim)).collect();
        asked.retain(|uid, _| wanting.iter().any(|claim| claim["metadata"]["uid"] == **uid));
        for claim in wanting {
            let since = *asked.entry(text(&claim["metadata"]["uid"]).to_owned()).or_insert(now);
            if now.since(since) >= duration {
                report("a volume cannot be made", make(&client, claim).await);
            }
        }
        for claim in claims.iter().filter(|claim| wants_growth(claim)) {
            report("a volume cannot grow", grow(&client, claim).await);
        }
        for volume in volumes.iter().filter(|volume| is_released(volume)) {
            let api: Api<PersistentVolume> = Api::all(client.clone());
            report("a volume cannot be removed", api.delete(text(&volume["metadata"]["name"]), &DeleteParams::default()).await.map(|_| ()));
        }
    }
}

fn report(what: &str, outcome: Result<(), Error>) {
    match outcome {
        // Done before, or no longer wanted: the mirror is only a moment behind.
        Ok(()) | Err(Error::Api(_)) => {}
        Err(error) => tracing::warn!(%error, "{what}"),
    }
}

fn text(value: &Value) -> &str {
    value.as_str().unwrap_or_default()
}

fn is_leaving(object: &Value) -> bool {
    !object["metadata"]["deletionTimestamp"].is_null()
}

fn wants_volume(claim: &Value) -> bool {
    !is_leaving(claim) && text(&claim["spec"]["volumeName"]).is_empty() && claim["metadata"]["annotations"][WANTED_OF] == PROVISIONER
}

/// The API server lets no claim of another class grow, and none shrink.
fn wants_growth(claim: &Value) -> bool {
    let (wanted, has) = (&claim["spec"]["resources"]["requests"]["storage"], &claim["status"]["capacity"]["storage"]);
    claim["status"]["phase"] == "Bound"
        && !is_leaving(claim)
        && !has.is_null()
        && wanted != has
        && claim["metadata"]["annotations"][WANTED_OF] == PROVISIONER
}

fn is_released(volume: &Value) -> bool {
    volume["status"]["phase"] == "Released"
        && !is_leaving(volume)
        && volume["metadata"]["annotations"][PROVISIONED_BY] == PROVISIONER
        && volume["spec"]["persistentVolumeReclaimPolicy"] == "Delete"
}

async fn make(client: &Client, claim: &Value) -> Result<(), Error> {
    let name = format!("pvc-{}", text(&claim["metadata"]["uid"]));
    let volume = json!({
        "apiVersion": "v1",
        "kind": "PersistentVolume",
        "metadata": {"name": name, "annotations": {PROVISIONED_BY: PROVISIONER}},
        "spec": {
            "accessModes": claim["spec"]["accessModes"],
            "capacity": {"storage": claim["spec"]["resources"]["requests"]["storage"]},
            "claimRef": {
                "apiVersion": "v1", "kind": "PersistentVolumeClaim",
                "name": claim["metadata"]["name"], "namespace": claim["metadata"]["namespace"], "uid": claim["metadata"]["uid"],
            },
            "csi": {"driver": PROVISIONER, "volumeHandle": name},
            "persistentVolumeReclaimPolicy": "Delete",
            "storageClassName": claim["spec"]["storageClassName"],
            "volumeMode": claim["spec"]["volumeMode"],
        },
    });
    let volume: PersistentVolume = serde_json::from_value(volume).map_err(Error::SerdeError)?;
    Api::<PersistentVolume>::all(client.clone()).create(&PostParams::default(), &volume).await.map(|_| ())
}

async fn grow(client: &Client, claim: &Value) -> Result<(), Error> {
    let capacity = json!({"storage": claim["spec"]["resources"]["requests"]["storage"]});
    let volumes: Api<PersistentVolume> = Api::all(client.clone());
    let larger = Patch::Merge(json!({"spec": {"capacity": capacity}}));
    volumes.patch(text(&claim["spec"]["volumeName"]), &PatchParams::default(), &larger).await?;
    let claims: Api<PersistentVolumeClaim> = Api::namespaced(client.clone(), text(&claim["metadata"]["namespace"]));
    let larger = Patch::Merge(json!({"status": {"capacity": capacity}}));
    claims.patch_status(text(&claim["metadata"]["name"]), &PatchParams::default(), &larger).await.map(|_| ())
}
