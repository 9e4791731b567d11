//! PersistentVolumeClaims of a StatefulSet's pods: creates missing ones and keeps the owner references that the retention policy asks for.

use serde_json::{Value, json};

use super::super::desk::{Desk, Refusal};
use super::super::fields::{controller_reference, items, name, set, terminating, text, uid};
use super::identity::{claim, claim_keys, ordinal};

/// Creates the claims that a pod lacks; a claim that is being deleted stops the pod.
pub(super) fn ensure(desk: &mut Desk, stateful_set: &Value, pod: &Value) -> Result<(), Refusal> {
    for (key, template) in claim_keys(stateful_set, name(pod)) {
        match desk.get(&key) {
            Some(known) if terminating(known) => {
                let message = format!("pvc {} is being deleted", key.name);
                let what = format!("Create Pod {} in StatefulSet {} failed error: {message}", name(pod), name(stateful_set));
                desk.event(stateful_set, "Warning", "FailedCreate", &what, "statefulset-controller");
                return Err(Refusal::Other(message));
            }
            Some(_) => {}
            None => {
                let mut claim = claim(stateful_set, &key, template);
                if let Some(owners) = changed_owners(&claim, stateful_set, pod, true) {
                    set(&mut claim, &["metadata", "ownerReferences"], json!(owners));
                }
                desk.try_create(claim)?;
                let what = format!("Create Claim {} Pod {} in StatefulSet {} success", key.name, name(pod), name(stateful_set));
                desk.event(stateful_set, "Normal", "SuccessfulCreate", &what, "statefulset-controller");
            }
        }
    }
    Ok(())
}

/// Whether a claim of the pod still belongs to a pod that is gone and will be collected with it.
pub(super) fn stale(desk: &Desk, stateful_set: &Value, pod: &Value) -> bool {
    claim_keys(stateful_set, name(pod)).iter().any(|(key, _)| {
        desk.get(key).is_some_and(|known| {
            items(known, "/metadata/ownerReferences").iter().any(|reference| {
                text(reference, "/kind") == "Pod" && text(reference, "/name") == name(pod) && text(reference, "/uid") != uid(pod)
            })
        })
    })
}

/// Brings the owner references of a pod's claims in line with `persistentVolumeClaimRetentionPolicy`.
pub(super) fn retain(desk: &mut Desk, stateful_set: &Value, pod: &Value, in_range: bool) {
    for (key, _) in claim_keys(stateful_set, name(pod)) {
        let Some(known) = desk.get(&key) else { continue };
        if let Some(owners) = changed_owners(known, stateful_set, pod, in_range) {
            let mut fresh = known.clone();
            set(&mut fresh, &["metadata", "ownerReferences"], json!(owners));
            desk.update(fresh);
        }
    }
}

/// The owner references that a claim should have, if they are not those that it has.
fn changed_owners(claim: &Value, stateful_set: &Value, pod: &Value, in_range: bool) -> Option<Vec<Value>> {
    let policy = |when: &str| text(stateful_set, &format!("/spec/persistentVolumeClaimRetentionPolicy/{when}")) == "Delete";
    let condemned = !in_range && ordinal(stateful_set, pod).is_some();
    let (wants_set, wants_pod) = match (policy("whenDeleted"), policy("whenScaled")) {
        (false, false) => (false, false),
        (true, false) => (true, false),
        (false, true) => (false, condemned),
        (true, true) => (!condemned, condemned),
    };
    let before = items(claim, "/metadata/ownerReferences");
    let mut after: Vec<Value> = before
        .iter()
        .filter(|reference| {
            let of_set = text(reference, "/uid") == uid(stateful_set);
            let of_pod = text(reference, "/uid") == uid(pod) && !uid(pod).is_empty();
            (!of_set || wants_set) && (!of_pod || wants_pod)
        })
        .cloned()
        .collect();
    for (wanted, owner) in [(wants_set, stateful_set), (wants_pod, pod)] {
        if wanted && !uid(owner).is_empty() && !after.iter().any(|reference| text(reference, "/uid") == uid(owner)) {
            after.push(controller_reference(owner));
        }
    }
    (before != after.as_slice()).then_some(after)
}
